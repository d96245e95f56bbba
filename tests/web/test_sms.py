"""What people see of SMS: the story of each, what nobody knows, strangers, routes, the purse, consent, the card."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from urllib.parse import quote

import httpx
import pytest

from alerts.actions import assign, shelve
from alerts.closing import UNDO_WITHIN
from alerts.conversation import answer
from alerts.settings import change
from ingest.db import Connection
from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_seed import seed_sms
from tests.web.web_site import TEXT, Site
from web.charts.card import PICTURES, phone_key
from web.handset import screens_of
from web.masks import hide_phone, hide_phones

pytestmark = pytest.mark.db
REPAIRER = "600000013"


@pytest.fixture
def told(site: Site) -> dict[str, int]:
    with site.connect() as connection:
        return seed_sms(connection, site.alert_id, now=site.clock.now())


def test_a_message_tells_each_attempt_its_receipt_and_how_doubt_was_settled(
    visitor: httpx.Client, told: dict[str, int]
) -> None:
    page = visitor.get(f"/fr/messages/{told['again']}")
    text = words(page)
    story = [
        "Écrit", "personne n’a répondu", "Essai 1", "personne ne sait s’il est parti", "pas de réponse à temps",
        "Essai 2", "accepté", "00ab12", "personne n’a pu le dire", "Peut-être reçu deux fois", "Accusé de l’opérateur",
        "remis au téléphone", "stat:DELIVRD", "Appel manqué", "vu",
    ]  # fmt: skip
    places = [text.index(part) for part in story]
    assert places == sorted(places), "told in the order in which it happened"
    assert "<details" in page.text


def test_what_nobody_knows_is_never_called_delivered(visitor: httpx.Client, told: dict[str, int]) -> None:
    text = words(visitor.get(f"/fr/messages/{told['lost']}"))
    assert "accepté par l’opérateur, sans accusé : remise inconnue" in text
    assert "remis au téléphone" not in text
    unknown, delivered = (words(visitor.get(f"/fr/messages?etat={which}")) for which in ("inconnus", "remis"))
    assert "remise inconnue" in unknown
    assert "remise inconnue" not in delivered


def test_no_page_and_no_answer_of_the_api_holds_a_whole_number(
    site: Site, visitor: httpx.Client, told: dict[str, int]
) -> None:
    with site.connect() as connection:
        phones = [phone for (phone,) in connection.execute("SELECT phone FROM contact").fetchall()]
        words, now = f"pièce chez le {REPAIRER}", site.clock.now()
        assert shelve(connection, site.alert_id, span=timedelta(hours=2), why=words, who="Awa (web)", now=now)
        assert assign(connection, site.alert_id, to=words, who="Awa (web)", now=now)
        change(connection, "pump_not_running.on_delay_min", zone=None, value=45.0, who="Awa (web)", why=words, now=now)
    phones += ["+224622000001", "+224622000002", f"+224{REPAIRER}"]
    addresses = [
        f"/fr/alertes/{site.alert_id}", "/fr/alertes", "/fr/regles/pump_not_running.on_delay_min",
        "/api/v1/alerts", "/fr/messages?etat=tous", *(f"/fr/messages/{one}" for one in told.values()),
        "/fr/messages/recus", "/fr/messages/recus?quoi=tous", "/fr/messages/bourse", "/fr/messages/accord",
        "/fr/messages/carte", f"/api/v1/alerts/{site.alert_id}", "/api/v1/notifications", "/api/v1/sms/inbound",
        f"/api/v1/notifications/{told['again']}", f"/api/v1/notifications/{told['refused']}", "/api/v1/sms/purse",
        "/api/v1/carriers",
    ]  # fmt: skip
    for address in addresses:
        answer = visitor.get(address)
        assert answer.status_code == 200, address
        assert [one for one in phones if one.removeprefix("+224") in answer.text] == [], address


def test_the_alert_page_tells_who_heard_and_who_rang(site: Site, visitor: httpx.Client, told: dict[str, int]) -> None:
    text = words(visitor.get(f"/fr/alertes/{site.alert_id}"))
    for part in (TEXT, "Toute l’histoire de ce SMS", "retenu", "refusé pour de bon", "no such number …011",
                 "Réponses et appels", "Appel manqué", "peut-être reçu deux fois", "Ibrahima …013."):  # fmt: skip
        assert part in text, part


def test_messages_wait_fail_and_are_read_page_by_page(site: Site, visitor: httpx.Client, told: dict[str, int]) -> None:
    waiting = words(visitor.get("/fr/messages"))
    assert "1 en attente maintenant" in waiting.replace("en attente maintenant 1", "1 en attente maintenant")
    assert "retenu" in waiting
    assert "échoué" in words(visitor.get("/fr/messages?etat=echecs"))
    items: list[int] = []
    cursor = ""
    while cursor is not None:
        answer = visitor.get(
            f"/api/v1/notifications?limit=2&cursor={cursor}" if cursor else "/api/v1/notifications?limit=2"
        )
        items += [one["id"] for one in answer.json()["items"]]
        cursor = answer.json()["next"]
    assert len(items) == len(set(items)) == 5
    assert items == sorted(items, reverse=True)
    assert visitor.get("/api/v1/notifications?state=no_receipt").json()["items"][0]["delivered_at"] is None
    assert visitor.get("/api/v1/notifications?state=sent").status_code == 422
    assert visitor.get("/api/v1/notifications?zone=zone-99").status_code == 404
    assert visitor.get("/fr/messages?etat=x").status_code == 400
    assert visitor.get("/fr/messages?suite=x").status_code == 400


def test_strangers_are_kept_with_age_and_count(site: Site, visitor: httpx.Client, told: dict[str, int]) -> None:
    site.clock.advance(timedelta(hours=2))
    text = words(visitor.get("/fr/messages/recus"))
    # The one who wrote once comes first: hers is the newer. The other wrote twice and rang once.
    assert text.index("+224 … 002") < text.index("+224 … 001")
    assert "+224 … 001 2 1 allo" in text
    assert "il y a" in text
    calls = visitor.get("/api/v1/sms/inbound?kind=call&known=true").json()["items"]
    assert [(one["intention"], one["alert"], one["text"]) for one in calls] == [("seen", site.alert_id, "")]
    strangers = visitor.get("/api/v1/sms/inbound?known=false").json()["items"]
    assert len(strangers) == 4
    assert [one["text"] for one in strangers if one["may_be_repeat"]] == ["STOP"]
    assert words(visitor.get("/fr/messages/recus?quoi=tous")).count("peut-être un SMS remis deux fois") == 1
    assert visitor.get("/fr/messages/recus?quoi=x").status_code == 400


def test_routes_tell_state_credit_and_expiry_and_grow_stale(
    site: Site, visitor: httpx.Client, told: dict[str, int]
) -> None:
    text = words(visitor.get("/fr/messages")).replace("\u00a0", " ")
    for part in ("ouverte", "48 500 GNF", "coupée", "no modem at /dev/ttyUSB0", "ne le dit pas"):
        assert part in text, part
    assert [one["is_stale"] for one in visitor.get("/api/v1/carriers").json()["items"]] == [False, False]
    site.clock.advance(timedelta(minutes=6))
    assert words(visitor.get("/fr/messages")).count("inconnu : personne ne l’a interrogée") == 2
    assert [one["is_stale"] for one in visitor.get("/api/v1/carriers").json()["items"]] == [True, True]


def test_a_route_with_little_credit_says_since_when(visitor: httpx.Client, site: Site, told: dict[str, int]) -> None:
    with site.connect() as connection:
        connection.execute("UPDATE carrier_state SET low_since = asked_at WHERE carrier = 'smpp'")
    assert words(visitor.get("/fr/messages")).count("bas : à recharger depuis") == 1
    assert words(visitor.get("/en/messages")).count("low: to be topped up since") == 1
    gammu, smpp = visitor.get("/api/v1/carriers").json()["items"]
    assert (gammu["low_since"], smpp["low_since"]) == (None, smpp["asked_at"])


def test_each_place_says_so_when_there_is_nothing(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute("DELETE FROM notification")
    for address, says in (
        ("/fr/messages", "Rien n’attend : tout ce qui devait partir est parti."),
        ("/fr/messages", "Aucune route n’a encore été interrogée"),
        ("/fr/messages?etat=echecs", "Aucun message ici."),
        ("/fr/messages/recus", "Aucun inconnu n’a écrit ni appelé."),
        ("/fr/messages/recus?quoi=appels", "Personne n’a appelé."),
        ("/fr/messages/recus?quoi=tous", "Rien n’est encore arrivé."),
        ("/fr/messages/bourse", "Aucun SMS n’est parti ces douze derniers mois."),
        ("/fr/messages/bourse", "Personne n’a reçu de SMS ces 30 derniers jours."),
    ):
        assert says in words(visitor.get(address)), address


def test_the_purse_counts_every_hand_over_that_may_have_left(site: Site, told: dict[str, int]) -> None:
    # TEXT by the on-screen phone, without attempts: 1. `again`: uncertain and accepted, 2. `lost`: 1. `held` and
    # `refused` never left. Four segments at 200 GNF.
    with site.app(price_gnf=200) as client:
        assert client.get(site.login_path()).status_code == 303
        (row,) = client.get("/api/v1/sms/purse").json()["items"]
        assert (row["month"], row["zone"], row["notifications"]) == ("2026-03-01", "zone-3", 3)
        assert (row["hand_overs"], row["segments"], row["cost_gnf"]) == (4, 4, 800.0)
        assert (row["delivered"], row["unknown"]) == (2, 1)
        assert "800 GNF" in words(client.get("/fr/messages/bourse")).replace("\u00a0", " ")
        table = list(csv.DictReader(client.get("/api/v1/sms/purse?format=csv").text.splitlines()))
        assert [(line["zone"], line["cost_gnf"]) for line in table] == [("zone-3", "800.0")]
        assert client.get("/api/v1/sms/purse?zone=zone-5").json()["items"] == []
        assert client.get("/api/v1/sms/purse?zone=zone-99").status_code == 404


def test_a_volunteer_who_was_told_too_often_is_named(site: Site, visitor: httpx.Client, told: dict[str, int]) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        connection.execute(
            "INSERT INTO notification (ref, zone_id, contact_id, phone, kind, step, reason, language, text, segments,"
            " urgency, state, created_at, next_try_at, valid_until, accepted_at)"
            " SELECT gen_random_uuid(), zone_id, contact_id, phone, 'opened', n::text, '', 'fr', '', 1, 3, 'delivered',"
            " at, at, at, at FROM contact, generate_series(1, 5) n, LATERAL (SELECT %s - n * interval '2 days' AS at) t"
            " WHERE zone_id = 'zone-5' AND role = 'exploitant'",
            (now,),
        )
    text = words(visitor.get("/fr/messages/bourse"))
    # Every second day: within any seven days four of five, the borders counted.
    assert "1 1 4 au-dessus de 2" in text


def test_the_last_person_who_may_be_told_is_a_warning(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        connection.execute("UPDATE contact SET is_active = rank = 1 WHERE zone_id = 'zone-3'")
    text = words(visitor.get("/fr/messages/accord"))
    assert text.count("Une seule personne peut encore être prévenue.") == 1
    assert "rien n’a encore été envoyé" in text


def test_what_people_said_about_being_written_to_stands_beside_their_name(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        phones = [phone for (phone,) in connection.execute("SELECT phone FROM contact WHERE zone_id = 'zone-3'")]
        for place, phone in enumerate(phones):
            hears(connection, phone, "STOP", now=site.clock.now() + timedelta(minutes=place))
        hears(connection, phones[0], "REPRENDRE", now=site.clock.now() + timedelta(hours=1))
    text = words(visitor.get("/fr/messages/accord"))
    assert text.count("ne veut plus rien recevoir · sms") == len(phones) - 1
    assert text.count("a donné son accord · sms") == 1
    assert text.count("Une seule personne peut encore être prévenue.") == 1


def test_a_reported_breakdown_stands_among_what_came_in_and_who_was_told(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        ((phone,),) = connection.execute(
            "SELECT phone FROM contact WHERE zone_id = 'zone-3' AND role = 'fontainier'"
        ).fetchall()
        hears(connection, phone, "PANNE", now=site.clock.now())
        ((number,),) = connection.execute("SELECT notification_id FROM notification WHERE kind = 'report'").fetchall()
    assert "panne signalée" in words(visitor.get("/fr/messages/recus?quoi=tous"))
    text = words(visitor.get(f"/fr/messages/{number}"))
    assert "une personne a signalé une panne" in text
    assert "PANNE signalée par" in text


def hears(connection: Connection, phone: str, text: str, *, now: datetime) -> None:
    """An SMS comes in and is acted on."""
    ((number,),) = connection.execute(
        "INSERT INTO sms_in (carrier, provider_id, phone, text, received_at)"
        " VALUES ('smpp', gen_random_uuid()::text, %s, %s, %s) RETURNING sms_in_id",
        [phone, text, now],
    ).fetchall()
    answer(connection, number, phone=phone, text=text, now=now)


def test_the_card_is_pictures_in_both_languages_and_one_click_from_the_zone(visitor: httpx.Client) -> None:
    assert 'href="/fr/messages/carte"' in visitor.get("/fr/zones/zone-3").text
    for language, says in (("fr", "J’y vais"), ("en", "I am on my way")):
        page = visitor.get(f"/{language}/messages/carte")
        assert says in words(page)
        assert page.text.count('class="pictogram"') == 5 + 5 + 2
    assert all(draw().startswith("<svg") for draw in PICTURES.values())
    assert ">0<" in phone_key("0")


@pytest.mark.parametrize(
    ("text", "screens"),
    [
        ("", [[""]]),
        ("1 vu", [["1 vu"]]),
        # 14 letters fill a line; the fifteenth begins another.
        ("ABCDEFGHIJKLMN", [["ABCDEFGHIJKLMN"]]),
        ("ABCDEFGHIJKLMNO", [["ABCDEFGHIJKLMN", "O"]]),
        ("POMPE ARRETEE depuis 2 h", [["POMPE ARRETEE", "depuis 2 h"]]),
        ("a\n\nb", [["a", "", "b"]]),
        ("abcdefghijklmn " * 6, [["abcdefghijklmn"] * 5, ["abcdefghijklmn"]]),
    ],
    ids=["nothing", "short", "a-line", "one-more", "words-stay-whole", "an-empty-line", "scrolls"],
)
def test_a_2g_phone_shows_five_lines_of_fourteen_letters(text: str, screens: list[list[str]]) -> None:
    assert screens_of(text) == screens


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Appelez Awa 600000013.", "Appelez Awa …013."),
        ("Tel +224 600 00 00 13", "Tel …013"),
        ("compteur 00123456 niveau 2.40", "compteur 00123456 niveau 2.40"),
        ("depuis 09:38 le 02/03/2026, 65%", "depuis 09:38 le 02/03/2026, 65%"),
        ("Tel 00 33 6 12 34 56 78", "Tel …678"),
        ("Visite du 2026-10-01 08:40", "Visite du 2026-10-01 08:40"),
        ("encaissé 125 000 000 GNF", "encaissé 125 000 000 GNF"),
        ("réf. 62892408-8a55-4319-880c-620000010212", "réf. 62892408-8a55-4319-880c-620000010212"),
    ],
    ids=["as-dialled", "spaced", "a-meter", "a-date", "abroad", "a-day-with-its-hour", "a-sum", "a-reference"],
)
def test_numbers_of_phones_are_hidden_in_texts_and_others_stay(text: str, shown: str) -> None:
    assert hide_phones(text) == shown


def test_of_a_receipt_only_its_own_phone_is_hidden() -> None:
    raw = "id:123456789012 from:224600000011 to:600000011"
    assert hide_phone(raw, "+224600000011") == "id:123456789012 from:…011 to:…011"


def test_a_phone_that_is_switched_off_on_the_page_sends_nothing(site: Site, visitor: httpx.Client) -> None:
    form = {"csrf": csrf_of(visitor), "contact": str(site.contact_id)}
    assert visitor.post("/fr/telephone/reseau", data={**form, "barres": "2", "retard": "60"}).status_code == 303
    page = visitor.get(f"/fr/telephone?contact={site.contact_id}")
    assert "Éteint" in words(page)
    assert visitor.post("/fr/telephone", data={**form, "text": "1"}).status_code == 400
    assert visitor.post("/fr/telephone/appel", data=form).status_code == 400
    visitor.post("/fr/telephone/reseau", data={**form, "allume": "true", "barres": "2"})
    assert 'aria-label="signal 2 sur 4"' in visitor.get(f"/fr/telephone?contact={site.contact_id}").text
    assert visitor.post("/fr/telephone/appel", data=form).status_code == 303
    assert "Appel manqué" in words(visitor.get(f"/fr/telephone?contact={site.contact_id}"))
    assert visitor.post("/fr/telephone/reseau", data={**form, "barres": "9"}).status_code == 400


def test_a_script_rings_and_spoils_the_network(site: Site, script: httpx.Client) -> None:
    address = f"/api/v1/phone/{quote(site.phone)}"
    assert script.get(f"{address}/network").json()["bars"] == 4
    assert script.put(f"{address}/network", json={"is_on": False, "delay_s": 90}).json()["delay_s"] == 90.0
    assert script.post(f"{address}/rings").status_code == 422
    assert script.put(f"{address}/network", json={"bars": 5}).status_code == 422
    assert script.put(f"{address}/network", json={}).json()["is_on"] is True
    assert script.post(f"{address}/rings").status_code == 202
    assert script.get(f"{address}/messages").json()["items"][0]["direction"] == "rang"
    assert script.put("/api/v1/phone/+33123456789/network", json={}).status_code == 404


def test_whom_nobody_reached_by_sms_is_called_once_and_the_story_says_by_whom(
    site: Site, visitor: httpx.Client, told: dict[str, int]
) -> None:
    assert "Personne n’est à appeler." in words(visitor.get("/fr/messages/appeler"))
    with site.connect() as connection:
        connection.execute("UPDATE alert SET state = 'open' WHERE alert_id = %s", [site.alert_id])
        row = connection.execute(
            "INSERT INTO call_list (alert_id, contact_id, step, why, since) SELECT %s, contact_id, 'call_list',"
            " 'nobody_answered', %s FROM contact ORDER BY contact_id LIMIT 1 RETURNING call_id",
            [site.alert_id, site.clock.now() - timedelta(hours=1)],
        ).fetchone()
        name, phone = connection.execute("SELECT name, phone FROM contact ORDER BY contact_id LIMIT 1").fetchone() or (
            "",
            "",
        )
    assert row is not None
    page = visitor.get("/fr/messages/appeler")
    assert name in words(page)
    assert f"tel:{phone}" in page.text, "who calls needs the whole number"
    listed = visitor.get("/api/v1/calls").json()["items"]
    assert [(one["id"], one["why"]) for one in listed] == [(row[0], "nobody_answered")]
    assert phone not in str(listed)
    for _ in range(2):
        answer = visitor.post(f"/fr/messages/appeler/{row[0]}", data={"csrf": csrf_of(visitor)}, follow_redirects=True)
        assert "Personne n’est à appeler." in words(answer)
    with site.connect() as connection:
        told_once = connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'called'").fetchone()
    assert told_once == (1,)


def test_a_call_that_was_marked_by_mistake_is_taken_back_and_the_story_keeps_both(
    site: Site, visitor: httpx.Client, told: dict[str, int]
) -> None:
    with site.connect() as connection:
        connection.execute("UPDATE alert SET state = 'open' WHERE alert_id = %s", [site.alert_id])
        ((call, name),) = connection.execute(
            "WITH due AS (INSERT INTO call_list (alert_id, contact_id, step, why, since) SELECT %s, min(contact_id),"
            " 'call_list', 'nobody_answered', %s FROM contact RETURNING call_id, contact_id)"
            " SELECT call_id, name FROM due JOIN contact USING (contact_id)",
            [site.alert_id, site.clock.now() - timedelta(hours=1)],
        ).fetchall()
    path = f"/fr/messages/appeler/{call}"

    def sends(address: str) -> str:
        return words(visitor.post(address, data={"csrf": csrf_of(visitor)}, follow_redirects=True))

    assert "Annuler cet appel" in sends(path)
    for _ in range(2):
        page = sends(f"{path}/annuler")
        assert (name in page, "J’ai appelé" in page, "Annuler cet appel" in page) == (True, True, False)
    assert "Personne n’est à appeler." in sends(path)
    site.clock.advance(UNDO_WITHIN + timedelta(seconds=1))
    assert "Annuler cet appel" not in words(visitor.get("/fr/messages/appeler"))
    assert "Personne n’est à appeler." in sends(f"{path}/annuler"), "too late"
    with site.connect() as connection:
        kinds = connection.execute(
            "SELECT kind FROM alert_event WHERE kind IN ('called', 'uncalled') ORDER BY event_id"
        ).fetchall()
    assert [kind for (kind,) in kinds] == ["called", "uncalled", "called"]
