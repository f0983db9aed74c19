//! The example `audit` as a user runs it.

mod support;

use std::path::Path;
use std::process::Output;

fn run(folder: &Path, program: &str, options: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        support::example(program).current_dir(folder).args(options).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

#[test]
fn a_journal_is_verified_and_exported_and_the_changed_record_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run(folder, "issue", &[]).0, Some(0));
    let verify = |options: &[&str]| run(folder, "audit", &[&["verify", "issue.journal"], options].concat());
    let (status, words) = verify(&[]);
    assert!(status == Some(0) && words.contains("in order"), "{words}");
    let head = words.lines().find_map(|line| line.strip_prefix("head: ")).unwrap().to_owned();
    assert_eq!(verify(&["--head", &head]).0, Some(0));
    let (status, words) = verify(&["--key", "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"]);
    assert!(status == Some(3) && words.contains("no checkpoint is signed"), "{words}");
    let (status, words) = run(folder, "audit", &["export", "issue.journal", "-o", "journal.jsonl"]);
    assert!(status == Some(0) && words.contains(&head), "{words}");
    assert_eq!(run(folder, "audit", &["export", "issue.journal", "-o", "journal.jsonl"]).0, Some(1), "written over");

    // The journal is a file of which each byte can be changed; this one is in the first record's entity.
    let path = folder.join("issue.journal");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(10).position(|window| window == b"card/cplc-").unwrap();
    bytes[place + 5] = b'C';
    std::fs::write(&path, &bytes).unwrap();
    let (status, words) = verify(&[]);
    assert!(status == Some(3) && words.contains("audit export issue.journal"), "{words}");
    assert!(std::fs::read(&path).unwrap() == bytes, "something was written");
    let (status, words) = run(folder, "audit", &["export", "issue.journal", "-o", "rest.jsonl"]);
    assert_eq!(status, Some(3), "{words}");
    let exported = std::fs::read_to_string(folder.join("rest.jsonl")).unwrap();
    assert!(exported.lines().last().unwrap().contains("\"problem\":\""), "{exported}");
}

#[test]
fn what_cannot_be_audited_is_an_error_and_wrong_usage_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("text"), "not a journal").unwrap();
    for (options, status, expected) in [
        (&["verify", "none"][..], 1, "no such file"),
        (&["verify", "text"], 1, "not a journal"),
        (&["export", "text", "-o", "out"], 1, "not a journal"),
        (&["verify", "text", "--key", "12"], 2, "64 hexadecimal digits"),
        (&["verify", "text", "--head", "12"], 2, "NUMBER:HASH"),
        (&["verify"], 2, "Usage"),
        (&["--help"], 0, "Exit status"),
    ] {
        let (code, words) = run(folder, "audit", options);
        assert!(code == Some(status) && words.contains(expected), "{options:?}: {words}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "a file was made");
}
