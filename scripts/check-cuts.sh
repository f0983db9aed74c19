#!/usr/bin/env bash
# Tears the card out at every command of the examples that issue cards, before and after the command is executed, and runs the
# program again: the card must end the same every time, or wait for a person who lets it go on, and a load must be paid for once.
#   scripts/check-cuts.sh EXAMPLES FOLDER [STEP]
# EXAMPLES is the folder of the built examples; with STEP only each so many commands are cut.
set -euo pipefail
examples=$1
step=${3:-1}
cd "$2"

# What is compared: lines of the last run's output, from the first pattern to the second, without how a load was proved.
lines() { sed -n "/$1/,/$2/p" "$3" | grep -v '^  proved by'; }

# check NAME FROM TO FILES PERSONS OPTIONS..: FILES are what the program writes beside its journal, by their endings; PERSONS is
# the most cuts after which a person may have to let the job go on.
check() {
  local name=$1 from=$2 to=$3 files=$4 persons=$5
  shift 5
  local what="${name##*/} $*" waited=0 total n executed status file
  rm -f cuts.* reference.*
  "$examples/$name" "$@" --journal reference.journal >reference.first
  total=$(sed -n 's/^\([0-9]*\) commands.*/\1/p' reference.first)
  "$examples/$name" "$@" --journal reference.journal >reference.out
  for n in $(seq 1 "$step" "$total"); do
    for executed in "" --executed; do
      rm -f cuts.*
      status=0
      "$examples/$name" "$@" --journal cuts.journal --cut "$n" $executed >cuts.first || status=$?
      [ $status = 3 ] || { echo "$what, cut $n $executed: exit status $status instead of 3" >&2; exit 1; }
      status=0
      "$examples/$name" "$@" --journal cuts.journal >cuts.second || status=$?
      if [ $status = 4 ]; then
        waited=$((waited + 1))
        status=0
        "$examples/$name" "$@" --journal cuts.journal --release-quarantine >cuts.second || status=$?
      fi
      [ $status = 0 ] || { echo "$what, cut $n $executed: not finished" >&2; cat cuts.second >&2; exit 1; }
      # A third run looks at the card again and finds nothing to do.
      "$examples/$name" "$@" --journal cuts.journal >cuts.third
      cmp <(lines "$from" "$to" reference.out) <(lines "$from" "$to" cuts.third) ||
        { echo "$what, cut $n $executed: another card than without the cut" >&2; exit 1; }
      for file in $files; do
        cmp "reference.$file" "cuts.$file" || { echo "$what, cut $n $executed: another $file" >&2; exit 1; }
      done
    done
  done
  [ "$waited" -le "$persons" ] || { echo "$what: $waited cuts wait for a person, $persons at most may" >&2; exit 1; }
  echo "$what: torn at each of $total commands, before and after, always the same card ($waited waited for a person)"
}

for scp in 02 03; do
  check issue '^Now on the card' '^$' "" 0 --scp $scp --seed 5
done
check cpu_card '^Card ' '^complete' "" 0 --seed 5
# The account's book says what was paid, the second block what the card holds.
check cpu_card '^Card ' '^loaded' "account" 0 --seed 5 --load 200
# VERIFY is a try that may have been counted: where the card does not tell, or says so, a person looks.
check sim_card '^SIM ' '^complete' "card" 1 --seed 5
check sim_card '^SIM ' '^complete' "card" 2 --seed 5 --profile sysmousim-gr1
check sim_card '^SIM ' '^complete' "card" 1 --seed 5 --profile sysmousim-sjs1
