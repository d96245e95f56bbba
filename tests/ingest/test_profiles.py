"""Devices as they come: a profile reads their messages, nothing is taken with a wrong unit, nothing is lost."""

from __future__ import annotations

import dataclasses
import json
import random
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from benchmarks.fuzz_profiles import Village, mutated
from gateway.clock import ManualClock
from gateway.config import MqttSettings
from gateway.devices import PointRule
from gateway.errors import ZoneFileError
from gateway.model import Flag
from gateway.zone_text import zone_as_values
from gateway.zones import Zone, zone_from_values
from ingest.admission import Message
from ingest.db import Connection, connect
from ingest.errors import ProfileError
from ingest.mqtt import publish_packet, read_packets
from ingest.pipeline import Pipeline, fetch_aliases
from ingest.profiles.formats import Undecodable, from_cayenne_lpp
from ingest.profiles.own import forget_profile, keep_profile
from ingest.profiles.paths import Finder
from ingest.profiles.profile import Profile, for_every_zone, parse_profile, shipped_bodies, shipped_profiles, topic_fits
from ingest.profiles.sparkplug import Aliases, Born, from_sparkplug, payload_class
from ingest.profiles.trial import failed_samples, try_message
from ingest.registry import import_zones
from ingest.replay import Fate, find_waiting, replay, replay_raw
from ndiyan.children import free_port
from ndiyan.embedded_broker import find_mosquitto
from ndiyan.shipped_files import shipped
from tests.conftest import skip_without
from tests.ingest.bare_broker import mosquitto
from tests.ingest.process import IngestProcess, wait_until

NOON = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
NOON_US = round(NOON.timestamp() * 1e6)
CHIRPSTACK = "application/17c82e96/device/24e124713b493921/event/up"
DEVICES = """
[[devices]]
profile = "chirpstack-v4"
id = "24e124713b493921"

[[devices.points]]
point = "water_level"
is = "tower/level_m"
unit = "cm"
sentinels = [65535, "ERR"]
valid = [0, 400]

[[devices]]
profile = "sparkplug-b"
id = "labe/node-1/tap-03"
asset = "tap-03"

[[devices.points]]
point = "Meter/Litres"
is = "@/volume_m3"
unit = "l"
"""
MENDED = """
profile = "chirpstack-v4"
title = "With the battery"
source = "ours"
payload = "json"
topics = ["application/+/device/+/event/up"]
when = "object"
device = "deviceInfo.devEui"
points = "object"
time = "time"
time_format = "iso"

[[rules]]
point = "battery"
is = "gateway/battery_v"
unit = "V"
scale = 0.1

[[samples]]
topic = "application/1/device/2/event/up"
payload = '{"deviceInfo": {"devEui": "2"}, "object": {"battery": 120}}'
received_at = 2026-03-02T10:40:00Z
device = "2"
points = { battery = 120 }
readings = { "gateway/battery_v" = 12 }
"""
PROFILES = {profile.name: profile for profile in shipped_profiles()}


def zone_with_devices(more: str = DEVICES) -> Zone:
    text = (shipped("zones") / "zone-1.toml").read_text("utf-8") + more
    return zone_from_values(tomllib.loads(text), "zone-1.toml")


def uplink(value: object, *, at: datetime = NOON, device: str = "24e124713b493921") -> Message:
    body = {"time": at.isoformat(), "deviceInfo": {"devEui": device}, "object": {"water_level": value, "battery": 98}}
    return Message(f"application/17c82e96/device/{device}/event/up", json.dumps(body).encode(), NOON_US, 1, 1)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, [zone_with_devices()])
        yield connection


def stored(connection: Connection) -> list[tuple[str, str, datetime, float]]:
    return connection.execute(
        "SELECT c.asset_id, c.name, r.measured_at, r.value FROM reading r JOIN channel c USING (channel_id)"
        " ORDER BY r.measured_at, c.asset_id"
    ).fetchall()


def adds_up(connection: Connection) -> bool:
    lines = connection.execute(
        "SELECT received + replayed = stored + duplicate + conflict + set_aside FROM gateway_day"
    ).fetchall()
    return bool(lines) and all(line[0] for line in lines)


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.name)
def test_a_shipped_profile_reads_its_samples(profile: Profile) -> None:
    assert failed_samples(profile) == []
    assert profile.source
    assert profile.samples


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.name)
def test_a_shipped_sample_says_where_it_is_from(profile: Profile) -> None:
    said = [sample.origin.partition(": ") for sample in profile.samples]
    assert {kind for kind, _, _ in said} <= {"recorded", "documented", "worked out", "ours"}
    assert all(whence for _, _, whence in said)


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.name)
def test_a_sample_that_comes_out_otherwise_is_told(profile: Profile) -> None:
    sample = profile.samples[0]
    wrong = dataclasses.replace(sample, readings={name: value + 1 for name, value in sample.readings.items()})
    (problem,) = failed_samples(dataclasses.replace(profile, samples=(wrong,)))
    assert "readings" in problem


@pytest.mark.db
def test_a_sensor_behind_chirpstack_is_stored_in_metres_and_its_message_kept(connection: Connection) -> None:
    came = Pipeline(connection).store([uplink(231)])
    assert (came.stored, came.set_aside) == (1, 0)
    assert stored(connection) == [("tower", "level_m", NOON, 2.31)]
    assert adds_up(connection)
    profile, zones, readings, unused = (
        connection.execute("SELECT profile, zones, readings, unused FROM raw_message").fetchone() or ()
    )
    assert (profile, zones, readings, unused) == ("chirpstack-v4", ["zone-1"], 1, ["battery"])


@pytest.mark.db
def test_the_same_uplink_twice_is_one_reading(connection: Connection) -> None:
    came = Pipeline(connection).store([uplink(231), uplink(231)])
    assert (came.stored, came.duplicate) == (1, 1)
    assert adds_up(connection)


@pytest.mark.db
@pytest.mark.broker
def test_a_network_server_publishes_on_its_own_topic_and_ingest_hears_it(
    connection: Connection, database_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    port = free_port()
    (tmp_path / "open.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", "utf-8")
    with mosquitto(program, ["-c", "open.conf"], port, tmp_path):
        ingest = IngestProcess(database_url, MqttSettings("127.0.0.1", port), tmp_path / "ingest.log")
        try:
            ingest.wait_for("connected to the broker")
            message = uplink(231, at=datetime.now(UTC))
            client = paho.Client(paho.CallbackAPIVersion.VERSION2)
            client.connect("127.0.0.1", port)
            client.loop_start()
            client.publish(message.topic, message.payload, qos=1).wait_for_publish(10)
            wait_until(lambda: len(stored(connection)) == 1, ingest.log)
            client.loop_stop()
        finally:
            ingest.end()
    assert [row[3] for row in stored(connection)] == [2.31]


@pytest.mark.db
def test_a_device_that_nobody_registered_waits_until_a_zone_file_names_it(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    assert pipeline.store([uplink(231, device="a84041000181c061")]).set_aside == 1
    ((reason, detail),) = connection.execute("SELECT reason, detail FROM set_aside").fetchall()
    assert reason == "unknown_device"
    assert "a84041000181c061" in detail
    import_zones(connection, [zone_with_devices(DEVICES.replace("24e124713b493921", "a84041000181c061"))])
    (found,) = replay(
        connection, find_waiting(connection, limit=9), clock=ManualClock(NOON + timedelta(days=1)), who="Awa (web)"
    )
    assert (found.fate, found.stored) == (Fate.ACCEPTED, 1)
    assert stored(connection) == [("tower", "level_m", NOON, 2.31)]
    assert adds_up(connection)


@pytest.mark.db
def test_what_an_unknown_device_says_again_without_a_time_is_another_measurement(connection: Connection) -> None:
    """A meter at rest says the same every ten minutes; its zone is registered, and later names it no more."""
    device = "a84041000181c061"
    named = zone_with_devices(DEVICES.replace("24e124713b493921", device))
    body = {"deviceInfo": {"devEui": device}, "object": {"water_level": 231}}

    def says(*minutes: int) -> list[Message]:
        return [
            Message(
                CHIRPSTACK.replace("24e124713b493921", device),
                json.dumps(body).encode(),
                NOON_US + 60_000_000 * n,
                1,
                1,
            )
            for n in minutes
        ]

    def tries_again() -> list[Fate]:
        later = ManualClock(NOON + timedelta(days=1))
        return [one.fate for one in replay(connection, find_waiting(connection, limit=9), clock=later, who="Awa (web)")]

    pipeline = Pipeline(connection)
    assert pipeline.store(says(0)).set_aside == 1
    pipeline.store(says(10, 20, 20))
    import_zones(connection, [named])
    assert tries_again() == [Fate.ACCEPTED] * 3, "two in the same burst are one"
    assert [row[2:] for row in stored(connection)] == [(NOON + timedelta(minutes=10 * n), 2.31) for n in range(3)]
    import_zones(connection, [zone_with_devices()])
    pipeline.store(says(30))
    import_zones(connection, [named])
    assert tries_again() == [Fate.ACCEPTED]
    assert len(stored(connection)) == 4
    assert adds_up(connection)


@pytest.mark.db
def test_a_message_of_two_devices_waits_until_both_are_registered_however_often_it_is_replayed(
    connection: Connection,
) -> None:
    def named(*devices: str) -> Zone:
        rule = '[[devices.points]]\npoint = "litres"\nis = "@/volume_m3"\nunit = "l"\n'
        tables = (
            f'[[devices]]\nprofile = "thingsboard-gateway"\nid = "{one}"\nasset = "tap-0{n}"\n{rule}'
            for n, one in enumerate(devices, start=1)
        )
        return zone_with_devices("\n" + "\n".join(tables))

    body = {one: [{"ts": NOON_US // 1000, "values": {"litres": 42}}] for one in ("Meter A", "Meter B")}
    import_zones(connection, [named("Meter A")])
    both = Message("v1/gateway/telemetry", json.dumps(body).encode(), NOON_US, 1, 1)
    came = Pipeline(connection).store([both])
    assert (came.stored, came.set_aside) == (1, 1)
    (number,) = find_waiting(connection, limit=9)
    later = ManualClock(NOON + timedelta(days=1))
    (early,) = replay(connection, [number], clock=later, who="Awa (web)")
    assert (early.fate, early.duplicate) == (Fate.PARTLY, 1)
    import_zones(connection, [named("Meter A", "Meter B")])
    assert find_waiting(connection, limit=9) == [number], "the second still waits in it"
    (found,) = replay(connection, [number], clock=later, who="Awa (web)")
    assert (found.fate, found.stored, found.duplicate) == (Fate.ACCEPTED, 1, 1)
    assert find_waiting(connection, limit=9) == []


@pytest.mark.db
def test_what_the_device_calls_no_value_is_none_and_what_it_cannot_mean_is_set_aside(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    for value in (65535, "ERR", None):
        assert pipeline.store([uplink(value)]).came == 0
    assert pipeline.store([uplink(900), uplink("wet")]).set_aside == 2
    details = [row[0] for row in connection.execute("SELECT detail FROM set_aside ORDER BY set_aside_id")]
    assert "900 is beyond 0 … 400" in details[0]
    assert "'wet' is no number" in details[1]
    assert stored(connection) == []
    assert adds_up(connection)
    assert connection.execute("SELECT sum(absent) FROM raw_message").fetchone() == (3,)


@pytest.mark.db
def test_a_clock_that_says_1970_or_next_year_is_not_believed(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    pipeline.store([uplink(231, at=datetime(1970, 1, 1, 0, 2, tzinfo=UTC)), uplink(231, at=NOON + timedelta(days=300))])
    reasons = [row[0] for row in connection.execute("SELECT reason FROM set_aside ORDER BY set_aside_id")]
    assert reasons == ["time_before_service", "time_in_future"]


@pytest.mark.db
def test_an_engineer_mends_a_profile_and_reads_ninety_days_again(connection: Connection) -> None:
    """The first profile knows nothing of the battery; the second does. What was stored stays as it was."""
    Pipeline(connection).store([uplink(231)])
    with pytest.raises(ProfileError, match="readings"):
        keep_profile(connection, MENDED.replace("= 12 }", "= 13 }"), where="mine.toml", by="test", now=NOON)
    keep_profile(connection, MENDED, where="mine.toml", by="test", now=NOON)
    (found,) = replay_raw(connection, clock=ManualClock(NOON + timedelta(days=3)))
    assert (found.fate, found.stored, found.duplicate, found.conflict) == (Fate.ACCEPTED, 1, 1, 0)
    assert stored(connection) == [("gateway", "battery_v", NOON, 9.8), ("tower", "level_m", NOON, 2.31)]
    assert adds_up(connection)
    assert connection.execute("SELECT count(*) FROM raw_message").fetchone() == (1,)
    assert forget_profile(connection, "chirpstack-v4", by="test", now=NOON)
    assert not forget_profile(connection, "chirpstack-v4", by="test", now=NOON)


def sparkplug(kind: str, *metrics: dict[str, object]) -> Message:
    payload = payload_class()(timestamp=NOON_US // 1000, seq=0)
    for metric in metrics:
        payload.metrics.add(**metric)
    return Message(f"spBv1.0/labe/{kind}/node-1/tap-03", payload.SerializeToString(), NOON_US, 1, 1)


@pytest.mark.db
def test_sparkplug_data_before_a_birth_wait_for_it_and_a_restart_remembers_the_birth(connection: Connection) -> None:
    data = sparkplug("DDATA", {"alias": 4, "datatype": 8, "long_value": 118_250})
    pipeline = Pipeline(connection)
    assert pipeline.store([data]).set_aside == 1
    assert connection.execute("SELECT reason FROM set_aside").fetchone() == ("no_birth",)
    birth = {
        "name": "Meter/Litres",
        "alias": 4,
        "datatype": 8,
        "long_value": 118_200,
        "timestamp": NOON_US // 1000 - 60_000,
    }
    assert pipeline.store([sparkplug("DBIRTH", birth)]).stored == 1
    restarted = Pipeline(connection)  # reads what births have told
    assert restarted.store([data]).stored == 1
    assert [row[3] for row in stored(connection)] == [118.2, 118.25]
    assert pipeline.store([sparkplug("DDEATH")]).came == 0


@pytest.mark.parametrize(
    ("forgotten", "fate", "duplicate"),
    [
        pytest.param("", Fate.ACCEPTED, 1, id="birth-of-then-is-kept"),
        pytest.param("DELETE FROM raw_message WHERE topic ~ 'BIRTH'", Fate.REFUSED, 0, id="it-is-not"),
        pytest.param(
            "DELETE FROM raw_message WHERE topic ~ 'BIRTH'; UPDATE sparkplug_birth SET received_at = '2026-01-01', "
            """aliases = '{"4": ["Meter/Litres", 8], "5": ["Meter/Batch", 8]}'""",
            Fate.ACCEPTED, 1, id="it-is-the-last-one",
        ),
    ],
)  # fmt: skip
@pytest.mark.db
def test_sparkplug_data_are_read_again_by_the_birth_of_then(
    connection: Connection, forgotten: str, fate: Fate, duplicate: int
) -> None:
    """Its integrator gave the aliases anew. By those of today the litres of a batch were the meter of that day."""
    litres, batch = ({"name": f"Meter/{name}", "datatype": 8, "long_value": 0} for name in ("Litres", "Batch"))
    data = sparkplug("DDATA", {"alias": 4, "long_value": 118_250}, {"alias": 5, "long_value": 7})
    for minute, message in enumerate([
        sparkplug("DBIRTH", batch | {"alias": 5}, litres | {"alias": 4, "is_null": True}),
        data,
        sparkplug("DBIRTH", batch | {"alias": 4}, litres | {"alias": 5, "is_null": True}),
    ]):  # fmt: skip
        Pipeline(connection).store([structs.replace(message, received_us=NOON_US + minute * 60_000_000)])
    connection.execute(forgotten or "SELECT 1")
    since = NOON + timedelta(seconds=30)
    found = next(replay_raw(connection, clock=ManualClock(NOON + timedelta(days=1)), since=since))
    assert (found.fate, found.stored, found.duplicate, found.conflict) == (fate, 0, duplicate, 0)
    assert [row[3] for row in stored(connection)] == [118.25]
    assert adds_up(connection)


@pytest.mark.parametrize("kept", ["name and data type", "name alone, as before"])
@pytest.mark.db
def test_sparkplug_births_are_remembered_with_their_data_types(connection: Connection, kept: str) -> None:
    birth = {"name": "signal", "alias": 7, "datatype": 3, "int_value": 2**32 - 70}
    Pipeline(connection).store([sparkplug("DBIRTH", birth)])
    if kept != "name and data type":
        connection.execute("""UPDATE sparkplug_birth SET aliases = '{"7": "signal"}'""")
    data_type = 3 if kept == "name and data type" else 0
    assert fetch_aliases(connection) == {"labe/node-1/tap-03": {7: Born("signal", data_type)}}


def born(source: str, alias: int, name: str = "Meter/Litres", at_us: int = NOON_US) -> Message:
    message = sparkplug("DBIRTH", {"name": name, "alias": alias, "datatype": 8, "long_value": 118_200})
    group, _, rest = source.partition("/")
    return structs.replace(message, topic=f"spBv1.0/{group}/DBIRTH/{rest}", received_us=at_us)


@pytest.mark.db
def test_births_of_strangers_are_neither_learned_nor_kept_nor_read_at_the_next_start(connection: Connection) -> None:
    """Of 700 such births, 44 MB of a sender's traffic, ingest died of memory, and died again at each start."""
    pipeline = Pipeline(connection)
    strangers = [born(f"labe/node-1/ghost-{n}", 4, f"{n}" * 20) for n in range(20)]
    assert pipeline.store([*strangers, born("labe/node-1/tap-03", 4)]).set_aside == 20
    assert set(pipeline.new_admission().directory.dialects.aliases) == {"labe/node-1/tap-03"}
    kept = connection.execute("SELECT source FROM sparkplug_birth").fetchall()
    assert kept == [("labe/node-1/tap-03",)]
    connection.execute(
        "INSERT INTO sparkplug_birth SELECT 'labe/node-1/ghost-' || n, '{}', now() FROM generate_series(1, 20) AS n"
    )
    assert set(fetch_aliases(connection)) == {"labe/node-1/tap-03"}, "what an earlier version kept is left where it is"
    for huge in (json.dumps({str(n): ["x", 8] for n in range(2001)}), json.dumps({"4": ["x" * 300_000, 8]})):
        connection.execute("UPDATE sparkplug_birth SET aliases = %s WHERE source = 'labe/node-1/tap-03'", [huge])
        assert fetch_aliases(connection) == {}


@pytest.mark.db
def test_a_second_profile_of_the_dialect_forgets_no_birth_of_the_first_ones_devices(connection: Connection) -> None:
    other = shipped_bodies()["sparkplug-b"].replace('profile = "sparkplug-b"', 'profile = "zz-sparkplug"')
    keep_profile(connection, other, where="mine.toml", by="test", now=NOON)
    pipeline = Pipeline(connection)
    assert pipeline.store([born("labe/node-1/tap-03", 4)]).stored == 1
    data = sparkplug("DDATA", {"alias": 4, "long_value": 118_250, "timestamp": NOON_US // 1000 + 60_000})
    later = structs.replace(data, received_us=NOON_US + 60_000_000)
    assert Pipeline(connection).store([later]).stored == 1


@pytest.mark.db
def test_data_by_alias_of_somebody_nobody_registered_wait_for_no_birth(connection: Connection) -> None:
    node = structs.replace(sparkplug("DDATA", {"alias": 4, "long_value": 7}), topic="spBv1.0/labe/NDATA/node-1")
    assert Pipeline(connection).store([node]).set_aside == 1
    assert connection.execute("SELECT reason FROM set_aside").fetchone() == ("unknown_device",)


@pytest.mark.db
def test_the_birth_of_a_device_that_is_registered_later_is_learned_when_it_is_replayed(connection: Connection) -> None:
    """Its birth and data wait; once a zone names it they are replayed, and ingest, which runs on, reads what comes."""
    import_zones(connection, [zone_with_devices("")])
    running = Pipeline(connection)
    data = sparkplug("DDATA", {"alias": 4, "long_value": 118_250})
    assert running.store([born("labe/node-1/tap-03", 4), data]).set_aside == 2
    import_zones(connection, [zone_with_devices()])
    later = ManualClock(NOON + timedelta(hours=1))
    fates = [one.fate for one in replay(connection, find_waiting(connection, limit=9), clock=later, who="Awa (web)")]
    assert fates == [Fate.ACCEPTED] * 2
    more = sparkplug("DDATA", {"alias": 4, "long_value": 118_300, "timestamp": NOON_US // 1000 + 60_000})
    assert running.store([structs.replace(more, received_us=NOON_US + 60_000_000)]).stored == 1
    assert stored(connection)[-1][3] == 118.3


@pytest.mark.parametrize("restarts", [False, True], ids=["ingest runs on", "ingest is restarted"])
@pytest.mark.db
def test_what_a_device_told_before_it_was_a_stranger_holds_no_more(connection: Connection, restarts: bool) -> None:
    """It leaves the zone file, its integrator gives the aliases anew, and it comes back: a batch is no litres."""
    pipeline = Pipeline(connection)
    pipeline.store([born("labe/node-1/tap-03", 4)])
    import_zones(connection, [zone_with_devices("")])
    pipeline.look_at_registry()
    assert pipeline.store([born("labe/node-1/tap-03", 4, "Meter/Batch", NOON_US + 60_000_000)]).set_aside == 1
    import_zones(connection, [zone_with_devices()])
    pipeline = Pipeline(connection) if restarts else pipeline
    pipeline.look_at_registry()
    data = structs.replace(sparkplug("DDATA", {"alias": 4, "long_value": 7}), received_us=NOON_US + 120_000_000)
    assert pipeline.store([data]).set_aside == 1
    assert [row[3] for row in stored(connection)] == [118.2]


def test_sparkplug_data_bear_the_sign_that_their_birth_declared() -> None:
    aliases: Aliases = {}
    births = sparkplug("DBIRTH", {"name": "signal", "alias": 7, "datatype": 3, "int_value": 2**32 - 70})
    data = sparkplug("DDATA", {"alias": 7, "int_value": 2**32 - 71})  # no data type: 3.0 says it should not be there
    told = [from_sparkplug(one.payload, one.topic, aliases)["points"][0]["value"] for one in (births, data)]
    assert told == [-70.0, -71.0]


def test_no_value_as_a_float_of_sparkplug_has_it_is_none() -> None:
    payload = payload_class()(timestamp=NOON_US // 1000)
    payload.metrics.add(name="Tank/Level", datatype=9, float_value=999.9)
    rule = PointRule("Tank/Level", "tower", "level_m", "cm", sentinels=(999.9,))
    (shown,) = try_message(
        PROFILES["sparkplug-b"], "spBv1.0/labe/DDATA/node-1/tower", payload.SerializeToString(), NOON, [rule]
    )
    assert shown.problem == "no value", "and not a tower with 10 m of water"


@pytest.mark.db
def test_sparkplug_data_that_tell_no_time_were_measured_when_they_came(connection: Connection) -> None:
    import_zones(connection, [zone_with_devices()])
    payload = payload_class()()
    payload.metrics.add(name="Meter/Litres", datatype=8, long_value=118_250)
    topic = "spBv1.0/labe/DDATA/node-1/tap-03"
    came = Pipeline(connection).store([Message(topic, payload.SerializeToString(), NOON_US, 1, 1)])
    assert (came.stored, came.set_aside) == (1, 0)
    assert connection.execute("SELECT measured_at, value, flag FROM reading").fetchall() == [(NOON, 118.25, Flag.GOOD)]


def heard_at(received_us: int, body: object, *, is_retained: bool, kind: str = "plain") -> Message:
    """A message as the broker hands it over: of what it kept for whoever subscribes, the first byte says so."""
    packet = bytearray(publish_packet(f"ndiyan/1/zone-1/gw-1/up/{kind}", json.dumps(body).encode(), protocol=4, mid=9))
    packet[0] |= is_retained
    (one,), _, _ = read_packets(bytes(packet), protocol=4)
    return Message(one.topic.decode(), one.payload, received_us, one.mid, 1, one.expires_s, one.is_retained)


@pytest.mark.db
def test_what_the_broker_kept_and_tells_no_time_is_no_new_measurement(connection: Connection) -> None:
    """ESPHome publishes all that it measures retained: after each reconnect of ours a sensor that had died was well."""
    pipeline = Pipeline(connection)
    told, level = {"tower/level_m": 2.5}, {"bn": "tower/", "n": "level_m", "u": "m", "v": 2.5}
    assert pipeline.store([heard_at(NOON_US - 60_000_000, told, is_retained=True)]).came == 0, "who knows how old"
    assert pipeline.store([heard_at(NOON_US, told, is_retained=False)]).stored == 1
    for minute in (1, 2):
        later_us = NOON_US + minute * 60_000_000
        again = [
            heard_at(later_us, told, is_retained=True),
            heard_at(later_us, told | {"tap-03/volume_m3": None}, is_retained=True),
            heard_at(later_us, [level], is_retained=True, kind="senml"),
        ]
        assert pipeline.store(again).came == 0
    assert stored(connection) == [("tower", "level_m", NOON, 2.5)]
    assert connection.execute("SELECT count(*) FROM raw_message").fetchone() == (1,), "nothing to be read again"
    assert adds_up(connection)


@pytest.mark.db
def test_what_the_broker_kept_and_tells_its_time_is_a_duplicate(connection: Connection) -> None:
    """As what a gateway of another maker told while we were away, and whose next word may be hours off."""
    pipeline = Pipeline(connection)
    came = [pipeline.store([structs.replace(uplink(231), is_retained=True)]) for _ in range(2)]
    assert [(one.stored, one.duplicate) for one in came] == [(1, 0), (0, 1)]
    level = [{"bn": "tower/", "n": "level_m", "u": "m", "v": 2.4, "bt": NOON_US / 1e6 - 60}]
    assert pipeline.store([heard_at(NOON_US, level, is_retained=True, kind="senml")]).stored == 1
    assert adds_up(connection)


def test_small_whole_numbers_of_sparkplug_may_be_negative() -> None:
    shown = try_message(
        PROFILES["sparkplug-b"],
        "spBv1.0/labe/DBIRTH/node-1/tap-03",
        sparkplug("DBIRTH", {"name": "t", "datatype": 2, "int_value": 0xFFFE}).payload,
        NOON,
    )
    assert [one.raw for one in shown] == ["-2.0"]


@pytest.mark.db
def test_who_publishes_under_a_zone_speaks_for_that_zone_alone(connection: Connection) -> None:
    pipeline = Pipeline(connection)
    body = b'{"tower/level_m": 2.5, "tap-03": {"volume_m3": "7"}, "mood": 3}'
    ours, strange, other = (
        Message(f"ndiyan/1/{where}/up/plain", body, NOON_US + n, 1, 1)
        for n, where in enumerate(("zone-1/gw-1", "zone-1/gw-9", "zone-2/gw-1"))
    )
    came = pipeline.store([ours, strange, other])
    assert (came.stored, came.set_aside) == (2, 2)
    reasons = {row[0] for row in connection.execute("SELECT reason FROM set_aside")}
    assert reasons == {"unknown_device"}
    assert adds_up(connection)


ELSEWHERE = """
[[devices]]
profile = "chirpstack-v4"
id = "a84041000181c061"
[[devices.points]]
point = "water_level"
is = "tower/level_m"
unit = "cm"

[[devices]]
profile = "tts-v3"
id = "0004A30B001C0530"
[[devices.points]]
point = "distance"
is = "tower/level_m"
unit = "m"

[[devices]]
profile = "teltonika-rut"
id = "001E42000000"
[[devices.points]]
point = "0"
is = "pump/power_w"
unit = "W"
"""


@pytest.mark.parametrize(
    ("own", "foreign", "payload", "detail"),
    [
        pytest.param(
            "application/9/device/a84041000181c061/event/up", "application/1/device/24e124713b493921/event/up",
            uplink(231, device="a84041000181c061").payload,
            "the message is of a84041000181c061, and the topic of 24e124713b493921", id="chirpstack",
        ),
        pytest.param(
            "v3/labe@ttn/devices/tower-3/up", "v3/labe@ttn/devices/tower-9/up", PROFILES["tts-v3"].samples[0].payload,
            "the message is of tower-3, and the topic of tower-9", id="the things stack",
        ),
        pytest.param(
            "zone-2/teltonika", "zone-1/teltonika", PROFILES["teltonika-rut"].samples[0].payload,
            "001E42000000 is no device of zone-1, of which the topic is", id="teltonika",
        ),
    ],
)  # fmt: skip
@pytest.mark.db
def test_a_sender_of_one_zone_writes_no_readings_of_another(
    connection: Connection, own: str, foreign: str, payload: bytes, detail: str
) -> None:
    """Whoever takes the password out of a router of zone-1 knows the number that is printed on the one of zone-2."""
    text = (shipped("zones") / "zone-2.toml").read_text("utf-8") + ELSEWHERE
    import_zones(connection, [zone_from_values(tomllib.loads(text), "zone-2.toml")])
    pipeline = Pipeline(connection)
    came = pipeline.store([Message(foreign, payload, NOON_US, 1, 1)])
    assert (came.stored, came.set_aside) == (0, 1)
    assert connection.execute("SELECT reason, detail FROM set_aside").fetchall() == [("other_device", detail)]
    assert pipeline.store([Message(own, payload, NOON_US, 2, 1)]).stored == 1, "by the sender that may"
    assert adds_up(connection)


@pytest.mark.parametrize(
    ("topic_filter", "open_on"),
    [
        ("application/9/device/a84041000181c061/event/up", []),
        ("application/9/device/+/event/up", ["application/+/device/+/event/up"] * 2),
        ("application/9/#", ["application/+/device/+/event/up"] * 2),
        ("application/9/device/a84041000181c061/#", []),
        ("v3/labe@ttn/devices/tower-3/up", ["v3/+/devices/+/up"]),  # the message tells another id than the topic
        ("zone-1/teltonika", []),
        ("+/teltonika", ["+/teltonika"]),
        ("v1/gateway/telemetry", ["v1/gateway/telemetry"]),
        ("spBv1.0/labe/+/node-1/#", []),
        ("spBv1.0/labe/#", ["spBv1.0/+/+/+", "spBv1.0/+/+/+/+"]),
        ("N/c0619ab1234a/#", []),
        ("22081500123", []),
        ("ndiyan/1/zone-1/gw-1/up/plain", []),
        ("ndiyan/1/+/gw-1/up/plain", ["ndiyan/1/+/+/up/+"]),
        ("village/rtu-7/rtu", []),
    ],
)
def test_a_filter_that_leaves_open_for_whom_its_sender_speaks_is_told(topic_filter: str, open_on: list[str]) -> None:
    assert for_every_zone(topic_filter, shipped_profiles()) == open_on


@pytest.mark.db
def test_a_record_without_a_readable_time_does_not_take_its_neighbours_with_it(connection: Connection) -> None:
    """A device that sends what it kept in one message; its clock was lost for one of the three."""
    topic, at_ms = "ndiyan/1/zone-1/gw-1/up/thingsboard", NOON_US // 1000
    kept = [{"ts": ts, "values": {"tower/level_m": 2.5, "mood": 3}} for ts in (at_ms - 60_000, "lost", at_ms)]
    came = Pipeline(connection).store([Message(topic, json.dumps(kept).encode(), NOON_US, 1, 1)])
    assert (came.stored, came.set_aside) == (2, 1)
    (aside,) = connection.execute("SELECT reason, detail, payload FROM set_aside").fetchall()
    assert aside[:2] == ("bad_record", "tower/level_m from tower/level_m: 'lost' is no time of the form epoch_ms")
    assert json.loads(bytes(aside[2])) == [{"n": "tower/level_m", "u": "m", "vs": "2.5"}]
    (found,) = replay(connection, find_waiting(connection, limit=9), clock=ManualClock(NOON), who="Awa (web)")
    assert found.fate is Fate.REFUSED, "nor is it ever taken as measured when it came"
    came = Pipeline(connection).store([Message(topic, json.dumps(kept[1:2] * 2).encode(), NOON_US, 2, 1)])
    assert (came.stored, came.set_aside) == (0, 1), "of which nothing can be read, as a whole"
    assert connection.execute("SELECT reason FROM set_aside ORDER BY set_aside_id DESC LIMIT 1").fetchone() == (
        "not_its_profile",
    )
    assert adds_up(connection)


def test_a_point_whose_own_time_is_unreadable_does_not_take_its_neighbours_with_it() -> None:
    profile = dataclasses.replace(PROFILES["thingsboard"], points=Finder("points"))
    points = [{"name": "tower/level_m", "value": 2, "time": time} for time in (1_772_448_000_000, "lost")]
    shown = try_message(profile, "ndiyan/1/z/g/up/thingsboard", json.dumps({"points": points}).encode(), NOON)
    assert [(one.value, one.problem) for one in shown] == [
        (2, None), (None, "tower/level_m from tower/level_m: 'lost' is no time of the form epoch_ms"),
    ]  # fmt: skip
    strict = dataclasses.replace(profile, without_time="refuse")
    with pytest.raises(Undecodable, match="no time in it"):
        try_message(strict, "ndiyan/1/z/g/up/thingsboard", b'{"points": []}', NOON)


def test_a_name_of_ours_is_taken_in_its_canonical_unit() -> None:
    shown = try_message(
        PROFILES["plain"], "ndiyan/1/z/g/up/plain", b'{"pump/flow_m3_h": 3.7, "pump": {"pressure_bar": 2}}', NOON
    )
    assert {one.channel: (round(one.value or 0, 9), one.unit) for one in shown} == {
        "pump/flow_m3_h": (3.7, "m³/h"),
        "pump/pressure_bar": (2.0, "bar"),
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('"cm"', '"bar"', r"devices\[0\]\.points\[0\]\.unit: 'bar' is none of", id="unit"),
        pytest.param('"tower/level_m"', '"tower/level"', r"is: tower/level is no channel", id="channel"),
        pytest.param('"tap-03"\n\n', '"tap-77"\n\n', r"asset: 'tap-77' is no asset", id="asset"),
        pytest.param("valid = [0, 400]", "valid = [400, 0]", r"valid: \[400, 0\] is not", id="valid"),
        pytest.param('"chirpstack-v4"', '"Chirp Stack"', r"profile: 'Chirp Stack' does not match", id="profile"),
        pytest.param('[65535, "ERR"]', "[65535, nan]", r"sentinels: \[65535, nan\] is not a list", id="nan"),
        pytest.param('[65535, "ERR"]', '["\\u0000"]', r"sentinels: \['\\x00'\] is not a list", id="NUL"),
        pytest.param("valid = [0, 400]", "valid = [0, 1" + "0" * 400 + "]", r"valid: \[0, 10+\] is not", id="no float"),
        pytest.param(
            '"@/volume_m3"',
            '"tower/level_m"\nunit = "m"\n\n[[devices.points]]\npoint = "Meter/Litres"\nis = "@/volume_m3"',
            r"devices\[1\]\.points\[1\]\.point: 'Meter/Litres' stands twice",
            id="point twice",
        ),
    ],
)
def test_a_mistake_in_a_device_names_file_key_value_and_bound(old: str, new: str, message: str) -> None:
    assert old in DEVICES
    with pytest.raises(ZoneFileError, match=message):
        zone_with_devices(DEVICES.replace(old, new, 1))


@pytest.mark.parametrize(("asset", "point"), [(None, "quality/turbidity_ntu"), ("quality", "@/turbidity_ntu")])
def test_a_point_of_a_channel_that_its_asset_does_not_have_is_refused(asset: str | None, point: str) -> None:
    """It was taken, and each of its readings set aside as of an unknown channel."""
    values = zone_as_values(zone_with_devices(""))
    values["quality"] = {"channels": ["free_chlorine_mg_l"]}
    device = {"profile": "king-pigeon", "id": "1", "points": [{"point": "AI1", "is": point, "unit": "NTU"}]}
    values["devices"] = [device | ({} if asset is None else {"asset": asset})]
    told = r"devices\[0\]\.points\[0\]\.is: 'turbidity_ntu' is none of the channels of quality here: free_chlorine_mg_l"
    with pytest.raises(ZoneFileError, match=told):
        zone_from_values(values, "zone-1.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param('payload = "json"', 'payload = "xml"', r"payload: 'xml' is none of json", id="payload"),
        pytest.param('points = "object"', 'points = "object["', r"points: 'object\[' is no JMESPath", id="path"),
        pytest.param('topics = ["application', 'topics = ["#/application', r"is no MQTT filter", id="topic"),
        pytest.param('time_format = "iso"', 'time_format = "soon"', r"time_format: 'soon' is none of", id="time"),
        pytest.param('unit = "cm"', 'unit = "bar"', r"rules\[0\]\.unit: 'bar' is none of", id="unit"),
        pytest.param("title", "tittle", r"title: is missing", id="missing"),
        pytest.param(
            'topics = ["', 'topics = "application"\ntittle = ["', r"topics: 'application' is not a list", id="list"
        ),
        pytest.param(
            "points = {", 'points = "two"\ntittle = {', r"samples\[0\]\.points: 'two' is not a table", id="table"
        ),
        pytest.param(
            "readings = {", 'readings = { a = "x" }\ntittle = {', r"readings\.a: 'x' is not a number", id="value"
        ),
        pytest.param('"object"', '"' + "(" * 5000 + '"', r"is no JMESPath: maximum recursion", id="deep path"),
        pytest.param('"object"', f'"a[{"1" * 5000}]"', r"is no JMESPath: Exceeds the limit", id="long number"),
        pytest.param('"object"', "[" * 5000, r"is not valid TOML: maximum recursion", id="deep TOML"),
        pytest.param(
            '"object"', "0x" + "f" * 4000, r"is not valid TOML: Exceeds the limit", id="long hexadecimal number"
        ),
        pytest.param(
            "received_at = 2", "received_at = 0001-01-01T00:00:00+10:00 # 2", r"no time that we can tell", id="year 1"
        ),
        pytest.param('"object"', "1" * 5000, r"is not valid TOML: Exceeds the limit", id="long TOML number"),
        pytest.param('"object"', '"object"\nname_level = 1' + "0" * 400, r"name_level: 10+ is above 20", id="no float"),
    ],
)
def test_a_mistake_in_a_profile_names_file_key_value_and_bound(old: str, new: str, message: str) -> None:
    file = Path(__file__).parents[2] / "ingest/profiles/shipped/chirpstack-v4.toml"
    text = file.read_text("utf-8")
    assert old in text
    with pytest.raises(ProfileError, match=message):
        parse_profile(text.replace(old, new, 1), "mine.toml")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sum(a)", [0.5, 10**400]),
        ("ceil(a)", float("inf")),
        ("a[0:9:0]", [1]),
        ("a > 'x'", 1),
        ("contains(a, `1`)", "abc"),
        ("max_by(a, &b)", [{"b": 1}, {"b": "x"}]),
    ],
)
def test_a_path_that_cannot_be_worked_out_finds_nothing(path: str, value: object) -> None:
    assert Finder(path).of({"a": value}) is None


def test_a_sensor_that_also_tells_where_it_stands_is_read() -> None:
    # The example of the format's own page: 42.3519, -87.9094, 10 m; behind it a level of 2.50.
    told = from_cayenne_lpp(bytes.fromhex("01 88 06 76 5f f2 96 0a 00 03 e8 02 02 00 fa"))
    assert told == {
        "gps_1_latitude": 42.3519, "gps_1_longitude": -87.9094, "gps_1_altitude": 10.0, "analog_in_2": 2.5
    }  # fmt: skip
    assert from_cayenne_lpp(bytes.fromhex("03 7d 01 9a 04 84 01 0e 05 87 ff 80 00")) == {
        "concentration_3": 410, "direction_4": 270, "colour_5_r": 255, "colour_5_g": 128, "colour_5_b": 0
    }  # fmt: skip


def test_cayenne_says_where_it_breaks_off() -> None:
    assert from_cayenne_lpp(bytes.fromhex("0102ff9c 0371 04d2fb2e0000")) == {
        "analog_in_1": -1.0, "accelerometer_3_x": 1.234, "accelerometer_3_y": -1.234, "accelerometer_3_z": 0.0,
    }  # fmt: skip
    for payload, problem in (("01", "head"), ("0167ff", "2 bytes"), ("01fe00", "no kind"), ("", "no value")):
        with pytest.raises(Undecodable, match=problem):
            from_cayenne_lpp(bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("topic_filter", "topic", "fits"),
    [
        ("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False), ("a/#", "a/b/c", True), ("a/#", "a", True),
        ("+", "serial", True), ("+", "$SYS", False), ("a/+", "a/b/c", False), ("a", "a/b", False),
    ],
)  # fmt: skip
def test_a_filter_lets_through_what_mqtt_says(topic_filter: str, topic: str, fits: bool) -> None:
    assert topic_fits(topic_filter, topic) is fits


@given(st.binary(max_size=200), st.sampled_from(sorted(PROFILES)))
def test_no_bytes_break_a_profile(payload: bytes, name: str) -> None:
    village = Village(PROFILES[name])
    _, problem = village.judge(PROFILES[name].samples[0], payload)
    assert problem is None


@pytest.mark.parametrize("profile", shipped_profiles(), ids=lambda profile: profile.name)
def test_mutated_samples_break_nothing_and_nothing_comes_in_a_wrong_unit(profile: Profile) -> None:
    """The full run is `make bench-fuzz-profiles`."""
    chance, village = random.Random(f"profiles {profile.name}"), Village(profile)
    for _ in range(300):
        sample = chance.choice(profile.samples)
        payload = mutated(sample.payload, chance)
        _, problem = village.judge(sample, payload)
        assert problem is None, payload


DOUBLED = "@" + "|[@,@][]" * 25
BOMBS = [
    pytest.param(DOUBLED, id="flattened"),
    pytest.param(f"boom && ({DOUBLED}) || @", id="behind a word that no sample says"),
    pytest.param("@" + "|[@,@]" * 40 + "|to_string(@)", id="told as a text"),
    pytest.param("@" + "|{a: @, b: @}" * 8, id="as names"),
    pytest.param("to_string([" * 30 + "@" + "])" * 30, id="escapes of escapes"),
    pytest.param("join(a, b)", id="64 kB of text between each two of thousands"),
    pytest.param("[*]." + "{a: " * 60 + "@" + "}" * 60, id="deep, for each element"),
    pytest.param("[*].`[" + "0," * 999 + "0]`[]", id="a thousand for each element"),
    pytest.param("[*].join('', ['" + "x" * 4000 + "'])", id="a long text for each element"),
    pytest.param('[*].{"' + "x" * 4000 + '": @}', id="a long name for each element"),
    pytest.param("[?" + "&&".join(["@ == `1`"] * 50) + "]", id="fifty conditions for each element"),
    pytest.param("map(&[@,@,@,@][], [@,@,@,@][])", id="mapped"),
    pytest.param("not_null(&[@,@])", id="mapped from elsewhere"),
]


@pytest.mark.parametrize("key", ["points", "records", "when"])
@pytest.mark.parametrize("path", BOMBS)
def test_a_path_that_makes_much_of_little_is_refused_before_it_runs(key: str, path: str) -> None:
    """Of 300 letters: run once, in the page that tries it or by ingest, it took minutes and all memory."""
    text = "\n".join(line for line in MENDED.splitlines() if not line.startswith(f"{key} ="))
    with pytest.raises(ProfileError, match=rf"{key}: .* is no JMESPath: "):
        parse_profile(f"{key} = {json.dumps(path)}\n{text}", "mine.toml")


def test_a_path_that_works_on_what_another_has_multiplied_is_refused() -> None:
    many = f'records = "[{", ".join("@" * 20)}]"\npoints = "[{", ".join("@" * 20)}]"'
    assert parse_profile(MENDED.replace('points = "object"', many.partition("\n")[0]), "mine.toml")
    with pytest.raises(
        ProfileError, match=r"points: .* it could take 441 steps for each value of a message, bound 200"
    ):
        parse_profile(MENDED.replace('points = "object"', many), "mine.toml")


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("join(' ', [a, b])", {"a": "2026-03-02", "b": "10:40"}, "2026-03-02 10:40"),
        ("a[?kind == 'measurement' && ok][].{name: id, value: not_null(v, raw), time: at}", {
            "a": [{"kind": "measurement", "ok": True, "id": "AI1", "raw": 3, "at": 7}, {"kind": "measurement"}]
        }, [{"name": "AI1", "value": 3, "time": 7}]),
        ("max_by(a, &at).v", {"a": [{"at": 1, "v": 2}, {"at": 3, "v": 4}]}, 4),
        ("a[:2][]", {"a": [1, [2], 3]}, [1, 2]),
        ("{" + ", ".join(f'"{n}": to_array(D)[{n}]' for n in range(32)) + "}", {"D": list(range(32))},
         {str(n): n for n in range(32)}),
    ],
    ids=["date and time apart", "of a kind", "the newest", "a part", "32 registers"],
)  # fmt: skip
def test_a_path_that_a_device_needs_is_read(path: str, value: object, found: object) -> None:
    assert Finder(path).of(value) == found


def test_a_message_of_too_many_values_is_given_up_at_the_first_beyond() -> None:
    body = {"deviceInfo": {"devEui": "24e124713b493921"}, "object": [{f"p{n}": n for n in range(1001)}] * 2}
    profile = dataclasses.replace(PROFILES["chirpstack-v4"], records=Finder("object"), points=Finder("@"), time=None)
    with pytest.raises(Undecodable, match="more than 2000 values"):
        try_message(profile, CHIRPSTACK, json.dumps(body).encode(), NOON)
