//! The run: the card's steps in order, each durable.

use cardwright_apdu::{CardPort, CommandApdu, Delivery, Instruction, StatusWord};
use cardwright_cos::Error as CosError;
use cardwright_cos::cpu::{Counted, CpuSession, KeyWrite, Pin};
use cardwright_cos::profile::{KeyUse, Meaning};
use cardwright_cos::script::{Action, Probe, Script, ScriptStep, StepClass};
use cardwright_keys::KeyRef;
use sha2::{Digest, Sha256};

use super::report::{ScriptReport, ScriptRunError, Stop};
use super::{CardSource, ScriptOrder, steps};
use crate::CardIdentity;
use crate::event::{Event, IdempotencyClass, Proof, StepEvent};
use crate::job::{Job, Permit};
use crate::journal::Entity;
use crate::port::{IssuancePort, Notice};
use crate::quarantine::{self, Held};
use crate::step::{Intent, StepState};

/// Tries that a key or PIN has at least before its last one, where the script does not say it.
const TRIES: u8 = 3;

/// A run under way.
pub(super) struct Run<'o> {
    pub(super) order: &'o ScriptOrder,
    pub(super) session: CpuSession<'o>,
    pub(super) job: Job,
    pub(super) entity: Entity,
    pub(super) card: CardIdentity,
    pub(super) atr: Vec<u8>,
    pub(super) changed: bool,
}

pub(super) async fn run(port: &mut IssuancePort, order: &ScriptOrder) -> Result<ScriptReport, Stop> {
    let mut run = Run::meet(port, order).await?;
    if let Some(Held { step, reason, .. }) = quarantine::release(port, &mut run.job, order.release.as_ref()).await? {
        return Err(Stop::Quarantined { step, reason });
    }
    run.check_script()?;
    if run.job.step(steps::RESTART).is_in_doubt() {
        run.restart(port).await?;
    }
    match run.execute_all(port).await {
        Err(Stop::Restart) => {
            run.restart(port).await?;
            run.execute_all(port).await?;
        }
        other => other?,
    }
    super::verify::verify(port, &mut run).await
}

impl<'o> Run<'o> {
    /// Resets the card and finds out which one it is.
    async fn meet(port: &mut IssuancePort, order: &'o ScriptOrder) -> Result<Self, Stop> {
        let (script, profile) = (&order.script, &order.profile);
        if !script.profile.is_empty() && script.profile != profile.name {
            let (expected, actual) = (script.profile.clone(), profile.name.clone());
            return Err(ScriptRunError::OtherProfile { expected, actual }.into());
        }
        port.tell(Notice::Stage("reading what the card is"));
        let (card, atr) = identify(port, order).await?;
        let entity = Entity::new(&format!("card/{card}/script/{}", script.name))?;
        let job = Job::read(port, entity.clone()).await?;
        let is = |pattern: &Option<cardwright_cos::script::AtrPattern>| pattern.as_ref().is_none_or(|p| p.fits(&atr));
        let is_begun = !job.state().steps.is_empty();
        let is_finished = is_begun && script.after.is_some() && is(&script.after);
        if !(is(&script.before) || is_finished) {
            let expected = if is_begun { "before or after" } else { "before" };
            return Err(ScriptRunError::WrongCard { expected }.into());
        }
        Ok(Self { order, session: CpuSession::new(profile), job, entity, card, atr, changed: false })
    }

    /// A step that is on record is the same step now, in the same place; none was taken out and none put in before it.
    fn check_script(&self) -> Result<(), Stop> {
        let script = &self.order.script;
        let changed = |step: &str| Err(ScriptRunError::ScriptChanged { step: step.into() }.into());
        let mut not_begun = None;
        for (n, step) in script.steps.iter().enumerate().filter(|(_, step)| step.class != StepClass::Session) {
            match (self.job.step(&step.name).intent, not_begun) {
                (None, _) => not_begun = not_begun.or(Some(&step.name)),
                (Some(_), Some(inserted)) => return changed(inserted),
                (Some(before), None) if before.input != input(script, n) => return changed(&step.name),
                (Some(_), None) => {}
            }
        }
        let is_ours = |name: &str| {
            let step = name.strip_prefix(steps::PROBE).or(name.strip_prefix(steps::PROVE)).unwrap_or(name);
            let step = step.strip_prefix("PIN of ").unwrap_or(step);
            [steps::RESTART, steps::VERIFY].contains(&name)
                || script.steps.iter().any(|one| [name, step].contains(&&*one.name))
        };
        match self.job.state().steps.keys().find(|name| !is_ours(name)) {
            Some(removed) => changed(removed),
            None => Ok(()),
        }
    }

    async fn execute_all(&mut self, port: &mut IssuancePort) -> Result<(), Stop> {
        let script = &self.order.script;
        let is_open =
            |job: &Job, step: &ScriptStep| step.class != StepClass::Session && !job.step(&step.name).is_done();
        let Some(first_open) = script.steps.iter().position(|step| is_open(&self.job, step)) else { return Ok(()) };
        port.tell(Notice::Stage(if first_open == 0 { "running the script" } else { "going on with the script" }));
        self.changed = true;
        for (n, step) in script.steps.iter().enumerate() {
            match step.class {
                StepClass::Session => self.place(port, step).await?,
                // What a key or PIN opened is closed again since.
                StepClass::Counter => self.count(port, n).await?,
                _ if n < first_open || !is_open(&self.job, step) => {}
                _ => self.execute(port, n).await?,
            }
        }
        Ok(())
    }

    /// A command that changes nothing that outlasts the power.
    pub(super) async fn place(&mut self, port: &mut IssuancePort, step: &ScriptStep) -> Result<(), Stop> {
        let Action::Apdu(command) = &step.action else { return Ok(()) };
        let name = command.name();
        let response = port.transmit(command.clone()).await;
        let response =
            response.map_err(|source| Stop::of_card(&step.name, CosError::Transport { command: name, source }))?;
        if step.is_success(response.sw()) {
            return Ok(());
        }
        Err(ScriptRunError::Refused { step: step.name.clone(), sw: response.sw() }.into())
    }

    /// A step that a key or PIN is tried in: never with the last try, and never again after a wrong one.
    async fn count(&mut self, port: &mut IssuancePort, n: usize) -> Result<(), Stop> {
        let script = &self.order.script;
        let step = &script.steps[n];
        let change = self.last_change(n);
        if let Some((changing, write)) = change.filter(|(changing, _)| self.job.step(&changing.name).is_in_doubt()) {
            // The new key first: a card that has it would count the old one as a wrong try.
            let proved = self.try_new_key(port, changing, &write.key, write.id).await?;
            let found = if proved { StepEvent::Succeeded { proof: Proof::Probe } } else { StepEvent::NotDone };
            self.job.resolve(port, &changing.name, found).await?;
        }
        let left = self.take_try(port, &step.name, TRIES).await?;
        let intent = Intent { tries_before: Some(left), ..Intent::new(IdempotencyClass::Counter, input(script, n)) };
        let permit = self.job.begin(port, &step.name, intent).await?;
        let result = match (&step.action, change) {
            (Action::Authenticate { id, .. }, Some((changing, write))) if self.job.step(&changing.name).is_done() => {
                let mut keys = port.clone();
                self.session.authenticate(port, &mut keys, &write.key, *id).await.map(|()| StatusWord::OK)
            }
            _ => self.act(port, step).await,
        };
        self.settle(port, step, permit, result, false).await
    }

    /// Tries that are left: each attempt that did not end in success may have cost one, whether it was answered or not.
    ///
    /// With the last one nothing is sent, whoever releases the step.
    async fn take_try(&mut self, port: &mut IssuancePort, name: &str, tries: u8) -> Result<u8, Stop> {
        let step = self.job.step(name);
        let before = step.intent.as_ref().and_then(|intent| intent.tries_before).filter(|_| !step.is_done());
        let left = before.map_or(tries, |before| before.saturating_sub(1));
        if left < 2 {
            let reason = "attempts without success may have left one try, and one that fails locks the key for ever";
            return Err(self.quarantine(port, name, reason.into()).await?);
        }
        if step.is_in_doubt() {
            self.job.resolve(port, name, StepEvent::NotDone).await?;
        }
        Ok(left)
    }

    async fn execute(&mut self, port: &mut IssuancePort, n: usize) -> Result<(), Stop> {
        let script = &self.order.script;
        let (step, is_last) = (&script.steps[n], n + 1 == script.steps.len());
        let before = self.job.step(&step.name);
        // An attempt that a person released, or that never came to the card, made nothing that could be found there now.
        let mut was_begun = false;
        if before.is_in_doubt() {
            match self.probe(port, step, is_last).await? {
                Finding::Done => {
                    self.job.resolve(port, &step.name, StepEvent::Succeeded { proof: Proof::Probe }).await?;
                    return Ok(());
                }
                Finding::NotDone => {
                    self.job.resolve(port, &step.name, StepEvent::NotDone).await?;
                    was_begun = before.attempts > 0;
                }
                Finding::Unknown(_) if self.may_restart() => return Err(Stop::Restart),
                Finding::Unknown(reason) | Finding::Contradiction(reason) => {
                    return Err(self.quarantine(port, &step.name, reason.into()).await?);
                }
            }
        }
        let permit = self.job.begin(port, &step.name, Intent::new(class_of(step.class), input(script, n))).await?;
        let result = self.act(port, step).await;
        self.settle(port, step, permit, result, was_begun).await
    }

    /// Whether the script allows it and it would not do again what must not be done twice: money, and what cannot be taken back.
    fn may_restart(&self) -> bool {
        let script = &self.order.script;
        let mut once = script.steps.iter().filter(|step| matches!(step.class, StepClass::Money | StepClass::Final));
        script.restart.is_some() && !once.any(|step| self.job.step(&step.name).intent.is_some())
    }

    /// Asks the card whether a step that was begun was done.
    async fn probe(&mut self, port: &mut IssuancePort, step: &ScriptStep, is_last: bool) -> Result<Finding, Stop> {
        let script = &self.order.script;
        let is_finished = script.after.as_ref().is_some_and(|after| after.fits(&self.atr))
            && script.before.as_ref().is_some_and(|before| !before.fits(&self.atr));
        if is_finished {
            let reason = "the card answers its reset as one that is finished, and there are steps left";
            return Ok(if is_last { Finding::Done } else { Finding::Contradiction(reason) });
        }
        match (&step.probe, &step.action) {
            // The new key first, where it can be tried: the command to change it needs the old one.
            (_, Action::WriteKey { write, .. })
                if write.present.is_some() && write.key_use == KeyUse::ExternalAuthentication =>
            {
                let proved = self.try_new_key(port, step, &write.key, write.id).await?;
                Ok(if proved { Finding::Done } else { Finding::NotDone })
            }
            (Probe::Repeat, _) => Ok(Finding::NotDone),
            (Probe::Read { command, expected, overwrites }, _) => {
                let name = command.name();
                let response = port.transmit(command.clone()).await;
                let response = response
                    .map_err(|source| Stop::of_card(&step.name, CosError::Transport { command: name, source }))?;
                let is_same = response.data() == expected;
                Ok(match (response.sw(), self.order.profile.meaning(response.sw())) {
                    (StatusWord::OK, _) if is_same => Finding::Done,
                    (_, Some(Meaning::NotFound)) => Finding::NotDone,
                    // Half written, or not at all; the same bytes over it are as good.
                    _ if *overwrites => Finding::NotDone,
                    _ => Finding::Unknown("the record is there and is another"),
                })
            }
            (Probe::None, _) => Ok(Finding::Unknown("the card cannot be asked whether this was done")),
            _ => Ok(Finding::Unknown("there is no way known to ask the card")),
        }
    }

    /// One try, as a step of its own.
    async fn try_new_key(
        &mut self,
        port: &mut IssuancePort,
        step: &ScriptStep,
        key: &KeyRef,
        id: u8,
    ) -> Result<bool, Stop> {
        self.prove(port, &format!("{}{}", steps::PROBE, step.name), key, id, TRIES).await
    }

    /// EXTERNAL AUTHENTICATE as a durable step: whether the card accepts the key.
    pub(super) async fn prove(
        &mut self,
        port: &mut IssuancePort,
        name: &str,
        key: &KeyRef,
        id: u8,
        tries: u8,
    ) -> Result<bool, Stop> {
        let left = self.take_try(port, name, tries).await?;
        let input = Sha256::digest(format!("{name} {key} {id}")).into();
        let intent = Intent { tries_before: Some(left), ..Intent::new(IdempotencyClass::Counter, input) };
        let permit = self.job.begin(port, name, intent).await?;
        let mut keys = port.clone();
        self.session.know_tries(Counted::Key(id), left);
        let result = self.session.authenticate(port, &mut keys, key, id).await;
        let (outcome, found) = match &result {
            Ok(()) => (StepEvent::Succeeded { proof: Proof::Answer }, Some(true)),
            Err(CosError::WrongKey { .. } | CosError::Locked) => (StepEvent::Failed { sw: None }, Some(false)),
            Err(CosError::Refused { sw, .. }) => (StepEvent::Failed { sw: Some(sw.0) }, None),
            Err(error) if is_before_the_card(error) => (StepEvent::NotDone, None),
            Err(_) => (StepEvent::Lost, None),
        };
        self.job.settle(port, permit, outcome).await?;
        match (found, result) {
            (Some(found), _) => Ok(found),
            (None, Err(error)) => Err(Stop::of_card(name, error)),
            (None, Ok(())) => Ok(true),
        }
    }

    /// VERIFY as a durable step, since a PIN is counted too. A wrong one waits for a person.
    pub(super) async fn present_pin(
        &mut self,
        port: &mut IssuancePort,
        name: &str,
        id: u8,
        pin: &Pin,
    ) -> Result<(), Stop> {
        let left = self.take_try(port, name, TRIES).await?;
        let input = Sha256::digest(format!("{name} {id}")).into();
        let intent = Intent { tries_before: Some(left), ..Intent::new(IdempotencyClass::Counter, input) };
        let permit = self.job.begin(port, name, intent).await?;
        self.session.know_tries(Counted::Pin(id), left);
        match self.session.verify(port, id, pin).await {
            Ok(()) => Ok(self.job.settle(port, permit, StepEvent::Succeeded { proof: Proof::Answer }).await?),
            Err(CosError::WrongKey { .. } | CosError::Locked) => {
                let reason = "the card rejects the PIN that it has to be asked with".to_owned();
                self.job.settle(port, permit, StepEvent::Quarantined { reason: reason.clone() }).await?;
                Err(Stop::Quarantined { step: name.into(), reason })
            }
            Err(error) => {
                let outcome = if is_before_the_card(&error) { StepEvent::NotDone } else { StepEvent::Lost };
                self.job.settle(port, permit, outcome).await?;
                Err(Stop::of_card(name, error))
            }
        }
    }

    async fn act(&mut self, port: &mut IssuancePort, step: &ScriptStep) -> Result<StatusWord, CosError> {
        let mut keys = port.clone();
        match &step.action {
            Action::Apdu(command) => {
                let name = command.name();
                let response = port.transmit(command.clone()).await;
                Ok(response.map_err(|source| CosError::Transport { command: name, source })?.sw())
            }
            Action::Secured { command, key, safeguard } => {
                let sent = self.session.try_secured(port, &mut keys, key, command.clone(), *safeguard).await;
                Ok(sent?.sw())
            }
            Action::Authenticate { id, key } => {
                self.session.authenticate(port, &mut keys, key, *id).await.map(|()| StatusWord::OK)
            }
            Action::WriteKey { master, write } => {
                self.session.write_key(port, &mut keys, master, write).await.map(|()| StatusWord::OK)
            }
            _ => Err(CosError::Keys(cardwright_keys::KeyError::Unsupported)),
        }
    }

    /// The last step that was begun to change the key of an authentication: another one in the same directory.
    fn last_change(&self, n: usize) -> Option<(&'o ScriptStep, &'o KeyWrite)> {
        let script = &self.order.script;
        let Action::Authenticate { id, .. } = &script.steps[n].action else { return None };
        script.steps.iter().enumerate().rev().find_map(|(other, step)| match &step.action {
            Action::WriteKey { write, .. }
                if (write.key_use, write.id) == (KeyUse::ExternalAuthentication, *id)
                    && write.present.is_some()
                    && place_of(script, other) == place_of(script, n)
                    && self.job.step(&step.name).intent.is_some() =>
            {
                Some((step, write))
            }
            _ => None,
        })
    }

    /// Records what came of a step.
    async fn settle(
        &mut self,
        port: &mut IssuancePort,
        step: &ScriptStep,
        permit: Permit,
        result: Result<StatusWord, CosError>,
        was_begun: bool,
    ) -> Result<(), Stop> {
        let sw = match result {
            Ok(sw) => sw,
            Err(CosError::Refused { sw, .. }) => sw,
            Err(CosError::WrongKey { tries_left }) => {
                let left = tries_left
                    .map_or("how many tries are left it does not say".into(), |n| format!("{n} tries are left"));
                return Err(self.hold(port, step, permit, format!("the card rejects the key: {left}")).await?);
            }
            Err(CosError::Locked) => {
                return Err(self.hold(port, step, permit, "the key is locked on the card".into()).await?);
            }
            Err(CosError::MacRefused { .. }) => return Err(self.hold(port, step, permit, MAC_REFUSED.into()).await?),
            Err(error) => {
                // What is not known of the attempt before is not known because this one failed.
                let is_known = is_before_the_card(&error) && !was_begun;
                let outcome = if is_known { StepEvent::NotDone } else { StepEvent::Lost };
                self.job.settle(port, permit, outcome).await?;
                return Err(Stop::of_card(&step.name, error));
            }
        };
        let refused = |sw| ScriptRunError::Refused { step: step.name.clone(), sw };
        if step.is_success(sw) {
            self.job.settle(port, permit, StepEvent::Succeeded { proof: Proof::Answer }).await?;
            return Ok(());
        }
        if step.is_found(sw) && (step.may_exist || was_begun) {
            let proof = if was_begun { Proof::Probe } else { Proof::Found };
            self.job.settle(port, permit, StepEvent::Succeeded { proof }).await?;
            return Ok(());
        }
        if step.is_found(sw) {
            let reason = format!("the card answers {sw}: it is there already, and not by this job");
            return Err(self.hold(port, step, permit, reason).await?);
        }
        match self.order.profile.meaning(sw) {
            Some(Meaning::WrongMac | Meaning::Dead) => {
                return Err(self.hold(port, step, permit, MAC_REFUSED.into()).await?);
            }
            Some(Meaning::WrongSecret | Meaning::Locked) => {
                let reason = format!("the card answers {sw}: the key or PIN is wrong, or locked");
                return Err(self.hold(port, step, permit, reason).await?);
            }
            _ => {}
        }
        let outcome =
            if says_not_done(sw) && !was_begun { StepEvent::Failed { sw: Some(sw.0) } } else { StepEvent::Lost };
        self.job.settle(port, permit, outcome).await?;
        Err(refused(sw).into())
    }

    async fn hold(
        &mut self,
        port: &mut IssuancePort,
        step: &ScriptStep,
        permit: Permit,
        reason: String,
    ) -> Result<Stop, Stop> {
        self.job.settle(port, permit, StepEvent::Quarantined { reason: reason.clone() }).await?;
        Ok(Stop::Quarantined { step: step.name.clone(), reason })
    }

    pub(super) async fn quarantine(
        &mut self,
        port: &mut IssuancePort,
        step: &str,
        reason: String,
    ) -> Result<Stop, Stop> {
        self.job.resolve(port, step, StepEvent::Quarantined { reason: reason.clone() }).await?;
        Ok(Stop::Quarantined { step: step.into(), reason })
    }

    /// Puts the card back to where the script begins. Repeating it does no harm.
    async fn restart(&mut self, port: &mut IssuancePort) -> Result<(), Stop> {
        let Some(commands) = &self.order.script.restart else { return Err(Stop::Restart) };
        port.tell(Notice::Stage("beginning anew"));
        self.changed = true;
        self.reset(port).await?;
        let step = self.job.step(steps::RESTART);
        if step.is_in_doubt() {
            self.job.resolve(port, steps::RESTART, StepEvent::NotDone).await?;
        }
        let input = Sha256::digest(steps::RESTART).into();
        let intent = Intent::new(IdempotencyClass::Overwrite, input);
        let permit = self.job.begin(port, steps::RESTART, intent).await?;
        for command in commands {
            let name = command.name();
            match port.transmit(command.clone()).await {
                Ok(response) if response.sw().is_ok() || response.sw().sw1() == 0x61 => {}
                Ok(response) => {
                    let reason = format!("{name}: the card answers {}", response.sw());
                    let event = StepEvent::Quarantined { reason: reason.clone() };
                    self.job.settle(port, permit, event).await?;
                    return Err(Stop::Quarantined { step: steps::RESTART.into(), reason });
                }
                Err(source) => {
                    self.job.settle(port, permit, StepEvent::Lost).await?;
                    return Err(Stop::of_card(steps::RESTART, CosError::Transport { command: name, source }));
                }
            }
        }
        // What was on the card is not there any more, and neither is, from the same transaction on, what is on record of it.
        let done = StepEvent::Succeeded { proof: Proof::Answer };
        let _durable = self.job.settle_and(port, permit, done, Event::Gone).await?;
        self.reset(port).await
    }

    /// Resets the card; it has to be the same one.
    pub(super) async fn reset(&mut self, port: &mut IssuancePort) -> Result<(), Stop> {
        let (card, atr) = identify(port, self.order).await?;
        if card != self.card {
            let (expected, actual) = (self.card.to_string(), card.to_string());
            return Err(ScriptRunError::OtherCard { expected, actual }.into());
        }
        self.atr = atr;
        self.session = CpuSession::new(&self.order.profile);
        Ok(())
    }

    /// Steps of the script that are on record as done.
    pub(super) fn done(&self) -> usize {
        let is_done = |step: &&ScriptStep| matches!(self.job.step(&step.name).state, StepState::Succeeded(_));
        self.order.script.steps.iter().filter(is_done).count()
    }
}

const MAC_REFUSED: &str = "the card refused a MAC: check the key; three such answers lock a card for ever";

/// What the card says of a step that was begun.
enum Finding {
    Done,
    NotDone,
    Unknown(&'static str),
    /// Others had a hand in it: nothing is erased.
    Contradiction(&'static str),
}

/// Resets the card; its identity and its answer.
async fn identify(port: &mut IssuancePort, order: &ScriptOrder) -> Result<(CardIdentity, Vec<u8>), Stop> {
    let of_card = |command, source| Stop::of_card("reset", CosError::Transport { command, source });
    let atr = port.reset().await.map_err(|source| of_card("reset", source))?;
    let card = match &order.identity {
        CardSource::Given(number) => Some(CardIdentity::of_native("given", number).ok_or(ScriptRunError::BadIdentity)?),
        CardSource::Command(command) => {
            let response = port.transmit(command.clone()).await.map_err(|source| of_card(command.name(), source))?;
            let data = Some(response.data()).filter(|data| response.sw().is_ok() && (4..=32).contains(&data.len()));
            data.and_then(|data| CardIdentity::of_serial("chip", data))
        }
        CardSource::Profile => {
            order.profile.identity_in(&atr).and_then(|serial| CardIdentity::of_serial("serial", &serial))
        }
    };
    Ok((card.ok_or(ScriptRunError::NoIdentity)?, atr))
}

/// Not every status word says that nothing was done: warnings, 61xx, 9000 and their kin do not, whatever the script expects.
fn says_not_done(sw: StatusWord) -> bool {
    !matches!(sw.sw1(), 0x61..=0x63 | 0x65 | 0x6F | 0x90..=0x92 | 0x9F)
}

/// Whether an error happened before anything that counts went to the card.
fn is_before_the_card(error: &CosError) -> bool {
    match error {
        CosError::Transport { source, command } => source.delivery == Delivery::NotSent || *command == "get-challenge",
        CosError::Keys(_) | CosError::Command(_) | CosError::TooLong { .. } | CosError::LastTry { .. } => true,
        CosError::Length { command, .. } => *command == "get-challenge",
        _ => false,
    }
}

/// The command that selected the directory of a step; none for the master file, which is selected by a reset.
fn place_of(script: &Script, n: usize) -> Option<&CommandApdu> {
    let selected = script.steps.iter().take(n).rev().find_map(|step| match &step.action {
        Action::Apdu(command) if step.class == StepClass::Session && command.instruction() == Instruction::SELECT => {
            Some(command)
        }
        _ => None,
    });
    selected.filter(|command| !matches!(command.data(), [] | [0x3F, 0x00]))
}

/// What a step is: its command, and what was selected before it.
pub(super) fn input(script: &Script, n: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    let places = script.steps.iter().take(n).filter(|step| step.class == StepClass::Session);
    for step in places.chain(script.steps.get(n)) {
        hash.update(Sha256::digest(&*step.fingerprint()));
    }
    hash.finalize().into()
}

fn class_of(class: StepClass) -> IdempotencyClass {
    match class {
        StepClass::Session | StepClass::Overwrite => IdempotencyClass::Overwrite,
        StepClass::Compare | StepClass::Final => IdempotencyClass::Compare,
        StepClass::Append => IdempotencyClass::Append,
        StepClass::Counter => IdempotencyClass::Counter,
        StepClass::Money => IdempotencyClass::Money,
    }
}
