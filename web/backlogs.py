"""Files of readings as pages and API show them: what their columns are, and what their first values would become."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.model import channel_spec
from gateway.units import CONVERSIONS, FIELD_UNITS
from gateway.whole import whole
from ingest.backlog import COLUMNS, Layout, Seen, Target, header_of, is_long, preview
from ingest.backlog_files import BacklogFile, find_file, lines_of
from ingest.db import Connection
from ingest.errors import BacklogUnreadable
from ingest.readings_pg import PgReadings
from web.errors import NotThere

FARTHEST_MIN = 840  # of a time zone from UTC: islands in the Pacific
SHOWN_VALUES = 12
HEAD_LINES = 20
MOST_COLUMNS = 60
TIME_NAMES = ("time", "timestamp", "date", "datetime", "heure", "date/heure", "horodatage")


@dataclass(frozen=True, slots=True)
class Look:
    """The beginning of a file: its columns and rows as they stand, and what its first values would become.

    `why_not` is why it cannot be read as it is laid out now, None when it can; without a line of names it has no
    columns.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]]
    is_long: bool
    layout: Layout
    seen: Sequence[Seen]
    why_not: str | None


def fetch_file(connection: Connection, number: int) -> BacklogFile:
    """A file; `NotThere` when there is none of this number."""
    found = find_file(connection, number)
    if found is None:
        raise NotThere("file", number)
    return found


def look_into(connection: Connection, found: BacklogFile, now: datetime) -> Look:
    """The beginning of a file as it is laid out, or, before anybody said how, as its names let one guess."""
    head = list(itertools.islice(lines_of(connection, found.number), HEAD_LINES))
    try:
        names, rows = header_of(head)
    except BacklogUnreadable as error:
        return Look([], [], False, found.layout, [], str(error))
    layout = found.layout if is_long(names) else _guessed(found.layout, names)
    seen: list[Seen] = []
    why_not: str | None = None
    try:
        if not is_long(names) and not layout.targets:
            raise BacklogUnreadable(f"no column is told to hold a channel; long form names {', '.join(COLUMNS)}")
        seen = preview(connection, head, layout=layout, now=now, limit=SHOWN_VALUES)
    except BacklogUnreadable as error:
        why_not = str(error)
    return Look(names[:MOST_COLUMNS], rows, is_long(names), layout, seen, why_not)


def targets_of_zone(connection: Connection, zone: str | None) -> dict[str, tuple[str, ...]]:
    """`asset/channel` of each channel of a zone → the units in which it may be written, its own first; of several words
    for one unit the first."""
    found: dict[str, tuple[str, ...]] = {}
    for row in PgReadings(connection).channels(zone) if zone else ():
        known = {row.unit: (1.0, 0.0)} | CONVERSIONS[row.unit] | FIELD_UNITS.get(row.unit, {})
        words = {scale: unit for unit, scale in reversed(known.items()) if unit}
        found[f"{row.asset_id}/{row.name}"] = tuple(unit for unit in known if unit in words.values())
    return found


def layout_of(form: Mapping[str, str], names: Sequence[str]) -> Layout:
    """How a form says that a file is to be read; what is no channel of ours is left out."""
    targets: dict[str, Target] = {}
    time = "time"
    for place, name in enumerate(names):
        what = form.get(f"colonne-{place}", "")
        asset, _, channel = what.partition("/")
        if what == "time":
            time = name
        elif channel_spec(asset, channel) is not None:
            targets[name] = Target(asset, channel, form.get(f"unite-{place}", ""))
    minutes = whole(form.get("decalage", "0"))
    offset_min = minutes if minutes is not None and abs(minutes) <= FARTHEST_MIN else 0
    return Layout(form.get("zone") or None, offset_min, time, targets)


def _guessed(layout: Layout, names: Sequence[str]) -> Layout:
    """A layout with what the names tell: the time, and columns that bear names of ours, `tower/level_m`."""
    if layout.targets:
        return layout
    time = next((name for name in names if name.lower() in TIME_NAMES), layout.time)
    targets: dict[str, Target] = {}
    for name in names:
        asset, _, channel = name.partition("/")
        if channel_spec(asset, channel) is not None:
            targets[name] = Target(asset, channel)
    return replace(layout, time=time, targets=targets)
