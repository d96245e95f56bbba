"""Where a demo keeps its data: what lies where, that only one demo uses it, and when its platform time stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from gateway.clock import require_utc
from ndiyan.children import far_folder
from ndiyan.errors import StartRefused

FORMAT = 1  # of the folder's layout and of `demo.json`
OURS = ("postgres", "binaries", "broker", "secrets", "logs", "zones", "demo.json")
LONGEST_LOG_BYTES = 5_000_000


@dataclass(frozen=True, slots=True)
class DemoState:
    """What a second start must know. `platform_now` is where platform time stood when it was last written."""

    started_at: str
    platform_now: str
    seed: int
    postgres_port: int

    @property
    def now(self) -> datetime:
        """`platform_now` as a time."""
        return require_utc(datetime.fromisoformat(self.platform_now))


class DemoFolder:
    """The paths of one demo under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.secrets = self.root / "secrets"
        self.zones = self.root / "zones"  # outboxes of the simulated gateways and the state of their zones
        self._state_file = self.root / "demo.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other demos out of this folder while the body runs."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not (self.root / "lock").exists() and any(self.root.iterdir()):
                raise StartRefused(f"{self.root} is not empty and no demo's: choose another place with --data FOLDER")
            lock = (self.root / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise StartRefused(
                f"{self.root} cannot be written ({error.strerror}): choose another place with --data FOLDER"
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise StartRefused(
                    f"a demo (process {lock.read().strip() or '?'}) is already running in {self.root}:"
                    " stop it with Ctrl-C, or use another folder with --data FOLDER"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def clear(self) -> None:
        """Forget earlier demos: removes what is ours and nothing else."""
        for place in (self.root, far_folder(self.root)):
            for name in OURS:
                path = place / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            far_folder(self.root).rmdir()

    def prepare(self) -> None:
        """Make the folders; logs that grew long are begun anew, the old one kept beside."""
        for folder in (self.logs, self.secrets, self.zones):
            folder.mkdir(mode=0o700, exist_ok=True)
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LONGEST_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    def load_state(self) -> DemoState | None:
        """What the last demo left, None when it left nothing or did not get as far as running.

        Raises
        ------
        StartRefused : written by another version, or damaged
        """
        if not self._state_file.exists():
            return None
        try:
            kept = json.loads(self._state_file.read_text("utf-8"))
            if kept.pop("format") != FORMAT:
                raise ValueError("another format")
            state = DemoState(**kept)
            state.now  # noqa: B018  a time that cannot be read is found here
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StartRefused(
                f"{self._state_file} was written by another version or is damaged: start over with --fresh"
            ) from error
        return state

    def save_state(self, state: DemoState) -> None:
        """Replace the state in one step."""
        self.write_whole(self._state_file, json.dumps({"format": FORMAT, **asdict(state)}))

    @staticmethod
    def write_whole(file: Path, text: str) -> None:
        """Write a file of ours (0600) so that nobody ever reads half of it."""
        part = file.with_name(file.name + ".part")
        part.touch(mode=0o600)
        part.write_text(text, "utf-8")
        part.replace(file)
