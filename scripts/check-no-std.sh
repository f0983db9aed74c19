#!/usr/bin/env bash
# Builds the crates that need no standard library against a sysroot that has none.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(rustc -vV | sed -n 's/^host: //p')
from=$(rustc --print sysroot)/lib/rustlib/$target/lib
sysroot=$PWD/target/no-std-sysroot
rm -rf "$sysroot"
mkdir -p "$sysroot/lib/rustlib/$target/lib"
for library in core alloc compiler_builtins; do
  cp "$from/lib$library"-* "$sysroot/lib/rustlib/$target/lib/"
done
for crate in apdu keys gp cos; do
  RUSTFLAGS="--sysroot $sysroot" cargo check --quiet --locked -p "cardwright-$crate" --no-default-features \
    --target "$target" --target-dir target/no-std
  echo "cardwright-$crate builds without std"
done
