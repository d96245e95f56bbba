"""What cannot be at a site is bad for everybody, before any detector has seen it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.scene import Grid, Site, Sites, spacing_of
from alerts.watched import fetch_grid, fetch_sites
from gateway.clock import us_from_instant
from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.alerts.windows import CALM, RATINGS, Values, scene


def grid(**changes: Values | None) -> Grid:
    return scene(6, **changes).grid


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        # The tower is 3 m, its foot at 12 m; the pump gives 4 m³/h and draws 1,200 W; its intake hangs at 50 m.
        pytest.param("tower__level_m", -0.125, id="a-cut-loop-of-4-m-at-3.5-mA"),
        pytest.param("tower__level_m", 4.5, id="higher-than-the-tower"),
        pytest.param("network__pressure_bar", -0.19, id="a-cut-loop-of-6-bar-at-3.5-mA"),
        pytest.param("network__pressure_bar", 12.0, id="more-than-any-column-here"),
        pytest.param("pump__flow_m3_h", 14.0, id="more-than-the-pump-gives"),
        pytest.param("pv__irradiance_w_m2", 1600.0, id="more-than-the-sun-gives"),
        pytest.param("pv__power_w", 6553.5, id="what-a-bus-adapter-writes"),
        pytest.param("borehole__water_depth_m", 52.1, id="below-the-intake-while-water-comes"),
    ],
)
def test_what_cannot_be_is_bad_and_is_never_judged(channel: str, value: float) -> None:
    found = grid(**{channel: value})
    place = channel.split("__")
    assert found.is_bad(place[0], place[1])[0, -72:].all()
    assert not np.isfinite(found.value(place[0], place[1])).any()


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        pytest.param("tower__level_m", -0.04, id="3.8-mA-of-an-empty-tower"),
        pytest.param("tower__level_m", 3.4, id="over-the-float-in-the-overflow"),
        pytest.param("network__pressure_bar", -0.05, id="an-empty-network"),
        pytest.param("network__pressure_bar", 4.0, id="a-village-below-its-tower"),
        pytest.param("pv__irradiance_w_m2", 1350.0, id="the-edge-of-a-cloud"),
        pytest.param("borehole__water_depth_m", 51.9, id="at-the-intake-as-far-as-anybody-knows"),
    ],
)
def test_what_is_rare_stays(channel: str, value: float) -> None:
    found = grid(**{channel: value})
    place = channel.split("__")
    assert not found.is_bad(place[0], place[1]).any()
    assert np.isfinite(found.value(place[0], place[1])[0, -72:]).all()


@pytest.mark.parametrize(("before_m", "is_bad"), [(0.2, False), (1.5, True)])
def test_a_sensor_that_hangs_low_says_so_when_the_tower_runs_empty(before_m: float, is_bad: bool) -> None:
    """0.15 m below nothing in a tower of 3 m: where water stood a moment before, it is a loop that is cut."""
    found = grid(tower__level_m=lambda t: np.where(t < 4 * 3600, before_m, -0.15))
    assert found.is_bad("tower", "level_m")[0, -20:].all() == is_bad


@pytest.mark.db
@pytest.mark.parametrize(
    ("days", "before_m", "is_bad"),
    [
        pytest.param(1, 0.2, False, id="it-emptied-yesterday"),
        pytest.param(59, 0.2, False, id="it-has-been-empty-for-long"),
        pytest.param(1, 1.5, True, id="from-water-it-is-a-cut-loop"),
        pytest.param(61, 0.2, True, id="nobody-remembers"),
    ],
)
def test_a_tower_that_was_empty_before_a_grid_begins_is_empty_in_it(
    database_url: str, zones: list[Zone], days: int, before_m: float, is_bad: bool
) -> None:
    """The last level that can be, of so many days ago, and a wild one behind it that was set aside; then 4 % below
    nothing."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    low_m = -0.04 * float(zones[0].asset("tower").rating["full_level_m"])
    steps = 24
    at = [start - timedelta(days=days), start - timedelta(hours=2), start - timedelta(hours=1)]
    at += [start + timedelta(minutes=5 * step) for step in range(steps)]
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        channel = np.full(len(at), channel_ids(connection)[zones[0].zone_id, "tower", "level_m"], dtype=np.int32)
        measured = np.array([us_from_instant(moment) for moment in at], dtype=np.int64)
        value = np.array([before_m, 2.0, low_m, *[low_m] * steps])
        flag = np.array([Flag.GOOD, Flag.BAD, *[Flag.GOOD] * (steps + 1)], dtype=np.int16)
        ReadingWriter(connection).write(Columns(channel, measured, measured, value, flag))
        found = fetch_grid(connection, Sites(fetch_sites(connection, [zones[0].zone_id])), start.timestamp(), steps)
    assert found.is_bad("tower", "level_m").all() == is_bad
    assert np.isfinite(found.value("tower", "level_m")).all() != is_bad


def test_a_well_that_the_pump_has_just_emptied_may_stand_below_the_intake() -> None:
    dry = grid(borehole__water_depth_m=52.2, pump__flow_m3_h=0.0, pump__power_w=400.0)
    assert not dry.is_bad("borehole", "water_depth_m").any()
    at_rest = grid(borehole__water_depth_m=52.2, pump__flow_m3_h=0.0, pump__power_w=3.0)
    assert at_rest.is_bad("borehole", "water_depth_m")[0, -1], "but not for hours after it rests"


def test_without_a_plate_only_what_no_zone_can_have_is_bad() -> None:
    raw = {("tower", "level_m"): np.array([[-0.5, 4.5, -999.0]])}
    found = Grid(Sites([Site("zone-1", 11.3, -12.3, 900, {}, frozenset(raw))]), 0.0, 300.0, 3, raw)
    assert found.is_bad("tower", "level_m").tolist() == [[False, False, True]]


def test_a_counter_may_stand_at_any_number() -> None:
    found = grid(**{"tap-01__volume_m3": 65_535.0, "gateway__uptime_s": 9999.0})
    assert not found.is_bad("tap-01", "volume_m3").any()
    assert not found.is_bad("gateway", "uptime_s").any()


def test_what_was_read_is_not_changed() -> None:
    raw = {("tower", "level_m"): np.array([[1.0, -0.5, 1.0]])}
    site = Site("zone-1", 11.3, -12.3, 900, RATINGS, frozenset(raw))
    Grid(Sites([site]), 0.0, 300.0, 3, raw)
    assert raw["tower", "level_m"].tolist() == [[1.0, -0.5, 1.0]]


@pytest.mark.parametrize("spacing", [1, 2, 3, 6, 12])
def test_a_value_holds_until_the_next_reading_of_its_zone_is_overdue(spacing: int) -> None:
    row = np.full((1, 120), np.nan)
    row[0, :60:spacing] = 1.5
    assert spacing_of(row).tolist() == [spacing]
    site = Site("zone-1", 11.3, -12.3, 900, RATINGS, frozenset())
    held = Grid(Sites([site]), 0.0, 300.0, 120, {("tower", "level_m"): row}).value("tower", "level_m")
    assert np.isfinite(held[0, :60]).all()
    assert not np.isfinite(held[0, 75:]).any(), "an hour and more later it says nothing"


def test_a_calm_morning_has_nothing_bad() -> None:
    calm = grid()
    assert not calm.bad
    assert {f"{asset}__{channel}" for asset, channel in calm.raw} == set(CALM)


def test_what_a_counter_moved_on_is_told_by_the_rule_of_meters() -> None:
    """A tap's counter that ends at 1,000 m³, on a pipe of 20 m³/h: a step a reading, worked out by hand."""
    tap, nan = ("tap-01", "volume_m3"), np.nan
    row = [997.0, nan, 999.5, 1.5, 1.5, 300.0, 301.0, 0.0, 0.5]
    #      first, gap, +2.5, past its end, stands, exchanged for one that shows more, +1, set to nothing, +0.5
    moved = [nan, nan, 2.5, 2.0, 0.0, nan, 1.0, nan, 0.5]
    raw = {tap: np.array([row, row])}
    meters = [{tap: (1000.0, 20.0)}, {tap: (None, 20.0)}]
    sites = [Site(f"zone-{n}", 11.3, -12.3, 900, {}, frozenset(raw), own) for n, own in enumerate(meters)]
    found = Grid(Sites(sites), 0.0, 300.0, len(row), raw)
    np.testing.assert_array_equal(found.moved(*tap)[0], moved)
    moved[3] = nan  # nobody knows that this one rolls over
    np.testing.assert_array_equal(found.moved(*tap)[1], moved)
    assert np.isnan(found.moved("tap-02", "volume_m3")).all(), "there is none"
