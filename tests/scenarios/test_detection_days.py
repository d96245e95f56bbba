"""A story per fault: a zone lives four good weeks, something breaks, and we see who would have heard of it, and when.

All 26 faults of medium size strike a zone of their own in one run; the zones beside them in which nothing breaks must
stay silent through the same weather, market days and feasts. Early October to November: the rains end, and what dust
there is is washed off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pytest

from alerts.backtest import PastAlert, judge_history
from alerts.files import History, Key, sites_of
from alerts.scene import FloatArray, Sites
from gateway.model import Fault
from gateway.zones import Zone
from simulator.faults import CATALOGUE, Broken
from simulator.fiction import zones_with_fiction
from simulator.history import live_through
from simulator.labels import Label, Witness
from simulator.village import Village

pytestmark = pytest.mark.slow
START = datetime(2025, 10, 12, tzinfo=UTC)
BREAKS_AT = START + timedelta(days=30, hours=8)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CALM_ZONES = 4

# How soon each kind of fault must have been named after it could first be seen (DETECTION §2, medium size).
WITHIN: dict[Fault, timedelta] = {
    Fault.PUMP_NOT_RUNNING: 3 * HOUR, Fault.INVERTER_TRIP: 3 * HOUR, Fault.FLOAT_STUCK_FULL: 26 * HOUR,
    Fault.DRY_RUNNING: 2 * HOUR, Fault.YIELD_DROP: 6 * DAY, Fault.PUMP_WEAR: 14 * DAY, Fault.PUMP_CLOGGED: 3 * DAY,
    Fault.CHECK_VALVE_LEAK: 2 * DAY, Fault.PV_SOILING: 6 * DAY, Fault.PV_STRING_LOSS: 1 * DAY,
    Fault.TOWER_LEAK: 2 * DAY, Fault.TOWER_OVERFLOW: 2 * DAY, Fault.PIPE_BURST: 3 * HOUR, Fault.NIGHT_LEAK: 3 * DAY,
    Fault.TAP_LEFT_OPEN: 1 * DAY, Fault.TAP_CLOSED: 3 * DAY, Fault.SENSOR_STUCK: 1 * DAY, Fault.SENSOR_DRIFT: 12 * DAY,
    Fault.SENSOR_SPIKES: 2 * DAY, Fault.SENSOR_OUT_OF_RANGE: 4 * HOUR, Fault.FLOW_METER_STOPPED: 3 * DAY,
    Fault.CLOCK_ERROR: 2 * DAY, Fault.COMMS_OUTAGE: 3 * HOUR, Fault.GATEWAY_BATTERY_LOW: 4 * DAY,
    Fault.LOW_CHLORINE: 4 * HOUR, Fault.TURBIDITY_HIGH: 4 * HOUR,
}  # fmt: skip


class Lived(NamedTuple):
    """What a run came to: where each fault struck, the truth, and the alerts of each zone."""

    zone_of: dict[Fault, str]
    labels: dict[Fault, Label]
    alerts: dict[str, list[PastAlert]]
    calm: list[str]

    def woken(self, zone: str, *, before: datetime) -> list[tuple[str, str, str]]:
        """What was said of a zone before a time."""
        return [
            (str(alert.fault), f"{alert.opened_at:%d.%m. %H:%M}", alert.evidence.sentence_en)
            for alert in self.alerts[zone]
            if isinstance(alert.fault, Fault) and alert.opened_at < before
        ]


@pytest.fixture(scope="module")
def lived(zones: list[Zone]) -> Lived:
    village_zones = zones_with_fiction(zones, len(CATALOGUE) + CALM_ZONES + 6)
    zone_of = _places(village_zones)
    broken = [
        Broken(zone, fault, "M", (BREAKS_AT + timedelta(minutes=7 * number)).timestamp())
        for number, (fault, zone) in enumerate(zone_of.items())
    ]
    end = BREAKS_AT + max(WITHIN.values()) + DAY
    witness = Witness()
    series: dict[Key, list[tuple[FloatArray, FloatArray]]] = {}
    village = Village(village_zones, seed=26)
    for block in live_through(village, start=START, end=end, broken=broken, folder=None, witness=witness):
        series.setdefault((block.zone_id, block.asset, block.channel), []).append((block.t_s, block.value))
    history = History({key: _in_order(pieces) for key, pieces in series.items()})
    found, _ = judge_history(
        village_zones, lambda some: history.grid(Sites(sites_of(some)), START.timestamp(), end.timestamp())
    )
    alerts: dict[str, list[PastAlert]] = {zone.zone_id: [] for zone in village_zones}
    for alert in found:
        alerts[alert.zone].append(alert)
    calm = [zone.zone_id for zone in village_zones if zone.zone_id not in zone_of.values()]
    struck = {
        label.fault: label
        for label in witness.labels
        if any(one.start_s == label.onset.timestamp() and one.zone == label.zone for one in broken)
    }
    return Lived(zone_of, struck, alerts, calm)


def _places(zones: Sequence[Zone]) -> dict[Fault, str]:
    """A zone for each fault that has what the fault strikes."""
    free = list(zones)
    found = {}
    for fault in sorted(CATALOGUE, key=lambda fault: fault not in (Fault.LOW_CHLORINE, Fault.TURBIDITY_HIGH)):
        needs_quality = fault in (Fault.LOW_CHLORINE, Fault.TURBIDITY_HIGH)
        zone = next(z for z in free if any(a.asset_id == "quality" for a in z.assets) or not needs_quality)
        free.remove(zone)
        found[fault] = zone.zone_id
    return found


def _in_order(pieces: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    t_s, value = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(t_s, kind="stable")
    return t_s[order], value[order]


@pytest.mark.parametrize("fault", list(WITHIN), ids=str)
def test_a_fault_is_named_in_time_and_somebody_hears_of_it(fault: Fault, lived: Lived) -> None:
    zone, label = lived.zone_of[fault], lived.labels[fault]
    assert label.start is not None, "it could be seen"
    told = [alert for alert in lived.alerts[zone] if alert.fault == fault and alert.opened_at >= label.onset]
    seen = [(str(alert.fault), alert.asset, f"{alert.opened_at:%d %H:%M}") for alert in lived.alerts[zone]]
    assert told, f"never named; instead {seen}"
    first = told[0]
    assert first.opened_at - label.start <= WITHIN[fault], f"{first.opened_at - label.start} late"
    assert first.explained_by is None
    assert first.sms_count > 0
    assert first.evidence.sentence_fr
    assert first.evidence.sentence_en


@pytest.mark.parametrize("fault", list(WITHIN), ids=str)
def test_before_it_breaks_nobody_is_woken(fault: Fault, lived: Lived) -> None:
    assert lived.woken(lived.zone_of[fault], before=lived.labels[fault].onset) == []


def test_zones_in_which_nothing_breaks_stay_silent(lived: Lived) -> None:
    end = BREAKS_AT + timedelta(days=400)
    assert [(zone, said) for zone in lived.calm if (said := lived.woken(zone, before=end))] == []
