//! The commands as values (FMCOS 2.0 general manual chapter 6, special manual chapter 1).

use cardwright_apdu::{Class, CommandApdu, Instruction, Ne};

/// GET CHALLENGE of 4 or 8 bytes; the challenge is good for the next command only.
#[must_use]
pub fn get_challenge(length: u8) -> CommandApdu {
    CommandApdu::new(Class::ISO, Instruction::GET_CHALLENGE, 0, 0).with_ne(Ne::new(length.into()).unwrap_or_default())
}

/// EXTERNAL AUTHENTICATE with the key of this identifier.
#[must_use]
pub fn external_authenticate(kid: u8, cryptogram: [u8; 8]) -> CommandApdu {
    CommandApdu::new(Class::ISO, Instruction::EXTERNAL_AUTHENTICATE, 0, kid).with_data(cryptogram)
}

/// EXTERNAL AUTHENTICATE without data: asks for the retry counter and consumes no try (ISO 7816-4 11.5.4).
#[must_use]
pub fn query_tries(kid: u8) -> CommandApdu {
    CommandApdu::new(Class::ISO, Instruction::EXTERNAL_AUTHENTICATE, 0, kid)
}

/// WRITE KEY in plain that adds a key, in a fresh file whose rights allow it: `record` is header and key.
#[must_use]
pub fn add_key_plain(kid: u8, record: &[u8]) -> CommandApdu {
    CommandApdu::new(Class::GP, Instruction::WRITE_KEY, 0x01, kid).with_data(record)
}

/// CLA INS P1 P2 of WRITE KEY with enciphered data and MAC. P1 is 01 to add a key, else the type of the key to update.
#[must_use]
pub fn write_key_header(p1: u8, kid: u8) -> [u8; 4] {
    [0x84, Instruction::WRITE_KEY.0, p1, kid]
}

/// WRITE KEY with `cipher ‖ MAC4` for a header from [`write_key_header`].
#[must_use]
pub fn write_key(header: [u8; 4], data: &[u8]) -> CommandApdu {
    let [cla, ins, p1, p2] = header;
    CommandApdu::new(cla, ins, p1, p2).with_data(data)
}
