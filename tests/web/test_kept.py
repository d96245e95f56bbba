"""What is kept of a person: shown to everybody, given to whoever asks about themselves, and nothing left out."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alerts.forget import forget
from gateway.zones import Zone
from ndiyan.cli import app
from tests.alerts.test_climbing import Region, phone_of
from tests.alerts.test_conversation import says
from tests.alerts.test_forget import lives, tables_with
from tests.web.web_site import Site
from web.kept import PARTS, SQL, as_csv, as_json, fetch_kept
from web.rights import Role

pytestmark = pytest.mark.db

TOLD_IN = {
    "contact": "contact", "consent_log": "consent", "notification": "told", "sms_in": "received", "report": "reports",
    "alert_event": "story", "alert": "alerts", "phone_inbox": "handset", "phone_reply": "handset",
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


def test_every_table_of_people_that_forgetting_knows_is_one_that_is_given() -> None:
    text = Path("alerts/sql/forget.sql").read_text("utf-8")
    ours = [table for table in TOLD_IN if f"UPDATE {table} " in text or f"DELETE FROM {table} " in text]
    assert len(ours) >= 12
