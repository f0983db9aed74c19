//! SCP11 a, b and c: the host's procedures against the software card, which shares no code with them.

mod support;

#[path = "support/scp11.rs"]
mod fixture;

use cardwright::apdu::{StatusWord, block_on, tlv::Tag};
use cardwright::gp::channel::Protocol;
use cardwright::gp::channel::scp11::{AesKeyLength, CertificateFault, Date, MacLength, Validity, Variant};
use cardwright::gp::command::{self, InstallForInstall};
use cardwright::gp::procedure::{self, CardKeySource, NewKeys};
use cardwright::gp::{CardFault, Error, SecureChannel, SecurityLevel};
use cardwright::keys::scp11::EphemeralSeed;
use cardwright::keys::{KeyRef, KeySet};
use cardwright_sim::{Fault, Faults, SimReader};
use fixture::{
    AGREES, CARD, HOST, MIDDLE, ROOT, SIGNS, Which, card, certificate, chain, host, keys, known, open, options, public,
};
use support::{instance, order, package};

/// Lists, loads and installs, puts keys.
async fn everything(reader: &mut SimReader, channel: &mut SecureChannel) {
    assert_eq!(procedure::read_registry(reader, channel).await.unwrap().entries.len(), 1);
    let install = InstallForInstall::new(package(), instance(), instance());
    let load_file = order(1).applications.remove(0).load_file;
    procedure::load_and_install(reader, channel, None, &load_file, &install, None, |_, _| {}).await.unwrap();
    assert_eq!(procedure::read_registry(reader, channel).await.unwrap().entries.len(), 3);
    let new = KeySet::same(KeyRef::new("new-aes"));
    let put = NewKeys::added(0x30, new.clone());
    let put = procedure::prepare_keys(&mut keys(), channel, &new, &put).await.unwrap();
    procedure::put_keys(reader, channel, &put).await.unwrap();
    assert!(procedure::delete(reader, channel, &package(), true).await.unwrap());
}

#[test]
fn a_and_c_list_load_install_and_put_keys_at_every_length_and_level() {
    for which in [Which::A, Which::C] {
        for (key_length, mac_length, level) in [
            (AesKeyLength::Aes128, MacLength::S8, SecurityLevel::FULL),
            (AesKeyLength::Aes192, MacLength::S8, SecurityLevel::C_MAC_R_MAC),
            (AesKeyLength::Aes256, MacLength::S8, SecurityLevel::FULL),
            (AesKeyLength::Aes128, MacLength::S16, SecurityLevel::FULL),
            (AesKeyLength::Aes256, MacLength::S16, SecurityLevel::C_MAC_R_MAC),
        ] {
            let mut reader = card(mac_length == MacLength::S16);
            let mut options = options(which);
            let parameters = &mut options.parameters;
            (parameters.key_length, parameters.mac_length, parameters.level) = (key_length, mac_length, level);
            let mut opened = open(&mut reader, &options).unwrap_or_else(|error| panic!("{which:?}: {error}"));
            // GET DATA, two blocks of each of two certificates, MUTUAL AUTHENTICATE; GET RESPONSE for the card's chain.
            assert_eq!(opened.certificates.as_ref().unwrap().certificates().len(), 2);
            let s16 = mac_length == MacLength::S16;
            assert_eq!(opened.channel.protocol(), if s16 { Protocol::Scp11S16 } else { Protocol::Scp11 });
            block_on(everything(&mut reader, &mut opened.channel));
            let set = reader.card().key_set(0x30).unwrap();
            assert!(set.keys.len() == 3 && set.keys.iter().all(|key| key.value == [0xA5; 16]));
        }
    }
}

#[test]
fn under_b_the_card_is_authenticated_and_the_host_is_not() {
    let mut reader = card(false);
    let mut opened = open(&mut reader, &options(Which::B)).unwrap();
    let channel = &mut opened.channel;
    block_on(async {
        let answer = channel.call(&mut reader, &command::get_data(Tag(0x66))).await.unwrap();
        assert!(!answer.data().is_empty());
        let refused = procedure::read_registry(&mut reader, channel).await;
        assert!(matches!(refused, Err(Error::Refused { sw: StatusWord::SECURITY_NOT_SATISFIED, .. })), "{refused:?}");
        assert!(channel.call(&mut reader, &command::get_data(Tag(0x66))).await.is_ok(), "the session goes on");
    });
}

#[test]
fn a_known_key_needs_no_certificate_and_a_wrong_one_opens_nothing() {
    for which in [Which::A, Which::B, Which::C] {
        let opened = open(&mut card(false), &known(which, CARD)).unwrap();
        assert!(opened.certificates.is_none() && opened.channel.is_open());
        let refused = open(&mut card(false), &known(which, HOST));
        assert!(matches!(refused, Err(Error::Card { fault: CardFault::SessionReceipt, .. })), "{which:?}: {refused:?}");
    }
}

#[test]
fn nothing_of_the_host_is_sent_to_a_card_of_another_ca() {
    let mut other = options(Which::A);
    other.card_key = CardKeySource::Certificates { ca: public(HOST), validity: Validity::NotChecked, of: None };
    let mut late = options(Which::A);
    let date = Date::new(2040, 1, 2).unwrap();
    late.card_key = CardKeySource::Certificates { ca: public(ROOT), validity: Validity::On(date), of: None };
    for (options, expected) in [(other, CertificateFault::Signature), (late, CertificateFault::NotValid { date })] {
        let mut reader = card(false);
        let refused = open(&mut reader, &options);
        assert!(matches!(&refused, Err(Error::Certificate { index: 0, fault }) if *fault == expected), "{refused:?}");
        let sent = reader.take_log();
        assert!(sent.iter().all(|entry| matches!(entry.command[1], 0xCA | 0xC0)), "{sent:?}");
    }
}

#[test]
fn a_host_that_the_cards_ca_does_not_know_is_refused() {
    let stranger = certificate("Root", "Host", AGREES, HOST, HOST);
    let no_host = certificate("Root", "Host", SIGNS, HOST, ROOT);
    let other_key = certificate("Root", "Host", AGREES, MIDDLE, ROOT);
    for (what, chain) in [
        ("signed by another", vec![stranger]),
        ("for signing", vec![no_host]),
        ("the last one of the chain alone", chain("Host", HOST).split_off(1)),
        ("none", Vec::new()),
    ] {
        let mut options = options(Which::A);
        options.parameters.variant = Variant::A(host(chain));
        let refused = open(&mut card(false), &options);
        assert!(matches!(refused, Err(Error::Refused { .. })), "{what}: {refused:?}");
    }
    let mut options = options(Which::A);
    options.parameters.variant = Variant::A(host(vec![other_key]));
    let refused = open(&mut card(false), &options);
    assert!(matches!(refused, Err(Error::Card { fault: CardFault::SessionReceipt, .. })), "{refused:?}");
}

/// Each answer on the way to the channel is altered in one bit at many places; none opens one.
#[test]
fn altered_answers_open_no_channel() {
    for which in [Which::A, Which::B] {
        let mut reader = card(false);
        open(&mut reader, &options(which)).unwrap();
        let log = reader.take_log();
        let with_data: Vec<_> = (1..).zip(&log).filter(|(_, entry)| entry.response.len() > 2).collect();
        assert!(with_data.len() >= 2);
        for (number, entry) in with_data {
            for bit in (0..8 * (entry.response.len() - 2)).step_by(37) {
                let mut answer = entry.response.clone();
                answer[bit / 8] ^= 1 << (bit % 8);
                let mut reader = card(false).with_faults(Faults::none().at(number, Fault::Respond(answer)));
                let refused = open(&mut reader, &options(which));
                assert!(
                    matches!(refused, Err(Error::Card { .. } | Error::Certificate { .. })),
                    "{which:?}, command {number}, bit {bit}: {refused:?}"
                );
            }
        }
    }
}

/// The answer of one session does not open another: the host's ephemeral key is in the receipt.
#[test]
fn a_replayed_answer_opens_nothing() {
    let known = known(Which::B, CARD);
    let mut reader = card(false);
    open(&mut reader, &known).unwrap();
    let old = reader.take_log()[0].response.clone();
    let mut reader = card(false).with_faults(Faults::none().at(1, Fault::Respond(old)));
    let seed = EphemeralSeed::new([0x5F; EphemeralSeed::LEN]);
    let refused = block_on(procedure::open_scp11(&mut reader, &mut keys(), &known, seed));
    assert!(matches!(refused, Err(Error::Card { fault: CardFault::SessionReceipt, .. })), "{refused:?}");
}
