"""What the doctor says about the broker and about an ingest that is in trouble, and the cure for each."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql

from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from ndiyan.children import free_port
from ndiyan.doctor import find_problems
from ndiyan.embedded_broker import EmbeddedBroker, find_mosquitto
from ndiyan.settings import load_settings
from tests.conftest import skip_without
from tests.ingest.bare_broker import mosquitto
from tests.surroundings import NO_SETTINGS

pytestmark = pytest.mark.broker


def problems(clock: ManualClock, **environment: str) -> dict[str, str]:
    """Sentence to remedy."""
    return {one.sentence: one.remedy for one in find_problems(load_settings(NO_SETTINGS, environment), clock=clock)}


def about_the_broker(found: dict[str, str]) -> dict[str, str]:
    return {sentence: remedy for sentence, remedy in found.items() if "broker" in sentence}


def test_our_broker_has_nothing_to_be_said_about(
    broker: EmbeddedBroker, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = {"NDIYAN_MQTT_URL": broker.ingest_settings.url()}
    assert about_the_broker(problems(clock, **there, NDIYAN_MQTT_OPERATOR_URL=broker.operator_url)) == {}
    ((sentence, remedy),) = about_the_broker(problems(clock, **there)).items()
    assert "what the running broker does with messages was not tried" in sentence
    assert remedy == "set mqtt.operator_url to a login that may write and read ndiyan/# (docs/settings.md)"


def test_each_weak_setting_of_a_broker_comes_with_its_cure(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    port = free_port()
    with mosquitto(program, ["-p", str(port)], port, tmp_path):
        found = problems(clock, NDIYAN_MQTT_URL=f"mqtt://127.0.0.1:{port}")
    (queue,) = (remedy for sentence, remedy in found.items() if "max_queued_messages is 1000 (the default)" in sentence)
    assert queue.startswith("set max_queued_messages to 1000000 in mosquitto's configuration and restart it")
    assert len(about_the_broker(found)) == 12


@pytest.mark.db
def test_an_ingest_that_cannot_store_or_has_no_link_is_not_called_dead(
    database_url: str, broker: EmbeddedBroker, clock: ManualClock, zones: list[Zone], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    there = {"NDIYAN_MQTT_URL": broker.ingest_settings.url(), "NDIYAN_DATABASE_URL": database_url}
    with connect(database_url) as connection:
        import_zones(connection, zones)

        def ingest_says(**detail: object) -> dict[str, str]:
            connection.execute("DELETE FROM heartbeat")
            connection.execute("INSERT INTO heartbeat VALUES ('ingest', %s, %s)", [clock.now(), json.dumps(detail)])
            found = problems(clock, **there)
            return {sentence: remedy for sentence, remedy in found.items() if sentence.startswith("ingest ")}

        refused = "the database refused with 42703: column reading.value does not exist"
        assert ingest_says(broker=True, trouble=refused) == {
            f"ingest does not store, the backlog waits at the broker: {refused}":
                "mend the database; it goes on by itself"
        }  # fmt: skip
        assert ingest_says(broker=False, trouble=None) == {
            "ingest has no link to the broker": "see the log of ingest, check mqtt.url"
        }
        assert ingest_says(broker=True, trouble=None) == {}
        ingest_says(broker_trouble="broker_queue", broker_messages=600_000, broker_bytes=90_000_000)
        full = "600000 messages (90 MB) wait in the broker, more than half of what it takes for one"
        assert problems(clock, **there)[full].startswith("see what keeps the database busy")
        ingest_says(broker_trouble="broker_dropped", broker_dropped=7)
        dropped = "the broker has dropped messages that it had confirmed: a queue is full (docs/watch.md)"
        assert "what other sensors said is lost" in problems(clock, **there)[dropped]
        ingest_says(refused=["meters/+/up"])
        assert problems(clock, **there)["the broker does not let ingest read meters/+/up"]
        connection.execute("INSERT INTO heartbeat VALUES ('ingest@3', %s)", [clock.now() - timedelta(seconds=61)])
        found = problems(clock, **there | {"NDIYAN_INGEST_WORKERS": "4"})
        assert found["ingest@3 is not running"].startswith("ndiyan ingest --worker 3; to take it away, with --of")
        connection.execute("INSERT INTO heartbeat VALUES ('standby', %s)", [clock.now() - timedelta(seconds=121)])
        assert problems(clock, **there)["nobody stands by for worker 1 of ingest any more"].startswith("start a second")
        (withheld,) = (sentence for sentence in found if "no worker ingest-" in sentence)
        assert "ingest-4" in withheld, "the broker of this test lets three in"


@pytest.mark.db
def test_a_database_that_does_not_wait_for_its_disk_is_told_with_the_cure(
    database_url: str, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = "the database's synchronous_commit is off, wanted on: a power failure takes what it has called committed"
    assert told not in problems(clock, NDIYAN_DATABASE_URL=database_url)
    with connect(database_url) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    cure = problems(clock, NDIYAN_DATABASE_URL=database_url)[told]
    assert cure == "ALTER SYSTEM SET synchronous_commit = on; then SELECT pg_reload_conf()"


@pytest.mark.db
def test_a_server_whose_log_gets_peoples_phones_is_told_with_the_cure(
    database_url: str, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = "the database's server writes the rows that it refuses into its log, with people's phones in them"
    for verbosity, is_told in (("terse", False), ("default", True)):
        with connect(database_url) as connection:
            name = sql.Identifier(connection.info.dbname)
            change = sql.SQL("ALTER DATABASE {} SET log_error_verbosity = {}").format(name, sql.Literal(verbosity))
            connection.execute(change)
        assert (told in problems(clock, NDIYAN_DATABASE_URL=database_url)) is is_told


@pytest.mark.db
def test_an_access_file_that_withholds_a_profiles_topic_is_named_though_mosquitto_grants_the_subscription(
    database_url: str, broker: EmbeddedBroker, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    there = {
        "NDIYAN_MQTT_URL": broker.ingest_settings.url(), "NDIYAN_DATABASE_URL": database_url,
        "NDIYAN_MQTT_OPERATOR_URL": broker.operator_url,
    }  # fmt: skip
    assert not [one for one in problems(clock, **there) if "let ingest read" in one]
    access = broker.folder / "devices.acl"
    by_hand = "topic read ndiyan/1/+/+/up/#\ntopic read v3/+/devices/+/up"
    access.write_text(access.read_text("utf-8").replace("topic read #", by_hand), "utf-8")
    found = {sentence: cure for sentence, cure in problems(clock, **there).items() if "let ingest read" in sentence}
    sentence = f"the broker does not let ingest read N/+/+/+/#: {access} has no such line for ingest"
    assert found[sentence] == "add `topic read #` below `user ingest` there, then systemctl reload mosquitto"
    assert not [one for one in found if "v3/+/devices" in one or "ndiyan/1" in one]
