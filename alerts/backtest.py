"""The very same detectors, lifecycle and routing over history: what would have been told, to whom, when. Pure.

Time is measured time throughout: a backtest knows no delay on the way, so what it says of "how soon" holds for a link
that stands. People are taken to acknowledge twenty minutes after they were first told.
"""

from __future__ import annotations

import csv
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from alerts.causes import SENSOR_FAULTS, Known, Silence, cause_of, shared_outages
from alerts.days import days_of
from alerts.detectors import DETECTORS, Detector, Scene, features_of, signals_of
from alerts.detectors.silence import SILENT_H, judge_silence_now
from alerts.ladder import Position
from alerts.lifecycle import Opening, transitions
from alerts.model import RULES, Evidence, Signal, Verdict
from alerts.parameters import DEFAULTS, Settings
from alerts.routing import REMEMBERED, ContactRow, PastNotification, Standing, Telling, closing, decide
from alerts.scene import FloatArray, Grid
from gateway.model import Fault, State
from gateway.zones import Zone

ZONES_AT_ONCE = 8
ACKNOWLEDGED_AFTER = timedelta(minutes=20)
COLUMNS = (
    "zone", "fault", "asset", "severity", "opened_at", "closed_at", "first_evidence_at", "confidence", "explained_by",
    "sms_count",
)  # fmt: skip

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class PastAlert:
    """An alert as it would have been; `explained_by` names the kind of the alert that explains it."""

    zone: str
    fault: Fault | State
    asset: str
    severity: int
    opened_at: datetime
    closed_at: datetime | None
    first_evidence_at: datetime
    evidence: Evidence
    explained_by: Fault | State | None
    sms_count: int = 0


@dataclass(frozen=True, slots=True)
class NotJudged:
    """What could not be judged in a zone, and the channel that it lacks, or the first of several that would do."""

    zone: str
    fault: Fault | State
    asset: str
    lacks: str


def judge_history(
    zones: Sequence[Zone],
    grid_of: Callable[[Sequence[Zone]], Grid],
    *,
    detectors: Sequence[Detector] = DETECTORS,
    settings: Settings = DEFAULTS,
    progress: Progress | None = None,
) -> tuple[list[PastAlert], list[NotJudged]]:
    """All alerts of these zones in the order of their opening, and what could not be judged.

    `grid_of` gives the readings of some zones, from a midnight on; it is asked for a few zones at a time. `settings`
    are what people changed of the rules.
    """
    by_zone: list[list[PastAlert]] = []
    silent: list[NotJudged] = []
    for first in range(0, len(zones), ZONES_AT_ONCE):
        some = zones[first : first + ZONES_AT_ONCE]
        grid = grid_of(some)
        silent += not_judged(grid, detectors)
        overrides = settings.overrides([zone.zone_id for zone in some])
        scene = Scene(grid, days_of(grid, features_of(grid.sites)), overrides)
        signals = signals_of(scene, detectors)
        newest_s, silence = _silence_at_end(grid)
        for row, zone in enumerate(some):
            openings = [
                step
                for signal in signals
                if (signal.verdict[row] == Verdict.PRESENT).any()
                for step in transitions(signal.condition(row), [], rule=settings.rule(signal.fault, zone.zone_id))
                if isinstance(step, Opening)
            ]
            heard_at = _instant(newest_s[row])
            openings += [
                replace(step, first_evidence_at=heard_at, confirmed_at=heard_at + timedelta(hours=SILENT_H))
                for step in transitions(silence.condition(row), [])
                if isinstance(step, Opening)
            ]
            by_zone.append(_alerts_of(zone, openings))
        if progress is not None:
            progress(first + len(some), len(zones))
    alerts = [alert for found in by_zone for alert in found]
    explain_shared_outages(alerts)
    for zone, found in zip(zones, by_zone, strict=True):
        count_sms(zone, found)
    return sorted(alerts, key=lambda alert: (alert.opened_at, alert.zone)), silent


def explain_shared_outages(alerts: Sequence[PastAlert]) -> None:
    """Of many zones that fell silent in the same hour only the first is told: it is the operator's network."""
    silences = [
        Silence(number, alert.zone, alert.first_evidence_at, is_explained=alert.explained_by is not None)
        for number, alert in enumerate(alerts)
        if alert.fault is Fault.COMMS_OUTAGE
    ]
    for _, *others in shared_outages(silences):
        for one in others:
            if not one.is_explained:
                alerts[one.key].explained_by = Fault.COMMS_OUTAGE


def _silence_at_end(grid: Grid) -> tuple[FloatArray, Signal]:
    """When each zone (n,) was last heard [s], and whether it is silent when history ends."""
    heard = grid.is_heard
    last = grid.steps - 1 - np.argmax(heard[:, ::-1], axis=1)
    newest_s = np.where(heard.any(axis=1), grid.t_s[last], grid.end_s)
    return newest_s, judge_silence_now(newest_s, grid.end_s)


def not_judged(grid: Grid, detectors: Sequence[Detector]) -> list[NotJudged]:
    """What lacks a channel that it needs, and all that could stand in for it, in each zone."""
    found = []
    for detector in detectors:
        for group in detector.needs:
            is_there = np.any([grid.sites.has(*channel)[:, 0] for channel in group], axis=0)
            lacks = "/".join(group[0])
            for zone, there in zip(grid.sites.zone_ids, is_there, strict=True):
                if not there:
                    found += [NotJudged(zone, fault, detector.asset, lacks) for fault in detector.faults]
    return found


def _alerts_of(zone: Zone, openings: Sequence[Opening]) -> list[PastAlert]:
    known: list[Known] = []
    found = []
    for key, step in enumerate(sorted(openings, key=lambda step: step.confirmed_at)):
        condition, seen = step.condition, step.condition.describe(step.first, step.last)
        cause = cause_of(
            condition.fault, step.first_evidence_at, step.confirmed_at, known, rests_on=seen.channels
        )  # fmt: skip
        doubted = cause is not None and cause.fault in SENSOR_FAULTS
        known.append(
            Known(
                key, condition.fault, condition.asset, step.first_evidence_at, step.cleared_at, seen.channels, doubted
            )
        )
        found.append(
            PastAlert(
                zone.zone_id, condition.fault, condition.asset, RULES[condition.fault].severity, step.confirmed_at,
                step.cleared_at, step.first_evidence_at, seen,
                None if cause is None else cause.fault,
            )
        )  # fmt: skip
    return found


def count_sms(zone: Zone, alerts: Sequence[PastAlert]) -> None:
    """Write into each alert how many things it would have told, by the routing's own decisions in their order.

    What one SMS tells together counts for each of them.
    """
    people = [
        ContactRow(rank, person.name, person.role, person.phone, person.language, rank)
        for rank, person in enumerate(zone.committee)
    ]
    past: list[PastNotification] = []
    standing = {key: Position(0, alert.opened_at) for key, alert in enumerate(alerts)}
    moments = [(alert.opened_at, key) for key, alert in enumerate(alerts) if alert.explained_by is None]
    moments += [
        (alert.closed_at, key)
        for key, alert in enumerate(alerts)
        if alert.explained_by is None and alert.closed_at is not None
    ]
    end = max((at for at, _ in moments), default=None)  # of what history tells; nobody is reminded behind it
    heapq.heapify(moments)
    while moments:
        now, key = heapq.heappop(moments)
        alert = alerts[key]
        recent = [one for one in past if one.alert_id == key or now - one.at < REMEMBERED]
        first_at = min((one.at for one in recent if one.alert_id == key), default=None)
        answered_at = None if first_at is None else first_at + ACKNOWLEDGED_AFTER
        if answered_at is not None and answered_at > now:
            answered_at = None
        seen = Standing(key, zone.zone_id, alert.fault.value, alert.severity, answered_at, now)
        if alert.closed_at is not None and now >= alert.closed_at:
            tellings = closing(seen, people, recent, now=now) if now == alert.closed_at else []
        else:
            decision = decide(seen, standing[key], people, recent, now=now)
            standing[key], tellings = decision.position, list(decision.tellings)
            looks = [decision.look_at] if decision.look_at is not None else []
            looks += [one.send_at + ACKNOWLEDGED_AFTER for one in tellings]
            for look_at in (max(one, now + timedelta(seconds=1)) for one in looks):
                if end is not None and look_at <= end:
                    heapq.heappush(moments, (look_at, key))
        past += [_past(zone, key, alert, telling) for telling in tellings]
        alert.sms_count += len(tellings)


def _past(zone: Zone, key: int, alert: PastAlert, told: Telling) -> PastNotification:
    return PastNotification(
        key, told.contact.contact_id, told.contact.phone, zone.zone_id, alert.fault.value, alert.severity,
        told.kind.stored, told.step, f"{told.send_at:%Y%m%d%H%M%S}-{told.contact.contact_id}", told.send_at,
    )  # fmt: skip


def write_alerts(file: Path, alerts: Sequence[PastAlert]) -> None:
    """`alerts.csv`: one line an alert, times in ISO 8601 UTC, empty where there is none."""
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out, lineterminator="\n")
        lines.writerow(COLUMNS)
        for alert in alerts:
            lines.writerow(
                [
                    alert.zone, alert.fault.value, alert.asset, alert.severity, _iso(alert.opened_at),
                    "" if alert.closed_at is None else _iso(alert.closed_at), _iso(alert.first_evidence_at),
                    f"{alert.evidence.confidence:.2f}", alert.explained_by or "", alert.sms_count,
                ]
            )  # fmt: skip


def _instant(t_s: float) -> datetime:
    return datetime.fromtimestamp(t_s, UTC)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
