//! Readers, and the hands that put cards into them.

use cardwright::apdu::{Transport, TransportError, TransportErrorKind};

use crate::chance::Chance;
use crate::dice::Dice;
use crate::weather::Hazard;

/// A software card, as a reader sees it.
pub(crate) trait Chip {
    fn process(&mut self, command: &[u8]) -> Vec<u8>;
    fn reset(&mut self) -> Vec<u8>;
    /// Notes what the card did, for the checker: no machine sees it. `last_seq` is the journal's last record then.
    fn note(&mut self, command: &[u8], response: &[u8], last_seq: u64);
    /// Notes that nobody heard of the last command's success. `false` when it was none, and nobody is to be misled.
    fn deny(&mut self) -> bool;
    /// What a lying reader says to a command that it does not carry: success of a write whose effect can be asked for.
    fn forge(command: &[u8], dice: &mut Dice) -> Option<Vec<u8>>;
    /// An answer from before to such a command, which an adversary shows again.
    fn old_answer(&self, command: &[u8]) -> Option<Vec<u8>>;
    /// Whether a reader may send the command twice and give the second answer.
    fn may_be_doubled(command: &[u8]) -> bool;
}

/// A reader with at most one card in it.
#[derive(Default)]
pub(crate) struct Terminal {
    pub(crate) card: Option<usize>,
    pub(crate) is_gone: bool,
    /// How often a card was put in, as far as the reader knows.
    pub(crate) insertions: u64,
    /// Whether a card was put in behind the reader's back since.
    is_swapped: bool,
}

/// All cards of a world: each in a reader, at hand, or put away as finished.
pub(crate) struct Cards<C> {
    pub(crate) cards: Vec<C>,
    pub(crate) terminals: Vec<Terminal>,
    /// Cards outside of the readers that are still to be presented.
    pub(crate) at_hand: Vec<usize>,
}

impl<C: Chip> Cards<C> {
    pub(crate) fn new(cards: Vec<C>, terminals: usize) -> Self {
        let at_hand = (0..cards.len()).collect();
        Self { cards, terminals: (0..terminals).map(|_| Terminal::default()).collect(), at_hand }
    }

    /// Takes the card out of a reader, if there is one.
    pub(crate) fn pull(&mut self, terminal: usize) -> Option<usize> {
        let card = self.terminals[terminal].card.take()?;
        self.at_hand.push(card);
        Some(card)
    }

    /// Puts a card that is at hand into an empty reader; it is reset.
    pub(crate) fn insert(&mut self, terminal: usize, place: usize) -> usize {
        let card = self.at_hand.swap_remove(place);
        self.cards[card].reset();
        let state = &mut self.terminals[terminal];
        state.card = Some(card);
        state.insertions += 1;
        state.is_swapped = false;
        card
    }

    /// Puts another card into a reader that does not notice; the one before is at hand then.
    fn swap(&mut self, terminal: usize, place: usize) -> Option<usize> {
        let before = self.terminals[terminal].card?;
        let card = std::mem::replace(self.at_hand.get_mut(place)?, before);
        self.cards[card].reset();
        self.terminals[terminal].card = Some(card);
        self.terminals[terminal].is_swapped = true;
        Some(card)
    }

    /// The way to the card that was put into a reader as its `insertion`th, through the weather.
    pub(crate) fn edge<'w>(
        &'w mut self,
        (terminal, insertion): (usize, u64),
        chance: &'w mut Chance,
        last_seq: u64,
    ) -> Edge<'w, C> {
        Edge { cards: self, terminal, insertion, chance, last_seq }
    }
}

/// A [`Transport`] to the card in one reader; each command is an opportunity for the weather.
pub(crate) struct Edge<'w, C> {
    cards: &'w mut Cards<C>,
    terminal: usize,
    insertion: u64,
    chance: &'w mut Chance,
    last_seq: u64,
}

impl<C: Chip> Edge<'_, C> {
    /// The card in the reader, or why there is none.
    fn card(&self) -> Result<usize, TransportError> {
        let terminal = &self.cards.terminals[self.terminal];
        if terminal.is_gone {
            return Err(TransportError::not_sent(TransportErrorKind::NoReader));
        }
        if terminal.insertions != self.insertion {
            return Err(TransportError::not_sent(TransportErrorKind::CardRemoved));
        }
        terminal.card.ok_or(TransportError::not_sent(TransportErrorKind::NoCard))
    }

    fn execute(&mut self, card: usize, command: &[u8]) -> Vec<u8> {
        let card = &mut self.cards.cards[card];
        let response = card.process(command);
        card.note(command, &response, self.last_seq);
        response
    }

    /// Nobody changes a card twice under the eyes of a reader.
    fn may_swap(&self) -> bool {
        !self.cards.at_hand.is_empty() && !self.cards.terminals[self.terminal].is_swapped
    }
}

impl<C: Chip + Send> Transport for Edge<'_, C> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        use TransportErrorKind::{BrokenOff, CardRemoved, NoReader, Timeout};
        self.card()?;
        if self.may_swap() && self.chance.strikes(Hazard::Swapped) {
            let place = self.chance.dice.below(self.cards.at_hand.len());
            let card = self.cards.swap(self.terminal, place);
            self.chance.trace(format_args!("  terminal {}: {card:?} is in it now", self.terminal));
        }
        let card = self.card()?;
        if self.chance.strikes(Hazard::Bounced) {
            self.cards.cards[card].reset();
        }
        if self.chance.strikes(Hazard::TornBefore) {
            self.cards.pull(self.terminal);
            return Err(TransportError::unknown(CardRemoved));
        }
        if self.chance.strikes(Hazard::Undelivered) {
            return Err(TransportError::unknown(Timeout));
        }
        let forged = C::forge(command, &mut self.chance.dice);
        if let Some(forged) = &forged
            && self.chance.strikes(Hazard::FalseStatus)
        {
            response.clone_from(forged);
            return Ok(());
        }
        if let Some(old) = self.cards.cards[card].old_answer(command)
            && self.chance.strikes(Hazard::Replayed)
        {
            *response = old;
            return Ok(());
        }
        *response = self.execute(card, command);
        if C::may_be_doubled(command) && self.chance.strikes(Hazard::Doubled) {
            *response = self.execute(card, command);
        }
        if forged.is_some() && self.chance.strikes(Hazard::FalseDenial) && self.cards.cards[card].deny() {
            *response = vec![0x6A, 0x80];
        }
        if self.chance.strikes(Hazard::TornAfter) {
            self.cards.pull(self.terminal);
            return Err(TransportError::unknown(CardRemoved));
        }
        if self.chance.strikes(Hazard::ReaderGone) {
            self.cards.terminals[self.terminal].is_gone = true;
            self.cards.pull(self.terminal);
            return Err(TransportError::unknown(NoReader));
        }
        if self.chance.strikes(Hazard::Unheard) {
            return Err(TransportError::unknown(BrokenOff));
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        let card = self.card()?;
        Ok(self.cards.cards[card].reset())
    }
}
