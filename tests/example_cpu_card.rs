//! The example `cpu_card` as a user runs it: output, exit status, files.

mod support;

use std::path::Path;
use std::process::Output;

use cardwright::keys::{KeyCheckValue, KeyKind, KeyValue};

fn run(folder: &Path, options: &[&str]) -> Output {
    support::example("cpu_card").current_dir(folder).args(options).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn issues_a_card_and_finds_nothing_to_do_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &["--trace", "--seed", "1"]);
    let words = text(&first);
    assert!(first.status.success(), "{words}");
    for expected in
        ["FMCOS 2.0", "Script \"fmcos-sample\", 31 steps", "TAC key 00", "WRITE KEY", "complete", "cpu_card.journal"]
    {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    for secret in ["36363636", "12345FFF", "39393939"] {
        assert!(!words.contains(secret), "{secret}");
        let journal = std::fs::read(folder.path().join("cpu_card.journal")).unwrap();
        let bytes = hex::decode(secret).unwrap();
        assert!(!journal.windows(bytes.len()).any(|window| window == bytes), "{secret} in the journal");
    }
    let second = run(folder.path(), &[]);
    assert!(second.status.success() && text(&second).contains("nothing was left to do"), "{}", text(&second));
}

#[test]
fn a_torn_card_is_finished_by_the_next_run() {
    for cut in [&["--cut", "1"][..], &["--cut", "9", "--executed"], &["--cut", "26", "--executed"], &["--cut", "40"]] {
        let folder = tempfile::tempdir().unwrap();
        let torn = run(folder.path(), cut);
        assert_eq!(torn.status.code(), Some(3), "{}", text(&torn));
        assert!(text(&torn).contains("interrupted at"), "{}", text(&torn));
        let finished = run(folder.path(), &[]);
        assert!(finished.status.success() && text(&finished).contains("complete"), "{}", text(&finished));
    }
}

#[test]
fn a_wrong_key_waits_for_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let kcv = KeyCheckValue::of(KeyKind::Tdes, &KeyValue::new(&[0x32; 16]).unwrap()).unwrap();
    std::fs::write(folder.path().join("keys"), format!("maintenance DES {} {kcv}\n", "32".repeat(16))).unwrap();
    for _ in 0..2 {
        let output = run(folder.path(), &["--keys", "keys"]);
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(text(&output).contains("the card refused a MAC"), "{}", text(&output));
    }
    let released = run(folder.path(), &["--release-quarantine"]);
    assert!(released.status.success(), "{}", text(&released));
}

#[test]
fn a_script_and_a_dialect_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("mine.toml", "[profile.mine]\nlike = \"fmcos-2.0\"\n");
    write("types.toml", "[[card]]\nname = \"ours\"\nprofile = \"mine\"\natr = \"3B8B8001209000*\"\n");
    write(
        "script.toml",
        "[script]\nname = \"two files\"\nprofile = \"mine\"\n[values.number]\nlength = 4\n\
         [[step]]\nname = \"MF\"\napdu = \"80E03F000D 38FFFFF0F001FFFFFFFFFFFFFF\"\n\
         [[step]]\nname = \"file\"\napdu = \"80E0000507 280004F0F0FFFF\"\n\
         [[step]]\nname = \"number\"\napdu = \"00D6850004 {number}\"\n",
    );
    let options = ["--profiles", "mine.toml", "--card-types", "types.toml", "--script", "script.toml"];
    let missing = run(folder.path(), &options);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing).contains("needs a value \"number\" of 4 bytes"), "{}", text(&missing));
    let output = run(folder.path(), &[&options[..], &["--value", "number=01020304"]].concat());
    assert!(output.status.success() && text(&output).contains("kind     ours"), "{}", text(&output));
    let changed = run(folder.path(), &[&options[..], &["--value", "number=01020305"]].concat());
    assert_eq!(changed.status.code(), Some(1));
    assert!(text(&changed).contains("step \"number\" was begun with other input"), "{}", text(&changed));

    write(
        "operator.txt",
        "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF\n80E0000507280004F0F0FFFF\n00D685000401020304 | 9000\n",
    );
    let lines = run(folder.path(), &["--lines", "operator.txt", "--journal", "other.journal"]);
    assert!(lines.status.success() && text(&lines).contains("read back         1"), "{}", text(&lines));
}

#[test]
fn what_is_wrong_is_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("bad.toml"),
        "[script]\nname = \"a\"\nprofile = \"fmcos-2.0\"\n[[step]]\nname = \"x\"\napdu = \"00A4\"\n",
    )
    .unwrap();
    for (options, code, expected) in [
        (&["--script", "bad.toml"][..], 1, "bad.toml: line 6"),
        (&["--script", "none.toml"], 1, "none.toml"),
        (&["--profile", "none"], 1, "no profile \"none\"; built in are fmcos-2.0"),
        (&["--journal", "."], 1, "is a folder"),
        (&["--record", "cpu_card.journal"], 1, "name the same file"),
        (&["--value", "public=0102"], 1, "value \"public\" has 2 bytes, the script needs 30"),
        (&["--executed"], 2, "--cut"),
        (&["--value", "public"], 2, "NAME=HEXADECIMAL"),
        (&["--reader", "any", "--cut", "1"], 2, "--cut"),
    ] {
        let output = run(folder.path(), options);
        assert_eq!(output.status.code(), Some(code), "{options:?}: {}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
        assert!(!text(&output).contains("running the script"));
    }
    let reader = run(folder.path(), &["--reader", "any"]);
    assert_eq!(reader.status.code(), Some(1));
    let help = text(&run(folder.path(), &["--help"]));
    assert!(help.contains("--cut <N>") && help.contains("Exit status"), "{help}");
}
