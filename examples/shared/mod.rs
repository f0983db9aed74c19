//! What the programs that issue a card share.

pub(crate) mod card;
pub(crate) mod options;
pub(crate) mod persons;
pub(crate) mod run;

use cardwright::issuance;
