#![no_main]

use cardwright::apdu::{CommandApdu, CommandApduRef, Exchange, ExchangeAction, ExchangeLimits};
use libfuzzer_sys::fuzz_target;

// What is read is coded back; an exchange ends whatever the card answers.
fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = CommandApduRef::parse(bytes) {
        assert_eq!(command.to_bytes().as_deref(), Ok(bytes));
    }
    let command = CommandApdu::new(0x80, 0xE2, 0, 0).with_data(bytes);
    let Ok((mut exchange, _)) = Exchange::start(&command, ExchangeLimits::default()) else { return };
    for answer in bytes.chunks(7).cycle().take(70_000) {
        if !matches!(exchange.handle_response(answer), Ok(ExchangeAction::Send(_))) {
            return;
        }
    }
    assert!(bytes.is_empty(), "the exchange goes on for ever");
});
