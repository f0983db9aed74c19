//! Load files that are signed, or enciphered, for a security domain of the card.

use cardwright::apdu::{Aid, block_on};
use cardwright::gp::command::{KeyDataField, KeyUse};
use cardwright::gp::load_file::HashAlgorithm;
use cardwright::gp::procedure;
use cardwright::gp::{Error, LoadFile, Privileges};
use cardwright::keys::KeyRef;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, Pss, RsaPrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::setup::{DAP_KEY, EC_DAP, Host, LOAD_FILE_KEY, PROTOCOLS, domain, keys, load_file, status};
use crate::support::{SCP03, aid};

const ALGORITHM: HashAlgorithm = HashAlgorithm::Sha384;

fn signed(key: &str, domain: Aid, file: LoadFile) -> LoadFile {
    block_on(procedure::sign_load_file(&mut keys(), &KeyRef::new(key), domain, file, ALGORITHM)).unwrap()
}

/// With another last byte of the signature.
fn wrong(domain: Aid, signature: &[u8]) -> LoadFile {
    let mut signature = signature.to_vec();
    *signature.last_mut().unwrap() ^= 1;
    load_file().with_dap_block(domain, &signature)
}

fn signature(key: &str) -> Vec<u8> {
    let hash = load_file().hash(ALGORITHM).as_bytes().to_vec();
    block_on(procedure::sign(&mut keys(), &KeyRef::new(key), hash)).unwrap()
}

/// Into a security domain with DAP Verification, whose key is `put`: signed it is loaded, else not.
fn accepted_signed_only(host: &mut Host, genuine: &[u8]) {
    let refused = [
        (load_file(), 0x6985),
        (wrong(domain(), genuine), 0x6982),
        (load_file().with_dap_block(aid("A0000000EE"), genuine), 0x6A88),
        (load_file().with_dap_block(host.reader.card().isd_aid(), genuine), 0x6985),
    ];
    for (file, sw) in refused {
        assert_eq!(status(host.load(Some(domain()), &file, &[])).0, sw);
        assert!(!host.reader.card().registry().iter().any(|entry| entry.aid == file.aid()));
    }
    host.load(Some(domain()), &load_file().with_dap_block(domain(), genuine), &[]).unwrap();
    assert_eq!(host.domain_of(load_file().aid()), Some(domain()));
}

fn with_dap_key(protocol: cardwright_sim::SecureChannelProtocol, put: impl FnOnce(&mut Host)) -> Host {
    let mut host = Host::with_domain(protocol, Privileges::DAP_VERIFICATION);
    put(&mut host);
    host.enter(None);
    host
}

#[test]
fn a_load_file_signed_with_a_symmetric_key_is_loaded_and_no_other() {
    for protocol in PROTOCOLS {
        for name in ["dap-aes", "dap-des"] {
            let mut host = with_dap_key(protocol, |host| host.put_key(DAP_KEY, name));
            accepted_signed_only(&mut host, &signature(name));
        }
    }
}

#[test]
fn a_load_file_signed_on_a_curve_is_loaded_and_no_other() {
    for protocol in PROTOCOLS {
        let key = p384::ecdsa::SigningKey::from_slice(&EC_DAP).unwrap();
        let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let public = KeyDataField::ecc_public(&point, 0x01).unwrap().with_use(KeyUse::DAP);
        let mut host = with_dap_key(protocol, |host| host.put_field(DAP_KEY, public));
        accepted_signed_only(&mut host, &signature("dap-ec"));
    }
}

/// RSA by both schemes: PKCS #1 1.5 with SHA-1 at 1024 bits, PSS with SHA-256 above (GPCS 2.3.1 B.3).
#[test]
fn a_load_file_signed_with_rsa_is_loaded_and_no_other() {
    let hash = load_file().hash(ALGORITHM).as_bytes().to_vec();
    for bits in [1024, 2048] {
        let mut random = ChaCha8Rng::seed_from_u64(bits as u64);
        let key = RsaPrivateKey::new(&mut random, bits).unwrap();
        let genuine = if bits == 1024 {
            let prefix = hex::decode("3021300906052B0E03021A05000414").unwrap();
            let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: prefix.into() };
            key.sign(scheme, &Sha1::digest(&hash)).unwrap()
        } else {
            key.sign_with_rng(&mut random, Pss::<Sha256>::new(), &Sha256::digest(&hash)).unwrap()
        };
        let (modulus, exponent) = (key.n().to_be_bytes_trimmed_vartime(), key.e().to_be_bytes_trimmed_vartime());
        // Above 255 bytes PUT KEY is a chain.
        let public = KeyDataField::rsa_public(&modulus, &exponent);
        let mut host = with_dap_key(SCP03, |host| host.put_field(DAP_KEY, public));
        accepted_signed_only(&mut host, &genuine);
    }
}

#[test]
fn where_a_verification_authority_is_on_the_card_nothing_is_loaded_without_its_signature() {
    for protocol in PROTOCOLS {
        let mut host = Host::with_domain(protocol, Privileges::MANDATED_DAP_VERIFICATION);
        host.put_key(DAP_KEY, "dap-aes");
        host.enter(None);
        let sw = |host: &mut Host, file: &LoadFile| status(host.load(None, file, &[])).0;
        assert_eq!(sw(&mut host, &load_file()), 0x6985);
        assert_eq!(sw(&mut host, &wrong(domain(), &signature("dap-aes"))), 0x6982);
        assert_eq!(sw(&mut host, &signed("dap-des", domain(), load_file())), 0x6982);
        host.load(None, &signed("dap-aes", domain(), load_file()), &[]).unwrap();
    }
}

/// Both the provider's and the authority's signature are verified.
#[test]
fn each_security_domain_verifies_its_own_dap_block() {
    let authority = aid("A0000000D102");
    let mut host = with_dap_key(SCP03, |host| host.put_key(DAP_KEY, "dap-aes"));
    host.install_domain(authority, Privileges::MANDATED_DAP_VERIFICATION).unwrap();
    host.give_own_keys(authority);
    host.enter(Some(authority));
    host.put_key(DAP_KEY, "dap-des");
    host.enter(None);
    let one = signed("dap-aes", domain(), load_file());
    assert_eq!(status(host.load(Some(domain()), &one, &[])).0, 0x6985);
    assert_eq!(status(host.load(Some(domain()), &signed("dap-des", authority, load_file()), &[])).0, 0x6985);
    let swapped = signed("dap-des", domain(), signed("dap-aes", authority, load_file()));
    assert_eq!(status(host.load(Some(domain()), &swapped, &[])).0, 0x6982);
    host.load(Some(domain()), &signed("dap-des", authority, one), &[]).unwrap();
}

#[test]
fn an_enciphered_load_file_is_deciphered_by_the_card() {
    let cipher = |key: &str, icv: Option<&[u8]>| -> Result<LoadFile, Error> {
        block_on(procedure::cipher_load_file(&mut keys(), &KeyRef::new(key), load_file(), icv))
    };
    for protocol in PROTOCOLS {
        for (key, icv) in [("load-file", &[7; 16][..]), ("load-file-des", &[7; 8])] {
            let mut host = Host::with_domain(protocol, Privileges::CIPHERED_LOAD_FILE_DATA_BLOCK);
            host.put_key(LOAD_FILE_KEY, key);
            host.enter(None);
            // It takes nothing in clear, and nothing that another key enciphered.
            assert_eq!(status(host.load(Some(domain()), &load_file(), &[])).0, 0x6A80);
            let other = if key == "load-file" { "own-aes" } else { "own-des" };
            assert!(matches!(
                status(host.load(Some(domain()), &cipher(other, Some(icv)).unwrap(), &[])).0,
                0x6A80 | 0x6985
            ));
            // Nor does a security domain without the privilege take an enciphered one.
            assert_eq!(status(host.load(None, &cipher(key, Some(icv)).unwrap(), &[])).0, 0x6A80);
            host.load(Some(domain()), &cipher(key, Some(icv)).unwrap(), &[]).unwrap();
            assert!(
                block_on(procedure::delete(&mut host.reader, &mut host.opened.channel, &load_file().aid(), true))
                    .unwrap()
            );
            host.load(Some(domain()), &cipher(key, None).unwrap(), &[]).unwrap();
        }
    }
}
