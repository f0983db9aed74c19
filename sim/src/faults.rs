//! What may go wrong at a command, planned ahead.

use cardwright_apdu::StatusWord;

use crate::card::JavaCard;

/// Something that goes wrong at one command.
#[derive(Debug)]
pub enum Fault<C = JavaCard> {
    /// The card is pulled out before it gets the command: nothing is executed, and the host cannot know that.
    CutBefore,
    /// The card is pulled out after it executed the command: the response is lost.
    CutAfter,
    /// The card is pulled out while it writes: of what the command writes byte by byte, so many bytes are in the memory.
    /// What a real card writes as a whole is as before ([`SoftwareCard::process_torn`](crate::SoftwareCard::process_torn)).
    CutWriting(usize),
    /// The command is not executed; the host gets this status word.
    Status(StatusWord),
    /// The command is executed; the host gets these bytes instead of the response.
    Respond(Vec<u8>),
    /// The command is executed; this bit of the response is flipped on the way, counted from the first bit on and from
    /// the start again past the end.
    FlipBit(usize),
    /// Another card lies in the reader when the command comes; it is fresh from a reset, and the host is not told.
    Swap(Box<C>),
}

/// Faults by the number of the command that they happen at, counted from 1 since the reader was opened.
#[derive(Debug)]
pub struct Faults<C = JavaCard> {
    planned: Vec<(u64, Fault<C>)>,
}

impl<C> Default for Faults<C> {
    fn default() -> Self {
        Self { planned: Vec::new() }
    }
}

impl<C> Faults<C> {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The same plan with a fault at this command. Of several at one command, a [`Fault::Swap`] happens first and one
    /// other, the one planned first, after it.
    #[must_use]
    pub fn at(mut self, command: u64, fault: Fault<C>) -> Self {
        self.plan(command, fault);
        self
    }

    /// Adds a fault at this command.
    pub fn plan(&mut self, command: u64, fault: Fault<C>) {
        self.planned.push((command, fault));
    }

    /// What is planned and did not happen yet, in number.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.planned.len()
    }

    /// Takes the faults of this command off the plan: the card to swap in, and what else happens.
    pub(crate) fn take(&mut self, command: u64) -> (Option<Box<C>>, Option<Fault<C>>) {
        let (mut swap, mut other) = (None, None);
        for (_, fault) in self.planned.extract_if(.., |(at, _)| *at == command) {
            match fault {
                Fault::Swap(card) => swap = Some(card),
                fault => other = other.or(Some(fault)),
            }
        }
        (swap, other)
    }
}
