"""What an installation has, as CycloneDX: `cyclonedx-py environment … | python -m deploy.sbom deploy/server.lock`.

Of an environment, which may have more, those packages stay that the lock pins for this Python and this system. They get
the lock's hashes, and uPlot, which our pages bring along, comes to them.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
UPLOT = ROOT / "web/static/uplot/uPlot.iife.min.js"
UNTOLD = {"protobuf": "BSD-3-Clause", "pyrage": "MIT"}  # what stands in their LICENSE, and in no metadata by its name


class Differs(Exception):
    """The environment is not what the lock pins, or a licence is known nowhere."""


def pinned(lock: str) -> Iterator[tuple[Requirement, list[str]]]:
    """What a lock pins for this Python and system, with its hashes."""
    for block in re.split(r"\n(?=[a-z0-9])", lock):
        requirement = Requirement(block.partition(" \\")[0])
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement, re.findall(r"--hash=sha256:([0-9a-f]{64})", block)


def of_lock(environment: dict[str, Any], lock: str) -> dict[str, Any]:
    """The environment's bill of materials with what the lock pins, and uPlot.

    Raises
    ------
    Differs : a package is missing or of another version, or nobody says its licence
    """
    there = {canonicalize_name(one["name"]): one for one in environment["components"]}
    components = [_component(there.get(canonicalize_name(one.name)), one, hashes) for one, hashes in pinned(lock)]
    kept = {"root-component", *(one["bom-ref"] for one in components)}
    dependencies = [
        one | {"dependsOn": [ref for ref in one.get("dependsOn", ()) if ref in kept]}
        for one in environment["dependencies"]
        if one["ref"] in kept
    ]
    return environment | {"components": [*components, _uplot()], "dependencies": dependencies}


def _component(found: dict[str, Any] | None, wanted: Requirement, hashes: list[str]) -> dict[str, Any]:
    if found is None or not wanted.specifier.contains(found["version"]):
        is_there = found["version"] if found else "none"
        raise Differs(f"{wanted.name}{wanted.specifier} is pinned, and {is_there} is installed")
    licences = found.get("licenses") or _licence(UNTOLD.get(canonicalize_name(wanted.name)), wanted.name)
    files = {
        "type": "distribution",
        "url": f"https://pypi.org/simple/{canonicalize_name(wanted.name)}/",
        "hashes": [{"alg": "SHA-256", "content": one} for one in hashes],
    }
    return found | {"licenses": licences, "externalReferences": [*found.get("externalReferences", ()), files]}


def _licence(name: str | None, of: str) -> list[dict[str, Any]]:
    if name is None:
        raise Differs(f"{of} says nowhere what its licence is: look at its LICENSE, and write it in UNTOLD")
    return [{"license": {"id": name}}]


def _uplot() -> dict[str, Any]:
    code = UPLOT.read_bytes()
    found = re.search(rb"uPlot \(v([0-9.]+)\)", code)
    if found is None:
        raise Differs(f"{UPLOT} does not say its version")
    version = found[1].decode()
    return {
        "type": "library", "bom-ref": "uplot", "name": "uPlot", "version": version, "purl": f"pkg:npm/uplot@{version}",
        "licenses": _licence("MIT", "uPlot"),
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(code).hexdigest()}],
    }  # fmt: skip


if __name__ == "__main__":
    try:
        made = of_lock(json.load(sys.stdin), Path(sys.argv[1]).read_text("utf-8"))
    except Differs as error:
        sys.exit(f"no bill of materials: {error}")
    print(json.dumps(made, indent=2, ensure_ascii=False))
