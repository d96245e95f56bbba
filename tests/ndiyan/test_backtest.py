"""`ndiyan backtest`: what is held against the truth is what was judged."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.settings import change
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from ndiyan.backtest import BacktestOptions, run_backtest
from tests.web.web_seed import seed_readings

START = datetime(2026, 3, 2, tzinfo=UTC)


def test_labels_of_zones_that_were_not_judged_are_no_misses(zones: list[Zone], tmp_path: Path) -> None:
    """A season of two zones, and an engineer who asks for one of them."""
    readings, labels = tmp_path / "readings.csv", tmp_path / "labels.csv"
    moments = [START + timedelta(minutes=5 * step) for step in range(288)]
    rows = [f"{at:%Y-%m-%dT%H:%M:%SZ},{zone},tower,level_m,1.5,m" for zone in ("zone-1", "zone-2") for at in moments]
    readings.write_text("\n".join(["time,zone,asset,channel,value,unit", *rows]))
    broken = "night_leak,network,2,M,2026-03-02T01:00:00Z,2026-03-02T02:00:00Z,"
    labels.write_text(f"zone,fault,asset,severity,size,onset,start,end\nzone-1,{broken}\nzone-2,{broken}\n")
    options = BacktestOptions(zones[:1], readings, labels, None, None, tmp_path / "alerts.csv")
    found, text = run_backtest(options, lambda: "")
    assert found["score"]["labels"] == 1
    assert "not judged: 1 labels of zones without a file or a reading" in text


@pytest.mark.db
def test_the_database_is_judged_by_the_rules_as_people_have_changed_them(
    database_url: str, zones: list[Zone], clock: ManualClock, tmp_path: Path
) -> None:
    """A pump that has stood for 100 minutes, where people wanted to wait for 150."""
    now, out = clock.now().replace(hour=13, minute=0), tmp_path / "alerts.csv"
    options = BacktestOptions(zones[2:3], None, None, None, None, out)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        seed_readings(connection, zones[2], now=now, days=8, pump_stops_at=now - timedelta(minutes=100))
        run_backtest(options, lambda: database_url)
        assert "pump_not_running" in out.read_text()
        name = "pump_not_running.on_delay_min"
        change(connection, name, zone=None, value=150.0, who="Awa", why="nuages", now=now)
        run_backtest(options, lambda: database_url)
        assert "pump_not_running" not in out.read_text()
