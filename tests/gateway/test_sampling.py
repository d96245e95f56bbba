"""Raw values into readings: loops that fail, counters that begin anew, and what is reported when."""

import math
import os
import resource
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.drivers import Driver, ExecDriver, FileDriver
from gateway.errors import DeviceSilent
from gateway.installation import Loop
from gateway.maps import Value
from gateway.sampling import Count, Reporter, Sample, Sampler, count_on, loop_value
from gateway.wire import Queued, encode_pack
from tests.gateway.lines import PUMP, installation

NOON = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
FIVE_METRES = Loop(0.0, 5.0)
METER = """
[[device]]
name = "meter"
kind = "file"
path = "meter"
""" + "".join(
    f'[[point]]\nasset = "{asset}"\nchannel = "{channel}"\ndevice = "meter"\nregister = "{register}"\n'
    for asset, channel, register in (
        ("pump", "power_w", "power"), ("pump", "pressure_bar", "pressure"), ("gateway", "battery_v", "volts"),
    )
)  # fmt: skip


@pytest.mark.parametrize(
    ("milliamps", "level_m"), [(4.0, 0.0), (12.0, 2.5), (20.0, 5.0), (3.8, -0.0625), (20.5, 5.15625)]
)
def test_a_loop_within_its_span_is_a_level(milliamps: float, level_m: float) -> None:
    assert loop_value(milliamps, FIVE_METRES) == pytest.approx(level_m)


@pytest.mark.parametrize("milliamps", [0.0, 3.5, 3.6, 21.0, 22.0])
def test_the_ends_of_a_loop_are_failures_and_never_levels(milliamps: float) -> None:
    why = loop_value(milliamps, FIVE_METRES)
    assert isinstance(why, str)
    assert "has failed (NAMUR NE43)" in why


@pytest.mark.parametrize("milliamps", [3.61, 3.79, 20.51, 20.99])
def test_what_lies_between_measuring_and_failing_is_no_level_either(milliamps: float) -> None:
    assert isinstance(loop_value(milliamps, FIVE_METRES), str)


@pytest.mark.parametrize(
    ("before", "raw", "wraps_at", "most", "pulses"),
    [
        pytest.param(None, 500, 65536, 1000, 0, id="first-sight"),
        pytest.param(Count(500, 0), 620, 65536, 1000, 120, id="counts-on"),
        pytest.param(Count(65500, 40), 20, 65536, 1000, 40 + 56, id="rolled-over"),
        pytest.param(Count(30000, 40), 20, 65536, 1000, 40 + 20, id="set-to-0-by-a-power-cut"),
        pytest.param(Count(30000, 40), 20, None, 1000, 40 + 20, id="no-end-known"),
    ],
)
def test_pulses_are_counted_on_over_roll_over_and_reset(
    before: Count | None, raw: float, wraps_at: float | None, most: float, pulses: float
) -> None:
    assert count_on(before, raw, wraps_at=wraps_at, most=most).pulses == pulses


def reported(values: list[float], *, interval_s: float = 60, change: float | None = None) -> list[tuple[float, float]]:
    """What of one value every 10 s is reported, as (second, value)."""
    reporter = Reporter(interval_s, change)
    found: list[Sample] = []
    for at, value in enumerate(values):
        found += reporter.offer(Sample(NOON + timedelta(seconds=10 * at), 10.0 * at, value))
    return [(one.uptime_s, one.value) for one in found]


def test_a_quiet_value_costs_one_reading_in_an_interval() -> None:
    assert reported([2.0] * 13) == [(0, 2.0), (60, 2.0), (120, 2.0)]


def test_a_value_that_moves_is_told_at_once() -> None:
    assert reported([2.0, 2.0, 2.3, 2.3, 2.3, 2.3, 2.3], change=0.1) == [(0, 2.0), (20, 2.3), (60, 2.3)]


def test_least_and_greatest_of_an_interval_are_kept_at_their_own_times() -> None:
    values = [2.0, 2.0, 1.2, 2.0, 3.1, 2.0, 2.1]
    assert reported(values) == [(0, 2.0), (20, 1.2), (40, 3.1), (60, 2.1)]


def test_what_sticks_out_by_less_than_a_change_is_noise() -> None:
    assert reported([2.0, 2.05, 1.95, 2.0, 2.0, 2.0, 2.0], change=0.1) == [(0, 2.0), (60, 2.0)]


class Scripted:
    """A device that says what a test wants, or nothing."""

    def __init__(self) -> None:
        self.says: dict[str, Value] | None = {}
        self.fails: Exception | None = None
        self.asked = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def read(self, names: object) -> dict[str, Value]:
        self.asked += 1
        self.meanwhile()
        if self.fails is not None:
            raise self.fails
        if self.says is None:
            raise DeviceSilent("no answer within 1 s")
        return self.says

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def box(tmp_path: Path) -> tuple[Sampler, dict[str, Scripted]]:
    plan = installation(tmp_path, PUMP.format(port=502)).plan
    devices = {name: Scripted() for name in ("inverter", "loops", "counters")}
    drivers: dict[str, Driver] = {**devices}
    devices["inverter"].says = {"speed": Value(2843, "rpm"), "state": Value(1)}
    devices["loops"].says = {"ai1": Value(12.0, "mA")}
    devices["counters"].says = {"counter0": Value(1000, "", None, 2**32)}
    return Sampler(plan, drivers, counts={}), devices


def values(sampler: Sampler, uptime_s: float) -> dict[str, float]:
    taken = sampler.look(lambda: NOON + timedelta(seconds=uptime_s), lambda: uptime_s).taken
    return {f"{one.reading.asset}/{one.reading.channel}": one.reading.value for one in taken}


def test_a_round_at_the_pump(box: tuple[Sampler, dict[str, Scripted]]) -> None:
    sampler, devices = box
    assert values(sampler, 0.0) == {
        "pump/speed_rpm": 2843, "pump/state_code": 1, "tower/level_m": 2.5, "pump/volume_m3": 100.0
    }  # fmt: skip
    devices["counters"].says = {"counter0": Value(1042, "", None, 2**32)}
    assert values(sampler, 300.0)["pump/volume_m3"] == pytest.approx(100.42), "42 pulses of 10 L"
    assert sampler.next_s == 310.0


def counted(box: tuple[Sampler, dict[str, Scripted]], *looks: tuple[float, float], wraps_at: float = 2**32) -> float:
    """The total of the pump's meter after looks at these uptimes, of which each finds the counter there [m³]."""
    sampler, devices = box
    total = math.nan
    for uptime_s, raw in looks:
        devices["counters"].says = {"counter0": Value(raw, "", None, wraps_at)}
        total = values(sampler, uptime_s).get("pump/volume_m3", total)
    return total


@pytest.mark.parametrize(
    ("before", "misread", "after", "wraps_at"),
    [
        pytest.param(131_071, 65_536, 131_072, 2**32, id="between-two-words"),
        pytest.param(150, 65_500, 151, 2**16, id="near-its-end"),
        pytest.param(1000, 5_243_880, 1001, 2**32, id="a-bit-too-many"),
    ],
)
def test_a_counter_that_is_misread_once_adds_nothing_and_is_told(
    box: tuple[Sampler, dict[str, Scripted]], before: float, misread: float, after: float, wraps_at: float
) -> None:
    sampler, _ = box
    assert counted(box, (0, before - 70), (300, before), wraps_at=wraps_at) == pytest.approx(100.7)
    assert math.isnan(counted(box, (600, misread), wraps_at=wraps_at)), "no reading"
    assert "pulses in 300 s are more than most_hz (20) bears" in sampler.troubles["pump/volume_m3"]
    assert counted(box, (900, after), wraps_at=wraps_at) == pytest.approx(100.71)
    assert sampler.troubles == {}


def test_a_counter_that_somebody_has_set_goes_on_from_there(box: tuple[Sampler, dict[str, Scripted]]) -> None:
    sampler, _ = box
    assert counted(box, (0, 1000), (300, 1070), (600, 900_000), (900, 900_000)) == pytest.approx(100.7)
    assert "pump/volume_m3" in sampler.troubles
    assert counted(box, (1200, 900_010)) == pytest.approx(100.8)
    assert sampler.troubles == {}


def test_a_counter_that_tells_an_hour_at_once_is_believed(box: tuple[Sampler, dict[str, Scripted]]) -> None:
    looks = [(10.0 * look, 1000.0) for look in range(360)]
    assert counted(box, *looks, (3600, 3000)) == pytest.approx(120.0), "2000 pulses since it moved last"


def test_a_sensor_that_fails_gives_nothing_and_says_why(box: tuple[Sampler, dict[str, Scripted]]) -> None:
    sampler, devices = box
    devices["loops"].says = {"ai1": Value(3.5, "mA")}
    assert "tower/level_m" not in values(sampler, 0.0)
    assert sampler.troubles == {"tower/level_m": "3.50 mA: the sensor or its cable has failed (NAMUR NE43)"}
    devices["loops"].says = {"ai1": Value(12.0, "mA")}
    assert values(sampler, 300.0)["tower/level_m"] == 2.5
    assert sampler.troubles == {}


def test_an_inverter_that_sleeps_at_night_is_asked_ever_more_rarely_and_holds_nobody_up(
    box: tuple[Sampler, dict[str, Scripted]],
) -> None:
    sampler, devices = box
    devices["inverter"].says = None
    for second in range(0, 3600, 10):
        assert "pump/speed_rpm" not in values(sampler, float(second))
    assert devices["inverter"].asked <= 18, "10, 20, 40 … 300 s"
    assert devices["loops"].asked == 360
    assert sampler.troubles["pump/speed_rpm"].startswith("inverter is silent: no answer")
    devices["inverter"].says = {"speed": Value(2843, "rpm"), "state": Value(1)}
    morning = [values(sampler, 3600.0 + second) for second in range(0, 301, 10)]
    assert any("pump/speed_rpm" in found for found in morning)
    assert "pump/speed_rpm" not in sampler.troubles


def test_a_driver_that_fails_in_its_own_way_takes_no_other_device_with_it(
    box: tuple[Sampler, dict[str, Scripted]],
) -> None:
    sampler, devices = box
    devices["inverter"].fails = ZeroDivisionError("a defect")
    assert values(sampler, 0.0)["tower/level_m"] == 2.5
    assert sampler.troubles["pump/speed_rpm"] == "inverter is silent: a defect"


@pytest.mark.parametrize(
    ("says", "takes_s", "measured_s"),
    [
        pytest.param({"speed": Value(2843, "rpm"), "state": Value(1)}, 40.0, 40.0, id="answers-late"),
        pytest.param(None, 40.0, 40.0, id="is-silent"),
        pytest.param({"speed": Value(2843, "rpm"), "state": Value(1)}, 0.4, 0.0, id="one-moment"),
    ],
)
def test_what_is_read_behind_a_slow_device_bears_its_own_time(
    box: tuple[Sampler, dict[str, Scripted]], says: dict[str, Value] | None, takes_s: float, measured_s: float
) -> None:
    sampler, devices = box
    clock = ManualClock(NOON)
    devices["inverter"].says = says
    devices["inverter"].meanwhile = lambda: clock.advance(timedelta(seconds=takes_s))
    taken = sampler.look(clock.now, lambda: (clock.now() - NOON).total_seconds()).taken
    assert {(one.reading.measured_at, one.uptime_s) for one in taken} == {
        (NOON + timedelta(seconds=measured_s), measured_s)
    }
    assert sampler.next_s == 10.0, "what is due next goes by when the look began"


def test_a_file_and_a_program_give_values_by_name(tmp_path: Path) -> None:
    file = tmp_path / "battery"
    file.write_text("12.6\n", "ascii")
    assert FileDriver(file).read({"value"}) == {"value": Value(12.6, "")}
    program = ExecDriver((sys.executable, "-c", "print('chlorine 0.4 mg/l'); print('turbidity x')"), 10)
    assert program.read({"chlorine", "turbidity", "other"}) == {
        "chlorine": Value(0.4, "mg/l"), "turbidity": Value(None, "", "'x' is not a number")
    }  # fmt: skip


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e999"])
def test_what_a_file_says_of_no_finite_size_is_not_a_number(tmp_path: Path, word: str) -> None:
    (tmp_path / "battery").write_text(word + "\n", "ascii")
    told = FileDriver(tmp_path / "battery").read({"value"})
    assert told == {"value": Value(None, "", f"{word!r} is not a number")}


def test_a_device_that_says_nan_gives_nothing_and_says_why(box: tuple[Sampler, dict[str, Scripted]]) -> None:
    sampler, devices = box
    devices["inverter"].says = {"speed": Value(float("nan"), "rpm"), "state": Value(1)}
    assert "pump/speed_rpm" not in values(sampler, 0.0)
    assert sampler.troubles == {"pump/speed_rpm": "nan is not a number"}


def test_a_number_too_large_for_its_unit_on_the_wire_does_not_hold_up_the_others(tmp_path: Path) -> None:
    (tmp_path / "meter").write_text("power 1.7976931348623157e308 kW\npressure 1.7976931348623157e308 bar\nvolts 12\n")
    plan = installation(tmp_path, METER).plan
    sampler = Sampler(plan, {"meter": FileDriver(tmp_path / "meter")}, counts={})
    taken = sampler.look(lambda: NOON, lambda: 0.0).taken
    assert sampler.troubles == {
        "pump/power_w": "1.79769e+308 kW is too large to be told",
        "pump/pressure_bar": "1.79769e+308 bar is too large to be told",
    }
    entries = [Queued(number, one.uptime_s, one.reading) for number, one in enumerate(taken, start=1)]
    pack = encode_pack("1a2b3c4d", entries, sent_at=NOON)
    assert b'"n":"battery_v"' in pack


def test_a_file_that_is_a_pipe_of_which_nobody_writes_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meter")
    plan = installation(tmp_path, METER).plan
    sampler = Sampler(plan, {"meter": FileDriver(tmp_path / "meter")}, counts={})
    assert sampler.look(lambda: NOON, lambda: 0.0).taken == []
    assert sampler.troubles["gateway/battery_v"] == "meter does not tell volts"
    writer = os.open(tmp_path / "meter", os.O_RDWR)
    try:
        assert FileDriver(tmp_path / "meter").read({"volts"}) == {}, "who writes has said nothing yet"
        os.write(writer, b"volts 12.6 V\n")
        assert FileDriver(tmp_path / "meter").read({"volts"}) == {"volts": Value(12.6, "V")}
    finally:
        os.close(writer)


def test_what_a_program_has_started_ends_with_it_when_it_does_not_end(tmp_path: Path) -> None:
    words = tmp_path / "sensor"
    os.mkfifo(words)
    with pytest.raises(DeviceSilent, match="no end after"):
        ExecDriver(("sh", "-c", f"cat {words} | head -c 4; echo"), 0.5).read({"value"})
    sensor = os.open(words, os.O_RDWR)
    try:
        os.write(sensor, b"2.31")
        told = ExecDriver(("sh", "-c", f"head -c 4 {words}; echo"), 5).read({"value"})
        assert told == {"value": Value(2.31)}, "nobody else was there to take its words"
    finally:
        os.close(sensor)


def test_a_program_that_goes_on_printing_is_a_silent_device_and_fills_no_memory() -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for stream in ("", " >&2"):
        with pytest.raises(DeviceSilent, match="says more than 65536 bytes"):
            ExecDriver(("sh", "-c", f"yes volts 12.6 V{stream}"), 10).read({"volts"})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 20_000


def test_a_program_that_fails_is_a_silent_device(tmp_path: Path) -> None:
    with pytest.raises(DeviceSilent, match="ended with 3: no probe"):
        ExecDriver((sys.executable, "-c", "import sys; print('no probe', file=sys.stderr); sys.exit(3)"), 10).read(
            {"x"}
        )
    with pytest.raises(DeviceSilent, match="No such file"):
        FileDriver(tmp_path / "nothing").read({"value"})
