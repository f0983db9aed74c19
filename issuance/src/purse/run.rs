use cardwright_apdu::TransportErrorKind;
use cardwright_cos::cpu::CpuSession;
use cardwright_cos::purse::{
    self, Amount, Credit, LoadSession, OpenLoad, PurseAccess, TacCheck, TerminalNumber, Transaction, Verdict,
};
use cardwright_cos::{ApplicationInformation, Error as CosError};
use cardwright_gp::procedure;
use sha2::{Digest, Sha256};

use super::error::LoadError;
use super::event::{ClosedBecause, DisputedBecause, LoadedBy, PurseEvent};
use super::gate::{Gate, Reading, Ungated};
use super::history::{Claim, PurseHistory, open};
use super::id::TransactionId;
use super::load::{Load, LoadState, card_hash};
use super::order::{HolderPin, LoadOrder, LoadTerminal};
use crate::account::{AccountError, AccountRequest, BookingId, BookingStatus};
use crate::journal::{Entity, EntityError};
use crate::machine::{Change, Kept};
use crate::port::{Conversation, IssuancePort, Notice};
use crate::quarantine::{Case, CaseEvent, Finding};
use crate::store::Durable;

/// After this many credits that the card proved not to have taken, the debit is reversed.
const MAX_CREDITS: u32 = 3;

/// How a run left a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// The load, as its records tell it.
    pub load: Load,
    /// What it waits for, when it has not ended.
    pub waiting: Option<Waiting>,
}

/// What a load waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// The card is gone, or the line to it: put it back and run again, or give up.
    Card {
        /// The command that was under way.
        command: &'static str,
        /// What happened to the transport.
        kind: TransportErrorKind,
    },
    /// The account's keeper gave no definite answer: run again later.
    Account(Option<AccountError>),
    /// It is in dispute: for the same card at its next presentation, or for persons to settle its case.
    Dispute {
        /// Why.
        why: DisputedBecause,
        /// Entity of the [`Case`].
        case: Entity,
    },
}

/// Loads the purse of the card in the reader, or finishes the load with this id.
#[must_use]
pub fn load(order: LoadOrder) -> Conversation<Result<LoadReport, LoadError>> {
    load_with(order, Decisions::REAL)
}

pub(super) fn load_with(order: LoadOrder, decisions: Decisions) -> Conversation<Result<LoadReport, LoadError>> {
    Conversation::new(move |mut port| async move {
        let card = Card::meet(&mut port, &order.terminal).await?;
        load_card(port, &card, order, decisions, &mut Ungated).await
    })
}

/// Loads a card that was met, behind a gate.
pub(crate) async fn load_card(
    mut port: IssuancePort,
    card: &Card,
    order: LoadOrder,
    decisions: Decisions,
    gate: &mut dyn Gate,
) -> Result<LoadReport, LoadError> {
    let purse = Kept::read(&mut port, card.purse()?).await?;
    let mut run = Run::new(port, decisions, purse, order.terminal.now_ms);
    run.given = gate.given();
    let mut claim = Claim::read(&mut run.port, &order.id).await?;
    if claim.state().purse().is_some_and(|purse| purse != run.purse.entity()) {
        return Err(LoadError::UsedElsewhere { id: order.id });
    }
    let history = run.purse.state();
    match (history.find(&order.id), history.open()) {
        (Some(load), _) => {
            if (load.purse, load.amount, &load.account) != (order.purse, order.amount, &order.account) {
                return Err(LoadError::OrderChanged { id: order.id });
            }
        }
        (None, Some(open)) => return Err(LoadError::OpenLoad { id: open.id.clone() }),
        (None, None) => {
            run.card = Some(CardSide::new(card, &order.terminal, order.purse));
            run.open(&order, &mut claim, gate).await?;
        }
    }
    run.card.get_or_insert_with(|| CardSide::new(card, &order.terminal, order.purse));
    run.advance(&order.id, Wish::Load).await
}

/// Finishes whatever load of the card in the reader was cut off; `None` when there is none. A debit that was never booked is
/// cancelled, not begun again.
#[must_use]
pub fn resume(terminal: LoadTerminal) -> Conversation<Result<Option<LoadReport>, LoadError>> {
    Conversation::new(move |mut port| async move {
        let card = Card::meet(&mut port, &terminal).await?;
        resume_card(port, &card, &terminal).await
    })
}

/// Finishes whatever load of a card that was met was cut off.
pub(crate) async fn resume_card(
    mut port: IssuancePort,
    card: &Card,
    terminal: &LoadTerminal,
) -> Result<Option<LoadReport>, LoadError> {
    let purse = Kept::<PurseHistory>::read(&mut port, card.purse()?).await?;
    let Some(open) = purse.state().open() else { return Ok(None) };
    let (id, kind) = (open.id.clone(), open.purse);
    let mut run = Run::new(port, Decisions::REAL, purse, terminal.now_ms);
    run.card = Some(CardSide::new(card, terminal, kind));
    run.advance(&id, Wish::Finish).await.map(Some)
}

/// Ends a load without the card: what was debited and never credited is reversed; where a MAC2 was given out, it is disputed, and once
/// persons have settled its case, it ends as they say. The time is in milliseconds since 1970-01-01 UTC.
#[must_use]
pub fn give_up(id: TransactionId, now_ms: u64) -> Conversation<Result<LoadReport, LoadError>> {
    Conversation::new(move |port| give_up_load(port, id, now_ms))
}

/// Ends a load without the card.
pub(crate) async fn give_up_load(
    mut port: IssuancePort,
    id: TransactionId,
    now_ms: u64,
) -> Result<LoadReport, LoadError> {
    let purse = purse_of(&mut port, &id).await?;
    Run::new(port, Decisions::REAL, purse, now_ms).advance(&id, Wish::GiveUp).await
}

/// The purse that an id was used for.
async fn purse_of(port: &mut IssuancePort, id: &TransactionId) -> Result<Kept<PurseHistory>, LoadError> {
    let claim = Claim::read(port, id).await?;
    let purse = claim.state().purse().ok_or_else(|| LoadError::NoSuchLoad { id: id.clone() })?;
    Ok(Kept::read(port, purse.clone()).await?)
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The card is to be loaded.
    Load,
    /// What was begun is to be finished; nothing new is debited.
    Finish,
    /// It is to end without the card.
    GiveUp,
}

/// What a run does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Close,
    Debit,
    AskAboutDebit,
    Credit,
    AskCard,
    AskCase,
    Dispute,
    Retry,
    Reverse,
    Done,
}

/// What a run does next: all of its decisions, in one place.
pub(super) fn next(load: &Load, wish: Wish) -> Next {
    match (load.state, wish) {
        (LoadState::Initialized, Wish::Load) => Next::Debit,
        (LoadState::CardRead | LoadState::Matched | LoadState::Initialized, _) => Next::Close,
        (LoadState::DebitRequested | LoadState::DebitUnknown, _) => Next::AskAboutDebit,
        (LoadState::Debited, Wish::GiveUp) => Next::Reverse,
        (LoadState::Debited, _) => Next::Credit,
        (LoadState::CreditSent | LoadState::CreditUnknown, Wish::GiveUp) => Next::Dispute,
        (LoadState::CreditSent | LoadState::CreditUnknown, _) => Next::AskCard,
        (LoadState::NotLoaded, Wish::Load | Wish::Finish) if load.credits < MAX_CREDITS => Next::Retry,
        (LoadState::NotLoaded | LoadState::ReversalPending, _) => Next::Reverse,
        (LoadState::Disputed(DisputedBecause::ReversalRefused), _) | (LoadState::Disputed(_), Wish::GiveUp) => {
            Next::AskCase
        }
        (LoadState::Disputed(_), _) => Next::AskCard,
        (LoadState::Closed(_) | LoadState::Loaded(_) | LoadState::Reversed, _) => Next::Done,
    }
}

/// The deciding functions as a value: the tests put wrong ones in their place, and have to notice.
#[derive(Clone, Copy)]
pub(crate) struct Decisions {
    pub(super) next: fn(&Load, Wish) -> Next,
    pub(super) debit_id: fn(&Load) -> BookingId,
}

impl Decisions {
    pub(crate) const REAL: Self = Self { next, debit_id: Load::debit_id };
}

/// The card in the reader: an application with a serial number.
pub(crate) struct Card {
    information: ApplicationInformation,
    factor: [u8; 8],
}

impl Card {
    pub(crate) async fn meet(port: &mut IssuancePort, terminal: &LoadTerminal) -> Result<Self, LoadError> {
        let fci = procedure::select(port, Some(&terminal.application)).await?;
        let information = ApplicationInformation::parse(&fci.raw).ok_or(LoadError::NoSerialNumber)?;
        let factor = information.diversification_factor().ok_or(LoadError::NoSerialNumber)?;
        if let Some(HolderPin { profile, id, pin }) = &terminal.pin {
            CpuSession::new(profile).verify(port, *id, pin).await?;
        }
        Ok(Self { information, factor })
    }

    /// The entity of the card's purses.
    pub(crate) fn purse(&self) -> Result<Entity, EntityError> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        Entity::new(&format!("purse/{}-{}", hex(self.information.issuer()), hex(&self.information.serial_number())))
    }
}

/// How the card in the reader is used.
struct CardSide {
    access: PurseAccess,
    terminal: LoadTerminal,
    /// The card is initialized for this, as long as nothing else is sent.
    session: Option<LoadSession>,
}

impl CardSide {
    fn new(card: &Card, terminal: &LoadTerminal, purse: purse::PurseKind) -> Self {
        let access = terminal.access(&card.information, card.factor, purse);
        Self { access, terminal: terminal.clone(), session: None }
    }
}

struct Run {
    port: IssuancePort,
    decisions: Decisions,
    purse: Kept<PurseHistory>,
    card: Option<CardSide>,
    now_ms: u64,
    /// What the load rests on until its debit goes out.
    given: Vec<(Entity, u64)>,
}

/// What stops a run before the load has ended.
enum Stop {
    Waiting(Waiting),
    Error(LoadError),
}

impl<E: Into<LoadError>> From<E> for Stop {
    fn from(error: E) -> Self {
        match error.into() {
            LoadError::Cos(CosError::Transport { command, source }) => {
                Self::Waiting(Waiting::Card { command, kind: source.kind })
            }
            error => Self::Error(error),
        }
    }
}

impl Run {
    fn new(port: IssuancePort, decisions: Decisions, purse: Kept<PurseHistory>, now_ms: u64) -> Self {
        Self { port, decisions, purse, card: None, now_ms, given: Vec::new() }
    }

    /// Takes the load to its end, or as far as it goes now.
    async fn advance(&mut self, id: &TransactionId, wish: Wish) -> Result<LoadReport, LoadError> {
        let mut asked_in_vain = false;
        loop {
            let load = self.load(id)?;
            let step = match (self.decisions.next)(&load, wish) {
                Next::Done => return Ok(LoadReport { load, waiting: None }),
                Next::Close => self.tell("closed", &[PurseEvent::Closed { why: ClosedBecause::GivenUp }]).await,
                Next::Debit => self.debit(&load, wish).await,
                Next::AskAboutDebit => self.ask_about_debit(&load, wish).await,
                Next::Credit => self.credit(&load).await,
                Next::AskCard if !asked_in_vain => {
                    let answer = self.ask_card(&load).await;
                    asked_in_vain = true;
                    answer
                }
                Next::AskCard | Next::AskCase => self.ask_case(&load).await,
                Next::Dispute => self.dispute(&load, DisputedBecause::CardGone).await,
                Next::Retry => {
                    asked_in_vain = false;
                    self.tell("not loaded, as the card shows: again", &[PurseEvent::Retried]).await
                }
                Next::Reverse => self.reverse(&load).await,
            };
            match step {
                Ok(()) => {}
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Waiting(waiting)) => {
                    return Ok(LoadReport { load: self.load(id)?, waiting: Some(waiting) });
                }
            }
        }
    }

    fn load(&self, id: &TransactionId) -> Result<Load, LoadError> {
        self.purse.state().find(id).cloned().ok_or_else(|| LoadError::NoSuchLoad { id: id.clone() })
    }

    /// Reads the card, checks the rules, and records the load.
    async fn open(&mut self, order: &LoadOrder, claim: &mut Kept<Claim>, gate: &mut dyn Gate) -> Result<(), LoadError> {
        let session = self.read_card(order.amount).await?;
        let Some(card) = &self.card else { return Err(LoadError::NoCard) };
        let opened = PurseEvent::Opened {
            id: order.id.as_str().into(),
            purse: order.purse as u8,
            amount: order.amount.get(),
            account: order.account.as_str().into(),
        };
        let (answer, rules) = (session.initialization(), card.terminal.rules);
        let can_be_proved =
            OpenLoad::new(session.transaction(), card.terminal.time, answer.serial, answer.balance).is_ok();
        let is_behind = answer.serial < self.purse.state().least_serial(order.purse);
        let (card, loads) = (self.purse.entity(), self.purse.state());
        let (balance, serial) = (answer.balance, answer.serial);
        let is_allowed = gate.allows(&Reading { card, purse: order.purse, balance, serial, loads });
        if !is_allowed || !can_be_proved || is_behind || rules.check(order.amount, balance).is_err() {
            let closed = PurseEvent::Closed { why: ClosedBecause::Rules };
            return open(&mut self.port, &mut self.purse, claim, &self.given, &[opened, closed]).await;
        }
        let matched = PurseEvent::Matched { rules: rules.version };
        if let Some(card) = &mut self.card {
            card.session = Some(session);
        }
        let events = [opened, matched, initialized(&session)];
        open(&mut self.port, &mut self.purse, claim, &self.given, &events).await
    }

    /// INITIALIZE FOR LOAD with a terminal number that nobody could foresee, and with the terminal's own: the answers agree, so that
    /// neither is an old one played back.
    async fn read_card(&mut self, amount: Amount) -> Result<LoadSession, LoadError> {
        let challenge = self.challenge().await?;
        let Some(card) = &self.card else { return Err(LoadError::NoCard) };
        let (access, terminal) = (card.access.clone(), card.terminal.number);
        let mut keys = self.port.clone();
        let fresh = purse::initialize_for_load(&mut self.port, &mut keys, &access, amount, challenge).await?;
        let session = purse::initialize_for_load(&mut self.port, &mut keys, &access, amount, terminal).await?;
        let state = |session: &LoadSession| (session.initialization().serial, session.initialization().balance);
        match state(&fresh) == state(&session) {
            true => Ok(session),
            false => Err(LoadError::OtherState),
        }
    }

    async fn challenge(&mut self) -> Result<TerminalNumber, LoadError> {
        let [t1, t2, t3, t4, t5, t6, ..] = self.port.random().await?;
        Ok(TerminalNumber([t1, t2, t3, t4, t5, t6]))
    }

    /// Asks for the debit. The card is initialized, with what it said recorded.
    async fn debit(&mut self, load: &Load, wish: Wish) -> Result<(), Stop> {
        let mut events = Vec::new();
        if self.card.as_ref().is_some_and(|card| card.session.is_none()) {
            let session = self.read_card(load.amount).await?;
            events.push(initialized(&session));
            if let Some(card) = &mut self.card {
                card.session = Some(session);
            }
        }
        events.push(PurseEvent::DebitRequested);
        let change = Change::new().apply(&mut self.purse, &events)?.expecting(&self.given);
        let _durable = change.commit_through(&mut self.port).await?.durable;
        let status = self.post_debit(load).await;
        self.settle_debit(load, LoadState::DebitRequested, status, wish).await
    }

    async fn ask_about_debit(&mut self, load: &Load, wish: Wish) -> Result<(), Stop> {
        let booking = (self.decisions.debit_id)(load);
        let status = match self.port.account(AccountRequest::Query { booking }).await {
            // The same booking again: never another one.
            Ok(BookingStatus::NotSeen) if wish == Wish::Load => self.post_debit(load).await,
            status => status,
        };
        self.settle_debit(load, load.state, status, wish).await
    }

    async fn post_debit(&mut self, load: &Load) -> Result<BookingStatus, AccountError> {
        let booking = (self.decisions.debit_id)(load);
        let (account, amount) = (load.account.clone(), load.amount.get());
        self.port.account(AccountRequest::Debit { booking, account, amount }).await
    }

    async fn settle_debit(
        &mut self,
        load: &Load,
        state: LoadState,
        status: Result<BookingStatus, AccountError>,
        wish: Wish,
    ) -> Result<(), Stop> {
        match status {
            Ok(BookingStatus::Booked { reference }) => {
                self.tell("debited", &[PurseEvent::Debited { reference: reference.as_str().into() }]).await
            }
            Ok(BookingStatus::Refused) => {
                self.tell("not debited", &[PurseEvent::Closed { why: ClosedBecause::DebitRefused }]).await
            }
            // It may be under way: a reversal cancels it, whenever it comes.
            Ok(BookingStatus::NotSeen) if wish != Wish::Load => self.reverse(load).await,
            other => {
                if state == LoadState::DebitRequested {
                    self.tell("debit not known", &[PurseEvent::DebitUnknown]).await?;
                }
                Err(Stop::Waiting(Waiting::Account(other.err())))
            }
        }
    }

    /// Gives out MAC2, when the card is as it was before the debit.
    async fn credit(&mut self, load: &Load) -> Result<(), Stop> {
        let session = match self.card.as_mut().and_then(|card| card.session.take()) {
            Some(session) => session,
            None => self.initialize(load).await?,
        };
        let answer = session.initialization();
        if load.initialized != Some((answer.serial, answer.balance)) {
            // MAC1 verifies, so the purse was used in between; no MAC2 that is worth anything is out.
            return self.reverse(load).await;
        }
        let Some((access, time)) = self.card.as_ref().map(|card| (card.access.clone(), card.terminal.time)) else {
            return Err(LoadError::NoCard.into());
        };
        let mut keys = self.port.clone();
        let credit = purse::prepare_credit(&mut keys, &access, &session, time).await?;
        let intent = PurseEvent::CreditSent {
            serial: credit.load.serial(),
            balance: credit.load.balance().0,
            terminal: credit.load.transaction().terminal.0,
            time: credit.load.time().to_bytes(),
            mac2: credit.mac2,
        };
        let permit = self.record(&[intent]).await?;
        self.send_credit(&access, &credit, permit).await
    }

    /// CREDIT FOR LOAD. The intent is durable, as the permit shows.
    async fn send_credit(&mut self, access: &PurseAccess, credit: &Credit, permit: Durable) -> Result<(), Stop> {
        drop(permit);
        let mut keys = self.port.clone();
        let result = purse::credit_for_load(&mut self.port, &mut keys, access, credit).await;
        let (sw, tac) = match &result {
            Ok(receipt) => (Some(0x9000), Some(receipt.tac)),
            Err(CosError::Refused { sw, .. }) => (Some(sw.0), None),
            Err(_) => (None, None),
        };
        if result.as_ref().is_ok_and(|receipt| receipt.check == TacCheck::Verified) {
            return self.tell("loaded", &[PurseEvent::Loaded { by: LoadedBy::Answer, tac }]).await;
        }
        self.tell("credit not known", &[PurseEvent::CreditUnknown { sw }]).await?;
        match result {
            // Whatever the card said, it is asked for a proof.
            Ok(_) | Err(CosError::Refused { .. } | CosError::Length { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the card what came of the credit.
    async fn ask_card(&mut self, load: &Load) -> Result<(), Stop> {
        let (Some(card), Some(open)) = (&mut self.card, &load.credit) else { return Err(LoadError::NoCard.into()) };
        card.session = None;
        let access = card.access.clone();
        let challenge = self.challenge().await?;
        let mut keys = self.port.clone();
        let verdict = purse::resolve_load(&mut self.port, &mut keys, &access, open, challenge).await?;
        let event = match verdict {
            Verdict::Loaded(proof) => PurseEvent::Loaded { by: proof.into(), tac: None },
            Verdict::NotLoaded => PurseEvent::NotLoaded,
            Verdict::Disputed(why) => PurseEvent::Disputed { why: why.into() },
        };
        match (load.state, verdict) {
            (LoadState::Disputed(why), _) => self.shown_again(load, why, event).await,
            (_, Verdict::Disputed(why)) => self.dispute(load, why.into()).await,
            _ => self.tell("the card was asked", &[event]).await,
        }
    }

    /// A dispute, and the case that it is settled by, in one transaction.
    async fn dispute(&mut self, load: &Load, why: DisputedBecause) -> Result<(), Stop> {
        let doubt = load.doubt(self.purse.entity(), why);
        let mut case = Kept::<Case>::read(&mut self.port, doubt.case_entity()?).await?;
        let opened = CaseEvent::Opened { at_ms: self.now_ms, doubt };
        let change = Change::new().apply(&mut self.purse, &[PurseEvent::Disputed { why }])?;
        change.apply(&mut case, &[opened])?.commit_through(&mut self.port).await?;
        self.port.tell(Notice::Step { step: "load".into(), outcome: "disputed" });
        Ok(())
    }

    /// What the card said of a load in dispute, and its case with it.
    async fn shown_again(&mut self, load: &Load, why: DisputedBecause, said: PurseEvent) -> Result<(), Stop> {
        let (doubt, card) = (load.doubt(self.purse.entity(), why), card_hash(self.purse.entity()));
        let mut case = Kept::<Case>::read(&mut self.port, doubt.case_entity()?).await?;
        if case.state().finding().is_some() {
            // Persons were faster: what they settled holds.
            return Ok(());
        }
        let (at_ms, evidence) = (self.now_ms, Sha256::digest(minicbor::to_vec(&said).unwrap_or_default()).into());
        let probed = |finding| CaseEvent::Probed { at_ms, card, finding, evidence };
        let (events, of_case) = match said {
            PurseEvent::Loaded { .. } => (vec![said], probed(Finding::Done)),
            PurseEvent::NotLoaded => (vec![said], probed(Finding::NotDone)),
            _ => (Vec::new(), CaseEvent::Observed { at_ms, evidence }),
        };
        let change = Change::new().apply(&mut self.purse, &events)?;
        change.apply(&mut case, &[of_case])?.commit_through(&mut self.port).await?;
        self.port.tell(Notice::Step { step: "load".into(), outcome: "the card was shown again" });
        Ok(())
    }

    /// Goes on with what persons settled, when they have.
    async fn ask_case(&mut self, load: &Load) -> Result<(), Stop> {
        let LoadState::Disputed(why) = load.state else { return Err(LoadError::NoCard.into()) };
        let entity = load.doubt(self.purse.entity(), why).case_entity()?;
        let case = Kept::<Case>::read(&mut self.port, entity.clone()).await?;
        match case.state().resolution() {
            Some(resolution) => self.tell("settled", &[PurseEvent::Resolved { resolution }]).await,
            None => Err(Stop::Waiting(Waiting::Dispute { why, case: entity })),
        }
    }

    /// Gives the account its money back.
    async fn reverse(&mut self, load: &Load) -> Result<(), Stop> {
        let booking = load.id.reversal();
        let mut status = Ok(BookingStatus::NotSeen);
        if load.state == LoadState::ReversalPending {
            status = self.port.account(AccountRequest::Query { booking: booking.clone() }).await;
        } else {
            self.tell("to be reversed", &[PurseEvent::ReversalRequested]).await?;
        }
        if status == Ok(BookingStatus::NotSeen) {
            let (debit, account) = ((self.decisions.debit_id)(load), load.account.clone());
            let amount = load.amount.get();
            status = self.port.account(AccountRequest::Reverse { booking, debit, account, amount }).await;
        }
        match status {
            Ok(BookingStatus::Booked { reference }) => {
                self.tell("reversed", &[PurseEvent::Reversed { reference: reference.as_str().into() }]).await
            }
            Ok(BookingStatus::Refused) => {
                let load = self.load(&load.id)?;
                self.dispute(&load, DisputedBecause::ReversalRefused).await
            }
            other => Err(Stop::Waiting(Waiting::Account(other.err()))),
        }
    }

    async fn initialize(&mut self, load: &Load) -> Result<LoadSession, Stop> {
        let Some(card) = &self.card else { return Err(LoadError::NoCard.into()) };
        let (access, terminal) = (card.access.clone(), card.terminal.number);
        let mut keys = self.port.clone();
        Ok(purse::initialize_for_load(&mut self.port, &mut keys, &access, load.amount, terminal).await?)
    }

    /// Records what happened to the load that is open. It counts once it is durable.
    async fn record(&mut self, events: &[PurseEvent]) -> Result<Durable, LoadError> {
        Ok(Change::new().apply(&mut self.purse, events)?.commit_through(&mut self.port).await?.durable)
    }

    /// Records and tells.
    async fn tell(&mut self, outcome: &'static str, events: &[PurseEvent]) -> Result<(), Stop> {
        let _durable = self.record(events).await?;
        self.port.tell(Notice::Step { step: "load".into(), outcome });
        Ok(())
    }
}

fn initialized(session: &LoadSession) -> PurseEvent {
    let Transaction { terminal, .. } = session.transaction();
    let answer = session.initialization();
    PurseEvent::Initialized {
        serial: answer.serial,
        balance: answer.balance.0,
        key_version: answer.key_version,
        algorithm: answer.algorithm,
        terminal: terminal.0,
        random: answer.random,
        mac1: answer.mac1,
    }
}
