//! Remote issuing as a whole: a server that drives many cards at once, terminals that only relay, a network and cards that break, usage
//! records and deletions; in the end a checker looks at the cards.
//!
//! ```text
//! remote_issuing --cards 200 --apps 3 --faults
//! remote_issuing query CARD
//! ```

mod check;
mod office;
mod order;
mod outside;
mod wire;

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cardwright::issuance::CardIdentity;
use cardwright::issuance::remote;
use cardwright::issuance::store::{Journal, SqliteStore};
use cardwright::relay::{ChannelLimits, Identity, RelayServer, Roster, ServerLimits};
use clap::{Parser, Subcommand, ValueEnum};

use crate::office::Office;
use crate::outside::Outside;
use crate::wire::Wire;

/// Issues many software cards over a real network, with published test keys, and checks them.
#[derive(Debug, Parser)]
#[command(
    name = "remote_issuing",
    version,
    after_help = "Exit status: 0 all is right; 1 something is not, or an error."
)]
struct Options {
    #[command(subcommand)]
    query: Option<Query>,

    /// How many cards.
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    cards: u32,

    /// Applications on each card.
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u8).range(1..=i64::from(order::MAX_APPLICATIONS)))]
    apps: u8,

    /// Readers that work at the same time.
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u8).range(1..=64))]
    readers: u8,

    /// Cards are torn out and lines break.
    #[arg(long)]
    faults: bool,

    /// The same faults each time.
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,

    /// Does something wrong, which the check at the end has to find.
    #[arg(long, value_enum, hide = true)]
    sabotage: Option<Sabotage>,

    /// The record of every step; must not be there.
    #[arg(long, value_name = "FILE", default_value = "remote_issuing.journal", global = true)]
    journal: PathBuf,
}

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sabotage {
    /// Every purse is taken for empty and settled.
    Ledger,
    /// Reports of uses are dropped.
    Reports,
    /// Two keys of an application change places.
    Keys,
    /// A card is given up when it is torn out.
    Tears,
}

#[derive(Debug, Subcommand)]
enum Query {
    /// Tells what is installed, issued and used on a card, as the record knows it.
    Query {
        /// The card's identity, as a run prints it.
        card: String,
    },
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.query {
        Some(Query::Query { card }) => query(&options.journal, card),
        None => run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("remote_issuing: {error}");
        ExitCode::FAILURE
    })
}

fn query(journal: &Path, name: &str) -> Result<ExitCode, Box<dyn Error>> {
    let card = name.split_once('-').and_then(|(kind, number)| CardIdentity::of_native(kind, number));
    let card = card.ok_or("a card is named as a run prints it: cplc-..., or another kind and its number")?;
    let reader = SqliteStore::open_read_only(journal)?;
    if reader.history(&card.entity()?)?.is_empty() {
        return Err(format!("{}: no card {card}", journal.display()).into());
    }
    println!("{card}");
    for number in 1..=order::MAX_APPLICATIONS {
        let application = order::application(number)?;
        if let Some(status) = remote::recorded_status(&reader, &card, &application)? {
            println!("  {application}  {status}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let journal = options.journal.display();
    if options.journal.exists() {
        return Err(format!("{journal} is there: its cards are gone. Delete it, or name another with --journal").into());
    }
    let outside = Arc::new(Outside::new(options.cards, options.apps, options.faults, options.seed));
    let store = SqliteStore::open(&options.journal)?;
    let office = Arc::new(Office::new(store.clone(), options.apps, Arc::clone(&outside), options.sabotage)?);

    // Both sides have each other's public key from somebody whom they trust.
    let (server_key, terminal_key) = (secret()?, secret()?);
    let roster = format!("terminal {} admitted", Identity::new(&terminal_key).public_key());
    let limits = ServerLimits {
        channel: ChannelLimits { heartbeat_ms: 1_000, grace_ms: 5_000, command_ms: 20_000 },
        ..ServerLimits::default()
    };
    let noticing = Arc::clone(&office);
    let notify = move |notice| noticing.heard(&notice);
    let server = RelayServer::new(Identity::new(&server_key), Roster::parse(&roster)?, limits, notify);
    let server = Arc::new(server);
    let pinned = Identity::new(&server_key).public_key();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (running, serving) = (Arc::clone(&server), Arc::clone(&office));
    let listening = std::thread::spawn(move || running.run(&listener, move |card| serving.serve(card)));

    let wire = Wire::new(address, options.faults.then_some(options.seed))?;
    let begun = std::time::Instant::now();
    let chips = outside.work(options.readers, wire.address, &terminal_key, pinned)?;
    let time = begun.elapsed();
    server.stop(address);
    listening.join().map_err(|_| "the server ended in a panic")??;

    office.print(&outside, time, wire.cuts());
    println!("record: {journal} ({} entries)", store.head()?.seq);
    if let Some(chip) = chips.first() {
        println!(
            "ask:    remote_issuing query {} --journal {journal}",
            office.identity_of(chip.number).unwrap_or_default()
        );
    }
    let violations = check::check(&outside, &chips, options.apps, |number, application| {
        let card = office.identity_of(number).and_then(|name| {
            let (kind, number) = name.split_once('-')?;
            CardIdentity::of_native(kind, number)
        });
        let status = card.map(|card| remote::recorded_status(&store, &card, &application));
        Ok(status.transpose()?.flatten())
    })?;
    violations.iter().take(20).for_each(|violation| println!("VIOLATION {violation}"));
    println!("{} violations", violations.len());
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn secret() -> Result<[u8; 32], getrandom::Error> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    Ok(secret)
}
