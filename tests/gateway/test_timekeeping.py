"""Whose clock is believed, and what is published while nobody's is."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.clock import ManualClock
from gateway.timekeeping import EPOCH, HELD_S, ClockSource, FieldClock, modem_time

NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)


class Box:
    """A box whose kernel, modem and uptime a test tells."""

    def __init__(self, *, has_rtc: bool = False, clock: datetime = NOW) -> None:
        self.uptime_s, self.is_synced = 100.0, False
        self.network_time: datetime | None = None
        self.machine = ManualClock(clock)
        self.clock = FieldClock(
            self.machine, uptime_s=lambda: self.uptime_s, has_rtc=has_rtc, is_synced=lambda: self.is_synced,
            ask_modem=lambda: self.network_time,
        )  # fmt: skip


def test_a_clock_that_nobody_vouches_for_is_no_date() -> None:
    box = Box()
    assert box.clock.source() is ClockSource.UPTIME
    assert box.clock.now() == EPOCH + timedelta(seconds=100), "1970: nobody can take it for a date"


def test_a_synchronized_clock_is_believed_and_held_for_a_month_without_network() -> None:
    box = Box()
    box.is_synced = True
    assert (box.clock.source(), box.clock.now()) == (ClockSource.NTP, NOW)
    box.is_synced = False
    box.uptime_s += HELD_S
    assert (box.clock.source(), box.clock.now()) == (ClockSource.HELD, NOW)
    box.uptime_s += 1
    assert box.clock.source() is ClockSource.UPTIME


def test_the_network_may_vouch_for_the_clock_but_does_not_set_it() -> None:
    box = Box()
    box.network_time = NOW + timedelta(seconds=40)
    assert (box.clock.source(), box.clock.now()) == (ClockSource.MODEM, NOW)
    other = Box()
    other.network_time = NOW + timedelta(minutes=10)
    assert other.clock.source() is ClockSource.UPTIME


def test_a_clock_with_a_battery_is_believed_unless_it_stands_before_the_first_zone() -> None:
    assert Box(has_rtc=True).clock.source() is ClockSource.RTC
    flat = Box(has_rtc=True, clock=datetime(2000, 1, 1, tzinfo=UTC))
    flat.is_synced = True
    assert flat.clock.source() is ClockSource.UPTIME, "whatever the kernel says"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"modem":{"time":{"current":"2026-03-02T10:40:00Z","offset":"+00"}}}', NOW),
        ('{"modem":{"time":{"current":"--"}}}', None),
        ("nonsense", None),
    ],
)
def test_the_network_time_is_read_from_modemmanager(answer: str, expected: datetime | None) -> None:
    assert modem_time(lambda _: answer) == expected
