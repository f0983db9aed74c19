//! Derivations of SCP11 under the private keys of the off-card entity (Amd F).
//!
//! Taken from recorded sessions; Amendment F itself was not at hand. The recordings, also those with curves of more than 256 bits,
//! derive with SHA-256; whether Amendment F wants a longer hash there is not known here.

use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{EcCurve, EcPublicKey, KeyError, KeyValue, SessionKeys, ec};

/// Random bytes that one ephemeral key pair comes from: 56, which is 64 bits more than the longest curve needs.
///
/// Used once, for one session. [`SoftwareKeys`](crate::SoftwareKeys) takes them as a number modulo the order of the curve; another
/// service may mix in a secret of its own, or keep under them a key that it drew itself: the same bytes mean the same
/// key for as long as a session is being opened.
///
/// The bytes lie on the heap: where a seed is moved, as in each step of a conversation, no copy stays behind.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct EphemeralSeed(Vec<u8>);

impl EphemeralSeed {
    /// Length, in bytes.
    pub const LEN: usize = 56;

    /// Takes random bytes.
    #[must_use]
    pub fn new(mut random: [u8; Self::LEN]) -> Self {
        let seed = Self(random.to_vec());
        random.zeroize();
        seed
    }

    /// The bytes. Whoever calls this keeps them secret.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for EphemeralSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EphemeralSeed")
    }
}

/// The host's ephemeral private key.
pub(crate) fn ephemeral(curve: EcCurve, seed: &EphemeralSeed) -> Result<KeyValue, KeyError> {
    ec::private_from_seed(curve, &seed.0)
}

/// Keys that a session of SCP11 has beside those of SCP03.
#[derive(Clone, Debug)]
pub struct Scp11Answer {
    /// Receipt key: the card proves with it that it has derived the same keys.
    pub receipt_key: KeyValue,
    /// The session keys; the DEK is S-DEK.
    pub keys: SessionKeys,
}

/// Key derivation function of ANSI X9.63 with SHA-256 (BSI TR-03111 4.3.3); `length` is in bytes.
///
/// ```text
/// output = SHA-256(secret ‖ 00000001 ‖ shared info) ‖ SHA-256(secret ‖ 00000002 ‖ shared info) ‖ ..
/// ```
#[must_use]
pub fn x963(secret: &[u8], shared_info: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut output = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(32)));
    let mut counter = 0_u32;
    while output.len() < length {
        counter += 1;
        let mut hash = Sha256::new();
        hash.update(secret);
        hash.update(counter.to_be_bytes());
        hash.update(shared_info);
        let mut block = hash.finalize();
        output.extend_from_slice(&block);
        block.zeroize();
    }
    output.truncate(length);
    output
}

/// Session keys (Amd F).
///
/// ```text
/// ShSee = ECDH(eSK.OCE, ePK.SD)
/// ShSes = ECDH(SK.OCE, PK.SD), under SCP11b ECDH(eSK.OCE, PK.SD)
/// receipt key ‖ S-ENC ‖ S-MAC ‖ S-RMAC ‖ S-DEK = X9.63(ShSee ‖ ShSes, shared info)
/// ```
///
/// `own_static` is the key of ShSes: SK.OCE, or eSK.OCE once more.
pub(crate) fn session_keys(
    ephemeral: &KeyValue,
    own_static: &KeyValue,
    card_static: &EcPublicKey,
    card_ephemeral: &EcPublicKey,
    shared_info: &[u8],
    key_length: usize,
) -> Result<Scp11Answer, KeyError> {
    if !matches!(key_length, 16 | 24 | 32) {
        return Err(KeyError::Length { actual: key_length });
    }
    if card_static.curve() != card_ephemeral.curve() {
        return Err(KeyError::PublicKey { curve: card_static.curve() });
    }
    let ee = ec::agree(ephemeral, card_ephemeral)?;
    let es = ec::agree(own_static, card_static)?;
    let secret = Zeroizing::new([&ee[..], &es[..]].concat());
    let output = x963(&secret, shared_info, 5 * key_length);
    let key = |n: usize| KeyValue::new(&output[n * key_length..][..key_length]);
    let keys = SessionKeys { enc: key(1)?, mac: key(2)?, rmac: Some(key(3)?), dek: Some(key(4)?) };
    Ok(Scp11Answer { receipt_key: key(0)?, keys })
}
