//! The example `top_up` as a user runs it: days with and without faults, and each sabotage found.

mod support;

use std::process::Output;

fn run(arguments: &[&str]) -> Output {
    support::example("top_up").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The amount behind these words.
fn amount(text: &str, words: &str) -> i64 {
    let line = text.lines().find(|line| line.trim_start().starts_with(words));
    line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or_else(|| panic!("{words}: {text}"))
}

#[test]
fn a_day_without_faults_is_balanced_to_the_last_unit() {
    let output = run(&["--cards", "24", "--days", "1", "--statements"]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(amount(&text, "on the cards"), amount(&text, "debited"));
    assert_eq!((amount(&text, "not on the cards"), amount(&text, "- reversed")), (0, 0));
    for expected in ["none\n", "2024-05-06,total,0,loads that match,,", "loaded, shown by Answer", "\nOK: "] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn days_with_faults_lose_and_make_no_money_and_name_what_was_wrong() {
    let output = run(&["--cards", "90", "--days", "3", "--faults", "--seed", "3"]);
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    let taken = amount(&text, "debited") + amount(&text, "- reversed") + amount(&text, "- corrected");
    assert_eq!(taken, amount(&text, "= taken from accounts"));
    assert_eq!(taken, amount(&text, "on the cards") + amount(&text, "not on the cards"));
    assert!(amount(&text, "not on the cards") <= amount(&text, "open disputes"));
    for expected in [
        "duplicate",
        "foreign row",
        "amount mismatch",
        "reader swaps the card",
        "reader sends the credit twice",
        "reader shows an old serial number",
        "bank: request arrives twice",
        "refused: ",
        "loaded, shown by Proof",
        "monitoring: 4 messages",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(text, self::text(&run(&["--cards", "90", "--days", "3", "--faults", "--seed", "3"])), "the same run");
}

#[test]
fn every_sabotage_is_found() {
    for sabotage in ["refund-on-status", "serial-without-mac1", "id-of-serial-and-amount", "mac2-before-debit"] {
        let found = (1..=4).any(|seed| {
            let seed = seed.to_string();
            let output = run(&["--cards", "90", "--faults", "--seed", &seed, "--sabotage", sabotage]);
            let text = text(&output);
            assert!(output.status.success() || text.contains("\nWRONG:\n"), "{sabotage}: {text}");
            output.status.code() == Some(1)
        });
        assert!(found, "{sabotage}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for arguments in [["--days", "0"], ["--cards", "0"], ["--days", "21"], ["--seed", "x"]] {
        assert_eq!(run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}
