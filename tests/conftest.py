"""What tests stand on: a real PostgreSQL, a real broker, the six demo zones and a clock that moves when told."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from xdist.workermanage import WorkerController

from gateway.clock import ManualClock
from gateway.config import MqttSettings
from gateway.zones import Zone, load_zones
from ingest.db import connect, migrate
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import NdiyanError
from ndiyan.shipped_files import shipped
from tests import phones
from tests.alerts.carriers.peers import NoPeer, Smsc
from tests.databases import database, leave_alone
from tests.ndiyan.letterbox import Letterbox
from tests.spread import spread
from tests.surroundings import environment
from tests.web.web_site import past

__all__ = ["past"]  # one fixture for all: a second of its name would make its database twice

MISSING = pytest.StashKey[dict[str, str]]()
TEMPLATE = "ndiyan_template"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = {}
    around = environment()
    os.environ.clear()
    os.environ.update(around)
    phones.listen()


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: much of the suite waits, for a broker to come back or a page to be drawn."""
    return (os.cpu_count() or 1) + 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that gathers the results what this one had to leave out."""
    if output := getattr(session.config, "workeroutput", None):
        output["missing"] = session.config.stash[MISSING]


def pytest_testnodedown(node: WorkerController) -> None:
    node.config.stash[MISSING].update(getattr(node, "workeroutput", {}).get("missing", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for part, reason in config.stash[MISSING].items():
        terminalreporter.write_line(f"NOT TESTED: everything that needs {part}: {reason}", red=True, bold=True)


@pytest.fixture(autouse=True)
def _no_phones() -> Iterator[None]:
    """Nothing that ran until the end of this test has written a phone number where none belongs."""
    yield
    assert phones.FOUND.take() == []


def skip_without(config: pytest.Config, part: str, reason: str, *, optional: bool = False) -> None:
    """Skip what needs `part` and say so loudly at the end; in CI a part that is missing is a failure, unless it is one
    that a server may well lack."""
    config.stash[MISSING][part] = reason
    if os.environ.get("CI") == "true" and not optional:
        pytest.fail(f"CI must have {part}: {reason}", pytrace=False)
    pytest.skip(f"needs {part}: {reason}")


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that every account can enter (pytest's own are closed when root runs the tests). Of what programs have
    logged there or in pytest's own folders, no line may have a phone number."""
    folder = Path(tempfile.mkdtemp(prefix="ndiyan-test-"))
    folder.chmod(0o711)
    yield folder
    leaks = [line for place in (folder, tmp_path_factory.getbasetemp()) for line in phones.written_in(place)]
    shutil.rmtree(folder, ignore_errors=True)
    assert not leaks, "\n".join(leaks)


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[str]:
    """The address of a database on a real server where databases may be made: given, else one of our own."""
    if given := os.environ.get("NDIYAN_TEST_DATABASE_URL"):
        yield given
        return
    server = EmbeddedPostgres(
        server_folder,
        secret_file=server_folder / "secrets" / "postgres",
        log=server_folder / "logs" / "postgres.log",
        account=postgres_account(),
    )
    try:
        server.start()
    except NdiyanError as error:
        skip_without(request.config, "PostgreSQL", str(error))
    yield server.url("postgres")
    server.stop()


@pytest.fixture(scope="session")
def _template(postgres: str) -> Iterator[str]:
    """A migrated database to copy; its name is this run's own, so that runs on one server do not meet."""
    name = f"{TEMPLATE}_{os.getpid()}"
    with database(postgres, name) as url:
        with connect(url) as connection:
            migrate(connection)
            if os.environ.get("NDIYAN_TEST_SPREAD") == "1":  # on a server that offers Citus
                connection.commit()
                connection.autocommit = True
                spread(connection)
        leave_alone(postgres, name)
        yield name


_numbers = itertools.count(1)


@pytest.fixture
def database_url(postgres: str, _template: str) -> Iterator[str]:
    """A database of this test alone, with the newest schema."""
    with database(postgres, f"ndiyan_test_{os.getpid()}_{next(_numbers)}", template=_template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres: str) -> Iterator[str]:
    """A database of this test alone, without any schema."""
    with database(postgres, f"ndiyan_test_{os.getpid()}_{next(_numbers)}") as url:
        yield url


@pytest.fixture(scope="session")
def zones() -> list[Zone]:
    """The six demo zones."""
    return load_zones([shipped("zones")])


@pytest.fixture
def broker(request: pytest.FixtureRequest, server_folder: Path, zones: list[Zone]) -> Iterator[EmbeddedBroker]:
    """A real mosquitto with an identity for each demo gateway and three workers of ingest: `.settings_for(gateway)`,
    `.ingest_settings`, `.operator_url`, `.restart()`, `.kill()` and `.start()` again."""
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = Path(tempfile.mkdtemp(prefix="broker-", dir=server_folder))
    folder.chmod(0o711)
    server = EmbeddedBroker(
        folder,
        zones,
        secret_file=folder / "secrets" / "broker",
        log=folder / "logs" / "broker.log",
        account=broker_account(),
        mosquitto=mosquitto,
        workers=3,
    )
    server.start()
    yield server
    server.stop()


@pytest.fixture
def mqtt_settings(broker: EmbeddedBroker) -> MqttSettings:
    """How the operator's tools reach the broker."""
    return MqttSettings.from_url(broker.operator_url)


@pytest.fixture
def letterbox() -> Iterator[Letterbox]:
    """A mail server on loopback that keeps what it is given."""
    with Letterbox() as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at a dry-season morning."""
    return ManualClock(datetime(2026, 3, 2, 10, 40, tzinfo=UTC))


@pytest.fixture
def smsc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Smsc]:
    """The npm codec's message centre."""
    try:
        server = Smsc(tmp_path)
    except NoPeer as error:
        skip_without(request.config, "npm's SMPP codec", str(error), optional=True)
    with server:
        yield server
