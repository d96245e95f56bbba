"""One backup a day, at its hour, whatever the keeper went through; and who hears that none was made."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from alerts.watchdog import BACKUP_WITHIN, look_at_parts
from gateway.clock import ManualClock
from ingest.db import connect
from ndiyan.keeper import Keeper, WatchConfig, beat
from ndiyan.nightly import LOOK_EVERY, Nightly, note_newest
from tests.ndiyan.test_backup import put_backup

OPERATOR = "+224620000001"


class Begun:
    """A backup that runs until it is told how it ended."""

    def __init__(self) -> None:
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}:00").replace(tzinfo=UTC)


def test_a_backup_is_begun_once_a_day_and_not_while_one_runs(tmp_path: Path) -> None:
    begun: list[Begun] = []

    def begin() -> Begun:
        begun.append(Begun())
        return begun[-1]

    nightly = Nightly(tmp_path, time(2, 30), begin)
    nightly.look(at("02T02:29"))
    assert begun == []
    for minute in ("02T02:30", "02T02:31", "03T02:30"):
        nightly.look(at(minute))
    assert len(begun) == 1  # the first still runs
    begun[0].code = 1
    nightly.look(at("03T02:31"))
    assert len(begun) == 2


def test_a_keeper_that_starts_again_makes_no_second_one(tmp_path: Path) -> None:
    put_backup(tmp_path, at("02T02:30"))
    begun: list[Begun] = []

    def begin() -> Begun:
        begun.append(Begun())
        return begun[-1]

    Nightly(tmp_path, time(2, 30), begin).look(at("02T09:00"))
    assert begun == []
    Nightly(tmp_path, time(2, 30), begin).look(at("03T09:00"))  # it was away at half past two
    assert len(begun) == 1


def test_a_backup_of_a_clock_that_was_a_year_ahead_keeps_no_other_from_being_made(tmp_path: Path) -> None:
    put_backup(tmp_path, at("01T02:30"))
    put_backup(tmp_path, at("01T12:00") + timedelta(days=365))
    begun: list[Begun] = []

    def begin() -> Begun:
        begun.append(Begun())
        return begun[-1]

    Nightly(tmp_path, time(2, 30), begin).look(at("02T02:30"))
    assert len(begun) == 1


def test_a_folder_that_takes_nothing_stops_nobody_and_is_tried_again_tomorrow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[datetime] = []

    def begin() -> Begun:
        begun.append(now)
        raise PermissionError(13, "Permission denied")

    nightly = Nightly(tmp_path, time(2, 30), begin)
    for now in (at("02T02:30"), at("02T02:31"), at("03T02:30")):
        nightly.look(now)
    assert begun == [at("02T02:30"), at("03T02:30")]
    assert caplog.messages == [f"the backup of the day could not begin in {tmp_path}: [Errno 13] Permission denied"] * 2


def test_a_disk_that_cannot_be_read_ends_no_keeper(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_dir(path: Path) -> bool:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as dying:
        dying.setattr(Path, "is_dir", is_dir)
        Nightly(tmp_path, time(2, 30), Begun).look(at("02T02:30"))
    assert caplog.messages == [f"the backup of the day could not begin in {tmp_path}: [Errno 5] Input/output error"]


@pytest.mark.db
def test_the_operator_hears_that_backups_are_not_made_any_more_and_that_they_are_again(
    database_url: str, tmp_path: Path
) -> None:
    clock = ManualClock(at("02T03:00"))
    put_backup(tmp_path, at("02T02:30"))
    note = note_newest(database_url, tmp_path)
    with connect(database_url) as connection:
        keeper = Keeper(connection, WatchConfig(phones=(OPERATOR,), language="en"), clock)

        def pass_by(hours: float) -> list[str]:
            now = clock.advance(timedelta(hours=hours))
            for part in ("ingest", "alerts", "sender", "web"):
                beat(connection, part, now)
            note(now)
            keeper.turn()
            left = "UPDATE notification SET state = 'delivered' WHERE state = 'queued' RETURNING text"
            return [text for (text,) in connection.execute(left)]

        assert pass_by(1) == []
        assert pass_by(24) == []  # that of this night took its time
        (told,) = pass_by(2)
        assert told == "NDIYAN SERVER 03/03 06:00: no new backup for more than a day. Run ndiyan doctor."
        put_backup(tmp_path, at("03T05:55"))
        (over,) = pass_by(1)
        assert over.endswith("all works again.")


def standing(url: str, now: datetime) -> list[tuple[datetime | None, str]]:
    """When the newest backup was made, as far as is known, and why it is missed."""
    with connect(url) as connection:
        parts = look_at_parts(connection, ManualClock(now))
        return [(part.beat_at, part.why) for part in parts if part.name == "backup"]


@pytest.mark.db
def test_a_backup_that_was_never_made_is_missed_and_a_folder_that_went_away_too(
    database_url: str, tmp_path: Path
) -> None:
    folder, begins = tmp_path / "disk", at("02T12:00")
    late = begins + BACKUP_WITHIN + timedelta(minutes=1)

    note_newest(database_url, folder)(begins)
    note_newest(database_url, folder)(late)  # a keeper that was started again
    assert standing(database_url, late) == [(begins, "backup_old")]
    folder.mkdir()
    put_backup(folder, late)
    note = note_newest(database_url, folder)
    note(late)
    shutil.rmtree(folder)
    note(late + LOOK_EVERY)
    assert standing(database_url, late + LOOK_EVERY) == [(late, "")]
    assert standing(database_url, late + BACKUP_WITHIN + LOOK_EVERY) == [(late, "backup_old")]
    note_newest(database_url, None)(late)  # nobody wants backups any more
    assert standing(database_url, late + BACKUP_WITHIN + LOOK_EVERY) == []


@pytest.mark.db
def test_a_backup_of_a_clock_that_was_a_year_ahead_is_no_backup_of_today(database_url: str, tmp_path: Path) -> None:
    right = at("02T02:30")
    ahead = right + timedelta(days=365)
    put_backup(tmp_path, ahead)
    note = note_newest(database_url, tmp_path)
    note(ahead)
    assert standing(database_url, ahead) == [(ahead, "")]
    note(right)  # the clock was set right
    assert standing(database_url, right) == [(ahead, "backup_old")]
    put_backup(tmp_path, right)
    note(right + LOOK_EVERY)
    assert standing(database_url, right + LOOK_EVERY) == [(right, "")]
