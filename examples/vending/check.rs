//! What must be so at the end, seen from the cards, the provider's books and what the operator was told; nothing of the machines.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use cardwright::issuance::primitive::outbox::{Destination, Outbox};
use cardwright::issuance::store::{MemoryFaults, MemoryStore};
use cardwright::issuance::system::vending::Report;

use crate::outside::{CardData, Place};
use crate::world::World;

/// EF.ICCID and EF.IMSI.
const FILES: [(u16, u16); 2] = [(0x3F00, 0x2FE2), (0x7F20, 0x6F07)];

pub(crate) fn check(world: &World) -> Result<Vec<String>, Box<dyn Error>> {
    let outside = &world.outside;
    let mut wrong = Vec::new();
    let (mut held, mut keys) = (BTreeMap::<String, u64>::new(), BTreeSet::new());
    let mut in_hands = BTreeSet::new();
    for (name, card) in &outside.cards {
        let (k, _) = card.reader.card().ki_and_opc();
        let written = outside.data.iter().find(|(_, data)| data.k == k);
        if let Some((_, data)) = written
            && !keys.insert(data.k)
        {
            wrong.push(format!("{name} has the key of another card"));
        }
        if card.place != Place::Hand {
            continue;
        }
        let Some((request, data)) = written else {
            wrong.push(format!("{name} is in a hand and holds no number"));
            continue;
        };
        if FILES.map(|(directory, file)| card.reader.card().transparent(directory, file).map(<[u8]>::to_vec))
            != [Some(nibbles(&data.iccid, 10)), Some(imsi_file(data))]
        {
            wrong.push(format!("{name} is in a hand and is not written to its end"));
        }
        if !in_hands.insert(data.number.clone()) {
            wrong.push(format!("{} is on two cards in hands", data.number));
        }
        if !world.is_offered(&data.number) {
            wrong.push(format!("{} was not to be sold", data.number));
        }
        *held.entry(order_of(request)).or_default() += 1;
    }
    let mut returned = BTreeMap::<&str, u64>::new();
    for (payment, amount) in outside.refunds.values() {
        *returned.entry(payment).or_default() += amount;
    }
    let mut paying = BTreeSet::new();
    for (id, payment) in &outside.payments {
        let (order, back) = (order_of(id), returned.get(id.as_str()).copied().unwrap_or_default());
        let cards = held.get(&order).copied().unwrap_or_default();
        if payment.paid != payment.amount * cards + back {
            wrong.push(format!("{order}: {} came, {back} went back, for {cards} cards", payment.paid));
        }
        paying.insert(order);
    }
    wrong.extend(
        held.keys().filter(|order| !paying.contains(*order)).map(|order| format!("{order}: a card for nothing")),
    );
    let active = active(world.store()?)?;
    wrong.extend(active.difference(&in_hands).map(|number| format!("{number} is active and in nobody's hand")));
    wrong.extend(in_hands.difference(&active).map(|number| format!("{number} is in a hand and not active")));
    Ok(wrong)
}

/// The ids of payments and requests begin with the order's name.
fn order_of(id: &str) -> String {
    id.split('/').take(3).collect::<Vec<_>>().join("/")
}

/// Numbers that the operator was told to activate: all that waits is delivered.
fn active(store: &MemoryStore) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut outbox = Outbox::new();
    outbox.follow(store)?;
    let destination = Destination::new("operator")?;
    // A copy: the run is over.
    let mut store = MemoryStore::from_log(store.log().to_vec(), MemoryFaults::none())?;
    let (mut active, mut at_ms) = (BTreeSet::new(), 2_000_000_000_000);
    while let Some(id) = outbox.next(&destination, at_ms).map(|posted| posted.id()) {
        let posted = outbox.send(&mut store, id, at_ms, 1_000)?;
        if let Report::Activate { number } = minicbor::decode(posted.body())? {
            active.insert(number);
        }
        outbox.acknowledge(&mut store, id, at_ms)?;
        at_ms += 1;
    }
    Ok(active)
}

/// Digits as files hold them: two a byte, the first in the low half, filled with F (ITU-T E.118, 3GPP TS 31.102 4.2.2).
fn nibbles(digits: &str, length: usize) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().map(|digit| digit - b'0').collect();
    let mut bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] | pair.get(1).copied().unwrap_or(0xF) << 4).collect();
    bytes.resize(length, 0xFF);
    bytes
}

/// Length, then parity and digits.
fn imsi_file(data: &CardData) -> Vec<u8> {
    let mut bytes = vec![8];
    bytes.extend(nibbles(&format!("9{}", data.imsi), 8));
    bytes
}
