"""The commands `ndiyan sms …`: what committees read, for those who write the texts and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, NamedTuple

import typer

from alerts.messages import (
    Item,
    Language,
    MessageKind,
    compose,
    fill_answer,
    fill_digest,
    languages,
    load_language,
    segments,
)
from alerts.words import fault_label
from gateway.model import Fault, State

sms_app = typer.Typer(no_args_is_help=True, help="The SMS that committees read (docs/sms-texts.md).")


class Case(NamedTuple):
    """What a text is filled with."""

    place: str
    code: str
    call: tuple[str, str]
    values: dict[str, float | str]
    tap: str


USUAL = Case(
    "Mangol-Dow (fictif)", "A37", ("Mamadou Saliou Sow", "+224600000012"),
    {
        "hours": 3.2, "days": 2, "nights": 3, "level_pct": 38, "less_pct": 27, "lost_pct": 33, "flow_m3_h": 0.34,
        "lost_m3_h": 2.44, "battery_v": 11.62, "chlorine_mg_l": 0.08, "turbidity_ntu": 12.3, "code": 42,
        "sensor": "niveau du château",
    },
    "tap-07",
)  # fmt: skip
# The longest of everything: places and names are cut, a phone has 15 digits and a plus (ITU-T E.164).
WORST = Case(
    "W" * 60, "A99999", ("W" * 40, "+123456789012345"),
    {
        "hours": 4799.0, "days": 99, "nights": 99, "level_pct": 100, "less_pct": 100, "lost_pct": 100,
        "flow_m3_h": 0.9, "lost_m3_h": 999.9, "battery_v": 79.99, "chlorine_mg_l": 49.99, "turbidity_ntu": 9999.0,
        "code": 65_535, "sensor": "température des panneaux",
    },
    "tap-99",
)  # fmt: skip
ANSWERS = ("help", "which", "not_understood")
DIGESTS = {"two": 2, "storm": 300, "over": 2, "after_outage": 300}  # several alerts in one message
TAPS = (Fault.TAP_LEFT_OPEN, Fault.TAP_CLOSED)


class Row(NamedTuple):
    """One text as it travels."""

    key: str
    language: str
    text: str
    alphabet: str
    units: int
    segments: int


class LanguageName(StrEnum):
    """The languages that have texts; Pular's are a draft."""

    FR = "fr"
    EN = "en"
    FF = "ff"


@sms_app.command("preview")
def preview(
    fault: Annotated[str | None, typer.Option("--fault", help="Only this fault or state, as pump_not_running.")] = None,
    language: Annotated[LanguageName | None, typer.Option("--language", help="Only this one; default: French.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every text in every language, with its longest values.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Show what committees read; exit 1 when a text is longer than one SMS or needs more than its letters."""
    if fault is not None and fault not in {*Fault, *State}:
        raise typer.BadParameter(f"{fault} is none of {', '.join([*Fault, *State])}", param_hint="--fault")
    names = [language.value] if language else list(languages()) if everything else ["fr"]
    case = WORST if everything else USUAL
    rows = [row for name in names for row in rows_of(load_language(name), case, fault)]
    if as_json:
        print(json.dumps([row._asdict() for row in rows], ensure_ascii=False))
    else:
        for row in rows:
            draft = "" if load_language(row.language).is_validated else ", draft: never sent"
            print(f"{row.key} ({row.language}{draft}; {row.alphabet}, {row.units} of 160, segments: {row.segments})")
            print(f"  {row.text}")
    raise typer.Exit(0 if all((row.alphabet, row.segments) == ("GSM-7", 1) for row in rows) else 1)


def rows_of(language: Language, case: Case, fault: str | None = None) -> Iterator[Row]:
    """Every text of a language, or those of one fault, filled with a case's values."""
    for one in [fault] if fault else [*Fault, *State]:
        for kind in MessageKind:
            text = compose(
                language, kind, one, zone_name=case.place, code=case.code, values=case.values, call=case.call,
                asset=case.tap if one in TAPS else "tower",
            )  # fmt: skip
            yield _row(f"{one}/{kind}", language, text)
    for name in () if fault else ANSWERS:
        yield _row(f"answer/{name}", language, fill_answer(language, name, [case.code] * 5, "1"))
    for name, many in () if fault else DIGESTS.items():
        items = [Item(case.code, f"{case.place}{n}", longest_named(language), name == "over") for n in range(many)]
        late = name == "after_outage"
        yield _row(f"digest/{name}", language, fill_digest(language, items, is_after_outage=late))


def longest_named(language: Language) -> str:
    """The fault with the longest name."""
    return max(Fault, key=lambda fault: len(fault_label(fault, language.name)))


def _row(key: str, language: Language, text: str) -> Row:
    counted = segments(text)
    return Row(key, language.name, text, counted.alphabet, counted.units, counted.number)
