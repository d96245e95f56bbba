"""Functions that work in processes of their own and end when we do, whatever ends us.

Each worker holds a pipe of which only we hold the other end: what it says comes through it, and when the pipe is closed
(also by kill -9 of us) it stops. `children.py` starts programs; a worker is given values that a command line cannot
carry.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ndiyan.errors import WorkerFailed

POLL_S = 0.2  # between two looks at `stop`
STOP_WITHIN_S = 10.0

Say = Callable[[Any], None]
Work = Callable[[Any, threading.Event, Say], None]
"""Called with (task, stop, say): works until done or until `stop` is set, and may `say` how far it is."""


@dataclass(frozen=True, slots=True)
class _Worker:
    number: int
    process: BaseProcess
    pipe: Connection


def run_workers(work: Work, tasks: Sequence[Any], *, stop: threading.Event, heard: Callable[[int, Any], None]) -> None:
    """Run `work` on each task in a process of its own until all are done, or `stop` is set.

    Parameters
    ----------
    work : a function of a module; it and the tasks are pickled
    heard : called with the number of a task and what its worker said

    Raises
    ------
    WorkerFailed : one ended badly, and so the others were ended too
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    workers: list[_Worker] = []
    try:
        with _without_interrupts():
            for number, task in enumerate(tasks):
                ours, theirs = context.Pipe()
                process = context.Process(target=_work, args=(work, task, theirs), daemon=True)
                process.start()
                theirs.close()
                workers.append(_Worker(number, process, ours))
        _listen(workers, stop, heard)
    finally:
        for worker in workers:
            worker.pipe.close()
        deadline = time.monotonic() + STOP_WITHIN_S
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _listen(workers: Sequence[_Worker], stop: threading.Event, heard: Callable[[int, Any], None]) -> None:
    """Hand on what workers say until the last one is done, or `stop` is set and they had time for a last word."""
    working, deadline = list(workers), math.inf
    while working and time.monotonic() < deadline:
        ready = wait([worker.pipe for worker in working], timeout=POLL_S)
        for worker in [one for one in working if one.pipe in ready]:
            try:
                heard(worker.number, worker.pipe.recv())
            except (EOFError, OSError):
                working.remove(worker)
                worker.process.join(STOP_WITHIN_S)  # its end of the pipe closes a little before it ends
                code = worker.process.exitcode
                if code != 0 and not stop.is_set():
                    raise WorkerFailed(
                        f"process {worker.number + 1} of {len(workers)} ended with exit code {code};"
                        " the others were ended"
                    ) from None
        if stop.is_set() and deadline == math.inf:
            deadline = time.monotonic() + STOP_WITHIN_S
            for worker in working:
                with contextlib.suppress(OSError):
                    worker.pipe.send("stop")


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started here never hear Ctrl-C, which a terminal sends to all of a group: we tell them to stop."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(work: Work, task: Any, pipe: Connection) -> None:
    """What a worker's process does."""
    stop = threading.Event()
    threading.Thread(target=_wait_for_end, args=(pipe, stop), daemon=True).start()

    def say(what: Any) -> None:
        with contextlib.suppress(OSError):  # nobody is there any more, so `stop` is about to be set
            pipe.send(what)

    work(task, stop, say)


def _wait_for_end(pipe: Connection, stop: threading.Event) -> None:
    with contextlib.suppress(EOFError, OSError):
        pipe.recv()
    stop.set()
