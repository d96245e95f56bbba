"""A bench that is ended, however that happens, leaves no ingest behind, also none that it had frozen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.ingest.process import wait_until

BENCH = textwrap.dedent(
    """
    import signal
    import sys
    import time
    from pathlib import Path
    from benchmarks import processes

    class Rig:  # whose database never answers
        folder = Path(sys.argv[1])
        class postgres:
            url = staticmethod(lambda: "postgresql://127.0.0.1:1/none?connect_timeout=1")
        class broker:
            class ingest_settings:
                url = staticmethod(lambda: "mqtt://127.0.0.1:1")

    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts the tests may ignore it
    ingest = processes.IngestProcess(Rig)
    try:
        ingest.start()
    except Exception:
        pass
    ingest.pause()
    print(ingest.pid, flush=True)
    time.sleep(600)
    """
)


def _is_there(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's doing")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_frozen_ingest_ends_with_its_bench(tmp_path: Path, how: signal.Signals) -> None:
    bench = subprocess.Popen([sys.executable, "-c", BENCH, tmp_path], stdout=subprocess.PIPE, text=True)
    assert bench.stdout is not None
    pid = int(bench.stdout.readline())
    try:
        assert _is_there(pid)
        bench.send_signal(how)
        bench.wait(120)  # a Python that is interrupted ends in order, on a busy machine slowly
        wait_until(lambda: not _is_there(pid), lambda: f"ingest {pid} is still there")
    finally:
        bench.kill()
        bench.communicate()
        if _is_there(pid):
            os.kill(pid, signal.SIGKILL)
