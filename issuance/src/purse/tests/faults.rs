//! Something goes wrong at every command, every question, every booking and every commit.

use proptest::prelude::*;

use super::world::{Ended, LineFault, World, order};
use crate::purse::run::Decisions;
use crate::purse::{LoadError, LoadState, TransactionId, give_up, load, resume};
use crate::store::{Fault, MemoryFaults, MemoryStore};

const LINE_FAULTS: [LineFault; 15] = [
    LineFault::CutBefore,
    LineFault::CutAfter,
    LineFault::Torn,
    LineFault::Lost,
    LineFault::Doubled,
    LineFault::Status(0x6985),
    LineFault::Status(0x9302),
    LineFault::Status(0x9000),
    LineFault::ExecutedStatus(0x6901),
    LineFault::ExecutedStatus(0x6F00),
    LineFault::Forged,
    LineFault::Flip(3),
    LineFault::Flip(41),
    LineFault::OtherCard,
    LineFault::Replay,
];

/// After what went wrong: the same card, and everything works.
fn mend(world: &mut World) {
    (world.kill_before, world.kill_after) = (None, None);
    let log = world.store.log().to_vec();
    world.store = MemoryStore::from_log(log, MemoryFaults::none()).unwrap();
    world.reinsert();
}

/// Whatever happened, the money is right; and so it is after each way to go on.
fn check(world: &World, what: &str) {
    assert_eq!(world.wrong(), None, "{what}");
    let mut again = world.clone_world();
    mend(&mut again);
    if matches!(again.load(&order("T1")), Err(LoadError::UsedElsewhere { .. })) {
        again.insert(1);
    }
    again.load(&order("T1")).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(again.wrong(), None, "{what}, load");
    let (held, taken) = (again.balance(0) + again.balance(1), again.bank.taken());
    for load in again.loads() {
        assert!(load.is_ended(), "{what}: {load:?}");
        let expected = if matches!(load.state, LoadState::Loaded(_)) { 200 } else { 0 };
        assert_eq!((held, taken), (expected, expected), "{what}: {load:?}");
    }

    let mut resumed = world.clone_world();
    mend(&mut resumed);
    if resumed.balance(1) > 0 {
        resumed.insert(1);
    }
    if let Some(report) = resumed.resume().unwrap_or_else(|error| panic!("{what}: {error}")) {
        assert!(report.load.is_ended(), "{what}: {report:?}");
    }
    assert_eq!(resumed.wrong(), None, "{what}, resume");
    resumed.bank.deliver_lost();
    assert_eq!(resumed.wrong(), None, "{what}, resume, and a late booking");

    let mut given_up = world.clone_world();
    if given_up.loads().is_empty() {
        return;
    }
    given_up.give_up("T1").unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(given_up.wrong(), None, "{what}, given up");
    mend(&mut given_up);
    let _settled = given_up.resume().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(given_up.wrong(), None, "{what}, given up, then the card");
    assert!(given_up.loads().iter().all(super::super::Load::is_ended), "{what}: {:?}", given_up.loads());
    assert_eq!(given_up.balance(0) + given_up.balance(1), given_up.bank.taken(), "{what}");
}

#[test]
fn a_fault_at_every_command() {
    for command in 1..=4 {
        for fault in LINE_FAULTS {
            let mut world = World::new();
            world.plan(command, fault);
            let _outcome = world.load(&order("T1"));
            check(&world, &format!("{fault:?} at command {command}"));
        }
    }
}

#[test]
fn a_second_fault_while_the_first_is_looked_into() {
    for first in [LineFault::CutAfter, LineFault::CutBefore, LineFault::ExecutedStatus(0x6901)] {
        for command in 5..=9 {
            for second in LINE_FAULTS {
                let mut world = World::new();
                world.plan(4, first);
                world.plan(command, second);
                let _outcome = world.load(&order("T1"));
                world.reinsert();
                let _outcome = world.load(&order("T1"));
                check(&world, &format!("{first:?} at the credit, {second:?} at command {command}"));
            }
        }
    }
}

#[test]
fn the_program_is_killed_at_every_question() {
    let mut whole = World::new();
    whole.load(&order("T1")).unwrap();
    for ask in 1..=whole.asks() {
        for after in [false, true] {
            let mut world = World::new();
            if after {
                world.kill_after = Some(ask)
            } else {
                world.kill_before = Some(ask)
            };
            assert!(matches!(world.run(load(order("T1"))), Ended::Killed));
            check(&world, &format!("killed {} ask {ask}", if after { "after" } else { "before" }));
        }
    }
}

#[test]
fn the_bank_does_not_answer() {
    for (call, is_lost) in (1..=2).flat_map(|call| [(call, false), (call, true)]) {
        let mut world = World::new();
        if is_lost {
            world.bank.lose_request(call)
        } else {
            world.bank.answer_late(call)
        };
        let _outcome = world.load(&order("T1"));
        check(&world, &format!("debit {call}, lost {is_lost}"));

        // The same for a reversal: the card takes no credit.
        let mut world = World::new();
        world.refuse_credits();
        if is_lost {
            world.bank.lose_request(call)
        } else {
            world.bank.answer_late(call)
        };
        let _outcome = world.load(&order("T1"));
        assert_eq!(world.wrong(), None, "reversal {call}, lost {is_lost}");
        let mut world = world.clone_world();
        world.bank.deliver_lost();
        mend(&mut world);
        let report = world.load(&order("T1")).unwrap();
        assert!(report.load.is_ended(), "{report:?}");
        assert_eq!(world.wrong(), None);
    }
}

#[test]
fn the_journal_fails_at_every_commit() {
    for commit in 1..=5 {
        for fault in [Fault::CrashBeforeWrite, Fault::CrashAfterWrite, Fault::CrashAfterSync, Fault::DiskFull] {
            let mut world = World::new();
            world.store = MemoryStore::with_faults(MemoryFaults::none().at(commit, fault));
            world.load(&order("T1")).unwrap_err();
            world.store = std::mem::take(&mut world.store).reopen().unwrap();
            check(&world, &format!("{fault:?} at commit {commit}"));
        }
    }
}

/// What happens to one of several loads of two cards.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Load(usize),
    Resume(usize),
    GiveUp,
}

fn happens() -> impl Strategy<Value = (Happens, Vec<(u64, usize)>, Option<u32>)> {
    let what = prop_oneof![
        4 => (0..2usize).prop_map(Happens::Load),
        2 => (0..2usize).prop_map(Happens::Resume),
        1 => Just(Happens::GiveUp),
    ];
    let faults = prop::collection::vec((1..10u64, 0..LINE_FAULTS.len()), 0..3);
    (what, faults, prop::option::weighted(0.3, 1..4u32))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_the_money_is_right(story in prop::collection::vec(happens(), 1..7)) {
        let mut world = World::new();
        for (number, (what, faults, bank)) in story.iter().enumerate() {
            let (count, calls) = (world.commands(), world.bank_calls());
            for (command, fault) in faults {
                world.plan(count + command, LINE_FAULTS[*fault]);
            }
            if let Some(call) = bank {
                if call % 2 == 0 { world.bank.lose_request(calls + call) } else { world.bank.answer_late(calls + call) }
            }
            let last = world.loads().iter().rev().find(|load| !load.is_ended()).map(|load| load.id.clone());
            match what {
                Happens::Load(card) => {
                    world.insert(*card);
                    let _outcome = world.load_by(&order(&format!("T{number}")), Decisions::REAL);
                }
                Happens::Resume(card) => {
                    world.insert(*card);
                    let _outcome = world.run(resume(super::terminal()));
                }
                Happens::GiveUp => {
                    let id = last.unwrap_or_else(|| TransactionId::new("none").unwrap());
                    let _outcome = world.run(give_up(id, 55));
                }
            }
            prop_assert_eq!(world.wrong(), None);
        }
        // At the end both cards come back and everything works.
        world.bank.deliver_lost();
        let mut end = world.clone_world();
        for card in [0, 1] {
            end.insert(card);
            let _outcome = end.resume();
            prop_assert_eq!(end.wrong(), None);
        }
        let open: i64 =
            end.loads().iter().filter(|load| !load.is_ended()).map(|load| i64::from(load.amount.get())).sum();
        let missing = end.bank.taken() - end.balance(0) - end.balance(1);
        prop_assert!((0..=open).contains(&missing), "{missing} of {open} in dispute");
    }
}
