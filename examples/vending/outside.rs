//! What is not ours: the provider of payments, the operator, and the machines with their cards. Each does once what is asked for under one
//! id; with faults its answers get lost, before or after it did it.

use std::collections::{BTreeMap, VecDeque};

use cardwright::cos::usim::{Iccid, Imsi, Msisdn, SecretCode, SimProfile, SubscriberData};
use cardwright::issuance::Driver;
use cardwright::issuance::primitive::lease::Authorization;
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::store::MemoryStore;
use cardwright::issuance::system::vending::{
    CardOutcome, DataAnswer, HandOut, Outside, PaymentStatus, RefundStatus, Unknown,
};
use cardwright::issuance::usim::{NumberOrder, write_number};
use cardwright::keys::milenage::{MilenageKey, OperatorKey, SubscriberKeys};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{Fault, SimReader, Usim, UsimStyle};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Commands of writing one number, about.
const COMMANDS: u32 = 30;

/// Where a card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Stack,
    Writer,
    Rejects,
    Bin,
    Hand,
}

/// A SIM and its machine's record of what was written to it.
pub(crate) struct Card {
    pub(crate) reader: SimReader<Usim>,
    pub(crate) place: Place,
    is_bad: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Payment {
    pub(crate) amount: u64,
    pub(crate) paid: u64,
    pub(crate) is_closed: bool,
}

/// The data of one card, as the operator made them.
#[derive(Clone, Debug)]
pub(crate) struct CardData {
    pub(crate) number: String,
    pub(crate) iccid: String,
    pub(crate) imsi: String,
    pub(crate) k: [u8; 16],
}

pub(crate) struct TheOutside {
    dice: ChaCha20Rng,
    has_faults: bool,
    pub(crate) payments: BTreeMap<String, Payment>,
    pub(crate) refunds: BTreeMap<String, (String, u64)>,
    pub(crate) data: BTreeMap<String, CardData>,
    pub(crate) cards: BTreeMap<String, Card>,
    stacks: BTreeMap<u32, VecDeque<String>>,
    /// The point whose turn it is.
    pub(crate) point: u32,
    journals: MemoryStore,
    now_ms: u64,
    pub(crate) counts: Counts,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) lost_answers: u64,
    pub(crate) tears: u64,
    pub(crate) doubtful: u64,
    pub(crate) refused: u64,
}

impl TheOutside {
    pub(crate) fn new(points: u32, cards_each: u32, has_faults: bool, seed: u64) -> Self {
        let mut dice = ChaCha20Rng::seed_from_u64(seed ^ 0x0B5E);
        let (mut cards, mut stacks) = (BTreeMap::new(), BTreeMap::new());
        for point in 1..=points {
            for n in 1..=cards_each {
                let usim = Usim::builder().style(UsimStyle::Sjs1).adm(*b"88888888").build();
                let is_bad = has_faults && dice.next_u32().is_multiple_of(20);
                let name = format!("sim-{point}-{n}");
                stacks.entry(point).or_insert_with(VecDeque::new).push_back(name.clone());
                cards.insert(name, Card { reader: SimReader::new(usim), place: Place::Stack, is_bad });
            }
        }
        Self {
            dice,
            has_faults,
            payments: BTreeMap::new(),
            refunds: BTreeMap::new(),
            data: BTreeMap::new(),
            cards,
            stacks,
            point: 1,
            journals: MemoryStore::new(),
            now_ms: 0,
            counts: Counts::default(),
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.has_faults && self.dice.next_u32().is_multiple_of(n)
    }

    /// Does something whose answer may get lost before or after.
    fn ask<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> Result<T, Unknown> {
        if self.one_in(8) {
            self.counts.lost_answers += 1;
            return Err(Unknown);
        }
        let answer = act(self);
        if self.one_in(8) {
            self.counts.lost_answers += 1;
            return Err(Unknown);
        }
        Ok(answer)
    }

    /// The customer's money arrives. A provider that has closed the payment takes none.
    pub(crate) fn customer_pays(&mut self, payment: &str) -> bool {
        match self.payments.get_mut(payment) {
            Some(payment) if !payment.is_closed && payment.paid == 0 => {
                payment.paid = payment.amount;
                true
            }
            _ => false,
        }
    }

    /// Somebody gives out a card of the bin.
    pub(crate) fn give_out(&mut self, card: &str) {
        if let Some(card) = self.cards.get_mut(card) {
            card.place = Place::Hand;
        }
    }

    pub(crate) fn is_in_hand(&self, card: &str) -> bool {
        self.cards.get(card).is_some_and(|card| card.place == Place::Hand)
    }

    /// Whether a card has an IMSI and keys: somebody looks at it in the back office.
    pub(crate) fn holds_number(&self, card: &str) -> bool {
        self.cards.get(card).is_some_and(|card| {
            let (k, _) = card.reader.card().ki_and_opc();
            self.data.values().any(|data| data.k == k)
        })
    }

    /// What a fence prevents: a point that is late gets data for a number that another has, and writes them.
    pub(crate) fn write_late(&mut self) {
        let Some(data) = self.data.values().next().cloned() else { return };
        let Some(name) = self.next_card() else { return };
        let late = CardData { k: [0xAB; 16], iccid: iccid(999_999), ..data };
        self.data.insert("late".into(), late.clone());
        self.has_faults = false;
        self.write_card(&name, &late);
        self.give_out(&name);
    }

    fn write_card(&mut self, name: &str, data: &CardData) -> CardOutcome {
        let Some(order) = order(data) else { return CardOutcome::Doubtful };
        let torn = self.one_in(4);
        let (at, after) = (u64::from(1 + self.dice.next_u32() % COMMANDS), self.dice.next_u32().is_multiple_of(2));
        let keeps_failing = self.one_in(6);
        let Some(card) = self.cards.get_mut(name) else { return CardOutcome::Doubtful };
        if card.is_bad {
            // Does not answer its reset: nothing was ever sent to it.
            return CardOutcome::NotWritten { evidence: Sha256::digest(name).into() };
        }
        if torn {
            self.counts.tears += 1;
            card.reader.plan(card.reader.commands() + at, if after { Fault::CutAfter } else { Fault::CutBefore });
        }
        // The machine puts it in again and goes on, unless the feed is jammed for good.
        for _ in 0..if torn && keeps_failing { 1 } else { 4 } {
            card.reader.reinsert();
            let Some(mut keys) = keys(data) else { return CardOutcome::Doubtful };
            let (now_ms, dice) = (&mut self.now_ms, &mut self.dice);
            let mut driver = Driver {
                card: &mut card.reader,
                keys: &mut keys,
                store: &mut self.journals,
                clock: &mut || {
                    *now_ms += 1;
                    *now_ms
                },
                random: &mut || dice.next_u64().to_be_bytes(),
                notice: &mut |_| {},
            };
            match driver.run(write_number(order.clone())) {
                Ok(Ok(Outcome::Complete(report))) => {
                    let proof = Sha256::digest(format!("{name} {}", report.iccid)).into();
                    return CardOutcome::Proved { proof };
                }
                Ok(Ok(Outcome::Interrupted(_))) => {}
                _ => break,
            }
        }
        self.counts.doubtful += 1;
        CardOutcome::Doubtful
    }
}

impl Outside for TheOutside {
    fn order_payment(&mut self, payment: &str, amount: u64) -> Result<(), Unknown> {
        self.ask(|outside| {
            outside.payments.entry(payment.to_owned()).or_insert(Payment { amount, ..Payment::default() });
        })
    }

    fn close_payment(&mut self, payment: &str) -> Result<(), Unknown> {
        self.ask(|outside| outside.payments.entry(payment.to_owned()).or_default().is_closed = true)
    }

    fn payment(&mut self, payment: &str) -> Result<PaymentStatus, Unknown> {
        self.ask(|outside| match outside.payments.get(payment) {
            Some(payment) if payment.paid > 0 => PaymentStatus::Paid { amount: payment.paid },
            Some(payment) if payment.is_closed => PaymentStatus::Closed,
            _ => PaymentStatus::Open,
        })
    }

    fn refund(&mut self, refund: &str, payment: &str, amount: u64) -> Result<RefundStatus, Unknown> {
        self.ask(|outside| {
            outside.refunds.entry(refund.to_owned()).or_insert_with(|| (payment.to_owned(), amount));
            RefundStatus::Done
        })
    }

    fn card_data(&mut self, request: &str, number: &str, _: Authorization) -> Result<DataAnswer, Unknown> {
        if !self.data.contains_key(request) && self.one_in(25) {
            self.counts.refused += 1;
            return Ok(DataAnswer::Refused);
        }
        self.ask(|outside| {
            let next = outside.data.len();
            let data = outside.data.entry(request.to_owned()).or_insert_with(|| CardData {
                number: number.to_owned(),
                iccid: iccid(next),
                imsi: format!("26201{next:010}"),
                k: Sha256::digest(request)[..16].try_into().unwrap_or_default(),
            });
            DataAnswer::Ready { digest: Sha256::digest(&data.iccid).into() }
        })
    }

    fn next_card(&mut self) -> Option<String> {
        let name = self.stacks.get_mut(&self.point)?.pop_front()?;
        self.cards.get_mut(&name)?.place = Place::Writer;
        Some(name)
    }

    fn write(&mut self, card: &str, request: &str) -> CardOutcome {
        match self.data.get(request).cloned() {
            Some(data) => self.write_card(card, &data),
            None => CardOutcome::Doubtful,
        }
    }

    fn take_out(&mut self, card: &str, captured: bool) {
        if let Some(card) = self.cards.get_mut(card).filter(|card| matches!(card.place, Place::Writer)) {
            card.place = if captured { Place::Bin } else { Place::Rejects };
        }
    }

    fn hand_out(&mut self, card: &str) -> Result<HandOut, Unknown> {
        let is_forgotten = self.one_in(15);
        self.ask(|outside| {
            let Some(card) = outside.cards.get_mut(card) else { return HandOut::Retracted };
            if card.place == Place::Writer {
                card.place = if is_forgotten { Place::Bin } else { Place::Hand };
            }
            if card.place == Place::Hand { HandOut::Taken } else { HandOut::Retracted }
        })
    }
}

/// Nineteen digits with their check digit (ITU-T E.118).
fn iccid(n: usize) -> String {
    let payload = format!("898821100000{n:06}");
    let sum: u32 = payload
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place.is_multiple_of(2) { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{payload}{}", (10 - sum % 10) % 10)
}

fn order(data: &CardData) -> Option<NumberOrder> {
    let profile = SimProfile::built_in("sysmousim-sjs1").ok()?;
    let mut subscriber = SubscriberData::new(Imsi::new(&data.imsi, &profile.numbering.networks).ok()?);
    subscriber.iccid = Some(Iccid::new(&data.iccid, &profile.numbering.iccid).ok()?);
    let number = data.number.strip_prefix("number/")?;
    subscriber.msisdn = Some(Msisdn::new(number, profile.numbering.national).ok()?);
    let mut order = NumberOrder::new(profile, subscriber);
    order.adm = Some(SecretCode::from_bytes(*b"88888888"));
    order.keys = Some(SubscriberKeys { k: KeyRef::new("k"), operator: OperatorKey::Opc(KeyRef::new("opc")) });
    Some(order)
}

fn keys(data: &CardData) -> Option<SoftwareKeys> {
    let mut keys = SoftwareKeys::new();
    // OPc of test set 1 of 3GPP TS 35.208.
    let opc = 0xCD63_CB71_954A_9F4E_48A5_994E_37A0_2BAF_u128.to_be_bytes();
    keys.insert("k", KeyKind::Milenage(MilenageKey::K), &data.k).ok()?;
    keys.insert("opc", KeyKind::Milenage(MilenageKey::Opc), &opc).ok()?;
    Some(keys)
}
