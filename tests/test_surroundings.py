"""Whoever runs a demo, then the tests in the same folder, has neither the demo's clock nor its database in them."""

from pathlib import Path

import pytest

from ndiyan.settings import load_settings
from tests.surroundings import environment


def test_neither_a_demo_in_this_folder_nor_a_variable_of_this_machine_reaches_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = tmp_path / ".demo/secrets/ndiyan.toml"
    demo.parent.mkdir(parents=True)
    demo.write_text('demo = true\nclock = "2026-11-27T10:40:00+00:00@2026-11-27T12:46:46+00:00x60"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_settings().demo is False, "nor these tests themselves"
    monkeypatch.setenv("NDIYAN_DATABASE_URL", "postgresql://ndiyan@localhost/ndiyan")
    monkeypatch.setenv("NDIYAN_PG_BIN", "/usr/lib/postgresql/15/bin")
    around = environment(NDIYAN_WEB_PORT="8200")
    settings = load_settings(environment=around)
    assert (settings.demo, settings.clock, settings.database_url, settings.web_port) == (False, "system", "", 8200)
    assert around["NDIYAN_PG_BIN"] == "/usr/lib/postgresql/15/bin"
