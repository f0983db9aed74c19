//! SCP03 with session keys: C-MAC, R-MAC, encryption of commands and responses (Amd D 1.1.1), with MACs of 8 or 16 bytes.
//!
//! SCP11 does the same once its keys are agreed on.

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::{CommandApdu, CommandApduRef, ResponseApdu};
use cardwright_keys::cipher::{Aes, AesCmac};
use cardwright_keys::scp03::{constant, derive};
use cardwright_keys::{KeyError, KeyValue, SessionKeys};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::chain::push_lc;
use super::{Protocol, SecurityLevel, mac_class};
use crate::error::ResponseFault;
use crate::profile::{ChannelQuirks, CounterRule};

pub(super) struct Session {
    protocol: Protocol,
    enc: Aes,
    mac: AesCmac,
    rmac: AesCmac,
    mac_key: KeyValue,
    dek: Option<KeyValue>,
    chaining: [u8; 16],
    counter: u128,
    /// Length of cryptograms and MACs, in bytes: 8 or 16.
    mac_len: usize,
}

impl Session {
    pub(super) fn new(protocol: Protocol, keys: SessionKeys) -> Result<Self, KeyError> {
        Ok(Self {
            protocol,
            enc: Aes::new(&keys.enc)?,
            mac: AesCmac::new(&keys.mac)?,
            rmac: AesCmac::new(keys.rmac.as_ref().ok_or(KeyError::WrongAnswer)?)?,
            mac_key: keys.mac,
            dek: keys.dek,
            chaining: [0; 16],
            counter: 0,
            mac_len: protocol.mac_len(),
        })
    }

    /// A session of SCP11: the receipt is the first MAC chaining value. The first command counts as 1, as after EXTERNAL
    /// AUTHENTICATE.
    pub(super) fn after_receipt(protocol: Protocol, keys: SessionKeys, receipt: [u8; 16]) -> Result<Self, KeyError> {
        let mut session = Self::new(protocol, keys)?;
        session.chaining = receipt;
        Ok(session)
    }

    /// Amd D 6.2.2.2; `context` is host challenge ‖ card challenge.
    pub(super) fn card_cryptogram(&self, context: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.cryptogram(constant::CARD_CRYPTOGRAM, context)
    }

    /// Amd D 6.2.2.3; `context` is host challenge ‖ card challenge.
    pub(super) fn host_cryptogram(&self, context: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.cryptogram(constant::HOST_CRYPTOGRAM, context)
    }

    fn cryptogram(&self, constant: u8, context: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(derive(&self.mac_key, constant, self.mac_len, context)?.to_vec())
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(super) fn dek(&self) -> Option<&KeyValue> {
        self.dek.as_ref()
    }

    /// The counter counts every command after EXTERNAL AUTHENTICATE, with data or without (Amd D 6.2.6).
    pub(super) fn wrap(
        &mut self,
        command: CommandApduRef<'_>,
        level: SecurityLevel,
        quirks: ChannelQuirks,
    ) -> CommandApdu {
        let has_data = !command.data.is_empty();
        if quirks.counter == CounterRule::Every || has_data {
            self.counter += 1;
        }
        let encipher = level.has_c_decryption() && (has_data || quirks.enciphers_empty_data);
        self.protect(command, encipher)
    }

    /// EXTERNAL AUTHENTICATE: C-MAC only, before the counter starts (Amd D 6.2.3).
    pub(super) fn authenticate(&mut self, command: CommandApduRef<'_>) -> CommandApdu {
        self.protect(command, false)
    }

    fn protect(&mut self, command: CommandApduRef<'_>, encipher: bool) -> CommandApdu {
        // The MAC covers chaining value ‖ header ‖ data field (Amd D 6.2.4): laid out in one piece for one update.
        let length = command.data.len();
        let length = if encipher { (length + 1).next_multiple_of(16) } else { length };
        let mut message = Vec::with_capacity(16 + 7 + length + self.mac_len);
        message.extend_from_slice(&self.chaining);
        message.extend_from_slice(&[mac_class(command.cla), command.ins.0, command.p1, command.p2]);
        push_lc(&mut message, length + self.mac_len);
        let data = message.len();
        message.extend_from_slice(command.data);
        if encipher {
            pad(&mut message, data);
            let icv = self.enc.encrypt_block(&self.counter.to_be_bytes());
            self.enc.cbc_encrypt(&icv, &mut message[data..]);
        }
        self.chaining = self.mac.mac(&[&message]);
        message.drain(..data);
        message.extend_from_slice(&self.chaining[..self.mac_len]);
        CommandApdu::new(command.cla.secured(), command.ins, command.p1, command.p2)
            .with_data(message)
            .with_ne(command.ne)
    }

    /// Amd D 6.2.5 and 6.2.7.
    pub(super) fn unwrap(&self, response: ResponseApdu, level: SecurityLevel) -> Result<ResponseApdu, ResponseFault> {
        let sw = response.sw();
        if !sw.is_ok() && !sw.is_warning() {
            return match response.data().len() {
                0 => Ok(response),
                actual => Err(ResponseFault::Unprotected { actual }),
            };
        }
        let Some(length) = response.data().len().checked_sub(self.mac_len) else {
            return Err(ResponseFault::MacMissing { expected: self.mac_len, actual: response.data().len() });
        };
        let (data, mac) = response.data().split_at(length);
        let expected = self.rmac.mac(&[&self.chaining, data, &sw.0.to_be_bytes()]);
        if !bool::from(expected[..self.mac_len].ct_eq(mac)) {
            return Err(ResponseFault::Mac { offset: data.len() });
        }
        let mut data = data.to_vec();
        if level.has_r_encryption() && !data.is_empty() {
            if data.len() % 16 != 0 {
                return Err(ResponseFault::CipherLength { actual: data.len() });
            }
            let icv = self.enc.encrypt_block(&(self.counter | 0x80 << 120).to_be_bytes());
            self.enc.cbc_decrypt(&icv, &mut data);
            unpad(&mut data)?;
        }
        Ok(ResponseApdu::new(data, sw))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.chaining.zeroize();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scp03")
    }
}

/// Padding of what begins at `start` with 80 00 .. (Amd D 4.1.4).
fn pad(message: &mut Vec<u8>, start: usize) {
    message.push(0x80);
    message.resize(start + (message.len() - start).next_multiple_of(16), 0);
}

/// More zeros than one block needs are accepted: cards pad so, and the R-MAC has been verified before.
fn unpad(data: &mut Vec<u8>) -> Result<(), ResponseFault> {
    let end = data.iter().rposition(|byte| *byte != 0).ok_or(ResponseFault::Padding)?;
    if data[end] != 0x80 {
        return Err(ResponseFault::Padding);
    }
    data.truncate(end);
    Ok(())
}
