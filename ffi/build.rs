//! Gives the shared library of Linux a name with the number of its interface.

use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=src/version.rs");
    let version = fs::read_to_string("src/version.rs").expect("src/version.rs is in the package");
    let number = version.split_once("pub const CW_ABI_VERSION: u32 = ").and_then(|(_, rest)| rest.split_once(';'));
    let (number, _) = number.expect("src/version.rs has CW_ABI_VERSION");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcardwright.so.{number}");
    }
}
