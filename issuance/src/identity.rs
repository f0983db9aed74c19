use std::fmt;

use cardwright_gp::procedure::CardData;

use crate::journal::{Entity, EntityError};

/// What tells a card from all others, as text: chip identity from the CPLC data, else issuer and card image number. For the lock-out
/// ledger also the ICCID, or key diversification data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CardIdentity(String);

impl CardIdentity {
    /// Fabricator, IC type, fabrication date, serial number and batch from the CPLC data; on a card without a serial number
    /// there the issuer identification number and the card image number; `None` when it has neither.
    #[must_use]
    pub fn of(data: &CardData) -> Option<Self> {
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

    /// From the ICCID as EF.ICCID holds it; `None` where the file was never written.
    #[must_use]
    pub fn of_iccid(iccid: [u8; 10]) -> Option<Self> {
        let is_written = iccid != [0; 10] && iccid != [0xFF; 10];
        is_written.then(|| Self(format!("iccid-{}", digits(&iccid))))
    }

    /// From key diversification data, of a card whose profile calls it unique
    /// ([`CardProfile::unique_kdd`](cardwright_gp::CardProfile::unique_kdd)); never all zero, nor all FF.
    #[must_use]
    pub fn of_kdd(kdd: [u8; 10]) -> Option<Self> {
        (kdd != [0; 10] && kdd != [0xFF; 10]).then(|| Self(format!("kdd-{}", digits(&kdd))))
    }

    /// From a serial number that a native card tells; `None` where it was never written, all 00 or all FF.
    #[must_use]
    pub fn of_serial(kind: &str, serial: &[u8]) -> Option<Self> {
        let is_written = |blank: u8| serial.iter().any(|byte| *byte != blank);
        (serial.len() <= 32 && is_written(0x00) && is_written(0xFF)).then_some(())?;
        Self::of_native(kind, "x").map(|_| Self(format!("{kind}-{}", digits(serial))))
    }

    /// From a number that comes from outside: 1 to 32 printable ASCII characters without `/`.
    #[must_use]
    pub fn of_native(kind: &str, number: &str) -> Option<Self> {
        let is_text =
            |text: &str| (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
        (is_text(kind) && is_text(number)).then(|| Self(format!("{kind}-{number}")))
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

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
