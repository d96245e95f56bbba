"""People of the office who log in at their own OpenID provider, which is a real one; and those who try to."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.db import Connection
from ndiyan.doctor import find_problems
from ndiyan.settings import load_settings
from tests.alerts.carriers.peers import NodePeer, NoPeer
from tests.conftest import skip_without
from tests.surroundings import NO_SETTINGS
from tests.web.test_access import csrf_of
from tests.web.test_accounts import PASSWORD
from tests.web.web_site import Site
from web.accounts import add_account, disable, find_account
from web.app import POOL_SIZE
from web.config import ProviderConfig
from web.pages.login import RETURN
from web.rights import Role
from web.sign_on import await_mailbox

pytestmark = pytest.mark.db

HOME = "http://testserver"  # the sites' own public address
SECRET = "a secret between the provider and us"
AMINATA = {"email": "Aminata@vivaqua.example", "email_verified": True, "groups": ["ndiyan-engineers", "canteen"]}


PAUSE = timedelta(minutes=2)  # two more tries


class OpenId(NodePeer):
    """npm's `oidc-provider`, which people log in at without a form."""

    def __init__(self, folder: Path) -> None:
        start = {"secret": SECRET, "redirect": HOME + RETURN, "home": HOME}
        super().__init__(Path(__file__).parent / "openid" / "openid.js", folder, start)
        self.issuer = f"http://127.0.0.1:{self.port}"

    def knows(self, who: str | None = "u-1", claims: dict[str, Any] | None = None, **how: Any) -> None:
        """From now on `who` logs in there and it tells `claims` of them; `how` is at the head of `openid.js`."""
        usual = {"elsewhere": False, "another": None, "token": {}, "signed": "own", "document": {}}
        self._ask("/set", usual | {"who": who, "people": {who: claims or AMINATA}} | how)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What it was asked."""
        asked: list[dict[str, Any]] = self._ask("/log", None)
        return asked


@pytest.fixture(scope="module")
def openid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenId]:
    try:
        found = OpenId(tmp_path_factory.mktemp("openid"))
    except NoPeer as error:
        skip_without(request.config, "npm's OpenID provider", str(error), optional=True)
    with found:
        yield found


@pytest.fixture
def office(site: Site, openid: OpenId) -> Site:
    """A site whose people may come by the provider."""
    openid.knows()
    groups = {"ndiyan": Role.VIEWER, "ndiyan-engineers": Role.ENGINEER, "ndiyan-chiefs": Role.ADMINISTRATOR}
    config = ProviderConfig(
        openid.issuer, "ndiyan", SECRET, "Vivaqua", "openid email groups", ("vivaqua.example",), "groups", groups
    )
    return replace(site, config=replace(site.config, provider=config))


@pytest.fixture
def browser(office: Site) -> Iterator[httpx.Client]:
    with office.app() as client:
        yield client


@pytest.fixture
def connection(site: Site) -> Iterator[Connection]:
    with site.connect() as opened:
        yield opened


def _back(client: httpx.Client, to: str = "") -> str:
    """Set out, do at the provider what a browser would, and give the address of ours that it sends back to."""
    answer = client.get("/fr/entrer/ailleurs", params={"vers": to} if to else {})
    with httpx.Client() as browser:
        while not answer.headers["location"].startswith(HOME):
            answer = browser.get(httpx.URL(str(answer.url)).join(answer.headers["location"]))
    return str(answer.headers["location"]).removeprefix(HOME)


def _enters(client: httpx.Client, to: str = "") -> httpx.Response:
    return client.get(_back(client, to))


def test_an_engineer_of_the_office_comes_in_and_goes_where_they_wanted(
    office: Site, openid: OpenId, connection: Connection
) -> None:
    with office.app() as client:
        assert "Entrer par Vivaqua" in client.get("/fr/alertes").text
        answer = _enters(client, "/fr/alertes?etat=toutes")
        assert (answer.status_code, answer.headers["location"]) == (303, "/fr/alertes?etat=toutes")
        cookies = answer.headers.get_list("set-cookie")
        assert any(one.startswith("ndiyan=") and "Max-Age=43200" in one and "HttpOnly" in one for one in cookies)
        assert any(one.startswith('ndiyan-trip=""') for one in cookies)
        assert client.get("/fr/regles").status_code == 200
        assert "se règlent là-bas" in client.get("/fr/compte").text
        own = {"csrf": csrf_of(client), "mot": PASSWORD, "encore": PASSWORD}
        assert (
            client.post("/fr/compte/mot", data=own).status_code == 400
        )  # or who is let go there could still come here
        assert client.get("/fr/reglages/utilisateurs").status_code == 403
        assert client.get("/fr/entrer/ailleurs?vers=//evil.example").status_code == 303
        for site in ("cross-site", "same-site"):
            sent = client.get("/fr/entrer/ailleurs", headers={"sec-fetch-site": site})
            assert sent.status_code == 403, "another site opens no session"
        gone = client.post("/fr/sortir", data={"csrf": csrf_of(client)})
        assert f"{openid.issuer}/session/end?client_id=ndiyan&amp;post_logout_redirect_uri=http" in gone.text
        assert client.get("/fr/").status_code == 401
    asked = {one["path"]: one for one in openid.asked}
    went = asked["/auth"]["query"]
    assert (went["code_challenge_method"], went["response_type"]) == ("S256", "code")
    assert went["redirect_uri"] == HOME + RETURN
    assert min(len(went[key]) for key in ("state", "nonce")) >= 20
    assert asked["/token"]["basic"]
    assert find_account(connection, "aminata@vivaqua.example").role is Role.ENGINEER
    assert connection.execute("SELECT who, what, subject, after FROM audit_log").fetchall() == [
        ("aminata@vivaqua.example (OpenID)", "account_added", "aminata@vivaqua.example", {"role": "engineer"})
    ]


FORGED: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"token": {"iss": "https://evil.example"}}),
    ("for another client", {"token": {"aud": "canteen"}}),
    ("for another client, let on by azp", {"token": {"aud": "canteen", "azp": "ndiyan"}}),
    ("of another log-in", {"token": {"nonce": "of yesterday"}}),
    ("over", {"token": {"exp": 1_700_000_000}}),
    ("not signed", {"signed": "none"}),
    ("signed by a stranger", {"signed": "stranger"}),
    ("signed with our public key as a secret", {"signed": "public"}),
    ("signed with the client's secret", {"signed": "secret"}),
    ("of two people", {"elsewhere": True, "another": "u-2"}),
]


def test_a_token_that_is_forged_opens_nothing_and_the_log_says_what_was_wrong(
    office: Site, openid: OpenId, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with office.app() as client:
        for what, how in FORGED:
            openid.knows(**how)
            office.wall.advance(PAUSE)
            caplog.clear()
            answer = _enters(client)
            assert answer.status_code == 403, what
            assert "Ce que Vivaqua a répondu n’est pas valable" in answer.text, what
            assert re.search("refused to log in: token: .{10}", caplog.text), what
        assert client.get("/fr/").status_code == 401
    assert connection.execute("SELECT count(*) FROM account").fetchone() == (0,)


NOT_ADMITTED: list[tuple[dict[str, Any], str, str]] = [
    ({"email_verified": False}, "adresse e-mail vérifiée", "mail: the provider does not say"),
    ({"email_verified": "true"}, "adresse e-mail vérifiée", "mail: the provider does not say"),
    ({"email": "a@evil.example"}, "adresse e-mail vérifiée", "mail: 'evil.example' is none of vivaqua.example"),
    ({"email": "a@evil.example@vivaqua.example"}, "adresse e-mail vérifiée", "mail: there is no address"),
    ({"email": "a\n@vivaqua.example"}, "adresse e-mail vérifiée", "mail: there is no address"),
    ({"email": None}, "adresse e-mail vérifiée", "mail: there is no address"),
    ({"groups": ["canteen"]}, "dans aucun groupe", "group: of 1 in groups none is let in"),
    ({"groups": "canteen"}, "dans aucun groupe", "group: of 1 in groups none is let in"),
    ({"groups": [["ndiyan"]]}, "dans aucun groupe", "group: of 0 in groups none is let in"),
    ({"groups": None}, "dans aucun groupe", "group: of 0 in groups none is let in"),
    ({"groups": 7}, "dans aucun groupe", "group: of 0 in groups none is let in"),
]


def test_who_is_not_admitted_reads_why_and_gets_no_account(
    office: Site, openid: OpenId, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with office.app() as client:
        for change, sentence, logged in NOT_ADMITTED:
            openid.knows(claims=AMINATA | change)
            office.wall.advance(PAUSE)
            answer = _enters(client)
            assert answer.status_code == 403, change
            assert sentence in answer.text, change
            assert logged in caplog.text, change
        openid.knows(None)
        answer = _enters(client)
        assert "interrompue ou refusée" in answer.text
        assert "denied: access_denied: not today" in caplog.text
    assert connection.execute("SELECT count(*) FROM account").fetchone() == (0,)


def test_only_the_browser_that_set_out_comes_back_and_only_once(office: Site) -> None:
    with office.app() as client, office.app() as other:
        back = _back(client)
        assert "a été commencée ailleurs" in other.get(back).text
        other.cookies.set("ndiyan-trip", "no base64")
        assert other.get(back).status_code == 403
        assert client.get(re.sub("state=[^&]+", "state=guessed", back)).status_code == 403
        assert "a été commencée ailleurs" in client.get(back).text  # a refusal ends the way
        back = _back(client)
        assert client.get(re.sub("iss=[^&]+", "iss=https%3A%2F%2Fevil.example", back)).status_code == 403
        back = _back(client)
        trip = client.cookies["ndiyan-trip"]
        assert client.get(back).status_code == 303
        client.cookies.set("ndiyan-trip", trip)
        again = client.get(back)
        assert again.status_code == 503  # the provider takes a code once
        assert "ne s’entendent pas" in again.text


def test_an_account_that_an_administrator_tied_is_taken_over_once_and_by_nobody_else(
    office: Site, browser: httpx.Client, openid: OpenId, connection: Connection
) -> None:
    now = office.clock.now()
    add_account(connection, "Kadiatou", role=Role.VIEWER, zone=None, by="server", now=now, now_wall=office.wall.now())
    browser.get(office.login_path())
    address, form = "/fr/reglages/utilisateurs/adresse", {"csrf": csrf_of(browser), "compte": "Kadiatou"}
    assert browser.post(address, data=form | {"adresse": "nobody"}).status_code == 400
    form["adresse"] = " AMINATA@vivaqua.example"
    assert browser.post(address, data=form).status_code == 303
    assert "pas encore venu" in browser.get("/fr/reglages/utilisateurs").text
    taken = browser.post(address, data=form | {"compte": "Awa"})
    assert (taken.status_code, "est déjà l’adresse d’un autre compte" in taken.text) == (400, True)

    openid.knows(claims=AMINATA | {"groups": ["ndiyan-chiefs"]})
    before = browser.cookies["ndiyan"]
    assert _enters(browser).status_code == 303
    assert "Kadiatou" in browser.get("/fr/compte").text
    assert browser.get("/fr/reglages/utilisateurs").status_code == 403
    assert browser.get("/fr/", headers={"cookie": f"ndiyan={before}"}).status_code == 401
    assert find_account(connection, "Kadiatou").is_tied
    # Whose address is written anew is out, for whoever came by the old one.
    await_mailbox(connection, "Kadiatou", "aminata@vivaqua.example", by="server", now=now)
    assert browser.get("/fr/").status_code == 401
    assert _enters(browser).status_code == 303
    # Whoever is given the address next is somebody else there.
    openid.knows("u-2")
    answer = _enters(browser)
    assert answer.status_code == 403
    assert "Un autre compte a déjà cette adresse" in answer.text
    # And who changed their address is still who they were.
    openid.knows(claims=AMINATA | {"email": "married@vivaqua.example"})
    browser.cookies.clear()
    assert _enters(browser).status_code == 303
    assert "Kadiatou" in browser.get("/fr/compte").text
    disable(connection, "Kadiatou", by="server", now=now, now_wall=office.wall.now())
    assert "Ce compte est fermé" in _enters(browser).text
    assert browser.get("/fr/").status_code == 401


def test_the_provider_takes_rights_away_and_gives_none(
    office: Site, browser: httpx.Client, openid: OpenId, connection: Connection
) -> None:
    now, wall = office.clock.now(), office.wall.now()
    for name, role in (("Mariama", Role.VIEWER), ("Fanta", Role.ENGINEER)):
        add_account(connection, name, role=role, zone=None, by="server", now=now, now_wall=wall)
        await_mailbox(connection, name, f"{name}@vivaqua.example", by="server", now=now)

    def enters(name: str, group: str) -> Role:
        openid.knows(name, AMINATA | {"email": f"{name.lower()}@vivaqua.example", "groups": [group]})
        assert _enters(browser).status_code == 303
        return find_account(connection, name).role

    assert enters("Mariama", "ndiyan-chiefs") is Role.VIEWER
    assert enters("Fanta", "ndiyan-engineers") is Role.ENGINEER
    assert enters("Fanta", "ndiyan") is Role.VIEWER
    assert enters("Fanta", "ndiyan-engineers") is Role.VIEWER
    told = connection.execute("SELECT who, what, before, after FROM audit_log WHERE what = 'account_changed'")
    assert told.fetchall() == [("Fanta (OpenID)", "account_changed", {"role": "engineer"}, {"role": "viewer"})]
    # The last administrator stays, or nobody could undo it.
    with connection.transaction():
        connection.execute("UPDATE account SET role = 'administrator' WHERE name = 'Fanta'")
    assert enters("Fanta", "ndiyan") is Role.ADMINISTRATOR


def test_claims_that_are_told_at_the_other_address_alone_count_as_well(office: Site, openid: OpenId) -> None:
    openid.knows(elsewhere=True)
    with office.app() as client:
        assert _enters(client).status_code == 303
    assert "/me" in {one["path"] for one in openid.asked}


def test_who_must_come_by_the_provider_has_no_password_and_the_others_keep_theirs(
    office: Site, connection: Connection
) -> None:
    now, wall, links = office.clock.now(), office.wall.now(), {}
    for name, role in (("Mariama", Role.ENGINEER), ("Binta", Role.VIEWER)):
        links[name] = "/login/" + add_account(
            connection, name, role=role, zone=None, by="server", now=now, now_wall=wall
        )  # fmt: skip
    word = {"mot": PASSWORD, "encore": PASSWORD}
    assert office.config.provider is not None
    strict = replace(office.config.provider, only_for=frozenset({Role.ENGINEER}))
    with office.app() as client:
        assert client.post(links["Mariama"], data=word).status_code == 303
    with office.app(provider=strict) as client:
        assert client.post(links["Binta"], data=word).status_code == 303
        client.cookies.clear()
        refused = client.post("/fr/entrer", data={"nom": "Mariama", "mot": PASSWORD})
        assert refused.status_code == 403
        assert "n’entre pas par un mot de passe : entrez par Vivaqua" in refused.text
        wrong = client.post("/fr/entrer", data={"nom": "Mariama", "mot": "faux"})
        assert "ne vont pas ensemble" in wrong.text
        assert client.post("/fr/entrer", data={"nom": "Binta", "mot": PASSWORD}).status_code == 303
        link = "/login/" + add_account(
            connection, "Sira", role=Role.ENGINEER, zone=None, by="server", now=now, now_wall=wall
        )  # fmt: skip
        client.cookies.clear()
        assert (client.get(link).status_code, client.post(link, data=word).status_code) == (403, 403)
        assert client.get("/fr/").status_code == 401
        assert client.get(office.login_path(Role.ENGINEER)).status_code == 303  # whoever runs the server gets in


def test_a_provider_that_is_away_or_not_itself_keeps_nobody_else_out(
    office: Site, openid: OpenId, caplog: pytest.LogCaptureFixture
) -> None:
    config = office.config.provider
    assert config is not None
    with office.app(provider=replace(config, issuer="http://127.0.0.1:9")) as client:
        answer = client.get("/fr/entrer/ailleurs")
        assert (answer.status_code, "Vivaqua ne répond pas" in answer.text) == (503, True)
        assert "/.well-known/openid-configuration: " in caplog.text
        assert client.get(office.login_path()).status_code == 303
    for document, logged in (
        ({"issuer": "https://evil.example"}, "the issuer there is 'https://evil.example'"),
        ({"token_endpoint": "http://evil.example"}, "token_endpoint 'http://evil.example' is no https address"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "has none of RS256"),
        ({"code_challenge_methods_supported": ["plain"]}, "methods_supported ['plain'] has none of S256"),
    ):
        openid.knows(document=document)
        with office.app() as client:
            answer = client.get("/fr/entrer/ailleurs")
            assert (answer.status_code, "ne s’entendent pas" in answer.text) == (503, True)
            assert logged in caplog.text


def test_who_tries_too_often_waits(office: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Twenty tries of an address in a quarter of an hour, of which setting out is one."""
    caplog.set_level(logging.WARNING)
    with office.app() as client:
        for _ in range(20):
            assert client.get("/fr/entrer/ailleurs").status_code == 303
        answer = client.get("/fr/entrer/ailleurs")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "45")
        assert client.get("/entrer/retour?code=x&state=y").status_code == 429


def test_who_comes_in_has_made_one_try_and_who_is_refused_two(office: Site, connection: Connection) -> None:
    def left() -> object:
        return connection.execute("SELECT content FROM login_try").fetchone()

    with office.app() as client:
        assert _enters(client).status_code == 303
        assert left() == (19,)
        strange = httpx.URL(_back(client)).copy_set_param("code", "guessed")
        assert client.get(strange).status_code == 503, "what the provider says to it"
        assert left() == (17,)


def test_a_site_that_sends_its_visitors_back_to_us_takes_nobodys_tries(office: Site) -> None:
    with office.app() as client:
        for _ in range(25):
            assert client.get("/entrer/retour?code=x&state=y").status_code == 403
        assert client.get("/fr/entrer/ailleurs").status_code == 303


def test_a_provider_that_keeps_silent_holds_up_nobody_else(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More people set out than there are connections to the database, and each waits once."""
    monkeypatch.setattr("web.provider.TIMEOUT_S", 3.0)
    people = POOL_SIZE + 2
    with socket.create_server(("127.0.0.1", 0), backlog=people) as silent, ThreadPoolExecutor(people) as threads:
        config = ProviderConfig(
            f"http://127.0.0.1:{silent.getsockname()[1]}", "ndiyan", SECRET, "Vivaqua", "openid", ("vivaqua.example",),
            "groups", {"ndiyan": Role.VIEWER},
        )  # fmt: skip
        with site.app(provider=config) as client:
            began = time.monotonic()
            waiting = [threads.submit(client.get, "/fr/entrer/ailleurs") for _ in range(people)]
            asked, _ = silent.accept()
            assert client.get(site.login_path()).status_code == 303
            assert not any(one.done() for one in waiting)
            assert {one.result().status_code for one in waiting} == {503}
            asked.close()
            assert time.monotonic() - began < 3 * people / 2


def test_without_a_provider_its_addresses_do_not_exist(site: Site) -> None:
    with site.app() as client:
        for address in ("/fr/entrer/ailleurs", "/entrer/retour"):
            assert client.get(address).status_code == 404
        assert "OpenID" not in client.get("/fr/entrer").text


def test_the_doctor_asks_the_provider(openid: OpenId, clock: Any) -> None:
    openid.knows()
    there = {
        "NDIYAN_OIDC_ISSUER": openid.issuer, "NDIYAN_OIDC_CLIENT_ID": "ndiyan", "NDIYAN_OIDC_CLIENT_SECRET": SECRET,
        "NDIYAN_OIDC_MAIL_DOMAINS": "vivaqua.example", "NDIYAN_OIDC_VIEWER_GROUPS": "All of us, ndiyan",
    }  # fmt: skip

    def sentences(**changes: str) -> list[str]:
        found = find_problems(load_settings(NO_SETTINGS, there | changes), clock=clock)
        return [one.sentence for one in found if "OpenID" in one.sentence]

    assert sentences() == []
    (away,) = sentences(NDIYAN_OIDC_ISSUER="http://127.0.0.1:9")
    assert away.startswith("nobody can log in by the OpenID provider: away: http://127.0.0.1:9/.well-known/")
    assert sentences(NDIYAN_OIDC_CLIENT_SECRET="") == ["nobody can log in by the OpenID provider"]
    assert sentences(NDIYAN_OIDC_VIEWER_GROUPS=" ,") == ["nobody can log in by the OpenID provider"]
