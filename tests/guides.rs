//! The lines of the operator's guide, run as they stand. Those of the other guides are documentation tests and tests of `ffi`.

#![cfg(unix)]

mod support;

use std::process::Command;

#[test]
fn the_operators_lines_do_what_the_guide_says() {
    let page = include_str!("../docs/operator.md");
    let script = page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    for name in ["gp", "issue", "report", "audit"] {
        std::os::unix::fs::symlink(support::example(name).get_program(), programs.join(name)).unwrap();
    }
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    let output =
        bash.args(["-euo", "pipefail", "-c", script]).current_dir(folder.path()).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for expected in [
        "interrupted at",
        "nothing was left to do",
        "wrong keys",
        "PERSONALIZED",
        "today.html: ",
        "today.journal: in order",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(
        std::fs::read_to_string(folder.path().join("today.html"))
            .unwrap()
            .contains("<b>1</b><span>cards complete</span>")
    );
}
