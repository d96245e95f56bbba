"""Gateways at a mosquitto that runs: who may connect, and to what, in the two files that it reads again when told.

Both files are written whole and renamed. Only hashes are kept: a password is shown once, when it is made.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.profiles.profile import profile_topics
from ndiyan.errors import NdiyanError
from ndiyan.identities import (
    INGEST,
    acl_file,
    gateway_identity,
    ingest_identity,
    new_password,
    password_line,
)

PASSWORDS, ACCESS = "devices.passwd", "devices.acl"


class DeviceRefused(NdiyanError):
    """A gateway is unknown, known already, or the broker's files are not there."""


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The folder with the broker's files, and the gateways of the zones: name to zone."""

    folder: Path
    gateways: Mapping[str, str]

    def names(self) -> list[str]:
        """Whoever may connect now, but for ingest."""
        return [name for name in self._lines() if name != INGEST]

    def give(self, gateway: str, *, anew: bool) -> str:
        """Let a gateway in under a new password, which is returned; the one before counts no more.

        Raises
        ------
        DeviceRefused : no zone has it, or it has a password already (`anew`: it has none yet)
        """
        if gateway not in self.gateways:
            raise DeviceRefused(f"{gateway}: no zone has this gateway; known are {', '.join(sorted(self.gateways))}")
        lines = self._lines()
        if (gateway in lines) != anew:
            raise DeviceRefused(
                f"{gateway} has a password already: ndiyan devices rotate {gateway}" if not anew
                else f"{gateway} has no password yet: ndiyan devices add {gateway}"
            )  # fmt: skip
        password = new_password()
        self._write(lines | {gateway: password_line(gateway, password)})
        return password

    def take_back(self, gateway: str) -> None:
        """Let a gateway in no more.

        Raises
        ------
        DeviceRefused : it was not let in
        """
        lines = self._lines()
        if lines.pop(gateway, None) is None or gateway == INGEST:
            raise DeviceRefused(f"{gateway} has no password here; these have: {', '.join(self.names())}")
        self._write(lines)

    def _lines(self) -> dict[str, str]:
        """The password file by name."""
        try:
            text = (self.folder / PASSWORDS).read_text("utf-8")
        except OSError as error:
            raise DeviceRefused(f"{self.folder / PASSWORDS}: cannot be read: {error.strerror}") from error
        return {line.partition(":")[0]: line for line in text.splitlines() if line}

    def _write(self, lines: Mapping[str, str]) -> None:
        """Both files; a gateway that no zone has any more keeps its password and may say nothing."""
        known = [gateway_identity(self.gateways[name], name, "") for name in lines if name in self.gateways]
        _replace(self.folder / ACCESS, acl_file([ingest_identity("", profile_topics()), *known]))
        _replace(self.folder / PASSWORDS, "".join(f"{line}\n" for line in lines.values()))


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
