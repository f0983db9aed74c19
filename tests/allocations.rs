//! Encoding and decoding APDUs allocates nothing.

use cardwright::apdu::{CommandApduRef, LengthForm, Ne, ResponseApduRef};

#[test]
fn encode_and_decode_allocate_nothing() {
    let data = [0x5A; 300];
    for nc in [0, 1, 255, 256, 300] {
        let ne = if nc % 2 == 0 { Ne::MAX_SHORT } else { Ne::NONE };
        let form = LengthForm::Shortest;
        let command = CommandApduRef { cla: 0x80.into(), ins: 0xE2.into(), p1: 1, p2: 2, data: &data[..nc], ne, form };
        let mut buffer = [0; 320];
        let counted = allocation_counter::measure(|| {
            let length = command.encode(&mut buffer).unwrap();
            assert_eq!(CommandApduRef::parse(&buffer[..length]).unwrap().data.len(), nc);
            assert_eq!(ResponseApduRef::parse(&buffer[..length]).unwrap().data.len(), length - 2);
        });
        assert_eq!(counted.count_total, 0, "{nc} bytes of data");
    }
    // The counter counts.
    assert!(allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 10]))).count_total > 0);
}
