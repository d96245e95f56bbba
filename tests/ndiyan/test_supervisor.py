"""The supervisor with real children: what ends is started again, and nothing outlives us."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ndiyan.children import LENT_PORTS, free_port
from ndiyan.supervisor import Program, Supervisor, until_interrupted

PATIENCE_S = 10.0
SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def program(folder: Path, code: str, name: str = "child") -> Program:
    return Program(name, [sys.executable, "-c", code], log=folder / f"{name}.log")


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Supervisor:
    return Supervisor(say=said.append)


def test_a_child_that_was_killed_is_started_again(tmp_path: Path, supervisor: Supervisor, said: list[str]) -> None:
    child = program(tmp_path, SLEEPER)
    supervisor.start(child)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def is_back() -> bool:
        supervisor.watch()
        return child.pid != first and child.poll() is None

    wait_until(is_back)
    assert said == [f"child ended (signal SIGKILL, see {child.log}); starting it again in 0.5 s"]
    supervisor.stop()


def test_a_child_that_keeps_failing_is_started_less_and_less_often(
    tmp_path: Path, supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(program(tmp_path, "raise SystemExit(3)"))

    def has_ended_twice() -> bool:
        supervisor.watch()
        return len(said) == 2

    wait_until(has_ended_twice)
    assert [line.rsplit(" in ")[1] for line in said] == ["0.5 s", "1 s"]
    assert "exit code 3" in said[0]
    supervisor.stop()


def test_groups_stop_in_reverse_order_and_a_stubborn_child_is_killed(tmp_path: Path, supervisor: Supervisor) -> None:
    note = tmp_path / "order"
    polite = (
        "import signal, sys, time\n"
        "def end(*_):\n open({note!r}, 'a').write({name!r} + ' '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('up', flush=True); time.sleep(600)"
    )
    store, reader = (program(tmp_path, polite.format(note=str(note), name=name), name) for name in ("store", "reader"))
    stubborn = program(tmp_path, STUBBORN, "stubborn")
    supervisor.start(store)
    supervisor.start(reader, stubborn)
    wait_until(
        lambda: all(child.log.exists() and b"up" in child.log.read_bytes() for child in (store, reader, stubborn))
    )
    started = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - started < 5
    assert note.read_text("utf-8").split() == ["reader", "store"]
    assert stubborn.poll() == -signal.SIGKILL


def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    parent_code = (
        "import sys, time; from pathlib import Path; from ndiyan.supervisor import Program, Supervisor\n"
        f"child = Program('child', [sys.executable, '-c', {SLEEPER!r}], log=Path({str(tmp_path / 'c.log')!r}))\n"
        "Supervisor().start(child); print(child.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_running(child))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name)
def test_an_interrupt_ends_the_body_and_lets_its_finally_run(ending: signal.Signals) -> None:
    steps = []
    with until_interrupted():
        try:
            signal.raise_signal(ending)
            time.sleep(PATIENCE_S)
            steps.append("not interrupted")
        finally:
            signal.raise_signal(ending)  # an impatient second one
            steps.append("cleaned up")
    assert steps == ["cleaned up"]


def test_a_server_gets_no_port_that_the_kernel_may_lend_to_a_connection_while_it_is_down() -> None:
    first_lent = int(LENT_PORTS.read_text("ascii").split()[0])
    assert all(1024 < free_port() < first_lent for _ in range(1000))


def test_a_wanted_port_is_kept_unless_somebody_listens_there() -> None:
    wanted = free_port()
    assert free_port(wanted) == wanted
    with socket.create_server(("127.0.0.1", wanted)):
        assert free_port(wanted) != wanted
