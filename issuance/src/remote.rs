//! Remote issuing: applications come onto a Java card from a server that decides, through a client that only relays.
//!
//! The machine, each stage a conversation with one card (steps in italics are durable, see [`crate::step`]):
//!
//! | stage | what happens | step, class | looked at when the outcome is not known |
//! |---|---|---|---|
//! | Discovered | SELECT, GET DATA: what the card is | | |
//! | Authenticated | secure channel, with the keys that fit the card's answer | ledger | |
//! | Listed | GET STATUS: which applications it has | | |
//! | Loading | INSTALL [for load], LOAD from block 0 | *load*, C | the listing shows the load file |
//! | Installed | INSTALL [for install and make selectable] | *install*, C | the listing shows the application |
//! | Keyed | SELECT twice, the card's identity between: whose application it is | | |
//! | | EXTERNAL AUTHENTICATE with the card master key | *authenticate-initial*, X | retry counter against the one before |
//! | | WRITE KEY of the maintenance key | *maintenance-key*, C | cannot be read: the same value again |
//! | | WRITE KEY of the card master key, last | *master-key*, C | EXTERNAL AUTHENTICATE with the new key |
//! | | EXTERNAL AUTHENTICATE with the new master key | *authenticate-master*, X, proves all before it | as above |
//! | Secured | a second session that shows the same key diversification data, then PUT KEY | *domain-keys*, C | which keys fit the answer to INITIALIZE UPDATE |
//! | Closed | new keys, same card, listing | Completed | |
//!
//! A run begins with the first stage, whatever happened before; the card and the journal say what is left to do.

mod delete;
mod domain;
mod issue;
mod order;
mod personalize;
mod report;
mod settled;
mod usage;

pub use delete::{DeleteOrder, delete, delete_settled};
pub(crate) use domain::refusal;
pub use issue::issue;
pub use order::{ApplicationKeys, ApplicationOrder, Order};
pub(crate) use report::Stop;
pub use report::{ApplicationRow, ApplicationStatus, CardFacts, InterruptedDuring, IssueError, Kind, Outcome, Report};
pub use settled::{Balance, Settled};
pub use usage::{record_use, recorded_status, report_use};

/// Names of the steps in the journal.
pub mod steps {
    /// Load file onto the card.
    pub const LOAD: &str = "load";
    /// Application installed and selectable.
    pub const INSTALL: &str = "install";
    /// Host authenticated with the master key that the application was born with.
    pub const AUTHENTICATE_INITIAL: &str = "authenticate-initial";
    /// Host authenticated with the card's own master key.
    pub const AUTHENTICATE_MASTER: &str = "authenticate-master";
    /// Maintenance key of the application replaced.
    pub const MAINTENANCE_KEY: &str = "maintenance-key";
    /// Card master key of the application replaced, and proved.
    pub const MASTER_KEY: &str = "master-key";
    /// Keys of the issuer security domain replaced.
    pub const DOMAIN_KEYS: &str = "domain-keys";
    /// Object deleted.
    pub const DELETE: &str = "delete";
}
