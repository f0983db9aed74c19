//! What a run of a script takes a card's answer for: refusals, doubts, records of others, keys and MACs that are wrong.

use cardwright::apdu::StatusWord;
use cardwright::cos::script::AtrPattern;

use super::guards::Unplugged;
use super::*;

fn stopped_at(ended: &Run, name: &str, why: &str) -> bool {
    matches!(ended, Ok(Outcome::Quarantined { step, reason }) if step == name && reason.contains(why))
}

/// [`RESTARTABLE`] with a file whose records stay where they are.
fn fixed() -> String {
    RESTARTABLE.replace("2E0304F0F0FFFF", "2A0304F0F0FFFF").replace(
        "name = \"second, the same\"\n    apdu = \"00E200C004 01020304\"",
        "name = \"second\"\n    apdu = \"00E200C004 05060708\"",
    )
}

fn records(reader: &SimReader<CpuCard>) -> Option<usize> {
    reader.card().records(&[0x3F00, 0x18]).map(|records| records.len())
}

/// A reader with a card on which the last step of [`fixed`] is in doubt, and was done.
fn torn(order: &ScriptOrder, store: &mut MemoryStore) -> SimReader<CpuCard> {
    let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(4, Fault::CutAfter));
    assert!(matches!(run(order, &mut reader, store), Ok(Outcome::Interrupted(_))));
    reader.reinsert();
    reader
}

/// What a card would say whose record is another.
fn another_record() -> Fault<CpuCard> {
    Fault::Respond(vec![9, 9, 9, 9, 0x90, 0x00])
}

#[test]
fn a_script_for_cards_of_another_profile_is_refused_before_anything_is_sent() {
    let mut reader = SimReader::new(blank());
    let other = ScriptOrder { profile: CardProfile::built_in("watchdata").unwrap(), ..sample() };
    let ended = run(&other, &mut reader, &mut MemoryStore::new());
    assert!(matches!(ended, Err(ScriptRunError::OtherProfile { .. })), "{ended:?}");
    assert_eq!(reader.commands(), 0);
}

#[test]
fn a_record_that_is_another_is_not_appended_to() {
    let order = script_of(&fixed().replace("restart = ", "#"));
    let mut store = MemoryStore::new();
    let mut reader = torn(&order, &mut store);
    reader.plan(reader.commands() + 1, another_record());
    let ended = run(&order, &mut reader, &mut store);
    assert!(stopped_at(&ended, "second", "there and is another"), "{ended:?}");
    assert_eq!(records(&reader), Some(2));
}

#[test]
fn a_restart_that_was_torn_is_done_again_before_anything_is_asked() {
    let order = script_of(&fixed());
    let mut store = MemoryStore::new();
    let mut reader = torn(&order, &mut store);
    let begun = reader.commands();
    reader.plan(begun + 1, another_record());
    // SELECT, ERASE DF: nothing is there any more that the record of the steps says is.
    reader.plan(begun + 3, Fault::CutAfter);
    assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
    reader.reinsert();
    report(run(&order, &mut reader, &mut store));
    assert_eq!(records(&reader), Some(2));
}

#[test]
fn a_restart_never_erases_another_card() {
    let order = script_of(&fixed());
    let other = {
        let mut reader = SimReader::new(CpuCard::builder().atr(&atr(9)).build());
        report(run(&order, &mut reader, &mut MemoryStore::new()));
        reader.card().twin()
    };
    let mut store = MemoryStore::new();
    let mut reader = torn(&order, &mut store);
    reader.plan(reader.commands() + 1, Fault::Swap(Box::new(other)));
    reader.plan(reader.commands() + 1, another_record());
    let ended = run(&order, &mut reader, &mut store);
    assert!(matches!(ended, Err(ScriptRunError::OtherCard { .. })), "{ended:?}");
    assert_eq!(records(&reader), Some(2), "the other card's records");
}

#[test]
fn a_restart_that_the_card_refuses_waits_for_a_person() {
    let order = script_of(&fixed());
    let mut store = MemoryStore::new();
    let mut reader = torn(&order, &mut store);
    reader.plan(reader.commands() + 1, another_record());
    reader.plan(reader.commands() + 3, Fault::Status(StatusWord::SECURITY_NOT_SATISFIED));
    let ended = run(&order, &mut reader, &mut store);
    assert!(stopped_at(&ended, "restart", "6982"), "{ended:?}");
    assert_eq!(records(&reader), Some(2));
}

#[test]
fn what_is_there_already_is_never_taken_for_this_jobs_without_a_doubt() {
    let issued = || SimReader::new(CpuCard::builder().atr(&atr(2)).sample().unwrap());
    // Found at the first attempt, and again after a person let it go on.
    let (mut store, mut reader) = (MemoryStore::new(), issued());
    for round in 0..2 {
        let order = ScriptOrder { release: released(&store).filter(|_| round > 0), ..sample() };
        let ended = run(&order, &mut reader, &mut store);
        assert!(stopped_at(&ended, "MF key file", "not by this job"), "{ended:?}");
    }
    // Found after an attempt that did not go out, and after one that the card refused.
    let (mut store, mut reader) = (MemoryStore::new(), issued());
    let first = run(&sample(), &mut Unplugged { reader: &mut reader, at: 2 }, &mut store);
    assert!(matches!(first, Ok(Outcome::Interrupted(_))), "{first:?}");
    assert!(stopped_at(&run(&sample(), &mut reader, &mut store), "MF key file", "not by this job"));
    let (mut store, mut reader) = (MemoryStore::new(), issued());
    reader.plan(2, Fault::Status(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert!(matches!(run(&sample(), &mut reader, &mut store), Err(ScriptRunError::Refused { .. })));
    assert!(stopped_at(&run(&sample(), &mut reader, &mut store), "MF key file", "not by this job"));
}

#[test]
fn a_doubt_outlasts_attempts_that_were_not_sent_or_were_refused() {
    for refused in [false, true] {
        let mut store = MemoryStore::new();
        let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(2, Fault::CutAfter));
        assert!(matches!(run(&sample(), &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
        reader.reinsert();
        if refused {
            reader.plan(reader.commands() + 1, Fault::Status(StatusWord::CONDITIONS_NOT_SATISFIED));
            assert!(matches!(run(&sample(), &mut reader, &mut store), Err(ScriptRunError::Refused { .. })));
        } else {
            let second = run(&sample(), &mut Unplugged { reader: &mut reader, at: 1 }, &mut store);
            assert!(matches!(second, Ok(Outcome::Interrupted(_))), "{second:?}");
        }
        report(run(&sample(), &mut reader, &mut store));
    }
}

#[test]
fn warnings_and_failures_of_the_memory_do_not_say_that_nothing_was_done() {
    let order = script_of(&fixed().replace("restart = ", "#"));
    for sw in [0x6281_u16, 0x6300, 0x6581, 0x6F00, 0x9100, 0x9F10] {
        let mut store = MemoryStore::new();
        let mut reader = SimReader::new(blank());
        reader.plan(4, Fault::Respond(sw.to_be_bytes().to_vec()));
        let first = run(&order, &mut reader, &mut store);
        assert!(matches!(first, Err(ScriptRunError::Refused { .. })), "{sw:04X}: {first:?}");
        report(run(&order, &mut reader, &mut store));
        assert_eq!(records(&reader), Some(2), "{sw:04X}: appended once");
    }
}

#[test]
fn a_wrong_key_of_an_authentication_costs_one_try_however_often_it_is_run() {
    let mut wrong = keys();
    wrong.insert("card-master", KeyKind::Tdes, &[0x3A; 16]).unwrap();
    let card = CpuCard::builder().atr(&atr(5)).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let tries = |reader: &SimReader<CpuCard>| reader.card().key(&APPLICATION[..1], 0x39, 0).unwrap().tries_left();
    let mut reader = SimReader::new(card);
    let before = tries(&reader);
    let mut store = MemoryStore::new();
    for _ in 0..3 {
        let ended = run_with(&script_of(KEYS), &mut reader, &mut store, &mut wrong);
        assert!(stopped_at(&ended, "authenticate", "the card rejects the key"), "{ended:?}");
    }
    assert_eq!(tries(&reader), before - 1);
}

#[test]
fn a_wrong_pin_costs_one_try_however_often_it_is_run() {
    let order =
        order(Script::read_lines("pin", "00A4040009A00000000386980701\n002000000266 66\n", &profile()).unwrap());
    let mut reader = SimReader::new(CpuCard::builder().atr(&atr(5)).sample().unwrap());
    let mut store = MemoryStore::new();
    for _ in 0..3 {
        let ended = run(&order, &mut reader, &mut store);
        assert!(stopped_at(&ended, "002 VERIFY", "wrong"), "{ended:?}");
    }
    assert_eq!(reader.card().key(&APPLICATION, 0x3A, 0).unwrap().tries_left(), 2);
}

#[test]
fn a_mac_that_is_refused_when_a_key_is_written_is_the_last_one() {
    let mut wrong = keys();
    wrong.insert("application-master", KeyKind::Tdes, &[0x3A; 16]).unwrap();
    let card = CpuCard::builder().atr(&atr(5)).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let mut reader = SimReader::new(card);
    let mut store = MemoryStore::new();
    let mut sent = Vec::new();
    for _ in 0..3 {
        let ended = run_with(&script_of(KEYS), &mut reader, &mut store, &mut wrong);
        assert!(stopped_at(&ended, "maintenance key", "refused a MAC"), "{ended:?}");
        sent.push(reader.commands());
    }
    assert_eq!(sent[1..], [sent[0]; 2], "nothing is sent to a card that waits for a person");
}

#[test]
fn a_command_that_cannot_be_taken_back_is_sent_once_and_its_challenge_as_often_as_needed() {
    let block = "[[step]]\nname = \"block\"\napdu = \"001600 00\"\nmac = \"card-master\"\nclass = \"final\"\n";
    let order =
        script_of(&format!("{RESTARTABLE}{block}").replace("restart = ", "#").replace("second, the same", "third"));
    for (at, again) in [(5, true), (6, false)] {
        let mut store = MemoryStore::new();
        let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(at, Fault::CutBefore));
        assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
        reader.reinsert();
        let sent = reader.commands();
        let ended = run(&order, &mut reader, &mut store);
        assert_eq!(reader.commands() > sent, again, "{ended:?}");
        assert_eq!(stopped_at(&ended, "block", "cannot be asked"), !again, "{ended:?}");
    }
}

#[test]
fn an_identity_that_the_card_does_not_tell_is_none() {
    let identity = |command: CommandApdu| ScriptOrder { identity: CardSource::Command(command), ..sample() };
    let read = |length: u32| {
        let ne = cardwright::apdu::Ne::new(length).unwrap();
        identity(CommandApdu::new(0x00, 0xB0, 0x95, 0x00).with_ne(ne))
    };
    let ended = run(&read(8), &mut SimReader::new(blank()), &mut MemoryStore::new());
    assert!(matches!(ended, Err(ScriptRunError::NoIdentity)), "refused: {ended:?}");
    // Three bytes are no number that a card is known by.
    let challenge = |length: u32| {
        let ne = cardwright::apdu::Ne::new(length).unwrap();
        identity(CommandApdu::new(0x00, 0x84, 0x00, 0x00).with_ne(ne))
    };
    let mut reader = SimReader::new(blank());
    reader.plan(1, Fault::Respond(vec![1, 2, 3, 0x90, 0x00]));
    let ended = run(&challenge(4), &mut reader, &mut MemoryStore::new());
    assert!(matches!(ended, Err(ScriptRunError::NoIdentity)), "too short: {ended:?}");
}

#[test]
fn an_answer_to_reset_says_finished_where_it_says_blank_no_more() {
    let pattern = |text: &str| Some(AtrPattern(hex::decode(text).unwrap()));
    // Before and after are the same answer: it says nothing, and the steps are gone on with.
    let mut order = script_of(&fixed());
    (order.script.before, order.script.after) = (pattern("3B8B80"), pattern("3B8B80"));
    let mut store = MemoryStore::new();
    let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(2, Fault::CutAfter));
    assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
    reader.reinsert();
    report(run(&order, &mut reader, &mut store));

    // Finished, and there are steps left: others had a hand in it.
    let mut chip = BlankChip { memory: Vec::new(), started: false, present: true, cut: Some((3, true)), commands: 0 };
    let order = chip_order();
    let mut store = MemoryStore::new();
    assert!(matches!(run(&order, &mut chip, &mut store), Ok(Outcome::Interrupted(_))));
    (chip.present, chip.started) = (true, true);
    let ended = run(&order, &mut chip, &mut store);
    assert!(
        matches!(&ended, Ok(Outcome::Quarantined { reason, .. }) if reason.contains("there are steps left")),
        "{ended:?}"
    );
}

#[test]
fn a_card_that_ends_as_another_than_the_script_says_is_not_complete() {
    let mut order = script_of(&fixed());
    order.script.after = Some(AtrPattern(vec![0x3B, 0x02]));
    let ended = run(&order, &mut SimReader::new(blank()), &mut MemoryStore::new());
    assert!(matches!(ended, Err(ScriptRunError::WrongCard { expected: "after" })), "{ended:?}");
}

#[test]
fn a_directory_that_cannot_be_selected_ends_the_run() {
    let order = order(Script::read_lines("lines", "00A40000023F01\n00D6810001 11\n", &profile()).unwrap());
    let mut reader = SimReader::new(blank());
    let ended = run(&order, &mut reader, &mut MemoryStore::new());
    assert!(matches!(ended, Err(ScriptRunError::Refused { .. })), "{ended:?}");
    assert_eq!(reader.commands(), 1);
}

#[test]
fn after_its_key_was_changed_a_card_is_authenticated_to_with_the_new_one() {
    let order = script_of(
        r#"
        [script]
        name = "master"
        profile = "fmcos-2.0"
        [[step]]
        name = "authenticate"
        authenticate = { id = 0, key = "card-master" }
        [[step]]
        name = "master key"
        write-key = { use = "external-authentication", id = 0, key = "new", under = "card-master", present = "none", fields = { use = "F0", change = "F0", next = "AA", counter = "33" } }
        proof = { external = { id = 0, key = "new", tries = 3 } }
        [[step]]
        name = "file"
        apdu = "80E0001A07 280004F0F0FFFF"
        "#,
    );
    let issued = || CpuCard::builder().atr(&atr(5)).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let mut reader = SimReader::new(issued());
    report(run(&order, &mut reader, &mut MemoryStore::new()));
    let reference = contents(reader.card());
    for n in 1..=reader.commands() {
        let mut store = MemoryStore::new();
        let mut reader = SimReader::new(issued()).with_faults(Faults::none().at(n, Fault::CutAfter));
        assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
        reader.reinsert();
        report(run(&order, &mut reader, &mut store));
        assert_eq!(contents(reader.card()), reference, "{n}");
        assert_eq!(reader.card().key(&APPLICATION[..1], 0x39, 0).unwrap().tries_left(), 3, "{n}");
    }
}

#[test]
fn keys_of_one_identifier_in_two_directories_are_two_keys() {
    let file = "[[step]]\nname = \"last\"\napdu = \"00D6960003 AABBDD\"\nmac = \"new\"\n";
    let order = script_of(&format!("{KEYS}{file}"));
    let issued = || CpuCard::builder().atr(&atr(5)).access_rule(AccessRule::MfWhere0).sample().unwrap();
    let mut reader = SimReader::new(issued());
    report(run(&order, &mut reader, &mut MemoryStore::new()));
    for n in 1..=reader.commands() {
        let mut store = MemoryStore::new();
        let mut reader = SimReader::new(issued()).with_faults(Faults::none().at(n, Fault::CutAfter));
        assert!(matches!(run(&order, &mut reader, &mut store), Ok(Outcome::Interrupted(_))));
        reader.reinsert();
        report(run(&order, &mut reader, &mut store));
        assert_eq!(reader.card().key(&APPLICATION, 0x39, 0).unwrap().value(), [0x11; 16], "{n}");
    }
}
