use core::fmt;

/// A number of bytes in words: `1 byte`, `2 bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCount(pub usize);

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} byte{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn one_byte_is_not_several() {
        assert_eq!([0, 1, 2].map(|count| ByteCount(count).to_string()), ["0 bytes", "1 byte", "2 bytes"]);
    }
}
