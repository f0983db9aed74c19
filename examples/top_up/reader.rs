//! A reader as the outside of the house: what it does to a command, and what it keeps of a load.

use std::collections::BTreeMap;

use cardwright::apdu::{CommandApdu, ResponseApdu, StatusWord, TransportError, TransportErrorKind};
use cardwright_sim::SoftwareCard;

use crate::card::Plastic;
use crate::dice::Dice;

const INITIALIZE: [u8; 2] = [0x80, 0x50];
const CREDIT: [u8; 2] = [0x80, 0x52];
const PROVE: [u8; 2] = [0x80, 0x5A];

/// What happens to a card at a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// Pulled out before, during or after a command.
    PulledBefore,
    PulledAfter,
    Torn,
    /// The answer is lost on the line, and the card stays.
    AnswerLost,
    /// The reader shows an answer to INITIALIZE FOR LOAD that it has seen before.
    OldSerial,
    /// It sends CREDIT FOR LOAD twice and shows the second answer.
    DoubledCredit,
    /// Another card is in it from the debit on.
    SwappedCard,
    /// 9000 and a TAC that is made up, and the card gets nothing.
    ForgedTac,
    /// 9000 and a TAC that is made up, and the card has the money.
    WrongTac,
    /// The card has the money, and the reader says that it refused.
    DeniedCredit,
    /// The same, and it denies the proof and shows the serial number from before.
    DeniedEverything,
}

impl Trouble {
    pub(crate) const ALL: [Self; 11] = [
        Self::PulledBefore,
        Self::PulledAfter,
        Self::Torn,
        Self::AnswerLost,
        Self::OldSerial,
        Self::DoubledCredit,
        Self::SwappedCard,
        Self::ForgedTac,
        Self::WrongTac,
        Self::DeniedCredit,
        Self::DeniedEverything,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::PulledBefore => "card pulled out before a command",
            Self::PulledAfter => "card pulled out after a command",
            Self::Torn => "card pulled out while it writes",
            Self::AnswerLost => "answer of the card lost",
            Self::OldSerial => "reader shows an old serial number",
            Self::DoubledCredit => "reader sends the credit twice",
            Self::SwappedCard => "reader swaps the card after the debit",
            Self::ForgedTac => "reader forges 9000 and a TAC, nothing loaded",
            Self::WrongTac => "reader shows a wrong TAC of a load",
            Self::DeniedCredit => "reader denies a credit that was made",
            Self::DeniedEverything => "reader denies credit and proof, shows the old serial number",
        }
    }
}

/// One row of what the readers keep: see `read_evidence`.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    serial: [u8; 2],
    balance: u32,
    amount: u32,
    purse: u8,
    terminal: [u8; 6],
    time: [u8; 7],
    tac: Option<[u8; 4]>,
}

/// What all readers kept of a day, by card and serial number.
#[derive(Default)]
pub(crate) struct Archive {
    rows: BTreeMap<(String, [u8; 2]), Kept>,
}

impl Archive {
    /// The rows that are complete, as CSV. What is not waits for its TAC.
    pub(crate) fn hand_in(&mut self) -> String {
        let mut text = String::from("card,purse,serial,balance,amount,terminal,time,tac\n");
        self.rows.retain(|(card, _), row| {
            let Some(tac) = row.tac else { return true };
            let Kept { serial, balance, amount, purse, terminal, time, .. } = row;
            let serial = u16::from_be_bytes(*serial);
            let (terminal, time, tac) = (hex::encode(terminal), hex::encode(time), hex::encode(tac));
            text.push_str(&format!("{card},{purse},{serial},{balance},{amount},{terminal},{time},{tac}\n"));
            false
        });
        text
    }
}

/// The line to one card for one session.
pub(crate) struct Line<'a> {
    pub(crate) cards: &'a mut [Plastic],
    /// Which card is in the reader.
    pub(crate) place: Option<usize>,
    /// What is to happen, at which command of the session.
    pub(crate) trouble: Option<(Trouble, usize)>,
    pub(crate) archive: &'a mut Archive,
    /// Answers to INITIALIZE FOR LOAD that this network of readers has seen, by the command.
    pub(crate) seen: &'a mut BTreeMap<(usize, Vec<u8>), Vec<u8>>,
    pub(crate) count: usize,
    /// INITIALIZE and what the card said, then CREDIT, as far as they went.
    open: Option<Kept>,
    /// The reader denies what the card says, and shows this.
    denies: bool,
    last_answer: Vec<u8>,
    /// Whether the trouble came about.
    pub(crate) struck: bool,
    /// Whether the last CREDIT FOR LOAD was answered with 9000.
    pub(crate) credit_ok: Option<bool>,
}

impl<'a> Line<'a> {
    pub(crate) fn new(
        cards: &'a mut [Plastic],
        place: usize,
        trouble: Option<(Trouble, usize)>,
        archive: &'a mut Archive,
        seen: &'a mut BTreeMap<(usize, Vec<u8>), Vec<u8>>,
    ) -> Self {
        let mut line = Self {
            cards,
            place: Some(place),
            trouble,
            archive,
            seen,
            count: 0,
            open: None,
            denies: false,
            last_answer: Vec::new(),
            struck: false,
            credit_ok: None,
        };
        line.reset();
        line
    }

    fn reset(&mut self) {
        if let Some(card) = self.place.and_then(|place| self.cards.get_mut(place)) {
            let _atr = card.chip.reset();
        }
    }

    /// Carries a command, or what passes for it.
    pub(crate) fn exchange(&mut self, command: &CommandApdu, dice: &mut Dice) -> Result<ResponseApdu, TransportError> {
        self.count += 1;
        let raw = command.to_bytes().map_err(|_| TransportError::not_sent(TransportErrorKind::NoCard))?;
        let place = self.place.ok_or(TransportError::not_sent(TransportErrorKind::NoCard))?;
        let bytes = self.carry(place, &raw, dice);
        if raw.starts_with(&CREDIT) {
            self.credit_ok = Some(bytes.as_ref().is_ok_and(|bytes| bytes.ends_with(&[0x90, 0x00])));
        }
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                self.note_sent(place, &raw);
                return Err(error);
            }
        };
        self.note(place, &raw, &bytes);
        Ok(ResponseApdu::parse(&bytes).unwrap_or_else(|_| ResponseApdu::new([], StatusWord(0x6F00))))
    }

    fn carry(&mut self, place: usize, raw: &[u8], dice: &mut Dice) -> Result<Vec<u8>, TransportError> {
        let removed = || TransportError::unknown(TransportErrorKind::CardRemoved);
        let (is_credit, is_initialize) = (raw.starts_with(&CREDIT), raw.starts_with(&INITIALIZE));
        let now = self.trouble.filter(|(trouble, at)| match trouble {
            Trouble::OldSerial => is_initialize && self.count >= *at,
            Trouble::DoubledCredit
            | Trouble::SwappedCard
            | Trouble::ForgedTac
            | Trouble::WrongTac
            | Trouble::DeniedCredit
            | Trouble::DeniedEverything => is_credit,
            _ => self.count == *at,
        });
        if now.is_some() {
            self.trouble = None;
            self.struck = true;
        }
        let chip = &mut self.cards[place].chip;
        let made_up = |dice: &mut Dice| {
            let [a, b, c, d, ..] = dice.bytes();
            vec![a, b, c, d, 0x90, 0x00]
        };
        match now.map(|(trouble, _)| trouble) {
            Some(Trouble::PulledBefore) => {
                self.place = None;
                Err(removed())
            }
            Some(Trouble::PulledAfter) => {
                let _lost = chip.process(raw);
                self.place = None;
                Err(removed())
            }
            Some(Trouble::Torn) => {
                chip.process_torn(raw, 3);
                self.place = None;
                Err(removed())
            }
            Some(Trouble::AnswerLost) => {
                let _lost = chip.process(raw);
                Err(TransportError::unknown(TransportErrorKind::Timeout))
            }
            Some(Trouble::OldSerial) => {
                let first = |(of, before): &(usize, Vec<u8>)| *of == place && before[3] == raw[3];
                let same = self.seen.get(&(place, raw.to_vec()));
                let old = same.or_else(|| self.seen.iter().find(|(key, _)| first(key)).map(|(_, old)| old));
                Ok(old.cloned().unwrap_or_else(|| vec![0x69, 0x85]))
            }
            Some(Trouble::DoubledCredit) => {
                let _first = chip.process(raw);
                Ok(chip.process(raw))
            }
            Some(Trouble::SwappedCard) => {
                let other = (place + 1) % self.cards.len();
                let _pulled = self.cards[place].chip.reset();
                self.place = Some(other);
                self.reset();
                Ok(self.cards[other].chip.process(raw))
            }
            Some(Trouble::ForgedTac) => Ok(made_up(dice)),
            Some(Trouble::WrongTac) => {
                let _shown_to_nobody = chip.process(raw);
                Ok(made_up(dice))
            }
            Some(Trouble::DeniedEverything) => {
                let _shown_to_nobody = chip.process(raw);
                self.denies = true;
                Ok(vec![0x69, 0x85])
            }
            Some(Trouble::DeniedCredit) => {
                let _shown_to_nobody = chip.process(raw);
                Ok(vec![0x69, 0x85])
            }
            None if self.denies && raw.starts_with(&PROVE) => Ok(vec![0x94, 0x06]),
            None if self.denies && is_initialize => Ok(self.last_answer.clone()),
            None => {
                let answer = chip.process(raw);
                if is_initialize {
                    self.last_answer.clone_from(&answer);
                    self.seen.entry((place, raw.to_vec())).or_insert_with(|| answer.clone());
                }
                Ok(answer)
            }
        }
    }

    /// Keeps what a settlement needs.
    fn note(&mut self, place: usize, raw: &[u8], answer: &[u8]) {
        let Some(card) = self.cards.get(place).map(Plastic::name) else { return };
        let is_ok = answer.ends_with(&[0x90, 0x00]);
        if raw.starts_with(&INITIALIZE) && is_ok && raw.len() >= 16 && answer.len() >= 18 {
            let number = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
            let mut terminal = [0; 6];
            terminal.copy_from_slice(&raw[10..16]);
            self.open = Some(Kept {
                serial: [answer[4], answer[5]],
                balance: number(&answer[..4]),
                amount: number(&raw[6..10]),
                purse: raw[3],
                terminal,
                time: [0; 7],
                tac: None,
            });
        } else if raw.starts_with(&CREDIT) {
            let Some(mut row) = self.open.take() else { return };
            row.time.copy_from_slice(&raw[5..12]);
            row.tac = if is_ok && answer.len() == 6 { answer.first_chunk().copied() } else { None };
            self.archive.rows.insert((card, row.serial), row);
        } else if raw.starts_with(&PROVE) && is_ok && answer.len() == 10 {
            // The proof of a credit that a reader of this network has sent.
            let (serial, mut tac) = ([raw[5], raw[6]], [0; 4]);
            tac.copy_from_slice(&answer[4..8]);
            if let Some(row) = self.archive.rows.get_mut(&(card, serial)) {
                row.tac = Some(tac);
            }
        }
    }

    /// A CREDIT FOR LOAD whose answer never came: the reader knows what it sent.
    fn note_sent(&mut self, place: usize, raw: &[u8]) {
        if raw.starts_with(&CREDIT)
            && let (Some(mut row), Some(card)) = (self.open.take(), self.cards.get(place))
        {
            row.time.copy_from_slice(&raw[5..12]);
            self.archive.rows.insert((card.name(), row.serial), row);
        }
    }

    /// Online serial number that the card in the reader said last.
    pub(crate) fn serial(&self) -> u16 {
        self.open.as_ref().map_or(0, |row| u16::from_be_bytes(row.serial))
    }
}
