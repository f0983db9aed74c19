use std::collections::BTreeMap;

use super::{Commitment, SealedStore, SubjectId};
use crate::store::StoreError;

/// A sealed store in memory, for tests.
#[derive(Clone, Default)]
pub struct MemorySealedStore {
    keys: BTreeMap<SubjectId, Vec<u8>>,
    sealed: BTreeMap<(SubjectId, Commitment), Vec<u8>>,
}

impl std::fmt::Debug for MemorySealedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemorySealedStore")
    }
}

impl SealedStore for MemorySealedStore {
    fn put_key(&mut self, subject: SubjectId, wrapped: &[u8]) -> Result<bool, StoreError> {
        let new = !self.keys.contains_key(&subject);
        self.keys.entry(subject).or_insert_with(|| wrapped.to_vec());
        Ok(new)
    }

    fn key(&self, subject: SubjectId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.keys.get(&subject).cloned())
    }

    fn erase(&mut self, subject: SubjectId) -> Result<(), StoreError> {
        self.keys.remove(&subject);
        self.sealed.retain(|(owner, _), _| *owner != subject);
        Ok(())
    }

    fn put(&mut self, subject: SubjectId, commitment: Commitment, sealed: &[u8]) -> Result<(), StoreError> {
        self.sealed.insert((subject, commitment), sealed.to_vec());
        Ok(())
    }

    fn get(&self, subject: SubjectId, commitment: Commitment) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.sealed.get(&(subject, commitment)).cloned())
    }
}
