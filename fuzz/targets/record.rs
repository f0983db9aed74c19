#![no_main]

use cardwright::relay::{Identity, MAX_RECORD, Record, Roster, SessionId, Stay, challenge, hello};
use libfuzzer_sys::fuzz_target;

// Records off the wire: nobody without the keys gets a line, or a sealed record believed.
fuzz_target!(|bytes: &[u8]| {
    let (server, kiosk) = (Identity::new(&[1; 32]), Identity::new(&[2; 32]));
    let roster = Roster::parse(&format!("kiosk {} admitted", kiosk.public_key())).expect("one line");
    let stay = Stay { slot: 0, insertion: [0; 8], atr: Vec::new() };
    let line = || {
        let (asked, awaiting) = challenge([3; 32]);
        let (said, terminal) = hello(&kiosk, &asked, stay.clone(), None, [4; 32]).expect("a challenge");
        let claim = awaiting.handle_hello(said, &server, &roster).map_err(|(error, _)| error).expect("admitted");
        let (welcome, line) = claim.welcome(&server, SessionId([5; 16]), 1, [6; 32]).expect("a key");
        (line, terminal.handle_answer(welcome, &[server.public_key()]).expect("pinned"))
    };
    let (mut ours, mut theirs) = line();
    let mut stream = bytes;
    while let Ok(Some(record)) = Record::read(&mut stream, MAX_RECORD) {
        assert_eq!(Record::read(&mut &record.to_bytes()[..], MAX_RECORD).expect("a record"), Some(record.clone()));
        if let Record::Sealed(sealed) = &record {
            assert!(ours.opener.open(sealed).is_err());
            assert!(theirs.opener.open(sealed).is_err());
        }
        let (_, awaiting) = challenge([7; 32]);
        assert!(awaiting.handle_hello(record.clone(), &server, &roster).is_err());
        let (asked, _) = challenge([8; 32]);
        let (_, terminal) = hello(&kiosk, &asked, stay.clone(), None, [9; 32]).expect("a challenge");
        assert!(terminal.handle_answer(record, &[server.public_key()]).is_err());
    }
});
