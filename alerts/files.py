"""History from files: the long form `time,zone,asset,channel,value,unit`, CSV or Parquet, in any order.

What the simulator writes, and what any other recorder can: duplicates and late rows are welcome. Rows that cannot be
used are counted by reason and never guessed at.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from alerts.errors import HistoryError
from alerts.scene import DAY_S, STEP_S, Channel, FloatArray, Grid, Mask, Site, Sites
from alerts.sky import CELL, near_sun_w_m2, place_of
from gateway.model import channel_spec
from gateway.units import field_conversion
from gateway.zones import Zone
from ingest.meters import MOST_M3_H

COLUMNS = ("time", "zone", "asset", "channel", "value", "unit")
NO_VALUE = ["", *pyarrow.csv.ConvertOptions().null_values]
BLOCK_BYTES = 32 << 20
NEARLY_ALL = 0.98
AROUND_S = 3 * DAY_S
LONGEST_PAUSE_S = 366 * DAY_S  # of all zones together; what lies beyond is told by a clock that begins anew (1970)

Key = tuple[str, str, str]
"""(zone, asset, channel)"""
Parts = dict[Key, list[tuple[FloatArray, FloatArray]]]


@dataclass(slots=True)
class History:
    """Readings by zone, asset and channel: times [s] in order and canonical values; and what could not be used."""

    series: dict[Key, tuple[FloatArray, FloatArray]]
    rows: int = 0
    mistimed: dict[str, FloatArray] = field(default_factory=dict)  # by zone, the times of rows far from all others
    unusable: Counter[str] = field(default_factory=Counter)

    @property
    def zones(self) -> list[str]:
        """The zones that have readings."""
        return sorted({zone for zone, _, _ in self.series})

    @property
    def span_s(self) -> tuple[float, float]:
        """The first time of all and the newest one.

        Of three zones and more the newest is that of the second: one whose clock is ahead would make all others silent.
        """
        first_s: dict[str, float] = {}
        newest_s: dict[str, float] = {}
        for (zone, _, _), (t_s, _) in self.series.items():
            first_s[zone] = min(first_s.get(zone, np.inf), float(t_s[0]))
            newest_s[zone] = max(newest_s.get(zone, -np.inf), float(t_s[-1]))
        ahead = sorted(newest_s.values(), reverse=True)
        return min(first_s.values()), ahead[1 if len(ahead) >= 3 else 0]

    def grid(
        self, sites: Sites, start_s: float, end_s: float, *, around: Sequence[Site] = (),
        only: Collection[Channel] | None = None,
    ) -> Grid:  # fmt: skip
        """The readings of these zones within [start_s, end_s), from the midnight before on; of `only` some channels.

        Where a cell is silent, those of the zones `around` tell of its sky.
        """
        begin_s = start_s // DAY_S * DAY_S
        steps = int(np.ceil((end_s - begin_s) / STEP_S))
        row_of = {zone: row for row, zone in enumerate(sites.zone_ids)}
        asked = [(site.zone_id, channel) for site in sites.sites for channel in site.channels]
        sites = sites.without({(zone, channel) for zone, channel in asked if (zone, *channel) not in self.series})
        raw: dict[Channel, FloatArray] = {}
        bad: dict[Channel, Mask] = {}
        for (zone, asset, name), (t_s, value) in self.series.items():
            spec = channel_spec(asset, name)
            if zone not in row_of or spec is None or (only is not None and (asset, name) not in only):
                continue
            step = ((t_s - begin_s) // STEP_S).astype(np.intp)
            inside = (step >= 0) & (step < steps) & (t_s >= start_s)
            is_good = (value >= spec.minimum) & (value <= spec.maximum)
            good, wrong = inside & is_good, inside & ~is_good & ~np.isnan(value)  # an empty value is a missing one
            row = row_of[zone]
            target = raw.setdefault((asset, name), np.full((len(sites), steps), np.nan))
            target[row, step[good]] = value[good]  # in order of time, so of several in a step the last one stays
            if wrong.any():
                bad.setdefault((asset, name), np.zeros((len(sites), steps), dtype=bool))[row, step[wrong]] = True
        with_cell = {one.zone_id: one for one in around if (one.zone_id, *CELL) in self.series}

        def read(zones: Sequence[str]) -> dict[str, FloatArray]:
            cells = self.grid(Sites(with_cell[zone] for zone in zones), start_s, end_s, only={CELL})
            return dict(zip(zones, cells.raw.get(CELL, ()), strict=False))

        near_sun = near_sun_w_m2(
            sites, raw.get(CELL), steps, lambda: [place_of(one) for one in with_cell.values()], read
        )
        mistimed = self._mistimed(sites.zone_ids, raw, bad, begin_s)
        return Grid(sites, begin_s, STEP_S, steps, raw, bad, mistimed, near_sun)

    def _mistimed(
        self, zones: Sequence[str], raw: Mapping[Channel, FloatArray], bad: Mapping[Channel, Mask], begin_s: float
    ) -> Mask | None:
        """(n, m) where rows that are far from all others belong: the hole in their zone's readings that they fit."""
        lost = [(row, self.mistimed[zone]) for row, zone in enumerate(zones) if zone in self.mistimed]
        if not lost or not raw:
            return None
        heard = np.logical_or.reduce([np.isfinite(value) for value in raw.values()])
        for mask in bad.values():
            heard |= mask
        found = np.zeros(heard.shape, dtype=bool)
        for row, t_s in lost:
            place = np.flatnonzero(np.append(heard[row], True))
            holes = [(a + 1, b) for a, b in itertools.pairwise(place.tolist()) if b - a > 1]
            span = int((t_s.max() - t_s.min()) // STEP_S) + 1
            if holes:
                first, end = min(holes, key=lambda hole: abs(hole[1] - hole[0] - span))
                found[row, first : min(end, first + span)] = True
        return found


def sites_of(zones: Iterable[Zone]) -> list[Site]:
    """Zone files as detectors need them."""
    return [
        Site(
            zone.zone_id, zone.latitude, zone.longitude, zone.people,
            {(asset.asset_id, name): float(number) for asset in zone.assets for name, number in asset.rating.items()},
            frozenset((asset.asset_id, channel.name) for asset in zone.assets for channel in asset.channels),
            {
                (asset.asset_id, channel.name): (channel.wraps_at, MOST_M3_H[asset.kind, channel.name])
                for asset in zone.assets for channel in asset.channels if channel.is_counter
            },
        )
        for zone in zones
    ]  # fmt: skip


def read_history(path: Path, *, zones: Sequence[str] | None = None) -> History:
    """Read a file, or all CSV and Parquet files of a folder.

    Raises
    ------
    HistoryError : nothing to read, or a file that is not of the form
    """
    parts: Parts = {}
    history = History({})
    for table in _tables(path):
        _take(table, parts, history, None if zones is None else set(zones))
    first_s, last_s = _bulk(parts)
    far: dict[str, list[FloatArray]] = {}
    for key, pieces in parts.items():
        t_s, value = (np.concatenate(column) for column in zip(*pieces, strict=True))
        order = np.argsort(t_s, kind="stable")
        is_far = (t_s[order] < first_s) | (t_s[order] > last_s)
        if is_far.any():
            history.unusable["with a time far from all others"] += int(is_far.sum())
            far.setdefault(key[0], []).append(t_s[order][is_far])
            order = order[~is_far]
        if len(order):
            history.series[key] = t_s[order], value[order]
    history.mistimed = {zone: np.unique(np.concatenate(times)) for zone, times in far.items()}
    if not history.series:
        found = ", ".join(f"{count} {reason}" for reason, count in history.unusable.most_common()) or "no rows"
        raise HistoryError(f"{path}: no reading of these zones is in it ({found})")
    return history


def _bulk(parts: Parts) -> tuple[float, float]:
    """Between which times readings are believed to lie [s]: where nearly all are, and some days around.

    A box that wakes up in 1970, and stays there for weeks, must not make a history of half a century.
    """
    times = [t_s for pieces in parts.values() for t_s, _ in pieces]
    if not times:
        return -np.inf, np.inf
    ordered = np.sort(np.concatenate(times))
    pieces = np.split(ordered, np.flatnonzero(np.diff(ordered) > LONGEST_PAUSE_S) + 1)
    low, high = np.quantile(max(pieces, key=len), [1 - NEARLY_ALL, NEARLY_ALL])
    around_s = max(AROUND_S, 0.1 * (high - low))
    return float(low - around_s), float(high + around_s)


def _tables(path: Path) -> Iterator[pa.RecordBatch]:
    files = [path]
    if path.is_dir():
        # Both forms of the same readings may lie side by side: the binary one is read.
        files = sorted(path.glob("**/*.parquet")) or [
            file for file in sorted(path.glob("**/*.csv")) if file.stem not in ("labels", "states", "alerts")
        ]
    if not files or not files[0].exists():
        raise HistoryError(f"{path}: no CSV or Parquet file is here")
    for file in files:
        try:
            if file.suffix == ".parquet":
                reader = pa.parquet.ParquetFile(file)
                _check_columns(file, reader.schema_arrow.names)
                yield from reader.iter_batches(columns=list(COLUMNS))
            else:
                types = dict.fromkeys(COLUMNS, pa.string())
                convert = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
                with pa.csv.open_csv(file, pa.csv.ReadOptions(block_size=BLOCK_BYTES), convert_options=convert) as rows:
                    _check_columns(file, rows.schema.names)
                    yield from rows
        except pa.ArrowInvalid as error:
            raise HistoryError(f"{file}: {str(error).splitlines()[0]}") from error


def _check_columns(file: Path, names: Sequence[str]) -> None:
    if missing := [name for name in COLUMNS if name not in names]:
        raise HistoryError(f"{file}: column {missing[0]!r} is missing; it has {', '.join(names)}")


def _take(batch: pa.RecordBatch, parts: Parts, history: History, only: set[str] | None) -> None:
    history.rows += len(batch)
    t_s = _seconds(batch.column("time"))
    value, is_number = _numbers(batch.column("value"))
    codes, words = zip(*(_encoded(batch.column(name)) for name in ("zone", "asset", "channel", "unit")), strict=True)
    joint = np.zeros(len(batch), dtype=np.int64)
    for code, known in zip(codes, words, strict=True):
        joint = joint * len(known) + code
    order = np.argsort(joint, kind="stable")
    starts = np.flatnonzero(np.diff(joint[order], prepend=-1))
    for rows in np.split(order, starts[1:]) if len(order) else ():
        zone, asset, channel, unit = (known[code[rows[0]]] for code, known in zip(codes, words, strict=True))
        if only is not None and zone not in only:
            history.unusable["of zones that have no file"] += len(rows)
            continue
        spec = channel_spec(asset, channel)
        if spec is None:
            history.unusable[f"of unknown channel {asset}/{channel}"] += len(rows)
            continue
        scale = field_conversion(spec, unit.strip() or spec.unit)  # the channel's name says its unit
        if scale is None:
            history.unusable[f"in unit {unit!r} of {asset}/{channel}"] += len(rows)
            continue
        timed = np.isfinite(t_s[rows])
        for reason, fits in (("without a readable time", timed), ("without a readable value", is_number[rows])):
            if not fits.all():
                history.unusable[reason] += int((~fits).sum())
        kept = rows[timed & is_number[rows]]
        if not len(kept):
            continue
        factor, offset = scale
        parts.setdefault((zone, asset, channel), []).append((t_s[kept], value[kept] * factor + offset))


def _encoded(column: pa.Array) -> tuple[NDArray[np.int64], list[str]]:
    plain = column if pa.types.is_dictionary(column.type) else pc.fill_null(column, "").dictionary_encode()
    words = [str(word or "") for word in plain.dictionary.to_pylist()]
    codes = plain.indices.fill_null(len(words)).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [*words, ""]


def _numbers(column: pa.Array) -> tuple[FloatArray, Mask]:
    """Values, NaN where there is none; and which rows say a number or nothing, and no other word."""
    if _is_text(column):
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(column, pa.array(NO_VALUE, column.type)), None, column)
    try:
        found = pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        found = _each(column, float)
        return found, np.isfinite(found) | np.asarray(column.is_null().to_numpy(zero_copy_only=False))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.float64), np.ones(len(column), dtype=bool)


def _seconds(column: pa.Array) -> FloatArray:
    """Times as seconds since 1970 UTC; ISO 8601 with or without a zone (UTC), or numbers of seconds; NaN if neither."""
    if _is_text(column):
        try:
            column = _as_times(column)
        except pa.ArrowInvalid:  # forms that differ from row to row, offsets west of Greenwich, words
            return _each(column, _second)
    if pa.types.is_timestamp(column.type):
        micros = pc.cast(pc.cast(column, pa.timestamp("us", column.type.tz)), pa.int64())
        return np.asarray(micros.to_numpy(zero_copy_only=False), dtype=np.float64) / 1e6
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _as_times(column: pa.Array) -> pa.Array:
    """Texts that are all written as the first one is."""
    first = next((text for text in column.to_pylist() if text), "")
    if not any(letter in first for letter in "-:T"):
        return pc.cast(column, pa.float64())
    # With a fraction, a "Z" or an offset: numpy would refuse the offset, so arrow reads those that have one.
    if first.endswith("Z") or "+" in first:
        return pc.cast(column, pa.timestamp("us", "UTC"))
    return pc.cast(pc.replace_substring(column, " ", "T"), pa.timestamp("us"))


def _second(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _each(column: pa.Array, read: Callable[[str], float]) -> FloatArray:
    """What `read` makes of each text, one by one; NaN where it cannot."""
    codes, words = _encoded(column)
    found = np.full(len(words), np.nan)
    for place, word in enumerate(words):
        with suppress(ValueError):
            found[place] = read(word)
    return found[codes]


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
