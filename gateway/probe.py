"""What answers, live, for the person on the ladder with a phone: each device that a point asks, or why it is silent.

Lines are at most 80 letters wide, so that a phone held sideways shows them whole.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from gateway.clock import Clock
from gateway.drivers import Driver
from gateway.errors import DeviceSilent
from gateway.installation import Device, Installation, Plan, Point
from gateway.maps import Value
from gateway.model import PumpState
from gateway.sampling import canonical, loop_value

WIDTH = 80
WORDS = {
    "en": {
        "answers": "answers in {ms:.0f} ms", "silent": "SILENT", "since": "since {time}, for {span}",
        "written": "written {span} ago", "none": "no value", "unused": "not used", "counts": "pulses of {litres:g} L",
        "more": "+ {count} registers that no point uses: --all",
    },
    "fr": {
        "answers": "répond en {ms:.0f} ms", "silent": "MUET", "since": "depuis {time}, soit {span}",
        "written": "écrit il y a {span}", "none": "pas de valeur", "unused": "non utilisé",
        "counts": "impulsions de {litres:g} L", "more": "+ {count} registres qu'aucun point n'utilise : --all",
    },
}  # fmt: skip
STATES: Mapping[float, str] = {
    PumpState.STOPPED_LOW_SUN: "arrêtée, peu de soleil",
    PumpState.RUNNING: "en marche",
    PumpState.STOPPED_TOWER_FULL: "arrêtée, château plein",
    PumpState.STOPPED_DRY: "arrêtée, à sec",
    PumpState.TRIPPED: "en défaut",
    PumpState.STARTING: "démarre",
    PumpState.STOPPED_BY_HAND: "arrêtée à la main",
}
# Why there is no value, as drivers and maps word it, in French.
REASONS = {
    r"(.*)no answer within (.*) s": r"\1pas de réponse en \2 s",
    r"(.*) cannot be opened": r"\1 ne s'ouvre pas",
    r"(.*) cannot be opened, another program has it or we may not": r"\1 ne s'ouvre pas : pris, ou interdit",
    r"(.*): refused with code (.*)": r"\1 : refusé, code \2",
    r"(.*): no end after (.*) s": r"\1 : pas de fin après \2 s",
    r"(.*): ended with (\d+): (.*)": r"\1 : terminé avec \2 : \3",
    r"(.*): No such file or directory": r"\1 : absent",
    r"(.*) mA: the sensor or its cable has failed \((.*)\)": r"\1 mA : le capteur ou son câble est en panne (\2)",
    r"(.*) mA is no measurement \(NAMUR NE43: (.*) to (.*)\)": r"\1 mA n'est pas une mesure (NAMUR NE43 : \2 à \3)",
    r"raw (.*) means: no value": r"le brut \1 veut dire : pas de valeur",
    r"code (.*): the device does not tell why": r"code \1 : l'appareil ne dit pas pourquoi",
    r"code (.*) is not in the map": r"le code \1 n'est pas dans la table de registres",
    r"(.*) is not within (.*)\.\.(.*)": r"\1 n'est pas entre \2 et \3",
    r"(.*) is not a number|not a number": "pas un nombre",
    r"unit (.*) does not convert to (.*)": r"l'unité \1 ne se convertit pas en \2",
    r"no modem is configured": "pas de modem dans gateway.toml",
    r"no USSD code is configured": "pas de code USSD dans gateway.toml",
    r"not asked yet": "pas encore demandé",
    r"no amount in (.*)": r"pas de montant dans \1",
    r"mmcli: no signal in (.*)": r"mmcli : pas de signal dans \1",
    r"mmcli: no network has a strength": "mmcli : aucun réseau ne dit sa force",
}


class Probe:
    """One look after another at the same devices; what was seen before tells what moves and what fell silent.

    Parameters
    ----------
    ticks_s : counts on whatever the clock does [s]
    shows_all : also what no point uses, for whoever looks for a register
    """

    def __init__(
        self, installation: Installation, plan: Plan, drivers: Mapping[str, Driver], *, clock: Clock,
        ticks_s: Callable[[], float], language: str, shows_all: bool,
    ) -> None:  # fmt: skip
        self.silent: set[str] = set()
        self._head = f"{installation.zone} {installation.gateway}"
        self._plan, self._drivers, self._clock, self._ticks_s = plan, drivers, clock, ticks_s
        self._words, self._is_french, self._shows_all = WORDS[language], language == "fr", shows_all
        english = {float(one): one.name.lower().replace("_", " ") for one in PumpState}
        self._states = STATES if self._is_french else english
        self._heard_at: dict[str, datetime] = {}
        self._counts: dict[str, float] = {}

    def look(self) -> Iterator[str]:
        """The time, then a line for each device, and under it one for each point; none is wider than `WIDTH`."""
        now = self._clock.now()
        yield f"{self._head}  {now:%Y-%m-%d %H:%M:%S} UTC"
        for name, driver in self._drivers.items():
            yield from self._device(name, self._plan.devices[name], driver, now)

    def close(self) -> None:
        """Let all lines go."""
        for driver in self._drivers.values():
            driver.close()

    def _device(self, name: str, device: Device, driver: Driver, now: datetime) -> Iterator[str]:
        points = [point for point in self._plan.points if point.device == name]
        used = [point.register for point in points]
        known = list(device.map.registers) if device.map is not None else sorted(used)
        others = [register for register in known if register not in used]
        begin_s = self._ticks_s()
        try:
            values = driver.read({*used, *(others if self._shows_all else ())})
        except DeviceSilent as error:
            self.silent.add(name)
            yield from self._fallen_silent(name, str(error), now)
            return
        self.silent.discard(name)
        self._heard_at[name] = now
        head = self._words["answers"].format(ms=1000 * (self._ticks_s() - begin_s))
        yield f"{name}: {head}{self._age_of(device, now)}"
        for point in sorted(points, key=lambda point: known.index(point.register)):
            yield from self._point(point, values.get(point.register))
        if self._shows_all:
            for register in others:
                yield from self._register(register, values.get(register))
        elif others:
            yield "  " + self._words["more"].format(count=len(others))

    def _fallen_silent(self, name: str, why: str, now: datetime) -> Iterator[str]:
        since = ""
        if (heard_at := self._heard_at.get(name)) is not None:
            since = " " + self._words["since"].format(time=f"{heard_at:%H:%M:%S}", span=_span(now - heard_at))
        yield f"{name}: {self._words['silent']}{since}"
        yield from self._wrapped(self._said(why))

    def _age_of(self, device: Device, now: datetime) -> str:
        """How old a file is: whoever should write it may have stopped."""
        if device.path is None:
            return ""
        written_s = device.path.stat().st_mtime
        return ", " + self._words["written"].format(span=_span(timedelta(seconds=max(0, now.timestamp() - written_s))))

    def _point(self, point: Point, value: Value | None) -> Iterator[str]:
        raw = "" if value is None or value.number is None or point.pulse else f"{_digits(value.number)} {value.unit}"
        found = self._means(point, value)
        if isinstance(found, str):
            yield f"  {point.name:<26} {self._words['none']}  {point.register} {raw}".rstrip()
            yield from self._wrapped(self._said(found))
            return
        number, unit = found
        yield f"  {point.name:<26} {number:>11} {unit:<18} {point.register:<10} {raw}".rstrip()[:WIDTH]

    def _means(self, point: Point, value: Value | None) -> tuple[str, str] | str:
        """A point's value and unit, or why it has none."""
        if value is None or value.number is None:
            return (value.why if value is not None else None) or ""
        if point.pulse is not None:
            return self._counted(point, value.number), self._words["counts"].format(litres=point.pulse.litres)
        scaled = value.number * point.scale
        found = canonical(point, value) if point.loop is None else loop_value(scaled, point.loop)
        if isinstance(found, str):
            return found
        if point.spec.name == "state_code":
            return f"{found:g}", self._states.get(found, "?")
        return _digits(found), point.spec.unit

    def _counted(self, point: Point, number: float) -> str:
        """What a counter shows, and what it moved on since the last look: open the tap, and see it turn."""
        before = self._counts.get(point.name, number)
        self._counts[point.name] = number
        return f"{number:.0f}" + (f" {number - before:+.0f}" if number != before else "")

    def _register(self, name: str, value: Value | None) -> Iterator[str]:
        if value is None or value.number is None:
            yield f"  {name:<26} {self._words['none']}"
            yield from self._wrapped(self._said("" if value is None else value.why or ""))
        else:
            yield f"  {name:<26} {_digits(value.number):>11} {value.unit:<8} ({self._words['unused']})"

    def _said(self, why: str) -> str:
        if self._is_french:
            for pattern, french in REASONS.items():
                if found := re.fullmatch(pattern, why):
                    return found.expand(french)
        return why

    def _wrapped(self, text: str) -> list[str]:
        return textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ")


def _digits(number: float) -> str:
    """Five digits, and never as 1.55e+06."""
    return f"{number:.0f}" if abs(number) >= 1e4 else f"{number:.5g}"


def _span(span: timedelta) -> str:
    """As `12 s`, `5 min`, `3 h` or `2 d`."""
    seconds = span.total_seconds()
    for letter, length, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{seconds / length:.0f} {letter}"
    return f"{seconds / 86_400:.0f} d"
