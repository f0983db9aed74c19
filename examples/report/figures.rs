//! What a journal says, in numbers: one pass over its records.

use std::collections::BTreeMap;

use cardwright::apdu::StatusWord;
use cardwright::issuance::event::{Event, StepEvent};
use cardwright::issuance::job::JobState;
use cardwright::issuance::journal::{Entity, Mark, Record};
use cardwright::issuance::machine::Machine;
use cardwright::issuance::purse::PurseEvent;
use cardwright::issuance::step::StepState;
use cardwright::issuance::store::Journal;
use cardwright::issuance::system::settlement::{Class, DayEvent, Resolution, Totals};

use crate::ReportError;
use crate::day::Day;

/// Records that are read at a time.
const PAGE: usize = 5_000;

/// What came of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Complete,
    /// Begun and not finished.
    Open,
    /// Waits for a person.
    Quarantined,
    /// Nothing was begun: somebody looked, or the keys did not fit.
    Seen,
}

/// A card and its applications.
#[derive(Default)]
pub(crate) struct Card {
    pub(crate) begun_ms: Option<u64>,
    pub(crate) completed_ms: Option<u64>,
    /// Whether a step failed or was lost on the way.
    pub(crate) had_trouble: bool,
    /// The last step that the card refused, and when.
    refused: Option<(String, u16, u64)>,
    jobs: BTreeMap<Entity, JobState>,
}

impl Card {
    pub(crate) fn outcome(&self) -> Outcome {
        let states = || self.jobs.values();
        if states().any(|state| state.quarantined().is_some()) {
            Outcome::Quarantined
        } else if self.begun_ms.is_none() {
            Outcome::Seen
        } else if states().any(|state| state.completed) && !states().any(is_unfinished) {
            Outcome::Complete
        } else {
            Outcome::Open
        }
    }
}

/// Whether a step was begun and is not done.
fn is_unfinished(state: &JobState) -> bool {
    state.steps.values().any(|step| !step.is_done() && step.state != StepState::Pending)
}

/// Why something did not go through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The card refused.
    Refused(u16),
    /// No answer came back, or none that proves anything.
    Lost,
    /// The keys did not fit.
    Keys,
}

impl Trouble {
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Refused(sw) => format!("{sw:04X}"),
            Self::Lost => "no answer".into(),
            Self::Keys => "keys".into(),
        }
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Refused(sw) => StatusWord(*sw).meaning().into(),
            Self::Lost => "the answer did not come: the card was asked later".into(),
            Self::Keys => "no key set fitted the card, or it refused the host's".into(),
        }
    }
}

/// Something that somebody has to look at.
pub(crate) struct OpenItem {
    pub(crate) entity: String,
    pub(crate) what: String,
    pub(crate) since_ms: u64,
    pub(crate) is_quarantined: bool,
}

/// Loads of purses in one day.
#[derive(Clone, Copy, Default)]
pub(crate) struct Loads {
    pub(crate) loaded: u64,
    pub(crate) amount: u64,
    pub(crate) closed: u64,
    pub(crate) reversed: u64,
    pub(crate) disputed: u64,
}

/// A business day of settlement.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) totals: Option<Totals>,
    pub(crate) exceptions: Vec<Mismatch>,
    pub(crate) is_closed: bool,
}

/// An exception of a business day.
pub(crate) struct Mismatch {
    pub(crate) number: u32,
    pub(crate) class: Class,
    pub(crate) load: Option<String>,
    pub(crate) amount: u32,
    pub(crate) owner: Option<String>,
    pub(crate) resolution: Option<Resolution>,
}

impl Settled {
    /// Exceptions that nobody has ended.
    pub(crate) fn open(&self) -> u64 {
        self.exceptions.iter().filter(|mismatch| mismatch.resolution.is_none()).count() as u64
    }
}

/// All of it.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) cards: BTreeMap<String, Card>,
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
    pub(crate) runs: u64,
    pub(crate) troubles: BTreeMap<Trouble, u64>,
    /// Milliseconds from intent to outcome, by step, of attempts that the card answered.
    pub(crate) latencies: BTreeMap<String, Vec<u64>>,
    pub(crate) open: Vec<OpenItem>,
    pub(crate) loads: BTreeMap<Day, Loads>,
    /// By the name of the business day.
    pub(crate) settlement: BTreeMap<String, Settled>,
    /// When the open attempt of a step began.
    begun: BTreeMap<(Entity, String), u64>,
    marks: BTreeMap<Entity, (Mark, u64, String)>,
    amounts: BTreeMap<Entity, u32>,
}

impl Figures {
    /// Reads all records.
    pub(crate) fn read(journal: &impl Journal) -> Result<Self, ReportError> {
        let mut figures = Self { first_ms: u64::MAX, ..Self::default() };
        let mut after = 0;
        let mut last_epoch = 0;
        loop {
            let records = journal.records(after, PAGE)?;
            let Some(last) = records.last() else { break };
            after = last.seq;
            for record in &records {
                if record.epoch != last_epoch {
                    figures.runs += 1;
                    last_epoch = record.epoch;
                }
                figures.take(record)?;
            }
        }
        figures.conclude();
        Ok(figures)
    }

    fn take(&mut self, record: &Record) -> Result<(), ReportError> {
        self.first_ms = self.first_ms.min(record.time_ms);
        self.last_ms = self.last_ms.max(record.time_ms);
        let machine = record.origin.as_ref().map_or("", |origin| origin.machine.as_str());
        if let Some(origin) = record.origin.as_ref().filter(|origin| origin.mark != Mark::Unchanged) {
            self.marks.insert(record.entity.clone(), (origin.mark, record.time_ms, machine.to_owned()));
        }
        match machine {
            // The id of a load is claimed in the same transaction, in an entity of its own.
            "purse" if record.entity.as_str().starts_with("purse/") => self.purse(record),
            "settlement" => self.settle(record),
            // Records before schema 2 name no machine; there was the job alone.
            JobState::NAME | "" => self.job(record),
            _ => Ok(()),
        }
    }

    fn job(&mut self, record: &Record) -> Result<(), ReportError> {
        let wrong = |what: String| ReportError::Record { seq: record.seq, what };
        let event = Event::of(record).map_err(|error| wrong(error.to_string()))?;
        let card = self.cards.entry(card_of(&record.entity)).or_default();
        let job = card.jobs.entry(record.entity.clone()).or_default();
        *job = std::mem::take(job).apply(&event).map_err(|error| wrong(error.to_string()))?;
        match event {
            Event::Step { step, event, .. } => {
                let key = (record.entity.clone(), step);
                match event {
                    StepEvent::Begun { .. } => {
                        card.begun_ms.get_or_insert(record.time_ms);
                        self.begun.insert(key, record.time_ms);
                    }
                    StepEvent::Succeeded { .. } => {
                        if let Some(begun) = self.begun.remove(&key) {
                            self.latencies.entry(key.1).or_default().push(record.time_ms.saturating_sub(begun));
                        }
                    }
                    StepEvent::Failed { sw } => {
                        card.had_trouble = true;
                        self.begun.remove(&key);
                        card.refused = sw.map(|sw| (key.1, sw, record.time_ms));
                        let trouble = sw.map_or(Trouble::Lost, Trouble::Refused);
                        *self.troubles.entry(trouble).or_default() += 1;
                    }
                    StepEvent::Lost => {
                        card.had_trouble = true;
                        self.begun.remove(&key);
                        *self.troubles.entry(Trouble::Lost).or_default() += 1;
                    }
                    _ => {}
                }
            }
            Event::KeyFailure { .. } => {
                card.had_trouble = true;
                *self.troubles.entry(Trouble::Keys).or_default() += 1;
            }
            Event::Completed { .. } => card.completed_ms = Some(record.time_ms),
            Event::Gone => card.completed_ms = None,
            _ => {}
        }
        Ok(())
    }

    fn purse(&mut self, record: &Record) -> Result<(), ReportError> {
        let wrong = |error: minicbor::decode::Error| ReportError::Record { seq: record.seq, what: error.to_string() };
        let event: PurseEvent = minicbor::decode(&record.body).map_err(wrong)?;
        let day = self.loads.entry(Day::of(record.time_ms)).or_default();
        match event {
            PurseEvent::Opened { amount, .. } => {
                self.amounts.insert(record.entity.clone(), amount);
            }
            PurseEvent::Loaded { .. } => {
                day.loaded += 1;
                day.amount += u64::from(self.amounts.get(&record.entity).copied().unwrap_or_default());
            }
            PurseEvent::Closed { .. } => day.closed += 1,
            PurseEvent::Reversed { .. } => day.reversed += 1,
            PurseEvent::Disputed { .. } => day.disputed += 1,
            _ => {}
        }
        Ok(())
    }

    fn settle(&mut self, record: &Record) -> Result<(), ReportError> {
        let wrong = |error: minicbor::decode::Error| ReportError::Record { seq: record.seq, what: error.to_string() };
        let event: DayEvent = minicbor::decode(&record.body).map_err(wrong)?;
        let name = record.entity.as_str().rsplit('/').next().unwrap_or_default();
        let day = self.settlement.entry(name.to_owned()).or_default();
        let mut named = |number: u32, change: &dyn Fn(&mut Mismatch)| {
            if let Some(mismatch) = day.exceptions.iter_mut().find(|mismatch| mismatch.number == number) {
                change(mismatch);
            }
        };
        match event {
            DayEvent::Matched { totals, .. } => day.totals = Some(totals),
            DayEvent::Found { exception } => day.exceptions.push(Mismatch {
                number: exception.number,
                class: exception.class,
                load: exception.load,
                amount: exception.amount,
                owner: None,
                resolution: None,
            }),
            DayEvent::Assigned { number, owner, .. } => named(number, &|mismatch| mismatch.owner = Some(owner.clone())),
            DayEvent::Resolved { number, resolution, .. } => {
                named(number, &|mismatch| mismatch.resolution = Some(resolution.clone()));
            }
            DayEvent::Closed { .. } => day.is_closed = true,
            _ => {}
        }
        Ok(())
    }

    /// What is open at the end.
    fn conclude(&mut self) {
        if self.first_ms == u64::MAX {
            self.first_ms = 0;
        }
        for (name, card) in &self.cards {
            let before = self.open.len();
            for (entity, job) in &card.jobs {
                let marked = self.marks.remove(entity).map(|(_, time, _)| time);
                if let Some((what, is_quarantined)) = what_is_open(job) {
                    let since_ms = marked.or(card.begun_ms).unwrap_or_default();
                    self.open.push(OpenItem { entity: entity.to_string(), what, since_ms, is_quarantined });
                }
            }
            if self.open.len() == before && card.outcome() == Outcome::Open {
                let (what, since_ms) = match &card.refused {
                    Some((step, sw, time)) => {
                        (format!("{step}: refused with {sw:04X} ({})", StatusWord(*sw).meaning()), *time)
                    }
                    None => ("begun, and not all steps are done".into(), card.begun_ms.unwrap_or_default()),
                };
                self.open.push(OpenItem { entity: name.clone(), what, since_ms, is_quarantined: false });
            }
        }
        for (entity, (mark, since_ms, machine)) in std::mem::take(&mut self.marks) {
            if mark == Mark::Open {
                let what = format!("{} not finished", if machine.is_empty() { "something" } else { &machine });
                self.open.push(OpenItem { entity: entity.to_string(), what, since_ms, is_quarantined: false });
            }
        }
        self.open.sort_by_key(|item| (!item.is_quarantined, item.since_ms));
        self.latencies.values_mut().for_each(|times| times.sort_unstable());
    }

    /// All days from the first to the last, at most the last `most`.
    pub(crate) fn days(&self, most: i64) -> Vec<Day> {
        let (first, last) = (Day::of(self.first_ms), Day::of(self.last_ms));
        (first.0.max(last.0 - most + 1)..=last.0).map(Day).collect()
    }
}

/// What of a job somebody has to look at, and whether it waits for a person.
fn what_is_open(job: &JobState) -> Option<(String, bool)> {
    if let Some((step, reason)) = job.quarantined() {
        return Some((format!("{step}: {reason}"), true));
    }
    if let Some((name, _)) = job.steps.iter().find(|(_, step)| step.is_in_doubt()) {
        return Some((format!("{name}: outcome not known, the card will be asked"), false));
    }
    match job.ledger.failures() {
        0 => None,
        1 => Some(("1 failed authentication".into(), false)),
        failures => Some((format!("{failures} failed authentications in a row"), false)),
    }
}

/// The card that an entity belongs to: what stands before the third part of its name.
fn card_of(entity: &Entity) -> String {
    let mut parts = entity.as_str().splitn(3, '/');
    [parts.next(), parts.next()].into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// The value below which so many of a hundred are.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}
