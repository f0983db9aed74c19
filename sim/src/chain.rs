//! Command chaining of GlobalPlatform (GPCS 11.1.5.1).

use cardwright_apdu::{CommandApdu, CommandApduRef, Instruction, StatusWord};

use crate::card::{Answer, JavaCard, done};

/// P1: more commands of this chain follow.
const MORE: u8 = 0x80;
/// The most data of a chain that this card takes, in bytes.
const LONGEST: usize = 2048;

/// Commands of a chain that have come.
pub(crate) struct Chain {
    /// CLA INS P1 P2, P1 as in the last command.
    header: [u8; 4],
    data: Vec<u8>,
}

/// What a command is to a chain.
pub(crate) enum Chained {
    /// None of one.
    Alone,
    /// One before the last, or one that breaks it off.
    Part(Answer),
    /// The last: the command that all of them make up.
    Whole(CommandApdu),
}

impl JavaCard {
    pub(crate) fn chained(&mut self, command: &CommandApduRef<'_>) -> Chained {
        let may_chain = command.cla.0 & 0x80 != 0
            && matches!(command.ins, Instruction::DELETE | Instruction::INSTALL | Instruction::PUT_KEY);
        let has_more = may_chain && command.p1 & MORE != 0;
        let header = [command.cla.0, command.ins.0, command.p1 & !MORE, command.p2];
        let before = self.session.chain.take();
        let mut chain = match before {
            None if !has_more => return Chained::Alone,
            None => Chain { header, data: Vec::new() },
            // All commands of a chain follow one another and have the same header.
            Some(chain) if may_chain && chain.header == header => chain,
            Some(_) => return Chained::Part(Err(StatusWord::CONDITIONS_NOT_SATISFIED)),
        };
        chain.data.extend_from_slice(command.data);
        if chain.data.len() > LONGEST {
            return Chained::Part(Err(StatusWord::INCORRECT_P1_P2));
        }
        if has_more {
            self.session.chain = Some(chain);
            return Chained::Part(done([]));
        }
        let whole = CommandApdu::new(command.cla, command.ins, command.p1, command.p2);
        Chained::Whole(whole.with_data(chain.data).with_ne(command.ne))
    }
}

/// Lc as MACs cover it: in one byte, above 255 in three.
pub(crate) fn lc(length: usize) -> Option<Vec<u8>> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) => Some(vec![short]),
        (_, Ok(long)) => Some([&[0][..], &long.to_be_bytes()].concat()),
        _ => None,
    }
}
