//! GET DATA and STORE DATA (GPCS 11.3, 11.11).

use cardwright_apdu::tlv::{self, Reader, Tag};
use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use crate::card::{Answer, JavaCard, done};
use crate::channel::{Dek, SecureChannel};
use crate::config::{AesKeyLength, SecureChannelProtocol};
use crate::keys::{Key, KeyType, RSA_EXPONENT};
use crate::registry::Privileges;

/// {globalPlatform}: 1.2.840.114283 (GPCS H.1.1).
const GLOBAL_PLATFORM: [u8; 6] = [0x2A, 0x86, 0x48, 0x86, 0xFC, 0x6B];

/// P1 of STORE DATA: DGI format, encryption as the application knows (GPCS table 11-89).
const KEY_GROUPS: u8 = 0x28;
/// The most data of one key set in groups, in bytes.
const LONGEST_GROUPS: usize = 2048;

/// Data objects that the issuer may store; the others that the card has are made by it (GPCS 11.11.2.3).
const STORED: [u32; 4] = [0x42, 0x45, 0x67, 0x5F50];

/// Key identifier, version, then type and length of each component: in the extended format for a key that has a use, or a component
/// above 255 bytes.
fn key_information(version: u8, key: &Key) -> Vec<u8> {
    let length = key.value.len();
    // The length of a reference is replaced by its value, the byte 04 of a point is not counted (GPCS 11.3.3.1.1).
    let components = match key.key_type {
        KeyType::Des | KeyType::Aes => vec![(key.key_type.code(), length)],
        KeyType::RsaPublic => vec![(0xA1, length - RSA_EXPONENT), (0xA0, RSA_EXPONENT)],
        KeyType::EcPublic(curve) => vec![(0xB0, length - 1), (0xF0, curve.into())],
        KeyType::EcPrivate(curve) => vec![(0xB1, length), (0xF0, curve.into())],
    };
    let mut out = vec![key.id, version];
    let is_extended = key.key_use.is_some() || components.iter().any(|(_, length)| *length > 0xFF);
    for (code, length) in components {
        match is_extended {
            true => {
                out.extend_from_slice(&[0xFF, code]);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            false => out.extend_from_slice(&[code, length as u8]),
        }
    }
    if is_extended {
        match key.key_use {
            Some([usage, _, access]) => out.extend_from_slice(&[1, usage, 1, access]),
            None => out.extend_from_slice(&[0, 0]),
        }
    }
    out
}

fn object(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    tlv::push(&mut bytes, Tag(tag), value);
    bytes
}

impl JavaCard {
    /// GET DATA: the data object, or its value alone in the interindustry class (GPCS 11.3.3.1).
    pub(crate) fn get_data(&self, command: &CommandApdu) -> Answer {
        let stored = self.memory.data_of(self.domain());
        let stored = |tag| stored.and_then(|data| data.get(&tag));
        let tag = u32::from(u16::from_be_bytes([command.p1(), command.p2()]));
        let config = &self.memory.config;
        let value = match tag {
            0x66 => Some(object(0x73, &self.recognition_data())),
            0x67 if stored(0x67).is_none() => Some(self.capability_information()),
            0x9F7F => Some(config.cplc.to_vec()),
            0xCF => Some(config.key_diversification.to_vec()),
            0xE0 => Some(self.key_information()),
            0xC1 => self.sequence_counter(),
            0xD3 => Some(vec![match &self.session.channel {
                SecureChannel::Open(session) => 0x80 | session.level,
                _ => 0x00,
            }]),
            _ => stored(tag).map(|value| value.to_vec()),
        };
        let value = value.ok_or(StatusWord::REFERENCED_DATA_NOT_FOUND)?;
        done(if command.class().0 & 0x80 != 0 { object(tag, &value) } else { value })
    }

    /// Content of tag 73: card recognition data, format 1 (GPCS table H-1).
    pub(crate) fn recognition_data(&self) -> Vec<u8> {
        let protocol = self.memory.config.protocol;
        let oid = |suffix: &[u8]| object(0x06, &[&GLOBAL_PLATFORM, suffix].concat());
        [
            oid(&[1]),
            object(0x60, &oid(&[2, 2, 3, 1])),
            object(0x63, &oid(&[3])),
            object(0x64, &oid(&[4, protocol.identifier(), protocol.i()])),
        ]
        .concat()
    }

    /// Content of tag 67 (GPCS table H-5).
    fn capability_information(&self) -> Vec<u8> {
        let protocol = self.memory.config.protocol;
        let mut channel = [object(0x80, &[protocol.identifier()]), object(0x81, &[protocol.i()])].concat();
        if let SecureChannelProtocol::Scp03 { key_length, .. } = protocol {
            let lengths = match key_length {
                AesKeyLength::Aes128 => 0x01,
                AesKeyLength::Aes192 => 0x02,
                AesKeyLength::Aes256 => 0x04,
            };
            channel.extend(object(0x82, &[lengths]));
        }
        let privileges = object(0x82, &Privileges::OF_APPLICATIONS);
        [object(0xA0, &channel), privileges, object(0x83, &[1, 2, 3, 4])].concat()
    }

    /// Content of tag E0: key identifier, version, type and length of each component (GPCS tables 11-28 and 11-29).
    fn key_information(&self) -> Vec<u8> {
        let sets = self.memory.keys_of(self.domain()).map_or(&[][..], |keys| &keys.sets);
        let keys = sets.iter().flat_map(|set| set.keys.iter().map(|key| (set.version, key)));
        keys.flat_map(|(version, key)| object(0xC0, &key_information(version, key))).collect()
    }

    /// The sequence counter of the default key version, where the protocol has one (GPCS 11.3.2.1).
    fn sequence_counter(&self) -> Option<Vec<u8>> {
        let keys = self.memory.keys_of(self.memory.key_owner(self.domain()))?;
        match self.memory.config.protocol {
            protocol @ SecureChannelProtocol::Scp02 { .. } => {
                Some(keys.channel_set(0, protocol)?.sequence_counter.to_be_bytes()[2..].to_vec())
            }
            protocol @ SecureChannelProtocol::Scp03 { i, .. } if i & 0x10 != 0 => {
                Some(keys.channel_set(0, protocol)?.sequence_counter.to_be_bytes()[1..].to_vec())
            }
            SecureChannelProtocol::Scp01 { .. } | SecureChannelProtocol::Scp03 { .. } => None,
        }
    }

    /// STORE DATA of BER-TLV data objects, one or more whole ones in each block, or of keys in data groups over several blocks (GPCS
    /// 11.11).
    pub(crate) fn store_data(&mut self, command: &CommandApdu, dek: &Dek) -> Answer {
        let stored = self.store_block(command, dek);
        if stored.is_err() || command.p1() & 0x80 != 0 {
            self.session.key_groups.clear();
        }
        let last = command.p1() & 0x80 != 0;
        self.session.store_block = if stored.is_ok() && !last { command.p2().wrapping_add(1) } else { 0 };
        stored
    }

    fn store_block(&mut self, command: &CommandApdu, dek: &Dek) -> Answer {
        let domain = match self.session.personalized {
            Some(aid) if !self.memory.is_supplementary(&aid) => return self.application(&aid, command),
            Some(aid) => Some(aid),
            None => self.domain(),
        };
        // Other DGIs than 0070 come enciphered as the application knows: keys.
        let format = command.p1() & 0x78;
        if !matches!(format, 0x00 | 0x08 | 0x10 | KEY_GROUPS) || command.p2() != self.session.store_block {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let mut data = command.data();
        if format == KEY_GROUPS {
            self.session.key_groups.extend_from_slice(data);
            if self.session.key_groups.len() > LONGEST_GROUPS {
                return Err(StatusWord::NOT_ENOUGH_MEMORY);
            }
            if command.p1() & 0x80 != 0 {
                let groups = std::mem::take(&mut self.session.key_groups);
                self.store_keys(domain, &groups, dek)?;
            }
            return done(Vec::new());
        }
        if format == 0x08 {
            let [0x00, 0x70, length, rest @ ..] = data else { return Err(StatusWord::WRONG_DATA) };
            if usize::from(*length) != rest.len() || *length == 0xFF {
                return Err(StatusWord::WRONG_DATA);
            }
            data = rest;
        }
        let objects: Vec<_> = Reader::new(data).collect::<Result<_, _>>().map_err(|_| StatusWord::WRONG_DATA)?;
        if objects.is_empty() {
            return Err(StatusWord::WRONG_DATA);
        }
        let mut isd = None;
        for object in &objects {
            match object.tag.0 {
                0x4F => {
                    let aid = Aid::new(object.value).map_err(|_| StatusWord::WRONG_DATA)?;
                    if domain.is_some() || (aid != self.memory.isd && self.memory.knows(object.value)) {
                        return Err(StatusWord::WRONG_DATA);
                    }
                    isd = Some(aid);
                }
                tag if STORED.contains(&tag) => {}
                _ => return Err(StatusWord::WRONG_DATA),
            }
        }
        let data = self.memory.data_of_mut(domain).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        for object in objects.iter().filter(|object| object.tag.0 != 0x4F) {
            data.insert(object.tag.0, object.value.to_vec().into());
        }
        self.memory.isd = isd.unwrap_or(self.memory.isd);
        done(Vec::new())
    }
}
