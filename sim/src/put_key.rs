//! PUT KEY (GPCS 11.8, Amd D 7.2).

use cardwright_apdu::{CommandApdu, StatusWord};

use crate::card::{Answer, JavaCard, done};
use crate::channel::Dek;
use crate::crypto::{AES_BLOCK, Aes, DES_BLOCK, TripleDes, same};
use crate::keys::{Key, KeyStoreError, KeyType};

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
        let stored = if old_version == 0 {
            self.memory.keys.add(version, keys, self.memory.config.protocol)
        } else {
            self.memory.keys.replace(old_version, version, keys)
        };
        match stored {
            Ok(()) => done(answer),
            Err(KeyStoreError::Absent) => Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
            Err(KeyStoreError::Unfit) => Err(StatusWord::WRONG_DATA),
        }
    }
}

/// `type ‖ length ‖ key component block ‖ length ‖ check value` (GPCS table 11-68): the key, its check value, and
/// what follows.
fn key_data_field<'a>(data: &'a [u8], id: u8, dek: &Dek) -> Result<(Key, &'a [u8], &'a [u8]), StatusWord> {
    let wrong = StatusWord::WRONG_DATA;
    let (&code, rest) = data.split_first().ok_or(wrong)?;
    let key_type = KeyType::from_code(code).ok_or(wrong)?;
    // A symmetric key has at most 32 bytes: one byte of length.
    let (&length, rest) = rest.split_first().ok_or(wrong)?;
    let (block, rest) = rest.split_at_checked(length.into()).ok_or(wrong)?;
    let (&length, rest) = rest.split_first().ok_or(wrong)?;
    let (check_value, rest) = rest.split_at_checked(length.into()).ok_or(wrong)?;
    let value = dek.open(block).filter(|value| key_type.takes(value.len())).ok_or(wrong)?;
    let key = Key { id, key_type, value };
    // The check value shall be present and right (GPCS 11.8.2.3.3); 6982 is the word for a wrong one (table 11-78).
    if check_value.len() != 3 {
        return Err(wrong);
    }
    if !same(&key.check_value(), check_value) {
        return Err(StatusWord::SECURITY_NOT_SATISFIED);
    }
    Ok((key, check_value, rest))
}

impl Dek {
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
