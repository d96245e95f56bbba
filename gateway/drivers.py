"""Devices behind one small protocol: asked for values by name, they give numbers with units, or why there is none."""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from gateway.errors import DeviceSilent
from gateway.maps import Value

MOST_BYTES = 65_536
ONLY = "value"  # the name of a number that stands alone in a file


class Driver(Protocol):
    """One device."""

    def read(self, names: Collection[str]) -> Mapping[str, Value]:
        """These values; a name that the device does not know is missing from the answer.

        Raises
        ------
        DeviceSilent : the device as a whole gives nothing now
        """
        ...

    def close(self) -> None:
        """Let the line go."""
        ...


class FileDriver:
    """Values that another program or the kernel keeps in a file: lines of `name number [unit]`, or one number."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, names: Collection[str]) -> Mapping[str, Value]:
        """What the file says now."""
        try:
            with open(self._path, "rb", opener=_without_waiting) as file:
                text = file.read(MOST_BYTES) or b""  # None where nothing is there yet
        except OSError as error:
            raise DeviceSilent(f"{self._path}: {error.strerror or error}") from error
        return _lines(text, names)

    def close(self) -> None:
        """Nothing is open."""


def _without_waiting(path: str, flags: int) -> int:
    """Open what may be a pipe or a serial line: whoever waits for its words holds up all other devices."""
    return os.open(path, flags | os.O_NONBLOCK)


class ExecDriver:
    """Values that a program prints: lines of `name number [unit]`, or one number; its failure is the device's."""

    def __init__(self, command: tuple[str, ...], timeout_s: float) -> None:
        self._command, self._timeout_s = command, timeout_s

    def read(self, names: Collection[str]) -> Mapping[str, Value]:
        """Run the program once."""
        return _lines(output_of(self._command, timeout_s=self._timeout_s)[:MOST_BYTES], names)

    def close(self) -> None:
        """Nothing is open."""


def output_of(command: Sequence[str], *, timeout_s: float) -> bytes:
    """What a program prints. Where it does not end, what it has started ends with it: of a script that waits for a dead
    sensor the `cat` would stay behind, and take its words when it comes back.

    Raises
    ------
    DeviceSilent : it is not there, fails, does not end, or says more than `MOST_BYTES`
    """
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        raise DeviceSilent(f"{command[0]}: {error.strerror or error}") from error
    with process:
        try:
            told, complaints = _heard(process, timeout_s)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise DeviceSilent(f"{command[0]}: no end after {timeout_s:g} s") from error
            if isinstance(error, BufferError):
                raise DeviceSilent(f"{command[0]}: says more than {MOST_BYTES} bytes") from error
            raise
    if process.returncode != 0:
        said = complaints.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
        raise DeviceSilent(f"{command[0]}: ended with {process.returncode}: {said}")
    return told


def _heard(process: subprocess.Popen[bytes], timeout_s: float) -> tuple[bytes, bytes]:
    """What a program prints until it ends, and its complaints.

    Raises
    ------
    subprocess.TimeoutExpired, BufferError : it does not end; it says too much, of which no more is held
    """
    end_s = time.monotonic() + timeout_s
    told, complaints = bytearray(), bytearray()
    with selectors.DefaultSelector() as pipes:
        for pipe, words in ((process.stdout, told), (process.stderr, complaints)):
            if pipe is not None:
                pipes.register(pipe, selectors.EVENT_READ, words)
        while pipes.get_map():
            if (left_s := end_s - time.monotonic()) <= 0:
                raise subprocess.TimeoutExpired(process.args, timeout_s)
            for key, _ in pipes.select(left_s):
                if not (data := os.read(key.fd, MOST_BYTES)):
                    pipes.unregister(key.fileobj)
                key.data.extend(data)
                if len(key.data) > MOST_BYTES:
                    raise BufferError
    process.wait(max(0.0, end_s - time.monotonic()))
    return bytes(told), bytes(complaints)


def _lines(text: bytes, names: Collection[str]) -> dict[str, Value]:
    """Values by name; one number that stands alone is `value`."""
    found: dict[str, Value] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        words = line.split()
        if len(words) == 1:
            words = [ONLY, *words]
        if len(words) not in (2, 3) or words[0] not in names:
            continue
        try:
            number = float(words[1])
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            found[words[0]] = Value(number, "".join(words[2:]))
        else:
            found[words[0]] = Value(None, "", f"{words[1][:40]!r} is not a number")
    return found
