"""When was it measured? Clocks lie; uptimes do not, and we know when a pack came. Pure, no I/O.

A pack tells its sender's clock and uptime when it left (`sent`, `sup`) and, for each reading, clock and uptime when it
was measured (`bt`, `bup`). The broker tells how long it kept the pack. Uptimes only run forward, so the time between
measuring and sending is known even when the clock was stepped in between; and our own clock at the pack's arrival
says whether the sender's clock is right. The *anchor* of a boot is the time at which its uptime was 0: the least that
any pack of that boot gives, because a pack can be delayed but never early.

Rules (RELIABILITY §3.7), with a tolerance of five minutes:

- the clock was right when the pack left, and went evenly since the measurement: believe it;
- it was right when the pack left but was stepped since: the reading is as old as the uptimes say;
- it is wrong (ahead of us, before 2020, or behind although nothing delayed the pack): count from the anchor;
- it cannot be known (no uptime, no anchor, an impossible date): None, and the reading is set aside until it can.
"""

from __future__ import annotations

from typing import NamedTuple

TOLERANCE_US = 300_000_000
EARLIEST_US = 1_577_836_800_000_000  # 2020-01-01, before the first zone was built
ANCHOR_STEP_US = 500_000  # an anchor is replaced only by one that is this much better, so that it rests


class PackTimes(NamedTuple):
    """What a pack and its way tell; all µs, None where unknown.

    `sent_us` is the sender's clock and `sent_uptime_us` its uptime when the pack left; `received_us` our clock when it
    came; `waited_us` how long the broker had kept it.
    """

    received_us: int
    sent_us: int | None = None
    sent_uptime_us: int | None = None
    waited_us: int | None = None


class Dated(NamedTuple):
    """A reading's time [µs since 1970-01-01 UTC], and whether we estimated it because the clock was wrong."""

    measured_us: int
    is_estimated: bool


def anchor_from(pack: PackTimes) -> int | None:
    """When the boot's uptime was 0 according to one pack, at the latest [µs]; None when the pack does not tell."""
    if pack.sent_uptime_us is None:
        return None
    return pack.received_us - (pack.waited_us or 0) - pack.sent_uptime_us


def better_anchor(known_us: int | None, found_us: int) -> int:
    """The anchor to keep: the earlier one, unless it is hardly earlier."""
    return found_us if known_us is None or found_us < known_us - ANCHOR_STEP_US else known_us


def is_clock_right(pack: PackTimes, anchor_us: int | None) -> bool | None:
    """Whether the sender's clock was right when the pack left; None when the pack does not tell its clock."""
    if pack.sent_us is None:
        return None
    behind_us = pack.received_us - (pack.waited_us or 0) - pack.sent_us
    if behind_us < -TOLERANCE_US or pack.sent_us < EARLIEST_US:
        return False
    if behind_us <= TOLERANCE_US:
        return True
    # Slow, or delayed on a way that we do not see? Earlier packs of the boot tell.
    if anchor_us is not None and pack.sent_uptime_us is not None:
        return pack.sent_us >= anchor_us + pack.sent_uptime_us - TOLERANCE_US
    return pack.waited_us is None


def date_reading(clock_us: int, uptime_us: int | None, pack: PackTimes, anchor_us: int | None) -> Dated | None:
    """When a reading was measured whose gateway's clock said `clock_us` at `uptime_us`; None when nobody can know."""
    is_possible = EARLIEST_US <= clock_us <= pack.received_us + TOLERANCE_US
    is_right = is_clock_right(pack, anchor_us)
    if is_right and uptime_us is not None and pack.sent_us is not None and pack.sent_uptime_us is not None:
        counted_us = pack.sent_us - (pack.sent_uptime_us - uptime_us)
        return Dated(clock_us, False) if abs(clock_us - counted_us) <= TOLERANCE_US else Dated(counted_us, True)
    if anchor_us is not None and uptime_us is not None and is_right is not True:
        counted_us = anchor_us + uptime_us
        is_near = abs(clock_us - counted_us) <= TOLERANCE_US
        return Dated(clock_us, False) if is_near and is_possible else Dated(counted_us, True)
    return Dated(clock_us, False) if is_possible else None
