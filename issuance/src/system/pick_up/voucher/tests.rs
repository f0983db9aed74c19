use proptest::prelude::*;

use super::*;
use crate::machine::testing::{kept, round_trip, run};
use crate::machine::{Change, MachineError};
use crate::quarantine::tests::resolution;
use crate::store::MemoryStore;

const UNTIL: u64 = 1_000;

fn minted() -> VoucherEvent {
    let terms = Terms { student: "student/1".into(), version: 3, school: "school/1".into(), until_ms: UNTIL };
    VoucherEvent::Minted { at_ms: 1, terms }
}

fn presented(kiosk: &str, at_ms: u64) -> VoucherEvent {
    VoucherEvent::Presented { at_ms, kiosk: kiosk.into() }
}

fn claimed(kiosk: &str, token: u64, at_ms: u64) -> VoucherEvent {
    let claim = claim(kiosk, token);
    VoucherEvent::Claimed { at_ms, claim }
}

fn claim(kiosk: &str, token: u64) -> Claim {
    Claim { kiosk: kiosk.into(), epoch: 1, token: Token::new(token), until_ms: 200 }
}

fn dispensed(token: u64) -> VoucherEvent {
    VoucherEvent::Dispensed { at_ms: 0, token: Token::new(token), card_number: "0A0B".into() }
}

fn not_dispensed(token: u64) -> VoucherEvent {
    VoucherEvent::NotDispensed { at_ms: 0, token: Token::new(token), evidence: [1; 32] }
}

fn retracted(token: u64) -> VoucherEvent {
    VoucherEvent::Retracted { at_ms: 0, token: Token::new(token), evidence: [2; 32] }
}

fn resolved(mark: u64, finding: Finding) -> VoucherEvent {
    VoucherEvent::Resolved { at_ms: 0, resolution: resolution("voucher/1", mark, finding) }
}

fn fold(events: &[VoucherEvent]) -> Result<Voucher, VoucherError> {
    events.iter().try_fold(Voucher::default(), |voucher, event| Ok(voucher.apply(event)?.0))
}

fn replicated() -> VoucherEvent {
    VoucherEvent::Replicated { at_ms: 2, kiosk: "k1".into() }
}

const SILENT: VoucherEvent = VoucherEvent::Silent { at_ms: 200 };
const TAKEN: VoucherEvent = VoucherEvent::Taken { at_ms: 0 };
const REVOKED: VoucherEvent = VoucherEvent::Revoked { at_ms: 0 };
const LAPSED: VoucherEvent = VoucherEvent::Lapsed { at_ms: UNTIL };

/// Every row of the table.
#[test]
fn rows() {
    let at_k1 = VoucherState::Presented { kiosk: "k1".into() };
    let to_claim = [minted(), presented("k1", 10), claimed("k1", 1, 20)];
    let after = |events: &[VoucherEvent]| fold(&[&to_claim, events].concat()).unwrap().state;
    assert_eq!(fold(&[minted()]).unwrap().state, VoucherState::Minted);
    assert_eq!(fold(&[minted(), replicated()]).unwrap().state, VoucherState::Distributed);
    assert_eq!(fold(&[minted(), presented("k1", 10)]).unwrap().state, at_k1);
    assert_eq!(fold(&[minted(), presented("k1", 10), replicated()]).unwrap().state, at_k1);
    assert_eq!(fold(&[minted(), presented("k2", 10), presented("k1", 10)]).unwrap().state, at_k1);
    assert_eq!(fold(&[minted(), replicated(), REVOKED]).unwrap().state, VoucherState::Void);
    assert_eq!(fold(&[minted(), LAPSED]).unwrap().state, VoucherState::Void);
    let claim = claim("k1", 1);
    assert_eq!(after(&[]), VoucherState::Claimed(claim.clone()));
    assert_eq!(after(&[dispensed(1)]), VoucherState::Dispensed(claim.clone()));
    assert_eq!(after(&[dispensed(1), TAKEN]), VoucherState::Redeemed);
    assert_eq!(after(&[dispensed(1), retracted(1)]), VoucherState::Distributed);
    assert_eq!(after(&[not_dispensed(1)]), VoucherState::Distributed);
    assert_eq!(after(&[SILENT]), VoucherState::Unknown(claim.clone()));
    assert_eq!(after(&[SILENT, dispensed(1)]), VoucherState::Dispensed(claim.clone()));
    assert_eq!(after(&[SILENT, not_dispensed(1)]), VoucherState::Distributed);
    assert_eq!(after(&[SILENT, resolved(1, Finding::Done)]), VoucherState::Dispensed(claim));
    assert_eq!(after(&[SILENT, resolved(1, Finding::NotDone)]), VoucherState::Distributed);
    assert_eq!(after(&[SILENT, resolved(1, Finding::Spoilt)]), VoucherState::Distributed);
}

/// What the table does not have is refused, with the reason.
#[test]
fn refused() {
    let error = |events: &[VoucherEvent]| fold(events).unwrap_err();
    let illegal = |state| VoucherError::Illegal { state };
    let (present, claim) = (presented("k1", 10), claimed("k1", 1, 20));
    assert_eq!(error(&[replicated()]), illegal("not minted"));
    assert_eq!(error(&[minted(), minted()]), illegal("minted"));
    assert_eq!(error(&[minted(), claim.clone()]), illegal("minted"));
    let over = |at_ms| VoucherError::Over { until_ms: UNTIL, at_ms };
    assert_eq!(error(&[minted(), presented("k1", UNTIL)]), over(UNTIL));
    assert_eq!(error(&[minted(), present.clone(), claimed("k1", 1, UNTIL)]), over(UNTIL));
    assert_eq!(
        error(&[minted(), present.clone(), claimed("k2", 1, 20)]),
        VoucherError::OtherKiosk { presented: "k1".into(), claiming: "k2".into() }
    );
    for token in [0, 2, u64::MAX] {
        let fenced = VoucherError::Fenced { given: token, current: 0 };
        assert_eq!(error(&[minted(), present.clone(), claimed("k1", token, 20)]), fenced);
    }
    let early = VoucherError::Early { until_ms: 200, at_ms: 199 };
    assert_eq!(error(&[minted(), present.clone(), claim.clone(), VoucherEvent::Silent { at_ms: 199 }]), early);
    let early = VoucherError::Early { until_ms: UNTIL, at_ms: 999 };
    assert_eq!(error(&[minted(), VoucherEvent::Lapsed { at_ms: 999 }]), early);
    for late in [dispensed(2), not_dispensed(2)] {
        let fenced = VoucherError::Fenced { given: 2, current: 1 };
        assert_eq!(error(&[minted(), present.clone(), claim.clone(), late]), fenced);
    }
    // Neither a second kiosk, nor time, nor revocation frees what may be moving.
    for event in [present.clone(), REVOKED, LAPSED, claimed("k1", 2, 20)] {
        assert_eq!(error(&[minted(), present.clone(), claim.clone(), event.clone()]), illegal("claimed"));
        let unknown = illegal("claimed, with an outcome that is not known");
        assert_eq!(error(&[minted(), present.clone(), claim.clone(), SILENT, event]), unknown);
    }
    for event in [present.clone(), REVOKED, not_dispensed(1), resolved(1, Finding::NotDone)] {
        assert_eq!(error(&[minted(), present.clone(), claim.clone(), dispensed(1), event]), illegal("dispensed"));
    }
    assert_eq!(
        error(&[minted(), present, claim, SILENT, resolved(2, Finding::NotDone)]),
        VoucherError::OtherCase { found: 2, expected: 1 }
    );
}

/// A kiosk that was taken for silent, and whose claim came to nothing, cannot speak for the next claim.
#[test]
fn an_answer_to_an_earlier_claim_is_fenced() {
    let events = [
        minted(),
        presented("k1", 10),
        claimed("k1", 1, 20),
        not_dispensed(1),
        presented("k2", 30),
        claimed("k2", 2, 40),
    ];
    for late in [dispensed(1), not_dispensed(1)] {
        let error = fold(&[&events[..], &[late]].concat()).unwrap_err();
        assert_eq!(error, VoucherError::Fenced { given: 1, current: 2 });
    }
}

#[test]
fn the_case_of_another_voucher_settles_nothing() {
    let mut store = MemoryStore::new();
    let events = [minted(), presented("k1", 10), claimed("k1", 1, 20), SILENT];
    let mut voucher = kept::<Voucher>(&mut store, "voucher/2", &events);
    let result = Change::new().apply(&mut voucher, &[resolved(1, Finding::NotDone)]);
    assert!(matches!(result, Err(MachineError::Misdirected { owner, .. }) if owner == "voucher/1"));
}

#[test]
fn time_alone_silences_and_lapses() {
    let voucher = fold(&[minted(), presented("k1", 10), claimed("k1", 1, 20)]).unwrap();
    assert_eq!(voucher.due(199), None);
    assert_eq!(voucher.due(200), Some(SILENT));
    let voucher = fold(&[minted()]).unwrap();
    assert_eq!(voucher.due(UNTIL - 1), None);
    assert_eq!(voucher.due(UNTIL), Some(LAPSED));
}

fn event() -> impl Strategy<Value = VoucherEvent> {
    let kiosk = prop::sample::select(vec!["k1", "k2", "k3"]);
    prop_oneof![
        Just(minted()),
        Just(replicated()),
        (kiosk.clone(), 0..1_200_u64).prop_map(|(kiosk, at_ms)| presented(kiosk, at_ms)),
        (kiosk, 0..5_u64, 0..1_200_u64).prop_map(|(kiosk, token, at_ms)| claimed(kiosk, token, at_ms)),
        (0..5_u64).prop_map(dispensed),
        (0..5_u64).prop_map(not_dispensed),
        (0..5_u64).prop_map(retracted),
        (0..400_u64).prop_map(|at_ms| VoucherEvent::Silent { at_ms }),
        (0..5_u64).prop_map(|mark| resolved(mark, Finding::NotDone)),
        (0..5_u64).prop_map(|mark| resolved(mark, Finding::Done)),
        Just(TAKEN),
        Just(REVOKED),
        Just(LAPSED),
    ]
}

proptest! {
    /// Whatever comes in whatever order: between two claims there is proof that the first gave nothing, and after a card was
    /// dispensed there is no claim unless the card was drawn in.
    #[test]
    fn one_card_at_a_time(events in prop::collection::vec(event(), 0..60)) {
        let (_, taken) = run::<Voucher>(events);
        let mut moving = false;
        for event in taken {
            match event {
                VoucherEvent::Claimed { .. } => {
                    prop_assert!(!moving, "a second claim while a card may be out");
                    moving = true;
                }
                VoucherEvent::NotDispensed { .. } | VoucherEvent::Retracted { .. } => moving = false,
                VoucherEvent::Resolved { resolution, .. } => moving = resolution.finding() == Finding::Done,
                _ => {}
            }
        }
    }

    #[test]
    fn records_are_read_back(event in event()) {
        round_trip::<Voucher>(&event);
    }
}
