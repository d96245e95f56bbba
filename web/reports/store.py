"""Drafts and what was published: figures, words, version, by whom and when. A published version never changes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from typing import NamedTuple

import msgspec

from alerts.replies import fold
from ingest.audit import record
from ingest.db import Connection, queries
from web.errors import ReportRefused
from web.masks import hide_phones
from web.reports.figures import Figures, figures_of
from web.reports.period import Period
from web.reports.rows import fetch_rows

SQL = queries("web", "reports")

MOST_WORDS = 600  # three lines on paper
MOST_GNF = 10**12
LEAST_OF_NAME = 3  # letters: Bah, Sow


class Words(NamedTuple):
    """The engineer's conclusion; English may be empty."""

    fr: str = ""
    en: str = ""

    def of(self, language: str) -> tuple[str, str]:
        """The text and the language that it is in: French where nobody wrote it in English."""
        return (self.en, "en") if language == "en" and self.en else (self.fr, "fr")


class Version(NamedTuple):
    """A line in the list of what was published."""

    version: int
    published_by: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """A report: a draft with the figures of now, or a published version with its own."""

    period: Period
    zone: str | None
    figures: Figures
    words: Words
    version: int | None = None
    published_by: str | None = None
    published_at: datetime | None = None
    program: str = ""

    @property
    def is_draft(self) -> bool:
        """Whether it may still change."""
        return self.version is None


def draft(connection: Connection, period: Period, zone: str | None, *, now: datetime, price_gnf: float) -> Report:
    """The report with the figures of now."""
    rows = fetch_rows(connection, period, zone=zone, now=now)
    figures = figures_of(period, rows, now=now, price_gnf=price_gnf)
    row = connection.execute(SQL["draft"], {"period": str(period), "zone": zone}).fetchone()
    return Report(period, zone, figures, Words(*row) if row else Words(), program=version("ndiyan"))


def published(connection: Connection, period: Period, zone: str | None, number: int | None = None) -> Report | None:
    """A published version, or the last one; None when there is none."""
    row = connection.execute(SQL["published"], {"period": str(period), "zone": zone, "version": number}).fetchone()
    if row is None:
        return None
    number, figures, fr, en, program, who, at = row
    return Report(period, zone, msgspec.convert(figures, Figures), Words(fr, en), number, who, at, program)


def versions(connection: Connection, period: Period, zone: str | None) -> list[Version]:
    """What was published, newest first."""
    return [Version(*row) for row in connection.execute(SQL["versions"], {"period": str(period), "zone": zone})]


def all_published(connection: Connection) -> Mapping[tuple[str, str | None], tuple[int, datetime]]:
    """(period, zone) → its last version and when it was published."""
    return {(period, zone): (number, at) for period, zone, number, at in connection.execute(SQL["all_published"])}


def first_day(connection: Connection) -> date | None:
    """The first day of which there are readings."""
    row = connection.execute(SQL["first_day"]).fetchone()
    return row[0] if row else None


def fingerprint(report: Report) -> str:
    """Changes with any figure and any word: who publishes says what they have seen."""
    return hashlib.sha256(msgspec.json.encode((report.figures, report.words))).hexdigest()[:16]


def write_draft(
    connection: Connection, period: Period, zone: str | None, words: Words, *, who: str, now: datetime
) -> None:
    """Keep the engineer's words.

    Raises
    ------
    ReportRefused : `too_long`, `phone` or `name` (also a part of one): reports go to people outside, who are not to
        read whom to call
    """
    names = {part for (name,) in connection.execute(SQL["names"], {"zone": zone}) for part in _parts(name)}
    names -= {part for (place,) in connection.execute(SQL["places"]) for part in _parts(place)}
    kept = []
    for text in words:
        plain = " ".join(text.split("\0")).strip()
        if len(plain) > MOST_WORDS:
            raise ReportRefused("too_long")
        if hide_phones(plain) != plain:
            raise ReportRefused("phone")
        if not names.isdisjoint(_parts(plain)):
            raise ReportRefused("name")
        kept.append(plain)
    asked = {"period": str(period), "zone": zone, "fr": kept[0], "en": kept[1], "who": who, "now": now}
    with connection.transaction():
        row = connection.execute(SQL["draft"], asked).fetchone()
        before, after = Words(*row) if row else Words(), Words(*kept)
        connection.execute(SQL["write_draft"], asked)
        if after != before:
            record(
                connection, who=f"{who} (web)", what="report_written", subject=str(period), zone=zone,
                before=before._asdict(), after=after._asdict(), now=now,
            )  # fmt: skip


def _parts(name: str) -> list[str]:
    """The words of a name as people may write it, without accents; initials and particles are no name."""
    return [part for part in fold(name).replace("-", " ").split() if len(part) >= LEAST_OF_NAME]


def note_takings(connection: Connection, zone: str, month: Period, gnf: int | None, *, who: str, now: datetime) -> None:
    """Keep what a committee says that it took in a month; None forgets it.

    Raises
    ------
    ReportRefused : `takings`, below zero or beyond belief
    """
    if gnf is not None and not 0 <= gnf <= MOST_GNF:
        raise ReportRefused("takings")
    asked = {"zone": zone, "month": month.first, "gnf": gnf, "who": who, "now": now}
    with connection.transaction():
        row = connection.execute(SQL["takings_of"], asked).fetchone()
        before = row[0] if row else None
        connection.execute(SQL["forget_takings" if gnf is None else "note_takings"], asked)
        if gnf != before:
            record(
                connection, who=f"{who} (web)", what="takings_noted", subject=str(month), zone=zone,
                before={"gnf": before}, after={"gnf": gnf}, now=now,
            )  # fmt: skip


def publish(
    connection: Connection,
    period: Period,
    zone: str | None,
    *,
    seen: str,
    who: str,
    now: datetime,
    price_gnf: float,
) -> int:
    """Freeze the draft as the next version and give its number; `seen` is the fingerprint of what the publisher read.

    Raises
    ------
    ReportRefused : `not_over`, the period goes on; `changed`, figures or words are no longer those that were seen
    """
    if not period.is_over(now):
        raise ReportRefused("not_over")
    with connection.transaction():
        connection.execute(SQL["one_publisher"])
        report = draft(connection, period, zone, now=now, price_gnf=price_gnf)
        if fingerprint(report) != seen:
            raise ReportRefused("changed")
        ((number,),) = connection.execute(
            SQL["publish"],
            {
                "period": str(period), "zone": zone, "figures": msgspec.json.encode(report.figures).decode(),
                "fr": report.words.fr, "en": report.words.en, "program": report.program, "who": who, "now": now,
            },
        ).fetchall()  # fmt: skip
    return int(number)
