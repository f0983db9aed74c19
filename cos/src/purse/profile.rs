use cardwright_keys::{Diversification, KeyRef};

/// Algorithm of a purse's keys, by the number that the card gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PurseAlgorithm {
    /// Triple DES with two keys.
    Tdes = 0x00,
    /// Single DES.
    Des = 0x01,
    /// SM4.
    Sm4 = 0x04,
}

/// How a TAC key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TacKey {
    /// Its halves, one xored onto the other, are the key.
    Folded,
    /// As it is.
    Whole,
}

/// Which serial number GET TRANSACTION PROVE is asked with. The manual says the transaction's own; cards in the field want the
/// one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProveSerial {
    /// The one that INITIALIZE FOR LOAD gave.
    Own,
    /// One more.
    Next,
    /// The first, then the second.
    Both,
}

/// Key identifiers of a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyIdentifiers {
    /// Load key, type 3F.
    pub load: u8,
    /// Unload key, type 3D.
    pub unload: u8,
    /// Purchase key, type 3E.
    pub purchase: u8,
    /// Overdraft key, type 3C.
    pub overdraft: u8,
}

/// What differs from card to card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PurseProfile {
    /// The keys' algorithm; a card that names another one is refused.
    pub algorithm: PurseAlgorithm,
    /// The keys' identifiers.
    pub kids: KeyIdentifiers,
    /// How the TAC key makes the TAC of loads and purchases.
    pub tac: TacKey,
    /// How the TAC key makes the TAC of a new overdraft limit.
    pub overdraft_tac: TacKey,
    /// What a proof is asked with.
    pub prove: ProveSerial,
}

impl PurseProfile {
    /// FMCOS 2.0: triple DES, key identifiers 01, a folded TAC key.
    pub const FMCOS: Self = Self {
        algorithm: PurseAlgorithm::Tdes,
        kids: KeyIdentifiers { load: 1, unload: 1, purchase: 1, overdraft: 1 },
        tac: TacKey::Folded,
        overdraft_tac: TacKey::Whole,
        prove: ProveSerial::Both,
    };

    /// The profile of a dual-algorithm card with SM4 keys: their identifiers are those of the DES keys and 40 more, and the TAC
    /// key is used as it is.
    #[must_use]
    pub fn sm4_twin(self) -> Self {
        let KeyIdentifiers { load, unload, purchase, overdraft } = self.kids;
        let twin = |kid: u8| kid | 0x40;
        let kids = KeyIdentifiers {
            load: twin(load),
            unload: twin(unload),
            purchase: twin(purchase),
            overdraft: twin(overdraft),
        };
        let (tac, overdraft_tac) = (TacKey::Whole, TacKey::Whole);
        Self { algorithm: PurseAlgorithm::Sm4, kids, tac, overdraft_tac, ..self }
    }

    /// The profile for a user card of this version: from high nibble 5 on a card is used with its SM4 keys.
    #[must_use]
    pub fn for_card_version(self, version: u8) -> Self {
        if version >> 4 == 5 { self.sm4_twin() } else { self }
    }
}

/// The keys of a purse as the key service names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PurseKeys {
    /// Load key, DLK.
    pub load: KeyRef,
    /// TAC key, DTK. Without it a load is proved by MAC1 alone.
    pub tac: Option<KeyRef>,
}

impl PurseKeys {
    /// The card's own keys, from master keys, by one factor a level: issuer codes first, the last 8 bytes of the application serial
    /// number last.
    #[must_use]
    pub fn diversified(&self, algorithm: PurseAlgorithm, levels: &[[u8; 8]]) -> Self {
        let own = |key: &KeyRef| {
            levels.iter().fold(key.clone(), |key, factor| {
                key.diversified(match algorithm {
                    PurseAlgorithm::Sm4 => Diversification::PbocSm4 { factor: *factor },
                    PurseAlgorithm::Tdes | PurseAlgorithm::Des => Diversification::Pboc { factor: *factor },
                })
            })
        };
        Self { load: own(&self.load), tac: self.tac.as_ref().map(own) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_card_of_version_5_is_used_with_sm4() {
        let profile = PurseProfile::FMCOS;
        assert_eq!(profile.for_card_version(0x40), profile);
        let twin = profile.for_card_version(0x50);
        assert_eq!((twin.algorithm, twin.kids.load, twin.tac), (PurseAlgorithm::Sm4, 0x41, TacKey::Whole));
    }

    #[test]
    fn every_level_is_a_step() {
        let keys = PurseKeys { load: KeyRef::new("load"), tac: Some(KeyRef::new("tac")) };
        let own = keys.diversified(PurseAlgorithm::Sm4, &[[1; 8], [2; 8]]);
        let steps: Vec<_> = [[1; 8], [2; 8]].map(|factor| Diversification::PbocSm4 { factor }).to_vec();
        assert_eq!(own.load.steps(), steps);
        assert_eq!(own.tac.unwrap().steps(), steps);
    }
}
