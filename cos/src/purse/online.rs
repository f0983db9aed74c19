//! Unload and new overdraft limit of the electronic deposit (FMCOS 2.0 user manual 8.11, 8.12): initialize, record, complete. And what
//! an initialization of nothing proves of a key.

use cardwright_apdu::CardPort;
use cardwright_keys::pboc::{PurseKeyUse, PurseMac};
use cardwright_keys::{KeyPort, KeyRef};

use super::command::{self, name};
use super::procedure::{call, check_algorithm, mac1_verifies, session_mac, use_of, verify, verify_session};
use super::response::exactly;
use super::transaction::{overdraft_mac1_input, overdraft_mac2_input, overdraft_tac_input};
use super::{
    Amount, Balance, LoadInitialization, OverdraftInitialization, OverdraftLimit, PurseKind, PurseProfile,
    TerminalNumber, Transaction, TransactionTime, TransactionType, online_session,
};
use crate::Error;

/// An unload that a card was initialized for: what is to be recorded before DEBIT FOR UNLOAD goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenUnload {
    /// How much.
    pub amount: Amount,
    /// Where.
    pub terminal: TerminalNumber,
    /// The host's time.
    pub time: TransactionTime,
    /// Online transaction serial number before.
    pub serial: u16,
    /// The card's random number.
    pub random: [u8; 4],
    /// Balance before.
    pub balance: Balance,
}

impl OpenUnload {
    /// Balance after; `None` for a record that no card was initialized with.
    #[must_use]
    pub fn new_balance(&self) -> Option<Balance> {
        self.balance.minus(self.amount)
    }

    /// What is under its MACs.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction { transaction_type: TransactionType::UNLOAD, amount: self.amount, terminal: self.terminal }
    }

    /// Input of MAC3.
    pub(super) fn result_input(&self, new_balance: Balance) -> alloc::vec::Vec<u8> {
        self.transaction().online_result_input(new_balance, self.serial, self.time)
    }
}

/// A new overdraft limit that a card was initialized for: what is to be recorded before UPDATE OVERDRAFT LIMIT goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOverdraft {
    /// The new limit.
    pub limit: OverdraftLimit,
    /// The limit before.
    pub before: OverdraftLimit,
    /// Where.
    pub terminal: TerminalNumber,
    /// The host's time.
    pub time: TransactionTime,
    /// Online transaction serial number before.
    pub serial: u16,
    /// The card's random number.
    pub random: [u8; 4],
    /// Balance before.
    pub balance: Balance,
}

impl OpenOverdraft {
    /// Balance after, which counts the limit in; `None` when more is overdrawn than the new limit allows.
    #[must_use]
    pub fn new_balance(&self) -> Option<Balance> {
        (u64::from(self.balance.0) + u64::from(self.limit.get()))
            .checked_sub(u64::from(self.before.get()))
            .and_then(|balance| u32::try_from(balance).ok())
            .map(Balance)
    }

    /// Input of the TAC.
    pub(super) fn result_input(&self, new_balance: Balance) -> alloc::vec::Vec<u8> {
        overdraft_tac_input(new_balance, self.serial, self.limit, self.terminal, self.time)
    }
}

/// An initialization whose answer has a MAC1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PurseInitialization {
    /// Of a load of this purse: load key.
    Load(PurseKind),
    /// Of an unload: unload key.
    Unload,
    /// Of a new overdraft limit: overdraft key.
    Overdraft,
}

/// Whether a card has this load, unload or overdraft key: MAC1 of an initialization of an amount of nothing, with a terminal number drawn
/// at random. Moves nothing; the purse has to be in the current directory, and an electronic deposit wants its PIN before.
///
/// # Errors
/// [`Error::Refused`], [`Error::Length`], [`Error::Transport`], [`Error::Keys`].
pub async fn has_purse_key(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    initialization: PurseInitialization,
    (id, key): (u8, &KeyRef),
    terminal: TerminalNumber,
) -> Result<bool, Error> {
    let (serial, random, covered, mac1) = match initialization {
        PurseInitialization::Overdraft => {
            let response =
                call(card, name::INITIALIZE_FOR_UPDATE, command::initialize_for_update(id, terminal)).await?;
            let OverdraftInitialization { balance, serial, limit, random, mac1, .. } =
                OverdraftInitialization::parse(response.data())?;
            (serial, random, overdraft_mac1_input(balance, limit, terminal), mac1)
        }
        PurseInitialization::Load(_) | PurseInitialization::Unload => {
            let (name, p1, purse, transaction_type) = match initialization {
                PurseInitialization::Load(purse) => (name::INITIALIZE_FOR_LOAD, 0x00, purse, purse.load_type()),
                _ => (name::INITIALIZE_FOR_UNLOAD, 0x05, PurseKind::Deposit, TransactionType::UNLOAD),
            };
            let response = call(card, name, command::initialize_nothing(p1, purse, id, terminal)).await?;
            let LoadInitialization { balance, serial, random, mac1, .. } =
                LoadInitialization::parse_as(name, response.data())?;
            let covered = [&balance.to_bytes()[..], &[0; 4], &[transaction_type.0], &terminal.0].concat();
            (serial, random, covered, mac1)
        }
    };
    let key_use = PurseKeyUse::Session { input: online_session(random, serial) };
    verify(keys, PurseMac { key: key.clone(), key_use, data: covered }, mac1).await
}

/// INITIALIZE FOR UNLOAD; MAC1 verifies.
///
/// # Errors
/// [`Error::Mac`], [`Error::Algorithm`], [`Error::Insufficient`]; [`Error::Refused`], [`Error::Length`], [`Error::Transport`],
/// [`Error::Keys`].
pub async fn initialize_for_unload(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    unload_key: &KeyRef,
    (amount, terminal, time): (Amount, TerminalNumber, TransactionTime),
) -> Result<OpenUnload, Error> {
    let command = command::initialize_for_unload(profile.kids.unload, amount, terminal);
    let response = call(card, name::INITIALIZE_FOR_UNLOAD, command).await?;
    let answer = LoadInitialization::parse_as(name::INITIALIZE_FOR_UNLOAD, response.data())?;
    check_algorithm(name::INITIALIZE_FOR_UNLOAD, profile.algorithm, answer.algorithm)?;
    let LoadInitialization { serial, random, balance, .. } = answer;
    let open = OpenUnload { amount, terminal, time, serial, random, balance };
    if !mac1_verifies(keys, unload_key, &open.transaction(), &answer).await? {
        return Err(Error::Mac { command: name::INITIALIZE_FOR_UNLOAD, what: "MAC1" });
    }
    Ok(open)
}

/// DEBIT FOR UNLOAD, as the command after its INITIALIZE; MAC3 verifies. Gives the new balance.
///
/// Record [`OpenUnload`] durably before. Any error but [`Error::Insufficient`] leaves it open whether the card was debited:
/// [`resolve_unload`](super::resolve_unload) finds out.
///
/// # Errors
/// [`Error::Insufficient`] before anything is sent; [`Error::Mac`] names MAC3; [`Error::Refused`], [`Error::Length`],
/// [`Error::Transport`], [`Error::Keys`].
pub async fn debit_for_unload(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    unload_key: &KeyRef,
    open: &OpenUnload,
) -> Result<Balance, Error> {
    let insufficient = Error::Insufficient { balance: open.balance.0, amount: open.amount.get() };
    let new_balance = open.new_balance().ok_or(insufficient)?;
    let input = online_session(open.random, open.serial);
    let mac2 = session_mac(keys, unload_key, input, open.transaction().host_mac_input(open.time)).await?;
    let response = call(card, name::DEBIT_FOR_UNLOAD, command::debit_for_unload(open.time, mac2)).await?;
    let mac3 = exactly(name::DEBIT_FOR_UNLOAD, "4 bytes: MAC3", response.data())?;
    let data = open.result_input(new_balance);
    verify_session(keys, unload_key, input, data, mac3, (name::DEBIT_FOR_UNLOAD, "MAC3")).await?;
    Ok(new_balance)
}

/// Unload of the electronic deposit in one go, for hosts that need no record of it. Gives the new balance.
///
/// # Errors
/// As [`initialize_for_unload`], with nothing debited, and [`debit_for_unload`].
pub async fn unload(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    unload_key: &KeyRef,
    what: (Amount, TerminalNumber, TransactionTime),
) -> Result<Balance, Error> {
    let open = initialize_for_unload(card, keys, profile, unload_key, what).await?;
    debit_for_unload(card, keys, unload_key, &open).await
}

/// INITIALIZE FOR UPDATE; MAC1 verifies.
///
/// # Errors
/// [`Error::Mac`], [`Error::Algorithm`]; [`Error::Refused`], [`Error::Length`], [`Error::Transport`], [`Error::Keys`].
pub async fn initialize_for_update(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    overdraft_key: &KeyRef,
    (limit, terminal, time): (OverdraftLimit, TerminalNumber, TransactionTime),
) -> Result<OpenOverdraft, Error> {
    let command = command::initialize_for_update(profile.kids.overdraft, terminal);
    let response = call(card, name::INITIALIZE_FOR_UPDATE, command).await?;
    let answer = OverdraftInitialization::parse(response.data())?;
    check_algorithm(name::INITIALIZE_FOR_UPDATE, profile.algorithm, answer.algorithm)?;
    let OverdraftInitialization { balance, serial, limit: before, random, mac1, .. } = answer;
    let input = online_session(random, serial);
    let data = overdraft_mac1_input(balance, before, terminal);
    verify_session(keys, overdraft_key, input, data, mac1, (name::INITIALIZE_FOR_UPDATE, "MAC1")).await?;
    Ok(OpenOverdraft { limit, before, terminal, time, serial, random, balance })
}

/// UPDATE OVERDRAFT LIMIT, as the command after its INITIALIZE; with a TAC key, the TAC verifies.
///
/// Record [`OpenOverdraft`] durably before. Any error but [`Error::Insufficient`] leaves it open whether the limit was changed:
/// [`resolve_overdraft`](super::resolve_overdraft) finds out.
///
/// # Errors
/// [`Error::Insufficient`] before anything is sent, when more is overdrawn than the new limit allows; [`Error::Mac`] names the TAC;
/// [`Error::Refused`], [`Error::Length`], [`Error::Transport`], [`Error::Keys`].
pub async fn complete_overdraft(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    (overdraft_key, tac_key): (&KeyRef, Option<&KeyRef>),
    open: &OpenOverdraft,
) -> Result<(), Error> {
    let insufficient = Error::Insufficient { balance: open.balance.0, amount: open.before.get() };
    let new_balance = open.new_balance().ok_or(insufficient)?;
    let input = online_session(open.random, open.serial);
    let data = overdraft_mac2_input(open.limit, open.terminal, open.time);
    let mac2 = session_mac(keys, overdraft_key, input, data).await?;
    let command = command::update_overdraft_limit(open.limit, open.time, mac2);
    let response = call(card, name::UPDATE_OVERDRAFT_LIMIT, command).await?;
    let tac = exactly(name::UPDATE_OVERDRAFT_LIMIT, "4 bytes: TAC", response.data())?;
    if let Some(key) = tac_key {
        let data = open.result_input(new_balance);
        let mac = PurseMac { key: key.clone(), key_use: use_of(profile.overdraft_tac), data };
        if !verify(keys, mac, tac).await? {
            return Err(Error::Mac { command: name::UPDATE_OVERDRAFT_LIMIT, what: "TAC" });
        }
    }
    Ok(())
}

/// New overdraft limit in one go, for hosts that need no record of it. Gives the limit before.
///
/// # Errors
/// As [`initialize_for_update`], with nothing changed, and [`complete_overdraft`].
pub async fn update_overdraft_limit(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    own: (&KeyRef, Option<&KeyRef>),
    what: (OverdraftLimit, TerminalNumber, TransactionTime),
) -> Result<OverdraftLimit, Error> {
    let open = initialize_for_update(card, keys, profile, own.0, what).await?;
    complete_overdraft(card, keys, profile, own, &open).await?;
    Ok(open.before)
}
