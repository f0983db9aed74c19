//! Runs an issue script on a card (machine D): intent before, outcome after, the card asked after a tear.
//!
//! | stage | what happens | where the outcome is not known |
//! |---|---|---|
//! | Met | reset; the card's identity finds its records | |
//! | Probing | a step that was begun and has no outcome is asked for | done: on; not done: again; cannot be told: Restart, else Quarantined |
//! | Executing(k) | each step: intent durable, command, outcome durable | Lost, the run is interrupted |
//! | Restart | where the script allows it: *restart*, what it says (ERASE DF), and all steps begin from nothing | again |
//! | Verified | reset; everything readable is read back, every key that can be is proved (*verify*, *prove ..*) | again |
//! | Closed | the predicate holds ([`is_complete`]): Completed, with the outcome of *verify* in one transaction | |
//!
//! Commands that change nothing that outlasts the power, SELECT above all, are sent in each run and not recorded.

mod predicate;
mod report;
mod run;
mod verify;

use cardwright_apdu::CommandApdu;
use cardwright_cos::profile::CardProfile;
use cardwright_cos::script::Script;

use crate::port::Conversation;
use crate::quarantine::Release;
use crate::remote::Outcome;

pub use predicate::{Evidence, KeyEvidence, Missing, ReadBack, is_complete};
pub use report::{ScriptReport, ScriptRunError};

/// Names of the steps in the journal that are none of the script's.
pub mod steps {
    /// The card was put back to where the script can begin anew.
    pub const RESTART: &str = "restart";
    /// What was written was read back, and keys were proved.
    pub const VERIFY: &str = "verify";
    /// Begins the name of the step in which a new key is tried, before that of the step that writes it.
    pub const PROBE: &str = "probe ";
    /// Begins the name of the step in which a written key is proved.
    pub const PROVE: &str = "prove ";
}

/// What is to be done to a card.
#[derive(Clone, Debug)]
pub struct ScriptOrder {
    /// The steps, with the card's own keys and values.
    pub script: Script,
    /// The card's profile.
    pub profile: CardProfile,
    /// Where the card's identity comes from.
    pub identity: CardSource,
    /// Tries quarantined steps again that persons have decided about.
    pub release: Option<Release>,
}

/// Where a native card's identity comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CardSource {
    /// From where the profile says.
    Profile,
    /// From the answer to this command, which costs nothing and changes nothing.
    Command(CommandApdu),
    /// From outside: what a handler or the print on the card says. 1 to 32 printable ASCII characters without `/`.
    Given(String),
}

/// Runs the script. A card that was interrupted is finished, from the first step that is not proved.
#[must_use]
pub fn run_script(order: ScriptOrder) -> Conversation<Result<Outcome<ScriptReport>, ScriptRunError>> {
    Conversation::new(|mut port| async move {
        match run::run(&mut port, &order).await {
            Ok(report) => Ok(Outcome::Complete(report)),
            Err(stop) => stop.into_outcome(),
        }
    })
}
