#!/usr/bin/env bash
# Runs the example crash_storm for each job, over both kinds of store, and every sabotage of each with three seeds, up to two minutes in
# all. The seeds are the same each time, so that what passed once passes again; to look for more, give another.
#   scripts/check-storm.sh PROGRAM [CARDS [SEED]]
set -euo pipefail
storm=${1:?usage: scripts/check-storm.sh PROGRAM [CARDS [SEED]]}
cards=${2:-20000}
seed=${3:-1}

for job in issue purse; do
  "$storm" --cards "$cards" --seed "$seed" --job "$job"
  "$storm" --cards "$((cards / 40))" --seed "$seed" --job "$job" --store sqlite
  # Each is found within 2000 cards.
  found() {
    if "$storm" --cards 2000 --job "$job" --sabotage "$@" >/dev/null; then
      echo "sabotage $* of job $job was not found" >&2
      exit 1
    fi
  }
  for n in "$seed" "$((seed + 1))" "$((seed + 2))"; do
    for name in intent-after-command no-fencing unsynced-commit blind-retry bare-status; do
      found "$name" --seed "$n"
    done
    found unsynced-commit --seed "$n" --store sqlite
  done
done
echo "every sabotage was found"
