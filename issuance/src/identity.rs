use std::fmt;

use cardwright_gp::procedure::CardData;

use crate::journal::{Entity, EntityError};

/// What tells a card from all others, as text: chip identity from the CPLC data, else issuer and card image number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CardIdentity(String);

impl CardIdentity {
    /// Fabricator, IC type, fabrication date, serial number and batch from the CPLC data; on a card without a serial number
    /// there the issuer identification number and the card image number; `None` when it has neither.
    #[must_use]
    pub fn of(data: &CardData) -> Option<Self> {
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        if let Some(identity) = data.cplc.and_then(|cplc| cplc.identity()) {
            return Some(Self(format!("cplc-{}", digits(&identity))));
        }
        match (&data.iin, &data.cin) {
            (Some(iin), Some(cin)) if iin.len() <= 16 && cin.len() <= 32 && cin.iter().any(|byte| *byte != 0) => {
                Some(Self(format!("iin-{}-cin-{}", digits(iin), digits(cin))))
            }
            _ => None,
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The journal's entity of this card.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn entity(&self) -> Result<Entity, EntityError> {
        Entity::new(&format!("card/{}", self.0))
    }

    /// The journal's entity of one application on this card.
    ///
    /// # Errors
    /// None in practice: the text is printable and short.
    pub fn application_entity(&self, application: &cardwright_apdu::Aid) -> Result<Entity, EntityError> {
        Entity::new(&format!("card/{}/application/{application}", self.0))
    }
}

impl fmt::Display for CardIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CardIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardIdentity({})", self.0)
    }
}
