"""Many people look at six zones at once: who is answered, and what memory the pages keep: `make bench-readers`.

Three zones have lately sent eight readings a second on four channels, as in `make bench-soak`, so that a page has much
to read; nothing comes in meanwhile, so what the pages keep beyond the first quarter they would keep adding to.
Readers look at one page after another, and leave when they have waited for too long.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from pathlib import Path

import httpx
from rich.console import Console

from benchmarks.crash import ZONES, bench_folder, commit, database_server
from benchmarks.processes import MeasureError, open_files, pss_mb
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import import_zones
from ndiyan.children import free_port, spawn, stop
from ndiyan.history import write_history
from ndiyan.progress import Steps
from tests.surroundings import environment
from web.access import create_login_link
from web.accounts import let_in
from web.rights import Role

SQL = queries("benchmarks", "readers")
DAYS = 7
START_WITHIN_S = 60.0
REST_S = 3.0  # after the last page of a quarter, until memory is looked at
QUARTERS = 4
LOOKED_AT = ("fr/", "fr/alertes", "fr/comparer", "fr/comptes", "fr/donnees", "fr/ndiyan", "fr/rapports")


def main() -> None:
    """Measure once and print a line before and one after each quarter of the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-readers", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readers", type=int, default=24)
    parser.add_argument("--pages", type=int, default=200, help="of all readers together")
    parser.add_argument("--patience", type=float, default=20.0, metavar="S", help="then a reader leaves")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started is ended
    print(f"commit {commit()}, {time.strftime('%Y-%m-%d %H:%M')}", flush=True)
    with bench_folder() as folder, database_server(folder) as postgres:
        postgres.start()
        _fill(postgres.url(), folder)
        _look(postgres.url(), folder, arguments.readers, arguments.pages, arguments.patience)


def _fill(url: str, folder: Path) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with connect(url) as connection:
        migrate(connection)
        import_zones(connection, ZONES)
        write_history(
            connection, ZONES, start=now - timedelta(days=DAYS), end=now, seed=1, scenario="dry-season",
            folder=folder / "past", steps=Steps(Console(stderr=True)),
        )  # fmt: skip
        connection.execute(SQL["send_much"], {"now": now, "zones": [zone.zone_id for zone in ZONES[:3]]})


def _look(url: str, folder: Path, readers: int, pages: int, patience_s: float) -> None:
    port = free_port()
    settings = folder / "ndiyan.toml"
    settings.write_text(f'[database]\nurl = "{url}"\n[web]\nport = {port}\n', "utf-8")
    env = environment(NDIYAN_SETTINGS=str(settings))
    web = spawn([sys.executable, "-P", "-m", "ndiyan", "web"], log=folder / "web.log", env=env)
    base = f"http://127.0.0.1:{port}"
    try:
        _wait_for(base, folder / "web.log")
        _tell("before", web.pid)
        with connect(url) as connection:
            browsers = [logged_in(connection, base, timeout_s=patience_s) for _ in range(readers)]
        paths = [*LOOKED_AT, *(f"fr/zones/{zone.zone_id}?span=7d" for zone in ZONES)]
        turns, found, lasted_s = zip(cycle(browsers), cycle(paths), strict=False), Counter[str](), 0.0
        for _ in range(QUARTERS):
            began_s = time.monotonic()
            with ThreadPoolExecutor(readers) as people:
                found.update(people.map(lambda turn: _answer(*turn), islice(turns, pages // QUARTERS)))
            lasted_s += time.monotonic() - began_s
            time.sleep(REST_S)
            _tell(f"after {found.total()}", web.pid)
    finally:
        stop(web, signal.SIGTERM, timeout_s=20)
    print(f"{readers} readers, {found.total()} pages in {lasted_s:.0f} s: {dict(found)}")


def logged_in(connection: Connection, base: str, *, timeout_s: float) -> httpx.Client:
    """The browser of an administrator; `httpx.HTTPError` where the pages do not let anybody in now."""
    let_in(connection, "bench", Role.ADMINISTRATOR, now_wall=datetime.now(UTC))
    token = create_login_link(connection, person="bench", now_wall=datetime.now(UTC))
    browser = httpx.Client(base_url=base, timeout=timeout_s)
    answer = browser.get(f"/login/{token}")
    if answer.is_error:
        answer.raise_for_status()
    return browser


def answers(base: str) -> bool:
    """Whether there are pages, also when what they rest on is away."""
    try:
        return httpx.get(f"{base}/healthz", timeout=5).status_code in (200, 503)
    except httpx.HTTPError:
        return False


def _answer(browser: httpx.Client, path: str) -> str:
    """The status of a page, or that its reader has left."""
    try:
        return str(browser.get(f"/{path}").status_code)
    except httpx.HTTPError:
        return "left"


def _wait_for(base: str, log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not answers(base):
        if time.monotonic() > deadline:
            raise MeasureError(f"no pages after {START_WITHIN_S:g} s: {log.read_text('utf-8')[-2000:]}")
        time.sleep(0.3)


def _tell(when: str, pid: int) -> None:
    threads = len(os.listdir(f"/proc/{pid}/task"))
    print(f"{when:<11} {pss_mb(pid, is_all=False):.0f} MB, {threads} threads, {open_files(pid)} files", flush=True)


if __name__ == "__main__":
    main()
