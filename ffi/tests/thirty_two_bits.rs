//! The header on 32-bit machines, and what 32-bit Windows needs to link with the DLL.

use std::fs;
use std::path::{Path, PathBuf};

mod support;

use support::compilers::{self, LINUX_32, MACHINES, Machine, WINDOWS_32};
use support::declarations::{self, Declaration, Signature};

/// C that compiles only if sizes and offsets are those of `abi.txt`.
fn assertions(column: usize) -> String {
    let list = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("abi.txt")).unwrap();
    let mut code = "#include <cardwright.h>\n".to_owned();
    for (number, line) in list.lines().enumerate() {
        let words: Vec<_> = line.split(' ').collect();
        let value = || words[words.len() - MACHINES.len() + column];
        let actual = match words[0] {
            "struct" => format!("sizeof(struct {})", words[1]),
            "field" => {
                let (name, field) = words[1].split_once('.').unwrap();
                format!("offsetof(struct {name}, {field})")
            }
            _ => continue,
        };
        code.push_str(&format!("typedef char cw_line_{number}[{actual} == {} ? 1 : -1];\n", value()));
    }
    assert!(code.contains("sizeof(struct cw_error)"), "abi.txt is empty");
    code
}

#[test]
fn the_header_compiles_with_the_listed_sizes_on_each_machine() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("sizes.c");
    for (column, machine) in MACHINES.iter().enumerate() {
        fs::write(&source, assertions(column)).unwrap();
        if compilers::works(machine.c, machine.packages) {
            for standard in ["-std=c89", "-std=c99", "-std=c11"] {
                compilers::compile(machine.c, &[standard, "-fsyntax-only"], &source);
            }
        }
        if compilers::works(machine.cpp, machine.packages) {
            compilers::compile(machine.cpp, &["-std=c++11", "-xc++", "-fsyntax-only"], &source);
        }
    }
}

fn functions() -> Vec<(String, Signature)> {
    let mut functions: Vec<_> = declarations::read(&support::header())
        .into_iter()
        .filter_map(
            |one| if let Declaration::Function { name, signature } = one { Some((name, signature)) } else { None },
        )
        .collect();
    functions.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    functions
}

/// The names as 32-bit Windows decorates them: with the number of bytes of the parameters.
fn decorated(machine: &Machine) -> Option<Vec<String>> {
    let functions = functions();
    let size = |parameter: &String| match parameter.as_str() {
        "void" => "0".to_owned(),
        // A parameter takes whole words.
        parameter => format!("((sizeof({parameter}) + 3) / 4 * 4)"),
    };
    let sizes: Vec<_> =
        functions.iter().map(|(_, of)| of.parameters.iter().map(size).collect::<Vec<_>>().join(" + ")).collect();
    let sizes = compilers::values(machine, &sizes)?;
    Some(functions.iter().zip(sizes).map(|((name, _), size)| format!("{name}@{size}")).collect())
}

fn definition(about: &str, names: &[String]) -> String {
    let names: String = names.iter().map(|name| format!("    {name}\n")).collect();
    format!("; Written by scripts/header.sh. {about}\nLIBRARY cardwright\nEXPORTS\n{names}")
}

fn compare_or_write(name: &str, content: &str) {
    let path = support::repository().join("include").join(name);
    if std::env::var_os("CARDWRIGHT_WRITE_HEADER").is_some() {
        fs::write(&path, content).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(committed == content, "include/{name} is not up to date: run scripts/header.sh");
}

#[test]
fn the_committed_definition_files_have_the_headers_functions() {
    let names: Vec<_> = functions().into_iter().map(|(name, _)| name).collect();
    compare_or_write("cardwright.def", &definition("What the DLL exports; import libraries of 64 bits.", &names));
    let decorated = [WINDOWS_32, LINUX_32].iter().find_map(decorated);
    if let Some(names) = decorated {
        let about = "Import libraries of 32 bits: dlltool --kill-at -d cardwright-i686.def -l libcardwright.dll.a";
        compare_or_write("cardwright-i686.def", &definition(about, &names));
    } else {
        assert!(std::env::var_os("CARDWRIGHT_WRITE_HEADER").is_none(), "no compiler for 32 bits, see above");
    }
}

/// A tool of the compiler for 32-bit Windows.
fn tool(name: &str, arguments: &[&str]) -> String {
    support::output(&format!("i686-w64-mingw32-{name}"), arguments).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_program_of_32_bit_windows_links_with_the_import_library() {
    if !compilers::works(WINDOWS_32.c, WINDOWS_32.packages) {
        return;
    }
    let include = support::repository().join("include");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let library = file("libcardwright.dll.a");
    tool("dlltool", &["--kill-at", "-d", text(&include.join("cardwright-i686.def")), "-l", text(&library)]);

    let functions = functions();
    let table: String = functions.iter().map(|(name, _)| format!("    (any){name},\n")).collect();
    let code = format!(
        "#include <cardwright.h>\ntypedef void (*any)(void);\nstatic any volatile all[] = {{\n{table}}};\n\
         int main(void) {{ return all[0] == 0 || cw_abi_version() != CW_ABI_VERSION; }}\n"
    );
    let (source, object, program) = (file("program.c"), file("program.o"), file("program.exe"));
    fs::write(&source, code).unwrap();
    tool("gcc", &["-std=c89", "-Wall", "-Werror", "-I", text(&include), "-c", text(&source), "-o", text(&object)]);
    let symbols = tool("nm", &["--undefined-only", text(&object)]);
    let mut asked: Vec<_> = symbols.lines().filter_map(|line| line.trim().strip_prefix("U _cw_")).collect();
    asked.sort_unstable();
    let definition = fs::read_to_string(include.join("cardwright-i686.def")).unwrap();
    let listed: Vec<_> = definition.lines().filter_map(|line| line.strip_prefix("    cw_")).collect();
    assert_eq!(asked, listed);

    // The linker would guess names that do not fit, with a warning.
    let strict = ["-Wl,--disable-stdcall-fixup", "-Wl,--fatal-warnings"];
    tool("gcc", &[&strict[..], &[text(&object), text(&library), "-o", text(&program)]].concat());
    let tables = tool("objdump", &["-p", text(&program)]);
    let imports = tables.split_once("DLL Name: cardwright.dll").expect("the DLL is asked for").1;
    let mut imported: Vec<_> = imports
        .lines()
        .skip(2)
        .take_while(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().last().unwrap())
        .collect();
    imported.sort_unstable();
    assert_eq!(imported, functions.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
}

#[test]
fn an_example_compiles_for_32_bit_windows() {
    if !compilers::works(WINDOWS_32.c, WINDOWS_32.packages) {
        return;
    }
    let root = support::repository();
    let (include, card, source) = (root.join("include"), root.join("ffi/testcard"), root.join("examples/c/list.c"));
    let common = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"];
    tool("gcc", &[&common[..], &["-I", text(&include), "-I", text(&card), text(&source)]].concat());
}
