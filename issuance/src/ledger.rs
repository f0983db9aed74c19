use crate::event::Event;

/// After this many failures in a row the next attempt needs an override: many cards lock after three, some for ever.
pub const MAX_KEY_FAILURES: u32 = 2;

/// Lock-out ledger of one card: failed authentications of its secure channel keys in a row.
///
/// | event | count |
/// |---|---|
/// | KeyFailure | + 1 |
/// | KeySuccess | 0 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    failures: u32,
}

impl Ledger {
    /// Failures in a row.
    #[must_use]
    pub fn failures(self) -> u32 {
        self.failures
    }

    /// Whether another attempt needs an override.
    #[must_use]
    pub fn is_locked_out(self) -> bool {
        self.failures >= MAX_KEY_FAILURES
    }

    /// The ledger after an event.
    #[must_use]
    pub fn apply(self, event: &Event) -> Self {
        match event {
            Event::KeyFailure { .. } => Self { failures: self.failures.saturating_add(1) },
            Event::KeySuccess => Self::default(),
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_failures_in_a_row() {
        let failure = Event::KeyFailure { kvn: 1 };
        let one = Ledger::default().apply(&failure);
        assert!(!one.is_locked_out());
        let two = one.apply(&Event::Used).apply(&failure);
        assert!(two.is_locked_out());
        assert_eq!(two.apply(&Event::KeySuccess).failures(), 0);
    }
}
