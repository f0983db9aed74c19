use clap::ValueEnum;

use crate::weather::Hazard;

/// A protection taken out, between the machines and the world: the libraries have no such switch.
///
/// The storm has to find what comes of it; one that does not shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// The driver reports an intent as durable and writes it after the command that follows.
    IntentAfterCommand,
    /// Whoever asks holds the lease.
    NoFencing,
    /// The store says that records are durable and does not sync them.
    UnsyncedCommit,
    /// The driver sends a command again when its answer does not come, and asks for a debit again under another id.
    BlindRetry,
    /// The driver takes 9000 as proof: it answers the probe that follows from it, and takes each TAC as right.
    BareStatus,
}

impl Sabotage {
    /// What has to go wrong for it to show: it comes often in every world of the saboteur.
    pub(crate) fn shows_by(self) -> &'static [Hazard] {
        match self {
            Self::IntentAfterCommand => &[Hazard::CrashAfter],
            Self::NoFencing => &[Hazard::Paused, Hazard::Rival],
            Self::UnsyncedCommit => &[Hazard::PowerBeforeWrite],
            Self::BlindRetry => &[Hazard::Unheard, Hazard::BookingUnheard],
            Self::BareStatus => &[Hazard::FalseStatus],
        }
    }
}
