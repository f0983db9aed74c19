//! From the command line to work: files are read and checked here, before a card is touched.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use cardwright::apdu::{Aid, CommandApdu};
use cardwright::gp::card_data::{CARD_RECOGNITION_DATA, CPLC, KEY_INFORMATION};
use cardwright::gp::command::{self, StatusTarget};
use cardwright::gp::load_file::CapFile;
use cardwright::gp::procedure::KeyScheme;
use cardwright::gp::{DataStructure, DescriptorPolicy, LifeCycle, Privileges};

use crate::failure::Failure;
use crate::options::{CardState, Domain, Install, Keys, OnCard, Structure};
use crate::work::{Application, Work};

/// The most that is read of a file.
const MAX_FILE: u64 = 32 << 20;

/// What is to be done, and what it needs.
pub(crate) enum Order {
    /// What the card tells without a key.
    Info,
    /// Its keys, without one.
    Keys,
    /// Commands as they are.
    Plain(Vec<CommandApdu>),
    /// In a channel.
    Work(Work),
    /// In a channel, with a key that has to be found.
    PutKeys { name: String, scheme: KeyScheme, add: Option<u8>, irreversible: bool },
}

pub(crate) fn read(command: &OnCard) -> Result<Order, Failure> {
    let work = match command {
        OnCard::Info => return Ok(Order::Info),
        OnCard::Keys { command: Keys::List } => return Ok(Order::Keys),
        OnCard::Keys { command: Keys::Put { name, new_scheme, add, irreversible } } => {
            let (name, scheme, add, irreversible) = (name.clone(), *new_scheme, *add, *irreversible);
            return Ok(Order::PutKeys { name, scheme, add, irreversible });
        }
        OnCard::Keys { command: Keys::Delete { version, id } } => Work::DeleteKeys { version: *version, id: *id },
        OnCard::List => Work::List,
        OnCard::Install(install) => load(install)?,
        OnCard::Delete { aids, dependent } => Work::Delete { aids: aids.clone(), dependent: *dependent },
        OnCard::Lock { aid, all } => lock(aid.as_ref(), *all, true),
        OnCard::Unlock { aid, all } => lock(aid.as_ref(), *all, false),
        OnCard::Status { aid, set: None, .. } => Work::Status(*aid),
        OnCard::Status { set: Some(state), irreversible, .. } => {
            let state = match state {
                CardState::Initialized => LifeCycle::SELECTABLE,
                CardState::Secured => LifeCycle::PERSONALIZED,
                CardState::Locked => LifeCycle::CARD_LOCKED,
                CardState::Terminated => LifeCycle::TERMINATED,
            };
            Work::SetStatus { target: StatusTarget::Card, state, irreversible: *irreversible }
        }
        OnCard::Domain { command: Domain::Create { aid, load_file, module, privileges, parameters, irreversible } } => {
            Work::Install(Application {
                load_file: *load_file,
                module: *module,
                aid: *aid,
                privileges: privileges.unwrap_or(Privileges::NONE) | Privileges::SECURITY_DOMAIN,
                parameters: parameters.clone().map(|hex| hex.0).unwrap_or_default(),
                irreversible: *irreversible,
            })
        }
        OnCard::StoreData { data, file, to, structure } => {
            let data = match (data, file) {
                (Some(data), _) => data.0.clone(),
                (None, Some(path)) => read_file(path)?,
                (None, None) => Vec::new(),
            };
            let structure = match structure {
                Structure::Own => DataStructure::Own,
                Structure::Dgi => DataStructure::Dgi,
                Structure::Tlv => DataStructure::BerTlv,
            };
            Work::Store { data, structure, to: *to }
        }
        OnCard::Apdu { commands, secure } => {
            let parse = |hex: &crate::options::Hex| {
                CommandApdu::parse(&hex.0)
                    .map_err(|error| Failure::usage(format!("{}: {error}", hex::encode_upper(&hex.0))))
            };
            let commands = commands.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
            if !secure {
                return Ok(Order::Plain(commands));
            }
            Work::Commands(commands)
        }
    };
    Ok(Order::Work(work))
}

/// The commands of looking, for a plan.
pub(crate) fn of_looking(order: &Order) -> Vec<CommandApdu> {
    let tags = match order {
        Order::Info => &[CPLC, CARD_RECOGNITION_DATA, KEY_INFORMATION][..],
        _ => &[KEY_INFORMATION][..],
    };
    std::iter::once(command::select(None)).chain(tags.iter().map(|tag| command::get_data(*tag))).collect()
}

fn lock(aid: Option<&Aid>, all: bool, lock: bool) -> Work {
    let (target, state) = match (aid, all) {
        (None, _) => (StatusTarget::Card, if lock { LifeCycle::CARD_LOCKED } else { LifeCycle::PERSONALIZED }),
        (Some(aid), true) => (StatusTarget::DomainAndApplications(*aid), LifeCycle(u8::from(lock) << 7)),
        (Some(aid), false) => (StatusTarget::Application(*aid), LifeCycle(u8::from(lock) << 7)),
    };
    Work::SetStatus { target, state, irreversible: false }
}

fn load(install: &Install) -> Result<Work, Failure> {
    let name = install.file.display();
    let wrong = |words: String| {
        Failure::file(format!("{name}: {words}"), "nothing was sent; cap_info shows what is in a CAP file")
    };
    let cap = CapFile::parse(&read_file(&install.file)?).map_err(|error| wrong(error.to_string()))?;
    let policy = if install.descriptor { DescriptorPolicy::Send } else { DescriptorPolicy::Omit };
    let load_file = cap.to_load_file(policy).map_err(|error| wrong(error.to_string()))?;
    let block = install.block.map(usize::from);
    let applets: Vec<_> = cap.applets().iter().map(|applet| applet.aid).collect();
    let module = match (&install.module, &applets[..]) {
        _ if install.load_only => None,
        (Some(module), _) if applets.contains(module) => Some(*module),
        (Some(module), _) => {
            return Err(Failure::usage(format!("{name} has no applet {module}; it has {}", list(&applets))));
        }
        (None, []) => None,
        (None, [one]) => Some(*one),
        (None, _) => {
            let what =
                format!("{name} has several applets: choose one with --module, or --load-only: {}", list(&applets));
            return Err(Failure::usage(what));
        }
    };
    let application = module.map(|module| Application {
        load_file: load_file.aid(),
        module,
        aid: install.aid.unwrap_or(module),
        privileges: install.privileges.unwrap_or(Privileges::NONE),
        parameters: install.parameters.clone().map(|hex| hex.0).unwrap_or_default(),
        irreversible: false,
    });
    Ok(Work::Load { load_file, application, block })
}

fn list(aids: &[Aid]) -> String {
    if aids.is_empty() { "none".into() } else { aids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") }
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map_err(|error| Failure::file(format!("{}: {error}", path.display()), "nothing was sent"))?;
    Ok(bytes)
}
