use std::error::Error;
use std::path::PathBuf;

use cardwright::apdu::Aid;
use cardwright::gp::{CardProfile, SecurityLevel};
use cardwright_sim::{AesKeyLength, CardFile, JavaCard, SecureChannelProtocol};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};

use crate::shared::options::{self, Tear};

/// Issues one Java-card payment card, a software card or one in a reader, with published test keys.
///
/// The software card keeps its memory in one file, the record of every step lies in another: run the same command again, and the
/// card is finished from wherever it was, after --cut, after Ctrl-C, after a crash.
#[derive(Debug, Parser)]
#[command(
    name = "issue",
    version,
    after_help = "Exit status: 0 the card is complete; 1 an error; 2 wrong usage; 3 the card was torn out, run again; \
                  4 a step needs a person."
)]
pub(crate) struct Options {
    /// Secure channel protocol of a software card that is made new, 03 if not given; one that is there keeps its own.
    #[arg(long, value_enum)]
    pub(crate) scp: Option<Scp>,

    /// Security level of the secure channel: 00, 01, 03, and 11, 13, 33 with SCP03.
    #[arg(long, default_value = "03", value_parser = level)]
    pub(crate) level: SecurityLevel,

    /// Card profile: what the card does otherwise than the standard says. A built-in one, or one of --profiles.
    #[arg(long, value_name = "NAME", default_value = "standard")]
    pub(crate) profile: String,

    /// File with card profiles, in TOML.
    #[arg(long, value_name = "FILE")]
    pub(crate) profiles: Option<PathBuf>,

    /// CAP file to load; by default one that the program makes.
    #[arg(long, value_name = "FILE")]
    pub(crate) cap: Option<PathBuf>,

    /// Writes the CAP file that is loaded by default, to look at or to try --cap with, and does nothing else.
    #[arg(long, value_name = "FILE", exclusive = true)]
    pub(crate) write_cap: Option<PathBuf>,

    /// Memory of the software card; made when it is not there. By default beside the journal.
    #[arg(long, value_name = "FILE")]
    pub(crate) card: Option<PathBuf>,

    /// A card in the PC/SC reader with this name, or a part of it, in place of the software card. Its keys are replaced.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["card", "scp", "cut"])]
    pub(crate) reader: Option<String>,

    /// Another software card, which connects to this port as it does to vpcd, in place of our own.
    #[arg(long, value_name = "PORT", conflicts_with_all = ["reader", "card", "scp", "cut"])]
    pub(crate) listen: Option<u16>,

    /// The record of every step; made when it is not there.
    #[arg(long, value_name = "FILE", default_value = "issue.journal")]
    pub(crate) journal: PathBuf,

    /// Shows every command in words, without its data.
    #[arg(long)]
    pub(crate) trace: bool,

    /// Writes every exchange, bytes and all, to a trace file (JSON lines) that can be replayed.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Makes the run, and a new card, the same each time. For tests: challenges are then no longer random.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    #[command(flatten)]
    pub(crate) tear: Tear,

    /// Deletes this application or load file, and does nothing else.
    ///
    /// The same command finishes a deletion that was interrupted; until then nothing is issued to the card. What was
    /// deleted before is no error: exit status 0.
    #[arg(long, value_name = "AID", conflicts_with = "used")]
    pub(crate) delete: Option<Aid>,

    /// With --delete: also what depends on it, and personalized applications.
    #[arg(long, requires = "delete")]
    pub(crate) force: bool,

    /// Records that this application was used, and does nothing else.
    #[arg(long, value_name = "AID")]
    pub(crate) used: Option<Aid>,

    /// Tries again although two authentications of this card failed in a row. It may lock the card for ever.
    #[arg(long)]
    pub(crate) override_lockout: bool,

    /// Tries steps again that wait for persons: two simulated ones sign for each.
    #[arg(long)]
    pub(crate) release_quarantine: bool,

    /// Replaces the initial keys of a card (version FF), which never come back.
    #[arg(long)]
    pub(crate) replace_initial_keys: bool,
}

/// Secure channel protocol by number.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Scp {
    /// SCP02, i = 55.
    #[value(name = "02")]
    Scp02,
    /// SCP03, i = 70, AES-128.
    #[value(name = "03")]
    Scp03,
}

impl From<Scp> for SecureChannelProtocol {
    fn from(scp: Scp) -> Self {
        match scp {
            Scp::Scp02 => Self::Scp02 { i: 0x55 },
            Scp::Scp03 => Self::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
        }
    }
}

impl Options {
    /// Folders are refused, and files that would overwrite one another.
    pub(crate) fn check_paths(&self) -> Result<(), String> {
        let card = self.card_path();
        let written = [
            ("--journal", Some(&*self.journal), "issue.journal"),
            ("--card", Some(&*card), "issue.card"),
            ("--record", self.record.as_deref(), "issue.trace"),
        ];
        options::check_paths(&written, &[("--cap", self.cap.as_deref(), "payment.cap")])
    }

    /// What the software card cannot do, whether it is there or would be made now, is wrong usage. Nothing is made.
    pub(crate) fn check_card(&self) -> Result<(), Box<dyn Error>> {
        if self.reader.is_some() || self.listen.is_some() {
            return Ok(());
        }
        let path = self.card_path();
        let asked = self.scp.unwrap_or(Scp::Scp03).into();
        let protocol = if path.try_exists()? { CardFile::<JavaCard>::open(&path)?.card().protocol() } else { asked };
        let (name, level) = (protocol.identifier(), self.level);
        if self.scp.is_some() && protocol.identifier() != asked.identifier() {
            let path = path.display();
            wrong_usage(&format!("the card in {path} speaks SCP{name:02X}: leave --scp out, or name another --card"));
        }
        if !protocol.has_level(level.bits()) {
            wrong_usage(&format!("--level {level} is not possible: the card speaks SCP{name:02X}"));
        }
        Ok(())
    }

    /// The card profile that is meant.
    pub(crate) fn card_profile(&self) -> Result<CardProfile, Box<dyn Error>> {
        let mut known = CardProfile::BUILT_IN.map(String::from).to_vec();
        if let Some(profile) = CardProfile::built_in(&self.profile) {
            return Ok(profile);
        }
        if let Some(path) = &self.profiles {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            let profiles = CardProfile::read_toml(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            known.extend(profiles.iter().map(|profile| profile.name.clone()));
            if let Some(profile) = profiles.into_iter().find(|profile| profile.name == self.profile) {
                return Ok(profile);
            }
        }
        Err(format!("--profile {}: there is {}", self.profile, known.join(", ")).into())
    }

    pub(crate) fn card_path(&self) -> PathBuf {
        self.card.clone().unwrap_or_else(|| self.journal.with_extension("card"))
    }
}

/// Says so as the reading of the command line does, and ends the program with exit status 2.
fn wrong_usage(words: &str) -> ! {
    Options::command().error(ErrorKind::ArgumentConflict, words).exit()
}

fn level(text: &str) -> Result<SecurityLevel, String> {
    u8::from_str_radix(text, 16)
        .ok()
        .and_then(SecurityLevel::new)
        .ok_or_else(|| "a security level is 00, 01, 03, 11, 13 or 33".into())
}
