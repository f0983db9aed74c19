//! The example `remote_issuing`: many cards over a network that breaks, the query, and a check at the end that finds what is wrong.

mod support;

use std::path::Path;
use std::process::Output;

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        support::example("remote_issuing").current_dir(folder).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[test]
fn cards_come_through_tears_and_cuts_and_can_be_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = run(folder.path(), &["--cards", "12", "--faults", "--seed", "3"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("of 12 done") && text.contains("\n0 violations\n"), "{text}");
    assert!(!text.contains(" 0 tears"), "{text}");
    let card = text.split("query ").nth(1).unwrap().split(' ').next().unwrap();
    let (code, told) = run(folder.path(), &["query", card]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.lines().count() > 1 && (told.contains("issued") || told.contains("used")), "{told}");
    // The record of cards that are gone is not written over; a card that is not known is said to be so.
    let (code, text) = run(folder.path(), &["--cards", "1"]);
    assert!(code == Some(1) && text.contains("Delete it"), "{text}");
    let (code, text) = run(folder.path(), &["query", "cplc-00"]);
    assert!(code == Some(1) && text.contains("no card cplc-00"), "{text}");
}

#[test]
fn the_check_finds_what_is_done_wrong() {
    for (sabotage, words) in [
        ("ledger", "is not there; balance"),
        ("reports", "the record says Some(Issued), it is Some(Used)"),
        ("keys", "has other keys than its own"),
        ("tears", "its security domain has the key of all blanks"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, text) = run(folder.path(), &["--cards", "12", "--faults", "--seed", "3", "--sabotage", sabotage]);
        assert_eq!(code, Some(1), "{sabotage}: {text}");
        assert!(text.contains(words), "{sabotage}: {text}");
    }
}
