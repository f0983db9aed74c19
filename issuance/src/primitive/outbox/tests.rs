use std::collections::BTreeMap;
use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::machine::testing::{followers, round_trip, run};
use crate::machine::{Change, Kept};
use crate::primitive::rate_limit::{Rate, RateEvent, Window};
use crate::primitive::retry::RetryPolicy;
use crate::store::{MemoryFaults, MemoryStore, Store, StoreError};

const ANSWER_WITHIN: u64 = 20;
const POLICY: RetryPolicy = RetryPolicy { first_ms: 5, longest_ms: 40, attempts: 3 };

fn bss() -> Destination {
    Destination::new("bss").unwrap()
}

/// Something changes at a source, and a destination is told.
fn post(store: &mut impl Store, source: &str, destination: &Destination, body: &[u8]) -> Result<MessageId, StoreError> {
    let mut window = Kept::<Window>::load(store, Entity::new(source).unwrap()).unwrap();
    let counted = RateEvent::Counted { at_ms: 0, rate: Rate { limit: u16::MAX, window_ms: 1 } };
    let change = Change::new().apply(&mut window, &[counted]).unwrap().post(destination, body).unwrap();
    Ok(change.commit(store, 0)?.messages[0])
}

#[test]
fn a_destination_is_a_plain_name() {
    assert_eq!(Destination::new("bss-2.cn_north").unwrap().prefix(), "outbox/bss-2.cn_north/");
    for (name, offset) in [("", 0), ("a/b", 1), ("a b", 1), (&*"a".repeat(61), 60)] {
        assert_eq!(Destination::new(name), Err(PostError::Destination { offset }), "{name}");
    }
}

/// What has no row is refused; with the rows of a message those of its retries.
#[test]
fn rows_and_no_others() {
    let posted = MessageEvent::Posted(Posted::new(&bss(), &Entity::new("order/1").unwrap(), 0, 0, b"paid"));
    let sent = |attempt| MessageEvent::Sent { at_ms: 10, attempt, answer_by_ms: 20 };
    let acknowledged = MessageEvent::Acknowledged { at_ms: 11 };
    let (again, never) = (Next::Again { not_before_ms: 10 }, Next::Never);
    let refused = |next| MessageEvent::Refused { at_ms: 11, code: 1, next };
    let timed_out = |next| MessageEvent::TimedOut { at_ms: 20, next };
    let replayed = MessageEvent::Replayed { at_ms: 30, by: "operator 7".into() };
    let after = |more: &[MessageEvent]| [&[posted.clone(), sent(1)], more].concat();
    let states = [
        ("none", vec![]),
        ("pending", vec![posted.clone()]),
        ("sent", after(&[])),
        ("retry", after(&[refused(again)])),
        ("dead letter", after(&[timed_out(never)])),
        ("replayed", after(&[timed_out(never), replayed.clone()])),
        ("acknowledged", after(from_ref(&acknowledged))),
    ];
    let events = [
        ("posted", posted.clone()),
        ("first sent", sent(1)),
        ("sent again", sent(2)),
        ("acknowledged", acknowledged.clone()),
        ("refused", refused(again)),
        ("refused for good", refused(never)),
        ("timed out", timed_out(again)),
        ("timed out for good", timed_out(never)),
        ("replayed", replayed.clone()),
    ];
    let expected = [
        ("none", vec!["posted"]),
        ("pending", vec!["first sent"]),
        ("sent", vec!["acknowledged", "refused", "refused for good", "timed out", "timed out for good"]),
        ("retry", vec!["sent again", "acknowledged"]),
        ("dead letter", vec!["acknowledged", "replayed"]),
        ("replayed", vec!["first sent"]),
        ("acknowledged", vec![]),
    ];
    assert_eq!(followers::<Message>(&states, &events), expected);
}

#[test]
fn a_message_goes_through_refusal_silence_and_replay_under_one_id() {
    let mut store = MemoryStore::new();
    let id = post(&mut store, "order/1", &bss(), b"paid").unwrap();
    let mut outbox = Outbox::new();
    outbox.follow(&store).unwrap();
    assert_eq!(outbox.send(&mut store, id, 100, ANSWER_WITHIN).unwrap().body(), b"paid");
    assert!(matches!(outbox.send(&mut store, id, 101, ANSWER_WITHIN), Err(OutboxError::NotNext { .. })));
    assert!(outbox.time_out(&mut store, id, &POLICY, 119, 0).is_err(), "the answer may still come");
    assert_eq!((outbox.late(119), outbox.late(120)), (vec![], vec![id]));
    outbox.time_out(&mut store, id, &POLICY, 120, 0).unwrap();
    assert!(outbox.next(&bss(), 124).is_none());
    assert_eq!(outbox.next(&bss(), 125).map(Posted::id), Some(id));
    let _ = outbox.send(&mut store, id, 125, ANSWER_WITHIN).unwrap();
    outbox.refuse(&mut store, id, Refusal { code: 42, permanent: true }, &POLICY, 126, 0).unwrap();
    assert_eq!(outbox.dead_letters().map(Posted::id).collect::<Vec<_>>(), [id]);
    assert!(outbox.next(&bss(), u64::MAX).is_none());
    outbox.replay(&mut store, id, "operator 7", 500).unwrap();
    assert_eq!(outbox.send(&mut store, id, 501, ANSWER_WITHIN).unwrap().id(), id);
    outbox.acknowledge(&mut store, id, 502).unwrap();
    outbox.acknowledge(&mut store, id, 503).unwrap();
    assert_eq!(outbox.wakes_at_ms(), None);
}

#[test]
fn a_dead_letter_holds_back_its_source_and_nobody_else() {
    let mut store = MemoryStore::new();
    let dead = post(&mut store, "order/1", &bss(), b"1").unwrap();
    let behind = post(&mut store, "order/1", &bss(), b"2").unwrap();
    let other = post(&mut store, "order/2", &bss(), b"3").unwrap();
    let mut outbox = Outbox::new();
    outbox.follow(&store).unwrap();
    let _ = outbox.send(&mut store, dead, 1, ANSWER_WITHIN).unwrap();
    assert!(outbox.next(&bss(), 2).is_none(), "one at a time");
    outbox.refuse(&mut store, dead, Refusal { code: 1, permanent: true }, &POLICY, 2, 0).unwrap();
    assert_eq!(outbox.next(&bss(), 3).map(Posted::id), Some(other));
    assert!(matches!(outbox.send(&mut store, behind, 3, 1), Err(OutboxError::NotNext { .. })));
    outbox.replay(&mut store, dead, "operator 7", 4).unwrap();
    for (id, next) in [(dead, behind), (behind, other)] {
        let _ = outbox.send(&mut store, id, 5, ANSWER_WITHIN).unwrap();
        outbox.acknowledge(&mut store, id, 6).unwrap();
        assert_eq!(outbox.next(&bss(), 7).map(Posted::id), Some(next));
    }
}

#[test]
fn of_two_dispatchers_one_sends() {
    let mut store = MemoryStore::new();
    let id = post(&mut store, "order/1", &bss(), b"1").unwrap();
    let (mut one, mut other) = (Outbox::new(), Outbox::new());
    one.follow(&store).unwrap();
    other.follow(&store).unwrap();
    let _ = one.send(&mut store, id, 1, ANSWER_WITHIN).unwrap();
    assert!(matches!(
        other.send(&mut store, id, 1, ANSWER_WITHIN),
        Err(OutboxError::Store(StoreError::Conflict { .. }))
    ));
    assert!(other.next(&bss(), 2).is_none(), "it has seen what the other did");
    one.acknowledge(&mut store, id, 3).unwrap();
    other.follow(&store).unwrap();
    assert_eq!(other.destinations().count(), 0);
}

#[test]
fn the_bytes_of_a_message_travel_and_no_body_is_shown() {
    let posted = Posted::new(&bss(), &Entity::new("order/1").unwrap(), 7, 0, b"secret");
    let bytes = minicbor::to_vec(&posted).unwrap();
    assert_eq!(minicbor::decode::<Posted>(&bytes).unwrap(), posted);
    assert!(!format!("{posted:?}").contains("115"), "{posted:?}");
    let other = Posted::new(&Destination::new("bank").unwrap(), &Entity::new("order/1").unwrap(), 7, 0, b"secret");
    assert_ne!(posted.id(), other.id());
}

#[test]
fn a_place_that_says_something_else_is_a_fault_of_the_sender() {
    let message = |body: &[u8]| Posted::new(&bss(), &Entity::new("order/1").unwrap(), 7, 0, body);
    let Ok(Reception::Fresh(taken)) = Inbox::default().receive(&message(b"a")) else { panic!() };
    round_trip::<Inbox>(&taken);
    let (inbox, _) = Inbox::default().apply(&taken).unwrap();
    assert_eq!(inbox.receive(&message(b"a")), Ok(Reception::Repeated));
    assert_eq!(inbox.receive(&message(b"b")), Err(InboxError::Changed { after: 7, index: 0 }));
    assert!(inbox.apply(&taken).is_err());
}

/// An operator's system: it does what a message says once, and remembers that in the transaction of doing it.
struct Receiver {
    store: MemoryStore,
    done: BTreeMap<String, Vec<u8>>,
}

impl Receiver {
    fn take(&mut self, message: &Posted) -> Result<(), TestCaseError> {
        let entity = Inbox::entity(message).unwrap();
        let mut inbox = Kept::<Inbox>::load(&self.store, entity).unwrap();
        if let Reception::Fresh(taken) = inbox.state().receive(message).unwrap() {
            let change = Change::new().apply(&mut inbox, &[taken]).unwrap();
            change.commit(&mut self.store, 0).unwrap();
            self.done.entry(message.source().to_owned()).or_default().extend_from_slice(message.body());
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any events in any order, against what must hold of those accepted.
    #[test]
    fn a_message_ends_acknowledged_or_dead(
        calls in prop::collection::vec((0u8..7, 0u32..5, 0u64..50, 0u64..20), 0..60),
    ) {
        let posted = Posted::new(&bss(), &Entity::new("order/1").unwrap(), 7, 0, b"x");
        let events = calls.into_iter().map(|(call, attempt, at_ms, more)| {
            let next = if more < 4 { Next::Never } else { Next::Again { not_before_ms: at_ms + more } };
            match call {
                0 => MessageEvent::Posted(posted.clone()),
                1 | 2 => MessageEvent::Sent { at_ms, attempt, answer_by_ms: at_ms + more },
                3 => MessageEvent::Acknowledged { at_ms },
                4 => MessageEvent::Refused { at_ms, code: attempt, next },
                5 => MessageEvent::TimedOut { at_ms, next },
                _ => MessageEvent::Replayed { at_ms, by: "operator".into() },
            }
        });
        let (message, taken) = run::<Message>(events);
        taken.iter().for_each(round_trip::<Message>);
        let of = |wanted: fn(&MessageEvent) -> bool| taken.iter().filter(|event| wanted(event)).count();
        prop_assert!(of(|event| matches!(event, MessageEvent::Posted(_))) <= 1);
        let acknowledgements = of(|event| matches!(event, MessageEvent::Acknowledged { .. }));
        prop_assert!(acknowledgements <= 1);
        let acknowledged = taken.iter().position(|event| matches!(event, MessageEvent::Acknowledged { .. }));
        prop_assert!(acknowledged.is_none_or(|place| place == taken.len() - 1), "nothing follows");
        for (event, before) in taken[..].windows(2).map(|two| (&two[1], &two[0])) {
            match event {
                MessageEvent::Sent { at_ms, attempt, .. } => match before {
                    MessageEvent::Posted(_) | MessageEvent::Replayed { .. } => prop_assert_eq!(*attempt, 1),
                    MessageEvent::Refused { next: Next::Again { not_before_ms }, .. }
                    | MessageEvent::TimedOut { next: Next::Again { not_before_ms }, .. } => {
                        prop_assert!(at_ms >= not_before_ms);
                    }
                    other => return Err(TestCaseError::fail(format!("sent after {other:?}"))),
                },
                MessageEvent::TimedOut { at_ms, .. } => match before {
                    MessageEvent::Sent { answer_by_ms, .. } => prop_assert!(at_ms >= answer_by_ms),
                    other => return Err(TestCaseError::fail(format!("timed out after {other:?}"))),
                },
                MessageEvent::Refused { .. } => {
                    let sent = matches!(before, MessageEvent::Sent { .. });
                    prop_assert!(sent);
                }
                MessageEvent::Replayed { .. } => {
                    let dead = matches!(
                        before,
                        MessageEvent::Refused { next: Next::Never, .. } | MessageEvent::TimedOut { next: Next::Never, .. }
                    );
                    prop_assert!(dead);
                }
                _ => {}
            }
        }
        prop_assert_eq!(message.is_open(), !taken.is_empty() && acknowledged.is_none());
    }

    /// Several sources and destinations, a network that loses, doubles and delays, a store that crashes, a dispatcher that starts
    /// again: every source's messages are done in their order, each once, and in the end all of them.
    #[test]
    fn each_message_is_done_once_and_in_order(
        seed in any::<u64>(),
        calls in prop::collection::vec((0u8..10, 0u8..3, 0u8..2, any::<u64>()), 1..80),
    ) {
        let destinations = [bss(), Destination::new("bank").unwrap()];
        let mut store = MemoryStore::with_faults(MemoryFaults::seeded(seed, 12));
        let mut receivers =
            [0, 1].map(|_| Receiver { store: MemoryStore::new(), done: BTreeMap::new() });
        let mut outbox = Outbox::new();
        let mut wire: Vec<Posted> = Vec::new();
        let mut acknowledgements: Vec<MessageId> = Vec::new();
        let mut posted: BTreeMap<(usize, String), Vec<u8>> = BTreeMap::new();
        let (mut now, mut count) = (0, 0);
        // What a crash does to a program: what it held is gone.
        macro_rules! survive {
            ($result:expr) => {
                match $result {
                    Ok(value) => Some(value),
                    Err(OutboxError::Store(StoreError::Crashed)) => {
                        store = store.reopen().unwrap();
                        outbox = Outbox::open(&store).unwrap();
                        None
                    }
                    Err(_) => None,
                }
            };
        }
        let quiet = calls.len();
        let calm = (0..400u64).map(|n| ((n % 5 + 3) as u8, 0, (n / 5 % 2) as u8, n));
        for (turn, (call, source, to, random)) in calls.into_iter().chain(calm).enumerate() {
            now += if turn < quiet { random % 9 } else { 3 };
            if turn == quiet {
                store.set_faults(MemoryFaults::none());
            }
            let to = usize::from(to);
            match call {
                0..=2 => {
                    let source = format!("order/{source}");
                    let before = store.entities_of("outbox/");
                    count += 1;
                    if let Err(StoreError::Crashed) = post(&mut store, &source, &destinations[to], &[count]) {
                        store = store.reopen().unwrap();
                        outbox = Outbox::new();
                    }
                    // The journal says whether it was posted.
                    if store.entities_of("outbox/") > before {
                        posted.entry((to, source)).or_default().push(count);
                    }
                    outbox.follow(&store).unwrap();
                }
                3 => {
                    if let Some(id) = outbox.next(&destinations[to], now).map(Posted::id) {
                        wire.extend(survive!(outbox.send(&mut store, id, now, ANSWER_WITHIN)));
                    }
                }
                // The network carries one, keeps it to carry it again, or loses it.
                4 if !wire.is_empty() => {
                    let place = if turn < quiet { random as usize % wire.len() } else { 0 };
                    let message = if random % 3 == 0 && turn < quiet {
                        wire[place].clone()
                    } else {
                        wire.remove(place)
                    };
                    if random % 5 != 0 || turn >= quiet {
                        let at = destinations.iter().position(|name| name.as_str() == message.destination()).unwrap();
                        receivers[at].take(&message)?;
                        acknowledgements.push(message.id());
                    }
                }
                5 if !acknowledgements.is_empty() => {
                    let id = acknowledgements.remove(0);
                    if random % 4 != 0 || turn >= quiet {
                        survive!(outbox.acknowledge(&mut store, id, now));
                    }
                }
                6 => {
                    for id in outbox.late(now) {
                        survive!(outbox.time_out(&mut store, id, &POLICY, now, random));
                    }
                }
                7 => {
                    let dead = outbox.dead_letters().next().map(Posted::id);
                    if let Some(id) = dead {
                        survive!(outbox.replay(&mut store, id, "operator", now));
                    }
                }
                8 => {
                    let waiting = outbox.next(&destinations[to], now).map(Posted::id);
                    if let Some(id) = waiting {
                        // Not sent: a refusal is no answer to anything.
                        let refusal = Refusal { code: 1, permanent: false };
                        let refused = outbox.refuse(&mut store, id, refusal, &POLICY, now, random);
                        prop_assert!(refused.is_err());
                    }
                }
                _ => outbox = Outbox::open(&store).unwrap(),
            }
            for (to, receiver) in receivers.iter().enumerate() {
                for (source, done) in &receiver.done {
                    let wanted = posted.get(&(to, source.clone())).map_or(&[][..], Vec::as_slice);
                    prop_assert!(wanted.starts_with(done), "{source}: {done:?} of {wanted:?}");
                }
            }
        }
        for ((to, source), wanted) in &posted {
            prop_assert_eq!(receivers[*to].done.get(source), Some(wanted));
        }
        outbox.follow(&store).unwrap();
        prop_assert_eq!(outbox.dead_letters().count(), 0);
    }
}

impl MemoryStore {
    fn entities_of(&self, prefix: &str) -> usize {
        crate::store::Journal::entities(self, prefix).unwrap().len()
    }
}
