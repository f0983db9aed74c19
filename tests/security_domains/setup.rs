//! A card with supplementary security domains, and a host that holds all keys.

use std::ops::ControlFlow;

use cardwright::apdu::{Aid, CardPort, StatusWord, block_on};
use cardwright::gp::command::{InstallForInstall, InstallForLoad, PutKeyFields};
use cardwright::gp::procedure::{self, KeyCandidate, KeyScheme, NewKeys, OpenOptions, Opened};
use cardwright::gp::profile::PrivilegeWidth;
use cardwright::gp::{Confirmation, Error, LoadFile, Privileges, RegistryEntry, SecurityLevel};
use cardwright::keys::{EcCurve, KeyKind, KeyRef, KeySet, SoftwareKeys};
use cardwright_sim::{JavaCard, SecureChannelProtocol, SimReader};

use crate::support::{SCP02, SCP03, aid, instance, order};

/// Key versions that the software card gives a meaning.
pub(crate) const TOKEN_KEY: u8 = 0x70;
pub(crate) const RECEIPT_KEY: u8 = 0x71;
pub(crate) const DAP_KEY: u8 = 0x73;
pub(crate) const LOAD_FILE_KEY: u8 = 0x75;

pub(crate) const PROTOCOLS: [SecureChannelProtocol; 2] = [SCP02, SCP03];

pub(crate) const EC_TOKEN: [u8; 32] = [0x61; 32];
pub(crate) const EC_DAP: [u8; 48] = [0x62; 48];
pub(crate) const EC_RECEIPT: [u8; 32] = [0x63; 32];

pub(crate) fn domain() -> Aid {
    aid("A0000000D101")
}

pub(crate) fn keys() -> SoftwareKeys {
    let mut keys = crate::support::keys();
    for (name, kind, value) in [
        ("own-aes", KeyKind::Aes, &[0x51; 16][..]),
        ("own-des", KeyKind::Tdes, &[1, 2, 4, 7, 8, 11, 13, 14, 16, 19, 21, 22, 25, 26, 28, 31]),
        ("dap-aes", KeyKind::Aes, &[0x52; 32]),
        ("dap-des", KeyKind::Tdes, &[0x52, 0x57, 1, 2, 4, 7, 8, 11, 13, 14, 16, 19, 21, 22, 25, 26]),
        ("dap-ec", KeyKind::Ec(EcCurve::P384), &EC_DAP),
        ("token-ec", KeyKind::Ec(EcCurve::P256), &EC_TOKEN),
        ("token-aes", KeyKind::Aes, &[0x53; 16]),
        ("receipt-aes", KeyKind::Aes, &[0x54; 24]),
        ("receipt-des", KeyKind::Tdes, &[0x54, 0x57, 1, 2, 4, 7, 8, 11, 13, 14, 16, 19, 21, 22, 25, 26]),
        ("receipt-ec", KeyKind::Ec(EcCurve::P256), &EC_RECEIPT),
        ("load-file", KeyKind::Aes, &[0x55; 16]),
        ("load-file-des", KeyKind::Tdes, &[0x55, 0x57, 1, 2, 4, 7, 8, 11, 13, 14, 16, 19, 21, 22, 25, 26]),
    ] {
        keys.insert(name, kind, value).unwrap();
    }
    keys
}

pub(crate) fn load_file() -> LoadFile {
    order(300).applications.remove(0).load_file
}

/// A host in a channel to a security domain of the card.
pub(crate) struct Host {
    pub(crate) reader: SimReader,
    pub(crate) opened: Opened,
    protocol: SecureChannelProtocol,
}

impl Host {
    /// In a channel to the issuer security domain.
    pub(crate) fn new(protocol: SecureChannelProtocol) -> Self {
        let builder = JavaCard::builder().protocol(protocol).supplementary_domains(true);
        let mut reader = SimReader::new(builder.iin([0x42, 0x01]).cin([0x45, 0x02, 0x03]).build());
        let opened = open(&mut reader, None, "test").unwrap();
        Self { reader, opened, protocol }
    }

    /// With a security domain that has keys of its own, and in a channel to it.
    pub(crate) fn with_domain(protocol: SecureChannelProtocol, privileges: Privileges) -> Self {
        let mut host = Self::new(protocol);
        host.install_domain(domain(), privileges).unwrap();
        host.give_own_keys(domain());
        host.enter(Some(domain()));
        host
    }

    /// Opens a channel to a security domain, with its own keys where it has some.
    pub(crate) fn enter(&mut self, domain: Option<Aid>) {
        let key = if domain.is_some() { "own" } else { "test" };
        self.opened = open(&mut self.reader, domain, key).unwrap();
    }

    pub(crate) fn install_domain(&mut self, aid: Aid, privileges: Privileges) -> Result<(), Error> {
        let (file, module) = (crate::support::aid("A0000001515350"), crate::support::aid("A000000151535041"));
        let install = InstallForInstall {
            irreversible: privileges.contains(Privileges::MANDATED_DAP_VERIFICATION),
            ..InstallForInstall::new(file, module, aid)
        };
        let install = install.with_privileges(
            privileges | Privileges::SECURITY_DOMAIN | Privileges::TRUSTED_PATH,
            PrivilegeWidth::Three,
        );
        block_on(procedure::install(&mut self.reader, &mut self.opened.channel, &install))
    }

    /// The new security domain is opened with the keys of the one above it, and gets its own.
    pub(crate) fn give_own_keys(&mut self, domain: Aid) {
        self.opened = open(&mut self.reader, Some(domain), "test").unwrap();
        let set = KeySet::same(KeyRef::new(self.own()));
        let new = NewKeys::added(0x30, set);
        let mut keys = keys();
        let put = procedure::prepare_keys(&mut keys, &self.opened.channel, &self.opened.keys, &new);
        let put = block_on(put).unwrap();
        block_on(procedure::put_keys(&mut self.reader, &mut self.opened.channel, &put)).unwrap();
    }

    fn own(&self) -> &'static str {
        if self.protocol == SCP02 { "own-des" } else { "own-aes" }
    }

    /// PUT KEY of one symmetric key.
    pub(crate) fn put_key(&mut self, kvn: u8, name: &str) {
        let field = self.wrapped(name);
        self.put_field(kvn, field);
    }

    pub(crate) fn wrapped(&mut self, name: &str) -> cardwright::gp::command::KeyDataField {
        let is_aes = self.protocol != SCP02;
        cardwright::gp::command::KeyDataField::symmetric(&self.wrapped_key(name), is_aes)
    }

    pub(crate) fn wrapped_key(&mut self, name: &str) -> cardwright::keys::WrappedKey {
        let set = KeySet::same(KeyRef::new(name));
        let new = NewKeys { base_key: true, ..NewKeys::added(1, set) };
        let mut keys = keys();
        let put = procedure::prepare_keys(&mut keys, &self.opened.channel, &self.opened.keys, &new);
        let put = block_on(put).unwrap();
        put.keys[0].clone()
    }

    pub(crate) fn put_field(&mut self, kvn: u8, key: cardwright::gp::command::KeyDataField) {
        let put = PutKeyFields { replace: None, kvn, first_kid: 1, keys: vec![key] };
        let answer = block_on(self.opened.channel.call(&mut self.reader, &put.command().unwrap())).unwrap();
        put.verify(answer.data()).unwrap();
    }

    /// Loads into a security domain, with the hash and a token.
    pub(crate) fn load(
        &mut self,
        into: Option<Aid>,
        file: &LoadFile,
        token: &[u8],
    ) -> Result<Option<Confirmation>, Error> {
        let hash = file.hash(cardwright::gp::load_file::HashAlgorithm::Sha384);
        let install = InstallForLoad { token, ..InstallForLoad::new(file.aid(), into).with_hash(hash.as_bytes()) };
        let go_on = |_, _| ControlFlow::Continue(());
        let done = procedure::load_as(&mut self.reader, &mut self.opened.channel, &install, file, None, go_on);
        match block_on(done)? {
            ControlFlow::Continue(confirmation) => Ok(confirmation),
            ControlFlow::Break(()) => unreachable!("nothing breaks it off"),
        }
    }

    pub(crate) fn install(&mut self) -> InstallForInstall<'static> {
        InstallForInstall::new(load_file().aid(), instance(), instance())
    }

    pub(crate) fn entries(&mut self) -> Vec<RegistryEntry> {
        block_on(procedure::read_registry(&mut self.reader, &mut self.opened.channel)).unwrap().entries
    }

    pub(crate) fn domain_of(&mut self, object: Aid) -> Option<Aid> {
        self.entries().into_iter().find(|entry| entry.aid == object).and_then(|entry| entry.security_domain)
    }
}

pub(crate) fn open(reader: &mut impl CardPort, domain: Option<Aid>, key: &str) -> Result<Opened, Error> {
    block_on(async {
        let aid = procedure::select(reader, domain.as_ref()).await?.aid;
        let candidates = [(KeyKind::Aes, "aes"), (KeyKind::Tdes, "des")]
            .map(|(kind, suffix)| KeyCandidate::new(KeyRef::new(format!("{key}-{suffix}")), kind, KeyScheme::AsIs));
        let options = OpenOptions::new(SecurityLevel::C_DECRYPTION)
            .with_scp02_i(Some(0x55))
            .with_challenge_policy(cardwright::gp::ChallengePolicy::Require);
        procedure::open(reader, &mut keys(), aid.as_ref(), &candidates, [9; 8], options).await
    })
}

pub(crate) fn status<T: std::fmt::Debug>(result: Result<T, Error>) -> StatusWord {
    match result {
        Err(Error::Refused { sw, .. }) => sw,
        other => panic!("{other:?}"),
    }
}
