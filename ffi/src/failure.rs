//! Why a call did not succeed, with everything that the last error tells.

use cardwright_apdu::{
    AidError, CommandError, Delivery, ExchangeError, ResponseError, StatusWord, TransportError, TransportErrorKind,
    tlv::TlvError,
};
use cardwright_cos::usim::SimError;
use cardwright_gp::load_file::CapError;
use cardwright_gp::{CardFault, ChannelError, Error, LoadFileError};
use cardwright_issuance::job::JobError;
use cardwright_issuance::machine::MachineError;
use cardwright_issuance::purse::LoadError;
use cardwright_issuance::remote::IssueError;
use cardwright_issuance::script::ScriptRunError;
use cardwright_issuance::store::{Place, StoreError};
use cardwright_keys::{IntakeError, KeyError};

use crate::status::*;

/// Why a call did not succeed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: cw_status,
    pub(crate) message: String,
    pub(crate) sw: u16,
    pub(crate) command: &'static str,
    pub(crate) offset: Option<usize>,
    pub(crate) in_doubt: bool,
}

impl Failure {
    pub(crate) fn new(status: cw_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), sw: 0, command: "", offset: None, in_doubt: false }
    }

    pub(crate) fn null(what: &str) -> Self {
        Self::new(CW_NULL, format!("{what} is NULL"))
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new(CW_BAD_VALUE, message)
    }

    pub(crate) fn too_small(needed: usize, available: usize) -> Self {
        Self::new(CW_BUFFER_TOO_SMALL, format!("{needed} bytes are needed, the buffer has {available}"))
    }

    /// A response that does not fit, to a command that the card executed.
    pub(crate) fn too_long(sent: usize, available: usize) -> Self {
        Self::new(CW_RESPONSE_TOO_LONG, format!("the card sent {sent} bytes, the buffer has {available}"))
            .doubtful(true)
    }

    fn at(mut self, offset: Option<usize>) -> Self {
        self.offset = offset;
        self
    }

    pub(crate) fn of(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    pub(crate) fn doubtful(mut self, in_doubt: bool) -> Self {
        self.in_doubt = in_doubt;
        self
    }
}

impl From<AidError> for Failure {
    fn from(error: AidError) -> Self {
        Self::new(CW_BAD_VALUE, error.to_string())
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        let offset = match error {
            CommandError::Length { offset, .. } => Some(offset),
            CommandError::ZeroLc { .. } => Some(4),
            _ => None,
        };
        Self::new(CW_BAD_APDU, error.to_string()).at(offset)
    }
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self::new(CW_BAD_APDU, error.to_string())
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let status = match &error.kind {
            TransportErrorKind::CardRemoved => CW_CARD_REMOVED,
            TransportErrorKind::CardReset => CW_CARD_RESET,
            TransportErrorKind::NoCard => CW_NO_CARD,
            TransportErrorKind::NoReader => CW_NO_READER,
            TransportErrorKind::NoService => CW_NO_SERVICE,
            TransportErrorKind::Timeout => CW_TIMEOUT,
            TransportErrorKind::Busy => CW_CARD_IN_USE,
            TransportErrorKind::LineLost => CW_LINE_LOST,
            TransportErrorKind::Exchange(ExchangeError::Command(_)) => CW_BAD_APDU,
            // `transport` reports a callback's surplus this way.
            TransportErrorKind::Exchange(ExchangeError::Response(ResponseError::TooLong { .. })) => {
                CW_RESPONSE_TOO_LONG
            }
            TransportErrorKind::Exchange(_) => CW_BAD_RESPONSE,
            _ => CW_TRANSPORT,
        };
        Self::new(status, error.to_string()).doubtful(error.delivery == Delivery::Unknown)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let status = match &error {
            KeyError::NotFound { .. } => CW_KEY_NOT_FOUND,
            KeyError::Kind { .. } | KeyError::Length { .. } | KeyError::PrivateKey { .. } => CW_KEY_MISFIT,
            KeyError::Refused { .. } => CW_KEY_REFUSED,
            KeyError::Unavailable { .. } => CW_KEY_UNAVAILABLE,
            _ => CW_KEY_SERVICE,
        };
        Self::new(status, error.to_string())
    }
}

impl From<IntakeError> for Failure {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Key(error) => error.into(),
            error => Self::new(CW_KEY_MISFIT, error.to_string()),
        }
    }
}

impl From<CapError> for Failure {
    fn from(error: CapError) -> Self {
        let offset = match &error {
            CapError::UnsupportedComponent { offset, .. }
            | CapError::ImageTruncated { offset }
            | CapError::Truncated { offset, .. }
            | CapError::TrailingBytes { offset, .. }
            | CapError::AidLength { offset, .. }
            | CapError::PackageName { offset } => Some(*offset),
            _ => None,
        };
        Self::new(CW_BAD_LOAD_FILE, error.to_string()).at(offset)
    }
}

impl From<LoadFileError> for Failure {
    fn from(error: LoadFileError) -> Self {
        Self::new(CW_BAD_LOAD_FILE, error.to_string())
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        let status = match &error {
            ChannelError::Closed { .. } => CW_CHANNEL_CLOSED,
            ChannelError::TooLong { .. } => CW_COMMAND_TOO_LONG,
            ChannelError::Response { .. } => CW_BAD_PROTECTION,
            ChannelError::Level { .. } => CW_BAD_SECURITY_LEVEL,
            ChannelError::Command(_) => CW_BAD_APDU,
            // Commands and responses alternate inside one call.
            _ => CW_INTERNAL,
        };
        let in_doubt = matches!(error, ChannelError::Response { .. });
        Self::new(status, error.to_string()).doubtful(in_doubt)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (message, in_doubt) = (error.to_string(), error.is_in_doubt());
        let (failure, command) = match error {
            Error::Refused { command, sw } => {
                let mut failure = Self::new(CW_REFUSED, "");
                failure.sw = sw.0;
                (failure, command)
            }
            Error::NoDomain { sw } => {
                let mut failure = Self::new(CW_REFUSED, "");
                failure.sw = sw.0;
                (failure, "SELECT")
            }
            Error::Card { command, fault } => {
                let status = if matches!(fault, CardFault::Protection(_)) { CW_BAD_PROTECTION } else { CW_CARD_FAULT };
                (Self::new(status, "").at(offset_of(&fault)), command)
            }
            Error::Transport { command, source } => (source.into(), command),
            Error::TooLong { command, .. } => (Self::new(CW_BAD_VALUE, ""), command),
            Error::WrongKeys { .. } => (Self::new(CW_WRONG_KEYS, ""), "INITIALIZE UPDATE"),
            Error::NoKeys { .. } => (Self::new(CW_NO_KEYS, ""), "INITIALIZE UPDATE"),
            Error::Channel(error) => (error.into(), ""),
            Error::Keys(error) => (error.into(), ""),
            Error::LoadFile(error) => (error.into(), ""),
            Error::KeyVersion { .. } => (Self::new(CW_BAD_VALUE, ""), ""),
            Error::Certificate { .. } => (Self::new(CW_BAD_CERTIFICATE, ""), "GET DATA"),
            Error::Unsupported { .. } => (Self::new(CW_UNSUPPORTED, ""), ""),
            Error::Structure { offset, .. } => (Self::new(CW_BAD_VALUE, "").at(Some(offset)), ""),
            Error::Irreversible { .. } => (Self::new(CW_BAD_VALUE, ""), ""),
            _ => (Self::new(CW_INTERNAL, ""), ""),
        };
        Self { message, in_doubt, ..failure.of(command) }
    }
}

impl From<cardwright_cos::Error> for Failure {
    fn from(error: cardwright_cos::Error) -> Self {
        use cardwright_cos::Error;
        let (message, in_doubt) = (error.to_string(), error.is_in_doubt());
        let mut failure = match error {
            Error::WrongKey { .. } | Error::Locked => Self::new(CW_REFUSED, "").of("EXTERNAL AUTHENTICATE"),
            Error::Refused { command, sw } => {
                let mut failure = Self::new(CW_REFUSED, "").of(command);
                failure.sw = sw.0;
                failure
            }
            Error::Length { command, .. } | Error::Mac { command, .. } | Error::Algorithm { command, .. } => {
                Self::new(CW_CARD_FAULT, "").of(command)
            }
            Error::MacRefused { command } => Self::new(CW_REFUSED, "").of(command),
            Error::ResponseMac { command } => Self::new(CW_BAD_PROTECTION, "").of(command),
            Error::LastTry { .. } => Self::new(CW_GUARDED, ""),
            Error::TooLong { command, .. } => Self::new(CW_COMMAND_TOO_LONG, "").of(command),
            Error::Command(_) | Error::Load(_) | Error::Insufficient { .. } | Error::TransactionType { .. } => {
                Self::new(CW_BAD_VALUE, "")
            }
            Error::Transport { command, source } => Self::from(source).of(command),
            Error::Keys(error) => error.into(),
            _ => Self::new(CW_INTERNAL, ""),
        };
        failure.message = message;
        failure.in_doubt = in_doubt;
        failure
    }
}

impl From<SimError> for Failure {
    fn from(error: SimError) -> Self {
        let (message, in_doubt) = (error.to_string(), error.is_in_doubt());
        let refused = |command, sw: StatusWord| Self { sw: sw.0, ..Self::new(CW_REFUSED, "").of(command) };
        let failure = match error {
            SimError::Field(_) | SimError::Missing { .. } => Self::new(CW_BAD_VALUE, ""),
            SimError::NoEntry { .. } => Self::new(CW_UNSUPPORTED, ""),
            SimError::NoFile { sw, .. } => refused("SELECT", sw),
            SimError::Refused { command, sw } => refused(command, sw),
            SimError::WrongAdm { .. } | SimError::AdmBlocked => Self::new(CW_REFUSED, "").of("VERIFY"),
            SimError::Answer { command, offset, .. } => Self::new(CW_CARD_FAULT, "").at(Some(offset)).of(command),
            SimError::Structure { .. } => Self::new(CW_CARD_FAULT, ""),
            SimError::ReadBack { .. } => Self::new(CW_NOT_PROVED, ""),
            SimError::Transport { command, source } => Self::from(source).of(command),
            SimError::Keys(error) => error.into(),
            _ => Self::new(CW_INTERNAL, ""),
        };
        Self { message, in_doubt, ..failure }
    }
}

impl From<ScriptRunError> for Failure {
    fn from(error: ScriptRunError) -> Self {
        let message = error.to_string();
        let failure = match error {
            ScriptRunError::NoIdentity => Self::new(CW_NO_IDENTITY, ""),
            ScriptRunError::BadIdentity | ScriptRunError::OtherProfile { .. } => Self::new(CW_BAD_VALUE, ""),
            ScriptRunError::OtherCard { .. } | ScriptRunError::WrongCard { .. } => Self::new(CW_OTHER_CARD, ""),
            ScriptRunError::ScriptChanged { .. } => Self::new(CW_CONTRADICTION, ""),
            ScriptRunError::Refused { sw, .. } => Self { sw: sw.0, ..Self::new(CW_REFUSED, "") },
            ScriptRunError::Incomplete(_) => Self::new(CW_NOT_PROVED, ""),
            ScriptRunError::Card { source, .. } => source.into(),
            ScriptRunError::Job(error) => return error.into(),
            ScriptRunError::Store(error) => return error.into(),
            _ => Self::new(CW_INTERNAL, ""),
        };
        Self { message, ..failure }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Conflict { .. } | StoreError::Superseded { .. } => CW_STORE_CONFLICT,
            StoreError::Busy { .. } => CW_STORE_BUSY,
            StoreError::Full => CW_STORE_FULL,
            StoreError::InDoubt { .. } | StoreError::Poisoned => CW_STORE_IN_DOUBT,
            StoreError::NoFile { .. }
            | StoreError::NoFolder { .. }
            | StoreError::NotAFile { .. }
            | StoreError::NoPermission { .. }
            | StoreError::Foreign { .. }
            | StoreError::NewerSchema { .. } => CW_STORE_FILE,
            StoreError::Truncated { .. } | StoreError::Damaged { .. } | StoreError::BrokenChain { .. } => {
                CW_STORE_DAMAGED
            }
            _ => CW_STORE_FAILED,
        };
        let offset = match &error {
            StoreError::Damaged { place: Place::Byte { offset }, .. } => usize::try_from(*offset).ok(),
            _ => None,
        };
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self::new(status, format!("{error}{source}")).at(offset)
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Store(error) => error.into(),
            error @ (JobError::AttemptsSpent { .. } | JobError::Release { .. }) => {
                Self::new(CW_QUARANTINED, error.to_string())
            }
            // The records of a card do not follow from one another.
            error => Self::new(CW_STORE_DAMAGED, error.to_string()),
        }
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Self {
        let status = match &error {
            IssueError::WrongKeys { .. } => CW_WRONG_KEYS,
            IssueError::LockedOut { .. } => CW_LOCKED_OUT,
            IssueError::NoIdentity | IssueError::NoIccid => CW_NO_IDENTITY,
            IssueError::OtherCard { .. } | IssueError::OtherKeyData { .. } | IssueError::OtherSerialNumber { .. } => {
                CW_OTHER_CARD
            }
            IssueError::OtherVersion { .. }
            | IssueError::OtherLoadFile { .. }
            | IssueError::Contradiction { .. }
            | IssueError::Locked { .. }
            | IssueError::OrderChanged { .. }
            | IssueError::OtherSubscriber { .. } => CW_CONTRADICTION,
            IssueError::NotListed { .. } | IssueError::NotProved { .. } => CW_NOT_PROVED,
            IssueError::Level { .. } => CW_BAD_SECURITY_LEVEL,
            IssueError::NoDiversificationData | IssueError::NoSerialNumber { .. } => CW_CARD_FAULT,
            IssueError::NotIssued { .. } | IssueError::NotOnCard { .. } => CW_NOT_FOUND,
            IssueError::IssuerSecurityDomain { .. }
            | IssueError::HasDependants { .. }
            | IssueError::Personalized { .. }
            | IssueError::NotSettled { .. } => CW_GUARDED,
            IssueError::NoNewKeys { .. } => CW_NO_KEYS,
            _ => CW_INTERNAL,
        };
        match error {
            IssueError::Gp(error) => error.into(),
            IssueError::Cos(error) => error.into(),
            IssueError::Sim(error) => error.into(),
            IssueError::Job(error) => error.into(),
            IssueError::Store(error) => error.into(),
            error => Self::new(status, error.to_string()),
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        use cardwright_cos::Error as Cos;
        let message = error.to_string();
        let status = match error {
            // What came back wrong is no card that was torn out.
            LoadError::Gp(Error::Transport { command, source })
            | LoadError::Cos(Cos::Transport { command, source })
                if !matches!(source.kind, TransportErrorKind::Exchange(_) | TransportErrorKind::Diverged { .. }) =>
            {
                return crate::purse::interrupted(command, &source.kind);
            }
            LoadError::Gp(error) => return error.into(),
            LoadError::Cos(error) => return error.into(),
            LoadError::Store(error)
            | LoadError::Machine(MachineError::Store(error))
            | LoadError::Case(MachineError::Store(error)) => return error.into(),
            LoadError::OpenLoad { .. } | LoadError::OrderChanged { .. } | LoadError::UsedElsewhere { .. } => {
                CW_CONTRADICTION
            }
            LoadError::NoSuchLoad { .. } => CW_NOT_FOUND,
            LoadError::NoSerialNumber | LoadError::OtherState => CW_CARD_FAULT,
            LoadError::Machine(MachineError::Stale { .. }) | LoadError::Case(MachineError::Stale { .. }) => {
                CW_STORE_CONFLICT
            }
            // The records of a purse do not follow from one another.
            LoadError::Machine(_) | LoadError::Case(_) => CW_STORE_DAMAGED,
            _ => CW_INTERNAL,
        };
        Self::new(status, message)
    }
}

fn offset_of(fault: &CardFault) -> Option<usize> {
    match fault {
        CardFault::Length { offset, .. } | CardFault::Value { offset, .. } | CardFault::Missing { offset, .. } => {
            Some(*offset)
        }
        CardFault::Tlv(
            TlvError::Truncated { offset }
            | TlvError::Tag { offset }
            | TlvError::Length { offset }
            | TlvError::PastEnd { offset, .. },
        ) => Some(*offset),
        _ => None,
    }
}
