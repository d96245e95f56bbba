"""Work in the background, one piece at a time: a page must not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class InTurn:
    """Does `work` on what it is given, by number, as soon as that before is done. A process that ends leaves it
    interrupted. `work` keeps whatever goes wrong with what it works on."""

    def __init__(self, name: str, work: Callable[[int], None]) -> None:
        self._name, self._work = name, work
        self._asked: SimpleQueue[int] = SimpleQueue()
        self._starting = threading.Lock()
        self._worker: threading.Thread | None = None

    def start(self, number: int) -> None:
        """Begin with this one, as soon as those before are done."""
        self._asked.put(number)
        with self._starting:
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(target=self._work_on, name=self._name, daemon=True)
                self._worker.start()

    def _work_on(self) -> None:
        while True:
            self._work(self._asked.get())
