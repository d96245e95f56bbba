"""Which kind of silent? Why no water flows in a zone, or why nothing is heard of it, over many zones at once. Pure.

A zone that stands still and a zone that does not speak look alike from afar, and call for different people: the
repairer, the operator of the network, somebody with a ladder for the sensor, or nobody at all. Each answer bears its
confidence and the measurements that it rests on; where they do not suffice the answer is "cannot tell".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.days import Days
from alerts.model import DECIMAL_POINT, Mask
from alerts.scene import FloatArray, Grid
from alerts.states import drawn_power_w, has_room, is_good_sun, is_running, is_standing, says
from gateway.model import PumpState

WINDOW_H = 2.0  # of which "no water flows" is said
UNHEARD_H = 2.0  # DETECTION §2, communications outage: 2 h
FLOWS_M3_H = 0.05  # less is what meters show at rest
DRAWN_M3 = 0.02  # a bucket: what taps must have given within the window
HAS_WATER_SHARE = 0.15  # of the full level; below that taps hardly run
FALLS_M3 = 0.4  # what a level must tell before it is believed against a meter: waves and the sensor's own noise
NEAR_INTAKE_M = 3.0  # DETECTION §2, low yield
BATTERY_LOW_V = 11.9  # DETECTION §2, gateway battery
BATTERY_GOOD_V = 12.2
WEAK_SIGNAL_DBM = -105.0  # of a 2G modem: the edge of its reach
LAST_CREDIT_GNF = 1000.0
SAME_HOUR_S = 3600.0
MANY_ZONES = 3  # DETECTION §2: many sites at once are the operator's network
HEARD_SHARE = 0.5  # of the window's steps that must be known


class Kind(StrEnum):
    """Why it is silent."""

    PUMP_BROKEN = "pump_broken"
    NOBODY_DREW = "nobody_drew"
    WELL_DRY = "well_dry"
    NO_POWER = "no_power"
    SENSOR_FAILED = "sensor_failed"
    NETWORK_OUT = "network_out"
    CANNOT_TELL = "cannot_tell"


class Silence(NamedTuple):
    """The answer for one zone: kind, 0 to 1, and what it rests on."""

    kind: Kind
    confidence: float
    sentence_fr: str
    sentence_en: str


@dataclass(frozen=True, slots=True)
class Box:
    """What each zone's box last said, however long ago; (n,), NaN where it never said it.

    `newest_s` is the measured time of the newest reading of any channel [s since 1970-01-01 UTC].
    """

    newest_s: FloatArray
    battery_v: FloatArray
    signal_dbm: FloatArray
    credit_gnf: FloatArray


def why_silent(grid: Grid, box: Box, now_s: float, days: Days | None = None) -> list[Silence | None]:
    """The kind of silence of each zone at `now_s`; None where water flows, or where nobody could see it flow.

    Parameters
    ----------
    grid : the last hours of all zones up to `now_s`, at least `WINDOW_H`
    box : what each zone's gateway last said of itself; zones beyond those of the grid only count as silent beside them
    days : features of the days before, which tell how full the tower was when the grid began at the last midnight
    """
    unheard = ~(now_s - box.newest_s < UNHEARD_H * 3600)
    together = _silent_together(box.newest_s, unheard)
    still = _Still(grid, days)
    found: list[Silence | None] = []
    for zone in range(len(grid.sites)):
        if unheard[zone]:
            found.append(_unheard(box, zone, int(together[zone]), now_s))
        elif still.is_asked[zone]:
            found.append(still.answer(zone))
        else:
            found.append(None)
    return found


def _silent_together(newest_s: FloatArray, unheard: Mask) -> NDArray[np.intp]:
    """(n,) how many of the unheard zones fell silent within an hour of each, itself included."""
    near = np.abs(newest_s[:, None] - newest_s[None, :]) <= SAME_HOUR_S
    return np.asarray((near & unheard[:, None] & unheard[None, :]).sum(axis=1))


def _unheard(box: Box, zone: int, together: int, now_s: float) -> Silence:
    """Nothing comes: the box has no power, or its messages find no way."""
    newest_s, battery_v = float(box.newest_s[zone]), float(box.battery_v[zone])
    signal_dbm, credit_gnf = float(box.signal_dbm[zone]), float(box.credit_gnf[zone])
    if not np.isfinite(newest_s):
        return _told(Kind.CANNOT_TELL, 0.0, "Cette zone n'a encore rien envoyé.", "This zone has sent nothing yet.")
    hours = (now_s - newest_s) / 3600
    fr, en = f"Rien n'arrive depuis {hours:.1f} h", f"Nothing has come for {hours:.1f} h"
    if battery_v < BATTERY_LOW_V:
        return _told(
            Kind.NO_POWER, 0.85, f"{fr} ; la batterie du boîtier était à {battery_v:.1f} V.",
            f"{en}; the box's battery was at {battery_v:.1f} V.",
        )  # fmt: skip
    if together >= MANY_ZONES:
        return _told(
            Kind.NETWORK_OUT, 0.9, f"{fr} ; {together} zones se sont tues dans la même heure.",
            f"{en}; {together} zones fell silent within the same hour.",
        )  # fmt: skip
    if credit_gnf < LAST_CREDIT_GNF:
        return _told(
            Kind.NETWORK_OUT, 0.85, f"{fr} ; il restait {credit_gnf:.0f} GNF de crédit.",
            f"{en}; {credit_gnf:.0f} GNF of credit were left.",
        )  # fmt: skip
    if signal_dbm < WEAK_SIGNAL_DBM:
        return _told(
            Kind.NETWORK_OUT, 0.75, f"{fr} ; le signal était très faible ({signal_dbm:.0f} dBm).",
            f"{en}; the signal was very weak ({signal_dbm:.0f} dBm).",
        )  # fmt: skip
    if battery_v >= BATTERY_GOOD_V:
        return _told(
            Kind.NETWORK_OUT, 0.6, f"{fr} ; la batterie du boîtier était bonne ({battery_v:.1f} V).",
            f"{en}; the box's battery was good ({battery_v:.1f} V).",
        )  # fmt: skip
    return _told(
        Kind.CANNOT_TELL, 0.0, f"{fr}, et rien ne l'annonçait : ni batterie, ni crédit, ni signal.",
        f"{en}, and nothing foretold it: neither battery nor credit nor signal.",
    )  # fmt: skip


class _Still:
    """Zones that are heard: whether water flows, and what the last hours say of why it does not. (n,) arrays."""

    def __init__(self, grid: Grid, days: Days | None) -> None:
        self._grid = grid
        last = slice(max(0, grid.steps - grid.hours(WINDOW_H)), grid.steps)
        level_m, outflow = grid.value("tower", "level_m"), grid.value("tower", "outflow_m3_h")
        full_m = grid.sites.rating("tower", "full_level_m")[:, 0]
        volume_m3 = grid.sites.rating("tower", "volume_m3")[:, 0]
        inflow, power_w = grid.value("pump", "flow_m3_h"), drawn_power_w(grid)
        running, standing = is_running(grid)[:, last], is_standing(grid)[:, last]
        sun = grid.value("pv", "irradiance_w_m2")
        self.outflow_m3_h, self.inflow_m3_h = _highest(outflow[:, last]), _highest(inflow[:, last])
        self.taps_m3 = _taps_m3(grid, last)
        self.share = _newest(level_m[:, last]) / full_m
        self.gained_m3 = _gain(level_m[:, last]) * volume_m3 / full_m
        self.runs, self.stands = running.mean(axis=1) >= HEARD_SHARE, standing.mean(axis=1) >= HEARD_SHARE
        self.sun_w_m2 = _highest(sun[:, last])
        self.start_w_m2 = np.nan_to_num(grid.sites.rating("pump", "start_irradiance_w_m2")[:, 0])
        self.must_run = is_good_sun(grid)[:, last].mean(axis=1) >= HEARD_SHARE
        self.has_room = has_room(grid, days)[:, -1]
        self.power_w = _highest(power_w[:, last])
        self.depth_m = _newest(grid.value("borehole", "water_depth_m")[:, last])
        self.intake_m = grid.sites.rating("borehole", "pump_intake_m")[:, 0]
        self.says_dry = says(grid, PumpState.STOPPED_DRY)[:, -1]
        self.stopped_on_purpose = says(grid, PumpState.STOPPED_TOWER_FULL, PumpState.STOPPED_BY_HAND)[:, -1]
        self.outflow_is_blind = grid.sites.has("tower", "outflow_m3_h")[:, 0] & ~_is_known(outflow[:, last])
        knows = _is_known(outflow[:, last]) | np.isfinite(self.taps_m3)
        flows = (self.outflow_m3_h > FLOWS_M3_H) | (self.taps_m3 > DRAWN_M3) | (self.inflow_m3_h > FLOWS_M3_H)
        contradicts = (self.taps_m3 > DRAWN_M3) & (self.outflow_m3_h <= FLOWS_M3_H)
        self.is_asked = ((knows | self.outflow_is_blind) & ~flows) | contradicts

    def answer(self, zone: int) -> Silence:
        """Why no water flows in this zone."""
        for look in (self._meter, self._well, self._pump, self._draw, self._sun):
            if found := look(zone):
                return found
        return _told(
            Kind.CANNOT_TELL, 0.0,
            f"Pas d'eau depuis {WINDOW_H:.0f} h, et les mesures de cette zone ne disent pas pourquoi.",
            f"No water for {WINDOW_H:.0f} h, and the readings of this zone do not say why.",
        )  # fmt: skip

    def _meter(self, zone: int) -> Silence | None:
        """What other sensors say against a meter that shows nothing."""
        if self.outflow_is_blind[zone]:
            return _told(
                Kind.SENSOR_FAILED, 0.75, "Le compteur de sortie du château ne donne plus de mesure utilisable.",
                "The meter at the tower's outlet gives no usable reading any more.",
            )  # fmt: skip
        taps_m3, gained_m3 = float(self.taps_m3[zone]), float(self.gained_m3[zone])
        if taps_m3 > DRAWN_M3 and self.outflow_m3_h[zone] <= FLOWS_M3_H:
            return _told(
                Kind.SENSOR_FAILED, 0.9,
                f"Les bornes ont donné {taps_m3:.1f} m³ et le compteur de sortie du château n'a rien vu.",
                f"The taps gave {taps_m3:.1f} m³ and the meter at the tower's outlet saw nothing.",
            )  # fmt: skip
        if gained_m3 < -FALLS_M3 and self.outflow_m3_h[zone] <= FLOWS_M3_H:
            return _told(
                Kind.SENSOR_FAILED, 0.6, f"Le château a perdu {-gained_m3:.1f} m³ que son compteur n'a pas vus.",
                f"The tower lost {-gained_m3:.1f} m³ that its meter did not see.",
            )  # fmt: skip
        if gained_m3 > FALLS_M3 and self.runs[zone] and self.inflow_m3_h[zone] <= FLOWS_M3_H:
            return _told(
                Kind.SENSOR_FAILED, 0.8, f"Le château a gagné {gained_m3:.1f} m³ que le débitmètre n'a pas vus.",
                f"The tower gained {gained_m3:.1f} m³ that the pump's meter did not see.",
            )  # fmt: skip
        return None

    def _well(self, zone: int) -> Silence | None:
        """The pump works, or has stopped itself, and the well gives nothing."""
        depth_m, intake_m = float(self.depth_m[zone]), float(self.intake_m[zone])
        if self.says_dry[zone]:
            return _told(
                Kind.WELL_DRY, 0.95, "Le contrôleur a arrêté la pompe faute d'eau.",
                "The controller has stopped the pump for want of water.",
            )  # fmt: skip
        works_dry = self.runs[zone] and self.inflow_m3_h[zone] <= FLOWS_M3_H
        if works_dry and depth_m >= intake_m - NEAR_INTAKE_M:
            return _told(
                Kind.WELL_DRY, 0.9,
                f"La pompe tourne sans eau : le niveau est à {depth_m:.0f} m, l'aspiration à {intake_m:.0f} m.",
                f"The pump turns without water: the level is at {depth_m:.0f} m, the intake at {intake_m:.0f} m.",
            )  # fmt: skip
        if works_dry and np.isfinite(depth_m):
            return _told(
                Kind.PUMP_BROKEN, 0.7,
                f"La pompe tire {self.power_w[zone]:.0f} W sans rien donner ; le forage a de l'eau ({depth_m:.0f} m).",
                f"The pump draws {self.power_w[zone]:.0f} W and gives nothing; the well has water ({depth_m:.0f} m).",
            )  # fmt: skip
        return None

    def _pump(self, zone: int) -> Silence | None:
        """Good sun, room in the tower, and the motor stands."""
        if not (self.stands[zone] and self.must_run[zone] and self.has_room[zone]) or self.stopped_on_purpose[zone]:
            return None
        if not np.isfinite(self.sun_w_m2[zone]):
            return _told(
                Kind.PUMP_BROKEN, 0.7,
                "Le soleil est haut, il y a de la place dans le château, et la pompe ne tourne pas.",
                "The sun is high, there is room in the tower, and the pump does not turn.",
            )  # fmt: skip
        return _told(
            Kind.PUMP_BROKEN, 0.9,
            f"Bon soleil ({self.sun_w_m2[zone]:.0f} W/m²), de la place dans le château, et la pompe ne tourne pas.",
            f"Good sun ({self.sun_w_m2[zone]:.0f} W/m²), room in the tower, and the pump does not turn.",
        )  # fmt: skip

    def _draw(self, zone: int) -> Silence | None:
        """There is water and nobody takes it: surer where the taps have meters of their own."""
        if not (self.share[zone] >= HAS_WATER_SHARE and abs(self.gained_m3[zone]) <= FALLS_M3):
            return None
        has_taps = np.isfinite(self.taps_m3[zone])
        percent = 100 * min(1.0, float(self.share[zone]))
        return _told(
            Kind.NOBODY_DREW, 0.85 if has_taps else 0.6,
            f"Le château est à {percent:.0f} %, son niveau ne bouge pas et rien n'est tiré depuis {WINDOW_H:.0f} h.",
            f"The tower is at {percent:.0f} %, its level stands still and nothing was drawn for {WINDOW_H:.0f} h.",
        )  # fmt: skip

    def _sun(self, zone: int) -> Silence | None:
        """The tower is empty and the sun does not suffice to lift water."""
        is_dark = self.sun_w_m2[zone] < self.start_w_m2[zone]
        if not (self.share[zone] < HAS_WATER_SHARE and self.stands[zone] and is_dark):
            return None
        return _told(
            Kind.NO_POWER, 0.85,
            f"Le château est vide et le soleil ne suffit pas à la pompe ({self.sun_w_m2[zone]:.0f} W/m² au plus).",
            f"The tower is empty and the sun is too weak for the pump ({self.sun_w_m2[zone]:.0f} W/m² at most).",
        )  # fmt: skip


def _told(kind: Kind, confidence: float, fr: str, en: str) -> Silence:
    return Silence(kind, confidence, DECIMAL_POINT.sub(",", fr), en)


def _is_known(value: FloatArray) -> Mask:
    """(n,) whether enough of the window's steps are there."""
    return np.asarray(np.isfinite(value).mean(axis=1) >= HEARD_SHARE)


def _highest(value: FloatArray) -> FloatArray:
    """(n,) the largest, NaN where none is there."""
    return np.asarray(np.fmax.reduce(value, axis=1))


def _newest(value: FloatArray) -> FloatArray:
    """(n,) the last that is there, NaN where none is."""
    return _at(value, value.shape[1] - 1 - np.argmax(np.isfinite(value[:, ::-1]), axis=1))


def _gain(value: FloatArray) -> FloatArray:
    """(n,) the last that is there less the first, NaN where none is."""
    return _newest(value) - _at(value, np.argmax(np.isfinite(value), axis=1))


def _at(value: FloatArray, place: NDArray[np.intp]) -> FloatArray:
    return np.asarray(np.take_along_axis(value, place[:, None], axis=1)[:, 0])


def _taps_m3(grid: Grid, last: slice) -> FloatArray:
    """(n,) what all taps of each zone counted within the window, NaN where no tap was read."""
    total = np.full(len(grid.sites), np.nan)
    for tap in grid.sites.taps:
        steps = grid.moved(tap, "volume_m3")[:, last]
        moved = np.where(np.isfinite(steps).any(axis=1), np.nansum(steps, axis=1), np.nan)
        total = np.where(np.isfinite(total), total + np.nan_to_num(moved), moved)
    return total
