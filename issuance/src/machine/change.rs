use crate::journal::{Entity, Label, Mark};
use crate::machine::kept::Settle;
use crate::machine::{Kept, Machine, MachineError, entry};
use crate::port::IssuancePort;
use crate::primitive::outbox::{Destination, MessageId, PostError, Posted};
use crate::store::{Durable, Store, StoreError, Transaction};

/// Events of one or more machines and messages to the outside: durable together, or none of them.
///
/// Its records say of each entity whether something is open with it from now on ([`Machine::is_open`]), so that a program which
/// starts again finds what it has to look at by [`Journal::open_entities`](crate::store::Journal::open_entities).
///
/// It is refused when any of its entities was written by another since it was read (compare and set on the number of the last
/// record). Each call consumes it, so that nothing is left of a change of which one part was refused. States change when the store
/// reports durability, not before.
#[derive(Default)]
#[must_use = "nothing is written until it is committed"]
pub struct Change<'a> {
    transaction: Transaction,
    parts: Vec<Part<'a>>,
    /// First changed entity and its last record before: no other change can have both.
    source: Option<(Entity, u64)>,
    messages: Vec<MessageId>,
}

struct Part<'a> {
    kept: &'a mut dyn Settle,
    /// How many entries of the transaction there are up to its last.
    end: u64,
}

/// A change that is on stable storage.
#[derive(Debug)]
pub struct Changed {
    /// The store's proof.
    pub durable: Durable,
    /// The messages that were posted with it, in order.
    pub messages: Vec<MessageId>,
}

impl<'a> Change<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds events of a machine; all of them follow, or the change is refused.
    ///
    /// # Errors
    /// [`MachineError`] of what the reducer refuses, of a stale state, and of an entity that has a part already.
    pub fn apply<M: Machine>(
        mut self,
        kept: &'a mut Kept<M>,
        events: &[M::Event],
    ) -> Result<Self, MachineError<M::Error>> {
        self.expect(kept)?;
        kept.stage(events)?;
        let (entity, last_seq) = (kept.entity().clone(), kept.last_seq());
        if events.is_empty() {
            return Ok(self);
        }
        self.transaction.entries.extend(events.iter().map(|event| entry(&entity, event)));
        let mark = if kept.will_be_open() { Mark::Open } else { Mark::Closed };
        self.transaction.marks.push((entity.clone(), mark));
        if self.parts.is_empty() {
            // Whose change it is; the others go along.
            self.transaction.machine = Label::new(M::NAME).unwrap_or_default();
        }
        self.source.get_or_insert((entity, last_seq));
        self.parts.push(Part { kept, end: self.transaction.entries.len() as u64 });
        Ok(self)
    }

    /// Demands that a machine, which this change only looked at, was not changed by another.
    ///
    /// # Errors
    /// As [`Change::apply`].
    pub fn given<M: Machine>(mut self, kept: &Kept<M>) -> Result<Self, MachineError<M::Error>> {
        self.expect(kept)?;
        Ok(self)
    }

    /// Demands the same of entities that were looked at before, by the number of their last record.
    pub(crate) fn expecting(mut self, given: &[(Entity, u64)]) -> Self {
        self.transaction.expect.extend_from_slice(given);
        self
    }

    fn expect<M: Machine>(&mut self, kept: &Kept<M>) -> Result<(), MachineError<M::Error>> {
        kept.fresh()?;
        let entity = kept.entity().clone();
        if self.transaction.expect.iter().any(|(other, _)| *other == entity) {
            return Err(MachineError::Twice { entity });
        }
        self.transaction.expect.push((entity, kept.last_seq()));
        Ok(())
    }

    /// Adds a message for a destination. There is no other way to post one: a message without a change of state, or a change
    /// whose message is lost, cannot be written.
    ///
    /// # Errors
    /// [`PostError`] when nothing was changed yet, or too much is posted.
    pub fn post(mut self, destination: &Destination, body: &[u8]) -> Result<Self, PostError> {
        let (source, after) = self.source.as_ref().ok_or(PostError::NothingChanged)?;
        let index = u32::try_from(self.messages.len()).map_err(|_| PostError::TooMany)?;
        let posted = Posted::new(destination, source, *after, index, body);
        let entity = posted.entity()?;
        self.messages.push(posted.id());
        self.transaction.entries.push(posted.entry(&entity));
        self.transaction.marks.push((entity.clone(), Mark::Open));
        self.transaction.expect.push((entity, 0));
        Ok(self)
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`StoreError`]. After a conflict, and when it cannot be told whether it was written, its machines are stale: they are
    /// refused until they have been read again.
    pub fn commit(mut self, store: &mut (impl Store + ?Sized), time_ms: u64) -> Result<Changed, StoreError> {
        let transaction = self.hand_over();
        let result = store.commit(transaction, time_ms);
        self.settle(result)
    }

    /// Asks for it to be written.
    ///
    /// # Errors
    /// As [`Change::commit`].
    pub async fn commit_through(mut self, port: &mut IssuancePort) -> Result<Changed, StoreError> {
        let transaction = self.hand_over();
        let result = port.commit(transaction).await;
        self.settle(result)
    }

    /// A change that is dropped before the answer leaves its machines stale.
    fn hand_over(&mut self) -> Transaction {
        self.parts.iter_mut().for_each(|part| part.kept.hand_over());
        std::mem::take(&mut self.transaction)
    }

    fn settle(self, result: Result<Durable, StoreError>) -> Result<Changed, StoreError> {
        match result {
            Ok(durable) => {
                let before = durable.first_seq().saturating_sub(1);
                self.parts.into_iter().for_each(|part| part.kept.settle(before.saturating_add(part.end)));
                Ok(Changed { durable, messages: self.messages })
            }
            Err(error) => {
                let stale = !is_untouched(&error);
                self.parts.into_iter().for_each(|part| part.kept.give_up(stale));
                Err(error)
            }
        }
    }
}

/// Whether the error says that the journal is as it was when the machines were read.
fn is_untouched(error: &StoreError) -> bool {
    use StoreError::{BodyTooLong, Busy, Engine, Full, Io, NothingToWrite, TimeOutOfRange};
    matches!(
        error,
        BodyTooLong { .. } | Busy { .. } | Engine { .. } | Full | Io { .. } | NothingToWrite | TimeOutOfRange { .. }
    )
}

impl std::fmt::Debug for Change<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change").field("transaction", &self.transaction).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
