//! The example `report` as a user runs it: what stands in the file, and what it makes of journals that are none.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::sync::LazyLock;

use cardwright::issuance::event::{Event, IdempotencyClass, StepEvent};
use cardwright::issuance::journal::{Entity, Entry, Label, Mark};
use cardwright::issuance::store::{Journal, SqliteStore, Store, Transaction};
use cardwright::issuance::system::settlement::{Class, DayEvent, Exception, Resolution, Totals};
use tempfile::TempDir;

/// A journal of some cards, made once.
static SAMPLE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let output = report(folder.path(), &["--sample", "24", "sample.journal", "-o", "report.html"]);
    assert!(output.status.success(), "{}", text(&output));
    folder
});

fn report(folder: &Path, options: &[&str]) -> Output {
    support::example("report").current_dir(folder).args(options).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn sample_html() -> String {
    std::fs::read_to_string(SAMPLE.path().join("report.html")).unwrap()
}

/// The number that stands above these words.
fn tile(html: &str, words: &str) -> String {
    let before = html.split(&format!("</b><span>{words}</span>")).next().filter(|before| *before != html).unwrap();
    before.rsplit("<b>").next().unwrap().to_owned()
}

#[test]
fn one_file_without_scripts_asks_for_nothing_from_elsewhere() {
    let html = sample_html();
    for foreign in ["<script", "@import", "url(", "src=", "<link rel=\"stylesheet", "https:"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert_eq!(html.matches("http:").count(), html.matches("http://www.w3.org/2000/svg").count());
    for section in ["Cards a day", "Yield", "Failures", "How long steps take", "Open", "The record"] {
        assert!(html.contains(&format!("<h2>{section}")), "{section}");
    }
    // Each chart in two widths, each with its table.
    assert_eq!(html.matches("role=\"img\"").count(), 8);
    assert_eq!(
        html.matches("<figure>").count(),
        html.matches("</figure><div class=\"scroll\" tabindex=\"0\"><table>").count()
    );
    assert!(!html.contains("#01010"), "every colour follows the page");
}

/// Counted again from the records, without the report's code.
#[test]
fn the_numbers_are_those_of_the_journal() {
    let journal = SqliteStore::open_read_only(SAMPLE.path().join("sample.journal")).unwrap();
    let mut completed = BTreeMap::new();
    let (mut refused, mut quarantined) = (BTreeMap::<u16, u64>::new(), 0);
    let mut count = 0;
    for record in journal.records(0, 1_000_000).unwrap() {
        count += 1;
        let card = record.entity.as_str().split('/').nth(1).unwrap().to_owned();
        match Event::of(&record).unwrap() {
            Event::Completed { .. } => drop(completed.insert(card, record.time_ms / 86_400_000)),
            Event::Step { event: StepEvent::Failed { sw: Some(sw) }, .. } => *refused.entry(sw).or_default() += 1,
            Event::Step { event: StepEvent::Quarantined { .. }, .. } => quarantined += 1,
            _ => {}
        }
    }
    assert!(completed.len() > 15, "{}", completed.len());
    let html = sample_html();
    assert_eq!(tile(&html, "cards complete"), completed.len().to_string());
    assert_eq!(tile(&html, "wait for a person"), quarantined.to_string());
    let plain = html.replace('\u{202F}', "");
    assert!(plain.contains(&format!("chain of {count} records verified")), "{count}");
    for (sw, times) in refused {
        let row = html.split(&format!("<td>{sw:04X}</td>")).nth(1).unwrap();
        assert!(
            row.split("</tr>").next().unwrap().ends_with(&format!("<td class=\"n\">{times}</td>")),
            "{sw:04X} {row:.80}"
        );
    }
    let days: std::collections::BTreeSet<_> = completed.values().collect();
    let cards_a_day = html.split("<h2>Cards a day</h2>").nth(1).unwrap().split("</section>").next().unwrap();
    let with_cards =
        cards_a_day.matches("<td class=\"n\">").count() - cards_a_day.matches("<td class=\"n\">0</td>").count();
    assert_eq!(with_cards, days.len());
}

#[test]
fn hostile_text_is_text() {
    const HOSTILE: &str = "<script>alert(1)</script>\u{202E}\"'&\0";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.journal");
    let mut store = SqliteStore::open(&path).unwrap();
    let entity = Entity::new("card/<img/onerror=alert(1)>&").unwrap();
    let step = |event| Event::Step { step: HOSTILE.into(), attempt: 1, event };
    let begun = StepEvent::Begun {
        class: IdempotencyClass::Overwrite,
        input: [0; 32],
        tries_before: None,
        kvn: None,
        key: None,
    };
    let events = [step(begun), step(StepEvent::Lost), step(StepEvent::Quarantined { reason: HOSTILE.into() })];
    let entries: Vec<_> = events.iter().map(|event| event.entry(&entity)).collect();
    let transaction = Transaction { marks: vec![(entity, Mark::Open)], ..Transaction::new(entries) };
    let _durable = store.commit(transaction, u64::MAX >> 1).unwrap();
    drop(store);
    // A NUL would end the argument.
    let title = HOSTILE.trim_end_matches('\0');
    let output = report(folder.path(), &["hostile.journal", "-o", "r.html", "--title", title]);
    assert!(output.status.success(), "{}", text(&output));
    let html = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(!html.contains(['\u{202E}', '\0']));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("waits for a person"));
}

#[test]
fn a_journal_that_is_damaged_newer_or_none_gives_no_report() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(SAMPLE.path().join("sample.journal")).unwrap();
    let damaged_at = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        std::fs::write(folder.path().join("j"), bytes).unwrap();
        report(folder.path(), &["j", "-o", "r.html"])
    };
    for (expected, words, output) in [
        (
            3,
            "no report was written",
            damaged_at(&|bytes| {
                let middle = bytes.len() / 2;
                bytes[middle..middle + 64].fill(0xA5);
            }),
        ),
        (3, "no report was written", damaged_at(&|bytes| bytes.truncate(bytes.len() / 2))),
        (4, "newer", damaged_at(&|bytes| bytes[60..64].copy_from_slice(&99u32.to_be_bytes()))),
        (1, "no report was written", damaged_at(&|bytes| *bytes = b"no journal at all".to_vec())),
    ] {
        assert_eq!(output.status.code(), Some(expected), "{}", text(&output));
        assert!(text(&output).contains(words), "{}", text(&output));
    }
    assert_eq!(report(folder.path(), &["missing", "-o", "r.html"]).status.code(), Some(1));
    assert!(!folder.path().join("r.html").exists() && !folder.path().join("missing").exists());
    std::fs::write(folder.path().join("j"), &whole).unwrap();
    let same = report(folder.path(), &["j", "-o", "./j"]);
    assert!(same.status.code() == Some(1) && text(&same).contains("is the journal"), "{}", text(&same));
    assert_eq!(std::fs::read(folder.path().join("j")).unwrap(), whole);
    let again = report(folder.path(), &["--sample", "3", "j", "-o", "r.html"]);
    assert!(text(&again).contains("is there already"), "{}", text(&again));
}

#[test]
fn settlement_is_shown_by_business_day_with_its_exceptions() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(folder.path().join("days.journal")).unwrap();
    for (day, exceptions) in [("2026-03-02", 0), ("2026-03-03", 2)] {
        let entity = Entity::new(&format!("settlement/{day}")).unwrap();
        let totals = Totals { matched: 40, debited: 123_456, reversed: 400, bank_debits: 123_000, ..Totals::default() };
        let mut events =
            vec![DayEvent::CutOff { at_ms: 1, after: 0, upto: 0 }, DayEvent::Matched { at_ms: 2, totals, exceptions }];
        let found = |number| Exception {
            number,
            class: Class::BankOnly,
            load: Some("<b>T1</b>".into()),
            amount: 500,
            bank: Vec::new(),
            evidence: Vec::new(),
        };
        events.extend((1..=exceptions).map(|number| DayEvent::Found { exception: found(number) }));
        if exceptions > 0 {
            let resolution = Resolution::Claimed { reference: "C-7".into() };
            events.push(DayEvent::Assigned { at_ms: 3, number: 1, owner: "<i>Wang</i>".into() });
            events.push(DayEvent::Resolved { at_ms: 4, number: 1, resolution, day: day.into() });
        }
        let body = |event: &DayEvent| minicbor::to_vec(event).unwrap();
        let entries: Vec<_> = events.iter().map(|event| Entry { entity: entity.clone(), body: body(event) }).collect();
        let transaction = Transaction::new(entries).of(Label::new("settlement").unwrap());
        let _durable = store.commit(transaction, 1_772_409_600_000).unwrap();
    }
    drop(store);
    let output = report(folder.path(), &["days.journal", "-o", "r.html"]);
    assert!(output.status.success(), "{}", text(&output));
    let html = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    let section = html.split("<h2>Settlement</h2>").nth(1).unwrap();
    for expected in ["1\u{202F}230.56", "1\u{202F}230.00", "to be closed", "exceptions are open"] {
        assert!(section.contains(expected), "{expected}");
    }
    let exceptions = section.split("<h2>Exceptions of settlement</h2>").nth(1).unwrap();
    for expected in
        ["bank only", "&lt;b&gt;T1&lt;/b&gt;", "&lt;i&gt;Wang&lt;/i&gt;", "claimed C-7", "nobody", "<td>open</td>"]
    {
        assert!(exceptions.contains(expected), "{expected}");
    }
    assert!(!html.contains("<b>T1") && !html.contains("<i>Wang"));
}

#[test]
fn loads_of_purses_are_counted_by_day() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = support::example("cpu_card").current_dir(folder.path()).args(["--load", "1234"]).output().unwrap();
    assert!(loaded.status.success(), "{}", text(&loaded));
    let output = report(folder.path(), &["cpu_card.journal", "-o", "r.html"]);
    assert!(output.status.success(), "{}", text(&output));
    let html = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    assert_eq!((tile(&html, "purses loaded"), tile(&html, "credited to cards")), ("1".into(), "12.34".into()));
    assert!(html.contains("<h2>Purses</h2>"));
}
