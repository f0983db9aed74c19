//! A software card in a virtual reader of vsmartcard, so that any PC/SC program meets it.

use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cardwright::apdu::Aid;
use cardwright::apdu::transport::vpcd::{VPCD_PORT, VirtualCard, VpcdError};
use cardwright_sim::{
    AesKeyLength, BlankChip, CardFile, CpuCard, CpuCardBuilder, Fault, JavaCard, Scp11Keys, SecureChannelProtocol,
    SimReader, SoftwareCard, Usim,
};
use clap::{Parser, ValueEnum};

/// Puts a software card, with published test keys, into the virtual reader of vsmartcard (vpcd).
///
/// The card keeps its memory in a file, written before each answer goes out: ended at any moment, it is as it was
/// before the command or after it.
#[derive(Debug, Parser)]
#[command(name = "virtual_card", version)]
struct Options {
    /// Port where vpcd listens; its second slot is one above.
    #[arg(long, default_value_t = VPCD_PORT)]
    port: u16,

    /// Machine where vpcd listens.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// Memory of the software card; made when it is not there.
    #[arg(long, value_name = "FILE", default_value = "virtual.card")]
    card: PathBuf,

    /// Kind of card; without, what the file holds, and a Java Card where there is none.
    #[arg(long, value_enum)]
    kind: Option<Kind>,

    /// Secure channel protocol of a Java Card that is made new.
    #[arg(long, value_enum, default_value = "03")]
    scp: Scp,

    /// Option `i` of the protocol, of a Java Card that is made new; without, 15, 55 or 70.
    #[arg(long, value_name = "HEX", value_parser = |digits: &str| u8::from_str_radix(digits, 16))]
    i: Option<u8>,

    /// AID of the issuer security domain of a Java Card that is made new.
    #[arg(long, value_name = "AID", default_value = "A000000151000000")]
    isd: Aid,

    /// Version of the keys of a Java Card that is made new. On UICCs it says the protocol: 20 to 2F SCP02, 30 to 3F SCP03.
    #[arg(long, value_name = "HEX", default_value = "01", value_parser = |digits: &str| u8::from_str_radix(digits, 16))]
    key_version: u8,

    /// Length of the keys of a Java Card that is made new with SCP03, in bits.
    #[arg(long, value_enum, default_value = "128")]
    aes: Aes,

    /// A Java Card that is made new speaks SCP11 on P-256 too: its private key, of version 03, and the identifiers 11, 13 and 15.
    #[arg(long, value_name = "HEX", requires = "scp11_ca", value_parser = bytes::<32>)]
    scp11_key: Option<[u8; 32]>,

    /// With --scp11-key: the public key, uncompressed, of the CA whose 7F21 certificates the card takes from hosts.
    #[arg(long, value_name = "HEX", requires = "scp11_key", value_parser = bytes::<65>)]
    scp11_ca: Option<[u8; 65]>,

    /// A CPU card that is made new was issued by the sample script of the FMCOS manual; without, it has no file at all.
    #[arg(long)]
    sample: bool,

    /// A card that is made new speaks T=0, and not T=1. A USIM always does.
    #[arg(long)]
    t0: bool,

    /// Makes a new card the same each time.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// How many seconds to look for a vpcd; without, until there is one.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,

    /// Takes the card out before command N is executed, and puts it back.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    cut: Option<u64>,

    /// With --cut: command N is executed, and its answer lost.
    #[arg(long, requires = "cut")]
    executed: bool,

    /// With --cut: power fails while command N writes, when so many bytes are written.
    #[arg(long, requires = "cut", conflicts_with = "executed", value_name = "BYTES")]
    written: Option<usize>,

    /// With --cut: ends then, and leaves the card out.
    #[arg(long, requires = "cut")]
    stay_out: bool,
}

/// Kind of card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A Java Card with an issuer security domain.
    Java,
    /// A native CPU card with the commands of FMCOS 2.0.
    Cpu,
    /// A blank chip with a boot loader, which a download makes a CPU card.
    Blank,
    /// A USIM and SIM.
    Usim,
}

/// Secure channel protocol by number.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scp {
    /// SCP01.
    #[value(name = "01")]
    Scp01,
    /// SCP02.
    #[value(name = "02")]
    Scp02,
    /// SCP03.
    #[value(name = "03")]
    Scp03,
}

/// Length of AES keys.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Aes {
    /// 128 bits.
    #[value(name = "128")]
    Aes128,
    /// 192 bits.
    #[value(name = "192")]
    Aes192,
    /// 256 bits.
    #[value(name = "256")]
    Aes256,
}

/// ATRs with the historical bytes `cardwright` that offer one protocol alone: the card does not learn from vpcd which
/// one the host chose.
const ATR_T0: &[u8] = b"\x3B\x0Acardwright";
const ATR_T1: &[u8] = b"\x3B\x8A\x01cardwright\x88";
/// A CPU card on T=0.
const ATR_CPU_T0: &[u8] = b"\x3B\x05FMCOS";

/// Between two looks whether a vpcd listens.
const LOOK: Duration = Duration::from_millis(250);
/// How long the card stays out: vpcd looks for it about three times a second.
const OUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("virtual_card: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)?;
    let seed = options.seed.unwrap_or(u64::from_ne_bytes(seed));
    match options.kind.or_else(|| stored_kind(&options.card)).unwrap_or(Kind::Java) {
        Kind::Java => {
            let scp11 = scp11_keys(options)?;
            serve(options, || java_card(options, scp11, seed))
        }
        Kind::Cpu if options.sample => {
            let card = cpu_card(options, seed).sample().ok_or("the sample script does not fit the card")?;
            serve(options, || card)
        }
        Kind::Cpu => serve(options, || cpu_card(options, seed).build()),
        Kind::Blank => serve(options, || BlankChip::new(cpu_card(options, seed))),
        Kind::Usim => serve(options, || Usim::builder().build()),
    }
}

/// Keys of SCP11, where the options name some; without a certificate, so that hosts have to know the card's public key.
fn scp11_keys(options: &Options) -> Result<Option<Scp11Keys>, Box<dyn Error>> {
    let (Some(key), Some(ca)) = (options.scp11_key, &options.scp11_ca) else { return Ok(None) };
    let keys = Scp11Keys::new(key, [], ca, false);
    Ok(Some(keys.ok_or("--scp11-key is no private key of P-256, or --scp11-ca no point of it")?))
}

fn java_card(options: &Options, scp11: Option<Scp11Keys>, seed: u64) -> JavaCard {
    let key_length = match options.aes {
        Aes::Aes128 => AesKeyLength::Aes128,
        Aes::Aes192 => AesKeyLength::Aes192,
        Aes::Aes256 => AesKeyLength::Aes256,
    };
    let protocol = match options.scp {
        Scp::Scp01 => SecureChannelProtocol::Scp01 { i: options.i.unwrap_or(0x15) },
        Scp::Scp02 => SecureChannelProtocol::Scp02 { i: options.i.unwrap_or(0x55) },
        Scp::Scp03 => SecureChannelProtocol::Scp03 { i: options.i.unwrap_or(0x70), key_length },
    };
    let atr = if options.t0 { ATR_T0 } else { ATR_T1 };
    let card = JavaCard::builder().protocol(protocol).isd_aid(options.isd).key_version(options.key_version);
    let card = card.seed(seed).t0(options.t0).atr(atr);
    match scp11 {
        Some(keys) => card.scp11(keys).build(),
        None => card.build(),
    }
}

fn cpu_card(options: &Options, seed: u64) -> CpuCardBuilder {
    let card = CpuCard::builder().seed(seed).t0(options.t0);
    if options.t0 { card.atr(ATR_CPU_T0) } else { card }
}

/// The kind of card that a file says it holds.
fn stored_kind(path: &Path) -> Option<Kind> {
    let mut magic = [0; 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).ok()?;
    match magic {
        JavaCard::MAGIC => Some(Kind::Java),
        CpuCard::MAGIC => Some(Kind::Cpu),
        BlankChip::MAGIC => Some(Kind::Blank),
        Usim::MAGIC => Some(Kind::Usim),
        _ => None,
    }
}

/// Puts the stored card, or the one that is made, into the reader, again and again.
fn serve<C: SoftwareCard>(options: &Options, make: impl FnOnce() -> C) -> Result<(), Box<dyn Error>> {
    let mut card = SimReader::new(CardFile::open_or_create(&options.card, make)?);
    // A card in a reader for days need not remember every command.
    card.set_log(false);
    if let Some(n) = options.cut {
        card.plan(
            n,
            match options.written {
                Some(written) => Fault::CutWriting(written),
                None if options.executed => Fault::CutAfter,
                None => Fault::CutBefore,
            },
        );
    }
    loop {
        let reader = insert(options)?;
        println!("in the reader: {}", options.card.display());
        match reader.serve(&mut card) {
            Ok(()) => println!("the reader let go of the card"),
            Err(VpcdError::Card(error)) if !card.is_inserted() => {
                println!("out of the reader at command {}: {}", card.commands(), error.kind);
                if options.stay_out {
                    return Ok(());
                }
                std::thread::sleep(OUT);
                card.reinsert();
            }
            Err(VpcdError::Card(error)) => return Err(error.into()),
            Err(error) => {
                eprintln!("virtual_card: {error}; trying again");
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// Connects to vpcd, again and again until it listens.
fn insert(options: &Options) -> Result<VirtualCard, Box<dyn Error>> {
    let until = options.wait.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut told = false;
    loop {
        match VirtualCard::connect((options.host.as_str(), options.port)) {
            Ok(reader) => return Ok(reader),
            Err(VpcdError::Io(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                let nobody = format!("no vpcd listens at {}:{}", options.host, options.port);
                if until.is_some_and(|until| Instant::now() >= until) {
                    return Err(nobody.into());
                }
                if !told {
                    eprintln!("virtual_card: {nobody}: start pcscd with vsmartcard-vpcd; waiting for it");
                    told = true;
                }
                std::thread::sleep(LOOK);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Bytes in hexadecimal.
fn bytes<const N: usize>(digits: &str) -> Result<[u8; N], String> {
    let bytes = hex::decode(digits).map_err(|error| error.to_string())?;
    bytes.try_into().map_err(|_| format!("{N} bytes are wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_byte_of_the_atr_is_right() {
        assert_eq!(ATR_T1[1..].iter().fold(0, |sum, byte| sum ^ byte), 0);
    }
}
