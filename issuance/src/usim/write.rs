use cardwright_apdu::CardPort;
use cardwright_cos::usim::{
    Content, FilePath, FileSystem, FileWrite, Iccid, KeyVerdict, PreparedWrite, SecretValues, SecretWrite, SimError,
    file_writes, prove_keys,
};
use cardwright_keys::KeyRequest;
use cardwright_keys::milenage::SubscriberKeys;
use sha2::{Digest, Sha256};

use super::order::{NumberOrder, NumberReport};
use super::{adm, steps};
use crate::CardIdentity;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::Job;
use crate::port::{Conversation, IssuancePort, Notice};
use crate::remote::{IssueError, Outcome, Stop, refusal};
use crate::step::Intent;

const EF_ICCID: u16 = 0x2FE2;
/// Its name among the files that [`file_writes`] gives.
const ICCID: &str = "iccid";

/// Writes a subscriber's numbers, codes and keys to a card, from wherever it is; the journal and the card say what is left to do.
///
/// The conversation ends with [`Outcome::Complete`] when every step is proved. Run again with the same order and journal after
/// [`Outcome::Interrupted`], or after a crash at any point, it goes on with the first step that is not proved.
#[must_use]
pub fn write_number(order: NumberOrder) -> Conversation<Result<Outcome<NumberReport>, IssueError>> {
    Conversation::new(|mut port| async move {
        match run(&mut port, &order).await {
            Ok(report) => Ok(Outcome::Complete(report)),
            Err(stop) => stop.into_outcome(),
        }
    })
}

/// What is left of an order for one card.
struct Run<'a> {
    order: &'a NumberOrder,
    files: FileSystem,
    writes: Vec<FileWrite>,
    job: Job,
    /// Where attempts of the ADM key are counted, when the card has another ICCID yet.
    before: Option<Job>,
    report: NumberReport,
}

async fn run(port: &mut IssuancePort, order: &NumberOrder) -> Result<NumberReport, Stop> {
    let writes = check(order)?;
    let mut run = meet(port, order, writes).await?;
    if run.probe(port).await? == Probed::Other {
        // Written by others since, or never: every step begins anew, the card shows what of it is there.
        let _durable = run.job.record(port, &[Event::Gone]).await?;
        run.files = FileSystem::new(order.profile.dialect);
        start(port, order, &mut run.files).await?;
    }
    if run.is_anything_left() {
        run.write(port).await?;
    }
    run.prove(port).await?;
    run.close(port).await?;
    Ok(run.report)
}

/// What can be refused before anything is sent: numbers, and secrets that nobody knows how to write or prove.
fn check(order: &NumberOrder) -> Result<Vec<FileWrite>, IssueError> {
    let NumberOrder { profile, data, .. } = order;
    for (wanted, entry, what) in [
        (order.pin.is_some(), &profile.pin, "a PIN"),
        (order.puk.is_some(), &profile.puk, "a PUK"),
        (order.keys.is_some(), &profile.keys, "keys"),
    ] {
        if wanted {
            let values = values(order);
            profile
                .require(entry, what)?
                .iter()
                .try_for_each(|write| write.key_file_parts(&profile.name, &values).map(drop))?;
        }
    }
    if order.keys.is_some() && profile.proof.is_none() {
        return Err(SimError::NoEntry { profile: profile.name.clone(), what: "a proof of the keys" }.into());
    }
    if profile.adm.is_some() && order.adm.is_none() {
        return Err(SimError::Missing { profile: profile.name.clone(), what: "ADM key" }.into());
    }
    let mut data = data.clone();
    if !profile.iccid_rewritable {
        // It is the card that has to have it.
        data.iccid = None;
    }
    Ok(file_writes(&data, profile)?)
}

fn values(order: &NumberOrder) -> SecretValues {
    SecretValues {
        pin: order.pin.clone(),
        puk: order.puk.clone(),
        iccid: order.data.iccid.clone(),
        imsi: Some(order.data.imsi.clone()),
    }
}

/// Resets the card, reads which one it is, and finds its job.
async fn meet<'a>(port: &mut IssuancePort, order: &'a NumberOrder, writes: Vec<FileWrite>) -> Result<Run<'a>, Stop> {
    port.tell(Notice::Stage("reading which card it is"));
    let mut files = FileSystem::new(order.profile.dialect);
    let atr = start(port, order, &mut files).await?;
    let found = read_iccid(port, &mut files).await?;
    let Some(iccid) = order.data.iccid.clone().or_else(|| found.clone()) else {
        return Err(IssueError::NoIccid.into());
    };
    let mut job = Job::read(port, entity_of(&iccid)?).await?;
    let mut before = None;
    if found.as_ref() != Some(&iccid) {
        if !order.profile.iccid_rewritable || job.step(ICCID).is_done() || job.state().completed {
            return Err(other_card(&iccid, found.as_ref()).into());
        }
        if let Some(found) = &found {
            let theirs = Job::read(port, entity_of(found)?).await?;
            if theirs.state().steps.keys().any(|step| step != steps::ADM) {
                return Err(IssueError::OtherSubscriber { step: ICCID.into() }.into());
            }
            before = Some(theirs);
        }
    }
    for job in [Some(&mut job), before.as_mut()].into_iter().flatten() {
        Stop::unless_released(port, job, order.release.as_ref()).await?;
    }
    let report = NumberReport { iccid, atr, written: Vec::new(), absent: Vec::new(), proved: false };
    Ok(Run { order, files, writes, job, before, report })
}

async fn start(port: &mut IssuancePort, order: &NumberOrder, files: &mut FileSystem) -> Result<Vec<u8>, Stop> {
    let atr = port.reset().await.map_err(|source| SimError::Transport { command: "reset", source })?;
    if let Some(aid) = &order.profile.application {
        files.select_application(port, aid).await?;
    }
    Ok(atr)
}

async fn read_iccid(port: &mut IssuancePort, files: &mut FileSystem) -> Result<Option<Iccid>, SimError> {
    files.select(port, &FilePath::new(&[EF_ICCID])).await?;
    Ok(Iccid::parse(&files.read_binary(port, 0, Iccid::FILE_LENGTH).await?)?)
}

fn entity_of(iccid: &Iccid) -> Result<crate::journal::Entity, IssueError> {
    Ok(CardIdentity::of_iccid(iccid.to_file()).ok_or(IssueError::NoIccid)?.entity()?)
}

fn other_card(expected: &Iccid, actual: Option<&Iccid>) -> IssueError {
    let actual = actual.map_or_else(|| "one without an ICCID".into(), |iccid| format!("ICCID {iccid}"));
    IssueError::OtherCard { expected: format!("ICCID {expected}"), actual }
}

/// What a look at the card says of the steps that the record knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probed {
    /// What was done is there.
    Same,
    /// Something that was done is not there any more.
    Other,
}

impl Run<'_> {
    /// Reads every file that was written or may have been, and settles what was in doubt.
    async fn probe(&mut self, port: &mut IssuancePort) -> Result<Probed, Stop> {
        let writes = self.writes.clone();
        for write in &writes {
            let step = self.job.step(write.name);
            // Where the card was since is no part of what the record claims.
            let claimed = step.is_done() && !matches!(write.content, Content::Initial(..));
            if !claimed && !step.is_in_doubt() {
                continue;
            }
            let Some(prepared) = write.prepare(port, &mut self.files).await? else { continue };
            self.same_order(write.name, &input_of(write, &prepared))?;
            let there = match prepared.check(port, &self.files).await {
                Ok(()) => true,
                Err(SimError::ReadBack { .. }) => false,
                Err(error) => return Err(error.into()),
            };
            if step.is_in_doubt() {
                let finding = if there { StepEvent::Succeeded { proof: Proof::Probe } } else { StepEvent::NotDone };
                self.job.resolve(port, write.name, finding).await?;
            } else if !there {
                return Ok(Probed::Other);
            }
        }
        for step in [steps::PIN, steps::PUK] {
            if self.job.step(step).is_in_doubt() {
                // It cannot be read; writing the same value again is right in either case.
                self.job.resolve(port, step, StepEvent::NotDone).await?;
            }
        }
        let (Some(keys), true) = (self.order.keys.clone(), self.job.step(steps::KEYS).is_in_doubt()) else {
            return Ok(Probed::Same);
        };
        let (input, _) = key_input(port, &keys).await?;
        self.same_order(steps::KEYS, &input)?;
        let finding = match self.authenticate(port, &keys).await {
            Ok(KeyVerdict::Proved) => StepEvent::Succeeded { proof: Proof::Probe },
            // A card without keys may refuse to authenticate.
            Ok(KeyVerdict::Other) | Err(IssueError::Sim(SimError::Refused { .. })) => StepEvent::NotDone,
            Err(error) => return Err(error.into()),
        };
        self.job.resolve(port, steps::KEYS, finding).await?;
        // The proof may have been in the other class of commands.
        self.files = FileSystem::new(self.order.profile.dialect);
        start(port, self.order, &mut self.files).await?;
        Ok(Probed::Same)
    }

    fn is_anything_left(&self) -> bool {
        let pending = |name: &str| !self.job.step(name).is_done();
        self.writes.iter().any(|write| pending(write.name) && !(write.optional && self.job.state().completed))
            || self.order.pin.is_some() && pending(steps::PIN)
            || self.order.puk.is_some() && pending(steps::PUK)
            || self.order.keys.is_some() && pending(steps::KEYS)
    }

    /// Everything that is not done, under the ADM key.
    async fn write(&mut self, port: &mut IssuancePort) -> Result<(), Stop> {
        let order = self.order;
        adm::authenticate(port, order, self.before.as_mut().unwrap_or(&mut self.job)).await?;
        port.tell(Notice::Stage("writing the subscriber's files"));
        for write in self.writes.clone() {
            if !self.job.step(write.name).is_done() {
                self.write_file(port, &write).await?;
            }
        }
        for (step, value, entry) in
            [(steps::PIN, &order.pin, &order.profile.pin), (steps::PUK, &order.puk, &order.profile.puk)]
        {
            if value.is_some() && !self.job.step(step).is_done() {
                self.write_code(port, step, entry).await?;
            }
        }
        match &order.keys {
            Some(keys) if !self.job.step(steps::KEYS).is_done() => self.write_keys(port, keys).await,
            _ => Ok(()),
        }
    }

    /// One file: a step of class I, done when it reads as it was written.
    async fn write_file(&mut self, port: &mut IssuancePort, write: &FileWrite) -> Result<(), Stop> {
        let Some(prepared) = write.prepare(port, &mut self.files).await? else {
            self.report.absent.push(write.name);
            return Ok(());
        };
        let input = input_of(write, &prepared);
        self.same_order(write.name, &input)?;
        let permit = self.job.begin(port, write.name, Intent::new(IdempotencyClass::Overwrite, input)).await?;
        let result = match prepared.write(port, &self.files).await {
            Ok(()) => prepared.check(port, &self.files).await,
            Err(error) => Err(error),
        };
        let outcome = result.as_ref().map_or_else(failure_of, |()| StepEvent::Succeeded { proof: Proof::Answer });
        self.job.settle(port, permit, outcome).await?;
        result?;
        self.report.written.push(write.name);
        Ok(())
    }

    /// PIN or PUK. The record does not know its value, nor a hash of it: it has 8 digits, and could be told from the hash.
    async fn write_code(
        &mut self,
        port: &mut IssuancePort,
        step: &'static str,
        entry: &[SecretWrite],
    ) -> Result<(), Stop> {
        let (profile, values) = (&self.order.profile, values(self.order));
        let input = Sha256::digest([step, &profile.name].join(" of ")).into();
        let permit = self.job.begin(port, step, Intent::new(IdempotencyClass::Overwrite, input)).await?;
        let result = async {
            for write in entry {
                let content = write.plain_content(&profile.name, &values)?;
                write.write(port, &mut self.files, &content).await?;
            }
            Ok(())
        };
        let result: Result<(), SimError> = result.await;
        let outcome = result.as_ref().map_or_else(failure_of, |()| StepEvent::Succeeded { proof: Proof::Answer });
        self.job.settle(port, permit, outcome).await?;
        result?;
        self.report.written.push(step);
        Ok(())
    }

    /// K and OPc: a step of class C. The card's answers prove nothing: the step stays open until the card has authenticated.
    async fn write_keys(&mut self, port: &mut IssuancePort, keys: &SubscriberKeys) -> Result<(), Stop> {
        port.tell(Notice::Stage("writing the subscriber's keys"));
        let (profile, values) = (&self.order.profile, values(self.order));
        let (input, name) = key_input(port, keys).await?;
        self.same_order(steps::KEYS, &input)?;
        let intent = Intent { key: Some(name), ..Intent::new(IdempotencyClass::Compare, input) };
        let permit = self.job.begin(port, steps::KEYS, intent).await?;
        let mut service = port.clone();
        let result = async {
            for write in &profile.keys {
                let content = write.key_content(&mut service, keys, &profile.name, &values).await?;
                write.write(port, &mut self.files, content.expose_bytes()).await?;
            }
            Ok(())
        };
        let result: Result<(), SimError> = result.await;
        if let Err(error) = result {
            // Where there are several files, one of them may be written.
            self.job.settle(port, permit, StepEvent::Lost).await?;
            return Err(error.into());
        }
        drop(permit);
        Ok(())
    }

    /// The card has the subscriber's keys, or the job does not end.
    async fn prove(&mut self, port: &mut IssuancePort) -> Result<(), Stop> {
        let Some(keys) = self.order.keys.clone() else { return Ok(()) };
        port.tell(Notice::Stage("proving the subscriber's keys"));
        let verdict = self.authenticate(port, &keys).await?;
        let step = self.job.step(steps::KEYS);
        match verdict {
            KeyVerdict::Proved if step.is_done() => {}
            KeyVerdict::Proved => {
                self.job.resolve(port, steps::KEYS, StepEvent::Succeeded { proof: Proof::Probe }).await?;
                self.report.written.push(steps::KEYS);
            }
            KeyVerdict::Other if step.is_done() => {
                return Err(IssueError::NotProved { what: "the subscriber's keys".into() }.into());
            }
            KeyVerdict::Other => {
                let reason = "the card said that it took the subscriber's keys and does not authenticate with them";
                self.job.resolve(port, steps::KEYS, StepEvent::Quarantined { reason: reason.into() }).await?;
                return Err(Stop::Quarantined { step: steps::KEYS.into(), reason: reason.into() });
            }
        }
        self.report.proved = true;
        Ok(())
    }

    async fn authenticate(&mut self, port: &mut IssuancePort, keys: &SubscriberKeys) -> Result<KeyVerdict, IssueError> {
        let halves = [port.random().await?, port.random().await?];
        let rand = core::array::from_fn(|i| halves[i / 8][i % 8]);
        let mut service = port.clone();
        let (verdict, files) = prove_keys(port, &mut service, &self.order.profile, keys, rand).await?;
        self.files = files;
        Ok(verdict)
    }

    /// The card at the end is the one of the beginning.
    async fn close(&mut self, port: &mut IssuancePort) -> Result<(), Stop> {
        let iccid = read_iccid(port, &mut self.files).await?;
        if iccid.as_ref() != Some(&self.report.iccid) {
            return Err(other_card(&self.report.iccid, iccid.as_ref()).into());
        }
        if !self.job.state().completed {
            let _durable = self.job.record(port, &[Event::Completed { life_cycle: None }]).await?;
        }
        Ok(())
    }

    /// A step that was begun is about the same subscriber still.
    fn same_order(&self, step: &'static str, input: &[u8; 32]) -> Result<(), IssueError> {
        match self.job.step(step).intent {
            Some(intent) if intent.input != *input => Err(IssueError::OtherSubscriber { step: step.into() }),
            _ => Ok(()),
        }
    }
}

/// Hash of what a file is to hold. Where the file is made for a location, that is no part of the subscriber's data, the place alone.
fn input_of(write: &FileWrite, prepared: &PreparedWrite) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(write.name);
    hash.update(write.path.to_string());
    if !matches!(write.content, Content::Initial(..)) {
        hash.update(prepared.wanted());
    }
    hash.finalize().into()
}

/// Hash of the check values of K and OPc, and what the key service calls K.
async fn key_input(port: &mut IssuancePort, keys: &SubscriberKeys) -> Result<([u8; 32], String), IssueError> {
    use cardwright_keys::KeyPort;

    let request = KeyRequest::KeyFile { keys: keys.clone(), parts: Vec::new() };
    let file = port.ask_keys(request).await.and_then(|answer| answer.into_key_file()).map_err(SimError::from)?;
    let mut hash = Sha256::new_with_prefix(steps::KEYS);
    file.check_values.iter().for_each(|value| hash.update(value.0));
    Ok((hash.finalize().into(), keys.k.name().into()))
}

/// What an attempt that did not end well came to.
pub(super) fn failure_of(error: &SimError) -> StepEvent {
    match error {
        SimError::Refused { sw, .. } | SimError::NoFile { sw, .. } => refusal(*sw),
        SimError::Keys(_) | SimError::Missing { .. } | SimError::Field(_) => StepEvent::Failed { sw: None },
        _ => StepEvent::Lost,
    }
}
