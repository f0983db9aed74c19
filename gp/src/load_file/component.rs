use core::fmt;

/// A component of a CAP file (JCVM 6.1, table 6-1); its number is its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Component {
    /// Magic, format version, flags, package AID and version.
    Header = 1,
    /// Sizes of all components.
    Directory = 2,
    /// Applet AIDs and their install methods.
    Applet = 3,
    /// Packages that this one refers to.
    Import = 4,
    /// References to classes, methods and fields.
    ConstantPool = 5,
    /// Classes and interfaces.
    Class = 6,
    /// Bytecode.
    Method = 7,
    /// Image of the static fields.
    StaticField = 8,
    /// Where the bytecode refers to the constant pool.
    ReferenceLocation = 9,
    /// What other packages may refer to.
    Export = 10,
    /// Types and methods, for a verifier.
    Descriptor = 11,
    /// Names and line numbers, for a debugger; never sent to a card.
    Debug = 12,
    /// Data that the package reads from its own file; since format 2.3 (Java Card 3.1).
    StaticResources = 13,
}

impl Component {
    /// All components, by tag.
    pub const ALL: [Self; 13] = [
        Self::Header,
        Self::Directory,
        Self::Applet,
        Self::Import,
        Self::ConstantPool,
        Self::Class,
        Self::Method,
        Self::StaticField,
        Self::ReferenceLocation,
        Self::Export,
        Self::Descriptor,
        Self::Debug,
        Self::StaticResources,
    ];

    /// The order in which a card is sent them (JCVM 6.2, reference component install order).
    pub const LOAD_ORDER: [Self; 12] = [
        Self::Header,
        Self::Directory,
        Self::Import,
        Self::Applet,
        Self::Class,
        Self::Method,
        Self::StaticField,
        Self::Export,
        Self::ConstantPool,
        Self::ReferenceLocation,
        Self::StaticResources,
        Self::Descriptor,
    ];

    /// The component with this tag; `None` for reserved and custom tags.
    #[must_use]
    pub const fn from_tag(tag: u8) -> Option<Self> {
        if tag >= 1 && tag <= 13 { Some(Self::ALL[tag as usize - 1]) } else { None }
    }

    /// Tag: the component's first byte.
    #[must_use]
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// Length of the tag and size items in front of the content, in bytes: the size of static resources has four bytes,
    /// that of the others two (JCVM 3.1 6.16).
    #[must_use]
    pub const fn prefix_len(self) -> usize {
        match self {
            Self::StaticResources => 5,
            _ => 3,
        }
    }

    /// Name of its file in the archive, without `.cap` or `.capx` (JCVM 6.1.1, table 6-2).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "Header",
            Self::Directory => "Directory",
            Self::Applet => "Applet",
            Self::Import => "Import",
            Self::ConstantPool => "ConstantPool",
            Self::Class => "Class",
            Self::Method => "Method",
            Self::StaticField => "StaticField",
            Self::ReferenceLocation => "RefLocation",
            Self::Export => "Export",
            Self::Descriptor => "Descriptor",
            Self::Debug => "Debug",
            Self::StaticResources => "StaticResources",
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_table_agree() {
        for component in Component::ALL {
            assert_eq!(Component::from_tag(component.tag()), Some(component));
        }
        assert_eq!(Component::from_tag(0), None);
        assert_eq!(Component::from_tag(14), None);
    }
}
