//! A terminal of remote issuing: it carries commands to its cards, and knows nothing of keys or procedures.
//!
//! Software cards wait in a folder as blanks in a hopper; a card that the server is done with goes to the folder `done` in it. A
//! terminal that is killed begins again with the card that it had.

#[path = "../remote_issuing/identity.rs"]
mod identity;
#[path = "../shared/mod.rs"]
#[allow(dead_code, reason = "what programs with a card of their own share, and a terminal in part")]
mod shared;

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cardwright::apdu::Transport;
use cardwright::relay::{PublicKey, Stay, TerminalClient, TerminalLimits};
use cardwright_sim::{AesKeyLength, CardFile, JavaCard, SecureChannelProtocol, SimReader};
use clap::Parser;

/// Serves cards to a server over the network.
#[derive(Debug, Parser)]
#[command(name = "terminal", version)]
struct Options {
    /// The server.
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "new_identity")]
    server: Option<String>,

    /// The terminal's identity key; the server has its public half in its list of terminals.
    #[arg(long, value_name = "FILE", default_value = "kiosk.key")]
    identity: PathBuf,

    /// The server's public key.
    #[arg(long, value_name = "FILE", default_value = "server.pin")]
    pin: PathBuf,

    /// The card in the PC/SC reader with this name, or a part of it, in place of software cards. Its keys are replaced.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["cards", "count", "slots"])]
    reader: Option<String>,

    /// Folder with the software cards.
    #[arg(long, value_name = "FOLDER", default_value = "cards")]
    cards: PathBuf,

    /// How many software cards there are in all: those that are missing are made, every other one with SCP02.
    #[arg(long, value_name = "N", default_value = "1")]
    count: u32,

    /// Readers that work at the same time.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    slots: u8,

    /// How long to try to reach the server, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    give_up: u64,

    /// Makes an identity key, prints the line for the server's list of terminals, and does nothing else.
    #[arg(long, value_name = "FILE", requires = "name", conflicts_with = "server")]
    new_identity: Option<PathBuf>,

    /// Name of the new terminal.
    #[arg(long, value_name = "NAME", requires = "new_identity")]
    name: Option<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("terminal: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    if let (Some(path), Some(name)) = (&options.new_identity, &options.name) {
        if name.is_empty() || name.contains(|letter: char| letter.is_whitespace() || letter == '#') {
            return Err("a name is one word without #".into());
        }
        println!("{name} {} admitted", identity::create(path)?);
        return Ok(ExitCode::SUCCESS);
    }
    let terminal = Desk::new(options)?;
    if let Some(name) = &options.reader {
        let mut card = shared::card::reader(name)?;
        terminal.serve(0, &mut card).map_err(|error| -> Box<dyn Error> { error })?;
        println!("done");
        return Ok(ExitCode::SUCCESS);
    }
    let hopper = Hopper::new(&options.cards, options.count)?;
    let results: Vec<_> = std::thread::scope(|scope| {
        let slots: Vec<_> = (0..options.slots)
            .map(|slot| {
                scope.spawn({
                    let (terminal, hopper) = (&terminal, &hopper);
                    move || hopper.work(terminal, slot)
                })
            })
            .collect();
        slots.into_iter().map(|slot| slot.join().unwrap_or_else(|_| Err("a reader ended in a panic".into()))).collect()
    });
    let mut code = ExitCode::SUCCESS;
    let mut served = 0;
    for result in results {
        match result {
            Ok(cards) => served += cards,
            Err(error) => {
                eprintln!("terminal: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    println!("{served} cards served");
    Ok(code)
}

/// The line to the server.
struct Desk {
    client: TerminalClient,
    server: SocketAddr,
}

impl Desk {
    fn new(options: &Options) -> Result<Self, Box<dyn Error>> {
        let identity = identity::read(&options.identity)?;
        let pin = options.pin.display();
        let text = fs::read_to_string(&options.pin).map_err(|error| format!("{pin}: {error}"))?;
        let pinned: PublicKey = text.trim().parse().map_err(|error| format!("{pin}: {error}"))?;
        let name = options.server.as_deref().unwrap_or_default();
        let server = name.to_socket_addrs().map_err(|error| format!("{name}: {error}"))?.next();
        let server = server.ok_or_else(|| format!("{name}: no such server"))?;
        let limits = TerminalLimits { give_up: Duration::from_secs(options.give_up), ..TerminalLimits::default() };
        Ok(Self { client: TerminalClient::new(identity, vec![pinned], limits), server })
    }

    /// Serves the card until the server is done with it.
    fn serve(&self, slot: u8, card: &mut dyn Transport) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut insertion = [0; 8];
        getrandom::fill(&mut insertion)?;
        let stay = Stay { slot, insertion, atr: card.reset()? };
        self.client.serve(self.server, &stay, card, |error| eprintln!("reader {slot}: {error}"))?;
        Ok(())
    }
}

/// Cards that wait, as files.
struct Hopper {
    folder: PathBuf,
    waiting: Mutex<VecDeque<u32>>,
}

impl Hopper {
    fn new(folder: &Path, count: u32) -> Result<Self, Box<dyn Error>> {
        let done = folder.join("done");
        fs::create_dir_all(&done).map_err(|error| format!("{}: {error}", done.display()))?;
        let hopper = Self { folder: folder.to_owned(), waiting: Mutex::default() };
        let waiting = (1..=count).filter(|number| !hopper.done(*number).exists()).collect();
        Ok(Self { waiting: Mutex::new(waiting), ..hopper })
    }

    fn card(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:04}.card"))
    }

    fn done(&self, number: u32) -> PathBuf {
        self.folder.join("done").join(format!("{number:04}.card"))
    }

    /// Serves cards until there is none; gives how many.
    fn work(&self, desk: &Desk, slot: u8) -> Result<u32, Box<dyn Error + Send + Sync>> {
        let mut served = 0;
        loop {
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(number) = next else { return Ok(served) };
            let card = CardFile::open_or_create(self.card(number), || blank(number))?;
            desk.serve(slot, &mut SimReader::new(card))?;
            fs::rename(self.card(number), self.done(number))?;
            served += 1;
        }
    }
}

fn blank(number: u32) -> JavaCard {
    let protocol = match number % 2 {
        0 => SecureChannelProtocol::Scp02 { i: 0x55 },
        _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    JavaCard::builder().protocol(protocol).seed(number.into()).build()
}
