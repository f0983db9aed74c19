use alloc::vec::Vec;
use core::ops::ControlFlow;

use cardwright_apdu::{Aid, CardPort, CommandApdu, StatusWord};
use cardwright_keys::{KeyEncryptionKey, KeyKind, KeyPort, KeyRequest, KeySet};

use crate::command::{self, InstallForInstall, InstallForLoad, PutKey, StatusTarget};
use crate::store_data::StoreData;
use crate::{Error, LifeCycle, LoadFile, SecureChannel};

/// Loads a load file into the security domain of the channel: INSTALL [for load], then LOAD in the longest blocks that
/// fit. `max_command_data` is the card's limit from its FCI (9F65), `progress` hears how many blocks of how many are done.
///
/// A load that is broken off is void (GPCS 2.3.1 11.6): it begins again with INSTALL [for load].
///
/// # Errors
/// [`Error::LoadFile`] before anything is sent; [`Error::Refused`], [`Error::Channel`], [`Error::Transport`].
pub async fn load(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    domain: Option<Aid>,
    load_file: &LoadFile,
    max_command_data: Option<usize>,
    mut progress: impl FnMut(usize, usize),
) -> Result<(), Error> {
    let go_on = |done, total| {
        progress(done, total);
        ControlFlow::Continue(())
    };
    load_while(card, channel, domain, load_file, max_command_data, go_on).await.map(drop)
}

/// As [`load`], and `progress` may break the load off between two blocks; [`ControlFlow::Break`] says that it did.
///
/// The channel stays open. What was sent is void, and the next load begins again; a break after the last block comes too
/// late and is none.
///
/// # Errors
/// As [`load`]; [`Error::HashMissing`] for a load file with DAP Blocks, which [`load_as`](super::load_as) loads.
pub async fn load_while(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    domain: Option<Aid>,
    load_file: &LoadFile,
    max_command_data: Option<usize>,
    progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    if load_file.has_dap_blocks() || load_file.is_ciphered() {
        return Err(Error::HashMissing);
    }
    let command = InstallForLoad::new(load_file.aid(), domain).command()?;
    match load_blocks(card, channel, &command, load_file, max_command_data, progress).await? {
        ControlFlow::Continue(_) => Ok(ControlFlow::Continue(())),
        ControlFlow::Break(()) => Ok(ControlFlow::Break(())),
    }
}

/// Sends `begin` and the LOAD commands; gives the response data of the last.
pub(super) async fn load_blocks(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    begin: &CommandApdu,
    load_file: &LoadFile,
    max_command_data: Option<usize>,
    mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<ControlFlow<(), Vec<u8>>, Error> {
    let blocks = load_file.blocks(channel.longest_data(max_command_data))?;
    let total = blocks.len();
    channel.call(card, begin).await?;
    let mut go_on = progress(0, total);
    let mut answer = Vec::new();
    for (done, block) in blocks.enumerate() {
        if go_on.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        answer = channel.call(card, &command::load(block.p2, block.p1 & 0x80 != 0, block.data)).await?.into_data();
        go_on = progress(done + 1, total);
    }
    Ok(ControlFlow::Continue(answer))
}

/// INSTALL [for install and make selectable].
///
/// # Errors
/// [`Error::Refused`], [`Error::Channel`], [`Error::Transport`], [`Error::TooLong`].
pub async fn install(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    install: &InstallForInstall<'_>,
) -> Result<(), Error> {
    channel.call(card, &install.and_make_selectable()?).await.map(drop)
}

/// [`load`], then [`install`].
///
/// # Errors
/// As both.
pub async fn load_and_install(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    domain: Option<Aid>,
    load_file: &LoadFile,
    application: &InstallForInstall<'_>,
    max_command_data: Option<usize>,
    progress: impl FnMut(usize, usize),
) -> Result<(), Error> {
    let command = application.and_make_selectable()?;
    load(card, channel, domain, load_file, max_command_data, progress).await?;
    channel.call(card, &command).await.map(drop)
}

/// Deletes an application or load file; `false` when there was nothing of this AID (6A88, 6A82), which for a repeated command
/// means that it is done.
///
/// # Errors
/// [`Error::Refused`], [`Error::Channel`], [`Error::Transport`].
pub async fn delete(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    aid: &Aid,
    and_related: bool,
) -> Result<bool, Error> {
    let command = command::delete(aid, and_related);
    match channel.transmit(card, &command).await?.sw() {
        StatusWord::OK => Ok(true),
        // GPCS 2.3.1 table 11-26.
        StatusWord::REFERENCED_DATA_NOT_FOUND | StatusWord::FILE_NOT_FOUND => Ok(false),
        sw => Err(Error::Refused { command: command.name(), sw }),
    }
}

/// Version of a maker's initial keys, outside of the versions of PUT KEY (GPCS 2.3.1 11.8.2.1).
const INITIAL_KEYS: u8 = 0xFF;
const REPLACING_INITIAL_KEYS: &str = "replacing the initial keys (version FF)";

/// Which keys of the card go when new ones come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// None: the set is added. Refused in a channel that the initial keys opened, which the card would drop.
    None,
    /// The set with this version, 01 to 7F.
    Version(u8),
    /// The initial keys (version FF), which the card drops when the first set comes. They never come back: to name them is the explicit
    /// word for it.
    Initial,
}

/// Key set that replaces another one, or is added.
#[derive(Clone, Debug)]
pub struct NewKeys {
    /// The keys.
    pub keys: KeySet,
    /// Version that they get, 01 to 7F.
    pub kvn: u8,
    /// What they replace.
    pub replaced: Replaced,
    /// Whether the security domain has one secure channel base key (bit 1 of `i` of SCP02) and gets the first key of the set
    /// only.
    ///
    /// The caller's knowledge: `i` comes from a card without protection, and a damaged one would leave the card with one new
    /// key and two old ones.
    pub base_key: bool,
}

impl NewKeys {
    /// Keys in place of the set that a session was opened with, under its version.
    ///
    /// # Errors
    /// [`Error::Irreversible`] for the initial keys (version FF), which [`in_place_of_initial`](Self::in_place_of_initial) replaces;
    /// [`Error::KeyVersion`] for a version that PUT KEY can neither name nor drop.
    pub fn in_place_of(kvn: u8, keys: KeySet) -> Result<Self, Error> {
        match kvn {
            0x01..=0x7F => Ok(Self { keys, kvn, replaced: Replaced::Version(kvn), base_key: false }),
            INITIAL_KEYS => Err(Error::Irreversible { what: REPLACING_INITIAL_KEYS }),
            _ => Err(Error::KeyVersion { kvn }),
        }
    }

    /// Keys in place of the initial ones (version FF), for good: there is no way back to version FF.
    ///
    /// PUT KEY cannot name them, its versions end at 7F: a set with version 01 is added, and the card drops the initial keys (GPCS
    /// 2.3.1 11.8.2.1).
    #[must_use]
    pub fn in_place_of_initial(keys: KeySet) -> Self {
        Self { keys, kvn: 0x01, replaced: Replaced::Initial, base_key: false }
    }

    /// Keys besides those that the card has, under a version of their own.
    #[must_use]
    pub fn added(kvn: u8, keys: KeySet) -> Self {
        Self { keys, kvn, replaced: Replaced::None, base_key: false }
    }
}

/// Has a key set enciphered for the card. The command that comes of it can be recorded before it is sent.
///
/// `current` is the key set of the open channel: under SCP01 and SCP03 its Key-DEK enciphers the new keys, under SCP02 and SCP11
/// the session DEK does.
///
/// # Errors
/// [`Error::Irreversible`] before anything is asked or sent, when keys are added in a channel that the initial keys opened without
/// [`Replaced::Initial`]; [`Error::Keys`].
pub async fn prepare_keys(
    keys: &mut impl KeyPort,
    channel: &SecureChannel,
    current: &KeySet,
    new: &NewKeys,
) -> Result<PutKey, Error> {
    if new.replaced == Replaced::None && channel.kvn() == Some(INITIAL_KEYS) {
        return Err(Error::Irreversible { what: REPLACING_INITIAL_KEYS });
    }
    let replace = match new.replaced {
        Replaced::Version(kvn) => Some(kvn),
        Replaced::None | Replaced::Initial => None,
    };
    let under = match channel.session_dek() {
        Some(dek) if channel.is_implicit() => KeyEncryptionKey::SessionCbc(dek.clone()),
        Some(dek) if channel.protocol().key_kind() == KeyKind::Aes => KeyEncryptionKey::SessionAes(dek.clone()),
        Some(dek) => KeyEncryptionKey::Session(dek.clone()),
        None => KeyEncryptionKey::Static(current.dek.clone()),
    };
    let mut wrapped = Vec::with_capacity(3);
    let count = if new.base_key { 1 } else { 3 };
    for key in new.keys.in_order().into_iter().take(count) {
        let request = KeyRequest::Wrap { key: key.clone(), under: under.clone() };
        wrapped.push(keys.ask_keys(request).await?.into_wrapped()?);
    }
    let under_aes = channel.protocol().key_kind() == KeyKind::Aes && !channel.quirks().bare_key_components;
    Ok(PutKey { replace, kvn: new.kvn, first_kid: 1, keys: wrapped, under_aes })
}

/// Sends a prepared PUT KEY and verifies the check values that the card computed.
///
/// # Errors
/// [`Error::Card`] when a check value differs: the card then holds other keys than were meant.
/// [`Error::Refused`], [`Error::Channel`], [`Error::Transport`].
pub async fn put_keys(card: &mut impl CardPort, channel: &mut SecureChannel, put: &PutKey) -> Result<(), Error> {
    let answer = channel.call(card, &put.command()?).await?;
    put.verify(answer.data())
}

/// Sets the life cycle state of the card, an application or a security domain.
///
/// `irreversible` has to be true for TERMINATED, after which the card does nothing any more.
///
/// # Errors
/// [`Error::Irreversible`] before anything is sent; [`Error::Refused`], [`Error::Channel`], [`Error::Transport`].
pub async fn set_status(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    target: StatusTarget,
    state: LifeCycle,
    irreversible: bool,
) -> Result<(), Error> {
    if target == StatusTarget::Card && state == LifeCycle::TERMINATED && !irreversible {
        return Err(Error::Irreversible { what: "SET STATUS to TERMINATED" });
    }
    channel.call(card, &command::set_status(target, state)).await.map(drop)
}

/// Sends data to the security domain of the channel or, after INSTALL [for personalization], to an application; gives the
/// response data of the last command. `max_command_data` is the card's limit from its FCI (9F65).
///
/// # Errors
/// [`Error::Structure`] and [`Error::TooLong`] before anything is sent; [`Error::Refused`], [`Error::Channel`],
/// [`Error::Transport`].
pub async fn store_data(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    application: Option<&Aid>,
    data: &StoreData<'_>,
    max_command_data: Option<usize>,
) -> Result<Vec<u8>, Error> {
    let commands = data.commands(channel.longest_data(max_command_data))?;
    if let Some(application) = application {
        channel.call(card, &command::install_for_personalization(application)).await?;
    }
    let mut answer = Vec::new();
    for command in commands {
        answer = channel.call(card, &command).await?.into_data();
    }
    Ok(answer)
}
