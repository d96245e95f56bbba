"""One field finds zones, parts, channels, people and alerts; by every word, with or without accents, never by phone."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from tests.phones import FOUND
from tests.web.web_site import Site
from web.rights import Role

pytestmark = pytest.mark.db
SUN = "/fr/zones/zone-5/graphes?v=pv/irradiance_w_m2"


def links(page: httpx.Response) -> list[str]:
    """Where the results lead, in their order."""
    assert page.status_code == 200
    return [unescape(address) for address in re.findall(r'<li><a href="([^"]+)"', page.text)]


@pytest.mark.parametrize(
    ("asked", "leads_to"),
    [
        pytest.param("zone-3", "/fr/zones/zone-3", id="id"),
        pytest.param("hoore", "/fr/zones/zone-1", id="part-of-a-name"),
        pytest.param("LABE hoore", "/fr/zones/zone-1", id="commune-and-name-without-accents"),
        pytest.param("borne 3 zone-2", "/fr/zones/zone-2/tap-03", id="tap-of-a-zone"),
        pytest.param("chateau zone-5", "/fr/zones/zone-5/tower", id="part-by-its-word"),
        pytest.param(
            "ensoleillement zone-5", "/fr/zones/zone-5/graphes?v=pv/irradiance_w_m2", id="channel-by-its-word"
        ),
        pytest.param(
            "irradiance_w_m2 zone-5", "/fr/zones/zone-5/graphes?v=pv/irradiance_w_m2", id="channel-by-its-name"
        ),
        pytest.param("barry alpha", "/fr/zones/zone-3#committee-title", id="person-in-any-order"),
    ],
)
def test_a_word_leads_to_its_page(reader: httpx.Client, asked: str, leads_to: str) -> None:
    found = links(reader.get("/fr/chercher", params={"q": asked}))
    assert leads_to in found
    page = reader.get(leads_to)
    assert page.status_code == 200
    assert "#" not in leads_to or f'id="{leads_to.partition("#")[2]}"' in page.text


def test_an_alert_is_found_by_its_code_and_by_its_number(site: Site, visitor: httpx.Client) -> None:
    for asked in ("A7", "a7", "#A7", str(site.alert_id)):
        assert f"/fr/alertes/{site.alert_id}" in links(visitor.get("/fr/chercher", params={"q": asked}))


def test_english_words_find_in_english(reader: httpx.Client) -> None:
    assert "/en/zones/zone-2/tap-03" in links(reader.get("/en/chercher", params={"q": "tap 3 zone-2"}))


def test_a_phone_number_finds_nobody(past: Site, reader: httpx.Client) -> None:
    for asked in (past.phone, past.phone.lstrip("+"), past.phone[-6:]):
        page = reader.get("/fr/chercher", params={"q": asked})
        assert links(page) == [], asked
        assert "Rien ne porte ce nom." in page.text
    FOUND.take()  # who types a number has it in the address that they typed


@pytest.mark.parametrize(
    "asked", ["mangol", "zone-3", "barry", "A7", "borne 3", "ensoleillement", "labe", "pompe zone"]
)
def test_a_secretary_finds_what_is_in_their_own_zone_and_never_the_name_of_another(site: Site, asked: str) -> None:
    with site.app() as client:
        assert client.get(site.login_path(Role.SECRETARY, "zone-1")).status_code == 303
        page = client.get("/fr/chercher", params={"q": asked})
        assert all("/zones/zone-1" in address for address in links(page))
        for other in {"zone-2", "zone-3", "Mangol-Dow", "Alpha Oumar", "pump_not_running", "Pellel"} - {asked}:
            assert other not in page.text, other
        assert (asked in ("mangol", "zone-3", "A7")) == ("Rien ne porte ce nom." in page.text)


def test_signs_of_like_are_letters_and_nothing_asked_is_no_mistake(reader: httpx.Client) -> None:
    for asked in ("%", "_%", "\\", "zone-%", "'; DROP TABLE zone; --"):
        assert links(reader.get("/fr/chercher", params={"q": asked})) == [], asked
    empty = reader.get("/fr/chercher")
    assert links(empty) == []
    assert "On peut chercher une zone" in empty.text
    assert "Rien ne porte ce nom." not in empty.text
    assert reader.get("/fr/chercher", params={"q": "x" * 201}).status_code == 400


def test_many_results_are_counted_and_the_first_are_shown(reader: httpx.Client) -> None:
    page = reader.get("/fr/chercher", params={"q": "borne"})
    assert len([address for address in links(page) if re.search(r"/tap-\d+$", address)]) == 20
    assert "Les 20 premiers" in page.text
