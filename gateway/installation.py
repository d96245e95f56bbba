"""What hangs on a gateway, as the technician wrote it: `gateway.toml` (docs/gateway.md, "Configuration").

A mistake names file, key, value and bound. What may be changed from afar (devices, points, intervals; see
`gateway.remote`) is the `Plan`; who we are, where the broker is and which lines there are can only be changed here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from gateway.config import OWN, MqttSettings
from gateway.errors import ConfigError
from gateway.maps import RegisterMap, find_map
from gateway.model import CHANNELS, AssetId, AssetKind, ChannelSpec, GatewayId, ZoneId, kind_of_asset
from gateway.tables import Table, read_toml
from gateway.units import field_conversion
from gateway.zones import SLUG

WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
SYSTEM_REGISTERS = ("temp", "uptime", "signal", "credit")
LOOP_UNIT = "mA"
TAP = re.compile(r"tap-(?!00)[0-9]{2}")  # as zone files name taps
# How far a value moves before it is reported at once, where the point does not say: [canonical unit].
USUAL_CHANGE = {
    "W/m²": 100.0, "°C": 5.0, "V": 20.0, "A": 1.0, "W": 100.0, "1/min": 200.0, "m³/h": 0.5, "bar": 0.2, "m": 0.1,
    "dBm": 10.0, "mg/L": 0.1, "NTU": 5.0, "µS/cm": 50.0, "": 0.5,
}  # fmt: skip
BATTERY_CHANGE_V = 0.5
PLAN_KEYS = ("interval_s", "every_s", "device", "point")


class LinkKind(StrEnum):
    """A line to Modbus devices."""

    TCP = "modbus-tcp"
    RTU = "modbus-rtu"


class DeviceKind(StrEnum):
    """How a device is asked."""

    MODBUS = "modbus"
    FILE = "file"
    EXEC = "exec"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Link:
    """A line: `host` and `port` of a TCP server, or a serial `path` with its settings."""

    name: str
    kind: LinkKind
    host: str
    port: int
    path: str
    baud: int
    parity: str
    stop_bits: int
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Device:
    """Something that can be asked for values by name; what does not belong to its kind is empty."""

    name: str
    kind: DeviceKind
    link: str = ""
    unit_id: int = 1
    map: RegisterMap | None = None
    path: Path | None = None
    command: tuple[str, ...] = ()
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Loop:
    """What 4 and 20 mA mean, in the channel's canonical unit."""

    at_4_ma: float
    at_20_ma: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """A counter of pulses that makes a total [m³]; more than `most_hz` in a second are none."""

    litres: float
    start_m3: float
    most_hz: float


@dataclass(frozen=True, slots=True)
class Point:
    """One channel and where it comes from; canonical value = number * factor + offset."""

    asset: AssetId
    spec: ChannelSpec
    device: str
    register: str
    unit: str | None
    scale: float
    every_s: float
    interval_s: float
    change: float | None  # None: only by interval
    loop: Loop | None
    pulse: Pulse | None

    @property
    def name(self) -> str:
        """Asset and channel, as `tower/level_m`."""
        return f"{self.asset}/{self.spec.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked how often."""

    devices: Mapping[str, Device]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of the outbox: how old and how many readings may wait before the oldest are thinned to one an hour."""

    days: float
    readings: int


@dataclass(frozen=True, slots=True)
class Modem:
    """The modem that ModemManager knows: the code that asks for the credit, and what of the answer is the amount."""

    ussd: str | None
    credit: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Installation:
    """The whole file. `remote_key` signs configuration from afar; None: none is accepted. `plan_print` changes with
    what the file says of its plan."""

    path: Path
    zone: ZoneId
    gateway: GatewayId
    mqtt: MqttSettings
    keepalive_s: int
    folder: Path
    links: Mapping[str, Link]
    plan: Plan
    plan_print: str
    bounds: Bounds
    has_rtc: bool
    modem: Modem | None
    remote_key: bytes | None


def load_installation(path: Path) -> Installation:
    """Read and check a gateway's file.

    Raises
    ------
    ConfigError : unreadable, not TOML, or a key is missing, unknown or out of bounds
    """
    top = Table(str(path), "", read_toml(path, ConfigError), what="gateway", error_type=ConfigError)
    links = {}
    if top.has("link"):
        table = top.table("link")
        links = {name: _link(table.table(name), name) for name in table.values}
        table.done()
    plan = _plan(top, links, path.parent, may_exec=True)
    found = Installation(
        path,
        ZoneId(top.text("zone", pattern=SLUG)),
        GatewayId(top.text("gateway", pattern=SLUG)),
        _mqtt(top, path.parent),
        top.whole("keepalive_s", 15, 3600, 240),
        path.parent / top.text("folder", "/var/lib/ndiyan-gateway"),
        links,
        plan,
        _print_of(top),
        _bounds(top),
        top.flag("rtc", default=False),
        _modem(top),
        _secret(top, "remote_key_file", path.parent) if top.has("remote_key_file") else None,
    )
    top.done()
    return found


def load_plan(path: Path, installation: Installation) -> Plan:
    """Read and check a plan that came from afar: it names lines of the installation and runs no programs."""
    top = Table(str(path), "", read_toml(path, ConfigError), what="gateway", error_type=ConfigError)
    plan = _plan(top, installation.links, installation.path.parent, may_exec=False)
    top.done()
    return plan


def _print_of(top: Table) -> str:
    plan = {key: top.values.get(key) for key in PLAN_KEYS}
    return hashlib.sha256(json.dumps(plan, sort_keys=True, default=str).encode()).hexdigest()


def _plan(top: Table, links: Mapping[str, Link], beside: Path, *, may_exec: bool) -> Plan:
    interval_s, every_s = top.number("interval_s", 0.1, 86_400, 300), top.number("every_s", 0.02, 3600, 10)
    devices: dict[str, Device] = {"system": Device("system", DeviceKind.SYSTEM)}
    for table in top.tables("device"):
        device = _device(table, links, beside, may_exec=may_exec)
        if device.name in devices:
            raise table.error("name", f"{device.name!r} stands twice")
        devices[device.name] = device
    points: dict[str, Point] = {}
    for table in top.tables("point"):
        point = _point(table, devices, interval_s, every_s)
        if point.name in points:
            raise table.error("channel", f"{point.name} stands twice")
        points[point.name] = point
    if not points:
        raise top.error("point", "is missing: nothing would be measured")
    return Plan(devices, tuple(points.values()))


def _link(table: Table, name: str) -> Link:
    kind = LinkKind(table.choice("kind", list(LinkKind)))
    host, port, path, baud, parity, stop_bits = "", 0, "", 0, "N", 1
    if kind is LinkKind.TCP:
        host, port = table.text("host"), table.whole("port", 1, 65_535, 502)
    else:
        path, baud = table.text("path"), table.whole("baud", 300, 921_600, 9600)
        parity, stop_bits = table.choice("parity", "NEO", "N"), table.whole("stop_bits", 1, 2, 1)
    link = Link(name, kind, host, port, path, baud, parity, stop_bits, table.number("timeout_s", 0.05, 30, 1.0))
    table.done()
    return link


def _device(table: Table, links: Mapping[str, Link], beside: Path, *, may_exec: bool) -> Device:
    name = table.text("name", pattern=WORD)
    kind = DeviceKind(table.choice("kind", [k for k in DeviceKind if k is not DeviceKind.SYSTEM], DeviceKind.MODBUS))
    if kind is not DeviceKind.MODBUS and not may_exec:
        raise table.error("kind", f"{kind} may only stand in the gateway's own file, not come from afar")
    timeout_s = table.number("timeout_s", 0.1, 60, 10) if kind is DeviceKind.EXEC else 10.0
    if kind is DeviceKind.FILE:
        device = Device(name, kind, path=beside / table.text("path"))
    elif kind is DeviceKind.EXEC:
        device = Device(name, kind, command=table.texts("command"), timeout_s=timeout_s)
    else:
        try:
            register_map = find_map(table.text("map"), beside)
        except ConfigError as error:
            raise table.error("map", str(error)) from error
        device = Device(
            name, kind, link=table.choice("link", links), unit_id=table.whole("unit_id", 0, 255, 1), map=register_map
        )
    table.done()
    return device


def _point(table: Table, devices: Mapping[str, Device], interval_s: float, every_s: float) -> Point:
    asset = table.text("asset")
    kind = kind_of_asset(asset)
    if kind is None or (kind is AssetKind.TAP and not TAP.fullmatch(asset)):
        raise table.error("asset", f"{asset!r} is no asset: {', '.join(AssetKind)} or tap-NN")
    spec = CHANNELS[kind][table.choice("channel", CHANNELS[kind])]
    device = devices[table.choice("device", devices)]
    register = table.text("register", "value" if device.kind is DeviceKind.FILE else None, pattern=WORD)
    loop, pulse = _loop(table), _pulse(table, spec)
    interval = table.number("interval_s", 0.1, 86_400, interval_s)
    every = table.number("every_s", 0.02, 3600, min(every_s, interval))
    if every > interval:
        raise table.error("every_s", f"{every:g} is above interval_s {interval:g}")
    unit = table.text("unit") if table.has("unit") else None
    point = Point(
        AssetId(asset), spec, device.name, register, unit, table.number("scale", -1e9, 1e9, 1.0), every, interval,
        _change(table, spec), loop, pulse,
    )  # fmt: skip
    table.done()
    if point.scale == 0:
        raise table.error("scale", "0 would make every value the same")
    _check_source(table, point, device)
    return point


def _check_source(table: Table, point: Point, device: Device) -> None:
    known = SYSTEM_REGISTERS if device.kind is DeviceKind.SYSTEM else device.map.registers if device.map else None
    if known is not None and point.register not in known:
        raise table.error("register", f"{point.register!r} is none of {', '.join(known)}")
    unit = point.unit
    if device.map is not None and unit is None:
        unit = device.map.registers[point.register].unit
    if point.pulse is not None:
        for key in ("scale", "loop"):
            if table.has(key):
                raise table.error(key, f"does not go with pulse of {point.name}: litres says what one pulse is")
    if point.loop is not None:
        if unit not in (None, LOOP_UNIT):
            raise table.error("loop", f"is for {LOOP_UNIT}, {point.register} is in {unit!r}")
    elif point.pulse is None and unit is not None and field_conversion(point.spec, unit) is None:
        raise table.error("unit", f"{unit!r} does not convert to {point.spec.unit!r} of {point.name}")


def _change(table: Table, spec: ChannelSpec) -> float | None:
    if table.has("change"):
        return table.number("change", 0, 1e9) or None
    if spec.is_counter or spec.unit not in USUAL_CHANGE:
        return None
    return BATTERY_CHANGE_V if spec.name == "battery_v" else USUAL_CHANGE[spec.unit]


def _loop(table: Table) -> Loop | None:
    if not table.has("loop"):
        return None
    inner = table.table("loop")
    loop = Loop(inner.number("at_4_ma", -1e6, 1e6), inner.number("at_20_ma", -1e6, 1e6))
    inner.done()
    if loop.at_4_ma == loop.at_20_ma:
        raise inner.error("at_20_ma", f"{loop.at_20_ma:g} is what 4 mA mean already")
    return loop


def _pulse(table: Table, spec: ChannelSpec) -> Pulse | None:
    if not table.has("pulse"):
        return None
    inner = table.table("pulse")
    pulse = Pulse(
        inner.number("litres", 0.001, 100_000), inner.number("start_m3", 0, 1e9, 0.0),
        inner.number("most_hz", 0.001, 10_000, 20.0),
    )  # fmt: skip
    inner.done()
    if not spec.is_counter:
        raise table.error("pulse", f"makes a total, and {spec.name} is none")
    return pulse


def _mqtt(top: Table, beside: Path) -> MqttSettings:
    url = top.text("mqtt")
    password = _secret(top, "mqtt_password_file", beside).decode() if top.has("mqtt_password_file") else None
    try:
        found = MqttSettings.from_url(url, password=password)
    except ValueError as error:
        raise top.error("mqtt", str(error)) from error
    files = {key: beside / file for key in ("tls_ca", *OWN) if (file := getattr(found, key))}
    for key, file in files.items():
        try:
            file.read_bytes()
        except OSError as error:
            raise top.error("mqtt", f"{key}: {file} cannot be read: {error.strerror or error}") from error
    places = {key: str(file) for key, file in files.items()}
    found = replace(
        found, tls_ca=places.get("tls_ca", found.tls_ca), tls_cert=places.get("tls_cert", ""),
        tls_key=places.get("tls_key", ""),
    )  # fmt: skip
    try:
        found.tls_context()
    except OSError as error:
        raise top.error("mqtt", f"{', '.join(places.values())}: {error}") from error
    return found


def _secret(top: Table, key: str, beside: Path) -> bytes:
    file = beside / top.text(key)
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise top.error(key, f"{file} cannot be read: {error.strerror or error}") from error
    if len(secret) < 8:
        raise top.error(key, f"{file} holds {len(secret)} bytes, at least 8 are needed")
    return secret


def _bounds(top: Table) -> Bounds:
    if not top.has("outbox"):
        return Bounds(90.0, 1_000_000)
    table = top.table("outbox")
    bounds = Bounds(table.number("days", 1, 3660, 90), table.whole("readings", 1000, 100_000_000, 1_000_000))
    table.done()
    return bounds


def _modem(top: Table) -> Modem | None:
    if not top.has("modem"):
        return None
    table = top.table("modem")
    ussd = table.text("ussd", pattern=re.compile(r"[*#0-9]{2,20}")) if table.has("ussd") else None
    text = table.text("credit", r"([0-9][0-9 .,]*)\s*(?:GNF|FG)")
    try:
        credit = re.compile(text)
    except re.error as error:
        raise table.error("credit", f"{text!r} is no regular expression: {error}") from error
    if credit.groups != 1:
        raise table.error("credit", f"{text!r} has {credit.groups} groups, one is the amount")
    table.done()
    return Modem(ussd, credit)
