"""A village without a cell: the cells of its neighbours tell a dark day from a pump that stands."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.backtest import judge_history
from alerts.files import History, sites_of
from alerts.scene import STEP_S, FloatArray, Sites
from alerts.sky import CELL, NEAR_KM, Place, near_sun_w_m2, nearest
from alerts.watched import fetch_grid, fetch_sites
from gateway.clock import us_from_instant
from gateway.model import Fault, Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter

START = datetime(2026, 3, 2, tzinfo=UTC)
STEPS = 288
HOUR = np.arange(STEPS) * STEP_S / 3600
BRIGHT = np.maximum(900 * np.sin((HOUR - 6.5) / 12.5 * np.pi), 0.0)
DARK = BRIGHT * 120 / 900


HERE = Place("here", 11.3, -12.3)


def told(zones: Sequence[Zone], cells: Mapping[str, FloatArray]) -> set[object]:
    """What is told of the first village, whose pump has not run on this day, without a cell there."""
    village = zones[0]
    t_s = START.timestamp() + STEP_S * np.arange(STEPS)
    level_m = 0.5 * village.asset("tower").rating["start_level_m"] + 0.02 * np.sin(np.arange(STEPS))
    series = {(zone, *CELL): (t_s, sun) for zone, sun in cells.items()}
    series[village.zone_id, "pump", "power_w"] = t_s, np.full(STEPS, 2.0)
    series[village.zone_id, "tower", "level_m"] = t_s, level_m
    history, around = History(series), sites_of(zones)
    end_s = START.timestamp() + STEPS * STEP_S
    alerts, _ = judge_history(
        zones[:1], lambda some: history.grid(Sites(sites_of(some)), START.timestamp(), end_s, around=around)
    )
    return {alert.fault for alert in alerts} & {Fault.PUMP_NOT_RUNNING, Fault.FLOAT_STUCK_FULL}


def test_a_pump_that_stands_under_a_dark_sky_is_well_and_under_a_bright_one_it_is_not(zones: list[Zone]) -> None:
    _, second, third, fourth, *_ = (zone.zone_id for zone in zones)
    assert told(zones, {}), "nobody knows of the sky, and the sun is high"
    assert told(zones, {second: BRIGHT, third: BRIGHT})
    assert not told(zones, {second: DARK, third: DARK})
    assert told(zones, {second: DARK}), "one cell alone may be what is wrong"
    assert told(zones, {second: DARK, third: DARK, fourth: BRIGHT}), "a cloud over two of three is no dark day"


def test_the_next_cells_are_asked_and_none_beyond_fifty_kilometres() -> None:
    def at_km(name: str, north: float, east: float) -> Place:
        return Place(name, 11.3 + north / 111.2, -12.3 + east / (111.2 * np.cos(np.radians(11.3))))

    def near(*cells: Place) -> list[str]:
        north, east = np.array([[cell.latitude, cell.longitude] for cell in cells]).T
        return nearest(HERE, [cell.zone_id for cell in cells], north, east)

    far, b, a, c = at_km("far", 0, NEAR_KM + 1), at_km("b", 20, 0), at_km("a", 0, -5), at_km("c", 0, NEAR_KM - 1)
    assert near(far, b, a, HERE, c) == ["a", "b", "c"]
    assert near(*(at_km(str(km), km, 0) for km in (9, 3, 7, 1, 5))) == ["1", "3", "5", "7"]
    assert near(HERE) == []


def test_the_brightest_of_at_least_two_cells_counts_as_long_as_they_are_heard(zones: list[Zone]) -> None:
    sites, own = Sites(sites_of(zones[:2])), np.full((2, 24), np.nan)
    own[1] = 500.0
    raw = {"p": np.full(24, 100.0), "q": np.full(24, 300.0)}
    raw["p"][12:] = np.nan
    places = [Place(zone, zones[0].latitude + 0.1, zones[0].longitude) for zone in raw]
    found = near_sun_w_m2(sites, own, 24, lambda: places, lambda asked: {zone: raw[zone] for zone in asked})
    assert found is not None
    assert found[0, :13].tolist() == [300.0] * 13
    assert np.isnan(found[0, 14:]).all(), "the second fell silent"
    assert np.isnan(found[1]).all(), "it has a cell of its own"


def test_a_cell_that_falls_silent_has_neighbours_after_two_hours(zones: list[Zone]) -> None:
    sites = Sites(sites_of(zones[:1]))
    places = [Place(zone, zones[0].latitude + 0.1, zones[0].longitude) for zone in ("p", "q")]
    own = np.full((1, 72), 500.0)
    for steps, is_asked in ((23, False), (24, True)):
        own[0, 24 : 24 + steps] = np.nan
        found = near_sun_w_m2(
            sites, own, 72, lambda: places, lambda asked: {zone: np.full(72, 300.0) for zone in asked}
        )
        assert (found is not None) == is_asked, "its own has been silent for two hours"


def test_nobody_is_asked_of_a_sky_that_a_cell_sees(zones: list[Zone]) -> None:
    sites, own = Sites(sites_of(zones[:2])), np.full((2, 24), np.nan)
    own[1] = 500.0
    places = [Place(zone, zones[0].latitude + 0.1, zones[0].longitude) for zone in ("p", "q")]

    def never(*_: object) -> object:
        raise AssertionError("nobody needs it")

    assert near_sun_w_m2(sites, np.full((2, 24), 1.0), 24, never, never) is None  # type: ignore[arg-type]
    assert near_sun_w_m2(sites, own, 24, lambda: places[:1], never) is None  # type: ignore[arg-type]


@pytest.mark.db
def test_the_database_gives_the_cells_of_neighbours_too(database_url: str, zones: list[Zone]) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones[:3])
        ids = channel_ids(connection)
        measured = np.tile(us_from_instant(START) + 300_000_000 * np.arange(STEPS, dtype=np.int64), 2)
        channel = np.repeat(np.array([ids[zone.zone_id, *CELL] for zone in zones[1:3]], dtype=np.int32), STEPS)
        value, flag = np.concatenate([DARK, BRIGHT]), np.full(2 * STEPS, Flag.GOOD, dtype=np.int16)
        ReadingWriter(connection).write(Columns(channel, measured, measured, value, flag))
        sites = Sites(fetch_sites(connection, [zones[0].zone_id]))
        grid = fetch_grid(connection, sites, START.timestamp(), STEPS, with_sky=True)
        assert grid.near_sun is not None
        assert grid.near_sun[0] == pytest.approx(BRIGHT)
        assert fetch_grid(connection, sites, START.timestamp(), STEPS).near_sun is None, "nobody asked"
        later = fetch_grid(connection, sites, (START + timedelta(days=3)).timestamp(), STEPS, with_sky=True)
        assert later.near_sun is not None
        assert np.isnan(later.near_sun).all()
