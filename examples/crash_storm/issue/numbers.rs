//! Numbers: each card gets one of its own, held by a lease with a fencing token while it is written.
//!
//! What a program composes around remote issuing. A number is reserved for a card, the write is begun, the card is issued with the
//! number in its application, the number is committed when the card shows it. A number whose write was begun is freed by nothing but
//! a card that shows that it does not have it.

use cardwright::apdu::CardPort;
use cardwright::cos::ApplicationInformation;
use cardwright::gp::procedure;
use cardwright::issuance::journal::Entity;
use cardwright::issuance::machine::{Change, Kept, Machine};
use cardwright::issuance::primitive::lease::{Lease, LeaseEvent, LeaseState, Token};
use cardwright::issuance::quarantine::{Case, CaseEvent, Doubt, Finding, Reason};
use cardwright::issuance::{CardIdentity, Conversation, IssuancePort};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::order::instance;

/// How long a number is reserved, in milliseconds.
const RESERVED_MS: u64 = 60_000;
/// How long a card takes at worst.
const WORST_CASE_MS: u64 = 20_000;
/// How long a number rests after it was in doubt.
const COOL_OFF_MS: u64 = 10_000;

/// A number of the pool: what the application shows as its serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u16);

impl Number {
    pub(crate) fn serial(self) -> [u8; 10] {
        let mut serial = [0x00, 0x00, 0x86, 0x98, 0x07, 0x01, 0x00, 0x00, 0x00, 0x00];
        serial[8..].copy_from_slice(&self.0.to_be_bytes());
        serial
    }

    pub(crate) fn entity(self) -> Entity {
        Entity::new(&format!("number/{:04}", self.0)).expect("printable and short")
    }
}

/// A number that is being written to a card.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) card: CardIdentity,
    pub(crate) number: Number,
    token: Token,
    /// The number's last record: whoever goes on with it has seen no later one.
    pub(crate) last_seq: u64,
}

/// Why a card gets no number now.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the card does not say who it is")]
    NoIdentity,
    #[error("another card than before")]
    OtherCard,
    #[error("no number is to be had")]
    NoNumber,
    #[error("the application shows another number than the one that was written")]
    OtherNumber,
    #[error(transparent)]
    Gp(#[from] cardwright::gp::Error),
    #[error("{0}")]
    Machine(Box<dyn std::error::Error + Send + Sync>),
}

/// Which number a card was given: a machine of this program, whose events have numbers that no other uses.
#[derive(Clone, Debug, Default)]
struct Assignment(Option<(Number, Token)>);

#[derive(Encode, Decode)]
enum AssignmentEvent {
    #[n(1000)]
    Assigned {
        #[n(0)]
        number: u16,
        #[n(1)]
        token: Token,
    },
}

impl Machine for Assignment {
    const NAME: &'static str = "assignment";
    type Event = AssignmentEvent;
    type Effect = ();
    type Error = std::convert::Infallible;

    fn apply(self, event: &AssignmentEvent) -> Result<(Self, Vec<()>), Self::Error> {
        let AssignmentEvent::Assigned { number, token } = event;
        Ok((Self(Some((Number(*number), *token))), Vec::new()))
    }

    fn is_open(&self) -> bool {
        false
    }
}

/// The shelf of numbers, from one terminal's view.
#[derive(Clone, Copy)]
pub(crate) struct Shelf {
    pub(crate) size: u16,
    /// Where the search begins.
    pub(crate) start: u16,
    /// The server's clock.
    pub(crate) now_ms: u64,
}

/// Finds out which card is there and takes a number for it, or goes on with the one that it has.
pub(crate) fn take(shelf: Shelf) -> Conversation<Result<Ticket, Refusal>> {
    Conversation::new(move |mut port| async move { shelf.take(&mut port).await })
}

/// Commits the number of a card that is finished and shows it.
pub(crate) fn commit(ticket: Ticket, now_ms: u64) -> Conversation<Result<(), Refusal>> {
    Conversation::new(move |mut port| async move {
        if shown(&mut port, &ticket.card).await? != Some(ticket.number.serial()) {
            return Err(Refusal::OtherNumber);
        }
        let mut lease = read::<Lease>(&mut port, ticket.number.entity()).await?;
        match lease.state().state() {
            LeaseState::Committed => Ok(()),
            LeaseState::Quarantined => settle(&mut port, &mut lease, &ticket.card, Finding::Done, now_ms).await,
            _ => {
                let proof = hash(&ticket.number.serial());
                change(&mut port, &mut lease, LeaseEvent::Committed { at_ms: now_ms, token: ticket.token, proof }).await
            }
        }
    })
}

impl Shelf {
    async fn take(self, port: &mut IssuancePort) -> Result<Ticket, Refusal> {
        let card = meet(port).await?;
        let name = Entity::new(&format!("assignment/{card}")).map_err(failed)?;
        let mut assignment = read::<Assignment>(port, name).await?;
        if let Some((number, token)) = assignment.state().0
            && let Some(ticket) = self.go_on(port, &card, number, token).await?
        {
            return Ok(ticket);
        }
        for n in 0..self.size {
            let number = Number(1 + (self.start + n) % self.size);
            let mut lease = read::<Lease>(port, number.entity()).await?;
            self.tick(port, &mut lease).await?;
            if *lease.state().state() != LeaseState::Available {
                continue;
            }
            let token = lease.state().next_token();
            let (at_ms, until_ms) = (self.now_ms, self.now_ms + RESERVED_MS);
            let reserved = LeaseEvent::Reserved { at_ms, token, holder: card.to_string(), until_ms, subscriber: None };
            let assigned = AssignmentEvent::Assigned { number: number.0, token };
            let change = Change::new().apply(&mut lease, &[reserved]).map_err(failed)?;
            let change = change.apply(&mut assignment, &[assigned]).map_err(failed)?;
            change.commit_through(port).await.map_err(failed)?;
            return self.begin_write(port, card, number, lease).await;
        }
        Err(Refusal::NoNumber)
    }

    /// Goes on with the number that the card was given, if it still has it.
    async fn go_on(
        self,
        port: &mut IssuancePort,
        card: &CardIdentity,
        number: Number,
        token: Token,
    ) -> Result<Option<Ticket>, Refusal> {
        let mut lease = read::<Lease>(port, number.entity()).await?;
        if lease.state().token() != token {
            return Ok(None);
        }
        self.tick(port, &mut lease).await?;
        match lease.state().state() {
            LeaseState::Reserved(_) => self.begin_write(port, card.clone(), number, lease).await.map(Some),
            LeaseState::Writing(_) | LeaseState::Committed => Ok(Some(ticket(card.clone(), number, &lease))),
            LeaseState::Quarantined => {
                // The card that can tell is here.
                let is_written = shown(port, card).await? == Some(number.serial());
                let finding = if is_written { Finding::Done } else { Finding::NotDone };
                settle(port, &mut lease, card, finding, self.now_ms).await?;
                // An earlier look may have found it there, and it was deleted since: it stays this card's.
                let is_its = *lease.state().state() == LeaseState::Committed;
                Ok(is_its.then(|| ticket(card.clone(), number, &lease)))
            }
            _ => Ok(None),
        }
    }

    async fn begin_write(
        self,
        port: &mut IssuancePort,
        card: CardIdentity,
        number: Number,
        mut lease: Kept<Lease>,
    ) -> Result<Ticket, Refusal> {
        let (token, intent) = (lease.state().token(), hash(&number.serial()));
        let (at_ms, until_ms) = (self.now_ms, self.now_ms + RESERVED_MS);
        let renewed = LeaseEvent::Renewed { at_ms, token, until_ms };
        let begun = LeaseEvent::WriteBegun { at_ms, token, intent, worst_case_ms: WORST_CASE_MS };
        let change = Change::new().apply(&mut lease, &[renewed, begun]).map_err(failed)?;
        change.commit_through(port).await.map_err(failed)?;
        Ok(ticket(card, number, &lease))
    }

    /// What time alone does to a number. A write whose time is over is a case for the card that it was for.
    async fn tick(self, port: &mut IssuancePort, lease: &mut Kept<Lease>) -> Result<(), Refusal> {
        let Some(event) = lease.state().due(self.now_ms) else { return Ok(()) };
        let LeaseState::Writing(held) = lease.state().state() else { return change(port, lease, event).await };
        let doubt = Doubt {
            subject: lease.entity().to_string(),
            mark: lease.state().token().number(),
            reason: Reason::HolderSilent,
            card: Some(hash(held.holder.as_bytes())),
            last_proved: None,
            location: None,
            evidence: Vec::new(),
        };
        let mut case = read::<Case>(port, doubt.case_entity().map_err(failed)?).await?;
        let opened = CaseEvent::Opened { at_ms: self.now_ms, doubt };
        let change = Change::new().apply(lease, &[event]).map_err(failed)?;
        change.apply(&mut case, &[opened]).map_err(failed)?.commit_through(port).await.map_err(failed)?;
        Ok(())
    }
}

fn ticket(card: CardIdentity, number: Number, lease: &Kept<Lease>) -> Ticket {
    Ticket { card, number, token: lease.state().token(), last_seq: lease.last_seq() }
}

/// Settles the case of a quarantined number by what the card has shown.
async fn settle(
    port: &mut IssuancePort,
    lease: &mut Kept<Lease>,
    card: &CardIdentity,
    finding: Finding,
    now_ms: u64,
) -> Result<(), Refusal> {
    let subject = lease.entity().clone();
    let doubt = Doubt {
        subject: subject.to_string(),
        mark: lease.state().token().number(),
        reason: Reason::HolderSilent,
        card: None,
        last_proved: None,
        location: None,
        evidence: Vec::new(),
    };
    let mut case = read::<Case>(port, doubt.case_entity().map_err(failed)?).await?;
    if case.state().finding().is_none() {
        let card = hash(card.as_str().as_bytes());
        let probed =
            CaseEvent::Probed { at_ms: now_ms, card, finding, evidence: hash(&[u8::from(finding == Finding::Done)]) };
        Change::new().apply(&mut case, &[probed]).map_err(failed)?.commit_through(port).await.map_err(failed)?;
    }
    let Some(resolution) = case.state().resolution() else { return Err(Refusal::NoNumber) };
    let cool_off_until_ms = now_ms + COOL_OFF_MS;
    change(port, lease, LeaseEvent::Resolved { at_ms: now_ms, resolution, cool_off_until_ms }).await
}

/// Who the card is.
async fn meet(port: &mut IssuancePort) -> Result<CardIdentity, Refusal> {
    port.reset().await.map_err(|source| cardwright::gp::Error::Transport { command: "reset", source })?;
    identity(port).await
}

async fn identity(port: &mut IssuancePort) -> Result<CardIdentity, Refusal> {
    procedure::select_domain(port, None).await?;
    let data = procedure::read_card_data(port).await?;
    CardIdentity::of(&data).ok_or(Refusal::NoIdentity)
}

/// The number that the application on this card shows; `None` without one. The card says who it is before and after.
async fn shown(port: &mut IssuancePort, card: &CardIdentity) -> Result<Option<[u8; 10]>, Refusal> {
    let shown = match procedure::select(port, Some(&instance())).await {
        Ok(fci) => ApplicationInformation::parse(&fci.raw).map(|information| information.serial_number()),
        Err(cardwright::gp::Error::Refused { sw, .. }) if sw.0 == 0x6A82 => None,
        Err(error) => return Err(error.into()),
    };
    if identity(port).await? == *card { Ok(shown) } else { Err(Refusal::OtherCard) }
}

async fn read<M: Machine>(port: &mut IssuancePort, entity: Entity) -> Result<Kept<M>, Refusal> {
    Kept::read(port, entity).await.map_err(failed)
}

async fn change(port: &mut IssuancePort, lease: &mut Kept<Lease>, event: LeaseEvent) -> Result<(), Refusal> {
    Change::new().apply(lease, &[event]).map_err(failed)?.commit_through(port).await.map_err(failed)?;
    Ok(())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Refusal {
    Refusal::Machine(Box::new(error))
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
