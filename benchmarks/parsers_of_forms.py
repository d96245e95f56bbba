"""What people write into forms, as a fuzzer meets it: a zone's settings, a person of a committee, how a file is read.

It comes as a browser sends it; what FastAPI makes of the bytes before (names and texts) is FastAPI's.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from benchmarks.parsers_of_links import WrongError
from gateway.errors import ZoneFileError
from gateway.zone_text import zone_text
from gateway.zones import load_zones, zone_from_text
from ndiyan.shipped_files import shipped
from web.backlogs import layout_of
from web.committee import CommitteeRefused, person_of
from web.errors import BadParameter
from web.labels import Labels
from web.language import Language, Texts
from web.zones import fields_of, zone_of_form

ZONE = load_zones([shipped("zones")])[2]
PERSON = {"nom": "Awa Barry", "role": "exploitant", "langue": "fr", "borne": "", "telephone": "600 00 00 10"}
COLUMNS = ("Date", "Niveau", "tower/level_m")
LABELS = [Labels(Texts(language)) for language in Language]


KEYS = frozenset(key for keys in fields_of(ZONE).values() for key in keys)
FROM_A_FORM = (
    urlencode(dict.fromkeys(sorted(KEYS), "1")).encode(),
    urlencode(PERSON).encode(), b"zone=zone-3&decalage=60&colonne-0=time&colonne-1=tower/level_m&unite-1=cm",
)  # fmt: skip


def as_a_form(data: bytes) -> None:
    """One text for each of the forms that it has a field of: what it does not name stays as the page showed it."""
    typed = dict(parse_qsl(data.decode("utf-8", "replace"), keep_blank_values=True))
    if KEYS & typed.keys():
        _zone(typed)
    if PERSON.keys() & typed.keys():
        _person(typed)
    if not -840 <= layout_of(typed, COLUMNS).utc_offset_min <= 840:
        raise WrongError("a time zone beyond all")


def _zone(typed: dict[str, str]) -> None:
    try:
        zone = zone_of_form(ZONE, typed, version=1)
    except ZoneFileError as error:
        for labels in LABELS:
            labels.mistake(str(error).split(": ", 2)[-1])
        return
    if zone_from_text(zone_text(zone, remark=""), "again") != zone:
        raise WrongError("its file says another zone")


def _person(typed: dict[str, str]) -> None:
    try:
        phone = person_of(PERSON | typed, taps=("tap-01",)).phone
    except (CommitteeRefused, BadParameter):
        return
    if not (phone.isascii() and phone.startswith("+") and phone[1:].isdigit()):
        raise WrongError("a phone that is no number")
