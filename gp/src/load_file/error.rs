use alloc::string::String;

use cardwright_apdu::ByteCount;
use thiserror::Error;

use super::{CapFormat, Component};

/// Bytes that are no CAP file, or one that cannot be loaded.
///
/// Offsets count from the first byte of the component (its tag), or of the whole input where no component is named.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapError {
    /// The input is an archive, and this build reads none (feature `std`).
    #[error("the CAP file is an archive, and this build of the library reads no archives")]
    ArchiveUnsupported,
    /// The input has no byte.
    #[error("the file is empty")]
    Empty,
    /// The input begins neither as an archive nor with a component.
    #[error(
        "no CAP file: neither an archive (it would begin with \"PK\") nor a component (the first byte is hexadecimal {first:02X})"
    )]
    NotCap {
        /// First byte of the input.
        first: u8,
    },
    /// The archive as a whole, or a member, cannot be read.
    #[error("cannot read {}: {fault}", member.as_deref().unwrap_or("the archive"))]
    Archive {
        /// Path of the member; `None` if it is the archive's directory.
        member: Option<String>,
        /// What is wrong.
        fault: ArchiveFault,
    },
    /// The input is longer than any CAP file.
    #[error("the input has {actual} bytes, more than the limit of {limit}")]
    TooLong {
        /// Length, in bytes.
        actual: usize,
        /// Largest length, in bytes.
        limit: usize,
    },
    /// The archive has more members than any CAP file.
    #[error("the archive has {actual} members, more than the limit of {limit}")]
    TooManyMembers {
        /// Number of members.
        actual: usize,
        /// Largest number.
        limit: usize,
    },
    /// A member is longer than a component can be, which is found out while it is being unpacked.
    #[error("{member} unpacks to more than the {limit} bytes that a component can have")]
    MemberTooLong {
        /// Path of the member.
        member: String,
        /// Largest length, in bytes.
        limit: usize,
    },
    /// A CAP file of the extended format (Java Card 3.1: several packages, components over 64 KB).
    #[error("this is a CAP file of the extended format (Java Card 3.1), which is not supported; convert it as compact")]
    Extended,
    /// A component that this library does not know how to load.
    #[error("component tag {tag} at offset {offset} is not supported")]
    UnsupportedComponent {
        /// The tag.
        tag: u8,
        /// Where the component begins: in the input, or 0 if it is a member of its own.
        offset: usize,
    },
    /// The component is there twice; an archive with two packages has two of each.
    #[error("there are two {component} components; a CAP file holds one package")]
    Duplicate {
        /// The component.
        component: Component,
    },
    /// A component that has to be there is not.
    #[error("the {component} component is missing")]
    Missing {
        /// The component.
        component: Component,
    },
    /// The member is named for one component and begins with the tag of another.
    #[error("the {component} component begins with tag {actual}, not {}", component.tag())]
    WrongTag {
        /// The component that the name says.
        component: Component,
        /// The tag found.
        actual: u8,
    },
    /// The size item and the bytes that are there disagree.
    #[error("the {component} component says it has {} behind its size item, but has {actual}", ByteCount(*expected))]
    WrongSize {
        /// The component.
        component: Component,
        /// What the size item says, in bytes.
        expected: usize,
        /// What is there, in bytes.
        actual: usize,
    },
    /// An image ends inside a component's tag and size.
    #[error("the image ends inside the tag and size of a component at offset {offset}")]
    ImageTruncated {
        /// Where the component begins.
        offset: usize,
    },
    /// The component ends inside an item.
    #[error("the {component} component ends inside an item at offset {offset}")]
    Truncated {
        /// The component.
        component: Component,
        /// Where the item begins.
        offset: usize,
    },
    /// The component goes on behind its last item.
    #[error("the {component} component goes on behind its last item, at offset {offset}")]
    TrailingBytes {
        /// The component.
        component: Component,
        /// Where the surplus begins.
        offset: usize,
    },
    /// The Header component does not begin with `DECAFFED`.
    #[error("the Header component has the magic number {actual:08X}, not DECAFFED")]
    WrongMagic {
        /// The number found.
        actual: u32,
    },
    /// A version of the CAP file format that this library does not know.
    #[error("CAP file format {major}.{minor} is not supported (2.1 to 2.3 are)")]
    UnsupportedFormat {
        /// Major version.
        major: u8,
        /// Minor version.
        minor: u8,
    },
    /// An AID whose length is not 5 to 16 bytes.
    #[error("the {component} component has an AID of {} at offset {offset}", ByteCount(*actual))]
    AidLength {
        /// The component.
        component: Component,
        /// Where the length byte is.
        offset: usize,
        /// Length found, in bytes.
        actual: usize,
    },
    /// The package name is not UTF-8.
    #[error("the package name at offset {offset} of the Header component is no text")]
    PackageName {
        /// Where the name begins.
        offset: usize,
    },
    /// The flags of the Header component and the components present disagree.
    #[error(
        "the flags of the Header component say that there is {} {component} component, which is not so",
        if *expected { "a" } else { "no" }
    )]
    FlagMismatch {
        /// The component.
        component: Component,
        /// Whether the flags say that it is there.
        expected: bool,
    },
    /// The Directory component and the component disagree about its size.
    #[error("the Directory component gives {component} {}, but it has {actual}", ByteCount(*expected))]
    DirectorySize {
        /// The component.
        component: Component,
        /// What the Directory says, in bytes without tag and size item; 0 is absent.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// The Directory component and the component disagree about how many entries it has.
    #[error("the Directory component gives {component} {expected} entries, but it has {actual}")]
    DirectoryCount {
        /// The component: Import or Applet.
        component: Component,
        /// What the Directory says.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// A component that the file's format does not have yet.
    #[error("there is a {component} component, which CAP file format {actual} does not have (2.3 does)")]
    ComponentFormat {
        /// The component.
        component: Component,
        /// Format of the file.
        actual: CapFormat,
    },
    /// The StaticResources component has no entry.
    #[error("the StaticResources component lists no resource")]
    NoResource,
    /// Two resources have the same identifier.
    #[error("the StaticResources component has two resources {id:04X}")]
    DuplicateResource {
        /// The identifier.
        id: u16,
    },
    /// A resource is longer than the format allows.
    #[error("static resource {id:04X} has {actual} bytes, more than the limit of {limit}")]
    ResourceLength {
        /// Its identifier.
        id: u16,
        /// Its length, in bytes.
        actual: u32,
        /// Largest length, in bytes.
        limit: u32,
    },
    /// The Applet component has no entry.
    #[error("the Applet component lists no applet")]
    NoApplet,
    /// An install method outside of the Method component.
    #[error("the install method of an applet is at {actual}, but the Method component ends at {limit}")]
    InstallMethod {
        /// Offset into the Method component's info item.
        actual: usize,
        /// Size of that item, in bytes.
        limit: usize,
    },
}

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ArchiveFault {
    /// It has no readable directory or its parts contradict each other.
    #[error("it is damaged")]
    Damaged,
    /// It uses encryption or a compression that CAP files do not have.
    #[error("it uses a feature of archives that CAP files do not have")]
    Unsupported,
}
