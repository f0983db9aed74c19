//! The evening of a day: cut-off, three files, the match, what follows of it, and the signed end.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use cardwright::issuance::journal::SoftwareSigner;
use cardwright::issuance::machine::{Change, Kept};
use cardwright::issuance::system::settlement::{
    BusinessDate, Class, Day, DayEvent, Evidence, Exception, Inputs, Resolution, Source, Wanted, close, collect,
    cut_off, match_day, read_bank_file, read_evidence, record_matching, statement, waiver,
};
use cardwright::keys::{KeyAnswer, KeyService};
use sha2::{Digest, Sha256};

use crate::card::number_of;
use crate::house::House;

/// What came of a day.
pub(crate) struct Settled {
    pub(crate) classes: BTreeMap<Class, u32>,
    pub(crate) matched: u32,
    /// In dispute at its end: account and amount.
    pub(crate) disputes: Vec<(String, i64)>,
    pub(crate) statement: String,
}

/// Settles a day.
pub(crate) fn settle(
    house: &mut House,
    date: BusinessDate,
    before: Option<&Kept<Day>>,
) -> Result<(Kept<Day>, Settled), Box<dyn Error>> {
    let now_ms = house.now_ms;
    let bank_file = house.bank.file(&date.to_string(), &mut house.dice);
    let kept = house.archive.hand_in();
    let mut day = Kept::<Day>::load(&house.store, date.entity()?)?;
    let (after, upto) = cut_off(&mut house.store, &mut day, before, now_ms)?;

    let bank = read_bank_file(bank_file.as_bytes(), date)?;
    let evidence = read_evidence(kept.as_bytes())?;
    let mut checked = Vec::new();
    for row in evidence.clone() {
        checked.push((row.clone(), verifies(house, &row)?));
    }
    let carried = before.map(|day| day.state().carried()).unwrap_or_default();
    let wanted = Wanted::by(&bank, &evidence, &carried);
    let journal = collect(&house.store, after, upto, &wanted)?;
    let matching = match_day(Inputs { bank: &bank, journal: &journal, evidence: &checked, carried: &carried });
    let (bank_rows, evidence_rows, loads) = (bank.len(), evidence.len(), journal.len());
    for (source, bytes, rows) in [
        (Source::Bank, bank_file.as_bytes(), bank_rows),
        (Source::Evidence, kept.as_bytes(), evidence_rows),
        (Source::Journal, format!("{after}..{upto}").as_bytes(), loads),
    ] {
        let hash = Sha256::digest(bytes).into();
        let delivered = DayEvent::Delivered { at_ms: now_ms, source, hash, rows: rows as u32 };
        Change::new().apply(&mut day, &[delivered])?.commit(&mut house.store, now_ms)?;
    }
    record_matching(&mut house.store, &mut day, &matching, now_ms)?;

    let open: BTreeSet<&str> = journal.iter().filter(|load| load.is_open).map(|load| load.id.as_str()).collect();
    let was_carried: Vec<String> = carried.iter().filter_map(|exception| exception.load.clone()).collect();
    for exception in &matching.exceptions {
        let mut resolution = follow_up(house, exception, &was_carried, date)?;
        // What has not ended is looked at again tomorrow, whatever else is wrong with it.
        if exception.load.as_ref().is_some_and(|load| open.contains(load.as_str())) {
            resolution = Resolution::Carried;
        }
        let (number, day_name) = (exception.number, date.to_string());
        let events = [
            DayEvent::Assigned { at_ms: now_ms, number, owner: "desk 1".into() },
            DayEvent::Resolved { at_ms: now_ms, number, resolution, day: day_name },
        ];
        Change::new().apply(&mut day, &events)?.commit(&mut house.store, now_ms)?;
    }
    let statement = statement(date, day.state());
    let mut signer = SoftwareSigner::new(&[0x33; 32]);
    close(&mut house.store, &mut day, date, &statement, &mut signer, now_ms)?;
    let settled = Settled {
        classes: matching.exceptions.iter().fold(BTreeMap::new(), |mut classes, exception| {
            *classes.entry(exception.class).or_default() += 1;
            classes
        }),
        matched: matching.totals.matched,
        disputes: journal
            .iter()
            .filter(|load| load.is_open)
            .map(|load| (load.account.clone(), load.amount.into()))
            .collect(),
        statement,
    };
    Ok((day, settled))
}

fn verifies(house: &mut House, row: &Evidence) -> Result<bool, Box<dyn Error>> {
    let number = number_of(&row.card).ok_or("a card without a number")?;
    let kind = house.cards.get(usize::from(number) - 1).ok_or("a card of another house")?.kind;
    let key = kind.tac_key(row.factor().ok_or("a card without a factor")?);
    let Some(question) = row.question(&kind.profile(), &key) else { return Ok(false) };
    Ok(matches!(house.keys.answer(&question)?, KeyAnswer::Verified(true)))
}

/// What the desk does about an exception.
fn follow_up(
    house: &mut House,
    exception: &Exception,
    was_carried: &[String],
    date: BusinessDate,
) -> Result<Resolution, Box<dyn Error>> {
    let reference = format!("case-{date}-{}", exception.number);
    Ok(match exception.class {
        Class::Open => Resolution::Carried,
        Class::EvidenceMissing if exception.load.as_ref().is_some_and(|load| was_carried.contains(load)) => {
            let what = waiver(&date.to_string(), exception.number, None);
            Resolution::Waived { grant: house.persons.grant(what, house.now_ms)? }
        }
        Class::EvidenceMissing => Resolution::Carried,
        Class::AmountMismatch => {
            exception.load.iter().for_each(|load| house.bank.correct(load, exception.amount));
            Resolution::Reversed { reference }
        }
        // Asked about it, the bank finds the row, and whatever is wrong with it.
        Class::CardOnly | Class::NotInBankFile => {
            exception.load.iter().for_each(|load| house.bank.correct(load, exception.amount));
            Resolution::Claimed { reference }
        }
        Class::BankOnly => Resolution::Reversed { reference },
        class => Resolution::Explained { reason: format!("{}: the source was told", class.name()) },
    })
}
