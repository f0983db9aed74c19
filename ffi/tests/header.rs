//! The committed header is the one that the sources give, and the shared library exports exactly its functions.

use std::fs;
use std::path::PathBuf;

mod support;

/// In the order in which a reader wants to meet them.
const SOURCES: [&str; 33] = [
    "version",
    "status",
    "last_error",
    "error_text",
    "input",
    "apdu",
    "transport",
    "session",
    "readers",
    "card",
    "exchange",
    "card_data",
    "keys",
    "pkcs11",
    "key_request",
    "key_service",
    "profile",
    "open",
    "scp11",
    "list",
    "load_file",
    "load",
    "content",
    "store",
    "journal",
    "release",
    "order",
    "event",
    "account",
    "purse",
    "script",
    "number",
    "process",
];

fn generate() -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    // cbindgen passes over functions of the calling convention "system", which is __stdcall on 32-bit Windows and that of C
    // everywhere else: it reads copies that say "C", and `CW_CALL` says the rest.
    let (copies, mut sources) = (tempfile::tempdir().unwrap(), String::new());
    let builder = SOURCES.iter().fold(cbindgen::Builder::new().with_config(config), |builder, name| {
        let source = fs::read_to_string(root.join("src").join(name).with_extension("rs")).unwrap();
        assert!(!source.contains("extern \"C\""), "{name}: exports and callbacks are extern \"system\"");
        let copy = copies.path().join(name).with_extension("rs");
        fs::write(&copy, source.replace("extern \"system\"", "extern \"C\"")).unwrap();
        sources.push_str(&source);
        builder.with_src(copy)
    });
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    with_convention(&String::from_utf8(header).unwrap(), &sources)
}

/// The header with `CW_CALL` before the name of each function and of each type of callbacks.
fn with_convention(header: &str, sources: &str) -> String {
    let mut out = String::new();
    for line in header.lines() {
        // Compilers of C89 know no other comments.
        let mut line = line.replace("// __cplusplus", "/* __cplusplus */");
        if let Some((name, _)) = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' '))
            && let Some((_, value)) = sources.split_once(&format!("pub const {name}: u32 = 0x"))
        {
            // cbindgen writes decimal numbers, also for bits.
            line = format!("#define {name} 0x{}", value.split(';').next().unwrap());
        } else if line.starts_with("typedef ") {
            line = line.replace("(*cw_", "(CW_CALL *cw_");
        } else if let Some(name) = line.find("cw_").filter(|_| !line.starts_with([' ', '/', '#', '}'])) {
            // A result may be of such a type too: the name is what stands before the parenthesis.
            if let Some(open) = line.find('(') {
                let name = line[..open].rfind("cw_").unwrap_or(name);
                line.insert_str(name, "CW_CALL ");
            }
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[test]
fn every_source_with_exports_is_read() {
    for entry in fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // Tests of the module beside it.
            assert!(fs::read_dir(&path).unwrap().all(|file| file.unwrap().file_name() == "tests.rs"), "{path:?}");
            continue;
        }
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
fn the_header_alone_compiles_as_c_and_as_cpp() {
    if !support::has_c_compiler() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("alone.c");
    fs::write(&source, "#include <cardwright.h>\nint main(void) { return cw_abi_version() != CW_ABI_VERSION; }\n")
        .unwrap();
    let include = support::repository().join("include");
    let common = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I", include.to_str().unwrap()];
    for language in [["cc", "-std=c89", "-xc"], ["cc", "-std=c11", "-xc"], ["c++", "-std=c++11", "-xc++"]] {
        let arguments = [&common[..], &language[1..], &[source.to_str().unwrap()]].concat();
        if support::output(language[0], &arguments).is_none() {
            eprintln!("skipped: there is no {} here", language[0]);
        }
    }
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
    assert_eq!(exported, support::functions(&support::header()));
}

#[test]
fn the_shared_library_is_named_after_the_interface() {
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: the name is for Linux");
        return;
    }
    let library = support::libraries().shared.clone();
    let Some(listing) = support::output("readelf", &["-d", "-W", library.to_str().unwrap()]) else {
        eprintln!("skipped: there is no readelf here");
        return;
    };
    let name = listing.lines().find(|line| line.contains("(SONAME)")).expect("the library has a name");
    let expected = format!("[libcardwright.so.{}]", support::abi_version());
    assert!(name.ends_with(&expected), "{name}, not {expected}");
}

#[test]
fn cargo_names_the_installed_library_after_the_interface_too() {
    let manifest = include_str!("../Cargo.toml");
    let library = manifest.split_once("[package.metadata.capi.library]").unwrap().1;
    let version = library.lines().find_map(|line| line.strip_prefix("version = \"")).unwrap();
    assert_eq!(version.split('.').next(), Some(support::abi_version().as_str()));
}
