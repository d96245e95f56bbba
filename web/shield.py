"""What every answer carries: security headers, how long it may be kept; and how large a request may be."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.photos import MOST_BYTES
from gateway.whole import whole
from ingest.backlog_files import MOST_BYTES as MOST_FILE_BYTES
from web.problems import problem, wants_problem
from web.turns import MAX_BODY_BYTES, SAFE_METHODS

MAX_HEAD_BYTES = 32 * 1024  # nginx allows as much (`large_client_header_buffers 4 8k`)
PHOTOS = re.compile(r"/(?:[a-z]{2}|api/v1)/(?:alertes|alerts)/\d+/photos")  # and here a picture comes with it
TRIALS = re.compile(r"/[a-z]{2}/(?:profils/.*|reglages/zones/-/.*)")  # a message and a profile, or zone files
TRIAL_BYTES = 2 * 1024 * 1024
FILES = re.compile(r"/(?:[a-z]{2}/apporter|api/v1/backlogs)")
WORKER = "/static/offline.js"  # the one script that may answer for all pages
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class Shield:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse a body that is too long or does not say how long it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if scope["path"] == WORKER:
                    headers["service-worker-allowed"] = "/"
                if "cache-control" not in headers:
                    headers["cache-control"] = _cache_control(scope)
            await send(message)

        headers = Headers(scope=scope)
        length = whole(headers.get("content-length", "0"))
        longest = MAX_BODY_BYTES if scope["method"] in SAFE_METHODS else _longest(scope["path"])
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            answer = _refusal(scope, 431, f"the head is longer than {MAX_HEAD_BYTES} bytes")
            await answer(scope, receive, send_shielded)
        elif "transfer-encoding" in headers:
            answer = _refusal(scope, 411, "say the length of the body")
            await answer(scope, receive, send_shielded)
        elif length is None or not 0 <= length <= longest:
            answer = _refusal(scope, 413, f"the body is longer than {longest} bytes")
            await answer(scope, receive, send_shielded)
        else:
            await self._app(scope, receive, send_shielded)


def _head_bytes(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return len(scope["raw_path"]) + len(scope["query_string"]) + headers


def _longest(path: str) -> int:
    if PHOTOS.fullmatch(path):
        return MAX_BODY_BYTES + MOST_BYTES
    if FILES.fullmatch(path):
        return MAX_BODY_BYTES + MOST_FILE_BYTES
    return TRIAL_BYTES if TRIALS.fullmatch(path) else MAX_BODY_BYTES


def _refusal(scope: Scope, status: int, detail: str) -> Response:
    request = Request(scope)
    return problem(request, status, detail) if wants_problem(request) else PlainTextResponse(detail, status)


def _cache_control(scope: Scope) -> str:
    """A static file whose address carries its content's hash never changes; pages are asked for anew."""
    if scope["path"].startswith("/static/") and b"v=" in scope["query_string"]:
        return "public, max-age=31536000, immutable"
    return "private, no-cache"
