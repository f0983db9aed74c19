//! MANAGE CHANNEL (GPCS 2.3.1 11.7).

use cardwright_apdu::{Class, CommandApdu, Instruction, Ne};

use crate::error::{CardFault, Error};

const ONE_BYTE: Ne = match Ne::new(1) {
    Some(ne) => ne,
    None => Ne::MAX_SHORT,
};

/// MANAGE CHANNEL that opens a logical channel: the next free one, or that with this number, 1 to 19, where the card lets the
/// host choose (GPCS 2.3.1 11.7.2.2).
///
/// Commands go to it with [`Class::on_channel`].
///
/// # Errors
/// [`Error::LogicalChannel`] for a number that no supplementary channel has.
pub fn open_channel(number: Option<u8>) -> Result<CommandApdu, Error> {
    match number {
        Some(number @ (0 | 20..)) => Err(Error::LogicalChannel { number }),
        // Table 11-61 has Le = 01 with the card's choice; a channel that the host names brings no data.
        None => Ok(CommandApdu::new(Class::ISO, Instruction::MANAGE_CHANNEL, 0x00, 0x00).with_ne(ONE_BYTE)),
        Some(number) => Ok(CommandApdu::new(Class::ISO, Instruction::MANAGE_CHANNEL, 0x00, number)),
    }
}

/// Number of the channel that the card opened: the answer to [`open_channel`] without a number.
///
/// # Errors
/// [`Error::Card`] when the answer is not one byte from 01 to 13.
pub fn opened_channel(answer: &[u8]) -> Result<u8, Error> {
    let what = "logical channel";
    let wrong = |fault| Error::card("MANAGE CHANNEL", fault);
    match answer {
        [number @ 1..=19] => Ok(*number),
        [actual] => Err(wrong(CardFault::Value { what, offset: 0, expected: "01 to 13", actual: *actual })),
        _ => Err(wrong(CardFault::Length { what, offset: 0, expected: "1 byte", actual: answer.len() })),
    }
}

/// MANAGE CHANNEL that closes a supplementary logical channel, 1 to 19.
///
/// It comes on the basic channel. A channel that is closed already brings the warning 6200.
///
/// # Errors
/// [`Error::LogicalChannel`]: the basic channel cannot be closed, and there is none above 19.
pub fn close_channel(number: u8) -> Result<CommandApdu, Error> {
    match number {
        1..=19 => Ok(CommandApdu::new(Class::ISO, Instruction::MANAGE_CHANNEL, 0x80, number)),
        _ => Err(Error::LogicalChannel { number }),
    }
}
