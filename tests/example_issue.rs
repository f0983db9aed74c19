//! The example `issue` as a user runs it: output, exit status, files.

mod support;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use cardwright::apdu::trace::TraceFile;
use cardwright::issuance::store::{Journal, SqliteReader};

fn issue(folder: &Path, options: &[&str]) -> Output {
    support::example("issue").current_dir(folder).args(options).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn issues_a_card_and_finds_nothing_to_do_the_second_time() {
    let folder = folder();
    let first = issue(folder.path(), &[]);
    let words = text(&first);
    assert!(first.status.success(), "{words}");
    for expected in
        ["Card cplc-", "GlobalPlatform 2.3.1, SCP03 i=70", "PERSONALIZED  issued", "complete;", "issue.journal"]
    {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(text(&issue(folder.path(), &[])).contains("nothing was left to do"));
    let used = issue(folder.path(), &["--used", "A00000038698070101"]);
    assert!(used.status.success());
    assert!(text(&issue(folder.path(), &[])).contains("PERSONALIZED  used"));
}

#[test]
fn a_torn_card_is_finished_by_the_next_run() {
    for options in [&["--scp", "02", "--cut", "40"][..], &["--level", "33", "--cut", "44", "--executed"]] {
        let folder = folder();
        let torn = issue(folder.path(), options);
        assert_eq!(torn.status.code(), Some(3), "{}", text(&torn));
        assert!(text(&torn).contains("interrupted at"), "{}", text(&torn));
        let finished = issue(folder.path(), &[]);
        assert!(finished.status.success() && text(&finished).contains("issued"), "{}", text(&finished));
    }
}

#[test]
fn deleting_is_guarded() {
    let folder = folder();
    assert!(issue(folder.path(), &[]).status.success());
    let delete = |options: &[&str]| {
        let output = issue(folder.path(), &[&["--delete"], options].concat());
        (output.status.success(), text(&output))
    };
    let (done, words) = delete(&["A00000038698070101"]);
    assert!(!done && words.contains("personalized"), "{words}");
    let (done, words) = delete(&["A0000003869807"]);
    assert!(!done && words.contains("dependants on the card: A00000038698070101"), "{words}");
    let (done, words) = delete(&["A000000003"]);
    assert!(!done && words.contains("nothing with AID A000000003"), "{words}");
    let (done, words) = delete(&["A0000003869807", "--force"]);
    let table = words.split("Now on the card").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(done && !table.contains("A0000003869807") && words.contains("is deleted"), "{words}");
    let (done, words) = delete(&["A0000003869807"]);
    assert!(done && words.contains("was deleted before"), "{words}");
    let again = issue(folder.path(), &[]);
    assert!(again.status.success() && text(&again).contains("PERSONALIZED  issued"), "{}", text(&again));
}

#[test]
fn nothing_is_issued_while_a_deletion_is_open() {
    let delete = ["--delete", "A00000038698070101", "--force"];
    let folder = folder();
    assert!(issue(folder.path(), &[]).status.success());
    let whole = text(&issue(folder.path(), &[&delete[..], &["--trace", "--journal", "issue.journal"]].concat()));
    let n = whole.lines().find(|line| line.contains(" DELETE")).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(issue(folder.path(), &[]).status.success());
    let torn = issue(folder.path(), &[&delete[..], &["--cut", &n]].concat());
    assert_eq!(torn.status.code(), Some(3), "{}", text(&torn));
    let refused = issue(folder.path(), &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("--delete A00000038698070101"), "{}", text(&refused));
    assert!(issue(folder.path(), &delete).status.success());
    assert!(issue(folder.path(), &[]).status.success());
}

#[test]
fn the_cap_file_that_it_makes_can_be_had() {
    let folder = folder();
    assert!(issue(folder.path(), &["--write-cap", "payment.cap"]).status.success());
    let path = folder.path().join("payment.cap");
    assert_eq!(std::fs::read(&path).unwrap(), cardwright_capgen::default_payment_cap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "other files were made");
    std::fs::write(&path, "mine").unwrap();
    let output = issue(folder.path(), &["--write-cap", "payment.cap"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
}

#[test]
fn what_the_card_does_not_speak_is_wrong_usage_and_makes_no_file() {
    let folder = folder();
    let wrong = |options: &[&str], expected: &str| {
        let output = issue(folder.path(), options);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
    };
    wrong(&["--scp", "02", "--level", "33"], "--level 33 is not possible: the card speaks SCP02");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(issue(folder.path(), &["--scp", "02"]).status.success());
    wrong(&["--scp", "03"], "issue.card speaks SCP02");
    wrong(&["--level", "13"], "the card speaks SCP02");
    assert!(issue(folder.path(), &["--scp", "02", "--level", "01"]).status.success());
}

/// Keys that the example uses; none may show up anywhere but in the card's own memory.
const SECRETS: [&str; 5] = [
    "404142434445464748494A4B4C4D4E4F",
    "000102030405060708090A0B0C0D0E0F",
    "00112233445566778899AABBCCDDEEFF",
    "11223344556677888877665544332211",
    "FFEEDDCCBBAA99887766554433221100",
];

#[test]
fn no_key_is_shown_or_recorded() {
    for scp in ["02", "03"] {
        let folder = folder();
        let output = issue(folder.path(), &["--scp", scp, "--trace", "--record", "wire.trace"]);
        assert!(output.status.success());
        let words = text(&output).to_uppercase();
        assert!(words.contains("PUT KEY") && words.contains("WRITE KEY"));
        let journal = std::fs::read(folder.path().join("issue.journal")).unwrap();
        let wire = std::fs::read(folder.path().join("wire.trace")).unwrap();
        for secret in SECRETS {
            let key = hex::decode(secret).unwrap();
            assert!(!words.contains(secret));
            assert!(!String::from_utf8_lossy(&wire).contains(secret));
            assert!(!journal.windows(16).any(|window| window == key));
        }
        let trace = TraceFile::read(&wire[..]).unwrap();
        assert!(trace.exchanges.len() > 50 && !trace.atr.is_empty());
        // What is shown of a command ends with its lengths.
        assert!(words.lines().filter(|line| line.contains("WRITE KEY")).all(|line| line.contains("NC 28  ->")));
    }
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused_and_left_alone() {
    let folder = folder();
    let refused = |name: &str, content: &[u8], option: &str, expected: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let output = issue(folder.path(), &[option, name]);
        let words = text(&output);
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains(name) && words.contains(expected), "{expected}: {words}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "{name} was changed");
    };
    refused("letter.cap", b"Dear card,", "--cap", "CAP");
    refused("empty.cap", b"", "--cap", "empty.cap: the file is empty");
    let cap = cardwright_capgen::default_payment_cap();
    refused("half.cap", &cap[..cap.len() / 2], "--cap", "archive");
    refused("letter.journal", b"Dear journal, this is a letter and no database.", "--journal", "not a journal");
    refused("letter.card", b"Dear card, this is a letter.", "--card", "card");
}

#[test]
fn a_cap_file_with_more_blocks_than_p2_can_number_is_refused_before_anything_is_sent() {
    let folder = folder();
    let cap = cardwright_capgen::CapBuilder::new("A0000003869807".parse().unwrap())
        .applet("A00000038698070101".parse().unwrap())
        .min_data_block_len(61_300)
        .archive()
        .unwrap();
    std::fs::write(folder.path().join("large.cap"), cap).unwrap();
    let output = issue(folder.path(), &["--cap", "large.cap"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("at most 256"), "{}", text(&output));
    assert!(!text(&output).contains("Card cplc"));
}

#[test]
fn an_application_with_static_resources_is_issued() {
    let folder = folder();
    let cap = cardwright_capgen::CapBuilder::new("A0000003869807".parse().unwrap())
        .applet("A00000038698070101".parse().unwrap())
        .format(cardwright_capgen::Format::V2_3)
        .resource(1, &[0x5A; 3000])
        .archive()
        .unwrap();
    std::fs::write(folder.path().join("resources.cap"), cap).unwrap();
    let output = issue(folder.path(), &["--cap", "resources.cap"]);
    assert!(output.status.success() && text(&output).contains("PERSONALIZED  issued"), "{}", text(&output));
}

#[test]
fn a_damaged_journal_is_named_and_left_as_it_was() {
    let folder = folder();
    assert!(issue(folder.path(), &[]).status.success());
    let path = folder.path().join("issue.journal");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(11).position(|window| window == b"domain-keys").unwrap();
    bytes[at] ^= 0x20;
    std::fs::write(&path, &bytes).unwrap();
    let output = issue(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("record"), "{}", text(&output));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(SqliteReader::open(&path).unwrap().head().unwrap().seq > 0);
}

#[test]
fn without_readers_it_says_what_to_do() {
    let folder = folder();
    let output = issue(folder.path(), &["--reader", "any"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = if cfg!(feature = "pcsc") { &["pcscd", "reader"][..] } else { &["--features pcsc"] };
    assert!(expected.iter().any(|words| text(&output).contains(words)), "{}", text(&output));
}

#[test]
fn a_folder_in_place_of_a_file_is_told() {
    let folder = folder();
    for options in [["--journal", "."], ["--card", "."], ["--cap", "."], ["--record", "."]] {
        let output = issue(folder.path(), &options);
        assert_eq!(output.status.code(), Some(1), "{options:?}");
        let expected = format!("{} . is a folder: name a file in it, ./", options[0]);
        assert!(text(&output).contains(&expected), "{}", text(&output));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn files_are_not_written_over_one_another() {
    let folder = folder();
    assert!(issue(folder.path(), &[]).status.success());
    let journal = std::fs::read(folder.path().join("issue.journal")).unwrap();
    for options in [["--record", "issue.journal"], ["--record", "./issue.card"], ["--journal", "x.card"]] {
        let output = issue(folder.path(), &options);
        assert_eq!(output.status.code(), Some(1), "{options:?}");
        assert!(text(&output).contains("name the same file"), "{}", text(&output));
    }
    assert_eq!(std::fs::read(folder.path().join("issue.journal")).unwrap(), journal);
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let output = issue(folder.path(), &["--record", "notes.txt"]);
    assert!(!output.status.success() && text(&output).contains("exists"), "{}", text(&output));
    assert_eq!(std::fs::read(folder.path().join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn wrong_usage_is_told_with_exit_status_2() {
    let folder = folder();
    for options in [
        &["--level", "02"][..],
        &["--executed"],
        &["--delete", "A0"],
        &["--scp", "01"],
        &["--cut", "0"],
        &["--reader", "any", "--cut", "1"],
    ] {
        assert_eq!(issue(folder.path(), options).status.code(), Some(2), "{options:?}");
    }
    let help = text(&issue(folder.path(), &["--help"]));
    assert!(help.contains("--cut <N>") && help.contains("Exit status"), "{help}");
}

#[cfg(unix)]
#[test]
fn killed_at_any_moment_the_next_run_finishes_the_card() {
    let folder = folder();
    let mut kills = 0;
    for round in 0..12u64 {
        let mut child = support::example("issue")
            .current_dir(folder.path())
            .args(["--journal", &format!("{}.journal", round / 4)])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(3 + round * 11 % 60));
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "the program was never killed");
    for round in 0..3 {
        let output = issue(folder.path(), &["--journal", &format!("{round}.journal")]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains("PERSONALIZED  issued"), "{}", text(&output));
    }
}
