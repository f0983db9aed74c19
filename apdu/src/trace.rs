//! Traces: a log of exchanges in words that shows no secret, and a file of exchanges that can be replayed.
//!
//! # File format
//!
//! UTF-8, one JSON object a line. The first line is `{"cardwright_trace":1,"atr":"<hex>"}`, with `"profile":"<words>"` where the host took
//! the card for one that does otherwise than the standard says; each further line is one
//! exchange: `{"command":"<hex>","response":"<hex>","micros":<number>}`, or with `"error":"<words>"` in place of
//! `response` when none came. `micros` (time until the response, in microseconds) may be absent; unknown members are
//! passed over. A trace file holds what went over the wire, so it is as secret as the keys in it are weak.

use alloc::string::String;
use core::fmt::{self, Write as _};

use crate::{Aid, ByteCount, CommandApduRef, Instruction, ResponseApduRef};

#[cfg(feature = "std")]
mod file;

#[cfg(feature = "std")]
pub use file::{TraceError, TraceFile, TracedExchange, Tracing};

/// One command in words: header, name and lengths; of its data only what is public.
///
/// Public is the AID or file identifier of a SELECT in clear; everything else is shown by its length.
#[must_use]
pub fn command_in_words(command: &[u8]) -> String {
    let mut words = String::new();
    // Writing to a String cannot fail.
    let _ = describe_command(&mut words, command);
    words
}

fn describe_command(out: &mut String, command: &[u8]) -> fmt::Result {
    let Ok(command) = CommandApduRef::parse(command) else {
        return write!(out, "{}, no command", ByteCount(command.len()));
    };
    let CommandApduRef { cla, ins, p1, p2, data, ne, .. } = command;
    write!(out, "{:02X} {:02X} {p1:02X} {p2:02X} {}", cla.0, ins.0, command.name())?;
    if ins == Instruction::SELECT && !cla.is_secure() {
        match Aid::new(data) {
            Ok(aid) if p1 == 4 => write!(out, " {aid}")?,
            _ if p1 == 0 && data.len() == 2 => write!(out, " {:02X}{:02X}", data[0], data[1])?,
            _ => {}
        }
    }
    if !data.is_empty() {
        write!(out, ", Nc {}", data.len())?;
    }
    if ne.get() > 0 {
        write!(out, ", Ne {}", ne.get())?;
    }
    Ok(())
}

/// One response in words: length of the data and status.
#[must_use]
pub fn response_in_words(response: &[u8]) -> String {
    let mut words = String::new();
    let _ = match ResponseApduRef::parse(response) {
        Ok(response) if response.data.is_empty() => write!(words, "{}", response.sw),
        Ok(response) => write!(words, "{}, {}", response.sw, ByteCount(response.data.len())),
        Err(_) => write!(words, "{}, no response", ByteCount(response.len())),
    };
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_public_and_hides_the_rest() {
        assert_eq!(
            command_in_words(&[0, 0xA4, 4, 0, 5, 0xA0, 0, 0, 0, 3, 0]),
            "00 A4 04 00 SELECT A000000003, Nc 5, Ne 256"
        );
        assert_eq!(command_in_words(&[0, 0xA4, 0, 0, 2, 0x3F, 0]), "00 A4 00 00 SELECT 3F00, Nc 2");
        assert_eq!(command_in_words(&[0x84, 0xD4, 1, 0, 2, 0xAB, 0xCD]), "84 D4 01 00 WRITE KEY, Nc 2");
        assert_eq!(
            command_in_words(&[0x84, 0xE6, 0x0C, 0, 1, 7]),
            "84 E6 0C 00 INSTALL [for install and make selectable], Nc 1"
        );
        assert_eq!(command_in_words(&[1, 2]), "2 bytes, no command");
        assert_eq!(response_in_words(&[1, 2, 0x90, 0]), "9000 (done), 2 bytes");
        assert_eq!(response_in_words(&[0x6A, 0x88]), "6A88 (referenced data not found)");
        assert_eq!(response_in_words(&[]), "0 bytes, no response");
    }
}
