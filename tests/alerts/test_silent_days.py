"""Days that must stay silent: all detectors look at whole weeks, and nobody is told of anything broken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.days import days_of
from alerts.detectors import DETECTORS, Scene, features_of, signals_of
from alerts.lifecycle import Opening, transitions
from alerts.scene import Mask
from gateway.model import Fault, PumpState
from tests.alerts.toy import Array, Toy, ramp, step
from tests.alerts.windows import scene

DAY_S, HOUR_S = 86_400.0, 3600.0
FAST = datetime(2026, 2, 10, tzinfo=UTC)  # Ramadan began eight days later, Korité was on 20 March
KORITE = datetime(2026, 3, 11, tzinfo=UTC)


def clear(t: Array) -> Array:
    """A clear day's sun, by seconds since midnight [W/m²]."""
    return np.asarray(900 * np.maximum(np.sin((t % DAY_S / HOUR_S - 6.7) / 12 * np.pi), 0.0))


def told(of: Scene) -> list[tuple[str, str, str]]:
    """Faults that somebody would hear of, when, and why."""
    found = []
    for signal in signals_of(of, DETECTORS):
        for opening in transitions(signal.condition(0), []):
            if isinstance(opening, Opening) and isinstance(signal.fault, Fault):
                evidence = opening.condition.describe(opening.first, opening.last)
                found.append((str(signal.fault), f"{opening.confirmed_at:%d %H:%M}", evidence.sentence_en))
    return found


def changed(of: Scene, change: Callable[[Array, Array], Array]) -> Scene:
    """The same with other readings: `change` gets days since the start and the values of each channel."""
    day = (of.grid.t_s - of.grid.start_s) / DAY_S
    raw = {channel: change(day, values) for channel, values in of.grid.raw.items()}
    grid = replace(of.grid, raw=raw, _cache={})
    return Scene(grid, days_of(grid, features_of(grid.sites)))


def storm() -> Scene:
    """At two in the afternoon the sky goes black for two hours, the mast is down for one of them, and it pours.

    The rain washes three weeks' dust off panels, and in the next days the well stands half a metre higher.
    """
    at = 16 + 14 / 24

    def black(day: Array) -> Array:
        return np.where((day >= at) & (day < at + 2 / 24), 0.93, 0.0)

    def dust(day: Array) -> Array:
        return np.where(day < at, 0.003 * day, 0.004)

    lived = Toy(days=21, haze=black, dust=dust, rest_m=ramp(at, 21.5, within=2, before=22.0), clouds=(15, 17)).scene()
    return changed(lived, lambda day, values: np.where((day > at + 0.5 / 24) & (day < at + 1.5 / 24), np.nan, values))


def days_of_people(first: datetime, busy: Callable[[Array], Array]) -> Scene:
    """Eleven days on which people draw 2 m³/h from 6 to 20 h, `busy` times as much, and pressures give way to it."""

    def drawn(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        return np.where((hour >= 6) & (hour < 20), 2.0, 0.0) * busy(t)

    def came(t: Array) -> Array:
        """From 7 to 17 h the pump brings what the day takes."""
        hour = t % DAY_S / HOUR_S
        takes_m3 = np.repeat(drawn(t).reshape(-1, 288).sum(axis=1) / 12, 288)
        return np.where((hour >= 7) & (hour < 17), takes_m3 / 10, 0.0)

    def level(t: Array) -> Array:
        return 1.8 + np.cumsum(came(t) - drawn(t)) / 12 * 3 / 20

    return scene(
        24 * 11, first, tower__outflow_m3_h=drawn, tower__level_m=level, pump__flow_m3_h=came,
        network__pressure_bar=lambda t: (12 + level(t)) / 10.2 - 0.02 * drawn(t) ** 2,
        pump__power_w=lambda t: np.where(came(t) > 0, 1000.0, 2.0), pv__irradiance_w_m2=None,
        borehole__water_depth_m=None,
    )  # fmt: skip


def feast() -> Scene:
    """On Korité everybody draws 1.7 times as much from eight to twelve."""
    return days_of_people(
        KORITE, lambda t: np.where((t >= 9 * DAY_S + 8 * HOUR_S) & (t < 9 * DAY_S + 12 * HOUR_S), 1.7, 1.0)
    )


def fast() -> Scene:
    """From the first evening of Ramadan on the village draws when the sun is down."""

    def busy(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        return np.where(t < 8 * DAY_S, 1.0, np.where(hour >= 18, 1.8, 0.6))

    return days_of_people(FAST, busy)


def washing() -> Scene:
    """At half past six the exploitant stops the pump, drains the tower and washes it until half past eight."""

    def washed(t: Array) -> Mask:
        return (t % DAY_S >= 6.5 * HOUR_S) & (t % DAY_S < 8.5 * HOUR_S) & (t >= 5 * DAY_S) & (t < 6 * DAY_S)

    def level(t: Array) -> Array:
        since_h = (t - 5 * DAY_S) / HOUR_S - 6.5
        falls = np.maximum(2.0 - 2.6 * since_h, 0.0)
        rises = 3 * 3 / 20 * (since_h - 2)  # 3 m³/h more come than people draw
        full = np.where(since_h >= 6, rises[np.searchsorted(since_h, 6.0)], 2.0)
        return np.where(washed(t), falls, np.where((since_h >= 2) & (since_h < 6), rises, full))

    def runs(t: Array) -> Mask:
        return np.asarray((clear(t) > 250) & ~washed(t))

    def refills(t: Array) -> Mask:
        return (t >= 5 * DAY_S + 8.5 * HOUR_S) & (t < 5 * DAY_S + 12.5 * HOUR_S)

    def drawn(t: Array) -> Array:
        return np.where(runs(t), np.where(refills(t), 1.0, 2.0 + 0.3 * np.sin(t / 900)), 0.0)

    def flow(t: Array) -> Array:
        return np.where(runs(t) & refills(t), 4.0, drawn(t))

    return scene(
        24 * 8, FAST, pv__irradiance_w_m2=clear, pump__power_w=lambda t: np.where(runs(t), 1000.0, 2.0),
        pump__flow_m3_h=flow, tower__level_m=level, tower__outflow_m3_h=drawn, borehole__water_depth_m=None,
    )  # fmt: skip


def full_all_day() -> Scene:
    """A day on which nobody draws: the float has stopped the pump in the morning, and good sun falls on idle panels."""
    return scene(
        12, tower__level_m=2.95, tower__outflow_m3_h=0.0, pump__flow_m3_h=0.0, pump__power_w=2.0,
        pv__irradiance_w_m2=lambda t: clear(t + 8 * HOUR_S),
        pump__state_code=float(PumpState.STOPPED_TOWER_FULL), borehole__water_depth_m=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "day",
    [
        pytest.param(storm, id="storm"),
        pytest.param(lambda: Toy(haze=step(11, 0.3)).scene(), id="harmattan"),
        pytest.param(feast, id="feast"),
        pytest.param(fast, id="fast"),
        pytest.param(washing, id="washing"),
        pytest.param(lambda: Toy(days=16, is_off=step(14.4, 1.0, until=14.4 + 38 / 1440)).scene(), id="planned-stop"),
        pytest.param(full_all_day, id="tower-full-all-day"),
    ],
)
def test_a_day_that_must_stay_silent(day: Callable[[], Scene]) -> None:
    assert told(day()) == []


def test_the_same_eyes_see_what_breaks_in_a_storm() -> None:
    """Lightning takes two of three strings with it: so much for silence."""
    at = 16 + 14 / 24
    struck = Toy(days=19, strings=step(at, 2.0)).scene()
    assert {fault for fault, _, _ in told(struck)} == {"pv_string_loss"}
