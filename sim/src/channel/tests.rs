//! The recorded sessions, from the card's side.

use cardwright_apdu::{CommandApduRef, ResponseApdu};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    i: String,
    security_level: String,
    key_enc: String,
    key_mac: String,
    key_dek: String,
    selected_aid: Option<String>,
    sequence_counter: Option<String>,
    host_challenge: String,
    initialize_update_response: String,
    session_dek: Option<String>,
    card_cryptogram: String,
    host_cryptogram: String,
    external_authenticate: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    plain: String,
    wrapped: String,
    response_plain: Option<String>,
    response: Option<String>,
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap()
}

fn vectors(prefix: &str) -> Vec<Vector> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../gp/tests/data/sessions.json");
    let vectors: Vectors = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let chosen: Vec<_> = vectors.vectors.into_iter().filter(|vector| vector.id.starts_with(prefix)).collect();
    assert!(chosen.len() >= 3, "{prefix}: {} vectors", chosen.len());
    chosen
}

fn replay(vector: &Vector, protocol: ProtocolHandshake, dek: Dek) {
    let handshake = Handshake { owner: None, key_version: 1, protocol, dek };
    let level = bytes(&vector.security_level)[0];
    let command = bytes(&vector.external_authenticate);
    let verdict = handshake.authenticate(&CommandApduRef::parse(&command).unwrap(), level);
    assert!(verdict.cryptogram_valid && verdict.mac_valid, "{}", vector.id);
    let mut session = verdict.session.unwrap();
    for (number, step) in vector.steps.iter().enumerate() {
        let wrapped = bytes(&step.wrapped);
        let plain = session.unwrap(&CommandApduRef::parse(&wrapped).unwrap());
        let plain = plain.unwrap_or_else(|| panic!("{} step {number}", vector.id));
        assert_eq!(plain.to_bytes().unwrap(), bytes(&step.plain), "{} step {number}", vector.id);
        if let (Some(response_plain), Some(response)) = (&step.response_plain, &step.response) {
            let answer = session.wrap(&plain, ResponseApdu::parse(&bytes(response_plain)).unwrap());
            assert_eq!(answer.to_bytes(), bytes(response), "{} step {number}", vector.id);
        }
    }
}

fn scp02(vector: &Vector, i: u8) -> scp02::Handshake {
    let response = bytes(&vector.initialize_update_response);
    let counter = u16::from_be_bytes(array(&response[12..14]));
    let key = |text: &str| array(&bytes(text));
    let keys = [key(&vector.key_enc), key(&vector.key_mac), key(&vector.key_dek)];
    scp02::Handshake {
        i,
        keys: scp02::SessionKeys::derive(&keys, counter),
        later: scp02::SessionKeys::derive(&keys, counter + 1),
        host_challenge: array(&bytes(&vector.host_challenge)),
        counter,
        card_challenge: array(&response[14..20]),
    }
}

#[test]
fn scp02_sessions_are_reproduced() {
    for vector in &vectors("scp02-") {
        let handshake = scp02(vector, bytes(&vector.i)[0]);
        assert_eq!(handshake.card_cryptogram().to_vec(), bytes(&vector.card_cryptogram), "{}", vector.id);
        assert_eq!(handshake.host_cryptogram().to_vec(), bytes(&vector.host_cryptogram), "{}", vector.id);
        let dek = handshake.keys.dek;
        assert_eq!(dek.to_vec(), bytes(vector.session_dek.as_ref().unwrap()));
        replay(vector, ProtocolHandshake::Scp02(Box::new(handshake)), Dek::TripleDes(dek));
    }
}

#[test]
fn scp01_sessions_are_reproduced() {
    for vector in &vectors("scp01-") {
        let response = bytes(&vector.initialize_update_response);
        let (enc, mac) = (array(&bytes(&vector.key_enc)), array(&bytes(&vector.key_mac)));
        let (host, card) = (array(&bytes(&vector.host_challenge)), array(&response[12..20]));
        let handshake = scp01::Handshake::new(0x05, &enc, &mac, host, card);
        assert_eq!(handshake.card_cryptogram().to_vec(), bytes(&vector.card_cryptogram), "{}", vector.id);
        assert_eq!(handshake.host_cryptogram().to_vec(), bytes(&vector.host_cryptogram), "{}", vector.id);
        replay(vector, ProtocolHandshake::Scp01(Box::new(handshake)), Dek::TripleDes(array(&bytes(&vector.key_dek))));
    }
}

#[test]
fn scp03_sessions_are_reproduced() {
    for vector in &vectors("scp03-") {
        let response = bytes(&vector.initialize_update_response);
        let length = if vector.id.starts_with("scp03-s16") { 16 } else { 8 };
        let card_challenge = &response[13..13 + length];
        let (enc, mac) = (bytes(&vector.key_enc), bytes(&vector.key_mac));
        let (aid, counter) = (vector.selected_aid.as_ref().unwrap(), vector.sequence_counter.as_ref().unwrap());
        let key_enc = crate::crypto::Aes::new(&enc).unwrap();
        assert_eq!(scp03::card_challenge(&key_enc, length, array(&bytes(counter)), &bytes(aid)), card_challenge);
        let host_challenge = bytes(&vector.host_challenge);
        let handshake = scp03::Handshake::new(&enc, &mac, &host_challenge, card_challenge).unwrap();
        assert_eq!(handshake.card_cryptogram().to_vec(), bytes(&vector.card_cryptogram), "{}", vector.id);
        assert_eq!(handshake.host_cryptogram().to_vec(), bytes(&vector.host_cryptogram), "{}", vector.id);
        replay(vector, ProtocolHandshake::Scp03(Box::new(handshake)), Dek::Aes(bytes(&vector.key_dek)));
    }
}

#[test]
fn a_wrong_cryptogram_and_a_wrong_mac_are_told_apart() {
    let vector = &vectors("scp02-i15-level0")[1];
    let command = bytes(&vector.external_authenticate);
    let judge = |changed: usize| {
        let mut command = command.clone();
        command[changed] ^= 1;
        let protocol = ProtocolHandshake::Scp02(Box::new(scp02(vector, 0x15)));
        let handshake = Handshake { owner: None, key_version: 1, protocol, dek: Dek::TripleDes([0; 16]) };
        let verdict = handshake.authenticate(&CommandApduRef::parse(&command).unwrap(), 0x01);
        assert!(verdict.session.is_none());
        (verdict.cryptogram_valid, verdict.mac_valid)
    };
    assert_eq!(judge(5), (false, false));
    assert_eq!(judge(20), (true, false));
}
