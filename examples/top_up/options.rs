//! What can be asked of the example.

use clap::{Parser, ValueEnum};

/// Days of self-service top-up, settled every evening, and checked at the end.
#[derive(Clone, Debug, Parser)]
#[command(name = "top_up")]
pub(crate) struct Options {
    /// How many business days.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(crate) days: u8,
    /// How many cards; a third each has DES, triple DES and SM4 purses.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) cards: u16,
    /// Lets cards be torn, readers cheat and fall silent, the bank fail, and rows of its file be missing, doubled or foreign.
    #[arg(long)]
    pub(crate) faults: bool,
    /// What chance begins with: the same seed is the same run.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Puts a mistake around the machines; the checker has to find it.
    #[arg(long, value_enum)]
    pub(crate) sabotage: Option<Sabotage>,
    /// Prints the statement of each day.
    #[arg(long)]
    pub(crate) statements: bool,
}

/// Mistakes of top-up programs in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// The account gets its money back as soon as CREDIT FOR LOAD is answered with an error, or not at all.
    RefundOnStatus,
    /// What the card says of serial number and balance is believed without its MAC1.
    SerialWithoutMac1,
    /// The bank is asked under an id made of card, serial number and amount.
    IdOfSerialAndAmount,
    /// The debit goes to the bank after the card was credited.
    Mac2BeforeDebit,
}
