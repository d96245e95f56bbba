"""The gateway as a program: looks at the points, keeps what it reads, sends it, and tells how it is."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from gateway.clock import Clock, SystemClock, uptime_s
from gateway.errors import ConfigError, OutboxFull, OutboxUnavailable
from gateway.health import Watchdog, disk_free_bytes, run_program
from gateway.installation import Installation, Plan
from gateway.outbox import Outbox
from gateway.remote import TRIAL_S, RemotePlan
from gateway.sampling import Count, Round, Sampler, Taken
from gateway.timekeeping import ClockSource, FieldClock, kernel_is_synced, modem_time
from gateway.traffic import Traffic
from gateway.uplink import Uplink
from gateway.wire import config_topic
from gateway.wiring import open_drivers

log = logging.getLogger(__name__)

SOFTWARE = f"ndiyan gateway {version('ndiyan')}"
OUTBOX_FILE, REMOTE_FOLDER = "outbox.db", "remote"
HOURLY_S = 3600.0
MOST_IDLE_S = 30.0  # between two signs of life
MOST_PENDING = 10_000  # readings in memory while the disk cannot take them
COUNT, TRAFFIC, RESTARTS, ZONE = "count:", "traffic:", "restarts", "zone"


class Station:
    """One gateway beside its pump.

    Parameters
    ----------
    machine_clock : the box's clock, right or wrong

    Raises
    ------
    ConfigError : readings of another zone wait in the outbox
    """

    def __init__(
        self,
        installation: Installation,
        *,
        machine_clock: Clock | None = None,
        uptime: Callable[[], float] = uptime_s,
        resend_after_s: float = 20.0,
        reconnect_s: tuple[float, float] = (1.0, 120.0),
    ) -> None:
        self._installation, self._uptime_s = installation, uptime
        ask_modem = None if installation.modem is None else lambda: modem_time(run_program)
        self.clock = FieldClock(
            machine_clock or SystemClock(), uptime_s=uptime, has_rtc=installation.has_rtc,
            is_synced=kernel_is_synced, ask_modem=ask_modem,
        )  # fmt: skip
        self.outbox = _outbox_of_its_zone(installation)
        self._restarts = int(self.outbox.kept(RESTARTS).get(RESTARTS, "-1")) + 1
        self.outbox.keep({RESTARTS: str(self._restarts)})
        self._stopping, self._wake = threading.Event(), threading.Event()
        self.remote = RemotePlan(
            installation, remote_of(installation), on_change=self._wake.set,
            on_refusal=lambda: self.uplink.tell_status(),
        )  # fmt: skip
        self.sampler = self._new_sampler(self.remote.plan())
        self._pending: list[Taken] = []
        self._pending_counts: dict[str, Count] = {}
        self._refused = 0
        self._traffic_booked = Traffic()
        self._measured: set[str] | None = None  # the points that gave something; None before the first look
        self._hourly_due_s, self._trial_end_s = 0.0, self._uptime_s() + TRIAL_S
        self._watchdog = Watchdog()
        listens = {}
        if installation.remote_key is not None:
            listens[config_topic(installation.zone, installation.gateway)] = self.remote.offer
        self.uplink = Uplink(
            installation.mqtt, zone=installation.zone, gateway=installation.gateway, outbox=self.outbox,
            clock=self.clock, software=SOFTWARE, uptime_s=uptime, resend_after_s=resend_after_s,
            reconnect_s=reconnect_s, keepalive_s=installation.keepalive_s, is_zipped=True,
            clock_source=self.clock.source, tells=self.tells, listens=listens,
        )  # fmt: skip

    def ask_to_stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        """Until it is asked to stop; sleeps while nothing is due."""
        self.uplink.start()
        self._watchdog.ready()
        try:
            while not self._stopping.is_set():
                self.turn()
                self._wake.wait(min(max(0.0, self.sampler.next_s - self._uptime_s()), MOST_IDLE_S))
                self._wake.clear()
        finally:
            self.sampler.close()
            self.uplink.stop()
            try:
                self._keep()
            finally:
                self.outbox.close()

    def turn(self) -> None:
        """Look at what is due, keep it, and see to the rest."""
        if self.remote.has_changed.is_set():
            self._change_plan()
        now_s = self._uptime_s()
        found = self.sampler.look(self.clock.now, self._uptime_s)
        self._measured = (self._measured or set()) | {
            f"{one.reading.asset}/{one.reading.channel}" for one in found.taken
        }
        self._take(found)
        if self.remote.is_trial and now_s >= self._trial_end_s:
            self.remote.judge(
                points={point.name for point in self.remote.plan().points}, troubles=self.sampler.troubles,
                has_measured=bool(self._measured),
            )  # fmt: skip
            self.uplink.tell_status()
        if now_s >= self._hourly_due_s:
            self._hourly_due_s = now_s + HOURLY_S
            self._thin()
            self.uplink.tell_status()
        self._tell_alive()

    def _tell_alive(self) -> None:
        if self.uplink.is_alive:
            self._watchdog.alive(f"{len(self.sampler.troubles)} points give nothing")

    def tells(self) -> Mapping[str, object]:
        """What the status says of the box, for people."""
        return {
            "account": self.outbox.account(), "refused": self._refused, "bytes": self._bytes_today(),
            "restarts": self._restarts, "disk_free_mb": disk_free_bytes(self._installation.folder) // 1_000_000,
            "troubles": dict(self.sampler.troubles), "config": self.remote.outcome(),
            "thinned": sum(note.readings for note in self.outbox.notes()),
        }  # fmt: skip

    def _take(self, found: Round) -> None:
        """Put readings on disk, and only then on their way."""
        self._pending += found.taken
        self._pending_counts |= found.counts
        if not self._pending and not self._pending_counts:
            return
        try:
            try:
                self._append()
            except OutboxFull:
                if not self.outbox.thin(before=None, most=self.outbox.depth() // 2):
                    raise
                self._append()
        except (OutboxFull, OutboxUnavailable) as error:
            log.error("%d readings are not taken yet: %s", len(self._pending), error)
            self._refused += max(0, len(self._pending) - MOST_PENDING)
            del self._pending[:-MOST_PENDING]
            return
        self.uplink.wake()

    def _append(self) -> None:
        booked, total = self._booked()
        self.outbox.append(
            [one.reading for one in self._pending],
            uptime_s=[one.uptime_s for one in self._pending],
            kept=_as_kept(self._pending_counts) | booked,
        )
        self._pending, self._pending_counts, self._traffic_booked = [], {}, total

    def _keep(self) -> None:
        self._take(Round(counts=self.sampler.counts()))
        booked, total = self._booked()
        if booked:
            self.outbox.keep(booked)
            self._traffic_booked = total

    def _booked(self) -> tuple[dict[str, str], Traffic]:
        """The bytes of today, by the date as far as it is known, and all that is booked once they are kept."""
        total = self.uplink.traffic()
        more = total.since(self._traffic_booked)
        if not any(more):
            return {}, total
        return {self._today(): json.dumps(self._bytes_on(self._today()) + more)}, total

    def _bytes_today(self) -> dict[str, int]:
        today = self._bytes_on(self._today()) + self.uplink.traffic().since(self._traffic_booked)
        return today._asdict()

    def _bytes_on(self, day: str) -> Traffic:
        found = self.outbox.kept(day).get(day)
        return Traffic() if found is None else Traffic(*json.loads(found))

    def _today(self) -> str:
        return f"{TRAFFIC}{self.clock.now().date().isoformat()}"

    def _thin(self) -> None:
        bounds = self._installation.bounds
        now = self.clock.now()
        before = None if self.clock.source() is ClockSource.UPTIME else now - timedelta(days=bounds.days)
        try:
            gone = self.outbox.thin(before=before, most=bounds.readings)
        except (OutboxFull, OutboxUnavailable) as error:
            log.error("old readings are not thinned now: %s", error)
            return
        if gone:
            log.warning("the outbox is full: %d old readings were thinned to one an hour", gone)

    def _new_sampler(self, plan: Plan) -> Sampler:
        kept = {name.removeprefix(COUNT): Count(*json.loads(value)) for name, value in self.outbox.kept(COUNT).items()}
        drivers = open_drivers(self._installation, plan)
        return Sampler(plan, drivers, counts=kept, after_device=self._tell_alive)

    def _change_plan(self) -> None:
        self.remote.has_changed.clear()
        self._take(Round(counts=self.sampler.counts()))
        if self._measured is not None:
            self.remote.begin(self._measured - set(self.sampler.troubles))
        self._measured = None
        self.sampler.close()
        self.sampler = self._new_sampler(self.remote.plan())
        self._trial_end_s = self._uptime_s() + TRIAL_S
        self.uplink.tell_status()


def _outbox_of_its_zone(installation: Installation) -> Outbox:
    """The outbox, in which nothing of another zone waits: it would be stored as this one's.

    Who moves a box elsewhere begins with other meters, so what its counters of pulses had counted is forgotten.
    """
    outbox = Outbox(outbox_of(installation))
    before = outbox.kept(ZONE).get(ZONE)
    if before not in (None, installation.zone):
        waiting = outbox.depth()
        if waiting or outbox.undeclared(1):
            outbox.close()
            raise ConfigError(
                f"{installation.path}: zone: {installation.zone!r}, but {waiting} readings of {before} wait in "
                f"{installation.folder}; let them be sent as {before}, or name another folder"
            )
        outbox.forget_kept(COUNT)
    if before != installation.zone:
        outbox.keep({ZONE: installation.zone})
    return outbox


def _as_kept(counts: Mapping[str, Count]) -> dict[str, str]:
    return {COUNT + name: json.dumps(count) for name, count in counts.items()}


def day_bytes(outbox: Outbox) -> dict[str, Traffic]:
    """The bytes of each day, by its date."""
    return {
        name.removeprefix(TRAFFIC): Traffic(*json.loads(value)) for name, value in sorted(outbox.kept(TRAFFIC).items())
    }


def outbox_of(installation: Installation) -> Path:
    """Where an installation keeps its readings."""
    return installation.folder / OUTBOX_FILE


def remote_of(installation: Installation) -> Path:
    """Where it keeps configuration from afar."""
    return installation.folder / REMOTE_FOLDER
