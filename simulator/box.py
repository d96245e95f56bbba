"""A gateway's box beside a simulated pump: real outbox, real uplink, and the reboots and clocks of a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import Clock
from gateway.config import MqttSettings
from gateway.model import Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from gateway.zones import Zone
from simulator.network import NetworkPlan, Reboot

SOFTWARE = "ndiyan simulator"
RESEND_AFTER_S, RECONNECT_S = 5.0, (0.5, 5.0)  # wall time: a fast clock makes of them minutes of platform time


@dataclass(frozen=True, slots=True)
class BoxClock:
    """The clock of a box, which may be wrong; `offset` tells by how much at a true time [s]."""

    true: Clock
    offset: Callable[[datetime], timedelta]

    @property
    def speed(self) -> float:
        """Platform seconds per wall second."""
        return self.true.speed

    def now(self) -> datetime:
        """What the box believes."""
        return self.shown_at(self.true.now())

    def wall_seconds(self, span: timedelta) -> float:
        """How many wall seconds `span` takes."""
        return self.true.wall_seconds(span)

    def shown_at(self, moment: datetime) -> datetime:
        """What the box believes at a true `moment`."""
        return moment + self.offset(moment)


class Box:
    """One gateway that takes readings and sends them; it is off and on again as its plan says.

    `accepted` counts the readings that its outboxes took since this process began.

    Parameters
    ----------
    start_s : when the box was switched on first [s since 1970-01-01 UTC]
    """

    def __init__(
        self, zone: Zone, *, clock: Clock, mqtt: MqttSettings, folder: Path, start_s: float, plan: NetworkPlan
    ) -> None:
        self._zone, self._true, self._mqtt, self._folder = zone, clock, mqtt, folder
        self._plan, self._start_s, self._is_started = plan, start_s, False
        self._booted_s, self._fault_offset_s = start_s, 0.0
        self.clock = BoxClock(clock, self._offset)
        self.accepted = self.boots = 0
        self._left: int | None = None
        self._switch_on(self._booted_s_at(clock.now().timestamp()))

    @property
    def is_paused(self) -> bool:
        """Whether the link is cut on purpose."""
        return self._uplink.is_paused

    @property
    def depth(self) -> int:
        """How many readings wait in the outbox, or waited there when it was closed."""
        return self._outbox.depth() if self._left is None else self._left

    def start(self) -> None:
        """Begin to send."""
        self._is_started = True
        self._uplink.start()

    def ask_to_stop(self) -> None:
        """Begin to say good-bye, so that many boxes do so at the same time."""
        self._uplink.ask_to_stop()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Say good-bye; what is not confirmed waits in the outbox."""
        self._uplink.stop(timeout_s)
        self._left = self._outbox.depth()
        self._outbox.close()

    def is_off(self, t_s: float) -> bool:
        """Whether the box has no power at `t_s`."""
        last = self._plan.last_reboot(self._zone.zone_id, t_s)
        return last is not None and last.off_s <= t_s < last.on_s

    def live(self, t_s: float, *, is_cut: bool, clock_fault_s: float) -> None:
        """Time has come to `t_s`: boot anew when that is due, cut or mend the link, let the clock be wrong."""
        self._fault_offset_s = clock_fault_s
        booted_s = self._booted_s_at(t_s)
        if booted_s != self._booted_s:
            self._uplink.pause()  # a box without power says no good-bye
            self.stop()
            self._switch_on(booted_s)
            if self._is_started:
                self._uplink.start()
        if is_cut and not self._uplink.is_paused:
            self._uplink.pause()
        elif not is_cut and self._uplink.is_paused:
            self._uplink.resume()

    def take(self, readings: Sequence[Reading], t_s: float) -> None:
        """Accept what was measured at the true time `t_s`, as far as there is power; stamped by the box's clock."""
        if not readings or self.is_off(t_s):
            return
        stamped = [replace(one, measured_at=self.clock.shown_at(one.measured_at)) for one in readings]
        self.accepted += len(self._outbox.append(stamped, uptime_s=t_s - self._booted_s))
        self._uplink.wake()

    def _switch_on(self, booted_s: float) -> None:
        self._booted_s, self._left = booted_s, None
        self.boots += 1
        machine = f"simulated since {booted_s:.0f}"  # its uptime counts on over restarts of this program
        self._outbox = Outbox(self._folder / f"{self._zone.gateway_id}.outbox", machine=machine)
        self._uplink = Uplink(
            self._mqtt, zone=self._zone.zone_id, gateway=self._zone.gateway_id, outbox=self._outbox, clock=self.clock,
            software=SOFTWARE, uptime_s=lambda: self._true.now().timestamp() - booted_s,
            resend_after_s=RESEND_AFTER_S, reconnect_s=RECONNECT_S,
        )  # fmt: skip

    def last_reboot(self, t_s: float) -> Reboot | None:
        """The one of this run that began last at or before `t_s`, of that day or the day before."""
        last = self._plan.last_reboot(self._zone.zone_id, t_s)
        return None if last is None or last.off_s <= self._start_s else last

    def _booted_s_at(self, t_s: float) -> float:
        last = self.last_reboot(t_s)
        return self._booted_s if last is None else last.on_s

    def _offset(self, moment: datetime) -> timedelta:
        t_s = moment.timestamp()
        planned_s = self._plan.clock_offset_s(self._zone.zone_id, t_s, booted_s=self._booted_s)
        return timedelta(seconds=planned_s + self._fault_offset_s)
