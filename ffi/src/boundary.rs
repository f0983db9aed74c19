//! What every export runs through: a panic ends here, and the last error is kept.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::failure::Failure;
use crate::last_error;
use crate::status::{CW_INTERNAL, CW_OK, cw_status};

thread_local! {
    /// How many boundaries this thread is in: a callback may call another function.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the body of an export.
///
/// Handles that the body holds while it panics are poisoned by their locks. A success leaves the last error as it is, so
/// that a caller may clean up before it asks.
pub(crate) fn boundary(body: impl FnOnce() -> Result<(), Failure>) -> cw_status {
    listen_to_panics();
    let _inside = Inside::enter();
    // What a panicking body leaves behind is reachable through handles only, and those are poisoned then.
    let failure = match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return CW_OK,
        Ok(Err(failure)) => failure,
        Err(payload) => {
            // The payload's own drop may panic, and its text may hold what must not be shown.
            std::mem::forget(payload);
            let place = PANICKED_AT.try_with(|place| place.take()).unwrap_or_default();
            Failure::new(CW_INTERNAL, format!("an error in this library, at {place}: please report it"))
        }
    };
    let status = failure.status;
    last_error::keep(failure);
    status
}

struct Inside;

impl Inside {
    fn enter() -> Self {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() - 1));
    }
}

/// The default hook prints to the standard error stream of a program that is not ours. Inside a boundary the place is
/// kept instead, for the last error; panics elsewhere go to the hook that was there.
fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                return before(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let _ = PANICKED_AT.try_with(|at| at.replace(place));
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status_and_tells_the_place_but_not_the_payload() {
        assert_eq!(boundary(|| panic!("404142434445464748494A4B4C4D4E4F")), CW_INTERNAL);
        let kept = last_error::kept().unwrap();
        assert!(kept.message.contains("boundary.rs"), "{}", kept.message);
        assert!(!kept.message.contains("4041"));
    }

    #[test]
    fn a_success_leaves_the_last_error() {
        assert_eq!(boundary(|| Err(Failure::null("x"))), crate::status::CW_NULL);
        assert_eq!(boundary(|| Ok(())), CW_OK);
        assert_eq!(last_error::kept().unwrap().message, "x is NULL");
    }
}
