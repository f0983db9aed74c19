use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::cipher::{Sm4, Tdes};
use crate::{KeyError, KeyKind, KeyValue};

/// With which algorithm a native card computes and checks MACs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MacAlgorithm {
    /// ISO 9797-1 algorithm 1 with a DES key of 8 bytes, algorithm 3 ("retail MAC") with one of 16.
    #[default]
    Tdes,
    /// Algorithm 1 under the exclusive or of the halves of a 16-byte key (RELOAD PIN, TAC; JR/T 0025).
    FoldedDes,
    /// CBC-MAC with SM4, blocks of 16 bytes (PBOC 3.0 and transport cards).
    Sm4,
}

/// Whether data that fill their last block are followed by a block of padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MacPadding {
    /// `80 00 ..` always, a whole block when the data are aligned (ISO 9797-1 method 2; JR/T 0025).
    #[default]
    Always,
    /// `80 00 ..` only when the data are not aligned: what some cards in the field do.
    WhenUnaligned,
}

/// How a kind of card computes MACs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacSuite {
    /// The algorithm.
    pub algorithm: MacAlgorithm,
    /// The padding.
    pub padding: MacPadding,
}

impl MacSuite {
    /// The suite with this algorithm and padding always.
    #[must_use]
    pub fn new(algorithm: MacAlgorithm) -> Self {
        Self { algorithm, padding: MacPadding::Always }
    }

    /// Which kind of key it takes.
    #[must_use]
    pub fn key_kind(self) -> KeyKind {
        match self.algorithm {
            MacAlgorithm::Tdes | MacAlgorithm::FoldedDes => KeyKind::Tdes,
            MacAlgorithm::Sm4 => KeyKind::Sm4,
        }
    }

    /// The first 4 bytes of the MAC.
    ///
    /// ```text
    /// MAC = first 4 bytes of CBC-MAC(key, IV, data ‖ 80 00 ..)
    /// ```
    ///
    /// The IV is filled up with zeros to a block: a card's challenge of 4 or 8 bytes, or zeros.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the key's length does not fit the algorithm.
    pub fn mac(self, key: &KeyValue, iv: &[u8; 8], data: &[u8]) -> Result<[u8; 4], KeyError> {
        let key = match self.algorithm {
            MacAlgorithm::FoldedDes => CardKey::folded(key)?,
            MacAlgorithm::Tdes | MacAlgorithm::Sm4 => CardKey::new(self.key_kind(), key)?,
        };
        Ok(key.mac(iv, self.padding, data))
    }
}

/// A key of a native card, expanded for what such cards compute (FMCOS 2.0 manuals; SM4 as transport cards have it).
pub struct CardKey(Cipher);

enum Cipher {
    Tdes(Box<Tdes>),
    Sm4(Box<Sm4>),
}

impl CardKey {
    /// Expands a DES key of 8 or 16 bytes, or an SM4 key.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the length does not fit the kind, [`KeyError::Unsupported`] for a kind that native cards do
    /// not have.
    pub fn new(kind: KeyKind, key: &KeyValue) -> Result<Self, KeyError> {
        Ok(Self(match kind {
            KeyKind::Tdes => Cipher::Tdes(Box::new(Tdes::new(key)?)),
            KeyKind::Sm4 => Cipher::Sm4(Box::new(Sm4::new(key)?)),
            _ => return Err(KeyError::Unsupported),
        }))
    }

    /// Expands the exclusive or of the halves of a 16-byte DES key; one of 8 bytes is taken as it is.
    ///
    /// # Errors
    /// [`KeyError::Length`] for other than 8 or 16 bytes.
    pub fn folded(key: &KeyValue) -> Result<Self, KeyError> {
        let bytes = key.expose_bytes();
        let mut half = Zeroizing::new([0; 8]);
        match bytes.len() {
            8 => half.copy_from_slice(bytes),
            16 => half.iter_mut().zip(&bytes[..8]).zip(&bytes[8..]).for_each(|((to, left), right)| *to = left ^ right),
            actual => return Err(KeyError::Length { actual }),
        }
        Self::new(KeyKind::Tdes, &KeyValue::new(&half[..])?)
    }

    /// Length of a block, in bytes: 8 or 16.
    #[must_use]
    pub fn block_len(&self) -> usize {
        match self.0 {
            Cipher::Tdes(_) => 8,
            Cipher::Sm4(_) => 16,
        }
    }

    /// ECB in place.
    ///
    /// # Errors
    /// [`KeyError::DataLength`] when the data are not whole blocks.
    pub fn encrypt(&self, data: &mut [u8]) -> Result<(), KeyError> {
        self.check_blocks(data)?;
        match &self.0 {
            Cipher::Tdes(tdes) => tdes.ecb_encrypt(data),
            Cipher::Sm4(sm4) => sm4.ecb_encrypt(data),
        }
        Ok(())
    }

    /// ECB in place, backwards.
    ///
    /// # Errors
    /// [`KeyError::DataLength`] when the data are not whole blocks.
    pub fn decrypt(&self, data: &mut [u8]) -> Result<(), KeyError> {
        self.check_blocks(data)?;
        match &self.0 {
            Cipher::Tdes(tdes) => tdes.ecb_decrypt(data),
            Cipher::Sm4(sm4) => sm4.ecb_decrypt(data),
        }
        Ok(())
    }

    /// The answer to a challenge, for EXTERNAL AUTHENTICATE.
    ///
    /// ```text
    /// DES, 3DES   E(challenge), a challenge of 4 bytes filled up with zeros to 8
    /// SM4         left half xor right half of E(challenge), one of 4 or 8 bytes filled up with zeros to 16
    /// ```
    ///
    /// # Errors
    /// [`KeyError::DataLength`] when the challenge is empty or longer than a block.
    pub fn cryptogram(&self, challenge: &[u8]) -> Result<[u8; 8], KeyError> {
        let limit = self.block_len();
        let mut block = [0; 16];
        match block.get_mut(..challenge.len()) {
            Some(place) if (1..=limit).contains(&challenge.len()) => place.copy_from_slice(challenge),
            _ => return Err(KeyError::DataLength { actual: challenge.len(), limit }),
        }
        self.encrypt(&mut block[..limit])?;
        Ok(core::array::from_fn(|i| match self.0 {
            Cipher::Tdes(_) => block[i],
            Cipher::Sm4(_) => block[i] ^ block[8 + i],
        }))
    }

    /// Data of a command, enciphered.
    ///
    /// ```text
    /// cipher = ECB(key, LD ‖ data ‖ 80 00 ..),  padding only when LD ‖ data is not aligned
    /// ```
    ///
    /// # Errors
    /// [`KeyError::DataLength`] for more than 255 bytes of data.
    pub fn encipher(&self, data: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut block = super::plain_block_of(self.block_len(), data)?;
        self.encrypt(&mut block)?;
        Ok(block.to_vec())
    }

    /// What [`CardKey::encipher`] enciphered; `None` when it is none.
    #[must_use]
    pub fn decipher(&self, cipher: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(cipher.to_vec());
        self.decrypt(&mut plain).ok()?;
        let (length, rest) = plain.split_first()?;
        let (data, padding) = rest.split_at_checked((*length).into())?;
        let is_padding = match padding {
            [] => true,
            [0x80, zeros @ ..] => zeros.len() + 1 < self.block_len() && zeros.iter().all(|byte| *byte == 0),
            _ => false,
        };
        is_padding.then(|| Zeroizing::new(data.to_vec()))
    }

    /// The first 4 bytes of the MAC; see [`MacSuite::mac`].
    #[must_use]
    pub fn mac(&self, iv: &[u8; 8], padding: MacPadding, data: &[u8]) -> [u8; 4] {
        let mut input = Zeroizing::new(Vec::with_capacity(data.len() + self.block_len()));
        input.extend_from_slice(data);
        if padding == MacPadding::Always || data.is_empty() || !data.len().is_multiple_of(self.block_len()) {
            input.push(0x80);
            let padded = input.len().next_multiple_of(self.block_len());
            input.resize(padded, 0);
        }
        match &self.0 {
            Cipher::Tdes(tdes) => first(&tdes.mac(iv, &mut input)),
            Cipher::Sm4(sm4) => {
                let mut wide = [0; 16];
                wide[..8].copy_from_slice(iv);
                sm4.cbc_encrypt(&wide, &mut input);
                let mac = first(&input[input.len() - 16..]);
                input.zeroize();
                mac
            }
        }
    }

    fn check_blocks(&self, data: &[u8]) -> Result<(), KeyError> {
        let (actual, block) = (data.len(), self.block_len());
        if actual % block == 0 { Ok(()) } else { Err(KeyError::DataLength { actual, limit: actual - actual % block }) }
    }
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardKey")
    }
}

fn first(mac: &[u8]) -> [u8; 4] {
    let mut short = [0; 4];
    short.copy_from_slice(&mac[..4]);
    short
}
