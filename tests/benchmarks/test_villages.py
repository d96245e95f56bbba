"""The second model's villages: water is neither made nor lost, each fault shows where it is said to, files are read."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from alerts.backtest import write_alerts
from alerts.files import read_history
from alerts.scoreboard import read_labels
from benchmarks.villages import boxes, faults, forces, meters, people, signs, span, village, weather, works
from benchmarks.villages.__main__ import Plan, figures, run, told_falls
from benchmarks.villages.board import Judged, judge, told_confusion, told_each
from benchmarks.villages.boxes import Box, Rows
from benchmarks.villages.faults import CATALOGUE, FIRST_DAY, SIZES, Strike, deal, places_in
from benchmarks.villages.meters import Meters, Season, Series
from benchmarks.villages.people import draw_people, is_fast
from benchmarks.villages.season import live_with
from benchmarks.villages.sets import WHOLE, Lessened, LivedSet, Model, SetMismatch, get_set, lessen
from benchmarks.villages.signs import SIGNS, first_seen
from benchmarks.villages.span import DAY_MIN, FloatArray, Span
from benchmarks.villages.village import (
    CHLORINE,
    DEPTH,
    FLOW,
    FLOW_VOLUME,
    LEVEL,
    NETWORK,
    OUTFLOW,
    STATE_CODE,
    SUN,
    TAP_METERS,
    TURBIDITY,
    Controller,
    Village,
    draw_village,
)
from benchmarks.villages.weather import clear_sky_w_m2, draw_weather
from gateway.model import CHANNELS, AssetKind, Fault, PumpState
from gateway.zones import load_zones
from ndiyan.backtest import BacktestOptions, run_backtest

SEED = 5
SPAN = Span(date(2026, 1, 10), 15)
ONSET, END = 3 * DAY_MIN + 90, 13 * DAY_MIN
POWER, PV_POWER, SPEED, BATTERY = "pump/power_w", "pv/power_w", "pump/speed_rpm", "gateway/battery_v"
PLACES = {
    Fault.SENSOR_STUCK: NETWORK, Fault.SENSOR_DRIFT: DEPTH, Fault.SENSOR_SPIKES: LEVEL,
    Fault.SENSOR_OUT_OF_RANGE: LEVEL, Fault.FLOW_METER_STOPPED: FLOW,
}  # fmt: skip


@dataclass(frozen=True)
class Lives:
    """A village with each fault, and the same village as it would have been without."""

    struck: Season
    sound: Season

    def strike(self, fault: Fault) -> Strike:
        return next(one for one in self.struck.strikes if one.fault is fault)


def _village_for(fault: Fault, taken: set[int]) -> Village:
    """The first village not taken in which the fault can be and shows well: every sensor it is told by is there."""
    for number in range(1, 400):
        one = draw_village(SEED, number)
        needs = {*CATALOGUE[fault].shows_in, FLOW_VOLUME, PLACES.get(fault, LEVEL)}
        talks = one.controller is Controller.WORDS or fault is not Fault.INVERTER_TRIP
        if number not in taken and places_in(one, fault) and needs <= one.channels and talks:
            taken.add(number)
            return one
    raise AssertionError(f"no village for {fault}")


@pytest.fixture(scope="module")
def lives() -> Lives:
    taken: set[int] = set()
    villages = [_village_for(fault, taken) for fault in CATALOGUE]
    strikes = []
    for row, (fault, one) in enumerate(zip(CATALOGUE, villages, strict=True)):
        place = PLACES.get(fault, places_in(one, fault)[0])
        strikes.append(Strike(row, fault, "L", "tap-02" if place == "tap" else place, ONSET, END))
    return Lives(live_with(SEED, SPAN, villages, strikes), live_with(SEED, SPAN, villages, []))


def by_name(series: list[Series]) -> dict[str, Series]:
    return {f"{one.asset}/{one.channel}": one for one in series}


@dataclass(frozen=True)
class Readings:
    """Of one village in the days of a fault."""

    series: Mapping[str, Series]

    def __getitem__(self, name: str) -> FloatArray:
        one = self.series[name]
        return one.value[(one.minute >= ONSET) & (one.minute < END)]

    def at(self, name: str, first_hour: float, last_hour: float) -> FloatArray:
        """The readings between two hours of the day."""
        one = self.series[name]
        hour = one.minute % DAY_MIN / 60
        chosen = (one.minute >= ONSET) & (one.minute < END) & (hour >= first_hour) & (hour < last_hour)
        return one.value[chosen]

    def rise(self, name: str) -> float:
        return float(self[name][-1] - self[name][0])


Claim = Callable[[Readings, Readings], bool]
NOON, NIGHT = (11.0, 14.0), (0.0, 4.0)

# What each fault, at its largest, does to the readings: (with it, without it).
CLAIMS: Mapping[Fault, Claim] = {
    Fault.DRY_RUNNING: lambda a, b: a[FLOW].max() < 0.2 * b[FLOW].max() and a[POWER].max() < 0.6 * b[POWER].max(),
    Fault.YIELD_DROP: lambda a, b: a.at(DEPTH, *NOON).max() > b.at(DEPTH, *NOON).max() + 2,
    Fault.PUMP_WEAR: lambda a, b: a[FLOW].max() < 0.97 * b[FLOW].max() or a.rise(FLOW_VOLUME) < b.rise(FLOW_VOLUME),
    Fault.PUMP_CLOGGED: lambda a, b: a[FLOW].max() < 0.75 * b[FLOW].max(),
    Fault.CHECK_VALVE_LEAK: lambda a, b: a.at(LEVEL, *NIGHT).mean() < b.at(LEVEL, *NIGHT).mean() - 0.05,
    Fault.INVERTER_TRIP: lambda a, b: set(a[STATE_CODE]) == {PumpState.TRIPPED} and a[POWER].max() < 5,
    Fault.PUMP_NOT_RUNNING: lambda a, b: a[FLOW].max() == 0 and 0 < a[POWER].max() < 0.15 * b[POWER].max(),
    Fault.FLOAT_STUCK_FULL: lambda a, b: a[FLOW].max() == 0 and a[LEVEL].mean() < b[LEVEL].mean() - 0.3,
    Fault.PV_SOILING: lambda a, b: a.at(PV_POWER, 8.5, 10)[-20:].sum() < b.at(PV_POWER, 8.5, 10)[-20:].sum(),
    Fault.PV_STRING_LOSS: lambda a, b: a[PV_POWER].sum() < 0.95 * b[PV_POWER].sum(),
    Fault.TOWER_LEAK: lambda a, b: a.at(LEVEL, *NIGHT).mean() < b.at(LEVEL, *NIGHT).mean() - 0.1,
    Fault.TOWER_OVERFLOW: lambda a, b: a[LEVEL].max() > b[LEVEL].max() + 0.03 and a[FLOW].mean() > b[FLOW].mean(),
    Fault.PIPE_BURST: lambda a, b: a[LEVEL].mean() < b[LEVEL].mean() - 0.3 and a[OUTFLOW].mean() > b[OUTFLOW].mean(),
    Fault.NIGHT_LEAK: lambda a, b: a.at(OUTFLOW, *NIGHT).mean() > b.at(OUTFLOW, *NIGHT).mean() + 0.1,
    Fault.TAP_LEFT_OPEN: lambda a, b: a.rise("tap-02/volume_m3") > b.rise("tap-02/volume_m3") + 20,
    Fault.TAP_CLOSED: lambda a, b: a.rise("tap-02/volume_m3") < 0.05 * b.rise("tap-02/volume_m3"),
    Fault.SENSOR_STUCK: lambda a, b: len(set(a[NETWORK])) == 1 < len(set(b[NETWORK])),
    Fault.SENSOR_DRIFT: lambda a, b: bool(np.abs(a[DEPTH] - b[DEPTH])[-10:].min() > 2),
    Fault.SENSOR_SPIKES: lambda a, b: 0.03 < np.mean(np.abs(a[LEVEL] - b[LEVEL]) > 0.3) < 0.1,
    Fault.SENSOR_OUT_OF_RANGE: lambda a, b: len(set(a[LEVEL])) == 1 and not 0 <= a[LEVEL][0] <= 10,
    Fault.FLOW_METER_STOPPED: lambda a, b: a[FLOW].max() == 0 == a.rise(FLOW_VOLUME) and a[LEVEL].max() > 0.5,
    Fault.GATEWAY_BATTERY_LOW: lambda a, b: a.at(BATTERY, *NIGHT).min() < b.at(BATTERY, *NIGHT).min() - 1,
    Fault.LOW_CHLORINE: lambda a, b: np.median(a[CHLORINE]) < 0.2 < b[CHLORINE].min(),
    Fault.TURBIDITY_HIGH: lambda a, b: np.median(a[TURBIDITY]) > 5 > np.median(b[TURBIDITY]),
}  # fmt: skip


@pytest.mark.parametrize("fault", CLAIMS, ids=str)
def test_a_fault_does_to_the_readings_what_it_is_known_by(lives: Lives, fault: Fault) -> None:
    row = lives.strike(fault).row
    struck, sound = (by_name(Meters(season, row).read()) for season in (lives.struck, lives.sound))
    assert CLAIMS[fault](Readings(struck), Readings(sound))
    for name, one in struck.items():  # and nothing before it begins
        before = one.minute < ONSET
        np.testing.assert_array_equal(one.value[before], sound[name].value[before], err_msg=name)


def test_a_sensor_that_breaks_twice_shows_both(lives: Lives) -> None:
    first = lives.strike(Fault.SENSOR_DRIFT)
    village = lives.struck.villages[first.row]
    second = Strike(0, Fault.SENSOR_STUCK, "L", DEPTH, END + DAY_MIN, END + int(1.5 * DAY_MIN))
    twice = live_with(SEED, SPAN, [village], [replace(first, row=0), second])
    struck, sound = (
        by_name(Meters(season, row).read())[DEPTH] for season, row in ((twice, 0), (lives.sound, first.row))
    )
    is_first, is_second = first.acts(struck.minute), second.acts(struck.minute)
    assert np.abs(struck.value - sound.value)[is_first][-10:].min() > 2
    assert len(set(struck.value[is_second])) == 1


def rows_of(season: Season, row: int) -> list[Rows]:
    instruments = Meters(season, row)
    return list(Box(season, row, instruments).rows(instruments.read()))


def test_a_box_without_network_sends_nothing_and_one_with_a_wrong_clock_dates_rows_hours_away(lives: Lives) -> None:
    dark = lives.strike(Fault.COMMS_OUTAGE).row
    begins_s, ends_s = SPAN.start_s + 60 * ONSET, SPAN.start_s + 60 * END
    levels = [
        next(one for one in rows_of(season, dark) if one.channel == "level_m") for season in (lives.struck, lives.sound)
    ]
    inside = [int(((one.t_s >= begins_s + 60) & (one.t_s < ends_s)).sum()) for one in levels]
    assert inside[0] == 0
    assert inside[1] > 800  # ten days of readings, every 15 min at least

    wrong = lives.strike(Fault.CLOCK_ERROR).row
    found, sound = (
        next(one for one in rows_of(season, wrong) if one.channel == "level_m")
        for season in (lives.struck, lives.sound)
    )
    off_s = found.t_s - sound.t_s
    assert set(np.unique(off_s)) == {0, boxes.off_s(lives.struck, lives.strike(Fault.CLOCK_ERROR))}


def test_every_label_shows_within_its_fault(lives: Lives) -> None:
    for one in lives.struck.strikes:
        instruments = Meters(lives.struck, one.row)
        list(Box(lives.struck, one.row, instruments).rows(instruments.read()))
        shown = first_seen(lives.struck, one) if one.fault in SIGNS else instruments.seen.get(one)
        assert shown is not None, one
        assert one.onset <= shown < one.end, one


def test_what_flows_in_is_what_flows_out_and_what_the_tower_holds(lives: Lives) -> None:
    lived = lives.struck.lived
    area = np.array([one.area_m2 for one in lives.struck.villages])
    net_m3 = np.cumsum((lived.inflow_m3_h - lived.outflow_m3_h - lived.past_m3_h).astype(np.float64), axis=0)[:-1] / 60
    held_m3 = (lived.level_m[1:].astype(np.float64) - lived.level_m[0]) * area
    np.testing.assert_allclose(net_m3, held_m3, atol=0.02)  # 20 L in fifteen days, for the rounding of floats
    assert lived.level_m.min() >= 0
    assert (lived.level_m.max(axis=0) <= 1.031 * np.array([one.full_m for one in lives.struck.villages])).all()


def test_tap_meters_add_up_to_the_outlet_where_joints_are_tight(lives: Lives) -> None:
    row = lives.strike(Fault.LOW_CHLORINE).row
    lived, tapped = lives.sound.lived, lives.sound.people.taps[row]
    at_taps = (tapped * lived.given[:, [row]]).sum() + lived.caught_up_m3_h[:, row].sum()
    lost = 1 - at_taps / lived.outflow_m3_h[:, row].sum()
    # Joints lose 0.5 to 2 % of the rated flow all the time, 3 to 10 % of a use of five hours of pumping a day.
    assert 0.01 < lost < 0.12


def test_the_sky_of_labe_gives_the_light_of_february() -> None:
    lit = clear_sky_w_m2(Span(date(2026, 2, 15), 1), 11.32, -12.28)
    noon = int(lit.argmax()) / 60
    assert 12.9 < noon < 13.2  # solar noon: 12.82 h for the longitude, and 14 min of the equation of time
    assert lit.sum() / 60_000 == pytest.approx(6.66, rel=0.1)  # kWh/m² of a clear February day at Labé (Ineichen)
    season = Span(date(2026, 2, 1), 28)
    sun = draw_weather(3, season, [draw_village(3, 1), draw_village(3, 2)]).sun_w_m2
    assert 4.8 < sun.sum() / 60_000 / 2 / 28 < 6.7


def test_in_the_month_of_fasting_people_draw_before_dawn_and_hardly_at_noon() -> None:
    assert is_fast(date(2026, 2, 20))
    season = Span(date(2026, 2, 8), 20)
    open_all_day = next(one for n in range(1, 50) if not (one := draw_village(3, n)).padlocked)
    drawn = (
        draw_people(3, season, [open_all_day], np.zeros((20, 1), dtype=bool), [])
        .wanted_m3_h[:, 0]
        .reshape(20, 24, 60)
        .sum(axis=2)
    )
    before, during = drawn[:10].sum(axis=0), drawn[10:].sum(axis=0)
    assert before[4] < 0.5 * during[4]
    assert during[12:14].sum() < 0.3 * before[12:14].sum()


def test_all_kinds_are_dealt_and_a_village_has_one_fault_at_a_time() -> None:
    season = Span(date(2026, 2, 6), 60)
    villages = [draw_village(11, number) for number in range(1, 25)]
    strikes = deal(11, season, villages)
    assert {one.fault for one in strikes} >= set(CATALOGUE) - {Fault.LOW_CHLORINE, Fault.TURBIDITY_HIGH}
    assert {one.size for one in strikes} == set(SIZES)
    for one, then in itertools.pairwise(strikes):
        assert one.onset >= FIRST_DAY * DAY_MIN
        if one.row == then.row:
            assert one.end < then.onset
    assert len({one.row for one in strikes}) < 24  # in some villages nothing ever breaks
    assert all(places_in(villages[one.row], one.fault) for one in strikes)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LivedSet]:
    folder = tmp_path_factory.mktemp("villages") / "set"
    return folder, get_set(Model.VILLAGES, SEED, Span(date(2026, 2, 6), 26), 5, folder)


def test_the_same_seed_gives_the_same_bytes(small: tuple[Path, LivedSet], tmp_path: Path) -> None:
    folder, _ = small
    get_set(Model.VILLAGES, SEED, Span(date(2026, 2, 6), 26), 5, tmp_path / "again")
    files = sorted(file.relative_to(folder) for file in folder.rglob("*.*"))
    assert [str(file) for file in files][:3] == ["about.json", "labels.csv", "readings.parquet"]
    for file in files:
        assert (folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file
    assert draw_village(SEED, 1) != draw_village(SEED + 1, 1)


def test_a_kept_set_is_judged_as_it_is_and_is_never_taken_for_another(small: tuple[Path, LivedSet]) -> None:
    folder, lived = small
    season, written = Span(date(2026, 2, 6), 26), (folder / "readings.parquet").stat().st_mtime_ns
    kept = get_set(Model.VILLAGES, SEED, season, 5, folder)
    assert (kept.labels, kept.places) == (lived.labels, lived.places)
    assert (folder / "readings.parquet").stat().st_mtime_ns == written
    with pytest.raises(SetMismatch, match="days is 26, asked for is 60"):
        get_set(Model.VILLAGES, SEED, Span(date(2026, 2, 6), 60), 5, folder)


def test_each_false_alert_and_each_miss_has_a_line(small: tuple[Path, LivedSet]) -> None:
    _, lived = small
    judged = judge(lived)
    nothing_said = told_each(Judged(judged.zones, [], judged.labels)).splitlines()
    assert len(nothing_said) == len(judged.labels) > 0
    assert all(line.startswith("  missed ") for line in nothing_said)
    nothing_true = told_each(Judged(judged.zones, judged.alerts, [])).splitlines()
    claims = [one for one in judged.alerts if isinstance(one.fault, Fault) and one.explained_by is None]
    assert len(nothing_true) == len(claims) > 0
    assert claims[0].evidence.sentence_en in nothing_true[0]


def test_truth_by_what_was_told_adds_up_to_the_labels(small: tuple[Path, LivedSet]) -> None:
    _, lived = small
    silent = told_confusion(Judged(lived.zones, [], lived.labels), SPAN).splitlines()
    assert silent[0] == "| truth | of | named | nothing |", "nobody said anything"
    counts = [[cell.strip() for cell in line.split("|")[2:-1]] for line in silent[2:]]
    assert sum(int(of) for of, *_ in counts) == len(lived.labels)
    assert all(of == nothing and named == "" for of, named, nothing in counts)


def test_the_files_are_read_as_any_recorders(small: tuple[Path, LivedSet]) -> None:
    folder, lived = small
    zones = load_zones([folder / "zones"])
    assert len(zones) == 5
    assert all(zone.is_fictional for zone in zones)
    history = read_history(folder / "readings.parquet", zones=[zone.zone_id for zone in zones])
    assert set(history.unusable) <= {"with a time far from all others"}  # boxes that wake up in 1970
    has = {
        (zone.zone_id, asset.asset_id, spec.name) for zone in zones for asset in zone.assets for spec in asset.channels
    }
    assert set(history.series) == has
    for (_, asset, channel), (_, value) in history.series.items():
        if channel in ("free_chlorine_mg_l", "irradiance_w_m2") or asset == "tower":
            spec = CHANNELS[AssetKind(asset)][channel]
            assert ((value >= spec.minimum) & (value <= spec.maximum)).mean() > 0.5, (asset, channel)  # in our units
    end = datetime(2026, 3, 4, tzinfo=UTC)
    assert read_labels(folder / "labels.csv", until=end)
    assert all(one.onset <= one.start <= one.end for one in lived.labels)


def test_the_board_judges_as_the_backtest_of_the_command_line(small: tuple[Path, LivedSet], tmp_path: Path) -> None:
    folder, lived = small
    options = BacktestOptions(lived.zones, folder / "readings.parquet", None, None, None, tmp_path / "theirs.csv")
    run_backtest(options, lambda: "")
    write_alerts(tmp_path / "ours.csv", judge(lived).alerts)
    assert (tmp_path / "ours.csv").read_text() == (tmp_path / "theirs.csv").read_text()


def test_less_to_see_takes_channels_away_and_reads_less_often(small: tuple[Path, LivedSet]) -> None:
    _, lived = small
    less = lessen(lived, Lessened("", frozenset({TAP_METERS, LEVEL}), 900))
    assert not any(asset.startswith("tap-") or channel == "level_m" for _, asset, channel in less.history.series)
    assert not any(tap.channels for zone in less.zones for tap in zone.taps)
    assert {zone.asset("pump").interval_s for zone in less.zones} == {900}
    often = {zone.zone_id for zone in lived.zones if zone.asset("gateway").interval_s < 900}
    assert often
    for key, (t_s, _) in less.history.series.items():
        assert key[0] not in often or len(np.unique(t_s // 900)) == len(t_s), key
    stuck = lived.labels[0]._replace(fault=Fault.SENSOR_STUCK, asset="tower")
    places = {(stuck.zone, stuck.onset): LEVEL}
    some = LivedSet(lived.zones, lived.history, [stuck, *lived.labels[1:]], places)
    assert (
        stuck not in lessen(some, Lessened("", frozenset({LEVEL}))).labels
    )  # a sensor that is not there is not broken
    assert stuck in lessen(some, Lessened("", frozenset({SUN}))).labels
    assert lessen(lived, WHOLE).labels == list(lived.labels)


def test_three_times_the_noise_is_the_same_village_seen_less_well(lives: Lives) -> None:
    row = lives.strike(Fault.LOW_CHLORINE).row
    spread = []
    for noise in (1.0, 3.0):
        level = by_name(Meters(lives.sound, row, noise=noise).read())[LEVEL]
        true = lives.sound.lived.level_m[level.minute, row]
        spread.append(np.std(np.diff(level.value - true)))
    assert 2 < spread[1] / spread[0] < 3.2  # the sensor's steps add to both


@pytest.mark.slow
def test_both_models_are_scored_together_and_with_less_to_see(tmp_path: Path) -> None:
    ways = (WHOLE, Lessened("no tap meters", frozenset({TAP_METERS})))
    season = Span(date(2026, 2, 6), 12)
    told: list[tuple[int, int]] = []
    plan = Plan(list(Model), [1, 2], season, 2, ways, tmp_path)
    found = run(plan, progress=lambda done, work: told.append((done, work)))
    assert told[-1] == (plan.work, plan.work) == (16, 16)
    for model in Model:
        judged = found[model]["all"]
        assert sorted(zone.zone_id[:2] for zone in judged.zones) == ["1/", "1/", "2/", "2/"]
        assert {one.zone for one in judged.labels} <= {zone.zone_id for zone in judged.zones}
        assert told_falls(found[model], season).splitlines()[2].startswith("  no tap meters")
    machine = json.loads(json.dumps(figures(found, season)))
    own = machine["own"]["all"]
    assert own["labels"] == sum(label.shows for label in found[Model.OWN]["all"].labels) > 0
    assert own["false_alerts"] == sum(of["count"] for of in own["false_by_kind"].values())


def test_the_model_shares_no_physics_with_our_simulator_and_knows_no_detector() -> None:
    for module in (boxes, faults, forces, meters, people, signs, span, village, weather, works):
        text = Path(str(module.__file__)).read_text("utf-8")
        known = {node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
        ours = {name for name in known if name.split(".")[0] in ("simulator", "alerts", "ingest", "ndiyan")}
        assert not ours, module.__name__
