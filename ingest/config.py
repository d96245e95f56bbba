"""What ingest needs to know to run."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config import MqttSettings


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """Database and broker; `client_id` names the persistent session, one per worker.

    Of `workers` this is number `worker`, from 1 on; a second process of the same number stands by.

    `operator` is another user's way to the broker, with which its settings are tried at the start.
    """

    database_url: str
    mqtt: MqttSettings
    operator: MqttSettings | None = None
    client_id: str = "ingest"
    window_messages: int = 15_000  # unconfirmed messages that the broker may send: this is the backpressure
    foreign_topics: tuple[str, ...] = ()  # of devices that speak a dialect of their own (docs/profiles.md)
    worker: int = 1
    workers: int = 1
    reads_own_profiles: bool = False  # also the topics of the profiles in the database, as they come and go
