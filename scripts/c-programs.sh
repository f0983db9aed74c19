# What the checks of the C and C++ programs share; sourced, in the repository's root.

# The programs that need no reader of the machine, one in a line.
c_programs() {
  grep -l '^int main(' examples/c/*.c examples/cpp/*.cpp 2>/dev/null | xargs grep -L -- '--features pcsc'
}

# runs_of SOURCE CAP: the arguments of each run, one run in a line, as the usage at the head of the source tells. A program
# that can tear the card out does it in a second run.
runs_of() {
  local name usage word arguments=""
  name=$(basename "$1")
  name=${name%.*}
  usage=$(sed -n "1,15s|.*[ /]$name \(\[\?[A-Z].*\)|\1|p" "$1" | head -1 | tr -d '[]')
  for word in $usage; do
    case $word in
      CAP) arguments+=" $2" ;;
      JOURNAL | TRACE) arguments+=" ${word,,}" ;;
      *) break ;;
    esac
  done
  echo "$arguments"
  case " $usage " in *" SCP CUT EXECUTED "*) echo "$arguments 3 25 1" | sed 's/journal/journal2/' ;; esac
}

# compile_c SOURCE PROGRAM FLAGS -- LIBRARIES: 1 without a compiler for it; ends the script when it does not compile.
compile_c() {
  local source=$1 program=$2 compiler=(cc -std=c99 -D_POSIX_C_SOURCE=200809L) flags=() language=c
  shift 2
  case "$source" in *.cpp) compiler=(c++ -std=c++17) language=c++ ;; esac
  while [ "$1" != -- ]; do flags+=("$1"); shift; done
  shift
  echo "#include <$([ $language = c ] && echo stdio.h || echo algorithm)>" |
    "${compiler[@]}" "${flags[@]}" -fsyntax-only -x $language - 2>/dev/null || return 1
  "${compiler[@]}" -g -Wall -Wextra -Wpedantic -Werror "${flags[@]}" -I include -I ffi/testcard -I examples/c -c "$source" \
    -o "$program.o" && "${compiler[0]}" "$program.o" -o "$program" "$@" -lcardwright_testcard -lpthread -ldl -lm || { echo "$source does not compile" >&2; exit 1; }
}
