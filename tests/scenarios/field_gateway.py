"""A gateway as a process of its own, for tests that kill it: real outbox, real uplink, and a diary as the oracle.

The diary has a line "try" before a reading is offered to the outbox and a line "took" after the outbox returned.
Usage: python field_gateway.py FOLDER MQTT_URL ZONE GATEWAY READINGS_PER_S
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


def main(folder: Path, url: str, zone: str, gateway: str, per_s: float) -> None:
    outbox = Outbox(folder / f"{gateway}.db")
    uplink = Uplink(
        MqttSettings.from_url(url), zone=zone, gateway=gateway, outbox=outbox, clock=SystemClock(), software="test",
        resend_after_s=1.0, reconnect_s=(0.2, 1.0),
    )  # fmt: skip
    uplink.start()
    diary = os.open(folder / f"{gateway}.diary", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    round_s = len(CHANNELS) / per_s
    stop = folder / "stop"
    while not stop.exists():
        now_ms = time.time_ns() // 1_000_000
        now = datetime.fromtimestamp(now_ms // 1000, UTC).replace(microsecond=now_ms % 1000 * 1000)
        readings = [
            Reading(AssetId(asset), channel, now, now_ms % 97 / 8 + number)
            for number, (asset, channel) in enumerate(CHANNELS)
        ]
        lines = "".join(f" {r.asset}/{r.channel} {now_ms} {r.value!r}\n" for r in readings)
        os.write(diary, "".join(f"try{line}\n" for line in lines.splitlines()).encode())
        outbox.append(readings, uptime_s=uptime_s())
        os.write(diary, "".join(f"took{line}\n" for line in lines.splitlines()).encode())
        uplink.wake()
        time.sleep(round_s)
    while outbox.depth():
        time.sleep(0.05)
    uplink.stop()
    outbox.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]))
