"""A gateway as a process of its own, for tests that kill it: real outbox, real uplink, and a diary as the oracle.

The diary has a line "try" before a reading is offered to the outbox and a line "took" after the outbox returned.
One channel is a backlog of last winter that passes a thousand times faster, so that hours and days end all the time.
Usage: python -m tests.scenarios.field_gateway FOLDER MQTT_URL ZONE GATEWAY READINGS_PER_S OUTBOX_FOLDER BACKLOG_SPEED
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
BACKLOG = ("pump", "volume_m3")
BACKLOG_SPEED = 1000
BACKLOG_WRAPS_MS = 10_000_000  # of wall time, after which the backlog begins anew among what is there already
BACKLOG_AGE_MS = 150 * 86_400_000
UP_BEFORE_S = 200 * 86_400.0  # our machine says that it has been up since before that, or its backlog were no truth


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
    return _written([_reading(*name, now_ms, now_ms % 97 / 8 + place) for place, name in enumerate(CHANNELS)])


def measure_backlog(speed: int) -> tuple[list[Reading], list[str]]:
    """The reading of the backlog whose turn it is; the same moment is never met twice within a run."""
    now_ms = time.time_ns() // 1_000_000
    begun_ms, since_ms = now_ms - now_ms % BACKLOG_WRAPS_MS, now_ms % BACKLOG_WRAPS_MS
    past_ms = begun_ms - BACKLOG_AGE_MS + since_ms * speed
    return _written([_reading(*BACKLOG, past_ms, now_ms % 97 / 8)])


def long_uptime_s() -> float:
    """The uptime of a machine that measured the backlog in its time."""
    return UP_BEFORE_S + uptime_s()


def _reading(asset: str, channel: str, ms: int, value: float) -> Reading:
    measured_at = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return Reading(AssetId(asset), channel, measured_at, value)


def _written(readings: list[Reading]) -> tuple[list[Reading], list[str]]:
    return readings, [f"{r.asset}/{r.channel} {round(r.measured_at.timestamp() * 1000)} {r.value!r}" for r in readings]


def main(folder: Path, url: str, zone: str, gateway: str, per_s: float, outboxes: Path, backlog_speed: int) -> None:
    """Measure until the file `stop` is there, then until the outbox is empty."""
    outbox = Outbox(outboxes / f"{gateway}.db")
    uplink = Uplink(
        MqttSettings.from_url(url), zone=zone, gateway=gateway, outbox=outbox, clock=SystemClock(), software="test",
        uptime_s=long_uptime_s, resend_after_s=1.0, reconnect_s=(0.2, 1.0),
    )  # fmt: skip
    uplink.start()
    diary = Diary(folder / f"{gateway}.diary")
    while not (folder / "stop").exists():
        for readings, lines in (measure(), measure_backlog(backlog_speed)):
            diary.write("try", lines)
            age_s = time.time() - readings[0].measured_at.timestamp()
            outbox.append(readings, uptime_s=long_uptime_s() - age_s)
            diary.write("took", lines)
        uplink.wake()
        time.sleep((len(CHANNELS) + 1) / per_s)
    while outbox.depth():
        time.sleep(0.05)
    uplink.stop()
    outbox.close()


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]), Path(sys.argv[6]),
        int(sys.argv[7]),
    )  # fmt: skip
