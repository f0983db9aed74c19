//! A secure channel to the card, under its lock-out count.

use std::path::PathBuf;

use cardwright::apdu::Transport;
use cardwright::gp::CardProfile;
use cardwright::gp::procedure::OpenOptions;
use cardwright::issuance::lockout::{self, Identify, Insertion, SessionOrder};
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::store::{MemoryStore, SqliteStore, Store};
use cardwright::issuance::{Driver, Notice};
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Failure};
use crate::keybook::KeyBook;
use crate::options::ChannelOptions;
use crate::place::{Kind, Place};
use crate::work::Ready;

/// Opens the channel: three commands while no card is known to have failed, else those more that tell which card it is.
pub(crate) fn open(
    options: &ChannelOptions,
    kvn: Option<u8>,
    place: &mut Place,
    keys: &mut KeyBook,
) -> Result<(Ready, &'static str), Failure> {
    let profile = profile(options)?;
    let mut store = ledger(options, place)?;
    let clear = lockout::is_clear(&*store).map_err(of_ledger)?;
    let asks_first = match &place.recorded {
        Some(recorded) => recorded.asked_first,
        None => options.ask_first || !clear,
    };
    let how = OpenOptions::new(options.level).with_kvn(kvn.unwrap_or(0));
    let mut order = SessionOrder::new(keys.candidates.clone(), how, insertion(place));
    order.domain = options.target;
    order.profile = profile.clone();
    order.identify = if asks_first { Identify::First } else { Identify::AfterFailure };
    order.override_lockout = options.override_lockout;

    let mut recorded = place.recorded.as_ref().map(|recorded| recorded.challenges.clone().into_iter());
    let mut random_failed = false;
    let mut random = || match &mut recorded {
        Some(challenges) => challenges.next().unwrap_or_default(),
        None => {
            let mut bytes = [0; 8];
            random_failed |= getrandom::fill(&mut bytes).is_err();
            bytes
        }
    };
    let mut driver = Driver {
        card: &mut place.card,
        keys: &mut *keys.service,
        store: &mut *store,
        clock: &mut crate::now,
        random: &mut random,
        notice: &mut |notice| {
            if let Notice::Stage(words) = notice {
                eprintln!("gp: {words}");
            }
        },
    };
    let ended =
        driver.run(lockout::open(order)).map_err(|error| Failure::new(Exit::Other, error, "this is an error of gp"))?;
    if random_failed {
        return Err(Failure::new(Exit::Other, "the machine has no random numbers", "do not use the card from here"));
    }
    match ended.map_err(Failure::of_opening)? {
        Outcome::Complete(session) => {
            let opened = session.opened;
            let name = opened.protocol.name();
            let limit = profile.limit(session.domain.max_command_data);
            let (kvn, kdd, channel, keys) = (opened.kvn, opened.kdd, opened.channel, opened.keys);
            Ok((Ready { channel, keys, kvn, kdd, limit, profile }, name))
        }
        Outcome::Interrupted(during) if crate::stop::is_requested() => Err(Failure::stopped(&during.command)),
        Outcome::Interrupted(during) => Err(Failure::new(
            Exit::NoCard,
            format!("{}: {}", during.command, during.kind),
            "nothing was changed: put the card back and try again",
        )),
        _ => Err(Failure::new(
            Exit::Other,
            "the session ended in a way that is not known here",
            "look at the file of --ledger",
        )),
    }
}

/// What a card is counted by that tells no identity: the place where it is.
fn insertion(place: &Place) -> Insertion {
    let digest = Sha256::digest(format!("{}/{}", place.kind.name(), place.name));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    Insertion::new(bytes)
}

/// Where failed authentications are counted. A replayed trace has no card that could be locked.
fn ledger(options: &ChannelOptions, place: &Place) -> Result<Box<dyn Store>, Failure> {
    let path = match (&options.ledger, place.kind) {
        (_, Kind::Trace) => return Ok(Box::new(MemoryStore::new())),
        (Some(path), _) => path.clone(),
        (None, Kind::Software) => PathBuf::from(&place.name).with_extension("ledger"),
        (None, _) => state_folder()?.join("lockout.journal"),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::file(format!("{}: {error}", folder.display()), LEDGER))?;
    }
    Ok(Box::new(SqliteStore::open(&path).map_err(of_ledger)?))
}

const LEDGER: &str = "without the count of failed authentications no card is touched: name a file with --ledger";

fn of_ledger(error: impl std::fmt::Display) -> Failure {
    Failure::file(error, LEDGER)
}

fn state_folder() -> Result<PathBuf, Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")));
    let folder =
        folder.or_else(|| named("LOCALAPPDATA")).ok_or_else(|| Failure::file("there is no home folder", LEDGER))?;
    Ok(folder.join("cardwright"))
}

/// The card profile that is meant.
pub(crate) fn profile(options: &ChannelOptions) -> Result<CardProfile, Failure> {
    if let Some(profile) = CardProfile::built_in(&options.profile) {
        return Ok(profile);
    }
    let mut known = CardProfile::BUILT_IN.map(String::from).to_vec();
    if let Some(path) = &options.profiles {
        let wrong = |words: String| Failure::file(format!("{}: {words}", path.display()), "the card was left alone");
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let profiles = CardProfile::read_toml(&text).map_err(|error| wrong(error.to_string()))?;
        known.extend(profiles.iter().map(|profile| profile.name.clone()));
        if let Some(profile) = profiles.into_iter().find(|profile| profile.name == options.profile) {
            return Ok(profile);
        }
    }
    let next = format!("there is {}", known.join(", "));
    Err(Failure::new(Exit::Usage, format!("there is no card profile {:?}", options.profile), next))
}

/// Limits of card and reader, for those who ask.
pub(crate) fn atr(place: &mut Place) -> Result<Vec<u8>, Failure> {
    Transport::reset(&mut place.card).map_err(|error| Failure::of_transport(&error, &error))
}
