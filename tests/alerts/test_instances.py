"""Several services of alerts: each zone and each route is in one pair of hands, and passes on when these go cold."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from threading import Event

import psycopg
import pytest

from alerts.carriers import Carrier
from alerts.config import AlertsConfig
from alerts.detectors import DETECTORS, Scene
from alerts.evaluate import JOB, Evaluator, judge_due, tell_outages
from alerts.lease import JUDGING_S, SENDING_S, Lease, at_all_times, while_working
from alerts.model import Signal
from alerts.service import _judging, _sending, _Worker
from alerts.watchdog import Part, look_at_parts
from gateway.clock import ManualClock
from gateway.pulse import Loop
from gateway.zones import Zone
from ingest.db import Connection, connect
from tests.alerts.silent_zones import fall_silent, is_heard

pytestmark = pytest.mark.db
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHORT_S = 0.2


@pytest.fixture
def village(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    """Six zones that were heard for the last time at nine."""
    with connect(database_url) as connection:
        fall_silent(connection, zones, MORNING)
        yield connection


@pytest.fixture
def other(database_url: str) -> Iterator[Connection]:
    """The connection of another service."""
    with connect(database_url) as connection:
        yield connection


def judge_three(connection: Connection, now: datetime) -> list[str]:
    return judge_due(connection, now, every=MINUTE, at_once=3, taken=[])


def told(connection: Connection) -> object:
    return connection.execute("SELECT count(DISTINCT alert_id) FROM notification").fetchone()


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def freeze(connection: Connection, lease: Mapping[str, str]) -> None:
    """It says nothing any more; its lease is short only now, or a slow machine would lose it while it works."""
    for name, value in lease.items():
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])


def test_what_one_judges_the_other_passes_over(village: Connection, other: Connection) -> None:
    now = MORNING + MINUTE
    Evaluator(village, every=MINUTE).work(now)
    with village.transaction():
        ours = judge_three(village, now + MINUTE)
        theirs = judge_three(other, now + MINUTE) + judge_three(other, now + MINUTE)
    assert (len(ours), len(theirs)) == (3, 3)
    assert not set(ours) & set(theirs)
    assert judge_three(other, now + MINUTE) == []


def test_a_turn_that_wakes_a_moment_earlier_than_the_last_judges_all_the_same(village: Connection) -> None:
    """A turn wakes each minute, some milliseconds late, and these differ from turn to turn."""
    judge, late, soon = Evaluator(village, every=MINUTE), timedelta(milliseconds=5), timedelta(milliseconds=1)
    judged = [judge.work(MORNING + span) for span in (late, MINUTE / 2, MINUTE + soon, 2 * MINUTE + late)]
    assert judged == [6, 0, 6, 6]


def test_six_silent_zones_of_which_each_judges_three_are_one_event(village: Connection, other: Connection) -> None:
    now = MORNING + timedelta(hours=2, minutes=1)
    with village.transaction():
        village.execute("INSERT INTO job (name, zone_id, next_due_at) SELECT %s, zone_id, %s FROM zone", [JOB, now])
    with village.transaction():
        judge_three(village, now)
        Evaluator(other, every=MINUTE).work(now)  # sees three, knows that three more are being judged
        assert told(other) == (0,)
    tell_outages(village, now, every=MINUTE)
    assert told(other) == (1,)
    explained = other.execute("SELECT count(*) FILTER (WHERE explained_by IS NOT NULL), count(*) FROM alert").fetchone()
    assert explained == (5, 6)


def test_six_silent_zones_of_which_three_are_judged_half_a_minute_later_are_one_event(village: Connection) -> None:
    now = MORNING + timedelta(hours=2, minutes=1)
    village.execute(
        "INSERT INTO job (name, zone_id, next_due_at) SELECT %s, zone_id, %s FROM zone", [JOB, now - MINUTE / 2]
    )
    for zone in ("zone-1", "zone-2", "zone-3"):
        is_heard(village, zone, MORNING + MINUTE * 3 / 4)  # so that it is silent from now on
    assert judge_three(village, now - MINUTE / 2) == ["zone-1", "zone-2", "zone-3"]
    judge_three(village, now)
    tell_outages(village, now, every=MINUTE)
    assert told(village) == (0,)
    judge_three(village, now + MINUTE / 2)
    tell_outages(village, now + MINUTE / 2, every=MINUTE)
    assert told(village) == (1,)
    explained = village.execute("SELECT count(*) FILTER (WHERE explained_by IS NOT NULL), count(*) FROM alert")
    assert explained.fetchone() == (5, 6)


def test_silence_waits_no_longer_than_five_minutes_for_a_zone_that_nobody_gets_judged(village: Connection) -> None:
    now = MORNING + timedelta(hours=2, minutes=1)
    village.execute("INSERT INTO job (name, zone_id, next_due_at) SELECT %s, zone_id, %s FROM zone", [JOB, now])
    judge_three(village, now)
    for minutes, expected in ((4, 0), (5, 3)):
        tell_outages(village, now + minutes * MINUTE, every=MINUTE)
        assert told(village) == (expected,), minutes


def test_a_silent_zone_that_somebody_judges_for_long_holds_up_the_others_for_five_minutes_and_nobody_for_longer(
    village: Connection, other: Connection
) -> None:
    """Five of six are one event, and the sixth is of it when its long backlog has been judged."""
    now = MORNING + timedelta(hours=2, minutes=1)
    village.execute("SET lock_timeout = '5s'")
    village.execute("INSERT INTO job (name, zone_id, next_due_at) SELECT %s, zone_id, %s FROM zone", [JOB, now])
    assert len(judge_three(village, now) + judge_three(village, now)) == 6
    with other.transaction():
        other.execute("SELECT FROM job WHERE zone_id = 'zone-1' FOR UPDATE")
        for minutes, expected in ((1, 0), (4, 0), (5, 1)):
            tell_outages(village, now + minutes * MINUTE, every=MINUTE)
            assert told(village) == (expected,), minutes
    explained = village.execute("SELECT count(*) FILTER (WHERE explained_by IS NOT NULL), count(*) FROM alert")
    assert explained.fetchone() == (4, 6)


def test_a_frozen_judge_loses_its_zones_and_can_commit_nothing(
    village: Connection, other: Connection, database_url: str
) -> None:
    now = MORNING + MINUTE
    Evaluator(village, every=MINUTE).work(now)
    frozen = connect(database_url, server=while_working(JUDGING_S))
    frozen.execute("BEGIN")
    assert len(judge_three(frozen, now + MINUTE)) == 3
    freeze(frozen, while_working(SHORT_S))
    judged: list[str] = []

    def are_judged_by_the_other() -> bool:
        judged.extend(judge_three(other, now + MINUTE))
        return len(judged) == len(set(judged)) == 6

    until(are_judged_by_the_other, "all six pass on")
    with pytest.raises(psycopg.Error, match=r"terminating connection|closed"):
        frozen.execute("COMMIT")


def test_a_zone_that_cannot_be_judged_is_found_by_halves_and_holds_up_no_other(
    village: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []

    def judge(scene: Scene) -> list[Signal]:
        judged.append(len(scene.grid.sites))
        if "zone-2" in scene.grid.sites.zone_ids:
            raise ValueError("a zone like no other")
        return []

    monkeypatch.setattr("alerts.evaluate.DETECTORS", [DETECTORS[0]._replace(judge=judge)])
    for number in range(1, 7):
        is_heard(village, f"zone-{number}", MORNING + MINUTE / 2)
    assert Evaluator(village, every=MINUTE).work(MORNING + MINUTE) == 6
    assert judged == [6, 3, 1, 1, 4], "and then many at once again"
    blamed = village.execute("SELECT zone_id, last_error FROM job WHERE last_error IS NOT NULL").fetchall()
    assert blamed == [("zone-2", "ValueError('a zone like no other')")]


def test_a_judge_who_is_slow_says_all_the_time_that_it_is_still_here(
    village: Connection, other: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the server would take its zones, and it would begin with them again for ever."""
    heard: set[object] = set()

    def has_spoken_again() -> bool:
        heard.update(other.execute("SELECT state_change FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall())
        return len(heard) > 3

    def judge(scene: Scene) -> list[Signal]:
        until(has_spoken_again, "it is not heard while it calculates")
        return []

    monkeypatch.setattr("alerts.evaluate.DETECTORS", [DETECTORS[0]._replace(judge=judge)])
    pid = village.info.backend_pid
    config, clock = AlertsConfig(database_url, judging_lease_s=SHORT_S), ManualClock(MORNING + MINUTE)
    work = _judging(village, config, clock, Loop("alerts"))
    assert work() == 6
    assert len(heard) > 3


def test_the_second_sender_waits_until_the_connection_of_the_first_is_gone(
    village: Connection, other: Connection, database_url: str
) -> None:
    clock, config = ManualClock(MORNING), AlertsConfig(database_url)
    first_routes: dict[str, Carrier] = {}
    second_routes: dict[str, Carrier] = {}
    frozen = connect(database_url, server=at_all_times(SENDING_S))
    first = _sending(frozen, config, clock, first_routes, Event())
    second = _sending(other, config, clock, second_routes, Event())
    first(), second()
    village.execute(
        "INSERT INTO sms_in (carrier, provider_id, kind, phone, text, received_at)"
        " VALUES ('phone', 'x1', 'sms', '+224600000099', 'PANNE', %s)", [MORNING],
    )  # fmt: skip
    unheard = "SELECT count(*) FROM sms_in WHERE handled_at IS NULL"
    second()
    assert (list(first_routes), list(second_routes)) == (["phone"], [])
    assert village.execute(unheard).fetchone() == (1,), "only who keeps the desk acts on what people say"
    freeze(frozen, at_all_times(SHORT_S))
    until(lambda: bool(second() >= 0 and second_routes), "the route passes on when the first says nothing")
    second()
    assert village.execute(unheard).fetchone() == (0,)
    with pytest.raises(psycopg.Error, match=r"terminating connection|closed"):
        first()


def test_who_loses_the_database_gives_up_the_routes_at_once(village: Connection, database_url: str) -> None:
    """A message centre that lets in one of us would go on letting in the one that can store nothing."""
    routes: list[str] = []

    def make(connection: Connection) -> Callable[[], int]:
        routes.append("orange")
        return lambda: connection.execute("SELECT").rowcount

    worker = _Worker(AlertsConfig(database_url), "sender", ManualClock(MORNING), make, {}, let_go=routes.clear)
    worker.turn()
    assert routes == ["orange"]
    village.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ndiyan-sender'")
    worker.turn()
    assert routes == []
    worker.turn()
    assert routes == ["orange"]
    worker.end()
    assert routes == []


def test_a_sender_that_stands_back_in_a_deadlock_keeps_its_routes(village: Connection, database_url: str) -> None:
    """A page and an answer want one alert and its ladder, each what the other has: the answer waits a pass."""
    config, clock = AlertsConfig(database_url), ManualClock(MORNING)
    routes: dict[str, Carrier] = {}
    worker = _Worker(
        config, "sender", clock, lambda connection: _sending(connection, config, clock, routes, Event()),
        at_all_times(SENDING_S), let_go=routes.clear,
    )  # fmt: skip
    worker.turn()
    (route,) = routes.values()
    village.execute(
        "CREATE FUNCTION stand_back() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected'; END $$"
    )
    village.execute("CREATE TRIGGER stand_back BEFORE UPDATE ON sms_in EXECUTE FUNCTION stand_back()")
    village.execute(
        "INSERT INTO sms_in (carrier, provider_id, kind, phone, text, received_at)"
        " VALUES ('phone', 'x1', 'sms', '+224600000099', 'PANNE', %s)", [MORNING],
    )  # fmt: skip
    unheard = "SELECT count(*) FROM sms_in WHERE handled_at IS NULL"
    worker.turn()
    assert (list(routes.values()), village.execute(unheard).fetchone()) == ([route], (1,))
    village.execute("DROP TRIGGER stand_back ON sms_in")
    worker.turn()
    assert (list(routes.values()), village.execute(unheard).fetchone()) == ([route], (0,))
    worker.end()


def test_a_sender_of_the_release_before_keeps_us_waiting(village: Connection, other: Connection) -> None:
    village.execute("SELECT pg_advisory_lock(hashtext('ndiyan sender'))")
    routes: dict[str, Carrier] = {}
    ours = _sending(other, AlertsConfig("unused"), ManualClock(MORNING), routes, Event())
    ours()
    assert routes == {}
    village.execute("SELECT pg_advisory_unlock_all()")
    ours()
    assert list(routes) == ["phone"]


def test_a_lease_counts_from_before_the_statement_that_renewed_it() -> None:
    now = [100.0]
    lease = Lease(10.0, now_s=lambda: now[0])
    assert not lease.holds()
    begun = lease.begin()
    now[0] = 108.0  # the answer took so long
    lease.renew(begun)
    assert lease.holds()
    now[0] = 110.0
    assert not lease.holds()


def test_the_service_works_while_one_does_and_each_one_is_seen(village: Connection) -> None:
    clock = ManualClock(MORNING)
    beats = [
        ("alerts@a", MORNING, "{}"), ("alerts@b", MORNING - 5 * MINUTE, "{}"),
        ("alerts@c", MORNING - 5 * MINUTE, '{"ended": true}'), ("alerts@d", MORNING - timedelta(days=8), "{}"),
        ("sender@a", MORNING, '{"routes": ["operator"]}'), ("sender@b", MORNING, '{"routes": []}'),
    ]  # fmt: skip
    village.cursor().executemany("INSERT INTO heartbeat VALUES (%s, %s, %s)", beats)
    parts = [part for part in look_at_parts(village, clock) if part.name in ("alerts", "sender")]

    def seen(part: Part) -> tuple[str, str, object]:
        return part.full_name, part.why, part.routes

    assert [seen(part) for part in parts] == [
        ("alerts", "", None), ("alerts@a", "", None), ("alerts@b", "no_heartbeat", None),
        ("sender", "", None), ("sender@a", "", ("operator",)), ("sender@b", "", ()),
    ]  # fmt: skip
