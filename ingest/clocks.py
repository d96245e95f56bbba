"""When was it measured? Clocks lie; uptimes do not, and we know when a pack came. Pure, no I/O.

A pack tells its sender's clock and uptime when it left (`sent`, `sup`) and, for each reading, clock and uptime when it
was measured (`bt`, `bup`). The broker tells how long it kept the pack. Uptimes only run forward, so the time between
measuring and sending is known even when the clock was stepped in between; and our own clock at the pack's arrival
says whether the sender's clock is right. The *anchor* of a boot is the time at which its uptime was 0: the least that
any pack of that boot gives, because a pack can be delayed but never early.

Rules (RELIABILITY §3.7), with a tolerance of five minutes:

- a reading's clock agrees with what is counted from the uptimes: believe it;
- it does not, but the clock was right when the pack left: it was stepped since, and the reading is as old as the
  uptimes say;
- it does not, and the clock is wrong (ahead of us, before 2020, or behind although nothing delayed the pack), or the
  pack comes from a later run of the machine, whose clock tells nothing of the earlier one: count from the anchor;
- there is nothing to count from (no uptime, no anchor): a possible date is kept, and marked when the clock is known to
  be wrong now; an impossible one is None, and the reading is set aside until it can be known.

What is counted, or marked, is never flagged good. So a good reading is at most the tolerance and the delay of the
quickest pack away from the truth, once one pack of its boot told its uptime. A clock of an earlier run that was wrong
by a possible date, and of which no pack ever came while it ran, cannot be found out.

Our own clock can be set as well. Where the sender's clock still is what the anchor and its uptime say and ours is not,
two witnesses stand against one: the pack is dated as if it had come when it left, and tells nothing of the anchor.

A wait can be wrong too: it is counted from the life that our gateways give a pack, and another sender may give another.
So it is believed only as far as clocks and anchor bear it out, and an anchor that later packs refute is replaced. What
stays is a sender of another life whose clock is wrong as well: its readings are dated by the wait, and are marked.
"""

from __future__ import annotations

from typing import NamedTuple

TOLERANCE_US = 300_000_000
EARLIEST_US = 1_577_836_800_000_000  # 2020-01-01, before the first zone was built
ANCHOR_STEP_US = 500_000  # an anchor is replaced only by one that is this much better, so that it rests
BEHIND_US = 2 * 86_400_000_000  # how far behind our own clock is taken to be at most
UNSEEN_US = 86_400_000_000  # no pack is longer on its way than this, beside what the broker says that it kept it


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
    """A reading's time [µs since 1970-01-01 UTC], and whether it is an estimate because the clock was wrong."""

    measured_us: int
    is_estimated: bool


def with_believable_wait(pack: PackTimes, anchor_us: int | None) -> PackTimes:
    """The pack, its wait unknown when it cannot be.

    With an anchor, it cannot put the boot a day before it. Without, it cannot be that the sender's clock agrees with
    ours only as long as the pack did not wait.
    """
    first_us = anchor_from(pack)
    if not pack.waited_us:
        return pack
    if anchor_us is not None and first_us is not None:
        is_believable = first_us >= anchor_us - UNSEEN_US
    else:
        is_believable = _agrees(pack) or not _agrees(pack._replace(waited_us=None))
    return pack if is_believable else pack._replace(waited_us=None)


def is_ours_off(pack: PackTimes, anchor_us: int | None) -> bool:
    """Whether our clock was set since the anchor was known: the sender's runs on with its uptime, ours does not."""
    if anchor_us is None or pack.sent_us is None or pack.sent_uptime_us is None or _agrees(pack):
        return False
    runs_on = abs(pack.sent_us - (anchor_us + pack.sent_uptime_us)) <= TOLERANCE_US
    return runs_on and pack.sent_us <= pack.received_us + BEHIND_US


def anchor_from(pack: PackTimes) -> int | None:
    """When the boot's uptime was 0 according to one pack, at the latest [µs]; None when the pack does not tell."""
    if pack.sent_uptime_us is None:
        return None
    return pack.received_us - (pack.waited_us or 0) - pack.sent_uptime_us


def unseen_at_most(pack: PackTimes) -> int | None:
    """How long a pack can have been on its way unseen [µs]; None when nothing tells.

    Where two clocks agree it came as quickly as they do. Where the broker tells its part, the rest is bounded.
    """
    if _agrees(pack):
        return TOLERANCE_US
    return None if pack.waited_us is None else UNSEEN_US


def better_anchor(known_us: int | None, found_us: int, unseen_us: int | None) -> int:
    """The anchor to keep: the earlier one, unless it is hardly earlier, or so early that `found_us`, which comes from a
    pack that was unseen for at most `unseen_us`, refutes it."""
    if known_us is None or found_us < known_us - ANCHOR_STEP_US:
        return found_us
    return found_us if unseen_us is not None and known_us < found_us - unseen_us else known_us


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
    """When a reading was measured whose gateway's clock said `clock_us` at `uptime_us`; None when nobody can know.

    `anchor_us` is that of the reading's boot. A pack without `sent_uptime_us` comes from a later run of the machine,
    whose clock may have been set since: its readings are held against the anchor alone.
    """
    is_possible = EARLIEST_US <= clock_us <= pack.received_us + TOLERANCE_US
    is_right = is_clock_right(pack, anchor_us)
    if uptime_us is not None:
        counted = [first_us + uptime_us for first_us in (anchor_us, anchor_from(pack)) if first_us is not None]
        if is_possible and any(abs(clock_us - counted_us) <= TOLERANCE_US for counted_us in counted):
            return Dated(clock_us, False)
        if is_right and pack.sent_us is not None and pack.sent_uptime_us is not None:
            return Dated(pack.sent_us - (pack.sent_uptime_us - uptime_us), True)
        if counted:
            return Dated(counted[0], True)
    return Dated(clock_us, is_right is False) if is_possible else None


def _agrees(pack: PackTimes) -> bool:
    """Whether the sender's clock, when the pack left, and ours, when it came, agree but for the broker's wait."""
    if pack.sent_us is None:
        return False
    return abs(pack.received_us - (pack.waited_us or 0) - pack.sent_us) <= TOLERANCE_US
