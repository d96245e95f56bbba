"""Who heard and said what when: the SMS of a span of time as a story, from the database or a simulated run of weeks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from alerts.words import fault_label
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import Connection, queries
from ingest.registry import import_zones
from ndiyan.outcome import FIRST_DAY, NdiyanEars, Trouble, World
from simulator.people import People
from simulator.scenarios import Scenario
from web.labels import Labels
from web.language import Language, texts_of
from web.masks import hide_phones

SQL = queries("ndiyan", "transcript")
WORDS = {
    "fr": {"heard": "lit", "not_delivered": "n’a pas reçu", "said": "répond", "rang": "appelle et raccroche",
           "opened": "alerte ouverte", "acknowledged": "prise en charge", "resolved": "résolue par les mesures",
           "nobody": "Rien n’a été dit.", "unknown": "un inconnu"},
    "en": {"heard": "reads", "not_delivered": "did not receive", "said": "answers", "rang": "rings and hangs up",
           "opened": "alert opened", "acknowledged": "taken in charge", "resolved": "resolved by the readings",
           "nobody": "Nothing was said.", "unknown": "a stranger"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was heard, said or happened; `why` is routing's reason, the state or what was understood."""

    at: datetime
    zone_id: str | None
    zone_name: str | None
    kind: str
    name: str
    role: str
    text: str
    code: str
    why: str

    def as_json(self) -> dict[str, object]:
        """For machines; phones in texts are masked."""
        return {
            "at": self.at.isoformat(), "zone": self.zone_id, "kind": self.kind, "name": self.name, "role": self.role,
            "text": hide_phones(self.text), "alert": self.code, "why": self.why,
        }  # fmt: skip


def fetch_lines(connection: Connection, *, start: datetime, end: datetime, zone: str | None = None) -> list[Line]:
    """Everything of a span of platform time, in the order in which it happened."""
    found = [Line(*row) for row in connection.execute(SQL["said"], {"start": start, "end": end})]
    return [line for line in found if zone in (None, line.zone_id)]


def told(lines: Sequence[Line], language: str) -> Iterator[str]:
    """The lines as Markdown: a heading a zone, a paragraph a day, a line a thing."""
    words = WORDS[language]
    if not lines:
        yield words["nobody"]
    texts = texts_of(Language(language))
    for zone_id, zone_name in dict.fromkeys((line.zone_id, line.zone_name) for line in lines):
        yield f"## {zone_name or words['unknown']}\n"
        before = None
        for line in (one for one in lines if one.zone_id == zone_id):
            if line.at.date() != before:
                before = line.at.date()
                yield f"\n**{texts.day(before)}**\n"
            yield f"- {line.at:%H:%M} {_sentence(line, language)}"
        yield ""


def _sentence(line: Line, language: str) -> str:
    words, labels = WORDS[language], Labels(texts_of(Language(language)))
    if line.kind in ("opened", "acknowledged", "resolved"):
        who = f", {labels.who(line.name)}" if line.kind == "acknowledged" else ""
        return f"{line.code} {fault_label(line.text, language)}: *{words[line.kind]}*{who}"
    who = f"{line.name} ({labels.role(line.role)})" if line.name else words["unknown"]
    if line.kind == "rang":
        return f"**{who}** {words['rang']}"
    why = {"heard": labels.told_because, "not_delivered": labels.notification_state, "said": labels.intention}
    return f"**{who}** {words[line.kind]} « {hide_phones(line.text)} » *({why[line.kind](line.why)})*"


def live_through(
    zones: Sequence[Zone],
    *,
    scenario: Scenario,
    days: int,
    seed: int,
    connection: Connection,
    told_days: Callable[[int], None] = lambda _: None,
) -> list[Line]:
    """Simulated weeks of these zones and committees, heard through the real detectors, ladder and sender.

    `connection` leads to an empty, migrated database; `told_days` hears of every day that is over.
    """
    first = scenario.start or FIRST_DAY
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = start + timedelta(days=days)
    people = People(scenario.committee, seed=seed)
    broken = scenario.broken(zones, start, until=end, seed=seed)
    troubles = [Trouble(replace(one, end_s=None)) for one in broken if one.start_s >= start.timestamp()]
    import_zones(connection, zones)
    ears = NdiyanEars(connection, zones, people, ManualClock(start))
    World(zones, troubles, people, start).run(days=days, seed=seed, ears=ears, told=told_days)
    return fetch_lines(connection, start=start, end=end)
