//! What a person sees.

use cardwright::apdu::{ByteCount, StatusWord};
use cardwright::gp::card_data::{FileControlInformation, KeyInformation};
use cardwright::gp::command::{Scope, StatusTarget};
use cardwright::gp::procedure::CardData;
use cardwright::gp::{LifeCycle, Registry, RegistryEntry};
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use console::style;
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::work::Done;

/// A table as wide as the terminal at most.
pub(crate) fn table(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(headers.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)));
    let term = console::Term::stdout();
    if let Some((_, width)) = term.size_checked().filter(|_| term.is_term()) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(40));
    }
    match console::colors_enabled() {
        true => table.enforce_styling(),
        false => table.force_no_tty(),
    };
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table
}

pub(crate) fn print(table: &Table) {
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// A line of less weight.
pub(crate) fn remark(text: &str) {
    println!("{}", style(text).dim());
}

pub(crate) fn failure(failure: &Failure) {
    eprintln!("{} {}", style("gp:").red().bold().for_stderr(), failure.what);
    if !failure.next.is_empty() {
        eprintln!("    {}", style(&failure.next).for_stderr());
    }
}

/// Blocks of a load file on their way; nothing where nobody watches.
pub(crate) fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} block {pos} of {len}, {elapsed}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

pub(crate) fn done(done: &Done) {
    match done {
        Done::Listed(registry) => list(registry),
        Done::Loaded { load_file, bytes, blocks, application, refused_three_bytes } => {
            println!("loaded     {load_file}, {} in {blocks} blocks", ByteCount(*bytes));
            if let Some(application) = application {
                installed(application, *refused_three_bytes);
            }
        }
        Done::Installed { application, refused_three_bytes } => installed(application, *refused_three_bytes),
        Done::Deleted(aids) => aids.iter().for_each(|aid| println!("deleted    {aid}")),
        Done::NotThere { .. } => {}
        Done::KeysPut { kvn, check_values } => {
            let values: Vec<_> = check_values.iter().map(ToString::to_string).collect();
            println!("new keys   version {kvn:02X}, check values {} compared with the card's", values.join(" "));
        }
        Done::KeysDeleted => println!("keys deleted"),
        Done::StatusSet { target: StatusTarget::Card, state } => {
            println!("the card is {}", state.name(Scope::IssuerSecurityDomain));
        }
        Done::StatusSet { target, state } => {
            if let StatusTarget::Application(aid) | StatusTarget::DomainAndApplications(aid) = target {
                println!("{}   {aid}", if state.is_locked() { "locked  " } else { "unlocked" });
            }
        }
        Done::Status(None) => println!("nothing of this AID"),
        Done::Status(Some(entry)) => println!("{}  {}", entry.aid, state(entry)),
        Done::Stored(answer) if answer.is_empty() => println!("data stored"),
        Done::Stored(answer) => println!("data stored; the card answers {}", hex::encode_upper(answer)),
        Done::Answers(answers) => {
            for answer in answers {
                let sw = answer.sw();
                let words = format!("{:04X} {}", sw.0, sw.meaning());
                let words = if sw.is_ok() { style(words).green() } else { style(words).yellow() };
                match answer.data() {
                    [] => println!("{words}"),
                    data => println!("{}  {words}", hex::encode_upper(data)),
                }
            }
        }
    }
}

fn installed(application: &cardwright::apdu::Aid, refused_three_bytes: bool) {
    println!("installed  {application}, selectable");
    if refused_three_bytes {
        remark("the card refused privileges of three bytes and took one");
    }
}

/// Life cycle state in words.
pub(crate) fn state(entry: &RegistryEntry) -> String {
    entry.life_cycle.map_or_else(|| "?".into(), |state| format!("{:02X} {}", state.0, state.name(entry.scope)))
}

/// What an entry is, in words.
pub(crate) fn kind(entry: &RegistryEntry) -> &'static str {
    match entry.scope {
        Scope::IssuerSecurityDomain => "issuer security domain",
        Scope::Applications if entry.privileges.is_security_domain() => "security domain",
        Scope::Applications => "application",
        Scope::LoadFiles | Scope::LoadFilesAndModules => "load file",
    }
}

fn list(registry: &Registry) {
    let mut table = table(&["AID", "what", "state", "of, version, privileges"]);
    for entry in &registry.entries {
        let mut more = Vec::new();
        more.extend(entry.version.map(|(major, minor)| format!("version {major}.{minor}")));
        more.extend(entry.load_file.map(|aid| format!("of {aid}")));
        let privileges = entry.privileges.names();
        if !privileges.is_empty() && entry.scope != Scope::IssuerSecurityDomain {
            more.push(privileges.join(", "));
        }
        let state = Cell::new(state(entry)).fg(color(entry.life_cycle, entry.scope));
        table.add_row([Cell::new(entry.aid), Cell::new(kind(entry)), state, Cell::new(more.join("; "))]);
        for module in &entry.modules {
            table.add_row([Cell::new(format!("  {module}")), Cell::new("  module"), Cell::new(""), Cell::new("")]);
        }
    }
    print(&table);
    for scope in &registry.untold {
        let what = match scope {
            Scope::IssuerSecurityDomain => "issuer security domain",
            Scope::Applications => "applications",
            Scope::LoadFiles | Scope::LoadFilesAndModules => "load files",
        };
        remark(&format!("the card does not list its {what}, or not to the end: there may be more"));
    }
}

fn color(state: Option<LifeCycle>, scope: Scope) -> Color {
    match (scope, state) {
        (Scope::IssuerSecurityDomain, Some(LifeCycle::CARD_LOCKED | LifeCycle::TERMINATED)) => Color::Red,
        (Scope::Applications, Some(state)) if state.is_locked() => Color::Red,
        (Scope::LoadFiles | Scope::LoadFilesAndModules, _) | (_, None) => Color::Reset,
        _ => Color::Green,
    }
}

pub(crate) fn info(atr: &[u8], domain: Result<&FileControlInformation, StatusWord>, data: &CardData) {
    println!("answer to reset  {}", hex::encode_upper(atr));
    match domain {
        Ok(domain) => {
            let aid = domain.aid.map_or_else(|| "tells no AID".into(), |aid| aid.to_string());
            println!("security domain  {aid}");
            if let Some(most) = domain.max_command_data {
                println!("command data     at most {most} bytes");
            }
        }
        Err(sw) => println!("security domain  refuses SELECT: {sw}"),
    }
    if let Some(cplc) = &data.cplc {
        println!(
            "chip             fabricator {:04X}, type {:04X}, serial {}, batch {:04X}, made {:04X}",
            cplc.ic_fabricator(),
            cplc.ic_type(),
            hex::encode_upper(cplc.ic_serial()),
            cplc.ic_batch(),
            cplc.ic_fabrication_date()
        );
        println!(
            "software         {:04X} of {:04X}, level {:04X}",
            cplc.operating_system(),
            cplc.operating_system_date(),
            cplc.operating_system_level()
        );
    }
    for (name, value) in [("issuer           ", &data.iin), ("card image       ", &data.cin)] {
        if let Some(value) = value {
            println!("{name}{}", hex::encode_upper(value));
        }
    }
    if let Some(recognition) = &data.recognition {
        println!("GlobalPlatform   {}, {}", version(&recognition.version), protocols(&recognition.protocols));
    }
    if !data.keys.is_empty() {
        println!();
        keys(&data.keys);
    }
}

pub(crate) fn version(version: &[u8]) -> String {
    let parts: Vec<_> = version.iter().map(ToString::to_string).collect();
    if parts.is_empty() { "version not told".into() } else { parts.join(".") }
}

pub(crate) fn protocols(protocols: &[(u8, u8)]) -> String {
    let parts: Vec<_> = protocols.iter().map(|(scp, i)| format!("SCP{scp:02X} i={i:02X}")).collect();
    if parts.is_empty() { "no protocol told".into() } else { parts.join(", ") }
}

pub(crate) fn keys(keys: &[KeyInformation]) {
    let mut table = table(&["version", "identifier", "kind", "bits"]);
    for key in keys {
        let lengths: Vec<_> = key.components.iter().map(|(_, length)| (length * 8).to_string()).collect();
        table.add_row([format!("{:02X}", key.kvn), format!("{:02X}", key.kid), key.kind().into(), lengths.join(" + ")]);
    }
    print(&table);
}
