//! How a terminal and a server come to a sealed line.
//!
//! | | record | who learns what |
//! |---|---|---|
//! | 1 | server: challenge | a hello that was recorded is of no use |
//! | 2 | terminal: hello, signed with its enrolled key | the server: which terminal, which card, a public key of this line |
//! | 3 | server: welcome, signed with the key that the terminal pins | the terminal: that the key of this line is the server's |
//! | 4 | terminal: a sealed heartbeat | the server: that the terminal has the secret half |
//!
//! Every signature covers all that was said before it, and so does the info parameter of HPKE. The secret half of the terminal's
//! key for the line is gone when the line is there.

use std::convert::Infallible;

use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem as _, OpModeR, OpModeS, Serializable};
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::frame::SessionId;
use crate::identity::{Identity, PublicKey, Purpose};
use crate::record::{Hello, Record, Refusal, Refused, Stay, Welcome};
use crate::roster::{Admission, Standing};
use crate::seal::{Exported, Kem, LineId, Opener, ReceiverContext, Sealer, SenderContext};

/// A greeting that leads to no line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Another record than the one that is due.
    #[error("{actual} came where {expected} is due")]
    Unexpected {
        /// What is due.
        expected: &'static str,
        /// What came.
        actual: &'static str,
    },
    /// Server: a terminal that was never enrolled.
    #[error("terminal {terminal} is not enrolled")]
    UnknownTerminal {
        /// Its key, in hexadecimal digits.
        terminal: String,
    },
    /// Server: a terminal that may not serve.
    #[error("terminal {name} is {standing:?}")]
    NotAdmitted {
        /// Its name.
        name: String,
        /// Its standing.
        standing: Standing,
    },
    /// Server: somebody who does not have the terminal's key, or a hello that was made for another challenge.
    #[error("the hello of terminal {name} is forged or from before")]
    ForgedHello {
        /// Name of the terminal.
        name: String,
    },
    /// Terminal: a server whose key it does not pin.
    #[error("server {server} is not known here")]
    UnknownServer {
        /// Its key, in hexadecimal digits.
        server: String,
    },
    /// Terminal: somebody who does not have the server's key, or an answer to another hello.
    #[error("the answer of server {server} is forged or from before")]
    ForgedAnswer {
        /// Its key.
        server: PublicKey,
    },
    /// Terminal: the server says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A key for this line that is no key.
    #[error("the other side's key for this line is none")]
    NoKey,
}

/// A line over which sealed records go.
#[derive(Debug)]
pub struct Line {
    /// The session.
    pub session: SessionId,
    /// Number of the line in the session.
    pub epoch: u32,
    /// Seals what goes out.
    pub sealer: Sealer,
    /// Opens what comes in.
    pub opener: Opener,
}

/// A server that has sent its challenge.
#[derive(Debug)]
pub struct AwaitingHello {
    nonce: [u8; 32],
}

/// A terminal that has proved who it is, and waits for an answer.
#[derive(Debug)]
pub struct Claim {
    /// Its key.
    pub terminal: PublicKey,
    /// Its name.
    pub name: String,
    /// The card that it has.
    pub stay: Stay,
    /// The session that it remembers.
    pub resume: Option<SessionId>,
    ephemeral: [u8; 32],
    transcript: [u8; 32],
}

/// Begins at the server; `nonce` is random.
#[must_use]
pub fn challenge(nonce: [u8; 32]) -> (Record, AwaitingHello) {
    (Record::Challenge { nonce }, AwaitingHello { nonce })
}

impl AwaitingHello {
    /// Takes the hello.
    ///
    /// # Errors
    /// [`HandshakeError`], and the record that tells the terminal, where there is something to tell.
    pub fn handle_hello(
        self,
        record: Record,
        server: &Identity,
        admission: &dyn Admission,
    ) -> Result<Claim, (HandshakeError, Option<Record>)> {
        let hello = match record {
            Record::Hello(hello) => hello,
            other => return Err((unexpected("a hello", &other), None)),
        };
        let transcript = transcript(&self.nonce, &hello);
        let (refused, no) = (refusal(server, &transcript, Refusal::NotAdmitted), |error| (error, None));
        let known = PublicKey::new(hello.terminal).ok().and_then(|key| Some((key, admission.standing(&key)?)));
        let Some((terminal, enrolled)) = known else {
            let terminal = digits(&hello.terminal);
            return Err((HandshakeError::UnknownTerminal { terminal }, Some(refused)));
        };
        let name = enrolled.name;
        if !terminal.verifies(Purpose::Hello, &signed_hello(&self.nonce, &hello), &hello.signature) {
            return Err(no(HandshakeError::ForgedHello { name }));
        }
        if enrolled.standing != Standing::Admitted {
            return Err((HandshakeError::NotAdmitted { name, standing: enrolled.standing }, Some(refused)));
        }
        let Hello { stay, resume, ephemeral, .. } = *hello;
        Ok(Claim { terminal, name, stay, resume, ephemeral, transcript })
    }
}

impl Claim {
    /// Opens the line; `seed` is random and used once.
    ///
    /// # Errors
    /// [`HandshakeError::NoKey`].
    pub fn welcome(
        self,
        server: &Identity,
        session: SessionId,
        epoch: u32,
        seed: [u8; 32],
    ) -> Result<(Record, Line), HandshakeError> {
        let line = LineId { session, epoch, insertion: self.stay.insertion };
        let info = info(&self.transcript, &line);
        let no_key = |_| HandshakeError::NoKey;
        let ephemeral = <Kem as hpke::Kem>::PublicKey::from_bytes(&self.ephemeral).map_err(no_key)?;
        let (encapsulated, context): (_, SenderContext) =
            hpke::setup_sender_with_rng(&OpModeS::Base, &ephemeral, &info, &mut Drawn::new(seed)).map_err(no_key)?;
        let opener = Exported::new(|label, out| context.export(label, out)).map_err(no_key)?;
        let mut welcome = Welcome {
            server: *server.public_key().as_bytes(),
            session,
            epoch,
            encapsulated: encapsulated.to_bytes().into(),
            signature: [0; 64],
        };
        welcome.signature = server.sign(Purpose::Welcome, &signed_answer(&self.transcript, &welcome.unsigned()));
        let (sealer, opener) = (Sealer::of_server(line, context), Opener::of_server(line, opener));
        Ok((Record::Welcome(Box::new(welcome)), Line { session, epoch, sealer, opener }))
    }

    /// Says no.
    #[must_use]
    pub fn refuse(&self, server: &Identity, reason: Refusal) -> Record {
        refusal(server, &self.transcript, reason)
    }
}

/// A terminal that has said who it is.
pub struct AwaitingWelcome {
    secret: <Kem as hpke::Kem>::PrivateKey,
    transcript: [u8; 32],
    insertion: [u8; 8],
}

/// Answers a server's challenge at the terminal; the seed is random and used once.
///
/// # Errors
/// [`HandshakeError::Unexpected`] when the record is no challenge.
pub fn hello(
    identity: &Identity,
    challenge: &Record,
    stay: Stay,
    resume: Option<SessionId>,
    seed: [u8; 32],
) -> Result<(Record, AwaitingWelcome), HandshakeError> {
    let Record::Challenge { nonce: challenge } = challenge else {
        return Err(unexpected("a challenge", challenge));
    };
    let mut drawn = Drawn::new(seed);
    let (secret, public) = Kem::gen_keypair_with_rng(&mut drawn);
    let nonce = drawn.block();
    let insertion = stay.insertion;
    let mut hello = Hello {
        terminal: *identity.public_key().as_bytes(),
        nonce,
        ephemeral: public.to_bytes().into(),
        stay,
        resume,
        signature: [0; 64],
    };
    hello.signature = identity.sign(Purpose::Hello, &signed_hello(challenge, &hello));
    let transcript = transcript(challenge, &hello);
    Ok((Record::Hello(Box::new(hello)), AwaitingWelcome { secret, transcript, insertion }))
}

impl AwaitingWelcome {
    /// Takes the server's answer; `servers` are the keys that the terminal pins.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn handle_answer(self, record: Record, servers: &[PublicKey]) -> Result<Line, HandshakeError> {
        let (server, purpose, said, signature) = match &record {
            Record::Welcome(welcome) => (welcome.server, Purpose::Welcome, welcome.unsigned(), welcome.signature),
            Record::Refused(refused) => (refused.server, Purpose::Refusal, refused.unsigned(), refused.signature),
            other => return Err(unexpected("a welcome", other)),
        };
        let pinned = servers.iter().find(|pinned| *pinned.as_bytes() == server);
        let server = *pinned.ok_or_else(|| HandshakeError::UnknownServer { server: digits(&server) })?;
        if !server.verifies(purpose, &signed_answer(&self.transcript, &said), &signature) {
            return Err(HandshakeError::ForgedAnswer { server });
        }
        match record {
            Record::Welcome(welcome) => self.line(&welcome),
            Record::Refused(refused) => Err(refused.reason.into()),
            other => Err(unexpected("a welcome", &other)),
        }
    }

    fn line(self, welcome: &Welcome) -> Result<Line, HandshakeError> {
        let (session, epoch) = (welcome.session, welcome.epoch);
        let line = LineId { session, epoch, insertion: self.insertion };
        let info = info(&self.transcript, &line);
        let no_key = |_| HandshakeError::NoKey;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(&welcome.encapsulated).map_err(no_key)?;
        let context: ReceiverContext =
            hpke::setup_receiver(&OpModeR::Base, &self.secret, &encapsulated, &info).map_err(no_key)?;
        let sealer = Exported::new(|label, out| context.export(label, out)).map_err(no_key)?;
        let (sealer, opener) = (Sealer::of_terminal(line, sealer), Opener::of_terminal(line, context));
        Ok(Line { session, epoch, sealer, opener })
    }
}

impl std::fmt::Debug for AwaitingWelcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AwaitingWelcome")
    }
}

fn refusal(server: &Identity, transcript: &[u8; 32], reason: Refusal) -> Record {
    let mut refused = Refused { server: *server.public_key().as_bytes(), reason, signature: [0; 64] };
    refused.signature = server.sign(Purpose::Refusal, &signed_answer(transcript, &refused.unsigned()));
    Record::Refused(Box::new(refused))
}

pub(crate) fn unexpected(expected: &'static str, actual: &Record) -> HandshakeError {
    HandshakeError::Unexpected { expected, actual: actual.name() }
}

fn signed_hello(challenge: &[u8; 32], hello: &Hello) -> Vec<u8> {
    [&challenge[..], &hello.unsigned()].concat()
}

fn transcript(challenge: &[u8; 32], hello: &Hello) -> [u8; 32] {
    Sha256::digest([&signed_hello(challenge, hello)[..], &hello.signature].concat()).into()
}

fn signed_answer(transcript: &[u8; 32], answer: &[u8]) -> Vec<u8> {
    [&transcript[..], answer].concat()
}

fn info(transcript: &[u8; 32], line: &LineId) -> Vec<u8> {
    [b"cardwright relay 2 line\0", &transcript[..], &line.session.0, &line.epoch.to_be_bytes(), &line.insertion]
        .concat()
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes of one seed, in the form that HPKE takes them: SHA-256 over seed and counter.
struct Drawn {
    seed: Zeroizing<[u8; 32]>,
    blocks: u64,
}

impl Drawn {
    fn new(seed: [u8; 32]) -> Self {
        Self { seed: Zeroizing::new(seed), blocks: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.blocks += 1;
        Sha256::new().chain_update(&self.seed[..]).chain_update(self.blocks.to_be_bytes()).finalize().into()
    }
}

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = self.block();
        Ok(u32::from_be_bytes([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        Ok(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            chunk.copy_from_slice(&self.block()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}

#[cfg(test)]
mod tests;
