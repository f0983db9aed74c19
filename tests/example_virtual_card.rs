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
