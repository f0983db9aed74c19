//! Frames in which a file is sent: a start field, a length, an end field and a checksum, so that what arrived in part, or not as it was
//! sent, is told apart from the file.
//!
//! ```text
//! frame := MAGIC(2..8) | VERSION(1) | LENGTH(4) | TRANSFER(16) | PART(2) | PARTS(2) | PAYLOAD(LENGTH) | TRAILER(2..8) | CHECKSUM
//! ```
//!
//! Numbers are big-endian, parts count from 1. The checksum covers everything before it. CRCs are for old clients: they find accidents,
//! not intent; [`Checksum::Hmac`] finds both.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The version that is written.
pub const VERSION: u8 = 1;

/// Longest payload of a frame, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

const FIXED: usize = 1 + 4 + 16 + 2 + 2;

/// Name of a transfer: 16 random bytes that the sender draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub [u8; 16]);

/// How a frame is checked.
#[derive(Clone, PartialEq, Eq)]
pub enum Checksum {
    /// CRC-16/IBM-3740 ("CCITT-FALSE"), two bytes.
    Crc16,
    /// CRC-32/ISO-HDLC, four bytes.
    Crc32,
    /// SHA-256, 32 bytes.
    Sha256,
    /// HMAC-SHA256, 32 bytes: the only one that tells who sent it.
    Hmac(FrameKey),
}

/// A key that a client and the server share. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FrameKey([u8; 32]);

impl FrameKey {
    /// Takes the key over.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Crc16 => "Crc16",
            Self::Crc32 => "Crc32",
            Self::Sha256 => "Sha256",
            Self::Hmac(_) => "Hmac",
        })
    }
}

impl Checksum {
    fn length(&self) -> usize {
        match self {
            Self::Crc16 => 2,
            Self::Crc32 => 4,
            Self::Sha256 | Self::Hmac(_) => 32,
        }
    }

    fn of(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc16 => crc::Crc::<u16>::new(&crc::CRC_16_IBM_3740).checksum(bytes).to_be_bytes().to_vec(),
            Self::Crc32 => crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes).to_be_bytes().to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Hmac(key) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
                mac.update(bytes);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }
}

/// The form of frames that two sides agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameFormat {
    magic: Vec<u8>,
    trailer: Vec<u8>,
    checksum: Checksum,
}

/// A start or end field that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("start and end field have 2 to 8 bytes each, not {length}")]
pub struct FormatError {
    /// Its length.
    pub length: usize,
}

impl FrameFormat {
    /// Start field, end field and checksum.
    ///
    /// # Errors
    /// [`FormatError`] when one of the fields does not have 2 to 8 bytes.
    pub fn new(magic: &[u8], trailer: &[u8], checksum: Checksum) -> Result<Self, FormatError> {
        match [magic, trailer].into_iter().find(|field| !(2..=8).contains(&field.len())) {
            Some(field) => Err(FormatError { length: field.len() }),
            None => Ok(Self { magic: magic.to_vec(), trailer: trailer.to_vec(), checksum }),
        }
    }

    fn overhead(&self) -> usize {
        self.magic.len() + FIXED + self.trailer.len() + self.checksum.length()
    }
}

/// One part of a transfer.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which transfer.
    pub transfer: TransferId,
    /// Which part, from 1.
    pub part: u16,
    /// Of how many.
    pub parts: u16,
    /// Its bytes: personal data, mostly, so they are not shown.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { transfer, part, parts, payload } = self;
        write!(f, "Frame({transfer:?}, part {part} of {parts}, {} bytes)", payload.len())
    }
}

/// Bytes that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// More bytes have to come.
    #[error("{missing} bytes more are needed")]
    Incomplete {
        /// How many at least.
        missing: usize,
    },
    /// Another start field.
    #[error("the start field is another: byte {offset}")]
    Magic {
        /// First byte that differs.
        offset: usize,
    },
    /// A version that is not known.
    #[error("frames of version {version} are not known here")]
    Version {
        /// Which.
        version: u8,
    },
    /// Longer than frames may be.
    #[error("a payload of {length} bytes; at most {MAX_PAYLOAD} are taken")]
    TooLong {
        /// The length that the frame gives.
        length: usize,
    },
    /// A part that there is not.
    #[error("part {part} of {parts}")]
    Part {
        /// Its number.
        part: u16,
        /// Of how many.
        parts: u16,
    },
    /// Another end field: the length is wrong, or bytes are missing or too many.
    #[error("the end field is another: byte {offset}")]
    Trailer {
        /// First byte that differs.
        offset: usize,
    },
    /// The checksum does not fit.
    #[error("the checksum does not fit: something was changed on the way")]
    Checksum,
}

impl Frame {
    /// Cuts a file into frames.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when it does not fit into 65 535 parts of [`MAX_PAYLOAD`] bytes.
    pub fn cut(transfer: TransferId, file: &[u8], at: usize) -> Result<Vec<Self>, FrameError> {
        let at = at.clamp(1, MAX_PAYLOAD);
        let payloads: Vec<&[u8]> = if file.is_empty() { vec![file] } else { file.chunks(at).collect() };
        let parts = u16::try_from(payloads.len()).map_err(|_| FrameError::TooLong { length: file.len() })?;
        Ok((1..=parts)
            .zip(payloads)
            .map(|(part, payload)| Self { transfer, part, parts, payload: payload.into() })
            .collect())
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`FrameError::TooLong`], [`FrameError::Part`].
    pub fn encode(&self, format: &FrameFormat) -> Result<Vec<u8>, FrameError> {
        let length = self.payload.len();
        let announced =
            u32::try_from(length).ok().filter(|_| length <= MAX_PAYLOAD).ok_or(FrameError::TooLong { length })?;
        check_part(self.part, self.parts)?;
        let mut bytes = Vec::with_capacity(length + format.overhead());
        bytes.extend_from_slice(&format.magic);
        bytes.push(VERSION);
        bytes.extend_from_slice(&announced.to_be_bytes());
        bytes.extend_from_slice(&self.transfer.0);
        bytes.extend_from_slice(&self.part.to_be_bytes());
        bytes.extend_from_slice(&self.parts.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
        bytes.extend_from_slice(&format.trailer);
        let checksum = format.checksum.of(&bytes);
        bytes.extend_from_slice(&checksum);
        Ok(bytes)
    }

    /// Reads the frame at the beginning of what has arrived; gives it and its length.
    ///
    /// # Errors
    /// [`FrameError::Incomplete`] while bytes are missing; the others as soon as they can be told, before a payload is waited for that
    /// is too long.
    pub fn decode(format: &FrameFormat, bytes: &[u8]) -> Result<(Self, usize), FrameError> {
        if let Some(offset) = differs(bytes, &format.magic) {
            return Err(FrameError::Magic { offset });
        }
        let body = bytes.get(format.magic.len()..).unwrap_or_default();
        if let Some(version) = body.first().copied().filter(|version| *version != VERSION) {
            return Err(FrameError::Version { version });
        }
        let Some(head) = body.first_chunk::<FIXED>() else {
            return Err(FrameError::Incomplete { missing: format.overhead() - bytes.len() });
        };
        let (length, rest) = (be_u32(&head[1..5]) as usize, &head[5..]);
        let (part, parts) = (be_u16(&rest[16..18]), be_u16(&rest[18..20]));
        if length > MAX_PAYLOAD {
            return Err(FrameError::TooLong { length });
        }
        check_part(part, parts)?;
        let total = format.overhead() + length;
        let Some(frame) = bytes.get(..total) else {
            return Err(FrameError::Incomplete { missing: total - bytes.len() });
        };
        let (covered, checksum) = frame.split_at(total - format.checksum.length());
        let (before, trailer) = covered.split_at(covered.len() - format.trailer.len());
        if let Some(offset) = differs(trailer, &format.trailer) {
            return Err(FrameError::Trailer { offset: before.len() + offset });
        }
        if !bool::from(format.checksum.of(covered).ct_eq(checksum)) {
            return Err(FrameError::Checksum);
        }
        let mut transfer = [0; 16];
        transfer.copy_from_slice(&rest[..16]);
        let payload = before[format.magic.len() + FIXED..].to_vec();
        Ok((Self { transfer: TransferId(transfer), part, parts, payload }, total))
    }
}

fn check_part(part: u16, parts: u16) -> Result<(), FrameError> {
    if (1..=parts).contains(&part) { Ok(()) } else { Err(FrameError::Part { part, parts }) }
}

/// The first byte in which two differ, as far as the first goes.
fn differs(bytes: &[u8], expected: &[u8]) -> Option<usize> {
    bytes.iter().zip(expected).position(|(byte, expected)| byte != expected)
}

fn be_u32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn be_u16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |number, byte| number << 8 | u16::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn formats() -> [FrameFormat; 4] {
        let key = FrameKey::new([9; 32]);
        [Checksum::Crc16, Checksum::Crc32, Checksum::Sha256, Checksum::Hmac(key)]
            .map(|checksum| FrameFormat::new(b"STU>", b"<END", checksum).unwrap())
    }

    fn frame(payload: &[u8]) -> Frame {
        Frame { transfer: TransferId([7; 16]), part: 1, parts: 1, payload: payload.into() }
    }

    /// The catalogue of parametrised CRC algorithms: "123456789" gives 29B1 and CBF43926. SHA-256 and HMAC are checked elsewhere.
    #[test]
    fn checksums_are_those_of_the_catalogue() {
        assert_eq!(Checksum::Crc16.of(b"123456789"), [0x29, 0xB1]);
        assert_eq!(Checksum::Crc32.of(b"123456789"), [0xCB, 0xF4, 0x39, 0x26]);
    }

    #[test]
    fn a_frame_has_the_stated_form() {
        let format = FrameFormat::new(b"AA", b"ZZ", Checksum::Crc16).unwrap();
        let bytes = frame(b"hi").encode(&format).unwrap();
        let (covered, checksum) = bytes.split_at(bytes.len() - 2);
        let expected = [b"AA\x01\0\0\0\x02".as_slice(), &[7; 16], b"\0\x01\0\x01hiZZ"].concat();
        assert_eq!(covered, expected);
        assert_eq!(checksum, Checksum::Crc16.of(&expected));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let format = &formats()[0];
        let good = frame(b"payload").encode(format).unwrap();
        let error = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            Frame::decode(format, &bytes).unwrap_err()
        };
        assert_eq!(error(&|bytes| bytes[2] = b'x'), FrameError::Magic { offset: 2 });
        assert_eq!(error(&|bytes| bytes[4] = 2), FrameError::Version { version: 2 });
        assert_eq!(error(&|bytes| bytes[5] = 0xFF), FrameError::TooLong { length: 0xFF00_0007 });
        assert_eq!(error(&|bytes| bytes[26] = 0), FrameError::Part { part: 0, parts: 1 });
        assert_eq!(error(&|bytes| bytes[26] = 2), FrameError::Part { part: 2, parts: 1 });
        assert_eq!(error(&|bytes| bytes[8] = 6), FrameError::Trailer { offset: 35 });
        assert_eq!(error(&|bytes| bytes[30] ^= 1), FrameError::Checksum);
        assert_eq!(error(&|bytes| bytes.truncate(20)), FrameError::Incomplete { missing: good.len() - 20 - 7 });
        assert_eq!(error(&|bytes| bytes.truncate(30)), FrameError::Incomplete { missing: good.len() - 30 });
        let long = Frame { payload: vec![0; MAX_PAYLOAD + 1], ..frame(b"") };
        assert_eq!(long.encode(format).unwrap_err(), FrameError::TooLong { length: MAX_PAYLOAD + 1 });
        for field in [&b"x"[..], b"123456789"] {
            let error = FrameFormat::new(b"AA", field, Checksum::Crc32).unwrap_err();
            assert_eq!(error, FormatError { length: field.len() });
        }
    }

    #[test]
    fn another_key_is_another_sender() {
        let [_, _, _, format] = formats();
        let other = FrameFormat::new(b"STU>", b"<END", Checksum::Hmac(FrameKey::new([8; 32]))).unwrap();
        let bytes = frame(b"x").encode(&other).unwrap();
        assert_eq!(Frame::decode(&format, &bytes).unwrap_err(), FrameError::Checksum);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload: Vec<u8>, at in 1_usize..40, more: Vec<u8>) {
            for format in formats() {
                let frames = Frame::cut(TransferId([1; 16]), &payload, at).unwrap();
                let mut file = Vec::new();
                for frame in &frames {
                    let mut bytes = frame.encode(&format).unwrap();
                    let length = bytes.len();
                    bytes.extend_from_slice(&more);
                    let (read, used) = Frame::decode(&format, &bytes).unwrap();
                    prop_assert_eq!((&read, used), (frame, length));
                    file.extend(read.payload);
                }
                prop_assert_eq!(&file, &payload);
            }
        }

        /// No changed or missing byte is passed over, and nothing panics.
        #[test]
        fn no_changed_byte_is_passed_over(payload: Vec<u8>, at: prop::sample::Index, to: u8, cut: prop::sample::Index) {
            for format in formats() {
                let good = frame(&payload).encode(&format).unwrap();
                let mut bytes = good.clone();
                let at = at.index(bytes.len());
                bytes[at] = to;
                if bytes != good {
                    prop_assert!(Frame::decode(&format, &bytes).is_err());
                }
                let short = &good[..cut.index(good.len())];
                let missing = matches!(Frame::decode(&format, short), Err(FrameError::Incomplete { .. }));
                prop_assert!(missing);
            }
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            for format in formats() {
                let _ = Frame::decode(&format, &bytes);
            }
        }
    }
}
