use cardwright_apdu::{CardPort, Class, CommandApdu, Instruction, Ne};
use cardwright_keys::{KeyError, KeyPort, KeyRequest, KeySet};
use subtle::ConstantTimeEq;

use super::des::ResponseMac;
use super::{Cipher, SecureChannel};
use crate::error::{CardFault, ClosedBy, ResponseFault};
use crate::{ChannelError, Error};

const BEGIN: Instruction = Instruction::BEGIN_R_MAC_SESSION;
const END: Instruction = Instruction::END_R_MAC_SESSION;

/// R-MAC sessions of SCP02. Untested on silicon: no recording of a real card with them was found.
impl SecureChannel {
    /// BEGIN R-MAC SESSION (GPCS 2.3.1 E.5.3). `data`, at most 24 bytes, goes into the R-MAC: a challenge, say.
    ///
    /// With `each` every response from now on carries its R-MAC; else one over all of them comes with
    /// [`SecureChannel::end_r_mac`].
    ///
    /// `set` is the key set of the channel. After EXTERNAL AUTHENTICATE the sequence counter is one more than in the answer to
    /// INITIALIZE UPDATE, and the key of the R-MAC comes from its value at this time (GPCS 2.3.1 E.4.1): the key service is asked
    /// once.
    ///
    /// # Errors
    /// [`ChannelError::Level`] where the protocol or `i` has no R-MAC; [`Error::TooLong`]; [`Error::Keys`];
    /// [`Error::Unsupported`] when the counter is used up; as [`SecureChannel::call`].
    pub async fn begin_r_mac(
        &mut self,
        card: &mut impl CardPort,
        keys: &mut impl KeyPort,
        set: &KeySet,
        data: &[u8],
        each: bool,
    ) -> Result<(), Error> {
        let no_r_mac = ChannelError::Level { level: 0x10, protocol: self.protocol().name() };
        let (level, Cipher::Des(session)) = (self.level, &mut self.cipher) else { return Err(no_r_mac.into()) };
        if session.i() & 0x20 == 0 || session.response_mac() != ResponseMac::Off || level.has_r_mac() {
            return Err(no_r_mac.into());
        }
        let length = match u8::try_from(data.len()) {
            Ok(length @ ..=24) => length,
            _ => {
                let command = BEGIN.name();
                return Err(Error::TooLong { command, what: "data", actual: data.len(), limit: 24 });
            }
        };
        let command = CommandApdu::new(Class::GP, BEGIN, if each { 0x10 } else { 0x00 }, 0x01)
            .with_data([&[length], data].concat());
        if let Some(counter) = session.sequence_counter() {
            let next = u16::from_be_bytes(counter).checked_add(1);
            let next = next
                .ok_or(Error::Unsupported { what: "an R-MAC session after the last value of the sequence counter" })?;
            let request = KeyRequest::Scp02Session { keys: set.clone(), sequence_counter: next.to_be_bytes() };
            let answer = keys.ask_keys(request).await?.into_session()?;
            session.set_r_mac_key(answer.keys.rmac.as_ref().ok_or(KeyError::WrongAnswer)?)?;
        }
        let before = session.r_mac();
        // The R-MAC covers this command and its response, which carries none.
        session.set_response_mac(ResponseMac::AtTheEnd);
        let result = self.call(card, &command).await;
        if let Cipher::Des(session) = &mut self.cipher {
            session.set_response_mac(match (&result, each) {
                (Ok(_), true) => ResponseMac::Each,
                (Ok(_), false) => ResponseMac::AtTheEnd,
                (Err(_), _) => ResponseMac::Off,
            });
            if result.is_err() {
                // No session has begun: the next one starts where this one would have.
                session.set_r_mac(before);
            }
        }
        result.map(drop)
    }

    /// END R-MAC SESSION (GPCS 2.3.1 E.5.4): verifies the R-MAC over what was said since the session began; with `end` the session
    /// ends.
    ///
    /// # Errors
    /// [`Error::Card`] when it does not verify: something was lost, repeated, reordered or altered, and the channel is closed. As
    /// [`SecureChannel::call`].
    pub async fn end_r_mac(&mut self, card: &mut impl CardPort, end: bool) -> Result<(), Error> {
        let Cipher::Des(session) = &mut self.cipher else {
            return Err(ChannelError::Level { level: 0x10, protocol: self.protocol().name() }.into());
        };
        let (mode, expected) = (session.response_mac(), session.r_mac());
        // This command is not covered.
        session.set_response_mac(ResponseMac::Off);
        let command = CommandApdu::new(Class::GP, END, 0, if end { 0x03 } else { 0x01 }).with_ne(Ne::MAX_SHORT);
        let result = self.call(card, &command).await;
        if let (Cipher::Des(session), false) = (&mut self.cipher, end && result.is_ok()) {
            session.set_response_mac(mode);
        }
        let answer = result?;
        if bool::from(expected.ct_eq(answer.data())) {
            return Ok(());
        }
        self.state = super::State::Closed(ClosedBy::Response);
        Err(Error::card(command.name(), CardFault::Protection(ResponseFault::Mac { offset: 0 })))
    }
}
