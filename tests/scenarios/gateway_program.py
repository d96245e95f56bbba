"""`ndiyan gateway` with a diary, for tests that kill it: a line "try" before readings go to the outbox, "took" after.

Nothing else is different from the program as it is installed. Usage: python -m tests.scenarios.gateway_program CONFIG
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.model import Reading
from gateway.outbox import Outbox
from tests.scenarios.field_gateway import Diary


def keep_diary(file: Path) -> None:
    """From now on every outbox of this process writes down what it is offered and what it took."""
    diary, append = Diary(file), Outbox.append

    def watched(
        self: Outbox, readings: Sequence[Reading], *, uptime_s: Any, kept: Mapping[str, str] | None = None
    ) -> range:
        lines = [f"{r.asset}/{r.channel} {round(r.measured_at.timestamp() * 1000)} {r.value!r}" for r in readings]
        diary.write("try", lines)
        taken = append(self, readings, uptime_s=uptime_s, kept=kept)
        diary.write("took", lines)
        return taken

    Outbox.append = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    config = Path(sys.argv[1])
    keep_diary(config.with_suffix(".diary"))
    sys.argv = ["ndiyan", "gateway", "--config", str(config)]
    from ndiyan.entry import main

    main()
