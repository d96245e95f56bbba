"""The OpenAPI document, behind the door like everything else."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

DESCRIPTION = """\
Send an API key as `Authorization: Bearer wat_…`. A browser session may read the same addresses.

* Instants are ISO 8601 in UTC and mean measured time or platform time, as their names say.
* Quantities bear their unit in the name; null is "no data", never zero.
* Lists answer `{"items": [...], "next": cursor|null}`; hand `next` back as `cursor`.
* Errors are problems (RFC 9457) that name parameter, value and bound.
"""

router = APIRouter(tags=["api"])


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """What this API answers, with examples."""
    schema: dict[str, Any] = request.app.openapi()
    bearer = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "wat_…"}}
    components = {**schema.get("components", {}), "securitySchemes": bearer}
    return JSONResponse({**schema, "components": components, "security": [{"key": []}]})
