use super::*;
use crate::event::{Event, IdempotencyClass, StepEvent};
use crate::machine::testing::kept;
use crate::port::{Answer, Ask, Conversation};
use crate::primitive::approval::tests::{roster, signature};
use crate::step::Intent;
use crate::store::{MemoryStore, Store};
use cardwright_apdu::Progress;

const NOW: u64 = 50;

fn entity() -> Entity {
    Entity::new("card/1").unwrap()
}

fn step(event: StepEvent) -> Event {
    Event::Step { step: "load".into(), attempt: 1, event }
}

/// A journal in which the step *load* was begun and is held.
fn journal() -> MemoryStore {
    let mut store = MemoryStore::new();
    let begun = Intent::new(IdempotencyClass::Compare, [1; 32]).begun();
    let reason = "tried 12 times".into();
    kept::<crate::job::JobState>(&mut store, "card/1", &[step(begun), step(StepEvent::Quarantined { reason })]);
    store
}

fn proposal(what: [u8; 32], required: u8, id: u8) -> Proposal {
    Proposal { id: [id; 16], what, purpose: "try it again".into(), roster: roster(required, 3), until_ms: 100 }
}

fn signed(proposal: Proposal, persons: &[usize]) -> SignedProposal {
    let signatures = persons.iter().map(|person| signature(*person, &proposal, Verdict::Approve)).collect();
    SignedProposal { proposal, signatures }
}

fn of(signed: SignedProposal) -> Release {
    Release { roster: roster(2, 3), at_ms: NOW, approvals: vec![signed] }
}

/// Runs the release over a journal; gives what is held afterwards.
fn run(store: &mut MemoryStore, given: Option<Release>) -> Result<Option<Held>, JobError> {
    let mut conversation = Conversation::new(|mut port| async move {
        let mut job = Job::read(&mut port, entity()).await?;
        release(&mut port, &mut job, given.as_ref()).await
    });
    let mut progress = conversation.start().unwrap();
    loop {
        let answer = match progress {
            Progress::Done(result) => return result,
            Progress::Ask(Ask::History(entity)) => Answer::History(store.history(&entity)),
            Progress::Ask(Ask::Commit(transaction)) => Answer::Committed(store.commit(transaction, NOW)),
            Progress::Ask(other) => panic!("{other:?}"),
        };
        progress = conversation.answer(answer).unwrap();
    }
}

fn the_one(store: &MemoryStore) -> Held {
    let [held] = &held(store, "card/").unwrap()[..] else { panic!("one step is held") };
    held.clone()
}

#[test]
fn a_step_that_is_held_is_listed_with_what_persons_have_to_know() {
    let held = the_one(&journal());
    assert_eq!((held.job, held.step.as_str(), held.number, held.attempts), (entity(), "load", 1, 1));
    assert_eq!((held.reason.as_str(), &held.proved[..]), ("tried 12 times", &[][..]));
}

#[test]
fn two_persons_release_a_step_once_and_the_journal_says_who() {
    let mut store = journal();
    let first = the_one(&store);
    assert_eq!(run(&mut store, None).unwrap(), Some(first.clone()));
    let release = of(signed(proposal(first.matter(), 2, 1), &[0, 2]));
    let before = store.head().unwrap().seq;
    assert_eq!(run(&mut store, Some(release.clone())).unwrap(), None);
    // Released, proposed, signed twice and spent, in one transaction.
    assert_eq!(store.head().unwrap().seq, before + 5);
    assert!(held(&store, "card/").unwrap().is_empty());
    let job = Job::from_records(entity(), &store.history(&entity()).unwrap()).unwrap();
    assert!(job.step("load").is_in_doubt(), "the card is asked");

    // Held once more: the decision is used up, and is on the quarantine before.
    let mut kept = Kept::<crate::job::JobState>::load(&store, entity()).unwrap();
    let again = step(StepEvent::Quarantined { reason: "still".into() });
    crate::machine::Change::new().apply(&mut kept, &[again]).unwrap().commit(&mut store, NOW).unwrap();
    let second = the_one(&store);
    assert_eq!(second.number, 2);
    assert_ne!(first.matter(), second.matter());
    assert_eq!(run(&mut store, Some(release.clone())).unwrap(), Some(second.clone()));
    // The same proposal, signed anew for this one, has been there before under its id.
    let reused = of(signed(proposal(second.matter(), 2, 1), &[0, 1]));
    let refused = run(&mut store, Some(reused)).unwrap_err();
    assert!(matches!(refused, JobError::Release { reason: ReleaseError::OtherProposal, .. }), "{refused}");
}

#[test]
fn nothing_less_than_the_signatures_of_two_of_the_house_releases_a_step() {
    let matter = the_one(&journal()).matter();
    let good = || signed(proposal(matter, 2, 1), &[0, 1]);
    let refused = |release: Release| {
        let mut store = journal();
        let before = store.head().unwrap();
        match run(&mut store, Some(release)) {
            Err(JobError::Release { reason, .. }) => assert_eq!(store.head().unwrap(), before, "{reason}"),
            other => panic!("{other:?}"),
        }
    };
    // One person, twice over; one, where the house says that one is enough.
    refused(of(signed(proposal(matter, 2, 1), &[0])));
    refused(of(signed(proposal(matter, 2, 1), &[0, 0])));
    refused(Release { roster: roster(1, 3), ..of(signed(proposal(matter, 1, 1), &[0])) });
    // A proposal that asks others, or fewer, than the house does.
    refused(of(signed(proposal(matter, 1, 1), &[0])));
    refused(Release { roster: roster(2, 2), ..of(good()) });
    refused(Release { roster: roster(3, 3), ..of(good()) });
    // Too late; a signature that is none; one under another proposal; one that says no.
    refused(Release { at_ms: 100, ..of(good()) });
    let mut forged = good();
    forged.signatures[1].1[0] ^= 1;
    refused(of(forged));
    let mut moved = good();
    moved.signatures = signed(proposal(matter, 2, 2), &[0, 1]).signatures;
    refused(of(moved));
    let mut no = good();
    no.signatures[1] = signature(1, &no.proposal, Verdict::Reject);
    refused(of(no));
    // A stranger.
    let mut stranger = good();
    stranger.signatures[1] = signature(3, &stranger.proposal, Verdict::Approve);
    refused(of(stranger));
}

#[test]
fn a_decision_on_something_else_leaves_the_step_held() {
    let held = the_one(&journal());
    for other in [
        Held { job: Entity::new("card/2").unwrap(), ..held.clone() },
        Held { step: "install".into(), ..held.clone() },
        Held { number: 2, ..held.clone() },
    ] {
        let release = of(signed(proposal(other.matter(), 2, 1), &[0, 1]));
        assert_eq!(run(&mut journal(), Some(release)).unwrap(), Some(held.clone()));
    }
}

/// What was deleted begins anew; decisions about what was there before are none about what comes after.
#[test]
fn a_decision_from_before_a_deletion_releases_nothing_after_it() {
    let mut store = journal();
    let unused = of(signed(proposal(the_one(&store).matter(), 2, 1), &[0, 1]));
    let begun = Intent::new(IdempotencyClass::Compare, [2; 32]).begun();
    let held_again = step(StepEvent::Quarantined { reason: "tried 12 times".into() });
    let mut kept = Kept::<crate::job::JobState>::load(&store, entity()).unwrap();
    let events = [Event::Gone, step(begun), held_again];
    crate::machine::Change::new().apply(&mut kept, &events).unwrap().commit(&mut store, NOW).unwrap();
    let second = the_one(&store);
    assert_eq!(second.number, 2);
    assert_eq!(run(&mut store, Some(unused)).unwrap(), Some(second));
}

#[test]
fn signatures_that_the_journal_has_already_count() {
    let mut store = journal();
    let proposal = proposal(the_one(&store).matter(), 2, 1);
    let name = SignedProposal { proposal: proposal.clone(), signatures: Vec::new() }.entity().unwrap();
    let (approver, bytes) = signature(0, &proposal, Verdict::Approve);
    let events = [
        ApprovalEvent::Proposed { at_ms: 1, proposal: proposal.clone() },
        ApprovalEvent::Signed { at_ms: 2, approver, verdict: Verdict::Approve, signature: bytes },
    ];
    kept::<Approval>(&mut store, name.as_str(), &events);
    assert!(run(&mut store, Some(of(signed(proposal.clone(), &[])))).is_err(), "one signature is there");
    assert_eq!(run(&mut store, Some(of(signed(proposal, &[0, 1])))).unwrap(), None);
}
