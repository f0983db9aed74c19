use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::journal::Entity;
use crate::machine::testing::{followers, kept, round_trip};
use crate::quarantine::tests::resolution;
use crate::store::MemoryStore;

fn reserved(token: u64, at_ms: u64, until_ms: u64) -> LeaseEvent {
    LeaseEvent::Reserved { at_ms, token: Token(token), holder: "kiosk/1".into(), until_ms, subscriber: Some([1; 32]) }
}

fn begun(token: u64, at_ms: u64, worst_case_ms: u64) -> LeaseEvent {
    LeaseEvent::WriteBegun { at_ms, token: Token(token), intent: [2; 32], worst_case_ms }
}

fn committed(token: u64) -> LeaseEvent {
    LeaseEvent::Committed { at_ms: 0, token: Token(token), proof: [3; 32] }
}

fn resolved(mark: u64, finding: Finding, cool_off_until_ms: u64) -> LeaseEvent {
    LeaseEvent::Resolved { at_ms: 0, resolution: resolution("number/1", mark, finding), cool_off_until_ms }
}

fn fold(events: &[LeaseEvent]) -> Result<Lease, LeaseError> {
    events.iter().try_fold(Lease::default(), |lease, event| Ok(lease.apply(event)?.0))
}

/// Every row of the table.
#[test]
fn rows() {
    let token = Token(1);
    let held = |until_ms| Held { holder: "kiosk/1".into(), until_ms };
    let (begin, write) = (reserved(1, 10, 100), begun(1, 20, 80));
    let not_written = LeaseEvent::NotWritten { at_ms: 0, token, evidence: [4; 32] };
    let doubted = LeaseEvent::Doubted { at_ms: 0, token };
    let not_done = resolved(1, Finding::NotDone, 500);
    let cooled = |at_ms| LeaseEvent::CooledOff { at_ms };
    let rows: Vec<(Vec<LeaseEvent>, LeaseState)> = vec![
        (vec![begin.clone()], LeaseState::Reserved(held(100))),
        (vec![begin.clone(), LeaseEvent::Renewed { at_ms: 99, token, until_ms: 200 }], LeaseState::Reserved(held(200))),
        (vec![begin.clone(), LeaseEvent::Released { at_ms: 0, token }], LeaseState::Available),
        (vec![begin.clone(), LeaseEvent::Expired { at_ms: 100 }], LeaseState::Available),
        (vec![begin.clone(), LeaseEvent::Revoked { at_ms: 11 }], LeaseState::Available),
        (vec![begin.clone(), write.clone()], LeaseState::Writing(held(100))),
        (
            vec![begin.clone(), write.clone(), LeaseEvent::Renewed { at_ms: 99, token, until_ms: 150 }],
            LeaseState::Writing(held(150)),
        ),
        (vec![begin.clone(), write.clone(), committed(1)], LeaseState::Committed),
        (vec![begin.clone(), write.clone(), committed(1), LeaseEvent::Activated { at_ms: 0 }], LeaseState::Activated),
        (vec![begin.clone(), write.clone(), not_written], LeaseState::Reserved(held(100))),
        (
            vec![begin.clone(), write.clone(), LeaseEvent::Burnt { at_ms: 0, token, evidence: [4; 32] }],
            LeaseState::Burnt,
        ),
        (vec![begin.clone(), write.clone(), LeaseEvent::Expired { at_ms: 100 }], LeaseState::Quarantined),
        (vec![begin.clone(), write.clone(), LeaseEvent::Revoked { at_ms: 0 }], LeaseState::Quarantined),
        (
            vec![begin.clone(), write.clone(), doubted.clone(), not_done.clone()],
            LeaseState::CoolingOff { until_ms: 500 },
        ),
        (vec![begin.clone(), write.clone(), doubted.clone(), not_done, cooled(500)], LeaseState::Available),
        (vec![begin.clone(), write.clone(), doubted.clone(), resolved(1, Finding::Done, 0)], LeaseState::Committed),
        (vec![begin, write, doubted, resolved(1, Finding::Spoilt, 0)], LeaseState::Burnt),
    ];
    for (events, expected) in rows {
        assert_eq!(fold(&events).map(|lease| lease.state), Ok(expected), "{events:?}");
        events.iter().for_each(round_trip::<Lease>);
    }
}

/// What has no row is refused, whatever its guard says.
#[test]
fn rows_and_no_others() {
    let token = Token(1);
    let (begin, write, doubted) = (reserved(1, 10, 100), begun(1, 20, 80), LeaseEvent::Doubted { at_ms: 0, token });
    let after = |more: &[LeaseEvent]| [&[begin.clone(), write.clone()], more].concat();
    let states = [
        ("available", vec![]),
        ("reserved", vec![begin.clone()]),
        ("writing", after(&[])),
        ("quarantined", after(from_ref(&doubted))),
        ("cooling off", after(&[doubted.clone(), resolved(1, Finding::NotDone, 500)])),
        ("committed", after(&[committed(1)])),
        ("activated", after(&[committed(1), LeaseEvent::Activated { at_ms: 0 }])),
        ("burnt", after(&[LeaseEvent::Burnt { at_ms: 0, token, evidence: [4; 32] }])),
    ];
    let events = [
        ("first reserved", begin.clone()),
        ("reserved", reserved(2, 10, 100)),
        ("renewed", LeaseEvent::Renewed { at_ms: 30, token, until_ms: 200 }),
        ("begun", write.clone()),
        ("committed", committed(1)),
        ("not written", LeaseEvent::NotWritten { at_ms: 0, token, evidence: [4; 32] }),
        ("burnt", LeaseEvent::Burnt { at_ms: 0, token, evidence: [4; 32] }),
        ("released", LeaseEvent::Released { at_ms: 0, token }),
        ("expired", LeaseEvent::Expired { at_ms: 1000 }),
        ("revoked", LeaseEvent::Revoked { at_ms: 0 }),
        ("doubted", doubted.clone()),
        ("resolved", resolved(1, Finding::NotDone, 500)),
        ("cooled off", LeaseEvent::CooledOff { at_ms: 500 }),
        ("activated", LeaseEvent::Activated { at_ms: 0 }),
    ];
    let expected = [
        ("available", vec!["first reserved"]),
        ("reserved", vec!["renewed", "begun", "released", "expired", "revoked"]),
        ("writing", vec!["renewed", "committed", "not written", "burnt", "expired", "revoked", "doubted"]),
        ("quarantined", vec!["resolved"]),
        ("cooling off", vec!["cooled off"]),
        ("committed", vec!["activated"]),
        ("activated", vec![]),
        ("burnt", vec![]),
    ];
    assert_eq!(followers::<Lease>(&states, &events), expected);
}

#[test]
fn a_write_that_may_outlast_the_lease_is_not_begun() {
    assert_eq!(
        fold(&[reserved(1, 0, 100), begun(1, 41, 60)]),
        Err(LeaseError::TooShort { remaining_ms: 59, worst_case_ms: 60 })
    );
    assert_eq!(fold(&[reserved(1, 0, 100), begun(1, 100, 0)]), Err(LeaseError::Over { until_ms: 100, at_ms: 100 }));
}

/// The seed's gap: kiosk 1 is late, kiosk 2 has the number; and the other way round, kiosk 1 began in time.
#[test]
fn the_late_writer_gets_no_key_material() {
    let mut store = MemoryStore::new();
    let released = LeaseEvent::Expired { at_ms: 100 };
    let events = [reserved(1, 0, 100), released, reserved(2, 100, 200), begun(2, 110, 50)];
    let number = kept::<Lease>(&mut store, "number/1", &events);
    assert_eq!(authorize(&number, Token(1), 120), Err(LeaseError::Fenced { given: 1, current: 2 }));
    assert_eq!(authorize(&number, Token(3), 120), Err(LeaseError::Fenced { given: 3, current: 2 }));
    assert_eq!(authorize(&number, Token(2), 120).unwrap().token(), Token(2));
    assert_eq!(authorize(&number, Token(2), 200), Err(LeaseError::Over { until_ms: 200, at_ms: 200 }));

    let number = kept::<Lease>(&mut store, "number/2", &[reserved(1, 0, 100)]);
    assert!(authorize(&number, Token(1), 1).is_err(), "nothing is handed out before the write is recorded");

    let expired = [reserved(1, 0, 100), begun(1, 10, 50), LeaseEvent::Expired { at_ms: 100 }];
    assert_eq!(
        fold(&[&expired[..], &[reserved(2, 100, 200)]].concat()),
        Err(LeaseError::Illegal { state: "in quarantine" })
    );
}

#[test]
fn time_alone_says_what_is_due() {
    let lease = fold(&[reserved(1, 0, 100)]).unwrap();
    assert_eq!((lease.due(99), lease.due(100)), (None, Some(LeaseEvent::Expired { at_ms: 100 })));
    assert_eq!(fold(&[reserved(1, 0, 100), committed(1)]), Err(LeaseError::Illegal { state: "reserved" }));
}

/// What must hold of any history that a lease has accepted, said without its states.
struct History<'a>(&'a [LeaseEvent]);

impl History<'_> {
    fn token_of(event: &LeaseEvent) -> Option<u64> {
        match event {
            LeaseEvent::Renewed { token, .. }
            | LeaseEvent::WriteBegun { token, .. }
            | LeaseEvent::Committed { token, .. }
            | LeaseEvent::NotWritten { token, .. }
            | LeaseEvent::Burnt { token, .. }
            | LeaseEvent::Doubted { token, .. }
            | LeaseEvent::Released { token, .. } => Some(token.0),
            _ => None,
        }
    }

    /// The events from the last reservation on, and its token.
    fn tenure(&self) -> Option<(u64, &[LeaseEvent])> {
        let start = self.0.iter().rposition(|event| matches!(event, LeaseEvent::Reserved { .. }))?;
        let LeaseEvent::Reserved { token, .. } = &self.0[start] else { return None };
        Some((token.0, &self.0[start..]))
    }

    /// Whether the last tenure leaves anything that may have been written.
    fn may_be_written(&self) -> bool {
        let Some((_, events)) = self.tenure() else { return false };
        events.iter().fold(false, |open, event| match event {
            LeaseEvent::WriteBegun { .. } => true,
            LeaseEvent::NotWritten { .. } => false,
            LeaseEvent::Resolved { resolution, .. } => resolution.finding() != Finding::NotDone,
            _ => open,
        })
    }

    fn ends_at(&self) -> u64 {
        let Some((_, events)) = self.tenure() else { return 0 };
        let ends = events.iter().filter_map(|event| match event {
            LeaseEvent::Reserved { until_ms, .. } | LeaseEvent::Renewed { until_ms, .. } => Some(*until_ms),
            _ => None,
        });
        ends.max().unwrap_or(0)
    }

    /// Whether the last tenure is over and others may have it.
    fn is_free(&self) -> bool {
        let Some((_, events)) = self.tenure() else { return true };
        let given_back = events.iter().any(|event| {
            matches!(
                event,
                LeaseEvent::Released { .. }
                    | LeaseEvent::Expired { .. }
                    | LeaseEvent::Revoked { .. }
                    | LeaseEvent::Doubted { .. }
            )
        });
        let in_case = events.iter().any(|event| matches!(event, LeaseEvent::Resolved { .. }));
        let cooled = events.iter().any(|event| matches!(event, LeaseEvent::CooledOff { .. }));
        given_back && !self.may_be_written() && (!in_case || cooled)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any events in any order, from holders late and early, with a clock that jumps: what is accepted keeps the promises.
    #[test]
    fn whatever_comes_one_holder_at_a_time_and_no_unknown_is_freed(
        calls in prop::collection::vec((0u8..16, 0u8..8, 0u64..60, 0u64..60), 1..120),
    ) {
        let mut lease = Lease::default();
        let mut taken: Vec<LeaseEvent> = Vec::new();
        for (call, shift, at_ms, number) in calls {
            let last = lease.token.0;
            // Mostly the current token, now and then an older one or one that was never given.
            let token = Token(match shift { 0 => last.saturating_sub(1), 1 => last + 1, _ => last });
            let next = Token(if shift == 0 { last } else if shift == 1 { last + 2 } else { last + 1 });
            let (hash, until_ms) = ([0; 32], at_ms + number);
            let finding = [Finding::NotDone, Finding::NotDone, Finding::Done, Finding::Spoilt][(number % 4) as usize];
            let event = match call {
                0..=2 => LeaseEvent::Reserved { at_ms, token: next, holder: "k".into(), until_ms, subscriber: None },
                3 => LeaseEvent::Renewed { at_ms, token, until_ms },
                4 | 5 => LeaseEvent::WriteBegun { at_ms, token, intent: hash, worst_case_ms: number / 2 },
                6 => LeaseEvent::Committed { at_ms, token, proof: hash },
                7 => LeaseEvent::NotWritten { at_ms, token, evidence: hash },
                8 => LeaseEvent::Burnt { at_ms, token, evidence: hash },
                9 => LeaseEvent::Released { at_ms, token },
                10 => LeaseEvent::Expired { at_ms },
                11 => LeaseEvent::Revoked { at_ms },
                12 => LeaseEvent::Doubted { at_ms, token },
                13 => LeaseEvent::Resolved {
                    at_ms, resolution: resolution("number/1", token.0, finding), cool_off_until_ms: until_ms,
                },
                14 => LeaseEvent::CooledOff { at_ms },
                _ => LeaseEvent::Activated { at_ms },
            };
            let Ok((next, effects)) = lease.clone().apply(&event) else { continue };
            let before = History(&taken);
            let held = before.tenure().map(|(token, _)| token);
            if let Some(token) = History::token_of(&event) {
                prop_assert_eq!(Some(token), held, "only the holder");
            }
            match &event {
                LeaseEvent::Reserved { token, .. } => {
                    prop_assert_eq!(token.0, held.unwrap_or(0) + 1, "tokens rise");
                    prop_assert!(before.is_free(), "not while another holds it or may have written it: {taken:?}");
                }
                LeaseEvent::Renewed { .. } => prop_assert!(at_ms < before.ends_at()),
                LeaseEvent::WriteBegun { worst_case_ms, .. } => {
                    prop_assert!(!before.may_be_written() && !before.is_free());
                    prop_assert!(at_ms < before.ends_at() && before.ends_at() - at_ms >= *worst_case_ms);
                }
                LeaseEvent::Committed { .. } => prop_assert!(before.may_be_written()),
                LeaseEvent::Expired { .. } => prop_assert!(at_ms >= before.ends_at()),
                LeaseEvent::Resolved { resolution, .. } => prop_assert_eq!(Some(resolution.mark()), held),
                LeaseEvent::CooledOff { .. } => {
                    let until = before.0.iter().rev().find_map(|event| match event {
                        LeaseEvent::Resolved { cool_off_until_ms, .. } => Some(*cool_off_until_ms),
                        _ => None,
                    });
                    prop_assert!(until.is_some_and(|until| at_ms >= until));
                }
                _ => {}
            }
            round_trip::<Lease>(&event);
            taken.push(event);
            lease = next;
            let after = History(&taken);
            prop_assert_eq!(effects.contains(&LeaseEffect::Freed), after.is_free());
            prop_assert_eq!(*lease.state() == LeaseState::Available, after.is_free());
        }
        // The data generator's guard, at the end of any history.
        let mut store = MemoryStore::new();
        let mut number = Kept::<Lease>::load(&store, Entity::new("number/1").unwrap()).unwrap();
        if !taken.is_empty() {
            crate::machine::Change::new().apply(&mut number, &taken).unwrap().commit(&mut store, 0).unwrap();
        }
        let history = History(&taken);
        let (held, events) = history.tenure().unwrap_or_default();
        let writing = events.iter().rev().find(|event| !matches!(event, LeaseEvent::Renewed { .. }));
        let writing = matches!(writing, Some(LeaseEvent::WriteBegun { .. }));
        for token in 0..held + 2 {
            for now in [0, 30, 59, 118] {
                let allowed = writing && token == held && now < history.ends_at();
                prop_assert_eq!(authorize(&number, Token(token), now).is_ok(), allowed);
            }
        }
    }
}
