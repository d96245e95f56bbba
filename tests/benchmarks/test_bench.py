"""The benchmarks run at a tiny size and count right; how fast they are here is nobody's business."""

import shutil
from pathlib import Path

import pytest

from benchmarks import ingest, peers, reads
from benchmarks.processes import MeasureError
from benchmarks.rig import CHANNELS, PER_PACK, Rig
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
