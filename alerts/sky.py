"""What the cells of other villages say of the sky over one that has none, or whose own is silent. Pure numpy.

A harmattan day or a front darkens a whole region, and a pump that stands under it is well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alerts.rolling import run_steps
from alerts.scene import STEP_S, Channel, FloatArray, Mask, Site, Sites, as_it_stood

CELL: Channel = ("pv", "irradiance_w_m2")
SILENT_H = 2.0  # a cell that has said nothing for so long is none
NEAR_KM = 50.0
ASKED, NEEDED = 4, 2  # cells of the nearest villages; one alone may be what is wrong
KM_PER_DEGREE = 111.2


class Place(NamedTuple):
    """A zone and where it is [degrees]."""

    zone_id: str
    latitude: float
    longitude: float


def place_of(site: Site) -> Place:
    """Where a zone is."""
    return Place(site.zone_id, site.latitude, site.longitude)


def nearest(here: Place, zones: Sequence[str], latitude: FloatArray, longitude: FloatArray) -> list[str]:
    """Of zones with a cell (k,) those next to a village, nearest first; not itself and none beyond `NEAR_KM`."""
    away_km = KM_PER_DEGREE * np.hypot(
        latitude - here.latitude, (longitude - here.longitude) * np.cos(np.radians(here.latitude))
    )
    order = np.argsort(away_km, kind="stable")[: ASKED + 1]
    near = [zones[place] for place in order if away_km[place] <= NEAR_KM]
    return [zone for zone in near if zone != here.zone_id][:ASKED]


def is_silent(own: FloatArray) -> Mask:
    """(n, m) nothing usable has been read of the cell (readings (n, m)) for so long that others are asked."""
    return np.asarray(run_steps(np.isnan(own)) >= SILENT_H * 3600 / STEP_S)


def near_sun_w_m2(
    sites: Sites, own: FloatArray | None, steps: int, cells: Callable[[], Sequence[Place]],
    read: Callable[[Sequence[str]], Mapping[str, FloatArray]],
) -> FloatArray | None:  # fmt: skip
    """(n, m) what the brightest of the next cells says, for zones whose `own` (n, m) is silent at some time [W/m²].

    NaN where fewer than `NEEDED` say anything; None when no zone needs it. `cells` are all that are known, `read` gives
    the raw readings (m,) of those of some zones; each is asked once at most.
    """
    blind = np.ones(len(sites), dtype=bool) if own is None else is_silent(own).any(axis=1)
    if not blind.any():
        return None
    known = cells()
    ids, position = [cell.zone_id for cell in known], np.array([[cell.latitude, cell.longitude] for cell in known])
    latitude, longitude = position.reshape(-1, 2).T
    near = {
        row: nearest(place_of(sites.sites[row]), ids, latitude, longitude) for row in np.flatnonzero(blind).tolist()
    }
    near = {row: zones for row, zones in near.items() if len(zones) >= NEEDED}
    if not near:
        return None
    raw = read(sorted({zone for zones in near.values() for zone in zones}))
    found = np.full((len(sites), steps), np.nan)
    for row, zones in near.items():
        there = [raw[zone] for zone in zones if zone in raw]
        if len(there) >= NEEDED:
            value = as_it_stood(np.stack(there))
            is_known = np.isfinite(value)
            brightest = np.where(is_known, value, -np.inf).max(axis=0)
            found[row] = np.where(is_known.sum(axis=0) >= NEEDED, brightest, np.nan)
    return found
