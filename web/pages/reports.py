"""Reports of a month or a year: drafts, what was published, and the sheets made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.errors import BadParameter, NotThere, ReportRefused
from web.labels import N_
from web.pages.page import Page, PageOf
from web.reports.period import Period, months_between
from web.reports.sheets import Audience, PdfUnavailable, file_name, pdf, sheet, title_of
from web.reports.store import (
    MOST_WORDS,
    Report,
    Words,
    all_published,
    draft,
    fingerprint,
    first_day,
    note_takings,
    publish,
    published,
    versions,
    write_draft,
)
from web.reports.table import as_csv, changes

router = APIRouter()

DRAFT = "brouillon"
FORMATS = ("html", "pdf", "csv", "excel-fr")
REFUSALS = {
    "too_long": N_("Le texte est trop long : %(most)s lettres au plus."),
    "phone": N_("Le texte contient un numéro de téléphone : un rapport n’en porte aucun."),
    "name": N_("Le texte contient le nom d’une personne du comité : un rapport n’en porte aucun."),
    "takings": N_("La recette n’est pas un nombre de GNF possible."),
    "not_over": N_("La période n’est pas finie : elle se publie après son dernier jour."),
    "changed": N_("Les chiffres ou le texte ont changé depuis que vous les avez lus. Relisez, puis publiez."),
    "no_pdf": N_(
        "Ce serveur ne peut pas faire de PDF : il y manque Pango (apt-get install libpangoft2-1.0-0 "
        "libharfbuzz-subset0). Imprimez cette page, elle est faite pour des feuilles A4."
    ),
}  # fmt: skip


class Line(NamedTuple):
    """A period in the list; `version` of the report of all zones, and how many zones have one of their own."""

    period: Period
    name: str
    is_over: bool
    version: int | None
    published_at: datetime | None
    zones: int


@router.get("/rapports")
def reports(page: PageOf) -> Response:
    """The months and years of which there are readings, newest first."""
    since = first_day(page.connection)
    out = all_published(page.connection)
    months = [] if since is None else months_between(since, page.now.date())
    years = [Period(year) for year in dict.fromkeys(month.year for month in months)]

    def line(period: Period) -> Line:
        number, at = out.get((str(period), None), (None, None))
        zones = sum(key == str(period) and zone is not None for key, zone in out)
        return Line(period, period.name(page.language), period.is_over(page.now), number, at, zones)

    count = len(PgReadings(page.connection).zones())
    return page.render("reports.html", months=[line(one) for one in months], years=[line(one) for one in years],
                       zones=count)  # fmt: skip


@router.get("/rapports/{period}")
def report_of_all(
    page: PageOf,
    period: str,
    version: Annotated[str, Query()] = "",
    format: Annotated[str, Query()] = "html",
    refus: Annotated[str, Query()] = "",
) -> Response:
    """The report of all zones."""
    return _answer(page, _period(page, period), None, version, Audience.FUNDER, format, refus)


@router.get("/rapports/{period}/{zone_id}")
def report_of_zone(
    page: PageOf,
    period: str,
    zone_id: str,
    version: Annotated[str, Query()] = "",
    pour: Annotated[str, Query()] = Audience.FUNDER.value,
    format: Annotated[str, Query()] = "html",
    refus: Annotated[str, Query()] = "",
) -> Response:
    """The report of one zone, for the funder or its committee."""
    if pour not in set(Audience):
        raise BadParameter("pour", pour, f"is none of {', '.join(Audience)}")
    zone = _zone(page, zone_id)
    return _answer(page, _period(page, period), zone, version, Audience(pour), format, refus)


@router.post("/rapports/{period}/texte")
def write_of_all(
    page: PageOf, period: str, fr: Annotated[str, Form()] = "", en: Annotated[str, Form()] = ""
) -> Response:
    """Keep the conclusion about all zones."""
    return _write(page, _period(page, period), None, Words(fr, en), None)


@router.post("/rapports/{period}/publier")
def publish_all(page: PageOf, period: str, vu: Annotated[str, Form()] = "") -> Response:
    """Freeze the report of all zones."""
    return _publish(page, _period(page, period), None, vu)


@router.post("/rapports/{period}/{zone_id}/texte")
def write_of_zone(
    page: PageOf,
    period: str,
    zone_id: str,
    fr: Annotated[str, Form()] = "",
    en: Annotated[str, Form()] = "",
    recette: Annotated[str, Form()] = "",
) -> Response:
    """Keep the conclusion about a zone and, of a month, what its committee says that it took."""
    return _write(page, _period(page, period), _zone(page, zone_id), Words(fr, en), recette)


@router.post("/rapports/{period}/{zone_id}/publier")
def publish_zone(page: PageOf, period: str, zone_id: str, vu: Annotated[str, Form()] = "") -> Response:
    """Freeze the report of a zone."""
    return _publish(page, _period(page, period), _zone(page, zone_id), vu)


def _period(page: Page, text: str) -> Period:
    found = Period.read(text)
    if found is None or found.first > page.now.date():
        raise NotThere("period", text)
    return found


def _zone(page: Page, zone_id: str) -> str:
    if zone_id not in {row.zone_id for row in PgReadings(page.connection).zones()}:
        raise NotThere("zone", zone_id)
    return zone_id


def _report(page: Page, period: Period, zone: str | None, version: str) -> Report:
    """The version that was asked for; without one the last that was published, else the draft."""
    if version not in ("", DRAFT) and not (version.isascii() and version.isdigit() and len(version) < 9):
        raise BadParameter("version", version, f"is neither {DRAFT} nor a number")
    if version != DRAFT:
        found = published(page.connection, period, zone, int(version) if version else None)
        if found is not None:
            return found
        if version:
            raise NotThere("version", version)
    price_gnf = page.services.config.price_gnf
    return draft(page.connection, period, zone, now=page.now, price_gnf=price_gnf)


def _answer(
    page: Page, period: Period, zone: str | None, version: str, audience: Audience, wanted: str, refusal: str
) -> Response:
    if wanted not in FORMATS:
        raise BadParameter("format", wanted, f"is none of {', '.join(FORMATS)}")
    report = _report(page, period, zone, version)
    if wanted in ("csv", "excel-fr"):
        name = file_name(report, page.language, audience, "csv")
        return Response(
            as_csv(report, is_french=wanted == "excel-fr"),
            media_type="text/csv; charset=utf-8",
            headers=_attached(name),
        )
    if wanted == "pdf":
        try:
            made = pdf(report, page.language, audience)
        except PdfUnavailable:
            return _shown(page, report, audience, "no_pdf", status=503)
        return Response(
            made, media_type="application/pdf", headers=_attached(file_name(report, page.language, audience, "pdf"))
        )
    return _shown(page, report, audience, refusal)


def _attached(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _shown(page: Page, report: Report, audience: Audience, refusal: str, *, status: int = 200) -> Response:
    """The sheet with what can be done about it."""
    period, zone = report.period, report.zone
    last = published(page.connection, period, zone) if report.is_draft else None
    return page.render(
        "report.html", status=status, report=report, sheet=sheet(report, page.language, audience),
        audience=audience.value,
        title=title_of(report, page.language), versions=versions(page.connection, period, zone),
        zones={row.zone_id: row.name for row in PgReadings(page.connection).zones()},
        period_name=period.name(page.language), is_month=period.month is not None, seen=fingerprint(report),
        changed=None if last is None else changes(last.figures, report.figures),
        refusal=page.texts.gettext(REFUSALS[refusal]) % {"most": MOST_WORDS} if refusal in REFUSALS else None,
        most=MOST_WORDS, draft_name=DRAFT,
    )  # fmt: skip


def _write(page: Page, period: Period, zone: str | None, words: Words, takings: str | None) -> Response:
    try:
        with page.connection.transaction():
            write_draft(page.connection, period, zone, words, who=page.visitor.name, now=page.now)
            if zone is not None and period.month is not None and takings is not None:
                gnf = _gnf(takings)
                note_takings(page.connection, zone, period, gnf, who=page.visitor.name, now=page.now)
    except ReportRefused as error:
        return _see(page, period, zone, version=DRAFT, refus=error.why)
    return _see(page, period, zone, version=DRAFT)


def _gnf(written: str) -> int | None:
    """A number as people write it, `1 250 000`; None for an empty one."""
    plain = "".join(written.split())
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) < 16):
        raise ReportRefused("takings")
    return int(plain)


def _publish(page: Page, period: Period, zone: str | None, seen: str) -> Response:
    try:
        number = publish(
            page.connection, period, zone, seen=seen, who=page.visitor.name, now=page.now,
            price_gnf=page.services.config.price_gnf,
        )  # fmt: skip
    except ReportRefused as error:
        return _see(page, period, zone, version=DRAFT, refus=error.why)
    return _see(page, period, zone, version=str(number))


def _see(page: Page, period: Period, zone: str | None, **query: str) -> Response:
    return page.see("rapports", period, *([] if zone is None else [zone]), query=urlencode(query))
