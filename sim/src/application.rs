//! Applications: what runs when an instance is selected. No bytecode is run; known modules have a built-in application.

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, CommandApdu, Instruction, ResponseApdu, StatusWord};
use minicbor::{Decode, Encode};

use crate::card::{Answer, done};
use crate::domain::SecurityDomain;
use crate::memory::Memory;
use crate::pboc::PbocApplication;

/// A built-in application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuiltIn {
    /// [`PbocApplication`].
    Pboc,
}

/// Which built-in application an executable module has: the one whose prefix its AID begins with. An instance of any
/// other module answers SELECT and nothing else.
pub const BUILT_INS: &[(&[u8], BuiltIn)] = &[(&[0xA0, 0x00, 0x00, 0x03, 0x86, 0x98, 0x07, 0x01], BuiltIn::Pboc)];

/// What an application keeps in non-volatile memory.
#[derive(Clone, Encode, Decode)]
pub(crate) enum Installed {
    #[n(0)]
    Inert,
    #[n(1)]
    Pboc(#[n(0)] PbocApplication),
    /// Its commands go to the card's own security domain code.
    #[n(2)]
    SecurityDomain(#[n(0)] SecurityDomain),
}

/// What an application keeps while it is selected.
#[derive(Clone, Default)]
pub(crate) struct ApplicationSession {
    /// The challenge that the command before asked for, as a block.
    pub(crate) challenge: Option<[u8; 8]>,
    /// Whether the card master key was authenticated with.
    pub(crate) authenticated: bool,
}

impl Installed {
    /// Installs an instance of a module with its application specific parameters (`C9`).
    pub(crate) fn new(module: &Aid, parameters: &[u8], memory: &Memory) -> Self {
        if *module == crate::domain::MODULE {
            return Self::SecurityDomain(SecurityDomain::default());
        }
        match BUILT_INS.iter().find(|(prefix, _)| module.as_bytes().starts_with(prefix)) {
            Some((_, BuiltIn::Pboc)) => Self::Pboc(PbocApplication::install(parameters, &memory.config.cplc)),
            None => Self::Inert,
        }
    }

    /// The response to the SELECT that selected the instance.
    pub(crate) fn select(&self, aid: &Aid) -> Answer {
        match self {
            Self::Inert | Self::SecurityDomain(_) => done(fci(aid, &[])),
            Self::Pboc(application) => application.select(aid),
        }
    }

    /// A command for the selected instance.
    pub(crate) fn process(
        &mut self,
        command: &CommandApdu,
        session: &mut ApplicationSession,
        life_cycle: &mut u8,
        memory: &mut Memory,
    ) -> Answer {
        match self {
            Self::Inert if command.instruction() == Instruction::SELECT => Err(StatusWord::FILE_NOT_FOUND),
            Self::Inert | Self::SecurityDomain(_) => Err(StatusWord::INS_NOT_SUPPORTED),
            Self::Pboc(application) => application.process(command, session, life_cycle, memory),
        }
    }
}

/// `6F { 84 AID, A5 proprietary }` (GPCS table 11-82).
pub(crate) fn fci(aid: &Aid, proprietary: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    tlv::push(&mut inner, Tag(0x84), aid.as_bytes());
    tlv::push(&mut inner, Tag(0xA5), proprietary);
    let mut fci = Vec::new();
    tlv::push(&mut fci, Tag(0x6F), &inner);
    fci
}

/// The answer as a response.
pub(crate) fn response(answer: Answer) -> ResponseApdu {
    answer.unwrap_or_else(ResponseApdu::status)
}
