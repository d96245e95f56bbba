"""What `make demo` and `make test` install on a stranger's machine, and when they do not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

NEED = Path(__file__).parents[1] / "deploy" / "need.sh"


def _program(folder: Path, name: str, lines: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{lines}\n", "utf-8")
    file.chmod(0o755)


@pytest.mark.parametrize(("wish", "asked"), [({}, True), ({"NDIYAN_INSTALL": "no"}, False)], ids=["may", "may-not"])
def test_a_package_that_is_missing_is_named_and_installed_unless_that_was_refused(
    tmp_path: Path, wish: dict[str, str], asked: bool
) -> None:
    _program(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/asked')
    _program(tmp_path, "sudo", 'shift; exec "$@"')
    environment = {key: value for key, value in os.environ.items() if key != "NDIYAN_INSTALL"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    call = [NEED, "ndiyan-no-such-program", "no-such-package", "tests are left out"]
    done = subprocess.run(call, env=environment | wish | {"PATH": path}, capture_output=True, text=True, check=True)
    assert (tmp_path / "asked").exists() is asked
    assert ("NDIYAN_INSTALL=no" in done.stdout) is asked
    assert "is not here and was not installed (apt-get install no-such-package), so tests are left out." in done.stderr
