//! What a card is to become, by what it is.

use std::error::Error;

use cardwright::apdu::Aid;
use cardwright::gp::DescriptorPolicy;
use cardwright::gp::load_file::CapFile;
use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::issuance::remote::{ApplicationKeys, ApplicationOrder, Order};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_capgen::CapBuilder;

/// Most applications on a card.
pub(crate) const MAX_APPLICATIONS: u8 = 9;

/// AID of an application, by number from 1.
pub(crate) fn application(number: u8) -> Result<Aid, Box<dyn Error>> {
    Ok(format!("A0000003869807010{number}").parse()?)
}

/// AID of its load file.
pub(crate) fn load_file(number: u8) -> Result<Aid, Box<dyn Error>> {
    Ok(format!("A00000038698A{number}").parse()?)
}

/// A card with so many applications, each with a load file and keys of its own.
pub(crate) fn order(applications: u8) -> Result<Order, Box<dyn Error>> {
    let candidate = |name: &str, kind, scheme| KeyCandidate::new(KeyRef::new(name), kind, scheme);
    Ok(Order::new(
        vec![
            candidate("test-aes", KeyKind::Aes, KeyScheme::AsIs),
            candidate("test-des", KeyKind::Tdes, KeyScheme::AsIs),
        ],
        vec![
            candidate("domain-aes", KeyKind::Aes, KeyScheme::Kdf3),
            candidate("domain-des", KeyKind::Tdes, KeyScheme::Emv),
        ],
        (1..=applications).map(application_order).collect::<Result<_, _>>()?,
    ))
}

fn application_order(number: u8) -> Result<ApplicationOrder, Box<dyn Error>> {
    let module = application(number)?;
    let archive = CapBuilder::new(load_file(number)?).applet(module).min_data_block_len(300).archive()?;
    let keys = ApplicationKeys {
        initial_master: KeyRef::new("application-initial"),
        master: KeyRef::new(format!("master-{number}")),
        maintenance: KeyRef::new(format!("maintenance-{number}")),
    };
    let load_file = CapFile::parse(&archive)?.to_load_file(DescriptorPolicy::Omit)?;
    Ok(ApplicationOrder::new(load_file, module, keys).with_version(1, 0))
}

/// Published test keys; a real server has an HSM here. Those of application n begin with n.
pub(crate) fn test_keys() -> Result<SoftwareKeys, Box<dyn Error>> {
    let mut keys = SoftwareKeys::new();
    for (name, kind, value) in [
        ("test-aes", KeyKind::Aes, "404142434445464748494A4B4C4D4E4F"),
        ("test-des", KeyKind::Tdes, "404142434445464748494A4B4C4D4E4F"),
        ("domain-aes", KeyKind::Aes, "000102030405060708090A0B0C0D0E0F"),
        ("domain-des", KeyKind::Tdes, "A1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4"),
        ("application-initial", KeyKind::Tdes, "00112233445566778899AABBCCDDEEFF"),
    ] {
        keys.insert(name, kind, &hex::decode(value)?)?;
    }
    for number in 1..=MAX_APPLICATIONS {
        keys.insert(format!("master-{number}"), KeyKind::Tdes, &master_key(number))?;
        keys.insert(format!("maintenance-{number}"), KeyKind::Tdes, &maintenance_key(number))?;
    }
    Ok(keys)
}

/// Before diversification.
pub(crate) fn master_key(number: u8) -> [u8; 16] {
    let mut key = *b"\x11\x22\x33\x44\x55\x66\x77\x88\x88\x77\x66\x55\x44\x33\x22\x11";
    key[0] = number << 1;
    key
}

/// Before diversification.
pub(crate) fn maintenance_key(number: u8) -> [u8; 16] {
    let mut key = *b"\xFF\xEE\xDD\xCC\xBB\xAA\x99\x88\x77\x66\x55\x44\x33\x22\x11\x00";
    key[0] = number << 1;
    key
}
