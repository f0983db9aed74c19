use std::cell::RefCell;
use std::path::Path;
use std::time::SystemTime;

thread_local! {
    static ALLOCATIONS: RefCell<Vec<(String, u64)>> = const { RefCell::new(Vec::new()) };
}

/// Counts the allocations of one run.
pub(crate) fn count_allocations<T>(name: &str, mut run: impl FnMut() -> T) {
    let info = allocation_counter::measure(|| drop(std::hint::black_box(run())));
    ALLOCATIONS.with_borrow_mut(|list| list.push((name.to_owned(), info.count_total)));
}

/// What is compared: group, ours, floor or peer.
const ROWS: [(&str, &str, &str); 10] = [
    ("apdu", "encode", "encode iso7816"),
    ("apdu", "encode", "encode apdu-core"),
    ("apdu", "decode", "decode iso7816"),
    ("apdu", "response", "response apdu-core"),
    ("channel", "scp03 wrap 200", "scp03 wrap 200 floor"),
    ("channel", "scp03 unwrap 200", "scp03 unwrap 200 floor"),
    ("channel", "scp02 wrap 200", "scp02 wrap 200 floor"),
    ("channel", "scp02 unwrap 200", "scp02 unwrap 200 floor"),
    ("channel", "scp03 handshake", ""),
    ("card", "load and install", "load and install card alone"),
];

/// Prints the medians that this run, begun at `begun`, has left, side by side.
pub(crate) fn print(begun: SystemTime) {
    println!("\n{:22} {:>12}  {:32} {:>12} {:>7}", "what", "ours", "floor or peer", "", "ratio");
    for (group, ours, other) in ROWS {
        let median = |group, name| median(group, name, begun);
        let Some(time) = median(group, ours) else { continue };
        match median(group, other) {
            Some(base) => println!("{ours:22} {}  {other:32} {} {:7.2}", show(time), show(base), time / base),
            None => println!("{ours:22} {}", show(time)),
        }
    }
    ALLOCATIONS.with_borrow(|list| {
        list.iter().for_each(|(name, count)| println!("{name}: {count} allocations"));
    });
}

fn show(nanoseconds: f64) -> String {
    match nanoseconds {
        n if n < 1e3 => format!("{n:9.1} ns"),
        n if n < 1e6 => format!("{:9.2} us", n / 1e3),
        n => format!("{:9.2} ms", n / 1e6),
    }
}

/// Median in nanoseconds, as Criterion wrote it down.
fn median(group: &str, name: &str, begun: SystemTime) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), Into::into);
    let path = target.join("criterion").join(group).join(name).join("new/estimates.json");
    if path.metadata().ok()?.modified().ok()? < begun {
        return None;
    }
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
