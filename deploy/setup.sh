#!/usr/bin/env bash
# Makes the Python environment in the folder $1: exactly the versions of requirements.lock, and Ndiyan itself.
set -euo pipefail
venv=$1

if ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    python=
    # First the one that is meant here: activated, or put in front by CI.
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        echo "Ndiyan needs Python 3.11 or newer and none is here: install it (Debian 12 and later: apt-get install python3-venv)." >&2
        exit 1
    fi
    if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        echo "$python has no venv: install it (Debian: apt-get install python3-venv)." >&2
        exit 1
    fi

    echo "Making the environment in $venv with $("$python" --version) …"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input -qq)
"${pip[@]}" install --require-hashes -r requirements.lock
"${pip[@]}" install --no-deps --no-build-isolation -e .
