#!/bin/sh
# Installs the peers into an environment of their own and runs every comparison.
#
#   run.sh BINARY [ENVIRONMENT]      arguments after those go to each comparison, e.g. --count 20000 --seed 7
set -eu
binary=${1:?usage: run.sh BINARY [ENVIRONMENT] [--count N] [--seed N]}
environment=${2:-.build/peers}
shift; [ $# -gt 0 ] && shift
here=$(dirname "$0")
command -v python3 >/dev/null || { echo "skipped: python3 is not on this machine; apt install python3 python3-venv"; exit 0; }
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
failed=0
for comparison in "$here"/*_peer.py; do
  "$environment/bin/python" "$comparison" --moondial "$binary" "$@" || failed=1
done
exit $failed
