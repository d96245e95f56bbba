"""Streams into files and back, encrypted when there is a key: in the format of age, which other programs open as well.

Nothing is held but a block of 64 kB, however long the stream is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyrage

from ndiyan.children import service_account
from ndiyan.errors import BackupError, SettingsError

KEY_WORD = "AGE-SECRET-KEY-"
SEALED = ".age"  # ends the name of a file that needs a key


@dataclass(frozen=True, slots=True)
class Written:
    """What a file came to."""

    size: int
    sha256: str


def new_key(file: Path) -> str:
    """Write a new key, which opens and closes, for its owner's eyes only; returns the half that only closes.

    What root writes can be read by the services as well, which make the backups of the night.

    Raises
    ------
    BackupError : the file exists, or cannot be written
    """
    text, public = generate_key()
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupError(f"{file}: no key is written there: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="utf-8") as output:
        if (reader := service_account()) is not None:
            os.fchown(output.fileno(), -1, reader.gid)
            os.fchmod(output.fileno(), 0o640)
        output.write(text)
    return public


def generate_key() -> tuple[str, str]:
    """What stands in the file of a new key, and the half that only closes."""
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    return f"# public key: {public}\n{identity}\n", public


def read_key(file: Path) -> pyrage.x25519.Identity:
    """The key in a file as `age-keygen` writes it.

    Raises
    ------
    SettingsError : it cannot be read, or holds none
    """
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
        return pyrage.x25519.Identity.from_str(next(line for line in lines if line.startswith(KEY_WORD)))
    except OSError as error:
        raise SettingsError(f"backup.key_file: {file} cannot be read: {error.strerror}") from error
    except (StopIteration, ValueError, pyrage.IdentityError) as error:
        raise SettingsError(f"backup.key_file: {file} holds no line {KEY_WORD}…") from error


def seal(source: IO[bytes], file: Path, key: pyrage.x25519.Identity | None) -> Written:
    """Write all of `source` into a new file that only its owner reads, and wait until the disk has it."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        counted = _Counted(output)
        if key is None:
            shutil.copyfileobj(source, counted)
        else:
            pyrage.encrypt_io(source, counted, [key.to_public()])
        output.flush()
        os.fsync(output.fileno())
    return Written(counted.size, counted.digest.hexdigest())


def unseal(file: Path, target: IO[bytes], key: pyrage.x25519.Identity | None) -> None:
    """Write what `seal` was given into `target`.

    Raises
    ------
    BackupError : the key is missing or another one, or the file is damaged
    """
    is_sealed = file.suffix == SEALED
    if is_sealed and key is None:
        raise BackupError(f"{file} is encrypted: set backup.key_file to its key (or NDIYAN_BACKUP_KEY_FILE)")
    with file.open("rb") as source:
        if not is_sealed or key is None:
            shutil.copyfileobj(source, target)
            return
        try:
            pyrage.decrypt_io(source, target, [key])
        except pyrage.DecryptError as error:
            raise BackupError(f"{file}: this key does not open it, or it is damaged: {error}") from error


def digest_of(file: Path) -> Written:
    """Size and SHA-256 of a file as it lies there."""
    with file.open("rb") as source:
        return Written(os.fstat(source.fileno()).st_size, hashlib.file_digest(source, "sha256").hexdigest())


class _Counted:
    """A file that knows what went through it."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, block: bytes) -> int:
        self.size += len(block)
        self.digest.update(block)
        return self._output.write(block)

    def flush(self) -> None:
        self._output.flush()
