use std::error::Error;
use std::path::PathBuf;

use cardwright::cos::usim::SimProfile;
use cardwright_sim::UsimStyle;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::shared::options::{self, Tear};

/// Writes a number to one blank SIM, a software card or one in a reader, with published test keys.
///
/// The software card keeps its memory in one file, the record of every step lies in another: run the same command again, and the
/// card is finished from wherever it was, after --cut, after Ctrl-C, after a crash.
#[derive(Debug, Parser)]
#[command(
    name = "sim_card",
    version,
    after_help = "Exit status: 0 the card is complete; 1 an error; 2 wrong usage; 3 the card was torn out, run again; \
                  4 a step needs a person."
)]
pub(crate) struct Options {
    /// What kind of card it is: `software`, or a profile of the library or of --profiles. A software card is made as `software`,
    /// `sysmousim-sjs1` or `sysmousim-gr1`.
    #[arg(long, value_name = "NAME", default_value = "software")]
    pub(crate) profile: String,

    /// A file with more profiles (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) profiles: Option<PathBuf>,

    /// ICCID that the card gets or, where its profile says that it keeps its own, has to have.
    #[arg(long, default_value = "8988211000001090318")]
    pub(crate) iccid: String,

    /// IMSI.
    #[arg(long, default_value = "262011106487504")]
    pub(crate) imsi: String,

    /// The subscriber's number; with + international. Empty: none is written.
    #[arg(long, default_value = "+4917279119183")]
    pub(crate) number: String,

    /// Short message service center.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) sms_center: Option<String>,

    /// Home network, 262-01 for instance: what the card knows of locations and session keys is written back to what a new card has.
    #[arg(long, value_name = "MCC-MNC")]
    pub(crate) home: Option<String>,

    /// PUK; without it 31415926 where the profile knows how to write one.
    #[arg(long)]
    pub(crate) puk: Option<String>,

    /// ADM key, 16 hexadecimal digits; without it the one that software cards are made with.
    #[arg(long, value_name = "HEX")]
    pub(crate) adm: Option<String>,

    /// A file with the subscriber's keys: lines `k K .. ..` and `op OP .. ..` or `opc OPC .. ..`, each with its check value. Without it
    /// those of test set 1 of 3GPP TS 35.208.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,

    /// Writes no keys: for cards with keys that cannot be replaced. They prove nothing then.
    #[arg(long, conflicts_with = "keys")]
    pub(crate) without_keys: bool,

    /// Memory of the software card; made when it is not there. By default beside the journal.
    #[arg(long, value_name = "FILE")]
    pub(crate) card: Option<PathBuf>,

    /// A card in the PC/SC reader with this name, or a part of it, in place of the software card.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["card", "cut"], requires = "adm")]
    pub(crate) reader: Option<String>,

    /// The record of every step; made when it is not there.
    #[arg(long, value_name = "FILE", default_value = "sim_card.journal")]
    pub(crate) journal: PathBuf,

    /// Shows every command in words, without its data.
    #[arg(long)]
    pub(crate) trace: bool,

    /// Makes the run the same each time. For tests: challenges are then no longer random.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    #[command(flatten)]
    pub(crate) tear: Tear,

    /// Tries steps again that wait for persons: two simulated ones sign for each.
    #[arg(long)]
    pub(crate) release_quarantine: bool,
}

impl Options {
    /// Folders are refused, and files that would overwrite one another.
    pub(crate) fn check_paths(&self) -> Result<(), String> {
        let card = self.card_path();
        let written =
            [("--journal", Some(&*self.journal), "sim_card.journal"), ("--card", Some(&*card), "sim_card.card")];
        let read = [
            ("--profiles", self.profiles.as_deref(), "profiles.toml"),
            ("--keys", self.keys.as_deref(), "subscriber.keys"),
        ];
        options::check_paths(&written, &read)
    }

    /// What kind of card it is.
    pub(crate) fn profile(&self) -> Result<SimProfile, Box<dyn Error>> {
        let mut profiles = SimProfile::read_toml(include_str!("software.toml"))?;
        if let Some(path) = &self.profiles {
            let name = path.display();
            let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            profiles.extend(SimProfile::read_toml(&text).map_err(|error| format!("{name}: {error}"))?);
        }
        let named = profiles.into_iter().find(|profile| profile.name == self.profile);
        let profile = match named {
            Some(profile) => profile,
            None => {
                SimProfile::built_in(&self.profile).unwrap_or_else(|error| wrong_usage(&format!("--profile: {error}")))
            }
        };
        if self.reader.is_none() && self.style().is_none() {
            wrong_usage(&format!(
                "--profile {}: there is no software card of this make; software, sysmousim-sjs1 and sysmousim-gr1 there are",
                self.profile
            ));
        }
        Ok(profile)
    }

    /// How a software card of this profile is made.
    pub(crate) fn style(&self) -> Option<UsimStyle> {
        match &self.profile[..] {
            "software" => Some(UsimStyle::Gr2),
            "sysmousim-sjs1" => Some(UsimStyle::Sjs1),
            "sysmousim-gr1" => Some(UsimStyle::Gr1),
            _ => None,
        }
    }

    pub(crate) fn card_path(&self) -> PathBuf {
        self.card.clone().unwrap_or_else(|| self.journal.with_extension("card"))
    }
}

/// Says so as the reading of the command line does, and ends the program with exit status 2.
pub(crate) fn wrong_usage(words: &str) -> ! {
    Options::command().error(ErrorKind::ValueValidation, words).exit()
}
