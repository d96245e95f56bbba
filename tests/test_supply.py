"""What we are made of: pinned, with hashes, and known vulnerabilities are never kept quiet about."""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name

from deploy.audit import KNOWN, NOT_ASKED, verdict
from deploy.sbom import UNTOLD, Differs, of_lock

PACKAGES = ("alerts", "gateway", "ingest", "ndiyan", "simulator", "web")
LOCKS = {"requirements.lock": 21, "deploy/audit.lock": 21, "deploy/fuzz.lock": 1}  # with at least so many packages


@pytest.mark.parametrize(("lock", "least"), LOCKS.items())
def test_every_package_is_pinned_with_hashes_and_without_an_address(lock: str, least: int) -> None:
    text = Path(lock).read_text("utf-8")
    packages = re.split(r"\n(?=[a-z0-9])", text)
    assert len(packages) >= least
    for package in packages:
        assert re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]
    assert "://" not in text


def test_every_action_of_ci_is_pinned_by_commit_and_gets_no_token_it_needs_not() -> None:
    for file in Path(".github/workflows").glob("*.yml"):
        text = file.read_text("utf-8")
        used = re.findall(r"uses: (\S+)(.*)", text)
        assert used
        for action, said in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r"  # v\d+\.\d+\.\d+", said), f"{action} says of no version what it is"
        assert "permissions:\n  contents: read\n" in text
        assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def _told(**vulns: list[dict[str, object]] | None) -> str:
    return json.dumps({"dependencies": [
        {"name": name, "version": "1.0", "vulns": found} if found is not None else {"name": name, "skip_reason": "away"}
        for name, found in vulns.items()
    ]})  # fmt: skip


BAD: list[dict[str, object]] = [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}]


@pytest.mark.parametrize(
    ("told", "words", "code"),
    [
        pytest.param(_told(a=[], b=[]), "2 packages, no known vulnerability", 0, id="none-known"),
        pytest.param(_told(a=[], b=BAD), "b 1.0: PYSEC-2026-1, mended in 1.1", KNOWN, id="one-known"),
        pytest.param(_told(a=[], b=None), "NOT ASKED about 1 of 2 packages", NOT_ASKED, id="one-not-asked"),
        pytest.param(_told(a=BAD, b=None), "PYSEC-2026-1", KNOWN, id="known-and-not-asked"),
        pytest.param(_told(), "NOT ASKED about 0 of 0", NOT_ASKED, id="nothing"),
        pytest.param("", "NOT ASKED", NOT_ASKED, id="no-answer"),
        pytest.param("[]", "NOT ASKED", NOT_ASKED, id="another-answer"),
    ],
)
def test_an_audit_that_could_ask_nobody_is_no_clean_one(told: str, words: str, code: int) -> None:
    said, found = verdict(told)
    assert words in said
    assert found == code


@pytest.mark.parametrize(
    ("code", "check", "audit"),
    [
        pytest.param(0, True, True, id="none-known"),
        pytest.param(NOT_ASKED, True, False, id="nobody-asked"),
        pytest.param(KNOWN, False, False, id="one-known"),
    ],
)
def test_a_vulnerability_that_is_known_fails_the_check_and_one_that_nobody_was_asked_about_the_audit_alone(
    tmp_path: Path, code: int, check: bool, audit: bool
) -> None:
    for venv, lock, programs in (("ours", "requirements", "python ruff mypy"), ("apart", "deploy/audit", "python")):
        (tmp_path / venv / "bin").mkdir(parents=True)
        pinned = hashlib.sha256(Path(f"{lock}.lock").read_bytes()).hexdigest()[:16]
        (tmp_path / venv / ".ready").write_text(f"{pinned}\n")
        for program in programs.split():
            (tmp_path / venv / "bin" / program).write_text(f"#!/bin/sh\nexit {code if venv == 'apart' else 0}\n")
            (tmp_path / venv / "bin" / program).chmod(0o755)
    environments = [f"VENV={tmp_path / 'ours'}", f"AUDIT={tmp_path / 'apart'}"]

    def passes(target: str) -> bool:
        return subprocess.run(["make", target, *environments], capture_output=True, check=False).returncode == 0

    assert (passes("check"), passes("audit")) == (check, audit)


def test_checks_of_security_are_on_and_each_exception_in_our_code_has_its_reason() -> None:
    settings = Path("pyproject.toml").read_text("utf-8")
    assert re.search(r'^select = \[.*"S"', settings, re.MULTILINE)
    packages = ("alerts", "gateway", "ingest", "ndiyan", "web")
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", *packages]
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    for package in packages:
        for file in Path(package).rglob("*.py"):
            for line in file.read_text("utf-8").splitlines():
                if re.search(r"# noqa: .*\bS\d", line):
                    assert re.search(r"# noqa: [A-Z0-9, ]+?( - |  )\w", line), f"{file}: {line.strip()}"


def test_the_wheel_holds_every_file_of_our_packages_and_every_licence_and_the_source_makes_the_same(
    tmp_path: Path,
) -> None:
    """What a server installs is not what the tests import."""
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    (source,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / source.name.removesuffix(".tar.gz")
    again = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "again")]
    subprocess.run(again, check=True, capture_output=True, cwd=folder)
    held, from_source = (_names(one) for one in (wheel, tmp_path / "again" / wheel.name))
    assert from_source == held
    listed = subprocess.run(["git", "ls-files", *PACKAGES], check=True, capture_output=True, text=True)
    assert set(listed.stdout.splitlines()) - held == set()
    licences = {name.partition("/licenses/")[2] for name in held if "/licenses/" in name}
    assert licences == {"LICENSE", "LICENSES/EUPL-1.2.txt", "web/static/uplot/LICENSE"}


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _environment(**other: str | None) -> dict[str, Any]:
    """What `cyclonedx-py environment` says of ours, in short; `other` versions, None of what is missing."""
    versions = {canonicalize_name(one.name): one.version for one in distributions()} | other
    named = {name: version for name, version in versions.items() if version is not None and name != "ndiyan"}
    licence = [{"license": {"id": "MIT"}}]
    components = [
        {"bom-ref": f"{name}=={version}", "name": name, "version": version}
        | ({} if name in UNTOLD else {"licenses": licence})
        for name, version in named.items()
    ]
    refs = [one["bom-ref"] for one in components]
    return {"components": components, "dependencies": [{"ref": "root-component", "dependsOn": refs}]}


def test_the_bill_of_materials_holds_what_the_servers_lock_pins_with_hashes_and_licences_and_no_tool_of_ours() -> None:
    lock = Path("deploy/server.lock").read_text("utf-8")
    made = of_lock(_environment(), lock)
    *packages, uplot = made["components"]
    told = {
        (canonicalize_name(one["name"]), one["version"], *sorted(
            found["content"] for reference in one["externalReferences"] for found in reference["hashes"]
        ))
        for one in packages
    }  # fmt: skip
    wanted = set()
    for name, version, marker, rest in re.findall(
        r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; (.+?))? \\\n((?:    --hash\S+(?: \\)?\n)+)", lock, re.MULTILINE
    ):
        if not marker or Marker(marker).evaluate():
            wanted.add((name, version, *sorted(re.findall(r"sha256:(\w+)", rest))))
    assert told == wanted
    assert len(told) > 60
    assert all(one["licenses"] for one in made["components"])
    assert not {"pytest", "mypy", "playwright"} & {name for name, *_ in told}
    assert (uplot["name"], uplot["version"]) == ("uPlot", "1.6.32")
    root = next(one for one in made["dependencies"] if one["ref"] == "root-component")
    assert set(root["dependsOn"]) == {one["bom-ref"] for one in packages}, "and nobody depends on what is not in it"


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        pytest.param(_environment(fastapi="0.1"), "fastapi==.+ is pinned, and 0.1 is installed", id="another-version"),
        pytest.param(_environment(fastapi=None), "fastapi==.+ is pinned, and none is installed", id="missing"),
    ],
)
def test_an_environment_that_is_not_what_the_lock_pins_has_no_bill_of_materials(
    environment: dict[str, Any], why: str
) -> None:
    with pytest.raises(Differs, match=why):
        of_lock(environment, Path("deploy/server.lock").read_text("utf-8"))


def test_a_package_whose_licence_nobody_says_is_named() -> None:
    environment = _environment()
    (one,) = (one for one in environment["components"] if one["name"] == "fastapi")
    del one["licenses"]
    with pytest.raises(Differs, match="fastapi says nowhere what its licence is"):
        of_lock(environment, Path("deploy/server.lock").read_text("utf-8"))


def test_a_release_attaches_wheel_source_and_bill_of_materials() -> None:
    release = Path(".github/workflows/release.yml").read_text("utf-8")
    assert 'tags: ["v*"]' in release
    assert "run: make dist" in release
    assert "dist/*.whl dist/*.tar.gz dist/ndiyan.cdx.json" in release
