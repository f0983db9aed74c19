#!/usr/bin/env bash
# Runs all checks of the project; installs what they need when it may (Debian, as root).
#   scripts/check.sh          everything
#   scripts/check.sh --quick  without the slow parts: release build, the README's commands, every cut of the built program,
#                             200 kills, fuzzing, readers, the C library installed, watched and in 32 bits; needs no package
#                             but a C compiler
set -euo pipefail
cd "$(dirname "$0")/.."

quick=no
case "${1:-}" in
  "") ;;
  --quick) quick=yes ;;
  *) echo "usage: scripts/check.sh [--quick]" >&2; exit 2 ;;
esac

begun=$SECONDS
step() { printf '\n== %s (%s s)\n' "$1" "$((SECONDS - begun))"; }

# What the checks need besides Rust. A C compiler is for the SQLite that comes with the store; the rest is for PC/SC, PKCS#11,
# the fuzzers, the C programs, C# and 32-bit machines, and --quick does without.
packages=()
command -v cc >/dev/null || packages+=(gcc libc6-dev)
if [ "$quick" = no ]; then
  command -v c++ >/dev/null || packages+=(g++)
  for package in pkg-config libpcsclite-dev libpcsclite1 pcscd vsmartcard-vpcd python3-venv mono-mcs mono-runtime valgrind softhsm2 gcc-mingw-w64-i686 g++-mingw-w64-i686 \
    $([ "$(uname -m)" != x86_64 ] || echo gcc-multilib g++-multilib); do
    dpkg -s "$package" >/dev/null 2>&1 || packages+=("$package")
  done
fi
if [ ${#packages[@]} -gt 0 ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  step "install ${packages[*]}"
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; } ||
    echo "not installed: ${packages[*]}" >&2
fi
if [ "$quick" = no ] && command -v rustup >/dev/null && [ "$(id -u)" = 0 ]; then
  timeout 300 rustup --quiet target add i686-unknown-linux-gnu i686-pc-windows-gnu || echo "not installed: Rust for 32 bits" >&2
fi
command -v cc >/dev/null || { echo "a C compiler is missing: install one (gcc or clang) and run this again" >&2; exit 1; }
features=()
if pkg-config --exists libpcsclite 2>/dev/null; then
  features=(--all-features)
else
  features=(--features "cardwright/pkcs11,cardwright-keys/pkcs11,cardwright-ffi/pkcs11")
  echo "without the feature pcsc, which needs libpcsclite-dev and pkg-config"
fi

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --workspace --all-targets "${features[@]}" --locked -- -D warnings

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps "${features[@]}" --locked --quiet

step "no_std"
scripts/check-no-std.sh

step "tests"
cargo test --workspace "${features[@]}" --locked

if [ "$quick" = no ]; then
  step "release build"
  cargo build --release --example issue --example cpu_card --example sim_card --locked --quiet
  step "the README's command, and a second run"
  here=$PWD
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (cd "$folder" && "$here/target/release/examples/issue" && "$here/target/release/examples/issue" | grep "nothing was left")
  step "torn at every command"
  scripts/check-cuts.sh "$here/target/release/examples" "$folder"
  step "torn at every command, and again at every command of the next run"
  CARDWRIGHT_TEARS=all cargo test "${features[@]}" --locked --test remote_issuing torn_again
  CARDWRIGHT_TEARS=all cargo test "${features[@]}" --locked -p cardwright-ffi --test c_issue torn_anywhere
  step "killed 200 times"
  CARDWRIGHT_KILLS=200 cargo test "${features[@]}" --locked --test killed_issuing
  step "200 cards over the network while server and terminal are killed"
  CARDWRIGHT_CARDS=200 cargo test "${features[@]}" --locked --test killed_terminals
  step "issuing in a storm, and sabotage that it has to find"
  cargo build --release --example crash_storm --locked --quiet
  scripts/check-storm.sh "$here/target/release/examples/crash_storm"
  step "a report in a browser"
  cargo build --release --example report --locked --quiet
  mkdir "$folder/report"
  scripts/check-report.sh "$here/target/release/examples/report" "$folder/report" || [ $? = 3 ]
  step "installed C library"
  mkdir "$folder/installed"
  scripts/check-install.sh "$folder/installed"
  step "C programs under valgrind and sanitizers"
  mkdir "$folder/c"
  scripts/check-c.sh "$folder/c"
  step "32 bits"
  mkdir "$folder/32"
  scripts/check-32.sh "$folder/32"
  step "fuzzing"
  scripts/fuzz.sh 10
  step "readers"
  mkdir "$folder/readers"
  scripts/check-readers.sh "$folder/readers"

  step "host tools of others"
  mkdir "$folder/interop"
  scripts/check-interop.sh "$folder/interop"
fi

step "all checks passed"
