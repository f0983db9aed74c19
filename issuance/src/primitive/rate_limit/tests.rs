use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::machine::testing::round_trip;

const RATE: Rate = Rate { limit: 3, window_ms: 20 };

#[test]
fn five_in_fifteen_minutes() {
    let rate = Rate { limit: 5, window_ms: 900_000 };
    let mut window = Window::default();
    for at_ms in [0, 1, 2, 3, 4] {
        window = window.after(rate, at_ms).unwrap();
    }
    let exceeded = RateError::Exceeded { limit: 5, window_ms: 900_000, again_at_ms: 900_000 };
    assert_eq!(window.count(rate, 899_999), Err(exceeded));
    assert!(window.count(rate, 900_000).is_ok());
    let never = Window::default().count(Rate { limit: 0, window_ms: 1 }, 7);
    assert!(matches!(never, Err(RateError::Exceeded { limit: 0, .. })));
}

#[test]
fn a_clock_that_was_years_ahead_locks_nobody_out() {
    let mut window = Window::default();
    for _ in 0..3 {
        window = window.after(RATE, 1_000_000_000).unwrap();
    }
    assert!(window.count(RATE, 1_000_000_010).is_err());
    assert!(window.count(RATE, 999_999_990).is_err(), "a small step back forgets nothing");
    assert!(window.count(RATE, 50).is_ok());
}

#[test]
fn a_full_table_forgets_none_that_counts() {
    let mut limiter = RateLimiter::new(RATE, 2);
    for key in [[1; 16], [2; 16]] {
        (0..3).for_each(|_| limiter.admit(key, 100).unwrap());
    }
    assert_eq!(limiter.admit([3; 16], 119), Err(RateError::Crowded { keys: 2 }));
    assert!(limiter.admit([1; 16], 119).is_err());
    assert_eq!(limiter.admit([3; 16], 120), Ok(()));
    assert_eq!(limiter.keys(), 1);
}

proptest! {
    /// Against all times ever taken: allowed exactly when fewer than the limit lie in the window before; and no stretch of the
    /// window's length ever has more.
    #[test]
    fn no_stretch_has_more_than_the_limit(
        calls in prop::collection::vec((0u8..3, 0u64..9), 0..120),
    ) {
        let mut limiter = RateLimiter::new(RATE, 3);
        let mut windows: BTreeMap<u8, Window> = BTreeMap::new();
        let mut taken: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        let mut now = 1_000;
        for (key, later) in calls {
            now += later;
            let times = taken.entry(key).or_default();
            let allowed = times.iter().filter(|time| now - **time < RATE.window_ms).count() < 3;
            prop_assert_eq!(limiter.admit([key; 16], now).is_ok(), allowed);
            let window = windows.entry(key).or_default();
            match window.count(RATE, now) {
                Ok(event) => {
                    prop_assert!(allowed);
                    round_trip::<Window>(&event);
                    *window = window.clone().apply(&event).unwrap().0;
                    times.push(now);
                }
                Err(RateError::Exceeded { again_at_ms, .. }) => {
                    prop_assert!(!allowed && again_at_ms > now);
                    prop_assert!(window.count(RATE, again_at_ms - 1).is_err());
                    prop_assert!(window.count(RATE, again_at_ms).is_ok());
                }
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
            prop_assert!(window.times.len() <= 3, "memory is bounded");
        }
        for times in taken.values() {
            prop_assert!(times.windows(4).all(|four| four[3] - four[0] >= RATE.window_ms));
        }
    }

    /// Back and forth within a window: never more than the limit within a window on either side.
    #[test]
    fn a_clock_that_steps_back_forgets_nothing(steps in prop::collection::vec(0u64..19, 0..60)) {
        let mut window = Window::default();
        let mut times: Vec<u64> = Vec::new();
        for step in steps {
            let now = 1_000 + step;
            let near = times.iter().filter(|time| time.abs_diff(now) < RATE.window_ms).count();
            let result = window.after(RATE, now);
            prop_assert_eq!(result.is_ok(), near < 3);
            if let Ok(next) = result {
                window = next;
                times.push(now);
            }
        }
        prop_assert!(times.len() <= 3);
    }
}
