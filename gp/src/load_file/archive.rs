//! CAP files as converters write them: components as members of a JAR archive (JCVM 4.1.3, 6.1.1).

use std::borrow::ToOwned;
use std::io::{Cursor, Read};
use std::string::String;
use std::vec::Vec;

use zip::ZipArchive;
use zip::result::ZipError;

use super::cap::MAX_INPUT_LEN;
use super::component_set::ComponentSet;
use super::{ArchiveFault, CapError, Component};

/// Largest number of members; converters add the class and export files, so there is room above 12.
const MAX_MEMBERS: usize = 4096;
/// Tag, size item and what a size item of two bytes can express.
const MAX_COMPONENT_LEN: usize = 3 + 0xFFFF;

pub(super) fn read(bytes: &[u8]) -> Result<ComponentSet, CapError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(None, &error))?;
    if archive.len() > MAX_MEMBERS {
        return Err(CapError::TooManyMembers { actual: archive.len(), limit: MAX_MEMBERS });
    }
    // Which of two members of one name counts is anybody's guess, and a card may get the other one.
    if archive.has_duplicate_names() {
        return Err(CapError::Archive { member: None, fault: ArchiveFault::Damaged });
    }
    let mut members: Vec<(usize, String, Member)> = Vec::new();
    for index in 0..archive.len() {
        // A name that is no text is not a component's.
        let Some(Ok(name)) = archive.name_for_index(index) else { continue };
        match Member::of(&name) {
            Member::Other => {}
            Member::Extended => return Err(CapError::Extended),
            member => members.push((index, name.into_owned(), member)),
        }
    }
    // The Header says how to read the others.
    members.sort_by_key(|(_, _, member)| !matches!(member, Member::Component(Component::Header)));
    let mut set = ComponentSet::default();
    for (index, name, member) in members {
        let limit = match member {
            // Their size item could say 4 GB; an image cannot have more than this.
            Member::Component(Component::StaticResources) => MAX_INPUT_LEN,
            _ => MAX_COMPONENT_LEN,
        };
        let bytes = unpack(&mut archive, index, &name, limit)?;
        match member {
            Member::Component(component) => set.insert_named(component, bytes)?,
            _ => set.insert_unknown(&bytes)?,
        }
    }
    Ok(set)
}

/// What a member is, by its path.
enum Member {
    Component(Component),
    /// A `.cap` file beside the components: a custom component.
    UnknownComponent,
    Extended,
    Other,
}

impl Member {
    fn of(path: &str) -> Self {
        let mut parts = path.rsplit('/');
        let (file, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if !folder.eq_ignore_ascii_case("javacard") {
            return Self::Other;
        }
        let Some((name, extension)) = file.rsplit_once('.') else { return Self::Other };
        let component = Component::ALL.into_iter().find(|component| component.name().eq_ignore_ascii_case(name));
        if extension.eq_ignore_ascii_case("capx") {
            // Static resources have this name in compact files as well.
            return match component {
                Some(component @ Component::StaticResources) => Self::Component(component),
                _ => Self::Extended,
            };
        }
        if !extension.eq_ignore_ascii_case("cap") {
            return Self::Other;
        }
        component.map_or(Self::UnknownComponent, Self::Component)
    }
}

/// Unpacks a member, and not one byte more than the component can have, whatever the archive says of its length.
fn unpack(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    name: &str,
    limit: usize,
) -> Result<Vec<u8>, CapError> {
    let member = archive.by_index(index).map_err(|error| damaged(Some(name), &error))?;
    let mut bytes = Vec::new();
    member
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| CapError::Archive { member: Some(name.to_owned()), fault: ArchiveFault::Damaged })?;
    if bytes.len() > limit {
        return Err(CapError::MemberTooLong { member: name.to_owned(), limit });
    }
    Ok(bytes)
}

fn damaged(member: Option<&str>, error: &ZipError) -> CapError {
    let fault = match error {
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) | ZipError::InvalidPassword => {
            ArchiveFault::Unsupported
        }
        _ => ArchiveFault::Damaged,
    };
    CapError::Archive { member: member.map(String::from), fault }
}

#[cfg(test)]
mod tests {
    use super::super::CapFile;
    use super::super::cap::tests::{image, sample, with_resources};
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::string::ToString;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (path, bytes) in members {
            writer.start_file(*path, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn members() -> Vec<(String, Vec<u8>)> {
        let components = sample(1, |_, info| info).into_iter();
        components.map(|(component, bytes)| (std::format!("com/demo/javacard/{component}.cap"), bytes)).collect()
    }

    fn parse_with(extra: &[(&str, &[u8])]) -> Result<CapFile, CapError> {
        let members = members();
        let mut all: Vec<(&str, &[u8])> = members.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
        all.extend(extra);
        CapFile::parse(&archive(&all))
    }

    #[test]
    fn reads_what_an_image_of_the_same_components_holds() {
        let from_image = CapFile::parse(&image(&sample(1, |_, info| info))).unwrap();
        let from_archive = parse_with(&[
            ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\r\n"),
            ("APPLET-INF/applet.xml", b"<applet/>"),
            ("APPLET-INF/classes/com/demo/Header.cap", b"no component"),
            ("com/demo/javacard/demo.exp", b"\x00\xFA\xCA\xDE"),
            ("com/demo/javacard/readme", b""),
        ]);
        assert_eq!(from_archive.unwrap(), from_image);
    }

    #[test]
    fn names_of_components_are_read_in_any_case_and_order() {
        let mut members = members();
        members.reverse();
        let upper: Vec<_> = members.iter().map(|(path, bytes)| (path.to_uppercase(), bytes)).collect();
        let upper: Vec<(&str, &[u8])> = upper.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
        assert!(CapFile::parse(&archive(&upper)).is_ok());
    }

    #[test]
    fn refuses_members_that_are_not_what_their_name_says() {
        assert_eq!(
            parse_with(&[("com/demo/javacard/Debug.cap", &[11, 0, 0])]).unwrap_err(),
            CapError::WrongTag { component: Component::Debug, actual: 11 }
        );
        assert_eq!(
            parse_with(&[("com/demo/javacard/Debug.cap", &[12, 0, 2, 0])]).unwrap_err(),
            CapError::WrongSize { component: Component::Debug, expected: 2, actual: 1 }
        );
        assert_eq!(
            parse_with(&[("com/demo/javacard/Debug.cap", &[12])]).unwrap_err(),
            CapError::Truncated { component: Component::Debug, offset: 0 }
        );
        assert_eq!(
            parse_with(&[("com/demo/javacard/Later.cap", &[14, 0, 0])]).unwrap_err(),
            CapError::UnsupportedComponent { tag: 14, offset: 0 }
        );
        assert_eq!(
            parse_with(&[("com/demo/javacard/StaticResources.capx", &[13, 0, 0, 2, 0])]).unwrap_err(),
            CapError::WrongSize { component: Component::StaticResources, expected: 512, actual: 0 }
        );
        assert_eq!(
            parse_with(&[("com/demo/javacard/StaticResources.capx", &[13, 0, 0, 0])]).unwrap_err(),
            CapError::Truncated { component: Component::StaticResources, offset: 0 }
        );
        let custom = parse_with(&[("com/demo/javacard/Vendor.cap", &[0x81, 0, 0])]).unwrap();
        assert_eq!(custom.custom_component_count(), 1);
    }

    /// The sample package with static resources, which are a member of this name.
    fn with_resources_named(names: &[&str]) -> Result<CapFile, CapError> {
        let components = sample(3, with_resources);
        let mut members = Vec::new();
        for (component, bytes) in &components {
            match component {
                Component::StaticResources => {
                    members.extend(names.iter().map(|name| (std::format!("com/demo/javacard/{name}"), &bytes[..])));
                }
                _ => members.push((std::format!("com/demo/javacard/{component}.cap"), &bytes[..])),
            }
        }
        let members: Vec<(&str, &[u8])> = members.iter().map(|(path, bytes)| (&path[..], *bytes)).collect();
        CapFile::parse(&archive(&members))
    }

    #[test]
    fn static_resources_are_read_under_either_extension_in_any_case() {
        let from_image = CapFile::parse(&image(&sample(3, with_resources))).unwrap();
        assert_eq!(from_image.resources().len(), 2);
        for name in ["StaticResources.capx", "StaticResources.cap", "staticresources.CAPX"] {
            assert_eq!(with_resources_named(&[name]).unwrap(), from_image, "{name}");
        }
        let both = with_resources_named(&["StaticResources.capx", "StaticResources.cap"]);
        assert_eq!(both.unwrap_err(), CapError::Duplicate { component: Component::StaticResources });
        let none = with_resources_named(&[]).unwrap_err();
        assert!(matches!(none, CapError::DirectorySize { component: Component::StaticResources, actual: 0, .. }));
    }

    #[test]
    fn refuses_two_packages_and_the_extended_format() {
        let two = parse_with(&[("com/other/javacard/Header.cap", &[1, 0, 0])]);
        assert_eq!(two.unwrap_err(), CapError::Duplicate { component: Component::Header });
        let extended = parse_with(&[("com/demo/javacard/Method.capx", b"")]);
        assert_eq!(extended.unwrap_err(), CapError::Extended);
        let flagged = archive(&[
            ("com/demo/javacard/Method.cap", &[7, 0, 0, 0, 1, 0]),
            ("com/demo/javacard/Header.cap", &[1, 0, 7, 0xDE, 0xCA, 0xFF, 0xED, 3, 2, 0x0C]),
        ]);
        assert_eq!(CapFile::parse(&flagged).unwrap_err(), CapError::Extended);
    }

    #[test]
    fn stops_unpacking_a_bomb_at_the_length_of_a_component() {
        let bomb = std::vec![0x0C; 4 << 20];
        let path = "com/demo/javacard/Debug.cap";
        let error = parse_with(&[(path, &bomb)]).unwrap_err();
        assert_eq!(error, CapError::MemberTooLong { member: path.to_string(), limit: 65_538 });
        let path = "com/demo/javacard/StaticResources.capx";
        let error = parse_with(&[(path, &std::vec![13; (16 << 20) + 1])]).unwrap_err();
        assert_eq!(error, CapError::MemberTooLong { member: path.to_string(), limit: 16 << 20 });
        // Where it is no component, nobody unpacks it.
        assert!(parse_with(&[("META-INF/bomb", &bomb)]).is_ok());
    }

    #[test]
    fn refuses_archives_that_are_damaged_or_crowded() {
        let damaged = |bytes: &[u8]| matches!(CapFile::parse(bytes), Err(CapError::Archive { member: None, .. }));
        assert!(damaged(b"PK"));
        assert!(damaged(b"PK\x03\x04 and nothing that follows"));
        let names: Vec<String> = (0..4097).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &[u8])> = names.iter().map(|name| (&name[..], &b""[..])).collect();
        assert_eq!(
            CapFile::parse(&archive(&many)).unwrap_err(),
            CapError::TooManyMembers { actual: 4097, limit: 4096 }
        );
        let empty = CapFile::parse(&archive(&[])).unwrap_err();
        assert_eq!(empty, CapError::Missing { component: Component::Header });
    }

    #[test]
    fn refuses_a_name_that_is_there_twice() {
        let first = "com/demo/javacard/Debug.cap";
        let bytes = {
            let members = members();
            let mut all: Vec<(&str, &[u8])> = members.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
            all.extend([(first, &[12, 0, 0][..]), ("com/demo/javacard/Debug.caq", &[12, 0, 0])]);
            let mut bytes = archive(&all);
            for place in 0..bytes.len() - 4 {
                if &bytes[place..place + 4] == b".caq" {
                    bytes[place + 3] = b'p';
                }
            }
            bytes
        };
        let error = CapFile::parse(&bytes).unwrap_err();
        assert_eq!(error, CapError::Archive { member: None, fault: ArchiveFault::Damaged });
    }

    proptest! {
        #[test]
        fn a_changed_archive_never_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            end in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let members = members();
            let all: Vec<(&str, &[u8])> = members.iter().map(|(path, bytes)| (&path[..], &bytes[..])).collect();
            let mut bytes = archive(&all);
            for (index, byte) in changes {
                let place = index.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            let _ = CapFile::parse(&bytes);
        }

        #[test]
        fn random_bytes_behind_the_signature_of_an_archive_never_panic(
            tail in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = CapFile::parse(&[b"PK\x03\x04", &tail[..]].concat());
        }
    }
}
