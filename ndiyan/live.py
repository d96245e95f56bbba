"""Simulated zones live on the wire as a command: in this process, or in several when they are many.

How zones are split does not matter to what happens in them: chance belongs to a zone's name. The first part keeps its
state where a single process does, so that zones which are added later leave those that live already in their place.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg

from gateway.clock import Clock, FastClock, SystemClock, clock_spec
from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.db import connect
from ndiyan.errors import SettingsError
from ndiyan.logs import LogConfig, log_to_stderr
from ndiyan.people import People
from ndiyan.settings import Settings
from ndiyan.simulate import say, say_left_out
from ndiyan.workers import run_workers
from simulator.feed import LiveFeed
from simulator.history import load_state
from simulator.scenarios import Scenario, load_scenario

log = logging.getLogger(__name__)

ROUND_S = 1.0  # wall time between two looks at what people do
TELL_EVERY_S = 10.0
MORNING = timedelta(hours=10, minutes=40)  # when a live run of a scenario with a date begins
# In one process: a zone takes six files and sockets, nine on a rough network, and paho waits with select(), which
# knows 1,024.
MOST_LIVE = 100


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What the command line says; `addresses` holds each gateway's MQTT address, `folder` outboxes and state."""

    zones: Sequence[Zone]
    addresses: Mapping[str, str]
    folder: Path
    seed: int
    scenario: str
    speed: float | None = None
    people: bool = False
    minutes: int | None = None


class Part(NamedTuple):
    """Zones that one process lets live; `begin` is when those begin that have no state yet."""

    options: LiveOptions
    clock: Clock
    begin: datetime
    log: LogConfig


class Progress(NamedTuple):
    """How far zones are, how many readings their outboxes took, and how many wait there."""

    reached: datetime
    taken: int
    waiting: int


Tell = Callable[[Progress], None]


def run_live(settings: Settings, options: LiveOptions) -> None:
    """Run until SIGTERM, Ctrl-C or the end that the options name.

    Raises
    ------
    SettingsError : two clocks, or people and more zones than one process can carry
    WorkerFailed : one of several processes ended badly
    """
    if options.people and len(options.zones) > MOST_LIVE:
        raise SettingsError(f"--people: {len(options.zones)} zones are above {MOST_LIVE}, which one process can carry")
    scenario = load_scenario(options.scenario)
    clock = _live_clock(settings, options, scenario)
    log_to_stderr(settings.log())
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    if not options.people:
        say(f"{len(options.zones)} zones live at {clock.speed:g} times the world's speed; stop with Ctrl-C")
        say(f"services that listen must run on the same clock: NDIYAN_CLOCK='{clock_spec(clock)}'")
        say_left_out(scenario, options.zones)
        _say_out_of_time(scenario, clock.now())
    begin = clock.now()
    parts = [Part(one, clock, begin, settings.log()) for one in _split(options)]
    if len(parts) > 1:
        told = _Together(len(parts))
        run_workers(_live_apart, parts, stop=stop, heard=told.hear)
        told.tell()
    else:
        database_url = settings.required("database.url") if options.people else None
        _live(parts[0], stop, _log_progress, database_url=database_url)


def _split(options: LiveOptions) -> list[LiveOptions]:
    """The zones in parts that a process can carry, each with a folder of its own."""
    parts = []
    for number, first in enumerate(range(0, len(options.zones), MOST_LIVE), 1):
        folder = options.folder if number == 1 else options.folder / f"part-{number}"
        parts.append(replace(options, zones=options.zones[first : first + MOST_LIVE], folder=folder))
    return parts


def _live_apart(part: Part, stop: threading.Event, tell: Tell) -> None:
    """One of several parts, in a process of its own."""
    log_to_stderr(part.log)
    _live(part, stop, tell)


def _live(part: Part, stop: threading.Event, tell: Tell, *, database_url: str | None = None) -> None:
    """Let the zones live until `stop` is set or the minutes of the options are over; people act over the database."""
    options = part.options
    feed = LiveFeed(
        options.zones,
        clock=part.clock,
        mqtt_for=lambda zone: MqttSettings.from_url(options.addresses[zone.gateway_id]),
        folder=options.folder,
        seed=options.seed,
        scenario=load_scenario(options.scenario),
        breaks_by_itself=not options.people,
        begin=part.begin,
    )
    helpers = [threading.Thread(target=_watch, args=(feed, stop, tell), daemon=True)]
    if database_url is not None:
        with connect(database_url) as connection:  # before time goes on, else what is broken would work for a moment
            People(connection, feed).resume()
        helpers.append(
            threading.Thread(target=_let_people_act, args=(database_url, feed, part.clock, stop), daemon=True)
        )  # fmt: skip
    for helper in helpers:
        helper.start()
    minutes = options.minutes
    feed.run(stop, until=None if minutes is None else feed.reached + timedelta(minutes=minutes))
    stop.set()
    for helper in helpers:
        helper.join(2.0)
    tell(_progress(feed))


def _live_clock(settings: Settings, options: LiveOptions, scenario: Scenario) -> Clock:
    if options.speed is None:
        return settings.make_clock()
    if settings.clock != "system":
        raise SettingsError(f"--speed {options.speed:g}: the settings already name a clock ({settings.clock})")
    wall = SystemClock().now()
    saved = load_state(options.folder)
    if saved is not None:
        platform = datetime.fromtimestamp(saved.t_s, UTC)
    else:
        platform = wall if scenario.begins_at is None else scenario.begins_at + MORNING
    return FastClock(platform, wall, options.speed)


def _say_out_of_time(scenario: Scenario, now: datetime) -> None:
    """Tell that the clock does not stand where the story has its faults, as that of today without `--speed`."""
    if scenario.begins_at is None:
        return
    ends_at = scenario.begins_at + timedelta(days=scenario.days)
    if not scenario.begins_at <= now < ends_at:
        say(
            f"{scenario.name} is about {scenario.begins_at:%Y-%m-%d} to {ends_at:%Y-%m-%d}, and the clock says "
            f"{now:%Y-%m-%d}: its faults do not happen when they should; with --speed a new --folder begins there"
        )


def _progress(feed: LiveFeed) -> Progress:
    return Progress(feed.reached, sum(feed.accepted().values()), sum(feed.waiting().values()))


def _watch(feed: LiveFeed, stop: threading.Event, tell: Tell) -> None:
    """Tell now and then how far it is."""
    while not stop.wait(TELL_EVERY_S):
        tell(_progress(feed))


def _log_progress(one: Progress) -> None:
    log.info(
        "%s: %d readings taken, %d not yet confirmed", f"{one.reached:%Y-%m-%d %H:%M}", one.taken, one.waiting
    )  # fmt: skip


class _Together:
    """The progress of several parts as one: told when each has said something since it was told last."""

    def __init__(self, parts: int) -> None:
        self._parts, self._latest = parts, dict[int, Progress]()
        self._since: set[int] = set()

    def hear(self, part: int, one: Progress) -> None:
        """Take what a part said."""
        self._latest[part] = one
        self._since.add(part)
        if len(self._since) == self._parts:
            self.tell()

    def tell(self) -> None:
        """Log how far all are that said something."""
        self._since.clear()
        if known := list(self._latest.values()):
            taken, waiting = sum(one.taken for one in known), sum(one.waiting for one in known)
            _log_progress(Progress(min(one.reached for one in known), taken, waiting))


def _let_people_act(database_url: str, feed: LiveFeed, clock: Clock, stop: threading.Event) -> None:
    """A database that is away is waited for; what is due then happens a little later."""
    while not stop.wait(ROUND_S):
        try:
            with connect(database_url, application="ndiyan-simulate") as connection:
                people = People(connection, feed)
                while not stop.wait(ROUND_S):
                    people.act(clock.now())
        except psycopg.Error as error:
            log.warning("people wait for the database: %s", str(error).splitlines()[0])
