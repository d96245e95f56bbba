"""Our parsers as a fuzzer meets them: each is given bytes, and raises when what it does with them is wrong.

What a parser promises to raise is no failure; what it accepts must be what it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from alerts.replies import Intention, read_reply
from benchmarks.fuzz import Judge, what_is_wrong
from benchmarks.fuzz_profiles import Village
from benchmarks.hostile import GATEWAY, NOON_US, UP, ZONE, weapons
from benchmarks.parsers_of_forms import FROM_A_FORM, as_a_form
from benchmarks.parsers_of_links import (
    AS_A_CURSOR,
    AS_A_QUERY,
    FROM_A_BROKER,
    FROM_A_MESSAGE_CENTRE,
    FROM_A_ROUTE,
    FROM_AFAR,
    WrongError,
    as_a_cursor,
    as_a_query,
    from_a_broker,
    from_a_message_centre,
    from_a_route,
    from_afar,
)  # fmt: skip
from gateway.errors import ZoneFileError
from gateway.zone_text import zone_text
from gateway.zones import load_zones, zone_from_text
from ingest.admission import Message, admit
from ingest.backlog import Layout, Target, look
from ingest.backlog_files import lines_from
from ingest.clocks import TOLERANCE_US
from ingest.errors import BacklogUnreadable, ProfileError
from ingest.profiles.profile import parse_profile, shipped_bodies, shipped_profiles
from ndiyan.shipped_files import shipped

SHORT = 400  # bytes of what the fuzzer is given to begin with
NEWEST = datetime.fromtimestamp((NOON_US + TOLERANCE_US) / 1e6, UTC)  # that can have been measured by noon
WIDE = Layout(zone=ZONE, utc_offset_min=60, time="Date", targets={"Niveau": Target("tower", "level_m", "cm")})


class Parser(NamedTuple):
    """What is given bytes, and bytes that are right."""

    try_one: Callable[[bytes], None]
    right: Callable[[], Iterable[bytes]]


def _message(payload: bytes) -> None:
    admission = admit([Message(UP, payload, NOON_US, 1, 1)], JUDGE.directory, JUDGE.anchors)
    if wrong := list(what_is_wrong(admission)):
        raise WrongError("; ".join(wrong))


def _dialect(data: bytes) -> None:
    """The first byte says which profile."""
    village, sample = VILLAGES[(data[0] if data else 0) % len(VILLAGES)]
    _, problem = village.judge(sample, data[1:])
    if problem:
        raise WrongError(problem)


def _profile(data: bytes) -> None:
    try:
        profile = parse_profile(data.decode("utf-8", "replace"), "profile.toml")
    except ProfileError:
        return
    if not profile.samples:
        raise WrongError("a profile without a sample was accepted")


def _zone(data: bytes) -> None:
    """A zone that is accepted is written and read again as the same zone."""
    try:
        zone = zone_from_text(data.decode("utf-8", "replace"), "zone.toml")
    except ZoneFileError:
        return
    if zone_from_text(zone_text(zone, remark="again"), "zone.toml") != zone:
        raise WrongError(f"{zone.zone_id} is another one when it is written and read again")


def _reply(data: bytes) -> None:
    reply = read_reply(data.decode("utf-8", "replace"))
    if reply.intention is Intention.UNCLEAR and reply.is_sure:
        raise WrongError("what is unclear is called sure")
    if reply.number is not None and not (math.isfinite(reply.number) and reply.number >= 0):
        raise WrongError(f"{reply.number} was read off")


def _file(data: bytes) -> None:
    """The first byte says whether the file is in long form or has a column for each channel."""
    layout = WIDE if data[:1] == b"W" else Layout(zone=ZONE)
    try:
        for seen in look(lines_from([data[1:]]), JUDGE.directory, {ZONE: GATEWAY}, layout=layout, now_us=NOON_US):
            if seen.problem is not None:
                continue
            if seen.at is None or seen.at > NEWEST or seen.value is None or not math.isfinite(seen.value):
                raise WrongError(f"line {seen.line}: a value without possible time or number was accepted: {seen}")
    except BacklogUnreadable:
        return


JUDGE = Judge()
VILLAGES = [(Village(profile), profile.samples[0]) for profile in shipped_profiles()]
CSV = (
    b"Ltime,asset,channel,value,unit\n2026-11-24T12:00:00Z,tower,level_m,2.5,m\n1795524000,tower,level_m,250,cm\n",
    b"Ltime;asset;channel;value\n24/11/2026 11:50;pump;flow_m3_h;3,7\n\xef\xbb\xbf;;;\n",
    b"WDate\tNiveau\n24/11/2026 11:50\t251\n24/11/2026 11:55\t\n",
)
TEXTS = (
    "1",
    "A12 reparé svp",
    "niveau 2,4 m",
    "compteur 1234",
    "fausse alerte",
    "on arrive demain",
    "STOP",
    "pompe en panne",
)
PARSERS = {
    "senml-json": Parser(_message, lambda: [one for one in weapons().values() if len(one) < SHORT]),
    "senml-cbor": Parser(_message, lambda: [b"\x81\xa3\x00\x67tower/level_m\x21\x02\x02\x19\x01\x90"]),
    "dialects": Parser(
        _dialect, lambda: [bytes([n]) + one.payload for n, p in enumerate(shipped_profiles()) for one in p.samples]
    ),
    "profiles": Parser(_profile, lambda: [body.encode() for body in shipped_bodies().values()]),
    "zones": Parser(_zone, lambda: [zone_text(one, remark="").encode() for one in load_zones([shipped("zones")])]),
    "replies": Parser(_reply, lambda: [text.encode() for text in TEXTS]),
    "files": Parser(_file, lambda: CSV),
    "mqtt": Parser(from_a_broker, lambda: FROM_A_BROKER),
    "smpp": Parser(from_a_message_centre, lambda: FROM_A_MESSAGE_CENTRE),
    "webhooks": Parser(from_a_route, lambda: FROM_A_ROUTE),
    "sensorthings": Parser(as_a_query, lambda: AS_A_QUERY),
    "cursors": Parser(as_a_cursor, lambda: AS_A_CURSOR),
    "remote": Parser(from_afar, lambda: FROM_AFAR),
    "forms": Parser(as_a_form, lambda: FROM_A_FORM),
}  # fmt: skip
