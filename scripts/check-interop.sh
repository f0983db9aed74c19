#!/usr/bin/env bash
# The software Java Card before a host that shares no code with it: yubikit's security domain, over pcscd and vsmartcard's virtual
# reader, with SCP03 in the options that it knows. In namespaces of its own, as scripts/check-readers.sh.
#   scripts/check-interop.sh FOLDER
# FOLDER is empty and stays behind. Needs pcscd, vpcd and Python; yubikit comes from PyPI, into FOLDER. Without one of them the check is
# skipped with a message. docs/interop.md tells of the other hosts and cards.
set -euo pipefail
folder=$(realpath "$1")
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

skip() { echo "interop: SKIPPED, $1"; exit 0; }

if [ -z "${CARDWRIGHT_INTEROP_INSIDE:-}" ]; then
  driver=$(find /usr/lib /usr/local/lib -name libifdvpcd.so 2>/dev/null | head -1)
  [ -n "$driver" ] || skip "there is no vpcd (Debian: vsmartcard-vpcd)"
  command -v pcscd >/dev/null || skip "there is no pcscd (Debian: pcscd)"
  [ "$(id -u)" = 0 ] || skip "pcscd needs root"
  command -v ip >/dev/null && unshare --net --mount true 2>/dev/null || skip "namespaces are not allowed"
  python3 -m venv "$folder/python" >"$folder/python.out" 2>&1 || skip "there is no Python with venv (Debian: python3-venv)"
  timeout 300 "$folder/python/bin/pip" install --quiet --disable-pip-version-check yubikey-manager==5.9.2 pyscard==2.3.1 \
    >"$folder/python.out" 2>&1 || skip "yubikit cannot be installed: $(tail -1 "$folder/python.out")"

  cargo build --release --locked --quiet --example virtual_card

  export CARDWRIGHT_INTEROP_INSIDE=1 CARDWRIGHT_VPCD=$driver
  exec unshare --net --mount bash -c 'ip link set lo up && mkdir -p /run/pcscd && mount -t tmpfs none /run/pcscd && exec "$@"' \
    inside "$PWD/scripts/check-interop.sh" "$folder"
fi

running=()
cleanup() { for pid in "${running[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done; }
trap cleanup EXIT

cd "$folder"
mkdir readers.d
printf 'FRIENDLYNAME "Virtual PCD"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH %s\nCHANNELID 0x8C7B\n' "$CARDWRIGHT_VPCD" >readers.d/vpcd
pcscd --foreground --info --config "$PWD/readers.d" >pcscd.out 2>&1 &
running+=($!)

cat >host.py <<'PYTHON'
import sys, time
from smartcard.Exceptions import CardConnectionException, NoCardException
from smartcard.System import readers
from ykman.pcsc import ScardSmartCardConnection
from yubikit.core.smartcard.scp import Scp03KeyParams, StaticKeys
from yubikit.securitydomain import KeyRef, SecurityDomainSession

END = time.monotonic() + 20


def session(version, key):
    while True:
        try:
            connection = next(reader for reader in readers() if str(reader) == "Virtual PCD 00 00").createConnection()
            connection.connect()
            break
        except (CardConnectionException, NoCardException, StopIteration):
            if time.monotonic() > END:
                raise
            time.sleep(0.1)
    opened = SecurityDomainSession(ScardSmartCardConnection(connection))
    opened.authenticate(Scp03KeyParams(KeyRef(1, version), StaticKeys(key, key, key)))
    return opened


def versions(opened):
    return sorted((key.kvn, key.kid) for key in opened.get_key_information())


published, other = bytes(range(0x40, 0x50)), bytes(range(0x10, 0x20))
three = lambda version: [(version, key) for key in (1, 2, 3)]

first = session(1, published)
assert bytes.fromhex("2A864886FC6B0403" + sys.argv[1]) in first.get_card_recognition_data()
assert versions(first) == three(1), versions(first)
first.put_key(KeyRef(1, 0x30), StaticKeys(other, other, other))
second = session(0x30, other)
assert versions(second) == three(1) + three(0x30), versions(second)
second.put_key(KeyRef(1, 0x31), StaticKeys(published, published, published), 0x30)
third = session(0x31, published)
third.delete_key(kvn=1)
assert versions(third) == three(0x31), versions(third)
PYTHON

for i in 60 70; do
  "$target/release/examples/virtual_card" --card "card.$i" --i "$i" >"card.$i.out" 2>&1 &
  card=$!
  running+=("$card")
  python/bin/python host.py "$i" >"host.$i.out" 2>&1 || {
    echo "interop: yubikit and the software card, SCP03 i=$i" >&2
    cat "host.$i.out" "card.$i.out" >&2
    exit 1
  }
  kill "$card" && wait "$card" 2>/dev/null || true
  # pcscd looks every 0.4 s whether a card is there: the next one is to be seen as another.
  sleep 1
  echo "yubikit, SCP03 i=$i: channels opened; key sets added, replaced and deleted"
done
