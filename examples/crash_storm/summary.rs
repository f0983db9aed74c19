//! The table at the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use clap::ValueEnum;
use sha2::{Digest, Sha256};

use crate::options::{Jobs, Options, StoreKind};
use crate::report::{Totals, WorldReport};
use crate::weather::Hazard;

/// How many violations are printed in words.
const MAX_PRINTED: usize = 20;

/// All worlds together.
pub(crate) struct Summary {
    options: Options,
    totals: Totals,
    /// Seeds and what was found, by the number of the world.
    pub(crate) violations: BTreeMap<u64, (u64, Vec<String>)>,
    fingerprints: BTreeMap<u64, [u8; 32]>,
}

impl Summary {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, totals: Totals::default(), violations: BTreeMap::new(), fingerprints: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, index: u64, report: WorldReport) {
        self.totals.add(&report.totals);
        self.fingerprints.insert(index, report.fingerprint);
        if !report.violations.is_empty() {
            self.violations.insert(index, (report.seed, report.violations));
        }
    }

    /// Over all worlds in their order: two runs with the same one were the same run, on however many threads.
    fn fingerprint(&self) -> String {
        let mut all = Sha256::new();
        self.fingerprints.values().for_each(|fingerprint| all.update(fingerprint));
        hex::encode(&all.finalize()[..8])
    }

    pub(crate) fn table(&self, took: Duration) -> String {
        let mut text = String::new();
        let mut line = |what: &str, count: u64| {
            let _ = writeln!(text, "{what:<62}{count:>12}");
        };
        let totals = &self.totals;
        line("worlds", totals.worlds);
        line("cards", totals.cards);
        line("  finished, and nothing left to do when presented again", totals.finished);
        line("  quarantined: a person has to look", totals.quarantined);
        line("sessions", totals.sessions);
        line("commands that the cards executed", totals.commands);
        line("commits", totals.commits);
        line("records in the journals", totals.records);
        line("what went wrong", Hazard::ALL.iter().map(|hazard| totals.hazards.of(*hazard)).sum());
        for hazard in Hazard::ALL {
            line(&format!("  {}", hazard.words()), totals.hazards.of(*hazard));
        }
        line("worlds with violations", self.violations.len() as u64);
        let speed = totals.cards as f64 / took.as_secs_f64().max(1e-6);
        let _ = writeln!(text, "seed {}, fingerprint {}", self.options.seed, self.fingerprint());
        let _ = writeln!(text, "{:.1} s, {speed:.0} cards/s", took.as_secs_f64());
        self.violations_in_words(&mut text);
        text
    }

    fn violations_in_words(&self, text: &mut String) {
        if let Some((seed, _)) = self.violations.values().next() {
            let job = match self.options.job {
                Jobs::All => String::new(),
                job => job.to_possible_value().map_or(String::new(), |name| format!(" --job {}", name.get_name())),
            };
            let store = match self.options.store {
                StoreKind::Memory => "",
                StoreKind::Sqlite => " --store sqlite",
            };
            let sabotage = self.options.sabotage.map_or(String::new(), |sabotage| {
                let name = sabotage.to_possible_value();
                name.map_or(String::new(), |name| format!(" --sabotage {}", name.get_name()))
            });
            let _ = writeln!(
                text,
                "VIOLATIONS; to see every step of the first: --replay {seed:016x}{job}{store}{sabotage}"
            );
        }
        for (index, (seed, violations)) in self.violations.iter().take(MAX_PRINTED) {
            let cards = index * crate::CARDS_IN_A_WORLD;
            for violation in violations {
                let _ = writeln!(text, "seed {seed:016x} (after {cards} cards): {violation}");
            }
        }
        if self.violations.len() > MAX_PRINTED {
            let _ = writeln!(text, "and {} more worlds", self.violations.len() - MAX_PRINTED);
        }
    }
}
