//! Compares what the cards hold and did with what the journal says.
//!
//! Nothing here is the machines' code: the journal is read as its document describes it, the keys are computed anew from the
//! standards, the cards are looked into as no host can.

use std::collections::BTreeMap;

use aes::Aes128;
use cardwright::issuance::journal::Record;
use cardwright_sim::EntryKind;
use cmac::{Cmac, Mac};
use des::TdesEde2;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};
use sha2::{Digest, Sha256};

use super::card::{Act, Card};
use super::{DOMAIN_AES, DOMAIN_DES, MAINTENANCE, MASTER, order};
use crate::journal_reader::{Event, Events, NumberState, Said, number_state, read};
use crate::world::Standing;

/// Steps of the application and of the card, by the act that shows them.
const ACTS: [Act; 5] = [Act::Load, Act::Install, Act::MaintenanceKey, Act::MasterKey, Act::DomainKeys];

/// Everything that is not as it has to be.
pub(crate) fn check(cards: &[Card], standings: &[Standing], numbers: u16, records: &[Record]) -> Vec<String> {
    let events = match read(records, "card/") {
        Ok(events) => events,
        Err(error) => return vec![error],
    };
    let mut found = Vec::new();
    for (number, (card, standing)) in cards.iter().zip(standings).enumerate() {
        let mut check = Check { card, standing: *standing, events: &events, found: Vec::new() };
        check.all();
        found.extend(check.found.into_iter().map(|what| format!("card {number}: {what}")));
    }
    found.extend(strangers(cards, &events));
    found.extend((1..=numbers).flat_map(|number| check_number(number, cards, standings, records)));
    found
}

/// A number is on one card at most; the journal says that it is where it is, and never that it is free; and it is not held for
/// ever by a card that does not have it.
fn check_number(number: u16, cards: &[Card], standings: &[Standing], records: &[Record]) -> Vec<String> {
    let name = format!("number/{number:04}");
    let bodies = records.iter().filter(|record| record.entity.as_str() == name).map(|record| &record.body[..]);
    let state = match number_state(bodies) {
        Ok(state) => state,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let serial =
        |card: &Card| card.chip.pboc_application(&order::instance()).map(|application| application.serial_number());
    let is_on = |card: &Card| serial(card).is_some_and(|serial| serial[8..] == number.to_be_bytes());
    let holders: Vec<usize> = (0..cards.len()).filter(|card| is_on(&cards[*card])).collect();
    let mut found = Vec::new();
    if holders.len() > 1 {
        found.push(format!("{name} was issued to the cards {holders:?}"));
    }
    let all_finished = standings.iter().all(|standing| *standing == Standing::Finished);
    // A card keeps its number while its application is off it.
    let mut unfinished = cards.iter().zip(standings).filter(|(_, standing)| **standing != Standing::Finished);
    let is_between = unfinished.any(|(card, _)| card.was_deleted(Act::Install));
    let is_right = match (state, holders.is_empty()) {
        (NumberState::Free | NumberState::Reserved, is_nowhere) => is_nowhere,
        (NumberState::Committed, is_nowhere) => !is_nowhere || is_between,
        (NumberState::Written, _) => !all_finished,
    };
    if !is_right {
        found.push(format!("{name}: the journal ends with {state:?}, and it is on the cards {holders:?}"));
    }
    found
}

/// Entities of cards that do not exist.
fn strangers(cards: &[Card], events: &Events) -> Vec<String> {
    let entities = |card| [domain_entity(card), application_entity(card), load_file_entity(card)];
    let known: Vec<String> = cards.iter().flat_map(entities).collect();
    events.keys().filter(|name| !known.contains(name)).map(|name| format!("{name}: there is no such card")).collect()
}

/// `card/cplc-` and fabricator, type, fabrication date, serial number and batch (docs/journal.md).
fn domain_entity(card: &Card) -> String {
    let cplc = card.chip.cplc();
    let identity = [&cplc[0..4], &cplc[10..12], &cplc[12..16], &cplc[16..18]].concat();
    format!("card/cplc-{}", hex::encode_upper(identity))
}

fn application_entity(card: &Card) -> String {
    format!("{}/application/{}", domain_entity(card), order::instance())
}

/// Deletions of the load file are kept under its own AID.
fn load_file_entity(card: &Card) -> String {
    format!("{}/application/{}", domain_entity(card), order::package())
}

struct Check<'a> {
    card: &'a Card,
    standing: Standing,
    events: &'a Events,
    found: Vec<String>,
}

impl Check<'_> {
    fn all(&mut self) {
        self.intents();
        self.denials();
        self.at_most_once();
        self.endings();
        if self.standing == Standing::Finished {
            self.finished();
        }
    }

    fn violation(&mut self, what: String) {
        self.found.push(what);
    }

    fn events_of(&self, act: Act) -> &[(u64, Event)] {
        let entity = if act == Act::DomainKeys { domain_entity(self.card) } else { application_entity(self.card) };
        self.events.get(&entity).map_or(&[], Vec::as_slice)
    }

    /// What the journal says of an act's step, in order.
    fn said(&self, act: Act) -> impl Iterator<Item = (u64, &Said)> {
        self.events_of(act).iter().filter_map(move |(seq, event)| match event {
            Event::Step { step, said } if step == act.step() => Some((*seq, said)),
            _ => None,
        })
    }

    fn deletions_of_load_file(&self) -> impl Iterator<Item = (u64, &Said)> {
        let events = self.events.get(&load_file_entity(self.card)).map_or(&[][..], Vec::as_slice);
        events.iter().filter_map(|(seq, event)| match event {
            Event::Step { step, said } if step == Act::Delete.step() => Some((*seq, said)),
            _ => None,
        })
    }

    /// No command without its intent on stable storage: when it came, the last word on its step was an intent, or that
    /// the outcome of one is not known.
    fn intents(&mut self) {
        let mut last = None;
        for executed in self.card.ledger.clone() {
            let before = self.said(executed.act).take_while(|(seq, _)| *seq <= executed.last_seq).last();
            let of_load_file = self.deletions_of_load_file().take_while(|(seq, _)| *seq <= executed.last_seq).last();
            let opens = |said: Option<(u64, &Said)>| matches!(said, Some((_, Said::Begun { .. } | Said::Lost)));
            let is_open = opens(before) || executed.act == Act::Delete && opens(of_load_file);
            if executed.is_done && !is_open && last != Some(executed.act) {
                last = Some(executed.act);
                let (act, seq, before) = (executed.act, executed.last_seq, before.map(|(_, said)| said.clone()));
                self.violation(format!(
                    "{act:?} reached the card after record {seq} without an intent; the journal said {before:?}"
                ));
            }
        }
    }

    /// "Not done" is never said of what the card has done, nor "refused", unless a reader said so. The maintenance key is left
    /// out: nothing shows it, the same value is written again.
    fn denials(&mut self) {
        for act in ACTS.into_iter().filter(|act| *act != Act::MaintenanceKey) {
            for (done, until) in self.card.lives(act) {
                let is_lie = |said: &Said| match said {
                    Said::NotDone => true,
                    Said::Failed => !done.is_denied,
                    _ => false,
                };
                let is_after = |seq: u64| seq > done.last_seq && seq <= until;
                let lie = self.said(act).find(|(seq, said)| is_after(*seq) && is_lie(said));
                let lie =
                    lie.map(|(seq, said)| format!("record {seq} says {said} of {act:?}, and the card had done it"));
                lie.into_iter().for_each(|lie| self.violation(lie));
            }
        }
    }

    /// Loaded, installed and given its keys at most once.
    fn at_most_once(&mut self) {
        for act in [Act::Load, Act::Install, Act::MasterKey, Act::DomainKeys] {
            let times = self.card.most(act);
            if times > 1 {
                self.violation(format!("{act:?} was done {times} times"));
            }
        }
    }

    /// What the journal says last of each step is what the card holds.
    fn endings(&mut self) {
        for act in ACTS {
            let holds = self.holds(act);
            let mut last = None;
            for (_, event) in self.events_of(act) {
                match event {
                    Event::Gone => last = None,
                    Event::Step { step, said } if step == act.step() => last = Some(said.clone()),
                    _ => {}
                }
            }
            let is_true = match last {
                // Of a card that waits for a person the deletion may be what is not known.
                Some(Said::Succeeded) => holds || self.standing != Standing::Finished && self.card.was_deleted(act),
                None | Some(Said::NotDone | Said::Failed) => !holds,
                Some(Said::Begun { .. } | Said::Lost | Said::Quarantined | Said::Released) => true,
            };
            if !is_true {
                let does = if holds { "holds it" } else { "does not hold it" };
                self.violation(format!("{act:?}: the journal ends with {last:?}, and the card {does}"));
            }
        }
    }

    /// A card that was reported as finished has everything, with the keys that it shall have.
    fn finished(&mut self) {
        for act in ACTS {
            if !self.holds(act) {
                self.violation(format!("reported as finished without {act:?}"));
            }
        }
        for act in [Act::Load, Act::Install, Act::MasterKey, Act::DomainKeys] {
            if self.card.count(act) != 1 {
                self.violation(format!("finished, and {act:?} was done {} times", self.card.count(act)));
            }
        }
        let completed = |act| self.events_of(act).iter().any(|(_, event)| *event == Event::Completed);
        if !completed(Act::DomainKeys) || !completed(Act::Load) {
            self.violation("reported as finished, and the journal does not say so".into());
        }
        self.keys_are_on_record();
    }

    /// From the journal alone one finds the keys that the card holds: their names, and a hash over their check values.
    fn keys_are_on_record(&mut self) {
        let is_aes = self.card.chip.protocol().identifier() == 3;
        let mut domain = Sha256::new();
        for set in self.card.chip.key_sets() {
            domain.update([set.version]);
            set.keys.iter().for_each(|key| domain.update(key.check_value()));
        }
        let hash = |header: &[u8], key: &[u8; 16]| {
            let kcv = tdes(key, &[0; 8]);
            Sha256::new().chain_update(header).chain_update(&kcv[..3]).finalize().into()
        };
        let Some(application) = self.card.chip.pboc_application(&order::instance()) else { return };
        let expected: [(Act, &str, [u8; 32]); 3] = [
            (Act::DomainKeys, if is_aes { "domain-aes" } else { "domain-des" }, domain.finalize().into()),
            (
                Act::MasterKey,
                "application-master",
                hash(&[0xF9, 0xF0, 0xF0, 0xAA, 0x33], application.master_key().value()),
            ),
            (
                Act::MaintenanceKey,
                "application-maintenance",
                hash(&[0xF6, 0xF0, 0xF0, 0xFF, 0x33], application.maintenance_key().value()),
            ),
        ];
        for (act, name, hash) in expected {
            let is_there = self.said(act).any(
                |(_, said)| matches!(said, Said::Begun { input, key } if *input == hash && key.as_deref() == Some(name)),
            );
            if !is_there {
                self.violation(format!("{act:?}: the card holds a key that is not in the journal"));
            }
        }
    }

    /// Whether the card has what an act gives it.
    fn holds(&self, act: Act) -> bool {
        let chip = &self.card.chip;
        let application = chip.pboc_application(&order::instance());
        let factor = || application.and_then(|application| application.serial_number().last_chunk().copied());
        match act {
            Act::PartOfLoad | Act::Delete => false,
            Act::Load => chip.registry().iter().any(|entry| entry.kind == EntryKind::LoadFile),
            Act::Install => application.is_some(),
            Act::MaintenanceKey => application.zip(factor()).is_some_and(|(application, factor)| {
                *application.maintenance_key().value() == pboc(&MAINTENANCE, factor)
            }),
            Act::MasterKey => application
                .zip(factor())
                .is_some_and(|(application, factor)| *application.master_key().value() == pboc(&MASTER, factor)),
            Act::DomainKeys => {
                let kdd = chip.key_diversification();
                let own = |id| if chip.protocol().identifier() == 3 { kdf3(kdd, id) } else { emv(kdd, id) };
                let [set] = chip.key_sets() else { return false };
                let values: BTreeMap<u8, &[u8]> = set.keys.iter().map(|key| (key.id, &key.value[..])).collect();
                (1..=3).all(|id| values.get(&id).is_some_and(|value| **value == own(id)))
            }
        }
    }
}

fn tdes(key: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let cipher = TdesEde2::new(&Array::from(*key));
    let mut data = data.to_vec();
    cipher.encrypt_blocks(Array::slice_as_chunks_mut(&mut data).0);
    data
}

/// `3DES(MK, F) ‖ 3DES(MK, not F)` (JR/T 0025).
fn pboc(master: &[u8; 16], factor: [u8; 8]) -> [u8; 16] {
    let not = factor.map(|byte| !byte);
    array(&tdes(master, &[factor, not].concat()))
}

/// `3DES(MK, X ‖ F0 ‖ k ‖ X ‖ 0F ‖ k)`, X = bytes 4 to 9 of the key diversification data (EMV CPS).
fn emv(kdd: [u8; 10], k: u8) -> [u8; 16] {
    array(&tdes(&DOMAIN_DES, &[&kdd[4..], &[0xF0, k], &kdd[4..], &[0x0F, k]].concat()))
}

/// `CMAC(MK, 01 ‖ 00 00 00 ‖ k ‖ 00 ‖ KDD)`.
fn kdf3(kdd: [u8; 10], k: u8) -> [u8; 16] {
    let mut cmac = <Cmac<Aes128> as KeyInit>::new(&Array::from(DOMAIN_AES));
    cmac.update(&[&[0x01, 0, 0, 0, k, 0], &kdd[..]].concat());
    array(&cmac.finalize().into_bytes())
}

fn array(bytes: &[u8]) -> [u8; 16] {
    bytes.first_chunk().copied().unwrap_or_default()
}
