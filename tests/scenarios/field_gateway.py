"""A gateway as a process of its own, for tests that kill it: real outbox, real uplink, and a diary as the oracle.

The diary has a line "try" before a reading is offered to the outbox and a line "took" after the outbox returned.
Usage: python -m tests.scenarios.field_gateway FOLDER MQTT_URL ZONE GATEWAY READINGS_PER_S OUTBOX_FOLDER
"""

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from gateway.clock import SystemClock, uptime_s
from gateway.config import MqttSettings
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink

CHANNELS = [("tower", "level_m"), ("pump", "power_w"), ("pump", "flow_m3_h"), ("borehole", "water_depth_m")]


class Diary:
    """What a sender says of its readings, a line each: "try NAME MS VALUE", then "took NAME MS VALUE"."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, word: str, lines: list[str]) -> None:
        """One system call, so that a kill leaves whole lines."""
        os.write(self._file, "".join(f"{word} {line}\n" for line in lines).encode())


def measure() -> tuple[list[Reading], list[str]]:
    """A reading of each channel now, and their lines for the diary."""
    now_ms = time.time_ns() // 1_000_000
    now = datetime.fromtimestamp(now_ms // 1000, UTC).replace(microsecond=now_ms % 1000 * 1000)
    readings = [
        Reading(AssetId(asset), channel, now, now_ms % 97 / 8 + number)
        for number, (asset, channel) in enumerate(CHANNELS)
    ]
    return readings, [f"{r.asset}/{r.channel} {now_ms} {r.value!r}" for r in readings]


def main(folder: Path, url: str, zone: str, gateway: str, per_s: float, outboxes: Path) -> None:
    """Measure until the file `stop` is there, then until the outbox is empty."""
    outbox = Outbox(outboxes / f"{gateway}.db")
    uplink = Uplink(
        MqttSettings.from_url(url), zone=zone, gateway=gateway, outbox=outbox, clock=SystemClock(), software="test",
        resend_after_s=1.0, reconnect_s=(0.2, 1.0),
    )  # fmt: skip
    uplink.start()
    diary = Diary(folder / f"{gateway}.diary")
    while not (folder / "stop").exists():
        readings, lines = measure()
        diary.write("try", lines)
        outbox.append(readings, uptime_s=uptime_s())
        diary.write("took", lines)
        uplink.wake()
        time.sleep(len(CHANNELS) / per_s)
    while outbox.depth():
        time.sleep(0.05)
    uplink.stop()
    outbox.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), Path(sys.argv[6]))
