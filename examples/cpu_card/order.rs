//! What the card is to become, and with which keys.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use cardwright::cos::card_type::{CardType, Evidence};
use cardwright::cos::profile::CardProfile;
use cardwright::cos::script::{Script, Values};
use cardwright::issuance::script::{CardSource, ScriptOrder};
use cardwright::keys::{KeyKind, SoftwareKeys};

use crate::options::Options;

/// Longest file that is read.
const LIMIT: u64 = 4 << 20;

/// What card this is: the name that the table has for it, and its profile.
pub(crate) fn profile(options: &Options, atr: &[u8]) -> Result<(Option<String>, CardProfile), Box<dyn Error>> {
    let mut types = match &options.card_types {
        Some(path) => read(path, |text| Ok(CardType::read_toml(text)?))?,
        None => Vec::new(),
    };
    types.extend(CardType::built_in());
    let found = CardType::identify(&types, &Evidence { atr, ..Evidence::default() });
    let own = match &options.profiles {
        Some(path) => read(path, |text| Ok(CardProfile::read_toml(text)?))?,
        None => Vec::new(),
    };
    let first = found.first();
    let name = options.profile.as_deref().or(first.map(|card| card.profile.as_str())).unwrap_or("fmcos-2.0");
    let profile = own.into_iter().find(|profile| profile.name == name).or_else(|| CardProfile::built_in(name));
    let profile = profile
        .ok_or_else(|| format!("there is no profile {name:?}; built in are {}", CardProfile::BUILT_IN.join(", ")))?;
    Ok((first.map(|card| card.name.clone()), profile))
}

/// The order for a card of this profile.
pub(crate) fn order(options: &Options, profile: CardProfile) -> Result<ScriptOrder, Box<dyn Error>> {
    let values: Values = options.values.iter().cloned().collect();
    let script = match (&options.script, &options.lines) {
        (Some(path), _) => read(path, |text| Ok(Script::read_toml(text, &profile, &values)?))?,
        (_, Some(path)) => {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            read(path, |text| Ok(Script::read_lines(&name, text, &profile)?))?
        }
        _ => Script::fmcos_sample(&values)?,
    };
    let identity = options.number.clone().map_or(CardSource::Profile, CardSource::Given);
    Ok(ScriptOrder { script, profile, identity, release: None })
}

/// The keys of the manual, which anybody can read; a real server has an HSM here.
pub(crate) fn keys(options: &Options) -> Result<SoftwareKeys, Box<dyn Error>> {
    let mut keys = SoftwareKeys::new();
    for (name, byte) in [("card-master", 0xFF), ("tac", 0x34), ("maintenance", 0x36), ("application-master", 0x39)] {
        keys.insert(name, KeyKind::Tdes, &[byte; 16])?;
    }
    keys.insert("load", KeyKind::Tdes, &[0x3F, 0x01].repeat(8))?;
    if let Some(path) = &options.keys {
        read(path, |text| Ok(keys.insert_file(text)?))?;
    }
    Ok(keys)
}

fn read<T>(path: &Path, take: impl FnOnce(&str) -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let name = path.display();
    let mut text = String::new();
    // Whatever does not end is not read to its end.
    let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text));
    read.map_err(|error| format!("{name}: {error}"))?;
    take(&text).map_err(|error| format!("{name}: {error}").into())
}
