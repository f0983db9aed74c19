//! The verifier of the chain of hashes.

use std::borrow::Borrow;

use super::{Head, Record};

/// The first place where records are not the chain that was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The content is not what was hashed, or the hash was replaced.
    #[error("record {seq} was changed; keep the file as it is and compare it with a copy")]
    Changed {
        /// Number of the changed record.
        seq: u64,
    },
    /// A record is not there.
    #[error("record {seq} is missing; keep the file as it is and compare it with a copy")]
    Missing {
        /// Number of the first record that is missing.
        seq: u64,
    },
    /// A record is there that the chain passes over, or one that was there already.
    #[error("record {seq} was inserted; keep the file as it is and compare it with a copy")]
    Inserted {
        /// Number of the inserted record.
        seq: u64,
    },
    /// A record stands before one that it follows.
    #[error("record {seq} is out of order; keep the file as it is and compare it with a copy")]
    OutOfOrder {
        /// Number that the chain demands at this place.
        seq: u64,
    },
    /// A record, whole in itself, follows something else than the record before it. It is the last one, so nothing
    /// tells which of the two is the false one.
    #[error("record {seq} does not follow from the one before: one of the two is not what was written")]
    Unlinked {
        /// Number of the record whose link leads elsewhere.
        seq: u64,
    },
    /// A chain, whole in itself, is not the one that was signed or kept elsewhere.
    #[error(
        "record {seq} is not the one that was vouched for: of the records {first} to {seq} one was changed, and all after it made anew"
    )]
    Remade {
        /// The first record that may be the changed one.
        first: u64,
        /// The record that was vouched for.
        seq: u64,
    },
}

/// Verifies a journal from its first record on and gives its head.
///
/// # Errors
///
/// [`ChainError`], which names the first record that was changed, is missing, was inserted or is out of order.
pub fn verify<R: Borrow<Record>>(records: impl IntoIterator<Item = R>) -> Result<Head, ChainError> {
    verify_from(Head::GENESIS, records)
}

/// Verifies the records that follow `head`, which the caller trusts, and gives the new head.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_from<R: Borrow<Record>>(head: Head, records: impl IntoIterator<Item = R>) -> Result<Head, ChainError> {
    let mut records = records.into_iter();
    let (mut before, mut head) = (None, head);
    while let Some(record) = records.next() {
        let record = record.borrow();
        if !follows(record, head) {
            return Err(diagnose(before, head, record, records));
        }
        before = Some(head);
        head = record.head();
    }
    Ok(head)
}

fn follows(record: &Record, head: Head) -> bool {
    record.seq == head.seq.saturating_add(1) && record.prev_hash == head.hash && record.hash == record.computed_hash()
}

/// Names what is wrong with `record`, which does not follow `head`; `before` is the head one record earlier.
fn diagnose<R: Borrow<Record>>(
    before: Option<Head>,
    head: Head,
    record: &Record,
    mut rest: impl Iterator<Item = R>,
) -> ChainError {
    let seq = head.seq.saturating_add(1);
    if record.seq < seq {
        return ChainError::Inserted { seq: record.seq };
    }
    if record.seq > seq {
        return match rest.any(|later| later.borrow().seq == seq) {
            true => ChainError::OutOfOrder { seq },
            false => ChainError::Missing { seq },
        };
    }
    if record.prev_hash == head.hash {
        return ChainError::Changed { seq };
    }
    if before.is_some_and(|before| record.prev_hash == before.hash) {
        return ChainError::Inserted { seq: head.seq };
    }
    let next = rest.next();
    let next = next.as_ref().map(Borrow::borrow);
    if record.hash == record.computed_hash() {
        // Its successor tells whether this record is the one that was written: then the one before is not.
        return match next {
            Some(next) if next.prev_hash != record.hash => ChainError::Changed { seq },
            Some(_) if head.seq > 0 => ChainError::Changed { seq: head.seq },
            _ => ChainError::Unlinked { seq },
        };
    }
    if record.hash == record.hash_as(seq.saturating_add(1)) {
        // It was the next record and got a new number.
        return match next {
            Some(next) if next.prev_hash == head.hash => ChainError::OutOfOrder { seq },
            _ => ChainError::Missing { seq },
        };
    }
    ChainError::Changed { seq }
}

#[cfg(test)]
mod tests {
    use super::super::{Entity, Entry, Label, Mark, Origin};
    use super::*;

    fn chain(count: u8) -> Vec<Record> {
        let mut head = Head::GENESIS;
        (0..count)
            .map(|n| {
                let entity = Entity::new("card/1").unwrap();
                let entry = Entry { entity, body: vec![n] };
                // The first two are as schema 1 has them.
                let record = match n {
                    0 | 1 => head.record(1, 1000 + u64::from(n), entry),
                    _ => head.record_from(Origin::default(), 1, 1000 + u64::from(n), entry),
                };
                head = record.head();
                record
            })
            .collect()
    }

    fn renumber(records: &mut [Record]) {
        records.iter_mut().zip(1..).for_each(|(record, seq)| record.seq = seq);
    }

    #[test]
    fn a_chain_that_was_not_touched_verifies_whole_and_in_parts() {
        assert_eq!(verify(chain(0)), Ok(Head::GENESIS));
        let records = chain(6);
        assert_eq!(verify(&records), Ok(records[5].head()));
        assert_eq!(verify_from(records[2].head(), &records[3..]), Ok(records[5].head()));
    }

    #[test]
    fn every_field_changed_is_named_with_its_record() {
        type Change = fn(&mut Record);
        let changes: [Change; 6] = [
            |record| record.time_ms += 1,
            |record| record.epoch += 1,
            |record| record.entity = Entity::new("card/2").unwrap(),
            |record| record.body.push(0),
            |record| record.hash[31] ^= 1,
            |record| record.prev_hash[0] ^= 1,
        ];
        for change in changes {
            for place in 0..6 {
                let mut records = chain(6);
                change(&mut records[place]);
                assert_eq!(verify(&records), Err(ChainError::Changed { seq: place as u64 + 1 }));
            }
        }
        let changes: [fn(&mut Origin); 4] = [
            |origin| origin.actor = Label::new("x").unwrap(),
            |origin| origin.machine = Label::new("x").unwrap(),
            |origin| origin.uptime_ms += 1,
            |origin| origin.mark = Mark::Closed,
        ];
        for change in changes {
            let mut records = chain(6);
            change(records[3].origin.as_mut().unwrap());
            assert_eq!(verify(&records), Err(ChainError::Changed { seq: 4 }));
        }
        let mut records = chain(6);
        records[3].origin = None;
        assert_eq!(verify(&records), Err(ChainError::Changed { seq: 4 }));
    }

    #[test]
    fn a_record_changed_together_with_its_hash_is_named() {
        for place in 0..4 {
            let mut records = chain(6);
            records[place].body.push(0);
            records[place].hash = records[place].computed_hash();
            assert_eq!(verify(&records), Err(ChainError::Changed { seq: place as u64 + 1 }));
        }
        let mut records = chain(6);
        records[4].body.push(0);
        records[4].hash = records[4].computed_hash();
        assert_eq!(verify(&records), Err(ChainError::Unlinked { seq: 6 }));
    }

    #[test]
    fn a_record_taken_out_is_named_even_when_the_others_are_renumbered() {
        for place in 0..5 {
            let mut records = chain(6);
            records.remove(place);
            assert_eq!(verify(&records), Err(ChainError::Missing { seq: place as u64 + 1 }));
            renumber(&mut records);
            assert_eq!(verify(&records), Err(ChainError::Missing { seq: place as u64 + 1 }));
        }
    }

    #[test]
    fn a_record_put_in_is_named_even_when_it_is_well_made() {
        for place in 1..5 {
            let mut records = chain(6);
            records.insert(place, records[place - 1].clone());
            assert_eq!(verify(&records), Err(ChainError::Inserted { seq: place as u64 }));

            let mut records = chain(6);
            let entity = Entity::new("card/9").unwrap();
            records.insert(place, records[place - 1].head().record(1, 0, Entry { entity, body: vec![] }));
            renumber(&mut records);
            assert_eq!(verify(&records), Err(ChainError::Inserted { seq: place as u64 + 1 }));
        }
    }

    #[test]
    fn records_out_of_order_are_named() {
        for place in 0..5 {
            let mut records = chain(6);
            records.swap(place, place + 1);
            assert_eq!(verify(&records), Err(ChainError::OutOfOrder { seq: place as u64 + 1 }));
            renumber(&mut records);
            assert_eq!(verify(&records), Err(ChainError::OutOfOrder { seq: place as u64 + 1 }));
        }
    }
}
