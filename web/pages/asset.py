"""A part of a zone: pump with borehole and panels, tower, taps, gateway; and the calendars of a year."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response

from alerts.detectors.silence import SILENT_H
from alerts.words import asset_label
from ingest.readings import AssetRow, Series, ZoneRow
from ingest.readings_pg import PgReadings
from web.account import fetch_days as fetch_account_days
from web.assets import (
    fetch_autonomy,
    fetch_availability,
    fetch_look,
    fetch_nights,
    fetch_reference_months,
    fetch_tap_days,
    fetch_weeks,
    month_span,
)
from web.box import GRAVITY, fetch_boxes
from web.by_hand import HandMade, fetch_by_hand, spots_of
from web.charts.scale import Span
from web.daily import DAY, days_before, midnight
from web.diagnosis import suspicions
from web.errors import BadParameter, NotThere
from web.explore import Question, step_for
from web.measures import starts_in_hours, tower_days
from web.pages.page import Page, PageOf
from web.pages.quality import channels_with_charts
from web.plots import pump as pump_plots
from web.plots.plot import Plot
from web.plots.service import KINDS, TapUse, calendar_plot, tap_plot, taps_rows
from web.plots.tower import LastLevel, autonomy_plot, level_plot, night_plot
from web.quality import Days
from web.received import came_of
from web.stories import alerts_page, live_alerts

router = APIRouter()

DAYS = {"1": 1, "7": 7, "30": 30}
TAP_DAYS = 30
YEAR_DAYS = 365
PAST_ALERTS = 6
LIFTING = ("pump", "pv", "borehole")
DRAWN_DAYS_L = 1.0


@router.get("/zones/{zone_id}/bornes")
def taps(page: PageOf, zone_id: str) -> Response:
    """All taps of a zone: which is broken, which is overcrowded?"""
    part = _Part(page, zone_id)
    names = [asset.asset_id for asset in part.assets if asset.kind == "tap"]
    volumes = fetch_tap_days(page.connection, zone_id, names, page.now, TAP_DAYS)
    uses = [_use(page, zone_id, tap, volumes[tap]) for tap in names]
    return part.render(
        "taps.html",
        asset_id="bornes",
        name=page.texts.gettext("Bornes-fontaines"),
        taps=taps_rows(uses, people=part.zone.people, texts=page.texts),
        served=part.zone.people / len(names) if names else None,
        days=TAP_DAYS,
        behind=part.rows([f"{tap}/volume_m3" for tap in names[:6]], page.now - 7 * DAY, page.now),
    )


@router.get("/zones/{zone_id}/calendrier")
def calendars(page: PageOf, zone_id: str, quoi: Annotated[str, Query()] = KINDS[0]) -> Response:
    """A year in squares, one availability at a time."""
    if quoi not in KINDS:
        raise BadParameter("quoi", quoi, f"is none of {', '.join(KINDS)}")
    part = _Part(page, zone_id)
    days = days_before(page.now, YEAR_DAYS)
    share = fetch_availability(page.connection, zone_id, quoi, days[0], days[-1], part.ratings)
    channels = {
        "service": ["tower/level_m"], "pompage": ["pv/irradiance_w_m2", "pump/power_w", "tower/level_m"],
        "messages": ["gateway/battery_v", "gateway/signal_dbm"],
    }[quoi]  # fmt: skip
    return part.render(
        "calendar.html",
        asset_id="calendrier",
        name=page.texts.gettext("Calendrier"),
        kinds=KINDS,
        chosen=quoi,
        plot=calendar_plot(
            quoi, days, share, texts=page.texts,
            day_href=lambda on: part.rows(channels, midnight(on), midnight(on) + DAY),
            month_href=lambda on: part.rows(channels, *month_span(on)),
            behind=part.rows(channels, midnight(days[0]), midnight(days[-1]) + DAY),
        ),
    )  # fmt: skip


@router.get("/zones/{zone_id}/{asset_id}")
def asset(
    page: PageOf, zone_id: str, asset_id: str, jours: Annotated[str, Query()] = "7", ref: Annotated[str, Query()] = ""
) -> Response:
    """The page of one asset, by its kind."""
    if jours not in DAYS:
        raise BadParameter("jours", jours, f"is none of {', '.join(DAYS)}")
    part = _Part(page, zone_id, asset_id)
    if asset_id in LIFTING:
        return _pump(part, asset_id, DAYS[jours], ref)
    show: dict[str, Callable[[_Part, str, int], Response]] = {"tower": _tower, "tap": _tap, "gateway": _gateway}
    return show.get(part.kind, _plain)(part, asset_id, DAYS[jours])


class _Part:
    """What every page of a part starts from; `NotThere` unless zone and asset are of the registry."""

    def __init__(self, page: Page, zone_id: str, asset_id: str | None = None) -> None:
        self.page, self.store = page, PgReadings(page.connection)
        self.assets: list[AssetRow] = self.store.assets(zone_id)
        found = next((row for row in self.store.zones() if row.zone_id == zone_id), None)
        if found is None:
            raise NotThere("zone", zone_id)
        self.zone: ZoneRow = found
        self.asset = next((row for row in self.assets if row.asset_id == asset_id), None)
        if asset_id is not None and self.asset is None:
            raise NotThere("asset", asset_id)
        self.ratings = {row.asset_id: dict(row.rating) for row in self.assets}
        self.channels = {f"{row.asset_id}/{row.name}": row for row in self.store.channels(zone_id)}

    @property
    def kind(self) -> str:
        """Of the asset."""
        return self.asset.kind if self.asset else ""

    def rows(self, names: list[str], start: datetime, end: datetime) -> str:
        """The explorer's address of these channels, as far as the zone has them."""
        question = Question(tuple(names), start, end).among(self.channels)
        return self.page.path("zones", self.zone.zone_id, "graphes") + "?" + question.query

    def read(self, asset_id: str, start: datetime, end: datetime) -> list[HandMade]:
        """What people read off this part."""
        found = fetch_by_hand(self.page.connection, self.zone.zone_id, start, end)
        return [one for one in found if one.asset in _shown_with(asset_id)]

    def render(
        self, template: str, *, asset_id: str, name: str, by_hand: Sequence[HandMade] = (), **values: Any
    ) -> Response:
        """A page within the frame of the zone's parts."""
        page, zone_id = self.page, self.zone.zone_id
        ids = _shown_with(asset_id)
        about = [one for one in live_alerts(page.connection) if one.zone_id == zone_id and one.explained_by is None]
        is_all_taps = asset_id == "bornes"
        latest = [row for row in self.store.latest(zone_id) if row.channel.asset_id in ids]
        return page.render(
            template, zone=self.zone, asset_id=asset_id, name=name, by_hand=by_hand,
            plates={one: plate for one in ids if (plate := self.ratings.get(one))},
            alerts=[one for one in about if one.asset_id in ids or (is_all_taps and one.asset_id.startswith("tap-"))],
            stale=[row for row in latest if self.page.now - row.measured_at > _stale_after(row.channel.interval_s)],
            latest=sorted(latest, key=lambda row: (row.channel.asset_id, row.channel.name)),
            singles=[row.asset_id for row in self.assets if row.kind != "tap"],
            has_taps=any(row.kind == "tap" for row in self.assets), **values,
        )  # fmt: skip

    def name(self, asset_id: str) -> str:
        """The asset's name with a capital."""
        label = asset_label(asset_id, self.page.language.value)
        return label[:1].upper() + label[1:]


def _stale_after(interval_s: float) -> timedelta:
    return max(timedelta(hours=SILENT_H), timedelta(seconds=1.5 * interval_s))


def _shown_with(asset_id: str) -> tuple[str, ...]:
    """Pump, panels and borehole are one page."""
    return LIFTING if asset_id in LIFTING else (asset_id,)


def _pump(part: _Part, asset_id: str, days: int, ref: str) -> Response:
    page, texts, zone_id = part.page, part.page.texts, part.zone.zone_id
    start = midnight(page.now.astimezone(UTC).date()) - (days - 1) * DAY
    months = fetch_reference_months(page.connection, zone_id)
    month = _chosen_month(ref, months)
    now = fetch_look(page.connection, zone_id, start, page.now)
    reference = None if month is None else fetch_look(page.connection, zone_id, *month_span(month))
    shown = texts.gettext("aujourd’hui")
    if days > 1:
        shown = texts.gettext("les %(days)s derniers jours") % {"days": days}
    subject = pump_plots.Subject(
        ratings=part.ratings, now=now, reference=reference, month="" if month is None else texts.month(month),
        days=shown,
        behind={
            "power": part.rows(["pv/irradiance_w_m2", "pump/power_w", "pv/power_w", "tower/level_m"], start, page.now),
            "flow": part.rows(["pv/irradiance_w_m2", "pump/flow_m3_h", "tower/level_m"], start, page.now),
            "curve": part.rows(["pump/flow_m3_h", "pump/speed_rpm", "borehole/water_depth_m"], start, page.now),
            "energy": part.rows(
                ["pump/power_w", "pump/volume_m3", "borehole/water_depth_m"], page.now - 182 * DAY, page.now
            ),
        },
    )  # fmt: skip
    return part.render(
        "pump.html",
        asset_id=asset_id,
        name=part.name(asset_id),
        by_hand=part.read(asset_id, start, page.now),
        days=days,
        choices=DAYS,
        months=[(one, texts.month(one)) for one in months],
        month=month,
        look=now,
        reference=reference,
        plots=_pump_plots(part, subject, start),
        causes=[] if reference is None else pump_plots.causes_table(suspicions(now, reference), texts),
        past=[
            one
            for one in alerts_page(page.connection, zone=zone_id, states=["resolved"], limit=5 * PAST_ALERTS)
            if one.asset_id in LIFTING
        ][:PAST_ALERTS],
    )


def _chosen_month(ref: str, months: list[date]) -> date | None:
    if not ref:
        return months[0] if months else None
    found = next((one for one in months if f"{one:%Y-%m}" == ref), None)
    if found is None:
        raise BadParameter("ref", ref, f"is no month with enough data ({', '.join(f'{one:%Y-%m}' for one in months)})")
    return found


def _pump_plots(part: _Part, subject: pump_plots.Subject, start: datetime) -> list[Plot]:
    page, texts = part.page, part.page.texts
    weeks = fetch_weeks(
        page.connection, part.zone.zone_id, page.now, rated_flow_m3_h=subject.rating("pump", "rated_flow_m3_h")
    )
    depth = np.where(
        np.isfinite(weeks.depth_m), weeks.depth_m, subject.rating("borehole", "static_water_depth_m")
    )  # fmt: skip
    pump = next((row for row in part.assets if row.asset_id == "pump"), None)
    gap_s = 2.5 * (pump.interval_s if pump else 300.0)
    ratios = subject.now.performance_by_day
    firsts = [start.date() + timedelta(days=place) for place in range(len(ratios))]
    day_s = np.array([midnight(on).timestamp() for on in firsts])
    ratio, used = (
        np.array([np.nan if one is None else one[place] for one in ratios], dtype=np.float64) for place in (0, 1)
    )
    return [
        pump_plots.curve_plot(subject, texts),
        pump_plots.power_plot(subject, texts),
        pump_plots.flow_plot(subject, texts),
        pump_plots.energy_plot(
            subject, weeks.middle_s, weeks.energy_kwh_m3, depth + subject.lift_m, weeks.depth_m, texts,
            label=[texts.short_day(on) for on in weeks.first],
        ),
        pump_plots.performance_plot(subject, day_s, ratio, used, texts, label=[texts.day(on) for on in firsts]),
        pump_plots.starts_plot(
            subject, starts_in_hours(subject.now.t_s, subject.now.running, max_gap_s=gap_s), texts
        ),
    ]  # fmt: skip


def _tower(part: _Part, asset_id: str, days: int) -> Response:
    page, texts, zone_id = part.page, part.page.texts, part.zone.zone_id
    plates = part.ratings.get("tower", {})
    full_m, full_m3 = float(plates.get("full_level_m", np.nan)), float(plates.get("volume_m3", np.nan))
    start, end = page.now - days * DAY, page.now
    read = part.read(asset_id, start, end)
    plots = []
    channel = part.channels.get("tower/level_m")
    if channel is not None and full_m > 0:
        raw = part.store.series(channel.channel_id, start, end).without_bad()
        due = channel.due_s(start, end) / channel.interval_s
        step = step_for(end - start, channel.interval_s)
        lines = raw if days == 1 else part.store.series(channel.channel_id, start, end, resolution=step)
        shift_s = 0.0 if days == 1 else step.total_seconds() / 2
        plots.append(
            level_plot(
                lines.t_s + shift_s, lines.value, _last_of(raw),
                tower_days(raw.t_s, raw.value, full_level_m=full_m, interval_s=channel.interval_s),
                now=page.now, span=Span(start.timestamp(), end.timestamp()), full_level_m=full_m, full_m3=full_m3,
                max_gap_s=max(2.5 * channel.interval_s, 1.5 * step.total_seconds()),
                coverage=min(1.0, came_of(raw.t_s, raw.n, channel.interval_s) / due) if due > 0 else 0.0,
                behind=part.rows(["tower/level_m", "tower/outflow_m3_h"], start, end), texts=texts,
                spots=spots_of(read, asset_id, channel.name, texts),
            )
        )  # fmt: skip
    behind = part.rows(["tower/outflow_m3_h", "tower/level_m"], end - 90 * DAY, end)
    if night := draw_nights(page, zone_id, full_level_m=full_m, full_m3=full_m3, behind=behind):
        plots.append(night)
    if full_m > 0 and full_m3 > 0:
        evenings, autonomy, full_days = fetch_autonomy(
            page.connection, zone_id, page.now, full_level_m=full_m, full_m3=full_m3
        )  # fmt: skip
        behind = part.rows(["tower/level_m", "tower/outflow_volume_m3"], end - 60 * DAY, end)
        plots.append(autonomy_plot(evenings, autonomy, full_days=full_days, behind=behind, texts=texts))
    return part.render(
        "asset.html", asset_id=asset_id, name=part.name(asset_id), by_hand=read, plots=plots, days=days, choices=DAYS
    )  # fmt: skip


def draw_nights(page: Page, zone_id: str, *, full_level_m: float, full_m3: float, behind: str) -> Plot | None:
    """The plot of a zone's last nights; None where neither a meter nor a tower's level tells of any."""
    nights = fetch_nights(page.connection, zone_id, page.now, full_level_m=full_level_m, full_m3=full_m3)
    if nights is None:
        return None
    return night_plot(
        nights.days, nights.flow_m3_h, nights.usual_m3_h, is_by_level=nights.is_by_level, behind=behind,
        texts=page.texts,
    )  # fmt: skip


def _last_of(series: Series) -> LastLevel | None:
    if not len(series.t_s):
        return None
    return LastLevel(datetime.fromtimestamp(float(series.t_s[-1]), UTC), float(series.value[-1]))


def _tap(part: _Part, asset_id: str, days: int) -> Response:
    page, zone_id = part.page, part.zone.zone_id
    count = sum(row.kind == "tap" for row in part.assets)
    volumes = fetch_tap_days(page.connection, zone_id, [asset_id], page.now, TAP_DAYS)[asset_id]
    plot = tap_plot(
        days_before(page.now, TAP_DAYS), volumes, people=part.zone.people / count, texts=page.texts,
        behind=lambda on: part.rows([f"{asset_id}/volume_m3"], midnight(on), midnight(on) + DAY),
        all_behind=part.rows([f"{asset_id}/volume_m3"], page.now - TAP_DAYS * DAY, page.now),
    )  # fmt: skip
    return part.render(
        "asset.html", asset_id=asset_id, name=part.name(asset_id), plots=[plot], days=None, choices=None,
        by_hand=part.read(asset_id, page.now - TAP_DAYS * DAY, page.now),
    )  # fmt: skip


def _gateway(part: _Part, asset_id: str, days: int) -> Response:
    page, zone_id = part.page, part.zone.zone_id
    last = page.now.astimezone(UTC).date()
    first = last - timedelta(days=days - 1)
    account = fetch_account_days(page.connection, zone=zone_id, first=first)
    of = Days(first, last, page.now)
    return part.render(
        "gateway.html",
        asset_id=asset_id,
        name=part.name(asset_id),
        days=days,
        choices=DAYS,
        account=account,
        quality=channels_with_charts(page, zone_id, of),
        quality_days=of,
        gateway_id=part.zone.gateway_id,
        boxes=fetch_boxes(page.connection, zone_id),
        gravity=GRAVITY,
    )


def _plain(part: _Part, asset_id: str, days: int) -> Response:
    """An asset of which only the channels are known."""
    return part.render(
        "asset.html", asset_id=asset_id, name=part.name(asset_id), plots=[], days=days, choices=None
    )  # fmt: skip


def _use(page: Page, zone_id: str, tap: str, volumes: list[float | None]) -> TapUse:
    known = [1000 * value for value in volumes if value is not None]
    return TapUse(
        tap=tap,
        name=asset_label(tap, page.language.value),
        href=page.path("zones", zone_id, tap),
        litres=None if volumes[-1] is None else 1000 * volumes[-1],
        dry_days=sum(value < DRAWN_DAYS_L for value in known),
        known_days=len(known),
    )
