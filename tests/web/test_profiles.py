"""An engineer meets a message that nothing could read, finds the profile, mends it and keeps it."""

from __future__ import annotations

from html import unescape

import httpx
import pytest

from ingest.admission import Message
from ingest.db import connect
from ingest.pipeline import Pipeline
from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_site import Site
from web.profiles import bytes_of

pytestmark = pytest.mark.db
UPLINK = b"""{"time": "2026-03-02T10:40:00+00:00", "deviceInfo": {"devEui": "a84041"},
 "object": {"water_level": 231, "rssi": -7}}"""
POINTS = '[[points]]\npoint = "water_level"\nis = "tower/level_m"\nunit = "cm"\n'


@pytest.fixture
def stranger(site: Site) -> int:
    """The number of an uplink that was set aside, because no zone file names its device."""
    received_us = round(site.clock.now().timestamp() * 1e6)
    with connect(site.url) as connection:
        Pipeline(connection).store([Message("application/7/device/a84041/event/up", UPLINK, received_us, 1, 1)])
        row = connection.execute("SELECT set_aside_id FROM set_aside").fetchone()
    assert row is not None
    return int(row[0])


def test_an_unknown_device_is_shown_with_a_guess_and_tried_with_its_points(
    visitor: httpx.Client, stranger: int
) -> None:
    aside = visitor.get(f"/en/mis-de-cote/{stranger}")
    assert f"/en/profils/essayer?message={stranger}" in aside.text
    first = visitor.get(f"/en/profils/essayer?message={stranger}")
    assert "chirpstack-v4 ChirpStack 4 (Milesight and others, with a codec) points found: 2, reads this topic" in words(
        first
    )
    assert "water_level a84041 231 no rule takes it" in words(first)
    csrf = csrf_of(visitor)
    body = first.text.split('name="profil" rows="16" required>')[1].split("</textarea>")[0]
    form = {"csrf": csrf, "sujet": "application/7/device/a84041/event/up", "message": UPLINK.decode()}
    tried = visitor.post("/en/profils/essayer", data=form | {"profil": unescape(body), "points": POINTS})
    assert "water_level a84041 231 tower/level_m 2.310 m" in words(tried)
    wrong = visitor.post(
        "/en/profils/essayer", data=form | {"profil": unescape(body), "points": POINTS.replace("cm", "bar")}
    )
    assert "points[0].unit: 'bar' is none of 'm', 'cm'" in words(wrong)


def test_a_pasted_message_is_tried_with_the_profile_that_is_chosen(visitor: httpx.Client) -> None:
    form = {"csrf": csrf_of(visitor), "sujet": "village/x", "message": '{"tower/level_m": 2.31}', "profil": "…"}
    page = visitor.post("/fr/profils/essayer", data=form)
    assert 'name="choisi" value="plain"' in page.text
    chosen = words(visitor.post("/fr/profils/essayer", data=form | {"choisi": "plain"}))
    assert "tower/level_m 2.31 tower/level_m 2,310 m" in chosen.replace("\u00a0", " ")
    assert "Objet JSON simple, de nombres points trouvés : 1" in chosen.replace("\u00a0", " ")
    assert visitor.post("/fr/profils/essayer", data=form | {"choisi": "nobody"}).status_code == 404


def test_a_profile_is_kept_shown_as_ones_own_and_forgotten(visitor: httpx.Client) -> None:
    page = visitor.get("/fr/profils/essayer?profil=victron-gx")
    assert "solarcharger/279/Yield/Power" in words(page)
    csrf = csrf_of(visitor)
    body = unescape(page.text.split('name="profil" rows="16" required>')[1].split("</textarea>")[0])
    mine = body.replace("Victron GX (Venus OS)", "Notre Cerbo")
    typed = {"sujet": "N/a/b/c/d", "message": '{"value": 41}', "points": "# de Mangol-Dow"}
    refused = visitor.post(
        "/fr/profils/garder", data={"csrf": csrf, "profil": mine.replace("= 936 }", "= 937 }")} | typed
    )  # fmt: skip
    assert refused.status_code == 400
    assert 'role="alert"' in refused.text
    shown = unescape(refused.text)
    assert [one for one in (*typed.values(), "= 937 }", "Notre Cerbo") if one not in shown] == [], "nothing is lost"
    assert visitor.post("/fr/profils/garder", data={"csrf": csrf, "profil": mine}).status_code == 303
    listed = words(visitor.get("/fr/profils"))
    assert "victron-gx Notre Cerbo N/+/+/+/# Oublier" in listed
    assert visitor.post("/fr/profils/victron-gx/oublier", data={"csrf": csrf}).status_code == 303
    assert "Notre Cerbo" not in words(visitor.get("/fr/profils"))
    assert visitor.post("/fr/profils/victron-gx/oublier", data={"csrf": csrf}).status_code == 404


def test_an_empty_trial_asks_for_a_message(reader: httpx.Client) -> None:
    page = reader.get("/fr/profils/essayer")
    assert "Essayer un profil" in words(page)
    assert reader.get("/fr/profils/essayer?profil=none").status_code == 404


@pytest.mark.parametrize(
    ("pasted", "payload"), [("01 67 00 ff", b"\x01\x67\x00\xff"), (' {"a": 1} ', b'{"a": 1}'), ("1337", b"1337")]
)
def test_what_is_pasted_as_hexadecimal_is_bytes(pasted: str, payload: bytes) -> None:
    assert bytes_of(pasted) == payload
