"""Several web services behind a proxy: what one of them has been told, the other knows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM

import httpx
import pytest

from ndiyan.children import free_port, spawn, stop
from tests.surroundings import environment
from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_site import Site

pytestmark = pytest.mark.db
STARTS_WITHIN_S = 60.0


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Iterator[str]:
    """A second service as a process of its own; yields its address."""
    port = free_port()
    around = environment(NDIYAN_DATABASE_URL=site.url, NDIYAN_WEB_PORT=str(port), NDIYAN_INSTANCE="b")
    process = spawn([sys.executable, "-m", "ndiyan", "web"], log=tmp_path / "web.log", env=around)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while True:
            with suppress(httpx.TransportError):
                if httpx.get(f"{address}/healthz").status_code == 200:
                    break
            assert time.monotonic() < deadline, (tmp_path / "web.log").read_text("utf-8")
            time.sleep(0.05)
        yield address
    finally:
        stop(process, SIGTERM, timeout_s=10)


def test_who_logged_in_at_one_writes_at_the_other_and_guesses_count_together(site: Site, other: str) -> None:
    with site.app() as client:
        client.get(site.login_path())
        form = {"csrf": csrf_of(client), "a": "Mamadou Saliou Sow"}
        answer = client.post(f"{other}/fr/alertes/{site.alert_id}/confier", data=form)
        assert answer.status_code == 303
        assert "confiée à Mamadou Saliou Sow" in words(client.get(f"/fr/alertes/{site.alert_id}"))
        client.post(f"{other}/fr/sortir", data={"csrf": form["csrf"]})
        assert client.get("/fr/alertes").status_code in (303, 401), "logged out there is logged out here"
        guess = {"nom": "Awa", "mot": "quatre chevaux sous la pluie"}
        tries = [client.post(f"{one}/fr/entrer", data=guess).status_code for one in ("", other) * 3]
        assert tries == [403] * 5 + [429]
