"""Where ticks stand on an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

HOUR_S, DAY_S = 3600.0, 86_400.0
# Longest span for which these steps of the time axis are used.
TIME_STEPS = (
    (0.5 * HOUR_S, 120.0), (3 * HOUR_S, 1200.0), (26 * HOUR_S, 3 * HOUR_S), (3.2 * DAY_S, 12 * HOUR_S),
    (8 * DAY_S, DAY_S), (32 * DAY_S, 5 * DAY_S),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a drawing shows, [s since 1970-01-01 UTC]; `end_s` is larger."""

    start_s: float
    end_s: float

    def share(self, t_s: float) -> float:
        """Where an instant lies: 0 at the start, 1 at the end, held within."""
        return min(1.0, max(0.0, (t_s - self.start_s) / (self.end_s - self.start_s)))


def value_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """At most `count` + 1 round values within [low, high]; a range without width gives its one value."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def round_up(value: float) -> float:
    """The next round number at or above `value`, for the top of an axis; 1 for nothing at all."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if factor * power >= value)


def time_ticks(span: Span) -> list[float]:
    """Instants for the time axis, on round minutes, whole hours or UTC midnights, which are Labé's [s]."""
    length = span.end_s - span.start_s
    step = next((step for longest, step in TIME_STEPS if length <= longest), 30 * DAY_S)
    first = math.ceil(span.start_s / step)
    return [n * step for n in range(first, math.floor(span.end_s / step) + 1)]
