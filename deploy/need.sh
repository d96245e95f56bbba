#!/usr/bin/env bash
# need.sh PROGRAM PACKAGE OTHERWISE: install a Debian package (or several) when its program, or its library (*.so.*), is
# missing and we may; else say what happens without it, in one sentence. Never fails. NDIYAN_INSTALL=no: nothing is installed.
set -uo pipefail
program=$1 package=$2 otherwise=$3
PATH=$PATH:/usr/sbin:/usr/local/sbin

is_here() {
    case $program in
        *.so.*) ldconfig -p | grep -q "$program" ;;
        *) command -v "$program" >/dev/null ;;
    esac
}

is_here && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo -n)
    sudo -n true 2>/dev/null || as_root=(false)
fi
if [ "${NDIYAN_INSTALL:-}" != no ] && command -v apt-get >/dev/null && [ "${as_root[*]:-}" != false ]; then
    export DEBIAN_FRONTEND=noninteractive
    read -ra packages <<<"$package"
    install=(apt-get install -y -qq --no-install-recommends "${packages[@]}")
    echo "Installing $package, a Debian package (NDIYAN_INSTALL=no leaves it) …"
    "${as_root[@]}" "${install[@]}" >/dev/null 2>&1 ||
        { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" "${install[@]}"; } >/dev/null 2>&1
fi
is_here ||
    echo "$program is not here and was not installed (apt-get install $package), so $otherwise." >&2
exit 0
