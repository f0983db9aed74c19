use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cardwright_apdu::{CommandApdu, ExchangeError, ResponseApdu, Transport, TransportError, TransportErrorKind};

use crate::channel::{Channel, ChannelEffect, ChannelError, ChannelEvent, ChannelLimits, ChannelState};
use crate::frame::{Body, SessionId};
use crate::identity::PublicKey;
use crate::record::Stay;
use crate::tcp::LineError;
use crate::tcp::wire::Sending;

/// How often a session that waits looks at the clock.
const LOOK: Duration = Duration::from_millis(100);

/// One session at the server: what its line and its worker share.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) terminal: PublicKey,
    pub(super) name: String,
    pub(super) stay: Stay,
    start: Instant,
    inside: Mutex<Inside>,
    changed: Condvar,
}

struct Inside {
    channel: Channel,
    sending: Option<Sending>,
    answer: Option<Result<Body, TransportError>>,
    has_ended: bool,
}

impl Session {
    pub(super) fn new(id: SessionId, terminal: PublicKey, name: String, stay: Stay, limits: ChannelLimits) -> Self {
        let channel = Channel::new(id, limits, 0);
        let inside = Mutex::new(Inside { channel, sending: None, answer: None, has_ended: false });
        Self { id, terminal, name, stay, start: Instant::now(), inside, changed: Condvar::new() }
    }

    pub(super) fn is_of(&self, terminal: &PublicKey, stay: &Stay) -> bool {
        self.terminal == *terminal && self.stay.slot == stay.slot && self.stay.insertion == stay.insertion
    }

    /// The number that the next line has.
    pub(super) fn begin_line(&self) -> Result<u32, ChannelError> {
        let mut inside = self.lock();
        let effects = inside.channel.handle(ChannelEvent::Hello, self.now())?;
        self.perform(&mut inside, effects);
        Ok(inside.channel.epoch())
    }

    pub(super) fn attach(&self, epoch: u32, sending: Sending) {
        let mut inside = self.lock();
        if inside.channel.epoch() == epoch {
            inside.sending = Some(sending);
        }
    }

    pub(super) fn handle(&self, event: ChannelEvent) {
        let mut inside = self.lock();
        // What cannot follow changes nothing.
        let effects = inside.channel.handle(event, self.now()).unwrap_or_default();
        self.perform(&mut inside, effects);
    }

    /// Answers a heartbeat.
    pub(super) fn echo(&self, epoch: u32) -> Result<(), LineError> {
        self.handle(ChannelEvent::Heard { epoch });
        let mut inside = self.lock();
        match inside.sending.as_mut() {
            Some(sending) => sending.heartbeat(),
            None => Ok(()),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.lock().channel.is_live()
    }

    /// Its worker is done.
    pub(super) fn end(&self) {
        self.handle(ChannelEvent::Close);
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Waits for its worker.
    pub(super) fn wait_for_end(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut inside = self.lock();
        while !inside.has_ended && Instant::now() < until {
            inside = self.wait(inside);
        }
        inside.has_ended
    }

    fn wait_until_open(&self) -> bool {
        let mut inside = self.lock();
        while inside.channel.state() == ChannelState::Opening {
            inside = self.wait(inside);
            if let Ok(effects) = inside.channel.handle(ChannelEvent::Tick, self.now()) {
                self.perform(&mut inside, effects);
            }
        }
        inside.channel.is_live()
    }

    fn ask(&self, body: Body) -> Result<Body, TransportError> {
        let mut inside = self.lock();
        inside.answer = None;
        let effects = inside
            .channel
            .handle(ChannelEvent::Ask(body), self.now())
            .map_err(|_| TransportError::not_sent(TransportErrorKind::LineLost))?;
        self.perform(&mut inside, effects);
        loop {
            if let Some(answer) = inside.answer.take() {
                return answer;
            }
            inside = self.wait(inside);
            if let Ok(effects) = inside.channel.handle(ChannelEvent::Tick, self.now()) {
                self.perform(&mut inside, effects);
            }
        }
    }

    fn perform(&self, inside: &mut Inside, effects: Vec<ChannelEffect>) {
        for effect in effects {
            match effect {
                ChannelEffect::Send(frame) => {
                    // A line that takes nothing is found lost by its reader, too; until then the question waits.
                    let sent = inside.sending.as_mut().map(|sending| sending.send(&frame));
                    if !matches!(sent, Some(Ok(()))) {
                        let epoch = inside.channel.epoch();
                        let _no_effects = inside.channel.handle(ChannelEvent::LineLost { epoch }, self.now());
                        inside.sending.take().iter().for_each(Sending::finish);
                    }
                }
                ChannelEffect::CloseLine => inside.sending.take().iter().for_each(Sending::finish),
                ChannelEffect::Answer(body) => inside.answer = Some(Ok(body)),
                ChannelEffect::Fail(error) => inside.answer = Some(Err(error)),
            }
        }
        self.changed.notify_all();
    }

    fn wait<'a>(&self, inside: MutexGuard<'a, Inside>) -> MutexGuard<'a, Inside> {
        self.changed.wait_timeout(inside, LOOK).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A card at an enrolled terminal: a [`Transport`] for the server. Dropping it ends the session.
pub struct SealedCard {
    session: Arc<Session>,
}

impl SealedCard {
    pub(super) fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    /// Waits until the terminal has shown the key of its line; `false` where it does not.
    pub(super) fn wait_until_open(&self) -> bool {
        self.session.wait_until_open()
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session.id
    }

    /// Name of the terminal.
    #[must_use]
    pub fn terminal(&self) -> &str {
        &self.session.name
    }

    /// What the terminal says of the card.
    #[must_use]
    pub fn stay(&self) -> &Stay {
        &self.session.stay
    }
}

impl Drop for SealedCard {
    fn drop(&mut self) {
        self.session.end();
    }
}

impl fmt::Debug for SealedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedCard({}, {:?})", self.session.name, self.session.id)
    }
}

impl Transport for SealedCard {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        match self.session.ask(Body::Command(command.to_vec()))? {
            Body::Response(bytes) => *response = bytes,
            Body::Failed(failure) => return Err(failure.into()),
            _ => return Err(TransportError::unknown(TransportErrorKind::LineLost)),
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        match self.session.ask(Body::Reset)? {
            Body::Atr(atr) => Ok(atr),
            Body::Failed(failure) => Err(failure.into()),
            _ => Err(TransportError::unknown(TransportErrorKind::LineLost)),
        }
    }

    /// GET RESPONSE and chaining are the terminal's.
    fn exchange(&mut self, command: &CommandApdu) -> Result<ResponseApdu, TransportError> {
        let bytes = command
            .to_bytes()
            .map_err(|error| TransportError::not_sent(TransportErrorKind::Exchange(ExchangeError::Command(error))))?;
        let mut response = Vec::new();
        self.transmit(&bytes, &mut response)?;
        ResponseApdu::parse(&response)
            .map_err(|error| TransportError::unknown(TransportErrorKind::Exchange(ExchangeError::Response(error))))
    }
}
