use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::frame::Frame;
use crate::record::{Content, Record, Sealed};
use crate::seal::Sealer;
use crate::tcp::{LineError, RECORD, SEND};

/// Reads records from a socket, each within a time.
pub(super) struct Wire<'a> {
    stream: &'a TcpStream,
    until: Instant,
    is_begun: bool,
}

impl<'a> Wire<'a> {
    pub(super) fn new(stream: &'a TcpStream) -> Self {
        Self { stream, until: Instant::now(), is_begun: false }
    }

    /// The next record; its first byte has to come within `wait`.
    pub(super) fn read(&mut self, limit: usize, wait: Duration) -> Result<Record, LineError> {
        self.until = Instant::now() + wait;
        self.is_begun = false;
        Record::read(self, limit)?.ok_or(LineError::Ended)
    }

    pub(super) fn read_sealed(&mut self, limit: usize, wait: Duration) -> Result<Sealed, LineError> {
        match self.read(limit, wait)? {
            Record::Sealed(sealed) => Ok(sealed),
            other => Err(crate::handshake::unexpected("a sealed record", &other).into()),
        }
    }
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let read = self.stream.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
            _ => error,
        })?;
        // A peer that sends a byte a minute does not hold the line for ever.
        if !std::mem::replace(&mut self.is_begun, true) {
            self.until = Instant::now() + RECORD;
        }
        Ok(read)
    }
}

pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(SEND))
}

pub(super) fn write(mut stream: &TcpStream, record: &Record) -> Result<(), LineError> {
    Ok(stream.write_all(&record.to_bytes())?)
}

/// The sending half of a line.
pub(super) struct Sending {
    sealer: Sealer,
    stream: TcpStream,
}

impl Sending {
    pub(super) fn new(sealer: Sealer, stream: TcpStream) -> Self {
        Self { sealer, stream }
    }

    pub(super) fn send(&mut self, frame: &Frame) -> Result<(), LineError> {
        let bytes = zeroize::Zeroizing::new(frame.to_bytes());
        self.seal(Content::Frame, &bytes[4..])
    }

    pub(super) fn heartbeat(&mut self) -> Result<(), LineError> {
        self.seal(Content::Heartbeat, &[])
    }

    /// The other side reads to the end what was sent before.
    pub(super) fn finish(&self) {
        let _ended_already = self.stream.shutdown(std::net::Shutdown::Write);
    }

    fn seal(&mut self, content: Content, plaintext: &[u8]) -> Result<(), LineError> {
        let sealed = self.sealer.seal(content, plaintext)?;
        write(&self.stream, &Record::Sealed(sealed))
    }
}
