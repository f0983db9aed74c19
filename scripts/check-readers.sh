#!/usr/bin/env bash
# PC/SC: pcscd with vsmartcard's virtual reader, the software card in it, the main job over it, also with the card torn out
# at every command. Without systemd; where the machine allows it in namespaces of its own, so that nothing of it can be
# reached from outside, and a pcscd that runs already is not in the way.
#   scripts/check-readers.sh FOLDER          torn before or after each command, in turn
#   scripts/check-readers.sh FOLDER --full   torn before and after each command
# FOLDER is empty and stays behind. Without pcscd and vpcd the check is skipped with a message.
set -euo pipefail
folder=$(realpath "$1")
kinds=${2:-}
case "$kinds" in "" | --full) ;; *) echo "usage: scripts/check-readers.sh FOLDER [--full]" >&2; exit 2 ;; esac
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

skip() { echo "readers: SKIPPED, $1"; exit 0; }

if [ -z "${CARDWRIGHT_READERS_INSIDE:-}" ]; then
  driver=$(find /usr/lib /usr/local/lib -name libifdvpcd.so 2>/dev/null | head -1)
  [ -n "$driver" ] || skip "there is no vpcd (Debian: vsmartcard-vpcd)"
  command -v pcscd >/dev/null || skip "there is no pcscd (Debian: pcscd)"
  pkg-config --exists libpcsclite 2>/dev/null || skip "PC/SC cannot be built (Debian: libpcsclite-dev pkg-config)"
  [ "$(id -u)" = 0 ] || skip "pcscd needs root"

  cargo build --release --locked --quiet --features pcsc --example issue --example virtual_card
  cargo test --locked --quiet -p cardwright-apdu --features pcsc --test pcsc --no-run
  cargo build --release --locked --quiet -p cardwright-ffi --features pcsc
  cc -std=c99 -Wall -Wextra -Werror -I include examples/c/readers.c -o "$folder/readers" \
    "$target/release/libcardwright.a" -lpcsclite -lpthread -ldl -lm

  export CARDWRIGHT_READERS_INSIDE=1 CARDWRIGHT_VPCD=$driver
  if command -v ip >/dev/null && unshare --net --mount true 2>/dev/null; then
    exec unshare --net --mount bash -c 'ip link set lo up && mkdir -p /run/pcscd && mount -t tmpfs none /run/pcscd && exec "$@"' \
      inside "$PWD/scripts/check-readers.sh" "$folder" "$kinds"
  fi
  [ ! -e /run/pcscd/pcscd.comm ] || skip "a pcscd runs on this machine, and namespaces are not allowed"
  exec "$PWD/scripts/check-readers.sh" "$folder" "$kinds"
fi

issue=$target/release/examples/issue
virtual_card=$target/release/examples/virtual_card
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
    sleep 0.02
  done
}

root=$PWD
cd "$folder"
mkdir -p readers.d
printf 'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH %s\nCHANNELID 0x8C7B\n' "$CARDWRIGHT_VPCD" >readers.d/vpcd
service=$folder/pcscd.out

"$issue" --reader "Virtual PCD" --journal none.journal >none.out 2>&1 && fail "a card without a service" none.out
grep -q "start it" none.out || fail "the missing service was not told" none.out

pcscd --foreground --info --config "$PWD/readers.d" >"$service" 2>&1 &
running+=($!)
listed() { "$issue" --reader nothing --journal none.journal >list.out 2>&1; grep -q "Virtual PCD 00 01" list.out; }
until_true 20 listed || fail "pcscd shows no reader" list.out "$service"

./readers >c.out && grep -q "Virtual PCD 00 01" c.out || fail "the C program lists no reader" c.out
(cd "$root" && cargo test --offline --locked --quiet -p cardwright-apdu --features pcsc --test pcsc -- --ignored --nocapture)

table() { sed -n '/^Now on the card/,/^$/p' "$1"; }

# Everything below works in one of the two slots, each in a process of its own, and in a folder of its own.

# insert OPTIONS...: puts the card into the reader; whoever connects waits until pcscd has seen it.
insert() {
  outs=$(count_outs)
  "$virtual_card" --port "$port" --card over.card --seed 5 "$@" >card.out 2>&1 &
  card=$!
  running=("$card")
}
# pcscd looks every 0.4 s whether a card is there, and takes one that came in between for the one before: its log alone
# tells that it has seen the gap. Should it ever say so in other words, the time limit does.
count_outs() { grep -c "Card Removed From $reader" "$service" || true; }
is_out() { [ "$(count_outs)" -gt "$outs" ]; }
wait_until_out() { until_true 2 is_out || true; }
remove() {
  kill "$card" 2>/dev/null || true
  wait "$card" 2>/dev/null || true
  wait_until_out
}
clear_away() { rm -f over.card* over.journal*; }

# clean: the whole job without an interruption gives the card that it gives in process; `total` is left in a file.
clean() {
  clear_away
  "$issue" --scp "$scp" --seed 5 --journal reference.journal >"../reference.$scp"
  insert --scp "$scp" $line
  ../readers "$reader" >c.out 2>&1 || fail "SCP$scp: the C program does not list the card" c.out card.out
  [ "$(grep -c "^card cplc-\|^A000000151000000$" c.out)" = 2 ] || fail "SCP$scp: the C program lists another card" c.out
  local begun micros
  begun=$(date +%s%N)
  "$issue" --reader "$reader" --journal over.journal >first.out 2>&1 || fail "SCP$scp: not issued" first.out card.out
  micros=$((($(date +%s%N) - begun) / 1000))
  cmp <(table "../reference.$scp") <(table first.out) ||
    fail "SCP$scp: another card than in process" "../reference.$scp" first.out
  "$issue" --reader "$reader" --journal over.journal >second.out 2>&1 || fail "SCP$scp: second run" second.out
  grep -q "nothing was left" second.out || fail "SCP$scp: something was left to do" second.out
  sed -n 's/^\([0-9]*\) commands.*/\1/p' first.out >"../total.$scp"
  remove
  echo "SCP$scp${line:+ over T=0}: issued over PC/SC with $(cat "../total.$scp") commands in $((micros / 1000)) ms"
}

# torn N [--executed]: the card torn out at command N, and finished by the next run.
torn() {
  local status=0
  clear_away
  insert --scp "$scp" $line --cut "$@" --stay-out
  "$issue" --reader "$reader" --journal over.journal >first.out 2>&1 || status=$?
  [ $status = 3 ] || fail "SCP$scp, torn at $*: exit status $status instead of 3" first.out card.out
  grep -q "^out of the reader at command $1:" card.out || fail "SCP$scp: the card was not torn at $1" card.out
  wait_until_out
  insert
  "$issue" --reader "$reader" --journal over.journal >second.out 2>&1 ||
    fail "SCP$scp, torn at $*: the second run failed" first.out second.out card.out
  cmp <(table "../reference.$scp") <(table second.out) ||
    fail "SCP$scp, torn at $*: another card than without" "../reference.$scp" second.out
  remove
}

# every_second FIRST: torn at FIRST, FIRST + 2 and so on, for both protocols.
every_second() {
  local n kind
  for scp in 02 03; do
    set_line
    for n in $(seq "$1" 2 "$(cat "../total.$scp")"); do
      # Before odd commands of SCP03 and after even ones; the other way round for SCP02.
      kind=$(((n + 10#$scp) % 2))
      if [ "$kinds" = --full ] || [ $kind = 0 ]; then torn "$n"; fi
      if [ "$kinds" = --full ] || [ $kind = 1 ]; then torn "$n" --executed; fi
    done
  done
}
set_line() { if [ "$scp" = 02 ]; then line=--t0; else line=""; fi; }

# in_slot NUMBER COMMAND...
in_slot() {
  running=()
  trap cleanup EXIT
  port=$((35963 + $1)) reader="Virtual PCD 00 0$1"
  mkdir -p "slot$1"
  cd "slot$1"
  shift
  "$@"
}
clean_of() { scp=$1; set_line; clean; }

# in_both COMMAND [ARGUMENT of the first slot] [ARGUMENT of the second]: fails when one fails.
in_both() {
  (in_slot 0 "$1" "$2") &
  running+=($!)
  local first=$!
  (in_slot 1 "$1" "$3") &
  running+=($!)
  wait $! || exit 1
  wait "$first" || exit 1
}

in_both clean_of 02 03
begun=$SECONDS
in_both every_second 1 2
for scp in 02 03; do
  how="before or after, in turn"
  [ "$kinds" != --full ] || how="before and after"
  echo "SCP$scp: torn out of the reader at each of $(cat "total.$scp") commands, $how, always the same card"
done
echo "readers: torn runs took $((SECONDS - begun)) s"
