#!/usr/bin/env bash
# Runs the benchmarks and prints one table: what, ours, floor or peer, ratio. Arguments go to Criterion
# (scripts/bench.sh channel runs those with "channel" in their name).
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo bench --locked --bench speed -- --noplot "$@" | tee "$log" | sed -n '/time:/p'
sed -n '/^what /,$p' "$log"
