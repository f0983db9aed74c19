use std::collections::BTreeMap;

use minicbor::Encoder;
use minicbor::bytes::ByteArray;
use proptest::prelude::*;

use super::*;
use crate::job::JobState;
use crate::journal::{Entity, Entry, Head};
use crate::machine::testing::numbers;
use crate::machine::{Machine, read_event};
use crate::purse::{Claim, PurseHistory};
use crate::quarantine::Case;
use crate::sealed::Subject;
use crate::system::{admission, alarm, pick_up, presence, settlement, top_up, vending};

/// Two machines never use the same number, and docs/journal.md lists exactly the numbers there are.
#[test]
fn every_event_has_a_number_of_its_own_that_the_document_lists() {
    fn of<M: Machine>() -> Vec<(u64, &'static str)> {
        numbers::<M>().into_iter().map(|number| (number, M::NAME)).collect()
    }
    let all = [
        of::<JobState>(),
        of::<lease::Lease>(),
        of::<outbox::Message>(),
        of::<outbox::Inbox>(),
        of::<approval::Approval>(),
        of::<idempotency::Request>(),
        of::<rate_limit::Window>(),
        of::<Case>(),
        of::<Subject>(),
        of::<PurseHistory>(),
        of::<Claim>(),
        of::<admission::Reader>(),
        of::<presence::Presence>(),
        of::<alarm::Alarm>(),
        of::<top_up::Binding>(),
        of::<top_up::Visit>(),
        of::<settlement::Day>(),
        of::<vending::Order>(),
        of::<pick_up::voucher::Voucher>(),
        of::<pick_up::student::Student>(),
        of::<pick_up::student::CardNumber>(),
        of::<pick_up::application::Application>(),
        of::<pick_up::import::Import>(),
        of::<pick_up::kiosk::KioskClaim>(),
    ]
    .concat();
    let mut known = BTreeMap::new();
    for (number, machine) in all {
        assert_eq!(known.insert(number, machine), None, "{number} of {machine}");
    }
    let document = include_str!("../../../docs/journal.md");
    let listed: BTreeMap<u64, &str> = document
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let number = cells.next()?.parse().ok()?;
            Some((number, cells.next()?.trim()))
        })
        .filter(|(number, _)| *number >= 32)
        .collect();
    known.retain(|number, _| *number >= 32);
    assert_eq!(known, listed);
}

/// The forms of events: `n` a number, `f` a small one, `h` 32 bytes, `t` a text, `[` to `]` an array.
const FORMS: [(u64, &str); 26] = [
    (0, "tf[f[fhfft]]"),
    (0, "tf[f[f]]"),
    (32, "nntnh"),
    (33, "nnn"),
    (34, "nnhn"),
    (35, "nnh"),
    (36, "nnh"),
    (38, "nn"),
    (39, "n"),
    (41, "nn"),
    (42, "n[nfhft]n"),
    (43, "n"),
    (48, "[ttnnh]"),
    (49, "nnn"),
    (50, "n"),
    (51, "nf[f[n]]"),
    (52, "n[f[n]]"),
    (53, "nt"),
    (56, "nfh"),
    (68, "nh"),
    (69, "nh"),
    (72, "n[fn]"),
    (76, "n[tn[f[]]htt[h]]"),
    (78, "nhfh"),
    (81, "nth"),
    (82, "nt"),
];

fn event() -> impl Strategy<Value = Vec<u8>> {
    let number =
        prop_oneof![4 => 0u64..4, 1 => Just(u64::from(u32::MAX)), 2 => Just(u64::MAX), 1 => Just(u64::MAX - 1)];
    (prop::sample::select(&FORMS), prop::collection::vec((number, 0u8..4), 16)).prop_map(|((event, form), values)| {
        let mut bytes = vec![0x82];
        bytes.extend(minicbor::to_vec(event).unwrap());
        coded(form, &mut values.into_iter(), &mut bytes);
        bytes
    })
}

/// Codes the items of `form` as an array.
fn coded(form: &str, values: &mut impl Iterator<Item = (u64, u8)>, out: &mut Vec<u8>) {
    let (mut items, mut count, mut rest) = (Vec::new(), 0, form);
    while let Some(kind) = rest.chars().next() {
        let (number, small) = values.next().unwrap_or_default();
        let mut end = 1;
        match kind {
            'n' => items.extend(minicbor::to_vec(number).unwrap()),
            'f' => items.push(small),
            'h' => items.extend(minicbor::to_vec(ByteArray::from([small; 32])).unwrap()),
            't' => items.extend(minicbor::to_vec("a").unwrap()),
            _ => {
                let mut depth = 0;
                let close = rest.chars().position(|kind| {
                    depth += i32::from(kind == '[') - i32::from(kind == ']');
                    depth == 0
                });
                end = close.unwrap() + 1;
                coded(&rest[1..end - 1], values, &mut items);
            }
        }
        (count, rest) = (count + 1, &rest[end..]);
    }
    Encoder::new(&mut *out).array(count).unwrap();
    out.extend(items);
}

/// Reads bodies as events and folds those that can follow; how many were read.
fn feed<M: Machine>(bodies: &[Vec<u8>]) -> usize {
    let (mut state, mut read) = (M::default(), 0);
    for body in bodies {
        let entry = Entry { entity: Entity::new("x").unwrap(), body: body.clone() };
        if let Ok(event) = read_event::<M::Event>(M::NAME, &Head::GENESIS.record(1, 0, entry)) {
            read += 1;
            state = state.clone().apply(&event).map_or(state, |(next, _)| next);
            let _ = state.is_open();
        }
    }
    read
}

fn feed_all(bodies: &[Vec<u8>]) -> usize {
    feed::<JobState>(bodies)
        + feed::<lease::Lease>(bodies)
        + feed::<outbox::Message>(bodies)
        + feed::<outbox::Inbox>(bodies)
        + feed::<approval::Approval>(bodies)
        + feed::<idempotency::Request>(bodies)
        + feed::<rate_limit::Window>(bodies)
        + feed::<Case>(bodies)
        + feed::<Subject>(bodies)
        + feed::<PurseHistory>(bodies)
        + feed::<Claim>(bodies)
        + feed::<admission::Reader>(bodies)
        + feed::<presence::Presence>(bodies)
        + feed::<alarm::Alarm>(bodies)
        + feed::<top_up::Binding>(bodies)
        + feed::<top_up::Visit>(bodies)
        + feed::<settlement::Day>(bodies)
}

proptest! {
    /// Whatever stands in a journal: an error or a state, never a panic.
    #[test]
    fn reading_is_total(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let _ = feed_all(&bodies);
    }

    /// Events in the right form with any values, times at the end of time among them.
    #[test]
    fn folding_is_total(bodies in prop::collection::vec(event(), 1..60)) {
        let read = feed_all(&bodies);
        prop_assert!(read * 3 >= bodies.len() || bodies.len() < 20, "{read} of {} are events", bodies.len());
    }
}
