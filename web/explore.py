"""The explorer's question, which lives in the address, and its answer: channels on one grid of time, and what to
compare them with."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from ingest.db import Connection
from ingest.hours import ARRAY_POWER, HOUR, LIFTED, POWER, Hours, Part
from ingest.meters import counted_steps, told_steps
from ingest.readings import ChannelRow, Series
from ingest.readings_pg import PgReadings
from web.errors import BadParameter
from web.measures import LEAST_M3, pumped_hours
from web.received import came_of

FloatArray = NDArray[np.float64]

MOST_CHANNELS = 6
MOST_DAYS = 731
MOST_POINTS = 500
DAY = timedelta(days=1)
STEPS_S = (300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
USUAL = ("pv/irradiance_w_m2", "pump/power_w", "pump/flow_m3_h", "tower/level_m")
DEFAULT_SPAN = timedelta(days=7)
AMOUNTS = ("rain_mm",)  # what came since the reading before: those of a step add up
SPECIFIC_ENERGY = "specific_energy_kwh_m3"
# What a period may be compared with; any other word is the id of another zone.
BACK = {"avant": None, "semaine": timedelta(days=7), "mois": timedelta(days=28), "an": timedelta(days=364)}
"""Whole weeks, so that Fridays lie on Fridays; None is the length of the period itself."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which channels (`asset/name`) from `start` to `end`, and with what to compare them ("" with nothing)."""

    channels: tuple[str, ...]
    start: datetime
    end: datetime
    compare: str = ""

    def among(self, known: Container[str]) -> Question:
        """The same of those channels that a zone has; the explorer refuses others."""
        return replace(self, channels=tuple(name for name in self.channels if name in known))

    @property
    def query(self) -> str:
        """The question as the address says it."""
        said = {
            "v": ",".join(self.channels), "du": written(self.start), "au": written(self.end, is_end=True),
            "ref": self.compare,
        }  # fmt: skip
        return urlencode({name: value for name, value in said.items() if value}, safe="/,:")

    @property
    def length(self) -> timedelta:
        """The time that is shown."""
        return self.end - self.start

    def moved(self, by: timedelta) -> Question:
        """The same of another time."""
        return replace(self, start=self.start + by, end=self.end + by)

    def last(self, length: timedelta) -> Question:
        """The same of a time of this length that ends where this one does."""
        return replace(self, start=self.end - length)


def written(at: datetime, *, is_end: bool = False) -> str:
    """A midnight as its day (as an end: the day that ends there), another instant to the minute."""
    local = at.astimezone(UTC)
    if (local.hour, local.minute) == (0, 0):
        return f"{local - DAY if is_end else local:%Y-%m-%d}"
    return f"{local:%Y-%m-%dT%H:%M}"


def question_of(
    channels: Sequence[str], start: str, end: str, compare: str, *, known: Sequence[str], zones: Sequence[str],
    now: datetime, retired: Container[str] = (),
) -> Question:  # fmt: skip
    """Read an address; what it leaves out is the usual channels that are not `retired`, a week, today included.

    Raises
    ------
    BadParameter : an unknown channel, too many, a day that is none, an end before the beginning, too long a time
    """
    wanted = tuple(dict.fromkeys(name for one in channels for name in one.split(",") if name))
    for name in wanted:
        if name not in known:
            raise BadParameter("v", name, "is no channel of this zone")
    if len(wanted) > MOST_CHANNELS:
        raise BadParameter("v", ",".join(wanted), f"names more than {MOST_CHANNELS} channels")
    if compare and compare not in BACK and compare not in zones:
        raise BadParameter("ref", compare, f"is neither {', '.join(BACK)} nor a zone")
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    end_at = _instant("au", end, is_end=True) if end else midnight
    start_at = _instant("du", start) if start else end_at - DEFAULT_SPAN
    if not start_at < end_at:
        raise BadParameter("du", start, f"is not before {end or written(end_at, is_end=True)}")
    if end_at - start_at > MOST_DAYS * DAY:
        raise BadParameter("du", start, f"is more than {MOST_DAYS} days before the end")
    there = [name for name in known if name not in retired] or known
    usual = tuple(name for name in USUAL if name in there) or tuple(there[:1])
    return Question(wanted or usual, start_at, end_at, compare)


def _instant(name: str, text: str, *, is_end: bool = False) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(name, text, "is no day like 2026-11-01, nor an instant like 2026-11-01T06:00") from None
    if not 2000 <= at.year <= 2200:
        raise BadParameter(name, text, "is out of this century")
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at + DAY if is_end and len(text) <= len("2026-11-01") else at  # 20261101 is a day too


@dataclass(frozen=True, slots=True)
class Column:
    """(k,) what is known of the steps: `top` for each `bottom`, NaN where nothing is.

    Most channels are for each step, their bottom is 1. Specific energy is kWh for each m³: its mean is all energy over
    all water, also of steps that lifted less than `least` and have no value of their own.
    """

    top: FloatArray
    bottom: FloatArray
    least: float = 0.0
    extremes: tuple[float, float] | None = None  # of the readings; else of the steps
    total: float | None = None

    @property
    def low_high(self) -> tuple[float, float]:
        """The lowest and the highest that was read; NaN without anything."""
        known = self.value[np.isfinite(self.value)]
        if self.extremes is not None or not len(known):
            return self.extremes or (float("nan"), float("nan"))
        return float(known.min()), float(known.max())

    @property
    def value(self) -> FloatArray:
        """(k,) the values of the steps."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where((self.bottom > 0) & (self.bottom >= self.least), self.top / self.bottom, np.nan)

    def mean(self, where: NDArray[np.bool_]) -> float:
        """Over some of the steps that are known; NaN when they say nothing."""
        bottom = self.bottom[where].sum()
        return float(self.top[where].sum() / bottom) if bottom > 0 else float("nan")

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """(k,) whether anything is known of each step."""
        return np.isfinite(self.bottom)


def plain(value: FloatArray) -> Column:
    """A column of values that count alike."""
    return Column(value, np.where(np.isfinite(value), 1.0, np.nan))


@dataclass(frozen=True, slots=True)
class Track:
    """One channel on the grid of the answer.

    A counter's value is what it moved on since the step before, never across a gap and never backwards.
    """

    channel: ChannelRow
    column: Column
    other: Column | None
    coverage: float

    @property
    def unit(self) -> str:
        """Of the values."""
        return self.channel.unit

    @property
    def is_derived(self) -> bool:
        """Whether it is worked out from other channels."""
        return self.channel.name == SPECIFIC_ENERGY

    @property
    def value(self) -> FloatArray:
        """(k,) NaN where nothing was read."""
        return self.column.value

    @property
    def reference(self) -> FloatArray | None:
        """(k,) what it is compared with."""
        return None if self.other is None else self.other.value

    @property
    def known(self) -> FloatArray:
        """The values that there are."""
        return np.asarray(self.value[np.isfinite(self.value)])

    @property
    def mean(self) -> float:
        """Of all that is known."""
        return self.column.mean(self.column.is_known)

    @property
    def change(self) -> float | None:
        """The mean (of a counter: the sum) against that of the other, over the steps of which both are known."""
        if self.other is None:
            return None
        both = self.column.is_known & self.other.is_known
        before = self.other.mean(both)
        now = self.column.mean(both)
        return now / before - 1 if np.isfinite(now) and before > 0 else None


@dataclass(frozen=True, slots=True)
class Answer:
    """`t_s` (k,) the beginnings of the steps [s]; one track a channel."""

    t_s: FloatArray
    step_s: float
    tracks: tuple[Track, ...]


def step_for(length: timedelta, interval_s: float) -> timedelta:
    """The step in which a time is drawn: about five hundred points, and never finer than the channel is read."""
    wanted = max(interval_s, length.total_seconds() / MOST_POINTS)
    return timedelta(seconds=next((step for step in STEPS_S if step >= wanted), STEPS_S[-1]))


def with_derived(channels: Mapping[str, ChannelRow]) -> dict[str, ChannelRow]:
    """The channels of a zone by name, with specific energy where power and the pump's counter are measured."""
    found = dict(channels)
    counter = channels.get(LIFTED)
    if counter is not None and counter.retired_at is None and (POWER in channels or ARRAY_POWER in channels):
        found[f"pump/{SPECIFIC_ENERGY}"] = ChannelRow(
            0, counter.zone_id, "pump", SPECIFIC_ENERGY, "kWh/m³", is_counter=False, interval_s=HOUR.total_seconds()
        )
    return found


def fetch_answer(
    connection: Connection, question: Question, channels: Mapping[str, ChannelRow], others: Mapping[str, ChannelRow],
    *, now: datetime,
) -> Answer:  # fmt: skip
    """Read the channels; `others` are those of the zone to compare with, if it is one. Nothing is due after `now`."""
    rows = [channels[name] for name in question.channels]
    step = step_for(question.length, max((row.interval_s for row in rows), default=300.0))
    step_s = step.total_seconds()
    first_s = question.start.timestamp() // step_s * step_s
    k = int(np.ceil((question.end.timestamp() - first_s) / step_s))
    grid = Steps(connection, first_s + step_s * np.arange(k, dtype=np.float64), step)
    tracks = []
    for name, row in zip(question.channels, rows, strict=True):
        column, read = grid.column(row, question.start, question.end)
        due = row.due_s(question.start, min(question.end, now)) / row.interval_s
        other = _reference(grid, question, row, others.get(name))
        tracks.append(Track(row, column, other, min(1.0, read / due) if due > 0 else 0.0))
    return Answer(grid.t_s, step_s, tuple(tracks))


def _reference(grid: Steps, question: Question, row: ChannelRow, other: ChannelRow | None) -> Column | None:
    """The same channel of the other time or zone, laid on this grid."""
    if not question.compare:
        return None
    if question.compare not in BACK:
        if other is None:
            return plain(np.full(len(grid.t_s), np.nan))
        return grid.column(other, question.start, question.end)[0]
    # Whole steps, so that the other time's intervals lie on this grid.
    back = -(-(BACK[question.compare] or question.length) // grid.step) * grid.step
    return grid.column(row, question.start, question.end, back=back)[0]


class Steps:
    """The grid of an answer: `t_s` (k,) the beginnings of its steps [s]."""

    def __init__(self, connection: Connection, t_s: FloatArray, step: timedelta) -> None:
        self._connection, self.t_s, self.step = connection, t_s, step

    def column(
        self, row: ChannelRow, start: datetime, end: datetime, *, back: timedelta = timedelta(0)
    ) -> tuple[Column, float]:
        """What a channel said between these instants less `back`, and how many of its intervals are known."""
        if row.name == SPECIFIC_ENERGY:
            return self._specific_energy(row.zone_id, start - back, end - back, back.total_seconds())
        t_s = self.t_s - back.total_seconds()
        if row.is_counter:
            return self._counted(row, t_s, start - back, end - back)
        series = PgReadings(self._connection).series(row.channel_id, start - back, end - back, resolution=self.step)
        if row.name in AMOUNTS:
            series = replace(series, value=series.value * series.n)
        column = plain(on_grid(series, t_s, self.step.total_seconds(), row))
        if len(series.t_s) and row.name not in AMOUNTS:
            column = replace(column, extremes=(float(series.minimum.min()), float(series.maximum.max())))
        return column, came_of(series.t_s, series.n, row.interval_s, step_s=self.step.total_seconds())

    def _counted(self, row: ChannelRow, t_s: FloatArray, start: datetime, end: datetime) -> tuple[Column, float]:
        """A counter's steps; what was read before the first tells where that begins."""
        first = datetime.fromtimestamp(float(t_s[0]), UTC)
        if self.step % HOUR:
            series = PgReadings(self._connection).series(row.channel_id, first - self.step, end, resolution=self.step)
            moved = counted_steps(np.diff(series.value), np.diff(series.t_s), *_meter(row))
            column = plain(on_grid(series, t_s, self.step.total_seconds(), row))
            total = float(moved.sum()) if len(moved) else None
            within = series.t_s >= t_s[0]
            came = came_of(series.t_s[within], series.n[within], row.interval_s, step_s=self.step.total_seconds())
            return replace(column, total=total), came
        last = first - (first - end) // HOUR * HOUR
        name = f"{row.asset_id}/{row.name}"
        hours = Hours(self._connection, row.zone_id, first - HOUR, last, [name], with_retired=True)
        moved, within = hours.of(name, Part.MOVED), hours.of(name, Part.HIGH) - hours.of(name, Part.LOW)
        asked = (start - first) // HOUR  # a step may begin before what was asked for
        column = replace(
            steps_of_hours(moved, len(t_s), self.step // HOUR), total=moved_in_all(moved[asked:], within[asked:])
        )
        count = np.nan_to_num(hours.of(name, Part.COUNT)[asked + 1 :])
        return column, came_of(HOUR.total_seconds() * np.arange(len(count), dtype=np.float64), count, row.interval_s)

    def _specific_energy(self, zone_id: str, start: datetime, end: datetime, back_s: float) -> tuple[Column, float]:
        first = start.replace(minute=0, second=0, microsecond=0)
        last = first - (first - end) // HOUR * HOUR
        # An hour more at both ends tells whether those within are whole.
        hours = Hours(self._connection, zone_id, first - HOUR, last + HOUR, [POWER, ARRAY_POWER, LIFTED])
        energy, volume = (
            of_hours[1:-1] for of_hours in pumped_hours(hours.pump_power_w(), hours.of(LIFTED, Part.MOVED))
        )
        at_s = first.timestamp() + back_s + HOUR.total_seconds() * np.arange(len(energy))
        place = ((at_s - self.t_s[0]) // self.step.total_seconds()).astype(np.int64)
        used = np.isfinite(energy) & (place >= 0) & (place < len(self.t_s))
        top, bottom, count = np.zeros((3, len(self.t_s)))
        for sums, of_hours in ((top, energy), (bottom, volume), (count, np.ones(len(energy)))):
            np.add.at(sums, place[used], of_hours[used])
        known = np.where(count > 0, 1.0, np.nan)
        return Column(top * known, bottom * known, LEAST_M3), float(used.sum())


def steps_of_hours(moved: FloatArray, k: int, step_h: int) -> Column:
    """What a counter moved on in `k` steps of so many hours.

    `moved` (1 + n,) begins with the hour before them, which tells whether all of the first is known.
    """
    is_known = np.isfinite(moved)
    place = np.arange(len(moved) - 1) // step_h
    sums = np.bincount(place, np.nan_to_num(moved[1:]), minlength=k)
    known = np.concatenate([is_known[:1], np.bincount(place, is_known[1:], minlength=k) > 0])
    return plain(np.where(known[1:] & known[:-1], sums, np.nan))


def moved_in_all(moved: FloatArray, within: FloatArray) -> float | None:
    """What a counter moved on in some hours, over gaps too; None where nothing was read.

    Parameters
    ----------
    moved, within : (1 + n,) what it moved on in the hour before and in each of these, and what of that lies between two
        readings of the hour; NaN where nothing was read
    """
    is_known = np.isfinite(moved)
    if not is_known[1:].any():
        return None
    total, begins = float(np.nansum(moved[1:])), int(np.flatnonzero(is_known)[0])
    if begins > 0:  # after a silence: nobody knows what of it came before
        total -= max(0.0, float(moved[begins] - within[begins]))
    return total


def on_grid(series: Series, t_s: FloatArray, step_s: float, row: ChannelRow) -> FloatArray:
    """(k,) a series by intervals on these steps; the series of a counter may begin a step before."""
    if row.is_counter:
        t_s = np.concatenate([[t_s[0] - step_s], t_s])
    found = np.full(len(t_s), np.nan)
    place = np.round((series.t_s - t_s[0]) / step_s).astype(np.int64)
    inside = (place >= 0) & (place < len(t_s))
    found[place[inside]] = series.value[inside]
    return told_steps(np.diff(found), np.array(step_s), *_meter(row)) if row.is_counter else found


def _meter(row: ChannelRow) -> Iterator[FloatArray]:
    """Where a counter begins anew, and what its pipe carries; NaN where that is not known."""
    return (np.array(bound or np.nan) for bound in (row.wraps_at, row.most_per_h))
