"""What simulated zones cost, and whether their years are those of Labé: measured beside what is known of them.

`ndiyan bench simulator` runs it, on one core. Figures of the field are from the project's reference of facts (DOMAIN):
a monthly table of the sun (expected within 10 %), litres at metered taps, kWh against the hydraulic minimum.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from gateway.zones import Zone, load_zones
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from simulator.history import live_through
from simulator.labels import Witness
from simulator.minutes import DT_H
from simulator.sensor_faults import Frozen
from simulator.sensors import Instruments, Samples
from simulator.sun import FloatArray, Sun
from simulator.village import Village

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_DAYS = 365
SEED = 7
ALL_SKY = (5.4, 6.0, 6.3, 6.2, 5.7, 5.1, 4.6, 4.4, 4.8, 5.2, 5.3, 5.1)  # kWh/m² and day on level ground
SEASONS = {"dry season (Dec-Feb)": (12, 1, 2), "étiage (Mar-May)": (3, 4, 5), "rains (Jul-Sep)": (7, 8, 9)}
LIVE_MINUTES = 10
SUN_YEARS = 5  # one month of one year may be a tenth off
HYDRAULIC_KWH = 0.002725  # per m³ and m
PUMPS_M3_H = 0.05
HAS_WATER = 0.999  # of what was asked for


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the plausibility table."""

    what: str
    measured: str
    known: str


def measure(zones: int, days: int, live_zones: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Speed and memory of a history of `zones` x `days` and of `live_zones` by the minute, then the table."""
    models = load_zones([shipped("zones")])
    say(f"history: {zones} zones for {days} days")
    figures = _history(zones_with_fiction(models, zones), days)
    say(f"live: {live_zones} zones that report every minute, {LIVE_MINUTES} minutes")
    figures |= _live(zones_with_fiction(models, live_zones))
    say("a year of twelve zones, beside what is known")
    table = plausibility(zones_with_fiction(models, 12))
    return figures | {"plausibility": [asdict(line) for line in table]}


def as_text(figures: dict[str, Any]) -> str:
    """The figures for people."""
    plain = [f"{key:38} {value:>12,}" for key, value in figures.items() if key != "plausibility"]
    rows = [f"{row['what']:44} {row['measured']:>22}   {row['known']}" for row in figures["plausibility"]]
    head = f"\n{'':44} {'measured':>22}   known"
    return "\n".join([*plain, head, *rows])


def _history(zones: Sequence[Zone], days: int) -> dict[str, Any]:
    """A first day warms up; memory is that of the process, after a fifth of the time and at the end."""
    village, witness = Village(zones, seed=SEED), Witness()
    wall, cpu, readings, early_mb = 0.0, 0.0, 0, 0.0
    early = FIRST + timedelta(days=1 + max(1, days // 5))
    for block in live_through(
        village, start=FIRST, end=FIRST + timedelta(days=1 + days), broken=[], folder=None, witness=witness
    ):
        day_s = float(block.t_s[0])
        if not wall and day_s >= FIRST.timestamp() + 86_400:
            wall, cpu = time.perf_counter(), time.process_time()
        if not early_mb and day_s >= early.timestamp():
            gc.collect()
            early_mb = _rss_mb()
        readings += len(block.value) if wall else 0
        witness.take_states()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    share = YEAR_DAYS / days / len(zones)
    return {
        "readings": readings,
        "readings of a zone-year": round(readings * share),
        "wall s of a zone-year": round(wall * share, 2),
        "cpu s of a zone-year": round(cpu * share, 2),
        "readings per cpu s": round(readings / cpu),
        "memory MB after a fifth": round(early_mb),
        "memory MB at the end": round(_rss_mb()),
    }


def _live(zones: Sequence[Zone]) -> dict[str, Any]:
    """Zones whose every asset reports each minute, as the live feed lives them (without outbox and network)."""
    often = [replace(zone, assets=tuple(replace(a, interval_s=60.0) for a in zone.assets)) for zone in zones]
    village = Village(often, seed=SEED)
    instruments, frozen, state = Instruments(village), Frozen(), village.first_state()
    noon = FIRST + timedelta(hours=12)
    village.move(state, noon.timestamp() - 60, [])
    cpu, readings = time.process_time(), 0
    for minute in range(LIVE_MINUTES):
        t_s = noon.timestamp() + 60 * minute
        moved = village.move(state, t_s, [])
        samples = Samples(np.array([t_s + 60]), village.truth(moved))
        readings += sum(len(one.value) for one in instruments.measure(samples, frozen=frozen, broken=[]))
    used = time.process_time() - cpu
    return {
        "live zones": len(zones),
        "live readings a minute": readings // LIVE_MINUTES,
        "live cpu s of a minute": round(used / LIVE_MINUTES, 2),
        "live times real time": round(60 * LIVE_MINUTES / used, 1),
    }


@dataclass(frozen=True, slots=True)
class Year:
    """Daily sums of a year, arrays over days and zones (d, n)."""

    days: list[date]
    pumped_m3: FloatArray
    drawn_m3: FloatArray
    energy_kwh: FloatArray
    lift_kwh: FloatArray  # the hydraulic minimum of what was pumped
    pump_h: FloatArray
    dry_h: FloatArray  # hours of the waking day in which somebody asked and the tower gave less
    sun_kwh_m2: FloatArray  # in the plane of the array


def live_a_year(village: Village) -> Year:
    """Let a village live a year in which nothing breaks."""
    state, rows = village.first_state(), []
    days = [(FIRST + timedelta(days=n)).date() for n in range(YEAR_DAYS)]
    for number in range(YEAR_DAYS):
        t_s = FIRST.timestamp() + 86_400 * number
        moved = [village.move(state, t_s + 3600 * hour, [], 360) for hour in (0, 6, 12, 18)]
        truth = [village.truth(one) for one in moved]
        inflow = np.concatenate([one.inflow_m3_h for one in moved])
        outflow = np.concatenate([one.outflow_m3_h for one in moved])
        power = np.concatenate([one.pump_power_w for one in truth])
        lift_m = np.concatenate([one.depth_m for one in truth]) + village.base_m + village.full_m
        served = np.concatenate([one.served for one in moved])
        asked = village.today.wanted > 0
        rows.append([
            (inflow * DT_H).sum(0), (outflow * DT_H).sum(0), (power * DT_H).sum(0) / 1000,
            (HYDRAULIC_KWH * inflow * lift_m * DT_H).sum(0), ((inflow > PUMPS_M3_H) * DT_H).sum(0),
            ((asked & (served < HAS_WATER)) * DT_H).sum(0), (village.today.sun * DT_H).sum(0) / 1000,
        ])  # fmt: skip
    return Year(days, *np.array(rows).transpose(1, 0, 2))


def level_sun(zones: Sequence[Zone]) -> FloatArray:
    """Irradiation on level ground by month (12,), mean of five years and of the zones [kWh/m² and day]."""
    level = [
        replace(
            zone,
            assets=tuple(
                replace(a, rating={**a.rating, "tilt_deg": 0.0}) if a.asset_id == "pv" else a for a in zone.assets
            ),
        )
        for zone in zones
    ]
    sun = Sun(level, seed=SEED)
    sums: list[list[float]] = [[] for _ in range(12)]
    for number in range(SUN_YEARS * YEAR_DAYS):
        day = FIRST.date() + timedelta(days=number)
        sums[day.month - 1].append(float(sun.day(day).irradiance_w_m2.mean() * 24 / 1000))
    return np.array([np.mean(month) for month in sums])


def plausibility(zones: Sequence[Zone]) -> list[Line]:
    """The table: what a year of these zones gives, and what is known."""
    village = Village(zones, seed=SEED)
    year = live_a_year(village)
    months = level_sun(zones[:3])
    lines = [
        Line(f"sun on level ground, {date(2026, m + 1, 1):%b}, kWh/m² d", f"{found:.2f}", f"{known:.1f} ± 10 %")
        for m, (found, known) in enumerate(zip(months, ALL_SKY, strict=True))
    ]
    peak_kw = village.peak_w / 1000
    litres = year.drawn_m3.sum(0) / village.people / YEAR_DAYS * 1000
    efficiency = year.lift_kwh.sum(0) / year.energy_kwh.sum(0)
    lines += [
        Line("sun on level ground, year, kWh/m² d", f"{months.mean():.2f}", "5.3"),
        Line("litres per person and day", _range(litres), "8 to 12 at metered taps"),
        Line("m³ per kWp and day", _range(year.pumped_m3.mean(0) / peak_kw), "7 to 8 where 20 L are drawn, 60 to 80 m"),
        Line("kWh per m³", _range(year.energy_kwh.sum(0) / year.pumped_m3.sum(0)), "0.36 to 0.48 at 60 to 80 m"),
        Line("hydraulic minimum, kWh per m³", _range(year.lift_kwh.sum(0) / year.pumped_m3.sum(0)), "0.0027 x lift"),
        Line("wire-to-water efficiency", _range(efficiency), "0.35 to 0.50 good, under 0.25 suspect"),
    ]
    for season, of_year in SEASONS.items():
        chosen = np.array([day.month in of_year for day in year.days])
        empty = 100 * (year.dry_h[chosen] > 0.25).mean()
        lines += [
            Line(f"pump hours a day, {season}", _range(year.pump_h[chosen].mean(0)), "5 to 8 hours of sun"),
            Line(f"days with taps dry for 15 min, {season}, %", f"{empty:.1f}", "highest in the étiage"),
        ]
    return lines


def _range(values: FloatArray) -> str:
    return f"{np.median(values):.2f} ({values.min():.2f}-{values.max():.2f})"


def _rss_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
