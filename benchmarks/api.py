"""Cases that schemathesis makes of our OpenAPI document: no error of the server, no answer that is not documented.

Half of them are as the document allows, half break it. `make bench-api` runs them against the application on a real
server over a PostgreSQL of its own, with six zones and two days of readings; the suite runs a few of them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis.strategies import one_of
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from gateway.clock import ManualClock
from gateway.zones import load_zones
from ingest.db import connect, migrate
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from tests.web.web_seed import seed_messages, seed_readings
from tests.web.web_site import Site, make_site
from web.access import create_api_key

CHECKS = [
    checks.not_a_server_error, openapi_checks.status_code_conformance, openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]  # fmt: skip


@dataclass
class Found:
    """What the cases came to: how many by status, and each failure once by operation and first line."""

    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)


def run(address: str, key: str, *, cases: int, seed: int, say: Callable[[str], None] = print) -> Found:
    """About so many cases, spread evenly over all operations; the same for the same seed."""
    headers = {"authorization": f"Bearer {key}"}
    schema = schemathesis.openapi.from_url(f"{address}/api/v1/openapi.json", headers=headers)
    operations = [operation.ok() for operation in schema.get_all_operations()]
    each = max(1, cases // len(operations))
    found = Found()
    for operation in operations:
        began = time.monotonic()
        _try(operation, headers, each, seed, found)
        say(f"{operation.label:<55} {each:>5} cases {time.monotonic() - began:>6.1f} s")
    return found


def _try(operation: Any, headers: dict[str, str], each: int, seed: int, found: Found) -> None:
    kept = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    broken = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    takes_something = any((operation.path_parameters, operation.query, operation.body))
    strategy = one_of(kept, broken) if takes_something else kept

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=each, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=strategy)
    def one(case: Any) -> None:
        answer = case.call(headers=headers)
        found.cases += 1
        found.statuses[answer.status_code] += 1
        for check in CHECKS:
            try:
                case.validate_response(answer, checks=[check], headers=headers)
            except (AssertionError, BaseExceptionGroup) as failure:
                where = (operation.label, f"{check.__name__} {answer.status_code}")
                found.failures.setdefault(where, f"{case.as_curl_command()}\n{failure}"[:1500])

    one()


@contextmanager
def own_server() -> Iterator[str]:
    """A PostgreSQL of this run alone; gives the address of an empty database."""
    with tempfile.TemporaryDirectory(prefix="ndiyan-api-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(
            folder, secret_file=folder / "pg", log=folder / "postgres.log", account=postgres_account()
        )
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()


def seeded(url: str) -> Site:
    """The demo's six zones with alerts, two days of readings of three of them, and an account of messages."""
    zones = load_zones([shipped("zones")])
    clock = ManualClock(datetime(2026, 3, 2, 10, 40, tzinfo=UTC))
    with connect(url) as connection:
        migrate(connection)
    site = make_site(url, zones, clock)
    with connect(url) as connection:
        for zone in zones[:3]:
            seed_readings(connection, zone, now=clock.now(), days=2)
        seed_messages(connection, zones[1], now=clock.now())
    return site


@contextmanager
def opened(site: Site) -> Iterator[tuple[str, str]]:
    """The application over a site, and a key that may do everything, as often as it likes."""
    with connect(site.url) as connection:
        key = create_api_key(connection, name="schemathesis")
    with site.app(requests_per_minute=10_000_000) as client:
        yield str(client.base_url).rstrip("/"), key


def main() -> int:
    """Run the cases and print what they came to; 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311 - a start, no secret
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with own_server() as url, opened(seeded(url)) as (address, key):
        found = run(address, key, cases=options.cases, seed=options.seed)
    print(f"{found.cases} cases: {dict(sorted(found.statuses.items()))}, {len(found.failures)} kinds of failure")
    for (operation, check), text in found.failures.items():
        print(f"\n{operation}: {check}\n{text}")
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
