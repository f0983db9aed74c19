//! BER-TLV data objects within bounds (ISO 7816-4 5.2.2, annex E of ISO 7816-4:2020).
//!
//! [`Reader`] walks one level and never recurses: a caller descends where its structure says so, and a template nested
//! a thousand deep costs nothing. `00` between data objects is an error and `FF` is not padding: tag `FF21` exists.

use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

/// A tag of one to three bytes, as the number that its bytes spell: `0x4F`, `0x9F7F`, `0xDF8101`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u32);

impl Tag {
    /// Whether the value is made of further data objects (bit 6 of the first byte).
    #[must_use]
    pub fn is_constructed(self) -> bool {
        let bytes = self.0.to_be_bytes();
        bytes.iter().find(|byte| **byte != 0).is_some_and(|first| first & 0x20 != 0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = if self.0 > 0xFFFF {
            6
        } else if self.0 > 0xFF {
            4
        } else {
            2
        };
        write!(f, "{:0width$X}", self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({self})")
    }
}

/// Bytes that are no data object; offsets count from the first byte of the outermost input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TlvError {
    /// The input ends inside a tag or a length field.
    #[error("data object at offset {offset} ends inside its tag or length")]
    Truncated {
        /// Where the data object begins.
        offset: usize,
    },
    /// The tag has more than three bytes, or begins with 00.
    #[error("no tag at offset {offset}")]
    Tag {
        /// Where the tag begins.
        offset: usize,
    },
    /// The length field is indefinite or has more than four bytes.
    #[error("length field at offset {offset} is not definite or too long")]
    Length {
        /// Where the length field begins.
        offset: usize,
    },
    /// The value goes past the end.
    #[error("data object at offset {offset} wants {expected} bytes of value, {actual} are left")]
    PastEnd {
        /// Where the data object begins.
        offset: usize,
        /// Length that the data object claims.
        expected: usize,
        /// Number of bytes left.
        actual: usize,
    },
}

impl TlvError {
    /// Offset of the trouble, in bytes from the start of the outermost input.
    #[must_use]
    pub fn offset(&self) -> usize {
        match *self {
            Self::Truncated { offset }
            | Self::Tag { offset }
            | Self::Length { offset }
            | Self::PastEnd { offset, .. } => offset,
        }
    }
}

/// One data object, its value borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DataObject<'a> {
    /// The tag.
    pub tag: Tag,
    /// The value; its length is the data object's length.
    pub value: &'a [u8],
    /// Where the data object begins, in bytes from the start of the outermost input.
    pub offset: usize,
    value_offset: usize,
}

impl<'a> DataObject<'a> {
    /// A reader over the data objects inside this one.
    #[must_use]
    pub fn children(&self) -> Reader<'a> {
        Reader { rest: self.value, offset: self.value_offset }
    }
}

impl fmt::Debug for DataObject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataObject({}, {} bytes at {})", self.tag, self.value.len(), self.offset)
    }
}

/// Reads the data objects of one level, one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader over `bytes`, whose first byte is offset 0.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next data object, or `None` at the end. After an error the reader stays where it was.
    ///
    /// # Errors
    /// [`TlvError`] when the bytes at the current offset are no data object.
    pub fn read(&mut self) -> Result<Option<DataObject<'a>>, TlvError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.offset;
        let (tag, tag_len) = read_tag(self.rest, offset)?;
        let (length, length_len) = read_length(&self.rest[tag_len..], offset, offset + tag_len)?;
        let header = tag_len + length_len;
        let body = &self.rest[header..];
        let Some((value, rest)) = body.split_at_checked(length) else {
            return Err(TlvError::PastEnd { offset, expected: length, actual: body.len() });
        };
        self.rest = rest;
        self.offset += header + length;
        Ok(Some(DataObject { tag, value, offset, value_offset: offset + header }))
    }

    /// The first data object with this tag on this level, or `None`.
    ///
    /// # Errors
    /// [`TlvError`] when something in front of it, or it, is no data object.
    pub fn find(mut self, tag: Tag) -> Result<Option<DataObject<'a>>, TlvError> {
        while let Some(object) = self.read()? {
            if object.tag == tag {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<DataObject<'a>, TlvError>;

    /// As [`Reader::read`], but ends after an error.
    fn next(&mut self) -> Option<Self::Item> {
        let item = self.read();
        if item.is_err() {
            self.rest = &[];
        }
        item.transpose()
    }
}

/// The data object with this tag at the front of `bytes` or behind others, without an error for what is no TLV.
///
/// For answers of cards that put proprietary bytes where the standard wants data objects.
#[must_use]
pub fn find(bytes: &[u8], tag: Tag) -> Option<DataObject<'_>> {
    Reader::new(bytes).find(tag).ok().flatten()
}

/// Appends a data object with a length field of the fewest bytes.
pub fn push(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    let tag_bytes = tag.0.to_be_bytes();
    let leading = tag_bytes.iter().take_while(|byte| **byte == 0).count().min(3);
    out.extend_from_slice(&tag_bytes[leading..]);
    push_length(out, value.len());
    out.extend_from_slice(value);
}

/// Appends a definite length field of the fewest bytes (ISO 8825-1 8.1.3).
pub fn push_length(out: &mut Vec<u8>, length: usize) {
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let bytes = (length as u64).to_be_bytes();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    out.push(0x80 | (bytes.len() - leading) as u8);
    out.extend_from_slice(&bytes[leading..]);
}

fn read_tag(bytes: &[u8], offset: usize) -> Result<(Tag, usize), TlvError> {
    let first = bytes[0];
    if first == 0 {
        return Err(TlvError::Tag { offset });
    }
    let mut tag = u32::from(first);
    if first & 0x1F != 0x1F {
        return Ok((Tag(tag), 1));
    }
    for len in 2..=3 {
        let byte = *bytes.get(len - 1).ok_or(TlvError::Truncated { offset })?;
        tag = tag << 8 | u32::from(byte);
        if byte & 0x80 == 0 {
            return Ok((Tag(tag), len));
        }
    }
    Err(TlvError::Tag { offset })
}

fn read_length(bytes: &[u8], object: usize, offset: usize) -> Result<(usize, usize), TlvError> {
    let first = *bytes.first().ok_or(TlvError::Truncated { offset: object })?;
    match first {
        0..=0x7F => Ok((first.into(), 1)),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7F);
            let digits = bytes.get(1..=count).ok_or(TlvError::Truncated { offset: object })?;
            let length = digits.iter().fold(0u64, |length, digit| length << 8 | u64::from(*digit));
            // Four bytes of length always fit where usize has at least 32 bits.
            Ok((usize::try_from(length).map_err(|_| TlvError::Length { offset })?, 1 + count))
        }
        _ => Err(TlvError::Length { offset }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn reads_a_level_with_offsets() {
        let bytes = [0x6F, 0x05, 0x84, 0x03, 1, 2, 3, 0xFF, 0x21, 0x01, 9];
        let mut reader = Reader::new(&bytes);
        let fci = reader.read().unwrap().unwrap();
        assert_eq!((fci.tag, fci.offset), (Tag(0x6F), 0));
        let name = fci.children().find(Tag(0x84)).unwrap().unwrap();
        assert_eq!((name.value, name.offset), (&[1, 2, 3][..], 2));
        let last = reader.read().unwrap().unwrap();
        assert_eq!((last.tag, last.value, last.offset), (Tag(0xFF21), &[9][..], 7));
        assert_eq!(reader.read(), Ok(None));
    }

    #[test]
    fn names_the_offset_of_what_is_wrong() {
        let error = |bytes: &[u8]| Reader::new(bytes).find(Tag(1)).unwrap_err();
        assert_eq!(error(&[0x84, 0x00, 0x9F]), TlvError::Truncated { offset: 2 });
        assert_eq!(error(&[0x84]), TlvError::Truncated { offset: 0 });
        assert_eq!(error(&[0x84, 0x82, 1]), TlvError::Truncated { offset: 0 });
        assert_eq!(error(&[0x84, 0x05, 1]), TlvError::PastEnd { offset: 0, expected: 5, actual: 1 });
        assert_eq!(error(&[0xE0, 0x80, 0, 0]), TlvError::Length { offset: 1 });
        assert_eq!(error(&[0x84, 0x85, 0, 0, 0, 0, 0]), TlvError::Length { offset: 1 });
        assert_eq!(error(&[0x84, 0, 0x00, 0x00]), TlvError::Tag { offset: 2 });
        assert_eq!(error(&[0x9F, 0x81, 0x81, 0x01, 0]), TlvError::Tag { offset: 0 });
        let inner = Reader::new(&[0xE0, 2, 0x84, 9]).read().unwrap().unwrap();
        assert_eq!(inner.children().read(), Err(TlvError::PastEnd { offset: 2, expected: 9, actual: 0 }));
    }

    #[test]
    fn a_template_nested_a_thousand_deep_is_only_a_value() {
        let mut bytes = vec![0x84, 0x00];
        for _ in 0..1000 {
            let mut outer = Vec::new();
            push(&mut outer, Tag(0xE0), &bytes);
            bytes = outer;
        }
        assert_eq!(Reader::new(&bytes).read().unwrap().unwrap().tag, Tag(0xE0));
    }

    proptest! {
        // Another implementation reads what `push` wrote. (It writes 127 as `81 7F`, so bytes are not compared.)
        #[test]
        fn iso7816_tlv_reads_what_is_pushed(
            tag in prop::sample::select(vec![0x4Fu32, 0x84, 0x9F70, 0x9F7F, 0xDF8101]),
            value in prop::collection::vec(any::<u8>(), 0..400),
        ) {
            use iso7816_tlv::ber;
            let mut ours = Vec::new();
            push(&mut ours, Tag(tag), &value);
            let theirs = ber::Tlv::from_bytes(&ours).unwrap();
            let tag_bytes: Vec<u8> = tag.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            prop_assert_eq!(theirs.tag().to_bytes(), &tag_bytes[..]);
            prop_assert_eq!(theirs.value(), &ber::Value::Primitive(value.clone()));
            let object = Reader::new(&ours).read().unwrap().unwrap();
            prop_assert_eq!((object.tag, object.value), (Tag(tag), &value[..]));
        }

        #[test]
        fn never_reads_past_the_end(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut left = bytes.len();
            for object in Reader::new(&bytes).flatten() {
                prop_assert!(object.value.len() < left);
                left -= object.value.len();
            }
        }
    }
}
