//! Number writing: a blank SIM gets a subscriber's numbers, PIN, PUK and keys, each step durable, and proves its keys.
//!
//! | stage | what happens | step, class | looked at when the outcome is not known |
//! |---|---|---|---|
//! | Met | reset, EF.ICCID: which card it is | | |
//! | Probed | what the record says is on the card, or may be | | every file is read; keys are proved by AUTHENTICATE |
//! | Authenticated | VERIFY of the ADM key | *adm*, X | retry counter against the one before |
//! | Written | EF.ICCID first, then the subscriber's files, each read back | *iccid*, *imsi*, .., I | the file is read |
//! | | PIN and PUK as the vendor's cards take them | *pin*, *puk*, I | cannot be read, UNBLOCK would consume a try: the same value again |
//! | | K and OPc as the vendor's cards take them | *keys*, C | AUTHENTICATE |
//! | Proved | reset, AUTHENTICATE: the card has the keys | *keys* is done | |
//! | Closed | EF.ICCID is still the one of this job | Completed | |
//!
//! A job is complete when every step is done, every file was read back, the keys are proved, and the card at the end is the one of the
//! beginning. The ICCID is written first, so that a blank card can be told from others from then on; a card that the record knows for
//! another subscriber is refused. With one try of the ADM key left nothing is tried; where the card does not tell its counter, one
//! attempt is made, and then a person has to look.

mod adm;
mod order;
mod write;

pub use order::{NumberOrder, NumberReport};
pub use write::write_number;

/// Names of the steps in the journal that are not files.
pub mod steps {
    /// ADM key verified.
    pub const ADM: &str = "adm";
    /// PIN written.
    pub const PIN: &str = "pin";
    /// PUK written.
    pub const PUK: &str = "puk";
    /// Subscriber's keys written, and proved.
    pub const KEYS: &str = "keys";
}
