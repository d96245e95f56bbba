"""Errors that every route of the API may answer with, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from web.api.models import Problem

_UNREADABLE = "A parameter is unreadable or out of bounds; `errors` names it, its value and the bound"


def _problem(status: int, title: str, detail: str, description: str, **more: Any) -> dict[str, Any]:
    example = {
        "type": "about:blank", "title": title, "status": status, "detail": detail, "instance": "/api/v1/readings",
    } | more  # fmt: skip
    return {
        "model": Problem, "description": description, "content": {"application/problem+json": {"example": example}},
    }  # fmt: skip


ERRORS: dict[int | str, dict[str, Any]] = {
    400: _problem(400, "Bad Request", "There was an error parsing the body", "The body cannot be read at all"),
    401: _problem(401, "Unauthorized", "send an API key as `Authorization: Bearer wat_…`", "No valid API key"),
    403: _problem(
        403, "Forbidden", "this needs the scope 'write', which the key does not have", "The key may not do this",
        type="urn:ndiyan:problem:scope_missing",
    ),
    404: _problem(404, "Not Found", "channel 'zone-3/tower/x' does not exist", "There is none of this id"),
    405: _problem(405, "Method Not Allowed", "DELETE /api/v1/readings", "This address does not know the method"),
    411: _problem(411, "Length Required", "say the length of the body", "The body does not say how long it is"),
    413: _problem(413, "Content Too Large", "the body is longer than 65536 bytes", "The body is too long"),
    422: _problem(
        422, "Unprocessable Content", "limit: '0': Input should be greater than or equal to 1", _UNREADABLE,
        type="urn:ndiyan:problem:bad_parameter",
        errors=[{"parameter": "limit", "value": "0", "bound": "Input should be greater than or equal to 1"}],
    ),
    429: _problem(
        429, "Too Many Requests", "more than 600 requests a minute; try again in 3 s",
        "The key has asked too often; try again after `Retry-After` seconds",
    ),
    431: _problem(
        431, "Request Header Fields Too Large", "the head is longer than 32768 bytes",
        "Address and headers are too long",
    ),
    500: _problem(500, "Internal Server Error", "an error of ours; it is in the log", "An error of ours"),
    503: _problem(
        503, "Service Unavailable", "the database does not answer",
        "The database does not answer; try again after `Retry-After` seconds",
    ),
}  # fmt: skip
UPLOAD_ERRORS: dict[int | str, dict[str, Any]] = {
    408: _problem(
        408, "Request Timeout", "it has not come within 3600 s", "The body took more than an hour",
        type="urn:ndiyan:problem:upload_slow",
    ),
    429: _problem(
        429, "Too Many Requests", "2 files of yours are on their way here already",
        "The key has asked too often, or two files of it are on their way; try again after `Retry-After` seconds",
        type="urn:ndiyan:problem:upload_yours",
    ),
    503: _problem(
        503, "Service Unavailable", "8 files are on their way here already",
        "The database does not answer, or too many files are on their way; try again after `Retry-After` seconds",
        type="urn:ndiyan:problem:upload_full",
    ),
    507: _problem(
        507, "Insufficient Storage", "the disk has no room for 31000000 bytes",
        "The server's disk is nearly full: `ndiyan doctor`", type="urn:ndiyan:problem:upload_room",
    ),
}  # fmt: skip
