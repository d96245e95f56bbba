"""What answers, live, for the person on the ladder: every device that a point asks, with units, or why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.drivers import Driver
from gateway.errors import DeviceSilent
from gateway.installation import Plan, Point
from gateway.maps import Value
from gateway.sampling import canonical, loop_value

WORDS = {
    "en": {"answers": "answers", "silent": "SILENT", "none": "no value", "unused": "(not used)"},
    "fr": {"answers": "répond", "silent": "MUET", "none": "pas de valeur", "unused": "(non utilisé)"},
}
UNIT_OF_COUNT = {"en": "pulses", "fr": "impulsions"}


def probe_lines(plan: Plan, drivers: Mapping[str, Driver], *, language: str) -> Iterator[str]:
    """A line for each device, and under it one for each register and point; a device is asked for all it has."""
    for name, driver in drivers.items():
        points = [point for point in plan.points if point.device == name]
        device = plan.devices[name]
        names = set(device.map.registers) if device.map is not None else {point.register for point in points}
        try:
            values = driver.read(names)
        except DeviceSilent as error:
            yield f"{name}: {WORDS[language]['silent']}: {error}"
            continue
        yield f"{name}: {WORDS[language]['answers']}"
        for register in sorted(names, key=list(device.map.registers).index) if device.map else sorted(names):
            users = [point for point in points if point.register == register]
            yield from _register_lines(register, values.get(register), users, language)


def _register_lines(name: str, value: Value | None, users: list[Point], language: str) -> Iterator[str]:
    words = WORDS[language]
    if value is None or value.number is None:
        why = "" if value is None or value.why is None else f": {value.why}"
        yield f"  {name:<18} {words['none']}{why}"
        return
    if not users:
        yield f"  {name:<18} {value.number:>12g} {value.unit:<8} {words['unused']}"
    for point in users:
        yield f"  {name:<18} {value.number:>12g} {value.unit:<8} → {point.name} {_means(point, value, language)}"


def _means(point: Point, value: Value, language: str) -> str:
    """A point's value in its canonical unit, or why it has none."""
    if point.pulse is not None:
        return f"{UNIT_OF_COUNT[language]} × {point.pulse.litres:g} L"
    number = value.number or 0.0
    found = canonical(point, value) if point.loop is None else loop_value(number * point.scale, point.loop)
    return found if isinstance(found, str) else f"{found:g} {point.spec.unit}"
