//! The example `virtual_card` as a user runs it, with a virtual reader of our own in place of vpcd.

mod support;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use cardwright::apdu::transport::vpcd::VirtualReader;
use cardwright::apdu::{CommandApdu, Delivery, Ne, Transport};

const LONG: Duration = Duration::from_secs(60);

/// A running card, taken out at the end of the test however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(folder: &Path, port: u16, options: &[&str]) -> Running {
    let mut program = support::example("virtual_card");
    program.current_dir(folder).args(["--port", &port.to_string()]).args(options);
    Running(program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn without_a_reader_it_says_what_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let port = VirtualReader::bind(0).unwrap().local_addr().unwrap().port().to_string();
    let output =
        support::example("virtual_card").current_dir(&folder).args(["--wait", "0", "--port", &port]).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("no vpcd listens at 127.0.0.1"), "{words}");
}

#[test]
fn a_new_java_card_speaks_what_the_options_say() {
    let get_data = |reader: &mut VirtualReader, tag: u8| {
        let response = reader.exchange(&CommandApdu::new(0x80, 0xCA, 0, tag).with_ne(Ne::MAX_SHORT)).unwrap();
        hex::encode_upper(response.data())
    };
    let select = CommandApdu::new(0x00, 0xA4, 0x04, 0x00).with_ne(Ne::MAX_SHORT);
    for (options, recognition, key) in [
        (&["--scp", "01", "--i", "05"][..], "040105", "C00401018010"),
        (&["--scp", "02", "--i", "15"], "040215", "C00401018010"),
        (&["--i", "01", "--aes", "256", "--key-version", "30"], "040301", "C00401308820"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = VirtualReader::bind(0).unwrap();
        let options = &[options, &["--isd", "A000000003000000"]].concat();
        let _running = start(folder.path(), reader.local_addr().unwrap().port(), options);
        reader.wait_for_card(LONG).unwrap();
        let tail = get_data(&mut reader, 0x66);
        assert!(tail.ends_with(recognition), "{options:?}: {tail}");
        let selected = reader.exchange(&select).unwrap();
        assert_eq!(selected.data()[2..12], hex::decode("8408A000000003000000").unwrap());
        let keys = get_data(&mut reader, 0xE0);
        assert!(keys.contains(key), "{options:?}: {keys}");
    }
}

/// Generator of P-256 as a CA's key, 1 as the card's.
#[test]
fn a_new_java_card_speaks_scp11_where_it_has_keys() {
    const G: &str = "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5";
    let one = "00".repeat(31) + "01";
    let folder = tempfile::tempdir().unwrap();
    for (key, ca, said) in [
        (&one[..], "", "65 bytes are wanted"),
        (&one[2..], G, "32 bytes are wanted"),
        (&one, &G.replace("51F5", "51F6"), "no private key of P-256"),
    ] {
        let options = ["--wait", "0", "--scp11-key", key, "--scp11-ca", ca];
        let output = support::example("virtual_card").current_dir(&folder).args(options).output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains(said), "{words}");
    }
    let mut reader = VirtualReader::bind(0).unwrap();
    let port = reader.local_addr().unwrap().port();
    let _running = start(folder.path(), port, &["--scp11-key", &one, "--scp11-ca", G]);
    reader.wait_for_card(LONG).unwrap();
    // INTERNAL AUTHENTICATE of SCP11b with the generator as the host's ephemeral key.
    let data = format!("A60D9002110095013C8001888101105F4941{G}");
    let mutual = CommandApdu::new(0x80, 0x88, 0x03, 0x13).with_data(hex::decode(data).unwrap()).with_ne(Ne::MAX_SHORT);
    let answer = reader.exchange(&mutual).unwrap();
    assert!(answer.sw().is_ok() && answer.data().starts_with(&[0x5F, 0x49, 65, 0x04]), "{answer:?}");
}

#[test]
fn torn_out_it_comes_back_and_killed_it_keeps_its_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = VirtualReader::bind(0).unwrap();
    let port = reader.local_addr().unwrap().port();
    let select = CommandApdu::new(0x00, 0xA4, 0x04, 0x00).with_ne(Ne::MAX_SHORT);
    let initialize_update = CommandApdu::new(0x80, 0x50, 0, 0).with_data([7; 8]).with_ne(Ne::MAX_SHORT);

    let running = start(folder.path(), port, &["--scp", "02", "--cut", "2", "--executed"]);
    assert!(reader.wait_for_card(LONG).unwrap().ends_with(b"cardwright\x88"));
    assert!(reader.exchange(&select).unwrap().sw().is_ok());
    assert_eq!(reader.exchange(&initialize_update).unwrap_err().delivery, Delivery::Unknown);
    reader.wait_for_card(LONG).unwrap();
    let first = reader.exchange(&initialize_update).unwrap();
    drop(running);

    let mut running = start(folder.path(), port, &["--cut", "2", "--stay-out"]);
    reader.wait_for_card(LONG).unwrap();
    let second = reader.exchange(&initialize_update).unwrap();
    assert_eq!(first.data()[..10], second.data()[..10], "another card");
    assert!(reader.exchange(&initialize_update).is_err());
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn each_kind_of_card_is_itself_and_comes_back_from_its_file() {
    // What one card of each kind answers to, and no other.
    let kinds: [(&str, &[&str], &[u8], CommandApdu); 4] = [
        ("java", &[], b"cardwright\x88", CommandApdu::new(0x80, 0xCA, 0x9F, 0x7F).with_ne(Ne::MAX_SHORT)),
        ("cpu", &["--sample"], b"FMCOS\xD0", CommandApdu::new(0x00, 0xB2, 0x01, 0x0C).with_ne(Ne::MAX_SHORT)),
        ("blank", &[], b"BOOT\x93", CommandApdu::new(0x80, 0x18, 0x00, 0x00).with_ne(Ne::MAX_SHORT)),
        ("usim", &[], b"USIM", CommandApdu::new(0x80, 0xF2, 0x00, 0x00).with_ne(Ne::MAX_SHORT)),
    ];
    for (kind, more, historical, command) in &kinds {
        let folder = tempfile::tempdir().unwrap();
        let mut reader = VirtualReader::bind(0).unwrap();
        let port = reader.local_addr().unwrap().port();
        let made = start(folder.path(), port, &[&["--kind", kind, "--seed", "1"], *more].concat());
        assert!(reader.wait_for_card(LONG).unwrap().ends_with(historical), "{kind}");
        let first = reader.exchange(command).unwrap();
        assert!(first.sw().is_ok() && !first.data().is_empty(), "{kind}: {:?}", first.sw());
        drop(made);
        let _stored = start(folder.path(), port, &[]);
        assert!(reader.wait_for_card(LONG).unwrap().ends_with(historical), "{kind}");
        assert_eq!(reader.exchange(command).unwrap(), first, "{kind}");
        let other = if *kind == "java" { "cpu" } else { "java" };
        let mut program = support::example("virtual_card");
        program.current_dir(folder.path()).args(["--wait", "0", "--kind", other]).args(["--card", "copy.card"]);
        std::fs::copy(folder.path().join("virtual.card"), folder.path().join("copy.card")).unwrap();
        let words = String::from_utf8(program.output().unwrap().stderr).unwrap();
        assert!(words.contains("copy.card holds another kind of card"), "{words}");
    }
}

#[test]
fn torn_while_it_writes_a_card_keeps_the_first_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut reader = VirtualReader::bind(0).unwrap();
    let port = reader.local_addr().unwrap().port();
    let select = CommandApdu::new(0x00, 0xA4, 0x08, 0x0C).with_data([0x2F, 0xE2]);
    let verify = CommandApdu::new(0x00, 0x20, 0x00, 0x0A).with_data(*b"88888888");
    let update = CommandApdu::new(0x00, 0xD6, 0x00, 0x00).with_data([0x11; 10]);
    let _running = start(folder.path(), port, &["--kind", "usim", "--cut", "3", "--written", "4"]);
    reader.wait_for_card(LONG).unwrap();
    assert!(reader.exchange(&verify).unwrap().sw().is_ok());
    assert!(reader.exchange(&select).unwrap().sw().is_ok());
    assert_eq!(reader.exchange(&update).unwrap_err().delivery, Delivery::Unknown);
    reader.wait_for_card(LONG).unwrap();
    assert!(reader.exchange(&select).unwrap().sw().is_ok());
    let read = reader.exchange(&CommandApdu::new(0x00, 0xB0, 0x00, 0x00).with_ne(Ne::new(10).unwrap())).unwrap();
    assert_eq!(read.data(), [[0x11; 4].as_slice(), &[0xFF; 6]].concat());
}
