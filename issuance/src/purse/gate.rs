use cardwright_cos::purse::{Balance, PurseKind};

use super::history::PurseHistory;
use crate::journal::Entity;

/// What is known of a card before a load is begun: MAC1 covers what it says.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Entity of the card's purses.
    pub card: &'a Entity,
    /// Which purse.
    pub purse: PurseKind,
    /// Balance.
    pub balance: Balance,
    /// Online transaction serial number.
    pub serial: u16,
    /// The loads that are recorded.
    pub loads: &'a PurseHistory,
}

/// What has to hold, besides the rules of the terminal, for a load to begin and for its debit to go out.
pub(crate) trait Gate: Send {
    /// Whether the load may begin.
    fn allows(&mut self, reading: &Reading<'_>) -> bool;

    /// Entities whose last record has to be this still.
    fn given(&self) -> Vec<(Entity, u64)>;
}

/// No gate.
pub(crate) struct Ungated;

impl Gate for Ungated {
    fn allows(&mut self, _: &Reading<'_>) -> bool {
        true
    }

    fn given(&self) -> Vec<(Entity, u64)> {
        Vec::new()
    }
}
