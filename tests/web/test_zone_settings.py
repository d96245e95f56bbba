"""Zones kept in the browser: sizes in a form, files with a preview, and nobody's work undone unseen."""

from __future__ import annotations

import html
import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from gateway.zones import Zone, zone_from_text
from ingest.registry import fetch_registered
from ingest.zone_changes import export_text, store_zones
from tests.web.test_access import csrf_of
from tests.web.web_site import Site
from web.rights import Role

pytestmark = pytest.mark.db

LIST, PAGE = "/fr/reglages/zones", "/fr/reglages/zones/zone-3"
NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def registered(site: Site, zone_id: str = "zone-3") -> Zone:
    with site.connect() as connection:
        return fetch_registered(connection, [zone_id])[zone_id]


def form_of(page: str) -> dict[str, str]:
    """What the zone's form sends when nobody has typed anything."""
    form = page[page.index('class="sizes"') :]
    found = re.findall(r'name="([\w.]+)" value="([^"]*)"', form)
    return {name: html.unescape(value) for name, value in found}


def texts_of(page: str) -> list[str]:
    """What the button below a preview would store."""
    return [html.unescape(text) for text in re.findall(r'name="texte" value="([^"]*)"', page)]


def looks(client: httpx.Client, *texts: str) -> httpx.Response:
    files = [("fichier", (f"zone-{n}.toml", text.encode())) for n, text in enumerate(texts, 1)]
    return client.post(f"{LIST}/-/voir", data={"csrf": csrf_of(client)}, files=files)


def stores(client: httpx.Client, preview: str) -> httpx.Response:
    return client.post(f"{LIST}/-/garder", data={"csrf": csrf_of(client), "texte": texts_of(preview)})


def rows(page: str) -> list[str]:
    """What would change, each key with what it is and what it would be."""
    cells = re.findall(r"<tr>.*?<code>(.*?</tr>)", page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split()) for cell in cells]


def test_a_size_is_corrected_in_the_form_seen_and_stored(site: Site, visitor: httpx.Client) -> None:
    form = form_of(visitor.get(PAGE).text)
    assert (form["tower.volume_m3"], form["place.latitude"], form["tower.full_level_m"]) == ("20", "11,352", "3,2")
    preview = visitor.post(PAGE, data=form | {"tower.volume_m3": "22,5", "taps.count": "21"}).text
    assert "tower.volume_m3 20 22,5" in rows(preview)
    assert "taps.count 20 21" in rows(preview)
    assert len(rows(preview)) == 2, "and nothing else"
    assert registered(site).asset("tower").rating["volume_m3"] == 20.0, "nothing is stored yet"
    assert stores(visitor, preview).headers["location"] == PAGE
    zone = registered(site)
    assert (zone.asset("tower").rating["volume_m3"], len(zone.taps)) == (22.5, 21)
    assert "22,5\xa0m³" in visitor.get("/fr/zones/zone-3").text.replace("22,50", "22,5")
    journal = visitor.get("/fr/reglages/journal?quoi=zone-3").text
    assert "zone changée" in journal
    assert "tower.volume_m3 22.5" in journal
    assert "Awa (web)" in visitor.get(LIST).text


def test_a_form_that_nobody_changed_stores_nothing(site: Site, visitor: httpx.Client) -> None:
    answer = visitor.post(PAGE, data=form_of(visitor.get(PAGE).text))
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert registered(site).version == 1


@pytest.mark.parametrize(
    ("typed", "french", "english"),
    [
        ({"tower.volume_m3": "-4"}, "Capacité : -4 est au-dessous de 0,5", "Capacity: -4 is below 0.5"),
        ({"taps.count": "120"}, "Nombre de bornes : 120 est au-dessus de 99", "Number of taps: 120 is above 99"),
        ({"served.people": "beaucoup"}, "Personnes desservies : 'beaucoup' n’est pas un nombre",
         "People served: 'beaucoup' is not a number"),
        ({"name": " "}, "Nom : '' n’est pas un texte", "Name: '' is not a text"),
        ({"tower.start_level_m": "3,5"}, "3,5 n’est pas au-dessous de full_level_m, 3,2",
         "3.5 is not below full_level_m, 3.2"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_form_names_the_field_the_value_and_the_bound(
    visitor: httpx.Client, typed: dict[str, str], french: str, english: str
) -> None:
    for page, told in ((PAGE, french), (PAGE.replace("/fr/", "/en/"), english)):
        form = form_of(visitor.get(PAGE).text) | typed
        answer = visitor.post(page, data=form)
        assert answer.status_code == 400
        assert told in html.unescape(answer.text)
        assert all(f'value="{html.escape(value, quote=True)}"' in answer.text for value in typed.values())


def test_a_price_that_is_taken_out_of_the_form_is_not_known_any_more(site: Site, visitor: httpx.Client) -> None:
    form = form_of(visitor.get(PAGE).text)
    preview = visitor.post(PAGE, data=form | {"tariff.gnf_per_20_l": ""}).text
    assert "tariff.gnf_per_20_l 100 retiré" in rows(preview)
    stores(visitor, preview)
    assert registered(site).gnf_per_20_l is None
    preview = visitor.post(PAGE, data=form_of(visitor.get(PAGE).text) | {"tariff.gnf_per_20_l": "150"}).text
    stores(visitor, preview)
    assert registered(site).gnf_per_20_l == 150


def test_an_import_that_would_remove_a_tower_says_so_before_it_is_stored(site: Site, visitor: httpx.Client) -> None:
    text = visitor.get(f"{PAGE}/fichier").text
    without = re.sub(r"\[tower\].*?\n\n", "", text, flags=re.DOTALL)
    preview = looks(visitor, without)
    assert preview.status_code == 200
    assert "tower.volume_m3 20 retiré" in rows(preview.text)
    assert "Château d'eau : Capacité" in html.unescape(preview.text)
    assert "ses mesures et son histoire restent" in preview.text
    assert registered(site).asset("tower")
    assert stores(visitor, preview.text).status_code == 303
    assert "tower" not in {asset.asset_id for asset in registered(site).assets}
    assert visitor.get("/fr/zones/zone-3").status_code == 200
    assert visitor.get("/fr/").status_code == 200
    back = looks(visitor, text.replace("version = 1\n", ""))
    assert "tower.volume_m3 — 20 nouveau" in rows(back.text)


def test_a_file_that_is_exported_comes_back_as_it_went_and_all_of_them_come_in_an_archive(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    answer = visitor.get(f"{PAGE}/fichier")
    assert answer.headers["content-disposition"] == 'attachment; filename="zone-3.toml"'
    assert zone_from_text(answer.text, "zone-3.toml") == replace(zones[2], version=1)
    assert "Rien ne change : la zone est déjà ainsi." in looks(visitor, answer.text).text
    with zipfile.ZipFile(io.BytesIO(visitor.get(f"{LIST}/-/tout").content)) as archive:
        assert archive.namelist() == [f"zone-{number}.toml" for number in range(1, 7)]
        assert archive.read("zone-3.toml").decode() == answer.text


def test_a_new_zone_and_a_changed_one_are_looked_at_and_stored_together(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    new = replace(zones[2], zone_id="zone-7", gateway_id="gw-7", name="Sare-Nde", committee=zones[2].committee[:1])
    preview = looks(visitor, export_text(new), export_text(replace(zones[0], people=1500)))
    assert "Nouvelle zone" in preview.text
    assert "2\u202f240 personnes, 20 bornes, 1 au comité." in preview.text
    assert "served.people 1450 1500" in rows(preview.text)
    assert site.phone not in re.sub(r'name="texte" value="[^"]*"', "", preview.text), "numbers are masked to the eye"
    assert stores(visitor, preview.text).headers["location"] == "/fr/reglages/zones/"
    assert (registered(site, "zone-7").name, registered(site, "zone-1").people) == ("Sare-Nde", 1500)
    found = visitor.get(LIST, params={"q": "sare zone-7"}).text
    assert "Sare-Nde" in found
    assert "Mangol-Dow" not in found


def test_a_gateway_of_another_zone_cannot_be_stored(visitor: httpx.Client, zones: list[Zone]) -> None:
    preview = looks(visitor, export_text(replace(zones[2], gateway_id="gw-4")))
    assert "Ne peut être enregistré :" in preview.text
    assert "belongs to zone-4" in preview.text
    assert texts_of(preview.text) == []


def test_a_file_with_a_mistake_names_file_key_value_and_bound(visitor: httpx.Client, zones: list[Zone]) -> None:
    text = export_text(zones[2])
    refused = looks(visitor, text.replace("volume_m3 = 20", "volume_m3 = -4"), text.replace("+224600000011", "+22460"))
    assert refused.status_code == 400
    shown = html.unescape(re.sub(r"<[^>]+>", "", refused.text))
    assert "zone-1.toml : tower.volume_m3 : -4 est au-dessous de 0,5" in shown
    assert "zone-2.toml : committee[1].phone" in shown
    assert "already in zone-1.toml" in html.unescape(looks(visitor, text, text).text)
    assert "is not valid TOML" in looks(visitor, "[place").text
    assert "has more than 200000 bytes" in looks(visitor, "#" * 200_001).text
    nothing = visitor.post(f"{LIST}/-/voir", data={"csrf": csrf_of(visitor)})
    assert "Choisissez un fichier de zone." in nothing.text


def test_a_form_of_an_older_state_is_shown_what_changed_and_what_was_typed(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    form = form_of(visitor.get(PAGE).text)
    with site.connect() as connection:
        store_zones(connection, [replace(zones[2], people=2300)], who="Binta (web)", now=NOW, on_pages=True)
    late = visitor.post(PAGE, data=form | {"tower.volume_m3": "25"})
    assert late.status_code == 409
    assert "Quelqu’un a changé cette zone pendant que vous regardiez" in late.text
    assert "Binta (web)" in late.text
    assert "served.people 2300" in late.text
    assert "tower.volume_m3 20 25" in rows(late.text), "what was typed"
    assert form_of(late.text)["served.people"] == "2300", "the form stands at what is now"
    assert registered(site).asset("tower").rating["volume_m3"] == 20.0


def test_a_preview_that_was_overtaken_is_shown_again_and_then_stored_knowingly(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    preview = looks(visitor, export_text(replace(zones[2], name="Mangol"))).text
    with site.connect() as connection:
        store_zones(connection, [replace(zones[2], people=2300)], who="server (CLI)", now=NOW)
    late = stores(visitor, preview)
    assert late.status_code == 409
    assert "Fait de l’état 1 de la zone, qui en est au 2" in late.text
    assert "served.people 2300 2240" in rows(late.text)
    assert registered(site).name == zones[2].name
    assert stores(visitor, late.text).status_code == 303
    assert (registered(site).name, registered(site).people) == ("Mangol", 2240)


def test_an_old_file_brought_to_the_pages_says_whose_work_it_would_undo(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    with site.connect() as connection:
        store_zones(connection, [replace(zones[2], people=2300)], who="Binta (web)", now=NOW, on_pages=True)
    preview = looks(visitor, export_text(zones[2])).text
    assert "Binta (web) a changé cette zone sur les pages" in preview
    assert "served.people 2300 2240" in rows(preview)


def test_only_an_administrator_keeps_zones(site: Site) -> None:
    for role, zone in ((Role.ENGINEER, None), (Role.VIEWER, None), (Role.SECRETARY, "zone-3")):
        with site.app() as client:
            client.get(site.login_path(role, zone))
            for address in (LIST, PAGE, f"{PAGE}/fichier", f"{LIST}/-/tout"):
                answer = client.get(address)
                assert answer.status_code == 403, address
                assert "60000001" not in answer.text
            assert stores(client, "").status_code == 403


def test_a_zone_that_is_not_there_is_not_found(visitor: httpx.Client) -> None:
    for address in (f"{LIST}/zone-9", f"{LIST}/zone-9/fichier"):
        assert visitor.get(address).status_code == 404
    assert visitor.post(PAGE, data=form_of(visitor.get(PAGE).text) | {"vu": "x"}).status_code == 400
