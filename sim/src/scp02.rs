//! The card's side of Secure Channel Protocol '02' with every `i` (GPCS appendix E).

use cardwright_apdu::{Class, CommandApdu, CommandApduRef, ResponseApdu};

use crate::chain::lc;
use crate::crypto::{DES_BLOCK, TripleDes, encrypt_des, halves, retail_mac, same, unpad};

/// Length of a C-MAC or R-MAC, in bytes.
const MAC: usize = 8;
/// `i`: the C-MAC covers the command as it was (GPCS table E-1).
const UNMODIFIED: u8 = 0x02;
/// `i`: the ICV is enciphered.
const ICV_ENCRYPTION: u8 = 0x10;

/// Static keys: Key-ENC, Key-MAC, Key-DEK, or the base key three times.
pub(crate) type StaticKeys = [[u8; 16]; 3];

/// Session keys (GPCS E.4.1).
#[derive(Clone)]
pub(crate) struct SessionKeys {
    pub(crate) enc: [u8; 16],
    pub(crate) mac: [u8; 16],
    pub(crate) rmac: [u8; 16],
    pub(crate) dek: [u8; 16],
}

impl SessionKeys {
    /// `3DES-CBC(static key, constant ‖ sequence counter ‖ 00 * 12)`, constants 0182, 0101, 0102, 0181 (GPCS E.4.1).
    pub(crate) fn derive([enc, mac, dek]: &StaticKeys, counter: u16) -> Self {
        let key = |key: &[u8; 16], constant: [u8; 2]| {
            let mut data = [0; 16];
            data[..2].copy_from_slice(&constant);
            data[2..4].copy_from_slice(&counter.to_be_bytes());
            TripleDes::new(key).encrypt_cbc([0; 8], &mut data);
            data
        };
        Self {
            enc: key(enc, [0x01, 0x82]),
            mac: key(mac, [0x01, 0x01]),
            rmac: key(mac, [0x01, 0x02]),
            dek: key(dek, [0x01, 0x81]),
        }
    }

    /// The well-known pseudo-random card challenge: the six leftmost bytes of the MAC over the AID (GPCS E.4.2.3).
    pub(crate) fn card_challenge(&self, aid: &[u8]) -> [u8; 6] {
        let mac = retail_mac(&self.mac, [0; 8], aid);
        [mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]]
    }
}

/// A channel between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE.
#[derive(Clone)]
pub(crate) struct Handshake {
    pub(crate) i: u8,
    pub(crate) keys: SessionKeys,
    /// The keys once EXTERNAL AUTHENTICATE has been counted.
    pub(crate) later: SessionKeys,
    pub(crate) host_challenge: [u8; 8],
    pub(crate) counter: u16,
    pub(crate) card_challenge: [u8; 6],
}

impl Handshake {
    /// `MAC(S-ENC, host challenge ‖ sequence counter ‖ card challenge)` (GPCS E.4.2.1).
    pub(crate) fn card_cryptogram(&self) -> [u8; 8] {
        let data = [&self.host_challenge[..], &self.counter.to_be_bytes(), &self.card_challenge].concat();
        TripleDes::new(&self.keys.enc).full_mac([0; 8], &data)
    }

    /// `MAC(S-ENC, sequence counter ‖ card challenge ‖ host challenge)` (GPCS E.4.2.2).
    pub(crate) fn host_cryptogram(&self) -> [u8; 8] {
        let data = [&self.counter.to_be_bytes()[..], &self.card_challenge, &self.host_challenge].concat();
        TripleDes::new(&self.keys.enc).full_mac([0; 8], &data)
    }

    /// The channel in the state before its first C-MAC, whose ICV is zero (GPCS E.3.2).
    pub(crate) fn channel(self) -> Channel {
        let later_rmac = self.later.rmac;
        Channel::new(self.i, self.keys, later_rmac, [0; 8], [0; 8])
    }
}

/// How responses are protected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResponseMac {
    Off,
    /// Each response carries an R-MAC: until the session ends, or END R-MAC SESSION.
    Each {
        until_end_of_session: bool,
    },
    /// END R-MAC SESSION fetches the R-MAC.
    AtTheEnd,
}

/// Why BEGIN or END R-MAC SESSION is not for now.
pub(crate) struct OutOfTurn;

/// An initiated channel.
#[derive(Clone)]
pub(crate) struct Channel {
    i: u8,
    keys: SessionKeys,
    /// Key of the R-MAC of the session: by the sequence counter at the time when that begins (GPCS E.4.1).
    rmac: [u8; 16],
    /// R-MAC session key with the counter after the first C-MAC.
    later_rmac: [u8; 16],
    icv: [u8; 8],
    is_first: bool,
    /// Whether C-DECRYPTION is part of the security level.
    pub(crate) decrypt: bool,
    response_mac: ResponseMac,
    r_icv: [u8; 8],
}

impl Channel {
    fn new(i: u8, keys: SessionKeys, later_rmac: [u8; 16], icv: [u8; 8], r_icv: [u8; 8]) -> Self {
        let rmac = keys.rmac;
        let response_mac = ResponseMac::Off;
        Self { i, keys, rmac, later_rmac, icv, is_first: true, decrypt: false, response_mac, r_icv }
    }

    /// A channel that its first C-MAC opens: `before` come from the sequence counter as it is, `after` from the one that
    /// counts this session; the ICVs are MACs over the AID of the selected application (GPCS E.1.2.2, E.3.3).
    pub(crate) fn implicit(i: u8, before: SessionKeys, after: &SessionKeys, aid: &[u8]) -> Self {
        let (icv, r_icv) = (retail_mac(&before.mac, [0; 8], aid), retail_mac(&after.rmac, [0; 8], aid));
        Self::new(i, before, after.rmac, icv, r_icv)
    }

    /// EXTERNAL AUTHENTICATE was right: its C-MAC is the first ICV of R-MACs too (GPCS E.3.2).
    pub(crate) fn authenticated(&mut self, decrypt: bool, r_mac: bool) {
        self.decrypt = decrypt;
        self.r_icv = self.icv;
        if r_mac {
            self.response_mac = ResponseMac::Each { until_end_of_session: true };
        }
    }

    /// Verifies the C-MAC and gives the command without protection; `None` is a security error.
    ///
    /// The card deciphers first, then verifies over the plain data (GPCS E.4.4, E.4.6).
    pub(crate) fn unwrap(&mut self, command: &CommandApduRef<'_>) -> Option<CommandApdu> {
        let (data, mac) = command.data.split_at_checked(command.data.len().checked_sub(MAC)?)?;
        let mut data = data.to_vec();
        if self.decrypt && !data.is_empty() {
            if data.len() % DES_BLOCK != 0 {
                return None;
            }
            TripleDes::new(&self.keys.enc).decrypt_cbc([0; 8], &mut data);
            unpad(&mut data)?;
        }
        // No logical channel; on the modified command the secure messaging bit, and Lc with the MAC. A command without data
        // has Lc 00 on the unmodified one, as in an R-MAC: E.4.4 does not say.
        let (secure, more) = if self.i & UNMODIFIED != 0 { (0x00, 0) } else { (0x04, MAC) };
        let cla = command.cla.0 & 0xF0 | secure;
        let header = [cla, command.ins.0, command.p1, command.p2];
        let message = [&header, &lc(data.len() + more)?[..], &data].concat();
        let expected = retail_mac(&self.keys.mac, self.next_icv(), &message);
        if !same(&expected, mac) {
            return None;
        }
        (self.icv, self.is_first) = (expected, false);
        Some(plain(command, data))
    }

    /// The C-MAC before; where `i` says so and it is not the first ICV, enciphered with single DES under the left half of the
    /// C-MAC session key (GPCS E.3.4).
    fn next_icv(&self) -> [u8; 8] {
        if self.is_first || self.i & ICV_ENCRYPTION == 0 {
            return self.icv;
        }
        encrypt_des(&halves(&self.keys.mac).0, self.icv)
    }

    pub(crate) fn has_response_mac(&self) -> bool {
        self.response_mac != ResponseMac::Off
    }

    /// BEGIN R-MAC SESSION: the R-MAC covers this command and its response, which carries none (GPCS E.4.5, E.5.3).
    pub(crate) fn begin_r_mac(&mut self, command: &CommandApdu, each: bool) -> Result<(), OutOfTurn> {
        if self.has_response_mac() {
            return Err(OutOfTurn);
        }
        self.rmac = self.later_rmac;
        self.chain(command, &[], 0x9000);
        self.response_mac =
            if each { ResponseMac::Each { until_end_of_session: false } } else { ResponseMac::AtTheEnd };
        Ok(())
    }

    /// END R-MAC SESSION: the R-MAC as it is, which does not cover this command (GPCS E.4.5, E.5.4).
    pub(crate) fn end_r_mac(&mut self, end: bool) -> Result<[u8; 8], OutOfTurn> {
        match self.response_mac {
            ResponseMac::Off | ResponseMac::Each { until_end_of_session: true } => return Err(OutOfTurn),
            ResponseMac::Each { .. } | ResponseMac::AtTheEnd => {}
        }
        if end {
            self.response_mac = ResponseMac::Off;
        }
        Ok(self.r_icv)
    }

    /// The response to a command, with its R-MAC where each has one: errors have it too.
    pub(crate) fn wrap(&mut self, command: &CommandApdu, response: ResponseApdu) -> ResponseApdu {
        if !self.has_response_mac() {
            return response;
        }
        let sw = response.sw();
        let mut data = response.into_data();
        self.chain(command, &data, sw.0);
        if self.response_mac != ResponseMac::AtTheEnd {
            data.extend_from_slice(&self.r_icv);
        }
        ResponseApdu::new(data, sw)
    }

    /// `R-MAC = MAC(S-RMAC, CLA INS P1 P2 ‖ Lc ‖ command data ‖ Li ‖ response data ‖ SW1 SW2)`, the ICV is the R-MAC before
    /// (GPCS E.4.5).
    fn chain(&mut self, command: &CommandApdu, data: &[u8], sw: u16) {
        let plain = command.as_ref();
        let header = [plain.cla.0 & 0xF0, plain.ins.0, plain.p1, plain.p2];
        // No longer command comes here.
        let lc = lc(plain.data.len()).unwrap_or_default();
        let message = [&header, &lc[..], plain.data, &[data.len() as u8], data, &sw.to_be_bytes()].concat();
        self.r_icv = retail_mac(&self.rmac, self.r_icv, &message);
    }
}

/// The command as it was before secure messaging.
pub(crate) fn plain(command: &CommandApduRef<'_>, data: Vec<u8>) -> CommandApdu {
    CommandApdu::new(Class(command.cla.0 & !0x0C), command.ins, command.p1, command.p2)
        .with_data(data)
        .with_ne(command.ne)
}
