"""A report's figures as plain rows: what its CSV holds, and what changed between a version and the figures of now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from web.reports.figures import DayState, Figures, ZoneFigures
from web.reports.store import Report
from web.spreadsheets import csv_text

DAY = timedelta(days=1)
COLUMNS = ("period", "version", "zone", "figure", "value", "unit")
FRENCH = ("période", "version", "zone", "chiffre", "valeur", "unité")


class Cell(NamedTuple):
    """One figure; an empty value is "not known"."""

    zone: str
    figure: str
    value: str
    unit: str


def cells_of(figures: Figures) -> list[Cell]:
    """Every figure of every zone, and each day's volume and state."""
    return [cell for zone in figures.zones for cell in (*_sums(zone), *_days(figures, zone))]


def as_csv(report: Report, *, is_french: bool = False) -> str:
    """The rows as CSV, for programs or a French Excel; `version` is empty for a draft."""
    rows = [(report.figures.period, report.version, *cell) for cell in cells_of(report.figures)]
    return csv_text([FRENCH if is_french else COLUMNS, *rows], is_french=is_french)


def changes(before: Figures, after: Figures) -> list[tuple[Cell, str]]:
    """Figures that differ, days left out: the cell of now, empty where none is left, and the value of before."""
    old, new = (
        {(cell.zone, cell.figure): cell for zone in one.zones for cell in _sums(zone)} for one in (before, after)
    )
    gone = {key: cell._replace(value="") for key, cell in old.items() if key not in new}
    was = {key: cell.value for key, cell in old.items()}
    return [(cell, was.get(key, "")) for key, cell in (new | gone).items() if was.get(key, "") != cell.value]


def _sums(zone: ZoneFigures) -> Iterator[Cell]:
    outages = zone.outages if zone.outages_known else None
    for figure, value, unit in (
        ("people", zone.people, ""), ("counted_in", zone.counted_in, ""), ("days", zone.days, "d"),
        ("completeness", zone.completeness, "1"), ("delivered", zone.delivered_m3, "m3"),
        ("delivered_by", zone.delivered_by, ""), ("taps", zone.taps, ""), ("taps_heard", zone.taps_heard, ""),
        ("litres_per_person_day", zone.litres_per_person_day, "L"),
        ("days_with_water", zone.service.served, "d"), ("days_partly", zone.service.partly, "d"),
        ("days_without_water", zone.service.dry, "d"), ("days_unknown", zone.service.unknown, "d"),
        ("service_availability", zone.service.share, "1"), ("pumping_availability", zone.pumping.share, "1"),
        ("pumping_hours", zone.pumping.ran, "h"), ("standing_hours", zone.pumping.stood, "h"),
        ("unknown_sun_hours", zone.pumping.unknown, "h"), ("communication_availability", zone.communication_share, "1"),
        ("outages", outages.number if outages else None, ""), ("outage_hours", outages.hours if outages else None, "h"),
        ("longest_outage", outages.longest_h if outages else None, "h"), ("energy", zone.energy_kwh_m3, "kWh/m3"),
        ("energy_per_100_m", zone.energy_kwh_m3_100m, "kWh/m3"), ("energy_hours", zone.energy_hours, "h"),
        ("not_accounted_for", zone.lost_m3, "m3"), ("not_accounted_for_share", zone.lost_share, "1"),
        ("not_accounted_for_days", zone.lost_days, "d"), ("tariff_20_l", zone.gnf_per_20_l, "GNF"),
        ("water_value", zone.due_gnf, "GNF"), ("takings", zone.taken_gnf, "GNF"),
        ("takings_months", zone.takings_months, ""), ("alerts", zone.alerts.told, ""),
        ("alerts_true", zone.alerts.true, ""), ("alerts_false", zone.alerts.false, ""),
        ("alerts_unsaid", zone.alerts.unsaid, ""), ("alerts_quiet", zone.alerts.quiet, ""),
        ("committee_women", zone.women, ""), ("committee_men", zone.men, ""),
        ("committee_counted_in", zone.members_counted_in, ""), ("sms", zone.sms, ""), ("sms_cost", zone.sms_gnf, "GNF"),
    ):  # fmt: skip
        yield Cell(zone.zone_id, figure, _written(value), unit)
    for cause, count in zone.outages.causes:
        yield Cell(zone.zone_id, f"outages_{cause or 'not_closed'}", _written(count), "")
    for line in zone.repairs:
        name = f"repair_{line.cause or 'not_closed'}"
        for ending, number, unit in (
            ("", line.number, ""),
            ("_median", line.median_h, "h"),
            ("_longest", line.longest_h, "h"),
        ):
            yield Cell(zone.zone_id, name + ending, _written(number), unit)


def _days(figures: Figures, zone: ZoneFigures) -> Iterator[Cell]:
    for place, (volume_m3, state) in enumerate(zip(zone.daily_m3, zone.service.states, strict=True)):
        on = (figures.first + place * DAY).isoformat()
        yield Cell(zone.zone_id, f"delivered_on_{on}", _written(volume_m3), "m3")
        yield Cell(zone.zone_id, f"water_on_{on}", "" if state is DayState.UNKNOWN else state.value, "")


def _written(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
