//! Delegated management: a provider's security domain manages content with tokens of the issuer, which gets receipts.

use cardwright::apdu::block_on;
use cardwright::gp::command::{
    Delete, InstallForExtradition, InstallForInstall, InstallForLoad, InstallForRegistryUpdate, KeyDataField, KeyUse,
    SignatureReference,
};
use cardwright::gp::load_file::HashAlgorithm;
use cardwright::gp::procedure;
use cardwright::gp::{Confirmation, Error, Privileges, ReceiptSubject};
use cardwright::keys::signature::{PublicKey, RsaPublicKey};
use cardwright::keys::{EcCurve, EcPublicKey, KeyRef};
use p256::ecdsa::signature::Signer;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::Sha1;
use sha2::Digest;

use crate::setup::{EC_TOKEN, Host, PROTOCOLS, RECEIPT_KEY, TOKEN_KEY, domain, keys, load_file, status};
use crate::support::{aid, instance};

fn token(key: &str, input: Result<Vec<u8>, Error>) -> Vec<u8> {
    block_on(procedure::sign(&mut keys(), &KeyRef::new(key), input.unwrap())).unwrap()
}

fn token_on_a_curve() -> KeyDataField {
    let key = p256::ecdsa::SigningKey::from_slice(&EC_TOKEN).unwrap();
    let point = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    KeyDataField::ecc_public(&point, 0x00).unwrap().with_use(KeyUse::TOKEN)
}

fn assert_receipt(receipt: &str, confirmation: Option<&Confirmation>, counter: u16, subject: &ReceiptSubject<'_>) {
    let confirmation = confirmation.expect("the card confirms");
    assert_eq!((confirmation.counter, &confirmation.domain[..]), (counter, &[0x42, 0x01, 0x45, 0x02, 0x03][..]));
    let mut keys = keys();
    let key = KeyRef::new(receipt);
    block_on(procedure::verify_receipt(&mut keys, &key, confirmation, subject)).unwrap();
    // Of nothing else.
    let other = ReceiptSubject::Delete { object: aid("A0000000EE") };
    assert!(matches!(
        block_on(procedure::verify_receipt(&mut keys, &key, confirmation, &other)),
        Err(Error::Card { .. })
    ));
    let mut changed = confirmation.clone();
    changed.receipt[0] ^= 1;
    assert!(block_on(procedure::verify_receipt(&mut keys, &key, &changed, subject)).is_err());
}

/// A card with token and receipt keys, in a channel to a security domain with Delegated Management.
fn setup(protocol: cardwright_sim::SecureChannelProtocol, token: &str, receipt: &str) -> Host {
    let mut host = Host::with_domain(protocol, Privileges::DELEGATED_MANAGEMENT);
    host.enter(None);
    match token {
        "token-ec" => host.put_field(TOKEN_KEY, token_on_a_curve()),
        symmetric => host.put_key(TOKEN_KEY, symmetric),
    }
    host.put_key(RECEIPT_KEY, receipt);
    host.enter(Some(domain()));
    host
}

#[test]
fn a_provider_loads_installs_and_deletes_with_tokens_and_the_issuer_gets_receipts() {
    for protocol in PROTOCOLS {
        for (key, receipt) in [("token-ec", "receipt-aes"), ("token-aes", "receipt-des")] {
            let mut host = setup(protocol, key, receipt);
            let file = load_file();
            let hash = file.hash(HashAlgorithm::Sha384);
            let load = InstallForLoad::new(file.aid(), None).with_hash(hash.as_bytes());
            let right = token(key, load.token_input());
            let mut wrong = right.clone();
            wrong[5] ^= 1;
            assert_eq!(status(host.load(None, &file, &[])).0, 0x6985);
            assert_eq!(status(host.load(None, &file, &wrong)).0, 0x6982);
            // A token for another command.
            let other = InstallForLoad::new(file.aid(), Some(domain())).with_hash(hash.as_bytes());
            assert_eq!(status(host.load(None, &file, &token(key, other.token_input()))).0, 0x6982);
            let confirmation = host.load(None, &file, &right).unwrap();
            let subject = ReceiptSubject::Load { load_file: file.aid(), security_domain: domain() };
            assert_receipt(receipt, confirmation.as_ref(), 0, &subject);

            let reference =
                SignatureReference { token_identifier: &[7, 8], ..SignatureReference::default() }.to_bytes();
            let install = InstallForInstall { system_parameters: &reference, ..host.install() };
            let right = token(key, install.token_input_and_make_selectable());
            let manage = |host: &mut Host, install: &InstallForInstall<'_>| {
                let command = install.and_make_selectable().unwrap();
                block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command))
            };
            assert_eq!(status(manage(&mut host, &install)).0, 0x6985);
            // The token is for these privileges.
            let changed = InstallForInstall { privileges: Privileges::CARD_LOCK, token: &right, ..install.clone() };
            assert_eq!(status(manage(&mut host, &changed)).0, 0x6982);
            let confirmation = manage(&mut host, &InstallForInstall { token: &right, ..install }).unwrap();
            assert_eq!(confirmation.as_ref().unwrap().token_identifier, [7, 8]);
            let subject = ReceiptSubject::Install { load_file: file.aid(), application: instance() };
            assert_receipt(receipt, confirmation.as_ref(), 1, &subject);

            let objects = [file.aid()];
            let delete = Delete::new(&objects, true);
            let bare = block_on(host.opened.channel.transmit(&mut host.reader, &delete.command().unwrap())).unwrap();
            assert_eq!(bare.sw().0, 0x6985);
            let right = token(key, delete.token_input());
            let command = Delete { token: &right, ..delete }.command().unwrap();
            let confirmation =
                block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command)).unwrap();
            assert_receipt(receipt, confirmation.as_ref(), 2, &ReceiptSubject::Delete { object: file.aid() });
            assert!(!host.reader.card().registry().iter().any(|entry| entry.aid == file.aid()));
        }
    }
}

#[test]
fn extradition_and_registry_update_have_tokens_and_receipts_as_well() {
    for protocol in PROTOCOLS {
        let mut host = setup(protocol, "token-ec", "receipt-aes");
        let file = load_file();
        let hash = file.hash(HashAlgorithm::Sha384);
        let load = InstallForLoad::new(file.aid(), None).with_hash(hash.as_bytes());
        host.load(None, &file, &token("token-ec", load.token_input())).unwrap();
        let isd = host.reader.card().isd_aid();
        let extradition = InstallForExtradition::new(file.aid(), isd);
        let right = token("token-ec", extradition.token_input());
        let command = InstallForExtradition { token: &right, ..extradition }.command().unwrap();
        let confirmation = block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command)).unwrap();
        let subject = ReceiptSubject::Extradition { from: domain(), object: file.aid(), to: isd };
        assert_receipt("receipt-aes", confirmation.as_ref(), 1, &subject);
        assert_eq!(host.reader.card().registry().iter().find(|entry| entry.aid == file.aid()).unwrap().domain, isd);

        let privileges = Privileges::DELEGATED_MANAGEMENT | Privileges::CARD_LOCK;
        let parameters = [0xEF, 0x03, 0xCF, 0x01, 0x40];
        let update = InstallForRegistryUpdate {
            application: Some(domain()),
            privileges: Some(privileges),
            parameters: &parameters,
            ..InstallForRegistryUpdate::default()
        };
        // The security domain is associated with the issuer's: not in its own hands.
        let right = token("token-ec", update.token_input());
        let command = InstallForRegistryUpdate { token: &right, ..update.clone() }.command().unwrap();
        let refused = block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command));
        assert_eq!(status(refused).0, 0x6985);
        host.enter(None);
        let alone = InstallForExtradition::new(domain(), domain()).command().unwrap();
        block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &alone)).unwrap();
        host.enter(Some(domain()));
        let confirmation = block_on(procedure::manage(&mut host.reader, &mut host.opened.channel, &command)).unwrap();
        let subject = ReceiptSubject::RegistryUpdate {
            from: None,
            application: Some(domain()),
            to: None,
            privileges: Some(privileges),
            parameters: &parameters,
        };
        assert_receipt("receipt-aes", confirmation.as_ref(), 2, &subject);
    }
}

/// The issuer's own commands need no token, and the card refuses one (GPCS 2.3.1 9.2.3).
#[test]
fn the_issuer_needs_no_token_and_may_send_none() {
    let mut host = setup(PROTOCOLS[1], "token-aes", "receipt-aes");
    host.enter(None);
    let file = load_file();
    let hash = file.hash(HashAlgorithm::Sha384);
    let load = InstallForLoad::new(file.aid(), None).with_hash(hash.as_bytes());
    assert_eq!(status(host.load(None, &file, &token("token-aes", load.token_input()))).0, 0x6A80);
    assert!(host.load(None, &file, &[]).unwrap().is_none());
}

/// Receipts of RSA and ECC keys (GPCS 2.3.1 table C-1), signed as the standard says by other means than ours.
#[test]
fn receipts_of_public_keys_vouch_for_what_was_done_and_nothing_else() {
    let (object, data) = (aid("A0000000F3"), hex::decode("0200050442454245").unwrap());
    let input = [&data[..], &[object.as_bytes().len() as u8], object.as_bytes()].concat();

    let ec = p256::ecdsa::SigningKey::from_slice(&EC_TOKEN).unwrap();
    let signature: p256::ecdsa::Signature = ec.sign(&input);
    let point = ec.verifying_key().to_sec1_point(false);
    let public = EcPublicKey::new(EcCurve::P256, point.as_bytes()).unwrap();
    let mut receipts = vec![(PublicKey::Ec(public), signature.to_bytes().to_vec())];
    // A receipt has at most 255 bytes (GPCS 2.3.1 table 11-13), so that no longer key than one of 2040 bits can make any.
    let rsa = RsaPrivateKey::new(&mut ChaCha8Rng::seed_from_u64(1024), 1024).unwrap();
    let prefix = hex::decode("3021300906052B0E03021A05000414").unwrap();
    let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: prefix.into() };
    let signature = rsa.sign(scheme, &Sha1::digest(&input)).unwrap();
    let (modulus, exponent) = (rsa.n().to_be_bytes_trimmed_vartime(), rsa.e().to_be_bytes_trimmed_vartime());
    receipts.push((PublicKey::Rsa(RsaPublicKey::new(&modulus, &exponent).unwrap()), signature));

    for (n, (key, receipt)) in receipts.iter().enumerate() {
        let length = |bytes: usize| if bytes < 0x80 { vec![bytes as u8] } else { vec![0x81, bytes as u8] };
        let body = [&length(receipt.len())[..], receipt, &data].concat();
        let confirmation = Confirmation::parse(&[&length(body.len())[..], &body].concat()).unwrap().unwrap();
        let verify = |confirmation: &Confirmation, object| {
            procedure::verify_receipt_with(key, confirmation, &ReceiptSubject::Delete { object })
        };
        verify(&confirmation, object).unwrap();
        assert!(verify(&confirmation, aid("A0000000F4")).is_err(), "another object");
        for at in [0, receipt.len() / 2, receipt.len() - 1] {
            let mut changed = confirmation.clone();
            changed.receipt[at] ^= 1;
            assert!(verify(&changed, object).is_err(), "byte {at}");
        }
        let mut none = confirmation.clone();
        none.receipt.clear();
        assert!(verify(&none, object).is_err());
        let (other, _) = &receipts[(n + 1) % receipts.len()];
        assert!(procedure::verify_receipt_with(other, &confirmation, &ReceiptSubject::Delete { object }).is_err());
    }
}
