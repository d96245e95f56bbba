"""The benchmark of late data measures where weeks are compressed, says so where none are, and leaves nothing behind."""

import pytest

from benchmarks.late import measure
from ingest.db import connect

pytestmark = pytest.mark.db


def test_late_data_is_measured_where_there_is_timescaledb_and_nowhere_else(postgres: str) -> None:
    with connect(postgres) as connection:
        ((preloaded, licence),) = connection.execute(
            "SELECT current_setting('shared_preload_libraries'), current_setting('timescaledb.license', true)"
        ).fetchall()
        said: list[str] = []
        figures = measure(postgres, 3, said.append)
        assert connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'ndiyan_bench%'").fetchall() == []
    if "timescaledb" not in preloaded or licence == "apache":
        assert figures is None
        return
    assert figures is not None
    assert len(said) == 3, "a line a round"
    assert 0 < figures["bytes_per_reading_compressed"] < figures["bytes_per_reading"]
    assert all(figures[f"ratio_{what}_to_copy"] > 0 for what in ("backlog", "gap", "again"))
