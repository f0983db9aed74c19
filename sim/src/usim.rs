//! A USIM, which is a SIM as well.

use std::fmt;

use cardwright_apdu::{Class, CommandApduRef};

use crate::card::LogEntry;
use crate::power::Power;
use crate::recorder::Recorder;
use crate::software_card::{SoftwareCard, encode};
use crate::wire::Wire;

mod authenticate;
mod config;
mod files;
mod gsm;
mod inspect;
mod memory;
mod milenage;
mod operations;
mod pin;
mod refusal;
mod select;
mod uicc;
mod vendor;

use memory::{Entry, Memory};

pub use config::{UsimBuilder, UsimStyle};

/// A software USIM: the files of TS 31.102 and TS 51.011 that an issuer writes, administrative codes, PINs, and AUTHENTICATE
/// with Milenage, in the classes of a SIM (A0) and of a UICC (00).
///
/// A new one is blank: ICCID, IMSI, number and keys are `FF`. IMSI, ACC, SPN, AD, PLMN lists and LOCI are one file each in DF.GSM and
/// ADF.USIM, MSISDN and SMSP in DF.TELECOM and ADF.USIM.
///
/// Torn while it writes ([`SoftwareCard::process_torn`]): UPDATE BINARY and UPDATE RECORD leave the first bytes of the new
/// data, Ki and OPc too, since they are files or written one after the other; a code that was compared has counted a try. A
/// new PIN and the sequence number of AUTHENTICATE are written as a whole or not at all.
pub struct Usim {
    memory: Memory,
    session: Session,
    wire: Wire,
    power: Power,
    recorder: Recorder,
}

/// All that a reset ends.
#[derive(Default)]
struct Session {
    /// Current directory: its place in [`Memory::directories`], 0 for the MF.
    directory: usize,
    /// The application was selected by its AID.
    application: bool,
    file: Option<Entry>,
    /// Current record, from 1 on; 0 for none.
    record: usize,
    /// Codes that were right, by their references.
    verified: Vec<u8>,
    /// What GET RESPONSE of class A0 fetches.
    waiting: Vec<u8>,
}

impl Usim {
    /// Sets how a card is made.
    #[must_use]
    pub fn builder() -> UsimBuilder {
        UsimBuilder::default()
    }

    /// Another card with the same non-volatile memory, fresh from a reset, with an empty log: what this card would be
    /// if the power failed now.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self::from_memory(self.memory.clone())
    }

    fn from_memory(memory: Memory) -> Self {
        Self {
            memory,
            session: Session::default(),
            wire: Wire::default(),
            power: Power::default(),
            recorder: Recorder::default(),
        }
    }

    fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        let bytes = match CommandApduRef::parse(command) {
            Ok(parsed) if !parsed.is_extended() => {
                if parsed.cla == Class(0xA0) {
                    self.gsm(&parsed)
                } else {
                    self.uicc(&parsed)
                }
            }
            _ => vec![0x67, 0x00],
        };
        self.recorder.note(command, &bytes, None);
        bytes
    }
}

impl SoftwareCard for Usim {
    const MAGIC: [u8; 8] = *b"CWSIMUS\0";
    const VERSION: u16 = 1;

    fn reset(&mut self) -> Vec<u8> {
        self.session = Session::default();
        self.wire = Wire::default();
        self.power = Power::default();
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

impl fmt::Debug for Usim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usim({:?}, {} commands)", self.memory.config.style, self.recorder.executed())
    }
}

#[cfg(test)]
mod tests;
