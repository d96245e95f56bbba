"""A zone's day, written down by hand for detectors: a calm sunny morning, and what the test changes of it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from alerts.detectors import ZoneWindow
from alerts.model import Condition, Findings, Verdict
from gateway.model import Flag
from ingest.readings import AssetRow, Series

STEP_S = 300.0
MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RATINGS: dict[str, dict[str, float]] = {
    "pump": {"rated_flow_m3_h": 4.0, "rated_power_w": 1200.0, "start_irradiance_w_m2": 200.0},
    "tower": {"volume_m3": 20.0, "full_level_m": 3.0, "start_level_m": 2.0},
    "borehole": {"pump_intake_m": 50.0},
    "pv": {},
    "network": {},
}

Values = float | NDArray[np.float64] | Callable[[NDArray[np.float64]], NDArray[np.float64]]


def window(hours: float = 6, start: datetime = MORNING, **changes: Values | None) -> ZoneWindow:
    """A window with a round every five minutes; `changes` are by `asset__channel`, None takes the channel away.

    Calm: 700 W/m², pump at 1,000 W giving 3 m³/h, well at 30 m, tower at 1.5 m of 3 m, 2 m³/h drawn.
    """
    t_s = start.timestamp() + np.arange(0, hours * 3600, STEP_S)
    calm: Mapping[str, Values] = {
        "pv__irradiance_w_m2": 700.0, "pump__power_w": 1000.0, "pump__flow_m3_h": 3.0,
        "borehole__water_depth_m": 30.0, "tower__level_m": 1.5, "tower__outflow_m3_h": 2.0,
    }  # fmt: skip
    series = {}
    for name, values in {**calm, **changes}.items():
        if values is None:
            continue
        found = values(t_s - start.timestamp()) if callable(values) else values
        array = np.broadcast_to(np.asarray(found, dtype=np.float64), t_s.shape).copy()
        asset, channel = name.split("__")
        flags = np.full(len(t_s), Flag.GOOD, dtype=np.int16)
        series[asset, channel] = Series(t_s, array, array, array, np.ones(len(t_s), dtype=np.int64), flags)
    assets = {asset: AssetRow("zone-1", asset, asset, STEP_S, rating) for asset, rating in RATINGS.items()}
    return ZoneWindow("zone-1", 11.3, -12.3, assets, series, start.timestamp(), start.timestamp() + hours * 3600)


def only(findings: Findings, asset: str | None = None) -> Condition:
    """The one condition that a detector found (of this asset)."""
    (condition,) = [c for c in findings.conditions if asset in (None, c.asset)]
    return condition


def share(condition: Condition, verdict: Verdict) -> float:
    """How many of the samples say `verdict`, 0 to 1."""
    return float((condition.verdict == verdict).mean())
