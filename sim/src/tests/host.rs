//! A host that knows the published test keys: just enough to open a session and to put C-MACs on commands.

use crate::crypto::{Aes, TripleDes, encrypt_des, halves, pad, retail_mac};
use crate::{AesKeyLength, JavaCard, JavaCardBuilder, SecureChannelProtocol};

pub(super) const KEY: [u8; 16] =
    [0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F];
pub(super) const SCP02: SecureChannelProtocol = SecureChannelProtocol::Scp02 { i: 0x15 };
pub(super) const HOST_CHALLENGE: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

enum Mac {
    Scp01 { key: [u8; 16], last: [u8; 8] },
    Scp02 { key: [u8; 16], last: Option<[u8; 8]> },
    Scp03 { key: Box<Aes>, chaining: [u8; 16], length: usize },
}

/// A host with a card.
pub(super) struct Host {
    pub(super) card: JavaCard,
    pub(super) key: Vec<u8>,
    mac: Option<Mac>,
    pub(super) dek: [u8; 16],
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace(' ', "")).unwrap()
}

/// A command with its data; the length is put in, Le 00 at the end.
pub(super) fn command(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = hex(header);
    if !data.is_empty() {
        bytes.push(data.len() as u8);
        bytes.extend_from_slice(data);
    }
    bytes.push(0);
    bytes
}

fn split(mut response: Vec<u8>) -> (Vec<u8>, u16) {
    let sw = response.split_off(response.len() - 2);
    (response, u16::from_be_bytes([sw[0], sw[1]]))
}

impl Host {
    pub(super) fn new(builder: JavaCardBuilder) -> Self {
        Self { card: builder.build(), key: KEY.to_vec(), mac: None, dek: KEY }
    }

    /// A card that speaks SCP03 with AES-128, and a session at level 00.
    pub(super) fn open() -> Self {
        let mut host = Self::new(JavaCard::builder());
        assert_eq!(host.authenticate(0x00), 0x9000);
        host
    }

    pub(super) fn bare(&mut self, bytes: &[u8]) -> (Vec<u8>, u16) {
        split(self.card.process(bytes))
    }

    /// Sends a command as it is and gives the status word.
    pub(super) fn sw(&mut self, header: &str, data: &[u8]) -> u16 {
        self.bare(&command(header, data)).1
    }

    /// The MAC of a command whose header has CLA 84 and the length with the MAC.
    fn mac(&mut self, message: &[u8]) -> Vec<u8> {
        match self.mac.as_mut().unwrap() {
            Mac::Scp01 { key, last } => {
                *last = TripleDes::new(key).full_mac(*last, message);
                last.to_vec()
            }
            Mac::Scp02 { key, last } => {
                let icv = last.map_or([0; 8], |last| encrypt_des(&halves(key).0, last));
                last.insert(retail_mac(key, icv, message)).to_vec()
            }
            Mac::Scp03 { key, chaining, length } => {
                *chaining = key.cmac(&[&chaining[..], message]);
                chaining[..*length].to_vec()
            }
        }
    }

    /// Sends a command with a C-MAC.
    pub(super) fn secured(&mut self, header: &str, data: &[u8]) -> (Vec<u8>, u16) {
        let mut bytes = hex(header);
        bytes[0] |= 0x04;
        let length = if let Some(Mac::Scp03 { length, .. }) = &self.mac { *length } else { 8 };
        bytes.push((data.len() + length) as u8);
        bytes.extend_from_slice(data);
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(&mac);
        bytes.push(0);
        self.bare(&bytes)
    }

    /// INITIALIZE UPDATE and EXTERNAL AUTHENTICATE; the status word of the last one sent.
    pub(super) fn authenticate(&mut self, level: u8) -> u16 {
        let length = self.card.protocol().mac_length();
        let challenge = &HOST_CHALLENGE[..length];
        let (answer, sw) = self.bare(&command("80500000", challenge));
        if sw != 0x9000 {
            return sw;
        }
        let key = &self.key;
        let cryptogram: Vec<u8> = match answer[11] {
            0x01 => {
                let card = &answer[12..20];
                let mut session = [&card[4..], &challenge[..4], &card[..4], &challenge[4..]].concat();
                TripleDes::new(&key[..].try_into().unwrap()).encrypt_ecb(&mut session);
                let session = session.try_into().unwrap();
                self.mac = Some(Mac::Scp01 { key: session, last: [0; 8] });
                TripleDes::new(&session).full_mac([0; 8], &[card, challenge].concat()).to_vec()
            }
            0x02 => {
                let static_key: [u8; 16] = key[..].try_into().unwrap();
                let session = |constant: [u8; 2]| {
                    let mut data = [0; 16];
                    data[..2].copy_from_slice(&constant);
                    data[2..4].copy_from_slice(&answer[12..14]);
                    TripleDes::new(&static_key).encrypt_cbc([0; 8], &mut data);
                    data
                };
                self.mac = Some(Mac::Scp02 { key: session([1, 1]), last: None });
                self.dek = session([1, 0x81]);
                let mut data = [&answer[12..20], challenge].concat();
                pad(&mut data, 8);
                TripleDes::new(&session([1, 0x82])).encrypt_cbc([0; 8], &mut data);
                data.last_chunk::<8>().unwrap().to_vec()
            }
            _ => {
                let kdf = |key: &[u8], constant: u8, length: usize| {
                    let label = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant, 0];
                    let bits = (length as u16 * 8).to_be_bytes();
                    let blocks = (1u8..=2).map(|i| {
                        let parts: [&[u8]; 5] = [&label, &bits, &[i], challenge, &answer[13..13 + challenge.len()]];
                        Aes::new(key).unwrap().cmac(&parts)
                    });
                    blocks.collect::<Vec<_>>().concat()[..length].to_vec()
                };
                let s_mac = kdf(key, 6, key.len());
                self.mac = Some(Mac::Scp03 { key: Box::new(Aes::new(&s_mac).unwrap()), chaining: [0; 16], length });
                kdf(&s_mac, 1, length)
            }
        };
        self.secured(&format!("8082{level:02X}00"), &cryptogram).1
    }
}

/// A card for each protocol, with its published key.
pub(super) fn each_protocol() -> Vec<Host> {
    let scp03 = |i, key_length| SecureChannelProtocol::Scp03 { i, key_length };
    [
        SecureChannelProtocol::Scp01 { i: 0x05 },
        SCP02,
        SecureChannelProtocol::Scp02 { i: 0x55 },
        scp03(0x00, AesKeyLength::Aes128),
        scp03(0x70, AesKeyLength::Aes192),
        scp03(0x70, AesKeyLength::Aes256),
        scp03(0x01, AesKeyLength::Aes128),
        scp03(0x71, AesKeyLength::Aes256),
    ]
    .into_iter()
    .map(|protocol| {
        let mut host = Host::new(JavaCard::builder().protocol(protocol));
        host.key = host.card.key_sets()[0].keys[0].value.clone();
        host
    })
    .collect()
}
