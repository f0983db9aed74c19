use std::collections::BTreeMap;

use cardwright_apdu::Progress;
use proptest::prelude::*;

use super::*;
use crate::port::{Answer, Ask, Conversation};
use crate::primitive::approval::tests::{granted, roster};
use crate::store::{Journal, MemoryStore, Store, Transaction};
use crate::system::pick_up::application::Field;
use crate::system::pick_up::code::{Pepper, PickUpCode};
use crate::system::pick_up::kiosk::{KioskClaim, KioskEvent, KioskState};

const SCHOOL: &str = "school/1";
const VALID: u64 = 1_000_000;

fn policy() -> Policy {
    let named = |name| Destination::new(name).unwrap();
    Policy::new(named("alarms"), named("records"))
}

fn kiosk(serial: &str) -> Kiosk {
    Kiosk { serial: serial.into(), school: SCHOOL.into(), epoch: 1 }
}

fn code(n: u8) -> CodeHash {
    PickUpCode::draw([n; 16]).hash(&Pepper::new(1, [0x77; 32]))
}

fn entity(name: &str) -> Entity {
    Entity::new(name).unwrap()
}

/// Runs what the authority does against a store.
fn run<T, F>(store: &mut MemoryStore, machine: impl FnOnce(IssuancePort) -> F) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let mut conversation = Conversation::new(machine);
    let mut progress = conversation.start().unwrap();
    loop {
        let answer = match progress {
            Progress::Done(result) => return result,
            Progress::Ask(Ask::History(entity)) => Answer::History(store.history(&entity)),
            Progress::Ask(Ask::Commit(transaction)) => Answer::Committed(store.commit(transaction, 0)),
            Progress::Ask(other) => panic!("{other:?}"),
        };
        progress = conversation.answer(answer).unwrap();
    }
}

/// An authority with one approved and paid application for each of so many students, and a code for each.
struct World {
    store: MemoryStore,
}

impl World {
    fn new(students: u8) -> Self {
        let mut world = Self { store: MemoryStore::new() };
        for n in 0..students {
            world.apply::<Student>(
                &format!("student/{n}"),
                &[StudentEvent::Written { at_ms: 0, version: 1, commitment: [n; 32] }],
            );
            let checked = ApplicationEvent::Checked {
                at_ms: 0,
                student: format!("student/{n}"),
                version: 1,
                difference: None,
                until_ms: VALID,
            };
            let paid = ApplicationEvent::Paid { at_ms: 0, reference: "p".into() };
            world.apply::<Application>(&format!("application/{n}"), &[checked, paid]);
            world.mint(n, code(n), 0).unwrap();
        }
        world
    }

    fn apply<M: Machine>(&mut self, name: &str, events: &[M::Event]) {
        let mut kept = Kept::<M>::load(&self.store, entity(name)).unwrap();
        Change::new().apply(&mut kept, events).unwrap().commit(&mut self.store, 0).unwrap();
    }

    fn mint(&mut self, n: u8, code: CodeHash, at_ms: u64) -> Result<(), PickUpError> {
        let application = entity(&format!("application/{n}"));
        run(&mut self.store, |mut port| async move { mint(&mut port, application, SCHOOL, code, VALID, at_ms).await })
    }

    fn present(&mut self, kiosk: &Kiosk, code: CodeHash, at_ms: u64) -> Result<(), Refusal> {
        let kiosk = kiosk.clone();
        let presented = |mut port| async move { present(&mut port, &policy(), &kiosk, code, at_ms).await };
        run(&mut self.store, presented).unwrap()
    }

    fn claim(&mut self, kiosk: &Kiosk, code: CodeHash, at_ms: u64) -> Result<Claim, Refusal> {
        let kiosk = kiosk.clone();
        let claimed = |mut port| async move { claim(&mut port, &policy(), &kiosk, code, at_ms).await };
        run(&mut self.store, claimed).unwrap()
    }

    fn report(&mut self, code: CodeHash, token: Token, said: Report, at_ms: u64) -> Reported {
        let reported = |mut port| async move { report(&mut port, &policy(), code, token, &said, at_ms).await };
        run(&mut self.store, reported).unwrap()
    }

    fn overdue(&mut self, code: CodeHash, at_ms: u64) -> Option<Entity> {
        let entity = code.entity().unwrap();
        run(&mut self.store, |mut port| async move { overdue(&mut port, &policy(), entity, at_ms).await }).unwrap()
    }

    fn settle(&mut self, case: &Entity) -> bool {
        let case = case.clone();
        run(&mut self.store, |mut port| async move { settle(&mut port, case, 0).await }).unwrap()
    }

    fn voucher(&self, code: CodeHash) -> Voucher {
        Kept::<Voucher>::load(&self.store, code.entity().unwrap()).unwrap().state().clone()
    }

    fn posted(&self, destination: &str) -> usize {
        self.store.open_entities(&format!("outbox/{destination}/")).unwrap().len()
    }

    fn open_cases(&self) -> Vec<Entity> {
        self.store.open_entities("case/").unwrap()
    }
}

fn taken(card: &str) -> Report {
    Report::Taken { card_number: card.into() }
}

fn nothing() -> Report {
    Report::NotDispensed { evidence: [3; 32] }
}

#[test]
fn a_code_gives_one_card() {
    let mut world = World::new(1);
    let (k1, code) = (kiosk("k1"), code(0));
    world.present(&k1, code, 1).unwrap();
    let claim = world.claim(&k1, code, 2).unwrap();
    assert_eq!(claim.until_ms, 2 + policy().claim_ms);
    let dispensed = Report::Dispensed { card_number: "0A".into() };
    assert_eq!(world.report(code, claim.token, dispensed.clone(), 3), Reported::Recorded);
    assert_eq!(world.posted("records"), 0, "the student does not have it yet");
    assert_eq!(world.report(code, claim.token, taken("0A"), 4), Reported::Recorded);
    // Both once more, as after a lost answer.
    assert_eq!(world.report(code, claim.token, dispensed, 5), Reported::Recorded);
    assert_eq!(world.report(code, claim.token, taken("0A"), 5), Reported::Recorded);
    assert_eq!(world.posted("records"), 1);
    let student = Kept::<Student>::load(&world.store, entity("student/0")).unwrap();
    assert_eq!((student.state().version(), student.state().card_number()), (2, Some("0A")));
    assert_eq!(world.present(&k1, code, 6), Err(Refusal::AlreadyIssued));
    assert_eq!(world.present(&kiosk("k2"), code, 6), Err(Refusal::AlreadyIssued));
    assert_eq!(world.claim(&k1, code, 6), Err(Refusal::AlreadyIssued));
}

#[test]
fn two_kiosks_at_the_same_instant_give_one_card() {
    let mut world = World::new(1);
    let (k1, k2, code) = (kiosk("k1"), kiosk("k2"), code(0));
    world.present(&k1, code, 1).unwrap();
    world.present(&k2, code, 1).unwrap();
    assert_eq!(world.claim(&k1, code, 2), Err(Refusal::NotPresented));
    let claim = world.claim(&k2, code, 2).unwrap();
    assert_eq!(world.claim(&k1, code, 2), Err(Refusal::InUse { kiosk: "k2".into() }));
    assert_eq!(world.present(&k1, code, 2), Err(Refusal::InUse { kiosk: "k2".into() }));
    // Its answer was lost: the same claim. After a restart it is another run of the program, which has to report first.
    assert_eq!(world.claim(&k2, code, 3), Ok(claim));
    let restarted = Kiosk { epoch: 2, ..k2 };
    assert_eq!(world.claim(&restarted, code, 3), Err(Refusal::InUse { kiosk: "k2".into() }));
}

type Claiming = Conversation<Result<Result<Claim, Refusal>, PickUpError>>;

/// A claim of kiosk 1, as far as to what it wants to write.
fn claim_to_commit(store: &MemoryStore) -> (Claiming, Transaction) {
    let mut conversation =
        Conversation::new(|mut port| async move { claim(&mut port, &policy(), &kiosk("k1"), code(0), 2).await });
    let mut progress = conversation.start().unwrap();
    loop {
        match progress {
            Progress::Ask(Ask::History(entity)) => {
                progress = conversation.answer(Answer::History(store.history(&entity))).unwrap();
            }
            Progress::Ask(Ask::Commit(transaction)) => return (conversation, transaction),
            other => panic!("{other:?}"),
        }
    }
}

/// Both read the voucher before either wrote: the store lets one of them win.
#[test]
fn of_two_claims_decided_at_once_one_is_recorded() {
    let mut world = World::new(1);
    world.present(&kiosk("k1"), code(0), 1).unwrap();
    let ((mut first, one), (mut second, other)) = (claim_to_commit(&world.store), claim_to_commit(&world.store));
    let committed = world.store.commit(one, 2);
    assert!(matches!(first.answer(Answer::Committed(committed)), Ok(Progress::Done(Ok(Ok(_))))));
    let committed = world.store.commit(other, 2);
    let Ok(Progress::Done(result)) = second.answer(Answer::Committed(committed)) else { panic!() };
    assert!(matches!(result, Err(PickUpError::Store(StoreError::Conflict { .. }))));
}

/// The record was changed after the claim had looked at it.
#[test]
fn a_claim_holds_for_the_record_that_it_saw() {
    let mut world = World::new(1);
    world.present(&kiosk("k1"), code(0), 1).unwrap();
    let (mut claim, transaction) = claim_to_commit(&world.store);
    world.apply::<Student>("student/0", &[StudentEvent::Written { at_ms: 1, version: 2, commitment: [9; 32] }]);
    let committed = world.store.commit(transaction, 2);
    let Ok(Progress::Done(result)) = claim.answer(Answer::Committed(committed)) else { panic!() };
    assert!(matches!(result, Err(PickUpError::Store(StoreError::Conflict { .. }))));
}

#[test]
fn a_kiosk_that_falls_silent_blocks_everybody_until_somebody_tells() {
    let mut world = World::new(1);
    let (k1, k2, code) = (kiosk("k1"), kiosk("k2"), code(0));
    world.present(&k1, code, 1).unwrap();
    let claim = world.claim(&k1, code, 2).unwrap();
    assert_eq!(world.overdue(code, claim.until_ms - 1), None);
    let case = world.overdue(code, claim.until_ms).unwrap();
    assert_eq!((world.open_cases(), world.posted("alarms")), (vec![case.clone()], 1));
    for at_ms in [claim.until_ms, VALID * 9] {
        assert_eq!(world.present(&k2, code, at_ms), Err(Refusal::Unclear));
        assert_eq!(world.claim(&k1, code, at_ms), Err(Refusal::Unclear));
        assert_eq!(world.overdue(code, at_ms), None);
    }
    assert!(!world.settle(&case), "nobody has decided");
    // Late, and still believed: nobody else was given a token. The case is settled with it.
    assert_eq!(world.report(code, claim.token, nothing(), claim.until_ms + 1), Reported::Recorded);
    assert!(world.open_cases().is_empty());
    world.present(&k2, code, claim.until_ms + 2).unwrap();
    let second = world.claim(&k2, code, claim.until_ms + 3).unwrap();
    assert_ne!(second.token, claim.token);
    // The first kiosk's card cannot come any more, whatever it says.
    assert_eq!(world.report(code, claim.token, nothing(), claim.until_ms + 4), Reported::Recorded);
    assert_eq!(world.report(code, claim.token, taken("0A"), claim.until_ms + 4), Reported::Contradicts);
    assert_eq!(world.report(code, second.token, taken("0B"), claim.until_ms + 4), Reported::Recorded);
}

#[test]
fn persons_decide_what_a_lost_kiosk_cannot_tell() {
    for (finding, after) in [(Finding::NotDone, Ok(())), (Finding::Done, Err(Refusal::AlreadyIssued))] {
        let mut world = World::new(1);
        let (k1, code) = (kiosk("k1"), code(0));
        world.present(&k1, code, 1).unwrap();
        let claim = world.claim(&k1, code, 2).unwrap();
        let Reported::Waiting { case } = world.report(code, claim.token, Report::Unknown, 3) else { panic!() };
        assert_eq!(world.report(code, claim.token, Report::Unknown, 4), Reported::Waiting { case: case.clone() });
        let doubt = Kept::<Case>::load(&world.store, case.clone()).unwrap().state().doubt().unwrap().clone();
        let matter = doubt.matter(finding);
        let grant = granted(matter, 2).grant(&matter, &roster(2, 3), 2).unwrap();
        world.apply::<Case>(case.as_str(), &[CaseEvent::Decided { at_ms: 5, finding, grant }]);
        assert!(world.settle(&case));
        assert_eq!(world.present(&kiosk("k2"), code, 6), after);
        assert!(!world.settle(&case), "once");
    }
}

#[test]
fn a_card_number_is_given_out_once() {
    let mut world = World::new(2);
    let k1 = kiosk("k1");
    for n in 0..2 {
        world.present(&k1, code(n), 1).unwrap();
    }
    let first = world.claim(&k1, code(0), 2).unwrap();
    assert_eq!(world.report(code(0), first.token, taken("0A"), 3), Reported::Recorded);
    let second = world.claim(&k1, code(1), 4).unwrap();
    let Reported::Waiting { case } = world.report(code(1), second.token, taken("0A"), 5) else { panic!() };
    assert_eq!(world.open_cases(), [case]);
    assert!(matches!(world.voucher(code(1)).state(), VoucherState::Unknown(_)));
    assert_eq!(world.posted("records"), 1);
}

#[test]
fn a_card_that_was_drawn_in_is_nobodys_and_the_code_is_good_again() {
    let mut world = World::new(1);
    let (k1, code) = (kiosk("k1"), code(0));
    let retracted = |card: &str| Report::Retracted { card_number: card.into(), evidence: [4; 32] };
    for (n, card) in ["0A", "0B"].into_iter().enumerate() {
        let at_ms = 10 * n as u64;
        world.present(&k1, code, at_ms).unwrap();
        let claim = world.claim(&k1, code, at_ms + 1).unwrap();
        if n == 1 {
            let dispensed = Report::Dispensed { card_number: card.into() };
            assert_eq!(world.report(code, claim.token, dispensed, at_ms + 2), Reported::Recorded);
            assert_eq!(world.report(code, claim.token, retracted("0C"), at_ms + 3), Reported::Contradicts);
        }
        assert_eq!(world.report(code, claim.token, retracted(card), at_ms + 3), Reported::Recorded);
        assert_eq!(world.report(code, claim.token, retracted(card), at_ms + 3), Reported::Recorded);
    }
    world.present(&k1, code, 50).unwrap();
    let claim = world.claim(&k1, code, 51).unwrap();
    assert_eq!(world.report(code, claim.token, taken("0D"), 52), Reported::Recorded);
}

#[test]
fn a_record_that_was_changed_is_approved_anew() {
    let mut world = World::new(1);
    let (k1, code) = (kiosk("k1"), code(0));
    world.present(&k1, code, 1).unwrap();
    world.apply::<Student>("student/0", &[StudentEvent::Written { at_ms: 1, version: 2, commitment: [9; 32] }]);
    assert_eq!(world.claim(&k1, code, 2), Err(Refusal::RecordChanged));
}

#[test]
fn wrong_codes_are_counted_at_the_kiosk_and_alarm() {
    let mut world = World::new(1);
    let (k1, elsewhere) = (kiosk("k1"), Kiosk { school: "school/2".into(), ..kiosk("k9") });
    for n in 1..=5 {
        assert_eq!(world.posted("alarms"), 0);
        assert_eq!(world.present(&k1, code(100 + n), u64::from(n)), Err(Refusal::Invalid));
    }
    assert_eq!(world.posted("alarms"), 1);
    let again_at_ms = 1 + policy().wrong_codes.window_ms;
    assert_eq!(world.present(&k1, code(0), 6), Err(Refusal::TooMany { again_at_ms }), "not even a right one");
    assert_eq!(world.present(&k1, code(0), again_at_ms), Ok(()));
    // A code of another school is no better than a wrong one.
    for n in 1..=5 {
        assert_eq!(world.present(&elsewhere, code(0), n), Err(Refusal::Invalid));
    }
    assert_eq!(world.posted("alarms"), 2);
}

#[test]
fn a_new_code_takes_the_place_of_the_old_one() {
    let mut world = World::new(1);
    let k1 = kiosk("k1");
    world.mint(0, code(50), 1).unwrap();
    assert_eq!(world.present(&k1, code(0), 2), Err(Refusal::Void));
    world.present(&k1, code(50), 2).unwrap();
    world.claim(&k1, code(50), 3).unwrap();
    // A card may be moving.
    assert!(matches!(world.mint(0, code(51), 4), Err(PickUpError::Voucher(MachineError::Refused { .. }))));
    // The code of another voucher, and an application that is not paid.
    assert!(world.mint(0, code(50), 5).is_err());
    let field = Some(Field::Class);
    let checked = ApplicationEvent::Checked {
        at_ms: 0,
        student: "student/0".into(),
        version: 1,
        difference: field,
        until_ms: VALID,
    };
    world.apply::<Application>("application/9", &[checked]);
    assert!(matches!(world.mint(9, code(60), 5), Err(PickUpError::NotApproved)));
}

#[test]
fn a_code_whose_time_is_over_is_void() {
    let mut world = World::new(1);
    let k1 = kiosk("k1");
    world.present(&k1, code(0), 1).unwrap();
    assert_eq!(world.claim(&k1, code(0), VALID), Err(Refusal::Void));
    assert_eq!(world.present(&k1, code(0), VALID), Err(Refusal::Void));
    assert_eq!(world.overdue(code(0), VALID), None);
    assert!(matches!(world.voucher(code(0)).state(), VoucherState::Void));
}

/// A kiosk with its own journal, which survives it, and its mechanics, which are what they are.
struct Station {
    kiosk: Kiosk,
    journal: MemoryStore,
    claim: Option<(CodeHash, Token)>,
    cards: u32,
    /// Where the card of the claim is: none, inside, at the exit.
    inside: bool,
    at_exit: bool,
}

impl Station {
    fn new(n: usize) -> Self {
        let journal = MemoryStore::new();
        Self { kiosk: kiosk(&format!("k{n}")), journal, claim: None, cards: 0, inside: false, at_exit: false }
    }

    fn kept(&self) -> Option<Kept<KioskClaim>> {
        let (code, token) = self.claim?;
        Some(Kept::load(&self.journal, KioskClaim::entity(&code.name(), token).unwrap()).unwrap())
    }

    fn record(&mut self, event: KioskEvent) -> bool {
        let Some(mut kept) = self.kept() else { return false };
        let Ok(change) = Change::new().apply(&mut kept, &[event]) else { return false };
        change.commit(&mut self.journal, 0).unwrap();
        true
    }

    fn grant(&mut self, code: CodeHash, claim: &Claim, at_ms: u64) {
        self.claim = Some((code, claim.token));
        let (voucher, until_ms) = (code.name(), claim.until_ms);
        self.record(KioskEvent::Granted { at_ms, voucher, token: claim.token, until_ms });
    }

    /// One step on: the journal first, then the mechanics. `dies` between the two, or between the mechanics and the sensor.
    fn go_on(&mut self, at_ms: u64, dies: u8, out: &mut Vec<(CodeHash, String)>) {
        let Some(kept) = self.kept() else { return };
        match kept.state().state() {
            KioskState::Granted => {
                if !self.record(KioskEvent::MoveBegun { at_ms }) {
                    self.record(KioskEvent::GivenUp { at_ms });
                } else if dies != 1 {
                    self.inside = true;
                }
            }
            KioskState::Moving if kept.state().report().is_none() && !self.exits(&kept) => {
                self.cards += 1;
                let card_number = format!("{}{:04X}", self.kiosk.serial, self.cards);
                self.inside = true;
                self.record(KioskEvent::CardRead { at_ms, card_number });
            }
            KioskState::Moving => {
                self.record(KioskEvent::ExitBegun { at_ms });
                if dies == 1 {
                    return;
                }
                (self.inside, self.at_exit) = (false, true);
                if dies != 2 {
                    self.record(KioskEvent::Seen { at_ms });
                }
            }
            KioskState::AtExit { .. } if self.at_exit => {
                // The person takes it, whether or not the sensor's word is recorded.
                self.at_exit = false;
                if let Some((code, _)) = self.claim {
                    out.push((code, format!("{}{:04X}", self.kiosk.serial, self.cards)));
                }
                if dies != 1 {
                    self.record(KioskEvent::Taken { at_ms });
                }
            }
            _ => {}
        }
    }

    fn exits(&self, kept: &Kept<KioskClaim>) -> bool {
        let events = self.journal.history(kept.entity()).unwrap().len();
        events >= 3
    }

    /// Started again: what is inside is captured, what was not begun is given up.
    fn restart(&mut self, at_ms: u64) {
        self.kiosk.epoch += 1;
        let Some(kept) = self.kept() else { return };
        match kept.state().state() {
            KioskState::Granted => {
                self.record(KioskEvent::GivenUp { at_ms });
            }
            KioskState::Moving => {
                self.inside = false;
                self.record(KioskEvent::Captured { at_ms, evidence: [1; 32] });
            }
            KioskState::AtExit { .. } if self.at_exit || self.inside => {
                (self.at_exit, self.inside) = (false, false);
                self.record(KioskEvent::Captured { at_ms, evidence: [2; 32] });
            }
            _ => {}
        }
    }

    fn report(&self) -> Option<(CodeHash, Token, Report)> {
        let (code, token) = self.claim?;
        Some((code, token, self.kept()?.state().report()?))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Kiosks that die anywhere, answers that are lost, reports late and repeated, time that passes: each student has one card or
    /// none, whoever has one is on record, and what nobody can tell is an open case.
    #[test]
    fn each_student_one_card_or_none(steps in prop::collection::vec((0_u8..9, 0_usize..3, 0_u8..3, 0_u8..3), 0..120)) {
        let mut world = World::new(3);
        let mut stations: Vec<Station> = (0..3).map(Station::new).collect();
        let (mut now, mut out) = (10_u64, Vec::new());
        for (action, at, student, dies) in steps {
            now += 1;
            let (station, code) = (&mut stations[at], code(student));
            // A kiosk has one claim at a time, and says what came of it before it asks for the next.
            let busy = station.claim.is_some();
            match action {
                0 => drop(world.present(&station.kiosk, code, now)),
                1 | 2 if !busy => {
                    let claim = world.present(&station.kiosk, code, now).and_then(|()| world.claim(&station.kiosk, code, now));
                    // The answer may be lost; the kiosk asks again then, or is started again and knows of nothing.
                    if let Ok(claim) = claim && dies != 1 {
                        station.grant(code, &claim, now);
                    }
                }
                3..=5 => station.go_on(now, dies, &mut out),
                6 => station.restart(now),
                7 => {
                    if let Some((code, token, report)) = station.report() {
                        world.report(code, token, report, now);
                        if dies != 1 && station.kept().is_some_and(|claim| !claim.state().is_open()) {
                            station.claim = None;
                        }
                    }
                }
                _ => {
                    now += policy().claim_ms / 2;
                    world.overdue(code, now);
                }
            }
        }
        // Everybody starts again and says what there is to say; the rest is silence.
        for station in &mut stations {
            now += 1;
            station.restart(now);
            if let Some((code, token, report)) = station.report() {
                world.report(code, token, report, now);
            }
        }
        now += policy().claim_ms;
        for student in 0..3 {
            world.overdue(code(student), now);
        }
        let mut cards = BTreeMap::new();
        for (code, card) in out {
            prop_assert_eq!(cards.insert(code, card), None, "a second card for one code");
        }
        for student in 0..3 {
            let voucher = world.voucher(code(student));
            let card = cards.get(&code(student)).map(String::as_str);
            match voucher.state() {
                VoucherState::Redeemed | VoucherState::Dispensed(_) => {
                    prop_assert_eq!(voucher.card_number(), card, "on record and not in a hand");
                }
                VoucherState::Unknown(_) => prop_assert!(!world.open_cases().is_empty()),
                _ => prop_assert_eq!(card, None, "in a hand and not on record"),
            }
        }
    }
}
