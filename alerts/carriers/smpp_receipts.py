"""Receipts as message centres write them, each in its own dialect. Pure but for what `Ids` has seen.

SMPP 3.4, appendix B leaves the form to the vendor: `id:… sub:… dlvrd:… submit date:… done date:… stat:… err:… text:…`
is what most write, in part.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from alerts.carriers import Fate
from alerts.carriers.smpp_pdu import IS_RECEIPT, Delivery
from alerts.carriers.smpp_text import UCS_2

FIELD = re.compile(r"\b(id|stat|done ?date) ?: ?([^\s:]+(?:[ T]\d\d:\d\d(?::\d\d)?)?)", re.IGNORECASE)
WHOLE = re.compile(r"\bid ?: ?\S+.*\bstat ?: ?\w", re.IGNORECASE | re.DOTALL)
TEXT = re.compile(r"(?:^|\s)text ?: ?", re.IGNORECASE)
FATES = {
    "DELIV": Fate.DELIVERED, "EXPIR": Fate.EXPIRED, "DELET": Fate.UNDELIVERED, "UNDEL": Fate.UNDELIVERED,
    "REJEC": Fate.UNDELIVERED, "FAILE": Fate.UNDELIVERED, "ACCEP": Fate.ON_THE_NETWORK, "ENROU": Fate.ON_THE_NETWORK,
    "BUFFE": Fate.ON_THE_NETWORK, "DLVRD": Fate.DELIVERED,
}  # fmt: skip
STATES = {
    1: Fate.ON_THE_NETWORK, 2: Fate.DELIVERED, 3: Fate.EXPIRED, 4: Fate.UNDELIVERED, 5: Fate.UNDELIVERED,
    6: Fate.ON_THE_NETWORK, 8: Fate.UNDELIVERED,
}  # fmt: skip # message_state, SMPP 3.4, 5.2.28
DATES = ("%y%m%d%H%M", "%y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
PLAUSIBLE_AGE, PLAUSIBLE_LEAD = timedelta(days=4), timedelta(minutes=10)  # older or newer is another form of date
SAME_IN_ALL = re.compile(r"[\n\r !\"#%-?A-Za-z]*")  # GSM 03.38, ASCII and Latin-1 agree on these
REMEMBERED = 10_000  # answers


class Told(NamedTuple):
    """What a receipt says. `written` holds its ids, that of the parameter first."""

    written: tuple[str, ...]
    fate: Fate
    at: datetime
    text_head: str
    raw: str


def is_receipt(delivery: Delivery) -> bool:
    """Whether it is about an SMS of ours. Its text alone does not say so: anyone can write `stat:DELIVRD`.

    The parameter alone does not say so either: some centres number inbound SMS with it.
    """
    if delivery.esm_class & IS_RECEIPT:
        return True
    tells_state = delivery.message_state is not None or WHOLE.search(delivery.octets.decode("latin-1"))
    return bool(delivery.receipted_id and tells_state)


def read_receipt(delivery: Delivery, now: datetime) -> Told:
    """What it says, whatever is missing; `at` is when it came where it holds no date that can be."""
    coding = "utf-16-be" if delivery.data_coding == UCS_2 else "latin-1"
    raw = delivery.octets.decode(coding, "replace")
    head, *rest = TEXT.split(raw, maxsplit=1)
    fields = {name.lower().replace(" ", ""): value for name, value in FIELD.findall(head)}
    ids = [written for written in (delivery.receipted_id, fields.get("id", "")) if written]
    return Told(
        written=tuple(dict.fromkeys(ids)),
        fate=_fate(fields.get("stat", ""), delivery.message_state),
        at=_date(fields.get("donedate", ""), now),
        text_head=_same_in_all(rest[0]) if rest else "",
        raw=raw,
    )


def readings(written: str) -> dict[str, str]:
    """What a written id may mean, by the kind of reading: itself, or a number that the answer wrote in another way."""
    found = {"as written": written}
    plain = written.lstrip("0")
    if plain and plain != written:
        found["without zeros"] = plain
    if re.fullmatch(r"[0-9]+", plain):
        found |= {"decimal of hex": f"{int(plain):x}", "decimal of HEX": f"{int(plain):X}"}
        found["decimal of hex, 8 wide"] = f"{int(plain):08x}"
        found["decimal of HEX, 8 wide"] = f"{int(plain):08X}"
    if re.fullmatch(r"[0-9A-Fa-f]+", plain):
        found["hex of decimal"] = str(int(plain, 16))
    found["other case"] = written.swapcase()
    return found


class Ids:
    """How this message centre's receipts write the ids that its answers gave.

    An id that an answer has just given is certain. It also tells how the centre writes, so that a receipt that
    comes before its answer is read in one way and not in all.
    """

    def __init__(self) -> None:
        self._answered: OrderedDict[str, str] = OrderedDict()
        self._right: Counter[str] = Counter()

    def answered(self, provider_id: str, phone: str) -> None:
        """An answer gave this id to an SMS to `phone`."""
        self._answered[provider_id] = phone
        if len(self._answered) > REMEMBERED:
            self._answered.popitem(last=False)

    def meant(self, written: tuple[str, ...], phone: str) -> tuple[str, ...]:
        """The ids that a receipt may mean: one when that is known, as written first."""
        found = [(kind, value) for text in written for kind, value in readings(text).items()]
        known = [(kind, value) for kind, value in found if self._answered.get(value) == phone]
        if known:
            self._right.update({kind for kind, _ in known})
            return (known[0][1],)
        if self._right:
            ((usual, _),) = self._right.most_common(1)
            found = [(kind, value) for kind, value in found if kind in ("as written", usual)]
        return tuple(dict.fromkeys(value for _, value in found))


def _fate(stat: str, state: int | None) -> Fate:
    return FATES.get(stat.upper()[:5]) or STATES.get(state or 0, Fate.UNKNOWN)


def _date(written: str, now: datetime) -> datetime:
    """The first reading that lies between a few days ago and now."""
    for form in DATES:
        try:
            at = datetime.strptime(written, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if now - PLAUSIBLE_AGE <= at <= now + PLAUSIBLE_LEAD:
            return min(at, now)
    return now


def _same_in_all(text: str) -> str:
    """As much of a repeated text as any alphabet reads alike; the rest may be GSM, Latin-1 or a letter cut in two."""
    found = SAME_IN_ALL.match(text)
    return found[0].rstrip() if found else ""
