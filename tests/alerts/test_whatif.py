"""What people may change of a rule, and what a change would have done before it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.backtest import PastAlert, count_sms
from alerts.detectors import DETECTORS
from alerts.errors import SettingRefused
from alerts.model import RULES, Evidence, Verdict
from alerts.parameters import DEFAULTS, PARAMETERS, Setting, Settings, parameter_of
from alerts.scene import DAY_S, STEP_S, Grid
from alerts.settings import change, fetch_settings
from alerts.trials import ask, find_trial, recent_trials, run
from alerts.whatif import Said, try_change
from gateway.clock import ManualClock
from gateway.model import Fault, State
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from tests.alerts.windows import scene, sites_with
from tests.web.web_seed import seed_readings

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DELAY = "pump_not_running.on_delay_min"


def setting(value: float | None, zone: str | None = None, name: str = DELAY) -> Setting:
    return Setting(name, zone, value, "Awa", NOON, "essai")


def test_a_zones_own_value_stands_above_that_of_all_zones_and_that_above_the_default() -> None:
    settings = Settings([setting(90.0), setting(120.0, "zone-2"), setting(None, "zone-3")])
    assert [settings.of(DELAY, zone) for zone in ("zone-1", "zone-2", "zone-3")] == [90.0, 120.0, 90.0]
    assert DEFAULTS.of(DELAY, "zone-1") == 60.0
    assert settings.rule(Fault.PUMP_NOT_RUNNING, "zone-2").on_delay == timedelta(hours=2)
    assert settings.rule(Fault.NIGHT_LEAK, "zone-2") == RULES[Fault.NIGHT_LEAK]
    assert settings.told_with(Fault.PUMP_NOT_RUNNING, "zone-2") == {"on_delay_min": 120.0}
    assert settings.told_with(Fault.INVERTER_TRIP, "zone-2") == {}


def test_detectors_read_what_was_changed_and_nothing_else() -> None:
    settings = Settings([setting(10.0, "zone-2", "tower_empty.level_pct"), setting(90.0)])
    (found,) = settings.overrides(["zone-1", "zone-2"]).items()
    assert found[0] == "tower_empty.level_pct"
    assert found[1].tolist() == [[15.0], [10.0]]
    assert DEFAULTS.overrides(["zone-1"]) == {}


def test_a_trial_for_all_zones_takes_the_place_of_each_zones_own_value() -> None:
    settings = Settings([setting(120.0, "zone-2"), setting(20.0, "zone-2", "tower_empty.level_pct")])
    tried = settings.changed(DELAY, None, 30.0)
    assert (tried.of(DELAY, "zone-2"), tried.of("tower_empty.level_pct", "zone-2")) == (30.0, 20.0)
    assert settings.changed(DELAY, "zone-1", 30.0).of(DELAY, "zone-2") == 120.0


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_default_lies_within_its_bounds_and_every_fault_has_a_rule(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter.check(parameter.default) == parameter.default
    assert parameter.fault in RULES
    assert parameter.unit


def test_a_wrong_value_is_named_with_its_bound() -> None:
    with pytest.raises(SettingRefused, match=r"pump_not_running.on_delay_min: 5.0 is not within 10 and 360 min"):
        parameter_of(DELAY).check(5.0)
    with pytest.raises(SettingRefused, match="none of"):
        parameter_of("pump_not_running.colour")
    with pytest.raises(SettingRefused, match="not within"):
        parameter_of(DELAY).check(float("nan"))


def day_of(zones: Sequence[Zone], *, stops: Sequence[tuple[float, float]]) -> Grid:
    """Two sunny days of one zone; the pump stands between these hours of the first, the tower always has room."""
    t_s = NOON.timestamp() // DAY_S * DAY_S + STEP_S * np.arange(576)
    hour = (t_s - t_s[0]) / 3600
    sun = 900 * np.clip(np.sin(np.pi * (hour % 24 - 6.5) / 12), 0, None)
    power = np.where(sun > 250, sun, 4.0)
    for start, end in stops:
        power[(hour >= start) & (hour < end)] = 4.0
    noise = np.random.default_rng(7).normal(0, 1, (5, 576))  # a sensor without any is one that hangs
    values = {
        ("pv", "irradiance_w_m2"): np.where(sun > 0, np.maximum(0, sun + 4 * noise[0]), 0.0),
        ("pump", "power_w"): np.where(power > 200, power + 4 * noise[1], power),
        ("pump", "flow_m3_h"): np.where(power > 200, 3.0 + 0.05 * noise[2], 0.0),
        ("tower", "level_m"): 1.2 + 0.01 * noise[3],
        ("tower", "outflow_m3_h"): 1.0 + 0.05 * noise[4],
    }
    return Grid(sites_with(zones, values), t_s[0], STEP_S, 576, {key: value[None, :] for key, value in values.items()})


def test_a_longer_delay_spares_the_short_stop_and_its_sms_and_keeps_the_long_one(zones: list[Zone]) -> None:
    # 100 minutes before noon that people called false, four hours after it that they called true.
    zone = zones[2]
    midnight = NOON.replace(hour=0)
    hour = timedelta(hours=1)
    said = [
        Said("zone-3", "pump_not_running", "pump", midnight + 9.5 * hour, midnight + 11 * hour, False),
        Said("zone-3", "pump_not_running", "pump", midnight + 13 * hour, midnight + 17 * hour, True),
    ]
    found = try_change(
        [zone], lambda some: day_of(some, stops=[(9, 10 + 40 / 60), (12.5, 16.5)]), name=DELAY, before=DEFAULTS,
        after=DEFAULTS.changed(DELAY, None, 150.0), said=said, price_gnf=150.0,
    )  # fmt: skip
    before, after = found.before, found.after
    assert (before.alerts, before.true, before.false, before.unsaid, before.missed) == (2, 1, 1, 0, 0)
    assert (after.alerts, after.true, after.false, after.unsaid, after.missed) == (1, 1, 0, 0, 0)
    assert after.sms < before.sms
    assert before.price_gnf == 150.0 * before.sms
    (gone,) = found.differences
    assert (gone.is_new, gone.is_true, gone.opened_at.hour) == (False, False, 10)
    too_long = try_change(
        [zone], lambda some: day_of(some, stops=[(12.5, 16.5)]), name=DELAY, before=DEFAULTS,
        after=DEFAULTS.changed(DELAY, None, 300.0), said=said, price_gnf=150.0,
    ).after  # fmt: skip
    assert (too_long.alerts, too_long.missed) == (0, 1), "what was right would be missed"


@pytest.mark.db
def test_settings_keep_who_when_and_why_and_can_be_undone(
    database_url: str, zones: list[Zone], clock: ManualClock
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones)
        now = clock.now()
        change(connection, DELAY, zone=None, value=90.0, who="Awa", why="groupe lent", now=now)
        change(connection, DELAY, zone="zone-2", value=120.0, who="Awa", why="nuages", now=now)
        assert {(one.zone_id, one.value, one.why) for one in fetch_settings(connection)} == {
            (None, 90.0, "groupe lent"), ("zone-2", 120.0, "nuages"),
        }  # fmt: skip
        change(connection, DELAY, zone="zone-2", value=None, who="Binta", why="réparé", now=now)
        assert Settings(fetch_settings(connection)).of(DELAY, "zone-2") == 90.0
        with pytest.raises(SettingRefused, match="a reason is needed"):
            change(connection, DELAY, zone=None, value=90.0, who="Awa", why=" ", now=now)
        assert connection.execute("SELECT count(*) FROM rule_setting").fetchone() == (3,), "nothing is overwritten"


@pytest.mark.db
def test_a_trial_runs_over_the_database_and_is_kept(database_url: str, zones: list[Zone], clock: ManualClock) -> None:
    now = clock.now().replace(hour=18)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        seed_readings(connection, zones[2], now=now, days=8, pump_stops_at=now - timedelta(hours=7))
        for wrong in ({"value": 5.0}, {"zone": "zone-99"}, {"days": 3}):
            with pytest.raises(SettingRefused):
                ask(connection, DELAY, **({"value": 30.0, "zone": None, "who": "Awa", "now": now} | wrong))  # type: ignore[arg-type]
        number = ask(connection, DELAY, value=300.0, zone="zone-3", who="Awa", now=now, days=7)
        waiting = find_trial(connection, number)
        assert waiting is not None
        assert (waiting.is_over, waiting.done, waiting.total) == (False, 0, 1)
        run(database_url, number, price_gnf=150)
        trial = find_trial(connection, number)
        assert trial is not None
        assert trial.error is None
        assert trial.result is not None
        assert (trial.is_over, trial.done) == (True, 1)
        assert trial.result["before"]["alerts"] >= 1
        assert recent_trials(connection, DELAY) == [trial]
        assert find_trial(connection, 99) is None


@pytest.mark.db
def test_a_trial_that_nobody_works_on_any_more_says_so(
    database_url: str, zones: list[Zone], clock: ManualClock
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones)
        number = ask(connection, DELAY, value=300.0, zone="zone-3", who="Awa", now=clock.now())
        connection.execute("UPDATE rule_trial SET beat_at = now() - interval '11 minutes'")
        trial = find_trial(connection, number)
        assert trial is not None
        assert (trial.is_interrupted, trial.is_over) == (True, True)


@pytest.mark.parametrize(
    ("name", "asset", "channel", "reading", "value", "threshold"),
    [
        pytest.param("tower_empty.level_pct", "tower", "level_m", 0.5, 20.0, 0.6, id="half-a-metre-of-three"),
        pytest.param("low_chlorine.limit_mg_l", "quality", "free_chlorine_mg_l", 0.3, 0.4, 0.4, id="wants-more"),
        pytest.param("turbidity_high.limit_ntu", "quality", "turbidity_ntu", 3.0, 2.0, 2.0, id="a-clearer-well"),
    ],
)
def test_a_detector_judges_by_what_was_set_and_stores_it(
    name: str, asset: str, channel: str, reading: float, value: float, threshold: float
) -> None:
    calm = scene(3, **{f"{asset}__{channel}": reading})
    fault = PARAMETERS[name].fault
    tried = replace(calm, overrides=Settings([setting(value, name=name)]).overrides(["zone-1"]))
    before, after = (
        next(
            signal.condition(0)
            for detector in DETECTORS
            if fault in detector.faults
            for signal in detector.judge(seen)
            if signal.fault is fault
        )
        for seen in (calm, tried)
    )
    assert (before.verdict == Verdict.PRESENT).sum() == 0
    present = np.flatnonzero(after.verdict == Verdict.PRESENT)
    assert len(present) > 24
    assert list(after.describe(present[0], present[-1]).thresholds.values()) == [pytest.approx(threshold)]


def test_states_that_explain_may_be_changed_too() -> None:
    assert PARAMETERS["tower_empty.on_delay_min"].fault is State.TOWER_EMPTY


@pytest.mark.parametrize(
    ("hours", "kinds"),
    [
        # 9:00 told, taken in charge twenty minutes later; the reminder of the next day, if it is still so by then.
        pytest.param(20, 2, id="over-the-same-day"),
        pytest.param(24.3, 2, id="just-before-the-reminder"),
        pytest.param(24.4, 3, id="one-reminder"),
        pytest.param(72, 4, id="two"),
    ],
)
def test_the_reminder_of_what_lasts_is_paid_for_in_a_backtest_too(zones: list[Zone], hours: float, kinds: int) -> None:
    opened = NOON.replace(hour=9)
    alert = PastAlert(
        "zone-3", Fault.PUMP_NOT_RUNNING, "pump", 3, opened, opened + timedelta(hours=hours), opened,
        Evidence("", "", {}, {}, (), 0.9), None,
    )  # fmt: skip
    count_sms(zones[2], [alert])
    assert alert.sms_count == kinds, "opened, reminders, resolved"
