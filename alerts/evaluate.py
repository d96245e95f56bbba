"""From readings to alerts: what is new of a zone is judged, and what follows is written in one transaction.

Each zone has a row of due work with a watermark: the measured time up to which it has been judged. An evaluation goes
from there to the newest reading, in data time, whether that is one round, a three-day backlog or a month of history.
A crash repeats the window; the keys of `alert` and `notification` make the repeat a no-op.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alerts.detectors import BY_HOUR, BY_NIGHT, ZoneWindow, judge_silence
from alerts.lifecycle import Continuing, Opening, Resolving, Transition, transitions
from alerts.model import RULES, AlertState, Condition, LiveAlert
from alerts.notify import tell
from alerts.routing import Event, EventKind
from gateway.model import Fault, State
from ingest.db import Connection, connect, queries
from ingest.readings import AssetRow, ZoneRow
from ingest.readings_pg import PgReadings

log = logging.getLogger(__name__)

SQL = queries("alerts", "alerts")
JOB = "judge"
LOOKBACK = timedelta(hours=8)  # more than any on-delay and any run that a detector by the hour looks at
NIGHTS_BACK = timedelta(days=23)
NIGHT_ENDS = timedelta(hours=3, minutes=30)
AT_ONCE = timedelta(days=7)  # of a backlog; memory stays flat
FRESH = timedelta(hours=1)  # older readings say nothing about what people find when they go and look
RETRY_AFTER = timedelta(minutes=5)
READ_BY_HOUR = (
    ("pv", "irradiance_w_m2"), ("pump", "power_w"), ("pump", "flow_m3_h"), ("pump", "state_code"),
    ("borehole", "water_depth_m"), ("tower", "level_m"), ("tower", "outflow_m3_h"),
)  # fmt: skip
READ_BY_NIGHT = (("tower", "outflow_m3_h"), ("tower", "level_m"))
EXPLAINED_BY: dict[Fault | State, tuple[Fault, ...]] = {
    State.TOWER_EMPTY: (Fault.PUMP_NOT_RUNNING, Fault.DRY_RUNNING),
}


class Evaluator:
    """Judges zones over one connection of its own; several may run beside each other."""

    def __init__(self, connection: Connection, *, every: timedelta) -> None:
        self._connection, self._every = connection, every

    def work(self, now: datetime) -> int:
        """Judge every zone that is due at `now`; returns how many that were."""
        self._connection.execute(SQL["ensure_jobs"], {"name": JOB, "now": now})
        done = 0
        while (zone_id := self._judge_next(now)) is not None:
            done += 1
            log.debug("judged", extra={"zone_id": zone_id})
        return done

    def _judge_next(self, now: datetime) -> str | None:
        zone_id: str | None = None
        try:
            with self._connection.transaction():
                row = self._connection.execute(SQL["take_job"], {"name": JOB, "now": now, "zone": None}).fetchone()
                if row is None:
                    return None
                zone_id, watermark = row
                reached = Judgement(self._connection, zone_id, now).run(watermark)
                self._connection.execute(
                    SQL["finish_job"],
                    {"name": JOB, "zone": zone_id, "next": now + self._every, "watermark": reached, "now": now},
                )
        except Exception as error:
            if zone_id is None or self._connection.closed:
                raise
            log.exception("judging failed, again in 5 minutes", extra={"zone_id": zone_id})
            self._connection.execute(
                SQL["fail_job"],
                {"name": JOB, "zone": zone_id, "next": now + RETRY_AFTER, "error": repr(error)[:500]},
            )
        return zone_id


def catch_up(database_url: str, clock_now: datetime, *, progress: Callable[[int, int], None] | None = None) -> None:
    """Judge all history up to `clock_now`; what is over by then is recorded as late and told to nobody.

    `progress` is called with (days judged, days in all) over all zones.
    """
    with connect(database_url, application="ndiyan-alerts") as connection:
        connection.execute(SQL["ensure_jobs"], {"name": JOB, "now": clock_now})
        zones = [zone.zone_id for zone in PgReadings(connection).zones()]
        spans = {zone: _span_days(connection, zone) for zone in zones}
        done, total = 0, sum(spans.values())
        for zone in zones:
            with connection.transaction():
                taken = {"name": JOB, "now": clock_now, "zone": zone}
                row = connection.execute(SQL["take_job"], taken).fetchone()
                if row is None:
                    continue
                reached = Judgement(connection, zone, clock_now).run(row[1])
                finished = {"next": clock_now, "watermark": reached}
                connection.execute(SQL["finish_job"], taken | finished)
            done += spans[zone]
            if progress is not None:
                progress(done, total)


def _span_days(connection: Connection, zone_id: str) -> int:
    ((newest,),) = connection.execute(SQL["newest_reading"], {"zone": zone_id}).fetchall()
    ((first,),) = connection.execute(SQL["first_reading"], {"zone": zone_id}).fetchall()
    return 0 if newest is None else max(1, (newest - first).days)


@dataclass(slots=True)
class _Known:
    """An alert of this zone that may explain another: live, or made in this evaluation."""

    alert_id: int
    fault: Fault | State
    first: datetime
    cleared: datetime | None


class Judgement:
    """One evaluation of one zone inside the caller's transaction."""

    def __init__(self, connection: Connection, zone_id: str, now: datetime) -> None:
        self._connection, self._now = connection, now
        self._readings = PgReadings(connection)
        self._zone: ZoneRow = next(zone for zone in self._readings.zones() if zone.zone_id == zone_id)
        self._assets: dict[str, AssetRow] = {asset.asset_id: asset for asset in self._readings.assets(zone_id)}
        self._known: list[_Known] = []
        self._resolved: list[tuple[int, LiveAlert]] = []
        self._found_late: set[int] = set()  # opened in this evaluation, but not now

    def run(self, watermark: datetime | None) -> datetime | None:
        """Judge from `watermark` to the newest reading, then silence; returns the new watermark."""
        zone = {"zone": self._zone.zone_id}
        ((newest,),) = self._connection.execute(SQL["newest_reading"], zone).fetchall()
        if newest is None:
            return watermark
        if watermark is None:
            ((watermark,),) = self._connection.execute(SQL["first_reading"], zone).fetchall()
        is_fresh = self._now - newest <= FRESH
        while watermark < newest:
            end = min(watermark + AT_ONCE, newest)
            self._judge(self._conditions(watermark, end), live_now=is_fresh and end == newest)
            watermark = end
        self._judge_silence(newest)
        self._tell(is_fresh)
        return watermark

    def _conditions(self, start: datetime, end: datetime) -> list[Condition]:
        window = self._window(start - LOOKBACK, end, READ_BY_HOUR)
        found = [condition for detect in BY_HOUR for condition in detect(window).conditions]
        if _night_ended_within(start, end):
            window = self._window(start - NIGHTS_BACK, end, READ_BY_NIGHT)
            found += [condition for detect in BY_NIGHT for condition in detect(window).conditions]
        return found

    def _window(self, start: datetime, end: datetime, channels: tuple[tuple[str, str], ...]) -> ZoneWindow:
        series = self._readings.window(self._zone.zone_id, start, end + timedelta(microseconds=1), only=channels)
        return ZoneWindow(
            self._zone.zone_id, self._zone.latitude, self._zone.longitude, self._assets, series,
            start.timestamp(), end.timestamp(),
        )  # fmt: skip

    def _judge(self, conditions: list[Condition], *, live_now: bool) -> None:
        live, cleared = self._live(), self._cleared()
        self._known = [_Known(a.alert_id, a.fault, a.first_evidence_at, None) for a in live]
        steps = [
            step
            for condition in conditions
            for step in transitions(condition, live, ended_at=cleared.get((condition.fault.value, condition.asset)))
        ]
        for step in sorted(steps, key=_when):
            self._apply(step, live_now=live_now)

    def _judge_silence(self, newest: datetime) -> None:
        condition = judge_silence(newest.timestamp(), self._now.timestamp())
        for step in transitions(condition, self._live(), ended_at=None):
            self._apply(replace(step, first_evidence_at=newest) if isinstance(step, Opening) else step, live_now=True)

    def _apply(self, step: Transition, *, live_now: bool) -> None:
        if isinstance(step, Continuing):
            self._connection.execute(
                SQL["continue_alert"], {"alert": step.alert.alert_id, "last": step.last_evidence_at}
            )
        elif isinstance(step, Resolving):
            alert_id, at = step.alert.alert_id, self._now if live_now else step.cleared_at
            is_late = alert_id in self._found_late
            resolved = {"alert": alert_id, "cleared": step.cleared_at, "now": at, "is_late": is_late}
            if self._connection.execute(SQL["resolve_alert"], resolved).fetchone():
                self._event(alert_id, at, "resolved", {"cleared_at": step.cleared_at.isoformat()})
                if not is_late:
                    self._resolved.append((alert_id, step.alert))
        else:
            self._open(step, live_now=live_now)

    def _open(self, step: Opening, *, live_now: bool) -> None:
        condition, is_over = step.condition, step.cleared_at is not None
        evidence = condition.describe(step.first, step.last)
        opened_at = self._now if live_now and not is_over else step.confirmed_at
        explained_by = self._explanation(step)
        row = self._connection.execute(
            SQL["insert_alert"],
            {
                "zone": self._zone.zone_id, "fault": condition.fault.value, "asset": condition.asset,
                "severity": RULES[condition.fault].severity,
                "state": (AlertState.RESOLVED if is_over else AlertState.OPEN).value,
                "first": step.first_evidence_at, "last": step.last_evidence_at, "opened": opened_at,
                "cleared": step.cleared_at, "resolved": step.cleared_at, "is_late": is_over,
                "confidence": evidence.confidence, "evidence": json.dumps(evidence.as_json()),
                "explained_by": explained_by,
            },
        ).fetchone()  # fmt: skip
        if row is None:
            return  # judged before: this is a repeat
        self._known.append(_Known(row[0], condition.fault, step.first_evidence_at, step.cleared_at))
        if not live_now:
            self._found_late.add(row[0])
        self._event(row[0], opened_at, "opened", {"explained_by": explained_by} if explained_by else {})
        if step.cleared_at is not None:
            self._event(row[0], step.cleared_at, "resolved", {"cleared_at": step.cleared_at.isoformat()})
        log.info(
            "%s %s", "recorded late:" if is_over else "opened:", condition.fault.value,
            extra={"zone_id": self._zone.zone_id, "alert_id": row[0], "action": "opened"},
        )  # fmt: skip

    def _explanation(self, step: Opening) -> int | None:
        causes = EXPLAINED_BY.get(step.condition.fault, ())
        for known in self._known:
            still_on = known.cleared is None or known.cleared >= step.first_evidence_at
            if known.fault in causes and known.first <= step.confirmed_at and still_on:
                return known.alert_id
        return None

    def _tell(self, is_fresh: bool) -> None:
        """Who must hear of what is live, or of what has ended now; telling twice is a no-op."""
        for alert_id, fault, severity, opened_at, acknowledged_at in self._connection.execute(
            SQL["events_to_tell"], {"zone": self._zone.zone_id}
        ).fetchall():
            if not is_fresh and fault != Fault.COMMS_OUTAGE:
                continue
            for kind in (EventKind.OPENED, EventKind.STILL_OPEN):
                event = Event(kind, alert_id, fault, severity, opened_at, acknowledged_at, is_late=False)
                tell(self._connection, event, now=self._now)
        for alert_id, alert in self._resolved:
            severity = RULES[alert.fault].severity
            event = Event(
                EventKind.RESOLVED, alert_id, alert.fault.value, severity, alert.first_evidence_at, None, is_late=False
            )
            tell(self._connection, event, now=self._now)

    def _live(self) -> list[LiveAlert]:
        rows = self._connection.execute(SQL["live_alerts"], {"zone": self._zone.zone_id}).fetchall()
        return [
            LiveAlert(alert_id, _kind(fault), asset, AlertState(state), first, last)
            for alert_id, fault, asset, state, first, last in rows
        ]

    def _cleared(self) -> dict[tuple[str, str], datetime]:
        rows = self._connection.execute(SQL["last_cleared"], {"zone": self._zone.zone_id}).fetchall()
        return {(fault, asset): cleared for fault, asset, cleared in rows}

    def _event(self, alert_id: int, at: datetime, kind: str, detail: dict[str, object]) -> None:
        self._connection.execute(
            SQL["insert_event"],
            {"alert": alert_id, "at": at, "kind": kind, "who": "ndiyan", "detail": json.dumps(detail)},
        )


def _kind(name: str) -> Fault | State:
    return Fault(name) if name in set(Fault) else State(name)


def _when(step: Transition) -> datetime:
    if isinstance(step, Opening):
        return step.confirmed_at
    return step.last_evidence_at if isinstance(step, Continuing) else step.cleared_at


def _night_ended_within(start: datetime, end: datetime) -> bool:
    midnight = end.replace(hour=0, minute=0, second=0, microsecond=0)
    last = midnight + NIGHT_ENDS if midnight + NIGHT_ENDS <= end else midnight - timedelta(days=1) + NIGHT_ENDS
    return last > start
