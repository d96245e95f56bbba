"""A backlog from a file: what a logger kept while it had no network, or a technician brought home. CSV in long form.

Each row becomes a SenML record and goes through the admission of any other message, so a row that cannot be accepted is
set aside with its reason and its neighbours are stored; the same file twice is stored once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.model import CHANNELS, ChannelSpec, kind_of_asset
from gateway.units import WIRE_UNIT, wire_value
from gateway.wire import MAX_READINGS_PER_PACK, senml_topic
from ingest.admission import Message
from ingest.db import Connection, queries
from ingest.errors import BacklogUnreadable
from ingest.pipeline import Committed, Pipeline
from ingest.senml import RELATIVE_BELOW_S

SQL = queries("ingest", "backlog")
COLUMNS = ("time", "asset", "channel", "value")
PACKS_AT_ONCE = 50
LONGEST_FIELD = 200


class Progress(NamedTuple):
    """How far a backlog has come: rows read, and what became of them."""

    rows: int
    stored: int
    duplicate: int
    conflict: int
    set_aside: int


def store_backlog(
    connection: Connection, lines: Iterable[str], *, zone: str | None, now: datetime
) -> Iterator[Progress]:
    """Store the readings of a file, a few thousand at a time; tells how far it has come after each commit.

    Parameters
    ----------
    lines : `time,asset,channel,value` with `zone` and `unit` where there are; separated by commas, or by semicolons
        with a comma in numbers; times as ISO 8601 (without a zone they are UTC) or seconds since 1970; a unit of
        SenML or the channel's own, which also holds where none is told
    zone : the zone of all rows; None when the column tells it

    Raises
    ------
    BacklogUnreadable : no header that we know, or no zone; nothing was stored
    StoreUnavailable, SchemaMismatch : as `Pipeline.store`; what was told before is stored
    """
    rows = _rows(lines, zone)
    gateways = dict(connection.execute(SQL["gateways"]).fetchall())
    pipeline = Pipeline(connection)
    done = Committed()
    count = 0
    for batch in _batched(rows, MAX_READINGS_PER_PACK * PACKS_AT_ONCE):
        count += len(batch)
        done.add(pipeline.store(_packs(batch, gateways, round(now.timestamp() * 1e6))))
        yield Progress(count, done.stored, done.duplicate, done.conflict, done.set_aside)


def _rows(lines: Iterable[str], zone: str | None) -> Iterator[tuple[str, dict[str, object]]]:
    """(zone, SenML record) of each row."""
    source = iter(lines)
    head = next(source, "").lstrip("\ufeff")
    delimiter = ";" if ";" in head else ","
    names = [name.strip().lower() for name in next(csv.reader(io.StringIO(head), delimiter=delimiter), [])]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise BacklogUnreadable(f"the first line names no {', '.join(missing)}; it must name {', '.join(COLUMNS)}")
    if zone is None and "zone" not in names:
        raise BacklogUnreadable("no column tells the zone of a row, and no zone was given")
    return _read(source, names, delimiter, zone)


def _read(
    source: Iterator[str], names: Sequence[str], delimiter: str, zone: str | None
) -> Iterator[tuple[str, dict[str, object]]]:
    number = _decimal_comma if delimiter == ";" else str.strip
    for fields in csv.reader(source, delimiter=delimiter):
        if any(field.strip() for field in fields):
            row = {name: field.strip()[:LONGEST_FIELD] for name, field in zip(names, fields, strict=False)}
            yield zone or row.get("zone", ""), _record(row, number)


def _record(row: Mapping[str, str], number: Callable[[str], str]) -> dict[str, object]:
    """A row as a SenML record; what is wrong in it stays as it is, so that admission says so and keeps it."""
    asset, channel, unit = row.get("asset", ""), row.get("channel", ""), row.get("unit", "")
    record: dict[str, object] = {"n": f"{asset}/{channel}", "t": _time(row.get("time", ""))}
    kind = kind_of_asset(asset)
    spec = None if kind is None else CHANNELS[kind].get(channel)
    value = _number(number(row.get("value", "")))
    if spec is not None and unit in ("", spec.unit):
        record |= _in_wire_unit(spec, value)
    else:
        record |= {"u": unit, "v": value}
    return record


def _in_wire_unit(spec: ChannelSpec, value: float | str) -> dict[str, object]:
    return {"u": WIRE_UNIT[spec.unit], "v": value if isinstance(value, str) else wire_value(spec, value)}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _decimal_comma(text: str) -> str:
    return text.strip().replace(",", ".")


def _time(text: str) -> float | str:
    """Seconds since 1970; what is none stays a text, as does a number so small that SenML would count it from now."""
    seconds = _number(text)
    if isinstance(seconds, float):
        return seconds if seconds >= RELATIVE_BELOW_S else text
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _batched(rows: Iterator[tuple[str, dict[str, object]]], size: int) -> Iterator[list[tuple[str, dict[str, object]]]]:
    batch: list[tuple[str, dict[str, object]]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _packs(
    rows: Sequence[tuple[str, dict[str, object]]], gateways: Mapping[str, str], received_us: int
) -> list[Message]:
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
