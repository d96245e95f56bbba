"""Any SMS gateway that is asked over HTTP, declared in a TOML file: request, answer, receipts, what comes in.

Texts may hold `{phone}`, `{phone_digits}`, `{text}`, `{ref}`, `{coding}` (2 for UCS-2, else 0), `{valid_minutes}`,
`{name}`, `{webhook_secret}` and what the file lists under `settings` and `secrets`. Places in answers and webhooks are
written with dots: `data.0.id`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from alerts.carriers import (
    Accepted,
    Capabilities,
    Event,
    Fate,
    Health,
    Inbound,
    Outcome,
    Outgoing,
    Receipt,
    Receipts,
    Refused,
    Throttled,
    came_at,
)
from alerts.carriers.options import Options, e164
from alerts.carriers.over_http import outcome_of_failure, retry_after_s
from alerts.errors import CarrierRefused
from alerts.messages import segments
from gateway.clock import Clock, require_utc
from gateway.tables import values_from_toml
from gateway.whole import whole

PLACE = re.compile(r"\{(\w+)\}")
SHIPPED = ("kannel", "nimba", "rapidpro")
OF_A_MESSAGE = frozenset({"phone", "phone_digits", "text", "ref", "coding", "valid_minutes"})
PARTS: dict[str, type] = {
    "settings": list, "secrets": list, "caps": dict, "send": dict, "answer": dict, "receipt": dict, "inbound": dict,
}  # fmt: skip
KEYS = {
    "caps": {"two_way", "receipts", "per_s", "window", "receipt_within_s"},
    "send": {"method", "url", "query", "headers", "account", "json", "form"},
    "answer": {"accepted", "refused", "later", "throttled", "id", "field", "values"},
    "receipt": {"id", "ref", "status", "phone", "text", "fates", "never_left"},
    "inbound": {"id", "phone", "text", "charset", "at"},
}
VERDICTS = ("accepted", "refused", "later", "throttled")


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """A declared gateway with the values of one account."""

    name: str
    template: Mapping[str, Any]
    values: Mapping[str, str] = field(repr=False)
    webhook_secret: str = field(repr=False)
    caps: Capabilities

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> HttpConfig:
        """Read `[sms.NAME]` and the template that it names: a shipped one, or a file of the operator's.

        Raises
        ------
        CarrierRefused : a key is unknown, of the wrong kind or out of bounds; a secret is not set; the template is none
        """
        options = Options(name, table, environment)
        template = _template(name, options.text("template"))
        caps = template["caps"]
        found = Capabilities(
            two_way="inbound" in template and bool(caps["two_way"]),
            receipts=Receipts(caps["receipts"]),
            is_handover_atomic=False,
            is_repeat_harmless=False,
            per_s=options.number("per_s", caps["per_s"], low=0.001, high=1000),
            window=options.whole("window", caps["window"], low=1, high=100),
            receipt_within=options.receipt_within(caps["receipt_within_s"]),
        )
        secret = options.secret("webhook_secret", shortest=24)
        values = {"name": name, "webhook_secret": secret}
        values |= {key: options.text(key) for key in template.get("settings", ())}
        values |= {key: options.secret(key) for key in template.get("secrets", ())}
        options.end()
        if missing := sorted(_places(template["send"]) - set(values) - OF_A_MESSAGE):
            raise CarrierRefused(f"sms.{name}.template: nobody knows {{{missing[0]}}}")
        return cls(name, template, values, secret, found)


class HttpRoute:
    """What the template makes of a message, an answer and a webhook."""

    def __init__(self, config: HttpConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._send: Mapping[str, Any] = config.template["send"]
        self._answer: Mapping[str, Any] = config.template["answer"]

    @property
    def caps(self) -> Capabilities:
        """What the template declares."""
        return self._config.caps

    def send(self, client: httpx.Client, message: Outgoing) -> Outcome:
        """One request."""
        request = _filled(self._send, self._values(message))
        answer = client.request(
            request["method"], request["url"], params=request.get("query"), headers=request.get("headers"),
            json=request.get("json"), data=request.get("form"),
            auth=tuple(request["account"]) if "account" in request else None,
        )  # fmt: skip
        verdict = self._verdict(answer)
        if verdict == "accepted":
            place = self._answer.get("id")
            return Accepted(str(_at(answer.json(), place)) if place else str(message.ref))
        if verdict == "throttled":
            return Throttled(retry_after_s(answer))
        if verdict is not None:
            return Refused(f"HTTP {answer.status_code}", is_permanent=verdict == "refused")
        return outcome_of_failure(answer)

    def look(self, client: httpx.Client) -> Health:
        """A declared gateway has no place for its state; whether it answers is all that is asked."""
        client.request("HEAD", httpx.URL(PLACE.sub(lambda m: self._config.values[m[1]], self._send["url"])).join("/"))
        return Health(True)

    def read(self, kind: str, fields: dict[str, Any], received_at: datetime) -> Iterable[Event]:
        """A receipt or an SMS, by the names of the template."""
        names = self._config.template[kind]
        if kind == "receipt":
            status = str(_at(fields, names["status"]))
            number = str(_maybe(fields, names.get("id")) or "")
            ref = _maybe(fields, names.get("ref"))
            phone = _maybe(fields, names.get("phone"))
            yield Receipt(
                tuple({number, str(ref or "")} - {""}), Fate(names["fates"].get(status, Fate.UNKNOWN)), received_at,
                status, ref=UUID(ref) if ref else None, phone=e164(phone) if phone else None,
                text_head=str(_maybe(fields, names.get("text")) or ""),
                never_left=status in names.get("never_left", ()),
            )  # fmt: skip
        else:
            phone = str(_at(fields, names["phone"])).removeprefix("tel:")
            text = _text(str(_at(fields, names["text"])), str(_maybe(fields, names.get("charset")) or "utf-8"))
            told_at = _maybe(fields, names.get("at"))
            at = _time(str(told_at)) if told_at else received_at
            number = _maybe(fields, names.get("id")) or "\0".join((phone, at.isoformat(), text))
            provider_id = hashlib.sha256(str(number).encode()).hexdigest()[:32]
            yield Inbound(provider_id, e164(phone), text, came_at(at, received_at))

    def _values(self, message: Outgoing) -> dict[str, str]:
        minutes = max(1, int((message.valid_until - self._clock.now()).total_seconds() // 60))
        return {
            **self._config.values,
            "phone": message.phone,
            "phone_digits": message.phone.lstrip("+"),
            "text": message.text,
            "ref": str(message.ref),
            "coding": "2" if segments(message.text).alphabet == "UCS-2" else "0",
            "valid_minutes": str(minutes),
        }

    def _verdict(self, answer: httpx.Response) -> str | None:
        """What the template says of an answer: by its status, then by a value in it where the template names one."""
        found = next((verdict for verdict in VERDICTS if answer.status_code in self._answer.get(verdict, ())), None)
        if found != "accepted" or "field" not in self._answer:
            return found
        value = str(_at(answer.json(), self._answer["field"]))
        return next((verdict for verdict, values in self._answer["values"].items() if value in values), None)


def _template(name: str, which: str) -> dict[str, Any]:
    """A template by its shipped name or by its path, checked for its parts and keys."""
    if which in SHIPPED:
        text = (files("alerts.carriers") / "templates" / f"{which}.toml").read_text("utf-8")
    elif which.endswith(".toml"):
        try:
            text = Path(which).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CarrierRefused(f"sms.{name}.template: {which} cannot be read: {error}") from error
    else:
        raise CarrierRefused(f"sms.{name}.template: {which!r} is none of {', '.join(SHIPPED)} and no file ….toml")
    found = values_from_toml(text, f"sms.{name}.template: {which}", CarrierRefused)
    for part in ("caps", "send", "answer"):
        if part not in found:
            raise CarrierRefused(f"sms.{name}.template: {which} has no [{part}]")
    for part, content in found.items():
        known = PARTS.get(part)
        if known is None or not isinstance(content, known):
            raise CarrierRefused(f"sms.{name}.template: {which} may not hold {part}")
        if part in KEYS and (unknown := sorted(found[part].keys() - KEYS[part])):
            raise CarrierRefused(f"sms.{name}.template: {which}: {part}.{unknown[0]} is no key of a template")
    _check_values(name, which, found)
    return found


def _check_values(name: str, which: str, template: Mapping[str, Any]) -> None:
    """What must be there, and the words that have a meaning."""
    needed = {
        "caps": KEYS["caps"], "send": {"method", "url"}, "answer": {"accepted"}, "receipt": {"status", "fates"},
        "inbound": {"phone", "text"},
    }  # fmt: skip
    for part, keys in needed.items():
        if part in template and (missing := sorted(keys - set(template[part]))):
            raise CarrierRefused(f"sms.{name}.template: {which}: {part}.{missing[0]} is missing")
    if "inbound" in template and not {"id", "at"} & template["inbound"].keys():
        raise CarrierRefused(
            f"sms.{name}.template: {which}: inbound has neither id nor at: a second 1 would be taken for the first"
        )
    never_left = template.get("receipt", {}).get("never_left", [])
    if not isinstance(never_left, list) or not all(isinstance(one, str) for one in never_left):
        raise CarrierRefused(f"sms.{name}.template: {which}: receipt.never_left: {never_left!r} is no list of texts")
    words = [("caps.receipts", template["caps"]["receipts"], [str(one) for one in Receipts])]
    words += [
        ("receipt.fates", fate, [str(one) for one in Fate])
        for fate in template.get("receipt", {}).get("fates", {}).values()
    ]
    words += [("answer.values", verdict, list(VERDICTS)) for verdict in template["answer"].get("values", {})]
    for key, value, known in words:
        if value not in known:
            raise CarrierRefused(
                f"sms.{name}.template: {which}: {key}: {value!r} is none of {', '.join(sorted(known))}"
            )


def _places(part: Any) -> set[str]:
    """All `{words}` in a part of a template."""
    if isinstance(part, Mapping):
        return {word for value in part.values() for word in _places(value)}
    if isinstance(part, list):
        return {word for value in part for word in _places(value)}
    return set(PLACE.findall(part)) if isinstance(part, str) else set()


def _filled(part: Any, values: Mapping[str, str]) -> Any:
    """The same with each `{word}` replaced; what a value holds is not looked into again."""
    if isinstance(part, Mapping):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    return PLACE.sub(lambda match: values[match[1]], part) if isinstance(part, str) else part


def _at(content: Any, place: str) -> Any:
    """What stands at `a.0.b`; `KeyError`, `IndexError` or `TypeError` when nothing does."""
    for step in place.split("."):
        content = content[int(step) if isinstance(content, list) else step]
    return content


def _maybe(content: Any, place: str | None) -> Any:
    try:
        return _at(content, place) if place else None
    except (KeyError, IndexError, TypeError):
        return None


def _text(text: str, charset: str) -> str:
    """The text in the alphabet that the gateway names, whose bytes were read as UTF-8 with surrogates.

    Kannel calls bytes that it does not know `8-BIT`; Latin-1 loses none of them.
    """
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode(charset, "replace")
    except LookupError:
        return raw.decode("latin-1")


def _time(text: str) -> datetime:
    """Seconds since 1970, or ISO 8601; without a zone it is UTC, which is Guinea's."""
    if (seconds := whole(text)) is not None:
        return datetime.fromtimestamp(seconds, UTC)
    found = datetime.fromisoformat(text)
    return require_utc(found if found.tzinfo else found.replace(tzinfo=UTC))
