//! What changes the content of a card besides loading and installing.

use cardwright_gp::command::StatusTarget;
use cardwright_gp::procedure::{self, KeyCandidate, KeyScheme, NewKeys, Replaced};
use cardwright_gp::{DataEncryption, DataStructure, LifeCycle, StoreData};

use crate::boundary::boundary;
use crate::drive::at_once;
use crate::failure::Failure;
use crate::input::{self, cw_aid};
use crate::keys::cw_keys;
use crate::open::{self, cw_key_candidate};
use crate::plain::{self, plain};
use crate::session::{OpenChannel, Session, cw_session};
use crate::status::{CW_CARD_FAULT, cw_status};
use crate::{handle, keys};

/// `flags`: what depends on the object goes with it.
pub const CW_DELETE_RELATED: u32 = 0x01;

/// `flags`: what cannot be undone is meant.
pub const CW_IRREVERSIBLE: u32 = 0x80;

/// SET STATUS of the card, whose state is that of the issuer security domain.
pub const CW_TARGET_CARD: u32 = 0x80;
/// SET STATUS of an application or supplementary security domain.
pub const CW_TARGET_APPLICATION: u32 = 0x40;
/// SET STATUS of a security domain and all applications that belong to it.
pub const CW_TARGET_DOMAIN_AND_APPLICATIONS: u32 = 0x60;

/// `cw_store_data.structure`: as the application knows.
pub const CW_STRUCTURE_OWN: u32 = 0x00;
/// `cw_store_data.structure`: data groups (DGI, length, value).
pub const CW_STRUCTURE_DGI: u32 = 0x08;
/// `cw_store_data.structure`: BER-TLV.
pub const CW_STRUCTURE_BER_TLV: u32 = 0x10;
/// `cw_store_data.encryption`: nothing is enciphered, or nothing is said about it.
pub const CW_ENCRYPTION_NONE: u32 = 0x00;
/// `cw_store_data.encryption`: some values are, as the application knows.
pub const CW_ENCRYPTION_APPLICATION: u32 = 0x20;
/// `cw_store_data.encryption`: all values are enciphered.
pub const CW_ENCRYPTION_ALL: u32 = 0x60;

/// `flags` of `cw_session_put_keys`: the new key set is added, and no other replaced.
pub const CW_PUT_KEYS_ADD: u32 = 0x01;

/// Data for STORE DATA (GPCS 2.3.1 11.11).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct cw_store_data {
    /// Set it to `sizeof(cw_store_data)`.
    pub struct_size: u32,
    /// One of `CW_STRUCTURE_OWN` to `CW_STRUCTURE_BER_TLV`.
    pub structure: u32,
    /// One of `CW_ENCRYPTION_NONE` to `CW_ENCRYPTION_ALL`.
    pub encryption: u32,
    /// Application that gets the data, after INSTALL [for personalization]; length 0 for the security domain of the channel.
    pub application: cw_aid,
    /// Zero.
    pub reserved: [u8; 3],
    /// The data, any length that 256 commands carry; may be NULL when the length is 0.
    pub data: *const u8,
    /// Length of `data`, in bytes.
    pub data_len: usize,
}

plain! { cw_store_data: size_of::<cw_store_data>(); }

/// Deletes an application or load file in the open channel. `flags` is 0 or `CW_DELETE_RELATED`.
///
/// `found` may be NULL; it becomes 1, or 0 when there was nothing of this AID on the card, which is no error: a DELETE that is
/// repeated ends that way.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_delete(
    session: *mut cw_session,
    aid: *const cw_aid,
    flags: u32,
    found: *mut i32,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            // SAFETY: the header asks for a readable struct.
            let aid = unsafe { input::require_aid(aid, "aid")? };
            if flags & !CW_DELETE_RELATED != 0 {
                return Err(Failure::value(format!("delete flags {flags:X} are not known")));
            }
            if !found.is_null() {
                input::out(found, "found")?;
            }
            let (card, channel) = session.open_channel()?;
            let was_there = at_once(procedure::delete(card, channel, &aid, flags & CW_DELETE_RELATED != 0))?;
            if !found.is_null() {
                // SAFETY: not NULL and aligned; the header asks for a writable number.
                unsafe { found.write(was_there.into()) };
            }
            Ok(())
        })
    })
}

/// Sets the life cycle state (GPCS 2.3.1 tables 11-3 to 11-6) of `target`, one of `CW_TARGET_CARD` to
/// `CW_TARGET_DOMAIN_AND_APPLICATIONS`.
///
/// `aid` is NULL for the card. Of the state of another application only bit 8 counts: 80 locks it, 00 unlocks it. A card that is
/// set to FF (TERMINATED) is lost: that needs `CW_IRREVERSIBLE` in `flags`, which is 0 otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_set_status(
    session: *mut cw_session,
    target: u32,
    aid: *const cw_aid,
    state: u8,
    flags: u32,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            // SAFETY: the header asks for NULL or a readable struct.
            let aid = unsafe { input::aid(aid, "aid")? };
            let target = match (target, aid) {
                (CW_TARGET_CARD, None) => StatusTarget::Card,
                (CW_TARGET_APPLICATION, Some(aid)) => StatusTarget::Application(aid),
                (CW_TARGET_DOMAIN_AND_APPLICATIONS, Some(aid)) => StatusTarget::DomainAndApplications(aid),
                (CW_TARGET_CARD, Some(_)) => return Err(Failure::value("aid: the card has none, it must be NULL")),
                (CW_TARGET_APPLICATION | CW_TARGET_DOMAIN_AND_APPLICATIONS, None) => return Err(Failure::null("aid")),
                (other, _) => return Err(Failure::value(format!("target {other:X} is not known"))),
            };
            let irreversible = irreversible(flags, 0)?;
            let (card, channel) = session.open_channel()?;
            at_once(procedure::set_status(card, channel, target, LifeCycle(state), irreversible))
        })
    })
}

/// Whether the flag for what cannot be undone is there; other flags than `known` are refused.
pub(crate) fn irreversible(flags: u32, known: u32) -> Result<bool, Failure> {
    if flags & !(CW_IRREVERSIBLE | known) != 0 {
        return Err(Failure::value(format!("flags {flags:X} are not known")));
    }
    Ok(flags & CW_IRREVERSIBLE != 0)
}

/// Sends data to a security domain or application in as many STORE DATA commands as it takes.
///
/// `response` may be NULL: the last command then asks for no response data. Otherwise `capacity` must be at least 256, and
/// `*response_len` becomes the length of the response data, without a status word.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_store_data(
    session: *mut cw_session,
    data: *const cw_store_data,
    response: *mut u8,
    capacity: usize,
    response_len: *mut usize,
) -> cw_status {
    /// 256 commands with 255 bytes each.
    const MAX_DATA: usize = 256 * 255;
    const MAX_RESPONSE: usize = 256;
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            // SAFETY: the header asks for a struct of `struct_size` readable bytes.
            let data = unsafe { plain::read(data)? };
            let structure = match data.structure {
                CW_STRUCTURE_OWN => DataStructure::Own,
                CW_STRUCTURE_DGI => DataStructure::Dgi,
                CW_STRUCTURE_BER_TLV => DataStructure::BerTlv,
                other => return Err(Failure::value(format!("structure {other:X} is not known"))),
            };
            let encryption = match data.encryption {
                CW_ENCRYPTION_NONE => DataEncryption::None,
                CW_ENCRYPTION_APPLICATION => DataEncryption::ApplicationDependent,
                CW_ENCRYPTION_ALL => DataEncryption::All,
                other => return Err(Failure::value(format!("encryption {other:X} is not known"))),
            };
            let application = data.application.get("application")?;
            // SAFETY: the header asks for `data_len` readable bytes.
            let bytes = unsafe { input::bytes(data.data, data.data_len, MAX_DATA, "data")? };
            if !response.is_null() {
                input::out(response_len, "response_len")?;
                // SAFETY: checked above; the header asks for a writable length.
                unsafe { input::room(MAX_RESPONSE, capacity, response_len)? };
            }
            let data = StoreData { encryption, response: !response.is_null(), ..StoreData::new(structure, bytes) };
            let limit = session.max_command_data;
            let (card, channel) = session.open_channel()?;
            let answer = at_once(procedure::store_data(card, channel, application.as_ref(), &data, limit))?;
            if response.is_null() {
                return Ok(());
            }
            if answer.len() > capacity {
                return Err(Failure::too_long(answer.len(), capacity).of("STORE DATA"));
            }
            // SAFETY: the header asks for `capacity` writable bytes and a writable length.
            unsafe { input::hand_over(&answer, response, capacity, response_len) }
        })
    })
}

/// Puts a key set into the security domain of the open channel, and verifies the check values that the card computed.
///
/// `new_keys` names the key or master key in `keys`; its `kvn` is the version that the set gets, 0 for that of the set which the
/// channel was opened with. Without `CW_PUT_KEYS_ADD` that set is replaced; in a channel of SCP11 keys are added, as they are, only. Initial keys (version FF) vanish for good when the
/// first set comes, added or not; in their place it gets version 01. This needs `CW_IRREVERSIBLE`.
///
/// When the answer is lost (`cw_error.in_doubt`), open the channel again with both key sets as candidates: the one that fits
/// tells which is on the card. Nothing authenticates the key diversification data that the keys are derived with; `cw_process_run`
/// has them shown twice before it puts keys.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn cw_session_put_keys(
    session: *mut cw_session,
    keys: *mut cw_keys,
    new_keys: *const cw_key_candidate,
    flags: u32,
) -> cw_status {
    boundary(|| {
        handle::with::<Session, _>(session as usize, |session| {
            let mut keys = keys::service(keys)?;
            // SAFETY: the header asks for a struct of `struct_size` readable bytes, and strings that end.
            let candidate = unsafe { open::candidate(&plain::read(new_keys)?)? };
            let irreversible = irreversible(flags, CW_PUT_KEYS_ADD)?;
            let (card, opened) = session.opened()?;
            let new = new_keys_of(&candidate, opened, flags & CW_PUT_KEYS_ADD != 0, irreversible)?;
            // Under SCP11 the session has a key of its own for this.
            let current = opened.keys.as_ref().map_or(&new.keys, |keys| &keys.set);
            let put = at_once(procedure::prepare_keys(&mut keys, &opened.channel, current, &new))?;
            at_once(procedure::put_keys(card, &mut opened.channel, &put))
        })
    })
}

fn new_keys_of(
    candidate: &KeyCandidate,
    opened: &OpenChannel,
    add: bool,
    irreversible: bool,
) -> Result<NewKeys, Failure> {
    let protocol = opened.channel.protocol();
    if candidate.kind != protocol.key_kind() {
        let (kind, protocol) = (candidate.kind, protocol.name());
        return Err(Failure::value(format!("new_keys are for {kind}, the security domain has {protocol}")));
    }
    let Some(in_use) = &opened.keys else {
        if !add || candidate.scheme != KeyScheme::AsIs {
            return Err(Failure::value(
                "new_keys: a channel of SCP11 adds keys as they are: CW_PUT_KEYS_ADD, CW_SCHEME_AS_IS",
            ));
        }
        let kvn = candidate.kvn.ok_or_else(|| Failure::value("kvn: a key set that is added needs a version"))?;
        return Ok(NewKeys::added(kvn, candidate.keys_for([0; 10])));
    };
    if candidate.scheme != KeyScheme::AsIs && in_use.kdd == [0; 10] {
        let message = "the key diversification data is all zero: keys derived from it would not be the card's own";
        return Err(Failure::new(CW_CARD_FAULT, message).of("INITIALIZE UPDATE"));
    }
    let keys = candidate.keys_for(in_use.kdd);
    let is_meant = in_use.kvn == 0xFF && irreversible;
    if add {
        let kvn = candidate.kvn.ok_or_else(|| Failure::value("kvn: a key set that is added needs a version"))?;
        let added = NewKeys::added(kvn, keys);
        return Ok(if is_meant { NewKeys { replaced: Replaced::Initial, ..added } } else { added });
    }
    let mut new = match is_meant {
        true => NewKeys::in_place_of_initial(keys),
        false => NewKeys::in_place_of(in_use.kvn, keys).map_err(Failure::from)?,
    };
    new.kvn = candidate.kvn.unwrap_or(new.kvn);
    Ok(new)
}
