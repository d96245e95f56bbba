"""A committee kept in the browser: elections, a digit too few, a secretary before another village's door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from alerts.forget import forget
from gateway.clock import ManualClock, SystemClock
from gateway.zones import Contact, Zone
from ingest.zone_changes import plan_import
from tests.alerts.test_climbing import HOUR, MINUTE, Region, phone_of
from tests.web.test_access import csrf_of
from tests.web.web_site import Site
from web.committee import phone_from
from web.config import WebConfig
from web.errors import CommitteeRefused
from web.rights import Role

pytestmark = pytest.mark.db

PAGE = "/fr/zones/zone-3/comite"
KADIATOU = {"nom": "Kadiatou  Bah ", "telephone": "620 00 07 77", "role": "secretaire", "langue": "fr"}
NUMBER = "+224620000777"


def version_on(page: str) -> str:
    found = re.search(r'name="vu" value="(\d+)"', page)
    assert found
    return found[1]


def sends(client: httpx.Client, address: str, **form: str) -> httpx.Response:
    """A form of the page as it is now."""
    page = client.get(PAGE).text
    return client.post(address, data={"csrf": csrf_of(client), "vu": version_on(page)} | form)


def people(site: Site, zone: str = "zone-3") -> list[tuple[str, str]]:
    with site.connect() as connection:
        return connection.execute(
            "SELECT name, phone FROM contact WHERE zone_id = %s AND is_active ORDER BY rank", [zone]
        ).fetchall()


def number_of(site: Site, role: str, zone: str = "zone-3") -> int:
    with site.connect() as connection:
        ((number,),) = connection.execute(
            "SELECT contact_id FROM contact WHERE zone_id = %s AND role = %s", [zone, role]
        ).fetchall()
    return int(number)


@contextmanager
def logged_in(site: Site, role: Role, zone: str | None = None) -> Iterator[httpx.Client]:
    with site.app() as client:
        assert client.get(site.login_path(role, zone)).status_code == 303
        yield client


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def pages_of(region: Region, url: str) -> Site:
    """The pages on a region whose clock moves when told."""
    config = WebConfig(url, demo=True, public_url="http://testserver")
    return Site(url, config, region.clock, ManualClock(SystemClock().now()), 0, 0, "")


def test_an_administrator_adds_the_new_secretary_after_the_elections_and_she_gets_the_next_sms(
    region: Region, database_url: str, zones: list[Zone]
) -> None:
    site = pages_of(region, database_url)
    treasurer = phone_of(zones[2], "tresorier")
    with logged_in(site, Role.ADMINISTRATOR) as client:
        assert sends(client, PAGE, **KADIATOU).status_code == 303
        page = client.get(PAGE).text
        assert "7. Kadiatou Bah" in page
        assert "secrétariat" in page
        assert NUMBER in page, "whole where it is changed, for who may"
        assert "+224\xa0…\xa0777" in page
        gone = number_of(site, "tresorier")
        assert sends(client, f"{PAGE}/{gone}/retirer").status_code == 303
        assert sends(client, f"{PAGE}/{number_of(site, 'president')}/retirer").status_code == 303
    region.fails(2)
    region.run(35 * MINUTE)
    ((minute, text),) = region.sms(NUMBER)
    assert (minute, "POMPE" in text) == (30, True), "second on the ladder, where the president stood"
    region.run(2 * HOUR)
    assert region.sms(treasurer) == []


def test_what_waits_for_who_was_taken_out_is_not_sent(region: Region, database_url: str, zones: list[Zone]) -> None:
    site = pages_of(region, database_url)
    exploitant = phone_of(zones[2], "exploitant")
    region.fails(2)
    states = "SELECT state FROM notification WHERE phone = %s"
    assert region.connection.execute(states, [exploitant]).fetchall() == [("queued",)]
    with logged_in(site, Role.ENGINEER) as client:
        assert sends(client, f"{PAGE}/{number_of(site, 'exploitant')}/retirer").status_code == 303
    region.run(2 * MINUTE)
    assert region.sms(exploitant) == []
    assert region.connection.execute(states, [exploitant]).fetchall() == [("superseded",)]


def test_a_number_with_a_missing_digit_is_told_with_its_digits_and_what_was_typed_stays(
    site: Site, visitor: httpx.Client
) -> None:
    refused = sends(visitor, PAGE, **KADIATOU | {"telephone": "620 00 07 7"})
    assert refused.status_code == 400
    assert (
        "« 620 00 07 7 » a 8 chiffres : un mobile de Guinée en a 9, sans l’indicatif, et commence par 6."
        in refused.text
    )
    assert 'value="Kadiatou  Bah "' in refused.text
    assert 'value="620 00 07 7"' in refused.text
    assert len(people(site)) == 6
    english = visitor.post(
        "/en/zones/zone-3/comite", data={"csrf": csrf_of(visitor), "vu": "1", **KADIATOU, "nom": " "}
    )
    assert "a name has 1 to 60 letters" in english.text


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("620 00 07 77", NUMBER),
        ("00224 620.00.07.77", NUMBER),
        ("224620000777", NUMBER),
        ("+224 620-00-07-77", NUMBER),
        ("(+224)620000777", NUMBER),
        ("0032 2 555 01 11", "+3225550111"),
    ],
)
def test_a_number_is_taken_as_people_write_it(written: str, taken: str) -> None:
    assert phone_from(written) == taken


@pytest.mark.parametrize(
    ("written", "why", "count"),
    [
        ("6200007777", "digits", 10),
        ("+224 62000077", "digits", 8),
        ("300 00 00 00", "digits", 9),
        ("six", "phone", 0),
        ("", "phone", 0),
        ("+32", "phone", 0),
        ("٦٢٠٠٠٠٧٧٧", "phone", 0),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(written: str, why: str, count: int) -> None:
    with pytest.raises(CommitteeRefused) as refused:
        phone_from(written)
    assert refused.value.why == why
    assert why == "phone" or refused.value.count == count


def test_a_person_stands_once_in_a_committee_and_may_stand_in_several(site: Site, visitor: httpx.Client) -> None:
    twice = sends(visitor, PAGE, **KADIATOU | {"telephone": site.phone})
    assert twice.status_code == 400
    assert f"« {site.phone} » est déjà dans ce comité" in twice.text
    with site.connect() as connection:
        ((other,),) = connection.execute(
            "SELECT phone FROM contact WHERE zone_id = 'zone-4' AND role = 'reparateur'"
        ).fetchall()
    assert sends(visitor, PAGE, **KADIATOU | {"telephone": other}).status_code == 303
    assert "aussi dans zone-4" in visitor.get(PAGE).text


def test_a_new_number_on_the_page_is_the_same_person_s(site: Site, visitor: httpx.Client) -> None:
    treasurer = number_of(site, "tresorier")
    form = {"nom": "Souleymane Balde", "telephone": "620000998", "role": "tresorier", "langue": "fr"}
    assert sends(visitor, f"{PAGE}/{treasurer}/changer", **form).status_code == 303
    assert ("Souleymane Balde", "+224620000998") in people(site)
    assert number_of(site, "tresorier") == treasurer


def test_people_are_corrected_moved_taken_out_and_brought_back_and_all_of_it_is_written_down(
    site: Site, visitor: httpx.Client
) -> None:
    president = number_of(site, "president")
    assert people(site)[1][0] == "Hadja Djenabou Diallo"
    assert sends(visitor, f"{PAGE}/{president}/monter").status_code == 303
    assert [name for name, _ in people(site)][:2] == ["Hadja Djenabou Diallo", "Alpha Oumar Barry"]
    assert sends(visitor, f"{PAGE}/{president}/monter").status_code == 303, "at the top nothing changes"
    assert sends(visitor, f"{PAGE}/{president}/descendre").status_code == 303
    corrected = {"nom": "Hadja Djenabou Bah", "telephone": "620000999", "role": "president", "langue": "ff"}
    assert sends(visitor, f"{PAGE}/{president}/changer", **corrected).status_code == 303
    assert people(site)[1] == ("Hadja Djenabou Bah", "+224620000999"), "at the same place, with the new number"
    page = visitor.get(PAGE).text
    assert "Hadja Djenabou Diallo" in page, "the old number stands among who was taken out"
    assert sends(visitor, f"{PAGE}/{number_of(site, 'tresorier')}/retirer").status_code == 303
    assert len(people(site)) == 5
    assert sends(visitor, f"{PAGE}/{number_of(site, 'tresorier')}/remettre").status_code == 303
    assert people(site)[-1][0] == "Souleymane Balde"
    count = sends(visitor, f"{PAGE}/compte", femmes="20", hommes="20", annee="2026")
    assert count.status_code == 303

    with site.connect() as connection:
        rows = connection.execute("SELECT what, subject, before, after FROM audit_log ORDER BY audit_id").fetchall()
        written = str(rows)
    assert rows == [
        ("person_moved", "…011", {"place": 2}, {"place": 1, "version": 2}),
        ("person_moved", "…011", {"place": 1}, {"place": 2, "version": 3}),
        ("person_changed", "…011", {"phone": "…011", "language": "fr"},
         {"phone": "…999", "language": "ff", "name": "another", "version": 4}),
        ("person_removed", "…014", {"role": "tresorier", "phone": "…014", "language": "fr"}, {"version": 5}),
        ("person_returned", "…014", None,
         {"role": "tresorier", "phone": "…014", "language": "fr", "version": 6}),
        ("members_counted", "zone-3", {"women": 17, "men": 23, "counted_in": 2026},
         {"women": 20, "men": 20, "counted_in": 2026, "version": 7}),
    ]  # fmt: skip
    assert "Hadja" not in written
    assert "620000999" not in written
    journal = visitor.get("/fr/reglages/journal?quoi=zone-3").text
    for words in ("ordre d’appel changé", "personne corrigée", "personne retirée", "personne remise", "comité compté"):
        assert words in journal


def test_who_looked_at_an_older_page_is_told_what_changed_and_nothing_is_stored(
    site: Site, visitor: httpx.Client
) -> None:
    old = version_on(visitor.get(PAGE).text)
    assert sends(visitor, f"{PAGE}/{number_of(site, 'tresorier')}/retirer").status_code == 303
    late = visitor.post(PAGE, data={"csrf": csrf_of(visitor), "vu": old, **KADIATOU})
    assert late.status_code == 409
    assert "Quelqu’un a changé cette zone pendant que vous regardiez" in late.text
    assert "Awa (web), à l’instant : personne retirée" in late.text
    assert "avant : role tresorier" in late.text
    assert len(people(site)) == 5
    again = {"csrf": csrf_of(visitor), "vu": version_on(late.text), **KADIATOU}
    assert 'value="620 00 07 77"' in late.text
    assert visitor.post(PAGE, data=again).status_code == 303
    assert len(people(site)) == 6


def test_a_count_that_came_too_late_is_shown_as_it_was_typed_and_not_as_it_stood(
    site: Site, visitor: httpx.Client
) -> None:
    old = version_on(visitor.get(PAGE).text)
    assert sends(visitor, f"{PAGE}/{number_of(site, 'tresorier')}/retirer").status_code == 303
    counted = {"femmes": "21", "hommes": "20", "annee": "2026"}
    late = visitor.post(f"{PAGE}/compte", data={"csrf": csrf_of(visitor), "vu": old, **counted})
    assert late.status_code == 409
    for name, value in counted.items():
        assert re.search(rf'name="{name}"[^>]* value="{value}"', late.text), name


def test_the_old_file_of_a_committee_that_was_changed_here_is_not_imported_unseen(
    site: Site, visitor: httpx.Client, zones: list[Zone]
) -> None:
    assert sends(visitor, PAGE, **KADIATOU).status_code == 303
    with site.connect() as connection:
        (plan,) = plan_import(connection, [zones[2]])
    assert [change.key for change in plan.changes] == [f"committee[{NUMBER}]"]
    assert plan.why_not is not None
    assert "Awa (web) changed it" in plan.why_not


def test_a_secretary_keeps_their_own_committee_and_finds_no_other(site: Site) -> None:
    theirs = number_of(site, "president", "zone-4")
    before = people(site, "zone-4")
    with logged_in(site, Role.SECRETARY, "zone-3") as client:
        token = csrf_of(client)
        assert sends(client, PAGE, **KADIATOU).status_code == 303
        assert sends(client, f"{PAGE}/compte", femmes="21", hommes="20", annee="2026").status_code == 303
        assert sends(client, f"{PAGE}/{number_of(site, 'president')}/monter").status_code == 303
        assert "Kadiatou Bah" in client.get(PAGE).text
        for way in ("", "/compte", f"/{theirs}/changer", f"/{theirs}/monter", f"/{theirs}/retirer"):
            for zone in ("zone-4", "zone-3") if str(theirs) in way else ("zone-4",):
                form = {"csrf": token, "vu": "4", "femmes": "1", "hommes": "1", "annee": "2026", **KADIATOU}
                answer = client.post(f"/fr/zones/{zone}/comite{way}", data=form)
                assert answer.status_code == 404, way
                assert before[0][0] not in answer.text
        assert client.get("/fr/zones/zone-4/comite").status_code == 404
        late = client.post(PAGE, data={"csrf": token, "vu": "1", **KADIATOU})
        assert "personne inscrite" in late.text, "what changed since, of their own zone"
        with site.connect() as connection:
            other = connection.execute("SELECT phone FROM contact WHERE contact_id = %s", [theirs]).fetchone()
        assert other is not None
        assert sends(client, PAGE, **KADIATOU | {"telephone": other[0]}).status_code == 303
        assert "zone-4" not in client.get(PAGE).text, "nor that the number stands there"
    assert people(site, "zone-4") == before
    with logged_in(site, Role.VIEWER) as client:
        assert client.get(PAGE).status_code == 403
        assert "comite" not in client.get("/fr/zones/zone-3").text


def test_a_secretary_reads_what_a_phone_said_of_sms_and_not_under_which_name_another_zone_knows_it(
    site: Site, visitor: httpx.Client
) -> None:
    with site.connect() as connection:
        ((phone, name),) = connection.execute(
            "SELECT phone, name FROM contact WHERE zone_id = 'zone-4' AND role = 'president'"
        ).fetchall()
        connection.execute(
            "INSERT INTO consent_log (phone, at, what, how, who) VALUES (%s, %s, 'opt_out', 'sms', %s)",
            [phone, site.clock.now(), f"{name} (president)"],
        )
    with logged_in(site, Role.SECRETARY, "zone-3") as client:
        assert sends(client, PAGE, **KADIATOU | {"telephone": phone}).status_code == 303
        page = client.get("/fr/messages/accord").text
        assert re.search(r"ne veut plus rien recevoir · sms · <time", page), "who wants none wants none of any zone"
        assert name not in page
    assert f"{name} (" in visitor.get("/fr/messages/accord").text


def test_who_asked_to_be_forgotten_comes_back_by_their_own_word_alone(site: Site, visitor: httpx.Client) -> None:
    with site.connect() as connection:
        forget(connection, site.phone, by="Awa", now=site.clock.now())
    refused = sends(visitor, PAGE, **KADIATOU | {"telephone": site.phone})
    assert refused.status_code == 400
    assert "a demandé à être oubliée" in refused.text
    assert "La personne vient de redonner son numéro" in refused.text
    assert "forgotten-" not in refused.text
    assert sends(visitor, PAGE, **KADIATOU | {"telephone": site.phone, "encore": "true"}).status_code == 303
    assert ("Kadiatou Bah", site.phone) in people(site)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"role": "chef"}, "role: &#39;chef&#39; is none of president"),
        ({"langue": "de"}, "langue: &#39;de&#39; is none of fr, en, ff"),
        ({"borne": "tap-40"}, "borne: &#39;tap-40&#39; is none of"),
    ],
)
def test_what_no_form_of_ours_sends_is_refused_by_name(visitor: httpx.Client, form: dict[str, str], told: str) -> None:
    answer = sends(visitor, PAGE, **KADIATOU | form)
    assert answer.status_code == 400
    assert told in answer.text


def test_a_person_of_the_journal_is_a_contact_of_the_file(site: Site, visitor: httpx.Client, zones: list[Zone]) -> None:
    assert sends(visitor, PAGE, **KADIATOU | {"borne": "tap-07"}).status_code == 303
    with site.connect() as connection:
        row = connection.execute(
            "SELECT name, role, phone, language, tap FROM contact WHERE phone = %s", [NUMBER]
        ).fetchone()
    assert row is not None
    assert Contact(*row) == Contact("Kadiatou Bah", "secretaire", NUMBER, "fr", zones[2].asset("tap-07").asset_id)
