"""A simulated past: every declared channel at its interval, repeatable, with faults that sensors show."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gateway.model import Fault
from gateway.zones import Zone
from simulator.errors import SimulatorError
from simulator.faults import Broken
from simulator.history import STATE_FILE, HistoryBlock, boxes_off, load_state, simulate_history
from simulator.scenarios import Scenario, scenario_from_toml
from simulator.village import Village
from tests.simulator.days import CALM, DAWN, ZONES

Past = dict[tuple[str, str, str], np.ndarray]  # type: ignore[type-arg] # rows t_s and value


def past(folder: Path, hours: float, scenario: Scenario = CALM, *, zones: list[Zone] = ZONES[2:4]) -> Past:
    found: dict[tuple[str, str, str], list[HistoryBlock]] = {}
    end = DAWN + timedelta(hours=hours)
    for block in simulate_history(zones, start=DAWN, end=end, seed=1, scenario=scenario, folder=folder):
        found.setdefault((block.zone_id, block.asset, block.channel), []).append(block)
    return {
        key: np.array([np.concatenate([b.t_s for b in blocks]), np.concatenate([b.value for b in blocks])])
        for key, blocks in found.items()
    }


def test_history_has_every_declared_channel_each_five_minutes_and_repeats_itself(tmp_path: Path) -> None:
    first, again = past(tmp_path, 26), past(tmp_path, 26)
    declared = {(z.zone_id, a.asset_id, c.name) for z in ZONES[2:4] for a in z.assets for c in a.channels}
    assert set(first) == declared
    for key, rows in first.items():
        np.testing.assert_array_equal(rows, again[key])
        if key[1] == "weather":
            mornings = [datetime.fromtimestamp(t_s, UTC) for t_s in rows[0].tolist()]
            assert [(at.hour, at.minute) for at in mornings] == [(7, 0)] * 2, "a gauge is read in the morning"
            continue
        assert 26 * 12 - 10 <= rows.shape[1] <= 26 * 12, "a loose contact costs one in a hundred"
        assert (np.diff(rows[0]) % 300 == 0).all()
        assert rows[0][0] == (DAWN + timedelta(minutes=5)).timestamp()
    assert sum(rows.shape[1] == 26 * 12 for rows in first.values()) > 0.9 * len(first)
    for (_, _, channel), rows in first.items():
        if channel in ("volume_m3", "outflow_volume_m3", "uptime_s"):
            assert (np.diff(rows[1]) >= 0).all(), "a counter never goes back"
    for zone in ("zone-3", "zone-4"):
        level = first[zone, "tower", "level_m"][1]
        longest = max(len(run) for run in "".join("x" if d == 0 else " " for d in np.diff(level)).split(" "))
        assert longest < 36, "a level whose water moves does not stand still for three hours"


def test_each_asset_has_the_interval_of_its_zone_file(tmp_path: Path) -> None:
    intervals = {"tower": 60.0, "network": 90.0, "gateway": 3600.0}
    zone = replace(
        ZONES[3],
        assets=tuple(replace(a, interval_s=intervals.get(a.asset_id, a.interval_s)) for a in ZONES[3].assets),
    )
    found = past(tmp_path, 6, zones=[ZONES[2], zone])
    counts = {asset: found["zone-4", asset, channel].shape[1] for asset, channel in (
        ("tower", "level_m"), ("network", "pressure_bar"), ("gateway", "battery_v"), ("pump", "power_w"),
    )}  # fmt: skip
    assert counts == {"tower": 360, "network": 240, "gateway": 6, "pump": 72}
    assert found["zone-3", "tower", "level_m"].shape[1] == 72


def test_channels_have_noise_of_their_own(tmp_path: Path) -> None:
    found = past(tmp_path, 26)
    noise = {}
    for zone in ("zone-3", "zone-4"):
        for asset, channel in (("gateway", "signal_dbm"), ("quality", "conductivity_us_cm")):
            if (zone, asset, channel) in found:
                noise[zone, channel] = found[zone, asset, channel][1] - found[zone, asset, channel][1].mean()
    assert len(noise) >= 3
    series = list(noise.values())
    for n, one in enumerate(series):
        for other in series[n + 1 :]:
            assert abs(np.corrcoef(one, other)[0, 1]) < 0.3


def test_a_frozen_level_and_a_silent_box_show_in_the_history(tmp_path: Path) -> None:
    text = """
says = "two small troubles"
[[fault]]
zone = "zone-3"
fault = "sensor_stuck"
minutes = -300
hours = 4
[[fault]]
zone = "zone-4"
fault = "comms_outage"
minutes = -300
hours = 2
"""
    calm, found = past(tmp_path, 10), past(tmp_path, 10, scenario_from_toml(text, "two.toml"))
    end_s = (DAWN + timedelta(hours=10)).timestamp()
    level = found["zone-3", "tower", "level_m"]
    stuck = (level[0] >= end_s - 18_000) & (level[0] < end_s - 3600)
    assert len(set(level[1][stuck])) == 1
    assert len(set(level[1][~stuck])) > 5
    assert np.diff(found["zone-4", "pump", "power_w"][0]).max() == 7500, "two hours and a round without a reading"
    for key, rows in calm.items():
        if key[0] == "zone-3" and key[1:] != ("tower", "level_m"):
            np.testing.assert_array_equal(rows, found[key])


def test_a_fault_of_every_zone_breaks_in_the_past_of_each(tmp_path: Path) -> None:
    text = 'says = "a"\n[[fault]]\nzone = "every"\nfault = "comms_outage"\nminutes = -300\nhours = 2'
    found = past(tmp_path, 10, scenario_from_toml(text, "every.toml"))
    gaps = {key[0]: np.diff(rows[0]).max() for key, rows in found.items() if key[1:] == ("pump", "power_w")}
    assert gaps == {"zone-3": 7500, "zone-4": 7500}


def test_a_zone_that_joins_starts_afresh_and_leaves_the_others_their_counters(tmp_path: Path) -> None:
    found = past(tmp_path, 8)
    saved = load_state(tmp_path)
    assert saved is not None
    village = Village(ZONES[1:4], seed=1)  # zone-2 is new, the numbers of the others have changed
    state, fresh = saved.state_of(village), village.first_state()
    assert state.pumped_m3[0] == fresh.pumped_m3[0]
    for at, zone in ((1, "zone-3"), (2, "zone-4")):
        assert state.meter_in_m3[at] == pytest.approx(found[zone, "pump", "volume_m3"][1][-1], abs=0.01)
        shown = state.tap_m3[at, 4] * village.tap_factor[at, 4]
        assert shown == pytest.approx(found[zone, "tap-05", "volume_m3"][1][-1], abs=0.001)
        assert state.pumped_m3[at] > fresh.pumped_m3[at]


@pytest.mark.parametrize("text", ["{", '{"t_s": 1}', "[]"])
def test_a_state_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    assert load_state(tmp_path) is None
    (tmp_path / STATE_FILE).write_text(text)
    with pytest.raises(SimulatorError, match=r"zones\.json: is not a state of this version"):
        load_state(tmp_path)


@pytest.mark.parametrize("offset_h", [-2.0, 2.0], ids=["over before", "yet to come"])
def test_an_outage_of_another_time_takes_no_box_away(offset_h: float) -> None:
    village, begin_s = Village(ZONES[:2], seed=1), DAWN.timestamp()
    start_s = begin_s + offset_h * 3600
    outage = Broken(ZONES[0].zone_id, Fault.COMMS_OUTAGE, "L", start_s, start_s + 3600)
    t_s = begin_s + 60.0 * np.arange(30)
    assert not boxes_off([outage], village, t_s).any()
    during = boxes_off([outage], village, t_s - begin_s + start_s)
    assert (during[:, 0].all(), during[:, 1].any()) == (True, False)
