use cardwright_cos::purse::{
    Amount, Balance, OpenLoad, PurseKind, PurseProfile, TerminalNumber, Transaction, TransactionTime, load_tac_request,
};
use cardwright_keys::{KeyRef, KeyRequest};
use minicbor::{Decode, Encode};

use super::bank_file::amount;
use super::csv::{FileError, read};

/// What a reader kept of a load: the card's TAC and everything it covers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// Row of the file, from 1: the heading is row 1.
    #[n(0)]
    pub row: u64,
    /// The card: issuer and application serial number, in hexadecimal, as its entity has them after `purse/`.
    #[n(1)]
    pub card: String,
    /// Number of the purse: 1 deposit, 2 wallet.
    #[n(2)]
    pub purse: u8,
    /// Online transaction serial number, before the load.
    #[n(3)]
    pub serial: u16,
    /// Balance before the load.
    #[n(4)]
    pub balance: u32,
    /// How much, in the smallest unit of the currency.
    #[n(5)]
    pub amount: u32,
    /// Terminal number.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub terminal: [u8; 6],
    /// Date and time, YYYY MM DD hh mm ss.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub time: [u8; 7],
    /// The card's TAC.
    #[cbor(n(8), with = "minicbor::bytes")]
    pub tac: [u8; 4],
}

const COLUMNS: &[&str] = &["card", "purse", "serial", "balance", "amount", "terminal", "time", "tac"];

/// Reads what the readers kept of a day: `card,purse,serial,balance,amount,terminal,time,tac`, bytes in hexadecimal.
///
/// # Errors
/// [`FileError`] names row, column and what is wrong; nothing of the file is used then.
pub fn read_evidence(bytes: &[u8]) -> Result<Vec<Evidence>, FileError> {
    read(bytes, COLUMNS, |row| {
        let card = row.read(0, "an issuer and a serial number in hexadecimal, with a - between", card)?;
        let purse = row.read(1, "1 or 2", |text| match text {
            "1" => Some(1),
            "2" => Some(2),
            _ => None,
        })?;
        let time = row.read(6, "14 digits of a date and time that exist", |text| {
            TransactionTime::from_bytes(hex(text)?).ok().map(TransactionTime::to_bytes)
        })?;
        Ok(Evidence {
            row: row.number as u64,
            card,
            purse,
            serial: row.read(2, "a number up to 65535", |text| text.parse().ok())?,
            balance: row.read(3, "a number up to 4294967295", |text| text.parse().ok())?,
            amount: row.read(4, "an amount from 1 to 4294967295, in digits", amount)?,
            terminal: row.read(5, "12 hexadecimal digits", hex)?,
            time,
            tac: row.read(7, "8 hexadecimal digits", hex)?,
        })
    })
}

fn card(text: &str) -> Option<String> {
    let (issuer, serial) = text.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte));
    (issuer.len() == 16 && serial.len() == 20 && digits(issuer) && digits(serial)).then(|| text.to_owned())
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Vec<u8> =
        text.bytes().map(|digit| char::from(digit).to_digit(16).map(|n| n as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if digits.len() == 2 * N { bytes.try_into().ok() } else { None }
}

impl Evidence {
    /// What the card's keys are diversified with: the last 8 bytes of the serial number.
    #[must_use]
    pub fn factor(&self) -> Option<[u8; 8]> {
        hex(self.card.get(self.card.len().checked_sub(16)?..)?)
    }

    /// The load that it is about; `None` for one that no card could have taken.
    #[must_use]
    pub fn load(&self) -> Option<OpenLoad> {
        let purse = if self.purse == 1 { PurseKind::Deposit } else { PurseKind::Wallet };
        let transaction = Transaction {
            transaction_type: purse.load_type(),
            amount: Amount::new(self.amount.into()).ok()?,
            terminal: TerminalNumber(self.terminal),
        };
        let time = TransactionTime::from_bytes(self.time).ok()?;
        OpenLoad::new(transaction, time, self.serial, Balance(self.balance)).ok()
    }

    /// What the key service is asked, which holds the card's own TAC key: whether the TAC verifies. `None` for a load that no card could
    /// have taken.
    #[must_use]
    pub fn question(&self, profile: &PurseProfile, tac_key: &KeyRef) -> Option<KeyRequest> {
        Some(load_tac_request(profile, tac_key, &self.load()?, self.tac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "card,purse,serial,balance,amount,terminal,time,tac\n";
    const ROW: &str = "1111222233330006-AABB1020304050607001,2,0,100,200,001122334455,20240506070809,0A0B0C0D";

    #[test]
    fn a_file_is_read_whole() {
        let rows = read_evidence(format!("{HEADING}{ROW}\n").as_bytes()).unwrap();
        assert_eq!((rows[0].serial, rows[0].amount, rows[0].tac), (0, 200, [10, 11, 12, 13]));
        assert_eq!(rows[0].factor(), Some([0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x01]));
        assert_eq!(rows[0].load().unwrap().new_balance().0, 300);
    }

    #[test]
    fn a_bad_field_is_named_by_row_and_column() {
        let columns = COLUMNS.iter().zip([
            "1111222233330006AABB",
            "3",
            "65536",
            "-1",
            "0",
            "0011223344",
            "20240230070809",
            "0A0B0C0G",
        ]);
        for (n, (column, bad)) in columns.enumerate() {
            let mut fields: Vec<&str> = ROW.split(',').collect();
            fields[n] = bad;
            let error = read_evidence(format!("{HEADING}{}\n", fields.join(",")).as_bytes()).unwrap_err();
            assert_eq!((error.row, error.column.as_str()), (2, *column), "{error}");
        }
    }
}
