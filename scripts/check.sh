#!/usr/bin/env bash
# Runs all checks of the project; installs what they need when it may (Debian, as root).
#   scripts/check.sh          everything
#   scripts/check.sh --quick  without the slow parts: release build, the README's commands, every cut of the built program
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

# The one thing that the build needs besides Rust: a C compiler, for the SQLite that comes with the store.
if ! command -v cc >/dev/null; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    step "install a C compiler"
    apt-get update -qq && apt-get install -y -qq gcc libc6-dev >/dev/null
  else
    echo "a C compiler is missing: install one (gcc or clang) and run this again" >&2
    exit 1
  fi
fi

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked --quiet

step "no_std"
scripts/check-no-std.sh

step "tests"
cargo test --workspace --all-features --locked

if [ "$quick" = no ]; then
  step "release build"
  cargo build --release --example issue --locked --quiet
  step "the README's command, and a second run"
  here=$PWD
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (cd "$folder" && "$here/target/release/examples/issue" && "$here/target/release/examples/issue" | grep "nothing was left")
  step "torn at every command"
  scripts/check-cuts.sh "$here/target/release/examples/issue" "$folder"
fi

step "all checks passed"
