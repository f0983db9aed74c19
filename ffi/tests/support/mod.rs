//! Builds the libraries and C programs that the tests run.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub mod compilers;
pub mod declarations;
pub mod issue;

/// The repository's root.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

pub struct Libraries {
    pub folder: PathBuf,
    pub shared: PathBuf,
    pub fixed: PathBuf,
}

/// libcardwright and the test card. Cargo builds no shared library for the tests of its own package, so that it is asked
/// here; after a build of the workspace nothing is left to do.
pub fn libraries() -> &'static Libraries {
    static BUILT: OnceLock<Libraries> = OnceLock::new();
    BUILT.get_or_init(|| {
        // target/PROFILE/deps/this-test
        let folder = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_path_buf();
        let profile = match folder.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let built = Command::new(env!("CARGO"))
            .current_dir(repository())
            .args(["build", "--quiet", "--offline", "--lib", "--profile", profile])
            .args(["--package", "cardwright-ffi", "--package", "cardwright-testcard", "--target-dir"])
            .arg(folder.parent().unwrap())
            .status()
            .unwrap();
        assert!(built.success(), "the libraries do not build");
        #[cfg(target_os = "linux")]
        name_for_programs(&folder);
        Libraries { shared: folder.join("libcardwright.so"), fixed: folder.join("libcardwright.a"), folder }
    })
}

/// Programs ask for the library by the name that it has in itself.
#[cfg(target_os = "linux")]
fn name_for_programs(folder: &Path) {
    let name = folder.join(format!("libcardwright.so.{}", abi_version()));
    match std::os::unix::fs::symlink("libcardwright.so", &name) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{}: {error}", name.display()),
        _ => {}
    }
}

/// The committed header.
pub fn header() -> String {
    std::fs::read_to_string(repository().join("include/cardwright.h")).unwrap_or_default()
}

/// The `CW_ABI_VERSION` of the committed header.
pub fn abi_version() -> String {
    let header = header();
    header.lines().find_map(|line| line.strip_prefix("#define CW_ABI_VERSION ")).unwrap().to_owned()
}

/// The standard output of a tool that succeeds; `None` where there is no such tool.
pub fn output(tool: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(tool).args(arguments).output().ok()?;
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The functions that a header declares, sorted.
pub fn functions(header: &str) -> Vec<&str> {
    let mut names: Vec<_> = header
        .lines()
        .filter(|line| line.contains('(') && !line.trim_start().starts_with(['/', '*', '#']))
        .filter(|line| !line.starts_with("typedef") && !line.starts_with(' '))
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("cw_"))
        .collect();
    names.sort_unstable();
    names
}

/// Whether a C program can be compiled here.
pub fn has_c_compiler() -> bool {
    let found = cfg!(unix) && Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: there is no C compiler `cc` here");
    }
    found
}

/// How a program is linked.
#[derive(Clone, Copy)]
pub enum Link {
    Shared,
    Static,
}

/// Whether a C++ program can be compiled here.
pub fn has_cpp_compiler() -> bool {
    let found =
        has_c_compiler() && Command::new("c++").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("skipped: there is no C++ compiler `c++` here");
    }
    found
}

/// Compiles a C or C++ source with warnings as errors and links it with the library and the test card.
pub fn compile(source: &Path, link: Link, out: &Path) {
    let libraries = libraries();
    let is_cpp = source.extension().is_some_and(|extension| extension == "cpp");
    let (compiler, standard) = if is_cpp { ("c++", "-std=c++17") } else { ("cc", "-std=c99") };
    let mut cc = Command::new(compiler);
    cc.args(["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", standard, "-D_POSIX_C_SOURCE=200809L", "-g"])
        .arg("-I")
        .arg(repository().join("include"))
        .arg("-I")
        .arg(repository().join("ffi/testcard"))
        .arg(source)
        .arg("-o")
        .arg(out)
        .arg("-L")
        .arg(&libraries.folder)
        .arg(format!("-Wl,-rpath,{}", libraries.folder.display()));
    match link {
        Link::Shared => cc.arg("-lcardwright"),
        Link::Static => cc.arg(&libraries.fixed),
    };
    let output = cc.args(["-lcardwright_testcard", "-lpthread", "-ldl", "-lm"]).output().unwrap();
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
}

/// Runs a program; its standard output. It must end with 0.
pub fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {}\n{stdout}{stderr}", program.display(), output.status);
    stdout.into_owned()
}
