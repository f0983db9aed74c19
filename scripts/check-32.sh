#!/usr/bin/env bash
# 32 bits. The library is built for i686 Linux, and the C programs run with it. It is built for i686 Windows too: the DLL
# exports what include/cardwright.def says, and a program links with it, but is not run.
#   scripts/check-32.sh FOLDER
# FOLDER is empty and stays behind. Parts whose compilers are missing are skipped with a message.
set -euo pipefail
folder=$(realpath "$1")
cd "$(dirname "$0")/.."
. scripts/c-programs.sh
target=$(realpath "${CARGO_TARGET_DIR:-target}")/m32
skip() { echo "$1: SKIPPED, $2"; }
flags=(-std=c99 -Wall -Wextra -Wpedantic -Werror -I include -I ffi/testcard)

has_std() { [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ]; }
build() {
  cargo build --quiet --locked --target "$1" --target-dir "$target" -p cardwright-ffi -p cardwright-testcard
}

linux() {
  local target_name=i686-unknown-linux-gnu source name arguments
  printf '#include <stdio.h>\n#include <asm/types.h>\nint main(void) { return puts("") < 0; }\n' >"$folder/try.c"
  cc -m32 "$folder/try.c" -o "$folder/try" 2>/dev/null ||
    { skip "32-bit Linux" "cc -m32 does not work (Debian: gcc-multilib)"; return; }
  "$folder/try" >/dev/null 2>&1 || { skip "32-bit Linux" "programs of 32 bits do not run here"; return; }
  has_std $target_name || { skip "32-bit Linux" "no standard library (rustup target add $target_name)"; return; }
  build $target_name
  local libraries=$target/$target_name/debug
  ln -sf libcardwright.so "$libraries/libcardwright.so.$(sed -n 's/^#define CW_ABI_VERSION //p' include/cardwright.h)"
  cargo run --quiet --locked -p cardwright-capgen --example payment_cap -- "$folder/payment.cap"
  while read -r source; do
    name=$(basename "$source")
    compile_c "$source" "$folder/$name.run" -m32 -- -m32 -L "$libraries" "-Wl,-rpath,$libraries" -lcardwright ||
      { skip "32-bit Linux: $name" "no compiler for it"; continue; }
    mkdir "$folder/$name.d"
    while read -r arguments; do
      # The arguments are words without blanks in them.
      (cd "$folder/$name.d" && "$folder/$name.run" $arguments) >"$folder/$name.out" 2>&1 ||
        { cat "$folder/$name.out"; echo "32-bit Linux: $name $arguments failed" >&2; exit 1; }
    done < <(runs_of "$source" "$folder/payment.cap")
    echo "32-bit Linux: $name ran"
  done < <(c_programs)
}

windows() {
  local target_name=i686-pc-windows-gnu tools=i686-w64-mingw32
  command -v $tools-gcc >/dev/null || { skip "32-bit Windows" "no compiler (Debian: gcc-mingw-w64-i686)"; return; }
  has_std $target_name || { skip "32-bit Windows" "no standard library (rustup target add $target_name)"; return; }
  build $target_name
  local libraries=$target/$target_name/debug
  $tools-objdump -p "$libraries/cardwright.dll" |
    awk '/Name Pointer\] Table/ { on = 1; next } NF == 0 { on = 0 } on { print $NF }' | sort >"$folder/exported"
  diff "$folder/exported" <(sed -n 's/^    //p' include/cardwright.def | sort) ||
    { echo "32-bit Windows: the DLL exports other names than include/cardwright.def" >&2; exit 1; }
  $tools-dlltool --kill-at -d include/cardwright-i686.def -l "$folder/libcardwright.dll.a"
  $tools-gcc "${flags[@]}" examples/c/list.c -o "$folder/list.exe" "$folder/libcardwright.dll.a" \
    "$libraries/libcardwright_testcard.dll.a" -Wl,--disable-stdcall-fixup
  echo "32-bit Windows: the DLL exports its functions, list.c links with it (not run)"
}

linux
windows
