//! The card: a software card in a file, or one in a reader.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cardwright::apdu::trace::{command_in_words, response_in_words};
use cardwright::apdu::{ByteCount, ExchangeLimits, Transport, TransportError};
use cardwright_sim::{CardFile, Fault, SimReader, SoftwareCard};

use super::options::Tear;

/// What went over the wire.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    commands: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Meter {
    pub(crate) fn commands(&self) -> u64 {
        self.commands.load(Relaxed)
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |count: &AtomicU64| ByteCount(count.load(Relaxed) as usize);
        write!(f, "{} commands, {} to the card, {} from it", self.commands(), bytes(&self.sent), bytes(&self.received))
    }
}

/// Counts what goes over the wire and, on request, shows it in words.
pub(crate) struct Metered {
    pub(crate) inner: Box<dyn Transport>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) show: bool,
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

/// The software card in a file, made when it is not there, and torn out as `tear` says.
pub(crate) fn software_card<C: SoftwareCard>(
    path: PathBuf,
    make: impl FnOnce() -> C,
    tear: &Tear,
) -> Result<SimReader<C>, Box<dyn Error>> {
    let mut reader = SimReader::new(CardFile::open_or_create(path, make)?);
    if let Some(n) = tear.cut {
        reader.plan(n, if tear.executed { Fault::CutAfter } else { Fault::CutBefore });
    }
    Ok(reader)
}

/// The card in the one PC/SC reader that has this name, or has it in its name.
#[cfg(feature = "pcsc")]
pub(crate) fn reader(name: &str) -> Result<Box<dyn Transport>, Box<dyn Error>> {
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
    let options = Options { wait: std::time::Duration::from_secs(10), ..Options::default() };
    let card = PcscCard::connect(reader, options).map_err(|error| format!("{reader}: {error}"))?;
    Ok(Box::new(card))
}

#[cfg(not(feature = "pcsc"))]
pub(crate) fn reader(_: &str) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    Err("this program was built without readers: build it with --features pcsc (on Linux: libpcsclite-dev, pkg-config)"
        .into())
}
