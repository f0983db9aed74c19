use cardwright_cos::usim::{Iccid, SecretCode, SimProfile, SubscriberData};
use cardwright_keys::milenage::SubscriberKeys;

use crate::quarantine::Release;

/// What a blank card is to become.
#[derive(Clone, Debug)]
pub struct NumberOrder {
    /// What kind of card it is.
    pub profile: SimProfile,
    /// The subscriber's data. On cards that keep their ICCID, the one here is the one that the card has to have.
    pub data: SubscriberData,
    /// The card's ADM key, where its profile names one.
    pub adm: Option<SecretCode>,
    /// PIN that it gets.
    pub pin: Option<SecretCode>,
    /// PUK that it gets.
    pub puk: Option<SecretCode>,
    /// The subscriber's keys.
    pub keys: Option<SubscriberKeys>,
    /// Try quarantined steps again that persons have decided about.
    pub release: Option<Release>,
}

impl NumberOrder {
    /// An order without secrets.
    #[must_use]
    pub fn new(profile: SimProfile, data: SubscriberData) -> Self {
        Self { profile, data, adm: None, pin: None, puk: None, keys: None, release: None }
    }
}

/// What a run brought about.
#[derive(Clone, Debug)]
pub struct NumberReport {
    /// The card.
    pub iccid: Iccid,
    /// Its answer to reset.
    pub atr: Vec<u8>,
    /// Steps that were done in this run, in order.
    pub written: Vec<&'static str>,
    /// Files that the card does not have and need not have.
    pub absent: Vec<&'static str>,
    /// Whether the card has proved the subscriber's keys in this run.
    pub proved: bool,
}
