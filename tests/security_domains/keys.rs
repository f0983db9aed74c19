//! Keys of every type on the card, and what its key information says of them.

use cardwright::apdu::{block_on, tlv::Tag};
use cardwright::gp::command::{self, KeyDataField, KeyUse};
use cardwright::gp::{Privileges, card_data::KeyInformation};

use crate::setup::{DAP_KEY, EC_TOKEN, Host, LOAD_FILE_KEY, PROTOCOLS, RECEIPT_KEY, TOKEN_KEY};

#[test]
fn key_information_comes_in_both_formats() {
    for protocol in PROTOCOLS {
        let mut host = Host::with_domain(protocol, Privileges::SECURITY_DOMAIN);
        let point = p256::ecdsa::SigningKey::from_slice(&EC_TOKEN).unwrap().verifying_key().to_sec1_point(false);
        host.put_field(TOKEN_KEY, KeyDataField::ecc_public(point.as_bytes(), 0x00).unwrap());
        host.put_field(DAP_KEY, KeyDataField::rsa_public(&[0xAB; 256], &[1, 0, 1]));
        let with_use = host.wrapped("receipt-aes").with_use(KeyUse::RECEIPT);
        host.put_field(RECEIPT_KEY, with_use);
        host.put_key(LOAD_FILE_KEY, "load-file");
        let answer = block_on(host.opened.channel.call(&mut host.reader, &command::get_data(Tag(0xE0)))).unwrap();
        let keys = KeyInformation::parse(answer.data());
        let of = |kvn: u8| keys.iter().find(|key| key.kvn == kvn).unwrap_or_else(|| panic!("{kvn:02X} of {keys:?}"));
        let components = |kvn| of(kvn).components.clone();
        let own = if protocol == PROTOCOLS[0] { (0x80, 16) } else { (0x88, 16) };
        assert_eq!(components(0x30), [own]);
        assert_eq!(components(TOKEN_KEY), [(0xB0, 64), (0xF0, 0)]);
        assert_eq!(components(DAP_KEY), [(0xA1, 256), (0xA0, 4)]);
        assert_eq!(components(RECEIPT_KEY), [(0x88, 24)]);
        assert_eq!(components(LOAD_FILE_KEY), [(0x88, 16)]);
        assert_eq!((of(RECEIPT_KEY).usage, of(RECEIPT_KEY).access), (Some(0x44), Some(0x01)));
    }
}
