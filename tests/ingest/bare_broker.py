"""A mosquitto with the settings that a test gives it, and none of ours."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from ndiyan.embedded_broker import answers_connect


@contextlib.contextmanager
def mosquitto(program: Path, arguments: list[str], port: int, folder: Path) -> Iterator[None]:
    """Runs while the body of the `with` does; its log is in `folder`."""
    with (folder / "mosquitto.log").open("ab") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log, cwd=folder)
    try:
        end = time.monotonic() + 10
        while not answers_connect("127.0.0.1", port, "", "", accept_refusal=True):
            assert process.poll() is None, (folder / "mosquitto.log").read_text("utf-8")
            assert time.monotonic() < end
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait()
