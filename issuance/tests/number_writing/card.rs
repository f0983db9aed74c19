//! A UICC for these tests: files, an ADM key, authentication in the GSM context, and a line that can be cut.

use std::collections::BTreeMap;

use cardwright_apdu::{Transport, TransportError, TransportErrorKind};
use cardwright_keys::milenage::{Milenage, Opc, SubscriberKey};

/// When the card is torn out, counted in commands from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Before(usize),
    /// Half of what an update writes is there.
    Half(usize),
    After(usize),
}

/// What is left of a card without power.
#[derive(Clone)]
pub(crate) struct Card {
    pub(crate) files: BTreeMap<u32, Vec<u8>>,
    pub(crate) adm: [u8; 8],
    pub(crate) tries: u8,
    pub(crate) tells_tries: bool,
    /// Whether everything may be written without the ADM key.
    pub(crate) is_open: bool,
    pub(crate) puk: [u8; 8],
    /// Whether it takes files and forgets them.
    pub(crate) is_broken: bool,
    pub(crate) commands: Vec<[u8; 4]>,
    pub(crate) cut: Option<Cut>,
    /// At this command another card lies in the reader: it has another ICCID.
    pub(crate) swap: Option<usize>,
    selected: Option<u32>,
    directory: u32,
    verified: bool,
    waiting: Vec<u8>,
}

const RECORD: usize = 28;
pub(crate) const ICCID: u32 = 0x3F00_2FE2;
pub(crate) const IMSI: u32 = 0x7FFF_6F07;
pub(crate) const LOCI: u32 = 0x7FFF_6F7E;
pub(crate) const MSISDN: u32 = 0x7FFF_6F40;
pub(crate) const K: u32 = 0x7F20_00FF;
pub(crate) const OPC: u32 = 0x7F20_00F7;

impl Card {
    pub(crate) fn blank() -> Self {
        let files = [(ICCID, 10), (IMSI, 9), (0x7FFF_6F78, 2), (LOCI, 11), (MSISDN, 3 * RECORD), (K, 16), (OPC, 17)];
        Self {
            files: files.map(|(file, length)| (file, vec![0xFF; length])).into(),
            adm: *b"87654321",
            tries: 3,
            tells_tries: true,
            is_open: false,
            puk: [0xFF; 8],
            is_broken: false,
            commands: Vec::new(),
            cut: None,
            swap: None,
            selected: None,
            directory: 0x3F00,
            verified: false,
            waiting: Vec::new(),
        }
    }

    fn power_on(&mut self) {
        (self.selected, self.directory, self.verified) = (None, 0x3F00, self.is_open);
        self.waiting.clear();
    }

    fn answer(&mut self, command: &[u8], half: bool) -> Vec<u8> {
        let (header, body) = command.split_at(4);
        let data = if body.len() > 1 { &body[1..=usize::from(body[0])] } else { &[] };
        let le = body.get(1 + data.len()).or(body.first()).copied().unwrap_or(0);
        let sw = |sw: u16| sw.to_be_bytes().to_vec();
        match *header {
            [0x00, 0xA4, 0x04, _] => sw(0x9000),
            [0x00, 0xA4, 0x08, p2] => {
                let path = data.iter().fold(0x3F00_u64, |path, byte| path << 8 | u64::from(*byte)) as u32;
                if !self.select(path) {
                    return sw(0x6A82);
                }
                if p2 == 0x0C { sw(0x9000) } else { [&self.fcp(path)[..], &[0x90, 0]].concat() }
            }
            [0xA0, 0xA4, ..] => {
                let file = u16::from_be_bytes([data[0], data[1]]);
                match file {
                    0x3F00 | 0x7F10 | 0x7F20 => (self.directory, self.selected) = (file.into(), None),
                    _ if !self.select(self.directory << 16 | u32::from(file)) => return sw(0x9404),
                    _ => {}
                }
                sw(0x9F0F)
            }
            [0x00, 0x20, 0, 0x0A] => self.verify(data),
            [0x00 | 0xA0, 0xB0, ..] => match self.selected.and_then(|file| self.files.get(&file)) {
                Some(content) if content.len() >= le.into() => [&content[..le.into()], &[0x90, 0]].concat(),
                _ => sw(0x6700),
            },
            [0x00, 0xB2, number, 4] => match self.selected.and_then(|file| self.files.get(&file)) {
                Some(content) => [&content[RECORD * usize::from(number - 1)..][..RECORD], &[0x90, 0]].concat(),
                None => sw(0x6986),
            },
            [0x00, 0xD6, _, offset] => self.update(offset.into(), data, half),
            [0x00, 0xDC, number, 4] => self.update(RECORD * usize::from(number - 1), data, half),
            [0xA0, 0xD4, 0x3B, 0x01] if self.verified => {
                self.puk.copy_from_slice(data);
                sw(0x9000)
            }
            [0xA0, 0xD4, ..] => sw(0x9804),
            [0xA0, 0x88, 0, 0] => {
                self.waiting = self.authenticate(data);
                if self.waiting.is_empty() { sw(0x9804) } else { sw(0x9F0C) }
            }
            [0xA0, 0xC0, ..] => [&std::mem::take(&mut self.waiting)[..], &[0x90, 0]].concat(),
            _ => sw(0x6D00),
        }
    }

    fn select(&mut self, path: u32) -> bool {
        self.selected = self.files.contains_key(&path).then_some(path);
        self.selected.is_some()
    }

    fn fcp(&self, path: u32) -> Vec<u8> {
        let [size_hi, size_lo] = (self.files[&path].len() as u16).to_be_bytes();
        let [id_hi, id_lo] = (path as u16).to_be_bytes();
        let descriptor: &[u8] =
            if path == MSISDN { &[0x82, 5, 0x42, 0x21, 0, RECORD as u8, 3] } else { &[0x82, 2, 0x41, 0x21] };
        let rest = [0x83, 2, id_hi, id_lo, 0x80, 2, size_hi, size_lo];
        [&[0x62, (descriptor.len() + rest.len()) as u8], descriptor, &rest].concat()
    }

    fn verify(&mut self, data: &[u8]) -> Vec<u8> {
        let sw = match (data.is_empty(), self.tries) {
            _ if self.verified && data.is_empty() => 0x9000,
            (true, _) if !self.tells_tries => 0x6700,
            (_, 0) => 0x6983,
            (true, tries) => 0x63C0 | u16::from(tries),
            (false, _) if data == self.adm => {
                (self.verified, self.tries) = (true, 3);
                0x9000
            }
            (false, tries) => {
                self.tries = tries - 1;
                if self.tells_tries { 0x63C0 | u16::from(self.tries) } else { 0x9804 }
            }
        };
        sw.to_be_bytes().into()
    }

    fn update(&mut self, offset: usize, data: &[u8], half: bool) -> Vec<u8> {
        if !self.verified {
            return vec![0x69, 0x82];
        }
        let data = if half { &data[..data.len() / 2] } else { data };
        let place =
            self.selected.and_then(|file| self.files.get_mut(&file)).and_then(|content| content.get_mut(offset..));
        match place {
            Some(place) if place.len() >= data.len() => {
                if !self.is_broken {
                    place[..data.len()].copy_from_slice(data);
                }
                vec![0x90, 0]
            }
            _ => vec![0x67, 0],
        }
    }

    fn authenticate(&self, rand: &[u8]) -> Vec<u8> {
        let key = SubscriberKey::new(self.files[&K][..].try_into().unwrap());
        let opc = Opc::new(self.files[&OPC][1..].try_into().unwrap());
        let triplet = Milenage::new(&key, &opc).unwrap().triplet(rand.try_into().unwrap()).unwrap();
        if self.files[&OPC][0] == 0xFF { Vec::new() } else { [&triplet.sres, triplet.kc.expose_bytes()].concat() }
    }
}

impl Transport for Card {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.commands.push(command[..4].try_into().unwrap());
        let n = self.commands.len();
        if self.swap == Some(n) {
            self.files.insert(ICCID, vec![0x89; 10]);
        }
        let removed = || TransportError::unknown(TransportErrorKind::CardRemoved);
        match self.cut {
            Some(Cut::Before(cut)) if cut <= n => return Err(removed()),
            Some(Cut::Half(cut) | Cut::After(cut)) if cut < n => return Err(removed()),
            _ => {}
        }
        response.extend(self.answer(command, self.cut == Some(Cut::Half(n))));
        if matches!(self.cut, Some(Cut::Half(cut) | Cut::After(cut)) if cut == n) { Err(removed()) } else { Ok(()) }
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        match self.cut {
            Some(Cut::Before(cut) | Cut::Half(cut) | Cut::After(cut)) if cut <= self.commands.len() => {
                Err(TransportError::unknown(TransportErrorKind::CardRemoved))
            }
            _ => {
                self.power_on();
                Ok(vec![0x3B, 0x00])
            }
        }
    }
}
