"""A season of villages: lived, and written as the files that the backtest reads.

`zones/`, `readings.parquet` (long form, out of order, in the units that makers use), `labels.csv`, `about.json`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from alerts.scoreboard import COLUMNS as LABEL_COLUMNS
from benchmarks.villages.boxes import DAY_S, Box, Rows, off_s
from benchmarks.villages.chance import rng_for
from benchmarks.villages.faults import Strike, deal
from benchmarks.villages.forces import gather_forces
from benchmarks.villages.meters import Meters, Season
from benchmarks.villages.people import draw_people
from benchmarks.villages.signs import SIGNS, first_seen
from benchmarks.villages.span import Span
from benchmarks.villages.village import Village, draw_village, zone_of
from benchmarks.villages.weather import draw_weather
from benchmarks.villages.works import live
from gateway.model import Fault, channel_spec
from simulator.fiction import zone_file

# What makers write for our units, and how much of it one of ours is.
UNITS: Mapping[str, Sequence[tuple[str, float]]] = {
    "m³/h": (("m3/h", 1), ("m³/h", 1), ("l/s", 1 / 3.6)), "1/min": (("rpm", 1), ("1/min", 1), ("Hz", 1 / 60)),
    "°C": (("degC", 1), ("Cel", 1)), "W/m²": (("W/m2", 1), ("W/m²", 1)), "m³": (("m3", 1), ("l", 1e3)),
    "bar": (("bar", 1), ("hPa", 1e3)), "m": (("m", 1), ("cm", 1e2)), "W": (("W", 1), ("kW", 1e-3)), "V": (("V", 1),),
    "A": (("A", 1), ("mA", 1e3)), "mg/L": (("mg/L", 1), ("ppm", 1)), "µS/cm": (("uS/cm", 1),), "dBm": (("dBm", 1),),
    "s": (("s", 1),), "GNF": (("gnf", 1),), "NTU": (("NTU", 1),), "": (("", 1), ("-", 1)),
}  # fmt: skip
LATE_S = 300.0  # mean delay of a row on its way into the file
SCHEMA = pa.schema(
    [("time", pa.timestamp("s", "UTC"))]
    + [(name, pa.dictionary(pa.int32(), pa.string())) for name in ("zone", "asset", "channel")]
    + [("value", pa.float64()), ("unit", pa.dictionary(pa.int32(), pa.string()))]
)


def live_season(seed: int, span: Span, count: int) -> Season:
    """Let `count` villages live through `span`, with the faults that chance deals them."""
    villages = [draw_village(seed, number) for number in range(1, count + 1)]
    return live_with(seed, span, villages, deal(seed, span, villages))


def live_with(seed: int, span: Span, villages: Sequence[Village], strikes: Sequence[Strike]) -> Season:
    """The same for these villages and faults."""
    weather = draw_weather(seed, span, villages)
    people = draw_people(seed, span, villages, weather.rains, strikes)
    forces, true = gather_forces(seed, span, villages, weather, people, strikes)
    return Season(seed, span, villages, people, forces, live(seed, villages, people, forces), true)


def write_season(season: Season, folder: Path, *, noise: float = 1.0) -> None:
    """Write it into an empty `folder`; `noise` multiplies that of all instruments."""
    zones = [zone_of(village) for village in season.villages]
    (folder / "zones").mkdir()
    for zone in zones:
        (folder / "zones" / f"{zone.zone_id}.toml").write_text(zone_file(zone), "utf-8")
    seen: dict[Strike, int] = {}
    readings = 0
    with pa.parquet.ParquetWriter(folder / "readings.parquet", SCHEMA) as file:
        for row, village in enumerate(season.villages):
            meters = Meters(season, row, noise=noise)
            box = Box(season, row, meters)
            table = _table(season, village.number, village.zone_id, list(box.rows(meters.read())))
            file.write_table(table)
            readings += len(table)
            seen |= meters.seen
    _write_labels(season, seen, folder / "labels.csv")
    about = {
        "seed": season.seed, "start": season.span.start.isoformat(), "days": season.span.days, "noise": noise,
        "zones": len(zones), "readings": readings,
        "places": [
            [season.villages[one.row].zone_id, season.span.at(one.onset).isoformat(), one.place]
            for one in season.strikes
        ],
    }  # fmt: skip
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")


def _table(season: Season, number: int, zone: str, channels: Sequence[Rows]) -> pa.Table:
    """The rows of one village, in the order in which they happened to arrive."""
    rng = rng_for(season.seed, "files", number)
    counts = [len(rows.t_s) for rows in channels]
    units, values = [], []
    for rows in channels:
        spec = channel_spec(rows.asset, rows.channel)
        if spec is None:
            raise ValueError(f"{rows.asset}/{rows.channel} is no channel of ours")
        choices = UNITS[spec.unit]
        unit, factor = choices[int(rng.integers(len(choices)))]
        units.append(unit)
        values.append(rows.value * factor)
    t_s = np.concatenate([rows.t_s for rows in channels])
    order = np.argsort(t_s + rng.exponential(LATE_S, len(t_s)), kind="stable")

    def words(of: Sequence[str]) -> pa.DictionaryArray:
        known = {word: code for code, word in enumerate(dict.fromkeys(of))}
        codes = np.repeat(np.array([known[word] for word in of], dtype=np.int32), counts)[order]
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(known), pa.string()))

    columns = [
        pa.array(t_s[order], pa.timestamp("s", "UTC")), words([zone] * len(channels)),
        words([rows.asset for rows in channels]), words([rows.channel for rows in channels]),
        pa.array(np.concatenate(values)[order]), words(units),
    ]  # fmt: skip
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _write_labels(season: Season, seen: Mapping[Strike, int], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        lines = csv.writer(opened, lineterminator="\n")
        lines.writerow(LABEL_COLUMNS)
        for one in season.strikes:
            start = first_seen(season, one) if one.fault in SIGNS else seen.get(one)
            early = _early_min(season, one)
            times = (one.onset - early, None if start is None else start - early, one.end)
            lines.writerow(
                [
                    season.villages[one.row].zone_id, one.fault.value, one.asset, one.kind.severity, one.size,
                    *(_iso(season.span, minute) for minute in times),
                ]
            )  # fmt: skip


def _early_min(season: Season, one: Strike) -> int:
    """How long before a fault its first rows are dated: a file knows no other time than that which rows bear."""
    if one.fault is not Fault.CLOCK_ERROR:
        return 0
    early_s = -off_s(season, one)
    return early_s // 60 if 0 < early_s < DAY_S else 0


def _iso(span: Span, minute: int | None) -> str:
    return "" if minute is None else f"{span.at(minute):%Y-%m-%dT%H:%M:%SZ}"
