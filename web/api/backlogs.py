"""Files of readings, as loggers keep them. Sending one needs `send`."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from typing import Annotated, Any, BinaryIO, cast

from fastapi import APIRouter, Depends, Query, Request

from ingest.backlog import Layout
from ingest.backlog_files import PART_BYTES, BacklogFile, ask_for, keep_file, lay_out
from web.access import Visitor
from web.api.account import require_zone_or_gateway
from web.api.models import BacklogProblem, BacklogView
from web.api.responses import ERRORS, UPLOAD_ERRORS
from web.backlogs import fetch_file, look_into
from web.dependencies import ConnectionOf, ServicesOf, send_guard
from web.errors import BadParameter

router = APIRouter(prefix="/backlogs", tags=["backlogs"], responses=ERRORS)

EXAMPLE = "time,asset,channel,value,unit\n2026-03-01T08:00:00Z,tower,level_m,231,cm\n"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}, "example": EXAMPLE}},
    }
}


async def _body_of(request: Request) -> AsyncIterator[BinaryIO]:
    """The body, on disk where it is long."""
    with tempfile.SpooledTemporaryFile(PART_BYTES) as file:
        async for chunk in request.stream():
            file.write(chunk)
        file.seek(0)
        yield cast("BinaryIO", file)


@router.post("", summary="Bring a file of readings", status_code=202, openapi_extra=BODY, responses=UPLOAD_ERRORS)
def send(
    services: ServicesOf,
    connection: ConnectionOf,
    sender: Annotated[Visitor, Depends(send_guard)],
    body: Annotated[BinaryIO, Depends(_body_of)],
    zone: Annotated[str | None, Query(description="of all rows, if no column tells it", examples=["zone-3"])] = None,
    utc_offset_min: Annotated[
        int, Query(ge=-840, le=840, description="by how much times without a zone are ahead of UTC", examples=[0])
    ] = 0,
    name: Annotated[str, Query(max_length=200, description="for people", examples=["logger.csv"])] = "",
) -> BacklogView:
    """CSV with `time,asset,channel,value`, and `zone` and `unit` where there are; at most 32 MB.

    It is kept as it came, and stored in the background: ask for its `id` how far that is. What cannot be accepted is
    set aside with its reason; the same file again changes nothing. What was stored cannot be taken back.
    """
    require_zone_or_gateway(connection, zone, None)
    who, now = sender.written(), services.clock.now()
    with connection.transaction():  # of a file that is refused nothing stays
        try:
            number = keep_file(connection, body, name=name, layout=Layout(zone, utc_offset_min), who=who, now=now)
        except ValueError as error:
            raise BadParameter("body", "", str(error)) from error
        look = look_into(connection, fetch_file(connection, number), now)
        if look.why_not is not None:
            raise BadParameter("body", EXAMPLE.partition("\n")[0], look.why_not)
        lay_out(connection, number, look.layout)
    ask_for(connection, number, who=who, now=now)
    services.files.start(number)
    return _view(fetch_file(connection, number))


@router.get("/{backlog_id}", summary="How far a file is, and what was wrong in it")
def one(connection: ConnectionOf, backlog_id: int) -> BacklogView:
    """Counts are of values; `problems` are the first 1000, by their lines."""
    return _view(fetch_file(connection, backlog_id))


def _view(found: BacklogFile) -> BacklogView:
    return BacklogView(
        id=found.number, name=found.name, state=found.state, share=round(found.share, 3), rows=found.rows,
        stored=found.stored, duplicate=found.duplicate, conflict=found.conflict, set_aside=found.set_aside,
        problems=[BacklogProblem(**problem._asdict()) for problem in found.problems], error=found.error,
    )  # fmt: skip
