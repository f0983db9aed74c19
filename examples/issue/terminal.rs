//! The terminal's half: the software card in its reader. It relays, and knows nothing of keys or procedures.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, PipeReader, PipeWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cardwright::apdu::trace::{Tracing, command_in_words, response_in_words};
use cardwright::apdu::{Transport, TransportError};
use cardwright::relay::{RelayError, run_terminal};
use cardwright_sim::{CardFile, Fault, JavaCard, SimReader};

use crate::options::Options;

/// What went over the wire.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) commands: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
}

/// Counts what goes over the wire and, on request, shows it in words.
struct Metered<T> {
    inner: T,
    meter: Arc<Meter>,
    show: bool,
}

impl<T: Transport> Transport for Metered<T> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let number = self.meter.commands.fetch_add(1, Relaxed) + 1;
        self.meter.sent.fetch_add(command.len() as u64, Relaxed);
        let result = self.inner.transmit(command, response);
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
        self.inner.reset()
    }
}

/// Opens the card, or makes one, and gives the function that serves it.
pub(crate) fn open(
    options: &Options,
    seed: u64,
    meter: Arc<Meter>,
) -> Result<impl FnOnce(PipeReader, PipeWriter) -> Result<(), RelayError> + Send + use<>, Box<dyn Error>> {
    let make = || JavaCard::builder().protocol(options.scp.into()).seed(seed).build();
    let card = CardFile::open_or_create(options.card_path(), make)?;
    let mut reader = SimReader::new(card);
    if let Some(n) = options.cut {
        reader.plan(n, if options.executed { Fault::CutAfter } else { Fault::CutBefore });
    }
    let mut transport: Box<dyn Transport> = Box::new(Metered { inner: reader, meter, show: options.trace });
    if let Some(path) = &options.record {
        let file = File::create_new(path).map_err(|error| format!("{}: {error}", path.display()))?;
        transport = Box::new(Tracing::new(transport, BufWriter::new(file)));
    }
    Ok(move |input, output| run_terminal(input, output, &mut *transport))
}
