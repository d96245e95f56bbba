"""What a measurement stands on: a PostgreSQL, a mosquitto, 1,000 zones and messages whose truth is known.

Messages are packs of 12 readings as a gateway writes them, zones in turn, measured time going on. Their truth comes
from arithmetic and not from decoding them, so that what is stored can be held against it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import CHANNELS as SPECS
from gateway.model import AssetId, AssetKind, ChannelSpec, Flag, Reading
from gateway.units import CONVERSIONS, WIRE_UNIT
from gateway.wire import Queued, encode_pack, senml_topic
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.pipeline import fetch_directory
from ndiyan.children import ends_with_parent
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import StartRefused
from tests.surroundings import environment

SQL = queries("benchmarks", "rig")
ZONES = 1000
PER_PACK = 12
INTERVAL_S = 300
DAY_S = 86_400
WARM_UP = ZONES  # messages: one of each zone
MADE_AT_ONCE = 10_000  # messages, of which each number is a Python object for a moment
COMPARED_AT_ONCE = 7 * 192 * ZONES  # messages: a week's, each channel's measured in whole days
HOLE = "?"
NOISE_SEED = 7
BOOT = "00000001"
TENTH_LATER = 1000  # a message that is sent twice comes again after so many others
PG_EPOCH_US = 946_684_800_000_000  # 2000-01-01
NOTHING = np.empty(0)
COPY_HEADER, COPY_END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
COPY_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("channel_len", ">i4"), ("channel_id", ">i4"),
        ("flag_len", ">i4"), ("flag", ">i2"),
        ("measured_len", ">i4"), ("measured", ">i8"),
        ("received_len", ">i4"), ("received", ">i8"),
        ("value_len", ">i4"), ("value", ">f8"),
    ]
)  # fmt: skip


class Wave(NamedTuple):
    """A channel whose value swings about a mean once a day; a counter goes up by `swing` each interval."""

    asset: str
    name: str
    mean: float
    swing: float


CHANNELS = (
    Wave("pv", "irradiance_w_m2", 500, 450), Wave("pv", "power_w", 2000, 1800),
    Wave("pump", "power_w", 1800, 1600), Wave("pump", "flow_m3_h", 5, 4), Wave("pump", "volume_m3", 1000, 0.4),
    Wave("borehole", "water_depth_m", 30, 5), Wave("tower", "level_m", 2, 1.5), Wave("tower", "outflow_m3_h", 3, 2),
)  # fmt: skip


class Rig:
    """Servers in `folder`, which their accounts can enter; `messages` are made when asked for, and so is their truth.

    A file of messages has a line each: topic, a tab, payload. `warm_up_file` holds one earlier message of each zone,
    `file` the messages that are measured. `columns` are the readings of `file` in the order in which they are sent.
    """

    def __init__(self, folder: Path, messages: int) -> None:
        mosquitto = find_mosquitto()
        if mosquitto is None:
            raise StartRefused("the benchmark needs mosquitto: apt-get install mosquitto")
        log = folder / "servers.log"
        self.folder, self.messages = folder, messages
        self.postgres = EmbeddedPostgres(folder, secret_file=folder / "pg", log=log, account=postgres_account())
        self.broker = EmbeddedBroker(
            folder, [], secret_file=folder / "mq", log=log, account=broker_account(), mosquitto=mosquitto
        )
        self.start_s = 0
        self.zone_ids = [f"bench-{number}" for number in range(1, ZONES + 1)]

    def start(self) -> None:
        """Bring the servers up and write the registry."""
        self.postgres.start()
        self.broker.start()
        self.start_s = _start_s(WARM_UP + self.messages)
        with connect(self.postgres.url()) as connection:
            migrate(connection)
            self._channel_id = register(connection, ZONES)
            for number in (WARM_UP, WARM_UP + self.messages - 1):
                connection.execute(SQL["ensure_week"], {"at_s": int(_truth(number, 1, self.start_s).at_s[0, 0])})

    @cached_property
    def warm_up_file(self) -> Path:
        """One message of each zone."""
        return self.write(0, WARM_UP)

    @cached_property
    def file(self) -> Path:
        """The messages that are measured."""
        return self.write(WARM_UP, self.messages)

    @cached_property
    def warm_up_columns(self) -> Columns:
        """The readings of `warm_up_file`."""
        return self._columns(0, WARM_UP)

    @cached_property
    def columns(self) -> Columns:
        """The readings of `file`."""
        return self._columns(WARM_UP, self.messages)

    def write(self, first: int, count: int) -> Path:
        """A file of the messages with the numbers `first`, `first` + 1, …, of which the first `WARM_UP` are warm-up.

        Raises
        ------
        StartRefused : it could not be written
        """
        file = self.folder / f"messages-{first}"
        argv = [sys.executable, "-P", "-m", "benchmarks.rig", str(file), str(first), str(count), str(self.start_s)]
        if subprocess.run(argv, env=environment(), preexec_fn=ends_with_parent(signal.SIGKILL)).returncode:
            raise StartRefused(f"the messages could not be written into {file}")
        return file

    def stop(self) -> None:
        """Take the servers down."""
        self.broker.stop()
        self.postgres.stop()

    def empty(self) -> None:
        """Forget all readings and what was made of them, and let the server settle; nobody may write meanwhile."""
        with connect(self.postgres.url()) as connection:
            connection.execute(SQL["empty"])
        self.settle()

    def settle(self) -> None:
        """Let the server write down what waits, so that it does not do so while something is measured."""
        with connect(self.postgres.url()) as connection:
            connection.execute(SQL["settle"])

    def tenth_twice(self) -> Path:
        """A file of the messages in which every tenth comes again, `TENTH_LATER` messages later."""
        lines = self.file.read_bytes().splitlines()
        file = self.folder / "messages-tenth-twice"
        delayed: list[bytes] = []
        for number, line in enumerate(lines):
            delayed.append(line)
            if number >= TENTH_LATER and (number - TENTH_LATER) % 10 == 0:
                delayed.append(lines[number - TENTH_LATER])
        already = max(0, len(lines) - TENTH_LATER)
        delayed += [lines[number] for number in range(0, len(lines), 10) if number >= already]
        file.write_bytes(b"\n".join([*delayed, b""]))
        return file

    def lost_and_twice(self) -> tuple[int, int]:
        """After warm-up and messages: expected readings that are not stored, and stored ones beyond those."""
        total, right, stored = WARM_UP + self.messages, 0, 0
        with connect(self.postgres.url()) as connection:
            connection.execute(SQL["in_memory"])
            for first in range(0, total, COMPARED_AT_ONCE):
                more = self._compared(connection, first, min(total, first + COMPARED_AT_ONCE))
                right, stored = right + more[0], stored + more[1]
        return total * PER_PACK - right, stored - right

    def _compared(self, connection: Connection, first: int, last: int) -> tuple[int, int]:
        """How many readings are as the messages from `first` to before `last` say, and how many are of their time.

        What is older than all messages counts as of the first one's time, what is younger as of the last one's.
        """
        begin_s, steps = self.start_s + _steps(first) * INTERVAL_S, _steps(last) - _steps(first)
        expected = np.full((ZONES, len(CHANNELS), steps), np.nan)
        for number in range(first, last, MADE_AT_ONCE):
            truth = _truth(number, min(MADE_AT_ONCE, last - number), self.start_s)
            step = (truth.at_s - begin_s) // INTERVAL_S
            expected[truth.zone[:, None] - 1, truth.channel, step] = truth.value
        of_channel = dict(zip(self._channel_id.ravel().tolist(), expected.reshape(-1, steps), strict=True))
        begin, end = (datetime.fromtimestamp(begin_s + s, UTC) for s in (0, steps * INTERVAL_S))
        within = {
            "from": begin if first else "-infinity",
            "to": end if last < WARM_UP + self.messages else "infinity",
        }
        right = stored = 0
        with connection.cursor(binary=True) as cursor:
            for channel_id, at, values in cursor.execute(SQL["stored"], within):
                value = np.frombuffer(values, ">f8")
                at_us = np.frombuffer(at, ">i8") + PG_EPOCH_US
                step, rest_us = np.divmod(at_us - begin_s * 1_000_000, INTERVAL_S * 1_000_000)
                known = (rest_us == 0) & (step >= 0) & (step < steps) & (channel_id in of_channel)
                wanted = of_channel.get(channel_id, NOTHING)[step[known]]
                right += np.unique(step[known][wanted == value[known]]).size
                stored += value.size
        return right, stored

    def _columns(self, first: int, count: int) -> Columns:
        truth = _truth(first, count, self.start_s)
        zone = np.repeat(truth.zone, PER_PACK)
        received_us = np.full(count * PER_PACK, round(time.time() * 1e6), dtype=np.int64)
        return Columns(
            self._channel_id[zone - 1, truth.channel.ravel()], truth.at_s.ravel() * 1_000_000, received_us,
            truth.value.ravel(), np.full(count * PER_PACK, Flag.GOOD, dtype=np.int16),
        )  # fmt: skip


def register(connection: Connection, zones: int) -> NDArray[np.int32]:
    """Write zones with a gateway and `CHANNELS` each into an empty registry; (zones, channels) the channels' ids."""
    with connection.transaction():
        connection.execute(SQL["zones"], {"zones": zones})
        connection.execute(SQL["gateways"])
        for wave in CHANNELS:
            asset, name, spec = wave.asset, wave.name, _spec(wave)
            connection.execute(SQL["assets"], {"asset": asset, "interval_s": INTERVAL_S})
            connection.execute(
                SQL["channels"],
                {"asset": asset, "name": name, "unit": spec.unit, "is_counter": spec.is_counter,
                 "minimum": spec.minimum, "maximum": spec.maximum},
            )  # fmt: skip
    known = fetch_directory(connection).channels
    return np.array(
        [
            [known[f"bench-{zone}", asset, name].channel_id for asset, name, *_ in CHANNELS]
            for zone in range(1, zones + 1)
        ],
        dtype=np.int32,
    )


def make_messages(first: int, count: int, start_s: int) -> Iterator[tuple[str, bytes]]:
    """Topic and payload of the messages with the numbers `first`, `first` + 1, …; number 0 is measured at `start_s`.

    Their `sent` and `sup` say that they left when the last reading was measured; a publisher writes them anew. Packs of
    the same round differ in their values alone, and `encode_pack` writes one of them.
    """
    to_wire = np.array([CONVERSIONS[spec.unit][WIRE_UNIT[spec.unit]] for spec in map(_spec, CHANNELS)])
    written, pack = -1, ""
    for begin in range(first, first + count, MADE_AT_ONCE):
        truth = _truth(begin, min(MADE_AT_ONCE, first + count - begin), start_s)
        factor, offset = np.moveaxis(to_wire[truth.channel], -1, 0)
        values = ((truth.value - offset) / factor).tolist()
        for row, (zone, value) in enumerate(zip(truth.zone.tolist(), values, strict=True)):
            if (begin + row) // ZONES != written:
                written = (begin + row) // ZONES
                pack = _pack_to_fill(truth, row, start_s)
            yield senml_topic(f"bench-{zone}", f"gw-bench-{zone}"), (pack % tuple(value)).encode()


def _pack_to_fill(truth: _Truth, row: int, start_s: int) -> str:
    """A pack as a gateway writes it, with %r in place of each value."""
    entries = []
    for seq, channel, at_s in zip(*(column[row].tolist() for column in truth[1:4]), strict=True):
        asset, name, *_ = CHANNELS[channel]
        reading = Reading(AssetId(asset), name, datetime.fromtimestamp(at_s, UTC), 0.0)
        entries.append(Queued(seq, at_s - start_s + 60.0, reading))
    last = entries[-1]
    records = json.loads(encode_pack(BOOT, entries, sent_at=last.reading.measured_at, sent_uptime_s=last.uptime_s))
    for record in records:
        record["v"] = HOLE
    return json.dumps(records, separators=(",", ":")).replace("%", "%%").replace(json.dumps(HOLE), "%r")


def write_messages(file: Path, first: int, count: int, start_s: int) -> None:
    """A line each of what `make_messages` makes: topic, a tab, payload."""
    with file.open("wb") as out:
        messages = make_messages(first, count, start_s)
        out.writelines(topic.encode() + b"\t" + payload + b"\n" for topic, payload in messages)


def binary_rows(columns: Columns) -> bytes:
    """Rows of `reading` for PostgreSQL's binary COPY, without header and end."""
    rows = np.empty(len(columns), dtype=COPY_ROW)
    rows["fields"] = 5
    for name, size in (("channel", 4), ("flag", 2), ("measured", 8), ("received", 8), ("value", 8)):
        rows[f"{name}_len"] = size
    rows["channel_id"], rows["flag"], rows["value"] = columns.channel_id, columns.flag, columns.value
    rows["measured"], rows["received"] = columns.measured_us - PG_EPOCH_US, columns.received_us - PG_EPOCH_US
    return rows.tobytes()


class _Truth(NamedTuple):
    """Of n messages: zone (n,) from 1; seq, place in `CHANNELS`, time [s since 1970] and value, each (n, 12)."""

    zone: NDArray[np.int64]
    seq: NDArray[np.int64]
    channel: NDArray[np.int64]
    at_s: NDArray[np.int64]
    value: NDArray[np.float64]


def _truth(first: int, count: int, start_s: int) -> _Truth:
    noise = np.random.Generator(np.random.PCG64(NOISE_SEED).advance(first * PER_PACK))
    number = np.arange(first, first + count)
    zone, reading = number % ZONES + 1, (number // ZONES)[:, None] * PER_PACK + np.arange(PER_PACK)
    channel, step = reading % len(CHANNELS), reading // len(CHANNELS)
    mean, swing = (np.array([getattr(wave, part) for wave in CHANNELS])[channel] for part in ("mean", "swing"))
    counts = np.array([_spec(wave).is_counter for wave in CHANNELS])[channel]
    day = np.sin(2 * np.pi * step * INTERVAL_S / DAY_S + zone[:, None]) + noise.uniform(-0.02, 0.02, size=channel.shape)
    value = np.round(np.where(counts, mean + swing * step, mean + swing * day), 2)
    return _Truth(zone, reading + 1, channel, start_s + INTERVAL_S * step, value)


def _spec(wave: Wave) -> ChannelSpec:
    return SPECS[AssetKind(wave.asset)][wave.name]


def _steps(messages: int) -> int:
    """How many moments the readings of the first messages are of."""
    rounds = -(-messages // ZONES)
    return -(-rounds * PER_PACK // len(CHANNELS))


def _start_s(messages: int) -> int:
    """A midnight so long ago that all of the messages were measured before now [s since 1970]."""
    steps = (messages // ZONES + 10) * PER_PACK // len(CHANNELS) + 1
    return (int(time.time()) - steps * INTERVAL_S) // DAY_S * DAY_S


if __name__ == "__main__":
    write_messages(Path(sys.argv[1]), *map(int, sys.argv[2:]))
