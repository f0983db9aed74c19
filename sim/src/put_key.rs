//! PUT KEY (GPCS 11.8, Amd D 7.2).

use cardwright_apdu::{CommandApdu, StatusWord};

use crate::card::{Answer, JavaCard, done};
use crate::channel::Dek;
use crate::crypto::{AES_BLOCK, Aes, DES_BLOCK, TripleDes, same};
use crate::domain::DomainId;
use crate::keys::{Key, KeyStoreError, KeyType, RSA_EXPONENT};
use crate::registry::{DOMAIN_PERSONALIZED, SELECTABLE};

/// The greatest key version number and key identifier that PUT KEY can say.
const MAX_NUMBER: u8 = 0x7F;

impl JavaCard {
    pub(crate) fn put_key(&mut self, command: &CommandApdu, dek: &Dek) -> Answer {
        let (old_version, id, multiple) = (command.p1(), command.p2() & 0x7F, command.p2() & 0x80 != 0);
        let (&version, mut data) = command.data().split_first().ok_or(StatusWord::WRONG_DATA)?;
        if !(1..=MAX_NUMBER).contains(&version) {
            return Err(StatusWord::WRONG_DATA);
        }
        let (mut keys, mut answer) = (Vec::new(), vec![version]);
        while !data.is_empty() {
            let id = id.checked_add(keys.len() as u8).filter(|id| *id <= MAX_NUMBER).ok_or(StatusWord::WRONG_DATA)?;
            let (key, check_value, rest) = key_data_field(data, id, dek)?;
            answer.extend_from_slice(check_value);
            keys.push(key);
            data = rest;
        }
        if keys.is_empty() || (keys.len() > 1 && !multiple) {
            return Err(StatusWord::WRONG_DATA);
        }
        let (domain, protocol) = (self.domain(), self.memory.config.protocol);
        let store = self.memory.keys_of_mut(domain).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let stored = match old_version {
            0 => store.add(version, keys, protocol),
            old => store.replace(old, version, keys),
        };
        self.settle_state(domain);
        match stored {
            Ok(()) => done(answer),
            Err(KeyStoreError::Absent) => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
            Err(KeyStoreError::Unfit) => Err(StatusWord::WRONG_DATA),
        }
    }

    /// A supplementary security domain is PERSONALIZED once it has keys for a secure channel of its own (GPCS 5.3.2.3 leaves it to the
    /// security domain).
    pub(crate) fn settle_state(&mut self, domain: DomainId) {
        let protocol = self.memory.config.protocol;
        let has_keys = self.memory.keys_of(domain).is_some_and(|keys| keys.channel_set(0, protocol).is_some());
        let mut applications = self.memory.applications.iter_mut();
        if let Some(entry) =
            applications.find(|entry| domain == Some(entry.aid) && entry.life_cycle == SELECTABLE && has_keys)
        {
            entry.life_cycle = DOMAIN_PERSONALIZED;
        }
    }
}

/// One key in the basic or the extended format (GPCS tables 11-68 and 11-69): the key, its check value, and what follows.
fn key_data_field<'a>(data: &'a [u8], id: u8, dek: &Dek) -> Result<(Key, &'a [u8], &'a [u8]), StatusWord> {
    let wrong = StatusWord::WRONG_DATA;
    let mut bytes = Bytes(data);
    let is_extended = data.first() == Some(&EXTENDED);
    let (code, block) = bytes.component(is_extended).ok_or(wrong)?;
    let (key_type, value) = match KeyType::from_code(code).ok_or(wrong)? {
        KeyType::RsaPublic => {
            let (code, exponent) = bytes.component(is_extended).ok_or(wrong)?;
            let exponent = (code == 0xA0 && exponent.len() <= RSA_EXPONENT).then_some(exponent).ok_or(wrong)?;
            let mut value = block.to_vec();
            value.resize(block.len() + RSA_EXPONENT - exponent.len(), 0);
            value.extend_from_slice(exponent);
            (KeyType::RsaPublic, value)
        }
        symmetric @ (KeyType::Des | KeyType::Aes) => (symmetric, dek.open(block).ok_or(wrong)?),
        ecc => {
            let (0xF0, &[curve]) = bytes.component(is_extended).ok_or(wrong)? else { return Err(wrong) };
            match ecc {
                KeyType::EcPublic(_) => (KeyType::EcPublic(curve), block.to_vec()),
                _ => (KeyType::EcPrivate(curve), dek.open(block).ok_or(wrong)?),
            }
        }
    };
    if !key_type.takes(value.len()) {
        return Err(wrong);
    }
    let check_value = bytes.field().ok_or(wrong)?;
    let key_use = if is_extended { Some(bytes.key_use().ok_or(wrong)?) } else { None };
    let key = Key { id, key_type, value, key_use };
    // The check value of a secret symmetric key shall be present and right (GPCS 11.8.2.3.3); 6982 is the word for a wrong one
    // (table 11-78).
    match (key_type, check_value.len()) {
        (KeyType::Des | KeyType::Aes, 3) if same(&key.check_value(), check_value) => {}
        (KeyType::Des | KeyType::Aes, 3) => return Err(StatusWord::SECURITY_NOT_SATISFIED),
        (KeyType::RsaPublic | KeyType::EcPublic(_) | KeyType::EcPrivate(_), 0) => {}
        _ => return Err(wrong),
    }
    Ok((key, check_value, bytes.0))
}

/// First byte of a key type of two bytes.
const EXTENDED: u8 = 0xFF;

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A field whose length is one byte.
    fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(length.into())
    }

    /// Type and block of a key component; 128 may be one byte.
    fn component(&mut self, is_extended: bool) -> Option<(u8, &'a [u8])> {
        if is_extended && self.byte()? != EXTENDED {
            return None;
        }
        let code = self.byte()?;
        let length = match self.byte()? {
            0x81 => self.byte()?.into(),
            0x82 => usize::from(self.byte()?) << 8 | usize::from(self.byte()?),
            length @ 0x01..=0x80 => length.into(),
            _ => return None,
        };
        Some((code, self.take(length)?))
    }

    /// Key usage qualifier and key access.
    fn key_use(&mut self) -> Option<[u8; 3]> {
        let usage = self.field()?;
        match (usage, self.field()?) {
            (&[usage], &[access]) => Some([usage, 0, access]),
            (&[first, second], &[access]) => Some([first, second, access]),
            _ => None,
        }
    }
}

impl Dek {
    /// Deciphers a key of this length, padded up to whole cipher blocks.
    pub(crate) fn decipher(&self, cipher: &[u8], length: usize) -> Option<Vec<u8>> {
        let mut value = cipher.to_vec();
        let block = match self {
            Self::TripleDes(_) | Self::TripleDesCbc(_) => DES_BLOCK,
            Self::Aes(_) => AES_BLOCK,
        };
        if !cipher.len().is_multiple_of(block) {
            return None;
        }
        match self {
            Self::TripleDes(key) => TripleDes::new(key).decrypt_ecb(&mut value),
            Self::TripleDesCbc(key) => TripleDes::new(key).decrypt_cbc([0; 8], &mut value),
            Self::Aes(key) => Aes::new(key)?.decrypt_cbc([0; 16], &mut value),
        }
        cut(value, length, block)
    }

    /// Deciphers a key component block.
    ///
    /// A block of whole cipher blocks is the key itself, any other begins with the length of the key (GPCS 11.8.2.3.3). Amd D table 7-9
    /// has the length always; hosts do either.
    fn open(&self, block: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::TripleDes(key) | Self::TripleDesCbc(key) => {
                let (length, cipher) = component(block, DES_BLOCK)?;
                let mut value = cipher.to_vec();
                match self {
                    Self::TripleDesCbc(_) => TripleDes::new(key).decrypt_cbc([0; 8], &mut value),
                    _ => TripleDes::new(key).decrypt_ecb(&mut value),
                }
                cut(value, length, DES_BLOCK)
            }
            Self::Aes(key) => {
                let (length, cipher) = component(block, AES_BLOCK)?;
                let mut value = cipher.to_vec();
                Aes::new(key)?.decrypt_cbc([0; 16], &mut value);
                cut(value, length, AES_BLOCK)
            }
        }
    }
}

/// Length and cipher text of a key in blocks of a cipher.
fn component(block: &[u8], cipher_block: usize) -> Option<(usize, &[u8])> {
    if block.len().is_multiple_of(cipher_block) {
        return Some((block.len(), block));
    }
    let (length, cipher) = block.split_first()?;
    cipher.len().is_multiple_of(cipher_block).then_some((usize::from(*length), cipher))
}

/// Takes the padding off; there is less than a block of it.
fn cut(mut value: Vec<u8>, length: usize, block: usize) -> Option<Vec<u8>> {
    (length <= value.len() && value.len() - length < block).then(|| {
        value.truncate(length);
        value
    })
}
