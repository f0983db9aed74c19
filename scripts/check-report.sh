#!/usr/bin/env bash
# Opens a report in Chromium, on a desk and on a phone: nothing wider than the window, no console message, nothing from elsewhere.
#   scripts/check-report.sh REPORT-PROGRAM FOLDER
# Installs chromium when it may (Debian, as root); exit status 3 where there is none.
set -euo pipefail

program=$(realpath "$1")
folder=$2

browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || true
  browser=$(command -v chromium || true)
fi
[ -n "$browser" ] || { echo "chromium is missing: the report was not looked at" >&2; exit 3; }

cd "$folder"
"$program" --sample 120 --title '<b>"A title" & more than a phone is wide: a-word-that-has-no-place-to-break-in-it' sample.journal -o report.html

# From elsewhere: anything that a browser would fetch.
if grep -nE '<script|<link rel="stylesheet|@import|url\(|src=|href="[^d#]' report.html; then
  echo "the report asks for something from elsewhere" >&2
  exit 1
fi

# Only the measured copy has a script. It lies in a frame, since a window is never narrower than 500 pixels.
measure='<script>addEventListener("load", () => {
  const wide = [...document.body.querySelectorAll("*")].filter((e) => !e.closest(".scroll") && e.getBoundingClientRect().right > innerWidth + 0.5);
  const charts = document.querySelectorAll("svg[role=img]").length;
  parent.postMessage([innerWidth, document.documentElement.scrollWidth, wide.length, charts].join(" "), "*"); });</script>'
while IFS= read -r line; do
  printf '%s\n' "$line"
  [ "$line" != "</style>" ] || printf '%s\n' "$measure"
done <report.html >measured.html

for width in 390 1280; do
  cat >frame.html <<END
<!doctype html><body style="margin: 0"><script>
addEventListener("message", (event) => document.body.setAttribute("data-measured", event.data));
</script><iframe src="measured.html" style="border: 0; width: ${width}px; height: 2000px"></iframe>
END
  timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --enable-logging=stderr --user-data-dir="$PWD/browser" \
    --window-size=1400,2000 --virtual-time-budget=5000 --dump-dom "file://$PWD/frame.html" >dom.html 2>log
  if grep -F CONSOLE log; then
    echo "the browser complains at $width pixels" >&2
    exit 1
  fi
  measured=$(sed -n 's/.*data-measured="\([^"]*\)".*/\1/p' dom.html | head -1)
  read -r inner whole over charts <<<"$measured"
  if [ "${inner:-}" != "$width" ] || [ "$whole" -gt "$width" ] || [ "$over" != 0 ] || [ "$charts" -lt 8 ]; then
    echo "at $width pixels: window, page, elements too wide, charts: ${measured:-not measured}" >&2
    exit 1
  fi
  echo "at $width pixels nothing is too wide"
done
