//! Which of the program's services this thread is in: one that asks for itself would call itself without end.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::failure::Failure;
use crate::status::CW_REENTRANT;

thread_local!(static UNDER_WAY: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) });

/// A number for one service of the program's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service(u64);

impl Service {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Refuses a call that comes out of a callback of this service.
    pub(crate) fn check(self, handle: &str) -> Result<(), Failure> {
        let serves_itself = UNDER_WAY.try_with(|under_way| under_way.borrow().contains(&self.0)).unwrap_or(false);
        if serves_itself {
            return Err(Failure::new(CW_REENTRANT, format!("a callback calls back with the {handle} that it serves")));
        }
        Ok(())
    }

    /// The service is under way until the result is dropped.
    pub(crate) fn begin(self) -> UnderWay {
        let _ = UNDER_WAY.try_with(|under_way| under_way.borrow_mut().push(self.0));
        UnderWay
    }
}

/// A callback that has not returned.
pub(crate) struct UnderWay;

impl Drop for UnderWay {
    fn drop(&mut self) {
        let _ = UNDER_WAY.try_with(|under_way| under_way.borrow_mut().pop());
    }
}
