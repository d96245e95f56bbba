"""The detectors of today over the readings of yesterday, from files or from the database; with labels, their score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from alerts.backtest import NotJudged, PastAlert, judge_history, write_alerts
from alerts.config import PRICE_GNF
from alerts.files import History, read_history, sites_of
from alerts.parameters import DEFAULTS, Settings
from alerts.scene import DAY_S, STEP_S, Grid, Site, Sites
from alerts.scoreboard import as_json, read_labels, score, told
from alerts.settings import fetch_settings
from alerts.watched import fetch_grid, fetch_span
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.readings_pg import PgReadings
from ingest.registry import fetch_registered
from ndiyan.errors import NdiyanError
from ndiyan.progress import Steps

GridOf = Callable[[Sequence[Zone]], Grid]


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What to judge; without `readings` it is the database at `database_url`, without `zones` all that it has."""

    zones: Sequence[Zone]
    readings: Path | None
    labels: Path | None
    start: datetime | None
    end: datetime | None
    out: Path
    price_gnf: float = PRICE_GNF


def run_backtest(options: BacktestOptions, database_url: Callable[[], str]) -> tuple[dict[str, Any], str]:
    """Judge, write `out`, and return what came of it for machines and for people.

    Raises
    ------
    NdiyanError, HistoryError : nothing to judge, or files that cannot be used
    """
    steps = Steps(Console(stderr=True))
    if options.readings is not None:
        with steps.step(f"reading {options.readings}"):
            history = read_history(options.readings, zones=[zone.zone_id for zone in options.zones])
        zones = [zone for zone in options.zones if zone.zone_id in history.zones]
        first_s, last_s = history.span_s
        start_s, end_s = _bounds(options, first_s, last_s + STEP_S)
        grid_of = _from_files(history, start_s, end_s, around=sites_of(zones))
        return _judged(options, zones, grid_of, start_s, end_s, steps, DEFAULTS, history)
    with connect(database_url(), application="ndiyan-backtest") as connection:
        span = fetch_span(connection)
        if span is None:
            raise NdiyanError("the database holds no reading to judge")
        start_s, end_s = _bounds(options, span[0], span[1] + STEP_S)
        grid_of = _from_database(connection, start_s, end_s)
        settings = Settings(fetch_settings(connection))
        names = [row.zone_id for row in PgReadings(connection).zones()]
        judged = options.zones or list(fetch_registered(connection, names).values())
        return _judged(options, judged, grid_of, start_s, end_s, steps, settings, None)


def _judged(
    options: BacktestOptions,
    zones: Sequence[Zone],
    grid_of: GridOf,
    start_s: float,
    end_s: float,
    steps: Steps,
    settings: Settings,
    history: History | None,
) -> tuple[dict[str, Any], str]:
    with steps.bar(f"judging {(end_s - start_s) / DAY_S:.0f} days of {len(zones)} zones", unit="zones") as progress:
        alerts, silent = judge_history(zones, grid_of, settings=settings, progress=progress)
    write_alerts(options.out, alerts)
    start, end = datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC)
    found: dict[str, Any] = {
        "alerts": len(alerts), "zones": len(zones), "from": start.isoformat(), "to": end.isoformat(),
        "out": str(options.out), "sms": sum(alert.sms_count for alert in alerts),
        "not_judged": [
            {"zone": one.zone, "fault": one.fault.value, "asset": one.asset, "lacks": one.lacks} for one in silent
        ],
    }  # fmt: skip
    text = [_counted(alerts, zones, options.out), *_missing(silent)]
    if history is not None and history.unusable:
        found["unusable"] = dict(history.unusable)
        text += [f"not usable: {count:,} rows {reason}" for reason, count in history.unusable.most_common()]
    if options.labels is not None:
        within = [label for label in read_labels(options.labels, until=end) if label.start < end and label.end > start]
        ids = [zone.zone_id for zone in zones]
        labels = [label for label in within if label.zone in ids]
        result = score(alerts, labels, zones=ids, start=start, end=end, price_gnf=options.price_gnf)
        if len(labels) < len(within):
            text.append(f"not judged: {len(within) - len(labels)} labels of zones without a file or a reading")
        found["score"] = as_json(result)
        text += ["", told(result)]
    return found, "\n".join(text)


def _counted(alerts: Sequence[PastAlert], zones: Sequence[Zone], out: Path) -> str:
    explained = sum(alert.explained_by is not None for alert in alerts)
    sms = sum(alert.sms_count for alert in alerts)
    return f"{len(alerts)} alerts in {len(zones)} zones, {explained} of them explained by others; {sms} SMS → {out}"


def _missing(silent: Sequence[NotJudged]) -> list[str]:
    """A line for each channel that is missing somewhere."""
    lacking: dict[str, tuple[set[str], set[str]]] = {}
    for one in silent:
        zones, faults = lacking.setdefault(one.lacks, (set(), set()))
        zones.add(one.zone)
        faults.add(one.fault.value)
    return [
        f"not judged for want of {channel} in {len(zones)} zones: {', '.join(sorted(faults))}"
        for channel, (zones, faults) in sorted(lacking.items())
    ]


def _from_files(history: History, start_s: float, end_s: float, *, around: Sequence[Site]) -> GridOf:
    return lambda zones: history.grid(Sites(sites_of(zones)), start_s, end_s, around=around)


def _from_database(connection: Connection, start_s: float, end_s: float) -> GridOf:
    begin_s = start_s // DAY_S * DAY_S
    steps = int((end_s - begin_s) // STEP_S)
    return lambda zones: fetch_grid(connection, Sites(sites_of(zones)), begin_s, steps, with_sky=True)


def _bounds(options: BacktestOptions, first_s: float, end_s: float) -> tuple[float, float]:
    start_s = max(first_s, options.start.timestamp()) if options.start else first_s
    end_s = min(end_s, options.end.timestamp()) if options.end else end_s
    if end_s - start_s < STEP_S:
        raise NdiyanError(
            f"nothing to judge between {options.start or 'the beginning'} and {options.end or 'the end'}:"
            f" readings go from {datetime.fromtimestamp(first_s, UTC):%Y-%m-%d %H:%M} on"
        )
    return start_s, end_s
