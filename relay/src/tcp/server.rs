use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::channel::{ChannelEvent, ChannelLimits};
use crate::frame::{Frame, SessionId};
use crate::handshake::{self, Claim};
use crate::identity::{Identity, PublicKey};
use crate::record::{Content, MAX_GREETING, MAX_RECORD, Refusal};
use crate::roster::Admission;
use crate::seal::Opener;
use crate::tcp::card::{SealedCard, Session};
use crate::tcp::wire::{Sending, Wire, prepare, write};
use crate::tcp::{LineError, random};

/// How much a server takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Times of a session.
    pub channel: ChannelLimits,
    /// How long a greeting may take.
    pub greeting: Duration,
    /// Lines at a time, those included that did not say yet who they are.
    pub lines: usize,
    /// Sessions at a time.
    pub sessions: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self { channel: ChannelLimits::default(), greeting: Duration::from_secs(10), lines: 1024, sessions: 512 }
    }
}

/// What a server tells of its lines.
#[derive(Debug)]
#[non_exhaustive]
pub enum RelayNotice {
    /// A terminal has a line for a card.
    Opened {
        /// Name of the terminal.
        terminal: String,
        /// The session.
        session: SessionId,
        /// Number of the line in the session: 1 for a new one.
        epoch: u32,
    },
    /// A line was refused. Somebody should look where it comes from.
    Refused {
        /// From where.
        peer: SocketAddr,
        /// Why.
        error: LineError,
    },
    /// A line of an admitted terminal ended otherwise than by a farewell.
    LineLost {
        /// Name of the terminal.
        terminal: String,
        /// The session, which waits for another line.
        session: SessionId,
        /// Why.
        error: LineError,
    },
    /// A terminal began anew: the session that it had is over.
    Evicted {
        /// Name of the terminal.
        terminal: String,
        /// The session.
        session: SessionId,
    },
}

type Notify = dyn Fn(RelayNotice) + Send + Sync;
type Serve = dyn Fn(SealedCard) + Send + Sync;

/// Takes lines of enrolled terminals and hands out their cards.
pub struct RelayServer {
    identity: Identity,
    admission: Box<dyn Admission>,
    limits: ServerLimits,
    notify: Box<Notify>,
    sessions: Mutex<Sessions>,
    lines: AtomicUsize,
    is_stopped: AtomicBool,
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<SessionId, Arc<Session>>,
    by_slot: HashMap<(PublicKey, u8), SessionId>,
}

impl RelayServer {
    /// A server with this identity, for the terminals that `admission` admits. `notify` is called from the threads of the lines.
    #[must_use]
    pub fn new(
        identity: Identity,
        admission: impl Admission + 'static,
        limits: ServerLimits,
        notify: impl Fn(RelayNotice) + Send + Sync + 'static,
    ) -> Self {
        Self {
            identity,
            admission: Box::new(admission),
            limits,
            notify: Box::new(notify),
            sessions: Mutex::default(),
            lines: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Takes lines until [`RelayServer::stop`]; each new card is given to `serve`, in a thread of its own.
    ///
    /// # Errors
    /// Those of the listening socket. One connection that fails is passed over.
    pub fn run(
        self: &Arc<Self>,
        listener: &TcpListener,
        serve: impl Fn(SealedCard) + Send + Sync + 'static,
    ) -> io::Result<()> {
        let serve: Arc<Serve> = Arc::new(serve);
        loop {
            let accepted = listener.accept();
            if self.is_stopped.load(SeqCst) {
                return Ok(());
            }
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors, or gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
                Err(_) => {
                    std::thread::sleep(Duration::from_millis(50));
                    continue;
                }
            };
            if self.lines.fetch_add(1, SeqCst) >= self.limits.lines {
                self.lines.fetch_sub(1, SeqCst);
                (self.notify)(RelayNotice::Refused {
                    peer,
                    error: LineError::Full { what: "lines", limit: self.limits.lines },
                });
                continue;
            }
            let (server, serve) = (Arc::clone(self), Arc::clone(&serve));
            let spawned = std::thread::Builder::new().name("line".into()).spawn(move || {
                let count = Counted(&server.lines);
                server.line(stream, peer, &serve);
                drop(count);
            });
            if spawned.is_err() {
                self.lines.fetch_sub(1, SeqCst);
            }
        }
    }

    /// Takes no more lines; those that are go on.
    pub fn stop(&self, address: SocketAddr) {
        self.is_stopped.store(true, SeqCst);
        // Wakes the thread that waits for a connection.
        let _refused = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    }

    /// Sessions that there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Lines that there are.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines.load(SeqCst)
    }

    fn line(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, serve: &Arc<Serve>) {
        match self.greet(&stream, serve) {
            Err(error) => (self.notify)(RelayNotice::Refused { peer, error }),
            Ok((session, epoch, opener)) => {
                let listened = self.listen(&stream, &session, epoch, opener);
                let is_live = session.is_live();
                session.handle(ChannelEvent::LineLost { epoch });
                if let (Err(error), true) = (listened, is_live) {
                    let (terminal, session) = (session.name.clone(), session.id);
                    (self.notify)(RelayNotice::LineLost { terminal, session, error });
                }
            }
        }
    }

    /// From the challenge to a line of a session.
    fn greet(
        self: &Arc<Self>,
        stream: &TcpStream,
        serve: &Arc<Serve>,
    ) -> Result<(Arc<Session>, u32, Opener), LineError> {
        prepare(stream)?;
        let (challenge, awaiting) = handshake::challenge(random()?);
        write(stream, &challenge)?;
        let record = Wire::new(stream).read(MAX_GREETING, self.limits.greeting)?;
        let claim = match awaiting.handle_hello(record, &self.identity, &*self.admission) {
            Ok(claim) => claim,
            Err((error, told)) => {
                if let Some(told) = told {
                    write(stream, &told)?;
                }
                return Err(error.into());
            }
        };
        let (session, is_new) = match self.session_for(&claim) {
            Ok(found) => found,
            Err((error, reason)) => {
                write(stream, &claim.refuse(&self.identity, reason))?;
                return Err(error);
            }
        };
        let begun = self.begin(stream, claim, &session);
        match begun {
            Ok((epoch, opener)) => {
                if is_new {
                    self.work(&session, serve)?;
                }
                Ok((session, epoch, opener))
            }
            Err(error) => {
                if is_new {
                    self.forget(&session);
                }
                Err(error)
            }
        }
    }

    fn begin(&self, stream: &TcpStream, claim: Claim, session: &Session) -> Result<(u32, Opener), LineError> {
        let epoch = session.begin_line()?;
        let terminal = claim.name.clone();
        let (welcome, line) = claim.welcome(&self.identity, session.id, epoch, random()?)?;
        session.attach(epoch, Sending::new(line.sealer, stream.try_clone()?));
        write(stream, &welcome)?;
        (self.notify)(RelayNotice::Opened { terminal, session: session.id, epoch });
        Ok((epoch, line.opener))
    }

    /// The session that a terminal goes on with, or a new one.
    fn session_for(&self, claim: &Claim) -> Result<(Arc<Session>, bool), (LineError, Refusal)> {
        let slot = (claim.terminal, claim.stay.slot);
        let before = {
            let sessions = self.lock();
            let remembered = claim.resume.and_then(|id| sessions.by_id.get(&id));
            match remembered {
                Some(session) if session.terminal != claim.terminal => {
                    let error = LineError::Refused(Refusal::OtherTerminal);
                    return Err((error, Refusal::OtherTerminal));
                }
                Some(session) if session.is_of(&claim.terminal, &claim.stay) && session.is_live() => {
                    return Ok((Arc::clone(session), false));
                }
                _ => sessions.by_slot.get(&slot).and_then(|id| sessions.by_id.get(id)).cloned(),
            }
        };
        if let Some(before) = before {
            before.handle(ChannelEvent::Evict);
            (self.notify)(RelayNotice::Evicted { terminal: before.name.clone(), session: before.id });
            // Two workers on one card would tread on each other's feet.
            if !before.wait_for_end(self.limits.greeting) {
                return Err((LineError::Full { what: "sessions of one reader", limit: 1 }, Refusal::Busy));
            }
        }
        let no_random = |error: getrandom::Error| (error.into(), Refusal::Busy);
        let id = SessionId(random().map_err(no_random)?);
        let mut sessions = self.lock();
        if sessions.by_id.len() >= self.limits.sessions {
            return Err((LineError::Full { what: "sessions", limit: self.limits.sessions }, Refusal::Busy));
        }
        let (name, stay) = (claim.name.clone(), claim.stay.clone());
        let session = Arc::new(Session::new(id, claim.terminal, name, stay, self.limits.channel));
        sessions.by_id.insert(id, Arc::clone(&session));
        sessions.by_slot.insert(slot, id);
        Ok((session, true))
    }

    /// Gives the card to a thread of its own.
    fn work(self: &Arc<Self>, session: &Arc<Session>, serve: &Arc<Serve>) -> Result<(), LineError> {
        let (server, serve, session) = (Arc::clone(self), Arc::clone(serve), Arc::clone(session));
        let forgotten = Forgotten { server, session: Arc::clone(&session) };
        // Dropped in this order, after a panic too: the card, which ends the session, then its place in the list.
        let work = move || {
            let _forgotten = forgotten;
            let card = SealedCard::new(session);
            if card.wait_until_open() {
                serve(card);
            }
        };
        std::thread::Builder::new().name("session".into()).spawn(work)?;
        Ok(())
    }

    fn forget(&self, session: &Session) {
        let mut sessions = self.lock();
        sessions.by_id.remove(&session.id);
        let slot = (session.terminal, session.stay.slot);
        if sessions.by_slot.get(&slot) == Some(&session.id) {
            sessions.by_slot.remove(&slot);
        }
    }

    fn listen(&self, stream: &TcpStream, session: &Session, epoch: u32, mut opener: Opener) -> Result<(), LineError> {
        let mut wire = Wire::new(stream);
        let silence = Duration::from_millis(self.limits.channel.heartbeat_ms.saturating_mul(3));
        loop {
            let record = wire.read_sealed(MAX_RECORD, silence)?;
            let opened = opener.open(&record)?;
            match record.content {
                Content::Heartbeat => session.echo(epoch)?,
                Content::Frame => session.handle(ChannelEvent::Frame { epoch, frame: Frame::parse(&opened)? }),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

struct Forgotten {
    server: Arc<RelayServer>,
    session: Arc<Session>,
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        self.server.forget(&self.session);
    }
}

impl fmt::Debug for RelayServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayServer({:?}, {} sessions, {} lines)", self.identity, self.sessions(), self.lines())
    }
}
