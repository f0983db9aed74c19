//! SCP01 and SCP02 with session keys: cryptograms, C-MAC, C-DECRYPTION, R-MAC (GPCS 2.3.1 appendices D and E).

use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::{CommandApdu, CommandApduRef, Ne, ResponseApdu};
use cardwright_keys::cipher::Tdes;
use cardwright_keys::{KeyError, KeyValue, SessionKeys};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::chain::push_lc;
use super::{Protocol, SecurityLevel, mac_class};
use crate::error::ResponseFault;

const MAC_LEN: usize = 8;

/// `i`: the C-MAC covers the command as it was before (GPCS 2.3.1 table E-1).
const UNMODIFIED: u8 = 0x02;
/// `i`: the ICV is enciphered.
const ICV_ENCRYPTION: u8 = 0x10;

/// R-MAC of SCP02.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseMac {
    /// None.
    Off,
    /// On each response.
    Each,
    /// Computed over all, told at the end.
    AtTheEnd,
}

pub(super) struct Session {
    protocol: Protocol,
    i: u8,
    enc: Tdes,
    mac: Tdes,
    icv: Tdes,
    rmac: Option<Tdes>,
    dek: Option<KeyValue>,
    /// ICV of the next C-MAC, before its encryption; the first one is not enciphered.
    chaining: [u8; 8],
    is_first: bool,
    /// Sequence counter that the keys come from; `None` where the key of R-MAC sessions is known already.
    sequence_counter: Option<[u8; 2]>,
    is_implicit: bool,
    response_mac: ResponseMac,
    /// ICV of the next R-MAC.
    r_chaining: [u8; 8],
    /// The command whose response is awaited, as the R-MAC covers it.
    stripped: Vec<u8>,
}

impl Session {
    pub(super) fn new(protocol: Protocol, i: u8, keys: SessionKeys) -> Result<Self, KeyError> {
        // SCP02: single DES with the left half of the C-MAC session key (GPCS 2.3.1 E.3.4); SCP01: triple DES (D.1.5).
        let icv = match protocol {
            Protocol::Scp01 => Tdes::new(&keys.mac)?,
            _ => Tdes::new(&KeyValue::new(keys.mac.expose_bytes().get(..8).unwrap_or_default())?)?,
        };
        Ok(Self {
            protocol,
            i,
            enc: Tdes::new(&keys.enc)?,
            mac: Tdes::new(&keys.mac)?,
            icv,
            rmac: keys.rmac.as_ref().map(Tdes::new).transpose()?,
            dek: keys.dek,
            chaining: [0; 8],
            is_first: true,
            sequence_counter: None,
            is_implicit: false,
            response_mac: ResponseMac::Off,
            r_chaining: [0; 8],
            stripped: Vec::new(),
        })
    }

    /// A session that the first C-MAC opens (GPCS 2.3.1 E.1.2.2): its ICVs are MACs over the AID of the selected application.
    pub(super) fn implicit(i: u8, keys: SessionKeys, aid: &[u8]) -> Result<Self, KeyError> {
        let mut session = Self::new(Protocol::Scp02, i, keys)?;
        session.is_implicit = true;
        session.chaining = mac_over(&session.mac, aid);
        session.r_chaining = session.rmac.as_ref().map_or([0; 8], |key| mac_over(key, aid));
        Ok(session)
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub(super) fn i(&self) -> u8 {
        self.i
    }

    pub(super) fn is_implicit(&self) -> bool {
        self.is_implicit
    }

    /// The session with the sequence counter that its keys come from.
    pub(super) fn with_sequence_counter(mut self, counter: Option<[u8; 2]>) -> Self {
        self.sequence_counter = counter;
        self
    }

    pub(super) fn sequence_counter(&self) -> Option<[u8; 2]> {
        self.sequence_counter
    }

    /// Gives the session the key of its R-MAC sessions.
    pub(super) fn set_r_mac_key(&mut self, key: &KeyValue) -> Result<(), KeyError> {
        self.rmac = Some(Tdes::new(key)?);
        self.sequence_counter = None;
        Ok(())
    }

    pub(super) fn dek(&self) -> Option<&KeyValue> {
        self.dek.as_ref()
    }

    pub(super) fn response_mac(&self) -> ResponseMac {
        self.response_mac
    }

    pub(super) fn set_response_mac(&mut self, response_mac: ResponseMac) {
        self.response_mac = response_mac;
    }

    /// The R-MAC over what was said since the R-MAC session began.
    pub(super) fn r_mac(&self) -> [u8; 8] {
        self.r_chaining
    }

    pub(super) fn set_r_mac(&mut self, r_mac: [u8; 8]) {
        self.r_chaining = r_mac;
    }

    /// MAC of `first ‖ second` with S-ENC, full triple DES (GPCS 2.3.1 D.3.2, E.4.2).
    ///
    /// Card: host challenge ‖ card challenge, which under SCP02 begins with the sequence counter; host: the halves changed
    /// about.
    pub(super) fn cryptogram(&self, first: &[u8], second: &[u8]) -> Vec<u8> {
        let mut data = [first, second].concat();
        pad(&mut data);
        full_mac(&self.enc, &[0; 8], &mut data).to_vec()
    }

    /// GPCS 2.3.1 E.4.2.3: the first six bytes of the MAC of the AID with the C-MAC session key.
    pub(super) fn card_challenge(&self, aid: &[u8]) -> [u8; 6] {
        let mut challenge = [0; 6];
        challenge.copy_from_slice(&mac_over(&self.mac, aid)[..6]);
        challenge
    }

    /// EXTERNAL AUTHENTICATE: C-MAC at any level; its C-MAC is the ICV of the first R-MAC too (GPCS 2.3.1 E.3.2).
    pub(super) fn authenticate(&mut self, command: CommandApduRef<'_>, level: SecurityLevel) -> CommandApdu {
        let protected = self.protect(command, SecurityLevel::C_MAC);
        self.r_chaining = self.chaining;
        if level.has_r_mac() {
            self.response_mac = ResponseMac::Each;
        }
        protected
    }

    pub(super) fn wrap(&mut self, command: CommandApduRef<'_>, level: SecurityLevel) -> CommandApdu {
        if self.response_mac != ResponseMac::Off {
            // Lc is there also where there is no data (GPCS 2.3.1 E.4.5).
            self.stripped = Vec::with_capacity(command.data.len() + 7);
            let class = mac_class(command.cla) & !0x04;
            self.stripped.extend_from_slice(&[class, command.ins.0, command.p1, command.p2]);
            push_lc(&mut self.stripped, command.data.len());
            self.stripped.extend_from_slice(command.data);
        }
        let protected = match level.has_c_mac() {
            true => self.protect(command, level),
            false => CommandApdu::new(command.cla, command.ins, command.p1, command.p2)
                .with_data(command.data)
                .with_ne(command.ne),
        };
        match self.response_mac {
            // A response that carries an R-MAC has data, which the command must ask for (GPCS 2.3.1 E.4.5).
            ResponseMac::Each if command.ne == Ne::NONE => protected.with_ne(Ne::MAX_SHORT),
            _ => protected,
        }
    }

    fn protect(&mut self, command: CommandApduRef<'_>, level: SecurityLevel) -> CommandApdu {
        let mac = self.c_mac(command);
        let mut data = Vec::with_capacity(command.data.len() + 16);
        if level.has_c_decryption() && !command.data.is_empty() {
            if self.protocol == Protocol::Scp01 {
                // The length in front; padding only where it does not fill a block (GPCS 2.3.1 D.3.4).
                data.push(command.data.len() as u8);
                data.extend_from_slice(command.data);
                if data.len() % 8 != 0 {
                    pad(&mut data);
                }
            } else {
                data.extend_from_slice(command.data);
                pad(&mut data);
            }
            self.enc.cbc_encrypt(&[0; 8], &mut data);
        } else {
            data.extend_from_slice(command.data);
        }
        data.extend_from_slice(&mac);
        CommandApdu::new(command.cla.secured(), command.ins, command.p1, command.p2).with_data(data).with_ne(command.ne)
    }

    /// C-MAC over the plain data field (GPCS 2.3.1 D.3.3, E.4.4).
    fn c_mac(&mut self, command: CommandApduRef<'_>) -> [u8; 8] {
        let mut icv = self.chaining;
        if !self.is_first && self.i & ICV_ENCRYPTION != 0 {
            self.icv.ecb_encrypt(&mut icv);
        }
        let (class, more) = match self.i & UNMODIFIED {
            0 => (mac_class(command.cla), MAC_LEN),
            _ => (mac_class(command.cla) & !0x04, 0),
        };
        let mut data = Vec::with_capacity(command.data.len() + 15);
        data.extend_from_slice(&[class, command.ins.0, command.p1, command.p2]);
        push_lc(&mut data, command.data.len() + more);
        data.extend_from_slice(command.data);
        pad(&mut data);
        self.chaining = match self.protocol {
            Protocol::Scp01 => full_mac(&self.mac, &icv, &mut data),
            _ => self.mac.mac(&icv, &mut data),
        };
        self.is_first = false;
        self.chaining
    }

    /// R-MAC (GPCS 2.3.1 E.4.5). Each pair of command and response goes into the chain, whether it carries a MAC or not.
    pub(super) fn unwrap(&mut self, response: ResponseApdu) -> Result<ResponseApdu, ResponseFault> {
        let (Some(key), true) = (&self.rmac, self.response_mac != ResponseMac::Off) else { return Ok(response) };
        let sw = response.sw();
        let is_error = !sw.is_ok() && !sw.is_warning();
        let carries = self.response_mac == ResponseMac::Each;
        let (data, mac) = match response.data().split_last_chunk::<MAC_LEN>() {
            Some((data, mac)) if carries => (data, Some(mac)),
            // What an error carries the standard does not say clearly: nothing, or its R-MAC.
            _ if carries && !(is_error && response.data().is_empty()) => {
                return Err(ResponseFault::MacMissing { expected: MAC_LEN, actual: response.data().len() });
            }
            _ => (response.data(), None),
        };
        if is_error && !data.is_empty() {
            return Err(ResponseFault::Unprotected { actual: data.len() });
        }
        let mut message = core::mem::take(&mut self.stripped);
        message.push(data.len() as u8);
        message.extend_from_slice(data);
        message.extend_from_slice(&sw.0.to_be_bytes());
        pad(&mut message);
        self.r_chaining = key.mac(&self.r_chaining, &mut message);
        match mac {
            Some(mac) if !bool::from(self.r_chaining.ct_eq(mac)) => Err(ResponseFault::Mac { offset: data.len() }),
            _ => Ok(ResponseApdu::new(data, sw)),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol.name())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.chaining.zeroize();
        self.r_chaining.zeroize();
        self.stripped.zeroize();
    }
}

/// Full triple DES MAC (GPCS 2.3.1 B.1.2.1): the last block of the CBC.
fn full_mac(key: &Tdes, icv: &[u8; 8], data: &mut [u8]) -> [u8; 8] {
    key.cbc_encrypt(icv, data);
    let mut mac = [0; 8];
    mac.copy_from_slice(&data[data.len() - 8..]);
    mac
}

/// Single DES plus final triple DES MAC over an AID.
fn mac_over(key: &Tdes, aid: &[u8]) -> [u8; 8] {
    let mut data = aid.to_vec();
    pad(&mut data);
    key.mac(&[0; 8], &mut data)
}

/// Padding with 80 00 .. (GPCS 2.3.1 B.1.3).
fn pad(data: &mut Vec<u8>) {
    data.push(0x80);
    data.resize(data.len().next_multiple_of(8), 0);
}
