"""What happened in a zone: the lanes under its curves, and the list of the same; each leads to where it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from markupsafe import Markup

from alerts.parameters import PARAMETERS
from alerts.words import fault_label
from ingest.readings import AssetRow, Series
from ingest.readings_pg import PgReadings
from web.by_hand import HandMade, fetch_by_hand
from web.charts.lanes import MISSING, Lane, LaneMark, LaneSpan, event_lanes
from web.curves import running_spans, span_of
from web.daily import DAY, days_before, midnight
from web.explore import Question
from web.labels import Labels
from web.masks import hide_phones
from web.pages.page import Page
from web.rights import Right
from web.stories import alerts_within, settings_between, told_between, visits_between

POWER, RAIN = ("pump", "power_w"), ("weather", "rain_mm")
HEAVY_MM = 40.0  # of rain in a day fill the lane's height; Labé has a few such days a month in August


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing, and the lane on which it stands."""

    lane: str
    what: LaneSpan | LaneMark

    @property
    def at(self) -> datetime:
        """When it was, or began."""
        what = self.what
        return datetime.fromtimestamp(what.start_s if isinstance(what, LaneSpan) else what.t_s, UTC)


@dataclass(frozen=True, slots=True)
class Events:
    """The drawing, and what stands on it, the newest first."""

    drawing: Markup
    listed: list[Happened]
    has_gauge: bool


def fetch_events(page: Page, zone_id: str, assets: Sequence[AssetRow], start: datetime, end: datetime) -> Events:
    """Lanes of the pump, alerts, messages, visits, changed rules and rain."""
    _ = page.texts.gettext
    span, has_gauge = span_of(start, end), any(asset.kind == RAIN[0] for asset in assets)
    lanes: dict[str, Iterable[LaneSpan | LaneMark]] = {
        _("Pompe"): _running(page, zone_id, assets, start, end),
        _("Alertes"): _alerts(page, zone_id, start, end),
        "SMS": _told(page, zone_id, start, end),
        _("Visites"): _visits(page, zone_id, start, end),
        _("Règles"): _settings(page, zone_id, start, end),
    }
    if has_gauge:
        lanes[_("Pluie")] = _rain(page, zone_id, start, end)
    found = [Happened(lane, one) for lane, some in lanes.items() for one in some]
    drawn = [_lane(name, [one.what for one in found if one.lane == name]) for name in lanes]
    label = _("Pompe en marche, alertes, SMS, visites, réglages et pluie sur la même échelle de temps")
    drawing = Markup(event_lanes(drawn, span=span, label=label))  # noqa: S704 - our own charts, which escape their texts
    return Events(drawing, sorted(found, key=lambda one: one.at, reverse=True), has_gauge)


def _lane(name: str, found: Sequence[LaneSpan | LaneMark]) -> Lane:
    spans = [one for one in found if isinstance(one, LaneSpan)]
    return Lane(name, spans, [one for one in found if isinstance(one, LaneMark)])


def _running(
    page: Page, zone_id: str, assets: Sequence[AssetRow], start: datetime, end: datetime
) -> Iterator[LaneSpan]:
    pump = next((asset for asset in assets if asset.asset_id == POWER[0]), None)
    rated_w = pump.rating.get("rated_power_w") if pump else None
    if pump is None or not rated_w:
        return
    title = page.texts.gettext("Pompe en marche")
    for series in PgReadings(page.connection).window(zone_id, start, end, only=[POWER]).values():
        for one in running_spans(series, rated_w, 2.5 * pump.interval_s, title):
            length = page.texts.duration(timedelta(seconds=one.end_s - one.start_s))
            yield replace(one, title=f"{title}, {length}", href=_charts(page, zone_id, [POWER], _day(one.start_s), 1))


def _alerts(page: Page, zone_id: str, start: datetime, end: datetime) -> Iterator[LaneSpan]:
    for one in alerts_within(page.connection, zone_id, start, end):
        title = f"{one.code} {fault_label(one.fault, page.language.value)}"
        yield LaneSpan(
            one.first_evidence_at.timestamp(), (one.resolved_at or end).timestamp(), f"severity-{one.severity}", title,
            page.path("alertes", one.alert_id),
        )  # fmt: skip


def _told(page: Page, zone_id: str, start: datetime, end: datetime) -> Iterator[LaneMark]:
    _ = page.texts.gettext
    for one in told_between(page.connection, zone_id, start, end):
        name = one.name or _("personne effacée")
        if one.notification_id is not None:
            title, href = _("SMS à %(name)s") % {"name": name}, page.path("messages", one.notification_id)
            yield LaneMark(one.at.timestamp(), "sent", title, href)
            continue
        there = page.path("messages", "recus") + "?quoi=tous" if page.may(Right.SURVEY) else None
        if one.alert_id is not None:
            there = page.path("alertes", one.alert_id)
        yield LaneMark(one.at.timestamp(), "received", _("SMS de %(name)s") % {"name": name}, there)


def _visits(page: Page, zone_id: str, start: datetime, end: datetime) -> Iterator[LaneMark]:
    for one in visits_between(page.connection, zone_id, start, end):
        yield LaneMark(one.at.timestamp(), "visit", hide_phones(one.text), page.path("alertes", one.alert_id))


def _settings(page: Page, zone_id: str, start: datetime, end: datetime) -> Iterator[LaneMark]:
    """Rules are no matter of a secretary, whose connection may not even ask for them."""
    if not page.may(Right.SURVEY):
        return
    say = partial(_change, Labels(page.texts))
    for at, name, value in settings_between(page.connection, zone_id, start, end):
        yield LaneMark(at.timestamp(), "setting", say(name, value), page.path("regles", name))


def _change(labels: Labels, name: str, value: float | None) -> str:
    """What was changed of a rule, as a reader of the page knows it."""
    parameter = PARAMETERS.get(name)
    if parameter is None:
        return name
    subject = f"{fault_label(parameter.fault, labels.texts.language.value)}, {labels.parameter(name)}"
    shown = parameter.default if value is None else value
    return labels.texts.named(subject, labels.number_of_rule(shown, parameter.unit))


def _rain(page: Page, zone_id: str, start: datetime, end: datetime) -> Iterator[LaneSpan]:
    """The days on which rain was read, and hatched those that are over and of which nobody knows."""
    first = midnight(start.date())
    sensed = PgReadings(page.connection).window(zone_id, first, end, only=[RAIN]).get(RAIN)
    by_day = rain_by_day(sensed, fetch_by_hand(page.connection, zone_id, first, end))
    has_sensed = sensed is not None and len(sensed.t_s) > 0
    for on in (*days_before(end, (end - first).days), end.date()):
        mm, begin_s = by_day.get(on), midnight(on).timestamp()
        end_s = begin_s + DAY.total_seconds()
        said = page.texts.named(page.texts.day(on), page.texts.quantity(mm, "mm"))
        if mm is None and on < end.date():
            yield LaneSpan(begin_s, end_s, MISSING, said)
        elif mm:
            week = _charts(page, zone_id, [RAIN], on - 6 * DAY, 7)
            href = week if has_sensed else page.path("zones", zone_id, RAIN[0])
            yield LaneSpan(begin_s, end_s, "rain", said, href, min(1.0, mm / HEAVY_MM))


def rain_by_day(sensed: Series | None, read: Iterable[HandMade]) -> dict[date, float]:
    """What was read of the rain on each day [mm]; a day's gauge on a gateway goes before what people read of it."""
    found: dict[date, float] = {}
    for one in read:
        if (one.asset, one.channel) == RAIN and not one.is_taken_back:
            found[one.at.date()] = found.get(one.at.date(), 0.0) + one.value
    by_gauge: dict[date, float] = {}
    if sensed is not None:
        good = sensed.without_bad()
        for t_s, mm in zip(good.t_s.tolist(), good.value.tolist(), strict=True):
            by_gauge[_day(t_s)] = by_gauge.get(_day(t_s), 0.0) + mm
    return found | by_gauge


def _charts(page: Page, zone_id: str, channels: Sequence[tuple[str, str]], on: date, days: int) -> str:
    named = tuple(f"{asset}/{name}" for asset, name in channels)
    return page.path("zones", zone_id, "graphes") + "?" + Question(named, midnight(on), midnight(on) + days * DAY).query


def _day(t_s: float) -> date:
    return datetime.fromtimestamp(t_s, UTC).date()
