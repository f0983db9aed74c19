//! Digits two to a byte, the first in the low half (TS 24.008 10.5.4.7), with F where there is none.

use alloc::vec::Vec;

/// The half-bytes packed, the last byte filled up with F.
pub(crate) fn pack(halves: &[u8]) -> Vec<u8> {
    halves.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0x0F) << 4).collect()
}

/// All half-bytes, in order.
pub(crate) fn unpack(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().flat_map(|byte| [byte & 0x0F, byte >> 4])
}

/// The half-bytes before a filling that goes on to the end; `Err` with the offset of the byte where something follows it.
pub(crate) fn unfilled(bytes: &[u8]) -> Result<Vec<u8>, usize> {
    let mut halves: Vec<u8> = unpack(bytes).collect();
    let end = halves.iter().rposition(|half| *half != 0x0F).map_or(0, |last| last + 1);
    match halves[..end].iter().position(|half| *half == 0x0F) {
        Some(hole) => Err(hole / 2),
        None => {
            halves.truncate(end);
            Ok(halves)
        }
    }
}

/// Value of a decimal digit.
pub(crate) fn decimal(character: char) -> Option<u8> {
    character.to_digit(10).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digit_is_in_the_low_half() {
        assert_eq!(pack(&[1, 2, 3]), [0x21, 0xF3]);
        assert_eq!(unfilled(&[0x21, 0xF3, 0xFF]), Ok([1, 2, 3].to_vec()));
        assert_eq!(unfilled(&[0xFF]), Ok([].to_vec()));
        assert_eq!(unfilled(&[0x21, 0x3F]), Err(1));
    }
}
