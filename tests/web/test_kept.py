"""What is kept of a person: shown to everybody, given to whoever asks about themselves, and nothing left out."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from alerts.asking import Asked, Question, ask
from alerts.forget import forget
from alerts.replies import Intention
from gateway.zones import Zone
from ndiyan.cli import app
from tests.alerts.test_climbing import MINUTE, Region, phone_of
from tests.alerts.test_conversation import says
from tests.alerts.test_forget import lives, tables_with, what_is_told
from tests.web.test_access import csrf_of
from tests.web.test_committee import logged_in, pages_of, version_on
from tests.web.web_site import Site
from web.kept import PARTS, SQL, as_csv, as_json, fetch_kept
from web.rights import Role

pytestmark = pytest.mark.db

TOLD_IN = {
    "contact": "contact", "consent_log": "consent", "notification": "told", "sms_in": "received", "report": "reports",
    "alert_event": "story", "alert": "alerts", "alert_photo": "photos", "phone_inbox": "handset",
    "phone_reply": "handset",
    "sms_attempt": "attempts", "sms_receipt": "receipts", "conversation": "conversation", "carrier_event": "events",
    "hand_reading": "hand_readings", "call_list": "calls", "gammu_handover": "handed_over",
}  # fmt: skip
"""The part that tells what a table holds of somebody."""


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def test_a_person_gets_all_that_is_kept_of_them(region: Region) -> None:
    """Every table that has their number or name is told by a part that is not empty."""
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    region.is_mended(lives(region, person, repairer))  # then "3" can only be about what they reported
    says(region, person, "PANNE")
    says(region, person, "3")
    kept = fetch_kept(region.connection, person)
    assert kept is not None
    assert kept.keys() == {part.name for part in PARTS} == SQL.keys()
    holding = {*tables_with(region, person.removeprefix("+224")), *tables_with(region, "Djenabou")}
    assert {"contact", "notification", "sms_in", "consent_log", "alert_event", "report"} <= holding
    for table in holding:
        assert kept[TOLD_IN[table]], table
    assert kept["contact"][0]["name"] == "Hadja Djenabou Diallo"
    assert "2 merci c'est Djenabou" in [row["text"] for row in kept["received"]]
    assert [row["what"] for row in kept["consent"]] == ["opt_out", "opt_in"]
    assert kept["reports"][0]["closed_by"] == "Hadja Djenabou Diallo (president)"
    again = json.loads(as_json(kept))
    assert {part: len(rows) for part, rows in again.items()} == {part: len(rows) for part, rows in kept.items()}
    lines = list(csv.reader(as_csv(kept).splitlines()))
    assert ["contact", "1", "phone", f"'{person}"] in lines, "a number begins with +, as a formula does"
    assert fetch_kept(region.connection, "+224699999999") is None


def test_nothing_is_left_to_give_of_who_was_forgotten_even_if_they_closed_a_breakdown(region: Region) -> None:
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    region.is_mended(lives(region, person, repairer))  # then "3" can only be about what they reported
    says(region, person, "PANNE")
    says(region, person, "3")
    assert forget(region.connection, person, by="Awa (web)", now=region.clock.now()) is not None
    assert fetch_kept(region.connection, person) is None
    region.connection.execute("DELETE FROM phone_inbox")
    assert tables_with(region, "Djenabou") == []


def test_the_command_prints_it_and_says_when_nobody_is_known(
    region: Region, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    phone = phone_of(region.zones[2], "president")
    done = CliRunner().invoke(app, ["people", "export", phone])
    assert json.loads(done.stdout)["contact"][0]["phone"] == phone
    table = CliRunner().invoke(app, ["people", "export", phone, "--csv"])
    assert table.stdout.startswith("part,number,field,value\n")
    nobody = CliRunner().invoke(app, ["people", "export", "+224699999999"])
    assert (nobody.exit_code, nobody.stdout) == (1, "No committee knows this number.\n")


def test_a_secretary_takes_along_who_is_of_their_zone_and_a_viewer_nobody(site: Site) -> None:
    with site.app() as client:
        assert client.get(site.login_path(Role.SECRETARY, "zone-3")).status_code == 303
        address = f"/fr/messages/accord/{site.contact_id}/donnees"
        assert address in client.get("/fr/messages/accord").text
        taken = client.get(address)
        assert taken.json()["contact"][0]["phone"] == site.phone
        assert taken.headers["cache-control"] == "no-store"
        assert f"'{site.phone}" in client.get(f"{address}?format=csv").text
        assert client.get(f"{address}?format=xml").status_code == 400
        page = client.get("/en/messages/accord/donnees").text
        assert "to prove what was said" in page
        assert page.count("<tr>") == len(PARTS) + 1
    with site.app() as client:
        assert client.get(site.login_path(Role.SECRETARY, "zone-1")).status_code == 303
        assert client.get(address).status_code == 404
    with site.app() as client:
        assert client.get(site.login_path(Role.VIEWER)).status_code == 303
        assert client.get(address).status_code == 403
        assert address not in client.get("/fr/messages/accord").text
        assert client.get("/fr/messages/accord/donnees").status_code == 200


def registers(client: httpx.Client, site: Site, zone: str, *, name: str, role: str, phone: str) -> str:
    """Write somebody into a committee, as the page does; returns the address of what concerns them."""
    page = f"/fr/zones/{zone}/comite"
    form = {"nom": name, "role": role, "telephone": phone, "langue": "fr"}
    seen = {"csrf": csrf_of(client), "vu": version_on(client.get(page).text)}
    assert client.post(page, data=seen | form).status_code == 303
    with site.connect() as connection:
        ((number,),) = connection.execute(
            "SELECT contact_id FROM contact WHERE zone_id = %s AND phone = %s", [zone, phone]
        ).fetchall()
    return f"/fr/messages/accord/{number}"


def test_a_secretary_who_writes_down_a_name_of_another_zone_reads_and_erases_nothing_of_whose_it_is(
    region: Region, database_url: str
) -> None:
    site, person = pages_of(region, database_url), phone_of(region.zones[2], "president")
    region.is_mended(lives(region, person, phone_of(region.zones[2], "reparateur")))
    before = what_is_told(region, 2)
    assert any("Djenabou" in str(row) for row in before)
    with logged_in(site, Role.SECRETARY, "zone-1") as client:
        invented = {"name": "Hadja Djenabou Diallo", "role": "president", "phone": "+224620000999"}
        address = registers(client, site, "zone-1", **invented)
        kept = client.get(f"{address}/donnees").json()
        assert kept.keys() == {part.name for part in PARTS}
        assert {part for part, rows in kept.items() if rows} == {"contact"}
        assert [row["zone_id"] for row in kept["contact"]] == ["zone-1"]
        assert client.post(f"{address}/oublier", data={"csrf": csrf_of(client)}).status_code == 303
    assert what_is_told(region, 2) == before
    with logged_in(site, Role.ENGINEER) as client:
        address = registers(client, site, "zone-1", **invented | {"phone": "+224620000998"})
        kept = client.get(f"{address}/donnees").json()
        assert {part for part, rows in kept.items() if rows} == {"contact"}, "namesakes are two people for everybody"
        assert client.post(f"{address}/oublier", data={"csrf": csrf_of(client)}).status_code == 303
    assert what_is_told(region, 2) == before


def test_a_secretary_who_writes_down_a_number_of_another_zone_is_sent_to_an_engineer_who_sees_and_erases_all(
    region: Region, database_url: str
) -> None:
    site, person = pages_of(region, database_url), phone_of(region.zones[2], "president")
    lives(region, person, phone_of(region.zones[2], "reparateur"))
    before, sms = what_is_told(region, 2), region.sms(person)
    assert sms
    with logged_in(site, Role.SECRETARY, "zone-1") as client:
        address = registers(client, site, "zone-1", name="Qui que ce soit", role="president", phone=person)
        token = {"csrf": csrf_of(client)}
        english = client.post(f"{address.replace('/fr/', '/en/')}/oublier", data=token)
        answers = [
            client.get(f"{address}/donnees"), client.get(f"{address}/donnees?format=csv"),
            client.post(f"{address}/oublier", data=token), english,
        ]  # fmt: skip
        for answer in answers:
            assert answer.status_code == 403
            assert answer.headers["content-type"].startswith("text/html")
            assert not [
                word for word in ("Djenabou", "zone-3", "Mangol", *(text for _, text in sms)) if word in answer.text
            ]
        assert all("aussi dans le comité d’une autre zone : rien n’a été fait" in one.text for one in answers[:3])
        assert "Demandez à un ingénieur" in answers[0].text
        assert "also in the committee of another zone: nothing was done" in english.text
        assert "Ask an engineer" in english.text
        page = client.get("/fr/messages/accord").text
        assert "aussi dans le comité" not in page, "before anybody asks"
    assert what_is_told(region, 2) == before
    region.fails(2, "dry_running")
    region.run(40 * MINUTE)
    assert len(region.sms(person)) > len(sms), "and goes on hearing that there is no water"
    with logged_in(site, Role.ENGINEER) as client:
        kept = client.get(f"{address}/donnees").json()
        assert [row["zone_id"] for row in kept["contact"]] == ["zone-3", "zone-1"]
        assert kept["story"]
        assert kept["events"] == []
        assert kept["handset"]
        assert client.post(f"{address}/oublier", data={"csrf": csrf_of(client)}).status_code == 303
    region.connection.execute("DELETE FROM phone_inbox")
    assert tables_with(region, "Djenabou") == tables_with(region, "Qui que ce soit") == []


def test_a_secretary_gives_what_is_of_their_zone_and_an_engineer_what_is_of_none_too(
    region: Region, database_url: str
) -> None:
    """Somebody wrote before any committee knew them: their village was nobody's to say."""
    site, stranger = pages_of(region, database_url), "+224620000777"
    says(region, stranger, "il n'y a pas d'eau ici")
    with logged_in(site, Role.SECRETARY, "zone-3") as secretary, logged_in(site, Role.ENGINEER) as engineer:
        address = registers(secretary, site, "zone-3", name="Kadiatou Bah", role="fontainier", phone=stranger)
        says(region, stranger, "PANNE")
        ask(region.connection, stranger, Question(Asked.CONFIRM, Intention.REPAIRED), now=region.clock.now())
        narrow, whole = (client.get(f"{address}/donnees").json() for client in (secretary, engineer))
        assert [row["text"] for row in narrow["received"]] == ["PANNE"]
        assert [row["text"] for row in whole["received"]] == ["il n'y a pas d'eau ici", "PANNE"]
        assert narrow["reports"] == whole["reports"] != []
        assert len(narrow["told"]) == len(whole["told"]) - 1, "the answer to a stranger"
        assert (narrow["conversation"], narrow["handset"]) == ([], [])
        assert whole["conversation"]
        assert secretary.post(f"{address}/oublier", data={"csrf": csrf_of(secretary)}).status_code == 303
    region.connection.execute("DELETE FROM phone_inbox")
    assert tables_with(region, stranger.removeprefix("+224")) == [], "forgotten everywhere, also as a stranger"


def test_every_table_of_people_that_forgetting_knows_is_one_that_is_given() -> None:
    text = Path("alerts/sql/forget.sql").read_text("utf-8")
    ours = [table for table in TOLD_IN if f"UPDATE {table} " in text or f"DELETE FROM {table} " in text]
    assert len(ours) >= 12
