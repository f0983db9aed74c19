#![no_main]

use cardwright::relay::{Frame, Terminal, TerminalAction};
use libfuzzer_sys::fuzz_target;

// Frames off the wire never make a terminal send one command to the card twice.
fuzz_target!(|bytes: &[u8]| {
    let mut stream = bytes;
    let mut terminal = Terminal::new();
    let mut executed = 0;
    let mut last = 0;
    while let Ok(Some(frame)) = Frame::read(&mut stream) {
        assert_eq!(Frame::read(&mut &frame.to_bytes()[..]).expect("a frame").expect("one frame"), frame);
        let seq = frame.seq;
        match terminal.handle_frame(frame) {
            Ok(TerminalAction::Transmit(_) | TerminalAction::Reset) => {
                executed += 1;
                assert!(seq > last, "frame {seq} executed after {last}");
                last = seq;
                terminal.executed(Ok(vec![0x90, 0x00])).expect("a command was under way");
            }
            Ok(TerminalAction::Close) | Err(_) => break,
            Ok(_) => {}
        }
    }
    assert_eq!(executed, last);
});
