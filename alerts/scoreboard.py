"""How well alerts tell the truth, when the truth is known: recall, precision, false alarms, how soon, how many SMS.

A label counts as *named* when an alert of the same kind (and the same tap) opened while it could be seen, or soon
after; a fault that never could be seen need not be named, but to name it is right. An alert that overlaps a fault of
its family under another name is *misnamed*: neither a hit nor a false alarm. States that explain (a nearly empty tower)
and alerts that another alert explains are no claims about faults and are left out of precision; their SMS are counted.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

from alerts.backtest import PastAlert
from alerts.errors import HistoryError
from gateway.model import Fault, State

EARLY = timedelta(hours=1)
SEEN_LATER = timedelta(hours=48)  # an alert may come so long after the fault is over and still be about it
MONTH = timedelta(days=365.25 / 12)
AROUND = timedelta(days=2)  # a fault leaves traces this long
COLUMNS = ("zone", "fault", "asset", "severity", "size", "onset", "start", "end")
FAMILIES: Sequence[frozenset[Fault]] = (
    frozenset({Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.FLOAT_STUCK_FULL}),
    frozenset({Fault.DRY_RUNNING, Fault.YIELD_DROP}),
    frozenset({Fault.PUMP_WEAR, Fault.PUMP_CLOGGED, Fault.FLOW_METER_STOPPED, Fault.YIELD_DROP}),
    frozenset({Fault.PV_SOILING, Fault.PV_STRING_LOSS}),
    frozenset({Fault.NIGHT_LEAK, Fault.PIPE_BURST, Fault.TAP_LEFT_OPEN}),
    frozenset({Fault.TOWER_LEAK, Fault.CHECK_VALVE_LEAK}),
    frozenset(
        {
            Fault.SENSOR_STUCK, Fault.SENSOR_DRIFT, Fault.SENSOR_SPIKES, Fault.SENSOR_OUT_OF_RANGE,
            Fault.FLOW_METER_STOPPED,
        }
    ),
    frozenset({Fault.COMMS_OUTAGE, Fault.GATEWAY_BATTERY_LOW, Fault.CLOCK_ERROR}),
)  # fmt: skip


class Label(NamedTuple):
    """A fault as it truly was; `start` is when it could first be seen, its onset where it never showed."""

    zone: str
    fault: Fault
    asset: str
    severity: int
    size: str
    onset: datetime
    start: datetime
    end: datetime
    shows: bool = True


@dataclass(frozen=True, slots=True)
class Score:
    """What a backtest is worth; shares are 0 to 1, None where there is nothing to count."""

    labels: int
    named: int
    precision: float | None
    true_alerts: int
    misnamed: int
    false_alerts: int
    false_per_zone_month: float | None
    false_per_clean_zone_month: float | None
    hours_to_detect: Mapping[int, float]  # median, by severity
    sms_per_zone_week: float
    sms_price_gnf: float
    recall_by: Mapping[str, Mapping[str, tuple[int, int]]]  # by fault, size, severity: (named, all)
    confusion: Mapping[tuple[str, str], int]  # (true kind, kind of the alert or "nothing")
    false_kinds: Mapping[str, int]

    @property
    def recall(self) -> float | None:
        """Named labels among all."""
        return self.named / self.labels if self.labels else None


def read_labels(file: Path, *, until: datetime) -> list[Label]:
    """Read `labels.csv`; a fault that is not over ends at `until`.

    To miss one that never showed itself is no miss, to name it is no false alarm.

    Raises
    ------
    HistoryError : a column is missing, a fault unknown, a time unreadable
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines, restval=""))
    except OSError as error:
        raise HistoryError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise HistoryError(f"{file}: is not UTF-8: {error.reason} at byte {error.start}") from error
    labels = []
    for number, row in enumerate(rows, start=2):
        if missing := [name for name in COLUMNS if name not in row]:
            raise HistoryError(f"{file}: column {missing[0]!r} is missing")
        try:
            labels.append(
                Label(
                    row["zone"], Fault(row["fault"]), row["asset"], int(float(row["severity"])), row["size"],
                    _time(row["onset"] or row["start"]), _time(row["start"] or row["onset"]),
                    _time(row["end"]) if row["end"] else until, bool(row["start"]),
                )
            )  # fmt: skip
        except ValueError as error:
            raise HistoryError(f"{file}: line {number}: {error}") from error
    return labels


def score(
    alerts: Sequence[PastAlert],
    labels: Sequence[Label],
    *,
    zones: Sequence[str],
    start: datetime,
    end: datetime,
    price_gnf: float,
) -> Score:
    """Hold alerts against the truth of the time [start, end) in these zones."""
    by_zone = _by_zone(labels)
    spoken: dict[str, list[PastAlert]] = defaultdict(list)
    for alert in alerts:
        spoken[alert.zone].append(alert)

    recall_by: dict[str, dict[str, list[int]]] = {"fault": {}, "size": {}, "severity": {}}
    delays: dict[int, list[float]] = defaultdict(list)
    confusion: Counter[tuple[str, str]] = Counter()
    named = 0
    shown = [label for label in labels if label.shows]
    for label in shown:
        hits = [alert for alert in spoken[label.zone] if _is_about(alert, label)]
        for key, word in (("fault", label.fault.value), ("size", label.size), ("severity", str(label.severity))):
            count = recall_by[key].setdefault(word, [0, 0])
            count[0] += bool(hits)
            count[1] += 1
        if hits:
            named += 1
            first = min(alert.opened_at for alert in hits)
            delays[label.severity].append(max(0.0, (first - label.start).total_seconds() / 3600))
            confusion[label.fault.value, label.fault.value] += 1
        else:
            others = [a for a in spoken[label.zone] if isinstance(a.fault, Fault) and _overlaps(a, label)]
            related = [a.fault.value for a in others if _are_related(a.fault, label.fault)]
            confusion[label.fault.value, min(related) if related else "nothing"] += 1

    verdicts = judged_claims(alerts, labels)
    counts = Counter(verdict for _, verdict in verdicts)
    false_alerts = [alert for alert, verdict in verdicts if verdict == "false"]
    whole = (end - start) / MONTH * len(zones)
    clean, false_in_clean = _clean(zones, by_zone, false_alerts, start, end)
    claimed = counts["true"] + counts["misnamed"] + counts["false"]
    sms = sum(alert.sms_count for alert in alerts)
    return Score(
        len(shown), named, counts["true"] / claimed if claimed else None, counts["true"], counts["misnamed"],
        counts["false"], counts["false"] / whole if whole else None, false_in_clean / clean if clean else None,
        {severity: median(found) for severity, found in sorted(delays.items())},
        sms / (whole * MONTH / timedelta(weeks=1)) if whole else 0.0, sms * price_gnf,
        {key: {word: (hit, of) for word, (hit, of) in sorted(found.items())} for key, found in recall_by.items()},
        dict(confusion), dict(Counter(alert.fault.value for alert in false_alerts)),
    )  # fmt: skip


def judged_claims(alerts: Sequence[PastAlert], labels: Sequence[Label]) -> list[tuple[PastAlert, str]]:
    """Each alert that claims a fault, and whether it is "true", "misnamed" or "false"."""
    by_zone = _by_zone(labels)
    claims = [alert for alert in alerts if isinstance(alert.fault, Fault) and alert.explained_by is None]
    return [(alert, _verdict(alert, by_zone.get(alert.zone, ()))) for alert in claims]


def missed(alerts: Sequence[PastAlert], labels: Sequence[Label]) -> list[Label]:
    """The labels that no alert names."""
    return [one for one in labels if one.shows and not any(_is_about(a, one) for a in alerts if a.zone == one.zone)]


def _by_zone(labels: Iterable[Label]) -> Mapping[str, Sequence[Label]]:
    found: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        found[label.zone].append(label)
    return found


def told(score: Score) -> str:
    """The scoreboard as text: never recall without false alarms beside it."""
    kinds = f"{score.true_alerts} true, {score.misnamed} misnamed, {score.false_alerts} false"
    clean = f"on fault-free zone-months {_number(score.false_per_clean_zone_month)}"
    lines = [
        f"named recall              {_share(score.recall)}  ({score.named} of {score.labels})",
        f"precision                 {_share(score.precision)}  ({kinds})",
        f"false alerts a zone-month {_number(score.false_per_zone_month)}  ({clean})",
        f"SMS a zone-week           {score.sms_per_zone_week:.2f}  (together {score.sms_price_gnf:,.0f} GNF)",
    ]
    for severity, hours in sorted(score.hours_to_detect.items(), reverse=True):
        lines.append(f"median time to detect     {hours:.1f} h  (severity {severity})")
    for key in ("severity", "size", "fault"):
        lines.append("")
        for word, (hit, of) in score.recall_by[key].items():
            lines.append(f"  {key} {word:22} {hit:4} of {of:4}  {_share(hit / of)}")
    missed = sorted((pair, n) for pair, n in score.confusion.items() if pair[0] != pair[1])
    if missed:
        lines.append("\nmissed, and what was said instead:")
        lines += [f"  {true:22} {said:22} {n}" for (true, said), n in missed]
    if score.false_kinds:
        lines.append("\nfalse alerts by kind:")
        lines += [f"  {kind:22} {n}" for kind, n in sorted(score.false_kinds.items())]
    return "\n".join(lines)


def as_json(score: Score) -> dict[str, object]:
    """The scoreboard for machines."""
    return {
        "labels": score.labels, "named": score.named, "recall": score.recall, "precision": score.precision,
        "true_alerts": score.true_alerts, "misnamed": score.misnamed, "false_alerts": score.false_alerts,
        "false_per_zone_month": score.false_per_zone_month,
        "false_per_clean_zone_month": score.false_per_clean_zone_month,
        "median_hours_to_detect": {str(key): hours for key, hours in score.hours_to_detect.items()},
        "sms_per_zone_week": score.sms_per_zone_week, "sms_price_gnf": score.sms_price_gnf,
        "recall_by": {
            key: {word: {"named": hit, "of": of} for word, (hit, of) in found.items()}
            for key, found in score.recall_by.items()
        },
        "confusion": [{"true": true, "said": said, "count": n} for (true, said), n in sorted(score.confusion.items())],
        "false_kinds": dict(score.false_kinds),
    }  # fmt: skip


def _is_about(alert: PastAlert, label: Label) -> bool:
    same_tap = not label.asset.startswith("tap-") or alert.asset == label.asset
    return alert.fault == label.fault and same_tap and _overlaps(alert, label)


def _overlaps(alert: PastAlert, label: Label) -> bool:
    """It opened while the fault was there, or soon after."""
    return label.onset - EARLY <= alert.opened_at <= label.end + SEEN_LATER


def _are_related(one: Fault | State, other: Fault) -> bool:
    return any(one in family and other in family for family in FAMILIES)


def _verdict(alert: PastAlert, labels: Iterable[Label]) -> str:
    near = [label for label in labels if _overlaps(alert, label)]
    if any(_is_about(alert, label) for label in near):
        return "true"
    return "misnamed" if any(_are_related(alert.fault, label.fault) for label in near) else "false"


def _clean(
    zones: Sequence[str],
    labels: Mapping[str, Sequence[Label]],
    false_alerts: Sequence[PastAlert],
    start: datetime,
    end: datetime,
) -> tuple[float, int]:
    """Zone-months in which nothing was broken, and the false alerts in them; counted by days."""
    broken: dict[str, set[int]] = {zone: set() for zone in zones}
    total = max(0, (end - start).days)
    for zone in zones:
        for label in labels.get(zone, ()):
            first = (label.onset - AROUND - start).days
            last = (label.end + AROUND - start).days
            broken[zone].update(range(max(0, first), min(total, last + 1)))
    clean_days = sum(total - len(days) for days in broken.values())
    false_in_clean = sum((a.opened_at - start).days not in broken.get(a.zone, set()) for a in false_alerts)
    return clean_days / (MONTH / timedelta(days=1)), false_in_clean


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _share(value: float | None) -> str:
    return "  —  " if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}"
