use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::machine::testing::round_trip;
use crate::primitive::approval::tests::{granted, roster};

/// The secret key of RFC 8032 7.1, test 3.
const SECRET: [u8; 32] = [
    0xC5, 0xAA, 0x8D, 0xF4, 0x3F, 0x9F, 0x83, 0x7B, 0xED, 0xB7, 0x44, 0x2F, 0x31, 0xDC, 0xB7, 0xB1, 0x66, 0xD3, 0x85,
    0x35, 0x07, 0x6F, 0x09, 0x4B, 0x85, 0xCE, 0x3A, 0x2E, 0x0B, 0x44, 0x58, 0xF7,
];
const FIRMWARE: [u8; 32] = [0xF1; 32];

fn key() -> SigningKey {
    SigningKey::from_bytes(&SECRET)
}

fn identity(serial: &str) -> ReaderIdentity {
    ReaderIdentity { serial: serial.into(), public_key: key().verifying_key().to_bytes() }
}

fn grant(what: [u8; 32], persons: u8) -> Grant {
    granted(what, persons).grant(&what, &roster(persons, 3), 3).unwrap()
}

fn registered(serial: &str) -> ReaderEvent {
    let identity = identity(serial);
    ReaderEvent::Registered { at_ms: 1, grant: grant(identity.matter(), 2), identity }
}

fn challenged(nonce: u8) -> ReaderEvent {
    ReaderEvent::Challenged { at_ms: 10, nonce: [nonce; 16] }
}

fn attested(serial: &str, nonce: u8, at_ms: u64) -> ReaderEvent {
    let signature = key().sign(&identity(serial).attestation(&[nonce; 16], &FIRMWARE)).to_bytes();
    Reader::attested(at_ms, FIRMWARE, signature, &[FIRMWARE]).unwrap()
}

fn admitted() -> ReaderEvent {
    ReaderEvent::Admitted { at_ms: 12, scope: Scope { purses: vec![2], max_amount: 50_000 } }
}

/// The events that admit a reader for the wallet and at most 50000 at once.
pub(crate) fn admission(serial: &str) -> Vec<ReaderEvent> {
    vec![registered(serial), challenged(1), attested(serial, 1, 11), admitted()]
}

fn fold(events: &[ReaderEvent]) -> Result<Reader, ReaderError> {
    events.iter().try_fold(Reader::default(), |reader, event| Ok(reader.apply(event)?.0))
}

fn suspended() -> ReaderEvent {
    ReaderEvent::Suspended { at_ms: 13, reason: "cover opened".into() }
}

fn revoked() -> ReaderEvent {
    ReaderEvent::Revoked { at_ms: 14, reason: "stolen".into() }
}

#[test]
fn an_admitted_reader_loads_what_its_scope_says_for_a_day() {
    let reader = fold(&admission("R1")).unwrap();
    let amount = |amount| Amount::new(amount).unwrap();
    assert_eq!(reader.admits(PurseKind::Wallet, amount(50_000), 20), Ok(()));
    let over = ReaderError::Amount { amount: 50_001, limit: 50_000 };
    assert_eq!(reader.admits(PurseKind::Wallet, amount(50_001), 20), Err(over));
    assert_eq!(reader.admits(PurseKind::Deposit, amount(1), 20), Err(ReaderError::Purse { purse: 1 }));
    let end = 11 + ATTESTATION_MS;
    assert_eq!(reader.admits(PurseKind::Wallet, amount(1), end - 1), Ok(()));
    assert_eq!(reader.admits(PurseKind::Wallet, amount(1), end), Err(ReaderError::AttestationOver { at_ms: 11 }));
    for (more, state) in [(suspended(), ReaderState::Suspended), (revoked(), ReaderState::Revoked)] {
        let reader = reader.clone().apply(&more).unwrap().0;
        assert_eq!(reader.admits(PurseKind::Wallet, amount(1), 20), Err(ReaderError::NotAdmitted { state }));
    }
}

/// Every event in every state: the table, row by row.
#[test]
fn the_table() {
    use ReaderState::*;
    let whole = admission("R1");
    let upto = |count: usize| whole[..count].to_vec();
    let with = |event: ReaderEvent| [upto(4), vec![event]].concat();
    let reinstated = ReaderEvent::Reinstated { at_ms: 15 };
    let states = [
        (Unregistered, upto(0)),
        (Registered, upto(1)),
        (Attested, upto(3)),
        (Admitted, upto(4)),
        (Suspended, with(suspended())),
        (Revoked, with(revoked())),
    ];
    let events = [registered("R1"), challenged(2), admitted(), suspended(), reinstated, revoked()];
    let table: [[Option<ReaderState>; 6]; 6] = [
        [Some(Registered), None, None, None, None, None],
        [None, Some(Registered), None, None, None, Some(Revoked)],
        [None, Some(Attested), Some(Admitted), None, None, Some(Revoked)],
        [None, Some(Admitted), Some(Admitted), Some(Suspended), None, Some(Revoked)],
        [None, None, None, None, Some(Registered), Some(Revoked)],
        [None; 6],
    ];
    for ((state, before), row) in states.iter().zip(table) {
        let reader = fold(before).unwrap();
        assert_eq!(reader.state(), *state);
        for (event, to) in events.iter().zip(row) {
            let next = reader.clone().apply(event);
            match to {
                Some(to) => assert_eq!(next.unwrap().0.state(), to, "{state:?} + {event:?}"),
                None => assert_eq!(next.unwrap_err(), ReaderError::Illegal { state: *state }, "{event:?}"),
            }
        }
    }
}

#[test]
fn two_persons_register_exactly_this_reader() {
    let identity = identity("R1");
    let by = |grant| Reader::default().apply(&ReaderEvent::Registered { at_ms: 1, identity: identity.clone(), grant });
    assert_eq!(by(grant(identity.matter(), 1)).unwrap_err(), ReaderError::Persons { persons: 1 });
    assert_eq!(by(grant([9; 32], 2)).unwrap_err(), ReaderError::OtherMatter);
    for wrong in ["", "a b", "a/b", &"a".repeat(65)] {
        let identity = ReaderIdentity { serial: wrong.into(), ..identity.clone() };
        let event = ReaderEvent::Registered { at_ms: 1, grant: grant(identity.matter(), 2), identity };
        assert_eq!(Reader::default().apply(&event).unwrap_err(), ReaderError::Identity, "{wrong:?}");
    }
}

#[test]
fn an_attestation_answers_the_last_challenge_once_and_in_time() {
    let start = fold(&[registered("R1"), challenged(1)]).unwrap();
    let refused = |event: ReaderEvent| start.clone().apply(&event).unwrap_err();
    assert_eq!(refused(attested("R1", 2, 11)), ReaderError::Signature, "another challenge");
    assert_eq!(refused(attested("R2", 1, 11)), ReaderError::Signature, "another reader");
    assert_eq!(refused(attested("R1", 1, 11 + CHALLENGE_MS)), ReaderError::NoChallenge, "too late");
    let ReaderEvent::Attested { signature, .. } = attested("R1", 1, 11) else { unreachable!() };
    let other = ReaderEvent::Attested { at_ms: 11, firmware: [0xF2; 32], signature };
    assert_eq!(refused(other), ReaderError::Signature, "another firmware");
    assert_eq!(Reader::attested(11, [0xF2; 32], signature, &[FIRMWARE]), Err(ReaderError::Firmware));
    let done = start.clone().apply(&attested("R1", 1, 11)).unwrap().0;
    assert_eq!(done.clone().apply(&attested("R1", 1, 11)).unwrap_err(), ReaderError::NoChallenge, "played back");
    assert_eq!(done.apply(&challenged(1)).unwrap_err(), ReaderError::Nonce);
}

#[test]
fn a_reinstated_reader_shows_itself_anew() {
    let reader = fold(&[admission("R1"), vec![suspended(), ReaderEvent::Reinstated { at_ms: 15 }]].concat()).unwrap();
    assert!(reader.clone().apply(&admitted()).is_err());
    let reader = reader.apply(&challenged(3)).unwrap().0.apply(&attested("R1", 3, 16)).unwrap().0;
    assert_eq!(reader.apply(&admitted()).unwrap().0.state(), ReaderState::Admitted);
}

#[test]
fn a_scope_that_allows_nothing_is_refused() {
    let reader = fold(&admission("R1")[..3]).unwrap();
    for (purses, max_amount) in [(vec![], 1), (vec![3], 1), (vec![2], 0)] {
        let event = ReaderEvent::Admitted { at_ms: 12, scope: Scope { purses, max_amount } };
        assert_eq!(reader.clone().apply(&event).unwrap_err(), ReaderError::Scope);
    }
}

#[test]
fn events_are_coded_one_way() {
    let reinstated = ReaderEvent::Reinstated { at_ms: 15 };
    for event in [admission("R1"), vec![suspended(), reinstated, revoked()]].concat() {
        round_trip::<Reader>(&event);
    }
}
