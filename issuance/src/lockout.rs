//! Secure channels under the lock-out ledger of the card, for any program: one that lists a card counts with the one that issues it.
//!
//! The ledger is kept in the journal, under what tells the card from others:
//!
//! | what | from |
//! |---|---|
//! | chip identity | CPLC data (GET DATA 9F7F), where it holds a serial number |
//! | issuer and card image number | GET DATA 42 and 45 |
//! | ICCID | EF.ICCID (2FE2), on a card with a file system |
//! | key diversification data | the answer to INITIALIZE UPDATE, only where the card's profile calls it unique, and never all zero |
//! | this stay in the reader | [`Insertion`]: where the card tells none of these |
//!
//! Asking the card who it is takes four commands. A program that has a short errand may leave them out while no card is known to have
//! failed: [`is_clear`], [`Identify::AfterFailure`].
//!
//! ```
//! use cardwright_gp::procedure::{KeyCandidate, KeyScheme, OpenOptions};
//! use cardwright_gp::{CardProfile, SecurityLevel};
//! use cardwright_issuance::lockout::{self, Insertion, SessionOrder};
//! use cardwright_keys::{KeyKind, KeyRef};
//!
//! let insertion = Insertion::new([1, 2, 3, 4, 5, 6, 7, 8]); // drawn when the card came into the reader
//! let keys = vec![KeyCandidate::new(KeyRef::new("issuer"), KeyKind::Aes, KeyScheme::AsIs)];
//! let order = SessionOrder::new(keys, OpenOptions::new(SecurityLevel::C_DECRYPTION), insertion);
//! let conversation = lockout::open(order); // driven by a Driver, as the machines of issuing are
//! # drop(conversation);
//! # let _ = CardProfile::standard();
//! ```

use std::fmt;

use cardwright_apdu::Aid;
use cardwright_gp::card_data::FileControlInformation;
use cardwright_gp::procedure::{self, KeyCandidate, OpenOptions, Opened};
use cardwright_gp::{CardProfile, Error as GpError};

use crate::CardIdentity;
use crate::event::Event;
use crate::job::{Job, JobError};
use crate::journal::{Entity, EntityError};
use crate::port::{Conversation, IssuancePort, Notice};
use crate::remote::{IssueError, Outcome, Stop};
use crate::store::{Journal, StoreError};

/// One stay of a card in a reader: eight random bytes, drawn when it came in.
///
/// A program that draws new ones for every attempt has no ledger on a card that tells no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Insertion([u8; 8]);

impl Insertion {
    /// Names a stay.
    #[must_use]
    pub fn new(random: [u8; 8]) -> Self {
        Self(random)
    }
}

/// What failed authentications are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    /// The card, in whatever reader.
    Card(CardIdentity),
    /// This stay of a card that tells no identity: what happened before is not known, what happens now is forgotten with it.
    Insertion(Insertion),
}

impl Counted {
    /// Where in the journal the ledger is.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn entity(&self) -> Result<Entity, EntityError> {
        match self {
            Self::Card(identity) => identity.entity(),
            Self::Insertion(Insertion(bytes)) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                Entity::new(&format!("insertion/{digits}"))
            }
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Card(_) => "this card",
            Self::Insertion(_) => "this card, since it came into the reader (it tells no identity)",
        })
    }
}

/// When a card is asked who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Identify {
    /// Before anything else. Also tells the options of its protocols from the card recognition data.
    #[default]
    First,
    /// Only when an authentication failed, so that the failure is counted for the card. Right where [`is_clear`] says that the
    /// card in the reader cannot be one that failed before.
    AfterFailure,
}

/// Whether the journal knows no card with a failed or unanswered attempt that no success followed, and none with a step in doubt.
///
/// # Errors
/// [`StoreError`] of the storage group.
pub fn is_clear(journal: &dyn Journal) -> Result<bool, StoreError> {
    Ok(journal.open_entities("card/")?.is_empty() && journal.open_entities("insertion/")?.is_empty())
}

/// How a secure channel is to be opened under the ledger.
#[derive(Clone, Debug)]
pub struct SessionOrder {
    /// Security domain to be selected; without one the issuer's.
    pub domain: Option<Aid>,
    /// Key sets that the card may have.
    pub candidates: Vec<KeyCandidate>,
    /// Level, key version, challenge policy. `i` and 16-byte challenges are taken from the card recognition data where they are left
    /// open here.
    pub options: OpenOptions,
    /// What the card does otherwise than the standard says.
    pub profile: CardProfile,
    /// The card's identity, where the program knows it already: it is not read then.
    pub identity: Option<CardIdentity>,
    /// When the card is asked for it.
    pub identify: Identify,
    /// This stay in the reader.
    pub insertion: Insertion,
    /// Try although there were too many failures.
    pub override_lockout: bool,
}

impl SessionOrder {
    /// A channel to the issuer security domain of a card that does as the standard says.
    #[must_use]
    pub fn new(candidates: Vec<KeyCandidate>, options: OpenOptions, insertion: Insertion) -> Self {
        Self {
            domain: None,
            candidates,
            options,
            profile: CardProfile::standard(),
            identity: None,
            identify: Identify::First,
            insertion,
            override_lockout: false,
        }
    }
}

/// A secure channel that was opened under the ledger.
#[derive(Debug)]
pub struct GuardedSession {
    /// The channel, and what was learnt on the way.
    pub opened: Opened,
    /// What the selected security domain says of itself.
    pub domain: FileControlInformation,
    /// What failures are counted for on this card.
    pub counted: Counted,
}

/// Opens a secure channel, unless the card had too many failures: SELECT and GET DATA for what it is, then as
/// [`procedure::open`]. The attempt is durable before INITIALIZE UPDATE goes out.
///
/// Ends with [`IssueError::LockedOut`] before INITIALIZE UPDATE or, on a card that is known by its key diversification data, before
/// EXTERNAL AUTHENTICATE.
#[must_use]
pub fn open(order: SessionOrder) -> Conversation<Result<Outcome<GuardedSession>, IssueError>> {
    Conversation::new(|mut port| async move {
        match session(&mut port, &order).await {
            Ok(session) => Ok(Outcome::Complete(session)),
            Err(stop) => stop.into_outcome(),
        }
    })
}

/// [`open`], in a conversation of more.
pub(crate) async fn session(port: &mut IssuancePort, order: &SessionOrder) -> Result<GuardedSession, Stop> {
    let mut options = order.options.following(&order.profile);
    let mut counted = match &order.identity {
        Some(identity) => Counted::Card(identity.clone()),
        None if order.identify == Identify::AfterFailure => Counted::Insertion(order.insertion),
        None => match meet(port, &mut options).await? {
            Some(identity) => Counted::Card(identity),
            None => Counted::Insertion(order.insertion),
        },
    };
    let mut job = Job::read(port, counted.entity()?).await?;
    check(&job, &counted, order.override_lockout)?;
    let domain = procedure::select_domain(port, order.domain.as_ref()).await?;
    let aid = domain.aid.or(order.domain);
    let challenge = port.challenge(true).await?;
    begin(port, &mut job).await?;
    let initialized = procedure::initialize(port, aid.as_ref(), challenge, options).await;
    let initialized = match initialized {
        Ok(initialized) => initialized,
        Err(error) => return Err(fail(port, order, job, counted, error).await?),
    };
    let by_kdd = order.profile.unique_kdd && matches!(counted, Counted::Insertion(_));
    match CardIdentity::of_kdd(initialized.key_diversification_data()) {
        Some(identity) if by_kdd => {
            // The attempt moves from the stay to the card, before EXTERNAL AUTHENTICATE can cost a try.
            counted = Counted::Card(identity);
            let mut card = Job::read(port, counted.entity()?).await?;
            if let Err(locked) = check(&card, &counted, order.override_lockout) {
                let _durable = job.record(port, &[Event::KeyAnswered]).await?;
                return Err(locked.into());
            }
            let moved = &mut [(&mut job, &[Event::KeyAnswered][..]), (&mut card, &[Event::KeyAttempt])];
            let _durable = Job::record_all(port, moved).await?;
            job = card;
        }
        _ => {}
    }
    if matches!(counted, Counted::Insertion(_)) && order.identify == Identify::First {
        port.tell(Notice::Stage("the card tells no identity: failures are counted while it is in the reader"));
    }
    let mut keys = port.clone();
    match procedure::authenticate(port, &mut keys, &order.candidates, initialized).await {
        Ok(opened) => {
            succeed(port, order, job, &counted).await?;
            Ok(GuardedSession { opened, domain, counted })
        }
        Err(error) => Err(fail(port, order, job, counted, error).await?),
    }
}

/// A success ends the row of the card. An attempt that a card, not asked who it was, never answered in the same stay ends with it.
async fn succeed(port: &mut IssuancePort, order: &SessionOrder, mut job: Job, counted: &Counted) -> Result<(), Stop> {
    if matches!(counted, Counted::Card(_)) {
        let mut stay = Job::read(port, Counted::Insertion(order.insertion).entity()?).await?;
        let ledger = stay.state().ledger;
        if ledger.unanswered() > 0 && ledger.failures() == 0 {
            let both = &mut [(&mut job, &[Event::KeySuccess][..]), (&mut stay, &[Event::KeySuccess])];
            let _durable = Job::record_all(port, both).await?;
            return Ok(());
        }
    }
    let _durable = job.record(port, &[Event::KeySuccess]).await?;
    Ok(())
}

/// Reads what the card is, and what it says of its protocols. What it refuses to tell it does not tell.
pub(crate) async fn meet(port: &mut IssuancePort, options: &mut OpenOptions) -> Result<Option<CardIdentity>, Stop> {
    match procedure::select_domain(port, None).await {
        Ok(_) => {
            let data = procedure::read_card_data(port).await?;
            let i_of = |protocol| data.recognition.as_ref().and_then(|data| data.i_of(protocol));
            *options = options.knowing(i_of);
            if let Some(identity) = CardIdentity::of(&data) {
                return Ok(Some(identity));
            }
        }
        Err(GpError::Refused { .. } | GpError::NoDomain { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let iccid = procedure::read_iccid(port).await?;
    Ok(iccid.and_then(CardIdentity::of_iccid))
}

/// Too many failures: nothing is tried.
pub(crate) fn check(job: &Job, counted: &Counted, override_lockout: bool) -> Result<(), IssueError> {
    let ledger = job.state().ledger;
    if !ledger.is_locked_out() || override_lockout {
        return Ok(());
    }
    let (failures, unanswered) = (ledger.failures(), ledger.unanswered());
    Err(IssueError::LockedOut { counted: counted.clone(), failures, unanswered })
}

/// Durable before the card can count: an attempt that a crash swallows is not forgotten.
pub(crate) async fn begin(port: &mut IssuancePort, job: &mut Job) -> Result<(), JobError> {
    let _durable = job.record(port, &[Event::KeyAttempt]).await?;
    Ok(())
}

/// Counts what an attempt came to that did not open a channel.
pub(crate) async fn count(port: &mut IssuancePort, job: &mut Job, error: &GpError) -> Result<(), JobError> {
    let event = match error {
        // Nothing is known of what the card did.
        GpError::Transport { .. } => return Ok(()),
        GpError::WrongKeys { kvn, .. } => Event::KeyFailure { kvn: *kvn },
        error if error.is_failed_authentication() => Event::KeyFailure { kvn: 0 },
        _ => Event::KeyAnswered,
    };
    let _durable = job.record(port, &[event]).await?;
    Ok(())
}

async fn fail(
    port: &mut IssuancePort,
    order: &SessionOrder,
    mut job: Job,
    mut counted: Counted,
    error: GpError,
) -> Result<Stop, Stop> {
    let is_unasked = order.identify == Identify::AfterFailure && matches!(counted, Counted::Insertion(_));
    if is_unasked && error.is_failed_authentication() {
        // A card that does not answer now, or tells nothing, is counted as this stay in the reader.
        if let Ok(Some(identity)) = meet(port, &mut order.options.clone()).await {
            counted = Counted::Card(identity);
            let mut card = Job::read(port, counted.entity()?).await?;
            let moved = &mut [(&mut job, &[Event::KeyAnswered][..]), (&mut card, &[Event::KeyAttempt])];
            let _durable = Job::record_all(port, moved).await?;
            job = card;
        }
    }
    count(port, &mut job, &error).await?;
    Ok(error_of(&job, &counted, error).into())
}

/// What a program hears of an attempt that was counted.
pub(crate) fn error_of(job: &Job, counted: &Counted, source: GpError) -> IssueError {
    if !source.is_failed_authentication() {
        return source.into();
    }
    IssueError::WrongKeys { counted: counted.clone(), failures: job.state().ledger.failures(), source }
}
