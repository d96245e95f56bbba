"""Pages on real data: what they say, in which order, and what they say when there is nothing."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urljoin

import httpx
import pytest

from alerts import metrics
from gateway.zones import Zone
from ingest.registry import import_zones
from simulator.fiction import zones_with_fiction
from tests.web.test_access import csrf_of, every_route
from tests.web.web_seed import seed_bad, seed_event, seed_notification, seed_readings
from tests.web.web_site import TEXT, Site
from web.assets import fetch_availability
from web.breaking import DemoFault, steps_of

pytestmark = pytest.mark.db


def words(page: httpx.Response) -> str:
    """What a reader reads: the page without its tags, spaces joined."""
    text = re.sub(r"<(style|script|title)\b.*?</\1>", " ", page.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", text)).replace("\u202f", " "))


def zone_rows(page: httpx.Response) -> list[str]:
    return re.findall(r'<tr class="row-\w+">.*?<a href="/\w\w/zones/([\w-]+)"', page.text, flags=re.DOTALL)


def test_overview_tells_first_what_to_do_and_sorts_zones_by_gravity(reader: httpx.Client) -> None:
    page = reader.get("/fr/")
    text = words(page)
    assert text.index("À faire") < text.index("Pompe arrêtée malgré le soleil") < text.index("Zones")
    assert "La pompe ne consomme rien depuis une heure alors que le soleil donne 780 W/m²." in text
    assert "→ Regarder le coffret et le disjoncteur, appeler le réparateur." in text
    # Broken first, then the one that nobody hears, then the one that never spoke; the well ones by people served.
    assert zone_rows(page) == ["zone-3", "zone-4", "zone-6", "zone-5", "zone-1", "zone-2"]
    assert "Muette" in text
    assert "Sans données" in text
    # Zone 3 lifts 4.3 m³/h · 24/π a day.
    assert "32,8 m³" in text
    assert "100 %" in text
    assert page.text.count('fill="url(#hatch)"') > 14
    assert "5 zones sur 6 ont des données" in text
    # Zone 4's tower was last heard 5 h 40 min ago and zone 6's never; the other four have had water since 06:00.
    assert "zones desservies aujourd’hui 4 / 6" in text
    assert "sans niveau récent : 2" in text
    assert "des mesures reçues, hier 100 %" in text
    assert "Chiffres du parc calculés" in text
    assert "Simulation — lieux, personnes et numéros fictifs" in text
    assert len(page.content) < 60_000


def test_a_large_fleet_comes_in_pages_and_its_totals_are_of_all(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    many = zones_with_fiction(zones, 60)
    with site.connect() as connection:
        import_zones(connection, many)
        for zone in (zones[1], many[59]):
            seed_readings(connection, zone, now=site.clock.now(), days=10)
    pages = [visitor.get(f"/fr/?page={number}") for number in (1, 2, 3)]
    rows = [zone_rows(page) for page in pages]
    assert [len(some) for some in rows] == [25, 25, 10]
    assert rows[0][0] == "zone-3", "the one with an alert"
    assert sorted(zone for some in rows for zone in some) == sorted(zone.zone_id for zone in many)
    assert "Zones 26 à 50 sur 60, les plus graves d’abord" in words(pages[1])
    assert ["rel=" in page.text and re.findall(r'href="(\?page=\d+)#', page.text) for page in pages] == [
        ["?page=2"], ["?page=1", "?page=3"], ["?page=2"],
    ]  # fmt: skip
    for page in pages:
        assert "2 zones sur 60 ont des données" in words(page)
        assert "zones desservies aujourd’hui 2 / 60" in words(page)
        assert page.text.count('class="place-of') == len(zone_rows(page)), "the others are dots"
    assert visitor.get("/fr/?page=4").status_code == 400
    for address, marks in (("/fr/donnees", 'name="zone"'), ("/fr/reglages/zones", "/comite")):
        for number, count in ((1, 25), (3, 10)):
            page = visitor.get(address, params={"page": number})
            assert page.text.count(marks) == count
            assert len(page.content) < 60_000
        assert "Zones 51 à 60 sur 60" in words(page)
        assert visitor.get(address, params={"page": 4}).status_code == 400
        assert visitor.get(address, params={"q": "zone-3 mangol"}).text.count(marks) == 1
    people = visitor.get("/fr/messages/accord", params={"page": 3})
    assert (people.text.count(">Tenir le comité<"), "Zones 51 à 60 sur 60" in words(people)) == (10, True)
    compared = visitor.get("/fr/comparer", params={"page": 3, "jours": "30"})
    assert "jours=30&amp;ref=avant&amp;page=2" in compared.text, "the length stays while one turns the pages"
    assert len(set(re.findall(r"/fr/zones/(zone-\d+)/graphes", compared.text))) == 10
    sent = {"zone": ["zone-3", "zone-40"], "from": "2026-02-01", "to": "2026-02-28", "kind": "day", "format": "parquet"}
    turned = visitor.get("/fr/donnees", params=sent | {"page": 3}).text
    ticked = re.findall(r'name="zone" value="(zone-\d+)" checked', turned)
    assert sorted(ticked) == ["zone-3", "zone-40"], "what was ticked on other pages stays"
    assert 'value="2026-02-01"' in turned
    assert all(f'value="{one}" selected' in turned for one in ("day", "parquet"))
    assert "checked" not in visitor.get("/fr/donnees", params={"from": "2026-02-01", "page": 2}).text, "nor comes back"


def test_totals_are_counted_again_after_five_minutes_and_meanwhile_tell_their_age(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    assert "Chiffres du parc calculés à l’instant" in words(visitor.get("/fr/"))
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=site.clock.now(), days=3)
    site.clock.advance(timedelta(minutes=4))
    kept = words(visitor.get("/fr/"))
    assert "0 zones sur 6 ont des données" in kept
    assert "Chiffres du parc calculés il y a 4 min" in kept
    site.clock.advance(timedelta(minutes=1))
    assert "1 zones sur 6 ont des données" in words(visitor.get("/fr/"))


def test_every_current_number_of_the_overview_has_its_age(reader: httpx.Client) -> None:
    page = reader.get("/fr/")
    towers = re.findall(r'<td class="c-tower".*?</td>', page.text, flags=re.DOTALL)
    assert len(towers) == 6
    for tower in towers:
        assert ("il y a" in tower or "à l’instant" in tower) != ("pas de données" in tower)


def test_the_switch_keeps_page_and_question(reader: httpx.Client) -> None:
    french = reader.get("/fr/zones/zone-3?span=7d")
    assert 'href="/en/zones/zone-3?span=7d"' in french.text
    english = reader.get("/en/zones/zone-3?span=7d")
    assert 'lang="en"' in english.text
    text = words(english)
    assert "Pump not running in good sun" in text
    assert "Water pumped per day" in text
    assert 'href="/fr/zones/zone-3?span=7d"' in english.text
    assert not re.search(r"\b(pompe|depuis|personnes|château)\b", text)


def test_what_answers_a_form_links_to_no_address_that_shows_nothing(site: Site, visitor: httpx.Client) -> None:
    """Each form, sent empty and by somebody who is logged in; and those of strangers."""
    token, shown = csrf_of(visitor), 0
    for method, address, template in every_route(site):
        if method != "POST" or template.startswith(("/api/", "/sms/")) or template.endswith("/sortir"):
            continue
        answer = visitor.post(address, data={"csrf": token})
        shown += answer.headers.get("content-type", "").startswith("text/html")
        for other in re.findall(r'<a href="([^"]+)" lang="en" hreflang', answer.text):
            assert visitor.get(urljoin(address, other)).status_code not in (404, 405), template
    assert shown > 20
    with site.app() as stranger:
        refused = stranger.post("/fr/entrer", data={"nom": "Awa", "mot": "x"})
        assert 'href="/en/entrer"' in refused.text
        assert 'hreflang="en"' not in stranger.post("/fr/alertes/1/prendre").text


def test_a_page_that_shows_a_secret_once_links_to_no_other_language(visitor: httpx.Client) -> None:
    form = {"csrf": csrf_of(visitor), "nom": "Sira"}
    for address, secret in (("utilisateurs", "/login/"), ("cles", "wat_")):
        made = visitor.post(f"/fr/reglages/{address}", data=form | {"portee": "read"})
        assert secret in made.text
        assert "hreflang" not in made.text
        assert 'hreflang="en"' in visitor.get(f"/fr/reglages/{address}").text


def test_zone_page_draws_gaps_and_links_to_the_values(reader: httpx.Client) -> None:
    page = reader.get("/fr/zones/zone-4")
    text = words(page)
    assert "données reçues : 76 %" in text
    curves = re.findall(r"<figure class=\"curve kind-(\w+)\">(.*?)</figure>", page.text, flags=re.DOTALL)
    assert [kind for kind, _ in curves] == ["irradiance_w_m2", "power_w", "flow_m3_h", "level_m"]
    for _, figure in curves:
        assert figure.count('fill="url(#hatch)"') == 1
        address = unescape(re.findall(r'href="(/api/[^"]+format=csv)"', figure)[0])
        values = reader.get(address)
        assert values.status_code == 200
        # 04:55 is the last reading before silence; the day began at 10:40.
        assert len(values.text.splitlines()) == 1 + 12 * 18 + 4
    assert 'class="band overflow"' in curves[3][1]
    assert "+224\u00a0…\u00a0" in unescape(page.text)
    assert "+22460" not in page.text


def test_zone_without_readings_says_so_and_does_not_break(reader: httpx.Client) -> None:
    for span in ("24h", "3d", "7d", "30d"):
        text = words(reader.get(f"/fr/zones/zone-6?span={span}"))
        assert "Cette zone n’a encore rien envoyé." in text
        assert text.count("Ce canal n’a encore rien envoyé.") == 4
        assert "0,0 m³" not in text.replace("\u00a0", " ")


def test_a_level_that_cannot_be_is_no_water_in_the_tower(site: Site, visitor: httpx.Client, zones: list[Zone]) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=now - timedelta(minutes=5), days=1)
        seed_bad(connection, "zone-1", {"tower/level_m": 65.535}, [now])
    (zone,) = [one for one in visitor.get("/api/v1/zones").json()["items"] if one["id"] == "zone-1"]
    assert 0 < zone["tower"]["share"] < 1, "and not the 65.5 m of a moment ago"
    assert zone["tower"]["measured_at"] == "2026-03-02T10:35:00Z"


def test_a_zone_says_why_nobody_knows_what_yesterday_should_have_given(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    now = site.clock.now()
    noon = (now - timedelta(days=1)).replace(hour=11, minute=0)
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=now, days=20, skip=[(noon, noon + timedelta(hours=1))])
    assert "attendu inconnu : le soleil d’hier n’est pas connu" in words(visitor.get("/fr/zones/zone-1"))
    assert "attendu inconnu : moins de 7 jours utilisables" in words(visitor.get("/fr/zones/zone-2"))


@pytest.mark.parametrize(
    ("after_midnight", "says"),
    [
        (timedelta(minutes=2), "de l’eau au château en ce moment"),
        (timedelta(hours=7), "de l’eau au château depuis 06:00"),
    ],
)
def test_a_day_that_has_just_begun_has_its_pages_too(
    site: Site, zones: list[Zone], after_midnight: timedelta, says: str
) -> None:
    site.clock.set(site.clock.now().replace(hour=0, minute=0) + after_midnight)
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=site.clock.now(), days=2)
    with site.app() as client:
        client.get(site.login_path())
        assert says in words(client.get("/fr/"))
        assert client.get("/fr/zones/zone-1/pump?jours=1").status_code == 200


def test_what_is_measured_from_today_on_was_not_missing_in_the_calendar(site: Site, zones: list[Zone]) -> None:
    now = site.clock.now()
    days = [(now - timedelta(days=back)).date() for back in (6, 1)]
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=now, days=9)
        assert fetch_availability(connection, "zone-1", "messages", *days, {}).max() < 1, (
            "some of its sensors never spoke"
        )
        connection.execute(
            "UPDATE channel SET added_at = %s WHERE channel_id NOT IN (SELECT channel_id FROM latest)", [now]
        )
        assert fetch_availability(connection, "zone-1", "messages", *days, {}).tolist() == [1.0] * 6


def test_tallies_count_what_their_links_show(visitor: httpx.Client) -> None:
    everywhere, here = visitor.get("/fr/alertes"), visitor.get("/fr/alertes?zone=zone-1")
    assert "En cours 1" in words(everywhere)
    assert "En cours 0" in words(here)
    assert "Aucune alerte ici." in words(here), "and not that nothing is wrong anywhere"


MISTAKES = [
    ("/fr/zones/zone-99", 404, "Cette page n’existe pas"),
    ("/en/alertes/999", 404, "This page does not exist"),
    ("/fr/alertes/x", 404, "Cette page n’existe pas"),
    ("/de/", 404, "Cette page n’existe pas"),
    ("/fr/nulle-part", 404, "Cette page n’existe pas"),
    ("/fr/zones/zone-1?span=9y", 400, "is none of 24h, 3d, 7d, 30d"),
    ("/fr/alertes?etat=x", 400, "is none of ouvertes"),
    ("/fr/alertes?etat=toutes&suite=x", 400, "is no cursor"),
    ("/fr/telephone?contact=999", 404, "Cette page n’existe pas"),
    ("/fr/mis-de-cote/999", 404, "Cette page n’existe pas"),
]


def test_mistakes_end_in_the_houses_own_pages(reader: httpx.Client) -> None:
    for address, status, says in MISTAKES:
        page = reader.get(address)
        assert page.status_code == status, address
        assert says in words(page), address
        assert "Simulation" in page.text


def test_alert_page_tells_the_whole_story_and_takes_it_in_charge(site: Site, visitor: httpx.Client) -> None:
    address = f"/fr/alertes/{site.alert_id}"
    text = words(visitor.get(address))
    for told in ("Pompe arrêtée malgré le soleil", "Alerte ouverte", "SMS envoyé", TEXT, "Alpha Oumar Barry",
                 "Ensoleillement 780 W/m²", "Durée 60 min", "Prendre en charge"):  # fmt: skip
        assert told.replace("\u00a0", " ") in text.replace("\u00a0", " "), told
    answer = visitor.post(f"{address}/prendre", data={"csrf": csrf_of(visitor)})
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    text = words(visitor.get(address))
    assert "Prise en charge par Awa (web)" in text
    assert "Prendre en charge" not in text
    visitor.post(f"{address}/prendre", data={"csrf": csrf_of(visitor)})
    with site.connect() as connection:
        found = connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'acknowledged'").fetchone()
    assert found == (1,)


def test_an_alert_is_put_on_the_shelf_with_a_reason_and_taken_off_again(site: Site, visitor: httpx.Client) -> None:
    page = visitor.get("/fr/alertes/1").text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token is not None
    assert re.findall(r'<option value="(\d+)">', page) == ["2", "6", "24"], "no water: a day at most"
    refused = visitor.post("/fr/alertes/1/endormir", data={"csrf": token[1], "heures": "72", "raison": "pièce"})
    assert refused.status_code == 400
    assert "24 heures au plus" in refused.text
    assert 'value="pièce"' in refused.text, "what was typed is still there"
    visitor.post("/fr/alertes/1/endormir", data={"csrf": token[1], "heures": "6", "raison": "pièce commandée"})
    page = visitor.get("/fr/alertes/1").text
    assert "En sommeil jusqu’à" in page
    assert "pièce commandée" in page
    assert "Mise en sommeil" in page
    assert "en sommeil jusqu’à" in visitor.get("/fr/alertes").text
    site.clock.advance(timedelta(hours=6))
    assert "en sommeil" not in visitor.get("/fr/alertes").text, "it ends by itself"
    site.clock.advance(-timedelta(hours=1))
    visitor.post("/fr/alertes/1/reveiller", data={"csrf": token[1]})
    page = visitor.get("/fr/alertes/1").text
    assert "Réveiller maintenant" not in page
    assert "Sortie du sommeil" in page


def test_people_say_whether_an_alert_was_right(visitor: httpx.Client) -> None:
    token = re.search(r'name="csrf" value="([^"]+)"', visitor.get("/fr/alertes/1").text)
    assert token is not None
    visitor.post("/fr/alertes/1/juger", data={"csrf": token[1], "verdict": "fausse"})
    assert "Dernier mot : Dite fausse alerte, Awa (web)" in re.sub(r"\s+", " ", visitor.get("/fr/alertes/1").text)
    assert visitor.post("/fr/alertes/1/juger", data={"csrf": token[1], "verdict": "bof"}).status_code == 400


def test_alerts_are_listed_live_first_and_past_ones_page_by_page(site: Site, visitor: httpx.Client) -> None:
    assert "A7" in words(visitor.get("/fr/alertes"))
    assert "A2" not in words(visitor.get("/fr/alertes"))
    past = words(visitor.get("/fr/alertes?etat=resolues"))
    assert "A2" in past
    assert "A7" not in past
    with site.connect() as connection:
        connection.execute(
            "INSERT INTO alert (code, zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
            " opened_at, resolved_at, confidence, evidence) SELECT 'B' || n, 'zone-1', 'tower_overflow', 'tower', 2,"
            " 'resolved', t, t, t, t, 1, '{}' FROM generate_series(1, 60) n,"
            " LATERAL (SELECT timestamptz '2026-01-01Z' + n * interval '1 hour' AS t) x"
        )
    first = visitor.get("/fr/alertes?etat=toutes")
    codes = re.findall(r">([AB]\d+) ", first.text)
    address = re.findall(r'href="(\?etat=toutes[^"]*suite=[^"]+)"', first.text)[0]
    second = visitor.get("/fr/alertes" + unescape(address))
    codes += re.findall(r">([AB]\d+) ", second.text)
    assert len(codes) == 62
    assert len(set(codes)) == 62
    assert "Plus anciennes" not in second.text


def test_phone_shows_what_has_arrived_and_sends_what_is_typed(site: Site, visitor: httpx.Client) -> None:
    page = visitor.get("/fr/telephone")
    assert TEXT in words(page)
    assert "NOUVEAU" in page.text
    assert "NOUVEAU" not in visitor.get("/fr/telephone").text
    form = {"csrf": csrf_of(visitor), "contact": str(site.contact_id)}
    assert visitor.post("/fr/telephone", data={**form, "text": "1"}).status_code == 303
    assert visitor.post("/fr/telephone", data={**form, "text": "le disjoncteur a sauté"}).status_code == 303
    assert visitor.post("/fr/telephone", data={**form, "text": " "}).status_code == 400
    assert visitor.post("/fr/telephone", data={**form, "text": "x" * 161}).status_code == 400
    with site.connect() as connection:
        sent = connection.execute("SELECT phone, text, sent_at, taken FROM phone_reply ORDER BY 1, 2").fetchall()
    now = site.clock.now()
    assert sent == [(site.phone, "1", now, False), (site.phone, "le disjoncteur a sauté", now, False)]
    assert "le disjoncteur a sauté" in words(visitor.get("/fr/telephone"))


def test_a_message_under_way_is_not_on_the_handset_yet(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute("UPDATE phone_inbox SET delivered_at = NULL")
    assert TEXT not in words(visitor.get(f"/fr/telephone?contact={site.contact_id}"))


def test_people_of_real_zones_have_no_phone_here(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute("UPDATE zone SET is_fictional = false")
    assert visitor.get(f"/fr/telephone?contact={site.contact_id}").status_code == 404
    assert "Personne n’a de téléphone" in words(visitor.get("/fr/telephone"))


def test_breaking_offers_a_fault_only_where_there_is_what_it_strikes(site: Site, visitor: httpx.Client) -> None:
    form = {"csrf": csrf_of(visitor), "zone": "zone-1", "fault": "low_chlorine"}
    refused = visitor.post("/fr/casser", data=form)
    assert refused.status_code == 409
    assert "Cette zone n’a pas ce que cette panne casserait" in words(refused)
    assert words(refused).count("Seulement : Mangol-Dow (fictif).") == 1, "all zones have what the others strike"
    assert visitor.post("/fr/casser", data={**form, "zone": "zone-3"}).headers["location"] == "/fr/casser/1"


def test_breaking_asks_the_simulator_once_and_shows_each_step(site: Site, visitor: httpx.Client) -> None:
    form = {"csrf": csrf_of(visitor), "zone": "zone-1", "fault": "pump_not_running"}
    answer = visitor.post("/fr/casser", data=form)
    assert answer.headers["location"] == "/fr/casser/1"
    assert visitor.post("/fr/casser", data=form).status_code == 409
    # The same alert would come of it, so it could not be told apart.
    busy = visitor.post("/fr/casser", data={**form, "zone": "zone-3", "fault": "pump_not_running"})
    assert busy.status_code == 409
    assert "attendez qu’elle soit résolue" in words(busy)
    assert visitor.post("/fr/casser", data={**form, "zone": "zone-99"}).status_code == 400
    assert visitor.post("/fr/casser", data={**form, "fault": "meteorite"}).status_code == 400
    waiting = visitor.get("/fr/casser/1")
    assert waiting.text.count("pas encore") == 9
    assert 'data-refresh="3"' in waiting.text
    asked = site.clock.now()
    with site.connect() as connection:
        rows = connection.execute(
            "SELECT zone_id, fault, asked_by, asked_at, starts_at FROM demo_fault WHERE zone_id = 'zone-1'"
        ).fetchall()
    assert rows == [("zone-1", "pump_not_running", "Awa", asked, asked)]


def test_steps_of_a_fault_tell_how_long_each_took() -> None:
    asked = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
    fault = DemoFault(
        1, "zone-1", "Z", "pump_not_running", "Awa", asked, asked, asked + timedelta(minutes=1), None, None
    )
    steps = steps_of(fault, None, [], None)
    assert [step.at for step in steps[2:]] == [None] * 8
    assert steps[1].took == timedelta(minutes=1)
    assert steps[1].since_asked == timedelta(minutes=1)
    assert steps[2].took is None


def test_a_whole_breakdown_is_told_in_order(site: Site, visitor: httpx.Client) -> None:
    start = site.clock.now() - timedelta(minutes=2)
    minutes = lambda n: start + timedelta(minutes=n)  # noqa: E731
    with site.connect() as connection:
        connection.execute(
            "INSERT INTO demo_fault (zone_id, fault, asked_by, asked_at, starts_at, started_at, repair_at, repaired_at)"
            " VALUES ('zone-3', 'pump_not_running', 'Awa', %s, %s, %s, %s, %s)",
            (start, start, minutes(1), minutes(90), minutes(90)),
        )
        connection.execute(
            "UPDATE alert SET first_evidence_at = %s, opened_at = %s, acknowledged_at = %s, acknowledged_by = 'x',"
            " resolved_at = %s, state = 'resolved' WHERE alert_id = %s",
            (minutes(5), minutes(66), minutes(70), minutes(110), site.alert_id),
        )
        connection.execute("UPDATE notification SET submitted_at = %s", (minutes(67),))
        connection.execute("UPDATE phone_inbox SET delivered_at = %s", (minutes(68),))
        seed_notification(
            connection, site.alert_id, contact_id=site.contact_id, text="fini", at=minutes(111), kind="resolved"
        )
        seed_event(connection, site.alert_id, "resolved", at=minutes(110), who="ndiyan")
    page = visitor.get("/fr/casser/1")
    rows = re.findall(r'<tr class="done"><th scope="row">([^<]+)</th>(.*?)</tr>', page.text, flags=re.DOTALL)
    lived = [re.findall(r'data-label="Durée">([^<]+)<', row)[0].replace("\u00a0", " ") for _, row in rows]
    assert [name for name, _ in rows] == [
        "Demandé", "La panne commence", "Premier indice dans les mesures", "Alerte ouverte", "SMS envoyé",
        "Affiché sur le téléphone", "Prise en charge", "Le réparateur a fini", "Résolue par les mesures",
        "SMS de clôture envoyé",
    ]  # fmt: skip
    assert lived == ["0 s", "1 min", "4 min", "1 h 01", "1 min", "1 min", "2 min", "20 min", "20 min", "1 min"]
    assert "data-refresh" not in page.text


def test_set_aside_messages_show_reason_topic_and_bytes(site: Site, visitor: httpx.Client) -> None:
    assert "Aucun message n’attend : tout ce qui est venu a été accepté ou rejoué." in words(
        visitor.get("/fr/mis-de-cote")
    )
    with site.connect() as connection:
        for payload, mark in ((b'{"level": 2.3} <script>', b"1"), (bytes([0xFF, 0x00, 0x10]), b"2")):
            connection.execute(
                "INSERT INTO set_aside (received_at, topic, payload, reason, detail, fingerprint)"
                " VALUES (%s, 'ndiyan/1/zone-3/gw-3/up/senml', %s, 'not_senml', 'expected a list', %s)",
                (site.clock.now(), payload, mark),
            )
    page = visitor.get("/fr/mis-de-cote")
    text = words(page)
    assert "pas un paquet SenML lisible expected a list" in text
    assert '{"level": 2.3} <script>' in text
    assert "<script>" not in page.text.replace("<script src", "")
    assert "ff 00 10" in text
    detail = words(visitor.get("/fr/mis-de-cote/2"))
    assert "3 octets" in detail
    assert "ff 00 10" in detail


def test_an_empty_platform_says_how_to_begin(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute("ALTER TABLE published_report DISABLE TRIGGER ALL")  # what was published outlives its zone
        connection.execute("TRUNCATE zone CASCADE")
    text = words(visitor.get("/fr/"))
    assert "Aucune zone n’est encore décrite." in text
    assert "ndiyan zones import" in text
    assert "Il n’y a rien à casser ici." in words(visitor.get("/fr/casser"))


def test_pages_warn_when_nobody_evaluates_alerts_any_more(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute("INSERT INTO heartbeat (service, beat_at) VALUES ('alerts', %s)", (site.clock.now(),))
    site.clock.advance(timedelta(minutes=15))
    assert "La surveillance ne tourne plus" not in visitor.get("/fr/").text
    site.clock.advance(timedelta(seconds=1))
    assert "dernière évaluation des alertes il y a 15 min" in words(visitor.get("/fr/")).replace("\u00a0", " ")


def test_pages_say_that_the_clock_runs_fast(site: Site, visitor: httpx.Client) -> None:
    assert "plus vite que le monde" not in visitor.get("/fr/").text
    site.clock.speed = 60.0
    text = words(visitor.get("/fr/"))
    assert "l’horloge va 60 fois plus vite que le monde" in text


def test_without_the_database_pages_say_so_and_come_back_by_themselves(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        name = connection.info.dbname
    with site.admin() as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        page = visitor.get("/fr/")
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert page.status_code == 503
    assert "La base de données ne répond pas" in words(page)
    assert page.headers["retry-after"] == "5"
    assert 'data-reload="5"' in page.text
    answers = [visitor.get("/fr/").status_code for _ in range(3)]
    assert answers[-1] == 200


def test_a_rule_is_tried_before_it_is_changed_and_can_be_set_back(site: Site, visitor: httpx.Client) -> None:
    assert "Durée avant d’alerter" in words(visitor.get("/fr/regles"))
    name = "pump_not_running.on_delay_min"
    token = csrf_of(visitor)
    wrong = visitor.post(f"/fr/regles/{name}/essai", data={"csrf": token, "valeur": "5", "zone": "zone-3"})
    assert wrong.status_code == 400
    assert "is not within 10 and 360 min" in words(wrong)
    asked = visitor.post(f"/fr/regles/{name}/essai", data={"csrf": token, "valeur": "90", "zone": "zone-3"})
    place = asked.headers["location"]
    deadline = time.monotonic() + 60
    while "Avec ce changement" not in (page := visitor.get(place)).text and time.monotonic() < deadline:
        assert "L’essai a échoué" not in page.text
    assert "Aucune alerte ne change." in words(page), "there are no readings at all"
    visitor.post(
        f"/fr/regles/{name}/valeur", data={"csrf": token, "valeur": "90", "zone": "-", "raison": "groupe lent"}
    )
    assert "90 min" in (shown := words(visitor.get(f"/fr/regles/{name}")).replace("\u00a0", " "))
    assert "groupe lent" in shown
    visitor.post(f"/fr/regles/{name}/valeur", data={"csrf": token, "zone": "-", "raison": "comme avant"})
    assert "groupe lent" not in words(visitor.get(f"/fr/regles/{name}"))


def test_the_figures_about_our_own_alerts(site: Site, visitor: httpx.Client) -> None:
    """An SMS left about the one of now; of the one of four days ago nobody heard, but it was repaired three hours after
    it was opened and 62 minutes more after the first evidence."""
    with site.connect() as connection:
        seed_event(connection, site.alert_id, "false_alarm_claimed", at=site.clock.now(), who="Alpha (exploitant)")
    page = words(visitor.get("/fr/alertes/bilan")).replace("\u00a0", " ")
    assert "1 alertes ; 1 de plus n’ont dérangé personne : aucun SMS n’est parti" in page
    assert "100 %" in page
    assert "1 sur 1 dont on a dit si elles étaient vraies" in page
    assert "médiane de 1 ; neuf sur dix en 4 h 02" in page
    assert visitor.get("/fr/alertes/bilan?jours=8").status_code == 400


def test_the_list_of_alerts_does_not_ask_every_channel_when_it_was_first_heard(
    visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows nothing of a week, and is looked at all day: of a thousand zones those are 40,000 look-ups."""
    monkeypatch.setitem(metrics.SQL, "sent", "not to be asked")
    assert visitor.get("/fr/alertes").status_code == 200


def test_pages_say_what_a_zone_cannot_be_judged_for(reader: httpx.Client) -> None:
    page = words(reader.get("/fr/zones/zone-6"))
    assert "Ce que cette zone ne peut pas juger" in page
    assert "tower/level_m" in page
    assert "quality/free_chlorine_mg_l" in words(reader.get("/fr/alertes/1"))


@pytest.mark.parametrize(
    ("good_until", "hidden"), [(timedelta(hours=26), True), (timedelta(minutes=5), False)], ids=["a-day", "a-moment"]
)
def test_a_sensor_that_says_nothing_usable_for_a_day_hides_what_a_silent_one_hides(
    site: Site, visitor: httpx.Client, zones: list[Zone], good_until: timedelta, hidden: bool
) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        seed_readings(connection, zones[0], now=now - good_until, days=1)
        seed_bad(connection, "zone-1", {"tower/level_m": 6553.5}, [now - timedelta(hours=1), now])
    spots = visitor.get("/api/v1/zones/zone-1").json()["cannot_judge"]
    assert ("tower/level_m" in [spot["channel"] for spot in spots]) is hidden


def test_overview_and_zone_say_which_kind_of_silence_it_is(reader: httpx.Client) -> None:
    assert "860 personnes Silence : impossible à dire" in words(reader.get("/fr/")).replace("\u00a0", " ")
    page = words(reader.get("/fr/zones/zone-4"))
    assert "Pourquoi ce silence : Impossible à dire" in page
    assert "ni batterie, ni crédit, ni signal" in page
    assert "pas de niveau récent du château d’eau" in page, "and so no forecast"
