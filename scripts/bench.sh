#!/usr/bin/env bash
# Runs the benchmarks and prints one table: what, ours, floor or peer, ratio. Arguments go to Criterion
# (scripts/bench.sh channel runs those with "channel" in their name). Without arguments also the journal's commits beside raw appends.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo build --release --locked --quiet --package cardwright-ffi
run() { cargo bench --locked "$@" | tee "$log" | sed -n '/time:/p'; }
run --bench speed -- --noplot "$@"
table=$(sed -n '/^what /,$p' "$log")
run --package cardwright-ffi --bench abi -- --noplot "$@"
printf '%s\n' "$table"
sed -n '/^abi /p' "$log"
[ $# -gt 0 ] || cargo bench --locked --bench store
