"""Simulated zones as commands: live on the wire, or a history as files or through MQTT."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
from rich.console import Console

from gateway.clock import Clock, FastClock, SystemClock, clock_spec
from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.db import connect
from ndiyan.errors import SettingsError
from ndiyan.history import expected_readings
from ndiyan.people import People
from ndiyan.progress import Steps
from ndiyan.services import log_to_stderr
from ndiyan.settings import Settings
from simulator.feed import LiveFeed
from simulator.files import begin_folder, write_history
from simulator.history import HistoryBlock, live_through, load_state
from simulator.labels import Witness
from simulator.publish import Publisher
from simulator.scenarios import Scenario, load_scenario
from simulator.village import Village

log = logging.getLogger(__name__)

ROUND_S = 1.0  # wall time between two looks at what people do
TELL_EVERY_S = 10.0
MORNING = timedelta(hours=10, minutes=40)  # when a live run of a scenario with a date begins
FIRST_DAY = date(2026, 1, 1)  # of a history whose scenario has no date: equal commands give equal files
MOST_LIVE = 150  # zones in one process: six files and sockets each, and select(), which paho waits with, knows 1,024
PATIENCE_S = 60.0  # without any confirmation, after which publishing gives up

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


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


@dataclass(frozen=True, slots=True)
class HistoryOptions:
    """What the command line says; None is what the scenario says."""

    zones: Sequence[Zone]
    out: Path
    seed: int
    scenario: str
    days: int | None = None
    start: date | None = None
    form: str = "both"


def run_live(settings: Settings, options: LiveOptions) -> None:
    """Run until SIGTERM, Ctrl-C or the end that the options name.

    Raises
    ------
    SettingsError : more zones than one process can carry, or two clocks
    """
    if len(options.zones) > MOST_LIVE:
        raise SettingsError(
            f"--zones: {len(options.zones)} is above {MOST_LIVE}, which one process can carry live;"
            " start several, each with zone files of its own (simulate history writes them)"
        )
    scenario = load_scenario(options.scenario)
    clock = _live_clock(settings, options, scenario)
    log_to_stderr(settings.log_level)
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    feed = LiveFeed(
        options.zones,
        clock=clock,
        mqtt_for=lambda zone: MqttSettings.from_url(options.addresses[zone.gateway_id]),
        folder=options.folder,
        seed=options.seed,
        scenario=scenario,
        breaks_by_itself=not options.people,
    )
    helpers = [threading.Thread(target=_watch, args=(feed, stop), daemon=True)]
    if options.people:
        database_url = settings.required("database.url")
        with connect(database_url) as connection:  # before time goes on, else what is broken would work for a moment
            People(connection, feed).resume()
        helpers.append(
            threading.Thread(target=_let_people_act, args=(database_url, feed, clock, stop), daemon=True)
        )  # fmt: skip
    else:
        _say(f"{len(options.zones)} zones live at {clock.speed:g} times the world's speed; stop with Ctrl-C")
        _say(f"services that listen must run on the same clock: NDIYAN_CLOCK='{clock_spec(clock)}'")
        _say_left_out(scenario, options.zones)
    for helper in helpers:
        helper.start()
    minutes = options.minutes
    feed.run(stop, until=None if minutes is None else feed.reached + timedelta(minutes=minutes))
    stop.set()
    for helper in helpers:
        helper.join(2.0)


def write_history_files(options: HistoryOptions) -> str:
    """Write the files; returns a sentence about them.

    Raises
    ------
    SimulatorError : an unknown scenario, a folder that is not empty, zones that cannot be simulated
    """
    past = _Past(options)
    steps = Steps(Console(stderr=True, highlight=False))
    about = {
        "scenario": past.scenario.name, "seed": options.seed,
        "start": past.start.isoformat(), "end": past.end.isoformat(),
    }  # fmt: skip
    with past.bar(steps) as (progress, expected):
        written = 0
        for written in write_history(
            options.zones, past.blocks(), past.witness, folder=options.out, form=options.form, about=about
        ):
            progress(written, max(expected, written))
    labels = len(past.witness.labels)
    return f"{written:,} readings of {len(options.zones)} zones and {labels} faults with their labels: {options.out}"


def publish_history(options: HistoryOptions, addresses: Mapping[str, str]) -> str:
    """Send a history through real outboxes and uplinks; returns a sentence about it.

    Raises
    ------
    SettingsError : it would end in the future, where the platform cannot take it
    SimulatorError : as `write_history_files`, and a platform that confirms nothing any more
    """
    past, clock = _Past(options), SystemClock()
    if past.end > clock.now():
        raise SettingsError(f"--publish: the history ends on {past.end:%Y-%m-%d}, after today: give an earlier --start")
    begin_folder(options.out)
    steps = Steps(Console(stderr=True, highlight=False))
    publisher = Publisher(
        options.zones, clock=clock, start=past.start, folder=options.out, patience_s=PATIENCE_S,
        mqtt_for=lambda zone: MqttSettings.from_url(addresses[zone.gateway_id]),
    )  # fmt: skip
    confirmed = 0
    with past.bar(steps) as (progress, expected):
        for confirmed in publisher.publish(past.blocks()):
            progress(confirmed, max(expected, confirmed))
    return f"{confirmed:,} readings of {len(options.zones)} zones are confirmed by the platform"


class _Past:
    """A history that the options ask for."""

    def __init__(self, options: HistoryOptions) -> None:
        self._options, self.scenario = options, load_scenario(options.scenario)
        first = options.start or self.scenario.start or FIRST_DAY
        self.start = datetime(first.year, first.month, first.day, tzinfo=UTC)
        self.end = self.start + timedelta(days=options.days or self.scenario.days)
        self.witness = Witness()
        _say_left_out(self.scenario, options.zones)

    def blocks(self) -> Iterator[HistoryBlock]:
        """What was measured. A scenario without a date tells of what happened before the history's end."""
        told_from = self.end if self.scenario.start is None and self.scenario.campaign is None else self.start
        clear_from = told_from.date() if self.scenario.clear_from_start else None
        village = Village(self._options.zones, seed=self._options.seed, clear_from=clear_from)
        broken = self.scenario.broken(self._options.zones, told_from, until=self.end, seed=self._options.seed)
        seen = [one for one in broken if one.end_s is None or one.end_s > self.start.timestamp()]
        return live_through(village, start=self.start, end=self.end, broken=seen, folder=None, witness=self.witness)

    @contextmanager
    def bar(self, steps: Steps) -> Iterator[tuple[Progress, int]]:
        """A progress bar, and how many readings there will be about."""
        span = self.end - self.start
        with steps.bar(f"{self.scenario.name}: {span.days} days", unit="readings") as progress:
            yield progress, expected_readings(self._options.zones, span.total_seconds())


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


def _watch(feed: LiveFeed, stop: threading.Event) -> None:
    """Tell now and then how far it is."""
    while not stop.wait(TELL_EVERY_S):
        taken, waiting = sum(feed.accepted().values()), sum(feed.waiting().values())
        log.info("%s: %d readings taken, %d not yet confirmed", f"{feed.reached:%Y-%m-%d %H:%M}", taken, waiting)


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


def _say_left_out(scenario: Scenario, zones: Sequence[Zone]) -> None:
    if left := scenario.zones_left_out(zones):
        _say(f"{scenario.name} also tells of {', '.join(left)}, not simulated here: that part is left out")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
