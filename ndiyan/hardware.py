"""Simulated hardware as a command."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.zones import Zone
from ndiyan.logs import log_to_stderr
from ndiyan.settings import Settings
from ndiyan.simulate import say
from simulator.hardware import Hardware, gateway_file
from simulator.scenarios import load_scenario

HOST = "127.0.0.1"


def run_hardware(
    settings: Settings,
    zones: Sequence[Zone],
    addresses: Mapping[str, str],
    *,
    folder: Path,
    port: int,
    seed: int,
    scenario: str,
) -> None:
    """Serve until SIGTERM or Ctrl-C; a gateway's file for each zone lies in `folder`."""
    log_to_stderr(settings.log())
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    hardware = Hardware(
        zones, clock=settings.make_clock(), folder=folder, seed=seed, scenario=load_scenario(scenario), first_port=port,
        host=HOST,
    )  # fmt: skip
    for at, zone in enumerate(zones):
        file = folder / f"{zone.gateway_id}.toml"
        text = gateway_file(
            zone, host=HOST, port=port + at, mqtt=addresses[zone.gateway_id], folder=f"{zone.gateway_id}"
        )
        file.write_text(text, "utf-8")
        say(f"{zone.zone_id}: Modbus on {HOST}:{port + at}; ndiyan gateway --config {file}")
    hardware.run(stop)
