//! The code with which a card is picked up: short enough to be typed, and stored as a keyed hash only.
//!
//! Ten characters of Crockford's base 32 (50 random bits) and his check character, written `XXXXX-XXXXXC`. Reading passes over hyphens
//! and spaces, takes small letters, and takes `O` for `0`, `I` and `L` for `1`. The check character finds every single wrong
//! character and every two that were exchanged, so that a slip of the finger is told apart from a guess.
//!
//! 50 bits are guessed online only, against rate limits: what is stored is HMAC-SHA256 under a key that lies elsewhere (a key store),
//! so that whoever copies the journal or a kiosk's replica cannot try codes out.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::journal::{Entity, EntityError, hex};

/// Characters without the check character.
pub const LENGTH: usize = 10;

const SYMBOLS: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
const GROUP: usize = 5;
const CONTEXT: &[u8] = b"cardwright pick-up code 1";

/// A code in the clear: wiped when dropped, shown by nothing but [`PickUpCode::reveal`].
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PickUpCode([u8; LENGTH]);

impl PickUpCode {
    /// Makes one of sixteen random bytes, which must be unpredictable.
    #[must_use]
    pub fn draw(random: [u8; 16]) -> Self {
        let random = Zeroizing::new(random);
        let mut bits = Zeroizing::new(random[..8].iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)));
        let mut values = [0; LENGTH];
        for value in &mut values {
            *value = (*bits & 0x1F) as u8;
            *bits >>= 5;
        }
        Self(values)
    }

    /// Reads what a person typed.
    ///
    /// # Errors
    /// [`CodeError`] says what is wrong with it, in words for the person.
    pub fn parse(typed: &str) -> Result<Self, CodeError> {
        let mut values = Zeroizing::new([0; LENGTH + 1]);
        let mut count = 0;
        for (offset, character) in typed.chars().enumerate().filter(|(_, character)| !matches!(character, '-' | ' ')) {
            let value = value(character).ok_or(CodeError::Character { position: offset + 1 })?;
            // Only the check character may be one of the last five symbols.
            if value >= 32 && count < LENGTH {
                return Err(CodeError::Character { position: offset + 1 });
            }
            *values.get_mut(count).ok_or(CodeError::Length)? = value;
            count += 1;
        }
        if count != LENGTH + 1 {
            return Err(CodeError::Length);
        }
        let mut code = Self([0; LENGTH]);
        code.0.copy_from_slice(&values[..LENGTH]);
        if code.check() == values[LENGTH] { Ok(code) } else { Err(CodeError::Check) }
    }

    /// The code as it is told to the person whose it is.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = String::with_capacity(LENGTH + 2);
        for (n, value) in self.0.iter().chain([&self.check()]).enumerate() {
            if n == GROUP {
                text.push('-');
            }
            text.push(char::from(SYMBOLS[usize::from(*value)]));
        }
        Zeroizing::new(text)
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self, pepper: &Pepper) -> CodeHash {
        pepper.hash(&self.0)
    }

    fn check(&self) -> u8 {
        let rest = self.0.iter().fold(0_u64, |rest, value| (rest * 32 + u64::from(*value)) % 37);
        rest as u8
    }
}

impl fmt::Debug for PickUpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PickUpCode")
    }
}

fn value(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    SYMBOLS.iter().position(|symbol| char::from(*symbol) == character).map(|value| value as u8)
}

/// Not a code that anybody was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Too short or too long.
    #[error("a code has {} characters and a check character", LENGTH)]
    Length,
    /// A character that no code has.
    #[error("character {position} is none that a code has")]
    Character {
        /// Which, from 1.
        position: usize,
    },
    /// The check character does not fit: a slip.
    #[error("the check character does not fit: look at the code again")]
    Check,
}

/// The key under which codes are hashed. It comes from a key store and is wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Pepper {
    #[zeroize(skip)]
    id: u32,
    key: [u8; 32],
}

impl Pepper {
    /// Takes the key over; its number is stored with each hash, so that keys can be changed.
    #[must_use]
    pub fn new(id: u32, key: [u8; 32]) -> Self {
        Self { id, key }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// What is stored of a code of another system, an old one of [`insecure_md5`] say. It is taken as it is typed, without spaces at
    /// its ends and without regard to case.
    #[must_use]
    pub fn hash_text(&self, typed: &str) -> CodeHash {
        let text = Zeroizing::new(typed.trim().to_ascii_lowercase());
        self.hash(text.as_bytes())
    }

    fn hash(&self, code: &[u8]) -> CodeHash {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        mac.update(CONTEXT);
        mac.update(code);
        CodeHash { key: self.id, hash: mac.finalize().into_bytes().into() }
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pepper").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What is stored of a code, and all that a kiosk's replica has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct CodeHash {
    #[n(0)]
    key: u32,
    #[cbor(n(1), with = "minicbor::bytes")]
    hash: [u8; 32],
}

impl CodeHash {
    /// Number of the key.
    #[must_use]
    pub fn key_id(&self) -> u32 {
        self.key
    }

    /// Name of the voucher's entity: `voucher/<key number>-<hash>`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("voucher/{}-{}", self.key, hex(&self.hash))
    }

    /// The voucher's entity.
    ///
    /// # Errors
    /// None in practice: the name is short and printable.
    pub fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(&self.name())
    }
}

/// The form of old systems: MD5 over student number, time of the application and the number of the day, all of which can be guessed.
///
/// Insecure: whoever knows a student number finds the code by trying the times of a day. For kiosks that cannot be changed.
#[cfg(feature = "insecure-md5")]
#[must_use]
pub fn insecure_md5(student_number: &str, applied_at: &str, sequence: u32) -> Zeroizing<String> {
    use md5::{Digest, Md5};

    let text = Zeroizing::new(format!("{student_number}{applied_at}{sequence}"));
    let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
    Zeroizing::new(hex(&digest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pepper() -> Pepper {
        Pepper::new(7, [0x5A; 32])
    }

    #[test]
    fn a_code_is_written_in_two_groups_and_read_as_people_type() {
        let code = PickUpCode::draw([0xFF, 0, 0, 0, 0, 0, 0x12, 0x34, 9, 9, 9, 9, 9, 9, 9, 9]);
        let text = code.reveal();
        assert_eq!(text.len(), LENGTH + 2);
        let hash = code.hash(&pepper());
        let typed = [text.to_lowercase(), text.replace('-', ""), text.replace('-', " "), text.replace('0', "o")];
        for typed in typed {
            assert_eq!(PickUpCode::parse(&typed).unwrap().hash(&pepper()), hash, "{typed}");
        }
    }

    #[test]
    fn what_is_no_code_is_told_what_is_wrong_with_it() {
        let error = |typed: &str| PickUpCode::parse(typed).unwrap_err();
        assert_eq!(error(""), CodeError::Length);
        assert_eq!(error("00000-0000"), CodeError::Length);
        assert_eq!(error("00000-0000000"), CodeError::Length);
        assert_eq!(error(&"0".repeat(1 << 20)), CodeError::Length);
        assert_eq!(error("0000?-000000"), CodeError::Character { position: 5 });
        assert_eq!(error("*0000-000000"), CodeError::Character { position: 1 });
        assert_eq!(error("校00000000000"), CodeError::Character { position: 1 });
        assert_eq!(error("00000-000001"), CodeError::Check);
        assert!(PickUpCode::parse("00000-000000").is_ok());
    }

    #[test]
    fn the_hash_depends_on_code_and_key() {
        let (one, other) = (PickUpCode::draw([1; 16]), PickUpCode::draw([2; 16]));
        assert_ne!(one.hash(&pepper()), other.hash(&pepper()));
        assert_ne!(one.hash(&pepper()), one.hash(&Pepper::new(7, [0x5B; 32])));
        assert_eq!(one.hash(&pepper()).entity().unwrap().as_str().len(), "voucher/7-".len() + 64);
        assert_eq!(pepper().hash_text(" ABC "), pepper().hash_text("abc"));
    }

    #[test]
    fn nothing_shows_code_or_key() {
        let code = PickUpCode::draw([3; 16]);
        assert_eq!(format!("{code:?}"), "PickUpCode");
        assert_eq!(format!("{:?}", pepper()), "Pepper { id: 7, .. }");
    }

    #[cfg(feature = "insecure-md5")]
    #[test]
    fn the_old_form_can_be_made_again() {
        // RFC 1321, A.5: MD5 of "abc", of "message digest".
        assert_eq!(*insecure_md5("", "abc", 1), *insecure_md5("a", "bc", 1));
        assert_eq!(
            *insecure_md5("1234567890123456789012345678901234567890", "1234567890123456789012345678901234567", 890),
            "57edf4a22be3c955ac49da2e2107b67a"
        );
    }

    proptest! {
        /// One wrong character, or two neighbours exchanged, never make another code.
        #[test]
        fn slips_are_found(random: [u8; 16], at in 0..=LENGTH, to in 0_usize..32) {
            let text = PickUpCode::draw(random).reveal().replace('-', "");
            let mut wrong: Vec<u8> = text.clone().into_bytes();
            wrong[at] = SYMBOLS[to];
            if wrong != text.as_bytes() {
                prop_assert_eq!(PickUpCode::parse(std::str::from_utf8(&wrong).unwrap()).unwrap_err(), CodeError::Check);
            }
            let mut exchanged: Vec<u8> = text.clone().into_bytes();
            exchanged.swap(at.min(LENGTH - 2), at.min(LENGTH - 2) + 1);
            if exchanged != text.as_bytes() {
                prop_assert!(PickUpCode::parse(std::str::from_utf8(&exchanged).unwrap()).is_err());
            }
        }

        #[test]
        fn what_is_told_is_read_back(random: [u8; 16]) {
            let code = PickUpCode::draw(random);
            prop_assert_eq!(PickUpCode::parse(&code.reveal()).unwrap().hash(&pepper()), code.hash(&pepper()));
        }

        #[test]
        fn nothing_typed_panics(typed: String) {
            let _ = PickUpCode::parse(&typed);
        }
    }
}
