"""The outbox: durable on return, forgets only what was confirmed, and a lost file cannot pass for another."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import OutboxFull, OutboxUnavailable
from gateway.model import AssetId, Reading
from gateway.outbox import RESERVE_BYTES, START, Outbox

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


def test_of_the_newest_readings_the_last_of_each_channel_tells_how_it_stands_now(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    outbox.append(readings(5), uptime_s=1.0)
    outbox.append([Reading(AssetId("pump"), "power_w", NOON, 700.0)], uptime_s=2.0)
    outbox.append(readings(1, 9), uptime_s=3.0)
    ((boot, newest),) = outbox.newest(100)
    assert (boot, [entry.reading.value for entry in newest]) == (outbox.boot, [700.0, 9.0])
    assert outbox.end() == (1, 7)


def hours_of(outbox: Outbox, days: int) -> None:
    """A level every five minutes for some days from noon on."""
    for day in range(days):
        at = [NOON + timedelta(days=day, minutes=5 * n) for n in range(288)]
        taken = [Reading(AssetId("tower"), "level_m", moment, float(n)) for n, moment in enumerate(at)]
        outbox.append(taken, uptime_s=[86_400.0 * day + 300.0 * n for n in range(288)])


def test_a_full_outbox_thins_the_oldest_to_one_an_hour_and_says_so(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    hours_of(outbox, 4)
    assert outbox.thin(before=NOON + timedelta(days=1), most=10_000) == 288 - 25, "25 hours of the clock are touched"
    assert outbox.depth() == 3 * 288 + 25
    assert outbox.account() == {"taken": 1152, "confirmed": 0, "thinned": 263, "waiting": 889}
    (note,) = outbox.notes()
    assert (note.readings, note.first_at, note.last_at) == (263, NOON, NOON + timedelta(days=1, minutes=-5))
    assert values(outbox, 2) == [1.0, 13.0], "the last of each hour: 12:55, 13:55"


def test_the_numbers_that_were_thinned_away_are_kept_for_ingest_until_it_confirms_them(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    path = tmp_path / "outbox.db"
    first = open_outbox(path)
    hours_of(first, 2)
    first.thin(before=NOON + timedelta(days=1), most=10_000)
    first.close()  # killed before anything was declared

    second = open_outbox(path)
    boot, ranges = second.undeclared(100) or ("", [])
    # Of each hour its last one stays: 12:55 is number 2, 13:55 number 14 … 11:55 number 278, and 12:45 number 288.
    assert (boot, ranges[:2], ranges[-1]) == (first.boot, [(1, 1), (3, 13)], (279, 287))
    assert sum(high - low + 1 for low, high in ranges) == second.account()["thinned"]
    assert second.undeclared(2) == (first.boot, ranges[:2])
    second.confirm(first.boot, [(1, 9)])  # an answer for readings that were on their way when they were thinned
    assert second.undeclared(1) == (first.boot, [(3, 13)]), "half of a range is not confirmed"
    second.confirm(first.boot, [(1, 279), (280, 288)])
    assert second.undeclared(100) == (first.boot, [(279, 287)])
    second.confirm(first.boot, [(270, 290)])
    assert second.undeclared(100) is None


def test_what_is_thin_already_is_not_thinned_again(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    hours_of(outbox, 2)
    outbox.thin(before=NOON + timedelta(days=1), most=10_000)
    assert outbox.thin(before=NOON + timedelta(days=1), most=10_000) == 0
    assert outbox.thin(before=None, most=10_000) == 0, "nothing is beyond the bound, and the date is not known"


def test_a_backlog_after_another_that_was_thinned_and_sent_is_thinned_as_well(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    path = tmp_path / "outbox.db"
    first = open_outbox(path)
    hours_of(first, 1)
    first.thin(before=NOON + timedelta(days=1), most=10_000)
    first.confirm(first.boot, [(1, 288)])
    first.close()
    second = open_outbox(path)
    hours_of(second, 1)
    assert second.thin(before=NOON + timedelta(days=1), most=10_000) == 263
    assert sum(note.readings for note in second.notes()) == 526


def test_more_readings_than_the_bound_are_thinned_from_the_oldest_on(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    hours_of(outbox, 4)
    outbox.thin(before=None, most=600)
    assert outbox.depth() <= 600
    assert values(outbox, 1000)[-288:] == [float(n) for n in range(288)], "the newest day is whole"
    account = outbox.account()
    assert account["taken"] == account["thinned"] + account["waiting"] == 1152


def test_a_full_disk_is_made_room_on_by_thinning_the_oldest(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = open_outbox(tmp_path / "outbox.db")
    hours_of(outbox, 4)
    monkeypatch.setattr(Outbox, "_disk_bytes", lambda _: RESERVE_BYTES - 4096)
    with pytest.raises(OutboxFull, match="less than 5 MB are left on disk"):
        outbox.append(readings(1), uptime_s=1.0)
    outbox.thin(before=None, most=outbox.depth() // 2)
    outbox.append(readings(1), uptime_s=1.0)  # in the pages that became free
    account = outbox.account()
    assert account["taken"] == account["thinned"] + account["waiting"] == 4 * 288 + 1


def test_what_is_kept_lasts_with_the_readings(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    path = tmp_path / "outbox.db"
    first = open_outbox(path)
    first.append(readings(1), uptime_s=1.0, kept={"count:pump/volume_m3": "[1042, 42]"})
    first.close()
    assert open_outbox(path).kept("count:") == {"count:pump/volume_m3": "[1042, 42]"}


def test_a_damaged_file_is_moved_aside_and_never_deleted(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this was a database before the lightning" * 200)
    outbox = open_outbox(path)
    assert outbox.depth() == 0
    (aside,) = tmp_path.glob("outbox.db.damaged-*")
    assert aside.read_bytes().startswith(b"this was a database")


def test_a_damaged_file_takes_its_log_of_changes_along_in_which_the_last_readings_are(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    living = open_outbox(tmp_path / "living.db")
    living.append(readings(500), uptime_s=1.0)
    with closing(sqlite3.connect(living.path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    living.append(readings(1, 500), uptime_s=2.0)
    path = tmp_path / "outbox.db"
    for suffix in ("", "-wal", "-shm"):  # as kill -9 leaves them
        shutil.copy(tmp_path / f"living.db{suffix}", tmp_path / f"outbox.db{suffix}")
    header, log = path.read_bytes()[:180], (tmp_path / "outbox.db-wal").read_bytes()
    with path.open("r+b") as file:
        file.write(b"lightning" * 20)
    assert open_outbox(path).depth() == 0

    (aside,) = tmp_path.glob("outbox.db.damaged-??????")
    assert aside.with_name(f"{aside.name}-wal").read_bytes() == log
    with aside.open("r+b") as file:
        file.write(header)
    with closing(sqlite3.connect(aside)) as mended:
        assert mended.execute("SELECT count(*) FROM queued").fetchone() == (501,), "whoever mends it has all of them"


def test_a_file_that_another_program_holds_is_left_alone_and_opens_when_it_is_free(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    first = open_outbox(path)
    first.append(readings(50), uptime_s=1.0)
    first.close()
    monkeypatch.setattr("gateway.outbox.LOCK_WAIT_S", 0.01, raising=False)
    with closing(sqlite3.connect(path)) as backup:
        backup.execute("PRAGMA locking_mode=EXCLUSIVE")
        backup.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutboxUnavailable, match=r"outbox\.db cannot be opened now, try again: database is locked"):
            open_outbox(path)
    assert open_outbox(path).depth() == 50
    assert list(tmp_path.glob("*damaged*")) == []


@pytest.mark.parametrize(
    ("verdict", "is_moved"),
    [
        pytest.param(
            "*** in database main ***\nTree 2 page 5: unable to get the page. error code=266", False, id="EIO"
        ),
        pytest.param("*** in database main ***\nTree 2 page 5: unable to get the page. error code=11", True, id="bad"),
        pytest.param("*** in database main ***\nPage 3: never used", True, id="inconsistent"),
    ],
)
def test_a_page_that_the_disk_does_not_give_is_no_damaged_page(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox], monkeypatch: pytest.MonkeyPatch, verdict: str, is_moved: bool
) -> None:
    path = tmp_path / "outbox.db"
    first = open_outbox(path)
    first.append(readings(50), uptime_s=1.0)
    first.close()
    connect, verdicts = sqlite3.connect, iter([verdict])

    class Checked(sqlite3.Connection):
        def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
            if "quick_check" in statement and (said := next(verdicts, None)):
                return super().execute("SELECT ?", (said,))
            return super().execute(statement, *arguments)

    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, factory=Checked, **named))
    if is_moved:
        assert open_outbox(path).depth() == 0
        assert len(list(tmp_path.glob("outbox.db.damaged-??????"))) == 1
    else:
        with pytest.raises(OutboxUnavailable, match="cannot be read now, try again"):
            open_outbox(path)
        assert open_outbox(path).depth() == 50, "nothing was moved"


def test_boots_of_which_nothing_waits_are_forgotten(tmp_path: Path, open_outbox: Callable[[Path], Outbox]) -> None:
    path = tmp_path / "outbox.db"
    for number in range(6):
        outbox = open_outbox(path)
        if number in (1, 4):
            outbox.append(readings(2, 10.0 * number), uptime_s=1.0)
        outbox.close()
    last = open_outbox(path)
    assert values(last) == [10, 11, 40, 41]
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT count(*) FROM boot").fetchone() == (3,), "two with readings, and the present one"


def test_what_is_taken_after_another_program_opened_the_empty_file_waits_like_the_rest(
    tmp_path: Path, open_outbox: Callable[[Path], Outbox]
) -> None:
    first = open_outbox(tmp_path / "outbox.db")
    second = open_outbox(tmp_path / "outbox.db")
    for outbox in (first, second, first):
        outbox.append(readings(1), uptime_s=1.0)
    assert first.depth() == second.depth() == 3


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
        account = self.outbox.account()
        assert account["taken"] == self.count == account["confirmed"] + account["waiting"]

    def teardown(self) -> None:
        self.outbox.close()
        self.folder.cleanup()


OutboxAgainstAModel.TestCase.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)
test_outbox_equals_its_model = OutboxAgainstAModel.TestCase
