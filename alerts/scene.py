"""What detectors look at: many zones on one grid of time, with the plates of their assets. Pure, no I/O.

Arrays are (n, m): zones by steps. A step holds the last good reading that was measured in it. All detectors work on all
zones at once, so the same code judges one live round, a backlog of three days and a year of history.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alerts.rolling import held, run_steps, steps_before
from alerts.sun import sun_elevation_deg
from ingest.meters import told_steps

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Channel = tuple[str, str]
"""(asset, channel)"""

STEP_S = 300.0
DAY_S = 86_400.0
SPACINGS = (1, 2, 3, 4, 6, 12)  # steps between readings that a zone may report at
LONGEST_HOLD = 13  # steps: what is older than an hour is not "now"


@dataclass(frozen=True, slots=True)
class Site:
    """One zone as detectors need it: where it is, its people, and the numbers on its plates by (asset, name).

    `channels` are those of its registry: what a zone has decides how it is judged, and a sensor that is silent for a
    day or a month makes that no other way. `meters` are its counters: where each begins anew and what its pipe carries
    at all, as `ingest.meters` has them.
    """

    zone_id: str
    latitude: float
    longitude: float
    people: int
    ratings: Mapping[tuple[str, str], float]
    channels: frozenset[Channel]
    meters: Mapping[Channel, tuple[float | None, float | None]] = field(default_factory=dict)


class Sites:
    """Several zones side by side; row n of every array is zone n."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self.sites: Sequence[Site] = tuple(sites)
        self.latitude = np.array([site.latitude for site in self.sites])
        self.longitude = np.array([site.longitude for site in self.sites])
        self.people = np.array([float(site.people) for site in self.sites])

    def __len__(self) -> int:
        return len(self.sites)

    @property
    def zone_ids(self) -> list[str]:
        """Their ids in order."""
        return [site.zone_id for site in self.sites]

    def rating(self, asset: str, name: str) -> FloatArray:
        """(n, 1) a number of an asset's plate, NaN where the zone file does not say it."""
        return np.array([[site.ratings.get((asset, name), np.nan)] for site in self.sites])

    def meter(self, channel: Channel) -> tuple[FloatArray, FloatArray]:
        """(n, 1) where a counter begins anew, and what its pipe carries [unit/h]; NaN where nobody knows."""
        known = [site.meters.get(channel, (None, None)) for site in self.sites]
        wraps_at, most_per_h = np.array(known, dtype=np.float64).reshape(-1, 2).T[:, :, None]
        return wraps_at, most_per_h

    def has(self, asset: str, channel: str) -> Mask:
        """(n, 1) whether a zone has this channel by its registry."""
        return np.array([[(asset, channel) in site.channels] for site in self.sites])

    def without(self, unheard: Collection[tuple[str, Channel]]) -> Sites:
        """These zones without channels of which nothing was ever heard: what nobody has connected yet is no sensor."""
        if not unheard:
            return self
        return Sites(
            replace(site, channels=site.channels - {channel for zone, channel in unheard if zone == site.zone_id})
            for site in self.sites
        )

    @cached_property
    def taps(self) -> list[str]:
        """The taps that have a meter in any of the zones."""
        return sorted({asset for site in self.sites for asset, _ in site.channels if asset.startswith("tap-")})


@dataclass(frozen=True, slots=True)
class Grid:
    """Readings of all zones in steps of `step_s` from `start_s` on (aligned to 1970-01-01).

    Parameters
    ----------
    raw : by channel, (n, m) the last good reading of each step, NaN where none is [canonical unit]
    bad : by channel, (n, m) whether a reading of the step was flagged bad; a channel that is not there had none
    mistimed : (n, m) whether readings of the step bear a time that cannot be (1970), and so are not in `raw`
    near_sun : (n, m) what cells of other villages say of the sky over zones whose own is silent (`alerts.sky`) [W/m²]
    level_before_m : (n, 1) the tower's last level before the grid that was not below nothing, where it is asked for
        (see `begins_below_nothing`); NaN where nobody knows
    uptime_before : (n, 2) when a gateway last told its uptime before the grid, and that uptime [s]; NaN if nobody knows
    heard_until_s : (n, 1) when the last step ends of which each zone has told anything: its own newest reading here,
        unless more is known of it than these steps

    What cannot be at this site (see `implausible`) is taken from `raw` and is bad from then on, for all detectors.
    """

    sites: Sites
    start_s: float
    step_s: float
    steps: int
    raw: Mapping[Channel, FloatArray]
    bad: Mapping[Channel, Mask] = field(default_factory=dict)
    mistimed: Mask | None = None
    near_sun: FloatArray | None = None
    level_before_m: FloatArray | None = None
    uptime_before: FloatArray | None = None
    heard_until_s: FloatArray = field(default_factory=lambda: np.empty(0))
    _cache: dict[object, FloatArray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        raw, bad = dict(self.raw), dict(self.bad)
        for (asset, channel), wrong in implausible(self.sites, self.raw, self.level_before_m).items():
            raw[asset, channel] = np.where(wrong, np.nan, self.raw[asset, channel])
            bad[asset, channel] = wrong | self.is_bad(asset, channel)
        object.__setattr__(self, "raw", raw)
        object.__setattr__(self, "bad", bad)
        if not self.heard_until_s.size:
            last = np.where(self.is_heard, np.arange(1, self.steps + 1), 0).max(axis=1, keepdims=True, initial=0)
            object.__setattr__(self, "heard_until_s", self.start_s + self.step_s * last)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)"""
        return len(self.sites), self.steps

    @property
    def end_s(self) -> float:
        """When the last step ends."""
        return self.start_s + self.steps * self.step_s

    @property
    def t_s(self) -> FloatArray:
        """(m,) the beginnings of the steps [s since 1970-01-01 UTC]."""
        return self.start_s + self.step_s * np.arange(self.steps, dtype=np.float64)

    @property
    def hour(self) -> FloatArray:
        """(m,) hour of the day, UTC, which is local time in Guinea."""
        return self.t_s % DAY_S / 3600

    def hours(self, hours: float) -> int:
        """How many steps so many hours are."""
        return max(1, round(hours * 3600 / self.step_s))

    def value(self, asset: str, channel: str) -> FloatArray:
        """(n, m) a channel as it stood at each step: held until the zone's next reading is overdue, then NaN."""
        key: object = (asset, channel)
        if key not in self._cache:
            raw = self.raw.get((asset, channel))
            if raw is None:
                self._cache[key] = np.full(self.shape, np.nan)
            else:
                self._cache[key] = as_it_stood(raw)
        return self._cache[key]

    def moved(self, asset: str, channel: str) -> FloatArray:
        """(n, m) what a counter moved on since its last reading before each step, by the rule of `ingest.meters`.

        NaN without a reading at the step or before it, and where the rule cannot tell: a detector that took the hour in
        which a meter was exchanged for one without water would find a fault in it.
        """

        def compute() -> FloatArray:
            counter = self.raw.get((asset, channel))
            if counter is None:
                return np.full(self.shape, np.nan)
            before = np.full_like(counter, np.nan)
            before[:, 1:] = held(counter, self.steps)[:, :-1]
            return told_steps(
                counter - before, steps_before(counter) * self.step_s, *self.sites.meter((asset, channel))
            )

        return self.once(("moved", asset, channel), compute)

    def once(self, key: object, compute: Callable[[], FloatArray]) -> FloatArray:
        """What `compute` gives, computed when it is first asked for under this key: many detectors share it."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]

    @property
    def is_heard(self) -> Mask:
        """(n, m) whether any reading of the zone was measured in the step, good or bad, or bears an impossible time."""
        heard = np.zeros(self.shape, dtype=bool) if self.mistimed is None else self.mistimed.copy()
        for channel, raw in self.raw.items():
            heard |= np.isfinite(raw) | self.is_bad(*channel)
        return heard

    def is_bad(self, asset: str, channel: str) -> Mask:
        """(n, m) whether a reading of the step was flagged bad."""
        found = self.bad.get((asset, channel))
        return np.zeros(self.shape, dtype=bool) if found is None else found

    @property
    def sun_deg(self) -> FloatArray:
        """(n, m) height of the sun at the middle of each step [degrees]."""
        if "sun" not in self._cache:
            middle_s = self.t_s + self.step_s / 2
            self._cache["sun"] = sun_elevation_deg(
                middle_s, self.sites.latitude[:, None], self.sites.longitude[:, None]
            )
        return self._cache["sun"]


# What loggers and bus adapters write for a sensor that does not answer.
SENTINELS = (-9999.0, -999.0, 999.9, 3276.7, 6553.5, 9999.0, 32_767.0, 65_535.0)
# NAMUR NE43: a 4-20 mA loop at 3.6 mA or less is broken, 2.5 % of its span under zero; the span is never less than what
# it must show, and 3.8 mA (1.25 %) still measures.
BELOW_ZERO_SHARE = 0.03
READS_LOW_SHARE = 0.1  # of the full level: a sensor may hang so much too low before anybody knows
CAME_BY_SHARE = 0.15  # of the full level
ABOVE_FULL_SHARE = 1.35  # of the full level: overflow, waves and a sensor that drifts stay below
BELOW_AIR_BAR = -0.1
BACKWARDS_SHARE = 0.3  # of rated flow, beyond what a meter's noise around nothing is
MOST_SUN_W_M2 = 1500.0  # at the edge of a cloud a cell sees 1.1 times the sun above the air
INTAKE_KNOWN_TO_M = 2.0  # a pump hangs on a pipe that people counted, and a probe on a cable
BAR_PER_M = 0.0981
GIVES_SHARE = 0.15  # of rated flow: water comes, so there is some above the intake
AT_REST_H = 3.0  # with the pump at rest for so long a well stands above the intake again


def implausible(
    sites: Sites, raw: Mapping[Channel, FloatArray], level_before_m: FloatArray | None = None
) -> dict[Channel, Mask]:
    """Readings (n, m) that cannot be at these sites, by channel; channels without any are left out.

    Bounds come from the plates: what a broken loop gives lies often within what the sensor could give elsewhere. Where
    the zone file does not say a number, its bound does not hold.
    """
    found: dict[Channel, Mask] = {}
    for (asset, channel), value in raw.items():
        wrong = np.zeros(value.shape, dtype=bool)
        if not channel.endswith(("volume_m3", "_s", "_code", "_gnf")):
            wrong |= np.isin(value, SENTINELS)
        low, high = site_bounds(sites, asset, channel)
        wrong |= (value < low) | (value > high)
        if (asset, channel) == ("borehole", "water_depth_m"):
            wrong |= _wet_and_below_intake(sites, raw)
        if (asset, channel) == ("tower", "level_m"):
            wrong &= ~_reads_low_when_empty(sites, value, level_before_m)
        if wrong.any():
            found[asset, channel] = wrong
    return found


def site_bounds(sites: Sites, asset: str, channel: str) -> tuple[FloatArray, FloatArray]:
    """(n, 1) lowest and highest value that a channel can have at these sites; NaN where nothing bounds it."""

    def everywhere(bound: float) -> FloatArray:
        return np.full((len(sites), 1), bound)

    none = everywhere(np.nan)
    full_m, base_m = sites.rating("tower", "full_level_m"), sites.rating("tower", "base_height_m")
    column_bar = BAR_PER_M * (base_m + full_m)
    rated_flow, rated_w = sites.rating("pump", "rated_flow_m3_h"), sites.rating("pump", "rated_power_w")
    head_bar = BAR_PER_M * sites.rating("pump", "rated_head_m")
    bounds: dict[Channel, tuple[FloatArray, FloatArray]] = {
        ("tower", "level_m"): (-BELOW_ZERO_SHARE * full_m, ABOVE_FULL_SHARE * full_m),
        # Villages lie lower than their tower's foot, so pressure may be a good deal more than the tower's column.
        ("network", "pressure_bar"): (everywhere(BELOW_AIR_BAR), 2 * column_bar + 3),
        ("pump", "pressure_bar"): (everywhere(-0.5), 4 * head_bar + 3),
        ("pump", "flow_m3_h"): (-rated_flow, 3 * rated_flow),
        # A zone draws more than its pump gives for hours, but no water runs up into the tower through its outlet.
        ("tower", "outflow_m3_h"): (-BACKWARDS_SHARE * rated_flow, none),
        ("pump", "power_w"): (none, 3 * rated_w),
        ("pv", "power_w"): (none, 1.5 * sites.rating("pv", "peak_w")),
        ("pv", "irradiance_w_m2"): (none, everywhere(MOST_SUN_W_M2)),
        ("borehole", "water_depth_m"): (none, sites.rating("borehole", "depth_m")),
    }
    return bounds.get((asset, channel), (none, none))


def _reads_low_when_empty(sites: Sites, level_m: FloatArray, before_m: FloatArray | None) -> Mask:
    """(n, m) a level somewhat below nothing in a tower that ran empty before: its sensor hangs low, its loop is whole.

    A loop that breaks jumps there from any level; a tower that empties comes by, be it `before_m` (n, 1) the grid.
    """
    full_m = sites.rating("tower", "full_level_m")
    came_from_m = _last_not_below_nothing_m(full_m, level_m)
    if before_m is not None:
        came_from_m = np.where(np.isfinite(came_from_m), came_from_m, before_m)
    return np.asarray((came_from_m < CAME_BY_SHARE * full_m) & (level_m > -READS_LOW_SHARE * full_m))


def begins_below_nothing(sites: Sites, level_m: FloatArray) -> Mask:
    """(n,) whether levels (n, m) begin where only those before tell an empty tower from a loop that is cut."""
    full_m = sites.rating("tower", "full_level_m")
    hangs_low = (level_m < -BELOW_ZERO_SHARE * full_m) & (level_m > -READS_LOW_SHARE * full_m)
    return np.asarray((hangs_low & np.isnan(_last_not_below_nothing_m(full_m, level_m))).any(axis=-1))


def _last_not_below_nothing_m(full_m: FloatArray, level_m: FloatArray) -> FloatArray:
    """(n, m) the last of the levels (n, m) until each step that was not below nothing [m]."""
    return held(np.where(level_m >= -BELOW_ZERO_SHARE * full_m, level_m, np.nan), level_m.shape[-1])


def _wet_and_below_intake(sites: Sites, raw: Mapping[Channel, FloatArray]) -> Mask:
    """(n, m) a depth well below the intake while the pump gives water, or long after it rests: no probe sees it.

    A well that the pump has just emptied may stand there, and is left alone.
    """
    depth, flow = raw["borehole", "water_depth_m"], raw.get(("pump", "flow_m3_h"))
    if flow is None:
        return np.zeros(depth.shape, dtype=bool)
    below = depth >= sites.rating("borehole", "pump_intake_m") + INTAKE_KNOWN_TO_M
    flow = held(flow, LONGEST_HOLD)
    rated = sites.rating("pump", "rated_flow_m3_h")
    power_w = raw.get(("pump", "power_w"))
    stands = flow < 0.02 * rated
    if power_w is not None:
        stands &= held(power_w, LONGEST_HOLD) < 0.05 * sites.rating("pump", "rated_power_w")
    rests = run_steps(stands) > AT_REST_H * 3600 / STEP_S
    return np.asarray(below & ((flow > GIVES_SHARE * rated) | rests))


def as_it_stood(raw: FloatArray) -> FloatArray:
    """(n, m) readings held until the next one is overdue, then NaN."""
    spacing = spacing_of(raw)
    return held(raw, np.minimum(spacing + np.maximum(1, spacing // 2), LONGEST_HOLD))


def spacing_of(raw: FloatArray) -> NDArray[np.intp]:
    """(n,) steps between a channel's readings: the smallest at which more than half of them have a neighbour."""
    there = np.isfinite(raw)
    count = there.sum(axis=-1)
    found = np.full(len(raw), SPACINGS[-1])
    for spacing in reversed(SPACINGS):
        if spacing < raw.shape[-1]:
            pairs = (there[:, spacing:] & there[:, :-spacing]).sum(axis=-1)
            found[2 * pairs > count] = spacing
    return found
