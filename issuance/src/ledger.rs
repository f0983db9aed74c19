use crate::event::Event;

/// After this many failures in a row the next attempt needs an override: many cards lock after three, some for ever.
pub const MAX_KEY_FAILURES: u32 = 2;
/// After this many attempts in a row that the card never answered the next one needs an override: a card may count them.
pub const MAX_UNANSWERED: u32 = 8;

/// Lock-out ledger of one card: attempts to open a secure channel in a row. [`crate::lockout`] says how the card is known.
///
/// | event | failures | unanswered |
/// |---|---|---|
/// | KeyAttempt (durable before INITIALIZE UPDATE) | | + 1 |
/// | KeyFailure | + 1 | - 1 |
/// | KeyAnswered | | - 1 |
/// | KeySuccess | 0 | 0 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    failures: u32,
    unanswered: u32,
}

impl Ledger {
    /// Failures in a row.
    #[must_use]
    pub fn failures(self) -> u32 {
        self.failures
    }

    /// Attempts in a row whose answer never came.
    #[must_use]
    pub fn unanswered(self) -> u32 {
        self.unanswered
    }

    /// Whether another attempt needs an override.
    #[must_use]
    pub fn is_locked_out(self) -> bool {
        self.failures >= MAX_KEY_FAILURES || self.unanswered >= MAX_UNANSWERED
    }

    /// The ledger after an event.
    #[must_use]
    pub fn apply(self, event: &Event) -> Self {
        let Self { failures, unanswered } = self;
        match event {
            Event::KeyAttempt => Self { failures, unanswered: unanswered.saturating_add(1) },
            Event::KeyFailure { .. } => {
                Self { failures: failures.saturating_add(1), unanswered: unanswered.saturating_sub(1) }
            }
            Event::KeyAnswered => Self { failures, unanswered: unanswered.saturating_sub(1) },
            Event::KeySuccess => Self::default(),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(events: &[Event]) -> Ledger {
        events.iter().fold(Ledger::default(), Ledger::apply)
    }

    #[test]
    fn counts_failures_in_a_row() {
        let failure = [Event::KeyAttempt, Event::KeyFailure { kvn: 1 }];
        assert!(!after(&failure).is_locked_out());
        let two = after(&[&failure[..], &[Event::Used], &failure].concat());
        assert!(two.is_locked_out());
        assert_eq!((two.failures(), two.unanswered()), (2, 0));
        assert_eq!(two.apply(&Event::KeySuccess), Ledger::default());
    }

    #[test]
    fn attempts_that_are_never_answered_count_for_themselves() {
        let attempts = vec![Event::KeyAttempt; 7];
        assert!(!after(&attempts).is_locked_out());
        assert!(after(&attempts).apply(&Event::KeyAttempt).is_locked_out());
        assert!(!after(&attempts).apply(&Event::KeyAttempt).apply(&Event::KeyAnswered).is_locked_out());
    }
}
