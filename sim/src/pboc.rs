//! A payment application in the PBOC style: two keys, a challenge, and enciphered key updates.

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, CommandApdu, Instruction, Ne, StatusWord};
use minicbor::{Decode, Encode};

use crate::application::{ApplicationSession, fci};
use crate::card::{Answer, done};
use crate::cplc::Cplc;
use crate::crypto::same;
use crate::memory::Memory;
use crate::registry::SELECTABLE;

mod key;

pub use key::PbocKey;

/// Master key that the card master key of each application is diversified from; published test key.
const MANUFACTURER_MASTER_KEY: [u8; 16] = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128.to_be_bytes();
/// Master key that the maintenance key of each application is diversified from; published test key.
const MANUFACTURER_MAINTENANCE_KEY: [u8; 16] = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100_u128.to_be_bytes();

/// External authentication key, protected by encipherment and MAC: type 39 and C0.
const EXTERNAL_AUTHENTICATION: u8 = 0xF9;
/// Line protection key, protected the same way: type 36 and C0.
const LINE_PROTECTION: u8 = 0xF6;

/// The state that the application gives itself once it has a card master key of its issuer: an application specific
/// one (GPCS table 11-4).
const PERSONALIZED: u8 = 0x0F;
/// Wrong MACs in a row until the application is locked for good.
const MAX_MAC_FAILURES: u8 = 3;
/// SFI 15 (hexadecimal) in P1 of READ BINARY.
const PUBLIC_FILE: u8 = 0x95;

/// A payment application in the PBOC style: SELECT, GET CHALLENGE, EXTERNAL AUTHENTICATE, WRITE KEY, READ BINARY.
///
/// Its card master key and maintenance key are diversified from published master keys by the last 8 bytes of its
/// serial number, `DK = 3DES(MK, F) ‖ 3DES(MK, not F)`. The serial number is what the install parameters (`C9`) hold,
/// when they hold 10 bytes, else `0000 ‖ IC batch ‖ IC serial ‖ IC fabrication date`.
#[derive(Clone, Encode, Decode)]
pub struct PbocApplication {
    /// The public data of the application, file 0015.
    #[cbor(n(0), with = "minicbor::bytes")]
    public: [u8; 30],
    #[n(1)]
    master: PbocKey,
    #[n(2)]
    maintenance: PbocKey,
    /// Wrong MACs in a row.
    #[n(3)]
    mac_failures: u8,
    #[n(4)]
    master_replaced: bool,
}

impl PbocApplication {
    pub(crate) fn install(parameters: &[u8], cplc: &[u8; 42]) -> Self {
        let serial_number = parameters.try_into().unwrap_or_else(|_| Cplc::from_bytes(*cplc).serial_number());
        let mut public = [0; 30];
        public[..8].copy_from_slice(&[0x10, 0x00, 0x00, 0x86, 0x98, 0x07, 0x01, 0x00]);
        public[8..10].copy_from_slice(&[0x02, 0x01]);
        public[10..20].copy_from_slice(&serial_number);
        public[20..24].copy_from_slice(&[0x20, 0x25, 0x01, 0x01]);
        public[24..28].copy_from_slice(&[0x20, 0x35, 0x12, 0x31]);
        public[28..].copy_from_slice(&[0x55, 0x66]);
        let factor = serial_number.last_chunk().copied().unwrap_or_default();
        let record = |key_type, next_state, value| PbocKey::new(key_type, next_state, value);
        Self {
            public,
            master: record(EXTERNAL_AUTHENTICATION, 0xAA, key::diversify(&MANUFACTURER_MASTER_KEY, factor)),
            maintenance: record(LINE_PROTECTION, 0xFF, key::diversify(&MANUFACTURER_MAINTENANCE_KEY, factor)),
            mac_failures: 0,
            master_replaced: false,
        }
    }

    /// The application serial number.
    #[must_use]
    pub fn serial_number(&self) -> [u8; 10] {
        self.public[10..20].first_chunk().copied().unwrap_or_default()
    }

    /// The card master key: external authentication key 00.
    #[must_use]
    pub fn master_key(&self) -> &PbocKey {
        &self.master
    }

    /// The maintenance key: line protection key 00.
    #[must_use]
    pub fn maintenance_key(&self) -> &PbocKey {
        &self.maintenance
    }

    /// Whether wrong MACs have locked the application for good.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.mac_failures >= MAX_MAC_FAILURES
    }

    pub(crate) fn select(&self, aid: &Aid) -> Answer {
        if self.is_locked() {
            return Err(StatusWord::APPLICATION_LOCKED);
        }
        let mut proprietary = Vec::new();
        tlv::push(&mut proprietary, Tag(0x9F0C), &self.public);
        done(fci(aid, &proprietary))
    }

    pub(crate) fn process(
        &mut self,
        command: &CommandApdu,
        session: &mut ApplicationSession,
        life_cycle: &mut u8,
        memory: &mut Memory,
    ) -> Answer {
        // A challenge is good for the next command only, whatever that is.
        let challenge = session.challenge.take();
        if self.is_locked() {
            return Err(StatusWord::APPLICATION_LOCKED);
        }
        match (command.class().0, command.instruction()) {
            (0x00, Instruction::GET_CHALLENGE) => get_challenge(command, session, memory),
            (0x00, Instruction::EXTERNAL_AUTHENTICATE) => self.external_authenticate(command, challenge, session),
            (0x84, Instruction::WRITE_KEY) => self.write_key(command, challenge, session, life_cycle),
            (0x80, Instruction::WRITE_KEY) => Err(StatusWord::SECURE_MESSAGING_MISSING),
            (0x00, Instruction::READ_BINARY) => self.read_binary(command),
            (0x00, Instruction::SELECT) => Err(StatusWord::FILE_NOT_FOUND),
            (
                _,
                Instruction::GET_CHALLENGE
                | Instruction::EXTERNAL_AUTHENTICATE
                | Instruction::WRITE_KEY
                | Instruction::READ_BINARY
                | Instruction::SELECT,
            ) => Err(StatusWord::CLA_NOT_SUPPORTED),
            _ => Err(StatusWord::INS_NOT_SUPPORTED),
        }
    }

    /// Without data: how many tries are left (ISO 7816-4 7.5.1). With data: `E_K(challenge)`.
    fn external_authenticate(
        &mut self,
        command: &CommandApdu,
        challenge: Option<[u8; 8]>,
        session: &mut ApplicationSession,
    ) -> Answer {
        if command.p1() != 0 {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if command.p2() != 0 {
            return Err(StatusWord::REFERENCED_DATA_NOT_FOUND);
        }
        let left = self.master.tries_left();
        if left == 0 {
            return Err(StatusWord::AUTHENTICATION_BLOCKED);
        }
        if command.nc() == 0 {
            return Err(StatusWord(0x63C0 | u16::from(left)));
        }
        if command.nc() != 8 {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let challenge = challenge.ok_or(StatusWord::REFERENCE_DATA_UNUSABLE)?;
        if !same(&self.master.encrypt(challenge), command.data()) {
            return Err(StatusWord(0x63C0 | u16::from(self.master.count_failure())));
        }
        self.master.reset_tries();
        session.authenticated = true;
        done(Vec::new())
    }

    /// `cipher ‖ MAC4`, both under the card master key as it is before the command.
    fn write_key(
        &mut self,
        command: &CommandApdu,
        challenge: Option<[u8; 8]>,
        session: &ApplicationSession,
        life_cycle: &mut u8,
    ) -> Answer {
        if !session.authenticated {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let challenge = challenge.ok_or(StatusWord::REFERENCE_DATA_UNUSABLE)?;
        let is_master = match (command.p1() | 0xC0, command.p2()) {
            (EXTERNAL_AUTHENTICATION, 0x00) => true,
            (LINE_PROTECTION, 0x00) => false,
            _ => return Err(StatusWord::REFERENCED_DATA_NOT_FOUND),
        };
        let data = command.data();
        let (cipher, mac) = data.split_at_checked(data.len().saturating_sub(4)).ok_or(StatusWord::WRONG_LENGTH)?;
        if cipher.is_empty() || cipher.len() % 8 != 0 {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let header = [command.class().0, command.instruction().0, command.p1(), command.p2(), data.len() as u8];
        if !same(&self.master.mac(challenge, &[&header, cipher].concat())[..4], mac) {
            self.mac_failures += 1;
            return Err(StatusWord::SECURE_MESSAGING_INCORRECT);
        }
        self.mac_failures = 0;
        let record = self.master.decrypt_record(cipher).ok_or(StatusWord::WRONG_DATA)?;
        let key = if is_master { &mut self.master } else { &mut self.maintenance };
        key.replace(&record).ok_or(StatusWord::WRONG_DATA)?;
        if is_master && !self.master_replaced {
            self.master_replaced = true;
            if *life_cycle == SELECTABLE {
                *life_cycle = PERSONALIZED;
            }
        }
        done(Vec::new())
    }

    fn read_binary(&self, command: &CommandApdu) -> Answer {
        if command.nc() != 0 || command.ne() == Ne::NONE {
            return Err(StatusWord::WRONG_LENGTH);
        }
        if command.p1() & 0x80 == 0 {
            return Err(StatusWord::COMMAND_NOT_ALLOWED);
        }
        if command.p1() != PUBLIC_FILE {
            return Err(StatusWord::FILE_NOT_FOUND);
        }
        let rest = self.public.get(usize::from(command.p2())..).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(StatusWord::WRONG_P1_P2)?;
        match command.ne() {
            Ne::MAX_SHORT => done(rest.to_vec()),
            ne => match rest.get(..ne.get() as usize) {
                Some(data) => done(data.to_vec()),
                None => Err(StatusWord(0x6C00 | rest.len() as u16)),
            },
        }
    }
}

/// 4 or 8 random bytes. The block that is enciphered is `rnd8` or `rnd4 ‖ 00000000`.
fn get_challenge(command: &CommandApdu, session: &mut ApplicationSession, memory: &mut Memory) -> Answer {
    if (command.p1(), command.p2()) != (0, 0) {
        return Err(StatusWord::INCORRECT_P1_P2);
    }
    let length = command.ne().get() as usize;
    if command.nc() != 0 || !matches!(length, 4 | 8) {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let mut block = memory.random::<8>();
    block[length..].fill(0);
    session.challenge = Some(block);
    done(block[..length].to_vec())
}
