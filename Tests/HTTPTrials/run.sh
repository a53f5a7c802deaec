#!/bin/sh
# Tries the HTTP API of a host from outside: schemathesis makes at least 5,000 requests of its OpenAPI document, and hostile.py
# attacks it. The exit code is 1 if an answer is a server error or not in the document, if somebody gets in, or if a fire is late.
#
#   run.sh BINARY [ENVIRONMENT]
set -eu
binary=$(realpath "${1:?usage: run.sh BINARY [ENVIRONMENT]}")
environment=${2:-.build/http-trials}
here=$(realpath "$(dirname "$0")")
command -v python3 >/dev/null || { echo "python3 is not on this machine: apt install python3 python3-venv"; exit 1; }
if [ ! -x "$environment/bin/pip" ] && ! python3 -m venv "$environment"; then
  rm -rf "$environment"
  echo "no environment for Python could be made: apt install python3-venv"
  exit 1
fi
environment=$(realpath "$environment")
"$environment/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
exec "$environment/bin/python" "$here/trials.py" --moondial "$binary" --schemathesis "$environment/bin/st"
