"""What the box beside the pump loads: nothing that only a server needs, and little memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ndiyan.children import spawn
from tests.gateway.lines import HEAD, PUMP, pump_units, serving
from tests.ingest.process import wait_until

MOST_MB = 60
# The packages that `pip install 'ndiyan[gateway]'` brings (docs/gateway.md), by the names of their modules.
BROUGHT = {"paho", "pymodbus", "serial"}
LOOK = """
import sys
{program}
import sysconfig
from pathlib import Path
ours = {{"gateway", "ndiyan", "_distutils_hack"}}  # the last is set up by each environment itself
site = Path(sysconfig.get_path("purelib"))
found = {{name.partition(".")[0] for name, module in sys.modules.items()
         if (file := getattr(module, "__file__", None)) and site in Path(file).parents}}
print(sorted(found - ours))
"""


def test_the_gateways_program_loads_nothing_that_only_a_server_needs(tmp_path: Path) -> None:
    with serving(pump_units()) as bus:
        config = tmp_path / "gateway.toml"
        config.write_text(HEAD + PUMP.format(port=bus.port), "utf-8")
        turn = (
            "from pathlib import Path; import ndiyan.entry, ndiyan.cli_gateway\n"
            "from gateway.installation import load_installation; from gateway.service import Station\n"
            f"station = Station(load_installation(Path({str(config)!r})))\n"
            "station.turn(); assert station.outbox.depth() == 4; station.uplink.start(); station.uplink.stop()"
        )
        done = subprocess.run(
            [sys.executable, "-c", LOOK.format(program=turn)], capture_output=True, text=True, check=True
        )
    loaded = set(eval(done.stdout.strip().splitlines()[-1]))  # noqa: S307 - our own list
    assert "pymodbus" in loaded
    assert "paho" in loaded
    assert loaded <= BROUGHT, f"{sorted(loaded - BROUGHT)} would not be there"


def test_without_the_servers_packages_the_command_says_what_is_missing() -> None:
    program = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'psycopg': raise ModuleNotFoundError(\"No module named 'psycopg'\", name=name)\n"
        "sys.meta_path.insert(0, Missing()); sys.argv = ['ndiyan', 'demo']\n"
        "from ndiyan.entry import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "ndiyan: psycopg is not here: this install has only `ndiyan gateway` (all: pip install 'ndiyan[server]')"
    )


@pytest.mark.slow
def test_the_program_stays_below_sixty_megabytes(tmp_path: Path) -> None:
    with serving(pump_units()) as bus:
        config = tmp_path / "gateway.toml"
        config.write_text("every_s = 0.1\ninterval_s = 1\n" + HEAD + PUMP.format(port=bus.port), "utf-8")
        child = spawn(
            [sys.executable, "-m", "ndiyan", "gateway", "--config", str(config)],
            log=tmp_path / "log",
            env={**os.environ},
        )
        try:
            wait_until(lambda: _rows(tmp_path) >= 20, lambda: (tmp_path / "log").read_text("utf-8"))
            peak_mb = _peak_mb(child.pid)
        finally:
            child.terminate()
            child.wait(20)
    print(f"resident at most {peak_mb:.1f} MB")
    assert peak_mb < MOST_MB


def _rows(folder: Path) -> int:
    """Readings that the program has on disk."""
    import sqlite3
    from contextlib import closing

    file = folder / "state" / "outbox.db"
    if not file.exists():
        return 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as look:
        try:
            return int(look.execute("SELECT count(*) FROM queued").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
