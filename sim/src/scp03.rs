//! The card's side of Secure Channel Protocol '03' (Amendment D), with challenges, cryptograms and MACs of 8 or 16 bytes.

use cardwright_apdu::{CommandApdu, CommandApduRef, ResponseApdu};

use crate::chain::lc;
use crate::crypto::{AES_BLOCK, Aes, pad, same, unpad};
use crate::scp02::plain;

const CARD_CRYPTOGRAM: u8 = 0x00;
const HOST_CRYPTOGRAM: u8 = 0x01;
const CARD_CHALLENGE: u8 = 0x02;
const S_ENC: u8 = 0x04;
const S_MAC: u8 = 0x06;
const S_RMAC: u8 = 0x07;

/// KDF in counter mode with CMAC (Amd D 4.1.5):
/// `CMAC(key, 00 * 11 ‖ constant ‖ 00 ‖ L ‖ i ‖ context)` for i = 1, 2, cut to `length` bytes.
fn kdf(key: &Aes, constant: u8, length: usize, context: &[&[u8]]) -> Vec<u8> {
    let context = context.concat();
    let mut label = [0; 12];
    label[11] = constant;
    let bits = (length as u16 * 8).to_be_bytes();
    let mut derived = Vec::with_capacity(2 * AES_BLOCK);
    for i in 1..=length.div_ceil(AES_BLOCK) {
        derived.extend_from_slice(&key.cmac(&[&label, &[0x00], &bits, &[i as u8], &context]));
    }
    derived.truncate(length);
    derived
}

/// The pseudo-random card challenge, over the sequence counter and the AID of the application (Amd D 6.2.2.1).
pub(crate) fn card_challenge(key_enc: &Aes, length: usize, counter: [u8; 3], aid: &[u8]) -> Vec<u8> {
    kdf(key_enc, CARD_CHALLENGE, length, &[&counter, aid])
}

/// A channel between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE.
pub(crate) struct Handshake {
    enc: Aes,
    mac: Aes,
    rmac: Aes,
    /// Host challenge ‖ card challenge.
    challenges: Vec<u8>,
}

impl Handshake {
    /// Derives the session keys (Amd D 6.2.1). `None` when a key has no AES length. The challenges have the length of
    /// cryptograms and MACs.
    pub(crate) fn new(key_enc: &[u8], key_mac: &[u8], host: &[u8], card: &[u8]) -> Option<Self> {
        let challenges = [host, card].concat();
        let derive = |key: &[u8], constant| Aes::new(&kdf(&Aes::new(key)?, constant, key.len(), &[&challenges]));
        Some(Self {
            enc: derive(key_enc, S_ENC)?,
            mac: derive(key_mac, S_MAC)?,
            rmac: derive(key_mac, S_RMAC)?,
            challenges,
        })
    }

    /// Amd D 6.2.2.2.
    pub(crate) fn card_cryptogram(&self) -> Vec<u8> {
        kdf(&self.mac, CARD_CRYPTOGRAM, self.mac_length(), &[&self.challenges])
    }

    /// Amd D 6.2.2.3.
    pub(crate) fn host_cryptogram(&self) -> Vec<u8> {
        kdf(&self.mac, HOST_CRYPTOGRAM, self.mac_length(), &[&self.challenges])
    }

    fn mac_length(&self) -> usize {
        self.challenges.len() / 2
    }

    /// The channel in the state before its first C-MAC.
    pub(crate) fn channel(self) -> Channel {
        Channel {
            mac_length: self.mac_length(),
            enc: self.enc,
            mac: self.mac,
            rmac: self.rmac,
            chaining: [0; 16],
            counter: 0,
            decrypt: false,
            r_mac: false,
            r_encrypt: false,
        }
    }
}

/// An initiated channel; it starts with the C-MAC of EXTERNAL AUTHENTICATE.
pub(crate) struct Channel {
    /// Length of a C-MAC or R-MAC, in bytes.
    pub(crate) mac_length: usize,
    enc: Aes,
    mac: Aes,
    rmac: Aes,
    /// MAC chaining value (Amd D 5.3).
    chaining: [u8; 16],
    /// Encryption counter; 1 for the first command after EXTERNAL AUTHENTICATE (Amd D 6.2.6).
    counter: u128,
    /// Whether C-DECRYPTION is part of the security level.
    pub(crate) decrypt: bool,
    /// Whether R-MAC is.
    pub(crate) r_mac: bool,
    /// Whether R-ENCRYPTION is.
    pub(crate) r_encrypt: bool,
}

impl Channel {
    /// A channel of SCP11: the receipt is the first MAC chaining value.
    pub(crate) fn agreed(enc: Aes, mac: Aes, rmac: Aes, receipt: [u8; 16], mac_length: usize) -> Self {
        Self {
            mac_length,
            enc,
            mac,
            rmac,
            chaining: receipt,
            counter: 0,
            decrypt: false,
            r_mac: false,
            r_encrypt: false,
        }
    }

    /// Verifies the C-MAC and gives the command without protection; `None` is a security error.
    ///
    /// The card verifies over the data as sent, then deciphers (Amd D 6.2.4, 6.2.6).
    pub(crate) fn unwrap(&mut self, command: &CommandApduRef<'_>) -> Option<CommandApdu> {
        let (data, mac) = command.data.split_at_checked(command.data.len().checked_sub(self.mac_length)?)?;
        let cla = command.cla.0 & 0xF0 | 0x04;
        let header = [cla, command.ins.0, command.p1, command.p2];
        let expected = self.mac.cmac(&[&self.chaining, &header, &lc(command.data.len())?, data]);
        if !same(&expected[..self.mac_length], mac) {
            return None;
        }
        self.chaining = expected;
        let mut data = data.to_vec();
        if self.decrypt {
            self.counter += 1;
            if !data.is_empty() {
                if data.len() % AES_BLOCK != 0 {
                    return None;
                }
                self.enc.decrypt_cbc(self.enc.encrypt_block(self.counter.to_be_bytes()), &mut data);
                unpad(&mut data)?;
            }
        }
        Some(plain(command, data))
    }

    /// Protects a response as the security level says (Amd D 6.2.5, 6.2.7). An error status goes out bare.
    pub(crate) fn wrap(&self, response: ResponseApdu) -> ResponseApdu {
        let sw = response.sw();
        if !self.r_mac || !(sw.is_ok() || sw.is_warning()) {
            return response;
        }
        let mut data = response.into_data();
        if self.r_encrypt && !data.is_empty() {
            pad(&mut data, AES_BLOCK);
            let mut block = self.counter.to_be_bytes();
            block[0] = 0x80;
            self.enc.encrypt_cbc(self.enc.encrypt_block(block), &mut data);
        }
        let mac = self.rmac.cmac(&[&self.chaining, &data, &sw.0.to_be_bytes()]);
        data.extend_from_slice(&mac[..self.mac_length]);
        ResponseApdu::new(data, sw)
    }
}
