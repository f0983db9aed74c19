//! Admission of readers and terminals: who they are, what runs on them, and what they may do.
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | Unregistered | Registered(serial, public key) | at least two persons approved exactly this reader | Registered |
//! | Registered, Admitted | Challenged(nonce) | nonce not used before | the same |
//! | Registered, Admitted | Attested(firmware, signature) | the signature is over the last challenge and the firmware's hash, in time | Registered becomes Attested |
//! | Attested, Admitted | Admitted(scope) | attested | Admitted |
//! | Admitted | Suspended(reason) | | Suspended |
//! | Suspended | Reinstated | a new attestation follows before anything is admitted | Registered |
//! | Registered, Attested, Admitted, Suspended | Revoked(reason) | | Revoked |
//!
//! What an admitted reader may do now is asked with [`Reader::admits`]: an attestation is good for a day. A transaction that rests on the
//! answer holds the reader's last record ([`Change::given`](crate::machine::Change::given)), so that a reader which is suspended meanwhile
//! begins nothing. Whether a reader is heard of is another matter, and another machine ([`super::presence`]).

use cardwright_cos::purse::{Amount, PurseKind};
use ed25519_dalek::{Signature, VerifyingKey};
use minicbor::{Decode, Encode};
use thiserror::Error;

use crate::journal::{Entity, EntityError};
use crate::machine::Machine;
use crate::primitive::approval::{Grant, matter};
use crate::quarantine::MIN_PERSONS;

/// What every signed attestation begins with.
const CONTEXT: &str = "cardwright reader attestation 1";
/// How long a challenge may be answered, in milliseconds.
pub const CHALLENGE_MS: u64 = 60_000;
/// How long an attestation is good, in milliseconds.
pub const ATTESTATION_MS: u64 = 24 * 3_600_000;

/// Who a reader is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ReaderIdentity {
    /// Its serial number: 1 to 64 printable ASCII characters without spaces and `/`.
    #[n(0)]
    pub serial: String,
    /// Its Ed25519 public key (RFC 8032).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public_key: [u8; 32],
}

impl ReaderIdentity {
    /// The entity of a reader.
    ///
    /// # Errors
    /// [`EntityError`] when the serial number has characters that are not printable, or is too long.
    pub fn entity(serial: &str) -> Result<Entity, EntityError> {
        Entity::new(&format!("reader/{serial}"))
    }

    /// What persons approve who register it.
    #[must_use]
    pub fn matter(&self) -> [u8; 32] {
        matter("reader", self)
    }

    /// The bytes that the reader signs: CBOR `["cardwright reader attestation 1", serial, nonce, firmware]`.
    #[must_use]
    pub fn attestation(&self, nonce: &[u8; 16], firmware: &[u8; 32]) -> Vec<u8> {
        use minicbor::bytes::ByteArray;
        let signed = (CONTEXT, &self.serial, ByteArray::from(*nonce), ByteArray::from(*firmware));
        // Writing to memory cannot fail.
        minicbor::to_vec(signed).unwrap_or_default()
    }

    fn is_legal(&self) -> bool {
        let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
        (1..=64).contains(&self.serial.len()) && self.serial.bytes().all(legal) && self.key().is_some()
    }

    fn key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.public_key).ok().filter(|key| !key.is_weak())
    }
}

/// What a reader may load.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Scope {
    /// Numbers of the purses: 1 deposit, 2 wallet.
    #[n(0)]
    pub purses: Vec<u8>,
    /// The most at once, in the smallest unit of the currency.
    #[n(1)]
    pub max_amount: u32,
}

/// What happens to a reader. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ReaderEvent {
    /// The house knows it.
    #[n(1024)]
    Registered {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Who it is.
        #[n(1)]
        identity: ReaderIdentity,
        /// Approval of [`ReaderIdentity::matter`].
        #[n(2)]
        grant: Grant,
    },
    /// It is asked to show what runs on it.
    #[n(1025)]
    Challenged {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Random.
        #[cbor(n(1), with = "minicbor::bytes")]
        nonce: [u8; 16],
    },
    /// It has shown it; the firmware is on the list in force.
    #[n(1026)]
    Attested {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// SHA-256 of its firmware.
        #[cbor(n(1), with = "minicbor::bytes")]
        firmware: [u8; 32],
        /// Over [`ReaderIdentity::attestation`].
        #[cbor(n(2), with = "minicbor::bytes")]
        signature: [u8; 64],
    },
    /// It may load cards.
    #[n(1027)]
    Admitted {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What it may do.
        #[n(1)]
        scope: Scope,
    },
    /// It may not, for now.
    #[n(1028)]
    Suspended {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Why, in words without data.
        #[n(1)]
        reason: String,
    },
    /// It may show itself again.
    #[n(1029)]
    Reinstated {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// It never may again.
    #[n(1030)]
    Revoked {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Why, in words without data.
        #[n(1)]
        reason: String,
    },
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReaderState {
    /// Nobody knows it.
    #[default]
    Unregistered,
    /// Known by its key.
    Registered,
    /// It has shown what runs on it.
    Attested,
    /// It may load cards.
    Admitted,
    /// Not for now.
    Suspended,
    /// Never again.
    Revoked,
}

/// A reader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    state: ReaderState,
    identity: Option<ReaderIdentity>,
    /// The last challenge, and when it was given; answered once.
    challenge: Option<([u8; 16], u64)>,
    /// The challenge before, so that it is not given twice in a row.
    last_nonce: Option<[u8; 16]>,
    attested: Option<(u64, [u8; 32])>,
    scope: Option<Scope>,
}

/// Why a reader may not load a card, or an event cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// It does not fit the state.
    #[error("that cannot follow: the reader is {state:?}")]
    Illegal {
        /// The state.
        state: ReaderState,
    },
    /// A serial number or public key that cannot be.
    #[error("the reader's serial number or public key cannot be used")]
    Identity,
    /// The approval is for another reader.
    #[error("the approval is for another reader or key")]
    OtherMatter,
    /// Too few persons.
    #[error("{persons} approved, {MIN_PERSONS} different persons have to")]
    Persons {
        /// How many did.
        persons: usize,
    },
    /// The challenge was used.
    #[error("the challenge was given before: draw another")]
    Nonce,
    /// No challenge is open, or its time is over.
    #[error("no challenge is open, or its answer comes too late: challenge the reader again")]
    NoChallenge,
    /// The signature is not the reader's over challenge and firmware.
    #[error("the attestation is not signed by this reader over its last challenge")]
    Signature,
    /// The firmware is not on the list.
    #[error("the reader's firmware is not on the list of those that are allowed")]
    Firmware,
    /// A purse that there is not, or a scope that allows nothing.
    #[error("a scope names purses 1 or 2 and an amount above 0")]
    Scope,
    /// It is not admitted.
    #[error("the reader is {state:?}: only admitted readers load cards")]
    NotAdmitted {
        /// The state.
        state: ReaderState,
    },
    /// Its attestation is too old.
    #[error("the reader was last attested at {at_ms} ms: it has to be attested again")]
    AttestationOver {
        /// When it was attested.
        at_ms: u64,
    },
    /// The purse is outside its scope.
    #[error("the reader may not load purse {purse}")]
    Purse {
        /// Number of the purse.
        purse: u8,
    },
    /// The amount is outside its scope.
    #[error("{amount} is over the reader's limit of {limit}")]
    Amount {
        /// The amount.
        amount: u32,
        /// The most it may load at once.
        limit: u32,
    },
}

impl Reader {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ReaderState {
        self.state
    }

    /// Who it is; `None` before it was registered.
    #[must_use]
    pub fn identity(&self) -> Option<&ReaderIdentity> {
        self.identity.as_ref()
    }

    /// The event of an attestation whose firmware is on the list in force.
    ///
    /// # Errors
    /// [`ReaderError::Firmware`]; what else is wrong, the machine says.
    pub fn attested(
        at_ms: u64,
        firmware: [u8; 32],
        signature: [u8; 64],
        allowed: &[[u8; 32]],
    ) -> Result<ReaderEvent, ReaderError> {
        match allowed.contains(&firmware) {
            true => Ok(ReaderEvent::Attested { at_ms, firmware, signature }),
            false => Err(ReaderError::Firmware),
        }
    }

    /// Whether it may load this amount into this purse now.
    ///
    /// # Errors
    /// [`ReaderError`] says what is missing.
    pub fn admits(&self, purse: PurseKind, amount: Amount, now_ms: u64) -> Result<(), ReaderError> {
        let state = self.state;
        let (ReaderState::Admitted, Some(scope)) = (state, &self.scope) else {
            return Err(ReaderError::NotAdmitted { state });
        };
        let at_ms = self.attested.map_or(0, |(at_ms, _)| at_ms);
        // A clock that went back makes an attestation no younger than it is.
        if now_ms.abs_diff(at_ms) >= ATTESTATION_MS {
            return Err(ReaderError::AttestationOver { at_ms });
        }
        let (number, limit) = (purse as u8, scope.max_amount);
        if !scope.purses.contains(&number) {
            return Err(ReaderError::Purse { purse: number });
        }
        let amount = amount.get();
        if amount <= limit { Ok(()) } else { Err(ReaderError::Amount { amount, limit }) }
    }

    fn register(&self, identity: &ReaderIdentity, grant: &Grant) -> Result<(), ReaderError> {
        if !identity.is_legal() {
            return Err(ReaderError::Identity);
        }
        if *grant.what() != identity.matter() {
            return Err(ReaderError::OtherMatter);
        }
        let persons = grant.persons();
        if persons < MIN_PERSONS { Err(ReaderError::Persons { persons }) } else { Ok(()) }
    }

    /// Takes the answer to the open challenge.
    fn attest(&mut self, at_ms: u64, firmware: [u8; 32], signature: &[u8; 64]) -> Result<(), ReaderError> {
        let (nonce, given_ms) = self.challenge.take().ok_or(ReaderError::NoChallenge)?;
        if at_ms.abs_diff(given_ms) > CHALLENGE_MS {
            return Err(ReaderError::NoChallenge);
        }
        let identity = self.identity.as_ref().ok_or(ReaderError::Identity)?;
        let key = identity.key().ok_or(ReaderError::Identity)?;
        let signed = identity.attestation(&nonce, &firmware);
        key.verify_strict(&signed, &Signature::from_bytes(signature)).map_err(|_| ReaderError::Signature)?;
        self.attested = Some((at_ms, firmware));
        Ok(())
    }
}

impl Machine for Reader {
    const NAME: &'static str = "reader";
    type Event = ReaderEvent;
    type Effect = std::convert::Infallible;
    type Error = ReaderError;

    fn apply(mut self, event: &ReaderEvent) -> Result<(Self, Vec<Self::Effect>), ReaderError> {
        use ReaderState::{Admitted, Attested, Registered, Revoked, Suspended, Unregistered};
        let state = self.state;
        self.state = match (state, event) {
            (Unregistered, ReaderEvent::Registered { identity, grant, .. }) => {
                self.register(identity, grant)?;
                self.identity = Some(identity.clone());
                Registered
            }
            (Registered | Attested | Admitted, ReaderEvent::Challenged { at_ms, nonce }) => {
                if self.last_nonce.replace(*nonce) == Some(*nonce) {
                    return Err(ReaderError::Nonce);
                }
                self.challenge = Some((*nonce, *at_ms));
                state
            }
            (Registered | Attested | Admitted, ReaderEvent::Attested { at_ms, firmware, signature }) => {
                self.attest(*at_ms, *firmware, signature)?;
                if state == Admitted { Admitted } else { Attested }
            }
            (Attested | Admitted, ReaderEvent::Admitted { scope, .. }) => {
                let are_purses = scope.purses.iter().all(|purse| matches!(purse, 1 | 2));
                if scope.purses.is_empty() || !are_purses || scope.max_amount == 0 {
                    return Err(ReaderError::Scope);
                }
                self.scope = Some(scope.clone());
                Admitted
            }
            (Admitted, ReaderEvent::Suspended { .. }) => Suspended,
            (Suspended, ReaderEvent::Reinstated { .. }) => {
                (self.attested, self.scope, self.challenge) = (None, None, None);
                Registered
            }
            (Registered | Attested | Admitted | Suspended, ReaderEvent::Revoked { .. }) => Revoked,
            _ => return Err(ReaderError::Illegal { state }),
        };
        Ok((self, Vec::new()))
    }

    fn belongs_to(event: &ReaderEvent) -> Option<String> {
        match event {
            ReaderEvent::Registered { identity, .. } => Some(format!("reader/{}", identity.serial)),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        false
    }
}

#[cfg(test)]
pub(crate) mod tests;
