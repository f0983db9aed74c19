use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Reader, Tag};
use cardwright_apdu::{Class, CommandApdu, Ne, ResponseApdu};
use cardwright_keys::cipher::AesCmac;
use cardwright_keys::scp11::{EphemeralSeed, Scp11Answer};
use cardwright_keys::{EcPublicKey, KeyError, KeyRequest};
use subtle::ConstantTimeEq;

use super::{CardKey, Parameters};
use crate::SecurityLevel;
use crate::channel::{Cipher, SecureChannel, scp03};
use crate::error::{CardFault, ChannelError, Error};

/// Ephemeral public key of either side.
const EPHEMERAL: Tag = Tag(0x5F49);
/// The card's receipt.
const RECEIPT: Tag = Tag(0x86);

/// Key type: AES (GPCS 2.3.1 table 11-16).
const AES: u8 = 0x88;

/// The card's key is known, an ephemeral key of the host is awaited.
#[derive(Debug)]
pub struct KeyAgreement {
    parameters: Parameters,
    card: CardKey,
    seed: EphemeralSeed,
}

impl KeyAgreement {
    /// Begins a key agreement, and says what to ask the key service for. The seed must be random, and is used once.
    ///
    /// # Errors
    /// [`ChannelError::Level`] for a level that SCP11 does not have.
    pub fn new(parameters: Parameters, card: CardKey, seed: EphemeralSeed) -> Result<(Self, KeyRequest), ChannelError> {
        let (level, protocol) = (parameters.level, parameters.protocol());
        if !protocol.has_level(level, 0) {
            return Err(ChannelError::Level { level: level.bits(), protocol: protocol.name() });
        }
        let request = KeyRequest::Scp11Ephemeral { curve: card.public_key().curve(), seed: seed.clone() };
        Ok((Self { parameters, card, seed }, request))
    }

    /// Makes MUTUAL AUTHENTICATE or INTERNAL AUTHENTICATE with the host's ephemeral public key.
    ///
    /// # Errors
    /// [`Error::Keys`] when the key is of another curve than the card's.
    pub fn authenticate(self, ephemeral: &EcPublicKey) -> Result<(Authenticating, CommandApdu), Error> {
        if ephemeral.curve() != self.card.public_key().curve() {
            return Err(KeyError::WrongAnswer.into());
        }
        let parameters = &self.parameters;
        let mut template = Vec::new();
        tlv::push(&mut template, Tag(0x90), &[0x11, parameters.variant.parameters()]);
        tlv::push(&mut template, Tag(0x95), &[key_usage(parameters.level)]);
        tlv::push(&mut template, Tag(0x80), &[AES]);
        tlv::push(&mut template, Tag(0x81), &[parameters.key_length as u8]);
        let mut data = Vec::new();
        tlv::push(&mut data, Tag(0xA6), &template);
        tlv::push(&mut data, EPHEMERAL, ephemeral.as_bytes());
        let key = parameters.key;
        let command = CommandApdu::new(Class::GP, parameters.variant.instruction(), key.kvn, key.kid)
            .with_data(&data[..])
            .with_ne(Ne::MAX_SHORT);
        Ok((Authenticating { agreement: self, sent: data }, command))
    }

    /// Key usage ‖ key type ‖ key length, which goes into the keys.
    fn shared_info(&self) -> [u8; 3] {
        [key_usage(self.parameters.level), AES, self.parameters.key_length as u8]
    }
}

/// C-MAC and R-MAC, with C-ENC and R-ENC or without (GPCS 2.3.1 11.1.9); 34 was not recorded.
fn key_usage(level: SecurityLevel) -> u8 {
    if level.has_c_decryption() { 0x3C } else { 0x34 }
}

/// MUTUAL AUTHENTICATE or INTERNAL AUTHENTICATE sent, its answer awaited.
#[derive(Debug)]
pub struct Authenticating {
    agreement: KeyAgreement,
    sent: Vec<u8>,
}

impl Authenticating {
    /// Reads the card's ephemeral public key and its receipt, which is not verified yet.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Card`] when the answer is not made up of these two.
    pub fn handle_response(self, response: &ResponseApdu) -> Result<CardKeys, Error> {
        let name = self.agreement.parameters.variant.command();
        if !response.sw().is_ok() {
            return Err(Error::Refused { command: name, sw: response.sw() });
        }
        let fail = |fault| Error::card(name, fault);
        let data = response.data();
        let mut reader = Reader::new(data);
        let mut next = |tag| match reader.read() {
            Ok(Some(object)) if object.tag == tag => Ok(object),
            Ok(_) => Err(fail(CardFault::Missing { tag, offset: 0 })),
            Err(error) => Err(fail(error.into())),
        };
        let (key, receipt) = (next(EPHEMERAL)?, next(RECEIPT)?);
        let length = |what, offset, expected, actual| fail(CardFault::Length { what, offset, expected, actual });
        if !reader.rest().is_empty() {
            let offset = data.len() - reader.rest().len();
            return Err(length("rest of the answer", offset, "nothing", reader.rest().len()));
        }
        let curve = self.agreement.card.public_key().curve();
        let offset = key.offset;
        let ephemeral = EcPublicKey::new(curve, key.value).map_err(|_| fail(CardFault::PublicKey { curve, offset }))?;
        let value = receipt.value;
        let value: [u8; 16] =
            value.try_into().map_err(|_| length("receipt", receipt.offset, "16 bytes", value.len()))?;
        let mut covered = self.sent;
        covered.extend_from_slice(&data[..receipt.offset]);
        Ok(CardKeys { agreement: self.agreement, ephemeral, receipt: value, covered })
    }
}

/// The card's answer: nothing in it is verified yet.
#[derive(Debug)]
pub struct CardKeys {
    agreement: KeyAgreement,
    ephemeral: EcPublicKey,
    receipt: [u8; 16],
    /// What the receipt covers: the data of the command and the card's ephemeral key, both as they went over the line.
    covered: Vec<u8>,
}

impl CardKeys {
    /// What to ask the key service for.
    #[must_use]
    pub fn key_request(&self) -> KeyRequest {
        let agreement = &self.agreement;
        KeyRequest::Scp11Session {
            own_static: agreement.parameters.variant.host().map(|host| host.key.clone()),
            seed: agreement.seed.clone(),
            card_static: agreement.card.public_key().clone(),
            card_ephemeral: self.ephemeral.clone(),
            shared_info: agreement.shared_info().to_vec(),
            key_length: agreement.parameters.key_length as usize,
        }
    }

    /// Verifies the receipt; the channel is open when it is the card's.
    ///
    /// ```text
    /// receipt = CMAC(receipt key, A6 ‖ 5F49 of the host ‖ 5F49 of the card)
    /// ```
    ///
    /// # Errors
    /// [`Error::Card`] with [`CardFault::SessionReceipt`]: nothing remains of the session. [`Error::Keys`] when the answer holds keys of
    /// another length.
    pub fn verify(self, answer: Scp11Answer) -> Result<SecureChannel, Error> {
        let parameters = &self.agreement.parameters;
        let keys = &answer.keys;
        let length = parameters.key_length as usize;
        let all = [Some(&answer.receipt_key), Some(&keys.enc), Some(&keys.mac), keys.rmac.as_ref(), keys.dek.as_ref()];
        if !all.iter().all(|key| key.is_some_and(|key| key.len() == length)) {
            return Err(KeyError::WrongAnswer.into());
        }
        let expected = AesCmac::new(&answer.receipt_key)?.mac(&[&self.covered]);
        if !bool::from(expected.ct_eq(&self.receipt)) {
            return Err(Error::card(parameters.variant.command(), CardFault::SessionReceipt));
        }
        let session = scp03::Session::after_receipt(parameters.protocol(), answer.keys, self.receipt)?;
        Ok(SecureChannel::new(Cipher::Scp03(session), parameters.level))
    }
}
