"""Long steps on the terminal: a line for each, a bar with rate and time left for those that can tell how far they are.

On a terminal only; elsewhere each step is one plain line when it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} {task.fields['unit']}/s")


class Steps:
    """Tells each step on `console`."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step of a second or so."""
        started_s = time.monotonic()
        with self._console.status(f"{name} …") if self._console.is_terminal else _nothing():
            yield
        self._done(name, started_s)

    @contextmanager
    def bar(self, name: str, *, unit: str) -> Iterator[Callable[[int, int], None]]:
        """A longer step; the body calls what it is given with (done, total) in `unit`."""
        started_s = time.monotonic()
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
            _Rate(), TimeRemainingColumn(),
        )  # fmt: skip
        progress = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        with progress:
            task = progress.add_task(name, total=None, unit=unit)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        self._done(name, started_s)

    def _done(self, name: str, started_s: float) -> None:
        self._console.print(f"  {name}: {time.monotonic() - started_s:.1f} s", markup=False)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
