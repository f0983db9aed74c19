//! Top-ups of software cards: what has to hold before any money moves, and two readers with one card.

use cardwright_cos::purse::{Amount, PurseKind};

use super::binding::tests::binding;
use super::rules::tests::rules;
use super::*;
use crate::account::AccountId;
use crate::journal::Entity;
use crate::machine::testing::kept;
use crate::machine::{Change, Kept};
use crate::port::Conversation;
use crate::primitive::lease::{Lease, LeaseState};
use crate::purse::tests::world::{Ended, LineFault, Meddle, World, order, terminal};
use crate::purse::{DisputedBecause, LoadError, LoadOrder, LoadedBy, TransactionId, Waiting};
use crate::store::{Journal, MemoryStore, StoreError};
use crate::system::admission::tests::admission;
use crate::system::admission::{ATTESTATION_MS, Reader, ReaderError, ReaderEvent, ReaderState};

/// The cards of the world.
const CARDS: [&str; 2] = ["purse/1111222233330006-AABB1020304050607001", "purse/1111222233330006-AABB1020304050607002"];

fn entity(name: &str) -> Entity {
    Entity::new(name).unwrap()
}

fn binding_entity(card: usize) -> String {
    Binding::entity(&entity(CARDS[card]), PurseKind::Wallet).unwrap().to_string()
}

/// Two admitted readers, and the first card bound to its holder's account.
fn world() -> World {
    let mut world = World::new();
    for serial in ["R1", "R2"] {
        kept::<Reader>(&mut world.store, &format!("reader/{serial}"), &admission(serial));
    }
    kept::<Binding>(&mut world.store, &binding_entity(0), &binding("holder"));
    world
}

fn at(reader: &str, id: &str, now_ms: u64) -> TopUpOrder {
    let mut load = order(id);
    load.terminal.now_ms = now_ms;
    TopUpOrder { load, reader: reader.into(), rules: rules(), lease_ms: 1000 }
}

fn run<T>(world: &mut World, machine: Conversation<T>) -> T {
    match world.run(machine) {
        Ended::With(result) => result,
        Ended::Killed => panic!("killed"),
    }
}

fn lease(world: &World) -> LeaseState {
    let lease = Kept::<Lease>::load(&world.store, lease_entity(&entity(CARDS[0])).unwrap()).unwrap();
    lease.state().state().clone()
}

fn visit(world: &World, id: &str) -> Visit {
    let id = TransactionId::new(id).unwrap();
    Kept::<Visit>::load(&world.store, Visit::entity(&id).unwrap()).unwrap().state().clone()
}

fn suspend(store: &mut MemoryStore) {
    let mut reader = Kept::<Reader>::load(store, entity("reader/R1")).unwrap();
    let event = ReaderEvent::Suspended { at_ms: 60, reason: "cover opened".into() };
    Change::new().apply(&mut reader, &[event]).unwrap().commit(store, 60).unwrap();
}

fn unbind_card(store: &mut MemoryStore) {
    let mut binding = Kept::<Binding>::load(store, entity(&binding_entity(0))).unwrap();
    Change::new().apply(&mut binding, &[BindingEvent::Unbound { at_ms: 60 }]).unwrap().commit(store, 60).unwrap();
}

#[test]
fn a_top_up_ends_with_the_value_on_the_card_and_the_card_free() {
    let mut world = world();
    let report = run(&mut world, top_up(at("R1", "T1", 50))).unwrap();
    assert_eq!(report.outcome, Outcome::Written(LoadedBy::Answer));
    assert_eq!((world.balance(0), world.bank.taken(), world.wrong()), (200, 200, None));
    assert_eq!(
        (lease(&world), visit(&world, "T1").state()),
        (LeaseState::Available, VisitState::Ended(EndedWith::Loaded))
    );
    assert_eq!(world.store.open_entities("").unwrap(), []);
    // Once more: the same answer, from the record.
    let again = run(&mut world, top_up(at("R2", "T1", 60))).unwrap();
    assert_eq!((again, world.balance(0), world.bank.taken()), (report, 200, 200));
    assert_eq!(visit(&world, "T1").reader(), Some("R1"));
}

#[test]
fn what_is_not_admitted_bound_or_allowed_moves_nothing_and_is_named() {
    let reader = |error| NotWritten::Reader(error);
    let over = |order: &mut TopUpOrder| order.load.amount = Amount::new(50_001).unwrap();
    let deposit = |order: &mut TopUpOrder| order.load.purse = PurseKind::Deposit;
    let stranger = |order: &mut TopUpOrder| order.reader = "R9".into();
    let stale = |order: &mut TopUpOrder| order.load.terminal.now_ms = 11 + ATTESTATION_MS;
    let account = |order: &mut TopUpOrder| order.load.account = AccountId::new("other").unwrap();
    let listed = |order: &mut TopUpOrder| order.rules.black_list = [entity(CARDS[0])].into();
    let day = |order: &mut TopUpOrder| order.rules.max_a_day = 199;
    let limit = RuleError::DayLimit { loaded: 0, amount: 200, limit: 199 };
    type Arrange<'a> = &'a dyn Fn(&mut TopUpOrder);
    let cases: [(Arrange<'_>, NotWritten); 8] = [
        (&over, reader(ReaderError::Amount { amount: 50_001, limit: 50_000 })),
        (&deposit, reader(ReaderError::Purse { purse: 1 })),
        (&stranger, reader(ReaderError::NotAdmitted { state: ReaderState::Unregistered })),
        (&stale, reader(ReaderError::AttestationOver { at_ms: 11 })),
        (&account, NotWritten::OtherAccount),
        (&listed, NotWritten::Rules(Some(RuleError::BlackListed))),
        (&day, NotWritten::Rules(Some(limit))),
        (&|order: &mut TopUpOrder| order.load.id = TransactionId::new("fine").unwrap(), NotWritten::DebitRefused),
    ];
    for (number, (arrange, expected)) in cases.into_iter().enumerate() {
        let mut world = world();
        let mut order = at("R1", &format!("T{number}"), 50);
        arrange(&mut order);
        if expected == NotWritten::DebitRefused {
            world.bank.refuse_debits();
        }
        let report = run(&mut world, top_up(order)).unwrap();
        assert_eq!(report.outcome, Outcome::NotWritten(expected.clone()));
        assert_eq!((world.balance(0), world.bank.taken(), world.wrong()), (0, 0, None));
        let asked = u32::from(expected == NotWritten::DebitRefused);
        assert_eq!(world.bank_calls(), asked, "{expected:?}: the bank is not asked for what is refused before");
    }
    let mut world = world();
    world.insert(1);
    let report = run(&mut world, top_up(at("R1", "T1", 50))).unwrap();
    assert_eq!(report.outcome, Outcome::NotWritten(NotWritten::NotBound));
}

/// At every question up to the debit, the reader is suspended or the card unbound: no debit goes out.
#[test]
fn what_a_load_rests_on_holds_until_its_debit() {
    let mut whole = world();
    run(&mut whole, top_up(at("R1", "T1", 50))).unwrap();
    let mut stopped = [0u64; 2];
    for ask in 1..=whole.asks() {
        for (n, meddle) in [suspend as Meddle, unbind_card].into_iter().enumerate() {
            let mut world = world();
            world.meddler = Some((ask, meddle));
            let before_the_debit = |world: &World| world.bank_calls() == 0;
            match run(&mut world, top_up(at("R1", "T1", 50))) {
                Err(TopUpError::Store(StoreError::Conflict { .. }) | TopUpError::Load(LoadError::Store(_))) => {
                    assert!(before_the_debit(&world), "ask {ask}");
                    stopped[n] += 1;
                }
                Ok(TopUpReport { outcome: Outcome::NotWritten(_), .. }) => {
                    assert!(before_the_debit(&world), "ask {ask}");
                    stopped[n] += 1;
                }
                Ok(TopUpReport { outcome: Outcome::Written(_), .. }) => assert_eq!(world.bank.taken(), 200),
                other => panic!("ask {ask}: {other:?}"),
            }
            assert_eq!(world.wrong(), None, "ask {ask}");
        }
    }
    // Up to the commit that is recorded before the debit goes out, and that one too.
    let debit = (1..=whole.asks()).find(|ask| {
        let mut world = world();
        world.kill_after = Some(*ask);
        assert!(matches!(world.run(top_up(at("R1", "T1", 50))), Ended::Killed));
        world.bank_calls() == 1
    });
    assert_eq!(debit.map(|ask| [ask - 1; 2]), Some(stopped));
}

#[test]
fn one_reader_at_a_time_has_a_card() {
    let mut world = world();
    // Killed right after the lease was taken: the first reader has the card.
    let asks = (1..).find(|ask| {
        world.kill_after = Some(*ask);
        let mut twin = self::world();
        twin.kill_after = Some(*ask);
        assert!(matches!(twin.run(top_up(at("R1", "T1", 50))), Ended::Killed));
        let reserved = matches!(lease(&twin), LeaseState::Reserved(_));
        if reserved {
            world = twin;
        }
        reserved
    });
    assert!(asks.is_some());
    world.kill_after = None;
    world.reinsert();
    let busy = NotWritten::CardBusy { reader: "R1".into(), until_ms: 1050 };
    for id in ["T1", "T2"] {
        let report = run(&mut world, top_up(at("R2", id, 1049))).unwrap();
        assert_eq!(report.outcome, Outcome::NotWritten(busy.clone()));
    }
    let mut again = world.clone_world();
    // The first goes on at once, the second when its time is over.
    let report = run(&mut again, top_up(at("R1", "T1", 60))).unwrap();
    assert_eq!((report.outcome, again.balance(0)), (Outcome::Written(LoadedBy::Answer), 200));
    let report = run(&mut world, top_up(at("R2", "T2", 1050))).unwrap();
    assert_eq!((report.outcome, world.balance(0)), (Outcome::Written(LoadedBy::Answer), 200));
}

#[test]
fn a_reader_that_is_slow_loses_the_card_before_the_debit() {
    fn other_reader(store: &mut MemoryStore) {
        use crate::primitive::lease::LeaseEvent;
        let mut lease = Kept::<Lease>::load(store, lease_entity(&entity(CARDS[0])).unwrap()).unwrap();
        let token = lease.state().next_token();
        let (holder, until_ms) = ("R2".into(), 9000);
        let reserved = LeaseEvent::Reserved { at_ms: 2000, token, holder, until_ms, subscriber: None };
        let events = [LeaseEvent::Expired { at_ms: 2000 }, reserved];
        Change::new().apply(&mut lease, &events).unwrap().commit(store, 2000).unwrap();
    }
    let mut whole = world();
    run(&mut whole, top_up(at("R1", "T1", 50))).unwrap();
    let mut fenced = 0;
    for ask in 1..=whole.asks() {
        let mut world = world();
        world.meddler = Some((ask, |store| {
            if Kept::<Lease>::load(store, lease_entity(&entity(CARDS[0])).unwrap()).unwrap().last_seq() > 0 {
                other_reader(store);
            }
        }));
        let result = run(&mut world, top_up(at("R1", "T1", 50)));
        if matches!(result, Err(TopUpError::Load(LoadError::Store(StoreError::Conflict { .. })))) {
            assert_eq!((world.bank_calls(), world.balance(0)), (0, 0), "ask {ask}");
            fenced += 1;
        } else if let Err(error) = result {
            panic!("ask {ask}: {error}");
        }
        assert_eq!(world.wrong(), None);
    }
    assert!(fenced > 3, "{fenced}");
}

#[test]
fn a_torn_top_up_is_finished_at_any_reader() {
    let mut world = world();
    world.plan(4, LineFault::CutAfter);
    let report = run(&mut world, top_up(at("R1", "T1", 50))).unwrap();
    assert!(matches!(report.outcome, Outcome::Waiting(Waiting::Card { .. })), "{report:?}");
    assert_eq!(visit(&world, "T1").state(), VisitState::Paused(PausedBecause::Card));
    assert_eq!(world.store.open_entities("top-up/").unwrap(), [entity("top-up/T1")]);
    world.reinsert();
    let other = run(&mut world, top_up(at("R2", "T2", 60)));
    assert!(matches!(other, Err(TopUpError::Load(LoadError::OpenLoad { .. }))), "{other:?}");
    assert_eq!(visit(&world, "T2").state(), VisitState::Paused(PausedBecause::Error));
    let finished = run(&mut world, finish("R2".into(), terminal(), 1000)).unwrap().unwrap();
    assert_eq!(finished.outcome, Outcome::Written(LoadedBy::Proof));
    assert_eq!(run(&mut world, finish("R2".into(), terminal(), 1000)).unwrap(), None);
    assert_eq!((world.balance(0), world.bank.taken()), (200, 200));
    assert_eq!(
        (visit(&world, "T1").state(), visit(&world, "T1").reader()),
        (VisitState::Ended(EndedWith::Loaded), Some("R2"))
    );
}

#[test]
fn a_reader_that_is_not_admitted_finishes_nothing() {
    let mut world = world();
    world.plan(4, LineFault::CutAfter);
    run(&mut world, top_up(at("R1", "T1", 50))).unwrap();
    world.reinsert();
    suspend(&mut world.store);
    let report = run(&mut world, finish("R1".into(), terminal(), 1000)).unwrap().unwrap();
    let why = ReaderError::NotAdmitted { state: ReaderState::Suspended };
    assert_eq!(report.outcome, Outcome::NotWritten(NotWritten::Reader(why)));
}

#[test]
fn given_up_without_its_card_it_is_in_dispute_until_the_card_comes() {
    let mut world = world();
    world.plan(4, LineFault::CutAfter);
    run(&mut world, top_up(at("R1", "T1", 50))).unwrap();
    let id = TransactionId::new("T1").unwrap();
    for _ in 0..2 {
        let report = run(&mut world, give_up(id.clone(), 60)).unwrap();
        let dispute = Outcome::Waiting(Waiting::Dispute {
            why: DisputedBecause::CardGone,
            case: world.store.open_entities("case/").unwrap().remove(0),
        });
        assert_eq!((report.outcome, world.bank.taken()), (dispute, 200));
    }
    world.reinsert();
    let report = run(&mut world, top_up(at("R2", "T1", 70))).unwrap();
    assert_eq!(report.outcome, Outcome::Written(LoadedBy::Proof));
    assert_eq!(world.store.open_entities("").unwrap(), []);
}

/// Killed at every question, then at another reader: the money is right, and nothing stays open.
#[test]
fn the_program_is_killed_at_every_question() {
    let mut whole = world();
    run(&mut whole, top_up(at("R1", "T1", 50))).unwrap();
    for ask in 1..=whole.asks() {
        for after in [false, true] {
            let mut world = world();
            if after {
                world.kill_after = Some(ask)
            } else {
                world.kill_before = Some(ask)
            };
            assert!(matches!(world.run(top_up(at("R1", "T1", 50))), Ended::Killed));
            (world.kill_before, world.kill_after) = (None, None);
            world.reinsert();
            let report = run(&mut world, top_up(at("R2", "T1", 2000))).unwrap();
            assert!(matches!(report.outcome, Outcome::Written(_)), "ask {ask}: {report:?}");
            assert_eq!((world.balance(0), world.bank.taken(), world.wrong()), (200, 200, None), "ask {ask}");
            assert_eq!(world.store.open_entities("").unwrap(), [], "ask {ask}");
        }
    }
}

#[test]
fn an_order_is_for_the_limits_of_its_rules() {
    let load = LoadOrder { amount: Amount::new(40_000).unwrap(), ..order("T1") };
    let mut limits = rules();
    limits.limits.max_amount = Amount::new(39_999).unwrap();
    let mut world = world();
    let order = TopUpOrder { load, reader: "R1".into(), rules: limits, lease_ms: 1000 };
    let report = run(&mut world, top_up(order)).unwrap();
    assert!(matches!(report.outcome, Outcome::NotWritten(NotWritten::Rules(Some(RuleError::Amount(_))))), "{report:?}");
}
