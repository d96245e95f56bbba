"""The way to the broker on which a plan's troubles happen: MQTT packets are handed on, late, twice, or not at all.

A listener on loopback between real gateways and a real broker. It knows whose connection it carries by the client id,
holds everything while the zone has no link (and drops the connection when that lasts, as the operator's address
translation does), and lets each pack of readings have its fate. Neither side is told.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from gateway.clock import Clock
from gateway.config import MqttSettings
from simulator.errors import SimulatorError
from simulator.network import Fate, NetworkPlan

log = logging.getLogger(__name__)

FORGETS_S = 240.0  # platform time: a connection that is silent so long is forgotten on its way
HOLDS_S = 0.3  # wall time for which an overtaken message waits for one that overtakes it
POLL_S = 0.02  # wall time between two looks at the plan
LONGEST_VARINT = 4
CONNECT, PUBLISH = 1, 3
DUP, QOS_1 = 0x08, 0x02


class Way(NamedTuple):
    """Whose way it is and where it leads."""

    zone_id: str
    broker: MqttSettings


class RoughLink:
    """Carries the connections of several gateways; one thread of its own.

    Parameters
    ----------
    ways : by gateway id, which is the client id of its connection
    restart_broker : restarts the real broker when the plan says so; None only cuts every connection

    Raises
    ------
    SimulatorError : a way is encrypted, so nobody can look into it
    """

    def __init__(
        self,
        plan: NetworkPlan,
        *,
        clock: Clock,
        ways: Mapping[str, Way],
        restart_broker: Callable[[], None] | None = None,
    ) -> None:
        if encrypted := [gateway for gateway, way in ways.items() if way.broker.tls_ca is not None]:
            raise SimulatorError(f"{encrypted[0]}: a rough network cannot look into mqtts; give it an mqtt address")
        self._plan, self._clock, self._ways, self._restart_broker = plan, clock, dict(ways), restart_broker
        self._looked_s = clock.now().timestamp()
        self._is_broker_away = False
        self._numbers: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps none alive
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="rough-link", daemon=True)
        self.fates: Counter[Fate] = Counter()
        self.refused = self.broker_restarts = 0

    def settings(self, own: MqttSettings) -> MqttSettings:
        """How a gateway reaches the broker over this way."""
        return replace(own, host="127.0.0.1", port=self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def stop(self) -> None:
        """Drop every connection and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5.0)
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, sock=self._socket))
        watcher = self._loop.create_task(self._watch())
        try:
            self._loop.run_forever()
        finally:
            watcher.cancel()
            server.close()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0))  # closed transports say so in the next turn
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            before_s, self._looked_s = self._looked_s, self._clock.now().timestamp()
            if any(before_s < at_s <= self._looked_s for at_s in self._plan.broker_restarts(self._looked_s)):
                await self._break_broker()

    async def _break_broker(self) -> None:
        self.broker_restarts += 1
        self._is_broker_away = True
        for writer in list(self._writers):
            writer.close()
        try:
            if self._restart_broker is not None:
                await self._loop.run_in_executor(None, self._restart_broker)
        except Exception:
            log.exception("the broker could not be restarted")
        finally:
            self._is_broker_away = False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            first = await _packet(reader)
            gateway = _client_id(first)
            way = self._ways.get(gateway)
            if way is None or self._is_broker_away or self._is_cut(way):
                self.refused += 1
            else:
                await self._carry(gateway, way, first, reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            log.debug("a connection ended: %s", error)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _carry(
        self, gateway: str, way: Way, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        down, up = await asyncio.open_connection(way.broker.host, way.broker.port)
        self._writers.add(up)
        up.write(first)
        directions = [
            asyncio.ensure_future(self._send_up(gateway, way, reader, up)),
            asyncio.ensure_future(self._send_down(way, down, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            self._writers.discard(up)
            up.close()

    async def _send_up(
        self, gateway: str, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        held: list[bytes] = []

        def let_go() -> None:
            while held and not writer.is_closing():
                writer.write(held.pop(0))

        async for packet in self._passing(way, reader):
            fate = self._fate(gateway, packet)
            if fate is Fate.LOST:
                return
            if fate is Fate.OVERTAKEN and not held:
                held.append(packet)
                self._loop.call_later(HOLDS_S, let_go)
                continue
            writer.write(packet)
            if fate is Fate.TWICE:
                writer.write(bytes([packet[0] | DUP]) + packet[1:])
            let_go()
            await writer.drain()

    async def _send_down(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for packet in self._passing(way, reader):
            writer.write(packet)
            await writer.drain()

    async def _passing(self, way: Way, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Packets that come through, in order, until one side is gone or forgotten."""
        while True:
            packet = await _packet(reader)
            since_s = self._clock.now().timestamp()
            while self._is_cut(way):
                if self._clock.now().timestamp() - since_s > FORGETS_S:
                    return
                await asyncio.sleep(POLL_S)
            yield packet

    def _is_cut(self, way: Way) -> bool:
        return self._plan.is_cut(way.zone_id, self._clock.now().timestamp())

    def _fate(self, gateway: str, packet: bytes) -> Fate:
        """Only packs of readings have one: QoS 1 and not retained."""
        if packet[0] >> 4 != PUBLISH or not packet[0] & QOS_1 or packet[0] & 1:
            return Fate.ARRIVES
        self._numbers[gateway] += 1
        fate = self._plan.fate(gateway, self._numbers[gateway])
        self.fates[fate] += 1
        return fate


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """One whole MQTT packet."""
    head = await reader.readexactly(1)
    length, shift = 0, 0
    for _ in range(LONGEST_VARINT):
        head += await reader.readexactly(1)
        length |= (head[-1] & 0x7F) << shift
        shift += 7
        if not head[-1] & 0x80:
            return head + await reader.readexactly(length)
    raise ValueError("not MQTT: a length of more than four bytes")


def _client_id(packet: bytes) -> str:
    """Who connects, from the packet CONNECT of MQTT 3.1.1 or 5; `ValueError` when it is something else."""
    if packet[0] >> 4 != CONNECT:
        raise ValueError("not MQTT: the first packet is no CONNECT")
    at = 1 + next(n for n in range(1, len(packet)) if not packet[n] & 0x80)
    at += 2 + int.from_bytes(packet[at : at + 2], "big")  # the protocol's name
    version = packet[at]
    at += 4  # version, flags, keep-alive
    if version >= 5:  # properties, less than 128 bytes in a gateway's CONNECT
        at += 1 + packet[at]
    length = int.from_bytes(packet[at : at + 2], "big")
    return packet[at + 2 : at + 2 + length].decode("utf-8")
