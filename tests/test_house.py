"""The one structural rule: imports run one way, and the gateway needs nothing that a small box cannot carry."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "gateway": set(),
    "ingest": {"gateway"},
    "alerts": {"gateway", "ingest"},
    "web": {"gateway", "ingest", "alerts"},
    "simulator": {"gateway"},
    "ndiyan": {"gateway", "ingest", "alerts", "web", "simulator"},
}
ALERTS_ASKS_INGEST_THROUGH = {
    "ingest.readings", "ingest.readings_pg", "ingest.hours", "ingest.db", "ingest.errors", "ingest.by_hand",
    "ingest.forgotten", "ingest.meters",
}  # fmt: skip
TOO_HEAVY_FOR_A_GATEWAY = {"numpy", "psycopg", "fastapi", "msgspec", "jinja2", "pvlib"}


def imports_of(package: str) -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module


def test_imports_run_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for package, allowed in MAY_IMPORT.items()
        for path, module in imports_of(package)
        if (other := module.split(".")[0]) in MAY_IMPORT and other != package and other not in allowed
    ]
    assert wrong == []


def test_alerts_asks_ingest_only_through_these_doors() -> None:
    asked = {module for _, module in imports_of("alerts") if module.split(".")[0] == "ingest"}
    assert asked <= ALERTS_ASKS_INGEST_THROUGH


def test_only_the_clock_asks_the_system_for_the_time() -> None:
    askers = {
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
        and isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date")
    }  # fmt: skip
    assert askers <= {"gateway/clock.py"}


def test_the_gateway_loads_without_what_a_server_needs() -> None:
    modules = sorted(f"gateway.{path.stem}" for path in (ROOT / "gateway").glob("*.py") if path.stem != "__init__")
    program = f"import sys, {', '.join(modules)}; print(sorted(set(sys.modules) & {TOO_HEAVY_FOR_A_GATEWAY!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_benchmark_finds_what_it_measures_with() -> None:
    """Types are not checked there, and the suite runs few of them."""
    led_by_coverage = {"fuzz_led"}  # in an environment of its own
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")} - {"__init__"} - led_by_coverage
    program = f"import {', '.join(f'benchmarks.{name}' for name in sorted(names))}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_only_root_can_prepare_fails_nobody_else_in_ci() -> None:
    """Where CI runs as another account, as on GitHub, such a part is left out and named."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for said in re.findall(r"\(as root\)(?:.*\n){2}", path.read_text("utf-8")):
            assert "optional=os.geteuid() != 0" in said, path.name
