"""What is installed on this machine, and a demo that ran in this folder, take no part in what is tested or measured."""

from __future__ import annotations

import os
from pathlib import Path

from ndiyan.settings import SETTINGS

ROOT = Path(__file__).parents[1]
NO_SETTINGS = Path(os.devnull)
"""A settings file in which nothing is set; without one, `ndiyan` would look for the demo's and the machine's."""


def environment(**given: str) -> dict[str, str]:
    """What a program is to find around it: our own environment without its settings of Ndiyan, the checkout as a place
    of modules, and what is given."""
    settings = {setting.variable for setting in SETTINGS}
    ours = {name: value for name, value in os.environ.items() if name not in settings}
    return ours | {"NDIYAN_SETTINGS": str(NO_SETTINGS), "PYTHONPATH": str(ROOT)} | given
