"""Simulated zones on the wire, live: their readings go through the real gateway code, outbox and uplink."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gateway.clock import Clock
from gateway.config import MqttSettings
from gateway.model import AssetId, Fault, Reading
from gateway.zones import Zone
from simulator.box import Box
from simulator.effects import is_on
from simulator.faults import Broken
from simulator.history import load_state, save_state
from simulator.network import NetworkPlan
from simulator.rough_link import RoughLink, Way
from simulator.scenarios import Scenario
from simulator.sensor_faults import Frozen
from simulator.sensors import Instruments, Samples
from simulator.village import Village

log = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)


class LiveFeed:
    """Zones that go on living from where `folder` says they stood, minute by minute of the clock.

    State is saved before the readings of a round are handed to the outboxes, so a counter never goes back, whenever
    the process is killed; what was missed while it was away is caught up in one go, as a gateway would have kept it.
    `inject` and `repair` may be called from other threads.

    Parameters
    ----------
    breaks_by_itself : whether what the scenario breaks after T0 happens by itself; else somebody must `inject` it
    restart_broker : restarts the real broker when the scenario's network says so
    begin : when zones begin of which `folder` knows nothing; now when None
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
        breaks_by_itself: bool = False,
        restart_broker: Callable[[], None] | None = None,
        begin: datetime | None = None,
    ) -> None:
        self._zones, self._clock, self._folder, self._seed = list(zones), clock, folder, seed
        saved = load_state(folder)
        now = (begin or clock.now()).replace(second=0, microsecond=0)
        self._start_s = saved.start_s if saved else now.timestamp()
        start = scenario.begins_at or datetime.fromtimestamp(self._start_s, UTC)
        self._village = Village(zones, seed=seed, clear_from=start.date() if scenario.clear_from_start else None)
        self._state = saved.state_of(self._village) if saved else self._village.first_state()
        self._frozen = saved.frozen if saved else Frozen()
        self._instruments = Instruments(self._village)
        self._reached = datetime.fromtimestamp(saved.t_s, UTC) if saved else now
        self._lock = threading.Lock()
        until = start + timedelta(days=scenario.days)
        broken = scenario.broken(zones, start, until=until, seed=seed)
        self._broken = broken if breaks_by_itself else [one for one in broken if one.start_s < start.timestamp()]
        folder.mkdir(parents=True, exist_ok=True)
        plan = NetworkPlan(scenario.network, seed=seed, start_s=start.timestamp())
        self.link: RoughLink | None = None
        if scenario.network.is_rough:
            ways: dict[str, Way] = {zone.gateway_id: Way(zone.zone_id, mqtt_for(zone)) for zone in zones}
            self.link = RoughLink(plan, clock=clock, ways=ways, restart_broker=restart_broker)
        self._boxes = {
            zone.zone_id: Box(
                zone, clock=clock, mqtt=self.link.settings(mqtt_for(zone)) if self.link else mqtt_for(zone),
                folder=folder, start_s=self._start_s, plan=plan,
            )
            for zone in zones
        }  # fmt: skip

    @property
    def reached(self) -> datetime:
        """Up to when the zones have lived."""
        return self._reached

    def accepted(self) -> dict[str, int]:
        """How many readings each zone's outbox took since this process began."""
        return {zone_id: box.accepted for zone_id, box in self._boxes.items()}

    def waiting(self) -> dict[str, int]:
        """How many readings wait in each zone's outbox, or waited there when the run ended."""
        return {zone_id: box.depth for zone_id, box in self._boxes.items()}

    def boots(self) -> dict[str, int]:
        """How often each zone's box came up."""
        return {zone_id: box.boots for zone_id, box in self._boxes.items()}

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

    def run(self, stop: threading.Event, *, until: datetime | None = None) -> None:
        """Live until `stop` is set, then say good-bye to the broker.

        With `until` (a whole minute) nothing is measured from then on, and the run ends when all is confirmed.
        """
        if self.link is not None:
            self.link.start()
        for box in self._boxes.values():
            box.start()
        try:
            while not stop.is_set() and not (until == self._reached and self._is_confirmed()):
                while self._reached + MINUTE <= self._clock.now() and self._reached != until and not stop.is_set():
                    self._live_a_minute()
                stop.wait(max(0.01, self._clock.wall_seconds(self._reached + MINUTE - self._clock.now())))
        finally:
            for box in self._boxes.values():
                box.ask_to_stop()
            for box in self._boxes.values():
                box.stop()
            if self.link is not None:
                self.link.stop()

    def _is_confirmed(self) -> bool:
        """Whether nothing waits any more; tends the links meanwhile, for time goes on."""
        now_s = self._clock.now().timestamp()
        self._tend(now_s, self._still_broken(now_s))
        return not any(self.waiting().values())

    def _still_broken(self, t_s: float) -> list[Broken]:
        with self._lock:
            self._broken = [fault for fault in self._broken if fault.end_s is None or fault.end_s > t_s]
            return list(self._broken)

    def _tend(self, t_s: float, broken: Sequence[Broken]) -> None:
        for zone_id, box in self._boxes.items():
            mine = [fault for fault in broken if fault.zone == zone_id and fault.acts_at(t_s)]
            is_cut = any(fault.fault is Fault.COMMS_OUTAGE and is_on(fault, t_s, seed=self._seed) for fault in mine)
            box.live(t_s, is_cut=is_cut, clock_fault_s=sum(map(_clock_fault_s, mine)))

    def _boot_anew(self, t_s: float) -> None:
        """What a box tells of its uptime counts from when it came up last, as its outbox does."""
        for at, zone in enumerate(self._zones):
            if (reboot := self._boxes[zone.zone_id].last_reboot(t_s)) is not None:
                self._state.uptime_s[at] = min(self._state.uptime_s[at], max(0.0, t_s - reboot.on_s))

    def _live_a_minute(self) -> None:
        begin = self._reached
        broken = self._still_broken(begin.timestamp())
        self._boot_anew(begin.timestamp())
        moved = self._village.move(self._state, begin.timestamp(), broken)
        self._reached = begin + MINUTE
        t_s = self._reached.timestamp()
        self._tend(t_s, broken)
        if not self._instruments.is_round(t_s):
            return
        samples = Samples(np.array([t_s]), self._village.truth(moved))
        rounds: dict[str, list[Reading]] = {zone.zone_id: [] for zone in self._zones}
        for one in self._instruments.measure(samples, frozen=self._frozen, broken=broken):
            reading = Reading(AssetId(one.asset), one.channel, self._reached, float(one.value[0]))
            rounds[one.zone_id].append(reading)
        save_state(self._folder, t_s, self._start_s, self._zones, self._state, self._frozen)
        for zone_id, box in self._boxes.items():
            box.take(rounds[zone_id], t_s)


def _clock_fault_s(fault: Broken) -> float:
    """How far this fault sets a box's clock ahead [s]; one that wakes up in 1970 counts from there."""
    if fault.fault is not Fault.CLOCK_ERROR:
        return 0.0
    return fault.amount if math.isfinite(fault.amount) else -fault.start_s
