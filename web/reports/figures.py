"""The figures of a report out of rollups, alerts and SMS. Pure: rows in, figures out; None is "not known", never zero.

Each figure is defined in `web.reports.annex`, in words, for whoever reads the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from alerts.closing import Repair, RepairTimes, repair_times, repairs_of
from gateway.model import Fault
from web.daily import EVENING
from web.measures import lift_m
from web.reports.period import Period, midnight

Key = tuple[str, str]  # asset, channel
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
LITRES, CAN_L = 1000, 20

HEARD_SHARE = 0.5  # of the readings due in an hour: fewer say nothing about it
TAPS_SHARE = 0.8  # of the taps: with fewer nobody knows a day's sum, nor how many gave water; of their days: a period's
SERVED_SHARE = 0.5  # DASHBOARD §7.1: half of the taps and more gave water
GOOD_SUN_W_M2, ABOVE_START_W_M2 = 350.0, 100.0  # as detectors have it (alerts.states)
NO_WATER_SEVERITY = 3
INDICATIVE_BELOW = 0.8  # DASHBOARD §7.5

RULES: Mapping[str, float] = {
    "heard_share": HEARD_SHARE, "taps_share": TAPS_SHARE, "served_share": SERVED_SHARE,
    "good_sun_w_m2": GOOD_SUN_W_M2, "above_start_w_m2": ABOVE_START_W_M2, "indicative_below": INDICATIVE_BELOW,
    "evening_h": EVENING / HOUR,
}  # fmt: skip

SUN, LEVEL = ("pv", "irradiance_w_m2"), ("tower", "level_m")
LIFTED, LET_OUT = ("pump", "volume_m3"), ("tower", "outflow_volume_m3")
POWERS = (("pump", "power_w"), ("pv", "power_w"))  # the panels feed nothing else
INFLOW, DEPTH = ("pump", "flow_m3_h"), ("borehole", "water_depth_m")


class Span(NamedTuple):
    """What a channel gave in a day or an hour: a row of a rollup; `n` good readings, of a day as `web.received` counts.

    `has_evening` says of a day that one of them stands for midnight (`web.daily.EVENING`).
    """

    n: float
    mean: float | None
    top: float | None
    first: float | None
    last: float | None
    steps: float
    has_evening: bool = False


class Life(NamedTuple):
    """The whole days on which readings of a channel were due: from `first` to `last`; None has no end there."""

    first: date | None = None
    last: date | None = None

    def has(self, on: date) -> bool:
        """Whether readings of this day were due, from its beginning to its end."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)


ALWAYS = Life()
ALL_ALWAYS: Mapping[Key, Life] = MappingProxyType({})


class Facts(NamedTuple):
    """A zone as its file tells it; `channels` maps each channel, also one that has only a past, to the seconds between
    its readings, `lives` to the days on which these were due."""

    zone_id: str
    name: str
    commune: str
    is_fictional: bool
    people: int
    counted_in: int
    gnf_per_20_l: int | None
    women: int | None
    men: int | None
    members_counted_in: int | None
    start_irradiance_w_m2: float | None
    start_level_m: float | None
    rated_head_m: float | None
    rated_flow_m3_h: float | None
    tower_top_m: float | None  # its full level, above ground
    channels: Mapping[Key, float]
    lives: Mapping[Key, Life] = ALL_ALWAYS


class Told(NamedTuple):
    """An alert; `is_true` is what people said of it, `lasted` counts from the first evidence to the end."""

    fault: str
    severity: int
    first_evidence_at: datetime
    ended_at: datetime | None
    opened_at: datetime
    is_told: bool  # a route took an SMS about it: one found late, shelved or explained happened, and disturbed nobody
    is_explained: bool  # by another alert, which counts for both
    is_true: bool | None
    cause: str | None


class Sms(NamedTuple):
    """Messages that a route took for a committee, and the segments that are paid for."""

    messages: int
    segments: int


NO_SMS = Sms(0, 0)


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of one zone in a period; `days` and `hours` begin one before it, so that the first is known too."""

    facts: Facts
    days: Mapping[Key, Mapping[date, Span]] = field(default_factory=dict)
    hours: Mapping[Key, Mapping[datetime, Span]] = field(default_factory=dict)
    alerts: Sequence[Told] = ()
    sms: Sms = NO_SMS
    taken_gnf: Sequence[int | None] = ()  # one a month


class DayState(StrEnum):
    """Whether people had water on a day."""

    SERVED = "served"
    PARTLY = "partly"  # fewer than half of the taps gave
    DRY = "dry"
    UNKNOWN = "unknown"


class Service(NamedTuple):
    """Days with water at the taps, in the order of the period."""

    states: tuple[DayState, ...]

    def days(self, state: DayState) -> int:
        """How many days were like this."""
        return self.states.count(state)

    @property
    def served(self) -> int:
        """Days on which half of the taps and more gave water."""
        return self.days(DayState.SERVED)

    @property
    def partly(self) -> int:
        """Days on which fewer did."""
        return self.days(DayState.PARTLY)

    @property
    def dry(self) -> int:
        """Days on which none did."""
        return self.days(DayState.DRY)

    @property
    def unknown(self) -> int:
        """Days of which nobody knows."""
        return self.days(DayState.UNKNOWN)

    @property
    def known(self) -> int:
        """Days of which we know."""
        return len(self.states) - self.unknown

    @property
    def share(self) -> float | None:
        """Served days among the known ones."""
        return self.served / self.known if self.known else None


class Pumping(NamedTuple):
    """Hours in which the pump lifted water, in which it should have, and of which nobody knows."""

    ran: int
    stood: int
    unknown: int

    @property
    def share(self) -> float | None:
        """Hours that it ran among those in which it had to."""
        return self.ran / (self.ran + self.stood) if self.ran + self.stood else None


class Silence(NamedTuple):
    """Hours during which nothing came, as the alerts about it tell, and the longest."""

    hours: float
    longest_h: float


class AlertCounts(NamedTuple):
    """Alerts of which an SMS left, opened in the period; `quiet` ones disturbed nobody and are counted apart."""

    told: int
    true: int
    false: int
    unsaid: int
    quiet: int


class RepairLine(NamedTuple):
    """Alerts of one cause that ended in the period."""

    cause: str | None
    number: int
    median_h: float
    longest_h: float


class Outages(NamedTuple):
    """Times without water by our alerts of severity 3 that nobody called false: how many, hours together, and how many
    of each cause (None: nobody has named one yet); one outage may have two."""

    number: int
    hours: float
    longest_h: float
    causes: tuple[tuple[str | None, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneFigures:
    """All figures of one zone; volumes in m³, `dates` of the period side by side with `daily_m3`."""

    zone_id: str
    name: str
    commune: str
    is_fictional: bool
    people: int
    counted_in: int
    days: int
    completeness: float | None
    delivered_m3: float | None
    delivered_by: str | None  # taps, tower or pump: the meter nearest to people
    taps: int
    taps_heard: int
    litres_per_person_day: float | None
    daily_m3: tuple[float | None, ...]
    service: Service
    pumping: Pumping
    silence: Silence | None
    energy_kwh_m3: float | None
    energy_kwh_m3_100m: float | None
    energy_hours: int
    lost_m3: float | None
    lost_share: float | None
    lost_days: int
    gnf_per_20_l: int | None
    due_gnf: int | None
    taken_gnf: int | None
    takings_months: int
    alerts: AlertCounts
    outages: Outages
    repairs: tuple[RepairLine, ...]
    women: int | None
    men: int | None
    members_counted_in: int | None
    sms: int
    sms_gnf: int
    days_there: int | None = None  # whole days of the period on which readings were due; not kept in old reports
    counted: float | None = None  # of the days of all meters that `delivered_m3` rests on; likewise

    @property
    def communication_share(self) -> float | None:
        """The share of the days on which readings were due in which the zone was heard."""
        days = self.days if self.days_there is None else self.days_there
        return None if self.silence is None or not days else 1 - self.silence.hours / (24 * days)

    @property
    def is_counted(self) -> bool:
        """Whether enough of its meters were heard to compare it with others."""
        return self.counted is None or self.counted >= TAPS_SHARE

    @property
    def outages_known(self) -> bool:
        """Whether anything was heard that could have shown one."""
        return bool(self.outages.number or self.completeness)

    @property
    def takings_share(self) -> float | None:
        """What was taken against what the water was worth."""
        return self.taken_gnf / self.due_gnf if self.taken_gnf is not None and self.due_gnf else None

    @property
    def women_share(self) -> float | None:
        """Women among the members."""
        total = (self.women or 0) + (self.men or 0)
        return None if self.women is None or not total else self.women / total


@dataclass(frozen=True, slots=True)
class Figures:
    """A report's figures, as they are frozen: one zone, or all.

    Published reports are read back into these types: what is added to them later needs a default, and nothing is taken
    away.
    """

    period: str
    first: date
    days: int
    is_whole: bool
    price_gnf: float
    zones: tuple[ZoneFigures, ...]
    repairs: tuple[RepairLine, ...]  # of all zones together: a median is not a mean of medians
    rules: Mapping[str, float] = field(default_factory=lambda: dict(RULES))

    @property
    def completeness(self) -> float | None:
        """The worst zone's of those of which readings were due: a mean would hide it."""
        return min((zone.completeness for zone in self.zones if zone.completeness is not None), default=None)

    @property
    def is_indicative(self) -> bool:
        """Whether too little is known for more than an indication."""
        return self.completeness is None or self.completeness < self.rules["indicative_below"]

    @property
    def is_fictional(self) -> bool:
        """Whether any zone is invented."""
        return any(zone.is_fictional for zone in self.zones)


def figures_of(period: Period, rows: Iterable[Rows], *, now: datetime, price_gnf: float) -> Figures:
    """The figures of a period as far as its days are over.

    Rows are asked for zone by zone, and let go before the next.
    """
    days = period.days_until(now)
    start, end = midnight(period.first), midnight(period.first) + days * DAY

    def worked_out(one: Rows) -> tuple[ZoneFigures, list[Repair]]:
        return _zone(period.first, days, one, price_gnf), repairs_of(one.alerts, start, end)

    found = list(map(worked_out, rows))  # the variable of a loop would hold a zone while the next is fetched
    repairs = _lines([repair for _, some in found for repair in some])
    zones = tuple(zone for zone, _ in found)
    return Figures(str(period), period.first, days, period.is_over(now), price_gnf, zones, repairs)


def _zone(first: date, days: int, rows: Rows, price_gnf: float) -> ZoneFigures:
    facts, dates = rows.facts, [first + day * DAY for day in range(days)]
    there = Presence(rows.days, facts.lives)
    meters_of_taps = sorted(key for key in facts.channels if key[0].startswith("tap-") and key[1] == "volume_m3")
    taps = [key for key in meters_of_taps if any(there.of([key], on) for on in dates or [first])]
    totals = {key: total_of(rows.days.get(key, {}), first, days) for key in (*taps, LET_OUT, LIFTED)}
    heard = [key for key in taps if totals[key] is not None]
    due_days = {key: sum(there.is_due(key, on) for on in dates) for key in totals}
    by, meters = _nearest(taps, totals, due_days)
    counted = _counted(meters, totals, due_days)
    known = [total for key in meters if (total := totals[key]) is not None]
    delivered = sum(total.volume_m3 for total in known) if known else None
    metered = [on for on in dates if there.of(meters, on)]
    rates_m3 = [
        total.whole_m3 / total.days * there.share(key, metered)
        for key in meters if (total := totals[key]) is not None and total.days
    ]  # fmt: skip
    rate_m3 = sum(rates_m3) if rates_m3 else None
    lost = lost_between(there, LET_OUT, taps, dates)
    energy, head_m = specific_energy(rows.hours, facts.channels), head_of(rows.hours, facts)
    due = None
    if delivered is not None and facts.gnf_per_20_l is not None and counted >= TAPS_SHARE:
        due = round(delivered * LITRES / CAN_L * facts.gnf_per_20_l)
    taken = [gnf for gnf in rows.taken_gnf if gnf is not None]
    start, end = midnight(first), midnight(first) + days * DAY
    due_on = [on for on in dates if any(there.is_due(key, on) for key in facts.channels)]
    was_heard = any(span.n for series in rows.days.values() for on, span in series.items() if on >= first)
    return ZoneFigures(
        zone_id=facts.zone_id, name=facts.name, commune=facts.commune, is_fictional=facts.is_fictional,
        people=facts.people, counted_in=facts.counted_in, days=days,
        completeness=completeness(rows.days, facts.channels, dates, facts.lives),
        delivered_m3=delivered, delivered_by=by, taps=len(taps), taps_heard=len(heard),
        litres_per_person_day=None if rate_m3 is None else rate_m3 * LITRES / facts.people,
        daily_m3=tuple(_sum_of_day(there, meters, on) for on in dates),
        service=service_of(there, taps or [LET_OUT], dates),
        pumping=pumping_of(rows.hours, facts),
        silence=silence_of(rows.alerts, midnight(due_on[0]), midnight(due_on[-1]) + DAY)
        if was_heard and due_on else None,
        energy_kwh_m3=energy.kwh_m3,
        energy_kwh_m3_100m=None if energy.kwh_m3 is None or not head_m else energy.kwh_m3 / head_m * 100,
        energy_hours=energy.hours,
        lost_m3=lost.volume_m3, lost_share=lost.share, lost_days=lost.days,
        gnf_per_20_l=facts.gnf_per_20_l, due_gnf=due,
        taken_gnf=sum(taken) if taken and len(taken) == len(rows.taken_gnf) else None, takings_months=len(taken),
        alerts=count_alerts(rows.alerts, start, end), outages=outages_of(rows.alerts, start, end),
        repairs=_lines(repairs_of(rows.alerts, start, end)),
        women=facts.women, men=facts.men, members_counted_in=facts.members_counted_in,
        sms=rows.sms.messages, sms_gnf=round(rows.sms.segments * price_gnf), days_there=len(due_on),
        counted=counted if known else None,
    )  # fmt: skip


class Presence(NamedTuple):
    """Which channels a zone had on which day: those that belonged to it, and whatever was heard (the day on which a
    channel came or went is not a whole one)."""

    days: Mapping[Key, Mapping[date, Span]]
    lives: Mapping[Key, Life] = ALL_ALWAYS

    def is_due(self, key: Key, on: date) -> bool:
        """Whether readings of a channel were due on this day."""
        return self.lives.get(key, ALWAYS).has(on)

    def of(self, keys: Sequence[Key], on: date) -> list[Mapping[date, Span]]:
        """The days of those channels among `keys` that were there on this one."""
        found = ((self.days.get(key, {}), self.is_due(key, on)) for key in keys)
        return [series for series, is_due in found if is_due or on in series]

    def share(self, key: Key, dates: Sequence[date]) -> float:
        """Of these days, those on which a channel was there."""
        return sum(len(self.of([key], on)) for on in dates) / len(dates)


class Total(NamedTuple):
    """What a counter moved on, how much of it from the first evening that it was heard in to the last, and the days
    between these."""

    volume_m3: float
    whole_m3: float
    days: int


def total_of(series: Mapping[date, Span], first: date, days: int) -> Total | None:
    """What a counter moved on in a period; None when it was not heard in it.

    Steps over a silence within the period are water of the period. The step over a silence that began before the
    evening before it is not: nobody knows how it divides, so the count then begins with the first reading. A day is
    whole from one evening to the next: water of a part of one says nothing of how much a day gives.
    """
    heard = [on for on in (first + day * DAY for day in range(days)) if on in series and series[on].n]
    if not heard:
        return None
    volume = sum(series[on].steps for on in heard)
    if not _has_evening(series, first - DAY):
        span = series[heard[0]]
        within = max(0.0, (span.last or 0.0) - (span.first or 0.0))
        volume -= span.steps - min(span.steps, within)
    evenings = [on for on in (first - DAY, *heard) if _has_evening(series, on)]
    if not evenings:
        return Total(volume, 0.0, 0)
    whole = sum(series[on].steps for on in heard if evenings[0] < on <= evenings[-1])
    return Total(volume, whole, (evenings[-1] - evenings[0]).days)


def _has_evening(series: Mapping[date, Span], on: date) -> bool:
    return on in series and series[on].has_evening


def _of_day(series: Mapping[date, Span], on: date) -> float | None:
    """What a counter moved on in one day; None unless it was heard in its evening and in the one before.

    A reading after midnight says that nobody drew water at night, and nothing of the day.
    """
    return series[on].steps if _has_evening(series, on) and _has_evening(series, on - DAY) else None


def _nearest(
    taps: Sequence[Key], totals: Mapping[Key, Total | None], due_days: Mapping[Key, int]
) -> tuple[str | None, Sequence[Key]]:
    """The meters nearest to people of which enough is known, else of which anything is."""
    choices: list[tuple[str | None, Sequence[Key]]] = [("taps", taps), ("tower", [LET_OUT]), ("pump", [LIFTED])]
    heard = [(by, meters) for by, meters in choices if any(totals[key] is not None for key in meters)]
    enough = [(by, meters) for by, meters in heard if _counted(meters, totals, due_days) >= TAPS_SHARE]
    return next(iter(enough + heard), (None, []))


def _counted(meters: Sequence[Key], totals: Mapping[Key, Total | None], due_days: Mapping[Key, int]) -> float:
    """Of the days on which these meters were due, the share between the evenings in which each was heard; 1 where none
    was due."""
    days = sum(min(total.days, due_days[key]) for key in meters if (total := totals[key]) is not None)
    due = sum(due_days[key] for key in meters)
    return days / due if due else 1.0


def _sum_of_day(there: Presence, meters: Sequence[Key], on: date) -> float | None:
    asked = there.of(meters, on)
    known = [moved for series in asked if (moved := _of_day(series, on)) is not None]
    return sum(known) if asked and len(known) >= TAPS_SHARE * len(asked) else None


def service_of(there: Presence, taps: Sequence[Key], dates: Sequence[date]) -> Service:
    """Which days had water at half of the taps and more, at some, at none; unknown with too few taps heard."""
    return Service(tuple(_day_state([_of_day(series, on) for series in there.of(taps, on)]) for on in dates))


def _day_state(taps_m3: Sequence[float | None]) -> DayState:
    known = [moved for moved in taps_m3 if moved is not None]
    gave = sum(moved > 0 for moved in known)
    if not known or len(known) < TAPS_SHARE * len(taps_m3):
        return DayState.UNKNOWN
    if not gave:
        return DayState.DRY
    return DayState.PARTLY if gave < SERVED_SHARE * len(known) else DayState.SERVED


def _known_hour(series: Mapping[datetime, Span], at: datetime, interval_s: float) -> Span | None:
    span = series.get(at)
    return span if span is not None and span.n >= HEARD_SHARE * 3600 / interval_s else None


def pumping_of(hours: Mapping[Key, Mapping[datetime, Span]], facts: Facts) -> Pumping:
    """Of the hours of good sun: in which the pump lifted water, and in which it stood though the tower asked for it.

    It stands rightly while the tower's level is above where the float starts it. Without a level nobody knows.
    """
    sun = hours.get(SUN, {})
    enough_w_m2 = max(GOOD_SUN_W_M2, (facts.start_irradiance_w_m2 or 0.0) + ABOVE_START_W_M2)
    ran = stood = unknown = 0
    for at, span in sun.items():
        if _known_hour(sun, at, facts.channels[SUN]) is None or (span.mean or 0.0) < enough_w_m2:
            continue
        lifted = _known_hour(hours.get(LIFTED, {}), at, facts.channels.get(LIFTED, 3600.0))
        level = _known_hour(hours.get(LEVEL, {}), at, facts.channels.get(LEVEL, 3600.0))
        if lifted is None:
            unknown += 1
        elif lifted.steps > 0:
            ran += 1
        elif level is None or level.top is None or facts.start_level_m is None:
            unknown += 1
        elif level.top < facts.start_level_m:
            stood += 1
    return Pumping(ran, stood, unknown)


def silence_of(alerts: Sequence[Told], start: datetime, end: datetime) -> Silence:
    """How long a zone was silent, by the alerts about it."""
    spans = _within([one for one in alerts if one.fault == Fault.COMMS_OUTAGE], start, end)
    lengths = [(until - since) / HOUR for since, until in spans]
    return Silence(sum(lengths), max(lengths, default=0.0))


def outages_of(alerts: Sequence[Told], start: datetime, end: datetime) -> Outages:
    """Times without water, those that touch counted as one."""
    counted = [
        one
        for one in alerts
        if one.severity >= NO_WATER_SEVERITY
        and one.fault != Fault.COMMS_OUTAGE
        and not one.is_explained
        and one.is_true is not False
    ]
    spans = _within(counted, start, end)
    lengths = [(until - since) / HOUR for since, until in spans]
    causes = Counter(cause for since, until in spans for cause in _causes(counted, since, until))
    by_number = sorted(causes.items(), key=lambda one: (one[0] is None, -one[1], one[0] or ""))
    return Outages(len(spans), sum(lengths), max(lengths, default=0.0), tuple(by_number))


def _causes(alerts: Sequence[Told], since: datetime, until: datetime) -> set[str | None]:
    """What people named as causes of the alerts that were on in a span of them; None while nobody has."""
    on = [one for one in alerts if one.first_evidence_at < until and (one.ended_at is None or one.ended_at > since)]
    return {one.cause for one in on if one.cause is not None} or {None}


def _within(alerts: Sequence[Told], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """When any of these alerts was on within [start, end]; spans that touch are one."""
    clipped = sorted((max(one.first_evidence_at, start), min(one.ended_at or end, end)) for one in alerts)
    found: list[tuple[datetime, datetime]] = []
    for since, until in clipped:
        if until <= since:
            continue
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], until)
        else:
            found.append((since, until))
    return found


class Energy(NamedTuple):
    """kWh for each m³ over so many hours of which both are known."""

    kwh_m3: float | None
    hours: int


def specific_energy(hours: Mapping[Key, Mapping[datetime, Span]], channels: Mapping[Key, float]) -> Energy:
    """Energy against water lifted, over hours in which both are known, and the water of the hours before and after too
    (`web.measures.of_whole_hours`)."""
    power_key = next((key for key in POWERS if hours.get(key)), None)
    lifted = hours.get(LIFTED, {})
    if power_key is None or not lifted:
        return Energy(None, 0)
    energy_kwh = volume_m3 = 0.0
    number = 0
    for at in hours[power_key]:
        power = _known_hour(hours[power_key], at, channels[power_key])
        moved = _known_hour(lifted, at, channels[LIFTED])
        beside = [_known_hour(lifted, at + apart, channels[LIFTED]) for apart in (-HOUR, HOUR)]
        if power is None or moved is None or None in beside:
            continue
        energy_kwh += max(0.0, power.mean or 0.0) / 1000
        volume_m3 += moved.steps
        number += 1
    return Energy(energy_kwh / volume_m3 if volume_m3 > 0 else None, number)


def head_of(hours: Mapping[Key, Mapping[datetime, Span]], facts: Facts) -> float | None:
    """How high the pump lifted the water, as the comparison of zones has it; None where nobody knows."""
    depths, flows = hours.get(DEPTH, {}), hours.get(INFLOW, {})
    both = [(depths[at].mean, flows[at].mean) for at in depths.keys() & flows.keys()]
    depth_m, flow_m3_h = np.array(both, dtype=float).reshape(-1, 2).T
    rated_flow, top_m, head_m = np.array([facts.rated_flow_m3_h, facts.tower_top_m, facts.rated_head_m], dtype=float)
    found = lift_m(depth_m, flow_m3_h, rated_flow_m3_h=rated_flow, top_m=top_m, rated_head_m=head_m)
    return float(found) if np.isfinite(found) else None


class Lost(NamedTuple):
    """Water that left the tower and was not counted at a tap, over so many days of which all is known."""

    volume_m3: float | None
    share: float | None
    days: int


def lost_between(there: Presence, outlet: Key, taps: Sequence[Key], dates: Sequence[date]) -> Lost:
    """What left the tower less what the taps counted, on days on which the outlet and all of these taps that were there
    are known: none as long as one of them is never heard.

    Below zero when meters disagree: that is told, not hidden.
    """
    out_m3 = at_taps_m3 = 0.0
    number = 0
    for on in dates:
        left = _of_day(there.days.get(outlet, {}), on)
        drawn = [_of_day(series, on) for series in there.of(taps, on)]
        if left is None or not drawn or None in drawn:
            continue
        out_m3, number = out_m3 + left, number + 1
        at_taps_m3 += sum(moved for moved in drawn if moved is not None)
    if not number or out_m3 <= 0:
        return Lost(None, None, number)
    return Lost(out_m3 - at_taps_m3, 1 - at_taps_m3 / out_m3, number)


def completeness(
    days: Mapping[Key, Mapping[date, Span]], channels: Mapping[Key, float], dates: Sequence[date],
    lives: Mapping[Key, Life] = ALL_ALWAYS,
) -> float | None:  # fmt: skip
    """Good readings against those that were due; more than were due on a day do not make up for another."""
    due = came = 0.0
    for key, interval_s in channels.items():
        a_day, life, series = DAY.total_seconds() / interval_s, lives.get(key, ALWAYS), days.get(key, {})
        whole = [on for on in dates if life.has(on)]
        due += a_day * len(whole)
        came += sum(min(series[on].n, a_day) for on in whole if on in series)
    return came / due if due else None


def count_alerts(alerts: Sequence[Told], start: datetime, end: datetime) -> AlertCounts:
    """Alerts that were opened within [start, end), by what people said of them."""
    opened = [one for one in alerts if start <= one.opened_at < end]
    told = [one for one in opened if one.is_told]
    said = [one.is_true for one in told]
    return AlertCounts(len(told), said.count(True), said.count(False), said.count(None), len(opened) - len(told))


def _lines(repairs: Iterable[Repair]) -> tuple[RepairLine, ...]:
    """By cause."""
    return tuple(_line(one) for one in repair_times(repairs))


def _line(one: RepairTimes) -> RepairLine:
    return RepairLine(one.cause, one.number, one.median / HOUR, one.longest / HOUR)


@dataclass(frozen=True, slots=True)
class Together:
    """Sums over zones, each with how many zones it rests on; what no zone knows is not known."""

    people: int
    delivered_m3: float | None
    delivered_zones: int
    litres_per_person_day: float | None
    least: ZoneFigures | None  # of those known well: the village with the least water, which a mean would hide
    dry_days: int | None
    outage_hours: float
    taken_gnf: int | None
    taken_zones: int
    due_gnf: int | None
    sms: int
    sms_gnf: int
    women: int | None
    men: int | None


def together(zones: Sequence[ZoneFigures]) -> Together:
    """The zones of a report as one."""
    delivered = [zone for zone in zones if zone.litres_per_person_day is not None]
    well_known = [zone for zone in delivered if zone.is_counted]
    both = [zone for zone in zones if zone.taken_gnf is not None and zone.due_gnf is not None]
    counted = [zone for zone in zones if zone.women is not None]
    people = sum(zone.people for zone in delivered)
    return Together(
        people=sum(zone.people for zone in zones),
        delivered_m3=sum(zone.delivered_m3 or 0.0 for zone in delivered) if delivered else None,
        delivered_zones=len(delivered),
        litres_per_person_day=sum((zone.litres_per_person_day or 0.0) * zone.people for zone in delivered) / people
        if delivered else None,
        least=min(well_known, key=lambda zone: zone.litres_per_person_day or 0.0, default=None),
        dry_days=sum(zone.service.dry for zone in zones) if any(zone.service.known for zone in zones) else None,
        outage_hours=sum(zone.outages.hours for zone in zones),
        taken_gnf=sum(zone.taken_gnf or 0 for zone in both) if both else None,
        taken_zones=len(both),
        due_gnf=sum(zone.due_gnf or 0 for zone in both) if both else None,
        sms=sum(zone.sms for zone in zones), sms_gnf=sum(zone.sms_gnf for zone in zones),
        women=sum(zone.women or 0 for zone in counted) if counted else None,
        men=sum(zone.men or 0 for zone in counted) if counted else None,
    )  # fmt: skip
