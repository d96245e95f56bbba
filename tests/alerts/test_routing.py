"""Who hears what, when and why, or why nobody does: tables of decisions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.ladder import LADDER, Position, Step
from alerts.messages import MessageKind
from alerts.routing import (
    BUNDLED_WITHIN,
    ContactRow,
    Decision,
    PastNotification,
    Standing,
    Why,
    WhyNot,
    Word,
    closing,
    decide,
    when_free,
)

PEOPLE = [
    ContactRow(1, "Alpha", "exploitant", "+1", "fr", 1),
    ContactRow(2, "Binta", "president", "+2", "fr", 2),
    ContactRow(3, "Cellou", "reparateur", "+3", "fr", 3),
    ContactRow(4, "Diallo", "ingenieur", "+4", "fr", 4),
    ContactRow(5, "Fanta", "tresorier", "+5", "fr", 5),
    ContactRow(6, "Mairie", "commune", "+6", "fr", 6),
]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = Position(0, NOON)


def alert(fault: str = "pump_not_running", severity: int = 3, **changes: object) -> Standing:
    values: dict[str, object] = {"acknowledged_at": None, "last_evidence_at": NOON} | changes
    return Standing(7, "zone-1", fault, severity, **values)  # type: ignore[arg-type]


def told(
    contact: int, at: datetime = NOON, alert_id: int = 7, *, kind: str = "opened", step: str = "first",
    fault: str = "pump_not_running", severity: int = 3, zone: str = "zone-1", message: str | None = None,
) -> PastNotification:  # fmt: skip
    return PastNotification(
        alert_id, contact, f"+{contact}", zone, fault, severity, kind, step, message or f"{alert_id}-{contact}-{at}", at
    )


def heard(decision: Decision) -> list[tuple[str, Why]]:
    return [(telling.contact.name, telling.reason) for telling in decision.tellings]


@pytest.mark.parametrize(
    ("fault", "severity", "expected"),
    [
        pytest.param("pump_not_running", 3, "Alpha", id="no-water-to-the-exploitant"),
        pytest.param("comms_outage", 2, "Diallo", id="silence-to-the-engineer"),
        pytest.param("sensor_stuck", 1, "Cellou", id="a-sensor-to-the-repairer"),
    ],
)
def test_the_first_to_hear_is_who_can_act(fault: str, severity: int, expected: str) -> None:
    found = decide(alert(fault, severity), START, PEOPLE, [], now=NOON)
    assert heard(found) == [(expected, Why.FIRST_ON_THE_LADDER)]


def test_without_an_exploitant_the_next_role_hears() -> None:
    assert heard(decide(alert(), START, PEOPLE[1:], [], now=NOON)) == [("Binta", Why.FIRST_ON_THE_LADDER)]


def test_where_there_is_nobody_the_reason_is_kept_and_the_call_list_still_comes() -> None:
    position, now, reasons, calls = START, NOON, [], []
    for _ in LADDER[3]:
        found = decide(alert(), position, [], [], now=now)
        reasons.append(found.why_not)
        calls.append(found.call)
        position, now = found.position, found.look_at or now
    nobody = WhyNot.NOBODY_OF_THIS_ROLE
    assert reasons == [nobody, None, nobody, nobody, nobody, nobody, None], "at 15 min there is nothing to do"
    assert calls == [None] * 6 + [Why.NOBODY_ANSWERED]
    assert now == NOON + 4 * HOUR


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param(
            2,
            [
                (0, "first", "Alpha", 0), (15, "second_route", "Alpha", 1), (30, "second", "Binta", 0),
                (60, "third", "Fanta", 0), (90, "repairer", "Cellou", 0), (150, "commune", "Mairie", 0),
                (240, "call_list", None, 0),
            ],
            id="two-routes",
        ),
        pytest.param(
            1,
            [
                (0, "first", "Alpha", 0), (30, "second", "Binta", 0), (60, "third", "Fanta", 0),
                (90, "repairer", "Cellou", 0), (150, "commune", "Mairie", 0), (240, "call_list", None, 0),
            ],
            id="one-route",
        ),
    ],
)  # fmt: skip
def test_nobody_answers_and_the_ladder_is_climbed_by_the_clock(
    routes: int, expected: list[tuple[int, str, str | None, int]]
) -> None:
    assert climbed(NOON, routes=routes) == expected


def climbed(first_look_at: datetime, *, routes: int = 1) -> list[tuple[int, str, str | None, int]]:
    """(minutes from noon, step, whom, route) of an alert that nobody answers."""
    position, now, past, steps = START, first_look_at, [], []
    for _ in range(20):
        found = decide(alert(), position, PEOPLE, past, now=now, routes=routes)
        for one in found.tellings:
            steps.append(((now - NOON) // MINUTE, one.step, one.contact.name, one.route))
            past.append(told(one.contact.contact_id, now, step=one.step))
        if found.call:
            steps.append(((now - NOON) // MINUTE, found.step, None, 0))
        position = found.position
        if found.look_at is None:
            break
        now = max(now, found.look_at)
    return steps


def test_after_a_downtime_the_steps_come_in_their_order_with_their_distance() -> None:
    # Down from the start until 17:00: who is asked then has the half hour that everybody has.
    assert [(minutes - 300, step) for minutes, step, *_ in climbed(NOON + 5 * HOUR)] == [
        (0, "first"), (30, "second"), (60, "third"), (90, "repairer"), (150, "commune"), (240, "call_list")
    ]  # fmt: skip


@given(st.lists(st.timedeltas(timedelta(0), timedelta(hours=9)), min_size=30, max_size=30), st.sampled_from([1, 2]))
def test_however_late_one_looks_no_step_is_skipped_and_none_comes_before_its_time(
    waits: list[timedelta], routes: int
) -> None:
    position, now, past, taken, last_at = START, NOON, [], [], NOON
    delays = dict(LADDER[3])
    for wait in waits:
        now += wait
        found = decide(alert(), position, PEOPLE, past, now=now, routes=routes)
        if found.tellings or found.call:
            assert not taken or now - last_at >= delays[Step(found.step)] - delays[Step(taken[-1])]
            taken.append(found.step)
            last_at = now
        past += [told(one.contact.contact_id, now, step=one.step) for one in found.tellings]
        position = found.position
    every = [step for step, _ in LADDER[3] if routes == 2 or step is not Step.SECOND_ROUTE]
    assert taken == every[: len(taken)]


def test_what_can_wait_has_one_more_person_the_next_day_and_a_call_after_three() -> None:
    leak = alert("night_leak", 2)
    position = Position(1, NOON)
    assert decide(leak, position, PEOPLE, [told(1)], now=NOON + 23 * HOUR).tellings == ()
    found = decide(leak, position, PEOPLE, [told(1)], now=NOON + 24 * HOUR)
    assert heard(found) == [("Binta", Why.NOBODY_ANSWERED)]
    last = decide(leak, found.position, PEOPLE, [told(1), told(2)], now=NOON + 72 * HOUR)
    assert (last.call, last.look_at) == (Why.NOBODY_ANSWERED, None)


@pytest.mark.parametrize(
    ("rung", "minutes", "changes", "expected"),
    [
        pytest.param(4, 61, {}, [("Cellou", Why.TOLD_WITH_OTHERS)], id="the-repairer-half-an-hour-before-his-time"),
        pytest.param(4, 90, {}, [("Cellou", Why.REPAIR_IS_DUE)], id="in-his-time"),
        pytest.param(5, 91, {}, [], id="when-somebody-else-is-next"),
        pytest.param(6, 151, {}, [], id="when-nobody-is-next-but-the-desk"),
        pytest.param(1, 1, {"severity": 2}, [], id="what-can-wait-does"),
        pytest.param(4, 61, {"acknowledged_at": NOON}, [], id="what-was-answered"),
    ],
)
def test_whose_phone_rings_for_another_zone_hears_of_this_one_when_they_are_next(
    rung: int, minutes: int, changes: dict[str, int], expected: list[tuple[str, Why]]
) -> None:
    now = NOON + minutes * MINUTE
    found = decide(alert(**changes), Position(rung, NOON), PEOPLE, [], now=now, ringing=frozenset(["+3"]))  # type: ignore[arg-type]
    assert heard(found) == expected
    assert found.position == Position(rung + len(expected), NOON), "the steps behind it keep their time"


def test_the_same_person_is_not_asked_by_another_network_before_a_quarter_of_an_hour() -> None:
    now, past = NOON + MINUTE, [told(1)]
    found = decide(alert(), Position(1, NOON), PEOPLE, past, now=now, routes=2, ringing=frozenset(["+1"]))
    assert (found.tellings, found.look_at) == ((), NOON + 15 * MINUTE)


@pytest.mark.parametrize("left_by", [0, 1, 2])
def test_the_other_network_is_the_one_behind_that_of_the_first_sms(left_by: int) -> None:
    past = [replace(told(1), route=left_by)]
    found = decide(alert(), Position(1, NOON), PEOPLE, past, now=NOON + 15 * MINUTE, routes=3)
    assert [(one.step, one.route) for one in found.tellings] == [("second_route", left_by + 1)]


turns = st.lists(
    st.tuples(st.sampled_from(["looks", "ends", "comes back"]), st.timedeltas(timedelta(0), timedelta(hours=2))),
    max_size=40,
)


@given(turns, st.sampled_from(["pump_not_running", "night_leak"]), st.sampled_from([1, 2]))
def test_whoever_hears_of_it_hears_its_end_and_whoever_hears_its_end_hears_that_it_is_back(
    turns: list[tuple[str, timedelta]], fault: str, routes: int
) -> None:
    """All that is told arrives, and a round ends with its end."""
    one, position, now, past, is_live = alert(fault, 3 if fault == "pump_not_running" else 2), START, NOON, [], True
    believes: dict[int, list[str]] = {person.contact_id: [] for person in PEOPLE}
    for what, wait in turns:
        now += wait
        if what == "ends" and is_live:
            is_live = False
            tellings = closing(one, PEOPLE, past, now=now, round_number=position.round)
        elif what == "comes back" and not is_live:
            is_live, over = True, [who for who, heard in believes.items() if heard[-1:] == ["resolved"]]
            position = Position(0, now, position.round + 1) if over else position
            decision = decide(one, position, PEOPLE, past, now=now, routes=routes)
            tellings, position = decision.tellings, decision.position
            assert set(over) <= {telling.contact.contact_id for telling in tellings}, "at once"
        elif what == "looks" and is_live:
            decision = decide(one, position, PEOPLE, past, now=now, routes=routes)
            tellings, position = decision.tellings, decision.position
        else:
            continue
        for telling in tellings:
            who = telling.contact.contact_id
            if telling.kind is MessageKind.OPENED and not telling.step.startswith("second_route"):
                assert believes[who][-1:] != ["opened"], "nobody hears twice that it is there"
            if telling.kind is MessageKind.RESOLVED:
                assert believes[who][-1:] == ["opened"], "nor that it is over"
            believes[who].append(telling.kind.value)
            past.append(told(who, now, kind=telling.kind, step=telling.step, fault=fault, severity=one.severity))
        names = [(past_one.kind, past_one.step, past_one.contact_id) for past_one in past]
        assert len(names) == len(set(names)), "or the key would swallow it"
        if not is_live:
            assert all(heard[-1:] != ["opened"] for heard in believes.values())


def test_an_acknowledgement_stops_the_ladder() -> None:
    found = decide(alert(acknowledged_at=NOON + MINUTE), Position(1, NOON), PEOPLE, [told(1)], now=NOON + 100 * MINUTE)
    assert (found.tellings, found.call) == ((), None)
    assert found.look_at == NOON + MINUTE + 24 * HOUR, "no water is recalled the next day"


def on_the_way(**changes: object) -> Standing:
    return alert(acknowledged_at=NOON, **changes)


def test_on_the_way_buys_four_hours_then_is_asked_and_then_somebody_calls() -> None:
    word, past = Word(40, "on_the_way", 1, NOON), [told(1)]
    before = decide(on_the_way(), Position(1, NOON), PEOPLE, past, word, now=NOON + 4 * HOUR - MINUTE)
    assert (before.tellings, before.look_at) == ((), NOON + 4 * HOUR)
    asked = decide(on_the_way(), Position(1, NOON), PEOPLE, past, word, now=NOON + 4 * HOUR)
    assert [(one.contact.name, one.kind, one.reason) for one in asked.tellings] == [
        ("Alpha", MessageKind.ASKED, Why.WAS_ON_THE_WAY)
    ]
    past.append(told(1, NOON + 4 * HOUR, kind="reminder", step="asked-40"))
    waits = decide(on_the_way(), Position(1, NOON), PEOPLE, past, word, now=NOON + 5 * HOUR)
    assert (waits.tellings, waits.call, waits.look_at) == ((), None, NOON + 8 * HOUR)
    assert decide(on_the_way(), Position(1, NOON), PEOPLE, past, word, now=NOON + 8 * HOUR).call is Why.NO_WORD_SINCE
    again = Word(41, "on_the_way", 1, NOON + 5 * HOUR)
    answered = decide(on_the_way(), Position(1, NOON), PEOPLE, past, again, now=NOON + 8 * HOUR)
    assert (answered.call, answered.look_at) == (None, NOON + 9 * HOUR), "a new word buys as long again"


@pytest.mark.parametrize(
    ("evidence_min", "after_min", "expected"),
    [
        pytest.param(59, 300, [], id="what-the-sensors-saw-before-a-repair-would-show"),
        pytest.param(60, 59, [], id="too-early"),
        pytest.param(60, 60, [("Alpha", Why.SENSORS_DISAGREE)], id="still-stopped"),
    ],
)
def test_said_repaired_is_told_back_when_the_sensors_still_see_it(
    evidence_min: int, after_min: int, expected: list[tuple[str, Why]]
) -> None:
    word = Word(40, "repaired", 1, NOON)
    stopped = on_the_way(last_evidence_at=NOON + evidence_min * MINUTE)
    now = NOON + after_min * MINUTE
    assert heard(decide(stopped, Position(1, NOON), PEOPLE, [told(1)], word, now=now)) == expected
    past = [told(1), told(1, now, kind="reminder", step="still-40")]
    assert heard(decide(stopped, Position(1, NOON), PEOPLE, past, word, now=now + HOUR)) == [], "once"


def test_a_day_without_water_is_recalled_once_a_day_while_the_zone_is_heard() -> None:
    now = NOON + 24 * HOUR
    taken = on_the_way()
    found = decide(taken, Position(1, NOON), PEOPLE, [told(1)], now=now)
    assert heard(found) == [("Alpha", Why.STILL_NOT_REPAIRED)]
    past = [told(1), told(1, now, kind="reminder", step="day-1")]
    assert decide(taken, Position(1, NOON), PEOPLE, past, now=now + 23 * HOUR).tellings == ()
    assert decide(on_the_way(is_heard=False), Position(1, NOON), PEOPLE, [told(1)], now=now).tellings == ()


@pytest.mark.parametrize(
    ("intention", "after", "evidence", "look_at"),
    [
        pytest.param("repaired", 24, 23, 24 * HOUR + 40 * MINUTE, id="repaired-a-moment-ago"),
        pytest.param("repaired", 30, 23, 30 * HOUR + 15 * MINUTE, id="repaired-and-nobody-can-tell"),
        pytest.param("on_the_way", 24, 24, 27 * HOUR + 40 * MINUTE, id="on-the-way"),
    ],
)
def test_nothing_is_recalled_while_a_word_holds(intention: str, after: int, evidence: int, look_at: timedelta) -> None:
    word = Word(40, intention, 1, NOON + 23 * HOUR + 40 * MINUTE)
    taken = on_the_way(last_evidence_at=NOON + evidence * HOUR)
    found = decide(taken, Position(1, NOON), PEOPLE, [told(1)], word, now=NOON + after * HOUR)
    assert (found.tellings, found.look_at) == ((), NOON + look_at)


def test_said_repaired_and_still_seen_a_day_later_is_one_message_and_the_next_when_nothing_came_of_it() -> None:
    word, now = Word(40, "repaired", 1, NOON + 23 * HOUR + 40 * MINUTE), NOON + 25 * HOUR
    taken, past = on_the_way(last_evidence_at=now), [told(1)]
    assert heard(decide(taken, Position(1, NOON), PEOPLE, past, word, now=now)) == [("Alpha", Why.SENSORS_DISAGREE)]
    past.append(told(1, now, kind="reminder", step="still-40"))
    waits = decide(taken, Position(1, NOON), PEOPLE, past, word, now=now + HOUR)
    assert (waits.tellings, waits.call, waits.look_at) == ((), None, now + 4 * HOUR)
    found = decide(taken, Position(1, NOON), PEOPLE, past, word, now=now + 4 * HOUR)
    assert (heard(found), found.call) == ([("Alpha", Why.STILL_NOT_REPAIRED)], Why.NO_WORD_SINCE)


def test_when_who_is_on_the_way_has_left_the_first_person_is_asked_and_without_anybody_somebody_calls() -> None:
    word, past, now = Word(40, "on_the_way", 99, NOON), [told(1)], NOON + 4 * HOUR
    asked = decide(on_the_way(), Position(1, NOON), PEOPLE, past, word, now=now)
    assert [(one.contact.name, one.kind, one.step) for one in asked.tellings] == [
        ("Alpha", MessageKind.ASKED, "asked-40")
    ]
    alone = decide(on_the_way(), Position(1, NOON), [], past, word, now=now)
    assert (alone.tellings, alone.call, alone.step) == ((), Why.NO_WORD_SINCE, "asked-40")


@pytest.mark.parametrize(
    ("changes", "why_not", "look_at"),
    [
        pytest.param({"is_late": True}, WhyNot.LATE, None, id="late"),
        pytest.param({"is_explained": True}, WhyNot.EXPLAINED, None, id="explained"),
        pytest.param({"shelved_until": NOON + HOUR}, WhyNot.SHELVED, NOON + HOUR, id="shelved"),
    ],
)
def test_late_explained_and_shelved_alerts_tell_nobody_and_say_why(
    changes: dict[str, object], why_not: WhyNot, look_at: datetime | None
) -> None:
    found = decide(alert(**changes), START, PEOPLE, [], now=NOON)
    assert (found.tellings, found.why_not, found.look_at, found.position) == ((), why_not, look_at, START)


def test_the_end_is_told_to_exactly_those_who_heard_of_the_beginning() -> None:
    past = [told(1, NOON - HOUR), told(3, NOON - HOUR), told(2, NOON - HOUR, 8)]
    found = closing(alert(), PEOPLE, past, now=NOON)
    assert [(one.contact.name, one.reason) for one in found] == [("Alpha", Why.WAS_TOLD), ("Cellou", Why.WAS_TOLD)]
    assert closing(alert(is_late=True), PEOPLE, past, now=NOON) == []
    assert closing(alert("tower_empty", 1), PEOPLE, past, now=NOON) == [], "a tower fills every day"


@pytest.mark.parametrize(
    ("ago_h", "expected"),
    [pytest.param(5, None, id="today"), pytest.param(26, None, id="yesterday"), pytest.param(70, "Alpha", id="before")],
)
def test_an_empty_tower_is_told_every_third_morning(ago_h: int, expected: str | None) -> None:
    earlier = told(1, NOON - ago_h * HOUR, 6, fault="tower_empty", severity=1)
    found = decide(alert("tower_empty", 1), START, PEOPLE, [earlier], now=NOON)
    assert [one.contact.name for one in found.tellings] == ([expected] if expected else [])
    if expected is None:
        assert (found.why_not, found.look_at) == (WhyNot.TOLD_LATELY, NOON + (68 - ago_h) * HOUR)


@pytest.mark.parametrize(
    ("hour", "severity", "send_at"),
    [
        pytest.param(20, 2, 20, id="evening"),
        pytest.param(23, 2, 30, id="night-waits-for-six"),
        pytest.param(3, 1, 6, id="before-dawn-waits-for-six"),
        pytest.param(3, 3, 3, id="no-water-never-waits"),
    ],
)
def test_quiet_hours_hold_what_can_wait(hour: int, severity: int, send_at: int) -> None:
    midnight = NOON.replace(hour=0)
    now = midnight + hour * HOUR
    found = decide(alert("night_leak", severity), Position(0, now), PEOPLE, [], now=now)
    (telling,) = found.tellings
    assert telling.send_at == midnight + send_at * HOUR
    assert (telling.reason is Why.HELD_UNTIL_MORNING) == (send_at != hour)
    if severity == 2:
        assert found.look_at == telling.send_at + 24 * HOUR, "the next step counts from when it left"


def test_a_volunteer_hears_twice_a_week_of_what_can_wait_and_then_another_does() -> None:
    leak = alert("night_leak", 2)
    twice = [told(1, NOON - n * 24 * HOUR, 100 + n, severity=2) for n in (1, 2)]
    assert heard(decide(leak, START, PEOPLE, twice, now=NOON)) == [("Binta", Why.FIRST_ON_THE_LADDER)]
    everybody = [told(c, NOON - n * 24 * HOUR, 100 + n, severity=2) for c in (1, 2, 5) for n in (1, 2)]
    found = decide(leak, START, PEOPLE, everybody, now=NOON)
    assert (found.tellings, found.why_not) == ((), WhyNot.ENOUGH_THIS_WEEK)
    assert heard(decide(alert(), START, PEOPLE, everybody, now=NOON)) == [("Alpha", Why.FIRST_ON_THE_LADDER)]
    one_message = [told(1, NOON - 24 * HOUR, 100 + n, severity=2, message="m1") for n in range(5)]
    assert heard(decide(leak, START, PEOPLE, one_message, now=NOON)) == [("Alpha", Why.FIRST_ON_THE_LADDER)]


@pytest.mark.parametrize(
    ("past", "is_urgent", "expected_min", "why"),
    [
        pytest.param([], False, 0, None, id="the-first-comes-at-once"),
        pytest.param([told(1, NOON - 4 * MINUTE)], False, 6, Why.TOLD_WITH_OTHERS, id="what-follows-comes-as-one"),
        pytest.param([told(1, NOON - 10 * MINUTE)], False, 0, None, id="ten-minutes-later"),
        pytest.param([told(1, NOON + 6 * MINUTE, severity=2)], False, 6, Why.TOLD_WITH_OTHERS, id="joins-what-waits"),
        pytest.param([told(1, NOON - 4 * MINUTE)], True, 0, None, id="no-water-twice-in-a-zone-is-told-twice"),
        pytest.param([told(1, NOON - 4 * MINUTE, severity=2, zone="b")], True, 0, None, id="not-behind-a-leak"),
        pytest.param(
            [told(1, NOON - 4 * MINUTE, zone="b")], True, 6, Why.TOLD_WITH_OTHERS, id="of-two-zones-comes-as-one"
        ),
        pytest.param([told(1, NOON, zone="b")], True, 0, None, id="of-two-zones-at-one-moment-leaves-together"),
        pytest.param([told(1, NOON, zone="b", severity=1)], False, 0, None, id="and-so-does-what-can-wait"),
        pytest.param(
            [told(1, NOON), told(1, NOON, zone="b")], False, 10, Why.TOLD_WITH_OTHERS,
            id="what-to-do-about-no-water-is-not-cut-short-by-a-leak",
        ),
        pytest.param(
            [told(1, NOON - (11 + 9 * n) * MINUTE, 100 + n, severity=2) for n in range(5)], False, 0, None, id="five"
        ),
        pytest.param(
            [told(1, NOON - (11 + 9 * n) * MINUTE, 100 + n, severity=2) for n in range(6)],
            False, 10, Why.ENOUGH_FOR_NOW, id="six-in-an-hour",
        ),
        pytest.param(
            [told(1, NOON - (61 + 60 * n) * MINUTE, 100 + n, severity=2) for n in range(20)],
            False, 10, Why.ENOUGH_FOR_NOW, id="twenty-in-a-day",
        ),
        pytest.param(
            [told(1, NOON - (11 + n) * MINUTE, 100 + n) for n in range(30)], True, 0, None, id="no-water-has-no-cap"
        ),
        pytest.param(
            [told(1, NOON + 24 * HOUR, zone="b")], True, 0, None, id="no-water-that-was-told-while-the-clock-was-ahead"
        ),
    ],
)  # fmt: skip
def test_when_a_phone_may_ring(
    past: list[PastNotification], is_urgent: bool, expected_min: int, why: Why | None
) -> None:
    found = when_free(past, frozenset(["zone-1"]), is_urgent=is_urgent, now=NOON)
    assert found == (NOON + expected_min * MINUTE, why)


PASTS = st.lists(
    st.builds(
        told, st.just(1), st.integers(-1500, 1500).map(lambda m: NOON + m * MINUTE), st.integers(8, 99),
        severity=st.sampled_from([1, 2, 3]), zone=st.sampled_from(["zone-1", "b", "c"]),
        kind=st.sampled_from(["opened", "resolved", "reminder"]),
    ),
    max_size=40,
)  # fmt: skip


@given(PASTS, st.booleans())
def test_nothing_waits_longer_than_a_bundle_and_no_water_only_behind_no_water_of_elsewhere(
    past: list[PastNotification], is_urgent: bool
) -> None:
    at, why = when_free(past, frozenset(["zone-1"]), is_urgent=is_urgent, now=NOON)
    assert NOON <= at <= NOON + BUNDLED_WITHIN
    assert (at > NOON) == (why is not None)
    elsewhere = any(one.zone_id != "zone-1" and one.severity == 3 and one.kind == "opened" for one in past)
    if is_urgent and not elsewhere:
        assert at == NOON
