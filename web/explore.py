"""The explorer's question, which lives in the address, and its answer: channels on one grid of time, and what to
compare them with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from ingest.meters import told_steps
from ingest.readings import ChannelRow, ReadingStore, Series
from web.errors import BadParameter

FloatArray = NDArray[np.float64]

MOST_CHANNELS = 6
MOST_DAYS = 731
MOST_POINTS = 500
DAY = timedelta(days=1)
STEPS_S = (300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
USUAL = ("pv/irradiance_w_m2", "pump/power_w", "pump/flow_m3_h", "tower/level_m")
DEFAULT_SPAN = timedelta(days=7)
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
    now: datetime,
) -> Question:  # fmt: skip
    """Read an address; what it leaves out is the usual channels, a week, today included.

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
        raise BadParameter("du", start, f"is not before {written(end_at, is_end=True)}")
    if end_at - start_at > MOST_DAYS * DAY:
        raise BadParameter("du", start, f"is more than {MOST_DAYS} days before the end")
    usual = tuple(name for name in USUAL if name in known) or tuple(known[:1])
    return Question(wanted or usual, start_at, end_at, compare)


def _instant(name: str, text: str, *, is_end: bool = False) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadParameter(name, text, "is no day like 2026-11-01, nor an instant like 2026-11-01T06:00") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    if not 2000 <= at.year <= 2200:
        raise BadParameter(name, text, "is out of this century")
    return at + DAY if is_end and len(text) == len("2026-11-01") else at


@dataclass(frozen=True, slots=True)
class Track:
    """One channel on the grid of the answer: (k,) values, NaN where nothing was read.

    A counter's value is what it moved on since the step before, never across a gap and never backwards.
    """

    channel: ChannelRow
    value: FloatArray
    reference: FloatArray | None
    coverage: float
    step_s: float

    @property
    def unit(self) -> str:
        """Of the values."""
        return self.channel.unit

    @property
    def known(self) -> FloatArray:
        """The values that there are."""
        return np.asarray(self.value[np.isfinite(self.value)])


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


def fetch_answer(
    store: ReadingStore, question: Question, channels: Mapping[str, ChannelRow], others: Mapping[str, ChannelRow],
    *, now: datetime,
) -> Answer:  # fmt: skip
    """Read the channels; `others` are those of the zone to compare with, if it is one. Nothing is due after `now`."""
    rows = [channels[name] for name in question.channels]
    step = step_for(question.length, max((row.interval_s for row in rows), default=300.0))
    step_s = step.total_seconds()
    first_s = question.start.timestamp() // step_s * step_s
    k = int(np.ceil((question.end.timestamp() - first_s) / step_s))
    t_s = first_s + step_s * np.arange(k, dtype=np.float64)
    tracks = []
    for name, row in zip(question.channels, rows, strict=True):
        series = store.series(row.channel_id, question.start, question.end, resolution=step)
        reference = _reference(store, question, row, others.get(name), t_s, step)
        due = (min(question.end, now) - question.start).total_seconds() / row.interval_s
        coverage = min(1.0, float(series.n.sum()) / due) if due > 0 else 0.0
        tracks.append(Track(row, on_grid(series, t_s, step_s, row), reference, coverage, step_s))
    return Answer(t_s, step_s, tuple(tracks))


def _reference(
    store: ReadingStore, question: Question, row: ChannelRow, other: ChannelRow | None, t_s: FloatArray, step: timedelta
) -> FloatArray | None:
    """(k,) the same channel of the other time or zone, laid on this grid."""
    if not question.compare:
        return None
    if question.compare not in BACK:
        if other is None:
            return np.full(len(t_s), np.nan)
        series = store.series(other.channel_id, question.start, question.end, resolution=step)
        return on_grid(series, t_s, step.total_seconds(), other)
    # Whole steps, so that the other time's intervals lie on this grid.
    back = -(-(BACK[question.compare] or question.length) // step) * step
    series = store.series(row.channel_id, question.start - back, question.end - back, resolution=step)
    return on_grid(series, t_s - back.total_seconds(), step.total_seconds(), row)


def on_grid(series: Series, t_s: FloatArray, step_s: float, row: ChannelRow) -> FloatArray:
    """(k,) a series by intervals on these steps."""
    found = np.full(len(t_s), np.nan)
    place = np.round((series.t_s - t_s[0]) / step_s).astype(np.int64)
    inside = (place >= 0) & (place < len(t_s))
    found[place[inside]] = series.value[inside]
    if not row.is_counter:
        return found
    meter = (np.array(bound or np.nan) for bound in (row.wraps_at, row.most_per_h))
    return told_steps(np.diff(found, prepend=np.nan), np.array(step_s), *meter)
