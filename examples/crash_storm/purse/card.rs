//! A CPU card with a purse, and what a reader can say in its place.

use cardwright_sim::{CpuCard, SoftwareCard};
use des::TdesEde2;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};

use super::{MASTER_LOAD, MASTER_TAC};
use crate::dice::Dice;
use crate::terminal::Chip;

/// Where the wallet is.
const WALLET: &[u16] = &[0x3F00, 0x3F01, 0x0002];
const INITIALIZE_FOR_LOAD: [u8; 2] = [0x80, 0x50];
const CREDIT_FOR_LOAD: [u8; 2] = [0x80, 0x52];

pub(crate) struct PurseCard {
    chip: CpuCard,
    /// Answers to INITIALIZE FOR LOAD: the last one, and one before it, which an adversary shows again.
    last_answer: Option<Vec<u8>>,
    old_answer: Option<Vec<u8>>,
    /// The last command was a CREDIT FOR LOAD that was executed.
    has_credited: bool,
    pub(crate) commands: u64,
}

impl PurseCard {
    /// An issued card with an empty wallet and keys of its own.
    pub(crate) fn new(number: u8, seed: u64) -> Self {
        let factor = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, number];
        let own = |master| hex::encode_upper(diversified(master, factor));
        let information = format!("11112222333300060301AABB{}20240101203412315566", hex::encode_upper(factor));
        let script = [
            "80E03F000D38FFFFF0F001FFFFFFFFFFFFFF".into(),
            "80E03F011138036FF0F095FFFFA00000000386980701".into(),
            "00A4040009A00000000386980701".into(),
            "80E00000073F018F95F0FFFF".into(),
            format!("80D401001534F0F00100{}", own(&MASTER_TAC)),
            format!("80D40101153FF0F00100{}", own(&MASTER_LOAD)),
            "80E000150728001EF0F0FFFF".into(),
            format!("00D695001E{information}"),
            "80E00018072E0A17F0EFFFFF".into(),
            "80E00002072F0208F000FF18".into(),
        ];
        let mut chip = CpuCard::builder().seed(seed).build();
        for command in script {
            let command = hex::decode(&command).expect("hexadecimal digits");
            let answer = chip.process(&command);
            assert!(answer.ends_with(&[0x90, 0x00]), "the card is issued: {command:02X?}: {answer:02X?}");
        }
        chip.set_log(false);
        Self { chip, last_answer: None, old_answer: None, has_credited: false, commands: 0 }
    }

    pub(crate) fn balance(&self) -> i64 {
        self.chip.balance(WALLET).map_or(-1, i64::from)
    }

    /// The purse's name in the journal: issuer and application serial number.
    pub(crate) fn entity(number: u8) -> String {
        format!("purse/1111222233330006-AABB10203040506070{number:02X}")
    }
}

impl Chip for PurseCard {
    fn process(&mut self, command: &[u8]) -> Vec<u8> {
        self.commands += 1;
        self.chip.process(command)
    }

    fn reset(&mut self) -> Vec<u8> {
        self.chip.reset()
    }

    fn note(&mut self, command: &[u8], response: &[u8], _last_seq: u64) {
        let is_done = response.ends_with(&[0x90, 0x00]);
        self.has_credited = is_done && command.starts_with(&CREDIT_FOR_LOAD);
        if is_done && command.starts_with(&INITIALIZE_FOR_LOAD) {
            let before = self.last_answer.replace(response.to_vec());
            self.old_answer = self.old_answer.take().or(before);
        }
    }

    fn deny(&mut self) -> bool {
        self.has_credited
    }

    /// 9000 to a CREDIT FOR LOAD that is not carried, with a TAC that is made up.
    fn forge(command: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
        let [a, b, c, d, ..] = dice.bytes();
        command.starts_with(&CREDIT_FOR_LOAD).then(|| vec![a, b, c, d, 0x90, 0x00])
    }

    fn old_answer(&self, command: &[u8]) -> Option<Vec<u8>> {
        self.old_answer.clone().filter(|_| command.starts_with(&INITIALIZE_FOR_LOAD))
    }

    fn may_be_doubled(command: &[u8]) -> bool {
        command.starts_with(&CREDIT_FOR_LOAD)
    }
}

/// `3DES(MK, F) ‖ 3DES(MK, not F)` (JR/T 0025).
fn diversified(master: &[u8; 16], factor: [u8; 8]) -> Vec<u8> {
    let mut key = [factor, factor.map(|byte| !byte)].concat();
    TdesEde2::new(&Array::from(*master)).encrypt_blocks(Array::slice_as_chunks_mut(&mut key).0);
    key
}
