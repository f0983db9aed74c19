//! The example `sim_card` as a user runs it: output, exit status, files.

mod support;

use std::path::Path;
use std::process::Output;

fn sim_card(folder: &Path, options: &[&str]) -> Output {
    support::example("sim_card").current_dir(folder).args(options).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn writes_a_number_and_finds_nothing_to_do_the_second_time() {
    for profile in ["software", "sysmousim-sjs1", "sysmousim-gr1"] {
        let folder = folder();
        let options = ["--profile", profile, "--home", "262-01", "--sms-center", "+4915790109999"];
        let first = sim_card(folder.path(), &options);
        let words = text(&first);
        assert!(first.status.success(), "{profile}: {words}");
        for expected in ["SIM 898821..0318", "imsi", "msisdn", "proved by AUTHENTICATE", "sim_card.journal"] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
        let again = sim_card(folder.path(), &options);
        assert!(text(&again).contains("nothing was left to do"), "{}", text(&again));
    }
}

#[test]
fn a_torn_card_is_finished_by_the_next_run() {
    for options in [&["--cut", "9"][..], &["--cut", "17", "--executed"], &["--cut", "22", "--executed"]] {
        let folder = folder();
        let torn = sim_card(folder.path(), options);
        assert_eq!(torn.status.code(), Some(3), "{}", text(&torn));
        assert!(text(&torn).contains("interrupted at"), "{}", text(&torn));
        let finished = sim_card(folder.path(), &[]);
        assert!(finished.status.success() && text(&finished).contains("proved"), "{}", text(&finished));
    }
}

#[test]
fn what_does_not_fit_is_wrong_usage_and_makes_no_file() {
    let folder = folder();
    for (options, expected) in [
        (["--imsi", "310150123456789"], "IMSI: the numbering plan has only those that begin with 26201"),
        (["--iccid", "8988211000001090317"], "ICCID: the check digit is wrong"),
        (["--number", "+49 172"], "MSISDN: a digit wanted at offset 3"),
        (["--puk", "1234"], "PUK: 8 digits wanted, there are 4"),
        (["--home", "26201"], "PLMN"),
        (["--adm", "8888"], "--adm has 16 hexadecimal digits"),
        (["--profile", "none"], "there is no SIM profile \"none\""),
        (["--profile", "fairwaves"], "no software card of this make"),
    ] {
        let output = sim_card(folder.path(), &options);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
    }
    let puk = sim_card(folder.path(), &["--profile", "sysmousim-sjs1", "--puk", "12345678"]);
    assert!(puk.status.code() == Some(1) && text(&puk).contains("has no entry for a PUK"), "{}", text(&puk));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "core"), "{names:?}");
}

#[test]
fn a_wrong_adm_key_waits_for_a_person() {
    let folder = folder();
    let wrong = ["--adm", "3030303030303030"];
    for _ in 0..2 {
        let output = sim_card(folder.path(), &wrong);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(text(&output).contains("2 tries are left"), "{}", text(&output));
    }
    let released = sim_card(folder.path(), &["--release-quarantine"]);
    assert!(released.status.success(), "{}", text(&released));
}

#[test]
fn neither_secrets_nor_numbers_are_shown_or_recorded() {
    let folder = folder();
    let output = sim_card(folder.path(), &["--trace"]);
    assert!(output.status.success());
    let words = text(&output).to_uppercase();
    assert!(words.contains("UPDATE BINARY") && words.contains("VERIFY"));
    let journal = std::fs::read(folder.path().join("sim_card.journal")).unwrap();
    let key = hex::decode("465B5CE8B199B49FAA5F0A2EE238A6BC").unwrap();
    for secret in [&key[..], b"262011106487504", b"4917279119183", b"31415926", b"88888888", b"082926101160845740"] {
        assert!(!journal.windows(secret.len()).any(|window| window == secret));
        let digits = hex::encode_upper(secret);
        assert!(!words.contains(&digits) && !words.contains(&*String::from_utf8_lossy(secret)));
    }
}
