"""Faults drawn by chance, to score detectors by: seeded for each zone, one at a time, with calm between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gateway.model import AssetId, Fault
from gateway.zones import Zone
from simulator.faults import CATALOGUE, SIZES, Broken
from simulator.sun import zone_seed
from simulator.tables import Range, Table

DAY_S = 86_400.0
KNOWN = tuple(fault.value for fault in CATALOGUE)


@dataclass(frozen=True, slots=True)
class Campaign:
    """How often what breaks: `per_zone_year` faults, each one of `faults` and `sizes` with equal chance.

    A fault lasts `lasts_days`, drawn evenly from (least, greatest); then nothing breaks for `calm_days` at least.
    """

    per_zone_year: float
    faults: tuple[Fault, ...]
    sizes: tuple[str, ...] = SIZES
    lasts_days: Range = (0.5, 6.0)
    calm_days: float = 3.0

    def draw(self, zones: Sequence[Zone], *, start_s: float, end_s: float, seed: int) -> list[Broken]:
        """What breaks in [start_s, end_s), in the order of the zones; a zone's faults do not depend on the others.

        A fault strikes one of the catalogue's places that the zone has, and no zone that has none of them.
        """
        return [one for zone in zones for one in self._draw_one(zone, start_s, end_s, seed)]

    def _draw_one(self, zone: Zone, start_s: float, end_s: float, seed: int) -> list[Broken]:
        rng = np.random.default_rng(zone_seed(f"{zone.zone_id}/campaign", seed))
        possible = [(fault, places) for fault in self.faults if (places := places_in(zone, fault))]
        pause_s = 365 * DAY_S / self.per_zone_year - DAY_S * (sum(self.lasts_days) / 2 + self.calm_days)
        found: list[Broken] = []
        t_s = start_s
        while possible:
            t_s += self.calm_days * DAY_S + rng.exponential(max(pause_s, 0.0))
            begin_s = float(t_s - t_s % 60)
            if begin_s >= end_s:
                break
            lasts_s = 60 * round(float(rng.uniform(*self.lasts_days)) * DAY_S / 60)
            fault, places = possible[rng.integers(len(possible))]
            size, place = self.sizes[rng.integers(len(self.sizes))], places[rng.integers(len(places))]
            found.append(Broken(zone.zone_id, fault, size, begin_s, begin_s + lasts_s, place))
            t_s = begin_s + lasts_s
        return found


def places_in(zone: Zone, fault: Fault) -> list[str]:
    """Where this fault can strike in a zone: any tap where the catalogue names one, else those of its places."""
    has = {asset.asset_id: {spec.name for spec in asset.channels} for asset in zone.assets}
    places = CATALOGUE[fault].places
    if places[0].startswith("tap-"):
        return [tap.asset_id for tap in zone.taps]
    found = []
    for place in places:
        asset, _, channel = place.partition("/")
        if asset in has and (not channel or channel in has[AssetId(asset)]):
            found.append(place)
    return found


def read_campaign(table: Table) -> Campaign:
    """The table `campaign` of a scenario.

    Raises
    ------
    ScenarioError : a wrong key or value, or more faults than there is time for
    """
    campaign = Campaign(
        table.number("per_zone_year", 0.1, 200),
        tuple(Fault(name) for name in table.choices("faults", KNOWN, KNOWN)),
        table.choices("sizes", SIZES, SIZES),
        table.span("lasts_days", 0.01, 100, (0.5, 6.0)),
        table.number("calm_days", 0, 100, 3.0),
    )
    taken = sum(campaign.lasts_days) / 2 + campaign.calm_days
    if campaign.per_zone_year * taken > 365:
        raise table.error(
            "per_zone_year",
            f"{campaign.per_zone_year:g} faults that take {taken:g} days with their calm are more than a year holds",
        )
    table.done()
    return campaign
