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
    Written,
    all_published,
    draft,
    fingerprint,
    first_day,
    keep_draft,
    last_written,
    mark_of,
    marks_of,
    plain_words,
    publish,
    published,
    versions,
    written,
)
from web.reports.table import as_csv, changes

router = APIRouter()

DRAFT = "brouillon"
FIELDS = ("fr", "en", "recette")
FORMATS = ("html", "pdf", "csv", "excel-fr")
REFUSALS = {
    "too_long": N_("Le texte est trop long : %(most)s lettres au plus."),
    "phone": N_("Le texte contient un numéro de téléphone : un rapport n’en porte aucun."),
    "name": N_("Le texte contient le nom d’une personne du comité : un rapport n’en porte aucun."),
    "takings": N_("La recette n’est pas un nombre de GNF possible."),
    "moved_on": N_("Quelqu’un a changé ce brouillon pendant que vous écriviez ; rien n’est enregistré. Voyez ce qui a changé, puis gardez de nouveau."),  # noqa: E501 - a sentence stays whole
    "not_over": N_("La période n’est pas finie : elle se publie après son dernier jour."),
    "changed": N_("Les chiffres ou le texte ont changé depuis que vous les avez lus. Relisez, puis publiez."),
    "no_pdf": N_(
        "Ce serveur ne peut pas faire de PDF : il y manque Pango (apt-get install libpangoft2-1.0-0 "
        "libharfbuzz-subset0). Imprimez cette page, elle est faite pour des feuilles A4."
    ),
}  # fmt: skip


class Typed(NamedTuple):
    """What the form of a draft says, and the marks of what it was made of."""

    fr: str
    en: str
    recette: str
    seen: str


class Draft(NamedTuple):
    """What the form of a draft shows; `changed` are the fields that somebody wrote in meanwhile, and what they say."""

    fr: str
    en: str
    recette: str
    seen: str
    changed: tuple[tuple[str, str], ...] = ()
    by: str = ""
    at: datetime | None = None


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
    page: PageOf, period: str, fr: Annotated[str, Form()] = "", en: Annotated[str, Form()] = "",
    vu: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Keep the conclusion about all zones."""
    return _write(page, _period(page, period), None, Typed(fr, en, "", vu))


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
    vu: Annotated[str, Form()] = "",
) -> Response:
    """Keep the conclusion about a zone and, of a month, what its committee says that it took."""
    return _write(page, _period(page, period), _zone(page, zone_id), Typed(fr, en, recette, vu))


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


def _shown(
    page: Page, report: Report, audience: Audience, refusal: str, *, status: int = 200, typed: Typed | None = None
) -> Response:
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
        draft=_draft(page, period, zone, typed, refusal) if report.is_draft else None,
    )  # fmt: skip


def _draft(page: Page, period: Period, zone: str | None, typed: Typed | None, refusal: str) -> Draft:
    """The form: as it is kept, or as it was typed when that was refused.

    Who was overtaken keeps what they wrote, and finds in the fields that they left alone what others wrote since.
    """
    present = written(page.connection, period, zone)
    if typed is None:
        return Draft(*present.texts, marks_of(present))
    if refusal != "moved_on":
        return Draft(*typed)
    was = dict(zip(FIELDS, typed.seen.split("."), strict=False))
    said = (plain_words(typed.fr), plain_words(typed.en), _digits(typed.recette))
    fr, en, recette = (
        now if mark_of(text) == was.get(name) else text
        for name, text, now in zip(FIELDS, said, present.texts, strict=True)
    )
    changed = [(name, now) for name, now in zip(FIELDS, present.texts, strict=True) if mark_of(now) != was.get(name)]
    by, at = last_written(page.connection, period, zone) or ("", None)
    return Draft(fr, en, recette, marks_of(present), tuple(changed), by, at)


def _write(page: Page, period: Period, zone: str | None, typed: Typed) -> Response:
    """Keep it and show the draft as it is then; a mistake stands above the form with what was typed."""
    try:
        said = Written(Words(typed.fr, typed.en), _gnf(typed.recette))
        keep_draft(page.connection, period, zone, said, seen=typed.seen, who=page.visitor.name, now=page.now)
    except ReportRefused as error:
        report, status = _report(page, period, zone, DRAFT), 409 if error.why == "moved_on" else 400
        return _shown(page, report, Audience.FUNDER, error.why, status=status, typed=typed)
    return _see(page, period, zone, version=DRAFT)


def _gnf(typed: str) -> int | None:
    """A number as people write it, `1 250 000`; None for an empty one."""
    plain = _digits(typed)
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and len(plain) < 16):
        raise ReportRefused("takings")
    return int(plain)


def _digits(typed: str) -> str:
    return "".join(typed.split())


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
