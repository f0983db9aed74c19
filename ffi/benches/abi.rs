//! What a call through the C ABI costs beside the same call in Rust, in one run. The library is loaded as a C program loads it.

#![allow(non_camel_case_types, missing_docs, reason = "what cardwright.h says")]

use std::ffi::c_void;
use std::hint::black_box;
use std::path::Path;
use std::time::SystemTime;

use cardwright_apdu::transport::InProcess;
use cardwright_apdu::{CommandApdu, CommandApduRef, LengthForm, Ne, Transport};
use criterion::Criterion;
use libloading::{Library, Symbol};

const DATA: [u8; 200] = [0x5A; 200];
const ANSWER: [u8; 44] = [0x90; 44];

#[repr(C)]
struct cw_command_apdu {
    struct_size: u32,
    header: [u8; 4],
    data: *const u8,
    nc: usize,
    ne: u32,
    extended: u32,
}

#[repr(C)]
struct cw_answer {
    struct_size: u32,
    delivery: u32,
    bytes: *mut u8,
    capacity: usize,
    length: usize,
}

type transmit_fn = unsafe extern "system" fn(*mut c_void, *const u8, usize, *mut cw_answer) -> i32;
type reset_fn = unsafe extern "system" fn(*mut c_void, *mut cw_answer) -> i32;

#[repr(C)]
struct cw_transport {
    struct_size: u32,
    flags: u32,
    transmit: transmit_fn,
    reset: reset_fn,
    user: *mut c_void,
}

type encode_fn = unsafe extern "system" fn(*const cw_command_apdu, *mut u8, usize, *mut usize) -> i32;
type new_fn = unsafe extern "system" fn(*const cw_transport, *mut *mut c_void) -> i32;
type exchange_fn =
    unsafe extern "system" fn(*mut c_void, *const cw_command_apdu, u32, *mut u8, usize, *mut usize) -> i32;

unsafe extern "system" fn transmit(_: *mut c_void, _: *const u8, _: usize, answer: *mut cw_answer) -> i32 {
    // SAFETY: the library hands in an answer with room for it.
    unsafe {
        (*answer).bytes.copy_from_nonoverlapping(ANSWER.as_ptr(), ANSWER.len());
        (*answer).length = ANSWER.len();
    }
    0
}

unsafe extern "system" fn reset(_: *mut c_void, _: *mut cw_answer) -> i32 {
    0
}

fn main() {
    let begun = SystemTime::now();
    // target/release/deps/this-benchmark
    let exe = std::env::current_exe().expect("a running program has a path");
    let folder = exe.ancestors().nth(2).expect("cargo's folders");
    let path = folder.join(libloading::library_filename("cardwright"));
    // SAFETY: our own library; loading it runs nothing.
    let Ok(library) = (unsafe { Library::new(&path) }) else {
        eprintln!("{}: not there: cargo build --release --package cardwright-ffi", path.display());
        std::process::exit(1);
    };
    // SAFETY: the types are those of cardwright.h.
    let (encode, new, exchange): (Symbol<'_, encode_fn>, Symbol<'_, new_fn>, Symbol<'_, exchange_fn>) = unsafe {
        let missing = "an export of cardwright.h";
        (
            library.get(b"cw_command_apdu_encode\0").expect(missing),
            library.get(b"cw_session_new\0").expect(missing),
            library.get(b"cw_session_exchange\0").expect(missing),
        )
    };
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("abi");
    let mut buffer = [0; 300];
    let mut length = 0;

    let in_c = |ins, data: &[u8], ne| cw_command_apdu {
        struct_size: size_of::<cw_command_apdu>() as u32,
        header: [0x80, ins, 1, 2],
        data: data.as_ptr(),
        nc: data.len(),
        ne,
        extended: 0,
    };
    let command = in_c(0xE2, &DATA, 256);
    group.bench_function("encode 200", |b| {
        // SAFETY: a live struct, a buffer of the length that is told, a live number.
        b.iter(|| unsafe { encode(black_box(&raw const command), buffer.as_mut_ptr(), buffer.len(), &raw mut length) });
    });
    let data = &DATA[..];
    let rust = CommandApduRef {
        cla: 0x80.into(),
        ins: 0xE2.into(),
        p1: 1,
        p2: 2,
        data,
        ne: Ne::MAX_SHORT,
        form: LengthForm::Shortest,
    };
    group.bench_function("encode 200 Rust", |b| b.iter(|| black_box(&rust).encode(&mut buffer)));

    let transport = cw_transport {
        struct_size: size_of::<cw_transport>() as u32,
        flags: 0,
        transmit,
        reset,
        user: std::ptr::null_mut(),
    };
    let mut session = std::ptr::null_mut();
    // SAFETY: a live struct and a live pointer.
    assert_eq!(unsafe { new(&raw const transport, &raw mut session) }, 0);
    let command = in_c(0xCA, &[], 256);
    group.bench_function("exchange", |b| {
        b.iter(|| {
            // SAFETY: as above; the session lives.
            let status = unsafe {
                exchange(session, black_box(&raw const command), 0, buffer.as_mut_ptr(), buffer.len(), &raw mut length)
            };
            assert_eq!((status, length), (0, ANSWER.len()));
        });
    });
    let mut card = InProcess::new(|_: &[u8]| ANSWER.to_vec());
    let command = CommandApdu::new(0x80, 0xCA, 1, 2).with_ne(Ne::MAX_SHORT);
    group.bench_function("exchange Rust", |b| {
        b.iter(|| card.exchange(black_box(&command)).expect("the card answers").data().len());
    });
    group.finish();
    criterion.final_summary();

    println!("\n{:22} {:>12}  {:32} {:>12} {:>7}", "what", "ours", "floor or peer", "", "ratio");
    for (name, other) in [("encode 200", "encode 200 Rust"), ("exchange", "exchange Rust")] {
        if let (Some(ours), Some(base)) = (median(name, begun), median(other, begun)) {
            println!("abi {name:18} {ours:9.1} ns  {other:32} {base:9.1} ns {:7.2}", ours / base);
        }
    }
}

/// Median in nanoseconds, as Criterion wrote it down.
fn median(name: &str, begun: SystemTime) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Into::into);
    let path = target.join("criterion/abi").join(name).join("new/estimates.json");
    if path.metadata().ok()?.modified().ok()? < begun {
        return None;
    }
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
