"""Six zones with a past in a database of the test's own, and the application on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn

from gateway.clock import ManualClock, SystemClock
from gateway.zones import Zone, load_zones
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan.shipped_files import shipped
from tests.databases import database
from tests.phones import watched
from tests.web.web_seed import (
    seed_alert,
    seed_event,
    seed_files,
    seed_messages,
    seed_notification,
    seed_readings,
    seed_sms,
    seed_talk,
    seed_trials,
)
from web.access import PREFIX_LENGTH, create_api_key, create_login_link
from web.accounts import add_account, let_in
from web.app import create_app
from web.config import BreakableFault, WebConfig
from web.rights import Role
from web.server import Patient, server_config

ZONES = tuple(f"zone-{number}" for number in range(1, 7))
BREAKABLE = (
    BreakableFault(
        "pump_not_running",
        "La pompe s'arrête",
        "The pump stops",
        "Une heure.",
        "An hour.",
        ZONES,
    ),
    BreakableFault(
        "inverter_trip",
        "L'onduleur déclenche",
        "The inverter trips",
        "Une heure.",
        "An hour.",
        ZONES,
    ),
    BreakableFault("pv_string_loss", "Une rangée disparaît", "A string is gone", "Jamais.", "Never.", ZONES),
    BreakableFault("low_chlorine", "Le doseur est vide", "The doser is empty", "Une heure.", "An hour.", ZONES[2:3]),
)
TEXT = "MANGOL-DOW: pompe arretee depuis 09:38 malgre le soleil. Rep: 1 vu 2 en route 3 repare 0 aide. A7"


@contextmanager
def serving(app: Any, http: type[Patient] = Patient) -> Iterator[str]:
    """The application on a real server on loopback, in a thread; gives its address."""
    server = uvicorn.Server(server_config(watched(app), host="127.0.0.1", port=0, http=http))
    thread = threading.Thread(target=server.run, name="web under test")
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


@dataclass
class Site:
    """The application under test with what was put into its database."""

    url: str
    config: WebConfig
    clock: ManualClock
    wall: ManualClock
    alert_id: int
    contact_id: int
    phone: str

    @contextmanager
    def app(self, **changes: Any) -> Iterator[httpx.Client]:
        """A client that nobody has logged in; `changes` are other settings."""
        app = create_app(replace(self.config, **changes), self.clock, wall=self.wall)
        with serving(app) as address, httpx.Client(base_url=address, timeout=30) as client:
            yield client

    def login_path(self, role: Role = Role.ADMINISTRATOR, zone: str | None = None) -> str:
        """A fresh log-in link for Awa; other roles have people of their own."""
        person, now = "Awa" if role is Role.ADMINISTRATOR else f"{role} {zone or ''}".strip(), self.wall.now()
        with connect(self.url) as connection:
            if zone is None:
                let_in(connection, person, role, now_wall=now)
            else:
                add_account(connection, person, role=role, zone=zone, by="Awa", now=now, now_wall=now)
            token = create_login_link(connection, person=person, now_wall=now, valid_for=timedelta(hours=1))
        return f"/login/{token}"

    def key(self) -> str:
        """A fresh API key as a header's value."""
        with connect(self.url) as connection:
            return "Bearer " + create_api_key(connection, name="script")

    def connect(self) -> Connection:
        """A connection of the test's own."""
        return connect(self.url)

    def admin(self) -> Connection:
        """A connection to the server's own database, from which this one can be closed."""
        return connect(psycopg.conninfo.make_conninfo(self.url, dbname="postgres"))


def prefix_of(script: httpx.Client) -> str:
    """How the key of a program begins, as the journal shows it."""
    return script.headers["authorization"].removeprefix("Bearer ")[:PREFIX_LENGTH]


def make_site(url: str, zones: list[Zone], clock: ManualClock) -> Site:
    """Zone 3 has an alert of which its exploitant was told; zone 5 had one four days ago. No readings."""
    now = clock.now()
    with connect(url) as connection:
        import_zones(connection, zones)
        alert_id = seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=now)
        seed_alert(
            connection, "zone-5", "dry_running", code="A2", opened_at=now - timedelta(days=4), state="resolved",
            resolved_at=now - timedelta(days=4) + timedelta(hours=3),
        )  # fmt: skip
        contact_id, phone = connection.execute(
            "SELECT contact_id, phone FROM contact WHERE zone_id = 'zone-3' AND role = 'exploitant'"
        ).fetchone() or (0, "")
        seed_notification(connection, alert_id, contact_id=contact_id, text=TEXT, at=now)
        seed_event(
            connection, alert_id, "told", at=now, who="ndiyan",
            detail={"name": "Alpha Oumar Barry", "role": "exploitant", "text": TEXT},
        )  # fmt: skip
    config = WebConfig(url, demo=True, breakable=BREAKABLE, public_url="http://testserver")
    wall = ManualClock(SystemClock().now())
    return Site(url, config, clock, wall, alert_id, contact_id, phone)


@pytest.fixture
def site(database_url: str, zones: list[Zone], clock: ManualClock) -> Site:
    """A site of this test alone, without readings."""
    return make_site(database_url, zones, clock)


def fill(site: Site) -> None:
    """Give zone 3 something of every kind, so that every address of it has something to show."""
    now = site.clock.now()
    with site.connect() as connection:
        seed_messages(connection, load_zones([shipped("zones")])[2], now=now)
        seed_sms(connection, site.alert_id, now=now)
        seed_talk(connection, site.alert_id, now=now)
        seed_trials(connection, now)
        seed_files(connection, now)
        connection.execute(
            "INSERT INTO alert_photo (alert_id, added_at, added_by, shows, width, height, jpeg, sha256)"
            " VALUES (%s, %s, 'Awa (web)', 'the pump of zone-3', 1, 1, 'x', 'x')", (site.alert_id, now),
        )  # fmt: skip


@pytest.fixture
def full(site: Site) -> Site:
    """A site of this test alone, filled."""
    fill(site)
    return site


@pytest.fixture(scope="session")
def past(postgres: str, _template: str, zones: list[Zone]) -> Iterator[Site]:
    """A site for tests that only read, with nine days of readings: zone 3's pump stands since 09:40, zone 4 is
    silent since 05:00, zone 6 never spoke; zone 2 has an account of messages."""
    with database(postgres, f"{_template}_past", template=_template) as url:
        found = make_site(url, zones, ManualClock(datetime(2026, 3, 2, 10, 40, tzinfo=UTC)))
        now = found.clock.now()
        with connect(url) as connection:
            for zone in zones[:5]:
                silent = [(now - timedelta(hours=5, minutes=40), now + timedelta(days=1))]
                skip = silent if zone.zone_id == "zone-4" else []
                stops = now - timedelta(hours=1) if zone.zone_id == "zone-3" else None
                seed_readings(connection, zone, now=now, days=9, skip=skip, pump_stops_at=stops)
            seed_messages(connection, zones[1], now=now)
        yield found


@pytest.fixture(scope="session")
def reader(past: Site) -> Iterator[httpx.Client]:
    """Somebody who has logged in to `past`: looks and changes nothing."""
    with past.app() as client:
        assert client.get(past.login_path()).status_code == 303
        yield client


@pytest.fixture
def visitor(site: Site) -> Iterator[httpx.Client]:
    """Somebody who has logged in."""
    with site.app() as client:
        assert client.get(site.login_path()).status_code == 303
        yield client


@pytest.fixture
def script(site: Site) -> Iterator[httpx.Client]:
    """A program with an API key."""
    with site.app() as client:
        client.headers["authorization"] = site.key()
        yield client
