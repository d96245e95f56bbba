"""A history as files: what was lived is what is written, to the byte the same again, and a folder is never mixed."""

import csv
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from gateway.model import Fault
from gateway.zones import load_zones
from simulator.errors import SimulatorError
from simulator.faults import Broken
from simulator.files import iso_times, write_history
from simulator.history import HistoryBlock, live_through
from simulator.labels import Witness
from simulator.village import Village
from tests.simulator.days import DAWN, ZONES

TWO = ZONES[2:4]
STOPS_AT = DAWN + timedelta(hours=5)
STOPS = Broken("zone-3", Fault.PUMP_NOT_RUNNING, "L", STOPS_AT.timestamp(), STOPS_AT.timestamp() + 7200)


def write(folder: Path, *, hours: float = 30, broken: Sequence[Broken] = (STOPS,), form: str = "both") -> int:
    witness = Witness()
    blocks = live_through(
        Village(TWO, seed=1), start=DAWN, end=DAWN + timedelta(hours=hours), broken=broken, folder=None, witness=witness
    )
    *_, written = write_history(TWO, blocks, witness, folder=folder, form=form, about={"seed": 1})
    return written


def digests(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_csv_and_parquet_hold_the_readings_that_were_lived(tmp_path: Path) -> None:
    written = write(tmp_path / "out")
    with (tmp_path / "out" / "readings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = pq.read_table(tmp_path / "out" / "readings.parquet")
    due = sum(len(asset.channels) * 30 * 3600 // asset.interval_s for zone in TWO for asset in zone.assets)
    assert written == len(rows) == table.num_rows
    assert 0.98 * due < written <= due, "a sensor drops out now and then"
    assert list(rows[0]) == ["time", "zone", "asset", "channel", "value", "unit"] == table.column_names
    lived = {}
    for block in live_through(
        Village(TWO, seed=1), start=DAWN, end=DAWN + timedelta(hours=30), broken=[STOPS], folder=None
    ):
        for t_s, value in zip(block.t_s, block.value, strict=True):
            lived[datetime.fromtimestamp(t_s, UTC), block.zone_id, block.asset, block.channel] = value
    assert len(lived) == written
    for row in rows:
        key = (datetime.fromisoformat(row["time"]), row["zone"], row["asset"], row["channel"])
        assert float(row["value"]) == lived[key]
    for row in table.slice(0, 5000).to_pylist():
        assert row["value"] == lived[row["time"], row["zone"], row["asset"], row["channel"]]
    units = {(row["channel"], row["unit"]) for row in rows}
    assert {("level_m", "m"), ("irradiance_w_m2", "W/m²"), ("state_code", "")} <= units


def test_labels_and_states_tell_the_truth(tmp_path: Path) -> None:
    write(tmp_path / "out")
    with (tmp_path / "out" / "labels.csv").open(newline="") as file:
        (label,) = [row for row in csv.DictReader(file) if row["fault"] != "pv_soiling"]  # dust of the season
    assert list(label) == ["zone", "fault", "asset", "severity", "size", "onset", "start", "end"]
    assert (label["zone"], label["fault"], label["asset"], label["severity"], label["size"]) == (
        "zone-3", "pump_not_running", "pump", "3", "L",
    )  # fmt: skip
    assert label["onset"] == f"{STOPS_AT:%Y-%m-%dT%H:%M:%SZ}"
    assert label["end"] == f"{STOPS_AT + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}"
    assert label["onset"] <= label["start"] < label["end"], "in full sun it shows at once"
    with (tmp_path / "out" / "states.csv").open(newline="") as file:
        states = list(csv.DictReader(file))
    assert list(states[0]) == ["zone", "state", "start", "end"]
    assert all(state["start"] < state["end"] for state in states)
    nights = [state for state in states if (state["zone"], state["state"]) == ("zone-3", "night")]
    assert [night["start"][11:13] for night in nights[1:]] == ["18"], "it is dark from about half past six on"


def test_the_zones_can_be_read_again_and_about_tells_how_it_was_made(tmp_path: Path) -> None:
    written = write(tmp_path / "out", hours=2)
    assert load_zones([tmp_path / "out" / "zones"]) == TWO
    about = json.loads((tmp_path / "out" / "about.json").read_text())
    assert (about["seed"], about["zones"], about["readings"]) == (1, 2, written)
    assert set(about["versions"]) == {"ndiyan", "numpy", "pvlib", "pyarrow"}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    one = digests(tmp_path / "one")
    assert one == digests(tmp_path / "two")
    assert {"readings.csv", "readings.parquet", "labels.csv", "states.csv", "about.json", "zones/zone-3.toml"} <= set(
        one
    )
    write(tmp_path / "other", broken=())
    assert digests(tmp_path / "other")["readings.csv"] != one["readings.csv"]


@pytest.mark.parametrize(("form", "files"), [("csv", {"readings.csv"}), ("parquet", {"readings.parquet"})])
def test_only_what_was_asked_for_is_written(tmp_path: Path, form: str, files: set[str]) -> None:
    write(tmp_path / "out", hours=2, form=form)
    assert {file.name for file in (tmp_path / "out").glob("readings.*")} == files


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(SimulatorError, match="is not empty: give a new folder"):
        write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(SimulatorError, match=r"mine\.txt.*: cannot be written: "):
        write(tmp_path / "mine.txt" / "out")


def test_a_history_that_is_cut_short_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    witness = Witness()
    blocks = live_through(
        Village(TWO, seed=1), start=DAWN, end=DAWN + timedelta(hours=30), broken=(), folder=None, witness=witness
    )
    running = write_history(TWO, blocks, witness, folder=tmp_path / "out", form="both", about={})
    next(running)
    running.close()
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"zones", "readings.csv.part", "readings.parquet.part", "states.csv.part"}


def test_times_between_seconds_are_written_to_the_millisecond() -> None:
    assert iso_times(np.array([0.0, 86_400.0]).tobytes()) == ["1970-01-01T00:00:00Z", "1970-01-02T00:00:00Z"]
    assert iso_times(np.array([1.5, 2.0]).tobytes()) == ["1970-01-01T00:00:01.500Z", "1970-01-01T00:00:02.000Z"]


def test_row_groups_bound_the_memory_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.files.ROW_GROUP", 10_000)
    written = write(tmp_path / "out", form="parquet")
    file = pq.ParquetFile(tmp_path / "out" / "readings.parquet")
    sizes = [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)]
    assert sum(sizes) == written
    assert max(sizes) <= 10_000
    assert len(sizes) >= written // 10_000


def test_blocks_are_counted_as_they_are_written(tmp_path: Path) -> None:
    t_s = np.array([1e9, 1e9 + 60])
    blocks = [HistoryBlock("zone-3", "tower", "level_m", t_s, np.array([1.0, 2.0]))] * 3
    assert list(write_history(TWO, blocks, Witness(), folder=tmp_path / "out", form="csv", about={})) == [2, 4, 6]
