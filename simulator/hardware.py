"""The hardware of zones that do not exist: pump controller, I/O modules and meters on Modbus, driven by the simulator.

So the whole chain runs without hardware: Modbus, `ndiyan gateway`, broker, ingest. What hangs on which register is the
same table that writes the gateway's file, so the two cannot differ.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gateway.clock import Clock
from gateway.maps import find_map
from gateway.model import AssetKind
from gateway.zones import Asset, Zone
from simulator.faults import Broken
from simulator.history import load_state, save_state
from simulator.modbus import ModbusBus, Unit
from simulator.scenarios import Scenario
from simulator.sensor_faults import Frozen
from simulator.sensors import PRESSURE_SPAN_BAR, PROBE_ABOVE_INTAKE_M, PROBE_SPAN_M, Instruments, Samples
from simulator.village import Village

MINUTE = timedelta(minutes=1)
INVERTER, METER, LOOPS, COUNTERS = 1, 2, 3, 10  # unit ids; modules of eight loops and fourteen counters follow
MAPS = {
    INVERTER: "invt-goodrive100-pv", METER: "eastron-sdm",
    LOOPS: "waveshare-analog-input-8ch", COUNTERS: "advantech-adam-6051",
}  # fmt: skip
LOOPS_EACH, COUNTERS_EACH = 8, 14
LITRES = {"tap": 1.0, "pump": 10.0, "tower": 10.0}  # of one pulse
# What 4 and 20 mA mean where no sensor's place says otherwise.
SPANS = {
    "irradiance_w_m2": (0.0, 1600.0), "module_temp_c": (0.0, 100.0), "current_a": (0.0, 50.0), "flow_m3_h": (0.0, 20.0),
    "outflow_m3_h": (0.0, 20.0), "pressure_bar": (0.0, PRESSURE_SPAN_BAR), "battery_v": (0.0, 20.0),
    "free_chlorine_mg_l": (0.0, 2.0), "turbidity_ntu": (0.0, 100.0), "conductivity_us_cm": (0.0, 2000.0),
}  # fmt: skip
ON_INVERTER = {("pump", "state_code"): "state", ("pump", "speed_rpm"): "speed", ("pv", "voltage_v"): "pv_voltage"}
# No Modbus: the box knows them itself, or the simulated zone's are its own.
OF_THE_BOX = {"signal_dbm": "signal", "temp_c": "temp", "uptime_s": "uptime", "credit_gnf": "credit"}


@dataclass(frozen=True, slots=True)
class Wire:
    """A channel on a register: as it is, through a loop (what 4 and 20 mA mean), or as pulses of so many litres."""

    asset: str
    channel: str
    unit_id: int
    register: str
    loop: tuple[float, float] | None = None
    litres: float | None = None

    def number(self, value: float) -> float:
        """What the device says when the channel's value is this."""
        if self.loop is not None:
            at_4, at_20 = self.loop
            return 4 + 16 * (value - at_4) / (at_20 - at_4)
        return math.floor(value * 1000 / self.litres + 1e-6) if self.litres else value


def wires_of(zone: Zone) -> list[Wire]:
    """What hangs where in a zone; nothing for what the box itself knows."""
    found: list[Wire] = []
    loops = counters = 0
    for asset in zone.assets:
        if asset.kind is AssetKind.WEATHER:  # a gauge is emptied when it is read, which no register is
            continue
        for spec in asset.channels:
            place = (str(asset.asset_id), spec.name)
            if place in ON_INVERTER:
                found.append(Wire(*place, INVERTER, ON_INVERTER[place]))
            elif spec.name == "power_w" and place[0] == "pump":
                found.append(Wire(*place, METER, "power"))
            elif spec.is_counter:
                unit, at = divmod(counters, COUNTERS_EACH)
                found.append(Wire(*place, COUNTERS + unit, f"counter{at}", litres=LITRES[asset.kind.value]))
                counters += 1
            elif not (place[0] == "gateway" and spec.name in OF_THE_BOX):
                unit, at = divmod(loops, LOOPS_EACH)
                found.append(Wire(*place, LOOPS + unit, f"ai{at + 1}", loop=_span(zone, asset, spec.name)))
                loops += 1
    return found


def _span(zone: Zone, asset: Asset, channel: str) -> tuple[float, float]:
    if channel == "water_depth_m":  # more current is more water above the probe
        probe_m = zone.asset("borehole").rating["pump_intake_m"] - PROBE_ABOVE_INTAKE_M
        return probe_m, probe_m - PROBE_SPAN_M
    if channel == "level_m":
        return 0.0, float(math.ceil(1.3 * asset.rating["full_level_m"]))
    if channel == "power_w":
        return 0.0, 2 * zone.asset("pv").rating["peak_w"]
    return SPANS[channel]


def map_of(unit_id: int) -> str:
    """The map of the unit with this id."""
    return MAPS[max(first for first in MAPS if first <= unit_id)]


def gateway_file(zone: Zone, *, host: str, port: int, mqtt: str, folder: str) -> str:
    """The gateway's file that fits this zone's hardware."""
    wires = wires_of(zone)
    lines = [
        f'# Simulated hardware of {zone.zone_id}: "ndiyan simulate hardware".',
        f'zone = "{zone.zone_id}"', f'gateway = "{zone.gateway_id}"', f'mqtt = "{mqtt}"', f'folder = "{folder}"',
        "", "[link.bus]", 'kind = "modbus-tcp"', f'host = "{host}"', f"port = {port}",
    ]  # fmt: skip
    for unit_id in sorted({wire.unit_id for wire in wires}):
        lines += ["", "[[device]]", f'name = "unit-{unit_id}"', 'link = "bus"', f"unit_id = {unit_id}"]
        lines += [f'map = "{map_of(unit_id)}"']
    for wire in wires:
        lines += ["", "[[point]]", f'asset = "{wire.asset}"', f'channel = "{wire.channel}"']
        lines += [f'device = "unit-{wire.unit_id}"', f'register = "{wire.register}"']
        if wire.loop is not None:
            lines.append(f"loop = {{ at_4_ma = {wire.loop[0]:g}, at_20_ma = {wire.loop[1]:g} }}")
        if wire.litres is not None:
            lines.append(f"pulse = {{ litres = {wire.litres:g} }}")
    for asset, channel in _box_channels(zone):
        lines += ["", "[[point]]", f'asset = "{asset}"', f'channel = "{channel}"', 'device = "system"']
        lines.append(f'register = "{OF_THE_BOX[channel]}"')
    return "\n".join(lines) + "\n"


def _box_channels(zone: Zone) -> Iterator[tuple[str, str]]:
    for asset in zone.assets:
        for spec in asset.channels:
            if asset.asset_id == "gateway" and spec.name in OF_THE_BOX:
                yield "gateway", spec.name


class Hardware:
    """The buses of several zones, one TCP port each, which live by the clock's minutes.

    `seen` is what the instruments saw last, by zone, asset and channel.

    Parameters
    ----------
    first_port : of the first zone; the others follow. 0 takes free ones
    """

    def __init__(
        self, zones: Sequence[Zone], *, clock: Clock, folder: Path, seed: int, scenario: Scenario, first_port: int,
        host: str = "127.0.0.1",
    ) -> None:  # fmt: skip
        every_minute = [replace(z, assets=tuple(replace(a, interval_s=60.0) for a in z.assets)) for z in zones]
        self._zones, self._clock, self._folder = every_minute, clock, folder
        folder.mkdir(parents=True, exist_ok=True)
        saved, now = load_state(folder), clock.now().replace(second=0, microsecond=0)
        start = scenario.begins_at or now
        self._start_s = saved.start_s if saved else start.timestamp()
        self._village = Village(every_minute, seed=seed, clear_from=start.date() if scenario.clear_from_start else None)
        self._state = saved.state_of(self._village) if saved else self._village.first_state()
        self._frozen = saved.frozen if saved else Frozen()
        self._instruments = Instruments(self._village)
        self._reached = datetime.fromtimestamp(saved.t_s, UTC) if saved else now - MINUTE
        self._broken: list[Broken] = scenario.broken(
            zones, start, until=start + timedelta(days=scenario.days), seed=seed
        )
        self.seen: dict[tuple[str, str, str], float] = {}
        self._wires = {zone.zone_id: wires_of(zone) for zone in zones}
        self.units = {
            zone_id: {unit: Unit(find_map(map_of(unit), folder)) for unit in sorted({w.unit_id for w in wires})}
            for zone_id, wires in self._wires.items()
        }
        self.buses = {
            zone.zone_id: ModbusBus(self.units[zone.zone_id], place=first_port and first_port + at, host=host)
            for at, zone in enumerate(zones)
        }

    def run(self, stop: threading.Event) -> None:
        """Answer, and live on minute by minute, until `stop` is set."""
        self.live_until(self._clock.now())
        for bus in self.buses.values():
            bus.start()
        try:
            while not stop.wait(self._clock.wall_seconds(self._reached + MINUTE - self._clock.now())):
                self.live_until(self._clock.now())
        finally:
            for bus in self.buses.values():
                bus.stop()
            self.save()

    def save(self) -> None:
        """Write down how the zones stand, so that a restart goes on from there."""
        save_state(self._folder, self._reached.timestamp(), self._start_s, self._zones, self._state, self._frozen)

    def live_until(self, now: datetime) -> None:
        """Live the minutes that end by `now`; the registers say what the instruments see at the last one's end."""
        samples = None
        while self._reached + MINUTE <= now:
            t_s = self._reached.timestamp()
            moved = self._village.move(self._state, t_s, [one for one in self._broken if one.acts_at(t_s)])
            self._reached += MINUTE
            samples = Samples(np.array([t_s + 60.0]), self._village.truth(moved))
        if samples is None:
            return
        acting = [one for one in self._broken if one.acts_at(float(samples.t_s[0]))]
        self.seen = {
            (one.zone_id, one.asset, one.channel): float(one.value[0])
            for one in self._instruments.measure(samples, frozen=self._frozen, broken=acting)
        }
        for zone_id, wires in self._wires.items():
            for wire in wires:
                value = self.seen.get((zone_id, wire.asset, wire.channel))
                if value is not None:
                    self.units[zone_id][wire.unit_id].say(wire.register, wire.number(value))
