"""One backup a day, at its hour, whatever the keeper went through."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

from ndiyan.manifest import MANIFEST
from ndiyan.nightly import Nightly
from tests.ndiyan.test_backup import made_on


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
    made = made_on(at("02T02:30"))
    (tmp_path / "ndiyan-20260302T023000Z").mkdir()
    (tmp_path / "ndiyan-20260302T023000Z" / MANIFEST).write_text(made.manifest.to_json(), "utf-8")
    begun: list[Begun] = []

    def begin() -> Begun:
        begun.append(Begun())
        return begun[-1]

    Nightly(tmp_path, time(2, 30), begin).look(at("02T09:00"))
    assert begun == []
    Nightly(tmp_path, time(2, 30), begin).look(at("03T09:00"))  # it was away at half past two
    assert len(begun) == 1
