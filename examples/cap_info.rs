//! Shows what is in a CAP file and what loading it takes.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use cardwright::apdu::ByteCount;
use cardwright::gp::channel::Protocol;
use cardwright::gp::load_file::{CapFile, HashAlgorithm};
use cardwright::gp::{DescriptorPolicy, LoadFile, SecurityLevel};
use clap::Parser;

/// Shows components, imports and applets of a CAP file, its load file and the commands that loading it takes.
#[derive(Debug, Parser)]
#[command(name = "cap_info", version)]
struct Options {
    /// CAP file: an archive as converters write it, or an image (.ijc).
    file: PathBuf,

    /// Counts the Descriptor component in, for cards that verify.
    #[arg(long)]
    descriptor: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cap_info: {}: {error}", options.file.display());
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut bytes = Vec::new();
    File::open(&options.file)?.take(32 << 20).read_to_end(&mut bytes)?;
    let cap = CapFile::parse(&bytes)?;
    let policy = if options.descriptor { DescriptorPolicy::Send } else { DescriptorPolicy::Omit };
    let load_file = cap.to_load_file(policy)?;

    let name = cap.package_name().map(|name| format!(" {name}")).unwrap_or_default();
    println!("package   {}{name}, version {}", cap.package_aid(), cap.package_version());
    println!("format    CAP {}.{}", cap.format().major, cap.format().minor);
    for applet in cap.applets() {
        println!("applet    {}", applet.aid);
    }
    for import in cap.imports() {
        println!("import    {} version {}", import.aid, import.version);
    }
    for resource in cap.resources() {
        println!("resource  {:04X}, {}", resource.id, ByteCount(resource.length.into()));
    }
    println!("components");
    for (component, bytes) in cap.components() {
        println!("  {:18} {:6} bytes", component.to_string(), bytes.len());
    }
    if cap.custom_component_count() > 0 {
        println!("  and {} custom ones, which are not sent", cap.custom_component_count());
    }
    println!(
        "load file {} bytes, Descriptor {}, Debug left out",
        load_file.as_bytes().len(),
        if options.descriptor { "sent" } else { "left out" }
    );
    for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
        println!("  {algorithm:?} {}", load_file.hash(algorithm));
    }
    println!(
        "commands to load and install it: SELECT, INITIALIZE UPDATE, EXTERNAL AUTHENTICATE, INSTALL, LOAD .., INSTALL"
    );
    for protocol in [Protocol::Scp02, Protocol::Scp03] {
        for level in [SecurityLevel::C_MAC, SecurityLevel::C_DECRYPTION] {
            println!("  {}", commands(&load_file, protocol, level));
        }
    }
    Ok(())
}

fn commands(load_file: &LoadFile, protocol: Protocol, level: SecurityLevel) -> String {
    let block = protocol.max_data(level, 255);
    match load_file.number_of_blocks(block) {
        Ok(blocks) => {
            format!("{protocol} level {level}: {blocks} LOAD of at most {block} bytes, {} commands", 5 + blocks)
        }
        Err(error) => format!("{protocol} level {level}: {error}"),
    }
}
