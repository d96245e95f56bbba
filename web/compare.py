"""Zones beside each other by normalised numbers: raw volumes would only rank villages by their size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ingest.db import Connection
from ingest.hours import INFLOW, LEVEL, LIFTED, POWER, SUN, Hours, Part
from web.daily import DAY
from web.measures import room_by_hour, service_share, yield_m3_kwp_h

FloatArray = NDArray[np.float64]
DEPTH, ARRAY_POWER = "borehole/water_depth_m", "pv/power_w"
PUMPS_SHARE = 0.3  # of rated flow
LEAST_M3 = 1.0


@dataclass(frozen=True, slots=True)
class Numbers:
    """One zone over some days, NaN where unknown: m³ for each kWp and hour of full sun, kWh for each m³ and 100 m, and
    the share of the hours of service with water."""

    yield_m3: float
    energy_kwh: float
    service: float
    known_share: float


def fetch_numbers(
    connection: Connection, zone_id: str, ratings: Mapping[str, Mapping[str, float]], end: datetime, days: int
) -> tuple[Numbers, Numbers]:
    """The `days` whole days that end at the midnight `end`, and as many before."""
    hours = Hours(
        connection, zone_id, end - 2 * days * DAY, end, [SUN, LEVEL, POWER, ARRAY_POWER, LIFTED, INFLOW, DEPTH]
    )
    k = days * 24
    return numbers_of(hours, ratings, slice(k, None)), numbers_of(hours, ratings, slice(0, k))


def numbers_of(hours: Hours, ratings: Mapping[str, Mapping[str, float]], part: slice) -> Numbers:
    """The numbers of a part of these hours, which begins at a midnight."""

    def plate(asset: str, name: str) -> float:
        return float(ratings.get(asset, {}).get(name, np.nan))

    full_m = plate("tower", "full_level_m")
    sun, volume = hours.of(SUN, Part.MEAN)[part], hours.of(LIFTED, Part.MOVED)[part]
    power_w = hours.first_known((POWER, Part.MEAN), (ARRAY_POWER, Part.MEAN))[part]
    room = room_by_hour(
        hours.of(LEVEL, Part.LOW), hours.of(LEVEL, Part.HIGH), full_level_m=full_m,
        start_level_m=plate("tower", "start_level_m"),
    )[part]  # fmt: skip
    pumps = hours.of(INFLOW, Part.MEAN)[part] > PUMPS_SHARE * plate("pump", "rated_flow_m3_h")
    depth = hours.of(DEPTH, Part.MEAN)[part][pumps]
    depth_m = float(np.nanmedian(depth)) if np.isfinite(depth).any() else plate("borehole", "static_water_depth_m")
    head_m = depth_m + plate("tower", "base_height_m") + full_m
    both = np.isfinite(power_w) & np.isfinite(volume)
    lifted = volume[both].sum()
    service = service_share(hours.of(LEVEL, Part.LOW)[part], full_level_m=full_m)
    return Numbers(
        yield_m3=yield_m3_kwp_h(volume, sun, room, peak_w=plate("pv", "peak_w")),
        energy_kwh=float(power_w[both].sum() / 1000 / lifted / head_m * 100) if lifted >= LEAST_M3 else float("nan"),
        service=float(np.nanmean(service)) if np.isfinite(service).any() else float("nan"),
        known_share=float(both.mean()),
    )
