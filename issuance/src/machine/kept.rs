use crate::journal::{Entity, Record};
use crate::machine::{Machine, MachineError, read_event};
use crate::port::IssuancePort;
use crate::store::Journal;

/// A state that is not durable yet, and what is to be done once it is.
type Staged<M> = (M, Vec<<M as Machine>::Effect>);

/// A machine's state with its place in the journal. It changes only by records that are durable.
#[derive(Clone, Debug)]
pub struct Kept<M: Machine> {
    entity: Entity,
    state: M,
    last_seq: u64,
    /// Whether the journal may say more than this.
    stale: bool,
    staged: Option<Staged<M>>,
    effects: Vec<M::Effect>,
}

impl<M: Machine> Kept<M> {
    /// Folds the records of an entity.
    ///
    /// # Errors
    /// [`MachineError`] names the record that does not add up.
    pub fn from_records(entity: Entity, records: &[Record]) -> Result<Self, MachineError<M::Error>> {
        let mut kept =
            Self { entity, state: M::default(), last_seq: 0, stale: false, staged: None, effects: Vec::new() };
        for record in records {
            kept.follow(record)?;
        }
        Ok(kept)
    }

    /// Reads an entity's records and folds them.
    ///
    /// # Errors
    /// As [`Kept::from_records`], and the store's.
    pub fn load(journal: &(impl Journal + ?Sized), entity: Entity) -> Result<Self, MachineError<M::Error>> {
        let records = journal.history(&entity)?;
        Self::from_records(entity, &records)
    }

    /// Asks for an entity's records and folds them.
    ///
    /// # Errors
    /// As [`Kept::load`].
    pub async fn read(port: &mut IssuancePort, entity: Entity) -> Result<Self, MachineError<M::Error>> {
        let records = port.history(&entity).await?;
        Self::from_records(entity, &records)
    }

    /// Whose state it is.
    #[must_use]
    pub fn entity(&self) -> &Entity {
        &self.entity
    }

    /// The state that the durable records give.
    #[must_use]
    pub fn state(&self) -> &M {
        &self.state
    }

    /// Number of the last record, 0 for none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// What is to be done about the records that became durable since the last call.
    #[must_use = "effects are given once"]
    pub fn take_effects(&mut self) -> Vec<M::Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Folds one record more, the next of this entity.
    pub(crate) fn follow(&mut self, record: &Record) -> Result<(), MachineError<M::Error>> {
        if record.entity != self.entity || record.seq <= self.last_seq {
            let (entity, found) = (self.entity.clone(), record.entity.clone());
            return Err(MachineError::Misplaced { entity, after: self.last_seq, seq: record.seq, found });
        }
        let event = read_event(M::NAME, record)?;
        let (state, _) = self.next(self.state.clone(), &event)?;
        self.state = state;
        self.last_seq = record.seq;
        Ok(())
    }

    /// Tries events out; they count when [`Settle::settle`] says that they are durable.
    pub(super) fn stage(&mut self, events: &[M::Event]) -> Result<(), MachineError<M::Error>> {
        self.fresh()?;
        let (mut state, mut effects) = (self.state.clone(), Vec::new());
        for event in events {
            let (next, more) = self.next(state, event)?;
            state = next;
            effects.extend(more);
        }
        self.staged = Some((state, effects));
        Ok(())
    }

    /// Whether something will be open once the staged events are durable.
    pub(super) fn will_be_open(&self) -> bool {
        self.staged.as_ref().map_or(&self.state, |(state, _)| state).is_open()
    }

    pub(super) fn fresh(&self) -> Result<(), MachineError<M::Error>> {
        if self.stale { Err(MachineError::Stale { entity: self.entity.clone() }) } else { Ok(()) }
    }

    fn next(&self, state: M, event: &M::Event) -> Result<Staged<M>, MachineError<M::Error>> {
        if let Some(owner) = M::belongs_to(event).filter(|owner| owner != self.entity.as_str()) {
            return Err(MachineError::Misdirected { entity: self.entity.clone(), owner });
        }
        let refused = |reason| MachineError::Refused { machine: M::NAME, entity: self.entity.clone(), reason };
        state.apply(event).map_err(refused)
    }
}

/// A part of a change, whatever machine it is.
pub(super) trait Settle: Send {
    /// Its events are with the store: until the answer, nobody knows.
    fn hand_over(&mut self);
    /// Its events are durable, the last of them under this number.
    fn settle(&mut self, last_seq: u64);
    /// They are not, or that cannot be told.
    fn give_up(&mut self, stale: bool);
}

impl<M: Machine> Settle for Kept<M> {
    fn hand_over(&mut self) {
        self.stale = true;
    }

    fn settle(&mut self, last_seq: u64) {
        self.stale = false;
        if let Some((state, effects)) = self.staged.take() {
            self.state = state;
            self.last_seq = last_seq;
            self.effects.extend(effects);
        }
    }

    fn give_up(&mut self, stale: bool) {
        self.staged = None;
        self.stale = stale;
    }
}
