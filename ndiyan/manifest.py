"""A backup as it lies on disk: a folder with the database, the files, and a manifest of what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ndiyan.contents import Contents
from ndiyan.errors import BackupError
from ndiyan.sealing import SEALED, Written

NAME = "ndiyan-%Y%m%dT%H%M%SZ"
DATABASE, FILES = "database.dump", "files.tar.gz"
MANIFEST = "manifest.json"
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


def read_backup(folder: Path) -> Backup:
    """A backup by its folder.

    Raises
    ------
    BackupError : there is none, or its manifest is not ours
    """
    try:
        return Backup(folder, Manifest.from_json((folder / MANIFEST).read_text("utf-8")))
    except OSError as error:
        raise BackupError(f"{folder} is no backup: {MANIFEST} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{folder}/{MANIFEST} is not ours: {error}") from error
