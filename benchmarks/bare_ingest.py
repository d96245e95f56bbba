"""`ndiyan ingest` without latest values, hours and days: what readings alone cost. For the bench, a setting of nobody.

The rest is the product as it is: flags, the key and what it makes of duplicates, the account, and the confirmation
after the commit. Usage: python -m benchmarks.bare_ingest ARGUMENT…, as `python -m ndiyan ARGUMENT…`.
"""

from __future__ import annotations

import runpy
from unittest.mock import patch

from ingest.rollups import Rollups
from ingest.writer import ReadingWriter


def _leave_out(*_: object) -> None:
    """Instead of a step: nothing."""


if __name__ == "__main__":
    with (
        patch.object(Rollups, "add", _leave_out),
        patch.object(Rollups, "write", _leave_out),
        patch.object(ReadingWriter, "_update_latest", _leave_out),
    ):
        runpy.run_module("ndiyan", run_name="__main__", alter_sys=True)
