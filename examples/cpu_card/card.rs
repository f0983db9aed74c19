//! The card: in a file, or in a reader.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;

use cardwright::apdu::trace::{Tracing, command_in_words, response_in_words};
use cardwright::apdu::{ExchangeLimits, Transport, TransportError};
use cardwright_sim::{CardFile, CpuCard, Fault, SimReader};

use crate::options::Options;

/// Opens the card.
pub(crate) fn open(options: &Options, seed: u64) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    let mut card: Box<dyn Transport> = match &options.reader {
        Some(name) => reader(name)?,
        None => Box::new(software_card(options, seed)?),
    };
    if let Some(path) = &options.record {
        let file = File::create_new(path)
            .map_err(|error| format!("{}: {error}; a trace is not written over another file", path.display()))?;
        card = Box::new(Tracing::new(card, BufWriter::new(file)));
    }
    Ok(card)
}

/// Counts commands and, on request, shows them in words.
pub(crate) struct Metered<'c> {
    pub(crate) inner: &'c mut dyn Transport,
    pub(crate) commands: u64,
    pub(crate) show: bool,
}

impl Transport for Metered<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.commands += 1;
        let result = Transport::transmit(self.inner, command, response);
        if self.show {
            let answer = match &result {
                Ok(()) => response_in_words(response),
                Err(error) => error.to_string(),
            };
            eprintln!("{:4}  {}  ->  {answer}", self.commands, command_in_words(command));
        }
        result
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Transport::reset(self.inner)
    }

    fn limits(&self) -> ExchangeLimits {
        self.inner.limits()
    }
}

/// The software card, blank when it is made, with a serial number in its answer to reset.
fn software_card(options: &Options, seed: u64) -> Result<SimReader<CpuCard>, Box<dyn Error>> {
    let make = || CpuCard::builder().atr(&answer_to_reset(seed)).seed(seed).build();
    let mut reader = SimReader::new(CardFile::open_or_create(options.card_path(), make)?);
    if let Some(n) = options.cut {
        reader.plan(n, if options.executed { Fault::CutAfter } else { Fault::CutBefore });
    }
    Ok(reader)
}

/// As readers make one of the answer to select of FMCOS 2.0: version, maker, serial number (general manual 3.1.2.8).
fn answer_to_reset(serial: u64) -> Vec<u8> {
    let mut atr = vec![0x3B, 0x8B, 0x80, 0x01, 0x20, 0x90, 0x00];
    atr.extend((serial | 1).to_be_bytes());
    atr.push(atr[1..].iter().fold(0, |check, byte| check ^ byte));
    atr
}

/// The card in the one PC/SC reader that has this name, or has it in its name.
#[cfg(feature = "pcsc")]
fn reader(name: &str) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    use std::time::Duration;

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
    let options = Options { wait: Duration::from_secs(10), ..Options::default() };
    let card = PcscCard::connect(reader, options).map_err(|error| format!("{reader}: {error}"))?;
    Ok(Box::new(card))
}

#[cfg(not(feature = "pcsc"))]
fn reader(_: &str) -> Result<Box<dyn Transport>, Box<dyn Error>> {
    Err("this program was built without readers: build it with --features pcsc (on Linux: libpcsclite-dev, pkg-config)"
        .into())
}
