use alloc::vec::Vec;

use cardwright_apdu::{CommandApdu, Ne};

use super::{Action, Probe, ScriptStep, StepClass, SwPattern};
use crate::profile::{CardProfile, Operation, Safeguard};

/// What is known of the files that the steps before made, and of what they put there.
#[derive(Default)]
pub(super) struct Classifier {
    /// Short identifiers of cyclic files, with the directory they are in.
    cyclic: Vec<(usize, u8)>,
    /// Records appended: directory, short identifier, data.
    appended: Vec<(usize, u8, Vec<u8>)>,
    /// Number of SELECTs of a directory so far, which stands for the current one.
    directory: usize,
}

impl Classifier {
    /// Class and probe of the next step, by its instruction; the profile says which one is which.
    pub(super) fn classify(&mut self, profile: &CardProfile, action: &Action) -> (StepClass, Probe, Vec<SwPattern>) {
        let (command, safeguard) = match action {
            Action::Apdu(command) => (command, Safeguard::None),
            Action::Secured { command, safeguard, .. } => (command, *safeguard),
            Action::Authenticate { .. } => return (StepClass::Counter, Probe::None, Vec::new()),
            Action::WriteKey { .. } => return (StepClass::Compare, Probe::Repeat, exists(profile)),
        };
        let none = |class| (class, Probe::None, Vec::new());
        // A MAC that is in the data already was computed with a challenge that is gone.
        let is_opaque = safeguard == Safeguard::None && command.class().0 & 0x04 != 0;
        let secured = is_opaque || safeguard != Safeguard::None;
        match profile.operation_of(command) {
            Some(operation) => match operation {
                Operation::SelectFile | Operation::SelectName => {
                    self.directory += 1;
                    none(StepClass::Session)
                }
                Operation::GetChallenge
                | Operation::InternalAuthenticate
                | Operation::ReadBinary
                | Operation::ReadRecord
                | Operation::ReadIdentity => none(StepClass::Session),
                Operation::ExternalAuthenticate
                | Operation::Verify
                | Operation::ChangePin
                | Operation::ReloadPin
                | Operation::UnblockPin => none(StepClass::Counter),
                Operation::UpdateBinary | Operation::UpdateRecord | Operation::AppendRecord if is_opaque => {
                    none(StepClass::Final)
                }
                Operation::UpdateBinary => {
                    let class = if secured { StepClass::Compare } else { StepClass::Overwrite };
                    (class, self.read_binary(command), Vec::new())
                }
                Operation::UpdateRecord => self.update_record(command, secured),
                Operation::AppendRecord => self.append(command),
                Operation::CreateMf
                | Operation::CreateDirectory
                | Operation::CreateBinary
                | Operation::CreateRecords
                | Operation::CreatePurse
                | Operation::CreateKeyFile => {
                    self.note_file(profile, command);
                    (StepClass::Compare, Probe::Repeat, exists(profile))
                }
                Operation::EndCreate | Operation::EraseDirectory => (StepClass::Overwrite, Probe::Repeat, Vec::new()),
                Operation::AddKey
                | Operation::UpdateKey
                | Operation::AddKeyEnciphered
                | Operation::UpdateKeyEnciphered
                    if !secured =>
                {
                    (StepClass::Compare, Probe::Repeat, exists(profile))
                }
                _ => none(StepClass::Final),
            },
            None => none(by_instruction(command)),
        }
    }

    fn read_binary(&self, command: &CommandApdu) -> Probe {
        let read = CommandApdu::new(0x00, 0xB0, command.p1(), command.p2());
        let length = u32::try_from(command.nc()).ok().and_then(Ne::new).unwrap_or_default();
        Probe::Read { command: read.with_ne(length), expected: command.data().to_vec(), overwrites: true }
    }

    /// A record by its number; or the previous one, which is how a cyclic file gets a new one (general manual 7.8).
    fn update_record(&mut self, command: &CommandApdu, secured: bool) -> (StepClass, Probe, Vec<SwPattern>) {
        match (command.p1(), command.p2() & 0x07) {
            (0x00, 0x03) => self.append(command),
            (record @ 1.., 0x04) => {
                let class = if secured { StepClass::Compare } else { StepClass::Overwrite };
                (class, read_record(record, command.p2(), command.data(), true), Vec::new())
            }
            _ => (StepClass::Final, Probe::None, Vec::new()),
        }
    }

    fn append(&mut self, command: &CommandApdu) -> (StepClass, Probe, Vec<SwPattern>) {
        let sfi = command.p2() >> 3;
        let before: Vec<_> =
            self.appended.iter().filter(|(directory, file, _)| (*directory, *file) == (self.directory, sfi)).collect();
        let is_cyclic = command.p2() & 0x07 == 0x03 || self.cyclic.contains(&(self.directory, sfi));
        let is_same = before.last().is_some_and(|(_, _, data)| data == command.data());
        let number = u8::try_from(before.len() + 1).unwrap_or(0xFF);
        let probe = match (is_cyclic, is_same) {
            // The newest record is number 1: one like the one before tells nothing.
            (true, true) => Probe::None,
            (true, false) => read_record(1, command.p2(), command.data(), true),
            (false, _) => read_record(number, command.p2(), command.data(), false),
        };
        self.appended.push((self.directory, sfi, command.data().to_vec()));
        (StepClass::Append, probe, Vec::new())
    }

    fn note_file(&mut self, profile: &CardProfile, command: &CommandApdu) {
        let cyclic = profile.file_type(crate::profile::FileType::Cyclic, Safeguard::None);
        if let (Ok(cyclic), Some(kind)) = (cyclic, command.data().first())
            && *kind & 0x3F == cyclic
        {
            self.cyclic.push((self.directory, command.p2() & 0x1F));
        }
    }
}

fn read_record(number: u8, p2: u8, data: &[u8], overwrites: bool) -> Probe {
    let command = CommandApdu::new(0x00, 0xB2, number, p2 & 0xF8 | 0x04).with_ne(Ne::MAX_SHORT);
    Probe::Read { command, expected: data.to_vec(), overwrites }
}

fn exists(profile: &CardProfile) -> Vec<SwPattern> {
    profile.words_for(crate::profile::Meaning::Exists).map(SwPattern::exactly).collect()
}

/// Commands that a profile does not have: those of the standards, and of purses.
fn by_instruction(command: &CommandApdu) -> StepClass {
    match (command.class().0 & 0x80, command.instruction().0) {
        (_, 0xCA | 0xCB | 0xF2) | (0x00, 0xA4 | 0xB0 | 0xB2 | 0xC0 | 0x84) | (0x80, 0x5C | 0x5A) => StepClass::Session,
        (0x00, 0x20 | 0x24 | 0x2C | 0x82) => StepClass::Counter,
        (0x80, 0x52 | 0x54 | 0x58) => StepClass::Money,
        _ => StepClass::Final,
    }
}

impl ScriptStep {
    /// A step whose class and probe are those of its instruction.
    pub(super) fn of(
        name: alloc::string::String,
        action: Action,
        profile: &CardProfile,
        known: &mut Classifier,
    ) -> Self {
        let (class, probe, found) = known.classify(profile, &action);
        let secret = secrets(profile, &action);
        let expected = Vec::from([SwPattern::OK]);
        Self { name, action, expected, found, may_exist: false, secret, class, probe, proof: None }
    }
}

/// The data of commands that bring keys and PINs.
fn secrets(profile: &CardProfile, action: &Action) -> Vec<core::ops::Range<usize>> {
    let Action::Apdu(command) = action else { return Vec::new() };
    let is_secret = match profile.operation_of(command) {
        Some(
            Operation::AddKey
            | Operation::UpdateKey
            | Operation::AddKeyEnciphered
            | Operation::UpdateKeyEnciphered
            | Operation::Verify
            | Operation::ChangePin
            | Operation::ReloadPin
            | Operation::UnblockPin,
        ) => true,
        Some(_) => false,
        None => matches!(command.instruction().0, 0x20 | 0x24 | 0x2C | 0xD4 | 0xD8),
    };
    if is_secret && command.nc() > 0 { core::iter::once(5..5 + command.nc()).collect() } else { Vec::new() }
}
