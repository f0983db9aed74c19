//! LV coded data of INSTALL (GPCS 11.5.2.3).

use cardwright_apdu::{Aid, CommandApdu, StatusWord};

use super::authority::Signed;
use super::whole_aid;

/// Fields yet to be read; what is not well formed is `6A80`.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, length: data.len() }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], StatusWord> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(StatusWord::WRONG_DATA)?;
        self.rest = rest;
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

    /// A field that has to be empty.
    pub(super) fn empty(&mut self) -> Result<(), StatusWord> {
        if self.short()?.is_empty() { Ok(()) } else { Err(StatusWord::WRONG_DATA) }
    }

    /// The field that [`Fields::long`] would read next.
    pub(super) fn peek_long(&self) -> Result<&'a [u8], StatusWord> {
        Self { rest: self.rest, length: self.length }.long()
    }

    /// Parameters and token, which end each of these commands.
    pub(super) fn signed(mut self, command: &'a CommandApdu) -> Result<Signed<'a>, StatusWord> {
        let parameters = self.long()?;
        let front = self.length - self.rest.len();
        let token = self.long()?;
        self.end()?;
        Ok(Signed::new(command, front, token, parameters))
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), StatusWord> {
        if self.rest.is_empty() { Ok(()) } else { Err(StatusWord::WRONG_DATA) }
    }
}
