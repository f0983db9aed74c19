//! The example `crash_storm`: no violation, the same run for the same seed, and every sabotage found.

mod support;

use std::process::Output;

fn storm(arguments: &[&str]) -> Output {
    support::example("crash_storm").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The table without the line that says how long it took.
fn table(output: &Output) -> String {
    text(output).lines().filter(|line| !line.ends_with(" cards/s")).collect::<Vec<_>>().join("\n")
}

const SABOTAGES: [&str; 5] = ["intent-after-command", "no-fencing", "unsynced-commit", "blind-retry", "bare-status"];

#[test]
fn a_short_storm_finds_no_violation_and_is_the_same_on_any_number_of_threads() {
    let one = storm(&["--cards", "20", "--seed", "7", "--threads", "1"]);
    assert!(one.status.success(), "{}", text(&one));
    let four = storm(&["--cards", "20", "--seed", "7", "--threads", "4"]);
    assert_eq!(table(&one), table(&four));
    let other = storm(&["--cards", "20", "--seed", "8", "--threads", "4"]);
    assert_ne!(table(&one), table(&other));
}

/// Each job meets what only it can meet, and ends well all the same.
#[test]
fn a_short_storm_of_each_job_finds_no_violation() {
    for (job, meets) in [("issue", "reader says 6A80"), ("purse", "bank: request arrives late")] {
        let output = storm(&["--cards", "50", "--seed", "7", "--job", job]);
        let text = text(&output);
        assert!(output.status.success(), "{job}: {text}");
        let count = |words: &str| -> u64 {
            let line = text.lines().find(|line| line.trim_start().starts_with(words)).unwrap();
            line.split_whitespace().last().unwrap().parse().unwrap()
        };
        assert!(count(meets) > 0 && count("finished") > 25, "{job}: {text}");
    }
}

/// The embedded store, over files of which the power leaves what a disk might have.
#[test]
fn a_short_storm_over_files_finds_no_violation_and_finds_a_store_that_does_not_sync() {
    let [one, two] = ["1", "2"].map(|threads| {
        let output = storm(&["--cards", "10", "--seed", "7", "--store", "sqlite", "--threads", threads]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).lines().any(|line| line.contains("power cut after a write") && !line.ends_with(" 0")));
        table(&output)
    });
    assert_eq!(one, two);
    for job in ["issue", "purse"] {
        let unsynced = ["--store", "sqlite", "--sabotage", "unsynced-commit", "--job", job];
        let found = storm(&[&["--cards", "500"][..], &unsynced].concat());
        let table = text(&found);
        assert_eq!(found.status.code(), Some(1), "{job}: {table}");
        let seed = table.split("--replay ").nth(1).unwrap().split_whitespace().next().unwrap();
        let replay = storm(&[&["--replay", seed][..], &unsynced].concat());
        assert_eq!(replay.status.code(), Some(1), "{job}: {}", text(&replay));
    }
}

#[test]
fn every_sabotage_is_found_in_every_job_and_its_seed_replays_it_step_by_step() {
    for job in ["issue", "purse"] {
        for name in SABOTAGES {
            let found = storm(&["--cards", "1000", "--sabotage", name, "--job", job]);
            let table = text(&found);
            assert_eq!(found.status.code(), Some(1), "{job}, {name}: {table}");
            let seed = table.split("--replay ").nth(1).unwrap().split_whitespace().next().unwrap();
            let replay = storm(&["--replay", seed, "--sabotage", name, "--job", job]);
            assert_eq!(replay.status.code(), Some(1), "{job}, {name}");
            let trace = text(&replay);
            assert!(trace.lines().count() > 100 && trace.contains("VIOLATION"), "{job}, {name}: {trace}");
            assert_eq!(trace, text(&storm(&["--replay", seed, "--sabotage", name, "--job", job])), "{job}, {name}");
            // Without the sabotage the same seed is another run, and a good one.
            let honest = storm(&["--replay", seed, "--job", job]);
            assert!(honest.status.success(), "{job}, {name}: {}", text(&honest));
        }
    }
}

#[test]
fn wrong_usage_says_what_is_wrong() {
    for (arguments, says) in [
        (&["--cards", "0"][..], "0 is not in 1.."),
        (&["--replay", "xyz"], "hexadecimal"),
        (&["--sabotage", "none"], "possible values"),
        (&["--replay", "1", "--cards", "5"], "cannot be used with"),
    ] {
        let output = storm(arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(says), "{error}");
    }
}
