"""A backtest tells a zone's days again: what would have been opened, explained, told and written down."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from alerts.backtest import COLUMNS, PastAlert, judge_history, write_alerts
from alerts.detectors import DETECTORS, Detector
from alerts.scene import STEP_S, Channel, FloatArray, Grid
from gateway.model import Fault, PumpState, State
from gateway.zones import Zone
from tests.alerts.windows import of_the_hour_to_come, sites_with

START = datetime(2026, 3, 2, tzinfo=UTC)
STEPS = 288


def hour() -> FloatArray:
    return np.arange(STEPS) * STEP_S / 3600


def day_of(zone: Zone, changes: Mapping[str, FloatArray] | None = None) -> dict[Channel, FloatArray]:
    """A sunny day: the pump runs from 8 to 17 h into a tower that is half full."""
    h = hour()
    pump = zone.asset("pump").rating
    runs = (h >= 8) & (h < 17)
    channels = {
        "pv/irradiance_w_m2": np.maximum(900 * np.sin((h - 6.5) / 12.5 * np.pi), 0.0).round(1),
        "pump/power_w": np.where(runs, 0.9 * float(pump["rated_power_w"]), 2.0),
        "pump/flow_m3_h": np.where(runs, 0.8 * float(pump["rated_flow_m3_h"]), 0.0),
        "tower/level_m": 1.5 + 0.01 * np.sin(np.arange(STEPS)),
        "tower/outflow_m3_h": np.where(runs, 0.8 * float(pump["rated_flow_m3_h"]), 0.0),
        **(changes or {}),
    }
    return {(name.split("/")[0], name.split("/")[1]): np.asarray(value)[None, :] for name, value in channels.items()}


def judged(
    zones: Sequence[Zone], rows: Mapping[str, Mapping[Channel, FloatArray]], detectors: Sequence[Detector] = DETECTORS
) -> list[PastAlert]:
    def grid_of(some: Sequence[Zone]) -> Grid:
        names = {key for zone in some for key in rows[zone.zone_id]}
        missing = np.full((1, STEPS), np.nan)
        raw = {key: np.concatenate([rows[zone.zone_id].get(key, missing) for zone in some]) for key in names}
        return Grid(sites_with(some, raw), START.timestamp(), STEP_S, STEPS, raw)

    return judge_history(zones, grid_of, detectors=detectors)[0]


def stops_at(zone: Zone, when_h: float) -> dict[str, FloatArray]:
    """From then on the pump stands in full sun, and the tower empties."""
    h = hour()
    pump = zone.asset("pump").rating
    runs = (h >= 8) & (h < when_h)
    return {
        "pump/power_w": np.where(runs, 0.9 * float(pump["rated_power_w"]), 2.0),
        "pump/flow_m3_h": np.where(runs, 0.8 * float(pump["rated_flow_m3_h"]), 0.0),
        "tower/level_m": np.clip(1.5 - 0.4 * (h - when_h), 0.05, 1.5) + 0.002 * np.sin(np.arange(STEPS)),
    }


def test_a_calm_day_says_nothing(zones: list[Zone]) -> None:
    assert judged(zones[:1], {zones[0].zone_id: day_of(zones[0])}) == []


def test_what_a_detector_says_of_hours_to_come_is_not_heard(zones: list[Zone]) -> None:
    rows = {zones[0].zone_id: day_of(zones[0])}
    assert judged(zones[:1], rows, [DETECTORS[0]._replace(judge=of_the_hour_to_come)]) == []


def test_a_pump_that_stops_is_told_and_explains_the_tower_that_empties(zones: list[Zone]) -> None:
    zone = zones[0]
    found = judged([zone], {zone.zone_id: day_of(zone, stops_at(zone, 10))})
    by_kind = {alert.fault: alert for alert in found}
    stopped, empty = by_kind[Fault.PUMP_NOT_RUNNING], by_kind[State.TOWER_EMPTY]
    assert stopped.first_evidence_at == START + timedelta(hours=10)
    assert stopped.opened_at == START + timedelta(hours=11)
    assert (stopped.explained_by, stopped.sms_count > 0) == (None, True)
    assert (empty.explained_by, empty.sms_count) == (Fault.PUMP_NOT_RUNNING, 0)


@pytest.mark.parametrize(
    ("broken", "fault", "says"),
    [
        pytest.param({"pv/irradiance_w_m2": -999.0}, Fault.PUMP_NOT_RUNNING, "the pump has not turned", id="cell"),
        pytest.param({"borehole/water_depth_m": -999.0}, Fault.DRY_RUNNING, "stopped the pump for want", id="probe"),
        pytest.param({"pump/flow_m3_h": 6553.5}, Fault.DRY_RUNNING, "stopped the pump for want", id="meter"),
    ],
)
def test_a_sensor_that_gives_nothing_does_not_keep_back_that_there_is_no_water(
    zones: list[Zone], broken: Mapping[str, float], fault: Fault, says: str
) -> None:
    """Sensors stay broken for months. What was seen without them is told, and the empty tower stands under it."""
    zone, h = zones[0], hour()
    stopped = PumpState.STOPPED_DRY if fault is Fault.DRY_RUNNING else PumpState.STARTING
    code = np.select([h < 8, h < 10], [float(PumpState.STOPPED_LOW_SUN), float(PumpState.RUNNING)], float(stopped))
    day = (
        stops_at(zone, 10) | {"pump/state_code": code} | {name: np.full(STEPS, value) for name, value in broken.items()}
    )
    found = {alert.fault: alert for alert in judged([zone], {zone.zone_id: day_of(zone, day)})}
    assert found[Fault.SENSOR_OUT_OF_RANGE].opened_at == START + timedelta(minutes=10)
    assert (found[fault].explained_by, found[fault].sms_count > 0) == (None, True)
    assert says in found[fault].evidence.sentence_en
    assert found[State.TOWER_EMPTY].explained_by is fault


def test_an_empty_tower_is_told_where_a_stuck_sensor_leaves_the_pump_in_doubt(zones: list[Zone]) -> None:
    zone, h = zones[0], hour()
    stuck = np.where(h < 9, day_of(zone)["pv", "irradiance_w_m2"][0], 640.0)
    found = judged([zone], {zone.zone_id: day_of(zone, stops_at(zone, 12) | {"pv/irradiance_w_m2": stuck})})
    by_kind = {alert.fault: alert for alert in found}
    assert by_kind[Fault.PUMP_NOT_RUNNING].explained_by is Fault.SENSOR_STUCK
    assert by_kind[State.TOWER_EMPTY].explained_by is None


def test_the_alerts_of_a_zone_do_not_depend_on_those_beside_it(zones: list[Zone]) -> None:
    broken, calm = zones[0], zones[1]
    rows = {broken.zone_id: day_of(broken, stops_at(broken, 10)), calm.zone_id: day_of(calm)}
    alone = judged([broken], rows)
    together = judged([calm, broken], rows)
    assert [(a.zone, a.fault, a.opened_at, a.sms_count) for a in together] == [
        (a.zone, a.fault, a.opened_at, a.sms_count) for a in alone
    ]


@pytest.mark.parametrize(("silent", "told"), [(6, 1), (3, 3)])
def test_zones_that_fall_silent_in_the_same_hour_are_told_once(zones: list[Zone], silent: int, told: int) -> None:
    gone = {
        name: np.where((hour() >= 9) & (hour() < 14), np.nan, value[0])
        for (asset, channel), value in day_of(zones[0]).items()
        for name in [f"{asset}/{channel}"]
    }
    rows = {zone.zone_id: day_of(zone, gone if at < silent else None) for at, zone in enumerate(zones)}
    outages = [alert for alert in judged(zones, rows) if alert.fault is Fault.COMMS_OUTAGE]
    assert len(outages) == silent
    assert sum(alert.explained_by is None for alert in outages) == told


def test_alerts_csv_has_a_line_for_each(zones: list[Zone], tmp_path: Path) -> None:
    zone = zones[0]
    found = judged([zone], {zone.zone_id: day_of(zone, stops_at(zone, 10))})
    write_alerts(tmp_path / "alerts.csv", found)
    with (tmp_path / "alerts.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(found)
    stopped = next(row for row in rows if row["fault"] == "pump_not_running")
    assert (stopped["opened_at"], stopped["closed_at"], stopped["asset"]) == ("2026-03-02T11:00:00Z", "", "pump")
