//! What the reader takes from single components.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::component_set::ComponentSet;
use super::reader::Reader;
use super::{CapApplet, CapError, CapFlags, CapFormat, CapImport, Component};

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

/// Directory component (JCVM 6.4).
pub(super) struct Directory {
    /// By tag - 1; Debug's is 0 in format 2.1, which does not have it.
    sizes: [usize; 12],
    static_resources: u32,
    import_count: usize,
    applet_count: usize,
}

impl Directory {
    pub(super) fn parse(bytes: &[u8], format: CapFormat) -> Result<Self, CapError> {
        let mut reader = Reader::new(Component::Directory, bytes);
        let mut sizes = [0; 12];
        let listed = if format.minor >= 2 { 12 } else { 11 };
        for size in &mut sizes[..listed] {
            *size = usize::from(reader.u2()?);
        }
        let static_resources = if format.minor >= 3 { reader.u4()? } else { 0 };
        let _static_field_size = reader.take(6)?;
        let import_count = usize::from(reader.u1()?);
        let applet_count = usize::from(reader.u1()?);
        for _ in 0..reader.u1()? {
            let _tag_and_size = reader.take(3)?;
            reader.aid()?;
        }
        reader.finish()?;
        Ok(Self { sizes, static_resources, import_count, applet_count })
    }

    pub(super) fn check(&self, components: &ComponentSet, imports: usize, applets: usize) -> Result<(), CapError> {
        if self.static_resources != 0 {
            return Err(CapError::UnsupportedComponent { tag: 13, offset: 0 });
        }
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
