"""Who may look: links, sessions, keys; every route behind its door."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from tests.web.web_site import Site
from web.access import create_api_key, create_login_link
from web.accounts import let_in
from web.app import create_app
from web.rights import Role

pytestmark = pytest.mark.db

OPEN = {
    "/healthz",
    "/login/{token}",
    "/{language}/entrer",
    "/{language}/entrer/ailleurs",
    "/entrer/retour",
    "/static",
    "/sms/{carrier}/events",
    "/sms/{carrier}/{secret}/{kind}",
}
IDS = {
    "call_id": "1", "number": "1", "backlog_id": "1",
    "language": "fr", "zone_id": "zone-3", "alert_id": "1", "set_aside_id": "1", "demo_fault_id": "1",
    "phone": "+224600000010", "token": "x", "gateway_id": "gw-3",
    "carrier": "orange", "secret": "x", "kind": "receipt", "trial_id": "1", "name": "pump_not_running.on_delay_min",
    "notification_id": "1", "photo_id": "1", "period": "2026-02", "asset_id": "pump", "path": "Things",
    "report_id": "1", "prefix": "wat_none00",
}  # fmt: skip


def csrf_of(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/fr/").text)
    assert found
    return found[1]


def every_route(site: Site) -> list[tuple[str, str, str]]:
    """(method, address, template) of each route of the application."""
    ids = IDS | {"contact_id": str(site.contact_id)}
    found = [
        (method, re.sub(r"{(\w+)(?::path)?}", lambda name: ids[name[1]], route.path), route.path)
        for route in iter_route_contexts(create_app(site.config, site.clock).routes)
        if route.methods and route.path
        for method in sorted(route.methods)
    ]
    assert len(found) > 20
    return found


def test_no_route_but_the_open_ones_answers_without_login(site: Site) -> None:
    with site.app() as client:
        for method, address, template in every_route(site):
            answer = client.request(method, address)
            if template in OPEN:
                assert answer.status_code != 401, template
                continue
            assert answer.status_code == 401, f"{method} {template}"
            assert "Mangol-Dow" not in answer.text
            if template.startswith(("/api/", "/metrics")):
                assert answer.headers["content-type"] == "application/problem+json"
            else:
                assert "ndiyan web login-link" in answer.text
        for method, address in (("TRACE", "/fr/"), ("GET", "/static/"), ("GET", "/.git/config")):
            assert client.request(method, address).status_code in (401, 404, 405), f"{method} {address}"


def test_no_unsafe_route_takes_a_session_without_the_forms_token(site: Site, visitor: httpx.Client) -> None:
    for method, address, template in every_route(site):
        if method in ("GET", "HEAD") or template in OPEN:
            continue
        answer = visitor.request(method, address, data={"zone": "zone-1", "fault": "night_leak", "contact": "1"})
        assert answer.status_code == (401 if template.startswith("/api/") else 403), f"{method} {template}"
    with site.connect() as connection:
        assert connection.execute("SELECT count(*) FROM demo_fault").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM phone_reply").fetchone() == (0,)


def test_a_form_sent_by_another_site_is_refused_even_with_the_token(site: Site, visitor: httpx.Client) -> None:
    address, form = f"/fr/alertes/{site.alert_id}/prendre", {"csrf": csrf_of(visitor)}
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert visitor.post(address, data=form, headers=headers).status_code == 403, headers
    assert visitor.post(address, data=form, headers={"origin": str(visitor.base_url)}).status_code == 303


def test_a_link_opens_once_and_then_tells_how_to_get_another(site: Site) -> None:
    path = site.login_path()
    with site.app() as first, site.app() as second:
        opened = first.get(path)
        assert opened.status_code == 303
        assert opened.headers["location"] == "/fr/"
        cookie = opened.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Secure" not in cookie
        assert first.get("/fr/").status_code == 200
        refused = second.get(path)
        assert refused.status_code == 403
        assert "Ce lien a déjà servi" in refused.text
        assert "ndiyan web login-link" in refused.text
        assert second.get("/fr/").status_code == 401
        # Whoever is in already may click the old link again.
        assert first.get(path).status_code == 303


def test_a_browser_that_only_guesses_does_not_use_the_link_up(site: Site) -> None:
    path = site.login_path()
    with site.app() as client:
        assert client.get(path, headers={"sec-purpose": "prefetch;prerender"}).status_code == 503
        assert client.get(path).status_code == 303


def test_a_link_that_has_expired_or_is_unknown_says_so(site: Site) -> None:
    path = site.login_path()
    site.wall.advance(timedelta(hours=1, seconds=1))
    with site.app() as client:
        assert "Ce lien est périmé" in client.get(path).text
        assert "pas connu ici" in client.get("/login/nonsense").text


def test_https_makes_the_cookie_secure_and_bound_to_the_host(site: Site) -> None:
    with site.app(public_url="https://ndiyan.example") as client:
        cookie = client.get(site.login_path()).headers["set-cookie"]
        assert cookie.startswith("__Host-ndiyan=")
        assert "Secure" in cookie
        assert "strict-transport-security" in client.get("/healthz").headers


def test_a_session_ends_after_twelve_idle_hours(site: Site, visitor: httpx.Client) -> None:
    site.wall.advance(timedelta(hours=11, minutes=59))
    assert visitor.get("/fr/").status_code == 200
    site.wall.advance(timedelta(hours=12))
    assert visitor.get("/fr/").status_code == 401


def test_a_session_in_use_ends_after_seven_days(site: Site, visitor: httpx.Client) -> None:
    for _ in range(14):
        assert visitor.get("/fr/alertes").status_code == 200
        site.wall.advance(timedelta(hours=11, minutes=59))
    assert visitor.get("/fr/alertes").status_code == 200
    site.wall.advance(timedelta(minutes=15))
    assert visitor.get("/fr/alertes").status_code == 401


def test_platform_time_does_not_end_sessions(site: Site, visitor: httpx.Client) -> None:
    site.clock.advance(timedelta(days=60))
    assert visitor.get("/fr/alertes").status_code == 200


def test_logging_out_ends_the_session_on_the_server(site: Site, visitor: httpx.Client) -> None:
    cookie = visitor.cookies["ndiyan"]
    assert visitor.post("/fr/sortir", data={"csrf": csrf_of(visitor)}).status_code == 200
    with site.app() as again:
        again.cookies.set("ndiyan", cookie)
        assert again.get("/fr/").status_code == 401


def test_only_hashes_of_secrets_are_kept(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        let_in(connection, "Awa", Role.ADMINISTRATOR, now_wall=site.wall.now())
        token = create_login_link(connection, person="Awa", now_wall=site.wall.now(), valid_for=timedelta(days=1))
        key = create_api_key(connection, name="script")
        assert key.startswith("wat_")
        for table in ("login_link", "web_session", "api_key"):
            rows = str(connection.execute(f"SELECT * FROM {table}").fetchall())
            assert all(secret not in rows for secret in (token, key, visitor.cookies["ndiyan"]))


def test_the_api_takes_a_key_only_as_bearer_and_a_session_only_for_reading(site: Site, visitor: httpx.Client) -> None:
    assert visitor.get("/api/v1/zones").status_code == 200
    assert visitor.post(f"/api/v1/alerts/{site.alert_id}/acknowledge").status_code == 401
    key = site.key()
    with site.app() as client:
        assert client.get("/api/v1/zones", headers={"authorization": key}).status_code == 200
        assert client.get("/api/v1/zones", headers={"authorization": key.replace("Bearer", "Basic")}).status_code == 401
        assert client.get("/api/v1/zones", headers={"authorization": key + "x"}).status_code == 401
        assert client.get(f"/api/v1/zones?key={key.split()[1]}").status_code == 401
        assert client.get("/fr/", headers={"authorization": key}).status_code == 401


def test_a_revoked_key_opens_nothing(site: Site) -> None:
    key = site.key()
    with site.connect() as connection:
        connection.execute("UPDATE api_key SET revoked_at = now()")
    with site.app() as client:
        assert client.get("/api/v1/zones", headers={"authorization": key}).status_code == 401


def test_every_answer_carries_the_security_headers(reader: httpx.Client) -> None:
    for address in ("/fr/", "/healthz", "/api/v1/zones", "/fr/nowhere", "/static/ndiyan.css"):
        headers = reader.get(address, headers={"origin": "https://evil.example"}).headers
        assert not [name for name in headers if name.startswith("access-control-")], "no other site reads an answer"
        assert "charset=utf-8" in headers["content-type"] or headers["content-type"].endswith("json")
        assert headers["cache-control"] == "private, no-cache", address
        assert "default-src 'self'" in headers["content-security-policy"], address
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    page = reader.get("/fr/zones/zone-3").text
    assert "style=" not in page
    assert not re.search(r"<script(?![^>]*src=)", page)
    assert not re.search(r"\son\w+=", page)


def test_a_body_that_is_too_long_is_refused_before_it_is_read(site: Site) -> None:
    with site.app() as client:
        assert client.post("/fr/telephone", content=b"x" * 70_000).status_code == 413
        assert client.post("/fr/telephone", content=iter([b"x"])).status_code == 411
        assert client.get("/healthz", headers={"x": "y" * 33_000}).status_code == 431
        assert client.get("/api/v1/zones?x=" + "y" * 33_000).status_code == 431


def test_pages_of_the_demo_do_not_exist_elsewhere(site: Site) -> None:
    with site.app(demo=False) as client:
        client.get(site.login_path())
        assert client.get("/fr/").status_code == 200
        for address in ("/fr/telephone", "/fr/casser", "/fr/casser/1"):
            assert client.get(address).status_code == 404, address
        client.headers["authorization"] = site.key()
        assert client.get("/api/v1/phone").status_code == 404


def test_log_ins_and_refusals_are_in_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with site.app() as client:
        client.post("/fr/entrer", data={"nom": "awa", "mot": "quatre chevaux"})
        client.get(site.login_path(Role.VIEWER))
        client.get("/fr/reglages/utilisateurs")
        client.post(f"/fr/alertes/{site.alert_id}/prendre", data={"csrf": csrf_of(client)})
        client.post("/fr/compte/sessions", data={"csrf": "x"})
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name.startswith("web")]
    lacks = "which the account's role does not have"
    assert told == [
        ("WARNING", "refused to log in: login"),
        ("INFO", "logged in"),
        ("WARNING", f"refused GET /fr/reglages/utilisateurs: this needs the right 'manage', {lacks}"),
        ("WARNING", f"refused POST /fr/alertes/{site.alert_id}/prendre: this needs the right 'act', {lacks}"),
        ("WARNING", "refused POST /fr/compte/sessions: the form's token is not this session's"),
    ]
    (entry,) = [vars(record) for record in caplog.records if record.getMessage() == "logged in"]
    assert (entry["person"], entry["way"]) == ("viewer", "link")
    assert "quatre chevaux" not in caplog.text
