//! Commands of vendors.

use super::Usim;
use super::config::UsimStyle;
use super::memory::{ADF, Access, Content, GSM, MF, SYSTEM};
use super::refusal::Refusal;

/// What Ki and OPc are used for: SJA2 has them three times.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// The class of a SIM.
    Sim,
    /// The 3G context of the USIM.
    Usim,
    /// The 2G context of the USIM.
    UsimGsm,
}

impl Usim {
    /// sysmoSIM-GR2: `A0 D4 3A id 08 value` writes a code, `A0 D4 3B id 08 value` its PUK.
    pub(super) fn vendor_code(&mut self, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        if self.memory.config.style != UsimStyle::Gr2 {
            return Err(Refusal::Instruction);
        }
        if !self.allows(Access::Adm) {
            return Err(Refusal::Security);
        }
        let value: [u8; 8] = data.try_into().map_err(|_| Refusal::LengthOf(8))?;
        let secret = self.memory.secret_mut(p2).ok_or(Refusal::Parameters)?;
        self.power.whole()?;
        match (p1, &mut secret.unblock) {
            (0x3A, _) => secret.value = value,
            (0x3B, Some(puk)) => puk.value = value,
            _ => return Err(Refusal::Parameters),
        }
        Ok(Vec::new())
    }

    /// sysmoUSIM-GR1: `00 99 00 00 33 Ki ‖ OPc ‖ ICCID ‖ IMSI`, written in this order.
    pub(super) fn vendor_write(&mut self, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        if self.memory.config.style != UsimStyle::Gr1 {
            return Err(Refusal::Instruction);
        }
        if (p1, p2) != (0, 0) {
            return Err(Refusal::Parameters);
        }
        if !self.allows(Access::Adm) {
            return Err(Refusal::Security);
        }
        if data.len() != 16 + 16 + 10 + 9 {
            return Err(Refusal::Length);
        }
        let (ki, rest) = data.split_at(16);
        let (opc, rest) = rest.split_at(16);
        let (iccid, imsi) = rest.split_at(10);
        self.power.write(&mut self.memory.config.ki, ki)?;
        self.power.write(&mut self.memory.config.opc, opc)?;
        self.write_file(MF, 0x2FE2, iccid)?;
        self.write_file(GSM, 0x6F07, imsi)?;
        Ok(Vec::new())
    }

    fn write_file(&mut self, directory: u16, identifier: u16, data: &[u8]) -> Result<(), Refusal> {
        let at = self.memory.directories.iter().position(|found| found.identifier == directory);
        let entry = at.and_then(|at| self.memory.entry(at, |entry| entry.identifier == identifier));
        let file = entry.and_then(|entry| self.memory.file_mut(entry)).ok_or(Refusal::NotFound)?;
        let Content::Transparent(content) = &mut file.content else { return Err(Refusal::Incompatible) };
        self.power.write(content, data)?;
        Ok(())
    }

    /// Ki and OPc as the vendor's files have them now.
    pub(super) fn subscriber_key(&self, purpose: Purpose) -> ([u8; 16], [u8; 16]) {
        let config = &self.memory.config;
        let within = |directory, identifier, skip: usize| {
            self.memory.transparent(directory, identifier)?.get(skip..)?.first_chunk::<16>().copied()
        };
        let in_file = |identifier, skip| within(GSM, identifier, skip);
        match config.style {
            UsimStyle::Sja2 => {
                let (directory, identifier) = match purpose {
                    Purpose::Sim => (SYSTEM, 0x6F20),
                    Purpose::Usim => (ADF, 0xAF20),
                    Purpose::UsimGsm => (ADF, 0xAF22),
                };
                let part = |skip| within(directory, identifier, skip);
                (part(1).unwrap_or(config.ki), part(17).unwrap_or(config.opc))
            }
            UsimStyle::Sjs1 => (in_file(0x00FF, 0).unwrap_or(config.ki), in_file(0x00F7, 1).unwrap_or(config.opc)),
            UsimStyle::Gr1 => (config.ki, config.opc),
            UsimStyle::Gr2 => (in_file(0x0001, 3).unwrap_or(config.ki), config.opc),
        }
    }
}
