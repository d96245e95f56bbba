"""What ingest needs to know to run."""

from __future__ import annotations

from dataclasses import dataclass, replace

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

    @property
    def service(self) -> str:
        """The name under which this worker is heard of, as of one of several services of a kind."""
        return "ingest" if self.worker == 1 else f"ingest@{self.worker}"

    def of_worker(self, worker: int, workers: int) -> IngestConfig:
        """The configuration of one of several workers, made from that of the first.

        Each has a session, and so a client id and a user of its own at the broker, with the password of the first. What
        foreign devices say is the first worker's to hear.
        """
        if worker == 1:
            return replace(self, workers=workers)
        user = self.mqtt.username and name_of_worker(self.mqtt.username, worker)
        return replace(
            self, mqtt=replace(self.mqtt, username=user), client_id=name_of_worker(self.client_id, worker),
            worker=worker, workers=workers, foreign_topics=(), reads_own_profiles=False,
        )  # fmt: skip


def name_of_worker(first: str, worker: int) -> str:
    """A worker's name at the broker, made from that of the first."""
    return first if worker == 1 else f"{first}-{worker}"
