#!/usr/bin/env bash
# Tears the card out at every command of the main job, before and after the command is executed, and runs the program
# again: the card must end the same every time.
#   scripts/check-cuts.sh PROGRAM FOLDER
set -euo pipefail
program=$1
cd "$2"

table() { sed -n '/^Now on the card/,/^$/p' "$1"; }

for scp in 02 03; do
  rm -f cuts.* reference.*
  "$program" --scp $scp --seed 5 --journal reference.journal >reference.out
  total=$(sed -n 's/^\([0-9]*\) commands.*/\1/p' reference.out)
  for n in $(seq 1 "$total"); do
    for executed in "" --executed; do
      rm -f cuts.*
      status=0
      "$program" --scp $scp --seed 5 --journal cuts.journal --cut "$n" $executed >cuts.first || status=$?
      [ $status = 3 ] || { echo "SCP$scp, cut $n $executed: exit status $status instead of 3" >&2; exit 1; }
      "$program" --scp $scp --seed 6 --journal cuts.journal >cuts.second ||
        { echo "SCP$scp, cut $n $executed: the second run failed" >&2; cat cuts.second >&2; exit 1; }
      cmp <(table reference.out) <(table cuts.second) ||
        { echo "SCP$scp, cut $n $executed: another card than without the cut" >&2; exit 1; }
    done
  done
  echo "SCP$scp: torn at each of $total commands, before and after, always the same card"
done
