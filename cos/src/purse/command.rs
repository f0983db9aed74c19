//! The commands of a purse as values (FMCOS 2.0 user manual 8.7 to 8.14).

use cardwright_apdu::{Class, CommandApdu, Ne};

use super::{Amount, OverdraftLimit, PurseKind, TerminalNumber, TransactionTime, TransactionType};

/// Names of the commands, which share instruction codes with others.
pub(super) mod name {
    pub(in crate::purse) const INITIALIZE_FOR_LOAD: &str = "INITIALIZE FOR LOAD";
    pub(in crate::purse) const CREDIT_FOR_LOAD: &str = "CREDIT FOR LOAD";
    pub(in crate::purse) const INITIALIZE_FOR_PURCHASE: &str = "INITIALIZE FOR PURCHASE";
    pub(in crate::purse) const DEBIT: &str = "DEBIT FOR PURCHASE";
    pub(in crate::purse) const INITIALIZE_FOR_UNLOAD: &str = "INITIALIZE FOR UNLOAD";
    pub(in crate::purse) const DEBIT_FOR_UNLOAD: &str = "DEBIT FOR UNLOAD";
    pub(in crate::purse) const INITIALIZE_FOR_UPDATE: &str = "INITIALIZE FOR UPDATE";
    pub(in crate::purse) const UPDATE_OVERDRAFT_LIMIT: &str = "UPDATE OVERDRAFT LIMIT";
    pub(in crate::purse) const GET_BALANCE: &str = "GET BALANCE";
    pub(in crate::purse) const GET_TRANSACTION_PROVE: &str = "GET TRANSACTION PROVE";
}

const INITIALIZE: u8 = 0x50;
const CREDIT: u8 = 0x52;
const DEBIT: u8 = 0x54;
const UPDATE_LIMIT: u8 = 0x58;
const PROVE: u8 = 0x5A;
const BALANCE: u8 = 0x5C;
const UPDATE_CAPP_DATA_CACHE: u8 = 0xDC;

fn command(ins: u8, p1: u8, p2: u8, data: &[&[u8]], ne: u32) -> CommandApdu {
    CommandApdu::new(Class::GP, ins, p1, p2).with_data(data.concat()).with_ne(Ne::new(ne).unwrap_or_default())
}

/// INITIALIZE FOR LOAD with the load key of this identifier.
#[must_use]
pub fn initialize_for_load(purse: PurseKind, kid: u8, amount: Amount, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, 0x00, purse as u8, &[&[kid], &amount.to_bytes(), &terminal.0], 0x10)
}

/// INITIALIZE FOR LOAD or FOR UNLOAD of an amount of nothing, which asks for MAC1 and nothing else.
pub(super) fn initialize_nothing(p1: u8, purse: PurseKind, kid: u8, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, p1, purse as u8, &[&[kid], &[0; 4], &terminal.0], 0x10)
}

/// CREDIT FOR LOAD: nothing may come between it and its INITIALIZE.
#[must_use]
pub fn credit_for_load(time: TransactionTime, mac2: [u8; 4]) -> CommandApdu {
    command(CREDIT, 0x00, 0x00, &[&time.to_bytes(), &mac2], 0x04)
}

/// INITIALIZE FOR PURCHASE with the purchase key of this identifier.
#[must_use]
pub fn initialize_for_purchase(purse: PurseKind, kid: u8, amount: Amount, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, 0x01, purse as u8, &[&[kid], &amount.to_bytes(), &terminal.0], 0x0F)
}

/// INITIALIZE FOR CASH WITHDRAW of the electronic deposit.
#[must_use]
pub fn initialize_for_withdrawal(kid: u8, amount: Amount, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, 0x02, PurseKind::Deposit as u8, &[&[kid], &amount.to_bytes(), &terminal.0], 0x0F)
}

/// INITIALIZE FOR CAPP PURCHASE with the electronic wallet.
#[must_use]
pub fn initialize_for_compound_purchase(kid: u8, amount: Amount, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, 0x03, PurseKind::Wallet as u8, &[&[kid], &amount.to_bytes(), &terminal.0], 0x0F)
}

/// UPDATE CAPP DATA CACHE: the record that a compound purchase writes. `sfi` is that of the file, the record the first one that
/// begins with `application`.
#[must_use]
pub fn update_capp_data_cache(application: u8, sfi: u8, record: &[u8]) -> CommandApdu {
    command(UPDATE_CAPP_DATA_CACHE, application, sfi << 3, &[record], 0)
}

/// DEBIT FOR PURCHASE, FOR CAPP PURCHASE, FOR CASH WITHDRAW: what the card was initialized for.
#[must_use]
pub fn debit(terminal_serial: u32, time: TransactionTime, mac1: [u8; 4]) -> CommandApdu {
    command(DEBIT, 0x01, 0x00, &[&terminal_serial.to_be_bytes(), &time.to_bytes(), &mac1], 0x08)
}

/// INITIALIZE FOR UNLOAD of the electronic deposit.
#[must_use]
pub fn initialize_for_unload(kid: u8, amount: Amount, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, 0x05, PurseKind::Deposit as u8, &[&[kid], &amount.to_bytes(), &terminal.0], 0x10)
}

/// DEBIT FOR UNLOAD.
#[must_use]
pub fn debit_for_unload(time: TransactionTime, mac2: [u8; 4]) -> CommandApdu {
    command(DEBIT, 0x03, 0x00, &[&time.to_bytes(), &mac2], 0x04)
}

/// INITIALIZE FOR UPDATE of the overdraft limit of the electronic deposit.
#[must_use]
pub fn initialize_for_update(kid: u8, terminal: TerminalNumber) -> CommandApdu {
    command(INITIALIZE, 0x04, PurseKind::Deposit as u8, &[&[kid], &terminal.0], 0x13)
}

/// UPDATE OVERDRAFT LIMIT.
#[must_use]
pub fn update_overdraft_limit(limit: OverdraftLimit, time: TransactionTime, mac2: [u8; 4]) -> CommandApdu {
    command(UPDATE_LIMIT, 0x00, 0x00, &[&limit.to_bytes(), &time.to_bytes(), &mac2], 0x04)
}

/// GET BALANCE.
#[must_use]
pub fn get_balance(purse: PurseKind) -> CommandApdu {
    command(BALANCE, 0x00, purse as u8, &[], 0x04)
}

/// GET TRANSACTION PROVE of the transaction with this serial number.
#[must_use]
pub fn get_transaction_prove(transaction_type: TransactionType, serial: u16) -> CommandApdu {
    command(PROVE, 0x00, transaction_type.0, &[&serial.to_be_bytes()], 0x08)
}
