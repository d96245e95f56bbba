"""What we ask back, and what the next SMS makes of it: which of several alerts, or whether we understood.

A question is asked once and waits half an hour from when its SMS has left. For "which alert" the answer is a code and
not a place in a list: a "2" is as likely sent again by somebody who did not wait for the question.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.phrases import ASSENTS, CODE_WORDS, PLAIN_YES
from alerts.replies import COURTESY, DIGITS, Intention, Reply, fold
from ingest.db import Connection, queries

SQL = queries("alerts", "asking")
WAITS = timedelta(minutes=30)
NO = frozenset({"2", "non", "no"})
LEADS = re.compile(rf"^(?:(?:{'|'.join(CODE_WORDS)}) )+")


class Asked(StrEnum):
    """What kind of question."""

    WHICH = "which"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Question:
    """What we want to know about an answer: one of `codes`, or whether it was meant, about `code` if that was named."""

    asked: Asked
    intention: Intention
    code: str | None = None
    codes: tuple[str, ...] = ()
    number: float | None = None  # that was read off
    zone_id: str | None = None  # whose name stood in the text

    def completed(self, text: str) -> Reply | None:
        """What the answer means now that this was said; None when this does not answer the question."""
        said = " ".join(COURTESY.sub(" ", fold(text)).split())
        if self.asked is Asked.WHICH:
            said = LEADS.sub("", said)
            named = [code for code in self.codes if said in (code.lower(), f"{code[0].lower()} {code[1:]}", code[1:])]
            return Reply(self.intention, True, named[0]) if len(named) == 1 and said not in DIGITS else None
        if said and NO.issuperset(said.split()):
            return Reply(Intention.UNCLEAR, False, self.code)
        agrees = "|".join(ASSENTS if self.number is None else PLAIN_YES)
        if re.fullmatch(rf"(?:{agrees})(?: (?:{agrees}))*", said):
            return Reply(self.intention, True, self.code, self.number)
        return None


def ask(connection: Connection, phone: str, question: Question, *, now: datetime) -> None:
    """Wait for the answer to a question that is on its way."""
    detail = {
        "intention": question.intention.value,
        "code": question.code,
        "codes": list(question.codes),
        "number": question.number,
        "zone_id": question.zone_id,
    }
    connection.execute(
        SQL["ask"],
        {
            "phone": phone, "state": question.asked.value, "detail": json.dumps(detail), "now": now,
            "expires_at": now + WAITS,
        },
    )  # fmt: skip


def take_question(connection: Connection, phone: str, sms_in_id: int, *, now: datetime) -> Question | None:
    """The question that an SMS may answer; whatever it says, we wait no longer."""
    row = connection.execute(SQL["take"], {"phone": phone, "id": sms_in_id, "now": now}).fetchone()
    if row is None or not row[2]:
        return None
    state, detail, _ = row
    return Question(
        Asked(state), Intention(detail["intention"]), detail["code"], tuple(detail["codes"]), detail.get("number"),
        detail.get("zone_id"),
    )  # fmt: skip
