"""The account of messages as pages, API and command line read it: what each gateway sent and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from ingest.db import Connection, queries
from web.cursors import aware, cursor_of_key, number_of_32_bits, read_key
from web.errors import NotThere

SQL = queries("web", "account")

GAP_AFTER = timedelta(days=1)  # a gateway that speaks for so long sends all that it still has


@dataclass(frozen=True, slots=True)
class Line:
    """What one gateway sent on a day of receipt, or over some days that end on `day`; counted in readings.

    `declared` is what the gateway thinned away for want of room and said so; less what came after all.
    `missing` is what was missing at the end of `day`: counted by the gateway, not declared, and never come until then.
    `clock_offset_s` is the gateway's clock less ours. Zone and gateway are empty for what came under no gateway of
    the registry.
    """

    zone_id: str
    gateway_id: str
    day: date
    sent: int
    arrived: int
    declared: int
    received: int
    replayed: int
    stored: int
    duplicate: int
    conflict: int
    set_aside: int
    late: int
    clock_offset_s: float | None
    missing: int

    @property
    def imbalance(self) -> int:
        """What came in less what became of it; 0 when the line adds up."""
        return self.received + self.replayed - self.stored - self.duplicate - self.conflict - self.set_aside

    @property
    def adds_up(self) -> bool:
        """Whether everything that came in has become exactly one thing."""
        return self.imbalance == 0


SUMMED = tuple(field.name for field in fields(Line) if field.type == "int")


@dataclass(frozen=True, slots=True)
class BootGaps:
    """A start of a gateway of which numbers never came; `ranges` are the first 20, both ends included.

    `is_gap` when the gateway has gone on speaking for more than `GAP_AFTER` without sending them; otherwise they are on
    their way: it keeps them until we confirm.
    """

    zone_id: str
    gateway_id: str
    boot: str
    first_received_at: datetime
    last_received_at: datetime
    sent: int
    missing: int
    ranges: list[list[int]]
    is_gap: bool


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two values for one channel and moment: the first stays in the readings, the other is kept beside it."""

    zone_id: str
    asset_id: str
    name: str
    unit: str
    channel_id: int
    measured_at: datetime
    stored: float
    stored_received_at: datetime
    other: float
    other_received_at: datetime


def sum_of(lines: Iterable[Line], *, day: date) -> Line:
    """All gateways together."""
    listed = list(lines)
    sums = {name: sum(getattr(line, name) for line in listed) for name in SUMMED}
    return Line(zone_id="", gateway_id="", day=day, clock_offset_s=None, **sums)


def fetch_gateways(connection: Connection, first: date, last: date) -> list[Line]:
    """Each gateway's sums over [first, last], by zone; also of those that sent nothing. Nobody's come last."""
    return [Line(*row) for row in connection.execute(SQL["gateways"], {"first": first, "last": last})]


def fetch_days(
    connection: Connection,
    *,
    zone: str | None = None,
    gateway: str | None = None,
    first: date | None = None,
    last: date | None = None,
    after: tuple[date, str, str] | None = None,
    limit: int | None = None,
) -> list[Line]:
    """Lines of the account, newest day first; `after` is (day, zone, gateway) of the last one already seen."""
    after_day, after_zone, after_gateway = after or (None, None, None)
    parameters = {
        "zone": zone, "gateway": gateway, "first": first, "last": last, "limit": limit,
        "after_day": after_day, "after_zone": after_zone, "after_gateway": after_gateway,
    }  # fmt: skip
    return [Line(*row) for row in connection.execute(SQL["days"], parameters)]


def fetch_last_received(connection: Connection) -> dict[tuple[str, str], datetime | None]:
    """(zone, gateway) → when something of it last came."""
    return {(zone, gateway): at for zone, gateway, at in connection.execute(SQL["last_received"])}


def fetch_gaps(connection: Connection, *, zone: str | None = None, gateway: str | None = None) -> list[BootGaps]:
    """Starts of gateways of which numbers are missing now, the newest first."""
    parameters = {"zone": zone, "gateway": gateway, "gap_after": GAP_AFTER}
    return [BootGaps(*row) for row in connection.execute(SQL["boots"], parameters)]


def require_gateway(connection: Connection, zone: str | None, gateway: str) -> None:
    """`NotThere` unless the registry or the account knows this gateway (in this zone)."""
    row = connection.execute(SQL["gateway_is_known"], {"zone": zone, "gateway": gateway}).fetchone()
    if row is None or not row[0]:
        raise NotThere("gateway", gateway)


def conflict_cursor(conflict: Conflict) -> str:
    """The mark of a conflict in the list of them."""
    return cursor_of_key(conflict.other_received_at, conflict.channel_id, conflict.measured_at, conflict.other)


def read_conflict_cursor(cursor: str, parameter: str = "cursor") -> tuple[datetime, int, datetime, float]:
    """What `conflicts_page` calls `before`.

    Raises
    ------
    BadParameter : the mark is not one of ours
    """
    at, channel, measured, value = read_key(cursor, aware, number_of_32_bits, aware, float, parameter=parameter)
    return at, channel, measured, value


def conflicts_page(
    connection: Connection,
    *,
    zone: str | None = None,
    before: tuple[datetime, int, datetime, float] | None = None,
    limit: int,
) -> list[Conflict]:
    """Conflicts, newest first; `before` is (received_at, channel_id, measured_at, value) of the last one seen."""
    at, channel, measured, value = before or (None, None, None, None)
    parameters = {
        "zone": zone, "limit": limit, "before_at": at, "before_channel": channel, "before_measured": measured,
        "before_value": value,
    }  # fmt: skip
    return [Conflict(*row) for row in connection.execute(SQL["conflicts"], parameters)]
