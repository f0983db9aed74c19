use std::slice::from_ref;

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::machine::testing::{followers, round_trip};

/// The secret keys of RFC 8032 7.1, tests 1 to 3 and 1024, and the public key of the first.
const SECRETS: [&str; 4] = [
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
];
const FIRST_PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn signer(index: usize) -> SigningKey {
    let mut secret = [0; 32];
    hex::decode_to_slice(SECRETS[index], &mut secret).unwrap();
    SigningKey::from_bytes(&secret)
}

fn approver(index: usize) -> Approver {
    Approver::new(signer(index).verifying_key().to_bytes())
}

/// The first `of` approvers, of whom `required` have to sign.
pub(crate) fn roster(required: u8, of: usize) -> Roster {
    Roster { required, approvers: (0..of).map(approver).collect() }
}

fn proposal(what: [u8; 32], required: u8) -> Proposal {
    Proposal { id: [1; 16], what, purpose: "free number 0017".into(), roster: roster(required, 3), until_ms: 100 }
}

fn proposed(proposal: &Proposal) -> ApprovalEvent {
    ApprovalEvent::Proposed { at_ms: 1, proposal: proposal.clone() }
}

fn signed(proposal: &Proposal, index: usize, verdict: Verdict, at_ms: u64) -> ApprovalEvent {
    let signature = signer(index).sign(&proposal.signed_bytes(verdict)).to_bytes();
    ApprovalEvent::Signed { at_ms, approver: approver(index), verdict, signature }
}

/// What this person says of a proposal, with the signature.
pub(crate) fn signature(index: usize, proposal: &Proposal, verdict: Verdict) -> (Approver, [u8; 64]) {
    (approver(index), signer(index).sign(&proposal.signed_bytes(verdict)).to_bytes())
}

fn fold(events: &[ApprovalEvent]) -> Result<Approval, ApprovalError> {
    events.iter().try_fold(Approval::default(), |approval, event| Ok(approval.apply(event)?.0))
}

/// An approval of `what` that needed, and has, the signatures of so many persons.
pub(crate) fn granted(what: [u8; 32], persons: u8) -> Approval {
    let proposal = proposal(what, persons);
    let signatures = (0..persons.into()).map(|index| signed(&proposal, index, Verdict::Approve, 2));
    fold(&[proposed(&proposal)].into_iter().chain(signatures).collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_keys_are_those_of_the_standard() {
    assert_eq!(hex::encode(approver(0).0), FIRST_PUBLIC);
}

/// What has no row is refused.
#[test]
fn rows_and_no_others() {
    let proposal = proposal([5; 32], 2);
    let approved = |index| signed(&proposal, index, Verdict::Approve, 2);
    let rejected = signed(&proposal, 2, Verdict::Reject, 2);
    let (expired, withdrawn) = (ApprovalEvent::Expired { at_ms: 100 }, ApprovalEvent::Withdrawn { at_ms: 3 });
    let spent = ApprovalEvent::Spent { at_ms: 3 };
    let open = vec![proposed(&proposal)];
    let after = |more: &[ApprovalEvent]| [&open[..], more].concat();
    let granted = after(&[approved(0), approved(1)]);
    let states = [
        ("none", vec![]),
        ("open", open.clone()),
        ("granted", granted.clone()),
        ("rejected", after(from_ref(&rejected))),
        ("expired", after(from_ref(&expired))),
        ("withdrawn", after(from_ref(&withdrawn))),
        ("spent", [&granted[..], from_ref(&spent)].concat()),
    ];
    let events = [
        ("proposed", proposed(&proposal)),
        ("approved", approved(2)),
        ("rejected", rejected),
        ("expired", expired),
        ("withdrawn", withdrawn),
        ("spent", spent),
    ];
    let expected = [
        ("none", vec!["proposed"]),
        ("open", vec!["approved", "rejected", "expired", "withdrawn"]),
        ("granted", vec!["expired", "withdrawn", "spent"]),
        ("rejected", vec![]),
        ("expired", vec![]),
        ("withdrawn", vec![]),
        ("spent", vec![]),
    ];
    assert_eq!(followers::<Approval>(&states, &events), expected);
}

#[test]
fn a_grant_is_for_one_matter_one_roster_one_time_and_one_use() {
    let approval = granted([9; 32], 2);
    assert_eq!(approval.grant(&[9; 32], &roster(2, 3), 99).unwrap().persons(), 2);
    assert_eq!(approval.grant(&[8; 32], &roster(2, 3), 99), Err(ApprovalError::OtherMatter));
    assert_eq!(approval.grant(&[9; 32], &roster(2, 2), 99), Err(ApprovalError::OtherRoster));
    assert_eq!(approval.grant(&[9; 32], &roster(3, 3), 99), Err(ApprovalError::OtherRoster));
    assert_eq!(approval.grant(&[9; 32], &roster(2, 3), 100), Err(ApprovalError::Over { until_ms: 100, at_ms: 100 }));
    let (spent, _) = approval.apply(&ApprovalEvent::Spent { at_ms: 50 }).unwrap();
    assert_eq!(spent.grant(&[9; 32], &roster(2, 3), 51), Err(ApprovalError::Illegal { state: ApprovalState::Spent }));
}

#[test]
fn a_signature_is_good_for_one_proposal_and_one_verdict() {
    let (first, second) = (proposal([9; 32], 2), Proposal { id: [2; 16], ..proposal([9; 32], 2) });
    let replayed = signed(&first, 0, Verdict::Approve, 2);
    assert_eq!(fold(&[proposed(&second), replayed]), Err(ApprovalError::Signature));
    let ApprovalEvent::Signed { approver, signature, .. } = signed(&first, 0, Verdict::Approve, 2) else { panic!() };
    let turned = ApprovalEvent::Signed { at_ms: 2, approver, verdict: Verdict::Reject, signature };
    assert_eq!(fold(&[proposed(&first), turned]), Err(ApprovalError::Signature));
    for changed in [
        Proposal { what: [8; 32], ..first.clone() },
        Proposal { until_ms: 101, ..first.clone() },
        Proposal { roster: roster(1, 3), ..first.clone() },
        Proposal { purpose: "free number 0018".into(), ..first.clone() },
    ] {
        let other = signed(&changed, 0, Verdict::Approve, 2);
        assert_eq!(fold(&[proposed(&first), other]), Err(ApprovalError::Signature));
    }
    let stranger = signed(&first, 3, Verdict::Approve, 2);
    assert_eq!(fold(&[proposed(&first), stranger]), Err(ApprovalError::Stranger));
}

#[test]
fn a_roster_that_cannot_decide_is_refused() {
    let with = |required, approvers: Vec<Approver>| {
        let proposal = Proposal { roster: Roster { required, approvers }, ..proposal([9; 32], 2) };
        fold(&[proposed(&proposal)]).map(drop)
    };
    assert!(matches!(with(0, vec![approver(0)]), Err(ApprovalError::Roster { .. })));
    assert!(matches!(with(2, vec![approver(0)]), Err(ApprovalError::Roster { .. })));
    assert!(matches!(with(2, vec![approver(0), approver(0)]), Err(ApprovalError::Roster { distinct: 1, .. })));
    let weak = Approver::new([0; 32]);
    assert_eq!(with(1, vec![approver(0), weak]), Err(ApprovalError::Key { index: 1 }));
    assert_eq!(with(2, vec![approver(0), approver(1)]), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against sets: it is granted exactly when M different approvers have signed in time and none has rejected.
    #[test]
    fn m_different_approvers_grant(
        required in 1u8..=3,
        calls in prop::collection::vec((0u8..12, 0usize..4, 0u64..120), 0..14),
    ) {
        let proposal = proposal([9; 32], required);
        let mut approval = fold(&[proposed(&proposal)]).unwrap();
        let mut yes = BTreeSet::new();
        let mut closed = false;
        for (call, who, at) in calls {
            let event = match call {
                0..=7 => signed(&proposal, who, Verdict::Approve, at),
                8 => signed(&proposal, who, Verdict::Reject, at),
                9 => ApprovalEvent::Expired { at_ms: at },
                10 => ApprovalEvent::Spent { at_ms: at },
                _ => proposed(&proposal),
            };
            let was_granted = yes.len() >= usize::from(required);
            let legal = match call {
                0..=8 => !closed && !was_granted && who < 3 && at < 100 && !yes.contains(&who),
                9 => !closed && at >= 100,
                10 => !closed && was_granted && at < 100,
                _ => false,
            };
            let result = approval.clone().apply(&event);
            prop_assert_eq!(result.is_ok(), legal, "{:?}", event);
            let Ok((next, _)) = result else { continue };
            round_trip::<Approval>(&event);
            approval = next;
            if call <= 7 { yes.insert(who); } else { closed = true; }
            let usable = !closed && yes.len() >= usize::from(required);
            prop_assert_eq!(approval.grant(&[9; 32], &roster(required, 3), 50).is_ok(), usable);
        }
    }
}
