//! The committed header is the one that the sources give, and the shared library exports exactly its functions.

use std::fs;
use std::path::PathBuf;

mod support;

/// In the order in which a reader wants to meet them.
const SOURCES: [&str; 12] = [
    "version",
    "status",
    "last_error",
    "input",
    "apdu",
    "transport",
    "keys",
    "session",
    "open",
    "list",
    "load_file",
    "load",
];

fn generate() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let builder = SOURCES.iter().fold(cbindgen::Builder::new().with_config(config), |builder, name| {
        builder.with_src(root.join("src").join(name).with_extension("rs"))
    });
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn every_source_with_exports_is_read() {
    for entry in fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = entry.unwrap().path();
        let exports = fs::read_to_string(&path).unwrap().contains("#[unsafe(no_mangle)]");
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!exports || SOURCES.contains(&name), "{name} is not in SOURCES");
    }
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = support::repository().join("include/cardwright.h");
    let header = generate();
    if std::env::var_os("CARDWRIGHT_WRITE_HEADER").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == header, "include/cardwright.h is not up to date: run scripts/header.sh");
}

#[test]
fn the_shared_library_exports_exactly_the_headers_functions() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: the symbols are read with nm, on Linux");
        return;
    }
    let library = support::libraries().shared.clone();
    let Some(listing) = support::output("nm", &["-D", "--defined-only", library.to_str().unwrap()]) else {
        eprintln!("skipped: there is no nm here");
        return;
    };
    let mut exported: Vec<_> = listing.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    exported.sort_unstable();
    let header = fs::read_to_string(support::repository().join("include/cardwright.h")).unwrap();
    assert_eq!(exported, support::functions(&header));
}
