use std::fmt::Write;

use super::csv::quoted;
use super::date::BusinessDate;
use super::day::Day;

/// The statement of a day as CSV: sums, exceptions with owner and resolution, adjustments of other days. The same day gives the same bytes.
#[must_use]
pub fn statement(date: BusinessDate, day: &Day) -> String {
    let mut text = String::from("date,section,number,item,load,amount,owner,resolution\n");
    let mut line = |section: &str, number: u32, item: &str, load: &str, amount: i128, owner: &str, end: &str| {
        let (item, load, owner, end) = (quoted(item), quoted(load), quoted(owner), quoted(end));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{date},{section},{number},{item},{load},{amount},{owner},{end}");
    };
    let totals = day.totals();
    for (item, amount) in [
        ("loads that match", u64::from(totals.matched)),
        ("debited", totals.debited),
        ("reversed", totals.reversed),
        ("loaded", totals.loaded),
        ("debits in the bank's file", totals.bank_debits),
        ("reversals in the bank's file", totals.bank_reversals),
        ("evidence of cards", totals.evidence),
    ] {
        line("total", 0, item, "", amount.into(), "", "");
    }
    for exception in day.exceptions() {
        let owner = day.owner(exception.number).unwrap_or_default();
        let end = day.resolution(exception.number).map(super::day::Resolution::words).unwrap_or_default();
        let load = exception.load.as_deref().unwrap_or_default();
        line("exception", exception.number, exception.class.name(), load, exception.amount.into(), owner, &end);
    }
    for (other, number, amount) in day.adjustments() {
        line("adjustment", *number, other, "", (*amount).into(), "", "");
    }
    text
}
