use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use cardwright_apdu::Aid;

use super::component_set::ComponentSet;
use super::items::{Directory, Header, parse_applets, parse_imports, parse_resources};
use super::{CapError, Component, DescriptorPolicy, LoadFile, LoadFileError};

/// Largest input, in bytes: far above any CAP file with all its debug information.
pub(super) const MAX_INPUT_LEN: usize = 16 << 20;

/// A CAP file: one package, read and checked for what loading it depends on (JCVM 6).
///
/// Not checked: bytecode, constant pool and references. That is the work of a verifier, before a file is signed off.
#[derive(Clone, PartialEq, Eq)]
pub struct CapFile {
    components: ComponentSet,
    format: CapFormat,
    flags: CapFlags,
    package: CapImport,
    package_name: Option<String>,
    applets: Vec<CapApplet>,
    imports: Vec<CapImport>,
    resources: Vec<CapResource>,
}

/// Version of the CAP file format: 2.1 (Java Card 2.1 and later), 2.2 (adds names for remote methods), 2.3 (Java Card
/// 3.1, adds static resources).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapFormat {
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
}

/// Version of a package: a card's must have the same major and at least the minor version of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageVersion {
    /// Major version.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
}

/// Flags of the Header component (JCVM 6.3, table 6-4).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapFlags(pub u8);

/// An applet of the package: what INSTALL [for install] names as Executable Module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapApplet {
    /// AID of the Executable Module.
    pub aid: Aid,
    /// Where its install method is, in bytes from the start of the Method component's info item.
    pub install_method_offset: u16,
}

/// A package and its version: an import, or the package of the CAP file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapImport {
    /// AID of the package.
    pub aid: Aid,
    /// Its version.
    pub version: PackageVersion,
}

/// A static resource: data that the package reads from its own load file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapResource {
    /// Its identifier, unique in the file.
    pub id: u16,
    /// Its length, in bytes: at most 32 767.
    pub length: u16,
}

impl CapFile {
    /// Reads a CAP file: an archive with `<package>/javacard/<Component>.cap` members (feature `std`; static resources
    /// also as `.capx`), or an image, which is the components one behind the other.
    ///
    /// The Debug component may be missing; so may Descriptor, since a card need not be sent it.
    ///
    /// # Errors
    /// [`CapError`] names the component and the offset of what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, CapError> {
        if bytes.len() > MAX_INPUT_LEN {
            return Err(CapError::TooLong { actual: bytes.len(), limit: MAX_INPUT_LEN });
        }
        if bytes.starts_with(b"PK") {
            #[cfg(feature = "std")]
            return Self::new(super::archive::read(bytes)?);
            #[cfg(not(feature = "std"))]
            return Err(CapError::ArchiveUnsupported);
        }
        match bytes.first() {
            None => Err(CapError::Empty),
            // Tags of components; those that are not known are told apart further down.
            Some(first) if !(0x01..=0x0F).contains(first) && *first < 0x80 => Err(CapError::NotCap { first: *first }),
            _ => Self::new(ComponentSet::from_image(bytes)?),
        }
    }

    fn new(components: ComponentSet) -> Result<Self, CapError> {
        let header = Header::parse(components.required(Component::Header)?)?;
        for component in [
            Component::Directory,
            Component::Import,
            Component::ConstantPool,
            Component::Class,
            Component::Method,
            Component::StaticField,
            Component::ReferenceLocation,
        ] {
            components.required(component)?;
        }
        for (component, expected) in
            [(Component::Applet, header.flags.has_applets()), (Component::Export, header.flags.exports())]
        {
            if components.get(component).is_some() != expected {
                return Err(CapError::FlagMismatch { component, expected });
            }
        }
        let imports = parse_imports(components.required(Component::Import)?)?;
        let applets = match components.get(Component::Applet) {
            Some(applet) => parse_applets(applet, components.required(Component::Method)?)?,
            None => Vec::new(),
        };
        let resources = match components.get(Component::StaticResources) {
            Some(resources) => parse_resources(resources, header.format)?,
            None => Vec::new(),
        };
        Directory::parse(components.required(Component::Directory)?, header.format)?.check(
            &components,
            imports.len(),
            applets.len(),
        )?;
        let Header { format, flags, package, package_name } = header;
        Ok(Self { components, format, flags, package, package_name, applets, imports, resources })
    }

    /// Version of the CAP file format.
    #[must_use]
    pub fn format(&self) -> CapFormat {
        self.format
    }

    /// Flags of the Header component.
    #[must_use]
    pub fn flags(&self) -> CapFlags {
        self.flags
    }

    /// AID of the package: of the Executable Load File that it becomes.
    #[must_use]
    pub fn package_aid(&self) -> Aid {
        self.package.aid
    }

    /// Version of the package.
    #[must_use]
    pub fn package_version(&self) -> PackageVersion {
        self.package.version
    }

    /// Name of the package, with slashes; only format 2.2 and later has one, and not in every file.
    #[must_use]
    pub fn package_name(&self) -> Option<&str> {
        self.package_name.as_deref()
    }

    /// The applets, in the order of the Applet component; none in a library.
    #[must_use]
    pub fn applets(&self) -> &[CapApplet] {
        &self.applets
    }

    /// The packages that a card must have, in these versions.
    #[must_use]
    pub fn imports(&self) -> &[CapImport] {
        &self.imports
    }

    /// The static resources, in the order of their component; none before format 2.3.
    #[must_use]
    pub fn resources(&self) -> &[CapResource] {
        &self.resources
    }

    /// A component, from its tag on; `None` if it is not there.
    #[must_use]
    pub fn component(&self, component: Component) -> Option<&[u8]> {
        self.components.get(component)
    }

    /// The components that are there, from their tags on: in load order, Debug last.
    pub fn components(&self) -> impl Iterator<Item = (Component, &[u8])> {
        Component::LOAD_ORDER
            .into_iter()
            .chain([Component::Debug])
            .filter_map(|component| Some((component, self.components.get(component)?)))
    }

    /// Number of custom components (tags 128 to 255), which are left out of a load file.
    #[must_use]
    pub fn custom_component_count(&self) -> usize {
        self.components.custom
    }

    /// Length of the Load File Data Block, in bytes, without making it.
    #[must_use]
    pub fn data_block_len(&self, descriptor: DescriptorPolicy) -> usize {
        self.loaded(descriptor).map(<[u8]>::len).sum()
    }

    /// The Load File, for exactly this choice about the Descriptor component.
    ///
    /// # Errors
    /// [`LoadFileError::DescriptorAbsent`] if it is to be sent and is not there.
    pub fn to_load_file(&self, descriptor: DescriptorPolicy) -> Result<LoadFile, LoadFileError> {
        if descriptor == DescriptorPolicy::Send && self.component(Component::Descriptor).is_none() {
            return Err(LoadFileError::DescriptorAbsent);
        }
        let data_block: Vec<u8> = self.loaded(descriptor).flatten().copied().collect();
        Ok(LoadFile::new(self.package.aid, descriptor, &data_block))
    }

    fn loaded(&self, descriptor: DescriptorPolicy) -> impl Iterator<Item = &[u8]> {
        Component::LOAD_ORDER
            .into_iter()
            .filter(move |component| *component != Component::Descriptor || descriptor == DescriptorPolicy::Send)
            .filter_map(|component| self.components.get(component))
    }
}

impl fmt::Debug for CapFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapFile")
            .field("format", &self.format)
            .field("flags", &self.flags)
            .field("package", &self.package)
            .field("applets", &self.applets)
            .field("imports", &self.imports)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

impl CapFlags {
    /// ACC_INT: the package uses the type `int`, which a card need not support.
    #[must_use]
    pub const fn uses_int(self) -> bool {
        self.0 & 0x01 != 0
    }

    /// ACC_EXPORT: other packages can refer to this one.
    #[must_use]
    pub const fn exports(self) -> bool {
        self.0 & 0x02 != 0
    }

    /// ACC_APPLET: the package has applets.
    #[must_use]
    pub const fn has_applets(self) -> bool {
        self.0 & 0x04 != 0
    }
}

impl fmt::Debug for CapFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CapFlags({:02X})", self.0)
    }
}

impl fmt::Display for CapFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for PackageVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    /// Content of a component of the sample package, behind its size item.
    pub(in crate::load_file) fn sample_info(component: Component, minor: u8) -> Option<Vec<u8>> {
        use Component::*;
        Some(match component {
            Header => {
                let mut info = vec![0xDE, 0xCA, 0xFF, 0xED, minor, 2, 0x04, 3, 1, 6, 0xA0, 0, 0, 0, 1, 2];
                if minor >= 2 {
                    info.extend(b"\x04demo");
                }
                info
            }
            Directory => return None,
            Applet => vec![1, 7, 0xA0, 0, 0, 0, 1, 2, 1, 0, 5],
            Import => vec![1, 0, 1, 7, 0xA0, 0, 0, 0, 0x62, 1, 1],
            ConstantPool => vec![0, 0],
            Class => vec![0, 0x80, 0, 0, 0xFF, 0, 7, 0, 0, 0],
            Method => vec![0; 16],
            StaticField => vec![0; 10],
            ReferenceLocation => vec![0; 4],
            Descriptor => vec![0; 20],
            Export | Debug | StaticResources => return None,
        })
    }

    fn frame(tag: u8, info: &[u8]) -> Vec<u8> {
        let size = u32::try_from(info.len()).unwrap().to_be_bytes();
        [&[tag][..], if tag == 13 { &size[..] } else { &size[2..] }, info].concat()
    }

    /// resource_count, then identifiers and sizes, then the resources.
    const RESOURCES: [u8; 20] = *b"\x00\x02\x00\x07\0\0\0\x04\x12\x34\0\0\0\x02logohi";

    /// For [`sample`]: adds two static resources.
    pub(in crate::load_file) fn with_resources(component: Component, info: Option<Vec<u8>>) -> Option<Vec<u8>> {
        if component == Component::StaticResources { Some(RESOURCES.to_vec()) } else { info }
    }

    /// The components of the sample package, after `change` has had each of them and before the Directory is made.
    pub(in crate::load_file) fn sample(
        minor: u8,
        change: impl Fn(Component, Option<Vec<u8>>) -> Option<Vec<u8>>,
    ) -> Vec<(Component, Vec<u8>)> {
        let infos: Vec<_> = Component::ALL
            .into_iter()
            .map(|component| (component, change(component, sample_info(component, minor))))
            .collect();
        let directory_len = 31 + if minor >= 2 { 2 } else { 0 } + if minor >= 3 { 4 } else { 0 };
        let mut directory = Vec::new();
        for (component, info) in &infos[..if minor >= 2 { 12 } else { 11 }] {
            let size =
                if *component == Component::Directory { directory_len } else { info.as_ref().map_or(0, Vec::len) };
            directory.extend(u16::try_from(size).unwrap().to_be_bytes());
        }
        if minor >= 3 {
            let size = infos[12].1.as_ref().map_or(0, Vec::len);
            directory.extend(u32::try_from(size).unwrap().to_be_bytes());
        }
        directory.extend([0; 6]);
        directory.extend([1, 1, 0]);
        infos
            .into_iter()
            .filter_map(|(component, info)| {
                let info = if component == Component::Directory { Some(directory.clone()) } else { info };
                Some((component, frame(component.tag(), &info?)))
            })
            .collect()
    }

    pub(in crate::load_file) fn image(components: &[(Component, Vec<u8>)]) -> Vec<u8> {
        components.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    fn unchanged(_: Component, info: Option<Vec<u8>>) -> Option<Vec<u8>> {
        info
    }

    /// The error of the sample package with one component's info changed (and the Directory's sizes with it).
    fn error_with(component: Component, change: impl Fn(&mut Vec<u8>)) -> CapError {
        let components = sample(1, |each, info| {
            let mut info = info;
            if each == component {
                change(info.get_or_insert_default());
            }
            info
        });
        CapFile::parse(&image(&components)).unwrap_err()
    }

    #[test]
    fn reads_package_applets_and_imports_of_every_format() {
        for minor in 1..=3 {
            let cap = CapFile::parse(&image(&sample(minor, unchanged))).unwrap();
            assert_eq!(cap.format(), CapFormat { major: 2, minor });
            assert_eq!(cap.package_aid().as_bytes(), [0xA0, 0, 0, 0, 1, 2]);
            assert_eq!(cap.package_version().to_string(), "1.3");
            assert_eq!(cap.package_name(), (minor > 1).then_some("demo"));
            assert_eq!(cap.applets()[0].aid.as_bytes(), [0xA0, 0, 0, 0, 1, 2, 1]);
            assert_eq!(cap.applets()[0].install_method_offset, 5);
            assert_eq!(cap.imports()[0].version.to_string(), "1.0");
            assert!(cap.flags().has_applets() && !cap.flags().exports() && !cap.flags().uses_int());
        }
    }

    #[test]
    fn load_file_has_the_components_in_load_order_and_never_debug() {
        use Component::*;
        let mut components = sample(1, unchanged);
        components.push((Debug, frame(12, &[0; 9])));
        components.reverse();
        let cap = CapFile::parse(&image(&components)).unwrap();
        for (policy, last) in [(DescriptorPolicy::Omit, ReferenceLocation), (DescriptorPolicy::Send, Descriptor)] {
            let file = cap.to_load_file(policy).unwrap();
            assert_eq!(file.descriptor_policy(), policy);
            assert_eq!(file.data_block().len(), cap.data_block_len(policy));
            let mut rest = file.data_block();
            let mut order = Vec::new();
            while let [tag, high, low, ..] = rest {
                order.push(Component::from_tag(*tag).unwrap());
                rest = &rest[3 + usize::from(u16::from_be_bytes([*high, *low]))..];
            }
            let mut expected =
                vec![Header, Directory, Import, Applet, Class, Method, StaticField, ConstantPool, ReferenceLocation];
            if last == Descriptor {
                expected.push(Descriptor);
            }
            assert_eq!(order, expected);
        }
    }

    #[test]
    fn static_resources_are_sent_between_reference_location_and_descriptor() {
        let components = sample(3, with_resources);
        let cap = CapFile::parse(&image(&components)).unwrap();
        assert_eq!(cap.resources(), [CapResource { id: 7, length: 4 }, CapResource { id: 0x1234, length: 2 }]);
        let of = |wanted| &components.iter().find(|(component, _)| *component == wanted).unwrap().1[..];
        let resources = [&[13, 0, 0, 0, 20], &RESOURCES[..]].concat();
        assert_eq!(cap.component(Component::StaticResources), Some(&resources[..]));
        let end = [of(Component::ReferenceLocation), &resources].concat();
        assert!(cap.to_load_file(DescriptorPolicy::Omit).unwrap().data_block().ends_with(&end));
        let end = [&end, of(Component::Descriptor)].concat();
        assert!(cap.to_load_file(DescriptorPolicy::Send).unwrap().data_block().ends_with(&end));
        // Wherever it is in the image.
        let mut moved = components.clone();
        moved.rotate_right(1);
        assert_eq!(moved[0].0, Component::StaticResources);
        assert_eq!(CapFile::parse(&image(&moved)).unwrap(), cap);
    }

    #[test]
    fn refuses_static_resources_that_are_none_and_says_why() {
        let component = Component::StaticResources;
        let error_with = |minor, change: &dyn Fn(&mut Vec<u8>)| {
            let components = sample(minor, |each, info| {
                let mut info = with_resources(each, info)?;
                if each == component {
                    change(&mut info);
                }
                Some(info)
            });
            CapFile::parse(&image(&components)).unwrap_err()
        };
        for minor in [1, 2] {
            let actual = CapFormat { major: 2, minor };
            assert_eq!(error_with(minor, &|_| ()), CapError::ComponentFormat { component, actual });
        }
        assert_eq!(error_with(3, &|info| info[1] = 0), CapError::NoResource);
        assert_eq!(error_with(3, &|info| info.clear()), CapError::Truncated { component, offset: 5 });
        assert_eq!(error_with(3, &|info| info.truncate(10)), CapError::Truncated { component, offset: 15 });
        // The third entry would be made of the resources' bytes.
        let actual = u32::from_be_bytes(*b"gohi");
        let expected = CapError::ResourceLength { id: u16::from_be_bytes(*b"lo"), actual, limit: 32_767 };
        assert_eq!(error_with(3, &|info| info[1] = 3), expected);
        assert_eq!(error_with(3, &|info| info.truncate(19)), CapError::Truncated { component, offset: 23 });
        assert_eq!(error_with(3, &|info| info.push(0)), CapError::TrailingBytes { component, offset: 25 });
        assert_eq!(error_with(3, &|info| info[13] = 1), CapError::TrailingBytes { component, offset: 24 });
        assert_eq!(
            error_with(3, &|info| {
                info[8] = 0;
                info[9] = 7;
            }),
            CapError::DuplicateResource { id: 7 }
        );
        for (place, byte, actual) in [(6, 0x80, 0x8004), (4, 0xFF, 0xFF00_0004), (5, 1, 0x1_0004)] {
            let error = error_with(3, &|info| info[place] = byte);
            assert_eq!(error, CapError::ResourceLength { id: 7, actual, limit: 32_767 });
        }
        let largest = |info: &mut Vec<u8>| {
            info.truncate(2);
            info[1] = 1;
            info.extend([0, 7, 0, 0, 0x7F, 0xFF]);
            info.extend(vec![0x5A; 32_767]);
        };
        let components = sample(3, |each, info| {
            let mut info = with_resources(each, info)?;
            if each == component {
                largest(&mut info);
            }
            Some(info)
        });
        assert_eq!(CapFile::parse(&image(&components)).unwrap().resources()[0].length, 32_767);
    }

    #[test]
    fn refuses_static_resources_that_the_directory_does_not_know() {
        let component = Component::StaticResources;
        let with = sample(3, with_resources);
        // The last byte of the size of static resources, behind tag, size and twelve sizes of two bytes.
        let place = 3 + 24 + 3;
        for (place, change, expected) in [(place, 1, 21), (place - 3, 0x80, 0x8000_0014)] {
            let mut wrong = with.clone();
            assert_eq!(wrong[1].1[27..31], [0, 0, 0, 20]);
            wrong[1].1[place] ^= change;
            assert_eq!(
                CapFile::parse(&image(&wrong)).unwrap_err(),
                CapError::DirectorySize { component, expected, actual: 20 }
            );
        }
        let mut stripped = with.clone();
        stripped.retain(|(each, _)| *each != component);
        let error = CapFile::parse(&image(&stripped)).unwrap_err();
        assert_eq!(error, CapError::DirectorySize { component, expected: 20, actual: 0 });
        let mut added = sample(3, unchanged);
        added.push(with.last().unwrap().clone());
        let error = CapFile::parse(&image(&added)).unwrap_err();
        assert_eq!(error, CapError::DirectorySize { component, expected: 0, actual: 20 });
    }

    #[test]
    fn an_image_that_ends_in_static_resources_is_cut() {
        let components = sample(3, with_resources);
        let whole = image(&components);
        let start = whole.len() - components.last().unwrap().1.len();
        for end in start + 1..whole.len() {
            let expected = match end - start {
                ..5 => CapError::ImageTruncated { offset: start },
                present => {
                    CapError::WrongSize { component: Component::StaticResources, expected: 20, actual: present - 5 }
                }
            };
            assert_eq!(CapFile::parse(&whole[..end]).unwrap_err(), expected, "{end}");
        }
        let mut endless = whole;
        endless[start + 1] = 0xFF;
        assert!(matches!(CapFile::parse(&endless), Err(CapError::WrongSize { actual: 20, .. })));
    }

    #[test]
    fn a_stripped_descriptor_can_be_omitted_but_not_sent() {
        let mut components = sample(1, unchanged);
        components.retain(|(component, _)| *component != Component::Descriptor);
        let cap = CapFile::parse(&image(&components)).unwrap();
        assert!(cap.to_load_file(DescriptorPolicy::Omit).is_ok());
        assert_eq!(cap.to_load_file(DescriptorPolicy::Send).unwrap_err(), LoadFileError::DescriptorAbsent);
    }

    #[test]
    fn every_other_component_has_to_be_there() {
        for (component, _) in sample(1, unchanged) {
            let mut components = sample(1, unchanged);
            components.retain(|(each, _)| *each != component);
            let parsed = CapFile::parse(&image(&components));
            match component {
                Component::Descriptor => assert!(parsed.is_ok()),
                Component::Applet => {
                    assert_eq!(parsed.unwrap_err(), CapError::FlagMismatch { component, expected: true });
                }
                _ => assert_eq!(parsed.unwrap_err(), CapError::Missing { component }),
            }
        }
    }

    #[test]
    fn refuses_a_header_that_is_none_and_says_why() {
        use Component::Header;
        assert_eq!(error_with(Header, |info| info[0] = 0), CapError::WrongMagic { actual: 0x00CA_FFED });
        assert_eq!(error_with(Header, |info| info[4] = 4), CapError::UnsupportedFormat { major: 2, minor: 4 });
        assert_eq!(error_with(Header, |info| info[5] = 3), CapError::UnsupportedFormat { major: 3, minor: 1 });
        assert_eq!(error_with(Header, |info| info[6] |= 8), CapError::Extended);
        assert_eq!(
            error_with(Header, |info| info[6] |= 2),
            CapError::FlagMismatch { component: Component::Export, expected: true }
        );
        assert_eq!(
            error_with(Header, |info| info[6] = 0),
            CapError::FlagMismatch { component: Component::Applet, expected: false }
        );
        assert_eq!(
            error_with(Header, |info| info[9] = 4),
            CapError::AidLength { component: Header, offset: 12, actual: 4 }
        );
        assert_eq!(error_with(Header, |info| info[9] = 7), CapError::Truncated { component: Header, offset: 13 });
        assert_eq!(error_with(Header, |info| info.push(0)), CapError::TrailingBytes { component: Header, offset: 19 });
    }

    #[test]
    fn refuses_counts_sizes_and_offsets_that_disagree() {
        use Component::{Applet, Import};
        assert_eq!(
            error_with(Import, |info| {
                info[0] = 2;
                info.extend_from_within(1..);
            }),
            CapError::DirectoryCount { component: Import, expected: 1, actual: 2 }
        );
        assert_eq!(error_with(Applet, |info| info[10] = 16), CapError::InstallMethod { actual: 16, limit: 16 });
        assert_eq!(
            error_with(Applet, |info| {
                info.clear();
                info.push(0);
            }),
            CapError::NoApplet
        );
        let mut components = sample(1, unchanged);
        components[1].1[4] += 1;
        assert_eq!(
            CapFile::parse(&image(&components)).unwrap_err(),
            CapError::DirectorySize { component: Component::Header, expected: 17, actual: 16 }
        );
    }

    #[test]
    fn refuses_images_that_are_cut_doubled_or_unknown() {
        let components = sample(1, unchanged);
        let whole = image(&components);
        let cut = CapFile::parse(&whole[..whole.len() - 1]).unwrap_err();
        assert_eq!(cut, CapError::WrongSize { component: Component::Descriptor, expected: 20, actual: 19 });
        let tail = [&whole[..], &[9, 0]].concat();
        assert_eq!(CapFile::parse(&tail).unwrap_err(), CapError::ImageTruncated { offset: whole.len() });
        let twice = [&whole[..], &components[0].1].concat();
        assert_eq!(CapFile::parse(&twice).unwrap_err(), CapError::Duplicate { component: Component::Header });
        let reserved = [&whole[..], &[14, 0, 0]].concat();
        let error = CapFile::parse(&reserved).unwrap_err();
        assert_eq!(error, CapError::UnsupportedComponent { tag: 14, offset: whole.len() });
        let custom = [&whole[..], &[0x80, 0, 1, 7]].concat();
        assert_eq!(CapFile::parse(&custom).unwrap().custom_component_count(), 1);
        assert_eq!(CapFile::parse(&[]).unwrap_err(), CapError::Empty);
        assert!(matches!(CapFile::parse(&vec![0; MAX_INPUT_LEN + 1]), Err(CapError::TooLong { .. })));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = CapFile::parse(&bytes);
        }

        #[test]
        fn a_changed_image_never_panics(
            minor in 1u8..=3,
            resources: bool,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            end in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let mut bytes = image(&sample(minor, if resources { with_resources } else { unchanged }));
            for (index, byte) in changes {
                let place = index.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            if let Ok(cap) = CapFile::parse(&bytes) {
                let _ = cap.to_load_file(DescriptorPolicy::Send).map(|file| file.number_of_blocks(239));
            }
        }
    }
}
