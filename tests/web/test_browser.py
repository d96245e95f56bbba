"""The pages in a real Chromium: both widths, with and without JavaScript, for everybody."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from gateway.zones import Zone
from ingest.registry import fetch_registered
from ingest.zone_changes import export_text
from tests.conftest import skip_without
from tests.web.web_seed import seed_alert, seed_files, seed_messages, seed_sms, seed_talk, seed_trials
from tests.web.web_site import TEXT, Site, serving
from web.app import create_app

pytestmark = [pytest.mark.ui, pytest.mark.db]

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
ADDRESSES = (
    "/fr/", "/en/", "/fr/zones/zone-3", "/fr/zones/zone-6?span=30d", "/fr/alertes", "/fr/alertes/1",
    "/fr/alertes/2", "/fr/alertes/bilan", "/fr/regles", "/fr/regles/pump_not_running.on_delay_min",
    "/fr/regles/essais/1",
    "/en/regles/essais/2", "/fr/telephone",
    "/fr/casser", "/fr/casser/1", "/fr/compte", "/fr/reglages/utilisateurs", "/fr/reglages/cles",
    "/fr/reglages/journal", "/en/entrer", "/fr/zones/zone-3/comite", "/en/zones/zone-3/comite",
    "/fr/reglages/zones", "/fr/reglages/zones/zone-3", "/en/reglages/zones/zone-5",
    "/fr/mis-de-cote", "/fr/mis-de-cote?etat=tous", "/fr/mis-de-cote/1", "/fr/comptes",
    "/fr/profils", "/fr/profils/essayer?profil=king-pigeon", "/fr/apporter", "/fr/apporter/1", "/fr/apporter/2",
    "/en/comptes?jours=1", "/fr/comptes/zone-2/gw-2", "/fr/comptes/zone-6/gw-6", "/fr/comptes/-/-",
    "/fr/conflits", "/fr/messages?etat=tous", "/fr/messages/2", "/fr/messages/recus", "/fr/messages/recus?quoi=tous",
    "/fr/messages/bourse", "/fr/messages/accord", "/fr/messages/carte", "/en/messages?etat=tous",
    "/fr/messages/appeler", "/en/zones/zone-3",
    "/fr/alertes?etat=toutes", "/fr/rapports", "/fr/rapports/2026-02", "/en/rapports/2026-03/zone-3",
    "/fr/rapports/2026/zone-6", "/fr/rapports/2026-02/zone-3?pour=comite",
    "/fr/zones/zone-5/pump", "/en/zones/zone-5/pump?jours=30", "/fr/zones/zone-5/tower", "/fr/zones/zone-5/bornes",
    "/fr/zones/zone-5/tap-03", "/fr/zones/zone-2/gateway", "/fr/zones/zone-5/network",
    "/fr/zones/zone-5/calendrier?quoi=pompage", "/fr/zones/zone-5/graphes?ref=avant", "/fr/zones/zone-6/graphes",
    "/fr/comparer", "/fr/ndiyan", "/en/ndiyan", "/fr/ndiyan/capacite", "/fr/donnees", "/fr/chercher?q=borne",
    "/en/chercher",
    "/fr/chercher?q=zzz", "/fr/donnees/qualite", "/en/donnees/qualite/zone-2",
    "/fr/donnees/qualite/zone-2/gateway/battery_v?quoi=conflit",
)  # fmt: skip
WIDE = (
    "/fr/",
    "/fr/zones/zone-3",
    "/fr/telephone",
    "/fr/comptes",
    "/fr/mis-de-cote",
    "/fr/messages?etat=tous",
    "/fr/messages/bourse",
    "/fr/messages/appeler",
    "/fr/messages/accord",
    "/fr/alertes?etat=toutes",
    "/fr/rapports/2026-02",
    "/fr/zones/zone-5/pump",
    "/fr/zones/zone-5/graphes?ref=avant",
    "/fr/comparer",
    "/fr/ndiyan",
    "/fr/zones/zone-2/gateway",
    "/fr/apporter/1",
    "/fr/chercher?q=borne",
    "/fr/donnees/qualite",
    "/fr/donnees/qualite/zone-2",
    "/fr/zones/zone-3/comite",
    "/fr/reglages/zones/zone-3",
)  # whose layout differs most between the widths
TOO_SMALL = """
[...document.querySelectorAll('button, select, input, .choices a, .top nav a, .tools a')]
.filter(e => !['radio', 'hidden'].includes(e.type) && e.getClientRects().length)
.map(e => e.type === 'checkbox' ? e.closest('label') : e)
.filter(e => e.getBoundingClientRect().height < 43.5).map(e => e.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """Debian's own Chromium."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        skip_without(request.config, "Chromium", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(past: Site) -> Iterator[str]:
    """The site with a past, something set aside and something broken."""
    with past.connect() as connection:
        connection.execute(
            "INSERT INTO set_aside (received_at, topic, payload, reason, detail, fingerprint)"
            " VALUES (%s, 'ndiyan/1/zone-3/gw-3/up/senml', '{}', 'not_senml', 'expected a list', '1')",
            (past.clock.now(),),
        )
        seed_files(connection, past.clock.now())
        seed_trials(connection, past.clock.now())
        seed_sms(connection, past.alert_id, now=past.clock.now())
        seed_talk(connection, past.alert_id, now=past.clock.now())
        connection.execute(
            "INSERT INTO demo_fault (zone_id, fault, asked_by, asked_at, starts_at)"
            " VALUES ('zone-3', 'pump_not_running', 'Awa', %(now)s, %(now)s)",
            {"now": past.clock.now()},
        )
    past.clock.speed = 60.0
    with serving(create_app(past.config, past.clock, wall=past.wall)) as url:
        yield url
    past.clock.speed = 1.0


def enter(browser: Browser, site: Site, url: str, width: int, *, script: bool = True) -> BrowserContext:
    """A browser of this width that has come in by the link."""
    context = browser.new_context(
        viewport={"width": width, "height": 800}, locale="fr", java_script_enabled=script, base_url=url
    )
    page = context.new_page()
    page.goto(site.login_path())
    expect(page.get_by_role("heading", level=1)).to_contain_text("À faire")
    page.close()
    return context


def problems_of(page: Page) -> list[str]:
    """Collects what the console says and every request that leaves the origin."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: None if request.url.startswith(("http://127.0.0.1:", "data:")) else said.append(request.url),
    )
    return said


@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_fits_speaks_to_everybody_and_stays_silent_in_the_console(
    chromium: Browser, past: Site, address: str, width: int
) -> None:
    context = enter(chromium, past, address, width)
    page = context.new_page()
    said = problems_of(page)
    for path in ADDRESSES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        if width == 360 or path in WIDE:
            found = Axe().run(page, options=WCAG)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate(TOO_SMALL) == [], path
    assert said == []
    context.close()


def test_without_javascript_the_same_numbers_stand_there(chromium: Browser, past: Site, address: str) -> None:
    seen = []
    for script in (True, False):
        context = enter(chromium, past, address, 1280, script=script)
        page = context.new_page()
        page.goto("/fr/")
        seen.append(page.locator("#live").inner_text())
        context.close()
    assert seen[0] == seen[1]
    assert "32,8" in seen[0]


def test_the_menu_takes_one_line_on_a_desk(chromium: Browser, past: Site, address: str) -> None:
    page = enter(chromium, past, address, 1280).new_page()
    page.goto("/fr/")
    tops = page.eval_on_selector_all(".top nav a, .tools a", "all => all.map(one => one.getBoundingClientRect().top)")
    assert len(tops) >= 7
    assert max(tops) - min(tops) < 2


@pytest.mark.parametrize(("width", "script"), [(1280, False), (360, True)], ids=["desk-without-script", "phone"])
def test_a_tap_is_found_by_the_keyboard_alone(
    chromium: Browser, past: Site, address: str, width: int, script: bool
) -> None:
    page = enter(chromium, past, address, width, script=script).new_page()
    page.goto("/fr/")
    if width < 800:  # a phone has room for the lens, which leads to the field
        page.get_by_role("button", name="Chercher").press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Chercher")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("borne 3 zone-2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("borne 3 zone-2")
    page.get_by_role("link", name="borne 3").press("Enter")
    expect(page).to_have_url(re.compile("/fr/zones/zone-2/tap-03$"))


def test_arrow_keys_read_all_drawings_of_the_explorer_at_one_instant(
    chromium: Browser, past: Site, address: str
) -> None:
    page = enter(chromium, past, address, 1280).new_page()
    page.goto("/fr/")
    page.goto("/fr/zones/zone-5/graphes?v=pv/irradiance_w_m2,pump/flow_m3_h&du=2026-02-27&au=2026-02-27")
    page.get_by_label("Lire à cet instant").focus()
    for _ in range(150):  # 150 steps of 5 minutes from midnight: the one that begins at 12:30, the middle of the sine
        page.keyboard.press("ArrowRight")
    told = page.locator(".read output")
    expect(told).to_contain_text("27 févr. 12:32")
    expect(told).to_contain_text("ensoleillement 900 W/m²")
    assert page.locator(".lively .u-cursor-x").count() == 2
    places = page.eval_on_selector_all(".lively .u-cursor-x", "all => all.map(one => one.style.transform)")
    assert len(set(places)) == 1
    assert places[0] != ""


def test_a_page_renews_itself_and_stops_when_told_to(chromium: Browser, past: Site, address: str) -> None:
    context = enter(chromium, past, address, 1280)
    page = context.new_page()
    page.goto("/fr/alertes/1")
    assert page.locator(".story li").count() == 2
    with past.connect() as connection:
        connection.execute(
            "INSERT INTO alert_event (alert_id, at, kind, who) VALUES (%s, %s, 'on_the_way', 'Alpha (exploitant)')",
            (past.alert_id, past.clock.now()),
        )
    expect(page.locator(".story li")).to_have_count(3, timeout=10_000)
    page.get_by_role("button", name="Suspendre la mise à jour").click()
    expect(page.get_by_role("button", name="Reprendre la mise à jour")).to_be_visible()
    context.close()


def test_the_tallies_of_alerts_follow_the_list(chromium: Browser, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.clock, "speed", 60.0)
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 1280)
        page = context.new_page()
        page.goto("/fr/alertes")
        expect(page.locator(".piles")).to_contain_text("En cours 1")
        with site.connect() as connection:
            seed_alert(connection, "zone-1", "night_leak", code="A8", opened_at=site.clock.now())
        expect(page.locator(".piles")).to_contain_text("En cours 2", timeout=10_000)
        context.close()


def test_no_row_moves_under_a_pointer_that_is_about_to_click(
    chromium: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.clock, "speed", 60.0)
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 1280)
        page = context.new_page()
        page.goto("/fr/alertes")
        page.get_by_role("button", name="Prendre A7").hover()
        with site.connect() as connection:
            seed_alert(connection, "zone-1", "dry_running", code="A8", opened_at=site.clock.now())
        page.wait_for_timeout(7_000)  # two turns
        expect(page.locator("#live tbody tr")).to_have_count(1)
        page.mouse.move(1, 1)
        expect(page.locator("#live tbody tr")).to_have_count(2, timeout=10_000)
        page.get_by_role("navigation", name="État").get_by_role("link").first.focus()
        with site.connect() as connection:
            seed_alert(connection, "zone-2", "dry_running", code="A9", opened_at=site.clock.now())
        expect(page.locator("#live tbody tr")).to_have_count(3, timeout=10_000)
        assert page.evaluate("document.activeElement.closest('.piles') !== null"), "the keyboard keeps its place"
        context.close()


def test_a_session_that_ends_takes_no_half_written_note_with_it(
    chromium: Browser, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.clock, "speed", 60.0)
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 360)
        page = context.new_page()
        page.goto("/fr/alertes/1")
        # The form may lie in a fold; what counts is what stands in it.
        page.evaluate("document.getElementById('texte').value = 'Le joint du clapet'")
        with site.connect() as connection:
            connection.execute("DELETE FROM web_session")
        for _turn in range(2):
            page.wait_for_event("response", lambda response: response.status == 401, timeout=10_000)
        assert page.evaluate("document.getElementById('texte').value") == "Le joint du clapet"
        expect(page.locator(".session-over")).to_contain_text("copiez ce que vous avez écrit")
        expect(page.locator(".offline")).to_be_hidden()
        page.evaluate("document.getElementById('texte').value = ''")
        expect(page.locator("#texte")).to_have_count(0, timeout=10_000)
        expect(page.locator("form[action*=entrer], input[type=password]").first).to_be_attached()
        context.close()


def test_a_trial_that_ends_in_front_of_the_reader_can_be_applied(chromium: Browser, site: Site) -> None:
    with site.connect() as connection:
        seed_trials(connection, site.clock.now())
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 360)
        page = context.new_page()
        page.goto("/fr/regles/essais/1")
        expect(page.get_by_role("progressbar")).to_be_visible()
        with site.connect() as connection:
            connection.execute(
                "UPDATE rule_trial SET done = total, result = (SELECT result FROM rule_trial WHERE rule_trial_id = 2)"
                " WHERE rule_trial_id = 1"
            )
        expect(page.get_by_role("button", name=re.compile("^Appliquer"))).to_be_visible(timeout=10_000)
        context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_from_the_overview_to_an_answer_on_the_phone_and_back(chromium: Browser, site: Site, width: int) -> None:
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, width)
        page = context.new_page()
        said = problems_of(page)
        page.goto("/fr/")
        page.get_by_role("link", name="Mangol-Dow (fictif)").first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Mangol-Dow (fictif)")
        page.get_by_role("link", name="L’alerte A7 et son histoire").click()
        expect(page.locator(".story")).to_contain_text(TEXT)
        page.get_by_role("link", name="Téléphone").click()
        expect(page.get_by_role("region", name="Écran du téléphone")).to_contain_text(TEXT)
        page.get_by_role("button", name=re.compile("^1")).click()
        expect(page.locator(".thread .out")).to_contain_text("1")
        page.get_by_role("link", name=re.compile("^Alertes")).click()
        page.get_by_role("link", name=re.compile("^A7")).click()
        page.get_by_role("button", name="Prendre en charge").click()
        expect(page.locator(".act")).to_contain_text("Prise en charge par Awa (web)")
        page.get_by_role("link", name="English").click()
        expect(page.locator(".act")).to_contain_text("Taken in charge by Awa (web)")
        assert said == []
        context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with-javascript", "without"])
def test_a_set_aside_message_is_replayed_with_a_thumb(
    chromium: Browser, site: Site, zones: list[Zone], script: bool
) -> None:
    with site.connect() as connection:
        seed_messages(connection, zones[1], now=site.clock.now())
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 360, script=script)
        page = context.new_page()
        page.goto("/fr/mis-de-cote")
        page.get_by_role("button", name="Rejouer unité inattendue zone-2").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ce que sont devenus les messages rejoués")
        expect(page.locator("tbody tr")).to_contain_text("encore refusé")
        if script:
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            found = Axe().run(page, options=WCAG)
            assert found.violations_count == 0, found.generate_report()
        context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with-javascript", "without"])
def test_a_secretary_is_registered_on_a_phone_after_a_digit_was_forgotten(
    chromium: Browser, site: Site, script: bool
) -> None:
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 360, script=script)
        page = context.new_page()
        page.goto("/fr/zones/zone-3")
        page.get_by_role("link", name="Tenir le comité").click()
        new = page.locator("form", has=page.get_by_role("button", name="Inscrire"))
        new.get_by_label("Nom").fill("Kadiatou Bah")
        new.get_by_label("Téléphone").fill("620 00 07 7")
        new.get_by_label("Rôle").select_option("secrétariat")
        new.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_contain_text("a 8 chiffres")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        new.get_by_label("Téléphone").fill("620 00 07 77")
        new.get_by_role("button").click()
        expect(page.locator("tbody tr").last).to_contain_text("7. Kadiatou Bah")
        if script:
            found = Axe().run(page, options=WCAG)
            assert found.violations_count == 0, found.generate_report()
        context.close()


@pytest.mark.parametrize("script", [True, False], ids=["with-javascript", "without"])
def test_a_zone_file_is_looked_at_on_a_phone_and_then_stored_as_it_was_seen(
    chromium: Browser, site: Site, zones: list[Zone], script: bool
) -> None:
    text = export_text(replace(zones[2], people=2300, name='Mangol "Dow" & fils'))
    file = {"name": "zone-3.toml", "mimeType": "application/toml", "buffer": text.encode()}
    with serving(create_app(site.config, site.clock, wall=site.wall)) as url:
        context = enter(chromium, site, url, 360, script=script)
        page = context.new_page()
        page.goto("/fr/reglages/zones")
        page.get_by_label("Un fichier, ou plusieurs").set_input_files(file)
        page.get_by_role("button", name="Voir ce qui changerait").click()
        expect(page.locator("tbody tr").last).to_contain_text("Personnes desservies")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        if script:
            found = Axe().run(page, options=WCAG)
            assert found.violations_count == 0, found.generate_report()
        page.get_by_role("button", name="Enregistrer").click()
        expect(page.get_by_role("heading", level=1)).to_have_text('Mangol "Dow" & fils')
        expect(page.get_by_label("Personnes desservies")).to_have_value("2300")
        context.close()
    with site.connect() as connection:
        stored = fetch_registered(connection, ["zone-3"])["zone-3"]
    assert replace(stored, version=None) == replace(zones[2], people=2300, name='Mangol "Dow" & fils')
