"""Which kind of silent? One day per answer, worked out by hand, and what must not be answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.days import Days, days_of
from alerts.detectors import features_of
from alerts.scene import Grid, Sites
from alerts.silent import Box, Kind, Silence, why_silent
from gateway.model import PumpState
from tests.alerts.toy import Toy
from tests.alerts.windows import Values, scene

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NO_WATER: dict[str, Values | None] = {"tower__outflow_m3_h": 0.0, "pump__flow_m3_h": 0.0}
STANDS: dict[str, Values | None] = {**NO_WATER, "pump__power_w": 0.0}


def box(newest_s: float, battery_v: float = 12.6, signal_dbm: float = -85.0, credit_gnf: float = 50_000.0) -> Box:
    return Box(*(np.array([value]) for value in (newest_s, battery_v, signal_dbm, credit_gnf)))


def heard(start: datetime = MORNING, **changes: Values | None) -> Silence | None:
    """The answer for one zone that is heard, after six hours of these readings."""
    grid = scene(6, start, **changes).grid
    (found,) = why_silent(grid, box(grid.end_s - 300), grid.end_s)
    return found


def test_where_water_flows_nothing_is_asked() -> None:
    assert heard() is None
    assert heard(pump__flow_m3_h=0.0, pump__power_w=0.0) is None, "the tower gives, whatever the pump does"


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        pytest.param({**STANDS, "tower__level_m": 0.2}, Kind.PUMP_BROKEN, "Good sun (700 W/m²)", id="stands-in-sun"),
        pytest.param(
            {**STANDS, "tower__level_m": 0.2, "pv__irradiance_w_m2": None}, Kind.PUMP_BROKEN, "The sun is high",
            id="stands-under-a-high-sun-that-nobody-measures",
        ),
        pytest.param(
            {**NO_WATER, "tower__level_m": 0.2, "borehole__water_depth_m": 48.0}, Kind.WELL_DRY,
            "the level is at 48 m, the intake at 50 m", id="turns-dry",
        ),
        pytest.param(
            {**STANDS, "tower__level_m": 0.2, "pump__state_code": float(PumpState.STOPPED_DRY)}, Kind.WELL_DRY,
            "for want of water", id="controller-says-dry",
        ),
        pytest.param(
            {**NO_WATER, "tower__level_m": 0.2}, Kind.PUMP_BROKEN, "the well has water (30 m)", id="lifts-nothing",
        ),
        pytest.param(
            {**STANDS, "tower__level_m": 0.3, "pv__irradiance_w_m2": 90.0}, Kind.NO_POWER,
            "too weak for the pump (90 W/m² at most)", id="cloud-and-empty",
        ),
        pytest.param(
            {**STANDS, "tower__level_m": 2.4, "pv__irradiance_w_m2": 90.0}, Kind.NOBODY_DREW, "The tower is at 80 %",
            id="water-and-nobody",
        ),
        # A tower of 20 m³ and 3 m holds 6.67 m³ a metre: 0.1 m/h lost is 0.67 m³/h, 1.3 m³ in the window's 23 steps.
        pytest.param(
            {**STANDS, "tower__level_m": lambda s: 2.5 - 0.1 * s / 3600, "pv__irradiance_w_m2": 90.0},
            Kind.SENSOR_FAILED, "lost 1.3 m³ that its meter did not see", id="meter-stands-level-falls",
        ),
        pytest.param(
            {**NO_WATER, "tower__level_m": lambda s: 0.2 + 0.1 * s / 3600}, Kind.SENSOR_FAILED,
            "gained 1.3 m³ that the pump's meter did not see", id="pump-meter-stands",
        ),
        pytest.param(
            {**NO_WATER, "tap-01__volume_m3": lambda s: s / 3600}, Kind.SENSOR_FAILED, "The taps gave 2.0 m³",
            id="taps-run-the-meter-does-not",
        ),
        pytest.param(
            {"pump__flow_m3_h": None, "tower__outflow_m3_h": np.nan}, Kind.SENSOR_FAILED, "no usable reading",
            id="the-meter-is-blind",
        ),
        pytest.param(
            {**STANDS, "tower__level_m": 0.2, "pv__irradiance_w_m2": None, "pump__power_w": np.nan}, Kind.CANNOT_TELL,
            "do not say why", id="neither-sun-nor-motor",
        ),
        pytest.param(
            {**STANDS, "tower__level_m": 0.2, "pump__state_code": float(PumpState.STOPPED_BY_HAND)}, Kind.CANNOT_TELL,
            "do not say why", id="stopped-by-hand-is-not-broken",
        ),
    ],
)  # fmt: skip
def test_no_water_flows_because(changes: dict[str, Values | None], kind: Kind, says: str) -> None:
    found = heard(**changes)
    assert found is not None
    assert (found.kind, says in found.sentence_en) == (kind, True), found
    assert (found.confidence > 0) == (kind is not Kind.CANNOT_TELL)


def test_with_meters_at_the_taps_nobody_drew_is_surer() -> None:
    quiet: dict[str, Values | None] = {**STANDS, "tower__level_m": 2.4, "pv__irradiance_w_m2": 0.0}
    alone, with_taps = heard(**quiet), heard(**quiet, **{"tap-01__volume_m3": 100.0})
    assert alone is not None
    assert with_taps is not None
    assert (alone.kind, with_taps.kind) == (Kind.NOBODY_DREW, Kind.NOBODY_DREW)
    assert alone.confidence < with_taps.confidence
    assert "est à 80 %" in alone.sentence_fr


@pytest.mark.parametrize(
    ("last", "kind", "says"),
    [
        pytest.param({"battery_v": 11.4}, Kind.NO_POWER, "battery was at 11.4 V", id="battery"),
        pytest.param({"credit_gnf": 0.0}, Kind.NETWORK_OUT, "0 GNF of credit", id="credit"),
        pytest.param({"signal_dbm": -111.0}, Kind.NETWORK_OUT, "very weak (-111 dBm)", id="signal"),
        pytest.param({}, Kind.NETWORK_OUT, "battery was good", id="all-was-well"),
        pytest.param(
            {"battery_v": np.nan, "signal_dbm": np.nan, "credit_gnf": np.nan}, Kind.CANNOT_TELL, "nothing foretold it",
            id="it-never-said-anything-of-itself",
        ),
    ],
)  # fmt: skip
def test_nothing_is_heard_because(last: dict[str, float], kind: Kind, says: str) -> None:
    grid = scene(6).grid
    (found,) = why_silent(grid, box(grid.end_s, **last), grid.end_s + 3 * 3600)
    assert found is not None
    assert (found.kind, says in found.sentence_en) == (kind, True), found
    assert "3.0 h" in found.sentence_en
    assert "3,0 h" in found.sentence_fr


def test_a_zone_that_never_spoke_cannot_be_told() -> None:
    grid = scene(1).grid
    (found,) = why_silent(grid, box(np.nan), grid.end_s)
    assert found is not None
    assert (found.kind, found.confidence) == (Kind.CANNOT_TELL, 0.0)


def test_zones_that_fall_silent_in_the_same_hour_are_the_operators_network() -> None:
    one = scene(6).grid
    grid = Grid(
        Sites(list(one.sites.sites) * 4), one.start_s, one.step_s, one.steps,
        {key: np.repeat(raw, 4, axis=0) for key, raw in one.raw.items()},
    )  # fmt: skip
    end_s = one.end_s
    newest_s = np.array([end_s - 9000, end_s - 9600, end_s - 10_200, end_s - 40_000])
    unknown = np.full(4, np.nan)
    found = why_silent(grid, Box(newest_s, unknown, unknown, unknown), end_s)
    assert [one.kind for one in found if one] == [Kind.NETWORK_OUT] * 3 + [Kind.CANNOT_TELL]
    assert found[0] is not None
    assert "3 zones fell silent" in found[0].sentence_en


@given(
    st.lists(st.one_of(st.just(np.nan), st.floats(0, 3)), min_size=24, max_size=24),
    st.lists(st.one_of(st.just(np.nan), st.floats(0, 5)), min_size=24, max_size=24),
    st.floats(0, 1000),
)
def test_whatever_is_missing_an_answer_has_words_and_no_false_certainty(
    level: list[float], outflow: list[float], sun: float
) -> None:
    found = heard_of(level, outflow, sun)
    if found is not None:
        assert found.sentence_fr
        assert found.sentence_en
        assert "nan" not in found.sentence_en
        assert 0 <= found.confidence <= 0.95


def heard_of(level: list[float], outflow: list[float], sun: float) -> Silence | None:
    grid = scene(
        2, tower__level_m=np.array(level), tower__outflow_m3_h=np.array(outflow), pv__irradiance_w_m2=sun,
        pump__power_w=0.0, pump__flow_m3_h=0.0,
    ).grid  # fmt: skip
    return why_silent(grid, box(grid.end_s - 300), grid.end_s)[0]


def test_a_pump_that_died_in_the_night_is_broken_in_the_morning_though_its_float_does_not_ask_yet() -> None:
    """2.4 m of 3 stand in the tower, and it was not filled yesterday: the days before know that, a morning does not."""
    lived = Toy(days=2.5, lacks=(("pump", "state_code"),)).scene().grid
    day = (lived.t_s - lived.start_s) / 86_400
    raw = dict(lived.raw)
    for channel in (("pump", "power_w"), ("pump", "speed_rpm"), ("pump", "flow_m3_h"), ("tower", "outflow_m3_h")):
        raw[channel] = np.where(day >= 2, 0.0, raw[channel])
    raw["tower", "level_m"] = np.where(day >= 2, 2.4, 2.3 + 0.1 * np.sin(2 * np.pi * day))[None, :]
    whole = replace(lived, raw=raw, _cache={})
    days = days_of(whole, features_of(whole.sites))
    cut = {channel: value[:, 576:] for channel, value in raw.items()}
    today = replace(whole, start_s=whole.start_s + 2 * 86_400, steps=144, raw=cut, bad={}, _cache={})

    def answer(days: Days | None) -> Kind | None:
        (found,) = why_silent(today, box(today.end_s - 300), today.end_s, days)
        return None if found is None else found.kind

    assert answer(days) == Kind.PUMP_BROKEN
    assert answer(None) == Kind.NOBODY_DREW, "nobody knows of yesterday"
