use alloc::vec::Vec;

use cardwright_keys::{KeyRequest, KeySet, SessionAnswer, SessionKeys};

use super::{Cipher, Protocol, SecureChannel, SecurityLevel, des};
use crate::Error;

/// Implicit initiation of SCP02 (GPCS 2.3.1 E.1.2.2): no INITIALIZE UPDATE, no EXTERNAL AUTHENTICATE; the first command with a
/// C-MAC opens the channel. The caller's explicit choice: nothing proves to the host that the card has the keys.
///
/// The sequence counter is known, or read with GET DATA C1. The card counts when it has verified the first C-MAC, so that C-MAC and
/// encryption keys come from the counter before, R-MAC and data encryption keys from the one after.
///
/// Untested on silicon: no recording of a real card with it was found.
#[derive(Clone, Debug)]
pub struct ImplicitInitiation {
    /// `i` of the card: 1A where nothing else is known.
    pub i: u8,
    /// Sequence counter of the key set, before the session.
    pub sequence_counter: u16,
    /// AID of the application that is selected.
    pub aid: Vec<u8>,
}

impl ImplicitInitiation {
    /// What to ask the key service for, in this order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the counter is used up.
    pub fn key_requests(&self, keys: &KeySet) -> Result<[KeyRequest; 2], Error> {
        let next = self.sequence_counter.checked_add(1);
        let next =
            next.ok_or(Error::Unsupported { what: "a session after the last one that the sequence counter allows" })?;
        Ok([self.sequence_counter, next]
            .map(|counter| KeyRequest::Scp02Session { keys: keys.clone(), sequence_counter: counter.to_be_bytes() }))
    }

    /// The channel, at level C-MAC. What the first command is answered tells whether the card has accepted it.
    ///
    /// # Errors
    /// [`Error::Keys`] when the answers hold no keys of SCP02.
    pub fn open(self, before: SessionAnswer, after: SessionAnswer) -> Result<SecureChannel, Error> {
        let keys =
            SessionKeys { enc: before.keys.enc, mac: before.keys.mac, rmac: after.keys.rmac, dek: after.keys.dek };
        let session = des::Session::implicit(self.i, keys, &self.aid)?;
        debug_assert_eq!(session.protocol(), Protocol::Scp02);
        Ok(SecureChannel::new(Cipher::Des(session), SecurityLevel::C_MAC))
    }
}
