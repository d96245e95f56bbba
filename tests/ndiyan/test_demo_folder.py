"""A demo's folder: one demo at a time, its time goes on, and starting over removes nothing that is not ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ndiyan.demo_folder import DemoFolder, DemoState
from ndiyan.errors import StartRefused

STATE = DemoState("2026-11-24T10:40:00+00:00", "2026-11-24T12:00:00+00:00", seed=1, postgres_port=5433)


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with DemoFolder(tmp_path / "demo").locked():
        second = DemoFolder(tmp_path / "demo")
        with pytest.raises(StartRefused, match=r"a demo \(process \d+\) is already running in .*--data"):
            second.locked().__enter__()
    with DemoFolder(tmp_path / "demo").locked():
        pass


def test_platform_time_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    assert folder.load_state() is None
    folder.save_state(STATE)
    kept = DemoFolder(tmp_path).load_state()
    assert kept == STATE
    assert kept.now == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="half-written"),
        pytest.param(json.dumps({"format": 99}), id="newer-format"),
        pytest.param(json.dumps({"format": 1, "seed": 1}), id="missing-keys"),
        pytest.param(
            json.dumps({"format": 1, "started_at": "", "platform_now": "noon", "seed": 1, "postgres_port": 1}),
            id="no-time",
        ),
    ],
)
def test_a_state_that_cannot_be_used_is_told_with_the_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text, "utf-8")
    with pytest.raises(StartRefused, match="start over with --fresh"):
        DemoFolder(tmp_path).load_state()


def test_starting_over_removes_what_is_ours_and_nothing_else(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    with folder.locked():
        folder.prepare()
        folder.save_state(STATE)
        (folder.root / "notes.txt").write_text("mine", "utf-8")
        folder.clear()
    assert sorted(path.name for path in folder.root.iterdir()) == ["lock", "notes.txt"]


def test_a_folder_with_other_things_is_not_taken_for_a_demo(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(StartRefused, match="is not empty and no demo's"):
        DemoFolder(tmp_path).locked().__enter__()


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    with folder.locked():
        folder.prepare()
        folder.write_whole(folder.secrets / "api_key", "wat_x")
    assert (folder.secrets / "api_key").stat().st_mode & 0o777 == 0o600
    assert folder.secrets.stat().st_mode & 0o777 == 0o700
