//! The run: which card it is, the order for it, the machine, and what a person sees of it.

use std::error::Error;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use cardwright::apdu::Transport;
use cardwright::issuance::script::{ScriptReport, run_script};
use cardwright::issuance::store::{Journal, SqliteStore};
use cardwright::issuance::{Driver, Notice};
use cardwright::keys::KeyService;
use indicatif::{ProgressBar, ProgressStyle};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::account::Keeper;
use crate::options::Options;
use crate::shared::card::{Meter, Metered};
use crate::shared::persons::release_all;
use crate::shared::run::{chance, finish, now, random};
use crate::{card, load, order};

/// What all stages with one card need.
pub(crate) struct Session<'s> {
    pub(crate) card: Metered,
    keys: &'s mut dyn KeyService,
    store: &'s mut SqliteStore,
    rng: &'s mut ChaCha20Rng,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    // Everything that can be wrong with files is found before anything is sent.
    options.check_paths()?;
    let mut keys = order::keys(options)?;
    let mut rng = chance(options.seed)?;
    let mut keeper = options.load.map(|_| Keeper::open(&options.account_path())).transpose()?;
    let mut store = SqliteStore::open(&options.journal)?;
    let meter = Arc::new(Meter::default());
    let card = card::open(options, rng.next_u64(), Arc::clone(&meter))?;
    let mut session = Session { card, keys: &mut keys, store: &mut store, rng: &mut rng };
    let code = stages(options, &mut session, keeper.as_mut());
    let commands = meter.commands();
    println!("{commands} commands");
    options.tear.report(commands);
    println!("record: {} ({} entries)", options.journal.display(), store.head()?.seq);
    if keeper.is_some() {
        println!("account: {}", options.account_path().display());
    }
    match &options.reader {
        Some(reader) => println!("reader: {reader}"),
        None => println!("card:   {}", options.card_path().display()),
    }
    code
}

/// One stage after the other, as long as each is complete.
fn stages(
    options: &Options,
    session: &mut Session<'_>,
    keeper: Option<&mut Keeper>,
) -> Result<ExitCode, Box<dyn Error>> {
    let code = issue(options, session)?;
    match (options.load, keeper) {
        (Some(amount), Some(keeper)) if code == ExitCode::SUCCESS => {
            load::run(&options.load_id, amount, session, keeper)
        }
        _ => Ok(code),
    }
}

/// Runs the script.
fn issue(options: &Options, session: &mut Session<'_>) -> Result<ExitCode, Box<dyn Error>> {
    let atr = Transport::reset(&mut session.card)?;
    let (name, profile) = order::profile(options, &atr)?;
    println!("Card with answer to reset {}", hex::encode_upper(&atr));
    println!("  kind     {}", name.as_deref().unwrap_or("not in the table of card types"));
    println!("  profile  {}", profile.name);
    let mut order = order::order(options, profile)?;
    if options.release_quarantine {
        order.release = Some(release_all(&*session.store, now())?);
    }
    println!("Script {:?}, {} steps", order.script.name, order.script.steps.len());
    let display = Display::new(order.script.steps.len(), !options.trace);
    let outcome = session.drive(|notice| display.notice(&notice), |driver| driver.run(run_script(order)))?;
    display.finish();
    Ok(finish(outcome?, |report| show(&report)))
}

impl Session<'_> {
    pub(crate) fn drive<T>(&mut self, mut notice: impl FnMut(Notice), run: impl FnOnce(&mut Driver<'_>) -> T) -> T {
        let rng = &mut *self.rng;
        run(&mut Driver {
            card: &mut self.card,
            keys: self.keys,
            store: self.store,
            clock: &mut now,
            random: &mut || random(rng),
            notice: &mut notice,
        })
    }
}

fn show(report: &ScriptReport) {
    println!("\nCard {}", report.card);
    println!("  steps on record   {}", report.steps);
    println!("  read back         {}", report.read_back);
    for (title, names) in [
        ("not readable", &report.unreadable),
        ("keys proved", &report.proved),
        ("keys not asked for", &report.unproved),
    ] {
        for (n, name) in names.iter().enumerate() {
            println!("  {:18}{name}", if n == 0 { title } else { "" });
        }
    }
    println!("\n{}", if report.changed { "complete" } else { "complete before, nothing was left to do" });
}

/// A progress bar at a terminal, else a line for each stage and for what is out of the ordinary.
struct Display(Option<ProgressBar>);

impl Display {
    fn new(steps: usize, with_bar: bool) -> Self {
        Self((with_bar && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(steps as u64);
            if let Ok(style) = ProgressStyle::with_template("  {bar:40} step {pos} of {len}, {msg}") {
                bar.set_style(style);
            }
            bar
        }))
    }

    fn notice(&self, notice: &Notice) {
        match (notice, &self.0) {
            (Notice::Step { step, outcome }, Some(bar)) => {
                bar.inc(u64::from(outcome.starts_with("done")));
                bar.set_message(step.clone());
            }
            (Notice::Step { step, outcome }, None) => println!("  {step}: {outcome}"),
            (Notice::Stage(stage), Some(bar)) => bar.println(format!("{stage} ..")),
            (Notice::Stage(stage), None) => println!("{stage} .."),
            _ => {}
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
