//! Keys of purses proved by MAC1, as each key of an issued card can be that has no INTERNAL or EXTERNAL AUTHENTICATE.

use super::*;

/// The script of the manual, with proofs of the keys that it has none for, and another PIN that they are asked with.
fn with_proofs(pin: &str) -> ScriptOrder {
    let mut text = include_str!("../../cos/data/fmcos-sample.toml").to_owned();
    for (step, proof) in [
        ("load key 01", "load = { id = 1, key = \"load-1\", purse = \"wallet\" }".to_owned()),
        (
            "load key 02",
            "load = { id = 2, key = \"load-2\", purse = \"deposit\", pin = { id = 0, value = \"PIN\" } }".to_owned(),
        ),
        ("unload key 01", "unload = { id = 1, key = \"unload-1\", pin = { id = 0, value = \"PIN\" } }".to_owned()),
        (
            "overdraft key 02",
            "overdraft = { id = 2, key = \"overdraft-2\", pin = { id = 0, value = \"PIN\" } }".to_owned(),
        ),
    ] {
        let at = format!("name = \"{step}\"\n");
        assert!(text.contains(&at), "{step}");
        text = text.replace(&at, &format!("{at}proof = {{ {} }}\n", proof.replace("PIN", pin)));
    }
    order(Script::read_toml(&text, &profile(), &Values::new()).unwrap())
}

fn with_purse_keys() -> SoftwareKeys {
    let mut keys = keys();
    for (name, value) in [
        ("load-1", "3F013F013F013F01"),
        ("load-2", "3F023F023F023F02"),
        ("unload-1", "3D013D013D013D013D013D013D013D01"),
        ("overdraft-2", "3C023C023C023C023C023C023C023C02"),
    ] {
        keys.insert(name, KeyKind::Tdes, &hex::decode(value).unwrap()).unwrap();
    }
    keys
}

#[test]
fn load_unload_and_overdraft_keys_are_proved_and_nothing_moves() {
    let mut reader = SimReader::new(blank());
    let (mut store, mut keys) = (MemoryStore::new(), with_purse_keys());
    let done = report(run_with(&with_proofs("12345F"), &mut reader, &mut store, &mut keys));
    for step in ["load key 01", "load key 02", "unload key 01", "overdraft key 02"] {
        assert!(done.proved.contains(&step.to_owned()) && !done.unproved.contains(&step.to_owned()), "{step}");
    }
    assert_eq!(contents(reader.card()), contents(&CpuCard::builder().sample().unwrap()));
    let again = report(run_with(&with_proofs("12345F"), &mut reader, &mut store, &mut keys));
    assert!(!again.changed);
}

#[test]
fn a_key_that_the_card_has_otherwise_is_not_proved() {
    for (name, step) in [
        ("load-1", "load key 01"),
        ("load-2", "load key 02"),
        ("unload-1", "unload key 01"),
        ("overdraft-2", "overdraft key 02"),
    ] {
        let mut keys = with_purse_keys();
        let length = if name.starts_with("load") { 8 } else { 16 };
        keys.insert(name, KeyKind::Tdes, &vec![0x55; length]).unwrap();
        let ended = run_with(&with_proofs("12345F"), &mut SimReader::new(blank()), &mut MemoryStore::new(), &mut keys);
        assert!(
            matches!(&ended, Ok(Outcome::Quarantined { step: at, reason }) if at == "verify" && reason.contains(step)),
            "{name}: {ended:?}"
        );
    }
}

#[test]
fn an_initialization_that_the_card_refuses_proves_nothing() {
    let total = {
        let mut reader = SimReader::new(blank());
        report(run_with(&with_proofs("12345F"), &mut reader, &mut MemoryStore::new(), &mut with_purse_keys()));
        reader.commands()
    };
    for n in 1..=total {
        let mut reader = SimReader::new(blank());
        reader.plan(n, Fault::Status(cardwright::apdu::StatusWord(0x6A88)));
        let ended = run_with(&with_proofs("12345F"), &mut reader, &mut MemoryStore::new(), &mut with_purse_keys());
        assert!(!matches!(ended, Ok(Outcome::Complete(_))), "a refusal at {n}: {ended:?}");
    }
}

#[test]
fn a_wrong_pin_of_a_proof_is_tried_once() {
    let mut reader = SimReader::new(blank());
    let mut store = MemoryStore::new();
    for _ in 0..3 {
        let ended = run_with(&with_proofs("123456"), &mut reader, &mut store, &mut with_purse_keys());
        assert!(
            matches!(&ended, Ok(Outcome::Quarantined { step, .. }) if step == "prove PIN of load key 02"),
            "{ended:?}"
        );
    }
    assert_eq!(reader.card().key(&APPLICATION, 0x3A, 0).unwrap().tries_left(), 2);
}

#[test]
fn torn_while_it_is_proved_it_is_proved_by_the_next_run() {
    let mut reader = SimReader::new(blank());
    report(run_with(&with_proofs("12345F"), &mut reader, &mut MemoryStore::new(), &mut with_purse_keys()));
    let (total, reference) = (reader.commands(), contents(reader.card()));
    for n in total - 20..=total {
        for fault in [Fault::CutBefore, Fault::CutAfter] {
            let mut store = MemoryStore::new();
            let mut reader = SimReader::new(blank()).with_faults(Faults::none().at(n, fault));
            let torn = run_with(&with_proofs("12345F"), &mut reader, &mut store, &mut with_purse_keys());
            assert!(matches!(torn, Ok(Outcome::Interrupted(_))), "{n}: {torn:?}");
            reader.reinsert();
            report(run_with(&with_proofs("12345F"), &mut reader, &mut store, &mut with_purse_keys()));
            assert_eq!(contents(reader.card()), reference, "{n}");
        }
    }
}
