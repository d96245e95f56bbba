"""A simulated past as a command: as files, or through MQTT (`live.py` is the other way to live)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.console import Console

from gateway.clock import SystemClock
from gateway.config import MqttSettings
from gateway.zones import Zone
from ndiyan.errors import SettingsError
from ndiyan.history import expected_readings
from ndiyan.progress import Steps
from simulator.files import begin_folder, write_history
from simulator.history import HistoryBlock, live_through
from simulator.labels import Witness
from simulator.publish import Publisher
from simulator.scenarios import Scenario, load_scenario
from simulator.village import Village

FIRST_DAY = date(2026, 1, 1)  # of a history whose scenario has no date: equal commands give equal files
PATIENCE_S = 60.0  # without any confirmation, after which publishing gives up

Progress = Callable[[int, int], None]
"""Called with (done, in all)."""


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
        say_left_out(self.scenario, options.zones)

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


def say_left_out(scenario: Scenario, zones: Sequence[Zone]) -> None:
    """Tell that the story is also about zones that are not simulated, or about what some zones have not."""
    if left := scenario.zones_left_out(zones):
        say(f"{scenario.name} also tells of {', '.join(left)}, not simulated here: that part is left out")
    for fault, count in scenario.spared(zones).items():
        say(f"{scenario.name}: {fault} is left out in {count} zones that have not what it strikes")


def say(sentence: str) -> None:
    """Tell whoever started the command."""
    print(sentence, file=sys.stderr, flush=True)
