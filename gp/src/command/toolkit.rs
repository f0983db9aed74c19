//! Parameters of applications on a SIM or UICC (TS 102 226 8.2.1.3.2.2). Untested on silicon.

use alloc::vec::Vec;

use cardwright_apdu::Aid;
use cardwright_apdu::tlv::{self, Tag};

use crate::error::Error;

const NAME: &str = "INSTALL [for install]";

/// What a toolkit application asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToolkitParameters<'a> {
    /// Priority level: 01 the highest, FF the lowest.
    pub priority: u8,
    /// Largest number of timers, 0 to 8.
    pub timers: u8,
    /// Longest text of a menu entry, in bytes.
    pub menu_text_length: u8,
    /// Menu entries: position and identifier, 0 where the card chooses.
    pub menu_entries: &'a [(u8, u8)],
    /// Largest number of channels, 0 to 7.
    pub channels: u8,
    /// Minimum security level, in the coding of the first octet of the SPI; `None` asks for none.
    pub minimum_security: Option<u8>,
    /// Toolkit application references; `None` leaves the field out, as cards before Release 6 want it.
    pub references: Option<&'a [[u8; 3]]>,
}

impl ToolkitParameters<'_> {
    /// Value of CA: SIM file access and toolkit application specific parameters (TS 102 226 8.2.1.3.2.2.1).
    ///
    /// # Errors
    /// [`Error::TooLong`] when a list does not fit its length byte.
    pub fn sim(&self, access: AccessDomain) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        access.push(&mut out);
        self.push(&mut out)?;
        Ok(out)
    }

    /// Value of tag 80 in EA: UICC toolkit application specific parameters (TS 102 226 8.2.1.3.2.2.2).
    fn uicc(&self, services: u8) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.push(&mut out)?;
        out.push(services);
        Ok(out)
    }

    fn push(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(&[self.priority, self.timers, self.menu_text_length]);
        out.push(count("menu entries", self.menu_entries.len(), 255)?);
        for (position, identifier) in self.menu_entries {
            out.extend_from_slice(&[*position, *identifier]);
        }
        out.push(self.channels);
        match self.minimum_security {
            // 01: what follows is the least SPI.
            Some(spi) => out.extend_from_slice(&[2, 0x01, spi]),
            None => out.push(0),
        }
        if let Some(references) = self.references {
            let references = references.as_flattened();
            out.push(count("toolkit application references", references.len(), 255)?);
            out.extend_from_slice(references);
        }
        Ok(())
    }
}

/// Which files an application may touch (TS 102 226 8.2.1.3.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessDomain {
    /// All (00).
    Full,
    /// By the access conditions of the file system that these three bytes fulfil (02).
    Conditions([u8; 3]),
    /// None (FF).
    None,
}

impl AccessDomain {
    fn push(self, out: &mut Vec<u8>) {
        match self {
            Self::Full => out.extend_from_slice(&[1, 0x00]),
            Self::Conditions([a, b, c]) => out.extend_from_slice(&[4, 0x02, a, b, c]),
            Self::None => out.extend_from_slice(&[1, 0xFF]),
        }
    }
}

/// Access to one file system.
#[derive(Clone, Copy, Debug)]
pub struct AccessRule<'a> {
    /// The application dedicated file, or `None` for the files that are shared.
    pub adf: Option<Aid>,
    /// What may be touched.
    pub access: AccessDomain,
    /// Access domain DAP, or empty.
    pub dap: &'a [u8],
}

/// UICC system specific parameters: template EA (TS 102 226 8.2.1.3.2.2.2 and 8.2.1.3.2.2.3).
#[derive(Clone, Copy, Debug, Default)]
pub struct UiccParameters<'a> {
    /// Toolkit parameters and the largest number of services (80).
    pub toolkit: Option<(ToolkitParameters<'a>, u8)>,
    /// DAP over the toolkit parameters (C3), or empty.
    pub toolkit_dap: &'a [u8],
    /// Access to files (81).
    pub access: &'a [AccessRule<'a>],
    /// Administrative access to files (82).
    pub administrative_access: &'a [AccessRule<'a>],
}

impl UiccParameters<'_> {
    /// The template with its tag and length.
    ///
    /// # Errors
    /// [`Error::TooLong`] when a list or DAP does not fit its length byte.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        if let Some((toolkit, services)) = self.toolkit {
            tlv::push(&mut content, Tag(0x80), &toolkit.uicc(services)?);
        }
        if !self.toolkit_dap.is_empty() {
            tlv::push(&mut content, Tag(0xC3), self.toolkit_dap);
        }
        for (tag, rules) in [(0x81, self.access), (0x82, self.administrative_access)] {
            if !rules.is_empty() {
                tlv::push(&mut content, Tag(tag), &access(rules)?);
            }
        }
        let mut out = Vec::new();
        tlv::push(&mut out, Tag(0xEA), &content);
        Ok(out)
    }
}

fn access(rules: &[AccessRule<'_>]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for rule in rules {
        let adf = rule.adf.as_ref().map(Aid::as_bytes).unwrap_or_default();
        out.push(adf.len() as u8);
        out.extend_from_slice(adf);
        rule.access.push(&mut out);
        out.push(count("access domain DAP", rule.dap.len(), 255)?);
        out.extend_from_slice(rule.dap);
    }
    Ok(out)
}

fn count(what: &'static str, actual: usize, limit: usize) -> Result<u8, Error> {
    u8::try_from(actual).map_err(|_| Error::TooLong { command: NAME, what, actual, limit })
}
