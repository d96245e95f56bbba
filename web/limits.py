"""How often somebody may ask, or try to log in: a bucket of tries that fills again all the time.

Requests are counted by each service for itself, for they are its own load. Tries to log in are counted in the database:
whoever guesses must not get as many tries again from each service behind the proxy.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from ingest.db import Connection, queries

SQL = queries("web", "limits")
MOST_BUCKETS = 10_000  # beyond that the fullest are forgotten: a full bucket and none are the same
TRIES_WITHIN = timedelta(minutes=15)
TRIES_OF_A_NAME = 5
TRIES_OF_AN_ADDRESS = 20  # several people behind one address of a mobile network


class Limiter:
    """Buckets by identity, in memory: after a restart all are full."""

    def __init__(self, most: int, within: timedelta = timedelta(minutes=1)) -> None:
        self._size, self._per_s = float(most), most / within.total_seconds()
        self._buckets: dict[bytes, tuple[float, float]] = {}  # what is in it, and when that was so
        self._lock = threading.Lock()

    def wait_s(self, identity: bytes, *, now_s: float) -> float:
        """Take one request out of the bucket, and 0; or, when it is empty, how long it takes until one is in it."""
        with self._lock:
            content = self._content(identity, now_s)
            if content < 1:
                return (1 - content) / self._per_s
            if identity not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
                emptiest = sorted(self._buckets, key=lambda who: self._content(who, now_s))[: MOST_BUCKETS // 2]
                self._buckets = {who: self._buckets[who] for who in emptiest}
            self._buckets[identity] = content - 1, now_s
            return 0.0

    def _content(self, identity: bytes, now_s: float) -> float:
        content, at_s = self._buckets.get(identity, (self._size, now_s))
        return min(self._size, content + max(0.0, now_s - at_s) * self._per_s)


class Tries:
    """How often one may try to log in, by the name that is tried and by the address that tries, at all services."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def wait_s(self, name: str, address: str, *, now: datetime) -> float:
        """Count a try, and 0; or how long it takes until the next one is allowed. Unknown names count like others."""
        return self.wait_without_name_s(address, now=now) or self._take(self._name(name), TRIES_OF_A_NAME, now)

    def wait_without_name_s(self, address: str, *, now: datetime) -> float:
        """The same for a way in that asks for no name."""
        self._connection.execute(SQL["forget_full"], {"full_since": now - TRIES_WITHIN})
        return self._take(_network(address), TRIES_OF_AN_ADDRESS, now)

    def give_back_to_address(self, address: str) -> None:
        """A try of `wait_without_name_s` was none: whoever made it had a right to come in."""
        self._connection.execute(SQL["give_back"], {"who": _network(address), "most": TRIES_OF_AN_ADDRESS})

    def forgive(self, name: str) -> None:
        """Whoever got in mistyped before."""
        self._connection.execute(SQL["forgive"], {"who": self._name(name)})

    def _name(self, name: str) -> bytes:
        """What all spellings by which an account is found have in common, however long they are."""
        ((folded,),) = self._connection.execute(SQL["folded"], {"name": name.strip()}).fetchall()
        return sha256(folded.encode()).digest()

    def _take(self, who: bytes, most: int, now: datetime) -> float:
        asked = {"who": who, "most": most, "per_s": most / TRIES_WITHIN.total_seconds(), "now": now}
        ((wait_s,),) = self._connection.execute(SQL["take_try"], asked).fetchall()
        return float(wait_s)


def _network(address: str) -> bytes:
    """An IPv4 address, or the 64 bits of an IPv6 network: a household has all addresses of one."""
    try:
        found = ip_address(address)
    except ValueError:
        return sha256(b"").digest()
    return sha256(found.packed[:8] if isinstance(found, IPv6Address) else found.packed).digest()
