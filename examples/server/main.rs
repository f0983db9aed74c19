//! The server of remote issuing: it decides what goes to the cards of its terminals, many at a time, and records every step.
//!
//! ```text
//! server --new-identity server.key > server.pin       # goes to the terminals
//! terminal --new-identity kiosk.key --name kiosk-1 > terminals.txt
//! server
//! terminal --server 127.0.0.1:7816
//! ```

#[path = "../remote_issuing/identity.rs"]
mod identity;
#[path = "../remote_issuing/order.rs"]
mod order;

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cardwright::apdu::TransportErrorKind;
use cardwright::issuance::Driver;
use cardwright::issuance::job::JobError;
use cardwright::issuance::remote::{self, IssueError, Order, Outcome};
use cardwright::issuance::store::{SqliteStore, StoreError};
use cardwright::keys::SoftwareKeys;
use cardwright::relay::{ChannelLimits, RelayNotice, RelayServer, Roster, SealedCard, ServerLimits};
use clap::Parser;

/// Runs of one card in one session: a reader that breaks off is tried again.
const RUNS: u32 = 10;
/// Before a card is tried again of which an earlier session wrote something last.
const PAUSE: Duration = Duration::from_millis(300);

/// Issues cards at enrolled terminals over the network, with published test keys.
#[derive(Debug, Parser)]
#[command(name = "server", version)]
struct Options {
    /// Where terminals connect.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7816")]
    listen: SocketAddr,

    /// The server's identity key; terminals pin its public half.
    #[arg(long, value_name = "FILE", default_value = "server.key")]
    identity: PathBuf,

    /// Enrolled terminals, one a line: name, public key, admitted, suspended or revoked.
    #[arg(long, value_name = "FILE", default_value = "terminals.txt")]
    roster: PathBuf,

    /// The record of every step; made when it is not there.
    #[arg(long, value_name = "FILE", default_value = "server.journal")]
    journal: PathBuf,

    /// Applications on each card.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=i64::from(order::MAX_APPLICATIONS)))]
    apps: u8,

    /// Ends when no terminal was there for so many seconds.
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u64>,

    /// How long a session waits for its terminal, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value = "30000")]
    grace: u64,

    /// Makes an identity key, prints its public half, and does nothing else.
    #[arg(long, value_name = "FILE", exclusive = true)]
    new_identity: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What came of the cards.
#[derive(Default)]
struct Tally {
    complete: AtomicU64,
    interrupted: AtomicU64,
    failed: AtomicU64,
}

/// What a session needs to issue a card.
struct Desk {
    order: Order,
    keys: SoftwareKeys,
    store: SqliteStore,
    tally: Tally,
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    if let Some(path) = &options.new_identity {
        println!("{}", identity::create(path)?);
        return Ok(ExitCode::SUCCESS);
    }
    let identity = identity::read(&options.identity)?;
    let roster = options.roster.display();
    let text = fs::read_to_string(&options.roster).map_err(|error| format!("{roster}: {error}"))?;
    let roster = Roster::parse(&text).map_err(|error| format!("{roster}: {error}"))?;
    let (order, keys) = (order::order(options.apps)?, order::test_keys()?);
    let store = SqliteStore::open(&options.journal)?;
    let desk = Arc::new(Desk { order, keys, store, tally: Tally::default() });

    let limits = ServerLimits {
        channel: ChannelLimits { grace_ms: options.grace, ..ChannelLimits::default() },
        ..ServerLimits::default()
    };
    let server = Arc::new(RelayServer::new(identity, roster, limits, show));
    let listener = TcpListener::bind(options.listen).map_err(|error| format!("{}: {error}", options.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    if let Some(seconds) = options.idle {
        let server = Arc::clone(&server);
        std::thread::spawn(move || wait_until_idle(&server, address, Duration::from_secs(seconds)));
    }
    let serving = Arc::clone(&desk);
    server.run(&listener, move |card| serving.issue(card))?;

    let count = |number: &AtomicU64| number.load(SeqCst);
    let tally = &desk.tally;
    println!(
        "{} complete, {} interrupted, {} not issued",
        count(&tally.complete),
        count(&tally.interrupted),
        count(&tally.failed)
    );
    Ok(if count(&tally.failed) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Desk {
    /// Issues one card, or finds that it is complete.
    fn issue(&self, mut card: SealedCard) {
        let who = format!("{} reader {}", card.terminal(), card.stay().slot);
        for _ in 0..RUNS {
            match self.run(&mut card) {
                Ok(Outcome::Complete(report)) => {
                    self.tally.complete.fetch_add(1, SeqCst);
                    let done = if report.changed { "issued" } else { "was complete" };
                    println!("{who}: {} {done}", report.card.identity);
                    return;
                }
                Ok(Outcome::Interrupted(during)) => {
                    println!("{who}: interrupted at {}: {}", during.command, during.kind);
                    if during.kind == TransportErrorKind::LineLost || during.kind == TransportErrorKind::CardRemoved {
                        break;
                    }
                }
                Ok(Outcome::Quarantined { step, reason }) => {
                    println!("{who}: step {step} waits for a person: {reason}");
                    self.tally.failed.fetch_add(1, SeqCst);
                    return;
                }
                Ok(_) => {}
                // A terminal that was killed offers its card in another reader, and the session before has not ended yet.
                Err(error) if is_conflict(&*error) => std::thread::sleep(PAUSE),
                Err(error) => {
                    println!("{who}: not issued: {error}");
                    self.tally.failed.fetch_add(1, SeqCst);
                    return;
                }
            }
        }
        self.tally.interrupted.fetch_add(1, SeqCst);
    }

    fn run(&self, card: &mut SealedCard) -> Result<Outcome<remote::Report>, Box<dyn Error>> {
        let (mut store, mut keys, mut no_random) = (self.store.clone(), self.keys.clone(), None);
        let outcome = Driver {
            card,
            keys: &mut keys,
            store: &mut store,
            clock: &mut now,
            random: &mut || {
                let mut bytes = [0; 8];
                if let Err(error) = getrandom::fill(&mut bytes) {
                    no_random = Some(error);
                }
                bytes
            },
            notice: &mut |_| {},
        }
        .run(remote::issue(self.order.clone()))?;
        match no_random {
            Some(error) => Err(error.into()),
            None => Ok(outcome?),
        }
    }
}

/// Whether another session wrote to the card's record meanwhile: it is read anew then.
fn is_conflict(error: &(dyn Error + 'static)) -> bool {
    use IssueError::{Job, Store};
    matches!(
        error.downcast_ref(),
        Some(Store(StoreError::Conflict { .. }) | Job(JobError::Store(StoreError::Conflict { .. })))
    )
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn show(notice: RelayNotice) {
    match notice {
        RelayNotice::Opened { terminal, session, epoch } => eprintln!("{terminal}: {session:?}, line {epoch}"),
        RelayNotice::Refused { peer, error } => eprintln!("ALARM {peer}: refused: {error}"),
        RelayNotice::LineLost { terminal, session, error } => eprintln!("{terminal}: {session:?}: line lost: {error}"),
        RelayNotice::Evicted { terminal, session } => {
            eprintln!("{terminal}: {session:?} is over: the terminal began anew")
        }
        _ => {}
    }
}

fn wait_until_idle(server: &RelayServer, address: SocketAddr, idle: Duration) {
    let mut last = Instant::now();
    while last.elapsed() < idle {
        std::thread::sleep(Duration::from_millis(50));
        if server.sessions() > 0 || server.lines() > 0 {
            last = Instant::now();
        }
    }
    server.stop(address);
}
