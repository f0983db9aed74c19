use cardwright_cos::purse::Amount;
use thiserror::Error;

use super::binding::{Binding, BindingRecordError};
use super::rules::{RuleError, Rules};
use super::visit::{PausedBecause, Visit, VisitError, VisitEvent, VisitState};
use crate::account::AccountId;
use crate::journal::{Entity, EntityError};
use crate::machine::{Change, Kept, MachineError};
use crate::port::{Conversation, IssuancePort};
use crate::primitive::lease::{Lease, LeaseError, LeaseEvent, LeaseState, Token};
use crate::purse::{
    Card, ClosedBecause, Decisions, Gate, Load, LoadError, LoadOrder, LoadRecordError, LoadReport, LoadState,
    LoadTerminal, LoadedBy, PurseHistory, Reading, TransactionId, Waiting, give_up_load, load_card, resume_card,
};
use crate::store::StoreError;
use crate::system::admission::{Reader, ReaderError, ReaderIdentity};

/// A top-up as a reader asks for it.
#[derive(Clone, Debug)]
pub struct TopUpOrder {
    /// The load. The limits in its terminal are those of `rules`.
    pub load: LoadOrder,
    /// Serial number of the reader.
    pub reader: String,
    /// The rules in force.
    pub rules: Rules,
    /// How long the reader has the card, in milliseconds: the longest run.
    pub lease_ms: u64,
}

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The card has the money.
    Written(LoadedBy),
    /// The card does not have it, and the account has.
    NotWritten(NotWritten),
    /// It is not decided yet.
    Waiting(Waiting),
}

/// Why nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotWritten {
    /// The reader may not.
    Reader(ReaderError),
    /// Another reader has the card.
    CardBusy {
        /// Which.
        reader: String,
        /// Until when, in milliseconds since 1970-01-01 UTC, at the latest.
        until_ms: u64,
    },
    /// The card is bound to no account.
    NotBound,
    /// The account is not the card's.
    OtherAccount,
    /// The rules; nothing when the load was refused in an earlier run.
    Rules(Option<RuleError>),
    /// The account was not debited.
    DebitRefused,
    /// It was given up before the debit.
    GivenUp,
    /// The account was debited and has its money back.
    Reversed,
}

/// How a run left a top-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUpReport {
    /// What the reader is told.
    pub outcome: Outcome,
    /// The load, when one was begun.
    pub load: Option<Load>,
}

/// Why a top-up did not go on. What was begun is finished by the next run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TopUpError {
    /// The load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The reader's records.
    #[error(transparent)]
    Reader(#[from] MachineError<ReaderError>),
    /// The binding's records.
    #[error(transparent)]
    Binding(#[from] MachineError<BindingRecordError>),
    /// The records of the card's lease.
    #[error(transparent)]
    Lease(#[from] MachineError<LeaseError>),
    /// The top-up's records: an id of another card among them.
    #[error(transparent)]
    Visit(#[from] MachineError<VisitError>),
    /// The purse's records.
    #[error(transparent)]
    Purse(#[from] MachineError<LoadRecordError>),
    /// The store; after a conflict another reader was faster, and the next run decides anew.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A name that is no entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

/// Loads the card in a reader, or finishes the top-up with this id.
#[must_use]
pub fn top_up(mut order: TopUpOrder) -> Conversation<Result<TopUpReport, TopUpError>> {
    order.load.terminal.rules = order.rules.limits;
    Conversation::new(move |mut port| async move {
        let (kind, now_ms) = (order.load.purse, order.load.terminal.now_ms);
        let reader = read_reader(&mut port, &order.reader).await?;
        if let Err(why) = reader.state().admits(kind, order.load.amount, now_ms) {
            return Ok(refused(NotWritten::Reader(why)));
        }
        let card = Card::meet(&mut port, &order.load.terminal).await.map_err(TopUpError::Load)?;
        let purse = card.purse()?;
        let binding = Kept::<Binding>::read(&mut port, Binding::entity(&purse, kind)?).await?;
        if let Err(why) = pays(binding.state(), &order.load.account) {
            return Ok(refused(why));
        }
        let given = vec![place(&reader), place(&binding)];
        let desk = Desk { reader: order.reader, now_ms, lease_ms: order.lease_ms };
        let mut stay = match Stay::begin(&mut port, desk, &order.load.id, &purse, &given).await? {
            Ok(stay) => stay,
            Err(busy) => return Ok(refused(busy)),
        };
        let date = order.load.terminal.time.date();
        let (rules, amount) = (order.rules, order.load.amount);
        let given = [given, stay.places()].concat();
        let mut gate = Rulebook { rules, amount, date, given, refused: None };
        let result = load_card(port.clone(), &card, order.load, Decisions::REAL, &mut gate).await;
        stay.end(&mut port, &result).await?;
        Ok(report(result?, gate.refused))
    })
}

/// Finishes whatever top-up of the card in a reader was cut off; `None` when there is none. A debit that was never booked is cancelled.
///
/// The reader has to be admitted for the purse and the amount of what was cut off.
#[must_use]
pub fn finish(
    reader: String,
    terminal: LoadTerminal,
    lease_ms: u64,
) -> Conversation<Result<Option<TopUpReport>, TopUpError>> {
    Conversation::new(move |mut port| async move {
        let now_ms = terminal.now_ms;
        let desk = Desk { reader, now_ms, lease_ms };
        let reader = read_reader(&mut port, &desk.reader).await?;
        let card = Card::meet(&mut port, &terminal).await.map_err(TopUpError::Load)?;
        let purse = Kept::<PurseHistory>::read(&mut port, card.purse()?).await?;
        let Some(open) = purse.state().open() else { return Ok(None) };
        if let Err(why) = reader.state().admits(open.purse, open.amount, now_ms) {
            return Ok(Some(refused(NotWritten::Reader(why))));
        }
        let begun = Stay::begin(&mut port, desk, &open.id, purse.entity(), &[place(&reader)]).await?;
        let mut stay = match begun {
            Ok(stay) => stay,
            Err(busy) => return Ok(Some(refused(busy))),
        };
        // `None`: another run ended it meanwhile.
        let Some(result) = resume_card(port.clone(), &card, &terminal).await.transpose() else { return Ok(None) };
        stay.end(&mut port, &result).await?;
        Ok(Some(report(result?, None)))
    })
}

/// Ends a top-up without its card: what was debited and never credited is reversed; where a MAC2 was given out, it is disputed. The time
/// is in milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn give_up(id: TransactionId, now_ms: u64) -> Conversation<Result<TopUpReport, TopUpError>> {
    Conversation::new(move |mut port| async move {
        let load = give_up_load(port.clone(), id.clone(), now_ms).await?;
        let mut visit = Kept::<Visit>::read(&mut port, Visit::entity(&id)?).await?;
        let event = VisitEvent::of(&load, now_ms);
        let is_news = match visit.state().state() {
            VisitState::Admitted => true,
            VisitState::Paused(_) => matches!(event, VisitEvent::Ended { .. }),
            VisitState::None | VisitState::Ended(_) => false,
        };
        if is_news {
            Change::new().apply(&mut visit, &[event])?.commit_through(&mut port).await?;
        }
        Ok(report(load, None))
    })
}

/// The entity of a card's lease, by the entity of its purses.
///
/// # Errors
/// [`EntityError`] when the name is too long.
pub fn lease_entity(purse: &Entity) -> Result<Entity, EntityError> {
    Entity::new(&format!("lease/{purse}"))
}

async fn read_reader(port: &mut IssuancePort, serial: &str) -> Result<Kept<Reader>, TopUpError> {
    Ok(Kept::read(port, ReaderIdentity::entity(serial)?).await?)
}

/// Whether this account pays for the card.
fn pays(binding: &Binding, account: &AccountId) -> Result<(), NotWritten> {
    match binding.account() {
        None => Err(NotWritten::NotBound),
        Some(bound) if bound != account => Err(NotWritten::OtherAccount),
        Some(_) => Ok(()),
    }
}

fn place<M: crate::machine::Machine>(kept: &Kept<M>) -> (Entity, u64) {
    (kept.entity().clone(), kept.last_seq())
}

fn refused(why: NotWritten) -> TopUpReport {
    TopUpReport { outcome: Outcome::NotWritten(why), load: None }
}

fn report(LoadReport { load, waiting }: LoadReport, rule: Option<RuleError>) -> TopUpReport {
    let outcome = match (load.state, waiting) {
        (_, Some(waiting)) => Outcome::Waiting(waiting),
        (LoadState::Loaded(by), None) => Outcome::Written(by),
        (LoadState::Closed(ClosedBecause::DebitRefused), None) => Outcome::NotWritten(NotWritten::DebitRefused),
        (LoadState::Closed(ClosedBecause::Rules), None) => Outcome::NotWritten(NotWritten::Rules(rule)),
        (LoadState::Reversed, None) => Outcome::NotWritten(NotWritten::Reversed),
        // A run without anything to wait for leaves a load that has ended.
        (_, None) => Outcome::NotWritten(NotWritten::GivenUp),
    };
    TopUpReport { outcome, load: Some(load) }
}

/// The rules as the gate of a load.
struct Rulebook {
    rules: Rules,
    amount: Amount,
    date: [u8; 4],
    given: Vec<(Entity, u64)>,
    refused: Option<RuleError>,
}

impl Gate for Rulebook {
    fn allows(&mut self, reading: &Reading<'_>) -> bool {
        self.refused = self.rules.check(self.amount, reading, self.date).err();
        self.refused.is_none()
    }

    fn given(&self) -> Vec<(Entity, u64)> {
        self.given.clone()
    }
}

/// Where a card is.
struct Desk {
    reader: String,
    now_ms: u64,
    lease_ms: u64,
}

/// A card at a reader: the lease is held, and the top-up says so.
struct Stay {
    desk: Desk,
    visit: Kept<Visit>,
    lease: Kept<Lease>,
    token: Token,
}

impl Stay {
    /// Takes the card's lease and records whose it is; or says who has it.
    async fn begin(
        port: &mut IssuancePort,
        desk: Desk,
        id: &TransactionId,
        purse: &Entity,
        given: &[(Entity, u64)],
    ) -> Result<Result<Self, NotWritten>, TopUpError> {
        let mut visit = Kept::<Visit>::read(port, Visit::entity(id)?).await?;
        let mut lease = Kept::<Lease>::read(port, lease_entity(purse)?).await?;
        let (token, events) = match take(lease.state(), &desk) {
            Ok(taken) => taken,
            Err(busy) => return Ok(Err(busy)),
        };
        let mut change = Change::new().apply(&mut lease, &events)?.expecting(given);
        if !matches!(visit.state().state(), VisitState::Ended(_)) {
            let (at_ms, reader, card) = (desk.now_ms, desk.reader.clone(), purse.as_str().into());
            change = change.apply(&mut visit, &[VisitEvent::Admitted { at_ms, reader, card, token }])?;
        }
        change.commit_through(port).await?;
        Ok(Ok(Self { desk, visit, lease, token }))
    }

    /// What the load rests on besides what it was admitted by.
    fn places(&self) -> Vec<(Entity, u64)> {
        vec![place(&self.lease)]
    }

    /// Gives the card back and records how it went. After an error of the load this is tried, and the error stays what is told.
    async fn end(&mut self, port: &mut IssuancePort, result: &Result<LoadReport, LoadError>) -> Result<(), TopUpError> {
        let at_ms = self.desk.now_ms;
        let ended = match result {
            Ok(report) => self.write(port, VisitEvent::of(report, at_ms)).await,
            Err(_) => {
                let _unwritten = self.write(port, VisitEvent::Paused { at_ms, why: PausedBecause::Error }).await;
                Ok(())
            }
        };
        match ended {
            // The lease ran out and another reader has the card by now: the load's records stand, and this one's end with it.
            Err(TopUpError::Store(StoreError::Conflict { .. } | StoreError::Superseded { .. })) => Ok(()),
            other => other,
        }
    }

    async fn write(&mut self, port: &mut IssuancePort, event: VisitEvent) -> Result<(), TopUpError> {
        let released = LeaseEvent::Released { at_ms: self.desk.now_ms, token: self.token };
        let mut change = Change::new().apply(&mut self.lease, &[released])?;
        if self.visit.state().state() == VisitState::Admitted {
            change = change.apply(&mut self.visit, &[event])?;
        }
        change.commit_through(port).await?;
        Ok(())
    }
}

/// The events that give a reader the lease, and its token.
fn take(lease: &Lease, desk: &Desk) -> Result<(Token, Vec<LeaseEvent>), NotWritten> {
    let (at_ms, holder) = (desk.now_ms, desk.reader.clone());
    let until_ms = at_ms.saturating_add(desk.lease_ms.max(1));
    let token = lease.next_token();
    let reserved = LeaseEvent::Reserved { at_ms, token, holder, until_ms, subscriber: None };
    match (lease.state(), lease.due(at_ms)) {
        (_, Some(expired)) => Ok((token, vec![expired, reserved])),
        // The same reader after its program was killed: nobody else had the card meanwhile.
        (LeaseState::Reserved(held), None) if held.holder == desk.reader => {
            let token = lease.token();
            Ok((token, vec![LeaseEvent::Renewed { at_ms, token, until_ms }]))
        }
        (LeaseState::Reserved(held), None) => {
            Err(NotWritten::CardBusy { reader: held.holder.clone(), until_ms: held.until_ms })
        }
        _ => Ok((token, vec![reserved])),
    }
}
