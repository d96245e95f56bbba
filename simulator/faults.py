"""What can be broken in a simulated zone: the catalogue that scenarios, the demo and tests share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault, State

SIZES = ("S", "M", "L")


@dataclass(frozen=True, slots=True)
class Breakage:
    """One kind of fault: its words, how large it is at sizes S, M and L, and what detectors should find.

    `amount` is in the unit that the fault's effect in `effects.py` names; 1 where there is nothing to scale.
    """

    fr: str
    en: str
    fr_hint: str
    en_hint: str
    amount: Mapping[str, float]
    findings: tuple[Fault | State, ...]


def _sizes(small: float, medium: float, large: float) -> Mapping[str, float]:
    return dict(zip(SIZES, (small, medium, large), strict=True))


ANY = _sizes(1, 1, 1)
CATALOGUE: dict[Fault, Breakage] = {
    Fault.PUMP_NOT_RUNNING: Breakage(
        "La pompe s'arrête", "The pump stops",
        "Câble ou moteur : plus aucune puissance. Vu après une heure de bon soleil, si le château n'est pas plein.",
        "Cable or motor: no power at all. Seen after an hour of good sun, unless the tower is full.",
        ANY, (Fault.PUMP_NOT_RUNNING,),
    ),
    Fault.INVERTER_TRIP: Breakage(
        "L'onduleur déclenche", "The inverter trips",
        "La pompe s'arrête avec un code. Vu après une heure de bon soleil, si le château n'est pas plein.",
        "The pump stops with a code. Seen after an hour of good sun, unless the tower is full.",
        ANY, (Fault.PUMP_NOT_RUNNING,),
    ),
    Fault.FLOAT_STUCK_FULL: Breakage(
        "Le flotteur dit « plein »", "The float says “full”",
        "La pompe attend alors que le château se vide. Vu quand il est à moitié vide, après une heure de bon soleil.",
        "The pump waits while the tower empties. Seen when it is half empty, after an hour of good sun.",
        ANY, (Fault.PUMP_NOT_RUNNING,),
    ),
    Fault.DRY_RUNNING: Breakage(
        "Le forage tarit", "The borehole runs dry",
        "La pompe tourne sans eau, s'arrête et réessaie toutes les 10 min. Vu en une heure ou deux de soleil.",
        "The pump turns without water, stops and tries again every 10 min. Seen within an hour or two of sun.",
        _sizes(2.0, 1.0, 0.2), (Fault.DRY_RUNNING,),
    ),
    Fault.TOWER_OVERFLOW: Breakage(
        "Le château déborde", "The tower overflows",
        "Le flotteur n'arrête plus la pompe : vu vingt minutes après le trop-plein, souvent l'après-midi.",
        "The float no longer stops the pump: seen twenty minutes after it spills, often in the afternoon.",
        ANY, (Fault.TOWER_OVERFLOW,),
    ),
    Fault.TOWER_LEAK: Breakage(
        "Le château fuit", "The tower leaks",
        "L'eau sort sans passer par le compteur. Le réservoir se vide plus vite.",
        "Water leaves without passing the meter. The tower empties faster.",
        _sizes(0.1, 0.3, 0.8), (State.TOWER_EMPTY,),
    ),
    Fault.NIGHT_LEAK: Breakage(
        "Une fuite la nuit", "A leak at night",
        "De l'eau coule quand tout est fermé. Vu à la deuxième nuit.",
        "Water flows when all is closed. Seen in the second night.",
        _sizes(0.15, 0.35, 0.8), (Fault.NIGHT_LEAK,),
    ),
    Fault.PIPE_BURST: Breakage(
        "Une conduite casse", "A pipe bursts",
        "Beaucoup d'eau perdue d'un coup : le réservoir se vide en quelques heures.",
        "Much water is lost at once: the tower empties within hours.",
        _sizes(1.5, 3.0, 6.0), (State.TOWER_EMPTY,),
    ),
    Fault.TAP_LEFT_OPEN: Breakage(
        "Une borne reste ouverte", "A tap is left open",
        "Une borne coule jour et nuit. Vu à la deuxième nuit.",
        "One tap runs day and night. Seen in the second night.",
        _sizes(0.2, 0.4, 0.8), (Fault.NIGHT_LEAK,),
    ),
    Fault.COMMS_OUTAGE: Breakage(
        "Plus de réseau", "No network",
        "La passerelle garde ses mesures et les envoie à la fin. Vu après deux heures de silence.",
        "The gateway keeps its readings and sends them afterwards. Seen after two hours of silence.",
        ANY, (Fault.COMMS_OUTAGE,),
    ),
    Fault.SENSOR_STUCK: Breakage(
        "Le capteur de niveau se fige", "The level sensor freezes",
        "Toujours la même valeur alors que l'eau bouge. Vu après trois heures.",
        "The same value again and again while the water moves. Seen after three hours.",
        ANY, (Fault.SENSOR_STUCK,),
    ),
    Fault.PV_SOILING: Breakage(
        "La poussière couvre les panneaux", "Dust covers the panels",
        "Un vent de poussière : en un jour, une part de la puissance se perd. Ndiyan ne le signale pas encore.",
        "A dust storm: within a day a share of the power is lost. Ndiyan does not tell this yet.",
        # Dakar: 3.3 g/m² of dust take more than half of the light (DOMAIN §2.3).
        _sizes(0.08, 0.2, 0.5), (),
    ),
    Fault.PV_STRING_LOSS: Breakage(
        "Une rangée de panneaux disparaît", "A string of panels is gone",
        "Moins de puissance au même soleil. Ndiyan ne le signale pas encore.",
        "Less power from the same sun. Ndiyan does not tell this yet.",
        ANY, (),
    ),
    Fault.GATEWAY_BATTERY_LOW: Breakage(
        "La batterie du boîtier faiblit", "The gateway's battery fades",
        "La tension baisse d'heure en heure. Ndiyan ne le signale pas encore.",
        "The voltage falls from hour to hour. Ndiyan does not tell this yet.",
        _sizes(0.01, 0.03, 0.06), (),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault at work in a zone from `start_s` to `end_s` [s since 1970-01-01 UTC]; None is until it is repaired."""

    zone: str
    fault: Fault
    size: str
    start_s: float
    end_s: float | None = None

    @property
    def amount(self) -> float:
        """How large it is, in the unit of its effect."""
        return CATALOGUE[self.fault].amount[self.size]

    def acts_at(self, t_s: float) -> bool:
        """Whether it is broken at `t_s`."""
        return self.start_s <= t_s and (self.end_s is None or t_s < self.end_s)

    def acts_during(self, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The same for each of several times (n,)."""
        return (t_s >= self.start_s) & (t_s < (np.inf if self.end_s is None else self.end_s))
