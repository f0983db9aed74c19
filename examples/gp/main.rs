//! Looks at and changes what is on a GlobalPlatform card: over PC/SC, a network reader, the software card, or a recorded trace.

mod as_json;
mod dry_run;
mod failure;
mod keybook;
mod look;
mod options;
mod order;
mod place;
mod relay;
mod session;
mod show;
mod stop;
mod work;

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use cardwright::apdu::{Aid, StatusWord, block_on};
use cardwright::gp::command::{Scope, StatusTarget};
use cardwright::gp::procedure::read_registry;
use cardwright::gp::{Error as GpError, LifeCycle};
use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use crate::dry_run::How;
use crate::failure::{Exit, Failure};
use crate::keybook::KeyBook;
use crate::options::{Command, Keys, OnCard, Options, Scp, Trace};
use crate::order::Order;
use crate::place::{Kind, Place};
use crate::work::{Done, Ready, Work};

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if options.json {
                println!("{}", as_json::failure(&failure));
            } else {
                show::failure(&failure);
            }
            failure.code()
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    match &options.command {
        Command::OnCard(command) => on_card(options, command, None, None),
        Command::Trace { command: Trace::Record { file, command } } => on_card(options, command, Some(file), None),
        Command::Trace { command: Trace::Replay { file, command } } => on_card(options, command, None, Some(file)),
        Command::Plan { command } => plan(options, command),
        Command::Readers => readers(options),
        Command::CardType => {
            let mut place = open(options, None, None)?;
            let result = look::card_type(&mut place, !options.json)?;
            conclude(options, &place, Value::Null, result);
            Ok(())
        }
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Options::command(), "gp", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Everything that can be wrong with files and keys is found before the card is touched.
fn on_card(options: &Options, command: &OnCard, record: Option<&Path>, replay: Option<&Path>) -> Result<(), Failure> {
    let is_software = replay.is_some() || options.place.is_software();
    let order = order::read(command)?;
    let mut book = match order {
        Order::Info | Order::Keys | Order::Plain(_) => None,
        _ => Some(KeyBook::gather(&options.keys, is_software)?),
    };
    let mut work = match order {
        Order::Info | Order::Keys | Order::Plain(_) => None,
        Order::PutKeys { name, scheme, add, irreversible } => {
            let key = book.as_ref().map(|book| book.new_key(&name, scheme)).transpose()?;
            key.map(|key| Work::PutKeys { key, add, irreversible })
        }
        Order::Work(work) => Some(work),
    };
    let domain = options.channel.target.as_ref();
    let mut place = open(options, record, replay)?;
    let (Some(work), Some(book)) = (&mut work, &mut book) else {
        let result = match command {
            OnCard::Info => look::info(&mut place, domain, !options.json)?,
            OnCard::Keys { command: Keys::List } => look::keys(&mut place, domain, !options.json)?,
            _ => plain(&mut place, command, options)?,
        };
        conclude(options, &place, Value::Null, result);
        return Ok(());
    };
    let (mut ready, protocol) = session::open(&options.channel, options.keys.kvn, &mut place, book)?;
    if let Work::PutKeys { key, .. } = work {
        book.fit(key, ready.channel.protocol().key_kind())?;
    }
    let channel = json!({
        "protocol": protocol,
        "level": ready.channel.level().to_string(),
        "version": ready.kvn,
        "diversification_data": hex::encode_upper(ready.kdd),
    });
    let done = carry_out(work, &mut place, book, &mut ready, options)?;
    if !options.json {
        show::done(&done);
        if let Work::PutKeys { key, .. } = work {
            show::remark(&format!("from now on: --key-name {} and the --scheme of these keys", key.key.name()));
        }
    }
    conclude(options, &place, channel, as_json::done(&done));
    Ok(())
}

fn open(options: &Options, record: Option<&Path>, replay: Option<&Path>) -> Result<Place, Failure> {
    stop::watch()
        .map_err(|error| Failure::new(Exit::Other, error, "Ctrl-C could end it in the middle of a command"))?;
    let mut place = match replay {
        Some(path) => place::replay(path, options.verbose)?,
        None => place::open(&options.place, options.verbose)?,
    };
    if let Some(path) = record {
        place.card = place.card.recording_to(path)?;
    }
    stop::begin_session();
    Ok(place)
}

fn carry_out(
    work: &Work,
    place: &mut Place,
    book: &mut KeyBook,
    ready: &mut Ready,
    options: &Options,
) -> Result<Done, Failure> {
    let bar = show::progress_bar();
    let mut progress = |done: usize, total: usize| {
        if !options.json {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
    };
    let done = block_on(work::carry_out(work, &mut place.card, &mut book.service, ready, &mut progress));
    bar.finish_and_clear();
    match done {
        Ok(Done::NotThere { aid, deleted }) => Err(not_there(&aid, &deleted, place, ready)),
        Ok(Done::Status(None)) => match work {
            Work::Status(Some(aid)) => Err(not_there(aid, &[], place, ready)),
            _ => Ok(Done::Status(None)),
        },
        Ok(done) => Ok(done),
        Err(error) => Err(why(error, work, place, ready)),
    }
}

/// A locked card refuses in many ways: it is asked whether it is. What could be done next is said where it is known.
fn why(error: GpError, work: &Work, place: &mut Place, ready: &mut Ready) -> Failure {
    if let (Work::SetStatus { target: StatusTarget::Application(aid), .. }, GpError::Refused { sw, .. }) =
        (work, &error)
        && *sw == StatusWord::REFERENCED_DATA_NOT_FOUND
    {
        return not_there(aid, &[], place, ready);
    }
    let is_refused = matches!(error, GpError::Refused { .. }) && work.changes() && ready.channel.is_open();
    let failure = Failure::of(error, work.changes());
    if !is_refused {
        return failure;
    }
    let card = block_on(work::status(&mut place.card, &mut ready.channel, None)).ok().flatten();
    let state = card.and_then(|card| card.life_cycle);
    let next = match (work, state) {
        (Work::SetStatus { target: StatusTarget::Card, .. }, Some(state)) => {
            let name = state.name(Scope::IssuerSecurityDomain);
            format!(
                "the card is {name}; it goes from OP_READY to INITIALIZED, SECURED, and from there to CARD_LOCKED and back: gp status --set"
            )
        }
        (_, Some(LifeCycle::CARD_LOCKED)) => {
            let what = format!("{}. The card is locked (CARD_LOCKED)", failure.what);
            return Failure { exit: Exit::Locked, what, next: "gp unlock unlocks it".into(), sw: failure.sw };
        }
        (Work::Delete { dependent: false, .. }, _) => {
            "gp list shows what depends on it; --dependent deletes that as well".into()
        }
        (Work::Load { .. }, _) => {
            "gp list shows what is there; gp delete --dependent AID makes room for another version".into()
        }
        (Work::Install(_), _) => {
            "--load-file and --module are not the same on all makes of card: gp list shows them".into()
        }
        _ => return failure,
    };
    Failure { next, ..failure }
}

/// An AID typed wrong is often near to one that is there.
fn not_there(aid: &Aid, deleted: &[Aid], place: &mut Place, ready: &mut Ready) -> Failure {
    let registry = block_on(read_registry(&mut place.card, &mut ready.channel)).unwrap_or_default();
    let distance = |other: &Aid| strsim::levenshtein(&other.to_string(), &aid.to_string());
    let near = registry.entries.iter().map(|entry| entry.aid).min_by_key(distance).filter(|other| distance(other) <= 4);
    let mut what = format!("there is nothing with AID {aid} on the card");
    if !deleted.is_empty() {
        let before: Vec<_> = deleted.iter().map(ToString::to_string).collect();
        what += &format!("; {} was deleted before", before.join(", "));
    }
    let next = match near {
        Some(near) => format!("is {near} meant? gp list shows all"),
        None => "gp list shows what there is".into(),
    };
    Failure::new(Exit::Refused, what, next)
}

fn plain(place: &mut Place, command: &OnCard, options: &Options) -> Result<Value, Failure> {
    let Order::Plain(commands) = order::read(command)? else { return Ok(Value::Null) };
    let answers = block_on(work::send_plain(&mut place.card, &commands)).map_err(|error| Failure::of(error, true))?;
    let done = Done::Answers(answers);
    if !options.json {
        show::done(&done);
    }
    Ok(as_json::done(&done))
}

fn plan(options: &Options, command: &OnCard) -> Result<(), Failure> {
    let mut book = KeyBook::gather(&options.keys, true)?;
    let kind = match options.place.scp {
        Scp::Scp02 => cardwright::keys::KeyKind::Tdes,
        Scp::Scp03 => cardwright::keys::KeyKind::Aes,
    };
    let work = match order::read(command)? {
        Order::Work(work) => Ok(work),
        Order::PutKeys { name, scheme, add, irreversible } => {
            let mut key = book.new_key(&name, scheme)?;
            book.fit(&mut key, kind)?;
            Ok(Work::PutKeys { key, add, irreversible })
        }
        Order::Plain(commands) => Err(commands),
        order @ (Order::Info | Order::Keys) => Err(order::of_looking(&order)),
    };
    let (scp, level) = (options.place.scp, options.channel.level);
    let profile = session::profile(&options.channel)?;
    let plan = match &work {
        Ok(work) => {
            let how = How { scp, level, profile, candidates: &book.candidates };
            dry_run::of_work(work, &how, &mut book.service)?
        }
        Err(commands) => dry_run::of_commands(commands)?,
    };
    if options.json {
        println!("{}", json!({ "ok": true, "plan": plan }));
    } else {
        dry_run::show(&plan);
    }
    Ok(())
}

fn readers(options: &Options) -> Result<(), Failure> {
    let readers = place::readers()?;
    if options.json {
        println!("{}", json!({ "ok": true, "readers": readers }));
    } else if readers.is_empty() {
        println!("no reader is plugged in");
    } else {
        readers.iter().for_each(|reader| println!("{reader}"));
    }
    Ok(())
}

/// What the card was, and what it took.
fn conclude(options: &Options, place: &Place, channel: Value, result: Value) {
    let card = &place.card;
    if options.json {
        let whole = json!({
            "ok": true,
            "card": { "kind": place.kind.name(), "name": place.name },
            "channel": channel,
            "result": result,
            "commands": card.commands,
            "sent": card.sent,
            "received": card.received,
        });
        println!("{whole}");
        return;
    }
    let where_it_is = match place.kind {
        Kind::Software => format!("software card {} (--reader NAME for a real one)", place.name),
        Kind::Reader => place.name.clone(),
        Kind::Network | Kind::Relay => format!("card at {}", place.name),
        Kind::Trace => format!("trace {}", place.name),
    };
    let channel = match (channel["protocol"].as_str(), channel["level"].as_str()) {
        (Some(protocol), Some(level)) => format!("{protocol}, level {level}; "),
        _ => String::new(),
    };
    show::remark(&format!(
        "{where_it_is}; {channel}{} command{}, {} bytes to the card, {} from it",
        card.commands,
        if card.commands == 1 { "" } else { "s" },
        card.sent,
        card.received
    ));
}

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
