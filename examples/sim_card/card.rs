//! The card: a software USIM in a file, or one in a reader.

use std::error::Error;
use std::sync::Arc;

use cardwright_sim::{SimReader, Usim};

use crate::options::Options;
use crate::shared::card::{Meter, Metered, reader, software_card};

/// OPc of test set 1 of 3GPP TS 35.208, with which cards are made whose files have no place for it.
const OPC: u128 = 0xCD63_CB71_954A_9F4E_48A5_994E_37A0_2BAF;

/// The card that the options name.
pub(crate) fn open(options: &Options, meter: Arc<Meter>) -> Result<Metered, Box<dyn Error>> {
    let inner = match &options.reader {
        Some(name) => reader(name)?,
        None => Box::new(usim(options)?),
    };
    Ok(Metered { inner, meter, show: options.trace })
}

/// The software card, made blank when it is not there.
fn usim(options: &Options) -> Result<SimReader<Usim>, Box<dyn Error>> {
    let style = options.style().unwrap_or_default();
    let make = || Usim::builder().style(style).milenage([0xFF; 16], OPC.to_be_bytes()).build();
    software_card(options.card_path(), make, &options.tear)
}
