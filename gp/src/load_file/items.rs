//! What the reader takes from single components.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::component_set::ComponentSet;
use super::reader::Reader;
use super::{CapApplet, CapError, CapFlags, CapFormat, CapImport, CapResource, Component};

/// Header component (JCVM 6.3).
pub(super) struct Header {
    pub(super) format: CapFormat,
    pub(super) flags: CapFlags,
    pub(super) package: CapImport,
    pub(super) package_name: Option<String>,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CapError> {
        let mut reader = Reader::new(Component::Header, bytes);
        let magic = reader.u4()?;
        if magic != 0xDECA_FFED {
            return Err(CapError::WrongMagic { actual: magic });
        }
        let minor = reader.u1()?;
        let major = reader.u1()?;
        // Java Card 3.0 writes 2.1 and 2.2, Java Card 3.1 writes 2.3: there is no format 3.
        if major != 2 || !(1..=3).contains(&minor) {
            return Err(CapError::UnsupportedFormat { major, minor });
        }
        let flags = CapFlags(reader.u1()?);
        let (aid, version) = reader.package()?;
        let mut package_name = None;
        if minor >= 2 && !reader.is_at_end() {
            let length = reader.u1()?;
            let offset = reader.offset();
            let name =
                core::str::from_utf8(reader.take(length.into())?).map_err(|_| CapError::PackageName { offset })?;
            package_name = Some(name.to_string()).filter(|name| !name.is_empty());
        }
        reader.finish()?;
        Ok(Self { format: CapFormat { major, minor }, flags, package: CapImport { aid, version }, package_name })
    }
}

/// Largest resource, in bytes (JCVM 3.1 6.16).
const MAX_RESOURCE_LEN: u32 = 32_767;

/// Directory component (JCVM 6.4; JCVM 3.1 6.5).
pub(super) struct Directory {
    /// By tag - 1; 0 for what the format does not list: Debug in 2.1, static resources before 2.3.
    sizes: [usize; 13],
    import_count: usize,
    applet_count: usize,
}

impl Directory {
    pub(super) fn parse(bytes: &[u8], format: CapFormat) -> Result<Self, CapError> {
        let mut reader = Reader::new(Component::Directory, bytes);
        let mut sizes = [0; 13];
        let listed = if format.minor >= 2 { 12 } else { 11 };
        for size in &mut sizes[..listed] {
            *size = usize::from(reader.u2()?);
        }
        if format.minor >= 3 {
            // What no usize holds is no component's size either, and is found to disagree.
            sizes[12] = usize::try_from(reader.u4()?).unwrap_or(usize::MAX);
        }
        let _static_field_size = reader.take(6)?;
        let import_count = usize::from(reader.u1()?);
        let applet_count = usize::from(reader.u1()?);
        for _ in 0..reader.u1()? {
            let _tag_and_size = reader.take(3)?;
            reader.aid()?;
        }
        reader.finish()?;
        Ok(Self { sizes, import_count, applet_count })
    }

    pub(super) fn check(&self, components: &ComponentSet, imports: usize, applets: usize) -> Result<(), CapError> {
        for component in Component::LOAD_ORDER {
            let expected = self.sizes[usize::from(component.tag()) - 1];
            let actual = components.size(component);
            // A file may have been stripped of its Descriptor, which a card need not be sent.
            let stripped = component == Component::Descriptor && actual == 0;
            if expected != actual && !stripped {
                return Err(CapError::DirectorySize { component, expected, actual });
            }
        }
        for (component, expected, actual) in
            [(Component::Import, self.import_count, imports), (Component::Applet, self.applet_count, applets)]
        {
            if expected != actual {
                return Err(CapError::DirectoryCount { component, expected, actual });
            }
        }
        Ok(())
    }
}

/// Import component (JCVM 6.6).
pub(super) fn parse_imports(bytes: &[u8]) -> Result<Vec<CapImport>, CapError> {
    let mut reader = Reader::new(Component::Import, bytes);
    let mut imports = Vec::new();
    for _ in 0..reader.u1()? {
        let (aid, version) = reader.package()?;
        imports.push(CapImport { aid, version });
    }
    reader.finish()?;
    Ok(imports)
}

/// Applet component (JCVM 6.5).
pub(super) fn parse_applets(bytes: &[u8], method: &[u8]) -> Result<Vec<CapApplet>, CapError> {
    let mut reader = Reader::new(Component::Applet, bytes);
    let limit = method.len().saturating_sub(3);
    let mut applets = Vec::new();
    for _ in 0..reader.u1()? {
        let aid = reader.aid()?;
        let install_method_offset = reader.u2()?;
        if usize::from(install_method_offset) >= limit {
            return Err(CapError::InstallMethod { actual: install_method_offset.into(), limit });
        }
        applets.push(CapApplet { aid, install_method_offset });
    }
    reader.finish()?;
    if applets.is_empty() {
        return Err(CapError::NoApplet);
    }
    Ok(applets)
}

/// StaticResources component (JCVM 3.1 6.16): identifiers and lengths, then the resources in the same order.
pub(super) fn parse_resources(bytes: &[u8], format: CapFormat) -> Result<Vec<CapResource>, CapError> {
    let component = Component::StaticResources;
    if format.minor < 3 {
        return Err(CapError::ComponentFormat { component, actual: format });
    }
    let mut reader = Reader::new(component, bytes);
    let count = reader.u2()?;
    if count == 0 {
        return Err(CapError::NoResource);
    }
    let mut resources = Vec::new();
    let mut ids = BTreeSet::new();
    for _ in 0..count {
        let (id, actual) = (reader.u2()?, reader.u4()?);
        if !ids.insert(id) {
            return Err(CapError::DuplicateResource { id });
        }
        let length = u16::try_from(actual).ok().filter(|_| actual <= MAX_RESOURCE_LEN);
        let length = length.ok_or(CapError::ResourceLength { id, actual, limit: MAX_RESOURCE_LEN })?;
        resources.push(CapResource { id, length });
    }
    for resource in &resources {
        reader.take(resource.length.into())?;
    }
    reader.finish()?;
    Ok(resources)
}
