//! Security domains: whose keys open a channel, what is associated with which (GPCS 7.2, 7.3.1).

use std::collections::BTreeMap;

use cardwright_apdu::Aid;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::application::Installed;
use crate::card::{JavaCard, Selected};
use crate::keys::{Key, KeyStore};
use crate::memory::Memory;
use crate::registry::{DOMAIN_PERSONALIZED, ISD_PRIVILEGES, Privileges};

/// Versions of the keys that are no secure channel keys, identifier 01 each; the standard leaves them to configurations.
pub(crate) const TOKEN_KEY: u8 = 0x70;
pub(crate) const RECEIPT_KEY: u8 = 0x71;
pub(crate) const DAP_KEY: u8 = 0x73;
pub(crate) const LOAD_FILE_KEY: u8 = 0x75;

/// Load file and module of a supplementary security domain (GPCS H.1.3).
pub(crate) const LOAD_FILE: Aid = constant(&[0xA0, 0x00, 0x00, 0x01, 0x51, 0x53, 0x50]);
pub(crate) const MODULE: Aid = constant(&[0xA0, 0x00, 0x00, 0x01, 0x51, 0x53, 0x50, 0x41]);

const fn constant(bytes: &[u8]) -> Aid {
    match Aid::new(bytes) {
        Ok(aid) => aid,
        Err(_) => panic!("5 to 16 bytes are an AID"),
    }
}

/// What a supplementary security domain keeps; what the issuer's keeps is in the card's memory itself.
#[derive(Clone, Default, Encode, Decode)]
pub(crate) struct SecurityDomain {
    #[n(0)]
    keys: KeyStore,
    /// Data objects, by tag.
    #[n(1)]
    data: BTreeMap<u32, ByteVec>,
}

/// A security domain by its AID; `None` is the issuer's, whose AID can change.
pub(crate) type DomainId = Option<Aid>;

impl JavaCard {
    /// The security domain that is selected; the issuer's, when none is.
    pub(crate) fn domain(&self) -> DomainId {
        match self.session.selected {
            Selected::Application(aid) if self.memory.is_supplementary(&aid) => Some(aid),
            _ => None,
        }
    }
}

impl Memory {
    fn supplementary(&self, aid: &Aid) -> Option<&SecurityDomain> {
        match &self.applications.iter().find(|entry| entry.aid == *aid)?.installed {
            Installed::SecurityDomain(domain) => Some(domain),
            _ => None,
        }
    }

    fn supplementary_mut(&mut self, aid: &Aid) -> Option<&mut SecurityDomain> {
        match &mut self.applications.iter_mut().find(|entry| entry.aid == *aid)?.installed {
            Installed::SecurityDomain(domain) => Some(domain),
            _ => None,
        }
    }

    pub(crate) fn is_supplementary(&self, aid: &Aid) -> bool {
        self.supplementary(aid).is_some()
    }

    /// The security domain with this AID, when there is one.
    pub(crate) fn domain_named(&self, aid: &Aid) -> Option<DomainId> {
        if *aid == self.isd { Some(None) } else { self.is_supplementary(aid).then_some(Some(*aid)) }
    }

    pub(crate) fn aid_of(&self, domain: DomainId) -> Aid {
        domain.unwrap_or(self.isd)
    }

    /// A security domain that is not there any more has no keys: that of the issuer's are none of its.
    pub(crate) fn keys_of(&self, domain: DomainId) -> Option<&KeyStore> {
        match domain {
            None => Some(&self.keys),
            Some(aid) => self.supplementary(&aid).map(|domain| &domain.keys),
        }
    }

    pub(crate) fn keys_of_mut(&mut self, domain: DomainId) -> Option<&mut KeyStore> {
        match domain {
            None => Some(&mut self.keys),
            Some(aid) => self.supplementary_mut(&aid).map(|domain| &mut domain.keys),
        }
    }

    pub(crate) fn data_of(&self, domain: DomainId) -> Option<&BTreeMap<u32, ByteVec>> {
        match domain {
            None => Some(&self.data),
            Some(aid) => self.supplementary(&aid).map(|domain| &domain.data),
        }
    }

    pub(crate) fn data_of_mut(&mut self, domain: DomainId) -> Option<&mut BTreeMap<u32, ByteVec>> {
        match domain {
            None => Some(&mut self.data),
            Some(aid) => self.supplementary_mut(&aid).map(|domain| &mut domain.data),
        }
    }

    /// The key with identifier 01 of a version.
    pub(crate) fn special_key(&self, domain: DomainId, version: u8) -> Option<&Key> {
        self.keys_of(domain)?.set(version)?.key(1)
    }

    pub(crate) fn privileges_of(&self, domain: DomainId) -> Privileges {
        let entry = domain.and_then(|aid| self.applications.iter().find(|entry| entry.aid == aid));
        match (domain, entry) {
            (None, _) => Privileges(ISD_PRIVILEGES),
            (Some(_), Some(entry)) => Privileges(entry.privileges),
            (Some(_), None) => Privileges([0; 3]),
        }
    }

    /// Whether a security domain may manage content and take it: the issuer's always, another one when it is PERSONALIZED.
    pub(crate) fn is_personalized(&self, domain: DomainId) -> bool {
        domain.is_none_or(|aid| {
            self.applications.iter().any(|entry| entry.aid == aid && entry.life_cycle == DOMAIN_PERSONALIZED)
        })
    }

    /// The security domain that an application or load file is associated with.
    pub(crate) fn associated(&self, object: &Aid) -> Option<DomainId> {
        let mut applications = self.applications.iter();
        let mut files = self.load_files.iter();
        let application = applications.find(|entry| entry.aid == *object).map(|entry| entry.domain());
        application.or_else(|| files.find(|file| file.aid == *object).map(|file| file.domain()))
    }

    /// The security domain itself and those above it; one that was extradited to itself has none (GPCS 7.2).
    pub(crate) fn hierarchy(&self, domain: DomainId) -> Vec<DomainId> {
        let mut above = vec![domain];
        while let Some(Some(aid)) = above.last() {
            match self.associated(aid) {
                Some(next) if !above.contains(&next) => above.push(next),
                _ => break,
            }
        }
        above
    }

    /// The security domain whose keys open a channel to this one: itself, or the next above it that has keys (GPCS 7.3.1).
    pub(crate) fn key_owner(&self, domain: DomainId) -> DomainId {
        let has_keys =
            |at: &DomainId| self.keys_of(*at).is_some_and(|keys| keys.channel_set(0, self.config.protocol).is_some());
        self.hierarchy(domain).into_iter().find(has_keys).unwrap_or(domain)
    }
}
