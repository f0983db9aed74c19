use cardwright_apdu::{CardPort, CommandApdu, ResponseApdu};
use cardwright_keys::pboc::{PurseKeyUse, PurseMac};
use cardwright_keys::{KeyPort, KeyRef, KeyRequest};

use super::command::{self, name};
use super::prove::{Evidence, Inquiry, NextQuestion, OpenLoad, Verdict};
use super::response::exactly;
use super::{
    Amount, Balance, LoadInitialization, PurchaseInitialization, PurchaseResult, PurseAlgorithm, PurseKeys, PurseKind,
    PurseProfile, TacKey, TerminalNumber, Transaction, TransactionProof, TransactionTime, TransactionType,
    offline_session, online_session,
};
use crate::Error;

/// A purse, how it is used, and the card's own keys for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurseAccess {
    /// Which purse of the application.
    pub purse: PurseKind,
    /// What its card is like.
    pub profile: PurseProfile,
    /// The card's own keys.
    pub keys: PurseKeys,
}

/// A card that was initialized for a load, and its MAC1 verified. It is good for the next command only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadSession {
    transaction: Transaction,
    initialization: LoadInitialization,
}

impl LoadSession {
    /// What the card said.
    #[must_use]
    pub fn initialization(&self) -> &LoadInitialization {
        &self.initialization
    }

    /// What it was initialized for.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        self.transaction
    }
}

/// A CREDIT FOR LOAD that is ready to go out as the very next command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// What is to be recorded before it goes out.
    pub load: OpenLoad,
    /// MAC2. Whoever has it can load the card once.
    pub mac2: [u8; 4],
}

/// What is known of a TAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TacCheck {
    /// It is right.
    Verified,
    /// It is wrong: the answer proves nothing.
    Wrong,
    /// There is no TAC key.
    NotVerified,
}

/// Answer to a CREDIT FOR LOAD with status 9000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadReceipt {
    /// The TAC.
    pub tac: [u8; 4],
    /// What is known of it.
    pub check: TacCheck,
}

/// GET BALANCE. No MAC covers it: it is for show.
///
/// # Errors
/// [`Error::Refused`], [`Error::Length`], [`Error::Transport`].
pub async fn balance(card: &mut impl CardPort, purse: PurseKind) -> Result<Balance, Error> {
    let response = call(card, name::GET_BALANCE, command::get_balance(purse)).await?;
    Ok(Balance(u32::from_be_bytes(exactly(name::GET_BALANCE, "4 bytes", response.data())?)))
}

/// INITIALIZE FOR LOAD; MAC1 verifies.
///
/// # Errors
/// [`Error::Mac`] when MAC1 does not verify, [`Error::Algorithm`]; [`Error::Refused`], [`Error::Length`], [`Error::Transport`],
/// [`Error::Keys`].
pub async fn initialize_for_load(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    access: &PurseAccess,
    amount: Amount,
    terminal: TerminalNumber,
) -> Result<LoadSession, Error> {
    let transaction = Transaction { transaction_type: access.purse.load_type(), amount, terminal };
    let command = command::initialize_for_load(access.purse, access.profile.kids.load, amount, terminal);
    let response = call(card, name::INITIALIZE_FOR_LOAD, command).await?;
    let initialization = LoadInitialization::parse(response.data())?;
    check_algorithm(name::INITIALIZE_FOR_LOAD, access.profile.algorithm, initialization.algorithm)?;
    match mac1_verifies(keys, &access.keys.load, &transaction, &initialization).await? {
        true => Ok(LoadSession { transaction, initialization }),
        false => Err(Error::Mac { command: name::INITIALIZE_FOR_LOAD, what: "MAC1" }),
    }
}

/// Asks the key service for the MAC2 of a load.
///
/// Record [`Credit::load`] durably, and debit the account, before the command goes out.
///
/// # Errors
/// [`Error::Load`] when the load must not be begun; [`Error::Keys`].
pub async fn prepare_credit(
    keys: &mut impl KeyPort,
    access: &PurseAccess,
    session: &LoadSession,
    time: TransactionTime,
) -> Result<Credit, Error> {
    let LoadInitialization { random, serial, balance, .. } = session.initialization;
    let load = OpenLoad::new(session.transaction, time, serial, balance)?;
    let input = online_session(random, serial);
    let mac2 = session_mac(keys, &access.keys.load, input, session.transaction.host_mac_input(time)).await?;
    Ok(Credit { load, mac2 })
}

/// CREDIT FOR LOAD, as the command after its INITIALIZE.
///
/// Whatever is not `Ok` with [`TacCheck::Verified`] leaves it open whether the card was loaded, a status word that sounds definite
/// too: an answer may be that to a repetition. [`resolve_load`] finds out.
///
/// # Errors
/// [`Error::Refused`], [`Error::Length`], [`Error::Transport`], [`Error::Keys`]: all of them leave it open.
pub async fn credit_for_load(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    access: &PurseAccess,
    credit: &Credit,
) -> Result<LoadReceipt, Error> {
    let command = command::credit_for_load(credit.load.time(), credit.mac2);
    let response = call(card, name::CREDIT_FOR_LOAD, command).await?;
    let tac = exactly(name::CREDIT_FOR_LOAD, "4 bytes: TAC", response.data())?;
    Ok(LoadReceipt { tac, check: check_tac(keys, access, &credit.load, tac).await? })
}

/// Finds out what came of a load: GET TRANSACTION PROVE, then INITIALIZE FOR LOAD with a terminal number that nobody could
/// foresee.
///
/// `challenge` is drawn at random for each call.
///
/// # Errors
/// [`Error::Transport`], [`Error::Keys`]: nothing was found out, ask again. [`Error::Length`], [`Error::Algorithm`].
pub async fn resolve_load(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    access: &PurseAccess,
    load: &OpenLoad,
    challenge: TerminalNumber,
) -> Result<Verdict, Error> {
    let mut inquiry = Inquiry::new(*load, access.profile.prove);
    loop {
        let evidence = match inquiry.next() {
            NextQuestion::Decided(verdict) => return Ok(verdict),
            NextQuestion::Prove(serial) => {
                match transaction_prove(card, load.transaction().transaction_type, serial).await {
                    Ok(proof) => match check_tac(keys, access, load, proof.tac).await? {
                        TacCheck::Verified => Evidence::TacVerifies,
                        TacCheck::Wrong => Evidence::TacWrong,
                        TacCheck::NotVerified => Evidence::TacNotVerified,
                    },
                    Err(Error::Refused { .. }) => Evidence::NoProof,
                    Err(error) => return Err(error),
                }
            }
            NextQuestion::Initialize => match initialize_for_load(card, keys, access, load.amount(), challenge).await {
                Ok(LoadSession { initialization: LoadInitialization { serial, balance, .. }, .. }) => {
                    Evidence::Initialized { mac1_verifies: true, serial, balance }
                }
                Err(Error::Mac { .. }) => {
                    Evidence::Initialized { mac1_verifies: false, serial: 0, balance: Balance(0) }
                }
                Err(Error::Refused { .. }) => Evidence::NotInitialized,
                Err(error) => return Err(error),
            },
        };
        inquiry.handle_evidence(evidence);
    }
}

/// GET TRANSACTION PROVE. Nothing in the answer is verified here.
///
/// # Errors
/// [`Error::Refused`] with `9406` when there is no proof; [`Error::Length`], [`Error::Transport`].
pub async fn transaction_prove(
    card: &mut impl CardPort,
    transaction_type: TransactionType,
    serial: u16,
) -> Result<TransactionProof, Error> {
    let command = command::get_transaction_prove(transaction_type, serial);
    TransactionProof::parse(call(card, name::GET_TRANSACTION_PROVE, command).await?.data())
}

/// What a purchase or withdrawal is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Purchase, compound purchase or withdrawal.
    pub transaction: Transaction,
    /// The terminal's own transaction serial number.
    pub terminal_serial: u32,
    /// The terminal's time.
    pub time: TransactionTime,
}

/// A card that was initialized for a purchase. It is good for the next command only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseSession {
    purchase: Purchase,
    initialization: PurchaseInitialization,
}

impl PurchaseSession {
    /// A session as it was recorded, for [`resolve_purchase`](super::resolve_purchase).
    #[must_use]
    pub fn recorded(purchase: Purchase, initialization: PurchaseInitialization) -> Self {
        Self { purchase, initialization }
    }

    /// What it was initialized for.
    #[must_use]
    pub fn purchase(&self) -> Purchase {
        self.purchase
    }

    /// What the card said; no MAC covers it.
    #[must_use]
    pub fn initialization(&self) -> &PurchaseInitialization {
        &self.initialization
    }
}

/// INITIALIZE FOR PURCHASE, FOR CAPP PURCHASE or FOR CASH WITHDRAW, by the type of the transaction.
///
/// # Errors
/// [`Error::Algorithm`], [`Error::TransactionType`] for a type that is none of these; [`Error::Refused`], [`Error::Length`],
/// [`Error::Transport`].
pub async fn initialize_for_purchase(
    card: &mut impl CardPort,
    profile: &PurseProfile,
    purchase: Purchase,
) -> Result<PurchaseSession, Error> {
    let Transaction { transaction_type, amount, terminal } = purchase.transaction;
    let kid = profile.kids.purchase;
    let command = match transaction_type {
        TransactionType::WALLET_PURCHASE => command::initialize_for_purchase(PurseKind::Wallet, kid, amount, terminal),
        TransactionType::DEPOSIT_PURCHASE => {
            command::initialize_for_purchase(PurseKind::Deposit, kid, amount, terminal)
        }
        TransactionType::WITHDRAWAL => command::initialize_for_withdrawal(kid, amount, terminal),
        TransactionType::COMPOUND_PURCHASE => command::initialize_for_compound_purchase(kid, amount, terminal),
        TransactionType(transaction_type) => return Err(Error::TransactionType { transaction_type }),
    };
    let response = call(card, name::INITIALIZE_FOR_PURCHASE, command).await?;
    let initialization = PurchaseInitialization::parse(response.data())?;
    check_algorithm(name::INITIALIZE_FOR_PURCHASE, profile.algorithm, initialization.algorithm)?;
    Ok(PurchaseSession { purchase, initialization })
}

/// DEBIT FOR PURCHASE with a MAC1 of the key service, as the command after its INITIALIZE; the card's MAC2 verifies.
///
/// # Errors
/// [`Error::Mac`] when MAC2 does not verify; [`Error::Refused`], [`Error::Length`], [`Error::Transport`], [`Error::Keys`]. Only
/// [`Error::Refused`] says that nothing was debited, and only over a line that repeats no command.
pub async fn debit_for_purchase(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    purchase_key: &KeyRef,
    session: &PurchaseSession,
) -> Result<PurchaseResult, Error> {
    let Purchase { transaction, terminal_serial, time } = session.purchase;
    let input = offline_session(session.initialization.random, session.initialization.serial, terminal_serial);
    let mac1 = session_mac(keys, purchase_key, input, transaction.host_mac_input(time)).await?;
    let response = call(card, name::DEBIT, command::debit(terminal_serial, time, mac1)).await?;
    let result = PurchaseResult::parse(response.data())?;
    verify_session(keys, purchase_key, input, transaction.purchase_mac2_input(), result.mac2, (name::DEBIT, "MAC2"))
        .await?;
    Ok(result)
}

/// Whether the TAC of a purchase is right, as the acquirer asks it later.
///
/// # Errors
/// [`Error::Keys`].
pub async fn purchase_tac_verifies(
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    tac_key: &KeyRef,
    purchase: &Purchase,
    tac: [u8; 4],
) -> Result<bool, Error> {
    let data = purchase.transaction.purchase_tac_input(purchase.terminal_serial, purchase.time);
    verify(keys, PurseMac { key: tac_key.clone(), key_use: use_of(profile.tac), data }, tac).await
}

/// What is known of the TAC of a load.
async fn check_tac(
    keys: &mut impl KeyPort,
    access: &PurseAccess,
    load: &OpenLoad,
    tac: [u8; 4],
) -> Result<TacCheck, Error> {
    let Some(key) = &access.keys.tac else { return Ok(TacCheck::NotVerified) };
    let mac = PurseMac { key: key.clone(), key_use: use_of(access.profile.tac), data: load.tac_input() };
    Ok(if verify(keys, mac, tac).await? { TacCheck::Verified } else { TacCheck::Wrong })
}

/// What a key service is asked to say whether the TAC of a load is right, as a settlement asks it later.
#[must_use]
pub fn load_tac_request(profile: &PurseProfile, tac_key: &KeyRef, load: &OpenLoad, tac: [u8; 4]) -> KeyRequest {
    let mac = PurseMac { key: tac_key.clone(), key_use: use_of(profile.tac), data: load.tac_input() };
    KeyRequest::VerifyPurseMac { mac, received: tac }
}

pub(super) fn use_of(tac: TacKey) -> PurseKeyUse {
    match tac {
        TacKey::Folded => PurseKeyUse::Folded,
        TacKey::Whole => PurseKeyUse::Whole,
    }
}

pub(super) fn check_algorithm(command: &'static str, expected: PurseAlgorithm, actual: u8) -> Result<(), Error> {
    let expected = expected as u8;
    if actual == expected { Ok(()) } else { Err(Error::Algorithm { command, expected, actual }) }
}

pub(super) async fn mac1_verifies(
    keys: &mut impl KeyPort,
    key: &KeyRef,
    transaction: &Transaction,
    answer: &LoadInitialization,
) -> Result<bool, Error> {
    let input = online_session(answer.random, answer.serial);
    let data = transaction.mac1_input(answer.balance);
    verify(keys, PurseMac { key: key.clone(), key_use: PurseKeyUse::Session { input }, data }, answer.mac1).await
}

pub(super) async fn session_mac(
    keys: &mut impl KeyPort,
    key: &KeyRef,
    input: [u8; 8],
    data: alloc::vec::Vec<u8>,
) -> Result<[u8; 4], Error> {
    let mac = PurseMac { key: key.clone(), key_use: PurseKeyUse::Session { input }, data };
    Ok(keys.ask_keys(KeyRequest::PurseMac(mac)).await?.into_mac()?)
}

pub(super) async fn verify_session(
    keys: &mut impl KeyPort,
    key: &KeyRef,
    input: [u8; 8],
    data: alloc::vec::Vec<u8>,
    mac: [u8; 4],
    (command, what): (&'static str, &'static str),
) -> Result<(), Error> {
    let expected = PurseMac { key: key.clone(), key_use: PurseKeyUse::Session { input }, data };
    if verify(keys, expected, mac).await? { Ok(()) } else { Err(Error::Mac { command, what }) }
}

pub(super) async fn verify(keys: &mut impl KeyPort, mac: PurseMac, received: [u8; 4]) -> Result<bool, Error> {
    Ok(keys.ask_keys(KeyRequest::VerifyPurseMac { mac, received }).await?.into_verified()?)
}

pub(super) async fn call(
    card: &mut impl CardPort,
    name: &'static str,
    command: CommandApdu,
) -> Result<ResponseApdu, Error> {
    let sent = card.transmit(command).await;
    let response = sent.map_err(|source| Error::Transport { command: name, source })?;
    match response.sw() {
        sw if sw.is_ok() => Ok(response),
        sw => Err(Error::Refused { command: name, sw }),
    }
}
