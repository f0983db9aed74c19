//! The issuing programs of `examples/c` and `examples/cpp`: the same card as from Rust, byte for byte, and the same card wherever it is torn.

use std::path::{Path, PathBuf};
use std::process::Command;

mod support;

use support::Link;
use support::issue::{Programs, assert_same_as_rust, assert_same_when_torn, commands};

fn compile(name: &str, folder: &Path) -> PathBuf {
    let program = folder.join(name);
    support::compile(&support::repository().join("examples/c").join(name).with_extension("c"), Link::Shared, &program);
    program
}

#[test]
fn c_issues_the_card_that_rust_issues_byte_for_byte() {
    if !support::has_c_compiler() {
        return;
    }
    let programs = Programs::new();
    for name in ["issue", "steps"] {
        let program = compile(name, programs.folder.path());
        for scp in [1, 2, 3, 16] {
            assert_same_as_rust(name, scp, &programs.run(Command::new(&program), scp, 0, false));
        }
    }
}

#[test]
fn cpp_issues_the_card_that_rust_issues_byte_for_byte() {
    if !support::has_cpp_compiler() {
        return;
    }
    let programs = Programs::new();
    let program = programs.folder.path().join("program");
    support::compile(&support::repository().join("examples/cpp/issue.cpp"), Link::Shared, &program);
    for scp in [1, 2, 3, 16] {
        assert_same_as_rust("issue.cpp", scp, &programs.run(Command::new(&program), scp, 0, false));
    }
    let (clean, trace) = programs.run(Command::new(&program), 3, 0, false);
    for n in (1..=commands(&trace)).step_by(7) {
        let (output, _) = programs.run(Command::new(&program), 3, n, true);
        assert_same_when_torn(&format!("issue.cpp, cut at {n}"), &output, &clean);
    }
}

/// Every fourth command; with `CARDWRIGHT_TEARS=all`, which `scripts/check.sh` sets, every one.
#[test]
fn torn_anywhere_the_next_process_makes_the_same_card() {
    if !support::has_c_compiler() {
        return;
    }
    let step = if std::env::var("CARDWRIGHT_TEARS").is_ok_and(|tears| tears == "all") { 1 } else { 4 };
    let programs = Programs::new();
    for (name, scp) in [("issue", 3), ("steps", 2)] {
        let program = compile(name, programs.folder.path());
        let (clean, trace) = programs.run(Command::new(&program), scp, 0, false);
        for n in (1..=commands(&trace)).step_by(step) {
            for executed in [false, true] {
                let (output, _) = programs.run(Command::new(&program), scp, n, executed);
                assert_same_when_torn(&format!("{name}, cut at {n}, executed {executed}"), &output, &clean);
            }
        }
    }
}
