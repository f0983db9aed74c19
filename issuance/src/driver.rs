use cardwright_apdu::{ProcedureError, Progress, Transport};
use cardwright_keys::KeyService;
use thiserror::Error;

use crate::account::{AccountError, AccountPort, AccountRequest, BookingStatus};
use crate::port::{Answer, Ask, Conversation, Notice};
use crate::store::Store;

/// Answers a machine's questions from a blocking transport, key service and store.
///
/// Time and random bytes come from functions, so that a run can be repeated exactly.
pub struct Driver<'a> {
    /// The card.
    pub card: &'a mut dyn Transport,
    /// The keys.
    pub keys: &'a mut dyn KeyService,
    /// The journal.
    pub store: &'a mut dyn Store,
    /// Wall clock, in milliseconds since 1970-01-01 UTC.
    pub clock: &'a mut dyn FnMut() -> u64,
    /// Random bytes, unpredictable outside of tests.
    pub random: &'a mut dyn FnMut() -> [u8; 8],
    /// Hears what the machine tells.
    pub notice: &'a mut dyn FnMut(Notice),
}

/// The conversation cannot be driven.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct DriverError(#[from] ProcedureError);

impl Driver<'_> {
    /// Runs a machine to its end.
    ///
    /// # Errors
    /// [`DriverError`] when the conversation was begun before; what the machine itself finds is in its result.
    pub fn run<T>(&mut self, conversation: Conversation<T>) -> Result<T, DriverError> {
        self.run_with_account(conversation, &mut NoAccount)
    }

    /// Runs a machine that moves money to its end.
    ///
    /// # Errors
    /// As [`Driver::run`].
    pub fn run_with_account<T>(
        &mut self,
        mut conversation: Conversation<T>,
        account: &mut dyn AccountPort,
    ) -> Result<T, DriverError> {
        let mut progress = conversation.start()?;
        loop {
            while let Some(notice) = conversation.poll_notice() {
                (self.notice)(notice);
            }
            match progress {
                Progress::Done(result) => return Ok(result),
                Progress::Ask(ask) => progress = conversation.answer(self.answer(ask, account))?,
            }
        }
    }

    fn answer(&mut self, ask: Ask, account: &mut dyn AccountPort) -> Answer {
        match ask {
            Ask::Transmit(command) => Answer::Response(self.card.exchange(&command)),
            Ask::Reset => Answer::Atr(self.card.reset()),
            Ask::Keys(request) => Answer::Keys(self.keys.answer(&request)),
            Ask::History(entity) => Answer::History(self.store.history(&entity)),
            Ask::Commit(transaction) => Answer::Committed(self.store.commit(transaction, (self.clock)())),
            Ask::Random => Answer::Random((self.random)()),
            Ask::Account(request) => Answer::Account(account.ask(&request)),
        }
    }
}

/// Stands where no account is: a machine that asks it learns that there is none.
struct NoAccount;

impl AccountPort for NoAccount {
    fn ask(&mut self, _: &AccountRequest) -> Result<BookingStatus, AccountError> {
        Err(AccountError::NoPort)
    }
}

impl std::fmt::Debug for Driver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Driver")
    }
}
