//! Days of loads, with files in which rows are missing, doubled, foreign or wrong.

use cardwright_keys::{KeyAnswer, KeyRef, KeyService};
use proptest::prelude::*;

use super::*;
use crate::journal::{Entity, SoftwareSigner};
use crate::machine::testing::{kept, round_trip};
use crate::machine::{Kept, Machine};
use crate::primitive::approval::Grant;
use crate::primitive::approval::tests::{granted, roster};
use crate::purse::tests::world::{LineFault, World, order};
use crate::store::{Journal, MemoryStore};

fn load(n: u32) -> JournalLoad {
    JournalLoad {
        id: format!("T{n}"),
        card: format!("1111222233330006-AABB10203040506070{n:02X}"),
        purse: 2,
        account: "holder".into(),
        amount: 100 * n,
        serial: Some(5),
        reference: Some(format!("B{n}")),
        debited: When::Today,
        loaded: When::Today,
        reversed: When::Never,
        is_open: false,
    }
}

fn bank(n: u32, booked: Booked) -> BankRow {
    let (reference, booking) = match booked {
        Booked::Debit => (format!("B{n}"), format!("T{n}")),
        Booked::Reversal => (format!("R{n}"), format!("T{n}/reversal")),
    };
    BankRow { row: u64::from(n), reference, booking, booked, account: "holder".into(), amount: 100 * n }
}

fn evidence(n: u32) -> Evidence {
    Evidence {
        row: n.into(),
        card: load(n).card,
        purse: 2,
        serial: 5,
        balance: 0,
        amount: 100 * n,
        terminal: [1; 6],
        time: [0x20, 0x24, 5, 6, 7, 8, 9],
        tac: [n as u8; 4],
    }
}

fn classes(matching: &Matching) -> Vec<(Class, Option<&str>)> {
    matching.exceptions.iter().map(|exception| (exception.class, exception.load.as_deref())).collect()
}

/// Three loads that match, and then one thing that does not.
struct Sources {
    bank: Vec<BankRow>,
    journal: Vec<JournalLoad>,
    evidence: Vec<(Evidence, bool)>,
    carried: Vec<Exception>,
}

impl Sources {
    fn new() -> Self {
        Self {
            bank: (1..=3).map(|n| bank(n, Booked::Debit)).collect(),
            journal: (1..=3).map(load).collect(),
            evidence: (1..=3).map(|n| (evidence(n), true)).collect(),
            carried: Vec::new(),
        }
    }

    fn compare(&self) -> Matching {
        let Self { bank, journal, evidence, carried } = self;
        match_day(Inputs { bank, journal, evidence, carried })
    }
}

#[test]
fn a_day_on_which_all_three_agree_has_no_exceptions() {
    let day = Sources::new().compare();
    assert_eq!((day.matched, day.exceptions), (vec!["T1".into(), "T2".into(), "T3".into()], vec![]));
    let sums = Totals { matched: 3, debited: 600, loaded: 600, bank_debits: 600, evidence: 600, ..Totals::default() };
    assert_eq!(day.totals, sums);
}

/// The table of the module, row by row.
#[test]
fn each_thing_that_does_not_match_has_its_class() {
    type Arrange = fn(&mut Sources);
    let mine = Some("T1");
    type Found<'a> = Vec<(Class, Option<&'a str>)>;
    let cases: [(Arrange, Found<'_>); 23] = [
        (|day| drop(day.bank.remove(0)), vec![(Class::CardOnly, mine)]),
        (|day| day.bank[0].amount += 1, vec![(Class::AmountMismatch, mine)]),
        (|day| day.bank[0].account = "other".into(), vec![(Class::AmountMismatch, mine)]),
        (|day| day.bank.push(day.bank[0].clone()), vec![(Class::Duplicate, mine)]),
        (
            |day| day.bank.push(BankRow { reference: "B9".into(), ..bank(1, Booked::Debit) }),
            vec![(Class::Duplicate, mine)],
        ),
        (
            |day| day.bank.push(BankRow { booking: "T9".into(), ..bank(9, Booked::Debit) }),
            vec![(Class::ForeignRow, None)],
        ),
        (|day| day.bank.push(bank(9, Booked::Reversal)), vec![(Class::ForeignRow, None)]),
        (|day| day.bank.push(bank(1, Booked::Reversal)), vec![(Class::BankOnly, mine)]),
        (|day| drop(day.evidence.remove(0)), vec![(Class::EvidenceMissing, mine)]),
        (|day| day.evidence[0].0.amount += 1, vec![(Class::AmountMismatch, mine)]),
        (|day| day.evidence.push(day.evidence[0].clone()), vec![(Class::Duplicate, mine)]),
        (|day| day.evidence[0].1 = false, vec![(Class::WrongTac, mine), (Class::EvidenceMissing, mine)]),
        (|day| day.evidence.push((evidence(9), true)), vec![(Class::ForeignRow, None)]),
        (|day| day.evidence[0].0.serial = 6, vec![(Class::ForeignRow, None), (Class::EvidenceMissing, mine)]),
        // In dispute: debited, and nobody knows more.
        (|day| (day.journal[0].loaded, day.journal[0].is_open) = (When::Never, true), vec![(Class::Open, mine)]),
        // The answer to the debit was lost.
        (
            |day| {
                (day.journal[0].debited, day.journal[0].loaded, day.journal[0].is_open) =
                    (When::Never, When::Never, true)
            },
            vec![(Class::Open, mine)],
        ),
        // The journal knows of no debit, and has ended.
        (
            |day| {
                (day.journal[0].debited, day.journal[0].loaded) = (When::Never, When::Never);
                day.evidence.remove(0);
            },
            vec![(Class::BankOnly, mine)],
        ),
        // Reversed on both sides.
        (
            |day| {
                (day.journal[0].loaded, day.journal[0].reversed) = (When::Never, When::Today);
                day.evidence.remove(0);
                day.bank.push(bank(1, Booked::Reversal));
            },
            vec![],
        ),
        // Reversed, and the bank has not done it.
        (
            |day| {
                (day.journal[0].loaded, day.journal[0].reversed) = (When::Never, When::Today);
                day.evidence.remove(0);
            },
            vec![(Class::NotInBankFile, mine)],
        ),
        // Reversed, and the bank never heard of the debit: nothing moved.
        (
            |day| {
                let load = &mut day.journal[0];
                (load.debited, load.loaded, load.reversed) = (When::Never, When::Never, When::Today);
                day.evidence.remove(0);
                day.bank.remove(0);
            },
            vec![],
        ),
        // Reversed by us and on the card all the same.
        (
            |day| {
                (day.journal[0].loaded, day.journal[0].reversed) = (When::Never, When::Today);
                day.bank.push(bank(1, Booked::Reversal));
                // Its serial number names no load that the card can have taken.
            },
            vec![(Class::ForeignRow, None)],
        ),
        // A row of yesterday's debit.
        (
            |day| (day.journal[0].debited, day.journal[0].loaded) = (When::Before, When::Before),
            vec![(Class::OtherDay, mine)],
        ),
        (
            |day| {
                (day.journal[0].loaded, day.journal[0].is_open) = (When::Never, false);
                day.evidence.remove(0);
                day.bank.remove(0);
            },
            vec![(Class::NotInBankFile, mine)],
        ),
    ];
    for (number, (arrange, expected)) in cases.into_iter().enumerate() {
        let mut day = Sources::new();
        arrange(&mut day);
        let matching = day.compare();
        assert_eq!(classes(&matching), expected, "case {number}");
        let numbers: Vec<u32> = matching.exceptions.iter().map(|exception| exception.number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u32).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_carried_is_matched_on_the_next_day() {
    let mut first = Sources::new();
    (first.journal[0].loaded, first.journal[0].is_open) = (When::Never, true);
    first.evidence.remove(0);
    first.evidence.remove(0);
    let carried = first.compare().exceptions;
    assert_eq!(carried.iter().map(|it| it.class).collect::<Vec<_>>(), [Class::Open, Class::EvidenceMissing]);
    let mut loads: Vec<JournalLoad> = (1..=2).map(load).collect();
    loads.iter_mut().for_each(|load| load.debited = When::Before);
    loads[1].loaded = When::Before;
    let next = |evidence: Vec<(Evidence, bool)>| {
        Sources { bank: vec![], journal: loads.clone(), evidence, carried: carried.clone() }.compare()
    };
    assert_eq!(next(vec![(evidence(1), true), (evidence(2), true)]).exceptions, []);
    // What is still missing stays an exception, and keeps its rows.
    let again = next(vec![(evidence(1), true)]);
    assert_eq!(classes(&again), [(Class::EvidenceMissing, Some("T2"))]);
    assert_eq!(again.exceptions[0].bank, [bank(2, Booked::Debit)]);
}

proptest! {
    /// Whatever is dropped, doubled or changed: each row of the bank and of the evidence is in a load that matches or in one exception.
    #[test]
    fn no_row_is_lost(
        drops in prop::collection::vec((0usize..3, 0usize..6), 0..6),
        changes in prop::collection::vec((0usize..3, 0usize..6, any::<u8>()), 0..6),
    ) {
        let mut day = Sources::new();
        for (source, place, byte) in changes {
            match source {
                0 if place < day.bank.len() => match byte % 5 {
                    0 => day.bank[place].amount = u32::from(byte) + 1,
                    1 => day.bank[place].booking = format!("T{byte}"),
                    2 => day.bank[place].booked = Booked::Reversal,
                    3 => day.bank[place].reference = format!("B{byte}"),
                    _ => day.bank.push(day.bank[place].clone()),
                },
                1 if place < day.journal.len() => {
                    let when = [When::Never, When::Before, When::Today];
                    let load = &mut day.journal[place];
                    load.debited = when[usize::from(byte) % 3];
                    load.loaded = when[usize::from(byte / 3) % 3];
                    load.reversed = when[usize::from(byte / 9) % 3];
                    load.is_open = byte >= 128;
                }
                2 if place < day.evidence.len() => match byte % 4 {
                    0 => day.evidence[place].1 = false,
                    1 => day.evidence[place].0.serial = byte.into(),
                    2 => day.evidence[place].0.amount = u32::from(byte) + 1,
                    _ => day.evidence.push(day.evidence[place].clone()),
                },
                _ => {}
            }
        }
        for (source, place) in drops {
            match source {
                0 if place < day.bank.len() => drop(day.bank.remove(place)),
                1 if place < day.journal.len() => drop(day.journal.remove(place)),
                2 if place < day.evidence.len() => drop(day.evidence.remove(place)),
                _ => {}
            }
        }
        let matching = day.compare();
        for row in &day.bank {
            let load = row.booking.strip_suffix("/reversal").unwrap_or(&row.booking).to_owned();
            let is_excepted = matching.exceptions.iter().any(|it| it.bank.contains(row));
            prop_assert!(is_excepted || matching.matched.contains(&load), "{row:?}: {matching:?}");
        }
        for (row, _) in &day.evidence {
            let is_excepted = matching.exceptions.iter().any(|it| it.evidence.contains(row));
            let load = day.journal.iter().find(|load| load.card == row.card && load.serial == Some(row.serial));
            let is_matched = load.is_some_and(|load| matching.matched.contains(&load.id));
            prop_assert!(is_excepted || is_matched, "{row:?}: {matching:?}");
        }
        // Money that matches is the same on all sides.
        for id in &matching.matched {
            let load = day.journal.iter().find(|load| load.id == *id).unwrap();
            for row in day.bank.iter().filter(|row| row.booking == *id) {
                let is_excepted = matching.exceptions.iter().any(|it| it.bank.contains(row));
                prop_assert!(row.amount == load.amount || is_excepted);
            }
        }
    }
}

const DAY: &str = "2024-05-06";

fn date() -> BusinessDate {
    DAY.parse().unwrap()
}

fn grant(what: [u8; 32], persons: u8) -> Grant {
    granted(what, persons).grant(&what, &roster(persons, 3), 3).unwrap()
}

fn delivered(source: Source) -> DayEvent {
    DayEvent::Delivered { at_ms: 2, source, hash: [1; 32], rows: 3 }
}

fn fold(events: &[DayEvent]) -> Result<Day, DayError> {
    events.iter().try_fold(Day::default(), |day, event| Ok(day.apply(event)?.0))
}

fn exception() -> Exception {
    let mut day = Sources::new();
    day.bank.remove(0);
    day.compare().exceptions.remove(0)
}

fn closed() -> DayEvent {
    let mut store = MemoryStore::new();
    let mut day = kept::<Day>(&mut store, "settlement/2024-05-06", &collected(0));
    close(&mut store, &mut day, date(), "text", &mut SoftwareSigner::new(&[7; 32]), 9).unwrap();
    let last = store.history(&date().entity().unwrap()).unwrap().pop().unwrap();
    minicbor::decode(&last.body).unwrap()
}

/// The events up to the match.
fn collected(exceptions: u32) -> Vec<DayEvent> {
    vec![
        DayEvent::CutOff { at_ms: 1, after: 0, upto: 9 },
        delivered(Source::Bank),
        delivered(Source::Journal),
        delivered(Source::Evidence),
        DayEvent::Matched { at_ms: 3, totals: Totals::default(), exceptions },
    ]
}

fn resolved(number: u32, resolution: Resolution) -> DayEvent {
    DayEvent::Resolved { at_ms: 5, number, resolution, day: DAY.into() }
}

fn assigned(number: u32) -> DayEvent {
    DayEvent::Assigned { at_ms: 4, number, owner: "desk 3".into() }
}

/// Every event in every state: the table of `day.rs`.
#[test]
fn the_table() {
    use DayState::*;
    let found = DayEvent::Found { exception: exception() };
    let explained = Resolution::Explained { reason: "typing".into() };
    let excepted = [collected(1), vec![found.clone(), assigned(1)]].concat();
    let settled = [excepted.clone(), vec![resolved(1, explained.clone())]].concat();
    let states = [
        (Open, vec![]),
        (Collecting, collected(1)[..4].to_vec()),
        (Balanced, collected(0)),
        (Excepted, excepted),
        (Settled, settled.clone()),
        (Closed, [collected(0), vec![closed()]].concat()),
    ];
    let what = adjustment("2024-05-05", 2, -300);
    let adjusted =
        DayEvent::Adjusted { at_ms: 1, day: "2024-05-05".into(), number: 2, amount: -300, grant: grant(what, 2) };
    let cut = DayEvent::CutOff { at_ms: 1, after: 0, upto: 9 };
    let matched = DayEvent::Matched { at_ms: 3, totals: Totals::default(), exceptions: 0 };
    let events = [adjusted, cut, matched, assigned(1), resolved(1, explained), closed()];
    let table: [[Option<DayState>; 6]; 6] = [
        [Some(Open), Some(Collecting), None, None, None, None],
        [None, None, Some(Balanced), None, None, None],
        [None, None, None, None, None, Some(Closed)],
        [None, None, None, Some(Excepted), Some(Settled), None],
        [None, None, None, None, None, Some(Closed)],
        [None; 6],
    ];
    for ((state, before), row) in states.iter().zip(table) {
        let day = fold(before).unwrap();
        assert_eq!(day.state(), *state);
        for (event, to) in events.iter().zip(row) {
            round_trip::<Day>(event);
            match (day.clone().apply(event), to) {
                (Ok((next, _)), Some(to)) => assert_eq!(next.state(), to, "{state:?} + {event:?}"),
                (Err(DayError::Illegal { state: found }), None) => assert_eq!(found, *state),
                (other, _) => panic!("{state:?} + {event:?}: {other:?}"),
            }
        }
    }
    round_trip::<Day>(&found);
    round_trip::<Day>(&delivered(Source::Bank));
}

#[test]
fn a_source_comes_once_or_is_waived_by_two_persons() {
    let start = fold(&collected(0)[..3]).unwrap();
    assert_eq!(start.clone().apply(&collected(0)[4]).unwrap_err(), DayError::Missing { source_name: Source::Evidence });
    assert_eq!(
        start.clone().apply(&delivered(Source::Bank)).unwrap_err(),
        DayError::Again { source_name: Source::Bank }
    );
    let waived =
        |source, what, persons| DayEvent::Waived { at_ms: 2, source, grant: grant(what, persons), day: DAY.into() };
    let what = waiver(DAY, 0, Some(Source::Evidence));
    let by = |event: &DayEvent| start.clone().apply(event);
    assert_eq!(by(&waived(Source::Evidence, what, 1)).unwrap_err(), DayError::NotApproved { persons: 1 });
    let other = waiver(DAY, 0, Some(Source::Bank));
    assert_eq!(by(&waived(Source::Evidence, other, 2)).unwrap_err(), DayError::NotApproved { persons: 0 });
    assert_eq!(by(&waived(Source::Journal, what, 2)).unwrap_err(), DayError::Journal);
    let done = by(&waived(Source::Evidence, what, 2)).unwrap().0;
    assert_eq!(done.apply(&collected(0)[4]).unwrap().0.state(), DayState::Balanced);
    round_trip::<Day>(&waived(Source::Evidence, what, 2));
}

#[test]
fn an_exception_has_an_owner_and_then_an_end() {
    let found = DayEvent::Found { exception: exception() };
    let day = fold(&[collected(1), vec![found.clone()]].concat()).unwrap();
    let no = |event: DayEvent| day.clone().apply(&event).unwrap_err();
    assert_eq!(no(resolved(1, Resolution::Carried)), DayError::NoOwner { number: 1 });
    assert_eq!(no(assigned(2)), DayError::NoSuchException { number: 2 });
    assert_eq!(no(found), DayError::Number { actual: 1, expected: 2 });
    let day = day.apply(&assigned(1)).unwrap().0;
    let waived = |what, persons| resolved(1, Resolution::Waived { grant: grant(what, persons) });
    let no = |event: DayEvent| day.clone().apply(&event).unwrap_err();
    assert_eq!(no(waived(waiver(DAY, 1, None), 1)), DayError::NotApproved { persons: 1 });
    assert_eq!(no(waived(waiver(DAY, 2, None), 2)), DayError::NotApproved { persons: 0 });
    assert_eq!(no(resolved(1, Resolution::Claimed { reference: String::new() })), DayError::Name);
    assert_eq!(day.clone().apply(&waived(waiver(DAY, 1, None), 2)).unwrap().0.state(), DayState::Settled);
    let carried = day.apply(&resolved(1, Resolution::Carried)).unwrap().0;
    assert_eq!(carried.carried(), [exception()]);
}

#[test]
fn a_closed_day_vouches_for_its_statement() {
    let mut store = MemoryStore::new();
    let mut day = kept::<Day>(&mut store, "settlement/2024-05-06", &collected(0));
    let text = statement(date(), day.state());
    let mut signer = SoftwareSigner::new(&[7; 32]);
    close(&mut store, &mut day, date(), &text, &mut signer, 9).unwrap();
    use crate::journal::CheckpointSigner;
    let (key, other) = (signer.public_key(), SoftwareSigner::new(&[8; 32]).public_key());
    assert!(day.state().is_signed_by(key, &text));
    assert!(!day.state().is_signed_by(other, &text) && !day.state().is_signed_by(key, &format!("{text} ")));
    let DayEvent::Closed { at_ms, day, statement, key, signature } = closed() else { panic!() };
    let mut forged = signature;
    forged[0] ^= 1;
    let other = [2; 32];
    for event in [
        DayEvent::Closed { at_ms, day: day.clone(), statement, key, signature: forged },
        DayEvent::Closed { at_ms, day: day.clone(), statement: other, key, signature },
        DayEvent::Closed { at_ms, day: "2024-05-07".into(), statement, key, signature },
    ] {
        assert_eq!(fold(&[collected(0), vec![event]].concat()).unwrap_err(), DayError::Signature);
    }
}

#[test]
fn a_statement_says_it_all() {
    let found = DayEvent::Found { exception: exception() };
    let end = resolved(1, Resolution::Claimed { reference: "C-9, urgent".into() });
    let what = adjustment("2024-05-05", 2, -300);
    let adjusted =
        DayEvent::Adjusted { at_ms: 1, day: "2024-05-05".into(), number: 2, amount: -300, grant: grant(what, 2) };
    let day = fold(&[vec![adjusted], collected(1), vec![found, assigned(1), end]].concat()).unwrap();
    let text = statement(date(), &day);
    for line in [
        "2024-05-06,total,0,loads that match,,0,,",
        "2024-05-06,exception,1,card only,T1,100,desk 3,\"claimed C-9, urgent\"",
        "2024-05-06,adjustment,2,2024-05-05,,-300,,",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
}

/// Loads of a software card, torn and whole, over two days: the journal's own rows.
#[test]
fn the_journal_tells_what_happened_on_which_day() {
    let mut world = World::new();
    world.load(&order("T1")).unwrap();
    world.plan(world.commands() + 4, LineFault::CutAfter);
    world.load(&order("T2")).unwrap();
    let mut first = Kept::<Day>::load(&world.store, date().entity().unwrap()).unwrap();
    let window = cut_off(&mut world.store, &mut first, None, 1).unwrap();
    let loads = collect(&world.store, window.0, window.1, &Wanted::default()).unwrap();
    let told = |loads: &[JournalLoad]| -> Vec<_> {
        loads.iter().map(|load| (load.id.clone(), load.debited, load.loaded, load.is_open)).collect()
    };
    use When::{Before, Never, Today};
    assert_eq!(told(&loads), [("T1".into(), Today, Today, false), ("T2".into(), Today, Never, true)]);
    assert_eq!((loads[0].serial, loads[1].serial, loads[0].reference.as_deref()), (Some(0), Some(1), Some("R")));

    world.reinsert();
    world.resume().unwrap();
    let next: BusinessDate = "2024-05-07".parse().unwrap();
    let mut second = Kept::<Day>::load(&world.store, next.entity().unwrap()).unwrap();
    let none = Kept::<Day>::load(&world.store, Entity::new("settlement/none").unwrap()).unwrap();
    assert!(matches!(cut_off(&mut world.store, &mut second, Some(&none), 2), Err(SettlementError::DayBefore { .. })));
    let window = cut_off(&mut world.store, &mut second, Some(&first), 2).unwrap();
    let loads = collect(&world.store, window.0, window.1, &Wanted::default()).unwrap();
    assert_eq!(told(&loads), [("T2".into(), Before, Today, false)], "and T1 is not of the day");
    let wanted = Wanted::by(&[bank(1, Booked::Debit)], &[], &[]);
    let loads = collect(&world.store, window.0, window.1, &wanted).unwrap();
    assert_eq!(told(&loads), [("T1".into(), Before, Before, false), ("T2".into(), Before, Today, false)]);
    // What comes after the cut-off is not of the day.
    world.load(&order("T3")).unwrap();
    assert_eq!(collect(&world.store, window.0, window.1, &wanted).unwrap(), loads);
}

/// Evidence as a reader keeps it: the card's own TAC verifies under its key, and nothing else does.
#[test]
fn a_tac_vouches_for_its_load() {
    use cardwright_cos::purse::PurseProfile;
    use cardwright_keys::{Diversification, KeyKind, SoftwareKeys};
    let mut world = World::new();
    let report = world.load(&order("T1")).unwrap();
    let credit = report.load.credit.unwrap();
    let tac = world.store.records(0, 1000).unwrap().iter().find_map(|record| {
        match crate::machine::read_event::<crate::purse::PurseEvent>("purse", record) {
            Ok(crate::purse::PurseEvent::Loaded { tac, .. }) => tac,
            _ => None,
        }
    });
    let evidence = Evidence {
        row: 2,
        card: "1111222233330006-AABB1020304050607001".into(),
        purse: 2,
        serial: credit.serial(),
        balance: credit.balance().0,
        amount: 200,
        terminal: credit.transaction().terminal.0,
        time: credit.time().to_bytes(),
        tac: tac.unwrap(),
    };
    let mut keys = SoftwareKeys::new();
    let master = hex::decode("FFEEDDCCBBAA99887766554433221100").unwrap();
    keys.insert("tac", KeyKind::Tdes, &master).unwrap();
    let factor = evidence.factor().unwrap();
    let key = KeyRef::new("tac").diversified(Diversification::Pboc { factor });
    let mut verifies = |evidence: &Evidence| {
        let question = evidence.question(&PurseProfile::FMCOS, &key).unwrap();
        matches!(keys.answer(&question), Ok(KeyAnswer::Verified(true)))
    };
    assert!(verifies(&evidence));
    for wrong in [
        Evidence { amount: 201, ..evidence.clone() },
        Evidence { serial: 1, ..evidence.clone() },
        Evidence { balance: 1, ..evidence.clone() },
        Evidence { tac: [0; 4], ..evidence.clone() },
    ] {
        assert!(!verifies(&wrong), "{wrong:?}");
    }
}
