"""A gateway's program that lives through a long time without a link in little of ours, for tests that cut its power.

Its clock steps on by the interval after each round, and ends at the round `until`; each start is one of the machine,
whose uptime begins anew. Usage: python -m tests.scenarios.cut_gateway CONFIG FIRST_ROUND UNTIL START_S MACHINE
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway import outbox
from gateway.clock import ManualClock
from gateway.installation import load_installation
from gateway.service import Station
from tests.scenarios.gateway_program import keep_diary

INTERVAL_S = 300.0


def main(config: Path, first: int, until: int, start_s: float, machine: Path) -> None:
    """Live from one round to the other, with an uplink that finds nobody."""
    keep_diary(config.with_suffix(".diary"))
    outbox.MACHINE_FILE = machine
    start = datetime.fromtimestamp(start_s, UTC)
    clock, booted = ManualClock(start + timedelta(seconds=INTERVAL_S * first)), INTERVAL_S * (first - 0.5)
    station = Station(
        load_installation(config), machine_clock=clock, uptime=lambda: (clock.now() - start).total_seconds() - booted
    )
    station.uplink.start()
    for _ in range(first, until):
        station.turn()
        clock.advance(timedelta(seconds=INTERVAL_S))
    station.uplink.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
