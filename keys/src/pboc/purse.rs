//! MACs and TACs of an electronic purse (JR/T 0025; FMCOS 2.0 user manual 8.7 to 8.12).

use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CardKey, MacPadding};
use crate::{KeyError, KeyKind, KeyRef, KeyValue};

/// A MAC of a purse transaction: under which key, how it is used, over what. The IV is zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurseMac {
    /// The card's own key, DES or SM4: load, unload, purchase, overdraft or TAC key.
    pub key: KeyRef,
    /// What the key is used for.
    pub key_use: PurseKeyUse,
    /// What the MAC is computed over, without padding.
    pub data: Vec<u8>,
}

/// What a key of a purse is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PurseKeyUse {
    /// A session key is derived, and the MAC is computed under it: MAC1, MAC2, MAC3.
    Session {
        /// `random 4 ‖ SN 2 ‖ 80 00`, or `random 4 ‖ SN 2 ‖ terminal's SN 2`.
        input: [u8; 8],
    },
    /// The halves of a DES key, one xored onto the other, are the key: TAC.
    Folded,
    /// The key is used as it is: TAC under SM4.
    Whole,
}

impl PurseKeyUse {
    /// The first 4 bytes of the MAC over `data ‖ 80 00 ..`, IV of zeros.
    ///
    /// # Errors
    /// [`KeyError::Length`] when the key's length does not fit its kind, [`KeyError::Unsupported`] for kinds that purses do not
    /// have, and for an SM4 key to be folded.
    pub fn mac(&self, kind: KeyKind, key: &KeyValue, data: &[u8]) -> Result<[u8; 4], KeyError> {
        let key = match (self, kind) {
            (Self::Session { input }, _) => CardKey::new(kind, &session_key(kind, key, input)?)?,
            (Self::Folded, KeyKind::Tdes) => CardKey::folded(key)?,
            (Self::Folded, _) => return Err(KeyError::Unsupported),
            (Self::Whole, _) => CardKey::new(kind, key)?,
        };
        Ok(key.mac(&[0; 8], MacPadding::Always, data))
    }
}

/// Session key of a purse transaction.
///
/// ```text
/// DES, 3DES   SES = E(K, IN),           8 bytes
/// SM4         SES = E(K, IN ‖ not IN), 16 bytes
/// ```
///
/// # Errors
/// [`KeyError::Length`] when the key's length does not fit its kind, [`KeyError::Unsupported`] for kinds that purses do not have.
pub fn session_key(kind: KeyKind, key: &KeyValue, input: &[u8; 8]) -> Result<KeyValue, KeyError> {
    let cipher = CardKey::new(kind, key)?;
    let mut session = Zeroizing::new(super::diversification_data(input));
    let session = &mut session[..cipher.block_len()];
    cipher.encrypt(session)?;
    KeyValue::new(session)
}

/// Whether two MACs are equal, in constant time.
#[must_use]
pub fn is_same_mac(left: [u8; 4], right: [u8; 4]) -> bool {
    left.ct_eq(&right).into()
}
