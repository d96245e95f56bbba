"""The API's doors: scopes, how often a key may ask, what is not sent twice, and problems where something is wrong."""

from __future__ import annotations

import base64
from datetime import timedelta

import httpx
import pytest
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ingest.db import connect
from tests.web.web_site import Site
from web.access import Scope, create_api_key, list_api_keys, revoke_api_key
from web.api import models
from web.api.openapi import document, example_of
from web.app import create_app
from web.errors import KeyUnknown
from web.etags import is_known
from web.limits import Limiter

LEVEL = "/api/v1/readings?channel=zone-1/tower/level_m&resolution=3600&end=2026-03-02T10:00:00Z"


def key_with(site: Site, *scopes: Scope) -> str:
    with connect(site.url) as connection:
        return create_api_key(connection, name="grafana", scopes=scopes)


@pytest.mark.db
def test_a_key_for_reading_reads_and_changes_nothing(site: Site) -> None:
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.READ)}"
        assert client.get("/api/v1/zones").status_code == 200
        refused = client.post(f"/api/v1/alerts/{site.alert_id}/acknowledge")
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:ndiyan:problem:scope_missing"
        assert "'write'" in refused.json()["detail"]
        assert client.get(f"/api/v1/alerts/{site.alert_id}").json()["state"] == "open"


@pytest.mark.db
def test_a_key_for_writing_alone_reads_nothing(site: Site) -> None:
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.WRITE)}"
        assert client.get("/api/v1/zones").status_code == 403
        assert client.post(f"/api/v1/alerts/{site.alert_id}/acknowledge").json()["changed"]


@pytest.mark.db
def test_a_list_leads_to_its_next_page_by_its_header(site: Site) -> None:
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.READ)}"
        answer = client.get("/api/v1/channels?zone=zone-3&limit=20")
        seen = [one["id"] for one in answer.json()["items"]]
        while "next" in answer.links:
            answer = client.get(answer.links["next"]["url"])
            seen += [one["id"] for one in answer.json()["items"]]
        assert answer.json()["next"] is None
        whole = client.get("/api/v1/channels?zone=zone-3")
        assert "link" not in whole.headers
        assert seen == [one["id"] for one in whole.json()["items"]]
        assert len(seen) > 20


@pytest.mark.db
def test_programs_that_know_only_passwords_send_the_key_as_one(site: Site) -> None:
    key = key_with(site, Scope.READ)
    with site.app() as client:
        assert client.get("/api/v1/zones", auth=("qgis", key)).status_code == 200
        assert client.get("/api/v1/zones", auth=("qgis", key + "x")).status_code == 401
        for broken in ("Basic é", "Basic %%%", f"Basic {base64.b64encode(b'no colon').decode()}", f"Digest {key}"):
            headers = {"authorization": broken.encode("latin-1")}
            assert client.get("/api/v1/zones", headers=headers).status_code == 401, broken


@pytest.mark.db
def test_keys_are_listed_without_the_key_and_revoked_by_how_they_begin(site: Site) -> None:
    key = key_with(site, Scope.READ, Scope.EXPORT)
    with connect(site.url) as connection, site.app() as client:
        client.headers["authorization"] = f"Bearer {key}"
        assert client.get("/api/v1/zones").status_code == 200
        (listed,) = list_api_keys(connection)
        assert (listed.name, listed.scopes) == ("grafana", ("export", "read"))
        assert listed.last_used_at is not None
        assert key.startswith(listed.prefix)
        assert len(listed.prefix) == 10
        assert key not in str(connection.execute("SELECT * FROM api_key").fetchall())
        assert revoke_api_key(connection, listed.prefix) == "grafana"
        assert client.get("/api/v1/zones").status_code == 401
        with pytest.raises(KeyUnknown, match="no key that opens anything begins like this"):
            revoke_api_key(connection, listed.prefix)


@pytest.mark.db
def test_a_key_that_asks_too_often_waits_and_others_do_not(site: Site) -> None:
    # Three a minute: three at once, then one every 20 s.
    with site.app(requests_per_minute=3) as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.READ)}"
        assert [client.get("/api/v1/rules").status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = client.get("/api/v1/rules")
        assert refused.headers["retry-after"] == "20"
        assert refused.json()["detail"] == "more than 3 requests a minute; try again in 20 s"
        other = {"authorization": f"Bearer {key_with(site, Scope.READ)}"}
        assert client.get("/api/v1/rules", headers=other).status_code == 200
        site.wall.advance(timedelta(seconds=20))
        assert [client.get("/api/v1/rules").status_code for _ in range(2)] == [200, 429]


def test_a_bucket_fills_to_a_minutes_requests_and_no_further() -> None:
    limiter = Limiter(60)
    assert [limiter.wait_s(b"a", now_s=0) for _ in range(60)] == [0.0] * 60
    assert limiter.wait_s(b"a", now_s=0) == pytest.approx(1.0)
    assert limiter.wait_s(b"b", now_s=0) == 0.0
    assert [limiter.wait_s(b"a", now_s=3600) for _ in range(60)] == [0.0] * 60
    assert limiter.wait_s(b"a", now_s=3600.25) == pytest.approx(0.75)
    assert limiter.wait_s(b"a", now_s=1800) == pytest.approx(1.0), "a clock that goes back gives nothing"


@pytest.mark.db
def test_whoever_has_an_answer_is_told_so_and_gets_no_body(reader: httpx.Client) -> None:
    for address in (LEVEL, "/api/v1/zones", "/api/v1/openapi.json", "/api/v1/alerts?limit=1"):
        first = reader.get(address)
        tag = first.headers["etag"]
        assert tag.startswith('W/"')
        assert first.headers["cache-control"] == "private, no-cache"
        for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            again = reader.get(address, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag), address
        assert reader.get(address, headers={"if-none-match": 'W/"other"'}).content == first.content
    assert reader.get(f"{LEVEL}&limit=1").headers["etag"] != reader.get(LEVEL).headers["etag"]
    assert "etag" not in reader.get("/api/v1/zones/zone-9", headers={"if-none-match": "*"}).headers


@pytest.mark.db
def test_ages_alone_change_no_tag_and_news_does(site: Site, script: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute(
            "INSERT INTO latest SELECT channel_id, %(now)s, %(now)s, 1, 1 FROM channel"
            " WHERE zone_id = 'zone-1' AND name = 'level_m'",
            {"now": site.clock.now()},
        )
    tag = script.get("/api/v1/zones").headers["etag"]
    site.clock.advance(timedelta(seconds=90))
    assert script.get("/api/v1/zones", headers={"if-none-match": tag}).status_code == 304
    script.post(f"/api/v1/alerts/{site.alert_id}/acknowledge")
    alerts = script.get("/api/v1/alerts").headers["etag"]
    script.post(f"/api/v1/alerts/{site.alert_id}/mark", json={"is_true": False})
    assert script.get(f"/api/v1/alerts/{site.alert_id}", headers={"if-none-match": alerts}).status_code == 200


def test_a_list_of_tags_is_read_as_the_standard_says() -> None:
    assert is_known('W/"a"', '"x", W/"a"')
    assert is_known('W/"a"', '"a"')
    assert not is_known('W/"a"', "")
    assert not is_known('W/"a"', 'W/"ab"')


@pytest.mark.db
def test_long_lists_come_page_by_page_each_row_once(reader: httpx.Client) -> None:
    for address, size in (("/api/v1/zones?", 4), ("/api/v1/channels?", 50), ("/api/v1/account/gaps?", 1)):
        whole = reader.get(address).json()
        assert whole["next"] is None
        found, cursor = [], ""
        while cursor is not None:
            page = reader.get(f"{address}limit={size}" + (f"&cursor={cursor}" if cursor else "")).json()
            assert 0 < len(page["items"]) <= size
            found, cursor = found + page["items"], page["next"]
        assert found == whole["items"], address
        assert len(found) > size, address
        for wrong in ("x", "WyJhIl0", "bnVsbA", "e30"):
            answer = reader.get(f"{address}cursor={wrong}")
            assert answer.status_code == 422, wrong
            assert answer.json()["errors"][0]["parameter"] == "cursor"


@pytest.mark.db
def test_whatever_is_wrong_is_a_problem(site: Site, script: httpx.Client) -> None:
    long = script.post("/api/v1/alerts/1/mark", content=b"x" * 70_000)
    chunked = script.post("/api/v1/alerts/1/mark", content=iter([b"{}"]))
    garbled = script.post("/api/v1/alerts/1/mark", content=b"{", headers={"content-type": "application/json"})
    answers = {413: long, 411: chunked, 422: garbled, 404: script.get("/api/v1/nowhere"),
               405: script.delete("/api/v1/zones"), 401: httpx.get(f"{script.base_url}/api/v1/zones")}  # fmt: skip
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json", status
        assert answer.json()["status"] == status
    assert answers[405].headers["allow"] == "GET"


def _document(site: Site) -> dict[str, object]:
    app = create_app(site.config, site.clock)
    return document(get_openapi(title="Ndiyan", version="1", routes=app.routes))


@pytest.mark.db
def test_every_operation_shows_what_it_takes_and_answers(site: Site) -> None:
    schema = _document(site)
    shown = 0
    for path, methods in schema["paths"].items():  # type: ignore[attr-defined]
        for method, operation in methods.items():
            answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            for part in [*answers, *([operation["requestBody"]] if "requestBody" in operation else [])]:
                for kind, content in part.get("content", {}).items():
                    assert content.get("example") is not None, f"{method} {path} {kind}"
                    assert content["example"] != "null", path
                    shown += 1
            problems = [answer for status, answer in operation["responses"].items() if status.startswith(("4", "5"))]
            for problem in problems:
                assert problem["content"]["application/problem+json"]["example"]["title"], path
    assert shown > 40


@pytest.mark.db
def test_every_models_example_is_one(site: Site) -> None:
    schemas = _document(site)["components"]["schemas"]  # type: ignore[index]
    checked = 0
    for name, model in vars(models).items():
        if isinstance(model, type) and issubclass(model, BaseModel) and name in schemas:
            example = example_of(schemas[name], schemas)
            assert model.model_validate(example), name
            assert example.keys() == model.model_fields.keys(), name
            checked += 1
    assert checked > 40
