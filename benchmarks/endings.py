"""A long run that is to end before it is through still says what it came to."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from types import FrameType
from typing import ParamSpec, TypeVar

P, T = ParamSpec("P"), TypeVar("T")
SAID = b"\nthis one to its end, then what was done is judged (the same signal once more: at once)\n"


class Ending:
    """SIGTERM or Ctrl-C asks for it, or the time is over: what has begun is done to its end, and nothing more begins.

    Whoever asks twice does not wait; what was started is ended all the same.
    """

    def __init__(self, minutes: float | None = None) -> None:
        self._until_s = float("inf") if minutes is None else time.monotonic() + minutes * 60
        self._is_asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    @property
    def has_come(self) -> bool:
        """Whether nothing more is to begin."""
        return self._is_asked or time.monotonic() >= self._until_s

    def cuts(self, plan: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
        """The plan, which ends early when the time has come."""

        def shorter(*arguments: P.args, **named: P.kwargs) -> Iterator[T]:
            return takewhile(lambda _: not self.has_come, plan(*arguments, **named))

        return shorter

    def _ask(self, number: int, _: FrameType | None) -> None:
        if self._is_asked:
            sys.exit(128 + number)
        self._is_asked = True
        os.write(sys.stderr.fileno(), SAID)  # `print` may just be at work
