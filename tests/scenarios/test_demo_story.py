"""The demo's first story, through the real broker, the real PostgreSQL and the HTTP API: who heard what, when.

At 180 times the world's speed, so that the test takes a minute; the demo itself goes on 60 times.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.ndiyan.test_demo import Demo, ask, demo

__all__ = ["demo"]
pytestmark = [pytest.mark.db, pytest.mark.broker, pytest.mark.slow]
EXPLOITANT = "+224600000010"  # of zone-3, in zones/zone-3.toml
PATIENCE_S = 90.0


def wait_for(find: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := find()):
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE_S:.0f} s"
        time.sleep(0.2)
    return found


def test_a_pump_stops_in_full_sun_and_the_story_goes_the_whole_way(demo: Demo) -> None:
    addresses = demo.start("--days", "3", "--speed", "180")

    def alert() -> Any:
        found = ask(addresses, "/api/v1/alerts?zone=zone-3")["items"]
        return next((one for one in found if one["fault"] == "pump_not_running" and one["state"] == "open"), None)

    def handset() -> list[str]:
        answer = ask(addresses, f"/api/v1/phone/{EXPLOITANT}/messages")
        return [message["text"] for message in answer["items"]]

    opened = wait_for(alert, "the alert")
    zone = next(one for one in ask(addresses, "/api/v1/zones")["items"] if one["id"] == "zone-3")
    assert zone["state"] == "fault"
    wait_for(lambda: [text for text in handset() if "POMPE ARRETEE" in text], "the SMS on the phone")
    httpx.post(
        f"{addresses['url']}/api/v1/phone/{EXPLOITANT}/replies",
        headers={"Authorization": f"Bearer {addresses['api_key']}"},
        json={"text": "1"},
    ).raise_for_status()

    def whole() -> Any:
        return ask(addresses, f"/api/v1/alerts/{opened['id']}")

    wait_for(lambda: whole()["state"] == "acknowledged", "the acknowledgement by SMS")
    wait_for(lambda: whole()["state"] == "resolved", "the repair that the sensors see")
    wait_for(lambda: [text for text in handset() if "REPARE" in text], "the closing SMS")

    story = whole()
    told = [(one["kind"], one["role"], one["state"]) for one in story["notifications"]]
    assert told == [("opened", "exploitant", "delivered"), ("resolved", "exploitant", "delivered")]
    begin = datetime.fromisoformat(story["first_evidence_at"])
    opened_after = datetime.fromisoformat(story["opened_at"]) - begin
    assert timedelta(minutes=60) <= opened_after <= timedelta(minutes=85), "an hour of good sun, and then at once"
    repaired_after = datetime.fromisoformat(story["resolved_at"]) - datetime.fromisoformat(story["acknowledged_at"])
    assert timedelta(minutes=20) <= repaired_after <= timedelta(minutes=70), "20 min of way, 15 of water"
