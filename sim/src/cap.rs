//! The load file data block of a Java Card: the components of a CAP file one after the other (JCVM 6).

use std::collections::HashMap;

use cardwright_apdu::Aid;

const MAGIC: [u8; 4] = [0xDE, 0xCA, 0xFF, 0xED];
const HEADER: u8 = 1;
const APPLET: u8 = 3;
const IMPORT: u8 = 4;
/// Greatest tag of a component that the specification names.
const STATIC_RESOURCES: u8 = 13;
/// Custom components have tags from here.
const FIRST_CUSTOM: u8 = 128;
/// Flag of a header whose components have four-byte sizes; this card has none.
const ACC_EXTENDED: u8 = 0x08;

/// What a card needs to know of a CAP file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    pub(crate) package: Aid,
    /// Major, minor.
    pub(crate) version: [u8; 2],
    pub(crate) applets: Vec<Aid>,
    pub(crate) imports: Vec<Aid>,
}

/// Bytes yet to be read; every read says `None` past the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u1(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u2(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u4(&mut self) -> Option<usize> {
        let bytes = self.take(4)?;
        usize::try_from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).ok()
    }

    fn aid(&mut self) -> Option<Aid> {
        let length = self.u1()?;
        Aid::new(self.take(length.into())?).ok()
    }

    /// `package_info`: minor, major, AID (JCVM 6.4).
    fn package(&mut self) -> Option<([u8; 2], Aid)> {
        let (minor, major) = (self.u1()?, self.u1()?);
        Some(([major, minor], self.aid()?))
    }
}

impl Cap {
    /// Reads the components; the header comes first. `None` when they are not well formed.
    pub(crate) fn parse(block: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(block);
        let (tag, header) = component(&mut bytes)?;
        let mut header = Bytes(header);
        if tag != HEADER || header.take(4)? != MAGIC {
            return None;
        }
        let (minor, _major, flags) = (header.u1()?, header.u1()?, header.u1()?);
        if flags & ACC_EXTENDED != 0 {
            return None;
        }
        let (version, package) = header.package()?;
        let mut cap = Self { package, version, applets: Vec::new(), imports: Vec::new() };
        while !bytes.0.is_empty() {
            let (tag, content) = component(&mut bytes)?;
            let mut content = Bytes(content);
            match tag {
                APPLET => {
                    for _ in 0..content.u1()? {
                        cap.applets.push(content.aid()?);
                        content.u2()?;
                    }
                }
                IMPORT => {
                    for _ in 0..content.u1()? {
                        cap.imports.push(content.package()?.1);
                    }
                }
                // They came with format 2.3.
                STATIC_RESOURCES if minor >= 3 => resources(content)?,
                HEADER | STATIC_RESOURCES => return None,
                ..STATIC_RESOURCES | FIRST_CUSTOM.. => {}
                _ => return None,
            }
        }
        Some(cap)
    }
}

fn component<'a>(bytes: &mut Bytes<'a>) -> Option<(u8, &'a [u8])> {
    let tag = bytes.u1()?;
    let size = if tag == STATIC_RESOURCES { bytes.u4()? } else { bytes.u2()?.into() };
    (tag != 0).then_some((tag, bytes.take(size)?))
}

/// Static resources: how many, an identifier and a length for each, then each one's bytes (JCVM 3.1 6.16).
fn resources(mut content: Bytes<'_>) -> Option<()> {
    let mut lengths = HashMap::new();
    let count = content.u2()?;
    for _ in 0..count {
        let (id, length) = (content.u2()?, content.u4()?);
        if length > 0x7FFF || lengths.insert(id, length).is_some() {
            return None;
        }
    }
    (count > 0 && lengths.values().sum::<usize>() == content.0.len()).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: [u8; 9] = [0xA0, 0, 0, 3, 0x86, 0x98, 7, 1, 0];

    fn component(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag], &(content.len() as u16).to_be_bytes()[..], content].concat()
    }

    fn header(flags: u8) -> Vec<u8> {
        header_of_format(1, flags)
    }

    fn header_of_format(minor: u8, flags: u8) -> Vec<u8> {
        component(1, &[&MAGIC[..], &[minor, 2, flags, 3, 1, 9], &PACKAGE].concat())
    }

    #[test]
    fn header_imports_and_applets_are_read() {
        let imports = component(4, &[1, 0, 1, 7, 0xA0, 0, 0, 0, 0x62, 1, 1]);
        let applets = component(3, &[&[1, 10][..], &PACKAGE, &[1, 0, 0]].concat());
        let cap = Cap::parse(&[header(4), imports, applets, component(11, &[])].concat()).unwrap();
        assert_eq!(cap.package.as_bytes(), PACKAGE);
        assert_eq!(cap.version, [1, 3]);
        assert_eq!(cap.applets, ["A0000003869807010001".parse().unwrap()]);
        assert_eq!(cap.imports, ["A0000000620101".parse().unwrap()]);
    }

    #[test]
    fn static_resources_have_a_size_of_four_bytes_and_are_checked() {
        let with = |minor, content: &[u8]| {
            let size = (content.len() as u32).to_be_bytes();
            let block = [&header_of_format(minor, 4)[..], &[13], &size, content, &component(4, &[0])].concat();
            Cap::parse(&block).is_some()
        };
        assert!(with(3, b"\0\x01\0\x09\0\0\0\x02hi"));
        for minor in [1, 2] {
            assert!(!with(minor, b"\0\x01\0\x09\0\0\0\x02hi"), "format 2.{minor}");
        }
        for wrong in [
            &b"\0\0"[..],
            b"\0\x01\0\x09\0\0\0\x02h",
            b"\0\x01\0\x09\0\0\0\x02hi!",
            b"\0\x02\0\x09\0\0\0\x02hi",
            b"\0\x02\0\x09\0\0\0\x01\0\x09\0\0\0\x01hi",
        ] {
            assert!(!with(3, wrong), "{wrong:?}");
        }
        let of_length = |length: usize| {
            let mut content = vec![0, 1, 0, 9, 0, 0];
            content.extend((length as u16).to_be_bytes());
            content.resize(content.len() + length, 0);
            with(3, &content)
        };
        assert!(of_length(0x7FFF) && !of_length(0x8000));
    }

    #[test]
    fn what_is_cut_or_out_of_place_is_refused() {
        let whole = [header(4), component(4, &[1, 0, 1, 7, 0xA0, 0, 0, 0, 0x62, 1, 1])].concat();
        let ends = [header(4).len(), whole.len()];
        for length in (0..whole.len()).filter(|length| !ends.contains(length)) {
            assert_eq!(Cap::parse(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(Cap::parse(&header(ACC_EXTENDED)), None);
        assert_eq!(Cap::parse(&[header(4), header(4)].concat()), None);
        assert_eq!(Cap::parse(&[component(2, &[]), header(4)].concat()), None);
        assert_eq!(Cap::parse(&[header(4), component(14, &[])].concat()), None);
        assert_eq!(Cap::parse(&[header(4), component(4, &[1, 0, 1, 8, 0xA0, 0, 0, 0, 0x62, 1, 1])].concat()), None);
    }
}
