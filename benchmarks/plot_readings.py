"""Draw channels of one zone from a file of readings as SVG, one above the other, to look at what an alert was about.

`python -m benchmarks.plot_readings season/readings.parquet zone-14 2026-04-12 2026-04-14 tower/level_m
tower/outflow_m3_h --mark 2026-04-13T08:40 > burst.svg`
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

WIDTH, HEIGHT, LEFT, GAP = 760, 110, 70, 26
Floats = NDArray[np.float64]


def read(path: Path, zone: str, channel: str, start: datetime, end: datetime) -> tuple[Floats, Floats]:
    """Times [s] and values of one channel, as `asset/channel`, in the order of their times."""
    asset, name = channel.split("/")
    found = pq.read_table(path, filters=[("zone", "==", zone), ("asset", "==", asset), ("channel", "==", name)])
    t_s = pc.cast(found["time"], "int64").to_numpy() / 1000
    inside = (t_s >= start.timestamp()) & (t_s < end.timestamp())
    order = np.argsort(t_s[inside], kind="stable")
    return t_s[inside][order], found["value"].to_numpy()[inside][order]


def strip(top: float, label: str, t: Floats, value: Floats) -> str:
    """One channel; `t` runs from 0 to 1."""
    low, high = (float(np.min(value)), float(np.max(value))) if len(value) else (0.0, 1.0)
    y = top + HEIGHT - (value - low) / max(high - low, 1e-9) * HEIGHT
    points = " ".join(f"{LEFT + a * WIDTH:.1f},{b:.1f}" for a, b in zip(t, y, strict=True))
    return (
        f'<text x="{LEFT}" y="{top - 6}">{escape(label)}</text>'
        f'<text x="{LEFT - 6}" y="{top + 10}" text-anchor="end">{high:.2f}</text>'
        f'<text x="{LEFT - 6}" y="{top + HEIGHT}" text-anchor="end">{low:.2f}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>'
        f'<polyline points="{points}" fill="none" stroke="#0b5fa5" stroke-width="1.2"/>'
    )


def main() -> None:
    """Write the drawing to standard output."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("readings", type=Path, help="Parquet in the long form that the simulator writes")
    parser.add_argument("zone")
    parser.add_argument("start", type=datetime.fromisoformat, help="UTC")
    parser.add_argument("end", type=datetime.fromisoformat, help="UTC")
    parser.add_argument("channels", nargs="+", help="asset/channel")
    parser.add_argument("--mark", type=datetime.fromisoformat, help="when the alert opened, UTC")
    asked = parser.parse_args()
    start, end = asked.start.replace(tzinfo=UTC), asked.end.replace(tzinfo=UTC)
    span_s = (end - start).total_seconds()
    parts = []
    for number, channel in enumerate(asked.channels):
        t_s, value = read(asked.readings, asked.zone, channel, start, end)
        parts.append(strip(GAP + number * (HEIGHT + GAP), channel, (t_s - start.timestamp()) / span_s, value))
    bottom = GAP + len(parts) * (HEIGHT + GAP)
    if asked.mark is not None:
        x = LEFT + (asked.mark.replace(tzinfo=UTC) - start).total_seconds() / span_s * WIDTH
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{GAP}" y2="{bottom - GAP}" stroke="#c0392b"/>')
    hours = f"{asked.zone}, {start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} UTC"
    size = f'viewBox="0 0 {LEFT + WIDTH + 10} {bottom + 6}"'
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="#222">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}'
        f'<text x="{LEFT}" y="{bottom}">{hours}</text></svg>'
    )


if __name__ == "__main__":
    main()
