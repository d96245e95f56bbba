"""The command `ndiyan`: what runs beside the pump starts without the server's packages, which are not there."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or the gateway's part of it."""
    if sys.argv[1:2] == ["gateway"]:
        from ndiyan.cli_gateway import main as run_gateway

        sys.exit(run_gateway(sys.argv[2:]))
    try:
        from ndiyan.cli import main as run_all
    except ModuleNotFoundError as error:
        only = "this install has only `ndiyan gateway` (all: pip install 'ndiyan[server]')"
        print(f"ndiyan: {error.name} is not here: {only}", file=sys.stderr)
        sys.exit(2)
    run_all()
