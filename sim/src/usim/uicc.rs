//! The classes of a UICC: 00 and 80 (TS 102 221 10, 11).

use cardwright_apdu::{CommandApduRef, ResponseApdu, StatusWord};

use super::Usim;
use super::refusal::Refusal;

impl Usim {
    pub(super) fn uicc(&mut self, command: &CommandApduRef<'_>) -> Vec<u8> {
        let t0 = self.memory.config.t0;
        self.session.waiting.clear();
        if let Some(bytes) = self.wire.repeat(command, t0) {
            return bytes;
        }
        let answer = match self.uicc_command(command) {
            Ok(data) => ResponseApdu::new(data, StatusWord::OK),
            Err(refusal) => ResponseApdu::status(refusal.uicc()),
        };
        self.wire.send(command, &answer, t0)
    }

    fn uicc_command(&mut self, command: &CommandApduRef<'_>) -> Result<Vec<u8>, Refusal> {
        let (p1, p2, data) = (command.p1, command.p2, command.data);
        let wanted = command.ne.get() as usize;
        match (command.cla.0, command.ins.0) {
            (0x00, 0xA4) => self.uicc_select(p1, p2, data),
            (0x80, 0xF2) => Ok(self.directory_description()),
            (0x00, 0xB0) => {
                let (short, offset) = short_or_offset(p1, p2);
                self.read_binary(short, offset, wanted, false)
            }
            (0x00, 0xD6) => {
                let (short, offset) = short_or_offset(p1, p2);
                self.update_binary(short, offset, data)
            }
            (0x00, 0xB2) => self.read_record(short(p2 >> 3), p1, p2 & 7, wanted, false),
            (0x00, 0xDC) => self.update_record(short(p2 >> 3), p1, p2 & 7, data),
            (0x00, 0x20) => self.verify(p2, data),
            (0x00, 0x24) => self.change_pin(p2, data),
            (0x00, 0x26) => self.enable_pin(p2, data, false),
            (0x00, 0x28) => self.enable_pin(p2, data, true),
            (0x00, 0x2C) => self.unblock_pin(p2, data),
            (0x00, 0x88) => self.authenticate(p1, p2, data),
            (0x00, 0x99) => self.vendor_write(p1, p2, data),
            (_, 0xA4 | 0xF2 | 0xB0 | 0xD6 | 0xB2 | 0xDC | 0x20 | 0x24 | 0x26 | 0x28 | 0x2C | 0x88 | 0x99) => {
                Err(Refusal::Class)
            }
            _ => Err(Refusal::Instruction),
        }
    }
}

fn short(identifier: u8) -> Option<u8> {
    (identifier != 0).then_some(identifier)
}

fn short_or_offset(p1: u8, p2: u8) -> (Option<u8>, usize) {
    if p1 & 0x80 != 0 { (Some(p1 & 0x1F), usize::from(p2)) } else { (None, usize::from(u16::from_be_bytes([p1, p2]))) }
}
