"""From readings to alerts: what is new of many zones is judged at once, and what follows is written in one transaction.

Each zone has a row of due work with a watermark: the measured time up to which it has been judged. An evaluation goes
from there to the newest reading, in data time, whether that is one round, a three-day backlog or a month of history.
A crash repeats the window; the keys of `alert` and `notification` make the repeat a no-op.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg

from alerts.causes import SENSOR_FAULTS, Known, Silence, cause_of, is_outlived, shared_outages
from alerts.days import Days, days_of, kept_names
from alerts.detectors import DETECTORS, Scene, features_of, signals_of
from alerts.detectors.gateway import judge_packs
from alerts.detectors.silence import judge_silence_now
from alerts.lifecycle import Continuing, Opening, Resolving, Returning, Transition, transitions
from alerts.model import RULES, AlertState, Condition, EndedAlert, LiveAlert, Rule, Verdict
from alerts.parameters import Settings
from alerts.scene import DAY_S, STEP_S, Grid, Site, Sites
from alerts.settings import fetch_settings
from alerts.telling import HEARD_WITHIN, begin, tell_end
from alerts.watched import WrongPacks, fetch_grid, fetch_past_days, fetch_sites, fetch_wrong_packs
from gateway.model import Fault, State
from ingest.db import Connection, connect, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "alerts")
JOB = "judge"
LOOKBACK = timedelta(hours=8)  # more than any on-delay and any run that a detector by the hour looks at
DAYS_BACK = timedelta(days=60)  # of features: what a zone's usual is made of
AT_ONCE = timedelta(days=7)  # of a backlog; memory stays flat
ZONES_AT_ONCE = 200
RETRY_AFTER = timedelta(minutes=5)
LONGEST_REJOIN = max(rule.rejoin for rule in RULES.values())
CLOCKS_BACK = timedelta(days=1)  # of packs that came by a wrong clock
OUTAGE_WAITS = timedelta(minutes=5)
OLD_WAITS = timedelta(minutes=10)  # what old readings have opened, for its end may be in the next piece of the backlog
LATE_JUDGED = timedelta(days=31)  # what comes later than this changes no alert: a device may send years at any time
Progress = Callable[[int, int], None]


class Evaluator:
    """Judges zones over one connection of its own; several may run beside each other.

    `progress` is called as by `judge_due`.
    """

    def __init__(self, connection: Connection, *, every: timedelta, progress: Progress | None = None) -> None:
        self._connection, self._every, self._progress = connection, every, progress

    def work(self, now: datetime) -> int:
        """Judge every zone that is due at `now`; returns how many that were."""
        self._connection.execute(SQL["ensure_jobs"], {"name": JOB, "now": now})
        done, at_once = 0, ZONES_AT_ONCE
        while True:
            zones: list[str] = []
            try:
                zones = judge_due(
                    self._connection, now, every=self._every, at_once=at_once, taken=zones, progress=self._progress
                )
            except psycopg.errors.DeadlockDetected:
                continue  # we were the one to stand back
            except Exception as error:
                if not zones or self._connection.closed:
                    raise
                if len(zones) > 1:
                    at_once = len(zones) // 2  # one of them is to blame: find it
                    continue
                at_once = ZONES_AT_ONCE
                log.exception("judging failed, again in 5 minutes", extra={"zone_id": zones[0]})
                self._connection.execute(
                    SQL["fail_job"],
                    {"name": JOB, "zone": zones[0], "next": now + RETRY_AFTER, "error": repr(error)[:500]},
                )
            if not zones:
                break
            done += len(zones)
        tell_outages(self._connection, now, every=self._every)
        return done


def judge_due(
    connection: Connection,
    now: datetime,
    *,
    every: timedelta,
    at_once: int | None,
    taken: list[str],
    progress: Progress | None = None,
) -> list[str]:
    """Judge up to `at_once` zones that are due, in one transaction; returns which, and names them in `taken` first.

    `progress` is called with (days judged, days in all).
    """
    with connection.transaction():
        due_by = now + every / 10  # a turn may wake a moment earlier in its minute than the last
        rows = connection.execute(SQL["take_jobs"], {"name": JOB, "due_by": due_by, "limit": at_once}).fetchall()
        taken += [zone for zone, _ in rows]
        if rows:
            known = dict(rows)
            watermarks = _before_late_arrivals(connection, known, not_before=now - LATE_JUDGED)
            late = {zone for zone in taken if watermarks[zone] != known[zone]}
            reached = Judgement(connection, taken, now, late).run(watermarks, progress)
            connection.cursor().executemany(
                SQL["finish_job"],
                [
                    {"name": JOB, "zone": zone, "next": now + every, "watermark": reached[zone], "now": now}
                    for zone in taken
                ],
            )
    return taken


def _before_late_arrivals(
    connection: Connection, watermarks: Mapping[str, datetime | None], *, not_before: datetime
) -> dict[str, datetime | None]:
    """Watermarks moved back to before what has come into the past of their zones since; judging twice is a no-op."""
    found = dict(watermarks)
    for zone, first_at in connection.execute(SQL["take_late_arrivals"], {"zones": list(found)}).fetchall():
        watermark = found[zone]
        if watermark is not None and first_at <= watermark:
            found[zone] = min(watermark, max(first_at - timedelta(microseconds=1), not_before))
    return found


def catch_up(database_url: str, clock_now: datetime, *, progress: Progress | None = None) -> None:
    """Judge all history up to `clock_now`; what is over by then is recorded as late and told to nobody.

    `progress` is called with (days judged, days in all).
    """
    with connect(database_url, application="ndiyan-alerts") as connection:
        connection.execute(SQL["ensure_jobs"], {"name": JOB, "now": clock_now})
        judge_due(connection, clock_now, every=timedelta(0), at_once=None, taken=[], progress=progress)
        tell_outages(connection, clock_now, every=timedelta(0))


def tell_outages(connection: Connection, now: datetime, *, every: timedelta) -> None:
    """Tell which zones have fallen silent, once all have been judged since: five in the same hour are one event.

    Whoever judged the last of them sees all. An alert waits for zones that somebody still judges, and no longer than
    `OUTAGE_WAITS`. One at a time looks, and nobody judges a zone of which this is about: it has locked their work. It
    waits for no lock: who judges a long backlog holds up no other zone's news.
    """
    asked = {"name": JOB, "every": every, "patient_until": now - OUTAGE_WAITS}
    with connection.transaction():
        if connection.execute(SQL["outages_to_tell"], asked).fetchone() is None:
            return
        ours = dict(connection.execute(SQL["lock_silent_zones"], asked).fetchall())
        rows = connection.execute(SQL["live_outages"], {"zones": list(ours)}).fetchall()
        for first, *others in shared_outages([Silence(*row) for row in rows]):
            _explain(connection, first.key, [one.key for one in others], now)
        for alert_id, zone, has_waited in connection.execute(SQL["outages_to_tell"], asked).fetchall():
            if zone in ours and (ours[zone] or has_waited):
                begin(connection, alert_id, now=now)


def _explain(connection: Connection, cause: int, alerts: list[int], now: datetime) -> None:
    """Alerts that are one event with `cause`: only that one is told."""
    for (alert_id,) in connection.execute(SQL["explain"], {"cause": cause, "alerts": alerts}).fetchall():
        _event(connection, alert_id, now, "explained", {"explained_by": cause})


def _leave_causes(connection: Connection, zones: Sequence[str], now: datetime) -> None:
    """What has outlived its cause is explained by another that is there and is told itself, or by nothing any more."""
    rows = connection.execute(SQL["left_by_causes"], {"zones": zones}).fetchall()
    for alert_id, zone, fault, first, last, channels, cause, cause_fault, ended in rows:
        if not is_outlived(_kind(cause_fault), ended, _kind(fault), first, last):
            continue
        there = [
            Known(key, _kind(name), asset, began, None, rests_on or ())
            for key, name, asset, began, rests_on in connection.execute(SQL["causes_told"], {"zone": zone})
        ]
        other = cause_of(_kind(fault), first, now, there, rests_on=channels or ())
        connection.execute(SQL["outlived"], {"alert": alert_id, "cause": None if other is None else other.key})
        _event(connection, alert_id, now, "outlived", {"explained_by": cause})
        if other is not None:
            _event(connection, alert_id, now, "explained", {"explained_by": other.key})
        connection.execute(SQL["look_again"], {"alert": alert_id, "now": now})


def _event(connection: Connection, alert_id: int, at: datetime, kind: str, detail: Mapping[str, object]) -> None:
    told = {"alert": alert_id, "at": at, "kind": kind, "who": "ndiyan", "detail": json.dumps(detail)}
    connection.execute(SQL["insert_event"], told)


class Judgement:
    """One evaluation of several zones inside the caller's transaction; into the past of `late` ones readings came."""

    def __init__(self, connection: Connection, zones: Sequence[str], now: datetime, late: Set[str]) -> None:
        self._connection, self._now, self._late = connection, now, late
        self._sites: dict[str, Site] = {site.zone_id: site for site in fetch_sites(connection, zones)}
        self._settings = Settings(fetch_settings(connection))
        self._wrong_packs = fetch_wrong_packs(connection, zones, now - CLOCKS_BACK)

    def run(
        self, watermarks: Mapping[str, datetime | None], progress: Progress | None = None
    ) -> dict[str, datetime | None]:
        """Judge each zone from its watermark to its newest reading, then silence; returns the new watermarks."""
        spans = self._spans(watermarks)
        total = sum(_days(start, newest) for start, newest in spans.values())
        done = 0
        books = {zone: _ZoneBook(self._connection, zone, self._now, self._settings) for zone in watermarks}
        heard = {zone: newest for zone, (_, newest) in spans.items()}
        for zone, wrong in self._wrong_packs.items():  # also of zones of which nothing was ever stored for it
            books[zone].judge([judge_packs(wrong.packs)], live_now=True)
        for zones in _together(spans):
            start, newest = min(spans[zone][0] for zone in zones), max(spans[zone][1] for zone in zones)
            while start < newest:
                end = min(start + AT_ONCE, newest)
                conditions = self._conditions(zones, start, end, heard)
                for zone in zones:
                    is_live = end >= spans[zone][1] and self._now - spans[zone][1] <= HEARD_WITHIN
                    books[zone].judge(conditions[zone], live_now=is_live)
                done += len(zones) * _days(start, end)
                if progress is not None:
                    progress(min(done, total), total)
                start = end
            silence = judge_silence_now(np.array([spans[zone][1].timestamp() for zone in zones]), self._now.timestamp())
            for row, zone in enumerate(zones):
                books[zone].judge_silence(silence.condition(row), spans[zone][1])
        _leave_causes(self._connection, list(books), self._now)
        for zone, book in books.items():
            is_fresh = zone in spans and self._now - spans[zone][1] <= HEARD_WITHIN
            book.tell(is_fresh=is_fresh, speaks=zone in self._wrong_packs)
        return {zone: spans[zone][1] if zone in spans else mark for zone, mark in watermarks.items()}

    def _spans(self, watermarks: Mapping[str, datetime | None]) -> dict[str, tuple[datetime, datetime]]:
        """From where to where each zone is to be judged; zones without a reading are left out."""
        newest = dict(self._connection.execute(SQL["newest_readings"], {"zones": list(watermarks)}).fetchall())
        fresh = [zone for zone, mark in watermarks.items() if mark is None and zone in newest]
        first = dict(self._connection.execute(SQL["first_readings"], {"zones": fresh}).fetchall()) if fresh else {}
        return {
            zone: (min(watermarks[zone] or first[zone], newest_at), newest_at) for zone, newest_at in newest.items()
        }

    def _conditions(
        self, zones: Sequence[str], start: datetime, end: datetime, newest: Mapping[str, datetime]
    ) -> dict[str, list[Condition]]:
        """What the detectors say of each zone between `start` and `end`; only what may matter to its alerts."""
        begin_s = (start - LOOKBACK).timestamp() // DAY_S * DAY_S
        steps = int((end.timestamp() - begin_s) // STEP_S) + 1
        asked = Sites(self._sites[zone] for zone in zones)
        grid = fetch_grid(self._connection, asked, begin_s, steps, with_sky=True, newest=newest)
        days = days_of(grid, features_of(grid.sites))
        self._keep(grid, days)
        past = fetch_past_days(self._connection, grid.sites, begin_s, back=DAYS_BACK)
        scene = Scene(grid, days.after(past), self._settings.overrides(zones))
        signals = signals_of(scene, DETECTORS)
        live = {
            (zone, fault, asset)
            for zone, fault, asset in self._connection.execute(SQL["live_kinds"], {"zones": list(zones)})
        }
        found: dict[str, list[Condition]] = {zone: [] for zone in zones}
        for signal in signals:
            is_seen = (signal.verdict == Verdict.PRESENT).any(axis=1)
            since_s = start.timestamp() - _memory(RULES[signal.fault]).total_seconds()
            for row, zone in enumerate(zones):
                if is_seen[row] or (zone, signal.fault.value, signal.asset) in live:
                    condition = signal.condition(row)
                    if signal.fault is Fault.CLOCK_ERROR and zone in self._wrong_packs:
                        condition = _right_since(condition, self._wrong_packs[zone], grid, row)
                    condition = condition.since(since_s)
                    found[zone].append(replace(condition, is_late=zone in self._late))
        return found

    def _keep(self, grid: Grid, days: Days) -> None:
        """Keep the features of days that are over."""
        rows, names = [], kept_names(grid.sites, features_of(grid.sites))
        for row, zone in enumerate(grid.sites.zone_ids):
            for place in np.flatnonzero(days.day_s + DAY_S <= grid.heard_until_s[row]):
                day = datetime.fromtimestamp(float(days.day_s[place]), UTC).date()
                known = {
                    names[row][name]: float(value[row, place])
                    for name, value in days.values.items()
                    if np.isfinite(value[row, place])
                }
                if known:
                    rows.append({"zone": zone, "day": day, "features": json.dumps(known)})
        if rows:
            self._connection.cursor().executemany(SQL["keep_day"], rows)


def _right_since(condition: Condition, wrong: WrongPacks, grid: Grid, row: int) -> Condition:
    """What a clock's own witnesses cannot tell, readings do that came by a right one since: those of the gateway itself
    and of what was dated anew. Where neither was ever heard nobody knows who sent what was set aside: all count."""
    known = [one for one in grid.raw if one in grid.sites.sites[row].channels]
    own = [one for one in known if one[0] == "gateway" or "/".join(one) in wrong.channels]
    heard = np.any([np.isfinite(grid.raw[one][row]) | grid.is_bad(*one)[row] for one in own or known], axis=0)
    is_right = (condition.verdict == Verdict.CANNOT_TELL) & (condition.t_s > wrong.packs[-1].at_s) & heard
    return replace(condition, verdict=np.where(is_right, Verdict.ABSENT, condition.verdict).astype(np.int8))


def _days(start: datetime, end: datetime) -> int:
    return max(1, (end - start).days)


def _together(spans: Mapping[str, tuple[datetime, datetime]]) -> list[list[str]]:
    """Zones whose judging begins on the same day and is read in one piece."""
    groups: dict[object, list[str]] = {}
    for zone, (start, _) in spans.items():
        groups.setdefault(start.date(), []).append(zone)
    return list(groups.values())


def _memory(rule: Rule) -> timedelta:
    """How far before new readings an episode may have begun that they complete."""
    return max(LOOKBACK, rule.on_delay + rule.max_gap + timedelta(days=1))


class _ZoneBook:
    """The alerts of one zone during an evaluation: conditions in, rows and notifications out."""

    def __init__(self, connection: Connection, zone_id: str, now: datetime, settings: Settings) -> None:
        self._connection, self._zone_id, self._now, self._settings = connection, zone_id, now, settings
        self._known: list[Known] = []
        self._resolved: dict[int, timedelta] = {}  # and how long until it is a new alert that would come
        self._found_late: set[int] = set()  # opened in this evaluation, but not now

    def judge(self, conditions: list[Condition], *, live_now: bool) -> None:
        """Apply what conditions do to the alerts of this zone, in the order in which it happened."""
        if not conditions:
            return
        since_s = min(float(condition.t_s[0]) for condition in conditions)
        live, ended = self._live(), self._ended(since_s)
        self._known = self._causes(since_s)
        steps = [
            step
            for condition in conditions
            for step in transitions(condition, live, ended, rule=self._settings.rule(condition.fault, self._zone_id))
        ]
        for step in sorted(steps, key=_when):
            self._apply(step, live_now=live_now)

    def judge_silence(self, condition: Condition, newest: datetime) -> None:
        """Open or close the alert about a zone that has been silent since `newest`."""
        for step in transitions(condition, self._live(), self._ended(newest.timestamp())):
            self._apply(replace(step, first_evidence_at=newest) if isinstance(step, Opening) else step, live_now=True)

    def _apply(self, step: Transition, *, live_now: bool) -> None:
        if isinstance(step, Continuing):
            continued = {"alert": step.alert.alert_id, "last": step.last_evidence_at, "times": step.times}
            self._connection.execute(SQL["continue_alert"], continued)
        elif isinstance(step, Resolving):
            alert_id, at = step.alert.alert_id, self._now if live_now else step.cleared_at
            is_late = alert_id in self._found_late
            resolved = {
                "alert": alert_id,
                "cleared": step.cleared_at,
                "now": at,
                "is_late": is_late,
                "times": step.times,
            }
            if self._connection.execute(SQL["resolve_alert"], resolved).fetchone():
                self._event(alert_id, at, "resolved", {"cleared_at": step.cleared_at.isoformat()})
                if not is_late:
                    rule = self._settings.rule(step.alert.fault, self._zone_id)
                    self._resolved[alert_id] = rule.rejoin + rule.on_delay
        elif isinstance(step, Returning):
            self._return(step, live_now=live_now)
        else:
            self._open(step, live_now=live_now)

    def _return(self, step: Returning, *, live_now: bool) -> None:
        """What was resolved a moment ago is the same alert again; the ladder knows whether its end was told."""
        alert_id = step.alert.alert_id
        at = self._now if live_now and step.cleared_at is None else step.confirmed_at
        returned = {
            "alert": alert_id, "last": step.last_evidence_at, "cleared": step.cleared_at, "times": step.times,
        }  # fmt: skip
        if self._connection.execute(SQL["return_alert"], returned).fetchone():
            self._event(alert_id, at, "returned", {"times": step.times})
            if step.cleared_at is None:
                self._resolved.pop(alert_id, None)
                self._connection.execute(SQL["look_again"], {"alert": alert_id, "now": self._now})
            else:
                self._event(alert_id, step.cleared_at, "resolved", {"cleared_at": step.cleared_at.isoformat()})

    def _open(self, step: Opening, *, live_now: bool) -> None:
        condition, is_over = step.condition, step.cleared_at is not None
        evidence = condition.describe(step.first, step.last)
        changed = self._settings.told_with(condition.fault, self._zone_id)
        evidence = replace(evidence, thresholds={**evidence.thresholds, **changed})
        opened_at = self._now if live_now and not is_over else step.confirmed_at
        cause = cause_of(
            condition.fault, step.first_evidence_at, step.confirmed_at, self._known, rests_on=evidence.channels
        )  # fmt: skip
        explained_by = None if cause is None else cause.key
        doubted = cause is not None and cause.fault in SENSOR_FAULTS
        row = self._connection.execute(
            SQL["insert_alert"],
            {
                "zone": self._zone_id, "fault": condition.fault.value, "asset": condition.asset,
                "severity": RULES[condition.fault].severity,
                "state": (AlertState.RESOLVED if is_over else AlertState.OPEN).value,
                "first": step.first_evidence_at, "last": step.last_evidence_at, "opened": opened_at,
                "cleared": step.cleared_at, "resolved": step.cleared_at, "is_late": is_over,
                "confidence": evidence.confidence, "evidence": json.dumps(evidence.as_json()),
                "explained_by": explained_by, "times": step.times,
            },
        ).fetchone()  # fmt: skip
        if row is None:
            return  # judged before: this is a repeat
        self._known.append(
            Known(
                row[0], condition.fault, condition.asset, step.first_evidence_at, step.cleared_at, evidence.channels,
                doubted,
            )
        )  # fmt: skip
        if not live_now:
            self._found_late.add(row[0])
        self._event(row[0], opened_at, "opened", {"explained_by": explained_by} if explained_by else {})
        if step.cleared_at is not None:
            self._event(row[0], step.cleared_at, "resolved", {"cleared_at": step.cleared_at.isoformat()})
        log.info(
            "%s %s", "recorded late:" if is_over else "opened:", condition.fault.value,
            extra={"zone_id": self._zone_id, "alert_id": row[0], "action": "opened"},
        )  # fmt: skip

    def tell(self, *, is_fresh: bool, speaks: bool) -> None:
        """Set what is live and new on its ladder, and tell what has ended now; of silence `tell_outages` tells.

        Of a zone that `speaks` by a wrong clock that is told, whatever becomes of its readings.
        """
        if is_fresh or speaks:
            asked = {
                "zone": self._zone_id, "heard_since": self._now - HEARD_WITHIN, "patient_until": self._now - OLD_WAITS,
            }  # fmt: skip
            for alert_id, fault in self._connection.execute(SQL["untold"], asked).fetchall():
                if is_fresh or fault == Fault.CLOCK_ERROR:
                    begin(self._connection, alert_id, now=self._now)
        for alert_id, settles in self._resolved.items():
            tell_end(self._connection, alert_id, now=self._now, settles=settles)

    def _live(self) -> list[LiveAlert]:
        rows = self._connection.execute(SQL["live_alerts"], {"zone": self._zone_id}).fetchall()
        return [
            LiveAlert(alert_id, _kind(fault), asset, AlertState(state), first, last, is_told)
            for alert_id, fault, asset, state, first, last, is_told in rows
        ]

    def _causes(self, since_s: float) -> list[Known]:
        """What may explain an alert whose evidence begins at `since_s` or later."""
        since = datetime.fromtimestamp(since_s, UTC) - LONGEST_REJOIN
        asked = {"zone": self._zone_id, "since": since, "sensor_faults": [fault.value for fault in SENSOR_FAULTS]}
        return [
            Known(alert_id, _kind(fault), asset, first, cleared, channels or (), doubted)
            for alert_id, fault, asset, first, cleared, channels, doubted in self._connection.execute(
                SQL["known_alerts"], asked
            )
        ]

    def _ended(self, since_s: float) -> list[EndedAlert]:
        """Resolved alerts that reach into the time from `since_s` on, and how far each kind has been judged."""
        since = datetime.fromtimestamp(since_s, UTC) - LONGEST_REJOIN
        rows = self._connection.execute(SQL["ended_alerts"], {"zone": self._zone_id, "since": since}).fetchall()
        return [
            EndedAlert(alert_id, _kind(fault), asset, first, cleared) for alert_id, fault, asset, first, cleared in rows
        ]

    def _event(self, alert_id: int, at: datetime, kind: str, detail: dict[str, object]) -> None:
        _event(self._connection, alert_id, at, kind, detail)


def _kind(name: str) -> Fault | State:
    return Fault(name) if name in set(Fault) else State(name)


def _when(step: Transition) -> datetime:
    if isinstance(step, Opening):
        return step.confirmed_at
    if isinstance(step, Returning):
        return step.confirmed_at
    return step.last_evidence_at if isinstance(step, Continuing) else step.cleared_at
