"""When what runs: the clock that wakes whoever looks at the due rows. The only import of APScheduler.

APScheduler is an alarm clock and no memory (RELIABILITY §4): a missed call costs nothing, because what is due stands in
the database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, timedelta

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.background import BackgroundScheduler

from gateway.clock import Clock

log = logging.getLogger(__name__)

WORDS = {EVENT_JOB_ERROR: "failed", EVENT_JOB_MISSED: "was missed", EVENT_JOB_MAX_INSTANCES: "still runs"}


def waking(call: Callable[[], object], *, every: timedelta, clock: Clock, name: str) -> BackgroundScheduler:
    """A started scheduler that calls `call` once per `every` of platform time, never twice at a time.

    Stop it with `.shutdown(wait=True)`.
    """
    scheduler = BackgroundScheduler(
        timezone=UTC,
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
    )
    scheduler.add_listener(_note, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    scheduler.add_job(call, "interval", seconds=max(0.05, clock.wall_seconds(every)), id=name)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # its chatter is ours to tell, in `_note`
    scheduler.start()
    return scheduler


def _note(event: JobEvent) -> None:
    level = logging.DEBUG if event.code == EVENT_JOB_MAX_INSTANCES else logging.WARNING
    log.log(level, "%s %s", event.job_id, WORDS[event.code], exc_info=getattr(event, "exception", None))
