//! The order and the keys, from what was given on the command line.

use std::error::Error;

use cardwright::cos::usim::{
    FieldError, Iccid, Imsi, Msisdn, Plmn, SecretCode, SimProfile, SmsParameters, SubscriberData,
};
use cardwright::issuance::usim::NumberOrder;
use cardwright::keys::milenage::{OperatorKey, SubscriberKeys};
use cardwright::keys::{KeyRef, SoftwareKeys};
use cardwright_sim::UsimStyle;

use crate::options::{Options, wrong_usage};

/// Test set 1 of 3GPP TS 35.208; a real server has an HSM here, or the operator's file.
const TEST_KEYS: &str = "
k   K   465B5CE8B199B49FAA5F0A2EE238A6BC E4F3EA
opc OPC CD63CB71954A9F4E48A5994E37A02BAF 8D81F0
";
/// PUK of cards whose profile knows how to write one.
const PUK: &str = "31415926";

/// What the card is to become. Numbers that do not fit the profile's numbering plan are wrong usage.
pub(crate) fn order(options: &Options, profile: SimProfile) -> Result<NumberOrder, Box<dyn Error>> {
    let data = data(options, &profile).unwrap_or_else(|error| wrong_usage(&error.to_string()));
    let mut order = NumberOrder::new(profile, data);
    let puk = options.puk.as_deref().or((!order.profile.puk.is_empty()).then_some(PUK));
    order.puk = puk.map(|puk| SecretCode::puk(puk).unwrap_or_else(|error| wrong_usage(&error.to_string())));
    order.adm = match (&options.adm, options.style()) {
        (Some(digits), _) => {
            let key = hex::decode(digits).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
            Some(SecretCode::from_bytes(key.unwrap_or_else(|| wrong_usage("--adm has 16 hexadecimal digits"))))
        }
        (None, Some(style)) => Some(SecretCode::from_bytes(made_with(style))),
        (None, None) => None,
    };
    let keys = options.keys.as_ref().map(std::fs::read_to_string).transpose()?;
    let has_op = keys.as_deref().unwrap_or(TEST_KEYS).lines().any(|line| line.trim_start().starts_with("op "));
    let operator = if has_op { OperatorKey::Op(KeyRef::new("op")) } else { OperatorKey::Opc(KeyRef::new("opc")) };
    order.keys = (!options.without_keys).then(|| SubscriberKeys { k: KeyRef::new("k"), operator });
    Ok(order)
}

fn data(options: &Options, profile: &SimProfile) -> Result<SubscriberData, FieldError> {
    let numbering = &profile.numbering;
    let mut data = SubscriberData::new(Imsi::new(&options.imsi, &numbering.networks)?);
    data.iccid = Some(Iccid::new(&options.iccid, &numbering.iccid)?);
    let number = Some(&options.number).filter(|number| !number.is_empty());
    data.msisdn = number.map(|number| Msisdn::new(number, numbering.national)).transpose()?;
    let center = options.sms_center.as_deref();
    data.sms_parameters = center.map(|number| SmsParameters::new(number, numbering.national)).transpose()?;
    data.reset_for = options.home.as_deref().map(Plmn::new).transpose()?;
    Ok(data)
}

/// The subscriber's keys.
pub(crate) fn keys(options: &Options) -> Result<SoftwareKeys, Box<dyn Error>> {
    let mut keys = SoftwareKeys::new();
    match &options.keys {
        Some(path) => {
            let name = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            keys.insert_file(&text).map_err(|error| format!("{name}: {error}"))?;
        }
        None => keys.insert_file(TEST_KEYS)?,
    }
    Ok(keys)
}

/// ADM keys that software cards are made with; those of the makes that they stand for are printed in manuals.
fn made_with(style: UsimStyle) -> [u8; 8] {
    match style {
        UsimStyle::Gr1 => *b"32213232",
        _ => *b"88888888",
    }
}
