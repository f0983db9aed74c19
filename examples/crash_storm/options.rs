use clap::{Parser, ValueEnum};

use crate::sabotage::Sabotage;

/// Runs whole issuing processes in one process, under a scheduler that lets everything go wrong that can: programs killed and
/// power cut at any write, cards torn out, swapped and reset, answers lost and doubled, clocks set, disks full.
///
/// Cards, terminals, servers, network and disk are simulated; machines, channel, keys and journal are the product's. Each world has
/// a few cards and its own seed. When its storm is over each card is presented again until nothing is left to do; then a checker
/// that shares no code with the machines compares what the cards hold and did with what the journal says.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "crash_storm",
    version,
    after_help = "Exit status: 0 no violation; 1 at least one violation, whose seeds are printed; 2 wrong usage."
)]
pub(crate) struct Options {
    /// Cards in all, rounded up to whole worlds of 5.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cards: u64,

    /// Seed of the run: the same seed, the same run.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,

    /// Which process storms.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) job: Jobs,

    /// Where the journals are. Files are recorded write by write, one world at a time, so that a power cut is one at any write.
    #[arg(long, value_enum, default_value = "memory")]
    pub(crate) store: StoreKind,

    /// Takes a protection out, between the machines and the world; the storm then has to find a violation, and ends
    /// with the first.
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) sabotage: Option<Sabotage>,

    /// Runs the one world of this seed and prints every step. Job, store and sabotage have to be those of the run that named the seed.
    #[arg(long, value_name = "SEED", value_parser = hex_seed, conflicts_with_all = ["cards", "seed", "threads"])]
    pub(crate) replay: Option<u64>,

    /// Threads; the result does not depend on them. By default as many as there are cores.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// The store in memory, with faults.
    Memory,
    /// The embedded store, over files that forget what was not synced.
    Sqlite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Jobs {
    /// Remote issuing: applications and keys for Java cards.
    Issue,
    /// Loads of electronic purses: money from accounts onto CPU cards.
    Purse,
    /// All of them.
    All,
}

/// A seed as it is printed: 16 hexadecimal digits.
fn hex_seed(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16)
        .map_err(|error| format!("{error}: a seed is 1 to 16 hexadecimal digits"))
}
