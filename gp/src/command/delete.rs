//! DELETE of card content and of keys (GPCS 2.3.1 11.2), and what a Delete Token is computed over (C.4.6).

use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Tag};
use cardwright_apdu::{Aid, Class, CommandApdu, Instruction, Ne};

use super::install::Body;
use crate::error::Error;

/// DELETE of applications or load files under delegated management (GPCS 2.3.1 11.2.2.3.1).
///
/// The token comes last, as GPCS 2.3.1 table 11-23 and C.4.6 have it. Untested on silicon.
#[derive(Clone, Debug)]
pub struct Delete<'a> {
    /// What is deleted. GPCS 2.3.1 knows one a command; some cards take more.
    pub objects: &'a [Aid],
    /// Whether what depends on a load file goes as well.
    pub and_related: bool,
    /// Control Reference Template B6, whole, or empty; see [`SignatureReference`](super::SignatureReference).
    pub reference: &'a [u8],
    /// Delete Token, or empty.
    pub token: &'a [u8],
}

impl<'a> Delete<'a> {
    /// Without reference template and token.
    #[must_use]
    pub fn new(objects: &'a [Aid], and_related: bool) -> Self {
        Self { objects, and_related, reference: &[], token: &[] }
    }

    /// The command.
    ///
    /// # Errors
    /// [`Error::TooLong`] when all does not fit one command.
    pub fn command(&self) -> Result<CommandApdu, Error> {
        let mut body = self.body();
        if !self.token.is_empty() {
            tlv::push(&mut body.data, Tag(0x9E), self.token);
        }
        body.into_command(Instruction::DELETE)
    }

    /// What a Delete Token is computed over (GPCS 2.3.1 table C-9).
    ///
    /// # Errors
    /// [`Error::TooLong`] above 65535 bytes.
    pub fn token_input(&self) -> Result<Vec<u8>, Error> {
        self.body().token_input()
    }

    fn body(&self) -> Body {
        let mut data = Vec::new();
        for object in self.objects {
            tlv::push(&mut data, Tag(0x4F), object.as_bytes());
        }
        data.extend_from_slice(self.reference);
        Body { name: "DELETE", p1: 0x00, p2: if self.and_related { 0x80 } else { 0x00 }, data }
    }
}

/// DELETE of an application or load file (GPCS 2.3.1 11.2), on request with what depends on a load file.
#[must_use]
pub fn delete(aid: &Aid, and_related: bool) -> CommandApdu {
    let mut data = Vec::with_capacity(18);
    tlv::push(&mut data, Tag(0x4F), aid.as_bytes());
    CommandApdu::new(Class::GP, Instruction::DELETE, 0, if and_related { 0x80 } else { 0x00 })
        .with_data(data)
        .with_ne(Ne::MAX_SHORT)
}

/// DELETE of keys (GPCS 2.3.1 11.2.2.3.2): of one key, or of all with this identifier or version.
#[must_use]
pub fn delete_key(kid: Option<u8>, kvn: Option<u8>) -> CommandApdu {
    let mut data = Vec::with_capacity(6);
    for (tag, value) in [(0xD0, kid), (0xD2, kvn)] {
        if let Some(value) = value {
            tlv::push(&mut data, Tag(tag), &[value]);
        }
    }
    CommandApdu::new(Class::GP, Instruction::DELETE, 0, 0).with_data(data).with_ne(Ne::MAX_SHORT)
}
