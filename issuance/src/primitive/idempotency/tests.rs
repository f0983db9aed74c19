use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::machine::testing::{followers, round_trip};
use crate::machine::{Change, Kept};
use crate::store::{MemoryStore, StoreError};

/// What has no row is refused.
#[test]
fn rows_and_no_others() {
    let begun = |input| RequestEvent::Begun { at_ms: 1, input: [input; 32] };
    let answered = || RequestEvent::Answered { at_ms: 2, answer: vec![1].into() };
    let not_done = || RequestEvent::NotDone { at_ms: 2, evidence: [3; 32] };
    let states = [
        ("new", vec![]),
        ("in progress", vec![begun(1)]),
        ("answered", vec![begun(1), answered()]),
        ("not done", vec![begun(1), not_done()]),
    ];
    let events =
        [("begun", begun(1)), ("begun with other input", begun(2)), ("answered", answered()), ("not done", not_done())];
    let expected = [
        ("new", vec!["begun", "begun with other input"]),
        ("in progress", vec!["answered", "not done"]),
        ("answered", vec![]),
        ("not done", vec!["begun"]),
    ];
    assert_eq!(followers::<Request>(&states, &events), expected);
}

#[test]
fn the_same_key_and_input_gets_the_stored_answer_and_another_input_a_conflict() {
    let request = Request::default();
    let Ok(Admission::Begin(begun)) = request.admit(b"issue 17", 5) else { panic!() };
    let (request, _) = request.apply(&begun).unwrap();
    assert_eq!(request.admit(b"issue 17", 6), Ok(Admission::InProgress { since_ms: 5 }));
    assert_eq!(request.admit(b"issue 18", 6), Err(RequestError::Conflict));
    assert!(request.clone().apply(&begun).is_err(), "time does not let it begin again");
    let answered = RequestEvent::Answered { at_ms: 7, answer: b"card 42".to_vec().into() };
    let (request, _) = request.apply(&answered).unwrap();
    assert_eq!(request.admit(b"issue 17", 8), Ok(Admission::Stored(b"card 42")));
    assert_eq!(request.admit(b"issue 18", 8), Err(RequestError::Conflict));
}

/// Two servers are asked at once: one begins.
#[test]
fn of_two_servers_one_begins() {
    let mut store = MemoryStore::new();
    let entity = Request::entity("kiosk/3", b"local order 9").unwrap();
    let mut one = Kept::<Request>::load(&store, entity.clone()).unwrap();
    let mut other = one.clone();
    let begin = |kept: &Kept<Request>| match kept.state().admit(b"issue", 1) {
        Ok(Admission::Begin(event)) => event,
        found => panic!("{found:?}"),
    };
    let (first, second) = (begin(&one), begin(&other));
    Change::new().apply(&mut one, &[first]).unwrap().commit(&mut store, 1).unwrap();
    let refused = Change::new().apply(&mut other, &[second]).unwrap().commit(&mut store, 1);
    assert!(matches!(refused, Err(StoreError::Conflict { .. })));
    let other = Kept::<Request>::load(&store, entity).unwrap();
    assert_eq!(other.state().admit(b"issue", 2), Ok(Admission::InProgress { since_ms: 1 }));
}

proptest! {
    /// Against a map from key to input and answer: each input is done once, and every caller gets the answer of their own input.
    #[test]
    fn done_once_for_each_key(calls in prop::collection::vec((0u8..3, 0u8..4, 0u8..3), 0..80)) {
        let mut requests: BTreeMap<u8, Request> = BTreeMap::new();
        let mut model: BTreeMap<u8, (u8, Option<u8>, bool)> = BTreeMap::new();
        for (call, key, input) in calls {
            let request = requests.entry(key).or_default().clone();
            let known = model.get(&key).copied();
            let event = match call {
                0 => {
                    let admission = request.admit(&[input], 3);
                    match (known, admission) {
                        (Some((other, ..)), found) if other != input => {
                            prop_assert_eq!(found, Err(RequestError::Conflict));
                            continue;
                        }
                        (Some((_, Some(answer), _)), found) => {
                            prop_assert_eq!(found, Ok(Admission::Stored(&[answer])));
                            continue;
                        }
                        (Some((_, None, true)), found) => {
                            prop_assert_eq!(found, Ok(Admission::InProgress { since_ms: 3 }));
                            continue;
                        }
                        (None | Some((_, None, false)), Ok(Admission::Begin(event))) => event,
                        (_, found) => return Err(TestCaseError::fail(format!("{found:?}"))),
                    }
                }
                1 => RequestEvent::Answered { at_ms: 4, answer: vec![input].into() },
                _ => RequestEvent::NotDone { at_ms: 4, evidence: [input; 32] },
            };
            let legal = call == 0 || known.is_some_and(|(.., running)| running);
            let result = request.apply(&event);
            prop_assert_eq!(result.is_ok(), legal);
            let Ok((next, _)) = result else { continue };
            round_trip::<Request>(&event);
            requests.insert(key, next);
            let entry = model.entry(key).or_insert((input, None, false));
            *entry = match call {
                0 => (input, None, true),
                1 => (entry.0, Some(input), false),
                _ => (entry.0, None, false),
            };
        }
    }
}
