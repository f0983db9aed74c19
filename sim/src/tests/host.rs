//! A host that knows the published test keys: just enough to open a session and to put C-MACs on commands.

use crate::crypto::{Aes, TripleDes, encrypt_des, halves, pad, retail_mac};
use crate::{AesKeyLength, JavaCard, JavaCardBuilder, SecureChannelProtocol};

pub(super) const KEY: [u8; 16] =
    [0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F];
pub(super) const SCP02: SecureChannelProtocol = SecureChannelProtocol::Scp02 { i: 0x15 };
pub(super) const HOST_CHALLENGE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

enum Mac {
    Scp02 { key: [u8; 16], last: Option<[u8; 8]> },
    Scp03 { key: Box<Aes>, chaining: [u8; 16] },
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
    fn mac(&mut self, message: &[u8]) -> [u8; 8] {
        match self.mac.as_mut().unwrap() {
            Mac::Scp02 { key, last } => {
                let icv = last.map_or([0; 8], |last| encrypt_des(&halves(key).0, last));
                *last.insert(retail_mac(key, icv, message))
            }
            Mac::Scp03 { key, chaining } => {
                *chaining = key.cmac(&[&chaining[..], message]);
                *chaining.first_chunk().unwrap()
            }
        }
    }

    /// Sends a command with a C-MAC.
    pub(super) fn secured(&mut self, header: &str, data: &[u8]) -> (Vec<u8>, u16) {
        let mut bytes = hex(header);
        bytes[0] |= 0x04;
        bytes.push(data.len() as u8 + 8);
        bytes.extend_from_slice(data);
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(&mac);
        bytes.push(0);
        self.bare(&bytes)
    }

    /// INITIALIZE UPDATE and EXTERNAL AUTHENTICATE; the status word of the last one sent.
    pub(super) fn authenticate(&mut self, level: u8) -> u16 {
        let (answer, sw) = self.bare(&command("80500000", &HOST_CHALLENGE));
        if sw != 0x9000 {
            return sw;
        }
        let key = &self.key;
        let cryptogram: [u8; 8] = match answer[11] {
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
                let mut data = [&answer[12..20], &HOST_CHALLENGE].concat();
                pad(&mut data, 8);
                TripleDes::new(&session([1, 0x82])).encrypt_cbc([0; 8], &mut data);
                *data.last_chunk().unwrap()
            }
            _ => {
                let kdf = |key: &[u8], constant: u8, length: usize| {
                    let label = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant, 0];
                    let bits = (length as u16 * 8).to_be_bytes();
                    let blocks = (1u8..=2).map(|i| {
                        let parts: [&[u8]; 5] = [&label, &bits, &[i], &HOST_CHALLENGE, &answer[13..21]];
                        Aes::new(key).unwrap().cmac(&parts)
                    });
                    blocks.collect::<Vec<_>>().concat()[..length].to_vec()
                };
                let s_mac = kdf(key, 6, key.len());
                self.mac = Some(Mac::Scp03 { key: Box::new(Aes::new(&s_mac).unwrap()), chaining: [0; 16] });
                kdf(&s_mac, 1, 8).try_into().unwrap()
            }
        };
        self.secured(&format!("8082{level:02X}00"), &cryptogram).1
    }
}

/// A card for each protocol, with its published key.
pub(super) fn each_protocol() -> Vec<Host> {
    let scp03 = |i, key_length| SecureChannelProtocol::Scp03 { i, key_length };
    [
        SCP02,
        SecureChannelProtocol::Scp02 { i: 0x55 },
        scp03(0x00, AesKeyLength::Aes128),
        scp03(0x70, AesKeyLength::Aes192),
        scp03(0x70, AesKeyLength::Aes256),
    ]
    .into_iter()
    .map(|protocol| {
        let mut host = Host::new(JavaCard::builder().protocol(protocol));
        host.key = host.card.key_sets()[0].keys[0].value.clone();
        host
    })
    .collect()
}
