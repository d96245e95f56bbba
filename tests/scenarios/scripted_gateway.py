"""A gateway whose readings are a script, so that the alerts that must come of them are known before they are sent.

Its zone has too little chlorine in the water for two hours of every twelve, on and on through the last two years, three
thousand times faster than time: real outbox, real uplink, and a diary as of any other. In the order in which it was
taken, for what comes a month late changes no alert. Killed, it goes on behind the last reading that it tried.
Usage: python -m tests.scenarios.scripted_gateway FOLDER MQTT_URL ZONE GATEWAY BEGAN_MS OUTBOX_FOLDER
"""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gateway.clock import SystemClock, uptime_s
from gateway.config import MqttSettings
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from tests.scenarios.field_gateway import Diary

ASSET, CHANNEL = AssetId("quality"), "free_chlorine_mg_l"
AGE = timedelta(days=730)  # six hours at this pace
STEP, PACE = timedelta(minutes=5), 3000
PERIOD = timedelta(hours=12)  # resolved alerts this far apart stay apart
BAD_FROM, BAD_FOR = timedelta(hours=2), timedelta(hours=2)
SEEN_OVER_AFTER = timedelta(hours=1)  # of good water: the off-delay of too little chlorine
GOOD_MG_L, BAD_MG_L = 0.5, 0.05
UP_BEFORE_S = 2 * AGE.total_seconds()  # our machine says that it was up, or its past were no truth


class Episode(NamedTuple):
    """From the first reading with too little chlorine until it is known to be over."""

    begin: datetime
    over: datetime


def episodes(began: datetime, until: datetime) -> Iterator[Episode]:
    """Those that are over by then."""
    begin = began + BAD_FROM
    while (over := begin + BAD_FOR + SEEN_OVER_AFTER) <= until:
        yield Episode(begin, over)
        begin += PERIOD


def number_of(at: datetime, began: datetime) -> int:
    """Which episode it belongs to; the first is 0."""
    return (at - began) // PERIOD


def scripted(at: datetime, began: datetime) -> Reading:
    """The reading of that moment."""
    is_bad = BAD_FROM <= (at - began) % PERIOD < BAD_FROM + BAD_FOR
    return Reading(ASSET, CHANNEL, at, (BAD_MG_L if is_bad else GOOD_MG_L) + (at - began) // STEP % 8 / 256)


def _begin_again(diary: Path, began: datetime) -> datetime:
    """The moment behind the last one of the diary."""
    lines = diary.read_text("utf-8").splitlines() if diary.exists() else []
    return datetime.fromtimestamp(int(lines[-1].split()[2]) / 1000, UTC) + STEP if lines else began


def main(folder: Path, url: str, zone: str, gateway: str, began_ms: int, outboxes: Path) -> None:
    """Go through the script until the file `stop` is there or its time has come to ours, then until the outbox is
    empty."""
    began = datetime.fromtimestamp(began_ms / 1000, UTC)
    outbox = Outbox(outboxes / f"{gateway}.db")
    uplink = Uplink(
        MqttSettings.from_url(url), zone=zone, gateway=gateway, outbox=outbox, clock=SystemClock(), software="test",
        uptime_s=lambda: UP_BEFORE_S + uptime_s(), resend_after_s=1.0, reconnect_s=(0.2, 1.0), live_first=False,
    )  # fmt: skip
    uplink.start()
    at = _begin_again(folder / f"{gateway}.diary", began)
    diary = Diary(folder / f"{gateway}.diary")
    while not (folder / "stop").exists():
        age_s = time.time() - at.timestamp()
        if age_s > STEP.total_seconds():
            reading = scripted(at, began)
            lines = [f"{ASSET}/{CHANNEL} {round(at.timestamp() * 1000)} {reading.value!r}"]
            diary.write("try", lines)
            outbox.append([reading], uptime_s=UP_BEFORE_S + uptime_s() - age_s)
            diary.write("took", lines)
            uplink.wake()
            at += STEP
        time.sleep(STEP.total_seconds() / PACE)
    while outbox.depth():
        time.sleep(0.05)
    uplink.stop()
    outbox.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), Path(sys.argv[6]))
