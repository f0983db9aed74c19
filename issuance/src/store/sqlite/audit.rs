//! The pass over a whole file that an audit makes.

use std::path::Path;

use super::checkpoint::{all, not_signed};
use super::look::{Purpose, look};
use super::{check, file};
use crate::audit::{Report, Trust};
use crate::journal::{ChainError, Checkpoint, Head, PublicKey};
use crate::store::StoreError;

/// Verifies everything: pages, tables, chain, checkpoints, what was kept elsewhere.
pub(crate) fn audit(path: &Path, trust: &Trust) -> Result<Report, StoreError> {
    let path = file::locate(path)?;
    let _open = file::open(&path, || file::inspect(&path))?;
    look(&path, Purpose::Check, |connection| {
        let version = check::identity(connection, &path)?;
        check::schema(connection, &path, version)?;
        let checkpoints = if version > 1 { all(connection, &path)? } else { Vec::new() };
        let mut vouched = Vouched::new(&checkpoints, trust);
        let checked = check::whole(connection, &path, version, |record| vouched.pass(record.head()))?;
        vouched.finish(checked.head).map_err(|problem| StoreError::BrokenChain { path: path.clone(), problem })?;
        let (schema, head) = (version, checked.head);
        let mut report = Report { schema, head, trusted_checkpoints: 0, other_checkpoints: 0, signed_up_to: None };
        for checkpoint in &checkpoints {
            // Who names a key that is not trusted vouches for nothing.
            match PublicKey::new(checkpoint.key).ok().filter(|key| trust.keys.contains(key)) {
                Some(key) if checkpoint.is_signed_by(key) => {
                    report.trusted_checkpoints += 1;
                    report.signed_up_to = Some(checkpoint.head.seq);
                }
                Some(_) => return Err(not_signed(&path, checkpoint)),
                None => report.other_checkpoints += 1,
            }
        }
        Ok(report)
    })
}

/// The checkpoints of a file, in the order of what they cover; none in a file of schema 1.
pub(crate) fn checkpoints(path: &Path) -> Result<Vec<Checkpoint>, StoreError> {
    look(path, Purpose::Salvage, |connection| match check::identity(connection, path)? {
        1 => Ok(Vec::new()),
        _ => all(connection, path),
    })
}

/// Heads that somebody vouched for, compared with the chain as it goes by.
struct Vouched {
    /// Those to come, the next one last.
    heads: Vec<Head>,
    /// The last record that is what was vouched for.
    good: u64,
    problem: Option<ChainError>,
}

impl Vouched {
    /// All checkpoints count, since a record whose hash is not that of a checkpoint was changed whoever signed.
    fn new(checkpoints: &[Checkpoint], trust: &Trust) -> Self {
        let mut heads: Vec<Head> = checkpoints.iter().map(|checkpoint| checkpoint.head).chain(trust.head).collect();
        heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.seq));
        Self { heads, good: 0, problem: None }
    }

    fn pass(&mut self, head: Head) {
        while let Some(next) = self.heads.pop_if(|next| next.seq <= head.seq) {
            if next == head {
                self.good = head.seq;
            } else if self.problem.is_none() {
                self.problem = Some(ChainError::Remade { first: self.good + 1, seq: next.seq });
            }
        }
    }

    /// The end of the chain: what was vouched for behind it is missing.
    fn finish(self, head: Head) -> Result<(), ChainError> {
        match (self.problem, self.heads.last()) {
            (Some(problem), _) => Err(problem),
            (None, Some(_)) => Err(ChainError::Missing { seq: head.seq.saturating_add(1) }),
            (None, None) => Ok(()),
        }
    }
}
