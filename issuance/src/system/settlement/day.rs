//! One business day, from its cut-off to its signed end.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | Open | Adjusted(day, exception, amount) | two persons approved it | Open |
//! | Open | CutOff(after, upto) | | Collecting |
//! | Collecting | Delivered(source, hash, rows) | each source once | Collecting |
//! | Collecting | Waived(source) | the bank's file or the cards' evidence, not the journal; two persons approved it | Collecting |
//! | Collecting | Matched(totals, exceptions) | every source is delivered or waived | Balanced; Excepted when there are some |
//! | Excepted | Found(exception) | the next number | Excepted |
//! | Excepted | Assigned(number, owner) | found | Excepted |
//! | Excepted | Resolved(number, resolution) | it has an owner; a waiver is approved by two persons | Excepted; Settled at the last |
//! | Balanced, Settled | Closed(statement, key, signature) | the key has signed day and statement | Closed |
//!
//! Nothing follows Closed: what is found later is an adjustment of a day that is open.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::date::BusinessDate;
use super::matching::{Exception, Matching, Totals};
use crate::journal::{CheckpointSigner, EntityError, PublicKey};
use crate::machine::{Change, Kept, Machine, MachineError};
use crate::primitive::approval::{Grant, matter};
use crate::quarantine::MIN_PERSONS;
use crate::store::{Store, StoreError};

/// What the signature over a day begins with.
const CONTEXT: &str = "cardwright settlement 1";

/// Where rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Source {
    /// The bank's file.
    #[n(0)]
    Bank,
    /// Own journal.
    #[n(1)]
    Journal,
    /// What the readers kept.
    #[n(2)]
    Evidence,
}

/// All sources of a day.
const SOURCES: [Source; 3] = [Source::Bank, Source::Journal, Source::Evidence];

/// How an exception ends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Resolution {
    /// It goes to the next day with its rows.
    #[n(0)]
    Carried,
    /// The bank gives the money back, or did, under this number.
    #[n(1)]
    Reversed {
        /// The bank's number.
        #[n(0)]
        reference: String,
    },
    /// The bank is asked to pay, under this number.
    #[n(2)]
    Claimed {
        /// Number of the claim.
        #[n(0)]
        reference: String,
    },
    /// It was a mistake in a source, which was told of it.
    #[n(3)]
    Explained {
        /// In words without data.
        #[n(0)]
        reason: String,
    },
    /// It is let go.
    #[n(4)]
    Waived {
        /// Approval of [`waiver`].
        #[n(0)]
        grant: Grant,
    },
}

impl Resolution {
    /// The resolution in words, as the statement has it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Carried => "carried".into(),
            Self::Reversed { reference } => format!("reversed {reference}"),
            Self::Claimed { reference } => format!("claimed {reference}"),
            Self::Explained { reason } => format!("explained: {reason}"),
            Self::Waived { grant } => format!("waived by {} persons", grant.persons()),
        }
    }
}

/// What happens to a day. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum DayEvent {
    /// A correction of a day that is closed.
    #[n(1088)]
    Adjusted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The day that it corrects.
        #[n(1)]
        day: String,
        /// The exception there, or 0 for something that was none.
        #[n(2)]
        number: u32,
        /// What it corrects by: more debited than was stated, or less.
        #[n(3)]
        amount: i64,
        /// Approval of [`adjustment`].
        #[n(4)]
        grant: Grant,
    },
    /// The day's records are those behind `after` and up to `upto`.
    #[n(1089)]
    CutOff {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Last record of the day before.
        #[n(1)]
        after: u64,
        /// Last record of this day.
        #[n(2)]
        upto: u64,
    },
    /// A source is here.
    #[n(1090)]
    Delivered {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Which.
        #[n(1)]
        source: Source,
        /// SHA-256 of the file.
        #[cbor(n(2), with = "minicbor::bytes")]
        hash: [u8; 32],
        /// How many rows.
        #[n(3)]
        rows: u32,
    },
    /// A source does not come.
    #[n(1091)]
    Waived {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Which.
        #[n(1)]
        source: Source,
        /// Approval of [`waiver`] of number 0 with the day and the source.
        #[n(2)]
        grant: Grant,
        /// The day.
        #[n(3)]
        day: String,
    },
    /// The sources were compared.
    #[n(1092)]
    Matched {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Sums.
        #[n(1)]
        totals: Totals,
        /// How many exceptions follow.
        #[n(2)]
        exceptions: u32,
    },
    /// One of them.
    #[n(1093)]
    Found {
        /// What does not match.
        #[n(0)]
        exception: Exception,
    },
    /// Somebody looks after it.
    #[n(1094)]
    Assigned {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Which.
        #[n(1)]
        number: u32,
        /// Who, as the program knows persons.
        #[n(2)]
        owner: String,
    },
    /// It ended.
    #[n(1095)]
    Resolved {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Which.
        #[n(1)]
        number: u32,
        /// How.
        #[n(2)]
        resolution: Resolution,
        /// The day.
        #[n(3)]
        day: String,
    },
    /// The day ended.
    #[n(1096)]
    Closed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// The day.
        #[n(1)]
        day: String,
        /// SHA-256 of its statement.
        #[cbor(n(2), with = "minicbor::bytes")]
        statement: [u8; 32],
        /// Whose signature it is.
        #[cbor(n(3), with = "minicbor::bytes")]
        key: [u8; 32],
        /// Over CBOR `["cardwright settlement 1", day, statement]`.
        #[cbor(n(4), with = "minicbor::bytes")]
        signature: [u8; 64],
    },
}

/// What two persons approve who let something go: an exception of a day by its number, or a source with number 0.
#[must_use]
pub fn waiver(day: &str, number: u32, source: Option<Source>) -> [u8; 32] {
    matter("settlement waiver", &(day, number, source))
}

/// What two persons approve who adjust a closed day.
#[must_use]
pub fn adjustment(day: &str, number: u32, amount: i64) -> [u8; 32] {
    matter("settlement adjustment", &(day, number, amount))
}

/// Where a day stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DayState {
    /// Under way.
    #[default]
    Open,
    /// Over; the sources come.
    Collecting,
    /// Everything matches.
    Balanced,
    /// Something does not.
    Excepted,
    /// All of that has an end.
    Settled,
    /// Signed; nothing changes any more.
    Closed,
}

/// A business day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    state: DayState,
    window: Option<(u64, u64)>,
    sources: BTreeMap<Source, Option<[u8; 32]>>,
    totals: Totals,
    expected: u32,
    exceptions: Vec<Exception>,
    owners: BTreeMap<u32, String>,
    resolutions: BTreeMap<u32, Resolution>,
    adjustments: Vec<(String, u32, i64)>,
    signed: Option<([u8; 32], [u8; 32])>,
}

/// An event of a day that cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DayError {
    /// It does not fit the state; a closed day is changed by nothing.
    #[error("that cannot follow: the day is {state:?}")]
    Illegal {
        /// The state.
        state: DayState,
    },
    /// Records that do not follow those of the day before.
    #[error("records {after} to {upto} are no day")]
    Window {
        /// Last record of the day before.
        after: u64,
        /// Last record of this day.
        upto: u64,
    },
    /// A source that is there already.
    #[error("{source_name:?} was delivered or waived before")]
    Again {
        /// Which.
        source_name: Source,
    },
    /// Own journal cannot be waived.
    #[error("a day cannot be settled without its own journal")]
    Journal,
    /// A source is missing.
    #[error("{source_name:?} is missing: have it delivered, or waived by two persons")]
    Missing {
        /// Which.
        source_name: Source,
    },
    /// An exception that is not there.
    #[error("there is no exception {number}")]
    NoSuchException {
        /// The number.
        number: u32,
    },
    /// Exceptions out of order.
    #[error("exception {actual} where {expected} is next")]
    Number {
        /// The number.
        actual: u32,
        /// The next.
        expected: u32,
    },
    /// Nobody looks after it.
    #[error("exception {number} has no owner")]
    NoOwner {
        /// Which.
        number: u32,
    },
    /// It ended before.
    #[error("exception {number} was resolved before")]
    Resolved {
        /// Which.
        number: u32,
    },
    /// An owner or reference without a name.
    #[error("an owner, a reference and a reason are 1 to 200 characters")]
    Name,
    /// Not approved by two persons for exactly this.
    #[error("{persons} persons approved exactly this, and two have to")]
    NotApproved {
        /// How many.
        persons: usize,
    },
    /// The signature is not the key's over day and statement.
    #[error("the signature is not that of the key over the day and its statement")]
    Signature,
}

impl Day {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> DayState {
        self.state
    }

    /// Its records: the last of the day before, and its own last.
    #[must_use]
    pub fn window(&self) -> Option<(u64, u64)> {
        self.window
    }

    /// Sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What does not match.
    #[must_use]
    pub fn exceptions(&self) -> &[Exception] {
        &self.exceptions
    }

    /// Who looks after an exception.
    #[must_use]
    pub fn owner(&self, number: u32) -> Option<&str> {
        self.owners.get(&number).map(String::as_str)
    }

    /// How an exception ended.
    #[must_use]
    pub fn resolution(&self, number: u32) -> Option<&Resolution> {
        self.resolutions.get(&number)
    }

    /// Corrections of other days, with day, number of the exception and amount.
    #[must_use]
    pub fn adjustments(&self) -> &[(String, u32, i64)] {
        &self.adjustments
    }

    /// What goes to the next day.
    #[must_use]
    pub fn carried(&self) -> Vec<Exception> {
        let is_carried =
            |exception: &&Exception| matches!(self.resolutions.get(&exception.number), Some(Resolution::Carried));
        self.exceptions.iter().filter(is_carried).cloned().collect()
    }

    /// Whether this key has signed this statement of the day.
    #[must_use]
    pub fn is_signed_by(&self, key: PublicKey, statement: &str) -> bool {
        self.signed == Some((*key.as_bytes(), Sha256::digest(statement).into()))
    }

    fn cut(&mut self, after: u64, upto: u64) -> Result<DayState, DayError> {
        if after > upto {
            return Err(DayError::Window { after, upto });
        }
        self.window = Some((after, upto));
        Ok(DayState::Collecting)
    }

    fn take(&mut self, source: Source, hash: Option<[u8; 32]>) -> Result<DayState, DayError> {
        match self.sources.insert(source, hash) {
            Some(_) => Err(DayError::Again { source_name: source }),
            None => Ok(DayState::Collecting),
        }
    }

    fn matched(&mut self, totals: Totals, exceptions: u32) -> Result<DayState, DayError> {
        if let Some(missing) = SOURCES.into_iter().find(|source| !self.sources.contains_key(source)) {
            return Err(DayError::Missing { source_name: missing });
        }
        (self.totals, self.expected) = (totals, exceptions);
        Ok(if exceptions == 0 { DayState::Balanced } else { DayState::Excepted })
    }

    fn found(&mut self, exception: &Exception) -> Result<DayState, DayError> {
        let expected = u32::try_from(self.exceptions.len()).unwrap_or(u32::MAX).saturating_add(1);
        if exception.number != expected || expected > self.expected {
            return Err(DayError::Number { actual: exception.number, expected });
        }
        self.exceptions.push(exception.clone());
        Ok(DayState::Excepted)
    }

    fn assign(&mut self, number: u32, owner: &str) -> Result<DayState, DayError> {
        self.unresolved(number)?;
        name(owner)?;
        self.owners.insert(number, owner.into());
        Ok(DayState::Excepted)
    }

    fn resolve(&mut self, day: &str, number: u32, resolution: &Resolution) -> Result<DayState, DayError> {
        self.unresolved(number)?;
        if !self.owners.contains_key(&number) {
            return Err(DayError::NoOwner { number });
        }
        match resolution {
            Resolution::Carried => {}
            Resolution::Reversed { reference: text }
            | Resolution::Claimed { reference: text }
            | Resolution::Explained { reason: text } => name(text)?,
            Resolution::Waived { grant } => approved(grant, &waiver(day, number, None))?,
        }
        self.resolutions.insert(number, resolution.clone());
        let all = self.resolutions.len() == self.expected as usize;
        Ok(if all { DayState::Settled } else { DayState::Excepted })
    }

    fn unresolved(&self, number: u32) -> Result<(), DayError> {
        if !self.exceptions.iter().any(|exception| exception.number == number) {
            return Err(DayError::NoSuchException { number });
        }
        if self.resolutions.contains_key(&number) { Err(DayError::Resolved { number }) } else { Ok(()) }
    }
}

fn name(text: &str) -> Result<(), DayError> {
    if (1..=200).contains(&text.chars().count()) { Ok(()) } else { Err(DayError::Name) }
}

fn approved(grant: &Grant, what: &[u8; 32]) -> Result<(), DayError> {
    let persons = if grant.what() == what { grant.persons() } else { 0 };
    if persons < MIN_PERSONS { Err(DayError::NotApproved { persons }) } else { Ok(()) }
}

/// The bytes that are signed.
fn signed_bytes(day: &str, statement: &[u8; 32]) -> Vec<u8> {
    // Writing to memory cannot fail.
    minicbor::to_vec((CONTEXT, day, ByteArray::from(*statement))).unwrap_or_default()
}

fn verify(day: &str, statement: &[u8; 32], key: &[u8; 32], signature: &[u8; 64]) -> Result<(), DayError> {
    let key = VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak()).ok_or(DayError::Signature)?;
    let signature = Signature::from_bytes(signature);
    key.verify_strict(&signed_bytes(day, statement), &signature).map_err(|_| DayError::Signature)
}

impl Machine for Day {
    const NAME: &'static str = "settlement";
    type Event = DayEvent;
    type Effect = std::convert::Infallible;
    type Error = DayError;

    fn apply(mut self, event: &DayEvent) -> Result<(Self, Vec<Self::Effect>), DayError> {
        use DayState::{Balanced, Closed, Collecting, Excepted, Open, Settled};
        self.state = match (self.state, event) {
            (Open, DayEvent::Adjusted { day, number, amount, grant, .. }) => {
                approved(grant, &adjustment(day, *number, *amount))?;
                self.adjustments.push((day.clone(), *number, *amount));
                Open
            }
            (Open, DayEvent::CutOff { after, upto, .. }) => self.cut(*after, *upto)?,
            (Collecting, DayEvent::Delivered { source, hash, .. }) => self.take(*source, Some(*hash))?,
            (Collecting, DayEvent::Waived { source: Source::Journal, .. }) => return Err(DayError::Journal),
            (Collecting, DayEvent::Waived { source, grant, day, .. }) => {
                approved(grant, &waiver(day, 0, Some(*source)))?;
                self.take(*source, None)?
            }
            (Collecting, DayEvent::Matched { totals, exceptions, .. }) => self.matched(*totals, *exceptions)?,
            (Excepted, DayEvent::Found { exception }) => self.found(exception)?,
            (Excepted, DayEvent::Assigned { number, owner, .. }) => self.assign(*number, owner)?,
            (Excepted, DayEvent::Resolved { number, resolution, day, .. }) => self.resolve(day, *number, resolution)?,
            (Balanced | Settled, DayEvent::Closed { day, statement, key, signature, .. }) => {
                verify(day, statement, key, signature)?;
                self.signed = Some((*key, *statement));
                Closed
            }
            (state, _) => return Err(DayError::Illegal { state }),
        };
        Ok((self, Vec::new()))
    }

    fn belongs_to(event: &DayEvent) -> Option<String> {
        match event {
            DayEvent::Waived { day, .. } | DayEvent::Resolved { day, .. } | DayEvent::Closed { day, .. } => {
                Some(format!("settlement/{day}"))
            }
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, DayState::Collecting | DayState::Balanced | DayState::Excepted | DayState::Settled)
    }
}

/// A day could not be changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettlementError {
    /// Its records.
    #[error(transparent)]
    Machine(#[from] MachineError<DayError>),
    /// The day before has not been cut off.
    #[error("{day} has not been cut off: days end in order")]
    DayBefore {
        /// The day before.
        day: String,
    },
    /// Whoever signs.
    #[error("the statement was not signed: {reason}")]
    Signer {
        /// What its service says.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that is no entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

/// Ends a day: its records are those behind the cut-off of the day before, up to the last one that there is now.
///
/// # Errors
/// [`SettlementError::DayBefore`]; the day stays open.
pub fn cut_off(
    store: &mut (impl Store + ?Sized),
    day: &mut Kept<Day>,
    before: Option<&Kept<Day>>,
    now_ms: u64,
) -> Result<(u64, u64), SettlementError> {
    let after = match before {
        None => 0,
        Some(before) => {
            let missing = || SettlementError::DayBefore { day: before.entity().to_string() };
            before.state().window().ok_or_else(missing)?.1
        }
    };
    let upto = store.head()?.seq;
    let event = DayEvent::CutOff { at_ms: now_ms, after, upto };
    Change::new().apply(day, &[event])?.commit(store, now_ms)?;
    Ok((after, upto))
}

/// Records what came of the match, with each exception.
///
/// # Errors
/// [`SettlementError`]; nothing is recorded then.
pub fn record_matching(
    store: &mut (impl Store + ?Sized),
    day: &mut Kept<Day>,
    matching: &Matching,
    now_ms: u64,
) -> Result<(), SettlementError> {
    let exceptions = u32::try_from(matching.exceptions.len()).unwrap_or(u32::MAX);
    let matched = DayEvent::Matched { at_ms: now_ms, totals: matching.totals, exceptions };
    let found = matching.exceptions.iter().map(|exception| DayEvent::Found { exception: exception.clone() });
    let events: Vec<_> = [matched].into_iter().chain(found).collect();
    Change::new().apply(day, &events)?.commit(store, now_ms)?;
    Ok(())
}

/// Signs the statement of a day and closes it.
///
/// # Errors
/// [`SettlementError`]: an exception without an end among them. The day stays as it is.
pub fn close(
    store: &mut (impl Store + ?Sized),
    day: &mut Kept<Day>,
    date: BusinessDate,
    statement: &str,
    signer: &mut dyn CheckpointSigner,
    now_ms: u64,
) -> Result<(), SettlementError> {
    let (day_name, hash): (String, [u8; 32]) = (date.to_string(), Sha256::digest(statement).into());
    let signature =
        signer.sign(&signed_bytes(&day_name, &hash)).map_err(|reason| SettlementError::Signer { reason })?;
    let key = *signer.public_key().as_bytes();
    let closed = DayEvent::Closed { at_ms: now_ms, day: day_name, statement: hash, key, signature };
    Change::new().apply(day, &[closed])?.commit(store, now_ms)?;
    Ok(())
}
