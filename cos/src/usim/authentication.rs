use cardwright_apdu::{CardPort, Class, CommandApdu, Instruction, Ne, StatusWord};
use cardwright_keys::milenage::SubscriberKeys;
use cardwright_keys::{KeyPort, KeyRequest, KeyValue};

use super::error::SimError;
use super::file::FilePath;
use super::profile::{KeyProof, SimProfile};
use super::session::{Dialect, FileSystem, call, send};

/// DF GSM, in which a SIM authenticates.
const DF_GSM: u16 = 0x7F20;
/// A sequence number that no network gives out any more: where a card takes it all the same, it is moved to the lowest there is.
const STALE: [u8; 6] = [0; 6];
const NAME: &str = "AUTHENTICATE";

/// What an authentication says of the keys on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyVerdict {
    /// The card has these keys.
    Proved,
    /// It has others, or none.
    Other,
}

/// Shows whether a card has a subscriber's keys, without reading them and without moving its sequence number ahead.
///
/// The card is reset before: keys that were just written count from then on, and the commands of the proof may be of the other class than
/// those before it. Gives the file system as it is after.
///
/// # Errors
/// [`SimError::Refused`] when the card does not authenticate, before a PIN was given for instance; [`SimError::Answer`],
/// [`SimError::Transport`], [`SimError::Keys`]; [`SimError::NoEntry`] for a profile that cannot prove keys.
pub async fn prove_keys(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    profile: &SimProfile,
    subscriber: &SubscriberKeys,
    rand: [u8; 16],
) -> Result<(KeyVerdict, FileSystem), SimError> {
    let no_entry = |what| SimError::NoEntry { profile: profile.name.clone(), what };
    let proof = profile.proof.ok_or_else(|| no_entry("a proof of the keys"))?;
    card.reset().await.map_err(|source| SimError::Transport { command: "reset", source })?;
    let dialect = if proof == KeyProof::Gsm { Dialect::Gsm } else { Dialect::Uicc };
    let mut files = FileSystem::new(dialect);
    if proof == KeyProof::Gsm {
        files.select(card, &FilePath::new(&[DF_GSM])).await?;
    } else {
        let aid = profile.application.ok_or_else(|| no_entry("a USIM, which is to authenticate"))?;
        files.select_application(card, &aid).await?;
    }
    let verdict = match proof {
        KeyProof::Gsm | KeyProof::UsimGsm => gsm(card, keys, proof, subscriber, rand).await?,
        KeyProof::UsimStale => stale(card, keys, subscriber, rand).await?,
    };
    Ok((verdict, files))
}

/// SRES and Kc have to be those of the keys.
async fn gsm(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    proof: KeyProof,
    subscriber: &SubscriberKeys,
    rand: [u8; 16],
) -> Result<KeyVerdict, SimError> {
    let answer =
        if proof == KeyProof::Gsm { run_gsm_algorithm(card, rand).await? } else { gsm_context(card, rand).await? };
    let request = KeyRequest::GsmAuthentication { keys: subscriber.clone(), rand };
    let expected = keys.ask_keys(request).await?.into_gsm()?;
    let proved = answer.0 == expected.sres && answer.1.is_equal(&expected.kc);
    Ok(if proved { KeyVerdict::Proved } else { KeyVerdict::Other })
}

/// RUN GSM ALGORITHM (TS 51.011 9.2.16): `SRES ‖ Kc`.
async fn run_gsm_algorithm(card: &mut impl CardPort, rand: [u8; 16]) -> Result<([u8; 4], KeyValue), SimError> {
    let command = CommandApdu::new(0xA0, Instruction::INTERNAL_AUTHENTICATE, 0, 0).with_data(rand);
    let mut response = send(card, command).await?;
    if response.sw().sw1() == 0x9F {
        let ne = Ne::new(response.sw().sw2().into()).unwrap_or(Ne::MAX_SHORT);
        response = call(card, CommandApdu::new(0xA0, Instruction::GET_RESPONSE, 0, 0).with_ne(ne)).await?;
    } else if !response.sw().is_ok() {
        return Err(SimError::Refused { command: NAME, sw: response.sw() });
    }
    match response.data().split_first_chunk() {
        Some((sres, kc)) if kc.len() == 8 => Ok((*sres, KeyValue::new(kc)?)),
        _ => Err(wrong("SRES and Kc, 12 bytes", 0, response.data())),
    }
}

/// AUTHENTICATE in the GSM context (TS 31.102 7.1.2.2): `04 SRES 08 Kc`.
async fn gsm_context(card: &mut impl CardPort, rand: [u8; 16]) -> Result<([u8; 4], KeyValue), SimError> {
    let data = [&[16][..], &rand].concat();
    let command = CommandApdu::new(Class::ISO, Instruction::INTERNAL_AUTHENTICATE, 0, 0x80).with_data(data);
    let response = send(card, command.with_ne(Ne::MAX_SHORT)).await?;
    if !response.sw().is_ok() {
        return Err(SimError::Refused { command: NAME, sw: response.sw() });
    }
    match response.data() {
        &[4, a, b, c, d, 8, ref kc @ ..] if kc.len() == 8 => Ok(([a, b, c, d], KeyValue::new(kc)?)),
        data => Err(wrong("04 SRES 08 Kc", 0, data)),
    }
}

/// The card makes an AUTS of its keys when the sequence number is not fresh; it compares the MAC first (TS 31.102 7.1.1.1).
async fn stale(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    subscriber: &SubscriberKeys,
    rand: [u8; 16],
) -> Result<KeyVerdict, SimError> {
    let request = KeyRequest::UmtsAuthentication { keys: subscriber.clone(), rand, sqn: STALE, amf: [0, 0] };
    let vector = keys.ask_keys(request).await?.into_vector()?;
    let data = [&[16][..], &rand, &[16], &vector.autn].concat();
    let command = CommandApdu::new(Class::ISO, Instruction::INTERNAL_AUTHENTICATE, 0, 0x81).with_data(data);
    let response = send(card, command.with_ne(Ne::MAX_SHORT)).await?;
    match response.sw() {
        StatusWord::OK => {}
        // The MAC is not that of the card's keys.
        StatusWord(0x9862) => return Ok(KeyVerdict::Other),
        sw => return Err(SimError::Refused { command: NAME, sw }),
    }
    let proved = match response.data() {
        [0xDC, 14, auts @ ..] => {
            let auts = auts.try_into().map_err(|_| wrong("DC 0E AUTS", 2, response.data()))?;
            let request = KeyRequest::Resynchronization { keys: subscriber.clone(), rand, auts };
            keys.ask_keys(request).await?.into_resynchronization()?.is_some()
        }
        [0xDB, 8, rest @ ..] if rest.len() >= 8 => rest[..8] == vector.xres,
        data => return Err(wrong("DC 0E AUTS or DB 08 RES", 0, data)),
    };
    Ok(if proved { KeyVerdict::Proved } else { KeyVerdict::Other })
}

fn wrong(expected: &'static str, offset: usize, data: &[u8]) -> SimError {
    SimError::Answer { command: NAME, expected, offset, actual: data.len() }
}
