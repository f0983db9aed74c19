//! Reading and writing of files.

use super::Usim;
use super::memory::{Access, Content, Entry, File};
use super::refusal::Refusal;

impl Usim {
    pub(super) fn allows(&self, access: Access) -> bool {
        match access {
            Access::Always => true,
            Access::Never => false,
            Access::Pin => {
                let disabled = self.memory.secret(0x01).is_some_and(|pin| !pin.enabled);
                disabled || self.session.verified.contains(&0x01)
            }
            Access::Adm => self.session.verified.contains(&self.adm()),
        }
    }

    /// The selected file, or that with the short identifier, which is selected then.
    fn current(&mut self, short: Option<u8>) -> Result<Entry, Refusal> {
        if let Some(short) = short {
            let found = self.memory.entry(self.session.directory, |entry| entry.short == short);
            self.session.file = Some(found.ok_or(Refusal::NotFound)?);
            self.session.record = 0;
        }
        self.session.file.ok_or(Refusal::NoFile)
    }

    fn file(&self, entry: Entry) -> Result<&File, Refusal> {
        self.memory.file(entry).ok_or(Refusal::NotFound)
    }

    /// `exact`: a SIM has no way to give less than it is asked for.
    pub(super) fn read_binary(
        &mut self,
        short: Option<u8>,
        offset: usize,
        wanted: usize,
        exact: bool,
    ) -> Result<Vec<u8>, Refusal> {
        let entry = self.current(short)?;
        let file = self.file(entry)?;
        let Content::Transparent(data) = &file.content else { return Err(Refusal::Incompatible) };
        if !self.allows(file.read) {
            return Err(Refusal::Security);
        }
        let rest = data.get(offset..).filter(|rest| !rest.is_empty()).ok_or(Refusal::Outside)?;
        portion(rest, wanted, exact)
    }

    pub(super) fn update_binary(&mut self, short: Option<u8>, offset: usize, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        let entry = self.current(short)?;
        let file = self.file(entry)?;
        if !matches!(file.content, Content::Transparent(_)) {
            return Err(Refusal::Incompatible);
        }
        if !self.allows(file.update) {
            return Err(Refusal::Security);
        }
        if data.is_empty() {
            return Err(Refusal::Length);
        }
        let file = self.memory.file_mut(entry).ok_or(Refusal::NotFound)?;
        let Content::Transparent(content) = &mut file.content else { return Err(Refusal::Incompatible) };
        let target = content.get_mut(offset..offset + data.len()).ok_or(Refusal::Outside)?;
        self.power.write(target, data)?;
        Ok(Vec::new())
    }

    pub(super) fn read_record(
        &mut self,
        short: Option<u8>,
        number: u8,
        mode: u8,
        wanted: usize,
        exact: bool,
    ) -> Result<Vec<u8>, Refusal> {
        let entry = self.current(short)?;
        let file = self.file(entry)?;
        let Content::Records(records) = &file.content else { return Err(Refusal::Incompatible) };
        if !self.allows(file.read) {
            return Err(Refusal::Security);
        }
        let at = self.place(records.len(), number, mode)?;
        let record = portion(&records[at], wanted, exact);
        if mode != 0x04 {
            self.session.record = at + 1;
        }
        record
    }

    pub(super) fn update_record(
        &mut self,
        short: Option<u8>,
        number: u8,
        mode: u8,
        data: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let entry = self.current(short)?;
        let file = self.file(entry)?;
        let Content::Records(records) = &file.content else { return Err(Refusal::Incompatible) };
        if !self.allows(file.update) {
            return Err(Refusal::Security);
        }
        let at = self.place(records.len(), number, mode)?;
        if data.len() != records[at].len() {
            return Err(Refusal::Length);
        }
        let file = self.memory.file_mut(entry).ok_or(Refusal::NotFound)?;
        let Content::Records(records) = &mut file.content else { return Err(Refusal::Incompatible) };
        self.power.write(&mut records[at], data)?;
        if mode != 0x04 {
            self.session.record = at + 1;
        }
        Ok(Vec::new())
    }

    /// Place of the record that P1 and the mode name: 02 next, 03 previous, 04 number, or the current one for 00
    /// (TS 102 221 11.1.5).
    fn place(&self, count: usize, number: u8, mode: u8) -> Result<usize, Refusal> {
        let at = match (mode, number) {
            (0x04, 0) => self.session.record,
            (0x04, number) => usize::from(number),
            (0x02, 0) => self.session.record + 1,
            (0x03, 0) if self.session.record == 0 => count,
            (0x03, 0) => self.session.record - 1,
            _ => return Err(Refusal::Parameters),
        };
        if (1..=count).contains(&at) { Ok(at - 1) } else { Err(Refusal::Outside) }
    }
}

/// As many bytes as Le asks for; 00 all of them but for a SIM, where it is 256.
fn portion(data: &[u8], wanted: usize, exact: bool) -> Result<Vec<u8>, Refusal> {
    match wanted {
        0 => Err(Refusal::LengthOf(data.len())),
        256 if !exact => Ok(data[..data.len().min(256)].to_vec()),
        wanted => data.get(..wanted).map(<[u8]>::to_vec).ok_or(Refusal::LengthOf(data.len())),
    }
}
