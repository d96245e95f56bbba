"""What people do to an alert from its page and through the API; each leaves its line in the story."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx
import pytest

from tests.alerts.test_photos import picture
from tests.web.test_access import csrf_of
from tests.web.test_pages import words
from tests.web.web_seed import seed_alert
from tests.web.web_site import Site, prefix_of

pytestmark = pytest.mark.db


def sent(visitor: httpx.Client, site: Site, action: str, **form: str) -> httpx.Response:
    """Send a form of alert 1 and follow to the page."""
    return visitor.post(
        f"/fr/alertes/{site.alert_id}/{action}", data={"csrf": csrf_of(visitor), **form}, follow_redirects=True
    )


def post(visitor: httpx.Client, site: Site, action: str, **form: str) -> str:
    """Likewise what is taken; the page as words."""
    answer = sent(visitor, site, action, **form)
    assert answer.status_code == 200
    return words(answer)


def test_an_alert_is_given_visited_closed_and_the_closing_taken_back(site: Site, visitor: httpx.Client) -> None:
    page = post(visitor, site, "confier", a="Mamadou Saliou Sow")
    assert "confiée à Mamadou Saliou Sow" in page
    page = post(visitor, site, "visite", texte="Disjoncteur tombé, rappelez le 622000001", jour="2026-03-01")
    assert "Visite Awa (web) Disjoncteur tombé, rappelez le …001 faite le dim. 1 mars" in page
    page = post(visitor, site, "clore", cause="set_right", mots="disjoncteur remis")
    assert "Cause remise en ordre : vanne, disjoncteur, flotteur, réglage Awa (web)" in page
    assert "finie parce qu’une personne l’a dit" in page
    assert "Première chose à faire" not in page
    page = post(visitor, site, "rouvrir")
    assert "Clôture annulée Awa (web)" in page
    assert "Première chose à faire" in page
    post(visitor, site, "clore", cause="theft")
    site.clock.advance(timedelta(minutes=16))
    assert "Annuler la clôture" not in words(visitor.get(f"/fr/alertes/{site.alert_id}"))
    assert "Il est trop tard pour annuler cette clôture" in post(visitor, site, "rouvrir")


@pytest.mark.parametrize(
    ("action", "form", "said"),
    [
        ("confier", {"a": ""}, "Dites à qui confier l’alerte, en 80 lettres au plus."),
        ("visite", {"texte": " "}, "Notez la visite en 1000 lettres au plus"),
        ("visite", {"texte": "vu", "jour": "2026-03-09"}, "à une date qui n’est pas dans le futur"),
        ("visite", {"texte": "vu", "jour": "hier"}, "à une date qui n’est pas dans le futur"),
        ("clore", {"cause": "other"}, "« autre » demande quelques mots, 300 lettres au plus"),
        ("clore", {"cause": "magic"}, "Choisissez une cause"),
        ("photos", {"legende": "x"}, "Photo refusée : une image JPEG, PNG, WEBP d’au plus 8 Mo"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    site: Site, visitor: httpx.Client, action: str, form: dict[str, str], said: str
) -> None:
    answer = sent(visitor, site, action, **form)
    assert said in words(answer)
    assert answer.status_code == (200 if action == "confier" else 400)
    with site.connect() as connection:
        kinds = connection.execute("SELECT kind FROM alert_event WHERE alert_id = %s", (site.alert_id,)).fetchall()
    assert set(kinds) == {("opened",), ("told",)}


def test_a_note_as_long_as_the_form_allows_is_kept_however_a_browser_ends_its_lines(
    site: Site, visitor: httpx.Client
) -> None:
    """A browser counts a line end as one letter and sends two."""
    lines = [f"Ligne {number:03}" for number in range(100)]
    note = "\n".join(lines)[:1000]
    assert len(note) < 1000 < len(note.replace("\n", "\r\n"))
    assert "Ligne 090" in post(visitor, site, "visite", texte=note.replace("\n", "\r\n"))
    with site.connect() as connection:
        kept = connection.execute("SELECT detail ->> 'text' FROM alert_event WHERE kind = 'visited'").fetchall()
    assert kept == [(note,)]


def test_what_was_typed_is_still_there_when_it_is_refused(site: Site, visitor: httpx.Client) -> None:
    long = sent(visitor, site, "visite", texte="<b>Vu\r\n" + "x" * 1000, jour="2026-03-01")
    assert 'value="2026-03-01"' in long.text
    assert "&lt;b&gt;Vu\r\nxxx" in long.text
    assert "data-refresh" not in long.text, "nobody asks for the address of a form again"
    closed = sent(visitor, site, "clore", cause="part_replaced", mots="bague d'usure" + "x" * 300)
    assert re.search(r'<option value="part_replaced" selected>', closed.text)
    assert 'value="bague d&#39;usurexxx' in closed.text
    photo = sent(visitor, site, "photos", legende="le clapet, neuf")
    assert 'value="le clapet, neuf"' in photo.text
    assert '<details class="blind" open><summary>Ajouter une photo' in photo.text


def test_a_photo_is_shown_with_its_words_and_comes_back_without_its_secrets(site: Site, visitor: httpx.Client) -> None:
    sent = picture(size=(600, 400))
    answer = visitor.post(
        f"/fr/alertes/{site.alert_id}/photos", data={"csrf": csrf_of(visitor), "legende": "la vanne, 622000001"},
        files={"photo": ("../../etc/passwd", sent, "text/html")}, follow_redirects=True,
    )  # fmt: skip
    address = re.search(r'<img src="([^"]+)" alt="la vanne, …001" width="600" height="400"', answer.text)
    assert address
    assert "passwd" not in answer.text
    photo = visitor.get(address[1])
    assert photo.headers["content-type"] == "image/jpeg"
    assert photo.headers["x-content-type-options"] == "nosniff"
    assert b"Nokia" in sent
    assert b"Nokia" not in photo.content
    assert visitor.get(f"/fr/alertes/{site.alert_id + 1}/photos/1").status_code == 404, "of another alert"
    with site.app() as stranger:
        assert stranger.get(address[1]).status_code == 401


def test_only_where_photos_go_may_a_request_be_large(site: Site, visitor: httpx.Client) -> None:
    large = b"x" * 100_000
    assert visitor.post("/fr/alertes/1/visite", content=large).status_code == 413
    assert visitor.post("/fr/alertes/1/photos/1", content=large).status_code == 413
    assert visitor.post("/fr/alertes/1/photos", content=large).status_code == 403, "read, and no form of ours"
    assert visitor.post("/fr/alertes/1/photos", content=bytes(9 * 1024 * 1024)).status_code == 413


def test_the_list_counts_what_lies_where_and_keeps_its_filter_in_the_address(site: Site, visitor: httpx.Client) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        seed_alert(
            connection, "zone-6", "tower_empty", code="A6", opened_at=now, severity=1, state="resolved", resolved_at=now
        )
        seed_alert(connection, "zone-1", "night_leak", code="A8", opened_at=now, severity=2, asset="network")
        connection.execute("UPDATE alert SET state = 'acknowledged', acknowledged_at = opened_at WHERE code = 'A8'")
        seed_alert(connection, "zone-2", "night_leak", code="A9", opened_at=now, severity=2, asset="network")
        connection.execute(
            "UPDATE alert SET shelved_until = %s, shelved_by = 'Awa', shelved_why = 'pièce' WHERE code = 'A9'",
            (now + timedelta(hours=2),),
        )
    page = visitor.get("/fr/alertes")
    tallies = words(page).split("Filtrer")[0]
    for tally in (
        "En cours 3",
        "À prendre 1",
        "Prises en charge 1",
        "En sommeil 1",
        "Finies, cause à dire 1",
        "Closes 0",
    ):
        assert tally in tallies
    codes = {
        state: re.findall(r"\bA\d+\b", words(visitor.get(f"/fr/alertes?etat={state}")).split("Faire")[-1])
        for state in ("a-prendre", "prises", "sommeil", "sans-cause")
    }
    assert {state: set(found) for state, found in codes.items()} == {
        "a-prendre": {"A7"}, "prises": {"A8"}, "sommeil": {"A9"}, "sans-cause": {"A2"},
    }, "what is told for information needs no cause"  # fmt: skip
    filtered = visitor.get("/fr/alertes?etat=toutes&zone=zone-2&quoi=night_leak")
    assert set(re.findall(r"\bA\d\b", words(filtered))) == {"A9"}
    assert 'href="?etat=prises&amp;zone=zone-2&amp;quoi=night_leak"' in filtered.text
    assert '<option value="night_leak" selected>' in filtered.text
    assert visitor.get("/fr/alertes?zone=zone-9").status_code == 400


def test_an_outage_that_ended_lately_is_counted_however_long_ago_it_began(site: Site, visitor: httpx.Client) -> None:
    def tally() -> str:
        found = re.search(r"Finies, cause à dire (\d+)", words(visitor.get("/fr/alertes?zone=zone-6&quoi=dry_running")))
        assert found is not None
        return found[1]

    now = site.clock.now()
    assert tally() == "0"
    with site.connect() as connection:
        for code, begun, ended in (("A40", 40, 1), ("A41", 41, 31)):
            seed_alert(
                connection, "zone-6", "dry_running", code=code, opened_at=now - timedelta(days=begun),
                state="resolved", resolved_at=now - timedelta(days=ended),
            )  # fmt: skip
    assert tally() == "1", "A40, and not A41, which ended 31 days ago"


def test_the_list_tells_how_long_repairs_took_by_cause_and_which_rules_talk_most(
    site: Site, visitor: httpx.Client
) -> None:
    with site.connect() as connection:
        connection.execute(
            "UPDATE alert SET cause = 'dry_borehole', closed_at = %s, closed_by = 'Awa' WHERE code = 'A2'",
            (site.clock.now(),),
        )
    page = words(visitor.get("/fr/alertes"))
    assert "forage à sec 1 4 h 02 4 h 02" in page, "three hours since A2 opened, and one more of evidence"
    assert "Cause dite pour 100 % des alertes finies" in page
    assert "Pompe arrêtée malgré le soleil alertes : 1" in page
    assert "Pompe à sec alertes" not in page, "nobody got an SMS of A2"


def test_a_script_does_the_same_and_hears_bounds_as_problems(site: Site, script: httpx.Client) -> None:
    base = f"/api/v1/alerts/{site.alert_id}"
    assert script.post(f"{base}/assign", json={"to": "Binta"}).json() == {"id": site.alert_id, "changed": True}
    assert script.post(f"{base}/assign", json={"to": "Binta"}).json()["changed"] is False
    assert script.post(f"{base}/visit", json={"text": "vu", "on": "2026-03-01", "who": "Alpha"}).json()["changed"]
    late = script.post(f"{base}/visit", json={"text": "vu", "on": "2026-03-09"})
    assert (late.status_code, late.json()["errors"][0]["parameter"]) == (422, "on")
    assert script.post(f"{base}/close", json={"cause": "other"}).status_code == 422
    assert script.post(f"{base}/close", json={"cause": "network", "words": "SIM"}).json()["changed"]
    assert script.post(f"{base}/reopen").json()["changed"]
    kept = script.post(f"{base}/photos?shows=vanne", content=picture()).json()
    assert kept == {"id": site.alert_id, "changed": True, "photo": 1}
    assert script.post(f"{base}/photos?shows=vanne", content=picture()).json()["photo"] is None
    assert script.post(f"{base}/photos?shows=vanne", content=b"no").status_code == 422
    assert script.get(f"{base}/photos/1").content.startswith(b"\xff\xd8")
    script.post(f"{base}/close", json={"cause": "network"})
    alert, key = script.get(base).json(), prefix_of(script)
    who = f"script {key} (API)"
    assert (alert["assigned_to"], alert["cause"], alert["closed_by"]) == ("Binta", "network", who)
    assert [one["shows"] for one in alert["photos"]] == ["vanne"]
    assert [(event["kind"], event["who"]) for event in alert["events"]][2:] == [
        ("assigned", who), ("visited", f"script {key} · Alpha (API)"), ("closed", who),
        ("reopened", who), ("photo", who), ("closed", who),
    ]  # fmt: skip
    figures = script.get("/api/v1/alerts/metrics").json()["by_cause"]
    assert [one["cause"] for one in figures] == [None], "A2 has no cause yet, and what was closed by hand has not ended"
