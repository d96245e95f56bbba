"""Volumes from counters: past their end, over an exchange, after a reset; never negative, never a lake."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import ZoneFileError
from gateway.model import Flag
from gateway.zones import Zone, zone_from_values
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.meters import counted_steps
from ingest.quality import QualityMemory
from ingest.registry import import_zones
from ingest.writer import ReadingWriter
from ndiyan.shipped_files import shipped

BASE_US = round(datetime(2026, 11, 23, 22, 0, tzinfo=UTC).timestamp() * 1e6)
HOUR_US = 3_600_000_000
MOST = 200.0  # m³/h, of a pump's meter


@pytest.mark.parametrize(
    ("before", "now", "hours", "wraps_at", "moved"),
    [
        pytest.param(100.0, 103.5, 1, None, 3.5, id="moves-on"),
        pytest.param(9998.0, 3.0, 1, 10_000.0, 5.0, id="rolls-over"),
        pytest.param(9998.0, 3.0, 1, None, 0.0, id="not-known-to-roll-over"),
        pytest.param(9998.0, 2498.0, 24, 10_000.0, 2500.0, id="a-quarter-of-the-range-is-the-most"),
        pytest.param(9998.0, 2498.1, 24, 10_000.0, 0.0, id="more-than-a-quarter"),
        pytest.param(5000.0, 0.0, 24, 10_000.0, 0.0, id="set-to-nought-in-mid-range"),
        pytest.param(9900.0, 0.0, 0.1, 1e6, 0.0, id="a-new-meter-from-nought"),
        pytest.param(120.0, 1_000_120.0, 1, None, 0.0, id="a-used-meter-put-in"),
        pytest.param(120.0, 320.0, 1, None, 200.0, id="what-the-pipe-carries"),
        pytest.param(120.0, 320.1, 1, None, 0.0, id="just-more"),
        pytest.param(120.0, 220.0, 0.01, None, 100.0, id="a-burst-of-an-hour-may-come-at-once"),
        pytest.param(120.0, 14_000.0, 72, None, 13_880.0, id="after-three-days-of-silence"),
        pytest.param(9990.0, 9989.0, 1, 10_000.0, 0.0, id="a-step-back"),
    ],
)
def test_what_a_counter_moved_on(before: float, now: float, hours: float, wraps_at: float | None, moved: float) -> None:
    step, span, end, most = (np.array([one]) for one in (now - before, hours * 3600, wraps_at or np.nan, MOST))
    assert counted_steps(step, span, end, most)[0] == pytest.approx(moved)


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def volume_channel(connection: Connection, wraps_at: float | None) -> int:
    (row,) = connection.execute(
        "UPDATE channel SET wraps_at = %s WHERE asset_id = 'pump' AND name = 'volume_m3'"
        " RETURNING channel_id, most_per_h",
        [wraps_at],
    ).fetchall()
    assert row[1] == MOST
    return int(row[0])


def write(writer: ReadingWriter, channel: int, rows: list[tuple[float, float]]) -> None:
    """Rows are (hours from the base, value)."""
    at = np.array([BASE_US + round(hours * HOUR_US) for hours, _ in rows])
    value, flag = np.array([value for _, value in rows]), np.full(len(rows), Flag.GOOD, dtype=np.int16)
    writer.write(Columns(np.full(len(rows), channel, dtype=np.int32), at, at + 1000, value, flag))


class Event(NamedTuple):
    """After so many hours the meter is treated so, then the water of `flow` m³/h went through."""

    hours: float
    what: str
    flow: float
    shows: float


events = st.builds(
    Event,
    st.sampled_from([0.1, 0.5, 1.0, 3.0, 30.0]),
    st.sampled_from(["nothing"] * 6 + ["exchanged", "reset", "misread"]),
    st.floats(0, MOST).map(lambda flow: round(flow, 1)),
    st.floats(0, 9999).map(lambda value: round(value, 1)),
)


@pytest.mark.db
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=60), st.sampled_from([None, 10_000.0]), st.randoms(use_true_random=False))
def test_whatever_becomes_of_a_meter_its_volume_is_never_negative_and_never_more_than_its_pipe_carries(
    connection: Connection,
    happens: list[Event],
    wraps_at: float | None,
    dice,  # type: ignore[no-untyped-def]
) -> None:
    connection.execute("TRUNCATE reading, reading_conflict, latest, reading_hour, reading_day")
    channel = volume_channel(connection, wraps_at)
    shown, at_h, drawn, could = 9900.0, 0.0, 0.0, 0.0
    rows, has_only_run = [(at_h, shown)], True
    for event in happens:
        if event.what != "nothing":
            has_only_run = False
            shown = {"exchanged": event.shows, "reset": 0.0, "misread": event.shows * 1000}[event.what]
        flow = min(event.flow, 2400 / event.hours)  # beyond a quarter of the range nobody can tell
        at_h, drawn, could = at_h + event.hours, drawn + flow * event.hours, could + MOST * max(event.hours, 1.0)
        shown += flow * event.hours
        shown = shown % 10_000 if wraps_at else shown
        rows.append((at_h, shown))
    arriving = list(rows)
    if dice.random() < 0.5:
        dice.shuffle(arriving)
    writer = ReadingWriter(connection)
    while arriving:
        size = dice.randrange(1, 9)
        write(writer, channel, arriving[:size])
        arriving = arriving[size:]
        if dice.random() < 0.15:
            writer = ReadingWriter(connection)  # ingest was killed
    of_hours = [row[0] for row in connection.execute("SELECT steps FROM reading_hourly").fetchall()]
    ((of_days,),) = connection.execute("SELECT sum(steps) FROM reading_daily").fetchall()
    assert min(of_hours) >= 0
    assert sum(of_hours) == pytest.approx(of_days)
    assert of_days <= could + 1e-6
    if has_only_run:
        assert of_days == pytest.approx(drawn, abs=1e-6), "the very water that went through, past the end or not"


@pytest.mark.db
def test_a_meter_that_rolls_over_is_not_suspect_and_the_next_ingest_reads_where_it_ends(
    connection: Connection, zones: list[Zone]
) -> None:
    channel = volume_channel(connection, None)
    writer = ReadingWriter(connection)
    write(writer, channel, [(0.0, 9998.0)])
    volume_channel(connection, 10_000.0)
    writer.forget()  # as ingest does when the registry has changed
    write(writer, channel, [(0.5, 2.0), (2.0, 4.0)])
    assert connection.execute("SELECT test FROM reading_note").fetchall() == []
    assert connection.execute("SELECT sum(steps) FROM reading_hourly").fetchone() == (6.0,)


def test_a_step_back_that_is_no_roll_over_is_suspect() -> None:
    rows = [(0.0, 5000.0), (0.5, 1.0)]
    at = np.array([BASE_US + round(hours * HOUR_US) for hours, _ in rows])
    one = np.ones(2, dtype=np.int16)
    columns = Columns(np.ones(2, dtype=np.int32), at, at, np.array([value for _, value in rows]), one)
    failed = QualityMemory({1: ("pump", "volume_m3")}, {1: 10_000.0}).test(columns)
    assert failed.tests["counter"].tolist() == [False, True]


def zone_values() -> dict:  # type: ignore[type-arg]
    import tomllib

    return tomllib.loads((shipped("zones") / "zone-1.toml").read_text("utf-8"))


@pytest.mark.db
def test_a_zone_file_tells_where_its_meters_end(connection: Connection) -> None:
    values = zone_values()
    values["pump"]["wraps_at"] = {"volume_m3": 10_000}
    values["taps"]["wraps_at"] = {"volume_m3": 99_999}
    values["devices"] = [{
        "profile": "tts-v3", "id": "meter-1", "asset": "tower",
        "points": [{"point": "litres", "is": "tower/outflow_volume_m3", "unit": "l", "wraps_at": 4_294_967_296}],
    }]  # fmt: skip
    import_zones(connection, [zone_from_values(values, "zone-1.toml")])
    found = connection.execute(
        "SELECT asset_id || '/' || name, wraps_at, most_per_h FROM channel"
        " WHERE is_counter AND (asset_id IN ('pump', 'tower', 'tap-01')) ORDER BY 1"
    ).fetchall()
    assert found == [
        ("pump/volume_m3", 10_000.0, 200.0), ("tap-01/volume_m3", 99_999.0, 20.0),
        ("tower/outflow_volume_m3", 4_294_967.296, 200.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "wrong", "says"),
    [
        pytest.param("pump", {"power_w": 100}, "wraps_at.power_w: is no counter of this asset", id="no-counter"),
        pytest.param("pump", {"volume_m3": 0}, "wraps_at.volume_m3: 0 is below 0.001", id="no-end"),
        pytest.param("pump", 10_000, "wraps_at: 10000 is not a table", id="no-table"),
    ],
)
def test_an_end_that_cannot_be_is_refused(table: str, wrong: object, says: str) -> None:
    values = zone_values()
    values[table]["wraps_at"] = wrong
    with pytest.raises(ZoneFileError, match=says):
        zone_from_values(values, "zone-1.toml")


@pytest.mark.db
def test_the_database_and_we_count_a_step_alike(connection: psycopg.Connection) -> None:  # type: ignore[type-arg]
    rng = np.random.default_rng(7)
    step = np.round(rng.uniform(-12_000, 12_000, 4000), 3)
    span_s = rng.choice([60.0, 3600.0, 86_400.0], 4000)
    end, most = rng.choice([np.nan, 10_000.0], 4000), rng.choice([np.nan, 200.0], 4000)
    rows = connection.execute(
        "SELECT counted_step(s, t, nullif(w, 'NaN'), nullif(m, 'NaN'))"
        " FROM unnest(%s::float8[], %s::float8[], %s::float8[], %s::float8[]) WITH ORDINALITY AS x (s, t, w, m, n)"
        " ORDER BY n",
        [step.tolist(), span_s.tolist(), end.tolist(), most.tolist()],
    ).fetchall()
    assert [row[0] for row in rows] == counted_steps(step, span_s, end, most).tolist(), "to the last bit"
