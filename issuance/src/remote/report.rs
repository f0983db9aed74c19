use std::fmt;

use cardwright_apdu::{Aid, TransportErrorKind};
use cardwright_gp::LifeCycle;
use cardwright_gp::command::Scope;
use cardwright_gp::procedure::CardData;
use cardwright_gp::registry::Registry;
use thiserror::Error;

use crate::CardIdentity;
use crate::job::{Job, JobError};
use crate::journal::EntityError;
use crate::lockout::Counted;
use crate::port::IssuancePort;
use crate::quarantine::{self, Held, Release};
use crate::store::StoreError;

/// What a card is.
#[derive(Clone, Debug)]
pub struct CardFacts {
    /// Its identity.
    pub identity: CardIdentity,
    /// Answer to reset.
    pub atr: Vec<u8>,
    /// AID of the issuer security domain, where the card tells it.
    pub domain: Option<Aid>,
    /// CPLC, card recognition data, key information.
    pub data: CardData,
}

/// How far an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApplicationStatus {
    /// On the card, without its own keys.
    Installed,
    /// With the keys of the issuer.
    Issued,
    /// Issued, and use was reported.
    Used,
}

impl fmt::Display for ApplicationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Installed => "installed",
            Self::Issued => "issued",
            Self::Used => "used",
        })
    }
}

/// What kind of object a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The issuer security domain.
    IssuerSecurityDomain,
    /// A supplementary security domain.
    SecurityDomain,
    /// An application.
    Application,
    /// An executable load file.
    LoadFile,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::IssuerSecurityDomain => "issuer security domain",
            Self::SecurityDomain => "security domain",
            Self::Application => "application",
            Self::LoadFile => "load file",
        })
    }
}

/// One object on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRow {
    /// Its AID.
    pub aid: Aid,
    /// What it is.
    pub kind: Kind,
    /// Its life cycle state, where the card tells it.
    pub life_cycle: Option<LifeCycle>,
    /// Its life cycle state in the standard's words.
    pub state: &'static str,
    /// How far it is; only of applications.
    pub status: Option<ApplicationStatus>,
}

impl ApplicationRow {
    /// One row an entry of the registry. An application is issued when its life cycle or the journal says so.
    pub(super) async fn all(
        port: &mut IssuancePort,
        card: &CardIdentity,
        registry: &Registry,
    ) -> Result<Vec<Self>, Stop> {
        let mut rows = Vec::with_capacity(registry.entries.len());
        for entry in &registry.entries {
            let kind = match entry.scope {
                Scope::IssuerSecurityDomain => Kind::IssuerSecurityDomain,
                Scope::Applications if entry.privileges.is_security_domain() => Kind::SecurityDomain,
                Scope::Applications => Kind::Application,
                Scope::LoadFiles | Scope::LoadFilesAndModules => Kind::LoadFile,
            };
            let mut status = None;
            if kind == Kind::Application {
                let job = Job::read(port, card.application_entity(&entry.aid)?).await?;
                let issued = entry.life_cycle.is_some_and(LifeCycle::is_personalized)
                    || job.step(super::steps::MASTER_KEY).is_done();
                status = Some(match (issued, job.state().uses) {
                    (true, 1..) => ApplicationStatus::Used,
                    (true, 0) => ApplicationStatus::Issued,
                    (false, _) => ApplicationStatus::Installed,
                });
            }
            let state = entry.life_cycle.map_or("not told", |life_cycle| life_cycle.name(entry.scope));
            rows.push(Self { aid: entry.aid, kind, life_cycle: entry.life_cycle, state, status });
        }
        Ok(rows)
    }
}

/// What a run brought about.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the card is.
    pub card: CardFacts,
    /// What was on it before.
    pub before: Vec<ApplicationRow>,
    /// What is on it now.
    pub after: Vec<ApplicationRow>,
    /// Secure channel protocol.
    pub protocol: &'static str,
    /// Version of the issuer security domain's keys now.
    pub kvn: u8,
    /// Whether anything had to be done.
    pub changed: bool,
}

/// How a run ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<T> {
    /// All steps are proved.
    Complete(T),
    /// The card was torn out, or the line to it broke: what was under way is not known. Put the same card back and run
    /// again with the same journal; it is then asked.
    Interrupted(InterruptedDuring),
    /// A step needs a person.
    Quarantined {
        /// Which step.
        step: String,
        /// Why.
        reason: String,
    },
}

/// What was under way when a run was interrupted.
#[derive(Clone, Debug)]
pub struct InterruptedDuring {
    /// The command.
    pub command: &'static str,
    /// What happened to the transport.
    pub kind: TransportErrorKind,
}

/// Why a run ended without an outcome.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The secure channel's keys did not fit; counted for this card.
    #[error("{source}; failed authentications of {counted} in a row: {failures}{}", if *failures >= crate::MAX_KEY_FAILURES { ", the next attempt needs an override" } else { "" })]
    WrongKeys {
        /// What they are counted for.
        counted: Counted,
        /// Failures in a row, this one included.
        failures: u32,
        /// What the card did.
        source: cardwright_gp::Error,
    },
    /// Too many failed authentications: nothing was tried.
    #[error(
        "{counted} had {failures} failed authentications in a row, and {unanswered} that it never answered; another one \
         may lock it for ever. Find the right keys first; override only when you have them"
    )]
    LockedOut {
        /// What they are counted for.
        counted: Counted,
        /// Failures in a row.
        failures: u32,
        /// Attempts in a row whose answer never came.
        unanswered: u32,
    },
    /// The card has no identity, so that no job can be resumed with it.
    #[error(
        "GET DATA 9F7F, 42, 45: the card tells neither a serial number nor issuer and card image number: an issue that is \
         interrupted could not be resumed"
    )]
    NoIdentity,
    /// Another card than the one that the run began with.
    #[error("this is another card: {actual} instead of {expected}; put the first one back")]
    OtherCard {
        /// Identity at the beginning.
        expected: String,
        /// Identity now.
        actual: String,
    },
    /// The card gave other key diversification data, or another key version, than in the session before; its keys were
    /// left as they are.
    #[error(
        "INITIALIZE UPDATE: key diversification data and version at offset 0: expected {:02X?} and {:02X} as before, \
         the card gave {:02X?} and {:02X}: another card, or a damaged answer",
        expected.0, expected.1, actual.0, actual.1
    )]
    OtherKeyData {
        /// What the first session had.
        expected: ([u8; 10], u8),
        /// What this one has.
        actual: ([u8; 10], u8),
    },
    /// The card has this load file in another version.
    #[error(
        "the card has load file {load_file} in version {}.{}, the order is for {}.{}: delete it first",
        actual.0, actual.1, expected.0, expected.1
    )]
    OtherVersion {
        /// AID of the load file.
        load_file: Aid,
        /// Version in the order.
        expected: (u8, u8),
        /// Version on the card.
        actual: (u8, u8),
    },
    /// The application with the wanted AID is made of another load file.
    #[error("application {application} is made of load file {actual}, the order is for {expected}: delete it first")]
    OtherLoadFile {
        /// AID of the application.
        application: Aid,
        /// Load file in the order.
        expected: Aid,
        /// Load file on the card.
        actual: Aid,
    },
    /// The card does not list what would have to be known before anything is sent.
    #[error("GET STATUS: the card does not list its {what}: what is on it cannot be told")]
    NotListed {
        /// Applications or load files.
        what: &'static str,
    },
    /// The card has the application in an earlier state than the record.
    #[error(
        "the record says that application {aid} was complete in life cycle state {expected:02X}, the card shows \
         {actual:02X}: it was installed anew behind the record; delete it and issue again"
    )]
    Contradiction {
        /// Its AID.
        aid: Aid,
        /// Life cycle state in the record.
        expected: u8,
        /// Life cycle state on the card.
        actual: u8,
    },
    /// The application is locked and cannot be personalized.
    #[error("application {aid} is locked: unlock it first")]
    Locked {
        /// Its AID.
        aid: Aid,
    },
    /// At the end the card does not hold what every step had achieved.
    #[error("GET STATUS: at the end {what} is not on the card, although every step was done: run again")]
    NotProved {
        /// What is missing.
        what: String,
    },
    /// The card recognition data names no secure channel protocol with this security level. Nothing was sent.
    #[error("GET DATA 66: the card has no secure channel protocol with security level {level}")]
    Level {
        /// The level.
        level: cardwright_gp::SecurityLevel,
    },
    /// The order names another key than the attempt whose outcome is not known. Nothing was sent.
    #[error(
        "step {step} was begun with key {before} and its outcome is not known; the order is for {now}. Finish with the \
         first order"
    )]
    OrderChanged {
        /// The step.
        step: &'static str,
        /// Name of the key in the record.
        before: String,
        /// Name of the key in the order.
        now: String,
    },
    /// Every card without key diversification data would get the same keys.
    #[error(
        "INITIALIZE UPDATE: the key diversification data is all zero: keys derived from it would not be the card's own"
    )]
    NoDiversificationData,
    /// A deletion was begun and its outcome is not known. Nothing was sent but what finds out which card it is.
    #[error("{aid} was being deleted when a run was interrupted: finish that first, delete {aid} again")]
    OpenDeletion {
        /// AID of the application or load file.
        aid: Aid,
    },
    /// The record knows nothing of this application on this card.
    #[error("application {aid} was not issued to this card as far as the record knows")]
    NotIssued {
        /// Its AID.
        aid: Aid,
    },
    /// There is nothing of this AID on the card.
    #[error("there is nothing with AID {aid} on the card")]
    NotOnCard {
        /// The AID.
        aid: Aid,
    },
    /// The issuer security domain cannot be deleted.
    #[error("{aid} is the issuer security domain, which cannot be deleted")]
    IssuerSecurityDomain {
        /// The AID.
        aid: Aid,
    },
    /// Something depends on what is to be deleted.
    #[error(
        "{aid} has dependants on the card: {}; delete them first, or force it, which deletes them with it",
        dependants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    HasDependants {
        /// The AID.
        aid: Aid,
        /// What depends on it.
        dependants: Vec<Aid>,
    },
    /// The application is personalized.
    #[error("{aid} is personalized: its keys and data would be lost; force it if that is meant")]
    Personalized {
        /// The AID.
        aid: Aid,
    },
    /// There is money on the application, or on its way.
    #[error("{aid} has a balance of {amount} and {unsettled} transactions that are not settled: settle them first")]
    NotSettled {
        /// The AID.
        aid: Aid,
        /// What is on the card, in the smallest unit of the currency.
        amount: u64,
        /// Transactions that are not settled.
        unsettled: u32,
    },
    /// No new key set in the order fits the card's protocol.
    #[error("the order has no new key set for {protocol}")]
    NoNewKeys {
        /// The protocol.
        protocol: &'static str,
    },
    /// The application does not say what its keys are diversified with.
    #[error("SELECT: application {aid} gives no serial number: its keys cannot be derived")]
    NoSerialNumber {
        /// Its AID.
        aid: Aid,
    },
    /// The application gave two serial numbers; its keys were left as they are.
    #[error("SELECT: application {aid} gives another serial number than before: another card, or a damaged answer")]
    OtherSerialNumber {
        /// Its AID.
        aid: Aid,
    },
    /// GlobalPlatform.
    #[error(transparent)]
    Gp(#[from] cardwright_gp::Error),
    /// The application.
    #[error(transparent)]
    Cos(#[from] cardwright_cos::Error),
    /// The SIM.
    #[error(transparent)]
    Sim(#[from] cardwright_cos::usim::SimError),
    /// Neither card nor order has an ICCID, so that no job can be resumed with the card.
    #[error(
        "EF.ICCID: the card is blank and the order gives it no ICCID: a write that is interrupted could not be resumed"
    )]
    NoIccid,
    /// The record knows the card for another subscriber. Nothing was written.
    #[error(
        "step {step} was done, or begun, for another subscriber: a card never gets two. Take a blank card, or finish with the first order"
    )]
    OtherSubscriber {
        /// The step.
        step: String,
    },
    /// The journal.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An identity that cannot be an entity.
    #[error(transparent)]
    Entity(#[from] EntityError),
}

/// Why a stage stops: an error, or something that becomes an [`Outcome`].
pub(crate) enum Stop {
    Error(IssueError),
    Interrupted(InterruptedDuring),
    Quarantined { step: String, reason: String },
}

impl Stop {
    /// A quarantined step stops the run, unless persons let it go on.
    pub(crate) async fn unless_released(
        port: &mut IssuancePort,
        job: &mut Job,
        release: Option<&Release>,
    ) -> Result<(), Self> {
        match quarantine::release(port, job, release).await? {
            Some(Held { step, reason, .. }) => Err(Self::Quarantined { step, reason }),
            None => Ok(()),
        }
    }

    pub(crate) fn into_outcome<T>(self) -> Result<Outcome<T>, IssueError> {
        match self {
            Self::Error(error) => Err(error),
            Self::Interrupted(during) => Ok(Outcome::Interrupted(during)),
            Self::Quarantined { step, reason } => Ok(Outcome::Quarantined { step, reason }),
        }
    }
}

impl<E: Into<IssueError>> From<E> for Stop {
    fn from(error: E) -> Self {
        use cardwright_cos::Error as Cos;
        use cardwright_cos::usim::SimError as Sim;
        use cardwright_gp::Error as Gp;
        match error.into() {
            IssueError::Gp(Gp::Transport { command, source })
            | IssueError::Cos(Cos::Transport { command, source })
            | IssueError::Sim(Sim::Transport { command, source })
                if !is_fault(&source.kind) =>
            {
                Self::Interrupted(InterruptedDuring { command, kind: source.kind })
            }
            IssueError::Job(JobError::AttemptsSpent { step, attempts, .. }) => {
                Self::Quarantined { step, reason: format!("tried {attempts} times") }
            }
            error => Self::Error(error),
        }
    }
}

/// Whether what came back is wrong, rather than missing.
fn is_fault(kind: &TransportErrorKind) -> bool {
    matches!(kind, TransportErrorKind::Exchange(_) | TransportErrorKind::Diverged { .. })
}
