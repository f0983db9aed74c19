#!/usr/bin/env bash
# Writes include/cardwright.h from the sources of the crate `ffi`.
set -euo pipefail
cd "$(dirname "$0")/.."
CARDWRIGHT_WRITE_HEADER=1 cargo test --quiet --package cardwright-ffi --test header the_committed_header
