use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use cardwright_apdu::CommandApdu;
use cardwright_keys::KeyRef;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;
use zeroize::Zeroizing;

use super::classify::Classifier;
use super::{Action, AtrPattern, KeyProof, Probe, Script, ScriptStep, StepClass, SwPattern};
use crate::cpu::{KeyWrite, Pin};
use crate::profile::{CardProfile, KeyUse, Safeguard, line_of};
use crate::purse::{PurseInitialization, PurseKind};
use crate::template::{Fields, RecordTemplate};

/// What is different from card to card in a script, by name.
pub type Values = BTreeMap<String, Vec<u8>>;

/// A text is no script, or does not fit what is given with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// What is not TOML, an unknown field, or a value that a field does not take.
    #[error("{what}")]
    Toml {
        /// Where and what, in the words of the reader.
        what: String,
    },
    /// A line that says nothing that can be done.
    #[error("line {line}: {what}")]
    Line {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// There is nothing to be done.
    #[error("the script has no step")]
    Empty,
    /// The profile that the script is for.
    #[error("the script is for profile {expected:?}, this is {actual:?}")]
    Profile {
        /// What the script says.
        expected: String,
        /// What was given.
        actual: String,
    },
    /// A value that the script needs, and that was not given.
    #[error("the script needs a value {name:?} of {length} bytes")]
    Missing {
        /// Its name.
        name: String,
        /// Its length, in bytes.
        length: usize,
    },
    /// A value of another length.
    #[error("value {name:?} has {actual} bytes, the script needs {expected}")]
    ValueLength {
        /// Its name.
        name: String,
        /// What the script says, in bytes.
        expected: usize,
        /// What was given, in bytes.
        actual: usize,
    },
    /// A value that the script knows nothing of.
    #[error("the script has no value {name:?}")]
    UnknownValue {
        /// Its name.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    script: Head,
    #[serde(default)]
    values: BTreeMap<String, Value>,
    #[serde(default)]
    step: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    name: Spanned<String>,
    #[serde(default)]
    about: String,
    profile: String,
    restart: Option<Vec<Spanned<String>>>,
    before: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    length: usize,
    default: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Raw {
    name: Spanned<String>,
    apdu: Option<Spanned<String>>,
    /// Key of a MAC over `apdu`.
    mac: Option<String>,
    /// Key of encipherment and MAC of `apdu`.
    encipher: Option<String>,
    authenticate: Option<Authenticate>,
    write_key: Option<Spanned<Write>>,
    ok: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    may_exist: bool,
    #[serde(default)]
    secret: bool,
    class: Option<Class>,
    read_back: Option<bool>,
    proof: Option<Proof>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authenticate {
    id: u8,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    r#use: String,
    id: u8,
    key: String,
    under: String,
    present: Option<Guard>,
    #[serde(default)]
    later: Guard,
    #[serde(default)]
    fields: BTreeMap<String, Spanned<String>>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Guard {
    #[default]
    None,
    Mac,
    Enciphered,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Class {
    Session,
    Overwrite,
    Compare,
    Append,
    Counter,
    Money,
    Final,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Proof {
    Internal { id: u8, key: String },
    External { id: u8, key: String, tries: u8 },
    Load { id: u8, key: String, purse: Purse, pin: Option<ProofPin> },
    Unload { id: u8, key: String, pin: Option<ProofPin> },
    Overdraft { id: u8, key: String, pin: Option<ProofPin> },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Purse {
    Deposit,
    Wallet,
}

/// The PIN that an electronic deposit wants before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofPin {
    id: u8,
    value: Spanned<String>,
}

impl Script {
    /// The script of the manual: a card with one PBOC application, its keys, its files, its two purses (FMCOS 2.0 special manual 2).
    /// Values: `public` (file 0015, 30 bytes) and `holder` (file 0016, 39 bytes), without which they are those of the manual. Keys:
    /// `card-master`, `tac`, `maintenance`, `application-master`, those that the script writes.
    ///
    /// # Errors
    /// [`ScriptError::ValueLength`], [`ScriptError::UnknownValue`].
    pub fn fmcos_sample(values: &Values) -> Result<Self, ScriptError> {
        let profile = CardProfile::built_in("fmcos-2.0").ok_or(ScriptError::Empty)?;
        Self::read_toml(include_str!("../../data/fmcos-sample.toml"), &profile, values)
    }

    /// Reads a script from TOML: a table `[script]`, `[values.NAME]` for what differs from card to card, and `[[step]]` for each step.
    ///
    /// # Errors
    /// [`ScriptError`] names the line, or the value.
    pub fn read_toml(text: &str, profile: &CardProfile, values: &Values) -> Result<Self, ScriptError> {
        let file: File = toml::from_str(text).map_err(|error| ScriptError::Toml { what: error.to_string() })?;
        if file.script.profile != profile.name {
            return Err(ScriptError::Profile { expected: file.script.profile, actual: profile.name.clone() });
        }
        let reader = Reader { text, profile, values: reader_values(text, &file.values, values)? };
        let at = |place: &Spanned<String>| {
            let line = line_of(text, place);
            move |what: String| ScriptError::Line { line, what }
        };
        check_name(file.script.name.get_ref()).map_err(|what| at(&file.script.name)(what.to_owned()))?;
        let mut steps: Vec<ScriptStep> = Vec::with_capacity(file.step.len());
        let mut known = Classifier::default();
        for raw in file.step {
            let name = raw.name.get_ref().clone();
            check_name(&name).map_err(|what| at(&raw.name)(what.to_owned()))?;
            if steps.iter().any(|step| step.name == name) {
                return Err(at(&raw.name)(format!("there is a step {name:?} already")));
            }
            steps.push(reader.step(name, raw, &mut known)?);
        }
        if steps.is_empty() {
            return Err(ScriptError::Empty);
        }
        let mut script = Self::of(file.script.name.get_ref().clone(), profile, steps);
        script.about = file.script.about;
        let atr = |pattern: &Option<Spanned<String>>| {
            pattern
                .as_ref()
                .map(|text| hexadecimal(text.get_ref()).map(|bytes| AtrPattern(bytes.to_vec())).map_err(at(text)))
                .transpose()
        };
        (script.before, script.after) = (atr(&file.script.before)?, atr(&file.script.after)?);
        let commands = |texts: Vec<Spanned<String>>| {
            texts.iter().map(|text| command(text.get_ref()).map_err(at(text))).collect::<Result<Vec<_>, _>>()
        };
        script.restart = file.script.restart.map(commands).transpose()?;
        Ok(script)
    }
}

struct Reader<'a> {
    text: &'a str,
    profile: &'a CardProfile,
    values: Fields,
}

impl Reader<'_> {
    fn step(&self, name: String, raw: Raw, known: &mut Classifier) -> Result<ScriptStep, ScriptError> {
        let line = line_of(self.text, &raw.name);
        let wrong = |what: &str| ScriptError::Line { line, what: what.into() };
        let action = match (raw.apdu, raw.authenticate, raw.write_key) {
            (Some(apdu), None, None) => {
                let command = self.command(&apdu)?;
                match (raw.mac, raw.encipher) {
                    (None, None) => Action::Apdu(command),
                    (Some(key), None) => Action::Secured { command, key: KeyRef::new(key), safeguard: Safeguard::Mac },
                    (None, Some(key)) => {
                        Action::Secured { command, key: KeyRef::new(key), safeguard: Safeguard::EncipheredMac }
                    }
                    _ => return Err(wrong("a step has mac or encipher, not both")),
                }
            }
            (None, Some(authenticate), None) => {
                Action::Authenticate { id: authenticate.id, key: KeyRef::new(authenticate.key) }
            }
            (None, None, Some(write)) => self.write_key(write)?,
            _ => return Err(wrong("a step has one of apdu, authenticate and write-key")),
        };
        let mut step = ScriptStep::of(name, action, self.profile, known);
        if let Some(words) = raw.ok {
            let pattern = |text: &Spanned<String>| {
                SwPattern::parse(text.get_ref()).ok_or_else(|| ScriptError::Line {
                    line: line_of(self.text, text),
                    what: format!("{:?} is no status word of four hexadecimal digits, x for any", text.get_ref()),
                })
            };
            step.expected = words.iter().map(pattern).collect::<Result<_, _>>()?;
        }
        step.may_exist = raw.may_exist;
        if raw.may_exist && step.found.is_empty() {
            return Err(wrong("nothing says that this is there already"));
        }
        if let (true, Action::Apdu(command)) = (raw.secret, &step.action) {
            step.secret = core::iter::once(5..5 + command.nc()).collect();
        }
        if let Some(class) = raw.class {
            step.class = class.into();
        }
        if raw.read_back == Some(false) && matches!(step.probe, Probe::Read { .. }) {
            step.probe = match step.class {
                StepClass::Overwrite | StepClass::Compare => Probe::Repeat,
                _ => Probe::None,
            };
        }
        step.proof = raw.proof.map(|proof| self.proof(proof)).transpose()?;
        Ok(step)
    }

    fn proof(&self, proof: Proof) -> Result<KeyProof, ScriptError> {
        let (initialization, id, key, pin) = match proof {
            Proof::Internal { id, key } => return Ok(KeyProof::Internal { id, key: KeyRef::new(key) }),
            Proof::External { id, key, tries } => {
                return Ok(KeyProof::External { id, key: KeyRef::new(key), tries });
            }
            Proof::Load { id, key, purse: Purse::Deposit, pin } => {
                (PurseInitialization::Load(PurseKind::Deposit), id, key, pin)
            }
            Proof::Load { id, key, purse: Purse::Wallet, pin } => {
                (PurseInitialization::Load(PurseKind::Wallet), id, key, pin)
            }
            Proof::Unload { id, key, pin } => (PurseInitialization::Unload, id, key, pin),
            Proof::Overdraft { id, key, pin } => (PurseInitialization::Overdraft, id, key, pin),
        };
        let pin = pin.map(|pin| {
            let value = hexadecimal(pin.value.get_ref())
                .map_err(|what| ScriptError::Line { line: line_of(self.text, &pin.value), what })?;
            Ok((pin.id, Pin::new(&value)))
        });
        Ok(KeyProof::Purse { initialization, id, key: KeyRef::new(key), pin: pin.transpose()? })
    }

    fn command(&self, text: &Spanned<String>) -> Result<CommandApdu, ScriptError> {
        let wrong = |what: String| ScriptError::Line { line: line_of(self.text, text), what };
        let names: Vec<&str> = self.values.names().collect();
        let template = RecordTemplate::parse(text.get_ref(), &names).map_err(|error| wrong(error.to_string()))?;
        let bytes = Zeroizing::new(template.build(&self.values).map_err(|error| wrong(error.to_string()))?);
        super::lines::parse(&bytes).map_err(wrong)
    }

    fn write_key(&self, write: Spanned<Write>) -> Result<Action, ScriptError> {
        let line = line_of(self.text, &write);
        let wrong = |what: String| ScriptError::Line { line, what };
        let write = write.into_inner();
        let key_use =
            KeyUse::by_name(&write.r#use).ok_or_else(|| wrong(format!("{:?} is no key type", write.r#use)))?;
        let mut fields = Fields::new();
        for (name, value) in &write.fields {
            let bytes = hexadecimal(value.get_ref())
                .map_err(|what| ScriptError::Line { line: line_of(self.text, value), what })?;
            fields = fields.with(name, &bytes);
        }
        let (present, later) = (write.present.map(Guard::into), write.later.into());
        let header =
            self.profile.key_header(key_use, later, Safeguard::EncipheredMac, fields.clone().byte("id", write.id));
        header.map_err(|error| wrong(error.to_string()))?;
        let write_key = KeyWrite { key_use, id: write.id, present, later, fields, key: KeyRef::new(write.key) };
        Ok(Action::WriteKey { master: KeyRef::new(write.under), write: write_key })
    }
}

fn reader_values(text: &str, declared: &BTreeMap<String, Value>, given: &Values) -> Result<Fields, ScriptError> {
    if let Some(name) = given.keys().find(|name| !declared.contains_key(*name)) {
        return Err(ScriptError::UnknownValue { name: name.clone() });
    }
    let mut fields = Fields::new();
    for (name, value) in declared {
        let bytes = match (given.get(name), &value.default) {
            (Some(bytes), _) => Zeroizing::new(bytes.clone()),
            (None, Some(default)) => hexadecimal(default.get_ref())
                .map_err(|what| ScriptError::Line { line: line_of(text, default), what })?,
            (None, None) => return Err(ScriptError::Missing { name: name.clone(), length: value.length }),
        };
        if bytes.len() != value.length {
            let (expected, actual) = (value.length, bytes.len());
            return Err(ScriptError::ValueLength { name: name.clone(), expected, actual });
        }
        fields = fields.with(name, &bytes);
    }
    Ok(fields)
}

/// A command, its hexadecimal digits.
pub(super) fn command(text: &str) -> Result<CommandApdu, String> {
    super::lines::parse(&hexadecimal(text)?)
}

/// Printable, and short enough for a journal.
pub(super) fn check_name(name: &str) -> Result<(), &'static str> {
    let is_name = (1..=60).contains(&name.len()) && name.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
    if is_name { Ok(()) } else { Err("a name has 1 to 60 printable ASCII characters") }
}

pub(super) fn hexadecimal(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let template = RecordTemplate::parse(text, &[]).map_err(|error| error.to_string())?;
    template.build(&Fields::new()).map(Zeroizing::new).map_err(|error| error.to_string())
}

impl From<Guard> for Safeguard {
    fn from(raw: Guard) -> Self {
        match raw {
            Guard::None => Self::None,
            Guard::Mac => Self::Mac,
            Guard::Enciphered => Self::EncipheredMac,
        }
    }
}

impl From<Class> for StepClass {
    fn from(raw: Class) -> Self {
        match raw {
            Class::Session => Self::Session,
            Class::Overwrite => Self::Overwrite,
            Class::Compare => Self::Compare,
            Class::Append => Self::Append,
            Class::Counter => Self::Counter,
            Class::Money => Self::Money,
            Class::Final => Self::Final,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_of_the_manual_has_its_commands() {
        let script = Script::fmcos_sample(&Values::new()).unwrap();
        assert_eq!(script.steps.len(), 31);
        let secured = script.steps.iter().filter(|step| matches!(step.action, Action::Secured { .. })).count();
        // Each of these is a GET CHALLENGE more: 33 commands.
        assert_eq!(script.steps.len() + secured, 33);
        let commands: Vec<_> = script
            .steps
            .iter()
            .map(|step| match &step.action {
                Action::Apdu(command) | Action::Secured { command, .. } => {
                    hex::encode_upper(command.to_bytes().unwrap())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF",
            "80E00000073F005001F0FFFF",
            "80D401000D36F0F0FF33FFFFFFFFFFFFFFFF",
            "80D401001539F0F0AA33FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
            "80E00001072A0213F000FFFF",
            "00E200081361114F09A00000000386980701500450424F43",
            "80E03F011138036FF0F095FFFFA00000000386980701",
            "00A4040009A00000000386980701",
            "80E00000073F018F95F0FFFF",
            "80D401001534F002000134343434343434343434343434343434",
            "80D401001536F002FF3336363636363636363636363636363636",
            "80D401001537F002FF3337373737373737373737373737373737",
            "80D401001538F002FF3338383838383838383838383838383838",
            "80D401001539F002443339393939393939393939393939393939",
            "80D40101153EF00200013E013E013E013E013E013E013E013E01",
            "80D40102153EF00200013E023E023E023E023E023E023E023E02",
            "80D40101153FF00200013F013F013F013F013F013F013F013F01",
            "80D40102153FF00200013F023F023F023F023F023F023F023F02",
            "80D40101153DF00201003D013D013D013D013D013D013D013D01",
            "80D40102153DF00201003D023D023D023D023D023D023D023D02",
            "80D40101153CF00201003C013C013C013C013C013C013C013C01",
            "80D40102153CF00201003C023C023C023C023C023C023C023C02",
            "80D401000D3AF0EF013312345FFFFFFFFFFF",
            "80E0001507A8001EF0F0FFFF",
            "00D695001E111122223333000603010006199808170000003019980815199812155566",
            "80E0001607A80027F0F0FFFF",
            "00D6960027000053414D504C4520434152442041444631000000003131303130323938313231383030313005",
            "80E00017072805DCF0F0FFFF",
            "80E00018072E0A17F1EFFFFF",
            "80E00001072F0208F100FF18",
            "80E00002072F0208F000FF18",
        ];
        assert_eq!(commands, expected);
        let classes: Vec<_> = script.steps.iter().map(|step| step.class).collect();
        assert_eq!(classes.iter().filter(|class| **class == StepClass::Session).count(), 1);
        assert!(!classes.contains(&StepClass::Final) && !classes.contains(&StepClass::Counter));
    }

    #[test]
    fn values_have_the_length_that_the_script_says() {
        let values = |name: &str, length: usize| Values::from([(name.to_string(), vec![7; length])]);
        let script = Script::fmcos_sample(&values("public", 30)).unwrap();
        let step = script.steps.iter().find(|step| {
            step.name.contains("0015")
                && step.class == StepClass::Compare
                && matches!(step.action, Action::Secured { .. })
        });
        let Action::Secured { command, .. } = &step.unwrap().action else { panic!() };
        assert_eq!(command.data(), [7; 30]);
        let error = Script::fmcos_sample(&values("public", 29)).unwrap_err();
        assert_eq!(error, ScriptError::ValueLength { name: "public".into(), expected: 30, actual: 29 });
        assert_eq!(
            Script::fmcos_sample(&values("pubic", 30)).unwrap_err(),
            ScriptError::UnknownValue { name: "pubic".into() }
        );
    }

    /// With other rights, another counter or other protection it is another key.
    #[test]
    fn everything_that_a_written_key_is_made_of_is_in_its_fingerprint() {
        let of = |write: &str| {
            let text = format!(
                "[script]\nname = \"a\"\nprofile = \"fmcos-2.0\"\n[[step]]\nname = \"key\"\nwrite-key = {{ {write} }}\n"
            );
            let profile = CardProfile::built_in("fmcos-2.0").unwrap();
            Script::read_toml(&text, &profile, &Values::new()).unwrap().steps[0].fingerprint()
        };
        let first = "use = \"external-authentication\", id = 0, key = \"new\", under = \"old\", present = \"none\", \
                     later = \"none\", fields = { use = \"F0\", change = \"02\", next = \"44\", counter = \"33\" }";
        assert_eq!(of(first), of(first));
        let tables = first.replace("fields = {", "fields = { version = \"00\",");
        for (from, to) in [
            ("id = 0", "id = 1"),
            ("key = \"new\"", "key = \"newer\""),
            ("under = \"old\"", "under = \"older\""),
            ("external-authentication", "line-protection"),
            ("present = \"none\"", "present = \"enciphered\""),
            ("present = \"none\", ", ""),
            ("later = \"none\"", "later = \"mac\""),
            ("use = \"F0\"", "use = \"F1\""),
            ("change = \"02\"", "change = \"F0\""),
            ("next = \"44\"", "next = \"45\""),
            ("counter = \"33\"", "counter = \"66\""),
            (first, &tables),
        ] {
            let other = first.replace(from, to);
            assert!(other != first && of(&other) != of(first), "{to}");
        }
    }

    #[test]
    fn a_script_of_ones_own() {
        let text = r#"
            [script]
            name = "keys"
            profile = "fmcos-2.0"
            [[step]]
            name = "authenticate"
            authenticate = { id = 0, key = "transport" }
            [[step]]
            name = "load key"
            write-key = { use = "load", id = 1, key = "load", under = "transport", later = "enciphered", fields = { use = "F0", change = "02", version = "00", algorithm = "01" } }
            [[step]]
            name = "number"
            apdu = "00 D6 9500 0A {serial}"
            encipher = "maintenance"
            ok = ["9000", "62xx"]
            [values.serial]
            length = 10
            "#;
        let profile = CardProfile::built_in("fmcos-2.0").unwrap();
        let read = |text: &str| Script::read_toml(text, &profile, &Values::from([("serial".into(), vec![1; 10])]));
        let script = read(text).unwrap();
        let classes: Vec<_> = script.steps.iter().map(|step| step.class).collect();
        assert_eq!(classes, [StepClass::Counter, StepClass::Compare, StepClass::Compare]);
        let names: Vec<_> = script.keys().iter().map(|key| key.to_string()).collect();
        assert_eq!(names, ["transport", "transport", "load", "maintenance"]);
        let missing = Script::read_toml(text, &profile, &Values::new()).unwrap_err();
        assert_eq!(missing, ScriptError::Missing { name: "serial".into(), length: 10 });
        for (from, to, said) in [
            ("{serial}", "{seral}", "line 13: there is no field \"seral\" here; there are serial"),
            ("0A {serial}", "0B {serial}", "line 13"),
            ("encipher", "encypher", "encypher"),
            ("\"62xx\"", "\"62\"", "line 15: \"62\" is no status word"),
            ("use = \"load\"", "use = \"laod\"", "\"laod\" is no key type"),
            ("version = \"00\", ", "", "field \"version\" is missing"),
            ("name = \"number\"", "name = \"load key\"", "line 12: there is a step \"load key\" already"),
            ("fmcos-2.0", "watchdata", "for profile \"watchdata\", this is \"fmcos-2.0\""),
            ("authenticate = {", "may-exist = true\nauthenticate = {", "nothing says that this is there already"),
            ("name = \"keys\"", "name = \"\"", "line 3: a name has 1 to 60"),
        ] {
            let error = read(&text.replace(from, to)).map(drop).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
