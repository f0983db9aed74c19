//! What came of an unload, a new overdraft limit or a purchase whose answer was lost (FMCOS 2.0 user manual 8.13.5).
//!
//! | transaction | GET TRANSACTION PROVE says done when | without a proof |
//! |---|---|---|
//! | unload | its MAC3 verifies | INITIALIZE FOR UNLOAD: serial number and balance under MAC1 |
//! | new overdraft limit | its TAC verifies | INITIALIZE FOR UPDATE: the same under MAC1 |
//! | purchase, withdrawal | its MAC2 verifies, and its TAC where the key is there | INITIALIZE FOR PURCHASE: a serial number that moved is a dispute; one that did not, no MAC covers |
//!
//! The proof is asked for with the serial number before and after, as the profile says; INITIALIZE comes last, since it makes a MAC2 that
//! is on its way worthless, and with a terminal number drawn at random, so that no recorded answer fits. How the answers are judged is
//! the table of [`Inquiry`].

use cardwright_apdu::CardPort;
use cardwright_keys::pboc::{PurseKeyUse, PurseMac};
use cardwright_keys::{KeyPort, KeyRef};

use super::online::{OpenOverdraft, OpenUnload, initialize_for_unload, initialize_for_update};
use super::procedure::{
    PurchaseSession, initialize_for_purchase, purchase_tac_verifies, transaction_prove, use_of, verify,
};
use super::prove::{Dispute, Evidence, Inquiry, LoadProof, NextQuestion, Verdict};
use super::{
    Balance, ProveSerial, PurseProfile, TerminalNumber, TransactionProof, TransactionType, offline_session,
    online_session,
};
use crate::Error;

/// What came of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovered {
    /// It was done: the card's own MAC or TAC over it verifies, or a later MAC1 over what it left.
    Done(RecoveredBy),
    /// It was not done, and what was given out for it is worth nothing any more.
    NotDone,
    /// It cannot be told.
    Disputed(Dispute),
}

/// What shows that a transaction was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveredBy {
    /// MAC2, MAC3 or TAC of GET TRANSACTION PROVE.
    Proof,
    /// MAC1 of a later initialization.
    Mac1,
}

impl From<Verdict> for Recovered {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Loaded(LoadProof::Tac) => Self::Done(RecoveredBy::Proof),
            Verdict::Loaded(LoadProof::Mac1) => Self::Done(RecoveredBy::Mac1),
            Verdict::NotLoaded => Self::NotDone,
            Verdict::Disputed(dispute) => Self::Disputed(dispute),
        }
    }
}

/// Finds out what came of an unload. `challenge` is drawn at random for each call.
///
/// # Errors
/// [`Error::Transport`], [`Error::Keys`]: nothing was found out, ask again. [`Error::Insufficient`] for a record that cannot be;
/// [`Error::Length`], [`Error::Algorithm`].
pub async fn resolve_unload(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    unload_key: &KeyRef,
    open: &OpenUnload,
    challenge: TerminalNumber,
) -> Result<Recovered, Error> {
    let insufficient = Error::Insufficient { balance: open.balance.0, amount: open.amount.get() };
    let new_balance = open.new_balance().ok_or(insufficient)?;
    let mut inquiry = Inquiry::of(open.serial, (open.balance, new_balance), profile.prove);
    loop {
        let evidence = match inquiry.next() {
            NextQuestion::Decided(verdict) => return Ok(verdict.into()),
            NextQuestion::Prove(serial) => match proof(card, TransactionType::UNLOAD, serial).await? {
                None => Evidence::NoProof,
                Some(proof) => {
                    let key_use = PurseKeyUse::Session { input: online_session(open.random, open.serial) };
                    let mac = PurseMac { key: unload_key.clone(), key_use, data: open.result_input(new_balance) };
                    verified(verify(keys, mac, proof.mac).await?)
                }
            },
            NextQuestion::Initialize => {
                let what = (open.amount, challenge, open.time);
                let answer = initialize_for_unload(card, keys, profile, unload_key, what).await;
                initialized(answer.map(|open| (open.serial, open.balance)))?
            }
        };
        inquiry.handle_evidence(evidence);
    }
}

/// Finds out what came of a new overdraft limit. `challenge` is drawn at random for each call.
///
/// # Errors
/// As [`resolve_unload`].
pub async fn resolve_overdraft(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    (overdraft_key, tac_key): (&KeyRef, Option<&KeyRef>),
    open: &OpenOverdraft,
    challenge: TerminalNumber,
) -> Result<Recovered, Error> {
    let insufficient = Error::Insufficient { balance: open.balance.0, amount: open.before.get() };
    let new_balance = open.new_balance().ok_or(insufficient)?;
    let mut inquiry = Inquiry::of(open.serial, (open.balance, new_balance), profile.prove);
    loop {
        let evidence = match inquiry.next() {
            NextQuestion::Decided(verdict) => return Ok(verdict.into()),
            NextQuestion::Prove(serial) => match (proof(card, TransactionType::OVERDRAFT, serial).await?, tac_key) {
                (None, _) => Evidence::NoProof,
                (Some(_), None) => Evidence::TacNotVerified,
                (Some(proof), Some(key)) => {
                    let key_use = use_of(profile.overdraft_tac);
                    let mac = PurseMac { key: key.clone(), key_use, data: open.result_input(new_balance) };
                    verified(verify(keys, mac, proof.tac).await?)
                }
            },
            NextQuestion::Initialize => {
                let what = (open.limit, challenge, open.time);
                let answer = initialize_for_update(card, keys, profile, overdraft_key, what).await;
                initialized(answer.map(|open| (open.serial, open.balance)))?
            }
        };
        inquiry.handle_evidence(evidence);
    }
}

/// Finds out what came of a purchase or withdrawal whose session was recorded.
///
/// That it was not done no MAC shows: a card that lies about its serial number makes its holder pay twice, not the acceptor.
///
/// # Errors
/// [`Error::Transport`], [`Error::Keys`]: nothing was found out, ask again. [`Error::Length`], [`Error::Algorithm`].
pub async fn resolve_purchase(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &PurseProfile,
    (purchase_key, tac_key): (&KeyRef, Option<&KeyRef>),
    session: &PurchaseSession,
) -> Result<Recovered, Error> {
    let (purchase, before) = (session.purchase(), *session.initialization());
    let serials = match profile.prove {
        ProveSerial::Own => [Some(before.serial), None],
        ProveSerial::Next => [before.serial.checked_add(1), None],
        ProveSerial::Both => [Some(before.serial), before.serial.checked_add(1)],
    };
    for serial in serials.into_iter().flatten() {
        let Some(proof) = proof(card, purchase.transaction.transaction_type, serial).await? else { continue };
        let input = offline_session(before.random, before.serial, purchase.terminal_serial);
        let key_use = PurseKeyUse::Session { input };
        let data = purchase.transaction.purchase_mac2_input();
        let mac2 = verify(keys, PurseMac { key: purchase_key.clone(), key_use, data }, proof.mac).await?;
        let tac = match tac_key {
            Some(key) => purchase_tac_verifies(keys, profile, key, &purchase, proof.tac).await?,
            None => true,
        };
        if mac2 && tac {
            return Ok(Recovered::Done(RecoveredBy::Proof));
        }
    }
    match initialize_for_purchase(card, profile, purchase).await {
        Ok(now) if now.initialization().serial == before.serial && now.initialization().balance == before.balance => {
            Ok(Recovered::NotDone)
        }
        Ok(_) => Ok(Recovered::Disputed(Dispute::MovedOn)),
        Err(Error::Refused { .. }) => Ok(Recovered::Disputed(Dispute::Refused)),
        Err(error) => Err(error),
    }
}

async fn proof(
    card: &mut impl CardPort,
    transaction_type: TransactionType,
    serial: u16,
) -> Result<Option<TransactionProof>, Error> {
    match transaction_prove(card, transaction_type, serial).await {
        Ok(proof) => Ok(Some(proof)),
        Err(Error::Refused { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn verified(is_right: bool) -> Evidence {
    if is_right { Evidence::TacVerifies } else { Evidence::TacWrong }
}

/// What an initialization tells, under its MAC1.
fn initialized(answer: Result<(u16, Balance), Error>) -> Result<Evidence, Error> {
    match answer {
        Ok((serial, balance)) => Ok(Evidence::Initialized { mac1_verifies: true, serial, balance }),
        Err(Error::Mac { .. }) => Ok(Evidence::Initialized { mac1_verifies: false, serial: 0, balance: Balance(0) }),
        Err(Error::Refused { .. }) => Ok(Evidence::NotInitialized),
        Err(error) => Err(error),
    }
}
