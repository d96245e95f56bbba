"""The product's own backtest over sets of readings, and one scoreboard over all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from alerts.backtest import PastAlert, judge_history
from alerts.config import PRICE_GNF
from alerts.files import sites_of
from alerts.scene import STEP_S, Grid, Sites
from alerts.scoreboard import Label, Score, judged_claims, missed, score, told
from benchmarks.villages.faults import CATALOGUE
from benchmarks.villages.sets import LivedSet, channel_name
from benchmarks.villages.span import Span
from gateway.zones import Zone

NOTHING = "nothing"  # was told: the scoreboard's word
Progress = Callable[[int, int], None]
"""Called with (zones that are done, zones in all)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Zones with what was said of them and what is true."""

    zones: Sequence[Zone]
    alerts: Sequence[PastAlert]
    labels: Sequence[Label]


def judge(lived: LivedSet, *, progress: Progress | None = None) -> Judged:
    """What `ndiyan backtest` says of these files."""
    first_s, last_s = lived.history.span_s
    around = sites_of(lived.zones)

    def grid_of(some: Sequence[Zone]) -> Grid:
        return lived.history.grid(Sites(sites_of(some)), first_s, last_s + STEP_S, around=around)

    alerts, _ = judge_history(lived.zones, grid_of, progress=progress)
    return Judged(lived.zones, alerts, lived.labels)


def together(found: Sequence[tuple[int, Judged]]) -> Judged:
    """Sets of several seeds as one; each zone bears its seed before its name."""
    zones, alerts, labels = [], [], []
    for seed, one in found:
        zones += [replace(zone, zone_id=type(zone.zone_id)(f"{seed}/{zone.zone_id}")) for zone in one.zones]
        alerts += [replace(alert, zone=f"{seed}/{alert.zone}") for alert in one.alerts]
        labels += [label._replace(zone=f"{seed}/{label.zone}") for label in one.labels]
    return Judged(zones, alerts, labels)


def score_of(judged: Judged, span: Span) -> Score:
    """The scoreboard of the product."""
    return score(
        judged.alerts, judged.labels, zones=[zone.zone_id for zone in judged.zones], start=span.at(0),
        end=span.at(span.minutes), price_gnf=PRICE_GNF,
    )  # fmt: skip


def seen_recall(judged: Judged, span: Span) -> float | None:
    """Named among the faults that the channels that are there can show."""
    has = {
        str(zone.zone_id): {channel_name(asset.asset_id, spec.name) for asset in zone.assets for spec in asset.channels}
        for zone in judged.zones
    }
    labels = [one for one in judged.labels if has[one.zone].intersection(CATALOGUE[one.fault].shows_in)]
    return score_of(replace(judged, labels=labels), span).recall


def false_by_kind(judged: Judged, span: Span) -> dict[str, tuple[int, float, float]]:
    """By kind of alert: how many are false, and how many in a zone-month, in all and in fault-free ones."""
    found = {}
    for kind, count in sorted(score_of(judged, span).false_kinds.items()):
        only = score_of(replace(judged, alerts=[one for one in judged.alerts if one.fault == kind]), span)
        found[kind] = count, only.false_per_zone_month or 0.0, only.false_per_clean_zone_month or 0.0
    return found


def told_board(judged: Judged, span: Span) -> str:
    """The scoreboard as text, false alerts by kind at its end."""
    text = told(score_of(judged, span))
    kinds = false_by_kind(judged, span)
    if not kinds:
        return text
    lines = [f"  {kind:22} {of_all:5.2f}  {clean:5.2f}" for kind, (_, of_all, clean) in kinds.items()]
    return "\n".join([text, "\nfalse alerts a zone-month by kind, in all and in fault-free ones:", *lines])


def told_confusion(judged: Judged, span: Span) -> str:
    """Truth by what was told, as a table in Markdown: faults that were all named are left out."""
    counts = score_of(judged, span).confusion
    of = Counter[str]()
    for (true, _), count in counts.items():
        of[true] += count
    wrong = sorted({said for true, said in counts if said not in (true, NOTHING)})
    heads = ["truth", "of", "named", NOTHING, *wrong]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for true in sorted(of):
        if counts.get((true, true), 0) < of[true]:
            told_as = (counts.get((true, said), 0) for said in (true, NOTHING, *wrong))
            lines.append(f"| {true} | {of[true]} | {' | '.join(str(n or '') for n in told_as)} |")
    return "\n".join(lines)


def told_each(judged: Judged) -> str:
    """A line for each false alert, misname and miss, so that it can be looked at."""
    lines = [
        f"  {verdict:8} {alert.zone} {alert.fault} {alert.asset}, {alert.opened_at:%d %b %H:%M} to "
        f"{'now' if alert.closed_at is None else format(alert.closed_at, '%d %b %H:%M')}: {alert.evidence.sentence_en}"
        for alert, verdict in judged_claims(judged.alerts, judged.labels)
        if verdict != "true"
    ]
    lines += [
        f"  missed   {label.zone} {label.fault} {label.asset}, {label.size}, {label.start:%d %b %H:%M} to "
        f"{label.end:%d %b %H:%M}"
        for label in missed(judged.alerts, judged.labels)
    ]
    return "\n".join(lines)
