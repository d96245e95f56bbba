"""What is installed on this machine, and a demo that ran in this folder, take no part in what is tested or measured."""

from __future__ import annotations

import os
from pathlib import Path

from ndiyan.settings import SETTINGS

ROOT = Path(__file__).parents[1]
NO_SETTINGS = Path(os.devnull)
"""A settings file in which nothing is set; without one, `ndiyan` would look for the demo's and the machine's."""


def environment(**given: str) -> dict[str, str]:
    """What a program is to find around it: our own environment without settings, the checkout as the first place of
    modules, and what is given. Secrets of routes and webhooks stay: without a file nobody asks for them."""
    settings = {setting.variable for setting in SETTINGS}
    ours = {name: value for name, value in os.environ.items() if name not in settings}
    places = os.pathsep.join(dict.fromkeys([str(ROOT), *filter(None, ours.get("PYTHONPATH", "").split(os.pathsep))]))
    return ours | {"NDIYAN_SETTINGS": str(NO_SETTINGS), "PYTHONPATH": places} | given
