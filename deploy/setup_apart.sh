#!/usr/bin/env bash
# Makes the environment in the folder $1 with what the lock $2 pins, away from what Ndiyan runs with.
set -euo pipefail
venv=$1
lock=$(sha256sum "$2" | cut -c1-16)
[ "$(cat "$venv/.ready" 2>/dev/null)" = "$lock" ] && exit 0
python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip --disable-pip-version-check --no-input -qq install --require-hashes -r "$2"
echo "$lock" >"$venv/.ready"
