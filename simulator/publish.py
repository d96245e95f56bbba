"""A history through MQTT, as gateways send it that were without a network all the while: real outboxes and uplinks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gateway.clock import Clock
from gateway.config import MqttSettings
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from gateway.zones import Zone
from simulator.errors import SimulatorError
from simulator.history import HistoryBlock

SOFTWARE = "ndiyan simulator"
DAY_S = 86_400.0
MOST_WAITING = 50_000  # readings of one gateway in its outbox
POLL_S = 0.05


class Publisher:
    """Sends a history of `zones` that begins at `start`; each outbox is filled and emptied at the same time.

    The box that measured is not the one that sends: its uptime ended with it, so its clock is believed.

    Parameters
    ----------
    patience_s : wall time without any confirmation after which it gives up [s]
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        *,
        clock: Clock,
        start: datetime,
        folder: Path,
        patience_s: float,
        mqtt_for: Callable[[Zone], MqttSettings],
    ) -> None:
        self._start_s, self._patience_s, self._folder = start.timestamp(), patience_s, folder
        self._filled = self._open(zones, "the box that measured")
        self._sent = self._open(zones, "the box that sends")
        self._uplinks: dict[str, Uplink] = {
            zone.zone_id: Uplink(
                mqtt_for(zone), zone=zone.zone_id, gateway=zone.gateway_id, outbox=self._sent[zone.zone_id],
                clock=clock, software=SOFTWARE, resend_after_s=5.0, reconnect_s=(0.5, 5.0), live_first=False,
            )
            for zone in zones
        }  # fmt: skip
        self._taken = 0
        self._moved = (0, time.monotonic())

    def publish(self, blocks: Iterable[HistoryBlock]) -> Iterator[int]:
        """Send it all; gives the number of readings confirmed, again and again, at the end all of them.

        Raises
        ------
        SimulatorError : nothing was confirmed for too long; what waits stays in its outbox
        """
        for uplink in self._uplinks.values():
            uplink.start()
        try:
            for zone_id, readings in _by_zone_and_day(blocks):
                last_s = readings[-1].measured_at.timestamp()
                self._taken += len(self._filled[zone_id].append(readings, uptime_s=last_s - self._start_s))
                self._uplinks[zone_id].wake()
                while self._sent[zone_id].depth() > MOST_WAITING:
                    yield self._confirmed()
                    time.sleep(POLL_S)
            while (confirmed := self._confirmed()) < self._taken:
                yield confirmed
                time.sleep(POLL_S)
            yield self._taken
        finally:
            for uplink in self._uplinks.values():
                uplink.stop()
            for outbox in (*self._filled.values(), *self._sent.values()):
                outbox.close()

    def _confirmed(self) -> int:
        waiting = sum(outbox.depth() for outbox in self._sent.values())
        confirmed = self._taken - waiting
        before, at_s = self._moved
        if confirmed > before:
            self._moved = confirmed, time.monotonic()
        elif time.monotonic() - at_s > self._patience_s:
            raise SimulatorError(
                f"nothing was confirmed for {self._patience_s:.0f} s; {waiting:,} readings wait in {self._folder}:"
                " is the broker there, does ingest run, and does it know these zones (ndiyan zones import)?"
            )
        return confirmed

    def _open(self, zones: Sequence[Zone], machine: str) -> dict[str, Outbox]:
        return {zone.zone_id: Outbox(self._folder / f"{zone.gateway_id}.outbox", machine=machine) for zone in zones}


def _by_zone_and_day(blocks: Iterable[HistoryBlock]) -> Iterator[tuple[str, list[Reading]]]:
    """The readings of one zone and stretch of blocks after the other, each in the order of their times."""
    waiting: dict[str, list[HistoryBlock]] = defaultdict(list)
    day = None
    for block in blocks:
        today = block.t_s[-1] // DAY_S
        if day is not None and today != day:
            yield from ((zone_id, _in_order(found)) for zone_id, found in waiting.items())
            waiting.clear()
        day = today
        waiting[block.zone_id].append(block)
    yield from ((zone_id, _in_order(found)) for zone_id, found in waiting.items())


def _in_order(blocks: Sequence[HistoryBlock]) -> list[Reading]:
    counts = [len(block.value) for block in blocks]
    t_s = np.concatenate([block.t_s for block in blocks])
    value = np.concatenate([block.value for block in blocks])
    number = np.repeat(np.arange(len(blocks)), counts)
    return [
        Reading(AssetId(blocks[n].asset), blocks[n].channel, datetime.fromtimestamp(t, UTC), v)
        for n, t, v in (
            (int(number[at]), float(t_s[at]), float(value[at])) for at in np.lexsort((number, t_s))
        )
    ]  # fmt: skip
