//! The example `cap_info` as a user runs it.

mod support;

use std::process::Output;

fn cap_info(content: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("some.cap"), content).unwrap();
    support::example("cap_info").current_dir(folder.path()).arg("some.cap").output().unwrap()
}

#[test]
fn shows_components_and_the_commands_that_loading_takes() {
    let output = cap_info(&cardwright_capgen::default_payment_cap());
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for expected in
        ["package   A0000003869807", "applet    A00000038698070101", "ConstantPool", "SCP03 level 03: 24 LOAD"]
    {
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn shows_static_resources() {
    let cap = cardwright_capgen::CapBuilder::new("A0000003869807".parse().unwrap())
        .applet("A00000038698070101".parse().unwrap())
        .format(cardwright_capgen::Format::V2_3)
        .resource(0x12, b"x")
        .resource(3, b"logo")
        .archive()
        .unwrap();
    let words = String::from_utf8(cap_info(&cap).stdout).unwrap();
    for expected in
        ["CAP 2.3", "resource  0012, 1 byte\n", "resource  0003, 4 bytes", "StaticResources        24 bytes"]
    {
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn says_why_a_file_is_refused() {
    let output = cap_info(b"PK, but no archive");
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.starts_with("cap_info: some.cap: cannot read the archive"), "{words}");
}
