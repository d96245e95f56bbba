"""Keeps children running: starts them in order, starts again what ended, stops all in reverse order within 5 s."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ndiyan.children import Child, spawn
from ndiyan.errors import NdiyanError

log = logging.getLogger(__name__)

BACK_OFF_S = (0.5, 15.0)  # first and longest wait before a child is started again
STEADY_S = 60.0  # a child that lived this long starts again with the first wait
STOP_WITHIN_S = 4.5  # all groups together
POLL_S = 0.1
ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Program:
    """A command as a child with a log of its own; `env` is added to our environment."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, once it was started."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; returns at once."""
        self._process = spawn(self._argv, log=self.log, env=self._env)

    def poll(self) -> int | None:
        """None while it lives, else its exit code."""
        return -1 if self._process is None else self._process.poll()

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def service(*words: str, log: Path, env: Mapping[str, str] | None = None, name: str | None = None) -> Program:
    """One of our own commands, for example `service("ingest", …)`; its `name` is else the first word.

    `-P`: a folder that is called like one of our packages, where somebody happens to stand, must not be taken for it.
    """
    return Program(name or words[0], [sys.executable, "-P", "-m", "ndiyan", *words], log=log, env=env)


@dataclass(slots=True)
class _Watched:
    child: Child
    is_once: bool
    started_s: float = 0.0
    wait_s: float = field(default=BACK_OFF_S[0])
    start_again_s: float | None = None


class Supervisor:
    """Looks after children that were added group by group; use it from the main thread only.

    The kernel ends our children when the thread that started them ends, so that thread must be the one that stays.
    """

    def __init__(self, *, say: Callable[[str], None] = log.warning) -> None:
        self._groups: list[list[_Watched]] = []
        self._say = say

    def start(self, *children: Child, once: bool = False) -> None:
        """Start these together; they are stopped together, before those that were started earlier.

        What is to run `once` is not started again when it has ended well.
        """
        group: list[_Watched] = []
        self._groups.append(group)
        for child in children:
            child.start()
            group.append(_Watched(child, once, started_s=time.monotonic()))

    def watch(self) -> None:
        """Look once whether all live; start again, after a growing wait, what has ended."""
        for group in self._groups:
            for watched in group:
                self._watch_one(watched)

    def run(self, each_round: Callable[[], None] = lambda: None) -> None:
        """Watch for ever (until an interrupt), calling `each_round` between two looks."""
        while True:
            self.watch()
            each_round()
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop the last group first; a child that does not end in its share of the time is killed."""
        deadline = time.monotonic() + STOP_WITHIN_S
        while self._groups:
            share_s = (deadline - time.monotonic()) / len(self._groups)
            group = [watched.child for watched in self._groups.pop()]
            for child in group:
                child.ask_to_stop()
            group_deadline = time.monotonic() + max(0.2, share_s)
            while any(child.poll() is None for child in group) and time.monotonic() < group_deadline:
                time.sleep(0.02)
            for child in group:
                if child.poll() is None:
                    log.warning("%s did not stop in time and was killed", child.name)
                    child.kill()

    def _watch_one(self, watched: _Watched) -> None:
        now_s, child = time.monotonic(), watched.child
        if watched.start_again_s is None:
            code = child.poll()
            if code is None or (code == 0 and watched.is_once):
                return
            if now_s - watched.started_s > STEADY_S:
                watched.wait_s = BACK_OFF_S[0]
            self._say(
                f"{child.name} ended ({_ending(code)}, see {child.log}); starting it again in {watched.wait_s:g} s"
            )
            watched.start_again_s = now_s + watched.wait_s
            watched.wait_s = min(2 * watched.wait_s, BACK_OFF_S[1])
        elif now_s >= watched.start_again_s:
            watched.start_again_s, watched.started_s = None, now_s
            try:
                child.start()
            except NdiyanError as error:
                self._say(str(error))


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Run a body until Ctrl-C, SIGTERM or SIGHUP ends it quietly; what its `finally` blocks do is not cut short."""
    try:
        with tidied_up():
            yield
    except KeyboardInterrupt:
        log.debug("interrupted")


@contextmanager
def tidied_up() -> Iterator[None]:
    """Have SIGTERM and SIGHUP (a lost link) interrupt a body as Ctrl-C does; its `finally` blocks are not cut short."""
    before = {ending: signal.signal(ending, _interrupt) for ending in ENDINGS}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # a second Ctrl-C must not leave servers behind
    raise KeyboardInterrupt


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
