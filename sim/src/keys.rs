//! Keys of a security domain, by key version number and key identifier (GPCS 7.5).

use std::fmt;

use minicbor::{Decode, Encode};

use crate::config::SecureChannelProtocol;
use crate::crypto::{Aes, TripleDes};

/// Key identifiers of a secure channel key set (GPCS table E-3, Amd D table 6-1).
const KEY_ENC: u8 = 1;
const KEY_MAC: u8 = 2;
const KEY_DEK: u8 = 3;
/// The base key has the first one; the standard names none.
const BASE_KEY: u8 = 1;
/// The version of a maker's initial keys, outside of the range of PUT KEY.
const INITIAL: u8 = 0xFF;

/// What a key is for, as its type code says (GPCS table 11-16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[non_exhaustive]
pub enum KeyType {
    /// Triple DES with a double-length key; type `80`, `82` is taken for the same.
    #[n(0)]
    Des,
    /// AES of 16, 24 or 32 bytes; type `88`.
    #[n(1)]
    Aes,
    /// RSA public key, modulus and then exponent in four bytes; types `A1` and `A0`.
    #[n(2)]
    RsaPublic,
    /// ECC public key, an uncompressed point, on the curve of this key parameter reference (GPCS table B-2); types `B0` and `F0`.
    #[n(3)]
    EcPublic(#[n(0)] u8),
    /// ECC private key; types `B1` and `F0`.
    #[n(4)]
    EcPrivate(#[n(0)] u8),
}

/// Key parameter references of the curves that this card knows.
pub(crate) const P256: u8 = 0x00;
pub(crate) const P384: u8 = 0x01;
/// Bytes of an RSA public exponent behind the modulus.
pub(crate) const RSA_EXPONENT: usize = 4;

impl KeyType {
    /// The type that the code of the first component in PUT KEY means, `None` when this card does not store such keys.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        match code {
            0x80 | 0x82 => Some(Self::Des),
            0x88 => Some(Self::Aes),
            0xA1 => Some(Self::RsaPublic),
            0xB0 => Some(Self::EcPublic(P256)),
            0xB1 => Some(Self::EcPrivate(P256)),
            _ => None,
        }
    }

    /// The code of the first component in the key information template.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Des => 0x80,
            Self::Aes => 0x88,
            Self::RsaPublic => 0xA1,
            Self::EcPublic(_) => 0xB0,
            Self::EcPrivate(_) => 0xB1,
        }
    }

    /// Whether a key of this type may have this length, in bytes.
    #[must_use]
    pub fn takes(self, length: usize) -> bool {
        match self {
            Self::Des => length == 16,
            Self::Aes => matches!(length, 16 | 24 | 32),
            Self::RsaPublic => (128 + RSA_EXPONENT..=512 + RSA_EXPONENT).contains(&length),
            Self::EcPublic(P256) => length == 65,
            Self::EcPublic(P384) => length == 97,
            Self::EcPrivate(P256) => length == 32,
            Self::EcPrivate(P384) => length == 48,
            Self::EcPublic(_) | Self::EcPrivate(_) => false,
        }
    }
}

/// One key of a security domain.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Key {
    /// Key identifier: 1 Key-ENC, 2 Key-MAC, 3 Key-DEK.
    #[n(0)]
    pub id: u8,
    /// Algorithm.
    #[n(1)]
    pub key_type: KeyType,
    /// The key itself.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub value: Vec<u8>,
    /// Key usage qualifier in two bytes and key access, where the key came with them (GPCS table 11-69).
    #[n(3)]
    pub key_use: Option<[u8; 3]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:02X} {:?}, {} bytes)", self.id, self.key_type, self.value.len())
    }
}

impl Key {
    /// Key check value: three bytes of the encipherment of a block of 00 (DES) or 01 (AES) (GPCS B.6).
    #[must_use]
    pub fn check_value(&self) -> [u8; 3] {
        match (self.key_type, <&[u8; 16]>::try_from(&self.value[..])) {
            (KeyType::Des, Ok(key)) => {
                let mut block = [0; 8];
                TripleDes::new(key).encrypt_ecb(&mut block);
                [block[0], block[1], block[2]]
            }
            (KeyType::Aes, _) => Aes::new(&self.value).map_or([0; 3], |aes| {
                let block = aes.encrypt_block([0x01; 16]);
                [block[0], block[1], block[2]]
            }),
            // Keys of these types have none.
            (KeyType::Des, Err(_)) | (KeyType::RsaPublic | KeyType::EcPublic(_) | KeyType::EcPrivate(_), _) => [0; 3],
        }
    }
}

/// The keys that share one key version number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeySet {
    /// Key version number.
    #[n(0)]
    pub version: u8,
    /// The keys, in the order of their identifiers.
    #[n(1)]
    pub keys: Vec<Key>,
    /// Secure channel sequence counter (GPCS E.1.2, Amd D 6.2.2.1).
    #[n(2)]
    pub sequence_counter: u32,
    /// Failed EXTERNAL AUTHENTICATEs since the last good one.
    #[n(3)]
    pub failures: u8,
}

impl KeySet {
    /// The key with this identifier.
    #[must_use]
    pub fn key(&self, id: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Key-ENC, Key-MAC and Key-DEK, when all are there, of the protocol's type and of one length; the base key three times
    /// where the protocol has one.
    pub(crate) fn channel_keys(&self, protocol: SecureChannelProtocol) -> Option<[&Key; 3]> {
        let key_type = protocol.key_type();
        let [enc, mac, dek] = channel_key_ids(protocol);
        let keys = [self.key(enc)?, self.key(mac)?, self.key(dek)?];
        let length = keys[0].value.len();
        keys.iter().all(|key| key.key_type == key_type && key.value.len() == length).then_some(keys)
    }
}

/// All keys of a security domain.
#[derive(Clone, Default, Encode, Decode)]
pub(crate) struct KeyStore {
    #[n(0)]
    pub(crate) sets: Vec<KeySet>,
}

fn channel_key_ids(protocol: SecureChannelProtocol) -> [u8; 3] {
    if protocol.has_base_key() { [BASE_KEY; 3] } else { [KEY_ENC, KEY_MAC, KEY_DEK] }
}

/// Why keys cannot be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyStoreError {
    /// The key to be replaced is not there.
    Absent,
    /// The key to be added is there, or a key would change its type or length.
    Unfit,
}

impl KeyStore {
    pub(crate) fn set(&self, version: u8) -> Option<&KeySet> {
        self.sets.iter().find(|set| set.version == version)
    }

    pub(crate) fn set_mut(&mut self, version: u8) -> Option<&mut KeySet> {
        self.sets.iter_mut().find(|set| set.version == version)
    }

    /// The set that a session is opened with: the one named, or the first complete one for 00 (GPCS E.5.1.3).
    pub(crate) fn channel_set(&self, version: u8, protocol: SecureChannelProtocol) -> Option<&KeySet> {
        let mut complete = self.sets.iter().filter(|set| set.channel_keys(protocol).is_some());
        if version == 0 { complete.next() } else { complete.find(|set| set.version == version) }
    }

    /// Adds keys under a version; all or none. A whole key set takes the place of the initial one, which PUT KEY cannot
    /// name: cards that come with version FF do so, the standard does not say.
    pub(crate) fn add(
        &mut self,
        version: u8,
        keys: Vec<Key>,
        protocol: SecureChannelProtocol,
    ) -> Result<(), KeyStoreError> {
        if keys.iter().any(|key| self.set(version).is_some_and(|set| set.key(key.id).is_some())) {
            return Err(KeyStoreError::Unfit);
        }
        let replaces_initial = channel_key_ids(protocol).iter().all(|id| keys.iter().any(|key| key.id == *id));
        self.insert(version, keys);
        if replaces_initial && version != INITIAL {
            self.sets.retain(|set| set.version != INITIAL);
        }
        Ok(())
    }

    /// Replaces keys of version `old` by keys of the same type and length under version `new`; all or none
    /// (GPCS 11.8.2.3.3).
    pub(crate) fn replace(&mut self, old: u8, new: u8, keys: Vec<Key>) -> Result<(), KeyStoreError> {
        let set = self.set(old).ok_or(KeyStoreError::Absent)?;
        for key in &keys {
            let present = set.key(key.id).ok_or(KeyStoreError::Absent)?;
            let same_kind = present.key_type == key.key_type && present.value.len() == key.value.len();
            let taken = new != old && self.set(new).is_some_and(|set| set.key(key.id).is_some());
            if !same_kind || taken {
                return Err(KeyStoreError::Unfit);
            }
        }
        let whole = set.keys.len() == keys.len();
        let replaced: Vec<u8> = keys.iter().map(|key| key.id).collect();
        if let Some(set) = self.set_mut(old) {
            set.keys.retain(|key| !replaced.contains(&key.id));
            if whole && new != old && self.set(new).is_none() {
                // The set keeps its place: version 00 of INITIALIZE UPDATE means the same set as before.
                if let Some(set) = self.set_mut(old) {
                    set.version = new;
                }
            }
        }
        self.insert(new, keys);
        self.sets.retain(|set| !set.keys.is_empty());
        Ok(())
    }

    /// Deletes what both search values name; `None` means any. Gives whether there was something.
    pub(crate) fn delete(&mut self, id: Option<u8>, version: Option<u8>) -> bool {
        let mut found = false;
        for set in self.sets.iter_mut().filter(|set| version.is_none_or(|version| version == set.version)) {
            let before = set.keys.len();
            set.keys.retain(|key| id.is_some_and(|id| id != key.id));
            found |= set.keys.len() != before;
        }
        self.sets.retain(|set| !set.keys.is_empty());
        found
    }

    /// The sequence counter starts again when a key of its set is created or updated (GPCS E.1.2, Amd D 6.2.2.1).
    fn insert(&mut self, version: u8, keys: Vec<Key>) {
        if self.set(version).is_none() {
            self.sets.push(KeySet { version, keys: Vec::new(), sequence_counter: 0, failures: 0 });
        }
        if let Some(set) = self.set_mut(version) {
            set.keys.extend(keys);
            set.keys.sort_by_key(|key| key.id);
            set.sequence_counter = 0;
            set.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCP02: SecureChannelProtocol = SecureChannelProtocol::Scp02 { i: 0x15 };

    fn key(id: u8, value: u8) -> Key {
        Key { id, key_type: KeyType::Des, value: vec![value; 16], key_use: None }
    }

    #[test]
    fn a_replaced_set_keeps_its_place_and_starts_to_count_again() {
        let mut store = KeyStore::default();
        store.add(1, vec![key(1, 1), key(2, 1), key(3, 1)], SCP02).unwrap();
        store.add(5, vec![key(1, 5), key(2, 5), key(3, 5)], SCP02).unwrap();
        store.set_mut(1).unwrap().sequence_counter = 9;
        store.replace(1, 2, vec![key(1, 2), key(2, 2), key(3, 2)]).unwrap();
        assert_eq!(store.sets.iter().map(|set| set.version).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(store.channel_set(0, SCP02).unwrap().sequence_counter, 0);
        assert_eq!(store.replace(1, 3, vec![key(1, 3)]), Err(KeyStoreError::Absent));
        assert_eq!(store.replace(2, 5, vec![key(1, 3)]), Err(KeyStoreError::Unfit));
        assert_eq!(store.add(2, vec![key(3, 3), key(4, 3)], SCP02), Err(KeyStoreError::Unfit));
        assert_eq!(store.set(2).unwrap().keys.len(), 3);
    }

    #[test]
    fn a_whole_set_takes_the_place_of_the_initial_keys() {
        let mut store = KeyStore::default();
        store.add(0xFF, vec![key(1, 0), key(2, 0)], SCP02).unwrap();
        store.add(1, vec![key(1, 1)], SCP02).unwrap();
        assert!(store.set(0xFF).is_some());
        store.add(2, vec![key(1, 2), key(2, 2), key(3, 2)], SCP02).unwrap();
        assert_eq!(store.sets.iter().map(|set| set.version).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn check_values_of_published_keys() {
        let value: Vec<u8> = (0x40..0x50).collect();
        let des = Key { id: 1, key_type: KeyType::Des, value: value.clone(), key_use: None };
        let aes = Key { id: 1, key_type: KeyType::Aes, value, key_use: None };
        assert_eq!(des.check_value(), [0x8B, 0xAF, 0x47]);
        assert_eq!(aes.check_value(), [0x50, 0x4A, 0x77]);
    }
}
