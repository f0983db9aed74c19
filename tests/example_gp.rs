//! The example `gp` as a user runs it: what it sends, says and leaves, and its exit status.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cardwright::apdu::transport::vpcd::VirtualCard;
use cardwright::apdu::{CommandApduRef, Transport, TransportError};
use cardwright::gp::DescriptorPolicy;
use cardwright::gp::load_file::CapFile;
use cardwright::relay::{Identity, Stay, TerminalClient, TerminalLimits};
use cardwright_capgen::CapBuilder;
use cardwright_sim::{CardFile, CardLifeCycle, JavaCard, SimReader};
use serde_json::Value;
use support::{SCP02, SCP03, card};

const APPLET: &str = "A00000038698070101";
const PACKAGE: &str = "A0000003869807";
/// Keys with check values that are right.
const KEYS: &str = "first AES 000102030405060708090A0B0C0D0E0F C35280\n";

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a card in this state in the file that is taken without being told.
    fn with_card(card: JavaCard) -> Self {
        let desk = Self::new();
        CardFile::create(desk.path().join("gp.card"), card).unwrap();
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn gp(&self, options: &str) -> Output {
        self.command(options).output().unwrap()
    }

    fn command(&self, options: &str) -> std::process::Command {
        let mut command = support::example("gp");
        command.current_dir(self.path()).args(options.split_whitespace());
        command.env_remove("CARDWRIGHT_KEY").env("XDG_STATE_HOME", self.path().join("state"));
        command
    }

    fn json(&self, options: &str) -> Value {
        let output = self.gp(&format!("--json {options}"));
        assert!(output.status.success(), "{options}: {}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Ends with this exit status and says these things.
    fn fails(&self, options: &str, exit: i32, words: &[&str]) {
        let output = self.gp(options);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(exit), "{options}: {said}");
        for expected in words {
            assert!(said.contains(expected), "{options}: {expected:?} is not in {said}");
        }
        let output = self.gp(&format!("--json {options}"));
        assert_eq!(output.status.code(), Some(exit), "{options}: {}", text(&output));
        if exit != 2 || !output.stdout.is_empty() {
            let value: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&value["ok"], &value["exit"]), (&false.into(), &exit.into()), "{value}");
            assert!(value["what"].as_str().is_some_and(|what| !what.is_empty()), "{value}");
        }
    }

    fn write_cap(&self, bytes: usize) -> CapFile {
        let (package, applet) = (PACKAGE.parse().unwrap(), APPLET.parse().unwrap());
        let archive = CapBuilder::new(package).applet(applet).min_data_block_len(bytes).archive().unwrap();
        std::fs::write(self.path().join("applet.cap"), &archive).unwrap();
        CapFile::parse(&archive).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A card that counts what comes over the network, and may take its time.
struct Counting {
    card: SimReader,
    names: Arc<Mutex<Vec<&'static str>>>,
    pause: Duration,
}

impl Transport for Counting {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        std::thread::sleep(self.pause);
        self.names.lock().unwrap().push(CommandApduRef::parse(command).unwrap().name());
        Transport::transmit(&mut self.card, command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        Transport::reset(&mut self.card)
    }
}

/// Runs gp as a network reader, connects this card to it, and gives what came to the card.
fn over_the_network(
    desk: &Desk,
    options: &str,
    card: JavaCard,
    pause: Duration,
    meanwhile: impl FnOnce(&Child, &Mutex<Vec<&'static str>>),
) -> (Vec<&'static str>, Output) {
    let mut child = desk
        .command(&format!("--listen 0 --test-keys {options}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    // Warnings may come before.
    while !first.contains("waiting for a card at") {
        assert_ne!(said.read_line(&mut first).unwrap(), 0, "{first}");
    }
    let address = first.trim().rsplit(' ').next().unwrap().to_owned();
    let names = Arc::new(Mutex::new(Vec::new()));
    let mut counting = Counting { card: SimReader::new(card), names: names.clone(), pause };
    let server = std::thread::spawn(move || {
        let _ = VirtualCard::connect(address).unwrap().serve(&mut counting);
    });
    meanwhile(&child, &names);
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    let mut output = child.wait_with_output().unwrap();
    output.stderr = (first + &rest).into_bytes();
    server.join().unwrap();
    let names = names.lock().unwrap().clone();
    (names, output)
}

/// The floor that the standard leaves, counted by the card on the other side of a socket.
#[test]
fn no_command_is_sent_that_need_not_be() {
    const CHANNEL: [&str; 3] = ["SELECT", "INITIALIZE UPDATE", "EXTERNAL AUTHENTICATE"];
    let desk = Desk::new();
    std::fs::write(desk.path().join("keys"), KEYS).unwrap();
    let load_file = desk.write_cap(3000).to_load_file(DescriptorPolicy::Omit).unwrap();
    let blocks = load_file.as_bytes().len().div_ceil(239);
    let mut load = vec!["INSTALL [for load]"];
    load.extend(vec!["LOAD"; blocks]);
    load.push("INSTALL [for install and make selectable]");
    for (options, expected) in [
        ("list", vec!["GET STATUS"; 3]),
        ("install applet.cap", load),
        ("--key-file keys keys put first", vec!["PUT KEY"]),
        ("status", vec!["GET STATUS"]),
        ("apdu --secure 80CA006600", vec!["GET DATA"]),
    ] {
        let (names, output) = over_the_network(&desk, options, card(SCP03), Duration::ZERO, |_, _| {});
        assert!(output.status.success(), "{options}: {}", text(&output));
        assert_eq!(names, [&CHANNEL[..], &expected].concat(), "{options}");
    }
    for (options, expected) in
        [("keys list", vec!["SELECT", "GET DATA"]), ("info", vec!["SELECT", "GET DATA", "GET DATA", "GET DATA"])]
    {
        let (names, output) = over_the_network(&desk, options, card(SCP03), Duration::ZERO, |_, _| {});
        assert!(output.status.success(), "{options}: {}", text(&output));
        assert_eq!(names, expected, "{options}");
    }
}

#[test]
fn the_card_of_an_enrolled_terminal_is_used_like_a_local_one() {
    let (server, kiosk) = (Identity::new(&[1; 32]), Identity::new(&[2; 32]));
    let desk = Desk::new();
    std::fs::write(desk.path().join("server.key"), hex::encode([1; 32])).unwrap();
    for (standing, exit) in [("admitted", 0), ("suspended", 4)] {
        std::fs::write(desk.path().join("roster"), format!("kiosk-1 {} {standing}\n", kiosk.public_key())).unwrap();
        let mut command = desk.command("--json --relay 0 --identity server.key --roster roster --test-keys list");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut first = String::new();
        while !first.contains("waiting for a terminal at") {
            assert_ne!(said.read_line(&mut first).unwrap(), 0, "{first}");
        }
        let address = first.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let mut reader = SimReader::new(card(SCP03));
        let stay = Stay { slot: 0, insertion: [7; 8], atr: vec![0x3B, 0x00] };
        let limits = TerminalLimits { give_up: Duration::ZERO, ..TerminalLimits::default() };
        let client = TerminalClient::new(Identity::new(&[2; 32]), vec![server.public_key()], limits);
        let served = client.serve(address, &stay, &mut reader, |_| {});
        assert_eq!(served.is_ok(), exit == 0, "{served:?}");
        if exit != 0 {
            // Nobody else comes.
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(reader.commands(), 0);
            continue;
        }
        let output = child.wait_with_output().unwrap();
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&value["card"]["kind"], &value["card"]["name"]), (&"relay".into(), &"terminal kiosk-1".into()));
        assert_eq!((value["commands"].as_u64(), reader.commands()), (Some(6), 6));
    }
    desk.fails("--relay 0 --identity none --roster roster --test-keys list", 9, &["none"]);
    desk.fails("--relay 0 --test-keys list", 2, &["--identity"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_lets_the_command_end_and_sends_no_other() {
    let desk = Desk::new();
    desk.write_cap(8000);
    let sent = AtomicU64::new(0);
    let interrupt = |child: &Child, names: &Mutex<Vec<&'static str>>| {
        while names.lock().unwrap().len() < 8 {
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(status.success());
        sent.store(names.lock().unwrap().len() as u64, Ordering::Relaxed);
    };
    let (names, output) =
        over_the_network(&desk, "install applet.cap", card(SCP03), Duration::from_millis(30), interrupt);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("ended by Ctrl-C, after command") && said.contains("LOAD"), "{said}");
    assert!(said.contains("no command was under way"), "{said}");
    assert!(names.len() as u64 <= sent.load(Ordering::Relaxed) + 2, "{names:?}");
    assert!(!names.contains(&"INSTALL [for install and make selectable]"), "{names:?}");
}

#[test]
fn installs_lists_locks_and_deletes_on_both_protocols() {
    for protocol in [SCP02, SCP03] {
        let desk = Desk::with_card(card(protocol));
        desk.write_cap(1000);
        let loaded = desk.json("install applet.cap --parameters 0102 --privileges 04");
        assert_eq!(loaded["result"]["application"], APPLET);
        let entries = desk.json("list")["result"]["entries"].clone();
        let found: Vec<_> = entries.as_array().unwrap().iter().map(|entry| (&entry["what"], &entry["aid"])).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(entries[1]["privileges"], "040000");
        let words = text(&desk.gp("list"));
        for expected in [APPLET, "SELECTABLE", "of A0000003869807", "version 1.0", "Card Reset"] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
        assert!(text(&desk.gp(&format!("lock {APPLET}"))).contains("locked"));
        assert_eq!(desk.json(&format!("status {APPLET}"))["result"]["words"], "87 LOCKED");
        desk.json(&format!("unlock {APPLET}"));
        assert_eq!(desk.json(&format!("status {APPLET}"))["result"]["state"], 7);
        desk.fails(&format!("delete {PACKAGE}"), 7, &["6985", "--dependent deletes that as well"]);
        desk.json(&format!("delete --dependent {PACKAGE}"));
        assert_eq!(desk.json("list")["result"]["entries"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn new_keys_are_checked_and_open_the_next_session() {
    let desk = Desk::new();
    let keys = format!("{KEYS}des DES 11223344556677888877665544332211 491510\n");
    std::fs::write(desk.path().join("keys"), keys).unwrap();
    desk.fails("--key-file keys keys put other", 5, &["there is no key \"other\"", "first, des"]);
    desk.fails("--key-file keys keys put des", 5, &["key \"des\" is for", "the card's protocol takes"]);
    let put = desk.json("--key-file keys keys put first --new-scheme kdf3");
    assert_eq!((&put["result"]["version"], &put["commands"]), (&1.into(), &4.into()));
    assert!(desk.json("--key-file keys --key-name first --scheme kdf3 list")["ok"].as_bool().unwrap());
    desk.fails("list", 5, &["wrong keys", "EXTERNAL AUTHENTICATE was not sent", "--key-file"]);
    let listed = desk.json("keys list");
    assert_eq!(listed["result"]["keys"].as_array().unwrap().len(), 3);
    assert_eq!(listed["commands"], 2);
}

#[test]
fn two_wrong_attempts_and_the_card_is_left_alone() {
    let desk = Desk::new();
    std::fs::write(desk.path().join("new"), KEYS).unwrap();
    desk.json("--key-file new keys put first");
    // The software card is expected to have the test keys.
    let first = desk.gp("list");
    assert_eq!(first.status.code(), Some(5), "{}", text(&first));
    let second = desk.gp("list");
    assert_eq!(second.status.code(), Some(5), "{}", text(&second));
    assert!(text(&second).contains("in a row: 2"), "{}", text(&second));
    desk.fails("--key-file new list", 6, &["2 failed authentications", "--override-lockout"]);
    let opened = desk.json("--key-file new --override-lockout list");
    assert!(opened["commands"].as_u64().unwrap() > 6, "the card was asked who it is");
    assert_eq!(desk.json("--key-file new list")["commands"], 6, "and is not any more");
}

#[test]
fn keys_come_from_the_environment_a_file_or_with_a_warning() {
    let desk = Desk::new();
    desk.json("info");
    let test = "404142434445464748494A4B4C4D4E4F";
    let warned = desk.gp(&format!("--key {test} list"));
    assert!(warned.status.success() && text(&warned).contains("warning: every user"), "{}", text(&warned));
    for (key, exit) in
        [(format!("{test} 504A77"), 0), (format!("{test} 504A78"), 5), ("4041".into(), 5), ("xyz".into(), 5)]
    {
        let output = desk.command("list").env("CARDWRIGHT_KEY", &key).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{key}: {}", text(&output));
        assert!(!text(&output).contains(test), "{}", text(&output));
    }
    std::fs::write(desk.path().join("keys"), "issuer AES 4041 504A77\n").unwrap();
    desk.fails("--key-file keys list", 9, &["keys: no key of this kind has 2 bytes", "the card was left alone"]);
    desk.fails("--key-file none list", 9, &["none"]);
}

#[test]
fn a_card_that_is_locked_or_terminated_is_told() {
    let desk = Desk::with_card(JavaCard::builder().protocol(SCP03).life_cycle(CardLifeCycle::CardLocked).build());
    desk.write_cap(500);
    desk.fails("install applet.cap", 8, &["The card is locked (CARD_LOCKED)", "gp unlock"]);
    desk.json("unlock");
    desk.json("install applet.cap");
    desk.fails("status --set initialized", 7, &["the card is SECURED"]);
    desk.fails("status --set terminated", 2, &["--irreversible"]);
    desk.json("status --set terminated --irreversible");
    desk.fails("list", 8, &["terminated"]);
    assert_eq!(desk.json("info")["result"]["select"], "6985", "a terminated card still tells what it was");
}

#[test]
fn bad_input_is_named_before_the_card_is_touched() {
    let desk = Desk::new();
    std::fs::write(desk.path().join("no.cap"), "PK\u{3}\u{4} no archive").unwrap();
    desk.fails("install no.cap", 9, &["no.cap", "nothing was sent"]);
    desk.fails("install missing.cap", 9, &["missing.cap"]);
    desk.write_cap(500);
    desk.fails("install applet.cap --module A0000003869808", 2, &["has no applet A0000003869808", APPLET]);
    desk.fails("delete A00000", 2, &["A00000"]);
    desk.fails("delete A00000038698Q7", 2, &["A00000038698Q7"]);
    desk.fails("apdu 00A404000", 2, &["digits"]);
    desk.fails("apdu 00A4", 2, &["00A4"]);
    desk.fails("--level 07 list", 2, &["security level"]);
    desk.fails("--profile none list", 2, &["there is no card profile \"none\"", "yubikey"]);
    assert!(!desk.path().join("gp.ledger").exists(), "no session was begun");
    std::fs::write(desk.path().join("gp.card"), "no card").unwrap();
    desk.fails("list", 9, &["gp.card", "--card"]);
    desk.fails("--listen nowhere:1x --test-keys list", 4, &["--listen"]);
    desk.fails("--ledger applet.cap --card other.card list", 9, &["applet.cap", "--ledger"]);
    if cfg!(not(feature = "pcsc")) {
        desk.fails("--reader X --test-keys list", 4, &["--features pcsc"]);
        desk.fails("readers", 4, &["--features pcsc"]);
    }
    desk.fails("--listen 0 list", 5, &["no key was given", "--test-keys"]);
}

#[test]
fn an_aid_typed_wrong_is_answered_with_the_one_that_is_near() {
    let desk = Desk::new();
    desk.write_cap(500);
    desk.json("install applet.cap");
    desk.fails(
        "delete A00000038698070111",
        7,
        &["there is nothing with AID A00000038698070111", "is A00000038698070101 meant?"],
    );
    for command in ["lock", "unlock", "status"] {
        desk.fails(
            &format!("{command} A00000038698070111"),
            7,
            &["there is nothing with AID", "is A00000038698070101 meant?"],
        );
    }
    desk.fails("delete D27600012401", 7, &["there is nothing", "gp list shows what there is"]);
}

/// What is planned is what is sent: the same names, headers and lengths as in the trace of the run.
#[test]
fn a_plan_is_what_is_sent() {
    for (scp, options) in
        [("02", "install applet.cap"), ("03", "install applet.cap"), ("03", "--level 33 list"), ("02", "status")]
    {
        let desk = Desk::new();
        desk.write_cap(2000);
        let plan = desk.json(&format!("--scp {scp} plan {options}"));
        assert!(!desk.path().join("gp.card").exists(), "a plan needs no card");
        desk.json(&format!("--scp {scp} trace record run.trace {options}"));
        let trace = std::fs::read_to_string(desk.path().join("run.trace")).unwrap();
        let sent: Vec<_> = trace
            .lines()
            .skip(1)
            .map(|line| {
                let exchange: Value = serde_json::from_str(line).unwrap();
                let command = exchange["command"].as_str().unwrap();
                (command[..8].to_owned(), command.len() as u64 / 2)
            })
            .collect();
        let planned: Vec<_> = plan["plan"]["commands"]
            .as_array()
            .unwrap()
            .iter()
            .map(|command| (command["header"].as_str().unwrap().to_owned(), command["length"].as_u64().unwrap()))
            .collect();
        assert_eq!(planned, sent, "{scp} {options}");
    }
    let desk = Desk::new();
    let plan = desk.json("plan delete A0000003869807");
    assert_eq!(plan["plan"]["commands"][3]["data"], "4F07A0000003869807");
    std::fs::write(desk.path().join("keys"), KEYS).unwrap();
    let plan = desk.json("--key-file keys plan keys put first");
    assert_eq!(plan["plan"]["commands"].as_array().unwrap().len(), 4);
    assert!(plan["plan"]["commands"][3]["data"].is_null(), "keys are not shown");
}

#[test]
fn a_trace_is_played_back_without_a_card() {
    let desk = Desk::new();
    desk.write_cap(700);
    for options in ["install applet.cap", "list", "info", "--ask-first status"] {
        let recorded = desk.json(&format!("trace record run.trace {options}"));
        let replayed = desk.json(&format!("trace replay run.trace {options}"));
        assert_eq!(recorded["result"], replayed["result"], "{options}");
        assert_eq!(recorded["commands"], replayed["commands"], "{options}");
        desk.fails(&format!("trace record run.trace {options}"), 9, &["not written over"]);
        desk.fails("trace replay run.trace apdu 00B0000000", 9, &["holds another command"]);
        std::fs::remove_file(desk.path().join("run.trace")).unwrap();
    }
    desk.fails("trace replay applet.cap list", 9, &["applet.cap"]);
    desk.fails("trace replay none list", 9, &["none"]);
}

#[test]
fn what_a_card_is_and_completions_need_no_key() {
    let desk = Desk::new();
    let kind = desk.json("card-type");
    assert!(kind["result"]["global_platform"].as_bool().unwrap());
    assert!(text(&desk.gp("card-type")).contains("GlobalPlatform card: 2.3.1, SCP03"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&desk.gp(&format!("completion {shell}"))).contains("store-data"));
    }
    let sent = desk.json("apdu 00A4040000 80CA9F7F00");
    assert_eq!(sent["result"]["answers"][1]["sw"], "9000");
    desk.json("--card data.card store-data 4200 --structure tlv --level 01");
}

#[test]
fn what_is_piped_has_no_colour() {
    let desk = Desk::new();
    for options in ["list", "info", "plan list", "delete A000000001"] {
        assert!(!text(&desk.gp(options)).contains('\u{1b}'), "{options}");
    }
}
