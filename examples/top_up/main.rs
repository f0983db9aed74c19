//! Days of self-service top-up: hundreds of cards, readers of which some cannot be trusted, a bank that answers late, twice or not at all.
//!
//!     cargo run --release --example top_up -- --days 3 --cards 500 --faults
//!
//! Every evening the day is cut off, and the bank's file, the journal and what the readers kept are settled; the statements are printed on
//! request. At the end a checker that knows nothing of the machines compares the balances on the cards with the bank's books, account by
//! account. It exits with 0 when every unit of money is where it belongs, and with 1 when one is not.
//!
//! `--sabotage` puts a well-known mistake into the program around the machines, which the checker has to find.

mod bank;
mod card;
mod check;
mod dice;
mod evening;
mod house;
mod options;
mod persons;
mod reader;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = options::Options::parse();
    match house::run(&options) {
        Ok(found) if found.is_empty() => ExitCode::SUCCESS,
        Ok(found) => {
            println!("\nWRONG:");
            found.iter().for_each(|wrong| println!("  {wrong}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("top_up: {error}");
            ExitCode::FAILURE
        }
    }
}
