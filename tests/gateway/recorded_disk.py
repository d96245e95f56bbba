"""A disk that records everything that is done to its files, so that the power can be cut between any two of its writes.

Usage: python -m tests.gateway.recorded_disk FOLDER MOUNT LOG SEED; runs until it is killed.
"""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.scenarios.powercut_fs import PAGE, Forgetful


class Did(NamedTuple):
    """One thing that was done to a file; `at` is an offset or a length."""

    what: str
    path: str
    data: bytes = b""
    at: int = 0


class Recorder(Forgetful):
    """Writes down what changes a file, in its order, before it does it."""

    def __init__(self, folder: str, log: Path) -> None:
        super().__init__(folder, lambda: (0, 0), None)
        self._log = log.open("ab")

    def _note(self, did: Did) -> None:
        pickle.dump(tuple(did), self._log)
        self._log.flush()

    def create(self, path: str, mode: int) -> int:
        self._note(Did("create", path))
        return super().create(path, mode)

    def unlink(self, path: str) -> None:
        self._note(Did("unlink", path))
        super().unlink(path)

    def truncate(self, path: str, length: int, handle: int | None = None) -> None:
        self._note(Did("truncate", path, at=length))
        super().truncate(path, length, handle)

    def write(self, path: str, data: bytes, offset: int, handle: int) -> int:
        self._note(Did("write", path, bytes(data), offset))
        return super().write(path, data, offset, handle)

    def fsync(self, path: str, data_only: int, handle: int) -> None:
        self._note(Did("fsync", path))
        super().fsync(path, data_only, handle)


def recorded(log: Path) -> list[Did]:
    """All that was done."""
    with log.open("rb") as file:
        return list(_loaded(file))


def _loaded(file: object) -> Iterator[Did]:
    while True:
        try:
            yield Did(*pickle.load(file))  # type: ignore[arg-type]  # noqa: S301 - our own
        except EOFError:
            return


class Plate:
    """What lies on the disk while the record is played: what was synced, and what was only written."""

    def __init__(self) -> None:
        self.synced: dict[str, bytearray] = {}
        self.written: dict[str, list[Did]] = {}

    def do(self, did: Did) -> None:
        """Play one step."""
        if did.what == "create":
            self.synced[did.path] = bytearray()
        elif did.what == "unlink":
            self.synced.pop(did.path, None)
            self.written.pop(did.path, None)
        elif did.what == "fsync":
            for one in self.written.pop(did.path, []):
                _apply(self.synced[did.path], one)
        else:
            self.written.setdefault(did.path, []).append(did)

    def after_a_cut(self, kept: str, last: Did | None, dice: random.Random) -> dict[str, bytes]:
        """The files as they are found: of what was not synced nothing is there, all, or some pages; of the `last`
        write, which was under way, the first bytes."""
        found = {}
        for path, synced in self.synced.items():
            file = bytearray(synced)
            for did in self.written.get(path, []):
                for part in _pages(did):
                    if kept == "all" or (kept == "some" and dice.random() < 0.5):
                        _apply(file, part)
            if last is not None and last.path == path and last.what == "write":
                _apply(file, last._replace(data=last.data[: dice.randrange(len(last.data) + 1)]))
            found[path] = bytes(file)
        return found


def _pages(did: Did) -> Iterator[Did]:
    if did.what == "truncate":
        yield did
        return
    begin = did.at
    while begin < did.at + len(did.data):
        end = min((begin // PAGE + 1) * PAGE, did.at + len(did.data))
        yield did._replace(data=did.data[begin - did.at : end - did.at], at=begin)
        begin = end


def _apply(file: bytearray, did: Did) -> None:
    if did.what == "truncate":
        del file[did.at :]
        file.extend(bytes(did.at - len(file)))
        return
    file.extend(bytes(max(0, did.at - len(file))))
    file[did.at : did.at + len(did.data)] = did.data


def main(folder: str, mount: str, log: Path) -> None:
    """Serve the file system until the process is killed."""
    import mfusepy

    class Served(Recorder, mfusepy.Operations):
        """What libfuse is given."""

    mfusepy.FUSE(
        Served(folder, log), mount, foreground=True, nothreads=True, fsname="recorded", kernel_cache=True,
        attr_timeout=1e6, entry_timeout=1e6,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
