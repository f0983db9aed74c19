//! Keys in data groups of STORE DATA (GPCS 11.11.4): DGI 00B9 says what they are, the others bring them.

use cardwright_apdu::StatusWord;
use cardwright_apdu::tlv::{self, Reader, Tag};

use crate::card::JavaCard;
use crate::channel::Dek;
use crate::crypto::same;
use crate::domain::DomainId;
use crate::keys::{Key, KeyStoreError, KeyType, RSA_EXPONENT};

/// DGI of the descriptions, B9 each (GPCS table 11-92).
const DESCRIPTIONS: u16 = 0x00B9;
/// Type of an ECC key parameter reference, which stands in its description and has no DGI.
const REFERENCE: u8 = 0xF0;

/// What a template B9 says of one key component.
struct Description {
    key_use: [u8; 3],
    code: u8,
    length: usize,
    id: u8,
    version: u8,
    check_value: Option<[u8; 3]>,
    /// Of the component that follows.
    curve: Option<u8>,
}

impl JavaCard {
    /// Stores the keys that the data groups of all blocks bring, all or none.
    pub(crate) fn store_keys(&mut self, domain: DomainId, groups: &[u8], dek: &Dek) -> Result<(), StatusWord> {
        let keys = keys(groups, dek)?;
        let protocol = self.memory.config.protocol;
        let store = self.memory.keys_of_mut(domain).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let mut changed = store.clone();
        for (version, key) in keys {
            let is_there = changed.set(version).is_some_and(|set| set.key(key.id).is_some());
            let stored = match is_there {
                true => changed.replace(version, version, vec![key]),
                false => changed.add(version, vec![key], protocol),
            };
            stored.map_err(|error| match error {
                KeyStoreError::Absent => StatusWord::REFERENCED_DATA_NOT_FOUND,
                KeyStoreError::Unfit => StatusWord::WRONG_DATA,
            })?;
        }
        *store = changed;
        self.settle_state(domain);
        Ok(())
    }
}

fn keys(groups: &[u8], dek: &Dek) -> Result<Vec<(u8, Key)>, StatusWord> {
    let wrong = StatusWord::WRONG_DATA;
    let groups = data_groups(groups).ok_or(wrong)?;
    let (descriptions, mut values) = match groups.split_first() {
        Some(((DESCRIPTIONS, descriptions), values)) => (descriptions, values.iter()),
        _ => return Err(wrong),
    };
    let mut out: Vec<(u8, Key)> = Vec::new();
    for description in read_descriptions(descriptions).ok_or(wrong)? {
        let Description { key_use, code, length, id, version, check_value, curve } = description;
        let &(dgi, value) = values.next().ok_or(wrong)?;
        if dgi != dgi_of(code).ok_or(wrong)? {
            return Err(wrong);
        }
        // The exponent belongs to the modulus in front of it.
        if code == 0xA0 {
            let (_, key) = out.last_mut().filter(|(_, key)| key.key_type == KeyType::RsaPublic).ok_or(wrong)?;
            let padding = RSA_EXPONENT.checked_sub(value.len()).ok_or(wrong)?;
            key.value.resize(key.value.len() + padding, 0);
            key.value.extend_from_slice(value);
            continue;
        }
        let is_secret = dgi & 0x8000 != 0;
        let value = if is_secret { dek.decipher(value, length).ok_or(wrong)? } else { value.to_vec() };
        let key_type = match (KeyType::from_code(code).ok_or(wrong)?, curve) {
            (KeyType::EcPublic(_), Some(curve)) => KeyType::EcPublic(curve),
            (KeyType::EcPrivate(_), Some(curve)) => KeyType::EcPrivate(curve),
            (KeyType::EcPublic(_) | KeyType::EcPrivate(_), None) => return Err(wrong),
            (other, _) => other,
        };
        let key = Key { id, key_type, value, key_use: Some(key_use) };
        match (key_type, check_value) {
            (KeyType::Des | KeyType::Aes, Some(expected)) if same(&key.check_value(), &expected) => {}
            (KeyType::Des | KeyType::Aes, _) => return Err(StatusWord::SECURITY_NOT_SATISFIED),
            _ => {}
        }
        out.push((version, key));
    }
    let all_fit = out.iter().all(|(_, key)| key.key_type.takes(key.value.len()));
    if out.is_empty() || !all_fit || values.next().is_some() { Err(wrong) } else { Ok(out) }
}

/// Which DGI brings a component (GPCS tables 11-93 to 11-99).
fn dgi_of(code: u8) -> Option<u16> {
    match code {
        0x80 | 0x88 => Some(0x8113),
        0xA1 => Some(0x0010),
        0xA0 => Some(0x0011),
        0xB0 => Some(0x0036),
        0xB1 => Some(0x8137),
        _ => None,
    }
}

/// `DGI ‖ length ‖ value`, the length in one byte or, behind FF, in two.
fn data_groups(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut out = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (length, rest) = match rest {
            [0xFF, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
            [length, rest @ ..] => (usize::from(*length), rest),
            [] => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        out.push((u16::from_be_bytes([*high, *low]), value));
        bytes = rest;
    }
    bytes.is_empty().then_some(out)
}

fn read_descriptions(bytes: &[u8]) -> Option<Vec<Description>> {
    let mut out: Vec<Description> = Vec::new();
    for template in Reader::new(bytes) {
        let template = template.ok().filter(|template| template.tag == Tag(0xB9))?.value;
        let field = |tag| tlv::find(template, Tag(tag)).map(|object| object.value);
        let byte = |tag| match field(tag) {
            Some(&[byte]) => Some(byte),
            _ => None,
        };
        let code = byte(0x80)?;
        if code == REFERENCE {
            out.last_mut()?.curve = Some(byte(0x85)?);
            continue;
        }
        let length = field(0x81).filter(|length| (1..=2).contains(&length.len()))?;
        let key_use = match (field(0x95)?, byte(0x96)?) {
            (&[usage], access) => [usage, 0, access],
            (&[first, second], access) => [first, second, access],
            _ => return None,
        };
        out.push(Description {
            key_use,
            code,
            length: length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            id: byte(0x82)?,
            version: byte(0x83).filter(|version| (1..=0x7F).contains(version))?,
            check_value: field(0x84).and_then(|value| value.try_into().ok()),
            curve: None,
        });
    }
    Some(out)
}
