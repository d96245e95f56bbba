"""What faults, states and assets are called, and what to do first: for pages, in French and English."""

from __future__ import annotations

from typing import NamedTuple

from gateway.model import Fault, State


class Words(NamedTuple):
    """A name and a first action, in both languages."""

    fr: str
    en: str
    fr_action: str
    en_action: str


TECHNICIAN = ("Prévenir le réparateur.", "Tell the repairer.")
SENSOR_ACTION = (
    "L'eau n'est pas en cause : vérifier le capteur à la prochaine visite.",
    "The water is not in question: check the sensor at the next visit.",
)
NOTHING = ("Rien à faire.", "Nothing to do.")

WORDS: dict[Fault | State, Words] = {
    Fault.DRY_RUNNING: Words(
        "Pompe à sec", "Pump running dry",
        "Arrêter la pompe, attendre deux heures, appeler le réparateur si cela revient.",
        "Stop the pump, wait two hours, call the repairer if it comes back.",
    ),
    Fault.YIELD_DROP: Words(
        "Le forage baisse", "Borehole yield falls",
        "Pomper moins longtemps ; faire mesurer le niveau cette semaine.",
        "Pump for shorter; have the level measured this week.",
    ),
    Fault.PUMP_WEAR: Words("Pompe usée", "Pump worn", *TECHNICIAN),
    Fault.PUMP_CLOGGED: Words(
        "Pompe ou conduite bouchée", "Pump or riser clogged",
        "Vérifier la vanne, puis appeler le réparateur.", "Check the valve, then call the repairer.",
    ),
    Fault.CHECK_VALVE_LEAK: Words(
        "Le clapet laisse redescendre l'eau", "Check valve leaks back",
        "Fermer la vanne de refoulement le soir.", "Close the riser's valve in the evening.",
    ),
    Fault.INVERTER_TRIP: Words(
        "Onduleur déclenché", "Inverter tripped",
        "Noter le code, couper cinq minutes, remettre ; sinon appeler le réparateur.",
        "Note the code, switch off for five minutes and on again; else call the repairer.",
    ),
    Fault.PUMP_NOT_RUNNING: Words(
        "Pompe arrêtée malgré le soleil", "Pump not running in good sun",
        "Regarder le coffret et le disjoncteur, appeler le réparateur.",
        "Look at the control box and the breaker, call the repairer.",
    ),
    Fault.FLOAT_STUCK_FULL: Words(
        "Le flotteur dit « plein » à tort", "Float says full wrongly",
        "Libérer le flotteur du château.", "Free the float in the tower.",
    ),
    Fault.PV_SOILING: Words(
        "Panneaux sales", "Panels dirty",
        "Laver les panneaux à l'eau claire, tôt le matin.", "Wash the panels with clear water, early in the morning.",
    ),
    Fault.PV_STRING_LOSS: Words(
        "Une rangée de panneaux ne produit plus", "A string of panels is lost",
        "Ne pas toucher les fils ; chercher vol, câble ou fusible avec le réparateur.",
        "Do not touch the wires; look for theft, cable or fuse with the repairer.",
    ),
    Fault.TOWER_LEAK: Words(
        "Le château fuit", "Tower leaks",
        "Regarder le fond, la vidange et la vanne.", "Look at the bottom, the drain and the valve.",
    ),
    Fault.TOWER_OVERFLOW: Words(
        "Le château déborde", "Tower overflows",
        "Arrêter la pompe, vérifier le flotteur.", "Stop the pump, check the float.",
    ),
    Fault.PIPE_BURST: Words(
        "Conduite cassée", "Pipe burst",
        "Fermer la vanne du château, chercher l'eau au sol.", "Close the tower's valve, look for water on the ground.",
    ),
    Fault.NIGHT_LEAK: Words(
        "Fuite la nuit", "Leak at night",
        "Ce soir, fermer les bornes une par une et regarder le compteur.",
        "Tonight, close the taps one by one and watch the meter.",
    ),
    Fault.TAP_LEFT_OPEN: Words(
        "Borne restée ouverte", "Tap left open", "Aller la fermer.", "Go and close it.",
    ),
    Fault.TAP_CLOSED: Words(
        "Borne sans eau", "Tap without water",
        "Vérifier le robinet et la vanne de la borne.", "Check the tap and its valve.",
    ),
    Fault.SENSOR_STUCK: Words("Capteur figé", "Sensor stuck", *SENSOR_ACTION),
    Fault.SENSOR_DRIFT: Words("Capteur qui dérive", "Sensor drifts", *SENSOR_ACTION),
    Fault.SENSOR_SPIKES: Words("Capteur instable", "Sensor spikes", *SENSOR_ACTION),
    Fault.SENSOR_OUT_OF_RANGE: Words("Capteur hors limites", "Sensor out of range", *SENSOR_ACTION),
    Fault.FLOW_METER_STOPPED: Words("Compteur arrêté", "Flow meter stopped", *SENSOR_ACTION),
    Fault.CLOCK_ERROR: Words("Horloge fausse", "Clock wrong", *SENSOR_ACTION),
    Fault.COMMS_OUTAGE: Words(
        "Plus de mesures", "No readings",
        "Vérifier l'antenne, la batterie et le crédit du boîtier.",
        "Check the antenna, the battery and the credit of the box.",
    ),
    Fault.GATEWAY_BATTERY_LOW: Words(
        "Batterie du boîtier faible", "Gateway battery low",
        "Nettoyer son petit panneau, vérifier les cosses.", "Clean its small panel, check the terminals.",
    ),
    Fault.LOW_CHLORINE: Words(
        "Chlore trop bas", "Chlorine too low",
        "Remplir le doseur ; traiter l'eau à la maison en attendant.",
        "Fill the doser; treat the water at home until then.",
    ),
    Fault.TURBIDITY_HIGH: Words(
        "Eau trouble", "Water turbid",
        "Ne pas boire sans traiter ; laisser couler.", "Do not drink untreated; let it run.",
    ),
    State.NIGHT: Words("Nuit", "Night", *NOTHING),
    State.CLOUD: Words("Nuages", "Cloud", *NOTHING),
    State.TOWER_FULL: Words("Château plein", "Tower full", *NOTHING),
    State.TOWER_EMPTY: Words(
        "Château presque vide", "Tower nearly empty",
        "Garder l'eau pour boire et cuisiner.", "Keep the water for drinking and cooking.",
    ),
    State.PLANNED_STOP: Words("Arrêt prévu", "Planned stop", *NOTHING),
    State.WASHING: Words("Lavage du château", "Tower being washed", *NOTHING),
}  # fmt: skip

BY_NAME = {kind.value: words for kind, words in WORDS.items()}
ASSETS = {
    "pv": ("panneaux", "panels"), "pump": ("pompe", "pump"), "borehole": ("forage", "borehole"),
    "tower": ("château d'eau", "tower"), "network": ("réseau", "network"), "gateway": ("boîtier", "gateway"),
    "quality": ("qualité de l'eau", "water quality"), "weather": ("météo", "weather"),
}  # fmt: skip
SENSORS = {  # as detectors name them in their evidence
    "niveau du château": "tower level", "débit de sortie": "outflow", "niveau du forage": "borehole level",
    "ensoleillement": "irradiance", "température des panneaux": "module temperature", "tension": "voltage",
    "courant": "current", "puissance des panneaux": "panel power", "pression de refoulement": "well-head pressure",
    "débit de la pompe": "pump flow", "puissance de la pompe": "pump power", "vitesse de la pompe": "pump speed",
    "pression du réseau": "network pressure", "tension de la batterie": "battery voltage",
    "température du boîtier": "box temperature", "chlore": "chlorine", "turbidité": "turbidity",
    "conductivité": "conductivity", "compteur de la pompe": "pump meter", "compteur du château": "tower meter",
}  # fmt: skip


def fault_label(fault: str, language: str) -> str:
    """The name of a fault or state; the word itself when it is not one of ours."""
    words = BY_NAME.get(fault)
    return fault if words is None else words.en if language == "en" else words.fr


def first_action(fault: str, language: str) -> str:
    """What to do first, as a sentence; empty when the fault is not one of ours."""
    words = BY_NAME.get(fault)
    return "" if words is None else words.en_action if language == "en" else words.fr_action


def asset_label(asset: str, language: str) -> str:
    """The name of an asset: « borne 7 », “tap 7”."""
    if asset.startswith("tap-"):
        return f"{'tap' if language == 'en' else 'borne'} {int(asset[4:])}"
    fr, en = ASSETS.get(asset, (asset, asset))
    return en if language == "en" else fr


def sensor_label(sensor: str, language: str) -> str:
    """The name of a sensor in the evidence, which is French; as it is when it is not one of ours."""
    return SENSORS.get(sensor, sensor) if language == "en" else sensor
