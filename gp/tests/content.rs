//! Card content management: published values, and the standard's tables where none are published.
//!
//! Published vectors lie outside the project; their tests skip with a message where the file is absent.

mod support;

use cardwright_apdu::tlv::Reader;
use cardwright_apdu::{Aid, CommandApdu};
use cardwright_gp::command::{
    self, AccessDomain, AccessRule, Delete, ImplicitSelection, InstallCombined, InstallForExtradition,
    InstallForInstall, InstallForLoad, InstallForMakeSelectable, InstallForRegistryUpdate, KeyComponent, KeyDataField,
    KeyUse, PutKeyFields, Restriction, SecurityDomainParameters, SignatureReference, SystemParameters,
    ToolkitParameters, UiccParameters,
};
use cardwright_gp::load_file::{CapFile, HashAlgorithm};
use cardwright_gp::{DescriptorPolicy, Error, KeyGroups, KeyTemplates, LoadFile, Privileges, RsaCrt, procedure};
use cardwright_keys::{
    KeyCheckValue, KeyEncryptionKey, KeyKind, KeyRef, KeyRequest, KeyService, SoftwareKeys, WrappedKey,
};
use rsa::{BoxedUint, Pkcs1v15Sign, RsaPublicKey};
use serde_json::Value;
use sha1::{Digest, Sha1};

use support::published;

fn hex(bytes: &[u8]) -> String {
    hex::encode_upper(bytes)
}

fn apdu(command: &CommandApdu) -> String {
    hex(&command.to_bytes().unwrap())
}

fn aid(text: &str) -> Aid {
    text.parse().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// A conversation with a key service in this process, which answers at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    cardwright_apdu::block_on(future)
}

#[test]
fn install_parameters() {
    if let Some(v) = published("install-param-pysim") {
        let toolkit = ToolkitParameters {
            priority: 1,
            menu_text_length: 0x15,
            menu_entries: &[(0, 0); 5],
            ..ToolkitParameters::default()
        };
        let system = SystemParameters::new()
            .non_volatile_memory(256)
            .volatile_memory(256)
            .sim(&toolkit.sim(AccessDomain::Full).unwrap())
            .to_bytes();
        let any = aid("A000000001");
        let install = InstallForInstall { system_parameters: &system, ..InstallForInstall::new(any, any, any) };
        let sent = apdu(&install.and_make_selectable().unwrap());
        let expected = v["expected"]["params"].as_str().unwrap();
        assert!(sent.contains(&format!("0100{:02X}{expected}00", expected.len() / 2)), "{sent}");
    }
    if let Some(v) = published("install-param-sim") {
        let toolkit = ToolkitParameters {
            priority: 1,
            timers: 1,
            menu_text_length: 0x10,
            channels: 1,
            references: Some(&[[0xD5, 1, 1]]),
            ..ToolkitParameters::default()
        };
        assert_eq!(hex(&toolkit.sim(AccessDomain::Full).unwrap()), v["expected"]["params"].as_str().unwrap());
    }
    if let Some(v) = published("install-param-uicc") {
        let toolkit = ToolkitParameters {
            priority: 1,
            menu_text_length: 0x14,
            channels: 2,
            minimum_security: Some(0x1E),
            references: Some(&[[0xD5, 1, 3]]),
            ..ToolkitParameters::default()
        };
        let rule = |adf| AccessRule { adf, access: AccessDomain::Full, dap: &[] };
        let access = [rule(None), rule(Some(aid("A0000000871002FFFFFFFF8900000100")))];
        let template =
            UiccParameters { toolkit: Some((toolkit, 0)), access: &access, ..UiccParameters::default() }.to_bytes();
        assert_eq!(hex(&template.unwrap()), format!("EA29{}", v["expected"]["params"].as_str().unwrap()));
    }
    if let Some(v) = published("install-param-sd") {
        let parameters = SecurityDomainParameters {
            protocols: &[(0x02, 0x15)],
            extradition_here: &[0x80],
            deletion: Some(0x80),
            explicit_personalized: true,
            controlling_authority: Some([1, 2]),
            extradition_away: &[0x80, 0],
        };
        assert_eq!(hex(&parameters.to_bytes()), v["expected"]["params"].as_str().unwrap());
    }
    // Two bytes end at 32767 (GPCS 2.3.1 11.5.2.3.7).
    let memory = |bytes| hex(&SystemParameters::new().code_memory(bytes).to_bytes());
    assert_eq!((memory(0x7FFF), memory(0x8000)), ("EF04C6027FFF".to_string(), "EF06C60400008000".to_string()));
    let all = SystemParameters::new()
        .reserved_volatile_memory(1)
        .reserved_non_volatile_memory(2)
        .global_services(&[[0x80, 0x01], [0x81, 0x02]])
        .implicit_selection(ImplicitSelection::new(true, true, 19).unwrap())
        .restriction(Restriction::LOAD | Restriction::DELETE)
        .object(cardwright_apdu::tlv::Tag(0xA0), &[0x80, 0]);
    assert_eq!(hex(&all.to_bytes()), "EF18D7020001D8020002CB0480018102CF01D3D90103A0028000");
    assert!(SystemParameters::new().to_bytes().is_empty());
    assert!(matches!(ImplicitSelection::new(true, false, 20), Err(Error::LogicalChannel { number: 20 })));
    let many = [(0, 0); 256];
    let crowded = ToolkitParameters { menu_entries: &many, ..ToolkitParameters::default() };
    let error = crowded.sim(AccessDomain::None).unwrap_err().to_string();
    assert_eq!(error, "INSTALL [for install]: menu entries has 256 bytes, at most 255 fit");
}

#[test]
fn install_for_every_purpose() {
    if let Some(v) = published("install-install-keycard") {
        let inputs = &v["inputs"];
        let name = |field: &str| aid(inputs[field].as_str().unwrap());
        let install = InstallForInstall::new(name("elf"), name("module"), name("instance"));
        let parameters = bytes(&inputs["params_c9"]);
        let command = install.with_parameters(&parameters).and_make_selectable().unwrap();
        assert_eq!(hex(command.data()), v["expected"]["data"].as_str().unwrap());
    }
    let (file, module, application) = (aid("A0000000F1"), aid("A0000000F2"), aid("A0000000F3"));
    let domain = aid("A0000000D1");
    let extradition = InstallForExtradition::new(application, domain);
    let command = extradition.command().unwrap();
    assert_eq!(apdu(&command), "80E610001005A0000000D10005A0000000F300000000");
    assert_eq!(command.name(), "INSTALL [for extradition]");
    let parameters = SystemParameters::new().implicit_selection(ImplicitSelection::new(true, false, 0).unwrap());
    let update = InstallForRegistryUpdate {
        application: Some(application),
        privileges: Some(Privileges::CARD_LOCK),
        parameters: &parameters.to_bytes(),
        ..InstallForRegistryUpdate::default()
    };
    let command = update.command().unwrap();
    assert_eq!(apdu(&command), "80E6400013000005A0000000F30310000005EF03CF01400000");
    assert_eq!(command.name(), "INSTALL [for registry update]");
    // The card itself: no application, and no privileges to change.
    let card = InstallForRegistryUpdate { parameters: &[0xEF, 0], ..InstallForRegistryUpdate::default() };
    assert_eq!(apdu(&card.command().unwrap()), "80E64000080000000002EF000000");
    let selectable = InstallForMakeSelectable {
        application,
        privileges: Privileges::CARD_RESET,
        parameters: &[0xEF, 0],
        token: &[0xAA; 16],
    };
    let token = "AA".repeat(16);
    assert_eq!(apdu(&selectable.command().unwrap()), format!("80E608001E000005A0000000F3010402EF0010{token}00"));
    // Load, install and make selectable: two commands, P2 = 01 and 03, and one token (GPCS 2.3.1 C.4.7).
    let hash = [0x5A; 32];
    let combined = InstallCombined {
        load: InstallForLoad::new(file, Some(domain)).with_hash(&hash),
        install: InstallForInstall { token: &[0xAA; 16], ..InstallForInstall::new(file, module, application) },
    };
    let first = format!("05A0000000F105A0000000D120{}00", "5A".repeat(32));
    let second = "05A0000000F105A0000000F205A0000000F3010002C900";
    assert_eq!(apdu(&combined.begin().unwrap()), format!("80E60E012F{first}0000"));
    assert_eq!(apdu(&combined.end().unwrap()), format!("80E60E0328{second}10{token}00"));
    assert_eq!(hex(&combined.token_input().unwrap()), format!("0E012E{first}0E0317{second}"));
    assert_eq!(combined.begin().unwrap().name(), "INSTALL [for load, install and make selectable]");
}

#[test]
fn what_cannot_be_undone_is_said_to_be_meant() {
    let application = aid("A0000000F3");
    let mandated = Privileges::MANDATED_DAP_VERIFICATION | Privileges::TRUSTED_PATH;
    let install = InstallForInstall {
        privileges: mandated,
        ..InstallForInstall::new(aid("A0000000F1"), aid("A0000000F2"), application)
    };
    for refused in [install.command(), install.and_make_selectable()] {
        assert!(matches!(refused, Err(Error::Irreversible { .. })), "{refused:?}");
    }
    assert!(matches!(install.token_input(), Err(Error::Irreversible { .. })));
    let meant = InstallForInstall { irreversible: true, ..install.clone() };
    assert!(meant.and_make_selectable().is_ok());
    let without = InstallForInstall { privileges: Privileges::DAP_VERIFICATION, ..install };
    assert!(without.command().is_ok());

    let update = |application, privileges, parameters, irreversible| {
        let update = InstallForRegistryUpdate {
            application,
            privileges,
            parameters,
            irreversible,
            ..InstallForRegistryUpdate::default()
        };
        update.command().map(drop)
    };
    let is_refused = |result| matches!(result, Err(Error::Irreversible { .. }));
    assert!(is_refused(update(Some(application), Some(mandated), &[], false)));
    assert!(update(Some(application), Some(mandated), &[], true).is_ok());
    // A restriction of the whole card; what is no TLV might hold one.
    for restriction in
        [&[0xEF, 3, 0xD9, 1, 1][..], &[0xD9, 1, 1], &[0xCF, 1, 0, 0xEF, 3, 0xD9, 1, 1], &[0xEF, 2, 0xCF, 9]]
    {
        assert!(is_refused(update(None, None, restriction, false)), "{restriction:02X?}");
        assert!(update(None, None, restriction, true).is_ok());
        assert!(update(Some(application), None, restriction, false).is_ok());
    }
    assert!(update(None, None, &[0xEF, 3, 0xCF, 1, 0x40], false).is_ok());
}

#[test]
fn tokens_are_computed_over_what_stands_in_front_of_them() {
    if let Some(v) = published("token-data-extradition") {
        let install = InstallForExtradition::new(aid("D0D1D2D3D4D50101"), aid("D4D4D4D4D4010101"));
        assert_eq!(hex(&install.token_input().unwrap()), v["expected"]["token_input"].as_str().unwrap());
    }
    if let Some(v) = published("token-data-delete") {
        let objects = [aid("D0D1D2D3D4D501"), aid("D0D1D2D3D4D50101")];
        let input = Delete::new(&objects, true).token_input().unwrap();
        assert_eq!(hex(&input), v["expected"]["token_input"].as_str().unwrap());
    }
    let (file, application) = (aid("A0000000F1"), aid("A0000000F3"));
    let hash = [0x5A; 20];
    let load = InstallForLoad::new(file, None).with_hash(&hash);
    let input = load.token_input().unwrap();
    assert_eq!(hex(&input), format!("02001D05A0000000F10014{}00", "5A".repeat(20)));
    let reference = SignatureReference { token_identifier: &[7], ..SignatureReference::default() }.to_bytes();
    let install =
        InstallForInstall { system_parameters: &reference, ..InstallForInstall::new(file, application, application) };
    let body = "1C05A0000000F105A0000000F305A0000000F3010007C900B603930107";
    assert_eq!(hex(&install.token_input().unwrap()), format!("0400{body}"));
    assert_eq!(hex(&install.token_input_and_make_selectable().unwrap()), format!("0C00{body}"));
    let selectable =
        InstallForMakeSelectable { application, privileges: Privileges::NONE, parameters: &[], token: &[1; 8] };
    assert_eq!(hex(&selectable.token_input().unwrap()), "08000B000005A0000000F3010000");
    let update = InstallForRegistryUpdate { application: Some(application), ..InstallForRegistryUpdate::default() };
    assert_eq!(hex(&update.token_input().unwrap()), "40000A000005A0000000F30000");
    let deleted = [application];
    let delete = Delete { reference: &reference, ..Delete::new(&deleted, false) };
    assert_eq!(hex(&delete.token_input().unwrap()), "00000C4F05A0000000F3B603930107");
    // Above 255 bytes the length has three (GPCS 2.3.1 C.4); a secure channel makes a chain of the command.
    let long = [0; 250];
    let long = InstallForInstall::new(file, application, application).with_parameters(&long);
    assert_eq!(long.token_input().unwrap()[..6], [0x04, 0, 0, 0x01, 0x13, 5]);
    assert_eq!(long.command().unwrap().nc(), 276);
    let longest = [0; 0xF000];
    let longest = InstallForInstall::new(file, application, application).with_parameters(&longest);
    assert!(matches!(longest.command(), Err(Error::TooLong { what: "data field", limit: 0xF000, .. })));
}

#[test]
fn a_token_goes_last_and_needs_what_it_vouches_for() {
    let file = aid("A0000000F1");
    let hash = [0x5A; 32];
    let token = [0xEE; 128];
    let load = InstallForLoad { token: &token, ..InstallForLoad::new(file, None).with_hash(&hash) };
    // 128 in one byte: what cards of GPCS 2.1.1 read.
    assert!(hex(load.command().unwrap().data()).ends_with(&format!("0080{}", "EE".repeat(128))));
    assert!(matches!(InstallForLoad { hash: &[], ..load.clone() }.command(), Err(Error::HashMissing)));
    assert!(matches!(InstallForLoad::new(file, None).token_input(), Err(Error::HashMissing)));
    let token = [0xEE; 256];
    assert_eq!(InstallForLoad { token: &token, ..load }.command().unwrap().nc(), 300);
    let Some(v) = published("delete-object-token") else { return };
    let (token, domain) = (bytes(&v["inputs"]["token"]), bytes(&v["inputs"]["sin"]));
    let reference = SignatureReference { domain_identification: &domain, ..SignatureReference::default() }.to_bytes();
    let objects = [aid("0102030405")];
    let delete = Delete { reference: &reference, token: &token, ..Delete::new(&objects, true) }.command().unwrap();
    // The vector has the token in front of the template; table 11-23 and C.4.6 have it last.
    let expected = CommandApdu::parse(&bytes(&v["expected"]["apdu"])).unwrap();
    let objects = |command: &CommandApdu| {
        let mut objects: Vec<_> = Reader::new(command.data())
            .map(|object| object.map(|object| (object.tag, object.value.to_vec())))
            .collect();
        let last = objects.last().cloned();
        objects.sort_by_key(|object| object.as_ref().unwrap().0);
        (objects, last.unwrap().unwrap().0.0)
    };
    assert_eq!(
        (objects(&delete).0, apdu(&delete)[..10].to_string()),
        (objects(&expected).0, apdu(&expected)[..10].into())
    );
    assert_eq!((objects(&delete).1, objects(&expected).1), (0x9E, 0xB6));
}

/// Verifies an RSASSA-PKCS1-v1_5 signature over SHA-1 of the data.
fn verify_rsa(v: &Value, data: &[u8], signature: &[u8]) -> bool {
    let modulus = BoxedUint::from_be_slice_vartime(&bytes(&v["inputs"]["modulus"]));
    let key = RsaPublicKey::new_unchecked(modulus, BoxedUint::from(0x10001_u32));
    let prefix = hex::decode("3021300906052B0E03021A05000414").unwrap();
    let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: prefix.into() };
    key.verify(scheme, &Sha1::digest(data), signature).is_ok()
}

#[test]
fn published_tokens_of_rsa_1024_verify() {
    if let (Some(v), Some(d)) = (published("token-rsa-extradition"), published("token-rsa-delete")) {
        let install = InstallForExtradition::new(aid("D0D1D2D3D4D50101"), aid("D4D4D4D4D4010101"));
        let token = bytes(&v["expected"]["signature"]);
        assert!(verify_rsa(&v, &install.token_input().unwrap(), &token));
        let other = InstallForExtradition::new(aid("D0D1D2D3D4D50102"), aid("D4D4D4D4D4010101"));
        assert!(!verify_rsa(&v, &other.token_input().unwrap(), &token));
        let objects = [aid("D0D1D2D3D4D501"), aid("D0D1D2D3D4D50101")];
        let input = Delete::new(&objects, true).token_input().unwrap();
        assert!(verify_rsa(&d, &input, &bytes(&d["expected"]["signature"])));
    }
}

fn load_file(vector: &str) -> Option<LoadFile> {
    let image = bytes(&published(&format!("cap-{vector}"))?["expected"]["lfdb"]);
    let policy = if vector.ends_with("with-descriptor") { DescriptorPolicy::Send } else { DescriptorPolicy::Omit };
    // An image without its Descriptor is read as one that was stripped of it.
    Some(CapFile::parse(&image).unwrap().to_load_file(policy).unwrap())
}

#[test]
fn published_dap_signatures_are_over_the_hash() {
    let domain = aid("A0000000D1");
    for (dap, cap) in [("empty", "empty-no-descriptor"), ("helloworld", "helloworld-with-descriptor")] {
        let (Some(file), Some(v)) = (load_file(cap), published(&format!("dap-rsa1024-sha1-{dap}"))) else { return };
        let signature = bytes(&v["expected"]["signature"]);
        let hash = file.hash(HashAlgorithm::Sha1);
        assert_eq!(hash.to_string(), v["inputs"]["lfdb_sha1"].as_str().unwrap());
        assert!(verify_rsa(&v, hash.as_bytes(), &signature));
        assert!(!verify_rsa(&v, file.data_block(), &signature), "it is not over the data block itself");

        let Some(v) = published(&format!("dap-aes-cmac-{dap}")) else { return };
        let mut keys = SoftwareKeys::new();
        keys.insert("dap", KeyKind::Aes, &bytes(&v["inputs"]["dap_key"])).unwrap();
        // Behind the RSA one: each of two security domains verifies its own.
        let file = file.with_dap_block(aid("A0000000D2"), &signature);
        assert_eq!(file.hash(HashAlgorithm::Sha256).to_string(), v["inputs"]["lfdb_sha256"].as_str().unwrap());
        let key = KeyRef::new("dap");
        let signed = procedure::sign_load_file(&mut keys, &key, domain, file, HashAlgorithm::Sha256);
        let signed = now(signed).unwrap();
        let blocks: Vec<_> = Reader::new(signed.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(blocks.iter().map(|block| block.tag.0).collect::<Vec<_>>(), [0xE2, 0xE2, 0xC4]);
        let expected = v["expected"]["signature"].as_str().unwrap();
        assert_eq!(hex(blocks[1].value), format!("4F05A0000000D1C310{expected}"));
        assert!(signed.has_dap_blocks());
    }
}

#[test]
fn key_data_fields() {
    let kcv = |text: &str| {
        let bytes = hex::decode(text).unwrap();
        Some(KeyCheckValue([bytes[0], bytes[1], bytes[2]]))
    };
    let key = hex::decode("A1A2A3A4".repeat(4)).unwrap();
    if let Some(v) = published("putkey-keydata-basic") {
        let field = |kind, block: &[u8], kcv| KeyDataField::new(vec![KeyComponent::enciphered(kind, block)], kcv);
        let fields = [
            field(KeyComponent::DES, &key, kcv("51BBED")),
            field(KeyComponent::AES, &key, kcv("179672")),
            field(0x50, &key[..4], None),
        ];
        let data: Vec<u8> = fields.iter().flat_map(KeyDataField::to_bytes).collect();
        assert_eq!(hex(&data), v["expected"]["data"].as_str().unwrap());
    }
    let modulus = [0xAB; 128];
    let rsa = KeyDataField::rsa_public(&modulus, &[1, 0, 1]);
    let put = |keys| PutKeyFields { replace: None, kvn: 0x73, first_kid: 1, keys };
    let command = put(vec![rsa.clone()]).command().unwrap();
    assert_eq!(apdu(&command), format!("80D800018A73A18180{}A00301000100{}", "AB".repeat(128), "00"));
    // No check value: the answer is the version alone (GPCS 2.3.1 11.8.3.1).
    assert!(put(vec![rsa.clone()]).verify(&[0x73]).is_ok());
    assert!(put(vec![rsa]).verify(&[0x73, 1, 2, 3]).is_err());
    let large = put(vec![KeyDataField::rsa_public(&[0xAB; 256], &[1, 0, 1])]).command().unwrap();
    assert_eq!(large.nc(), 267);
    let mut point = [0x77; 65];
    point[0] = 0x04;
    let ecc = KeyDataField::ecc_public(&point, 0x00).unwrap();
    assert_eq!(hex(&ecc.to_bytes()), format!("B04104{}F0010000", "77".repeat(64)));
    point[0] = 0x02;
    assert!(matches!(KeyDataField::ecc_public(&point, 0), Err(Error::Structure { offset: 0, .. })));
    let exponent = KeyComponent::enciphered_with_length(KeyComponent::RSA_PRIVATE_EXPONENT, 130, &[0xEE; 144]);
    let private = hex(&KeyDataField::rsa_private(&modulus, exponent).to_bytes());
    assert!(private.contains(&format!("A381928182{}", "EE".repeat(144))), "{private}");
    // The extended format (table 11-69): types of two bytes, then usage and access.
    let dap = KeyDataField::new(vec![KeyComponent::enciphered(KeyComponent::AES, &key)], kcv("179672"));
    let extended = hex(&dap.with_use(KeyUse::DAP).to_bytes());
    assert_eq!(extended, format!("FF8810{}031796720184{}", hex(&key), "0101"));
}

#[test]
fn keys_in_data_groups() {
    for (id, first_kid, kvn, key_use) in [
        ("storedata-keys-aes128", 1, 1, KeyUse { usage: 0x0003, access: 0x01 }),
        ("storedata-keys-aes256", 1, 2, KeyUse { usage: 0x0003, access: 0x00 }),
        ("storedata-keys-dap", 1, 1, KeyUse { usage: 0x7003, access: 0x00 }),
    ] {
        let Some(v) = published(id) else { return };
        let mut service = SoftwareKeys::new();
        service.insert("dek", KeyKind::Aes, &bytes(&v["inputs"]["dek"])).unwrap();
        let mut wrapped = Vec::new();
        for key in v["inputs"]["keys"].as_array().unwrap() {
            service.insert("key", KeyKind::Aes, &bytes(key)).unwrap();
            let under = KeyEncryptionKey::Static(KeyRef::new("dek"));
            let request = KeyRequest::Wrap { key: KeyRef::new("key"), under };
            wrapped.push(service.answer(&request).unwrap().into_wrapped().unwrap());
        }
        let groups = KeyGroups::symmetric(kvn, first_kid, key_use, &wrapped, KeyTemplates::Shared).unwrap();
        assert_eq!(hex(groups.as_bytes()), v["expected"]["store_data"].as_str().unwrap(), "{id}");
    }
    let aes = |length| WrappedKey {
        kind: KeyKind::Aes,
        length,
        cipher: vec![0xEE; length.next_multiple_of(16)],
        kcv: KeyCheckValue([1, 2, 3]),
    };
    // GPCS 2.3.1 tables 11-92 and 11-93.
    let groups = KeyGroups::symmetric(0x73, 1, KeyUse::DAP, &[aes(24)], KeyTemplates::Each).unwrap();
    let template = "B9179501849601018001888101188201018301738403010203";
    assert_eq!(hex(groups.as_bytes()), format!("00B919{template}811320{}", "EE".repeat(32)));
    let command = &groups.store_data().commands(255).unwrap()[0];
    // DGI format, encryption as the application knows, no response.
    assert_eq!(command.to_bytes().unwrap()[..4], [0x80, 0xE2, 0xA8, 0x00]);
    let mixed = KeyGroups::symmetric(0x73, 1, KeyUse::DAP, &[aes(16), aes(32)], KeyTemplates::Shared);
    assert!(matches!(mixed, Err(Error::Structure { offset: 1, .. })));
    // An RSA key of 2048 bits goes over two commands.
    let rsa = KeyGroups::rsa_public(0x73, 1, KeyUse::TOKEN, &[0xAB; 256], &[1, 0, 1]).unwrap();
    let text = hex(rsa.as_bytes());
    let templates = "B9139501819601018001A181020100820101830173B9129501819601018001A0810103820101830173";
    assert_eq!(&text[..6 + templates.len()], format!("00B929{templates}"));
    assert!(text[6 + templates.len()..].starts_with("0010FF0100AB") && text.ends_with("001103010001"));
    assert_eq!(rsa.store_data().commands(239).unwrap().len(), 2);
    let mut point = [0x77; 65];
    point[0] = 0x04;
    let ecc = hex(KeyGroups::ecc_public(0x73, 1, KeyUse::DAP, &point, 3).unwrap().as_bytes());
    assert!(ecc.starts_with("00B91CB9129501849601018001B0810141820101830173B9068001F0850103003641"), "{ecc}");
    // Tables 11-96 to 11-99.
    let template = |kind: &str, length: &str| {
        let body = format!("9501449601018001{kind}{length}82010183010173").replace("83010173", "830173");
        format!("B9{:02X}{body}", body.len() / 2)
    };
    let exponent = KeyGroups::rsa_private(0x73, 1, KeyUse::RECEIPT, &[0xAB; 256], &[0xCD; 256]).unwrap();
    let description = template("A1", "81020100") + &template("A3", "81020100");
    let length = description.len() / 2;
    assert_eq!(
        hex(exponent.as_bytes()),
        format!("00B9{length:02X}{description}0010FF0100{}8112FF0100{}", "AB".repeat(256), "CD".repeat(256))
    );
    let parts: [[u8; 2]; 5] = [[1; 2], [2; 2], [3; 2], [4; 2], [5; 2]];
    let [p, q, q_inverse, d_p, d_q] = &parts;
    let crt = RsaCrt { length: 128, p, q, q_inverse, d_p, d_q };
    let groups = KeyGroups::rsa_private_crt(0x73, 1, KeyUse::RECEIPT, &crt).unwrap();
    let description: String = ["A6", "A8", "A7", "A5", "A4"].iter().map(|kind| template(kind, "810180")).collect();
    let length = description.len() / 2;
    assert_eq!(
        hex(groups.as_bytes()),
        format!("00B9{length:02X}{description}8121020303812202050581230204048124020202812502 0101").replace(' ', "")
    );
    let component = |kind| KeyComponent::enciphered(kind, &[kind; 8]);
    let field = KeyDataField::rsa_private_crt([0xA4, 0xA5, 0xA6, 0xA7, 0xA8].map(component)).to_bytes();
    let expected: String =
        ["A4", "A5", "A6", "A7", "A8"].iter().map(|kind| format!("{kind}08{}", kind.repeat(8))).collect();
    assert_eq!(hex(&field), expected + "00");
    let private = KeyGroups::ecc_private(0x73, 1, KeyUse::RECEIPT, 32, &[0xEE; 32], 3).unwrap();
    assert!(hex(private.as_bytes()).ends_with(&format!("813720{}", "EE".repeat(32))));
    assert!(matches!(KeyGroups::ecc_public(1, 1, KeyUse::DAP, &point[1..], 3), Err(Error::Structure { .. })));
    assert!(matches!(KeyGroups::ecc_public(0, 1, KeyUse::DAP, &point, 3), Err(Error::KeyVersion { kvn: 0 })));
}

#[test]
fn manage_channel() {
    assert_eq!(apdu(&command::open_channel(None).unwrap()), "0070000001");
    assert_eq!(apdu(&command::open_channel(Some(19)).unwrap()), "00700013");
    assert_eq!(apdu(&command::close_channel(4).unwrap()), "00708004");
    assert_eq!(command::opened_channel(&[0x13]).unwrap(), 19);
    for answer in [&[][..], &[0], &[20], &[1, 1]] {
        assert!(command::opened_channel(answer).is_err(), "{answer:?}");
    }
    for number in [0, 20] {
        assert!(matches!(command::close_channel(number), Err(Error::LogicalChannel { .. })), "{number}");
        assert!(matches!(command::open_channel(Some(number)), Err(Error::LogicalChannel { .. })), "{number}");
    }
    let on_four = command::get_status(command::Scope::Applications, None, false);
    let class = on_four.class().on_channel(4).unwrap();
    assert_eq!(apdu(&on_four.with_class(class)), "C0F24002024F0000");
}
