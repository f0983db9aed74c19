//! A CPU card in the PBOC style: FMCOS 2.0.

use std::collections::VecDeque;
use std::fmt;

use cardwright_apdu::{CommandApduRef, ResponseApdu, StatusWord};

use crate::application::response;
use crate::card::{Answer, LogEntry};
use crate::power::Power;
use crate::recorder::Recorder;
use crate::software_card::{SoftwareCard, encode};
use crate::wire::Wire;

mod authenticate;
mod binary;
mod block;
mod capp;
mod config;
mod create;
mod inspect;
mod key;
mod line;
mod memory;
mod pin;
mod prove;
mod purse;
mod record;
mod sample;
mod select;
mod suite;
mod transaction;
mod write_key;

use memory::{Lock, Memory};
use transaction::Pending;

pub use config::{AccessRule, CpuCardBuilder, OverdraftTac, ProveNumber};
pub use key::CpuKey;

/// A software CPU card with the commands of FMCOS 2.0: files under access rights, keys with counters, secure messaging
/// and the electronic purse of PBOC, with DES, triple DES and, where it is switched on, SM4.
///
/// It is written from the general manual 1.1.3 and the special manual 1.1 of FMCOS 2.0; where they leave room or
/// contradict each other, [`CpuCardBuilder`] has a switch. A new card has no file at all: CREATE FILE of the MF comes
/// first. [`CpuCardBuilder::sample`] is one that the script of the special manual issued.
///
/// Torn while it writes ([`SoftwareCard::process_torn`]): UPDATE BINARY and UPDATE RECORD leave the first bytes of the new
/// data, APPEND RECORD to a cyclic file spoils the oldest record, and reading gives 6281 until the file is written
/// again; ERASE DF has taken away some of the files; VERIFY, CHANGE PIN and EXTERNAL AUTHENTICATE have counted a try. Everything
/// else is written as a whole or not at all: keys, and a purse with its counter, proof and log record.
pub struct CpuCard {
    memory: Memory,
    session: Session,
    wire: Wire,
    power: Power,
    recorder: Recorder,
    /// Random bytes that are given out before any are drawn.
    planned: VecDeque<Vec<u8>>,
}

/// All that a reset ends.
#[derive(Default)]
struct Session {
    /// Number of the current directory.
    directory: u32,
    /// Identifier of the current elementary file.
    file: Option<u16>,
    /// Security state of the current directory and of the MF.
    state: u8,
    mf_state: u8,
    /// The directory was empty when it was entered, or was erased since: access rights of files do not apply.
    free: bool,
    /// The challenge that the command before asked for.
    challenge: Option<Vec<u8>>,
    /// The transaction that the command before initialized.
    pending: Option<Pending>,
    /// What the command means without secure messaging, for the log.
    plain: Option<Vec<u8>>,
}

/// A command that is being executed.
struct Command<'a> {
    apdu: CommandApduRef<'a>,
    challenge: Option<Vec<u8>>,
    pending: Option<Pending>,
}

impl CpuCard {
    /// Sets how a card is made.
    #[must_use]
    pub fn builder() -> CpuCardBuilder {
        CpuCardBuilder::default()
    }

    /// Another card with the same non-volatile memory, fresh from a reset, with an empty log: what this card would be
    /// if the power failed now.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::from_memory(self.memory.clone())
    }

    fn from_memory(memory: Memory) -> Self {
        let mut card = Self {
            memory,
            session: Session::default(),
            wire: Wire::default(),
            power: Power::default(),
            recorder: Recorder::default(),
            planned: VecDeque::new(),
        };
        card.start_session();
        card
    }

    pub(crate) fn is_t0(&self) -> bool {
        self.memory.config.t0
    }

    pub(crate) fn with_atr(mut self, atr: Vec<u8>) -> Self {
        self.memory.config.atr = atr;
        self
    }

    /// The MF is selected after a reset (general manual 4.1.1).
    fn start_session(&mut self) {
        self.power = Power::default();
        self.session = Session::default();
        if let Some(mf) = self.memory.directories.first().map(|mf| mf.number) {
            self.enter(mf);
        }
    }

    fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        let t0 = self.memory.config.t0;
        self.session.plain = None;
        let bytes = match CommandApduRef::parse(command) {
            Ok(parsed) if !parsed.is_extended() => match self.wire.repeat(&parsed, t0) {
                Some(bytes) => bytes,
                None => {
                    let answer = response(self.dispatch(&parsed));
                    self.wire.send(&parsed, &answer, t0)
                }
            },
            _ => StatusWord::WRONG_LENGTH.0.to_be_bytes().to_vec(),
        };
        self.recorder.note(command, &bytes, self.session.plain.take());
        bytes
    }

    fn dispatch(&mut self, apdu: &CommandApduRef<'_>) -> Answer {
        // A challenge and an initialized transaction are good for the next command only, whatever that is.
        let (challenge, pending) = (self.session.challenge.take(), self.session.pending.take());
        let command = Command { apdu: *apdu, challenge, pending };
        if self.memory.blocked {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        let (cla, ins) = (apdu.cla.0, apdu.ins.0);
        if self.memory.directories.is_empty() && (cla, ins) != (0x80, 0xE0) {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        match (cla, ins) {
            (0x00, 0xA4) => return self.select(&command),
            (0x00, 0x84) => return self.get_challenge(&command),
            (0x84, 0x16) => return self.card_block(command),
            (0x84, 0x18) => return self.application_unblock(command),
            (0x84, 0x1E) => return self.application_block(command),
            _ => {}
        }
        let lock = self.memory.directory(self.session.directory).map_or(Lock::Open, |directory| directory.lock);
        if lock != Lock::Open {
            return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
        }
        match (cla, ins) {
            (0x00, 0x20) => self.verify(&command),
            (0x00, 0x82) => self.external_authenticate(&command),
            (0x00, 0x88) => self.internal_authenticate(&command),
            (0x00 | 0x04, 0xB0) => self.read_binary(command),
            (0x00 | 0x04, 0xD0 | 0xD6) => self.update_binary(command),
            (0x00 | 0x04, 0xB2) => self.read_record(command),
            (0x00 | 0x04, 0xD2 | 0xDC) => self.update_record(command),
            (0x00 | 0x04, 0xE2) => self.append_record(command),
            (0x80, 0x0E) => self.erase(&command),
            (0x80, 0xE0) => self.create(&command),
            (0x80 | 0x84, 0xD4) => self.write_key(command),
            (0x84, 0x24) => self.unblock_pin(command),
            (0x80, 0x5E) => self.reload_or_change_pin(&command),
            (0x80, 0x50) => self.initialize(&command),
            (0x80, 0x52) => self.credit_for_load(command),
            (0x80, 0x54) => self.debit(command),
            (0x80, 0x58) => self.update_overdraw_limit(command),
            (0x80, 0x5A) => self.get_transaction_prove(&command),
            (0x80, 0x5C) => self.get_balance(&command),
            (0x80, 0xDC) => self.update_capp_data_cache(command),
            (
                _,
                0x0E | 0x16 | 0x18 | 0x1E | 0x20 | 0x24 | 0x50 | 0x52 | 0x54 | 0x58 | 0x5A | 0x5C | 0x5E | 0x82 | 0x84
                | 0x88 | 0xA4 | 0xB0 | 0xB2 | 0xD0 | 0xD2 | 0xD4 | 0xD6 | 0xDC | 0xE0 | 0xE2,
            ) => Err(StatusWord::CLA_NOT_SUPPORTED),
            _ => Err(StatusWord::INS_NOT_SUPPORTED),
        }
    }

    /// Whether a right of the current directory is met; always where rights do not apply.
    fn allows(&self, right: u8) -> bool {
        self.session.free || self.holds(right)
    }

    /// Whether a right is met by the security states, also where rights of files do not apply.
    fn holds(&self, right: u8) -> bool {
        self.memory.config.access.allows(right, self.session.state, self.session.mf_state)
    }

    /// A PIN or a key gave a new security state (general manual 5.3).
    fn set_state(&mut self, state: u8) {
        self.session.state = state;
        if self.memory.directories.first().is_some_and(|mf| mf.number == self.session.directory) {
            self.session.mf_state = state;
        }
    }

    fn random(&mut self, length: usize) -> Vec<u8> {
        if !self.power.is_on() {
            return vec![0; length];
        }
        match self.planned.pop_front() {
            Some(bytes) if bytes.len() == length => bytes,
            _ => self.memory.random()[..length.min(16)].to_vec(),
        }
    }
}

impl Command<'_> {
    /// CLA, INS, P1, P2 and Lc as the card got them, which a MAC is computed over.
    fn header(&self) -> [u8; 5] {
        [self.apdu.cla.0, self.apdu.ins.0, self.apdu.p1, self.apdu.p2, self.apdu.data.len() as u8]
    }

    fn is_protected(&self) -> bool {
        self.apdu.cla.0 & 0x04 != 0
    }

    fn data(&self) -> &[u8] {
        self.apdu.data
    }

    /// P1 P2 have to be this.
    fn expect_parameters(&self, p1: u8, p2: u8) -> Result<(), StatusWord> {
        if (self.apdu.p1, self.apdu.p2) == (p1, p2) { Ok(()) } else { Err(StatusWord::INCORRECT_P1_P2) }
    }

    /// The data have to be so long.
    fn array<const N: usize>(&self) -> Result<[u8; N], StatusWord> {
        self.apdu.data.try_into().map_err(|_| StatusWord::WRONG_LENGTH)
    }
}

impl SoftwareCard for CpuCard {
    const MAGIC: [u8; 8] = *b"CWSIMCP\0";
    const VERSION: u16 = 1;

    fn reset(&mut self) -> Vec<u8> {
        self.start_session();
        self.wire = Wire::default();
        self.memory.config.atr.clone()
    }

    fn process(&mut self, command: &[u8]) -> Vec<u8> {
        self.execute(command)
    }

    fn process_torn(&mut self, command: &[u8], written: usize) {
        self.power = Power::lasting(written);
        self.execute(command);
        self.power = Power::lasting(0);
    }

    fn memory(&self) -> Vec<u8> {
        encode(&self.memory)
    }

    fn restore(memory: &[u8], _: u16) -> Option<Self> {
        minicbor::decode(memory).ok().map(Self::from_memory)
    }

    fn take_log(&mut self) -> Vec<LogEntry> {
        self.recorder.take()
    }

    fn set_log(&mut self, on: bool) {
        self.recorder.set(on);
    }
}

impl fmt::Debug for CpuCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (directories, executed) = (self.memory.directories.len(), self.recorder.executed());
        write!(f, "CpuCard({directories} directories, {executed} commands)")
    }
}

/// These bytes with 9000, or the warning that they may be wrong when the file is not sound.
fn read_out(data: Vec<u8>, sound: bool) -> Answer {
    Ok(ResponseApdu::new(data, if sound { StatusWord::OK } else { StatusWord::DATA_MAY_BE_CORRUPTED }))
}

#[cfg(test)]
mod tests;
