//! Commands on a T=0 line.

use alloc::borrow::Cow;
use alloc::vec;

/// The command as T=0 carries it (ISO 7816-3 12.2.2): five bytes where there are four, and no Le behind data, because
/// the card then says with `61xx` how much it has. Extended lengths do not pass, and are left to the reader to refuse.
pub(super) fn to_t0(command: &[u8]) -> Cow<'_, [u8]> {
    match command {
        [cla, ins, p1, p2] => vec![*cla, *ins, *p1, *p2, 0].into(),
        [_, _, _, _, lc, rest @ ..] if *lc > 0 && rest.len() == usize::from(*lc) + 1 => {
            command[..command.len() - 1].into()
        }
        _ => command.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn le_behind_data_is_left_out() {
        assert_eq!(to_t0(&[0, 0xA4, 4, 0])[..], [0, 0xA4, 4, 0, 0]);
        assert_eq!(to_t0(&[0, 0xC0, 0, 0, 2])[..], [0, 0xC0, 0, 0, 2]);
        assert_eq!(to_t0(&[0, 0xC0, 0, 0, 0])[..], [0, 0xC0, 0, 0, 0]);
        assert_eq!(to_t0(&[0x80, 0x50, 0, 0, 2, 7, 8])[..], [0x80, 0x50, 0, 0, 2, 7, 8]);
        assert_eq!(to_t0(&[0x80, 0x50, 0, 0, 2, 7, 8, 0])[..], [0x80, 0x50, 0, 0, 2, 7, 8]);
        assert_eq!(to_t0(&[0x80, 0x50, 0, 0, 0, 0, 1, 7])[..], [0x80, 0x50, 0, 0, 0, 0, 1, 7]);
    }
}
