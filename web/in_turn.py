"""Work in the background, one piece at a time: a page must not wait for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Self

log = logging.getLogger(__name__)

LOOK_EVERY_S = 30.0


class InTurn:
    """Does `work` on what it is given, by number, as soon as that before is done, from entry to exit.

    Parameters
    ----------
    work : keeps whatever goes wrong with what it works on
    left : what was asked for and interrupted, by a process that ended or a database that was away; it is taken up again
    look_every_s : how often `left` is asked when there is nothing to do
    """

    def __init__(
        self,
        name: str,
        work: Callable[[int], None],
        *,
        left: Callable[[], Iterable[int]] = tuple,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._work, self._left, self._look_every_s = work, left, look_every_s
        self._asked: SimpleQueue[int | None] = SimpleQueue()
        self._worker = threading.Thread(target=self._work_on, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.put(None)

    def start(self, number: int) -> None:
        """Begin with this one, as soon as those before are done."""
        self._asked.put(number)

    def _work_on(self) -> None:
        for number in self._numbers():
            try:
                self._work(number)
            except Exception:  # the next is none of its business
                log.exception("%s: %s was not done", self._worker.name, number)

    def _numbers(self) -> Iterator[int]:
        while True:
            try:
                number = self._asked.get(timeout=self._look_every_s)
            except Empty:
                yield from self._left()
                continue
            if number is None:
                return
            yield number
