//! Personalization by EMV CPS as one durable step: a session that was torn begins again from its first command.
//!
//! | stage | what happens | step, class | looked at when the outcome is not known |
//! |---|---|---|---|
//! | Met | which card it is | | |
//! | Authenticated | INITIALIZE UPDATE, EXTERNAL AUTHENTICATE with keys of KMC and KEYDATA | lock-out ledger | |
//! | Personalizing | STORE DATA of all groups | *cps*, C | no look tells how far the application came: the whole session again, or a person |
//! | Closed | the records among the groups are read back | Completed | |

use cardwright_apdu::{Aid, CardPort, Class, CommandApdu, Instruction, Ne};
use cardwright_gp::cps::{self, CpsData, CpsOptions, Dgi};
use cardwright_gp::{Error as GpError, SecureChannel, procedure};
use sha2::{Digest, Sha256};

use crate::CardIdentity;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::lockout::{self, Counted, SessionOrder};
use crate::port::{Conversation, IssuancePort, Notice};
use crate::quarantine::Release;
use crate::remote::{IssueError, Outcome, Stop};
use crate::step::Intent;

/// Name of the step in the journal.
pub const CPS: &str = "cps";

/// What an application is to become.
#[derive(Clone, Debug)]
pub struct CpsOrder {
    /// The application, which speaks EMV CPS itself.
    pub application: Aid,
    /// How the secure channel to it is opened; its domain is the application.
    pub session: SessionOrder,
    /// What it gets.
    pub data: CpsData,
    /// What differs between cards.
    pub options: CpsOptions,
    /// Whether the application lets a session begin again that was torn. Otherwise a person has to look.
    pub restartable: bool,
    /// Try the step again when it is in quarantine and persons have decided it.
    pub release: Option<Release>,
}

/// What a run brought about.
#[derive(Clone, Debug)]
pub struct CpsReport {
    /// What the card is known by.
    pub card: CardIdentity,
    /// Records that were read back.
    pub read_back: Vec<Dgi>,
    /// Whether anything had to be done.
    pub changed: bool,
}

/// Personalizes an application. Run again with the same order and journal after [`Outcome::Interrupted`], or after a crash at any point.
#[must_use]
pub fn personalize(order: CpsOrder) -> Conversation<Result<Outcome<CpsReport>, IssueError>> {
    Conversation::new(|mut port| async move {
        match run(&mut port, order).await {
            Ok(report) => Ok(Outcome::Complete(report)),
            Err(stop) => stop.into_outcome(),
        }
    })
}

async fn run(port: &mut IssuancePort, order: CpsOrder) -> Result<CpsReport, Stop> {
    port.reset().await.map_err(|source| IssueError::Gp(GpError::Transport { command: "reset", source }))?;
    let mut session = SessionOrder { domain: Some(order.application), ..order.session.clone() };
    if session.identity.is_none() {
        session.identity = lockout::meet(port, &mut session.options).await?;
    }
    if let Some(card) = &session.identity {
        // A personalized application may not open a session any more.
        let mut job = Job::read(port, card.application_entity(&order.application)?).await?;
        if job.step(CPS).is_done() {
            let card = card.clone();
            return close(port, &order, card, &mut job, false).await;
        }
        settle_before(port, &order, &mut job).await?;
    }
    let guarded = lockout::session(port, &session).await?;
    // Without an identity the next run could not be told to be about the same card.
    let Counted::Card(card) = guarded.counted else { return Err(IssueError::NoIdentity.into()) };
    let mut job = Job::read(port, card.application_entity(&order.application)?).await?;
    if !job.step(CPS).is_done() {
        settle_before(port, &order, &mut job).await?;
        store(port, &order, guarded.opened.channel, &mut job).await?;
    }
    close(port, &order, card, &mut job, true).await
}

/// Settles what an earlier run left: a person has released it, or the session may begin again.
async fn settle_before(port: &mut IssuancePort, order: &CpsOrder, job: &mut Job) -> Result<(), Stop> {
    Stop::unless_released(port, job, order.release.as_ref()).await?;
    let step = job.step(CPS);
    if !step.is_in_doubt() {
        return Ok(());
    }
    // Released steps count their attempts anew.
    if !order.restartable && step.attempts > 0 {
        let reason = "a session of STORE DATA was torn, and the application does not let it begin again";
        job.resolve(port, CPS, StepEvent::Quarantined { reason: reason.into() }).await?;
        return Err(Stop::Quarantined { step: CPS.into(), reason: reason.into() });
    }
    Ok(job.resolve(port, CPS, StepEvent::NotDone).await?)
}

/// All groups, from the first STORE DATA to the last.
async fn store(
    port: &mut IssuancePort,
    order: &CpsOrder,
    mut channel: SecureChannel,
    job: &mut Job,
) -> Result<(), Stop> {
    let mut keys = port.clone();
    let commands = cps::prepare(&mut keys, &channel, &order.data, order.options).await?;
    // Of secrets only the check values of the keys are in it: a PIN block could be told from its hash.
    let mut input = Sha256::new_with_prefix(order.application.as_bytes());
    order.data.records().for_each(|(dgi, value)| {
        input.update(dgi.0.to_be_bytes());
        input.update((value.len() as u32).to_be_bytes());
        input.update(value);
    });
    commands.check_values.iter().for_each(|kcv| input.update(kcv.0));
    let input: [u8; 32] = input.finalize().into();
    if job.step(CPS).intent.is_some_and(|intent| intent.input != input) {
        return Err(IssueError::OtherSubscriber { step: CPS.into() }.into());
    }
    port.tell(Notice::Stage("personalizing the application"));
    let permit = job.begin(port, CPS, Intent::new(IdempotencyClass::Compare, input)).await?;
    let result = cps::personalize(port, &mut channel, commands).await;
    let outcome = match &result {
        Ok(()) => StepEvent::Succeeded { proof: Proof::Answer },
        // What was stored before a refusal is on the card all the same.
        Err(_) => StepEvent::Lost,
    };
    job.settle(port, permit, outcome).await?;
    Ok(result?)
}

async fn close(
    port: &mut IssuancePort,
    order: &CpsOrder,
    card: CardIdentity,
    job: &mut Job,
    changed: bool,
) -> Result<CpsReport, Stop> {
    let read_back = read_back(port, order).await?;
    if !job.state().completed {
        let _durable = job.record(port, &[Event::Completed { life_cycle: None }]).await?;
    }
    Ok(CpsReport { card, read_back, changed })
}

/// The records are those of the order.
async fn read_back(port: &mut IssuancePort, order: &CpsOrder) -> Result<Vec<Dgi>, Stop> {
    procedure::select(port, Some(&order.application)).await?;
    let mut read = Vec::new();
    for (dgi, value) in order.data.records() {
        let Some((sfi, record)) = dgi.record() else { continue };
        let command = CommandApdu::new(Class::ISO, Instruction::READ_RECORD, record, sfi << 3 | 0x04);
        let response = procedure::send(port, command.with_ne(Ne::MAX_SHORT)).await?;
        if response.data() != value {
            return Err(IssueError::NotProved { what: format!("record {record} of file {sfi:02X}") }.into());
        }
        read.push(dgi);
    }
    Ok(read)
}
