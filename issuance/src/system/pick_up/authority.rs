//! The server's half of a pick-up: what a kiosk asks, each decided and recorded in one transaction before the kiosk hears of it.
//!
//! | a kiosk says | the authority |
//! |---|---|
//! | a code was typed ([`present`]) | counts what is no voucher of its school, and notes where it was presented |
//! | I want to move a card ([`claim`]) | gives one kiosk the token, if the student's record is the one that was approved |
//! | this came of it ([`report`]) | ends the claim; a card's number is used once |
//! | nothing ([`overdue`]) | opens a case once the claim's time is over |
//!
//! A refusal is a value ([`Refusal`]), no error: it is what the person at the kiosk is told. Kiosks are admitted
//! elsewhere; whoever calls vouches for the serial number and the school.

use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::journal::{Entity, EntityError, hex};
use crate::machine::{Change, Kept, Machine, MachineError};
use crate::port::IssuancePort;
use crate::primitive::lease::Token;
use crate::primitive::outbox::{Destination, PostError};
use crate::primitive::rate_limit::{Rate, RateError, Window};
use crate::quarantine::{Case, CaseError, CaseEvent, Doubt, Finding, Reason};
use crate::store::StoreError;
use crate::system::pick_up::application::{Application, ApplicationError, ApplicationEvent, ApplicationState};
use crate::system::pick_up::code::CodeHash;
use crate::system::pick_up::kiosk::Report;
use crate::system::pick_up::student::{
    CardNumber, CardNumberEvent, CardNumberUsed, Student, StudentError, StudentEvent,
};
use crate::system::pick_up::voucher::{Claim, Terms, Voucher, VoucherError, VoucherEvent, VoucherState};

/// What is the same for all kiosks.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Wrong codes that one kiosk may present; 5 in 15 minutes by default.
    pub wrong_codes: Rate,
    /// How long a kiosk may take from the claim to the sensor's word, in milliseconds; 2 minutes by default.
    pub claim_ms: u64,
    /// Who hears of what has to be looked at.
    pub alarms: Destination,
    /// Who hears of cards that were given out.
    pub records: Destination,
}

impl Policy {
    /// The defaults, with these receivers.
    #[must_use]
    pub fn new(alarms: Destination, records: Destination) -> Self {
        Self { wrong_codes: Rate { limit: 5, window_ms: 15 * 60_000 }, claim_ms: 120_000, alarms, records }
    }
}

/// A kiosk that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kiosk {
    /// Its serial number.
    pub serial: String,
    /// The school where it stands.
    pub school: String,
    /// Which run of its program.
    pub epoch: u64,
}

/// Why a kiosk is told no.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No voucher has this code, or it is one of another school: a kiosk does not tell which.
    #[error("code invalid")]
    Invalid,
    /// Too many wrong codes at this kiosk.
    #[error("too many wrong codes: again at {again_at_ms} ms")]
    TooMany {
        /// When it may be tried again.
        again_at_ms: u64,
    },
    /// The card was given out.
    #[error("card already issued")]
    AlreadyIssued,
    /// Another kiosk is giving it out.
    #[error("the card is being given out at kiosk {kiosk}")]
    InUse {
        /// Which.
        kiosk: String,
    },
    /// It may have been given out; persons are looking.
    #[error("whether the card was given out is being looked into")]
    Unclear,
    /// Revoked, or its time is over.
    #[error("the code is not valid any more")]
    Void,
    /// The student's record was changed after it was approved.
    #[error("the student's record was changed: apply again")]
    RecordChanged,
    /// It was not presented at this kiosk.
    #[error("present the code first")]
    NotPresented,
}

/// What a message of the authority tells.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Told {
    /// A kiosk presented as many wrong codes as it may.
    #[n(0)]
    WrongCodes {
        /// Its serial number.
        #[n(0)]
        kiosk: String,
    },
    /// What came of a claim is not known.
    #[n(1)]
    Unknown {
        /// Entity of the voucher.
        #[n(0)]
        voucher: String,
        /// Entity of the case.
        #[n(1)]
        case: String,
    },
    /// A card was given out.
    #[n(2)]
    CardIssued {
        /// Entity of the student's record.
        #[n(0)]
        student: String,
        /// Version of the record that says so.
        #[n(1)]
        version: u32,
    },
}

/// The authority cannot decide.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PickUpError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A voucher.
    #[error(transparent)]
    Voucher(#[from] MachineError<VoucherError>),
    /// An application.
    #[error(transparent)]
    Application(#[from] MachineError<ApplicationError>),
    /// A student's record.
    #[error(transparent)]
    Student(#[from] MachineError<StudentError>),
    /// A card's number.
    #[error(transparent)]
    CardNumber(#[from] MachineError<CardNumberUsed>),
    /// A count of wrong codes.
    #[error(transparent)]
    Window(#[from] MachineError<RateError>),
    /// A case.
    #[error(transparent)]
    Case(#[from] MachineError<CaseError>),
    /// A message.
    #[error(transparent)]
    Post(#[from] PostError),
    /// A name that cannot be recorded.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// The application has no approved record.
    #[error("the application has no approved record")]
    NotApproved,
}

/// Mints the voucher of a paid application; one that it had is revoked in the same transaction.
///
/// # Errors
/// [`PickUpError`].
pub async fn mint(
    port: &mut IssuancePort,
    application: Entity,
    school: &str,
    code: CodeHash,
    until_ms: u64,
    at_ms: u64,
) -> Result<(), PickUpError> {
    let mut application = Kept::<Application>::read(port, application).await?;
    let (student, version) = application.state().student().ok_or(PickUpError::NotApproved)?;
    let terms = Terms { student: student.to_owned(), version, school: school.to_owned(), until_ms };
    let mut old = match application.state().state() {
        ApplicationState::Minted { voucher } => Some(Kept::<Voucher>::read(port, Entity::new(voucher)?).await?),
        _ => None,
    };
    let mut voucher = Kept::<Voucher>::read(port, code.entity()?).await?;
    let minted = ApplicationEvent::Minted { at_ms, voucher: code.name() };
    let mut change = Change::new()
        .apply(&mut voucher, &[VoucherEvent::Minted { at_ms, terms }])?
        .apply(&mut application, &[minted])?;
    if let Some(old) = old.as_mut() {
        let ended = matches!(old.state().state(), VoucherState::Void);
        let events = if ended { vec![] } else { vec![VoucherEvent::Revoked { at_ms }] };
        change = change.apply(old, &events)?;
    }
    change.commit_through(port).await?;
    Ok(())
}

/// A code was typed at a kiosk.
///
/// # Errors
/// [`PickUpError`].
pub async fn present(
    port: &mut IssuancePort,
    policy: &Policy,
    kiosk: &Kiosk,
    code: CodeHash,
    at_ms: u64,
) -> Result<Result<(), Refusal>, PickUpError> {
    let mut window = Kept::<Window>::read(port, window_entity(&kiosk.serial)?).await?;
    let wrong = match window.state().count(policy.wrong_codes, at_ms) {
        Ok(wrong) => wrong,
        Err(RateError::Exceeded { again_at_ms, .. }) => return Ok(Err(Refusal::TooMany { again_at_ms })),
        Err(RateError::Crowded { .. }) => return Ok(Err(Refusal::TooMany { again_at_ms: at_ms })),
    };
    let mut voucher = Kept::<Voucher>::read(port, code.entity()?).await?;
    if voucher.state().terms().is_none_or(|terms| terms.school != kiosk.school) {
        // The last one that is allowed: from now on the kiosk's codes are not looked at for a while.
        let is_last = window
            .state()
            .clone()
            .apply(&wrong)
            .is_ok_and(|(after, _)| after.count(policy.wrong_codes, at_ms).is_err());
        let mut change = Change::new().apply(&mut window, &[wrong])?;
        if is_last {
            let told = Told::WrongCodes { kiosk: kiosk.serial.clone() };
            change = change.post(&policy.alarms, &told.to_bytes())?;
        }
        change.commit_through(port).await?;
        return Ok(Err(Refusal::Invalid));
    }
    if let Some(refusal) = refusal(voucher.state(), at_ms) {
        return Ok(Err(refusal));
    }
    let event = VoucherEvent::Presented { at_ms, kiosk: kiosk.serial.clone() };
    Change::new().apply(&mut voucher, &[event])?.commit_through(port).await?;
    Ok(Ok(()))
}

/// A kiosk that presented a code wants to move a card: it gets the token, or hears why not.
///
/// The same claim again (the answer was lost) is answered as before, as long as it stands.
///
/// # Errors
/// [`PickUpError`].
pub async fn claim(
    port: &mut IssuancePort,
    policy: &Policy,
    kiosk: &Kiosk,
    code: CodeHash,
    at_ms: u64,
) -> Result<Result<Claim, Refusal>, PickUpError> {
    let mut voucher = Kept::<Voucher>::read(port, code.entity()?).await?;
    match voucher.state().state() {
        VoucherState::Claimed(claim) if (&claim.kiosk, claim.epoch) == (&kiosk.serial, kiosk.epoch) => {
            return Ok(Ok(claim.clone()));
        }
        VoucherState::Presented { kiosk: presented } if *presented == kiosk.serial => {}
        VoucherState::Minted | VoucherState::Distributed | VoucherState::Presented { .. } => {
            return Ok(Err(Refusal::NotPresented));
        }
        _ => {}
    }
    if let Some(refusal) = refusal(voucher.state(), at_ms) {
        return Ok(Err(refusal));
    }
    let Some(terms) = voucher.state().terms().cloned() else { return Ok(Err(Refusal::Invalid)) };
    let student = Kept::<Student>::read(port, Entity::new(&terms.student)?).await?;
    if student.state().version() != terms.version {
        return Ok(Err(Refusal::RecordChanged));
    }
    let claim = Claim {
        kiosk: kiosk.serial.clone(),
        epoch: kiosk.epoch,
        token: voucher.state().next_token(),
        until_ms: at_ms.saturating_add(policy.claim_ms),
    };
    let event = VoucherEvent::Claimed { at_ms, claim: claim.clone() };
    Change::new().apply(&mut voucher, &[event])?.given(&student)?.commit_through(port).await?;
    Ok(Ok(claim))
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reported {
    /// It is recorded, now or before.
    Recorded,
    /// It waits for persons.
    Waiting {
        /// Entity of the case.
        case: Entity,
    },
    /// The claim was ended otherwise: by persons, or by an earlier report that says something else. Nothing was changed.
    Contradicts,
}

/// A kiosk says what came of a claim; it may say so late, and more than once.
///
/// # Errors
/// [`PickUpError`].
pub async fn report(
    port: &mut IssuancePort,
    policy: &Policy,
    code: CodeHash,
    token: Token,
    report: &Report,
    at_ms: u64,
) -> Result<Reported, PickUpError> {
    let mut voucher = Kept::<Voucher>::read(port, code.entity()?).await?;
    if voucher.state().token() != token {
        // An earlier claim, whose end allowed the later one.
        let is_past = matches!(report, Report::NotDispensed { .. } | Report::Retracted { .. });
        return Ok(if is_past { Reported::Recorded } else { Reported::Contradicts });
    }
    let state = voucher.state().state().clone();
    match (report, state) {
        (Report::Unknown, VoucherState::Claimed(_) | VoucherState::Unknown(_)) => {
            doubt(port, policy, voucher, Reason::NotTold, at_ms).await.map(|case| Reported::Waiting { case })
        }
        (Report::NotDispensed { evidence }, VoucherState::Claimed(_) | VoucherState::Unknown(_)) => {
            let mut case = open_case(port, &voucher).await?;
            let event = VoucherEvent::NotDispensed { at_ms, token, evidence: *evidence };
            let change = Change::new().apply(&mut voucher, &[event])?;
            told_after_all(change, &mut case, Finding::NotDone, *evidence, at_ms)?.commit_through(port).await?;
            Ok(Reported::Recorded)
        }
        (
            Report::Dispensed { card_number } | Report::Taken { card_number } | Report::Retracted { card_number, .. },
            VoucherState::Claimed(_) | VoucherState::Unknown(_),
        ) => {
            let mut events = vec![VoucherEvent::Dispensed { at_ms, token, card_number: card_number.clone() }];
            events.extend(end_of(report, token, at_ms));
            card_out(port, policy, voucher, Some(card_number), events, at_ms).await
        }
        (Report::Taken { card_number } | Report::Retracted { card_number, .. }, VoucherState::Dispensed(_)) => {
            if voucher.state().card_number().is_some_and(|known| known != card_number) {
                return Ok(Reported::Contradicts);
            }
            card_out(port, policy, voucher, None, end_of(report, token, at_ms).into_iter().collect(), at_ms).await
        }
        (Report::Dispensed { card_number }, VoucherState::Dispensed(_) | VoucherState::Redeemed)
        | (Report::Taken { card_number }, VoucherState::Redeemed) => {
            let known = voucher.state().card_number();
            Ok(if known.is_none_or(|known| known == card_number) { Reported::Recorded } else { Reported::Contradicts })
        }
        // The same report once more: the voucher is free for the next claim already.
        (
            Report::NotDispensed { .. } | Report::Retracted { .. },
            VoucherState::Distributed | VoucherState::Presented { .. } | VoucherState::Void,
        ) => Ok(Reported::Recorded),
        _ => Ok(Reported::Contradicts),
    }
}

/// What a report adds once the card was at the exit.
fn end_of(report: &Report, token: Token, at_ms: u64) -> Option<VoucherEvent> {
    match report {
        Report::Taken { .. } => Some(VoucherEvent::Taken { at_ms }),
        Report::Retracted { evidence, .. } => Some(VoucherEvent::Retracted { at_ms, token, evidence: *evidence }),
        _ => None,
    }
}

/// A card is out, or its way ended: the number that is new, the voucher and, once the student has the card, the record and the word to
/// others, all in one transaction.
async fn card_out(
    port: &mut IssuancePort,
    policy: &Policy,
    mut voucher: Kept<Voucher>,
    new_number: Option<&str>,
    events: Vec<VoucherEvent>,
    at_ms: u64,
) -> Result<Reported, PickUpError> {
    let mut number = match new_number {
        Some(number) => Some(Kept::<CardNumber>::read(port, CardNumber::entity(number)?).await?),
        None => None,
    };
    if number.as_ref().is_some_and(|number| number.state().voucher().is_some()) {
        let case = doubt(port, policy, voucher, Reason::Contradiction, at_ms).await?;
        return Ok(Reported::Waiting { case });
    }
    let used = CardNumberEvent::Used { at_ms, voucher: voucher.entity().as_str().to_owned() };
    let card_number = new_number.or(voucher.state().card_number()).unwrap_or_default().to_owned();
    let student = voucher.state().terms().map(|terms| terms.student.clone()).unwrap_or_default();
    let mut student = Kept::<Student>::read(port, Entity::new(&student)?).await?;
    let is_taken = events.iter().any(|event| matches!(event, VoucherEvent::Taken { .. }));
    let mut case = open_case(port, &voucher).await?;
    let evidence = Sha256::digest(&card_number).into();
    let change = Change::new().apply(&mut voucher, &events)?;
    let mut change = told_after_all(change, &mut case, Finding::Done, evidence, at_ms)?;
    if let Some(number) = number.as_mut() {
        change = change.apply(number, &[used])?;
    }
    if is_taken {
        let version = student.state().next_version();
        let told = Told::CardIssued { student: student.entity().as_str().to_owned(), version };
        let issued = StudentEvent::CardIssued { at_ms, version, card_number };
        change = change.apply(&mut student, &[issued])?.post(&policy.records, &told.to_bytes())?;
    }
    change.commit_through(port).await?;
    Ok(Reported::Recorded)
}

/// A kiosk's time is over, or it cannot tell: the voucher waits, and a case says so.
async fn doubt(
    port: &mut IssuancePort,
    policy: &Policy,
    mut voucher: Kept<Voucher>,
    reason: Reason,
    at_ms: u64,
) -> Result<Entity, PickUpError> {
    let subject = voucher.entity().as_str().to_owned();
    let doubt = Doubt {
        subject: subject.clone(),
        mark: voucher.state().token().number(),
        reason,
        card: Some(witness(&voucher)),
        last_proved: None,
        location: match voucher.state().state() {
            VoucherState::Claimed(claim) | VoucherState::Unknown(claim) => Some(format!("kiosk {}", claim.kiosk)),
            _ => None,
        },
        evidence: Vec::new(),
    };
    let entity = doubt.case_entity()?;
    let mut case = Kept::<Case>::read(port, entity.clone()).await?;
    if case.state().doubt().is_some() {
        return Ok(entity);
    }
    let told = Told::Unknown { voucher: subject, case: entity.as_str().to_owned() };
    let silent = match voucher.state().state() {
        // A kiosk that says that it does not know is as silent as one that says nothing.
        VoucherState::Claimed(claim) => vec![VoucherEvent::Silent { at_ms: at_ms.max(claim.until_ms) }],
        _ => Vec::new(),
    };
    let opened = CaseEvent::Opened { at_ms, doubt };
    Change::new()
        .apply(&mut case, &[opened])?
        .apply(&mut voucher, &silent)?
        .post(&policy.alarms, &told.to_bytes())?
        .commit_through(port)
        .await?;
    Ok(entity)
}

/// Who can tell what came of a claim besides persons: the kiosk, from its record of this claim.
fn witness(voucher: &Kept<Voucher>) -> [u8; 32] {
    Sha256::digest(format!("claim/{}-{}", voucher.state().token().number(), voucher.entity())).into()
}

/// The case of a claim in doubt.
async fn open_case(port: &mut IssuancePort, voucher: &Kept<Voucher>) -> Result<Option<Kept<Case>>, PickUpError> {
    if !matches!(voucher.state().state(), VoucherState::Unknown(_)) {
        return Ok(None);
    }
    let case = Kept::<Case>::read(port, Doubt::case_of(voucher.entity().as_str(), voucher.state().token().number())?);
    Ok(Some(case.await?).filter(|case| case.state().doubt().is_some() && case.state().finding().is_none()))
}

/// The kiosk told after all: its case is settled with it.
fn told_after_all<'a>(
    change: Change<'a>,
    case: &'a mut Option<Kept<Case>>,
    finding: Finding,
    evidence: [u8; 32],
    at_ms: u64,
) -> Result<Change<'a>, PickUpError> {
    let Some(case) = case.as_mut() else { return Ok(change) };
    let card = case.state().doubt().and_then(|doubt| doubt.card).unwrap_or_default();
    Ok(change.apply(case, &[CaseEvent::Probed { at_ms, card, finding, evidence }])?)
}

/// Looks whether the time of a voucher or of its claim is over; gives the case where persons have to look.
///
/// # Errors
/// [`PickUpError`].
pub async fn overdue(
    port: &mut IssuancePort,
    policy: &Policy,
    voucher: Entity,
    at_ms: u64,
) -> Result<Option<Entity>, PickUpError> {
    let mut voucher = Kept::<Voucher>::read(port, voucher).await?;
    match voucher.state().due(at_ms) {
        Some(VoucherEvent::Silent { .. }) => doubt(port, policy, voucher, Reason::HolderSilent, at_ms).await.map(Some),
        Some(event) => {
            Change::new().apply(&mut voucher, &[event])?.commit_through(port).await?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Ends a claim as its settled case says.
///
/// # Errors
/// [`PickUpError`]; also when the case is not settled or is about something else.
pub async fn settle(port: &mut IssuancePort, case: Entity, at_ms: u64) -> Result<bool, PickUpError> {
    let case = Kept::<Case>::read(port, case).await?;
    let Some(resolution) = case.state().resolution() else { return Ok(false) };
    let mut voucher = Kept::<Voucher>::read(port, Entity::new(resolution.subject())?).await?;
    if !matches!(voucher.state().state(), VoucherState::Unknown(_)) {
        return Ok(false);
    }
    let event = VoucherEvent::Resolved { at_ms, resolution };
    Change::new().apply(&mut voucher, &[event])?.given(&case)?.commit_through(port).await?;
    Ok(true)
}

impl Told {
    /// As a message holds it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}

/// What keeps a voucher from being presented or claimed.
fn refusal(voucher: &Voucher, at_ms: u64) -> Option<Refusal> {
    match voucher.state() {
        VoucherState::None => Some(Refusal::Invalid),
        VoucherState::Claimed(claim) => Some(Refusal::InUse { kiosk: claim.kiosk.clone() }),
        VoucherState::Unknown(_) => Some(Refusal::Unclear),
        VoucherState::Dispensed(_) | VoucherState::Redeemed => Some(Refusal::AlreadyIssued),
        VoucherState::Void => Some(Refusal::Void),
        VoucherState::Minted | VoucherState::Distributed | VoucherState::Presented { .. } => {
            voucher.due(at_ms).map(|_| Refusal::Void)
        }
    }
}

/// The count of a kiosk's wrong codes: `rate/pick-up/<first 16 bytes of SHA-256 of the serial number>`.
fn window_entity(kiosk: &str) -> Result<Entity, EntityError> {
    Entity::new(&format!("rate/pick-up/{}", hex(&Sha256::digest(kiosk)[..16])))
}

#[cfg(test)]
mod tests;
