"""One field for everything that has a name: zones, their parts and channels, people, alerts by number.

A result holds every word that was asked for, in whatever order, without regard to accents and capitals. Parts and
channels are found by what they are called in the page's language. Phone numbers are not searched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("web", "search")

MOST = 20  # of a kind; more than that are not read
MOST_WORDS = 8
ACCENTS, PLAIN = "ÀÂÄÉÈÊËÎÏÔÖÙÛÜÇàâäéèêëîïôöùûüçÑñ’", "AAAEEEEIIOOUUUCaaaeeeeiioouuucNn'"
FOLD = str.maketrans(ACCENTS, PLAIN)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found, in a zone; what of `asset`, `channel`, `person`, `alert` it is not stays empty."""

    zone_id: str
    zone_name: str
    asset: str = ""
    channel: str = ""
    person: str = ""
    role: str = ""
    commune: str = ""
    alert_id: int = 0
    code: str = ""
    fault: str = ""
    state: str = ""
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The first `MOST` of each kind, and how many there are."""

    hits: dict[str, list[Hit]]
    counts: dict[str, int]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found at all."""
        return not any(self.counts.values())


def find(
    connection: Connection, text: str, *, asset_label: Callable[[str], str], channel_label: Callable[[str], str]
) -> Found:
    """What has all the words of `text`; nothing for a text without any."""
    words = words_of(text)
    if not words:
        return Found({}, {})
    ((assets, channels),) = connection.execute(SQL["words"]).fetchall()
    asked = folding() | {
        "patterns": patterns_of(text), "codes": [word.lstrip("#").upper() for word in words],
        "most": MOST, "assets": assets, "channels": channels,
        "labels": [asset_label(one) for one in assets], "measures": [channel_label(one) for one in channels],
    }  # fmt: skip
    rows = {kind: connection.execute(SQL[kind], asked).fetchall() for kind in _READ}
    return Found(
        {kind: [_READ[kind](*row[:-1]) for row in some] for kind, some in rows.items()},
        {kind: some[0][-1] if some else 0 for kind, some in rows.items()},
    )


def words_of(text: str) -> list[str]:
    """The words of a question, without accents and capitals."""
    return text.translate(FOLD).lower().split()[:MOST_WORDS]


def patterns_of(text: str) -> list[str]:
    """What a folded name must be like to hold all words of a question; of an empty one every name is."""
    return [f"%{_literal(word)}%" for word in words_of(text)] or ["%"]


def folding() -> dict[str, str]:
    """By which letters SQL takes accents off a name."""
    return {"accents": ACCENTS, "plain": PLAIN}


def _literal(word: str) -> str:
    """The word as LIKE takes it letter by letter."""
    return word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


_READ: dict[str, Callable[..., Hit]] = {
    "zones": lambda zone, name, commune: Hit(zone, name, commune=commune),
    "alerts": lambda number, code, zone, name, fault, at, state: Hit(
        zone, name, alert_id=number, code=code, fault=fault, opened_at=at, state=state
    ),
    "people": lambda zone, name, person, role: Hit(zone, name, person=person, role=role),
    "assets": lambda zone, name, asset: Hit(zone, name, asset=asset),
    "channels": lambda zone, name, asset, channel: Hit(zone, name, asset=asset, channel=channel),
}
