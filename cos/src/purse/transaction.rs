use alloc::vec::Vec;
use core::fmt;

use super::{Amount, Balance, OverdraftLimit, TerminalNumber, TransactionTime};

/// Which purse of an application: its number in P2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PurseKind {
    /// Electronic deposit (ED, 电子存折), file 0001: unload, withdrawal and overdraft are its own, and it wants the PIN.
    Deposit = 1,
    /// Electronic wallet (EP, 电子钱包), file 0002.
    Wallet = 2,
}

impl PurseKind {
    /// The type of a load of this purse.
    #[must_use]
    pub fn load_type(self) -> TransactionType {
        match self {
            Self::Deposit => TransactionType::DEPOSIT_LOAD,
            Self::Wallet => TransactionType::WALLET_LOAD,
        }
    }

    /// The type of a purchase with this purse.
    #[must_use]
    pub fn purchase_type(self) -> TransactionType {
        match self {
            Self::Deposit => TransactionType::DEPOSIT_PURCHASE,
            Self::Wallet => TransactionType::WALLET_PURCHASE,
        }
    }
}

/// Transaction type identifier, TT. Codes without a name here are legal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionType(pub u8);

impl TransactionType {
    /// Load of the electronic deposit.
    pub const DEPOSIT_LOAD: Self = Self(0x01);
    /// Load of the electronic wallet.
    pub const WALLET_LOAD: Self = Self(0x02);
    /// Unload.
    pub const UNLOAD: Self = Self(0x03);
    /// Cash withdrawal.
    pub const WITHDRAWAL: Self = Self(0x04);
    /// Purchase with the electronic deposit.
    pub const DEPOSIT_PURCHASE: Self = Self(0x05);
    /// Purchase with the electronic wallet.
    pub const WALLET_PURCHASE: Self = Self(0x06);
    /// New overdraft limit.
    pub const OVERDRAFT: Self = Self(0x07);
    /// Compound application (CAPP) purchase.
    pub const COMPOUND_PURCHASE: Self = Self(0x09);

    /// The type in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DEPOSIT_LOAD => "load of the electronic deposit",
            Self::WALLET_LOAD => "load of the electronic wallet",
            Self::UNLOAD => "unload",
            Self::WITHDRAWAL => "cash withdrawal",
            Self::DEPOSIT_PURCHASE => "purchase with the electronic deposit",
            Self::WALLET_PURCHASE => "purchase with the electronic wallet",
            Self::OVERDRAFT => "new overdraft limit",
            Self::COMPOUND_PURCHASE => "compound purchase",
            _ => "unknown transaction",
        }
    }
}

impl fmt::Debug for TransactionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionType({:02X})", self.0)
    }
}

/// What both sides of a transaction put under their MACs (FMCOS 2.0 user manual 8.7 to 8.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// TT.
    pub transaction_type: TransactionType,
    /// How much.
    pub amount: Amount,
    /// Where.
    pub terminal: TerminalNumber,
}

impl Transaction {
    /// Input of MAC1 of a load or unload, which the card makes: `balance ‖ amount ‖ TT ‖ terminal`.
    #[must_use]
    pub fn mac1_input(&self, balance: Balance) -> Vec<u8> {
        [&balance.to_bytes()[..], &self.common()].concat()
    }

    /// Input of MAC2 of a load or unload, and of MAC1 of a purchase, which the host makes: `amount ‖ TT ‖ terminal ‖ date ‖
    /// time`.
    #[must_use]
    pub fn host_mac_input(&self, time: TransactionTime) -> Vec<u8> {
        [&self.common()[..], &time.to_bytes()].concat()
    }

    /// Input of the TAC of a load and of MAC3 of an unload: `new balance ‖ SN before + 1 ‖ amount ‖ TT ‖ terminal ‖ date ‖
    /// time`.
    #[must_use]
    pub fn online_result_input(&self, new_balance: Balance, serial: u16, time: TransactionTime) -> Vec<u8> {
        [&new_balance.to_bytes()[..], &serial.to_be_bytes(), &self.common(), &time.to_bytes()].concat()
    }

    /// Input of MAC2 of a purchase, which the card makes: `amount`.
    #[must_use]
    pub fn purchase_mac2_input(&self) -> Vec<u8> {
        self.amount.to_bytes().to_vec()
    }

    /// Input of the TAC of a purchase: `amount ‖ TT ‖ terminal ‖ terminal's SN ‖ date ‖ time`.
    #[must_use]
    pub fn purchase_tac_input(&self, terminal_serial: u32, time: TransactionTime) -> Vec<u8> {
        [&self.common()[..], &terminal_serial.to_be_bytes(), &time.to_bytes()].concat()
    }

    /// `amount ‖ TT ‖ terminal`.
    fn common(&self) -> [u8; 11] {
        let mut out = [0; 11];
        out[..4].copy_from_slice(&self.amount.to_bytes());
        out[4] = self.transaction_type.0;
        out[5..].copy_from_slice(&self.terminal.0);
        out
    }
}

/// Input of MAC1 of a new overdraft limit: `balance ‖ old limit ‖ 07 ‖ terminal` (FMCOS 2.0 user manual 8.12.1).
#[must_use]
pub fn overdraft_mac1_input(balance: Balance, old: OverdraftLimit, terminal: TerminalNumber) -> Vec<u8> {
    [&balance.to_bytes()[..], &old.to_bytes(), &[TransactionType::OVERDRAFT.0], &terminal.0].concat()
}

/// Input of MAC2 of a new overdraft limit: `new limit ‖ 07 ‖ terminal ‖ date ‖ time` (FMCOS 2.0 user manual 8.12.2).
#[must_use]
pub fn overdraft_mac2_input(new: OverdraftLimit, terminal: TerminalNumber, time: TransactionTime) -> Vec<u8> {
    [&new.to_bytes()[..], &[TransactionType::OVERDRAFT.0], &terminal.0, &time.to_bytes()].concat()
}

/// Input of the TAC of a new overdraft limit: `new balance ‖ SN before + 1 ‖ new limit ‖ 07 ‖ terminal ‖ date ‖ time`.
#[must_use]
pub fn overdraft_tac_input(
    new_balance: Balance,
    serial: u16,
    new: OverdraftLimit,
    terminal: TerminalNumber,
    time: TransactionTime,
) -> Vec<u8> {
    [&new_balance.to_bytes()[..], &serial.to_be_bytes(), &overdraft_mac2_input(new, terminal, time)].concat()
}

/// Input of the session key of an online transaction: `random ‖ online SN ‖ 80 00`.
#[must_use]
pub fn online_session(random: [u8; 4], serial: u16) -> [u8; 8] {
    let [s1, s2] = serial.to_be_bytes();
    let [r1, r2, r3, r4] = random;
    [r1, r2, r3, r4, s1, s2, 0x80, 0x00]
}

/// Input of the session key of a purchase or withdrawal: `random ‖ offline SN ‖ last two bytes of the terminal's SN`.
#[must_use]
pub fn offline_session(random: [u8; 4], serial: u16, terminal_serial: u32) -> [u8; 8] {
    let [.., t1, t2] = terminal_serial.to_be_bytes();
    let [s1, s2] = serial.to_be_bytes();
    let [r1, r2, r3, r4] = random;
    [r1, r2, r3, r4, s1, s2, t1, t2]
}
