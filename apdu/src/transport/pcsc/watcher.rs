//! What happens at the readers.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fmt;
use std::string::String;
use std::time::{Duration, Instant};
use std::vec;
use std::vec::Vec;

use pcsc::{Context, Error, PNP_NOTIFICATION, ReaderState, State};

use super::{establish, kind, names};
use crate::TransportErrorKind;

/// How often the readers are listed again, should the service not tell that one has come.
const LIST: Duration = Duration::from_secs(1);

/// Something happened at a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReaderEvent {
    /// A reader is there.
    Plugged {
        /// Its name.
        reader: String,
    },
    /// A reader is gone.
    Unplugged {
        /// Its name.
        reader: String,
    },
    /// A card is in the reader.
    CardIn {
        /// The reader's name.
        reader: String,
        /// The card's ATR; empty when it stays mute.
        atr: Vec<u8>,
    },
    /// The card is out of the reader.
    CardOut {
        /// The reader's name.
        reader: String,
    },
}

/// Watches readers come and go, and cards in them.
///
/// The readers and cards that are there at the start are told as if they came then. As an iterator it waits for ever.
///
/// ```no_run
/// use cardwright_apdu::transport::pcsc::{ReaderEvent, ReaderWatcher};
///
/// for event in ReaderWatcher::new()? {
///     if let ReaderEvent::CardIn { reader, .. } = event? {
///         println!("a card is in {reader}");
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReaderWatcher {
    context: Context,
    readers: Vec<Watched>,
    /// What the service knows of each reader, in the same order, after what it knows of plugging in.
    states: Vec<ReaderState>,
    events: VecDeque<ReaderEvent>,
}

struct Watched {
    reader: String,
    present: bool,
    /// How many insertions and removals the service has counted.
    count: u32,
}

impl ReaderWatcher {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`TransportErrorKind::NoService`] when the service does not run.
    pub fn new() -> Result<Self, TransportErrorKind> {
        let states = vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)];
        Ok(Self { context: establish()?, readers: Vec::new(), states, events: VecDeque::new() })
    }

    /// The next event; `None` when nothing happened in time. Without a time it waits for ever.
    ///
    /// # Errors
    /// [`TransportErrorKind`] when the service ends.
    pub fn next_event(&mut self, timeout: Option<Duration>) -> Result<Option<ReaderEvent>, TransportErrorKind> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut last = false;
        loop {
            self.list()?;
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if last {
                return Ok(None);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            last = left.is_some_and(|left| left.is_zero());
            self.wait(left.map_or(LIST, |left| left.min(LIST)))?;
        }
    }

    /// Compares the readers that there are with those that there were.
    fn list(&mut self) -> Result<(), TransportErrorKind> {
        let names = names(&self.context)?;
        for at in (0..self.readers.len()).rev() {
            if names.contains(&self.readers[at].reader) {
                continue;
            }
            self.states.remove(at + 1);
            let Watched { reader, present, .. } = self.readers.remove(at);
            if present {
                self.events.push_back(ReaderEvent::CardOut { reader: reader.clone() });
            }
            self.events.push_back(ReaderEvent::Unplugged { reader });
        }
        for reader in names {
            if self.readers.iter().all(|watched| watched.reader != reader) {
                let name = CString::new(reader.as_str()).map_err(|_| TransportErrorKind::NoReader)?;
                self.states.push(ReaderState::new(name, State::UNAWARE));
                self.events.push_back(ReaderEvent::Plugged { reader: reader.clone() });
                self.readers.push(Watched { reader, present: false, count: 0 });
            }
        }
        Ok(())
    }

    /// Waits until a reader reports something.
    fn wait(&mut self, timeout: Duration) -> Result<(), TransportErrorKind> {
        match self.context.get_status_change(timeout, &mut self.states) {
            Ok(()) => {}
            // A reader that has just gone shows in the next list.
            Err(Error::Timeout | Error::UnknownReader) => return Ok(()),
            Err(error) => return Err(kind(error)),
        }
        for state in &mut self.states {
            state.sync_current_state();
        }
        for (watched, state) in self.readers.iter_mut().zip(&self.states[1..]) {
            let (present, count) = (state.event_state().contains(State::PRESENT), state.event_count());
            self.events.extend(changes(watched, present, count, state.atr()));
            (watched.present, watched.count) = (present, count);
        }
        Ok(())
    }
}

/// What happened in a reader from one state to the next. Two events or more between two looks at a card that is there
/// are another card, or the same one out and in.
fn changes(before: &Watched, present: bool, count: u32, atr: &[u8]) -> Vec<ReaderEvent> {
    let swapped = before.present && present && count != before.count;
    let mut events = Vec::new();
    if before.present && (!present || swapped) {
        events.push(ReaderEvent::CardOut { reader: before.reader.clone() });
    }
    if present && (!before.present || swapped) {
        events.push(ReaderEvent::CardIn { reader: before.reader.clone(), atr: atr.to_vec() });
    }
    events
}

impl Iterator for ReaderWatcher {
    type Item = Result<ReaderEvent, TransportErrorKind>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_event(None).transpose()
    }
}

impl fmt::Debug for ReaderWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.readers.iter().map(|watched| &watched.reader)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_was_swapped_between_two_looks_is_told() {
        let watched = |present, count| Watched { reader: "A".into(), present, count };
        let out = ReaderEvent::CardOut { reader: "A".into() };
        let into = ReaderEvent::CardIn { reader: "A".into(), atr: vec![0x3B] };
        let look = |before, present, count| changes(&before, present, count, &[0x3B]);
        assert_eq!(look(watched(false, 0), true, 1), std::slice::from_ref(&into));
        assert_eq!(look(watched(true, 1), false, 2), std::slice::from_ref(&out));
        assert_eq!(look(watched(true, 1), true, 3), [out, into]);
        assert_eq!(look(watched(true, 1), true, 1), []);
        assert_eq!(look(watched(false, 0), false, 0), []);
    }
}
