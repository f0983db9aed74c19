//! Procedures: conversations that give out one question at a time and take its answer.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use atomic_refcell::AtomicRefCell;
use thiserror::Error;

use crate::{CommandApdu, ResponseApdu, TransportError};

/// The card's side of a conversation, for the `async fn`s that decide what to say.
///
/// Every [`Transport`](crate::Transport) is one (its futures are ready at once), and so is the port of a procedure.
pub trait CardPort: Send {
    /// Carries one command to the card and its response back.
    ///
    /// # Errors
    /// [`TransportError`], which says whether the card may have executed the command.
    fn transmit(&mut self, command: CommandApdu) -> impl Future<Output = Result<ResponseApdu, TransportError>> + Send;

    /// Resets the card and gives its ATR.
    ///
    /// # Errors
    /// [`TransportError`] when there is no card or it stays mute.
    fn reset(&mut self) -> impl Future<Output = Result<alloc::vec::Vec<u8>, TransportError>> + Send;
}

/// Where a procedure puts its questions (`Q`) and finds the answers (`A`).
pub struct Port<Q, A>(Arc<AtomicRefCell<Slot<Q, A>>>);

enum Slot<Q, A> {
    Idle,
    Asked(Q),
    Waiting,
    Answered(A),
}

impl<Q: Send + Sync, A: Send + Sync> Port<Q, A> {
    /// Asks, and waits for the answer. One question is open at a time.
    pub fn ask(&mut self, question: Q) -> impl Future<Output = A> + Send + use<'_, Q, A> {
        *self.0.borrow_mut() = Slot::Asked(question);
        poll_fn(|_| {
            let mut slot = self.0.borrow_mut();
            match core::mem::replace(&mut *slot, Slot::Idle) {
                Slot::Answered(answer) => Poll::Ready(answer),
                other => {
                    *slot = other;
                    Poll::Pending
                }
            }
        })
    }
}

impl<Q, A> Clone for Port<Q, A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q, A> fmt::Debug for Port<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Port")
    }
}

/// What a procedure wants next.
#[derive(Debug)]
pub enum Progress<Q, T> {
    /// An answer to this question.
    Ask(Q),
    /// Nothing: this is its result.
    Done(T),
}

/// The driver did not keep to question and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProcedureError {
    /// There is no open question.
    #[error("the procedure has no open question")]
    NotAsked,
    /// A question is open and has to be answered first.
    #[error("the procedure waits for the answer to its question")]
    Unanswered,
    /// The procedure has ended.
    #[error("the procedure has ended")]
    Ended,
    /// The procedure waits for something that is no question to its port.
    #[error("the procedure waits for something else than its port")]
    Stuck,
}

/// A conversation as a value: pure, `Send`, driven from outside one answer at a time.
///
/// The conversation is an `async fn` that awaits nothing but its [`Port`]; no executor is needed, and dropping the
/// procedure ends it between two questions.
///
/// ```
/// use cardwright_apdu::{Procedure, Progress};
///
/// let mut sum = Procedure::new(|mut port| async move { port.ask("first").await + port.ask("second").await });
/// assert!(matches!(sum.start()?, Progress::Ask("first")));
/// assert!(matches!(sum.answer(40)?, Progress::Ask("second")));
/// assert!(matches!(sum.answer(2)?, Progress::Done(42)));
/// # Ok::<(), cardwright_apdu::ProcedureError>(())
/// ```
pub struct Procedure<Q, A, T> {
    conversation: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    port: Port<Q, A>,
}

impl<Q: Send + Sync, A: Send + Sync, T> Procedure<Q, A, T> {
    /// Makes a procedure of a conversation over a port.
    pub fn new<F>(conversation: impl FnOnce(Port<Q, A>) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let port = Port(Arc::new(AtomicRefCell::new(Slot::Idle)));
        Self { conversation: Some(Box::pin(conversation(port.clone()))), port }
    }

    /// The first question, or the result of a procedure that asks nothing.
    ///
    /// # Errors
    /// [`ProcedureError::Unanswered`] when it has been started, [`ProcedureError::Ended`] when it is over.
    pub fn start(&mut self) -> Result<Progress<Q, T>, ProcedureError> {
        if self.conversation.is_none() {
            return Err(ProcedureError::Ended);
        }
        if matches!(*self.port.0.borrow(), Slot::Waiting) {
            return Err(ProcedureError::Unanswered);
        }
        self.poll()
    }

    /// Answers the open question; gives the next one or the result.
    ///
    /// # Errors
    /// [`ProcedureError::NotAsked`] before the start, [`ProcedureError::Ended`] when it is over.
    pub fn answer(&mut self, answer: A) -> Result<Progress<Q, T>, ProcedureError> {
        if self.conversation.is_none() {
            return Err(ProcedureError::Ended);
        }
        {
            let mut slot = self.port.0.borrow_mut();
            if !matches!(*slot, Slot::Waiting) {
                return Err(ProcedureError::NotAsked);
            }
            *slot = Slot::Answered(answer);
        }
        self.poll()
    }

    /// Runs to the end with a driver that answers every question.
    ///
    /// # Errors
    /// [`ProcedureError`] when the procedure has been started before, or is over.
    pub fn run(mut self, mut driver: impl FnMut(Q) -> A) -> Result<T, ProcedureError> {
        let mut progress = self.start()?;
        loop {
            match progress {
                Progress::Done(result) => return Ok(result),
                Progress::Ask(question) => progress = self.answer(driver(question))?,
            }
        }
    }

    fn poll(&mut self) -> Result<Progress<Q, T>, ProcedureError> {
        let conversation = self.conversation.as_mut().ok_or(ProcedureError::Ended)?;
        if let Poll::Ready(result) = conversation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.conversation = None;
            return Ok(Progress::Done(result));
        }
        let mut slot = self.port.0.borrow_mut();
        match core::mem::replace(&mut *slot, Slot::Waiting) {
            Slot::Asked(question) => Ok(Progress::Ask(question)),
            _ => {
                drop(slot);
                self.conversation = None;
                Err(ProcedureError::Stuck)
            }
        }
    }
}

impl<Q, A, T> fmt::Debug for Procedure<Q, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.conversation.is_some() { "Procedure(under way)" } else { "Procedure(ended)" })
    }
}

/// Runs a conversation whose port answers at once, as every blocking transport does.
///
/// Any executor does the same; this one needs nothing.
#[cfg(feature = "std")]
pub fn block_on<F: Future>(conversation: F) -> F::Output {
    use std::sync::Arc;
    use std::task::Wake;
    use std::thread::{self, Thread};

    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut conversation = core::pin::pin!(conversation);
    loop {
        if let Poll::Ready(result) = conversation.as_mut().poll(&mut context) {
            return result;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> Procedure<u8, u8, u8> {
        Procedure::new(|mut port| async move { port.ask(1).await })
    }

    #[test]
    fn refuses_answers_out_of_turn() {
        let mut procedure = echo();
        assert!(matches!(procedure.answer(0), Err(ProcedureError::NotAsked)));
        assert!(matches!(procedure.start(), Ok(Progress::Ask(1))));
        assert!(matches!(procedure.start(), Err(ProcedureError::Unanswered)));
        assert!(matches!(procedure.answer(7), Ok(Progress::Done(7))));
        assert!(matches!(procedure.answer(7), Err(ProcedureError::Ended)));
        assert!(matches!(procedure.start(), Err(ProcedureError::Ended)));
    }

    #[test]
    fn a_conversation_that_waits_for_something_else_is_an_error() {
        let mut procedure: Procedure<u8, u8, ()> = Procedure::new(|_| core::future::pending());
        assert!(matches!(procedure.start(), Err(ProcedureError::Stuck)));
        assert!(matches!(procedure.start(), Err(ProcedureError::Ended)));
    }

    #[test]
    fn runs_with_a_driver_and_moves_between_threads() {
        let procedure = echo();
        let result = std::thread::spawn(move || procedure.run(|q| q + 1)).join().unwrap();
        assert_eq!(result, Ok(2));
    }
}
