//! Rate limits: at most so many in any stretch of time, for each key.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | any | Counted(limit, window) | fewer than the limit within the window before | one more |
//!
//! [`Window`] is one key, to be kept in the journal where a restart must not forget (codes typed at a kiosk, say);
//! [`RateLimiter`] is a table of many in memory of a fixed size, for everything else. A window slides: in no stretch of its length
//! are there more than the limit, wherever it begins.
//!
//! A clock that goes back by up to a window forgets nothing. What was counted further ahead is not believed, so that a clock that
//! was wrong locks nobody out for years.

use std::collections::HashMap;

use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::machine::Machine;

/// At most `limit` in `window_ms` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rate {
    /// How many; 0 allows none.
    #[n(0)]
    pub limit: u16,
    /// In how long, in milliseconds.
    #[n(1)]
    pub window_ms: u64,
}

/// When a key was counted: as many times as the limit allows, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    times: Vec<u64>,
}

/// Something was counted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RateEvent {
    /// Once more.
    #[n(72)]
    Counted {
        /// When, in milliseconds since 1970-01-01 UTC.
        #[n(0)]
        at_ms: u64,
        /// The rate in force.
        #[n(1)]
        rate: Rate,
    },
}

/// Not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RateError {
    /// Too many.
    #[error("{limit} in {window_ms} ms are the limit: again at {again_at_ms} ms")]
    Exceeded {
        /// How many are allowed.
        limit: u16,
        /// In how long.
        window_ms: u64,
        /// When it may be tried again, if nothing else is counted.
        again_at_ms: u64,
    },
    /// The table has no room for another key, and nothing in it can be forgotten yet.
    #[error("{keys} keys are being counted and there is no room for another: again later")]
    Crowded {
        /// How many.
        keys: usize,
    },
}

impl Window {
    /// Whether one more is allowed; then this event counts it.
    ///
    /// # Errors
    /// [`RateError::Exceeded`].
    pub fn count(&self, rate: Rate, at_ms: u64) -> Result<RateEvent, RateError> {
        self.after(rate, at_ms).map(|_| RateEvent::Counted { at_ms, rate })
    }

    /// Whether everything in it is older than the window.
    #[must_use]
    pub fn is_idle(&self, rate: Rate, at_ms: u64) -> bool {
        self.recent(rate, at_ms).next().is_none()
    }

    fn recent(&self, rate: Rate, at_ms: u64) -> impl Iterator<Item = u64> {
        let times = self.times.iter().copied();
        times.filter(move |time| time.abs_diff(at_ms) < rate.window_ms)
    }

    fn after(&self, rate: Rate, at_ms: u64) -> Result<Self, RateError> {
        let Rate { limit, window_ms } = rate;
        let mut times: Vec<u64> = self.recent(rate, at_ms).collect();
        times.sort_unstable();
        if times.len() >= usize::from(limit) {
            let leaves = times.get(times.len() - usize::from(limit)).copied().unwrap_or(u64::MAX);
            return Err(RateError::Exceeded { limit, window_ms, again_at_ms: leaves.saturating_add(window_ms) });
        }
        times.push(at_ms);
        Ok(Self { times })
    }
}

impl Machine for Window {
    const NAME: &'static str = "rate";
    type Event = RateEvent;
    type Effect = std::convert::Infallible;
    type Error = RateError;

    fn apply(self, event: &RateEvent) -> Result<(Self, Vec<Self::Effect>), RateError> {
        let RateEvent::Counted { at_ms, rate } = *event;
        Ok((self.after(rate, at_ms)?, Vec::new()))
    }

    fn is_open(&self) -> bool {
        false
    }
}

/// One rate for many keys, in memory that does not grow beyond `max_keys`.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    rate: Rate,
    max_keys: usize,
    windows: HashMap<[u8; 16], Window>,
}

impl RateLimiter {
    /// A table without keys.
    #[must_use]
    pub fn new(rate: Rate, max_keys: usize) -> Self {
        Self { rate, max_keys, windows: HashMap::new() }
    }

    /// Counts a key once more. The key is a hash: what stands behind it is not kept.
    ///
    /// # Errors
    /// [`RateError`]: nothing was counted then. A full table refuses new keys rather than forget one that still counts.
    pub fn admit(&mut self, key: [u8; 16], at_ms: u64) -> Result<(), RateError> {
        if !self.windows.contains_key(&key) && self.windows.len() >= self.max_keys {
            let rate = self.rate;
            self.windows.retain(|_, window| !window.is_idle(rate, at_ms));
            if self.windows.len() >= self.max_keys {
                return Err(RateError::Crowded { keys: self.windows.len() });
            }
        }
        let next = match self.windows.get(&key) {
            Some(window) => window.after(self.rate, at_ms)?,
            None => Window::default().after(self.rate, at_ms)?,
        };
        self.windows.insert(key, next);
        Ok(())
    }

    /// How many keys it holds.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.windows.len()
    }
}

#[cfg(test)]
mod tests;
