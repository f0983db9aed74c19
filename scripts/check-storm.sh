#!/usr/bin/env bash
# Runs the example crash_storm for up to 40 seconds, and every sabotage once. The seed is the same each time, so that what passed
# once passes again; to look for more, give another.
#   scripts/check-storm.sh PROGRAM [CARDS [SEED]]
set -euo pipefail
storm=${1:?usage: scripts/check-storm.sh PROGRAM [CARDS [SEED]]}
cards=${2:-20000}
seed=${3:-1}

"$storm" --cards "$cards" --seed "$seed"

# Each is found within 2000 cards, on any seed.
for name in intent-after-command no-fencing unsynced-commit blind-retry bare-status; do
  if "$storm" --cards 2000 --seed "$seed" --sabotage "$name" >/dev/null; then
    echo "sabotage $name was not found with seed $seed" >&2
    exit 1
  fi
done
echo "every sabotage was found"
