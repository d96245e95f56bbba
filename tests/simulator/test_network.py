"""What 2G does: decisions that are seeded and as frequent as the story says, and a way on which they happen."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.config import MqttSettings
from simulator.errors import SimulatorError
from simulator.network import DAY_S, Fate, Network, NetworkEvent, NetworkPlan, Trouble
from simulator.rough_link import FORGETS_S, RoughLink, Way

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
START_S = MONDAY.timestamp()
HOUR = timedelta(hours=1)
CONNECT = bytes([0x10, 16]) + b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03gw1"


def plan(network: Network, seed: int = 1) -> NetworkPlan:
    return NetworkPlan(network, seed=seed, start_s=START_S)


def event(what: Trouble, *, zone: str = "zone-1", after: timedelta = HOUR, seconds: float = 0.0) -> NetworkEvent:
    return NetworkEvent(what, zone, after, HOUR, seconds)


def test_a_calm_network_does_nothing_at_all() -> None:
    calm = plan(Network())
    assert not calm.network.is_rough
    assert not any(calm.is_cut("zone-1", START_S + 600 * n) for n in range(1000))
    assert calm.reboots("zone-1", START_S) == []
    assert {calm.fate("gw-1", n) for n in range(1000)} == {Fate.ARRIVES}


def test_gaps_take_as_much_of_the_day_as_the_story_says() -> None:
    rough = plan(Network(gaps_per_day=24, gap_minutes=(5, 15)))
    cut = [rough.is_cut(f"zone-{zone}", START_S + 60 * n) for zone in range(10) for n in range(0, 14_400, 5)]
    # Gaps that may overlap: 24 a day of 10 minutes leave exp(-1/6) of the time open, so 15.4 % is cut.
    assert sum(cut) / len(cut) == pytest.approx(0.154, abs=0.02)


def test_chance_belongs_to_the_seed_the_zone_and_the_day() -> None:
    network = Network(gaps_per_day=10, reboots_per_day=5)
    one, again, other = plan(network), plan(network), plan(network, seed=2)
    noon_s = START_S + DAY_S / 2
    assert list(one.gaps("zone-1", noon_s)) == list(again.gaps("zone-1", noon_s))
    assert list(one.gaps("zone-1", noon_s)) != list(other.gaps("zone-1", noon_s))
    assert list(one.gaps("zone-1", noon_s)) != list(one.gaps("zone-2", noon_s))
    assert one.reboots("zone-1", noon_s) == again.reboots("zone-1", noon_s)


@given(st.integers(0, 2**31), st.floats(0, 24))
def test_a_box_that_is_off_does_not_reboot(seed: int, per_day: float) -> None:
    reboots = plan(Network(reboots_per_day=per_day, off_minutes=(1, 600)), seed).reboots("zone-1", START_S)
    for before, after in itertools.pairwise(reboots):
        assert before.off_s < before.on_s <= after.off_s


def test_a_box_without_a_battery_for_its_clock_wakes_up_in_1970_until_it_is_told_the_time() -> None:
    rough = plan(Network(events=(event(Trouble.REBOOT),), clockless_minutes=(30, 30)))
    on_s = START_S + 7200
    assert rough.last_reboot("zone-1", on_s - 1800) == rough.last_reboot("zone-1", on_s + 60)
    assert rough.last_reboot("zone-2", on_s) is None
    assert on_s + 60 + rough.clock_offset_s("zone-1", on_s + 60, booted_s=on_s) == 60.0
    assert rough.clock_offset_s("zone-1", on_s + 1800, booted_s=on_s) == 0.0


def test_clocks_jump_drift_and_forget() -> None:
    rough = plan(
        Network(
            events=(
                event(Trouble.CLOCK_JUMP, zone="zone-1", seconds=-600),
                event(Trouble.CLOCK_DRIFT, zone="zone-2", seconds=240),
                event(Trouble.CLOCK_1970, zone="zone-3"),
            )
        )
    )
    assert not rough.network.is_rough, "nothing happens on the way"
    halfway_s, after_s = START_S + 5400, START_S + 7200
    offsets = [rough.clock_offset_s(f"zone-{n}", halfway_s, booted_s=START_S) for n in (1, 2, 3)]
    assert offsets == [-600.0, 240 / 48, -(START_S + 3600)]
    assert [rough.clock_offset_s(f"zone-{n}", after_s, booted_s=START_S) for n in (1, 2, 3)] == [0.0, 0.0, 0.0]


def test_messages_meet_their_fates_as_often_as_the_story_says() -> None:
    rough = plan(Network(twice=0.1, overtaken=0.2, lost=0.05))
    fates = [rough.fate(f"gw-{n % 7}", n) for n in range(20_000)]
    shares = [fates.count(fate) / len(fates) for fate in (Fate.TWICE, Fate.OVERTAKEN, Fate.LOST, Fate.ARRIVES)]
    assert shares == pytest.approx([0.1, 0.2, 0.05, 0.65], abs=0.012)


class FakeBroker:
    """Takes connections and keeps what came on each, whole packets of less than 128 bytes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections: list[list[bytes]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections.append([])
            threading.Thread(target=self._read, args=(connection, self.connections[-1]), daemon=True).start()

    @staticmethod
    def _read(connection: socket.socket, packets: list[bytes]) -> None:
        with connection, connection.makefile("rb") as stream:
            while head := stream.read(2):
                packets.append(head + stream.read(head[1]))

    def stop(self) -> None:
        self._server.close()


@pytest.fixture
def fake_broker() -> Iterator[FakeBroker]:
    server = FakeBroker()
    yield server
    server.stop()


@contextmanager
def carried(broker: FakeBroker, network: Network, clock: ManualClock) -> Iterator[tuple[RoughLink, socket.socket]]:
    """A link and a gateway that has connected over it."""
    own = MqttSettings("127.0.0.1", broker.port)
    link = RoughLink(plan(network), clock=clock, ways={"gw1": Way("zone-1", own)})
    link.start()
    try:
        with socket.create_connection(("127.0.0.1", link.settings(own).port)) as gateway:
            gateway.sendall(CONNECT)
            yield link, gateway
    finally:
        link.stop()


def pack(number: int) -> bytes:
    return bytes([0x32, 6, 0, 1, ord("t"), 0, number, number])


def wait_until(holds: object) -> None:
    deadline = time.monotonic() + 5
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_pack_that_goes_twice_comes_twice_and_one_that_is_overtaken_comes_behind(fake_broker: FakeBroker) -> None:
    network = Network(twice=0.3, overtaken=0.3)
    decided = [plan(network).fate("gw1", n) for n in range(1, 9)]
    assert {Fate.TWICE, Fate.OVERTAKEN} <= set(decided)
    expected: list[bytes] = []
    held: list[bytes] = []
    for number, fate in enumerate(decided, 1):
        if fate is Fate.OVERTAKEN and not held:
            held.append(pack(number))
            continue
        expected += [pack(number)] + [bytes([0x3A]) + pack(number)[1:]] * (fate is Fate.TWICE) + held
        held.clear()
    expected += held
    with carried(fake_broker, network, ManualClock(MONDAY)) as (link, gateway):
        for number in range(1, 9):
            gateway.sendall(pack(number))
        wait_until(lambda: fake_broker.connections and len(fake_broker.connections[0]) == 1 + len(expected))
    assert fake_broker.connections[0] == [CONNECT, *expected]
    assert sum(link.fates.values()) == 8


def test_a_pack_that_is_lost_takes_its_connection_with_it(fake_broker: FakeBroker) -> None:
    with carried(fake_broker, Network(lost=0.5), ManualClock(MONDAY)) as (link, gateway):
        for number in range(1, 30):
            try:
                gateway.sendall(pack(number))
            except OSError:
                break
        gateway.settimeout(5)
        with suppress(ConnectionResetError):  # when we were still sending
            assert gateway.recv(10) == b"", "the connection is gone"
        first_lost = next(n for n in range(1, 30) if plan(Network(lost=0.5)).fate("gw1", n) is Fate.LOST)
        wait_until(lambda: fake_broker.connections and len(fake_broker.connections[0]) == first_lost)
    assert fake_broker.connections[0] == [CONNECT, *(pack(n) for n in range(1, first_lost))]
    assert link.fates[Fate.LOST] == 1


def test_in_a_gap_nothing_passes_and_afterwards_it_comes_in_a_burst(fake_broker: FakeBroker) -> None:
    clock = ManualClock(MONDAY)
    with carried(fake_broker, Network(events=(event(Trouble.NO_NETWORK),)), clock) as (_, gateway):
        wait_until(lambda: fake_broker.connections and len(fake_broker.connections[0]) == 1)
        clock.advance(HOUR)
        for number in range(5):
            gateway.sendall(pack(number))
        clock.advance(timedelta(minutes=2))
        time.sleep(0.1)  # real bytes on a real socket: long enough for them to pass, if they did
        assert len(fake_broker.connections[0]) == 1
        clock.advance(HOUR)
        wait_until(lambda: len(fake_broker.connections[0]) == 6)


def test_a_connection_that_is_silent_too_long_is_forgotten_and_none_is_made_in_a_gap(fake_broker: FakeBroker) -> None:
    clock = ManualClock(MONDAY)
    with carried(fake_broker, Network(events=(event(Trouble.NO_CREDIT),)), clock) as (link, gateway):
        wait_until(lambda: fake_broker.connections and len(fake_broker.connections[0]) == 1)
        clock.advance(HOUR)
        gateway.sendall(pack(1))
        time.sleep(0.1)  # until the packet is held
        clock.advance(timedelta(seconds=FORGETS_S + 1))
        gateway.settimeout(5)
        assert gateway.recv(10) == b""
        own = MqttSettings("127.0.0.1", fake_broker.port)
        with socket.create_connection(("127.0.0.1", link.settings(own).port)) as again:
            again.sendall(CONNECT)
            again.settimeout(5)
            assert again.recv(10) == b""
        assert link.refused == 1
        assert len(fake_broker.connections) == 1


def test_a_broker_restart_cuts_every_connection(fake_broker: FakeBroker) -> None:
    clock = ManualClock(MONDAY)
    with carried(fake_broker, Network(events=(event(Trouble.BROKER_RESTART, zone="every"),)), clock) as (link, gateway):
        wait_until(lambda: fake_broker.connections and len(fake_broker.connections[0]) == 1)
        clock.advance(HOUR)
        gateway.settimeout(5)
        assert gateway.recv(10) == b""
    assert link.broker_restarts == 1


def test_who_is_no_gateway_or_encrypted_is_not_carried(fake_broker: FakeBroker) -> None:
    own = MqttSettings("127.0.0.1", fake_broker.port)
    with pytest.raises(SimulatorError, match="gw1: a rough network cannot look into mqtts"):
        RoughLink(plan(Network()), clock=ManualClock(MONDAY), ways={"gw1": Way("zone-1", replace(own, tls_ca=""))})
    with carried(fake_broker, Network(), ManualClock(MONDAY)) as (link, _):
        for first in (CONNECT.replace(b"gw1", b"gw9"), b"GET / HTTP/1.1\r\n" + 80 * b"x", b"\x10\xff\xff\xff\xff"):
            with socket.create_connection(("127.0.0.1", link.settings(own).port)) as stranger:
                stranger.sendall(first)
                stranger.settimeout(5)
                assert stranger.recv(10) == b""
        wait_until(lambda: fake_broker.connections)
        assert len(fake_broker.connections) == 1
