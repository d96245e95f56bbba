"""Who may go where: every route of the application with every role, and a secretary before another zone's doors."""

from __future__ import annotations

import json
import re

import httpx
import psycopg
import pytest

from ingest.db import Connection
from tests.web.test_access import OPEN, csrf_of, every_route
from tests.web.web_site import Site
from web.api.openapi import document
from web.app import create_app
from web.rights import DOORS, RIGHTS, Right, Role, door_of

STRANGERS = {"Mangol-Dow", "Alpha Oumar Barry", "600 00 00 10", "60000001", "Hadja Djenabou", "La pompe ne consomme"}
"""What only zone 3 has; its ids are in the addresses that ask for it, so an answer may repeat them."""
SAFE = {"GET", "HEAD"}


def _asked(method: str, template: str) -> Right:
    door = door_of(template)
    assert door is not None, f"{template}: which right does it ask for? Write a row in web/rights.py"
    return door.read if method in SAFE else door.write


@pytest.mark.db
def test_every_route_asks_for_a_right_and_every_row_has_a_route(site: Site) -> None:
    templates = {template for _, _, template in every_route(site) if template not in OPEN}
    asked = {door_of(template) for template in templates}
    assert None not in asked, {template for template in templates if door_of(template) is None}
    assert asked == set(DOORS)


@pytest.mark.db
def test_what_the_openapi_lists_is_in_the_route_table(site: Site) -> None:
    listed = {
        (method.upper(), path)
        for path, item in document(create_app(site.config, site.clock).openapi())["paths"].items()
        for method in item
    }
    known = {(method, template.replace(":path", "")) for method, _, template in every_route(site)}
    assert listed <= known
    assert len(listed) > 30


@pytest.mark.db
def test_no_browser_keeps_a_page_that_shows_a_whole_number(full: Site) -> None:
    """But for the demo's own phone, whose people are made up."""
    with full.connect() as connection:
        phones = [phone for (phone,) in connection.execute("SELECT DISTINCT phone FROM contact").fetchall()]
    shown = {}
    with full.app() as client:
        client.get(full.login_path(Role.ADMINISTRATOR))
        for method, address, template in every_route(full):
            if method != "GET" or template.startswith("/api") or "/telephone" in template:
                continue
            answer = client.get(address)
            kind = answer.headers.get("content-type", "")
            if kind.startswith("text/html") and any(phone.removeprefix("+224") in answer.text for phone in phones):
                shown[template.removeprefix("/{language}")] = answer.headers["cache-control"]
    assert {"/zones/{zone_id}/comite", "/messages/appeler"} <= shown.keys()
    assert set(shown.values()) == {"no-store"}, shown


@pytest.mark.db
@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_what_it_may_and_nothing_else(full: Site, role: Role) -> None:
    """Reading works wherever the role may read; everything else is refused, also with the form's right token."""
    zone = "zone-3" if role is Role.SECRETARY else None
    with full.app() as client:
        assert client.get(full.login_path(role, zone)).status_code == 303
        token = csrf_of(client)
        for method, address, template in every_route(full):
            if template in OPEN:
                continue
            right = _asked(method, template)
            if right not in RIGHTS[role]:
                answer = client.request(method, address, data={"csrf": token})
                wanted = {401} if method not in SAFE and _is_api(template) else {403}
                assert answer.status_code in wanted, f"{role}: {method} {template}"
                assert not [word for word in STRANGERS if word in answer.text and word not in address]
            elif method in SAFE:
                answer = client.request(method, address)
                assert answer.status_code in (200, 303, 404, 422, 501), f"{role}: {method} {template}"


@pytest.mark.db
def test_a_secretary_of_another_zone_sees_and_changes_nothing_of_this_one(full: Site) -> None:
    """Every route with the ids of zone 3, asked by the secretary of zone 1."""
    with full.app() as client, full.connect() as connection:
        assert client.get(full.login_path(Role.SECRETARY, "zone-1")).status_code == 303
        token, before = csrf_of(client), _all_of(connection)
        for method, address, template in every_route(full):
            if template in OPEN or template.endswith(("/sortir", "/openapi.json")):
                continue
            form = {"csrf": token, "cause": "pump", "a": "x", "texte": "x", "heures": "2", "raison": "x",
                    "verdict": "fausse", "contact": "1"}  # fmt: skip
            answer = client.request(method, address, **({} if method in SAFE else {"data": form}))
            assert answer.status_code < 500, f"{method} {template}"
            assert not [word for word in STRANGERS if word in answer.text and word not in address], template
        assert client.get("/fr/").status_code == 200
        assert _all_of(connection) == before


@pytest.mark.db
@pytest.mark.parametrize("question", ["?zone=zone-3", "?etat=toutes&zone=zone-3", "?v=zone-3/pump/power_w",
                                      "?contact=1", "?ref=zone-3"])  # fmt: skip
def test_a_secretary_gets_nothing_of_another_zone_by_asking_for_it(full: Site, question: str) -> None:
    with full.app() as client:
        assert client.get(full.login_path(Role.SECRETARY, "zone-1")).status_code == 303
        for address in ("/fr/", "/fr/alertes", "/fr/messages", "/fr/zones/zone-1/graphes", "/api/v1/channels",
                        "/api/v1/alerts", "/api/v1/notifications", "/api/v1/readings"):  # fmt: skip
            answer = client.get(address + question)
            assert answer.status_code < 500
            assert not [word for word in STRANGERS if word in answer.text], address


@pytest.mark.db
def test_a_secretary_does_in_their_own_zone_what_a_committee_does(full: Site) -> None:
    with full.app() as client:
        assert client.get(full.login_path(Role.SECRETARY, "zone-3")).status_code == 303
        token, alert = csrf_of(client), f"/fr/alertes/{full.alert_id}"
        assert "Mangol-Dow" in client.get("/fr/").text
        for what, form in (
            ("prendre", {}), ("endormir", {"heures": "2", "raison": "pièce commandée"}), ("reveiller", {}),
            ("juger", {"verdict": "vraie"}), ("confier", {"a": "Awa"}), ("visite", {"texte": "fusible changé"}),
            ("clore", {"cause": "part_replaced", "mots": ""}), ("rouvrir", {}),
        ):  # fmt: skip
            answer = client.post(f"{alert}/{what}", data=form | {"csrf": token})
            assert answer.status_code == 303, what
            assert "refus" not in answer.headers["location"], what
        with full.connect() as connection:
            kinds = [kind for (kind,) in connection.execute(
                "SELECT kind FROM alert_event WHERE who = 'secretary zone-3 (web)' ORDER BY event_id")]  # fmt: skip
        assert kinds == [
            "acknowledged",
            "shelved",
            "unshelved",
            "confirmed",
            "assigned",
            "visited",
            "closed",
            "reopened",
        ]


@pytest.mark.db
def test_a_secretary_forgets_who_asks_for_it_in_their_own_zone_alone(full: Site) -> None:
    person = "SELECT contact_id FROM contact WHERE zone_id = %s AND is_active ORDER BY rank LIMIT 1"
    with full.connect() as connection:
        ours, theirs = (connection.execute(person, [zone]).fetchall()[0][0] for zone in ("zone-3", "zone-1"))
    with full.app() as client:
        assert client.get(full.login_path(Role.SECRETARY, "zone-3")).status_code == 303
        token = {"csrf": csrf_of(client)}
        assert client.post(f"/fr/messages/accord/{theirs}/oublier", data=token).status_code == 404
        assert client.post(f"/fr/messages/accord/{ours}/oublier", data=token).status_code == 303
        assert "Mangol-Dow" in client.get("/fr/").text, "and sees no more than before"
        assert client.get("/fr/zones/zone-1").status_code == 404
    with full.connect() as connection:
        known = "SELECT count(*) FROM contact WHERE contact_id = ANY(%s) AND is_active"
        assert connection.execute(known, [[ours, theirs]]).fetchall() == [(1,)]


@pytest.mark.db
def test_a_secretary_sees_whom_to_call_about_an_alert_of_their_own_zone_and_of_no_other(full: Site) -> None:
    with full.connect() as connection:
        due = "SELECT z.zone_id, name FROM call_list LEFT JOIN alert USING (alert_id) JOIN zone z ON z.zone_id ="
        calls = connection.execute(
            f"{due} coalesce(alert.zone_id, call_list.zone_id) WHERE called_at IS NULL"
        ).fetchall()
        connection.execute("UPDATE alert SET state = 'open' WHERE alert_id = %s", [full.alert_id])
    assert {zone for zone, _ in calls} == {"zone-3", "zone-5"}
    for zone, name in calls:
        with full.app() as client:
            assert client.get(full.login_path(Role.SECRETARY, zone)).status_code == 303
            page = client.get("/fr/messages/appeler").text
            assert name in page
            assert [other for _, other in calls if other != name and other in page] == []


@pytest.mark.db
def test_whoever_comes_after_a_secretary_on_the_same_connection_sees_all_zones(site: Site) -> None:
    with site.app() as secretary, httpx.Client(base_url=secretary.base_url) as engineer:
        assert secretary.get(site.login_path(Role.SECRETARY, "zone-1")).status_code == 303
        assert engineer.get(site.login_path(Role.ENGINEER)).status_code == 303
        for _ in range(3):
            assert "Mangol-Dow" not in secretary.get("/fr/").text
            assert secretary.get("/fr/zones/zone-3").status_code == 404
            assert "Mangol-Dow" in engineer.get("/fr/").text


@pytest.mark.db
def test_the_database_gives_the_narrow_role_nothing_without_a_zone_and_nothing_else(site: Site) -> None:
    with site.connect() as connection:
        connection.execute("SET ROLE ndiyan_zone")
        for table in ("zone", "contact", "alert", "notification", "channel"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        connection.execute("SELECT set_config('ndiyan.zone', 'zone-3', false)")
        assert connection.execute("SELECT zone_id FROM zone").fetchall() == [("zone-3",)]
        for table in ("account", "web_session", "api_key", "login_link", "set_aside", "rule_setting", "audit_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT FROM {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute(
                "INSERT INTO contact (zone_id, name, role, phone, language, rank)"
                " VALUES ('zone-1', 'X', 'commune', %s, 'fr', 99)",
                ["+224600000999"],
            )
        assert connection.execute("UPDATE contact SET name = 'X' WHERE zone_id = 'zone-1'").rowcount == 0


def _is_api(template: str) -> bool:
    return template.startswith(("/api/", "/metrics"))


def _all_of(connection: Connection) -> str:
    """Everything that zone 3 has and people can change."""
    found = [
        connection.execute(f"SELECT to_jsonb(t) FROM {table} t ORDER BY to_jsonb(t)::text").fetchall()
        for table in ("alert", "alert_event", "alert_photo", "contact", "notification", "report", "call_list",
                      "consent_log", "rule_setting", "takings", "report_draft", "published_report", "phone_reply")
    ]  # fmt: skip
    return json.dumps(found)


@pytest.mark.db
@pytest.mark.parametrize("role", [Role.VIEWER, Role.SECRETARY, Role.ENGINEER])
def test_no_page_offers_a_link_that_its_reader_may_not_open(full: Site, role: Role) -> None:
    pages = (
        "",
        "alertes",
        f"alertes/{full.alert_id}",
        "rapports",
        "messages",
        "messages/accord",
        "compte",
        "chercher?q=zone",
        *(f"zones/zone-3{part}" for part in ("", "/pump", "/tower", "/bornes", "/gateway", "/calendrier", "/graphes")),
    )
    with full.app() as client:
        client.get(full.login_path(role, "zone-3" if role is Role.SECRETARY else None))
        for page in pages:
            answer = client.get(f"/fr/{page}")
            assert answer.status_code == 200, page
            for href in re.findall(r'href="(/[^"#?]*)', answer.text):
                door = None if href.startswith("/static") else door_of(href)
                assert door is None or door.read in RIGHTS[role], f"/fr/{page} offers {href}"
            assert "/fr/rapports" in answer.text
