//! The class of a SIM: A0 (TS 51.011 9).

use cardwright_apdu::{CommandApduRef, StatusWord};

use super::Usim;
use super::refusal::Refusal;
use super::select::How;

impl Usim {
    /// Executes a command of class A0. Response data to a command with data wait for GET RESPONSE, whose length `9Fxx` tells.
    pub(super) fn gsm(&mut self, command: &CommandApduRef<'_>) -> Vec<u8> {
        let waiting = std::mem::take(&mut self.session.waiting);
        if command.ins.0 == 0xC0 {
            return self.gsm_response(command, waiting);
        }
        match self.gsm_command(command) {
            Err(refusal) => refusal.gsm().0.to_be_bytes().to_vec(),
            Ok(data) if data.is_empty() => StatusWord::OK.0.to_be_bytes().to_vec(),
            Ok(data) if command.data.is_empty() => [&data[..], &[0x90, 0x00]].concat(),
            Ok(data) => {
                let sw = vec![0x9F, data.len() as u8];
                self.session.waiting = data;
                sw
            }
        }
    }

    /// The first bytes of what waits.
    fn gsm_response(&mut self, command: &CommandApduRef<'_>, waiting: Vec<u8>) -> Vec<u8> {
        match (waiting.is_empty(), waiting.get(..command.ne.get() as usize)) {
            (true, _) => Refusal::Data.gsm().0.to_be_bytes().to_vec(),
            (_, Some(data)) => [data, &[0x90, 0x00]].concat(),
            (_, None) => {
                let sw = Refusal::LengthOf(waiting.len()).gsm();
                self.session.waiting = waiting;
                sw.0.to_be_bytes().to_vec()
            }
        }
    }

    fn gsm_command(&mut self, command: &CommandApduRef<'_>) -> Result<Vec<u8>, Refusal> {
        let (p1, p2, data) = (command.p1, command.p2, command.data);
        // P3 = 00 of a command with a response asks for 256 bytes.
        let wanted = command.ne.get() as usize;
        match command.ins.0 {
            0xA4 => {
                let [high, low] = *data else { return Err(Refusal::LengthOf(2)) };
                self.select_identifier(u16::from_be_bytes([high, low]), How::Gsm)?;
                Ok(self.gsm_description())
            }
            0xF2 => {
                self.session.file = None;
                let description = self.gsm_description();
                match wanted {
                    0 => Ok(Vec::new()),
                    wanted => description.get(..wanted).map(<[u8]>::to_vec).ok_or(Refusal::LengthOf(description.len())),
                }
            }
            0xB0 => self.read_binary(None, usize::from(u16::from_be_bytes([p1, p2])), wanted, true),
            0xD6 => self.update_binary(None, usize::from(u16::from_be_bytes([p1, p2])), data),
            0xB2 => self.read_record(None, p1, p2, wanted, true),
            0xDC => self.update_record(None, p1, p2, data),
            0x20 => self.verify(p2, data),
            0x24 => self.change_pin(p2, data),
            0x26 => self.enable_pin(p2, data, false),
            0x28 => self.enable_pin(p2, data, true),
            // CHV1 is reference 00 here (TS 51.011 9.2.13).
            0x2C => self.unblock_pin(p2.max(0x01), data),
            0x88 => self.run_gsm_algorithm(data),
            0xD4 => self.vendor_code(p1, p2, data),
            _ => Err(Refusal::Instruction),
        }
    }
}
