use std::collections::BTreeMap;

use super::*;
use crate::job::JobState;
use crate::machine::Machine;
use crate::machine::testing::numbers;
use crate::purse::{Claim, PurseHistory};
use crate::quarantine::Case;
use crate::sealed::Subject;

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
