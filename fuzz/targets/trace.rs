#![no_main]

use cardwright::apdu::Transport;
use cardwright::apdu::trace::TraceFile;
use cardwright::apdu::transport::Replay;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(trace) = TraceFile::read(bytes) else { return };
    let commands: Vec<_> = trace.exchanges.iter().map(|exchange| exchange.command.clone()).collect();
    let mut replay = Replay::new(trace);
    let mut response = Vec::new();
    for command in commands {
        let _ = replay.transmit(&command, &mut response);
    }
    assert_eq!(replay.remaining(), 0);
});
