"""The doors of SMS routes: who is let in, what is written down before it is answered, what is refused and counted."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import httpx
import pytest

from alerts.carriers.doors import Door
from tests.web.web_site import Site

pytestmark = pytest.mark.db
DOORS = {
    "orange": Door("orange", "a-secret-of-twenty-four-letters"),
    "phone1": Door("phone1", "signing-key", is_signed=True),
}
ADDRESS = "/sms/orange/a-secret-of-twenty-four-letters"
EVENT = json.dumps({"event": "sms:received", "id": "1", "payload": {"message": "1"}}).encode()


def stored(site: Site) -> list[tuple[str, str, str]]:
    with site.connect() as connection:
        query = "SELECT carrier, kind, body FROM carrier_event ORDER BY carrier_event_id"
        return [(carrier, kind, body) for carrier, kind, body in connection.execute(query)]


def refusals(site: Site) -> dict[tuple[str, str], int]:
    with site.connect() as connection:
        rows = connection.execute("SELECT carrier, reason, number FROM carrier_refusal").fetchall()
        return {(carrier, reason): number for carrier, reason, number in rows}


def signed(client: httpx.Client, site: Site, body: bytes, *, key: str = "signing-key", age: timedelta) -> int:
    timestamp = str(int((site.wall.now() - age).timestamp()))
    signature = hmac.new(key.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()
    headers = {"x-signature": signature, "x-timestamp": timestamp}
    return client.post("/sms/phone1/events", content=body, headers=headers).status_code


def test_what_a_route_tells_is_there_when_it_is_answered_and_a_replay_changes_nothing(site: Site) -> None:
    with site.app(doors=DOORS) as client:
        for _ in range(3):
            assert client.post(f"{ADDRESS}/receipt", content=b'{"a": 1}').status_code == 200
        assert client.get(f"{ADDRESS}/receipt?ref=1&status=8").status_code == 200
        assert client.get(f"{ADDRESS}/inbound?ref=1&status=8").status_code == 200
        assert stored(site) == [
            ("orange", "receipt", '{"a": 1}'),
            ("orange", "receipt", "ref=1&status=8"),
            ("orange", "inbound", "ref=1&status=8"),
        ]


def test_a_wrong_secret_is_refused_and_counted(site: Site) -> None:
    with site.app(doors=DOORS) as client:
        for secret in ("x", "a-secret-of-twenty-four-letter", "é"):
            assert client.post(f"/sms/orange/{secret}/receipt", content=b"{}").status_code == 403
        assert client.post("/sms/phone1/signing-key/inbound", content=b"{}").status_code == 403  # it must be signed
        assert client.post("/sms/nobody/x/receipt", content=b"{}").status_code == 404
        assert client.post(f"{ADDRESS}/other", content=b"{}").status_code == 404
        assert stored(site) == []
        assert refusals(site) == {("orange", "secret"): 3, ("phone1", "secret"): 1}


@pytest.mark.parametrize(
    ("minutes", "status"),
    [pytest.param(-4, 200, id="four-ahead"), pytest.param(0, 200, id="now"), pytest.param(4, 200, id="four-behind"),
     pytest.param(6, 403, id="six-behind"), pytest.param(-6, 403, id="six-ahead")],
)  # fmt: skip
def test_a_signature_is_good_for_five_minutes(site: Site, minutes: int, status: int) -> None:
    with site.app(doors=DOORS) as client:
        assert signed(client, site, EVENT, age=timedelta(minutes=minutes)) == status
        assert refusals(site) == ({} if status == 200 else {("phone1", "clock"): 1})


def test_a_bad_signature_is_refused_and_counted(site: Site) -> None:
    with site.app(doors=DOORS) as client:
        assert signed(client, site, EVENT, key="another", age=timedelta(0)) == 403
        assert client.post("/sms/phone1/events", content=EVENT).status_code == 403
        assert client.post("/sms/orange/events", content=EVENT).status_code == 403
        assert stored(site) == []
        assert refusals(site) == {("phone1", "signature"): 2, ("orange", "signature"): 1}


def test_a_replay_of_a_signed_event_is_stored_once(site: Site) -> None:
    with site.app(doors=DOORS) as client:
        assert signed(client, site, EVENT, age=timedelta(0)) == 200
        site.wall.advance(timedelta(minutes=1))
        assert signed(client, site, EVENT, age=timedelta(0)) == 200
        assert len(stored(site)) == 1


def test_what_cannot_be_kept_is_refused_in_a_word(site: Site) -> None:
    with site.app(doors=DOORS) as client:
        assert client.post(f"{ADDRESS}/inbound").status_code == 400
        assert client.post(f"{ADDRESS}/inbound", content=b"a\0b").status_code == 400
        assert client.post(f"{ADDRESS}/inbound", content=b"x" * 70_000).status_code == 413
        assert client.post(f"{ADDRESS}/inbound", content=b"text=\xe9").status_code == 200
        assert [kind for _, kind, _ in stored(site)] == ["inbound"]


def test_without_the_database_the_route_is_told_to_come_again(site: Site) -> None:
    with site.app(doors=DOORS) as client:
        with site.connect() as connection:
            name = connection.info.dbname
        with site.admin() as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
            assert client.post(f"{ADDRESS}/receipt", content=b"{}").status_code == 503
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        assert stored(site) == []
