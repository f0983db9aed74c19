//! The example `vending`: customers, points and faults; the same run for the same seed; and a check that finds what a protection prevents.

mod support;

use std::process::Output;

fn vending(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = support::example("vending").args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[test]
fn whatever_goes_wrong_money_is_a_card_or_comes_back() {
    for seed in ["1", "2", "3"] {
        let arguments = ["--customers", "30", "--kiosks", "4", "--faults", "--seed", seed];
        let (code, text) = vending(&arguments);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("\n0 violations\n") && !text.contains(" 0 crashes"), "{text}");
        assert_eq!(vending(&arguments).1, text, "the same seed is the same run");
    }
}

#[test]
fn without_faults_everybody_gets_a_card() {
    let (code, text) = vending(&["--customers", "10", "--kiosks", "2"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("cards: 10 in hands, 0 in bins, 0 rejected"), "{text}");
    assert!(text.contains("money: 50000 came, 0 went back"), "{text}");
}

#[test]
fn the_check_finds_what_protections_prevent() {
    for (sabotage, words) in [
        ("no-fencing", "a card for nothing"),
        ("blind-expiry", "came, 0 went back, for 0 cards"),
        ("blind-refund", "came, 10000 went back"),
        ("dispense-doubtful", "is in a hand and holds no number"),
    ] {
        let (code, text) = vending(&["--customers", "40", "--kiosks", "4", "--faults", "--sabotage", sabotage]);
        assert_eq!(code, Some(1), "{sabotage}: {text}");
        assert!(text.contains(words), "{sabotage}: {text}");
    }
}
