use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use cardwright_apdu::{
    CardPort, CommandApdu, Port, Procedure, ProcedureError, Progress, ResponseApdu, TransportError, TransportErrorKind,
};
use cardwright_gp::channel::HostChallenge;
use cardwright_keys::{KeyAnswer, KeyError, KeyPort, KeyRequest};

use crate::account::{AccountError, AccountRequest, BookingStatus};
use crate::journal::{Entity, Record};
use crate::quarantine::Held;
use crate::remote::{ApplicationRow, CardFacts};
use crate::store::{Durable, StoreError, Transaction};

/// What a machine asks for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Ask {
    /// Carry a command to the card. Answer: [`Answer::Response`].
    Transmit(CommandApdu),
    /// Reset the card. Answer: [`Answer::Atr`].
    Reset,
    /// Answer a key request. Answer: [`Answer::Keys`].
    Keys(KeyRequest),
    /// Read all records of an entity. Answer: [`Answer::History`].
    History(Entity),
    /// Write records; answer when they are on stable storage. Answer: [`Answer::Committed`].
    Commit(Transaction),
    /// Eight random bytes. Answer: [`Answer::Random`].
    Random,
    /// Ask an account's keeper. Answer: [`Answer::Account`].
    Account(AccountRequest),
}

/// Answer to an [`Ask`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The card's response, or why there is none.
    Response(Result<ResponseApdu, TransportError>),
    /// The card's answer to reset.
    Atr(Result<Vec<u8>, TransportError>),
    /// The key service's answer.
    Keys(Result<KeyAnswer, KeyError>),
    /// Records in order.
    History(Result<Vec<Record>, StoreError>),
    /// Proof that the records are on stable storage.
    Committed(Result<Durable, StoreError>),
    /// Random bytes.
    Random([u8; 8]),
    /// What came of the booking.
    Account(Result<BookingStatus, AccountError>),
}

/// What a machine tells on the way; nobody has to listen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// What the card is.
    Card(Box<CardFacts>),
    /// The applications found on the card.
    Applications(Vec<ApplicationRow>),
    /// A stage begins.
    Stage(&'static str),
    /// Blocks of a load file that are on the card.
    Loading {
        /// Blocks done.
        done: usize,
        /// Blocks in all.
        total: usize,
    },
    /// A step is settled.
    Step {
        /// Its name.
        step: String,
        /// What came of it, in words.
        outcome: &'static str,
    },
    /// A step is in quarantine: what persons have to decide about.
    Held(Box<Held>),
}

/// A machine's way to the outside.
#[derive(Clone, Debug)]
pub struct IssuancePort {
    port: Port<Ask, Answer>,
    notices: Notices,
}

#[derive(Clone, Default)]
struct Notices(Arc<Mutex<VecDeque<Notice>>>);

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

impl IssuancePort {
    /// Tells something; does not wait.
    pub fn tell(&self, notice: Notice) {
        self.notices.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(notice);
    }

    pub(crate) async fn history(&mut self, entity: &Entity) -> Result<Vec<Record>, StoreError> {
        match self.port.ask(Ask::History(entity.clone())).await {
            Answer::History(records) => records,
            _ => Err(StoreError::WrongAnswer),
        }
    }

    pub(crate) async fn commit(&mut self, transaction: Transaction) -> Result<Durable, StoreError> {
        match self.port.ask(Ask::Commit(transaction)).await {
            Answer::Committed(durable) => durable,
            _ => Err(StoreError::WrongAnswer),
        }
    }

    /// A host challenge: of 16 bytes, which are two questions, or of 8.
    pub(crate) async fn challenge(&mut self, long: bool) -> Result<HostChallenge, StoreError> {
        let first = self.random().await?;
        if !long {
            return Ok(first.into());
        }
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&first);
        bytes[8..].copy_from_slice(&self.random().await?);
        Ok(bytes.into())
    }

    pub(crate) async fn account(&mut self, request: AccountRequest) -> Result<BookingStatus, AccountError> {
        match self.port.ask(Ask::Account(request)).await {
            Answer::Account(status) => status,
            _ => Err(AccountError::WrongAnswer),
        }
    }

    /// Eight random bytes.
    pub(crate) async fn random(&mut self) -> Result<[u8; 8], StoreError> {
        match self.port.ask(Ask::Random).await {
            Answer::Random(bytes) => Ok(bytes),
            _ => Err(StoreError::WrongAnswer),
        }
    }
}

fn out_of_turn() -> TransportError {
    TransportError::unknown(TransportErrorKind::Other("the driver answered another question".into()))
}

impl CardPort for IssuancePort {
    fn transmit(&mut self, command: CommandApdu) -> impl Future<Output = Result<ResponseApdu, TransportError>> + Send {
        let mut port = self.port.clone();
        async move {
            match port.ask(Ask::Transmit(command)).await {
                Answer::Response(response) => response,
                _ => Err(out_of_turn()),
            }
        }
    }

    fn reset(&mut self) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        let mut port = self.port.clone();
        async move {
            match port.ask(Ask::Reset).await {
                Answer::Atr(atr) => atr,
                _ => Err(out_of_turn()),
            }
        }
    }
}

impl KeyPort for IssuancePort {
    fn ask_keys(&mut self, request: KeyRequest) -> impl Future<Output = Result<KeyAnswer, KeyError>> + Send {
        let mut port = self.port.clone();
        async move {
            match port.ask(Ask::Keys(request)).await {
                Answer::Keys(answer) => answer,
                _ => Err(KeyError::WrongAnswer),
            }
        }
    }
}

/// A machine under way: a [`Procedure`] over [`Ask`] and [`Answer`], with the notices that it gives.
#[derive(Debug)]
pub struct Conversation<T> {
    procedure: Procedure<Ask, Answer, T>,
    notices: Notices,
}

impl<T> Conversation<T> {
    /// Makes a conversation of a machine over a port.
    pub fn new<F>(machine: impl FnOnce(IssuancePort) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let notices = Notices::default();
        let theirs = notices.clone();
        Self { procedure: Procedure::new(|port| machine(IssuancePort { port, notices: theirs })), notices }
    }

    /// The first question.
    ///
    /// # Errors
    /// As [`Procedure::start`].
    pub fn start(&mut self) -> Result<Progress<Ask, T>, ProcedureError> {
        self.procedure.start()
    }

    /// Answers the open question.
    ///
    /// # Errors
    /// As [`Procedure::answer`].
    pub fn answer(&mut self, answer: Answer) -> Result<Progress<Ask, T>, ProcedureError> {
        self.procedure.answer(answer)
    }

    /// The next notice that nobody has heard yet.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}
