"""The benchmarks run at a tiny size and count right; how fast they are here is nobody's business."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import ingest, overload, peers, reads, rig
from benchmarks.processes import MeasureError
from benchmarks.rig import CHANNELS, COPY_END, COPY_HEADER, PER_PACK, ZONES, Rig, binary_rows
from ingest.db import connect, queries
from ndiyan.embedded_broker import find_mosquitto
from tests.conftest import skip_without

pytestmark = [pytest.mark.db, pytest.mark.broker, pytest.mark.slow]
PROMISED = {
    "ratio_to_copy", "ratio_bare_to_copy", "ratio_to_naive", "copy_readings_per_s", "end_to_end_readings_per_s",
    "end_to_end_messages_per_s", "replay_readings_per_s", "latency_ms_p50", "latency_ms_p99", "lost", "twice",
    "peak_rss_mb",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _mosquitto(request: pytest.FixtureRequest) -> None:
    if find_mosquitto() is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-") as name:
        Path(name).chmod(0o711)  # the servers' accounts come through here
        yield Path(name)


def test_what_was_lost_changed_or_never_sent_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig, "COMPARED_AT_ONCE", 2 * ZONES)
    bench = Rig(folder, 3 * ZONES + 500)
    try:
        bench.start()
        with connect(bench.postgres.url()) as connection, connection.cursor() as cursor:
            for columns in (bench.warm_up_columns, bench.columns):
                with cursor.copy(queries("benchmarks", "ingest")["copy_reading"]) as copy:
                    copy.write(COPY_HEADER + binary_rows(columns) + COPY_END)
            assert bench.lost_and_twice() == (0, 0)
            at, channel = bench.columns.measured_us, bench.columns.channel_id
            for place in (0, 5000, len(at) - 1):
                cursor.execute(
                    "DELETE FROM reading WHERE channel_id = %s AND measured_at = to_timestamp(%s)",
                    (int(channel[place]), at[place] / 1e6),
                )
            assert bench.lost_and_twice() == (3, 0)
            cursor.execute(
                "UPDATE reading SET value = value + 0.01 WHERE channel_id = %s AND measured_at = to_timestamp(%s)",
                (int(channel[7000]), at[7000] / 1e6),
            )
            assert bench.lost_and_twice() == (4, 1)
            for channel_id, at_us in ((9_999_999, at[0]), (int(channel[0]), at[0] + 1), (int(channel[0]), at[0] - 9e9)):
                cursor.execute(
                    "INSERT INTO reading (channel_id, flag, measured_at, received_at, value)"
                    " VALUES (%s, 1, to_timestamp(%s), now(), 1)",
                    (channel_id, at_us / 1e6),
                )
            assert bench.lost_and_twice() == (4, 4)
    finally:
        bench.stop()


def test_twice_the_load_leaves_in_parts_and_all_of_it_arrives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "PART", ZONES + 300)
    found = overload.measure(folder, 0.05, 10_000, lambda line: None)
    assert found.findings == []
    assert found.looks[-1].committed == 60_000


def test_ingest_is_measured_with_nothing_lost_or_twice_and_all_promised_figures() -> None:
    lines: list[str] = []
    found = ingest.measure(60, 1, lines.append)
    assert found.keys() >= PROMISED
    assert (found["lost"], found["twice"], found["unconfirmed"]) == (0, 0, 0)
    assert found["end_to_end_messages_per_s"] == pytest.approx(found["end_to_end_readings_per_s"] / PER_PACK, abs=1)
    assert all(found[key] > 0 for key in PROMISED - {"lost", "twice"})
    assert any(line.startswith("round 1 of 1: ") for line in lines)


def test_reads_are_measured_against_what_was_written() -> None:
    found = reads.measure(2, 1, lambda line: None, year_days=3)
    assert found["latest_channels"] == reads.LATEST_ZONES * len(CHANNELS)
    assert found["matrix_readings"] == 2 * len(CHANNELS) * reads.STEPS_A_DAY
    assert found["year_chart_db_ms"] > 0


def test_without_npm_the_peer_is_missed_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path, 1)
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(MeasureError, match=r"^node and npm are not installed, .*: apt-get install npm$"):
        peers.NodeRed(rig)
