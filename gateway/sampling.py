"""Raw values into readings: loops, totals of pulses, and what of all that is measured is reported.

A value is looked at every `every_s` and reported when an interval ends, or at once when it has moved by `change` since
its last report. The least and the greatest of what was not reported are reported with the next one, each at its own
time, when they stick out by `change` (without one: at all). So nothing that lasts a look is lost, and a quiet value
costs one reading in an interval.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gateway.drivers import Driver
from gateway.errors import DeviceSilent
from gateway.installation import Loop, Plan, Point, Pulse
from gateway.maps import Value
from gateway.model import Reading
from gateway.units import field_conversion, wire_value

log = logging.getLogger(__name__)

# NAMUR NE43: 3.8 to 20.5 mA is a measurement, up to 3.6 and from 21 mA the sensor says that it has failed.
LEAST_MA, MOST_MA, FAILED_LOW_MA, FAILED_HIGH_MA = 3.8, 20.5, 3.6, 21.0
SAME_MOMENT_S = 1.0  # what is read within it bears one time, which a pack then names once
SILENT_WAIT_S = (10.0, 300.0)  # a device that does not answer is asked ever more rarely


class Taken(NamedTuple):
    """A reading, and the machine's uptime when it was measured [s]."""

    reading: Reading
    uptime_s: float


class Sample(NamedTuple):
    """One look at a point."""

    at: datetime
    uptime_s: float
    value: float


def loop_value(milliamps: float, loop: Loop) -> float | str:
    """What a 4-20 mA loop says, in the channel's unit; or why it says nothing: a failure is never a level."""
    if milliamps <= FAILED_LOW_MA or milliamps >= FAILED_HIGH_MA:
        return f"{milliamps:.2f} mA: the sensor or its cable has failed (NAMUR NE43)"
    if not LEAST_MA <= milliamps <= MOST_MA:
        return f"{milliamps:.2f} mA is no measurement (NAMUR NE43: 3.8 to 20.5)"
    return loop.at_4_ma + (milliamps - 4) / 16 * (loop.at_20_ma - loop.at_4_ma)


class Count(NamedTuple):
    """Where a counter of pulses stood, what the point had counted in all by then, and which counter it was.

    "": from before it was kept.
    """

    raw: float
    pulses: float
    counter: str = ""


def count_on(before: Count | None, raw: float, *, wraps_at: float | None, most: float) -> Count:
    """The count goes on from `before` to what the counter shows now.

    A counter that shows less has begun anew at `wraps_at`, if not more than `most` pulses would have come since;
    otherwise somebody or a power cut has set it to 0, and what it shows has come since.
    """
    if before is None:
        return Count(raw, 0.0)
    if raw >= before.raw:
        return Count(raw, before.pulses + raw - before.raw)
    rolled = raw - before.raw + (wraps_at or 0.0)
    return Count(raw, before.pulses + (rolled if wraps_at is not None and rolled <= most else raw))


def why_too_many(pulses: float, past_s: float, *, most_hz: float) -> str | None:
    """Why a counter cannot have counted so many in the time since it moved last: some devices tell an hour at once."""
    if pulses <= most_hz * (past_s + 1):
        return None
    return f"{pulses:.0f} pulses in {past_s:.0f} s are more than most_hz ({most_hz:g}) bears"


@dataclass(slots=True)
class _Counter:
    """When a counter of pulses was seen in this run, when it moved, and whether it showed what nobody believed."""

    seen_s: float
    moved_s: float
    is_doubted: bool = False


@dataclass(slots=True)
class Reporter:
    """Which looks at one point become readings."""

    interval_s: float
    change: float | None
    last: Sample | None = None
    slot: int | None = None
    least: Sample | None = None
    greatest: Sample | None = None

    def offer(self, sample: Sample) -> list[Sample]:
        """What is reported now, in the order of time."""
        slot = int(sample.uptime_s // self.interval_s)
        moved = self.change is not None and self.last is not None and abs(sample.value - self.last.value) >= self.change
        if self.last is not None and slot == self.slot and not moved:
            if self.least is None or sample.value < self.least.value:
                self.least = sample
            if self.greatest is None or sample.value > self.greatest.value:
                self.greatest = sample
            return []
        reported = [*self._extremes(sample), sample]
        self.last, self.slot, self.least, self.greatest = sample, slot, None, None
        return reported

    def _extremes(self, sample: Sample) -> list[Sample]:
        """The least and the greatest since the last report, where they stick out of it and of this one."""
        if self.last is None or self.least is None or self.greatest is None:
            return []
        low, high = sorted((self.last.value, sample.value))
        by = self.change or 0.0
        found = [self.least] if low - self.least.value > by else []
        found += [self.greatest] if self.greatest.value - high > by else []
        return sorted(found, key=lambda one: one.uptime_s)


@dataclass(slots=True)
class _Silence:
    """How long a device is left alone that did not answer."""

    until_s: float = 0.0
    wait_s: float = 0.0

    def go_on(self, now_s: float) -> None:
        self.wait_s = min(max(2 * self.wait_s, SILENT_WAIT_S[0]), SILENT_WAIT_S[1])
        self.until_s = now_s + self.wait_s


@dataclass(slots=True)
class Round:
    """What one look at everything that was due gave: readings, and counts to be kept with them."""

    taken: list[Taken] = field(default_factory=list)
    counts: dict[str, Count] = field(default_factory=dict)


class Sampler:
    """Looks at the points of a plan when they are due.

    `troubles` tells, by point, why it gives nothing now.

    Parameters
    ----------
    counts : where the counters of pulses stood when the program ended last, by point
    after_device : called when a device has answered, or not: a look may take as long as many of them are silent
    """

    def __init__(
        self, plan: Plan, drivers: Mapping[str, Driver], *, counts: Mapping[str, Count],
        after_device: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._points, self._devices = plan.points, plan.devices
        self._drivers, self._after_device = drivers, after_device
        self._counts, self._counters = dict(counts), dict[str, _Counter]()
        self._reporters = {one.name: Reporter(one.interval_s, one.change) for one in plan.points}
        self._due_s = {one.name: 0.0 for one in plan.points}
        self._silent: dict[str, _Silence] = defaultdict(_Silence)
        self.troubles: dict[str, str] = {}

    @property
    def next_s(self) -> float:
        """At which uptime something is due again [s]."""
        return min(self._due_s.values())

    def look(self, now: Callable[[], datetime], uptime_s: Callable[[], float]) -> Round:
        """Read what is due by now; what is read behind a slow device bears the time at which that one had answered."""
        start_s = uptime_s()
        at, at_s = now(), start_s
        due: dict[str, list[Point]] = defaultdict(list)
        for point in self._points:
            if self._due_s[point.name] <= start_s:
                due[point.device].append(point)
                self._due_s[point.name] = (start_s // point.every_s + 1) * point.every_s
        found = Round()
        for device, points in due.items():
            values = self._ask(device, points, start_s)
            if uptime_s() - at_s >= SAME_MOMENT_S:
                at, at_s = now(), uptime_s()
            self._after_device()
            if values is None:
                continue
            for point in points:
                value = self._value(point, values.get(point.register), at_s)
                if value is not None:
                    self._report(point, Sample(at, at_s, value), found)
        return found

    def counts(self) -> dict[str, Count]:
        """Where the counters of pulses stand now."""
        return dict(self._counts)

    def close(self) -> None:
        """Let all lines go."""
        for driver in self._drivers.values():
            driver.close()

    def _report(self, point: Point, sample: Sample, found: Round) -> None:
        reported = self._reporters[point.name].offer(sample)
        found.taken += [Taken(Reading(point.asset, point.spec.name, s.at, s.value), s.uptime_s) for s in reported]
        if reported and point.pulse is not None:
            found.counts[point.name] = self._counts[point.name]

    def _ask(self, device: str, points: Sequence[Point], uptime_s: float) -> Mapping[str, Value] | None:
        """What a device tells, None while it is silent."""
        silence = self._silent[device]
        if uptime_s < silence.until_s:
            return None
        try:
            values = self._drivers[device].read({point.register for point in points})
        except Exception as error:  # a driver that fails in its own way must not take the other devices with it
            if silence.wait_s == 0:
                log.warning("%s is silent: %s", device, error, exc_info=not isinstance(error, DeviceSilent))
            silence.go_on(uptime_s)
            self.troubles |= {point.name: f"{device} is silent: {error}" for point in points}
            return None
        if silence.wait_s:
            log.info("%s answers again", device)
            self._silent[device] = _Silence()
        return values

    def _value(self, point: Point, value: Value | None, uptime_s: float) -> float | None:
        """The canonical value of a point, None when there is none; why is told once."""
        if value is None:
            self._tell(point, f"{point.device} does not tell {point.register}")
            return None
        if value.number is None:
            self._tell(point, value.why or "no value")
            return None
        if not math.isfinite(value.number):  # the outbox cannot keep it, and would refuse all that come after it
            self._tell(point, f"{value.number} is not a number")
            return None
        if point.pulse is not None:
            found: float | str = self._total(point, point.pulse, value, uptime_s)
        elif point.loop is not None:
            found = loop_value(value.number * point.scale, point.loop)
        else:
            found = canonical(point, value)
        if not isinstance(found, str) and not math.isfinite(wire_value(point.spec, found)):
            found = (
                f"{value.number:g} {value.unit}".rstrip() + " is too large to be told"
            )  # and would hold up all others
        self._tell(point, found if isinstance(found, str) else None)
        return None if isinstance(found, str) else found

    def _total(self, point: Point, pulse: Pulse, value: Value, uptime_s: float) -> float | str:
        """[m³] by what the counter shows now, or why that is not believed.

        Of a counter that has jumped the next look shows whether it was misread; where it stays there, somebody has set
        it, and it goes on from there.
        """
        raw, before, place = value.number or 0.0, self._counts.get(point.name), self._place_of(point)
        if before is not None and before.counter not in ("", place):
            before = Count(raw, before.pulses)  # what the new one shows is not what has come since
        # How long the box was off is not known: a counter that came back smaller rolled over if it was near its end.
        seen = self._counters.get(point.name)
        most = (value.wraps_at or 0.0) / 4 if seen is None else pulse.most_hz * (uptime_s - seen.seen_s + 1)
        count, why = count_on(before, raw, wraps_at=value.wraps_at, most=most), None
        if seen is None or before is None:
            seen = self._counters[point.name] = _Counter(uptime_s, uptime_s)
        elif why := why_too_many(count.pulses - before.pulses, uptime_s - seen.moved_s, most_hz=pulse.most_hz):
            if not seen.is_doubted:
                seen.is_doubted = True
                return why
            count = Count(raw, before.pulses)
        if before is not None and raw != before.raw:
            seen.moved_s = uptime_s
        seen.seen_s, seen.is_doubted = uptime_s, False
        self._counts[point.name] = count._replace(counter=place)
        return why or pulse.start_m3 + count.pulses * pulse.litres / 1000

    def _place_of(self, point: Point) -> str:
        """Where the counter is; a device that only gets another name does not move it."""
        device = self._devices[point.device]
        place = device.path or " ".join(device.command) or f"{device.link}/{device.unit_id}"
        return f"{place}/{point.register}"

    def _tell(self, point: Point, why: str | None) -> None:
        before = self.troubles.pop(point.name, None)
        if why is not None:
            self.troubles[point.name] = why
            if before is None:
                log.warning("%s: %s", point.name, why)
        elif before is not None:
            log.info("%s measures again", point.name)


def canonical(point: Point, value: Value) -> float | str:
    """The value in the channel's unit, or why not."""
    unit = value.unit if point.unit is None else point.unit
    scale = field_conversion(point.spec, unit) if unit else (1.0, 0.0)
    if scale is None:
        return f"unit {unit!r} does not convert to {point.spec.unit!r}"
    factor, offset = scale
    return (value.number or 0.0) * point.scale * factor + offset
