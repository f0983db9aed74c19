use std::fmt;

use cardwright_gp::card_data::Cplc;

use crate::journal::{Entity, EntityError};

/// What tells a card from all others, as text: chip identity from the CPLC data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CardIdentity(String);

impl CardIdentity {
    /// Fabricator, IC type, fabrication date, serial number and batch; `None` when the card has no serial number.
    #[must_use]
    pub fn from_cplc(cplc: &Cplc) -> Option<Self> {
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        cplc.identity().map(|identity| Self(format!("cplc-{}", digits(&identity))))
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
