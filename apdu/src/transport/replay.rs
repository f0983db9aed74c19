use alloc::vec::Vec;

use super::{Transport, TransportError, TransportErrorKind};
use crate::trace::TraceFile;

/// A recorded trace in place of a card: every command must be the recorded one, its recorded response comes back.
#[derive(Debug)]
pub struct Replay {
    trace: TraceFile,
    position: usize,
}

impl Replay {
    /// Replays a trace from its first exchange.
    #[must_use]
    pub fn new(trace: TraceFile) -> Self {
        Self { trace, position: 0 }
    }

    /// How many exchanges have not been asked for.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.trace.exchanges.len() - self.position
    }
}

impl Transport for Replay {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        // The header is line 1.
        let line = self.position + 2;
        match self.trace.exchanges.get(self.position) {
            Some(exchange) if exchange.command == command => {
                self.position += 1;
                match &exchange.response {
                    Ok(recorded) => {
                        response.clear();
                        response.extend_from_slice(recorded);
                        Ok(())
                    }
                    Err(error) => Err(TransportError::unknown(TransportErrorKind::Other(error.clone()))),
                }
            }
            _ => Err(TransportError::not_sent(TransportErrorKind::Diverged { line })),
        }
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Ok(self.trace.atr.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{TraceError, Tracing};
    use crate::{CommandApdu, Ne, StatusWord};

    const TRACE: &str = concat!(
        "{\"cardwright_trace\":1,\"atr\":\"3B00\"}\n",
        "{\"command\":\"80CA006600\",\"response\":\"6102\",\"micros\":12}\n",
        "{\"command\":\"00C0000002\",\"response\":\"01029000\",\"later\":true}\n",
        "{\"command\":\"80CA004200\",\"error\":\"removed\"}\n",
    );

    #[test]
    fn replays_and_records_the_same() {
        let replay = Replay::new(TraceFile::read(TRACE.as_bytes()).unwrap());
        let mut tracing = Tracing::new(replay, Vec::new()).with_profile("mine: s16 = true");
        assert_eq!(Transport::reset(&mut tracing).unwrap(), [0x3B, 0]);
        let get_data = |p2| CommandApdu::new(0x80, 0xCA, 0, p2).with_ne(Ne::MAX_SHORT);
        let response = tracing.exchange(&get_data(0x66)).unwrap();
        assert_eq!((response.data(), response.sw()), (&[1, 2][..], StatusWord::OK));
        assert!(tracing.exchange(&get_data(0x42)).is_err());
        let error = tracing.exchange(&get_data(0x45)).unwrap_err();
        assert_eq!(error.kind, TransportErrorKind::Diverged { line: 5 });
        let (replay, recorded) = tracing.into_parts();
        assert_eq!(replay.remaining(), 0);
        let again = TraceFile::read(&recorded[..]).unwrap();
        assert_eq!((&again.atr[..], again.profile.as_deref()), (&[0x3B, 0][..], Some("mine: s16 = true")));
        assert_eq!(again.exchanges[..2], TraceFile::read(TRACE.as_bytes()).unwrap().exchanges[..2]);
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        let read = |text: &str| TraceFile::read(text.as_bytes()).unwrap_err();
        assert!(matches!(read(""), TraceError::Header));
        assert!(matches!(read("{\"cardwright_trace\":2}"), TraceError::Header));
        assert!(matches!(
            read("{\"cardwright_trace\":1}\n\n{\"command\":\"0\",\"response\":\"\"}"),
            TraceError::Line { line: 3, .. }
        ));
        assert!(matches!(read("{\"cardwright_trace\":1}\n{\"command\":\"00\"}"), TraceError::Line { line: 2, .. }));
        let long = format!("{{\"cardwright_trace\":1}}\n{}", "x".repeat(400_000));
        assert!(matches!(read(&long), TraceError::TooLong { line: 2, .. }));
    }
}
