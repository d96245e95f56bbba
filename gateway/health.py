"""How the box itself is: temperature, uptime, signal and credit of its modem, and the watchdog that watches over us."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import shutil
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.clock import uptime_s
from gateway.drivers import output_of
from gateway.errors import DeviceSilent
from gateway.installation import Modem
from gateway.maps import Value

log = logging.getLogger(__name__)

THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")
STATM = Path("/proc/self/statm")  # in pages: of all, and of what is in memory (proc(5))
MMCLI_TIMEOUT_S = 30.0  # a USSD answer takes its time
SIGNAL_EVERY_S = 60  # ModemManager measures the signal only when it is told how often
SIGNAL_SETUP_EVERY_S = 600.0  # a modem that was away has to be told again
CREDIT_EVERY_S = 6 * 3600.0  # operators cut off who asks too often
ALIVE_FILE = "NDIYAN_ALIVE_FILE"  # set in deploy/Dockerfile; the health checks of deploy/compose.yaml look at the file

NARROW = re.compile("[\u00a0\u2009\u202f]")  # spaces that stand between thousands
HUNDREDTHS = re.compile(r"[.,][0-9]{1,2}$")

Run = Callable[[Sequence[str]], str]


def run_program(command: Sequence[str]) -> str:
    """What a program says; `DeviceSilent` as `output_of`."""
    return output_of(command, timeout_s=MMCLI_TIMEOUT_S).decode("utf-8", "replace")


class SystemDriver:
    """The registers `temp` [°C], `uptime` [s], `signal` [dBm] and `credit` [GNF] of the box."""

    def __init__(self, modem: Modem | None, *, run: Run = run_program, thermal: Path = THERMAL) -> None:
        self._modem, self._run, self._thermal = modem, run, thermal
        self._credit = Value(None, "GNF", "not asked yet")
        self._credit_due_s = self._signal_setup_due_s = 0.0
        self._signal_setup_why: str | None = None

    def read(self, names: Collection[str]) -> Mapping[str, Value]:
        """These values; what the box has not is told as such."""
        ways = {"temp": self._temp, "uptime": self._uptime, "signal": self._signal, "credit": self._asked_credit}
        return {name: ways[name]() for name in names}

    def close(self) -> None:
        """Nothing is open."""

    def _temp(self) -> Value:
        try:
            return Value(int(self._thermal.read_text("ascii")) / 1000, "°C")
        except OSError as error:
            return Value(None, "°C", f"{self._thermal}: {error.strerror or error}")
        except ValueError as error:
            return Value(None, "°C", f"{self._thermal}: {error}")

    def _uptime(self) -> Value:
        return Value(float(int(uptime_s())), "s")

    def _signal(self) -> Value:
        if self._modem is None:
            return Value(None, "dBm", "no modem is configured")
        try:
            found = signal_dbm(self._run(["mmcli", "--modem=any", "--signal-get", "--output-json"]))
        except DeviceSilent as error:
            return Value(None, "dBm", str(error))
        if found.number is not None:
            return found
        if uptime_s() >= self._signal_setup_due_s:
            self._set_up_signal()
        return Value(None, "dBm", self._signal_setup_why or found.why)

    def _set_up_signal(self) -> None:
        """Have ModemManager measure the signal from now on; a later look finds it."""
        self._signal_setup_due_s, self._signal_setup_why = uptime_s() + SIGNAL_SETUP_EVERY_S, None
        try:
            self._run(["mmcli", "--modem=any", f"--signal-setup={SIGNAL_EVERY_S}"])
        except DeviceSilent as error:
            self._signal_setup_why = str(error)

    def _asked_credit(self) -> Value:
        modem, now_s = self._modem, uptime_s()
        if modem is None or modem.ussd is None:
            return Value(None, "GNF", "no USSD code is configured")
        if now_s >= self._credit_due_s:
            self._credit_due_s = now_s + CREDIT_EVERY_S
            try:
                answer = self._run(["mmcli", "--modem=any", f"--3gpp-ussd-initiate={modem.ussd}"])
                self._credit = credit_gnf(answer, modem.credit)
            except DeviceSilent as error:
                self._credit = Value(None, "GNF", str(error))
        return self._credit


def signal_dbm(answer: str) -> Value:
    """The strength that `mmcli --signal-get` tells of the newest network that has one."""
    try:
        signal: dict[str, Any] = json.loads(answer)["modem"]["signal"]
    except (ValueError, KeyError, TypeError):
        return Value(None, "dBm", f"mmcli: no signal in {answer[:60]!r}")
    for network, key in (("5g", "rsrp"), ("lte", "rssi"), ("umts", "rssi"), ("gsm", "rssi")):
        try:
            return Value(float(signal[network][key]), "dBm")
        except (KeyError, TypeError, ValueError):
            continue
    return Value(None, "dBm", "mmcli: no network has a strength")


def credit_gnf(answer: str, pattern: re.Pattern[str]) -> Value:
    """The amount in an operator's words, as `Votre solde est de 12 500 GNF`; hundredths (`4.500,00`) are left away."""
    found = pattern.search(NARROW.sub(" ", answer))
    amount = HUNDREDTHS.sub("", found[1].rstrip(" .,")) if found else ""
    digits = re.sub(r"[^0-9]", "", amount)
    return Value(float(digits), "GNF") if digits else Value(None, "GNF", f"no amount in {answer.strip()[:80]!r}")


def disk_free_bytes(folder: Path) -> int:
    """What programs may still write there."""
    return shutil.disk_usage(folder).free


def memory_bytes() -> int:
    """What this process has in memory."""
    return int(STATM.read_text("ascii").split()[1]) * resource.getpagesize()


class Watchdog:
    """systemd's: told that we are ready, and alive (sd_notify(3)).

    A container has none: there a file that is touched says the same, where `ALIVE_FILE` names one.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET")
        self._file = os.environ.get(ALIVE_FILE)
        self._is_heard = True

    def ready(self) -> None:
        """The start is over."""
        self._tell("READY=1")

    def alive(self, status: str) -> None:
        """Everything turns; `status` is what `systemctl status` shows."""
        self._tell(f"WATCHDOG=1\nSTATUS={status}")
        if self._file:
            try:
                Path(self._file).touch()
            except OSError as error:  # whoever looks at it finds it old
                log.warning("%s: %s", self._file, error.strerror)

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.sendto(words.encode(), address)
        except OSError as error:
            if self._is_heard:
                log.warning("systemd does not hear us: %s", error)
            self._is_heard = False
        else:
            self._is_heard = True
