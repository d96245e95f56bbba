"""Zones beside each other by normalised numbers: raw volumes would only rank villages by their size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ingest.db import Connection
from ingest.hours import ARRAY_POWER, DEPTH, INFLOW, LEVEL, LIFTED, POWER, SUN, Hours, Part
from web.daily import DAY
from web.measures import (
    DAY_H,
    LEAST_M3,
    lift_m,
    of_whole_hours,
    pumped_hours,
    room_by_hour,
    service_share,
    yield_m3_kwp_h,
)

FloatArray = NDArray[np.float64]
RUN_UP_DAYS = 7  # within which the level of most towers has been below the one where the float starts the pump


@dataclass(frozen=True, slots=True)
class Numbers:
    """One zone over some days, NaN where unknown: m³ for each kWp and hour of full sun, kWh for each m³, the same for
    100 m of head, and the share of the hours of service with water."""

    yield_m3: float
    energy_kwh_m3: float
    energy_kwh_m3_100m: float
    service: float


def fetch_numbers(
    connection: Connection, zone_id: str, ratings: Mapping[str, Mapping[str, float]], end: datetime, days: int
) -> Numbers:
    """Over the `days` whole days that end at the midnight `end`; those before tell whether the float let it run."""
    start = end - (days + RUN_UP_DAYS) * DAY
    hours = Hours(connection, zone_id, start, end, [SUN, LEVEL, POWER, ARRAY_POWER, LIFTED, INFLOW, DEPTH])
    return numbers_of(hours, ratings, slice(RUN_UP_DAYS * DAY_H, None))


def numbers_of(hours: Hours, ratings: Mapping[str, Mapping[str, float]], part: slice) -> Numbers:
    """The numbers of a part of these hours, which begins at a midnight."""

    def plate(asset: str, name: str) -> float:
        return float(ratings.get(asset, {}).get(name, np.nan))

    full_m = plate("tower", "full_level_m")
    sun, moved = hours.of(SUN, Part.MEAN)[part], hours.of(LIFTED, Part.MOVED)
    room = room_by_hour(
        hours.of(LEVEL, Part.LOW), hours.of(LEVEL, Part.HIGH), full_level_m=full_m,
        start_level_m=plate("tower", "start_level_m"),
    )[part]  # fmt: skip
    head_m = lift_m(
        hours.of(DEPTH, Part.MEAN)[part], hours.of(INFLOW, Part.MEAN)[part],
        rated_flow_m3_h=plate("pump", "rated_flow_m3_h"), top_m=plate("tower", "base_height_m") + full_m,
        rated_head_m=plate("pump", "rated_head_m"),
    )  # fmt: skip
    energy, lifted = (hours_of[part] for hours_of in pumped_hours(hours.pump_power_w(), moved))
    lifted_m3 = float(np.nansum(lifted))
    energy_kwh_m3 = float(np.nansum(energy)) / lifted_m3 if lifted_m3 >= LEAST_M3 else float("nan")
    service = service_share(hours.of(LEVEL, Part.LOW)[part], full_level_m=full_m)
    return Numbers(
        yield_m3=yield_m3_kwp_h(of_whole_hours(moved)[part], sun, room, peak_w=plate("pv", "peak_w")),
        energy_kwh_m3=energy_kwh_m3,
        energy_kwh_m3_100m=energy_kwh_m3 / head_m * 100,
        service=float(np.nanmean(service)) if np.isfinite(service).any() else float("nan"),
    )
