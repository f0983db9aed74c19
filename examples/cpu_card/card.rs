//! The card: in a file, or in a reader.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use cardwright::apdu::Transport;
use cardwright::apdu::trace::Tracing;
use cardwright_sim::{CpuCard, SimReader};

use crate::options::Options;
use crate::shared::card::{Meter, Metered, reader, software_card};

/// Opens the card.
pub(crate) fn open(options: &Options, seed: u64, meter: Arc<Meter>) -> Result<Metered, Box<dyn Error>> {
    let mut inner: Box<dyn Transport> = match &options.reader {
        Some(name) => reader(name)?,
        None => Box::new(cpu_card(options, seed)?),
    };
    if let Some(path) = &options.record {
        let file = File::create_new(path)
            .map_err(|error| format!("{}: {error}; a trace is not written over another file", path.display()))?;
        inner = Box::new(Tracing::new(inner, BufWriter::new(file)));
    }
    Ok(Metered { inner, meter, show: options.trace })
}

/// The software card, blank when it is made, with a serial number in its answer to reset.
fn cpu_card(options: &Options, seed: u64) -> Result<SimReader<CpuCard>, Box<dyn Error>> {
    let make = || CpuCard::builder().atr(&answer_to_reset(seed)).seed(seed).build();
    software_card(options.card_path(), make, &options.tear)
}

/// As readers make one of the answer to select of FMCOS 2.0: version, maker, serial number (general manual 3.1.2.8).
fn answer_to_reset(serial: u64) -> Vec<u8> {
    let mut atr = vec![0x3B, 0x8B, 0x80, 0x01, 0x20, 0x90, 0x00];
    atr.extend((serial | 1).to_be_bytes());
    atr.push(atr[1..].iter().fold(0, |check, byte| check ^ byte));
    atr
}
