"""The account of each gateway and day: sent, arrived, declared, stored, duplicate, conflicting, set aside, late.

Written in the transaction of the readings that it counts, so that it adds up after any crash (the identities stand in
migrations 0008 and 0038). What is missing follows from the sequence numbers of the gateway's boots, so a message that
never came is known as soon as a later one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ingest.admission import Admission, Anchors, Boot, SetAside, Taken
from ingest.arrays import Float8s, Int2s, Int4s, Int8s, Texts, Times
from ingest.columns import Columns
from ingest.db import Connection, queries
from ingest.writer import Outcome, RowFates

SQL = queries("ingest", "account")
LATE_US = 3_600_000_000


class Account:
    """Books batches over one connection, within the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._boot_ids: dict[Boot, int] = {}

    def forget(self) -> None:
        """After a failed transaction: the boots that it made are gone."""
        self._boot_ids.clear()

    def fetch_anchors(self) -> Anchors:
        """When the uptime of each boot of the last months was 0."""
        return {
            (zone, gateway, boot): micros for zone, gateway, boot, micros in self._connection.execute(SQL["anchors"])
        }

    def fetch_estimated_boots(self) -> set[Boot]:
        """The boots of which a reading was ever dated anew."""
        return set(self._connection.execute(SQL["estimated_boots"]).fetchall())

    def arrived_before(self, ranges: Mapping[Boot, NDArray[np.int64]]) -> dict[Boot, set[int]]:
        """Which sequence numbers of each boot's ranges (n, 2), both ends included, have come before."""
        boots = [boot for boot, its in ranges.items() for _ in its]
        low, high = np.concatenate(list(ranges.values())).T
        zone, gateway, boot = zip(*boots, strict=True)
        rows = self._connection.execute(
            SQL["arrived_before"],
            {
                "zone": Texts(zone), "gateway": Texts(gateway), "boot": Texts(boot),
                "low": Int8s(low), "high": Int8s(high),
            },
        )  # fmt: skip
        found: dict[Boot, set[int]] = {boot: set() for boot in ranges}
        for zone_id, gateway_id, name, first, behind in rows:
            found[zone_id, gateway_id, name].update(range(first, behind))
        return found

    def book(
        self,
        admission: Admission,
        taken: Taken,
        columns: Columns,
        fate: RowFates,
        aside: Sequence[tuple[SetAside, bool]],
        now: datetime,
        *,
        is_replay: bool = False,
    ) -> None:
        """Add a batch to the account of the day `now`.

        `taken` are the admission's; `fate` is what became of each row of `columns`; `aside` what was set aside, each
        with whether it is there for the first time (the same bytes again are a duplicate). A replay does not receive
        its readings again: they come from what was set aside, and tell nothing about the gateway's clock of today.
        """
        gateways = admission.directory.gateways
        declared = admission.declared
        known = [boot for boot in dict.fromkeys([*taken, *declared]) if gateways.get(boot[1]) == boot[0]]
        ids = self._ids_of(known, now)
        ranges = [
            (number, *pair, has_come)
            for boot, number in zip(known, ids, strict=True)
            for has_come, its in ((True, taken.get(boot, ())), (False, declared.get(boot, ())))
            for pair in its
        ]
        boot_id, low, high, came = np.array(ranges, dtype=np.int64).reshape(-1, 4).T
        anchors = [(number, admission.anchors.get(boot)) for boot, number in zip(known, ids, strict=True)]
        anchor_id, anchor_us = (
            np.array([pair for pair in anchors if pair[1] is not None], dtype=np.int64).reshape(-1, 2).T
        )

        estimated = {item.boot for item in admission.estimated}
        estimated_ids = [number for boot, number in zip(known, ids, strict=True) if boot in estimated]

        number = {who: sender.number for who, sender in admission.senders.items()}
        counts = np.zeros((len(Outcome) + 2, len(number)), dtype=np.int64)
        stored, duplicate, conflict, set_aside, late = counts
        sender, outcome = admission.sender, fate.outcome
        for kind in Outcome:
            counts[kind] += np.bincount(sender[outcome == kind], minlength=len(number))
        is_late = (outcome == Outcome.STORED) & (columns.received_us - columns.measured_us > LATE_US)
        late += np.bincount(sender[is_late], minlength=len(number))
        is_past = (outcome == Outcome.STORED) & fate.is_behind
        self._note_late(list(number), sender[is_past], columns.measured_us[is_past])
        for item, is_first in aside:
            (set_aside if is_first else duplicate)[number[item.sender]] += 1
        zone, gateway = zip(*number, strict=True) if number else ((), ())
        received = np.array([found.received for found in admission.senders.values()], dtype=np.int64)
        nothing = np.zeros_like(received)
        offsets = [
            np.nan if is_replay or found.offset_s is None else found.offset_s for found in admission.senders.values()
        ]
        self._connection.execute(
            SQL["book"],
            {
                "now": now, "boot": Int4s(boot_id), "low": Int8s(low), "high": Int8s(high), "came": Int2s(came),
                "anchor_boot": Int4s(anchor_id), "anchor": Times(anchor_us),
                "estimated": Int4s(np.array(estimated_ids, dtype=np.int32)),
                "zone": Texts(zone), "gateway": Texts(gateway),
                "received": Int8s(nothing if is_replay else received),
                "replayed": Int8s(received if is_replay else nothing),
                "stored": Int8s(stored), "duplicate": Int8s(duplicate), "conflict": Int8s(conflict),
                "set_aside": Int8s(set_aside), "late": Int8s(late), "offset": Float8s(np.array(offsets)),
            },
        )  # fmt: skip

    def _note_late(
        self, who: Sequence[tuple[str, str]], sender: NDArray[np.int32], measured_us: NDArray[np.int64]
    ) -> None:
        """Leave word from when on each zone has new readings in its past, for whoever judges them in their own time.

        Its past is what lies well behind the newest reading that it had: so far judging may have come. A backlog that
        comes in order, with nothing live before it, is no news of that kind, however old it is; a replay is, and so is
        what comes on time after a clock was ahead.
        """
        if len(sender):
            first_us = np.full(len(who), np.iinfo(np.int64).max)
            np.minimum.at(first_us, sender, measured_us)
            places = np.unique(sender)
            zone = [who[place][0] for place in places]
            self._connection.execute(SQL["note_late"], {"zone": Texts(zone), "first": Times(first_us[places])})

    def _ids_of(self, boots: Sequence[Boot], now: datetime) -> list[int]:
        known = self._boot_ids
        unknown = sorted(boot for boot in boots if boot not in known)
        if unknown:
            zone, gateway, boot = zip(*unknown, strict=True)
            parameters = {"zone": Texts(zone), "gateway": Texts(gateway), "boot": Texts(boot), "now": now}
            self._connection.execute(SQL["make_boots"], parameters)
            for *key, number in self._connection.execute(SQL["boot_ids"], parameters):
                known[tuple(key)] = number
        return [known[boot] for boot in boots]
