use alloc::vec::Vec;

use super::{CapError, Component};

/// The components found, each with a tag and a size item that fit it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct ComponentSet {
    // By tag - 1; an absent one is empty.
    components: [Vec<u8>; 13],
    /// Number of custom components passed over.
    pub(super) custom: usize,
}

impl ComponentSet {
    pub(super) fn from_image(mut rest: &[u8]) -> Result<Self, CapError> {
        let mut set = Self::default();
        let mut offset = 0;
        while !rest.is_empty() {
            let tag = &rest[0];
            let component = Component::from_tag(*tag);
            let (expected, body) = split(component, rest).ok_or(CapError::ImageTruncated { offset })?;
            if component.is_none() && *tag < 0x80 {
                return Err(CapError::UnsupportedComponent { tag: *tag, offset });
            }
            if body.len() < expected {
                return Err(match component {
                    Some(component) => CapError::WrongSize { component, expected, actual: body.len() },
                    None => CapError::ImageTruncated { offset },
                });
            }
            let (bytes, next) = rest.split_at(rest.len() - body.len() + expected);
            match component {
                Some(component) => set.insert(component, bytes.to_vec())?,
                None => set.custom += 1,
            }
            offset += bytes.len();
            rest = next;
        }
        Ok(set)
    }

    /// Takes the member of an archive that is named for a component.
    #[cfg(feature = "std")]
    pub(super) fn insert_named(&mut self, component: Component, bytes: Vec<u8>) -> Result<(), CapError> {
        let (expected, body) = split(Some(component), &bytes).ok_or(CapError::Truncated { component, offset: 0 })?;
        if bytes[0] != component.tag() {
            return Err(CapError::WrongTag { component, actual: bytes[0] });
        }
        if expected != body.len() {
            return Err(CapError::WrongSize { component, expected, actual: body.len() });
        }
        self.insert(component, bytes)
    }

    /// Takes a member that has no component's name: custom components are passed over, as JCVM 6.1.2 wants it.
    #[cfg(feature = "std")]
    pub(super) fn insert_unknown(&mut self, bytes: &[u8]) -> Result<(), CapError> {
        match bytes.first() {
            Some(tag @ ..0x80) => Err(CapError::UnsupportedComponent { tag: *tag, offset: 0 }),
            _ => {
                self.custom += 1;
                Ok(())
            }
        }
    }

    fn insert(&mut self, component: Component, bytes: Vec<u8>) -> Result<(), CapError> {
        let place = &mut self.components[usize::from(component.tag()) - 1];
        if !place.is_empty() {
            return Err(CapError::Duplicate { component });
        }
        // Said here already: the sizes of such a file's other components have four bytes and would look wrong.
        if component == Component::Header && is_extended(&bytes) {
            return Err(CapError::Extended);
        }
        *place = bytes;
        Ok(())
    }

    pub(super) fn get(&self, component: Component) -> Option<&[u8]> {
        let bytes = &self.components[usize::from(component.tag()) - 1];
        if bytes.is_empty() { None } else { Some(bytes) }
    }

    pub(super) fn required(&self, component: Component) -> Result<&[u8], CapError> {
        self.get(component).ok_or(CapError::Missing { component })
    }

    /// Value of the size item, 0 for what is absent.
    pub(super) fn size(&self, component: Component) -> usize {
        self.get(component).map_or(0, |bytes| bytes.len() - component.prefix_len())
    }
}

/// The value of the size item, and what is behind it; a custom component has a size item of two bytes.
fn split(component: Option<Component>, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (prefix, body) = bytes.split_at_checked(component.map_or(3, Component::prefix_len))?;
    let size = prefix[1..].iter().fold(0, |size: u32, byte| size << 8 | u32::from(*byte));
    Some((usize::try_from(size).ok()?, body))
}

/// Whether a Header component has the flag ACC_EXTENDED (JCVM 3.1 6.4).
fn is_extended(header: &[u8]) -> bool {
    header.get(3..7) == Some(&[0xDE, 0xCA, 0xFF, 0xED]) && header.get(9).is_some_and(|flags| flags & 0x08 != 0)
}
