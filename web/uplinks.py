"""The door for messages by HTTP: into the very pipeline that takes those of the broker, answered once committed."""

from __future__ import annotations

import threading
from datetime import datetime

import psycopg

from gateway.clock import us_from_instant
from ingest.admission import Message
from ingest.db import Connection, connect
from ingest.errors import StoreUnavailable
from ingest.pipeline import Committed, Pipeline


class Uplinks:
    """One pipeline on a connection of its own, which is made when the first message comes. Thread-safe."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._lock = threading.Lock()
        self._open: tuple[Connection, Pipeline] | None = None

    def store(self, topic: str, payload: bytes, now: datetime) -> Committed:
        """Store a message, as it came and as its profile reads it; what is returned is committed.

        A connection that broke since the last message is made anew.

        Raises
        ------
        StoreUnavailable, SchemaMismatch, psycopg.Error : nothing of it is stored, and the sender may try again
        """
        message = Message(topic, payload, us_from_instant(now), 0, 0)
        with self._lock:
            was_open = self._open is not None
            try:
                return self._store(message)
            except (StoreUnavailable, psycopg.Error):
                if not was_open:
                    raise
            return self._store(message)

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._let_go()

    def _store(self, message: Message) -> Committed:
        try:
            if self._open is None:
                connection = connect(self._url, application="ndiyan-uplinks")
                self._open = connection, Pipeline(connection)
            _, pipeline = self._open
            pipeline.look_at_registry()
            return pipeline.store([message])
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        found, self._open = self._open, None
        if found is not None:
            found[0].close()
