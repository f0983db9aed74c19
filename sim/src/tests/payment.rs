use super::content::INSTANCE;
use super::host::{Host, hex};
use crate::crypto::{TripleDes, pad, retail_mac};
use crate::{BUILT_INS, BuiltIn, PbocApplication};

const NEW: [u8; 16] = [0xC3; 16];

impl Host {
    fn payment() -> Self {
        let mut host = Self::with_instance();
        assert_eq!(host.sw("00A40400", &hex(INSTANCE)), 0x9000);
        host
    }

    fn application(&self) -> &PbocApplication {
        self.card.pboc_application(&INSTANCE.parse().unwrap()).unwrap()
    }

    fn challenge(&mut self, length: u8) -> [u8; 8] {
        let (mut challenge, sw) = self.bare(&[0x00, 0x84, 0x00, 0x00, length]);
        assert_eq!((challenge.len(), sw), (length.into(), 0x9000));
        challenge.resize(8, 0);
        challenge.try_into().unwrap()
    }

    fn external_authenticate(&mut self, key: &[u8; 16], length: u8) -> u16 {
        let mut block = self.challenge(length);
        TripleDes::new(key).encrypt_ecb(&mut block);
        self.bare(&[&hex("0082000008")[..], &block].concat()).1
    }

    fn write_key(&mut self, key: &[u8; 16], header: &str, record: &[u8], bad: bool) -> u16 {
        let challenge = self.challenge(4);
        let mut cipher = [&[record.len() as u8], record].concat();
        pad(&mut cipher, 8);
        TripleDes::new(key).encrypt_ecb(&mut cipher);
        let mut command = hex(header);
        command.push(cipher.len() as u8 + 4);
        command.extend(cipher);
        let mut mac = retail_mac(key, challenge, &command);
        mac[0] ^= u8::from(bad);
        command.extend_from_slice(&mac[..4]);
        self.bare(&command).1
    }
}

fn record(header: &str) -> Vec<u8> {
    [&hex(header)[..], &NEW].concat()
}

#[test]
fn the_serial_number_is_public_and_comes_from_the_chip_or_the_parameters() {
    assert!(BUILT_INS.iter().any(|(prefix, built_in)| prefix == &hex(INSTANCE) && *built_in == BuiltIn::Pboc));
    let mut host = Host::payment();
    let (fci, _) = host.bare(&hex("00A4040008A000000386980701"));
    let public = host.bare(&hex("00B0950000")).0;
    assert_eq!(fci, [&hex(&format!("6F2D 8408{INSTANCE} A5219F0C1E"))[..], &public].concat());
    assert_eq!(public[10..20], hex("0000 0000 00000001 5123"));
    assert_eq!(host.application().serial_number(), public[10..20]);
    assert_eq!(host.bare(&hex("00B0950A0A")).0, public[10..20]);
    assert_eq!(host.bare(&hex("00B0951E00")).1, 0x6B00);
    assert_eq!(host.bare(&hex("00B0951C05")).1, 0x6C02);
    assert_eq!(host.bare(&hex("00B0960000")).1, 0x6A82);

    assert_eq!(host.sw("00A40400", &[]), 0x9000);
    assert_eq!(host.authenticate(0x00), 0x9000);
    let install = super::content::for_install("A00000038698070102", "C90A00010203040506070809");
    assert_eq!(host.sw("80E60C00", &install), 0x9000);
    let other = host.card.pboc_application(&"A00000038698070102".parse().unwrap()).unwrap();
    assert_eq!(other.serial_number(), hex("00010203040506070809")[..]);
    assert_ne!(other.master_key().value(), host.application().master_key().value());
}

#[test]
fn a_challenge_is_good_for_one_command() {
    let mut host = Host::payment();
    let key = *host.application().master_key().value();
    for length in [4, 8] {
        assert_eq!(host.external_authenticate(&key, length), 0x9000);
    }
    let mut block = host.challenge(8);
    host.bare(&hex("00B0950000"));
    TripleDes::new(&key).encrypt_ecb(&mut block);
    assert_eq!(host.bare(&[&hex("0082000008")[..], &block].concat()).1, 0x6984);
    assert_eq!(host.bare(&hex("0084000005")).1, 0x6700);
}

#[test]
fn tries_run_out_for_good() {
    let mut host = Host::payment();
    let key = *host.application().master_key().value();
    assert_eq!(host.bare(&hex("00820000")).1, 0x63C3);
    assert_eq!(host.external_authenticate(&NEW, 8), 0x63C2);
    assert_eq!(host.bare(&hex("00820000")).1, 0x63C2);
    assert_eq!(host.external_authenticate(&key, 8), 0x9000);
    for sw in [0x63C2, 0x63C1, 0x63C0, 0x6983] {
        assert_eq!(host.external_authenticate(&NEW, 8), sw);
    }
    assert_eq!(host.external_authenticate(&key, 8), 0x6983);
    assert_eq!(host.bare(&hex("00820000")).1, 0x6983);
}

#[test]
fn keys_are_replaced_under_the_old_master_key() {
    let mut host = Host::payment();
    let aid = INSTANCE.parse().unwrap();
    let key = *host.application().master_key().value();
    let maintenance = record("F6F0F0FF33");
    assert_eq!(host.write_key(&key, "84D4F600", &maintenance, false), 0x6982);
    assert_eq!(host.external_authenticate(&key, 8), 0x9000);
    assert_eq!(host.write_key(&key, "84D4F600", &maintenance, false), 0x9000);
    assert_eq!(*host.application().maintenance_key().value(), NEW);
    assert_eq!(host.card.application_life_cycle(&aid), Some(0x07));
    assert_eq!(host.write_key(&key, "84D43900", &record("F6F0F0FF33"), false), 0x6A80);
    assert_eq!(host.write_key(&key, "84D43900", &record("F9F0F0AA33")[..13], false), 0x6A80);
    assert_eq!(host.write_key(&key, "84D43901", &record("F9F0F0AA33"), false), 0x6A88);
    assert_eq!(host.write_key(&key, "84D43900", &record("F9F0F0AA55"), false), 0x9000);
    assert_eq!(host.card.application_life_cycle(&aid), Some(0x0F));
    assert_eq!(host.application().master_key().header(), [0xF9, 0xF0, 0xF0, 0xAA, 0x55]);
    assert_eq!(host.write_key(&key, "84D43900", &record("F9F0F0AA33"), false), 0x6988);
    assert_eq!(host.write_key(&NEW, "84D43900", &record("F9F0F0AA33"), false), 0x9000);
    assert_eq!(host.bare(&hex("80D4390004 00000000")).1, 0x6987);
    host.card.reset();
    assert_eq!(host.sw("00A40400", &hex(INSTANCE)), 0x9000);
    assert_eq!(host.external_authenticate(&key, 4), 0x63C2);
    assert_eq!(host.external_authenticate(&NEW, 4), 0x9000);
}

#[test]
fn three_wrong_macs_in_a_row_lock_the_application() {
    let mut host = Host::payment();
    let key = *host.application().master_key().value();
    assert_eq!(host.external_authenticate(&key, 8), 0x9000);
    let record = record("F6F0F0FF33");
    for _ in 0..2 {
        assert_eq!(host.write_key(&key, "84D4F600", &record, true), 0x6988);
    }
    assert_eq!(host.write_key(&key, "84D4F600", &record, false), 0x9000);
    for _ in 0..3 {
        assert_eq!(host.write_key(&key, "84D4F600", &record, true), 0x6988);
    }
    assert_eq!(host.bare(&hex("0084000008")).1, 0x9303);
    assert_eq!(host.sw("00A40400", &hex(INSTANCE)), 0x9303);
    assert!(host.application().is_locked());
}
