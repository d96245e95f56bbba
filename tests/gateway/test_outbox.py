"""The outbox: durable on return, forgets only what was confirmed, and a lost file cannot pass for another."""

import os
import signal
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.model import AssetId, Reading
from gateway.outbox import START, Outbox

NOON = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)


def readings(count: int, first: float = 0.0) -> list[Reading]:
    return [Reading(AssetId("tower"), "level_m", NOON, first + n) for n in range(count)]


def values(outbox: Outbox, limit: int = 1000) -> list[float]:
    return [entry.reading.value for _, group in outbox.peek(limit)[0] for entry in group]


@pytest.fixture
def open_outbox() -> Iterator[Callable[[Path], Outbox]]:
    """Opens outboxes, and closes them when the test is over."""
    with ExitStack() as opened:

        def open_one(path: Path) -> Outbox:
            outbox = Outbox(path)
            opened.callback(outbox.close)
            return outbox

        yield open_one


def test_readings_wait_in_order_until_they_are_confirmed(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    assert outbox.append(readings(3), uptime_s=1.0) == range(1, 4)
    assert values(outbox) == [0, 1, 2]
    assert outbox.confirm(outbox.boot, [(1, 1), (3, 3)]) == 2
    assert values(outbox) == [1]
    assert outbox.confirm(outbox.boot, [(1, 3)]) == 1
    assert outbox.depth() == 0


def test_a_new_boot_goes_on_with_what_the_last_one_left(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    first = open_outbox(tmp_path / "outbox.db")
    first.append(readings(2), uptime_s=1.0)
    first.close()
    second = open_outbox(tmp_path / "outbox.db")
    assert second.boot != first.boot
    assert second.append(readings(1, 10), uptime_s=0.1) == range(1, 2)
    groups, _ = second.peek(10)
    assert [(boot, [entry.seq for entry in group]) for boot, group in groups] == [
        (first.boot, [1, 2]),
        (second.boot, [1]),
    ]
    assert second.confirm(second.boot, [(1, 2)]) == 1, "a confirmation of one boot says nothing about another"
    assert values(second) == [0, 1]


def test_reading_on_from_a_place_skips_what_was_sent(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    outbox.append(readings(5), uptime_s=1.0)
    _, place = outbox.peek(2)
    assert [e.seq for _, group in outbox.peek(10, after=place)[0] for e in group] == [3, 4, 5]
    assert outbox.depth(until=place) == 2
    assert outbox.peek(10, after=START)[0][0][1][0].seq == 1


def test_a_damaged_file_is_moved_aside_and_never_deleted(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this was a database before the lightning" * 200)
    outbox = open_outbox(path)
    assert outbox.depth() == 0
    (aside,) = tmp_path.glob("outbox.db.damaged-*")
    assert aside.read_bytes().startswith(b"this was a database")


def test_kill_9_while_appending_loses_nothing_that_append_returned(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from gateway.model import Reading; from gateway.outbox import Outbox\n"
        "box = Outbox(Path(sys.argv[1])); n = 0\n"
        "while True:\n"
        "    box.append([Reading('tower', 'level_m', datetime(2026, 1, 1, tzinfo=UTC), float(n))], uptime_s=1.0)\n"
        "    n += 1; print(n, flush=True)\n"
    )
    taken = 0
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "o.db")], stdout=subprocess.PIPE)
        assert child.stdout is not None
        for _ in range(20):
            line = child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        rest = child.stdout.read().splitlines()
        child.wait()
        child.stdout.close()
        taken += int((rest or [line])[-1])
        outbox = open_outbox(tmp_path / "o.db")
        assert taken <= outbox.depth() <= taken + 1, "one more may be durable whose return was not printed"
        taken = outbox.depth()
        outbox.close()


class OutboxAgainstAModel(RuleBasedStateMachine):
    """Random appends, confirmations and restarts; the model is an ordered dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "outbox.db"
        self.outbox = Outbox(self.path)
        self.model: OrderedDict[tuple[str, int], float] = OrderedDict()
        self.count = 0

    @rule(size=st.integers(1, 4))
    def append(self, size: int) -> None:
        taken = self.outbox.append(readings(size, self.count), uptime_s=1.0)
        for n, seq in enumerate(taken):
            self.model[self.outbox.boot, seq] = self.count + n
        self.count += size

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        boot, low = data.draw(st.sampled_from(list(self.model)))
        high = low + data.draw(st.integers(0, 3))
        gone = [key for key in self.model if key[0] == boot and low <= key[1] <= high]
        assert self.outbox.confirm(boot, [(low, high)]) == len(gone)
        for key in gone:
            del self.model[key]

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path)

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert values(self.outbox) == list(self.model.values())
        assert self.outbox.depth() == len(self.model)

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()


OutboxAgainstAModel.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
test_outbox_equals_its_model = OutboxAgainstAModel.TestCase
