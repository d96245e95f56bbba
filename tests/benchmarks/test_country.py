"""What the country's figures rest on: zones of 20 channels, series that are true to themselves, and yearly sums.

That it runs is seen where it is run: it starts servers and takes minutes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks import country
from benchmarks.country import CHANNELS, Country, Recorded, Spent, figures, names_of, of_twenty, packs, yearly_gb
from gateway.zones import Zone

END = datetime(2026, 3, 1, 11, tzinfo=UTC)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """Six models of four days; a reading's value is its place: model, step and channel."""
    monkeypatch.setattr(country, "RECORDED_DAYS", 4)
    model, step, channel = np.indices((6, 4 * 288, CHANNELS))
    return Recorded(1e6 * model + 100.0 * step + channel, END)


def test_every_zone_has_twenty_channels_and_all_that_detectors_need_of_the_pump(zones: list[Zone]) -> None:
    for zone in map(of_twenty, zones):
        names = names_of(zone)
        assert len(set(names)) == CHANNELS
        assert {("pump", "power_w"), ("pump", "flow_m3_h"), ("tower", "level_m"), ("pv", "irradiance_w_m2")} <= set(
            names
        )
        assert len(zone.taps) == 6  # 20 less sun 2, pump 6, borehole 1, tower 3, network 1, gateway 1


def test_zones_of_one_model_live_on_different_days_at_the_same_hour(recorded: Recorded) -> None:
    last = range(-1, 0)
    assert recorded.of(1, last)[0, 0] == 100 * 1151
    assert recorded.of(7, last)[0, 0] == 100 * (1151 - 288)  # the same model a day before
    assert recorded.of(2, last)[0, 3] == 1e6 + 100 * 1151 + 3
    assert recorded.series == 12
    assert recorded.of(13, last)[0, 0] == recorded.of(1, last)[0, 0]


def test_packs_hold_ten_rounds_and_tell_their_last_number(recorded: Recorded, zones: list[Zone]) -> None:
    recorded.value[0, -1, 5] = np.nan
    series = packs(recorded, [of_twenty(zone) for zone in zones], range(-12, 0))
    assert [number for number, _ in series[0]] == [200, 240]
    assert [len(json.loads(payload)) for _, payload in series[0]] == [200, 39]  # one was never measured
    first, last = (json.loads(series[0][place][1]) for place in (0, -1))
    assert first[0]["bt"] == END.timestamp() - 11 * 300
    assert max(record.get("bt", 0) for record in last) == END.timestamp()


def test_a_year_is_the_rows_of_a_year_times_what_a_row_takes() -> None:
    sizes = {"reading": 100.0, "reading_hour": 130.0, "reading_day": 155.0, "zone_day": 1700.0, "gateway_day": 450.0}
    found = yearly_gb(Country(zones=1000), sizes)
    # 1,000 zones × 20 channels × 365 days × 288 readings × 100 bytes; hours, days and zones likewise
    assert found["reading"] == pytest.approx(210.24)
    assert found["reading_hour"] == pytest.approx(22.776)
    assert found["zone_day"] == pytest.approx(0.6205)


def test_what_takes_longest_for_an_hour_gives_first() -> None:
    cpu_s = {"broker": 6.0, "ingest": 36.0, "evaluators": 900.0, "database": 360.0}
    hour = Spent(1800.0, 60.0, 1700.0, cpu_s, [[0.5, 1.0, 2.0], [0.4, 3.0, 2.5]], 1000, 76_000, 180.0)
    sizes = dict.fromkeys(("reading", "reading_hour", "reading_day", "zone_day", "gateway_day"), 1.0)
    found = figures(Country(), hour, Spent(ingest_s=30.0, judge_s=40.0), {"ingest": 300.0, "database": 500.0}, sizes)
    assert (found["times_real_time"], found["times_real_time_sending"]) == (2.0, 60.0)
    assert found["gives_first"] == "judging"
    assert found["judging_cpu_ms_a_zone"] == 14.21  # 1,080 s of CPU for 76,000 judgements
    assert (found["cpu_s_ingest"], found["cores"]) == (36.0, 0.3617)  # 1,302 s of CPU in an hour
    assert found["answered_s_p50_p99_last"] == [0.5, 3.0, 2.5]
    assert found["memory_mb"] == 800
