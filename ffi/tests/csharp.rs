//! The C# binding, compiled with warnings as errors, and its programs, run by Mono: the same card as from Rust, byte for byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod support;

use support::issue::{Programs, assert_same_as_rust, assert_same_when_torn, commands};

/// Whether C# can be compiled and run here.
fn has_mono() -> bool {
    let runs = |tool| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    let found = cfg!(unix) && runs("mcs") && runs("mono");
    if !found {
        eprintln!("skipped: there is no C# here: no compiler `mcs` or no `mono` to run it with");
    }
    found
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let folder = support::repository().join(folder);
    let mut all: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "cs"));
    all.sort();
    assert!(!all.is_empty(), "{}", folder.display());
    all
}

fn mcs(sources: &[PathBuf], options: &[&str], out: &Path) {
    let mut mcs = Command::new("mcs");
    mcs.args(["-warnaserror", "-warn:4", "-langversion:7.2", "-reference:System.Core.dll"]).args(options);
    let output = mcs.arg(format!("-out:{}", out.display())).args(sources).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}: {}", out.display(), String::from_utf8_lossy(&said));
}

/// Compiles the binding, with a comment at each public name, and a program that uses it.
fn program(folder: &Path, name: &str, mut program: Vec<PathBuf>) -> Command {
    let (library, documentation) = (folder.join("Cardwright.dll"), folder.join("Cardwright.xml"));
    if !library.exists() {
        let documentation = format!("-doc:{}", documentation.display());
        mcs(&sources("examples/csharp/Cardwright"), &["-target:library", &documentation], &library);
    }
    program.extend(sources("examples/csharp/Demo"));
    let out = folder.join(name).with_extension("exe");
    mcs(&program, &[&format!("-reference:{}", library.display())], &out);
    mono(&out)
}

fn example(folder: &Path, name: &str) -> Command {
    program(folder, name, sources(&format!("examples/csharp/{name}")))
}

fn mono(program: &Path) -> Command {
    let mut mono = Command::new("mono");
    mono.env("LD_LIBRARY_PATH", &support::libraries().folder).arg("--debug").arg(program);
    // Where a program that crashes leaves its dump.
    mono.current_dir(program.parent().unwrap());
    mono
}

/// Runs a program; its standard output. It must end with 0.
fn run(mut program: Command) -> String {
    let output = program.output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}{stderr}", output.status);
    stdout.into_owned()
}

/// The same program again.
fn again(program: &Command) -> Command {
    let mut copy = Command::new(program.get_program());
    copy.args(program.get_args()).current_dir(program.get_current_dir().unwrap());
    copy.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    copy
}

#[test]
fn csharp_issues_the_card_that_rust_issues_byte_for_byte() {
    if !has_mono() {
        return;
    }
    let programs = Programs::new();
    for name in ["Issue", "Steps"] {
        let program = example(programs.folder.path(), name);
        for scp in [1, 2, 3, 16] {
            assert_same_as_rust(name, scp, &programs.run(again(&program), scp, 0, false));
        }
    }
}

#[test]
fn torn_out_the_next_process_makes_the_same_card() {
    if !has_mono() {
        return;
    }
    let programs = Programs::new();
    for (name, scp) in [("Issue", 3), ("Steps", 2)] {
        let program = example(programs.folder.path(), name);
        let (clean, trace) = programs.run(again(&program), scp, 0, false);
        let commands = commands(&trace);
        // The C programs are torn at each command; Mono takes its time to start.
        for step in 0..6 {
            let n = 1 + step * (commands - 1) / 5;
            for executed in [false, true] {
                let (output, _) = programs.run(again(&program), scp, n, executed);
                assert_same_when_torn(&format!("{name}, cut at {n}, executed {executed}"), &output, &clean);
            }
        }
    }
}

#[test]
fn each_wrong_use_has_its_exception() {
    if !has_mono() {
        return;
    }
    let programs = Programs::new();
    let mut program = example(programs.folder.path(), "WrongUse");
    program.arg(&programs.cap);
    let printed = run(program);
    assert!(printed.ends_with("\n0 failures\n"), "{printed}");
    assert!(!printed.contains("404142434445464748494"), "a key in a message");
}

#[test]
fn each_call_does_on_the_card_what_it_says() {
    if !has_mono() {
        return;
    }
    let programs = Programs::new();
    let source = support::repository().join("ffi/tests/csharp/Content.cs");
    let mut program = program(programs.folder.path(), "Content", vec![source]);
    program.arg(&programs.cap).arg(programs.folder.path().join("journal"));
    let printed = run(program);
    let wanted = "\
A0000003869807 1.0, 5579 bytes
A000000151000000, GlobalPlatform 2.3.1, i 00 70, CPLC of 42 bytes
01/01 88 16, 01/02 88 16, 01/03 88 16
candidate 1, KVN 01, 10 bytes of key diversification data
Isd A000000151000000 01, Applications A000000003869807FF 07, LoadFilesAndModules A0000003869807 01 A00000038698070101
Isd A000000151000000 01, Applications A000000003869807FF 87, LoadFilesAndModules A0000003869807 01 A00000038698070101
0 bytes; 0042 is 4205A0B0C0D0E0
candidate 1, KVN 01
True False
Isd A000000151000000 01
1 before, 3 after
IssuerSecurityDomain None, Application Used, LoadFile None; changed: False
CW_GUARDED
IssuerSecurityDomain OP_READY, LoadFile LOADED
0 failures, locked out: False
";
    assert_eq!(printed, wanted);
}

#[test]
fn what_the_library_calls_is_not_collected() {
    if !has_mono() {
        return;
    }
    let programs = Programs::new();
    let source = support::repository().join("ffi/tests/csharp/Pressure.cs");
    let program = program(programs.folder.path(), "Pressure", vec![source]);
    assert_same_as_rust("Pressure", 3, &programs.run(program, 3, 0, false));
}

#[test]
fn declarations_are_those_that_programs_rely_on() {
    if !has_mono() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut all = sources("examples/csharp/Cardwright");
    all.push(support::repository().join("ffi/tests/csharp/Declarations.cs"));
    let program = folder.path().join("Declarations.exe");
    mcs(&all, &[], &program);
    let abi = fs::read_to_string(support::repository().join("ffi/abi.txt")).unwrap();
    let wanted: BTreeSet<String> = abi.lines().filter_map(as_in_csharp).collect();
    let declared: BTreeSet<String> = run(mono(&program)).lines().map(str::to_owned).collect();
    let others: Vec<_> = wanted.symmetric_difference(&declared).collect();
    assert!(wanted.len() > 400 && others.is_empty(), "{others:#?}");
}

/// A line of `ffi/abi.txt` as the C# program writes it; none for what C# does not have.
fn as_in_csharp(line: &str) -> Option<String> {
    // Behind the names of structs and fields are the numbers of three machines, and this one has 64 bits or is the second.
    let number =
        |text: &str| text.rsplit(' ').nth(if cfg!(target_pointer_width = "64") { 2 } else { 1 }).map(str::to_owned);
    let of = |of: &str| match of {
        "cw_status" => "int32_t".to_owned(),
        of if of.contains('*') || of.ends_with("_fn") => "*".to_owned(),
        of => of.to_owned(),
    };
    let (kind, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match kind {
        "struct" | "field" => Some(format!("{kind} {name} {}", number(rest)?)),
        "constant" => {
            let value = rest.strip_prefix("0x").map_or_else(|| rest.parse(), |digits| u32::from_str_radix(digits, 16));
            Some(format!("constant {name} {}", value.unwrap()))
        }
        "callback" | "function" => {
            let (result, parameters) = rest.strip_suffix(')')?.split_once(" (")?;
            let parameters: Vec<_> = parameters.split(", ").filter(|one| *one != "void").map(of).collect();
            Some(format!("{kind} {name} {} ({})", of(result), parameters.join(", ")))
        }
        _ => None,
    }
}

#[test]
fn the_program_of_the_readme_compiles_and_lists() {
    if !has_mono() {
        return;
    }
    let readme = fs::read_to_string(support::repository().join("README.md")).unwrap();
    let code = readme.split("```csharp\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, main) = (folder.path().join("Readme.cs"), folder.path().join("Main.cs"));
    fs::write(&source, code).unwrap();
    fs::write(
        &main,
        "static class Start { static void Main() { using (TestCard card = new TestCard()) Lister.List(card); } }",
    )
    .unwrap();
    let printed = run(program(folder.path(), "Readme", vec![source, main]));
    assert_eq!(printed, "SCP03\nA000000151000000\n");
}

#[test]
fn the_program_of_the_guide_issues_a_card_that_is_torn_out() {
    if !has_mono() {
        return;
    }
    let page = fs::read_to_string(support::repository().join("docs/c.md")).unwrap();
    let code = page.split("```csharp\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (source, cap) = (folder.path().join("Guide.cs"), folder.path().join("payment.cap"));
    fs::write(&source, code).unwrap();
    fs::write(&cap, cardwright_capgen::default_payment_cap()).unwrap();
    let mut guide = program(folder.path(), "Guide", vec![source]);
    guide.arg(&cap).arg(folder.path().join("guide.journal"));
    assert_eq!(run(guide), "torn out: the same card is put back\ncomplete: 3 objects on the card\n");
}
