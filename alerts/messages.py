"""SMS texts: what happened, where, what to do now, whom to call; one GSM-7 segment each.

The texts are data, one file per language in `alerts/languages/`; French is the reference. Letters outside GSM-7 are
replaced at the edge (é, è, à and ù stay), because one ê makes a message cost double and half of it may arrive alone
(SMS.md §4). What happened, what to do, the phone and how to answer are never cut away: figures go first, then the name
of whom to call. A test proves it for every text with its worst values.
"""

from __future__ import annotations

import itertools
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import gsm0338

from alerts.words import asset_label, fault_label, sensor_label
from gateway.model import State

CODEC = gsm0338.Codec()
UNSPEAKABLE = 1e9  # no figure of a village is as large; NaN is none either
ONE_SEGMENT = 160  # septets; 153 each when there are more
UCS2_SEGMENT = 70  # UTF-16 units; 67 each when there are more
LONGEST_PLACE, LONGEST_NAME = 20, 12  # septets
REFERENCE = "fr"
FRAME = ("head", "reply", "reply_state", "reminder", "asked", "still", "reminder_reply", "thanks")
BESIDE_FAULTS = frozenset({"frame", "meant", "units", "causes"})
LONGEST_SHORT = 22  # septets of a fault's short name, where one message tells several alerts
MOST_TOLD = 6  # of them by name
MOST_CODES = 5  # in an answer
NORMAL: frozenset[str] = frozenset(State)
NOBODY_TO_CALL = NORMAL - {State.TOWER_EMPTY}  # what is as it should be
OPTIONAL = re.compile(r"\[([^]]*)\]")
FIELD = re.compile(r"\{(\w+)\}")
REPLACED = str.maketrans(
    {
        "ç": "c", "œ": "oe", "Œ": "OE", "’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-",
        "…": "...", "°": "o", "³": "3", "²": "2", "\u00a0": " ", "\u202f": " ", "ɓ": "bh", "ɗ": "dh", "ŋ": "ng",
        "ƴ": "yh", "Ɓ": "Bh", "Ɗ": "Dh", "Ŋ": "Ng", "Ƴ": "Yh",
    }
)  # fmt: skip

Values = Mapping[str, float | str]


class MessageKind(StrEnum):
    """Why a text is written."""

    OPENED = "opened"
    REMINDER = "reminder"
    ASKED = "asked"  # who was on the way hours ago
    STILL = "still"  # who said "repaired", and the sensors do not agree
    RESOLVED = "resolved"

    @property
    def stored(self) -> str:
        """Its name as the kind of a notification: what recalls an alert is all one there."""
        return MessageKind.REMINDER.value if self in AGAIN else self.value


AGAIN = (MessageKind.REMINDER, MessageKind.ASKED, MessageKind.STILL)


class Bundle(StrEnum):
    """Why one message tells several alerts: the text that it begins with."""

    TOGETHER = "digest"  # they come within minutes
    AFTER_OUTAGE = "digest_late"
    RANG = "digest_rang"  # somebody rang us and asks by that what is wrong


class Item(NamedTuple):
    """One of several alerts that one message tells."""

    code: str
    zone_name: str
    fault: str
    is_over: bool = False
    is_known: bool = False  # it is recalled, not news


class Segments(NamedTuple):
    """How a text travels and what it costs."""

    alphabet: str  # GSM-7 or UCS-2
    units: int
    number: int


class Language:
    """The texts of one language; what it does not say is said as in French."""

    def __init__(self, name: str) -> None:
        tables, reference = _load(name), _load(REFERENCE)
        self.name = name
        self.is_validated = tables.pop("is_validated") is True  # by a native speaker; else nothing of it is ever sent
        self.own = frozenset((table, key) for table, texts in tables.items() for key in texts)
        self.faults = frozenset(reference) - {"is_validated", *BESIDE_FAULTS}
        self._texts = {table: reference[table] | tables.get(table, {}) for table in self.faults | BESIDE_FAULTS}

    def text(self, table: str, key: str) -> str:
        """One text, with its fields and optional parts."""
        return str(self._texts[table][key])

    def counted(self, number: int, unit: str) -> str:
        """1 jour, 2 jours."""
        one, many = self._texts["units"][unit]
        return f"{number} {one if number == 1 else many}"


def sms_text(
    kind: MessageKind,
    fault: str,
    language: str,
    *,
    zone_name: str,
    code: str,
    values: Values,
    asset: str,
    call: tuple[str, str] | None = None,
    is_late: bool = False,
) -> str:
    """The text of one notification, already in GSM-7 letters and one segment.

    `call` is (name, phone) of whom to call; `is_late`: no route took it for a while. What is not known is left out.
    What recalls an alert has no figures: those of the evidence are old. A language that no native speaker has validated
    yet is French here.
    """
    return compose(
        language_for(language), kind, fault, zone_name=zone_name, code=code, values=values, asset=asset, call=call,
        is_late=is_late,
    )  # fmt: skip


def compose(
    language: Language,
    kind: MessageKind,
    fault: str,
    *,
    zone_name: str,
    code: str,
    values: Values,
    asset: str,
    call: tuple[str, str] | None,
    is_late: bool = False,
) -> str:
    """As `sms_text`, in this language even when it is only a draft: for its readers, never for committees."""
    said = {
        "alert": code, "place": CUT["place"](zone_name),
        "fault": fault_label(fault, language.name), "asset": asset_label(asset, language.name),
    }  # fmt: skip
    said["sensor"] = sensor_label(str(values.get("sensor", said["asset"])), language.name)
    if is_late:
        said["late"] = language.text("frame", "late")
    if kind not in AGAIN:
        said |= spoken(values, language)
    known = fault if fault in language.faults else None
    calls = [""] if kind is MessageKind.RESOLVED or fault in NOBODY_TO_CALL else _calls(language, call, said)
    full = _template(language, kind, known)
    for body, ending in [*((full, one) for one in calls), (_template(language, kind, None), calls[-1])]:
        text = _fill(body.replace("<call>", ending), said)
        if segments(text).number == 1:
            break
    return text


def digest_text(language: str, items: Sequence[Item], why: Bundle) -> str:
    """One message of several alerts: those it can name, and how many others in how many zones."""
    return fill_digest(language_for(language), items, why)


def fill_digest(language: Language, items: Sequence[Item], why: Bundle) -> str:
    """As `digest_text`, in this language even when it is only a draft."""
    template = language.text("frame", why)
    live = min((one for one in items if not one.is_over), key=lambda one: one.is_known, default=None)
    ending = "" if live is None else language.text("frame", "digest_reply")
    example = {} if live is None else {"alert": live.code, "digit": "3" if live.is_known else "1"}
    for named in range(min(len(items), MOST_TOLD), 0, -1):
        others = items[named:]
        said = {
            **example, "items": ", ".join(_named(one, language) for one in items[:named]),
            "more": language.counted(len(others), "alerts"),
            "zones": language.counted(len({one.zone_name for one in others}), "zones"),
        }  # fmt: skip
        text = _fill(template + (language.text("frame", "digest_more") if others else "") + ending, said)
        if segments(text).number == 1:
            break
    return text


def _named(item: Item, language: Language) -> str:
    """A12 Mangol-Dow pompe arrêtée; what is recalled: A12 Mangol-Dow ENCORE pompe arrêtée."""
    place = CUT["place"](item.zone_name)
    if item.is_over:
        return f"{item.code} {place} {language.text('frame', 'over')}"
    known = f"{language.text('frame', 'known')} " if item.is_known else ""
    return f"{item.code} {place} {known}{short_name(item.fault, language)}"


def place_of(zone_name: str) -> str:
    """A village as people call it: that it is invented says its name alone."""
    return zone_name.replace(" (fictif)", "")


def short_name(fault: str, language: Language) -> str:
    """What a fault is called among others; the beginning of the word itself when it is not one of ours."""
    return language.text(fault, "short") if fault in language.faults else _cut(fault, LONGEST_SHORT)


def answer_text(language: str, name: str, /, **said: str) -> str:
    """The answer of this name to what somebody wrote; it has the fields `said`."""
    return fill_answer(language_for(language), name, **said)


def fill_answer(language: Language, name: str, /, **said: str) -> str:
    """As `answer_text`, in this language even when it is only a draft. What can be long is cut."""
    return _fill(language.text("frame", name), {key: CUT.get(key, str)(value) for key, value in said.items()})


def meant_text(language: str, name: str, intention: str, **said: str) -> str:
    """As `answer_text`, of an answer that repeats what somebody means."""
    return answer_text(language, name, said=language_for(language).text("meant", intention), **said)


def joined(codes: Sequence[str]) -> str:
    """Codes of alerts, as many as fit an answer."""
    return ", ".join(codes[:MOST_CODES])


def language_for(name: str) -> Language:
    """The language a person is written to: the asked for when it may be sent, else French."""
    if name not in languages():
        return load_language(REFERENCE)
    asked = load_language(name)
    return asked if asked.is_validated else load_language(REFERENCE)


@cache
def load_language(name: str) -> Language:
    """The texts of a language; `KeyError` when there are none."""
    if name not in languages():
        raise KeyError(f"no texts in {name!r}")
    return Language(name)


@cache
def languages() -> tuple[str, ...]:
    """The names of all languages that have texts, drafts too; the reference first."""
    names = sorted(path.stem for path in (Path(__file__).parent / "languages").glob("*.toml"))
    return (REFERENCE, *(name for name in names if name != REFERENCE))


def to_gsm(text: str) -> str:
    """The same in letters of GSM-7: an accent is dropped, digits stay digits, what has no replacement becomes `?`."""
    return "".join(letter if _septets(letter) else _nearest(letter) for letter in text.translate(REPLACED))


def segments(text: str) -> Segments:
    """Alphabet, units and segments of a text.

    Source: 3GPP TS 23.038 and 23.040; an escaped letter (€ [ ] and others) or a surrogate pair is never cut in two.
    """
    sizes = [_septets(letter) for letter in text]
    whole, part, alphabet = ONE_SEGMENT, 153, "GSM-7"
    if not all(sizes):
        sizes = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
        whole, part, alphabet = UCS2_SEGMENT, 67, "UCS-2"
    units = sum(sizes)
    if units <= whole:
        return Segments(alphabet, units, 1)
    return Segments(alphabet, units, len(_cuts(sizes, part)) + 1)


def parts(text: str) -> list[str]:
    """What each segment of a text carries, in the places where `segments` counts."""
    found = segments(text)
    if found.number == 1:
        return [text]
    is_gsm = found.alphabet == "GSM-7"
    sizes = [_septets(letter) if is_gsm else 2 if ord(letter) > 0xFFFF else 1 for letter in text]
    cuts = _cuts(sizes, 153 if is_gsm else 67)
    return [text[start:end] for start, end in itertools.pairwise([0, *cuts, len(text)])]


def _cuts(sizes: Sequence[int], part: int) -> list[int]:
    """Before which letters a new segment of `part` units begins."""
    cuts, used = [], 0
    for place, size in enumerate(sizes):
        if used + size > part:
            cuts.append(place)
            used = 0
        used += size
    return cuts


def spoken(values: Values, language: Language) -> dict[str, str]:
    """The figures of the evidence as people say them, by name; those that are not known or not spoken of are left out.

    About as exactly as one would say it: 3 jours, 300 litres/h, 65%.
    """
    said = {}
    for key, value in values.items():
        if key not in SPOKEN or isinstance(value, str) or not abs(value) < UNSPEAKABLE:
            continue
        text = SPOKEN[key](float(value), language)
        if text:
            said[key] = text.replace(".", language.text("units", "decimal"))
    return said


def _duration(hours: float, language: Language) -> str:
    if hours < 1:
        minutes = 5 * round(hours * 12)
        return language.counted(minutes, "minutes") if minutes >= 5 else ""
    return f"{hours:.0f} h" if hours < 48 else language.counted(min(round(hours / 24), 99), "days")


def _percent(percent: float, language: Language) -> str:
    near = percent if percent < 10 else 5 * round(percent / 5)
    return f"{min(max(near, 0), 100):.0f}%"


def _flow(m3_h: float, language: Language) -> str:
    """Small flows in litres, as a can of 20 litres makes them plain."""
    litres = 1000 * m3_h
    if litres < 10:
        return ""
    if litres >= 950:
        return f"{m3_h:.0f} m3/h" if m3_h >= 10 else f"{m3_h:.1f}".removesuffix(".0") + " m3/h"
    step = 10 if litres < 100 else 50
    return f"{step * round(litres / step)} {language.text('units', 'litres_h')}"


def _count(unit: str) -> Callable[[float, Language], str]:
    return lambda number, language: language.counted(min(round(number), 99), unit) if number >= 1 else ""


SPOKEN: dict[str, Callable[[float, Language], str]] = {
    "hours": _duration, "days": _count("days"), "nights": _count("nights"),
    "level_pct": _percent, "less_pct": _percent, "lost_pct": _percent,
    "flow_m3_h": _flow, "lost_m3_h": _flow,
    "battery_v": lambda volt, _: f"{volt:.1f} V",
    "chlorine_mg_l": lambda chlorine, _: f"{chlorine:.1f} mg/l",
    "turbidity_ntu": lambda turbidity, _: f"{turbidity:.0f} NTU",
    "code": lambda code, _: f"{code:.0f}",
}  # fmt: skip
# What is no longer so a while after it was measured; what a day or a month shows is.
PASSING = frozenset({"hours", "level_pct", "flow_m3_h", "lost_m3_h", "battery_v", "chlorine_mg_l", "turbidity_ntu"})


def _template(language: Language, kind: MessageKind, fault: str | None) -> str:
    """The whole text with its fields; of a fault without texts, its name alone."""
    what, do, over = (language.text(fault, key) if fault else "{fault}" for key in ("what", "do", "over"))
    frame = {key: language.text("frame", key) for key in FRAME}
    if kind is MessageKind.RESOLVED:
        return f"{frame['head']}{over}{frame['thanks']}"
    body = f"{what}. {do}" if fault else f"{what}."
    if kind in AGAIN:
        return f"{frame['head']}{frame[kind]}{body}<call>{frame['reminder_reply']}"
    return f"{frame['head']}{body}<call>{frame['reply_state' if fault in NORMAL else 'reply']}"


def _calls(language: Language, call: tuple[str, str] | None, said: dict[str, str]) -> list[str]:
    """Ways to say whom to call, the longest first; adds the name and the phone to what can be said."""
    words = call[0].split() if call else []
    if call is None or not words:
        return [""]
    said |= {"name": CUT["name"](call[0]), "phone": CUT["phone"](call[1])}
    return [language.text("frame", "call"), language.text("frame", "call_short")]


def _fill(template: str, said: Mapping[str, str]) -> str:
    """The template with its fields, in GSM-7; from left to right, those optional parts that are known and still fit."""
    pieces = OPTIONAL.split(template)  # every second one is optional
    shown = [
        to_gsm(FIELD.sub(lambda field: said[field[1]], piece)) if said.keys() >= set(FIELD.findall(piece)) else ""
        for piece in pieces
    ]
    kept = [text if place % 2 == 0 else "" for place, text in enumerate(shown)]
    for place in range(1, len(pieces), 2):
        more = [*kept[:place], shown[place], *kept[place + 1 :]]
        if segments("".join(more)).number == 1:
            kept = more
    return "".join(kept)


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "languages" / f"{name}.toml").read_text("utf-8"))


def _cut(text: str, septets: int) -> str:
    """As many letters of GSM-7 as fit, nothing cut in two."""
    kept, used = "", 0
    for letter in to_gsm(text):
        used += _septets(letter)
        if used > septets:
            break
        kept += letter
    return kept.rstrip()


def _nearest(letter: str) -> str:
    digit = unicodedata.digit(letter, None)
    if digit is not None:
        return str(digit)
    plain = [part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part)]
    return "".join(part if _septets(part) else "?" for part in plain) if plain else ""


CUT: Mapping[str, Callable[[str], str]] = {
    "place": lambda name: _cut(place_of(name), LONGEST_PLACE),
    "name": lambda name: _cut((name.split() or [""])[0], LONGEST_NAME),
    "phone": lambda phone: phone.removeprefix("+224"),  # as it is dialled there
}


@lru_cache(maxsize=2048)
def _septets(letter: str) -> int:
    """How many septets a letter takes; none when GSM-7 does not have it. Its escape is no letter."""
    try:
        return 0 if letter == "\x1b" else len(CODEC.encode(letter)[0])
    except UnicodeError:
        return 0
