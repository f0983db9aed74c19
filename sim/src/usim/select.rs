//! SELECT, and what it tells of a file.

use super::Usim;
use super::memory::{ADF, Access, Content, File, MF};
use super::refusal::Refusal;

/// Memory that the description of a directory says is free, in bytes.
const FREE: u16 = 0x2000;

/// The class that a file is selected in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// ADF.USIM is no directory of a SIM.
    Gsm,
    Uicc,
}

impl Usim {
    /// P1 00 by file identifier, 04 by AID, 08 by path from the MF, 09 by path from here; P2 04 with description, 0C
    /// without (TS 102 221 11.1.1).
    pub(super) fn uicc_select(&mut self, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        if !matches!(p2 & 0x0F, 0x00 | 0x04 | 0x0C) {
            return Err(Refusal::Parameters);
        }
        let before = (self.session.directory, self.session.file, self.session.record);
        let selected = match p1 {
            0x04 => self.select_application(data),
            0x00 if data.is_empty() => self.select_path(&[0x3F, 0x00], false),
            0x00 if data.len() == 2 => self.select_path(data, false),
            0x00 => Err(Refusal::Length),
            0x08 => self.select_path(data, true),
            0x09 => self.select_path(data, false),
            _ => Err(Refusal::Parameters),
        };
        if let Err(refusal) = selected {
            (self.session.directory, self.session.file, self.session.record) = before;
            return Err(refusal);
        }
        if p2 & 0x0F == 0x0C { Ok(Vec::new()) } else { Ok(self.file_description()) }
    }

    fn select_application(&mut self, aid: &[u8]) -> Result<(), Refusal> {
        let matching = |at: &usize| {
            let known = &self.memory.directories[*at].aid;
            !known.is_empty() && !aid.is_empty() && known.starts_with(aid)
        };
        let found = (0..self.memory.directories.len()).find(matching).ok_or(Refusal::NotFound)?;
        self.enter(found);
        self.session.application = true;
        Ok(())
    }

    fn select_path(&mut self, path: &[u8], from_mf: bool) -> Result<(), Refusal> {
        if path.is_empty() || !path.len().is_multiple_of(2) {
            return Err(Refusal::Length);
        }
        if from_mf {
            self.enter(0);
        }
        for identifier in path.chunks(2) {
            self.select_identifier(u16::from_be_bytes([identifier[0], identifier[1]]), How::Uicc)?;
        }
        Ok(())
    }

    /// The MF, a directory under it, or a file of the current directory (TS 51.011 6.5, TS 102 221 8.4.1). 7FFF is the
    /// application once that was selected by its AID.
    pub(super) fn select_identifier(&mut self, identifier: u16, how: How) -> Result<(), Refusal> {
        if identifier == MF {
            self.enter(0);
            return Ok(());
        }
        if let Some(entry) = self.memory.entry(self.session.directory, |entry| entry.identifier == identifier) {
            self.session.file = Some(entry);
            self.session.record = 0;
            return Ok(());
        }
        let has_application = how == How::Uicc && self.session.application;
        let visible = |found: u16| found == identifier && (found != ADF || has_application);
        let found = self.memory.directories.iter().position(|directory| visible(directory.identifier));
        self.enter(found.ok_or(Refusal::NotFound)?);
        Ok(())
    }

    fn enter(&mut self, directory: usize) {
        self.session.directory = directory;
        self.session.file = None;
        self.session.record = 0;
    }

    fn selected(&self) -> Option<(u16, u8, &File)> {
        let entry = self.session.file?;
        self.memory.file(entry).map(|file| (entry.identifier, entry.short, file))
    }

    /// File control parameters (TS 102 221 11.1.1.3).
    fn file_description(&self) -> Vec<u8> {
        let Some((identifier, short, file)) = self.selected() else { return self.directory_description() };
        let descriptor = match &file.content {
            Content::Transparent(_) => vec![0x41, 0x21],
            Content::Records(records) => {
                let length = records.first().map_or(0, |record| record.len());
                vec![0x42, 0x21, (length >> 8) as u8, length as u8, records.len() as u8]
            }
        };
        let size = (file.content.size() as u16).to_be_bytes();
        let mut inner = Vec::new();
        push(&mut inner, 0x82, &descriptor);
        push(&mut inner, 0x83, &identifier.to_be_bytes());
        push(&mut inner, 0x8A, &[0x05]);
        // Compact security attributes: update, then read.
        push(&mut inner, 0x8C, &[0x03, compact(file.update), compact(file.read)]);
        push(&mut inner, 0x80, &size);
        let short = [short << 3];
        push(&mut inner, 0x88, if short == [0] { &[] } else { &short });
        template(&inner)
    }

    pub(super) fn directory_description(&self) -> Vec<u8> {
        let Some(directory) = self.memory.directories.get(self.session.directory) else { return template(&[]) };
        let mut inner = Vec::new();
        push(&mut inner, 0x82, &[0x78, 0x21]);
        push(&mut inner, 0x83, &directory.identifier.to_be_bytes());
        if !directory.aid.is_empty() {
            push(&mut inner, 0x84, &directory.aid);
        }
        push(&mut inner, 0x8A, &[0x05]);
        push(&mut inner, 0x8C, &[0x00]);
        let pin = self.memory.secret(0x01).is_some_and(|pin| pin.enabled);
        push(&mut inner, 0xC6, &[0x90, 0x01, if pin { 0x80 } else { 0x00 }, 0x83, 0x01, 0x01]);
        template(&inner)
    }

    /// The response to SELECT of a SIM (TS 51.011 9.2.1).
    pub(super) fn gsm_description(&self) -> Vec<u8> {
        match self.selected() {
            None => self.gsm_directory(),
            Some((identifier, _, file)) => {
                let [size_high, size_low] = (file.content.size() as u16).to_be_bytes();
                let [high, low] = identifier.to_be_bytes();
                let (structure, length) = match &file.content {
                    Content::Transparent(_) => (0x00, 0x00),
                    Content::Records(records) => (0x01, records.first().map_or(0, |record| record.len() as u8)),
                };
                let access = file.read.gsm() << 4 | file.update.gsm();
                vec![0, 0, size_high, size_low, high, low, 0x04, 0, access, 0xFF, 0x44, 0x01, 0x02, structure, length]
            }
        }
    }

    fn gsm_directory(&self) -> Vec<u8> {
        let Some(directory) = self.memory.directories.get(self.session.directory) else { return Vec::new() };
        let is_mf = directory.identifier == MF;
        let directories = if is_mf { self.memory.directories.len() - 1 } else { 0 };
        let pin = self.memory.secret(0x01);
        let status = |tries: u8| 0x80 | tries.min(15);
        let pin_status = pin.map_or(0, |pin| status(pin.tries));
        let puk_status = pin.and_then(|pin| pin.unblock.as_ref()).map_or(0, |puk| status(puk.tries));
        let disabled = if pin.is_some_and(|pin| pin.enabled) { 0x00 } else { 0x80 };
        let [free_high, free_low] = FREE.to_be_bytes();
        let [high, low] = directory.identifier.to_be_bytes();
        let kind = if is_mf { 0x01 } else { 0x02 };
        let mut bytes = vec![0, 0, free_high, free_low, high, low, kind, 0, 0, 0, 0, 0, 0x09, disabled | 0x13];
        bytes.extend_from_slice(&[directories as u8, directory.entries.len() as u8, 0x02, 0x00]);
        bytes.extend_from_slice(&[pin_status, puk_status, 0x00, 0x00]);
        bytes
    }
}

/// A security condition byte (TS 102 221 11.1.1.4.7.1).
fn compact(access: Access) -> u8 {
    match access {
        Access::Always => 0x00,
        Access::Pin => 0x90,
        Access::Adm => 0x9A,
        Access::Never => 0xFF,
    }
}

fn push(into: &mut Vec<u8>, tag: u8, value: &[u8]) {
    into.extend_from_slice(&[tag, value.len() as u8]);
    into.extend_from_slice(value);
}

fn template(inner: &[u8]) -> Vec<u8> {
    let mut template = Vec::new();
    push(&mut template, 0x62, inner);
    template
}
