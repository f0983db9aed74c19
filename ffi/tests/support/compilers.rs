//! The C compilers that show how the header looks on each kind of machine.

use std::path::Path;
use std::process::Command;

/// A kind of machine, and what compiles for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    pub name: &'static str,
    pub c: &'static [&'static str],
    pub cpp: &'static [&'static str],
    /// Debian's packages.
    pub packages: &'static str,
}

pub const LINUX_32: Machine =
    Machine { name: "32-bit Linux", c: &["cc", "-m32"], cpp: &["c++", "-m32"], packages: "gcc and g++ on x86-64" };
pub const WINDOWS_32: Machine = Machine {
    name: "32-bit Windows",
    c: &["i686-w64-mingw32-gcc"],
    cpp: &["i686-w64-mingw32-g++"],
    packages: "gcc-mingw-w64-i686 and g++-mingw-w64-i686",
};
/// In the order of the columns of `abi.txt`.
pub const MACHINES: [Machine; 3] =
    [Machine { name: "64-bit", c: &["cc"], cpp: &["c++"], packages: "gcc and g++" }, LINUX_32, WINDOWS_32];

/// Whether a compiler works; says so if not. No C library is needed: everything is compiled as freestanding.
pub fn works(compiler: &[&str], packages: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("try.c");
    std::fs::write(&source, "#include <stdint.h>\nuint32_t number;\n").unwrap();
    let found = command(compiler, &["-fsyntax-only"], &source).output().is_ok_and(|output| output.status.success());
    // The host's own may make programs for 32 bits.
    let found = found && (compiler != ["cc"] || cfg!(all(unix, target_pointer_width = "64")));
    if !found {
        eprintln!("skipped: {} does not work here (Debian: {packages})", compiler.join(" "));
    }
    found
}

/// Compiles with warnings as errors.
pub fn compile(compiler: &[&str], arguments: &[&str], source: &Path) {
    let warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
    let output = command(compiler, &[&warnings, arguments].concat(), source).output().unwrap();
    assert!(output.status.success(), "{compiler:?} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn command(compiler: &[&str], arguments: &[&str], source: &Path) -> Command {
    let mut command = Command::new(compiler[0]);
    command.args(&compiler[1..]).args(arguments).args(["-ffreestanding", "-I"]);
    command.arg(super::repository().join("include")).arg(source);
    command
}

/// The values of constant expressions; `None` where the machine's compiler does not work.
pub fn values(machine: &Machine, expressions: &[String]) -> Option<Vec<u64>> {
    if !works(machine.c, machine.packages) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (source, assembly) = (folder.path().join("values.c"), folder.path().join("values.s"));
    // Nothing is run: the numbers are read from the assembler's text, where they stand as comments.
    let mut code = "#include <stddef.h>\n#include <cardwright.h>\nvoid say(void);\nvoid say(void)\n{\n".to_owned();
    for expression in expressions {
        code.push_str(&format!("    __asm__ volatile(\"\\n#value %c0\" : : \"i\"((int)({expression})));\n"));
    }
    std::fs::write(&source, code + "}\n").unwrap();
    compile(machine.c, &["-std=gnu99", "-S", "-o", assembly.to_str().unwrap()], &source);
    let assembly = std::fs::read_to_string(assembly).unwrap();
    let values = assembly.lines().filter_map(|line| line.trim().strip_prefix("#value "));
    let values: Vec<_> = values.map(|value| value.trim().parse().unwrap()).collect();
    assert_eq!(values.len(), expressions.len());
    Some(values)
}
