//! What every card of the storm is to become, with published test keys.

use cardwright::apdu::Aid;
use cardwright::gp::DescriptorPolicy;
use cardwright::gp::load_file::CapFile;
use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::issuance::remote::{ApplicationKeys, ApplicationOrder, Order};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_capgen::CapBuilder;

use super::{DOMAIN_AES, DOMAIN_DES, MAINTENANCE, MASTER};

/// AID of the application.
pub(crate) fn instance() -> Aid {
    Aid::new(&[0xA0, 0, 0, 0x03, 0x86, 0x98, 0x07, 0x01, 0x01]).expect("9 bytes are an AID")
}

/// AID of its load file.
pub(crate) fn package() -> Aid {
    Aid::new(&[0xA0, 0, 0, 0x03, 0x86, 0x98, 0x07]).expect("7 bytes are an AID")
}

pub(crate) fn keys() -> SoftwareKeys {
    let test: [u8; 16] = std::array::from_fn(|i| 0x40 + i as u8);
    let born = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128.to_be_bytes();
    let mut keys = SoftwareKeys::new();
    for (name, kind, value) in [
        ("test-aes", KeyKind::Aes, test),
        ("test-des", KeyKind::Tdes, test),
        ("domain-aes", KeyKind::Aes, DOMAIN_AES),
        ("domain-des", KeyKind::Tdes, DOMAIN_DES),
        ("application-initial", KeyKind::Tdes, born),
        ("application-master", KeyKind::Tdes, MASTER),
        ("application-maintenance", KeyKind::Tdes, MAINTENANCE),
    ] {
        keys.insert(name, kind, &value).expect("16 bytes are a key of either kind");
    }
    keys
}

/// The order, with the smallest load file there is.
pub(crate) fn order() -> Order {
    let archive = CapBuilder::new(package()).applet(instance()).min_data_block_len(0).archive();
    let cap = CapFile::parse(&archive.expect("one applet of its package")).expect("the builder's own archive");
    let load_file = cap.to_load_file(DescriptorPolicy::Omit).expect("a small CAP file");
    let candidate = |name: &str, kind, scheme| KeyCandidate::new(KeyRef::new(name), kind, scheme);
    let keys = ApplicationKeys {
        initial_master: KeyRef::new("application-initial"),
        master: KeyRef::new("application-master"),
        maintenance: KeyRef::new("application-maintenance"),
    };
    Order::new(
        vec![
            candidate("test-aes", KeyKind::Aes, KeyScheme::AsIs),
            candidate("test-des", KeyKind::Tdes, KeyScheme::AsIs),
        ],
        vec![
            candidate("domain-aes", KeyKind::Aes, KeyScheme::Kdf3),
            candidate("domain-des", KeyKind::Tdes, KeyScheme::Emv),
        ],
        vec![ApplicationOrder::new(load_file, instance(), keys)],
    )
}
