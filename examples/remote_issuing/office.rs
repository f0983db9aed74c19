//! The server's work on each card: issue it, take the shops' reports, delete what is not wanted any more.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cardwright::issuance::remote::{self, Balance, DeleteOrder, IssueError, Order, Outcome, Settled};
use cardwright::issuance::store::SqliteStore;
use cardwright::issuance::{CardIdentity, Conversation, Driver};
use cardwright::keys::SoftwareKeys;
use cardwright::relay::{RelayNotice, SealedCard};

use crate::Sabotage;
use crate::order;
use crate::outside::Outside;

pub(crate) struct Office {
    store: SqliteStore,
    keys: SoftwareKeys,
    order: Order,
    applications: u8,
    outside: Arc<Outside>,
    sabotage: Option<Sabotage>,
    identities: Mutex<BTreeMap<u32, String>>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    interrupted: AtomicU64,
    lines_lost: AtomicU64,
    sessions: AtomicU64,
    refused: AtomicU64,
    deleted: AtomicU64,
    kept: AtomicU64,
    used: AtomicU64,
    failed: AtomicU64,
}

impl Office {
    pub(crate) fn new(
        store: SqliteStore,
        applications: u8,
        outside: Arc<Outside>,
        sabotage: Option<Sabotage>,
    ) -> Result<Self, Box<dyn Error>> {
        let (mut order, keys) = (order::order(applications)?, order::test_keys()?);
        if sabotage == Some(Sabotage::Keys) {
            for application in &mut order.applications {
                std::mem::swap(&mut application.master_key, &mut application.maintenance_key);
            }
        }
        let (identities, counts) = (Mutex::default(), Counts::default());
        Ok(Self { store, keys, order, applications, outside, sabotage, identities, counts })
    }

    pub(crate) fn heard(&self, notice: &RelayNotice) {
        match notice {
            RelayNotice::Opened { epoch: 1, .. } => self.counts.sessions.fetch_add(1, SeqCst),
            RelayNotice::LineLost { .. } => self.counts.lines_lost.fetch_add(1, SeqCst),
            // A greeting that broke off counts as a refusal, too.
            RelayNotice::Refused { .. } => self.counts.refused.fetch_add(1, SeqCst),
            _ => 0,
        };
    }

    /// One stay of a card: as far as it goes.
    pub(crate) fn serve(&self, mut card: SealedCard) {
        let Some(number) = self.outside.card_of(card.stay()) else { return };
        match self.run(&mut card, number) {
            Ok(true) => self.outside.release(number, true),
            Ok(false) => {
                self.counts.interrupted.fetch_add(1, SeqCst);
                if self.sabotage == Some(Sabotage::Tears) {
                    self.outside.release(number, true);
                }
            }
            Err(error) => {
                eprintln!("card {number}: {error}");
                self.counts.failed.fetch_add(1, SeqCst);
                self.outside.release(number, false);
            }
        }
    }

    /// `false` when the card has to be put in again.
    fn run(&self, card: &mut SealedCard, number: u32) -> Result<bool, Box<dyn Error>> {
        // Deletions that were begun come first; they say themselves when they are done.
        if let Some(identity) = self.identity(number) {
            if !self.delete_unwanted(card, number, &identity, true)? {
                return Ok(false);
            }
            if self.is_deleted(number) {
                return Ok(true);
            }
        }
        let Some(report) = complete(self.drive(card, remote::issue(self.order.clone()))?)? else { return Ok(false) };
        let identity = report.card.identity;
        let known = self.identities.lock().unwrap_or_else(PoisonError::into_inner).insert(number, identity.to_string());
        if known.is_none() {
            self.take_reports(card, number, &identity)?;
        }
        self.delete_unwanted(card, number, &identity, false)
    }

    /// The port through which shops report uses: the card is elsewhere then.
    fn take_reports(&self, card: &mut SealedCard, number: u32, identity: &CardIdentity) -> Result<(), Box<dyn Error>> {
        for application in (1..=self.applications).filter(|_| self.sabotage != Some(Sabotage::Reports)) {
            for _ in 0..self.outside.fate(number, application).uses {
                let aid = order::application(application)?;
                self.drive(card, remote::report_use(identity.clone(), aid))??;
                self.counts.used.fetch_add(1, SeqCst);
            }
        }
        Ok(())
    }

    fn delete_unwanted(
        &self,
        card: &mut SealedCard,
        number: u32,
        identity: &CardIdentity,
        begun: bool,
    ) -> Result<bool, Box<dyn Error>> {
        for application in 1..=self.applications {
            let fate = self.outside.fate(number, application);
            if !fate.unwanted {
                continue;
            }
            let aid = order::application(application)?;
            let balance = match self.sabotage {
                Some(Sabotage::Ledger) => Balance { amount: 0, unsettled: 0 },
                _ => Balance { amount: fate.balance, unsettled: fate.unsettled },
            };
            let settled = match Settled::of(identity.clone(), aid, balance) {
                Ok(settled) => settled,
                Err(IssueError::NotSettled { .. }) => {
                    if !begun {
                        self.counts.kept.fetch_add(1, SeqCst);
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let order = DeleteOrder { aid, force: false, access: self.order.clone() };
            match complete(self.drive(card, remote::delete_settled(order, settled))?)? {
                Some(report) if report.changed => {
                    self.counts.deleted.fetch_add(1, SeqCst);
                }
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether there is something that was to be deleted: a card is not issued to again after that.
    fn is_deleted(&self, number: u32) -> bool {
        (1..=self.applications).any(|application| {
            let fate = self.outside.fate(number, application);
            fate.unwanted && fate.balance == 0 && fate.unsettled == 0
        })
    }

    fn drive<T>(&self, card: &mut SealedCard, conversation: Conversation<T>) -> Result<T, Box<dyn Error>> {
        let (mut store, mut keys, mut no_random) = (self.store.clone(), self.keys.clone(), None);
        let outcome = Driver {
            card,
            keys: &mut keys,
            store: &mut store,
            clock: &mut now,
            random: &mut || {
                let mut bytes = [0; 8];
                no_random = getrandom::fill(&mut bytes).err().or(no_random);
                bytes
            },
            notice: &mut |_| {},
        }
        .run(conversation)?;
        no_random.map_or(Ok(outcome), |error| Err(error.into()))
    }

    pub(crate) fn identity_of(&self, number: u32) -> Option<String> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn identity(&self, number: u32) -> Option<CardIdentity> {
        let name = self.identity_of(number)?;
        let (kind, number) = name.split_once('-')?;
        CardIdentity::of_native(kind, number)
    }

    pub(crate) fn print(&self, outside: &Outside, time: Duration, cuts: u64) {
        let count = |number: &AtomicU64| number.load(SeqCst);
        let counts = &self.counts;
        let released = outside.released();
        let right = released.values().filter(|is_right| **is_right).count();
        println!("cards            {:6}  of {} done in {:.1} s", right, released.len(), time.as_secs_f64());
        println!(
            "stays in readers {:6}  {} tears, {} runs interrupted",
            count(&outside.stays),
            count(&outside.tears),
            count(&counts.interrupted)
        );
        println!(
            "sessions         {:6}  {} lines cut, {} lost, {} greetings broken off",
            count(&counts.sessions),
            cuts,
            count(&counts.lines_lost),
            count(&counts.refused)
        );
        println!("uses reported    {:6}", count(&counts.used));
        println!(
            "deletions        {:6}  {} kept: money on them, or not settled",
            count(&counts.deleted),
            count(&counts.kept)
        );
        println!("failures         {:6}", count(&counts.failed));
    }
}

/// `None` when the card has to be put in again.
fn complete<T>(outcome: Result<Outcome<T>, IssueError>) -> Result<Option<T>, Box<dyn Error>> {
    match outcome? {
        Outcome::Complete(value) => Ok(Some(value)),
        Outcome::Quarantined { step, reason } => Err(format!("step {step} waits for a person: {reason}").into()),
        _ => Ok(None),
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
