//! The circuit breaker: a counterpart that fails is left alone for a while.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | Closed | failed | fewer than the threshold in a row | Closed, one failure more |
//! | Closed | failed | the threshold in a row | Open until now + rest |
//! | Closed, Trying | succeeded | | Closed, no failures |
//! | Open | asked | the rest is over | Trying: one call goes through |
//! | Open, Trying | asked | | refused |
//! | Trying | failed | | Open until now + rest |
//! | Open | succeeded, failed (answers to earlier calls) | | the same |
//!
//! In memory only: a program that starts again finds out anew.

use thiserror::Error;

/// When to leave a counterpart alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Failures in a row.
    pub threshold: u32,
    /// In milliseconds.
    pub rest_ms: u64,
}

/// Whether calls go to one counterpart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// They do.
    Closed {
        /// Failures in a row.
        failures: u32,
    },
    /// They do not.
    Open {
        /// Until when, in milliseconds.
        until_ms: u64,
    },
    /// One does, to see.
    Trying,
}

/// The counterpart is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the other side failed too often and is left alone until {until_ms:?} ms")]
pub struct BreakerOpen {
    /// Until when; `None` while one call tries it.
    pub until_ms: Option<u64>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether a call may be made now.
    ///
    /// # Errors
    /// [`BreakerOpen`].
    pub fn ask(self, at_ms: u64) -> Result<Self, BreakerOpen> {
        match self {
            Self::Closed { .. } => Ok(self),
            Self::Open { until_ms } if at_ms >= until_ms => Ok(Self::Trying),
            Self::Open { until_ms } => Err(BreakerOpen { until_ms: Some(until_ms) }),
            Self::Trying => Err(BreakerOpen { until_ms: None }),
        }
    }

    /// A call succeeded.
    #[must_use]
    pub fn succeeded(self) -> Self {
        match self {
            Self::Open { .. } => self,
            Self::Closed { .. } | Self::Trying => Self::default(),
        }
    }

    /// A call failed.
    #[must_use]
    pub fn failed(self, policy: &BreakerPolicy, at_ms: u64) -> Self {
        let open = Self::Open { until_ms: at_ms.saturating_add(policy.rest_ms) };
        match self {
            Self::Closed { failures } if failures.saturating_add(1) < policy.threshold => {
                Self::Closed { failures: failures + 1 }
            }
            Self::Closed { .. } | Self::Trying => open,
            Self::Open { .. } => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows() {
        let policy = BreakerPolicy { threshold: 2, rest_ms: 50 };
        let (closed, once) = (Breaker::default(), Breaker::Closed { failures: 1 });
        let (open, trying) = (Breaker::Open { until_ms: 60 }, Breaker::Trying);
        assert_eq!(closed.failed(&policy, 10), once);
        assert_eq!(once.failed(&policy, 10), open);
        assert_eq!([once.succeeded(), trying.succeeded()], [closed; 2]);
        assert_eq!((open.ask(60), closed.ask(0), once.ask(0)), (Ok(trying), Ok(closed), Ok(once)));
        assert_eq!(open.ask(59), Err(BreakerOpen { until_ms: Some(60) }));
        assert_eq!(trying.ask(u64::MAX), Err(BreakerOpen { until_ms: None }));
        assert_eq!(trying.failed(&policy, 10), open);
        assert_eq!([open.succeeded(), open.failed(&policy, 1000)], [open; 2]);
    }

    proptest! {
        /// Against a list of what happened: a call goes through unless the last `threshold` calls failed and the rest is not over,
        /// and while it rests only one call at a time tries.
        #[test]
        fn a_failing_counterpart_rests(results in prop::collection::vec((any::<bool>(), 0u64..30), 1..80)) {
            let policy = BreakerPolicy { threshold: 3, rest_ms: 50 };
            let mut breaker = Breaker::default();
            let (mut now, mut row, mut resting_until) = (0, 0, None);
            for (ok, later) in results {
                now += later;
                let allowed = resting_until.is_none_or(|until| now >= until);
                prop_assert_eq!(breaker.ask(now).is_ok(), allowed);
                let Ok(asked) = breaker.ask(now) else { continue };
                if resting_until.is_some() {
                    prop_assert!(asked.ask(now).is_err(), "one call tries, no second beside it");
                }
                if ok {
                    breaker = asked.succeeded();
                    (row, resting_until) = (0, None);
                } else {
                    breaker = asked.failed(&policy, now);
                    row += 1;
                    if row >= 3 || resting_until.is_some() {
                        resting_until = Some(now + 50);
                    }
                }
            }
        }
    }
}
