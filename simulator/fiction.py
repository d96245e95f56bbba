"""More fictional zones than are shipped: relatives of the shipped ones, each of a size of its own.

A zone that serves k times as many people has a pump, an array, a tower and a well k times as large; heads stay, so
the hydraulics of the shipped zones are kept. Names, places, people and phones are invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gateway.model import AssetId, AssetKind, GatewayId, ZoneId
from gateway.zone_text import zone_text
from gateway.zones import Asset, Zone
from simulator.sun import zone_seed

MOST_ZONES = 5000
FIRST_SYLLABLES = (
    "Bou",
    "Dara",
    "Fello",
    "Hoore",
    "Kala",
    "Lele",
    "Missi",
    "Naba",
    "Pelli",
    "Sare",
    "Thiangui",
    "Wora",
)
LAST_SYLLABLES = ("bowal", "dougou", "fita", "koula", "lewol", "mali", "nde", "pellel", "ra", "sita", "tafo", "wendou")
GROWS = {
    AssetKind.PV: ("peak_w",),
    AssetKind.PUMP: ("rated_flow_m3_h", "rated_power_w"),
    AssetKind.BOREHOLE: ("specific_capacity_m3_h_m",),
    AssetKind.TOWER: ("volume_m3",),
}  # with the people served
DIGITS = {"peak_w": 0, "rated_power_w": 0, "rated_flow_m3_h": 2, "specific_capacity_m3_h_m": 3, "volume_m3": 1}


def zones_with_fiction(shipped: Sequence[Zone], count: int) -> list[Zone]:
    """`count` zones: the shipped ones as far as they go, then invented ones.

    Zone number n is the same whatever the count.
    """
    if not 1 <= count <= MOST_ZONES:
        raise ValueError(f"zones: {count} is not within 1..{MOST_ZONES}")
    return [*shipped[:count], *(_invented(shipped, number) for number in range(len(shipped) + 1, count + 1))]


def _invented(shipped: Sequence[Zone], number: int) -> Zone:
    rng = np.random.default_rng(zone_seed(f"fiction/{number}", 0))
    model = shipped[(number - 1) % len(shipped)]
    size = float(np.exp(rng.uniform(np.log(0.65), np.log(1.5))))
    taps = max(4, round(len(model.taps) * size**0.5))
    latitude, longitude = 11.32 + rng.uniform(-0.35, 0.35), -12.28 + rng.uniform(-0.35, 0.35)
    first, last = rng.choice(FIRST_SYLLABLES), rng.choice(LAST_SYLLABLES)
    assets = [_grown(asset, size) for asset in model.assets if asset.kind is not AssetKind.TAP]
    tap = model.taps[0]
    assets += [replace(tap, asset_id=AssetId(f"tap-{n:02d}")) for n in range(1, taps + 1)]
    committee = tuple(
        replace(contact, phone=f"+22460{number:05d}{n:02d}", tap=contact.tap and AssetId("tap-01"))
        for n, contact in enumerate(model.committee, 1)
    )
    return replace(
        model, zone_id=ZoneId(f"zone-{number}"), gateway_id=GatewayId(f"gw-{number}"),
        name=f"{first}{last} {number} (fictif)", latitude=round(float(latitude), 3),
        longitude=round(float(longitude), 3), altitude_m=float(round(model.altitude_m + rng.uniform(-80, 80))),
        people=10 * round(model.people * size / 10), assets=tuple(assets), committee=committee,
    )  # fmt: skip


def _grown(asset: Asset, size: float) -> Asset:
    changed = {name: round(asset.rating[name] * size, DIGITS[name]) for name in GROWS.get(asset.kind, ())}
    return replace(asset, rating={**asset.rating, **changed})


def zone_file(zone: Zone) -> str:
    """The text of a zone's file, as the simulator writes it."""
    fiction = " Everything in it is fictional." if zone.is_fictional else ""
    return zone_text(zone, remark=f"Written by the simulator.{fiction}")
