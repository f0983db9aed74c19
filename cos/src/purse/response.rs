use super::command::name;
use super::{Balance, OverdraftLimit};
use crate::Error;

/// Answer to INITIALIZE FOR LOAD and FOR UNLOAD (FMCOS 2.0 user manual table 8.3); nothing in it is believed before MAC1 is
/// verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadInitialization {
    /// What the purse holds.
    pub balance: Balance,
    /// Online transaction serial number.
    pub serial: u16,
    /// Version of the load key.
    pub key_version: u8,
    /// Algorithm of the load key.
    pub algorithm: u8,
    /// The card's random number.
    pub random: [u8; 4],
    /// MAC1.
    pub mac1: [u8; 4],
}

/// Answer to INITIALIZE FOR PURCHASE, FOR CAPP PURCHASE and FOR CASH WITHDRAW (FMCOS 2.0 user manual table 8.8). No MAC covers
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseInitialization {
    /// What the purse holds.
    pub balance: Balance,
    /// Offline transaction serial number.
    pub serial: u16,
    /// How far it may be overdrawn.
    pub overdraft: OverdraftLimit,
    /// Version of the purchase key.
    pub key_version: u8,
    /// Algorithm of the purchase key.
    pub algorithm: u8,
    /// The card's random number.
    pub random: [u8; 4],
}

/// Answer to INITIALIZE FOR UPDATE (FMCOS 2.0 user manual table 8.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverdraftInitialization {
    /// What the purse holds.
    pub balance: Balance,
    /// Online transaction serial number.
    pub serial: u16,
    /// Present overdraft limit.
    pub limit: OverdraftLimit,
    /// Version of the key.
    pub key_version: u8,
    /// Algorithm of the key.
    pub algorithm: u8,
    /// The card's random number.
    pub random: [u8; 4],
    /// MAC1.
    pub mac1: [u8; 4],
}

/// Answer to DEBIT FOR PURCHASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseResult {
    /// For the host.
    pub tac: [u8; 4],
    /// For the terminal.
    pub mac2: [u8; 4],
}

/// Answer to GET TRANSACTION PROVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionProof {
    /// May be zero for a load, whose MAC2 comes from the host.
    pub mac: [u8; 4],
    /// The transaction's TAC.
    pub tac: [u8; 4],
}

impl LoadInitialization {
    /// Reads the 16 bytes.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        Self::parse_as(name::INITIALIZE_FOR_LOAD, data)
    }

    pub(super) fn parse_as(command: &'static str, data: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; 16] = exactly(command, "16 bytes", data)?;
        let [b1, b2, b3, b4, s1, s2, key_version, algorithm, r1, r2, r3, r4, mac1 @ ..] = bytes;
        let (balance, serial) = (Balance(u32::from_be_bytes([b1, b2, b3, b4])), u16::from_be_bytes([s1, s2]));
        Ok(Self { balance, serial, key_version, algorithm, random: [r1, r2, r3, r4], mac1 })
    }
}

impl PurchaseInitialization {
    /// Reads the 15 bytes.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; 15] = exactly(name::INITIALIZE_FOR_PURCHASE, "15 bytes", data)?;
        let [b1, b2, b3, b4, s1, s2, o1, o2, o3, key_version, algorithm, random @ ..] = bytes;
        let (balance, serial) = (Balance(u32::from_be_bytes([b1, b2, b3, b4])), u16::from_be_bytes([s1, s2]));
        let overdraft = OverdraftLimit::from_bytes([o1, o2, o3]);
        Ok(Self { balance, serial, overdraft, key_version, algorithm, random })
    }
}

impl OverdraftInitialization {
    /// Reads the 19 bytes.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; 19] = exactly(name::INITIALIZE_FOR_UPDATE, "19 bytes", data)?;
        let [b1, b2, b3, b4, s1, s2, o1, o2, o3, key_version, algorithm, r1, r2, r3, r4, mac1 @ ..] = bytes;
        let (balance, serial) = (Balance(u32::from_be_bytes([b1, b2, b3, b4])), u16::from_be_bytes([s1, s2]));
        let limit = OverdraftLimit::from_bytes([o1, o2, o3]);
        Ok(Self { balance, serial, limit, key_version, algorithm, random: [r1, r2, r3, r4], mac1 })
    }
}

impl PurchaseResult {
    /// Reads the 8 bytes.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let [t1, t2, t3, t4, mac2 @ ..]: [u8; 8] = exactly(name::DEBIT, "8 bytes: TAC and MAC2", data)?;
        Ok(Self { tac: [t1, t2, t3, t4], mac2 })
    }
}

impl TransactionProof {
    /// Reads the 8 bytes.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let [m1, m2, m3, m4, tac @ ..]: [u8; 8] = exactly(name::GET_TRANSACTION_PROVE, "8 bytes: MAC and TAC", data)?;
        Ok(Self { mac: [m1, m2, m3, m4], tac })
    }
}

pub(super) fn exactly<const N: usize>(
    command: &'static str,
    expected: &'static str,
    data: &[u8],
) -> Result<[u8; N], Error> {
    data.try_into().map_err(|_| Error::Length { command, expected, actual: data.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_where_the_manual_puts_them() {
        let load = LoadInitialization::parse(&hex::decode("0000001A0017010106B825D7684C81CE").unwrap()).unwrap();
        assert_eq!((load.balance, load.serial, load.key_version, load.algorithm), (Balance(26), 23, 1, 1));
        assert_eq!((load.random, load.mac1), ([0x06, 0xB8, 0x25, 0xD7], [0x68, 0x4C, 0x81, 0xCE]));
        let purchase = PurchaseInitialization::parse(&hex::decode("0000100000020000640100584633C9").unwrap()).unwrap();
        assert_eq!((purchase.balance, purchase.serial, purchase.overdraft.get()), (Balance(0x1000), 2, 100));
        assert_eq!((purchase.key_version, purchase.algorithm, purchase.random), (1, 0, [0x58, 0x46, 0x33, 0xC9]));
        let overdraft = "00001000000200006401005846 33C9AABBCCDD".replace(' ', "");
        let overdraft = OverdraftInitialization::parse(&hex::decode(overdraft).unwrap()).unwrap();
        assert_eq!((overdraft.limit.get(), overdraft.mac1), (100, [0xAA, 0xBB, 0xCC, 0xDD]));
    }

    proptest! {
        #[test]
        fn parsing_is_total_and_exact(data in prop::collection::vec(any::<u8>(), 0..24)) {
            prop_assert_eq!(LoadInitialization::parse(&data).is_ok(), data.len() == 16);
            prop_assert_eq!(PurchaseInitialization::parse(&data).is_ok(), data.len() == 15);
            prop_assert_eq!(OverdraftInitialization::parse(&data).is_ok(), data.len() == 19);
            prop_assert_eq!(PurchaseResult::parse(&data).is_ok(), data.len() == 8);
            prop_assert_eq!(TransactionProof::parse(&data).is_ok(), data.len() == 8);
        }
    }
}
