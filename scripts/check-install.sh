#!/usr/bin/env bash
# Installs the C library into a folder, and compiles and runs a program with what is there, as pkg-config tells.
#   scripts/check-install.sh FOLDER
# FOLDER is empty and stays behind. Without pkg-config the check is skipped with a message.
set -euo pipefail
folder=$(realpath "$1")
cd "$(dirname "$0")/.."
[ "$(uname -s)" = Linux ] || { echo "installed library: SKIPPED, the script is for Linux"; exit 0; }
command -v pkg-config >/dev/null || { echo "installed library: SKIPPED, there is no pkg-config"; exit 0; }
fail() { echo "installed library: $1" >&2; exit 1; }

scripts/install-c.sh "$folder/prefix"
lib=$folder/prefix/lib
diff <(nm -D --defined-only "$lib/libcardwright.so" | sed 's/.* //' | sort) <(sed -n 's/^function \([^ ]*\) .*/\1/p' ffi/abi.txt | sort) ||
  fail "the shared library exports other functions than the header's"

# The card that the program reads, away from the library that cargo built.
cargo build --quiet --locked --release -p cardwright-testcard
mkdir -p "$folder/card"
cp "${CARGO_TARGET_DIR:-target}/release/libcardwright_testcard.so" "$folder/card/"
export PKG_CONFIG_PATH=$lib/pkgconfig
card=(-I ffi/testcard -L "$folder/card" "-Wl,-rpath,$folder/card" -lcardwright_testcard)
flags=(-std=c99 -Wall -Wextra -Wpedantic -Werror)
cc "${flags[@]}" examples/c/list.c -o "$folder/shared" $(pkg-config --cflags --libs cardwright) "${card[@]}"
cc "${flags[@]}" examples/c/list.c -o "$folder/static" $(pkg-config --cflags cardwright) -Wl,-Bstatic \
  $(pkg-config --static --libs cardwright | sed 's/-lcardwright/& -Wl,-Bdynamic/') "${card[@]}"
readelf -d "$folder/shared" | grep -q "NEEDED.*\[libcardwright\.so\.$(sed -n 's/^constant CW_ABI_VERSION //p' ffi/abi.txt)\]" ||
  fail "the program does not ask for the library with the number of its interface"
! readelf -d "$folder/static" | grep -q "NEEDED.*libcardwright\.so" || fail "the static program asks for the shared library"
for program in shared static; do
  LD_LIBRARY_PATH=$lib "$folder/$program" >"$folder/$program.out"
  grep -q "^80 A000000151000000 01, 0 modules$" "$folder/$program.out" || fail "list.c ($program) does not list the card"
done
[ "$(pkg-config --modversion cardwright)" = "$(basename "$(realpath "$lib/libcardwright.so")" | sed 's/libcardwright.so.//')" ] ||
  fail "the version for pkg-config is not that of the library"
echo "installed library: list.c compiles and runs, shared and static"
