#!/usr/bin/env bash
# Fuzzes every target for a few seconds, from the committed seeds, on the stable toolchain and without further tools.
#   scripts/fuzz.sh [SECONDS [TARGET ..]]      default: 10 seconds, all targets
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds=${1:-10}
[ $# -gt 0 ] && shift
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(ls targets | sed 's/\.rs$//'); fi

if ! command -v c++ >/dev/null; then
  echo "skipped: the fuzzers need a C++ compiler (Debian: g++)" >&2
  exit 0
fi
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo fuzz passes; address sanitizer and coverage are not stable options yet.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"
RUSTFLAGS=$(echo $RUSTFLAGS)
cargo build --release --locked --quiet --target "$host" --target-dir ../target/fuzz $(printf -- '--bin %s ' "${targets[@]}")
run() {
  local target=$1 corpus=../target/fuzz/corpus/$1
  mkdir -p "$corpus" "seeds/$target"
  if ! ../target/fuzz/"$host"/release/"$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="../target/fuzz/$target-" -print_final_stats=1 "$corpus" "seeds/$target" >../target/fuzz/"$target".log 2>&1; then
    tail -n 40 ../target/fuzz/"$target".log >&2
    echo "fuzzing $target found something: see target/fuzz/$target-*" >&2
    return 1
  fi
  printf '%-10s %s runs, no finding\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' ../target/fuzz/"$target".log)"
}
export -f run
export host seconds
# Two at a time. A finding (255) ends it all.
printf '%s\0' "${targets[@]}" | xargs -0 -n 1 -P 2 bash -c 'run "$0" || exit 255'
