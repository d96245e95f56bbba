"""What a gateway's retained status tells of its box, as far as it is sound: pure, no I/O.

Who publishes a status may write anything: texts are cut and cleaned, numbers that are none are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from gateway.timekeeping import FIRST_YEAR, ClockSource

LONGEST_TEXT, MOST_TROUBLES = 200, 100
LARGEST = 2**53
NUMBERS = {
    "restarts": ("restarts",),
    "disk_free_mb": ("disk_free_mb",),
    "refused": ("refused",),
    "thinned": ("thinned",),
    "waiting": ("account", "waiting"),
    "up_bytes": ("bytes", "up"),
    "down_bytes": ("bytes", "down"),
}  # our name of each, and where it stands in a status


def told_of(status: Mapping[str, Any]) -> str | None:
    """What a status says of the box, as JSON; None when it says nothing, as a last will."""
    found: dict[str, object] = {}
    for name, path in NUMBERS.items():
        value: Any = status
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if _is_number(value):
            found[name] = int(value)
    if not found:
        return None
    troubles = status.get("troubles")
    if isinstance(troubles, dict):
        found["troubles"] = {_text(point): _text(why) for point, why in list(troubles.items())[:MOST_TROUBLES]}
    config = status.get("config")
    if isinstance(config, dict) and _is_number(config.get("number")):
        found["config"] = {"number": int(config["number"]), "says": _text(config.get("says", ""))}
    return json.dumps(found | {"boot": _text(status.get("boot", "")), "at": _at_s(status)})


def told_at_us(status: Mapping[str, Any], received_us: int) -> int:
    """When a status was made [µs since 1970]: as its gateway says, unless nobody vouches for its clock."""
    at_s = _at_s(status)
    is_believed = status.get("clock") != ClockSource.UPTIME and FIRST_YEAR.timestamp() <= at_s
    return min(round(at_s * 1e6), received_us) if is_believed else received_us


def _at_s(status: Mapping[str, Any]) -> float:
    at_s = status.get("at")
    return float(at_s) if _is_number(at_s) else 0.0


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _text(value: object) -> str:
    """A text that PostgreSQL takes within JSON: no NUL, no lone surrogate."""
    return str(value)[:LONGEST_TEXT].replace("\x00", "").encode("utf-8", "replace").decode()
