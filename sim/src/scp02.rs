//! The card's side of Secure Channel Protocol '02', explicit initiation, three keys (GPCS appendix E).

use cardwright_apdu::{Class, CommandApdu, CommandApduRef};

use crate::crypto::{DES_BLOCK, TripleDes, encrypt_des, halves, retail_mac, same, unpad};

/// Length of a C-MAC, in bytes.
const MAC: usize = 8;

/// Session keys (GPCS E.4.1).
#[derive(Clone)]
pub(crate) struct SessionKeys {
    pub(crate) enc: [u8; 16],
    pub(crate) mac: [u8; 16],
    pub(crate) dek: [u8; 16],
}

impl SessionKeys {
    /// `3DES-CBC(static key, constant ‖ sequence counter ‖ 00 * 12)`, constants 0182, 0101, 0181 (GPCS E.4.1).
    pub(crate) fn derive(enc: &[u8; 16], mac: &[u8; 16], dek: &[u8; 16], counter: [u8; 2]) -> Self {
        let key = |key: &[u8; 16], constant: [u8; 2]| {
            let mut data = [0; 16];
            data[..2].copy_from_slice(&constant);
            data[2..4].copy_from_slice(&counter);
            TripleDes::new(key).encrypt_cbc([0; 8], &mut data);
            data
        };
        Self { enc: key(enc, [0x01, 0x82]), mac: key(mac, [0x01, 0x01]), dek: key(dek, [0x01, 0x81]) }
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
    pub(crate) keys: SessionKeys,
    pub(crate) host_challenge: [u8; 8],
    pub(crate) counter: [u8; 2],
    pub(crate) card_challenge: [u8; 6],
}

impl Handshake {
    /// `MAC(S-ENC, host challenge ‖ sequence counter ‖ card challenge)` (GPCS E.4.2.1).
    pub(crate) fn card_cryptogram(&self) -> [u8; 8] {
        let data = [&self.host_challenge[..], &self.counter, &self.card_challenge].concat();
        TripleDes::new(&self.keys.enc).full_mac(&data)
    }

    /// `MAC(S-ENC, sequence counter ‖ card challenge ‖ host challenge)` (GPCS E.4.2.2).
    pub(crate) fn host_cryptogram(&self) -> [u8; 8] {
        let data = [&self.counter[..], &self.card_challenge, &self.host_challenge].concat();
        TripleDes::new(&self.keys.enc).full_mac(&data)
    }

    /// The channel in the state before its first C-MAC.
    pub(crate) fn channel(self) -> Channel {
        Channel { keys: self.keys, last_mac: None, decrypt: false }
    }
}

/// An initiated channel; it starts with the C-MAC of EXTERNAL AUTHENTICATE.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) keys: SessionKeys,
    last_mac: Option<[u8; 8]>,
    /// Whether C-DECRYPTION is part of the security level.
    pub(crate) decrypt: bool,
}

impl Channel {
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
        // C-MAC on the modified APDU: class with the secure messaging bit, no logical channel, Lc with the MAC.
        let lc = u8::try_from(data.len() + MAC).ok()?;
        let cla = command.cla.0 & 0xF0 | 0x04;
        let message = [&[cla, command.ins.0, command.p1, command.p2, lc], &data[..]].concat();
        let expected = retail_mac(&self.keys.mac, self.icv(), &message);
        if !same(&expected, mac) {
            return None;
        }
        self.last_mac = Some(expected);
        Some(plain(command, data))
    }

    /// The first ICV is zero; the later ones are the C-MAC before, enciphered with single DES under the left half of
    /// the C-MAC session key (GPCS E.3.2, E.3.4).
    fn icv(&self) -> [u8; 8] {
        self.last_mac.map_or([0; 8], |mac| encrypt_des(&halves(&self.keys.mac).0, mac))
    }
}

/// The command as it was before secure messaging.
pub(crate) fn plain(command: &CommandApduRef<'_>, data: Vec<u8>) -> CommandApdu {
    CommandApdu::new(Class(command.cla.0 & !0x0C), command.ins, command.p1, command.p2)
        .with_data(data)
        .with_ne(command.ne)
}
