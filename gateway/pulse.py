"""Whether the loops of a service turn: what systemd is told of a program with several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from gateway.health import Watchdog

LOOK_EVERY_S = 5.0


class Loop:
    """One of a service's loops. `waits` tells, in any thread, whether it waits for an answer of the database."""

    def __init__(self, name: str, waits: Callable[[], bool] = lambda: False) -> None:
        self.name, self.waits = name, waits
        self.has_turned = False  # since systemd was told

    def turned(self) -> None:
        """Once more round."""
        self.has_turned = True


class Pulse:
    """Tells systemd that the service lives, each time that all of its loops have turned since it was told.

    Who waits for the database counts as turning, however long that takes: a lock, a slow disk, a server that hangs. A
    new start would ask the same again, from the beginning. What is found is a loop that hangs on its own account.
    """

    def __init__(self, watchdog: Watchdog, *loops: Loop) -> None:
        self._watchdog, self._loops = watchdog, list(loops)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look_for_ever, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._watchdog.ready()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def watching(self, loop: Loop) -> Iterator[None]:
        """This loop has to turn as well, for as long as the body runs."""
        self._loops.append(loop)
        try:
            yield
        finally:
            self._loops.remove(loop)

    def look(self) -> None:
        """Tell systemd, unless a loop has not turned."""
        loops = list(self._loops)
        waiting = [loop.name for loop in loops if not loop.has_turned and loop.waits()]
        if all(loop.has_turned or loop.name in waiting for loop in loops):
            for loop in loops:
                loop.has_turned = False
            self._watchdog.alive(f"waits for the database: {', '.join(waiting)}" if waiting else "all loops turn")

    def _look_for_ever(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self.look()
