//! One command with all that ISO 7816-4 lets a card ask for on the way: GET RESPONSE, another Le, command chaining.

use alloc::vec::Vec;
use core::mem;

use thiserror::Error;

use crate::{
    Class, CommandApdu, CommandApduRef, CommandError, Instruction, Ne, ResponseApdu, ResponseApduRef, ResponseError,
    StatusWord,
};

/// What card and reader can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExchangeLimits {
    /// Whether extended length fields pass; without, longer commands are chained. Default: no.
    pub extended: bool,
    /// The most response data that is collected, in bytes. Default: 65536.
    pub max_response: usize,
}

impl Default for ExchangeLimits {
    fn default() -> Self {
        Self { extended: false, max_response: 65536 }
    }
}

impl ExchangeLimits {
    /// The same limits with extended length fields.
    #[must_use]
    pub fn with_extended(mut self) -> Self {
        self.extended = true;
        self
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeAction {
    /// Send this command to the card.
    Send(Vec<u8>),
    /// The exchange is over.
    Done(ResponseApdu),
}

/// The card did not keep to the protocol, or the command cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The command cannot be coded.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What the card sent is no response.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The card announces more and more data.
    #[error("the card sends more than {limit} bytes of response data")]
    ResponseTooLong {
        /// The most that is collected, in bytes.
        limit: usize,
    },
    /// The card announces data with 61XX and then sends none.
    #[error("the card announces response data and sends none")]
    NoProgress,
    /// The card announced response data with 61XX, which says that it has executed the command, and then refuses to give
    /// them: it was reset in between, say. What came of the command is not known.
    #[error("the card announces response data and answers {sw} to GET RESPONSE: it was reset in between, perhaps")]
    ResponseRefused {
        /// Status word of GET RESPONSE.
        sw: StatusWord,
    },
    /// `6CXX` to a command that has the Le which `6CXX` asked for.
    #[error("the card answers 6C{le:02X} to the Le that it asked for")]
    WrongLeAgain {
        /// SW2 of the second answer.
        le: u8,
    },
    /// A response was handed in after the end.
    #[error("the exchange is over")]
    Over,
}

/// A command under way (ISO 7816-4 5.3).
///
/// Secure messaging is done before: what is chained or asked for again here is the protected command, whose MAC covers
/// neither Le nor GET RESPONSE.
#[derive(Debug)]
pub struct Exchange {
    parts: Vec<CommandApdu>,
    current: Option<CommandApdu>,
    le_corrected: bool,
    le_dropped: bool,
    collecting: bool,
    data: Vec<u8>,
    limits: ExchangeLimits,
}

impl Exchange {
    /// Begins an exchange; the second value is the first command to send.
    ///
    /// # Errors
    /// [`ExchangeError::Command`] when the command cannot be coded.
    pub fn start(command: &CommandApdu, limits: ExchangeLimits) -> Result<(Self, Vec<u8>), ExchangeError> {
        let mut parts = split(command, limits);
        parts.reverse();
        let mut exchange = Self {
            parts,
            current: None,
            le_corrected: false,
            le_dropped: false,
            collecting: false,
            data: Vec::new(),
            limits,
        };
        let first = exchange.next_part().ok_or(ExchangeError::Over)?;
        Ok((exchange, first?))
    }

    /// Takes the card's response to the command sent last.
    ///
    /// # Errors
    /// [`ExchangeError`] when the card does not keep to the protocol; the exchange is then over.
    pub fn handle_response(&mut self, response: &[u8]) -> Result<ExchangeAction, ExchangeError> {
        let sent = self.current.take().ok_or(ExchangeError::Over)?;
        let response = ResponseApduRef::parse(response)?;
        if self.data.len() + response.data.len() > self.limits.max_response {
            return Err(ExchangeError::ResponseTooLong { limit: self.limits.max_response });
        }
        match response.sw.sw1() {
            0x6C if response.data.is_empty() => {
                if mem::replace(&mut self.le_corrected, true) {
                    return Err(ExchangeError::WrongLeAgain { le: response.sw.sw2() });
                }
                let ne = le(response.sw);
                self.send(sent.with_ne(ne)).map(ExchangeAction::Send)
            }
            0x61 => {
                if self.collecting && response.data.is_empty() {
                    return Err(ExchangeError::NoProgress);
                }
                self.data.extend_from_slice(response.data);
                self.collecting = true;
                self.le_corrected = false;
                let class = sent.class().get_response();
                self.send(CommandApdu::new(class, Instruction::GET_RESPONSE, 0, 0).with_ne(le(response.sw)))
                    .map(ExchangeAction::Send)
            }
            // 6700 says that nothing was processed: some cards want no Le behind data.
            _ if response.sw == StatusWord::WRONG_LENGTH && sent.nc() > 0 && sent.ne() != Ne::NONE => {
                self.le_dropped = true;
                self.send(sent.with_ne(Ne::NONE)).map(ExchangeAction::Send)
            }
            // It was not the Le: what the card said of the command as it was meant counts.
            sw1 if self.le_dropped && !matches!(sw1, 0x62 | 0x63 | 0x90) => {
                Ok(ExchangeAction::Done(ResponseApdu::status(StatusWord::WRONG_LENGTH)))
            }
            // That status is of GET RESPONSE and not of the command.
            sw1 if self.collecting && response.data.is_empty() && !matches!(sw1, 0x62 | 0x63 | 0x90) => {
                Err(ExchangeError::ResponseRefused { sw: response.sw })
            }
            _ => {
                if response.sw == StatusWord::OK
                    && let Some(next) = self.next_part()
                {
                    return next.map(ExchangeAction::Send);
                }
                self.data.extend_from_slice(response.data);
                Ok(ExchangeAction::Done(ResponseApdu::new(mem::take(&mut self.data), response.sw)))
            }
        }
    }

    fn next_part(&mut self) -> Option<Result<Vec<u8>, ExchangeError>> {
        self.le_corrected = false;
        self.le_dropped = false;
        self.parts.pop().map(|part| self.send(part))
    }

    fn send(&mut self, command: CommandApdu) -> Result<Vec<u8>, ExchangeError> {
        let bytes = command.to_bytes()?;
        self.current = Some(command);
        Ok(bytes)
    }
}

fn le(sw: StatusWord) -> Ne {
    match sw.sw2() {
        0 => Ne::MAX_SHORT,
        le => Ne::new(le.into()).unwrap_or(Ne::MAX_SHORT),
    }
}

/// The commands of a chain (ISO 7816-4 5.3.3), or the one command.
fn split(command: &CommandApdu, limits: ExchangeLimits) -> Vec<CommandApdu> {
    if limits.extended || !command.as_ref().is_extended() {
        return alloc::vec![command.clone()];
    }
    let short_ne = command.ne().min(Ne::MAX_SHORT);
    if command.nc() <= 255 {
        let CommandApduRef { cla, ins, p1, p2, data, .. } = command.as_ref();
        return alloc::vec![CommandApdu::new(cla, ins, p1, p2).with_data(data).with_ne(short_ne)];
    }
    let count = command.nc().div_ceil(255);
    command
        .data()
        .chunks(255)
        .enumerate()
        .map(|(i, chunk)| {
            let last = i + 1 == count;
            let class: Class = if last { command.class() } else { command.class().chained() };
            CommandApdu::new(class, command.instruction(), command.p1(), command.p2())
                .with_data(chunk)
                .with_ne(if last { short_ne } else { Ne::NONE })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn run(
        command: CommandApdu,
        limits: ExchangeLimits,
        answers: &[&[u8]],
    ) -> (Vec<Vec<u8>>, Result<ResponseApdu, ExchangeError>) {
        let (mut exchange, first) = Exchange::start(&command, limits).unwrap();
        let mut sent = vec![first];
        for answer in answers {
            match exchange.handle_response(answer) {
                Ok(ExchangeAction::Send(next)) => sent.push(next),
                Ok(ExchangeAction::Done(response)) => return (sent, Ok(response)),
                Err(error) => return (sent, Err(error)),
            }
        }
        panic!("the exchange wants more answers");
    }

    fn get_data() -> CommandApdu {
        CommandApdu::new(0x84, 0xCA, 0, 0x66).with_ne(Ne::MAX_SHORT)
    }

    #[test]
    fn a_refused_get_response_is_no_answer_to_the_command() {
        let command = CommandApdu::new(0x84, 0xE8, 0x80, 0).with_data([1]).with_ne(Ne::MAX_SHORT);
        let (sent, result) = run(command, ExchangeLimits::default(), &[&[0x61, 0x01], &[0x69, 0x85]]);
        assert_eq!(sent.len(), 2);
        assert_eq!(result, Err(ExchangeError::ResponseRefused { sw: StatusWord(0x6985) }));
    }

    #[test]
    fn collects_what_61xx_announces() {
        let (sent, response) =
            run(get_data(), ExchangeLimits::default(), &[&[0x61, 2], &[1, 2, 0x61, 0], &[3, 0x63, 0x10]]);
        assert_eq!(sent[1], [0x00, 0xC0, 0, 0, 2]);
        assert_eq!(sent[2], [0x00, 0xC0, 0, 0, 0]);
        assert_eq!(response.unwrap(), ResponseApdu::new([1, 2, 3], StatusWord::MORE_DATA));
    }

    #[test]
    fn corrects_le_once() {
        let (sent, response) = run(get_data(), ExchangeLimits::default(), &[&[0x6C, 5], &[7, 0x90, 0]]);
        assert_eq!(sent[1], [0x84, 0xCA, 0, 0x66, 5]);
        assert_eq!(response.unwrap().data(), [7]);
        let (_, response) = run(get_data(), ExchangeLimits::default(), &[&[0x6C, 5], &[0x6C, 6]]);
        assert_eq!(response, Err(ExchangeError::WrongLeAgain { le: 6 }));
    }

    #[test]
    fn chains_what_is_too_long_and_stops_where_the_card_refuses() {
        let command = || CommandApdu::new(0x80, 0xE2, 1, 2).with_data(vec![9; 300]).with_ne(Ne::MAX_EXTENDED);
        let (sent, response) = run(command(), ExchangeLimits::default(), &[&[0x90, 0], &[0x90, 0]]);
        assert_eq!((sent[0][0], sent[0].len()), (0x90, 5 + 255));
        assert_eq!((sent[1][0], sent[1].len(), sent[1][50]), (0x80, 5 + 45 + 1, 0));
        assert!(response.unwrap().sw().is_ok());
        let (sent, response) = run(command(), ExchangeLimits::default(), &[&[0x68, 0x84]]);
        assert_eq!((sent.len(), response.unwrap().sw()), (1, StatusWord::CHAINING_NOT_SUPPORTED));
        let (sent, _) = run(command(), ExchangeLimits::default().with_extended(), &[&[0x90, 0]]);
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_card_that_wants_no_le_gets_the_command_again_without() {
        let install = || CommandApdu::new(0x80, 0xE6, 2, 0).with_data([7; 3]).with_ne(Ne::MAX_SHORT);
        let (sent, response) = run(install(), ExchangeLimits::default(), &[&[0x67, 0], &[1, 0x90, 0]]);
        assert_eq!((sent[0].len(), sent[1].len()), (9, 8));
        assert_eq!(response.unwrap(), ResponseApdu::new([1], StatusWord::OK));
        // It was not the Le.
        for second in [[0x67, 0], [0x69, 0x82]] {
            let (sent, response) = run(install(), ExchangeLimits::default(), &[&[0x67, 0], &second]);
            assert_eq!((sent.len(), response.unwrap().sw()), (2, StatusWord::WRONG_LENGTH));
        }
        // A command without data, or without Le, is not sent again.
        let (sent, _) = run(get_data(), ExchangeLimits::default(), &[&[0x67, 0]]);
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_card_that_never_ends_is_left() {
        let (_, response) = run(get_data(), ExchangeLimits::default(), &[&[0x61, 0], &[0x61, 0]]);
        assert_eq!(response, Err(ExchangeError::NoProgress));
        let mut answer = vec![0u8; 256];
        answer.extend([0x61, 0]);
        let answers = vec![&answer[..]; 300];
        let (sent, response) = run(get_data(), ExchangeLimits::default(), &answers);
        assert_eq!((sent.len(), response), (257, Err(ExchangeError::ResponseTooLong { limit: 65536 })));
    }

    #[test]
    fn an_answer_that_is_none_ends_the_exchange() {
        let (mut exchange, _) = Exchange::start(&get_data(), ExchangeLimits::default()).unwrap();
        assert_eq!(exchange.handle_response(&[]), Err(ExchangeError::Response(ResponseError::TooShort { actual: 0 })));
        assert_eq!(exchange.handle_response(&[0x90, 0]), Err(ExchangeError::Over));
    }
}
