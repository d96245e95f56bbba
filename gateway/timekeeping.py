"""Is the box's clock to be believed? A date that is not certain is never published as one.

While the clock is not believed, times are counted from 1970 by the machine's uptime: nobody can take them for a date,
and ingest dates such readings from sequence, uptime and its own clock, and marks them (`ingest.clocks`).
"""

from __future__ import annotations

import ctypes
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from gateway.clock import Clock
from gateway.errors import DeviceSilent
from gateway.health import Run

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_YEAR = datetime(2020, 1, 1, tzinfo=UTC)  # before it there was no zone
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronized
TIMEX_BYTES = 512  # more than `struct timex` takes on any machine; all 0 asks and sets nothing
HELD_S = 30 * 86_400.0  # a crystal of 100 ppm goes 4.3 minutes wrong in that time; ingest bears five
MODEM_EVERY_S = 3600.0
MODEM_TOLERANCE = timedelta(seconds=120)  # networks tell the time to the minute or so


class ClockSource(StrEnum):
    """Who says that the clock is right."""

    NTP = "ntp"
    HELD = "ntp, held"  # was synchronized in this run of the machine, and has counted on since
    MODEM = "modem"
    RTC = "rtc"
    UPTIME = "uptime"  # nobody: dates are not certain


def kernel_is_synced() -> bool:
    """Whether the kernel says that something keeps its clock right (adjtimex(2))."""
    try:
        return bool(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)) not in (-1, TIME_ERROR))
    except (OSError, AttributeError):
        return False


def modem_time(run: Run) -> datetime | None:
    """The network's time by ModemManager, None when it tells none."""
    try:
        text = json.loads(run(["mmcli", "--modem=any", "--time", "--output-json"]))["modem"]["time"]["current"]
        found = datetime.fromisoformat(text)
    except (DeviceSilent, ValueError, KeyError, TypeError):
        return None
    return None if found.tzinfo is None else found.astimezone(UTC)


class FieldClock:
    """The box's clock as far as it is believed.

    Parameters
    ----------
    machine : the clock as it runs, right or wrong
    has_rtc : whether a battery keeps it while the box is off
    ask_modem : gives the network's time, None when it tells none; None when there is no modem
    """

    def __init__(
        self,
        machine: Clock,
        *,
        uptime_s: Callable[[], float],
        has_rtc: bool,
        is_synced: Callable[[], bool] = kernel_is_synced,
        ask_modem: Callable[[], datetime | None] | None = None,
    ) -> None:
        self._machine, self._uptime_s, self._has_rtc = machine, uptime_s, has_rtc
        self._is_synced, self._ask_modem = is_synced, ask_modem
        self._synced_s: float | None = None
        self._modem_due_s, self._agrees_with_modem = 0.0, False
        self._told: ClockSource | None = None

    @property
    def speed(self) -> float:
        """Platform seconds per wall second."""
        return self._machine.speed

    def wall_seconds(self, span: timedelta) -> float:
        """How many wall seconds `span` takes."""
        return self._machine.wall_seconds(span)

    def now(self) -> datetime:
        """The date, or the uptime counted from 1970 while it is not certain."""
        if self.source() is ClockSource.UPTIME:
            return EPOCH + timedelta(seconds=self._uptime_s())
        return self._machine.now()

    def source(self) -> ClockSource:
        """Who vouches for the clock now; a change is logged."""
        found = self._find_source()
        if found is not self._told:
            log.info("the clock's source is: %s", found)
            self._told = found
        return found

    def _find_source(self) -> ClockSource:
        now_s = self._uptime_s()
        if self._machine.now() < FIRST_YEAR:
            return ClockSource.UPTIME
        if self._is_synced():
            self._synced_s = now_s
            return ClockSource.NTP
        if self._synced_s is not None and now_s - self._synced_s <= HELD_S:
            return ClockSource.HELD
        if self._ask_modem is not None:
            if now_s >= self._modem_due_s:
                self._modem_due_s = now_s + MODEM_EVERY_S
                told = self._ask_modem()
                self._agrees_with_modem = told is not None and abs(told - self._machine.now()) <= MODEM_TOLERANCE
            if self._agrees_with_modem:
                return ClockSource.MODEM
        return ClockSource.RTC if self._has_rtc else ClockSource.UPTIME
