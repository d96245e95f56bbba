"""One message of a device by its profile: pure, no I/O."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from gateway.wire import topic_parts
from ingest.profiles.formats import FORMATS, OtherDevice, Undecodable, from_cayenne_lpp
from ingest.profiles.paths import Finder
from ingest.profiles.profile import SPARKPLUG, Profile
from ingest.profiles.sparkplug import Aliases, from_sparkplug

MAX_RECORDS, MAX_POINTS, MAX_DEPTH, LONGEST_NAME = 1000, 2000, 8, 200


class Point(NamedTuple):
    """One value as the device tells it: its own name and words; `at_s` is None when it tells no time, or none that can
    be read: `problem` says so."""

    name: str
    raw: object
    at_s: float | None
    problem: str | None = None


class Spoken(NamedTuple):
    """What one device said in a message; `device` is None when nothing in it tells who spoke."""

    device: str | None
    points: list[Point]


def decode(profile: Profile, topic: str, payload: bytes, aliases: Aliases) -> list[Spoken]:
    """What a message says, device by device.

    Raises
    ------
    Undecodable : it is not what the profile reads, or nothing in it tells a time that can be read
    OtherDevice : it speaks for another device than its topic
    NoBirth : Sparkplug, and no birth has named an alias in it
    """
    if profile.payload == SPARKPLUG:
        message = from_sparkplug(payload, topic, aliases)
    else:
        message = FORMATS[profile.payload](payload)
    if profile.inner is not None:
        message = _with_inner(profile, message)
    records = profile.records.of(message)
    untimely: list[Undecodable] = []
    found: list[Spoken] = []
    left = MAX_POINTS
    for device, record in _by_device(profile, topic, message, records):
        points = list(islice(_points(profile, topic, record, untimely), left + 1))
        left -= len(points)
        if left < 0:
            raise Undecodable(f"more than {MAX_POINTS} values")
        found.append(Spoken(device, points))
    if untimely and not any(point.problem is None for spoken in found for point in spoken.points):
        raise untimely[0]
    return found


def is_for(profile: Profile, payload: bytes) -> bool:
    """Whether a message on one of its topics is one that the profile reads; profiles without `when` read them all."""
    if profile.when is None or profile.payload == SPARKPLUG:
        return True
    try:
        return bool(profile.when.of(FORMATS[profile.payload](payload)))
    except Undecodable:
        return False


def _with_inner(profile: Profile, message: Any) -> Any:
    encoded = profile.inner.of(message) if profile.inner is not None else None
    if not isinstance(encoded, str) or not isinstance(message, dict):
        raise Undecodable("there are no bytes in base64 where the profile looks for them")
    try:
        inner = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Undecodable(f"not base64: {error}") from error
    return message | {"inner": from_cayenne_lpp(inner)}


def _by_device(profile: Profile, topic: str, message: Any, records: Any) -> Iterator[tuple[str | None, Any]]:
    if profile.is_by_key:
        if not isinstance(records, dict):
            raise Undecodable("a record for each device is expected, under its id")
        pairs: list[tuple[str | None, Any]] = [
            (str(device), record) for device, its in records.items() for record in _listed(its)
        ]
    else:
        device = _device(profile, topic, message)
        pairs = [(device, record) for record in _listed(records)]
    if len(pairs) > MAX_RECORDS:
        raise Undecodable(f"{len(pairs)} records, bound {MAX_RECORDS}")
    yield from pairs


def _listed(records: Any) -> list[Any]:
    if records is None:
        raise Undecodable("there is no record where the profile looks for it")
    return records if isinstance(records, list) else [records]


def _device(profile: Profile, topic: str, message: Any) -> str | None:
    if profile.device is None:
        return None if profile.device_level is None else level_of(topic, profile.device_level)
    if profile.device_level is not None and profile.level_is is not None and topic_parts(topic) is None:
        of_topic, of_message = level_of(topic, profile.device_level), _word(profile.level_is, message)
        if of_topic != of_message:
            raise OtherDevice(f"the message is of {of_message[:80]}, and the topic of {of_topic[:80]}")
    return _word(profile.device, message)


def level_of(topic: str, level: int) -> str:
    """What a level of a topic says; `Undecodable` when there is none."""
    levels = topic.split("/")
    if level >= len(levels):
        raise Undecodable(f"the topic has no level {level}, which would tell the device")
    return levels[level]


def _word(path: Finder, message: Any) -> str:
    found = path.of(message)
    if not isinstance(found, str | int) or isinstance(found, bool) or not str(found):
        raise Undecodable(f"nothing at {path.text} tells the device")
    return str(found)


def _points(profile: Profile, topic: str, record: Any, untimely: list[Undecodable]) -> Iterator[Point]:
    """The points of a record. Those whose time cannot be read say so, and why goes into `untimely`."""
    at_s, problem = _time_or_problem(partial(_time_of, profile, record), untimely)
    found = profile.points.of(record)
    if profile.name_level is not None:
        name = "/".join(topic.split("/")[profile.name_level :])
        if name:
            yield Point(name[:LONGEST_NAME], found, at_s, problem)
        return
    if isinstance(found, dict):
        for name, raw in _leaves(found, "", 0):
            yield Point(name, raw, at_s, problem)
    elif isinstance(found, list):
        for item in found:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str) or not item["name"]:
                continue
            when, own = (at_s, problem), item.get("time")
            if own is not None:
                when = _time_or_problem(partial(_seconds, own, profile.time_format), untimely)
            yield Point(item["name"][:LONGEST_NAME], item.get("value"), *when)


def _time_or_problem(read: Callable[[], float | None], untimely: list[Undecodable]) -> tuple[float | None, str | None]:
    try:
        return read(), None
    except Undecodable as error:
        untimely.append(error)
        return None, str(error)


def _leaves(values: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    """Names with values; what is nested bears the names above it, with dots between."""
    for key, value in values.items():
        name = f"{prefix}{key}"[:LONGEST_NAME]
        if isinstance(value, dict) and depth < MAX_DEPTH:
            yield from _leaves(value, f"{name}.", depth + 1)
        else:
            yield name, value


def _time_of(profile: Profile, record: Any) -> float | None:
    told = None if profile.time is None else profile.time.of(record)
    if told is None or told == "":
        if profile.without_time == "refuse":
            raise Undecodable("no time in it, and this device has to tell one")
        return None
    return _seconds(told, profile.time_format)


def _seconds(told: Any, form: str) -> float:
    """A device's word for a time as seconds since 1970; what has no zone is UTC."""
    try:
        if form in ("epoch_s", "epoch_ms"):
            seconds = float(told) / (1000 if form == "epoch_ms" else 1)
        else:
            found = datetime.fromisoformat(told) if form == "iso" else datetime.strptime(told, form)  # noqa: DTZ007 # below
            seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise Undecodable(f"{str(told)[:80]!r} is no time of the form {form}") from error
    if not math.isfinite(seconds):
        raise Undecodable(f"{told!r} is no time")
    return seconds
