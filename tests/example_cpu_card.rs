//! The example `cpu_card` as a user runs it: output, exit status, files.

mod support;

use std::path::Path;
use std::process::Output;

use cardwright::keys::{KeyCheckValue, KeyKind, KeyValue};
use cardwright_sim::{CardFile, CpuCard, SimReader};

fn run(folder: &Path, options: &[&str]) -> Output {
    support::example("cpu_card").current_dir(folder).args(options).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What the wallet of the software card holds.
fn wallet(folder: &Path) -> u32 {
    let card = CardFile::<CpuCard>::open(folder.join("cpu_card.card")).unwrap();
    SimReader::new(card).card().balance(&[0x3F00, 0x3F01, 0x0002]).unwrap()
}

fn book(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("cpu_card.account")).unwrap_or_default()
}

/// The same card, journal and account once more.
fn copy(folder: &Path) -> tempfile::TempDir {
    let twin = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, twin.path().join(path.file_name().unwrap())).unwrap();
    }
    twin
}

fn commands(output: &Output) -> u64 {
    let words = text(output);
    let line = words.lines().find_map(|line| line.strip_suffix(" commands"));
    line.unwrap_or_else(|| panic!("{words}")).parse().unwrap()
}

#[test]
fn a_load_is_made_once_and_another_id_is_another_load() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), &["--load", "200", "--trace"]);
    let words = text(&first);
    assert!(first.status.success(), "{words}");
    for expected in [
        "balance before    0,",
        "balance now       200,",
        "holder: debited 200 in 1 booking, given back 0",
        "TAC of the answer to CREDIT FOR LOAD",
        "\nloaded\n",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let again = text(&run(folder.path(), &["--load", "200"]));
    assert!(again.contains("loaded before, nothing was left to do"), "{again}");
    assert_eq!((wallet(folder.path()), book(folder.path()).as_str()), (200, "1 holder 200\n"));

    let other_amount = run(folder.path(), &["--load", "300"]);
    assert_eq!(other_amount.status.code(), Some(1));
    assert!(text(&other_amount).contains("load 1 was ordered before with another"), "{}", text(&other_amount));
    let other = text(&run(folder.path(), &["--load", "300", "--load-id", "2"]));
    assert!(other.contains("balance before    200,") && other.contains("balance now       500,"), "{other}");
    assert_eq!((wallet(folder.path()), book(folder.path()).as_str()), (500, "1 holder 200\n2 holder 300\n"));
}

#[test]
fn a_load_torn_at_any_command_is_proved_or_made_by_the_next_run() {
    let issued = tempfile::tempdir().unwrap();
    assert!(run(issued.path(), &[]).status.success());
    let looked_at = commands(&run(issued.path(), &[]));
    let last = commands(&run(copy(issued.path()).path(), &["--load", "200"]));
    // SELECT, INITIALIZE FOR LOAD twice, CREDIT FOR LOAD, GET BALANCE.
    assert_eq!(last - looked_at, 5);
    let mut proofs = Vec::new();
    for n in looked_at + 1..=last {
        for executed in [false, true] {
            let what = format!("command {} of the load, executed {executed}", n - looked_at);
            let folder = copy(issued.path());
            let at = n.to_string();
            let mut options = vec!["--load", "200", "--cut", &at];
            options.extend(executed.then_some("--executed"));
            let torn = run(folder.path(), &options);
            assert_eq!(torn.status.code(), Some(3), "{what}: {}", text(&torn));
            let debited = ["", "1 holder 200\n"];
            assert!(debited.contains(&book(folder.path()).as_str()), "{what}: {}", book(folder.path()));
            let finished = run(folder.path(), &["--load", "200"]);
            let words = text(&finished);
            assert!(finished.status.success() && words.contains("balance now       200,"), "{what}: {words}");
            assert!(words.contains("debited 200 in 1 booking, given back 0"), "{what}: {words}");
            assert_eq!((wallet(folder.path()), book(folder.path()).as_str()), (200, debited[1]), "{what}");
            proofs.push(
                words.lines().find_map(|line| line.trim().strip_prefix("proved by         ")).unwrap().to_owned(),
            );
        }
    }
    let mut expected = vec!["TAC of the answer to CREDIT FOR LOAD"; 10];
    expected[7] = "TAC of GET TRANSACTION PROVE";
    assert_eq!(proofs, expected);
}

#[test]
fn a_journal_that_lost_a_debit_finds_it_with_the_keeper() {
    let issued = tempfile::tempdir().unwrap();
    assert!(run(issued.path(), &[]).status.success());
    let looked_at = commands(&run(issued.path(), &[]));
    let before = copy(issued.path());
    let credit = (looked_at + 4).to_string();
    assert_eq!(run(issued.path(), &["--load", "200", "--cut", &credit]).status.code(), Some(3));
    std::fs::copy(issued.path().join("cpu_card.account"), before.path().join("cpu_card.account")).unwrap();
    assert!(run(before.path(), &["--load", "200"]).status.success());
    assert_eq!((wallet(before.path()), book(before.path()).as_str()), (200, "1 holder 200\n"));
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
    std::fs::write(folder.path().join("bad.account"), "something else\n").unwrap();
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
        (&["--load", "0"], 2, "moves nothing"),
        (&["--load", "100001"], 2, "over the limit of 100000"),
        (&["--load-id", "2"], 2, "--load"),
        (&["--load", "1", "--load-id", "a/b"], 2, "--load-id"),
        (&["--load", "1", "--journal", "x.account"], 1, "--journal and --load name the same file"),
        (&["--load", "1", "--journal", "bad.journal"], 1, "bad.account: line 1: not a booking"),
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
