"""With and without Ndiyan: who knows when, who comes, what is counted; and the whole loop on a real database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import Fault
from ingest.db import Connection, connect
from ndiyan.outcome import NoEars, Outcome, Trouble, World, compare
from simulator.faults import Broken
from simulator.people import Committee, People
from simulator.scenarios import scenario_from_toml
from simulator.sensors import Measured
from tests.simulator.days import ZONES

START = datetime(2026, 2, 1, tzinfo=UTC)
ONE = ZONES[2:3]
PROMPT = Committee(
    reads_minutes=(10, 10), answers=1, wrong=0, repairs=1, repair_hours=(5, 5), notices_hours=(4, 4), round_days=30
)


class Rumour:
    """Sends for the repairer at one time."""

    def __init__(self, at: datetime) -> None:
        self._at, self.heard = at, 0

    def hear(self, readings: list[Measured], now: datetime) -> list[tuple[str, datetime]]:
        self.heard += len(readings)
        return [("zone-3", now)] if now == self._at else []


def stops(hours: float, fault: Fault = Fault.PUMP_NOT_RUNNING) -> Trouble:
    return Trouble(Broken("zone-3", fault, "L", (START + timedelta(hours=hours)).timestamp()))


def live(troubles: Sequence[Trouble], ears: object, *, days: int = 4, committee: Committee = PROMPT) -> World:
    world = World(ONE, list(troubles), People(committee, seed=1), START)
    told: list[int] = []
    world.run(days=days, seed=1, ears=ears, told=told.append)  # type: ignore[arg-type]
    assert told == list(range(1, days + 1))
    return world


def test_without_an_sms_it_becomes_known_when_taps_have_been_dry_and_is_mended_then() -> None:
    (trouble,) = live([stops(30)], NoEars()).troubles
    assert trouble.known_at is not None
    assert trouble.known_at > START + timedelta(hours=34), "the tower has water for a while"
    assert trouble.mended_at is not None
    assert trouble.mended_at - trouble.known_at == timedelta(hours=5)


def test_who_hears_of_it_sends_for_the_repairer_before_taps_run_dry() -> None:
    rumour = Rumour(START + timedelta(hours=32))
    dry, wet = live([stops(30)], NoEars()), live([stops(30)], rumour)
    (trouble,) = wet.troubles
    assert trouble.known_at == START + timedelta(hours=32)
    assert trouble.mended_at == START + timedelta(hours=37)
    assert sum(wet.dry_h) < sum(dry.dry_h)
    assert (wet.calls, wet.calls_in_vain) == (1, 0)
    assert rumour.heard > 1000


def test_a_repairer_who_is_sent_for_in_vain_is_counted_and_what_breaks_later_is_not_mended_by_him() -> None:
    world = live([stops(60)], Rumour(START + timedelta(hours=20)), days=3)
    assert (world.calls, world.calls_in_vain) == (1, 1)
    assert world.troubles[0].mended_at is None


def test_an_answer_that_comes_after_the_repair_is_no_false_alarm() -> None:
    committee = replace(PROMPT, round_days=1)  # the repairer comes by at the first midnight
    world = live([stops(20)], Rumour(START + timedelta(hours=30)), days=2, committee=committee)
    assert world.troubles[0].mended_at == START + timedelta(days=1)
    assert (world.calls, world.calls_too_late, world.calls_in_vain) == (1, 1, 0)


def test_what_nobody_notices_waits_for_the_round_and_whoever_comes_mends_all() -> None:
    committee = Committee(repairs=0, notices_hours=(1000, 1000), round_days=3)
    first, second = live([stops(2, Fault.NIGHT_LEAK), stops(50)], NoEars(), committee=committee).troubles
    assert first.known_at is None
    assert first.mended_at == second.mended_at == START + timedelta(days=3)


@pytest.fixture
def connection(database_url: str) -> Connection:
    return connect(database_url)


@pytest.mark.db
@pytest.mark.slow
def test_the_whole_loop_runs_by_itself_from_the_fault_to_the_closed_alert(connection: Connection) -> None:
    text = """
says = "The pump of zone-3 stops on a bright morning."
start = 2026-02-01
[[fault]]
zone = "zone-3"
fault = "pump_not_running"
days = 1
at = 09:00:00
[committee]
reads_minutes = [10, 10]
answers = 1
wrong = 0
repairs = 1
repair_hours = [4, 4]
notices_hours = [30, 30]
"""
    days: list[int] = []
    with connection:
        found = compare(
            ONE, scenario=scenario_from_toml(text, "a.toml"), days=3, seed=1, connection=connection, told=days.append
        )
        replies = connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'acknowledged'").fetchone()
    assert days == [1, 2, 3, 4, 5, 6]
    without, with_it = found.without, found.with_ndiyan
    assert (without.faults, with_it.faults, with_it.mended) == (1, 1, 1)
    assert with_it.hours_until_known < 8 < 24 < without.hours_until_known or without.known == 0
    assert with_it.alerts >= with_it.closed_by_sensors >= 1
    assert with_it.sms >= 2, "the alert and its closing"
    assert replies is not None
    assert replies[0] >= 1
    assert with_it.days_without_water <= without.days_without_water
    check_text(found)


def check_text(found: Outcome) -> None:
    text = str(found)
    assert "1 zones, 3 days, scenario a, seed 1" in text
    assert "Assumed, not measured" in text
    assert "after 10 to 10 min" in text
    assert found.as_json()["days"] == 3
