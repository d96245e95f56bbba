"""A small server that plays a provider that nobody can install: a stand-in, made from documented shapes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


@dataclass
class StandIn:
    """What it was asked, and what it answers: (status, body), or None to hang up without a word."""

    answer: Callable[[Asked], tuple[int, str] | None]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def posts(self, part: str) -> list[Asked]:
        """The requests that were meant to send or to log in."""
        return [one for one in self.asked if one.method == "POST" and part in one.path]


@contextmanager
def standing_in(answer: Callable[[Asked], tuple[int, str] | None]) -> Iterator[StandIn]:
    """The server on loopback on a free port."""
    found = StandIn(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            found.asked.append(asked)
            said = found.answer(asked)
            if said is None:
                self.close_connection = True
                self.connection.close()
                return
            data = said[1].encode()
            self.send_response(said[0])
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_POST = do_HEAD = handle_any

        def log_message(self, *args: object) -> None:
            pass

        def finish(self) -> None:
            if not self.wfile.closed and not self.close_connection:
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="stand-in", daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
