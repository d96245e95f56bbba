"""Taps: one that runs without a pause, one that gives nothing while the others do.

Volumes come from each tap's own counter. What is usual is the tap's own past; a village that fetches water before dawn
in Ramadan, or a herd that drinks at night, makes its own usual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from alerts.days import DayView, Feature, past_median, past_of_good_days, past_quantile, past_spread, recent_median
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Signal, Verdict, VerdictArray
from alerts.rolling import held, steps_before, window_max, window_mean, window_min, window_sum
from alerts.scene import FloatArray, Grid, Mask, spacing_of
from alerts.states import is_fast, is_meal_of_fast
from gateway.model import Fault

RUNS_H = 5.0  # DETECTION §2: no idle hour for 5 h
RUNS_M3_H = 0.12  # a tap that drips is no tap left open; one that runs gives 0.5 to 0.9 m³/h (DOMAIN §3.1)
ABOVE_USUAL = 1.5  # times what this tap's busiest five hours of the last weeks never fell below
UNKNOWN_M3_H = 0.3  # what a busy tap never reaches for five hours, where nothing is known of its past
MOST_M3_H = 6.0  # more a tap cannot give: a counter that jumps
LONGEST_GAP_H = 3.0  # what a counter moved on in a longer gap tells of no hour
FEW_TAPS = 3  # with fewer nothing can be said of the others
NIGHT_RUNS_H = 2.0  # at night nobody fetches: so long is enough
NIGHT_FROM_H, NIGHT_UNTIL_H = 22.0, 5.0
NIGHT_GAP_H = 0.5  # between two readings, or twice what is usual there: in a longer one a tap may have been shut
STEADY = 0.5  # the slowest half hour of an open tap is more than half of its fastest
DAY_ENOUGH = 0.5  # of a day's steps must be there
OTHERS_MOVE = 0.4  # of what they usually give together
PARTLY, PARTLY_DAYS = 0.6, 3  # of its usual share of the village's water, so long: a tap half closed or half broken
SPREADS, VARIES = 3.0, 0.15  # and outside what this tap's share varies by; so much where that is not known
GIVES, ODD_SPREADS = 0.75, 2.0  # of its usual share: open; a day of less, and outside, teaches nothing
SMALL_M3 = 0.05
CAN_M3 = 0.02
OF_MEDIAN = 0.67  # of a single day's spread is that of the median of three
WATER_IN_TOWER_M = 0.10


def hourly_flow(grid: Grid, tap: str) -> FloatArray:
    """(n, m) what the tap gave in the hour that ends at each step [m³]; NaN where its counter was not read."""
    return grid.once(("hourly", tap), lambda: counted_flow(grid, tap, "volume_m3", most_m3_h=MOST_M3_H))


def counted_flow(grid: Grid, asset: str, channel: str, *, most_m3_h: float, hours: float = 1.0) -> FloatArray:
    """(n, m) mean flow in the `hours` that end at each step [m³/h], by a counter; NaN where it was not read.

    What a counter moved on between two readings is spread over the time between them; over a long gap, or by more than
    `most_m3_h`, it tells nothing.
    """
    steps = grid.hours(hours)
    each = counted_rate(grid, asset, channel, most_m3_h=most_m3_h)
    return window_mean(each, steps, at_least=max(2, 2 * steps // 3)) * grid.hours(1)


def counted_rate(grid: Grid, asset: str, channel: str, *, most_m3_h: float) -> FloatArray:
    """(n, m) what a counter moved on in each step [m³], as `counted_flow` spreads it."""
    counter = grid.raw.get((asset, channel))
    if counter is None:
        return np.full(grid.shape, np.nan)
    hour, step_h = grid.hours(1), grid.step_s / 3600
    moved, gap = grid.moved(asset, channel), steps_before(counter)
    rate = np.where((gap * step_h <= LONGEST_GAP_H) & (moved <= most_m3_h * gap * step_h), moved / gap, np.nan)
    # Every step between two readings has the rate of the second.
    place = np.arange(grid.steps)
    after = np.minimum.accumulate(np.where(np.isfinite(rate), place, grid.steps)[:, ::-1], axis=1)[:, ::-1]
    at = np.minimum(after, grid.steps - 1)
    is_between = (after < grid.steps) & (after - place < np.take_along_axis(gap, at, axis=1))
    each = np.where(is_between, np.take_along_axis(rate, at, axis=1), np.nan)
    # After the newest reading its rate counts until the next one is overdue.
    return held(each, np.minimum(spacing_of(counter), hour))


def run_of_tap(grid: Grid, tap: str) -> tuple[FloatArray, FloatArray]:
    """(n, m) the least and the most that a tap gave in an hour of the last five [m³]."""
    flow, long = hourly_flow(grid, tap), grid.hours(RUNS_H)
    is_whole = window_sum(np.isfinite(flow), long) >= 0.95 * long
    return np.where(is_whole, window_min(flow, long), np.nan), window_max(flow, long)


def least_in_the_dark(grid: Grid, tap: str) -> FloatArray:
    """(n, m) the least of a tap's hourly flow in the last two hours, NaN unless all of them were night [m³/h].

    One move of a counter says how much ran since it was read before, and not for how long: what moved it less than
    twice in these hours is no run. Nor can a gap in them tell, of which it is not known when in it the water ran.
    """
    return grid.once(("least in the dark", tap), lambda: _least_in_the_dark(grid, tap))


def _least_in_the_dark(grid: Grid, tap: str) -> FloatArray:
    counter = grid.raw.get((tap, "volume_m3"))
    if counter is None:
        return np.full(grid.shape, np.nan)
    flow, dark = hourly_flow(grid, tap), grid.hours(NIGHT_RUNS_H)
    is_night = (grid.hour >= NIGHT_FROM_H) | (grid.hour < NIGHT_UNTIL_H)
    is_night &= ~(is_fast(grid) & is_meal_of_fast(grid.hour))
    whole = window_sum(is_night[None, :], dark) >= dark
    is_known = window_sum(np.isfinite(flow), dark) >= 0.8 * dark
    runs = window_sum(grid.moved(tap, "volume_m3") > 0, dark) >= 2
    gap, longest = steps_before(counter), np.maximum(2 * spacing_of(counter)[:, None], grid.hours(NIGHT_GAP_H))
    has_gap = window_sum(np.isfinite(counter) & np.isfinite(gap) & (gap > longest), dark) > 0
    return np.where(is_night & whole & is_known & ~has_gap, np.where(runs, window_min(flow, dark), 0.0), np.nan)


def judge_left_open(scene: Scene) -> list[Signal]:
    """A tap that gives water for five hours without an idle one, or for two in the middle of the night.

    What people fetch comes in cans, and rests in between; an open tap runs evenly, and more than in its own busiest
    hours. When all taps are busy it is a feast, or Ramadan; a tap that runs on most nights is used so.
    """
    grid, taps = scene.grid, scene.grid.sites.taps
    is_night = (grid.hour >= NIGHT_FROM_H) | (grid.hour < NIGHT_UNTIL_H)
    runs = [run_of_tap(grid, tap) for tap in taps]
    flows = [hourly_flow(grid, tap) for tap in taps]
    usual = [_usual(scene, f"{tap}/day_run_m3_h", 1.0) for tap in taps]
    nights = [least_in_the_dark(grid, tap) for tap in taps]
    busy = _middle([least / np.maximum(most, 0.02) for (least, _), most in zip(runs, usual, strict=True)])
    busy_night = _middle(nights)
    alone = _flows_alone(scene, flows)
    signals = []
    for tap, flow, (least, most), most_usual, by_night, lonely in zip(
        taps, flows, runs, usual, nights, alone, strict=True
    ):
        at_night = (
            RUNS_M3_H + np.nan_to_num(_usual(scene, f"{tap}/night_run_m3_h", 0.75)) + 2 * np.nan_to_num(busy_night)
        )
        by_day = ABOVE_USUAL * most_usual * np.fmax(1.0, busy) + 0.05
        by_day = np.where(np.isfinite(by_day), np.maximum(by_day, RUNS_M3_H), UNKNOWN_M3_H)
        running = (by_night > at_night) | (lonely & (least > by_day) & (least > STEADY * most))
        idle = flow < np.maximum(0.5 * RUNS_M3_H, np.where(is_night, 0.0, 0.8 * np.nan_to_num(most_usual)))
        verdict = verdicts(present=running, absent=idle)
        signals.append(Signal(Fault.TAP_LEFT_OPEN, tap, grid.t_s, verdict, _open_describer(grid, tap, flow)))
    return signals


def _flows_alone(scene: Scene, flows: Sequence[FloatArray]) -> list[Mask]:
    """By tap, (n, m) whether for five hours it gave more than a crowd that the other taps see as well explains.

    What the others give in an hour and this tap's usual share of the village's water tell what people draw here; where
    the share is not known yet, no tap is busier than the busiest other one.
    """
    grid, taps = scene.grid, scene.grid.sites.taps
    usual = [past_median(scene.days.get(f"{tap}/day_m3"), days=21, at_least=3) for tap in taps]
    village = sum((np.nan_to_num(one) for one in usual), np.zeros(scene.days.shape))
    total = sum((np.nan_to_num(flow) for flow in flows), np.zeros(grid.shape))
    largest, second = np.zeros(grid.shape), np.zeros(grid.shape)
    for flow in flows:
        second = np.fmax(second, np.fmin(largest, flow))
        largest = np.fmax(largest, flow)
    found = []
    for place, flow in enumerate(flows):
        others = total - np.nan_to_num(flow)
        with np.errstate(invalid="ignore", divide="ignore"):
            crowd = others * scene.days.on(usual[place] / (village - usual[place]), grid.t_s)
        busiest_other = np.where(flow < largest, largest, second)
        expected = np.where(np.isfinite(crowd), crowd, busiest_other)
        found.append(window_min(flow - expected, grid.hours(RUNS_H)) > RUNS_M3_H)
    return found


def _usual(scene: Scene, name: str, share: float) -> FloatArray:
    """(n, m) a quantile of the last weeks' days of a feature."""
    return scene.days.on(past_quantile(scene.days.get(name), share, days=21, at_least=3), scene.grid.t_s)


def _middle(values: Sequence[FloatArray]) -> FloatArray:
    """The median over taps (n, m); NaN where fewer than `FEW_TAPS` are known."""
    if len(values) < FEW_TAPS:
        return np.full(values[0].shape, np.nan) if values else np.empty((0, 0))
    ordered = np.sort(np.stack(values, axis=-1), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count >= FEW_TAPS, middle, np.nan)


def _open_describer(grid: Grid, tap: str, flow: FloatArray) -> Callable[[int, int, int], Evidence]:
    def describe(zone: int, first: int, last: int) -> Evidence:
        idle = np.flatnonzero(~(flow[zone, : last + 1] > 0.5 * RUNS_M3_H))
        hours = (last - (idle[-1] if len(idle) else 0)) * grid.step_s / 3600 + 1
        now = float(flow[zone, last])
        number = int(tap[4:])
        return Evidence(
            f"La borne {number} coule sans arrêt depuis {hours:.0f} h ({now:.1f} m³/h).",
            f"Tap {number} has run without a pause for {hours:.0f} h ({now:.1f} m³/h).",
            {"hours": round(hours, 1), "flow_m3_h": round(now, 2), "tap": number},
            {"flow_m3_h": RUNS_M3_H, "hours": RUNS_H},
            (f"{tap}/volume_m3",),
            0.85,
        )

    return describe


def judge_closed(scene: Scene) -> list[Signal]:
    """Two days without water from one tap, while the others give theirs and the tower holds some; or days of little.

    What opens an alert is held against the last weeks, and what closes it against the tap's own good days as well: one
    that stays half closed does not make that its usual.
    """
    days, taps = scene.days, scene.grid.sites.taps
    volume = {tap: days.get(f"{tap}/day_m3") for tap in taps}
    usual = {tap: past_median(volume[tap], days=21, at_least=5) for tap in taps}
    total = sum((np.nan_to_num(volume[tap]) for tap in taps), np.zeros(days.shape))
    expected = sum((np.nan_to_num(usual[tap]) for tap in taps), np.zeros(days.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        busy = {tap: volume[tap] / usual[tap] for tap in taps}
        crowd = _middle(list(busy.values()))
        shares = {tap: busy[tap] / crowd for tap in taps}
    village = _village_draws(list(volume.values()))
    signals = []
    for tap in taps:
        others, others_usual = total - np.nan_to_num(volume[tap]), expected - np.nan_to_num(usual[tap])
        is_used = past_quantile(volume[tap], 0.1, days=21, at_least=5) > SMALL_M3
        none = volume[tap] <= np.minimum(SMALL_M3, 0.05 * usual[tap])
        alone = none & is_used & (others > OTHERS_MOVE * others_usual) & (others_usual > 0)
        share = shares[tap]
        varies = np.nan_to_num(past_spread(share, days=21, at_least=5), nan=VARIES)
        # Days of few cans vary by their number alone (Poisson).
        varies = np.fmax(varies, OF_MEDIAN * np.sqrt(CAN_M3 / np.maximum(usual[tap], SMALL_M3)))
        limit = np.minimum(PARTLY, 1 - SPREADS * varies)
        partly = (recent_median(share, PARTLY_DAYS, at_least=PARTLY_DAYS) < limit) & (share < 1.1 * limit)
        partly &= is_used
        gives = (volume[tap] > 0.2 * usual[tap]) & ~(share < GIVES)
        gives &= ~(_share_of_good_days(volume[tap], village) < GIVES)
        verdict = verdicts(present=alone | partly, absent=gives)
        signals.append(
            Signal(
                Fault.TAP_CLOSED, tap, days.day_s + 86_400, verdict,
                _closed_describer(tap, verdict, volume[tap], usual[tap], partly),
            )
        )  # fmt: skip
    return signals


def _village_draws(volume: Sequence[FloatArray]) -> FloatArray:
    """(n, d) how much a village draws against its first day, by the middle of its taps; NaN where those are few.

    Each tap against its own last weeks, and these from day to day: neither a tap that is shut for weeks nor one that
    is not read moves the middle, and a season moves it as it moves the taps.
    """
    usual = [np.maximum(held(past_median(one, days=21, at_least=1), one.shape[1]), SMALL_M3) for one in volume]
    grew = [np.diff(np.log(one), axis=1, prepend=np.nan) for one in usual]
    # Between the two in the middle: the lower of them would sink from day to day.
    middle = (_middle(grew) - _middle([-one for one in grew])) / 2
    return np.asarray(
        np.exp(np.cumsum(np.nan_to_num(middle), axis=1))
        * _middle([one / before for one, before in zip(volume, usual, strict=True)])
    )


def _share_of_good_days(volume: FloatArray, village: FloatArray) -> FloatArray:
    """(n, d) a tap's share of what the village draws, against that of its good days."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share = volume / village

    def is_odd(day: int, usual: FloatArray, spread: FloatArray) -> Mask:
        return np.asarray(share[:, day] < usual - np.maximum((1 - GIVES) * usual, ODD_SPREADS * spread))

    usual, _ = past_of_good_days(share, is_odd, days=21, at_least=5)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(share / usual)


def _closed_describer(
    tap: str, verdict: VerdictArray, volume: FloatArray, usual: FloatArray, partly: Mask
) -> Callable[[int, int, int], Evidence]:
    def describe(zone: int, first: int, last: int) -> Evidence:
        # The middle of three days is low on the second of them.
        count = int((verdict[zone, first : last + 1] == Verdict.PRESENT).sum() + partly[zone, first])
        number = int(tap[4:])
        now, before = float(np.nan_to_num(volume[zone, last])), float(usual[zone, first])
        what_fr, what_en = ("rien", "nothing") if now <= SMALL_M3 else (f"que {now:.1f} m³", f"only {now:.1f} m³")
        return Evidence(
            f"La borne {number} ne donne {what_fr} depuis {count} jours ({before:.1f} m³ par jour d'habitude),"
            " les autres donnent.",
            f"Tap {number} has given {what_en} for {count} days ({before:.1f} m³ a day is usual); the others give.",
            {"days": count, "volume_m3": round(now, 2), "usual_m3": round(before, 2), "tap": number},
            {"volume_m3": SMALL_M3, "share": PARTLY},
            (f"{tap}/volume_m3",),
            0.8 if now <= SMALL_M3 else 0.65,
        )

    return describe


def _day_volume(tap: str) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        counter = view.raw(tap, "volume_m3")
        found = view.grid.raw.get((tap, "volume_m3"), np.full(view.grid.shape, np.nan))
        moved = view.grid.moved(tap, "volume_m3")
        steps = view.cut(np.where(moved > MOST_M3_H * steps_before(found) * view.grid.step_s / 3600, np.nan, moved))
        # Of the counter's own rounds: it may be read every hour only.
        seen = np.isfinite(counter).sum(axis=-1)
        often = np.maximum(seen.max(axis=-1, keepdims=True), 1)
        level_m = view.value("tower", "level_m")[..., view.between(6, 19)]
        dry = (level_m < WATER_IN_TOWER_M).mean(axis=-1) > 0.3
        return np.where((seen >= DAY_ENOUGH * often) & (seen > 0) & ~dry, np.nansum(steps, axis=-1), np.nan)

    return compute


def _night_flow(tap: str) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        night = view.cut(hourly_flow(view.grid, tap))[..., view.between(1.5, NIGHT_UNTIL_H)]
        known = np.isfinite(night)
        return np.where(known.any(axis=-1), np.where(known, night, np.inf).min(axis=-1), np.nan)

    return compute


def _night_run(tap: str) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        grid = view.grid
        least = view.cut(least_in_the_dark(grid, tap))[..., view.between(0, NIGHT_UNTIL_H)]
        known = np.isfinite(least)
        return np.where(known.any(axis=-1), np.where(known, least, -np.inf).max(axis=-1), np.nan)

    return compute


def _day_run(tap: str) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        least = view.cut(run_of_tap(view.grid, tap)[0])
        known = np.isfinite(least)
        return np.where(known.mean(axis=-1) > DAY_ENOUGH, np.where(known, least, -np.inf).max(axis=-1), np.nan)

    return compute


def features(taps: list[str]) -> tuple[Feature, ...]:
    """The features of these taps."""
    return tuple(
        feature
        for tap in taps
        for feature in (
            Feature(f"{tap}/day_m3", 24.0, _day_volume(tap)),
            Feature(f"{tap}/night_m3_h", NIGHT_UNTIL_H, _night_flow(tap)),
            Feature(f"{tap}/night_run_m3_h", NIGHT_UNTIL_H, _night_run(tap)),
            Feature(f"{tap}/day_run_m3_h", 24.0, _day_run(tap)),
        )
    )


DETECTORS = (
    Detector((Fault.TAP_LEFT_OPEN,), "tap", (), judge_left_open),
    Detector((Fault.TAP_CLOSED,), "tap", (), judge_closed),
)
