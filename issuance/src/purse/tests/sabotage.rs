//! What the tests have to find: wrong decisions put in the place of the right ones.

use super::world::{LineFault, TERMINAL, World, order};
use crate::account::BookingId;
use crate::purse::run::{Decisions, Next, Wish, next};
use crate::purse::{Load, LoadState};

/// What is wrong after a few loads that go wrong; `None` when nothing is.
fn found(decisions: Decisions, arrange: impl Fn(&mut World)) -> Option<String> {
    let stories: [&[(u64, LineFault)]; 5] = [
        &[],
        &[(4, LineFault::ExecutedStatus(0x6985))],
        &[(4, LineFault::CutBefore)],
        &[(4, LineFault::Doubled)],
        // The card has the money; a line in evil hands tells of the time before.
        &[
            (4, LineFault::ExecutedStatus(0x6985)),
            (5, LineFault::Status(0x9406)),
            (6, LineFault::Status(0x9406)),
            (7, LineFault::Replay),
        ],
    ];
    for story in stories {
        let mut world = World::new();
        arrange(&mut world);
        story.iter().for_each(|(command, fault)| world.plan(*command, *fault));
        for id in ["T1", "T2"] {
            if let Err(error) = world.load_by(&order(id), decisions)
                && matches!(error, crate::purse::LoadError::Machine(_))
            {
                return Some(format!("{story:?}: {error}"));
            }
            if let Some(wrong) = world.wrong() {
                return Some(format!("{story:?}: {wrong}"));
            }
            world.reinsert();
            if id == "T1" && !world.loads().iter().all(Load::is_ended) {
                let _outcome = world.give_up("T1");
            }
        }
    }
    None
}

#[test]
fn nothing_is_found_without_sabotage() {
    assert_eq!(found(Decisions::REAL, |_| {}), None);
}

#[test]
fn a_refund_on_a_bare_status_is_found() {
    let next = |load: &Load, wish: Wish| match load.state {
        LoadState::CreditUnknown => Next::Reverse,
        _ => next(load, wish),
    };
    let found = found(Decisions { next, ..Decisions::REAL }, |_| {}).unwrap();
    assert!(found.contains("does not follow"), "{found}");
}

#[test]
fn mac2_before_the_debit_is_found() {
    let next = |load: &Load, wish: Wish| match load.state {
        LoadState::Initialized => Next::Credit,
        _ => next(load, wish),
    };
    let found = found(Decisions { next, ..Decisions::REAL }, |_| {}).unwrap();
    assert!(found.contains("does not follow"), "{found}");
}

#[test]
fn a_serial_number_believed_without_mac1_is_found() {
    let found = found(Decisions::REAL, |world| world.believes_everything = true).unwrap();
    assert!(found.contains("Replay"), "{found}");
}

#[test]
fn a_probe_that_could_be_foreseen_is_found() {
    // The terminal's own number in the place of one drawn at random.
    let found = found(Decisions::REAL, |world| {
        let mut random = [0; 8];
        random[..6].copy_from_slice(&TERMINAL);
        world.random = Some(random);
    })
    .unwrap();
    assert!(found.contains("Replay"), "{found}");
}

#[test]
fn an_idempotency_key_of_card_serial_number_and_amount_is_found() {
    let debit_id = |load: &Load| {
        let serial = load.initialized.map_or(0, |(serial, _)| serial);
        BookingId::new(&format!("card1-{serial}-{}", load.amount.get())).unwrap()
    };
    // The first load ends reversed; the second one has the same serial number and amount.
    let decisions = Decisions { debit_id, ..Decisions::REAL };
    let mut world = World::new();
    world.refuse_credits();
    world.load_by(&order("T1"), decisions).unwrap();
    let mut world = world.clone_world();
    world.load_by(&order("T2"), decisions).unwrap();
    assert!(world.wrong().is_some());

    let mut world = World::new();
    world.refuse_credits();
    world.load(&order("T1")).unwrap();
    let mut world = world.clone_world();
    world.load(&order("T2")).unwrap();
    assert_eq!((world.wrong(), world.balance(0), world.bank.taken()), (None, 200, 200));
}
