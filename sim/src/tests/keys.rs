use super::host::{Host, KEY, SCP02, command, hex};
use crate::crypto::{Aes, TripleDes};
use crate::{JavaCard, Key, KeyType};

const NEW: [u8; 16] = [0x5A; 16];

fn check_value(key_type: KeyType, key: &[u8]) -> [u8; 3] {
    Key { id: 1, key_type, value: key.to_vec(), key_use: None }.check_value()
}

fn aes_field(key: &[u8]) -> Vec<u8> {
    let mut cipher = key.to_vec();
    cipher.resize(key.len().next_multiple_of(16), 0xEE);
    Aes::new(&KEY).unwrap().encrypt_cbc([0; 16], &mut cipher);
    let check_value = check_value(KeyType::Aes, key);
    [&[0x88, cipher.len() as u8 + 1, key.len() as u8], &cipher[..], &[3], &check_value].concat()
}

fn des_field(dek: &[u8; 16], key: [u8; 16]) -> Vec<u8> {
    let mut cipher = key;
    TripleDes::new(dek).encrypt_ecb(&mut cipher);
    [&[0x80, 16], &cipher[..], &[3], &check_value(KeyType::Des, &key)].concat()
}

#[test]
fn aes_keys_are_replaced_in_one_command() {
    let mut host = Host::open();
    let field = aes_field(&NEW);
    let data = [&[2][..], &field, &field, &field].concat();
    let answer = [&[2][..], &check_value(KeyType::Aes, &NEW).repeat(3)].concat();
    assert_eq!(host.bare(&command("80D80181", &data)), (answer, 0x9000));
    assert!(host.card.key_set(1).is_none());
    assert!(host.card.key_set(2).unwrap().keys.iter().all(|key| key.value == NEW));
    assert_eq!(host.sw("80D80181", &data), 0x6A88);
    assert_eq!(host.authenticate(0x01), 0x6300);
    host.key = NEW.to_vec();
    assert_eq!(host.authenticate(0x01), 0x9000);
}

#[test]
fn des_keys_go_under_the_session_key() {
    let mut host = Host::new(JavaCard::builder().protocol(SCP02));
    assert_eq!(host.authenticate(0x01), 0x9000);
    let field = des_field(&host.dek, NEW);
    let data = [&[1][..], &field, &field, &field].concat();
    assert_eq!(host.secured("80D80181", &data).1, 0x9000);
    assert_eq!(host.card.key_set(1).unwrap().sequence_counter, 0);
    host.key = NEW.to_vec();
    assert_eq!(host.authenticate(0x01), 0x9000);
}

#[test]
fn keys_are_added_and_deleted() {
    let mut host = Host::open();
    let field = aes_field(&[0x77; 24]);
    let data = [&[5][..], &field, &field, &field].concat();
    assert_eq!(host.sw("80D80081", &data), 0x9000);
    assert_eq!(host.sw("80D80081", &data), 0x6A80);
    assert_eq!(host.card.key_set(5).unwrap().keys.len(), 3);
    assert_eq!(host.sw("80E40000", &hex("D00101 D20101")), 0x9000);
    assert_eq!(host.card.key_set(1).unwrap().keys.len(), 2);
    assert_eq!(host.sw("80E40000", &hex("D20105")), 0x6985);
    assert_eq!(host.sw("80E40000", &hex("D20106")), 0x6A88);
    assert_eq!(host.sw("80E40000", &hex("D2020101")), 0x6A80);
    // The incomplete set is none for a session any more (Amd D 7.1.1).
    assert_eq!(host.sw("80500100", &[0; 8]), 0x6A88);
}

/// GPCS 11.8.2.3.3: no length where there is no padding. Amd D table 7-9: always.
#[test]
fn an_aes_key_comes_with_its_length_or_without() {
    for with_length in [true, false] {
        let mut host = Host::open();
        let field = aes_field(&NEW);
        let field = if with_length { field } else { [&[0x88, 0x10][..], &field[3..]].concat() };
        assert_eq!(host.sw("80D80101", &[&[1][..], &field].concat()), 0x9000);
        assert_eq!(host.card.key_set(1).unwrap().keys[0].value, NEW);
    }
}

#[test]
fn wrong_key_data_change_nothing() {
    let mut host = Host::open();
    let before = host.card.key_sets().to_vec();
    let good = aes_field(&NEW);
    let changed = |at: usize| {
        let mut field = good.clone();
        field[at] ^= 1;
        [&[1][..], &field].concat()
    };
    assert_eq!(host.sw("80D80101", &changed(good.len() - 1)), 0x6982);
    assert_eq!(host.sw("80D80101", &changed(4)), 0x6982);
    assert_eq!(host.sw("80D80101", &changed(0)), 0x6A80);
    assert_eq!(host.sw("80D80101", &changed(1)), 0x6A80);
    assert_eq!(host.sw("80D80101", &changed(2)), 0x6A80);
    // Another length than the key before has; an inner length and half a block; no check value; two keys for one.
    assert_eq!(host.sw("80D80101", &[&[1][..], &aes_field(&[1; 32])].concat()), 0x6A80);
    assert_eq!(host.sw("80D80101", &[&[1, 0x88, 0x09, 0x08][..], &good[3..11], &good[19..]].concat()), 0x6A80);
    assert_eq!(host.sw("80D80101", &[&[1][..], &good[..19], &[0]].concat()), 0x6A80);
    assert_eq!(host.sw("80D80101", &[&[1][..], &good, &good].concat()), 0x6A80);
    assert_eq!(host.sw("80D80101", &[0x01]), 0x6A80);
    // A chain is executed when its last command comes, and broken off by another one (GPCS 11.1.5.1).
    assert_eq!(host.sw("80D88101", &changed(0)), 0x9000);
    assert_eq!(host.sw("80D80102", &changed(0)), 0x6985);
    assert_eq!(host.sw("80D88101", &[1]), 0x9000);
    assert_eq!(host.sw("80D80101", &changed(0)[1..]), 0x6A80);
    // The second of two keys is not there: neither is replaced.
    assert_eq!(host.sw("80D80183", &[&[1][..], &good, &good].concat()), 0x6A88);
    assert_eq!(host.card.key_sets(), before);
}
