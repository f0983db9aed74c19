//! Dry runs: the exact commands of an operation, their lengths and the time that they take on the line, without a card.
//!
//! A [`Plan`] is a card that does everything it is told and a list of what that was. The procedures run over it as over any other
//! card, with a channel that has no keys:
//!
//! ```
//! use cardwright_apdu::block_on;
//! use cardwright_gp::channel::Protocol;
//! use cardwright_gp::plan::{Line, Plan};
//! use cardwright_gp::{SecurityLevel, procedure};
//!
//! let mut plan = Plan::new();
//! let mut channel = plan.open(Protocol::Scp03, SecurityLevel::C_DECRYPTION)?;
//! let aid = "A0000003869807".parse()?;
//! block_on(procedure::delete(&mut plan, &mut channel, &aid, true))?;
//! let names: Vec<_> = plan.commands().iter().map(|command| command.name).collect();
//! assert_eq!(names, ["SELECT", "INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE", "DELETE"]);
//! // CLA INS P1 P2, Lc, 9 bytes padded to 16, MAC, Le.
//! assert_eq!(plan.commands()[3].length, 5 + 16 + 8 + 1);
//! assert!(plan.estimate(Line::T1_9600).as_millis() > 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What depends on what a card would answer (pages of GET STATUS, 61XX, a refusal) is planned for an empty card that refuses nothing.

use alloc::vec::Vec;
use core::future::{Future, ready};
use core::time::Duration;

use cardwright_apdu::{CardPort, Class, CommandApdu, Instruction, Ne, ResponseApdu, StatusWord, TransportError};

use crate::channel::{HostChallenge, InitializeUpdate, Protocol};
use crate::{ChannelError, SecureChannel, SecurityLevel, command};

/// One command of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedCommand {
    /// Its name.
    pub name: &'static str,
    /// CLA INS P1 P2, as it is sent.
    pub header: [u8; 4],
    /// Length of its data field as it is sent, protected, in bytes.
    pub nc: usize,
    /// Length of the whole command, in bytes.
    pub length: usize,
    /// Length of the response that the plan has for it, with its status word, in bytes.
    pub response: usize,
}

/// How fast bytes go to a card and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Time for one byte, in nanoseconds.
    pub byte_ns: u64,
    /// Bytes that the transmission protocol adds to a command and its response together.
    pub overhead: usize,
    /// What a command takes besides: reader, service, and the card's own work, in microseconds.
    pub command_us: u64,
}

impl Line {
    /// T=1 with the parameters that a card has after its reset: 372 clocks a bit at 3.57 MHz, 11 bits a byte with its guard time.
    pub const T1_9600: Self = Self { byte_ns: 1_146_000, overhead: 8, command_us: 5_000 };
    /// T=1 at 115200 bits a second, as most readers agree on with most cards.
    pub const T1_115200: Self = Self { byte_ns: 95_500, overhead: 8, command_us: 5_000 };
    /// Contactless at 106 kbit a second: 9 bits a byte, blocks of 256 bytes.
    pub const CONTACTLESS_106: Self = Self { byte_ns: 85_000, overhead: 10, command_us: 5_000 };
}

/// A card that does everything it is told, and what that was.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    commands: Vec<PlannedCommand>,
    /// Data of PUT KEY commands before the last of a chain.
    chain: Vec<u8>,
    protocol: Option<(Protocol, SecurityLevel)>,
}

impl Plan {
    /// A plan without commands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Plans SELECT of the issuer security domain, INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, and gives the channel for what
    /// follows. It has no keys: commands have their real lengths, and what is in them is not protected. SCP11 is planned as SCP11b
    /// on a curve of 256 bits, with a card whose key is known.
    ///
    /// # Errors
    /// [`ChannelError::Level`] for a level that the protocol does not have.
    pub fn open(&mut self, protocol: Protocol, level: SecurityLevel) -> Result<SecureChannel, ChannelError> {
        let channel = SecureChannel::planned(protocol, level)?;
        let size = protocol.mac_len();
        self.add(&command::select(None), 2 + 20);
        self.protocol = Some((protocol, level));
        if protocol.number() == 0x11 {
            let authenticate = CommandApdu::new(Class::GP, Instruction::INTERNAL_AUTHENTICATE, 0, 0x13)
                .with_data([0; 15 + 68])
                .with_ne(Ne::MAX_SHORT);
            self.add(&authenticate, 68 + 18 + 2);
            return Ok(channel);
        }
        let answer = match protocol {
            Protocol::Scp01 | Protocol::Scp02 => 28,
            _ => 16 + 2 * size,
        };
        let challenge = if size == 16 { HostChallenge::from([0; 16]) } else { [0; 8].into() };
        self.add(&InitializeUpdate::new(0, challenge).1, answer + 2);
        // Cryptogram and MAC, of which a plan has neither.
        let authenticate = CommandApdu::new(Class::GP.secured(), Instruction::EXTERNAL_AUTHENTICATE, level.bits(), 0)
            .with_data(&[0; 32][..2 * size]);
        self.add(&authenticate, 2);
        Ok(channel)
    }

    /// The commands, in order.
    #[must_use]
    pub fn commands(&self) -> &[PlannedCommand] {
        &self.commands
    }

    /// Bytes to the card and from it.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        self.commands.iter().fold((0, 0), |(sent, got), one| (sent + one.length, got + one.response))
    }

    /// The time that the commands take on a line. An estimate: what the card needs for writing is not in it.
    #[must_use]
    pub fn estimate(&self, line: Line) -> Duration {
        let (sent, got) = self.bytes();
        let count = self.commands.len() as u64;
        let bytes = (sent + got + self.commands.len() * line.overhead) as u64;
        Duration::from_nanos(bytes.saturating_mul(line.byte_ns)) + Duration::from_micros(count * line.command_us)
    }

    fn add(&mut self, command: &CommandApdu, response: usize) {
        let plain = command.as_ref();
        self.commands.push(PlannedCommand {
            name: command.name(),
            header: [plain.cla.0, plain.ins.0, plain.p1, plain.p2],
            nc: command.nc(),
            length: plain.encoded_len(),
            response,
        });
    }

    /// What the card of the plan answers.
    fn answer(&self, command: &CommandApdu) -> ResponseApdu {
        let plain = command.as_ref();
        match plain.ins {
            Instruction::GET_STATUS => ResponseApdu::status(StatusWord::REFERENCED_DATA_NOT_FOUND),
            Instruction::PUT_KEY if plain.p1 & 0x80 == 0 => {
                let whole = [&self.chain, plain.data].concat();
                ResponseApdu::new(check_values(&whole), StatusWord::OK)
            }
            _ => ResponseApdu::status(StatusWord::OK),
        }
    }
}

/// Version and check values, as a card answers PUT KEY: read back from the command, which the channel of a plan leaves readable.
fn check_values(data: &[u8]) -> Vec<u8> {
    let Some((kvn, mut rest)) = data.split_first() else { return Vec::new() };
    let mut answer = alloc::vec![*kvn];
    // Type, length, key, length of the check value, check value; behind the last key come padding and MAC.
    while let [0x80 | 0x88, length, more @ ..] = rest {
        let Some([3, a, b, c, next @ ..]) = more.get(usize::from(*length)..) else { break };
        answer.extend_from_slice(&[*a, *b, *c]);
        rest = next;
    }
    answer
}

impl CardPort for Plan {
    fn transmit(&mut self, command: CommandApdu) -> impl Future<Output = Result<ResponseApdu, TransportError>> + Send {
        let answer = self.answer(&command);
        let plain = command.as_ref();
        match plain.ins == Instruction::PUT_KEY && plain.p1 & 0x80 != 0 {
            true => self.chain.extend_from_slice(plain.data),
            false => self.chain.clear(),
        }
        let protection = match self.protocol {
            Some((protocol, level)) if level.has_r_mac() && command.class().is_secure() => protocol.mac_len(),
            _ => 0,
        };
        self.add(&command, answer.data().len() + 2 + protection);
        ready(Ok(answer))
    }

    fn reset(&mut self) -> impl Future<Output = Result<Vec<u8>, TransportError>> + Send {
        ready(Ok(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cardwright_apdu::tlv::Tag;
    use cardwright_apdu::{Aid, Transport, block_on};
    use cardwright_keys::{KeyKind, KeyRef, KeySet, SoftwareKeys};

    use crate::command::InstallForInstall;
    use crate::procedure::{self, NewKeys};
    use crate::{DescriptorPolicy, LoadFile};

    fn aid(text: &str) -> Aid {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_are_those_of_a_real_channel() {
        // Data of every length, at every level: the plan and the formulas of the protocols agree on the longest.
        for protocol in [Protocol::Scp01, Protocol::Scp02, Protocol::Scp03, Protocol::Scp03S16] {
            for level in [SecurityLevel::AUTHENTICATED, SecurityLevel::C_MAC, SecurityLevel::C_DECRYPTION] {
                let longest = protocol.max_data(level, 255);
                let mut plan = Plan::new();
                let mut channel = plan.open(protocol, level).unwrap();
                for length in [0, 1, 7, 8, 15, 16, longest] {
                    let command = CommandApdu::new(0x80, 0xE2, 0, 0).with_data(&[1; 255][..length]);
                    block_on(channel.call(&mut plan, &command)).unwrap();
                    let planned = plan.commands().last().unwrap();
                    let mac = if level == SecurityLevel::AUTHENTICATED { 0 } else { protocol.mac_len() };
                    let padded = match (level == SecurityLevel::C_DECRYPTION, protocol.key_kind()) {
                        (true, KeyKind::Aes) if length > 0 => (length + 1).next_multiple_of(16),
                        (true, KeyKind::Tdes) if length > 0 => (length + 1).next_multiple_of(8),
                        _ => length,
                    };
                    assert_eq!(planned.nc, padded + mac, "{protocol:?} {level} {length}");
                    assert!(planned.nc <= 255);
                }
                let command = CommandApdu::new(0x80, 0xE2, 0, 0).with_data(&[1; 256][..longest + 1]);
                assert!(channel.wrap(&command).is_err(), "{protocol:?} {level}");
            }
        }
        assert!(Plan::new().open(Protocol::Scp01, SecurityLevel::C_MAC_R_MAC).is_err());
    }

    #[test]
    fn load_install_and_keys_are_planned_command_by_command() {
        let load_file = LoadFile::new(aid("A0000003869807"), DescriptorPolicy::Omit, &[0x5A; 1000]);
        let instance = aid("A00000038698070101");
        let install = InstallForInstall::new(load_file.aid(), instance, instance);
        let mut plan = Plan::new();
        let mut channel = plan.open(Protocol::Scp03, SecurityLevel::FULL).unwrap();
        let work = procedure::load_and_install(&mut plan, &mut channel, None, &load_file, &install, None, |_, _| {});
        block_on(work).unwrap();
        // C4 82 03 E8 and 1000 bytes, 239 a block.
        let names: Vec<_> = plan.commands().iter().skip(3).map(|command| command.name).collect();
        assert_eq!(names[1..6], ["LOAD"; 5]);
        assert_eq!(
            (names[0], names[6], names.len()),
            ("INSTALL [for load]", "INSTALL [for install and make selectable]", 7)
        );
        let lengths: Vec<_> = plan.commands()[4..9].iter().map(|command| (command.header[3], command.nc)).collect();
        assert_eq!(lengths, [(0, 248), (1, 248), (2, 248), (3, 248), (4, 64 + 8)]);
        assert_eq!(plan.commands()[8].header[2], 0x80);
        assert_eq!(plan.commands()[4].response, 2 + 8, "R-MAC");

        let mut keys = SoftwareKeys::new();
        keys.insert("key", KeyKind::Aes, &[7; 16]).unwrap();
        let set = KeySet::same(KeyRef::new("key"));
        let new = NewKeys::in_place_of(1, set.clone()).unwrap();
        let put = block_on(procedure::prepare_keys(&mut keys, &channel, &set, &new)).unwrap();
        block_on(procedure::put_keys(&mut plan, &mut channel, &put)).unwrap();
        assert_eq!(plan.commands().last().unwrap().response, 2 + 10 + 8);
        let fast = plan.estimate(Line::T1_115200);
        assert!(plan.estimate(Line::T1_9600) > fast * 5 && fast > Duration::from_millis(100), "{fast:?}");
        let registry = block_on(procedure::read_registry(&mut plan, &mut channel)).unwrap();
        assert!(registry.entries.is_empty());
    }

    /// A channel of a plan protects nothing: a card that wants protection refuses what comes out of it.
    #[test]
    fn a_planned_channel_writes_no_mac() {
        let mut plan = Plan::new();
        let mut channel = plan.open(Protocol::Scp03, SecurityLevel::C_MAC).unwrap();
        let mut seen = Vec::new();
        let mut card = cardwright_apdu::transport::InProcess::new(|command: &[u8]| {
            seen = command.to_vec();
            alloc::vec![0x90, 0x00]
        });
        let _ = &mut card as &mut dyn Transport;
        block_on(channel.call(&mut card, &command::get_data(Tag(0x66)))).unwrap();
        assert_eq!(seen, [0x84, 0xCA, 0x00, 0x66, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
