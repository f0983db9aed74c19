//! A card in a PC/SC reader.

use std::ffi::CString;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::vec::Vec;

use pcsc::{Card, Context, Disposition, Error, MAX_BUFFER_SIZE_EXTENDED, Protocols, ReaderState, ShareMode, State};

use super::{establish, kind, transmit_error};
use crate::transport::tpdu::to_t0;
use crate::{ExchangeLimits, Transport, TransportError, TransportErrorKind};

/// Whether others may use the card at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// They may, except during a transaction.
    Shared,
    /// They may not.
    Exclusive,
}

/// The transmission protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// T=0.
    T0,
    /// T=1.
    T1,
    /// Whichever the card and the service agree on.
    Any,
}

/// How to connect to a card.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether others may use the card at the same time. Default: exclusive.
    pub share: Share,
    /// The transmission protocol. Default: any.
    pub protocol: Protocol,
    /// How long to wait for a card, or for another program that holds it. Default: not at all.
    pub wait: Duration,
    /// How long a command may take. Default: 60 seconds, longer than readers grant a card.
    pub timeout: Duration,
    /// Whether card and reader are known to carry extended lengths; not over T=0. Default: no.
    pub extended: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            share: Share::Exclusive,
            protocol: Protocol::Any,
            wait: Duration::ZERO,
            timeout: Duration::from_secs(60),
            extended: false,
        }
    }
}

impl Options {
    fn share(&self) -> ShareMode {
        match self.share {
            Share::Shared => ShareMode::Shared,
            Share::Exclusive => ShareMode::Exclusive,
        }
    }

    fn protocols(&self) -> Protocols {
        match self.protocol {
            Protocol::T0 => Protocols::T0,
            Protocol::T1 => Protocols::T1,
            Protocol::Any => Protocols::ANY,
        }
    }
}

/// A card in a PC/SC reader: a [`Transport`].
///
/// ```no_run
/// use cardwright_apdu::transport::pcsc::{Options, PcscCard, readers};
///
/// let names = readers()?;
/// let reader = names.first().ok_or("no reader is plugged in")?;
/// let card = PcscCard::connect(reader, Options::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The service has no time limit for a command, so a thread of its own waits for it; after [`Options::timeout`] the
/// command's outcome is unknown, and nothing more is sent until the reader has come back. Dropping it resets the card.
pub struct PcscCard {
    jobs: Option<Sender<Job>>,
    answers: Receiver<Answer>,
    worker: Option<JoinHandle<()>>,
    options: Options,
    atr: Vec<u8>,
    t0: bool,
    /// A job got no answer in time; its answer may still come.
    stuck: bool,
}

impl PcscCard {
    /// Connects to the card in a reader.
    ///
    /// # Errors
    /// [`TransportErrorKind::NoReader`] when no reader has this name, [`TransportErrorKind::NoCard`] and
    /// [`TransportErrorKind::Busy`] when that did not change in [`Options::wait`], [`TransportErrorKind::Timeout`] when
    /// the service did not answer in [`Options::timeout`] more, and what else the service says.
    pub fn connect(reader_name: &str, options: Options) -> Result<Self, TransportErrorKind> {
        let name = CString::new(reader_name).map_err(|_| TransportErrorKind::NoReader)?;
        let (jobs, inbox) = channel();
        let (outbox, answers) = channel();
        let (opened, opening) = channel();
        let worker = thread::spawn(move || {
            let (card, power) = match open(&name, &options) {
                Ok(open) => open,
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            let t0 = power.t0;
            // It fails when nobody waits any more; the card is let go then.
            if opened.send(Ok(power)).is_ok() {
                let buffer = std::vec![0; MAX_BUFFER_SIZE_EXTENDED];
                Worker { t0, options, buffer, inbox, outbox }.run(card);
            }
        });
        // The service may hold the program up here too, when a card before it is stuck in a command.
        let limit = options.wait.saturating_add(options.timeout);
        let Power { atr, t0 } = opening.recv_timeout(limit).map_err(|_| TransportErrorKind::Timeout)??;
        Ok(Self { jobs: Some(jobs), answers, worker: Some(worker), options, atr, t0, stuck: false })
    }

    /// The card's answer to the last reset.
    #[must_use]
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// The protocol in use: [`Protocol::T0`] or [`Protocol::T1`].
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        if self.t0 { Protocol::T0 } else { Protocol::T1 }
    }

    /// Keeps all others off the card until the transaction is dropped.
    ///
    /// # Errors
    /// [`TransportErrorKind::Busy`] when another program holds the card longer than [`Options::timeout`]; the card has
    /// to be connected again.
    pub fn transaction(&mut self) -> Result<PcscTransaction<'_>, TransportErrorKind> {
        match self.ask(Job::Begin) {
            Ok(_) => Ok(PcscTransaction { card: self }),
            Err(TransportError { kind: TransportErrorKind::Timeout, .. }) => {
                // When it begins after all, it ends at once, and the connection with it.
                self.jobs = None;
                Err(TransportErrorKind::Busy)
            }
            Err(error) => Err(error.kind),
        }
    }

    fn ask(&mut self, job: Job) -> Result<Done, TransportError> {
        if self.stuck {
            return Err(TransportError::not_sent(TransportErrorKind::Timeout));
        }
        // The worker ends by itself only in a panic, over an error number that its library does not know.
        let lost = || TransportErrorKind::Other("the card service says what is not understood: connect again".into());
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if !sent {
            return Err(TransportError::not_sent(lost()));
        }
        match self.answers.recv_timeout(self.options.timeout) {
            Ok(answer) => answer.map_err(transmit_error),
            Err(RecvTimeoutError::Timeout) => {
                self.stuck = true;
                Err(TransportError::unknown(TransportErrorKind::Timeout))
            }
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::unknown(lost())),
        }
    }
}

impl Transport for PcscCard {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        response.clear();
        *response = self.ask(Job::Transmit(command.to_vec()))?.bytes;
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        // What a late answer belongs to ends with the reset.
        self.stuck &= self.answers.try_recv().is_err();
        let Done { bytes, t0 } = self.ask(Job::Reset)?;
        self.atr.clone_from(&bytes);
        self.t0 = t0;
        Ok(bytes)
    }

    fn limits(&self) -> ExchangeLimits {
        let limits = ExchangeLimits::default();
        if self.options.extended && !self.t0 { limits.with_extended() } else { limits }
    }
}

impl Drop for PcscCard {
    fn drop(&mut self) {
        self.jobs = None;
        // A reader that is stuck would hold the program; the service cleans up when that ends.
        if let Some(worker) = self.worker.take()
            && !self.stuck
        {
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for PcscCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PcscCard").field("protocol", &self.protocol()).field("options", &self.options).finish()
    }
}

/// A transaction with a card: a [`Transport`] that no other program comes between. Dropping it ends it.
#[derive(Debug)]
pub struct PcscTransaction<'a> {
    card: &'a mut PcscCard,
}

impl Transport for PcscTransaction<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        Transport::transmit(self.card, command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Transport::reset(self.card)
    }

    fn limits(&self) -> ExchangeLimits {
        self.card.limits()
    }
}

impl Drop for PcscTransaction<'_> {
    fn drop(&mut self) {
        // What fails here has ended the transaction already.
        let _ = self.card.ask(Job::End);
    }
}

enum Job {
    Transmit(Vec<u8>),
    Reset,
    Begin,
    End,
}

/// A response or an ATR, and whether the line is T=0.
struct Done {
    bytes: Vec<u8>,
    t0: bool,
}

type Answer = Result<Done, Error>;

/// What a card said when it was powered.
struct Power {
    atr: Vec<u8>,
    t0: bool,
}

impl Power {
    fn of(card: &Card) -> Result<Self, Error> {
        let status = card.status2_owned()?;
        Ok(Self { atr: status.atr().to_vec(), t0: status.protocol2() == Some(pcsc::Protocol::T0) })
    }
}

/// Does one job after the other.
struct Worker {
    t0: bool,
    options: Options,
    buffer: Vec<u8>,
    inbox: Receiver<Job>,
    outbox: Sender<Answer>,
}

impl Worker {
    /// Ends when the `PcscCard` is dropped, which closes the channels; the card is reset then.
    fn run(mut self, mut card: Card) {
        while self.serve(&mut card) {
            match card.transaction2() {
                Err((_, error)) => self.answer(Err(error)),
                Ok(mut transaction) => {
                    self.answer(Ok(Vec::new()));
                    if !self.serve(&mut transaction) {
                        return;
                    }
                    drop(transaction);
                    self.answer(Ok(Vec::new()));
                }
            }
        }
    }

    /// Does jobs until a transaction is to begin or to end; `false` when there will be none any more.
    fn serve(&mut self, card: &mut impl Reconnect) -> bool {
        while let Ok(job) = self.inbox.recv() {
            let answer = match job {
                Job::Begin | Job::End => return true,
                Job::Reset => self.reset(card),
                Job::Transmit(command) => {
                    let command = if self.t0 { to_t0(&command) } else { command.into() };
                    card.card().transmit(&command, &mut self.buffer).map(<[u8]>::to_vec)
                }
            };
            self.answer(answer);
        }
        false
    }

    fn reset(&mut self, card: &mut impl Reconnect) -> Result<Vec<u8>, Error> {
        card.reconnect(&self.options)?;
        let Power { atr, t0 } = Power::of(card.card())?;
        self.t0 = t0;
        Ok(atr)
    }

    fn answer(&self, answer: Result<Vec<u8>, Error>) {
        // Nobody waits for it any more when this fails, and the next look into the inbox tells so too.
        let _ = self.outbox.send(answer.map(|bytes| Done { bytes, t0: self.t0 }));
    }
}

/// A card within a transaction or without.
trait Reconnect {
    fn card(&self) -> &Card;
    fn reconnect(&mut self, options: &Options) -> Result<(), Error>;
}

impl Reconnect for Card {
    fn card(&self) -> &Card {
        self
    }

    fn reconnect(&mut self, options: &Options) -> Result<(), Error> {
        self.reconnect(options.share(), options.protocols(), Disposition::ResetCard)
    }
}

impl Reconnect for pcsc::Transaction<'_> {
    fn card(&self) -> &Card {
        self
    }

    fn reconnect(&mut self, options: &Options) -> Result<(), Error> {
        self.reconnect(options.share(), options.protocols(), Disposition::ResetCard)
    }
}

/// Connects, and waits for a card or for another program that holds it.
fn open(name: &CString, options: &Options) -> Result<(Card, Power), TransportErrorKind> {
    let context = establish()?;
    let until = Instant::now() + options.wait;
    loop {
        match context.connect(name, options.share(), options.protocols()) {
            Ok(card) => {
                let power = Power::of(&card).map_err(kind)?;
                return Ok((card, power));
            }
            Err(error @ (Error::NoSmartcard | Error::RemovedCard | Error::SharingViolation)) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(kind(error));
                }
                wait_for_change(&context, name, left)?;
            }
            Err(error) => return Err(kind(error)),
        }
    }
}

/// Waits until something happens in the reader, and not for long, since not every service tells that a card is free.
fn wait_for_change(context: &Context, name: &CString, left: Duration) -> Result<(), TransportErrorKind> {
    let mut states = [ReaderState::new(name.clone(), State::UNAWARE)];
    context.get_status_change(Duration::ZERO, &mut states).or_else(in_time).map_err(kind)?;
    states[0].sync_current_state();
    let longest = Duration::from_millis(250).min(left);
    context.get_status_change(longest, &mut states).or_else(in_time).map_err(kind)
}

fn in_time(error: Error) -> Result<(), Error> {
    if error == Error::Timeout { Ok(()) } else { Err(error) }
}
