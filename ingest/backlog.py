"""A backlog from a file: what a logger kept while it had no network, or a technician brought home. CSV.

Each value becomes a SenML record and goes through the admission of any other message, so one that cannot be accepted is
set aside with its reason and its neighbours are stored; the same file twice is stored once. The record bears the number
of its line, by which a person finds it again.
"""

from __future__ import annotations

import csv
import itertools
import json
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from gateway.clock import instant_from_us, us_from_instant
from gateway.model import channel_spec
from gateway.units import CONVERSIONS, WIRE_UNIT, field_conversion, wire_value
from gateway.wire import MAX_READINGS_PER_PACK, senml_topic
from ingest.admission import Directory, Message, RejectReason, SetAside, admit
from ingest.db import Connection, queries
from ingest.errors import BacklogUnreadable
from ingest.pipeline import Committed, Pipeline, fetch_directory
from ingest.senml import RELATIVE_BELOW_S, split_name

SQL = queries("ingest", "backlog")
COLUMNS = ("time", "asset", "channel", "value")
DELIMITERS = (";", "\t")  # looked for in the first line; else commas
PACKS_AT_ONCE = 50
LONGEST_FIELD = 200
LONGEST_LINE = 65_536  # letters; as many commas make as many fields, which take 70 times the memory
MOST_LINES = 10  # of a row with line breaks in a cell; beyond, its quotation mark is a stray one
EXCEL_TIMES = ("%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")  # as Excel writes in Guinea: day, month, year

Row = tuple[str, dict[str, object]]
"""(zone, SenML record)"""


@dataclass(frozen=True, slots=True)
class Target:
    """What a column holds: a channel, and the unit of its values (empty: the channel's own)."""

    asset: str
    channel: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is to be read.

    Attributes
    ----------
    zone : the zone of all rows; None when a column `zone` tells it
    utc_offset_min : of times that tell none, how far they are ahead of UTC [min]
    time : the column of the time
    targets : what each column holds, by its name; empty for a file in long form, with a row for each value
    """

    zone: str | None = None
    utc_offset_min: int = 0
    time: str = "time"
    targets: Mapping[str, Target] = field(default_factory=dict)


class Problem(NamedTuple):
    """Why something on a line was set aside; `value` is what stands there."""

    line: int
    what: str
    value: str
    reason: str
    detail: str


class Progress(NamedTuple):
    """How far a backlog has come: values read, what became of them, and what was wrong since it was told last."""

    rows: int
    stored: int
    duplicate: int
    conflict: int
    set_aside: int
    problems: tuple[Problem, ...] = ()


class Seen(NamedTuple):
    """A value as it would be stored, or what is wrong with it."""

    line: int
    zone: str
    what: str
    at: datetime | None
    value: float | None
    unit: str
    problem: Problem | None


def store_backlog(connection: Connection, lines: Iterable[str], *, layout: Layout, now: datetime) -> Iterator[Progress]:
    """Store the readings of a file, a few thousand at a time; tells how far it has come after each commit.

    Parameters
    ----------
    lines : with the names of their columns first, separated by commas, by tabs, or by semicolons with a comma in
        numbers; in long form `time,asset,channel,value` with `zone` and `unit` where there are. Times as ISO 8601, as
        seconds since 1970, or as day/month/year; a unit of SenML or one that people write, and where none is told the
        channel's own

    Raises
    ------
    BacklogUnreadable : no header that we know, one that is longer than a line may be, or no zone; nothing was stored
    StoreUnavailable, SchemaMismatch : as `Pipeline.store`; what was told before is stored
    """
    rows = _rows(lines, layout)
    gateways = dict(connection.execute(SQL["gateways"]).fetchall())
    pipeline = Pipeline(connection)
    done, count = Committed(), 0
    for batch in _batched(rows, MAX_READINGS_PER_PACK * PACKS_AT_ONCE):
        count += len(batch)
        admission = pipeline.new_admission()
        admission.add(_packs(batch, gateways, us_from_instant(now)))
        done.add(pipeline.store_admitted(admission))
        problems = tuple(one for item in admission.set_aside for one in _problems(item))
        # A pack of which nothing is accepted is set aside as one: the rest of the values is what counts.
        set_aside = count - done.stored - done.duplicate - done.conflict
        yield Progress(count, done.stored, done.duplicate, done.conflict, set_aside, problems)


def preview(connection: Connection, lines: Iterable[str], *, layout: Layout, now: datetime, limit: int) -> list[Seen]:
    """What the first values of a file would become; nothing is stored. Raises `BacklogUnreadable` as above."""
    directory = fetch_directory(connection)
    gateways = dict(connection.execute(SQL["gateways"]).fetchall())
    return list(itertools.islice(look(lines, directory, gateways, layout=layout, now_us=us_from_instant(now)), limit))


def look(
    lines: Iterable[str], directory: Directory, gateways: Mapping[str, str], *, layout: Layout, now_us: int
) -> Iterator[Seen]:
    """What each value of a file would become. Raises `BacklogUnreadable` as above."""
    for row in _rows(lines, layout):
        yield _seen(row, directory, gateways, now_us)


def header_of(lines: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """The names of a file's columns, and its first rows as they stand.

    Raises
    ------
    BacklogUnreadable : the line of the names is longer than `LONGEST_LINE`
    """
    reader = _Reader(lines)
    names = reader.names()
    return names, [fields for fields in (reader.fields() for _ in range(5)) if any(fields)]


def is_long(names: Iterable[str]) -> bool:
    """Whether these columns are those of the long form."""
    return set(COLUMNS) <= {name.lower() for name in names}


def _seen(row: Row, directory: Directory, gateways: Mapping[str, str], now_us: int) -> Seen:
    zone, record = row
    found = admit(_packs([row], gateways, now_us), directory)
    line, what = int(str(record["seq"])), str(record["n"])
    problem = next((one for item in found.set_aside for one in _problems(item)), None)
    if problem is not None or not len(found):
        return Seen(line, zone, what, None, None, "", problem)
    asset, _, channel = what.partition("/")
    columns = found.columns
    at = instant_from_us(int(columns.measured_us[0]))
    return Seen(line, zone, what, at, float(columns.value[0]), directory.channels[zone, asset, channel].unit, None)


def _problems(item: SetAside) -> Iterator[Problem]:
    """What was set aside, value by value: a pack may have been as a whole."""
    for record in json.loads(item.payload):
        what = f"{record['bn']}{record['n']}" if "bn" in record else str(record.get("n", ""))
        told, value = record.get("t", record.get("bt")), record.get("v", record.get("vs", ""))
        if isinstance(told, str):
            value = told
        elif told is not None and item.reason in (RejectReason.TIME_BEFORE_SERVICE, RejectReason.TIME_IN_FUTURE):
            value = _written(float(told))
        yield Problem(int(record.get("seq", 0)), what, str(value), item.reason.value, item.detail)


def _written(at_s: float) -> str:
    """A time as its file may have it; as seconds where it is none of a calendar."""
    try:
        return datetime.fromtimestamp(at_s, UTC).isoformat(" ")
    except (ValueError, OverflowError, OSError):
        return f"{at_s:.0f}"


class _LineTooLong(csv.Error):
    """A line that is not taken apart; the next one may be right."""


class _Lines:
    """The lines of a file, counted; `row` holds those of the row that is being read, `is_open` tells that the file
    ended within it. A line that is too long is an error, as is a row of too many, and after it the next line comes.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._source, self._again = iter(lines), deque[str]()
        self.number, self.row, self.is_open = 0, list[str](), False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source, None)
        if line is None:
            self.is_open = bool(self.row)
            raise StopIteration
        self.number += 1
        self.row.append(line)
        if len(line) > LONGEST_LINE:
            raise _LineTooLong(f"line {self.number} is longer than {LONGEST_LINE} letters")
        if len(self.row) > MOST_LINES:
            raise csv.Error(f"a row of more than {MOST_LINES} lines")
        return line

    def begin_row(self) -> None:
        """What comes next is the first line of a row."""
        self.row, self.is_open = [], False

    def give_back(self, lines: Sequence[str]) -> None:
        """These, the last that came, come once more."""
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)


class _Reader:
    """The fields of one row after the other; `line` is the number of the last line that was read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = _Lines(lines)
        try:
            head = next(self._lines, "").lstrip("\ufeff")
        except _LineTooLong as error:
            raise BacklogUnreadable(f"line 1 is longer than {LONGEST_LINE} letters") from error
        self._lines.give_back([head] if self._lines.number else [])
        self.delimiter = next((one for one in DELIMITERS if one in head), ",")
        self._reader = csv.reader(self._lines, delimiter=self.delimiter)

    @property
    def line(self) -> int:
        """csv's own count leaves out what is too long."""
        return self._lines.number

    def names(self) -> list[str]:
        """The names of the columns. Of several of one name, in any case, the later ones bear their place too."""
        found: dict[str, str] = {}
        for place, text in enumerate(self.fields(), 1):
            name = text.replace("\x00", "").strip()  # which no layout could name: PostgreSQL takes no NUL
            while name.lower() in found:
                name = f"{name} ({place})".strip()
            found[name.lower()] = name
        return list(found.values())

    def fields(self) -> list[str]:
        """The fields of the next row; none behind the last one and of a line that is no CSV."""
        try:
            return list(next(self, []))
        except csv.Error:
            return []

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        """The fields of the next row; `csv.Error` where it is none, and one may go on.

        A quotation mark that nothing closes, or another stray one further down, costs its own line alone.
        """
        lines = self._lines
        lines.begin_row()
        try:
            found = next(self._reader)
            if lines.is_open or len(lines.row) > 1:
                next(csv.reader(lines.row, delimiter=self.delimiter, strict=True))
        except csv.Error as error:
            if not lines.is_open and len(lines.row) == 1:
                raise
            lines.give_back(lines.row[1:])
            raise csv.Error(f"line {lines.number} opens a quotation mark that nothing closes") from error
        return found


def _rows(lines: Iterable[str], layout: Layout) -> Iterator[Row]:
    """(zone, SenML record) of each value."""
    reader = _Reader(lines)
    names = reader.names()
    lower = [name.lower() for name in names]
    missing = [name for name in COLUMNS if name not in lower] if not layout.targets else []
    missing += [name for name in (layout.time, *layout.targets) if layout.targets and name not in names]
    if missing:
        wanted = (layout.time, *layout.targets) if layout.targets else COLUMNS
        raise BacklogUnreadable(f"the first line names no {', '.join(missing)}; it must name {', '.join(wanted)}")
    if layout.zone is None and "zone" not in lower:
        raise BacklogUnreadable("no column tells the zone of a row, and no zone was given")
    return _read(reader, names if layout.targets else lower, layout)


def _read(reader: _Reader, names: Sequence[str], layout: Layout) -> Iterator[Row]:
    number = _decimal_comma if reader.delimiter == ";" else str.strip
    zone_column = next((name for name in names if name.lower() == "zone"), "")
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield layout.zone or "", {"n": "/", "t": f"{error}", "vs": f"{error}", "seq": reader.line}
            continue
        if not any(field.strip() for field in fields):
            continue
        row = {name: text.strip()[:LONGEST_FIELD] for name, text in zip(names, fields, strict=False)}
        zone = layout.zone or row.get(zone_column, "")
        at = _time(row.get(layout.time, ""), layout.utc_offset_min)
        if layout.targets:
            for name, target in layout.targets.items():
                if text := row.get(name, ""):
                    yield zone, _record(target, at, number(text), reader.line)
        else:
            asset, channel = split_name(row.get("asset", ""), row.get("channel", ""))  # as admission will
            target = Target(asset, channel, row.get("unit", ""))
            yield zone, _record(target, at, number(row.get("value", "")), reader.line)


def _record(target: Target, at: float | str, text: str, line: int) -> dict[str, object]:
    """A value as a SenML record; what is wrong in it stays as it is, so that admission says so and keeps it."""
    record: dict[str, object] = {"n": f"{target.asset}/{target.channel}", "t": at, "seq": line}
    spec = channel_spec(target.asset, target.channel)
    value = _number(text)
    scale = None if spec is None else field_conversion(spec, target.unit or spec.unit)
    if spec is None or scale is None or (target.unit and target.unit in CONVERSIONS[spec.unit]):
        return record | {"u": target.unit, "v": value}  # admission converts, and sets aside what does not convert
    converted = value if isinstance(value, str) else wire_value(spec, _digits(value * scale[0] + scale[1]))
    is_number = isinstance(converted, str) or math.isfinite(converted)
    return record | {"u": WIRE_UNIT[spec.unit], "v": converted if is_number else text}


def _digits(value: float) -> float:
    """To twelve digits: 3.7 m³/h is still 3.7 after its way in another unit."""
    return float(f"{value:.12g}")


def _number(text: str) -> float | str:
    try:
        found = float(text)
    except ValueError:
        return text
    return found if math.isfinite(found) else text


def _decimal_comma(text: str) -> str:
    return text.strip().replace(",", ".")


def _time(text: str, utc_offset_min: int) -> float | str:
    """Seconds since 1970; what is none stays a text, as does a number so small that SenML would count it from now."""
    seconds = _number(text)
    if isinstance(seconds, float):
        return seconds if seconds >= RELATIVE_BELOW_S else text
    found = _date(text)
    if found is None:
        return text
    return (found if found.tzinfo else found.replace(tzinfo=timezone(timedelta(minutes=utc_offset_min)))).timestamp()


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in EXCEL_TIMES:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - its zone is told by the layout
        except ValueError:
            continue
    return None


def _batched(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _packs(rows: Sequence[Row], gateways: Mapping[str, str], received_us: int) -> list[Message]:
    by_zone: dict[str, list[dict[str, object]]] = {}
    for zone, record in rows:
        by_zone.setdefault(zone, []).append(record)
    messages = []
    for zone, records in by_zone.items():
        topic = senml_topic(zone or "?", gateways.get(zone, "?"))
        for begin in range(0, len(records), MAX_READINGS_PER_PACK):
            payload = json.dumps(records[begin : begin + MAX_READINGS_PER_PACK], separators=(",", ":")).encode()
            messages.append(Message(topic, payload, received_us, 0, 0))
    return messages
