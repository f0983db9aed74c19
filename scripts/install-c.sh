#!/usr/bin/env bash
# Builds the C library and installs it on Linux: shared and static library, headers, and the file for pkg-config.
#   scripts/install-c.sh PREFIX      such as /usr/local; with DESTDIR set, everything goes below that folder
set -euo pipefail
[ $# = 1 ] && [ "${1#/}" != "$1" ] || { echo "usage: scripts/install-c.sh PREFIX (an absolute path)" >&2; exit 2; }
prefix=$1
to=${DESTDIR:-}$prefix
cd "$(dirname "$0")/.."

cargo build --quiet --locked --release -p cardwright-ffi --lib
built=${CARGO_TARGET_DIR:-target}/release
version=$(cargo pkgid --locked -p cardwright-ffi)
version=${version##*[@#]}
abi=$(sed -n 's/^#define CW_ABI_VERSION //p' include/cardwright.h)

install -d "$to/include" "$to/lib/pkgconfig"
for header in include/*.h include/*.hpp; do
  [ ! -e "$header" ] || install -m 644 "$header" "$to/include/"
done
install -m 644 "$built/libcardwright.a" "$to/lib/"
install -m 755 "$built/libcardwright.so" "$to/lib/libcardwright.so.$version"
# Programs ask for the second name, the linker for the third.
ln -sf "libcardwright.so.$version" "$to/lib/libcardwright.so.$abi"
ln -sf "libcardwright.so.$abi" "$to/lib/libcardwright.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" ffi/cardwright.pc.in >"$to/lib/pkgconfig/cardwright.pc"
chmod 644 "$to/lib/pkgconfig/cardwright.pc"
