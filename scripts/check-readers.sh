#!/usr/bin/env bash
# PC/SC: pcscd with vsmartcard's virtual reader, the software card in it, the main job over it, also with the card torn out
# in the middle. Without systemd; where the machine allows it in namespaces of its own, so that nothing of it can be reached
# from outside, and a pcscd that runs already is not in the way.
#   scripts/check-readers.sh FOLDER
# FOLDER is empty and stays behind. Without pcscd and vpcd the check is skipped with a message.
set -euo pipefail
folder=$(realpath "$1")
cd "$(dirname "$0")/.."

skip() { echo "readers: SKIPPED, $1"; exit 0; }

if [ -z "${CARDWRIGHT_READERS_INSIDE:-}" ]; then
  driver=$(find /usr/lib /usr/local/lib -name libifdvpcd.so 2>/dev/null | head -1)
  [ -n "$driver" ] || skip "there is no vpcd (Debian: vsmartcard-vpcd)"
  command -v pcscd >/dev/null || skip "there is no pcscd (Debian: pcscd)"
  pkg-config --exists libpcsclite 2>/dev/null || skip "PC/SC cannot be built (Debian: libpcsclite-dev pkg-config)"
  [ "$(id -u)" = 0 ] || skip "pcscd needs root"

  cargo build --release --locked --quiet --features pcsc --example issue --example virtual_card
  cargo test --locked --quiet -p cardwright-apdu --features pcsc --test pcsc --no-run

  export CARDWRIGHT_READERS_INSIDE=1 CARDWRIGHT_VPCD=$driver
  if command -v ip >/dev/null && unshare --net --mount true 2>/dev/null; then
    exec unshare --net --mount bash -c 'ip link set lo up && mkdir -p /run/pcscd && mount -t tmpfs none /run/pcscd && exec "$@"' \
      inside "$PWD/scripts/check-readers.sh" "$folder"
  fi
  [ ! -e /run/pcscd/pcscd.comm ] || skip "a pcscd runs on this machine, and namespaces are not allowed"
  exec "$PWD/scripts/check-readers.sh" "$folder"
fi

issue=$PWD/target/release/examples/issue
virtual_card=$PWD/target/release/examples/virtual_card
reader="Virtual PCD 00 00"
running=()
cleanup() { for pid in "${running[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done; }
trap cleanup EXIT

fail() { echo "readers: $1" >&2; shift; for file in "$@"; do echo "-- $file" >&2; cat "$file" >&2; done; exit 1; }

# until_true SECONDS COMMAND...: runs the command until it succeeds.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

root=$PWD
cd "$folder"
mkdir -p readers.d
printf 'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH %s\nCHANNELID 0x8C7B\n' "$CARDWRIGHT_VPCD" >readers.d/vpcd

"$issue" --reader "$reader" --journal none.journal >none.out 2>&1 && fail "a card without a service" none.out
grep -q "start it" none.out || fail "the missing service was not told" none.out

pcscd --foreground --error --config "$PWD/readers.d" >pcscd.out 2>&1 &
running+=($!)
listed() { "$issue" --reader nothing --journal none.journal >list.out 2>&1; grep -q "$reader" list.out; }
until_true 20 listed || fail "pcscd shows no reader" list.out pcscd.out

(cd "$root" && cargo test --offline --locked --quiet -p cardwright-apdu --features pcsc --test pcsc -- --ignored --nocapture)

table() { sed -n '/^Now on the card/,/^$/p' "$1"; }
inserted() { [ "$(cat card.out 2>/dev/null | grep -c "^in the reader")" -ge "$1" ]; }

# insert OPTIONS...: puts a card into the reader.
insert() {
  rm -f card.out
  "$virtual_card" --card over.card --seed 5 "$@" >card.out 2>&1 &
  card=$!
  running+=("$card")
  until_true 20 inserted 1 || fail "the card did not get into the reader" card.out
}
# pcscd looks every 0.4 s whether a card is there, and takes another one that came in between for the same.
remove() { kill "$card"; wait "$card" 2>/dev/null || true; rm -f over.card* over.journal*; sleep 1; }

for scp in 02 03; do
  line=""
  [ $scp = 03 ] || line=--t0
  rm -f reference.*
  "$issue" --scp $scp --seed 5 --journal reference.journal >reference.out
  insert --scp $scp $line
  begun=$(date +%s%N)
  "$issue" --reader "$reader" --journal over.journal >first.out 2>&1 || fail "SCP$scp: not issued" first.out card.out
  micros=$((($(date +%s%N) - begun) / 1000))
  cmp <(table reference.out) <(table first.out) || fail "SCP$scp: another card than in process" reference.out first.out
  "$issue" --reader "$reader" --journal over.journal >second.out 2>&1 || fail "SCP$scp: second run" second.out
  grep -q "nothing was left" second.out || fail "SCP$scp: something was left to do" second.out
  total=$(sed -n 's/^\([0-9]*\) commands.*/\1/p' first.out)
  remove
  echo "SCP$scp${line:+ over T=0}: issued over PC/SC with $total commands in $((micros / 1000)) ms"

  for n in 1 $((total / 4)) $((total / 2)) $((total * 3 / 4)) $((total - 3)); do
    for executed in "" --executed; do
      insert --scp $scp $line --cut "$n" $executed
      status=0
      "$issue" --reader "$reader" --journal over.journal >first.out 2>&1 || status=$?
      [ $status = 3 ] || fail "SCP$scp, torn at $n $executed: exit status $status instead of 3" first.out card.out
      until_true 20 inserted 2 || fail "the card did not come back" card.out
      "$issue" --reader "$reader" --journal over.journal >second.out 2>&1 ||
        fail "SCP$scp, torn at $n $executed: the second run failed" first.out second.out card.out
      cmp <(table reference.out) <(table second.out) ||
        fail "SCP$scp, torn at $n $executed: another card than without" reference.out second.out
      remove
    done
  done
  echo "SCP$scp: torn out of the reader at five commands, before and after, always the same card"
done
