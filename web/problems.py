"""What went wrong, told twice: as a page in the house's style, and for the API as a problem (RFC 9457)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from math import isfinite
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from psycopg_pool import PoolTimeout, TooManyRequests
from starlette.exceptions import HTTPException

from ingest.errors import StoreUnavailable
from ingest.sqlstate import Meaning, meaning_of
from web.dependencies import services_of
from web.errors import (
    BadParameter,
    LinkRefused,
    LoginNeeded,
    NotOffered,
    NotThere,
    ReaderGone,
    RequestForged,
    RightMissing,
    ScopeMissing,
    TooBusy,
    UploadRefusal,
    UploadRefused,
)
from web.errors import TooManyRequests as AskedTooOften
from web.language import Language
from web.masks import hide_phones
from web.pages.login import form
from web.pages.page import render

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
UPLOAD_REFUSED = {UploadRefusal.FULL: 503, UploadRefusal.YOURS: 429, UploadRefusal.SLOW: 408, UploadRefusal.ROOM: 507}
UPLOAD_RETRY_AFTER_S = 60
TOLD_LEVELS = 4  # of what is repeated; our own bodies have two
READER_GONE = 499  # what nginx calls it in its logs; nobody is there to see it
PROBLEM = "application/problem+json"


def add_handlers(app: FastAPI) -> None:
    """Let every error end as a page or a problem, whichever was asked for."""
    app.exception_handler(LoginNeeded)(_login_needed)
    app.exception_handler(LinkRefused)(_link_refused)
    app.exception_handler(RightMissing)(_right_missing)
    app.exception_handler(psycopg.errors.InsufficientPrivilege)(_row_missing)
    app.exception_handler(RequestForged)(_forged)
    app.exception_handler(NotOffered)(_not_offered)
    app.exception_handler(ScopeMissing)(_scope_missing)
    app.exception_handler(AskedTooOften)(_asked_too_often)
    app.exception_handler(BadParameter)(_bad_parameter)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(NotThere)(_not_there)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(PoolTimeout)(_database_away)
    app.exception_handler(TooManyRequests)(_database_away)
    app.exception_handler(StoreUnavailable)(_database_away)
    app.exception_handler(TooBusy)(_too_busy)
    app.exception_handler(UploadRefused)(_upload_refused)
    app.exception_handler(ReaderGone)(_reader_gone)
    app.exception_handler(psycopg.Error)(_database_error)
    app.exception_handler(Exception)(_unforeseen)


def problem(
    request: Request, status: int, detail: str, *, kind: str = "about:blank", headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:  # fmt: skip
    """An RFC 9457 answer; `kind` names the problem where the status alone does not."""
    body = {
        "type": kind, "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
        "instance": request.url.path, **more,
    }  # fmt: skip
    return JSONResponse(body, status_code=status, media_type=PROBLEM, headers=headers)


def wants_problem(request: Request) -> bool:
    """Whether a program is asking."""
    return request.url.path.startswith(("/api/", "/healthz", "/metrics"))


def _page(
    request: Request, status: int, kind: str, detail: str = "", headers: dict[str, str] | None = None
) -> Response:
    services, language = services_of(request), _language(request)
    page = render(
        request, services, language, "error.html", now=services.clock.now(), is_fictional=services.config.demo,
        frame=None, status=status, code=status, kind=kind, detail=detail,
    )  # fmt: skip
    page.headers.update(headers or {})
    return page


def _language(request: Request) -> Language:
    first = request.url.path.lstrip("/").partition("/")[0]
    return Language(first) if first in set(Language) else Language.FR


def _login_needed(request: Request, error: Exception) -> Response:
    if wants_problem(request):
        detail = "send an API key as `Authorization: Bearer wat_…`; a session may only read"
        return problem(request, 401, detail, headers={"WWW-Authenticate": "Bearer"})
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    to = address if request.method == "GET" else ""
    return form(request, services_of(request), _language(request), to=to, status=401)


def _link_refused(request: Request, error: Exception) -> Response:
    reason = error.reason if isinstance(error, LinkRefused) else ""
    return _page(request, 403, f"link_{reason}")


def _asked(request: Request) -> str:
    """What was asked for, as a log may tell it: addresses of the demo hold phones."""
    return f"{request.method} {hide_phones(request.url.path)}"


def _forged(request: Request, error: Exception) -> Response:
    log.warning("refused %s: %s", _asked(request), error)
    return _page(request, 403, "forged")


def _right_missing(request: Request, error: Exception) -> Response:
    log.warning("refused %s: %s", _asked(request), error)
    if wants_problem(request):
        return problem(request, 403, str(error), kind="urn:ndiyan:problem:right_missing")
    return _page(request, 403, "not_yours")


def _row_missing(request: Request, error: Exception) -> Response:
    """The database refused a secretary what our table of rights let through: our mistake, and nothing is shown."""
    log.error("database refused %s", _asked(request), exc_info=error)
    return _right_missing(request, RightMissing("every zone"))


def _not_offered(request: Request, error: Exception) -> Response:
    return problem(request, 501, str(error), kind="urn:ndiyan:problem:not_offered")


def _scope_missing(request: Request, error: Exception) -> Response:
    log.warning("refused %s: %s", _asked(request), error)
    return problem(request, 403, str(error), kind="urn:ndiyan:problem:scope_missing")


def _asked_too_often(request: Request, error: Exception) -> Response:
    after_s = error.retry_after_s if isinstance(error, AskedTooOften) else RETRY_AFTER_S
    return problem(request, 429, str(error), headers={"Retry-After": str(after_s)})


def _bad_parameter(request: Request, error: Exception) -> Response:
    detail = str(_told(str(error)))
    if wants_problem(request) and isinstance(error, BadParameter):
        faults = [{"parameter": _told(error.parameter), "value": _told(error.value), "bound": error.bound}]
        return problem(request, 422, detail, kind="urn:ndiyan:problem:bad_parameter", errors=faults)
    return _page(request, 400, "bad_request", detail)


def _invalid(request: Request, error: Exception) -> Response:
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    if not wants_problem(request):
        in_path = any(fault["loc"][0] == "path" for fault in faults)
        return _page(request, 404, "not_found") if in_path else _page(request, 400, "bad_request", _first(faults))
    listed = [
        {"parameter": _name(fault), "value": _told(fault.get("input")), "bound": fault["msg"]} for fault in faults
    ]
    return problem(request, 422, _first(faults), kind="urn:ndiyan:problem:bad_parameter", errors=listed)


def _name(fault: Any) -> str:
    return str(_told(".".join(str(part) for part in fault["loc"][1:])))


def _first(faults: Any) -> str:
    fault = faults[0]
    return f"{_name(fault)}: {_told(fault.get('input'))!r}: {fault['msg']}"


def _told(value: Any, *, levels: int = TOLD_LEVELS) -> Any:
    """What a caller sent, as an answer can repeat it: JSON has no NaN, UTF-8 no half of a pair, and a list in a list
    in a list ends somewhere."""
    match value:
        case float() if not isfinite(value):
            return str(value)
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict() | list() if levels == 0:
            return "…"
        case dict():
            return {str(_told(key)): _told(one, levels=levels - 1) for key, one in value.items()}
        case list():
            return [_told(one, levels=levels - 1) for one in value]
    return value


def _not_there(request: Request, error: Exception) -> Response:
    if wants_problem(request):
        return problem(request, 404, str(error))
    return _page(request, 404, "not_found")


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if wants_problem(request):
        return problem(request, status, f"{request.method} {request.url.path}", headers=headers)
    return _page(request, status, "not_found" if status == 404 else "bad_request", headers=headers)


def _database_error(request: Request, error: Exception) -> Response:
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and meaning_of(error) in (
        Meaning.AWAY, Meaning.AGAIN,
    ):  # fmt: skip
        return _database_away(request, error)
    log.error("database refused %s", _asked(request), exc_info=error)
    return _broken(request)


def _database_away(request: Request, error: Exception) -> Response:
    log.warning("database away: %s", error)
    return _come_back(request, "away", "the database does not answer")


def _too_busy(request: Request, error: Exception) -> Response:
    log.warning("refused %s: %s", _asked(request), error)
    return _come_back(request, "busy", str(error))


def _upload_refused(request: Request, error: Exception) -> Response:
    why = error.why if isinstance(error, UploadRefused) else UploadRefusal.FULL
    log.warning("refused %s: %s", _asked(request), error)
    status, kind, headers = UPLOAD_REFUSED[why], f"upload_{why}", {"Retry-After": str(UPLOAD_RETRY_AFTER_S)}
    if wants_problem(request):
        return problem(request, status, str(error), kind=f"urn:ndiyan:problem:{kind}", headers=headers)
    return _page(request, status, kind, headers=headers)


def _come_back(request: Request, kind: str, detail: str) -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    if wants_problem(request):
        return problem(request, 503, detail, headers=headers)
    return _page(request, 503, kind, headers=headers)


def _reader_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=READER_GONE)


def _unforeseen(request: Request, error: Exception) -> Response:
    # Starlette raises the error again after this answer, so the server logs it with its traceback.
    return _broken(request)


def _broken(request: Request) -> Response:
    if wants_problem(request):
        answer = problem(request, 500, "an error of ours; it is in the log")
    else:
        answer = _page(request, 500, "broken")
    answer.headers["connection"] = "close"  # as the server does; who is not told sends into a closed link
    return answer
