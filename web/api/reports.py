"""Reports as JSON and CSV: what was published, and drafts with the figures of now."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from ingest.readings_pg import PgReadings
from web.api.models import Listing, ReportFigure, ReportLine, ReportView
from web.api.paging import PagingOf
from web.api.responses import ERRORS
from web.cursors import page_of
from web.dependencies import ConnectionOf, ServicesOf
from web.errors import NotThere
from web.reports.period import Period
from web.reports.store import Report, all_published, draft, published
from web.reports.table import as_csv, cells_of

router = APIRouter(tags=["reports"], responses=ERRORS)

FormatOf = Annotated[
    Literal["json", "csv", "excel-fr"] | None,
    Query(description="CSV also by `Accept: text/csv`; `excel-fr` is as a French Excel opens it right"),
]
VersionOf = Annotated[
    int | None,
    Query(ge=0, le=99_999_999, description="0: the draft; absent: the last published, else the draft"),
]
REPORT_OPENAPI = {
    "content": {"text/csv": {"example": "period,version,zone,figure,value,unit\n2026-10,1,zone-3,delivered,612.4,m3\n"}}
}


@router.get("/reports", summary="What was published, newest period first")
def reports(
    paging: PagingOf,
    connection: ConnectionOf,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Listing[ReportLine]:
    """The last version of each period and zone; without a zone it is of all together."""
    found = sorted(
        (ReportLine(period=period, zone=zone, version=number, published_at=at)
         for (period, zone), (number, at) in all_published(connection).items()),
        key=_key_of,
    )  # fmt: skip
    shown, more = page_of(found, _key_of, cursor=cursor, limit=limit)
    return paging.listing(items=shown, next=more)


@router.get(
    "/reports/{period}", summary="The report of all zones", response_model=ReportView, responses={200: REPORT_OPENAPI}
)
def report_of_all(
    request: Request, services: ServicesOf, connection: ConnectionOf, period: str, version: VersionOf = None,
    format: FormatOf = None,
) -> Response:  # fmt: skip
    """A month `2026-10` or a year `2026`."""
    return _answer(request, services, connection, period, None, version, format)


@router.get(
    "/reports/{period}/{zone_id}",
    summary="The report of a zone",
    response_model=ReportView,
    responses={200: REPORT_OPENAPI},
)
def report_of_zone(
    request: Request, services: ServicesOf, connection: ConnectionOf, period: str, zone_id: str,
    version: VersionOf = None, format: FormatOf = None,
) -> Response:  # fmt: skip
    """A month `2026-10` or a year `2026` of one zone."""
    if zone_id not in {row.zone_id for row in PgReadings(connection).zones()}:
        raise NotThere("zone", zone_id)
    return _answer(request, services, connection, period, zone_id, version, format)


def _key_of(line: ReportLine) -> tuple[str | float, ...]:
    """Newest period first, all zones before each."""
    year, _, month = line.period.partition("-")
    return -int(year), -int(month or 13), line.zone or ""


def _answer(
    request: Request, services: ServicesOf, connection: ConnectionOf, period: str, zone: str | None,
    version: int | None, format: str | None,
) -> Response:  # fmt: skip
    found = Period.read(period)
    now = services.clock.now()
    if found is None or found.first > now.date():
        raise NotThere("period", period)
    report = published(connection, found, zone, version) if version != 0 else None
    if report is None and version:
        raise NotThere("version", str(version))
    if report is None:
        report = draft(connection, found, zone, now=now, price_gnf=services.config.price_gnf)
    if format is None:
        format = "csv" if "text/csv" in request.headers.get("accept", "") else "json"
    if format != "json":
        text = as_csv(report, is_french=format == "excel-fr")
        name = "_".join(["ndiyan", period, zone or "all", "draft" if report.is_draft else f"v{report.version}"])
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
    return JSONResponse(_view(report).model_dump(mode="json"))


def _view(report: Report) -> ReportView:
    return ReportView(
        period=str(report.period), zone=report.zone, version=report.version, published_at=report.published_at,
        program=report.program, words_fr=report.words.fr, words_en=report.words.en,
        figures=[
            ReportFigure(zone=cell.zone, figure=cell.figure, value=cell.value or None, unit=cell.unit)
            for cell in cells_of(report.figures)
        ],
    )  # fmt: skip
