//! LV coded data of INSTALL (GPCS 11.5.2.3).

use cardwright_apdu::{Aid, StatusWord};

use super::whole_aid;

/// Fields yet to be read; what is not well formed is `6A80`.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StatusWord> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(StatusWord::WRONG_DATA)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<usize, StatusWord> {
        self.take(1).map(|bytes| bytes[0].into())
    }

    /// A field whose length is one byte.
    pub(super) fn short(&mut self) -> Result<&'a [u8], StatusWord> {
        let length = self.byte()?;
        self.take(length)
    }

    /// A field whose length is coded as BER does it, except that 128 may be one byte.
    pub(super) fn long(&mut self) -> Result<&'a [u8], StatusWord> {
        let length = match self.byte()? {
            0x81 => self.byte()?,
            0x82 => self.byte()? << 8 | self.byte()?,
            length @ 0..=0x80 => length,
            _ => return Err(StatusWord::WRONG_DATA),
        };
        self.take(length)
    }

    pub(super) fn aid(&mut self) -> Result<Aid, StatusWord> {
        whole_aid(self.short()?)
    }

    /// An AID, or a field of length zero.
    pub(super) fn optional_aid(&mut self) -> Result<Option<Aid>, StatusWord> {
        match self.short()? {
            [] => Ok(None),
            aid => whole_aid(aid).map(Some),
        }
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), StatusWord> {
        if self.0.is_empty() { Ok(()) } else { Err(StatusWord::WRONG_DATA) }
    }
}
