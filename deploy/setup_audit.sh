#!/usr/bin/env bash
# Makes the environment in the folder $1 with what deploy/audit.lock pins, away from what Ndiyan runs with.
set -euo pipefail
venv=$1
lock=$(sha256sum deploy/audit.lock | cut -c1-16)
[ "$(cat "$venv/.ready" 2>/dev/null)" = "$lock" ] && exit 0
python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip --disable-pip-version-check --no-input -qq install --require-hashes -r deploy/audit.lock
echo "$lock" >"$venv/.ready"
