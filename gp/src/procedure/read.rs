use alloc::vec::Vec;

use cardwright_apdu::tlv::{self, Reader, Tag};
use cardwright_apdu::{Aid, CardPort, Class, CommandApdu, Instruction, Ne, StatusWord};
use cardwright_keys::KeyPort;

use super::{KeyCandidate, OpenOptions, Opened, open, send};
use crate::card_data::{
    CARD_RECOGNITION_DATA, CIN, CPLC, CardRecognitionData, Cplc, FileControlInformation, IIN, KEY_INFORMATION,
    KeyInformation,
};
use crate::channel::HostChallenge;
use crate::command::{self, Scope};
use crate::error::CardFault;
use crate::profile::{ListingFormat, ListingQuirks, Paging};
use crate::registry::Registry;
use crate::{Error, SecureChannel};

/// Selects an application or, without an AID, the issuer security domain; a warning (62XX) is accepted, as locked cards
/// give one.
///
/// # Errors
/// [`Error::Refused`] and [`Error::Transport`].
pub async fn select(card: &mut impl CardPort, aid: Option<&Aid>) -> Result<FileControlInformation, Error> {
    let command = command::select(aid);
    let name = command.name();
    let response = send(card, command).await?;
    match response.sw() {
        sw if sw.is_ok() || sw.sw1() == 0x62 => Ok(FileControlInformation::parse(response.data())),
        sw => Err(Error::Refused { command: name, sw }),
    }
}

/// AIDs of issuer security domains in the field, for cards that refuse a SELECT without one.
const ISSUER_SECURITY_DOMAINS: [&[u8]; 4] = [
    &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00, 0x00],
    &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00],
    &[0xA0, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00],
    &[0xA0, 0x00, 0x00, 0x00, 0x18, 0x43, 0x4D, 0x00],
];

/// Selects the issuer security domain: the one with this AID, or without one the card's own choice and, where the card
/// refuses that, those with the AIDs in common use.
///
/// # Errors
/// [`Error::Refused`] with an AID, [`Error::NoDomain`] without; [`Error::Transport`].
pub async fn select_domain(card: &mut impl CardPort, aid: Option<&Aid>) -> Result<FileControlInformation, Error> {
    let sw = match select(card, aid).await {
        Err(Error::Refused { sw, .. }) if aid.is_none() => sw,
        result => return result,
    };
    for aid in ISSUER_SECURITY_DOMAINS.iter().filter_map(|aid| Aid::new(aid).ok()) {
        match select(card, Some(&aid)).await {
            Ok(mut fci) => {
                fci.aid = fci.aid.or(Some(aid));
                return Ok(fci);
            }
            Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::NoDomain { sw })
}

/// What a card says of itself. What it does not tell stays empty.
#[derive(Clone, Debug, Default)]
pub struct CardData {
    /// Card Production Life Cycle data.
    pub cplc: Option<Cplc>,
    /// Card recognition data.
    pub recognition: Option<CardRecognitionData>,
    /// Keys of the selected security domain.
    pub keys: Vec<KeyInformation>,
    /// Issuer identification number (tag 42); asked for only where there is no CPLC serial number.
    pub iin: Option<Vec<u8>>,
    /// Card image number (tag 45); asked for only where there is no CPLC serial number.
    pub cin: Option<Vec<u8>>,
}

/// Reads CPLC, card recognition data and key information of the selected security domain: three GET DATA, and two more on
/// a card whose CPLC data holds no serial number.
///
/// # Errors
/// [`Error::Transport`]; a card that refuses a data object has it empty.
pub async fn read_card_data(card: &mut impl CardPort) -> Result<CardData, Error> {
    let mut data = CardData::default();
    if let Some(answer) = get_data(card, CPLC).await? {
        data.cplc = Cplc::parse(&answer);
    }
    data.recognition = get_data(card, CARD_RECOGNITION_DATA).await?.as_deref().map(CardRecognitionData::parse);
    if let Some(answer) = get_data(card, KEY_INFORMATION).await? {
        data.keys = KeyInformation::parse(&answer);
    }
    if data.cplc.and_then(|cplc| cplc.identity()).is_none() {
        data.iin = get_value(card, IIN).await?;
        data.cin = get_value(card, CIN).await?;
    }
    Ok(data)
}

/// Reads the ICCID of a card with a file system (ETSI TS 102 221 13.2): SELECT of the master file and of EF.ICCID, READ BINARY. What
/// was selected before is not any more.
///
/// # Errors
/// [`Error::Transport`]; a card that has no such file, or another content than ten bytes, has no ICCID.
pub async fn read_iccid(card: &mut impl CardPort) -> Result<Option<[u8; 10]>, Error> {
    for file in [[0x3F, 0x00], [0x2F, 0xE2]] {
        let select = CommandApdu::new(Class::ISO, Instruction::SELECT, 0x00, 0x04).with_data(file);
        let sw = send(card, select.with_ne(Ne::MAX_SHORT)).await?.sw();
        if !sw.is_ok() && sw.sw1() != 0x62 {
            return Ok(None);
        }
    }
    const TEN: Ne = match Ne::new(10) {
        Some(ne) => ne,
        None => Ne::MAX_SHORT,
    };
    let read = CommandApdu::new(Class::ISO, Instruction::READ_BINARY, 0x00, 0x00).with_ne(TEN);
    let response = send(card, read).await?;
    Ok(response.data().try_into().ok().filter(|_| response.sw().is_ok()))
}

/// Reads one data object that may come with its tag or without.
///
/// # Errors
/// [`Error::Transport`]; a refusal is `None`.
async fn get_value(card: &mut impl CardPort, tag: Tag) -> Result<Option<Vec<u8>>, Error> {
    let answer = get_data(card, tag).await?;
    Ok(answer.map(|answer| tlv::find(&answer, tag).map_or(answer.clone(), |object| object.value.to_vec())))
}

async fn get_data(card: &mut impl CardPort, tag: Tag) -> Result<Option<Vec<u8>>, Error> {
    let response = send(card, command::get_data(tag)).await?;
    Ok(response.sw().is_ok().then(|| response.into_data()))
}

/// The most that is read of one part of the registry: an entry has some 60 bytes, no card holds a thousand.
const MAX_REGISTRY: usize = 65536;
const MAX_PAGES: usize = 1024;
/// So much data in a page that is cut off may end between two entries: 256 bytes less the longest protection and an entry.
const FULL_PAGE: usize = 160;

/// Reads the registry in an open channel: issuer security domain, applications, load files with their modules.
///
/// The pages of a part are joined before they are read, since a card may cut them anywhere. A part that the card does
/// not know (6A86, 6F02) is named in [`Registry::untold`]; load files are first asked for without their modules. A card that
/// refuses to tell the issuer security domain is asked in the format without tags, and where it answers that, it is asked for all
/// in it.
///
/// # Errors
/// [`Error::Card`] with the offset in the joined pages; [`Error::Refused`], [`Error::Channel`], [`Error::Transport`].
pub async fn read_registry(card: &mut impl CardPort, channel: &mut SecureChannel) -> Result<Registry, Error> {
    read_parts(card, channel, ListingQuirks::default(), Cut::Refuse).await
}

/// As [`read_registry`], of a card that lists in another format or in other pages than the standard says
/// ([`CardProfile::listing_quirks`](crate::CardProfile::listing_quirks)).
///
/// # Errors
/// As [`read_registry`].
pub async fn read_registry_following(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    quirks: ListingQuirks,
) -> Result<Registry, Error> {
    let cut = if quirks.paging == Paging::CutOff { Cut::Salvage } else { Cut::Refuse };
    read_parts(card, channel, quirks, cut).await
}

/// As [`read_registry`], but of a part whose last entry is cut off the whole entries count, and the part is in
/// [`Registry::untold`] as well: what is not in it may be on the card all the same.
///
/// For looking, and for cards that send no whole page. Absence from what was salvaged proves nothing.
///
/// # Errors
/// As [`read_registry`].
pub async fn salvage_registry(card: &mut impl CardPort, channel: &mut SecureChannel) -> Result<Registry, Error> {
    read_parts(card, channel, ListingQuirks::default(), Cut::Salvage).await
}

/// What becomes of a part whose last entry is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Refuse,
    Salvage,
}

async fn read_parts(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    quirks: ListingQuirks,
    on_cut: Cut,
) -> Result<Registry, Error> {
    let mut registry = Registry::default();
    let ListingQuirks { mut format, paging, .. } = quirks;
    for mut scope in [Scope::IssuerSecurityDomain, Scope::Applications, Scope::LoadFilesAndModules] {
        let mut answer = read_scope(card, channel, scope, (format, paging)).await?;
        if answer.is_none() && scope == Scope::IssuerSecurityDomain && format == ListingFormat::Tlv {
            // An answer in another format than asked for tells nothing.
            answer = read_scope(card, channel, scope, (ListingFormat::Legacy, paging)).await?.filter(|answer| {
                let mut domain = Registry::default();
                domain.extend_legacy(scope, answer).is_ok() && !domain.entries.is_empty()
            });
            if answer.is_some() {
                format = ListingFormat::Legacy;
            }
        }
        if answer.is_none() && scope == Scope::LoadFilesAndModules {
            scope = Scope::LoadFiles;
            answer = read_scope(card, channel, scope, (format, paging)).await?;
        }
        let Some(answer) = answer else {
            registry.untold.push(scope);
            continue;
        };
        let (read, is_cut) = match format {
            ListingFormat::Tlv => {
                let read = registry.extend(scope, &answer);
                let cut = Reader::new(&answer).find_map(Result::err).map(CardFault::Tlv);
                let is_cut = cut.is_some() && read.as_ref().err() == cut.as_ref();
                (read, is_cut)
            }
            // Entries without tags end where their lengths say: what does not end is cut.
            ListingFormat::Legacy => (registry.extend_legacy(scope, &answer), true),
        };
        match read {
            Ok(()) => {}
            Err(_) if on_cut == Cut::Salvage && is_cut => {
                registry.untold.push(if scope == Scope::LoadFilesAndModules { Scope::LoadFiles } else { scope });
            }
            Err(fault) => return Err(Error::card("GET STATUS", fault)),
        }
        let part = if scope == Scope::LoadFilesAndModules { Scope::LoadFiles } else { scope };
        if paging == Paging::CutOff && answer.len() >= FULL_PAGE && !registry.untold.contains(&part) {
            // It may have been cut between two entries.
            registry.untold.push(part);
        }
    }
    Ok(registry)
}

/// The joined pages of one part; `None` when the card does not know the part.
async fn read_scope(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    scope: Scope,
    (format, paging): (ListingFormat, Paging),
) -> Result<Option<Vec<u8>>, Error> {
    let mut joined = Vec::new();
    for page in 0..MAX_PAGES {
        let command = match format {
            ListingFormat::Tlv => command::get_status(scope, None, page > 0),
            ListingFormat::Legacy => command::get_status_legacy(scope, None, page > 0),
        };
        let response = channel.transmit(card, &command).await?;
        let sw = response.sw();
        joined.extend_from_slice(response.data());
        if paging == Paging::GetResponse && sw == StatusWord::MORE_DATA && response.data().is_empty() {
            let get = CommandApdu::new(command.class().get_response(), Instruction::GET_RESPONSE, 0x00, 0x00);
            let page = send(card, get.with_ne(Ne::MAX_SHORT)).await?;
            if !page.sw().is_ok() && page.sw() != StatusWord::MORE_DATA {
                return Err(Error::Refused { command: "GET RESPONSE", sw: page.sw() });
            }
            joined.extend_from_slice(page.data());
        }
        match sw {
            StatusWord::OK => return Ok(Some(joined)),
            StatusWord::MORE_DATA if joined.len() <= MAX_REGISTRY => {}
            StatusWord::MORE_DATA => break,
            StatusWord::REFERENCED_DATA_NOT_FOUND => return Ok(Some(joined)),
            StatusWord::INCORRECT_P1_P2 | StatusWord(0x6F02) if page == 0 => return Ok(None),
            sw => return Err(Error::Refused { command: command.name(), sw }),
        }
    }
    Err(Error::card("GET STATUS", CardFault::Endless { limit: MAX_REGISTRY }))
}

/// Selects the issuer security domain, opens a channel and reads the registry.
///
/// # Errors
/// As [`select`], [`open`] and [`read_registry`].
pub async fn list(
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    candidates: &[KeyCandidate],
    host_challenge: impl Into<HostChallenge>,
    options: OpenOptions,
) -> Result<(Opened, Registry), Error> {
    let domain = select_domain(card, None).await?;
    let mut opened = open(card, keys, domain.aid.as_ref(), candidates, host_challenge, options).await?;
    let registry = read_registry(card, &mut opened.channel).await?;
    Ok((opened, registry))
}
