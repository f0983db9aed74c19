//! The server's half: the order, the keys, the journal, and the machine that decides.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use cardwright::apdu::Aid;
use cardwright::gp::DescriptorPolicy;
use cardwright::gp::load_file::{CapFile, PackageVersion};
use cardwright::gp::procedure::{KeyCandidate, KeyScheme};
use cardwright::issuance::remote::{self, ApplicationKeys, ApplicationOrder, DeleteOrder, IssueError, Order, Outcome};
use cardwright::issuance::store::{Journal, SqliteStore};
use cardwright::issuance::{Conversation, Driver};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright::relay::{RemoteCard, SessionId};
use cardwright_capgen::default_payment_cap;
use rand_chacha::rand_core::Rng;

use crate::display::Display;
use crate::options::Options;
use crate::shared::card::Meter;
use crate::shared::persons::release_all;
use crate::shared::run::{self, chance, now, random};
use crate::terminal;

const MAX_CAP: u64 = 32 << 20;

/// Both halves together.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    // Everything that can be wrong with files is found before anything is sent.
    options.check_paths()?;
    if let Some(path) = &options.write_cap {
        return write_cap(path);
    }
    options.check_card()?;
    let mut order = order(options)?;
    let mut rng = chance(options.seed)?;
    let mut store = SqliteStore::open(&options.journal)?;
    if options.release_quarantine {
        order.release = Some(release_all(&store, now())?);
    }
    let meter = Arc::new(Meter::default());
    let serve = terminal::open(options, rng.next_u64(), Arc::clone(&meter))?;

    let (from_server, to_terminal) = pipe()?;
    let (from_terminal, to_server) = pipe()?;
    let client = std::thread::spawn(move || serve(from_server, to_server));
    let mut session = [0; 16];
    rng.fill_bytes(&mut session);
    let mut card = RemoteCard::new(SessionId(session), from_terminal, to_terminal);

    let display = Display::new(!options.trace);
    let mut keys = test_keys()?;
    let mut driver = Driver {
        card: &mut card,
        keys: &mut keys,
        store: &mut store,
        clock: &mut now,
        random: &mut || random(&mut rng),
        notice: &mut |notice| display.notice(&notice),
    };
    let code = match (options.delete, options.used) {
        (Some(aid), _) => {
            let order = DeleteOrder { aid, force: options.force, access: order };
            finish(&mut driver, &display, remote::delete(order), |report| display.deleted(&report, &aid))
        }
        (_, Some(aid)) => finish(&mut driver, &display, remote::record_use(aid), |card| {
            println!("recorded: {aid} on card {card} was used");
        }),
        _ => finish(&mut driver, &display, remote::issue(order), |report| display.report(&report)),
    };
    display.finish();
    let closed = card.close();
    let ended = client.join().map_err(|_| "the terminal ended in a panic")?;
    if let (Ok(_), Err(error)) = (&code, closed.and(ended)) {
        eprintln!("the terminal: {error}");
    }
    println!("{meter}");
    options.tear.report(meter.commands());
    println!("record: {} ({} entries)", options.journal.display(), store.head()?.seq);
    match (&options.reader, options.listen) {
        (Some(reader), _) => println!("reader: {reader}"),
        (_, Some(port)) => println!("reader: port {port}"),
        _ => println!("card:   {}", options.card_path().display()),
    }
    code
}

fn finish<T>(
    driver: &mut Driver<'_>,
    display: &Display,
    machine: Conversation<Result<Outcome<T>, IssueError>>,
    show: impl FnOnce(T),
) -> Result<ExitCode, Box<dyn Error>> {
    let outcome = driver.run(machine)?;
    display.finish();
    let outcome = outcome.map_err(|error| match error {
        IssueError::OpenDeletion { aid } => {
            format!("{error}: this command with --delete {aid}, and --force if it was given then").into()
        }
        error => Box::<dyn Error>::from(error),
    });
    Ok(run::finish(outcome?, show))
}

/// A file for `--cap` and for the example `cap_info`.
fn write_cap(path: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let name = path.display();
    let mut file = File::create_new(path).map_err(|error| format!("{name}: {error}"))?;
    file.write_all(&default_payment_cap()).map_err(|error| format!("{name}: {error}"))?;
    println!("CAP file: {name}");
    Ok(ExitCode::SUCCESS)
}

/// What the card is to become.
fn order(options: &Options) -> Result<Order, Box<dyn Error>> {
    let cap = match &options.cap {
        Some(path) => {
            let name = path.display();
            let mut bytes = Vec::new();
            // A CAP file is far smaller; whatever does not end is not read to its end.
            File::open(path)
                .and_then(|file| file.take(MAX_CAP).read_to_end(&mut bytes))
                .map_err(|error| format!("{name}: {error}"))?;
            CapFile::parse(&bytes).map_err(|error| format!("{name}: {error}"))?
        }
        None => CapFile::parse(&default_payment_cap())?,
    };
    let module: Aid = cap.applets().first().ok_or("the CAP file holds no applet: there is nothing to install")?.aid;
    let PackageVersion { major, minor } = cap.package_version();
    let load_file = cap.to_load_file(DescriptorPolicy::Omit)?;
    // The protocol may be either; both must be able to number the blocks.
    for protocol in [cardwright::gp::channel::Protocol::Scp02, cardwright::gp::channel::Protocol::Scp03] {
        load_file.number_of_blocks(protocol.max_data(options.level, 255))?;
    }
    let candidate = |name: &str, kind, scheme| KeyCandidate::new(KeyRef::new(name), kind, scheme);
    let keys = ApplicationKeys {
        initial_master: KeyRef::new("application-initial"),
        master: KeyRef::new("application-master"),
        maintenance: KeyRef::new("application-maintenance"),
    };
    Ok(Order {
        level: options.level,
        profile: options.card_profile()?,
        override_lockout: options.override_lockout,
        replace_initial_keys: options.replace_initial_keys,
        ..Order::new(
            vec![
                candidate("test-aes", KeyKind::Aes, KeyScheme::AsIs),
                candidate("test-des", KeyKind::Tdes, KeyScheme::AsIs),
            ],
            vec![
                candidate("domain-aes", KeyKind::Aes, KeyScheme::Kdf3),
                candidate("domain-des", KeyKind::Tdes, KeyScheme::Emv),
            ],
            vec![ApplicationOrder::new(load_file, module, keys).with_version(major, minor)],
        )
    })
}

/// Published test keys; a real server has an HSM here.
fn test_keys() -> Result<SoftwareKeys, Box<dyn Error>> {
    let mut keys = SoftwareKeys::new();
    for (name, kind, value) in [
        ("test-aes", KeyKind::Aes, "404142434445464748494A4B4C4D4E4F"),
        ("test-des", KeyKind::Tdes, "404142434445464748494A4B4C4D4E4F"),
        ("domain-aes", KeyKind::Aes, "000102030405060708090A0B0C0D0E0F"),
        ("domain-des", KeyKind::Tdes, "A1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4"),
        ("application-initial", KeyKind::Tdes, "00112233445566778899AABBCCDDEEFF"),
        ("application-master", KeyKind::Tdes, "11223344556677888877665544332211"),
        ("application-maintenance", KeyKind::Tdes, "FFEEDDCCBBAA99887766554433221100"),
    ] {
        keys.insert(name, kind, &hex::decode(value)?)?;
    }
    Ok(keys)
}
