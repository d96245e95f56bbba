"""The ladder on a real database, by the clock alone: no reading comes, no judge runs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from alerts.actions import acknowledge, shelve, unshelve
from alerts.carriers import Accepted, Fate, Outcome, Receipt, Refused, Submitted
from alerts.carriers.phone import PhoneCarrier
from alerts.climbing import climb
from alerts.evaluate import Evaluator
from alerts.model import RULES
from alerts.routing import PER_HOUR
from alerts.sender import Sender
from alerts.set_back import SetBack
from alerts.telling import begin, tell_end
from gateway.clock import ManualClock
from gateway.model import Fault
from gateway.zones import Zone
from ingest.db import Connection, connect, queries
from ingest.registry import import_zones
from tests.alerts.test_sender import Route

pytestmark = pytest.mark.db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTLES = RULES[Fault.PUMP_NOT_RUNNING].rejoin + RULES[Fault.PUMP_NOT_RUNNING].on_delay


class Region:
    """Six zones with their people, alerts that are said to be there, and a clock that moves when told."""

    def __init__(self, url: str, zones: list[Zone]) -> None:
        self.connection = connect(url)
        self.zones = zones
        import_zones(self.connection, zones)
        self.clock = ManualClock(NOON)
        self.sender = Sender(self.connection, {"phone": PhoneCarrier(self.connection, self.clock)}, self.clock)

    def fails(
        self,
        zone: int,
        fault: str = "pump_not_running",
        severity: int = 3,
        *,
        by: Connection | None = None,
        **values: float,
    ) -> int:
        """A new alert, in a transaction with what it tells, as the judge writes it."""
        evidence = json.dumps({"values": values, "thresholds": {}, "channels": []})
        judge = by or self.connection
        with judge.transaction():
            ((alert_id,),) = judge.execute(
                "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
                " opened_at, confidence, evidence) VALUES (%s, %s, 'pump', %s, 'open', %s, %s, %s, 1, %s)"
                " RETURNING alert_id",
                [self.zones[zone].zone_id, fault, severity, *[self.clock.now()] * 3, evidence],
            ).fetchall()
            begin(judge, alert_id, now=self.clock.now())
        return int(alert_id)

    def is_mended(self, alert_id: int) -> None:
        with self.connection.transaction():
            self.connection.execute("UPDATE alert SET state = 'resolved' WHERE alert_id = %s", [alert_id])
            tell_end(self.connection, alert_id, now=self.clock.now(), settles=SETTLES)

    def comes_back(self, alert_id: int) -> None:
        """As the judge writes it when what was over a moment ago is seen again."""
        judge = queries("alerts", "alerts")
        with self.connection.transaction():
            returned = {"alert": alert_id, "last": self.clock.now(), "cleared": None, "times": 1}
            assert self.connection.execute(judge["return_alert"], returned).fetchone()
            self.connection.execute(judge["look_again"], {"alert": alert_id, "now": self.clock.now()})

    def is_seen_again(self, alert_id: int) -> None:
        self.connection.execute(
            "UPDATE alert SET last_evidence_at = %s WHERE alert_id = %s", [self.clock.now(), alert_id]
        )

    def everybody_else_is(self, role: str, phone: str) -> None:
        """One person with this role looks after all zones."""
        for zone in self.zones:
            self.connection.execute(
                "INSERT INTO contact (zone_id, name, role, phone, language, rank) VALUES (%s, 'Tous', %s, %s, 'fr', 0)",
                [zone.zone_id, role, phone],
            )

    def run(self, span: timedelta, *, sends: bool = True, routes: int = 1) -> None:
        end = self.clock.now() + span
        while self.clock.now() < end:
            climb(self.connection, self.clock.now(), routes=routes)
            if sends:
                self.sender.work()
            self.clock.advance(MINUTE)

    def answers(self, phone: str, text: str) -> None:
        self.connection.execute(
            "INSERT INTO phone_reply (phone, text, sent_at) VALUES (%s, %s, %s)", (phone, text, self.clock.now())
        )

    def sms(self, phone: str) -> list[tuple[int, str]]:
        """(minutes from noon, text) of what a handset has shown."""
        rows = self.connection.execute(
            "SELECT sent_at, text FROM phone_inbox WHERE phone = %s ORDER BY sent_at", [phone]
        ).fetchall()
        return [((at - NOON) // MINUTE, text) for at, text in rows]

    def story(self, alert_id: int, kind: str) -> list[dict[str, object]]:
        rows = self.connection.execute(
            "SELECT detail FROM alert_event WHERE alert_id = %s AND kind = %s ORDER BY event_id", [alert_id, kind]
        )
        return [detail for (detail,) in rows]


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def phone_of(zone: Zone, role: str) -> str:
    return next(one.phone for one in zone.committee if one.role == role)


def test_nobody_answers_and_by_the_clock_alone_everybody_hears_until_somebody_calls(region: Region) -> None:
    zone = region.zones[2]
    number = region.fails(2)
    region.run(5 * HOUR)
    first = {role: region.sms(phone_of(zone, role))[0][0] for role in ("exploitant", "president", "tresorier")}
    assert first == {"exploitant": 0, "president": 30, "tresorier": 60}
    assert region.sms(phone_of(zone, "reparateur"))[0][0] == 90
    assert region.story(number, "not_told") == [{"reason": "nobody_of_this_role", "step": "commune"}]
    ((name, why, since, step),) = region.connection.execute(
        "SELECT name, why, since, step FROM call_list JOIN contact USING (contact_id)"
    ).fetchall()
    assert (name, why, since, step) == ("Alpha Oumar Barry", "nobody_answered", NOON + 4 * HOUR, "call_list")


@pytest.mark.parametrize("locks", ["severity_of_live", "count_photos"])
def test_the_ladder_goes_on_while_a_page_has_an_alert_in_its_hands(
    region: Region, database_url: str, locks: str
) -> None:
    """Or each waits for the other: the page for the ladder, the ladder to write down what it tells."""
    number = region.fails(2)
    region.connection.execute("SET lock_timeout = '2s'")
    with connect(database_url) as page, page.transaction():
        page.execute(queries("alerts", "actions")[locks], {"alert": number})
        region.run(35 * MINUTE)
    assert region.sms(phone_of(region.zones[2], "president"))[0][0] == 30


def test_a_night_of_downtime_skips_no_step(region: Region) -> None:
    zone = region.zones[2]
    region.fails(2)
    region.run(MINUTE)
    region.clock.advance(10 * HOUR)
    region.run(3 * HOUR)
    told = [region.sms(phone_of(zone, role))[0][0] for role in ("president", "tresorier", "reparateur")]
    assert told == [601, 631, 661]


def test_an_answer_stops_the_ladder_at_once(region: Region) -> None:
    zone = region.zones[2]
    region.fails(2)
    region.run(29 * MINUTE)
    region.answers(phone_of(zone, "exploitant"), "1")
    region.run(5 * HOUR)
    assert region.sms(phone_of(zone, "president")) == []
    assert region.connection.execute("SELECT count(*) FROM call_list").fetchone() == (0,)


def test_on_the_way_is_asked_again_after_four_hours_and_then_somebody_calls(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.fails(2)
    region.run(5 * MINUTE)
    region.answers(phone, "2")
    region.run(4 * HOUR + 2 * MINUTE)
    assert [at for at, _ in region.sms(phone)] == [0, 245]
    assert "SUIVI" in region.sms(phone)[1][1]
    region.run(4 * HOUR)
    assert region.connection.execute("SELECT why FROM call_list").fetchall() == [("no_word_since",)]


def test_repaired_is_contradicted_once_by_what_the_sensors_see(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(5 * MINUTE)
    region.answers(phone, "3")
    region.run(70 * MINUTE)
    assert len(region.sms(phone)) == 1, "nothing was measured since"
    region.is_seen_again(number)
    region.run(3 * HOUR)
    assert ["ENCORE" in text for _, text in region.sms(phone)] == [False, True]


def test_who_hears_later_or_in_the_morning_hears_no_figures_of_the_opening(region: Region) -> None:
    exploitant, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    region.fails(2, "float_stuck_full", hours=1.0, level_pct=40.0)
    region.run(35 * MINUTE)
    said = ["(chateau à 40%)" in text for phone in (exploitant, president) for _, text in region.sms(phone)]
    assert said == [True, False]
    region.clock.set(NOON + 10 * HOUR)
    region.fails(2, "tower_overflow", 2, hours=0.7, flow_m3_h=0.35)
    texts = "SELECT text FROM notification WHERE state = 'held'"
    ((text,),) = region.connection.execute(texts).fetchall()
    assert ("DEBORDE" in text, "40 minutes" in text, "litres" in text) == (True, False, False), text


def test_what_has_waited_for_a_route_is_told_without_the_figures_of_the_opening(region: Region) -> None:
    region.fails(2, hours=1.0)
    region.run(29 * MINUTE, sends=False)
    texts = "SELECT text FROM notification"
    ((text,),) = region.connection.execute(texts).fetchall()
    assert "depuis 1 h" in text
    region.run(2 * MINUTE, sends=False)
    region.run(2 * MINUTE)
    ((at, text),) = region.sms(phone_of(region.zones[2], "exploitant"))
    assert at == 31
    assert text.startswith("NDIYAN A1 Mangol-Dow, après coupure: POMPE ARRETEE"), text
    assert "depuis" not in text, text
    region.fails(2, "night_leak", 2)
    region.run(15 * MINUTE)
    assert all("coupure" not in text for _, text in region.sms(phone_of(region.zones[2], "exploitant"))[1:])


def test_what_is_contradicted_in_one_message_with_news_does_not_read_like_news(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(5 * MINUTE)
    region.answers(phone, "3")
    region.run(55 * MINUTE)
    region.fails(2, "night_leak", 2)
    region.run(5 * MINUTE)
    region.is_seen_again(number)
    region.run(2 * MINUTE)
    region.fails(2, "pv_soiling", 2)
    region.run(10 * MINUTE)
    text = region.sms(phone)[-1][1]
    assert "A1 Mangol-Dow ENCORE pompe arretée" in text, text
    assert "A3 Mangol-Dow panneaux sales" in text, text
    assert text.endswith("ex. A3 1"), text


def told_at_once(region: Region, database_url: str, severity: int) -> int:
    """Each of two services tells of one fault in one moment, and sees nothing of the other's; returns the later."""
    with connect(database_url) as other, other.transaction():
        region.fails(2, "pv_soiling", 2, by=other)
        return region.fails(2, "tap_left_open", severity)


@pytest.mark.parametrize("severity", [1, 2])
def test_whose_phone_rang_enough_this_week_when_they_were_to_be_told_is_not_waited_for(
    region: Region, database_url: str, severity: int
) -> None:
    exploitant, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    region.fails(2, "night_leak", 2)
    region.run(15 * MINUTE)
    number = told_at_once(region, database_url, severity)
    region.run(15 * MINUTE)
    assert len(region.sms(exploitant)) == 2
    ((at, text),) = region.sms(president)
    assert (at, "coule sans arret" in text) == (16, True), text
    assert [told["role"] for told in region.story(number, "told")] == ["president"]
    region.clock.advance(DAY)
    region.run(15 * MINUTE)
    assert len(region.story(number, "told")) == severity, "the next a day later, as after any first"


def test_who_was_told_of_an_end_hears_in_the_morning_that_it_is_back_though_they_had_the_week_s_two(
    region: Region,
) -> None:
    exploitant, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    leak = region.fails(2, "night_leak", 2)
    region.run(15 * MINUTE)
    region.is_mended(leak)
    region.run(15 * MINUTE)
    region.fails(2, "pv_soiling", 2)
    region.run(5 * MINUTE)
    region.clock.set(NOON + 10 * HOUR)
    region.comes_back(leak)
    region.run(5 * MINUTE)
    region.clock.set(NOON + 18 * HOUR)
    region.run(5 * MINUTE)
    told = [(at, "FUITE" in text) for at, text in region.sms(exploitant)]
    assert told[-1] == (SIX, True), told
    assert len(told) == 4
    assert region.sms(president) == []


def test_where_all_have_the_week_s_two_when_they_are_to_be_told_the_story_says_so_and_the_ladder_goes_on(
    region: Region, database_url: str
) -> None:
    region.connection.execute(
        "UPDATE contact SET is_active = false WHERE zone_id = %s AND role NOT IN ('exploitant', 'reparateur')",
        [region.zones[2].zone_id],
    )
    region.fails(2, "night_leak", 2)
    region.run(15 * MINUTE)
    number = told_at_once(region, database_url, 2)
    for _ in range(4):
        region.run(5 * MINUTE)
        region.clock.advance(DAY)
    assert region.story(number, "told") == []
    assert region.story(number, "not_told") == [
        {"reason": "enough_this_week", "step": "first"}, {"reason": "nobody_of_this_role", "step": "second"},
    ]  # fmt: skip
    assert region.connection.execute("SELECT step FROM call_list WHERE alert_id = %s", [number]).fetchall() == [
        ("call_list",)
    ]


def test_on_the_shelf_nobody_hears_the_story_says_so_and_afterwards_it_goes_on(region: Region) -> None:
    zone = region.zones[2]
    number = region.fails(2)
    region.run(10 * MINUTE)
    shelve(region.connection, number, span=2 * HOUR, why="pièce commandée", who="Claire", now=region.clock.now())
    region.run(HOUR)
    assert region.sms(phone_of(zone, "president")) == []
    assert region.story(number, "not_told") == [{"reason": "shelved"}]
    unshelve(region.connection, number, who="Claire", now=region.clock.now())
    region.run(2 * MINUTE)
    assert region.sms(phone_of(zone, "president"))[0][0] == 70


def test_several_faults_of_a_zone_are_one_message_after_the_first(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.fails(2, "night_leak", 2)
    region.run(2 * MINUTE)
    region.fails(2, "pv_soiling", 2)
    region.run(20 * MINUTE)
    # The week's two are used up: the others of the committee hear of what follows.
    assert [at for at, _ in region.sms(phone)] == [0, 10]
    third = region.fails(2, "tower_overflow", 2)
    region.run(2 * MINUTE)
    assert [at for at, _ in region.sms(phone)] == [0, 10]
    assert len(region.sms(phone_of(region.zones[2], "president"))) == 1
    assert region.story(third, "told")[0]["role"] == "president"


def test_no_water_twice_in_one_village_is_never_held_back(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.fails(2, "night_leak", 2)
    region.run(MINUTE)
    region.fails(2)
    region.run(MINUTE)
    region.fails(2, "pipe_burst")
    region.run(MINUTE)
    assert [at for at, _ in region.sms(phone)] == [0, 1, 2]


def test_a_storm_is_one_message_for_who_looks_after_all_zones_and_each_alert_knows(region: Region) -> None:
    region.everybody_else_is("exploitant", "+224600009999")
    alerts = [region.fails(zone) for zone in range(6)]
    region.run(14 * MINUTE)
    ((at, text),) = region.sms("+224600009999")
    assert (at, "et 3 autres (3 zones)" in text) == (0, True), text
    for number in alerts:
        assert len(region.story(number, "told")) == len(region.story(number, "delivered")) == 1
    region.is_mended(alerts[3])
    region.run(25 * MINUTE)
    assert "REPARE" in region.sms("+224600009999")[1][1], "who was told in a bundle is told the end"


def test_a_storm_that_takes_a_quarter_of_an_hour_is_one_message_for_the_repairer_and_one_for_the_commune(
    region: Region,
) -> None:
    region.everybody_else_is("reparateur", "+224600009998")
    region.everybody_else_is("commune", "+224600009999")
    for zone in range(6):
        region.fails(zone)
        region.run(3 * MINUTE)
    region.run(3 * HOUR)
    assert [at for at, _ in region.sms("+224600009998")] == [90]
    assert [at for at, _ in region.sms("+224600009999")] == [150]
    first = [region.sms(phone_of(zone, "exploitant"))[0][0] for zone in region.zones]
    assert first == [0, 3, 6, 9, 12, 15], "and no committee waited for another"
    region.run(HOUR)
    calls = region.connection.execute("SELECT since FROM call_list ORDER BY since").fetchall()
    assert [(at - NOON) // MINUTE for (at,) in calls] == [240 + 3 * zone for zone in range(6)]


def test_of_one_alert_two_people_are_not_told_in_one_moment(region: Region) -> None:
    region.everybody_else_is("reparateur", "+224600009998")
    region.fails(0)
    region.run(30 * MINUTE)
    region.fails(1)  # its third person is due when the repairer hears of the first
    region.run(2 * HOUR)
    assert [at for at, _ in region.sms("+224600009998")] == [90, 120]


def test_dust_on_all_panels_is_one_message_for_who_looks_after_them_and_so_is_its_end(region: Region) -> None:
    region.everybody_else_is("exploitant", "+224600009999")
    alerts = [region.fails(zone, "pv_soiling", 2) for zone in range(6)]
    region.run(MINUTE)
    for number in alerts:
        region.is_mended(number)
    region.run(30 * MINUTE)
    assert [at for at, _ in region.sms("+224600009999")] == [0, 10]


def test_who_looks_after_one_more_zone_hears_alone_what_to_do_in_one_of_them(region: Region) -> None:
    region.everybody_else_is("exploitant", "+224600009999")
    region.fails(1)
    region.run(MINUTE)
    ((at, text),) = region.sms("+224600009999")
    assert (at, "coffret" in text) == (0, True), text


def test_what_is_answered_while_a_bundle_waits_is_not_in_it(region: Region) -> None:
    region.everybody_else_is("exploitant", "+224600009999")
    alerts = [region.fails(0)]
    region.run(MINUTE)
    alerts += [region.fails(zone) for zone in range(1, 4)]
    region.run(4 * MINUTE)
    acknowledge(region.connection, alerts[1], who="Claire", now=region.clock.now())
    codes = dict(region.connection.execute("SELECT alert_id, code FROM alert").fetchall())
    region.run(10 * MINUTE, sends=False)  # the bundle is written, and cannot leave
    acknowledge(region.connection, alerts[2], who="Claire", now=region.clock.now())
    region.run(2 * MINUTE)
    told = region.sms("+224600009999")
    assert len(told) == 2
    assert codes[alerts[3]] in told[1][1]
    assert codes[alerts[2]] in told[1][1], "nobody of the committee has heard of it yet"


def test_after_an_outage_there_is_one_summary_and_no_stale_queue(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    first = region.fails(2)
    region.run(40 * MINUTE, sends=False)
    region.fails(2, "pipe_burst")
    region.run(30 * MINUTE, sends=False)
    region.fails(2, "inverter_trip")
    region.run(6 * HOUR, sends=False)
    region.is_mended(first)
    region.run(2 * MINUTE)
    ((_, text),) = region.sms(phone)
    assert text.startswith("NDIYAN, après coupure: ")
    assert "A1 " not in text.replace("A1 1", ""), "what is over and was never told is not worth a tone"
    region.run(30 * MINUTE)
    assert len(region.sms(phone)) == 1


def test_after_an_outage_an_alert_that_waits_for_both_routes_of_a_phone_is_named_once(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.fails(2)
    region.run(28 * MINUTE, sends=False, routes=2)
    ((waiting,),) = region.connection.execute(
        "SELECT count(*) FROM notification WHERE kind = 'opened' AND phone = %s", [phone]
    ).fetchall()
    assert waiting == 2
    region.run(2 * MINUTE)
    ((_, text),) = region.sms(phone)
    assert text.startswith("NDIYAN, après coupure: A1 Mangol-Dow")
    assert text.count("A1 Mangol-Dow") == 1


SIX = 18 * 60  # minutes from noon


@pytest.mark.parametrize("faults", [["night_leak"], ["night_leak", "tower_leak"]], ids=["one", "two"])
def test_a_route_that_comes_back_at_night_rings_nobody_with_what_can_wait(region: Region, faults: list[str]) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.clock.advance(8 * HOUR + 30 * MINUTE)
    for fault in faults:
        region.fails(2, fault, severity=2)
    region.run(5 * HOUR + 30 * MINUTE, sends=False)
    region.run(5 * HOUR)
    ((at, text),) = region.sms(phone)
    assert at == SIX
    assert text.startswith("NDIYAN, après coupure: " if len(faults) > 1 else "NDIYAN A1 Mangol-Dow: FUITE")


def test_what_follows_within_ten_minutes_of_the_evening_s_last_sms_waits_for_the_morning(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.clock.advance(8 * HOUR + 55 * MINUTE)
    region.fails(2, "night_leak", severity=2)
    region.run(2 * MINUTE)
    region.fails(2, "tower_leak", severity=2)
    held = "SELECT reason, due_at FROM notification WHERE state = 'held'"
    assert region.connection.execute(held).fetchall() == [("held_until_morning", NOON + 18 * HOUR)]
    region.run(10 * HOUR)
    assert [at for at, _ in region.sms(phone)] == [8 * 60 + 55, SIX]


def test_what_was_held_for_another_message_in_the_evening_waits_for_the_morning(region: Region) -> None:
    """It was decided before the night, by the round that let the phone ring."""
    region.everybody_else_is("reparateur", "+224620000001")
    region.clock.advance(8 * HOUR + 58 * MINUTE)
    for zone in range(3):
        region.fails(zone, "sensor_stuck", severity=2)
        region.run(MINUTE)
    region.run(10 * HOUR)
    assert [at for at, _ in region.sms("+224620000001")] == [8 * 60 + 58, SIX]


def test_at_night_no_water_rings_and_who_writes_is_answered_while_a_leak_waits(region: Region) -> None:
    phone, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    region.clock.advance(8 * HOUR + 30 * MINUTE)
    region.fails(2, "night_leak", severity=2)
    region.run(3 * HOUR, sends=False)
    region.fails(2)
    region.run(2 * HOUR)
    told = region.sms(phone)
    assert told[0][0] == 11 * 60 + 30
    assert all("FUITE" not in text for _, text in told), "the leak waits"
    region.answers(president, "0")
    region.run(2 * MINUTE)
    assert region.sms(president)[-1][0] == 13 * 60 + 31
    region.run(5 * HOUR)
    assert [at for at, text in region.sms(phone) if "FUITE" in text] == [SIX]


def test_restarts_and_repeats_tell_nothing_twice(region: Region) -> None:
    number = region.fails(2)
    for _ in range(5):
        climb(region.connection, region.clock.now())
        with region.connection.transaction():
            begin(region.connection, number, now=region.clock.now())
        region.run(MINUTE)
    assert len(region.sms(phone_of(region.zones[2], "exploitant"))) == 1


def test_a_bundle_is_one_message_in_metric_and_purse(region: Region) -> None:
    region.everybody_else_is("exploitant", "+224600009999")
    for zone in range(4):
        region.fails(zone)
    region.run(14 * MINUTE)
    ((handed_over,),) = region.connection.execute("SELECT count(*) FROM sms_attempt WHERE outcome = 'accepted'")
    asked = {"start": region.clock.now() - timedelta(days=1), "end": region.clock.now()}
    ((sent, *_),) = region.connection.execute(queries("alerts", "metrics")["sent"], asked).fetchall()
    assert sent == handed_over
    purse = region.connection.execute(
        queries("web", "sms")["purse"], {"since": asked["start"], "zone": None}
    ).fetchall()
    assert sum(row[5] for row in purse) == handed_over


def test_an_sms_that_was_told_in_a_bundle_takes_its_code_as_an_answer(region: Region) -> None:
    region.everybody_else_is("exploitant", "+224600009999")
    alerts = [region.fails(zone) for zone in range(3)]
    region.run(12 * MINUTE)
    ((code,),) = region.connection.execute("SELECT code FROM alert WHERE alert_id = %s", [alerts[2]]).fetchall()
    region.answers("+224600009999", f"{code} 1")
    region.run(2 * MINUTE)
    states = region.connection.execute("SELECT state FROM alert ORDER BY alert_id").fetchall()
    assert states == [("open",), ("open",), ("acknowledged",)]


def test_a_server_whose_clock_was_a_day_ahead_tells_on_once_it_is_right_and_not_a_day_later(region: Region) -> None:
    set_back, told = SetBack(region.connection), [phone_of(region.zones[2], one) for one in ("president", "reparateur")]
    region.clock.set(NOON + DAY)
    set_back.look(region.clock.now())
    region.fails(2)
    region.run(5 * MINUTE)  # the first of zone 2 has heard
    region.fails(3)
    region.run(MINUTE, sends=False)  # what zone 3 is to be told has not left
    region.clock.set(NOON)
    set_back.look(region.clock.now())
    region.run(2 * HOUR)
    assert region.sms(phone_of(region.zones[3], "exploitant"))[0][0] == 0
    assert [region.sms(phone)[0][0] for phone in told] == [30, 90], "counted from when the clock was set back"


def test_what_waits_for_a_phone_that_rang_while_the_clock_was_ahead_is_told_once_it_is_right(region: Region) -> None:
    set_back, exploitant = SetBack(region.connection), phone_of(region.zones[2], "exploitant")
    first = region.fails(2, "tower_leak", severity=2)
    region.run(MINUTE)
    region.fails(2, "night_leak", severity=2)  # waits until ten minutes after the first
    region.run(MINUTE)
    assert len(region.sms(exploitant)) == 1
    region.clock.set(NOON + DAY)
    set_back.look(region.clock.now())
    region.connection.execute(
        "INSERT INTO notification (ref, alert_id, phone, kind, step, reason, language, text, segments, state,"
        " created_at, next_try_at, valid_until, accepted_at) SELECT gen_random_uuid(), %(alert)s, %(phone)s, 'opened',"
        " 'ahead-' || n, 'test', 'fr', 'x', 1, 'delivered', %(at)s, %(at)s, %(at)s, %(at)s"
        " FROM generate_series(1, %(often)s) AS n",
        {"alert": first, "phone": exploitant, "at": region.clock.now() - 20 * MINUTE, "often": PER_HOUR},
    )
    region.run(2 * MINUTE)
    assert len(region.sms(exploitant)) == 1, "it rang often enough"
    region.clock.set(NOON + 12 * MINUTE)
    set_back.look(region.clock.now())
    region.run(2 * MINUTE)
    assert [at for at, _ in region.sms(exploitant)] == [0, 12]


def test_on_the_way_that_was_written_while_the_clock_was_ahead_is_asked_about_four_hours_after_it_is_right(
    region: Region,
) -> None:
    exploitant, set_back = phone_of(region.zones[2], "exploitant"), SetBack(region.connection)
    set_back.look(region.clock.now())
    region.fails(2)
    region.run(2 * MINUTE)
    region.clock.advance(3 * DAY)
    set_back.look(region.clock.now())
    region.answers(exploitant, "2")
    region.run(2 * MINUTE)
    region.clock.set(NOON + 4 * MINUTE)
    set_back.look(region.clock.now())
    told = len(region.sms(exploitant))
    region.run(3 * HOUR + 50 * MINUTE)
    assert len(region.sms(exploitant)) == told
    region.run(20 * MINUTE)
    assert len(region.sms(exploitant)) == told + 1, "is it done?"
    assert region.connection.execute("SELECT acknowledged_at FROM alert").fetchall() == [(NOON + 4 * MINUTE,)]


def test_a_service_that_starts_at_night_leaves_what_is_held_for_the_morning(region: Region) -> None:
    held = "SELECT state, due_at FROM notification"
    region.clock.set(NOON + 10 * HOUR)
    region.fails(2, "taps_low_use", severity=2)
    before = region.connection.execute(held).fetchall()
    assert set(before) == {("held", NOON + 18 * HOUR)}
    SetBack(region.connection).look(NOON + 11 * HOUR)
    assert region.connection.execute(held).fetchall() == before


def test_a_service_that_starts_at_night_leaves_a_step_that_waits_for_the_morning_where_it_is(region: Region) -> None:
    ladder = "SELECT origin_at, due_at FROM ladder"
    region.clock.set(NOON + 10 * HOUR)
    region.fails(2, "taps_low_use", severity=2)
    before = region.connection.execute(ladder).fetchall()
    assert before == [(NOON + 18 * HOUR, NOON + 42 * HOUR)], "told at six, and the second a day later"
    SetBack(region.connection).look(NOON + 11 * HOUR)
    assert region.connection.execute(ladder).fetchall() == before


def test_zones_are_judged_on_when_the_clock_is_set_back(region: Region) -> None:
    judge, set_back = Evaluator(region.connection, every=MINUTE), SetBack(region.connection)
    set_back.look(NOON + DAY)
    assert judge.work(NOON + DAY) == len(region.zones)
    set_back.look(NOON)
    assert judge.work(NOON) == len(region.zones)
    set_back.look(NOON + MINUTE / 2)
    assert judge.work(NOON + MINUTE / 2) == 0, "each minute, as before"


def test_a_clock_that_goes_back_a_little_moves_nothing(region: Region) -> None:
    set_back = SetBack(region.connection)
    region.clock.set(NOON + 5 * MINUTE)
    set_back.look(region.clock.now())
    region.fails(2)
    region.clock.set(NOON)
    set_back.look(region.clock.now())
    region.run(HOUR)
    assert region.sms(phone_of(region.zones[2], "president"))[0][0] == 35


EVERYBODY = "+224600009999"


def under_way(region: Region) -> tuple[Route, list[int]]:
    """Two failures in one message that has been handed over, and of which nobody knows yet what became of it."""
    route = Route(answers=[None])
    region.sender = Sender(region.connection, {"smpp": route}, region.clock)
    region.everybody_else_is("exploitant", EVERYBODY)
    alerts = [region.fails(0), region.fails(1)]
    region.run(MINUTE)
    assert len(route.taken) == 1
    assert [
        state for (state,) in region.connection.execute("SELECT state FROM notification WHERE kind = 'bundle'")
    ] == ["submitting"]
    return route, alerts


def is_answered(region: Region, route: Route, outcome: Outcome) -> None:
    """The route tells what became of the message, and the handset shows all that left."""
    route.waiting.append(Submitted(route.taken[0].ref, outcome))
    if isinstance(outcome, Accepted):
        route.waiting.append(Receipt((outcome.provider_id,), Fate.DELIVERED, region.clock.now(), "", phone=EVERYBODY))


def texts_to(route: Route, phone: str) -> list[str]:
    return [one.text for one in route.taken if one.phone == phone]


@pytest.mark.parametrize("failing", [1, 2], ids=["alone", "in-one-with-another"])
def test_who_was_told_by_the_second_route_because_the_first_was_away_is_told_again_by_the_first(
    region: Region, failing: int
) -> None:
    first, second = Route(places=0), Route()
    region.sender = Sender(region.connection, {"first": first, "second": second}, region.clock)
    region.everybody_else_is("exploitant", EVERYBODY)
    for zone in range(failing):
        region.fails(zone)
    region.run(5 * MINUTE, routes=2)
    assert (len(texts_to(first, EVERYBODY)), len(texts_to(second, EVERYBODY))) == (0, 1)
    first.places = 10
    region.run(15 * MINUTE, routes=2)
    assert (len(texts_to(first, EVERYBODY)), len(texts_to(second, EVERYBODY))) == (1, 1)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        pytest.param(Accepted("its-id"), "delivered", id="it-arrives"),
        pytest.param(Refused("number barred", is_permanent=True), "failed", id="it-does-not"),
        pytest.param(Refused("later", is_permanent=False), "superseded", id="it-is-written-anew-without-what-is-over"),
    ],
)
def test_what_ends_while_its_bundle_is_under_way_is_told_the_end_if_the_bundle_arrives(
    region: Region, outcome: Outcome, fate: str
) -> None:
    route, alerts = under_way(region)
    region.is_mended(alerts[0])
    region.run(MINUTE)
    assert len(texts_to(route, EVERYBODY)) == 1, "the end waits until one knows"
    is_answered(region, route, outcome)
    region.run(25 * MINUTE)
    ends = [text for text in texts_to(route, EVERYBODY)[1:] if "A1 " in text]
    is_told = fate == "delivered"
    assert ["REPARE" in text for text in ends] == [True] * is_told
    assert len(region.story(alerts[0], "told")) == 2 * is_told
    state = "SELECT state FROM notification WHERE alert_id = %s AND kind = 'opened' AND phone = %s"
    assert region.connection.execute(state, [alerts[0], EVERYBODY]).fetchone() == (fate,)


def test_what_one_message_told_and_its_route_could_not_send_is_told_by_the_other(region: Region) -> None:
    first, second = Route(), Route()
    region.sender = Sender(region.connection, {"first": first, "second": second}, region.clock)
    region.everybody_else_is("exploitant", EVERYBODY)
    alerts = [region.fails(0), region.fails(1)]
    region.run(3 * MINUTE, routes=2)
    (bundle,) = [one for one in first.taken if one.phone == EVERYBODY]
    at = region.clock.now()
    first.waiting.append(Receipt((), Fate.UNDELIVERED, at, "sms:failed", ref=bundle.ref, never_left=True))
    region.run(3 * MINUTE, routes=2)
    assert texts_to(second, EVERYBODY) == [bundle.text]
    state = "SELECT DISTINCT state, carrier FROM notification WHERE alert_id = ANY(%s) AND phone = %s"
    assert region.connection.execute(state, [alerts, EVERYBODY]).fetchall() == [("accepted", "second")]


def test_what_is_answered_while_its_bundle_is_under_way_shares_the_fate_of_the_bundle(region: Region) -> None:
    route, alerts = under_way(region)
    region.connection.execute("UPDATE notification SET step = 'second' WHERE kind = 'opened'")
    acknowledge(region.connection, alerts[0], who="Claire", now=region.clock.now())
    region.run(MINUTE)
    is_answered(region, route, Accepted("its-id"))
    region.run(2 * MINUTE)
    assert [len(region.story(one, "told")) for one in alerts] == [1, 1]
    region.is_mended(alerts[0])
    region.run(15 * MINUTE)
    assert len(texts_to(route, EVERYBODY)) == 2, "who read of it hears its end"


def ends(told: list[tuple[int, str]]) -> list[tuple[int, bool]]:
    """(minutes from noon, whether it says that it is over)"""
    return [(at, "REPARE" in text) for at, text in told]


def test_what_comes_back_after_its_end_was_told_is_news_to_those_who_heard_it_and_then_to_the_ladder(
    region: Region,
) -> None:
    zone = region.zones[2]
    exploitant, president, treasurer = (phone_of(zone, one) for one in ("exploitant", "president", "tresorier"))
    number = region.fails(2)
    region.run(35 * MINUTE)
    region.answers(president, "1")
    region.run(5 * MINUTE)
    region.is_mended(number)
    region.run(30 * MINUTE)
    region.comes_back(number)
    region.run(25 * MINUTE)
    assert ends(region.sms(exploitant)) == [(0, False), (40, True), (70, False)]
    assert ends(region.sms(president)) == [(30, False), (40, True), (70, False)]
    assert region.connection.execute("SELECT state, acknowledged_at FROM alert").fetchall() == [("open", None)]
    region.run(2 * HOUR)
    assert region.sms(treasurer)[0][0] == 100, "nobody answered for half an hour: who has not heard yet is next"
    region.answers(exploitant, "2")
    region.run(5 * MINUTE)
    assert region.connection.execute("SELECT state FROM alert").fetchall() == [("acknowledged",)]
    region.is_mended(number)
    region.run(SETTLES + 2 * MINUTE)
    over = 220 + SETTLES // MINUTE
    assert [ends(region.sms(one))[-1] for one in (exploitant, president, treasurer)] == [(over, True)] * 3
    region.run(DAY)
    assert [len(region.sms(one)) for one in (exploitant, president, treasurer)] == [4, 4, 2]
    assert region.story(number, "told_again") == [{"round": 2}]


def test_on_the_way_to_what_was_over_since_is_not_asked_again(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(5 * MINUTE)
    region.answers(phone, "2")
    region.run(5 * MINUTE)
    region.is_mended(number)
    region.run(5 * MINUTE)
    region.comes_back(number)
    region.run(5 * MINUTE)
    acknowledge(region.connection, number, who="Claire", now=region.clock.now())
    region.run(8 * HOUR)
    assert ends(region.sms(phone)) == [(0, False), (10, True), (15, False)]
    assert region.connection.execute("SELECT count(*) FROM call_list").fetchone() == (0,)


def test_a_pump_that_comes_and_goes_is_told_twice_and_its_end_when_it_has_stayed_away(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(5 * MINUTE)
    region.answers(phone, "1")
    for _ in range(5):
        region.run(5 * MINUTE)
        region.is_mended(number)
        region.run(SETTLES - 5 * MINUTE)
        region.comes_back(number)
    assert ends(region.sms(phone)) == [(0, False), (10, True), (10 + 85, False)]
    region.is_mended(number)
    region.run(SETTLES + MINUTE)
    assert [is_over for _, is_over in ends(region.sms(phone))] == [False, True, False, True]
    region.run(DAY)
    assert len(region.sms(phone)) == 4


def test_what_comes_back_while_its_end_waits_for_the_morning_was_never_over_for_anybody(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.clock.advance(6 * HOUR)
    number = region.fails(2, "tower_overflow", 2)
    region.run(MINUTE)
    acknowledge(region.connection, number, who="Claire", now=region.clock.now())
    region.clock.advance(4 * HOUR)
    region.is_mended(number)
    region.run(5 * MINUTE)
    region.clock.advance(2 * HOUR)
    region.comes_back(number)
    region.run(5 * MINUTE)
    region.clock.set(NOON + 17 * HOUR)
    region.run(3 * HOUR)
    assert ends(region.sms(phone)) == [(360, False)]
    assert region.connection.execute("SELECT state FROM alert").fetchall() == [("acknowledged",)], "as it was left"
    region.is_mended(number)
    region.run(15 * MINUTE)
    assert ends(region.sms(phone)) == [(360, False), (1200, True)], "and now it is"


def test_an_end_that_is_written_in_one_message_with_others_is_left_out_when_it_was_none(region: Region) -> None:
    region.everybody_else_is("exploitant", EVERYBODY)
    alerts = [region.fails(zone, "pv_soiling", 2) for zone in range(3)]
    region.run(20 * MINUTE)
    for number in alerts:
        region.is_mended(number)
    region.run(MINUTE, sends=False)  # the bundle is written, and cannot leave
    region.comes_back(alerts[0])
    region.run(15 * MINUTE)
    codes = dict(region.connection.execute("SELECT alert_id, code FROM alert").fetchall())
    *_, (_, text) = region.sms(EVERYBODY)
    assert [f"{codes[number]} " in text for number in alerts] == [False, True, True], text
    assert region.story(alerts[0], "told_again") == []


def test_whether_an_end_that_is_under_way_has_left_is_waited_for(region: Region) -> None:
    route = Route()
    region.sender = Sender(region.connection, {"smpp": route}, region.clock)
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(15 * MINUTE)
    route.answers = [None]
    region.is_mended(number)
    region.run(MINUTE)
    region.comes_back(number)
    region.run(MINUTE)
    assert len(texts_to(route, phone)) == 2
    route.waiting.append(Submitted(route.taken[-1].ref, Accepted("the-end")))
    region.run(3 * MINUTE)
    assert ["REPARE" in text for text in texts_to(route, phone)] == [False, True, False]


def test_an_end_that_could_not_leave_is_not_told_of_what_is_back(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(15 * MINUTE)
    region.is_mended(number)
    region.run(5 * MINUTE, sends=False)
    region.comes_back(number)
    region.run(5 * MINUTE, sends=False)
    region.run(4 * MINUTE)
    assert ends(region.sms(phone)) == [(0, False)]
    assert region.connection.execute("SELECT state FROM notification WHERE kind = 'resolved'").fetchall() == [
        ("superseded",)
    ]


def test_who_never_heard_that_it_was_back_does_not_hear_a_second_time_that_it_is_over(region: Region) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    number = region.fails(2)
    region.run(15 * MINUTE)
    region.is_mended(number)
    region.run(5 * MINUTE)
    region.comes_back(number)
    region.run(2 * MINUTE, sends=False)
    region.is_mended(number)
    region.run(SETTLES + 5 * MINUTE, sends=False)
    region.run(30 * MINUTE)
    assert ends(region.sms(phone)) == [(0, False), (15, True)]


def test_who_takes_it_in_charge_again_does_not_keep_it_from_who_believes_that_it_is_over(region: Region) -> None:
    region.everybody_else_is("exploitant", EVERYBODY)
    number = region.fails(0)
    region.run(15 * MINUTE)
    region.is_mended(number)
    region.run(15 * MINUTE)
    region.fails(1)
    region.run(MINUTE)
    region.comes_back(number)  # they have just heard of another zone: this waits ten minutes
    region.run(MINUTE)
    region.answers(EVERYBODY, "A1 1")
    region.run(15 * MINUTE)
    assert region.connection.execute("SELECT state FROM alert ORDER BY alert_id").fetchall()[0] == ("acknowledged",)
    assert ends(region.sms(EVERYBODY)) == [(0, False), (15, True), (30, False), (40, False)]


@pytest.mark.parametrize("severity", [1, 2])
def test_what_came_back_before_anybody_was_told_of_it_is_told_in_the_morning(region: Region, severity: int) -> None:
    phone = phone_of(region.zones[2], "exploitant")
    region.clock.advance(10 * HOUR)
    number = region.fails(2, "tower_overflow", severity)
    region.run(5 * MINUTE)
    region.is_mended(number)
    region.run(5 * MINUTE)
    region.clock.set(NOON + 16 * HOUR)
    region.comes_back(number)
    region.run(2 * MINUTE)
    region.clock.set(NOON + 18 * HOUR - MINUTE)
    region.run(15 * MINUTE)
    assert ends(region.sms(phone)) == [(SIX, False)]
    assert region.story(number, "unheard") == [{"round": 2}], "once"
    region.is_mended(number)
    region.run(15 * MINUTE)
    assert [is_over for _, is_over in ends(region.sms(phone))] == [False, True], "at once: nobody was told so before"


def test_what_came_back_before_a_route_did_is_told_from_the_first_step_on(region: Region) -> None:
    exploitant, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    number = region.fails(2)
    region.run(20 * MINUTE, sends=False)
    region.is_mended(number)
    region.run(MINUTE)
    region.run(19 * MINUTE, sends=False)
    region.comes_back(number)
    region.run(40 * MINUTE)
    assert [at for at, _ in region.sms(exploitant)] == [40]
    assert [at for at, _ in region.sms(president)] == [70]


def test_who_believes_that_it_is_over_hears_that_it_is_back_though_it_went_once_more_in_between(region: Region) -> None:
    exploitant, president = (phone_of(region.zones[2], role) for role in ("exploitant", "president"))
    number = region.fails(2)
    region.run(45 * MINUTE)
    region.is_mended(number)
    region.run(5 * MINUTE)
    region.comes_back(number)
    region.run(2 * MINUTE, sends=False)
    region.is_mended(number)
    region.run(2 * MINUTE)
    region.comes_back(number)
    region.run(10 * MINUTE)
    assert ends(region.sms(exploitant)) == [(0, False), (45, True), (54, False)]
    assert ends(region.sms(president)) == [(30, False), (45, True), (54, False)]


def test_where_all_have_left_of_whom_one_was_to_be_told_the_next_is_told_and_the_ladder_ends(region: Region) -> None:
    number = region.fails(2)
    gone = "UPDATE contact SET is_active = false WHERE zone_id = %s AND role = ANY(%s)"
    region.connection.execute(gone, [region.zones[2].zone_id, ["exploitant"]])
    region.run(5 * MINUTE)
    assert [at for at, _ in region.sms(phone_of(region.zones[2], "president"))] == [1]
    region.connection.execute(gone, [region.zones[1].zone_id, [one.role for one in region.zones[1].committee]])
    alone = region.fails(1)
    region.run(5 * HOUR)
    assert region.connection.execute("SELECT alert_id FROM call_list ORDER BY 1").fetchall() == [(number,), (alone,)]


def test_what_waits_for_a_route_for_days_is_told_once_when_there_is_one(region: Region) -> None:
    zone = region.zones[2]
    region.fails(2)
    for _ in range(4):
        region.run(3 * HOUR, sends=False)
        region.clock.advance(9 * HOUR)
        region.run(2 * MINUTE, sends=False)
    began = (region.clock.now() - NOON) // MINUTE
    region.run(HOUR)
    for role in ("exploitant", "president", "tresorier", "reparateur"):
        assert [at for at, _ in region.sms(phone_of(zone, role))] == [began], role


def test_what_may_have_left_has_its_time_and_counts_as_heard(region: Region) -> None:
    region.fails(2, "night_leak", 2)
    region.run(MINUTE, sends=False)
    region.connection.execute(
        "INSERT INTO sms_attempt (notification_id, carrier, began_at, outcome)"
        " SELECT notification_id, 'phone', %s, 'uncertain' FROM notification",
        [NOON],
    )
    region.clock.advance(DAY - 5 * MINUTE)
    region.connection.execute("UPDATE notification SET next_try_at = %s", [NOON + 2 * DAY])  # all are in doubt
    region.run(10 * MINUTE)
    told = region.connection.execute("SELECT step, state FROM notification ORDER BY notification_id").fetchall()
    assert told == [("first", "expired"), ("second", "delivered")]
    assert region.connection.execute("SELECT round FROM ladder").fetchall() == [(1,)]


def test_a_bundle_that_tells_what_was_taken_in_charge_and_nobody_heard_is_not_written_anew_each_time(
    region: Region,
) -> None:
    region.everybody_else_is("exploitant", EVERYBODY)
    alerts = [region.fails(0)]
    region.run(MINUTE)
    alerts += [region.fails(zone) for zone in (1, 2)]
    region.run(11 * MINUTE, sends=False)
    acknowledge(region.connection, alerts[1], who="Claire", now=region.clock.now())
    region.run(5 * MINUTE, sends=False)
    assert region.connection.execute("SELECT count(*) FROM notification WHERE kind = 'bundle'").fetchone() == (1,)
