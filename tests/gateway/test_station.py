"""The whole program: Modbus, gateway, a real broker, a real ingest; and what a day costs on the wire."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.clock import ManualClock, SystemClock
from gateway.config import MqttSettings
from gateway.errors import ConfigError, OutboxFull
from gateway.installation import Installation, load_installation
from gateway.model import AssetId, AssetKind, Reading, ZoneId
from gateway.outbox import Outbox
from gateway.remote import sign
from gateway.service import Station, day_bytes, outbox_of
from gateway.traffic import Traffic
from gateway.uplink import Uplink
from gateway.wire import config_topic, status_topic
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan.embedded_broker import EmbeddedBroker
from simulator.hardware import Hardware, gateway_file, wires_of
from simulator.history import simulate_history
from simulator.modbus import Unit
from simulator.scenarios import load_scenario
from tests.gateway.lines import PUMP, installation, pump_units, serving
from tests.gateway.test_remote import KEY, PLAN
from tests.gateway.test_uplink import SelectiveIngest
from tests.ingest.process import IngestProcess, wait_until

LATEST = """
SELECT asset_id || '/' || name, value FROM latest JOIN channel USING (channel_id) WHERE zone_id = %s
"""
MEGABYTE, ROUNDS = 1_000_000, 288
# A ping and its answer: 2 bytes each, in a segment of its own, and one that acknowledges: 2 × 54 + 52 bytes. With five
# minutes between two rounds and a keepalive of four, one ping falls into each.
PING_BYTES = 160
# TLS 1.3 adds 22 bytes to each of the four records of a round (pack, PUBACK, answer, PUBACK), and a handshake of 4 kB
# (measured with an ECDSA certificate) to each connection; ten a day.
TLS_BYTES = 4 * 22 * ROUNDS + 10 * 4_000


@pytest.fixture
def zone(zones: list[Zone]) -> Zone:
    return zones[0]


@contextmanager
def running(station: Station) -> Iterator[None]:
    """The program, in a thread of its own."""
    thread = threading.Thread(target=station.run)
    thread.start()
    try:
        yield
    finally:
        station.ask_to_stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.broker
@pytest.mark.db
def test_what_the_instruments_see_stands_in_the_database(
    broker: EmbeddedBroker, database_url: str, zone: Zone, tmp_path: Path
) -> None:
    hardware = Hardware(
        [zone], clock=SystemClock(), folder=tmp_path / "zones", seed=1, scenario=load_scenario("demo"), first_port=0
    )
    registers: dict[tuple[str, str, str], float] = {}
    now = SystemClock().now()
    for minute in (0, 1):  # an instrument may miss one, and its register then keeps what it saw before
        hardware.live_until(now + timedelta(minutes=minute))
        registers |= hardware.seen
    bus, mqtt = hardware.buses[zone.zone_id], broker.settings_for(zone.gateway_id).url()
    with connect(database_url) as connection:
        import_zones(connection, [zone])
    ingest = IngestProcess(database_url, broker.ingest_settings, tmp_path / "ingest.log")
    bus.start()
    try:
        text = gateway_file(zone, host="127.0.0.1", port=bus.port, mqtt=mqtt, folder="state")
        (tmp_path / "gateway.toml").write_text("rtc = true\n" + text, "utf-8")
        station = Station(load_installation(tmp_path / "gateway.toml"), resend_after_s=1.0, reconnect_s=(0.1, 1.0))
        with running(station), connect(database_url) as connection:
            wait_until(lambda: stored(connection, zone) >= 30, lambda: f"troubles: {station.sampler.troubles}")
            found = dict(connection.execute(LATEST, [zone.zone_id]).fetchall())
            clock = connection.execute("SELECT clock_source FROM gateway WHERE zone_id = %s", [zone.zone_id])
            assert clock.fetchone() in [("rtc",), ("ntp",)], "whoever vouches for the clock here"
    finally:
        bus.stop()
        ingest.end()
    wires = {f"{wire.asset}/{wire.channel}": wire for wire in wires_of(zone)}
    for name, value in found.items():
        if name not in wires:
            assert name.startswith("gateway/"), "the box knows these itself"
        elif wires[name].litres is not None:
            assert value == 0, "a total begins when the counter is seen first"
        else:  # a loop's last digit is a microampere
            span = wires[name].loop or (0.0, 0.0)
            last_digit = abs(span[1] - span[0]) / 16_000
            seen = registers[zone.zone_id, wires[name].asset, wires[name].channel]
            assert value == pytest.approx(seen, abs=last_digit + 0.051), name


def stored(connection: Connection, zone: Zone) -> int:
    """How many channels of the zone have a value."""
    return len(connection.execute(LATEST, [zone.zone_id]).fetchall())


ACCOUNTED = "SELECT sum(sent), sum(arrived), sum(declared) FROM gateway_day WHERE zone_id = %s"


@pytest.mark.broker
@pytest.mark.db
def test_what_a_full_outbox_thinned_is_declared_over_the_broker_and_missing_nowhere(
    broker: EmbeddedBroker, database_url: str, zone: Zone, tmp_path: Path
) -> None:
    """Two days of a level every five minutes, thinned to hours while nobody listened; then the program was killed."""
    begin = SystemClock().now() - timedelta(days=3)
    outbox = Outbox(tmp_path / "outbox.db")
    for round_ in range(576):
        at = begin + timedelta(minutes=5 * round_)
        outbox.append([Reading(AssetId("tower"), "level_m", at, 2.0 + round_ / 1000)], uptime_s=300.0 * round_)
    gone = outbox.thin(before=SystemClock().now(), most=10_000)
    kept = outbox.depth()
    outbox.close()
    assert (gone + kept, kept) == (576, pytest.approx(48.5, abs=0.5))

    with connect(database_url) as connection:
        import_zones(connection, [zone])
    ingest = IngestProcess(database_url, broker.ingest_settings, tmp_path / "ingest.log")
    outbox = Outbox(tmp_path / "outbox.db")
    uplink = Uplink(
        broker.settings_for(zone.gateway_id), zone=zone.zone_id, gateway=zone.gateway_id, outbox=outbox,
        clock=SystemClock(), software="test", resend_after_s=1.0,
    )  # fmt: skip
    uplink.start()
    try:
        wait_until(lambda: not outbox.depth() and outbox.undeclared(1) is None, ingest.log)
        with connect(database_url) as connection:
            assert connection.execute(ACCOUNTED, [zone.zone_id]).fetchone() == (576, kept, gone)
    finally:
        uplink.stop()
        outbox.close()
        ingest.end()


def thirty_channels(zone: Zone, day: date) -> dict[datetime, list[Reading]]:
    """A simulated day of the zone's first thirty channels that are measured every five minutes, as rounds of these."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    blocks = simulate_history(
        [zone], start=start, end=start + timedelta(days=1), seed=1, scenario=load_scenario("dry-season"), folder=None
    )
    rounds: dict[datetime, list[Reading]] = {}
    for block in [block for block in blocks if block.asset != AssetKind.WEATHER][:30]:
        for t_s, value in zip(block.t_s.tolist(), block.value.tolist(), strict=True):
            at = datetime.fromtimestamp(t_s, UTC)
            rounds.setdefault(at, []).append(Reading(AssetId(block.asset), block.channel, at, value))
    return rounds


@pytest.mark.broker
def test_a_day_of_thirty_channels_costs_less_than_a_megabyte_on_the_wire(
    broker: EmbeddedBroker, zone: Zone, tmp_path: Path
) -> None:
    day = date(2026, 3, 2)
    rounds = thirty_channels(zone, day)
    readings = sum(map(len, rounds.values()))
    assert (len(rounds), readings) == (ROUNDS, pytest.approx(30 * ROUNDS, rel=0.01))
    ingest = SelectiveIngest(broker, lost=0)
    outbox, clock = Outbox(tmp_path / "outbox.db"), ManualClock(min(rounds))
    uplink = Uplink(
        broker.settings_for(zone.gateway_id), zone=zone.zone_id, gateway=zone.gateway_id, outbox=outbox, clock=clock,
        software="test", is_zipped=True, uptime_s=lambda: (clock.now() - min(rounds)).total_seconds(),
    )  # fmt: skip
    uplink.start()
    try:
        for at in sorted(rounds):
            clock.set(at)
            outbox.append(rounds[at], uptime_s=(at - min(rounds)).total_seconds())
            uplink.wake()
            end_s = time.monotonic() + 10
            while outbox.depth():
                assert time.monotonic() < end_s
                time.sleep(0.001)
        traffic = uplink.traffic()
    finally:
        uplink.stop()
        ingest.close()
        outbox.close()
    pings = PING_BYTES * ROUNDS
    plain, tls = traffic.up + traffic.down + pings, traffic.up + traffic.down + pings + TLS_BYTES
    print(f"{readings} readings: up {traffic.up / 1e3:.0f} kB, down {traffic.down / 1e3:.0f} kB by the kernel's count,")
    print(f"pings {pings / 1e3:.0f} kB: {plain / 1e3:.0f} kB a day, with TLS {tls / 1e3:.0f} kB")
    assert traffic.up > 288 * 100, "it was counted"
    assert tls < MEGABYTE


@pytest.fixture
def pump(tmp_path: Path) -> Iterator[tuple[dict[int, Unit], Callable[[str], Installation]]]:
    """The devices of a pump, and its file with more at its head."""
    units = pump_units()
    with serving(units) as bus:
        yield units, lambda more: installation(tmp_path, more + PUMP.format(port=bus.port))


def look_once(station: Station) -> list[Reading]:
    """What the program takes in one turn; then it ends."""
    station.turn()
    groups, _ = station.outbox.peek(1000)
    station.sampler.close()
    station.outbox.close()
    return [entry.reading for _, entries in groups for entry in entries]


def test_totals_of_pulses_go_on_after_the_program_was_away(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]],
) -> None:
    units, file = pump
    for raw in (1000, 1042, 1050):
        units[10].say("counter0", raw)
        taken = look_once(Station(file("rtc = true\n")))
    totals = [reading.value for reading in taken if reading.channel == "volume_m3"]
    assert totals == pytest.approx([100.0, 100.42, 100.5]), "42 and 8 pulses of 10 L, while nobody looked"


def test_a_tap_that_is_moved_to_another_counter_sells_no_water_by_it(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]],
) -> None:
    units, file = pump
    units[10].say("counter1", 1700)
    before = file("rtc = true\n")
    look_once(Station(before))
    before.path.write_text(before.path.read_text("utf-8").replace('"counter0"', '"counter1"'), "utf-8")
    after = load_installation(before.path)
    look_once(Station(after))
    units[10].say("counter1", 1710)
    totals = [reading.value for reading in look_once(Station(after)) if reading.channel == "volume_m3"]
    assert totals == pytest.approx([100.0, 100.0, 100.1]), "10 pulses, not the 700 that it shows more"


def test_a_device_that_gets_another_name_counts_on(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]],
) -> None:
    units, file = pump
    before = file("rtc = true\n")
    look_once(Station(before))
    before.path.write_text(before.path.read_text("utf-8").replace('"counters"', '"module"'), "utf-8")
    units[10].say("counter0", 1042)
    taken = look_once(Station(load_installation(before.path)))
    totals = [reading.value for reading in taken if reading.channel == "volume_m3"]
    assert totals == pytest.approx([100.0, 100.42]), "42 pulses of 10 L while it was renamed"


def test_a_box_that_moves_to_another_village_takes_no_readings_along(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]],
) -> None:
    units, file = pump
    units[10].say("counter0", 1042)
    here = file("rtc = true\n")
    there = replace(here, zone=ZoneId("zone-2"))
    taken = look_once(Station(here))
    with pytest.raises(ConfigError, match=f"zone: 'zone-2', but {len(taken)} readings of zone-1 wait in .*state"):
        Station(there)
    station = Station(here)
    groups, _ = station.outbox.peek(1000)
    for boot, entries in groups:
        station.outbox.confirm(boot, [(entries[0].seq, entries[-1].seq)])
    station.outbox.close()

    units[10].say("counter0", 7)
    totals = [reading.value for reading in look_once(Station(there)) if reading.channel == "volume_m3"]
    assert totals == [100.0], "as its file says of the meter there"


def test_a_box_whose_clock_nobody_vouches_for_publishes_no_date(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.service.kernel_is_synced", lambda: False)
    taken = look_once(Station(pump[1](""), uptime=lambda: 4000.0))
    assert {reading.measured_at for reading in taken} == {datetime(1970, 1, 1, 1, 6, 40, tzinfo=UTC)}


def test_programs_that_do_not_end_do_not_look_to_systemd_like_one_of_ours_that_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("gateway.service.Watchdog.alive", lambda _, status: told.append(status))
    slow = "".join(
        f'[[device]]\nname = "{name}"\nkind = "exec"\ncommand = ["sleep", "60"]\ntimeout_s = 0.1\n'
        f'[[point]]\nasset = "quality"\nchannel = "{channel}"\ndevice = "{name}"\nregister = "value"\n'
        for name, channel in (("chlorine", "free_chlorine_mg_l"), ("turbidity", "turbidity_ntu"))
    )
    station = Station(installation(tmp_path, slow))
    station.uplink.start()
    try:
        station.turn()
    finally:
        station.uplink.stop()
        station.outbox.close()
    assert told == ["1 points give nothing", "2 points give nothing", "2 points give nothing"]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes a disk on which nothing can be kept; with `monkeypatch.undo()` it has room again."""

    def refuse(*_: object, **__: object) -> None:
        raise OutboxFull("database or disk is full")

    def fill() -> None:
        monkeypatch.setattr(Outbox, "append", refuse)
        monkeypatch.setattr(Outbox, "keep", refuse)

    return fill


def test_bytes_that_a_full_disk_cannot_book_are_booked_when_it_has_room(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]],
    monkeypatch: pytest.MonkeyPatch,
    full_disk: Callable[[], None],
) -> None:
    station = Station(pump[1]("rtc = true\n"))
    station.uplink.traffic = lambda: Traffic(100, 40)  # type: ignore[method-assign] # spent without a broker
    full_disk()
    station.turn()
    assert day_bytes(station.outbox) == {}
    monkeypatch.undo()
    look_once(station)
    with closing(Outbox(outbox_of(pump[1]("")))) as outbox:
        assert list(day_bytes(outbox).values()) == [Traffic(100, 40)]


def test_a_full_disk_at_the_end_does_not_keep_the_outbox_open(
    pump: tuple[dict[int, Unit], Callable[[str], Installation]], full_disk: Callable[[], None]
) -> None:
    station = Station(pump[1]("rtc = true\n"))
    station.uplink.traffic = lambda: Traffic(100, 40)  # type: ignore[method-assign] # spent without a broker
    full_disk()
    station.ask_to_stop()
    with pytest.raises(OutboxFull):
        station.run()
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        station.outbox.kept("")


@pytest.mark.broker
def test_a_plan_from_afar_is_measured_by_and_the_status_tells_so(
    broker: EmbeddedBroker, tmp_path: Path, pump: tuple[dict[int, Unit], Callable[[str], Installation]]
) -> None:
    (tmp_path / "key").write_bytes(KEY)
    mqtt = broker.settings_for("gw-1").url()
    file = pump[1]('rtc = true\nremote_key_file = "key"\n')
    station = Station(replace(file, mqtt=MqttSettings.from_url(mqtt)), reconnect_s=(0.1, 1.0))
    statuses: list[dict[str, Any]] = []
    with running(station), operator(broker, statuses) as client:
        wait_until(lambda: station.outbox.depth() == 4, lambda: f"troubles: {station.sampler.troubles}")
        message = sign(PLAN, number=3, zone="zone-1", gateway="gw-1", key=KEY)
        client.publish(config_topic("zone-1", "gw-1"), message, qos=1, retain=True)
        tried = {"number": 3, "says": "on trial"}
        wait_until(lambda: any(one.get("config") == tried for one in statuses), lambda: f"{statuses}")
        assert [point.register for point in station.remote.plan().points] == ["ai2"]
    told = statuses[-2]
    assert told["account"] == {"taken": 4, "confirmed": 0, "thinned": 0, "waiting": 4}
    assert told["troubles"] == {}
    assert told["bytes"]["up"] > 0


@contextmanager
def operator(broker: EmbeddedBroker, statuses: list[dict[str, Any]]) -> Iterator[mqtt.Client]:
    """Somebody who may write to gateways and reads their status."""
    settings = MqttSettings.from_url(broker.operator_url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=settings.username or "")
    client.username_pw_set(settings.username or "", settings.password)
    client.on_message = lambda _client, _userdata, message: statuses.append(json.loads(message.payload))
    client.connect(settings.host, settings.port)
    client.loop_start()
    client.subscribe(status_topic("zone-1", "gw-1"), qos=1)
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()
