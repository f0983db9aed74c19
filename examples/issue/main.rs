//! Issues one Java-card payment card: reads it, loads and installs the application, gives application and security domain
//! their own keys, and keeps a record with which an interrupted run is finished by the next.
//!
//! Two parts that talk through a pipe, as they will through a network: a terminal, which has the card and only relays, and
//! a server, which decides, has the keys and keeps the journal.

mod display;
mod options;
mod server;
#[path = "../shared/mod.rs"]
mod shared;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    match server::run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("issue: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                if !error.to_string().contains(&cause.to_string()) {
                    eprintln!("  because: {cause}");
                }
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}
