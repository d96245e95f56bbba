"""All profiles and all registered devices together: from a message on any topic to records of ours. Pure, no I/O.

A message that ends in a profile's name under our own root (`ndiyan/1/ZONE/GATEWAY/up/PROFILE`) is read by it, and the
topic tells where it belongs. On a topic of its own a device is known by its id, which the registry ties to a zone.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.devices import OWN_ASSET, PointRule
from gateway.model import channel_spec
from gateway.registers import as_f32
from gateway.units import WIRE_UNIT, wire_value
from gateway.wire import topic_parts
from ingest.profiles.decode import Point, Spoken, decode, is_for, level_of
from ingest.profiles.formats import OtherDevice, Undecodable, as_number
from ingest.profiles.profile import Profile, by_name, topic_fits
from ingest.profiles.sparkplug import Aliases, NoBirth, source_of
from ingest.senml import RELATIVE_BELOW_S, BadRecord, Resolved

KNOWN_TOPICS, LONGEST_TOPIC = 10_000, 256  # remembered


class Registered(NamedTuple):
    """Where a device stands, and what its points are there, by the device's own names."""

    zone: str
    gateway: str
    asset: str | None
    points: Mapping[str, PointRule]


class Heard(NamedTuple):
    """What one device said, as records of ours.

    `absent` counts values that the device itself calls none; `unused` are points that nothing tells us how to take.
    """

    zone: str
    gateway: str
    records: list[Resolved]
    bad: list[BadRecord]
    absent: int
    unused: list[str]


class Translation(NamedTuple):
    """A message read by a profile; `strangers` are devices that nobody registered."""

    profile: str
    heard: list[Heard]
    strangers: list[str]


class Dialects:
    """Profiles and devices; `aliases` is what Sparkplug births of registered devices have told, and grows."""

    def __init__(
        self,
        profiles: Iterable[Profile],
        devices: Mapping[tuple[str, str], Registered],
        gateways: Mapping[str, str],
        aliases: Aliases | None = None,
    ) -> None:
        self.profiles, self.devices, self.gateways = by_name(profiles), devices, gateways
        self.aliases: Aliases = {} if aliases is None else aliases
        self._fitting: dict[str, list[Profile]] = {}

    def translate(self, topic: str, payload: bytes) -> Translation | None:
        """A message by the profile that reads it; None when none does.

        Raises
        ------
        Undecodable, NoBirth : as `decode`
        """
        own = topic_parts(topic)
        if own is not None and own.direction == "up" and own.kind in self.profiles:
            profile = self.profiles[own.kind]
            return self._translated(profile, self._decoded(profile, topic, payload), topic)
        spoken: list[tuple[Profile, list[Spoken]]] = []
        problem: Undecodable | None = None
        for profile in self._that_fit(topic):
            if is_for(profile, payload):
                try:
                    spoken.append((profile, self._decoded(profile, topic, payload)))
                except Undecodable as error:
                    problem = problem or error
        if not spoken:
            if fitting := self._that_fit(topic):
                raise problem or Undecodable(f"{', '.join(one.name for one in fitting)}: not a message that is read")
            return None
        for profile, said in spoken:
            if any((profile.name, one.device) in self.devices for one in said):
                return self._translated(profile, said, topic)
        return self._translated(*spoken[0], topic)

    def readings_of(self, profile: Profile, said: Spoken, device: Registered) -> Heard:
        """What a registered device said, as records of ours."""
        heard = Heard(device.zone, device.gateway, [], [], 0, [])
        absent = 0
        rules = {rule.point: rule for rule in profile.rules} | dict(device.points)
        for point in said.points:
            rule = rules.get(point.name) or (_rule_of_our_name(point.name) if profile.reads_our_names else None)
            asset = None if rule is None else device.asset if rule.asset == OWN_ASSET else rule.asset
            if rule is None or asset is None:
                heard.unused.append(point.name)
            elif point.raw is None or _is_sentinel(point.raw, rule):
                absent += 1
            else:
                found = _record(point, rule, asset)
                if isinstance(found, BadRecord):
                    heard.bad.append(found)
                else:
                    heard.records.append(found)
        return heard._replace(absent=absent)

    def _decoded(self, profile: Profile, topic: str, payload: bytes) -> list[Spoken]:
        """As `decode`; of a birth is remembered what a registered device told. What a stranger told holds no more, and
        nobody waits for a birth of theirs."""
        told: Aliases = {}
        try:
            return decode(profile, topic, payload, ChainMap(told, self.aliases))
        except NoBirth:
            if self._is_registered(source := source_of(topic).name):
                raise
            return [Spoken(source, [])]
        finally:
            for source, aliases in told.items():
                if self._is_registered(source):
                    self.aliases[source] = aliases
                else:
                    self.aliases.pop(source, None)

    def _is_registered(self, device: str) -> bool:
        return any((name, device) in self.devices for name in self.profiles)

    def _translated(self, profile: Profile, said: list[Spoken], topic: str) -> Translation:
        result = Translation(profile.name, [], [])
        for one in said:
            device = self._registered(profile, one, topic)
            if device is None:
                result.strangers.append(one.device or "?")
            else:
                result.heard.append(self.readings_of(profile, one, device))
        return result

    def _registered(self, profile: Profile, one: Spoken, topic: str) -> Registered | None:
        known = None if one.device is None else self.devices.get((profile.name, one.device))
        own = topic_parts(topic)
        if own is None:
            if known is not None and profile.zone_level is not None:
                zone = level_of(topic, profile.zone_level)
                if zone != known.zone:
                    raise OtherDevice(f"{one.device} is no device of {zone[:80]}, of which the topic is")
            return known
        if known is not None:  # who publishes under a zone speaks for devices of that zone alone
            return known if known.zone == own.zone else None
        if self.gateways.get(own.gateway) != own.zone:
            return None
        return Registered(own.zone, own.gateway, None, {})

    def _that_fit(self, topic: str) -> list[Profile]:
        found = self._fitting.get(topic)
        if found is None:
            found = [
                profile for profile in self.profiles.values() if any(topic_fits(one, topic) for one in profile.topics)
            ]
            if len(self._fitting) >= KNOWN_TOPICS:
                self._fitting.clear()
            if len(topic) <= LONGEST_TOPIC:
                self._fitting[topic] = found
        return found


def _record(point: Point, rule: PointRule, asset: str) -> Resolved | BadRecord:
    if point.problem is not None:
        return _bad(point, rule, asset, point.problem)
    number = as_number(point.raw)
    if number is None:
        return _bad(point, rule, asset, f"{str(point.raw)[:80]!r} is no number")
    if not rule.low <= number <= rule.high:
        return _bad(point, rule, asset, f"{number:g} is beyond {rule.low:g} … {rule.high:g}, which the device can mean")
    # A device's own 1970 is a time and not "a little after it came", which is what a small number means in SenML.
    at_s = 0.0 if point.at_s is None else max(point.at_s, RELATIVE_BELOW_S)
    return Resolved(asset, rule.channel, rule.unit, number * rule.scale + rule.offset, at_s, None, None)


def _bad(point: Point, rule: PointRule, asset: str, problem: str) -> BadRecord:
    record = {"n": f"{asset}/{rule.channel}", "u": rule.unit, "vs": str(point.raw)[:80], "t": point.at_s}
    detail = f"{asset}/{rule.channel} from {point.name}: {problem}"
    return BadRecord(
        json.dumps({key: value for key, value in record.items() if value is not None}).encode(), detail, None
    )


def _is_sentinel(raw: object, rule: PointRule) -> bool:
    for sentinel in rule.sentinels:
        if isinstance(sentinel, str):
            if isinstance(raw, str) and raw.strip() == sentinel:
                return True
        elif as_number(raw) in (sentinel, as_f32(sentinel)):  # as a float of Sparkplug has it
            return True
    return False


def _rule_of_our_name(name: str) -> PointRule | None:
    """How a point is taken that bears a name of ours, `tower/level_m` or `tower.level_m`: in the canonical unit."""
    asset, _, channel = name.replace(".", "/", 1).partition("/")
    spec = channel_spec(asset, channel)
    if spec is None:
        return None
    scale = wire_value(spec, 1.0) - wire_value(spec, 0.0)
    return PointRule(name, asset, channel, WIRE_UNIT[spec.unit], scale, wire_value(spec, 0.0))


def names_of(translation: Translation) -> Iterator[str]:
    """The points of a message that were not used, each once."""
    yield from dict.fromkeys(name for heard in translation.heard for name in heard.unused)
