//! What the library costs beside a floor or a peer measured in the same run, as ratios: machines are noisy.
//!
//! The floor of a secure channel is the same bytes through the bare cipher crates in their cheapest call style: keys
//! expanded once, one contiguous buffer, one update.

mod apdu;
mod channel;
mod issue;
mod table;

use std::time::SystemTime;

use criterion::Criterion;

fn main() {
    let begun = SystemTime::now();
    let mut criterion = Criterion::default().configure_from_args();
    apdu::benchmarks(&mut criterion);
    channel::benchmarks(&mut criterion);
    issue::benchmarks(&mut criterion);
    criterion.final_summary();
    table::print(begun);
}
