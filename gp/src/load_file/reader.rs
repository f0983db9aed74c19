use cardwright_apdu::Aid;

use super::{CapError, Component, PackageVersion};

/// Walks the items of one component; offsets count from its tag.
pub(super) struct Reader<'a> {
    component: Component,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader behind the tag and size items of a component.
    pub(super) fn new(component: Component, bytes: &'a [u8]) -> Self {
        Self { component, bytes, offset: component.prefix_len() }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], CapError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let item = rest.get(..count).ok_or(CapError::Truncated { component: self.component, offset: self.offset })?;
        self.offset += count;
        Ok(item)
    }

    pub(super) fn u1(&mut self) -> Result<u8, CapError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u2(&mut self) -> Result<u16, CapError> {
        let item = self.take(2)?;
        Ok(u16::from_be_bytes([item[0], item[1]]))
    }

    pub(super) fn u4(&mut self) -> Result<u32, CapError> {
        let item = self.take(4)?;
        Ok(u32::from_be_bytes([item[0], item[1], item[2], item[3]]))
    }

    /// An AID with its length byte in front.
    pub(super) fn aid(&mut self) -> Result<Aid, CapError> {
        let offset = self.offset;
        let length = self.u1()?;
        let bytes = self.take(length.into())?;
        Aid::new(bytes).map_err(|_| CapError::AidLength { component: self.component, offset, actual: bytes.len() })
    }

    /// package_info (JCVM 6.3): minor version, major version, AID.
    pub(super) fn package(&mut self) -> Result<(Aid, PackageVersion), CapError> {
        let minor = self.u1()?;
        let major = self.u1()?;
        Ok((self.aid()?, PackageVersion { major, minor }))
    }

    pub(super) fn finish(self) -> Result<(), CapError> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(CapError::TrailingBytes { component: self.component, offset: self.offset })
        }
    }
}
