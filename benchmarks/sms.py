"""SMS over SMPP: kill -9 and cut links, pace, and who goes first, through the real sender on a real PostgreSQL.

`make bench-sms` runs 1,000 kill -9 and 200 link cuts over 100,000 SMS, and then measures; ARGS="--messages 2000
--kills 20 --cuts 5 --seed 7" does less. ARGS="--two --kills 500 --freezes 100" kills and freezes one of two services of
alerts instead, which share zones and one link. The message centre stands on another codec and counts what it took. Exit
status 1 when an SMS was lost, was sent twice although its receipt came in time, or was sent twice without being
flagged; with `--two` also when an alert was missed or a group of silent zones was not told as one event.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from alerts.carriers import Urgency
from benchmarks.crash import commit
from gateway.zones import load_zones
from ingest.db import connect, migrate
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from tests.alerts.carriers.peers import NoPeer, Smsc
from tests.scenarios.instances_harness import Pair
from tests.scenarios.instances_harness import trial as two_trial
from tests.scenarios.sms_harness import Account, Exchange, trial

ZONES = load_zones([shipped("zones")])
TOLD_EVERY = 25  # kills
WINDOW = 10
GRACE_S, RECEIPT_MS, ANSWER_MS = 10.0, 200, 10  # of the trial: a receipt is in time
LATE_MS, SHORT_GRACE_S = 6_000, 2.0  # of the other: it is not
LATE_MESSAGES, LATE_KILLS = 1_000, 10
FAST_MESSAGES = 5_000
PAIR_GRACE_S = 4.0
LIMIT_PER_S, LIMITED_MESSAGES = 20, 300
QUEUED, CRITICAL = 10_000, 999_999


def main() -> None:
    """Run everything and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-sms", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--two", action="store_true", help="two services of alerts, of which one is struck")
    parser.add_argument("--freezes", type=int, default=100, help="of one of the two")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started is ended
    print(f"seed {arguments.seed}, commit {commit()}, {time.strftime('%Y-%m-%d')}", flush=True)
    with _server() as (server, folder):
        if arguments.two:
            sys.exit(0 if _two(server, folder, arguments) else 1)
        is_fine = _crash(server, folder, arguments)
        is_fine &= _late(server, folder, arguments.seed)
        _fast(server, folder, answer_ms=0)
        _fast(server, folder, answer_ms=50)
        is_fine &= _limited(server, folder)
        _critical(server, folder)
    sys.exit(0 if is_fine else 1)


def _crash(server: EmbeddedPostgres, folder: Path, arguments: argparse.Namespace) -> bool:
    begin_s = time.monotonic()

    def tell(kills: int) -> None:
        if kills % TOLD_EVERY == 0:
            each_s = (time.monotonic() - begin_s) / kills
            left_s = each_s * (arguments.kills - kills)
            print(f"{kills} of {arguments.kills} kills, {each_s:.2f} s each, {left_s / 60:.0f} min left", flush=True)

    with _exchange(server, folder, "crash", window=WINDOW, receipt_within_s=GRACE_S) as exchange:
        exchange.smsc.set(answerMs=ANSWER_MS, receiptMs=RECEIPT_MS)
        found = trial(
            exchange, messages=arguments.messages, kills=arguments.kills, cuts=arguments.cuts, seed=arguments.seed,
            told=tell,
        )  # fmt: skip
    print(f"\nreceipts within the grace\n{found}", flush=True)
    return _is_fine(found) and not found.twice


def _two(server: EmbeddedPostgres, folder: Path, arguments: argparse.Namespace) -> bool:
    """Of two services that share zones and the link one is killed or frozen, again and again."""
    acts, begin_s = arguments.kills + arguments.freezes, time.monotonic()

    def tell(number: int) -> None:
        if number % TOLD_EVERY == 0:
            each_s = (time.monotonic() - begin_s) / number
            print(f"{number} of {acts}, {each_s:.2f} s each, {each_s * (acts - number) / 60:.0f} min left", flush=True)

    place = _database(server, folder, "two")
    with _message_centre(place) as smsc:
        smsc.set(answerMs=ANSWER_MS, receiptMs=RECEIPT_MS)
        pair = Pair(server.url("two"), smsc, ZONES, place, receipt_within_s=PAIR_GRACE_S)
        try:
            found = two_trial(pair, kills=arguments.kills, freezes=arguments.freezes, seed=arguments.seed, told=tell)
        finally:
            pair.close()
    print(f"\n{found}", flush=True)
    return found.is_fine


def _late(server: EmbeddedPostgres, folder: Path, seed: int) -> bool:
    """Receipts after the grace: nobody can know, and it must be said."""
    with _exchange(server, folder, "late", window=WINDOW, receipt_within_s=SHORT_GRACE_S) as exchange:
        exchange.smsc.set(answerMs=ANSWER_MS, receiptMs=LATE_MS)
        found = trial(exchange, messages=LATE_MESSAGES, kills=LATE_KILLS, cuts=0, seed=seed)
    print(f"\nreceipts {LATE_MS / 1000:g} s after, grace {SHORT_GRACE_S:g} s\n{found}\n", flush=True)
    return _is_fine(found)


def _is_fine(found: Account) -> bool:
    return not (found.lost or found.twice_unflagged or found.inbound_lost or found.inbound_twice)


def _fast(server: EmbeddedPostgres, folder: Path, *, answer_ms: int) -> None:
    with _exchange(server, folder, f"fast_{answer_ms}", window=WINDOW) as exchange:
        exchange.smsc.set(answerMs=answer_ms, receiptMs=50)
        taken_s = _taken_s(exchange, FAST_MESSAGES)
    per_s = FAST_MESSAGES / (taken_s[-1] - taken_s[0])
    limit = f", {per_s / (WINDOW / answer_ms * 1000):.0%} of window / answer" if answer_ms else ""
    print(f"window {WINDOW}, answers after {answer_ms} ms: {per_s:.0f} SMS/s{limit}", flush=True)


def _limited(server: EmbeddedPostgres, folder: Path) -> bool:
    with _exchange(server, folder, "limited", window=WINDOW, per_s=LIMIT_PER_S) as exchange:
        exchange.smsc.set(answerMs=ANSWER_MS, receiptMs=50, perSecond=LIMIT_PER_S)
        taken_s = _taken_s(exchange, LIMITED_MESSAGES)
        refused = exchange.smsc.counts["throttled"]
    share = (taken_s[-1] - taken_s[0]) / (LIMITED_MESSAGES / LIMIT_PER_S)
    print(f"limit {LIMIT_PER_S}/s: {refused} refused, {share:.2f} of the time that the limit needs", flush=True)
    return refused == 0


def _critical(server: EmbeddedPostgres, folder: Path) -> None:
    with _exchange(server, folder, "critical", window=WINDOW, per_s=LIMIT_PER_S) as exchange:
        exchange.queue(range(1, QUEUED + 1), Urgency.ROUTINE)
        exchange.start()
        exchange.until(lambda: exchange.smsc.counts["taken"] > LIMIT_PER_S, within_s=60, what="it sends")
        queued_s = time.time()
        exchange.queue([CRITICAL], Urgency.NO_WATER)
        exchange.until(lambda: bool(_times(exchange, CRITICAL)), within_s=60, what="the critical one")
        left_s = _times(exchange, CRITICAL)[0] - queued_s
    print(f"{QUEUED:,} queued at {LIMIT_PER_S}/s: no water leaves after {left_s:.2f} s", flush=True)


def _taken_s(exchange: Exchange, messages: int) -> list[float]:
    """When the message centre took each [s]."""
    exchange.queue(range(1, messages + 1))
    exchange.start()
    exchange.until(lambda: exchange.smsc.counts["taken"] >= messages, within_s=300, what="all are taken")
    exchange.until(lambda: exchange.open_rows() == 0, within_s=60, what="all receipts are stored")
    exchange.stop()
    return [message["at"] / 1000 for message in exchange.smsc.taken]


def _times(exchange: Exchange, number: int) -> Sequence[float]:
    return [message["at"] / 1000 for message in exchange.smsc.taken if message["text"].startswith(f"#{number}#")]


@contextmanager
def _exchange(server: EmbeddedPostgres, folder: Path, name: str, **differs: float) -> Iterator[Exchange]:
    """A database, a message centre and no sender yet."""
    place = _database(server, folder, name)
    with _message_centre(place) as smsc:
        exchange = Exchange(server.url(name), smsc, ZONES, place / "sender.log", **differs)
        try:
            yield exchange
        finally:
            exchange.close()


def _database(server: EmbeddedPostgres, folder: Path, name: str) -> Path:
    """A database with the newest schema; returns a folder for what belongs to it."""
    place = folder / name
    place.mkdir()
    with connect(server.url("postgres")) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with connect(server.url(name)) as connection:
        migrate(connection)
    return place


def _message_centre(place: Path) -> Smsc:
    try:
        return Smsc(place)
    except NoPeer as error:
        sys.exit(f"there is no message centre to measure with: {error}")


@contextmanager
def _server() -> Iterator[tuple[EmbeddedPostgres, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="ndiyan-sms-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
    try:
        server.start()
        yield server, folder
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
