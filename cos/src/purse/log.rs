use thiserror::Error;

use super::{Amount, AmountError, OverdraftLimit, TerminalNumber, TimeError, TransactionTime, TransactionType};

/// Length of a record of the transaction log, in bytes.
pub const LOG_RECORD_LENGTH: usize = 23;

/// A record of the transaction log, the cyclic file 0018 (FMCOS 2.0 user manual table A-3).
///
/// ```text
/// SN 2 | overdraft limit 3 | amount 4 | TT 1 | terminal 6 | date 4 | time 3
/// ```
///
/// No MAC covers it: a record helps a person to decide, and is no proof for a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Online or offline transaction serial number, before it was raised.
    pub serial: u16,
    /// Overdraft limit.
    pub overdraft: OverdraftLimit,
    /// How much; a new overdraft limit moves nothing.
    pub amount: Option<Amount>,
    /// TT.
    pub transaction_type: TransactionType,
    /// Where.
    pub terminal: TerminalNumber,
    /// When.
    pub time: TransactionTime,
}

/// Bytes that are no record of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LogRecordError {
    /// Another length.
    #[error("a log record has 23 bytes, not {actual}")]
    Length {
        /// Length given, in bytes.
        actual: usize,
    },
    /// All 00 or all FF: nothing was written there yet.
    #[error("the log record is empty")]
    Empty,
    /// An amount that cannot be.
    #[error("log record, offset 5: {0}")]
    Amount(AmountError),
    /// A date or time that does not exist.
    #[error("log record, offset 16: {0}")]
    Time(TimeError),
}

impl LogRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// [`LogRecordError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LogRecordError> {
        let record: [u8; LOG_RECORD_LENGTH] =
            bytes.try_into().map_err(|_| LogRecordError::Length { actual: bytes.len() })?;
        if record == [0x00; LOG_RECORD_LENGTH] || record == [0xFF; LOG_RECORD_LENGTH] {
            return Err(LogRecordError::Empty);
        }
        let [s1, s2, o1, o2, o3, a1, a2, a3, a4, tt, rest @ ..] = record;
        let [t1, t2, t3, t4, t5, t6, time @ ..] = rest;
        let transaction_type = TransactionType(tt);
        let amount = match Amount::new(u32::from_be_bytes([a1, a2, a3, a4]).into()) {
            Ok(amount) => Some(amount),
            Err(AmountError::Zero) if transaction_type == TransactionType::OVERDRAFT => None,
            Err(error) => return Err(LogRecordError::Amount(error)),
        };
        Ok(Self {
            serial: u16::from_be_bytes([s1, s2]),
            overdraft: OverdraftLimit::from_bytes([o1, o2, o3]),
            amount,
            transaction_type,
            terminal: TerminalNumber([t1, t2, t3, t4, t5, t6]),
            time: TransactionTime::from_bytes(time).map_err(LogRecordError::Time)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORD: &str = "0000000000000010000100112233445520111221214822";

    #[test]
    fn a_record_says_what_happened() {
        let record = LogRecord::parse(&hex::decode(RECORD).unwrap()).unwrap();
        assert_eq!((record.serial, record.overdraft.get()), (0, 0));
        assert_eq!(record.amount, Some(Amount::new(0x1000).unwrap()));
        assert_eq!(record.transaction_type, TransactionType::DEPOSIT_LOAD);
        assert_eq!(record.terminal, "001122334455".parse().unwrap());
        assert_eq!(record.time, TransactionTime::new(2011, 12, 21, 21, 48, 22).unwrap());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let good = hex::decode(RECORD).unwrap();
        assert_eq!(LogRecord::parse(&good[..22]), Err(LogRecordError::Length { actual: 22 }));
        assert_eq!(LogRecord::parse(&[0xFF; 23]), Err(LogRecordError::Empty));
        let changed = |at: usize, value: u8| {
            let mut record = good.clone();
            record[at] = value;
            LogRecord::parse(&record)
        };
        assert_eq!(changed(7, 0), Err(LogRecordError::Amount(AmountError::Zero)));
        assert!(matches!(
            changed(18, 0x13),
            Err(LogRecordError::Time(TimeError::NoSuch { field: "month", value: 13 }))
        ));
        let mut limit = good.clone();
        (limit[7], limit[9]) = (0, 7);
        assert_eq!(LogRecord::parse(&limit).unwrap().amount, None);
    }

    proptest! {
        #[test]
        fn parsing_is_total(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = LogRecord::parse(&bytes);
        }
    }
}
