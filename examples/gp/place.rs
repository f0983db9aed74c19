//! Where the card is: a reader, a network reader, a file, a recorded trace.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::time::Duration;

use cardwright::apdu::trace::{TraceFile, Tracing, command_in_words, response_in_words};
use cardwright::apdu::transport::Replay;
use cardwright::apdu::transport::vpcd::VirtualReader;
use cardwright::apdu::{CommandApduRef, ExchangeLimits, Instruction, Transport, TransportError, TransportErrorKind};
use cardwright_sim::{AesKeyLength, CardFile, JavaCard, SecureChannelProtocol, SimReader};

use crate::failure::{Exit, Failure};
use crate::options::{PlaceOptions, Scp};
use crate::relay;
use crate::stop;

/// How long to wait for a card.
const WAIT: Duration = Duration::from_secs(10);

/// Kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Software,
    Reader,
    Network,
    Relay,
    Trace,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Software => "software",
            Self::Reader => "reader",
            Self::Network => "network",
            Self::Relay => "relay",
            Self::Trace => "trace",
        }
    }
}

/// A card and where it is.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// Name of reader or file.
    pub(crate) name: String,
    pub(crate) card: Metered,
    /// Of a trace, what the host drew when it was recorded, and whether it asked the card first who it is.
    pub(crate) recorded: Option<Recorded>,
}

pub(crate) struct Recorded {
    pub(crate) challenges: Vec<[u8; 8]>,
    pub(crate) asked_first: bool,
}

/// Counts what goes over the wire, shows it on request, and lets nothing more go out after Ctrl-C.
pub(crate) struct Metered {
    inner: Box<dyn Transport>,
    verbose: bool,
    pub(crate) commands: u64,
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

impl Transport for Metered {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        if stop::is_requested() {
            return Err(TransportError::not_sent(TransportErrorKind::Other("ended by Ctrl-C".into())));
        }
        self.commands += 1;
        self.sent += command.len();
        stop::note_command(self.commands, CommandApduRef::parse(command).map_or("?", |command| command.name()));
        let result = Transport::transmit(&mut *self.inner, command, response);
        if result.is_ok() {
            self.received += response.len();
        }
        if self.verbose {
            let answer = match &result {
                Ok(()) => response_in_words(response),
                Err(error) => error.to_string(),
            };
            eprintln!("{:4}  {}  ->  {answer}", self.commands, command_in_words(command));
        }
        result
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Transport::reset(&mut *self.inner)
    }

    fn limits(&self) -> ExchangeLimits {
        self.inner.limits()
    }
}

/// The card that the options name.
pub(crate) fn open(options: &PlaceOptions, verbose: bool) -> Result<Place, Failure> {
    let (kind, name, inner): (_, _, Box<dyn Transport>) = match (&options.reader, &options.listen) {
        (Some(name), _) => {
            let (name, card) = reader(name)?;
            (Kind::Reader, name, card)
        }
        (_, Some(address)) => {
            let (name, reader) = network(address)?;
            (Kind::Network, name, Box::new(reader))
        }
        _ if options.relay.is_some() => {
            let card = relay::terminal(options)?;
            (Kind::Relay, format!("terminal {}", card.terminal()), Box::new(card))
        }
        _ => (Kind::Software, options.card.display().to_string(), Box::new(software(options)?)),
    };
    Ok(Place { kind, name, card: Metered::new(inner, verbose), recorded: None })
}

impl Metered {
    fn new(inner: Box<dyn Transport>, verbose: bool) -> Self {
        Self { inner, verbose, commands: 0, sent: 0, received: 0 }
    }

    /// Writes every exchange to a new file from here on.
    pub(crate) fn recording_to(mut self, path: &Path) -> Result<Self, Failure> {
        let file = File::create_new(path).map_err(|error| {
            Failure::file(
                format!("{}: {error}", path.display()),
                "a trace is not written over another file: name a new one",
            )
        })?;
        self.inner = Box::new(Tracing::new(self.inner, BufWriter::new(file)));
        Ok(self)
    }
}

/// A recorded trace in place of a card.
pub(crate) fn replay(path: &Path, verbose: bool) -> Result<Place, Failure> {
    let wrong = |words: String| Failure::file(format!("{}: {words}", path.display()), "gp trace record makes a trace");
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let trace = TraceFile::read(BufReader::new(file)).map_err(|error| wrong(error.to_string()))?;
    let mut challenges = Vec::new();
    let mut asked_first = false;
    for exchange in &trace.exchanges {
        match CommandApduRef::parse(&exchange.command) {
            Ok(command) if command.ins == Instruction::INITIALIZE_UPDATE => {
                let (halves, _) = command.data.as_chunks::<8>();
                challenges.extend([halves.first(), halves.get(1)].map(|half| half.copied().unwrap_or_default()));
            }
            Ok(command) if command.ins == Instruction::GET_DATA && challenges.is_empty() => asked_first = true,
            _ => {}
        }
    }
    let recorded = Some(Recorded { challenges, asked_first });
    let card = Metered::new(Box::new(Replay::new(trace)), verbose);
    Ok(Place { kind: Kind::Trace, name: path.display().to_string(), card, recorded })
}

/// The software card, made when it is not there.
fn software(options: &PlaceOptions) -> Result<SimReader, Failure> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::new(Exit::Other, error, "the machine has no random numbers"))?;
    let protocol = match options.scp {
        Scp::Scp02 => SecureChannelProtocol::Scp02 { i: 0x55 },
        Scp::Scp03 => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    let make = || JavaCard::builder().protocol(protocol).seed(u64::from_ne_bytes(seed)).build();
    let card = CardFile::open_or_create(&options.card, make);
    let next = "name another file with --card, or a reader with --reader";
    Ok(SimReader::new(card.map_err(|error| Failure::file(error, next))?))
}

/// This machine, where only a port is given.
pub(crate) fn with_host(address: &str) -> String {
    if address.contains(':') { address.to_owned() } else { format!("127.0.0.1:{address}") }
}

/// A virtual reader with the card in it that connects first.
fn network(address: &str) -> Result<(String, VirtualReader), Failure> {
    let whole = with_host(address);
    let next = "free the port, or name another one: --listen [ADDRESS:]PORT";
    let wrong = |error| Failure::new(Exit::NoCard, format!("--listen {address}: {error}"), next);
    let mut reader = VirtualReader::bind_to(&whole).map_err(wrong)?;
    let name = reader.local_addr().map_err(wrong)?.to_string();
    eprintln!("gp: waiting for a card at {name}");
    reader.wait_for_card(WAIT).map_err(Failure::of_kind)?;
    Ok((name, reader))
}

/// The readers of this machine.
#[cfg(feature = "pcsc")]
pub(crate) fn readers() -> Result<Vec<String>, Failure> {
    cardwright::apdu::transport::pcsc::readers().map_err(Failure::of_kind)
}

#[cfg(not(feature = "pcsc"))]
pub(crate) fn readers() -> Result<Vec<String>, Failure> {
    Err(without_readers())
}

#[cfg(not(feature = "pcsc"))]
fn without_readers() -> Failure {
    let next = "build it with --features pcsc (on Debian: libpcsclite-dev, pkg-config)";
    Failure::new(Exit::NoCard, "this program was built without readers", next)
}

/// The card in the one PC/SC reader that has this name, or has it in its name.
#[cfg(feature = "pcsc")]
fn reader(name: &str) -> Result<(String, Box<dyn Transport>), Failure> {
    use cardwright::apdu::transport::pcsc::{Options, PcscCard};

    let readers = readers()?;
    let part: Vec<_> = readers.iter().filter(|reader| reader.contains(name)).collect();
    let reader = match (readers.iter().find(|reader| *reader == name), &part[..]) {
        (Some(reader), _) => reader,
        (None, [reader]) => *reader,
        (None, _) if readers.is_empty() => {
            return Err(Failure::new(Exit::NoCard, "there is no reader", "plug one in, or leave --reader out"));
        }
        (None, _) => {
            let which = if part.is_empty() { "no reader has" } else { "more than one reader has" };
            let next = format!("there are: {}", readers.join("; "));
            return Err(Failure::new(Exit::NoCard, format!("{which} {name:?} in its name"), next));
        }
    };
    let options = Options { wait: WAIT, ..Options::default() };
    let card = PcscCard::connect(reader, options).map_err(Failure::of_kind)?;
    Ok((reader.clone(), Box::new(card)))
}

#[cfg(not(feature = "pcsc"))]
fn reader(_: &str) -> Result<(String, Box<dyn Transport>), Failure> {
    Err(without_readers())
}
