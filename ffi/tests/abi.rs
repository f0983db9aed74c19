//! `ffi/abi.txt` lists what programs that are built already rely on, and agrees with the header.

use std::fs;
use std::path::PathBuf;

mod support;

use support::compilers::{MACHINES, values};
use support::declarations::{self, Declaration};

const HEAD: &str = "\
# What programs that are built already rely on: constants, types, structs, callbacks and functions of cardwright.h.
# Written by scripts/header.sh.
#
# Lines may be added; none may change or go without a new CW_ABI_VERSION. The one exception is a struct that begins with
# struct_size: it may get fields at its end, and then the sizes in its own line grow.
#
# The three numbers of a struct are its size in bytes with 64 bits, in 32-bit Linux and in 32-bit Windows (both i686),
# those of a field its offset.
";

fn list(header: &str) -> String {
    let declarations = declarations::read(header);
    let mut expressions = Vec::new();
    for declaration in &declarations {
        if let Declaration::Struct { name, fields } = declaration {
            expressions.push(format!("sizeof(struct {name})"));
            expressions.extend(fields.iter().map(|field| format!("offsetof(struct {name}, {})", field.name)));
        }
    }
    let columns = MACHINES.map(|machine| values(&machine, &expressions));
    let mut rows = (0..expressions.len()).map(|row| {
        let cell = |column: &Option<Vec<u64>>| column.as_ref().map_or(UNKNOWN.to_owned(), |all| all[row].to_string());
        columns.iter().map(cell).collect::<Vec<_>>().join(" ")
    });
    let mut out = HEAD.to_owned();
    let mut line = |text: String| out.push_str(&(text + "\n"));
    for declaration in declarations {
        match declaration {
            Declaration::Constant { name, value } => line(format!("constant {name} {value}")),
            Declaration::Alias { name, of } => line(format!("type {name} {of}")),
            Declaration::Handle { name } => line(format!("handle {name}")),
            Declaration::Struct { name, fields } => {
                line(format!("struct {name} {}", rows.next().unwrap()));
                for field in fields {
                    line(format!("field {name}.{} {} {}", field.name, field.of, rows.next().unwrap()));
                }
            }
            Declaration::Callback { name, signature } => {
                line(format!("callback {name} {} ({})", signature.result, signature.parameters.join(", ")));
            }
            Declaration::Function { name, signature } => {
                line(format!("function {name} {} ({})", signature.result, signature.parameters.join(", ")));
            }
        }
    }
    out
}

/// Stands for a number that cannot be found out on this machine.
const UNKNOWN: &str = "?";

fn agree(committed: &str, listed: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
    let (committed, listed) = (words(committed), words(listed));
    committed.len() == listed.len()
        && committed.iter().zip(&listed).all(|(one, other)| one == other || other == UNKNOWN)
}

/// Lines of the old list that programs built with it miss in the new one.
fn broken<'a>(old: &'a str, new: &str) -> Vec<&'a str> {
    let version =
        |list: &str| list.lines().find(|line| line.starts_with("constant CW_ABI_VERSION ")).map(str::to_owned);
    if version(old) != version(new) {
        return Vec::new();
    }
    let grown = |line: &str| {
        let read = |line: &str| {
            let mut words = line.strip_prefix("struct ")?.split(' ').map(ToOwned::to_owned);
            Some((words.next()?, words.map(|number| number.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?))
        };
        let Some((name, before)) = read(line) else { return false };
        new.contains(&format!("field {name}.struct_size uint32_t 0 0 0\n"))
            && new.lines().filter_map(read).any(|(other, after)| other == name && no_smaller(&before, &after))
    };
    let promises = old.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    promises.filter(|line| !new.lines().any(|other| other == *line) && !grown(line)).collect()
}

fn no_smaller(before: &[u64], after: &[u64]) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(before, after)| after >= before)
}

#[test]
fn the_committed_list_agrees_with_the_header() {
    if !support::has_c_compiler() {
        return;
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("abi.txt");
    let (committed, listed) = (fs::read_to_string(&path).unwrap_or_default(), list(&support::header()));
    if std::env::var_os("CARDWRIGHT_WRITE_HEADER").is_some() {
        let cannot = MACHINES.map(|machine| machine.packages).join(", ");
        assert!(!listed.contains(UNKNOWN), "abi.txt is not written without compilers for all machines: {cannot}");
        let broken = broken(&committed, &listed).join("\n");
        assert!(
            broken.is_empty(),
            "abi.txt is not written: these lines would change or go.\n{broken}\nRaise CW_ABI_VERSION. Only what was in \
             no release yet may be taken back: then delete the lines in ffi/abi.txt first."
        );
        fs::write(&path, &listed).unwrap();
        return;
    }
    assert!(
        agree(&committed, &listed),
        "ffi/abi.txt is not up to date, run scripts/header.sh; now it would be:\n{listed}"
    );
}

#[test]
fn what_older_programs_rely_on_stays() {
    let old = "constant CW_ABI_VERSION 4\nconstant CW_X 1\nstruct cw_s 8 8 8\nfield cw_s.struct_size uint32_t 0 0 0\n\
               field cw_s.a uint32_t 4 4 4\nstruct cw_aid 17 17 17\nfunction cw_f cw_status (void)\n";
    let with = |from: &str, to: &str| {
        assert!(old.contains(from));
        old.replace(from, to)
    };
    assert_eq!(broken(old, old), [""; 0]);
    assert_eq!(broken(old, &(old.to_owned() + "constant CW_Y 2\n")), [""; 0]);
    let grown = with("cw_s 8 8 8", "cw_s 12 12 12")
        .replace("cw_s.a uint32_t 4 4 4\n", "cw_s.a uint32_t 4 4 4\nfield cw_s.b uint32_t 8 8 8\n");
    assert_eq!(broken(old, &grown), [""; 0]);
    assert_eq!(broken(old, &with("cw_s 8", "cw_s 4")), ["struct cw_s 8 8 8"]);
    assert_eq!(broken(old, &with("cw_s 8 8 8", "cw_s 16 8 4")), ["struct cw_s 8 8 8"]);
    assert_eq!(broken(old, &with("cw_aid 17 17 17", "cw_aid 33 33 33")), ["struct cw_aid 17 17 17"]);
    assert_eq!(broken(old, &with("cw_s.a uint32_t 4 4 4", "cw_s.a uint32_t 4 4 8")), ["field cw_s.a uint32_t 4 4 4"]);
    assert_eq!(broken(old, &with("CW_X 1", "CW_X 2")), ["constant CW_X 1"]);
    assert_eq!(broken(old, &with("(void)", "(size_t)")), ["function cw_f cw_status (void)"]);
    assert_eq!(broken(old, "constant CW_ABI_VERSION 5\n"), [""; 0]);
}

#[test]
fn the_list_has_the_functions_that_the_header_has() {
    let header = support::header();
    let mut listed: Vec<_> = declarations::read(&header)
        .into_iter()
        .filter_map(|one| if let Declaration::Function { name, .. } = one { Some(name) } else { None })
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, support::functions(&header));
}
