"""A file system that forgets what was not synced, and the disk made of it whose power can be cut.

What was synced lies in an ordinary folder; what was only written is in the memory of one process, and so `kill -9` of
that process is the power cut. A torn disk hands each page that is written to the folder at once with an even chance,
as a kernel may: after the cut a random half of the unsynced pages is there, and of a file that grew, holes.

Kinder than a real disk in one point: names (creation, renaming, removal) and the shortening of a file last at once.
Usage: python -m tests.scenarios.powercut_fs FOLDER MOUNT SEED TORN, TORN being 0 or 1; runs until it is killed.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ndiyan.children import spawn

PAGE = 4096
MOUNT_TIMEOUT_S = 10.0
NEVER_S = 1e6  # for how long the kernel may remember names and sizes: nobody else changes them
STAT = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
STATVFS = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")


class NoFuse(Exception):
    """This machine cannot mount a file system of ours."""


class Disk:
    """A disk on `folder/disk`: `plate` is what lasts, `mount` is where programs see it while it has power."""

    def __init__(self, folder: Path) -> None:
        self.plate, self.path, self._log = folder / "plate", folder / "disk", folder / "disk.log"
        self.is_torn = False
        self._process: subprocess.Popen[bytes] | None = None
        for place in (self.plate, self.path):
            place.mkdir(mode=0o711, parents=True)

    def mount(self, *, seed: int, is_torn: bool) -> None:
        """Give it power.

        Raises
        ------
        NoFuse : the kernel, the library or a permission is missing
        """
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise NoFuse("/dev/fuse is not here or not ours")
        if shutil.which("fusermount3") is None or importlib.util.find_spec("mfusepy") is None:
            raise NoFuse("apt-get install fuse3, pip install mfusepy")
        self.is_torn = is_torn
        self._process = spawn(
            [sys.executable, __file__, self.plate, self.path, str(seed), str(int(is_torn))], log=self._log,
            env={**os.environ, "FUSE_LIBRARY_NAME": "fuse3", "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        end_s = time.monotonic() + MOUNT_TIMEOUT_S
        while not self.path.is_mount():
            if self._process.poll() is not None or time.monotonic() > end_s:
                self.cut()
                raise NoFuse(self._log.read_text("utf-8", "replace").strip().rpartition("\n")[2])
            time.sleep(0.01)

    def cut(self) -> None:
        """Cut the power: what was not synced is gone, and so is the mount. Without power nothing happens."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            # Lazily, so that a program which still has it open cannot hold it.
            subprocess.run(["fusermount3", "-u", "-z", "-q", self.path], check=False)


class Unsynced:
    """What a file has in memory alone: its size, and its pages by number."""

    __slots__ = ("pages", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.pages: dict[int, bytes] = {}


class Forgetful:
    """The operations of the file system, by path: libfuse calls one at a time and renames what is removed while open.

    Parameters
    ----------
    folder : what lasts
    caller : tells who asks, as (user id, group id)
    dice : draws which pages last at once; None for none
    """

    use_ns = True

    def __init__(self, folder: str, caller: Callable[[], tuple[int, int]], dice: random.Random | None) -> None:
        self._folder, self._caller, self._dice = folder, caller, dice
        self._unsynced: dict[str, Unsynced] = {}

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        found = os.lstat(self._folder + path)
        attributes = {name: getattr(found, name) for name in STAT}
        attributes |= {f"st_{name}time": getattr(found, f"st_{name}time_ns") for name in "amc"}
        if path in self._unsynced:
            attributes["st_size"] = self._unsynced[path].size
        return attributes

    def readdir(self, path: str, _handle: int) -> list[str]:
        return [".", "..", *os.listdir(self._folder + path)]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._folder + path)
        return {name: getattr(found, name) for name in STATVFS}

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._folder + path, mode)
        os.chown(self._folder + path, *self._caller())

    def rmdir(self, path: str) -> None:
        os.rmdir(self._folder + path)

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._folder + path, mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._folder + path, uid, gid)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(self._folder + path, ns=times)

    def rename(self, old: str, new: str) -> None:
        os.rename(self._folder + old, self._folder + new)
        self._unsynced.pop(new, None)
        for path in [path for path in self._unsynced if path == old or path.startswith(f"{old}/")]:
            self._unsynced[new + path[len(old) :]] = self._unsynced.pop(path)

    def unlink(self, path: str) -> None:
        os.unlink(self._folder + path)
        self._unsynced.pop(path, None)

    def create(self, path: str, mode: int) -> int:
        os.close(os.open(self._folder + path, os.O_CREAT | os.O_EXCL, mode))
        os.chown(self._folder + path, *self._caller())
        return 0

    def open(self, path: str, flags: int) -> int:
        if flags & os.O_TRUNC:
            self.truncate(path, 0)
        return 0

    def truncate(self, path: str, length: int, _handle: int | None = None) -> None:
        file = self._of(path)
        if length < file.size:
            lasting = os.stat(self._folder + path).st_size
            os.truncate(self._folder + path, min(length, lasting))
            last, rest = divmod(length, PAGE)
            file.pages = {n: page for n, page in file.pages.items() if n < last + (rest > 0)}
            if last in file.pages:
                file.pages[last] = file.pages[last][:rest]
        file.size = length

    def read(self, path: str, size: int, offset: int, _handle: int) -> bytes:
        fd = os.open(self._folder + path, os.O_RDONLY)
        try:
            lasting = os.pread(fd, size, offset)
        finally:
            os.close(fd)
        file = self._unsynced.get(path)
        if file is None:
            return lasting
        data = bytearray(lasting.ljust(max(0, min(size, file.size - offset)), b"\0"))
        for number in range(offset // PAGE, (offset + len(data) + PAGE - 1) // PAGE):
            if (page := file.pages.get(number)) is not None:
                at = number * PAGE - offset
                part = page[max(0, -at) : len(data) - at]
                data[max(0, at) : max(0, at) + len(part)] = part
        return bytes(data)

    def write(self, path: str, data: bytes, offset: int, _handle: int) -> int:
        file = self._of(path)
        begin, end = offset, offset + len(data)
        file.size = max(file.size, end)
        for number in range(begin // PAGE, (end + PAGE - 1) // PAGE):
            at = number * PAGE - begin
            part = data[max(0, at) : at + PAGE]
            if len(part) < PAGE:
                part = self._merged(path, file, number, part, max(0, -at))
            file.pages[number] = part
        if self._dice is not None:
            lucky = [n for n in range(begin // PAGE, (end + PAGE - 1) // PAGE) if self._dice.random() < 0.5]
            self._keep(path, {number: file.pages.pop(number) for number in lucky})
        return len(data)

    def fsync(self, path: str, _data_only: int, _handle: int) -> None:
        if (file := self._unsynced.get(path)) is not None:
            self._keep(path, file.pages)
            os.truncate(self._folder + path, file.size)
            del self._unsynced[path]

    def _of(self, path: str) -> Unsynced:
        if path not in self._unsynced:
            self._unsynced[path] = Unsynced(os.stat(self._folder + path).st_size)
        return self._unsynced[path]

    def _merged(self, path: str, file: Unsynced, number: int, part: bytes, at: int) -> bytes:
        """The page with `part` written at `at` into it."""
        page = file.pages.get(number)
        if page is None:
            with open(self._folder + path, "rb") as lasting:
                page = os.pread(lasting.fileno(), PAGE, number * PAGE)
        return page[:at].ljust(at, b"\0") + part + page[at + len(part) :]

    def _keep(self, path: str, pages: dict[int, bytes]) -> None:
        fd = os.open(self._folder + path, os.O_WRONLY)
        try:
            for number, page in pages.items():
                os.pwrite(fd, page, number * PAGE)
        finally:
            os.close(fd)


def main(folder: Path, mount: Path, seed: int, is_torn: bool) -> None:
    """Serve the file system until the process is killed."""
    import mfusepy

    class Served(Forgetful, mfusepy.Operations):
        """What libfuse is given."""

    for orphan in folder.rglob(".fuse_hidden*"):  # was removed while it was open, when the power was cut
        orphan.unlink()
    is_root = os.geteuid() == 0
    mfusepy.FUSE(
        Served(str(folder), lambda: mfusepy.fuse_get_context()[:2], random.Random(seed) if is_torn else None),
        str(mount), foreground=True, nothreads=True, default_permissions=True, fsname="powercut",
        allow_other=is_root, kernel_cache=True, attr_timeout=NEVER_S, entry_timeout=NEVER_S,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1")
