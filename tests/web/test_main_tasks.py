"""The main tasks of an engineer, in a real Chromium, as somebody would do them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from alerts.telling import begin
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.admission import Message
from ingest.columns import Columns
from ingest.pipeline import Pipeline
from ingest.profiles.own import keep_profile
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter
from tests.alerts.test_photos import picture
from tests.web.test_browser import TOO_SMALL, WCAG, chromium, enter, problems_of
from tests.web.web_seed import seed_alert, seed_readings
from tests.web.web_site import Site, make_site, serving
from web.app import create_app

__all__ = ["chromium"]
pytestmark = [pytest.mark.ui, pytest.mark.db]

NOW = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
REPAIRER = "Alseny Diallo, réparateur"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def october(database_url: str, zones: list[Zone], clock: ManualClock) -> Site:
    """October of zone 5, where the pump runs dry since this morning."""
    site = make_site(database_url, zones, clock)
    with site.connect() as connection:
        seed_readings(connection, zones[4], now=NOW, days=36, pump_stops_at=NOW - timedelta(hours=1))
        alert = seed_alert(connection, "zone-5", "dry_running", code="A9", opened_at=NOW - timedelta(minutes=20))
        begin(connection, alert, now=NOW - timedelta(minutes=20))
    return site


def is_fit(page: Page, width: int) -> None:
    """Nothing runs over the edge, everybody can use it, everything can be touched."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url
    found = Axe().run(page, options=WCAG)
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
    assert page.evaluate(TOO_SMALL) == [], page.url


@pytest.mark.parametrize(("width", "script"), [(1280, True), (360, False)], ids=["desk", "phone-without-script"])
def test_publish_the_october_report(chromium: Browser, october: Site, width: int, script: bool, tmp_path: Path) -> None:
    with serving(create_app(october.config, october.clock, wall=october.wall)) as url:
        context = enter(chromium, october, url, width, script=script)
        page = context.new_page()
        said = problems_of(page)
        page.goto("/fr/")
        page.get_by_role("link", name="Rapports").click()
        page.get_by_role("link", name="octobre 2026").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Toutes les zones — octobre 2026 (indicatif)")
        page.get_by_role("link", name="Ley-Saare (fictif)").click()
        expect(page.locator(".report-standing")).to_contain_text("Brouillon non publié")
        page.get_by_label("En français").fill("Mois calme. La pompe a tourné chaque jour.\nLe compteur 3 sera changé.")
        page.get_by_label("Recette du mois").fill("3 400 000")
        page.get_by_role("button", name="Garder le brouillon").click()
        expect(page.locator(".report-words")).to_contain_text("Mois calme.")
        expect(page.get_by_role("row", name=re.compile("Encaissé, dit le comité"))).to_contain_text("3 400 000 GNF")
        page.get_by_role("button", name="Publier la version 1").click()
        expect(page.locator(".report-standing")).to_contain_text("Version 1, publiée le 3 novembre 2026")
        expect(page.get_by_role("button", name=re.compile("Publier"))).to_have_count(0)
        if script:
            is_fit(page, width)
            with page.expect_download() as loading:
                page.get_by_role("link", name="PDF").click()
            loading.value.save_as(tmp_path / "october.pdf")
            assert loading.value.suggested_filename == "ndiyan-2026-10-zone-5-bailleur-fr-v1.pdf"
            assert (tmp_path / "october.pdf").read_bytes().startswith(b"%PDF")
        page.get_by_role("link", name="Feuille du comité").click()
        expect(page.locator(".committee")).to_contain_text("Oui, 31 jours.")
        expect(page.locator(".committee")).to_contain_text("Encaissé : 3 400 000 GNF.")
        if script:
            is_fit(page, width)
        page.get_by_role("link", name="Rapports").first.click()
        expect(page.get_by_role("row", name=re.compile("octobre 2026"))).to_contain_text("1 sur 6")
        assert said == []
        context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with-script", "without"])
def test_acknowledge_from_a_phone_sized_screen(chromium: Browser, october: Site, script: bool) -> None:
    with serving(create_app(october.config, october.clock, wall=october.wall)) as url:
        context = enter(chromium, october, url, 360, script=script)
        page = context.new_page()
        page.goto("/fr/alertes")
        page.get_by_role("button", name="Prendre A9").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("A9")
        expect(page.locator(".act")).to_contain_text("Prise en charge par Awa (web)")
        page.goto("/fr/alertes?etat=prises")
        expect(page.locator(".rows tbody tr")).to_have_count(1)
        if script:
            is_fit(page, 360)
        context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_find_why_zone_5_is_down_and_tell_the_committee(chromium: Browser, october: Site, width: int) -> None:
    """From the overview to the reason and to whoever was told; then what is done about it, with a photo."""
    with serving(create_app(october.config, october.clock, wall=october.wall)) as url:
        context = enter(chromium, october, url, width)
        page = context.new_page()
        said = problems_of(page)
        page.goto("/fr/")
        page.get_by_role("link", name="Pompe à sec").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Pompe à sec A9")
        expect(page.locator(".act")).to_contain_text("Arrêter la pompe, attendre deux heures")
        expect(page.locator(".told")).to_contain_text("exploitant")
        expect(page.locator(".told")).to_contain_text("A9")
        page.get_by_label("Personne", exact=True).select_option(label=REPAIRER)
        page.get_by_role("button", name="Confier").click()
        expect(page.locator(".story")).to_contain_text("Confiée à")
        page.get_by_label("Vu et fait").fill("Niveau à 48 m, pompe arrêtée deux heures.")
        page.get_by_role("button", name="Noter la visite").click()
        expect(page.locator(".story")).to_contain_text("Niveau à 48 m")
        page.get_by_text("Ajouter une photo").click()
        page.get_by_label("Image").set_input_files(
            {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": picture(size=(1600, 900))}
        )
        page.get_by_label("Ce qu’on y voit").fill("Le tableau de commande, disjoncteur baissé")
        page.get_by_role("button", name="Ajouter la photo").click()
        expect(page.get_by_role("img", name="Le tableau de commande, disjoncteur baissé")).to_be_visible()
        is_fit(page, width)
        page.get_by_label("Cause", exact=True).select_option(label="forage à sec")
        page.get_by_role("button", name="Clore").click()
        expect(page.locator(".act")).to_contain_text("forage à sec")
        page.get_by_role("button", name="Annuler la clôture").click()
        expect(page.locator(".story li").last).to_contain_text("Clôture annulée Awa (web)")
        assert said == []
        context.close()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (360, False)], ids=["desk", "phone-without-script"])
def test_compare_this_months_specific_energy_with_last_years(
    chromium: Browser, database_url: str, zones: list[Zone], clock: ManualClock, width: int, script: bool
) -> None:
    """A year ago the pump of zone 5 drew a tenth less for the same water."""
    site = make_site(database_url, zones, clock)
    with site.connect() as connection:
        seed_readings(connection, zones[4], now=NOW - timedelta(days=364), days=10, power_share=0.9)
        seed_readings(connection, zones[4], now=NOW, days=10)
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, width, script=script)
        page = context.new_page()
        said = problems_of(page)
        page.goto("/fr/zones/zone-5")
        page.get_by_role("link", name="Graphes", exact=True).click()
        page.get_by_text("Canaux (4 sur 6 au plus)").click()
        for name in ("Ensoleillement", "Débit", "Niveau", "Puissance"):
            page.get_by_label(name, exact=False).and_(page.locator(":checked")).first.uncheck()
        page.get_by_label("Énergie spécifique").check()
        page.get_by_label("comparer avec").select_option(label="l’an dernier (52 semaines)")
        page.get_by_role("button", name="Dessiner").click()
        page.get_by_role("link", name="ce mois").click()
        # 1650 W for 5.5 m³/h are 0.30 kWh/m³; a year ago it was 0.27.
        expect(page.locator("figure.curve")).to_have_count(1)
        expect(page.locator("figcaption")).to_contain_text("moyenne 0,30 kWh/m³")
        expect(page.locator("figcaption")).to_contain_text("+11 % contre l’an dernier (52 semaines)")
        assert "du=2026-11-01&au=2026-11-03&ref=an" in page.url
        page.get_by_text("Tableau des valeurs").click()
        expect(page.get_by_role("row", name=re.compile("2 nov. 12:00"))).to_contain_text(re.compile("0,30.*0,27"))
        if script:
            is_fit(page, width)
        page.goto("/fr/comparer")
        page.get_by_role("link", name="l’an dernier (52 semaines)").click()
        energy = page.locator(".plot-energy")
        expect(energy).to_contain_text("La même zone dépense-t-elle plus qu’avant ?")
        energy.get_by_text("Tableau des valeurs").click()
        expect(energy.get_by_role("row", name=re.compile("Ley-Saare"))).to_contain_text(re.compile("0,30.*0,27"))
        if script:
            is_fit(page, width)
        assert said == []
        context.close()


PROFILE = """profile = "logger"
title = "A logger that a student built"
source = "its author"
payload = "json"
reads_our_names = true
records = "values"

[[samples]]
topic = "ndiyan/1/zone-5/gw-5/up/logger"
payload = '{"values": {"tower/level_m": 2.31}}'
received_at = 2026-10-01T10:40:07Z
at = 2026-10-01T10:40:07Z
points = { "tower/level_m" = 2.31 }
readings = { "tower/level_m" = 2.31 }
"""


@pytest.mark.parametrize(("width", "script"), [(1280, True), (360, False)], ids=["desk", "phone-without-script"])
def test_replay_set_aside_messages_after_fixing_a_profile(
    chromium: Browser, database_url: str, zones: list[Zone], clock: ManualClock, width: int, script: bool
) -> None:
    """A logger was updated and says `readings` where its profile looks for `values`; 40 messages wait."""
    site = make_site(database_url, zones, clock)
    with site.connect() as connection:
        keep_profile(connection, PROFILE, where="logger", by="Awa", now=NOW - timedelta(days=9))
        topic = f"ndiyan/1/zone-5/{zones[4].gateway_id}/up/logger"
        for place in range(40):
            payload = json.dumps({"readings": {"tower/level_m": 1.5 + place / 100}}).encode()
            received_us = round((NOW - timedelta(minutes=40 - place)).timestamp() * 1e6)
            Pipeline(connection).store([Message(topic, payload, received_us, place, 1)])
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, width, script=script)
        page = context.new_page()
        said = problems_of(page)
        page.goto("/fr/donnees")
        page.get_by_role("link", name="Messages mis de côté").click()
        expect(page.locator("table").first).to_contain_text("40")
        page.locator("table").last.get_by_role("link").first.click()
        page.get_by_role("link", name="Essayer un profil sur ce message").click()
        page.get_by_label("Profil (TOML)").fill(PROFILE.replace('records = "values"', 'records = "readings || values"'))
        page.get_by_role("button", name="Essayer", exact=True).click()
        expect(page.get_by_role("row", name=re.compile("level_m"))).to_contain_text("1,890 m")
        if script:
            is_fit(page, width)
        page.get_by_role("button", name="Garder ce profil").click()
        expect(page.get_by_role("row", name=re.compile("logger"))).to_contain_text("A logger that a student built")
        page.get_by_role("link", name="Mis de côté").click()
        page.locator("table").first.get_by_role("button", name=re.compile("Rejouer")).click()
        expect(page.locator(".sentence")).to_contain_text("Acceptés : 40 sur 40.")
        if script:
            is_fit(page, width)
        page.goto("/fr/mis-de-cote")
        expect(page.locator("main")).to_contain_text("Aucun message n’attend")
        page.goto("/fr/zones/zone-5/graphes?v=tower/level_m&du=2026-11-03&au=2026-11-03")
        expect(page.locator("figcaption")).to_contain_text("de 1,50 m à 1,89 m")
        assert said == []
        context.close()


def test_export_a_year_to_parquet_and_read_it_back(
    chromium: Browser, database_url: str, zones: list[Zone], clock: ManualClock, tmp_path: Path
) -> None:
    site = make_site(database_url, zones, clock)
    # An hour's reading for each hour of a year, but none of 9 March: its level is the day of the year and the hour.
    hours = pd.date_range("2025-11-01", "2026-10-31 23:00", freq="h", tz="UTC")
    hours = hours[hours.strftime("%m-%d") != "03-09"]
    level = 1 + hours.dayofyear / 1000 + hours.hour / 100_000
    with site.connect() as connection:
        number = channel_ids(connection)["zone-5", "tower", "level_m"]
        at_us = hours.as_unit("us").asi8
        n = len(hours)
        ReadingWriter(connection).write(
            Columns(np.full(n, number, np.int32), at_us, at_us, level.to_numpy(), np.ones(n, np.int16))
        )
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        page = enter(chromium, site, url, 1280).new_page()
        page.goto("/fr/")
        page.get_by_role("link", name="Données", exact=True).click()
        page.get_by_role("button", name=f"choisir les canaux {zones[4].name}").click()
        page.get_by_label("Du", exact=True).fill("2025-11-01")
        page.get_by_label("Au", exact=True).fill("2026-10-31")
        page.get_by_label("Lignes").select_option("hour")
        page.get_by_label("Format").select_option("parquet")
        with page.expect_download() as download:
            page.get_by_role("button", name="Télécharger").click()
        file = tmp_path / "year.parquet"
        download.value.save_as(file)
    year = pd.read_parquet(file)
    level_rows = year[(year["asset"] == "tower") & (year["channel"] == "level_m")].set_index("start_at").sort_index()
    assert len(level_rows) == 364 * 24
    assert set(level_rows["unit"]) == {"m"}
    assert (level_rows["n"] == 1).all()
    pd.testing.assert_index_equal(level_rows.index, hours, check_names=False, exact=False)
    np.testing.assert_array_equal(level_rows["mean"], level)
