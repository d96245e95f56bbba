"""One sender over one SMPP link, as a process that can be killed: sms_worker DATABASE_URL PORT '{"window": 10, …}'."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import timedelta

from alerts.carriers.smpp import SmppCarrier
from alerts.carriers.smpp_config import SmppConfig
from alerts.sender import Sender
from gateway.clock import SystemClock
from ingest.db import connect

IDLE_S = 0.1
ONE_AT_A_TIME = 7331  # an advisory lock: a predecessor that was killed is still there for a moment


def main(url: str, port: str, told: str) -> None:
    """Send and take until asked to stop."""
    stop, news = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    differs = json.loads(told)
    grace = timedelta(seconds=differs.pop("receipt_within_s"))
    config = SmppConfig(
        "operator", "127.0.0.1", int(port), "ndiyan", "secret", "NDIYAN",
        receipt_within=grace, response_timeout_s=5.0, reconnect_s=0.05, reconnect_most_s=1.0, **differs,
    )  # fmt: skip
    clock = SystemClock()
    with connect(url, application="ndiyan-sms-worker") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
        carrier = SmppCarrier(config, connection, clock, wake=news.set)
        sender = Sender(connection, {"operator": carrier}, clock)
        while not stop.is_set():
            news.clear()
            if sender.work() == 0:
                news.wait(IDLE_S)
        carrier.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
