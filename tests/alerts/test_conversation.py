"""What people say by SMS and what comes of it: told on a real database, with a clock that moves when told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts.breakdown import close_report, reopen_report
from alerts.calls import Call, calls_due, mark_called
from alerts.closing import BreakdownCause
from alerts.conversation import MOST_IN_AN_HOUR, STRANGERS_A_DAY
from alerts.forget import forget
from alerts.set_back import SetBack
from gateway.zones import Contact, Zone
from ingest.registry import channel_ids, import_zones
from tests.alerts.test_climbing import HOUR, MINUTE, NOON, Region, phone_of
from web.consent import fetch_people
from web.handset import ring

pytestmark = pytest.mark.db
STRANGER = "+224699999999"


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def says(region: Region, phone: str, text: str, *, after: timedelta = 2 * MINUTE) -> list[str]:
    """What a phone shows next, some minutes after its owner wrote."""
    before = len(region.sms(phone))
    region.answers(phone, text)
    region.run(after)
    return [shown for _, shown in region.sms(phone)[before:]]


def consents(region: Region) -> list[tuple[str, str, str]]:
    return region.connection.execute("SELECT phone, what, who FROM consent_log ORDER BY consent_id").fetchall()


def test_who_says_stop_is_told_so_and_then_nothing_more_and_hears_again_after_start(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    assert says(region, president, "Stop.") == [
        "NDIYAN: vous ne recevrez plus de SMS. Pour en recevoir de nouveau, répondez REPRENDRE"
    ]
    region.fails(2)
    region.run(5 * HOUR)
    assert len(region.sms(president)) == 1, "the ladder goes past them"
    assert region.sms(phone_of(region.zones[2], "tresorier"))[0][0] == 32, "and does not wait where they stood"
    assert says(region, president, "0") == says(region, president, "STOP") == [], "nor are they answered"
    assert says(region, president, "REPRENDRE") == [
        "NDIYAN: vous recevez de nouveau nos SMS. Pour n'en plus recevoir, répondez STOP"
    ]
    assert [what for _, what, _ in consents(region)] == ["opt_out", "opt_in"]
    region.fails(2, "tower_leak")
    region.run(HOUR)
    assert "CHATEAU FUIT" in region.sms(president)[-1][1]


def test_stop_holds_what_waits_and_what_is_queued_in_the_same_moment(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    region.fails(2)
    region.answers(exploitant, "STOP")
    region.run(2 * MINUTE)
    assert [text for _, text in region.sms(exploitant)][1:] == [
        "NDIYAN: vous ne recevrez plus de SMS. Pour en recevoir de nouveau, répondez REPRENDRE"
    ], "the alert had left before"
    region.connection.execute(
        "INSERT INTO notification (ref, alert_id, phone, kind, step, reason, language, text, segments, state,"
        " created_at, next_try_at, valid_until) SELECT gen_random_uuid(), alert_id, %s, 'opened', 'first', 'race',"
        " 'fr', 'decided before STOP was read', 1, 'queued', opened_at, opened_at, %s FROM alert",
        [exploitant, NOON + 24 * HOUR],
    )
    region.run(HOUR)
    assert len(region.sms(exploitant)) == 2


def with_number(zone: Zone, role: str, phone: str) -> Zone:
    """The zone's file once somebody has another number."""
    people = tuple(replace(one, phone=phone) if one.role == role else one for one in zone.committee)
    return replace(zone, committee=people)


def test_who_has_another_number_in_the_middle_of_an_alert_is_the_same_person(region: Region) -> None:
    """The exploitant is told, and twenty minutes later the file has another number of theirs: what they answer from it
    counts, and the end reaches them there, once."""
    zone, new = region.zones[2], "+224620000799"
    old = phone_of(zone, "exploitant")
    alert = region.fails(2)
    region.run(20 * MINUTE)
    assert len(region.sms(old)) == 1
    import_zones(region.connection, [with_number(zone, "exploitant", new)])
    says(region, new, "1")
    assert region.story(alert, "acknowledged"), "not in silence"
    region.run(HOUR)
    assert region.sms(phone_of(zone, "president")) == [], "the exploitant sees to it"
    region.is_mended(alert)
    region.run(HOUR)
    assert ["REPARE" in text for _, text in region.sms(new)] == [True]
    assert len(region.sms(old)) == 1


def test_what_has_not_left_yet_goes_to_the_new_number_and_not_to_whose_the_old_one_is(region: Region) -> None:
    zone, new = region.zones[2], "+224620000799"
    region.fails(2)
    region.run(2 * MINUTE, sends=False)
    import_zones(region.connection, [with_number(zone, "exploitant", new)])
    region.run(5 * MINUTE)
    assert len(region.sms(new)) == 1
    assert region.sms(phone_of(zone, "exploitant")) == []


def test_a_new_number_is_nobody_s_where_it_could_be_of_two_or_of_somebody_else(region: Region) -> None:
    zone = region.zones[2]
    (exploitant,) = [one for one in zone.committee if one.role == "exploitant"]
    ids = "SELECT contact_id FROM contact WHERE zone_id = 'zone-3' AND phone = %s"
    ((before,),) = region.connection.execute(ids, [exploitant.phone]).fetchall()

    def stored_as(*people: Contact) -> int:
        others = tuple(one for one in zone.committee if one.role != "exploitant")
        import_zones(region.connection, [replace(zone, committee=(*people, *others))])
        ((found,),) = region.connection.execute(ids, [people[0].phone]).fetchall()
        return int(found)

    assert stored_as(replace(exploitant, name="Un Autre", phone="+224620000791")) != before, "another name"
    assert stored_as(exploitant) == before, "who comes back is who they were"
    twins = [replace(exploitant, phone=f"+22462000079{n}") for n in (2, 3)]
    assert stored_as(*twins) != before, "which of two?"
    assert stored_as(exploitant) == before
    assert stored_as(replace(exploitant, phone="+224620000794"), exploitant) != before, "one more number"


def test_a_word_on_consent_outlives_the_zone_file_and_is_never_changed(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    says(region, president, "STOP")
    import_zones(region.connection, region.zones)
    region.fails(2)
    region.run(5 * HOUR)
    assert len(region.sms(president)) == 1
    ((phone, what, who),) = consents(region)
    assert (phone, what) == (president, "opt_out")
    assert who == "Hadja Djenabou Diallo (president)"
    for change in ("UPDATE consent_log SET what = 'opt_in'", "DELETE FROM consent_log", "TRUNCATE consent_log"):
        with pytest.raises(psycopg.Error, match="only grows"):
            region.connection.execute(change)


@pytest.mark.parametrize(("first", "last"), [("REPRENDRE", "STOP"), ("STOP", "REPRENDRE")])
def test_the_last_word_counts_although_the_one_before_was_said_while_the_clock_was_ahead(
    region: Region, first: str, last: str
) -> None:
    president = phone_of(region.zones[2], "president")
    says(region, president, last)
    right = region.clock.now()
    region.clock.set(right + 3 * HOUR)
    assert len(says(region, president, first)) == 1
    region.clock.set(right)
    SetBack(region.connection).look(right)
    assert len(says(region, president, last)) == 1, "it is confirmed"
    told = len(region.sms(president))
    region.fails(2)
    region.run(40 * MINUTE)
    assert len(region.sms(president)) - told == (0 if last == "STOP" else 1)
    people = [person for zone in fetch_people(region.connection) for person in zone.people]
    may_be_told = [person.may_be_told for person in people if person.phone == president]
    assert may_be_told == [last == "REPRENDRE"], "and the page says so"


def test_the_last_who_can_be_told_may_go_and_an_engineer_is_to_see_to_it(region: Region) -> None:
    phones = [one.phone for one in region.zones[2].committee]
    for phone in phones[:-1]:
        says(region, phone, "STOP")
    assert region.connection.execute("SELECT count(*) FROM call_list").fetchone() == (0,)
    (confirmed,) = says(region, phones[-1], "STOP")
    assert "plus de SMS" in confirmed
    rows = region.connection.execute("SELECT zone_id, alert_id, step, why, called_at FROM call_list").fetchall()
    assert rows == [("zone-3", None, "opt_out", "last_one_left", None)]
    (zone,) = [one for one in fetch_people(region.connection) if one.zone_id == "zone-3"]
    assert zone.may_be_told == 0
    assert {(one.word.what, one.word.how) for one in zone.people if one.word} == {("opt_out", "sms")}
    says(region, phones[0], "START")
    (zone,) = [one for one in fetch_people(region.connection) if one.zone_id == "zone-3"]
    assert zone.may_be_told == 1


def test_who_stopped_is_still_heard(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(MINUTE)
    says(region, exploitant, "STOP")
    assert says(region, exploitant, "2") == []
    assert len(region.story(number, "on_the_way")) == 1


def test_a_stranger_is_helped_once_a_day_and_changes_nothing(region: Region) -> None:
    region.fails(2)
    region.run(MINUTE)
    assert [text[:40] for text in says(region, STRANGER, "1")] == ["NDIYAN suit les points d'eau. Votre numé"]
    assert says(region, STRANGER, "PANNE") == says(region, STRANGER, "bonjour", after=20 * HOUR) == []
    region.clock.advance(5 * HOUR)
    assert len(says(region, STRANGER, "0")) == 1
    assert region.connection.execute("SELECT count(*), count(contact_id) FROM sms_in").fetchone() == (4, 0)
    assert region.connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'reply'").fetchone() == (0,)


def test_whoever_invents_numbers_gets_twenty_answers_a_day_out_of_us(region: Region) -> None:
    numbers = [f"+2246999{number:05}" for number in range(STRANGERS_A_DAY + 5)]
    assert [len(says(region, number, "1")) for number in numbers] == [1] * STRANGERS_A_DAY + [0] * 5
    assert len(says(region, phone_of(region.zones[2], "exploitant"), "aide")) == 1, (
        "a committee is answered all the same"
    )
    region.clock.advance(25 * HOUR)
    assert len(says(region, numbers[-1], "1")) == 1


@pytest.mark.parametrize("sender", ["OrangeGN", "7070", "144"])
def test_an_advert_is_not_answered(region: Region, sender: str) -> None:
    assert says(region, sender, "Rechargez ce jour et recevez 200% de bonus") == []


def test_two_machines_that_answer_each_other_come_to_an_end(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    shown = [says(region, exploitant, "aide") for _ in range(MOST_IN_AN_HOUR + 5)]
    assert [len(one) for one in shown] == [1] * MOST_IN_AN_HOUR + [0] * 5
    assert region.connection.execute("SELECT count(*) FROM sms_in").fetchone() == (MOST_IN_AN_HOUR + 5,)
    region.clock.advance(HOUR)
    assert len(says(region, exploitant, "aide")) == 1


def test_what_was_answered_while_the_clock_was_ahead_keeps_nobody_from_an_answer_once_it_is_right(
    region: Region,
) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    region.clock.set(NOON + 24 * HOUR)
    for _ in range(MOST_IN_AN_HOUR + 1):
        says(region, exploitant, "aide")
    says(region, STRANGER, "1")
    assert (len(region.sms(exploitant)), len(region.sms(STRANGER))) == (MOST_IN_AN_HOUR, 1)
    region.clock.set(NOON)
    says(region, exploitant, "aide")
    says(region, STRANGER, "1")
    assert (len(region.sms(exploitant)), len(region.sms(STRANGER))) == (MOST_IN_AN_HOUR + 1, 2)


def measures(region: Region, zone_id: str, asset: str, channel: str, value: float, *, flag: int = 1) -> None:
    """The newest reading of a channel, as ingest leaves it."""
    region.connection.execute(
        "INSERT INTO latest (channel_id, measured_at, received_at, value, flag) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (channel_id) DO UPDATE SET measured_at = EXCLUDED.measured_at, value = EXCLUDED.value,"
        " flag = EXCLUDED.flag",
        [channel_ids(region.connection)[zone_id, asset, channel], *[region.clock.now()] * 2, value, flag],
    )


def test_etat_tells_tower_pump_what_is_open_and_how_old_that_is(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    measures(region, "zone-3", "tower", "level_m", 1.28)  # of 3.2 m: 40 %
    measures(region, "zone-3", "pump", "power_w", 1100.0)  # of 1300 W: it runs
    assert says(region, president, "ETAT") == ["NDIYAN Mangol-Dow: chateau à 40%. Pompe en marche. Aucune alerte."]
    region.clock.advance(HOUR)
    measures(region, "zone-3", "pump", "power_w", 4.0)
    region.fails(2)
    region.fails(2, "pv_soiling", 1)
    region.clock.advance(30 * MINUTE)
    said = says(region, president, "etat", after=3 * MINUTE)
    assert [text for text in said if "Mesures" in text] == [
        "NDIYAN Mangol-Dow: chateau à 40%. Pompe arretée. 2 alertes: A1, A2. Mesures d'il y a 30 minutes."
    ]


def drew(region: Region, zone_id: str, hourly_m3: float) -> None:
    """Each hour of five past weeks people drew this much, and the tower was never empty."""
    numbers = channel_ids(region.connection)
    measures(region, zone_id, "tower", "outflow_volume_m3", 900.0)
    for name, level_m, steps in (("outflow_volume_m3", 0.0, hourly_m3), ("level_m", 2.0, 0.0)):
        region.connection.execute(
            "INSERT INTO reading_hour (channel_id, hour, n, sum, min, max, first, last, steps, bad)"
            " SELECT %(channel)s, at, 1, %(level)s, %(level)s, %(level)s, %(level)s, %(level)s, %(steps)s, 0"
            " FROM generate_series(%(now)s - interval '5 weeks', %(now)s - interval '1 hour', interval '1 hour') at",
            {"channel": numbers[zone_id, "tower", name], "level": level_m, "steps": steps, "now": NOON},
        )


def test_etat_tells_how_long_the_water_lasts_without_the_pump(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    measures(region, "zone-3", "tower", "level_m", 1.28)
    drew(region, "zone-3", 0.8)  # of the 8 m³ that a tower of 20 m³ holds at 40 %: 10 h
    assert says(region, president, "ETAT") == [
        "NDIYAN Mangol-Dow: chateau à 40%. Eau pour 10 h sans pompe. Aucune alerte."
    ]
    region.connection.execute("UPDATE reading_hour SET steps = steps / 100")
    assert "Eau pour 3 jours et plus sans pompe." in says(region, president, "ETAT")[0]


def test_etat_tells_no_level_that_is_old_or_was_found_wrong(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    assert says(region, president, "ETAT") == ["NDIYAN Mangol-Dow: PLUS DE MESURES. Aucune alerte."]
    measures(region, "zone-3", "tower", "level_m", 9.9, flag=4)
    assert says(region, president, "ETAT") == ["NDIYAN Mangol-Dow: Aucune alerte."]
    measures(region, "zone-3", "tower", "level_m", 3.2)
    region.clock.advance(5 * HOUR)
    assert says(region, president, "ETAT") == ["NDIYAN Mangol-Dow: PLUS DE MESURES depuis 5 h. Aucune alerte."]


def test_who_sits_in_two_committees_hears_of_the_zone_that_told_them_last(region: Region) -> None:
    region.everybody_else_is("president", "+224600000999")
    region.fails(4)
    region.run(40 * MINUTE)
    assert says(region, "+224600000999", "ETAT")[0].startswith(f"NDIYAN {region.zones[4].name.split(' (')[0]}:")


def told_of_two(region: Region) -> tuple[int, int, str]:
    """Two alerts and the person that was told of both."""
    exploitant = phone_of(region.zones[2], "exploitant")
    first, second = region.fails(2), region.fails(2, "low_chlorine", 3)
    region.run(15 * MINUTE)
    assert len(region.sms(exploitant)) >= 1
    return first, second, exploitant


def rings(region: Region, phone: str) -> list[str]:
    """What a phone shows after its owner has rung us and hung up."""
    before = len(region.sms(phone))
    ring(region.connection, phone, now=region.clock.now())
    region.run(2 * MINUTE)
    return [shown for _, shown in region.sms(phone)[before:]]


def test_who_rings_with_one_alert_open_has_seen_it_and_is_not_answered(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(MINUTE)
    assert rings(region, exploitant) == []
    assert (len(region.story(number, "rang")), len(region.story(number, "acknowledged"))) == (1, 1)


def test_who_rings_with_several_open_is_told_which_once_an_hour(region: Region) -> None:
    first, second, exploitant = told_of_two(region)
    (told,) = rings(region, exploitant)
    assert told == (
        "NDIYAN, vous avez appelé: A2 Mangol-Dow chlore trop bas, A1 Mangol-Dow pompe arretée."
        " Rép code et chiffre, ex. A2 1"
    )
    assert region.story(first, "acknowledged") == region.story(second, "acknowledged") == []
    assert rings(region, exploitant) == []
    assert says(region, exploitant, "A1 1") == [], "what the SMS asks for is understood"
    assert len(region.story(first, "acknowledged")) == 1
    region.clock.advance(HOUR)
    assert len([text for text in rings(region, exploitant) if "vous avez appelé" in text]) == 1
    rows = region.connection.execute("SELECT DISTINCT reason FROM notification WHERE text LIKE %s", ["%appelé%"])
    assert rows.fetchall() == [("answers_a_call",)]


def test_a_late_answer_to_what_is_over_takes_nothing_in_charge_that_waits_for_the_morning(region: Region) -> None:
    exploitant, six = phone_of(region.zones[2], "exploitant"), 18 * 60
    region.clock.advance(8 * HOUR)
    over = region.fails(2, "tower_leak", 2)
    region.run(20 * MINUTE)
    region.is_mended(over)
    region.run(50 * MINUTE)
    waits = region.fails(2, "night_leak", 2)
    assert says(region, exploitant, "ok merci") == rings(region, exploitant) == []
    assert region.story(waits, "acknowledged") == []
    region.run(9 * HOUR)
    assert region.sms(exploitant)[-1][0] == six
    says(region, exploitant, "ok merci")
    assert len(region.story(waits, "acknowledged")) == 1, "now they have been told"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        pytest.param("ok merci", None, id="thanks"),
        pytest.param("1", "'vu' pour quelle alerte, A1.", id="seen"),
        pytest.param("3", "'réparé' pour quelle alerte, A1.", id="repaired"),
        pytest.param("", "vous avez appelé: A1 Mangol-Dow panneaux sales", id="rings"),
    ],
)
def test_a_bare_answer_to_the_end_of_one_alert_is_not_taken_for_the_other(
    region: Region, text: str, asked: str | None
) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    first = region.fails(2, "pv_soiling", 2)
    region.run(15 * MINUTE)
    over = region.fails(2)
    region.run(15 * MINUTE)
    region.is_mended(over)
    region.run(15 * MINUTE)
    assert "REPARE" in region.sms(exploitant)[-1][1]
    shown = says(region, exploitant, text) if text else rings(region, exploitant)
    assert [asked in told for told in shown if asked] == ([True] if asked else [])
    assert (len(shown), region.story(first, "acknowledged")) == (1 if asked else 0, [])
    assert says(region, exploitant, "A1 1") == []
    assert len(region.story(first, "acknowledged")) == 1


@pytest.mark.parametrize("text", ["2", "j'arrive", "1", "ok", ""])
def test_who_is_told_of_a_breakdown_and_goes_there_takes_no_alert_in_charge_elsewhere(
    region: Region, text: str
) -> None:
    repairer = "+224600000999"
    region.everybody_else_is("reparateur", repairer)
    number = region.fails(1, "sensor_stuck", 2)
    region.run(15 * MINUTE)
    says(region, phone_of(region.zones[2], "fontainier"), "PANNE")
    assert "PANNE signalée" in region.sms(repairer)[-1][1]
    assert (says(region, repairer, text) if text else rings(region, repairer)) == []
    assert region.story(number, "acknowledged") == []
    rows = region.connection.execute("SELECT zone_id FROM sms_in JOIN contact USING (contact_id, phone)").fetchall()
    assert rows[-1] == ("zone-3",)
    assert "A1, P1" in says(region, repairer, "3")[0]


def test_who_names_the_code_of_what_they_have_yet_to_be_told_of_knows_of_it(region: Region) -> None:
    region.clock.advance(10 * HOUR)
    waits = region.fails(2, "night_leak", 2)
    exploitant = phone_of(region.zones[2], "exploitant")
    assert "A1" in says(region, exploitant, "ETAT")[0]
    assert says(region, exploitant, "2") == []
    assert region.story(waits, "on_the_way") == []
    assert says(region, exploitant, "A1 2") == []
    assert len(region.story(waits, "on_the_way")) == 1


@pytest.mark.parametrize("text", ["A1 2", "en route a1", "je crois que A1 est en route"])
def test_who_names_the_code_of_what_only_others_were_told_answers_it_and_is_not_told_as_if_nobody_had(
    region: Region, text: str
) -> None:
    number, president = region.fails(2), phone_of(region.zones[2], "president")
    region.run(5 * MINUTE)
    assert "1 alerte: A1" in says(region, president, "ETAT")[0]
    asked = says(region, president, text)
    if asked:
        assert asked == ["NDIYAN: vous dites 'en route'. Répondez 1=oui 2=non"]
        says(region, president, "1")
    assert len(region.story(number, "on_the_way")) == 1
    region.run(3 * HOUR)
    assert [told for _, told in region.sms(president) if "POMPE" in told] == []
    assert region.sms(phone_of(region.zones[2], "reparateur")) == []
    other = region.fails(1)
    assert says(region, president, "A2 1") == [], "a code of another village is none of theirs"
    assert region.story(other, "reply") == []


def test_a_code_of_what_is_over_is_answered_with_that_and_with_no_other_code(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    over = region.fails(2)
    region.run(15 * MINUTE)
    open_still = region.fails(2, "low_chlorine", 3)
    region.run(15 * MINUTE)
    region.is_mended(over)
    region.run(15 * MINUTE)
    assert says(region, exploitant, "A1 3") == [
        "NDIYAN: A1 est finie, plus rien à faire. Merci. Si l'eau manque encore, envoyez PANNE."
    ]
    assert region.story(over, "reply") == region.story(open_still, "reply") == []


@pytest.mark.parametrize("is_call", [False, True], ids=["writes-1", "rings"])
def test_that_another_has_seen_it_too_takes_nothing_back_from_who_is_on_the_way(region: Region, is_call: bool) -> None:
    exploitant, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    region.fails(2)
    region.run(35 * MINUTE)
    says(region, exploitant, "2")
    if is_call:
        rings(region, president)
    else:
        says(region, president, "1")
    region.run(4 * HOUR)
    assert [at for at, text in region.sms(exploitant) if "SUIVI" in text] == [35 + 4 * 60]


@pytest.mark.parametrize("says_so", ["ok", "1", None], ids=["ok", "1", "rings"])
def test_who_is_on_the_way_takes_nothing_back_by_ringing_or_by_an_ok(region: Region, says_so: str | None) -> None:
    """An "ok" to the question buys as long once more, and then they are asked again; a missed call says nothing new."""
    exploitant = phone_of(region.zones[2], "exploitant")
    region.fails(2)
    region.run(5 * MINUTE)
    says(region, exploitant, "2")
    region.run(4 * HOUR)
    assert ["SUIVI" in text for _, text in region.sms(exploitant)] == [False, True]
    rings(region, exploitant) if says_so is None else says(region, exploitant, says_so)
    if says_so is not None:
        region.run(4 * HOUR + MINUTE)
        assert region.connection.execute("SELECT why FROM call_list").fetchall() == []
        assert sum("SUIVI" in text for _, text in region.sms(exploitant)) == 2
    region.run(4 * HOUR + MINUTE)
    assert region.connection.execute("SELECT why FROM call_list").fetchall() == [("no_word_since",)]


def test_who_has_left_a_committee_answers_for_it_no_more_but_for_the_other_where_they_sit(region: Region) -> None:
    both = "+224600000999"
    region.everybody_else_is("reparateur", both)
    left, stays = region.fails(1, "sensor_stuck", 2), region.fails(2, "sensor_stuck", 2)
    region.run(15 * MINUTE)
    region.connection.execute("UPDATE contact SET is_active = zone_id = 'zone-3' WHERE phone = %s", [both])
    assert says(region, both, "1") == []
    assert region.story(left, "reply") == []
    assert len(region.story(stays, "acknowledged")) == 1


def test_who_stopped_the_sms_and_who_is_unknown_ring_in_vain(region: Region) -> None:
    _, _, exploitant = told_of_two(region)
    says(region, exploitant, "STOP")
    assert rings(region, exploitant) == rings(region, STRANGER) == []


@pytest.mark.parametrize("completes", ["A2", "a 2", "A2.", "code A2", "A2 merci", "pour l'alerte A2 svp"])
def test_of_several_alerts_the_next_sms_says_which(region: Region, completes: str) -> None:
    first, second, exploitant = told_of_two(region)
    assert says(region, exploitant, "3") == ["NDIYAN: 'réparé' pour quelle alerte, A2, A1. Répondez le code, ex. A2"]
    assert says(region, exploitant, completes) == []
    assert (region.story(first, "repair_claimed"), len(region.story(second, "repair_claimed"))) == ([], 1)
    assert says(region, exploitant, completes)[0].startswith("NDIYAN: pas compris"), "the question has been answered"
    assert len(region.story(second, "repair_claimed")) == 1


def test_a_digit_sent_again_is_no_choice(region: Region) -> None:
    first, second, exploitant = told_of_two(region)
    for _ in range(2):
        assert "pour quelle alerte" in says(region, exploitant, "2")[0]
    assert region.story(first, "on_the_way") == region.story(second, "on_the_way") == []


def test_a_question_is_forgotten_after_half_an_hour(region: Region) -> None:
    _, second, exploitant = told_of_two(region)
    says(region, exploitant, "3")
    region.clock.advance(30 * MINUTE)
    says(region, exploitant, "A2")
    assert region.story(second, "repair_claimed") == []


def test_what_is_not_sure_is_asked_back_once(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(MINUTE)
    assert says(region, exploitant, "je crois que c'est reparé") == [
        "NDIYAN: vous dites 'réparé'. Répondez 1=oui 2=non"
    ]
    assert says(region, exploitant, "je dis que c'est reparé")[0].startswith("NDIYAN: pas compris")
    says(region, exploitant, "je crois que c'est reparé")
    assert says(region, exploitant, "2")[0].startswith("NDIYAN: pas compris")
    assert region.story(number, "reply") == []
    says(region, exploitant, "je crois que c'est reparé")
    assert says(region, exploitant, "Oui") == []
    assert len(region.story(number, "repair_claimed")) == 1
    rows = region.connection.execute("SELECT text, intention, is_sure FROM sms_in WHERE is_sure").fetchall()
    assert rows == [("Oui", "repaired", True)]


def test_one_means_seen_again_when_something_else_was_told_meanwhile(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(MINUTE)
    says(region, exploitant, "je crois que c'est reparé")
    other = region.fails(2, "low_chlorine", 3)
    region.run(15 * MINUTE)
    assert "pour quelle alerte" in says(region, exploitant, "1")[0]
    assert region.story(number, "repair_claimed") == region.story(other, "reply") == []


@pytest.mark.parametrize("told", [False, True], ids=["nothing-open", "an-alert-open"])
def test_a_question_waits_from_when_its_sms_has_left(region: Region, told: bool) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    if told:
        region.fails(2, "sensor_stuck", 2)
        region.run(15 * MINUTE)
    region.answers(tap_keeper, "la pompe est en panne")
    region.sender.work()
    region.run(40 * MINUTE, sends=False)
    region.run(2 * MINUTE)
    assert "Nous prévenons Mamadou" in says(region, tap_keeper, "1")[0]
    assert region.connection.execute("SELECT count(*) FROM report").fetchone() == (1,)


def test_what_is_written_before_the_question_has_left_is_about_what_was_told(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(MINUTE)
    for text in ("plus d'eau à la borne", "plus d'eau au village"):
        region.answers(exploitant, text)
        region.sender.work()
        region.clock.advance(MINUTE)
        region.connection.execute("UPDATE notification SET next_try_at = %s WHERE kind = 'reply'", [NOON + HOUR])
    assert says(region, exploitant, "1") == []
    assert len(region.story(number, "acknowledged")) == 1
    assert region.connection.execute("SELECT count(*) FROM report").fetchone() == (0,)
    region.run(HOUR)
    assert region.sms(exploitant)[-1][1] == "NDIYAN: vous dites 'panne'. Répondez 1=oui 2=non"
    assert [text for _, text in region.sms(exploitant)].count(region.sms(exploitant)[-1][1]) == 1, "asked once"
    assert "Nous prévenons Mamadou" in says(region, exploitant, "1")[0]


def test_an_sms_that_was_written_before_the_question_does_not_answer_it(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(MINUTE)
    says(region, exploitant, "je crois que c'est reparé")
    region.connection.execute(
        "INSERT INTO phone_reply (phone, text, sent_at) VALUES (%s, '1', %s)", [exploitant, NOON - MINUTE]
    )
    region.run(2 * MINUTE)
    assert region.story(number, "repair_claimed") == []
    assert len(region.story(number, "reply")) == 1, "it is the answer to the alert"


def test_a_breakdown_that_somebody_sees_is_kept_and_told_to_who_repairs(region: Region) -> None:
    tap_keeper, repairer = (phone_of(region.zones[2], role) for role in ("fontainier", "reparateur"))
    (next_step,) = says(region, tap_keeper, "PANNE")
    assert next_step == (
        "NDIYAN Mangol-Dow: panne notée, merci. Nous prévenons Mamadou 600000012. Dites-lui ce que vous voyez."
    )
    told = "NDIYAN Mangol-Dow: PANNE signalée par Aminata 600000013. Appelez ce numéro, puis allez voir."
    assert region.sms(repairer) == [(1, f"{told} Une fois réparé, répondez P1 3")]
    (next_step,) = says(region, phone_of(region.zones[2], "president"), "panne!")
    assert next_step.startswith("NDIYAN Mangol-Dow: panne notée, merci. Mamadou 600000012 la connait")
    assert len(region.sms(repairer)) == 1, "once in six hours"
    region.clock.advance(6 * HOUR)
    says(region, tap_keeper, "PANNE")
    assert len(region.sms(repairer)) == 2
    rows = region.connection.execute("SELECT zone_id, name, text FROM report JOIN contact USING (zone_id, contact_id)")
    assert rows.fetchall() == [
        ("zone-3", "Aminata Telly Bah", "PANNE"), ("zone-3", "Hadja Djenabou Diallo", "panne!"),
        ("zone-3", "Aminata Telly Bah", "PANNE"),
    ]  # fmt: skip
    assert region.connection.execute("SELECT count(*) FROM alert").fetchone() == (0,), "words raise no alert"


def test_who_reported_hears_once_what_it_was_however_often_it_is_closed(region: Region) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    says(region, tap_keeper, "PANNE")
    ((number,),) = region.connection.execute("SELECT report_id FROM report").fetchall()
    assert close_report(region.connection, number, cause=BreakdownCause.PUMP, who="Awa (web)", now=region.clock.now())
    assert not close_report(
        region.connection, number, cause=BreakdownCause.TAP, who="Awa (web)", now=region.clock.now()
    )
    region.run(2 * MINUTE)
    told = "NDIYAN Mangol-Dow: la panne que vous avez signalée est finie: la pompe est réparée. Merci."
    assert [text for _, text in region.sms(tap_keeper)][1:] == [told]
    assert reopen_report(region.connection, number) == "pump"
    assert reopen_report(region.connection, number) is None
    assert close_report(
        region.connection, number, cause=BreakdownCause.NOTHING, who="Awa (web)", now=region.clock.now()
    )
    region.run(2 * MINUTE)
    assert len(region.sms(tap_keeper)) == 2
    assert region.connection.execute("SELECT cause, closed_by FROM report").fetchall() == [("nothing", "Awa (web)")]


def test_a_reported_breakdown_is_ended_by_an_sms_of_the_committee_and_who_reported_it_is_told(region: Region) -> None:
    tap_keeper, president, repairer = (
        phone_of(region.zones[2], role) for role in ("fontainier", "president", "reparateur")
    )
    for phone in (tap_keeper, president, tap_keeper):
        says(region, phone, "PANNE")
    assert "Panne signalée: P1" in says(region, president, "ETAT")[0]
    assert says(region, repairer, "3") == [
        "NDIYAN Mangol-Dow: panne P1 finie, c'est noté, merci. Si l'eau manque encore, envoyez PANNE."
    ]
    told = "NDIYAN Mangol-Dow: la panne que vous avez signalée est finie: c'est réparé. Merci."
    for phone in (tap_keeper, president):
        assert [text for _, text in region.sms(phone)].count(told) == 1
    rows = region.connection.execute("SELECT DISTINCT cause, closed_by FROM report").fetchall()
    assert rows == [("other", "Mamadou Saliou Sow (reparateur)")]
    assert says(region, repairer, "P1 3") == [], "it is over"
    assert "Panne" not in says(region, president, "ETAT")[0]


def test_beside_an_alert_it_is_asked_which_of_the_two_is_repaired(region: Region) -> None:
    exploitant, tap_keeper = (phone_of(region.zones[2], role) for role in ("exploitant", "fontainier"))
    number = region.fails(2)
    region.run(MINUTE)
    says(region, tap_keeper, "PANNE")
    assert "'vu' pour quelle alerte, A1." in says(region, exploitant, "P1 1")[0], "words end it, nothing else"
    assert "A1, P1" in says(region, exploitant, "3")[0]
    assert "panne P1 finie" in says(region, exploitant, "p1")[0]
    assert region.story(number, "repair_claimed") == []
    says(region, exploitant, "3")
    assert len(region.story(number, "repair_claimed")) == 1, "and then there is one thing again"
    says(region, tap_keeper, "PANNE")
    assert "panne P2 finie" in says(region, exploitant, "P2 3")[0]


def test_a_breakdown_of_another_village_and_one_of_last_week_are_not_ended_by_a_digit(region: Region) -> None:
    says(region, phone_of(region.zones[1], "fontainier"), "PANNE")
    exploitant = phone_of(region.zones[2], "exploitant")
    assert says(region, exploitant, "P1 3") == says(region, exploitant, "3") == []
    region.clock.advance(7 * 24 * HOUR)
    assert says(region, phone_of(region.zones[1], "fontainier"), "3") == []
    assert region.connection.execute("SELECT count(closed_at) FROM report").fetchone() == (0,)


@pytest.mark.parametrize(
    "text",
    [
        "la pompe est en panne",
        "Plus d'eau à la borne",
        "no water",
        "la pompe est gâtée il y a plus deau",
        "La pompe est cassée",
        "l'eau ne coule plus",
        "ça marche pas",
    ],
)
def test_a_breakdown_in_a_sentence_is_asked_back_and_then_told(region: Region, text: str) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    assert says(region, tap_keeper, text) == ["NDIYAN: vous dites 'panne'. Répondez 1=oui 2=non"]
    assert "Nous prévenons Mamadou" in says(region, tap_keeper, "oui")[0]
    assert region.connection.execute("SELECT count(*) FROM report").fetchone() == (1,)


def test_what_is_not_understood_of_a_member_is_answered_also_with_nothing_open_and_thanks_are_not(
    region: Region,
) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    assert says(region, tap_keeper, "merci beaucoup") == says(region, tap_keeper, "Bonjour !") == []
    assert says(region, tap_keeper, "ce n'est pas cassé") == [
        "NDIYAN: pas compris. Si l'eau manque, envoyez PANNE. Pour l'état du point d'eau, envoyez ETAT."
    ]


@pytest.mark.parametrize("yes", ["1", "1=oui", "Oui merci", "oui oui", "ok", "d'accord", "awa"])
def test_an_assent_in_whatever_words_confirms_a_breakdown(region: Region, yes: str) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    says(region, tap_keeper, "la pompe est en panne")
    assert "Nous prévenons Mamadou" in says(region, tap_keeper, yes)[0]
    assert region.connection.execute("SELECT count(*) FROM report").fetchone() == (1,)


@pytest.mark.parametrize("seen", ["vu", "bien reçu", "je m'en occupe", "compris"])
def test_who_has_only_seen_the_question_has_not_agreed_to_it(region: Region, seen: str) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    says(region, tap_keeper, "la pompe est en panne")
    says(region, tap_keeper, seen)
    assert region.connection.execute("SELECT count(*) FROM report").fetchone() == (0,)


@pytest.mark.parametrize("no", ["2", "2=non", "Non merci", "oui ?", "je ne sais pas", "svp"])
def test_what_is_no_assent_reports_nothing(region: Region, no: str) -> None:
    tap_keeper = phone_of(region.zones[2], "fontainier")
    says(region, tap_keeper, "la pompe est en panne")
    assert says(region, tap_keeper, no)[0].startswith("NDIYAN: pas compris")
    assert region.connection.execute("SELECT count(*) FROM report").fetchone() == (0,)


def test_who_sits_in_two_committees_reports_a_breakdown_of_the_village_that_they_name(region: Region) -> None:
    both = "+224600000999"
    region.everybody_else_is("president", both)
    region.fails(4)
    region.run(40 * MINUTE)
    assert says(region, both, "panne à Mangol Dow") == ["NDIYAN: vous dites 'panne'. Répondez 1=oui 2=non"]
    assert says(region, both, "oui")[0].startswith("NDIYAN Mangol-Dow: panne notée")
    last_told = region.zones[4].name.split(" (")[0]
    for unnamed in ("panne à Mangol-Dow et à Pellel-Kaaba", "la pompe est en panne"):
        says(region, both, unnamed)
        assert says(region, both, "1")[0].startswith(f"NDIYAN {last_told}:"), "of the zone that told them last"
    rows = region.connection.execute(
        "SELECT zone_id, count(*) FROM report GROUP BY zone_id ORDER BY zone_id"
    ).fetchall()
    assert rows == [("zone-3", 1), (region.zones[4].zone_id, 2)]


def test_who_is_on_the_way_and_answers_when_asked_is_called_by_nobody(region: Region) -> None:
    exploitant = phone_of(region.zones[2], "exploitant")
    region.fails(2)
    region.run(5 * MINUTE)
    says(region, exploitant, "2")
    region.run(4 * HOUR + 5 * MINUTE)
    assert "SUIVI" in region.sms(exploitant)[-1][1]
    says(region, exploitant, "ok")
    region.run(5 * HOUR)
    assert [call.why for call in calls_due(region.connection) if call.why == "no_word_since"] == []


def test_where_nobody_repairs_an_engineer_is_to_call(region: Region) -> None:
    tap_keeper, repairer = (phone_of(region.zones[2], role) for role in ("fontainier", "reparateur"))
    says(region, repairer, "STOP")
    for _ in range(2):
        (next_step,) = says(region, tap_keeper, "PANNE")
        assert next_step.endswith("un ingénieur doit vous appeler.")
    assert len(region.sms(repairer)) == 1
    rows = region.connection.execute("SELECT zone_id, alert_id, step, why FROM call_list").fetchall()
    assert rows == [("zone-3", None, "report", "breakdown_reported")]


@pytest.mark.parametrize("fate", ["undelivered", "failed", "expired", "abandoned"])
def test_who_could_not_be_reached_knows_of_no_breakdown_and_the_next_is_told(region: Region, fate: str) -> None:
    engineer = "+224600000999"
    region.everybody_else_is("ingenieur", engineer)
    tap_keeper = phone_of(region.zones[2], "fontainier")
    says(region, tap_keeper, "PANNE", after=5 * MINUTE)
    region.clock.advance(5 * HOUR)
    fails = "UPDATE notification SET state = %s WHERE kind = 'report'"
    region.connection.execute(fails, [fate])
    region.run(5 * MINUTE)
    ((_, told),) = region.sms(engineer)
    assert told.startswith("NDIYAN Mangol-Dow: PANNE signalée par Aminata 600000013."), "before it is reported again"
    assert "Tous 600000999 la connait" in says(region, tap_keeper, "PANNE")[0]
    region.connection.execute(fails, [fate])
    for _ in range(2):
        assert "Aucun réparateur n'est joignable" in says(region, tap_keeper, "PANNE")[0]
    assert region.connection.execute("SELECT why FROM call_list").fetchall() == [("breakdown_reported",)]
    assert len(region.sms(engineer)) == 1


def test_a_breakdown_that_comes_again_after_it_was_ended_is_told_again(region: Region) -> None:
    president, tap_keeper, repairer = (
        phone_of(region.zones[2], role) for role in ("president", "fontainier", "reparateur")
    )
    says(region, president, "PANNE")
    says(region, repairer, "3")
    region.run(HOUR)
    told = len(region.sms(repairer))
    assert "Nous prévenons Mamadou" in says(region, president, "PANNE")[0]
    assert region.sms(repairer)[told][1].startswith("NDIYAN Mangol-Dow: PANNE signalée par")
    region.run(HOUR)
    assert "Mamadou 600000012 la connait" in says(region, tap_keeper, "PANNE")[0], "of this one he knows"
    assert len(region.sms(repairer)) == told + 1


def test_a_breakdown_of_the_next_day_that_reaches_nobody_is_called_for_again(region: Region) -> None:
    president, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))

    def reaches_nobody() -> list[Call]:
        region.connection.execute("UPDATE notification SET state = 'undelivered' WHERE kind = 'report'")
        region.run(5 * MINUTE)
        return calls_due(region.connection)

    says(region, president, "PANNE")
    (call,) = reaches_nobody()
    assert mark_called(region.connection, call.call_id, who="Awa", now=region.clock.now())
    assert close_report(region.connection, 1, cause=BreakdownCause.OTHER, who="Awa", now=region.clock.now())
    region.run(HOUR)
    assert calls_due(region.connection) == []
    region.clock.advance(23 * HOUR)
    says(region, president, "PANNE")
    assert len(region.sms(repairer)) == 2
    (call,) = reaches_nobody()
    assert (call.zone_id, call.why) == ("zone-3", "breakdown_reported")
    assert reaches_nobody() == [call], "and once"


def test_a_report_that_still_waits_for_its_route_is_not_sent_twice_and_nobody_knows_of_it_yet(region: Region) -> None:
    tap_keeper, repairer = (phone_of(region.zones[2], role) for role in ("fontainier", "reparateur"))
    says(region, tap_keeper, "PANNE", after=5 * MINUTE)
    region.connection.execute(
        "UPDATE notification SET state = 'queued', next_try_at = %s WHERE kind = 'report'", [NOON + 5 * HOUR]
    )
    assert "Nous prévenons Mamadou" in says(region, tap_keeper, "PANNE")[0]
    rows = region.connection.execute("SELECT phone FROM notification WHERE kind = 'report'").fetchall()
    assert rows == [(repairer,)]


def test_news_of_a_breakdown_that_no_route_takes_for_an_hour_puts_the_zone_on_the_call_list_once(
    region: Region,
) -> None:
    says(region, phone_of(region.zones[2], "fontainier"), "PANNE", after=5 * MINUTE)
    region.connection.execute(
        "UPDATE notification SET state = 'queued', next_try_at = %s WHERE kind = 'report'", [NOON + 5 * HOUR]
    )
    region.run(55 * MINUTE)
    assert calls_due(region.connection) == []
    region.run(3 * HOUR)
    (call,) = calls_due(region.connection)
    assert (call.zone_id, call.why, call.since) == ("zone-3", "breakdown_reported", NOON + HOUR + MINUTE)


def test_a_repairer_who_was_forgotten_since_is_named_to_nobody(region: Region) -> None:
    tap_keeper, repairer = (phone_of(region.zones[2], role) for role in ("fontainier", "reparateur"))
    says(region, tap_keeper, "PANNE")
    forget(region.connection, repairer, by="Awa", now=region.clock.now())
    assert says(region, tap_keeper, "PANNE") == [
        "NDIYAN Mangol-Dow: panne notée, merci. Aucun réparateur n'est joignable: un ingénieur doit vous appeler."
    ]


def test_the_repairer_does_not_tell_himself(region: Region) -> None:
    repairer = phone_of(region.zones[2], "reparateur")
    assert says(region, repairer, "PANNE")[0].endswith("un ingénieur doit vous appeler.")
    says(region, phone_of(region.zones[2], "fontainier"), "PANNE")
    assert says(region, repairer, "PANNE")[0].endswith("un ingénieur doit vous appeler."), "nor that he knows it"


WORDS = ["1", "2", "3", "4", "0", "A1", "A2", "A1 3", "réparé", "oui", "non", "stop", "reprendre", "panne", "etat",
         "je crois que c'est reparé", "la pompe est en panne", "niveau 1,2", "merci"]  # fmt: skip


@given(letters=st.lists(st.tuples(
    st.integers(0, 6), st.one_of(st.sampled_from(WORDS), st.text(max_size=20)), st.integers(0, 40),
), min_size=1, max_size=8))  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_anybody_writes_nothing_is_done_twice_ended_by_words_or_changed_by_a_stranger(
    region: Region, letters: list[tuple[int, str, int]]
) -> None:
    with region.connection.transaction(force_rollback=True):
        region.fails(2)
        region.fails(2, "low_chlorine", 3)
        region.run(15 * MINUTE)
        phones = [STRANGER, *(one.phone for one in region.zones[2].committee)]
        for number, (who, text, minutes) in enumerate(letters):
            phone, text = phones[who % len(phones)], text.replace("\0", "")
            before = alerts_of(region)
            for _ in range(2):  # a route that was not told that we have it brings it again
                region.connection.execute(
                    "INSERT INTO sms_in (carrier, provider_id, phone, text, received_at) VALUES ('x', %s, %s, %s, %s)"
                    " ON CONFLICT DO NOTHING", [f"mo-{number}", phone, text, region.clock.now()],
                )  # fmt: skip
                region.sender.work()
            assert phone != STRANGER or alerts_of(region) == before
            region.clock.advance(minutes * MINUTE)
        states = region.connection.execute("SELECT state FROM alert").fetchall()
        assert ("resolved",) not in states
        answers = region.connection.execute(
            "SELECT count(*), count(DISTINCT step) FROM notification WHERE kind = 'reply'"
        ).fetchone()
        assert answers is not None
        assert answers[0] == answers[1], "no SMS was answered twice"
        done = region.connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'reply'").fetchone()
        sure = region.connection.execute("SELECT count(*) FROM sms_in WHERE alert_id IS NOT NULL").fetchone()
        assert done == sure, "each SMS about an alert left one line"
        assert region.connection.execute("SELECT count(*) FROM sms_in WHERE intention = 'failed'").fetchone() == (0,)


def alerts_of(region: Region) -> list[tuple[object, ...]]:
    """All that words could change of the alerts."""
    return region.connection.execute(
        "SELECT alert_id, state, acknowledged_at, (SELECT count(*) FROM alert_event e"
        " WHERE e.alert_id = a.alert_id AND e.kind NOT IN ('told', 'delivered')) FROM alert a ORDER BY alert_id"
    ).fetchall()
