use super::*;
use crate::machine::testing::{kept, round_trip};
use crate::primitive::approval::tests::{granted, roster};
use crate::purse::PurseEvent;
use crate::store::{Fault, MemoryFaults, MemoryStore};

const CARD: &str = "purse/1111-22";
const CODE: &str = "123456";

fn hash(code: &str) -> [u8; 32] {
    CodeKey::new([5; 32]).hash(&Entity::new(CARD).unwrap(), &AccountId::new("token-7").unwrap(), code)
}

fn challenged(at_ms: u64, account: &str) -> BindingEvent {
    BindingEvent::Challenged { at_ms, account: account.into(), last_four: "4242".into(), code: hash(CODE) }
}

fn bound(at_ms: u64) -> BindingEvent {
    BindingEvent::Bound { at_ms, reference: "C-1".into(), consent: [1; 32] }
}

/// The events that bind a card to an account.
pub(crate) fn binding(account: &str) -> Vec<BindingEvent> {
    vec![challenged(1, account), BindingEvent::Right { at_ms: 2 }, bound(3)]
}

fn fold(events: &[BindingEvent]) -> Result<Binding, BindingRecordError> {
    events.iter().try_fold(Binding::default(), |state, event| Ok(state.apply(event)?.0))
}

fn unlocked(card: &str, what: [u8; 32], persons: u8) -> BindingEvent {
    let grant = granted(what, persons).grant(&what, &roster(persons, 3), 3).unwrap();
    BindingEvent::Unlocked { at_ms: 9, grant, card: card.into() }
}

fn wrong(times: usize) -> Vec<BindingEvent> {
    [vec![challenged(1, "token-7")], vec![BindingEvent::Wrong { at_ms: 2 }; times]].concat()
}

#[test]
fn the_table() {
    let late = 1 + CODE_MS;
    let expired = vec![challenged(1, "token-7"), BindingEvent::Expired { at_ms: late }];
    let states: [(&str, Vec<BindingEvent>); 6] = [
        ("unbound", vec![]),
        ("waiting for its code", wrong(4)),
        ("waiting for the bank", binding("token-7")[..2].to_vec()),
        ("bound", binding("token-7")),
        ("unbound, after a code that came too late", expired),
        ("locked after too many wrong codes", wrong(5)),
    ];
    let events = [
        challenged(late, "token-7"),
        BindingEvent::Wrong { at_ms: 4 },
        BindingEvent::Right { at_ms: 4 },
        BindingEvent::Expired { at_ms: late },
        bound(4),
        BindingEvent::Unbound { at_ms: 4 },
        unlocked(CARD, unlocking(CARD), 2),
    ];
    // By number of the state, where each event leads.
    let table: [[Option<usize>; 7]; 6] = [
        [Some(1), None, None, None, None, None, None],
        [Some(1), Some(5), Some(2), Some(4), None, None, None],
        [None, None, None, Some(4), Some(3), None, None],
        [None, None, None, None, None, Some(0), None],
        [Some(1), None, None, None, None, None, None],
        [None, None, None, None, None, None, Some(0)],
    ];
    for ((word, before), row) in states.iter().zip(table) {
        let state = fold(before).unwrap();
        assert_eq!(state.word(), *word);
        for (event, to) in events.iter().zip(row) {
            match (state.clone().apply(event), to) {
                (Ok((next, _)), Some(to)) => assert_eq!(next.word(), states[to].0, "{word} + {event:?}"),
                (Err(BindingRecordError::Illegal { state }), None) => assert_eq!(state, *word),
                (other, _) => panic!("{word} + {event:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_code_is_good_for_five_minutes_and_five_tries() {
    let waiting = fold(&wrong(4)).unwrap();
    let right = |at_ms| waiting.clone().apply(&BindingEvent::Right { at_ms });
    assert!(right(CODE_MS).is_ok());
    let until_ms = 1 + CODE_MS;
    assert_eq!(right(until_ms).unwrap_err(), BindingRecordError::Over { until_ms, at_ms: until_ms });
    let early = waiting.clone().apply(&BindingEvent::Expired { at_ms: 5 }).unwrap_err();
    assert_eq!(early, BindingRecordError::Early { until_ms, at_ms: 5 });
    // A new code does not give the tries back.
    let again = waiting.apply(&challenged(1 + RESEND_MS, "token-7")).unwrap().0;
    assert_eq!(again.apply(&BindingEvent::Wrong { at_ms: 2 + RESEND_MS }).unwrap().0.state, BindingState::Locked);
}

#[test]
fn codes_are_sent_again_ever_later_and_to_one_account() {
    let mut state = fold(&[challenged(1, "token-7")]).unwrap();
    let other = state.clone().apply(&challenged(1 + RESEND_MS, "token-8")).unwrap_err();
    assert_eq!(other, BindingRecordError::OtherAccount);
    for wait in [RESEND_MS, 2 * RESEND_MS, 4 * RESEND_MS] {
        let BindingState::ChallengeSent(Challenge { again_ms, .. }) = state.state else { panic!("{state:?}") };
        let at_ms = again_ms - 1;
        assert_eq!(
            state.clone().apply(&challenged(at_ms, "token-7")).unwrap_err(),
            BindingRecordError::TooSoon { again_ms, at_ms }
        );
        state = state.apply(&challenged(again_ms, "token-7")).unwrap().0;
        let BindingState::ChallengeSent(next) = &state.state else { panic!("{state:?}") };
        assert_eq!(next.again_ms - again_ms, 2 * wait);
    }
}

#[test]
fn two_persons_unlock_exactly_this_card() {
    let locked = fold(&wrong(5)).unwrap();
    let no = |event| locked.clone().apply(&event).unwrap_err();
    assert_eq!(no(unlocked(CARD, unlocking(CARD), 1)), BindingRecordError::NotApproved { persons: 1 });
    assert_eq!(no(unlocked(CARD, unlocking("purse/other"), 2)), BindingRecordError::NotApproved { persons: 0 });
}

#[test]
fn a_hash_is_good_for_one_card_one_account_and_one_code() {
    let key = CodeKey::new([5; 32]);
    let (card, account) = (Entity::new(CARD).unwrap(), AccountId::new("token-7").unwrap());
    let all = [
        key.hash(&card, &account, CODE),
        key.hash(&Entity::new("purse/other").unwrap(), &account, CODE),
        key.hash(&card, &AccountId::new("token-8").unwrap(), CODE),
        key.hash(&card, &account, "123457"),
        CodeKey::new([6; 32]).hash(&card, &account, CODE),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
}

#[test]
fn a_try_that_was_not_written_is_not_answered() {
    let mut store = MemoryStore::new();
    let mut binding = kept::<Binding>(&mut store, "binding/x", &[challenged(1, "token-7")]);
    assert!(!try_code(&mut store, &mut binding, &hash("000000"), 2).unwrap());
    store.set_faults(MemoryFaults::none().at(1, Fault::DiskFull));
    try_code(&mut store, &mut binding, &hash(CODE), 3).unwrap_err();
    assert!(try_code(&mut store, &mut binding, &hash(CODE), 4).unwrap());
}

#[test]
fn a_card_with_an_open_load_stays_bound() {
    let mut store = MemoryStore::new();
    let mut bound = kept::<Binding>(&mut store, "binding/x", &binding("token-7"));
    let opened = PurseEvent::Opened { id: "T1".into(), purse: 2, amount: 5, account: "token-7".into() };
    let none = Kept::<PurseHistory>::load(&store, Entity::new(CARD).unwrap()).unwrap();
    let loads = kept::<PurseHistory>(&mut store, CARD, &[opened]);
    assert!(matches!(unbind(&mut store, &mut bound, &loads, 9), Err(BindingError::OpenLoad)));
    // Begun after it was looked at.
    let raced = unbind(&mut store, &mut bound, &none, 9);
    assert!(matches!(raced, Err(BindingError::Store(StoreError::Conflict { .. }))), "{raced:?}");
}

#[test]
fn events_are_coded_one_way() {
    let more = vec![
        BindingEvent::Wrong { at_ms: 1 },
        BindingEvent::Expired { at_ms: 1 },
        BindingEvent::Unbound { at_ms: 1 },
        unlocked(CARD, unlocking(CARD), 2),
    ];
    [binding("token-7"), more].concat().iter().for_each(round_trip::<Binding>);
    let digits = BindingEvent::Challenged { at_ms: 1, account: "a".into(), last_four: "12345".into(), code: [0; 32] };
    assert_eq!(fold(&[digits]).unwrap_err(), BindingRecordError::LastFour);
}
