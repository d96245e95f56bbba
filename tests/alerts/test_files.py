"""History from files: any order, duplicates, late rows, other units, other makers' times; and what cannot be used."""

import csv
import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alerts.errors import HistoryError
from alerts.files import COLUMNS, read_history
from alerts.scene import Site, Sites

START = datetime(2026, 3, 2, tzinfo=UTC)
Row = tuple[str, str, str, str, object, str]


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def levels(count: int = 12, unit: str = "m", factor: float = 1.0) -> list[Row]:
    return [(at(5 * n), "zone-1", "tower", "level_m", (1 + n / 100) * factor, unit) for n in range(count)]


def written(folder: Path, rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> Path:
    file = folder / "readings.csv"
    with file.open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(columns)
        lines.writerows(row[: len(columns)] for row in rows)
    return file


def series(file: Path) -> list[float]:
    return read_history(file).series["zone-1", "tower", "level_m"][1].round(6).tolist()


ONE_HOUR = [round(1 + n / 100, 6) for n in range(12)]


def test_any_order_and_rows_told_twice_are_the_same_history(tmp_path: Path) -> None:
    rows = levels()
    mixed = rows + rows[3:6]
    random.Random(4).shuffle(mixed)
    history = read_history(written(tmp_path, mixed))
    grid = history.grid(Sites([site()]), START.timestamp(), START.timestamp() + 3600)
    assert grid.raw["tower", "level_m"][0].round(6).tolist() == ONE_HOUR


def site(zone: str = "zone-1") -> Site:
    return Site(zone, 11.3, -12.3, 900, {}, frozenset())


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("m", 1), ("", 1), ("cm", 100), ("mm", 1000), ("km", 0.001)],
)
def test_units_become_canonical(tmp_path: Path, unit: str, factor: float) -> None:
    assert series(written(tmp_path, levels(unit=unit, factor=factor))) == ONE_HOUR


@pytest.mark.parametrize("unit", ["m³/h", "m3/h"])
def test_a_unit_may_be_spelt_plainly(tmp_path: Path, unit: str) -> None:
    rows: list[Row] = [(at(n), "zone-1", "pump", "flow_m3_h", 2.5, unit) for n in range(3)]
    assert read_history(written(tmp_path, rows)).series["zone-1", "pump", "flow_m3_h"][1].tolist() == [2.5] * 3


def test_what_cannot_be_used_is_counted_by_its_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    rows = [
        *levels(),
        (at(1), "zone-1", "tower", "level_m", 3.0, "furlong"),
        (at(1), "zone-1", "tower", "colour", 3.0, "m"),
        (at(1), "zone-1", "chapel", "level_m", 3.0, "m"),
        (at(1), "zone-9", "tower", "level_m", 3.0, "m"),
    ]
    history = read_history(written(tmp_path, rows), zones=["zone-1"])
    assert history.unusable == {
        "in unit 'furlong' of tower/level_m": 1, "of unknown channel tower/colour": 1,
        "of unknown channel chapel/level_m": 1, "of zones that have no file": 1,
    }  # fmt: skip
    assert history.rows == 16
    assert history.series["zone-1", "tower", "level_m"][1].round(6).tolist() == ONE_HOUR


@pytest.mark.parametrize("missing", COLUMNS)
def test_a_missing_column_is_named(tmp_path: Path, missing: str) -> None:
    place = COLUMNS.index(missing)
    rows = [row[:place] + row[place + 1 :] for row in levels()]
    columns = tuple(name for name in COLUMNS if name != missing)
    with pytest.raises(HistoryError, match=missing):
        read_history(written(tmp_path, rows, columns))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.000000Z", "%Y-%m-%dT%H:%M:%S+00:00", "%s"]
)
def test_times_may_be_written_in_these_ways(tmp_path: Path, form: str) -> None:
    moments = [START + timedelta(minutes=5 * n) for n in range(12)]
    told = [str(int(m.timestamp())) if form == "%s" else m.strftime(form) for m in moments]
    rows = [(when, *row[1:]) for when, row in zip(told, levels(), strict=True)]
    t_s, _ = read_history(written(tmp_path, rows)).series["zone-1", "tower", "level_m"]  # type: ignore[arg-type]
    assert t_s.tolist() == [m.timestamp() for m in moments]


def test_one_row_whose_time_or_value_is_a_word_costs_that_row_and_no_other(tmp_path: Path) -> None:
    rows = levels()
    words: list[Row] = [
        ("never", *rows[0][1:]), ("", *rows[0][1:]), (*rows[0][:4], "ERR", "m"), (*rows[0][:4], "1,5", "m"),
    ]  # fmt: skip
    history = read_history(written(tmp_path, [*rows[:6], *words, *rows[6:]]))
    assert history.unusable == {"without a readable time": 2, "without a readable value": 2}
    assert history.series["zone-1", "tower", "level_m"][1].round(6).tolist() == ONE_HOUR


def test_where_no_row_can_be_used_the_reason_is_told(tmp_path: Path) -> None:
    rows = [("2 March, 8 h", *row[1:]) for row in levels()]
    with pytest.raises(HistoryError, match="12 without a readable time"):
        read_history(written(tmp_path, rows))  # type: ignore[arg-type]


def test_each_row_may_write_its_time_in_a_way_of_its_own(tmp_path: Path) -> None:
    """Joined from several recorders: one keeps the hour of Cape Verde, one that of Brussels, one says none."""
    moments = [START + timedelta(minutes=5 * n) for n in range(12)]
    praia, brussels = timezone(timedelta(hours=-1)), timezone(timedelta(hours=1))
    ways = [
        lambda m: m.astimezone(praia).isoformat(), lambda m: m.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda m: m.astimezone(brussels).isoformat(" "), lambda m: m.strftime("%Y-%m-%d %H:%M"),
        lambda m: str(m.timestamp()), lambda m: m.strftime("%Y-%m-%dT%H:%M:%S.000000000Z"),
    ]  # fmt: skip
    for first in range(len(ways)):
        told = [ways[(first + n) % len(ways)](moment) for n, moment in enumerate(moments)]
        rows = [(when, *row[1:]) for when, row in zip(told, levels(), strict=True)]
        t_s, _ = read_history(written(tmp_path, rows)).series["zone-1", "tower", "level_m"]  # type: ignore[arg-type]
        assert t_s.tolist() == [m.timestamp() for m in moments]


def test_a_row_without_a_zone_or_a_unit_is_not_given_to_another(tmp_path: Path) -> None:
    rows = levels(4, unit="cm", factor=100)
    table: dict[str, list[object]] = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    table["value"], table["unit"] = [100.0, 101.0, 102.0, 1.03], ["cm", "cm", "cm", None]
    table["zone"] = ["zone-1", "zone-1", None, "zone-1"]
    pq.write_table(pa.table(table), tmp_path / "readings.parquet")
    assert series(tmp_path) == [1.0, 1.01, 1.03]


def test_parquet_and_csv_say_the_same_and_the_binary_one_is_read(tmp_path: Path) -> None:
    rows = levels()
    written(tmp_path, [(row[0], *row[1:4], 99.0, row[5]) for row in rows])
    table = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    table["time"] = [START + timedelta(minutes=5 * n) for n in range(12)]
    pq.write_table(pa.table(table), tmp_path / "readings.parquet")
    assert series(tmp_path) == ONE_HOUR


def test_rows_of_1970_and_of_the_future_are_told_as_a_wrong_clock_where_they_are_missing(tmp_path: Path) -> None:
    day = levels(288)
    lost = range(100, 130)
    in_1970 = [(f"1970-01-01T{n * 5 // 60:02}:{n * 5 % 60:02}:00Z", *day[100 + n][1:]) for n in range(30)]
    ahead: list[Row] = [("2081-01-01T00:00:00Z", "zone-2", "tower", "level_m", 1.0, "m")]
    others: list[Row] = [(row[0], "zone-2", *row[2:]) for row in day]  # type: ignore[misc]
    kept = [row for n, row in enumerate(day) if n not in lost]
    # Enough other rows that these are few: what nearly all rows say is the time.
    many = [(row[0], f"zone-{number}", *row[2:]) for number in range(3, 12) for row in day]
    history = read_history(written(tmp_path, [*in_1970, *kept, *others, *ahead, *many]))  # type: ignore[list-item]
    assert history.unusable == {"with a time far from all others": 31}
    assert history.span_s == (START.timestamp(), START.timestamp() + 287 * 300)
    sites = Sites([site("zone-1"), site("zone-2"), site("zone-3")])
    grid = history.grid(sites, START.timestamp(), START.timestamp() + 86_400)
    assert grid.mistimed is not None
    assert np.flatnonzero(grid.mistimed[0]).tolist() == list(lost)
    assert not grid.mistimed[1:].any(), "no hole that a single row would fit"


def test_a_box_that_stays_in_1970_for_a_tenth_of_a_season_does_not_make_it_half_a_century_long(tmp_path: Path) -> None:
    rows = levels(2000)
    in_1970 = [(f"1970-01-01T{n * 5 // 60:02}:{n * 5 % 60:02}:00Z", *rows[800 + n][1:]) for n in range(200)]
    history = read_history(written(tmp_path, [*rows[:800], *in_1970, *rows[1000:]]))  # type: ignore[list-item]
    assert history.unusable == {"with a time far from all others": 200}
    assert history.span_s == (START.timestamp(), START.timestamp() + 1999 * 300)


def test_a_zone_whose_clock_is_ahead_does_not_make_the_others_silent(tmp_path: Path) -> None:
    rows = [
        (at(5 * n + (240 if zone == 2 else 0)), f"zone-{zone}", *levels()[n][2:])
        for zone in range(3)
        for n in range(12)
    ]
    history = read_history(written(tmp_path, rows))  # type: ignore[arg-type]
    assert history.span_s == (START.timestamp(), START.timestamp() + 55 * 60)


def test_an_empty_value_is_missing_and_an_impossible_one_is_bad(tmp_path: Path) -> None:
    rows = levels(6)
    rows[2] = (*rows[2][:4], "", "m")
    rows[4] = (*rows[4][:4], -999, "m")
    grid = read_history(written(tmp_path, rows)).grid(Sites([site()]), START.timestamp(), START.timestamp() + 1800)
    assert np.isfinite(grid.raw["tower", "level_m"][0]).tolist() == [True, True, False, True, False, True]
    assert grid.is_bad("tower", "level_m")[0].tolist() == [False, False, False, False, True, False]


def test_nothing_to_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no CSV or Parquet"):
        read_history(tmp_path)
    with pytest.raises(HistoryError, match="no reading of these zones"):
        read_history(written(tmp_path, levels()), zones=["zone-7"])
