//! Loads of a software card that is torn, lied about and swapped, with a bank that does not answer and a program that is killed: the
//! money is on the card or on the account, once.

mod faults;
mod sabotage;
pub(crate) mod world;

use cardwright_cos::Error;
use cardwright_cos::cpu::Pin;
use cardwright_cos::profile::CardProfile;
use cardwright_cos::purse::{Amount, PurseKind};

use super::load::LoadState;
use super::*;
use crate::account::AccountId;
use crate::quarantine::Finding;
use crate::quarantine::tests::resolution;
use world::{World, amount, order, terminal};

#[test]
fn a_load_takes_four_commands_and_five_commits() {
    let mut world = World::new();
    let report = world.load(&order("T1")).unwrap();
    assert_eq!((report.load.state, report.waiting), (LoadState::Loaded(LoadedBy::Answer), None));
    assert_eq!((world.commands(), world.commits()), (4, 5));
    assert_eq!((world.balance(0), world.bank.taken()), (200, 200));
    // Once more with the same id: the same end, and nothing moves.
    assert_eq!(world.load(&order("T1")).unwrap().load.state, LoadState::Loaded(LoadedBy::Answer));
    assert_eq!((world.balance(0), world.bank.taken()), (200, 200));
    world.load(&order("T2")).unwrap();
    assert_eq!((world.balance(0), world.bank.taken()), (400, 400));
}

#[test]
fn a_card_without_tac_key_is_proved_by_mac1() {
    let mut world = World::new();
    let mut order = order("T1");
    order.terminal.keys.tac = None;
    assert_eq!(world.load(&order).unwrap().load.state, LoadState::Loaded(LoadedBy::Mac1));
    assert_eq!((world.balance(0), world.bank.taken()), (200, 200));
}

#[test]
fn a_deposit_is_loaded_with_the_pin_of_its_holder() {
    let order = |pin: Option<&[u8]>| {
        let mut order = LoadOrder { purse: PurseKind::Deposit, ..order("T1") };
        let profile = CardProfile::built_in("fmcos-2.0").unwrap();
        order.terminal.pin = pin.map(|pin| HolderPin { profile, id: 0, pin: Pin::new(pin) });
        order
    };
    let mut world = World::new();
    let refused = world.load(&order(None)).unwrap_err();
    assert!(matches!(&refused, LoadError::Cos(Error::Refused { sw, .. }) if sw.0 == 0x6982), "{refused}");
    let wrong = world.load(&order(Some(&[0x12, 0x34, 0x56]))).unwrap_err();
    assert!(matches!(wrong, LoadError::Cos(Error::WrongKey { tries_left: Some(2) })), "{wrong}");
    assert_eq!((world.bank.taken(), world.commits()), (0, 0));
    let report = world.load(&order(Some(&[0x12, 0x34, 0x5F]))).unwrap();
    assert_eq!(report.load.state, LoadState::Loaded(LoadedBy::Answer));
    assert_eq!((world.deposit(), world.bank.taken()), (Some(200), 200));
}

#[test]
fn what_the_rules_or_the_account_refuse_moves_nothing() {
    let mut world = World::new();
    let over = LoadOrder { amount: Amount::new(100_001).unwrap(), ..order("over") };
    assert_eq!(world.load(&over).unwrap().load.state, LoadState::Closed(ClosedBecause::Rules));
    let poor = LoadOrder { account: AccountId::new("nobody").unwrap(), ..order("poor") };
    assert_eq!(world.load(&poor).unwrap().load.state, LoadState::Closed(ClosedBecause::DebitRefused));
    assert_eq!((world.balance(0), world.bank.taken()), (0, 0));
    world.load(&order("T1")).unwrap();
}

#[test]
fn an_id_is_good_for_one_card_and_one_order() {
    let mut world = World::new();
    world.load(&order("T1")).unwrap();
    let more = LoadOrder { amount: Amount::new(201).unwrap(), ..order("T1") };
    assert!(matches!(world.load(&more), Err(LoadError::OrderChanged { .. })));
    let other = LoadOrder { account: AccountId::new("other").unwrap(), ..order("T1") };
    assert!(matches!(world.load(&other), Err(LoadError::OrderChanged { .. })));
    let other = LoadOrder { purse: PurseKind::Deposit, ..order("T1") };
    assert!(matches!(world.load(&other), Err(LoadError::OrderChanged { .. })));
    world.insert(1);
    assert!(matches!(world.load(&order("T1")), Err(LoadError::UsedElsewhere { .. })));
    assert_eq!((world.balance(0), world.balance(1), world.bank.taken()), (200, 0, 200));
}

#[test]
fn a_card_is_loaded_by_one_transaction_at_a_time() {
    let mut world = World::new();
    world.plan(4, world::LineFault::CutAfter);
    let report = world.load(&order("T1")).unwrap();
    assert!(matches!(report.waiting, Some(Waiting::Card { command: "CREDIT FOR LOAD", .. })));
    world.reinsert();
    assert!(matches!(world.load(&order("T2")), Err(LoadError::OpenLoad { id }) if id.as_str() == "T1"));
    let resumed = world.resume().unwrap().unwrap();
    assert_eq!(resumed.load.state, LoadState::Loaded(LoadedBy::Proof));
    assert_eq!(world.resume().unwrap(), None);
    world.load(&order("T2")).unwrap();
    assert_eq!((world.balance(0), world.bank.taken()), (400, 400));
}

#[test]
fn a_card_that_was_used_after_the_debit_is_not_credited() {
    let mut world = World::new();
    world.bank.answer_late(1);
    let report = world.load(&order("T1")).unwrap();
    assert_eq!(report.load.state, LoadState::DebitUnknown);
    world.load_behind_the_back();
    let report = world.load(&order("T1")).unwrap();
    assert_eq!(report.load.state, LoadState::Reversed, "the serial number moved");
    assert_eq!(world.bank.taken(), 0);
}

/// The line plays back what the card said before its first load: a debit for it would buy nothing.
#[test]
fn an_old_answer_is_not_believed() {
    let mut world = World::new();
    world.load(&order("T1")).unwrap();
    for command in [2, 3] {
        world.plan(world.commands() + command, world::LineFault::Replay);
        let refused = world.load(&order("T2"));
        assert!(matches!(refused, Err(LoadError::OtherState | LoadError::Cos(_))), "{refused:?}");
        assert_eq!((world.balance(0), world.bank.taken(), world.wrong()), (200, 200, None));
    }
    // A card with this serial number would be a copy made before the load.
    let mut copy = World::new();
    copy.store = world.clone_world().store;
    assert_eq!(copy.load(&order("T3")).unwrap().load.state, LoadState::Closed(ClosedBecause::Rules));
    assert_eq!(copy.bank.taken(), 0);
}

#[test]
fn a_dispute_waits_for_the_card_or_two_persons() {
    let mut world = World::new();
    world.plan(4, world::LineFault::CutAfter);
    world.load(&order("T1")).unwrap();
    let given_up = world.give_up("T1").unwrap();
    assert_eq!(given_up.load.state, LoadState::Disputed(DisputedBecause::CardGone));
    assert!(matches!(given_up.waiting, Some(Waiting::Dispute { why: DisputedBecause::CardGone, .. })));
    assert_eq!(world.bank.taken(), 200, "a dispute is never reversed by itself");
    assert_eq!(world.give_up("T1").unwrap(), given_up, "nor by asking again");
    assert!(matches!(world.give_up("T9"), Err(LoadError::NoSuchLoad { .. })));

    for (finding, state, taken) in
        [(Finding::Done, LoadState::Loaded(LoadedBy::Persons), 200), (Finding::NotDone, LoadState::Reversed, 0)]
    {
        let mut twin = world.clone_world();
        twin.decide(given_up.waiting.clone(), finding);
        // What persons settled holds, also when the card comes now.
        twin.reinsert();
        let report = if taken == 0 { twin.give_up("T1") } else { twin.load(&order("T1")) }.unwrap();
        assert_eq!((report.load.state, twin.bank.taken()), (state, taken));
    }
    let mut twin = world.clone_world();
    twin.decide(given_up.waiting.clone(), Finding::Spoilt);
    assert!(matches!(twin.give_up("T1"), Err(LoadError::Machine(_))), "a purse is loaded or not");

    world.reinsert();
    assert_eq!(world.resume().unwrap().unwrap().load.state, LoadState::Loaded(LoadedBy::Proof));
    assert_eq!((world.balance(0), world.bank.taken()), (200, 200));
}

#[test]
fn a_card_that_says_nothing_again_stays_in_dispute() {
    let mut world = World::new();
    world.plan(4, world::LineFault::CutAfter);
    world.load(&order("T1")).unwrap();
    world.reinsert();
    let proofs = |world: &mut World| {
        let now = world.commands();
        for proof in [now + 2, now + 3] {
            world.plan(proof, world::LineFault::Status(0x9406));
        }
        world.plan(now + 4, world::LineFault::Status(0x6985));
    };
    for _ in 0..2 {
        proofs(&mut world);
        let report = world.load(&order("T1")).unwrap();
        assert!(matches!(report.waiting, Some(Waiting::Dispute { why: DisputedBecause::Refused, .. })), "{report:?}");
    }
    assert_eq!(world.load(&order("T1")).unwrap().load.state, LoadState::Loaded(LoadedBy::Proof));
}

#[test]
fn a_card_that_never_takes_the_credit_gets_the_debit_reversed() {
    let mut world = World::new();
    world.refuse_credits();
    let report = world.load(&order("T1")).unwrap();
    assert_eq!((report.load.state, report.load.credits), (LoadState::Reversed, 3));
    assert_eq!((world.balance(0), world.bank.taken()), (0, 0));
}

#[test]
fn a_refused_reversal_is_for_persons() {
    let mut world = World::new();
    world.refuse_credits();
    world.bank.refuse_reversals();
    let report = world.load(&order("T1")).unwrap();
    assert!(matches!(report.waiting, Some(Waiting::Dispute { why: DisputedBecause::ReversalRefused, .. })));
    assert_eq!(world.load(&order("T1")).unwrap(), report);
    world.decide(report.waiting, Finding::Done);
    assert_eq!(world.load(&order("T1")).unwrap().load.state, LoadState::Reversed);
}

#[test]
fn a_resumed_run_debits_nothing_anew() {
    let mut world = World::new();
    world.bank.lose_request(1);
    let report = world.load(&order("T1")).unwrap();
    assert_eq!(report.load.state, LoadState::DebitUnknown);
    assert!(matches!(report.waiting, Some(Waiting::Account(_))));
    assert_eq!(world.resume().unwrap().unwrap().load.state, LoadState::Reversed);
    // The debit that was under way comes in the end.
    world.bank.deliver_lost();
    assert_eq!((world.balance(0), world.bank.taken()), (0, 0));
}

#[test]
fn the_driver_without_an_account_debits_nothing() {
    let mut world = World::new();
    let report = world.drive_without_account(&order("T1")).unwrap();
    assert_eq!(report.load.state, LoadState::DebitUnknown);
    assert_eq!(report.waiting, Some(Waiting::Account(Some(crate::account::AccountError::NoPort))));
}

#[test]
fn limits_are_those_of_the_rules() {
    let rules = terminal().rules;
    let balance = cardwright_cos::purse::Balance;
    assert!(rules.check(amount(), balance(0)).is_ok());
    assert!(rules.check(Amount::new(100_001).unwrap(), balance(0)).is_err());
    assert!(rules.check(amount(), balance(999_801)).is_err());
    assert!(rules.check(amount(), balance(999_800)).is_ok());
}

/// Everything that may follow does, everything else is refused: the table of `load.rs`, row by row.
#[test]
fn the_table() {
    use LoadState::*;
    let initialized = |serial, balance| PurseEvent::Initialized {
        serial,
        balance,
        key_version: 0,
        algorithm: 0,
        terminal: [1; 6],
        random: [2; 4],
        mac1: [3; 4],
    };
    let credit = |serial, balance| PurseEvent::CreditSent {
        serial,
        balance,
        terminal: [1; 6],
        time: [0x20, 0x24, 1, 1, 1, 1, 1],
        mac2: [4; 4],
    };
    let reference = || String::from("R");
    let events = [
        PurseEvent::Matched { rules: 1 },
        PurseEvent::Closed { why: ClosedBecause::GivenUp },
        initialized(7, 100),
        PurseEvent::DebitRequested,
        PurseEvent::DebitUnknown,
        PurseEvent::Debited { reference: reference() },
        credit(7, 100),
        PurseEvent::CreditUnknown { sw: None },
        PurseEvent::Loaded { by: LoadedBy::Proof, tac: None },
        PurseEvent::NotLoaded,
        PurseEvent::Disputed { why: DisputedBecause::Mac1 },
        PurseEvent::Retried,
        PurseEvent::ReversalRequested,
        PurseEvent::Reversed { reference: reference() },
        PurseEvent::Resolved { resolution: resolution("purse/1", 1 << 33, Finding::Done) },
        PurseEvent::Disputed { why: DisputedBecause::ReversalRefused },
        PurseEvent::Resolved { resolution: resolution("purse/1", 1 << 33 | 1, Finding::Done) },
        PurseEvent::Resolved { resolution: resolution("purse/1", 1 << 33, Finding::NotDone) },
        PurseEvent::Resolved { resolution: resolution("purse/1", 1 << 33, Finding::Spoilt) },
        PurseEvent::Resolved { resolution: resolution("purse/1", 2 << 33, Finding::Done) },
    ];
    let load = |state| {
        let opened = PurseEvent::Opened { id: "T".into(), purse: 2, amount: 5, account: "A".into() };
        let mut load = Load::open(1, &opened).unwrap();
        (load.state, load.initialized) = (state, Some((7, cardwright_cos::purse::Balance(100))));
        load
    };
    let closed = Closed(ClosedBecause::GivenUp);
    let loaded = Loaded(LoadedBy::Proof);
    let mac1 = Disputed(DisputedBecause::Mac1);
    let refused = Disputed(DisputedBecause::ReversalRefused);
    let persons = Loaded(LoadedBy::Persons);
    // The places in `events` that may follow, and where they lead.
    let table: [(LoadState, &[(usize, LoadState)]); 15] = [
        (CardRead, &[(0, Matched), (1, closed)]),
        (Matched, &[(1, closed), (2, Initialized)]),
        (Initialized, &[(1, closed), (2, Initialized), (3, DebitRequested)]),
        (DebitRequested, &[(1, closed), (4, DebitUnknown), (5, Debited), (12, ReversalPending)]),
        (DebitUnknown, &[(1, closed), (5, Debited), (12, ReversalPending)]),
        (Debited, &[(6, CreditSent), (12, ReversalPending)]),
        (CreditSent, &[(7, CreditUnknown), (8, loaded), (9, NotLoaded), (10, mac1), (15, refused)]),
        (CreditUnknown, &[(8, loaded), (9, NotLoaded), (10, mac1), (15, refused)]),
        (NotLoaded, &[(11, Debited), (12, ReversalPending)]),
        (ReversalPending, &[(13, Reversed), (15, refused)]),
        (mac1, &[(8, loaded), (9, NotLoaded), (14, persons), (17, NotLoaded)]),
        (refused, &[(16, Reversed)]),
        (closed, &[]),
        (loaded, &[]),
        (Reversed, &[]),
    ];
    for (from, allowed) in table {
        for (place, event) in events.iter().enumerate() {
            let expected = allowed.iter().find(|(allowed, _)| *allowed == place).map(|(_, to)| *to);
            let actual = load(from).apply(event).map(|load| load.state);
            assert_eq!(actual.ok(), expected, "{from:?} + {event:?}");
        }
    }
    for other in [credit(8, 100), credit(7, 101)] {
        assert_eq!(load(Debited).apply(&other), Err(LoadRecordError::OtherState));
    }
}
