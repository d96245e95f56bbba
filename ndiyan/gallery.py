"""The simulator's pictures, for people who judge it by eye: normal days, the pump on its curve, faults beside normal.

`ndiyan simulate gallery --out docs/images/simulator` draws them; docs/simulator.md shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from gateway.model import Fault, channel_spec
from gateway.zones import Zone
from ndiyan.plots import BLUE, GREY, RED, FloatArray, Legend, Line, Panel, curve_figure, time_figure
from simulator.faults import CATALOGUE, Broken
from simulator.history import live_through
from simulator.lives import Lives
from simulator.village import Village
from web.charts.scale import Span

ZONE = "zone-5"  # the one that has every channel
SEED = 1
DRY, WET = datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 8, 10, tzinfo=UTC)
WARM_UP = timedelta(days=2)  # towers and wells forget where they began
GAP_S = 900.0
SPEEDS = (0.6, 0.7, 0.8, 0.9, 1.0)
CURVE_TO = 1.45  # times the rated flow
DAY_MIN = 1440

Channel = tuple[str, str]
Series = dict[Channel, tuple[FloatArray, FloatArray]]

SUN, POWER, STATE = ("pv", "irradiance_w_m2"), ("pump", "power_w"), ("pump", "state_code")
INFLOW, OUTFLOW, LEVEL = ("pump", "flow_m3_h"), ("tower", "outflow_m3_h"), ("tower", "level_m")
DEPTH, WELL_HEAD, NETWORK = ("borehole", "water_depth_m"), ("pump", "pressure_bar"), ("network", "pressure_bar")
SPEED, COUNTED, TAP = ("pump", "speed_rpm"), ("pump", "volume_m3"), ("tap-01", "volume_m3")
BATTERY, CHLORINE = ("gateway", "battery_v"), ("quality", "free_chlorine_mg_l")
TURBIDITY = ("quality", "turbidity_ntu")


@dataclass(frozen=True, slots=True)
class Picture:
    """A fault beside the same days without it: it begins `after` their midnight and is mended after `hours`."""

    fault: Fault
    size: str
    after: timedelta
    days: int
    channels: Sequence[Channel]
    hours: float | None = None


def _h(hours: float) -> timedelta:
    return timedelta(hours=hours)


PICTURES = (
    Picture(Fault.DRY_RUNNING, "L", _h(9), 1, (INFLOW, POWER, DEPTH, STATE)),
    Picture(Fault.YIELD_DROP, "L", _h(0), 6, (INFLOW, DEPTH, LEVEL)),
    Picture(Fault.PUMP_WEAR, "L", _h(0), 20, (INFLOW, POWER, LEVEL)),
    Picture(Fault.PUMP_CLOGGED, "L", _h(11), 2, (INFLOW, SPEED, WELL_HEAD, LEVEL)),
    Picture(Fault.CHECK_VALVE_LEAK, "L", _h(12), 2, (WELL_HEAD, LEVEL, DEPTH)),
    Picture(Fault.INVERTER_TRIP, "M", _h(10.5), 2, (STATE, POWER, LEVEL), 22),
    Picture(Fault.FLOAT_STUCK_FULL, "S", _h(8), 2, (STATE, INFLOW, LEVEL)),
    Picture(Fault.PV_SOILING, "L", _h(6), 3, (SUN, POWER, INFLOW)),
    Picture(Fault.PV_STRING_LOSS, "M", _h(12), 2, (SUN, POWER, INFLOW)),
    Picture(Fault.TOWER_LEAK, "L", _h(10), 2, (LEVEL, OUTFLOW, INFLOW)),
    Picture(Fault.TOWER_OVERFLOW, "L", _h(8), 1, (LEVEL, INFLOW, STATE)),
    Picture(Fault.PIPE_BURST, "L", _h(10), 2, (OUTFLOW, NETWORK, LEVEL), 26),
    Picture(Fault.NIGHT_LEAK, "L", _h(15), 2, (OUTFLOW, NETWORK, LEVEL)),
    Picture(Fault.TAP_LEFT_OPEN, "L", _h(17), 2, (TAP, OUTFLOW, LEVEL)),
    Picture(Fault.SENSOR_DRIFT, "L", _h(0), 10, (LEVEL, INFLOW)),
    Picture(Fault.SENSOR_SPIKES, "L", _h(6), 2, (LEVEL, INFLOW)),
    Picture(Fault.FLOW_METER_STOPPED, "M", _h(6), 2, (COUNTED, INFLOW, LEVEL)),
    Picture(Fault.CLOCK_ERROR, "M", _h(9), 2, (SUN, LEVEL), 20),
    Picture(Fault.GATEWAY_BATTERY_LOW, "L", _h(0), 8, (BATTERY, LEVEL)),
    Picture(Fault.LOW_CHLORINE, "L", _h(8), 2, (CHLORINE, TURBIDITY)),
    Picture(Fault.TURBIDITY_HIGH, "L", _h(8), 2, (TURBIDITY, CHLORINE), 20),
)


def draw_gallery(zones: Sequence[Zone], folder: Path, *, only: Sequence[str] | None = None) -> Iterator[Path]:
    """Draw the pictures (those whose names are in `only`), and give each file when it is there."""
    (zone,) = [one for one in zones if one.zone_id == ZONE]
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in _Drawer(zone).figures():
        if only is None or name in only:
            file = folder / f"{name}.svg"
            file.write_text(draw(), "utf-8")
            yield file


def figure_names() -> list[str]:
    """What there is to draw."""
    return ["normal-day", "cloudy-week", "pump-curve", *(f"fault-{_name(one)}" for one in PICTURES)]


class _Drawer:
    """Draws one zone; the days without a fault are lived once for all pictures."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def figures(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Each figure's name, and how to draw it."""
        yield "normal-day", partial(self._normal_days, DRY, 1, "A normal day in the dry season")
        yield "cloudy-week", partial(self._normal_days, WET, 7, "A week in August")
        yield "pump-curve", self._pump_curve
        for picture in PICTURES:
            yield f"fault-{_name(picture)}", partial(self._fault, picture)

    def _normal_days(self, start: datetime, days: int, title: str) -> str:
        found = self._lived(start, days, [])
        shown: list[tuple[Channel, ...]] = [(SUN,), (POWER,), (INFLOW, OUTFLOW), (LEVEL,), (DEPTH,), (NETWORK,)]
        panels = [
            Panel(
                " · ".join(map(_title, channels)),
                [_line(found[one], colour, days) for one, colour in zip(channels, (BLUE, RED), strict=False)],
            )
            for channels in shown
        ]
        says = f"{self._zone.zone_id} ({self._zone.name}), from {start:%Y-%m-%d}, UTC"
        return time_figure(title, says, panels, _span(start, days), Legend((("in", BLUE), ("out", RED))))

    def _fault(self, picture: Picture) -> str:
        begins, days = DRY + picture.after, picture.days
        ends = None if picture.hours is None else begins + timedelta(hours=picture.hours)
        end_s = None if ends is None else ends.timestamp()
        broken = Broken(self._zone.zone_id, picture.fault, picture.size, begins.timestamp(), end_s)
        normal, found = self._normal, self._lived(DRY, days, [broken])
        panels = [
            Panel(_title(one), [_line(normal[one], GREY, days), _line(found[one], RED, days)])
            for one in picture.channels
        ]
        entry = CATALOGUE[picture.fault]
        until = "" if ends is None else f" to {ends:%d.%m. %H:%M}"
        size = f"size {picture.size}: {entry.amount[picture.size]:g} {entry.unit}"
        says = f"{size}, from {begins:%d.%m. %H:%M}{until}; {self._zone.zone_id}"
        legend = Legend((("normal", GREY), (picture.fault.value, RED)))
        return time_figure(f"{entry.en} ({entry.fr})", says, panels, _span(DRY, days), legend)

    def _pump_curve(self) -> str:
        """Head over flow at some speeds, and where the pump worked on two days."""
        pump = Village([self._zone], seed=SEED).pump
        flow = np.linspace(0, CURVE_TO * float(pump.flow_m3_h[0]), 120)
        lines = []
        for speed in SPEEDS:
            head = np.asarray(pump.head_at(np.full_like(flow, speed), flow), dtype=np.float64)
            lines.append(Line(flow, np.where(head < 0, np.nan, head), GREY))
        for start, colour in ((DRY, RED), (WET, BLUE)):
            lines.append(Line(*self._worked(start), colour, is_dots=True))
        legend = Legend((("speed 60 to 100 %", GREY), (f"{DRY:%d.%m.}", RED), (f"{WET:%d.%m.}", BLUE)))
        rated = f"{pump.flow_m3_h[0]:g} m³/h at {pump.head_m[0]:g} m, {pump.power_w[0]:g} W"
        return curve_figure(
            "The pump on its curve",
            f"{self._zone.zone_id}, rated {rated}; a point for every five minutes that it gave water",
            Panel("head [m]", lines, low=0.0), x_title="flow [m³/h]", x=(0.0, float(flow[-1])), legend=legend,
        )  # fmt: skip

    def _worked(self, start: datetime) -> tuple[FloatArray, FloatArray]:
        """Flow and head of the pump every five minutes of a day in which it gave water."""
        lives = Lives([self._zone], start=start - WARM_UP, seed=SEED)
        for _ in range(WARM_UP.days):
            lives.live(DAY_MIN, [])
        flow, head = (values[::5] for values in lives.operating_points(DAY_MIN))
        return flow[flow > 0], head[flow > 0]

    @cached_property
    def _normal(self) -> Series:
        return self._lived(DRY, max(picture.days for picture in PICTURES), [])

    def _lived(self, start: datetime, days: int, broken: Sequence[Broken]) -> Series:
        """What the zone's instruments gave, in the order in which its box took it, by the clock of the box."""
        found: dict[Channel, list[tuple[FloatArray, FloatArray]]] = {}
        village, end = Village([self._zone], seed=SEED), start + timedelta(days=days)
        for block in live_through(village, start=start - WARM_UP, end=end, broken=broken, folder=None):
            found.setdefault((block.asset, block.channel), []).append((block.t_s, block.value))
        joined: Series = {}
        for key, blocks in found.items():
            t_s, value = zip(*blocks, strict=True)
            joined[key] = np.concatenate(t_s), np.concatenate(value)
        return joined


def _line(series: tuple[FloatArray, FloatArray], colour: str, days: int) -> Line:
    """A channel as a curve; over many days every third point or less is enough for the eye."""
    t_s, value = series
    step = 1 if days <= 3 else 3 if days <= 8 else 6
    return Line(t_s[::step], value[::step], colour, GAP_S * step)


def _span(start: datetime, days: int) -> Span:
    return Span(start.timestamp(), (start + timedelta(days=days)).timestamp())


def _title(channel: Channel) -> str:
    asset, name = channel
    spec = channel_spec(asset, name)
    return f"{asset}/{name} [{spec.unit}]" if spec is not None and spec.unit else f"{asset}/{name}"


def _name(picture: Picture) -> str:
    return picture.fault.value.replace("_", "-")
