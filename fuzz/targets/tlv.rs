#![no_main]

use cardwright::apdu::tlv::{Reader, push};
use libfuzzer_sys::fuzz_target;

// What is read can be written and read again.
fuzz_target!(|bytes: &[u8]| {
    for object in Reader::new(bytes).map_while(Result::ok) {
        let mut written = Vec::new();
        push(&mut written, object.tag, object.value);
        let again = Reader::new(&written).read().expect("what was written is TLV").expect("one object");
        assert_eq!((again.tag, again.value), (object.tag, object.value));
        let _ = object.children().count();
    }
});
