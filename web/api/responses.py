"""Errors that every route of the API may answer with, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from web.api.models import Problem

_PROBLEM = {"model": Problem, "content": {"application/problem+json": {}}}
_UNREADABLE = "A parameter is unreadable or out of bounds; `errors` names it, its value and the bound"

ERRORS: dict[int | str, dict[str, Any]] = {
    401: {**_PROBLEM, "description": "No valid API key"},
    404: {**_PROBLEM, "description": "There is none of this id"},
    422: {**_PROBLEM, "description": _UNREADABLE},
    503: {**_PROBLEM, "description": "The database does not answer; try again after `Retry-After` seconds"},
}
