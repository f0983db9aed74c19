//! Parameters of INSTALL in TLV (GPCS 2.3.1 11.5.2.3.7): memory, implicit selection, services, security domains.

use alloc::vec::Vec;
use core::fmt;
use core::ops::BitOr;

use cardwright_apdu::tlv::{self, Tag};

use crate::error::Error;

/// System specific parameters: template EF of INSTALL [for load], [for install], [for make selectable] and [for registry
/// update] (GPCS 2.3.1 tables 11-48 to 11-52). Data objects stand in the order of the calls; a card may ignore them.
///
/// ```
/// use cardwright_gp::command::SystemParameters;
///
/// let parameters = SystemParameters::new().non_volatile_memory(2048).volatile_memory(40_000).to_bytes();
/// assert_eq!(parameters, [0xEF, 10, 0xC8, 2, 0x08, 0x00, 0xC7, 4, 0x00, 0x00, 0x9C, 0x40]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SystemParameters(Vec<u8>);

impl SystemParameters {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Non-volatile memory that the code of a load file needs, in bytes (C6; [for load]).
    #[must_use]
    pub fn code_memory(self, bytes: u32) -> Self {
        self.memory(0xC6, bytes)
    }

    /// Volatile memory, in bytes (C7): the least that a load file needs, the most that an application gets.
    #[must_use]
    pub fn volatile_memory(self, bytes: u32) -> Self {
        self.memory(0xC7, bytes)
    }

    /// Non-volatile memory for data, in bytes (C8): the least that a load file needs, the most that an application gets.
    #[must_use]
    pub fn non_volatile_memory(self, bytes: u32) -> Self {
        self.memory(0xC8, bytes)
    }

    /// Volatile memory set aside for the application, in bytes (D7; [for install]).
    #[must_use]
    pub fn reserved_volatile_memory(self, bytes: u32) -> Self {
        self.memory(0xD7, bytes)
    }

    /// Non-volatile memory set aside for the application, in bytes (D8; [for install]).
    #[must_use]
    pub fn reserved_non_volatile_memory(self, bytes: u32) -> Self {
        self.memory(0xD8, bytes)
    }

    /// Global services that the application offers: parameters of two bytes each (CB; GPCS 2.3.1 8.1.3).
    #[must_use]
    pub fn global_services(self, services: &[[u8; 2]]) -> Self {
        self.object(Tag(0xCB), services.as_flattened())
    }

    /// Implicit selection on one logical channel (CF); may come several times.
    #[must_use]
    pub fn implicit_selection(self, selection: ImplicitSelection) -> Self {
        self.object(Tag(0xCF), &[selection.0])
    }

    /// Functions that are switched off (D9; [for registry update]). Without an application in the command the whole card loses
    /// them for good. Untested on silicon.
    #[must_use]
    pub fn restriction(self, restriction: Restriction) -> Self {
        self.object(Tag(0xD9), &[restriction.0])
    }

    /// SIM file access and toolkit parameters (CA; TS 102 226 8.2.1.3.2.2.1), as
    /// [`ToolkitParameters::sim`](super::ToolkitParameters::sim) makes them.
    #[must_use]
    pub fn sim(self, value: &[u8]) -> Self {
        self.object(Tag(0xCA), value)
    }

    /// Any other data object, such as the contactless ones of Amendment C, its value as it is.
    #[must_use]
    pub fn object(mut self, tag: Tag, value: &[u8]) -> Self {
        tlv::push(&mut self.0, tag, value);
        self
    }

    /// The template with its tag and length, or nothing where there is no parameter.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.0.is_empty() {
            tlv::push(&mut out, Tag(0xEF), &self.0);
        }
        out
    }

    /// Two bytes up to 32767, four above (GPCS 2.3.1 11.5.2.3.7).
    fn memory(self, tag: u32, bytes: u32) -> Self {
        match u16::try_from(bytes) {
            Ok(bytes) if bytes <= 0x7FFF => self.object(Tag(tag), &bytes.to_be_bytes()),
            _ => self.object(Tag(tag), &bytes.to_be_bytes()),
        }
    }
}

/// Where an application is selected without a SELECT (GPCS 2.3.1 table 11-15).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImplicitSelection(pub u8);

impl ImplicitSelection {
    /// On a logical channel of the contact interface, the contactless one, or both; on neither means nowhere.
    ///
    /// # Errors
    /// [`Error::LogicalChannel`] above channel 19.
    pub fn new(contact: bool, contactless: bool, channel: u8) -> Result<Self, Error> {
        if channel > 19 {
            return Err(Error::LogicalChannel { number: channel });
        }
        Ok(Self(u8::from(contactless) << 7 | u8::from(contact) << 6 | channel))
    }

    /// Whether it holds on the contact interface.
    #[must_use]
    pub fn contact(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether it holds on the contactless interface.
    #[must_use]
    pub fn contactless(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// The logical channel, 0 to 19; what a card gives may go to 31.
    #[must_use]
    pub fn channel(self) -> u8 {
        self.0 & 0x1F
    }
}

impl fmt::Debug for ImplicitSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImplicitSelection({:02X})", self.0)
    }
}

/// Functions that INSTALL [for registry update] switches off (GPCS 2.3.1 table 11-53); add them with `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Restriction(pub u8);

impl Restriction {
    /// DELETE.
    pub const DELETE: Self = Self(0x01);
    /// Loading.
    pub const LOAD: Self = Self(0x02);
    /// Installation.
    pub const INSTALL: Self = Self(0x04);
    /// Making selectable.
    pub const MAKE_SELECTABLE: Self = Self(0x08);
    /// Extradition.
    pub const EXTRADITION: Self = Self(0x10);
    /// Personalization.
    pub const PERSONALIZATION: Self = Self(0x20);
    /// Registry update.
    pub const REGISTRY_UPDATE: Self = Self(0x40);
}

impl BitOr for Restriction {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Control Reference Template for Digital Signature: tag B6, which tells the card whose token comes with the command (GPCS
/// 2.3.1 tables 11-23 and 11-48 to 11-52). It is part of what the token is computed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignatureReference<'a> {
    /// Identification number of the security domain that verifies tokens (42), or empty.
    pub domain_identification: &'a [u8],
    /// Image number of that security domain (45), or empty.
    pub domain_image: &'a [u8],
    /// Application provider identifier (5F20), or empty.
    pub provider: &'a [u8],
    /// Token identifier or number (93), or empty.
    pub token_identifier: &'a [u8],
}

impl SignatureReference<'_> {
    /// The template with its tag and length.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Vec::new();
        for (tag, value) in [
            (0x42, self.domain_identification),
            (0x45, self.domain_image),
            (0x5F20, self.provider),
            (0x93, self.token_identifier),
        ] {
            if !value.is_empty() {
                tlv::push(&mut content, Tag(tag), value);
            }
        }
        let mut out = Vec::new();
        tlv::push(&mut out, Tag(0xB6), &content);
        out
    }
}

/// What a new security domain is told: the value of C9 in its INSTALL [for install]. The tags come from the UICC configuration;
/// GPCS 2.3.1 leaves them to configurations. Of all this only `protocols` has been seen to work on silicon (`81 02 03 70`).
///
/// A policy byte names the security domains whose request is accepted: 80 an ancestor with authorized management, C0 any of the
/// hierarchy, 20 the issuer's, F0 every one, 00 none.
#[derive(Clone, Copy, Debug, Default)]
pub struct SecurityDomainParameters<'a> {
    /// Secure channel protocols and their `i` (81), one object each.
    pub protocols: &'a [(u8, u8)],
    /// Who may extradite into it (82): one or two policy bytes, or empty.
    pub extradition_here: &'a [u8],
    /// Who may delete it (83).
    pub deletion: Option<u8>,
    /// Whether it becomes PERSONALIZED only when it is told so (84).
    pub explicit_personalized: bool,
    /// Capabilities of a controlling authority security domain (86).
    pub controlling_authority: Option<[u8; 2]>,
    /// Who may extradite out of it (87): one or two policy bytes, or empty.
    pub extradition_away: &'a [u8],
}

impl SecurityDomainParameters<'_> {
    /// The value of C9.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (protocol, i) in self.protocols {
            tlv::push(&mut out, Tag(0x81), &[*protocol, *i]);
        }
        if !self.extradition_here.is_empty() {
            tlv::push(&mut out, Tag(0x82), self.extradition_here);
        }
        if let Some(policy) = self.deletion {
            tlv::push(&mut out, Tag(0x83), &[policy]);
        }
        if self.explicit_personalized {
            tlv::push(&mut out, Tag(0x84), &[]);
        }
        if let Some(capabilities) = self.controlling_authority {
            tlv::push(&mut out, Tag(0x86), &capabilities);
        }
        if !self.extradition_away.is_empty() {
            tlv::push(&mut out, Tag(0x87), self.extradition_away);
        }
        out
    }
}
