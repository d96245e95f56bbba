"""Functions in processes of their own, and who ends when."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ndiyan.errors import WorkerFailed
from ndiyan.workers import Say, run_workers

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
PARENT = """
import threading
from ndiyan.workers import run_workers
from tests.ndiyan.test_workers import wait_to_be_stopped
if __name__ == "__main__":
    run_workers(wait_to_be_stopped, [1, 2], stop=threading.Event(), heard=lambda _, pid: print(pid, flush=True))
"""


def square(task: int, stop: threading.Event, say: Say) -> None:
    say(task**2)


def wait_to_be_stopped(task: int, stop: threading.Event, say: Say) -> None:
    say(os.getpid())
    stop.wait()
    say("stopped")


def fail_if_odd(task: int, stop: threading.Event, say: Say) -> None:
    say(os.getpid())
    if task % 2:
        sys.exit(3)
    stop.wait()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_each_task_is_worked_on_and_what_is_said_is_heard() -> None:
    heard: list[tuple[int, Any]] = []
    run_workers(square, [2, 3], stop=threading.Event(), heard=lambda number, said: heard.append((number, said)))
    assert sorted(heard) == [(0, 4), (1, 9)]


def test_workers_that_are_told_to_stop_have_a_last_word() -> None:
    heard: list[Any] = []
    stop = threading.Event()

    def hear(_: int, said: Any) -> None:
        heard.append(said)
        if len(heard) == 2:
            stop.set()

    run_workers(wait_to_be_stopped, [1, 2], stop=stop, heard=hear)
    assert heard[2:] == ["stopped", "stopped"]
    assert not any(is_alive(pid) for pid in heard[:2])


def test_one_that_ends_badly_ends_the_others() -> None:
    pids: dict[int, int] = {}
    with pytest.raises(WorkerFailed, match=r"process 2 of 2 ended with exit code 3; the others were ended"):
        run_workers(fail_if_odd, [0, 1], stop=threading.Event(), heard=pids.__setitem__)
    assert not any(is_alive(pid) for pid in pids.values())


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_when_their_parent_is_killed(ending: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(is_alive, pids))
        parent.send_signal(ending)
        parent.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, "a worker outlives its parent"
        time.sleep(0.02)
