"""Simulated zones on the wire, live: their readings go through the real gateway code, outbox and uplink."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.clock import Clock
from gateway.config import MqttSettings
from gateway.model import AssetId, Fault, Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from gateway.zones import Zone
from simulator.faults import Broken
from simulator.history import load_state, save_state
from simulator.scenarios import Scenario
from simulator.sensors import Frozen, gather, is_round, measure, sample
from simulator.village import Village

log = logging.getLogger(__name__)

SOFTWARE = "ndiyan simulator"
MINUTE = timedelta(minutes=1)


class LiveFeed:
    """Zones that go on living from where `folder` says they stood, minute by minute of the clock.

    State is saved before the readings of a round are handed to the outboxes, so a counter never goes back, whenever
    the process is killed; what was missed while it was away is caught up in one go, as a gateway would have kept it.
    `inject` and `repair` may be called from other threads.
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        *,
        clock: Clock,
        mqtt_for: Callable[[Zone], MqttSettings],
        folder: Path,
        seed: int,
        scenario: Scenario,
    ) -> None:
        self._zones, self._clock, self._folder, self._seed = list(zones), clock, folder, seed
        saved = load_state(folder)
        now = clock.now().replace(second=0, microsecond=0)
        self._start_s = saved.start_s if saved else now.timestamp()
        clear_from = datetime.fromtimestamp(self._start_s, UTC).date() if scenario.clear_from_start else None
        self._village = Village(zones, seed=seed, clear_from=clear_from)
        self._state = saved.state_of(self._village) if saved else self._village.first_state()
        self._frozen = saved.frozen if saved else Frozen()
        self._reached = datetime.fromtimestamp(saved.t_s, UTC) if saved else now
        self._lock = threading.Lock()
        start = datetime.fromtimestamp(self._start_s, UTC)
        self._broken = [fault.broken(start) for fault in scenario.past_faults]  # of which some may go on
        folder.mkdir(parents=True, exist_ok=True)
        machine = f"simulated since {self._start_s:.0f}"  # its uptime counts on over restarts of this program
        self._outboxes = {zone.zone_id: Outbox(folder / f"{zone.gateway_id}.outbox", machine=machine) for zone in zones}
        self._uplinks = {
            zone.zone_id: Uplink(
                mqtt_for(zone), zone=zone.zone_id, gateway=zone.gateway_id, outbox=self._outboxes[zone.zone_id],
                clock=clock, software=SOFTWARE, uptime_s=self._uptime_s, resend_after_s=5.0, reconnect_s=(0.5, 5.0),
            )
            for zone in zones
        }  # fmt: skip

    def inject(self, zone_id: str, fault: Fault, *, size: str = "L", at: datetime | None = None) -> None:
        """Break something from `at` on (the minute that comes next, when it is past or None)."""
        start_s = (at or self._clock.now()).timestamp()
        with self._lock:
            if not any((b.zone, b.fault, b.end_s) == (zone_id, fault, None) for b in self._broken):
                self._broken.append(Broken(zone_id, fault, size, start_s))

    def repair(self, zone_id: str, fault: Fault, at: datetime | None = None) -> None:
        """End a fault; nothing happens when there is none."""
        end_s = (at or self._clock.now()).timestamp()
        with self._lock:
            self._broken = [
                replace(b, end_s=end_s) if (b.zone, b.fault, b.end_s) == (zone_id, fault, None) else b
                for b in self._broken
            ]

    def run(self, stop: threading.Event) -> None:
        """Live until `stop` is set, then say good-bye to the broker."""
        for uplink in self._uplinks.values():
            uplink.start()
        try:
            while not stop.is_set():
                while self._reached + MINUTE <= self._clock.now() and not stop.is_set():
                    self._live_a_minute()
                stop.wait(max(0.01, self._clock.wall_seconds(self._reached + MINUTE - self._clock.now())))
        finally:
            for uplink in self._uplinks.values():
                uplink.stop(timeout_s=1.0)
            for outbox in self._outboxes.values():
                outbox.close()

    def _live_a_minute(self) -> None:
        begin = self._reached
        with self._lock:
            self._broken = [b for b in self._broken if b.end_s is None or b.end_s > begin.timestamp()]
            broken = list(self._broken)
        moved = self._village.move(self._state, begin.timestamp(), broken)
        self._reached = begin + MINUTE
        t_s = self._reached.timestamp()
        self._cut_links(t_s, broken)
        if not is_round(t_s, self._zones):
            return
        taken = gather([sample(t_s, self._village.truth(self._state, moved), self._state)])
        rounds = {
            zone.zone_id: [
                Reading(AssetId(asset), channel, self._reached, float(value[0]))
                for asset, channel, _, value in measure(
                    zone, at, taken, seed=self._seed, frozen=self._frozen, broken=broken
                )
            ]
            for at, zone in enumerate(self._zones)
        }
        save_state(self._folder, t_s, self._start_s, self._zones, self._state, self._frozen)
        for zone in self._zones:
            if rounds[zone.zone_id]:
                self._outboxes[zone.zone_id].append(rounds[zone.zone_id], uptime_s=t_s - self._start_s)
                self._uplinks[zone.zone_id].wake()

    def _uptime_s(self) -> float:
        return self._clock.now().timestamp() - self._start_s

    def _cut_links(self, t_s: float, broken: Sequence[Broken]) -> None:
        cut = {fault.zone for fault in broken if fault.fault is Fault.COMMS_OUTAGE and fault.acts_at(t_s)}
        for zone_id, uplink in self._uplinks.items():
            if zone_id in cut and not uplink.is_paused:
                uplink.pause()
            elif zone_id not in cut and uplink.is_paused:
                uplink.resume()
