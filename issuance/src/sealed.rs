//! Personal data, sealed apart from the journal, so that it can be erased and the chain of records still verifies.
//!
//! ```text
//! journal (never erased)                       sealed store (erasable)
//! person/<id>: Sealed { field, commitment } -> (subject, commitment): AES-256-GCM under the subject's data key
//!                                              subject: data key, wrapped under the master key
//! ```
//!
//! Each subject (a customer, an order) has a data key of its own. From it come two keys, HMAC-SHA256(data key, label):
//!
//! ```text
//! K_seal    seals:     nonce || AES-256-GCM(K_seal, nonce, data, AAD = CBOR [context, entity, field])
//! K_commit  commits:   HMAC-SHA256(K_commit, CBOR [context, entity, field, data])
//! nonce              = HMAC-SHA256(K_commit, CBOR [context, random, commitment]), first 12 bytes
//! ```
//!
//! The journal holds the commitment alone: it binds what was recorded, and without the data key nobody can try out values against
//! it, however few there are (telephone numbers, identity numbers). Once the data key is erased, sealed data and commitments are noise.
//!
//! A subject in the journal:
//!
//! | from | event | guard | to |
//! |---|---|---|---|
//! | None | Enrolled (its data key is in the sealed store) | | Kept |
//! | Kept | Sealed(field, commitment) (the data are in the sealed store) | | Kept |
//! | Kept | ErasureBegun(reason) | | Erasing |
//! | Erasing | Erased (its data key is gone) | | Erased |
//!
//! Erasing is begun durably, so that a crash between the two records is finished by the next run; it may be repeated.
//!
//! Limits: whoever copied the sealed store and has the master key can still read the copy: copies of the table of keys have to be
//! dropped too. Entities and fields are names and must say nothing about a person.

use std::convert::Infallible;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use minicbor::{Decode, Encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::journal::{Entity, EntityError, hex};
use crate::machine::Machine;
use crate::store::StoreError;

mod memory;
mod sqlite;

pub use memory::MemorySealedStore;
pub use sqlite::SqliteSealedStore;

const CONTEXT: &str = "cardwright sealed 1";
const WRAP_CONTEXT: &str = "cardwright wrapped 1";
const NONCE: usize = 12;

/// Somebody's data: wiped when dropped, never shown.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct PersonalData(Vec<u8>);

impl PersonalData {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for PersonalData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonalData")
    }
}

/// The key under which all data keys are wrapped. It comes from the house's key store and is wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Takes the key over.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}

/// Whose data: 16 random bytes, which say nothing about the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SubjectId(#[cbor(with = "minicbor::bytes")] [u8; 16]);

impl SubjectId {
    /// Takes 16 random bytes.
    #[must_use]
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The journal's entity of this subject.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(&format!("person/{}", hex(&self.0)))
    }
}

/// Stands for sealed data in the journal: a keyed hash, nothing without the subject's data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Commitment(#[cbor(with = "minicbor::bytes")] [u8; 32]);

impl Commitment {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Where sealed data and wrapped data keys lie. `Ok` of what changes it means that the change is on stable storage.
pub trait SealedStore: Send {
    /// Keeps a wrapped data key; one that is there stays, and the answer is whether this one was kept.
    ///
    /// # Errors
    /// [`StoreError`] of the storage group.
    fn put_key(&mut self, subject: SubjectId, wrapped: &[u8]) -> Result<bool, StoreError>;

    /// The wrapped data key of a subject.
    ///
    /// # Errors
    /// [`StoreError`] of the storage group.
    fn key(&self, subject: SubjectId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Overwrites and removes the wrapped data key of a subject, then its sealed data. May be repeated.
    ///
    /// # Errors
    /// [`StoreError`] of the storage group.
    fn erase(&mut self, subject: SubjectId) -> Result<(), StoreError>;

    /// Keeps sealed data, in the place of what was there under the same commitment.
    ///
    /// # Errors
    /// [`StoreError`] of the storage group.
    fn put(&mut self, subject: SubjectId, commitment: Commitment, sealed: &[u8]) -> Result<(), StoreError>;

    /// Sealed data.
    ///
    /// # Errors
    /// [`StoreError`] of the storage group.
    fn get(&self, subject: SubjectId, commitment: Commitment) -> Result<Option<Vec<u8>>, StoreError>;
}

/// Personal data cannot be sealed or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealedError {
    /// The sealed store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The subject has no data key: it was never enrolled, or its data were erased.
    #[error("subject {subject:?} has no data key: its data were erased, or it was never enrolled")]
    NoKey {
        /// Whose.
        subject: SubjectId,
    },
    /// The subject has a data key already.
    #[error("subject {subject:?} is enrolled already")]
    Enrolled {
        /// Whose.
        subject: SubjectId,
    },
    /// Nothing is sealed under this commitment.
    #[error("nothing of subject {subject:?} is sealed under this commitment")]
    NotThere {
        /// Whose.
        subject: SubjectId,
    },
    /// The wrapped data key is not what was wrapped, or the master key is another.
    #[error("the data key of subject {subject:?} cannot be unwrapped: it was changed, or the master key is another")]
    Wrapped {
        /// Whose.
        subject: SubjectId,
    },
    /// The sealed data are not what was sealed for this entity and field.
    #[error("sealed data of subject {subject:?} were changed, or belong to another entity or field")]
    Changed {
        /// Whose.
        subject: SubjectId,
    },
    /// More data than the cipher takes.
    #[error("{length} bytes are too many to seal")]
    TooLong {
        /// How many.
        length: usize,
    },
}

/// Seals and opens personal data.
#[derive(Debug)]
pub struct Vault<S> {
    store: S,
    master: MasterKey,
}

/// The two keys that come from a data key.
struct SubjectKeys {
    seal: Zeroizing<[u8; 32]>,
    commit: Zeroizing<[u8; 32]>,
}

impl<S: SealedStore> Vault<S> {
    /// A vault over a sealed store.
    #[must_use]
    pub fn new(store: S, master: MasterKey) -> Self {
        Self { store, master }
    }

    /// Gives a subject a data key: `random` is unpredictable and used for nothing else.
    ///
    /// # Errors
    /// [`SealedError::Enrolled`]; the store's.
    pub fn enroll(&mut self, subject: SubjectId, random: Zeroizing<[u8; 32]>) -> Result<(), SealedError> {
        let data_key = random;
        // One key is wrapped once per subject, and the subject is in the nonce's derivation and in the AAD.
        let nonce = mac(&self.master.0, &(WRAP_CONTEXT, subject, ByteSlice(&data_key[..])));
        let wrapped = encipher(&self.master.0, &nonce, &data_key[..], &(WRAP_CONTEXT, subject))
            .ok_or(SealedError::TooLong { length: data_key.len() })?;
        if self.store.put_key(subject, &wrapped)? { Ok(()) } else { Err(SealedError::Enrolled { subject }) }
    }

    /// Seals data of a subject and keeps it; durable on return. The commitment goes into the journal. `random` makes two sealings of
    /// the same data differ; that it repeats would do no harm.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn seal(
        &mut self,
        subject: SubjectId,
        entity: &Entity,
        field: &str,
        data: &PersonalData,
        random: [u8; 16],
    ) -> Result<Commitment, SealedError> {
        let keys = self.keys(subject)?;
        let commitment = keys.commitment(entity, field, data.expose_bytes());
        let nonce = mac(&keys.commit[..], &(CONTEXT, ByteSlice(&random), commitment));
        let sealed = encipher(&keys.seal, &nonce, data.expose_bytes(), &(CONTEXT, entity.as_str(), field))
            .ok_or(SealedError::TooLong { length: data.expose_bytes().len() })?;
        self.store.put(subject, commitment, &sealed)?;
        Ok(commitment)
    }

    /// Opens what was sealed, and checks that it is what the journal's commitment stands for.
    ///
    /// # Errors
    /// [`SealedError`].
    pub fn open(
        &self,
        subject: SubjectId,
        entity: &Entity,
        field: &str,
        commitment: Commitment,
    ) -> Result<PersonalData, SealedError> {
        let keys = self.keys(subject)?;
        let sealed = self.store.get(subject, commitment)?.ok_or(SealedError::NotThere { subject })?;
        let data = decipher(&keys.seal[..], &sealed, &(CONTEXT, entity.as_str(), field));
        let data = PersonalData::new(data.ok_or(SealedError::Changed { subject })?);
        let found = keys.commitment(entity, field, data.expose_bytes());
        if bool::from(found.0.ct_eq(&commitment.0)) { Ok(data) } else { Err(SealedError::Changed { subject }) }
    }

    /// Erases a subject's data key, and with it everything that was sealed; durable on return. May be repeated.
    ///
    /// # Errors
    /// The store's.
    pub fn erase(&mut self, subject: SubjectId) -> Result<(), SealedError> {
        Ok(self.store.erase(subject)?)
    }

    /// The sealed store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    fn keys(&self, subject: SubjectId) -> Result<SubjectKeys, SealedError> {
        let wrapped = self.store.key(subject)?.ok_or(SealedError::NoKey { subject })?;
        let data_key = decipher(&self.master.0, &wrapped, &(WRAP_CONTEXT, subject)).map(Zeroizing::new);
        let data_key = data_key.ok_or(SealedError::Wrapped { subject })?;
        Ok(SubjectKeys {
            seal: Zeroizing::new(mac(&data_key, &"seal")),
            commit: Zeroizing::new(mac(&data_key, &"commit")),
        })
    }
}

impl SubjectKeys {
    fn commitment(&self, entity: &Entity, field: &str, data: &[u8]) -> Commitment {
        Commitment(mac(&self.commit[..], &(CONTEXT, entity.as_str(), field, ByteSlice(data))))
    }
}

/// Borrowed bytes as a CBOR byte string.
struct ByteSlice<'a>(&'a [u8]);

impl<C> Encode<C> for ByteSlice<'_> {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(self.0)?.ok()
    }
}

/// HMAC-SHA256 over the CBOR of `value`, which is never in memory as a whole.
fn mac<T: Encode<()>>(key: &[u8], value: &T) -> [u8; 32] {
    let mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    let mut sink = Hashing(mac);
    let Ok(()) = minicbor::encode(value, &mut sink).map_err(never);
    sink.0.finalize().into_bytes().into()
}

struct Hashing(Hmac<Sha256>);

impl minicbor::encode::Write for Hashing {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.update(bytes);
        Ok(())
    }
}

/// The one error of an encoder whose writer has none is a message of an `Encode` implementation; those above have none.
fn never(_: minicbor::encode::Error<Infallible>) -> Infallible {
    unreachable!("arrays, texts and byte strings are written by the encoder itself")
}

fn cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    // Writing to memory cannot fail.
    minicbor::to_vec(value).unwrap_or_default()
}

/// `nonce || ciphertext || tag`; `None` when there is too much data.
fn encipher<A: Encode<()>>(key: &[u8; 32], nonce: &[u8; 32], data: &[u8], aad: &A) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new(key.into());
    let nonce = Nonce::try_from(&nonce[..NONCE]).ok()?;
    let sealed = cipher.encrypt(&nonce, Payload { msg: data, aad: &cbor(aad) }).ok()?;
    Some([&nonce[..], &sealed].concat())
}

fn decipher<A: Encode<()>>(key: &[u8], sealed: &[u8], aad: &A) -> Option<Vec<u8>> {
    let cipher = Aes256Gcm::new_from_slice(key).ok()?;
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    cipher.decrypt(&Nonce::try_from(nonce).ok()?, Payload { msg: sealed, aad: &cbor(aad) }).ok()
}

/// What the journal says of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    state: SubjectState,
    /// What was sealed, by field; the last of each.
    sealed: std::collections::BTreeMap<String, Commitment>,
}

/// Where a subject's data stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectState {
    /// There are none.
    #[default]
    None,
    /// They are kept.
    Kept,
    /// They are being erased.
    Erasing,
    /// They are gone.
    Erased,
}

/// What happens to a subject's data. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SubjectEvent {
    /// It has a data key.
    #[n(80)]
    Enrolled {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
    /// Data were sealed.
    #[n(81)]
    Sealed {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// What kind of data.
        #[n(1)]
        field: String,
        /// What stands for them.
        #[n(2)]
        commitment: Commitment,
    },
    /// They are going to be erased.
    #[n(82)]
    ErasureBegun {
        /// When.
        #[n(0)]
        at_ms: u64,
        /// Why, in words without data.
        #[n(1)]
        reason: String,
    },
    /// They are gone.
    #[n(83)]
    Erased {
        /// When.
        #[n(0)]
        at_ms: u64,
    },
}

/// An event of a subject that cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("that cannot follow: the subject's data are {state:?}")]
pub struct SubjectError {
    /// The state.
    pub state: SubjectState,
}

impl Subject {
    /// Where its data stand.
    #[must_use]
    pub fn state(&self) -> SubjectState {
        self.state
    }

    /// What stands for the data of a field.
    #[must_use]
    pub fn commitment(&self, field: &str) -> Option<Commitment> {
        self.sealed.get(field).copied()
    }
}

impl Machine for Subject {
    const NAME: &'static str = "subject";
    type Event = SubjectEvent;
    type Effect = Infallible;
    type Error = SubjectError;

    fn apply(mut self, event: &SubjectEvent) -> Result<(Self, Vec<Self::Effect>), SubjectError> {
        use SubjectState::{Erased, Erasing, Kept, None};
        self.state = match (self.state, event) {
            (None, SubjectEvent::Enrolled { .. }) => Kept,
            (Kept, SubjectEvent::Sealed { field, commitment, .. }) => {
                self.sealed.insert(field.clone(), *commitment);
                Kept
            }
            (Kept, SubjectEvent::ErasureBegun { .. }) => Erasing,
            (Erasing, SubjectEvent::Erased { .. }) => Erased,
            (state, _) => return Err(SubjectError { state }),
        };
        Ok((self, Vec::new()))
    }

    fn is_open(&self) -> bool {
        self.state == SubjectState::Erasing
    }
}

#[cfg(test)]
mod tests;
