"""The service of alerts as one of several, as a process that can be killed and frozen: alerts_worker '{"url": …}'."""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import timedelta

from alerts import evaluate, service
from alerts.carriers.smpp_config import SmppConfig
from alerts.config import AlertsConfig
from gateway.clock import SystemClock

evaluate.ZONES_AT_ONCE = 20  # so that two share each round


def main(told: str) -> None:
    """Judge, send and take until asked to stop."""
    how, stop = json.loads(told), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    route = SmppConfig(
        "operator", "127.0.0.1", how["port"], "ndiyan", "secret", "NDIYAN", per_s=1000.0, response_timeout_s=5.0,
        receipt_within=timedelta(seconds=how["receipt_within_s"]), reconnect_s=0.05, reconnect_most_s=1.0,
    )  # fmt: skip
    config = AlertsConfig(
        how["url"], (route,), evaluate_every=timedelta(seconds=how["every_s"]), instance=how["instance"],
        judging_lease_s=how["lease_s"], sending_lease_s=how["lease_s"],
    )  # fmt: skip
    service.run(config, SystemClock(), stop)


if __name__ == "__main__":
    main(sys.argv[1])
