"""The water itself: chlorine and turbidity against the WHO's limits, at their exact thresholds."""

import numpy as np
import pytest

from alerts.detectors import Scene
from alerts.detectors.quality import judge_chlorine, judge_turbidity
from alerts.model import Verdict
from tests.alerts.windows import only, scene, share

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("mg_l", "verdict"), [(0.0, PRESENT), (0.19, PRESENT), (0.2, CANNOT_TELL), (0.24, CANNOT_TELL), (0.25, ABSENT)]
)
def test_chlorine_has_a_limit_and_a_deadband(mg_l: float, verdict: Verdict) -> None:
    assert share(only(judge_chlorine, scene(quality__free_chlorine_mg_l=mg_l)), verdict) == 1.0


@pytest.mark.parametrize(("ntu", "verdict"), [(4.0, ABSENT), (4.5, CANNOT_TELL), (5.0, CANNOT_TELL), (5.1, PRESENT)])
def test_turbidity_has_a_limit_and_a_deadband(ntu: float, verdict: Verdict) -> None:
    condition = only(judge_turbidity, scene(quality__turbidity_ntu=ntu))
    assert share(condition, verdict) >= 0.9, "but for the half hour after the pump's start"


def test_a_turbidity_just_above_its_limit_is_told_by_numbers_that_differ() -> None:
    murky = scene(quality__turbidity_ntu=5.3)
    told = only(judge_turbidity, murky).describe(0, 12)
    assert told.sentence_en == "Turbidity 5.3 NTU for 1 h; 5 is the limit."
    strict = Scene(murky.grid, murky.days, {"turbidity_high.limit_ntu": np.array([[2.5]])})
    assert "; 2.5 is the limit." in only(judge_turbidity, strict).describe(0, 12).sentence_en


def test_a_pump_that_starts_stirs_the_water_for_half_an_hour() -> None:
    starts = scene(
        2,
        pump__power_w=lambda t: np.where(t < 1800, 3.0, 1000.0),
        quality__turbidity_ntu=lambda t: np.where((t >= 1800) & (t < 3600), 9.0, 1.0),
    )
    assert PRESENT not in only(judge_turbidity, starts).verdict
    muddy = scene(2, pump__power_w=lambda t: np.where(t < 1800, 3.0, 1000.0), quality__turbidity_ntu=9.0)
    assert set(only(judge_turbidity, muddy).verdict[12:]) == {PRESENT}


def test_a_probe_that_gives_minus_999_is_a_sensor_and_no_water() -> None:
    found = scene(quality__free_chlorine_mg_l=-999.0)
    assert PRESENT not in only(judge_chlorine, found).verdict
    assert found.grid.is_bad("quality", "free_chlorine_mg_l")[0, -72:].all()
