#!/usr/bin/env bash
# Runs the C and C++ programs under valgrind, and with address and leak sanitizers that see inside the library too.
#   scripts/check-c.sh FOLDER [SOURCE ..]      default: all of examples/c and examples/cpp that have a main
# Each gets a CAP file as its argument, and must end with 0. FOLDER is empty and stays behind, with what the tools said.
# Parts whose tools are missing are skipped with a message.
set -euo pipefail
folder=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
skip() { echo "$1: SKIPPED, $2"; }
[ "$(uname -s)" = Linux ] || { skip "C programs" "the check is for Linux"; exit 0; }

sources=("$@")
if [ $# = 0 ]; then mapfile -t sources < <(grep -l '^int main(' examples/c/*.c examples/cpp/*.cpp 2>/dev/null); fi
[ ${#sources[@]} -gt 0 ] || { echo "there are no programs" >&2; exit 1; }

cargo build --quiet --locked --release -p cardwright-ffi -p cardwright-testcard
cargo run --quiet --locked -p cardwright-capgen --example payment_cap -- "$folder/payment.cap"
mkdir -p "$folder/lib"
cp "$target/release/libcardwright_testcard.so" "$folder/lib/"
cp "$target/release/libcardwright.so" "$folder/lib/libcardwright.so.$(sed -n 's/^#define CW_ABI_VERSION //p' include/cardwright.h)"
(cd "$folder/lib" && ln -sf libcardwright.so.* libcardwright.so)

# compile SOURCE PROGRAM FLAGS -- LIBRARIES: 1 without a compiler for it; ends the script when it does not compile.
compile() {
  local source=$1 program=$2 compiler=(cc -std=c99) flags=()
  shift 2
  case "$source" in *.cpp) compiler=(c++) ;; esac
  command -v "${compiler[0]}" >/dev/null || return 1
  while [ "$1" != -- ]; do flags+=("$1"); shift; done
  shift
  "${compiler[@]}" -g -Wall -Wextra -Werror "${flags[@]}" -I include -I ffi/testcard -I examples/c -c "$source" -o "$program.o" &&
    "${compiler[0]}" "$program.o" -o "$program" "$@" -L "$folder/lib" "-Wl,-rpath,$folder/lib" -lcardwright_testcard \
      -lpthread -ldl -lm || { echo "$source does not compile" >&2; exit 1; }
}

# run HOW NAME COMMAND...: runs it in a folder of its own; what it says is shown when it fails.
run() {
  local how=$1 name=$2 status=0
  shift 2
  local out=$folder/$how/$name.out
  mkdir -p "$folder/$how/$name.d"
  (cd "$folder/$how/$name.d" && exec "$@" "$folder/payment.cap") >"$out" 2>&1 || status=$?
  if [ $status != 0 ]; then
    tail -n 60 "$out" >&2
    echo "$how: $name ended with $status, see $out" >&2
    failed=yes
  else
    echo "$how: $name, no finding"
  fi
}

failed=no
under_valgrind() {
  local source name
  command -v valgrind >/dev/null || { skip valgrind "it is not there (Debian: valgrind)"; return; }
  mkdir "$folder/valgrind"
  for source in "${sources[@]}"; do
    name=$(basename "$source")
    compile "$source" "$folder/valgrind/$name.run" -- -lcardwright || { skip "valgrind: $name" "no compiler for it"; continue; }
    run valgrind "$name" valgrind --quiet --error-exitcode=99 --leak-check=full "$folder/valgrind/$name.run"
  done
}

with_sanitizers() {
  local source name host runtime
  host=$(rustc -vV | sed -n 's/^host: //p')
  runtime=$(ls "$(rustc --print sysroot)/lib/rustlib/$host/lib/"librustc-*_rt.asan.a 2>/dev/null | head -1)
  [ -n "$runtime" ] || { skip sanitizers "the toolchain has none"; return; }
  printf 'int main(void) { return 0; }\n' >"$folder/try.c"
  cc -fsanitize=address "$folder/try.c" -o "$folder/try" 2>/dev/null ||
    { skip sanitizers "cc -fsanitize=address does not work (Debian: gcc)"; return; }
  # Not an option of the stable toolchain yet.
  RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo rustc --quiet --locked --release --target "$host" \
    --target-dir "$target/asan" -p cardwright-ffi --lib --crate-type staticlib
  mkdir "$folder/sanitizers"
  for source in "${sources[@]}"; do
    name=$(basename "$source")
    # One runtime for both compilers: the linker is not told of sanitizers, or it would add its own.
    compile "$source" "$folder/sanitizers/$name.run" -fsanitize=address -- -Wl,--whole-archive "$runtime" \
      -Wl,--no-whole-archive "$target/asan/$host/release/libcardwright.a" ||
      { skip "sanitizers: $name" "no compiler for it"; continue; }
    run sanitizers "$name" env ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 "$folder/sanitizers/$name.run"
  done
}

under_valgrind
with_sanitizers
[ $failed = no ]
