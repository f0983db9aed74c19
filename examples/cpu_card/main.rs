//! Issues one CPU card of the PBOC kind with an issue script: the one of the FMCOS 2.0 manual, one of your own, or an operator's
//! ready-made commands. It keeps a record with which an interrupted run is finished by the next.
//! On request it loads the wallet of the card.

mod account;
mod card;
mod load;
mod options;
mod order;
mod run;
#[path = "../shared/mod.rs"]
mod shared;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    match run::run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cpu_card: {error}");
            ExitCode::FAILURE
        }
    }
}
