"""Who hears what, when and why; or why nobody does. Pure decisions that return their reason.

The steps and their delays are in `alerts.ladder`; who stands on a step is the committee's own order, and of what only
engineers and repairers can mend they hear first. Quiet hours, caps and bundles keep a volunteer's phone switched on.
Nothing holds back "no water" (severity 3), but that of several zones comes to one person in one message: what is
decided at one moment leaves together, and who is told of one zone hears of all whose next step they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from alerts.ladder import A_WORD_HOLDS, Position, Step, named
from alerts.messages import MessageKind
from alerts.replies import Intention
from alerts.shelf import is_shelved
from gateway.model import Fault, State

REMINDED_EVERY = timedelta(hours=24)  # of what was taken in charge and still keeps people without water
QUIET_FROM, QUIET_UNTIL = time(21, 0), time(6, 0)  # Guinea is on UTC all year
BUNDLED_WITHIN = timedelta(minutes=10)  # SMS.md §5.4: what follows the first is told as one
PER_HOUR, PER_DAY, PER_WEEK = 6, 20, 2
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
NO_WATER = 3
CALM_AGAIN_AFTER = timedelta(hours=68)  # a state is told calmly: at most every third morning
SHOWS_AFTER = timedelta(hours=1)  # of evidence behind "repaired": by then a repair would show
LOOKED_AGAIN_EVERY = timedelta(minutes=15)  # for such evidence, and for readings that are heard again
REMEMBERED = WEEK  # of what people were told; all that a decision looks at

VOLUNTEERS = ("exploitant", "president", "secretaire", "fontainier", "tresorier", "hygiene")
ROLES: dict[Step, tuple[str, ...]] = {
    Step.FIRST: ("exploitant", "president", "secretaire", "fontainier", "tresorier", "hygiene"),
    Step.SECOND: ("president", "secretaire", "tresorier", "fontainier", "hygiene", "exploitant"),
    Step.THIRD: ("tresorier", "secretaire", "hygiene", "fontainier", "president", "exploitant"),
    Step.REPAIRER: ("reparateur",),
    Step.COMMUNE: ("commune",),
}
BY_SPECIALISTS: dict[str, tuple[str, ...]] = {
    Fault.COMMS_OUTAGE: ("ingenieur", "reparateur", "exploitant"),
    Fault.SENSOR_STUCK: ("reparateur", "ingenieur", "exploitant"),
    Fault.SENSOR_DRIFT: ("reparateur", "ingenieur", "exploitant"),
    Fault.SENSOR_SPIKES: ("reparateur", "ingenieur", "exploitant"),
    Fault.SENSOR_OUT_OF_RANGE: ("reparateur", "ingenieur", "exploitant"),
    Fault.FLOW_METER_STOPPED: ("reparateur", "ingenieur", "exploitant"),
    Fault.CLOCK_ERROR: ("ingenieur", "reparateur", "exploitant"),
    Fault.GATEWAY_BATTERY_LOW: ("reparateur", "ingenieur", "exploitant"),
}


class Why(StrEnum):
    """Why a person is told, or called; stored with the notification."""

    FIRST_ON_THE_LADDER = "first_on_the_ladder"
    NO_ANSWER_BY_THIS_ROUTE = "no_answer_by_this_route"
    NOBODY_ANSWERED = "nobody_answered"
    REPAIR_IS_DUE = "repair_is_due"
    COMMUNE_MUST_KNOW = "commune_must_know"
    STILL_NOT_REPAIRED = "still_not_repaired"
    WAS_ON_THE_WAY = "was_on_the_way"
    SENSORS_DISAGREE = "sensors_disagree"
    NO_WORD_SINCE = "no_word_since"
    WAS_TOLD = "was_told"
    HELD_UNTIL_MORNING = "held_until_morning"
    TOLD_WITH_OTHERS = "told_with_others"
    ENOUGH_FOR_NOW = "enough_for_now"
    NO_ROUTE_FOR_A_WHILE = "no_route_for_a_while"
    CAME_BACK = "came_back"


class WhyNot(StrEnum):
    """Why nobody is told; stored in the alert's story."""

    LATE = "late"
    EXPLAINED = "explained"
    SHELVED = "shelved"
    TOLD_LATELY = "told_lately"
    NOBODY_OF_THIS_ROLE = "nobody_of_this_role"
    ENOUGH_THIS_WEEK = "enough_this_week"


WHY_NOW: dict[Step, Why] = {
    Step.FIRST: Why.FIRST_ON_THE_LADDER,
    Step.SECOND_ROUTE: Why.NO_ANSWER_BY_THIS_ROUTE,
    Step.SECOND: Why.NOBODY_ANSWERED,
    Step.THIRD: Why.NOBODY_ANSWERED,
    Step.REPAIRER: Why.REPAIR_IS_DUE,
    Step.COMMUNE: Why.COMMUNE_MUST_KNOW,
    Step.CALL_LIST: Why.NOBODY_ANSWERED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A live alert, or one that has just ended, as the decisions need it.

    `is_heard`: readings of its zone are fresh, so that one may say that it is still there.
    """

    alert_id: int
    zone_id: str
    fault: str
    severity: int
    acknowledged_at: datetime | None
    last_evidence_at: datetime
    is_late: bool = False
    is_explained: bool = False
    shelved_until: datetime | None = None
    is_heard: bool = True


@dataclass(frozen=True, slots=True)
class ContactRow:
    """One person of a zone's committee; a small `rank` is called first among the same role.

    `is_shared`: their phone serves other zones as well.
    """

    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    rank: int
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class PastNotification:
    """What was told, or is to be told, to a phone of this zone, in whatever zone.

    `message` is the same for all that one SMS tells; `at` is when it was to leave, also when that is yet to come;
    `severity` 0 when it belongs to no alert. `is_void`: it never left and never will. `route` is where in the order of
    routes it left, or is to begin.
    """

    alert_id: int | None
    contact_id: int | None
    phone: str
    zone_id: str
    fault: str | None
    severity: int
    kind: str
    step: str
    message: str
    at: datetime
    is_void: bool = False
    route: int = 0


@dataclass(frozen=True, slots=True)
class Word:
    """The last answer to an alert by SMS; `number` is its own, `seen_at` when they wrote since that they know of it."""

    number: int
    intention: str
    contact_id: int
    at: datetime
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """This person hears this, not before `send_at`; `route` is where in the order of routes to begin."""

    contact: ContactRow
    kind: MessageKind
    step: str
    reason: Why
    send_at: datetime
    route: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about an alert now, where it stands after that, and when to look again by itself.

    `call`: somebody is to call `contact` by hand, and why.
    """

    position: Position
    look_at: datetime | None
    tellings: tuple[Telling, ...] = ()
    why_not: WhyNot | None = None
    call: Why | None = None
    step: str = ""


def decide(
    alert: Standing,
    position: Position,
    people: Sequence[ContactRow],
    past: Sequence[PastNotification],
    word: Word | None = None,
    *,
    now: datetime,
    routes: int = 1,
    ringing: frozenset[str] = frozenset(),
) -> Decision:
    """The next thing to do about a live alert; one step at a time, in their order.

    Parameters
    ----------
    people : the zone's own, who may be told
    past : what their phones were told within `REMEMBERED`, and all about this alert
    word : the last answer to it by SMS
    routes : how many networks an SMS can leave by
    ringing : phones that are told of "no water" in another zone now: a step that leads to one of them need not be due
    """
    if alert.is_late:
        return Decision(position, None, why_not=WhyNot.LATE)
    if alert.is_explained:
        return Decision(position, None, why_not=WhyNot.EXPLAINED)
    if is_shelved(alert.shelved_until, now):
        return Decision(position, alert.shelved_until, why_not=WhyNot.SHELVED)
    if alert.acknowledged_at is not None:
        return _after_an_answer(alert, alert.acknowledged_at, position, people, past, word, now)
    return _next_step(alert, position, people, past, now, routes, ringing)


def closing(
    alert: Standing,
    people: Sequence[ContactRow],
    past: Sequence[PastNotification],
    *,
    now: datetime,
    round_number: int = 1,
) -> list[Telling]:
    """Who is told that it is over: exactly those who were told of its beginning, or that it was back."""
    if alert.is_late or alert.fault == State.TOWER_EMPTY:
        return []  # a tower fills every day; that is no repair
    step = named("resolved", round_number)
    told = {one.contact_id for one in past if one.alert_id == alert.alert_id and one.kind != MessageKind.RESOLVED}
    believe = _believe_that_it_is_over(alert, past)
    return [
        _telling(alert, person, MessageKind.RESOLVED, step, Why.WAS_TOLD, past, now)
        for person in people
        if person.contact_id in told - believe
    ]


def _believe_that_it_is_over(alert: Standing, past: Sequence[PastNotification]) -> set[int | None]:
    """Who was told so, in whatever round, and since then not that it is back."""
    told = [
        one for one in past
        if one.alert_id == alert.alert_id and one.kind in (MessageKind.OPENED, MessageKind.RESOLVED) and not one.is_void
    ]  # fmt: skip
    told.sort(key=lambda one: (int(one.step.partition("-")[2] or 1), one.kind == MessageKind.RESOLVED))
    last = {one.contact_id: one.kind for one in told}
    return {who for who, kind in last.items() if kind == MessageKind.RESOLVED}


def _of_round(alert: Standing, past: Sequence[PastNotification], round_number: int) -> list[PastNotification]:
    """What a round has told of an alert on its ladder."""
    number = "" if round_number == 1 else str(round_number)
    return [
        one for one in past
        if one.alert_id == alert.alert_id and one.kind == MessageKind.OPENED and one.step.partition("-")[2] == number
    ]  # fmt: skip


def _next_step(
    alert: Standing,
    position: Position,
    people: Sequence[ContactRow],
    past: Sequence[PastNotification],
    now: datetime,
    routes: int,
    ringing: frozenset[str],
) -> Decision:
    rung, due_at = position.next(alert.severity), position.due_at(alert.severity)
    if rung is None or due_at is None:
        return Decision(position, None)
    if now < due_at and (not ringing or rung.step is Step.CALL_LIST):
        return Decision(position, due_at)
    if rung.step is Step.FIRST and (told_at := _told_lately(alert, past, now)) is not None:
        return Decision(position, told_at + CALM_AGAIN_AFTER, why_not=WhyNot.TOLD_LATELY)
    on, passed = position.taken(alert.severity, now), position.passed()
    if rung.step is Step.CALL_LIST:
        return Decision(on, on.due_at(alert.severity), call=WHY_NOW[rung.step], step=rung.step)
    if rung.step is Step.SECOND_ROUTE and routes < 2:
        return _next_step(alert, passed, people, past, now, routes, ringing)
    if (
        rung.step is Step.FIRST
        and position.round > 1
        and (back := _told_it_is_back(alert, position, people, past, now))
    ):
        on = position.taken(alert.severity, min(one.send_at for one in back))
        return Decision(on, on.due_at(alert.severity), back, step=rung.step)
    about = _of_round(alert, past, position.round)
    able = _candidates(alert, rung.step, people, about)
    free = [one for one in able if alert.severity >= NO_WATER or not _has_enough_this_week(one, past, now)]
    step = named(rung.step, position.round)
    had_enough = any(one.is_void and one.step == step for one in about)  # when they were to be told
    if now < due_at and not _comes_along(alert, rung.step, free, ringing):
        return Decision(position, due_at)
    if not able and not had_enough and position.round > 1 and _is_told(rung.step, people, about):
        return _next_step(alert, passed, people, past, now, routes, ringing)
    if not free:
        why_not = WhyNot.ENOUGH_THIS_WEEK if able or had_enough else WhyNot.NOBODY_OF_THIS_ROLE
        return Decision(passed, passed.due_at(alert.severity), why_not=why_not, step=rung.step)
    route = _behind_that_of(free[0], about) if rung.step is Step.SECOND_ROUTE else 0
    reason = WHY_NOW[rung.step] if now >= due_at else Why.TOLD_WITH_OTHERS
    telling = _telling(alert, free[0], MessageKind.OPENED, step, reason, past, now, route)
    on = position.taken(alert.severity, telling.send_at)
    return Decision(on, on.due_at(alert.severity), (telling,), step=rung.step)


def _told_it_is_back(
    alert: Standing,
    position: Position,
    people: Sequence[ContactRow],
    past: Sequence[PastNotification],
    now: datetime,
) -> tuple[Telling, ...]:
    """Who believes that it is over, because they were told so, hears first that it is not, however often it rang."""
    believe = _believe_that_it_is_over(alert, past)
    step = named(Step.FIRST, position.round)
    return tuple(
        _telling(alert, one, MessageKind.OPENED, step, Why.CAME_BACK, past, now)
        for one in people
        if one.contact_id in believe
    )


def _is_told(step: Step, people: Sequence[ContactRow], about: Sequence[PastNotification]) -> bool:
    """Whether those of this step heard in this round already that it is back."""
    told = {one.contact_id for one in about}
    return any(one.contact_id in told for one in people if one.role in ROLES.get(step, ()))


def _comes_along(alert: Standing, step: Step, free: Sequence[ContactRow], ringing: frozenset[str]) -> bool:
    """Whose phone rings for another zone hears of this one too; by another network they are asked in its own time."""
    is_next = any(one.phone in ringing for one in free[:1])
    return is_next and alert.severity >= NO_WATER and step is not Step.SECOND_ROUTE


def _candidates(
    alert: Standing, step: Step, people: Sequence[ContactRow], about: Sequence[PastNotification]
) -> list[ContactRow]:
    """Who can take this step, the first to be asked first; `about` is what this round has told."""
    told = {one.contact_id for one in about}
    if step is Step.SECOND_ROUTE:
        return [one for one in people if one.contact_id in told]
    roles = BY_SPECIALISTS.get(alert.fault, ROLES[step]) if step in (Step.FIRST, Step.SECOND) else ROLES[step]
    return [one for one in _in_order(people, roles) if one.contact_id not in told]


def _behind_that_of(person: ContactRow, about: Sequence[PastNotification]) -> int:
    """Where in the order of routes another network is, for who was told by one."""
    return 1 + next(one.route for one in about if one.contact_id == person.contact_id)


def _in_order(people: Iterable[ContactRow], roles: Sequence[str]) -> list[ContactRow]:
    return sorted((one for one in people if one.role in roles), key=lambda one: (roles.index(one.role), one.rank))


def whom_to_call(alert: Standing, people: Sequence[ContactRow]) -> ContactRow | None:
    """The person whom somebody calls by hand first."""
    return next(iter(_in_order(people, BY_SPECIALISTS.get(alert.fault, ROLES[Step.FIRST]))), None)


def _after_an_answer(
    alert: Standing,
    acknowledged_at: datetime,
    position: Position,
    people: Sequence[ContactRow],
    past: Sequence[PastNotification],
    word: Word | None,
    now: datetime,
) -> Decision:
    """Taken in charge: "on the way" is asked again, "repaired" is looked after, and no water is recalled each day.

    It is not recalled while a word holds, nor the question that it led to. Who answers that with "ok" is asked once
    more. Where who gave it cannot be asked any more, the first person is, and where there is nobody, somebody calls.
    """
    about = [one for one in past if one.alert_id == alert.alert_id]
    if position.round > 1 and word is not None and word.at < acknowledged_at:
        word = None  # it was about what was over since
    holds = A_WORD_HOLDS.get(alert.severity)
    question = None if word is None or holds is None else _question(word, holds)
    if word is None or question is None or holds is None:
        reminders, look_at = _reminder(alert, acknowledged_at, position, people, past, about, now)
        return Decision(position, look_at, reminders)
    kind, step, reason, due_at = question
    asked = next((one for one in about if one.step == step), None)
    if asked is not None and kind is MessageKind.ASKED and word.seen_at is not None and word.seen_at > asked.at:
        step, due_at = f"{step}-again", word.seen_at + holds
        asked = next((one for one in about if one.step == step), None)
    if asked is None and now < due_at:
        return Decision(position, due_at)
    if asked is None and kind is MessageKind.STILL and alert.last_evidence_at < due_at:
        return Decision(position, now + LOOKED_AGAIN_EVERY)
    by = next((one for one in people if one.contact_id == word.contact_id), None) or whom_to_call(alert, people)
    if asked is None and by is not None:
        return Decision(position, now, (_telling(alert, by, kind, step, reason, past, now),), step=step)
    if asked is not None and now < asked.at + holds:
        return Decision(position, asked.at + holds)
    reminders, look_at = _reminder(alert, acknowledged_at, position, people, past, about, now)
    return Decision(position, look_at, reminders, call=Why.NO_WORD_SINCE, step=step)


def _question(word: Word, holds: timedelta) -> tuple[MessageKind, str, Why, datetime] | None:
    """What a word leads to, if nothing more is heard: kind, step, reason, and from when on."""
    if word.intention == Intention.ON_THE_WAY:
        return MessageKind.ASKED, f"asked-{word.number}", Why.WAS_ON_THE_WAY, word.at + holds
    if word.intention == Intention.REPAIRED:
        return MessageKind.STILL, f"still-{word.number}", Why.SENSORS_DISAGREE, word.at + SHOWS_AFTER
    return None


def _reminder(
    alert: Standing,
    acknowledged_at: datetime,
    position: Position,
    people: Sequence[ContactRow],
    past: Sequence[PastNotification],
    about: Sequence[PastNotification],
    now: datetime,
) -> tuple[tuple[Telling, ...], datetime | None]:
    """Taken in charge a day ago and still no water: the first person hears of it again, once a day."""
    first = whom_to_call(alert, people)
    if alert.severity < NO_WATER or first is None or not about:
        return (), None
    last_at = max((one.at for one in about if one.step.startswith("day-")), default=acknowledged_at)
    due_at = max(acknowledged_at, last_at) + REMINDED_EVERY
    if now < due_at:
        return (), due_at
    if not alert.is_heard:
        return (), now + LOOKED_AGAIN_EVERY
    step = named(f"day-{(now - acknowledged_at) // REMINDED_EVERY}", position.round)
    told = _telling(alert, first, MessageKind.REMINDER, step, Why.STILL_NOT_REPAIRED, past, now)
    return (told,), told.send_at + REMINDED_EVERY


def _told_lately(alert: Standing, past: Sequence[PastNotification], now: datetime) -> datetime | None:
    """In the hot months towers are empty before dawn, day after day: people know, and are told twice a week."""
    told = [
        one.at for one in past
        if one.fault == alert.fault and one.zone_id == alert.zone_id and one.kind == MessageKind.OPENED
        and one.alert_id != alert.alert_id and not one.is_void and now - one.at < CALM_AGAIN_AFTER
    ]  # fmt: skip
    return max(told, default=None) if alert.fault == State.TOWER_EMPTY else None


def _has_enough_this_week(person: ContactRow, past: Sequence[PastNotification], now: datetime) -> bool:
    """In ordinary times a volunteer's phone rings twice a week; a closing is no bother."""
    if person.role not in VOLUNTEERS:
        return False
    heard = {
        one.message for one in past
        if one.phone == person.phone and not one.is_void and one.kind != MessageKind.RESOLVED
        and one.severity < NO_WATER and now - one.at < WEEK
    }  # fmt: skip
    return len(heard) >= PER_WEEK


def _telling(
    alert: Standing,
    person: ContactRow,
    kind: MessageKind,
    step: str,
    reason: Why,
    past: Sequence[PastNotification],
    now: datetime,
    route: int = 0,
) -> Telling:
    is_urgent = alert.severity >= NO_WATER and kind in (MessageKind.OPENED, MessageKind.RESOLVED)
    mine = [one for one in past if one.phone == person.phone and not one.is_void]
    morning = None if is_urgent else end_of_quiet(now)
    if morning is not None:
        return Telling(person, kind, step, Why.HELD_UNTIL_MORNING, morning, route)
    urgent = is_urgent and kind is MessageKind.OPENED
    send_at, why = when_free(mine, frozenset([alert.zone_id]), is_urgent=urgent, now=now)
    morning = None if is_urgent else end_of_quiet(send_at)
    if morning is not None:  # what was put off in the evening
        return Telling(person, kind, step, Why.HELD_UNTIL_MORNING, morning, route)
    return Telling(person, kind, step, why or reason, send_at, route)


def end_of_quiet(now: datetime) -> datetime | None:
    """In quiet hours, their end."""
    if QUIET_UNTIL <= now.time() < QUIET_FROM:
        return None
    morning = now.replace(hour=QUIET_UNTIL.hour, minute=0, second=0, microsecond=0)
    return morning if morning > now else morning + DAY


def when_free(
    past: Sequence[PastNotification], zones: frozenset[str], *, is_urgent: bool, now: datetime
) -> tuple[datetime, Why | None]:
    """When a phone may ring with news of `zones`, and why not now. `past` is what this phone was told.

    What is decided at one moment about several zones leaves as one message. The first comes at once, what follows
    within ten minutes comes together at their end. "No water" waits for nothing but "no water" of another zone that has
    just been told: a committee never waits, who looks after many zones gets one message of many. What was told
    while the clock was ahead is waited for by nobody once it is set back.
    """
    past = [one for one in past if one.at != now or one.zone_id in zones]
    if is_urgent:
        past = [one for one in past if one.severity >= NO_WATER and one.kind == MessageKind.OPENED]
        past = [one for one in past if one.zone_id not in zones]
    waiting = [one.at for one in past if one.at > now]
    if waiting and min(waiting) - now <= BUNDLED_WITHIN:
        return min(waiting), Why.TOLD_WITH_OTHERS
    last_at = max((one.at for one in past if one.at <= now), default=None)
    if last_at is not None and now - last_at < BUNDLED_WITHIN:
        return last_at + BUNDLED_WITHIN, Why.TOLD_WITH_OTHERS
    if not is_urgent and _is_over_caps(past, now):
        return now + BUNDLED_WITHIN, Why.ENOUGH_FOR_NOW
    return now, None


def _is_over_caps(past: Sequence[PastNotification], now: datetime) -> bool:
    ages = {one.message: now - one.at for one in past if one.at <= now}.values()
    return sum(age < HOUR for age in ages) >= PER_HOUR or sum(age < DAY for age in ages) >= PER_DAY
