use alloc::vec::Vec;

use cardwright_apdu::{Class, CommandApdu, Instruction, Ne};

use super::HostIdentity;
use crate::Error;

const PSO: &str = "PERFORM SECURITY OPERATION";

/// Bit 8 of P1: more blocks of this certificate follow; of P2: more certificates follow.
const MORE: u8 = 0x80;

/// How a block of a certificate says that more of it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BlockMark {
    /// In the class byte (ISO 7816-4 5.3.3) and in bit 8 of P1, as recorded.
    #[default]
    ClassAndP1,
    /// In the class byte alone. Not recorded: for cards that take P1 for the key version and nothing else.
    Class,
}

/// PERFORM SECURITY OPERATION for each block of each certificate of the host; the card must answer each with 9000.
///
/// A certificate that is not the last one has bit 8 of P2 set. Not recorded: the recordings hold one certificate each.
///
/// # Errors
/// [`Error::Structure`] when a certificate is empty, or the key reference has a bit 8 of its own.
pub fn offer(host: &HostIdentity) -> Result<Vec<CommandApdu>, Error> {
    if (host.ca.kvn | host.ca.kid) & MORE != 0 {
        return Err(Error::Structure { what: "a key version or identifier above 7F", offset: 0 });
    }
    let mut commands = Vec::new();
    for (index, certificate) in host.chain.iter().enumerate() {
        if certificate.is_empty() {
            return Err(Error::Structure { what: "an empty certificate", offset: 0 });
        }
        let p2 = if index + 1 < host.chain.len() { host.ca.kid | MORE } else { host.ca.kid };
        let mut blocks = certificate.chunks(255).peekable();
        while let Some(block) = blocks.next() {
            let more = blocks.peek().is_some();
            let class = if more { Class::GP.chained() } else { Class::GP };
            let p1 = if more && host.blocks == BlockMark::ClassAndP1 { host.ca.kvn | MORE } else { host.ca.kvn };
            let command = CommandApdu::new(class, Instruction::PERFORM_SECURITY_OPERATION, p1, p2);
            debug_assert_eq!(command.name(), PSO);
            commands.push(command.with_data(block).with_ne(Ne::MAX_SHORT));
        }
    }
    Ok(commands)
}
