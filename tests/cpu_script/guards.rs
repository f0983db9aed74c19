//! What a run of a script must not do: each of these fails when its protection is taken out.

use cardwright::apdu::{TransportError, TransportErrorKind};
use cardwright::issuance::store::{Fault as StoreFault, MemoryFaults};

use super::*;

/// A reader that loses its card before a command is sent, and knows it.
pub(crate) struct Unplugged<'r> {
    pub(crate) reader: &'r mut SimReader<CpuCard>,
    pub(crate) at: u64,
}

impl Transport for Unplugged<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.at -= 1;
        if self.at == 0 {
            return Err(TransportError::not_sent(TransportErrorKind::CardRemoved));
        }
        self.reader.transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.reader.reset()
    }
}

fn is_foreign(ended: &Run) -> bool {
    matches!(ended, Ok(Outcome::Quarantined { reason, .. }) if reason.contains("not by this job"))
}

fn records(reader: &SimReader<CpuCard>) -> Option<usize> {
    reader.card().records(&[0x3F00, 0x18]).map(|records| records.len())
}

/// A reader with a card on which the second append of [`RESTARTABLE`] is in doubt.
fn torn(order: &ScriptOrder, store: &mut MemoryStore) -> SimReader<CpuCard> {
    let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(4, Fault::CutAfter));
    assert!(matches!(run(order, &mut reader, store), Ok(Outcome::Interrupted(_))));
    reader.reinsert();
    reader
}

#[test]
fn what_an_attempt_that_was_not_sent_finds_is_not_by_this_job() {
    let mut store = MemoryStore::new();
    let mut issued = SimReader::new(CpuCard::builder().atr(&atr(2)).sample().unwrap());
    let before = contents(issued.card());
    let first = run(&sample(), &mut Unplugged { reader: &mut issued, at: 1 }, &mut store);
    assert!(matches!(first, Ok(Outcome::Interrupted(_))), "{first:?}");
    for round in 0..2 {
        let order = ScriptOrder { release: released(&store).filter(|_| round > 0), ..sample() };
        let ended = run(&order, &mut issued, &mut store);
        assert!(is_foreign(&ended), "{ended:?}");
    }
    assert_eq!(contents(issued.card()), before);
}

#[test]
fn a_doubt_outlasts_an_attempt_that_was_not_sent() {
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(1, Fault::CutAfter));
    assert!(matches!(run(&sample(), &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
    reader.reinsert();
    let second = run(&sample(), &mut Unplugged { reader: &mut reader, at: 1 }, &mut store);
    assert!(matches!(second, Ok(Outcome::Interrupted(_))), "{second:?}");
    report(run(&sample(), &mut reader, &mut store));
}

#[test]
fn a_success_that_the_script_does_not_expect_is_no_refusal() {
    let text = "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF\n80E00018072E0304F0F0FFFF\n00E200C00401020304 | 61xx\n";
    let order = order(Script::read_lines("lines", text, &profile()).unwrap());
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank());
    let first = run(&order, &mut reader, &mut store);
    assert!(matches!(first, Err(ScriptRunError::Refused { .. })), "{first:?}");
    report(run(&order, &mut reader, &mut store));
    assert_eq!(records(&reader), Some(1), "appended once");
}

#[test]
fn a_step_taken_out_or_put_in_or_done_elsewhere_is_a_changed_script() {
    const CYCLIC: &str = "[[step]]\n    name = \"cyclic file\"\n    apdu = \"80E0001807 2E0304F0F0FFFF\"\n";
    assert!(RESTARTABLE.contains(CYCLIC));
    let with = |step: &str| RESTARTABLE.replace(CYCLIC, &format!("{step}\n{CYCLIC}"));
    let select = with("[[step]]\nname = \"MF again\"\napdu = \"00A40000023F00\"");
    let file = with("[[step]]\nname = \"another file\"\napdu = \"80E0001907 2E0304F0F0FFFF\"");
    for (text, named) in
        [(RESTARTABLE.replace(CYCLIC, ""), "cyclic file"), (select, "cyclic file"), (file, "another file")]
    {
        let mut store = MemoryStore::new();
        let mut reader = torn(&script_of(RESTARTABLE), &mut store);
        let sent = reader.commands();
        let ended = run(&script_of(&text), &mut reader, &mut store);
        assert!(matches!(&ended, Err(ScriptRunError::ScriptChanged { step }) if step == named), "{named}: {ended:?}");
        assert_eq!(reader.commands(), sent);
    }
}

#[test]
fn money_and_what_cannot_be_taken_back_is_not_done_again_by_a_restart() {
    for class in ["money", "final"] {
        let once = format!("name = \"first\"\nclass = \"{class}\"");
        let order = script_of(&RESTARTABLE.replace("name = \"first\"", &once));
        let mut store = MemoryStore::new();
        let mut reader = torn(&order, &mut store);
        let ended = run(&order, &mut reader, &mut store);
        assert!(matches!(&ended, Ok(Outcome::Quarantined { step, .. }) if step == "second, the same"), "{ended:?}");
        assert_eq!(records(&reader), Some(2), "nothing was erased");
    }
}

#[test]
fn a_crash_at_any_commit_leaves_what_the_next_run_finishes() {
    let (reference, _) = finished();
    for fault in [StoreFault::CrashBeforeWrite, StoreFault::CrashAfterSync] {
        for n in 1.. {
            let mut store = MemoryStore::with_faults(MemoryFaults::none().at(n, fault));
            let mut reader = SimReader::new(blank());
            if run(&sample(), &mut reader, &mut store).is_ok() {
                assert!(n > 60, "{n}");
                break;
            }
            report(run(&sample(), &mut reader, &mut store.reopen().unwrap()));
            assert_eq!(contents(reader.card()), contents(&reference), "{fault:?} at {n}");
        }
    }
}

#[test]
fn a_crash_at_any_commit_of_a_restart_begins_anew_as_well() {
    let order = script_of(RESTARTABLE);
    for fault in [StoreFault::CrashBeforeWrite, StoreFault::CrashAfterSync] {
        for n in 1.. {
            let mut store = MemoryStore::new();
            let mut reader = torn(&order, &mut store);
            store.set_faults(MemoryFaults::none().at(n, fault));
            if run(&order, &mut reader, &mut store).is_ok() {
                assert!(n > 8, "{n}");
                break;
            }
            report(run(&order, &mut reader, &mut store.reopen().unwrap()));
            assert_eq!(records(&reader), Some(2), "{fault:?} at {n}");
        }
    }
}

#[test]
fn a_card_that_is_swapped_anywhere_is_never_complete() {
    let (_, commands) = finished();
    for n in 1..=commands {
        for other in [CpuCard::builder().atr(&atr(9)).sample().unwrap(), CpuCard::builder().atr(&atr(9)).build()] {
            let faults = Faults::none().at(n, Fault::Swap(Box::new(other)));
            let ended = run(&sample(), &mut SimReader::new(blank()).with_faults(faults), &mut MemoryStore::new());
            assert!(!matches!(ended, Ok(Outcome::Complete(_))), "{n}: {ended:?}");
        }
    }
}

#[test]
fn a_key_whose_answers_are_lost_is_not_tried_to_the_last() {
    let mut wrong = keys();
    wrong.insert("card-master", KeyKind::Tdes, &[0x3A; 16]).unwrap();
    let card = CpuCard::builder().atr(&atr(5)).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let mut reader = SimReader::new(card);
    let mut store = MemoryStore::new();
    for round in 0..5 {
        // The challenge, and the answer to it.
        reader.plan(reader.commands() + 2, Fault::CutAfter);
        let order = ScriptOrder { release: released(&store).filter(|_| round > 2), ..script_of(KEYS) };
        let ended = run_with(&order, &mut reader, &mut store, &mut wrong);
        assert_eq!(matches!(ended, Ok(Outcome::Quarantined { .. })), round >= 2, "{round}: {ended:?}");
        reader.reinsert();
    }
    assert_eq!(reader.card().key(&APPLICATION[..1], 0x39, 0).unwrap().tries_left(), 1);
}
