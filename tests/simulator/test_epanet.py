"""The built-in pipes beside EPANET's, on a normal day and with a burst main."""

import numpy as np
import pytest

from gateway.model import Fault
from simulator.epanet import Network
from simulator.faults import Broken
from simulator.village import Village
from tests.simulator.days import DAWN, ZONES

pytest.importorskip(
    "epanet", reason="EPANET is not installed (no wheel for this Python): the built-in pipes were NOT compared with it"
)
# Taps that draw unevenly differ from the formula, where all draw alike, by part of what is lost in the pipes.
NORMAL_BAR, USUAL_BAR, BURST_BAR = 0.1, 0.002, 0.06


def compare(zone: int, broken: list[Broken]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Pressure at the end of a zone's main at every fifth minute of a day in which there is water: ours, EPANET's."""
    village = Village([ZONES[zone]], seed=1, clear_from=DAWN.date())
    state = village.first_state()
    ours, theirs = [], []
    taps = len(ZONES[zone].taps)
    for hour in (0, 6, 12, 18):
        before = state.tap_m3.copy()
        moved = village.move(state, DAWN.timestamp() - 5 * 3600 + 3600 * hour, broken, 360)
        drawn = np.diff(np.concatenate([before[None], moved.tap_m3]), axis=0)[:, 0, :taps] * 60
        chosen = np.flatnonzero(moved.served[:, 0] >= 1)[::5]
        truth = village.truth(moved, chosen)
        pipes = village.pipes
        with Network(main_m=float(pipes.main_m[0]), bore_m=float(pipes.bore_m[0]), taps=taps) as network:
            head = village.base_m[0] + truth.level_m[:, 0]
            theirs.append(network.end_bar(head, drawn[chosen], moved.network_leak_m3_h[chosen, 0]))
        ours.append(truth.network_bar[:, 0])
    return np.concatenate(ours), np.concatenate(theirs)


@pytest.mark.parametrize("zone", range(6))
def test_the_built_in_pipes_agree_with_epanet_on_a_normal_day(zone: int) -> None:
    ours, theirs = compare(zone, [])
    assert len(ours) > 200
    assert np.ptp(theirs) > 0.05, "there is something to compare"
    assert np.abs(ours - theirs).max() < NORMAL_BAR
    assert np.median(np.abs(ours - theirs)) < USUAL_BAR


def test_a_burst_costs_as_much_pressure_in_both() -> None:
    burst = Broken("zone-3", Fault.PIPE_BURST, "M", DAWN.timestamp())
    ours, theirs = compare(2, [burst])
    assert np.abs(ours - theirs).max() < BURST_BAR
