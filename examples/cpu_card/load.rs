//! A load of the wallet of the issued card: account debited, card credited, each once.

use std::error::Error;
use std::process::ExitCode;

use cardwright::apdu::Transport;
use cardwright::cos;
use cardwright::cos::purse::{
    self as cos_purse, Amount, AmountError, Balance, PurseAlgorithm, PurseKeys, PurseKind, PurseProfile, TacKey,
    TerminalNumber, TimeError, TransactionTime,
};
use cardwright::gp;
use cardwright::issuance::account::AccountId;
use cardwright::issuance::purse::{
    ClosedBecause, Load, LoadError, LoadOrder, LoadReport, LoadRules, LoadState, LoadTerminal, LoadedBy, TransactionId,
    Waiting, load,
};
use cardwright::issuance::{Conversation, Notice};
use cardwright::keys::KeyRef;

use crate::account::Keeper;
use crate::run::Session;
use crate::shared::run::{INTERRUPTED, QUARANTINED, interrupted, now};

/// The application of the manual's script.
const APPLICATION: &str = "A00000000386980701";
const ACCOUNT: &str = "holder";
const TERMINAL: TerminalNumber = TerminalNumber([0x00, 0x00, 0x00, 0x00, 0x00, 0x01]);
/// The most at once, and the most that the wallet may hold.
const MAX_AMOUNT: u64 = 100_000;
const MAX_BALANCE: Balance = Balance(1_000_000);

/// An amount that the rules allow.
pub(crate) fn amount(text: &str) -> Result<Amount, Box<dyn Error + Send + Sync>> {
    Ok(Amount::new(text.parse()?)?.within(max_amount()?)?)
}

/// Loads the wallet, or finishes the load that was begun with this id.
pub(crate) fn run(
    id: &TransactionId,
    amount: Amount,
    session: &mut Session<'_>,
    keeper: &mut Keeper,
) -> Result<ExitCode, Box<dyn Error>> {
    let _atr = Transport::reset(&mut session.card)?;
    println!("\nLoad {id}: {amount} into the wallet of application {APPLICATION}");
    let order = order(id, amount)?;
    let mut steps = 0;
    let notice = |notice| {
        if let Notice::Step { step, outcome } = notice {
            steps += 1;
            println!("  {step}: {outcome}");
        }
    };
    let report = session.drive(notice, |driver| driver.run_with_account(load(order), &mut *keeper))?;
    let LoadReport { load, waiting } = match report {
        Ok(report) => report,
        Err(LoadError::Gp(gp::Error::Transport { command, source })) => return Ok(interrupted(command, &source.kind)),
        Err(LoadError::Cos(cos::Error::Transport { command, source })) => {
            return Ok(interrupted(command, &source.kind));
        }
        Err(error) => return Err(error.into()),
    };
    match waiting {
        Some(waiting) => Ok(wait(&waiting, keeper)),
        None => show(&load, steps > 0, session, keeper),
    }
}

/// The keys are the manual's load key 01 and TAC key 00, which its card holds as they are.
fn order(id: &TransactionId, amount: Amount) -> Result<LoadOrder, Box<dyn Error>> {
    let now_ms = now();
    Ok(LoadOrder {
        id: id.clone(),
        purse: PurseKind::Wallet,
        amount,
        account: AccountId::new(ACCOUNT)?,
        terminal: LoadTerminal {
            application: APPLICATION.parse()?,
            profile: PurseProfile { algorithm: PurseAlgorithm::Des, tac: TacKey::Folded, ..PurseProfile::FMCOS },
            sm4_by_version: false,
            keys: PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new("tac")) },
            levels: None,
            pin: None,
            number: TERMINAL,
            rules: LoadRules { version: 1, max_amount: max_amount()?, max_balance: MAX_BALANCE },
            time: time(now_ms / 1000)?,
            now_ms,
        },
    })
}

fn max_amount() -> Result<Amount, AmountError> {
    Amount::new(MAX_AMOUNT)
}

fn wait(waiting: &Waiting, keeper: &Keeper) -> ExitCode {
    match waiting {
        Waiting::Card { command, kind } => interrupted(command, kind),
        Waiting::Account(_) => {
            let why = keeper.fault.as_ref().map(ToString::to_string).unwrap_or_default();
            println!("\nno answer of the account's keeper: {why}");
            println!("The debit is in the record as not known. Run the same command again: its keeper will be asked.");
            ExitCode::from(INTERRUPTED)
        }
        Waiting::Dispute { why, case } => {
            println!("\nwhether the card is loaded cannot be told ({why:?}): case {case} waits for persons");
            println!("Nothing is reversed before. The same card, run again, is asked once more.");
            ExitCode::from(QUARANTINED)
        }
        _ => ExitCode::FAILURE,
    }
}

fn show(load: &Load, is_new: bool, session: &mut Session<'_>, keeper: &Keeper) -> Result<ExitCode, Box<dyn Error>> {
    let after = match balance(session)? {
        Ok(balance) => balance,
        Err(cos::Error::Transport { command, source }) => return Ok(interrupted(command, &source.kind)),
        Err(error) => return Err(error.into()),
    };
    println!();
    if let Some((serial, before)) = load.initialized {
        println!("  balance before    {before}, transaction {serial}, as MAC1 says");
    }
    println!("  balance now       {after}, as GET BALANCE says");
    println!("  account           {}: {keeper}", load.account);
    let code = match load.state {
        LoadState::Loaded(by) => {
            println!("  proved by         {}", proof(by));
            println!("\n{}", if is_new { "loaded" } else { "loaded before, nothing was left to do" });
            ExitCode::SUCCESS
        }
        LoadState::Closed(why) => {
            println!("\nnot loaded: {}", refusal(why));
            ExitCode::FAILURE
        }
        LoadState::Reversed => {
            println!("\nnot loaded: the account has its money back");
            ExitCode::FAILURE
        }
        _ => ExitCode::FAILURE,
    };
    Ok(code)
}

/// What the wallet holds; the load has selected the application.
fn balance(session: &mut Session<'_>) -> Result<Result<Balance, cos::Error>, Box<dyn Error>> {
    let ask = Conversation::new(|mut port| async move { cos_purse::balance(&mut port, PurseKind::Wallet).await });
    Ok(session.drive(|_| {}, |driver| driver.run(ask))?)
}

fn proof(by: LoadedBy) -> &'static str {
    match by {
        LoadedBy::Answer => "TAC of the answer to CREDIT FOR LOAD",
        LoadedBy::Proof => "TAC of GET TRANSACTION PROVE",
        LoadedBy::Mac1 => "MAC1 of a later INITIALIZE FOR LOAD",
        LoadedBy::Persons => "persons who settled its case",
    }
}

fn refusal(why: ClosedBecause) -> &'static str {
    match why {
        ClosedBecause::Rules => "the rules do not allow it; the account was not debited",
        ClosedBecause::DebitRefused => "the account's keeper refused the debit",
        ClosedBecause::GivenUp => "it was given up before the debit; order it again with another --load-id",
    }
}

/// Date and time, in UTC, of a number of seconds since 1970-01-01.
fn time(seconds: u64) -> Result<TransactionTime, TimeError> {
    let of_day = |divisor, count| (seconds / divisor % count) as u8;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut days = seconds / 86_400;
    let mut year = 1970;
    while year < 9999 && days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let day = u8::try_from(days + 1).unwrap_or(u8::MAX);
    TransactionTime::new(year as u16, month, day, of_day(3600, 24), of_day(60, 60), of_day(1, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_date_and_time() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_704_067_199, "2023-12-31 23:59:59"),
            (1_735_603_200, "2024-12-31 00:00:00"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(time(seconds).unwrap().to_string(), expected);
        }
        assert!(time(u64::MAX).is_err());
    }

    #[test]
    fn an_amount_is_within_the_rules() {
        for wrong in ["0", "-1", "100001", "4294967297", "", "1.5"] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
        assert!(amount("100000").is_ok());
    }
}
