//! A reader with a card in it, which is a [`Transport`].

use cardwright_apdu::{Transport, TransportError, TransportErrorKind};

use crate::card::{JavaCard, LogEntry};
use crate::faults::{Fault, Faults};
use crate::software_card::SoftwareCard;
use crate::store::{CardFile, CardFileError};

/// A card in memory or in a file.
#[derive(Debug)]
pub enum Chip<C = JavaCard> {
    /// In memory.
    Memory(Box<C>),
    /// In a file.
    File(Box<CardFile<C>>),
}

impl<C: SoftwareCard> From<C> for Chip<C> {
    fn from(card: C) -> Self {
        Self::Memory(Box::new(card))
    }
}

impl<C: SoftwareCard> From<CardFile<C>> for Chip<C> {
    fn from(card: CardFile<C>) -> Self {
        Self::File(Box::new(card))
    }
}

impl<C: SoftwareCard> Chip<C> {
    /// The card.
    #[must_use]
    pub fn card(&self) -> &C {
        match self {
            Self::Memory(card) => card,
            Self::File(card) => card.card(),
        }
    }

    /// The log and nothing else: a command has to go through the file.
    fn card_mut(&mut self) -> &mut C {
        match self {
            Self::Memory(card) => card,
            Self::File(card) => card.card_mut(),
        }
    }

    fn process(&mut self, command: &[u8]) -> Result<Vec<u8>, CardFileError> {
        match self {
            Self::Memory(card) => Ok(card.process(command)),
            Self::File(card) => card.process(command),
        }
    }

    fn process_torn(&mut self, command: &[u8], written: usize) -> Result<(), CardFileError> {
        match self {
            Self::Memory(card) => {
                card.process_torn(command, written);
                Ok(())
            }
            Self::File(card) => card.process_torn(command, written),
        }
    }

    fn reset(&mut self) -> Vec<u8> {
        match self {
            Self::Memory(card) => card.reset(),
            Self::File(card) => card.reset(),
        }
    }
}

/// A reader with a software card in it, and a plan of faults.
///
/// Commands are counted from 1 since the reader was opened; what is sent while no card is in the reader does not
/// count.
#[derive(Debug)]
pub struct SimReader<C = JavaCard> {
    chip: Chip<C>,
    inserted: bool,
    faults: Faults<C>,
    commands: u64,
    swapped_out: Vec<Chip<C>>,
}

impl<C: SoftwareCard> SimReader<C> {
    /// A reader with this card in it, fresh from a reset.
    #[must_use]
    pub fn new(card: impl Into<Chip<C>>) -> Self {
        let mut chip = card.into();
        chip.reset();
        Self { chip, inserted: true, faults: Faults::none(), commands: 0, swapped_out: Vec::new() }
    }

    /// The same reader with these faults planned, in place of those planned before.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults<C>) -> Self {
        self.faults = faults;
        self
    }

    /// Plans one fault more; `command` counts from when the reader was opened.
    pub fn plan(&mut self, command: u64, fault: Fault<C>) {
        self.faults.plan(command, fault);
    }

    /// How many commands were sent, whether or not they reached the card.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// How many planned faults did not happen yet.
    #[must_use]
    pub fn pending_faults(&self) -> usize {
        self.faults.pending()
    }

    /// Whether a card is in the reader.
    #[must_use]
    pub fn is_inserted(&self) -> bool {
        self.inserted
    }

    /// Pulls the card out.
    pub fn remove(&mut self) {
        self.inserted = false;
    }

    /// Puts the card in again; it is reset.
    pub fn reinsert(&mut self) {
        self.chip.reset();
        self.inserted = true;
    }

    /// Puts another card in and gives the one before.
    pub fn replace(&mut self, card: impl Into<Chip<C>>) -> Chip<C> {
        let before = std::mem::replace(&mut self.chip, card.into());
        self.reinsert();
        before
    }

    /// The card, to look at.
    #[must_use]
    pub fn card(&self) -> &C {
        self.chip.card()
    }

    /// Takes what the card's log holds; see [`SoftwareCard::take_log`].
    pub fn take_log(&mut self) -> Vec<LogEntry> {
        self.chip.card_mut().take_log()
    }

    /// Switches the card's log on or off; see [`SoftwareCard::set_log`].
    pub fn set_log(&mut self, on: bool) {
        self.chip.card_mut().set_log(on);
    }

    /// Cards that were swapped against others, the first one first.
    #[must_use]
    pub fn swapped_out(&self) -> &[Chip<C>] {
        &self.swapped_out
    }

    /// Takes the card out for good.
    #[must_use]
    pub fn into_chip(self) -> Chip<C> {
        self.chip
    }

    fn execute(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.chip.process(command).map_err(failed)
    }
}

fn failed(error: CardFileError) -> TransportError {
    TransportError::unknown(TransportErrorKind::Other(error.to_string()))
}

impl<C: SoftwareCard> Transport for SimReader<C> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        response.clear();
        if !self.inserted {
            return Err(TransportError::not_sent(TransportErrorKind::NoCard));
        }
        self.commands += 1;
        let (swap, fault) = self.faults.take(self.commands);
        if let Some(card) = swap {
            let before = self.replace(*card);
            self.swapped_out.push(before);
        }
        let bytes = match fault {
            None => self.execute(command)?,
            Some(Fault::CutBefore) => {
                self.inserted = false;
                return Err(TransportError::unknown(TransportErrorKind::CardRemoved));
            }
            Some(Fault::CutAfter) => {
                self.inserted = false;
                self.execute(command)?;
                return Err(TransportError::unknown(TransportErrorKind::CardRemoved));
            }
            Some(Fault::CutWriting(written)) => {
                self.inserted = false;
                self.chip.process_torn(command, written).map_err(failed)?;
                return Err(TransportError::unknown(TransportErrorKind::CardRemoved));
            }
            Some(Fault::Status(sw)) => sw.0.to_be_bytes().to_vec(),
            Some(Fault::Respond(bytes)) => {
                self.execute(command)?;
                bytes
            }
            Some(Fault::FlipBit(bit)) => {
                let mut bytes = self.execute(command)?;
                let bit = bit % (8 * bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 0x80 >> (bit % 8);
                }
                bytes
            }
            // `Faults::take` gives swaps apart.
            Some(Fault::Swap(_)) => self.execute(command)?,
        };
        response.extend_from_slice(&bytes);
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        if self.inserted { Ok(self.chip.reset()) } else { Err(TransportError::not_sent(TransportErrorKind::NoCard)) }
    }
}
