"""An MQTT broker that is ours: the machine's mosquitto with the settings that lose least, else one from a wheel.

Two listeners on loopback: one for gateways and ingest, where a client's id is its user name, and one for the tools
of whoever runs the platform. Settings come from `deploy/mosquitto/ndiyan.conf`, the same file that servers use.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.config import MqttSettings
from gateway.zones import Zone
from ndiyan.children import Account, free_port, own, spawn, stop, unprivileged_account
from ndiyan.devices import ACCESS, PASSWORDS
from ndiyan.errors import StartRefused
from ndiyan.identities import (
    INGEST,
    OPERATOR,
    acl_file,
    device_identities,
    operator_identity,
    password_file,
)
from ndiyan.shipped_files import shipped

IN_USE = b"ddress already in use"  # as mosquitto and as Python write it
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 4.0
PROBE_TIMEOUT_S = 2.0
WEAK_BROKER_WARNING = (
    "mosquitto is not installed, so a broker written in Python stands in: it can lose messages (gateways send again,"
    " so readings survive); `apt-get install mosquitto` gives the real one"
)


class EmbeddedBroker:
    """One broker for these zones, with its data in `folder/broker`; `start` returns once it accepts a connection.

    Parameters
    ----------
    folder : where data lives; reachable for the account that runs the broker (`reachable_folder`)
    secret_file : keeps the passwords of the broker's users and its ports, 0600
    log : what the broker says
    account : who runs it; None for ourselves
    mosquitto : the program; None for the Python broker from the wheel `amqtt`
    workers : how many of ingest it lets in
    """

    name = "broker"

    def __init__(
        self,
        folder: Path,
        zones: Sequence[Zone],
        *,
        secret_file: Path,
        log: Path,
        account: Account | None = None,
        mosquitto: Path | None = None,
        workers: int = 1,
    ) -> None:
        self.folder = folder / "broker"
        self.log = log
        self._zones, self._account, self._mosquitto, self._workers = zones, account, mosquitto, workers
        self._secret_file = secret_file
        self._passwords, ports = _read_secrets(secret_file)
        self._wanted_ports = ports
        self._device_port = self._operator_port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def warning(self) -> str | None:
        """What to tell people about this broker, None when there is nothing."""
        return None if self._mosquitto else WEAK_BROKER_WARNING

    @property
    def protocol(self) -> int:
        """The newest MQTT protocol level that the broker speaks: 5, or 4 for 3.1.1."""
        return 5 if self._mosquitto else 4

    def settings_for(self, gateway: str) -> MqttSettings:
        """How this gateway connects."""
        return self._settings(gateway, self._device_port)

    @property
    def ingest_settings(self) -> MqttSettings:
        """How ingest connects."""
        return self._settings(INGEST, self._device_port)

    @property
    def operator_url(self) -> str:
        """How the tools of people connect."""
        return self._settings(OPERATOR, self._operator_port).url()

    def start(self) -> None:
        """Write the configuration, start the broker and wait for its first CONNACK.

        Ports stay what they were: mosquitto finds the sessions that it kept by their listener's port.

        Raises
        ------
        StartRefused : the broker did not come up
        """
        is_new, deadline = not self._device_port, time.monotonic() + START_TIMEOUT_S
        while True:
            if is_new:
                self._device_port, self._operator_port = map(free_port, self._wanted_ports)
            said_before = self.log.stat().st_size if self.log.exists() else 0
            if self._comes_up(deadline):
                return
            said = self.log.read_bytes()[said_before:]
            if IN_USE not in said or time.monotonic() > deadline:
                raise StartRefused(f"the MQTT broker did not start: {_last_line(self.log)} (see {self.log})")
            time.sleep(0.1)  # somebody took the port between our look and the start: another one, or once more

    def _comes_up(self, deadline: float) -> bool:
        self._write_files()
        argv: list[str | Path] = (
            [self._mosquitto, "-c", self.folder / "mosquitto.conf"]
            if self._mosquitto
            else [sys.executable, "-P", "-m", "ndiyan.python_broker", self.folder / "python-broker.json"]
        )
        self._process = spawn(argv, log=self.log, account=self._account if self._mosquitto else None)
        while not self.is_alive():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                return False
            time.sleep(0.03)
        return True

    def is_alive(self) -> bool:
        """Whether the broker accepts the operator's connection now."""
        return answers_connect("127.0.0.1", self._operator_port, OPERATOR, self._passwords[OPERATOR])

    def poll(self) -> int | None:
        """None while the process lives, else its exit code."""
        return -1 if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """The broker's process id, once it was started."""
        return self._process.pid if self._process else None

    def ask_to_stop(self) -> None:
        """Write what waits to disk and end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop within a few seconds."""
        stop(self._process, signal.SIGTERM, timeout_s=STOP_TIMEOUT_S)

    def restart(self) -> None:
        """Stop cleanly and start again on the same ports with what waited."""
        self.stop()
        self.start()

    def _settings(self, user: str, port: int) -> MqttSettings:
        return MqttSettings("127.0.0.1", port, user, self._passwords[user], self.protocol)

    def _write_files(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        identities = [
            *device_identities(self._zones, self._passwords, workers=self._workers), operator_identity(self._passwords)
        ]  # fmt: skip
        _write_secrets(self._secret_file, self._passwords, (self._device_port, self._operator_port))
        if self._mosquitto is None:
            users = [
                {"name": one.name, "password": one.password, "write": one.may_write, "read": one.may_read}
                for one in identities
            ]
            config = {"ports": [self._device_port, self._operator_port], "users": users}
            _write_private(self.folder / "python-broker.json", json.dumps(config), None)
            return
        own(self.folder, self._account)
        lines = {
            "listener 8883": f"listener {self._device_port} 127.0.0.1",
            "listener 1883": f"listener {self._operator_port} 127.0.0.1",
            "certfile": "",
            "keyfile": "",
            "tls_version": "",
            "persistence_location": f"persistence_location {self.folder}/",
        }
        for key, name, text in (
            ("password_file", PASSWORDS, password_file(identities)), ("acl_file", ACCESS, acl_file(identities)),
        ):  # fmt: skip
            _write_private(self.folder / name, text, self._account)
            lines[key] = f"{key} {self.folder / name}"
        template = shipped("deploy/mosquitto/ndiyan.conf").read_text("utf-8")
        _write_private(self.folder / "mosquitto.conf", filled(template, lines), self._account)


def find_mosquitto() -> Path | None:
    """The machine's mosquitto; NDIYAN_MOSQUITTO names another, or "none" for the Python broker."""
    forced = os.environ.get("NDIYAN_MOSQUITTO")
    if forced:
        return None if forced == "none" else Path(forced)
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None and importlib.util.find_spec("amqtt") is None:
        raise StartRefused("no MQTT broker was found: install mosquitto (apt-get install mosquitto)")
    return Path(found) if found else None


def broker_account() -> Account | None:
    """Who runs mosquitto: we ourselves, or when we are root the account that its package makes."""
    return unprivileged_account("mosquitto")


def filled(template: str, lines: Mapping[str, str]) -> str:
    """The template with each line that begins with a key replaced by its value; every key must be there."""
    unused, output = set(lines), []
    for line in template.splitlines():
        key = next((key for key in lines if line.startswith(key)), None)
        unused.discard(key or "")
        output.append(line if key is None else lines[key])
    if unused:
        raise ValueError(f"the broker's template has no line {sorted(unused)[0]!r}")
    return "\n".join(output) + "\n"


def answers_connect(host: str, port: int, user: str, password: str, *, accept_refusal: bool = False) -> bool:
    """Whether an MQTT 3.1.1 CONNECT of this user is answered by a CONNACK that accepts it (or by any CONNACK)."""
    fields = [b"MQTT", b"ndiyan-probe", user.encode(), password.encode()]
    name, client, *login = [struct.pack("!H", len(field)) + field for field in fields]
    body = name + bytes([4, 0b1100_0010, 0, 10]) + client + b"".join(login)
    with contextlib.suppress(OSError), socket.create_connection((host, port), PROBE_TIMEOUT_S) as link:
        link.sendall(bytes([0x10, len(body)]) + body)
        answer = link.recv(4)
        link.sendall(b"\xe0\x00")
        return answer[:2] == b"\x20\x02" and (accept_refusal or answer[3:] == b"\x00")
    return False


def _read_secrets(file: Path) -> tuple[dict[str, str], tuple[int, int]]:
    if not file.exists():
        return {}, (0, 0)
    kept = json.loads(file.read_text("utf-8"))
    return kept["passwords"], (kept["ports"][0], kept["ports"][1])


def _write_secrets(file: Path, passwords: Mapping[str, str], ports: tuple[int, int]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(file, json.dumps({"passwords": passwords, "ports": ports}), None)


def _write_private(file: Path, text: str, account: Account | None) -> None:
    file.touch(mode=0o600)
    file.write_text(text, "utf-8")
    own(file, account)


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "it said nothing"
