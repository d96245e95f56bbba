"""Scenarios: a wrong file names file, key, value and bound; the demo's story is about real zones."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import Fault
from simulator.errors import ScenarioError
from simulator.scenarios import load_scenario, scenario_from_toml
from tests.simulator.days import ZONES

LEAK = 'says = "a"\n[[fault]]\nzone = "z"\nfault = "tower_leak"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("says = 3", r"x\.toml: says: 3 is not a sentence"),
        ('says = "a"\ncolour = 1', r"x\.toml: colour: is not a key here; known are clear_from_start, fault, says"),
        ('says = "a"\nclear_from_start = 1', r"x\.toml: clear_from_start: 1 is neither true nor false"),
        ('says = "a"\n[[fault]]\nzone = "z"\nfault = "ghost"', r"x\.toml: fault\[0\]\.fault: 'ghost' is none of"),
        ('says = "a"\n[[fault]]\nfault = "tower_leak"', r"x\.toml: fault\[0\]\.zone: None is not a zone's id"),
        (LEAK + "hours = 0", r"fault\[0\]\.hours: 0 is not within 0\.1\.\."),
        (LEAK + "days = -500", r"fault\[0\]\.days: -500 is not within -400\.\.400"),
        (LEAK + "minutes = true", r"fault\[0\]\.minutes: True is not a number"),
        (LEAK + 'size = "XL"', r"fault\[0\]\.size: 'XL' is none of S, M, L"),
        ("says =", r"x\.toml: is not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_scenario_names_file_key_value_and_bound(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        scenario_from_toml(text, "x.toml")


def test_an_unknown_scenario_is_told_which_there_are() -> None:
    with pytest.raises(ScenarioError, match="scenario 'none' is none of demo"):
        load_scenario("none")


def test_the_demos_story_names_real_zones_and_its_past_is_over() -> None:
    start = datetime(2026, 3, 4, 10, 40, tzinfo=UTC)
    demo = load_scenario("demo")
    assert {fault.zone for fault in demo.faults} <= {zone.zone_id for zone in ZONES}
    assert demo.clear_from_start
    ends = [fault.broken(start).end_s for fault in demo.past_faults]
    assert all(end_s is not None and end_s < start.timestamp() for end_s in ends)
    (live,) = demo.live_faults
    assert (live.zone, live.fault, live.lasts) == ("zone-3", Fault.PUMP_NOT_RUNNING, None)
    assert live.broken(start).start_s == (start + timedelta(minutes=3)).timestamp()
