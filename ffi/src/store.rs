//! A journal that the program keeps itself, as C callbacks.

use std::ffi::{CString, c_char, c_void};
use std::sync::Mutex;

use cardwright_issuance::journal::{Entity, Record};
use cardwright_issuance::store::{Durable, Place, StoreError, Transaction};

use crate::boundary::boundary;
use crate::failure::Failure;
use crate::handle::{self, Object};
use crate::plain::{self, plain};
use crate::serving::Service;
use crate::status::*;

/// One record of an entity.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_record {
    /// Set it to `sizeof(cw_record)`.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Its number.
    pub seq: u64,
    /// What `cw_entry.entity` was. A record of another entity than was asked for ends the call with `CW_STORE_DAMAGED`.
    pub entity: *const c_char,
    /// The bytes that `cw_entry.body` had.
    pub body: *const u8,
    /// Length of `body`, in bytes.
    pub body_len: usize,
}

/// One record to be written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_entry {
    /// `sizeof(cw_entry)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// What the record belongs to: 1 to 200 bytes of printable ASCII, such as "card/cplc-..".
    pub entity: *const c_char,
    /// The bytes to keep. They hold no key.
    pub body: *const u8,
    /// Length of `body`, in bytes, at most 1048576.
    pub body_len: usize,
}

/// What must still hold when a transaction is written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_expectation {
    /// `sizeof(cw_expectation)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// An entity.
    pub entity: *const c_char,
    /// Number of its last record, 0 for none.
    pub last_seq: u64,
}

/// What is written together or not at all.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_transaction {
    /// `sizeof(cw_transaction)` of the library; use no field beyond it.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The records, in order.
    pub entries: *const cw_entry,
    /// Number of records, at least 1.
    pub entry_count: usize,
    /// The expectations.
    pub expectations: *const cw_expectation,
    /// Number of expectations.
    pub expectation_count: usize,
}

/// Takes one record, which it copies; `taker` is what the library handed to `cw_history_fn`, and takes nothing when that has
/// returned. A record that is wrong (of another entity, out of order, too long) is refused with a status other than `CW_OK`, and ends
/// the call that needs the history.
pub type cw_take_record_fn =
    Option<unsafe extern "system" fn(taker: *mut c_void, record: *const cw_record) -> cw_status>;

/// Hands all records of an entity, and of no other, to `take`, in the order of their numbers; none is fine.
///
/// Called by the thread that is in a call which uses the handle: by several at the same time when several threads use it. Returns
/// `CW_OK`, or one of `CW_STORE_BUSY` to `CW_STORE_DAMAGED`. It does not throw and does not jump out; it may call this library,
/// but a call with the process that it serves, or with its own `cw_journal`, ends with `CW_REENTRANT`.
pub type cw_history_fn = Option<
    unsafe extern "system" fn(
        user: *mut c_void,
        entity: *const c_char,
        take: cw_take_record_fn,
        taker: *mut c_void,
    ) -> cw_status,
>;

/// Writes all records of a transaction or none, gives them numbers that rise by one, above all numbers given before, and sets
/// `*first_seq` to the first of them.
///
/// `CW_OK` is a promise: the records are on stable storage, and survive a power cut from now on. Only then are commands sent that
/// cannot be undone. `CW_STORE_CONFLICT`, and nothing written, when an expectation does not hold: then somebody else works on
/// the same card. `CW_STORE_IN_DOUBT` when it cannot be told whether they were written; numbers that are none of
/// `CW_STORE_CONFLICT` to `CW_STORE_DAMAGED` count as that, too. All else as for `cw_history_fn`.
pub type cw_commit_fn = Option<
    unsafe extern "system" fn(user: *mut c_void, transaction: *const cw_transaction, first_seq: *mut u64) -> cw_status,
>;

/// A journal that the program keeps itself: a table with the columns number, time, entity and body, to which rows are only
/// added. It has no hash chain.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_store {
    /// Set it to `sizeof(cw_store)`.
    pub struct_size: u32,
    /// Zero.
    pub flags: u32,
    /// Reads.
    pub history: cw_history_fn,
    /// Writes.
    pub commit: cw_commit_fn,
    /// Handed to the callbacks, and not looked at otherwise.
    pub user: *mut c_void,
}

plain! {
    cw_record: size_of::<cw_record>();
    cw_store: size_of::<cw_store>();
}

/// The most that an entity's history holds, in bytes of all bodies: far above what a card's life brings.
const MAX_HISTORY: usize = 64 << 20;

/// The callbacks of a `cw_journal`.
#[derive(Clone, Copy)]
pub(crate) struct ProgramStore {
    history: unsafe extern "system" fn(*mut c_void, *const c_char, cw_take_record_fn, *mut c_void) -> cw_status,
    commit: unsafe extern "system" fn(*mut c_void, *const cw_transaction, *mut u64) -> cw_status,
    user: *mut c_void,
    service: Service,
}

// SAFETY: `user` is only handed to the callbacks, and the header tells the caller which threads call them.
unsafe impl Send for ProgramStore {}
// SAFETY: as above.
unsafe impl Sync for ProgramStore {}

impl ProgramStore {
    pub(crate) fn new(store: &cw_store) -> Result<Self, Failure> {
        if store.flags != 0 {
            return Err(Failure::value(format!("flags {:X} of cw_store are not known", store.flags)));
        }
        let history = store.history.ok_or_else(|| Failure::null("history"))?;
        let commit = store.commit.ok_or_else(|| Failure::null("commit"))?;
        Ok(Self { history, commit, user: store.user, service: Service::new() })
    }

    /// Refuses its own callbacks, which would ask themselves.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.service.check("cw_journal")
    }

    pub(crate) fn history(&self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        let name = name(entity);
        let broken = |failure: Failure| store_error(CW_STORE_DAMAGED, "reading", &failure.message);
        let taker = Taker(Mutex::new(Taken { records: Records::new(entity.clone()), failure: None }));
        let number = handle::insert(taker).map_err(broken)?;
        let _under_way = self.service.begin();
        // SAFETY: a function of the type that the header asks for; the name lives while it runs.
        let status = unsafe { (self.history)(self.user, name.as_ptr(), Some(take), number as *mut c_void) };
        // A record that another thread still hands in is not among those of this call: the history is not whole then.
        let taken = handle::take::<Taker>(number).map_err(broken)?.0.into_inner();
        match (status, taken) {
            (CW_OK, Ok(Taken { records, failure: None })) => Ok(records.records),
            (CW_OK, Ok(Taken { failure: Some(failure), .. })) => Err(broken(failure)),
            (CW_OK, Err(_)) => Err(store_error(CW_STORE_FAILED, "reading", "a record could not be taken")),
            (status, _) => Err(store_error(status, "reading", "")),
        }
    }

    pub(crate) fn commit(&self, transaction: &Transaction) -> Result<Durable, StoreError> {
        let in_c = TransactionInC::new(transaction);
        let mut first_seq = 0;
        let _under_way = self.service.begin();
        // SAFETY: a function of the type that the header asks for; what it gets lives while it runs.
        let status = unsafe { (self.commit)(self.user, in_c.transaction(), &raw mut first_seq) };
        committed(transaction, status, first_seq, "")
    }
}

/// What a program's commit comes to.
pub(crate) fn committed(
    transaction: &Transaction,
    status: cw_status,
    first_seq: u64,
    reason: &str,
) -> Result<Durable, StoreError> {
    match (status, transaction.expect.first()) {
        (CW_OK, _) => {}
        (CW_STORE_CONFLICT, Some((entity, _))) => return Err(StoreError::Superseded { entity: entity.clone() }),
        (CW_STORE_CONFLICT..=CW_STORE_DAMAGED, _) => return Err(store_error(status, "writing", reason)),
        // A number that says nothing about the records does not say that they were not written.
        _ => {
            let message = format!("the program's store says {status}, which is no answer to a commit");
            return Err(store_error(CW_STORE_IN_DOUBT, "writing", &message));
        }
    }
    // A number that was given before would hide what happened since.
    let least = transaction.expect.iter().map(|(_, last)| *last).max().unwrap_or(0);
    if first_seq <= least || first_seq.checked_add(transaction.entries.len() as u64).is_none() {
        let message = format!("the first record got number {first_seq}: it must be above {least}, and leave room");
        return Err(store_error(CW_STORE_IN_DOUBT, "writing", &message));
    }
    Ok(Durable::vouched_for(transaction, first_seq))
}

/// An entity has no NUL: it is printable.
fn name(entity: &Entity) -> CString {
    CString::new(entity.as_str()).unwrap_or_default()
}

pub(crate) fn store_error(status: cw_status, doing: &'static str, words: &str) -> StoreError {
    let source = match words {
        "" => format!("the program's store says {status}").into(),
        words => words.into(),
    };
    match status {
        CW_STORE_FULL => StoreError::Full,
        CW_STORE_BUSY => StoreError::Busy { doing },
        CW_STORE_IN_DOUBT => StoreError::InDoubt { source },
        CW_STORE_DAMAGED => {
            StoreError::Damaged { path: "the program's store".into(), place: Place::File, finding: source.to_string() }
        }
        _ => StoreError::Engine { doing, source },
    }
}

/// Where records go to while one call of `cw_history_fn` is under way. A handle like others: used later it is found out.
struct Taker(Mutex<Taken>);

impl Object for Taker {
    const NAME: &'static str = "taker";
}

struct Taken {
    records: Records,
    failure: Option<Failure>,
}

unsafe extern "system" fn take(taker: *mut c_void, record: *const cw_record) -> cw_status {
    boundary(|| {
        handle::view::<Taker, _>(taker as usize, |taker| {
            let failed = |_| Failure::new(CW_INTERNAL, "an earlier record failed inside the library");
            let mut taken = taker.0.lock().map_err(failed)?;
            if let Some(failure) = &taken.failure {
                return Err(failure.clone());
            }
            // SAFETY: the header asks for a struct of `struct_size` readable bytes, whose pointer is good for its length.
            unsafe { taken.records.push(record) }.inspect_err(|failure| taken.failure = Some(failure.clone()))
        })
    })
}

/// Records of one entity, as they come from a program.
pub(crate) struct Records {
    entity: Entity,
    length: usize,
    pub(crate) records: Vec<Record>,
}

impl Records {
    pub(crate) fn new(entity: Entity) -> Self {
        Self { entity, length: 0, records: Vec::new() }
    }

    /// # Safety
    /// `record` is NULL or points to a struct of `struct_size` readable bytes, whose pointer is good for its length and whose string
    /// ends.
    pub(crate) unsafe fn push(&mut self, record: *const cw_record) -> Result<(), Failure> {
        // SAFETY: passed on.
        let record = unsafe { plain::read(record)? };
        // SAFETY: passed on.
        let entity = unsafe { crate::input::string(record.entity, "entity")? };
        if entity != self.entity.as_str() {
            return Err(Failure::value(format!("record {} is of another entity than {}", record.seq, self.entity)));
        }
        let limit = cardwright_issuance::journal::MAX_BODY;
        // SAFETY: passed on.
        let body = unsafe { crate::input::bytes(record.body, record.body_len, limit, "body")? };
        self.length += body.len();
        let before = self.records.last().map_or(0, |record| record.seq);
        if record.seq <= before {
            let wrong = match record.seq {
                0 => "a record has number 0, the first is 1".to_owned(),
                seq => format!("record {seq} comes after record {before}"),
            };
            return Err(Failure::value(wrong));
        }
        if self.length > MAX_HISTORY {
            return Err(Failure::value(format!("{} has more than {MAX_HISTORY} bytes of records", self.entity)));
        }
        self.records.push(Record {
            seq: record.seq,
            time_ms: 0,
            epoch: 0,
            entity: self.entity.clone(),
            body: body.to_vec(),
            prev_hash: [0; 32],
            hash: [0; 32],
            origin: None,
        });
        Ok(())
    }
}

/// A transaction for C, and what its pointers point to.
pub(crate) struct TransactionInC {
    transaction: cw_transaction,
    _names: Vec<CString>,
    _bodies: Vec<Vec<u8>>,
    _entries: Vec<cw_entry>,
    _expectations: Vec<cw_expectation>,
}

// SAFETY: the pointers lead to what the struct itself owns, on the heap and never changed.
unsafe impl Send for TransactionInC {}

impl TransactionInC {
    pub(crate) fn new(transaction: &Transaction) -> Self {
        let mut names = Vec::new();
        let bodies: Vec<_> = transaction.entries.iter().map(|entry| entry.body.clone()).collect();
        let mut entries = Vec::new();
        for (entry, body) in transaction.entries.iter().zip(&bodies) {
            names.push(name(&entry.entity));
            entries.push(cw_entry {
                struct_size: size_of::<cw_entry>() as u32,
                reserved: 0,
                entity: names.last().map_or(std::ptr::null(), |name| name.as_ptr()),
                body: body.as_ptr(),
                body_len: body.len(),
            });
        }
        let mut expectations = Vec::new();
        for (entity, last_seq) in &transaction.expect {
            names.push(name(entity));
            expectations.push(cw_expectation {
                struct_size: size_of::<cw_expectation>() as u32,
                reserved: 0,
                entity: names.last().map_or(std::ptr::null(), |name| name.as_ptr()),
                last_seq: *last_seq,
            });
        }
        let transaction = cw_transaction {
            struct_size: size_of::<cw_transaction>() as u32,
            reserved: 0,
            entries: entries.as_ptr(),
            entry_count: entries.len(),
            expectations: if expectations.is_empty() { std::ptr::null() } else { expectations.as_ptr() },
            expectation_count: expectations.len(),
        };
        Self { transaction, _names: names, _bodies: bodies, _entries: entries, _expectations: expectations }
    }

    pub(crate) fn transaction(&self) -> &cw_transaction {
        &self.transaction
    }
}
