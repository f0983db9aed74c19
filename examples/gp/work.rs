//! What is done in an open secure channel: the same over a card and over a plan.

use cardwright::apdu::{Aid, CardPort, CommandApdu, ResponseApdu};
use cardwright::gp::command::{self, InstallForInstall, Scope, StatusTarget};
use cardwright::gp::procedure::{self, KeyCandidate, NewKeys, Replaced, send};
use cardwright::gp::{
    CardProfile, DataStructure, Error as GpError, LifeCycle, LoadFile, Privileges, Registry, RegistryEntry,
    SecureChannel, StoreData,
};
use cardwright::keys::{KeyCheckValue, KeyPort, KeySet};

/// What is to be done.
pub(crate) enum Work {
    List,
    Load { load_file: LoadFile, application: Option<Application>, block: Option<usize> },
    Install(Application),
    Delete { aids: Vec<Aid>, dependent: bool },
    PutKeys { key: KeyCandidate, add: Option<u8>, irreversible: bool },
    DeleteKeys { version: u8, id: Option<u8> },
    SetStatus { target: StatusTarget, state: LifeCycle, irreversible: bool },
    Status(Option<Aid>),
    Store { data: Vec<u8>, structure: DataStructure, to: Option<Aid> },
    Commands(Vec<CommandApdu>),
}

/// An application that is to be installed.
pub(crate) struct Application {
    pub(crate) load_file: Aid,
    pub(crate) module: Aid,
    pub(crate) aid: Aid,
    pub(crate) privileges: Privileges,
    pub(crate) parameters: Vec<u8>,
    pub(crate) irreversible: bool,
}

/// An open channel and what is known of the card.
pub(crate) struct Ready {
    pub(crate) channel: SecureChannel,
    /// The key set of the session.
    pub(crate) keys: KeySet,
    pub(crate) kvn: u8,
    pub(crate) kdd: [u8; 10],
    /// Longest command data that the card takes.
    pub(crate) limit: Option<usize>,
    pub(crate) profile: CardProfile,
}

/// What was done.
pub(crate) enum Done {
    Listed(Registry),
    Loaded { load_file: Aid, bytes: usize, blocks: usize, application: Option<Aid>, refused_three_bytes: bool },
    Installed { application: Aid, refused_three_bytes: bool },
    Deleted(Vec<Aid>),
    NotThere { aid: Aid, deleted: Vec<Aid> },
    KeysPut { kvn: u8, check_values: Vec<KeyCheckValue> },
    KeysDeleted,
    StatusSet { target: StatusTarget, state: LifeCycle },
    Status(Option<RegistryEntry>),
    Stored(Vec<u8>),
    Answers(Vec<ResponseApdu>),
}

impl Work {
    /// Whether it changes the card: what becomes of a command without an answer is then not known.
    pub(crate) fn changes(&self) -> bool {
        !matches!(self, Self::List | Self::Status(_))
    }
}

/// Does the work.
pub(crate) async fn carry_out(
    work: &Work,
    card: &mut impl CardPort,
    keys: &mut impl KeyPort,
    ready: &mut Ready,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Done, GpError> {
    let channel = &mut ready.channel;
    match work {
        Work::List => {
            let quirks = ready.profile.listing_quirks();
            Ok(Done::Listed(procedure::read_registry_following(card, channel, quirks).await?))
        }
        Work::Load { load_file, application, block } => {
            let limit = block.map_or(ready.limit, |block| Some(ready.limit.map_or(block, |limit| limit.min(block))));
            let mut blocks = 0;
            let count = |done, total| {
                blocks = total;
                progress(done, total);
            };
            procedure::load(card, channel, None, load_file, limit, count).await?;
            let refused_three_bytes = match application {
                Some(application) => install(card, channel, &ready.profile, application).await?,
                None => false,
            };
            Ok(Done::Loaded {
                load_file: load_file.aid(),
                bytes: load_file.as_bytes().len(),
                blocks,
                application: application.as_ref().map(|application| application.aid),
                refused_three_bytes,
            })
        }
        Work::Install(application) => {
            let refused_three_bytes = install(card, channel, &ready.profile, application).await?;
            Ok(Done::Installed { application: application.aid, refused_three_bytes })
        }
        Work::Delete { aids, dependent } => {
            let mut deleted = Vec::new();
            for aid in aids {
                if !procedure::delete(card, channel, aid, *dependent).await? {
                    return Ok(Done::NotThere { aid: *aid, deleted });
                }
                deleted.push(*aid);
            }
            Ok(Done::Deleted(deleted))
        }
        Work::PutKeys { key, add, irreversible } => {
            let set = key.keys_for(ready.kdd);
            let is_meant = *irreversible && ready.kvn == 0xFF;
            let new = match add {
                Some(kvn) if is_meant => NewKeys { replaced: Replaced::Initial, ..NewKeys::added(*kvn, set) },
                Some(kvn) => NewKeys::added(*kvn, set),
                None if is_meant => NewKeys::in_place_of_initial(set),
                None => NewKeys::in_place_of(ready.kvn, set)?,
            };
            let put = procedure::prepare_keys(keys, channel, &ready.keys, &new).await?;
            procedure::put_keys(card, channel, &put).await?;
            Ok(Done::KeysPut { kvn: put.kvn, check_values: put.key_check_values() })
        }
        Work::DeleteKeys { version, id } => {
            channel.call(card, &command::delete_key(*id, Some(*version))).await?;
            Ok(Done::KeysDeleted)
        }
        Work::SetStatus { target, state, irreversible } => {
            procedure::set_status(card, channel, *target, *state, *irreversible).await?;
            Ok(Done::StatusSet { target: *target, state: *state })
        }
        Work::Status(aid) => Ok(Done::Status(status(card, channel, aid.as_ref()).await?)),
        Work::Store { data, structure, to } => {
            let data = StoreData::new(*structure, data);
            Ok(Done::Stored(procedure::store_data(card, channel, to.as_ref(), &data, ready.limit).await?))
        }
        Work::Commands(commands) => {
            let mut answers = Vec::new();
            for command in commands {
                answers.push(channel.transmit(card, command).await?);
            }
            Ok(Done::Answers(answers))
        }
    }
}

/// Commands as they are, without a channel.
pub(crate) async fn send_plain(
    card: &mut impl CardPort,
    commands: &[CommandApdu],
) -> Result<Vec<ResponseApdu>, GpError> {
    let mut answers = Vec::new();
    for command in commands {
        answers.push(send(card, command.clone()).await?);
    }
    Ok(answers)
}

/// The registry's entry of an application or, without an AID, of the card.
pub(crate) async fn status(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    aid: Option<&Aid>,
) -> Result<Option<RegistryEntry>, GpError> {
    let scope = if aid.is_some() { Scope::Applications } else { Scope::IssuerSecurityDomain };
    let command = command::get_status(scope, aid, false);
    let response = channel.transmit(card, &command).await?;
    if response.sw().0 == 0x6A88 {
        return Ok(None);
    }
    if !response.sw().is_ok() && response.sw().0 != 0x6310 {
        return Err(GpError::Refused { command: command.name(), sw: response.sw() });
    }
    let mut registry = Registry::default();
    registry.extend(scope, response.data()).map_err(|fault| GpError::Card { command: command.name(), fault })?;
    // The AID is a search criterion: others may begin with it.
    Ok(registry.entries.into_iter().find(|entry| aid.is_none_or(|aid| *aid == entry.aid)))
}

async fn install(
    card: &mut impl CardPort,
    channel: &mut SecureChannel,
    profile: &CardProfile,
    application: &Application,
) -> Result<bool, GpError> {
    let install = InstallForInstall {
        irreversible: application.irreversible,
        ..InstallForInstall::new(application.load_file, application.module, application.aid)
    };
    let install =
        install.with_privileges(application.privileges, profile.privileges).with_parameters(&application.parameters);
    Ok(procedure::install_with_fallback(card, channel, &install).await?.refused_three_bytes.is_some())
}
