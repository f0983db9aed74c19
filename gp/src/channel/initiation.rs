use core::fmt;

use alloc::vec::Vec;

use cardwright_apdu::{Class, CommandApdu, Instruction, Ne, ResponseApdu};
use cardwright_keys::{KeyKind, KeyRequest, KeySet, PseudoRandomChallenge, SessionAnswer};
use subtle::ConstantTimeEq;

use super::{Cipher, SecureChannel, SecurityLevel, scp02, scp03};
use crate::error::{CardFault, ChannelError, Error};

/// Secure channel protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// SCP02, explicit initiation.
    Scp02,
    /// SCP03, 8-byte challenges and MACs.
    Scp03,
}

impl Protocol {
    /// The protocol's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Scp02 => "SCP02",
            Self::Scp03 => "SCP03",
        }
    }

    /// Which kind of static keys the protocol needs.
    #[must_use]
    pub fn key_kind(self) -> KeyKind {
        match self {
            Self::Scp02 => KeyKind::Tdes,
            Self::Scp03 => KeyKind::Aes,
        }
    }

    /// The longest command data field that can be protected at this level so that the protected one has at most `limit`
    /// bytes, 255 in a short command.
    ///
    /// With C-MAC alone that is the limit less the MAC; with C-DECRYPTION the longest that still fits with its padding,
    /// of which there is at least one byte.
    #[must_use]
    pub fn max_data(self, level: SecurityLevel, limit: usize) -> usize {
        let (block, mac): (usize, usize) = match self {
            Self::Scp02 => (8, 8),
            Self::Scp03 => (16, 8),
        };
        let limit = limit.min(255);
        match (level.has_c_decryption(), level.has_c_mac()) {
            (true, _) => (limit.saturating_sub(mac) / block * block).saturating_sub(1),
            (false, true) => limit.saturating_sub(mac),
            (false, false) => limit,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to do when a card challenge is not the pseudo-random one that `i` promises.
///
/// To refuse is safe only with the AID that the card itself gave in its FCI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ChallengePolicy {
    /// Do not look.
    #[default]
    Ignore,
    /// Go on; [`Verified::challenge_verified`] tells.
    Report,
    /// Refuse the card.
    Require,
}

const IU: &str = "INITIALIZE UPDATE";
const EA: &str = "EXTERNAL AUTHENTICATE";

/// INITIALIZE UPDATE sent, its answer awaited (GPCS 2.3.1 E.5.1, Amd D 7.1.1).
#[derive(Debug)]
pub struct InitializeUpdate {
    kvn: u8,
    host_challenge: [u8; 8],
}

impl InitializeUpdate {
    /// Begins a session. `kvn` 0 leaves the choice of the key set to the card. The challenge must be random.
    #[must_use]
    pub fn new(kvn: u8, host_challenge: [u8; 8]) -> (Self, CommandApdu) {
        let command = CommandApdu::new(Class::GP, Instruction::INITIALIZE_UPDATE, kvn, 0)
            .with_data(host_challenge)
            .with_ne(Ne::MAX_SHORT);
        (Self { kvn, host_challenge }, command)
    }

    /// Reads the card's answer.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Card`] when the answer is none of a supported protocol, or for another key version
    /// than the one asked for;
    /// [`Error::Unsupported`] for SCP01, the 16-byte mode of SCP03 and others.
    pub fn handle_response(self, response: &ResponseApdu) -> Result<CardAnswer, Error> {
        if !response.sw().is_ok() {
            return Err(Error::Refused { command: IU, sw: response.sw() });
        }
        let data = response.data();
        let length =
            |expected| Error::card(IU, CardFault::Length { what: "answer", offset: 0, expected, actual: data.len() });
        let (kdd, rest) = data.split_first_chunk::<10>().ok_or_else(|| length("28, 29 or 32 bytes"))?;
        let (kvn, protocol, rest) = match rest {
            [kvn, protocol, rest @ ..] => (*kvn, *protocol, rest),
            _ => return Err(length("28, 29 or 32 bytes")),
        };
        let body = match protocol {
            0x01 => return Err(Error::Unsupported { what: "SCP01" }),
            0x02 => {
                let bytes: &[u8; 16] = rest.try_into().map_err(|_| length("28 bytes (SCP02)"))?;
                Body::Scp02 { challenge: first(bytes), cryptogram: last(bytes) }
            }
            0x03 => {
                let (i, rest) = rest.split_first().ok_or_else(|| length("29 or 32 bytes (SCP03)"))?;
                if i & 0x01 != 0 {
                    return Err(Error::Unsupported { what: "SCP03 with 16-byte challenges (S16)" });
                }
                let (bytes, counter) =
                    rest.split_first_chunk::<16>().ok_or_else(|| length("29 or 32 bytes (SCP03)"))?;
                let sequence_counter = match counter {
                    // Without it a pseudo-random challenge could not be checked (Amd D 7.1.1.6).
                    [] if i & 0x10 != 0 => return Err(length("32 bytes (SCP03 with pseudo-random challenge)")),
                    [] => None,
                    [a, b, c] => Some([*a, *b, *c]),
                    _ => return Err(length("29 or 32 bytes (SCP03)")),
                };
                Body::Scp03 { i: *i, challenge: first(bytes), cryptogram: last(bytes), sequence_counter }
            }
            actual => {
                return Err(Error::card(
                    IU,
                    CardFault::Value { what: "secure channel protocol", offset: 11, expected: "01, 02 or 03", actual },
                ));
            }
        };
        // Its cryptogram would not verify with the keys meant, and look like wrong keys.
        if self.kvn != 0 && kvn != self.kvn {
            return Err(Error::card(IU, CardFault::KeyVersion { expected: self.kvn, actual: kvn }));
        }
        Ok(CardAnswer {
            host_challenge: self.host_challenge,
            kdd: *kdd,
            kvn,
            body,
            policy: ChallengePolicy::Ignore,
            aid: Vec::new(),
        })
    }
}

/// The card's answer to INITIALIZE UPDATE: not verified yet.
#[derive(Clone, Debug)]
pub struct CardAnswer {
    host_challenge: [u8; 8],
    kdd: [u8; 10],
    kvn: u8,
    body: Body,
    policy: ChallengePolicy,
    aid: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Body {
    /// The challenge is sequence counter ‖ card challenge.
    Scp02 {
        challenge: [u8; 8],
        cryptogram: [u8; 8],
    },
    Scp03 {
        i: u8,
        challenge: [u8; 8],
        cryptogram: [u8; 8],
        sequence_counter: Option<[u8; 3]>,
    },
}

impl CardAnswer {
    /// Key diversification data.
    #[must_use]
    pub fn key_diversification_data(&self) -> [u8; 10] {
        self.kdd
    }

    /// Key version number of the key set that the card used.
    #[must_use]
    pub fn kvn(&self) -> u8 {
        self.kvn
    }

    /// Which protocol the card speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.body {
            Body::Scp02 { .. } => Protocol::Scp02,
            Body::Scp03 { .. } => Protocol::Scp03,
        }
    }

    /// `i` as SCP03 answers give it; SCP02 answers have none.
    #[must_use]
    pub fn i(&self) -> Option<u8> {
        match self.body {
            Body::Scp02 { .. } => None,
            Body::Scp03 { i, .. } => Some(i),
        }
    }

    /// Sequence counter of the key set, where the answer holds one.
    #[must_use]
    pub fn sequence_counter(&self) -> Option<u32> {
        match self.body {
            Body::Scp02 { challenge: [a, b, ..], .. } => Some(u32::from_be_bytes([0, 0, a, b])),
            Body::Scp03 { sequence_counter, .. } => sequence_counter.map(|[a, b, c]| u32::from_be_bytes([0, a, b, c])),
        }
    }

    /// Has the card challenge checked against the AID of the security domain, as the card's FCI gives it.
    ///
    /// Under SCP02 the caller says by this that the card's `i` has bit 40 (55, say); under SCP03 only a card whose `i`
    /// has bit 10 is checked.
    #[must_use]
    pub fn with_challenge_policy(mut self, policy: ChallengePolicy, aid: &[u8]) -> Self {
        self.policy = policy;
        self.aid = aid.to_vec();
        self
    }

    /// What to ask the key service for, with one candidate key set.
    #[must_use]
    pub fn key_request(&self, keys: &KeySet) -> KeyRequest {
        match &self.body {
            Body::Scp02 { challenge: [a, b, ..], .. } => {
                KeyRequest::Scp02Session { keys: keys.clone(), sequence_counter: [*a, *b] }
            }
            Body::Scp03 { i, sequence_counter, .. } => KeyRequest::Scp03Session {
                keys: keys.clone(),
                context: self.context().to_vec(),
                challenge: sequence_counter.filter(|_| self.policy != ChallengePolicy::Ignore && i & 0x10 != 0).map(
                    |sequence_counter| PseudoRandomChallenge { sequence_counter, aid: self.aid.clone(), length: 8 },
                ),
            },
        }
    }

    /// Host challenge ‖ card challenge.
    fn context(&self) -> [u8; 16] {
        let (Body::Scp02 { challenge, .. } | Body::Scp03 { challenge, .. }) = &self.body;
        let mut context = [0; 16];
        context[..8].copy_from_slice(&self.host_challenge);
        context[8..].copy_from_slice(challenge);
        context
    }

    /// Verifies the card's cryptogram with the session keys of a candidate, and the card challenge where asked for.
    ///
    /// # Errors
    /// [`NotVerified::Keys`] gives the answer back, for the next candidate; [`NotVerified::Failed`] is final.
    pub fn verify(self, session: SessionAnswer) -> Result<Verified, NotVerified> {
        let context = self.context();
        let fail = |error: cardwright_keys::KeyError| NotVerified::Failed(error.into());
        let (cipher, expected, host_cryptogram, challenge) = match &self.body {
            Body::Scp02 { challenge, .. } => {
                let cipher = scp02::Session::new(session.keys).map_err(fail)?;
                let card = cipher.cryptogram(&self.host_challenge, challenge);
                let host = cipher.cryptogram(challenge, &self.host_challenge);
                let matches = (self.policy != ChallengePolicy::Ignore)
                    .then(|| cipher.card_challenge(&self.aid)[..] == challenge[2..]);
                (Cipher::Scp02(cipher), card, host, matches)
            }
            Body::Scp03 { challenge, .. } => {
                let cipher = scp03::Session::new(session.keys).map_err(fail)?;
                let card = cipher.card_cryptogram(&context).map_err(fail)?;
                let host = cipher.host_cryptogram(&context).map_err(fail)?;
                (
                    Cipher::Scp03(cipher),
                    card,
                    host,
                    session.card_challenge.map(|expected| expected[..] == challenge[..]),
                )
            }
        };
        let (Body::Scp02 { cryptogram, .. } | Body::Scp03 { cryptogram, .. }) = &self.body;
        if !bool::from(expected.ct_eq(cryptogram)) {
            return Err(NotVerified::Keys(self));
        }
        if self.policy == ChallengePolicy::Require && challenge == Some(false) {
            return Err(NotVerified::Failed(Error::card(IU, CardFault::Challenge)));
        }
        Ok(Verified { cipher, host_cryptogram, i: self.i(), challenge_verified: challenge })
    }
}

/// Why a card's answer did not verify.
#[derive(Debug)]
pub enum NotVerified {
    /// The cryptogram does not fit these keys. EXTERNAL AUTHENTICATE must not follow; another candidate may be tried.
    Keys(CardAnswer),
    /// Anything else.
    Failed(Error),
}

/// The card has proved that it holds the keys.
#[derive(Debug)]
pub struct Verified {
    cipher: Cipher,
    host_cryptogram: [u8; 8],
    i: Option<u8>,
    challenge_verified: Option<bool>,
}

impl Verified {
    /// Whether the card challenge is the pseudo-random one; `None` where it was not checked.
    #[must_use]
    pub fn challenge_verified(&self) -> Option<bool> {
        self.challenge_verified
    }

    /// Makes EXTERNAL AUTHENTICATE for a security level; it carries its MAC at every level.
    ///
    /// # Errors
    /// [`ChannelError::Level`] for a level that the protocol, or `i`, does not have.
    pub fn external_authenticate(
        mut self,
        level: SecurityLevel,
    ) -> Result<(Authenticating, CommandApdu), ChannelError> {
        let protocol = match self.cipher {
            Cipher::Scp02(_) => Protocol::Scp02,
            Cipher::Scp03(_) => Protocol::Scp03,
        };
        // i of SCP03: 20 = R-MAC, 60 = R-MAC and R-ENCRYPTION (Amd D table 5-1). R-MAC of SCP02 needs i = x5 with bit 20.
        let i = self.i.unwrap_or(0);
        if level.has_r_mac() && i & 0x20 == 0 || level.has_r_encryption() && i & 0x60 != 0x60 {
            return Err(ChannelError::Level { level: level.bits(), protocol: protocol.name() });
        }
        let command = CommandApdu::new(Class::GP, Instruction::EXTERNAL_AUTHENTICATE, level.bits(), 0)
            .with_data(self.host_cryptogram);
        let protected = match &mut self.cipher {
            Cipher::Scp02(session) => session.wrap(command.as_ref(), SecurityLevel::C_MAC),
            Cipher::Scp03(session) => session.authenticate(command.as_ref()),
        };
        Ok((Authenticating { cipher: self.cipher, level }, protected))
    }
}

/// EXTERNAL AUTHENTICATE sent, its answer awaited.
#[derive(Debug)]
pub struct Authenticating {
    cipher: Cipher,
    level: SecurityLevel,
}

impl Authenticating {
    /// Reads the card's answer; the channel is open when it is 9000.
    ///
    /// # Errors
    /// [`Error::Refused`]: the card does not accept the host.
    pub fn handle_response(self, response: &ResponseApdu) -> Result<SecureChannel, Error> {
        if !response.sw().is_ok() {
            return Err(Error::Refused { command: EA, sw: response.sw() });
        }
        Ok(SecureChannel::new(self.cipher, self.level))
    }
}

fn first(bytes: &[u8; 16]) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&bytes[..8]);
    half
}

fn last(bytes: &[u8; 16]) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&bytes[8..]);
    half
}
