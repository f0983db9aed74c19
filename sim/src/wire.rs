//! How responses travel: in one piece, in pieces of 256 bytes, or the T=0 way (ISO 7816-3 12.2, ISO 7816-4 5.3.4).

use cardwright_apdu::{CommandApduRef, Instruction, Ne, ResponseApdu, StatusWord};

/// Response bytes that wait to be fetched.
#[derive(Default)]
pub(crate) struct Wire {
    waiting: Option<Waiting>,
}

struct Waiting {
    data: Vec<u8>,
    sw: StatusWord,
    /// Class of the command that it answers, without secure messaging.
    class: u8,
    /// The command to be sent again with the right Le, after `6Cxx`; otherwise GET RESPONSE fetches.
    command: Option<Vec<u8>>,
}

impl Wire {
    /// Answers GET RESPONSE, and a command repeated with the Le that it was told.
    pub(crate) fn repeat(&mut self, command: &CommandApduRef<'_>, t0: bool) -> Option<Vec<u8>> {
        let asked = command.ins == Instruction::GET_RESPONSE;
        let Some(waiting) = self.waiting.take() else {
            let none = asked && is_interindustry(command.cla.0);
            return none.then(|| StatusWord::CONDITIONS_NOT_SATISFIED.0.to_be_bytes().to_vec());
        };
        // Some hosts stay in the class of the command, as cards let them.
        let get_response = asked && (is_interindustry(command.cla.0) || plain(command.cla.0) == waiting.class);
        let ne = command.ne.get() as usize;
        match &waiting.command {
            Some(header) if *header == header_of(command) && ne == waiting.data.len() => {
                Some([&waiting.data[..], &waiting.sw.0.to_be_bytes()].concat())
            }
            None if get_response => Some(self.fetch(waiting, ne, t0)),
            _ => None,
        }
    }

    fn fetch(&mut self, mut waiting: Waiting, ne: usize, t0: bool) -> Vec<u8> {
        let left = waiting.data.len();
        // Le 00 asks for all that there is, unless the line is T=0, where it asks for 256.
        let wanted = if ne == 256 && !t0 { left.min(256) } else { ne };
        if wanted > left || wanted == 0 {
            let sw = [0x6C, left.min(256) as u8];
            self.waiting = Some(waiting);
            return sw.to_vec();
        }
        let rest = waiting.data.split_off(wanted);
        let sw = if rest.is_empty() { waiting.sw.0 } else { more(rest.len()) };
        let bytes = [&waiting.data[..], &sw.to_be_bytes()].concat();
        if !rest.is_empty() {
            self.waiting = Some(Waiting { data: rest, ..waiting });
        }
        bytes
    }

    /// The bytes that go out for a response.
    pub(crate) fn send(&mut self, command: &CommandApduRef<'_>, response: &ResponseApdu, t0: bool) -> Vec<u8> {
        let (data, sw) = (response.data(), response.sw());
        let class = plain(command.cla.0);
        let waiting = |command| Some(Waiting { data: data.to_vec(), sw, class, command });
        if data.is_empty() || (!t0 && data.len() <= 256) {
            return response.to_bytes();
        }
        if t0 && command.data.is_empty() && data.len() <= 256 {
            if command.ne.get() as usize == data.len() {
                return response.to_bytes();
            }
            self.waiting = waiting(Some(header_of(command)));
            return vec![0x6C, data.len() as u8];
        }
        if t0 {
            self.waiting = waiting(None);
            return more(data.len()).to_be_bytes().to_vec();
        }
        self.waiting = waiting(None);
        match self.waiting.take() {
            Some(all) => self.fetch(all, Ne::MAX_SHORT.get() as usize, t0),
            None => response.to_bytes(),
        }
    }
}

/// `61xx`: so many bytes wait, 00 for 256 or more.
fn more(left: usize) -> u16 {
    0x6100 | if left >= 256 { 0 } else { left as u16 }
}

fn is_interindustry(class: u8) -> bool {
    class & 0xFC == 0
}

/// A class without secure messaging.
fn plain(class: u8) -> u8 {
    class & !0x0C
}

fn header_of(command: &CommandApduRef<'_>) -> Vec<u8> {
    [&[command.cla.0, command.ins.0, command.p1, command.p2], command.data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(wire: &mut Wire, command: &[u8], data: &[u8], t0: bool) -> Vec<u8> {
        let command = CommandApduRef::parse(command).unwrap();
        wire.repeat(&command, t0)
            .unwrap_or_else(|| wire.send(&command, &ResponseApdu::new(data, StatusWord(0x6310)), t0))
    }

    #[test]
    fn t0_offers_the_response_to_a_command_with_data() {
        let mut wire = Wire::default();
        assert_eq!(exchange(&mut wire, &[0x80, 0xF2, 0, 0, 1, 9], &[1, 2, 3], true), [0x61, 0x03]);
        assert_eq!(exchange(&mut wire, &[0, 0xC0, 0, 0, 0], &[], true), [0x6C, 0x03]);
        assert_eq!(exchange(&mut wire, &[0, 0xC0, 0, 0, 2], &[], true), [1, 2, 0x61, 0x01]);
        assert_eq!(exchange(&mut wire, &[0, 0xC0, 0, 0, 1], &[], true), [3, 0x63, 0x10]);
        assert_eq!(exchange(&mut wire, &[0, 0xC0, 0, 0, 1], &[], true), [0x69, 0x85]);
    }

    #[test]
    fn get_response_may_keep_the_class_of_its_command() {
        let mut wire = Wire::default();
        for class in [0x00, 0x80, 0x84] {
            assert_eq!(exchange(&mut wire, &[0x84, 0xF2, 0, 0, 1, 9], &[1, 2, 3], true), [0x61, 0x03]);
            assert_eq!(exchange(&mut wire, &[class, 0xC0, 0, 0, 3], &[], true), [1, 2, 3, 0x63, 0x10], "{class:02X}");
        }
        // Another class, or nothing that waits: it is a command like any other.
        exchange(&mut wire, &[0x84, 0xF2, 0, 0, 1, 9], &[1, 2, 3], true);
        let command = CommandApduRef::parse(&[0xA0, 0xC0, 0, 0, 3]).unwrap();
        assert_eq!(wire.repeat(&command, true), None);
        let command = CommandApduRef::parse(&[0x80, 0xC0, 0, 0, 3]).unwrap();
        assert_eq!(wire.repeat(&command, true), None);
    }

    #[test]
    fn t0_names_the_right_le() {
        let mut wire = Wire::default();
        assert_eq!(exchange(&mut wire, &[0x80, 0xCA, 0, 0x66, 0], &[7; 5], true), [0x6C, 0x05]);
        assert_eq!(exchange(&mut wire, &[0x80, 0xCA, 0, 0x66, 5], &[], true), [7, 7, 7, 7, 7, 0x63, 0x10]);
        assert_eq!(exchange(&mut wire, &[0x80, 0xCA, 0, 0x66, 0], &[7; 5], true), [0x6C, 0x05]);
        assert_eq!(exchange(&mut wire, &[0x80, 0xCA, 0, 0x45, 5], &[8; 5], true)[..5], [8; 5]);
    }

    #[test]
    fn a_long_response_comes_in_pieces() {
        let mut wire = Wire::default();
        let first = exchange(&mut wire, &[0x80, 0xCA, 0, 0x66, 0], &[7; 300], false);
        assert_eq!((first.len(), &first[256..]), (258, &[0x61, 44][..]));
        assert_eq!(exchange(&mut wire, &[0, 0xC0, 0, 0, 0], &[], false)[44..], [0x63, 0x10]);
    }
}
