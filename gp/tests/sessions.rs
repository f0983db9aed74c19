//! Whole secure channel sessions: every byte that the host sends, and every response that it reads.
//!
//! `data/sessions.json` was computed by an independent model written from the specifications ("origin" in the file).
//! Published sessions lie outside the project; their test skips where the file is absent.

mod support;

use cardwright_apdu::{CommandApdu, ResponseApdu};
use cardwright_gp::channel::{HostChallenge, ImplicitInitiation, InitializeUpdate, NotVerified, Verified};
use cardwright_gp::{CardFault, CardProfile, ChallengePolicy, Error, SecureChannel, SecurityLevel};
use cardwright_keys::cipher::Tdes;
use cardwright_keys::{KeyKind, KeyRef, KeyService, KeySet, KeyValue, SoftwareKeys, scp02};
use serde_json::Value;

fn sessions() -> Vec<Value> {
    support::vectors(include_bytes!("data/sessions.json"))
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_else(|| panic!("{}: no {name}", vector["id"]))
}

fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    hex::decode(text(vector, name)).unwrap()
}

/// Runs the session up to the point where the vector disagrees with the library.
fn run(v: &Value, keys: [Vec<u8>; 3], policy: ChallengePolicy) -> Result<usize, String> {
    let kind = if text(v, "protocol") == "SCP03" { KeyKind::Aes } else { KeyKind::Tdes };
    let mut service = SoftwareKeys::new();
    for (name, value) in ["enc", "mac", "dek"].iter().zip(&keys) {
        service.insert(*name, kind, value).unwrap();
    }
    let set = KeySet { enc: KeyRef::new("enc"), mac: KeyRef::new("mac"), dek: KeyRef::new("dek") };
    let (state, _) = InitializeUpdate::new(0, challenge(v));
    let answer = ResponseApdu::parse(&bytes(v, "initialize_update_response")).unwrap();
    let mut answer = state.handle_response(&answer).map_err(|error| error.to_string())?;
    if let Some(i) = v["i"].as_str() {
        answer = answer.with_i(u8::from_str_radix(i, 16).unwrap());
        assert_eq!(answer.i(), u8::from_str_radix(i, 16).unwrap(), "{}", v["id"]);
    }
    if let Some(aid) = v["selected_aid"].as_str() {
        answer = answer.with_challenge_policy(policy, &hex::decode(aid).unwrap());
    }
    let session = service.answer(&answer.key_request(&set)).unwrap().into_session().unwrap();
    let keys = &session.keys;
    for (name, key) in [
        ("session_enc", Some(&keys.enc)),
        ("session_mac", Some(&keys.mac)),
        ("session_rmac", keys.rmac.as_ref()),
        ("session_dek", keys.dek.as_ref().filter(|_| !v["session_dek"].is_null())),
    ] {
        if let Some(key) = key
            && key.expose_bytes() != bytes(v, name)
        {
            return Err(format!("{name} differs"));
        }
    }
    let verified: Verified = answer.verify(session).map_err(|error| match error {
        NotVerified::Keys(_) => "card cryptogram".to_string(),
        NotVerified::Failed(error) => error.to_string(),
    })?;
    let level = SecurityLevel::new(bytes(v, "security_level")[0]).unwrap();
    let (state, command) = verified.external_authenticate(level).map_err(|error| error.to_string())?;
    same("EXTERNAL AUTHENTICATE", &command, &bytes(v, "external_authenticate"))?;
    let mut channel = state.handle_response(&ResponseApdu::parse(&[0x90, 0]).unwrap()).unwrap();
    if let Some(longest) = v["longest_plain_data"].as_u64() {
        // The vectors keep room for a MAC under SCP01 at level 00, which has none.
        let longest = if text(v, "id") == "scp01-i05-level00" { 255 } else { longest };
        assert_eq!(channel.max_data() as u64, longest, "{}", v["id"]);
    }
    let mut steps = 0;
    for step in v["steps"].as_array().unwrap() {
        let plain = CommandApdu::parse(&bytes(step, "plain")).unwrap();
        same(text(step, "plain"), &channel.wrap(&plain).map_err(|error| error.to_string())?, &bytes(step, "wrapped"))?;
        // Where no response was recorded, an error status stands in: it is never protected.
        let response = step["response"].as_str().unwrap_or("6F00");
        let response = ResponseApdu::parse(&hex::decode(response).unwrap()).unwrap();
        let read = channel.unwrap(response).map_err(|error| error.to_string())?;
        if step["response_plain"].is_string() && read.to_bytes() != bytes(step, "response_plain") {
            return Err(format!("response to {}", text(step, "plain")));
        }
        steps += 1;
    }
    Ok(steps)
}

fn challenge(v: &Value) -> HostChallenge {
    let bytes = bytes(v, "host_challenge");
    match <[u8; 8]>::try_from(&bytes[..]) {
        Ok(short) => short.into(),
        Err(_) => <[u8; 16]>::try_from(&bytes[..]).unwrap().into(),
    }
}

fn same(what: &str, command: &CommandApdu, expected: &[u8]) -> Result<(), String> {
    if command.to_bytes().unwrap() == expected { Ok(()) } else { Err(format!("{what} differs")) }
}

fn keys(v: &Value) -> [Vec<u8>; 3] {
    ["key_enc", "key_mac", "key_dek"].map(|name| bytes(v, name))
}

#[test]
fn every_session_reproduces() {
    let all = sessions();
    assert_eq!(all.len(), 63);
    for v in all {
        let steps = run(&v, keys(&v), ChallengePolicy::Require).unwrap_or_else(|what| panic!("{}: {what}", v["id"]));
        assert!(steps >= 7, "{}", v["id"]);
    }
}

#[test]
fn one_flipped_bit_of_a_key_that_the_session_uses_fails() {
    for v in &sessions() {
        let is_des = text(v, "protocol") != "SCP03";
        for which in 0..2 {
            let key = keys(v)[which].clone();
            for bit in 0..key.len() * 8 {
                // Bit 0 of a DES key byte is parity and has no effect.
                if is_des && bit % 8 == 0 {
                    continue;
                }
                let mut altered = keys(v);
                altered[which][bit / 8] ^= 1 << (bit % 8);
                assert!(run(v, altered, ChallengePolicy::Ignore).is_err(), "{}: key {which} bit {bit}", v["id"]);
            }
        }
    }
}

#[test]
fn an_altered_response_is_detected_and_closes_the_channel() {
    for v in sessions().iter().filter(|v| text(v, "id").starts_with("scp03-") && text(v, "security_level") >= "11") {
        for bit in [0usize, 7, 77] {
            let mut altered = v.clone();
            let steps = altered["steps"].as_array_mut().unwrap();
            let step = steps.iter_mut().find(|step| step["response"].as_str().is_some_and(|r| r.len() > 60)).unwrap();
            let mut response = bytes(step, "response");
            response[bit / 8] ^= 1 << (bit % 8);
            step["response"] = hex::encode(response).into();
            let error = run(&altered, keys(v), ChallengePolicy::Require).unwrap_err();
            assert!(error.contains("wrong R-MAC"), "{}: {error}", v["id"]);
        }
    }
}

#[test]
fn a_card_challenge_that_is_not_pseudo_random_is_refused_where_the_policy_says_so() {
    let mut tried = 0;
    for mut v in sessions().into_iter().filter(|v| v["selected_aid"].is_string()) {
        v["selected_aid"] = "A000000003000000".into();
        if v["i"].as_str().is_some_and(|i| u8::from_str_radix(i, 16).unwrap() & 0x10 == 0) {
            continue;
        }
        assert!(run(&v, keys(&v), ChallengePolicy::Require).unwrap_err().contains("pseudo-random"), "{}", v["id"]);
        assert!(run(&v, keys(&v), ChallengePolicy::Report).is_ok());
        tried += 1;
    }
    assert!(tried > 0);
}

#[test]
fn published_sessions_reproduce() {
    let Some(vectors) = support::all_published() else { return };
    let mut done = Vec::new();
    for v in vectors {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let id = text(&v, "id");
        let iur = inputs["initialize_update_response"].as_str();
        let is_ours = ["scp01-", "scp02-", "scp03-"].iter().any(|start| id.starts_with(start)) && !id.contains("rmac");
        let (true, Some(iur)) = (is_ours, iur) else { continue };
        let mut iur = hex::decode(iur).unwrap();
        if !iur.ends_with(&[0x90, 0]) {
            iur.extend([0x90, 0]);
        }
        let mut session = serde_json::json!({
            "id": id,
            "protocol": format!("SCP0{}", iur[11]),
            "initialize_update_response": hex::encode(&iur),
            "security_level": inputs["security_level"].as_str().unwrap_or("01"),
            "external_authenticate": expected["external_authenticate"],
            "steps": expected["steps"],
        });
        for name in ["key_enc", "key_mac", "key_dek", "host_challenge"] {
            session[name] = inputs[name].clone();
        }
        for (ours, theirs) in [("session_enc", "s_enc"), ("session_mac", "s_mac"), ("session_rmac", "s_rmac")] {
            session[ours] = expected[theirs].clone();
        }
        if let Some(aid) = inputs["aid_for_pseudo_random_challenge"].as_str() {
            session["selected_aid"] = aid.into();
        }
        if session["steps"].is_null() {
            session["steps"] = Value::Array(Vec::new());
        }
        if session["external_authenticate"].is_null() {
            // Only keys and cryptograms are published: the run stops after they have been verified.
            let what = run(&with_no_command(session.clone()), keys(&session), ChallengePolicy::Require).unwrap_err();
            assert_eq!(what, "EXTERNAL AUTHENTICATE differs", "{id}");
        } else {
            run(&session, keys(&session), ChallengePolicy::Require).unwrap_or_else(|what| panic!("{id}: {what}"));
        }
        done.push(id.to_string());
    }
    eprintln!("{} published sessions: {}", done.len(), done.join(", "));
    assert!(done.len() >= 15, "{done:?}");
}

/// A recording of a real card with i = 55 shows what its challenge is made of (GPCS 2.3.1 E.4.2.3).
#[test]
fn the_challenge_of_a_real_card_with_i_55_is_pseudo_random() {
    let Some(v) = support::published("scp02-jcop4-p71-hw") else { return };
    let (inputs, expected) = (&v["inputs"], &v["expected"]);
    let mut service = SoftwareKeys::new();
    for (name, field) in [("enc", "key_enc"), ("mac", "key_mac"), ("dek", "key_dek")] {
        service.insert(name, KeyKind::Tdes, &bytes(inputs, field)).unwrap();
    }
    let set = KeySet { enc: KeyRef::new("enc"), mac: KeyRef::new("mac"), dek: KeyRef::new("dek") };
    let mut answer = vec![0; 10];
    answer.extend([0xFF, 0x02]);
    answer.extend(
        [bytes(inputs, "sequence"), bytes(inputs, "card_challenge6"), bytes(expected, "card_cryptogram")].concat(),
    );
    let verify = |aid: &[u8]| {
        let (state, _) = InitializeUpdate::new(0, challenge(inputs));
        let answer = state.handle_response(&ResponseApdu::new(answer.clone(), 0x9000.into())).unwrap().with_i(0x55);
        let answer = answer.with_challenge_policy(ChallengePolicy::Report, aid);
        let session = service.clone().answer(&answer.key_request(&set)).unwrap().into_session().unwrap();
        answer.verify(session).unwrap()
    };
    let verified = verify(&hex::decode("A000000151000000").unwrap());
    assert_eq!(verified.challenge_verified(), Some(true));
    let (_, command) = verified.external_authenticate(SecurityLevel::C_MAC).unwrap();
    same("EXTERNAL AUTHENTICATE", &command, &bytes(expected, "external_authenticate")).unwrap();
    assert_eq!(verify(&[0xA0; 8]).challenge_verified(), Some(false));
}

/// A channel of SCP02 with these keys, counter and challenges.
fn scp02(v: &Value, i: u8, level: SecurityLevel) -> (SecureChannel, CommandApdu) {
    let key = bytes(v, "key");
    let mut service = SoftwareKeys::new();
    service.insert("key", KeyKind::Tdes, &key).unwrap();
    let set = KeySet::same(KeyRef::new("key"));
    let (sequence, host, six) = (bytes(v, "sequence"), bytes(v, "host_challenge"), bytes(v, "card_challenge6"));
    let session = scp02::session_keys(
        &KeyValue::new(&key).unwrap(),
        &KeyValue::new(&key).unwrap(),
        &KeyValue::new(&key).unwrap(),
        sequence[..].try_into().unwrap(),
    );
    let mut data = [&host[..], &sequence, &six, &[0x80, 0, 0, 0, 0, 0, 0, 0]].concat();
    Tdes::new(&session.unwrap().enc).unwrap().cbc_encrypt(&[0; 8], &mut data);
    let answer = [&[0; 10][..], &[0xFF, 0x02], &sequence, &six, &data[16..]].concat();
    let (state, _) = InitializeUpdate::new(0, challenge(v));
    let answer = state.handle_response(&ResponseApdu::new(answer, 0x9000.into())).unwrap().with_i(i);
    let session = service.answer(&answer.key_request(&set)).unwrap().into_session().unwrap();
    let (state, command) = answer.verify(session).unwrap().external_authenticate(level).unwrap();
    (state.handle_response(&ResponseApdu::new([], 0x9000.into())).unwrap(), command)
}

#[test]
fn published_responses_with_r_mac_of_scp02_verify_and_altered_ones_do_not() {
    let Some(vectors) = support::all_published() else { return };
    let mut done = 0;
    for v in vectors.iter().filter(|v| text(v, "id").starts_with("scp02-rmac")) {
        let (inputs, expected) = (&v["inputs"], &v["expected"]);
        let open = || scp02(inputs, 0x75, SecurityLevel::C_DECRYPTION_R_MAC);
        if expected["external_authenticate"].is_string() {
            same("EXTERNAL AUTHENTICATE", &open().1, &bytes(expected, "external_authenticate")).unwrap();
        }
        let plain = CommandApdu::parse(&bytes(inputs, "command_plain")).unwrap();
        let wire = bytes(expected, "response_on_wire");
        let read = |wire: &[u8]| {
            let mut channel = open().0;
            let sent = channel.wrap(&plain).unwrap();
            assert_eq!(sent.ne().get(), 256, "a response with R-MAC has data");
            channel.unwrap(ResponseApdu::parse(wire).unwrap())
        };
        assert_eq!(read(&wire).unwrap().data(), bytes(inputs, "response_data"));
        for bit in 0..wire.len() * 8 - 16 {
            let mut altered = wire.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&altered).is_err(), "bit {bit}");
        }
        assert!(read(&wire[wire.len() - 2..]).is_err(), "without R-MAC");
        done += 1;
    }
    assert_eq!(done, 2);
}

/// The standard's words about implicit initiation, computed here step by step; there is no published session.
#[test]
fn implicit_initiation_chains_from_the_mac_over_the_aid() {
    let key = KeyValue::new(&[0x40; 16]).unwrap();
    let mut service = SoftwareKeys::new();
    service.insert("key", KeyKind::Tdes, &[0x40; 16]).unwrap();
    let aid = hex::decode("A000000151000000").unwrap();
    let how = ImplicitInitiation { i: 0x1A, sequence_counter: 7, aid: aid.clone() };
    let [before, after] = how.key_requests(&KeySet::same(KeyRef::new("key"))).unwrap();
    let mut answer = |request| service.answer(&request).unwrap().into_session().unwrap();
    let mut channel = how.open(answer(before), answer(after)).unwrap();

    let keys = scp02::session_keys(&key, &key, &key, [0, 7]).unwrap();
    let mac = Tdes::new(&keys.mac).unwrap();
    let icv = Tdes::new(&KeyValue::new(&keys.mac.expose_bytes()[..8]).unwrap()).unwrap();
    let padded = |data: &[u8]| {
        let mut data = [data, &[0x80]].concat();
        data.resize(data.len().next_multiple_of(8), 0);
        data
    };
    // The MAC covers the command as it was: class 80, Lc without the MAC.
    let mut chaining = mac.mac(&[0; 8], &mut padded(&aid));
    for (n, plain) in ["80E40000074F05A000000003", "80CA9F7F00"].iter().enumerate() {
        let plain = CommandApdu::parse(&hex::decode(plain).unwrap()).unwrap();
        if n > 0 {
            icv.ecb_encrypt(&mut chaining);
        }
        let plain_ref = plain.as_ref();
        let header = [0x80, plain_ref.ins.0, plain_ref.p1, plain_ref.p2, plain.nc() as u8];
        chaining = mac.mac(&chaining, &mut padded(&[&header, plain.data()].concat()));
        let sent = channel.wrap(&plain).unwrap();
        assert_eq!(sent.class().0, 0x84);
        assert_eq!(sent.data(), [plain.data(), &chaining].concat());
        channel.unwrap(ResponseApdu::new([], 0x9000.into())).unwrap();
    }
    let after = scp02::session_keys(&key, &key, &key, [0, 8]).unwrap();
    assert!(channel.session_dek().unwrap().is_equal(&after.dek.unwrap()));
    let last = ImplicitInitiation { i: 0x1A, sequence_counter: 0xFFFF, aid };
    assert!(last.key_requests(&KeySet::same(KeyRef::new("key"))).is_err());
}

#[test]
fn another_key_version_than_asked_for_is_the_cards_fault() {
    let mut answer = vec![0; 10];
    answer.extend([0x20, 0x02]);
    answer.extend([0; 16]);
    let asked = |kvn| {
        InitializeUpdate::new(kvn, [0_u8; 8]).0.handle_response(&ResponseApdu::new(answer.clone(), 0x9000.into()))
    };
    for kvn in [0, 0x20] {
        assert_eq!(asked(kvn).unwrap().kvn(), 0x20, "asked for {kvn:02X}");
    }
    let error = asked(0x30).unwrap_err();
    let fault = CardFault::KeyVersion { expected: 0x30, actual: 0x20 };
    assert!(
        matches!(&error, Error::Card { command: "INITIALIZE UPDATE", fault: actual } if *actual == fault),
        "{error}"
    );
    assert!(error.to_string().contains("expected 30") && error.to_string().contains("gave 20"), "{error}");
}

fn with_no_command(mut session: Value) -> Value {
    session["external_authenticate"] = "".into();
    session
}

/// What the profiles change, held against the standard's behaviour: which counter the enciphered data comes from, and whether
/// there is any.
#[test]
fn a_channel_follows_the_profile_of_its_card() {
    let all = sessions();
    let v = all.iter().find(|v| text(v, "id") == "scp03-s8-aes128-level03").unwrap();
    let open = |profile: &CardProfile| {
        let (state, _) = InitializeUpdate::new(0, challenge(v));
        let answer = ResponseApdu::parse(&bytes(v, "initialize_update_response")).unwrap();
        let answer = state.handle_response(&answer).unwrap();
        let mut service = SoftwareKeys::new();
        for (name, value) in ["enc", "mac", "dek"].iter().zip(&keys(v)) {
            service.insert(*name, KeyKind::Aes, value).unwrap();
        }
        let set = KeySet { enc: KeyRef::new("enc"), mac: KeyRef::new("mac"), dek: KeyRef::new("dek") };
        let session = service.answer(&answer.key_request(&set)).unwrap().into_session().unwrap();
        let (state, _) = answer.verify(session).unwrap().external_authenticate(SecurityLevel::C_DECRYPTION).unwrap();
        let channel = state.handle_response(&ResponseApdu::new([], 0x9000.into())).unwrap();
        channel.with_quirks(profile.channel_quirks())
    };
    let with_data = CommandApdu::new(0x80, 0xE4, 0, 0).with_data([0x4F, 5, 0xA0, 0, 0, 0, 3]);
    let without = CommandApdu::new(0x80, 0xCA, 0x9F, 0x7F);
    // The 16 enciphered bytes of the command with data, after a command without.
    let second = |name: &str| {
        let mut channel = open(&CardProfile::built_in(name).unwrap());
        let first = channel.wrap(&without).unwrap();
        channel.unwrap(ResponseApdu::new([], 0x9000.into())).unwrap();
        (first.nc(), channel.wrap(&with_data).unwrap().data()[..16].to_vec())
    };
    let first = open(&CardProfile::standard()).wrap(&with_data).unwrap().data()[..16].to_vec();
    let (standard, quirk, yubikey) = (second("standard"), second("counts-commands-with-data"), second("yubikey"));
    assert_ne!(standard.1, first, "every command counts");
    assert_eq!(quirk.1, first, "only commands with data count");
    assert_eq!((standard.0, quirk.0, yubikey.0), (8, 8, 24), "empty data is enciphered by one profile only");
}
