use alloc::vec::Vec;

use cardwright_apdu::{Class, CommandApdu, Instruction, Ne, ResponseApdu};
use cardwright_keys::{KeyRequest, KeySet, PseudoRandomChallenge, SessionAnswer};
use subtle::ConstantTimeEq;

use super::{Cipher, HostChallenge, Protocol, SecureChannel, SecurityLevel, des, scp03};
use crate::error::{CardFault, ChannelError, Error};

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

/// `i` of SCP01 and SCP02 where nothing is known: their answers do not hold it.
const USUAL_SCP01_I: u8 = 0x05;
const USUAL_SCP02_I: u8 = 0x15;

/// INITIALIZE UPDATE sent, its answer awaited (GPCS 2.3.1 D.4.1, E.5.1, Amd D 7.1.1).
#[derive(Debug)]
pub struct InitializeUpdate {
    kvn: u8,
    host_challenge: HostChallenge,
}

impl InitializeUpdate {
    /// Begins a session. `kvn` 0 leaves the choice of the key set to the card. The challenge must be random: 8 bytes, or 16
    /// for a card that speaks SCP03 with 16-byte challenges.
    #[must_use]
    pub fn new(kvn: u8, host_challenge: impl Into<HostChallenge>) -> (Self, CommandApdu) {
        let host_challenge = host_challenge.into();
        let command = CommandApdu::new(Class::GP, Instruction::INITIALIZE_UPDATE, kvn, 0)
            .with_data(host_challenge.as_bytes())
            .with_ne(Ne::MAX_SHORT);
        (Self { kvn, host_challenge }, command)
    }

    /// Reads the card's answer.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Card`] when the answer is none of a supported protocol, or of another key version than
    /// was asked for.
    pub fn handle_response(self, response: &ResponseApdu) -> Result<CardAnswer, Error> {
        if !response.sw().is_ok() {
            return Err(Error::Refused { command: IU, sw: response.sw() });
        }
        let data = response.data();
        let length =
            |expected| Error::card(IU, CardFault::Length { what: "answer", offset: 0, expected, actual: data.len() });
        let all = "28, 29, 32, 45 or 48 bytes";
        let (kdd, rest) = data.split_first_chunk::<10>().ok_or_else(|| length(all))?;
        let (kvn, number, rest) = match rest {
            [kvn, number, rest @ ..] => (*kvn, *number, rest),
            _ => return Err(length(all)),
        };
        let (protocol, i, rest) = match (number, rest) {
            (0x01, _) => (Protocol::Scp01, USUAL_SCP01_I, rest),
            (0x02, _) => (Protocol::Scp02, USUAL_SCP02_I, rest),
            (0x03, [i, rest @ ..]) if i & 0x01 == 0 => (Protocol::Scp03, *i, rest),
            (0x03, [i, rest @ ..]) => (Protocol::Scp03S16, *i, rest),
            (0x03, []) => return Err(length(all)),
            (actual, _) => {
                return Err(Error::card(
                    IU,
                    CardFault::Value { what: "secure channel protocol", offset: 11, expected: "01, 02 or 03", actual },
                ));
            }
        };
        let expected = match protocol {
            Protocol::Scp01 | Protocol::Scp02 => "28 bytes (SCP01, SCP02)",
            Protocol::Scp03 if i & 0x10 != 0 => "32 bytes (SCP03 with pseudo-random challenge)",
            Protocol::Scp03 => "29 or 32 bytes (SCP03)",
            Protocol::Scp03S16 if i & 0x10 != 0 => "48 bytes (SCP03 with pseudo-random challenge of 16 bytes)",
            _ => "45 or 48 bytes (SCP03 with 16-byte challenges)",
        };
        let size = protocol.mac_len();
        let (Some(challenge), Some(cryptogram)) = (rest.get(..size), rest.get(size..2 * size)) else {
            return Err(length(expected));
        };
        let sequence_counter = match (protocol.number(), &rest[2 * size..]) {
            (0x01 | 0x02, []) => None,
            // Without it a pseudo-random challenge could not be checked (Amd D 7.1.1.6).
            (0x03, []) if i & 0x10 == 0 => None,
            (0x03, [a, b, c]) => Some([*a, *b, *c]),
            _ => return Err(length(expected)),
        };
        if self.host_challenge.as_bytes().len() != size {
            return Err(Error::card(
                IU,
                CardFault::ChallengeLength { sent: self.host_challenge.as_bytes().len(), answered: size },
            ));
        }
        if self.kvn != 0 && kvn != self.kvn {
            return Err(Error::card(IU, CardFault::KeyVersion { expected: self.kvn, actual: kvn }));
        }
        Ok(CardAnswer {
            host_challenge: self.host_challenge,
            kdd: *kdd,
            kvn,
            protocol,
            i,
            challenge: challenge.to_vec(),
            cryptogram: cryptogram.to_vec(),
            sequence_counter,
            policy: ChallengePolicy::Ignore,
            aid: Vec::new(),
        })
    }
}

/// The card's answer to INITIALIZE UPDATE: not verified yet.
#[derive(Clone, Debug)]
pub struct CardAnswer {
    host_challenge: HostChallenge,
    kdd: [u8; 10],
    kvn: u8,
    protocol: Protocol,
    i: u8,
    /// Under SCP02 it begins with the sequence counter.
    challenge: Vec<u8>,
    cryptogram: Vec<u8>,
    sequence_counter: Option<[u8; 3]>,
    policy: ChallengePolicy,
    aid: Vec<u8>,
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
        self.protocol
    }

    /// `i`: as SCP03 answers give it; of SCP01 and SCP02 as [`CardAnswer::with_i`] was told, else the usual one (05, 15).
    #[must_use]
    pub fn i(&self) -> u8 {
        self.i
    }

    /// Sequence counter of the key set, where the answer holds one.
    #[must_use]
    pub fn sequence_counter(&self) -> Option<u32> {
        match (self.protocol, &self.challenge[..]) {
            (Protocol::Scp02, [a, b, ..]) => Some(u32::from_be_bytes([0, 0, *a, *b])),
            _ => self.sequence_counter.map(|[a, b, c]| u32::from_be_bytes([0, a, b, c])),
        }
    }

    /// The `i` of SCP01 or SCP02, which the card recognition data gives and these answers do not; of SCP03 it is kept.
    #[must_use]
    pub fn with_i(mut self, i: u8) -> Self {
        if matches!(self.protocol, Protocol::Scp01 | Protocol::Scp02) {
            self.i = i;
        }
        self
    }

    /// Whether `i` says that the card challenge is pseudo-random (GPCS 2.3.1 table E-1, Amd D table 5-1).
    #[must_use]
    pub fn is_pseudo_random(&self) -> bool {
        match self.protocol {
            Protocol::Scp01 => false,
            Protocol::Scp02 => self.i & 0x40 != 0,
            _ => self.i & 0x10 != 0,
        }
    }

    /// Has a card challenge that is pseudo-random by `i` checked against the AID of the security domain, as the card's FCI
    /// gives it.
    #[must_use]
    pub fn with_challenge_policy(mut self, policy: ChallengePolicy, aid: &[u8]) -> Self {
        self.policy = policy;
        self.aid = aid.to_vec();
        self
    }

    fn checks_challenge(&self) -> bool {
        self.policy != ChallengePolicy::Ignore && self.is_pseudo_random()
    }

    /// What to ask the key service for, with one candidate key set.
    #[must_use]
    pub fn key_request(&self, keys: &KeySet) -> KeyRequest {
        let keys = keys.clone();
        let short = |bytes: &[u8]| bytes.first_chunk().copied().unwrap_or_default();
        match self.protocol {
            Protocol::Scp01 => KeyRequest::Scp01Session {
                keys,
                host_challenge: short(self.host_challenge.as_bytes()),
                card_challenge: short(&self.challenge),
            },
            Protocol::Scp02 => KeyRequest::Scp02Session {
                keys,
                sequence_counter: self.challenge.first_chunk().copied().unwrap_or_default(),
            },
            _ => {
                let length = self.challenge.len();
                let asked = self.sequence_counter.filter(|_| self.checks_challenge());
                let challenge = asked.map(|sequence_counter| PseudoRandomChallenge {
                    sequence_counter,
                    aid: self.aid.clone(),
                    length,
                });
                KeyRequest::Scp03Session { keys, context: self.context(), challenge }
            }
        }
    }

    /// Host challenge ‖ card challenge.
    fn context(&self) -> Vec<u8> {
        [self.host_challenge.as_bytes(), &self.challenge].concat()
    }

    /// Verifies the card's cryptogram with the session keys of a candidate, and the card challenge where asked for.
    ///
    /// # Errors
    /// [`NotVerified::Keys`] gives the answer back, for the next candidate; [`NotVerified::Failed`] is final.
    pub fn verify(self, session: SessionAnswer) -> Result<Verified, NotVerified> {
        let fail = |error: cardwright_keys::KeyError| NotVerified::Failed(error.into());
        let (cipher, expected, host_cryptogram, challenge) = match self.protocol {
            Protocol::Scp01 | Protocol::Scp02 => {
                let counter =
                    (self.protocol == Protocol::Scp02).then(|| self.challenge.first_chunk().copied()).flatten();
                let cipher = des::Session::new(self.protocol, self.i, session.keys).map_err(fail)?;
                let cipher = cipher.with_sequence_counter(counter);
                let host = self.host_challenge.as_bytes();
                let (card, host) = (cipher.cryptogram(host, &self.challenge), cipher.cryptogram(&self.challenge, host));
                let matches =
                    self.checks_challenge().then(|| cipher.card_challenge(&self.aid)[..] == self.challenge[2..]);
                (Cipher::Des(cipher), card, host, matches)
            }
            _ => {
                let context = self.context();
                let cipher = scp03::Session::new(self.protocol, session.keys).map_err(fail)?;
                let card = cipher.card_cryptogram(&context).map_err(fail)?;
                let host = cipher.host_cryptogram(&context).map_err(fail)?;
                let matches = session.card_challenge.map(|expected| expected[..] == self.challenge[..]);
                (Cipher::Scp03(cipher), card, host, matches)
            }
        };
        if !bool::from(expected.ct_eq(&self.cryptogram)) {
            return Err(NotVerified::Keys(self));
        }
        if self.policy == ChallengePolicy::Require && challenge == Some(false) {
            return Err(NotVerified::Failed(Error::card(IU, CardFault::Challenge)));
        }
        let (protocol, i, kvn) = (self.protocol, self.i, self.kvn);
        Ok(Verified { cipher, host_cryptogram, protocol, i, kvn, challenge_verified: challenge })
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
    host_cryptogram: Vec<u8>,
    protocol: Protocol,
    i: u8,
    kvn: u8,
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
        if !self.protocol.has_level(level, self.i) {
            return Err(ChannelError::Level { level: level.bits(), protocol: self.protocol.name() });
        }
        let command = CommandApdu::new(Class::GP, Instruction::EXTERNAL_AUTHENTICATE, level.bits(), 0)
            .with_data(self.host_cryptogram);
        let protected = match &mut self.cipher {
            Cipher::Des(session) => session.authenticate(command.as_ref(), level),
            Cipher::Scp03(session) => session.authenticate(command.as_ref()),
            // None comes here: a dry run verifies nothing.
            Cipher::Plan(_) => command,
        };
        Ok((Authenticating { cipher: self.cipher, level, kvn: self.kvn }, protected))
    }
}

/// EXTERNAL AUTHENTICATE sent, its answer awaited.
#[derive(Debug)]
pub struct Authenticating {
    cipher: Cipher,
    level: SecurityLevel,
    kvn: u8,
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
        Ok(SecureChannel { kvn: Some(self.kvn), ..SecureChannel::new(self.cipher, self.level) })
    }
}
