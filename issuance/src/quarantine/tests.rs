use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::machine::testing::round_trip;
use crate::primitive::approval::tests::{granted, roster};
use crate::primitive::approval::{Approval, ApprovalError};

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
    case.resolution(&Entity::new(subject).unwrap()).unwrap()
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
    let number = Entity::new("number/1").unwrap();
    let resolution = case.resolution(&number).unwrap();
    assert_eq!((resolution.mark(), resolution.finding()), (4, Finding::NotDone));
    assert_eq!(case.resolution(&Entity::new("number/2").unwrap()), None, "it is about one subject");
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
