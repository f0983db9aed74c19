//! An electronic deposit (ED) or electronic purse (EP) in non-volatile memory.

use minicbor::{Decode, Encode};

/// File identifiers (general manual 8.7.1.5).
pub(super) const DEPOSIT: u8 = 0x01;
pub(super) const ELECTRONIC_PURSE: u8 = 0x02;

/// Largest overdraft limit, which has 3 bytes.
pub(super) const LARGEST_LIMIT: u32 = 0x00FF_FFFF;

#[derive(Clone, Default, Encode, Decode)]
pub(super) struct Purse {
    /// With the overdraft limit, which can be spent.
    #[n(0)]
    pub(super) balance: u32,
    #[n(1)]
    pub(super) limit: u32,
    /// Number of the next transaction on-line and off-line.
    #[n(2)]
    pub(super) online: u16,
    #[n(3)]
    pub(super) offline: u16,
    #[n(4)]
    pub(super) proof: Option<Proof>,
}

/// What GET TRANSACTION PROVE tells of the last transaction.
#[derive(Clone, Encode, Decode)]
pub(super) struct Proof {
    /// Transaction type.
    #[n(0)]
    pub(super) kind: u8,
    /// The number that the transaction had.
    #[n(1)]
    pub(super) number: u16,
    /// 00 where the transaction has none.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) mac: [u8; 4],
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(super) tac: [u8; 4],
}

impl Purse {
    /// Number of the next transaction; `one`: both kinds count together.
    pub(super) fn number(&self, online: bool, one: bool) -> u16 {
        if online || one { self.online } else { self.offline }
    }

    pub(super) fn count(&mut self, online: bool, one: bool) {
        let counter = if online || one { &mut self.online } else { &mut self.offline };
        *counter = counter.wrapping_add(1);
    }

    /// Three bytes of the limit.
    pub(super) fn limit_bytes(&self) -> [u8; 3] {
        three_bytes(self.limit)
    }
}

pub(super) fn three_bytes(limit: u32) -> [u8; 3] {
    let [_, high, middle, low] = limit.to_be_bytes();
    [high, middle, low]
}
