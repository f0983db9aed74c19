#![no_main]

use cardwright::apdu::transport::vpcd::{VpcdDecoder, VpcdRequest, encode_message};
use libfuzzer_sys::fuzz_target;

// However the stream is cut, the same messages come out, and none is longer than a length field can say.
fuzz_target!(|bytes: &[u8]| {
    let messages = |piece: usize| {
        let mut decoder = VpcdDecoder::default();
        let mut messages = Vec::new();
        for part in bytes.chunks(piece) {
            decoder.handle_bytes(part);
            while let Some(message) = decoder.poll_message() {
                messages.push(message);
            }
        }
        messages
    };
    let whole = messages(bytes.len().max(1));
    assert_eq!(whole, messages(1));
    for message in whole {
        assert!(message.len() <= usize::from(u16::MAX));
        assert_eq!(encode_message(&message).expect("a length that fits")[2..], message);
        if let Ok(request) = VpcdRequest::parse(&message) {
            assert_eq!(request.as_message(), message);
        }
    }
});
