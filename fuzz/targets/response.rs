#![no_main]

use cardwright::apdu::ResponseApdu;
use cardwright::apdu::trace::{command_in_words, response_in_words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(response) = ResponseApdu::parse(bytes) {
        assert_eq!(response.to_bytes(), bytes);
        let _ = response.sw().to_string();
    }
    let _ = (command_in_words(bytes), response_in_words(bytes));
});
