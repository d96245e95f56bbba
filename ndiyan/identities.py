"""Who may say what at the broker: one identity per gateway, one for ingest, one for the people who run it all."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gateway.zones import Zone
from ingest.config import name_of_worker

HASH_ITERATIONS = 20_000  # passwords are 24 random bytes: nothing to guess, so connecting stays cheap
OPERATOR = "operator"
INGEST = "ingest"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the broker with the topic filters it may publish to and receive from."""

    name: str
    password: str
    may_write: tuple[str, ...]
    may_read: tuple[str, ...]


def device_identities(zones: Sequence[Zone], passwords: dict[str, str], *, workers: int = 1) -> list[Identity]:
    """The workers of ingest, and each zone's gateway under its own zone and name only; missing passwords are made and
    added."""
    gateways = [
        gateway_identity(zone.zone_id, zone.gateway_id, passwords.setdefault(zone.gateway_id, new_password()))
        for zone in zones
    ]
    return [*ingest_identities(passwords.setdefault(INGEST, new_password()), workers), *gateways]


def ingest_identities(password: str, workers: int = 1) -> list[Identity]:
    """Those of the workers of ingest, who share a password: where a client's id is its user name, each needs one."""
    return [ingest_identity(password, name_of_worker(INGEST, worker)) for worker in range(1, workers + 1)]


def ingest_identity(password: str, name: str = INGEST) -> Identity:
    """The one of ingest: may hear everybody, answers every gateway.

    A profile that is added names topics that no file here knows, and mosquitto grants a subscription that its access
    file forbids, and then delivers nothing. So what ingest hears is told by its subscriptions alone.
    """
    return Identity(name, password, may_write=("ndiyan/1/+/+/down/#",), may_read=("#", "$SYS/#"))


def is_worker(name: str) -> bool:
    """Whether this is the user of a worker of ingest."""
    return name == INGEST or (name.startswith(f"{INGEST}-") and name.removeprefix(f"{INGEST}-").isdigit())


def is_own(name: str) -> bool:
    """Whether this is a user of the platform itself, and no gateway's or sender's."""
    return name == OPERATOR or is_worker(name)


def gateway_identity(zone_id: str, gateway_id: str, password: str) -> Identity:
    """The one of a gateway: under its own zone and name only."""
    own = f"ndiyan/1/{zone_id}/{gateway_id}"
    return Identity(gateway_id, password, may_write=(f"{own}/up/#",), may_read=(f"{own}/down/#",))


def operator_identity(passwords: dict[str, str]) -> Identity:
    """The one for tools: sees and may say everything under `ndiyan/`."""
    password = passwords.setdefault(OPERATOR, new_password())
    return Identity(OPERATOR, password, may_write=("ndiyan/#",), may_read=("ndiyan/#", "$SYS/#"))


def new_password() -> str:
    """A password that nobody has to type."""
    return secrets.token_urlsafe(24)


def password_file(identities: Iterable[Identity]) -> str:
    """The text of a mosquitto 2 password file: `name:$7$iterations$salt$PBKDF2-SHA512`, both in base64."""
    return "".join(f"{password_line(identity.name, identity.password)}\n" for identity in identities)


def password_line(name: str, password: str) -> str:
    """One user's line of it."""
    return f"{name}:{_hashed(password)}"


def acl_file(identities: Iterable[Identity]) -> str:
    """The text of a mosquitto access file; what it does not name is refused."""
    lines = []
    for identity in identities:
        lines.append(f"user {identity.name}")
        lines += [f"topic write {topic}" for topic in identity.may_write]
        lines += [f"topic read {topic}" for topic in identity.may_read]
        lines.append("")
    return "\n".join(lines)


def unheard(access: str, user: str, wanted: Iterable[str]) -> list[str]:
    """Those of the filters `wanted` that a mosquitto access file does not let `user` read whole."""
    allowed = list(_allowed(access, user, "read"))
    return [topic for topic in wanted if not any(covers(one, topic) for one in allowed)]


def sender_identity(access: str, user: str) -> Identity:
    """A user as a mosquitto access file has it; its password is not there."""
    may_write, may_read = (tuple(_allowed(access, user, what)) for what in ("write", "read"))
    return Identity(user, "", may_write=may_write, may_read=may_read)


def _allowed(access: str, user: str, what: str) -> Iterator[str]:
    """The filters under which its lines let `user` read or write; `pattern` lines hold for all (mosquitto.conf(5))."""
    of = ""
    for line in access.splitlines():
        word, _, rest = line.strip().partition(" ")
        kind, _, topic = rest.strip().partition(" ")
        if word == "user":
            of = rest.strip()
        elif kind not in ("read", "readwrite", "write", "deny"):
            kind, topic = "readwrite", rest
        if kind in (what, "readwrite") and (word == "pattern" or (word == "topic" and of == user)):
            yield topic.strip().replace("%u", user) if word == "pattern" else topic.strip()


def covers(allowed: str, topic: str) -> bool:
    """Whether the filter `allowed` holds every topic that `topic` (a topic or itself a filter) can mean."""
    if topic.startswith("$") != allowed.startswith("$"):
        return False
    wanted, granted = topic.split("/"), allowed.split("/")
    for n, part in enumerate(granted):
        if part == "#":
            return True
        if n >= len(wanted) or wanted[n] == "#" or (part != "+" and part != wanted[n]):
            return False
    return len(wanted) == len(granted)


def _hashed(password: str) -> str:
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ITERATIONS)
    return f"$7${HASH_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
