"""kill -9 of our sender over Gammu's daemon and a modem on a pseudo terminal: nothing lost, nothing on the air twice.

The modem counts what left; the daemon lives; our process alone dies, at random moments. SMS come in all the while.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from alerts.carriers.gammu import GammuCarrier, GammuConfig
from alerts.sender import Sender
from gateway.clock import SystemClock
from ingest.db import Connection, connect, migrate
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from tests.alerts.carriers.modem import Modem
from tests.alerts.carriers.smsd import PHONE_ID, Smsd, why_no_smsd

NUMBER, STRANGER = "+224622123456", "+224622000001"
CONFIG = GammuConfig.from_table("gsm", {"kind": "gammu", "phone_id": PHONE_ID, "per_s": 10}, {})
LONGEST_LIFE_S = 0.4
END_WITHIN_S = 600.0
QUEUE = (
    "INSERT INTO notification (ref, phone, kind, step, reason, language, text, segments, state, created_at,"
    " next_try_at, valid_until, urgency) SELECT gen_random_uuid(), %s, 'reply', '', 'bench', 'fr', 'A1 essai ' || n, 1,"
    " 'queued', %s, %s, %s, 3 FROM generate_series(1, %s) n"
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of all messages, both ways."""

    messages: int
    kills: int
    lost: int
    twice: int
    unheard: int
    stored: int
    arrived: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing twice, all outcomes known, each SMS that came in stored once."""
        return self.lost == self.twice == self.unheard == 0 and self.stored == self.arrived


def run(url: str, folder: Path, *, messages: int, kills: int, seed: int) -> Result:
    """Queue `messages`, kill our sender `kills` times while it works, then let it end."""
    chance, modem = random.Random(seed), Modem()  # noqa: S311 - moments, not secrets
    smsd = Smsd(url, folder, device=modem.device)
    begin_s = time.monotonic()
    try:
        now = datetime.now(UTC)
        with connect(url) as connection:
            connection.execute(QUEUE.encode(), (NUMBER, now, now, now + timedelta(days=1), messages))
            smsd.start()
            arrived = 0
            for kill in range(kills):
                sender = _sender(url)
                time.sleep(chance.uniform(0.02, LONGEST_LIFE_S))
                sender.kill()
                sender.join()
                if kill % 10 == 0:
                    arrived += 1
                    modem.receive(STRANGER, f"bonjour {arrived}")
            sender = _sender(url)
            _wait(connection, arrived)
            sender.kill()
            sender.join()
            return _counted(connection, modem, messages, kills, arrived, time.monotonic() - begin_s)
    finally:
        smsd.close()
        modem.close()


def _sender(url: str) -> multiprocessing.process.BaseProcess:
    """Our sender as a process of its own; a fork, so that it is at work at once."""
    process = multiprocessing.get_context("fork").Process(target=_send, args=(url,), daemon=True)
    process.start()
    return process


def _send(url: str) -> None:
    with connect(url) as connection:
        clock = SystemClock()
        sender = Sender(connection, {"gsm": GammuCarrier(CONFIG, connection, clock)}, clock)
        while not threading.Event().wait(0.02):
            sender.work()


def _wait(connection: Connection, arrived: int) -> None:
    end_s = time.monotonic() + END_WITHIN_S
    while time.monotonic() < end_s:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM notification WHERE state <> 'delivered' AND reason = 'bench'),"
            " (SELECT count(DISTINCT text) FROM sms_in)"
        ).fetchone()
        if row is not None and row[0] == 0 and row[1] >= arrived:
            return
        time.sleep(0.1)


def _counted(
    connection: Connection, modem: Modem, messages: int, kills: int, arrived: int, seconds: float
) -> Result:  # fmt: skip
    on_air = Counter(sent.text for sent in modem.sent if sent.text.startswith("A1 essai"))
    ((unheard, stored),) = connection.execute(
        "SELECT (SELECT count(*) FROM notification WHERE state <> 'delivered' AND reason = 'bench'),"
        " (SELECT count(*) FROM sms_in WHERE phone = %s)",
        [STRANGER],
    ).fetchall()
    twice = sum(number > 1 for number in on_air.values())
    return Result(messages, kills, messages - len(on_air), twice, unheard, stored, arrived, seconds)


def main() -> int:
    """Parse, run on a server of its own, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    if why := why_no_smsd():
        print(f"gammu-smsd is not here: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(
            folder, secret_file=folder / "secrets" / "postgres", log=folder / "logs" / "postgres.log",
            account=postgres_account(),
        )  # fmt: skip
        server.start()
        try:
            url = server.url("postgres")
            with connect(url) as connection:
                migrate(connection)
            result = run(url, folder, messages=given.messages, kills=given.kills, seed=given.seed)
        finally:
            server.stop()
    print(result)
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
