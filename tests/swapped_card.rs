//! Another card lies in the reader at any command: neither card gets what belongs to the other.

mod support;

use cardwright::gp::SecurityLevel;
use cardwright::issuance::remote::Outcome;
use cardwright::issuance::store::MemoryStore;
use cardwright_sim::{Fault, Faults, JavaCard, SecureChannelProtocol};
use support::{Reference, SCP02, SCP03, is_complete, issue, snapshot};

fn numbered(protocol: SecureChannelProtocol, seed: u64) -> JavaCard {
    JavaCard::builder().protocol(protocol).seed(seed).build()
}

/// Issues a card of its own, undisturbed.
fn issued(reference: &Reference, card: JavaCard) -> String {
    let (outcome, reader) = issue(&reference.order, card, &mut MemoryStore::new(), Faults::none());
    assert!(is_complete(&outcome), "{outcome:?}");
    snapshot(reader.card())
}

/// Both cards were cut off at command `begun`; then the first is resumed, and swapped against the other at each command.
fn swap_at_every_command(protocol: SecureChannelProtocol, begun: Option<u64>) {
    let reference = Reference::new(protocol, SecurityLevel::C_DECRYPTION);
    let wanted = [7, 8].map(|seed| issued(&reference, numbered(protocol, seed)));
    let begin = |seed, store: &mut MemoryStore| match begun {
        None => numbered(protocol, seed),
        Some(n) => {
            let cut = Faults::none().at(n, Fault::CutBefore);
            issue(&reference.order, numbered(protocol, seed), store, cut).1.card().twin()
        }
    };
    for n in 1..=reference.names.len() as u64 + 3 {
        let mut store = MemoryStore::new();
        let cards = [7, 8].map(|seed| begin(seed, &mut store));
        let swap = Faults::none().at(n, Fault::Swap(Box::new(cards[1].twin())));
        let (outcome, reader) = issue(&reference.order, cards[0].twin(), &mut store, swap);
        assert!(!matches!(outcome, Ok(Outcome::Interrupted(_))), "{protocol:?} {begun:?} {n}: {outcome:?}");
        let mut after = cards;
        // Swapped before the card had said who it is, the other one is the card of this run.
        if !reader.swapped_out().is_empty() && !is_complete(&outcome) {
            let what = format!("{protocol:?}, begun {begun:?}, swapped at {n}: the other card got something");
            assert_eq!(snapshot(reader.card()), snapshot(&after[1]), "{what}");
        }
        match reader.swapped_out() {
            [] => after[0] = reader.card().twin(),
            [first, ..] => after = [first.card().twin(), reader.card().twin()],
        }
        for ((card, wanted), which) in after.iter().zip(&wanted).zip(["the first card", "the other card"]) {
            let (again, reader) = issue(&reference.order, card.twin(), &mut store, Faults::none());
            let what = format!("{protocol:?}, begun {begun:?}, swapped at {n}: {which}, after {outcome:?}");
            assert!(is_complete(&again), "{what}: {again:?}");
            assert_eq!(snapshot(reader.card()), *wanted, "{what}");
        }
    }
}

#[test]
fn fresh_cards_swapped_at_any_command_are_both_finished() {
    for protocol in [SCP02, SCP03] {
        swap_at_every_command(protocol, None);
    }
}

#[test]
fn half_issued_cards_swapped_at_any_command_are_both_finished() {
    let reference = Reference::new(SCP03, SecurityLevel::C_DECRYPTION);
    let stages = ["INSTALL [for install and make selectable]", "EXTERNAL AUTHENTICATE", "WRITE KEY", "PUT KEY"];
    for begun in stages.iter().flat_map(|name| reference.places_of(name)) {
        swap_at_every_command(SCP03, Some(begun as u64));
    }
}
