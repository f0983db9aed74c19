use cardwright_apdu::Aid;
use cardwright_cos::ApplicationInformation;
use cardwright_cos::cpu::Pin;
use cardwright_cos::profile::CardProfile;
use cardwright_cos::purse::{
    Amount, AmountError, Balance, PurseAccess, PurseKeys, PurseKind, PurseProfile, TerminalNumber, TransactionTime,
};

use super::id::TransactionId;
use crate::account::AccountId;

/// A load as it is ordered.
#[derive(Clone, Debug)]
pub struct LoadOrder {
    /// Its id, the same in every run.
    pub id: TransactionId,
    /// Which purse.
    pub purse: PurseKind,
    /// How much.
    pub amount: Amount,
    /// Who pays.
    pub account: AccountId,
    /// Where, when and with which keys.
    pub terminal: LoadTerminal,
}

/// Where, when and with which keys cards are loaded.
#[derive(Clone, Debug)]
pub struct LoadTerminal {
    /// AID of the application that holds the purse.
    pub application: Aid,
    /// What its purses are like.
    pub profile: PurseProfile,
    /// Whether a card of version 5 is used with its SM4 keys.
    pub sm4_by_version: bool,
    /// The keys, before diversification.
    pub keys: PurseKeys,
    /// How the card's own keys come from them: issuers' codes, level by level, and then the card's serial number; `None` for cards
    /// that hold the keys as they are.
    pub levels: Option<Vec<[u8; 8]>>,
    /// The holder's PIN, where a purse wants it: an electronic deposit does. A wrong one ends the run; it is not tried again.
    pub pin: Option<HolderPin>,
    /// Number of the terminal.
    pub number: TerminalNumber,
    /// What may be loaded.
    pub rules: LoadRules,
    /// The host's time now, as the card gets it.
    pub time: TransactionTime,
    /// The same time, in milliseconds since 1970-01-01 UTC.
    pub now_ms: u64,
}

/// A PIN, and how the card takes it. The last try is never made.
#[derive(Clone, Debug)]
pub struct HolderPin {
    /// How the card takes it.
    pub profile: CardProfile,
    /// Identifier of the PIN.
    pub id: u8,
    /// The PIN, as its holder has just entered it.
    pub pin: Pin,
}

/// What may be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadRules {
    /// Version of the rules, for the record.
    pub version: u32,
    /// The most at once.
    pub max_amount: Amount,
    /// The most that a purse may hold.
    pub max_balance: Balance,
}

impl LoadRules {
    /// Whether a load is allowed.
    ///
    /// # Errors
    /// [`AmountError`] says what is over which limit.
    pub fn check(&self, amount: Amount, balance: Balance) -> Result<(), AmountError> {
        balance.plus(amount.within(self.max_amount)?, self.max_balance).map(drop)
    }
}

impl LoadTerminal {
    /// How a purse of this card is used.
    pub(super) fn access(
        &self,
        information: &ApplicationInformation,
        factor: [u8; 8],
        purse: PurseKind,
    ) -> PurseAccess {
        let profile = match self.sm4_by_version {
            true => self.profile.for_card_version(information.version()),
            false => self.profile,
        };
        let keys = match &self.levels {
            Some(levels) => self.keys.diversified(profile.algorithm, &[&levels[..], &[factor]].concat()),
            None => self.keys.clone(),
        };
        PurseAccess { purse, profile, keys }
    }
}
