//! What went wrong: the exit status, what it is, and what to do next.

use std::fmt::Display;
use std::process::ExitCode;

use cardwright::apdu::{Delivery, StatusWord, TransportError, TransportErrorKind};
use cardwright::gp::Error as GpError;
use cardwright::issuance::remote::IssueError;

use crate::stop;

/// The exit status. `--help` says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Other = 1,
    Usage = 2,
    InDoubt = 3,
    NoCard = 4,
    Keys = 5,
    LockedOut = 6,
    Refused = 7,
    Locked = 8,
    File = 9,
    Standard = 10,
    Stopped = 130,
}

/// Why the program ends without having done what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) what: String,
    pub(crate) next: String,
    pub(crate) sw: Option<StatusWord>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Display, next: impl Display) -> Self {
        Self { exit, what: what.to_string(), next: next.to_string(), sw: None }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    /// What a command came to that `changes` the card, or only looks.
    pub(crate) fn of(error: GpError, changes: bool) -> Self {
        if stop::is_requested() {
            return Self::stopped(&error);
        }
        if changes && error.is_in_doubt() {
            return Self::new(
                Exit::InDoubt,
                format!("{error}. Whether the card did it is not known"),
                "put the same card back and look what is there (gp list, gp keys list) before anything is repeated",
            );
        }
        match &error {
            GpError::Transport { source, .. } => Self::of_transport(source, &error),
            GpError::WrongKeys { .. } => Self::new(Exit::Keys, &error, WRONG_KEYS),
            GpError::NoKeys { .. } => Self::new(
                Exit::Keys,
                &error,
                "give a key of the kind that the protocol takes (SCP02: DES, SCP03: AES), or leave --kvn out",
            ),
            GpError::NoDomain { sw } => Self::of_select(*sw, &error),
            GpError::Refused { command: "SELECT", sw } => Self::of_select(*sw, &error),
            GpError::Refused { sw, .. } => {
                let next = "gp list shows what is on the card; -v shows the commands";
                Self { sw: Some(*sw), ..Self::new(Exit::Refused, &error, next) }
            }
            GpError::Card { .. } | GpError::Channel(_) => Self::new(
                Exit::Standard,
                &error,
                "cards with ways of their own need a profile: --profile (gp list --profile ? names those that there are)",
            ),
            GpError::LoadFile(_) => Self::new(Exit::File, &error, "nothing was sent"),
            GpError::Irreversible { .. } => Self::new(Exit::Usage, &error, "--irreversible says so"),
            GpError::Keys(_) => Self::new(Exit::Keys, &error, "look at the key source; the card was left as it is"),
            _ => Self::new(Exit::Other, &error, "-v shows the commands"),
        }
    }

    fn of_select(sw: StatusWord, error: &GpError) -> Self {
        let failure = match sw.0 {
            0x6985 | 0x6982 | 0x6283 | 0x6E00 | 0x6F00 => Self::new(
                Exit::Locked,
                format!("{error}. So answers a card that is terminated or locked"),
                "gp info shows what it still tells; a terminated card does nothing any more",
            ),
            _ => Self::new(
                Exit::Refused,
                error,
                "is it a GlobalPlatform card? gp card-type tells what it is; --domain AID names its security domain",
            ),
        };
        Self { sw: Some(sw), ..failure }
    }

    /// What came of an exchange that no procedure had part in.
    pub(crate) fn of_transport(error: &TransportError, words: &dyn Display) -> Self {
        let exit = match error.kind {
            TransportErrorKind::Diverged { .. } => Exit::File,
            TransportErrorKind::Exchange(_) => Exit::Standard,
            _ => Exit::NoCard,
        };
        let next = match error.kind {
            TransportErrorKind::Diverged { .. } => "replay with the command, keys and options of the recording",
            TransportErrorKind::NoReader | TransportErrorKind::NoService => "gp readers shows what there is",
            _ if error.delivery == Delivery::Unknown => "nothing was changed: put the card back and try again",
            _ => "nothing was sent: try again",
        };
        Self::new(exit, words, next)
    }

    pub(crate) fn of_kind(kind: TransportErrorKind) -> Self {
        let error = TransportError::not_sent(kind);
        Self::of_transport(&error, &error.kind)
    }

    /// What the opening of a secure channel came to.
    pub(crate) fn of_opening(error: IssueError) -> Self {
        match error {
            IssueError::Gp(error) => Self::of(error, false),
            IssueError::WrongKeys { .. } => Self::new(Exit::Keys, &error, WRONG_KEYS),
            IssueError::LockedOut { .. } => {
                Self::new(Exit::LockedOut, &error, "--override-lockout tries again, with the right keys")
            }
            error => Self::new(Exit::Other, &error, "look at the file of --ledger"),
        }
    }

    pub(crate) fn stopped(words: &dyn Display) -> Self {
        let _ = words;
        Self::new(
            Exit::Stopped,
            format!("ended by Ctrl-C, after {}", stop::last_command()),
            "no command was under way; a load that was broken off is void, and begins again the next time",
        )
    }

    pub(crate) fn file(what: impl Display, next: impl Display) -> Self {
        Self::new(Exit::File, what, next)
    }

    pub(crate) fn usage(what: impl Display) -> Self {
        Self::new(Exit::Usage, what, "gp --help shows how it is meant")
    }
}

const WRONG_KEYS: &str = "find the card's keys before the next attempt (cards lock themselves for ever after a few): --key-file, --scheme, \
                          --kvn; gp keys list shows versions and kinds";
