//! The command line.

use std::path::PathBuf;

use cardwright::apdu::Aid;
use cardwright::gp::SecurityLevel;
use cardwright::gp::procedure::KeyScheme;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_STATUS: &str = "\
Exit status:
    0  done
    1  something else went wrong
    2  wrong usage
    3  the outcome of a command is not known: look at the card before anything is repeated
    4  no reader, or no card in it
    5  no keys, or not those of the card; nothing was authenticated
    6  too many failed authentications of this card: nothing was tried
    7  the card refused a command
    8  the card is locked or terminated
    9  a file is not what it should be
   10  an answer of the card breaks the standard
  130  ended by Ctrl-C, between two commands

Without --reader, --listen or --relay the card is a software card in the file gp.card, so that everything can be tried:
    gp list
    gp plan install applet.cap
    gp install applet.cap";

/// Looks at and changes what is on a GlobalPlatform card.
#[derive(Debug, Parser)]
#[command(name = "gp", version, after_help = EXIT_STATUS, max_term_width = 100)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) place: PlaceOptions,

    #[command(flatten)]
    pub(crate) keys: KeyOptions,

    #[command(flatten)]
    pub(crate) channel: ChannelOptions,

    /// Prints one JSON object in place of text (docs/gp.md has its members); errors as well.
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,

    /// Shows every command in words, without its data.
    #[arg(long, short = 'v', global = true, help_heading = "Output")]
    pub(crate) verbose: bool,
}

/// Where the card is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where the card is")]
pub(crate) struct PlaceOptions {
    /// The PC/SC reader with this name, or a part of it.
    #[arg(long, short = 'r', global = true, value_name = "NAME", conflicts_with_all = ["listen", "relay", "card"])]
    pub(crate) reader: Option<String>,

    /// A card program that connects here as it does to vpcd, the virtual reader of vsmartcard. The address is 127.0.0.1 if not given.
    #[arg(long, global = true, value_name = "[ADDRESS:]PORT", conflicts_with_all = ["relay", "card"])]
    pub(crate) listen: Option<String>,

    /// The card at an enrolled terminal that connects here, in a sealed session. The address is 127.0.0.1 if not given.
    #[arg(long, global = true, value_name = "[ADDRESS:]PORT", requires_all = ["identity", "roster"], conflicts_with = "card")]
    pub(crate) relay: Option<String>,

    /// With --relay: this server's identity key, 64 hexadecimal digits in a file; terminals pin its public half.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,

    /// With --relay: enrolled terminals, one a line: name, public key, admitted, suspended or revoked.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) roster: Option<PathBuf>,

    /// Memory of the software card; made when it is not there.
    #[arg(long, global = true, value_name = "FILE", default_value = "gp.card")]
    pub(crate) card: PathBuf,

    /// Secure channel protocol of a software card that is made new, and of a plan.
    #[arg(long, global = true, value_enum, default_value = "03")]
    pub(crate) scp: Scp,
}

impl PlaceOptions {
    /// Whether the card is the software card.
    pub(crate) fn is_software(&self) -> bool {
        self.reader.is_none() && self.listen.is_none() && self.relay.is_none()
    }
}

/// Which keys the card has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Keys of the card (or in the environment: CARDWRIGHT_KEY=\"KEY CHECK-VALUE\")")]
pub(crate) struct KeyOptions {
    /// File with lines NAME KIND KEY CHECK-VALUE, such as `issuer AES 4041..4F 504A77`.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Which key of the file or token; without it, all of the file are compared with the card's answer (off the card).
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) key_name: Option<String>,

    /// Asks for the key, without showing it.
    #[arg(long, global = true, conflicts_with_all = ["key_file", "key", "pkcs11"])]
    pub(crate) ask_key: bool,

    /// The key itself, in hexadecimal. Others can see it: better one of the other ways.
    #[arg(long, global = true, value_name = "HEX", conflicts_with_all = ["key_file", "pkcs11"])]
    pub(crate) key: Option<String>,

    /// The published test keys, 404142..4F. The software card has them without being told.
    #[arg(long, global = true)]
    pub(crate) test_keys: bool,

    /// A token or HSM, by the path of its PKCS#11 module; the PIN is asked for, or in CARDWRIGHT_PIN.
    #[arg(long, global = true, value_name = "MODULE", requires = "key_name", conflicts_with = "key_file")]
    pub(crate) pkcs11: Option<PathBuf>,

    /// Label of the token.
    #[arg(long, global = true, value_name = "LABEL", requires = "pkcs11")]
    pub(crate) token: Option<String>,

    /// How the card's keys come from the key: as-is, emv, visa, visa2, kdf3, or a template.
    #[arg(long, global = true, value_name = "SCHEME", default_value = "as-is", value_parser = scheme)]
    pub(crate) scheme: KeyScheme,

    /// Version of the key set to be used, in hexadecimal; without it, the card's choice.
    #[arg(long, global = true, value_name = "VERSION", value_parser = byte)]
    pub(crate) kvn: Option<u8>,
}

/// How the secure channel is opened.
#[derive(Debug, Args)]
#[command(next_help_heading = "Secure channel")]
pub(crate) struct ChannelOptions {
    /// 01 MAC of commands; 03 and they are enciphered; 11, 13, 33 and responses as well (SCP03).
    #[arg(long, global = true, default_value = "03", value_parser = level)]
    pub(crate) level: SecurityLevel,

    /// Security domain; without it, the issuer's.
    #[arg(long = "domain", global = true, value_name = "AID")]
    pub(crate) target: Option<Aid>,

    /// What the card does otherwise than the standard says: a built-in profile, or one of --profiles.
    #[arg(long, global = true, value_name = "NAME", default_value = "standard")]
    pub(crate) profile: String,

    /// File with card profiles, in TOML.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) profiles: Option<PathBuf>,

    /// Asks the card first what it is and which variant of its protocol it speaks: 4 commands more.
    #[arg(long, global = true)]
    pub(crate) ask_first: bool,

    /// Where failed authentications are counted; by default in the user's state folder, of a software card beside it.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,

    /// Tries again although two authentications of this card failed in a row. It may lock the card for ever.
    #[arg(long, global = true)]
    pub(crate) override_lockout: bool,
}

/// Secure channel protocol by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scp {
    /// SCP02, i = 55.
    #[value(name = "02")]
    Scp02,
    /// SCP03, i = 70, AES-128.
    #[value(name = "03")]
    Scp03,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    OnCard(OnCard),
    /// The readers of this machine.
    Readers,
    /// What kind of card it is: answer to reset, what it says of itself, and what that tells.
    CardType,
    /// Shows the commands that another command would send, in clear, and sends none.
    Plan {
        #[command(subcommand)]
        command: OnCard,
    },
    /// Records what goes over the wire, or plays it back.
    Trace {
        #[command(subcommand)]
        command: Trace,
    },
    /// A completion script for a shell: `source <(gp completion bash)`.
    Completion {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Trace {
    /// Does a command and writes every exchange to a new file. It is as secret as what went over the wire.
    Record {
        /// The file, JSON lines.
        file: PathBuf,
        #[command(subcommand)]
        command: OnCard,
    },
    /// Does a command with a recorded trace in place of a card: the same command, keys and options.
    Replay {
        /// The file.
        file: PathBuf,
        #[command(subcommand)]
        command: OnCard,
    },
}

/// What is done with a card.
#[derive(Debug, Subcommand)]
pub(crate) enum OnCard {
    /// Issuer security domain, applications, load files and their modules.
    List,
    /// What the card says of itself without a key: production data, GlobalPlatform version, protocols, keys.
    Info,
    /// Loads a CAP file and installs its applet.
    Install(Install),
    /// Deletes an application or a load file.
    Delete {
        /// Application or load file.
        #[arg(required = true, value_name = "AID")]
        aids: Vec<Aid>,
        /// Also what depends on a load file.
        #[arg(long, short = 'd')]
        dependent: bool,
    },
    /// Keys of the security domain.
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// Locks an application or, without an AID, the card.
    Lock {
        /// Application or security domain.
        aid: Option<Aid>,
        /// Of a security domain, also all applications that belong to it.
        #[arg(long, requires = "aid")]
        all: bool,
    },
    /// Unlocks an application or, without an AID, the card.
    Unlock {
        /// Application or security domain.
        aid: Option<Aid>,
        /// Of a security domain, also all applications that belong to it.
        #[arg(long, requires = "aid")]
        all: bool,
    },
    /// Life cycle state of the card or of an application; with --set, changes the card's.
    Status {
        /// Application or security domain; without it, the card.
        aid: Option<Aid>,
        /// The card's new state.
        #[arg(long, value_enum, conflicts_with = "aid")]
        set: Option<CardState>,
        /// Says that terminating the card is meant: it does nothing any more, for ever.
        #[arg(long, requires = "set")]
        irreversible: bool,
    },
    /// Security domains.
    Domain {
        #[command(subcommand)]
        command: Domain,
    },
    /// Sends data to the security domain or to an application (STORE DATA).
    StoreData {
        /// The data, in hexadecimal.
        #[arg(value_name = "HEX", value_parser = hexadecimal, required_unless_present = "file")]
        data: Option<Hex>,
        /// The data, from a file.
        #[arg(long, value_name = "FILE", conflicts_with = "data")]
        file: Option<PathBuf>,
        /// The application that it is for; without it, the security domain.
        #[arg(long, value_name = "AID")]
        to: Option<Aid>,
        /// How the data is made up: nothing is cut in front of its value.
        #[arg(long, value_enum, default_value = "own")]
        structure: Structure,
    },
    /// Sends commands as they are; with --secure in a secure channel.
    Apdu {
        /// Commands, in hexadecimal.
        #[arg(required = true, value_name = "HEX", value_parser = hexadecimal)]
        commands: Vec<Hex>,
        /// Opens a secure channel before, and sends the commands in it.
        #[arg(long)]
        secure: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// CAP file: an archive as converters write it, or an image (.ijc).
    pub(crate) file: PathBuf,
    /// Which applet of the file, by its AID; needed where it has several.
    #[arg(long, value_name = "AID")]
    pub(crate) module: Option<Aid>,
    /// AID that the application gets; without it, the applet's.
    #[arg(long, value_name = "AID")]
    pub(crate) aid: Option<Aid>,
    /// What the application gets at its installation, in hexadecimal.
    #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
    pub(crate) parameters: Option<Hex>,
    /// Privileges, one byte or three in hexadecimal; 04 is selected after a reset.
    #[arg(long, value_name = "HEX", value_parser = privileges)]
    pub(crate) privileges: Option<cardwright::gp::Privileges>,
    /// Loads and installs nothing.
    #[arg(long, conflicts_with_all = ["module", "aid", "parameters", "privileges"])]
    pub(crate) load_only: bool,
    /// Sends the Descriptor component as well, for cards that verify.
    #[arg(long)]
    pub(crate) descriptor: bool,
    /// The most data in one command, protected, in bytes.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u16).range(40..=255))]
    pub(crate) block: Option<u16>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Which keys the security domain has: versions and kinds, no values. Needs no key.
    List,
    /// Replaces the keys of the session by those of another key of --key-file or the token.
    Put {
        /// The new key's name.
        name: String,
        /// How the card's keys come from it: as-is, emv, visa, visa2, kdf3, or a template.
        #[arg(long, value_name = "SCHEME", default_value = "as-is", value_parser = scheme)]
        new_scheme: KeyScheme,
        /// Adds a key set with this version (01 to 7F) and replaces none.
        #[arg(long, value_name = "VERSION", value_parser = byte)]
        add: Option<u8>,
        /// Says that replacing the initial keys (version FF) is meant: they never come back.
        #[arg(long)]
        irreversible: bool,
    },
    /// Deletes all keys of a version, or one.
    Delete {
        /// The version, in hexadecimal.
        #[arg(value_name = "VERSION", value_parser = byte)]
        version: u8,
        /// Identifier of the one, in hexadecimal.
        #[arg(long, value_name = "ID", value_parser = byte)]
        id: Option<u8>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Domain {
    /// Makes a supplementary security domain.
    Create {
        /// AID that it gets.
        aid: Aid,
        /// Load file that holds the security domain's module.
        #[arg(long, value_name = "AID", default_value = "A0000001515350")]
        load_file: Aid,
        /// The module.
        #[arg(long, value_name = "AID", default_value = "A000000151535041")]
        module: Aid,
        /// Privileges, in hexadecimal: 80 is added.
        #[arg(long, value_name = "HEX", value_parser = privileges)]
        privileges: Option<cardwright::gp::Privileges>,
        /// What it gets at its installation (the value of C9), in hexadecimal.
        #[arg(long, value_name = "HEX", value_parser = hexadecimal)]
        parameters: Option<Hex>,
        /// Says that Mandated DAP Verification (41) is meant: the card then loads nothing without a signature.
        #[arg(long)]
        irreversible: bool,
    },
}

/// Life cycle states that a card is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CardState {
    /// From OP_READY.
    Initialized,
    /// From INITIALIZED, or from locked.
    Secured,
    /// CARD_LOCKED.
    Locked,
    /// For ever.
    Terminated,
}

/// How data is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Structure {
    /// In a way that only the application knows.
    Own,
    /// Data groups (DGI).
    Dgi,
    /// BER-TLV.
    Tlv,
}

/// Bytes from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

pub(crate) fn hexadecimal(text: &str) -> Result<Hex, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
    hex::decode(&digits).map(Hex).map_err(|error| match error {
        hex::FromHexError::OddLength => format!("{} digits: bytes have two each", digits.len()),
        hex::FromHexError::InvalidHexCharacter { c, index } => {
            format!("{c:?} at digit {} is not hexadecimal", index + 1)
        }
        error => error.to_string(),
    })
}

fn byte(text: &str) -> Result<u8, String> {
    u8::from_str_radix(text, 16).map_err(|_| "two hexadecimal digits, such as 01 or 30".into())
}

fn level(text: &str) -> Result<SecurityLevel, String> {
    let level = u8::from_str_radix(text, 16).ok().and_then(SecurityLevel::new);
    level.ok_or_else(|| "a security level is 00, 01, 03, 11, 13 or 33".into())
}

fn privileges(text: &str) -> Result<cardwright::gp::Privileges, String> {
    match hexadecimal(text)?.0[..] {
        [one] => Ok(cardwright::gp::Privileges([one, 0, 0])),
        [a, b, c] => Ok(cardwright::gp::Privileges([a, b, c])),
        _ => Err("privileges are one byte or three".into()),
    }
}

fn scheme(text: &str) -> Result<KeyScheme, String> {
    Ok(match text {
        "as-is" => KeyScheme::AsIs,
        "emv" => KeyScheme::Emv,
        "visa" => KeyScheme::Visa,
        "visa2" => KeyScheme::Visa2,
        "kdf3" => KeyScheme::Kdf3,
        other => {
            let wrong = |error| format!("none of as-is, emv, visa, visa2, kdf3, and no template: {error}");
            KeyScheme::Template(
                other.parse().map_err(|error: cardwright::keys::TemplateError| wrong(error.to_string()))?,
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn what_is_no_hexadecimal_is_named() {
        assert_eq!(hexadecimal("00 a4:04"), Ok(Hex(vec![0, 0xA4, 4])));
        assert!(hexadecimal("00A").unwrap_err().contains("3 digits"));
        assert!(hexadecimal("00AX").unwrap_err().contains("'X' at digit 4"));
    }
}
