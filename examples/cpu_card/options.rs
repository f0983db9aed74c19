use std::path::PathBuf;

use cardwright::cos::purse::Amount;
use cardwright::issuance::purse::TransactionId;
use clap::Parser;

use crate::load;
use crate::shared::options::{self, Tear};

/// Issues one CPU card, a software card or one in a reader, with the script and the published keys of the FMCOS 2.0 manual.
///
/// The software card keeps its memory in one file, the record of every step lies in another: run the same command again, and the
/// card is finished from wherever it was, after --cut, after Ctrl-C, after a crash.
#[derive(Debug, Parser)]
#[command(
    name = "cpu_card",
    version,
    after_help = "Exit status: 0 the card is complete, and loaded if that was asked for; 1 an error, or not loaded; \
                  2 wrong usage; 3 the card was torn out, run again; 4 a step, or the load, needs a person."
)]
pub(crate) struct Options {
    /// Issue script (TOML); by default the one of the manual, chapter 2 of its special part.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,

    /// An operator's ready-made commands, a line each: COMMAND | STATUS WORDS | SECRET BYTES.
    #[arg(long, value_name = "FILE", conflicts_with = "script")]
    pub(crate) lines: Option<PathBuf>,

    /// Profiles of your own (TOML), beside those that are built in.
    #[arg(long, value_name = "FILE")]
    pub(crate) profiles: Option<PathBuf>,

    /// The card's profile; without, the one that the table of card types gives for its answer to reset, else fmcos-2.0.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Table of card types of your own (TOML), looked at before the one that is built in.
    #[arg(long, value_name = "FILE")]
    pub(crate) card_types: Option<PathBuf>,

    /// Keys beside those of the manual, a line each: NAME KIND KEY CHECK-VALUE.
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Option<PathBuf>,

    /// A value that differs from card to card, as NAME=HEXADECIMAL: public and holder in the script of the manual.
    #[arg(long = "value", value_name = "NAME=HEX", value_parser = value)]
    pub(crate) values: Vec<(String, Vec<u8>)>,

    /// Memory of the software card; made when it is not there. By default beside the journal.
    #[arg(long, value_name = "FILE")]
    pub(crate) card: Option<PathBuf>,

    /// A card in the PC/SC reader with this name, or a part of it, in place of the software card.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["card", "cut"])]
    pub(crate) reader: Option<String>,

    /// The card's number, for a card that does not tell it itself.
    #[arg(long, value_name = "TEXT")]
    pub(crate) number: Option<String>,

    /// The record of every step; made when it is not there.
    #[arg(long, value_name = "FILE", default_value = "cpu_card.journal")]
    pub(crate) journal: PathBuf,

    /// Shows every command in words, without its data.
    #[arg(long)]
    pub(crate) trace: bool,

    /// Writes every exchange, bytes and all, to a trace file (JSON lines). Keys that the script sends in plain are in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Makes the run, and a new card, the same each time. For tests.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Then loads the wallet of application A00000000386980701 with this amount, under the keys load (3F, 01) and tac (34, 00). A simulated
    /// account beside the journal (its name ends with .account) is debited.
    #[arg(long, value_name = "AMOUNT", value_parser = load::amount)]
    pub(crate) load: Option<Amount>,

    /// Id of the load: the same one loads once, however often it is run; another one is another load.
    #[arg(long, value_name = "ID", default_value = "1", requires = "load", value_parser = TransactionId::new)]
    pub(crate) load_id: TransactionId,

    #[command(flatten)]
    pub(crate) tear: Tear,

    /// Tries steps again that wait for persons: two simulated ones sign for each.
    #[arg(long)]
    pub(crate) release_quarantine: bool,
}

impl Options {
    /// Folders are refused, and files that would be written over one another.
    pub(crate) fn check_paths(&self) -> Result<(), String> {
        let (card, account) = (self.card_path(), self.account_path());
        let written = [
            ("--journal", Some(&*self.journal), "cpu_card.journal"),
            ("--card", Some(&*card), "cpu_card.card"),
            ("--load", self.load.map(|_| &*account), "cpu_card.account"),
            ("--record", self.record.as_deref(), "cpu_card.trace"),
        ];
        let read = [
            ("--script", self.script.as_deref(), "script.toml"),
            ("--lines", self.lines.as_deref(), "commands.txt"),
            ("--profiles", self.profiles.as_deref(), "profiles.toml"),
            ("--card-types", self.card_types.as_deref(), "card-types.toml"),
            ("--keys", self.keys.as_deref(), "issuer.keys"),
        ];
        options::check_paths(&written, &read)
    }

    pub(crate) fn card_path(&self) -> PathBuf {
        self.card.clone().unwrap_or_else(|| self.journal.with_extension("card"))
    }

    /// The book of the account's keeper.
    pub(crate) fn account_path(&self) -> PathBuf {
        self.journal.with_extension("account")
    }
}

fn value(text: &str) -> Result<(String, Vec<u8>), String> {
    let (name, digits) = text.split_once('=').ok_or("a value is NAME=HEXADECIMAL")?;
    let bytes = hex::decode(digits).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), bytes))
}
