"""A backup as it lies on disk: a folder with the database, the files, and a manifest of what is in them.

Where there is a key, `PROOF` beside the manifest says that whoever wrote it had that key: the half that only closes,
which stands in the manifest, is enough to encrypt, and not to write this.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyrage

from ndiyan.contents import Contents
from ndiyan.errors import BackupError
from ndiyan.sealing import SEALED, Written

NAME = "ndiyan-%Y%m%dT%H%M%SZ"
DATABASE, FILES = "database.dump", "files.tar.gz"
MANIFEST = "manifest.json"
PROOF = "manifest.hmac"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was saved, when and from what; every time is UTC. `recipient` is the half of the key that closed it."""

    made_at: datetime
    verified_at: datetime
    ndiyan: str
    server_major: int
    timescaledb: str | None
    roles: tuple[str, ...]
    recipient: str | None
    contents: Contents
    parts: Mapping[str, Written]

    def to_json(self) -> str:
        """As it is kept."""
        kept = asdict(self) | {"format": FORMAT}
        return json.dumps(kept, default=datetime.isoformat, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read it; KeyError, TypeError or ValueError when it is something else."""
        kept: dict[str, Any] = json.loads(text)
        if (found := kept.pop("format")) != FORMAT:
            raise ValueError(f"format {found} is not {FORMAT}: restore it with the version that wrote it")
        contents = kept.pop("contents")
        tables = {name: (int(rows), str(checksum)) for name, (rows, checksum) in contents["tables"].items()}
        kept |= {
            "made_at": datetime.fromisoformat(kept["made_at"]),
            "verified_at": datetime.fromisoformat(kept["verified_at"]),
            "roles": tuple(kept["roles"]),
            "contents": Contents(datetime.fromisoformat(contents["as_of"]), tables, contents["overview"]),
            "parts": {name: Written(**part) for name, part in kept["parts"].items()},
        }
        return cls(**kept)


@dataclass(frozen=True, slots=True)
class Backup:
    """A folder and what its manifest says."""

    folder: Path
    manifest: Manifest

    def part(self, name: str) -> Path:
        """The file of `DATABASE` or `FILES`."""
        return self.folder / (name + (SEALED if self.manifest.recipient else ""))

    @property
    def size(self) -> int:
        """Bytes on disk, but for the manifest's."""
        return sum(part.size for part in self.manifest.parts.values())


def proof_of(manifest: bytes, key: pyrage.x25519.Identity) -> str:
    """What only whoever has the key can write beside a manifest."""
    return hmac.new(str(key).encode("ascii"), b"ndiyan manifest\n" + manifest, "sha256").hexdigest()


def read_backup(folder: Path, key: pyrage.x25519.Identity | None = None) -> Backup:
    """A backup by its folder; with a key only one that was made with it, and all of whose parts it closed.

    Raises
    ------
    BackupError : there is none, its manifest is not ours, or it does not prove that the key made it
    """
    try:
        text = (folder / MANIFEST).read_bytes()
        backup = Backup(folder, Manifest.from_json(text.decode("utf-8")))
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {MANIFEST} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{folder}/{MANIFEST} is not ours: {error}") from error
    if key is not None and (doubt := _doubt(backup, text, key)):
        raise BackupError(
            f"{folder} is not proven to be made with the key of backup.key_file: {doubt};"
            " with --unproven it is taken all the same, and may do in the database whatever its maker wanted"
        )
    return backup


def _doubt(backup: Backup, manifest: bytes, key: pyrage.x25519.Identity) -> str:
    """Why somebody else may have made it, "" when nobody can have."""
    if (recipient := backup.manifest.recipient) != str(key.to_public()):
        return f"it was closed for {recipient}" if recipient else "it is not encrypted"
    try:
        kept = (backup.folder / PROOF).read_bytes().strip()
    except OSError as error:
        return f"{PROOF} cannot be read: {error.strerror}"
    return "" if hmac.compare_digest(kept, proof_of(manifest, key).encode("ascii")) else f"{PROOF} is of another"
