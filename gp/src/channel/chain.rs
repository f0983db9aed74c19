//! Commands above 255 bytes: GlobalPlatform's own chaining (GPCS 2.3.1 11.1.5.1), or extended length fields.

use alloc::vec::Vec;

use cardwright_apdu::{Class, CommandApdu, CommandApduRef, Instruction, Ne};

/// P1: more commands of this chain follow.
const MORE: u8 = 0x80;
/// The most command data in one short command, in bytes.
const SHORT: usize = 255;
/// The most in a chain or in an extended command, in bytes, with its protection.
pub(crate) const LONGEST: usize = 0xFFFF;

/// Whether commands of this kind can be chained: DELETE, INSTALL and PUT KEY.
pub(crate) fn is_chainable(command: CommandApduRef<'_>) -> bool {
    let known = [Instruction::DELETE, Instruction::INSTALL, Instruction::PUT_KEY].contains(&command.ins);
    known && command.cla.0 & 0x80 == Class::GP.0 && command.p1 & MORE == 0
}

/// Lc as a C-MAC covers it: in one byte, above 255 in three (GPCS 2.3.1 11.1.5.1).
pub(crate) fn push_lc(message: &mut Vec<u8>, lc: usize) {
    match u8::try_from(lc) {
        Ok(short) => message.push(short),
        Err(_) => message.extend_from_slice(&[0, (lc >> 8) as u8, lc as u8]),
    }
}

/// The commands of a chain, in order: bit 8 of P1 in all but the last, which alone asks for a response.
pub(crate) fn split(command: &CommandApdu) -> Vec<CommandApdu> {
    let CommandApduRef { cla, ins, p1, p2, data, ne, .. } = command.as_ref();
    if data.len() <= SHORT {
        return alloc::vec![command.clone()];
    }
    let count = data.len().div_ceil(SHORT);
    let part = |(i, part): (usize, &[u8])| match i + 1 == count {
        true => CommandApdu::new(cla, ins, p1, p2).with_data(part).with_ne(ne),
        false => CommandApdu::new(cla, ins, p1 | MORE, p2).with_data(part).with_ne(Ne::NONE),
    };
    data.chunks(SHORT).enumerate().map(part).collect()
}

/// Extended length fields, as a card declares them.
///
/// GlobalPlatform's commands use short ones (GPCS 2.3.1 11.1.5); whoever wants others hands this to
/// [`SecureChannel::with_extended_length`](crate::SecureChannel::with_extended_length). Untested on silicon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedLength(());

impl ExtendedLength {
    /// What the card declares in the historical bytes of its answer to reset: bit 7 of the third software function table of its
    /// capabilities (ISO 7816-4 8.1.1.2.7). `None` where it does not, or tells it in another place.
    #[must_use]
    pub fn declared_by(atr: &[u8]) -> Option<Self> {
        let capabilities = capabilities(historical_bytes(atr)?)?;
        (capabilities.get(2)? & 0x40 != 0).then_some(Self(()))
    }
}

/// Behind TS, T0 and the interface bytes that the high nibbles of T0 and the TDs announce (ISO 7816-3 8.2).
fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    let (&[_, t0], mut rest) = atr.split_first_chunk::<2>()?;
    let mut announced = t0 >> 4;
    while announced != 0 {
        let (interface, after) = rest.split_at_checked(announced.count_ones() as usize)?;
        // TD comes last of its group.
        announced = if announced & 0x08 != 0 { interface.last()? >> 4 } else { 0 };
        rest = after;
    }
    rest.get(..usize::from(t0 & 0x0F))
}

/// The data object 7X among compact TLVs: category 80, or 00 with a status in the last three bytes (ISO 7816-4 8.1.1).
fn capabilities(historical: &[u8]) -> Option<&[u8]> {
    let mut objects = match historical.split_first()? {
        (0x80, objects) => objects,
        (0x00, objects) => objects.get(..objects.len().checked_sub(3)?)?,
        _ => return None,
    };
    while let Some((&header, rest)) = objects.split_first() {
        let (value, after) = rest.split_at_checked(usize::from(header & 0x0F))?;
        if header >> 4 == 0x7 {
            return Some(value);
        }
        objects = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join_to_the_whole_and_only_the_last_asks_for_a_response() {
        let data: Vec<u8> = (0..600_usize).map(|i| i as u8).collect();
        let command = CommandApdu::new(0x84, 0xE6, 0x0C, 0x00).with_data(&data[..]).with_ne(Ne::MAX_SHORT);
        let parts = split(&command);
        let heads: Vec<_> = parts.iter().map(|part| (part.p1(), part.nc(), part.ne() == Ne::NONE)).collect();
        assert_eq!(heads, [(0x8C, 255, true), (0x8C, 255, true), (0x0C, 90, false)]);
        assert!(parts.iter().all(|part| !part.as_ref().is_extended() && part.class() == Class(0x84)));
        assert_eq!(parts.iter().flat_map(|part| part.data().to_vec()).collect::<Vec<_>>(), data);
        assert_eq!(split(&command.clone().with_data(&data[..255])).len(), 1);
        assert_eq!(split(&command.with_data(&data[..510])).len(), 2);
    }

    #[test]
    fn only_commands_with_the_bit_are_chained() {
        let is = |cla: u8, ins: u8, p1: u8| is_chainable(CommandApdu::new(cla, ins, p1, 0).as_ref());
        assert!(is(0x80, 0xE6, 0x02) && is(0x80, 0xE4, 0x00) && is(0x80, 0xD8, 0x01));
        assert!(!is(0x80, 0xE8, 0x00) && !is(0x80, 0xE2, 0x00) && !is(0x00, 0xE6, 0x02) && !is(0x80, 0xE6, 0x82));
    }

    #[test]
    fn extended_length_is_what_the_atr_declares() {
        // T=1 with TA1, TD1, TD2, TA3, TB3; category 80, capabilities of three bytes.
        let atr = |third: u8| [0x3B, 0x95, 0x11, 0x81, 0x31, 0xFE, 0x45, 0x80, 0x73, 0xC8, 0x21, third, 0x00];
        assert!(ExtendedLength::declared_by(&atr(0x40)).is_some());
        assert!(ExtendedLength::declared_by(&atr(0xC0)).is_some());
        assert!(ExtendedLength::declared_by(&atr(0x80)).is_none());
        // Category 00: the status is no data object.
        assert!(ExtendedLength::declared_by(&[0x3B, 0x08, 0x00, 0x73, 0, 0, 0x40, 0x07, 0x90, 0x00]).is_some());
        assert!(ExtendedLength::declared_by(&[0x3B, 0x05, 0x00, 0x73, 0, 0, 0x40]).is_none());
        for atr in [&b"\x3B\x8A\x80\x01cardwright\x3E"[..], &[], &[0x3B], &[0x3B, 0xFF], &[0x3B, 0x02, 0x80, 0x73]] {
            assert!(ExtendedLength::declared_by(atr).is_none(), "{atr:02X?}");
        }
    }
}
