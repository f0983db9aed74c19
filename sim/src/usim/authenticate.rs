//! AUTHENTICATE and RUN GSM ALGORITHM (TS 31.102 7.1, TS 51.011 9.2.16).

use super::Usim;
use super::memory::{ADF, Access, GSM};
use super::milenage::Milenage;
use super::refusal::Refusal;
use super::vendor::Purpose;
use crate::crypto::same;

/// Contexts in P2 (TS 31.102 7.1.2).
const GSM_CONTEXT: u8 = 0x80;
const CONTEXT_3G: u8 = 0x81;

/// Tags of the response.
const SUCCESS: u8 = 0xDB;
const SYNCHRONIZATION_FAILURE: u8 = 0xDC;

/// Bits of IND in a sequence number (TS 33.102 C.3.2).
const IND_BITS: u32 = 5;

impl Usim {
    pub(super) fn authenticate(&mut self, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        if p1 != 0x00 {
            return Err(Refusal::Parameters);
        }
        self.expect_directory(ADF)?;
        match (p2, data) {
            (GSM_CONTEXT, [0x10, rand @ ..]) => {
                let (sres, kc) = self.milenage(Purpose::UsimGsm)?.vector(&block(rand)?).gsm();
                Ok([&[0x04][..], &sres, &[0x08], &kc].concat())
            }
            (CONTEXT_3G, [0x10, rest @ ..]) => match rest.split_at_checked(16) {
                Some((rand, [0x10, autn @ ..])) => self.authenticate_3g(&block(rand)?, &block(autn)?),
                _ => Err(Refusal::Length),
            },
            (GSM_CONTEXT | CONTEXT_3G, _) => Err(Refusal::Length),
            _ => Err(Refusal::Parameters),
        }
    }

    /// RAND; gives `SRES ‖ Kc`.
    pub(super) fn run_gsm_algorithm(&mut self, data: &[u8]) -> Result<Vec<u8>, Refusal> {
        self.expect_directory(GSM)?;
        let rand = data.try_into().map_err(|_| Refusal::LengthOf(16))?;
        let (sres, kc) = self.milenage(Purpose::Sim)?.vector(&rand).gsm();
        Ok([&sres[..], &kc].concat())
    }

    /// `AUTN = SQN xor AK ‖ AMF ‖ MAC` (TS 33.102 6.3.3).
    fn authenticate_3g(&mut self, rand: &[u8; 16], autn: &[u8; 16]) -> Result<Vec<u8>, Refusal> {
        let milenage = self.milenage(Purpose::Usim)?;
        let vector = milenage.vector(rand);
        let sqn: [u8; 6] = std::array::from_fn(|at| autn[at] ^ vector.ak[at]);
        let (mac, _) = milenage.macs(rand, &sqn, [autn[6], autn[7]]);
        if !same(&mac, &autn[8..]) {
            return Err(Refusal::Authentication);
        }
        let number = sqn.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (sequence, index) = (number >> IND_BITS, (number & ((1 << IND_BITS) - 1)) as usize);
        let highest = self.highest();
        let accepted = self.memory.sequences.get_mut(index).filter(|accepted| sequence > **accepted);
        let Some(accepted) = accepted else {
            // AUTS = SQN_MS xor AK* ‖ MAC-S, with an AMF of nothing (TS 33.102 6.3.3).
            let (_, mac_s) = milenage.macs(rand, &highest, [0x00, 0x00]);
            let concealed: [u8; 6] = std::array::from_fn(|at| highest[at] ^ vector.ak_resync[at]);
            return Ok([&[SYNCHRONIZATION_FAILURE, 0x0E][..], &concealed, &mac_s].concat());
        };
        self.power.whole()?;
        *accepted = sequence;
        let (_, kc) = vector.gsm();
        Ok([&[SUCCESS, 0x08][..], &vector.res, &[0x10], &vector.ck, &[0x10], &vector.ik, &[0x08], &kc].concat())
    }

    /// SQN_MS: the highest number accepted (TS 33.102 C.2.2).
    fn highest(&self) -> [u8; 6] {
        let (index, sequence) =
            self.memory.sequences.iter().enumerate().max_by_key(|(_, sequence)| **sequence).unwrap_or((0, &0));
        let number = sequence << IND_BITS | index as u64;
        let [_, _, sqn @ ..] = number.to_be_bytes();
        sqn
    }

    fn milenage(&self, purpose: Purpose) -> Result<Milenage, Refusal> {
        let (ki, opc) = self.subscriber_key(purpose);
        Milenage::new(&ki, &opc).ok_or(Refusal::Memory)
    }

    /// The command belongs to this directory, and is behind the PIN.
    fn expect_directory(&self, identifier: u16) -> Result<(), Refusal> {
        let current = self.memory.directories.get(self.session.directory);
        if current.is_none_or(|directory| directory.identifier != identifier) {
            return Err(Refusal::Incompatible);
        }
        if self.allows(Access::Pin) { Ok(()) } else { Err(Refusal::Security) }
    }
}

fn block(data: &[u8]) -> Result<[u8; 16], Refusal> {
    data.try_into().map_err(|_| Refusal::Length)
}
