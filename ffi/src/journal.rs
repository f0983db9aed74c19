//! Journals: the library's own, in a file, or the program's.

use std::ffi::c_char;
use std::time::{SystemTime, UNIX_EPOCH};

use cardwright_issuance::Ledger;
use cardwright_issuance::job::Job;
use cardwright_issuance::journal::{Entity, Record};
use cardwright_issuance::store::{Durable, Journal as _, SqliteStore, Store as _, StoreError, Transaction};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Object};
use crate::input;
use crate::plain::{self, Out, plain};
use crate::status::cw_status;
use crate::store::{ProgramStore, cw_store};

/// A journal: what was decided and what happened, card by card, so that an interrupted run is finished by the next. Made by
/// `cw_journal_open` or `cw_journal_new_store`, ended by `cw_journal_free`. Any number of threads may use it at the same time.
pub struct cw_journal {
    _opaque: [u8; 0],
}

/// What a `cw_journal` stands for.
#[derive(Clone)]
pub(crate) enum Journal {
    File(SqliteStore),
    Program(ProgramStore),
}

impl Object for Journal {
    const NAME: &'static str = "cw_journal";
}

impl Journal {
    pub(crate) fn of(journal: *mut cw_journal) -> Result<Self, Failure> {
        let journal = handle::view::<Self, _>(journal as usize, |journal| Ok(journal.clone()))?;
        if let Self::Program(store) = &journal {
            store.check()?;
        }
        Ok(journal)
    }

    pub(crate) fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        match self {
            Self::File(store) => store.history(entity),
            Self::Program(store) => store.history(entity),
        }
    }

    pub(crate) fn commit(&self, transaction: Transaction) -> Result<Durable, StoreError> {
        match self {
            Self::File(store) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                let now = u64::try_from(now).unwrap_or(u64::MAX);
                // Threads that commit at once, each with a handle of its own, share a sync.
                store.clone().commit(transaction, now)
            }
            Self::Program(store) => store.commit(&transaction),
        }
    }
}

/// Attempts to open a secure channel to one card.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_lockout {
    /// Set it to `sizeof(cw_lockout)`.
    pub struct_size: u32,
    /// Failures in a row: the keys did not fit. Many cards lock after three, some for ever.
    pub failures: u32,
    /// Attempts in a row that the card never answered.
    pub unanswered: u32,
    /// 1: another attempt needs `CW_ORDER_OVERRIDE_LOCKOUT`; else 0.
    pub locked_out: u32,
}

plain! { cw_lockout: size_of::<cw_lockout>(); }

/// Opens the journal in a file (SQLite), and makes it when it is not there. Its chain of records is verified. One program at a time
/// writes to a file. `path` is UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_journal_open(path: *const c_char, out: *mut *mut cw_journal) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a NUL-terminated string.
        let path = unsafe { input::string(path, "path")? };
        let store = SqliteStore::open(&path)?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Journal::File(store), out) }
    })
}

/// A journal that the program keeps itself. The callbacks and `user` are copied; what `user` points to must live until the handle is
/// freed and the last call that uses it has returned.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_journal_new_store(store: *const cw_store, out: *mut *mut cw_journal) -> cw_status {
    boundary(|| {
        input::out(out, "out")?;
        // SAFETY: the header asks for a struct of `struct_size` readable bytes.
        let store = ProgramStore::new(&unsafe { plain::read(store)? })?;
        // SAFETY: `out` was checked; the header asks for a writable pointer.
        unsafe { handle::hand_out(Journal::Program(store), out) }
    })
}

/// Closes a journal; NULL is fine. A process under way goes on.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_journal_free(journal: *mut cw_journal) -> cw_status {
    boundary(|| handle::remove::<Journal>(journal as usize))
}

/// Tells how many attempts to open a secure channel to a card failed in a row. `card` is its identity, as `cw_card_data` and
/// `cw_report` give it; a card that the journal does not know has none.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_journal_lockout(
    journal: *mut cw_journal,
    card: *const c_char,
    out: *mut cw_lockout,
) -> cw_status {
    boundary(|| {
        let journal = Journal::of(journal)?;
        // SAFETY: the header asks for a NUL-terminated string and a struct of `struct_size` writable bytes.
        let (card, out) = unsafe { (input::string(card, "card")?, Out::new(out)?) };
        let entity = Entity::new(&format!("card/{card}")).map_err(|error| Failure::value(format!("card: {error}")))?;
        let records = journal.history(&entity)?;
        let ledger: Ledger = Job::from_records(entity, &records)?.state().ledger;
        out.write(&cw_lockout {
            struct_size: 0,
            failures: ledger.failures(),
            unanswered: ledger.unanswered(),
            locked_out: ledger.is_locked_out().into(),
        });
        Ok(())
    })
}
