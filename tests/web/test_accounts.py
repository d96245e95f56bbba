"""People who log in: by password, by link, with a code of their phone; and those who try to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pyotp
import pytest

from ingest.db import Connection
from tests.web.web_site import Site
from web.access import create_login_link, purpose_of
from web.accounts import (
    add_account,
    change_password,
    change_role,
    disable,
    drop_code,
    enable,
    find_account,
    log_in,
    offer_code,
    password_link,
    reset,
    set_password,
    take_up_code,
)
from web.errors import AccountRefused, CodeRefused, LinkRefused, LoginRefused, PasswordRefused
from web.limits import MOST_BUCKETS, Limiter, Tries
from web.passwords import Passwords, check_password, step_of_code
from web.rights import Role

PASSWORD, OTHER = "quatre chevaux sous la pluie", "cinq vaches sous le soleil"


@pytest.fixture
def connection(site: Site) -> Iterator[Connection]:
    with site.connect() as opened:
        yield opened


def _added(site: Site, connection: Connection, name: str, role: Role = Role.ENGINEER, zone: str | None = None) -> str:
    now = site.clock.now()
    token = add_account(connection, name, role=role, zone=zone, by="Awa (web)", now=now, now_wall=site.wall.now())
    return f"/login/{token}"


def _with_password(site: Site, connection: Connection, name: str, role: Role = Role.ENGINEER) -> None:
    link = _added(site, connection, name, role)
    with site.app() as client:
        assert client.post(link, data={"mot": PASSWORD, "encore": PASSWORD}).status_code == 303


def _enters(client: httpx.Client, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return client.post("/fr/entrer", data={"nom": name, "mot": password} | more)


@pytest.mark.db
def test_a_new_engineer_sets_a_password_by_a_link_and_logs_in_with_it(site: Site, connection: Connection) -> None:
    link = _added(site, connection, "Mariama")
    with site.app() as client:
        shown = client.get(link)
        assert "Mariama" in shown.text
        assert shown.text.count('type="password"') == shown.text.count('autocomplete="new-password"') == 2
        assert client.get(link).status_code == 200  # looking does not use it up
        short = client.post(link, data={"mot": "court", "encore": "court"})
        assert short.status_code == 400
        assert "Ce mot de passe a 5 caractères ; il en faut 12 au moins et 200 au plus." in short.text
        assert "ne sont pas les mêmes" in client.post(link, data={"mot": PASSWORD, "encore": "autre"}).text
        assert client.post(link, data={"mot": PASSWORD, "encore": PASSWORD}).status_code == 303
        assert client.get("/fr/").status_code == 200
        assert client.post(link, data={"mot": PASSWORD, "encore": PASSWORD}).status_code == 403
    with site.app() as client:
        assert client.get("/fr/alertes").status_code == 401
        answer = _enters(client, " mariama", vers="/fr/alertes?etat=toutes")
        assert (answer.status_code, answer.headers["location"]) == (303, "/fr/alertes?etat=toutes")
        assert "Mariama" in client.get("/fr/alertes").text
    kept = connection.execute("SELECT password FROM account WHERE name = 'Mariama'").fetchone()
    assert kept is not None
    assert kept[0].startswith("$argon2id$")


@pytest.mark.db
def test_a_wrong_password_and_an_unknown_name_are_told_in_the_same_words(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    _added(site, connection, "Fanta")  # has no password yet
    with site.app() as client:
        names = ("Mariama", "Personne", "Fanta")
        known, unknown, without = (_enters(client, name, "faux mot de passe") for name in names)
        assert known.status_code == unknown.status_code == without.status_code == 403
        assert known.text.replace("Mariama", "X") == unknown.text.replace("Personne", "X")
        assert "ne vont pas ensemble" in known.text
        assert _enters(client, "Mariama").status_code == 303


@pytest.mark.db
def test_the_sixth_try_waits_and_says_how_long_and_others_are_not_held_up(site: Site, connection: Connection) -> None:
    """Five tries in a quarter of an hour, one more every three minutes."""
    _with_password(site, connection, "Mariama")
    _with_password(site, connection, "Boubacar")
    with site.app() as client:
        for _ in range(5):
            assert _enters(client, "Mariama", "faux").status_code == 403
        refused = _enters(client, "MARIAMA")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "180"
        assert "Trop d’essais. Le prochain est possible dans 3\u00a0min." in refused.text
        assert _enters(client, "Boubacar").status_code == 303
        site.wall.advance(timedelta(minutes=3, seconds=1))
        assert _enters(client, "Mariama").status_code == 303


@pytest.mark.db
def test_a_form_to_log_in_that_another_site_sends_is_refused(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    with site.app() as client:
        form = {"nom": "Mariama", "mot": PASSWORD}
        assert client.post("/fr/entrer", data=form, headers={"origin": "https://evil.example"}).status_code == 403
        assert client.get("/fr/").status_code == 401


@pytest.mark.db
@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example", "/login/abc", "x"])
def test_nobody_is_sent_to_another_site_after_logging_in(site: Site, connection: Connection, to: str) -> None:
    _with_password(site, connection, "Mariama")
    with site.app() as client:
        assert _enters(client, "Mariama", vers=to).headers["location"] == "/fr/"


@pytest.mark.db
def test_a_code_of_the_phone_opens_once_and_a_recovery_code_in_its_place(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    now, passwords = site.wall.now(), Passwords()
    made = pyotp.TOTP(offer_code(connection, "Mariama"))
    with pytest.raises(CodeRefused):
        take_up_code(connection, "Mariama", "000000" if made.at(now) != "000000" else "111111", now=now, now_wall=now)
    spare = take_up_code(connection, "Mariama", made.at(now), now=now, now_wall=now)
    assert len(set(spare)) == 10

    def enter(code: str) -> None:
        log_in(connection, name="Mariama", password=PASSWORD, code=code, passwords=passwords, now_wall=now)

    for code in ("", made.at(now)):  # none; the one that was shown before
        with pytest.raises(CodeRefused):
            enter(code)
    now += timedelta(seconds=60)
    enter(f" {made.at(now)[:3]} {made.at(now)[3:]}")
    with pytest.raises(CodeRefused):
        enter(made.at(now))
    enter(spare[3].upper().replace("-", " "))
    with pytest.raises(CodeRefused):
        enter(spare[3])
    with pytest.raises(LoginRefused):
        log_in(connection, name="Mariama", password="faux", code=spare[4], passwords=passwords, now_wall=now)
    drop_code(connection, "Mariama", now=now)
    enter("")


@pytest.mark.db
def test_a_reset_ends_sessions_and_password_and_code_at_once(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    with site.app() as client:
        assert _enters(client, "Mariama").status_code == 303
        made = pyotp.TOTP(offer_code(connection, "Mariama"))
        take_up_code(connection, "Mariama", made.at(site.wall.now()), now=site.clock.now(), now_wall=site.wall.now())
        first = reset(connection, "Mariama", by="Awa (web)", now=site.clock.now(), now_wall=site.wall.now())
        second = reset(connection, "Mariama", by="Awa (web)", now=site.clock.now(), now_wall=site.wall.now())
        assert client.get("/fr/").status_code == 401
        assert _enters(client, "Mariama").status_code == 403
        assert client.get(f"/login/{first}").status_code == 403  # only the last link counts
        assert client.get(f"/login/{second}").status_code == 200
        site.wall.advance(timedelta(days=3, seconds=1))
        assert "périmé" in client.get(f"/login/{second}").text
    assert not find_account(connection, "Mariama").has_code


@pytest.mark.db
def test_a_reset_in_the_moment_of_a_log_in_lets_nobody_in(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    now = site.wall.now()

    class Slow(Passwords):
        """An administrator resets the account while the hash is worked out."""

        def fits(self, kept: str | None, password: str) -> bool:
            """As ever, and late."""
            is_right = super().fits(kept, password)
            reset(connection, "Mariama", by="Awa (web)", now=now, now_wall=now)
            return is_right

    with pytest.raises(LoginRefused):
        log_in(connection, name="Mariama", password=PASSWORD, code="", passwords=Slow(), now_wall=now)
    assert connection.execute("SELECT count(*) FROM web_session WHERE person = 'Mariama'").fetchone() == (0,)


@pytest.mark.db
def test_who_clicks_twice_is_let_in_twice(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    both = threading.Barrier(2)

    class Together(Passwords):
        """Two tries are through with their hash at the same time."""

        def fits(self, kept: str | None, password: str) -> bool:
            """As ever, and with the other."""
            is_right = super().fits(kept, password)
            both.wait(20)
            return is_right

    def enter(passwords: Passwords) -> str:
        with site.connect() as own:
            return log_in(
                own, name="Mariama", password=PASSWORD, code="", passwords=passwords, now_wall=site.wall.now()
            ).person

    with ThreadPoolExecutor(2) as clicks:
        assert list(clicks.map(enter, [Together()] * 2)) == ["Mariama"] * 2


@pytest.mark.db
def test_a_name_has_one_bucket_of_tries_however_its_letters_are_written(connection: Connection) -> None:
    tries, now = Tries(connection), datetime(2026, 3, 2, tzinfo=UTC)
    for number, spelling in enumerate(("Mariama", "MARIAMA", "mariamA", " Mariama", "mAriama")):
        assert tries.wait_s(spelling, f"10.0.0.{number}", now=now) == 0
    assert tries.wait_s("MaRiAmA", "10.0.0.9", now=now) > 0


@pytest.mark.db
def test_whoever_is_disabled_is_out_at_once_and_comes_back_as_before(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    with site.app() as client:
        assert _enters(client, "Mariama").status_code == 303
        disable(connection, "Mariama", by="Awa (web)", now=site.clock.now(), now_wall=site.wall.now())
        assert client.get("/fr/").status_code == 401
        assert _enters(client, "Mariama").status_code == 403
        enable(connection, "Mariama", by="Awa (web)", now=site.clock.now())
        assert _enters(client, "Mariama").status_code == 303
    told = connection.execute("SELECT what FROM audit_log WHERE subject = 'Mariama' ORDER BY audit_id").fetchall()
    assert [what for (what,) in told] == ["account_added", "password_set", "account_disabled", "account_enabled"]


AFTER_WHICH: dict[str, Callable[[Connection, str, datetime], object]] = {
    "reset": lambda connection, _, at: reset(connection, "Mariama", by="Awa (web)", now=at, now_wall=at),
    "closed-and-opened": lambda connection, _, at: (
        disable(connection, "Mariama", by="Awa (web)", now=at, now_wall=at),
        enable(connection, "Mariama", by="Awa (web)", now=at),
    ),
    "another-password-by-link": lambda connection, link, at: set_password(
        connection, link, OTHER, passwords=Passwords(), now=at, now_wall=at
    ),
    "another-password": lambda connection, _, at: change_password(
        connection, "Mariama", old=PASSWORD, new=OTHER, passwords=Passwords(), session=b"", now=at
    ),
}


@pytest.mark.db
@pytest.mark.parametrize("happens", AFTER_WHICH)
def test_links_that_nobody_used_open_nothing_after(site: Site, connection: Connection, happens: str) -> None:
    """Whoever is sent away may still have one; `ndiyan web login-link` asks for neither password nor code."""
    _with_password(site, connection, "Mariama")
    at = site.wall.now()
    way_in = create_login_link(connection, person="Mariama", now_wall=at)
    to_set = password_link(connection, "Mariama", now_wall=at)
    AFTER_WHICH[happens](connection, to_set, at)
    for link in (way_in, to_set):
        with pytest.raises(LinkRefused, match="used"):
            purpose_of(connection, link, now_wall=at)


@pytest.mark.db
def test_another_role_holds_from_the_next_click_on(site: Site, connection: Connection) -> None:
    _with_password(site, connection, "Mariama")
    with site.app() as client:
        assert _enters(client, "Mariama").status_code == 303
        assert client.get("/fr/mis-de-cote").status_code == 200
        change_role(connection, "mariama", role=Role.SECRETARY, zone="zone-1", by="Awa (web)", now=site.clock.now())
        assert client.get("/fr/mis-de-cote").status_code == 403
        assert client.get("/fr/zones/zone-3").status_code == 404
        assert client.get("/fr/zones/zone-1").status_code == 200


@pytest.mark.db
def test_accounts_that_cannot_be_are_refused_with_the_reason(site: Site, connection: Connection) -> None:
    _added(site, connection, "Chef", Role.ADMINISTRATOR)
    now, wall = site.clock.now(), site.wall.now()
    for name, role, zone, why in (
        ("", Role.VIEWER, None, "1 to 60 letters"), ("x" * 61, Role.VIEWER, None, "1 to 60 letters"),
        ("chef", Role.VIEWER, None, "there is an account"), ("Sira", Role.SECRETARY, None, "one zone that exists"),
        ("Sira", Role.SECRETARY, "zone-99", "one zone that exists"),
    ):  # fmt: skip
        with pytest.raises(AccountRefused, match=why):
            add_account(connection, name, role=role, zone=zone, by="Awa (web)", now=now, now_wall=wall)
    with pytest.raises(AccountRefused, match="last administrator"):
        disable(connection, "Chef", by="Chef (web)", now=now, now_wall=wall)
    with pytest.raises(AccountRefused, match="last administrator"):
        change_role(connection, "Chef", role=Role.VIEWER, zone=None, by="Chef (web)", now=now)
    assert find_account(connection, "Chef").role is Role.ADMINISTRATOR


@pytest.mark.db
def test_the_audit_log_only_grows(connection: Connection, site: Site) -> None:
    _added(site, connection, "Mariama")
    for change in ("UPDATE audit_log SET who = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(Exception, match="audit_log only grows"):
            connection.execute(change)


@pytest.mark.parametrize(("password", "why"), [
    pytest.param("x" * 11, "length", id="too-short"),
    pytest.param("abcdefgh" * 26, "length", id="too-long"),
    pytest.param("abababababab", "plain", id="too-plain"),
    pytest.param("mot de Mariama ici", "name", id="their-name"),
    pytest.param("ndiyan et rien d'autre", "name", id="our-name"),
])  # fmt: skip
def test_a_password_that_is_easily_guessed_is_refused(password: str, why: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        check_password(password, name="Mariama")
    assert refused.value.why == why


def test_the_same_letters_typed_otherwise_are_the_same_password() -> None:
    """`é` as one letter, or as `e` with an accent behind it, as some keyboards send it."""
    passwords = Passwords()
    kept = passwords.hash("\u00e9l\u00e9phant dans le couloir")
    assert passwords.fits(kept, "e\u0301le\u0301phant dans le couloir")
    assert not passwords.fits(kept, "elephant dans le couloir")
    assert not passwords.fits(None, "elephant dans le couloir")


def test_the_code_of_rfc_6238() -> None:
    """The test vector of appendix B: the secret 12345678901234567890, 1111111109 s: …081804, six digits of 07081804."""
    secret, at = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", datetime.fromtimestamp(1_111_111_109, UTC)
    step = 1_111_111_109 // 30
    assert step_of_code(secret, "081804", after=0, now=at) == step
    assert step_of_code(secret, "081804", after=step, now=at) is None
    assert step_of_code(secret, "081804", after=0, now=at + timedelta(seconds=30)) == step
    assert step_of_code(secret, "081804", after=0, now=at + timedelta(seconds=61)) is None


def test_tries_of_a_network_count_together_whichever_service_is_asked(site: Site, connection: Connection) -> None:
    now = site.wall.now()
    with site.connect() as other:
        for number in range(20):
            tries = Tries((connection, other)[number % 2])
            assert tries.wait_s(f"name {number}", f"2001:db8::{number + 1}", now=now) == 0.0
        assert Tries(other).wait_s("another", "2001:db8::ffff", now=now) == pytest.approx(45.0)  # 900 s for 20
    tries = Tries(connection)
    assert tries.wait_s("another", "2001:db8:1::1", now=now) == 0.0
    assert tries.wait_s("another", "2001:db8::ffff", now=now + timedelta(seconds=46)) == 0.0
    tries.wait_s("another", "192.0.2.1", now=now + timedelta(minutes=16))
    kept = connection.execute("SELECT count(*) FROM login_try").fetchone()
    assert kept == (2,), "what is full again is forgotten: left are the name and the address of the last try"


def test_who_tried_too_often_while_the_clock_was_a_day_ahead_need_not_wait_for_a_day(connection: Connection) -> None:
    clock_is_right = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    tries = Tries(connection)
    while tries.wait_s("mariama", "192.0.2.1", now=clock_is_right + timedelta(days=1)) == 0.0:
        pass
    assert tries.wait_s("mariama", "192.0.2.1", now=clock_is_right) == 0.0


def test_the_memory_of_requests_is_bounded() -> None:
    limiter = Limiter(5, timedelta(minutes=15))
    for number in range(3 * MOST_BUCKETS):
        limiter.wait_s(b"%d" % number, now_s=0.0)
    assert len(limiter._buckets) <= MOST_BUCKETS
