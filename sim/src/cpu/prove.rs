//! GET TRANSACTION PROVE and GET BALANCE (general manual 8.13, 8.14).

use cardwright_apdu::StatusWord;

use super::config::ProveNumber;
use super::transaction::Kind;
use super::{Command, CpuCard};
use crate::card::{Answer, done};

impl CpuCard {
    /// `MAC ‖ TAC` of the last transaction, when it has this type and number.
    pub(super) fn get_transaction_prove(&mut self, command: &Command<'_>) -> Answer {
        if command.apdu.p1 != 0x00 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let purse = Kind::purse(command.apdu.p2).ok_or(StatusWord::INCORRECT_P1_P2)?;
        let asked = u16::from_be_bytes(command.array()?);
        let (_, purse) = self.purse(purse)?;
        let number = |before: u16| match self.memory.config.prove {
            ProveNumber::Before => before,
            ProveNumber::After => before.wrapping_add(1),
        };
        match &purse.proof {
            Some(proof) if proof.kind == command.apdu.p2 && number(proof.number) == asked => {
                done([proof.mac, proof.tac].concat())
            }
            _ => Err(StatusWord::MAC_NOT_AVAILABLE),
        }
    }

    pub(super) fn get_balance(&mut self, command: &Command<'_>) -> Answer {
        if command.apdu.p1 != 0x00 || !matches!(command.apdu.p2, 0x01 | 0x02) {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        let (file, purse) = self.purse(command.apdu.p2)?;
        if !self.allows(file.read) {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        done(purse.balance.to_be_bytes())
    }
}
