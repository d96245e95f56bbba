"""A report as HTML that prints on A4, and as PDF. Nothing is fetched from anywhere while a sheet is made."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import partial
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from web.charts.report import cans, daily_bars, day_squares, top_of
from web.charts.scale import value_ticks
from web.labels import Labels
from web.language import Language, texts_of
from web.reports.annex import MEANINGS
from web.reports.figures import ZoneFigures, together
from web.reports.store import Report
from web.templating import environment

PEOPLE_OF_CANS = 10  # ten people who have twenty litres each have ten cans


class Audience(StrEnum):
    """For whom a sheet is."""

    FUNDER = "bailleur"
    COMMITTEE = "comite"


class PdfUnavailable(Exception):
    """The libraries that lay out a PDF are not on this machine."""


def sheet(report: Report, language: Language, audience: Audience) -> Markup:
    """What stands on the sheet, without the page around it. The committee's is French and of one zone.

    Raises
    ------
    ValueError : a committee's sheet of all zones
    """
    if audience is Audience.COMMITTEE:
        if report.zone is None:
            raise ValueError("a committee's sheet is of one zone")
        language = Language.FR
    texts = texts_of(language)
    written, written_in = report.words.of(language)
    meanings = [(texts.gettext(name), texts.gettext(meaning)) for name, meaning in MEANINGS.values()]
    figures = report.figures
    values: dict[str, Any] = {
        "language": language.value, "report": report, "figures": figures, "words": written,
        "words_language": written_in, "period": report.period.name(language), "labels": Labels(texts),
        "all": together(figures.zones), "meanings": meanings, "bars": partial(_bars, report, language),
        "squares": partial(_squares, report, language, audience), "cans": partial(_cans, language),
        "published_on": None if report.published_at is None else texts.long_day(report.published_at.date()),
        "last_day": texts.long_day(figures.first + timedelta(days=max(0, figures.days - 1))),
        "ten": PEOPLE_OF_CANS,
    }  # fmt: skip
    template = environment(language).get_template(f"report_{audience.name.lower()}.html")
    return Markup(template.render(**values))  # noqa: S704 - the template has escaped it


def page(report: Report, language: Language, audience: Audience) -> str:
    """A whole page that needs no other file: what is made into PDF, and what goes on a stick."""
    if audience is Audience.COMMITTEE:
        language = Language.FR
    return environment(language).get_template("report_page.html").render(
        language=language.value, title=title_of(report, language), sheet=sheet(report, language, audience),
        style=Markup((files("web") / "static" / "report.css").read_text("utf-8")),  # noqa: S704 - our own file
    )  # fmt: skip


def pdf(report: Report, language: Language, audience: Audience) -> bytes:
    """The page on A4.

    Raises
    ------
    PdfUnavailable : Pango is not installed
    """
    html, fetcher = _weasyprint()
    nothing = fetcher(allowed_protocols=(), fail_on_errors=True)
    made = html(string=page(report, language, audience), url_fetcher=nothing).write_pdf(pdf_variant="pdf/ua-1")
    return bytes(made)


def _weasyprint() -> tuple[Any, Any]:
    """WeasyPrint is loaded with the first PDF: it takes a second and 40 MB, and finds Debian's Pango or not."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher
    except OSError as error:
        raise PdfUnavailable(str(error).splitlines()[0]) from error
    return HTML, URLFetcher


def title_of(report: Report, language: Language) -> str:
    """What the report is called: `Rapport mensuel, octobre 2026, Ley-Saare (indicatif)`."""
    texts = texts_of(language)
    kind = texts.gettext("Rapport annuel") if report.period.month is None else texts.gettext("Rapport mensuel")
    where = texts.gettext("toutes les zones") if report.zone is None else report.figures.zones[0].name
    ending = f" ({texts.gettext('indicatif')})" if report.figures.is_indicative else ""
    return f"{kind}, {report.period.name(language)}, {where}{ending}"


def file_name(report: Report, language: Language, audience: Audience, ending: str) -> str:
    """A name that says what is in the file."""
    version = "brouillon" if report.version is None else f"v{report.version}"
    spoken = "" if audience is Audience.COMMITTEE or ending == "csv" else f"-{language.value}"
    kind = "chiffres" if ending == "csv" else audience.value
    return f"ndiyan-{report.period}-{report.zone or 'toutes'}-{kind}{spoken}-{version}.{ending}"


def _bars(report: Report, language: Language, zone: ZoneFigures) -> Markup:
    texts = texts_of(language)
    ticks = value_ticks(0, top_of(zone.daily_m3))
    decimals = 0 if all(float(tick).is_integer() for tick in ticks) else 1
    known = [value for value in zone.daily_m3 if value is not None]
    label = texts.gettext("Eau livrée par jour : %(known)s jours connus sur %(days)s, le plus %(most)s") % {
        "known": len(known), "days": len(zone.daily_m3), "most": texts.quantity(max(known, default=None), "m³"),
    }  # fmt: skip
    numbers = [texts.number(tick, decimals) for tick in ticks]
    drawn = daily_bars(zone.daily_m3, first=report.figures.first, label=label, number=numbers)
    return Markup(drawn)  # noqa: S704 - drawn by us, texts escaped


def _squares(report: Report, language: Language, audience: Audience, zone: ZoneFigures) -> Markup:
    """On the committee's sheet half a month in a row, so that squares are large; but a year must fit as well."""
    is_large = audience is Audience.COMMITTEE and report.period.month is not None
    label = texts_of(language).gettext(
        "Jours avec eau : %(served)s ; partiels : %(partly)s ; sans eau : %(dry)s ; pas connus : %(unknown)s"
    ) % {
        "served": zone.service.served, "partly": zone.service.partly, "dry": zone.service.dry,
        "unknown": zone.service.unknown,
    }  # fmt: skip
    across = 16 if is_large else 31
    drawn = day_squares(zone.service.states, first=report.figures.first, label=label, across=across)
    return Markup(drawn)  # noqa: S704 - as above


def _cans(language: Language, zone: ZoneFigures) -> Markup:
    litres = zone.litres_per_person_day
    filled = None if litres is None else litres * PEOPLE_OF_CANS / 20
    texts = texts_of(language)
    label = texts.gettext("%(cans)s bidons sur %(of)s") % {
        "cans": "?" if filled is None else texts.number(filled, 1), "of": PEOPLE_OF_CANS,
    }  # fmt: skip
    return Markup(cans(filled, of=PEOPLE_OF_CANS, label=label))  # noqa: S704 - as above
