//! Presence: whether a reader, the bank's interface or the readers' management is heard of.
//!
//! | from | event | to |
//! |---|---|---|
//! | any | Heard(at, boot) | heard of then; a boot nonce that changed says that it was started anew |
//!
//! | silence | standing |
//! |---|---|
//! | up to 3 intervals | Online |
//! | more than 3 | Stale |
//! | more than 10, or never heard of | Offline |
//!
//! The standing is asked with the time of now ([`Presence::standing`]) and never recorded. Alarms are made of it ([`super::alarm`]).

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::Machine;

/// How often something is to be heard of, and how long its silence is borne, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// It is stale after a longer silence.
    pub stale_ms: u64,
    /// It is offline after a longer silence.
    pub offline_ms: u64,
}

impl Patience {
    /// A heartbeat every hour: stale after three of them, offline after ten.
    pub const HOURLY: Self = Self { stale_ms: 3 * 3_600_000, offline_ms: 10 * 3_600_000 };
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Heard of lately.
    Online,
    /// Not for a while.
    Stale,
    /// Not for long, or never.
    Offline,
}

/// It was heard of.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PresenceEvent {
    /// A heartbeat, or any other sign of life.
    #[n(1040)]
    Heard {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// Random number of its last start.
        #[n(1)]
        boot: u64,
    },
}

/// A sign of life that is older than the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("heard of at {at_ms} ms, before the last time at {last_ms} ms")]
pub struct PresenceError {
    /// The time given.
    pub at_ms: u64,
    /// The last time.
    pub last_ms: u64,
}

/// What is heard of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    heard: Option<(u64, u64)>,
    starts: u32,
}

impl Presence {
    /// The entity of a thing that is listened for, by the name of its own entity or interface.
    ///
    /// # Errors
    /// [`EntityError`] when the name is not printable or too long.
    pub fn entity(name: &str) -> Result<Entity, EntityError> {
        Entity::new(&format!("presence/{name}"))
    }

    /// When it was last heard of, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn last_ms(&self) -> Option<u64> {
        self.heard.map(|(at_ms, _)| at_ms)
    }

    /// How often it was started, as its boot nonces tell.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// How it stands now.
    #[must_use]
    pub fn standing(&self, patience: Patience, now_ms: u64) -> Standing {
        let Some((last_ms, _)) = self.heard else { return Standing::Offline };
        match now_ms.saturating_sub(last_ms) {
            silence if silence > patience.offline_ms => Standing::Offline,
            silence if silence > patience.stale_ms => Standing::Stale,
            _ => Standing::Online,
        }
    }
}

impl Machine for Presence {
    const NAME: &'static str = "presence";
    type Event = PresenceEvent;
    type Effect = std::convert::Infallible;
    type Error = PresenceError;

    fn apply(self, event: &PresenceEvent) -> Result<(Self, Vec<Self::Effect>), PresenceError> {
        let PresenceEvent::Heard { at_ms, boot } = *event;
        let (last_ms, last_boot) = self.heard.map_or((0, None), |(last_ms, boot)| (last_ms, Some(boot)));
        if at_ms < last_ms {
            return Err(PresenceError { at_ms, last_ms });
        }
        let starts = self.starts.saturating_add(u32::from(last_boot != Some(boot)));
        Ok((Self { heard: Some((at_ms, boot)), starts }, Vec::new()))
    }

    fn is_open(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::{round_trip, run};

    const HOUR: u64 = 3_600_000;

    #[test]
    fn silence_makes_it_stale_and_then_offline() {
        let heard = |at_ms, boot| PresenceEvent::Heard { at_ms, boot };
        let (presence, _) = run::<Presence>([heard(HOUR, 7)]);
        let standing = |now_ms| presence.standing(Patience::HOURLY, now_ms);
        assert_eq!(Presence::default().standing(Patience::HOURLY, 0), Standing::Offline);
        assert_eq!((standing(0), standing(4 * HOUR)), (Standing::Online, Standing::Online));
        assert_eq!((standing(4 * HOUR + 1), standing(11 * HOUR)), (Standing::Stale, Standing::Stale));
        assert_eq!(standing(11 * HOUR + 1), Standing::Offline);
    }

    #[test]
    fn starts_are_counted_and_old_signs_are_refused() {
        let heard = |at_ms, boot| PresenceEvent::Heard { at_ms, boot };
        let (presence, taken) = run::<Presence>([heard(5, 7), heard(6, 7), heard(5, 8), heard(7, 8)]);
        assert_eq!((presence.starts(), presence.last_ms(), taken.len()), (2, Some(7), 3));
        round_trip::<Presence>(&heard(1, 2));
    }
}
