//! A connection that carries messages.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{VpcdDecoder, VpcdError, encode_message};

/// How long the rest of a message may take once it has begun, when there is no other limit.
const MESSAGE_TIME: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    decoder: VpcdDecoder,
}

/// Whether the peer is silent, as it must be before it is asked.
pub(super) enum Silence {
    Kept,
    Broken,
    Gone,
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Result<Self, VpcdError> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(MESSAGE_TIME))?;
        Ok(Self { stream, decoder: VpcdDecoder::default() })
    }

    /// Sends a message, length and bytes in one write: vpcd's acknowledgement of a lone length is delayed by 40 ms.
    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), VpcdError> {
        Ok(self.stream.write_all(&encode_message(message)?)?)
    }

    /// Waits for a message, until a point in time or for ever; `None` when the peer has closed the connection.
    pub(super) fn receive(&mut self, mut until: Option<Instant>) -> Result<Option<Vec<u8>>, VpcdError> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.decoder.poll_message() {
                return Ok(Some(message));
            }
            if until.is_none() && !self.decoder.is_empty() {
                until = Some(Instant::now() + MESSAGE_TIME);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(VpcdError::Timeout);
            }
            self.stream.set_read_timeout(left)?;
            self.acknowledge_at_once();
            match self.stream.read(&mut bytes) {
                Ok(0) if self.decoder.is_empty() => return Ok(None),
                Ok(0) => return Err(VpcdError::Truncated),
                Ok(n) => self.decoder.handle_bytes(&bytes[..n]),
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                    _ => return Err(error.into()),
                },
            }
        }
    }

    pub(super) fn silence(&mut self) -> Silence {
        if !self.decoder.is_empty() {
            return Silence::Broken;
        }
        let peeked = self.stream.set_nonblocking(true).and_then(|()| {
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            peeked
        });
        match peeked {
            Ok(0) => Silence::Gone,
            Ok(_) => Silence::Broken,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Silence::Kept,
            Err(_) => Silence::Gone,
        }
    }

    /// vpcd writes the length and the bytes of a message apart and waits, as TCP does by default, until the length is
    /// acknowledged. Linux forgets this setting with every read.
    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        use std::os::linux::net::TcpStreamExt;
        // Without it a command takes 44 ms, and is right all the same.
        let _ = self.stream.set_quickack(true);
    }

    #[cfg(not(target_os = "linux"))]
    fn acknowledge_at_once(&self) {}
}
