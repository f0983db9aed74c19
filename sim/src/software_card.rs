//! What a reader and a file need of a card, whatever kind it is.

use crate::card::{JavaCard, LogEntry};
use crate::memory::Memory;

/// A card made of software, for a [`SimReader`](crate::SimReader) and a [`CardFile`](crate::CardFile).
///
/// It answers one command at a time and never fails: what is no command gets a status word too. The same card, the same
/// commands give the same bytes, also when the card comes back from its memory.
pub trait SoftwareCard: Sized + Send {
    /// First bytes of a file with such a card.
    const MAGIC: [u8; 8];
    /// Version of the memory's encoding that [`SoftwareCard::memory`] writes, from 1 on.
    const VERSION: u16;

    /// Resets the card: sessions end. Gives the ATR.
    fn reset(&mut self) -> Vec<u8>;

    /// Executes a command and gives the response: data, then SW1-SW2.
    fn process(&mut self, command: &[u8]) -> Vec<u8>;

    /// Executes a command and loses power while it writes: of what the command writes byte by byte, the first `written`
    /// bytes are in the memory. What a real card writes as a whole is as before. There is no response, and the card has
    /// to be reset.
    fn process_torn(&mut self, command: &[u8], written: usize);

    /// The non-volatile memory: all that outlives a reset.
    fn memory(&self) -> Vec<u8>;

    /// A card with this memory, fresh from a reset; `None` when the bytes are no memory of this version or an older one.
    fn restore(memory: &[u8], version: u16) -> Option<Self>;

    /// Takes what the log of executed commands holds.
    fn take_log(&mut self) -> Vec<LogEntry>;

    /// Switches the log on (as it is at first) or off, and empties it.
    fn set_log(&mut self, on: bool);
}

impl SoftwareCard for JavaCard {
    const MAGIC: [u8; 8] = *b"CWSIMJC\0";
    /// Version 1 had fewer secure channel protocols, version 2 no supplementary security domains; both are read.
    const VERSION: u16 = 3;

    fn reset(&mut self) -> Vec<u8> {
        Self::reset(self)
    }

    fn process(&mut self, command: &[u8]) -> Vec<u8> {
        Self::process(self, command)
    }

    /// Each command is one transaction of this card: a torn one leaves nothing.
    fn process_torn(&mut self, _: &[u8], _: usize) {}

    fn memory(&self) -> Vec<u8> {
        encode(&self.memory)
    }

    fn restore(memory: &[u8], _: u16) -> Option<Self> {
        minicbor::decode::<Memory>(memory).ok().map(Self::from_memory)
    }

    fn take_log(&mut self) -> Vec<LogEntry> {
        Self::take_log(self)
    }

    fn set_log(&mut self, on: bool) {
        Self::set_log(self, on);
    }
}

/// A memory in CBOR.
pub(crate) fn encode(memory: &impl minicbor::Encode<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail, so there is no error but one of the encoder, which these types do not raise.
    let Ok(()) = minicbor::encode(memory, &mut bytes) else { return bytes };
    bytes
}
