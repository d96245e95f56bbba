"""What an inbound SMS does: acted on once, from phones of a committee alone, and answered only where that helps.

An answer to an alert is tied to it by its phone and its code. Nothing that is written commands anything, and "repaired"
does not close an alert: the sensors do. Who stopped the SMS is still heard and is told nothing.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from alerts.actions import acknowledge, note
from alerts.asking import Asked, Question, ask, take_question
from alerts.breakdown import Breakdown, end_breakdown, open_breakdowns, report
from alerts.carriers import Urgency
from alerts.consent import CONSENT, has_opted_out, take_word
from alerts.messages import REFERENCE, Bundle, Item, answer_text, digest_text, joined, meant_text, place_of, segments
from alerts.people import Person
from alerts.read_off import tell_reading
from alerts.replies import COURTESY, DIGITS, Intention, Reply, fold, read_reply
from alerts.zone_state import state_text
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "conversation")
ANSWER_VALID_FOR = timedelta(hours=1)
MOST_IN_AN_HOUR = 10  # answers to one phone; two machines that answer each other would go on for ever
STRANGER_EVERY = timedelta(days=1)
STRANGERS_A_DAY, STOPS_A_DAY = 20, 200  # an answer costs us, and who writes chooses to whom it goes
A_PHONE = re.compile(r"\+[1-9]\d{7,14}")  # E.164; names and short numbers are those of operators and shops
TO_AN_ALERT = frozenset(DIGITS.values()) - {Intention.HELP}
TO_A_REPORT = frozenset({Intention.SEEN, Intention.ON_THE_WAY})
KIND_OF = {
    Intention.ON_THE_WAY: "on_the_way",
    Intention.REPAIRED: "repair_claimed",
    Intention.FALSE_ALARM: "false_alarm_claimed",
}


class Live(NamedTuple):
    """A live alert of a phone's zones, and when an SMS about it last left for that phone, where one did."""

    alert_id: int
    code: str
    zone_id: str
    zone_name: str
    fault: str
    told_at: datetime | None


class Told(NamedTuple):
    """What left for a phone last, but for answers."""

    kind: str
    zone_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """One SMS that came in: who may have written it, of which live alerts they know, what is reported of their zones.

    All stand by their code, the newest first; `untold` is what they have yet to be told of, or only others are.
    """

    sms_in_id: int
    phone: str
    text: str
    reply: Reply
    people: Sequence[Person]
    live: Mapping[str, Live]
    untold: Mapping[str, Live]
    broken: Mapping[str, Breakdown]
    last: Told | None
    now: datetime

    def open_to(self, intention: Intention) -> list[str]:
        """The codes of what an answer with this intention can be about: words end a breakdown that words reported."""
        return [*self.live, *(self.broken if intention is Intention.REPAIRED else ())]

    def is_last(self, code: str) -> bool:
        """Whether this phone was told of nothing else since it heard of this: then a bare answer is about it."""
        if self.last is None:
            return True
        if (about := self.live.get(code)) is not None:
            return about.told_at is not None and about.told_at >= self.last.at
        broken = self.broken[code]
        return broken == self.told_breakdown() or broken.reported_at >= self.last.at

    def told_breakdown(self) -> Breakdown | None:
        """The breakdown that this phone was told last, to see to it."""
        told = None if self.last is None else (self.last.kind, self.last.zone_id)
        return next((one for one in self.broken.values() if told == ("report", one.zone_id)), None)

    def zone_named(self) -> str | None:
        """The zone of theirs whose name stands in the text; None where none does, or several."""
        said = f" {fold(self.text).replace('?', ' ')} "
        found = {one.zone_id: name for one in self.people if f" {(name := fold(place_of(one.zone_name)))} " in said}
        # Of "Mangol" and "Mangol-Dow" the longer is meant where it stands.
        named = [zone for zone, name in found.items() if not any(name in one for one in found.values() if one != name)]
        return named[0] if len(named) == 1 else None

    def person_of(self, zone_id: str | None) -> Person | None:
        """The writer as one of this zone, else as one of the zone that told them something last."""
        return next((one for one in self.people if one.zone_id == zone_id), self.people[0] if self.people else None)


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about a letter: what it meant, the alert or zone it is about, and the answer that it deserves."""

    reply: Reply
    text: str | None = None
    about: Live | None = None
    question: Question | None = None  # what the text asks
    zone_id: str | None = None


def answer(connection: Connection, sms_in_id: int, *, phone: str, text: str, now: datetime) -> None:
    """Act on one stored inbound SMS, in the caller's transaction."""
    letter = _letter(connection, sms_in_id, phone, text, read_reply(text), now)
    done = _act(connection, letter)
    person = letter.person_of(done.about.zone_id if done.about else done.zone_id)
    if done.text is not None and _may_answer(connection, letter, done.reply):
        _queue(connection, letter, person, done)
        if done.question is not None:
            ask(connection, phone, done.question, now=now)
    _handled(connection, letter, person, done)


def called(connection: Connection, sms_in_id: int, *, phone: str, now: datetime) -> None:
    """Somebody rang us: from a known phone that was told of its one live alert last, that means "seen".

    Otherwise it asks what there is, unless a breakdown was what they were told. That costs the caller nothing and us an
    SMS, so it is answered once in an hour.
    """
    letter = _letter(connection, sms_in_id, phone, "", Reply(Intention.UNCLEAR, False, None), now)
    done = Done(letter.reply)
    if letter.people and len(letter.live) == 1 and letter.is_last(next(iter(letter.live))):
        (about,) = letter.live.values()
        done = Done(Reply(Intention.SEEN, True, None), about=about)
    person = letter.person_of(done.about.zone_id if done.about else None)
    if done.about is not None and person is not None:
        note(connection, done.about.alert_id, kind="rang", who=person.who, at=now)
        acknowledge(connection, done.about.alert_id, who=person.who, now=now)
    elif (
        person is not None
        and letter.live
        and letter.told_breakdown() is None
        and _may_answer_a_call(connection, letter)
    ):
        items = [Item(one.code, one.zone_name, one.fault) for one in letter.live.values()]
        text = digest_text(person.language, items, Bundle.RANG)
        _queue(connection, letter, person, Done(letter.reply, text), reason="answers_a_call")
    _handled(connection, letter, person, done)


def _letter(connection: Connection, sms_in_id: int, phone: str, text: str, reply: Reply, now: datetime) -> Letter:
    people = [Person(*row) for row in connection.execute(SQL["people"], {"phone": phone})]
    zones = [one.zone_id for one in people]
    asked = {"phone": phone, "zones": zones}
    live = [Live(*row) for row in connection.execute(SQL["live_for_phone"], asked)] if zones else []
    broken = open_breakdowns(connection, zones, now=now) if zones else []
    told, untold = ({one.code: one for one in live if (one.told_at is None) is not_told} for not_told in (False, True))
    row = connection.execute(SQL["told_last"], {"phone": phone, "now": now}).fetchone()
    last = None if row is None else Told(*row)
    return Letter(sms_in_id, phone, text, reply, people, told, untold, {one.code: one for one in broken}, last, now)


def _act(connection: Connection, letter: Letter) -> Done:
    reply, person = letter.reply, letter.person_of(None)
    language = person.language if person else REFERENCE
    if reply.is_sure and reply.intention in CONSENT:
        who = person.who if person else ""
        is_new = take_word(connection, reply.intention, phone=letter.phone, who=who, now=letter.now)
        return Done(reply, answer_text(language, reply.intention.value) if is_new else None)
    if person is None:
        log.info("an SMS from an unknown phone is kept", extra={"phone": f"…{letter.phone[-3:]}"})
        return Done(reply, answer_text(language, "stranger"))
    question = take_question(connection, letter.phone, letter.sms_in_id, now=letter.now)
    if question is not None:
        completed = question.completed(letter.text)
        if completed is not None and not completed.is_sure and question.number is not None:
            return Done(completed, answer_text(language, "read_dropped"))
        reply = completed or reply
    if reply.is_sure and reply.intention is Intention.HELP:
        return Done(reply, answer_text(language, "help", alert=next(iter(letter.live), "A1")))
    if reply.is_sure and reply.intention is Intention.STATUS:
        return Done(reply, state_text(connection, person.zone_id, language, now=letter.now))
    if reply.is_sure and reply.intention is Intention.BREAKDOWN:
        zone_id = question.zone_id if question is not None else None
        return _report(connection, letter, reply, letter.person_of(zone_id) or person)
    if reply.is_sure and reply.number is not None:
        stands_by_it = question is not None and reply.number == question.number
        return _read_off(connection, letter, person, reply, is_meant=stands_by_it)
    if reply.is_sure and reply.intention in TO_AN_ALERT:
        return _answer_alert(connection, letter, reply, language)
    may_be_meant = reply.intention is Intention.BREAKDOWN or (
        reply.intention in TO_AN_ALERT and (letter.open_to(reply.intention) or reply.code in letter.untold)
    )
    if question is None and may_be_meant:
        asked = Question(Asked.CONFIRM, reply.intention, reply.code, zone_id=letter.zone_named())
        return Done(reply, meant_text(language, "confirm", reply.intention.value), question=asked)
    if letter.live or question:
        return Done(reply, answer_text(language, "not_understood"))
    return Done(reply, answer_text(language, "how_to_report") if COURTESY.sub("", fold(letter.text)).strip() else None)


def _report(connection: Connection, letter: Letter, reply: Reply, person: Person) -> Done:
    told = report(
        connection, person, phone=letter.phone, sms_in_id=letter.sms_in_id, text=letter.text, now=letter.now
    )  # fmt: skip
    return Done(reply, told, zone_id=person.zone_id)


def _read_off(connection: Connection, letter: Letter, person: Person, reply: Reply, *, is_meant: bool) -> Done:
    """Book a level, a meter or rain; where it is doubtful, ask whether the person stands by it."""
    told = tell_reading(connection, person, reply, sms_in_id=letter.sms_in_id, now=letter.now, is_meant=is_meant)
    asked = Question(Asked.CONFIRM, reply.intention, number=reply.number) if told.is_doubtful else None
    return Done(reply, told.text, question=asked)


def _answer_alert(connection: Connection, letter: Letter, reply: Reply, language: str) -> Done:
    """Tie an answer to what it names, or to the only thing that is open and was told last; else ask which.

    An assent in words to something else, as the end of another alert, is a courtesy. Who was told of a breakdown speaks
    of that. Who names the code of what only others were told of knows of it, from them or by ETAT.
    """
    codes = letter.open_to(reply.intention)
    if reply.code is None and reply.intention in TO_A_REPORT and (reported := letter.told_breakdown()) is not None:
        return Done(reply, zone_id=reported.zone_id)
    code = reply.code or (codes[0] if len(codes) == 1 and letter.is_last(codes[0]) else "")
    broken = letter.broken.get(code) if code in codes else None
    if broken is not None and (member := letter.person_of(broken.zone_id)) is not None:
        return Done(reply, end_breakdown(connection, broken, member, phone=letter.phone, now=letter.now))
    about = letter.live.get(code) or letter.untold.get(code)
    person = letter.person_of(about.zone_id if about else None)
    if about is None or person is None:
        if reply.code and _is_over(connection, letter, reply.code):
            return Done(reply, answer_text(language, "is_over", alert=reply.code))
        is_courtesy = reply.intention is Intention.SEEN and not any(sign.isdigit() for sign in letter.text)
        if not codes or (is_courtesy and not any(letter.is_last(one) for one in codes)):
            return Done(reply)
        text = meant_text(language, "which", reply.intention.value, alerts=joined(codes), alert=codes[0])
        return Done(reply, text, question=Question(Asked.WHICH, reply.intention, codes=tuple(codes)))
    note(connection, about.alert_id, kind="reply", who=person.who, at=letter.now, text=letter.text[:160],
         intention=reply.intention.value)  # fmt: skip
    acknowledge(connection, about.alert_id, who=person.who, now=letter.now)
    if kind := KIND_OF.get(reply.intention):
        note(connection, about.alert_id, kind=kind, who=person.who, at=letter.now)
    return Done(reply, about=about)


def _is_over(connection: Connection, letter: Letter, code: str) -> bool:
    asked = {"code": code, "zones": [one.zone_id for one in letter.people]}
    ((is_over,),) = connection.execute(SQL["is_over"], asked).fetchall()
    return bool(is_over)


def _may_answer(connection: Connection, letter: Letter, reply: Reply) -> bool:
    """Not who wants nothing, but to confirm just that; not a stranger twice a day, nor many; nobody without an end."""
    if has_opted_out(connection, letter.phone) and reply.intention is not Intention.OPT_OUT:
        return False
    in_hour, in_day, _ = _answered(connection, letter)
    if letter.people:
        return in_hour < MOST_IN_AN_HOUR
    if in_day or A_PHONE.fullmatch(letter.phone) is None:
        return False
    lately = {"day": letter.now - STRANGER_EVERY, "now": letter.now}
    ((strangers,),) = connection.execute(SQL["strangers_answered"], lately).fetchall()
    return int(strangers) < (STOPS_A_DAY if reply.intention is Intention.OPT_OUT else STRANGERS_A_DAY)


def _may_answer_a_call(connection: Connection, letter: Letter) -> bool:
    in_hour, _, to_calls = _answered(connection, letter)
    return not has_opted_out(connection, letter.phone) and in_hour < MOST_IN_AN_HOUR and to_calls == 0


def _answered(connection: Connection, letter: Letter) -> tuple[int, int, int]:
    """How many answers this phone was given within an hour, within a day, and within an hour because it rang."""
    hour, day = letter.now - timedelta(hours=1), letter.now - STRANGER_EVERY
    asked = {"phone": letter.phone, "now": letter.now, "hour": hour, "day": day}
    ((in_hour, in_day, to_calls),) = connection.execute(SQL["answered_since"], asked).fetchall()
    return in_hour, in_day, to_calls


def _queue(
    connection: Connection, letter: Letter, person: Person | None, done: Done, *, reason: str = "answers_a_reply"
) -> None:
    text = done.text or ""
    connection.execute(
        SQL["queue_answer"],
        {
            "ref": uuid.uuid4(), "alert": done.about.alert_id if done.about else None,
            "zone": person.zone_id if person else None, "contact": person.contact_id if person else None,
            "phone": letter.phone, "step": f"reply-{letter.sms_in_id}", "reason": reason,
            "language": person.language if person else REFERENCE, "text": text, "segments": segments(text).number,
            "urgency": Urgency.ANSWER, "now": letter.now, "valid_until": letter.now + ANSWER_VALID_FOR,
        },
    )  # fmt: skip


def _handled(connection: Connection, letter: Letter, person: Person | None, done: Done) -> None:
    connection.execute(
        SQL["handled"],
        {
            "id": letter.sms_in_id, "now": letter.now, "intention": done.reply.intention.value,
            "is_sure": done.reply.is_sure, "contact": person.contact_id if person else None,
            "alert": done.about.alert_id if done.about else None,
        },
    )  # fmt: skip
