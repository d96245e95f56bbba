"""A profile tried on a message, without storing anything: what the tester shows, and what a profile's samples prove."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.devices import PointRule
from gateway.model import ChannelSpec, channel_spec
from gateway.units import CONVERSIONS
from ingest.profiles.decode import Spoken, decode
from ingest.profiles.dialects import Dialects, Registered
from ingest.profiles.formats import Undecodable
from ingest.profiles.profile import Profile, Sample
from ingest.profiles.sparkplug import NoBirth
from ingest.senml import RELATIVE_BELOW_S

CLOSE = 1e-9


class Shown(NamedTuple):
    """One point of a message: the device's name and words, and what it becomes (None when nothing takes it).

    `value` is in `unit`, the canonical one of `channel`; `problem` says why there is none.
    """

    device: str | None
    point: str
    raw: str
    channel: str | None
    value: float | None
    unit: str | None
    at: datetime | None
    problem: str | None


def try_message(
    profile: Profile,
    topic: str,
    payload: bytes,
    received_at: datetime,
    rules: Sequence[PointRule] = (),
    asset: str | None = None,
) -> list[Shown]:
    """What a message says by a profile, point by point; `rules` and `asset` are those of a device in a zone file.

    Raises
    ------
    Undecodable, NoBirth : as `decode`
    """
    dialects = Dialects([profile], {}, {})
    device = Registered("", "", asset, {rule.point: rule for rule in rules})
    shown: list[Shown] = []
    for said in decode(profile, topic, payload, {}):
        for point in said.points:
            heard = dialects.readings_of(profile, Spoken(said.device, [point]), device)
            raw = str(point.raw)[:200]
            at = received_at if point.at_s is None else _instant(point.at_s)
            if heard.records:
                record = heard.records[0]
                spec = _spec(record.asset, record.channel)
                factor, offset = CONVERSIONS[spec.unit][record.unit]
                value = math.nan if record.value is None else record.value * factor + offset
                at = received_at if record.at_s < RELATIVE_BELOW_S else at
                channel = f"{record.asset}/{record.channel}"
                shown.append(Shown(said.device, point.name, raw, channel, value, spec.unit, at, None))
            else:
                problem = heard.bad[0].detail if heard.bad else "no value" if heard.absent else "nothing takes it"
                shown.append(Shown(said.device, point.name, raw, None, None, None, at, problem))
    return shown


def failed_samples(profile: Profile) -> list[str]:
    """What of a profile's samples does not come out as it says there; empty when all is well."""
    problems = []
    for number, sample in enumerate(profile.samples, start=1):
        try:
            shown = try_message(profile, sample.topic, sample.payload, sample.received_at, sample.rules)
        except (Undecodable, NoBirth) as error:
            problems.append(f"sample {number}: {error}")
            continue
        problems += [f"sample {number}: {problem}" for problem in _differences(sample, shown)]
    return problems


def _differences(sample: Sample, shown: Sequence[Shown]) -> list[str]:
    problems = []
    for device in {one.device for one in shown} - {sample.device}:
        problems.append(f"device {device!r}, and it should be {sample.device!r}")
    points = {one.point: one.raw for one in shown if one.raw != "None"}
    wanted = {name: str(value) for name, value in sample.points.items()}
    if points != wanted:
        problems.append(f"points {points}, and they should be {wanted}")
    found = {one.channel: one.value for one in shown if one.channel is not None and one.value is not None}
    if found.keys() != sample.readings.keys() or any(
        not math.isclose(found[name], value, rel_tol=CLOSE) for name, value in sample.readings.items()
    ):
        problems.append(f"readings {found}, and they should be {sample.readings}")
    for one in shown:
        if one.at != sample.at:
            problems.append(f"{one.point} at {one.at}, and it should be {sample.at}")
    return problems


def _spec(asset: str, channel: str) -> ChannelSpec:
    spec = channel_spec(asset, channel)
    if spec is None:
        raise AssertionError(f"{asset}/{channel} passed the check of a rule and is no channel")
    return spec


def _instant(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return None
