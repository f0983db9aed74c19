//! When to try again: a pure policy, and the budget of one piece of work as a reducer.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | Ready, Waiting | started(attempt) | the next attempt; not before the time that was set | Running |
//! | Running | failed, again at | | Waiting |
//! | Running | failed, for good (budget spent, or an error that stays) | | Spent |
//! | Running, Waiting, Spent | succeeded (also a late answer) | | Done |
//! | Spent | granted anew by a person | | Ready, attempts counted from 0 |
//!
//! The policy decides once, when an attempt failed; what it decided is in the event, so that another policy later changes nothing
//! that was recorded. This is for work that may be repeated: messages, queries. What consumes a retry counter or money on a card is
//! a [step](crate::step), and the card is asked first.

use minicbor::{Decode, Encode};
use thiserror::Error;

/// How long to wait after a failure, and how often to try: 1 s doubling up to 15 minutes, 24 attempts (about four hours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Shortest wait, in milliseconds.
    pub first_ms: u64,
    /// Longest wait, in milliseconds.
    pub longest_ms: u64,
    /// Attempts in all.
    pub attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first_ms: 1_000, longest_ms: 15 * 60 * 1_000, attempts: 24 }
    }
}

impl RetryPolicy {
    /// The wait after the failure of attempt `attempt` (from 1), in milliseconds: between `first * 2^(attempt-1)` and twice that,
    /// where `random` says, and never beyond the longest.
    #[must_use]
    pub fn wait_ms(&self, attempt: u32, random: u64) -> u64 {
        let doubled = 1u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
        let longest = self.longest_ms.max(self.first_ms);
        let shortest = self.first_ms.saturating_mul(doubled).min((longest / 2).max(self.first_ms));
        let span = shortest.saturating_mul(2).min(longest) - shortest;
        shortest + random % span.saturating_add(1).max(1)
    }

    /// What follows the failure of attempt `attempt` at `at_ms`.
    #[must_use]
    pub fn after(&self, attempt: u32, at_ms: u64, random: u64) -> Next {
        match attempt < self.attempts {
            true => Next::Again { not_before_ms: at_ms.saturating_add(self.wait_ms(attempt, random)) },
            false => Next::Never,
        }
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Next {
    /// Another attempt, at this time at the earliest.
    #[n(0)]
    Again {
        /// Milliseconds since 1970-01-01 UTC.
        #[n(0)]
        not_before_ms: u64,
    },
    /// None: the budget is spent, or the error stays.
    #[n(1)]
    Never,
}

/// Attempts at one piece of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    state: RetryState,
}

/// Where the work stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryState {
    /// Never tried, or granted anew.
    #[default]
    Ready,
    /// An attempt is under way.
    Running,
    /// The last attempt failed; the next one waits.
    Waiting {
        /// Not before this time.
        not_before_ms: u64,
    },
    /// No attempt is left.
    Spent,
    /// Done.
    Done,
}

/// An event of a retry that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RetryError {
    /// It does not fit the state.
    #[error("it does not follow from {state:?}")]
    Illegal {
        /// The state.
        state: RetryState,
    },
    /// Another attempt than the next.
    #[error("attempt {given} where {expected} is next")]
    Attempt {
        /// The attempt given.
        given: u32,
        /// The next attempt.
        expected: u32,
    },
    /// Too early.
    #[error("not before {not_before_ms} ms, and it is {at_ms} ms")]
    Early {
        /// The time set.
        not_before_ms: u64,
        /// The time given.
        at_ms: u64,
    },
}

impl Retry {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> RetryState {
        self.state
    }

    /// Attempts begun.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the next attempt may begin at `at_ms`.
    #[must_use]
    pub fn is_due(&self, at_ms: u64) -> bool {
        match self.state {
            RetryState::Ready => true,
            RetryState::Waiting { not_before_ms } => at_ms >= not_before_ms,
            _ => false,
        }
    }

    /// An attempt begins.
    ///
    /// # Errors
    /// [`RetryError`].
    pub fn started(self, attempt: u32, at_ms: u64) -> Result<Self, RetryError> {
        let expected = self.attempts.saturating_add(1);
        match self.state {
            RetryState::Waiting { not_before_ms } if at_ms < not_before_ms => {
                Err(RetryError::Early { not_before_ms, at_ms })
            }
            RetryState::Ready | RetryState::Waiting { .. } if attempt != expected => {
                Err(RetryError::Attempt { given: attempt, expected })
            }
            RetryState::Ready | RetryState::Waiting { .. } => {
                Ok(Self { attempts: attempt, state: RetryState::Running })
            }
            state => Err(RetryError::Illegal { state }),
        }
    }

    /// The attempt failed.
    ///
    /// # Errors
    /// [`RetryError::Illegal`].
    pub fn failed(self, next: Next) -> Result<Self, RetryError> {
        let state = match (self.state, next) {
            (RetryState::Running, Next::Again { not_before_ms }) => RetryState::Waiting { not_before_ms },
            (RetryState::Running, Next::Never) => RetryState::Spent,
            (state, _) => return Err(RetryError::Illegal { state }),
        };
        Ok(Self { state, ..self })
    }

    /// It is done; the answer may come late.
    ///
    /// # Errors
    /// [`RetryError::Illegal`] when no attempt was ever begun, or it was done already.
    pub fn succeeded(self) -> Result<Self, RetryError> {
        match self.state {
            RetryState::Running | RetryState::Waiting { .. } | RetryState::Spent => {
                Ok(Self { state: RetryState::Done, ..self })
            }
            state => Err(RetryError::Illegal { state }),
        }
    }

    /// A person gives a new budget.
    ///
    /// # Errors
    /// [`RetryError::Illegal`] unless the old one is spent.
    pub fn granted(self) -> Result<Self, RetryError> {
        match self.state {
            RetryState::Spent => Ok(Self::default()),
            state => Err(RetryError::Illegal { state }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What has no row is refused.
    #[test]
    fn rows_and_no_others() {
        let again = Next::Again { not_before_ms: 5 };
        let ready = Retry::default();
        let running = ready.started(1, 0).unwrap();
        let can = |retry: Retry| {
            let next = retry.attempts() + 1;
            let failed = [again, Next::Never].map(|next| retry.failed(next).is_ok());
            (retry.started(next, 5).is_ok(), failed, retry.succeeded().is_ok(), retry.granted().is_ok())
        };
        assert_eq!(can(ready), (true, [false; 2], false, false));
        assert_eq!(can(running), (false, [true; 2], true, false));
        assert_eq!(can(running.failed(again).unwrap()), (true, [false; 2], true, false));
        assert_eq!(can(running.failed(Next::Never).unwrap()), (false, [false; 2], true, true));
        assert_eq!(can(running.succeeded().unwrap()), (false, [false; 2], false, false));
    }

    #[test]
    fn the_wait_doubles_from_one_second_to_fifteen_minutes() {
        let policy = RetryPolicy::default();
        let shortest = |attempt| policy.wait_ms(attempt, 0);
        assert_eq!(
            [1, 2, 3, 10, 11, 40, 64, 65, u32::MAX].map(shortest),
            [1_000, 2_000, 4_000, 450_000, 450_000, 450_000, 450_000, 450_000, 450_000]
        );
        assert_eq!(policy.wait_ms(1, 1_000), 2_000);
        assert_eq!(policy.wait_ms(1, 1_001), 1_000, "the random number is taken into the span");
        assert_eq!(policy.wait_ms(u32::MAX, 450_000), 900_000);
    }

    #[test]
    fn what_always_fails_is_tried_as_often_as_the_budget_says() {
        let policy = RetryPolicy { attempts: 4, ..RetryPolicy::default() };
        let (mut retry, mut now) = (Retry::default(), 0);
        for attempt in 1..=4 {
            assert!(retry.is_due(now));
            retry = retry.started(attempt, now).unwrap().failed(policy.after(attempt, now, 0)).unwrap();
            now += policy.longest_ms;
        }
        assert_eq!(retry.state(), RetryState::Spent);
        assert!(!retry.is_due(u64::MAX));
        assert_eq!(policy.after(1, u64::MAX, 0), Next::Again { not_before_ms: u64::MAX }, "at the end of time");
        let again = retry.granted().unwrap();
        assert!(again.is_due(0) && again.attempts() == 0);
    }

    proptest! {
        #[test]
        fn every_wait_is_within_the_bounds(
            first_ms in any::<u64>(), longest_ms in any::<u64>(), attempt in any::<u32>(), random in any::<u64>(),
        ) {
            let wait = RetryPolicy { first_ms, longest_ms, attempts: 1 }.wait_ms(attempt, random);
            prop_assert!(wait >= first_ms && wait <= longest_ms.max(first_ms));
        }

        /// Whatever comes in whatever order: never more attempts than the budget, never two at once, none too early.
        #[test]
        fn attempts_keep_to_budget_and_time(
            calls in prop::collection::vec((0u8..9, 0u32..6, 0u64..40, any::<u64>()), 0..60),
        ) {
            let policy = RetryPolicy { first_ms: 2, longest_ms: 9, attempts: 4 };
            let mut retry = Retry::default();
            let (mut begun, mut running, mut done, mut earliest) = (0, false, false, 0);
            for (call, attempt, at, random) in calls {
                let before = retry;
                // Mostly the next attempt.
                let (call, attempt) = if call >= 5 { (call % 2, begun + 1) } else { (call, attempt) };
                let next = match call {
                    0 => retry.started(attempt, at),
                    1 => retry.failed(policy.after(retry.attempts(), at, random)),
                    2 => retry.failed(Next::Never),
                    3 => retry.succeeded(),
                    _ => retry.granted(),
                };
                let Ok(next) = next else { continue };
                retry = next;
                match call {
                    0 => {
                        prop_assert!(!running && !done && at >= earliest && attempt == begun + 1);
                        begun += 1;
                        running = true;
                        prop_assert!(begun <= 4);
                    }
                    1 | 2 => {
                        prop_assert!(running);
                        running = false;
                        if let RetryState::Waiting { not_before_ms } = retry.state() {
                            prop_assert!(begun < 4 && not_before_ms >= at + 2 && not_before_ms <= at + 9);
                            earliest = not_before_ms;
                        }
                    }
                    3 => {
                        prop_assert!(begun > 0 && !done);
                        (running, done) = (false, true);
                    }
                    _ => {
                        prop_assert_eq!(before.state(), RetryState::Spent);
                        (begun, earliest) = (0, 0);
                    }
                }
            }
        }
    }
}
