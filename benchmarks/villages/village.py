"""What a village has: its well, pump, panels, tower, taps, controller and box, and which sensors somebody bought."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from benchmarks.villages.chance import rng_for
from gateway.model import CHANNELS, AssetKind
from gateway.zones import Zone, zone_from_values

TAP_METERS = "tap/volume_m3"  # of all taps together
OUTFLOW, OUTFLOW_VOLUME = "tower/outflow_m3_h", "tower/outflow_volume_m3"
STATE_CODE, LEVEL, DEPTH = "pump/state_code", "tower/level_m", "borehole/water_depth_m"
FLOW, FLOW_VOLUME, SUN = "pump/flow_m3_h", "pump/volume_m3", "pv/irradiance_w_m2"
NETWORK = "network/pressure_bar"
CHLORINE, TURBIDITY = "quality/free_chlorine_mg_l", "quality/turbidity_ntu"
# How often a sensor is not there; level, flow and power of the pump always are.
MISSING: Mapping[str, float] = {
    SUN: 0.1, "pv/module_temp_c": 0.3, "pv/current_a": 0.3, "pump/speed_rpm": 0.12, FLOW_VOLUME: 0.4,
    "pump/pressure_bar": 0.25, DEPTH: 0.2, OUTFLOW: 0.2, OUTFLOW_VOLUME: 0.5, NETWORK: 0.25, TAP_METERS: 0.2,
    "gateway/credit_gnf": 0.6,
}  # fmt: skip
WATER_IS_TESTED = 0.4  # of the villages have probes for chlorine and turbidity
PEOPLE_A_TAP = 85


class Controller(StrEnum):
    """What the pump's controller says of itself."""

    WORDS = "words"  # the canonical codes
    ONE_REST = "one-rest"  # 1 while it runs, 0 for all its rests, the maker's number of a fault
    FOREIGN = "foreign"  # 0 while all is well, the maker's number of a fault
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Village:
    """One village; names bear their units. `head_m` is what the pump lifts at its rated flow and full speed."""

    number: int
    latitude: float
    longitude: float
    people: int
    daily_m3: float
    flow_m3_h: float
    head_m: float
    shutoff_m: float  # head without flow, at full speed
    power_w: float
    speed_rpm: float
    guards_dry: bool  # the drive stops when it lifts nothing, and tries again
    peak_w: float
    strings: int
    start_w_m2: float
    static_m: float
    falls_m_day: float  # of the water in the well, as the dry season goes on
    capacity_m3_h_m: float
    intake_m: float
    depth_m: float
    volume_m3: float
    full_m: float
    base_m: float
    restart_m: float
    fed_from_below: bool
    taps: int
    padlocked: bool  # taps are locked at noon and at night
    has_herd: bool  # that drinks in the evening, all at once
    controller: Controller
    interval_s: int
    tap_interval_s: int
    channels: frozenset[str]

    @property
    def zone_id(self) -> str:
        """Its name in files."""
        return f"village-{self.number:02d}"

    @property
    def area_m2(self) -> float:
        """Of the tower's floor."""
        return self.volume_m3 / self.full_m


def draw_village(seed: int, number: int) -> Village:
    """Village `number` of this seed, whatever the others are."""
    rng = rng_for(seed, "village", number)
    u = rng.uniform
    flow = float(np.exp(u(np.log(1.2), np.log(11))))
    volume, full, base = float(np.clip(flow * u(3.5, 6), 5, 40)), u(1.8, 3.6), round(u(6, 16), 1)
    static, drawdown = round(u(8, 35), 1), u(5, 14)
    intake = round(static + drawdown + u(8, 20))
    head = round(static + drawdown + base + full + u(4, 9))
    power = round(2.725 * flow * head / u(0.36, 0.52), -1)  # 2.725 Wh lift a m³ by a metre
    people = int(flow * u(330, 430))
    controller = Controller(str(rng.choice(list(Controller), p=[0.2, 0.1, 0.4, 0.3])))
    interval_s = 900 if rng.random() < 0.4 else 300
    return Village(
        number, round(u(10.9, 11.6), 3), round(u(-12.8, -11.8), 3), people, people * u(11, 15) / 1000, round(flow, 2),
        float(head), head * u(1.25, 1.6), power, float(rng.choice([2850, 2900, 3000, 3450])),
        controller is Controller.WORDS and bool(rng.random() < 0.5), round(power * u(1.2, 2.5), -1),
        int(rng.integers(1, 7)), float(round(u(150, 260))), static, u(0.002, 0.01), flow / drawdown, float(intake),
        float(intake + round(u(8, 25))), round(volume, 1), round(full, 2), base, round(full * u(0.6, 0.85), 2),
        bool(rng.random() < 0.5), int(np.clip(people // PEOPLE_A_TAP, 6, 20)), bool(rng.random() < 0.25),
        bool(rng.random() < 0.1), controller, interval_s, 3600 if rng.random() < 0.3 else interval_s,
        _channels(rng, controller),
    )  # fmt: skip


def _channels(rng: np.random.Generator, controller: Controller) -> frozenset[str]:
    lacks = {name for name, chance in MISSING.items() if rng.random() < chance}
    if OUTFLOW in lacks:
        lacks.add(OUTFLOW_VOLUME)
    if controller is Controller.NONE:
        lacks.add(STATE_CODE)
    if rng.random() > WATER_IS_TESTED:
        lacks |= {f"quality/{name}" for name in CHANNELS[AssetKind.QUALITY]}
    return frozenset(f"{kind}/{name}" for kind, specs in CHANNELS.items() for name in specs) - lacks


def zone_of(village: Village) -> Zone:
    """Its zone file, read."""
    v = village

    def of(asset: str) -> Sequence[str]:
        return [name for name in CHANNELS[AssetKind(asset)] if f"{asset}/{name}" in v.channels]

    values: dict[str, Any] = {
        "zone": v.zone_id, "name": f"Village {v.number} (fictif)", "fictional": True,
        "place": {
            "commune": "inventée", "latitude": v.latitude, "longitude": v.longitude, "altitude_m": 900,
        },
        "served": {"people": v.people, "counted_in": 2025}, "tariff": {"gnf_per_20_l": 100},
        "gateway": {"id": f"gw-{v.number}", "interval_s": v.interval_s, "channels": of("gateway")},
        "pv": {"peak_w": v.peak_w, "strings": v.strings, "channels": of("pv")},
        "pump": {
            "rated_flow_m3_h": v.flow_m3_h, "rated_head_m": v.head_m, "rated_power_w": v.power_w,
            "max_speed_rpm": v.speed_rpm, "start_irradiance_w_m2": v.start_w_m2, "channels": of("pump"),
        },
        "borehole": {
            "depth_m": v.depth_m, "pump_intake_m": v.intake_m, "static_water_depth_m": v.static_m,
            "specific_capacity_m3_h_m": round(v.capacity_m3_h_m, 3), "channels": of("borehole"),
        },
        "tower": {
            "volume_m3": v.volume_m3, "full_level_m": v.full_m, "base_height_m": v.base_m,
            "start_level_m": v.restart_m, "channels": of("tower"),
        },
        "network": {"length_m": 2000, "channels": of("network")},
        "taps": {"count": v.taps, "metered": TAP_METERS in v.channels, "interval_s": v.tap_interval_s},
        "committee": [
            {"name": "Personne fictive", "role": "exploitant", "phone": f"+2246000{v.number:05d}", "language": "fr"}
        ],
    }  # fmt: skip
    if of("quality"):
        values["quality"] = {"channels": of("quality")}
    return zone_from_values(values, f"{v.zone_id}.toml")
