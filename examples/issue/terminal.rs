//! The terminal's half: a card in its reader. It relays, and knows nothing of keys or procedures.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, PipeReader, PipeWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cardwright::apdu::trace::{Tracing, command_in_words, response_in_words};
use cardwright::apdu::transport::vpcd::VirtualReader;
use cardwright::apdu::{ExchangeLimits, Transport, TransportError};
use cardwright::gp::CardProfile;
use cardwright::relay::{RelayError, run_terminal};
use cardwright_sim::{CardFile, Fault, JavaCard, SimReader};

use crate::options::{Options, Scp};

/// How long to wait for a card.
const WAIT: Duration = Duration::from_secs(10);

/// What went over the wire.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) commands: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// Counts what goes over the wire and, on request, shows it in words.
struct Metered {
    inner: Box<dyn Transport>,
    meter: Arc<Meter>,
    show: bool,
}

impl Transport for Metered {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let number = self.meter.commands.fetch_add(1, Relaxed) + 1;
        self.meter.sent.fetch_add(command.len() as u64, Relaxed);
        let result = Transport::transmit(&mut *self.inner, command, response);
        if result.is_ok() {
            self.meter.received.fetch_add(response.len() as u64, Relaxed);
        }
        if self.show {
            let answer = match &result {
                Ok(()) => response_in_words(response),
                Err(error) => error.to_string(),
            };
            eprintln!("{number:4}  {}  ->  {answer}", command_in_words(command));
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

/// Opens the card and gives the function that serves it.
pub(crate) fn open(
    options: &Options,
    seed: u64,
    meter: Arc<Meter>,
) -> Result<impl FnOnce(PipeReader, PipeWriter) -> Result<(), RelayError> + Send + use<>, Box<dyn Error>> {
    let inner = match (&options.reader, options.listen) {
        (Some(name), _) => reader(name)?,
        (_, Some(port)) => Box::new(virtual_reader(port)?),
        _ => Box::new(software_card(options, seed)?),
    };
    let mut transport: Box<dyn Transport> = Box::new(Metered { inner, meter, show: options.trace });
    if let Some(path) = &options.record {
        let file = File::create_new(path)
            .map_err(|error| format!("{}: {error}; a trace is not written over another file", path.display()))?;
        let mut tracing = Tracing::new(transport, BufWriter::new(file));
        let profile = options.card_profile()?;
        if profile != CardProfile::standard() {
            tracing = tracing.with_profile(profile.to_string());
        }
        transport = Box::new(tracing);
    }
    Ok(move |input, output| run_terminal(input, output, &mut *transport))
}

/// The software card, made when it is not there.
fn software_card(options: &Options, seed: u64) -> Result<SimReader, Box<dyn Error>> {
    let make = || JavaCard::builder().protocol(options.scp.unwrap_or(Scp::Scp03).into()).seed(seed).build();
    let mut reader = SimReader::new(CardFile::open_or_create(options.card_path(), make)?);
    if let Some(n) = options.cut {
        reader.plan(n, if options.executed { Fault::CutAfter } else { Fault::CutBefore });
    }
    Ok(reader)
}

/// A virtual reader with the card in it that connects first.
fn virtual_reader(port: u16) -> Result<VirtualReader, Box<dyn Error>> {
    let mut reader = VirtualReader::bind(port).map_err(|error| format!("port {port}: {error}"))?;
    println!("waiting for a card at {}", reader.local_addr()?);
    reader.wait_for_card(WAIT)?;
    Ok(reader)
}

/// The card in the one PC/SC reader that has this name, or has it in its name.
#[cfg(feature = "pcsc")]
fn reader(name: &str) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    use cardwright::apdu::transport::pcsc::{Options, PcscCard, readers};

    let readers = readers()?;
    let part: Vec<_> = readers.iter().filter(|reader| reader.contains(name)).collect();
    let reader = match (readers.iter().find(|reader| *reader == name), &part[..]) {
        (Some(reader), _) => reader,
        (None, [reader]) => *reader,
        (None, _) if readers.is_empty() => return Err("there is no reader: plug one in".into()),
        (None, _) => {
            let which = if part.is_empty() { "no reader has" } else { "more than one reader has" };
            return Err(format!("{which} {name:?} in its name; there are:\n  {}", readers.join("\n  ")).into());
        }
    };
    let options = Options { wait: WAIT, ..Options::default() };
    let card = PcscCard::connect(reader, options).map_err(|error| format!("{reader}: {error}"))?;
    Ok(Box::new(card))
}

#[cfg(not(feature = "pcsc"))]
fn reader(_: &str) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    Err("this program was built without readers: build it with --features pcsc (on Linux: libpcsclite-dev, pkg-config)"
        .into())
}
