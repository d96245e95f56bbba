"""Files that belong to the program but stand beside its packages: found in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Where `name` (a path from the root of the source tree) lies; in a wheel it stands under `ndiyan/shipped/`."""
    installed = PACKAGE / "shipped" / name
    return installed if installed.exists() else PACKAGE.parent / name
