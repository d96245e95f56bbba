"""Reports as files in a folder: HTML, PDF and CSV of what was published last, else of the draft."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ingest.db import Connection
from ingest.readings_pg import PgReadings
from ndiyan.errors import NdiyanError
from web.language import Language
from web.reports.period import Period
from web.reports.sheets import Audience, PdfUnavailable, file_name, page, pdf
from web.reports.store import Report, draft, published
from web.reports.table import as_csv

SHEETS = ((Language.FR, Audience.FUNDER), (Language.EN, Audience.FUNDER), (Language.FR, Audience.COMMITTEE))


class Written(NamedTuple):
    """What was written, and why no PDF was."""

    files: list[Path]
    no_pdf: str | None


def write_reports(
    connection: Connection, month: str, *, zone: str | None, out: Path, now: datetime, price_gnf: float
) -> Written:
    """Write the report of one zone, or that of all together and each zone's.

    Raises
    ------
    NdiyanError : no such period or zone
    """
    period, zones = Period.read(month), [row.zone_id for row in PgReadings(connection).zones()]
    if period is None or period.first > now.date():
        raise NdiyanError(f"{month} is no month (2026-10) and no year (2026) that has begun")
    if zone is not None and zone not in zones:
        raise NdiyanError(f"{zone} is none of {', '.join(zones)}")
    out.mkdir(parents=True, exist_ok=True)
    written, no_pdf = Written([], None), None
    for scope in [zone] if zone is not None else [None, *zones]:
        report = published(connection, period, scope)
        report = report or draft(connection, period, scope, now=now, price_gnf=price_gnf)
        for name, content in _files(report):
            if isinstance(content, PdfUnavailable):
                no_pdf = str(content)
            else:
                (out / name).write_bytes(content)
                written.files.append(out / name)
    return written._replace(no_pdf=no_pdf)


def _files(report: Report) -> Iterator[tuple[str, bytes | PdfUnavailable]]:
    yield file_name(report, Language.FR, Audience.FUNDER, "csv"), as_csv(report).encode()
    for language, audience in SHEETS:
        if audience is Audience.COMMITTEE and report.zone is None:
            continue
        yield file_name(report, language, audience, "html"), page(report, language, audience).encode()
        try:
            yield file_name(report, language, audience, "pdf"), pdf(report, language, audience)
        except PdfUnavailable as error:
            yield "", error
