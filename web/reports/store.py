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


class Written(NamedTuple):
    """What people say in a draft: the conclusion, and what the committee of a zone says that it took in a month."""

    words: Words = Words()
    gnf: int | None = None

    @property
    def texts(self) -> tuple[str, str, str]:
        """French, English and takings as the fields of a form hold them."""
        return (*self.words, "" if self.gnf is None else str(self.gnf))


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


def written(connection: Connection, period: Period, zone: str | None) -> Written:
    """What people say in a draft as it is kept now."""
    asked = {"period": str(period), "zone": zone, "month": period.first}
    row = connection.execute(SQL["draft"], asked).fetchone()
    takings = connection.execute(SQL["takings_of"], asked).fetchone() if period.month is not None else None
    return Written(Words(*row) if row else Words(), takings[0] if takings else None)


def last_written(connection: Connection, period: Period, zone: str | None) -> tuple[str, datetime] | None:
    """Who wrote in a draft last, and when; None when nobody has."""
    asked = {"period": str(period), "zone": zone, "month": period.first}
    return connection.execute(SQL["last_written"], asked).fetchone()


def mark_of(text: str) -> str:
    """Tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def marks_of(kept: Written) -> str:
    """A mark of each part, joined: a form tells by them what it was made of."""
    return ".".join(mark_of(text) for text in kept.texts)


def plain_words(text: str) -> str:
    """What a form says, with the line ends of everywhere else: browsers send two letters for each."""
    return text.replace("\r\n", "\n").strip()


def keep_draft(
    connection: Connection, period: Period, zone: str | None, said: Written, *, seen: str, who: str, now: datetime
) -> None:
    """Keep what people say; `seen` are the marks of what they saw when they began to write.

    Raises
    ------
    ReportRefused : `moved_on`, somebody wrote since; `too_long`, `phone` or `name` (also a part of one): reports go to
        people outside, who are not to read whom to call; `takings`, below zero or beyond belief. Nothing was kept
    """
    with connection.transaction():
        connection.execute(SQL["one_writer"])
        before = written(connection, period, zone)
        if marks_of(before) != seen:
            raise ReportRefused("moved_on")
        _keep_words(connection, period, zone, before.words, said.words, who=who, now=now)
        if zone is not None and period.month is not None:
            _keep_takings(connection, zone, period, before.gnf, said.gnf, who=who, now=now)


def _keep_words(
    connection: Connection, period: Period, zone: str | None, before: Words, said: Words, *, who: str, now: datetime
) -> None:
    names = {part for (name,) in connection.execute(SQL["names"], {"zone": zone}) for part in _parts(name)}
    names -= {part for (place,) in connection.execute(SQL["places"]) for part in _parts(place)}
    after = Words(*(plain_words(text) for text in said))
    for text in after:
        if len(text) > MOST_WORDS:
            raise ReportRefused("too_long")
        if hide_phones(text) != text:
            raise ReportRefused("phone")
        if not names.isdisjoint(_parts(text)):
            raise ReportRefused("name")
    if after == before:
        return
    asked = {"period": str(period), "zone": zone, "fr": after.fr, "en": after.en, "who": who, "now": now}
    connection.execute(SQL["write_draft"], asked)
    record(
        connection, who=f"{who} (web)", what="report_written", subject=str(period), zone=zone,
        before=before._asdict(), after=after._asdict(), now=now,
    )  # fmt: skip


def _parts(name: str) -> list[str]:
    """The words of a name as people may write it, without accents; initials and particles are no name."""
    return [part for part in fold(name).replace("-", " ").split() if len(part) >= LEAST_OF_NAME]


def _keep_takings(
    connection: Connection, zone: str, month: Period, before: int | None, gnf: int | None, *, who: str, now: datetime
) -> None:
    """Keep what a committee says that it took in a month; None forgets it."""
    if gnf is not None and not 0 <= gnf <= MOST_GNF:
        raise ReportRefused("takings")
    if gnf == before:
        return
    asked = {"zone": zone, "month": month.first, "gnf": gnf, "who": who, "now": now}
    connection.execute(SQL["forget_takings" if gnf is None else "note_takings"], asked)
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
