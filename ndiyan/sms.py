"""The commands `ndiyan sms …`: what committees read, for those who write the texts and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple

import typer

from alerts.closing import BreakdownCause
from alerts.messages import (
    Bundle,
    Item,
    Language,
    MessageKind,
    compose,
    fill_answer,
    fill_digest,
    joined,
    languages,
    load_language,
    segments,
    short_name,
    spoken,
    to_gsm,
)
from alerts.words import asset_label
from gateway.clock import taken_as_utc
from gateway.model import Fault, State
from gateway.zones import load_zones
from ndiyan.settings import load_settings
from ndiyan.shipped_files import shipped

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
ANSWERS = (
    "help", "which", "is_over", "confirm", "not_understood", "how_to_report", "opt_out", "opt_in", "stranger", "state",
    "state_silent", "breakdown", "breakdown_told", "breakdown_known", "breakdown_alone", "breakdown_closed",
    "breakdown_ended", "low_credit",
    "read_kept", "read_corrected", "read_impossible", "read_doubtful", "read_nowhere", "read_dropped",
)  # fmt: skip
DIGESTS = {"two": 2, "storm": 300, "over": 2, "after_outage": 300, "rang": 300}  # several alerts in one message
BEGINS = {"after_outage": Bundle.AFTER_OUTAGE, "rang": Bundle.RANG}
MEANT = ("seen", "on_the_way", "repaired", "false_alarm", "breakdown")
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
        yield _row(f"answer/{name}", language, fill_answer(language, name, **_said_in_answers(language, case)))
    for name, many in () if fault else DIGESTS.items():
        items = [Item(case.code, f"{case.place}{n}", longest_named(language), name == "over") for n in range(many)]
        yield _row(f"digest/{name}", language, fill_digest(language, items, BEGINS.get(name, Bundle.TOGETHER)))


def _said_in_answers(language: Language, case: Case) -> dict[str, str]:
    """The fields of all answers, with the longest of our own words."""
    meant = max((language.text("meant", name) for name in MEANT), key=len)
    codes = joined([case.code] * 6)
    alerts = fill_answer(language, "some_alerts", number="9999", alerts=codes)
    reported = fill_answer(language, "reported", report=case.code.replace("A", "P"))
    return spoken(case.values, language) | {
        "alert": case.code, "alerts": codes, "place": case.place, "name": case.call[0], "phone": case.call[1],
        "said": meant, "pump": max((language.text("frame", name) for name in ("runs", "rests")), key=len),
        "what": fill_answer(language, "meter", asset=asset_label(case.tap, language.name)),
        "number": "9999999.999 m3", "beside": "9999999.999 m3",
        "cause": max((language.text("causes", cause) for cause in BreakdownCause), key=len),
        "water": language.text("frame", "lasts_long"),
        "report": case.code.replace("A", "P"), "open": f"{alerts}. {reported}",
        "route": "abcdefghij-0123456789"[:20], "left": "99999999 GNF", "day": "31/12/2099",
    }  # fmt: skip


def longest_named(language: Language) -> str:
    """The fault or state with the longest short name."""
    names = [str(one) for one in (*Fault, *State)]
    return max(names, key=lambda fault: segments(to_gsm(short_name(fault, language))).units)


def _row(key: str, language: Language, text: str) -> Row:
    counted = segments(text)
    return Row(key, language.name, text, counted.alphabet, counted.units, counted.number)


@sms_app.command("phone")
def phone(
    context: typer.Context,
    contact: Annotated[
        str | None, typer.Option("--contact", help="A number, a phone or a name; default: whoever got the newest SMS.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--press", help="Press this first, as r to ring; may be given several times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Hold an on-screen phone of the demo in this terminal: read, answer, ring, switch off."""
    from ingest.db import check_schema, connect
    from ndiyan.sms_phone import View, as_json_of, find_contact, hold, press, screen_of

    settings = load_settings(context.obj)
    clock = settings.make_clock()
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        person = find_contact(connection, contact)
        if person is None:
            raise typer.BadParameter("nobody fictional has such a phone", param_hint="--contact")
        view = View()
        for key in keys or ():
            said = press(connection, person, key, view, clock=clock)
            if said and not as_json:
                print(said)
        if as_json:
            print(json.dumps(as_json_of(connection, person), default=str, ensure_ascii=False))
        elif once:
            print(screen_of(connection, person, view, clock=clock))
        else:
            hold(connection, person, clock=clock, show=print)


@sms_app.command("rang")
def rang(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="Who rang, as the network tells it.")],
    route: Annotated[str, typer.Option("--route", help="The SMS route whose SIM was rung, as in sms.carriers.")],
) -> None:
    """Tell that somebody rang a SIM and was not answered: for what watches the modem, or a telephone exchange."""
    from alerts.carriers.options import e164
    from alerts.conversation import A_PHONE
    from alerts.sender import take_call
    from ingest.db import check_schema, connect

    settings = load_settings(context.obj)
    names = [one.name for one in settings.carriers]
    if route not in names:
        raise typer.BadParameter(f"{route} is none of {', '.join(names)}", param_hint="--route")
    phone = e164(number)
    if A_PHONE.fullmatch(phone) is None:
        raise typer.BadParameter(f"{number} is no telephone's number")
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        take_call(connection, route, phone, now=settings.make_clock().now())


@sms_app.command("transcript")
def transcript(
    context: typer.Context,
    start: Annotated[datetime | None, typer.Option("--from", help="Platform time (UTC); default: a week ago.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="Platform time (UTC); default: now.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Only this zone's.")] = None,
    scenario: Annotated[
        str | None, typer.Option("--simulate", help="Live through this scenario instead of reading the database.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=60, help="Of the simulated run.")] = 7,
    zones: Annotated[int, typer.Option(min=1, max=6, help="Of the simulated run, the first of the demo's.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the simulated run.")] = 1,
    language: Annotated[LanguageName, typer.Option("--language", help="fr or en.")] = LanguageName.FR,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON, a line for each thing.")] = False,
) -> None:
    """Tell who heard and said what when, as Markdown; phones are masked."""
    from ingest.db import connect
    from ndiyan.outcome import own_database
    from ndiyan.transcript import fetch_lines, live_through, told
    from simulator.scenarios import load_scenario

    if language is LanguageName.FF:
        raise typer.BadParameter("ff is only a draft; fr and en can be told", param_hint="--language")
    if scenario is not None:
        chosen = load_zones([shipped("zones")])[:zones]
        with own_database() as connection:
            lines = live_through(
                chosen, scenario=load_scenario(scenario), days=days, seed=seed, connection=connection
            )  # fmt: skip
    else:
        settings = load_settings(context.obj)
        until = taken_as_utc(end) if end else settings.make_clock().now()
        since = taken_as_utc(start) if start else until - timedelta(days=7)
        with connect(settings.required("database.url")) as connection:
            lines = fetch_lines(connection, start=since, end=until, zone=zone)
    for line in [json.dumps(one.as_json(), ensure_ascii=False) for one in lines] if as_json else told(lines, language):
        print(line)
