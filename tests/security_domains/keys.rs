//! Keys of every type on the card, and what its key information says of them.

use cardwright::apdu::{ExchangeLimits, Transport, TransportError, block_on, tlv::Tag};
use cardwright::gp::channel::ExtendedLength;
use cardwright::gp::command::{self, KeyDataField, KeyUse};
use cardwright::gp::{Error, KeyGroups, KeyTemplates, Privileges, card_data::KeyInformation, procedure};
use cardwright_sim::{JavaCard, SimReader};

use crate::setup::{DAP_KEY, EC_TOKEN, Host, LOAD_FILE_KEY, PROTOCOLS, RECEIPT_KEY, TOKEN_KEY, domain, open, status};
use crate::support::order;

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

/// 3B, T=1, historical bytes in compact TLV: card capabilities with extended Lc and Le (ISO 7816-4 8.1.1.2.7).
const DECLARES: [u8; 9] = [0x3B, 0x85, 0x01, 0x80, 0x73, 0x00, 0x00, 0x40, 0x37];

/// A reader that carries extended length fields.
struct Extended(SimReader);

impl Transport for Extended {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.0.transmit(command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        self.0.reset()
    }

    fn limits(&self) -> ExchangeLimits {
        ExchangeLimits::default().with_extended()
    }
}

#[test]
fn extended_length_goes_to_a_card_that_declares_it() {
    for protocol in PROTOCOLS {
        let card = || JavaCard::builder().protocol(protocol).supplementary_domains(true).atr(DECLARES);
        let extended = ExtendedLength::declared_by(&DECLARES).unwrap();
        assert_eq!(ExtendedLength::declared_by(&JavaCard::builder().build().reset()), None);
        let mut reader = Extended(SimReader::new(card().extended_length(1024).build()));
        let limit = block_on(procedure::select(&mut reader, None)).unwrap().max_command_data;
        assert_eq!(limit, Some(1024));
        let opened = open(&mut reader, None, "test").unwrap();
        let mut channel = opened.channel.with_extended_length(extended);
        reader.0.take_log();
        let file = order(3000).applications.remove(0).load_file;
        let count = |_, _| {};
        block_on(procedure::load(&mut reader, &mut channel, None, &file, limit, count)).unwrap();
        let loads = reader.0.take_log().iter().filter(|entry| entry.command[1] == 0xE8).count();
        assert!(loads <= file.as_bytes().len().div_ceil(1000) + 1, "{loads}");
        // A key of 2048 bits is one command.
        let put = command::PutKeyFields {
            replace: None,
            kvn: DAP_KEY,
            first_kid: 1,
            keys: vec![KeyDataField::rsa_public(&[0xAB; 256], &[1, 0, 1])],
        };
        block_on(channel.call(&mut reader, &put.command().unwrap())).unwrap();
        assert_eq!(reader.0.take_log().len(), 1);
        // A card that takes no such commands refuses the first, and its channel is closed by that.
        let mut reader = Extended(SimReader::new(card().build()));
        let mut channel = open(&mut reader, None, "test").unwrap().channel.with_extended_length(extended);
        let refused = block_on(procedure::load(&mut reader, &mut channel, None, &file, Some(1024), count));
        assert!(matches!(refused, Err(Error::Refused { .. } | Error::Card { .. })), "{refused:?}");
    }
}

/// Through the issuer's security domain, as INSTALL [for personalization] has it; RSA keys go over two commands.
#[test]
fn keys_in_data_groups_are_stored() {
    for protocol in PROTOCOLS {
        let mut host = Host::with_domain(protocol, Privileges::SECURITY_DOMAIN);
        let own = host.wrapped_key("receipt-des");
        let point = p256::ecdsa::SigningKey::from_slice(&EC_TOKEN).unwrap().verifying_key().to_sec1_point(false);
        let mut wrong = own.clone();
        wrong.kcv.0[0] ^= 1;
        let symmetric =
            |key| KeyGroups::symmetric(RECEIPT_KEY, 1, KeyUse::RECEIPT, &[key], KeyTemplates::Each).unwrap();
        let groups = [
            (symmetric(own), RECEIPT_KEY, vec![(0x80, 16)]),
            (
                KeyGroups::rsa_public(TOKEN_KEY, 1, KeyUse::TOKEN, &[0xAB; 256], &[1, 0, 1]).unwrap(),
                TOKEN_KEY,
                vec![(0xA1, 256), (0xA0, 4)],
            ),
            (
                KeyGroups::ecc_public(DAP_KEY, 1, KeyUse::DAP, point.as_bytes(), 0x00).unwrap(),
                DAP_KEY,
                vec![(0xB0, 64), (0xF0, 0)],
            ),
        ];
        let store = |host: &mut Host, groups: &KeyGroups| {
            let data = groups.store_data();
            let stored = procedure::store_data(&mut host.reader, &mut host.opened.channel, None, &data, None);
            block_on(stored)
        };
        assert_eq!(status(store(&mut host, &symmetric(wrong))).0, 0x6982, "a wrong check value");
        for (groups, kvn, components) in groups {
            store(&mut host, &groups).unwrap();
            let answer = block_on(host.opened.channel.call(&mut host.reader, &command::get_data(Tag(0xE0)))).unwrap();
            let keys = KeyInformation::parse(answer.data());
            assert_eq!(keys.iter().find(|key| key.kvn == kvn).unwrap().components, components);
        }
        let stored = host.reader.card().domain_key_sets(&domain()).iter().find(|set| set.version == RECEIPT_KEY);
        assert_eq!(stored.unwrap().keys[0].value[..2], [0x54, 0x57]);
    }
}
