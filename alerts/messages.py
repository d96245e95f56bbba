"""SMS texts: what happened, where, what to do now, whom to call; one GSM-7 segment each.

French is the reference. Letters outside GSM-7 are replaced at the edge (é, è, à and ù stay), because one ê makes a
message cost double and half of it may arrive alone (SMS.md §4). A test proves every text with its worst values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import gsm0338

from alerts.words import asset_label, fault_label
from gateway.model import Fault, State

CODEC = gsm0338.Codec()
ONE_SEGMENT = 160  # septets; 153 each when there are more
UCS2_SEGMENT = 70  # UTF-16 units; 67 each when there are more
LONGEST_PLACE = 20
REPLACED = str.maketrans(
    {
        "â": "a", "ê": "e", "î": "i", "ô": "o", "û": "u", "ë": "e", "ï": "i", "ç": "c", "œ": "oe", "À": "A", "È": "E",
        "Ê": "E", "Ô": "O", "’": "'", "«": '"', "»": '"', "–": "-", "—": "-", "…": "...", "°": "o", "³": "3", "²": "2",
        "\u00a0": " ", "\u202f": " ", "ɓ": "bh", "ɗ": "dh", "ŋ": "ng", "ƴ": "yh", "Ɓ": "Bh", "Ɗ": "Dh", "Ŋ": "Ng",
        "Ƴ": "Yh",
    }
)  # fmt: skip


OPTIONAL = re.compile(r"\[([^]]*)\]")
FIELD = re.compile(r"\{(\w+)\}")


class MessageKind(StrEnum):
    """Why a text is written."""

    OPENED = "opened"
    REMINDER = "reminder"
    RESOLVED = "resolved"


class Segments(NamedTuple):
    """How a text travels and what it costs."""

    alphabet: str  # GSM-7 or UCS-2
    units: int
    number: int


# What happened and what to do, with fields of the evidence. A part in brackets is left out when its value is not known.
FACTS: dict[str, tuple[str, str]] = {
    Fault.PUMP_NOT_RUNNING: (
        "POMPE ARRETEE malgré le soleil[{hours}].[ Château à {level_pct}%.] Voyez coffret et disjoncteur.",
        "PUMP STOPPED in good sun[{hours}].[ Tower at {level_pct}%.] Look at control box and breaker.",
    ),
    Fault.DRY_RUNNING: (
        "POMPE A SEC, elle tourne sans eau. Arretez la pompe, attendez 2 h.",
        "PUMP RUNS DRY, it gives no water. Stop the pump, wait 2 h.",
    ),
    State.TOWER_EMPTY: (
        "château presque vide[ ({level_pct}%)]. Gardez l'eau pour boire et cuisiner.",
        "tower nearly empty[ ({level_pct}%)]. Keep water for drinking and cooking.",
    ),
    Fault.TOWER_OVERFLOW: (
        "LE CHATEAU DEBORDE. Arretez la pompe, vérifiez le flotteur.",
        "THE TOWER OVERFLOWS. Stop the pump, check the float.",
    ),
    Fault.NIGHT_LEAK: (
        "l'eau coule la nuit[ ({flow_m3_h} m3/h)]: fuite ou robinet ouvert. Ce soir fermez les bornes une à une.",
        "water flows at night[ ({flow_m3_h} m3/h)]: leak or open tap. Tonight close the taps one by one.",
    ),
    Fault.COMMS_OUTAGE: (
        "plus de mesures[{hours}]. Vérifiez antenne, batterie et crédit du boitier.",
        "no readings[{hours}]. Check antenna, battery and credit of the box.",
    ),
    Fault.SENSOR_STUCK: (
        "capteur figé ({asset}). L'eau n'est pas en cause. A vérifier à la prochaine visite.",
        "sensor stuck ({asset}). The water is fine. Check at the next visit.",
    ),
}  # fmt: skip
OTHER_FACT = ("{fault} ({asset}). Allez voir et appelez.", "{fault} ({asset}). Go and look, and call.")
CALL = (" Appelez {name} {phone}.", " Call {name} {phone}.")
CALL_SHORT = " Tel {phone}."
REPLY = (" Rép 1=vu 2=en route 3=réparé", " Reply 1=seen 2=coming 3=done")
RESOLVED = (
    "REPARE ({fault}): tout est redevenu normal. Merci au comité.",
    "REPAIRED ({fault}): all is back to normal. Thank you.",
)
HELP = (
    "NDIYAN: répondez 1=vu 2=en route 3=réparé 4=fausse alerte. Plusieurs alertes: code puis chiffre, ex. {code} 1",
    "NDIYAN: reply with a digit. 1=seen 2=coming 3=done 4=false alarm. Several alerts: code and digit, e.g. {code} 1",
)
STILL = ("Rappel. ", "Reminder. ")
WHICH = (
    "NDIYAN: plusieurs alertes sont ouvertes ({codes}). Répondez le code puis le chiffre, ex. {code} {digit}",
    "NDIYAN: several alerts are open ({codes}). Reply with the code and the digit, e.g. {code} {digit}",
)
NOT_UNDERSTOOD = (
    "NDIYAN: pas compris. Répondez 1=vu 2=en route 3=réparé 4=fausse alerte 0=aide",
    "NDIYAN: not understood. Reply 1=seen 2=coming 3=done 4=false alarm 0=help",
)


def sms_text(
    kind: MessageKind,
    fault: str,
    language: str,
    *,
    zone_name: str,
    code: str,
    values: Mapping[str, float | str],
    asset: str,
    call: tuple[str, str] | None = None,
) -> str:
    """The text of one notification, already in GSM-7 letters and one segment.

    `call` is (name, phone) of whom to call. What is not known is left out, and figures go before the name does. A
    reminder has none: those of the evidence are a day old.
    """
    english = language == "en"
    place = zone_name.replace(" (fictif)", "")[:LONGEST_PLACE].rstrip()
    name = fault_label(fault, language)
    head = f"NDIYAN {code} {place}: "
    if kind is MessageKind.RESOLVED:
        return to_gsm(head + RESOLVED[english].format(fault=name.lower()))
    if kind is MessageKind.REMINDER:
        head, values = head + STILL[english], {}
    fact = FACTS.get(fault, OTHER_FACT)[english]
    said = _said(values, english) | {"fault": name, "asset": asset_label(asset, language)}
    full = OPTIONAL.sub(lambda part: part[1] if FIELD.findall(part[1])[0] in said else "", fact).format_map(said)
    short = OPTIONAL.sub("", fact).format_map(said)
    who = call[0].split() if call else []
    calls = [""]
    if call and who:
        phone = _spoken(call[1])
        calls = [CALL[english].format(name=who[0][:12], phone=phone), CALL_SHORT.format(phone=phone)]
    # Figures go first, then the name of whom to call, then what to do; the phone and how to answer are never cut away.
    for body, ending in [(full, calls[0]), (short, calls[0]), (full, calls[-1]), (short, calls[-1]), (name, calls[-1])]:
        text = to_gsm(head + body + ending + REPLY[english])
        if segments(text).number == 1:
            break
    return text


def help_text(language: str, code: str) -> str:
    """The answer to a call for help."""
    return to_gsm(HELP[language == "en"].format(code=code))


def which_text(language: str, codes: list[str], digit: str) -> str:
    """Asks which of several alerts is meant."""
    return to_gsm(WHICH[language == "en"].format(codes=", ".join(codes[:5]), code=codes[0], digit=digit))


def not_understood_text(language: str) -> str:
    """The answer to what we cannot read."""
    return to_gsm(NOT_UNDERSTOOD[language == "en"])


def to_gsm(text: str) -> str:
    """The same in letters of GSM-7; what has no replacement becomes a question mark."""
    plain = text.translate(REPLACED)
    return "".join(letter if _is_gsm(letter) else "?" for letter in plain)


def segments(text: str) -> Segments:
    """Alphabet, units and segments of a text.

    Source: 3GPP TS 23.038 and 23.040; an escaped letter (€ [ ] and others) or a surrogate pair is never cut in two.
    """
    if all(_is_gsm(letter) for letter in text):
        sizes, whole, part, alphabet = [_septets(letter) for letter in text], ONE_SEGMENT, 153, "GSM-7"
    else:
        sizes = [len(letter.encode("utf-16-be")) // 2 for letter in text]
        whole, part, alphabet = UCS2_SEGMENT, 67, "UCS-2"
    units = sum(sizes)
    if units <= whole:
        return Segments(alphabet, units, 1)
    count, used = 1, 0
    for size in sizes:
        if used + size > part:
            count, used = count + 1, 0
        used += size
    return Segments(alphabet, units, count)


def _said(values: Mapping[str, float | str], english: bool) -> dict[str, str]:
    """Evidence as people say it, by name."""
    known = {key: value for key, value in values.items() if isinstance(value, str) or _is_number(value)}
    said = {
        key: f"{value:.0f}" if key.endswith("pct") and not isinstance(value, str) else _number(value)
        for key, value in known.items()
        if key != "hours"
    }
    hours = known.get("hours")
    if isinstance(hours, int | float) and hours >= 0.5:
        said["hours"] = f" for {_hours(hours, 'd')}" if english else f" depuis {_hours(hours, 'j')}"
    return said


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _hours(hours: float, day: str) -> str:
    return f"{hours:.0f} h" if hours < 48 else f"{min(hours / 24, 99):.0f} {day}"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}" if abs(value) < 10 else f"{value:.0f}"


def _spoken(phone: str) -> str:
    """+224 622 12 34 56 as it is dialled there: 622123456."""
    return phone.removeprefix("+224")


def _is_gsm(letter: str) -> bool:
    try:
        CODEC.encode(letter)
    except UnicodeError:
        return False
    return True


def _septets(letter: str) -> int:
    return len(CODEC.encode(letter)[0])
