#!/usr/bin/env bash
# Writes include/cardwright.h from the sources of the crate `ffi`, and what follows from it: ffi/abi.txt and the files
# for linkers of Windows.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARDWRIGHT_WRITE_HEADER=1
cargo test --quiet --package cardwright-ffi --test header the_committed_header
cargo test --quiet --package cardwright-ffi --test abi the_committed_list
cargo test --quiet --package cardwright-ffi --test thirty_two_bits the_committed_definition
