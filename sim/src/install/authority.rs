//! Who lets content be managed, and what the card confirms of it (GPCS 9.1.3, 11.1.6, C.4, C.5).

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{CommandApdu, StatusWord};

use super::no_data;
use crate::card::{Answer, JavaCard, done};
use crate::chain::lc;
use crate::domain::{RECEIPT_KEY, TOKEN_KEY};
use crate::registry::Privileges;
use crate::signature;

/// Cards are not required to count further (GPCS C.5).
const LAST_CONFIRMATION: u16 = 0x7FFF;

/// A command with its token, which may be empty.
pub(super) struct Signed<'a> {
    command: &'a CommandApdu,
    /// Length of the data in front of the token, in bytes.
    front: usize,
    token: &'a [u8],
    /// Parameters, with a Control Reference Template B6 where there is one.
    parameters: &'a [u8],
}

impl<'a> Signed<'a> {
    pub(super) fn new(command: &'a CommandApdu, front: usize, token: &'a [u8], parameters: &'a [u8]) -> Self {
        Self { command, front, token, parameters }
    }

    /// `P1 ‖ P2 ‖ length ‖ data` without the token (GPCS C.4.1).
    fn token_input(&self) -> Option<Vec<u8>> {
        let data = self.command.data().get(..self.front)?;
        Some([&[self.command.p1(), self.command.p2()], &lc(data.len())?[..], data].concat())
    }

    fn token_identifier(&self) -> Vec<u8> {
        let reference = tlv::find(self.parameters, Tag(0xB6)).map(|template| template.value).unwrap_or_default();
        tlv::find(reference, Tag(0x93)).map(|object| object.value.to_vec()).unwrap_or_default()
    }
}

/// On whose authority a command is done.
#[derive(Clone)]
pub(crate) enum Authority {
    /// The security domain's own.
    Own,
    /// That of a token, which had this identifier.
    Token(Vec<u8>),
}

impl JavaCard {
    /// Whether the selected security domain may do this: a security domain with Authorized Management without a token, one with Delegated
    /// Management with the right one.
    pub(super) fn authorize(&self, signed: &Signed<'_>) -> Result<Authority, StatusWord> {
        let domain = self.domain();
        let privileges = self.memory.privileges_of(domain);
        if !self.memory.is_personalized(domain) {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        if privileges.has(Privileges::AUTHORIZED_MANAGEMENT) {
            // Its session is its provider's own: a token is an error then (GPCS 9.2.3).
            return if signed.token.is_empty() { Ok(Authority::Own) } else { Err(StatusWord::WRONG_DATA) };
        }
        if !privileges.has(Privileges::DELEGATED_MANAGEMENT) || signed.token.is_empty() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        let key = self.memory.special_key(None, TOKEN_KEY).ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
        let input = signed.token_input().ok_or(StatusWord::WRONG_DATA)?;
        if !signature::verify(key, &input, signed.token) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        if self.memory.confirmations.unwrap_or(0) > LAST_CONFIRMATION {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        Ok(Authority::Token(signed.token_identifier()))
    }

    /// The response to what was done: nothing on the security domain's own authority, else a confirmation, with a receipt over these
    /// fields behind the confirmation data. A card without a receipt key confirms nothing.
    pub(super) fn confirm(&mut self, authority: &Authority, fields: &[u8]) -> Answer {
        let Authority::Token(identifier) = authority else { return no_data() };
        let Some(key) = self.memory.special_key(None, RECEIPT_KEY) else { return no_data() };
        let counter = self.memory.confirmations.unwrap_or(0);
        let unique = self.unique_data();
        let mut data = vec![2];
        data.extend_from_slice(&counter.to_be_bytes());
        data.push(unique.len() as u8);
        data.extend_from_slice(&unique);
        if !identifier.is_empty() {
            data.push(identifier.len() as u8);
            data.extend_from_slice(identifier);
        }
        let Some(receipt) = signature::sign(key, &[&data[..], fields].concat()) else { return no_data() };
        self.memory.confirmations = Some(counter + 1);
        let mut confirmation = Vec::new();
        tlv::push_length(&mut confirmation, receipt.len());
        confirmation.extend_from_slice(&receipt);
        confirmation.extend_from_slice(&data);
        let mut answer = Vec::new();
        tlv::push_length(&mut answer, confirmation.len());
        answer.extend_from_slice(&confirmation);
        done(answer)
    }

    /// Identification and image number of the issuer security domain; before it has them, what else tells the card from others.
    fn unique_data(&self) -> Vec<u8> {
        let data = &self.memory.data;
        let stored: Vec<u8> =
            [0x42, 0x45].iter().filter_map(|tag| data.get(tag)).flat_map(|value| value.to_vec()).collect();
        match stored.len() {
            1..=0x7F => stored,
            _ => self.memory.config.key_diversification.to_vec(),
        }
    }
}

/// Fields of a receipt: each with its length in front.
pub(super) fn fields<const N: usize>(values: [&[u8]; N]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        out.push(value.len() as u8);
        out.extend_from_slice(value);
    }
    out
}
