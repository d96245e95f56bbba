"""Who asks to be forgotten is: nothing in the database names them, and that something was sent stays."""

from collections.abc import Iterator

import psycopg
import pytest
from typer.testing import CliRunner

from alerts.actions import acknowledge, assign, shelve
from alerts.carriers import Outcome, Uncertain
from alerts.errors import StandsElsewhere
from alerts.forget import forget, whole_number
from alerts.photos import add_photo
from alerts.sender import take_call
from gateway.zones import Zone
from ingest.registry import import_zones
from ndiyan.cli import app
from tests.alerts.carriers.smsd import make_tables, schema_text
from tests.alerts.test_climbing import MINUTE, Region, phone_of
from tests.alerts.test_conversation import rings, says
from tests.alerts.test_photos import picture
from tests.alerts.test_sender import EXPLOITANT, GRACE, Desk, Route
from web.kept import fetch_kept

pytestmark = pytest.mark.db
IN_THE_DAEMON = """
INSERT INTO smsd.inbox ("Text", "SenderNumber", "UDH", "TextDecoded", "RecipientID")
VALUES ('004F', %(person)s, '', 'c''est Mamadou', 'gsm'), ('0031', %(other)s, '', '1', 'gsm');
INSERT INTO smsd.outbox ("ID", "CreatorID", "DestinationNumber", "TextDecoded", "MultiPart")
VALUES (1, 'a', %(person)s, 'A1 Mangol-Dow', true), (2, 'b', %(other)s, 'Appelez Mamadou ' || %(digits)s, false);
INSERT INTO smsd.outbox_multipart ("ID", "SequencePosition", "TextDecoded") VALUES (1, 2, 'Mamadou');
INSERT INTO smsd.sentitems ("ID", "SequencePosition", "Text", "UDH", "TextDecoded", "DestinationNumber", "SenderID",
                            "CreatorID", "Status")
VALUES (3, 1, '004D', '', 'PANNE Mamadou', %(person)s, 'gsm', 'c', 'DeliveryOK');
INSERT INTO carrier_event (carrier, key, kind, body, received_at)
VALUES ('tel', '1', 'event', '{"phoneNumber":"' || %(person)s || '","message":"Mamadou"}', now()),
       ('tel', '2', 'event', 'from=' || %(other)s, now())
"""


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def tables_with(region: Region, word: str) -> list[str]:
    """Every table of the database in which a row, as text, has this in it."""
    tables = region.connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    ).fetchall()
    return [
        name
        for (name,) in tables
        if region.connection.execute(f"SELECT EXISTS (SELECT FROM {name} t WHERE t::text LIKE %s)", [f"%{word}%"])
        .fetchall() == [(True,)]
    ]  # fmt: skip


def rows_with(region: Region, word: str) -> list[str]:
    """Every table of Gammu's daemon in which a row, as text, has this in it."""
    names = ("inbox", "outbox", "outbox_multipart", "sentitems")
    query = "SELECT EXISTS (SELECT FROM smsd.{} t WHERE t::text LIKE %s)"
    return [
        name for name in names
        if region.connection.execute(query.format(name), [f"%{word}%"]).fetchall() == [(True,)]  # type: ignore[arg-type]
    ]  # fmt: skip


def lives(region: Region, person: str, repairer: str) -> int:
    """A week of somebody: told, answers, rings, reports, reads, leaves and comes back; others hear their number."""
    number = region.fails(2)
    region.run(40 * MINUTE)
    for text in ("2 merci c'est Djenabou", "PANNE", "niveau 2,1", "STOP", "START"):
        says(region, person, text)
    rings(region, person)
    take_call(region.connection, "gsm", person, now=region.clock.now())
    said = region.connection.execute("SELECT 'script wat_q7RkZ1 · ' || name || ' (API)' FROM contact WHERE phone = %s",
                                     [person]).fetchone()  # fmt: skip
    assert said is not None
    other, now = region.fails(2, "night_leak"), region.clock.now()
    assert acknowledge(region.connection, other, who=said[0], now=now)
    spoken, seen = f"pièce au {person[4:7]} {person[7:9]} {person[9:11]} {person[11:]}", f"la pompe, dit {person}"
    assert shelve(region.connection, other, span=60 * MINUTE, why=spoken, who=said[0], now=now)
    assert assign(region.connection, other, to=f"qui répond au {person}", who="Awa (web)", now=now)
    assert add_photo(region.connection, other, sent=picture(), shows=seen, who="Awa (web)", now=now)
    assert any(person.removeprefix("+224") in text for _, text in region.sms(repairer))
    return number


def test_nothing_names_who_asked_to_be_forgotten_and_the_proof_of_sending_stays(region: Region) -> None:
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    lives(region, person, repairer)
    proof = "SELECT count(*), count(delivered_at), sum(segments) FROM notification"
    before = region.connection.execute(proof).fetchone()
    said = "SELECT at, what, how FROM consent_log ORDER BY consent_id"
    consent = region.connection.execute(said).fetchall()
    assert {"contact", "notification", "sms_in", "consent_log", "report", "alert_event"} <= set(
        tables_with(region, person) + tables_with(region, "Djenabou") + ["report"]
    )
    counts = forget(region.connection, person, by="Awa (web)", now=region.clock.now())
    assert counts is not None
    assert counts["told"] >= 3
    assert tables_with(region, person.removeprefix("+224")) == ["phone_inbox"], "another handset shows what it got"
    region.connection.execute("DELETE FROM phone_inbox")
    assert tables_with(region, person.removeprefix("+224")) == tables_with(region, "Djenabou") == []
    spaced = f"{person[4:7]} {person[7:9]}"
    assert tables_with(region, spaced) == []
    assert region.connection.execute(proof).fetchone() == before
    assert region.connection.execute(said).fetchall() == consent
    rows = region.connection.execute(
        "SELECT count(*), count(DISTINCT provider_id) FROM sms_in WHERE provider_id LIKE 'f%'"
    )
    by = region.connection.execute(
        "SELECT acknowledged_by, shelved_by FROM alert WHERE shelved_by IS NOT NULL"
    ).fetchall()
    assert by == [("script wat_q7RkZ1 (API)",) * 2], "the program that said that they did it stays"
    assert rows.fetchall() == [(7, 7)], "nor can the number be guessed from a hash of it"
    ((by, audit),) = region.connection.execute("SELECT by_whom, counts::text FROM forgotten").fetchall()
    assert by == "Awa (web)"
    assert not any(part in audit for part in ("600000", "224"))
    assert forget(region.connection, person, by="Awa", now=region.clock.now()) is None
    region.fails(2, "tower_leak")
    region.run(40 * MINUTE)
    assert region.sms(person) == [], "nor are they told anything more"


def test_the_number_goes_too_where_somebody_else_wrote_it_to_us_and_what_they_said_stays(region: Region) -> None:
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    digits = person.removeprefix("+224")
    spaced = f"{digits[:3]} {digits[3:5]} {digits[5:7]} {digits[7:]}"
    wrote = [f"PANNE appelez le {digits} svp", f"merci de demander au {spaced}"]
    for text in wrote:
        says(region, repairer, text)
    assert "sms_in" in tables_with(region, digits)
    kept = fetch_kept(region.connection, person)
    assert kept is not None
    assert [row["text"] for row in kept["written"]] == wrote
    counts = forget(region.connection, person, by="Awa (web)", now=region.clock.now())
    assert counts is not None
    assert counts["written"] == 2
    left = {*tables_with(region, digits), *tables_with(region, spaced)}
    assert left <= {"phone_inbox", "phone_reply"}, "another's handset shows what is on it"
    told = region.connection.execute("SELECT text FROM sms_in WHERE phone = %s ORDER BY sms_in_id", [repairer])
    assert told.fetchall() == [("PANNE appelez le  svp",), ("merci de demander au ",)]
    assert fetch_kept(region.connection, repairer) is not None


def stands(region: Region, zone: int, name: str, role: str, phone: str) -> None:
    """Register somebody in a committee."""
    region.connection.execute(
        "INSERT INTO contact (zone_id, name, role, phone, language, rank) VALUES (%s, %s, %s, %s, 'fr', 9)",
        [region.zones[zone].zone_id, name, role, phone],
    )


def what_is_told(region: Region, zone: int) -> list[tuple[object, ...]]:
    """All that a zone's stories say of people, and its committee."""
    return region.connection.execute(
        "SELECT to_jsonb(e) FROM alert_event e JOIN alert a USING (alert_id) WHERE zone_id = %(zone)s"
        " UNION ALL SELECT to_jsonb(a) FROM alert a WHERE zone_id = %(zone)s"
        " UNION ALL SELECT to_jsonb(r) FROM report r WHERE zone_id = %(zone)s"
        " UNION ALL SELECT to_jsonb(c) FROM contact c WHERE zone_id = %(zone)s ORDER BY 1",
        {"zone": region.zones[zone].zone_id},
    ).fetchall()


def test_who_has_the_name_of_somebody_in_another_zone_takes_nothing_of_theirs_along(region: Region) -> None:
    """Namesakes are many, and anybody can be registered under any name: told, replied, closed, assigned and said."""
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    region.is_mended(lives(region, person, repairer))
    says(region, person, "PANNE")
    says(region, person, "3")
    name = "Hadja Djenabou Diallo"
    assert assign(region.connection, region.fails(2, "tower_leak"), to=name, who="Awa (web)", now=region.clock.now())
    namesake = "+224620000999"
    stands(region, 0, name, "president", namesake)
    here = region.fails(0)
    assert acknowledge(region.connection, here, who=f"{name} (president)", now=region.clock.now())
    before = what_is_told(region, 2)
    assert sum("Djenabou" in str(row) for row in before) >= 8
    counts = forget(region.connection, namesake, by="Awa", now=region.clock.now())
    assert counts is not None
    assert {step: counts[step] for step in ("contact", "story", "alerts", "said", "said_of_alerts", "closings")} == {
        "contact": 1, "story": 1, "alerts": 1, "said": 0, "said_of_alerts": 0, "closings": 0,
    }  # fmt: skip
    assert what_is_told(region, 2) == before
    assert not any("Djenabou" in str(row) for row in what_is_told(region, 0))


def test_who_speaks_for_one_zone_forgets_nobody_who_stands_in_another_too(region: Region) -> None:
    """Also as who was taken out there: what that zone's stories tell of them is still its own."""
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    lives(region, person, repairer)
    stands(region, 0, "Qui que ce soit", "president", person)
    region.connection.execute("UPDATE contact SET is_active = false WHERE zone_id = 'zone-3' AND phone = %s", [person])
    before = what_is_told(region, 2), what_is_told(region, 0), tables_with(region, person)
    with pytest.raises(StandsElsewhere, match="other zones too than zone-1") as refused:
        forget(region.connection, person, by="Awa", now=region.clock.now(), only_in="zone-1")
    assert not any(word in str(refused.value) for word in ("zone-3", person, "Djenabou"))
    assert (what_is_told(region, 2), what_is_told(region, 0), tables_with(region, person)) == before
    assert region.connection.execute("SELECT count(*) FROM forgotten").fetchone() == (0,)
    assert forget(region.connection, repairer, by="Awa", now=region.clock.now(), only_in="zone-3") is not None


def test_who_was_registered_elsewhere_under_a_neighbours_name_is_forgotten_and_the_neighbour_is_not(
    region: Region,
) -> None:
    """Zone 1 wrote zone 3's president down under the name of zone 3's exploitant: what is hers goes, nothing of his."""
    person, neighbour = (phone_of(region.zones[2], role) for role in ("president", "exploitant"))
    number = region.fails(2)
    region.run(40 * MINUTE)
    says(region, neighbour, "2")
    says(region, person, "2")
    stands(region, 0, "Alpha Oumar Barry", "exploitant", person)
    his = "SELECT count(*) FROM alert_event WHERE alert_id = %s AND %s IN (left(who, 17), detail ->> 'name')"
    before = region.connection.execute(his, [number, "Alpha Oumar Barry"]).fetchone()
    assert forget(region.connection, person, by="Awa", now=region.clock.now()) is not None
    assert tables_with(region, "Djenabou") in ([], ["phone_inbox"])
    assert region.connection.execute(his, [number, "Alpha Oumar Barry"]).fetchone() == before != (0,)


def test_what_was_written_down_under_a_name_of_another_zone_goes_with_it(region: Region) -> None:
    """They left zone 3's committee after it had told them of an alert: until November 2026 they could answer for it all
    the same, and their answer stood under zone 1's name.
    """
    person = phone_of(region.zones[2], "exploitant")
    stands(region, 0, "Petit Barry", "reparateur", person)
    number = region.fails(2)
    region.run(MINUTE)
    says(region, person, "2")
    region.connection.execute("UPDATE contact SET is_active = false WHERE zone_id = 'zone-3' AND phone = %s", [person])
    region.connection.execute(
        "UPDATE sms_in SET contact_id = c.contact_id FROM contact c WHERE c.name = 'Petit Barry' AND sms_in.phone = %s",
        [person],
    )
    changed = region.connection.execute(
        "UPDATE alert_event SET who = 'Petit Barry (reparateur)' WHERE alert_id = %s AND kind = 'reply'", [number]
    )
    assert changed.rowcount >= 1
    assert tables_with(region, "Petit Barry") != []
    assert forget(region.connection, person, by="Awa", now=region.clock.now()) is not None
    assert tables_with(region, "Petit Barry") == []


@pytest.mark.parametrize(
    ("phone", "text", "is_there"),
    [
        pytest.param("+224600000012", "Appelez Mamadou 600000012", True, id="as-it-is-dialled"),
        pytest.param("+224600000012", '{"from":"+224600000012","to":"8066"}', True, id="with-its-country"),
        pytest.param("+224600000012", "00224600000012", True, id="from-abroad"),
        pytest.param("+224600000012", "224600000012,8066", True, id="without-plus"),
        pytest.param("+224600000012", "from=%2B224600000012&text=1", True, id="in-a-form"),
        pytest.param("+224600000012", "text=appelez%20600000012", True, id="after-a-space-of-a-form"),
        pytest.param("+224600000012", r'{"text":"appelez\u00a0600000012\u00a0svp"}', True, id="after-a-space-of-json"),
        pytest.param("+224600000012", "demander au 600 00 00 12", True, id="with-spaces"),
        pytest.param("+224600000012", "+224 600-00-00-12", True, id="with-hyphens"),
        pytest.param("+224600000012", "00 224 6 00.00.00.12", True, id="from-abroad-with-spaces-and-dots"),
        pytest.param("+224600000012", "600\u00a000\u00a000\u00a012", True, id="with-spaces-that-hold-a-line"),
        pytest.param("+224600000012", "text=600+00+00+12", True, id="with-the-spaces-of-a-form"),
        pytest.param("+224600000012", "text=robinet+7+600%2000%C2%A000%c2%a012", True, id="with-a-form's-others"),
        pytest.param("+224600000012", r'{"text":"600\u00a000\u00A000 12"}', True, id="with-the-spaces-of-json"),
        pytest.param("+224600000012", "1002 600000012", True, id="after-a-number-that-is-no-country"),
        pytest.param("+224600000012", "+33 6 00 00 00 12", False, id="same-digits-in-france-with-spaces"),
        pytest.param("+224600000012", "0033 600000012", False, id="same-digits-in-france-from-abroad"),
        pytest.param("+224600000012", "text=%2B33+600000012", False, id="same-digits-in-france-in-a-form"),
        pytest.param("+33600000012", "+33 6 00 00 00 12", True, id="in-france-with-spaces"),
        pytest.param("+224600000012", "600 00 00 123", False, id="one-digit-more-with-spaces"),
        pytest.param("+60000001", "Appelez Mamadou 600000012", False, id="head-of-a-longer-one"),
        pytest.param("+4600000012", "+224600000012", False, id="tail-of-a-longer-one"),
        pytest.param("+224600000012", "+33600000012", False, id="same-digits-in-france"),
        pytest.param("+33600000012", "+33600000012", True, id="in-france"),
        pytest.param("+33600000012", "600000012", False, id="another-country-always-with-it"),
        pytest.param("+224600000012", "6000000123", False, id="one-digit-more"),
    ],
)  # fmt: skip
def test_a_number_is_found_whole_alone(region: Region, phone: str, text: str, is_there: bool) -> None:
    found = region.connection.execute("SELECT %s::text ~ %s", [text, whole_number(phone)])
    assert found.fetchall() == [(is_there,)]


def test_a_number_that_is_part_of_anothers_takes_nothing_of_theirs_along(region: Region) -> None:
    """Short numbers of other countries stand in ours, and any committee may register them."""
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    lives(region, person, repairer)
    for number, body in enumerate((f"from=%2B{repairer[1:]}&text=1", "Appelez Mamadou 600000012")):
        region.connection.execute(
            "INSERT INTO carrier_event (carrier, key, kind, body, received_at) VALUES ('tel', %s, 'event', %s, now())",
            [str(number), body],
        )
    held = "SELECT count(*), count(*) FILTER (WHERE text LIKE '%600000012%') FROM notification"
    before = region.connection.execute(held).fetchone(), tables_with(region, "600000012")
    assert {"notification", "carrier_event"} <= set(before[1])
    for part in ("+60000001", "+4600000012"):
        assert part[1:] in repairer
        stands(region, 0, "Qui que ce soit", "reparateur", part)
        counts = forget(region.connection, part, by="Awa", now=region.clock.now(), only_in="zone-1")
        assert counts is not None
        assert {step: number for step, number in counts.items() if number} == {"contact": 1}
    assert (region.connection.execute(held).fetchone(), tables_with(region, "600000012")) == before
    forget(region.connection, repairer, by="Awa", now=region.clock.now())
    region.connection.execute("DELETE FROM phone_inbox")
    assert tables_with(region, "600000012") == [], "nor in the story of what others were told"


def test_the_log_of_consent_gives_up_a_phone_and_nothing_else(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    says(region, president, "STOP")
    region.connection.execute("INSERT INTO forgotten (at, by_whom) VALUES (now(), 'test')")
    for change in (
        "phone = 'forgotten-1'", "phone = 'forgotten-2', who = ''", "phone = '+224600' || '000099', who = ''",
        "phone = 'forgotten-1', who = '', what = 'opt_in'", "phone = 'forgotten-1', who = '', at = now()",
    ):  # fmt: skip
        with pytest.raises(psycopg.Error, match="only grows"):
            region.connection.execute(f"UPDATE consent_log SET {change}")
    region.connection.execute("UPDATE consent_log SET phone = 'forgotten-1', who = ''")
    with pytest.raises(psycopg.Error, match="only grows"):
        region.connection.execute("UPDATE consent_log SET phone = 'forgotten-1', who = ''")


def test_the_command_forgets_once(region: Region, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    words = ["people", "forget", phone_of(region.zones[2], "president"), "--by", "Awa"]
    done, again = (CliRunner().invoke(app, words) for _ in range(2))
    assert (done.exit_code, again.exit_code) == (0, 1), done.output
    assert "zone file" in done.stdout


def test_the_daemon_of_a_modem_and_the_doors_of_routes_forget_too_and_others_are_still_told(
    region: Region, database_url: str
) -> None:
    if schema_text() is None:
        pytest.skip("apt-get install gammu-smsd")
    make_tables(database_url, role=f"smsd_{region.connection.info.dbname}", password="x" * 16)
    person, other = (phone_of(region.zones[2], role) for role in ("reparateur", "president"))
    name, digits = "Mamadou", person.removeprefix("+224")
    for query in IN_THE_DAEMON.split(";"):
        region.connection.execute(query, {"person": person, "other": other, "digits": digits})  # type: ignore[arg-type]
    assert rows_with(region, digits) == ["inbox", "outbox", "sentitems"]
    assert forget(region.connection, person, by="Awa", now=region.clock.now()) is not None
    assert rows_with(region, digits) == rows_with(region, name) == []
    assert tables_with(region, digits) == []
    left = 'SELECT "DestinationNumber", "TextDecoded" FROM smsd.outbox'
    assert region.connection.execute(left).fetchall() == [(other, "Appelez  ")], "who else waits is told, without him"
    assert rows_with(region, other) == ["inbox", "outbox"]
    sent = 'SELECT "CreatorID", "Status" FROM smsd.sentitems'
    assert region.connection.execute(sent).fetchall() == [("c", "DeliveryOK")], "that it was sent stays"
    bodies = region.connection.execute("SELECT body FROM carrier_event ORDER BY carrier_event_id").fetchall()
    assert bodies == [("",), (f"from={other}",)]


def test_what_was_under_way_to_somebody_who_was_forgotten_is_not_sent_again(region: Region) -> None:
    person = phone_of(region.zones[2], "exploitant")
    region.fails(2)
    region.connection.execute(
        "UPDATE notification SET state = 'submitting', carrier = 'phone', submitted_at = created_at WHERE phone = %s",
        [person],
    )
    forget(region.connection, person, by="Awa", now=region.clock.now())
    region.run(10 * MINUTE)
    told = region.connection.execute("SELECT phone FROM phone_inbox").fetchall()
    assert told == [(phone_of(region.zones[2], "president"),)], "nobody else knows of it, so the next is told at once"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        pytest.param(Uncertain("no answer"), "abandoned", id="uncertain"),
        pytest.param(None, "expired", id="never-answered"),
    ],
)
def test_what_may_have_left_for_who_was_forgotten_does_not_leave_again(
    database_url: str, zones: list[Zone], answer: Outcome | None, state: str
) -> None:
    route = Route(answers=[answer])
    desk = Desk(database_url, zones, gsm=route)
    ref = desk.queue()
    desk.sender.work()
    desk.sender.work()
    forget(desk.connection, EXPLOITANT, by="Awa", now=desk.clock.now())
    desk.restart()
    desk.pass_by(2 * GRACE)
    assert [message.ref for message in route.taken] == [ref]
    assert desk.state(ref)[0] == state
    desk.connection.close()


def test_a_zone_file_does_not_bring_back_who_asked_to_be_forgotten(
    region: Region, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    person = phone_of(region.zones[2], "president")
    forget(region.connection, person, by="Awa", now=region.clock.now())
    kept = region.connection.execute("SELECT encode(number_hash, 'escape') FROM forgotten").fetchone()
    assert kept is not None
    assert person.removeprefix("+224") not in kept[0]
    summary = import_zones(region.connection, region.zones)
    assert (summary.left_out, summary.unchanged) == (("zone-3 president",), 6)
    assert tables_with(region, person) == []
    done = CliRunner().invoke(app, ["zones", "import", "--fictional", "--again", person])
    assert (done.exit_code, "left out" in done.stdout) == (0, False), done.output
    assert tables_with(region, person) == ["contact"]
    assert forget(region.connection, person, by="Awa", now=region.clock.now()) is not None, "as often as they ask"
    done = CliRunner().invoke(app, ["zones", "import", "--fictional"])
    assert "left out, because they asked to be forgotten (--again takes in): zone-3 president" in done.stdout
