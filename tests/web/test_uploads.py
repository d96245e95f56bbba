"""Photos and files come at the pace of a village's network: nobody else waits for them, and not without bounds."""

from __future__ import annotations

import shutil
import socket
import time
from collections import namedtuple
from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from tests.alerts.test_photos import picture
from tests.web.test_access import csrf_of
from tests.web.test_api_doors import key_with
from tests.web.test_pages import words
from tests.web.web_site import Site
from web.access import Scope
from web.rights import Role
from web.turns import AT_ONCE as TURNS
from web.uploads import Uploads

pytestmark = pytest.mark.db

LARGE = bytes(100_000)
Usage = namedtuple("Usage", "total used free")


class Slow:
    """Someone whose request has begun to come: its head and a part of its body."""

    def __init__(self, client: httpx.Client, request: httpx.Request) -> None:
        whole = request.read()
        head = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1", "connection: close"]
        head += [f"{name}: {value}" for name, value in request.headers.items() if name != "connection"]
        self._rest = whole[1000:]
        self._socket = socket.create_connection((client.base_url.host, client.base_url.port or 80), 20)
        self._socket.sendall("\r\n".join([*head, "", ""]).encode() + whole[:1000])

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send_the_rest(self) -> bytes:
        """The first line of the answer."""
        self._socket.sendall(self._rest)
        return self.answer()

    def answer(self) -> bytes:
        """The same without having sent everything."""
        return self._socket.makefile("rb").readline().strip()


def photo_of(client: httpx.Client, site: Site, number: int = 0) -> httpx.Request:
    """A photo as a form sends it, larger than what is read before a turn; each number is another one."""
    return client.build_request(
        "POST", f"/fr/alertes/{site.alert_id}/photos", data={"csrf": csrf_of(client), "legende": f"vanne {number}"},
        files={"photo": ("p.jpg", picture(size=(400 + number, 300)) + LARGE, "image/jpeg")},
    )  # fmt: skip


def logged_in(people: ExitStack, client: httpx.Client, site: Site, role: Role) -> httpx.Client:
    """One more browser at the same server."""
    one = people.enter_context(httpx.Client(base_url=client.base_url, timeout=30))
    assert one.get(site.login_path(role)).status_code == 303
    return one


def wait_until_begun(client: httpx.Client, request: httpx.Request, status: int) -> httpx.Response:
    """What is answered once those who began before are counted."""
    end_s = time.monotonic() + 20
    while (answer := client.send(request)).status_code != status:
        assert time.monotonic() < end_s, answer.text
        time.sleep(0.05)
    return answer


def test_four_photos_from_slow_phones_keep_nobody_from_a_page_and_arrive(site: Site) -> None:
    """Each once held a turn while it came: four people in villages stopped every page for everybody."""
    with site.app() as client, ExitStack() as people:
        senders = [logged_in(people, client, site, role) for role in (Role.ADMINISTRATOR, Role.ENGINEER)] * (TURNS // 2)
        slow = [
            people.enter_context(Slow(client, photo_of(sender, site, number))) for number, sender in enumerate(senders)
        ]
        assert client.get("/healthz", timeout=8).status_code == 200  # sooner than a turn is waited for
        assert senders[0].get("/fr/", timeout=8).status_code == 200
        assert [one.send_the_rest() for one in slow] == [b"HTTP/1.1 303 See Other"] * TURNS
        page = senders[0].get(f"/fr/alertes/{site.alert_id}").text
    assert all(f'alt="vanne {number}"' in page for number in range(TURNS))


def test_a_third_at_a_time_is_refused_to_one_person_and_nobody_else(site: Site) -> None:
    with site.app() as client, ExitStack() as people:
        awa, engineer = (logged_in(people, client, site, role) for role in (Role.ADMINISTRATOR, Role.ENGINEER))
        slow = [people.enter_context(Slow(client, photo_of(awa, site))) for _ in range(2)]
        refused = wait_until_begun(awa, photo_of(awa, site), 429)
        assert "Deux de vos envois sont encore en route" in words(refused)
        assert refused.headers["retry-after"] == "60"
        assert engineer.send(photo_of(engineer, site)).status_code == 303
        assert slow[0].send_the_rest() == b"HTTP/1.1 303 See Other"
        assert wait_until_begun(awa, photo_of(awa, site), 303)


def test_where_all_places_are_taken_the_next_hears_so_until_somebody_has_left(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.app.Uploads", partial(Uploads, at_once=1))
    with site.app() as client, ExitStack() as people:
        awa = logged_in(people, client, site, Role.ADMINISTRATOR)
        with Slow(client, photo_of(awa, site)):
            engineer = logged_in(people, client, site, Role.ENGINEER)
            assert (
                "Trop de fichiers arrivent à la fois" in wait_until_begun(engineer, photo_of(engineer, site), 503).text
            )
            client.headers["authorization"] = f"Bearer {key_with(site, Scope.SEND)}"
            told = client.post("/api/v1/backlogs?zone=zone-2", content=LARGE)
            assert (told.status_code, told.json()["type"]) == (503, "urn:ndiyan:problem:upload_full")
            assert told.json()["detail"] == "1 files are on their way here already"
        assert wait_until_begun(engineer, photo_of(engineer, site), 303), "who hung up has no place any more"


def test_what_does_not_come_in_time_is_given_up_and_kept_nowhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.app.Uploads", partial(Uploads, at_once=1, within_s=0.3))
    with site.app() as client, ExitStack() as people:
        awa = logged_in(people, client, site, Role.ADMINISTRATOR)
        for _ in range(2):  # the place is free again
            with Slow(client, photo_of(awa, site)) as slow:
                assert slow.answer() == b"HTTP/1.1 408 Request Timeout"
        assert "<img" not in awa.get(f"/fr/alertes/{site.alert_id}").text.split("Photos", 1)[-1]


def test_the_last_room_on_the_disk_is_not_for_files(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 200_050_000, 200_050_000))
    with site.app() as client:
        client.get(site.login_path())
        refused = client.send(photo_of(client, site))
        assert refused.status_code == 507
        assert "Le disque du serveur est presque plein" in refused.text


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        pytest.param("POST", "/fr/alertes/1/photos", {}, 401, id="stranger"),
        pytest.param("POST", "/fr/profils/essai", {}, 401, id="stranger-with-a-form"),
        pytest.param("POST", "/fr/apporter", {"origin": "http://evil.example"}, 403, id="another-site"),
        pytest.param("POST", "/api/v1/backlogs", {"authorization": "Bearer wat_nonsense"}, 401, id="unknown-key"),
        pytest.param("GET", "/fr/apporter", {}, 413, id="nothing-is-read-by-get"),
    ],
)
def test_who_may_not_send_hears_so_before_anything_is_kept(
    site: Site, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    with site.app() as client:
        request = client.build_request(method, path, content=LARGE, headers=headers)
        with Slow(client, request) as slow:
            assert slow.answer().split()[1] == str(status).encode()


def test_a_viewer_and_a_key_that_only_reads_hear_so_before_anything_is_kept(site: Site) -> None:
    with site.app() as client, ExitStack() as people:
        viewer = logged_in(people, client, site, Role.VIEWER)
        key = {"authorization": f"Bearer {key_with(site, Scope.READ)}"}
        for request in (
            photo_of(viewer, site),
            client.build_request("POST", f"/api/v1/alerts/{site.alert_id}/photos?shows=x", content=LARGE, headers=key),
        ):
            with Slow(client, request) as slow:
                assert slow.answer() == b"HTTP/1.1 403 Forbidden"
