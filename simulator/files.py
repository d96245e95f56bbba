"""A simulated history as files: readings in long form (CSV, Parquet), labels, true states, and the zones.

Readings are written as they come, so memory does not grow with the length of a history. A file has its name only when
it is whole; while it grows it is called `….part`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from gateway.model import channel_spec
from gateway.zones import Zone
from simulator.errors import SimulatorError
from simulator.fiction import zone_file
from simulator.history import HistoryBlock
from simulator.labels import Label, TrueState, Witness

READINGS = ("time", "zone", "asset", "channel", "value", "unit")
LABELS = ("zone", "fault", "asset", "severity", "size", "onset", "start", "end")
STATES = ("zone", "state", "start", "end")
FORMATS = ("csv", "parquet", "both")
ROW_GROUP = 500_000  # readings; some 20 MB while they wait


class Writer(Protocol):
    """Takes readings as they come."""

    def write(self, block: HistoryBlock) -> None: ...


def write_history(
    zones: Sequence[Zone],
    blocks: Iterable[HistoryBlock],
    witness: Witness,
    *,
    folder: Path,
    form: str,
    about: Mapping[str, object],
) -> Iterator[int]:
    """Write a history into an empty `folder`; gives the number of readings written, again and again while they are.

    Parameters
    ----------
    blocks : the history as it is lived; `witness` looks on
    form : one of `FORMATS`
    about : what a reader must know to make the same files again, for `about.json`

    Raises
    ------
    SimulatorError : the folder holds something, or cannot be written
    """
    written = 0
    with ExitStack() as open_files:
        try:
            begin_folder(folder)
            _write_zones(zones, folder / "zones")
            writers = _open_writers(open_files, folder, form)
            states = csv.writer(open_files.enter_context(growing(folder / "states.csv")), lineterminator="\n")
            states.writerow(STATES)
            for block in blocks:
                for writer in writers:
                    writer.write(block)
                states.writerows(_state_row(one) for one in witness.take_states())
                written += len(block.value)
                yield written
            states.writerows(_state_row(one) for one in witness.take_states())
            with growing(folder / "labels.csv") as file:
                labels = csv.writer(file, lineterminator="\n")
                labels.writerow(LABELS)
                labels.writerows(_label_row(one) for one in witness.labels)
            versions = {name: version(name) for name in ("ndiyan", "numpy", "pvlib", "pyarrow")}
            whole = {**about, "zones": len(zones), "readings": written, "versions": versions}
            (folder / "about.json").write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
        except OSError as error:
            raise SimulatorError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error


def begin_folder(folder: Path) -> None:
    """Make the folder; one that holds something is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SimulatorError(f"{folder} is not empty: give a new folder, or empty this one")


@contextmanager
def growing(file: Path) -> Iterator[IO[str]]:
    """A text file that gets its name when it is whole."""
    part = file.with_name(file.name + ".part")
    with part.open("w", encoding="utf-8", newline="") as opened:
        yield opened
    part.replace(file)


class CsvWriter(AbstractContextManager["CsvWriter"]):
    """Readings as lines `2026-03-01T00:05:00Z,zone-1,tower,level_m,2.135,m`."""

    def __init__(self, file: Path) -> None:
        self._file = growing(file)

    def __enter__(self) -> Self:
        self._opened = self._file.__enter__()
        self._opened.write(",".join(READINGS) + "\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def write(self, block: HistoryBlock) -> None:
        """Append the readings of a block."""
        middle = f",{block.zone_id},{block.asset},{block.channel},"
        end = f",{unit_of(block)}\n"
        times = iso_times(block.t_s.tobytes())
        lines = [f"{t}{middle}{value!r}{end}" for t, value in zip(times, block.value.tolist(), strict=True)]
        self._opened.write("".join(lines))


class ParquetWriter(AbstractContextManager["ParquetWriter"]):
    """The same columns; time in ms UTC, words as dictionaries, zstd; a row group of `ROW_GROUP` readings at a time."""

    def __init__(self, file: Path) -> None:
        import pyarrow as pa

        self._file, self._part = file, file.with_name(file.name + ".part")
        word = pa.dictionary(pa.int32(), pa.string())
        types = (pa.timestamp("ms", "UTC"), word, word, word, pa.float64(), word)
        self._schema = pa.schema(list(zip(READINGS, types, strict=True)))
        self._blocks: list[HistoryBlock] = []
        self._waiting = 0

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(self._part, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._writer.close()
        if error is None:
            self._part.replace(self._file)

    def write(self, block: HistoryBlock) -> None:
        """Append the readings of a block."""
        self._blocks.append(block)
        self._waiting += len(block.value)
        if self._waiting >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        blocks, self._blocks, self._waiting = self._blocks, [], 0
        if not blocks:
            return
        counts = [len(block.value) for block in blocks]
        millis = np.round(np.concatenate([block.t_s for block in blocks]) * 1000).astype(np.int64)
        words = {
            "zone": [block.zone_id for block in blocks], "asset": [block.asset for block in blocks],
            "channel": [block.channel for block in blocks], "unit": [unit_of(block) for block in blocks],
        }  # fmt: skip
        columns = {name: _dictionary(found, counts) for name, found in words.items()}
        columns["time"] = pa.array(millis).cast(pa.timestamp("ms", "UTC"))
        columns["value"] = pa.array(np.concatenate([block.value for block in blocks]))
        table = pa.table([columns[name] for name in READINGS], schema=self._schema)
        self._writer.write_table(table, row_group_size=ROW_GROUP)


def unit_of(block: HistoryBlock) -> str:
    """The canonical unit of a block's channel, as people write it; empty where it has none."""
    spec = channel_spec(block.asset, block.channel)
    if spec is None:
        raise ValueError(f"{block.asset}/{block.channel} is no channel of ours")
    return spec.unit


@lru_cache(maxsize=64)
def iso_times(t_s: bytes) -> list[str]:
    """Times (n,) [s since 1970-01-01 UTC], given as the bytes of their array, to the second or the millisecond."""
    times = np.frombuffer(t_s, dtype=np.float64)
    unit = "s" if (times == np.round(times)).all() else "ms"
    scaled = np.round(times * (1 if unit == "s" else 1000)).astype(np.int64).astype(f"datetime64[{unit}]")
    return [f"{text}Z" for text in np.datetime_as_string(scaled).tolist()]


def _dictionary(words: Sequence[str], counts: Sequence[int]) -> object:
    import pyarrow as pa

    known = {word: n for n, word in enumerate(dict.fromkeys(words))}
    codes: NDArray[np.int32] = np.repeat(np.array([known[word] for word in words], dtype=np.int32), counts)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(known)))


def _open_writers(open_files: ExitStack, folder: Path, form: str) -> list[Writer]:
    if form not in FORMATS:
        raise ValueError(f"format {form!r} is none of {', '.join(FORMATS)}")
    writers: list[Writer] = []
    if form != "parquet":
        writers.append(open_files.enter_context(CsvWriter(folder / "readings.csv")))
    if form != "csv":
        writers.append(open_files.enter_context(ParquetWriter(folder / "readings.parquet")))
    return writers


def _write_zones(zones: Sequence[Zone], folder: Path) -> None:
    folder.mkdir()
    for zone in zones:
        (folder / f"{zone.zone_id}.toml").write_text(zone_file(zone), "utf-8")


def _label_row(label: Label) -> tuple[object, ...]:
    times = (_iso(label.onset), _iso(label.start), _iso(label.end))
    return label.zone, label.fault.value, label.asset, label.severity, label.size, *times


def _state_row(one: TrueState) -> tuple[object, ...]:
    return one.zone, one.state.value, _iso(one.start), _iso(one.end)


def _iso(moment: datetime | None) -> str:
    """A time to the second; empty where there is none."""
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
