use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::event::IdempotencyClass;
use crate::machine::testing::{kept, round_trip};
use crate::machine::{Change, Kept, MachineError};
use crate::primitive::approval::tests::{granted, roster};
use crate::primitive::approval::{Approval, ApprovalError};
use crate::primitive::lease::{Lease, LeaseEvent, Token};
use crate::step::{Intent, StepState};
use crate::store::MemoryStore;

fn doubt(subject: &str, mark: u64) -> Doubt {
    Doubt {
        subject: subject.into(),
        mark,
        reason: Reason::HolderSilent,
        card: Some([5; 32]),
        last_proved: Some("imsi".into()),
        location: None,
        evidence: vec![[6; 32].into()],
    }
}

fn opened(subject: &str, mark: u64) -> CaseEvent {
    CaseEvent::Opened { at_ms: 1, doubt: doubt(subject, mark) }
}

fn probed(finding: Finding) -> CaseEvent {
    CaseEvent::Probed { at_ms: 2, card: [5; 32], finding, evidence: [7; 32] }
}

/// What a case gives that a probe of the right card has settled.
pub(crate) fn resolution(subject: &str, mark: u64, finding: Finding) -> Resolution {
    let case = fold(&[opened(subject, mark), probed(finding)]).unwrap();
    case.resolution().unwrap()
}

fn fold(events: &[CaseEvent]) -> Result<Case, CaseError> {
    events.iter().try_fold(Case::default(), |case, event| Ok(case.apply(event)?.0))
}

fn decided(finding: Finding, grant: Grant) -> CaseEvent {
    CaseEvent::Decided { at_ms: 3, finding, grant }
}

/// One person's and two persons' word that number 1 was not written; signing takes time.
static GRANTS: OnceLock<(Grant, Grant)> = OnceLock::new();

fn grant_of(approval: &Approval, what: &[u8; 32]) -> Result<Grant, ApprovalError> {
    approval.grant(what, &roster(approval.approved().len() as u8, 3), 2)
}

#[test]
fn the_card_shown_again_settles_and_another_card_does_not() {
    let case = fold(&[opened("number/1", 4), probed(Finding::NotDone)]).unwrap();
    let resolution = case.resolution().unwrap();
    assert_eq!((resolution.mark(), resolution.finding()), (4, Finding::NotDone));
    assert_eq!(resolution.subject(), "number/1");
    assert_eq!(case.evidence(), [[6; 32], [7; 32]]);
    assert_eq!(case.apply(&probed(Finding::Done)), Err(CaseError::Settled));

    let other = CaseEvent::Probed { at_ms: 2, card: [8; 32], finding: Finding::NotDone, evidence: [7; 32] };
    assert_eq!(fold(&[opened("number/1", 4), other.clone()]), Err(CaseError::OtherCard));
    let nameless = CaseEvent::Opened { at_ms: 1, doubt: Doubt { card: None, ..doubt("number/1", 4) } };
    assert_eq!(fold(&[nameless, other]), Err(CaseError::OtherCard));
}

#[test]
fn two_persons_settle_exactly_what_they_signed() {
    let matter = doubt("number/1", 4).matter(Finding::NotDone);
    let grant = |persons| grant_of(&granted(matter, persons), &matter).unwrap();
    let open = || fold(&[opened("number/1", 4)]).unwrap();
    let (case, effects) = open().apply(&decided(Finding::NotDone, grant(2))).unwrap();
    assert_eq!(case.finding(), Some(Finding::NotDone));
    assert!(matches!(effects[..], [CaseEffect::Settled(_)]));

    assert_eq!(open().apply(&decided(Finding::NotDone, grant(1))), Err(CaseError::Persons { persons: 1 }));
    assert_eq!(open().apply(&decided(Finding::Done, grant(2))), Err(CaseError::OtherMatter));
    let other = fold(&[opened("number/1", 5)]).unwrap();
    assert_eq!(other.apply(&decided(Finding::NotDone, grant(2))), Err(CaseError::OtherMatter));
    let other = fold(&[opened("number/2", 4)]).unwrap();
    assert_eq!(other.apply(&decided(Finding::NotDone, grant(2))), Err(CaseError::OtherMatter));
}

fn card() -> Entity {
    Entity::new("card/1").unwrap()
}

/// A step goes on as the case says, and only the attempt that it was about.
#[test]
fn a_quarantined_step_goes_on_as_its_case_says() {
    let begun = Intent::new(IdempotencyClass::Money, [1; 32]).begun();
    let held = [begun, StepEvent::Lost, StepEvent::Quarantined { reason: "no proof".into() }];
    let step = held.iter().fold(Step::default(), |step, event| step.apply(event).unwrap());
    let after = |finding| {
        let events = resolution("card/1 step load", 1, finding).step_events(&card(), "load", &step).unwrap();
        events.iter().fold(step.clone(), |step, event| step.apply(event).unwrap()).state
    };
    assert_eq!(after(Finding::Done), StepState::Succeeded(Proof::Probe));
    assert_eq!(after(Finding::NotDone), StepState::Pending);
    assert!(matches!(after(Finding::Spoilt), StepState::Quarantined { .. }));
    let other = resolution("card/1 step load", 2, Finding::NotDone).step_events(&card(), "load", &step);
    assert_eq!(other, Err(CaseError::OtherAttempt { found: 2, expected: 1 }));

    let elsewhere = resolution("card/2 step load", 1, Finding::NotDone).step_events(&card(), "load", &step);
    assert_eq!(elsewhere, Err(CaseError::OtherSubject));

    let subject = step_subject(&card(), "load");
    let matter = doubt(&subject, 1).matter(Finding::Done);
    let grant = grant_of(&granted(matter, 2), &matter).unwrap();
    let case = fold(&[opened(&subject, 1), decided(Finding::Done, grant)]).unwrap();
    let events = case.resolution().unwrap().step_events(&card(), "load", &step).unwrap();
    assert_eq!(events[1], StepEvent::Succeeded { proof: Proof::Decided }, "no card has proved it");

    let never_begun = Step::default().apply(&held[2]).unwrap();
    let events =
        resolution("card/1 step load", 0, Finding::NotDone).step_events(&card(), "load", &never_begun).unwrap();
    assert_eq!(events.iter().fold(never_begun, |step, event| step.apply(event).unwrap()).state, StepState::Pending);
}

/// A case that settles number 1 must not free number 2, whose token happens to be the same.
#[test]
fn a_resolution_is_for_its_subject_alone() {
    let mut store = MemoryStore::new();
    let token = Token::new(1);
    let reserved = LeaseEvent::Reserved { at_ms: 0, token, holder: "kiosk/1".into(), until_ms: 9, subscriber: None };
    let begun = LeaseEvent::WriteBegun { at_ms: 0, token, intent: [0; 32], worst_case_ms: 1 };
    let doubted = LeaseEvent::Doubted { at_ms: 0, token };
    let mut number = kept::<Lease>(&mut store, "number/2", &[reserved, begun, doubted]);
    let resolved = |subject| {
        let resolution = resolution(subject, 1, Finding::NotDone);
        LeaseEvent::Resolved { at_ms: 1, resolution, cool_off_until_ms: 2 }
    };
    let error = Change::new().apply(&mut number, &[resolved("number/1")]).unwrap_err();
    assert!(matches!(error, MachineError::Misdirected { .. }), "{error}");
    assert!(Change::new().apply(&mut number, &[resolved("number/2")]).is_ok());

    let mut case = Kept::<Case>::load(&store, doubt("number/1", 1).case_entity().unwrap()).unwrap();
    let error = Change::new().apply(&mut case, &[opened("number/2", 1)]).unwrap_err();
    assert!(matches!(error, MachineError::Misdirected { .. }), "{error}");
}

#[test]
fn each_doubt_has_a_case_of_its_own() {
    let name = |subject, mark| doubt(subject, mark).case_entity().unwrap();
    assert_ne!(name("number/1", 4), name("number/1", 5));
    assert_ne!(name("number/1", 4), name("number/2", 4));
    assert!(name(&"n".repeat(200), u64::MAX).as_str().len() < 60);
}

proptest! {
    /// No order of events settles a case but the right card or two persons.
    #[test]
    fn only_card_or_persons_settle(calls in prop::collection::vec((0u8..6, 0u8..3), 0..30)) {
        let matters = [Finding::Done, Finding::NotDone, Finding::Spoilt];
        let (one, two) = GRANTS.get_or_init(|| {
            let matter = doubt("number/1", 4).matter(Finding::NotDone);
            (grant_of(&granted(matter, 1), &matter).unwrap(), grant_of(&granted(matter, 2), &matter).unwrap())
        });
        let mut case = Case::default();
        let mut proof = None;
        for (call, which) in calls {
            let finding = matters[usize::from(which)];
            let event = match call {
                0 => opened("number/1", 4),
                1 => CaseEvent::Observed { at_ms: 9, evidence: [which; 32] },
                2 => CaseEvent::Probed { at_ms: 9, card: [5 + which; 32], finding, evidence: [1; 32] },
                3 => decided(finding, one.clone()),
                4 => decided(finding, two.clone()),
                _ => CaseEvent::Observed { at_ms: u64::MAX, evidence: [9; 32] },
            };
            let Ok((next, _)) = case.clone().apply(&event) else { continue };
            round_trip::<Case>(&event);
            prop_assert!(proof.is_none(), "nothing follows a settled case");
            proof = match (call, which) {
                (2, 0) => Some(finding),
                (4, 1) => Some(Finding::NotDone),
                (0 | 1 | 5, _) => None,
                _ => return Err(TestCaseError::fail(format!("{event:?} settles nothing"))),
            };
            case = next;
            prop_assert_eq!(case.finding(), proof);
            prop_assert_eq!(case.is_open(), proof.is_none());
        }
    }
}
