"""How far one machine goes: 20,000 zones of 20 channels at five minutes, as fast as it bears: `ndiyan bench country`.

A real mosquitto with a link for each gateway, the real ingest with its default settings, and the evaluators of alerts.
While what was stored of one span is judged, the next is sent; neither runs away from the other, so the time that
the hour takes is the speed that holds. Then the zones that were away send a day.

The readings are recorded, not lived: the simulator lives through some weeks of its six zones, and each zone of the
country repeats one of them on one of those days, which is cheap and keeps the channels of a zone true to each other.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.evaluate import Evaluator, catch_up
from benchmarks.memory import watched
from benchmarks.processes import IngestProcess, MeasureError, cpu_s, spent_s
from benchmarks.rig import BOOT, Rig
from gateway.clock import FastClock, clock_spec
from gateway.model import AssetId, AssetKind, Flag, Reading, ZoneId
from gateway.wire import MAX_READINGS_PER_PACK, Queued, encode_pack
from gateway.zones import Asset, Zone, load_zones
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from ndiyan.children import ends_with_parent
from ndiyan.history import UNDERWAY_US
from ndiyan.shipped_files import shipped
from simulator.history import simulate_history
from simulator.scenarios import load_scenario
from tests.surroundings import environment

SQL = queries("benchmarks", "country")
KEPT: dict[AssetKind, set[str] | None] = {
    AssetKind.PV: {"irradiance_w_m2", "power_w"},
    AssetKind.PUMP: None,  # all
    AssetKind.BOREHOLE: None,
    AssetKind.TOWER: None,
    AssetKind.NETWORK: None,
    AssetKind.GATEWAY: {"battery_v"},
}
CHANNELS = 20  # the rest of these are taps
STEP_S, STEP_MIN, DAY_STEPS = 300, 5, 288
RECORDED_DAYS = 30
SEED = 2026
YEAR_DAYS = 365
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # when nothing was due
UPTIME_S = 2e6  # of the gateways at the end
ROWS_AT_ONCE = 1_000_000
INGEST_READY_WITHIN_S = 900.0
LOOK_EVERY_S = 2.0  # at the memory: each look walks all of it
SPARE_FILES = 1000  # of what a process may open, for other things than links


@dataclass(frozen=True, slots=True)
class Country:
    """What is simulated: zones, of which the last `away` send nothing until the end; minutes of platform time, the
    hours before that the database has; and how often zones are judged, by how many evaluators."""

    zones: int = 20_000
    away: int = 1_000
    minutes: int = 60
    before_h: int = 10
    judge_every_min: int = 15
    evaluators: int = 2

    @property
    def live(self) -> int:
        """Zones that are not away."""
        return self.zones - self.away


class Recorded(NamedTuple):
    """Readings of the model zones: value (models, steps, 20), NaN where nothing was measured, the last at `end`."""

    value: NDArray[np.float64]
    end: datetime

    def of(self, zone: int, steps: range) -> NDArray[np.float64]:
        """(steps, 20) of zone number `zone` (from 1), steps counted from `end` (the last is -1)."""
        model, days = (zone - 1) % len(self.value), (zone - 1) // len(self.value) % (RECORDED_DAYS - 2)
        last = self.value.shape[1] - days * DAY_STEPS
        if last + steps.start < 0:
            raise ValueError(f"steps: {steps.start} of zone {zone} are before what was recorded, {-last}")
        return self.value[model, last + steps.start : last + steps.stop]

    @property
    def series(self) -> int:
        """After so many zones they repeat."""
        return len(self.value) * (RECORDED_DAYS - 2)


@dataclass
class Spent:
    """What a stretch took: by the clock of each side, and CPU [s] by part."""

    wall_s: float = 0.0
    ingest_s: float = 0.0
    judge_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    answered_s: list[list[float]] = field(default_factory=list)
    messages: int = 0
    zones_judged: int = 0
    in_database_s: float = 0.0  # CPU of the evaluators' sessions, part of the database's


class Judged(NamedTuple):
    """An evaluation: zones, wall time, and CPU of the evaluator and of its session at the database [s]."""

    zones: int
    wall_s: float
    cpu_s: float
    database_s: float


def measure(country: Country, say: Callable[[str], None]) -> dict[str, Any]:
    """Build the country, let it live, let those come back that were away; the figures by name."""
    end = (datetime.now(UTC) - timedelta(days=1)).replace(hour=11, minute=0, second=0, microsecond=0)
    with tempfile.TemporaryDirectory(prefix="ndiyan-country-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' accounts come through here
        rig = Rig(folder, 0)
        try:
            say("recording the model zones")
            models = [of_twenty(zone) for zone in load_zones([shipped("zones")])]
            recorded = record(models, end)
            rig.postgres.start()
            with connect(rig.postgres.url()) as connection:
                migrate(connection)
                build(connection, country, models, recorded, rig.postgres.url(), say)
            return _lived(rig, country, recorded, say)
        finally:
            rig.stop()


def of_twenty(zone: Zone) -> Zone:
    """The zone with 20 channels: what moves water, the sun, the network, and as many taps as then fit."""
    assets: list[Asset] = []
    for asset in zone.assets:
        if asset.kind in KEPT:
            names = KEPT[asset.kind]
            channels = tuple(spec for spec in asset.channels if names is None or spec.name in names)
            assets.append(replace(asset, channels=channels))
    room = CHANNELS - sum(len(asset.channels) for asset in assets)
    committee = tuple(replace(one, tap=one.tap and AssetId("tap-01")) for one in zone.committee)
    return replace(zone, assets=(*assets, *zone.taps[:room]), committee=committee, devices=())


def record(models: list[Zone], end: datetime) -> Recorded:
    """Let the models live until `end`."""
    steps = RECORDED_DAYS * DAY_STEPS
    start = end - timedelta(days=RECORDED_DAYS)
    place = {
        (zone.zone_id, asset, name): (row, column)
        for row, zone in enumerate(models)
        for column, (asset, name) in enumerate(names_of(zone))
    }
    value = np.full((len(models), steps, CHANNELS), np.nan)
    scenario = load_scenario("dry-season")
    for block in simulate_history(models, start=start, end=end, seed=SEED, scenario=scenario, folder=None):
        row, column = place[ZoneId(block.zone_id), block.asset, block.channel]
        step = np.round((block.t_s - start.timestamp()) / STEP_S).astype(np.int64) - 1
        value[row, step, column] = block.value
    return Recorded(value, end)


def names_of(zone: Zone) -> list[tuple[str, str]]:
    """Asset and name of its channels, in the order of the records."""
    return [(asset.asset_id, spec.name) for asset in zone.assets for spec in asset.channels]


def build(
    connection: Connection, country: Country, models: list[Zone], recorded: Recorded, url: str,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """The registry, what the models' weeks were like, and the hours before `minutes` of all zones that are not away."""
    begin = recorded.end - timedelta(minutes=country.minutes)
    now = -(country.minutes // STEP_MIN)
    counts = {"models": len(models), "zones": country.zones, "live": country.live}
    connection.execute("SET synchronous_commit = off")  # power cuts are not what is simulated here
    import_zones(connection, models)
    weeks = range(-recorded.value.shape[1], now)
    _write(connection, recorded, models, range(1, len(models) + 1), weeks)
    catch_up(url, begin)
    say(f"registering {country.zones} zones")
    for statement in ("zones", "gateways", "assets", "channels", "contacts", "past_days"):
        connection.execute(SQL[statement], counts)
    say(f"writing {country.before_h} hours of {country.live} zones")
    hours = range(now - country.before_h * 60 // STEP_MIN, now)
    _write(connection, recorded, models, range(len(models) + 1, country.live + 1), hours)
    due = begin + timedelta(minutes=country.judge_every_min)
    connection.execute(SQL["judged_until"], counts | {"next": due, "watermark": begin})
    connection.execute(SQL["not_yet_judged"], counts | {"next": recorded.end + timedelta(days=1)})
    connection.execute(SQL["settle"])
    connection.execute(SQL["checkpoint"])


def _write(connection: Connection, recorded: Recorded, models: list[Zone], zones: range, steps: range) -> None:
    """The readings of these steps by ingest's own writer, rollups and latest values included."""
    ids, writer = channel_ids(connection), ReadingWriter(connection)
    at_us = round(recorded.end.timestamp() * 1e6) + (np.array(steps) + 1) * STEP_S * 1_000_000
    at_once = max(1, ROWS_AT_ONCE // (len(steps) * CHANNELS))
    for first in range(0, len(zones), at_once):
        part = zones[first : first + at_once]
        channels = np.array(
            [[ids[f"zone-{n}", *name] for name in names_of(models[(n - 1) % len(models)])] for n in part]
        )
        value = np.stack([recorded.of(n, steps).T for n in part])  # zones, channels, steps
        is_there = np.isfinite(value).ravel()
        channel = np.repeat(channels.ravel(), len(steps))[is_there].astype(np.int32)
        measured_us = np.tile(at_us, value.shape[0] * CHANNELS)[is_there]
        flag = np.full(len(channel), Flag.GOOD, dtype=np.int16)
        writer.write(Columns(channel, measured_us, measured_us + UNDERWAY_US, value.ravel()[is_there], flag))


def packs(recorded: Recorded, models: list[Zone], steps: range) -> list[list[tuple[int, str]]]:
    """Of each series the packs that a gateway sends of these steps, with their last sequence number."""
    found = []
    start_s = recorded.end.timestamp()
    for number in range(1, recorded.series + 1):
        names = names_of(models[(number - 1) % len(models)])
        entries = []
        for step, values in zip(steps, recorded.of(number, steps), strict=True):
            at_s = start_s + (step + 1) * STEP_S
            for place, value in enumerate(values.tolist()):
                if np.isfinite(value):
                    seq, (asset, name) = (step - steps.start) * CHANNELS + place + 1, names[place]
                    reading = Reading(AssetId(asset), name, datetime.fromtimestamp(at_s, UTC), value)
                    entries.append(Queued(seq, at_s - start_s + UPTIME_S, reading))
        cuts = range(0, len(entries), MAX_READINGS_PER_PACK)
        found.append([_pack(entries[cut : cut + MAX_READINGS_PER_PACK]) for cut in cuts])
    return found


def _pack(entries: list[Queued]) -> tuple[int, str]:
    last = entries[-1]
    payload = encode_pack(BOOT, entries, sent_at=last.reading.measured_at, sent_uptime_s=last.uptime_s)
    return last.seq, payload.decode()


class Crowd:
    """The process that stands for all gateways."""

    def __init__(self, rig: Rig, clock: str, zones: int, links: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.crowd", str(zones), str(links)],
            env=environment(NDIYAN_MQTT_URL=rig.broker.operator_url, NDIYAN_CLOCK=clock),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=ends_with_parent(signal.SIGKILL),
        )  # fmt: skip
        self._hear("ready\n")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, file: Path, zones: range) -> None:
        """Let these zones send what the file holds."""
        if self._process.stdin is None:
            raise MeasureError("the gateways hear nothing")
        order = {"file": str(file), "first": zones.start, "last": zones.stop - 1}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def done(self) -> dict[str, Any]:
        """Wait until all of it has been answered."""
        found: dict[str, Any] = json.loads(self._hear())
        return found

    def _hear(self, wanted: str | None = None) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line or (wanted and line != wanted):
            self.kill()
            raise MeasureError("the gateways ended")
        return line

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Evaluators:
    """Processes that judge side by side, as several alert services do."""

    def __init__(self, url: str, number: int, every: timedelta) -> None:
        self._url, self._every = url, every
        self._pools = [ProcessPoolExecutor(1, mp_context=get_context("spawn")) for _ in range(number)]
        self.pids = [pool.submit(os.getpid).result() for pool in self._pools]

    def load(self) -> None:
        """Let them import what they need, as a service that runs has long done."""
        for one in self.begin(LONG_AGO):
            one.result()

    def begin(self, now: datetime) -> list[Future[Judged]]:
        """Let all of them judge what is due at `now`."""
        return [pool.submit(judge, self._url, now, self._every) for pool in self._pools]

    def close(self) -> None:
        """End them, whatever they are doing."""
        for pid, pool in zip(self.pids, self._pools, strict=True):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            pool.shutdown(cancel_futures=True)


def judge(url: str, now: datetime, every: timedelta) -> Judged:
    """Judge what is due, as the service does, in a process of its own."""
    with connect(url, application="ndiyan-alerts") as connection:
        backend = connection.info.backend_pid
        begin_s, mine_s, its_s = time.monotonic(), time.process_time(), cpu_s(backend)
        zones = Evaluator(connection, every=every).work(now)
        return Judged(zones, time.monotonic() - begin_s, time.process_time() - mine_s, cpu_s(backend) - its_s)


def _lived(rig: Rig, country: Country, recorded: Recorded, say: Callable[[str], None]) -> dict[str, Any]:
    models = [of_twenty(zone) for zone in load_zones([shipped("zones")])]
    url, every = rig.postgres.url(), timedelta(minutes=country.judge_every_min)
    links = min(country.zones, allow_links())
    clock = clock_spec(FastClock(recorded.end, datetime.now(UTC), 1.0))  # readings are at most an hour old for ingest
    ingest = IngestProcess(rig, clock=clock, start_within_s=INGEST_READY_WITHIN_S)
    with ExitStack() as stack:
        rig.broker.start()
        say("starting ingest")
        begin_s = time.monotonic()
        ingest.start()
        stack.callback(ingest.stop)
        ready_s = time.monotonic() - begin_s
        say(f"connecting {links} gateways")
        crowd = Crowd(rig, clock, country.zones, links)
        stack.callback(crowd.kill)
        evaluators = Evaluators(url, country.evaluators, every)
        stack.callback(evaluators.close)
        evaluators.load()
        parts = {"broker": [rig.broker.pid or 0], "ingest": [ingest.pid], "evaluators": evaluators.pids,
                 "database": [rig.postgres.pid or 0]}  # fmt: skip
        roots = {f"{name} {n}": pid for name, pids in parts.items() for n, pid in enumerate(pids)}
        with watched(roots, every_s=LOOK_EVERY_S) as watch:
            hour = _hour(rig, country, recorded, models, crowd, evaluators, parts, say)
            say("those that were away send a day")
            back = _back(rig, country, recorded, models, crowd, evaluators, parts)
        memory = {name: sum(mb for part, mb in watch.peak.items() if part.startswith(name)) for name in parts}
    with connect(url) as connection:
        ((readings, _, opened),) = connection.execute(SQL["counts"]).fetchall()
        ((behind,),) = connection.execute(SQL["behind"]).fetchall()
        sizes = {name: float(size) for name, size in connection.execute(SQL["sizes"])}
    return figures(country, hour, back, memory, sizes) | {
        "links": links, "ingest_ready_s": round(ready_s, 1), "readings_in_the_end": readings, "alerts": opened,
        "zones_not_judged": behind,
    }  # fmt: skip


def allow_links() -> int:
    """How many links a broker and a process may have here, as far as we may raise it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE_FILES if hard > SPARE_FILES else soft


def _hour(
    rig: Rig, country: Country, recorded: Recorded, models: list[Zone], crowd: Crowd, evaluators: Evaluators,
    parts: dict[str, list[int]], say: Callable[[str], None],
) -> Spent:  # fmt: skip
    """Send span after span; while one is sent, what came before it is judged."""
    steps, each = country.minutes // STEP_MIN, country.judge_every_min // STEP_MIN
    spans: list[tuple[Path | None, datetime | None]] = []
    for first in range(-steps, 0, each):
        file = rig.folder / f"span{first}"
        file.write_text(json.dumps(packs(recorded, models, range(first, min(0, first + each)))))
        spans.append((file, recorded.end + timedelta(minutes=STEP_MIN * min(0, first + each))))
    spent = Spent()
    with _clocked(spent, parts):
        stored_until: datetime | None = None
        for place, until in [*spans, (None, None)]:
            judging = evaluators.begin(stored_until) if stored_until else []
            if place is not None:
                crowd.send(place, range(1, country.live + 1))
                _took(spent, crowd.done())
            _judged(spent, [one.result() for one in judging])
            stored_until = until
            say(f"sent {spent.ingest_s:.0f} s, judged {spent.judge_s:.0f} s")
    return spent


def _back(
    rig: Rig, country: Country, recorded: Recorded, models: list[Zone], crowd: Crowd, evaluators: Evaluators,
    parts: dict[str, list[int]],
) -> Spent:  # fmt: skip
    """The zones that were away send their day, and it is judged."""
    file = rig.folder / "day"
    file.write_text(json.dumps(packs(recorded, models, range(-DAY_STEPS, 0))))
    spent = Spent()
    with _clocked(spent, parts):
        crowd.send(file, range(country.live + 1, country.zones + 1))
        _took(spent, crowd.done())
        with connect(rig.postgres.url()) as connection:
            connection.execute(SQL["away_are_due"], {"at": recorded.end})
        _judged(spent, [one.result() for one in evaluators.begin(recorded.end)])
    return spent


@contextmanager
def _clocked(spent: Spent, parts: dict[str, list[int]]) -> Iterator[None]:
    """Wall time, and CPU of each part with all that it started."""
    begin_s, before = time.monotonic(), {name: sum(map(spent_s, pids)) for name, pids in parts.items()}
    yield
    spent.wall_s = time.monotonic() - begin_s
    spent.cpu_s |= {name: sum(map(spent_s, pids)) - before[name] for name, pids in parts.items()}


def _took(spent: Spent, told: dict[str, Any]) -> None:
    spent.ingest_s += told["took_s"]
    spent.messages += told["messages"]
    spent.answered_s.append(told["answered_s"])


def _judged(spent: Spent, results: list[Judged]) -> None:
    spent.judge_s += max((one.wall_s for one in results), default=0.0)
    spent.zones_judged += sum(one.zones for one in results)
    spent.in_database_s += sum(one.database_s for one in results)


def figures(
    country: Country, hour: Spent, back: Spent, memory: Mapping[str, float], sizes: Mapping[str, float]
) -> dict[str, Any]:
    """What the measured seconds, megabytes and bytes come to, by the names of the JSON output."""
    span_s = 60.0 * country.minutes
    speed = {"sending": span_s / hour.ingest_s, "judging": span_s / hour.judge_s}
    judging_s = hour.cpu_s["evaluators"] + hour.in_database_s
    cores = sum(hour.cpu_s.values()) / span_s
    return {
        "zones": country.zones, "readings": round(country.live * CHANNELS * country.minutes / STEP_MIN),
        "messages": hour.messages, "wall_s": round(hour.wall_s),
        "times_real_time": round(span_s / hour.wall_s, 2),
        **{f"times_real_time_{name}": round(value, 2) for name, value in speed.items()},
        "times_real_time_by_cpu": round((os.cpu_count() or 1) / cores, 2), "cores": round(cores, 4),
        "gives_first": min(speed, key=lambda name: speed[name]),
        "readings_per_s_while_sending": round(hour.messages * CHANNELS / hour.ingest_s),
        "answered_s_p50_p99_last": np.max(hour.answered_s, axis=0).tolist(),
        **{f"cpu_s_{name}": round(cpu, 2) for name, cpu in hour.cpu_s.items()},
        "cpu_s_database_for_judging": round(hour.in_database_s, 2),
        "judging_cpu_ms_a_zone": round(1000 * judging_s / hour.zones_judged, 2),
        **{f"memory_mb_{name}": round(megabytes) for name, megabytes in memory.items()},
        "memory_mb": round(sum(memory.values())),
        **{f"bytes_a_row_{name}": round(size, 1) for name, size in sizes.items()},
        **{f"gb_a_year_{name}": round(size, 1) for name, size in yearly_gb(country, sizes).items()},
        "back_zones": country.away, "back_readings": country.away * CHANNELS * DAY_STEPS,
        "back_sent_s": round(back.ingest_s, 1), "back_judged_s": round(back.judge_s, 1),
    }  # fmt: skip


def yearly_gb(country: Country, sizes: Mapping[str, float]) -> dict[str, float]:
    """Gigabytes that each table grows by in a year, on plain PostgreSQL."""
    channels, zone_days = country.zones * CHANNELS, country.zones * YEAR_DAYS
    rows = {
        "reading": channels * YEAR_DAYS * DAY_STEPS, "reading_hour": channels * YEAR_DAYS * 24,
        "reading_day": channels * YEAR_DAYS, "zone_day": zone_days, "gateway_day": zone_days,
    }  # fmt: skip
    return {name: number * sizes[name] / 1e9 for name, number in rows.items()}
