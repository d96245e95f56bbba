"""A decode profile: which messages it reads, and where in them device, time and points stand. Read from TOML, checked.

Paths are JMESPath (`paths`). `docs/profiles.md` tells how to write one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path

from gateway.devices import PROFILE_NAME, PointRule, point_rule
from gateway.tables import Table, values_from_toml
from gateway.wire import ROOT
from ingest.errors import ProfileError
from ingest.profiles.formats import FORMATS
from ingest.profiles.paths import Finder

SPARKPLUG = "sparkplug_b"
TIME_FORMATS = ("epoch_s", "epoch_ms", "iso")
WITHOUT_TIME = ("received", "refuse")
MAX_LEVEL = 20
LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class Sample:
    """One recorded or documented message and what must come out of it: the test of its profile.

    `origin` is where it is from: recorded on a device, documented by whom, or worked out by what document. `points` are
    the device's own, as they stand; `readings` are `ASSET/CHANNEL` → value in the canonical unit, by the
    profile's rules and `rules`, which stand for those of a device in a zone file.
    """

    origin: str
    topic: str
    payload: bytes
    received_at: datetime
    device: str | None
    at: datetime
    points: dict[str, float | str]
    rules: tuple[PointRule, ...]
    readings: dict[str, float]


@dataclass(frozen=True, slots=True)
class Profile:
    """How one family of devices speaks.

    Attributes
    ----------
    name, title, source : its id, what people call it, where its format is documented
    payload : `json`, `text`, `cayenne_lpp` or `sparkplug_b`
    topics : MQTT filters of its messages; those under our own root need none, they end in the profile's name
    when : what must be in a message besides, None when its topic tells all
    inner : where in a JSON message bytes in base64 stand, which are Cayenne LPP; None when there are none
    records : the record, or a list of them, in a message; by key when each stands under its device's id
    device : the device's id in a message; None when the topic alone tells it
    device_level, level_is : where the topic names the device, and what of the message has to say the same: its id,
        unless another path is told
    zone_level : where the topic names the zone of the device
    points : in a record: names with values, or a list of `{name, value}` with or without `time`
    name_level : from which level on the topic names the point; `points` is then its value
    time, time_format, without_time : when it was measured
    reads_our_names : points that bear a name of ours (`tower/level_m`) are taken by it, in the canonical unit
    """

    name: str
    title: str
    source: str
    payload: str
    topics: tuple[str, ...]
    when: Finder | None
    inner: Finder | None
    records: Finder
    is_by_key: bool
    device: Finder | None
    device_level: int | None
    level_is: Finder | None
    zone_level: int | None
    points: Finder
    name_level: int | None
    time: Finder | None
    time_format: str
    without_time: str
    reads_our_names: bool
    rules: tuple[PointRule, ...]
    samples: tuple[Sample, ...]

    @property
    def who_levels(self) -> tuple[int, ...]:
        """The levels of its topics that tell for whom a message speaks, whatever is in it; none when it may for all."""
        if self.payload == SPARKPLUG:
            return (1, 3)  # GROUP and NODE
        if self.device_level is not None and self.level_is is self.device:
            return (self.device_level,)
        return () if self.zone_level is None else (self.zone_level,)

    @property
    def heard_on(self) -> tuple[str, ...]:
        """Its topics, for people; where it has none, the one under our own root."""
        return self.topics or (f"{ROOT}/ZONE/GATEWAY/up/{self.name}",)


def parse_profile(text: str, where: str) -> Profile:
    """Check the text of a profile; `where` is what errors call it.

    Raises
    ------
    ProfileError : not TOML, or a key is missing, unknown or out of bounds
    """
    values = values_from_toml(text, where, ProfileError)
    top = Table(where, "", values, what="profile", error_type=ProfileError)
    payload = top.choice("payload", (*FORMATS, SPARKPLUG))
    device, device_level, level_is = (
        _optional_path(top, "device"), _level(top, "device_level"), _optional_path(top, "level_is")
    )  # fmt: skip
    if level_is is not None and (device is None or device_level is None):
        raise top.error("level_is", "device_level or device is missing beside it")
    records = _path(top, "records", "@")
    profile = Profile(
        name=top.text("profile", pattern=PROFILE_NAME),
        title=top.text("title"),
        source=top.text("source"),
        payload=payload,
        topics=tuple(_filter(top, item) for item in top.texts("topics", [])),
        when=_optional_path(top, "when"),
        inner=_optional_path(top, "inner"),
        records=records,
        is_by_key=top.flag("records_by_device", default=False),
        device=device,
        device_level=device_level,
        level_is=level_is or device,
        zone_level=_level(top, "zone_level"),
        points=_path(top, "points", "@", after=records),
        name_level=_level(top, "name_level"),
        time=_optional_path(top, "time", after=records),
        time_format=_time_format(top),
        without_time=top.choice("without_time", WITHOUT_TIME, "received"),
        reads_our_names=top.flag("reads_our_names", default=False),
        rules=tuple(point_rule(inner) for inner in top.tables("rules")),
        samples=tuple(_sample(inner) for inner in top.tables("samples")),
    )
    top.done()
    if not profile.samples:
        raise top.error("samples", "is missing: a profile carries a recorded message and what comes out of it")
    return profile


def load_profile(path: Path) -> Profile:
    """Read and check the file of a profile; `ProfileError` as `parse_profile`, or when it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path}: is not UTF-8: {error}") from error
    return parse_profile(text, str(path))


@cache
def _shipped() -> tuple[tuple[Profile, str], ...]:
    folder = resources.files("ingest.profiles") / "shipped"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    bodies = [(item.name, item.read_text("utf-8")) for item in files]
    return tuple((parse_profile(body, name), body) for name, body in bodies)


def shipped_profiles() -> list[Profile]:
    """The profiles that come with Ndiyan, by name."""
    return [profile for profile, _ in _shipped()]


def shipped_bodies() -> dict[str, str]:
    """Their texts by name."""
    return {profile.name: body for profile, body in _shipped()}


def topics_of(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """The topics that profiles read, each once."""
    return tuple(sorted({topic for profile in profiles for topic in profile.topics}))


def topic_fits(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter lets a topic through: `+` is one level, `#` the rest; at the start neither is for `$`."""
    wanted, found = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, part in enumerate(wanted):
        if part == "#":
            return True
        if place >= len(found) or part not in ("+", found[place]):
            return False
    return len(wanted) == len(found)


def for_every_zone(topic_filter: str, profiles: Iterable[Profile]) -> list[str]:
    """The topics on which who may publish by this filter could speak for any zone: it leaves open for whom."""
    parts = topic_filter.split("/")
    known = [(topic, profile.who_levels) for profile in profiles for topic in profile.topics]
    return [
        topic
        for topic, levels in [*known, (f"{ROOT}/+/+/up/+", (2,))]
        if _meet(topic.split("/"), parts)
        and (not levels or any(level >= len(parts) or parts[level] in ("+", "#") for level in levels))
    ]


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether some topic fits both of two filters, taken apart."""
    if "#" in (*one[:1], *other[:1]):
        return True
    if not one or not other:
        return not one and not other
    return (one[0] == other[0] or "+" in (one[0], other[0])) and _meet(one[1:], other[1:])


def _path(table: Table, key: str, default: str | None = None, *, after: Finder | None = None) -> Finder:
    """The path of a key; it works on what `after` gives."""
    text = table.text(key, default)
    try:
        found = Finder(text)
        if after is not None:
            found.check_after(after)
    except (ValueError, RecursionError) as error:
        raise table.error(key, f"{text[:200]!r} is no JMESPath: {error}") from error
    return found


def _optional_path(table: Table, key: str, *, after: Finder | None = None) -> Finder | None:
    table.asked.add(key)
    return _path(table, key, after=after) if key in table.values else None


def _level(table: Table, key: str) -> int | None:
    table.asked.add(key)
    return int(table.number(key, 0, MAX_LEVEL)) if key in table.values else None


def _time_format(table: Table) -> str:
    text = table.text("time_format", "epoch_s")
    if text not in TIME_FORMATS and "%" not in text:
        raise table.error("time_format", f"{text!r} is none of {', '.join(TIME_FORMATS)}, nor one with %Y, %m, …")
    return text


def check_filter(topic_filter: str) -> None:
    """Refuse with `ValueError` what is no MQTT filter, or one that would take everything."""
    levels = topic_filter.split("/")
    are_right = all(part in ("+", "#") or not set(part) & set("+#\x00") for part in levels)
    if not are_right or "#" in levels[:-1] or levels[0] in ("", "#") or not topic_filter.isprintable():
        raise ValueError(f"{topic_filter!r} is no MQTT filter that leaves other topics alone")


def _filter(table: Table, item: str) -> str:
    try:
        check_filter(item)
    except ValueError as error:
        raise table.error("topics", str(error)) from error
    return item


def _sample(table: Table) -> Sample:
    topic = table.text("topic")
    table.asked.update({"payload", "payload_hex"})
    if ("payload" in table.values) == ("payload_hex" in table.values):
        raise table.error("payload", "write one of payload and payload_hex")
    if "payload" in table.values:
        payload = table.text("payload").strip().encode()
    else:
        try:
            payload = bytes.fromhex(table.text("payload_hex"))
        except ValueError as error:
            raise table.error("payload_hex", f"is not hexadecimal: {error}") from error
    received_at = _instant(table, "received_at")
    at = _instant(table, "at") if "at" in table.values else received_at
    table.asked.update({"at", "device", "origin"})
    sample = Sample(
        origin=table.text("origin") if "origin" in table.values else "",
        topic=topic,
        payload=payload,
        received_at=received_at,
        device=table.text("device") if "device" in table.values else None,
        at=at,
        points=dict(table.table("points").values),
        rules=tuple(point_rule(inner) for inner in table.tables("rules")),
        readings=_readings(table),
    )
    table.done()
    return sample


def _readings(table: Table) -> dict[str, float]:
    if not table.has("readings"):
        return {}
    inner = table.table("readings")
    return {name: inner.number(name, -LARGEST, LARGEST) for name in inner.values}


def _instant(table: Table, key: str) -> datetime:
    value = table.get(key)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise table.error(key, f"{value!r} is no time with its zone: 2026-03-02T10:40:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:  # the first and last day of the calendar, elsewhere
        raise table.error(key, f"{value} is no time that we can tell in UTC") from error


def by_name(profiles: Iterable[Profile]) -> dict[str, Profile]:
    """Profiles by their names; a later one of the same name stands for an earlier one."""
    return {profile.name: profile for profile in profiles}
