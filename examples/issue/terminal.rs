//! The terminal's half: a card in its reader. It relays, and knows nothing of keys or procedures.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, PipeReader, PipeWriter};
use std::sync::Arc;
use std::time::Duration;

use cardwright::apdu::Transport;
use cardwright::apdu::trace::Tracing;
use cardwright::apdu::transport::vpcd::VirtualReader;
use cardwright::gp::CardProfile;
use cardwright::relay::{RelayError, run_terminal};
use cardwright_sim::{JavaCard, SimReader};

use crate::options::{Options, Scp};
use crate::shared::card::{Meter, Metered, reader, software_card};

/// Opens the card and gives the function that serves it.
pub(crate) fn open(
    options: &Options,
    seed: u64,
    meter: Arc<Meter>,
) -> Result<impl FnOnce(PipeReader, PipeWriter) -> Result<(), RelayError> + Send + use<>, Box<dyn Error>> {
    let inner = match (&options.reader, options.listen) {
        (Some(name), _) => reader(name)?,
        (_, Some(port)) => Box::new(virtual_reader(port)?),
        _ => Box::new(java_card(options, seed)?),
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
fn java_card(options: &Options, seed: u64) -> Result<SimReader, Box<dyn Error>> {
    let make = || JavaCard::builder().protocol(options.scp.unwrap_or(Scp::Scp03).into()).seed(seed).build();
    software_card(options.card_path(), make, &options.tear)
}

/// A virtual reader with the card in it that connects first.
fn virtual_reader(port: u16) -> Result<VirtualReader, Box<dyn Error>> {
    let mut reader = VirtualReader::bind(port).map_err(|error| format!("port {port}: {error}"))?;
    println!("waiting for a card at {}", reader.local_addr()?);
    reader.wait_for_card(Duration::from_secs(10))?;
    Ok(reader)
}
