use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use thiserror::Error;

use super::bank_file::{BankRow, Booked};
use super::evidence::Evidence;
use super::matching::Exception;
use crate::journal::{Entity, EntityError, Record};
use crate::machine::{Kept, Machine, MachineError, read_event};
use crate::purse::{Claim, Load, LoadRecordError, PurseEvent, PurseHistory, TransactionId};
use crate::store::{Journal, StoreError};

/// How many records are read at once.
const PAGE: usize = 4096;

/// On which day something is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum When {
    /// On no day up to this one.
    #[default]
    #[n(0)]
    Never,
    /// On a day before.
    #[n(1)]
    Before,
    /// On this day.
    #[n(2)]
    Today,
}

/// A load as the journal tells it at the cut-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLoad {
    /// Its id, under which the debit is booked.
    pub id: String,
    /// The card, as its entity has it after `purse/`.
    pub card: String,
    /// Number of the purse.
    pub purse: u8,
    /// Who pays.
    pub account: String,
    /// How much.
    pub amount: u32,
    /// Online serial number of the last CREDIT FOR LOAD, before it.
    pub serial: Option<u16>,
    /// The bank's number of the debit.
    pub reference: Option<String>,
    /// When it was debited.
    pub debited: When,
    /// When it was known that the card has the money.
    pub loaded: When,
    /// When it was reversed.
    pub reversed: When,
    /// Whether it has not ended.
    pub is_open: bool,
}

/// Which loads are wanted besides those of the day: what the other sources name.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    ids: BTreeSet<String>,
    cards: BTreeSet<String>,
}

impl Wanted {
    /// What these rows, and the exceptions carried from the day before, name.
    #[must_use]
    pub fn by(bank: &[BankRow], evidence: &[Evidence], carried: &[Exception]) -> Self {
        let mut wanted = Self::default();
        let rows = bank.iter().chain(carried.iter().flat_map(|exception| &exception.bank));
        wanted.ids.extend(rows.map(|row| debit_of(row).to_owned()));
        wanted.ids.extend(carried.iter().filter_map(|exception| exception.load.clone()));
        let rows = evidence.iter().chain(carried.iter().flat_map(|exception| &exception.evidence));
        wanted.cards.extend(rows.map(|row| row.card.clone()));
        wanted
    }
}

/// Id of the load that a row is about.
pub(super) fn debit_of(row: &BankRow) -> &str {
    match row.booked {
        Booked::Debit => &row.booking,
        Booked::Reversal => row.booking.strip_suffix("/reversal").unwrap_or(&row.booking),
    }
}

/// Own records could not be read, or do not add up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CollectError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Records of a purse.
    #[error(transparent)]
    Machine(#[from] MachineError<LoadRecordError>),
    /// A name that is no entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

/// The loads of which a record stands behind `after` and up to `upto`, and those that are wanted, as the journal had them at `upto`.
///
/// # Errors
/// [`CollectError`].
pub fn collect(
    journal: &(impl Journal + ?Sized),
    after: u64,
    upto: u64,
    wanted: &Wanted,
) -> Result<Vec<JournalLoad>, CollectError> {
    let mut purses: BTreeSet<Entity> = BTreeSet::new();
    let mut seen = after;
    'pages: while seen < upto {
        let page = journal.records(seen, PAGE)?;
        if page.is_empty() {
            break;
        }
        for record in page {
            if record.seq > upto {
                break 'pages;
            }
            seen = record.seq;
            if record.entity.as_str().starts_with("purse/") {
                purses.insert(record.entity);
            }
        }
    }
    for id in wanted.ids.iter().filter_map(|id| TransactionId::new(id).ok()) {
        let claim = Kept::<Claim>::load(journal, Entity::new(&format!("purse-load/{id}"))?)?;
        purses.extend(claim.state().purse().cloned());
    }
    for card in &wanted.cards {
        purses.insert(Entity::new(&format!("purse/{card}"))?);
    }
    let mut loads = Vec::new();
    for purse in purses {
        let mut records = journal.history(&purse)?;
        records.retain(|record| record.seq <= upto);
        let touched = of_purse(&purse, &records, after)?;
        let is_wanted = |load: &JournalLoad, is_of_the_day: bool| {
            is_of_the_day || wanted.ids.contains(&load.id) || wanted.cards.contains(&load.card)
        };
        loads.extend(touched.into_iter().filter(|(load, of_day)| is_wanted(load, *of_day)).map(|(load, _)| load));
    }
    Ok(loads)
}

/// All loads of one purse, each with whether it has records behind `after`.
fn of_purse(entity: &Entity, records: &[Record], after: u64) -> Result<Vec<(JournalLoad, bool)>, CollectError> {
    let history = Kept::<PurseHistory>::from_records(entity.clone(), records)?;
    let card = entity.as_str().strip_prefix("purse/").unwrap_or_default();
    let mut loads: Vec<(JournalLoad, bool)> =
        history.state().loads().iter().map(|load| (as_told(card, load), false)).collect();
    // The number of a load is its place among the events that open one.
    let mut place = 0usize;
    for record in records {
        let event: PurseEvent = read_event(PurseHistory::NAME, record).map_err(MachineError::Event)?;
        place += usize::from(matches!(event, PurseEvent::Opened { .. }));
        let Some((load, of_day)) = place.checked_sub(1).and_then(|place| loads.get_mut(place)) else { continue };
        let when = if record.seq > after { When::Today } else { When::Before };
        *of_day |= when == When::Today;
        match event {
            PurseEvent::Debited { reference } => (load.debited, load.reference) = (when, Some(reference)),
            PurseEvent::Loaded { .. } => load.loaded = when,
            PurseEvent::Reversed { .. } => load.reversed = when,
            PurseEvent::Resolved { .. } => match history.state().loads().get(place - 1).map(|load| load.state) {
                Some(crate::purse::LoadState::Loaded(_)) => load.loaded = when,
                Some(crate::purse::LoadState::Reversed) => load.reversed = when,
                _ => {}
            },
            _ => {}
        }
    }
    Ok(loads)
}

fn as_told(card: &str, load: &Load) -> JournalLoad {
    JournalLoad {
        id: load.id.as_str().into(),
        card: card.into(),
        purse: load.purse as u8,
        account: load.account.as_str().into(),
        amount: load.amount.get(),
        serial: load.credit.map(|credit| credit.serial()),
        reference: None,
        debited: When::Never,
        loaded: When::Never,
        reversed: When::Never,
        is_open: !load.is_ended(),
    }
}
