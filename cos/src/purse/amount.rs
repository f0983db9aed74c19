use core::fmt;
use core::num::NonZeroU32;

use thiserror::Error;

/// An amount of money that moves, in the smallest unit of the currency: 1 to 4294967295.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(NonZeroU32);

/// What a purse holds, in the smallest unit of the currency.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Balance(pub u32);

/// How far an electronic deposit may be overdrawn, in the smallest unit of the currency: 0 to 16777215.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OverdraftLimit(u32);

/// An amount that no purse can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AmountError {
    /// Nothing would move.
    #[error("an amount of 0 moves nothing")]
    Zero,
    /// More than may move, or than its field can say.
    #[error("the amount {actual} is over the limit of {limit}")]
    OverLimit {
        /// The amount.
        actual: u64,
        /// The limit.
        limit: u32,
    },
    /// The purse would hold more than it may.
    #[error("a balance of {balance} and {amount} more is over the limit of {limit}")]
    BalanceOverLimit {
        /// What the purse holds.
        balance: u32,
        /// What would come to it.
        amount: u32,
        /// The most that it may hold.
        limit: u32,
    },
}

impl Amount {
    /// The largest amount of the four bytes that commands have for it.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// Takes an amount.
    ///
    /// # Errors
    /// [`AmountError::Zero`], [`AmountError::OverLimit`] for more than four bytes can say.
    pub fn new(units: u64) -> Result<Self, AmountError> {
        let fits = u32::try_from(units).map_err(|_| AmountError::OverLimit { actual: units, limit: u32::MAX })?;
        NonZeroU32::new(fits).map(Self).ok_or(AmountError::Zero)
    }

    /// The amount, when it is not over a limit.
    ///
    /// # Errors
    /// [`AmountError::OverLimit`].
    pub fn within(self, limit: Self) -> Result<Self, AmountError> {
        match self <= limit {
            true => Ok(self),
            false => Err(AmountError::OverLimit { actual: self.get().into(), limit: limit.get() }),
        }
    }

    /// The number of units.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }

    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.get().to_be_bytes()
    }
}

impl Balance {
    /// The balance after a load.
    ///
    /// # Errors
    /// [`AmountError::BalanceOverLimit`] when the purse would hold more than `limit`.
    pub fn plus(self, amount: Amount, limit: Self) -> Result<Self, AmountError> {
        let over = AmountError::BalanceOverLimit { balance: self.0, amount: amount.get(), limit: limit.0 };
        self.0.checked_add(amount.get()).map(Self).filter(|sum| *sum <= limit).ok_or(over)
    }

    /// The balance after a debit, `None` when it is not enough.
    #[must_use]
    pub fn minus(self, amount: Amount) -> Option<Self> {
        self.0.checked_sub(amount.get()).map(Self)
    }

    pub(crate) fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl OverdraftLimit {
    /// Takes a limit; 0 ends the overdraft.
    ///
    /// # Errors
    /// [`AmountError::OverLimit`] for more than three bytes can say.
    pub fn new(units: u64) -> Result<Self, AmountError> {
        match u32::try_from(units) {
            Ok(fits) if fits <= 0x00FF_FFFF => Ok(Self(fits)),
            _ => Err(AmountError::OverLimit { actual: units, limit: 0x00FF_FFFF }),
        }
    }

    /// The number of units.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))
    }

    pub(crate) fn to_bytes(self) -> [u8; 3] {
        let [_, rest @ ..] = self.0.to_be_bytes();
        rest
    }
}

macro_rules! shown {
    ($($type:ident: $get:expr;)*) => {
        $(impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let get: fn(&Self) -> u32 = $get;
                fmt::Display::fmt(&get(self), f)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        })*
    };
}

shown! {
    Amount: |amount| amount.get();
    Balance: |balance| balance.0;
    OverdraftLimit: |limit| limit.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_moves_something_and_fits_its_field() {
        assert_eq!(Amount::new(0), Err(AmountError::Zero));
        assert_eq!(Amount::new(1 << 32), Err(AmountError::OverLimit { actual: 1 << 32, limit: u32::MAX }));
        assert_eq!(Amount::new(u64::MAX), Err(AmountError::OverLimit { actual: u64::MAX, limit: u32::MAX }));
        assert_eq!(Amount::new((1 << 32) - 1), Ok(Amount::MAX));
        let limit = Amount::new(1000).unwrap();
        assert_eq!(Amount::new(1001).unwrap().within(limit), Err(AmountError::OverLimit { actual: 1001, limit: 1000 }));
        assert!(limit.within(limit).is_ok());
    }

    #[test]
    fn a_balance_stays_within_its_limit() {
        let one = Amount::new(1).unwrap();
        let full = Balance(u32::MAX);
        assert!(full.plus(one, full).is_err());
        assert_eq!(Balance(99).plus(one, Balance(100)), Ok(Balance(100)));
        assert!(Balance(100).plus(one, Balance(100)).is_err());
        assert_eq!(Balance(0).minus(one), None);
    }

    #[test]
    fn an_overdraft_limit_has_three_bytes() {
        assert!(OverdraftLimit::new(0x0100_0000).is_err());
        let limit = OverdraftLimit::new(0x00AB_CDEF).unwrap();
        assert_eq!(limit.to_bytes(), [0xAB, 0xCD, 0xEF]);
        assert_eq!(OverdraftLimit::from_bytes(limit.to_bytes()), limit);
    }
}
