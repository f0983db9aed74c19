//! The C programs of `examples/c` and of the README, compiled with warnings as errors and run.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

mod support;

use support::Link;

/// A folder with the CAP file of the examples, and a C source's program beside it.
fn program(source: &str, link: Link) -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let (program, cap) = (folder.path().join("program"), folder.path().join("payment.cap"));
    fs::write(&cap, cardwright_capgen::default_payment_cap()).unwrap();
    support::compile(&support::repository().join(source), link, &program);
    let cap = cap.to_str().unwrap().to_owned();
    (folder, program, cap)
}

const BEFORE: &str = "SCP03 with key version 01\n80 A000000151000000 01, 0 modules\n";

#[test]
fn list_lists_the_card_before_and_after_a_load() {
    if !support::has_c_compiler() {
        return;
    }
    for link in [Link::Shared, Link::Static] {
        let (_folder, program, cap) = program("examples/c/list.c", link);
        assert_eq!(support::run(&program, &[]), BEFORE);
        assert_eq!(
            support::run(&program, &[&cap]),
            "SCP03 with key version 01\n24 of 24 blocks\n80 A000000151000000 01, 0 modules\n\
             40 A00000038698070101 07, 0 modules\n10 A0000003869807 01, 1 modules\n"
        );
    }
}

#[test]
fn cpp_loads_with_progress_and_issues_a_card_that_is_torn_out() {
    if !support::has_cpp_compiler() {
        return;
    }
    for link in [Link::Shared, Link::Static] {
        let (folder, program, cap) = program("examples/cpp/load.cpp", link);
        let journal = folder.path().join("issue.journal");
        assert_eq!(
            support::run(&program, &[&cap, journal.to_str().unwrap()]),
            "SCP03 with key version 01\n24 of 24 blocks\n80 A000000151000000\n40 A00000038698070101\n10 A0000003869807\n\
             deleted: 1, again: 0\ninterrupted at LOAD\nA000000151000000 OP_READY\nA00000038698070101 PERSONALIZED\n\
             A0000003869807 LOADED\ncard cplc-4C57534A5123000000070000 is complete, failed authentications: 0\n"
        );
    }
}

#[test]
fn the_readers_of_this_machine_are_listed_or_the_reason_is_told() {
    if !support::has_c_compiler() {
        return;
    }
    let (_folder, program, _) = program("examples/c/readers.c", Link::Shared);
    let output = std::process::Command::new(program).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    // Without the feature, without the service, or with it.
    let known = ["CW_UNSUPPORTED: this library was built without PC/SC", "CW_NO_SERVICE: "];
    assert!(output.status.success() || known.iter().any(|start| errors.starts_with(start)), "{errors}");
}

#[test]
fn each_wrong_use_has_its_status() {
    if !support::has_c_compiler() {
        return;
    }
    let (_folder, program, cap) = program("examples/c/wrong_use.c", Link::Shared);
    let printed = support::run(&program, &[&cap]);
    assert!(printed.ends_with("\n0 failures\n"), "{printed}");
    assert!(!printed.contains("404142434445464748494"), "a key in a message");
}

#[test]
fn the_function_of_the_old_kind_compiles_and_answers() {
    if !support::has_c_compiler() {
        return;
    }
    let page = fs::read_to_string(support::repository().join("docs/from-a-vendor-dll.md")).unwrap();
    let code = page.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("old.c"), folder.path().join("old"));
    let around = "#include \"reader.h\"\n#include <stdio.h>\n@\
                  int main(void) { static const uint8_t get[] = {0x80, 0xCA, 0x9F, 0x7F, 0x00}, bad[] = {0x80, 0xCA, 0x99, 0x99, 0};\n\
                  uint8_t data[256]; size_t length = 0; void *card = cw_test_card_new(3); cw_session *session = NULL;\n\
                  cw_transport reader = {sizeof reader, 0, reader_transmit, reader_reset, card};\n\
                  if (cw_session_new(&reader, &session) != CW_OK) return 1;\n\
                  int first = CardApdu(session, get, 5, data, &length);\n\
                  printf(\"%d, %u bytes; \", first, (unsigned)length);\n\
                  printf(\"%04X; \", (unsigned)CardApdu(session, bad, 5, data, &length));\n\
                  printf(\"%d; \", CardApdu(session, get, 5, data, &length));\n\
                  printf(\"%d\\n\", CardApdu(session, get, 3, data, &length));\n\
                  cw_session_free(session); cw_test_card_free(card); return 0; }\n";
    fs::copy(support::repository().join("examples/c/reader.h"), folder.path().join("reader.h")).unwrap();
    fs::write(&source, around.replace('@', code)).unwrap();
    support::compile(&source, Link::Shared, &program);
    assert_eq!(support::run(&program, &[]), "0, 45 bytes; 6A88; -201; -109\n");
}

#[test]
fn load_loads_a_purse_once_wherever_the_card_is_torn_out() {
    if !support::has_c_compiler() {
        return;
    }
    let (folder, program, _) = program("examples/c/load.c", Link::Shared);
    let load = |cut: u32, executed: bool| {
        let journal = folder.path().join(format!("{cut}-{executed}"));
        let (cut, executed) = (cut.to_string(), u32::from(executed).to_string());
        support::run(&program, &[journal.to_str().unwrap(), &cut, &executed])
    };
    let last = |printed: &str| printed.lines().last().unwrap().to_owned();
    let clean = "  load: debited\n  load: loaded\nloaded: 200, balance 0 and then 200; debited 200 in 1 bookings\n";
    assert_eq!(load(0, false), clean);
    // SELECT, INITIALIZE FOR LOAD twice, CREDIT FOR LOAD.
    for cut in 1..=4 {
        for executed in [false, true] {
            let printed = load(cut, executed);
            assert!(printed.contains("interrupted; "), "cut at {cut}, executed {executed}: {printed}");
            assert_eq!(last(&printed), last(clean), "cut at {cut}, executed {executed}");
        }
    }
    assert!(!load(5, false).contains("interrupted"), "a load has four commands");
}

#[test]
fn each_wrong_issue_has_its_status_and_the_card_is_issued_all_the_same() {
    if !support::has_c_compiler() {
        return;
    }
    let (folder, program, cap) = program("examples/c/wrong_issue.c", Link::Shared);
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    let printed = support::run(&program, &[&cap, own.to_str().unwrap()]);
    assert!(printed.ends_with("\n0 failures\n"), "{printed}");
    assert!(!printed.contains("404142434445464748494"), "a key in a message");
}

#[test]
fn no_key_is_left_in_the_heap_of_a_program_that_has_issued_a_card() {
    if !cfg!(target_os = "linux") || !support::has_c_compiler() {
        return;
    }
    let (_folder, program, cap) = program("ffi/tests/programs/no_keys_left.c", Link::Shared);
    for scp in ["2", "3"] {
        let printed = support::run(&program, &[&cap, scp]);
        assert!(printed.ends_with(" 0 left\n"), "SCP0{scp}: {printed}");
        assert!(!printed.contains(" 0 places in use"), "the keys in use are not found: {printed}");
    }
}

#[test]
fn the_program_of_the_readme_compiles_and_lists() {
    if !support::has_c_compiler() {
        return;
    }
    let readme = fs::read_to_string(support::repository().join("README.md")).unwrap();
    let code = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("readme.c"), folder.path().join("readme"));
    let around = "#include \"reader.h\"\n@\
                  int main(void) { static const uint8_t key[16] = {0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, \
                  0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F}; void *card = cw_test_card_new(0);\n\
                  cw_transport reader = {sizeof reader, 0, reader_transmit, reader_reset, card};\n\
                  int result = list(&reader, key); cw_test_card_free(card); return result; }\n";
    fs::copy(support::repository().join("examples/c/reader.h"), folder.path().join("reader.h")).unwrap();
    fs::write(&source, around.replace('@', code)).unwrap();
    support::compile(&source, Link::Shared, &program);
    assert_eq!(support::run(&program, &[]), "80, an AID of 8 bytes\n");
}

#[test]
fn the_program_of_the_guide_issues_a_card_that_is_torn_out() {
    if !support::has_c_compiler() {
        return;
    }
    let page = fs::read_to_string(support::repository().join("docs/c.md")).unwrap();
    let code = page.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    fs::copy(support::repository().join("examples/c/reader.h"), file("reader.h")).unwrap();
    fs::write(file("payment.cap"), cardwright_capgen::default_payment_cap()).unwrap();
    fs::write(file("guide.c"), code).unwrap();
    support::compile(&file("guide.c"), Link::Shared, &file("guide"));
    let (cap, journal) = (file("payment.cap"), file("guide.journal"));
    assert_eq!(
        support::run(&file("guide"), &[cap.to_str().unwrap(), journal.to_str().unwrap()]),
        "torn out: the same card is put back\ncomplete: 3 objects on the card, key version 01\n"
    );
}
