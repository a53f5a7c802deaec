#!/bin/sh
# Installs the peers into an environment of their own, runs every comparison and sums up. The exit code is 1 if a difference is
# unexplained or a comparison did not get to its end.
#
#   run.sh BINARY [ENVIRONMENT]      arguments after those go to each comparison, e.g. --count 20000 --seed 7
set -eu
binary=${1:?usage: run.sh BINARY [ENVIRONMENT] [--count N] [--seed N]}
shift
environment=.build/peers
if [ $# -gt 0 ]; then environment=$1; shift; fi
here=$(dirname "$0")
command -v python3 >/dev/null || { echo "skipped: python3 is not on this machine; apt install python3 python3-venv"; exit 0; }
if [ ! -x "$environment/bin/pip" ] && ! python3 -m venv "$environment"; then
  rm -rf "$environment"
  echo "no environment for Python could be made: apt install python3-venv"
  exit 1
fi
"$environment/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
sums=$(mktemp)
output=$(mktemp)
trap 'rm -f "$sums" "$output"' EXIT
failed=0
for comparison in "$here"/*_peer.py; do
  "$environment/bin/python" "$comparison" --moondial "$binary" "$@" >"$output" 2>&1 || {
    failed=1
    grep -q 'unexplained$' "$output" || echo "$(basename "$comparison"): did not get to its end" >>"$sums"
  }
  cat "$output"
  grep -E 'unexplained$|^skipped' "$output" >>"$sums" || true
done
echo
cat "$sums"
exit $failed
