"""Quality flags: what a part cannot do is suspect, whatever the batches in which it comes; a normal day is good."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.columns import Columns
from ingest.quality import QualityMemory

LEVEL, COUNTER, FLOW = 1, 2, 3
CHANNELS = {LEVEL: ("tower", "level_m"), COUNTER: ("tap-01", "volume_m3"), FLOW: ("pump", "flow_m3_h")}
FIVE_MINUTES_US = 300_000_000


def rows(channel: int, values: list[float], *, first: int = 0, flag: int = 1) -> Columns:
    n = len(values)
    at = (first + np.arange(n)) * FIVE_MINUTES_US
    return Columns(np.full(n, channel, np.int32), at, at, np.array(values), np.full(n, flag, np.int16))


def failed(memory: QualityMemory, batch: Columns) -> dict[str, list[int]]:
    return {test: np.flatnonzero(mask).tolist() for test, mask in memory.test(batch).tests.items()}


@pytest.mark.parametrize(
    ("channel", "values", "expected"),
    [
        pytest.param(LEVEL, [2.0, 2.02, 2.03, 2.05], {}, id="a-tower-fills"),
        pytest.param(LEVEL, [2.0, 2.0, 3.5, 2.0], {"spike": [2], "rate": [2, 3]}, id="a-spike"),
        pytest.param(LEVEL, [2.0, 3.5, 3.5, 3.5], {"rate": [1]}, id="a-jump-that-stays"),
        pytest.param(LEVEL, [2.0] * 577, {"flat": [576]}, id="still-for-two-days"),
        pytest.param(COUNTER, [10.0, 10.1, 0.0, 0.1], {"counter": [2]}, id="a-meter-is-exchanged"),
        pytest.param(COUNTER, [10.0, 14.0], {"rate": [1]}, id="four-cubic-metres-in-five-minutes"),
        pytest.param(FLOW, [0.0, 20.0, 0.0], {}, id="a-pump-may-start-and-stop"),
    ],
)
def test_each_test_flags_what_it_is_for(channel: int, values: list[float], expected: dict[str, list[int]]) -> None:
    assert failed(QualityMemory(CHANNELS), rows(channel, values)) == expected


def test_a_reading_before_a_gap_says_nothing_about_the_one_behind_it() -> None:
    memory = QualityMemory(CHANNELS)
    memory.test(rows(LEVEL, [2.0, 2.1]))
    assert failed(memory, rows(LEVEL, [0.2, 0.2], first=100)) == {}


def test_a_spike_that_is_already_stored_is_named_when_the_next_reading_comes() -> None:
    memory = QualityMemory(CHANNELS)
    memory.test(rows(LEVEL, [2.0, 3.5]))
    channel, measured_us = memory.test(rows(LEVEL, [2.0], first=2)).stored_spikes
    assert (channel.tolist(), measured_us.tolist()) == ([LEVEL], [FIVE_MINUTES_US])


def test_what_is_bad_is_nobodys_neighbour() -> None:
    memory = QualityMemory(CHANNELS)
    memory.test(rows(LEVEL, [2.0]))
    assert failed(memory, rows(LEVEL, [99.0], first=1, flag=4)) == {}
    assert failed(memory, rows(LEVEL, [2.01], first=2)) == {}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(0, 4).map(lambda value: round(value, 1)), min_size=1, max_size=40),
    st.lists(st.integers(1, 39), max_size=5),
)
def test_the_flags_do_not_depend_on_how_readings_are_cut_into_batches(values: list[float], cuts: list[int]) -> None:
    whole = {
        (test, place)
        for test, places in failed(QualityMemory(CHANNELS), rows(LEVEL, values)).items()
        for place in places
    }
    memory, found, begin = QualityMemory(CHANNELS), set(), 0
    for end in [*sorted({cut for cut in cuts if cut < len(values)}), len(values)]:
        result = memory.test(rows(LEVEL, values[begin:end], first=begin))
        found |= {
            (test, begin + place) for test, mask in result.tests.items() for place in np.flatnonzero(mask).tolist()
        }
        found |= {("spike", int(us) // FIVE_MINUTES_US) for us in result.stored_spikes[1]}
        begin = end
    assert found == whole
