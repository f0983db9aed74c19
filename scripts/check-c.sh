#!/usr/bin/env bash
# Runs the C and C++ programs under valgrind, and with address and leak sanitizers that see inside the library too.
#   scripts/check-c.sh FOLDER [SOURCE ..]      default: those of examples/c and examples/cpp
# Each must end with 0. FOLDER is empty and stays behind, with what the tools said.
# Parts whose tools are missing are skipped with a message.
set -euo pipefail
folder=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
. scripts/c-programs.sh
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
skip() { echo "$1: SKIPPED, $2"; }
[ "$(uname -s)" = Linux ] || { skip "C programs" "the check is for Linux"; exit 0; }

sources=("$@")
if [ $# = 0 ]; then mapfile -t sources < <(c_programs); fi
[ ${#sources[@]} -gt 0 ] || { echo "there are no programs" >&2; exit 1; }

cargo build --quiet --locked -p cardwright-ffi -p cardwright-testcard
cargo run --quiet --locked -p cardwright-capgen --example payment_cap -- "$folder/payment.cap"
mkdir -p "$folder/lib"
cp "$target/debug/libcardwright_testcard.so" "$folder/lib/"
cp "$target/debug/libcardwright.so" "$folder/lib/libcardwright.so.$(sed -n 's/^#define CW_ABI_VERSION //p' include/cardwright.h)"
(cd "$folder/lib" && ln -sf libcardwright.so.* libcardwright.so)

lib=(-L "$folder/lib" "-Wl,-rpath,$folder/lib")

# run HOW SOURCE COMMAND...: all runs of a program, in a folder of their own; what it says is shown when it fails.
run() {
  local how=$1 name arguments status out=$folder/$1/$(basename "$2").out
  name=$(basename "$2")
  mapfile -t runs < <(runs_of "$2" "$folder/payment.cap")
  shift 2
  mkdir -p "$folder/$how/$name.d"
  for arguments in "${runs[@]}"; do
    status=0
    # The arguments are words without blanks in them.
    (cd "$folder/$how/$name.d" && exec "$@" $arguments) >"$out" 2>&1 || status=$?
    if [ $status != 0 ]; then
      tail -n 60 "$out" >&2
      echo "$how: $name$arguments ended with $status, see $out" >&2
      failed=yes
      return
    fi
  done
  echo "$how: $name, ${#runs[@]} runs, no finding"
}

failed=no
suppressions=$PWD/scripts/valgrind.supp
under_valgrind() {
  local source name
  command -v valgrind >/dev/null || { skip valgrind "it is not there (Debian: valgrind)"; return; }
  mkdir "$folder/valgrind"
  for source in "${sources[@]}"; do
    name=$(basename "$source")
    compile_c "$source" "$folder/valgrind/$name.run" -- "${lib[@]}" -lcardwright ||
      { skip "valgrind: $name" "no compiler for it"; continue; }
    run valgrind "$source" valgrind --quiet --error-exitcode=99 --leak-check=full --suppressions="$suppressions" "$folder/valgrind/$name.run"
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
  RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo rustc --quiet --locked --target "$host" \
    --target-dir "$target/asan" -p cardwright-ffi --lib --crate-type staticlib
  mkdir "$folder/sanitizers"
  for source in "${sources[@]}"; do
    name=$(basename "$source")
    # One runtime for both compilers: the linker is not told of sanitizers, or it would add its own.
    compile_c "$source" "$folder/sanitizers/$name.run" -fsanitize=address -- "${lib[@]}" -Wl,--whole-archive "$runtime" \
      -Wl,--no-whole-archive "$target/asan/$host/debug/libcardwright.a" ||
      { skip "sanitizers: $name" "no compiler for it"; continue; }
    run sanitizers "$source" env ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1 "$folder/sanitizers/$name.run"
  done
}

under_valgrind
with_sanitizers
[ $failed = no ]
