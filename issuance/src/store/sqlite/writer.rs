//! The one writer: commits that wait share a sync, written by a thread; one that comes alone is written where it comes.
//!
//! Whoever writes holds the lock. A commit takes it itself when it is free, nobody waits, and the one before was alone, too: that
//! spares a lone stream two switches of threads for each commit. All others go to the thread, which takes as many as there are
//! into one transaction.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::checkpoint::{self, Signing};
use super::{append, engine_error, rows};
use crate::journal::{Checkpoint, Head, Label};
use crate::store::{Durable, Run, StoreError, Transaction};

/// Commits that share one sync at most.
const GROUP: usize = 1024;
/// Bytes of bodies after which a group takes no more.
const GROUP_BYTES: usize = 4 << 20;

/// How long to wait before a checkpoint that failed is tried again while nothing is committed.
const RETRY: Duration = Duration::from_millis(100);

/// The handles' end.
#[derive(Debug)]
pub(super) struct Writer {
    /// Taken when the opening ends.
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    poisoned: Arc<AtomicBool>,
    /// Requests that were sent and that the thread has not taken up.
    waiting: Arc<AtomicUsize>,
    writing: Arc<Mutex<Writing>>,
}

enum Request {
    Commit(Commit),
    Checkpoint {
        time_ms: u64,
        answer: SyncSender<Result<Option<Checkpoint>, StoreError>>,
    },
    /// A record waits for its checkpoint since: the thread looks when that is due.
    Look,
    #[cfg(test)]
    With(Box<dyn FnOnce(&Connection) + Send>),
}

struct Commit {
    transaction: Transaction,
    time_ms: u64,
    /// Where it is waited for; not when whoever asked writes.
    answer: Option<SyncSender<Result<Durable, StoreError>>>,
}

impl Writer {
    /// Lets a thread write through `connection`; the chain was verified up to `verified`.
    pub(super) fn start(
        connection: Connection,
        path: &Path,
        epoch: u64,
        verified: Head,
        signing: Option<Signing>,
    ) -> Result<Self, StoreError> {
        let (sender, requests) = channel();
        let poisoned = Arc::new(AtomicBool::new(false));
        let writing = Writing {
            connection,
            path: path.to_owned(),
            epoch,
            begun: Instant::now(),
            poisoned: Arc::clone(&poisoned),
            signing,
            verified,
            last_time_ms: 0,
            last_group: 1,
        };
        let (writing, waiting) = (Arc::new(Mutex::new(writing)), Arc::default());
        let end = ThreadEnd { requests, waiting: Arc::clone(&waiting), writing: Arc::clone(&writing) };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(|| end.run())
            .map_err(|source| StoreError::Io { doing: "starting the thread that writes", source })?;
        Ok(Self { requests: Some(sender), thread: Some(thread), poisoned, waiting, writing })
    }

    pub(super) fn alive(&self) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    /// Answers when the transaction is on stable storage, or was not written.
    pub(super) fn commit(&self, transaction: Transaction, time_ms: u64) -> Result<Durable, StoreError> {
        self.alive()?;
        if self.waiting.load(Ordering::Acquire) == 0 {
            match self.writing.try_lock() {
                Ok(writing) if writing.last_group == 1 => return self.commit_here(writing, transaction, time_ms),
                // Others are about to come: with them.
                Ok(_) => {}
                Err(TryLockError::Poisoned(_)) => return Err(self.lost()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let (answer, answered) = sync_channel(1);
        self.send(Request::Commit(Commit { transaction, time_ms, answer: Some(answer) }))?;
        answered.recv().unwrap_or_else(|error| {
            self.poisoned.store(true, Ordering::Release);
            Err(StoreError::InDoubt { source: error.into() })
        })
    }

    fn commit_here(
        &self,
        mut writing: MutexGuard<'_, Writing>,
        transaction: Transaction,
        time_ms: u64,
    ) -> Result<Durable, StoreError> {
        let was_waiting = writing.is_checkpoint_waiting();
        let result = writing.alone(Commit { transaction, time_ms, answer: None });
        writing.checkpoint_when_due();
        let waits = writing.is_checkpoint_waiting();
        drop(writing);
        if waits && !was_waiting {
            // The thread may be gone with all handles but this one; the records are there all the same.
            let _ = self.send(Request::Look);
        }
        result
    }

    /// A panic has ended the writing.
    fn lost(&self) -> StoreError {
        self.poisoned.store(true, Ordering::Release);
        StoreError::Poisoned
    }

    pub(super) fn checkpoint(&self, time_ms: u64) -> Result<Option<Checkpoint>, StoreError> {
        self.alive()?;
        let (answer, answered) = sync_channel(1);
        self.send(Request::Checkpoint { time_ms, answer })?;
        answered.recv().unwrap_or(Err(StoreError::Poisoned))
    }

    /// Runs something on the writer's connection, between two groups.
    #[cfg(test)]
    pub(super) fn with<T: Send + 'static>(&self, run: impl FnOnce(&Connection) -> T + Send + 'static) -> T {
        let (answer, answered) = sync_channel(1);
        let run = move |connection: &Connection| drop(answer.send(run(connection)));
        self.send(Request::With(Box::new(run))).unwrap();
        answered.recv().unwrap()
    }

    fn send(&self, request: Request) -> Result<(), StoreError> {
        let requests = self.requests.as_ref().ok_or(StoreError::Poisoned)?;
        self.waiting.fetch_add(1, Ordering::AcqRel);
        requests.send(request).map_err(|_| self.lost())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told to whoever waited.
            let _ = thread.join();
        }
    }
}

/// The thread's end.
struct ThreadEnd {
    requests: Receiver<Request>,
    waiting: Arc<AtomicUsize>,
    writing: Arc<Mutex<Writing>>,
}

impl ThreadEnd {
    /// Until all handles are gone, or a panic elsewhere has left the writing in the middle.
    fn run(self) {
        while let Some(request) = self.wait() {
            let Ok(mut writing) = self.writing.lock() else { return };
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            let mut next = Some(request);
            while let Some(request) = next.take() {
                match request {
                    Request::Commit(first) => next = writing.group(first, || self.take()),
                    Request::Checkpoint { time_ms, answer } => drop(answer.send(writing.checkpoint(time_ms))),
                    Request::Look => {}
                    #[cfg(test)]
                    Request::With(run) => run(&writing.connection),
                }
            }
            writing.checkpoint_when_due();
        }
        if let Ok(mut writing) = self.writing.lock()
            && writing.is_checkpoint_waiting()
        {
            // What is not signed now is verified by the next opening.
            let time_ms = writing.last_time_ms;
            let _ = writing.checkpoint(time_ms);
        }
    }

    /// A request that is there already.
    fn take(&self) -> Option<Request> {
        let request = self.requests.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        Some(request)
    }

    /// The next request; a checkpoint that falls due meanwhile is made. `None` when all handles are gone.
    fn wait(&self) -> Option<Request> {
        loop {
            let due = self.writing.lock().ok()?.signing.as_ref().and_then(Signing::due_in);
            let Some(due) = due else { return self.requests.recv().ok() };
            match self.requests.recv_timeout(due.max(RETRY)) {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Timeout) => self.writing.lock().ok()?.checkpoint_when_due(),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

/// What is written with, by one at a time.
#[derive(Debug)]
struct Writing {
    connection: Connection,
    path: PathBuf,
    epoch: u64,
    begun: Instant,
    poisoned: Arc<AtomicBool>,
    signing: Option<Signing>,
    /// Up to here the chain was verified, or written by this thread upon what was.
    verified: Head,
    last_time_ms: u64,
    /// How many commits the last group had.
    last_group: usize,
}

/// Why a group was not written.
enum Broken {
    /// Nothing of it is there.
    NotWritten(StoreError),
    /// Whether it is there cannot be told.
    InDoubt(rusqlite::Error),
}

impl Writing {
    /// Whether records wait for their checkpoint.
    fn is_checkpoint_waiting(&self) -> bool {
        self.signing.as_ref().is_some_and(|signing| signing.due_in().is_some())
    }

    fn checkpoint_when_due(&mut self) {
        if self.signing.as_ref().is_some_and(|signing| signing.is_due(self.verified)) {
            // A signer that is away is asked again after the next group.
            let _ = self.checkpoint(self.last_time_ms);
        }
    }

    fn checkpoint(&mut self, time_ms: u64) -> Result<Option<Checkpoint>, StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let signing = self.signing.as_mut().ok_or(StoreError::NoSigner)?;
        if i64::try_from(time_ms).is_err() {
            return Err(StoreError::TimeOutOfRange { time_ms });
        }
        let (path, doing) = (&self.path, "writing a checkpoint");
        let head = rows::head(&self.connection, path)?;
        if head != self.verified {
            // Another program wrote: its records are looked at before they are vouched for.
            self.verified = rows::verified(&self.connection, path, self.verified, |_| ())?.head;
        }
        if self.verified == Head::GENESIS {
            return Ok(None);
        }
        let checkpoint = Checkpoint::sign(self.verified, time_ms, &mut *signing.signer)
            .map_err(|source| StoreError::NotSigned { source })?;
        let writing = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| engine_error(path, doing, error))?;
        checkpoint::insert(&writing, &checkpoint).map_err(|error| engine_error(path, doing, error))?;
        match commit(writing, path) {
            Ok(()) => {}
            Err(Broken::NotWritten(error)) => return Err(error),
            Err(Broken::InDoubt(error)) => {
                self.poisoned.store(true, Ordering::Release);
                return Err(StoreError::InDoubt { source: error.into() });
            }
        }
        signing.signed();
        Ok(Some(checkpoint))
    }

    /// Commits what is there to be committed; gives the request that ended the group.
    fn group(&mut self, first: Commit, mut take: impl FnMut() -> Option<Request>) -> Option<Request> {
        if self.poisoned.load(Ordering::Acquire) {
            reply(first.answer, Err(StoreError::Poisoned));
            return None;
        }
        let (mut bytes, mut next) = (first.bytes(), None);
        let mut members = vec![first];
        let more = |members: &mut Vec<Commit>| {
            if members.len() >= GROUP || bytes >= GROUP_BYTES {
                return false;
            }
            match take() {
                Some(Request::Commit(member)) => {
                    bytes += member.bytes();
                    members.push(member);
                    true
                }
                other => {
                    next = other;
                    false
                }
            }
        };
        match self.write(&mut members, more) {
            Ok(answers) => answer(members, answers),
            Err(Broken::NotWritten(StoreError::Full)) if members.len() > 1 => {
                // What does not fit for one of them may fit for the others.
                for mut member in members {
                    let answer = member.answer.take();
                    let result = self.alone(member);
                    reply(answer, result);
                }
            }
            Err(broken) => {
                let answers = self.refusals(members.len(), broken);
                answer(members, answers);
            }
        }
        next
    }

    /// Commits one transaction by itself.
    fn alone(&mut self, member: Commit) -> Result<Durable, StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        let answers = match self.write(&mut vec![member], |_| false) {
            Ok(answers) => answers,
            Err(broken) => self.refusals(1, broken),
        };
        answers.into_iter().next().unwrap_or(Err(StoreError::NothingToWrite))
    }

    /// Writes a group; gives the answer to each member.
    fn write(
        &mut self,
        members: &mut Vec<Commit>,
        more: impl FnMut(&mut Vec<Commit>) -> bool,
    ) -> Result<Vec<Result<Durable, StoreError>>, Broken> {
        let run = Uptime { epoch: self.epoch, begun: self.begun };
        let written = write(&mut self.connection, &self.path, run, members, more);
        self.last_group = members.len();
        let Written { before, after, answers } = written?;
        self.last_time_ms = members.last().map_or(self.last_time_ms, |member| member.time_ms);
        if before == self.verified {
            self.verified = after;
        }
        if let Some(signing) = self.signing.as_mut().filter(|_| after != before) {
            signing.wrote(before.seq.saturating_add(1));
        }
        Ok(answers)
    }

    /// The answers to a group that was not written.
    fn refusals(&mut self, members: usize, broken: Broken) -> Vec<Result<Durable, StoreError>> {
        match broken {
            Broken::NotWritten(error) => {
                let others = (1..members).map(|_| Err(same(&error))).collect::<Vec<_>>();
                others.into_iter().chain([Err(error)]).collect()
            }
            Broken::InDoubt(error) => {
                self.poisoned.store(true, Ordering::Release);
                let text = error.to_string();
                (0..members).map(|_| Err(StoreError::InDoubt { source: text.clone().into() })).collect()
            }
        }
    }
}

impl Commit {
    fn bytes(&self) -> usize {
        self.transaction.entries.iter().map(|entry| entry.body.len()).sum()
    }
}

/// A group that is on stable storage.
struct Written {
    /// The chain before it and after it.
    before: Head,
    after: Head,
    answers: Vec<Result<Durable, StoreError>>,
}

#[derive(Clone, Copy)]
struct Uptime {
    epoch: u64,
    begun: Instant,
}

/// Writes the members, and those that `more` adds meanwhile, in one transaction of the engine: one sync for all. An
/// answer that is an error is that of a member whose expectations do not hold; it has no part in the transaction.
fn write(
    connection: &mut Connection,
    path: &Path,
    run: Uptime,
    members: &mut Vec<Commit>,
    mut more: impl FnMut(&mut Vec<Commit>) -> bool,
) -> Result<Written, Broken> {
    let writing = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| Broken::NotWritten(engine_error(path, "beginning a transaction", error)))?;
    let before = rows::head(&writing, path).map_err(Broken::NotWritten)?;
    let (mut head, mut answers) = (before, Vec::new());
    loop {
        for member in members.iter().skip(answers.len()) {
            let written = append::expectations(&writing, path, &member.transaction).and_then(|met| match met {
                Ok(()) => {
                    let uptime_ms = u64::try_from(run.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let run = Run { epoch: run.epoch, uptime_ms, actor: &Label::default() };
                    append::append(&writing, path, &mut head, &member.transaction, &run, member.time_ms).map(Ok)
                }
                Err(refusal) => Ok(Err(refusal)),
            });
            answers.push(written.map_err(Broken::NotWritten)?);
        }
        if !more(members) {
            break;
        }
    }
    commit(writing, path)?;
    Ok(Written { before, after: head, answers })
}

fn commit(writing: rusqlite::Transaction<'_>, path: &Path) -> Result<(), Broken> {
    match writing.commit() {
        Ok(()) => Ok(()),
        // These come before the last page of the transaction is written.
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)) => {
            Err(Broken::NotWritten(engine_error(path, "committing", error)))
        }
        Err(error) => Err(Broken::InDoubt(error)),
    }
}

fn answer(members: Vec<Commit>, answers: Vec<Result<Durable, StoreError>>) {
    members.into_iter().zip(answers).for_each(|(member, answer)| reply(member.answer, answer));
}

fn reply(to: Option<SyncSender<Result<Durable, StoreError>>>, answer: Result<Durable, StoreError>) {
    if let Some(to) = to {
        // Whoever asked may be gone.
        let _ = to.send(answer);
    }
}

/// The same refusal for another member of the group.
fn same(error: &StoreError) -> StoreError {
    match error {
        StoreError::Full => StoreError::Full,
        StoreError::Busy { doing } => StoreError::Busy { doing },
        StoreError::NoPermission { path, doing } => StoreError::NoPermission { path: path.clone(), doing },
        StoreError::Damaged { path, place, finding } => {
            StoreError::Damaged { path: path.clone(), place: *place, finding: finding.clone() }
        }
        StoreError::Engine { doing, source } => StoreError::Engine { doing, source: source.to_string().into() },
        other => StoreError::Engine { doing: "writing records", source: other.to_string().into() },
    }
}
