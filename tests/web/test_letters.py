"""Letters that are none, and numbers that are none: refused at the door, and no error of ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.web.test_access import OPEN, csrf_of, every_route
from tests.web.web_site import Site
from web.letters import odd_letter

SAFE = {"GET", "HEAD"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged as an error of ours."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("Pellel Bantan, « 3 m³ » 🚰\r\n", None, id="as-people-write"),
        pytest.param("a\0b", "\0", id="nul"),
        pytest.param("é\0", "\0", id="nul-behind-an-accent"),
        pytest.param("a\ud800b", "\ud800", id="first-half"),
        pytest.param("\udfff", "\udfff", id="second-half"),
    ],
)
def test_what_no_text_holds_is_found(text: str, odd: str | None) -> None:
    assert odd_letter(text) == odd


@pytest.mark.db
@pytest.mark.usefixtures("quiet")
def test_a_stranger_whose_name_holds_a_nul_is_told_so(site: Site) -> None:
    with site.app() as client:
        for field in ("nom", "mot", "vers"):
            answer = client.post("/fr/entrer", data={"nom": "Awa", "mot": "long and secret", field: "a\0b"})
            assert answer.status_code == 400, field
            assert "Cette demande n’est pas possible" in answer.text
            assert f"{field}: &#39;\\x00&#39; is no letter" in answer.text
        files = {"nom": (None, b"a\\ud800b"), "mot": (None, b"x")}
        odd = {"content-type": "multipart/form-data; boundary=b; charset=raw_unicode_escape"}
        body = b"".join(
            b'--b\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
            for name, (_, value) in files.items()
        )
        assert client.post("/fr/entrer", content=body + b"--b--\r\n", headers=odd).status_code == 400
        for address in ("/fr/entrer?vers=%00", "/login/a%00b", "/fr/%00", "/static/%00", "/healthz?x=%00"):
            assert client.get(address).status_code in (200, 400, 401, 404), address


@pytest.mark.db
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/fr/zones/%00", 404),
        ("/fr/alertes?quoi=%00", 400),
        ("/fr/reglages/journal?qui=%00", 400),
        ("/fr/reglages/zones/%00", 404),
        ("/fr/chercher?q=a%00", 400),
        ("/api/v1/zones/%00", 404),
        ("/api/v1/alerts?zone=%00", 422),
    ],
)
def test_an_address_that_nothing_can_have_is_a_mistake_of_whoever_asks(
    reader: httpx.Client, address: str, status: int
) -> None:
    answer = reader.get(address)
    assert answer.status_code == status
    is_problem = answer.headers["content-type"] == "application/problem+json"
    assert is_problem == address.startswith("/api/")


@pytest.mark.db
@pytest.mark.usefixtures("quiet")
def test_no_route_reads_a_nul(site: Site, visitor: httpx.Client) -> None:
    """Each route with one in its query, in each part of its path that is a text, and in a field of a form."""
    key, token, asked = {"authorization": site.key()}, csrf_of(visitor), 0
    for method, address, template in every_route(site):
        if template in OPEN:
            continue
        is_api = template.startswith(("/api/", "/metrics"))
        form = {"csrf": token, "texte": "a\0b"}
        more = {"headers": key} if is_api else {"data": form} if method not in SAFE else {}
        parts = {name: re.sub(rf"{{{name}(:path)?}}", "%00", template) for name in re.findall(r"{(\w+)", template)}
        others = [re.sub(r"{\w+(:path)?}", "1", one.replace("{language}", "fr")) for one in parts.values()]
        for changed in (f"{address}?x=%00", *others, *([] if method in SAFE or is_api else [address])):
            answer = visitor.request(method, changed, **more)
            assert answer.status_code in (400, 401, 403, 404, 405, 422), f"{method} {changed}"
            asked += 1
    assert asked > 300


@pytest.mark.db
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("what", "body", "parameter", "value"),
    [
        pytest.param("shelve", b'{"hours": NaN, "why": "x"}', "hours", "nan", id="nan"),
        pytest.param("shelve", b'{"hours": 1e999, "why": "x"}', "hours", "inf", id="beyond-any-number"),
        pytest.param("shelve", b'{"hours": %s1%s, "why": "x"}' % (b"[" * 300, b"]" * 300), "hours", None, id="deep"),
        pytest.param("visit", b'{"text": "a\\ud800b"}', "text", "a\\ud800b", id="half-a-pair"),
        pytest.param("visit", b'{"text": "a\\u0000b"}', "text", "a\0b", id="nul"),
        pytest.param("acknowledge", b'{"who": "\\udfff"}', "who", "\\udfff", id="half-a-name"),
    ],
)
def test_json_that_no_answer_can_repeat_is_refused_by_its_field(
    site: Site, script: httpx.Client, what: str, body: bytes, parameter: str, value: str | None
) -> None:
    answer = script.post(f"/api/v1/alerts/{site.alert_id}/{what}", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (fault,) = answer.json()["errors"]
    assert fault["parameter"] == parameter
    assert value is None or fault["value"] == value
    assert fault["bound"]


@pytest.mark.db
@pytest.mark.usefixtures("quiet")
def test_a_rule_that_is_no_number_is_refused(script: httpx.Client) -> None:
    address = "/api/v1/rules/pump_not_running.on_delay_min"
    for text in (b"NaN", b"Infinity", b"-1e999"):
        answer = script.put(address, content=b'{"value": %s, "why": "x"}' % text, headers=JSON)
        assert answer.status_code == 422, text
