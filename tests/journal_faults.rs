//! A journal that fails at any commit: no command without its intent on stable storage, and a card that is finished.

mod support;

use std::collections::BTreeSet;

use cardwright::apdu::{CommandApduRef, Progress, Transport};
use cardwright::issuance::event::{Event, StepEvent};
use cardwright::issuance::journal::Record;
use cardwright::issuance::remote::{self, DeleteOrder, IssueError, Outcome, Report, steps};
use cardwright::issuance::store::{Fault, Journal, MemoryFaults, MemoryStore, Store};
use cardwright::issuance::{Answer, Ask, Conversation};
use cardwright::keys::KeyService;
use cardwright_sim::{Faults, JavaCard, SecureChannelProtocol, SimReader};
use support::{SCP02, SCP03, card, instance, is_complete, issue, keys, order, snapshot};

type Issued = Result<Outcome<Report>, IssueError>;

/// What happened in a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The store says that the intent of a step is durable.
    Intent(&'static str),
    /// The store says that an outcome of a step is durable.
    Outcome(&'static str),
    /// The card executed a command of a step.
    Executed(&'static str),
}

const STEPS: [&str; 8] = [
    steps::LOAD,
    steps::INSTALL,
    steps::AUTHENTICATE_INITIAL,
    steps::AUTHENTICATE_MASTER,
    steps::MAINTENANCE_KEY,
    steps::MASTER_KEY,
    steps::DOMAIN_KEYS,
    steps::DELETE,
];

/// The step that this command belongs to, if it is one that cannot be undone.
fn step_of(command: &[u8]) -> Option<&'static str> {
    let command = CommandApduRef::parse(command).unwrap();
    match (command.ins.0, command.p1) {
        (0xE6, 0x02) | (0xE8, _) => Some(steps::LOAD),
        (0xE6, 0x0C) => Some(steps::INSTALL),
        (0xD4, 0xF6) => Some(steps::MAINTENANCE_KEY),
        (0xD4, 0xF9) => Some(steps::MASTER_KEY),
        (0xD8, _) => Some(steps::DOMAIN_KEYS),
        (0xE4, _) => Some(steps::DELETE),
        (0xE6 | 0xD4, _) => panic!("a command of no step"),
        _ => None,
    }
}

/// What a record says of a step.
fn seen_in(body: Event) -> Option<Seen> {
    let Event::Step { step, event, .. } = body else { return None };
    let step = *STEPS.iter().find(|name| **name == step).unwrap();
    Some(if matches!(event, StepEvent::Begun { .. }) { Seen::Intent(step) } else { Seen::Outcome(step) })
}

/// Runs a machine and writes down what happens.
fn watch(mut machine: Conversation<Issued>, reader: &mut SimReader, store: &mut MemoryStore) -> (Issued, Vec<Seen>) {
    let (mut seen, mut keys, mut time) = (Vec::new(), keys(), 0u64);
    let mut progress = machine.start().unwrap();
    loop {
        let ask = match progress {
            Progress::Done(outcome) => return (outcome, seen),
            Progress::Ask(ask) => ask,
        };
        time += 1;
        let answer = match ask {
            Ask::Transmit(command) => {
                let response = reader.exchange(&command);
                let log = reader.take_log();
                seen.extend(log.iter().filter_map(|entry| step_of(&entry.command)).map(Seen::Executed));
                Answer::Response(response)
            }
            Ask::Reset => Answer::Atr(Transport::reset(reader)),
            Ask::Keys(request) => Answer::Keys(keys.answer(&request)),
            Ask::History(entity) => Answer::History(store.history(&entity)),
            Ask::Commit(transaction) => {
                let last = store.head().map_or(0, |head| head.seq);
                let durable = store.commit(transaction, time);
                if durable.is_ok() {
                    let events = store.records(last, 100).unwrap();
                    seen.extend(events.iter().filter_map(|record| seen_in(Event::of(record).unwrap())));
                }
                Answer::Committed(durable)
            }
            Ask::Random => Answer::Random(time.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()),
            other => panic!("{other:?}"),
        };
        progress = machine.answer(answer).unwrap();
    }
}

/// The first command of a step that went to the card while no intent of the step was open.
fn without_intent(seen: &[Seen]) -> Option<&'static str> {
    let mut open = Vec::new();
    for what in seen {
        match what {
            Seen::Intent(step) => open.push(*step),
            Seen::Outcome(step) => open.retain(|other| other != step),
            Seen::Executed(step) if open.contains(step) => {}
            Seen::Executed(step) => return Some(step),
        }
    }
    None
}

/// A step that was executed and has no intent in the journal as it is now.
fn lost_intent(seen: &[Seen], store: &MemoryStore) -> Option<&'static str> {
    let records: Vec<Record> = store.records(0, usize::MAX).unwrap();
    let journal: Vec<_> = records.iter().filter_map(|record| seen_in(Event::of(record).unwrap())).collect();
    let executed = seen.iter().filter_map(|what| if let Seen::Executed(step) = what { Some(*step) } else { None });
    executed.into_iter().find(|step| !journal.contains(&Seen::Intent(step)))
}

struct Case {
    machine: fn() -> Conversation<Issued>,
    card: JavaCard,
    /// The journal so far.
    log: Vec<u8>,
}

/// A card that is to be issued.
fn fresh(protocol: SecureChannelProtocol) -> Case {
    Case { machine: || remote::issue(order(300)), card: card(protocol), log: MemoryStore::new().log().to_vec() }
}

/// A card that was issued and whose application is to be deleted.
fn to_delete(protocol: SecureChannelProtocol) -> Case {
    let mut store = MemoryStore::new();
    let (outcome, reader) = issue(&order(300), card(protocol), &mut store, Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    let machine = || remote::delete(DeleteOrder { aid: instance(), force: true, access: order(300) });
    Case { machine, card: reader.card().twin(), log: store.log().to_vec() }
}

impl Case {
    fn store(&self, faults: MemoryFaults) -> MemoryStore {
        MemoryStore::from_log(self.log.clone(), faults).unwrap()
    }

    /// The card as it is after an undisturbed run, and the number of commits.
    fn reference(&self) -> (String, u64) {
        let (mut reader, mut store) = (SimReader::new(self.card.twin()), self.store(MemoryFaults::none()));
        let before = store.head().unwrap().seq;
        let (outcome, seen) = watch((self.machine)(), &mut reader, &mut store);
        assert!(is_complete(&outcome), "{outcome:?}");
        assert_eq!((without_intent(&seen), lost_intent(&seen, &store)), (None, None));
        // Each transaction has a time of its own.
        let times: BTreeSet<u64> =
            store.records(before, usize::MAX).unwrap().iter().map(|record| record.time_ms).collect();
        (snapshot(reader.card()), times.len() as u64)
    }

    /// One run with these faults, then one on what the crash has left.
    fn run(&self, faults: MemoryFaults, what: &str) -> (Issued, Vec<Seen>, String) {
        let (mut reader, mut store) = (SimReader::new(self.card.twin()), self.store(faults));
        let (outcome, seen) = watch((self.machine)(), &mut reader, &mut store);
        assert_eq!(without_intent(&seen), None, "{what}");
        let mut store = store.reopen().unwrap();
        store.set_faults(MemoryFaults::none());
        assert_eq!(lost_intent(&seen, &store), None, "{what}");
        let mut reader = SimReader::new(reader.card().twin());
        let (again, more) = watch((self.machine)(), &mut reader, &mut store);
        assert_eq!(without_intent(&more), None, "{what}, second run");
        let nothing_left = matches!(again, Err(IssueError::NotOnCard { .. }));
        assert!(is_complete(&again) || nothing_left, "{what}: {outcome:?}, then {again:?}");
        (outcome, seen, snapshot(reader.card()))
    }
}

#[test]
fn a_crash_at_any_commit_leaves_a_card_that_is_finished() {
    for case in [fresh(SCP02), fresh(SCP03), to_delete(SCP02), to_delete(SCP03)] {
        let (reference, commits) = case.reference();
        for k in 1..=commits {
            for fault in [Fault::CrashBeforeWrite, Fault::CrashAfterWrite, Fault::CrashAfterSync] {
                for seed in 0..4 {
                    let what = format!("{fault:?} at commit {k}, seed {seed}");
                    let (outcome, _, card) = case.run(MemoryFaults::seeded(seed, 0).at(k, fault), &what);
                    let crashed = outcome.unwrap_err().to_string().contains("crashed");
                    assert!(crashed, "{what}");
                    assert_eq!(card, reference, "{what}");
                }
            }
        }
    }
}

#[test]
fn with_a_full_disk_the_command_of_the_step_is_not_sent() {
    for case in [fresh(SCP02), fresh(SCP03), to_delete(SCP03)] {
        let (reference, commits) = case.reference();
        let undisturbed = {
            let (mut reader, mut store) = (SimReader::new(case.card.twin()), case.store(MemoryFaults::none()));
            watch((case.machine)(), &mut reader, &mut store).1
        };
        let mut intents = 0;
        for k in 1..=commits {
            let what = format!("full at commit {k}");
            let (outcome, seen, card) = case.run(MemoryFaults::none().at(k, Fault::DiskFull), &what);
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains("no room"), "{what}: {text}");
            assert_eq!(card, reference, "{what}");
            // What was seen is what an undisturbed run shows, up to the commit that failed.
            assert_eq!(seen[..], undisturbed[..seen.len()], "{what}");
            if let Some(Seen::Intent(step)) = undisturbed.get(seen.len()) {
                intents += 1;
                assert!(!seen.contains(&Seen::Executed(step)), "{what}: {step} was sent");
            }
        }
        assert!(intents > 0);
    }
}

/// Crash upon crash, from seeds, until the card is finished.
#[test]
fn a_journal_that_crashes_now_and_then_ends_with_a_whole_card() {
    for protocol in [SCP02, SCP03] {
        let case = fresh(protocol);
        let (reference, _) = case.reference();
        for seed in 0..40 {
            let (mut now, mut store) = (case.card.twin(), case.store(MemoryFaults::seeded(seed, 6)));
            let complete = (0..60).any(|_| {
                let mut reader = SimReader::new(now.twin());
                let (outcome, seen) = watch((case.machine)(), &mut reader, &mut store);
                assert_eq!(without_intent(&seen), None, "seed {seed}");
                now = reader.card().twin();
                store = std::mem::take(&mut store).reopen().unwrap();
                match outcome {
                    Ok(Outcome::Quarantined { reason, .. }) => panic!("seed {seed}: {reason}"),
                    outcome => is_complete(&outcome),
                }
            });
            assert!(complete, "seed {seed}");
            assert_eq!(snapshot(&now), reference, "seed {seed}");
        }
    }
}

#[test]
fn a_command_without_its_intent_is_found_by_the_checker() {
    for case in [fresh(SCP03), to_delete(SCP03)] {
        let (mut reader, mut store) = (SimReader::new(case.card.twin()), case.store(MemoryFaults::none()));
        let (_, seen) = watch((case.machine)(), &mut reader, &mut store);
        for step in STEPS.iter().filter(|step| seen.contains(&Seen::Executed(step))) {
            let without: Vec<_> = seen.iter().copied().filter(|what| *what != Seen::Intent(step)).collect();
            assert_eq!(without_intent(&without), Some(*step));
        }
    }
}

/// A store that says "durable" and does not sync has to be found out, else the tests above show nothing.
#[test]
fn a_store_that_does_not_sync_is_found_by_the_checker() {
    let case = fresh(SCP03);
    let (_, commits) = case.reference();
    let found = |sync| {
        let runs = (1..=commits).flat_map(|k| (0..8).map(move |seed| (k, seed)));
        runs.filter(|(k, seed)| {
            let faults = MemoryFaults::seeded(*seed, 0).at(*k, Fault::CrashAfterWrite).sync(sync);
            let (mut reader, mut store) = (SimReader::new(case.card.twin()), case.store(faults));
            let (_, seen) = watch((case.machine)(), &mut reader, &mut store);
            lost_intent(&seen, &store.reopen().unwrap()).is_some()
        })
        .count()
    };
    assert!(found(false) > 0, "the sabotage was not found");
    assert_eq!(found(true), 0);
}

/// The old master key is on the card, and the journal does not know it: the new one is tried, and costs a try. A crash at any
/// commit then must not make it cost another.
#[test]
fn a_crash_while_the_master_key_is_in_doubt_costs_no_second_try() {
    let write_key = support::number_of(|command| command[..3] == [0x84, 0xD4, 0xF9]);
    let mut store = MemoryStore::new();
    let cut = Faults::none().at(write_key, cardwright_sim::Fault::CutBefore);
    let torn = issue(&order(500), card(SCP03), &mut store, cut).1.card().twin();
    let log = store.log().to_vec();
    let mut crashes = 0;
    loop {
        let fault = MemoryFaults::none().at(crashes + 1, Fault::CrashAfterSync);
        let mut store = MemoryStore::from_log(log.clone(), fault).unwrap();
        let (first, mut reader) = issue(&order(500), torn.twin(), &mut store, Faults::none());
        if is_complete(&first) {
            break;
        }
        let mut answers = reader.take_log();
        let (second, mut reader) =
            issue(&order(500), reader.card().twin(), &mut store.reopen().unwrap(), Faults::none());
        answers.append(&mut reader.take_log());
        assert!(is_complete(&second), "crash at commit {}: {second:?}", crashes + 1);
        let rejections = |sw2| {
            let is_authentication = |command: &[u8]| command[..2] == [0x00, 0x82] && command.len() > 5;
            let so =
                |entry: &&cardwright_sim::LogEntry| is_authentication(&entry.command) && entry.response == [0x63, sw2];
            answers.iter().filter(so).count()
        };
        assert!(crashes < 4 || rejections(0xC2) >= 1, "the new key is tried");
        assert_eq!(rejections(0xC1), 0, "crash at commit {}: tried twice", crashes + 1);
        crashes += 1;
    }
    assert!(crashes > 10, "{crashes} commits");
}
