//! The card's side of Secure Channel Protocol '01' (GPCS appendix D).

use cardwright_apdu::{CommandApdu, CommandApduRef};

use crate::chain::lc;
use crate::crypto::{DES_BLOCK, TripleDes, same, unpad};
use crate::scp02::plain;

/// Length of a C-MAC, in bytes.
const MAC: usize = 8;
/// `i`: the ICV is enciphered (GPCS D.1.1).
const ICV_ENCRYPTION: u8 = 0x10;

/// A channel between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE.
pub(crate) struct Handshake {
    i: u8,
    enc: TripleDes,
    mac: TripleDes,
    host_challenge: [u8; 8],
    card_challenge: [u8; 8],
}

impl Handshake {
    /// Session keys: `3DES-ECB(static key, derivation data)` from Key-ENC and Key-MAC, where the derivation data are
    /// `card challenge, right half ‖ host challenge, left half ‖ card challenge, left half ‖ host challenge, right half`
    /// (GPCS D.3.1).
    pub(crate) fn new(i: u8, enc: &[u8; 16], mac: &[u8; 16], host_challenge: [u8; 8], card_challenge: [u8; 8]) -> Self {
        let derive = |key: &[u8; 16]| {
            let mut data = [0; 16];
            data[..4].copy_from_slice(&card_challenge[4..]);
            data[4..8].copy_from_slice(&host_challenge[..4]);
            data[8..12].copy_from_slice(&card_challenge[..4]);
            data[12..].copy_from_slice(&host_challenge[4..]);
            TripleDes::new(key).encrypt_ecb(&mut data);
            TripleDes::new(&data)
        };
        Self { i, enc: derive(enc), mac: derive(mac), host_challenge, card_challenge }
    }

    /// `MAC(S-ENC, host challenge ‖ card challenge)` (GPCS D.3.2.1).
    pub(crate) fn card_cryptogram(&self) -> [u8; 8] {
        self.enc.full_mac([0; 8], &[self.host_challenge, self.card_challenge].concat())
    }

    /// `MAC(S-ENC, card challenge ‖ host challenge)` (GPCS D.3.2.2).
    pub(crate) fn host_cryptogram(&self) -> [u8; 8] {
        self.enc.full_mac([0; 8], &[self.card_challenge, self.host_challenge].concat())
    }

    /// The channel in the state before its first C-MAC.
    pub(crate) fn channel(self) -> Channel {
        Channel { i: self.i, enc: self.enc, mac: self.mac, last_mac: None, decrypt: false }
    }
}

/// An initiated channel; it starts with the C-MAC of EXTERNAL AUTHENTICATE.
pub(crate) struct Channel {
    i: u8,
    enc: TripleDes,
    mac: TripleDes,
    last_mac: Option<[u8; 8]>,
    /// Whether C-DECRYPTION is part of the security level.
    pub(crate) decrypt: bool,
}

impl Channel {
    /// Verifies the C-MAC and gives the command without protection; `None` is a security error.
    ///
    /// The card deciphers first, then verifies over the plain data (GPCS D.3.3, D.3.4).
    pub(crate) fn unwrap(&mut self, command: &CommandApduRef<'_>) -> Option<CommandApdu> {
        let (data, mac) = command.data.split_at_checked(command.data.len().checked_sub(MAC)?)?;
        let data = if self.decrypt && !data.is_empty() { self.decipher(data)? } else { data.to_vec() };
        let cla = command.cla.0 & 0xF0 | 0x04;
        let header = [cla, command.ins.0, command.p1, command.p2];
        let message = [&header, &lc(data.len() + MAC)?[..], &data].concat();
        let expected = self.mac.full_mac(self.icv(), &message);
        if !same(&expected, mac) {
            return None;
        }
        self.last_mac = Some(expected);
        Some(plain(command, data))
    }

    /// The first ICV is zero; the later ones are the C-MAC before, with `i` = 15 enciphered with triple DES under the C-MAC
    /// session key (GPCS D.1.5, D.3.3).
    fn icv(&self) -> [u8; 8] {
        let Some(mut icv) = self.last_mac else { return [0; 8] };
        if self.i & ICV_ENCRYPTION != 0 {
            self.mac.encrypt_ecb(&mut icv);
        }
        icv
    }

    /// The length is in front; padding follows only where it is needed to fill a block (GPCS D.3.4).
    fn decipher(&self, data: &[u8]) -> Option<Vec<u8>> {
        if !data.len().is_multiple_of(DES_BLOCK) {
            return None;
        }
        let mut data = data.to_vec();
        self.enc.decrypt_cbc([0; 8], &mut data);
        let length = usize::from(*data.first()?) + 1;
        if length.next_multiple_of(DES_BLOCK) != data.len() {
            return None;
        }
        if length != data.len() {
            unpad(&mut data)?;
        }
        (data.len() == length).then(|| data.split_off(1))
    }
}
