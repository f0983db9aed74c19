//! Issuing the same card from Rust, and what the programs of other languages make of it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use cardwright_apdu::{Transport, TransportError};
use cardwright_gp::DescriptorPolicy;
use cardwright_gp::load_file::CapFile;
use cardwright_gp::procedure::{KeyCandidate, KeyScheme};
use cardwright_issuance::Driver;
use cardwright_issuance::remote::{self, ApplicationKeys, ApplicationOrder, Order, Outcome};
use cardwright_issuance::store::MemoryStore;
use cardwright_keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_sim::{AesKeyLength, JavaCard, SecureChannelProtocol, SimReader};
use tempfile::TempDir;

/// A folder for programs, and the CAP file that they load.
pub struct Programs {
    pub folder: TempDir,
    pub cap: PathBuf,
}

impl Programs {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cap = folder.path().join("payment.cap");
        fs::write(&cap, cardwright_capgen::default_payment_cap()).unwrap();
        Self { folder, cap }
    }

    /// Runs an issuing program with a new journal; what it printed, and its trace.
    pub fn run(&self, mut program: Command, scp: u32, cut: usize, executed: bool) -> (Output, String) {
        let (journal, trace) = (self.folder.path().join("journal"), self.folder.path().join("trace"));
        let _ = fs::remove_file(&journal);
        let numbers = [scp.to_string(), cut.to_string(), u8::from(executed).to_string()];
        let output = program.args([&self.cap, &journal, &trace]).args(numbers).output().unwrap();
        (output, fs::read_to_string(trace).unwrap())
    }
}

/// Checks a clean run of an issuing program: the card's state, and that its trace is that of Rust.
pub fn assert_same_as_rust(name: &str, scp: u32, (output, trace): &(Output, String)) {
    let said = report(output);
    assert!(said.contains("A00000038698070101 PERSONALIZED, issued\n"), "{name}: {said}");
    let protocol = if scp == 16 { 3 } else { scp };
    assert!(said.ends_with(&format!("complete; SCP0{protocol}, key version 01\n")), "{name}: {said}");
    assert!(*trace == from_rust(scp), "{name}, SCP{scp}: another trace than from Rust");
}

/// Checks a run of an issuing program whose card was torn out: the same card as that of the clean run.
pub fn assert_same_when_torn(what: &str, output: &Output, clean: &Output) {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("interrupted"), "{what}: {printed}");
    let said = report(output).replace("complete before;", "complete;");
    assert_eq!(said, report(clean), "{what}");
}

/// Number of commands in a trace; a reset is none.
pub fn commands(trace: &str) -> usize {
    let commands = trace.lines().filter(|line| !line.starts_with(' ')).count();
    assert!(commands > 50, "{commands}");
    commands
}

/// The card's side as text: command, response.
struct Written<'a>(SimReader, &'a mut String);

impl Transport for Written<'_> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), TransportError> {
        self.0.transmit(command, response)?;
        self.1.push_str(&format!("{} {}\n", hex(command), hex(response)));
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, TransportError> {
        let atr = Transport::reset(&mut self.0)?;
        self.1.push_str(&format!(" {}\n", hex(&atr)));
        Ok(atr)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// What goes over the line when Rust issues the same card.
fn from_rust(scp: u32) -> String {
    let protocol = match scp {
        1 => SecureChannelProtocol::Scp01 { i: 0x15 },
        2 => SecureChannelProtocol::Scp02 { i: 0x55 },
        16 => SecureChannelProtocol::Scp03 { i: 0x71, key_length: AesKeyLength::Aes128 },
        _ => SecureChannelProtocol::Scp03 { i: 0x70, key_length: AesKeyLength::Aes128 },
    };
    let mut trace = String::new();
    let mut card = Written(SimReader::new(JavaCard::builder().protocol(protocol).seed(7).build()), &mut trace);
    let mut keys = SoftwareKeys::new();
    let key = |from: u128| from.to_be_bytes();
    let test = key(0x404142434445464748494A4B4C4D4E4F);
    for (name, kind, value) in [
        ("test-aes", KeyKind::Aes, test),
        ("test-des", KeyKind::Tdes, test),
        ("domain-aes", KeyKind::Aes, key(0x000102030405060708090A0B0C0D0E0F)),
        ("domain-des", KeyKind::Tdes, key(0xA1A2A3A4A1A2A3A4A1A2A3A4A1A2A3A4)),
        ("application-initial", KeyKind::Tdes, key(0x00112233445566778899AABBCCDDEEFF)),
        ("application-master", KeyKind::Tdes, key(0x11223344556677888877665544332211)),
        ("application-maintenance", KeyKind::Tdes, key(0xFFEEDDCCBBAA99887766554433221100)),
    ] {
        keys.insert(name, kind, &value).unwrap();
    }
    let cap = CapFile::parse(&cardwright_capgen::default_payment_cap()).unwrap();
    let candidate = |name: &str, kind, scheme| KeyCandidate::new(KeyRef::new(name), kind, scheme);
    let application = ApplicationOrder::new(
        cap.to_load_file(DescriptorPolicy::Omit).unwrap(),
        cap.applets()[0].aid,
        ApplicationKeys {
            initial_master: KeyRef::new("application-initial"),
            master: KeyRef::new("application-master"),
            maintenance: KeyRef::new("application-maintenance"),
        },
    );
    let version = cap.package_version();
    let order = Order::new(
        vec![
            candidate("test-aes", KeyKind::Aes, KeyScheme::AsIs),
            candidate("test-des", KeyKind::Tdes, KeyScheme::AsIs),
        ],
        vec![
            candidate("domain-aes", KeyKind::Aes, KeyScheme::Kdf3),
            candidate("domain-des", KeyKind::Tdes, KeyScheme::Emv),
        ],
        vec![application.with_version(version.major, version.minor)],
    );
    let mut counter = 0_u8;
    let outcome = Driver {
        card: &mut card,
        keys: &mut keys,
        store: &mut MemoryStore::new(),
        clock: &mut || 0,
        random: &mut || {
            counter = counter.wrapping_add(1);
            [counter; 8]
        },
        notice: &mut |_| {},
    }
    .run(remote::issue(order))
    .unwrap();
    assert!(matches!(outcome, Ok(Outcome::Complete(_))), "{outcome:?}");
    trace
}

/// What the program says of the card at the end.
fn report(output: &Output) -> String {
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{printed}{errors}", output.status);
    printed.lines().skip_while(|line| !line.starts_with("card ")).map(|line| format!("{line}\n")).collect()
}
