//! SIM vending as a whole: points that sell numbers to customers, an operator, a payment provider, machines with blank SIMs; with faults in
//! all of them, and programs that crash anywhere. In the end a checker looks at cards, bank and operator.
//!
//! ```text
//! vending --customers 200 --kiosks 8 --faults
//! ```
//!
//! One seed is one run: the world is a simulation on one thread, with its own clock.

mod check;
mod outside;
mod world;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::world::World;

/// Sells numbers at simulated vending points, and checks what came of it.
#[derive(Debug, Parser)]
#[command(name = "vending", version, after_help = "Exit status: 0 all is right; 1 something is not, or an error.")]
struct Options {
    /// How many customers come.
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    customers: u32,

    /// Vending points.
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    kiosks: u32,

    /// Answers are lost or late, money comes at the last moment, cards are torn, programs crash.
    #[arg(long)]
    faults: bool,

    /// The same run each time.
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,

    /// Does what a protection prevents, which the check at the end has to find.
    #[arg(long, value_enum, hide = true)]
    sabotage: Option<Sabotage>,
}

/// What a protection prevents, and happens all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sabotage {
    /// A point that is late gets data for a number that another has, and writes them.
    NoFencing,
    /// A payment that is not there in time is taken for none, without closing it first.
    BlindExpiry,
    /// A refund whose answer was lost is made again under another id.
    BlindRefund,
    /// A card of which nobody can tell what is on it is handed out.
    DispenseDoubtful,
}

fn main() -> ExitCode {
    run(&Options::parse()).unwrap_or_else(|error| {
        eprintln!("vending: {error}");
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let mut world = World::new(options)?;
    world.run()?;
    world.print();
    let violations = check::check(&world)?;
    violations.iter().take(20).for_each(|violation| println!("VIOLATION {violation}"));
    println!("{} violations", violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
