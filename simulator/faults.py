"""What can be broken in a simulated zone: the catalogue that scenarios, the demo and tests share.

All 26 faults of the design, each at sizes S (barely there), M and L; what they do is in `effects.py` and `sensors.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault

SIZES = ("S", "M", "L")
DAY_S = 86_400.0
LEVEL, DEPTH, SUN, NETWORK = "tower/level_m", "borehole/water_depth_m", "pv/irradiance_w_m2", "network/pressure_bar"


@dataclass(frozen=True, slots=True)
class Breakage:
    """One kind of fault: its words, and how large it is at sizes S, M and L.

    `amount` is in the unit that `unit` says; `grows_s` is how long it takes to get there (0 is at once). `places` are
    the assets (for sensors asset/channel) that it may strike, the first when nobody says which. `severity`: 3 act
    today, 2 this week, 1 the technician (DETECTION §2).
    """

    fr: str
    en: str
    fr_hint: str
    en_hint: str
    amount: Mapping[str, float]
    unit: str
    places: tuple[str, ...]
    severity: int
    grows_s: float = 0.0
    stays_s: float = 1800.0  # a small one that comes and goes, does so after so long at the earliest


def _sizes(small: float, medium: float, large: float) -> Mapping[str, float]:
    return dict(zip(SIZES, (small, medium, large), strict=True))


# A small one comes and goes, the others stay.
NOW_AND_THEN = _sizes(0.4, 1.0, 1.0)
SHARE_OF_TIME = "share of the time"
LOST = "m³/h"
CATALOGUE: dict[Fault, Breakage] = {
    Fault.PUMP_NOT_RUNNING: Breakage(
        "La pompe s'arrête", "The pump stops",
        "Câble ou moteur : plus aucune puissance. Vu après une heure de bon soleil, si le château n'est pas plein.",
        "Cable or motor: no power at all. Seen after an hour of good sun, unless the tower is full.",
        NOW_AND_THEN, SHARE_OF_TIME, ("pump",), 3,
    ),
    Fault.INVERTER_TRIP: Breakage(
        "L'onduleur déclenche", "The inverter trips",
        "La pompe s'arrête avec un code. Vu après une heure de bon soleil, si le château n'est pas plein.",
        "The pump stops with a code. Seen after an hour of good sun, unless the tower is full.",
        NOW_AND_THEN, SHARE_OF_TIME, ("pump",), 3,
    ),
    Fault.FLOAT_STUCK_FULL: Breakage(
        "Le flotteur dit « plein »", "The float says “full”",
        "La pompe attend alors que le château se vide. Vu quand il est à moitié vide, après une heure de bon soleil.",
        "The pump waits while the tower empties. Seen when it is half empty, after an hour of good sun.",
        _sizes(0.5, 1.0, 1.0), SHARE_OF_TIME, ("tower",), 3, stays_s=600.0,
    ),
    Fault.DRY_RUNNING: Breakage(
        "Le forage tarit", "The borehole runs dry",
        "La pompe tourne sans eau, s'arrête et réessaie toutes les 10 min. Vu en une heure ou deux de soleil.",
        "The pump turns without water, stops and tries again every 10 min. Seen within an hour or two of sun.",
        _sizes(0.25, 0.12, 0.03), "of the rated flow is what the well still gives", ("pump",), 3,
    ),
    Fault.YIELD_DROP: Breakage(
        "Le forage se colmate", "The borehole clogs",
        "En cinq jours le niveau baisse plus pour le même débit. Vu en deux à quatre jours.",
        "Within five days the water falls lower for the same flow. Seen within two to four days.",
        _sizes(0.25, 0.45, 0.65), "share of the specific capacity lost", ("borehole",), 2, 5 * DAY_S,
    ),
    Fault.PUMP_WEAR: Breakage(
        "La pompe s'use", "The pump wears out",
        "En vingt jours elle donne moins d'eau pour la même énergie. Vu en une à deux semaines.",
        "Within twenty days it gives less water for the same energy. Seen within one or two weeks.",
        _sizes(0.06, 0.13, 0.22), "share of the head lost", ("pump",), 2, 20 * DAY_S,
    ),
    Fault.PUMP_CLOGGED: Breakage(
        "La pompe ou la conduite se bouche", "The pump or its pipe clogs",
        "D'un coup, moins de débit à la même vitesse. Vu en un à deux jours.",
        "At once less flow at the same speed. Seen within a day or two.",
        _sizes(0.25, 0.7, 1.8), "of the rated head is lost at rated flow", ("pump", "borehole"), 2,
    ),
    Fault.CHECK_VALVE_LEAK: Breakage(
        "Le clapet fuit", "The check valve leaks",
        "La nuit, l'eau redescend du château vers le forage. Vu après une nuit.",
        "At night water runs from the tower back into the borehole. Seen after a night.",
        _sizes(0.12, 0.3, 0.8), LOST, ("pump",), 2,
    ),
    Fault.PV_SOILING: Breakage(
        "La poussière couvre les panneaux", "Dust covers the panels",
        "Un vent de poussière : en un jour, une part de la puissance se perd. Vu en trois jours.",
        "A dust storm: within a day a share of the power is lost. Seen within three days.",
        # Dakar: 3.3 g/m² of dust take more than half of the light (DOMAIN §2.3).
        _sizes(0.08, 0.2, 0.5), "share of the light lost", ("pv",), 2, DAY_S,
    ),
    Fault.PV_STRING_LOSS: Breakage(
        "Une rangée de panneaux disparaît", "A string of panels is gone",
        "Moins de puissance au même soleil. Vu après une heure de bon soleil.",
        "Less power from the same sun. Seen after an hour of good sun.",
        _sizes(0.5, 1.0, 2.0), "strings lost", ("pv",), 3,
    ),
    Fault.TOWER_LEAK: Breakage(
        "Le château fuit", "The tower leaks",
        "L'eau sort sans passer par le compteur. Le réservoir se vide plus vite.",
        "Water leaves without passing the meter. The tower empties faster.",
        _sizes(0.1, 0.3, 0.8), LOST, ("tower",), 2,
    ),
    Fault.TOWER_OVERFLOW: Breakage(
        "Le château déborde", "The tower overflows",
        "Le flotteur n'arrête plus la pompe : vu vingt minutes après le trop-plein, souvent l'après-midi.",
        "The float no longer stops the pump: seen twenty minutes after it spills, often in the afternoon.",
        NOW_AND_THEN, SHARE_OF_TIME, ("tower",), 2,
    ),
    Fault.PIPE_BURST: Breakage(
        "Une conduite casse", "A pipe bursts",
        "Beaucoup d'eau perdue d'un coup : le réservoir se vide en quelques heures.",
        "Much water is lost at once: the tower empties within hours.",
        _sizes(1.5, 3.0, 6.0), LOST, ("network",), 3,
    ),
    Fault.NIGHT_LEAK: Breakage(
        "Une fuite la nuit", "A leak at night",
        "De l'eau coule quand tout est fermé. Vu à la deuxième nuit.",
        "Water flows when all is closed. Seen in the second night.",
        _sizes(0.15, 0.35, 0.8), LOST, ("network",), 2,
    ),
    Fault.TAP_LEFT_OPEN: Breakage(
        "Une borne reste ouverte", "A tap is left open",
        "Une borne coule jour et nuit. Vu à la deuxième nuit.",
        "One tap runs day and night. Seen in the second night.",
        _sizes(0.2, 0.4, 0.8), LOST, ("tap-01",), 2,
    ),
    Fault.TAP_CLOSED: Breakage(
        "Une borne ne donne plus", "A tap gives no more water",
        "Les gens vont aux bornes voisines. Vu en deux jours.",
        "People go to the taps beside it. Seen within two days.",
        _sizes(0.6, 0.9, 1.0), "share of its flow lost", ("tap-01",), 1,
    ),
    Fault.SENSOR_STUCK: Breakage(
        "Le capteur de niveau se fige", "The level sensor freezes",
        "Toujours la même valeur alors que l'eau bouge. Vu après trois heures.",
        "The same value again and again while the water moves. Seen after three hours.",
        _sizes(0.7, 1.0, 1.0), SHARE_OF_TIME, (LEVEL, DEPTH, SUN, NETWORK), 1,
        stays_s=5 * 3600.0,
    ),
    Fault.SENSOR_DRIFT: Breakage(
        "Le capteur de niveau dérive", "The level sensor drifts",
        "En dix jours il s'écarte peu à peu de la vérité. Vu en une semaine environ.",
        "Within ten days it leaves the truth little by little. Seen within a week or so.",
        _sizes(0.05, 0.12, 0.3), "share of the sensor's span", (LEVEL, DEPTH, SUN, NETWORK), 1, 10 * DAY_S,
    ),
    Fault.SENSOR_SPIKES: Breakage(
        "Le capteur de niveau saute", "The level sensor jumps",
        "De temps en temps une valeur absurde. Vu dans la journée.",
        "Now and then an absurd value. Seen within the day.",
        _sizes(0.01, 0.04, 0.12), "share of the readings", (LEVEL, DEPTH, NETWORK), 1,
    ),
    Fault.SENSOR_OUT_OF_RANGE: Breakage(
        "La boucle du capteur de niveau est coupée", "The level sensor's loop is cut",
        "Moins de 3,6 mA : aucune mesure n'est possible. Vu en un quart d'heure.",
        "Less than 3.6 mA: nothing can be measured. Seen within a quarter of an hour.",
        _sizes(0.3, 1.0, 1.0), SHARE_OF_TIME, (LEVEL, DEPTH, NETWORK), 1,
    ),
    Fault.FLOW_METER_STOPPED: Breakage(
        "Le compteur de la pompe glisse", "The pump's meter slips",
        "Une part des impulsions manque, ou toutes. Vu en une heure quand il s'arrête, sinon en deux jours.",
        "Some pulses are missing, or all. Seen within an hour when it stops, else within two days.",
        _sizes(0.2, 0.5, 1.0), "share of the pulses lost", ("pump/volume_m3", "tower/outflow_volume_m3"), 1,
    ),
    Fault.CLOCK_ERROR: Breakage(
        "L'horloge du boîtier est fausse", "The gateway's clock is wrong",
        "Les mesures portent une heure fausse. Vu dans la journée.",
        "Readings bear a wrong time. Seen within the day.",
        _sizes(-1800, 14_400, -inf), "s; a large one wakes up in 1970", ("gateway",), 1,
    ),
    Fault.COMMS_OUTAGE: Breakage(
        "Plus de réseau", "No network",
        "La passerelle garde ses mesures et les envoie à la fin. Vu après deux heures de silence.",
        "The gateway keeps its readings and sends them afterwards. Seen after two hours of silence.",
        _sizes(0.6, 1.0, 1.0), SHARE_OF_TIME, ("gateway",), 2,
    ),
    Fault.GATEWAY_BATTERY_LOW: Breakage(
        "La batterie du boîtier faiblit", "The gateway's battery fades",
        "De nuit en nuit la tension tombe plus bas, puis le boîtier s'éteint. Vu en un à deux jours.",
        "From night to night the voltage falls lower, then the box goes dark. Seen within a day or two.",
        _sizes(0.55, 0.75, 0.9), "share of the capacity lost", ("gateway",), 2, 4 * DAY_S,
    ),
    Fault.LOW_CHLORINE: Breakage(
        "Le doseur de chlore est vide", "The chlorine doser is empty",
        "Le chlore tombe en quelques heures. Vu après une heure.",
        "Chlorine falls within hours. Seen after an hour.",
        _sizes(0.16, 0.09, 0.02), "mg/L that remain", ("quality",), 3, 6 * 3600.0,
    ),
    Fault.TURBIDITY_HIGH: Breakage(
        "L'eau devient trouble", "The water turns cloudy",
        "De la boue vient du forage. Vu après une heure.",
        "Mud comes from the borehole. Seen after an hour.",
        _sizes(6.0, 15.0, 60.0), "NTU above the usual", ("quality",), 3, 3600.0,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault at work in a zone from `start_s` to `end_s` [s since 1970-01-01 UTC]; None is until it is repaired.

    `at` is the place that it strikes (`tap-07`, `borehole/water_depth_m`); empty is the catalogue's first.
    """

    zone: str
    fault: Fault
    size: str
    start_s: float
    end_s: float | None = None
    at: str = ""

    @property
    def amount(self) -> float:
        """How large it gets, in the unit that the catalogue says."""
        return CATALOGUE[self.fault].amount[self.size]

    @property
    def place(self) -> str:
        """Where it strikes: an asset, or asset/channel of a sensor."""
        return self.at or CATALOGUE[self.fault].places[0]

    @property
    def asset(self) -> str:
        """The asset that people must look at."""
        return self.place.split("/")[0]

    def grown(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of its size that it has at times (n,) within its life, 0 to 1."""
        takes_s = CATALOGUE[self.fault].grows_s
        return np.clip((t_s - self.start_s) / takes_s, 0.0, 1.0) if takes_s else np.ones_like(t_s)

    def acts_at(self, t_s: float) -> bool:
        """Whether it is broken at `t_s`."""
        return self.start_s <= t_s and (self.end_s is None or t_s < self.end_s)

    def acts_during(self, t_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The same for each of several times (n,)."""
        return (t_s >= self.start_s) & (t_s < (np.inf if self.end_s is None else self.end_s))
