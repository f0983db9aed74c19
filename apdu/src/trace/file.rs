use std::io::{self, BufRead, Write};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ExchangeLimits;
use crate::transport::{Transport, TransportError};

/// A trace as a value: the ATR and the exchanges in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFile {
    /// Answer to reset, or empty.
    pub atr: Vec<u8>,
    /// What the host took the card for, where that is not the standard.
    pub profile: Option<String>,
    /// The exchanges.
    pub exchanges: Vec<TracedExchange>,
}

/// One exchange of a trace.
#[derive(Clone, PartialEq, Eq)]
pub struct TracedExchange {
    /// The command's bytes.
    pub command: Vec<u8>,
    /// The response's bytes, or what went wrong.
    pub response: Result<Vec<u8>, String>,
}

impl std::fmt::Debug for TracedExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::command_in_words(&self.command))
    }
}

/// A file that is no trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be read or written.
    #[error("trace file: {0}")]
    Io(#[from] io::Error),
    /// The first line does not say that this is a trace of a version that is known here.
    #[error("line 1: no trace of version 1")]
    Header,
    /// A line is no exchange.
    #[error("line {line}: {reason}")]
    Line {
        /// Line of the file, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A line is longer than a command and response can be.
    #[error("line {line}: longer than {limit} bytes")]
    TooLong {
        /// Line of the file, from 1.
        line: usize,
        /// The most bytes in a line.
        limit: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct HeaderLine {
    cardwright_trace: u32,
    #[serde(default)]
    atr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ExchangeLine {
    command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    micros: Option<u64>,
}

/// A command and a response of extended length in hexadecimal, and room for the rest of the line.
const MAX_LINE: usize = 300_000;

impl TraceFile {
    /// Reads a trace.
    ///
    /// # Errors
    /// [`TraceError`] names the line that is wrong.
    pub fn read(mut input: impl BufRead) -> Result<Self, TraceError> {
        let mut trace: Option<Self> = None;
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX) + 1;
            if io::Read::take(&mut input, limit).read_until(b'\n', &mut text)? == 0 {
                break;
            }
            if text.len() > MAX_LINE {
                return Err(TraceError::TooLong { line, limit: MAX_LINE });
            }
            match &mut trace {
                None => {
                    let header: HeaderLine = serde_json::from_slice(&text).map_err(|_| TraceError::Header)?;
                    if header.cardwright_trace != 1 {
                        return Err(TraceError::Header);
                    }
                    let atr = hex::decode(header.atr).map_err(|_| TraceError::Header)?;
                    trace = Some(Self { atr, profile: header.profile, exchanges: Vec::new() });
                }
                Some(_) if text.iter().all(u8::is_ascii_whitespace) => {}
                Some(trace) => {
                    trace.exchanges.push(read_exchange(&text).map_err(|reason| TraceError::Line { line, reason })?);
                }
            }
        }
        trace.ok_or(TraceError::Header)
    }
}

fn read_exchange(line: &[u8]) -> Result<TracedExchange, &'static str> {
    let line: ExchangeLine = serde_json::from_slice(line).map_err(|_| "no exchange in JSON")?;
    let command = hex::decode(line.command).map_err(|_| "the command is not hexadecimal")?;
    let response = match (line.response, line.error) {
        (Some(response), None) => Ok(hex::decode(response).map_err(|_| "the response is not hexadecimal")?),
        (None, Some(error)) => Err(error),
        _ => return Err("neither a response nor an error, or both"),
    };
    Ok(TracedExchange { command, response })
}

/// A transport that writes every exchange of another one to a trace file.
#[derive(Debug)]
pub struct Tracing<T, W> {
    inner: T,
    out: W,
    profile: Option<String>,
    header_written: bool,
}

impl<T: Transport, W: Write + Send> Tracing<T, W> {
    /// Traces `inner` to `out`. The first line is written with the first reset or exchange.
    pub fn new(inner: T, out: W) -> Self {
        Self { inner, out, profile: None, header_written: false }
    }

    /// The same with what the host takes the card for: the card profile in words, so that a reader of the trace knows what is otherwise
    /// than the standard says, and why.
    #[must_use]
    pub fn with_profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// The transport and the writer.
    pub fn into_parts(self) -> (T, W) {
        (self.inner, self.out)
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    fn header(&mut self, atr: &[u8]) -> io::Result<()> {
        if std::mem::replace(&mut self.header_written, true) {
            return Ok(());
        }
        let profile = self.profile.take();
        self.line(&HeaderLine { cardwright_trace: 1, atr: hex::encode_upper(atr), profile })
    }
}

// A trace that cannot be written must not stop a card in the middle: the exchange goes on without it.
impl<T: Transport, W: Write + Send> Transport for Tracing<T, W> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        let _ = self.header(&[]);
        let begun = Instant::now();
        let result = self.inner.transmit(command, response);
        let _ = self.line(&ExchangeLine {
            command: hex::encode_upper(command),
            response: result.is_ok().then(|| hex::encode_upper(&*response)),
            error: result.as_ref().err().map(ToString::to_string),
            micros: u64::try_from(begun.elapsed().as_micros()).ok(),
        });
        result
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        let atr = self.inner.reset()?;
        let _ = self.header(&atr);
        Ok(atr)
    }

    fn limits(&self) -> ExchangeLimits {
        self.inner.limits()
    }
}
