"""Who may connect to a mosquitto that runs, and say what, in the files that it reads again when told: gateways of ours,
and senders that speak a dialect of their own (a network server, a meter).

Files are written whole and renamed. Of passwords only hashes are kept, and of certificates the numbers: both are shown
once, when they are made. What a sender may publish to stands in the broker's file alone. Whoever comes with a
certificate has no password, and the other way round; `deploy/mosquitto/certificates.conf` is their listener.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gateway.wire import ack_topic, config_topic, senml_topic, status_topic, thinned_topic
from ingest.config import name_of_worker
from ingest.profiles.profile import check_filter, topic_fits
from ndiyan.errors import NdiyanError
from ndiyan.identities import (
    INGEST,
    OPERATOR,
    Identity,
    acl_file,
    gateway_identity,
    ingest_identity,
    is_own,
    is_worker,
    new_password,
    operator_identity,
    password_line,
    sender_identity,
)

if TYPE_CHECKING:
    from ndiyan.certificates import Authority, Issued

PASSWORDS, ACCESS = "devices.passwd", "devices.acl"
CERTIFICATES, REVOKED, AUTHORITY = "devices.certificates", "devices.crl", "devices-ca.crt"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
OURS = (senml_topic, status_topic, thinned_topic, ack_topic, config_topic)


class DeviceRefused(NdiyanError):
    """A name is unknown, known already or none, a topic belongs to others, or the broker's files are not there."""


class Signer(NamedTuple):
    """Who issues and revokes certificates, at this time."""

    authority: Authority
    now: datetime


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The folder with the broker's files, and the gateways of the zones: name to zone."""

    folder: Path
    gateways: Mapping[str, str]

    def names(self) -> list[str]:
        """Whoever may connect now, but for ingest and the operator."""
        return [name for name in (*self._lines(), *self.certificates()) if not is_own(name)]

    def certificates(self) -> dict[str, int]:
        """Whoever comes with a certificate, and its number."""
        if not (self.folder / CERTIFICATES).exists():
            return {}
        lines = (line.split() for line in self._read(CERTIFICATES).splitlines() if line.strip())
        return {name: int(number, 16) for name, number in lines}

    def senders(self) -> dict[str, Identity]:
        """Whoever may connect and is no gateway of ours; one that was a gateway may say nothing any more."""
        access = self._read(ACCESS)
        found = (sender_identity(access, name) for name in self.names() if name not in self.gateways)
        return {one.name: one for one in found if not any(map(_is_ours, one.may_write))}

    def give(self, name: str, *, anew: bool, topics: Sequence[str] = (), signer: Signer | None = None) -> str:
        """Let a gateway, or a sender to `topics`, in under a new password, which is returned; the password or
        certificate before counts no more.

        Raises
        ------
        DeviceRefused : no zone has it and no topics are given, a topic is another's, it is let in already (`anew`: it
            is not yet), or it has a certificate, which only a signer can revoke
        """
        with _alone(self.folder):
            self._admit(name, anew=anew, topics=topics)
            password = new_password()
            lines, certificates = self._lines(), self.certificates()
            self._revoke(certificates.pop(name, None), signer, name)
            self._write(lines | {name: password_line(name, password)}, certificates, self._with(name, topics))
            return password

    def certify(self, name: str, signer: Signer, *, anew: bool, topics: Sequence[str] = ()) -> Issued:
        """The same with a new certificate, which is returned.

        Raises
        ------
        DeviceRefused : as `give`
        """
        with _alone(self.folder):
            self._admit(name, anew=anew, topics=topics)
            issued = signer.authority.issue(name, now=signer.now)
            lines, certificates = self._lines(), self.certificates()
            lines.pop(name, None)
            self._revoke(certificates.get(name), signer, name)
            self._write(lines, certificates | {name: issued.serial}, self._with(name, topics))
            return issued

    def let_workers_in(self, workers: int) -> None:
        """Let so many workers of ingest in, under the password of the first, and no others."""
        with _alone(self.folder):
            lines = self._lines()
            kept = {name: line for name, line in lines.items() if name == INGEST or not is_worker(name)}
            secret = lines[INGEST].partition(":")[2]
            others = {name: f"{name}:{secret}" for name in (name_of_worker(INGEST, n) for n in range(2, workers + 1))}
            self._write(kept | others, self.certificates(), self.senders())

    def take_back(self, name: str, signer: Signer | None = None) -> None:
        """Let a gateway or sender in no more.

        Raises
        ------
        DeviceRefused : it was not let in, or has a certificate, which only a signer can revoke
        """
        with _alone(self.folder):
            lines, certificates, senders = self._lines(), self.certificates(), self.senders()
            if name not in (*lines, *certificates) or is_own(name):
                raise DeviceRefused(f"{name} is not let in here; these are: {', '.join(self.names())}")
            lines.pop(name, None)
            self._revoke(certificates.pop(name, None), signer, name)
            self._write(lines, certificates, senders)

    def _admit(self, name: str, *, anew: bool, topics: Sequence[str]) -> None:
        if is_own(name) or (name not in self.gateways and not NAME.fullmatch(name)):
            raise DeviceRefused(f"{name!r}: is no name for a sender: letters, digits and ._-, at most 64, not {INGEST}")
        if (name in (*self._lines(), *self.certificates())) != anew:
            raise DeviceRefused(
                f"{name} is let in already: ndiyan devices rotate {name}" if not anew
                else f"{name} is not let in yet: ndiyan devices add {name}"
            )  # fmt: skip
        if not anew:
            self._check(name, topics)

    def _with(self, name: str, topics: Sequence[str]) -> dict[str, Identity]:
        senders = self.senders()
        if topics:
            senders[name] = Identity(name, "", may_write=tuple(topics), may_read=())
        return senders

    def _revoke(self, serial: int | None, signer: Signer | None, name: str) -> None:
        """Write the list of certificates that count no more, one longer; and the first time, an empty one."""
        if serial is None and signer is None:
            return
        if signer is None:
            raise DeviceRefused(f"{name} has a certificate, and the authority that revokes it is not here")
        from ndiyan.certificates import serials_of  # no service needs it

        revoked = serials_of(self._read(REVOKED)) if (self.folder / REVOKED).exists() else set()
        revoked |= set() if serial is None else {serial}
        self._replace(REVOKED, signer.authority.revoked(sorted(revoked), now=signer.now))
        self._replace(AUTHORITY, signer.authority.text)

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

    def _write(
        self, lines: Mapping[str, str], certificates: Mapping[str, int], senders: Mapping[str, Identity]
    ) -> None:
        """All files; a gateway that no zone has any more keeps its password or certificate and may say nothing."""
        inside = (*lines, *certificates)
        gateways = [gateway_identity(self.gateways[name], name, "") for name in inside if name in self.gateways]
        others = [senders[name] for name in inside if name in senders]
        own = [ingest_identity("", name) for name in dict.fromkeys((INGEST, *filter(is_worker, lines)))]
        own += [operator_identity({OPERATOR: ""})] if OPERATOR in lines else []
        self._replace(ACCESS, acl_file([*own, *gateways, *others]))
        self._replace(PASSWORDS, "".join(f"{line}\n" for line in lines.values()))
        if certificates or (self.folder / CERTIFICATES).exists():
            self._replace(CERTIFICATES, "".join(f"{name} {number:x}\n" for name, number in certificates.items()))

    def _replace(self, name: str, text: str) -> None:
        """Write a file whole, with the owner and the rights of the one before, or of the broker's other files."""
        file = self.folder / name
        before = (file if file.exists() else self.folder / ACCESS).stat()
        handle, draft = tempfile.mkstemp(prefix=f".{name}-", dir=self.folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as output:
                output.write(text)
                os.fchown(output.fileno(), before.st_uid, before.st_gid)
                os.fchmod(output.fileno(), before.st_mode & 0o777)
                output.flush()
                os.fsync(output.fileno())
            Path(draft).replace(file)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One change at a time, from what is read to what is written; others wait."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DeviceRefused(f"{folder}: cannot be read: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_ours(topic: str) -> bool:
    """Whether a filter lets its user publish what only our gateways say, or what only they are told."""
    zone, gateway = [*topic.split("/"), "", "", "", ""][2:4]
    return any(topic_fits(topic, one(zone, gateway)) for one in OURS)
