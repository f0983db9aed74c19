//! What a card tells without a key.

use cardwright::apdu::{Aid, CommandApdu, Ne, StatusWord, block_on};
use cardwright::cos::card_type::{CardType, Evidence};
use cardwright::gp::Error as GpError;
use cardwright::gp::card_data::{FileControlInformation, KEY_INFORMATION, KeyInformation};
use cardwright::gp::command;
use cardwright::gp::procedure::{CardData, read_card_data, select, select_domain, send};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::place::Place;
use crate::{as_json, session, show};

/// AID of USIM applications, first bytes (ETSI TS 101 220).
const USIM: [u8; 7] = [0xA0, 0x00, 0x00, 0x00, 0x87, 0x10, 0x02];

pub(crate) fn info(place: &mut Place, domain: Option<&Aid>, as_text: bool) -> Result<Value, Failure> {
    let atr = session::atr(place)?;
    let (domain, data) = read(place, domain)?;
    if as_text {
        show::info(&atr, domain.as_ref().map_err(|sw| *sw), &data);
    }
    let told = domain.as_ref().ok();
    Ok(json!({
        "atr": hex::encode_upper(&atr),
        "domain": told.and_then(|domain| domain.aid).map(|aid| aid.to_string()),
        "max_command_data": told.and_then(|domain| domain.max_command_data),
        "select": domain.as_ref().err().map(|sw| format!("{:04X}", sw.0)),
        "card": as_json::card_data(&data),
    }))
}

pub(crate) fn keys(place: &mut Place, domain: Option<&Aid>, as_text: bool) -> Result<Value, Failure> {
    let keys = block_on(async {
        select_domain(&mut place.card, domain).await?;
        let response = send(&mut place.card, command::get_data(KEY_INFORMATION)).await?;
        match response.sw() {
            sw if sw.is_ok() => Ok(KeyInformation::parse(response.data())),
            sw => Err(GpError::Refused { command: "GET DATA", sw }),
        }
    });
    let keys = keys.map_err(|error| Failure::of(error, false))?;
    if as_text {
        show::keys(&keys);
    }
    Ok(json!({ "keys": as_json::keys(&keys) }))
}

/// Whether it is a GlobalPlatform card, a SIM, a native card; and which of those that are known.
pub(crate) fn card_type(place: &mut Place, as_text: bool) -> Result<Value, Failure> {
    let atr = session::atr(place)?;
    let (domain, data) = read(place, None)?;
    let cplc = data.cplc.as_ref().map(|cplc| &cplc.as_bytes()[..]);
    let types = CardType::built_in();
    let evidence = Evidence { atr: &atr, cplc, ..Evidence::default() };
    let known: Vec<_> = CardType::identify(&types, &evidence);
    let (usim, files) = block_on(async {
        let usim = match Aid::new(&USIM) {
            Ok(aid) => select(&mut place.card, Some(&aid)).await.is_ok(),
            Err(_) => false,
        };
        let master = CommandApdu::new(0x00, 0xA4, 0x00, 0x00).with_data([0x3F, 0x00]).with_ne(Ne::MAX_SHORT);
        let sw = send(&mut place.card, master).await?.sw();
        Ok::<_, GpError>((usim, sw.is_ok() || sw.sw1() == 0x61 || sw.sw1() == 0x62))
    })
    .map_err(|error| Failure::of(error, false))?;
    let mut words = Vec::new();
    if domain.is_ok() {
        let recognition = data.recognition.clone().unwrap_or_default();
        let (version, protocols) = (show::version(&recognition.version), show::protocols(&recognition.protocols));
        words.push(format!("GlobalPlatform card: {version}, {protocols}"));
    }
    if usim {
        words.push("USIM".into());
    }
    words.extend(known.iter().map(|card| format!("{}: native card profile {}", card.name, card.profile)));
    if files && known.is_empty() && !usim {
        words.push("card with a file system".into());
    }
    if words.is_empty() {
        words.push("not known: it refuses to select a security domain, a USIM and a master file".into());
    }
    if as_text {
        println!("answer to reset  {}", hex::encode_upper(&atr));
        words.iter().for_each(|words| println!("{words}"));
    }
    Ok(
        json!({ "atr": hex::encode_upper(&atr), "kinds": words, "global_platform": domain.is_ok(), "usim": usim, "files": files }),
    )
}

/// Security domain, or why not, and what GET DATA tells; a terminated card still does.
fn read(
    place: &mut Place,
    domain: Option<&Aid>,
) -> Result<(Result<FileControlInformation, StatusWord>, CardData), Failure> {
    block_on(async {
        let domain = match select_domain(&mut place.card, domain).await {
            Ok(domain) => Ok(domain),
            Err(GpError::NoDomain { sw } | GpError::Refused { sw, .. }) => Err(sw),
            Err(error) => return Err(error),
        };
        let data = read_card_data(&mut place.card).await?;
        Ok((domain, data))
    })
    .map_err(|error| Failure::of(error, false))
}
