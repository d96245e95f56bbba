"""Figures of reports against what a pencil gives. A village of ten people, four taps, days of plain numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from web.reports.figures import (
    DAY,
    HOUR,
    LET_OUT,
    LEVEL,
    LIFTED,
    SUN,
    AlertCounts,
    DayState,
    Facts,
    Figures,
    Key,
    Life,
    Lost,
    Outages,
    Presence,
    Pumping,
    RepairLine,
    Rows,
    Service,
    Silence,
    Sms,
    Span,
    Told,
    Total,
    ZoneFigures,
    completeness,
    figures_of,
    lost_between,
    outages_of,
    pumping_of,
    service_of,
    silence_of,
    specific_energy,
    together,
    total_of,
)
from web.reports.period import Period, months_between
from web.reports.table import cells_of, changes

OCTOBER = Period(2026, 10)
FIRST, START = date(2026, 10, 1), datetime(2026, 10, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 3, tzinfo=UTC)
TAPS: list[Key] = [(f"tap-{n:02d}", "volume_m3") for n in range(1, 5)]
POWER: Key = ("pump", "power_w")
FACTS = Facts(
    "zone-1", "Hoore-Fello", "Labé", True, 10, 2025, 100, 12, 14, 2026, 190.0, 2.0, 50.0,
    4.0, 17.0, dict.fromkeys((*TAPS, LET_OUT, LIFTED, POWER, SUN, LEVEL), 900.0),
)  # fmt: skip


def counter(
    steps: Sequence[float | None], *, start: date = FIRST - DAY, mornings: Sequence[int] = ()
) -> dict[date, Span]:
    """A counter's days from the one before the period; None is a day without readings, `mornings` are the places of
    those without a reading of their evening."""
    value, found = 100.0, {}
    for place, step in enumerate(steps):
        if step is not None:
            found[start + place * DAY] = Span(96, None, None, value, value + step, step, place not in mornings)
            value += step
    return found


def alert(fault: str = "dry_running", begin_h: float = 0.0, end_h: float | None = 5.0, **changes: object) -> Told:
    values: dict[str, object] = {
        "severity": 3, "opened_at": START + begin_h * HOUR, "is_told": True, "is_explained": False, "is_true": None,
        "cause": None,
    } | changes  # fmt: skip
    ended = None if end_h is None else START + end_h * HOUR
    return Told(fault=fault, first_evidence_at=START + begin_h * HOUR, ended_at=ended, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([1, 2, 3, 4], Total(9.0, 9.0, 3), id="whole"),
        pytest.param([1, 2, None, 7], Total(9.0, 9.0, 3), id="silence-within-is-water-of-the-period"),
        pytest.param([1, 2, 3, None], Total(5.0, 5.0, 2), id="silent-at-the-end"),
        pytest.param([None, None, None, None], None, id="never-heard"),
        pytest.param([1, None, None, None], None, id="heard-before-only"),
        pytest.param([0, 0, 0, 0], Total(0.0, 0.0, 3), id="nobody-drew-is-a-known-zero"),
    ],
)
def test_what_a_counter_moved_on(steps: list[float | None], expected: Total | None) -> None:
    assert total_of(counter(steps), FIRST, 3) == expected


def test_water_of_a_silence_that_began_before_the_period_is_not_counted() -> None:
    """Silent since September; on 2 October the counter stands 30 m³ higher, of which 4 m³ are that day's own. Whole is
    3 October alone."""
    series = {
        FIRST + DAY: Span(96, None, None, 130.0, 134.0, 34.0, True),
        FIRST + 2 * DAY: Span(96, None, None, 134, 139, 5.0, True),
    }
    assert total_of(series, FIRST, 3) == Total(9.0, 5.0, 1)


def test_water_of_the_rest_of_a_day_that_was_silent_by_its_evening_is_not_counted_in_the_next_period() -> None:
    """On 30 September nothing came after noon: the 7 m³ into 1 October are of two months, nobody knows how much of
    which. The first reading of October stands 6 m³ higher than the last of September; 1 m³ came after it."""
    series = counter([5, 0, 3], mornings=[0]) | {FIRST: Span(96, None, None, 111.0, 112.0, 7.0, True)}
    assert total_of(series, FIRST, 2) == Total(4.0, 3.0, 1)


def test_a_day_that_is_known_in_part_is_water_of_the_period_and_no_day_of_it() -> None:
    """Twenty litres a day, and on the third one reading after midnight: 40 L in two days, not in three. A counter that
    began at 17:00 of the only day gave 2 L, and of how much it gives in a day nobody knows."""
    assert total_of(counter([20, 20, 20, 0.5], mornings=[3]), FIRST, 3) == Total(40.5, 40.0, 2)
    assert total_of(counter([None, 2]), FIRST, 1) == Total(2.0, 0.0, 0)


def test_a_zone_that_began_in_the_month_is_held_against_its_own_days() -> None:
    """Heard from 20 October at 17:00 on, so eleven whole days; on two of them it was silent. Another was heard first on
    the last day in the evening, a third is described and has no box yet."""
    month, day = whole(), {n: FIRST + (n - 1) * DAY for n in range(1, 32)}
    since_the_20th = {
        key: {on: span for on, span in series.items() if on >= day[20] and on not in (day[25], day[26])}
        for key, series in month.days.items()
    }
    for series in since_the_20th.values():
        series[day[27]] = series[day[27]]._replace(steps=3 * series[day[27]].steps)  # counted while nothing came
    silent = alert("comms_outage", begin_h=24 * 24, end_h=26 * 24)
    facts = FACTS._replace(lives=dict.fromkeys(FACTS.channels, Life(first=day[21])))
    began = replace(month, facts=facts, days=since_the_20th, alerts=[silent])
    evening = FACTS._replace(zone_id="zone-2", lives=dict.fromkeys(FACTS.channels, Life(first=day[31] + DAY)))
    new = Rows(evening, {tap: {day[31]: Span(20, None, None, 0.0, 0.002, 0.002, True)} for tap in TAPS})
    nothing_yet = Rows(FACTS._replace(zone_id="zone-3", lives=dict.fromkeys(FACTS.channels, Life(first=date.max))))
    figures = figures_of(OCTOBER, [month, began, new, nothing_yet], now=LATER, price_gnf=150)
    _, zone, of_an_evening, described = figures.zones
    assert zone.completeness == pytest.approx(9 / 11)
    assert zone.communication_share == pytest.approx(9 / 11), "and not 94 % of a month in which nobody had to speak"
    assert zone.litres_per_person_day == pytest.approx(20.0)
    assert (of_an_evening.litres_per_person_day, of_an_evening.completeness) == (None, None)
    assert of_an_evening.delivered_m3 == pytest.approx(0.008)
    assert (described.completeness, described.communication_share, described.service.known) == (None, None, 0)
    assert figures.completeness == pytest.approx(9 / 11)
    assert not figures.is_indicative, "a village without its box says nothing of the others"
    least = together(figures.zones).least
    assert least is not None
    assert least.zone_id == "zone-1", "two litres of an evening are no day"


def test_a_day_counts_as_served_partly_or_dry_only_when_most_taps_are_known() -> None:
    """Day 1: three of four taps gave. Day 2: one of four. Day 3: none. Day 4: only three of four were heard, 75 %."""
    days = {
        TAPS[0]: counter([1, 1, 1, 0, 1]), TAPS[1]: counter([1, 1, 0, 0, 1]),
        TAPS[2]: counter([1, 1, 0, 0, 1]), TAPS[3]: counter([1, 0, 0, 0, None]),
    }  # fmt: skip
    found = service_of(Presence(days), TAPS, [FIRST + n * DAY for n in range(4)])
    assert found == Service((DayState.SERVED, DayState.PARTLY, DayState.DRY, DayState.UNKNOWN))
    assert (found.served, found.partly, found.dry, found.unknown, found.known) == (1, 1, 1, 1, 3)
    assert found.share == pytest.approx(1 / 3)
    assert service_of(Presence({}), TAPS, [FIRST]).share is None, "nothing heard is no zero"


def test_a_day_whose_readings_end_before_its_evening_is_not_known_and_nor_is_the_next() -> None:
    """Day 1: nothing after the night, in which nobody draws. Day 3: heard until evening, and nobody drew."""
    taps = {tap: counter([1, 0, 1, 0, 1], mornings=[1]) for tap in TAPS}
    dates = [FIRST + n * DAY for n in range(4)]
    found = service_of(Presence(taps), TAPS, dates)
    assert found == Service((DayState.UNKNOWN, DayState.UNKNOWN, DayState.DRY, DayState.SERVED))
    outlet = {LET_OUT: counter([1, 0, 5, 5, 5])}
    assert lost_between(Presence(taps | outlet), LET_OUT, TAPS, dates).days == 2


def hours(*values: tuple[float, float], n: int = 4) -> dict[datetime, Span]:
    """Hours from ten o'clock: (mean and top, what a counter moved on)."""
    return {
        START + (10 + place) * HOUR: Span(n, mean, mean, None, None, steps)
        for place, (mean, steps) in enumerate(values)
    }


def test_a_pump_is_blamed_only_for_hours_in_which_the_sun_shone_and_the_tower_asked() -> None:
    """Of seven hours: it ran in two; stood with a low tower in one; rightly stood with a full one; once there was no
    sun; once no level was known and once its counter was silent."""
    of_sun = hours((700, 0), (700, 0), (700, 0), (700, 0), (100, 0), (700, 0), (700, 0))
    lifted = hours((0, 3), (0, 3), (0, 0), (0, 0), (0, 0), (0, 0))
    level = hours((1.5, 0), (2.5, 0), (1.5, 0), (2.4, 0), (1.5, 0))
    found = pumping_of({SUN: of_sun, LIFTED: lifted, LEVEL: level}, FACTS)
    assert found == Pumping(ran=2, stood=1, unknown=2)
    assert found.share == pytest.approx(2 / 3)
    few = {at: span._replace(n=1) for at, span in of_sun.items()}
    assert pumping_of({SUN: few, LIFTED: lifted, LEVEL: level}, FACTS).share is None, "one reading of four says nothing"


def test_specific_energy_rests_on_hours_in_which_power_and_water_are_both_known() -> None:
    """1 kW for 2.5 m³ and 0.8 kW for 2 m³: 1.8 kWh / 4.5 m³ = 0.4. The first hour's step began who knows when, and how
    much of the last is told nobody knows."""
    power = hours((900, 0), (1000, 0), (800, 0), (700, 0), (700, 0))
    lifted = hours((0, 9), (0, 2.5), (0, 2), (0, 7))
    found = specific_energy({POWER: power, LIFTED: lifted}, FACTS.channels)
    assert found == (pytest.approx(0.4), 2)
    assert specific_energy({LIFTED: lifted}, FACTS.channels) == (None, 0)
    standing = hours((0, 0), (5, 0), (5, 0))
    assert specific_energy({POWER: standing, LIFTED: standing}, FACTS.channels).kwh_m3 is None, "no water, no ratio"


def test_water_not_accounted_for_is_counted_on_days_on_which_all_is_known() -> None:
    """Day 1: 10 left the tower, 4 × 2 came to taps. Day 2: 10 and 4 × 2.25. Day 3: a tap is silent. (20 - 17) / 20."""
    days = {LET_OUT: counter([1, 10, 10, 10])} | {tap: counter([1, 2, 2.25, 2]) for tap in TAPS[:3]}
    days[TAPS[3]] = counter([1, 2, 2.25, None])
    dates = [FIRST + n * DAY for n in range(3)]
    assert lost_between(Presence(days), LET_OUT, TAPS, dates) == Lost(pytest.approx(3.0), pytest.approx(0.15), 2)
    assert lost_between(Presence(days), LET_OUT, [], dates) == Lost(None, None, 0), "no taps heard: nobody knows"
    disagree = days | {LET_OUT: counter([1, 5, 5, 5])}
    assert lost_between(Presence(disagree), LET_OUT, TAPS, dates).share == pytest.approx(-0.7), "told, not hidden"


def test_completeness_counts_what_was_due_and_no_day_makes_up_for_another() -> None:
    """Two channels, two days, 96 readings a day each: 384 due. 96 + 48, and 200 on one day, which counts as 96."""
    days = {
        LIFTED: {FIRST: Span(96, None, None, 0, 0, 0), FIRST + DAY: Span(48, None, None, 0, 0, 0)},
        LEVEL: {FIRST: Span(200, None, None, 0, 0, 0)},
    }
    dates = [FIRST, FIRST + DAY]
    assert completeness(days, {LIFTED: 900.0, LEVEL: 900.0}, dates) == pytest.approx(240 / 384)
    assert completeness({}, {}, dates) is None


def test_a_tap_that_goes_or_comes_within_the_month_counts_on_the_days_on_which_it_was_there() -> None:
    """Tap 4 was taken away on the 12th at noon, a new one was set on the 15th: each gives 50 L on a whole day. The
    village got 4 × 50 L a day until the 11th, 3 × 50 on the 13th and 14th and 4 × 50 from the 16th on."""
    gone, new = TAPS[3], ("tap-05", "volume_m3")
    day = {n: FIRST + (n - 1) * DAY for n in range(1, 32)}
    month = whole()
    days = {
        **month.days,
        gone: counter([0.05] * 12) | {day[12]: Span(48, None, None, 100.6, 100.62, 0.02)},
        new: {on: span for on, span in counter([0.05] * 32).items() if on >= day[15]},
    }
    facts = FACTS._replace(
        channels={**FACTS.channels, new: 900.0}, lives={gone: Life(last=day[11]), new: Life(first=day[16])}
    )
    (zone,) = figures_of(OCTOBER, [replace(month, facts=facts, days=days)], now=LATER, price_gnf=150).zones
    assert (zone.taps, zone.taps_heard, zone.completeness) == (5, 5, 1.0)
    assert (zone.service.served, zone.service.unknown) == (29, 2), "unknown are the days of the change alone"
    litres = dict(zip(day, (None if m3 is None else round(1000 * m3) for m3 in zone.daily_m3), strict=True))
    assert [litres[on] for on in range(11, 17)] == [200, None, 150, 150, None, 200]
    assert zone.delivered_m3 == pytest.approx(3 * 31 * 0.05 + 11 * 0.05 + 0.02 + 17 * 0.05)
    assert zone.lost_days == 31 - 2, "of the days on which one came and went nobody knows what it gave"
    assert zone.litres_per_person_day == pytest.approx(1000 * zone.delivered_m3 / 31 / 10, rel=0.01)

    outlet = replace(month, days={LET_OUT: {on: span for on, span in month.days[LET_OUT].items() if on >= day[15]}})
    by_outlet = FACTS._replace(channels={LET_OUT: 900.0}, lives={LET_OUT: Life(first=day[16])})
    (other,) = figures_of(OCTOBER, [replace(outlet, facts=by_outlet)], now=LATER, price_gnf=150).zones
    assert other.litres_per_person_day == pytest.approx(25.0), (
        "a meter that came in the middle of a month brings no water"
    )

    always = replace(month, facts=facts._replace(lives={}), days=days)
    (before,) = figures_of(OCTOBER, [always], now=LATER, price_gnf=150).zones
    assert before.litres_per_person_day is not None
    assert before.completeness is not None
    assert before.litres_per_person_day > 22, "who thinks that both taps were always there gives ten people a fifth one"
    assert before.completeness < 0.9


def test_outages_that_touch_are_one_and_false_or_explained_ones_are_none() -> None:
    """10 h of which 4 lie before the month and one that overlaps it: 8 h. One of 2 h that was found late. One of 3 h
    still on at the end of 31 days."""
    end = START + 31 * DAY
    alerts = [
        alert(begin_h=-4, end_h=6), alert("pump_not_running", begin_h=5, end_h=8),
        alert(begin_h=31 * 24 - 3, end_h=None), alert(begin_h=100, end_h=200, is_true=False),
        alert(begin_h=100, end_h=200, is_explained=True), alert(begin_h=100, end_h=200, severity=2),
        alert("comms_outage", begin_h=48, end_h=60, is_told=False), alert(begin_h=300, end_h=302, is_told=False),
    ]  # fmt: skip
    found = outages_of(alerts, START, end)
    assert found == Outages(3, 13.0, 8.0, ((None, 3),)), "one found late was there all the same"
    assert silence_of(alerts, START, end) == Silence(12.0, 12.0)


def test_an_outage_has_the_causes_that_people_named_of_its_alerts_and_none_of_what_was_no_outage() -> None:
    """Two alerts that touch are one outage of one cause, whatever was named twice; one that is still on has no end."""
    alerts = [
        alert(begin_h=10, end_h=16, cause="part_replaced"), alert("tower_empty", begin_h=14, end_h=18),
        alert(begin_h=18, end_h=20, cause="part_replaced"), alert(begin_h=40, end_h=None),
        alert("comms_outage", begin_h=1, end_h=9, cause="network"),
        alert(begin_h=20, end_h=22, is_true=False, cause="false_alarm"),
        alert("night_leak", begin_h=10, end_h=30, severity=2, cause="leak_repaired"),
    ]  # fmt: skip
    assert outages_of(alerts, START, START + 31 * DAY).causes == (("part_replaced", 1), (None, 1))


def whole() -> Rows:
    """October with everything known: each of four taps gives 50 L a day for ten people, so 20 L each."""
    dates = 32
    days = {tap: counter([0.05] * dates) for tap in TAPS}
    days |= {LET_OUT: counter([0.25] * dates), LIFTED: counter([0.3] * dates), POWER: counter([0] * dates)}
    days |= {SUN: counter([0] * dates), LEVEL: counter([0] * dates)}
    alerts = [
        alert(begin_h=10, end_h=16, is_true=True, cause="part_replaced"),
        alert("night_leak", begin_h=20, end_h=30, severity=2, is_true=False, cause="false_alarm"),
        alert("pump_wear", begin_h=40, end_h=None, severity=2),
        alert("tower_empty", begin_h=11, end_h=15, severity=1, is_explained=True, is_told=False),
        alert("tower_empty", begin_h=60, end_h=64, severity=1),
    ]  # fmt: skip
    return Rows(FACTS, days, {}, alerts, Sms(7, 9), [15_000])


def test_a_whole_month_worked_out_by_hand() -> None:
    """4 × 0.05 × 31 = 6.2 m³ at the taps, worth 6.2 × 50 cans × 100 GNF = 31,000; 7.75 left the tower: 20 % lost."""
    figures = figures_of(OCTOBER, [whole()], now=LATER, price_gnf=150)
    (zone,) = figures.zones
    assert (zone.delivered_m3, zone.delivered_by, zone.taps_heard) == (pytest.approx(6.2), "taps", 4)
    assert zone.litres_per_person_day == pytest.approx(20.0)
    assert zone.daily_m3 == tuple([pytest.approx(0.2)] * 31)
    assert (zone.lost_m3, zone.lost_share, zone.lost_days) == (pytest.approx(1.55), pytest.approx(0.2), 31)
    assert (zone.due_gnf, zone.taken_gnf) == (31_000, 15_000)
    assert zone.takings_share == pytest.approx(15 / 31)
    assert zone.service == Service((DayState.SERVED,) * 31)
    assert zone.alerts == AlertCounts(told=4, true=1, false=1, unsaid=2, quiet=1)
    assert zone.repairs == (RepairLine("part_replaced", 1, 6.0, 6.0),), "a false alarm was none"
    assert zone.outages == Outages(1, 6.0, 6.0, (("part_replaced", 1),))
    assert (zone.communication_share, zone.women_share) == (1.0, pytest.approx(12 / 26))
    assert (zone.sms, zone.sms_gnf) == (7, 1350)
    assert (zone.completeness, figures.is_indicative, figures.is_whole) == (1.0, False, True)


def test_what_nobody_knows_is_none_in_every_figure_and_never_zero() -> None:
    facts = FACTS._replace(gnf_per_20_l=None, women=None, men=None, members_counted_in=None, rated_head_m=None)
    figures = figures_of(OCTOBER, [Rows(facts, taken_gnf=[None])], now=LATER, price_gnf=150)
    (zone,) = figures.zones
    unknown = (
        zone.delivered_m3, zone.delivered_by, zone.litres_per_person_day, zone.service.share, zone.pumping.share,
        zone.silence, zone.communication_share, zone.energy_kwh_m3, zone.energy_kwh_m3_100m, zone.lost_m3,
        zone.lost_share, zone.due_gnf, zone.taken_gnf, zone.takings_share, zone.women_share,
    )  # fmt: skip
    assert unknown == (None,) * len(unknown)
    assert zone.daily_m3 == (None,) * 31
    assert (zone.completeness, figures.is_indicative) == (0.0, True)
    assert not zone.outages_known
    written = {cell.figure: cell.value for cell in cells_of(figures)}
    assert {written[name] for name in ("outages", "outage_hours", "longest_outage")} == {""}
    (heard,) = figures_of(OCTOBER, [replace(whole(), alerts=[])], now=LATER, price_gnf=150).zones
    assert (heard.outages_known, heard.outages.number) == (True, 0), "nothing broke, and that is known"
    (told,) = figures_of(OCTOBER, [Rows(facts, alerts=[alert()])], now=LATER, price_gnf=150).zones
    assert (told.outages_known, told.outages.number) == (True, 1), "by the alert of a zone that then fell silent"
    whole_fleet = together(figures.zones)
    assert (whole_fleet.delivered_m3, whole_fleet.litres_per_person_day, whole_fleet.dry_days) == (None, None, None)
    assert (whole_fleet.taken_gnf, whole_fleet.women, whole_fleet.least) == (None, None, None)


def seventeen_taps(heard: int, *, silent_from_day_2: int = 0, has_outlet: bool = False) -> Rows:
    """A village of 1,450 people whose 17 taps give 20 L a day to each; what the outlet counted is as much."""
    month, names = whole(), [(f"tap-{n:02d}", "volume_m3") for n in range(1, 18)]
    days = {key: series for key, series in month.days.items() if key not in (*TAPS, LET_OUT, LIFTED)}
    days |= {tap: counter([29 / 17] * 32) for tap in names[:heard]}
    days |= {tap: counter([29 / 17] * 2) for tap in names[:silent_from_day_2]}
    if has_outlet:
        days[LET_OUT] = counter([29.0] * 32)
    facts = FACTS._replace(people=1450, channels=dict.fromkeys({*names, *FACTS.channels}, 900.0))
    return replace(month, facts=facts, days=days, taken_gnf=[3_900_000])


def test_with_too_few_taps_heard_the_next_meter_tells_what_was_delivered() -> None:
    """Of 17 taps 13 are heard, 76 %. The meter at the tower's outlet counted all: 899 m³, worth 4,495,000 GNF at 100
    GNF for 20 L. Whether water was lost nobody knows: the four may have given it. Five that fall silent on the second
    day are no better: 12 and a bit of 17."""
    for rows in (seventeen_taps(13, has_outlet=True), seventeen_taps(17, silent_from_day_2=5, has_outlet=True)):
        (zone,) = figures_of(OCTOBER, [rows], now=LATER, price_gnf=150).zones
        assert (zone.delivered_by, zone.delivered_m3) == ("tower", pytest.approx(899))
        assert zone.litres_per_person_day == pytest.approx(20.0)
        assert zone.daily_m3 == tuple([pytest.approx(29.0)] * 31)
        assert zone.due_gnf == 4_495_000
        assert zone.takings_share == pytest.approx(3.9 / 4.495), "and not 117 %"
        assert zone.lost_share is None or zone.lost_days == 1, "nobody knows what taps gave that nobody heard"
    (enough,) = figures_of(OCTOBER, [seventeen_taps(14, has_outlet=True)], now=LATER, price_gnf=150).zones
    assert (enough.delivered_by, enough.taps_heard) == ("taps", 14)


def test_where_no_other_meter_stands_few_taps_tell_no_value_and_no_village_is_named_for_it() -> None:
    """13 of 17 taps gave 687 m³: that is told, with how many were heard, and neither what the water was worth nor which
    village has the least. Five that fall silent on the second day leave as little."""
    rows = [seventeen_taps(13), seventeen_taps(17, silent_from_day_2=5), whole()]
    figures = figures_of(OCTOBER, rows, now=LATER, price_gnf=150)
    few, fell_silent, _ = figures.zones
    assert (few.delivered_by, few.taps_heard) == ("taps", 13)
    assert few.delivered_m3 == pytest.approx(13 / 17 * 899)
    assert (few.due_gnf, few.takings_share, few.is_counted) == (None, None, False)
    assert (fell_silent.due_gnf, fell_silent.is_counted) == (None, False)
    least = together(figures.zones).least
    assert least is not None
    assert least.people == 10


def test_all_zones_together_rest_on_those_that_are_known_and_name_the_one_with_least() -> None:
    """10 people with 20 L and 30 with 5: (200 + 150) / 40 = 8.75, though no village has that."""
    thirsty = FACTS._replace(zone_id="zone-2", people=30, gnf_per_20_l=None)
    days = {tap: counter([0.0375] * 32) for tap in TAPS}
    silent = Rows(FACTS._replace(zone_id="zone-3", people=500), taken_gnf=[None])
    rows = [whole(), Rows(thirsty, days, taken_gnf=[9_000]), silent]
    figures = figures_of(OCTOBER, rows, now=LATER, price_gnf=150)
    found = together(figures.zones)
    assert found.litres_per_person_day == pytest.approx(8.75)
    assert (found.delivered_zones, found.people) == (2, 540)
    assert found.least is not None
    assert found.least.zone_id == "zone-2"
    assert (found.taken_gnf, found.due_gnf, found.taken_zones) == (15_000, 31_000, 1), "like with like"
    assert figures.completeness == 0.0, "the worst zone's, not the mean"
    assert figures.repairs[0].number == 1


def test_a_running_month_ends_with_yesterday() -> None:
    figures = figures_of(OCTOBER, [whole()], now=START + 10 * DAY + 9 * HOUR, price_gnf=150)
    assert (figures.days, figures.is_whole) == (10, False)
    assert figures.zones[0].delivered_m3 == pytest.approx(2.0)


def test_a_yearly_sum_of_takings_needs_every_month() -> None:
    rows = Rows(FACTS, taken_gnf=[1000, None, 3000])
    (zone,) = figures_of(Period(2026), [rows], now=START, price_gnf=150).zones
    assert (zone.taken_gnf, zone.takings_months) == (None, 2)


def test_figures_come_back_from_the_database_as_they_went_in() -> None:
    figures = figures_of(OCTOBER, [whole()], now=LATER, price_gnf=150)
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(figures)), Figures)
    assert again == figures
    assert isinstance(again.zones[0], ZoneFigures)


def test_a_report_published_by_the_first_version_can_be_read_for_ever() -> None:
    """`published_report.json` is what version 0.1.0 froze of the whole month above. It is never written anew."""
    kept = json.loads((Path(__file__).parent.parent / "data" / "published_report.json").read_text("utf-8"))
    figures = msgspec.convert(kept, Figures)
    (zone,) = figures.zones
    assert (figures.period, zone.name, zone.people) == ("2026-10", "Hoore-Fello", 10)
    assert (zone.delivered_m3, zone.due_gnf, zone.service.served) == (pytest.approx(6.2), 31_000, 31)
    assert (zone.repairs[1].cause, zone.outages.hours, figures.completeness) == ("part_replaced", 6.0, 1.0)


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2026-10", date(2026, 10, 1), date(2026, 11, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026", date(2026, 1, 1), date(2027, 1, 1)),
    ],
)
def test_a_period_reads_as_it_is_written(text: str, first: date, end: date) -> None:
    period = Period.read(text)
    assert period is not None
    assert (str(period), period.first, period.end) == (text, first, end)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "26-10", "2026-10-01", "٢٠٢٦", "", "1999"])
def test_what_is_no_period_is_none(text: str) -> None:
    assert Period.read(text) is None


def test_months_between_two_days() -> None:
    found = months_between(date(2026, 9, 30), date(2026, 11, 1))
    assert [str(month) for month in found] == ["2026-11", "2026-10", "2026-09"]
    assert OCTOBER.is_over(datetime(2026, 11, 1, tzinfo=UTC))
    assert not OCTOBER.is_over(datetime(2026, 11, 1, tzinfo=UTC) - timedelta(seconds=1))


def test_what_a_published_version_tells_and_the_figures_of_now_do_not_is_told_as_a_change() -> None:
    """Whoever closed an outage corrects its cause: one line comes and the other goes."""
    before, after = (
        figures_of(OCTOBER, [Rows(FACTS, alerts=[alert(cause=cause)])], now=LATER, price_gnf=150)
        for cause in ("part_replaced", "cleaned")
    )
    found = {cell.figure: (was, cell.value) for cell, was in changes(before, after)}
    assert found.items() >= {"repair_part_replaced": ("1", ""), "repair_cleaned": ("", "1")}.items()
    assert changes(before, before) == []
