//! A blank chip: a boot loader that takes a card operating system (COS) and starts it.

use std::fmt;

use cardwright_apdu::{CommandApduRef, ResponseApdu, StatusWord};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::application::response;
use crate::card::{Answer, LogEntry, done};
use crate::cpu::{CpuCard, CpuCardBuilder};
use crate::power::Power;
use crate::recorder::Recorder;
use crate::software_card::{SoftwareCard, encode};
use crate::wire::Wire;

/// First bytes of an image.
const IMAGE: &[u8] = b"COS\0";
/// Longest historical bytes of an ATR.
const LONGEST_HISTORICAL: usize = 15;

/// A chip without an operating system. Its boot loader takes one in blocks and starts it; from the reset after that on
/// the chip is a [`CpuCard`], with another ATR.
///
/// No standard fixes the commands of boot loaders, so these are the chip's own; numbers are big-endian:
///
/// | command | bytes | refused with |
/// |---|---|---|
/// | BEGIN | `80 10 00 00 24`, length of the image (4), its SHA-256 (32) | 6A84 longer than the memory, 6A80 empty |
/// | BLOCK | `80 12`, number (2), Lc, data | 6985 without BEGIN, 6A86 not the next number, 6A80 past the end |
/// | VERIFY | `80 14 00 00` | 6985 blocks missing, 6A80 another SHA-256: the download is over |
/// | START | `80 16 00 00` | 6985 not verified, 6A80 no image of a COS |
/// | STATE | `80 18 00 00 07` | |
///
/// BEGIN can come at any time and forgets what came before. Blocks have numbers from 0 on and 1 to 255 bytes. STATE gives `state (1)
/// ‖ next block (2) ‖ bytes received (4)`; state 00 is blank, 01 downloading, 02 verified, 03 started and not yet reset.
/// A wrong length is 6700, parameters that are not 00 6A86, another instruction 6D00, another class 6E00.
///
/// A download that loses power is over, wherever it was: the chip is blank and the next one starts from BEGIN. START writes as a
/// whole: after it, torn or not, the chip is blank or has the COS.
///
/// An image is `"COS\0" ‖ n (1) ‖ n historical bytes of the new ATR ‖ anything`. What follows is not run: the COS is that of
/// [`CpuCard`], made as [`BlankChip::new`] was told, with the ATR of the image.
pub struct BlankChip {
    memory: Memory,
    /// The card that the chip is, once the COS runs.
    cos: Option<CpuCard>,
    download: Download,
    /// START came, the reset did not.
    started: bool,
    wire: Wire,
    power: Power,
    recorder: Recorder,
}

#[derive(Clone, Encode, Decode)]
struct Memory {
    #[cbor(n(0), with = "minicbor::bytes")]
    atr: Vec<u8>,
    #[n(1)]
    t0: bool,
    /// Longest image, in bytes.
    #[n(2)]
    capacity: u32,
    /// Memory of the card that a started COS makes of the chip.
    #[cbor(n(3), with = "minicbor::bytes")]
    factory: Vec<u8>,
    /// Historical bytes of the COS that was started.
    #[n(4)]
    historical: Option<minicbor::bytes::ByteVec>,
    /// Memory of the card under the COS, once that ran.
    #[n(5)]
    card: Option<minicbor::bytes::ByteVec>,
}

/// How far a download is; a reset ends it.
#[derive(Default)]
enum Download {
    #[default]
    None,
    Blocks {
        length: usize,
        digest: [u8; 32],
        next: u16,
        image: Vec<u8>,
    },
    Verified(Vec<u8>),
}

impl BlankChip {
    /// A blank chip that a COS makes a card like this of.
    #[must_use]
    pub fn new(card: CpuCardBuilder) -> Self {
        let card = card.build();
        Self::from_memory(
            Memory {
                // Historical bytes "BOOT", offering the protocol that the card will speak alone.
                atr: atr(card.is_t0(), b"BOOT"),
                t0: card.is_t0(),
                capacity: 64 * 1024,
                factory: SoftwareCard::memory(&card),
                historical: None,
                card: None,
            },
            None,
        )
    }

    /// The same chip with this much memory for an image, in bytes; 64 KB without.
    #[must_use]
    pub fn with_capacity(mut self, bytes: u32) -> Self {
        self.memory.capacity = bytes;
        self
    }

    /// The card that the chip is by now; `None` while it is blank.
    #[must_use]
    pub fn cos(&self) -> Option<&CpuCard> {
        self.cos.as_ref()
    }

    /// Another chip with the same non-volatile memory, fresh from a reset, with an empty log: what this one would be if
    /// the power failed now.
    #[must_use]
    pub fn twin(&self) -> Self {
        let mut twin = Self::from_memory(self.memory.clone(), self.cos.as_ref().map(CpuCard::twin));
        twin.boot();
        twin
    }

    /// How many commands the chip has executed since it was made or loaded, GET RESPONSE included.
    #[must_use]
    pub fn executed(&self) -> u64 {
        self.recorder.executed()
    }

    fn from_memory(memory: Memory, cos: Option<CpuCard>) -> Self {
        Self {
            memory,
            cos,
            download: Download::None,
            started: false,
            wire: Wire::default(),
            power: Power::default(),
            recorder: Recorder::default(),
        }
    }

    /// Runs the COS from the reset after START on.
    fn boot(&mut self) {
        self.download = Download::None;
        self.started = false;
        if let (None, Some(historical)) = (&self.cos, &self.memory.historical)
            && let Some(card) = CpuCard::restore(&self.memory.factory, CpuCard::VERSION)
        {
            self.cos = Some(card.with_atr(atr(self.memory.t0, historical)));
        }
    }

    fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        let t0 = self.memory.t0;
        match CommandApduRef::parse(command) {
            Ok(parsed) if !parsed.is_extended() => match self.wire.repeat(&parsed, t0) {
                Some(bytes) => bytes,
                None => {
                    let answer: ResponseApdu = response(self.dispatch(&parsed));
                    self.wire.send(&parsed, &answer, t0)
                }
            },
            _ => StatusWord::WRONG_LENGTH.0.to_be_bytes().to_vec(),
        }
    }

    fn dispatch(&mut self, command: &CommandApduRef<'_>) -> Answer {
        if command.cla.0 != 0x80 {
            return Err(StatusWord::CLA_NOT_SUPPORTED);
        }
        let number = u16::from_be_bytes([command.p1, command.p2]);
        match command.ins.0 {
            0x10 | 0x14 | 0x16 | 0x18 if number != 0 => Err(StatusWord::INCORRECT_P1_P2),
            0x18 => done(self.state()),
            0x10 | 0x12 | 0x14 | 0x16 if self.started => Err(StatusWord::CONDITIONS_NOT_SATISFIED),
            0x10 => self.begin(command.data),
            0x12 => self.block(number, command.data),
            0x14 => self.verify(),
            0x16 => self.start(),
            _ => Err(StatusWord::INS_NOT_SUPPORTED),
        }
    }

    fn begin(&mut self, data: &[u8]) -> Answer {
        let (length, digest) = data.split_at_checked(4).ok_or(StatusWord::WRONG_LENGTH)?;
        let (Ok(length), Ok(digest)) = (length.try_into(), digest.try_into()) else {
            return Err(StatusWord::WRONG_LENGTH);
        };
        let length = u32::from_be_bytes(length);
        if length == 0 {
            return Err(StatusWord::WRONG_DATA);
        }
        if length > self.memory.capacity {
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        self.download = Download::Blocks { length: length as usize, digest, next: 0, image: Vec::new() };
        done(Vec::new())
    }

    fn block(&mut self, number: u16, data: &[u8]) -> Answer {
        let Download::Blocks { length, next, image, .. } = &mut self.download else {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        if data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        if number != *next {
            return Err(StatusWord::INCORRECT_P1_P2);
        }
        if image.len() + data.len() > *length {
            return Err(StatusWord::WRONG_DATA);
        }
        image.extend_from_slice(data);
        *next = next.checked_add(1).ok_or(StatusWord::INCORRECT_P1_P2)?;
        done(Vec::new())
    }

    fn verify(&mut self) -> Answer {
        match std::mem::take(&mut self.download) {
            Download::Blocks { length, digest, image, .. } if image.len() == length => {
                if Sha256::digest(&image)[..] != digest {
                    return Err(StatusWord::WRONG_DATA);
                }
                self.download = Download::Verified(image);
                done(Vec::new())
            }
            before => {
                let verified = matches!(before, Download::Verified(_));
                self.download = before;
                if verified { done(Vec::new()) } else { Err(StatusWord::CONDITIONS_NOT_SATISFIED) }
            }
        }
    }

    fn start(&mut self) -> Answer {
        let Download::Verified(image) = &self.download else { return Err(StatusWord::CONDITIONS_NOT_SATISFIED) };
        let historical = historical(image).ok_or(StatusWord::WRONG_DATA)?.to_vec();
        self.power.whole()?;
        self.memory.historical = Some(historical.into());
        self.started = true;
        done(Vec::new())
    }

    fn state(&self) -> Vec<u8> {
        let (state, next, received) = match &self.download {
            _ if self.started => (0x03, 0, 0),
            Download::None => (0x00, 0, 0),
            Download::Blocks { next, image, .. } => (0x01, *next, image.len()),
            Download::Verified(image) => (0x02, 0, image.len()),
        };
        [&[state][..], &next.to_be_bytes(), &(received as u32).to_be_bytes()].concat()
    }
}

fn historical(image: &[u8]) -> Option<&[u8]> {
    let (length, rest) = image.strip_prefix(IMAGE)?.split_first()?;
    rest.get(..usize::from(*length)).filter(|historical| historical.len() <= LONGEST_HISTORICAL)
}

/// An ATR that offers T=0 or T=1 alone (ISO 7816-3 8.2).
fn atr(t0: bool, historical: &[u8]) -> Vec<u8> {
    let length = historical.len().min(LONGEST_HISTORICAL);
    if t0 {
        return [&[0x3B, length as u8], &historical[..length]].concat();
    }
    let mut atr = [&[0x3B, 0x80 | length as u8, 0x01], &historical[..length]].concat();
    atr.push(atr[1..].iter().fold(0, |sum, byte| sum ^ byte));
    atr
}

impl SoftwareCard for BlankChip {
    const MAGIC: [u8; 8] = *b"CWSIMBL\0";
    const VERSION: u16 = 1;

    fn reset(&mut self) -> Vec<u8> {
        self.boot();
        self.wire = Wire::default();
        self.power = Power::default();
        match &mut self.cos {
            Some(card) => card.reset(),
            None => self.memory.atr.clone(),
        }
    }

    fn process(&mut self, command: &[u8]) -> Vec<u8> {
        let bytes = match &mut self.cos {
            Some(card) => card.process(command),
            None => self.execute(command),
        };
        self.recorder.note(command, &bytes, None);
        bytes
    }

    fn process_torn(&mut self, command: &[u8], written: usize) {
        match &mut self.cos {
            Some(card) => card.process_torn(command, written),
            None => {
                self.power = Power::lasting(written);
                self.execute(command);
                self.power = Power::lasting(0);
            }
        }
    }

    fn memory(&self) -> Vec<u8> {
        let card = self.cos.as_ref().map(|card| SoftwareCard::memory(card).into());
        encode(&Memory { card, ..self.memory.clone() })
    }

    fn restore(memory: &[u8], _: u16) -> Option<Self> {
        let mut memory: Memory = minicbor::decode(memory).ok()?;
        // The chip could not start it later.
        CpuCard::restore(&memory.factory, CpuCard::VERSION)?;
        let cos = match memory.card.take() {
            Some(card) => Some(CpuCard::restore(&card, CpuCard::VERSION)?),
            None => None,
        };
        let mut chip = Self::from_memory(memory, cos);
        chip.boot();
        Some(chip)
    }

    fn take_log(&mut self) -> Vec<LogEntry> {
        self.recorder.take()
    }

    fn set_log(&mut self, on: bool) {
        self.recorder.set(on);
        if let Some(card) = &mut self.cos {
            card.set_log(on);
        }
    }
}

impl fmt::Debug for BlankChip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cos {
            Some(card) => write!(f, "BlankChip({card:?})"),
            None => write!(f, "BlankChip(blank, {} commands)", self.recorder.executed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(historical: &[u8]) -> Vec<u8> {
        let code: Vec<u8> = (0..1000).map(|at| at as u8).collect();
        [b"COS\0", &[historical.len() as u8][..], historical, &code].concat()
    }

    fn begin(image: &[u8]) -> Vec<u8> {
        [&[0x80, 0x10, 0, 0, 0x24], &(image.len() as u32).to_be_bytes()[..], &Sha256::digest(image)].concat()
    }

    /// All commands of a download.
    fn script(image: &[u8]) -> Vec<Vec<u8>> {
        let mut commands = vec![begin(image)];
        for (number, block) in image.chunks(200).enumerate() {
            commands.push([&[0x80, 0x12, (number >> 8) as u8, number as u8, block.len() as u8], block].concat());
        }
        commands.push(vec![0x80, 0x14, 0, 0]);
        commands.push(vec![0x80, 0x16, 0, 0]);
        commands
    }

    fn state(chip: &mut BlankChip) -> Vec<u8> {
        chip.process(&[0x80, 0x18, 0, 0, 7])
    }

    fn blank() -> BlankChip {
        BlankChip::new(CpuCard::builder())
    }

    const CREATE_MF: &[u8] = b"\x80\xE0\x3F\x00\x0D\x38\xFF\xFF\xF0\xF0\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF";

    #[test]
    fn blank_before_and_a_card_after() {
        let mut chip = blank();
        assert_eq!(chip.reset(), b"\x3B\x84\x01BOOT\x93");
        assert_eq!(chip.process(CREATE_MF), [0x6D, 0x00]);
        for command in script(&image(b"FMCOS 2.0")) {
            assert_eq!(chip.process(&command), [0x90, 0x00]);
        }
        assert_eq!(state(&mut chip)[0], 0x03);
        assert_eq!(chip.process(CREATE_MF), [0x6D, 0x00], "from the reset on");
        assert!(chip.reset().starts_with(b"\x3B\x89\x01FMCOS 2.0"));
        assert_eq!(chip.process(CREATE_MF), [0x90, 0x00]);
        assert_eq!(chip.process(&[0x80, 0x10, 0, 0]), [0x6D, 0x00], "the boot loader is gone");
        assert!(chip.cos().is_some());
        let mut again = BlankChip::restore(&SoftwareCard::memory(&chip), 1).unwrap();
        assert_eq!(again.reset(), chip.reset());
        assert_eq!(again.process(CREATE_MF), [0x6A, 0x86]);
    }

    #[test]
    fn a_download_torn_anywhere_starts_again() {
        let script = script(&image(b"COS"));
        let last = script.len() - 1;
        for cut in 0..script.len() {
            for written in [0, 1] {
                let mut chip = blank();
                for command in &script[..cut] {
                    chip.process(command);
                }
                chip.process_torn(&script[cut], written);
                let mut chip = chip.twin();
                let is_started = cut == last && written == 1;
                assert_eq!(chip.cos().is_some(), is_started);
                if is_started {
                    continue;
                }
                assert_eq!(state(&mut chip), [0, 0, 0, 0, 0, 0, 0, 0x90, 0x00]);
                if cut > 0 {
                    assert_eq!(chip.process(&script[cut]), [0x69, 0x85]);
                }
                for command in &script {
                    assert_eq!(chip.process(command), [0x90, 0x00]);
                }
                assert!(chip.twin().cos().is_some());
            }
        }
    }

    #[test]
    fn an_image_that_is_not_whole_does_not_start() {
        let whole = image(b"COS");
        let commands = script(&whole);
        let mut chip = blank().with_capacity(whole.len() as u32);
        assert_eq!(chip.process(&begin(&[&whole[..], &[0]].concat())), [0x6A, 0x84]);
        assert_eq!(chip.process(&begin(&[])), [0x6A, 0x80]);
        assert_eq!(chip.process(&commands[0][..20]), [0x67, 0x00]);
        for command in [&commands[0], &commands[1]] {
            assert_eq!(chip.process(command), [0x90, 0x00]);
        }
        assert_eq!(state(&mut chip)[..7], [0x01, 0, 1, 0, 0, 0, 200]);
        for (command, sw) in [
            (1, [0x6A, 0x86]),
            (3, [0x6A, 0x86]),
            (commands.len() - 2, [0x69, 0x85]),
            (commands.len() - 1, [0x69, 0x85]),
        ] {
            assert_eq!(chip.process(&commands[command]), sw);
        }
        for command in &commands[2..commands.len() - 2] {
            let mut altered = command.clone();
            altered[7] ^= 1;
            chip.process(if command[3] == 2 { &altered } else { command });
        }
        assert_eq!(chip.process(&[0x80, 0x12, 0, 6, 1, 0]), [0x6A, 0x80], "more than was announced");
        assert_eq!(chip.process(&[0x80, 0x14, 0, 0]), [0x6A, 0x80], "another SHA-256");
        assert_eq!(state(&mut chip)[0], 0x00);
        // Whole, and no COS.
        for command in script(b"something else") {
            let expected = if command[1] == 0x16 { [0x6A, 0x80] } else { [0x90, 0x00] };
            assert_eq!(chip.process(&command), expected);
        }
    }

    #[test]
    fn no_damaged_memory_breaks_the_chip() {
        let memory = SoftwareCard::memory(&blank());
        for at in 0..memory.len() {
            let mut changed = memory.clone();
            changed[at] ^= 0x5A;
            if let Some(mut chip) = BlankChip::restore(&changed, 1) {
                chip.reset();
                assert!(state(&mut chip).len() >= 2);
            }
            assert!(BlankChip::restore(&memory[..at], 1).is_none());
        }
    }
}
