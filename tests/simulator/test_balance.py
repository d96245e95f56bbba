"""Water and energy add up in every minute, to the accuracy of the machine, whatever breaks and whatever people do."""

from dataclasses import fields
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Fault
from simulator.campaign import places_in
from simulator.faults import CATALOGUE, SIZES, Broken
from simulator.fiction import zones_with_fiction
from simulator.minutes import DT_H, OVERFLOW_AT
from simulator.state import RUNNING, State
from simulator.village import CONTROLLER, Village
from tests.simulator.days import ZONES

Drawn = tuple[str, Fault, str, int, int | None, int]
MANY = zones_with_fiction(ZONES, 9)
COUNTERS = ("pumped_m3", "drawn_m3", "spilled_m3", "leaked_m3", "let_off_m3", "ran_back_m3", "tap_m3", "uptime_s")
starts = st.integers(0, 364 * 24).map(lambda hour: datetime(2026, 1, 1, tzinfo=UTC).timestamp() + 3600.0 * hour)
faults = st.lists(
    st.tuples(
        st.sampled_from([zone.zone_id for zone in MANY]), st.sampled_from(sorted(CATALOGUE)), st.sampled_from(SIZES),
        st.integers(-40 * 24 * 60, 30 * 60), st.none() | st.integers(10, 3 * 24 * 60), st.integers(0, 99),
    ),
    max_size=12,
)  # fmt: skip


def broken_around(t_s: float, drawn: list[Drawn]) -> list[Broken]:
    """The faults at one of the places that the zone has; none where it has none."""
    found = []
    for zone_id, fault, size, begins_min, lasts_min, turn in drawn:
        start_s = t_s + 60.0 * begins_min
        end_s = None if lasts_min is None else start_s + 60.0 * lasts_min
        if places := places_in(next(zone for zone in MANY if zone.zone_id == zone_id), fault):
            found.append(Broken(zone_id, fault, size, start_s, end_s, places[turn % len(places)]))
    return found


def within(t_s: float, hours: int) -> list[tuple[float, int]]:
    """Pieces of a run that stay in their UTC day: beginning and minutes."""
    pieces, end_s = [], t_s + 3600.0 * hours
    while t_s < end_s:
        minutes = int(min(240, (end_s - t_s) // 60, (86_400 - t_s % 86_400) // 60))
        pieces.append((t_s, minutes))
        t_s += 60 * minutes
    return pieces


@settings(max_examples=8, deadline=None)
@given(starts, faults, st.integers(0, 1000))
def test_water_and_energy_add_up_in_every_minute_whatever_breaks(start_s: float, drawn: list[Drawn], seed: int) -> None:
    broken = broken_around(start_s, drawn)
    village = Village(MANY, seed=seed)
    state = village.first_state()
    for t_s, minutes in within(start_s, 30):
        before = State.from_json(state.as_json())
        moved = village.move(state, t_s, broken, minutes)
        truth = village.truth(moved)
        volume = np.concatenate([before.volume_m3[None], moved.volume_m3])
        out = moved.outflow_m3_h + moved.tower_leak_m3_h + moved.let_off_m3_h + moved.backflow_m3_h
        balance_m3 = (moved.inflow_m3_h - out) * DT_H - moved.spilled_m3 - np.diff(volume, axis=0)
        assert np.abs(balance_m3).max() < 1e-12 * village.size_m3.max(), "m³ in a minute"
        assert (moved.volume_m3 >= 0).all()
        assert (moved.volume_m3 <= OVERFLOW_AT * village.size_m3 * (1 + 1e-15)).all()
        held_m3 = sum(
            sign * (getattr(state, name) - getattr(before, name))
            for name, sign in (
                ("pumped_m3", 1), ("drawn_m3", -1), ("leaked_m3", -1), ("spilled_m3", -1), ("let_off_m3", -1),
                ("ran_back_m3", -1),
            )
        )  # fmt: skip
        np.testing.assert_allclose(state.volume_m3 - before.volume_m3, held_m3, atol=1e-9)
        at_taps_m3 = (moved.outflow_m3_h - moved.network_leak_m3_h).sum(axis=0) * DT_H
        np.testing.assert_allclose((state.tap_m3 - before.tap_m3).sum(axis=1), at_taps_m3, atol=1e-9)
        for name in COUNTERS:
            assert (getattr(state, name) >= getattr(before, name) - 1e-12).all(), f"{name} goes back"
        np.testing.assert_array_equal(truth.pv_power_w * CONTROLLER == 0, truth.pump_power_w == 0)
        np.testing.assert_allclose(truth.pv_power_w * CONTROLLER, truth.pump_power_w, rtol=1e-15)
        assert (truth.pump_power_w <= moved.offered_w).all(), "no more than the array offers"
        lift_w = 2.725 * moved.inflow_m3_h * (np.minimum(moved.depth_m, village.intake_m) + village.base_m)
        assert (lift_w <= truth.pump_power_w + 1e-6).all(), "water is not lifted by less energy than physics asks"
        assert (truth.pump_power_w[moved.code != RUNNING] == 0).all()
        for field in fields(truth):
            assert np.isfinite(getattr(truth, field.name)).all(), field.name


@settings(max_examples=6, deadline=None)
@given(starts, faults, st.lists(st.integers(1, 240), min_size=4, max_size=10))
def test_it_does_not_matter_in_which_pieces_a_time_is_lived(
    start_s: float, drawn: list[Drawn], cuts: list[int]
) -> None:
    broken = broken_around(start_s, drawn)
    whole, pieces = Village(MANY[:3], seed=3), Village(MANY[:3], seed=3)
    state, kept = whole.first_state(), pieces.first_state()
    for t_s, minutes in within(start_s, 8):
        whole.move(state, t_s, broken, minutes)
        at, turn = 0, 0
        while at < minutes:
            step = min(cuts[turn % len(cuts)], minutes - at)
            pieces.move(kept, t_s + 60 * at, broken, step)
            at, turn = at + step, turn + 1
        pieces, kept = Village(MANY[:3], seed=3), State.from_json(kept.as_json())  # as a process that was killed
    assert kept.as_json() == state.as_json()
