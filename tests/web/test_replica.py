"""Charts and exports from a streaming copy of the database: what is behind says so, what is away is not asked."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from ingest.db import connect
from ndiyan.children import own, run
from ndiyan.embedded_postgres import EmbeddedPostgres, find_binaries, postgres_account
from ndiyan.errors import NdiyanError
from tests.conftest import skip_without
from tests.web.test_pages import words
from tests.web.web_site import Site
from web.replica import HEADER, how_far_behind

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
READINGS = "/api/v1/readings?channel=zone-3/tower/level_m&resolution=raw"
EXPORT = "/api/v1/exports/readings?channel=zone-3/tower/level_m&from=2026-03-02&to=2026-03-02"
CHART = "/fr/zones/zone-3/graphes"


@pytest.fixture
def standby(request: pytest.FixtureRequest, site: Site) -> Iterator[EmbeddedPostgres]:
    """A second server that follows the one of the tests."""
    server = psycopg.conninfo.conninfo_to_dict(site.url)
    account = postgres_account()
    folder = Path(tempfile.mkdtemp(prefix="ndiyan-standby-"))
    folder.chmod(0o711)
    secret = folder / "secret"
    secret.write_text(str(server.get("password", "none is asked for")))
    copy = EmbeddedPostgres(folder, secret_file=secret, log=folder / "postgres.log", account=account)
    copy.data.mkdir(mode=0o700)
    own(copy.data, account)
    said = "no pg_basebackup"
    try:
        for binaries in find_binaries(account):
            made = run(
                [
                    binaries.folder / "pg_basebackup", "-D", copy.data, "-R", "-c", "fast", "-X", "stream", "--no-sync",
                    "-d", psycopg.conninfo.make_conninfo(site.url, dbname="postgres"),
                ],
                account=account,
            )  # fmt: skip
            said = made.stderr
            if made.returncode == 0:
                break
        else:
            skip_without(request.config, "a server that may be copied", said, optional=True)
        copy.start()
        yield copy
    except NdiyanError as error:
        skip_without(request.config, "a copy of PostgreSQL", str(error), optional=True)
    finally:
        copy.stop()
        shutil.rmtree(folder, ignore_errors=True)


def minutes(**ago: int) -> dict[str, datetime]:
    """The last beat of each service, so many minutes ago."""
    return {service: NOON - timedelta(minutes=one) for service, one in ago.items()}


@pytest.mark.parametrize(
    ("known", "heard", "behind"),
    [
        pytest.param({}, {}, 0, id="nobody-was-ever-heard"),
        pytest.param(minutes(sender=60), minutes(sender=60), 0, id="nobody-has-beaten-since"),
        pytest.param(minutes(sender=10), minutes(sender=0), 10, id="behind"),
        pytest.param(minutes(sender=10, backup=-60), minutes(sender=0, backup=-60), 10, id="one-beat-is-of-the-future"),
        pytest.param(minutes(sender=1, backup=999), minutes(sender=1, backup=0), 1, id="one-that-beats-once-a-day"),
        pytest.param(minutes(sender=1), minutes(sender=1, web=0), 1, id="a-new-service"),
        pytest.param(minutes(sender=-60), minutes(sender=0), None, id="the-clock-was-set-back"),
        pytest.param({}, minutes(sender=0), None, id="it-knows-nothing"),
    ],
)
def test_how_far_a_copy_is_behind_is_told_by_what_it_has_not_heard(
    known: dict[str, datetime], heard: dict[str, datetime], behind: int | None
) -> None:
    assert how_far_behind(known, heard) == (None if behind is None else timedelta(minutes=behind))


def level_read(site: Site, *, minutes_ago: int) -> None:
    """One more reading of zone 3's tower."""
    at = site.clock.now() - timedelta(minutes=minutes_ago)
    with site.connect() as connection:
        connection.execute("SELECT ensure_reading_partition(%s)", [at])
        connection.execute(
            "INSERT INTO reading (channel_id, flag, measured_at, received_at, value)"
            " SELECT channel_id, 1, %s, %s, 1.5 FROM channel"
            " WHERE (zone_id, asset_id, name) = ('zone-3', 'tower', 'level_m')", [at, at],
        )  # fmt: skip


def heard(site: Site, *, minutes_ago: int, service: str = "sender") -> None:
    """A service beats."""
    with site.connect() as connection:
        beat = "INSERT INTO heartbeat VALUES (%s, %s) ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at"
        connection.execute(beat, [service, site.clock.now() - timedelta(minutes=minutes_ago)])


def until_same(site: Site, url: str) -> None:
    """Wait until the copy has all that the database has."""
    with site.connect() as first, connect(url) as copy:
        ((position,),) = first.execute("SELECT pg_current_wal_lsn()").fetchall()
        deadline = time.monotonic() + 20
        while copy.execute("SELECT pg_last_wal_replay_lsn() >= %s", [position]).fetchone() != (True,):
            assert time.monotonic() < deadline, "the copy does not follow"
            time.sleep(0.02)


@pytest.mark.db
def test_what_is_behind_says_so_and_what_is_away_is_not_asked(site: Site, standby: EmbeddedPostgres) -> None:
    copy = psycopg.conninfo.make_conninfo(standby.url(), dbname=psycopg.conninfo.conninfo_to_dict(site.url)["dbname"])

    def counted(client: httpx.Client) -> tuple[int, int, str | None]:
        """Readings that the API and an export see, and how far behind they say they are."""
        answer, export = client.get(READINGS), client.get(EXPORT)
        assert (answer.status_code, export.status_code) == (200, 200)
        assert answer.headers.get(HEADER) == export.headers.get(HEADER)
        return len(answer.json()["items"]), len(export.text.splitlines()) - 1, answer.headers.get(HEADER)

    level_read(site, minutes_ago=30)
    heard(site, minutes_ago=-24 * 60, service="backup")  # a clock was ahead when it was made
    heard(site, minutes_ago=5)
    until_same(site, copy)
    with site.app(replica_url=copy) as client:
        client.headers["authorization"] = site.key()
        assert counted(client) == (1, 1, "0")
        with connect(copy) as follower:
            follower.execute("SELECT pg_wal_replay_pause()")
            level_read(site, minutes_ago=20)
            heard(site, minutes_ago=3)
            assert counted(client) == (1, 1, "120"), "it is the copy that is asked"
            del client.headers["authorization"]
            client.get(site.login_path())
            assert "en retard de 2 min" in words(client.get(CHART))
            assert "en retard" not in words(client.get("/fr/alertes")), "what needs somebody now is never from a copy"
            heard(site, minutes_ago=0)
            follower.execute("SELECT pg_wal_replay_resume()")
        until_same(site, copy)
        assert "en retard" not in words(client.get(CHART))
        client.headers["authorization"] = site.key()
        assert counted(client) == (2, 2, "0")
        standby.stop()
        assert counted(client) == (2, 2, None), "the database itself"
