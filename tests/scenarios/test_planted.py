"""A harness that finds nothing proves nothing: defects that real programs had are planted, and it finds them.

Here those that it finds soon; all of them by `make bench-crash ARGS=--planted`.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.zones import Zone
from ndiyan.embedded_broker import find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from tests.alerts.carriers.peers import NoPeer
from tests.conftest import skip_without
from tests.scenarios.planted import DEFECTS, crash_with

SEED = 20261124


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of our own, which can be killed; each defect has its own database on it."""
    folder = server_folder / "planted"
    folder.mkdir(mode=0o711)
    server = EmbeddedPostgres(folder, secret_file=folder / "secret", log=folder / "log", account=postgres_account())
    yield server
    server.stop()


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("name", ["early_answer", "puback_trusted", "key_without_boot", "no_key", "watermark_first"])
def test_a_planted_defect_is_found_as_what_it_is(
    name: str, request: pytest.FixtureRequest, server_folder: Path, server: EmbeddedPostgres, zones: list[Zone]
) -> None:
    if find_mosquitto() is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=server_folder))
    folder.chmod(0o711)
    try:
        report = crash_with(name, folder, zones, server, seed=SEED)
    except NoPeer as error:
        skip_without(request.config, "npm's SMPP codec", str(error), optional=True)
    print(f"\n{name}: after {report.cycles} cycles: {report.findings}")
    assert DEFECTS[name].found_by in {finding.kind for finding in report.findings}
