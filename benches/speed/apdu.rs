use std::hint::black_box;

use cardwright::apdu::{CommandApduRef, LengthForm, Ne, ResponseApduRef};
use criterion::Criterion;
use iso7816::command::{CommandBuilder, CommandView, ExpectedLen};

use crate::table::count_allocations;

const DATA: [u8; 200] = [0x5A; 200];

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apdu");
    let command = CommandApduRef {
        cla: 0x80.into(),
        ins: 0xE2.into(),
        p1: 1,
        p2: 2,
        data: &DATA,
        ne: Ne::MAX_SHORT,
        form: LengthForm::Shortest,
    };
    let mut buffer = [0; 300];
    let coded = command.to_bytes().expect("200 bytes of data fit");

    let mut encode = || black_box(&command).encode(black_box(&mut buffer)).expect("the buffer is long enough");
    count_allocations("apdu/encode", &mut encode);
    group.bench_function("encode", |b| b.iter(&mut encode));
    group.bench_function("encode iso7816", |b| {
        let class = 0x80.try_into().expect("a valid class");
        let mut buffer = [0; 300];
        b.iter(|| {
            let data = black_box(&DATA[..]);
            let command = CommandBuilder::new(class, 0xE2.into(), 1, 2, data, ExpectedLen::Ne(256));
            command.serialize_into(&mut &mut black_box(&mut buffer)[..]).expect("the buffer is long enough");
        });
    });
    group.bench_function("encode apdu-core", |b| {
        let mut buffer = [0; 300];
        b.iter(|| {
            let data = black_box(&DATA[..]);
            apdu_core::Command::new_with_payload_le(0x80, 0xE2, 1, 2, 0, data).write(black_box(&mut buffer));
        });
    });

    let decode = || CommandApduRef::parse(black_box(&coded)).expect("a command");
    count_allocations("apdu/decode", decode);
    group.bench_function("decode", |b| b.iter(decode));
    group.bench_function("decode iso7816", |b| {
        b.iter(|| CommandView::try_from(black_box(&coded[..])).expect("a command"));
    });

    let response = [&DATA[..], &[0x90, 0x00]].concat();
    let decode = || ResponseApduRef::parse(black_box(&response)).expect("a response");
    count_allocations("apdu/response", decode);
    group.bench_function("response", |b| b.iter(decode));
    group.bench_function("response apdu-core", |b| b.iter(|| apdu_core::Response::from(black_box(&response[..]))));
    group.finish();
}
