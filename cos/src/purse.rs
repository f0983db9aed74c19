//! The electronic purse: electronic deposit (ED) and electronic wallet (EP) of PBOC cards (JR/T 0025; FMCOS 2.0 user manual
//! chapter 8).
//!
//! Values hold what is legal only: an [`Amount`] moves something, a [`TransactionTime`] exists in the calendar. The commands
//! are values too ([`command`], [`psam`]); MACs are asked of the key service, and no key comes out of it. What takes more
//! than one command is an `async fn`, and nothing that a card says is believed before its MAC is verified.
//!
//! Whether a load whose answer was lost took place is decided by [`Inquiry`], which opens with its table; of an unload, a new overdraft limit
//! and a purchase, `resolve_unload`, `resolve_overdraft` and `resolve_purchase` find it out.

mod amount;
pub mod command;
mod log;
mod online;
mod procedure;
mod profile;
mod prove;
pub mod psam;
mod recover;
mod response;
mod terminal;
mod time;
mod transaction;

pub use amount::{Amount, AmountError, Balance, OverdraftLimit};
pub use log::{LOG_RECORD_LENGTH, LogRecord, LogRecordError};
pub use online::{
    OpenOverdraft, OpenUnload, PurseInitialization, complete_overdraft, debit_for_unload, has_purse_key,
    initialize_for_unload, initialize_for_update, unload, update_overdraft_limit,
};
pub use procedure::{
    Credit, LoadReceipt, LoadSession, Purchase, PurchaseSession, PurseAccess, TacCheck, balance, credit_for_load,
    debit_for_purchase, initialize_for_load, initialize_for_purchase, load_tac_request, prepare_credit,
    purchase_tac_verifies, resolve_load, transaction_prove,
};
pub use profile::{KeyIdentifiers, ProveSerial, PurseAlgorithm, PurseKeys, PurseProfile, TacKey};
pub use prove::{Dispute, Evidence, Inquiry, LoadProof, NextQuestion, OpenLoad, OpenLoadError, Verdict};
pub use recover::{Recovered, RecoveredBy, resolve_overdraft, resolve_purchase, resolve_unload};
pub use response::{
    LoadInitialization, OverdraftInitialization, PurchaseInitialization, PurchaseResult, TransactionProof,
};
pub use terminal::{TerminalError, TerminalNumber};
pub use time::{TimeError, TransactionTime};
pub use transaction::{
    PurseKind, Transaction, TransactionType, offline_session, online_session, overdraft_mac1_input,
    overdraft_mac2_input, overdraft_tac_input,
};
