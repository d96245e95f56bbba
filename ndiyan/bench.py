"""The benchmarks of a checkout, for the command line: an installed wheel does not carry them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from ndiyan.errors import NdiyanError

CHECKOUT = Path(__file__).resolve().parent.parent


def benchmark(name: str) -> ModuleType:
    """The module `benchmarks.<name>` of this checkout.

    Raises
    ------
    NdiyanError : this is no checkout
    """
    if not (CHECKOUT / "benchmarks" / f"{name}.py").is_file():
        raise NdiyanError("the benchmarks are in the source tree only: run this in a checkout (make bench)")
    if str(CHECKOUT) not in sys.path:
        sys.path.append(str(CHECKOUT))
    return importlib.import_module(f"benchmarks.{name}")
