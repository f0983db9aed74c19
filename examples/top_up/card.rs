//! The cards: software cards with a wallet under DES, triple DES or SM4, each with keys of its own but for DES.

use std::error::Error;

use cardwright::cos::purse::{
    Amount, Balance, PurseAlgorithm, PurseKeys, PurseProfile, TacKey, TerminalNumber, TransactionTime,
};
use cardwright::issuance::purse::{LoadRules, LoadTerminal};
use cardwright::keys::{Diversification, KeyKind, KeyRef, KeyValue, SoftwareKeys};
use cardwright_sim::{CpuCard, SoftwareCard};

const WALLET: &[u16] = &[0x3F00, 0x3F01, 0x0002];
const MASTER_LOAD: [u8; 16] = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128.to_be_bytes();
const MASTER_TAC: [u8; 16] = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100_u128.to_be_bytes();
/// The load key of the DES cards, as the FMCOS 2.0 manual's script has it.
const DES_LOAD: [u8; 8] = [0x3F, 0x01, 0x3F, 0x01, 0x3F, 0x01, 0x3F, 0x01];

/// What the keys of a card are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Des,
    Tdes,
    Sm4,
}

pub(crate) struct Plastic {
    pub(crate) chip: CpuCard,
    pub(crate) kind: Kind,
    /// Number, from 1.
    pub(crate) number: u16,
    /// Its holder lost it: it never comes back.
    pub(crate) is_lost: bool,
}

impl Plastic {
    pub(crate) fn new(number: u16, seed: u64) -> Result<Self, Box<dyn Error>> {
        let kind = [Kind::Des, Kind::Tdes, Kind::Sm4][usize::from(number) % 3];
        let factor = factor(number);
        let own = |master: &[u8; 16], sm4: bool| -> Result<String, Box<dyn Error>> {
            let step = if sm4 { Diversification::PbocSm4 { factor } } else { Diversification::Pboc { factor } };
            let key = step.apply(&KeyValue::new(master)?)?;
            Ok(hex::encode_upper(key.expose_bytes()))
        };
        let keys = match kind {
            Kind::Des => [
                format!("80D401001534F0F00101{}", hex::encode_upper(MASTER_TAC)),
                format!("80D40101153FF0F00101{}", hex::encode_upper([DES_LOAD, DES_LOAD].concat())),
            ],
            Kind::Tdes => [
                format!("80D401001534F0F00100{}", own(&MASTER_TAC, false)?),
                format!("80D40101153FF0F00100{}", own(&MASTER_LOAD, false)?),
            ],
            Kind::Sm4 => [
                format!("80D401401534F0F00104{}", own(&MASTER_TAC, true)?),
                format!("80D40141153FF0F00104{}", own(&MASTER_LOAD, true)?),
            ],
        };
        let [tac, load] = keys;
        let information = format!("11112222333300060301AABB{}20240101203412315566", hex::encode_upper(factor));
        let script = [
            "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF".into(),
            "80E03F011138036FF0F095FFFFA00000000386980701".into(),
            "00A4040009A00000000386980701".into(),
            "80E00000073F018F95F0FFFF".into(),
            tac,
            load,
            "80E000150728001EF0F0FFFF".into(),
            format!("00D695001E{information}"),
            "80E00018072E0A17F0EFFFFF".into(),
            "80E00002072F0208F000FF18".into(),
        ];
        let mut chip = CpuCard::builder().seed(seed ^ u64::from(number)).sm4(kind == Kind::Sm4).build();
        for command in script {
            let answer = chip.process(&hex::decode(&command)?);
            if !answer.ends_with(&[0x90, 0x00]) {
                return Err(format!("card {number} was not issued: {}", hex::encode_upper(answer)).into());
            }
        }
        chip.set_log(false);
        Ok(Self { chip, kind, number, is_lost: false })
    }

    /// What is on the card: looked at from outside, with no command.
    pub(crate) fn balance(&self) -> i64 {
        self.chip.balance(WALLET).map_or(-1, i64::from)
    }

    /// The holder's account.
    pub(crate) fn account(&self) -> String {
        format!("token-{:04}", self.number)
    }

    /// As the journal and the evidence know it: issuer and application serial number.
    pub(crate) fn name(&self) -> String {
        format!("1111222233330006-AABB{}", hex::encode_upper(factor(self.number)))
    }
}

fn factor(number: u16) -> [u8; 8] {
    let [high, low] = number.to_be_bytes();
    [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, high, low]
}

/// The number of the card with this name.
pub(crate) fn number_of(name: &str) -> Option<u16> {
    u16::from_str_radix(name.get(name.len().checked_sub(4)?..)?, 16).ok()
}

/// The keys of the house.
pub(crate) fn keys() -> Result<SoftwareKeys, Box<dyn Error>> {
    let mut keys = SoftwareKeys::new();
    keys.insert("load", KeyKind::Tdes, &MASTER_LOAD)?;
    keys.insert("tac", KeyKind::Tdes, &MASTER_TAC)?;
    keys.insert("load-sm4", KeyKind::Sm4, &MASTER_LOAD)?;
    keys.insert("tac-sm4", KeyKind::Sm4, &MASTER_TAC)?;
    keys.insert("load-des", KeyKind::Tdes, &DES_LOAD)?;
    Ok(keys)
}

impl Kind {
    pub(crate) fn profile(self) -> PurseProfile {
        match self {
            Self::Des => PurseProfile { algorithm: PurseAlgorithm::Des, tac: TacKey::Folded, ..PurseProfile::FMCOS },
            Self::Tdes => PurseProfile::FMCOS,
            Self::Sm4 => PurseProfile::FMCOS.sm4_twin(),
        }
    }

    fn keys(self) -> PurseKeys {
        let (load, tac) = match self {
            Self::Des => ("load-des", "tac"),
            Self::Tdes => ("load", "tac"),
            Self::Sm4 => ("load-sm4", "tac-sm4"),
        };
        PurseKeys { load: KeyRef::new(load), tac: Some(KeyRef::new(tac)) }
    }

    /// The card's own TAC key.
    pub(crate) fn tac_key(self, factor: [u8; 8]) -> KeyRef {
        let keys = self.keys();
        let keys = if self == Self::Des { keys } else { keys.diversified(self.profile().algorithm, &[factor]) };
        keys.tac.unwrap_or_else(|| KeyRef::new("tac"))
    }

    /// Where cards of this kind are loaded.
    pub(crate) fn terminal(
        self,
        number: [u8; 6],
        time: TransactionTime,
        now_ms: u64,
    ) -> Result<LoadTerminal, Box<dyn Error>> {
        Ok(LoadTerminal {
            application: "A00000000386980701".parse()?,
            profile: self.profile(),
            sm4_by_version: false,
            keys: self.keys(),
            levels: (self != Self::Des).then(Vec::new),
            pin: None,
            number: TerminalNumber(number),
            rules: limits()?,
            time,
            now_ms,
        })
    }
}

/// The most at once, and in a wallet.
pub(crate) fn limits() -> Result<LoadRules, Box<dyn Error>> {
    Ok(LoadRules { version: 7, max_amount: Amount::new(50_000)?, max_balance: Balance(200_000) })
}
