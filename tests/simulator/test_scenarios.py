"""Scenarios: stories that can be told, and a wrong file that names file, key, value and bound."""

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gateway.model import Fault
from simulator.campaign import places_in
from simulator.errors import ScenarioError
from simulator.faults import CATALOGUE
from simulator.labels import Witness
from simulator.network import Trouble
from simulator.scenarios import load_scenario, scenario_from_toml, scenario_names
from tests.simulator.days import ZONES

LEAK = 'says = "a"\n[[fault]]\nzone = "z"\nfault = "tower_leak"\n'
NETWORK = 'says = "a"\n[network]\n'
EVENT = 'says = "a"\nstart = 2026-03-01\n[[network.event]]\n'
CAMPAIGN = 'says = "a"\n[campaign]\n'
JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("says = 3", r"x\.toml: says: 3 is not a sentence"),
        ('says = "a"\ncolour = 1', r"x\.toml: colour: is not a key here; known are campaign, committee, days, fault, "),
        ('says = "a"\n[weather]\nsky = "blue"', r"x\.toml: weather\.sky: 'blue' is none of clear, season"),
        ('says = "a"\nstart = "2026-03-01"', r"x\.toml: start: 2026-03-01 is not a date like"),
        ('says = "a"\nstart = 9999-12-31', r"x\.toml: start: 9999-12-31 is not within 1970-01-01\.\.2199-12-31"),
        ('says = "a"\ndays = 0', r"x\.toml: days: 0 is not within 1\.\.3660"),
        ('says = "a"\n[[fault]]\nzone = "z"\nfault = "ghost"', r"x\.toml: fault\[0\]\.fault: 'ghost' is none of"),
        ('says = "a"\n[[fault]]\nfault = "tower_leak"', r"x\.toml: fault\[0\]\.zone: None is not a zone's id"),
        (LEAK + "hours = 0", r"fault\[0\]\.hours: 0 is not within 0\.1\.\."),
        (LEAK + "days = -500", r"fault\[0\]\.days: -500 is not within -400\.\.400"),
        (LEAK + "minutes = true", r"fault\[0\]\.minutes: True is not a number"),
        (LEAK + "at = 10:00:00", r"fault\[0\]\.at: tells nothing in a file without start"),
        (LEAK + 'size = "XL"', r"fault\[0\]\.size: 'XL' is none of L, M, S"),
        (LEAK + 'place = "pump"', r"fault\[0\]\.place: 'pump' is none of tower"),
        (NETWORK + "gaps_per_day = 500", r"x\.toml: network\.gaps_per_day: 500 is not within 0\.\.200"),
        (NETWORK + "gap_minutes = 5", r"network\.gap_minutes: 5 is not a pair \[least, greatest\]"),
        (NETWORK + "gap_minutes = [9, 5]", r"network\.gap_minutes: 9 is above 5"),
        (NETWORK + "lost = 0.4\ntwice = 0.4\novertaken = 0.4", r"network\.lost: twice, overtaken and lost together"),
        (EVENT + 'what = "rain"', r"network\.event\[0\]\.what: 'rain' is none of broker_restart, clock_1970"),
        (EVENT + 'what = "clock_jump"', r"network\.event\[0\]\.seconds: None is not a number"),
        (EVENT + 'what = "broker_restart"\nzone = "z"', r"event\[0\]\.zone: 'z' has no broker of its own"),
        (EVENT + 'what = "reboot"\nat = 10:00:00\nminutes = 4', r"event\[0\]\.at: stands beside minutes"),
        (EVENT + 'what = "reboot"\nat = 10:00:00\ndays = 0.5', r"event\[0\]\.days: 0\.5 is not a whole number"),
        ('says = "a"\n[committee]\nanswers = 2', r"x\.toml: committee\.answers: 2 is not within 0\.\.1"),
        ('says = "a"\ncommittee = 2', r"x\.toml: committee: 2 is not a table"),
        (CAMPAIGN, r"x\.toml: campaign\.per_zone_year: None is not a number"),
        (CAMPAIGN + "per_zone_year = 100", r"campaign\.per_zone_year: 100 faults that take 6\.25 days"),
        (CAMPAIGN + 'per_zone_year = 1\nfaults = ["ghost"]', r"campaign\.faults: 'ghost' is none of"),
        (CAMPAIGN + "per_zone_year = 1\nsizes = []", r"campaign\.sizes: \[\] is not a list of different words"),
        ("says =", r"x\.toml: is not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_scenario_names_file_key_value_and_bound(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        scenario_from_toml(text, "x.toml")


def test_an_unknown_scenario_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"scenario 'none' is none of august-overcast, campaign, .*, worst-network"):
        load_scenario("none")
    with pytest.raises(ScenarioError, match=r"mine\.toml: cannot be read: .*No such file"):
        load_scenario(str(tmp_path / "mine.toml"))


def test_a_file_of_ones_own_is_a_scenario_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(LEAK)
    assert load_scenario(str(file)).faults[0].fault is Fault.TOWER_LEAK
    assert load_scenario(str(file)).name == "mine"


@pytest.mark.parametrize("name", scenario_names())
def test_a_shipped_scenario_is_about_zones_that_have_what_breaks(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.says.endswith(".")
    assert scenario.zones_left_out(ZONES) == []
    start = scenario.begins_at or JANUARY
    broken = scenario.broken(ZONES, start, until=start + timedelta(days=scenario.days), seed=1)
    zones = {zone.zone_id: zone for zone in ZONES}
    assert all(one.place in places_in(zones[one.zone], one.fault) for one in broken)
    last = (start + timedelta(days=scenario.days)).timestamp()
    assert all(one.start_s < last for one in broken), "nothing breaks when the story is over"


def test_there_are_a_dozen_stories_and_the_demo() -> None:
    assert len(scenario_names()) >= 13
    assert "demo" in scenario_names()


def test_the_demos_story_names_real_zones_and_its_past_is_over() -> None:
    start = datetime(2026, 3, 4, 10, 40, tzinfo=UTC)
    demo = load_scenario("demo")
    assert demo.clear_from_start
    assert demo.begins_at is None
    ends = [fault.broken(start).end_s for fault in demo.past_faults]
    assert all(end_s is not None and end_s < start.timestamp() for end_s in ends)
    (live,) = demo.live_faults
    assert (live.zone, live.fault, live.lasts) == ("zone-3", Fault.PUMP_NOT_RUNNING, None)
    assert live.broken(start).start_s == (start + timedelta(minutes=3)).timestamp()


def test_a_time_of_the_day_counts_from_the_files_own_start() -> None:
    theft = load_scenario("string-theft")
    assert theft.start == date(2026, 3, 1)
    assert theft.begins_at is not None
    (broken,) = theft.broken(ZONES, theft.begins_at, until=theft.begins_at + timedelta(days=14), seed=1)
    assert datetime.fromtimestamp(broken.start_s, UTC) == datetime(2026, 3, 7, 2, 30, tzinfo=UTC)


def test_a_fault_of_every_zone_breaks_in_each_and_a_network_event_without_a_zone_happens_to_all() -> None:
    text = LEAK.replace('"z"', '"every"') + '[[network.event]]\nwhat = "no_network"\nhours = 3'
    scenario = scenario_from_toml(text, "x.toml")
    broken = scenario.broken(ZONES, JANUARY, until=JANUARY + timedelta(days=9), seed=1)
    assert [one.zone for one in broken] == [zone.zone_id for zone in ZONES]
    (event,) = scenario.network.events
    assert (event.what, event.zone, event.lasts) == (Trouble.NO_NETWORK, "every", timedelta(hours=3))


def test_a_campaign_breaks_one_thing_at_a_time_and_about_as_often_as_it_says() -> None:
    scenario = load_scenario("campaign")
    until = JANUARY + timedelta(days=3650)
    broken = scenario.broken(ZONES, JANUARY, until=until, seed=7)
    assert broken == scenario.broken(ZONES, JANUARY, until=until, seed=7)
    assert broken != scenario.broken(ZONES, JANUARY, until=until, seed=8)
    assert broken[-3:] == scenario.broken(ZONES[-1:], JANUARY, until=until, seed=7)[-3:], "zones do not meddle"
    assert len(broken) / 60 == pytest.approx(20, rel=0.1), "20 per zone and year: 1,200 drawn, spread about 3 %"
    assert {one.fault for one in broken} == set(CATALOGUE)
    assert {one.size for one in broken} == {"S", "M", "L"}
    for zone in ZONES:
        mine = [one for one in broken if one.zone == zone.zone_id]
        for before, after in itertools.pairwise(mine):
            assert before.end_s is not None
            assert after.start_s - before.end_s >= 5 * 86_400 - 60


def test_a_campaign_strikes_any_tap_and_any_sensor_and_the_labels_name_them() -> None:
    text = CAMPAIGN + 'per_zone_year = 100\nfaults = ["tap_closed", "sensor_stuck"]\nlasts_days = [0.1, 0.2]\n'
    scenario = scenario_from_toml(text + "calm_days = 1", "x.toml")
    zone = max(ZONES, key=lambda zone: len(zone.taps))
    until = JANUARY + timedelta(days=3650)
    broken = scenario.broken([zone], JANUARY, until=until, seed=7)
    struck = {fault: {one.place for one in broken if one.fault is fault} for fault in {one.fault for one in broken}}
    assert struck == {fault: set(places_in(zone, fault)) for fault in (Fault.TAP_CLOSED, Fault.SENSOR_STUCK)}, (
        "1,000 faults of two kinds spare none of some twenty places"
    )
    assert len(struck[Fault.TAP_CLOSED]) == len(zone.taps)
    witness = Witness()
    witness.expect(broken)
    witness.finish(until.timestamp())
    assert [label.asset for label in witness.labels] == [one.place.partition("/")[0] for one in broken]


def test_a_campaign_breaks_nothing_that_a_zone_has_not() -> None:
    bare = next(zone for zone in ZONES if all(asset.asset_id != "quality" for asset in zone.assets))
    assert places_in(bare, Fault.LOW_CHLORINE) == []
    assert places_in(bare, Fault.TAP_CLOSED) == [tap.asset_id for tap in bare.taps]
    scenario = scenario_from_toml(CAMPAIGN + 'per_zone_year = 30\nfaults = ["low_chlorine"]', "x.toml")
    assert scenario.broken([bare], JANUARY, until=JANUARY + timedelta(days=365), seed=1) == []


def test_a_fault_strikes_only_what_its_zone_has() -> None:
    story = 'says = "a"\n[[fault]]\nzone = "zone-4"\nfault = "tap_left_open"\nplace = "tap-30"'
    with pytest.raises(ScenarioError, match=r"^x: tap_left_open: zone-4 has no tap-30, but tap-01, tap-02, "):
        scenario_from_toml(story, "x.toml").broken(ZONES, JANUARY, until=JANUARY, seed=1)
    bare = story.replace('tap_left_open"\nplace = "tap-30"', 'low_chlorine"')
    with pytest.raises(ScenarioError, match=r"^x: low_chlorine: zone-4 has no quality, but nothing that it strikes$"):
        scenario_from_toml(bare, "x.toml").broken(ZONES, JANUARY, until=JANUARY, seed=1)
    assert scenario_from_toml(story, "x.toml").broken(ZONES[:2], JANUARY, until=JANUARY, seed=1) == []
    everywhere = scenario_from_toml(bare.replace("zone-4", "every"), "x.toml")
    struck = everywhere.broken(ZONES, JANUARY, until=JANUARY, seed=1)
    assert [one.zone for one in struck] == ["zone-3", "zone-5"]
    assert everywhere.spared(ZONES) == {Fault.LOW_CHLORINE: 4}
