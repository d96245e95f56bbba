"""What a server for so many zones must be: one function, for the page and for `ndiyan capacity`.

Each coefficient was measured and bears its source. What it comes to is a sum of them and no promise: the machine had
two cores, and prices are those of one seller on one day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

YEAR_DAYS, DAY_S, GB = 365, 86_400, 1e9
ROW_DAYS = 21  # at most this old when its week is stored by column: the week itself, and 14 days
HEADROOM = 0.5  # of the cores that is left free: a day's backlog must come in beside what is live
SMALLEST_CORES, SMALLEST_GB = 2, 2.0
SIZES_GB = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
MEASURED_CHANNELS = 400_000  # beyond what was ever run
MOST_ZONES, MOST_CHANNELS, MOST_YEARS = 100_000, 200, 30


class Coefficient(NamedTuple):
    """A measured number: its value, its unit, and the page that shows it, in which words, and how it was measured."""

    value: float
    unit: str
    source: str


COUNTRY = "ndiyan bench country, 20,000 zones of 20 channels, 2026-11-26"
COEFFICIENTS = {
    "reading_us": Coefficient(
        4.5, "µs", "docs/performance.md: “4.87 to 4.50 µs a reading”, ndiyan bench ingest, 2026-11-26"
    ),
    "judging_ms": Coefficient(0.375, "ms", f"docs/scale.md: a zone once, “7.8 ms | 7.5 ms”, {COUNTRY}"),
    "base_mb": Coefficient(
        792, "MB", "docs/performance.md: “792 MB of 1,000 at the most”, make bench-memory, 2026-11-26"
    ),
    "channel_kb": Coefficient(1.5, "kB", f"docs/scale.md: “1.5 kB a channel”, {COUNTRY}"),
    "link_kb": Coefficient(10, "kB", f"docs/scale.md: “a gateway's link costs the broker 10 kB”, {COUNTRY}"),
    "row_bytes": Coefficient(96.7, "B", "docs/databases.md: “96.7 / 8.8”, ndiyan bench late, 2026-11-25"),
    "column_bytes": Coefficient(8.8, "B", "docs/databases.md: “96.7 / 8.8”, ndiyan bench late, 2026-11-25"),
    "hour_bytes": Coefficient(131, "B", f"docs/scale.md: “94.0 · 131 · 1,684”, {COUNTRY}"),
    "day_bytes": Coefficient(145, "B", f"docs/scale.md: “145 · 373”, {COUNTRY}"),
    "zone_day_bytes": Coefficient(1684, "B", f"docs/scale.md: “94.0 · 131 · 1,684”, {COUNTRY}"),
    "gateway_day_bytes": Coefficient(373, "B", f"docs/scale.md: “145 · 373”, {COUNTRY}"),
    "sms_a_week": Coefficient(1.4, "SMS", "docs/detection.md: “101–104, unseen”, make bench-villages, 2026-11-26"),
    "core_eur": Coefficient(
        0.81, "€", "docs/scale.md: “CX33 of Hetzner (4 cores, 8 GB, 6.49 € a month)”, half of it for four, 2026-05-27"
    ),
    "memory_eur": Coefficient(
        0.41, "€", "docs/scale.md: “CX33 of Hetzner (4 cores, 8 GB, 6.49 € a month)”, half of it for eight, 2026-05-27"
    ),
    "disk_eur": Coefficient(0.0572, "€", "docs/scale.md: “0.0572 € a GB”, 2026-05-27"),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A country: zones of so many channels, minutes between readings, years that are kept, whether old weeks are stored
    by column (TimescaleDB), and what an SMS costs [€]."""

    zones: int = 6
    channels: int = 40
    interval_min: float = 5.0
    years: float = 2.0
    is_by_column: bool = False
    sms_eur: float = 0.0

    def why_not(self) -> str | None:
        """The name of the first value that is out of bounds, None when all are within."""
        bounds = {
            "zones": (self.zones, 1, MOST_ZONES), "channels": (self.channels, 1, MOST_CHANNELS),
            "interval_min": (self.interval_min, 1, 60), "years": (self.years, 0.1, MOST_YEARS),
            "sms_eur": (self.sms_eur, 0, 1),
        }  # fmt: skip
        return next((name for name, (value, low, high) in bounds.items() if not low <= value <= high), None)


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the wish comes to; euros are for a month, disk is full after the years that are kept."""

    readings_a_second: float
    cores_busy: float
    cores: int
    evaluators: int
    memory_mb: float
    memory_gb: float
    disk_gb: float
    disk_gb_a_year: float
    sms: float
    server_eur: float
    sms_eur: float
    is_measured: bool


def capacity(wish: Wish) -> Capacity:
    """Cores, memory, disk, SMS and euros for a wish, from `COEFFICIENTS`."""
    value = {name: one.value for name, one in COEFFICIENTS.items()}
    channels = wish.zones * wish.channels
    rate = channels / (60 * wish.interval_min)
    judging = channels * value["judging_ms"] / 1000 / (60 * wish.interval_min)  # each round of readings is judged
    busy = rate * value["reading_us"] / 1e6 + judging
    cores = max(SMALLEST_CORES, math.ceil(busy / (1 - HEADROOM)))
    memory_mb = value["base_mb"] + (channels * value["channel_kb"] + wish.zones * value["link_kb"]) / 1000
    memory_gb = next((size for size in SIZES_GB if size * 1000 * HEADROOM >= memory_mb), SIZES_GB[-1])
    disk = _disk_gb(wish, wish.years, value)
    sms = wish.zones * value["sms_a_week"] * YEAR_DAYS / 7 / 12
    server_eur = cores * value["core_eur"] + memory_gb * value["memory_eur"] + disk * value["disk_eur"]
    return Capacity(
        readings_a_second=rate, cores_busy=busy, cores=cores, evaluators=max(1, math.ceil(judging / HEADROOM)),
        memory_mb=memory_mb, memory_gb=max(SMALLEST_GB, memory_gb), disk_gb=disk,
        disk_gb_a_year=_disk_gb(wish, 1, value), sms=sms, server_eur=server_eur, sms_eur=sms * wish.sms_eur,
        is_measured=channels <= MEASURED_CHANNELS,
    )  # fmt: skip


def _disk_gb(wish: Wish, years: float, value: dict[str, float]) -> float:
    """Readings, their hours and days, and what is kept of each day of a zone and of its gateway; without backups."""
    channels, days = wish.zones * wish.channels, years * YEAR_DAYS
    a_day = channels * DAY_S / (60 * wish.interval_min)
    by_column = max(0.0, days - ROW_DAYS) if wish.is_by_column else 0.0
    readings = a_day * (by_column * value["column_bytes"] + (days - by_column) * value["row_bytes"])
    rollups = channels * days * (24 * value["hour_bytes"] + value["day_bytes"])
    of_zones = wish.zones * days * (value["zone_day_bytes"] + value["gateway_day_bytes"])
    return (readings + rollups + of_zones) / GB
