"""Who may connect to a mosquitto that runs, and say what, in the two files that it reads again when told: gateways of
ours, and senders that speak a dialect of their own (a network server, a meter).

Both files are written whole and renamed. Only hashes are kept: a password is shown once, when it is made. What a sender
may publish to stands in the broker's file alone.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.wire import ack_topic, config_topic, senml_topic, status_topic, thinned_topic
from ingest.profiles.profile import check_filter, topic_fits
from ndiyan.errors import NdiyanError
from ndiyan.identities import (
    INGEST,
    OPERATOR,
    Identity,
    acl_file,
    gateway_identity,
    ingest_identity,
    new_password,
    password_line,
    sender_identity,
)

PASSWORDS, ACCESS = "devices.passwd", "devices.acl"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
OURS = (senml_topic, status_topic, thinned_topic, ack_topic, config_topic)


class DeviceRefused(NdiyanError):
    """A name is unknown, known already or none, a topic belongs to others, or the broker's files are not there."""


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The folder with the broker's files, and the gateways of the zones: name to zone."""

    folder: Path
    gateways: Mapping[str, str]

    def names(self) -> list[str]:
        """Whoever may connect now, but for ingest."""
        return [name for name in self._lines() if name != INGEST]

    def senders(self) -> dict[str, Identity]:
        """Whoever may connect and is no gateway of ours; one that was a gateway may say nothing any more."""
        access = self._read(ACCESS)
        found = (sender_identity(access, name) for name in self.names() if name not in self.gateways)
        return {one.name: one for one in found if not any(map(_is_ours, one.may_write))}

    def give(self, name: str, *, anew: bool, topics: Sequence[str] = ()) -> str:
        """Let a gateway, or a sender to `topics`, in under a new password, which is returned; the one before counts
        no more.

        Raises
        ------
        DeviceRefused : no zone has it and no topics are given, a topic is another's, or it has a password already
            (`anew`: it has none yet)
        """
        lines = self._lines()
        if (name in lines) != anew:
            raise DeviceRefused(
                f"{name} has a password already: ndiyan devices rotate {name}" if not anew
                else f"{name} has no password yet: ndiyan devices add {name}"
            )  # fmt: skip
        if not anew:
            self._check(name, topics)
        password = new_password()
        senders = self.senders()
        if topics:
            senders[name] = Identity(name, "", may_write=tuple(topics), may_read=())
        self._write(lines | {name: password_line(name, password)}, senders)
        return password

    def take_back(self, name: str) -> None:
        """Let a gateway or sender in no more.

        Raises
        ------
        DeviceRefused : it was not let in
        """
        lines = self._lines()
        if lines.pop(name, None) is None or name == INGEST:
            raise DeviceRefused(f"{name} has no password here; these have: {', '.join(self.names())}")
        self._write(lines, self.senders())

    def _check(self, name: str, topics: Sequence[str]) -> None:
        """Whether a newcomer may be let in: a gateway to what is its own, a sender to what is no gateway's."""
        if name in self.gateways:
            if topics:
                raise DeviceRefused(f"{name}: is the gateway of {self.gateways[name]}, which tells its topics")
            return
        if not topics:
            raise DeviceRefused(
                f"{name}: no zone has this gateway; known are {', '.join(sorted(self.gateways))};"
                " for a sender that is none of ours say with --topic where it publishes"
            )
        if name in (INGEST, OPERATOR) or not NAME.fullmatch(name):
            raise DeviceRefused(f"{name!r}: is no name for a sender: letters, digits and ._-, at most 64, not {INGEST}")
        for topic in topics:
            try:
                check_filter(topic)
            except ValueError as error:
                raise DeviceRefused(f"{name}: {error}") from error
            if _is_ours(topic):
                raise DeviceRefused(f"{name}: {topic} would let it speak as a gateway of ours, or to one")

    def _lines(self) -> dict[str, str]:
        """The password file by name."""
        return {line.partition(":")[0]: line for line in self._read(PASSWORDS).splitlines() if line}

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text("utf-8")
        except OSError as error:
            raise DeviceRefused(f"{self.folder / name}: cannot be read: {error.strerror}") from error

    def _write(self, lines: Mapping[str, str], senders: Mapping[str, Identity]) -> None:
        """Both files; a gateway that no zone has any more keeps its password and may say nothing."""
        gateways = [gateway_identity(self.gateways[name], name, "") for name in lines if name in self.gateways]
        others = [senders[name] for name in lines if name in senders]
        _replace(self.folder / ACCESS, acl_file([ingest_identity(""), *gateways, *others]))
        _replace(self.folder / PASSWORDS, "".join(f"{line}\n" for line in lines.values()))


def _is_ours(topic: str) -> bool:
    """Whether a filter lets its user publish what only our gateways say, or what only they are told."""
    zone, gateway = [*topic.split("/"), "", "", "", ""][2:4]
    return any(topic_fits(topic, one(zone, gateway)) for one in OURS)


def _replace(file: Path, text: str) -> None:
    """Write a file whole, with the owner and the rights of the one before."""
    before = file.stat()
    handle, name = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as output:
            output.write(text)
            os.fchown(output.fileno(), before.st_uid, before.st_gid)
            os.fchmod(output.fileno(), before.st_mode & 0o777)
            output.flush()
            os.fsync(output.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
