//! What a person sees: the card, tables, a progress bar.

use std::cell::RefCell;

use cardwright::apdu::Aid;
use cardwright::issuance::Notice;
use cardwright::issuance::remote::{ApplicationRow, CardFacts, Report};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Display {
    bar: RefCell<Option<ProgressBar>>,
    with_bar: bool,
}

impl Display {
    pub(crate) fn new(with_bar: bool) -> Self {
        Self { bar: RefCell::new(None), with_bar }
    }

    pub(crate) fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Card(facts) => show_card(facts),
            Notice::Applications(rows) => show_rows("On the card", rows),
            Notice::Stage(stage) => self.line(&format!("{stage} ..")),
            Notice::Loading { done, total } => self.progress(*done, *total),
            Notice::Step { step, outcome } => self.line(&format!("  {step}: {outcome}")),
            _ => {}
        }
    }

    fn line(&self, text: &str) {
        self.finish();
        println!("{text}");
    }

    fn progress(&self, done: usize, total: usize) {
        if done == total {
            self.line(&format!("  {total} blocks"));
            return;
        }
        if !self.with_bar {
            return;
        }
        let mut bar = self.bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template("  {bar:40} block {pos} of {len}, {elapsed}") {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(done as u64);
    }

    /// Takes the progress bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }

    pub(crate) fn deleted(&self, report: &Report, aid: &Aid) {
        self.finish();
        show_rows("Now on the card", &report.after);
        let how = if report.changed { "is deleted" } else { "was deleted before, nothing was left to do" };
        println!("{aid} {how}; {}, security domain keys version {:02X}", report.protocol, report.kvn);
    }

    pub(crate) fn report(&self, report: &Report) {
        self.finish();
        show_rows("Now on the card", &report.after);
        println!(
            "{}; {}, security domain keys version {:02X}",
            if report.changed { "complete" } else { "complete before, nothing was left to do" },
            report.protocol,
            report.kvn
        );
    }
}

fn show_card(facts: &CardFacts) {
    println!("Card {}", facts.identity);
    println!("  answer to reset         {}", hex::encode_upper(&facts.atr));
    if let Some(aid) = facts.domain {
        println!("  issuer security domain  {aid}");
    }
    if let Some(cplc) = &facts.data.cplc {
        println!(
            "  production life cycle   fabricator {:04X}, IC {:04X}, operating system {:04X} of {:04X}",
            cplc.ic_fabricator(),
            cplc.ic_type(),
            cplc.operating_system(),
            cplc.operating_system_date()
        );
        println!(
            "                          serial {}, batch {:04X}, fabricated {:04X}",
            hex::encode_upper(cplc.ic_serial()),
            cplc.ic_batch(),
            cplc.ic_fabrication_date()
        );
    }
    if let Some(data) = &facts.data.recognition {
        let version: Vec<_> = data.version.iter().map(ToString::to_string).collect();
        let protocols: Vec<_> = data.protocols.iter().map(|(scp, i)| format!("SCP{scp:02X} i={i:02X}")).collect();
        println!("  recognition             GlobalPlatform {}, {}", version.join("."), protocols.join(", "));
    }
    for key in &facts.data.keys {
        let lengths: Vec<_> = key.components.iter().map(|(_, length)| (length * 8).to_string()).collect();
        println!(
            "  key                     version {:02X}, identifier {:02X}, {} {} bits",
            key.kvn,
            key.kid,
            key.kind(),
            lengths.join(" + ")
        );
    }
}

fn show_rows(title: &str, rows: &[ApplicationRow]) {
    let width = rows.iter().map(|row| row.aid.as_bytes().len() * 2).max().unwrap_or(0).max(3);
    println!("\n{title}");
    println!("  {:width$}  {:22}  {:12}  status", "AID", "object", "life cycle");
    for row in rows {
        let status = row.status.map(|status| status.to_string()).unwrap_or_default();
        let line = format!("  {:width$}  {:22}  {:12}  {status}", row.aid.to_string(), row.kind, row.state);
        println!("{}", line.trim_end());
    }
    println!();
}
