#!/usr/bin/env bash
# Runs the example crash_storm for each job, up to a minute in all, and every sabotage of each once. The seed is the same each
# time, so that what passed once passes again; to look for more, give another.
#   scripts/check-storm.sh PROGRAM [CARDS [SEED]]
set -euo pipefail
storm=${1:?usage: scripts/check-storm.sh PROGRAM [CARDS [SEED]]}
cards=${2:-20000}
seed=${3:-1}

for job in issue purse; do
  "$storm" --cards "$cards" --seed "$seed" --job "$job"
  # Each is found within 2000 cards.
  for name in intent-after-command no-fencing unsynced-commit blind-retry bare-status; do
    if "$storm" --cards 2000 --seed "$seed" --job "$job" --sabotage "$name" >/dev/null; then
      echo "sabotage $name of job $job was not found with seed $seed" >&2
      exit 1
    fi
  done
done
echo "every sabotage was found"
