"""What is drawn of raw readings."""

import numpy as np

from gateway.model import Flag
from ingest.readings import Series
from web.charts.lanes import LaneSpan
from web.curves import running_spans

RATED_W, MAX_GAP_S, TITLE = 2000.0, 750.0, "Pump runs"


def powers(*readings: tuple[float, float]) -> Series:
    """(time [s], power [W]) of each; what is NaN is flagged bad."""
    t_s, value = np.array(readings, dtype=float).reshape(-1, 2).T
    flag = np.where(np.isnan(value), np.int16(Flag.BAD), np.int16(Flag.GOOD)).astype(np.int16)
    return Series(t_s, value, value, value, np.ones(len(t_s), dtype=np.int64), flag)


def spans(series: Series) -> list[tuple[float, float]]:
    found = running_spans(series, RATED_W, MAX_GAP_S, TITLE)
    assert all(isinstance(one, LaneSpan) and one.title == TITLE for one in found)
    return [(one.start_s, one.end_s) for one in found]


def test_a_pump_that_stands_for_one_reading_runs_on_and_one_that_stands_for_long_begins_anew() -> None:
    morning = [(0, 1500), (300, 1600), (600, 0), (900, 1500)]
    noon = [(1200, 0), (1500, 0), (1800, 1700), (2100, 1700)]
    evening = [(2400, 0), (9000, 1200)]
    assert spans(powers(*morning, *noon, *evening)) == [(0, 900), (1800, 2100), (9000, 9000)]


def test_what_is_flagged_bad_tells_nothing_and_a_pump_that_never_ran_has_no_spans() -> None:
    assert spans(powers((0, 1500), (300, float("nan")), (600, 1500))) == [(0, 600)]
    assert spans(powers((0, 0), (300, 3))) == []
    assert spans(powers()) == []
