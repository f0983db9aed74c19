//! Commands of the terminal's security module, PSAM or ESAM, which holds master keys and computes under keys that it derives.

use cardwright_apdu::{Class, CommandApdu, Ne};

use super::response::exactly;
use super::{Amount, TransactionTime, TransactionType};
use crate::Error;

/// What DES CRYPT does: P1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Crypt {
    /// Encipher.
    Encipher = 0x00,
    /// MAC over data that begins with the IV.
    MacWithIv = 0x05,
    /// Decipher, last block of data.
    Decipher = 0x80,
}

/// Everything that MAC1 of a purchase depends on, and the serial number that the module derives the purchase key with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseMac1 {
    /// The card's random number.
    pub random: [u8; 4],
    /// The card's offline transaction serial number.
    pub serial: u16,
    /// How much.
    pub amount: Amount,
    /// TT.
    pub transaction_type: TransactionType,
    /// When.
    pub time: TransactionTime,
    /// Version of the purchase key.
    pub key_version: u8,
    /// Algorithm of the purchase key, as the card names it.
    pub algorithm: u8,
    /// What the keys are derived with, in the order of their levels: the last 8 bytes of the card's serial number, an issuer's code.
    pub levels: [Option<[u8; 8]>; 2],
}

/// INIT FOR DES CRYPT: the module derives a key, by one factor of 8 bytes a level (16 for SM4). P1 is the key's type, 39 or 59 in ETC
/// modules, P2 its identifier.
#[must_use]
pub fn init_for_des_crypt(key_type: u8, kid: u8, factors: &[u8]) -> CommandApdu {
    CommandApdu::new(Class::GP, 0x1A, key_type, kid).with_data(factors)
}

/// DES CRYPT under the key of [`init_for_des_crypt`].
#[must_use]
pub fn des_crypt(crypt: Crypt, data: &[u8]) -> CommandApdu {
    CommandApdu::new(Class::GP, 0xFA, crypt as u8, 0x00).with_data(data).with_ne(Ne::MAX_SHORT)
}

/// INIT SAM FOR PURCHASE: the module counts its own transactions and answers `terminal's SN 4 ‖ MAC1 4`.
#[must_use]
pub fn init_sam_for_purchase(input: &PurchaseMac1) -> CommandApdu {
    let mut data = [
        &input.random[..],
        &input.serial.to_be_bytes(),
        &input.amount.get().to_be_bytes(),
        &[input.transaction_type.0],
        &input.time.to_bytes(),
        &[input.key_version, input.algorithm],
    ]
    .concat();
    input.levels.iter().flatten().for_each(|level| data.extend_from_slice(level));
    CommandApdu::new(Class::GP, 0x70, 0x00, 0x00).with_data(data).with_ne(Ne::new(8).unwrap_or_default())
}

/// CREDIT SAM FOR PURCHASE: the module checks the card's MAC2; `9000` when it is right.
#[must_use]
pub fn credit_sam_for_purchase(mac2: [u8; 4]) -> CommandApdu {
    CommandApdu::new(Class::GP, 0x72, 0x00, 0x00).with_data(mac2)
}

/// The answer to [`init_sam_for_purchase`]: the terminal's serial number and MAC1.
///
/// # Errors
/// [`Error::Length`].
pub fn parse_purchase_mac1(data: &[u8]) -> Result<(u32, [u8; 4]), Error> {
    let [s1, s2, s3, s4, mac1 @ ..]: [u8; 8] = exactly("INIT SAM FOR PURCHASE", "8 bytes: SN and MAC1", data)?;
    Ok((u32::from_be_bytes([s1, s2, s3, s4]), mac1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_of_a_purchase_are_as_the_module_reads_them() {
        let input = PurchaseMac1 {
            random: [0x58, 0x46, 0x33, 0xC9],
            serial: 2,
            amount: Amount::new(1).unwrap(),
            transaction_type: TransactionType::WALLET_PURCHASE,
            time: TransactionTime::new(2016, 12, 16, 13, 46, 0).unwrap(),
            key_version: 1,
            algorithm: 0,
            levels: [Some([0x11; 8]), None],
        };
        let bytes = init_sam_for_purchase(&input).to_bytes().unwrap();
        let expected = "807000001C584633C90002000000010620161216134600010011111111111111110 8".replace(' ', "");
        assert_eq!(hex::encode_upper(&bytes[..]), expected);
        assert_eq!(parse_purchase_mac1(&[0, 0, 0, 9, 1, 2, 3, 4]).unwrap(), (9, [1, 2, 3, 4]));
        assert!(parse_purchase_mac1(&[0; 7]).is_err());
    }

    #[test]
    fn crypt_commands() {
        let hex = |command: CommandApdu| hex::encode_upper(&command.to_bytes().unwrap()[..]);
        assert_eq!(hex(init_for_des_crypt(0x59, 0x01, &[0xAA; 16])), "801A590110AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(hex(des_crypt(Crypt::Decipher, &[0xBB; 8])), "80FA800008BBBBBBBBBBBBBBBB00");
        assert_eq!(hex(credit_sam_for_purchase([1, 2, 3, 4])), "807200000401020304");
    }
}
