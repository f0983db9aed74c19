//! Writes CAP files (JCVM 6), so that tests and examples need no converter and no foreign file.
//!
//! The package it writes has real applets: they register themselves, answer commands, and carry as many further methods
//! as the asked-for size takes. All sizes, offsets, counts and references hold, so that a card or a verifier can take
//! the file. The same input gives the same bytes.
//!
//! ```
//! use cardwright_capgen::CapBuilder;
//!
//! let cap = CapBuilder::new("A0000003869807".parse()?)
//!     .applet("A00000038698070101".parse()?)
//!     .min_data_block_len(10_000)
//!     .archive()?;
//! assert!(cap.starts_with(b"PK"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Limits: compact CAP format 2.1 to 2.3, applet packages only, no Export and no Debug component.

mod applet;
mod archive;
mod code;
mod package;

use cardwright_apdu::Aid;
use thiserror::Error;

use package::Components;

/// Version of the CAP file format to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// 2.1: what every Java Card takes.
    #[default]
    V2_1,
    /// 2.2: with the package name in the Header component.
    V2_2,
    /// 2.3: can have static resources.
    V2_3,
}

impl Format {
    /// Minor version; the major one is 2.
    pub(crate) const fn minor(self) -> u8 {
        match self {
            Self::V2_1 => 1,
            Self::V2_2 => 2,
            Self::V2_3 => 3,
        }
    }
}

/// A package and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) aid: Aid,
    pub(crate) major: u8,
    pub(crate) minor: u8,
}

/// What the standard does not allow in a CAP file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CapgenError {
    /// The package has no applet.
    #[error("the package has no applet")]
    NoApplet,
    /// An applet's AID begins with another RID than its package's (JCVM 6.5).
    #[error("applet {applet} does not have the RID of package {package}")]
    AppletRid {
        /// AID of the applet.
        applet: Aid,
        /// AID of the package.
        package: Aid,
    },
    /// Two applets have the same AID.
    #[error("there are two applets {applet}")]
    DuplicateApplet {
        /// AID of the applets.
        applet: Aid,
    },
    /// The package name is not 1 to 255 letters, digits, underscores and slashes.
    #[error("the package name is not made of 1 to 255 letters, digits, underscores and slashes")]
    PackageName,
    /// Static resources in a format before 2.3.
    #[error("static resources take format 2.3")]
    ResourceFormat,
    /// Two static resources have the same identifier.
    #[error("there are two static resources {id:04X}")]
    DuplicateResource {
        /// Identifier of the resources.
        id: u16,
    },
    /// There is more of something than its count item can say.
    #[error("{actual} {what} are more than the {limit} that a CAP file can have")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        actual: usize,
        /// Largest number.
        limit: usize,
    },
}

/// Puts a CAP file together.
#[derive(Clone, Debug)]
pub struct CapBuilder {
    format: Format,
    package: Package,
    name: String,
    applets: Vec<Aid>,
    imports: Vec<Package>,
    resources: Vec<(u16, Vec<u8>)>,
    min_data_block_len: usize,
}

impl CapBuilder {
    /// AID of `javacard.framework`.
    pub const JAVACARD_FRAMEWORK: [u8; 7] = [0xA0, 0, 0, 0, 0x62, 0x01, 0x01];
    /// AID of `java.lang`.
    pub const JAVA_LANG: [u8; 7] = [0xA0, 0, 0, 0, 0x62, 0x00, 0x01];
    /// AID of `javacardx.crypto`.
    pub const JAVACARDX_CRYPTO: [u8; 7] = [0xA0, 0, 0, 0, 0x62, 0x02, 0x01];

    /// A package, version 1.0, without applets, that imports `javacard.framework` and `java.lang` 1.0: what every Java
    /// Card from 2.1 on has. The Load File Data Block will have about 6 KB.
    #[must_use]
    pub fn new(package: Aid) -> Self {
        let system = |aid: [u8; 7]| Package {
            aid: Aid::new(&aid).expect("7 bytes are the length of an AID"),
            major: 1,
            minor: 0,
        };
        Self {
            format: Format::V2_1,
            package: Package { aid: package, major: 1, minor: 0 },
            name: "cardwright/generated".into(),
            applets: Vec::new(),
            imports: vec![system(Self::JAVACARD_FRAMEWORK), system(Self::JAVA_LANG)],
            resources: Vec::new(),
            min_data_block_len: 6000,
        }
    }

    /// Sets the version of the package.
    #[must_use]
    pub fn version(mut self, major: u8, minor: u8) -> Self {
        (self.package.major, self.package.minor) = (major, minor);
        self
    }

    /// Sets the version of the CAP file format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets the name of the package, with slashes: the folder in the archive, and the name in the Header from format 2.2 on.
    #[must_use]
    pub fn package_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// Adds an applet: a class of its own, with its own install method.
    #[must_use]
    pub fn applet(mut self, aid: Aid) -> Self {
        self.applets.push(aid);
        self
    }

    /// Adds an imported package, or sets the version of one that is there.
    #[must_use]
    pub fn import(mut self, aid: Aid, major: u8, minor: u8) -> Self {
        let package = Package { aid, major, minor };
        match self.imports.iter_mut().find(|import| import.aid == aid) {
            Some(import) => *import = package,
            None => self.imports.push(package),
        }
        self
    }

    /// Adds a static resource; takes format 2.3.
    #[must_use]
    pub fn resource(mut self, id: u16, content: &[u8]) -> Self {
        self.resources.push((id, content.to_vec()));
        self
    }

    /// Sets the least length of the Load File Data Block without the Descriptor component, in bytes; it is reached with
    /// less than 160 bytes to spare.
    #[must_use]
    pub fn min_data_block_len(mut self, bytes: usize) -> Self {
        self.min_data_block_len = bytes;
        self
    }

    /// The CAP file: an archive as converters write it, with a manifest.
    ///
    /// # Errors
    /// [`CapgenError`] names what the standard does not allow.
    pub fn archive(&self) -> Result<Vec<u8>, CapgenError> {
        Ok(archive::write(self, &self.components()?))
    }

    /// The components one behind the other, in the order in which a card is sent them, Descriptor last.
    ///
    /// # Errors
    /// As [`archive`](Self::archive).
    pub fn image(&self) -> Result<Vec<u8>, CapgenError> {
        Ok(self.components()?.in_load_order().flat_map(|(_, bytes)| bytes).copied().collect())
    }

    fn components(&self) -> Result<Components, CapgenError> {
        self.check()?;
        let mut fillers = 0;
        loop {
            let components = Components::new(self, fillers)?;
            match self.min_data_block_len.checked_sub(components.data_block_len()) {
                None | Some(0) => return Ok(components),
                Some(missing) => fillers += (missing / applet::MAX_FILLER_COST).max(1),
            }
        }
    }

    fn check(&self) -> Result<(), CapgenError> {
        let package = self.package.aid;
        if self.applets.is_empty() {
            return Err(CapgenError::NoApplet);
        }
        for (index, applet) in self.applets.iter().enumerate() {
            if applet.rid() != package.rid() {
                return Err(CapgenError::AppletRid { applet: *applet, package });
            }
            if self.applets[..index].contains(applet) {
                return Err(CapgenError::DuplicateApplet { applet: *applet });
            }
        }
        if !self.resources.is_empty() && self.format != Format::V2_3 {
            return Err(CapgenError::ResourceFormat);
        }
        for (index, (id, content)) in self.resources.iter().enumerate() {
            if self.resources[..index].iter().any(|(other, _)| other == id) {
                return Err(CapgenError::DuplicateResource { id: *id });
            }
            if content.len() > 0x7FFF {
                let (what, actual) = ("bytes of a static resource", content.len());
                return Err(CapgenError::TooMany { what, actual, limit: 0x7FFF });
            }
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/';
        if self.name.is_empty() || self.name.len() > 255 || !self.name.chars().all(legal) {
            return Err(CapgenError::PackageName);
        }
        // A package token has 7 bits (JCVM 4.3.7.1), a class reference to an own class the high bit clear.
        for (what, actual, limit) in [
            ("imports", self.imports.len(), 128),
            ("applets", self.applets.len(), 128),
            ("bytes of a data block", self.min_data_block_len, 0xFFFF),
        ] {
            if actual > limit {
                return Err(CapgenError::TooMany { what, actual, limit });
            }
        }
        Ok(())
    }
}

/// The CAP file of the examples: package `A0000003869807` 1.0 with the payment applet `A00000038698070101`, whose Load
/// File takes 24 LOAD blocks of 239 bytes without the Descriptor component.
#[must_use]
pub fn default_payment_cap() -> Vec<u8> {
    let aid = |bytes: &[u8]| Aid::new(bytes).expect("the AIDs below have 7 and 9 bytes");
    CapBuilder::new(aid(&[0xA0, 0, 0, 0x03, 0x86, 0x98, 0x07]))
        .applet(aid(&[0xA0, 0, 0, 0x03, 0x86, 0x98, 0x07, 0x01, 0x01]))
        .package_name("cardwright/payment")
        .min_data_block_len(5570)
        .archive()
        .expect("one applet with its package's RID and a small size are within every limit")
}
