"""Which worker of ingest hears which zone.

The first worker hears everything: known zones, strangers, the topics of foreign devices. Each of the others claims the
zones that fall to it. No filter of MQTT says "all but these", so the first passes over what others have claimed: it
confirms such a message and reads no more than its topic. What makes that safe is the order of things. A zone is claimed
once its worker hears it; some seconds later the first says a word to itself through the broker, and passes over what
comes behind that word. A zone is given back in the other order: the first hears it again, and then its worker leaves.
A broker that has lost the session of the first may have lost the others' too. So the first doubts all claims then and
hears everything, until each worker has said a word to itself as well: what it hears, it hears at the broker of now.
At every moment a message is in the session of a worker that stores it; in between it is in two, and the key absorbs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from gateway.wire import zone_uplinks
from ingest.db import Connection, queries
from ingest.subscriber import Subscriber

SQL = queries("ingest", "claims")
SETTLE_S = 10.0  # brokers of a cluster tell each other of a subscription, and a broker writes it to its disk, in less


class Claim(NamedTuple):
    """Which worker hears a zone; see migrations `ingest_workers` and `claim_heard`."""

    worker: int
    is_leaving: bool
    is_passed: bool
    is_settled: bool
    doubted_at: datetime | None  # since when its worker is asked whether it hears the zone


def fetch_claims(connection: Connection) -> dict[str, Claim]:
    """By zone; a zone without one is the first worker's."""
    rows = connection.execute(SQL["claims"], {"settled": timedelta(seconds=SETTLE_S)})
    return {zone: Claim(*rest) for zone, *rest in rows}


def known_workers(connection: Connection) -> list[int]:
    """The workers besides the first that have a zone, or were heard of and did not take their leave."""
    return [worker for (worker,) in connection.execute(SQL["workers"])]


def worker_of(zone_id: str, workers: int) -> int:
    """To which of so many workers a zone falls. One more takes its share from all, and nothing else moves.

    The worker with the highest hash of both names (Thaler and Ravishankar, "Using name-based mappings to increase hit
    rates", IEEE/ACM Trans. Networking 6 (1), 1998).
    """
    return max(range(1, workers + 1), key=lambda worker: hashlib.blake2b(f"{zone_id}/{worker}".encode()).digest())


def move(connection: Connection, statement: Literal["claim", "give_back"], worker: int, zones: Sequence[str]) -> None:
    """Give zones to a worker that hears them, or back to the first; who writes them now is waited for."""
    if zones:
        connection.execute(SQL["begin_turns"], {"worker": worker})
        with connection.transaction():
            connection.execute(SQL["move"], {"worker": worker})
            connection.execute(SQL[statement], {"worker": worker, "zones": list(zones)})


class FirstWorker:
    """Passes over what others have claimed, from when on they surely hear it."""

    has_gone = False

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self._sessions = -1  # for which the claims were doubted; not yet by us: who was killed may have been about to

    def note(self, zones: Iterable[str]) -> None:
        """A batch with readings of these zones was stored."""

    def look(self, connection: Connection, registry: object, *, is_empty: bool, also: Collection[str]) -> None:
        """Bring the link in line with the claims; `also` are the topics of profiles."""
        sessions = self._subscriber.new_sessions
        if self._subscriber.is_connected and sessions != self._sessions:
            connection.execute(SQL["doubt"])
            self._sessions = sessions
        claims = fetch_claims(connection)
        self._subscriber.read_also({*also, self._subscriber.own_topic} if claims else also)
        if not self._subscriber.is_connected:
            return  # not before whoever had the session before us has surely lost it
        passed = {zone for zone, claim in claims.items() if not claim.is_leaving and claim.is_settled}
        self._subscriber.hear_again(self._subscriber.passing - passed)
        heard = [zone for zone, claim in claims.items() if claim.is_leaving and claim.is_passed]
        if heard:
            connection.execute(SQL["hear_again"], {"zones": heard})
        if passed - self._subscriber.passing and self._subscriber.hears(self._subscriber.own_topic):
            told = connection.execute(SQL["pass_over"], {"zones": sorted(passed)}).fetchall()
            self._subscriber.pass_over({zone for (zone,) in told}, sessions=sessions)


class OtherWorker:
    """Claims the zones that fall to it, and gives back those that do no more; all of them when it is one too many."""

    def __init__(self, subscriber: Subscriber, *, worker: int, workers: int) -> None:
        self._subscriber, self._worker, self._workers = subscriber, worker, workers
        self._registry: object = None
        self._wanted: frozenset[str] = frozenset()
        self._strangers: set[str] = set()
        self._asked: datetime | None = None  # the newest doubt that our mark, once it comes, can answer
        self._was_marked = False  # at the last look
        self.has_gone = False  # it is one too many, and its session is empty

    def note(self, zones: Iterable[str]) -> None:
        """A batch with readings of these zones was stored."""
        self._strangers.update(zones)

    def look(self, connection: Connection, registry: object, *, is_empty: bool, also: Collection[str]) -> None:
        """Bring link and claims in line with the registry; `is_empty` when all that had come a moment ago is stored.

        A broker that was killed may have forgotten that we left a zone. So whose messages come without our claim is
        left again.
        """
        if registry != self._registry:
            self._registry, self._wanted = registry, self._share(connection)
        claims = fetch_claims(connection)
        mine = {zone: claim for zone, claim in claims.items() if claim.worker == self._worker}
        leaving = [zone for zone in mine if zone not in self._wanted and not mine[zone].is_leaving]
        if leaving:
            connection.execute(SQL["leave"], {"worker": self._worker, "zones": leaving})
        going = {zone for zone, claim in mine.items() if claim.is_leaving and not claim.is_passed}
        hears = (self._wanted - claims.keys()) | (mine.keys() - going)
        self._subscriber.read_also(map(zone_uplinks, hears))
        self._subscriber.leave(map(zone_uplinks, going | (self._strangers - hears)))
        self._strangers.clear()
        if not self._subscriber.is_connected:
            return
        heard = [zone for zone in self._wanted - claims.keys() if self._subscriber.hears(zone_uplinks(zone))]
        move(connection, "claim", self._worker, heard)
        left = [zone for zone in going if self._subscriber.has_left(zone_uplinks(zone))]
        move(connection, "give_back", self._worker, left)
        self._answer(connection, {zone: claim for zone, claim in mine.items() if zone in self._wanted})
        if self._worker > self._workers and not mine:
            if self._subscriber.is_marked is None:
                self._subscriber.pass_over(())
            is_marked = self._subscriber.is_marked is True
            self.has_gone = is_empty and is_marked and self._was_marked  # what came before the mark was seen as well
            self._was_marked = is_marked

    def _answer(self, connection: Connection, claims: Mapping[str, Claim]) -> None:
        """Say which doubted zones we hear: those granted on a link on which a mark that we sent since has come back."""
        doubted = {zone: claim.doubted_at for zone, claim in claims.items() if claim.doubted_at is not None}
        if self._asked is not None and self._subscriber.is_marked:
            heard = [zone for zone in doubted if self._subscriber.hears(zone_uplinks(zone))]
            connection.execute(SQL["heard"], {"worker": self._worker, "zones": heard, "doubted": self._asked})
            self._asked = None
        elif doubted and (self._asked is None or self._subscriber.is_marked is None):  # none on this connection
            self._asked = max(doubted.values())
            self._subscriber.pass_over(())

    def _share(self, connection: Connection) -> frozenset[str]:
        if self._worker > self._workers:
            return frozenset()
        zones = (zone for (zone,) in connection.execute(SQL["sharable"]))
        return frozenset(zone for zone in zones if worker_of(zone, self._workers) == self._worker)


Claims = FirstWorker | OtherWorker


def claims_of(worker: int, workers: int, subscriber: Subscriber) -> Claims:
    """What a worker does about claims; one whose number is greater than `workers` gives all up and ends."""
    return FirstWorker(subscriber) if worker == 1 else OtherWorker(subscriber, worker=worker, workers=workers)
