"""The aligned drawings of a zone over a span of time, each with its sentence, unit and coverage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import numpy as np
from markupsafe import Markup

from alerts.states import RUNNING_SHARE
from gateway.model import Flag
from ingest.readings import ChannelRow, LatestRow, ReadingStore, Series
from web.by_hand import HandMade, spots_of
from web.charts.bars import DayBar, volume_panel
from web.charts.frame import Axis
from web.charts.lanes import LaneSpan
from web.charts.scale import Span, round_up
from web.charts.series import Band, Spot, series_panel
from web.daily import Day
from web.language import Texts
from web.received import came_of

OVERFLOW, LOW, EMPTY = 0.98, 0.20, 0.05  # shares of the full level, as DASHBOARD §1.2 plot 5 draws them
BRIGHT_W_M2 = 1200.0  # the brightest moment between clouds that a panel sees


@dataclass(frozen=True, slots=True)
class Choice:
    """A length of time that the page offers, and the resolution at which it is drawn (None: every reading)."""

    key: str
    length: timedelta
    resolution: timedelta | None


CHOICES = (
    Choice("24h", timedelta(hours=24), None),
    Choice("3d", timedelta(days=3), timedelta(minutes=15)),
    Choice("7d", timedelta(days=7), timedelta(minutes=30)),
    Choice("30d", timedelta(days=30), timedelta(hours=2)),
)


@dataclass(frozen=True, slots=True)
class Curve:
    """One drawing of the zone page; `at`, `last` and `flag` are the channel's newest reading, whatever the resolution.

    `values` is the API's address of what is drawn; `has_spots` tells that signs of what was read by hand stand in it.
    """

    channel: ChannelRow
    drawing: Markup
    values: str
    coverage: float
    at: datetime | None
    last: float | None
    flag: int
    highest: float | None
    has_spots: bool


@dataclass(frozen=True, slots=True)
class Drawn:
    """A channel to draw: how high its axis goes and which ranges of it have a meaning."""

    asset: str
    name: str
    top: float
    bands: tuple[Band, ...] = ()
    is_area: bool = False


def drawn_channels(ratings: Mapping[str, Mapping[str, float]]) -> list[Drawn]:
    """What the page draws, cause above effect: sun, power, flow, tower; `ratings` by asset."""
    full_m = ratings.get("tower", {}).get("full_level_m", 0.0)
    bands = (
        (
            Band(OVERFLOW * full_m, 1.08 * full_m, "overflow"),
            Band(EMPTY * full_m, LOW * full_m, "low"),
            Band(0.0, EMPTY * full_m, "empty"),
        )
        if full_m
        else ()
    )
    return [
        Drawn("pv", "irradiance_w_m2", BRIGHT_W_M2, is_area=True),
        Drawn("pump", "power_w", 1.15 * ratings.get("pump", {}).get("rated_power_w", 0.0)),
        Drawn("pump", "flow_m3_h", 1.15 * ratings.get("pump", {}).get("rated_flow_m3_h", 0.0)),
        Drawn("tower", "level_m", 1.08 * full_m, bands),
    ]


def fetch_curves(
    store: ReadingStore, zone_id: str, ratings: Mapping[str, Mapping[str, float]], choice: Choice,
    start: datetime, end: datetime, texts: Texts, *, read: Sequence[HandMade] = (),
) -> list[Curve]:  # fmt: skip
    """Draw each of `drawn_channels` that the zone has, with what was `read` by hand beside it."""
    channels = {(row.asset_id, row.name): row for row in store.channels(zone_id)}
    latest = {row.channel.channel_id: row for row in store.latest(zone_id)}
    return [
        _curve(drawn, channel, _good(store, channel, choice, start, end),
               latest.get(channel.channel_id), choice, span_of(start, end), texts,
               spots_of(read, drawn.asset, drawn.name, texts))
        for drawn in drawn_channels(ratings)
        if (channel := channels.get((drawn.asset, drawn.name))) is not None
    ]  # fmt: skip


def _good(store: ReadingStore, channel: ChannelRow, choice: Choice, start: datetime, end: datetime) -> Series:
    series = store.series(channel.channel_id, start, end, resolution=choice.resolution)
    return series.without_bad() if choice.resolution is None else series


def _curve(
    drawn: Drawn, channel: ChannelRow, series: Series, latest: LatestRow | None, choice: Choice, span: Span,
    texts: Texts, spots: Sequence[Spot],
) -> Curve:  # fmt: skip
    """One channel as a drawing, with the numbers of its sentence."""
    step_s = 0.0 if choice.resolution is None else choice.resolution.total_seconds()
    # A mean of an interval stands at the interval's middle, so that curves of two resolutions lie on each other.
    t_s = series.t_s + step_s / 2
    highest = float(series.maximum.max()) if len(t_s) else None
    due = channel.due_s(_instant(span.start_s), _instant(span.end_s)) / channel.interval_s
    reached = max(drawn.top, highest or 0.0, *(spot.value for spot in spots))
    top = round_up(reached)
    decimals = 0 if top > 10 else 1
    drawing = series_panel(
        t_s,
        series.value,
        span=span,
        axis=Axis(0.0, top if not drawn.bands else reached, lambda v: texts.number(v, decimals)),
        max_gap_s=max(2.5 * channel.interval_s, 1.5 * step_s),
        label=texts.gettext("Courbe ; les valeurs sont dans le tableau lié"),
        no_data=texts.gettext("pas de données"),
        bands=drawn.bands,
        is_area=drawn.is_area,
        spots=spots,
    )
    return Curve(
        channel=channel,
        drawing=Markup(drawing),  # noqa: S704 - written by our own charts, which escape their texts
        values=values_address(channel, choice.resolution, _instant(span.start_s), _instant(span.end_s)),
        coverage=min(1.0, came_of(series.t_s, series.n, channel.interval_s, step_s=step_s) / due) if due > 0 else 0.0,
        at=latest.measured_at if latest else None,
        last=latest.value if latest else None,
        flag=latest.flag if latest else Flag.MISSING,
        highest=highest,
        has_spots=bool(spots),
    )


def _instant(t_s: float) -> datetime:
    return datetime.fromtimestamp(t_s, UTC)


def values_address(channel: ChannelRow, step: timedelta | None, start: datetime, end: datetime) -> str:
    """The API's address of the rows behind a drawing, raw or by intervals of `step`."""
    question = {
        "channel": f"{channel.zone_id}/{channel.asset_id}/{channel.name}",
        "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "resolution": "raw" if step is None else int(step.total_seconds()),
    }
    return f"/api/v1/readings?{urlencode(question, safe='/:')}"


def span_of(start: datetime, end: datetime) -> Span:
    """The span of the drawings."""
    return Span(start.timestamp(), end.timestamp())


def running_spans(power: Series, rated_w: float, max_gap_s: float, title: str) -> list[LaneSpan]:
    """When the pump drew power, by its good readings; those further apart than `max_gap_s` [s] are not joined."""
    power = power.without_bad()
    t_s = power.t_s[power.value >= RUNNING_SHARE * rated_w]
    is_last = np.diff(t_s, append=np.inf) > max_gap_s
    is_first = np.diff(t_s, prepend=-np.inf) > max_gap_s
    return [
        LaneSpan(begin_s, end_s, "running", title)
        for begin_s, end_s in zip(t_s[is_first].tolist(), t_s[is_last].tolist(), strict=True)
    ]


def draw_days(days: Sequence[Day], texts: Texts, behind: Callable[[date], str]) -> Markup:
    """Daily volumes over the range that was expected of each day; each leads to where `behind` says."""
    bars = [
        DayBar(
            name=f"{day.on.day:02d}",
            volume_m3=day.volume_m3,
            low_m3=day.expected.low_m3 if day.expected else None,
            high_m3=day.expected.high_m3 if day.expected else None,
            title=texts.named(texts.day(day.on), texts.quantity(day.volume_m3, "m³")),
            href=behind(day.on),
        )
        for day in days
    ]
    tops = [value for bar in bars for value in (bar.volume_m3, bar.high_m3) if value is not None]
    axis = Axis(
        0.0, round_up(max(tops, default=1.0)), lambda v: texts.number(v, 0 if max(tops, default=1.0) > 5 else 1)
    )
    label = texts.gettext("Volume pompé par jour ; les valeurs sont dans le tableau lié")
    return Markup(volume_panel(bars, axis=axis, label=label, no_data=texts.gettext("pas de données")))  # noqa: S704 - our own chart


def span_name(length: timedelta, texts: Texts, t_s: float) -> str:
    """How the time axis names an instant: by the hour on short spans, by the day or the month on long ones."""
    at = _instant(t_s)
    if length <= timedelta(days=1):
        return f"{at:%H:%M}"
    if length <= timedelta(days=3) and at.hour:
        return f"{at:%H:%M}"
    return texts.short_day(at.date())
