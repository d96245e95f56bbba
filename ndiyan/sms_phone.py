"""An on-screen phone in a terminal: what `ndiyan sms phone` shows and does, over the database."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from alerts.messages import segments
from gateway.clock import Clock
from ingest.db import Connection
from web.errors import WebError
from web.handset import (
    COLUMNS,
    LINES,
    Network,
    Person,
    find_person,
    mark_read,
    messages,
    network_of,
    people,
    reply,
    ring,
    screens_of,
    set_network,
)

LOOKED_EVERY_S = 1.0
HELP = "1 2 3 4 0 or a text + Enter: answer · r: ring · + -: scroll · n p: newer, older SMS · o: on/off · q: quit"


@dataclass
class View:
    """Where the reader is: which SMS, counted back from the newest, and which of its screens."""

    place: int = 0
    screen: int = 0


def find_contact(connection: Connection, who: str | None) -> Person | None:
    """The person of a number, a phone or the beginning of a name; without one whoever got the newest SMS.

    Raises
    ------
    NotThere : nobody has this number
    """
    everybody = people(connection)
    if who is None or (who.isascii() and who.isdigit()):
        return find_person(everybody, None if who is None else int(who))
    wanted = who.casefold()
    return next((one for one in everybody if one.phone == who or one.name.casefold().startswith(wanted)), None)


def screen_of(connection: Connection, person: Person, view: View, *, clock: Clock) -> str:
    """The handset in letters, a frame of 14 by 5 around what it shows."""
    network = network_of(connection, person.phone)
    came = [one for one in messages(connection, person.phone) if one.direction == "in"]
    view.place = max(0, min(view.place, len(came) - 1))
    shown = came[view.place] if came else None
    screens = screens_of(shown.text) if shown else [["Aucun message" if person.language != "en" else "No message"]]
    view.screen = max(0, min(view.screen, len(screens) - 1))
    lines = screens[view.screen] if network.is_on else []
    bars = ("▂▄▆█"[: network.bars] or "✕") if network.is_on else ""
    head = f"{bars:<9}{clock.now():%H:%M}" if network.is_on else ""
    body = [f"│{line:<{COLUMNS}}│" for line in [head, *lines, *[""] * (LINES - len(lines))]]
    told = [f"┌{'─' * COLUMNS}┐", body[0], f"├{'─' * COLUMNS}┤", *body[1:], f"└{'─' * COLUMNS}┘"]
    if shown and network.is_on:
        counted = segments(shown.text)
        told.append(
            f"{'' if shown.read_at else '* '}{view.place + 1}/{len(came)}, screen {view.screen + 1}/{len(screens)}; "
            f"{counted.alphabet}, {counted.units} units, segments: {counted.number}"
        )
        mark_read(connection, person.phone, now=clock.now())
    return "\n".join([f"{person.name}, {person.role}, {person.zone_name}", *told])


def as_json_of(connection: Connection, person: Person) -> dict[str, Any]:
    """What the phone holds and how its network is, for machines."""
    network = asdict(network_of(connection, person.phone))
    network["delay"] = network["delay"].total_seconds()
    held = []
    for one in messages(connection, person.phone):
        shown = {"screens": screens_of(one.text), **segments(one.text)._asdict()} if one.direction == "in" else {}
        held.append(asdict(one) | shown)
    return {"person": asdict(person), "network": network, "messages": held}


def press(connection: Connection, person: Person, keys: str, view: View, *, clock: Clock) -> str:
    """Do what was typed; what came of it, in a line."""
    now = clock.now()
    if keys in ("+", "-", "n", "p"):
        view.screen = view.screen + {"+": 1, "-": -1}[keys] if keys in "+-" else 0
        view.place += {"n": -1, "p": 1}.get(keys, 0)
        return ""
    try:
        if keys == "r":
            ring(connection, person.phone, now=now)
            return "rang and hung up"
        if keys == "o":
            was = network_of(connection, person.phone)
            wanted = Network(not was.is_on, was.bars, was.delay, was.loss_pct, was.repeats)
            set_network(connection, person.phone, wanted, now=now)
            return "switched on" if wanted.is_on else "switched off"
        reply(connection, person.phone, keys, now=now)
    except WebError as error:
        return str(error)
    return f"sent: {keys}"


def hold(connection: Connection, person: Person, *, clock: Clock, show: Callable[[str], None]) -> None:
    """Show the phone anew when something changes, and press what is typed, until `q` or the end of the input."""
    view, before, said = View(), "", ""
    while True:
        now_shown = screen_of(connection, person, view, clock=clock)
        if now_shown != before or said:
            show("\n".join(part for part in (now_shown, said, HELP) if part))
        before, said = now_shown, ""
        if not select.select([sys.stdin], [], [], LOOKED_EVERY_S)[0]:
            continue
        typed = sys.stdin.readline()
        if not typed or typed.strip() == "q":
            return
        if typed.strip():
            said = press(connection, person, typed.strip(), view, clock=clock)
