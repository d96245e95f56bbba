"""The drivers of an installation's devices."""

from __future__ import annotations

from gateway.drivers import Driver, ExecDriver, FileDriver
from gateway.health import SystemDriver
from gateway.installation import DeviceKind, Installation, Plan
from gateway.modbus import Line, ModbusDriver


def open_drivers(installation: Installation, plan: Plan) -> dict[str, Driver]:
    """A driver for each device that a point asks, by name; devices on one link share it. Nothing is sent yet."""
    lines: dict[str, Line] = {}
    found: dict[str, Driver] = {}
    used = {point.device for point in plan.points}
    for name, device in plan.devices.items():
        if name not in used:
            continue
        if device.kind is DeviceKind.SYSTEM:
            found[name] = SystemDriver(installation.modem)
        elif device.path is not None:
            found[name] = FileDriver(device.path)
        elif device.map is None:
            found[name] = ExecDriver(device.command, device.timeout_s)
        else:
            line = lines.setdefault(device.link, Line(installation.links[device.link]))
            found[name] = ModbusDriver(line, device.unit_id, device.map)
    return found
