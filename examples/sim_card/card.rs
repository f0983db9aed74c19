//! The card: a software USIM in a file, or one in a reader.

use std::error::Error;
#[cfg(feature = "pcsc")]
use std::time::Duration;

use cardwright::apdu::trace::{command_in_words, response_in_words};
use cardwright::apdu::{ExchangeLimits, Transport, TransportError};
use cardwright_sim::{CardFile, Fault, SimReader, Usim};

use crate::options::Options;

/// How long to wait for a card.
#[cfg(feature = "pcsc")]
const WAIT: Duration = Duration::from_secs(10);

/// OPc of test set 1 of 3GPP TS 35.208, with which cards are made whose files have no place for it.
const OPC: u128 = 0xCD63_CB71_954A_9F4E_48A5_994E_37A0_2BAF;

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    pub(crate) commands: u64,
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

/// Counts what goes over the wire and, on request, shows it in words.
pub(crate) struct Metered {
    inner: Box<dyn Transport>,
    pub(crate) meter: Meter,
    show: bool,
}

impl Transport for Metered {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.meter.commands += 1;
        self.meter.sent += command.len();
        let result = Transport::transmit(&mut *self.inner, command, response);
        if result.is_ok() {
            self.meter.received += response.len();
        }
        if self.show {
            let answer = match &result {
                Ok(()) => response_in_words(response),
                Err(error) => error.to_string(),
            };
            eprintln!("{:4}  {}  ->  {answer}", self.meter.commands, command_in_words(command));
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
pub(crate) fn open(options: &Options) -> Result<Metered, Box<dyn Error>> {
    let inner = match &options.reader {
        Some(name) => reader(name)?,
        None => Box::new(software_card(options)?),
    };
    Ok(Metered { inner, meter: Meter::default(), show: options.trace })
}

/// The software card, made blank when it is not there.
fn software_card(options: &Options) -> Result<SimReader<Usim>, Box<dyn Error>> {
    let style = options.style().unwrap_or_default();
    let make = || Usim::builder().style(style).milenage([0xFF; 16], OPC.to_be_bytes()).build();
    let mut reader = SimReader::new(CardFile::open_or_create(options.card_path(), make)?);
    if let Some(n) = options.cut {
        reader.plan(n, if options.executed { Fault::CutAfter } else { Fault::CutBefore });
    }
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
