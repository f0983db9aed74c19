//! Runs conversations whose ports answer at once.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::failure::Failure;
use crate::status::CW_INTERNAL;

/// Polls once: callbacks block, so that there is nothing to wait for. Unlike `block_on` this asks for no handle of the
/// thread, which a foreign main thread would never give back.
pub(crate) fn at_once<T, E: Into<Failure>>(conversation: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
    match pin!(conversation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.map_err(Into::into),
        Poll::Pending => Err(Failure::new(CW_INTERNAL, "a conversation waits for something that is not the card")),
    }
}
